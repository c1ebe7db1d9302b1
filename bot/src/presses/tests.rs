use serde_json::{Value, json};
use splashtail_core::ids::{MessageId, UserId};
use splashtail_discord::Discord;
use tokio_util::task::TaskTracker;
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::app;
use crate::modules::{About, Module, all, foundation};

fn sent(kind: u64, data: Value) -> Value {
    json!({"type": kind, "id": "5", "token": "t", "application_id": "6", "guild_id": "7",
           "channel_id": "8", "locale": "de", "data": data, "message": {"id": "11", "flags": 0},
           "member": {"user": {"id": "9"}, "roles": ["10"], "permissions": "32"}})
}

fn pressed(custom_id: &str) -> Press {
    Press::read(&sent(3, json!({"custom_id": custom_id}))).unwrap()
}

#[test]
fn presses_and_forms_are_read_and_nothing_else() {
    let press = pressed("gd:agree:x");
    assert_eq!(press.user, UserId::new(9).unwrap());
    assert_eq!(press.message, MessageId::new(11));
    assert_eq!(press.permissions.0, 32);
    assert_eq!(press.prefix(), "gd");
    assert_eq!(press.parts(), Some(["agree", "x"]));
    assert_eq!(press.parts::<3>(), None);
    assert_eq!(pressed("gd:a:b:c").parts(), Some(["a", "b:c"]));
    assert!(!format!("{press:?}").contains("\"t\""));
    let row = json!([{"type": 1, "components": [
        {"type": 4, "custom_id": "name", "value": "Harbour"}]},
        {"type": 18, "component": {"type": 4, "custom_id": "why", "value": "so"}}]);
    let form = sent(5, json!({"custom_id": "bk:go:x", "components": row}));
    let form = Press::read(&form).unwrap();
    let typed = (form.typed("name"), form.typed("why"), form.typed("other"));
    assert_eq!(typed, (Some("Harbour"), Some("so"), None));
    assert!(Press::read(&sent(2, json!({"name": "ping"}))).is_none());
    let mut private = sent(3, json!({"custom_id": "hnav:9:1:"}));
    private["user"] = private["member"]["user"].take();
    private["member"] = Value::Null;
    private["guild_id"] = Value::Null;
    let private = Press::read(&private).unwrap();
    assert_eq!((private.user.get(), private.guild().is_ok()), (9, false));
}

/// Buttons that do what their names say.
struct Buttons;

impl Module for Buttons {
    fn about(&self) -> About {
        About::new("buttons", "Buttons", "For tests")
    }

    fn presses(&self) -> Vec<Presses> {
        vec![Presses::new("b", |_, press| match press.parts() {
            Some(["say"]) => Reaction::say(async { Ok("ß".repeat(3000)) }),
            Some(["fail"]) => Reaction::say(async { Err(BotError::NoGuild) }),
            Some(["panic"]) => Reaction::say(async { panic!("of the test") }),
            Some(["show"]) => Reaction::change(async { Ok(Change::Show(json!({"content": "a"}))) }),
            Some(["delete"]) => Reaction::change(async { Ok(Change::Delete) }),
            Some(["wrong"]) => Reaction::change(async { Err(BotError::Input("no".to_owned())) }),
            Some(["form"]) => Reaction::Ask(Form {
                custom_id: "b:sent".to_owned(),
                title: "ß".repeat(60),
                field: "name",
                label: "Label".to_owned(),
                placeholder: String::new(),
            }),
            _ => Reaction::stale(press),
        })]
    }
}

/// Presses once, and tells what Discord was asked for: method, path and body.
async fn press(custom_id: &str, expired: bool) -> Vec<(String, String, Value)> {
    let discord = MockServer::start().await;
    let refusal = json!({"code": 10_015, "message": "Unknown Webhook"});
    if expired {
        Mock::given(path_regex("^.*/webhooks/"))
            .respond_with(ResponseTemplate::new(404).set_body_json(refusal))
            .mount(&discord)
            .await;
    }
    for verb in ["POST", "PATCH", "DELETE"] {
        Mock::given(method(verb))
            .respond_with(ResponseTemplate::new(204))
            .mount(&discord)
            .await;
    }
    let foundation = foundation::for_tests().await;
    let mut modules = all(&foundation);
    modules.push(Box::new(Buttons));
    let app = app::for_tests(&foundation, &modules).await;
    if custom_id.starts_with("off") {
        app.gate.switch("buttons", false).unwrap();
    }
    let base = discord.uri().parse().unwrap();
    let client = Discord::new(&base, &base, &"token".into(), Arc::clone(&app.clock));
    let desk = Desk::new(app, client.unwrap(), TaskTracker::new());
    let custom_id = custom_id.strip_prefix("off ").unwrap_or(custom_id);
    desk.take(pressed(custom_id)).await;
    let requests = discord.received_requests().await.unwrap();
    requests.iter().map(told).collect()
}

fn told(request: &Request) -> (String, String, Value) {
    let body = serde_json::from_slice(&request.body).unwrap_or_default();
    let path = request.url.path();
    let place = path.find("/interactions").or(path.find("/webhooks"));
    let place = place.or(path.find("/channels")).unwrap_or_default();
    (request.method.to_string(), path[place..].to_owned(), body)
}

const CALLBACK: &str = "/interactions/5/t/callback";
const ORIGINAL: &str = "/webhooks/6/t/messages/@original";

#[tokio::test]
async fn what_is_said_is_for_whoever_pressed_and_fits() {
    let asked = press("b:say", false).await;
    let [callback, fill] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(
        (callback.1.as_str(), &callback.2["type"]),
        (CALLBACK, &json!(5))
    );
    assert_eq!(callback.2["data"]["flags"], 64);
    assert_eq!((fill.0.as_str(), fill.1.as_str()), ("PATCH", ORIGINAL));
    assert_eq!(fill.2["allowed_mentions"], json!({"parse": []}));
    let text = fill.2["content"].as_str().unwrap();
    assert_eq!(text.chars().count(), 2000);
    assert!(text.ends_with('…'));
}

#[tokio::test]
async fn faults_are_told_too() {
    for (button, said) in [
        ("b:fail", "nur auf einem Server"),
        ("b:panic", "Fehler im Bot"),
    ] {
        let asked = press(button, false).await;
        let text = asked[1].2["content"].as_str().unwrap();
        assert!(text.contains(said), "{text}");
    }
    let asked = press("b:wrong", false).await;
    assert_eq!(asked[0].2["type"], 6);
    assert_eq!(asked[1].1, "/webhooks/6/t");
    assert_eq!(
        (&asked[1].2["content"], &asked[1].2["flags"]),
        (&json!("no"), &json!(64))
    );
}

#[tokio::test]
async fn unknown_stale_and_foreign_presses_get_a_plain_answer() {
    for (button, said) in [
        ("gone:1:2", "anderen Version"),
        ("nothing", "anderen Version"),
        ("b:later", "anderen Version"),
        ("hnav:9:x:", "anderen Version"),
        ("hnav:10:1:", "für die Person"),
        ("off b:say", "abgeschaltet"),
    ] {
        let asked = press(button, false).await;
        let [(_, path, body)] = &asked[..] else {
            panic!("{button}: {asked:?}");
        };
        assert_eq!(
            (path.as_str(), &body["type"]),
            (CALLBACK, &json!(4)),
            "{button}"
        );
        assert_eq!(body["data"]["flags"], 64);
        let text = body["data"]["content"].as_str().unwrap();
        assert!(text.contains(said), "{button}: {text}");
    }
}

#[tokio::test]
async fn a_message_is_changed_even_when_the_token_has_expired() {
    let asked = press("b:show", false).await;
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[1].1, ORIGINAL);
    for (button, verb) in [("b:show", "PATCH"), ("b:delete", "DELETE")] {
        let asked = press(button, true).await;
        let (last, path, _) = asked.last().unwrap();
        assert_eq!(
            (last.as_str(), path.as_str()),
            (verb, "/channels/8/messages/11")
        );
    }
}

#[tokio::test]
async fn a_form_fits() {
    let asked = press("b:form", false).await;
    let [(_, _, body)] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(body["type"], 9);
    assert_eq!(body["data"]["title"].as_str().unwrap().chars().count(), 45);
    assert_eq!(body["data"]["custom_id"], "b:sent");
}

#[tokio::test]
async fn pages_are_turned_by_their_reader_in_any_process() {
    let asked = press("hnav:9:1:", false).await;
    let [callback, (_, path, body)] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(
        (callback.2["type"].as_u64(), path.as_str()),
        (Some(6), ORIGINAL)
    );
    let buttons = &body["components"][0]["components"];
    assert_eq!(buttons[0]["custom_id"], "hnav:9:0:");
    assert_eq!(buttons[2]["custom_id"], "hnav:9:2:");
    let closed = press("hnav:9:cancel:", false).await;
    assert_eq!(closed[1].0, "DELETE");
}
