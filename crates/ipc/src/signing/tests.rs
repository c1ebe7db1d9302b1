use std::collections::BTreeMap;
use std::sync::Arc;

use axum::routing::post;
use axum::{Extension, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use hmac::Mac;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use sha2::{Digest, Sha512};
use splashtail_core::clock::{Clock, ManualClock};
use tower::ServiceExt;

use super::base::{mac, signature_base};
use super::*;
use crate::cache::MemoryCache;

const SECRET: &str = "an api secret of at least 32 characters";
const BODY: &[u8] = br#"{"hello": "world"}"#;

/// RFC 9421, B.1.5: the shared secret.
const RFC_SECRET: &str =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

#[test]
fn rfc_9421_b_2_5_is_reproduced() {
    let components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
    ];
    let parameters =
        r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#;
    let base = signature_base(&components, parameters);
    assert_eq!(
        base,
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
         \"@authority\": example.com\n\
         \"content-type\": application/json\n\
         \"@signature-params\": (\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\""
    );
    let key = STANDARD.decode(RFC_SECRET).unwrap();
    let signature = STANDARD.encode(mac(&key, &base).unwrap().finalize().into_bytes());
    assert_eq!(signature, "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
}

#[test]
fn rfc_9530_digests_are_reproduced() {
    assert_eq!(
        content_digest(BODY),
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    );
    // RFC 9530, Appendix A and B: the same with a final newline, and the empty body.
    assert_eq!(
        content_digest(b"{\"hello\": \"world\"}\n"),
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    );
    assert_eq!(
        content_digest(b""),
        "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    );
    // RFC 9421, B.2: the example messages carry the sha-512 of the same body.
    assert_eq!(
        STANDARD.encode(Sha512::digest(BODY)),
        "WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew=="
    );
}

/// Of verifiers, which start when they are made and take what is signed a second later.
const START: i64 = 1_699_999_999;

fn clock() -> ManualClock {
    ManualClock::new(DateTime::from_timestamp(START, 0).unwrap())
}

fn signer(clock: &ManualClock) -> Signer {
    Signer::new("api", SECRET.into(), tag::JOBSERVER, clock.shared())
}

fn verifier(clock: &ManualClock, plain: bool) -> Verifier {
    let secrets = BTreeMap::from([
        ("api".to_owned(), SECRET.into()),
        ("bot".to_owned(), "the bot's secret".into()),
        ("cli".to_owned(), String::new().into()),
    ]);
    let verifier = Verifier::new(secrets, tag::JOBSERVER, plain, clock.shared());
    clock.set_now(DateTime::from_timestamp(START + 1, 0).unwrap());
    verifier
}

fn request(signer: &Signer, path: &str, body: &[u8]) -> Parts {
    let uri: http::Uri = path.parse().unwrap();
    let mut request = Request::post(path);
    for (name, value) in signer
        .headers("POST", uri.path(), uri.query(), body)
        .unwrap()
    {
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

async fn code(verifier: &Verifier, parts: &Parts, body: &[u8]) -> &'static str {
    match verifier.verify(parts, body).await {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

#[tokio::test]
async fn a_signed_call_passes_once() {
    let clock = clock();
    let verifier = verifier(&clock, false);
    let signer = signer(&clock);
    for (path, body) in [
        ("/ipc/create_task", BODY),
        ("/", b"".as_slice()),
        ("/a%20b?x=1&y=%2F", BODY),
        ("/?", b""),
    ] {
        let parts = request(&signer, path, body);
        assert_eq!(verifier.verify(&parts, body).await.unwrap().client, "api");
        assert_eq!(code(&verifier, &parts, body).await, "replayed_nonce");
        assert_eq!(
            code(&verifier.clone(), &parts, body).await,
            "replayed_nonce"
        );
    }
}

#[tokio::test]
async fn a_nonce_is_remembered_for_longer_than_its_signature_lasts() {
    let clock = clock();
    let verifier = verifier(&clock, false);
    let ahead = ManualClock::new(DateTime::from_timestamp(1_700_000_030, 0).unwrap());
    let parts = request(&signer(&ahead), "/", b"");
    assert_eq!(code(&verifier, &parts, b"").await, "ok");
    clock.advance(WINDOW * 2);
    assert_eq!(code(&verifier, &parts, b"").await, "replayed_nonce");
    clock.advance(Duration::from_secs(1));
    assert_eq!(code(&verifier, &parts, b"").await, "signature_expired");
}

#[tokio::test]
async fn time_body_path_query_and_method_are_covered() {
    let clock = clock();
    let verifier = verifier(&clock, false);
    let signer = signer(&clock);
    let parts = request(&signer, "/ipc/x?a=1", BODY);
    assert_eq!(code(&verifier, &parts, b"{}").await, "digest_mismatch");
    for (method, path) in [
        ("POST", "/ipc/y?a=1"),
        ("POST", "/ipc/x?a=2"),
        ("POST", "/ipc/x"),
        ("PUT", "/ipc/x?a=1"),
    ] {
        let mut moved = parts.clone();
        moved.uri = path.parse().unwrap();
        moved.method = method.parse().unwrap();
        assert_eq!(
            code(&verifier, &moved, BODY).await,
            "wrong_signature",
            "{method} {path}"
        );
    }
    clock.advance(WINDOW + Duration::from_secs(1));
    assert_eq!(code(&verifier, &parts, BODY).await, "signature_expired");
    let early = ManualClock::new(DateTime::from_timestamp(1_700_000_062, 0).unwrap());
    let future = request(&super::tests::signer(&early), "/", b"");
    assert_eq!(code(&verifier, &future, b"").await, "signature_expired");
}

#[tokio::test]
async fn strangers_and_signatures_for_others_are_refused() {
    let clock = clock();
    let verifier = verifier(&clock, false);
    let sign = |client: &str, secret: &str, tag: &str| {
        request(
            &Signer::new(client, secret.into(), tag, clock.shared()),
            "/",
            b"",
        )
    };
    assert_eq!(
        code(&verifier, &sign("api", "wrong", tag::JOBSERVER), b"").await,
        "wrong_signature"
    );
    assert_eq!(
        code(&verifier, &sign("nobody", "", tag::JOBSERVER), b"").await,
        "wrong_signature"
    );
    // A client whose secret is empty does not exist.
    assert_eq!(
        code(&verifier, &sign("cli", "", tag::JOBSERVER), b"").await,
        "wrong_signature"
    );
    assert_eq!(
        code(&verifier, &sign("bot", SECRET, tag::JOBSERVER), b"").await,
        "wrong_signature"
    );
    assert_eq!(
        code(&verifier, &sign("api", SECRET, "iserver:0"), b"").await,
        "signature_for_another_daemon"
    );
    let bare = Request::post("/").body(()).unwrap().into_parts().0;
    assert_eq!(code(&verifier, &bare, b"").await, "signature_required");
}

#[tokio::test]
async fn nothing_but_the_whole_profile_is_accepted() {
    let clock = clock();
    let verifier = verifier(&clock, false);
    let good = request(&signer(&clock), "/", b"");
    let input = good.headers["signature-input"].to_str().unwrap().to_owned();
    let damaged = [
        input.replace("\"@query\" ", ""),
        input.replace("\"content-digest\"", "\"content-digest\" \"date\""),
        input.replace("\"@method\" \"@path\"", "\"@path\" \"@method\""),
        input.replace("sig1=", "sig2="),
        input.replace("hmac-sha256", "rsa-v1_5-sha256"),
        input.replace(";tag=\"jobserver\"", ""),
        input.replace(";tag=", ";expires=1;tag="),
        input.replace(";tag=", ";keyid=\"bot\";tag="),
        format!("{input}, sig2=(\"@method\");created=1"),
        input.replace("created=1700000000", "created=-5"),
        input.replace("created=1700000000", "created="),
        String::new(),
    ];
    for damaged in damaged {
        let mut parts = good.clone();
        parts
            .headers
            .insert("signature-input", damaged.parse().unwrap());
        assert_eq!(
            code(&verifier, &parts, b"").await,
            "malformed_signature",
            "{damaged}"
        );
    }
    for name in ["signature-input", "signature", "content-digest"] {
        let mut parts = good.clone();
        let value = parts.headers[name].clone();
        parts.headers.append(name, value);
        assert_eq!(
            code(&verifier, &parts, b"").await,
            "malformed_signature",
            "{name} twice"
        );
    }
    let mut parts = good.clone();
    parts.headers.remove("content-digest");
    assert_eq!(code(&verifier, &parts, b"").await, "malformed_signature");
    assert_eq!(code(&verifier, &good, b"").await, "ok");
}

#[tokio::test]
async fn plain_secrets_pass_only_where_they_are_switched_on() {
    let clock = clock();
    let plain = |value: &str| {
        Request::post("/")
            .header("authorization", value)
            .body(())
            .unwrap()
            .into_parts()
            .0
    };
    let (on, off) = (verifier(&clock, true), verifier(&clock, false));
    let good = plain(&format!("api {SECRET}"));
    assert_eq!(code(&off, &good, b"").await, "plain_secret_disabled");
    assert_eq!(on.verify(&good, b"").await.unwrap().client, "api");
    for wrong in ["api wrong", "api", "nobody x", "cli ", ""] {
        let error = on.verify(&plain(wrong), b"").await.unwrap_err();
        assert_eq!(
            (error.code(), error.status().as_u16()),
            ("wrong_client_secret", 403),
            "{wrong:?}"
        );
    }
}

#[tokio::test]
async fn the_gate_sorts_callers() {
    let clock = clock();
    let handler = async |Extension(caller): Extension<Caller>, body: String| {
        format!("{} sent {}", caller.client, body.len())
    };
    let gate = SignatureGate::new(verifier(&clock, false), &["api"], 64);
    let app = gate.protect(Router::new().nest("/ipc", Router::new().route("/x", post(handler))));
    let send = async |parts: Parts, body: &'static [u8]| {
        let response = app
            .clone()
            .oneshot(Request::from_parts(parts, axum::body::Body::from(body)))
            .await
            .unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let good = request(&signer(&clock), "/ipc/x", BODY);
    assert_eq!(
        send(good.clone(), BODY).await,
        (StatusCode::OK, "api sent 18".to_owned())
    );
    let (status, body) = send(good, BODY).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(body.contains("\"code\":\"replayed_nonce\""), "{body}");
    let bot = Signer::new(
        "bot",
        "the bot's secret".into(),
        tag::JOBSERVER,
        clock.shared(),
    );
    assert_eq!(
        send(request(&bot, "/ipc/x", BODY), BODY).await.0,
        StatusCode::FORBIDDEN
    );
    let large = request(&signer(&clock), "/ipc/x", &[b'x'; 65]);
    assert_eq!(
        send(large, &[b'x'; 65]).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

/// A captured call used to be good for another 30 s once the daemon was killed.
#[tokio::test]
async fn a_call_taken_before_a_restart_is_not_taken_after_it() {
    let clock = clock();
    let before = verifier(&clock, false);
    let ahead = ManualClock::new(clock.now() + WINDOW);
    let taken = request(&signer(&clock), "/", BODY);
    let early = request(&signer(&ahead), "/", BODY);
    assert_eq!(code(&before, &taken, BODY).await, "ok");
    let secrets = BTreeMap::from([("api".to_owned(), SECRET.into())]);
    let after = Verifier::new(secrets.clone(), tag::JOBSERVER, false, clock.shared());
    let error = after.verify(&taken, BODY).await.unwrap_err();
    assert_eq!(
        (error.code(), error.status().as_u16(), error.retry_after()),
        ("sign_again", 503, Some(1)),
        "in the second of the start too"
    );
    clock.advance(Duration::from_secs(5));
    assert_eq!(code(&after, &taken, BODY).await, "sign_again");
    // A new signature passes, and so does one by a clock that is ahead.
    assert_eq!(
        code(&after, &request(&signer(&clock), "/", BODY), BODY).await,
        "ok"
    );
    assert_eq!(code(&after, &early, BODY).await, "ok");
    // A clock that is set back does not keep callers out for ever.
    let late = Verifier::new(secrets, tag::JOBSERVER, false, clock.shared());
    clock.advance(super::replay::PREDECESSOR);
    clock.set_now(DateTime::from_timestamp(START - 3600, 0).unwrap());
    assert_eq!(
        code(&late, &request(&signer(&clock), "/", BODY), BODY).await,
        "ok"
    );
}

/// The shared memory knows what other replicas took.
#[tokio::test]
async fn a_call_that_a_replica_took_is_known_to_the_others() {
    let clock = clock();
    let cache = Arc::new(MemoryCache::new(clock.shared()));
    clock.advance(Duration::from_secs(1));
    let replica = || {
        let secrets = BTreeMap::from([("api".to_owned(), SECRET.into())]);
        Verifier::new(secrets, tag::JOBSERVER, false, clock.shared())
            .with_replay_cache(ReplayCache::new(cache.clone()))
    };
    let call = request(&signer(&clock), "/", BODY);
    assert_eq!(code(&replica(), &call, BODY).await, "ok");
    assert_eq!(code(&replica(), &call, BODY).await, "replayed_nonce");
}
