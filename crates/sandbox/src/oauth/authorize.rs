//! The consent page and its answer.

use std::collections::HashMap;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use splashtail_sandbox_world::world::permissions::MANAGE_GUILD;
use splashtail_sandbox_world::world::{Application, Id, World};
use url::Url;

use super::grants::{Challenge, Consented, Grants};
use super::{escape, with_type};

/// Scopes an application may ask for here.
const SCOPES: &[&str] = &[
    "identify",
    "email",
    "guilds",
    "guilds.join",
    "guilds.members.read",
    "connections",
    "bot",
    "applications.commands",
    "applications.commands.permissions.update",
    "role_connections.write",
    "openid",
];

/// Why there is nothing to consent to. Nobody is redirected, because the address is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthorizeError {
    #[error("Unknown Application")]
    UnknownApplication,
    #[error("Invalid OAuth2 redirect_uri")]
    RedirectUri,
    #[error("response_type must be `code`")]
    ResponseType,
    #[error("The requested scope is invalid, unknown, or malformed.")]
    Scope,
    #[error("code_challenge_method must be `S256` or `plain`")]
    Challenge,
    #[error("Unknown User")]
    UnknownUser,
    #[error("Unknown Guild, or you may not manage it")]
    Guild,
    #[error("The guild is unavailable, try again later")]
    Unavailable,
    #[error("The bot is banned from this guild")]
    Banned,
}

/// A valid request for consent.
#[derive(Debug)]
pub(crate) struct Request {
    app: Id,
    app_name: String,
    scopes: Vec<String>,
    /// Absent for adding a bot without a code.
    redirect_uri: Option<String>,
    state: Option<String>,
    challenge: Option<Challenge>,
    permissions: u64,
    guild: Option<Id>,
    prompt_none: bool,
}

impl Request {
    pub(crate) fn read(world: &World, query: &str) -> Result<Self, AuthorizeError> {
        let fields: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let get = |key: &str| {
            fields
                .get(key)
                .map(String::as_str)
                .filter(|v| !v.is_empty())
        };
        let app = get("client_id")
            .and_then(|id| world.apps.get(&id.parse().ok()?))
            .ok_or(AuthorizeError::UnknownApplication)?;
        let scopes: Vec<String> = get("scope")
            .unwrap_or_default()
            .split([' ', '+'])
            .map(str::to_owned)
            .collect();
        if scopes.iter().any(|s| !SCOPES.contains(&s.as_str())) {
            return Err(AuthorizeError::Scope);
        }
        let adds_bot = scopes.iter().any(|s| s == "bot");
        let redirect_uri = match get("redirect_uri") {
            Some(uri) if redirect_allowed(app, uri) => Some(uri.to_owned()),
            None if adds_bot && get("response_type").is_none() => None,
            _ => return Err(AuthorizeError::RedirectUri),
        };
        if redirect_uri.is_some() && get("response_type") != Some("code") {
            return Err(AuthorizeError::ResponseType);
        }
        let challenge = match (get("code_challenge"), get("code_challenge_method")) {
            (None, _) => None,
            (Some(c), Some("S256")) => Some(Challenge::S256(c.to_owned())),
            (Some(c), None | Some("plain")) => Some(Challenge::Plain(c.to_owned())),
            _ => return Err(AuthorizeError::Challenge),
        };
        Ok(Self {
            app: app.id,
            app_name: app.name.clone(),
            scopes,
            redirect_uri,
            state: get("state").map(str::to_owned),
            challenge,
            permissions: get("permissions").and_then(|p| p.parse().ok()).unwrap_or(0),
            guild: get("guild_id").and_then(|g| g.parse().ok()),
            prompt_none: get("prompt") == Some("none"),
        })
    }

    fn adds_bot(&self) -> bool {
        self.scopes.iter().any(|s| s == "bot")
    }

    /// The redirect address with these parameters and the state; the `done` page without one.
    /// Where the browser goes with the answer of `issuer` (RFC 9207).
    fn location(&self, issuer: &str, parameters: &[(&str, &str)]) -> String {
        let Some(mut url) = self
            .redirect_uri
            .as_deref()
            .and_then(|u| Url::parse(u).ok())
        else {
            return "/oauth2/authorized".to_owned();
        };
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(parameters);
            if let Some(state) = &self.state {
                query.append_pair("state", state);
            }
            query.append_pair("iss", issuer);
        }
        url.into()
    }
}

/// Where the platform takes the answer: downloads and operators, and the website's login.
const OWN_PATHS: [&str; 2] = ["/ioauth/login", "/authorize"];

/// Registered addresses match exactly. Beyond them, any loopback address of the platform's own
/// login paths is fine: its port is not known when the world is made.
fn redirect_allowed(app: &Application, uri: &str) -> bool {
    if app.redirect_uris.iter().any(|r| r == uri) {
        return true;
    }
    let Ok(url) = Url::parse(uri) else {
        return false;
    };
    let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    loopback
        && url.scheme() == "http"
        && OWN_PATHS.contains(&url.path())
        && url.query().is_none()
        && url.fragment().is_none()
}

/// Who answers, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decision {
    pub(crate) user: Id,
    pub(crate) allow: bool,
    pub(crate) guild: Option<Id>,
}

/// Carries out a decision; the address the browser goes to next.
pub(crate) fn answer(
    world: &mut World,
    grants: &Grants,
    query: &str,
    decision: Decision,
) -> Result<String, AuthorizeError> {
    let request = Request::read(world, query)?;
    if world.users.get(&decision.user).is_none_or(|u| u.bot) {
        return Err(AuthorizeError::UnknownUser);
    }
    if !decision.allow {
        let text = "The resource owner or authorization server denied the request";
        let denied = [("error", "access_denied"), ("error_description", text)];
        return Ok(request.location(&world.addresses.rest, &denied));
    }
    let mut parameters = Vec::new();
    let mut guild_text = String::new();
    if request.adds_bot() {
        let guild = decision
            .guild
            .or(request.guild)
            .ok_or(AuthorizeError::Guild)?;
        if world.permissions_of(guild, decision.user) & MANAGE_GUILD == 0 {
            return Err(AuthorizeError::Guild);
        }
        if world.guilds.get(&guild).is_some_and(|g| g.unavailable) {
            return Err(AuthorizeError::Unavailable);
        }
        if !world.add_bot(guild, request.app, decision.user, request.permissions) {
            return Err(AuthorizeError::Banned);
        }
        guild_text = guild.to_string();
    }
    if request.redirect_uri.is_none() {
        return Ok(request.location(&world.addresses.rest, &[]));
    }
    let code = grants.authorize(
        world,
        Consented {
            app: request.app,
            user: decision.user,
            scopes: request.scopes.clone(),
            redirect_uri: request.redirect_uri.clone().unwrap_or_default(),
            challenge: request.challenge.clone(),
        },
    );
    parameters.push(("code", code.as_str()));
    if !guild_text.is_empty() {
        parameters.push(("guild_id", guild_text.as_str()));
    }
    Ok(request.location(&world.addresses.rest, &parameters))
}

/// `GET /oauth2/authorize`.
pub(crate) fn page(
    world: &mut World,
    grants: &Grants,
    query: &str,
    preselected: Option<Id>,
) -> Response {
    let request = match Request::read(world, query) {
        Ok(request) => request,
        Err(error) => return refused(error),
    };
    // Without a prompt, whoever consented to as much before is sent straight on.
    if request.prompt_none
        && let Some(user) = preselected
        && world.access_tokens.values().any(|t| {
            t.app == request.app && t.user == user && request.scopes.iter().all(|s| t.allows(s))
        })
    {
        let decision = Decision {
            user,
            allow: true,
            guild: None,
        };
        return redirect(answer(world, grants, query, decision));
    }
    let mut users: Vec<_> = world.users.values().filter(|u| !u.bot).collect();
    users.sort_by_key(|u| u.id);
    let users = &users[..users.len().min(500)];
    let options: String = users
        .iter()
        .map(|user| {
            let chosen = if preselected == Some(user.id) {
                " selected"
            } else {
                ""
            };
            let name = escape(user.display_name());
            format!(r#"<option value="{}"{chosen}>{name}</option>"#, user.id)
        })
        .collect();
    let guilds = if request.adds_bot() {
        guild_field(world, request.guild)
    } else {
        String::new()
    };
    // One press is enough where nothing else is to be chosen.
    let people: String = users
        .iter()
        .filter(|_| !request.adds_bot())
        .map(|user| {
            let name = escape(user.display_name());
            format!(
                r#"<button name="user_id" value="{}">{name}</button> "#,
                user.id
            )
        })
        .collect();
    let scopes: String = request
        .scopes
        .iter()
        .map(|s| format!("<li>{}</li>", escape(s)))
        .collect();
    let name = escape(&request.app_name);
    let action = escape(&format!("/oauth2/authorize?{query}"));
    let people = match people.is_empty() {
        true => people,
        false => format!(
            r#"<form method="post" action="{action}"><h2>Or at once, as</h2>
<p><input type="hidden" name="decision" value="allow">{people}</p></form>"#
        ),
    };
    html(
        StatusCode::OK,
        &format!(
            r#"<h1>Authorize {name}</h1>
<p><strong>{name}</strong> wants to:</p><ul>{scopes}</ul>
<form method="post" action="{action}">
<p><label>Answer as <select name="user_id" autofocus>{options}</select></label></p>{guilds}
<p><button name="decision" value="allow">Authorize</button>
<button name="decision" value="deny">Cancel</button></p></form>{people}"#
        ),
    )
}

fn guild_field(world: &World, chosen: Option<Id>) -> String {
    let options: String = world
        .guilds
        .values()
        .take(500)
        .map(|guild| {
            let mark = if chosen == Some(guild.id) {
                " selected"
            } else {
                ""
            };
            format!(
                r#"<option value="{}"{mark}>{}</option>"#,
                guild.id,
                escape(&guild.name)
            )
        })
        .collect();
    format!(r#"<p><label>Add to <select name="guild_id">{options}</select></label></p>"#)
}

/// `POST /oauth2/authorize`, the form of the page.
pub(crate) fn consent_form(
    world: &mut World,
    grants: &Grants,
    query: &str,
    form: &[u8],
) -> Response {
    let fields: HashMap<_, _> = url::form_urlencoded::parse(form).into_owned().collect();
    let id = |key: &str| fields.get(key).and_then(|v| v.parse().ok());
    let Some(user) = id("user_id") else {
        return refused(AuthorizeError::UnknownUser);
    };
    let allow = fields.get("decision").is_some_and(|d| d == "allow");
    redirect(answer(
        world,
        grants,
        query,
        Decision {
            user,
            allow,
            guild: id("guild_id"),
        },
    ))
}

/// The page after a bot was added without a redirect.
pub(crate) fn authorized() -> Response {
    html(
        StatusCode::OK,
        "<h1>Authorized</h1><p>You can close this page.</p>",
    )
}

fn redirect(answered: Result<String, AuthorizeError>) -> Response {
    match answered {
        Err(error) => refused(error),
        Ok(location) => {
            let mut response = html(StatusCode::FOUND, "<p>Going on…</p>");
            if let Ok(location) = HeaderValue::from_str(&location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
    }
}

fn refused(error: AuthorizeError) -> Response {
    html(
        StatusCode::BAD_REQUEST,
        &format!("<h1>{}</h1>", escape(&error.to_string())),
    )
}

fn html(status: StatusCode, body: &str) -> Response {
    let page = format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Authorize</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:30rem;margin:10vh auto;padding:0 1rem}}button,select{{font:inherit;padding:.3rem .7rem}}</style>
</head><body><main>{body}</main></body></html>"#
    );
    with_type(status, "text/html; charset=utf-8", page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_platforms_login_path_is_free_on_loopback() {
        let ok = |uri| {
            let app = Application {
                redirect_uris: vec!["https://x.test/cb".into()],
                ..app()
            };
            redirect_allowed(&app, uri)
        };
        assert!(ok("https://x.test/cb"));
        assert!(!ok("https://x.test/cb/"), "exact match");
        assert!(ok("http://127.0.0.1:8081/ioauth/login"));
        assert!(ok("http://localhost:1/ioauth/login"));
        assert!(ok("http://localhost:5173/authorize"));
        assert!(!ok("http://127.0.0.1:8081/other"));
        assert!(!ok("http://evil.test/ioauth/login"));
        assert!(!ok("http://127.0.0.1.evil.test/ioauth/login"));
        assert!(!ok("http://127.0.0.1:1/ioauth/login?x=1"));
    }

    fn app() -> Application {
        Application {
            id: Id(1),
            bot: Id(1),
            name: "a".into(),
            description: String::new(),
            icon: None,
            owner: Id(2),
            token: String::new(),
            client_secret: String::new(),
            redirect_uris: Vec::new(),
            flags: 0,
            shards: 1,
            max_concurrency: 1,
            sessions: splashtail_sandbox_world::world::SessionStarts::default(),
            global_commands: std::collections::BTreeMap::new(),
            guild_commands: std::collections::BTreeMap::new(),
            emojis: std::collections::BTreeMap::new(),
            command_creates: std::collections::BTreeMap::new(),
        }
    }
}
