use http::Method;

/// What Discord limits together, as far as the path tells: the route template and the major id
/// (channel, guild, or webhook with token). Other ids do not matter (Discord docs, "Rate Limits").
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// Method and path with names for what varies, e.g. `GET /guilds/{id}/roles`.
    pub template: String,
    /// What is limited apart from others of the template; empty where nothing is.
    pub major: String,
}

impl Route {
    /// `path` starts with `/`, follows the version and has no query.
    pub fn new(method: &Method, path: &str) -> Self {
        let mut template = method.to_string();
        template.push(' ');
        let mut major = String::new();
        let mut previous = "";
        for (place, part) in path.trim_matches('/').split('/').enumerate() {
            template.push('/');
            let is_id = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let is_code = matches!(previous, "invites" | "templates");
            let first_id = place == 1 && matches!(previous, "channels" | "guilds" | "webhooks");
            let secret = is_secret(place, path);
            if first_id || (secret && path.starts_with("/webhooks/")) {
                if !major.is_empty() {
                    major.push('/');
                }
                major.push_str(part);
            }
            match () {
                () if secret => template.push_str("{token}"),
                () if is_id || first_id => template.push_str("{id}"),
                () if previous == "reactions" => template.push_str("{emoji}"),
                () if is_code => template.push_str("{code}"),
                () => template.push_str(part),
            }
            previous = part;
        }
        Self { template, major }
    }
}

/// Interaction and webhook tokens are credentials: they stay out of logs and errors.
fn is_secret(place: usize, path: &str) -> bool {
    place == 2 && (path.starts_with("/webhooks/") || path.starts_with("/interactions/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> (String, String) {
        let route = Route::new(&Method::GET, path);
        (route.template, route.major)
    }

    #[test]
    fn major_ids_are_kept_and_others_are_not() {
        assert_eq!(
            route("/channels/1100000000000000001/messages/1100000000000000002"),
            (
                "GET /channels/{id}/messages/{id}".into(),
                "1100000000000000001".into()
            )
        );
        assert_eq!(
            route("/guilds/1/roles"),
            ("GET /guilds/{id}/roles".into(), "1".into())
        );
        assert_eq!(
            route("/users/@me/guilds"),
            ("GET /users/@me/guilds".into(), String::new())
        );
        assert_eq!(
            route("/channels/1/messages/1100000000000000002/reactions/%F0/@me").0,
            "GET /channels/{id}/messages/{id}/reactions/{emoji}/@me"
        );
    }

    /// A template for each of them would grow without end.
    #[test]
    fn what_varies_is_in_no_template() {
        for (path, template) in [
            ("/invites/aBc", "GET /invites/{code}"),
            (
                "/guilds/1/templates/aBc",
                "GET /guilds/{id}/templates/{code}",
            ),
            ("/guilds/templates/aBc", "GET /guilds/{id}/{code}"),
            (
                "/guilds/1/members/7/roles/8",
                "GET /guilds/{id}/members/{id}/roles/{id}",
            ),
        ] {
            assert_eq!(route(path).0, template);
        }
    }

    #[test]
    fn tokens_never_show() {
        assert_eq!(
            route("/webhooks/1100000000000000001/secret/messages/@original"),
            (
                "GET /webhooks/{id}/{token}/messages/@original".into(),
                "1100000000000000001/secret".into()
            )
        );
        assert_eq!(
            route("/interactions/1100000000000000001/secret/callback").0,
            "GET /interactions/{id}/{token}/callback"
        );
    }
}
