use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use http::Method;
use serde_json::json;
use splashtail_core::ids::{GuildId, ShardId, TaskId, UserId};
use splashtail_discord::Discord;
use splashtail_guild::Id;
use splashtail_raid::{Answer, DAY, HOUR, Moment, Order};
use splashtail_storage::{Creation, Idempotency, NewTask, Owner, Priority};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::Raid;
use super::service::Watch;
use crate::events::{Body, Event, EventKind};
use crate::guilds::{GuildView, Guilds};
use crate::modules::antinuke::Antinuke;
use crate::modules::foundation::{self, Foundation};
use crate::modules::jobs::Jobs;

fn guild() -> GuildId {
    GuildId::new(10).unwrap()
}

fn view() -> GuildView {
    let guilds = Guilds::default();
    guilds.begin(ShardId(0), UserId::new(5), &[guild()]);
    let whole = json!({"id": "10", "name": "Harbour", "owner_id": "1", "member_count": 3,
        "verification_level": 1, "features": [], "channels": [], "members": [],
        "roles": [{"id": "10", "name": "@everyone", "permissions": "0", "position": 0}]});
    let followed = guilds.follow(&Event {
        kind: EventKind::GuildCreate,
        guild: guild(),
        shard: ShardId(0),
        seq: Some(1),
        received: Duration::from_secs(1),
        body: Body::Raw(Bytes::from(whole.to_string())),
    });
    followed.read.unwrap();
    guilds.get(guild()).unwrap()
}

fn watch(foundation: &Foundation) -> Arc<Watch> {
    let antinuke = Antinuke::new(foundation);
    let jobs = Arc::new(Jobs::new(foundation, antinuke.people()));
    Raid::new(foundation, antinuke.protection(), jobs).watch
}

#[tokio::test]
async fn a_calm_server_is_left_to_the_database_with_what_was_decided() {
    let foundation = foundation::for_tests().await;
    let (store, now) = (foundation.storage.raids(), foundation.clock.now());
    store
        .set_habits(guild(), r#"{"streams":{}}"#, false, now)
        .await
        .unwrap();
    let (first, view) = (watch(&foundation), view());
    let server = first.load(&view).await;
    let (user, by) = (Id::new(7), Id::new(8));
    first.answered(&server, |engine, now| engine.let_in(user, by, now));
    assert_eq!(first.forget_calm(), 0, "it is not written down yet");
    first.write_one(&server).await;
    assert_eq!(first.forget_calm(), 0, "somebody works with it");
    drop(server);
    assert_eq!(first.forget_calm(), 1);
    assert!(first.server(guild()).is_none());
    // Another process decides about somebody else, and forgets nobody.
    let second = watch(&foundation);
    let server = second.load(&view).await;
    let other = Id::new(9);
    second.answered(&server, |engine, now| engine.let_in(other, by, now));
    second.write_one(&server).await;
    let habits = store.habits(guild()).await.unwrap().unwrap();
    let habits: serde_json::Value = serde_json::from_str(&habits).unwrap();
    let let_in = habits["acquitted"].as_object().unwrap();
    assert!(let_in.contains_key("7") && let_in.contains_key("9"));
}

#[tokio::test]
async fn an_order_finds_its_own_job_and_none_that_failed_before() {
    let foundation = foundation::for_tests().await;
    let watch = watch(&foundation);
    let task = NewTask {
        id: TaskId::random(),
        name: "mass_ban".to_owned(),
        owner: Owner::Server(guild()),
        fields: json!({}),
        encrypted: false,
        wrapped_secret: None,
        slot: None,
        idempotency: Some(Idempotency {
            client: "bot".to_owned(),
            key: "raid-5-1".to_owned(),
        }),
        execute: false,
        priority: Priority::Interactive,
        run_after: None,
        deadline: None,
        expires_at: None,
        created_at: foundation.clock.now(),
    };
    let created = foundation.storage.tasks().create(&task).await.unwrap();
    assert!(matches!(created, Creation::Created(_)), "{created:?}");
    let order = |number| Order {
        number,
        users: vec![Id::new(7)],
        by: None,
        job: None,
        is_withdrawn: false,
    };
    let wave = Id::new(5);
    let first = watch.earlier(wave, &order(1)).await.unwrap();
    assert_eq!(first, Some(task.id), "the process that gave it is gone");
    let second = watch.earlier(wave, &order(2)).await.unwrap();
    assert_eq!(second, None, "what failed is ordered anew");
    let known = Order {
        job: Some(task.id.to_string()),
        ..order(2)
    };
    let known = watch.earlier(wave, &known).await.unwrap();
    assert_eq!(known, Some(task.id));
}

/// Somebody who is timed out until then.
struct TimedOut(Arc<Mutex<Option<String>>>);

impl Respond for TimedOut {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut until = self.0.lock().unwrap();
        if request.method == Method::PATCH {
            let body: serde_json::Value = request.body_json().unwrap();
            let set = body["communication_disabled_until"].as_str();
            *until = set.map(str::to_owned);
        }
        let member = json!({"user": {"id": "7"}, "communication_disabled_until": *until});
        ResponseTemplate::new(200).set_body_json(member)
    }
}

#[tokio::test]
async fn a_timeout_of_somebody_else_stays() {
    let until = Arc::new(Mutex::new(None));
    let discord = MockServer::start().await;
    Mock::given(any())
        .respond_with(TimedOut(Arc::clone(&until)))
        .mount(&discord)
        .await;
    let address = discord.uri().parse().unwrap();
    let mut foundation = foundation::for_tests().await;
    let clock = Arc::clone(&foundation.clock);
    foundation.discord = Discord::new(&address, &address, &"token".into(), clock).unwrap();
    let (watch, view) = (watch(&foundation), view());
    let server = watch.load(&view).await;
    let (user, now) = (Id::new(7), watch.now());
    let stamp = |at: Moment| {
        let at = DateTime::from_timestamp_millis(at.0.cast_signed()).unwrap();
        Some(at.to_rfc3339())
    };
    let is = || until.lock().unwrap().clone();
    let set = |to: Option<String>| *until.lock().unwrap() = to;

    // A week of a moderator's is neither cut short nor ended.
    let (ours, theirs) = (now.plus(HOUR), stamp(now.plus(7 * DAY)));
    set(theirs.clone());
    assert_eq!(watch.hold(&server, user, ours, "raid").await, Answer::Done);
    assert_eq!(is(), theirs);
    assert_eq!(watch.release(&server, user, "raid").await, Answer::Done);
    assert_eq!(is(), theirs);

    // What is ours ends, and what a moderator set meanwhile does not.
    set(None);
    watch.hold(&server, user, ours, "raid").await;
    assert_eq!(is(), stamp(ours));
    set(theirs.clone());
    watch.release(&server, user, "raid").await;
    assert_eq!(is(), theirs);
    set(stamp(ours));
    watch.release(&server, user, "raid").await;
    assert_eq!(is(), None);
}
