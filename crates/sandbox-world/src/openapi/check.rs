//! Judges exchanges on a thread of its own, so that strictness never delays an answer.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};

use bytes::Bytes;
use serde_json::{Value, json};

use super::Violation;
use super::body::{self, Body};
use super::description::{Description, DescriptionError, Operation, Side};
use super::patches::{UNDESCRIBED, is_no_answer_of_the_api};
use super::{events, may_probe};

/// Exchanges waiting for judgement before further ones are reported as unjudged.
const BACKLOG: usize = 16_384;

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub method: String,
    /// `User-Agent`; `None` when a person acts.
    pub sender: Option<String>,
    /// Below `/api/v10`.
    pub path: String,
    pub query: String,
    pub content_type: String,
    pub request: Bytes,
    pub status: u16,
    pub response_type: String,
    pub response: Bytes,
}

/// Something to judge.
enum Subject {
    Exchange(Box<Exchange>),
    Event { name: Arc<str>, data: Arc<str> },
}

impl Subject {
    fn judge(&self, description: &Description) -> Vec<Violation> {
        match self {
            Self::Exchange(exchange) => judge(description, exchange),
            Self::Event { name, data } => events::judge(description, name, data),
        }
    }
}

fn own_failure(message: String) -> Violation {
    Violation {
        operation: String::new(),
        side: "checker".to_owned(),
        status: 0,
        pointer: String::new(),
        message,
        sender: None,
        excused: false,
    }
}

/// How many subjects await their verdict.
#[derive(Default)]
struct Waiting {
    count: Mutex<u64>,
    none: Condvar,
}

impl Waiting {
    fn change(&self, change: impl FnOnce(&mut u64)) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut count);
        if *count == 0 {
            self.none.notify_all();
        }
    }

    fn wait(&self) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let none = self.none.wait_while(count, |count| *count > 0);
        drop(none.unwrap_or_else(PoisonError::into_inner));
    }
}

type Report = Box<dyn Fn(Violation) + Send>;

/// The judge; dropping it ends its thread.
pub struct Checker {
    queue: mpsc::SyncSender<Subject>,
    waiting: Arc<Waiting>,
    overflow: Arc<AtomicU64>,
    paused: AtomicBool,
}

impl Checker {
    /// Starts the thread; every violation goes to `report`.
    pub fn start(report: Report) -> Result<Self, DescriptionError> {
        let description = Description::shared()?;
        let (queue, subjects) = mpsc::sync_channel::<Subject>(BACKLOG);
        let waiting = Arc::<Waiting>::default();
        let overflow = Arc::new(AtomicU64::new(0));
        let thread = std::thread::Builder::new().name("openapi".to_owned());
        let started = thread.spawn({
            let (waiting, overflow) = (waiting.clone(), overflow.clone());
            move || {
                for subject in subjects {
                    let lost = overflow.swap(0, Ordering::AcqRel);
                    if lost > 0 {
                        report(own_failure(format!("{lost} exchanges were not judged")));
                    }
                    // Whoever waits for the verdict must not wait for a thread that is gone.
                    let verdict = catch_unwind(AssertUnwindSafe(|| subject.judge(&description)));
                    let verdict = verdict.unwrap_or_else(|_| {
                        vec![own_failure("the checker failed on an exchange".to_owned())]
                    });
                    verdict.into_iter().for_each(&report);
                    waiting.change(|count| *count -= 1);
                }
            }
        });
        if let Err(error) = started {
            tracing::error!(%error, "the checker of exchanges did not start");
        }
        Ok(Self {
            queue,
            waiting,
            overflow,
            paused: AtomicBool::new(false),
        })
    }

    /// Judges nothing from now on: things have been made that the description does not know.
    pub fn pause(&self) {
        self.paused.store(true, Ordering::Release);
    }

    /// Hands an exchange over; never waits.
    pub fn submit(&self, exchange: Exchange) {
        self.enqueue(Subject::Exchange(Box::new(exchange)));
    }

    /// Hands a gateway dispatch over; never waits.
    pub fn submit_event(&self, name: Arc<str>, data: Arc<str>) {
        if events::is_described(&name) {
            self.enqueue(Subject::Event { name, data });
        }
    }

    fn enqueue(&self, subject: Subject) {
        if self.paused.load(Ordering::Acquire) {
            return;
        }
        self.waiting.change(|count| *count += 1);
        if self.queue.try_send(subject).is_err() {
            self.waiting.change(|count| *count -= 1);
            self.overflow.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Blocks until every submitted exchange has been judged.
    pub fn wait(&self) {
        self.waiting.wait();
    }
}

/// Every problem of one exchange.
pub fn judge(description: &Description, exchange: &Exchange) -> Vec<Violation> {
    let refused = exchange.status >= 400 && may_probe(exchange.sender.as_deref());
    let violation = |operation: String, side: &str, pointer, message| Violation {
        operation,
        side: side.to_owned(),
        status: exchange.status,
        pointer,
        message,
        sender: exchange.sender.clone(),
        excused: refused && side != "response",
    };
    let Some(operation) = description.find(&exchange.method, &exchange.path) else {
        if UNDESCRIBED.contains(&exchange.path.as_str()) {
            return Vec::new();
        }
        let operation = format!("{} {}", exchange.method, exchange.path);
        let message = "no such operation".to_owned();
        return vec![violation(operation, "request", String::new(), message)];
    };
    let mut found = Vec::new();
    let mut add = |side: &str, pointer: String, message: String| {
        found.push(violation(operation.id.clone(), side, pointer, message));
    };
    for (pointer, message) in query(description, operation, &exchange.query) {
        add("query", pointer, message);
    }
    for (pointer, message) in request(description, operation, exchange) {
        add("request", pointer, message);
    }
    for (pointer, message) in response(description, operation, exchange) {
        add("response", pointer, message);
    }
    found
}

/// What is wrong with a request alone, for tests in which something else than the sandbox plays
/// Discord. `target` is path and query as sent; what is not below `/api` is not judged.
pub fn judge_request(
    method: &str,
    target: &str,
    content_type: &str,
    body: Bytes,
) -> Result<Vec<String>, DescriptionError> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Some(path) = path.strip_prefix("/api") else {
        return Ok(Vec::new());
    };
    let exchange = Exchange {
        method: method.to_owned(),
        sender: Some("a client under test".to_owned()),
        path: path.strip_prefix("/v10").unwrap_or(path).to_owned(),
        query: query.to_owned(),
        content_type: content_type.to_owned(),
        request: body,
        // No answer of the API, so nothing but the request is judged.
        status: 503,
        response_type: String::new(),
        response: Bytes::new(),
    };
    let found = judge(&*Description::shared()?, &exchange);
    Ok(super::complaints(&found))
}

fn query(description: &Description, op: &Operation, query: &str) -> Vec<(String, String)> {
    let mut given: HashMap<String, Vec<String>> = HashMap::new();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        given
            .entry(key.into_owned())
            .or_default()
            .push(value.into_owned());
    }
    let mut problems = Vec::new();
    for (name, schema, required) in description.query(op) {
        let Some(values) = given.get(&name) else {
            if required {
                problems.push((name, "required parameter is missing".to_owned()));
            }
            continue;
        };
        let key = format!("{} query {name}", op.id);
        let mut readings = Vec::new();
        let mut coerced = Vec::new();
        for value in values {
            match (value.parse::<i64>(), value.as_str()) {
                (Ok(number), _) => coerced.push(json!(number)),
                (_, "true" | "True") => coerced.push(json!(true)),
                (_, "false" | "False") => coerced.push(json!(false)),
                _ => coerced.push(json!(value)),
            }
        }
        if let ([one], [raw]) = (&coerced[..], &values[..]) {
            readings.push(one.clone());
            // A number only passes as a string where the schema wants text; the digits-as-string
            // liberty must not lift the bounds of an integer parameter.
            if !one.is_number() || wants_text(&schema) {
                readings.push(json!(raw));
            }
            if one == &json!(1) || one == &json!(0) {
                readings.push(json!(one == &json!(1)));
            }
        }
        readings.push(Value::Array(coerced));
        readings.push(json!(values));
        let mut first = None;
        for reading in readings {
            let found = description.problems(Side::Request, &key, &schema, &reading);
            if found.is_empty() {
                first = None;
                break;
            }
            first.get_or_insert(found);
        }
        for (_, message) in first.into_iter().flatten() {
            problems.push((name.clone(), message));
        }
    }
    problems
}

fn wants_text(schema: &Value) -> bool {
    let text = |t: &Value| t == "string";
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(text),
        Some(t) => text(t),
        None => schema
            .get("anyOf")
            .and_then(Value::as_array)
            .is_some_and(|any| {
                let integer = any.iter().any(|a| a["type"] == "integer");
                !integer && any.iter().any(wants_text)
            }),
    }
}

fn request(description: &Description, op: &Operation, x: &Exchange) -> Vec<(String, String)> {
    let node = &description.node(op, Side::Request)["requestBody"];
    if node.is_null() {
        return Vec::new();
    }
    match body::read(&x.content_type, &x.request) {
        Body::Empty if node["required"] == true => {
            vec![(String::new(), "a body is required".to_owned())]
        }
        Body::Empty => Vec::new(),
        Body::Broken => vec![(String::new(), "the body cannot be decoded".to_owned())],
        Body::Value { kind, value } => {
            let schema = &node["content"][kind]["schema"];
            if schema.is_null() {
                return vec![(
                    String::new(),
                    format!("content type {kind} is not accepted"),
                )];
            }
            description.problems(Side::Request, &format!("{} {kind}", op.id), schema, &value)
        }
    }
}

fn response(description: &Description, op: &Operation, x: &Exchange) -> Vec<(String, String)> {
    if is_no_answer_of_the_api(x.status, &x.response_type) {
        return Vec::new();
    }
    let responses = &description.node(op, Side::Response)["responses"];
    let status = x.status.to_string();
    let node = [status.as_str(), &format!("{}XX", x.status / 100)]
        .into_iter()
        .map(|key| &responses[key])
        .find(|node| !node.is_null());
    let Some(node) = node else {
        return vec![(String::new(), format!("status {status} is not described"))];
    };
    let node = match node["$ref"]
        .as_str()
        .and_then(|r| r.strip_prefix("#/components/responses/"))
    {
        Some(name) => description.shared_response(name),
        None => node,
    };
    let schema = &node["content"]["application/json"]["schema"];
    if x.status == 204 || node.get("content").is_none() {
        if x.status == 204 && (!x.response.is_empty() || !x.response_type.is_empty()) {
            return vec![(
                String::new(),
                "204 has neither body nor content type".to_owned(),
            )];
        }
        return Vec::new();
    }
    if schema.is_null() {
        return Vec::new();
    }
    if x.response_type != "application/json" {
        let message = format!("content type is `{}`", x.response_type);
        return vec![(String::new(), message)];
    }
    let Ok(value) = serde_json::from_slice::<Value>(&x.response) else {
        return vec![(String::new(), "the answer is not JSON".to_owned())];
    };
    description.problems(
        Side::Response,
        &format!("{} {status}", op.id),
        schema,
        &value,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(method: &str, path: &str, request: &str, status: u16, response: &str) -> Exchange {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Exchange {
            method: method.into(),
            sender: Some("DiscordBot (https://bot.invalid, 1)".into()),
            path: path.into(),
            query: query.into(),
            content_type: if request.is_empty() {
                ""
            } else {
                "application/json"
            }
            .into(),
            request: Bytes::copy_from_slice(request.as_bytes()),
            status,
            response_type: if response.is_empty() {
                ""
            } else {
                "application/json"
            }
            .into(),
            response: Bytes::copy_from_slice(response.as_bytes()),
        }
    }

    fn found(x: &Exchange) -> Vec<String> {
        let all = judge(&Description::shared().unwrap(), x);
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_operation_and_pointer() {
        let bad = found(&exchange("GET", "/gateway", "", 200, r#"{"url":5}"#));
        assert_eq!(
            bad,
            [r#"get_gateway response (200) at `/url`: 5 is not of type "string""#]
        );
    }

    #[test]
    fn numbers_may_be_strings_in_requests_only() {
        let ok = r#"{"name":"x","permissions":"8","color":0}"#;
        let role = found(&exchange(
            "POST",
            "/guilds/1/roles",
            ok,
            400,
            r#"{"code":0,"message":""}"#,
        ));
        assert!(role.is_empty(), "{role:?}");
        let long = format!(r#"{{"content":"{}"}}"#, "x".repeat(2001));
        let long = found(&exchange(
            "POST",
            "/channels/1/messages",
            &long,
            400,
            r#"{"code":50035,"message":"","errors":{"content":{"_errors":[{"code":"BASE_TYPE_MAX_LENGTH","message":"x"}]}}}"#,
        ));
        assert_eq!(long.len(), 1, "{long:?}");
        assert!(
            long[0].starts_with("create_message request (400) at `/content`"),
            "{long:?}"
        );
    }

    #[test]
    fn a_204_is_bare_and_statuses_are_those_described() {
        let bad = found(&exchange("DELETE", "/channels/1/messages/2", "", 204, "{}"));
        assert_eq!(bad.len(), 1);
        let bad = found(&exchange("DELETE", "/channels/1/messages/2", "", 200, "{}"));
        assert_eq!(bad.len(), 1);
        let limited =
            r#"{"message":"You are being rate limited.","retry_after":1.5,"global":false}"#;
        assert!(found(&exchange("GET", "/gateway", "", 429, limited)).is_empty());
    }

    #[test]
    fn a_ban_needs_no_body_but_a_message_does() {
        assert!(found(&exchange("PUT", "/guilds/1/bans/2", "", 204, "")).is_empty());
        assert!(found(&exchange("DELETE", "/guilds/1/bans/2", "", 204, "")).is_empty());
        let empty = r#"{"code":50006,"message":"Cannot send an empty message"}"#;
        assert_eq!(
            found(&exchange("POST", "/channels/1/messages", "", 400, empty)).len(),
            1
        );
    }

    #[test]
    fn only_tests_may_send_what_is_refused() {
        let error = r#"{"code":50006,"message":"Cannot send an empty message"}"#;
        let excused = |sender: Option<&str>, status, answer| {
            let mut x = exchange("POST", "/channels/1/messages", "", status, answer);
            x.sender = sender.map(str::to_owned);
            let found = judge(&Description::shared().unwrap(), &x);
            let request: Vec<_> = found.iter().filter(|v| v.side == "request").collect();
            assert_eq!(request.len(), 1, "{found:?}");
            request[0].excused
        };
        assert!(excused(None, 400, error), "a person");
        assert!(excused(
            Some("DiscordBot (https://example.test, 1)"),
            400,
            error
        ));
        assert!(!excused(
            Some("DiscordBot (https://splashtail.invalid, 1)"),
            400,
            error
        ));
        assert!(!excused(
            Some("DiscordBot (https://example.test, 1)"),
            200,
            "{}"
        ));
    }

    #[test]
    fn a_request_is_judged_without_its_answer() {
        let judge = |method, target, body: &'static str| {
            judge_request(method, target, "application/json", body.into()).unwrap()
        };
        let wrong = judge("PATCH", "/api/v10/channels/1", r#"{"name":7}"#);
        assert!(
            wrong[0].contains("update_channel request (503) at `/name`"),
            "{wrong:?}"
        );
        assert_eq!(judge("GET", "/api/gateway?x=1", "").len(), 0);
        assert_eq!(judge("GET", "/api/v10/gatewai", "").len(), 1);
        assert_eq!(judge("GET", "/attachments/1/2/a.png", "").len(), 0);
    }

    #[test]
    fn query_bounds_hold() {
        let none = r#"{"code":50001,"message":"Missing Access"}"#;
        assert!(
            found(&exchange(
                "GET",
                "/channels/1/messages?limit=100",
                "",
                403,
                none
            ))
            .is_empty()
        );
        let bad = found(&exchange(
            "GET",
            "/channels/1/messages?limit=101",
            "",
            403,
            none,
        ));
        assert_eq!(bad.len(), 1, "{bad:?}");
    }
}
