//! A clock that is set back: what lasts so long still ends, and what is dated is dated by the clock.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::rest::limits::{Rate, Rules};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{AccessToken, Id, NewInteraction, Stamp};

use crate::harness::{Case, GUILD, code};

/// Sets the clock back by a day.
fn set_back(case: &Case) {
    let clock = &case.sandbox.clock;
    clock.set(clock.now() - TimeDelta::days(1));
}

fn say(case: &Case) -> Response {
    let path = format!("/channels/{}/messages", case.channel("general"));
    case.bot(Method::POST, &path, json!({"content": "x"}))
}

fn header<'r>(answer: &'r Response, name: &str) -> &'r str {
    let found = answer.headers.iter().find(|(n, _)| *n == name);
    found.map_or("", |(_, value)| value.as_str())
}

#[test]
fn limits_end_when_they_would_have_ended() {
    for sliding in [false, true] {
        let case = Case::new();
        let rate = Rate {
            sliding,
            ..Rate::fixed(1, 5000)
        };
        let rules = Rules {
            buckets: [("create_message".to_owned(), rate)].into(),
            global: Rate::fixed(2, 1000),
            ..Rules::default()
        };
        case.sandbox.limits.set_rules(rules);
        assert_eq!(say(&case).status, 200);
        set_back(&case);
        let refused = say(&case);
        assert_eq!(refused.status, 429);
        assert_eq!(refused.json()["retry_after"], 5.0);
        let ends = case.sandbox.clock.now() + TimeDelta::seconds(5);
        let told = format!("{}.000", ends.timestamp());
        assert_eq!(header(&refused, "X-RateLimit-Reset"), told);
        let shown = case.sandbox.limits.windows(&case.sandbox.clock);
        let shown = shown.iter().find(|w| w.bucket == "create_message");
        assert_eq!(shown.unwrap().resets_at_ms, ends.timestamp_millis());
        case.advance_ms(5000);
        assert_eq!(say(&case).status, 200, "sliding: {sliding}");
    }
}

/// Clients know a window by when it ends.
#[test]
fn a_window_ends_at_one_time_however_long_answers_take() {
    static LOOK_MS: AtomicU64 = AtomicU64::new(1);
    static PASSED_MS: AtomicU64 = AtomicU64::new(0);
    fn machine() -> Instant {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        let look = LOOK_MS.load(Relaxed);
        *START + Duration::from_millis(PASSED_MS.fetch_add(look, Relaxed))
    }
    let at = "2026-03-01T12:00:00Z".parse().unwrap();
    let case = Case::on(SandboxClock::on(machine, at));
    let rules = Rules {
        buckets: [("create_message".to_owned(), Rate::fixed(5, 3_600_000))].into(),
        ..Rules::default()
    };
    case.sandbox.limits.set_rules(rules);
    let ends = || header(&say(&case), "X-RateLimit-Reset").to_owned();
    let first = ends();
    LOOK_MS.store(40, Relaxed);
    assert_eq!(ends(), first);
    let shown = case.sandbox.limits.windows(&case.sandbox.clock);
    let shown = shown.iter().find(|w| w.bucket == "create_message");
    let seconds = shown.unwrap().resets_at_ms as f64 / 1000.0;
    assert_eq!(format!("{seconds:.3}"), first);
}

fn press(case: &Case) -> (Id, String) {
    let new = NewInteraction {
        app: small::APPLICATION,
        kind: 2,
        guild: Some(GUILD),
        channel: case.channel("general"),
        user: small::MEMBER,
        data: json!({"id": "1", "name": "x", "type": 1}),
        message: None,
    };
    case.sandbox.with_world(|w| {
        let id = w.start_interaction(new);
        (id, w.interactions[&id].token.clone())
    })
}

fn call_back(case: &Case, (id, token): &(Id, String)) -> Response {
    let path = format!("/interactions/{id}/{token}/callback");
    case.http(&[], Method::POST, &path, &json!({"type": 5}))
}

fn fill(case: &Case, token: &str) -> Response {
    let path = format!("/webhooks/{}/{token}", small::APPLICATION);
    case.http(&[], Method::POST, &path, &json!({"content": "x"}))
}

#[test]
fn interactions_are_answerable_for_as_long_as_ever() {
    let case = Case::unlimited();
    let (prompt, late) = (press(&case), press(&case));
    set_back(&case);
    case.advance_ms(2999);
    assert_eq!(call_back(&case, &prompt).status, 204);
    case.advance_ms(1);
    assert_eq!(code(&call_back(&case, &late)), 10062);
    let waiting = case.sandbox.with_world(|w| w.waiting_interactions());
    assert_eq!(waiting, []);
    set_back(&case);
    case.advance_ms(15 * 60_000 - 3001);
    assert_eq!(fill(&case, &prompt.1).status, 200);
    case.advance_ms(1);
    assert_eq!(code(&fill(&case, &prompt.1)), 50027);
    case.finish();
}

#[test]
fn what_comes_later_is_newer() {
    let case = Case::unlimited();
    let id = |answer: &Response| answer.json()["id"].as_str().unwrap().parse::<Id>().unwrap();
    let dated = |answer: &Response| answer.json()["timestamp"].as_str().unwrap().to_owned();
    let message = say(&case);
    set_back(&case);
    let (pressed, _) = press(&case);
    assert!(pressed > id(&message));
    let answer = say(&case);
    assert!(id(&answer) > pressed);
    assert!(dated(&answer) >= dated(&message), "by its id");
    case.finish();
}

#[test]
fn the_same_nonce_is_the_same_message_for_five_minutes() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let once = || {
        let body = json!({"content": "x", "nonce": "once", "enforce_nonce": true});
        case.bot(Method::POST, &path, body).json()["id"].clone()
    };
    let first = once();
    set_back(&case);
    case.advance_ms(5 * 60_000);
    assert_eq!(once(), first);
    case.advance_ms(1);
    assert_ne!(once(), first);
    case.finish();
}

#[test]
fn commands_of_a_day_are_counted_for_a_day() {
    let case = Case::unlimited();
    let commands = format!("/applications/{}/commands", small::APPLICATION);
    let replace = |from: u32, to: u32| {
        let named = |n| json!({"name": format!("c{n}"), "description": "d"});
        let all: Vec<Value> = (from..to).map(named).collect();
        case.bot(Method::PUT, &commands, Value::from(all))
    };
    assert_eq!(replace(0, 100).status, 200);
    assert_eq!(replace(100, 200).status, 200);
    set_back(&case);
    case.advance_ms(86_400_000 - 1);
    assert_eq!(code(&replace(200, 201)), 30034);
    case.advance_ms(1);
    assert_eq!(replace(200, 201).status, 200);
    case.finish();
}

#[test]
fn tokens_live_for_as_long_as_ever_and_say_when_they_end() {
    let case = Case::unlimited();
    let week_ms = 604_800_000;
    case.sandbox.with_world(|w| {
        let grant = AccessToken {
            app: small::APPLICATION,
            user: small::MEMBER,
            scopes: vec!["identify".into()],
            expires_ms: w.steady_ms() + week_ms,
        };
        w.access_tokens.insert("theirs".to_owned(), grant);
    });
    let me = || {
        let headers = [("authorization", "Bearer theirs")];
        case.http(&headers, Method::GET, "/oauth2/@me", &Value::Null)
    };
    set_back(&case);
    let ends = Stamp(case.sandbox.clock.now_ms()).plus(week_ms);
    assert_eq!(me().json()["expires"], json!(ends));
    case.advance_ms(week_ms as u64 - 1);
    assert_eq!(me().status, 200);
    case.advance_ms(1);
    assert_eq!(me().status, 401);
    case.finish();
}

#[test]
fn the_audit_log_keeps_and_counts_on() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let said = || {
        let path = format!("/channels/{general}/messages");
        let said = case.user(small::SPARE, Method::POST, &path, json!({"content": "x"}));
        said.json()["id"].as_str().unwrap().to_owned()
    };
    let delete = || {
        let path = format!("/channels/{general}/messages/{}", said());
        let deleted = case.user(small::OWNER, Method::DELETE, &path, Value::Null);
        assert_eq!(deleted.status, 204);
    };
    let entries = || {
        let log = case.get(&format!("/guilds/{GUILD}/audit-logs?action_type=72"));
        let counts = log.json()["audit_log_entries"].as_array().cloned().unwrap();
        let counts = counts.iter().map(|e| e["options"]["count"].clone());
        counts.collect::<Vec<_>>()
    };
    delete();
    set_back(&case);
    assert_eq!(entries(), ["1"], "what is in the log stays");
    delete();
    assert_eq!(entries(), ["2"]);
    case.advance_ms(5 * 60_000);
    delete();
    assert_eq!(entries(), ["1", "2"], "a count ends after five minutes");
    case.finish();
}

#[test]
fn session_starts_come_back_after_a_day() {
    let case = Case::unlimited();
    let reset_after = || {
        let told = case.get("/gateway/bot").json();
        told["session_start_limit"]["reset_after"].clone()
    };
    let day_ms = 86_400_000;
    let ends = case.sandbox.clock.steady_ms() + day_ms;
    case.sandbox.with_world(|w| {
        let app = w.apps.get_mut(&small::APPLICATION).unwrap();
        app.sessions.reset_at_ms = Some(ends);
    });
    set_back(&case);
    assert_eq!(reset_after(), day_ms);
}
