//! Whatever an operation answers, the OpenAPI document says that it may.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{GUILD, TestServer, USER, header, user};
use http::Method;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, ResponseTemplate};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

struct Operation {
    id: String,
    method: Method,
    path: String,
    query: Vec<String>,
    statuses: BTreeSet<u16>,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(splashtail_webserver::document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let parameters = operation["parameters"].as_array();
            let query = parameters.into_iter().flatten();
            let query = query
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| parameter["name"].as_str().unwrap().to_owned());
            let responses = operation["responses"].as_object().unwrap();
            operations.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                query: query.collect(),
                statuses: responses.keys().map(|key| key.parse().unwrap()).collect(),
            });
        }
    }
    operations
}

impl Operation {
    /// With `value` for every path variable.
    fn at(&self, value: &str) -> String {
        let parts = self.path.split('/').map(|part| {
            let variable = part.starts_with('{');
            if variable { value } else { part }
        });
        parts.collect::<Vec<_>>().join("/")
    }

    fn judge(&self, answer: &Response, case: &str) {
        let status = answer.status().as_u16();
        assert!(
            self.statuses.contains(&status),
            "{}: {case}: {status} is not declared, only {:?}",
            self.id,
            self.statuses
        );
        if status >= 400 {
            let kind = header(answer, "content-type");
            assert_eq!(kind, "application/json", "{}: {case}", self.id);
        }
    }
}

/// What goes wrong before, in and behind an operation.
async fn mistakes(server: &TestServer, operation: &Operation, seen: &mut Seen) {
    let request = |path: &str| {
        server
            .client
            .request(operation.method.clone(), server.url(path))
    };
    let token = server.token(user(USER)).await;
    let id = "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11";
    let plain = operation.at(id);
    let mut cases: Vec<(&str, RequestBuilder)> = vec![
        ("nothing", request(&plain)),
        ("an odd variable", request(&operation.at("%ff~"))),
        ("another variable", request(&operation.at("0"))),
        (
            "own id",
            request(&operation.at(&USER.to_string())).header("user-auth", &token),
        ),
        (
            "another id",
            request(&operation.at(&GUILD.to_string())).header("user-auth", &token),
        ),
        (
            "two tokens",
            request(&plain)
                .header("user-auth", "a")
                .header("server-auth", "b"),
        ),
        (
            "a wrong token",
            request(&plain).header("authorization", "User nobody's"),
        ),
        (
            "no JSON",
            request(&plain).header("user-auth", &token).body("{"),
        ),
        (
            "broken JSON",
            request(&plain)
                .header("content-type", "application/json")
                .body("{"),
        ),
        (
            "another shape",
            request(&plain)
                .header("user-auth", &token)
                .json(&json!([1])),
        ),
        ("a range", request(&plain).header("range", "bytes=9-1")),
    ];
    let large = vec![b' '; 10 * 1024 * 1024 + 1];
    let large = request(&plain).header("user-auth", &token).body(large);
    cases.push((
        "a large body",
        large.header("content-type", "application/json"),
    ));
    for name in &operation.query {
        for value in ["%00", "-1", "true", "\u{1f642}", "eyJkZXN0IjoiLyJ9"] {
            cases.push(("an odd query", request(&format!("{plain}?{name}={value}"))));
        }
    }
    for (case, request) in cases {
        // The body of a refused request may not be taken to its end.
        let Ok(answer) = request.send().await else {
            assert_eq!(case, "a large body", "{}", operation.id);
            continue;
        };
        operation.judge(&answer, case);
        let status = answer.status().as_u16();
        seen.entry(operation.id.clone()).or_default().insert(status);
    }
}

type Seen = BTreeMap<String, BTreeSet<u16>>;

#[tokio::test]
async fn every_error_of_every_operation_is_declared() {
    let mut seen = Seen::new();
    for upstream in [200, 400, 404, 409, 429, 500, 503] {
        let server = TestServer::start().await;
        let answer =
            ResponseTemplate::new(upstream).set_body_json(json!({"code": "x", "message": "y"}));
        for daemon in [&server.clusterer, &server.jobserver, &server.discord] {
            Mock::given(any())
                .respond_with(answer.clone())
                .mount(daemon)
                .await;
        }
        for operation in operations() {
            mistakes(&server, &operation, &mut seen).await;
        }
        server.stop().await;
    }
    // The cases reach what they are for.
    let everything: BTreeSet<u16> = seen.values().flatten().copied().collect();
    for status in [400, 401, 403, 404, 412, 413, 429] {
        assert!(everything.contains(&status), "{status} of {seen:?}");
    }
    let bad_credentials = seen.values().filter(|statuses| statuses.contains(&400));
    assert_eq!(bad_credentials.count(), operations().len(), "{seen:?}");
}

#[tokio::test]
async fn daemons_that_are_away_are_declared() {
    let server = TestServer::start_with(|config, _| {
        // Nothing listens on the port of tcpmux.
        let away = "http://127.0.0.1:1";
        config.meta.clusterer_url = away.parse().unwrap();
        config.meta.jobserver_urls = vec![away.parse().unwrap()];
    })
    .await;
    let mut seen = Seen::new();
    for operation in operations() {
        mistakes(&server, &operation, &mut seen).await;
    }
    assert!(seen["get_clusters_health"].contains(&412), "{seen:?}");
    server.stop().await;
}

#[tokio::test]
async fn what_is_served_is_the_same_document() {
    let server = TestServer::start().await;
    let served: Value = server.get("/openapi").await.json().await.unwrap();
    let ours = serde_json::to_value(splashtail_webserver::document()).unwrap();
    assert_eq!(served["paths"], ours["paths"]);
    server.stop().await;
}
