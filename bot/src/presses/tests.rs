use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::clock::ManualClock;
use splashtail_core::ids::{MessageId, UserId};
use splashtail_discord::{Discord, snowflake};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::app;
use crate::events::Interactions as _;
use crate::modules::assemble::assemble;
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

/// Buttons that do what their names say, and what they did.
#[derive(Default)]
struct Buttons(Arc<Mutex<Vec<&'static str>>>, Arc<Notify>);

impl Module for Buttons {
    fn about(&self) -> About {
        About::new("buttons", "Buttons", "For tests")
    }

    fn presses(&self) -> Vec<Presses> {
        let (done, go_on) = (Arc::clone(&self.0), Arc::clone(&self.1));
        let presses = Presses::new("b", move |_, press| {
            let (done, go_on) = (Arc::clone(&done), Arc::clone(&go_on));
            let does = move |what| done.lock().unwrap().push(what);
            let says = {
                let does = does.clone();
                |what: &'static str| {
                    Reaction::say(async move {
                        does(what);
                        Ok(what.to_owned())
                    })
                }
            };
            match press.parts() {
                Some(["restore"]) => says("restore"),
                Some(["alarm"]) => says("alarm").at_once(),
                Some(["slow"]) => Reaction::say(async move {
                    does("slow");
                    go_on.notified().await;
                    does("slow is done");
                    Ok(String::new())
                }),
                Some(["go on"]) => Reaction::say(async move {
                    go_on.notify_one();
                    Ok(String::new())
                }),
                Some(["say"]) => Reaction::say(async { Ok("ß".repeat(3000)) }),
                Some(["fail"]) => Reaction::say(async { Err(BotError::NoGuild) }),
                Some(["panic"]) => Reaction::say(async { panic!("of the test") }),
                Some(["show"]) => {
                    Reaction::change(async { Ok(Change::Show(json!({"content": "a"}))) })
                }
                Some(["delete"]) => Reaction::change(async { Ok(Change::Delete) }),
                Some(["wrong"]) => {
                    Reaction::change(async { Err(BotError::Input("no".to_owned())) })
                }
                Some(["form"]) => Reaction::Ask(Form {
                    custom_id: "b:sent".to_owned(),
                    title: "ß".repeat(60),
                    field: "name",
                    label: "Label".to_owned(),
                    placeholder: String::new(),
                }),
                _ => Reaction::stale(press),
            }
        });
        vec![presses.with_emergencies(|press| press.parts() == Some(["alarm"]))]
    }
}

/// A desk, at the moment at which its presses are made, and what its buttons did.
struct Bench {
    desk: Arc<Desk>,
    app: crate::app::Data,
    clock: ManualClock,
    discord: MockServer,
    running: TaskTracker,
    done: Arc<Mutex<Vec<&'static str>>>,
}

impl Bench {
    async fn new(is_in_maintenance: bool) -> Self {
        let clock = ManualClock::new(snowflake::made_at(5));
        let place = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        std::fs::create_dir(&place).unwrap();
        let shared = Arc::new(clock.clone());
        let mut foundation = foundation::cluster_for_tests(&place, shared, None).await;
        let mut config = (*foundation.config).clone();
        config.meta.maintenance = is_in_maintenance;
        foundation.config = Arc::new(config);
        let mut modules = all(&foundation);
        let buttons = Buttons::default();
        let done = Arc::clone(&buttons.0);
        modules.push(Box::new(buttons));
        let app = app::for_tests(&foundation, &modules).await;
        let discord = MockServer::start().await;
        let base = discord.uri().parse().unwrap();
        let client = Discord::new(&base, &base, &"token".into(), Arc::clone(&app.clock)).unwrap();
        let running = TaskTracker::new();
        let presses = assemble(&modules).unwrap().presses;
        let desk = Desk::new(Arc::clone(&app), presses, client, running.clone());
        Self {
            desk,
            app,
            clock,
            discord,
            running,
            done,
        }
    }

    /// Discord refuses what goes to such paths, with this code.
    async fn refuse(&self, path: &str, code: u64) {
        let refusal = json!({"code": code, "message": "Unknown"});
        Mock::given(path_regex(path))
            .respond_with(ResponseTemplate::new(404).set_body_json(refusal))
            .mount(&self.discord)
            .await;
    }

    /// Discord takes all else.
    async fn take(&self) {
        for verb in ["POST", "PATCH", "DELETE"] {
            Mock::given(method(verb))
                .respond_with(ResponseTemplate::new(204))
                .mount(&self.discord)
                .await;
        }
    }

    async fn press(&self, custom_id: &str) {
        Arc::clone(&self.desk)
            .take(pressed(custom_id))
            .unwrap()
            .await;
    }

    fn hear(&self, custom_id: &str, user: &str) {
        let mut press = sent(3, json!({"custom_id": custom_id}));
        press["member"]["user"]["id"] = user.into();
        Arc::clone(&self.desk).hear(press.to_string().into());
    }

    fn done(&self) -> Vec<&'static str> {
        self.done.lock().unwrap().clone()
    }

    /// What Discord was told: method, path and body.
    async fn asked(&self) -> Vec<(String, String, Value)> {
        let requests = self.discord.received_requests().await.unwrap();
        let told_it = requests.iter().filter(|r| r.method != http::Method::GET);
        told_it.map(told).collect()
    }
}

/// Presses once, and tells what Discord was asked for.
async fn press(custom_id: &str, expired: bool) -> Vec<(String, String, Value)> {
    let bench = Bench::new(false).await;
    if expired {
        bench.refuse("^.*/webhooks/", 10_015).await;
    }
    bench.take().await;
    if custom_id.starts_with("off") {
        bench.app.gate.switch("buttons", false).unwrap();
    }
    let custom_id = custom_id.strip_prefix("off ").unwrap_or(custom_id);
    bench.press(custom_id).await;
    bench.asked().await
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

/// A session that resumes after 40 s is sent what was pressed in between.
#[tokio::test]
async fn what_discord_has_given_up_is_not_begun() {
    for (seconds, is_begun) in [(3, true), (5, true), (6, false), (40, false)] {
        let bench = Bench::new(false).await;
        bench.take().await;
        bench.clock.advance(Duration::from_secs(seconds));
        for button in ["b:restore", "b:alarm", "b:form", "b:later"] {
            bench.press(button).await;
        }
        assert_eq!(!bench.asked().await.is_empty(), is_begun, "{seconds}");
        assert_eq!(
            bench.done().len(),
            if is_begun { 2 } else { 0 },
            "{seconds}"
        );
    }
}

/// A simulated Discord can live in another month, and its clock can be stopped or set back.
#[tokio::test]
async fn presses_are_late_by_the_clock_of_discord() {
    let bench = Bench::new(false).await;
    bench.take().await;
    let now = snowflake::made_at(5).to_rfc2822();
    let answer = ResponseTemplate::new(200).insert_header("date", now.as_str());
    Mock::given(method("GET"))
        .and(path_regex("/gateway$"))
        .respond_with(answer)
        .mount(&bench.discord)
        .await;
    bench.clock.advance(Duration::from_secs(40 * 86_400));
    bench.press("b:alarm").await;
    assert_eq!(bench.done(), ["alarm"]);
}

/// An id of the moment that the clock of the bench shows, so many milliseconds after its start.
fn id_after(milliseconds: u64) -> u64 {
    (milliseconds << 22) + 5
}

#[tokio::test]
async fn late_presses_take_no_room_from_others() {
    let bench = Bench::new(false).await;
    bench.take().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(600)))
        .mount(&bench.discord)
        .await;
    bench.clock.advance(Duration::from_secs(40));
    for user in 100..600 {
        bench.hear("b:restore", &user.to_string());
    }
    // They ask.
    tokio::task::yield_now().await;
    let mut fresh = sent(3, json!({"custom_id": "b:alarm"}));
    fresh["id"] = id_after(40_000).to_string().into();
    let fresh = Press::read(&fresh).unwrap();
    let taken = Arc::clone(&bench.desk).take(fresh);
    taken.expect("there is room").await;
    assert_eq!(bench.done(), ["alarm"]);
}

#[tokio::test]
async fn discord_is_asked_once_for_the_time_of_many_late_presses() {
    let bench = Bench::new(false).await;
    bench.take().await;
    bench.clock.advance(Duration::from_secs(40));
    let asked = async || {
        let requests = bench.discord.received_requests().await.unwrap();
        requests.len()
    };
    for _ in 0..3 {
        bench.press("b:alarm").await;
    }
    assert_eq!((asked().await, bench.done().len()), (1, 0));
    bench.clock.advance(Duration::from_secs(1));
    bench.press("b:alarm").await;
    assert_eq!(asked().await, 2, "what is known is old by now");
}

#[tokio::test]
async fn work_begins_when_discord_took_the_first_answer() {
    let bench = Bench::new(false).await;
    bench.refuse("^.*/callback", 10_062).await;
    bench.take().await;
    bench.press("b:restore").await;
    assert!(bench.done().is_empty());
    assert_eq!(bench.asked().await.len(), 1);
    bench.press("b:alarm").await;
    assert_eq!(bench.done(), ["alarm"]);
}

#[tokio::test]
async fn emergencies_are_taken_during_maintenance() {
    let bench = Bench::new(true).await;
    bench.take().await;
    bench.press("b:restore").await;
    bench.press("b:alarm").await;
    assert_eq!(bench.done(), ["alarm"]);
    let asked = bench.asked().await;
    let text = asked[0].2["data"]["content"].as_str().unwrap();
    assert!(text.contains("Am Bot wird gearbeitet"), "{text}");
}

#[tokio::test]
async fn presses_of_one_person_under_one_message_are_done_in_order() {
    let bench = Bench::new(false).await;
    bench.take().await;
    bench.hear("b:slow", "9");
    bench.hear("b:alarm", "9");
    bench.hear("b:go on", "10");
    bench.running.close();
    bench.running.wait().await;
    assert_eq!(bench.done(), ["slow", "slow is done", "alarm"]);
}

/// Undo, Stop, Panic and its end under alerts, and the word that stops what waits for others.
#[tokio::test]
async fn modules_declare_what_is_pressed_in_emergencies() {
    let bench = Bench::new(true).await;
    let is_emergency = |custom_id: &str| {
        let press = pressed(custom_id);
        let (_, presses) = &bench.desk.presses[press.prefix()];
        (presses.is_emergency)(&press)
    };
    for button in ["undo", "fine", "contain", "panic", "quiet", "calm"] {
        assert!(is_emergency(&format!("an:{button}:5:mac")), "{button}");
    }
    let id = uuid::Uuid::nil();
    assert!(is_emergency(&format!("gd:refuse:{id}")));
    assert!(is_emergency(&format!("gd:withdraw:{id}")));
    for button in ["an:back:5:mac", "an:now-a-1:5:mac", "bk:go:x:9", "setup:on"] {
        assert!(!is_emergency(button), "{button}");
    }
    assert!(!is_emergency(&format!("gd:agree:{id}")));
}

#[tokio::test]
async fn modules_declare_what_need_not_wait_for_discord() {
    let bench = Bench::new(false).await;
    let id = uuid::Uuid::nil();
    let is_at_once = |custom_id: &str| {
        let press = Arc::new(pressed(custom_id));
        let (_, presses) = &bench.desk.presses[press.prefix()];
        match (presses.react)(&bench.app, &press) {
            Reaction::Say(work) => work.is_at_once,
            Reaction::Change(work) => work.is_at_once,
            Reaction::Refuse(why) => panic!("{custom_id}: {why}"),
            Reaction::Ask(_) => panic!("{custom_id}: a form"),
        }
    };
    for (word, at_once) in [("agree", false), ("refuse", true), ("withdraw", true)] {
        assert_eq!(is_at_once(&format!("gd:{word}:{id}")), at_once, "{word}");
    }
    assert!(is_at_once("hnav:9:1:"));
    assert!(!is_at_once(&format!("import:9:yes:{id}")));
}
