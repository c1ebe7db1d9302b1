//! A bot that leaves a server, whichever way.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::{Actor, Request, Response};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::Id;

use crate::harness::{Case, GUILD, code};

const WEBHOOKS: u64 = 3;

/// Another bot, an administrator, with webhooks of its own.
struct Other {
    case: Case,
    app: Id,
    bot: Id,
    token: String,
}

impl Other {
    fn new() -> Self {
        let case = Case::unlimited();
        let (app, bot, token) = case.sandbox.with_world(|world| {
            world.conduct.kick_ms_per_webhook = 40;
            let app = world.new_app("Other");
            world.add_app(app.clone());
            assert!(world.add_bot(GUILD, app.id, small::OWNER, 8));
            (app.id, app.bot, app.token)
        });
        let other = Self {
            case,
            app,
            bot,
            token,
        };
        let hooks = format!("/channels/{}/webhooks", other.case.channel("general"));
        for _ in 0..WEBHOOKS {
            let made = other.send(Method::POST, &hooks, json!({"name": "hook"}));
            assert_eq!(made.status, 200, "{}", made.json());
        }
        other
    }

    fn send(&self, method: Method, path: &str, body: Value) -> Response {
        let secret = format!("Bot {}", self.token);
        self.case
            .http(&[("authorization", &secret)], method, path, &body)
    }

    fn webhooks(&self) -> usize {
        let app = Some(self.app);
        self.case
            .sandbox
            .with_world(|w| w.webhooks.values().filter(|h| h.app == app).count())
    }
}

#[test]
fn a_bot_takes_its_webhooks_along_and_takes_its_time() {
    let guild = format!("/guilds/{GUILD}");
    for way in [
        "kick",
        "ban",
        "bulk ban",
        "leave",
        "integration",
        "own integration",
    ] {
        let other = Other::new();
        let (app, bot) = (other.app, other.bot);
        let (method, path, body) = match way {
            "kick" => (
                Method::DELETE,
                format!("{guild}/members/{bot}"),
                Value::Null,
            ),
            "ban" => (Method::PUT, format!("{guild}/bans/{bot}"), json!({})),
            "bulk ban" => {
                let body = json!({"user_ids": [bot, small::SPARE]});
                (Method::POST, format!("{guild}/bulk-ban"), body)
            }
            "leave" => (
                Method::DELETE,
                format!("/users/@me/guilds/{GUILD}"),
                Value::Null,
            ),
            _ => (
                Method::DELETE,
                format!("{guild}/integrations/{app}"),
                Value::Null,
            ),
        };
        let request = Request::act(method.clone(), path.clone(), &body);
        let alone = way == "leave" || way == "own integration";
        let caller = if alone { app } else { small::OWNER };
        let sandbox = &other.case.sandbox;
        assert_eq!(
            sandbox.slowness(|| Some(caller), &request),
            40 * WEBHOOKS,
            "{way}"
        );
        assert_eq!(other.webhooks() as u64, WEBHOOKS);
        other.case.events();
        let answer = match alone {
            true => other.send(method, &path, body),
            false => sandbox.dispatch(Actor::User(small::OWNER), request.clone()),
        };
        assert!(answer.is_success(), "{way}: {}", answer.json());
        assert_eq!(other.webhooks(), 0, "{way}");
        let told = other.case.events();
        let told = told.iter().filter(|(kind, _)| *kind == "WEBHOOKS_UPDATE");
        assert_eq!(told.count() as u64, WEBHOOKS, "{way}");
        let (left, integrations) = other.case.sandbox.with_world(|world| {
            let guild = &world.guilds[&GUILD];
            let left = guild.members.contains_key(&bot);
            (left, guild.integrations.contains_key(&app))
        });
        assert!(!left && !integrations, "{way}");
        assert_eq!(
            other.case.sandbox.slowness(|| Some(caller), &request),
            0,
            "{way}: gone"
        );
        other.case.finish();
    }
}

#[test]
fn a_bot_removes_no_other_bots_integration() {
    // discord-api-docs#2087
    let other = Other::new();
    let path = |app: Id| format!("/guilds/{GUILD}/integrations/{app}");
    let own = path(other.app);
    let refused = other.case.bot(Method::DELETE, &own, Value::Null);
    assert_eq!((refused.status, code(&refused)), (403, 50001));
    let ours = other.case.sandbox.with_world(|world| {
        let mut all = world.guilds[&GUILD].integrations.values();
        all.find(|i| i.app == small::APPLICATION).map(|i| i.id)
    });
    let ours = path(ours.unwrap());
    let refused = other.send(Method::DELETE, &ours, Value::Null);
    assert_eq!((refused.status, code(&refused)), (403, 50001));
    assert_eq!(other.send(Method::DELETE, &own, Value::Null).status, 204);
    other.case.finish();
}
