//! Bearer tokens and their scopes.

use http::Method;
use serde_json::Value;
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::AccessToken;

use crate::harness::{Case, GUILD, code};

fn grant(case: &Case, token: &str, scopes: &[&str]) {
    case.sandbox.with_world(|w| {
        let grant = AccessToken {
            app: small::APPLICATION,
            user: small::MANAGER,
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            expires_ms: w.steady_ms() + 604_800_000,
        };
        w.access_tokens.insert(token.to_owned(), grant);
    });
}

fn get(case: &Case, token: &str, path: &str) -> Response {
    let header = format!("Bearer {token}");
    case.http(
        &[("authorization", &header)],
        Method::GET,
        path,
        &Value::Null,
    )
}

#[test]
fn scopes_open_what_they_name() {
    let case = Case::unlimited();
    grant(
        &case,
        "all",
        &["identify", "email", "guilds", "guilds.members.read"],
    );
    grant(&case, "some", &["identify"]);
    let me = get(&case, "all", "/users/@me").json();
    assert_eq!(
        (&me["username"], &me["email"]),
        (&"marta".into(), &"marta@example.com".into())
    );
    assert_eq!(get(&case, "some", "/users/@me").json().get("email"), None);
    let guilds = get(&case, "all", "/users/@me/guilds").json();
    assert_eq!(guilds.as_array().unwrap().len(), 4);
    assert_eq!(
        (&guilds[0]["owner"], guilds[0]["permissions"].is_string()),
        (&false.into(), true)
    );
    assert_eq!(
        get(&case, "all", &format!("/users/@me/guilds/{GUILD}/member")).status,
        200
    );
    let missing = get(&case, "some", "/users/@me/guilds");
    assert_eq!((missing.status, code(&missing)), (403, 50026));
    assert_eq!(get(&case, "all", "/oauth2/@me").status, 200);
    // Routes of bots do not take them, and the bot has no authorisation to look at.
    assert_eq!(get(&case, "all", &format!("/guilds/{GUILD}")).status, 401);
    assert_eq!(case.get("/oauth2/@me").status, 401);
    case.advance_ms(604_800_000);
    assert_eq!(get(&case, "all", "/users/@me").status, 401, "expired");
    case.finish();
}

#[test]
fn guild_lists_of_a_user_token_come_once_a_second() {
    let case = Case::new();
    grant(&case, "t", &["guilds"]);
    assert_eq!(get(&case, "t", "/users/@me/guilds").status, 200);
    assert_eq!(get(&case, "t", "/users/@me/guilds").status, 429);
    case.advance_ms(1000);
    assert_eq!(get(&case, "t", "/users/@me/guilds").status, 200);
}
