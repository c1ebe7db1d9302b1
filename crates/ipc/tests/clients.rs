//! The typed clients against servers that play the daemons.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use splashtail_core::clock::SystemClock;
use splashtail_core::ids::{ClusterId, TaskId, UserId};
use splashtail_ipc::clients::{ClientError, ClustererClient, IserverClient, JobserverClient};
use splashtail_ipc::http::{ErrorResponse, serve};
use splashtail_ipc::signing::{Caller, SignatureGate, Signer, Verifier, tag};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;
use url::Url;

const SECRET: &str = "a secret that both sides know well";

fn signer() -> Signer {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Signer::new("api", SECRET.into(), "", SystemClock::shared())
}

/// A daemon that lets signed calls of `api` pass.
fn daemon(listener: TcpListener, tag: &str, routes: Router) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    let secrets = BTreeMap::from([("api".to_owned(), SECRET.into())]);
    let verifier = Verifier::new(secrets, tag, false, SystemClock::shared());
    let router = SignatureGate::new(verifier, &["api"], 1 << 20).protect(routes);
    tokio::spawn(serve(listener, router, CancellationToken::new()));
    address
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[tokio::test]
async fn jobserver_calls_have_the_specified_bodies() {
    let id = TaskId::random();
    let handler = async move |Path(name): Path<String>, Json(body): Json<Value>| {
        let args = &body["args"];
        match name.as_str() {
            "create_task" => {
                assert_eq!(args["name"], "guild_create_backup");
                assert_eq!(args["data"]["ServerID"], "1");
                assert_eq!(args["execute"], true);
                assert_eq!(args["idempotency_key"], "key");
                Ok(Json(json!({"tcr": {"task_id": id, "task_info": {
                    "name": "guild_create_backup", "task_for": {"id": "1", "target_type": "Server"},
                    "task_fields": {}, "expiry": 0, "valid": true,
                }}})))
            }
            "execute_task" => {
                assert_eq!(args["task_id"], json!(id));
                assert_eq!(args["ServerID"], "1");
                Err(ErrorResponse::new(
                    StatusCode::CONFLICT,
                    "slot_taken",
                    "a backup runs already",
                ))
            }
            _ => Err(ErrorResponse::new(StatusCode::NO_CONTENT, "", "")),
        }
    };
    let address = daemon(
        listener(),
        tag::JOBSERVER,
        Router::new().route("/ipc/{name}", post(handler)),
    );
    let base = format!("http://{address}/").parse().unwrap();
    let client = JobserverClient::new([base], &signer()).unwrap();
    let created = client
        .create_task(
            "guild_create_backup",
            json!({"ServerID": "1"}),
            true,
            Some("key"),
        )
        .await
        .unwrap();
    assert_eq!(json!(created.task_id), json!(id));
    let fields = Map::from_iter([("ServerID".to_owned(), json!("1"))]);
    let refused = client
        .execute_task("guild_create_backup", id, fields)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.status()),
        (Some("slot_taken"), Some(StatusCode::CONFLICT))
    );
    assert_eq!(refused.to_string(), "409 Conflict: a backup runs already");
    client.cancel_task(id).await.unwrap();
}

#[tokio::test]
async fn a_cluster_is_reached_at_its_own_port_with_its_own_tag() {
    // The base port is chosen so that cluster 3 is the listener.
    let listener = listener();
    let base = listener.local_addr().unwrap().port() - 3;
    let query = async |Extension(caller): Extension<Caller>, Json(query): Json<Value>| {
        Json(json!([caller.client, query]))
    };
    let state = async || {
        Json(
            json!({"cluster_id": 3, "cluster_name": "Flare", "shards": [6, 7], "shard_count": 8, "uptime_s": 12, "ready": true}),
        )
    };
    let address = listener.local_addr().unwrap();
    let secrets = BTreeMap::from([("api".to_owned(), SECRET.into())]);
    let verifier = Verifier::new(
        secrets,
        tag::iserver(ClusterId(3)),
        false,
        SystemClock::shared(),
    );
    let signed = SignatureGate::new(verifier, &["api"], 1 << 20)
        .protect(Router::new().route("/", post(query)));
    let router = signed.merge(Router::new().route("/", get(state)));
    tokio::spawn(serve(listener, router, CancellationToken::new()));

    let client = IserverClient::new(Ipv4Addr::LOCALHOST.into(), base, &signer()).unwrap();
    let answer: Value = client.query(ClusterId(3), &json!("Modules")).await.unwrap();
    assert_eq!(answer, json!(["api", "Modules"]));
    assert!(client.probe(ClusterId(3)).await.unwrap().ready);
    // The same server under another cluster's number does not accept the call.
    let other =
        IserverClient::new(Ipv4Addr::LOCALHOST.into(), address.port() - 2, &signer()).unwrap();
    let error = other
        .query::<Value>(ClusterId(2), &json!("Modules"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("signature_for_another_daemon"));
}

#[tokio::test]
async fn clusterer_calls_carry_the_user() {
    let command =
        async |Path(action): Path<String>, headers: HeaderMap, Json(body): Json<Value>| {
            let user = headers["x-user-id"].to_str().unwrap().to_owned();
            Json(json!([action, user, body]))
        };
    let health = async |Query(query): Query<BTreeMap<String, String>>| {
        assert_eq!(query["cid"], "4");
        Json(json!({"locked": false, "health": []}))
    };
    let routes = Router::new()
        .route("/commands/{action}", post(command))
        .route("/cluster-health", get(health));
    let address = daemon(listener(), tag::CLUSTERER, routes);
    let client =
        ClustererClient::new(format!("http://{address}").parse().unwrap(), &signer()).unwrap();
    let user = UserId::new(728_871_946_456_137_770);
    assert_eq!(
        client
            .command("restart", Some(ClusterId(4)), user)
            .await
            .unwrap(),
        json!(["restart", "728871946456137770", {"id": 4, "user_id": "728871946456137770"}])
    );
    assert!(!client.cluster_health(ClusterId(4)).await.unwrap().locked);
}

/// A refused connection is tried once more, and the second attempt has a nonce of its own.
#[tokio::test]
async fn a_daemon_that_is_being_restarted_is_waited_for() {
    // Bound without listening: connections are refused, and nobody else gets the port.
    let reserved = TcpSocket::new_v4().unwrap();
    reserved.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = reserved.local_addr().unwrap();
    let client =
        ClustererClient::new(format!("http://{address}").parse().unwrap(), &signer()).unwrap();
    let error = client.action_logs().await.unwrap_err();
    assert!(
        matches!(error, ClientError::Unreachable(..)) && error.is_unreachable(),
        "{error}"
    );
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let late = tokio::spawn(async move {
        let call = client.action_logs().await;
        (client, call)
    });
    let logs = async move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Json(json!([{"event": "x", "ts": 1}]))
    };
    // The pause before the second attempt leaves the time for this.
    let listener = reserved.listen(16).unwrap();
    daemon(
        listener.into_std().unwrap(),
        tag::CLUSTERER,
        Router::new().route("/action-logs", get(logs)),
    );
    let (client, call) = late.await.unwrap();
    assert_eq!(call.unwrap()[0]["event"], "x");
    client.action_logs().await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

/// Answers each request by number, on a connection of its own; `None` closes without a word, as a
/// daemon does that is killed. Gives the requests as text.
fn scripted(
    answer: impl Fn(usize) -> Option<&'static str> + Send + 'static,
) -> (Url, Arc<Mutex<Vec<String>>>) {
    let listener = listener();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
            // The bodies of these calls end like this, and nothing else does.
            while !request.ends_with(b"}}") {
                let count = stream.read(&mut buffer).await.unwrap();
                assert!(count > 0);
                request.extend_from_slice(&buffer[..count]);
            }
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push(String::from_utf8(request).unwrap());
                seen.len()
            };
            if let Some(answer) = answer(number) {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (url.parse().unwrap(), requests)
}

const DONE: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
const STARTING: &str = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nConnection: close\r\n\
     Content-Length: 39\r\n\r\n{\"code\":\"unavailable\",\"message\":\"wait\"}";
const CROWDED: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nConnection: close\r\n\
     Content-Length: 35\r\n\r\n{\"code\":\"crowded\",\"message\":\"wait\"}";
const CREATED: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"tcr\":{\"task_id\":\
     \"01890000-0000-7000-8000-000000000000\",\"task_info\":{\"name\":\"x\",\"task_for\":{\"id\":\"1\",\
     \"target_type\":\"Server\"},\"task_fields\":{},\"expiry\":0,\"valid\":true}}}";

fn jobserver(addresses: &[&Url]) -> JobserverClient {
    JobserverClient::new(addresses.iter().map(|url| (*url).clone()), &signer()).unwrap()
}

async fn create(client: &JobserverClient, key: Option<&str>) -> Result<(), ClientError> {
    let data = json!({"ServerID": "1"});
    client.create_task("x", data, true, key).await.map(drop)
}

/// A jobserver that was killed after its commit gives its first answer again.
#[tokio::test]
async fn a_call_that_broke_off_is_repeated_when_it_has_a_key() {
    let (url, requests) = scripted(|number| (number > 1).then_some(CREATED));
    create(&jobserver(&[&url]), Some("key")).await.unwrap();
    let requests = requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 2);
    let of = |request: &str, name: &str| {
        let line = request.lines().find(|line| line.starts_with(name));
        line.unwrap().to_owned()
    };
    let body = |request: &str| request.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&requests[0]), body(&requests[1]));
    assert!(body(&requests[0]).contains("\"idempotency_key\":\"key\""));
    assert_ne!(
        of(&requests[0], "signature-input"),
        of(&requests[1], "signature-input"),
        "signed anew"
    );

    let (url, requests) = scripted(|_| None);
    let error = create(&jobserver(&[&url]), None).await.unwrap_err();
    assert!(matches!(error, ClientError::Broken(..)), "{error}");
    assert!(error.to_string().contains("may have been carried out"));
    assert_eq!(requests.lock().unwrap().len(), 1, "it may have been done");
    // Nor is there an end to asking.
    let (url, requests) = scripted(|_| None);
    create(&jobserver(&[&url]), Some("key")).await.unwrap_err();
    assert_eq!(requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_daemon_that_asks_for_patience_is_given_some() {
    let (url, requests) = scripted(|number| Some(if number > 3 { CREATED } else { STARTING }));
    create(&jobserver(&[&url]), Some("key")).await.unwrap();
    assert_eq!(requests.lock().unwrap().len(), 4);

    let (url, requests) = scripted(|_| Some(STARTING));
    let error = create(&jobserver(&[&url]), None).await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(requests.lock().unwrap().len(), 1);

    // More than a caller can wait is the caller's to know.
    let (url, requests) = scripted(|_| {
        Some("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 16\r\nConnection: close\r\n\r\n")
    });
    create(&jobserver(&[&url]), Some("key")).await.unwrap_err();
    assert_eq!(requests.lock().unwrap().len(), 1);
}

/// A call that found no place used to fail, though nobody had read it.
#[tokio::test]
async fn a_call_that_found_no_place_is_made_again() {
    let (url, requests) = scripted(|number| Some(if number > 2 { CREATED } else { CROWDED }));
    create(&jobserver(&[&url]), None).await.unwrap();
    assert_eq!(requests.lock().unwrap().len(), 3);
    let (crowded, _) = scripted(|_| Some(CROWDED));
    let (good, at_good) = scripted(|_| Some(CREATED));
    create(&jobserver(&[&crowded, &good]), None).await.unwrap();
    assert_eq!(at_good.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn another_jobserver_takes_over_and_stays() {
    let reserved = TcpSocket::new_v4().unwrap();
    reserved.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let gone: Url = format!("http://{}", reserved.local_addr().unwrap())
        .parse()
        .unwrap();
    let (broken, at_broken) = scripted(|_| None);
    let (starting, at_starting) = scripted(|_| Some(STARTING));
    let (good, at_good) = scripted(|_| Some(CREATED));
    let client = jobserver(&[&gone, &broken, &starting, &good]);
    // A call without a key goes on only where nobody has seen it.
    let error = create(&client, None).await.unwrap_err();
    assert!(matches!(error, ClientError::Broken(..)), "{error}");
    create(&client, Some("key")).await.unwrap();
    create(&client.clone(), None).await.unwrap();
    let count = |requests: &Mutex<Vec<String>>| requests.lock().unwrap().len();
    assert_eq!(
        [count(&at_broken), count(&at_starting), count(&at_good)],
        [2, 1, 2]
    );
    let error = jobserver(&[&gone]).cancel_task(TaskId::random()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("`meta.jobserver_url`"), "{error}");
    assert!(JobserverClient::new([], &signer()).is_err());
}

#[tokio::test]
async fn cancelling_can_be_repeated() {
    let (url, requests) = scripted(|number| (number > 1).then_some(DONE));
    jobserver(&[&url])
        .cancel_task(TaskId::random())
        .await
        .unwrap();
    assert_eq!(requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn answers_that_are_not_ours_are_errors_without_a_panic() {
    let routes = Router::new()
        .route("/instance-list", get(async || "hello"))
        .route(
            "/action-logs",
            get(async || (StatusCode::BAD_GATEWAY, "<html>")),
        );
    let address = daemon(listener(), tag::CLUSTERER, routes);
    let client =
        ClustererClient::new(format!("http://{address}").parse().unwrap(), &signer()).unwrap();
    assert!(matches!(
        client.instance_list().await,
        Err(ClientError::Answer(..))
    ));
    let error = client.action_logs().await.unwrap_err();
    assert_eq!(
        (error.status(), error.code()),
        (Some(StatusCode::BAD_GATEWAY), Some("unexpected_answer"))
    );
    let stranger = Signer::new("api", "wrong".into(), "", SystemClock::shared());
    let client =
        ClustererClient::new(format!("http://{address}").parse().unwrap(), &stranger).unwrap();
    assert_eq!(
        client.instance_list().await.unwrap_err().code(),
        Some("wrong_signature")
    );
}
