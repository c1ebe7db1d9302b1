//! Discord and its CDN fail for a while: nothing is left out for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::discord::{BIG, BIG_COUNT, FILES, FORUM, PNG, TEXT, error, image, message};
use crate::support::{Backup, setup, setup_with};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

fn generous(config: &mut splashtail_core::config::Config) {
    config.plans.free.total_max_messages = 5000;
}

fn everything() -> Value {
    json!({"BackupMessages": true, "BackupAttachments": true, "RolloverLeftovers": true,
           "IgnoreMessageBackupErrors": true})
}

fn unavailable() -> Response {
    error(503, 0, "503: Service Unavailable")
}

/// Fails the first so many requests that match.
fn first(
    count: usize,
    matching: impl Fn(&str) -> bool + Send + Sync + 'static,
    with: fn() -> Response,
) -> impl Fn(&str) -> Option<Response> + Send + Sync + 'static {
    let made = Arc::new(AtomicUsize::new(0));
    move |request| (matching(request) && made.fetch_add(1, Ordering::Relaxed) < count).then(with)
}

/// With errors ignored, ten seconds of 503 emptied every channel, and the journal kept it so.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_never_ignored() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    let outage = first(12, |request| request.contains("/messages"), unavailable);
    setup.discord.intercept(outage);
    let id = server.create(everything()).await.task_id;
    let mut backup = Backup::open(server.file(id).await, None);
    assert_eq!(backup.messages()[&BIG].len() as u64, BIG_COUNT);
    assert_eq!(backup.messages()[&FILES].len(), 2);
}

/// One answer that was cut off on its way ended its channel.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_answer_is_asked_for_again() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    let broken = || (axum::http::StatusCode::OK, "[{\"id\": \"12").into_response();
    let matching = |request: &str| request.contains("/messages") || request.contains("/archived");
    setup.discord.intercept(first(2, matching, broken));
    let id = server.create(everything()).await.task_id;
    let mut backup = Backup::open(server.file(id).await, None);
    assert_eq!(backup.messages()[&BIG].len() as u64, BIG_COUNT);
    let log = server.log(id).await;
    let parked = log.iter().any(|entry| entry.extra.contains_key("code"));
    assert!(!parked, "a broken answer alone parks no job: {log:#?}");
}

fn is_file(request: &str) -> bool {
    request.starts_with("/attachments/")
}

/// Nothing is lost, nothing that was loaded is loaded again, and pages are not read twice.
async fn cdn_outage(ignore: bool) {
    let setup = setup_with(generous);
    setup.discord.change(|world| {
        // One attachment that works, besides those of the world.
        world
            .messages
            .get_mut(&FILES)
            .unwrap()
            .push(message(FILES, 3));
    });
    let server = setup.start().await;
    let failing = format!("/{PNG}/");
    let outage = first(7, move |request| request.contains(&failing), unavailable);
    setup.discord.intercept(outage);
    let mut options = everything();
    options["IgnoreMessageBackupErrors"] = json!(ignore);
    let id = server.create(options).await.task_id;
    let mut backup = Backup::open(server.file(id).await, None);
    assert_eq!(
        backup.0.read(&format!("attachments/{PNG}")).unwrap(),
        image()
    );
    let requests = setup.discord.requests();
    let count = |part: &str| {
        requests
            .iter()
            .filter(|request| request.contains(part))
            .count()
    };
    assert_eq!(
        count(&format!("/{TEXT}/")),
        1,
        "saved before, not loaded again"
    );
    assert_eq!(count(&format!("/channels/{FILES}/messages")), 1);
    assert_eq!(
        backup.json("ext/coverage")["attachments_lost"],
        2,
        "too large, and gone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_cdn_leaves_no_holes() {
    cdn_outage(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_cdn_leaves_no_holes_when_errors_are_ignored() {
    cdn_outage(true).await;
}

/// Addresses are stored with their page and end a day later: a job that waited longer lost all that
/// was still to be loaded.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_whose_signature_has_ended_are_read_again() {
    let setup = setup();
    let mut recorded = Vec::new();
    setup.discord.change(|world| {
        let mut messages = world.messages[&FILES].clone();
        messages.reverse();
        // What the CDN refuses.
        let ended = json!(messages)
            .to_string()
            .replace("?ex=7fffffff", "gone?ex=1");
        recorded = serde_json::from_str::<Vec<Value>>(&ended).unwrap();
        // It was written meanwhile and is no part of the page.
        let later = message(FILES, 3);
        world.messages.get_mut(&FILES).unwrap().push(later);
    });
    let server = setup.start().await;
    let made = AtomicUsize::new(0);
    setup.discord.intercept(move |request| {
        let asks = request.contains(&format!("/channels/{FILES}/messages"));
        let first = asks && made.fetch_add(1, Ordering::Relaxed) == 0;
        first.then(|| axum::Json(recorded.clone()).into_response())
    });
    let id = server.create(everything()).await.task_id;
    let mut backup = Backup::open(server.file(id).await, None);
    assert_eq!(
        backup.0.read(&format!("attachments/{PNG}")).unwrap(),
        image()
    );
    assert_eq!(backup.messages()[&FILES].len(), 2);
    assert_eq!(
        backup.json("ext/coverage")["attachments_lost"],
        2,
        "too large, and gone"
    );
    let requests = setup.discord.requests();
    let asks = format!("/channels/{FILES}/messages");
    let asked = requests.iter().filter(|request| request.contains(&asks));
    assert_eq!(
        asked.count(),
        2,
        "the page, and once more for its addresses"
    );
}

/// Something on the way refuses for a while, and not Discord.
#[tokio::test(flavor = "multi_thread")]
async fn a_404_that_is_not_discords_own_passes() {
    let setup = setup();
    let server = setup.start().await;
    let page = || (axum::http::StatusCode::NOT_FOUND, "<html>Not found</html>").into_response();
    let matching = |request: &str| request.contains("/messages");
    setup.discord.intercept(first(2, matching, page));
    let id = server.create(everything()).await.task_id;
    let mut backup = Backup::open(server.file(id).await, None);
    assert_eq!(backup.messages()[&FILES].len(), 2);
}

/// A CDN that stays away: on request the backup goes on, and says what it lacks.
#[tokio::test(flavor = "multi_thread")]
async fn attachments_that_stay_away_are_counted() {
    let setup = setup();
    let server = setup.start().await;
    setup
        .discord
        .intercept(|request| is_file(request).then(unavailable));
    let mut options = everything();
    options["Channels"] = json!([FILES.to_string()]);
    let id = server.create(options).await.task_id;
    server.file(id).await;
    let log = server.log(id).await;
    let summary = &log[log.len() - 2];
    assert!(
        summary.msg.contains("4 attachments were not saved"),
        "{}",
        summary.msg
    );
    let warned = log
        .iter()
        .rfind(|entry| entry.msg == "Attachments were not saved")
        .unwrap();
    assert_eq!(warned.extra["channel"], format!("#files ({FILES})"));
    assert!(warned.extra["reasons"][0].as_str().unwrap().contains("503"));
}

/// A 429 that lasts longer than a call may take parks the job.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_rate_limit_parks_the_job() {
    let setup = setup();
    let server = setup.start().await;
    let limited = || {
        let body = json!({"message": "…", "retry_after": 45.0, "global": false});
        (axum::http::StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response()
    };
    let archived = format!("/channels/{FORUM}/threads/archived/public");
    let matching = move |request: &str| request.contains(&archived);
    setup.discord.intercept(first(1, matching, limited));
    let id = server.create(json!({})).await.task_id;
    let parked = loop {
        let log = server.log(id).await;
        if let Some(entry) = log
            .into_iter()
            .find(|entry| entry.msg.contains("rate limit"))
        {
            break entry;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(parked.extra["code"], "rate_limited");
    assert!(
        parked.extra["retry_in"].as_f64().unwrap() >= 45.0,
        "{parked:?}"
    );
    assert!(
        parked.msg.contains(&format!("#forum ({FORUM})")),
        "{}",
        parked.msg
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn forwards_keep_their_attachments() {
    let setup = setup();
    setup.discord.change(|world| {
        let own = world.messages[&FILES][0]["attachments"][0].clone();
        let mut forward = message(FILES, 3);
        forward["message_snapshots"] = json!([{"message": {"content": "seen elsewhere",
                                               "attachments": [own]}}]);
        world.messages.insert(FILES, vec![forward]);
    });
    let server = setup.start().await;
    let mut options = everything();
    options["Channels"] = json!([FILES.to_string()]);
    let id = server.create(options).await.task_id;
    let mut backup = Backup::open(server.file(id).await, None);
    assert_eq!(
        backup.0.read(&format!("attachments/{PNG}")).unwrap(),
        image()
    );
    let entries = backup.msgpack(&format!("messages/{FILES}"));
    assert_eq!(entries[0]["attachment_metadata"][0]["id"], PNG.to_string());
}
