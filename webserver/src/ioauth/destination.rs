//! Where a login may lead back to: registered routes of this API, nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use splashtail_core::ids::GuildId;
use url::form_urlencoded;
use uuid::Uuid;

/// Signs a browser in. It leads nowhere with a proof: whoever has such a link would sign in whom they
/// send it to.
const SIGN_IN: &str = "/login";
/// The page on which people let a server bring them back. Nobody is sent on from there but by a press on it.
const CONSENT: &str = "/consent";
const CONSENT_SCOPES: &[&str] = &["identify", "guilds.join"];
/// Where people are taken who were on their way to no page.
const HOME: &str = "/dashboard";
const MAX_PAGE: usize = 1000;

/// A route that asks for proof.
struct Route {
    /// `{uuid}` stands for one UUID.
    pattern: &'static str,
    scopes: &'static [&'static str],
    /// Query parameters that survive the round trip.
    parameters: &'static [&'static str],
    /// A link from anywhere may begin it.
    by_link: bool,
}

const ROUTES: &[Route] = &[
    Route {
        pattern: "/tasks/{uuid}/ioauth/download-link",
        scopes: &["identify", "guilds"],
        parameters: &["no_redirect"],
        by_link: true,
    },
    // Here the bot says what somebody may do.
    Route {
        pattern: "/jobs/{uuid}/ioauth/download-link",
        scopes: &["identify"],
        parameters: &["no_redirect"],
        by_link: true,
    },
    Route {
        pattern: SIGN_IN,
        scopes: &["identify", "guilds"],
        parameters: &["to"],
        by_link: true,
    },
    Route {
        pattern: CONSENT,
        scopes: CONSENT_SCOPES,
        parameters: &["id"],
        by_link: false,
    },
];

/// `rd` of `/ioauth/login`, base64url without padding of this as JSON. The original took the
/// scopes from here as well; the route decides them now.
#[derive(Debug, Serialize, Deserialize)]
struct Redirect {
    dest: String,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    #[error("`rd` is not base64url of a JSON object with `dest`")]
    Malformed,
    #[error("`dest` is not an address of this API that takes a login")]
    NotRegistered,
}

/// A checked path of a registered route with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub path: String,
    pub query: Vec<(String, String)>,
    pub scopes: &'static [&'static str],
    by_link: bool,
}

impl Destination {
    /// # Errors
    /// See [`DestinationError`].
    pub fn decode(rd: &str) -> Result<Self, DestinationError> {
        let json = URL_SAFE_NO_PAD
            .decode(rd)
            .map_err(|_| DestinationError::Malformed)?;
        let redirect: Redirect =
            serde_json::from_slice(&json).map_err(|_| DestinationError::Malformed)?;
        let destination = Self::parse(&redirect.dest).filter(|known| known.by_link);
        destination.ok_or(DestinationError::NotRegistered)
    }

    /// The page of a server's question whether it may bring somebody back.
    pub fn consent(guild: GuildId) -> Self {
        Self {
            path: CONSENT.to_owned(),
            query: vec![("id".to_owned(), guild.to_string())],
            scopes: CONSENT_SCOPES,
            by_link: false,
        }
    }

    /// Which server is allowed something here; `None`: this is another route.
    pub fn consented(&self) -> Option<GuildId> {
        let id = self.query.iter().find(|(name, _)| name == "id");
        let id = id.filter(|_| self.path == CONSENT);
        id.and_then(|(_, id)| id.parse().ok())
    }

    /// Where a person begins it anew.
    pub fn again(&self) -> String {
        match self.by_link {
            true => login_link(self),
            false => self.link(None),
        }
    }

    /// Takes only what matches a registered route segment by segment; nothing is unescaped first.
    pub fn parse(dest: &str) -> Option<Self> {
        let (path, query) = dest.split_once('?').unwrap_or((dest, ""));
        let route = ROUTES.iter().find(|route| matches(route.pattern, path))?;
        let query = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| route.parameters.contains(&name.as_ref()))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Some(Self {
            path: path.to_owned(),
            query,
            scopes: route.scopes,
            by_link: route.by_link,
        })
    }

    /// The page that a browser is taken to when it is signed in; `None`: this is another route.
    pub fn page(&self) -> Option<&str> {
        let to = self.query.iter().find(|(name, _)| name == "to");
        let to = to.map(|(_, page)| page.as_str());
        (self.path == SIGN_IN).then(|| to.filter(|page| is_page(page)).unwrap_or(HOME))
    }

    /// Path and query, with the proof appended if there is one.
    pub fn link(&self, proof: Option<&str>) -> String {
        if self.query.is_empty() && proof.is_none() {
            return self.path.clone();
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.query);
        if let Some(proof) = proof {
            query.append_pair("ioauth", proof);
        }
        format!("{}?{}", self.path, query.finish())
    }

    /// What [`Destination::decode`] reads.
    pub fn encode(&self) -> String {
        let redirect = Redirect {
            dest: self.link(None),
            scopes: self.scopes.iter().map(ToString::to_string).collect(),
        };
        // Two strings always serialise.
        let json = serde_json::to_vec(&redirect).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(json)
    }
}

/// Where a request without proof is sent first.
pub fn login_link(destination: &Destination) -> String {
    format!("/ioauth/login?rd={}", destination.encode())
}

/// A path of this site with its query, as browsers read it: they take `\` for `/`, and drop tabs and
/// line ends.
fn is_page(page: &str) -> bool {
    page.len() <= MAX_PAGE
        && page.starts_with('/')
        && !page.starts_with("//")
        && page
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut expected = pattern.split('/');
    let mut given = path.split('/');
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return true,
            (Some("{uuid}"), Some(given)) if is_uuid(given) => {}
            (Some(expected), Some(given)) if expected == given => {}
            _ => return false,
        }
    }
}

/// In the form that ids have in links: hyphenated.
fn is_uuid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/tasks/6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11/ioauth/download-link";

    #[test]
    fn a_registered_route_supplies_the_scopes() {
        let destination = Destination::parse(PATH).unwrap();
        assert_eq!(destination.scopes, ["identify", "guilds"]);
        assert_eq!(destination.link(None), PATH);
        assert_eq!(destination.link(Some("t")), format!("{PATH}?ioauth=t"));
        let of_job = Destination::parse(&PATH.replace("/tasks/", "/jobs/")).unwrap();
        assert_eq!(of_job.scopes, ["identify"]);
    }

    #[test]
    fn only_known_parameters_survive_and_a_proof_never_does() {
        let given = format!("{PATH}?no_redirect=true&ioauth=old&next=//evil.example");
        let destination = Destination::parse(&given).unwrap();
        assert_eq!(
            destination.link(Some("new")),
            format!("{PATH}?no_redirect=true&ioauth=new")
        );
    }

    #[test]
    fn scopes_of_the_client_are_ignored() {
        let rd = URL_SAFE_NO_PAD.encode(
            serde_json::json!({"dest": PATH, "scopes": ["identify", "email&x=y"]}).to_string(),
        );
        assert_eq!(
            Destination::decode(&rd).unwrap().scopes,
            ["identify", "guilds"]
        );
        let again = login_link(&Destination::decode(&rd).unwrap());
        let rd = again.strip_prefix("/ioauth/login?rd=").unwrap();
        assert_eq!(Destination::decode(rd).unwrap().path, PATH);
    }

    #[test]
    fn a_sign_in_leads_to_pages_of_this_site_alone() {
        for (given, page) in [
            ("/login", "/dashboard"),
            ("/login?to=/mewld/", "/mewld/"),
            (
                "/login?to=%2Fdashboard%2Fguilds%3Fid%3D1%26tab%3Dx",
                "/dashboard/guilds?id=1&tab=x",
            ),
            ("/login?to=//evil.example", "/dashboard"),
            ("/login?to=/%09/evil.example", "/dashboard"),
            ("/login?to=/%5Cevil.example", "/dashboard"),
            ("/login?to=https://evil.example", "/dashboard"),
            ("/login?to=/a%0D%0ASet-Cookie:x", "/dashboard"),
            ("/login?to=", "/dashboard"),
        ] {
            let destination = Destination::parse(given).unwrap();
            assert_eq!(destination.page(), Some(page), "{given}");
            let again = Destination::parse(&destination.link(None)).unwrap();
            assert_eq!(again, destination, "{given}");
        }
        assert_eq!(Destination::parse(PATH).unwrap().page(), None);
    }

    #[test]
    fn no_link_begins_a_consent() {
        let consent = Destination::consent(GuildId::new(5).unwrap());
        assert_eq!(consent.link(None), "/consent?id=5");
        assert_eq!(
            Destination::parse(&consent.link(None)),
            Some(consent.clone())
        );
        assert_eq!(consent.consented(), GuildId::new(5));
        assert_eq!(consent.page(), None);
        assert_eq!(consent.again(), "/consent?id=5");
        let by_link = Destination::decode(&consent.encode());
        assert_eq!(by_link, Err(DestinationError::NotRegistered));
        for other in ["/consent", "/consent?id=x", "/login?id=5"] {
            assert_eq!(
                Destination::parse(other).unwrap().consented(),
                None,
                "{other}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for dest in [
            "",
            "/",
            "json",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/tasks/1/ioauth/download-link",
            "/clusters/health",
            &format!("/{PATH}"),
            &format!("{PATH}/"),
            &format!("{PATH}#x"),
            &format!(" {PATH}"),
            &format!("{PATH}\r\nSet-Cookie: a=b"),
            &format!("\t{PATH}"),
            "/tasks/{6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11}/ioauth/download-link",
            "/tasks/..%2f..%2fevil/ioauth/download-link",
        ] {
            assert_eq!(Destination::parse(dest), None, "{dest:?}");
        }
        for rd in ["", "%%%", "bnVsbA", "e30"] {
            assert_eq!(
                Destination::decode(rd),
                Err(DestinationError::Malformed),
                "{rd:?}"
            );
        }
    }
}
