//! A sandbox on a frozen clock whose every exchange is held against the API description.

use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use chrono::{TimeZone, Utc};
use http::{HeaderMap, Method};
use serde_json::Value;
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::openapi::{Checker, Violation, complaints};
use splashtail_sandbox_world::rest::{Actor, Request, Response};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Addresses, Conduct, Event, EventSink, Id, World};
use splashtail_sandbox_world::{Options, Sandbox};

/// Violations go to the test whose exchange is judged: tests run on one checker each.
pub struct Case {
    pub sandbox: Arc<Sandbox>,
    violations: Arc<Mutex<Vec<Violation>>>,
    events: Arc<Mutex<Vec<Arc<Event>>>>,
    sends_nonsense: bool,
}

struct Tape(Arc<Mutex<Vec<Arc<Event>>>>);

impl EventSink for Tape {
    fn deliver(&self, _: &World, events: &[Arc<Event>]) {
        self.0.lock().unwrap().extend(events.iter().cloned());
    }
}

pub const GUILD: Id = small::GUILDS[0];

pub fn bot_header() -> &'static str {
    static HEADER: OnceLock<String> = OnceLock::new();
    HEADER.get_or_init(|| format!("Bot {}", small::bot_token()))
}

impl Case {
    pub fn new() -> Self {
        Self::of("small")
    }

    /// In another built-in world.
    pub fn of(world: &str) -> Self {
        Self::with(
            world,
            SandboxClock::frozen(Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap()),
        )
    }

    /// On another clock.
    pub fn on(clock: SandboxClock) -> Self {
        Self::with("small", clock)
    }

    fn with(world: &str, clock: SandboxClock) -> Self {
        let addresses = Addresses {
            rest: "http://127.0.0.1:4400".into(),
            gateway: "ws://127.0.0.1:4401".into(),
        };
        let options = Options {
            world: world.into(),
            seed: 1,
            addresses,
            clock: Arc::new(clock),
            conduct: Conduct::prompt(),
        };
        let sandbox = Sandbox::new(&options).unwrap();
        let violations = Arc::new(Mutex::new(Vec::new()));
        let events = Arc::new(Mutex::new(Vec::new()));
        let report = violations.clone();
        let checker = Checker::start(Box::new(move |v| report.lock().unwrap().push(v))).unwrap();
        assert!(sandbox.checker.set(checker).is_ok());
        sandbox.set_sink(Box::new(Tape(events.clone())));
        Self {
            sandbox,
            violations,
            events,
            sends_nonsense: false,
        }
    }

    /// Without rate limits, for tests about something else.
    pub fn unlimited() -> Self {
        let case = Self::new();
        let rules = splashtail_sandbox_world::rest::limits::Rules {
            enabled: false,
            ..Default::default()
        };
        case.sandbox.limits.set_rules(rules);
        case
    }

    /// Unlimited, and only its answers are judged: a wrong value in a field without effect may
    /// pass, a wrong answer may not.
    pub fn nonsense() -> Self {
        let mut case = Self::unlimited();
        case.sends_nonsense = true;
        case
    }

    /// A request over HTTP with these headers.
    pub fn http(
        &self,
        headers: &[(&'static str, &str)],
        method: Method,
        path: &str,
        body: &Value,
    ) -> Response {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut request = Request::act(method, path, body);
        request.query = query.to_owned();
        request.address = Some([127, 0, 0, 1].into());
        let mut map = HeaderMap::new();
        map.insert(
            "user-agent",
            "DiscordBot (https://example.invalid, 1)".parse().unwrap(),
        );
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        request.headers.extend(map);
        self.sandbox.dispatch(Actor::Http, request)
    }

    /// A request of the bot.
    pub fn bot(&self, method: Method, path: &str, body: Value) -> Response {
        self.http(&[("authorization", bot_header())], method, path, &body)
    }

    pub fn get(&self, path: &str) -> Response {
        self.bot(Method::GET, path, Value::Null)
    }

    /// A request of a person.
    pub fn user(&self, user: Id, method: Method, path: &str, body: Value) -> Response {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut request = Request::act(method, path, &body);
        request.query = query.to_owned();
        self.sandbox.dispatch(Actor::User(user), request)
    }

    /// A multipart request of the bot.
    pub fn upload(
        &self,
        method: Method,
        path: &str,
        payload: &Value,
        files: &[(&str, &[u8])],
    ) -> Response {
        let mut raw = Vec::new();
        raw.extend(b"--b\r\nContent-Disposition: form-data; name=\"payload_json\"\r\nContent-Type: application/json\r\n\r\n");
        raw.extend(payload.to_string().as_bytes());
        for (n, (name, bytes)) in files.iter().enumerate() {
            raw.extend(format!("\r\n--b\r\nContent-Disposition: form-data; name=\"files[{n}]\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n").as_bytes());
            raw.extend(*bytes);
        }
        raw.extend(b"\r\n--b--\r\n");
        let mut request = Request::act(method, path, &Value::Null);
        request.body = Bytes::from(raw);
        request.headers.insert(
            "content-type",
            "multipart/form-data; boundary=b".parse().unwrap(),
        );
        request
            .headers
            .insert("authorization", bot_header().parse().unwrap());
        request.headers.insert(
            "user-agent",
            "DiscordBot (https://example.invalid, 1)".parse().unwrap(),
        );
        self.sandbox.dispatch(Actor::Http, request)
    }

    pub fn advance_ms(&self, ms: u64) {
        self.sandbox
            .clock
            .advance(std::time::Duration::from_millis(ms));
    }

    /// The events since the last call.
    pub fn raw_events(&self) -> Vec<Arc<Event>> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// Names of the events since the last call.
    pub fn events(&self) -> Vec<(&'static str, Value)> {
        let taken = std::mem::take(&mut *self.events.lock().unwrap());
        taken
            .iter()
            .map(|e| (e.kind, e.full().value().clone()))
            .collect()
    }

    /// Like [`events`](Self::events), as a session of the bot with `intents` gets them.
    pub fn events_for(&self, bot: Id, intents: u64) -> Vec<(&'static str, Value)> {
        let taken = std::mem::take(&mut *self.events.lock().unwrap());
        taken
            .iter()
            .filter_map(|e| Some((e.kind, e.payload_for(bot, intents)?.value().clone())))
            .collect()
    }

    /// Names of audit actions since `after`, oldest first, with the entries.
    pub fn audit(&self) -> Vec<Value> {
        self.sandbox
            .with_world(|w| w.guilds[&GUILD].audit.entries().map(|e| e.json()).collect())
    }

    /// A channel of the first guild by name.
    pub fn channel(&self, name: &str) -> Id {
        self.sandbox.with_world(|w| {
            let guild = &w.guilds[&GUILD];
            guild
                .channels
                .iter()
                .chain(&guild.threads)
                .copied()
                .find(|c| w.channels[c].name == name)
                .unwrap()
        })
    }

    pub fn role(&self, name: &str) -> Id {
        self.sandbox.with_world(|w| {
            w.guilds[&GUILD]
                .roles
                .values()
                .find(|r| r.name == name)
                .unwrap()
                .id
        })
    }

    /// What the API description forbids about the exchanges so far, except in requests that were
    /// refused.
    pub fn objections(&self) -> Vec<String> {
        self.sandbox.checker.get().unwrap().wait();
        let violations = self.violations.lock().unwrap();
        let judged = violations
            .iter()
            .filter(|v| !self.sends_nonsense || v.side == "response");
        complaints(judged)
    }

    /// Ends the test here; see [`Drop`].
    pub fn finish(self) {}
}

/// Fails on anything [`objections`](Case::objections) names.
impl Drop for Case {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let found = self.objections();
            assert!(found.is_empty(), "{}", found.join("\n"));
        }
    }
}

/// The JSON error code of an answer.
pub fn code(response: &Response) -> i64 {
    response.json()["code"].as_i64().unwrap_or(-1)
}
