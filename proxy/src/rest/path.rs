//! What a path asks for: the route that Discord limits, and what makes some routes special.

use chrono::{DateTime, Duration, Utc};
use http::Method;
use splashtail_core::ids;
use splashtail_discord::{Lane, Route};

/// Longer parts of a path are tokens, and so in no template.
const LONGEST_PART: usize = 64;
/// Interaction tokens are base64 of `interaction:…`.
const INTERACTION: &str = "aW50ZXJhY3Rpb24";
/// Discord gives an interaction so much time for its first answer, …
const FIRST_ANSWER: Duration = Duration::seconds(3);
/// … counted with what clocks and the way may differ by.
const MARGIN: Duration = Duration::seconds(2);
/// Messages that old are deleted at another pace (Discord docs, "Rate Limits").
const OLD: Duration = Duration::days(14);
const FRESH: Duration = Duration::seconds(10);

/// A call's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub route: Route,
    /// The first answer to an interaction, with its id.
    pub interaction: Option<u64>,
    /// The path holds its own token, which Discord limits apart from the bot's second.
    pub of_interaction: bool,
    /// `/webhooks/{id}/{token}` of a webhook, where it is asked for itself.
    pub webhook: Option<(String, String)>,
    /// A token in the path: the one in the header has no say.
    pub has_token: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// Not below `/api`.
    Outside,
    /// It leads somewhere else than it says.
    Crooked,
}

/// The path below the version.
///
/// # Errors
/// It is none of Discord's API.
pub fn below(path: &str) -> Result<&str, PathError> {
    let rest = path.strip_prefix("/api").ok_or(PathError::Outside)?;
    if !rest.starts_with('/') {
        return Err(PathError::Outside);
    }
    let crooked = rest
        .split('/')
        .any(|part| matches!(part, "." | "..") || part.contains('\\'))
        || ["%2e", "%2f", "%5c"]
            .iter()
            .any(|code| rest.to_ascii_lowercase().contains(code));
    // A reaction's emoji may be percent-encoded, but never as these.
    if crooked {
        return Err(PathError::Crooked);
    }
    let version = |part: &str| {
        part.strip_prefix('v').is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let after = rest[1..].find('/').map(|at| at + 1);
    match after {
        Some(at) if version(&rest[1..at]) => Ok(&rest[at..]),
        None if version(&rest[1..]) => Err(PathError::Outside),
        _ => Ok(rest),
    }
}

impl Target {
    /// `own`: the bot's id where it is known; `now` by Discord's clock.
    pub fn of(method: &Method, below: &str, own: Option<&str>, now: DateTime<Utc>) -> Self {
        let parts: Vec<&str> = below.trim_matches('/').split('/').collect();
        let mut route = Route::new(method, below);
        if parts.iter().any(|part| part.len() >= LONGEST_PART) {
            route.template = shortened(&route.template);
        }
        if let (&Method::DELETE, ["channels", _, "messages", message]) = (method, &parts[..])
            && let Some(age) = age(message, now)
        {
            match age {
                age if age > OLD => route.template.push_str(" (old)"),
                age if age < FRESH => route.template.push_str(" (fresh)"),
                _ => {}
            }
        }
        let interaction = match parts[..] {
            ["interactions", id, _, "callback"] if *method == Method::POST => id.parse().ok(),
            _ => None,
        };
        let (mut of_interaction, mut webhook) = (interaction.is_some(), None);
        if let ["webhooks", id, token, rest @ ..] = &parts[..] {
            of_interaction = token.starts_with(INTERACTION) || own == Some(*id);
            if !of_interaction && rest.is_empty() {
                webhook = Some(((*id).to_owned(), (*token).to_owned()));
            }
        }
        let has_token = matches!(parts[..], ["webhooks" | "interactions", _, _, ..]);
        Self {
            route,
            interaction,
            of_interaction,
            webhook,
            has_token,
        }
    }

    /// Whether Discord has given up on the interaction that this would answer first.
    pub fn is_too_late(&self, now: DateTime<Utc>) -> bool {
        let since = self.interaction.map(|id| now - made_at(id));
        since.is_some_and(|since| since > FIRST_ANSWER + MARGIN)
    }

    /// The lane of a caller who names none.
    pub fn lane(&self) -> Lane {
        let stops_somebody = matches!(
            self.route.template.as_str(),
            "PUT /guilds/{id}/bans/{id}"
                | "POST /guilds/{id}/bulk-ban"
                | "DELETE /guilds/{id}/members/{id}"
                | "DELETE /guilds/{id}/members/{id}/roles/{id}"
        );
        match stops_somebody {
            true => Lane::Containment,
            false => Lane::Interactive,
        }
    }
}

fn shortened(template: &str) -> String {
    let parts = template.split('/').map(|part| match part.len() {
        LONGEST_PART.. => "{token}",
        _ => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn age(id: &str, now: DateTime<Utc>) -> Option<Duration> {
    Some(now - made_at(id.parse().ok()?))
}

fn made_at(id: u64) -> DateTime<Utc> {
    ids::created_at(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-01T12:00:00Z".parse().unwrap()
    }

    fn id(ago: Duration) -> u64 {
        let ms = (now() - ago).timestamp_millis() - 1_420_070_400_000;
        u64::try_from(ms).unwrap() << 22
    }

    fn target(method: &Method, path: &str) -> Target {
        Target::of(method, path, Some("77"), now())
    }

    #[test]
    fn only_the_api_is_passed_on_and_only_straight() {
        for (path, expected) in [
            ("/api/v10/guilds/1", Ok("/guilds/1")),
            ("/api/guilds/1", Ok("/guilds/1")),
            ("/api/v9/gateway/bot", Ok("/gateway/bot")),
            ("/api/vanity/1", Ok("/vanity/1")),
            ("/api/v10", Err(PathError::Outside)),
            ("/apiv10/guilds/1", Err(PathError::Outside)),
            ("/guilds/1", Err(PathError::Outside)),
            ("/api/v10/guilds/1/../2", Err(PathError::Crooked)),
            ("/api/v10/guilds/%2E%2e/2", Err(PathError::Crooked)),
            ("/api/v10/guilds%2F2", Err(PathError::Crooked)),
        ] {
            assert_eq!(below(path), expected, "{path}");
        }
    }

    #[test]
    fn messages_are_deleted_at_the_pace_of_their_age() {
        for (ago, end) in [
            (Duration::seconds(1), "{id} (fresh)"),
            (Duration::hours(1), "{id}"),
            (Duration::days(15), "{id} (old)"),
        ] {
            let path = format!("/channels/1/messages/{}", id(ago));
            let route = target(&Method::DELETE, &path).route;
            assert_eq!(
                route.template,
                format!("DELETE /channels/{{id}}/messages/{end}")
            );
            let route = target(&Method::PATCH, &path).route;
            assert_eq!(route.template, "PATCH /channels/{id}/messages/{id}");
        }
    }

    #[test]
    fn interactions_are_known_by_their_paths() {
        let first = format!("/interactions/{}/t/callback", id(Duration::seconds(1)));
        let first = target(&Method::POST, &first);
        assert!(first.of_interaction && first.has_token && !first.is_too_late(now()));
        assert!(first.is_too_late(now() + Duration::seconds(5)));
        for path in [
            "/webhooks/77/t",
            "/webhooks/5/aW50ZXJhY3Rpb246MQ/messages/@original",
        ] {
            let target = target(&Method::POST, path);
            assert!(target.of_interaction && target.webhook.is_none(), "{path}");
        }
        let webhook = target(&Method::POST, "/webhooks/5/t");
        assert_eq!(webhook.webhook, Some(("5".into(), "t".into())));
        assert!(!webhook.of_interaction && webhook.has_token);
        assert_eq!(
            target(&Method::PATCH, "/webhooks/5/t/messages/6").webhook,
            None
        );
        assert!(!target(&Method::GET, "/webhooks/5").has_token);
    }

    #[test]
    fn tokens_show_in_no_template() {
        let long = "x".repeat(LONGEST_PART);
        let route = target(&Method::GET, &format!("/somewhere/{long}/new")).route;
        assert_eq!(route.template, "GET /somewhere/{token}/new");
    }

    #[test]
    fn what_stops_somebody_goes_first() {
        let lane = |method, path| target(&method, path).lane();
        assert_eq!(lane(Method::PUT, "/guilds/1/bans/2"), Lane::Containment);
        assert_eq!(
            lane(Method::DELETE, "/guilds/1/members/2"),
            Lane::Containment
        );
        assert_eq!(lane(Method::DELETE, "/guilds/1/bans/2"), Lane::Interactive);
        assert_eq!(lane(Method::GET, "/guilds/1"), Lane::Interactive);
    }
}
