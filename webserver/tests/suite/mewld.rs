//! The operators' page behind a deploy proxy (design: defects 16 and 21 to 24 of mewld).

use crate::support::{TestServer, error, header};
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use sha2::Sha512;
use wiremock::matchers::{body_json, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SECRET: &str = "dp-secret";
const OPERATOR: &str = "728871946456137770";
const HOST: &str = "dash.test";
const ORIGIN: &str = "https://dash.test";
const PUBLISH: &str = "/mewld/api/redis/pub";
const READS: [&str; 5] = [
    "/mewld/api/ping",
    "/mewld/api/instance-list",
    "/mewld/api/action-logs",
    "/mewld/api/cluster-health",
    "/mewld/api/proxy",
];

async fn operators_page() -> TestServer {
    TestServer::start_with(|config, dir| {
        config.meta.dp_secret = Some(SECRET.to_owned().into());
        let file = format!("names: [Flare]\nallowed_ids: [\"{OPERATOR}\"]\n");
        std::fs::write(dir.join("mewld-staging.yaml"), file).unwrap();
        std::fs::create_dir(dir.join("site/mewld")).unwrap();
        std::fs::write(dir.join("site/mewld/index.html"), "<h1>operators</h1>").unwrap();
        std::fs::write(dir.join("site/mewld/logo.png"), "png").unwrap();
    })
    .await
}

fn sign(timestamp: &str, user: &str) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{timestamp}{user}").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// As the proxy passes a request of this user on.
fn proxied(server: &TestServer, request: RequestBuilder, user: &str) -> RequestBuilder {
    let timestamp = server.now().timestamp().to_string();
    request
        .header("x-dp-host", HOST)
        .header("x-dp-userid", user)
        .header("x-dp-signature", sign(&timestamp, user))
        .header("x-dp-timestamp", timestamp)
}

async fn get(server: &TestServer, path: &str) -> Response {
    proxied(server, server.request(path), OPERATOR)
        .send()
        .await
        .unwrap()
}

/// A button of the operators' page.
async fn publish(server: &TestServer, command: &Value) -> Response {
    let request = server
        .client
        .post(server.url(PUBLISH))
        .json(command)
        .header("origin", ORIGIN);
    proxied(server, request, OPERATOR).send().await.unwrap()
}

async fn clusterer_answers(server: &TestServer, at: &str, answer: ResponseTemplate) {
    Mock::given(path(at))
        .respond_with(answer)
        .mount(&server.clusterer)
        .await;
}

fn instance_list() -> Value {
    json!({
        "LastClusterStartedAt": "2024-01-21T17:37:01Z",
        "Map": [{"ID": 0, "Name": "Flare", "Shards": [0, 1]}],
        "Instances": [{
            "StartedAt": "2024-01-21T17:37:01Z", "SessionID": "session-secret", "ClusterID": 0,
            "Shards": [0, 1], "Active": true, "ClusterHealth": null, "CurrentlyKilling": false,
            "LockClusterTime": null, "LaunchedFully": true, "LastChecked": "0001-01-01T00:00:00Z"
        }],
        "ShardCount": 2,
        "GetGatewayBot": {
            "url": "wss://gateway", "shards": 2,
            "session_start_limit": {"total": 1000, "remaining": 998, "reset_after": 0, "max_concurrency": 1}
        },
        "Dir": "/srv/bot", "RollRestarting": false, "FullyUp": true
    })
}

#[tokio::test]
async fn every_address_wants_a_signature_and_tells_strangers_nothing() {
    let server = operators_page().await;
    let now = server.now().timestamp();
    let (at, late, early) = (
        now.to_string(),
        (now - 11).to_string(),
        (now + 11).to_string(),
    );
    let stranger = "728871946456137771";
    let (unsigned, skewed, unknown) = (
        "a valid X-DP-Signature are needed",
        "more than 10 s off",
        "not among the `allowed_ids`",
    );
    let rows: [(&str, &str, &str, &str, &str); 10] = [
        ("", "", "", "", unsigned),
        (HOST, "", "", "", unsigned),
        (HOST, stranger, "", "", unsigned),
        (HOST, OPERATOR, "", "", unsigned),
        (HOST, OPERATOR, &sign(&at, OPERATOR), "", unsigned),
        (HOST, OPERATOR, &sign(&at, stranger), &at, unsigned),
        (HOST, stranger, &sign(&at, OPERATOR), &at, unsigned),
        (HOST, OPERATOR, &sign(&late, OPERATOR), &late, skewed),
        (HOST, OPERATOR, &sign(&early, OPERATOR), &early, skewed),
        (HOST, stranger, &sign(&at, stranger), &at, unknown),
    ];
    let mut to_unsigned = std::collections::BTreeSet::new();
    for (host, user, signature, time, expected) in rows {
        for at in READS.into_iter().chain([PUBLISH]) {
            let method = if at == PUBLISH {
                Method::POST
            } else {
                Method::GET
            };
            let mut request = server
                .client
                .request(method, server.url(at))
                .header("origin", ORIGIN);
            for (name, value) in [
                ("x-dp-host", host),
                ("x-dp-userid", user),
                ("x-dp-signature", signature),
                ("x-dp-timestamp", time),
            ] {
                if !value.is_empty() {
                    request = request.header(name, value);
                }
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{at} {expected}");
            assert_eq!(header(&response, "content-type"), "application/json");
            let body: Value = response.json().await.unwrap();
            let message = body["message"].as_str().unwrap();
            assert!(
                message.contains(expected),
                "{at}: {message}, not {expected}"
            );
            if expected == unsigned {
                to_unsigned.insert(body.to_string());
            }
        }
    }
    assert_eq!(to_unsigned.len(), 1, "{to_unsigned:?}");
    let asked = server.clusterer.received_requests().await.unwrap();
    assert!(asked.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn without_a_secret_or_a_list_the_page_is_closed() {
    for (secret, file, expected) in [
        (
            None,
            format!("allowed_ids: [\"{OPERATOR}\"]\n"),
            "`meta.dp_secret` is not set",
        ),
        (
            Some(SECRET),
            "allowed_ids: []\n".to_owned(),
            "names no `allowed_ids`",
        ),
        (
            Some(SECRET),
            "allowed_ids: [\n".to_owned(),
            "names no `allowed_ids`",
        ),
    ] {
        let server = TestServer::start_with(|config, dir| {
            config.meta.dp_secret = secret.map(|secret| secret.to_owned().into());
            std::fs::write(dir.join("mewld-staging.yaml"), file).unwrap();
        })
        .await;
        let response = get(&server, "/mewld/api/ping").await;
        assert_eq!(response.status(), 401);
        let body: Value = response.json().await.unwrap();
        assert!(
            body["message"].as_str().unwrap().contains(expected),
            "{body}"
        );
        server.stop().await;
    }
}

async fn with_proxy(enabled: bool, url: &str) -> TestServer {
    TestServer::start_with(|config, dir| {
        config.meta.dp_secret = Some(SECRET.to_owned().into());
        config.proxy.enabled = enabled;
        config.simple_gateway_proxy.url = url.parse().unwrap();
        let file = format!("names: [Flare]\nallowed_ids: [\"{OPERATOR}\"]\n");
        std::fs::write(dir.join("mewld-staging.yaml"), file).unwrap();
    })
    .await
}

async fn told_of_proxy(server: &TestServer) -> Value {
    let answer = get(server, "/mewld/api/proxy").await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn operators_see_how_the_gateway_proxy_does() {
    let proxy = MockServer::start().await;
    let page = json!({"ok": true, "data": {
        "uptime": 7, "resharding": false, "clients": 3, "clients_away": 1, "backlog_bytes": 4096,
        "session_starts_remaining": 990,
        "rest": {"tokens": 2, "waiting": 5, "in_flight": 1, "buckets": 40, "left_in_second": 49,
            "per_second": 50, "refused_in_ten_minutes": 3},
        "managers": [{"display_name": "splashtail", "shard_groups": [{"id": 0, "status": 2,
            "uptime": 7, "shards": [[0, 2, 41, 12, 6, 7]]}]}],
    }});
    Mock::given(path("/api/status"))
        .respond_with(ResponseTemplate::new(200).set_body_json(page))
        .mount(&proxy)
        .await;
    let server = with_proxy(true, &proxy.uri()).await;
    let told = told_of_proxy(&server).await;
    assert_eq!(told["enabled"], true);
    let report = &told["report"];
    assert_eq!(
        report["shards"],
        json!([{"id": 0, "state": "connected", "latency_ms": 41, "guilds": 12, "connected_for": 6}])
    );
    assert_eq!(
        (&report["clients"], &report["backlog_bytes"]),
        (&json!(3), &json!(4096))
    );
    assert_eq!(report["calls"]["buckets"], 40);
    assert_eq!(report["calls"]["left_in_second"], 49);
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_that_is_off_or_away_is_no_error() {
    let off = with_proxy(false, "http://127.0.0.1:1").await;
    let told = told_of_proxy(&off).await;
    assert_eq!(told, json!({"enabled": false, "report": null}));
    let away = with_proxy(true, "http://127.0.0.1:1").await;
    let told = told_of_proxy(&away).await;
    assert_eq!(told, json!({"enabled": true, "report": null}));
    // Something else has its port.
    let other = MockServer::start().await;
    let strange = with_proxy(true, &other.uri()).await;
    assert_eq!(told_of_proxy(&strange).await["report"], Value::Null);
    for server in [off, away, strange] {
        server.stop().await;
    }
}

#[tokio::test]
async fn operators_see_everything_and_nothing_is_null() {
    let server = operators_page().await;
    let list = ResponseTemplate::new(200).set_body_json(instance_list());
    clusterer_answers(&server, "/instance-list", list).await;
    clusterer_answers(
        &server,
        "/action-logs",
        ResponseTemplate::new(200).set_body_json(json!([])),
    )
    .await;

    let pong = get(&server, "/mewld/api/ping").await;
    assert!(header(&pong, "content-type").starts_with("text/plain"));
    assert_eq!(pong.text().await.unwrap(), "pong");

    let list: Value = get(&server, "/mewld/api/instance-list")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["Instances"][0]["ClusterHealth"], json!([]));
    assert_eq!(list["Instances"][0]["SessionID"], "session-secret");
    assert_eq!(
        (&list["Dir"], &list["GetGatewayBot"]["shards"]),
        (&json!("/srv/bot"), &json!(2))
    );
    let log: Value = get(&server, "/mewld/api/action-logs")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(log, json!([]));

    let public = server.get("/clusters/health").await.text().await.unwrap();
    assert!(
        public.contains("\"SessionID\":\"\"") && public.contains("\"Dir\":\"\""),
        "{public}"
    );
    server.stop().await;
}

#[tokio::test]
async fn health_is_that_of_the_cluster_and_its_refusals_are_json() {
    let server = operators_page().await;
    let health = json!({"locked": false, "health": [{"shard_id": 2, "up": true, "latency": 41.0, "guilds": 1, "users": 2}]});
    for (cid, answer) in [
        (
            "0",
            ResponseTemplate::new(400)
                .set_body_json(json!({"code": "not_fully_up", "message": "not yet"})),
        ),
        (
            "1",
            ResponseTemplate::new(200).set_body_json(health.clone()),
        ),
    ] {
        Mock::given(path("/cluster-health"))
            .and(query_param("cid", cid))
            .respond_with(answer)
            .mount(&server.clusterer)
            .await;
    }
    let one: Value = get(&server, "/mewld/api/cluster-health?cid=1")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(one, health);
    for (query, code) in [
        ("", "not_fully_up"),
        ("?cid=x", "invalid_id"),
        ("?cid=70000", "invalid_id"),
    ] {
        let refused = get(&server, &format!("/mewld/api/cluster-health{query}")).await;
        assert_eq!(error(refused).await, (400, code.to_owned()), "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_command_reaches_the_clusterer_with_the_operators_id() {
    let server = operators_page().await;
    for (action, body) in [
        ("restart", json!({"id": 1, "user_id": OPERATOR})),
        ("rollingrestart", json!({"user_id": OPERATOR})),
    ] {
        Mock::given(method("POST"))
            .and(path(format!("/commands/{action}")))
            .and(wiremock::matchers::header("x-user-id", OPERATOR))
            .and(body_json(body))
            .respond_with(ResponseTemplate::new(200).set_body_json("ok"))
            .expect(1..)
            .mount(&server.clusterer)
            .await;
    }
    let refusal =
        json!({"code": "reshard_disabled", "message": "the clusterer refused: reshard disabled"});
    clusterer_answers(
        &server,
        "/commands/reshard",
        ResponseTemplate::new(409).set_body_json(refusal),
    )
    .await;

    for id in [json!(1), json!("1")] {
        let command = json!({"scope": "launcher", "action": "restart", "args": {"id": id}, "command_id": "x"});
        let accepted = publish(&server, &command).await;
        assert_eq!(accepted.status(), 200);
        assert_eq!(accepted.text().await.unwrap(), "1");
    }
    let rolling = publish(
        &server,
        &json!({"scope": "launcher", "action": "rollingrestart", "args": null}),
    )
    .await;
    assert_eq!(rolling.status(), 200);
    let refused = publish(&server, &json!({"scope": "launcher", "action": "reshard"})).await;
    assert_eq!(error(refused).await, (409, "reshard_disabled".to_owned()));
    server.clusterer.verify().await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_command_of_the_page_is_not_passed_on() {
    let server = operators_page().await;
    let launcher =
        |action: &str, args: Value| json!({"scope": "launcher", "action": action, "args": args});
    for (command, expected) in [
        (launcher("shutdown", Value::Null), (403, "forbidden")),
        (launcher("diag", Value::Null), (403, "forbidden")),
        (
            launcher("launch_next", json!({"id": 0})),
            (403, "forbidden"),
        ),
        (launcher("action_logs", Value::Null), (403, "forbidden")),
        (launcher("", Value::Null), (403, "forbidden")),
        (
            json!({"scope": "bot", "action": "restart", "args": {"id": 0}}),
            (400, "invalid_scope"),
        ),
        (launcher("restart", Value::Null), (400, "invalid_id")),
        (launcher("restart", json!({})), (400, "invalid_id")),
        (launcher("stop", json!({"id": -1})), (400, "invalid_id")),
        (launcher("start", json!({"id": 1.5})), (400, "invalid_id")),
        (
            launcher("start", json!({"id": {"x": 1}})),
            (400, "invalid_id"),
        ),
        (
            json!({"id": 0, "nonce": "x", "diag": true}),
            (400, "invalid_body"),
        ),
        (json!([]), (400, "invalid_body")),
        (
            json!({"scope": "launcher", "action": "restart", "padding": "x".repeat(4096)}),
            (413, "body_too_large"),
        ),
    ] {
        let (status, code) = error(publish(&server, &command).await).await;
        assert_eq!((status, code.as_str()), expected, "{command}");
    }
    assert!(
        server
            .clusterer
            .received_requests()
            .await
            .unwrap()
            .is_empty()
    );
    server.stop().await;
}

#[tokio::test]
async fn another_site_can_neither_command_nor_read() {
    let server = operators_page().await;
    let command = json!({"scope": "launcher", "action": "restartproc"});
    for (origin, site) in [
        (Some("https://evil.test"), None),
        (Some("null"), None),
        (None, None),
        (Some(ORIGIN), Some("cross-site")),
    ] {
        let mut request = server.client.post(server.url(PUBLISH)).json(&command);
        for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let response = proxied(&server, request, OPERATOR).send().await.unwrap();
        assert_eq!(header(&response, "access-control-allow-origin"), "");
        assert_eq!(
            error(response).await,
            (403, "forbidden".to_owned()),
            "{origin:?} {site:?}"
        );
    }
    // A form of another site cannot send JSON.
    let form = server
        .client
        .post(server.url(PUBLISH))
        .header("origin", ORIGIN);
    let form = form
        .header("content-type", "text/plain")
        .body(command.to_string());
    let response = proxied(&server, form, OPERATOR).send().await.unwrap();
    assert_eq!(error(response).await, (400, "not_json".to_owned()));
    assert!(
        server
            .clusterer
            .received_requests()
            .await
            .unwrap()
            .is_empty()
    );

    // Pages on this machine may read the API in staging, but never the operators' page.
    let frontend = "http://localhost:5173";
    let read = proxied(
        &server,
        server.request("/mewld/api/ping").header("origin", frontend),
        OPERATOR,
    );
    let read = read.send().await.unwrap();
    assert_eq!(header(&read, "access-control-allow-origin"), "");
    let open = server
        .request("/jobs/summary")
        .header("origin", frontend)
        .send()
        .await
        .unwrap();
    assert_eq!(header(&open, "access-control-allow-origin"), frontend);
    server.stop().await;
}

#[tokio::test]
async fn a_preflight_is_answered_before_the_check_and_allows_nothing() {
    let server = operators_page().await;
    let preflight = server
        .client
        .request(Method::OPTIONS, server.url(PUBLISH))
        .header("origin", "http://localhost:5173")
        .header("access-control-request-method", "POST")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 200);
    assert_eq!(header(&preflight, "access-control-allow-origin"), "");
    assert_eq!(header(&preflight, "access-control-allow-credentials"), "");
    server.stop().await;
}

#[tokio::test]
async fn a_clusterer_that_is_away_is_a_412() {
    let server = operators_page().await;
    let starting = json!({"code": "not_ready", "message": "the clusterer is not ready"});
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(503).set_body_json(starting))
        .mount(&server.clusterer)
        .await;
    // Those that do not ask the clusterer.
    let apart = |at: &str| at.ends_with("ping") || at.ends_with("proxy");
    for at in READS.into_iter().filter(|at| !apart(at)) {
        let response = get(&server, at).await;
        assert_eq!(header(&response, "retry-after"), "5");
        assert_eq!(
            error(response).await,
            (412, "fleet_unavailable".to_owned()),
            "{at}"
        );
    }
    let command = json!({"scope": "launcher", "action": "stop", "args": {"id": 0}});
    assert_eq!(error(publish(&server, &command).await).await.0, 412);
    server.stop().await;
}

#[tokio::test]
async fn the_page_is_static_and_its_files_have_their_types() {
    let server = operators_page().await;
    let moved = server.get("/mewld").await;
    assert_eq!(
        (moved.status().as_u16(), header(&moved, "location")),
        (301, "/mewld/".to_owned())
    );
    let page = server.get("/mewld/").await;
    assert_eq!(page.status(), 200);
    assert!(header(&page, "content-type").starts_with("text/html"));
    assert_eq!(page.text().await.unwrap(), "<h1>operators</h1>");
    assert_eq!(
        header(&server.get("/mewld/logo.png").await, "content-type"),
        "image/png"
    );
    assert_eq!(error(get(&server, "/mewld/api/nothing").await).await.0, 404);
    assert_eq!(server.get("/mewldx").await.status(), 404);
    server.stop().await;
}
