//! Sanctions against a Discord that remembers bans and timeouts, and can refuse.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use serde_json::{Value, json};
use splashtail_core::clock::{Clock as _, ManualClock, SystemClock};
use splashtail_core::ids::{GuildId, ShardId, UserId};
use splashtail_discord::Discord;
use splashtail_discord::permissions::bits;
use splashtail_storage::{CaseEnding, CaseRow, NewCase};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::sanction::{BANS, Kind, Order, TIMEOUTS};
use super::sanctions::{Done, Outcome, Sanctions};
use crate::arguments::Cluster;
use crate::catalogue::Language;
use crate::cluster::ClusterState;
use crate::modules::antinuke::Antinuke;
use crate::modules::foundation;

const ME: u64 = 99;
const MODERATOR: u64 = 3;
const ROLE: &str = "50";

/// What Discord holds of one server.
#[derive(Default)]
struct World {
    /// With the reason of the first one.
    bans: BTreeMap<u64, Option<String>>,
    /// Members, with the end of their timeout.
    members: BTreeMap<u64, Option<DateTime<Utc>>>,
    /// Status and code for what ends so.
    refused: Vec<(Method, String, u16, u64)>,
    calls: Vec<String>,
}

#[derive(Clone)]
struct Fake {
    world: Arc<Mutex<World>>,
    /// Discord's own.
    clock: ManualClock,
}

impl Respond for Fake {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path().trim_start_matches("/api/v10");
        let reason = request.headers.get("x-audit-log-reason");
        let reason = reason.map(|reason| reason.to_str().unwrap().to_owned());
        let mut world = self.world.lock().unwrap();
        let date = self.clock.now().to_rfc2822();
        let answer = |status: u16, body: Value| {
            let answer = ResponseTemplate::new(status).insert_header("date", date.as_str());
            match status {
                204 => answer,
                _ => answer.set_body_json(body),
            }
        };
        let no = |status: u16, code: u64| answer(status, json!({"code": code, "message": "no"}));
        if request.method != Method::GET {
            world.calls.push(format!("{} {path}", request.method));
        }
        let mut refused = world.refused.iter();
        let refused = refused
            .find(|(method, end, ..)| *method == request.method && path.ends_with(end.as_str()))
            .map(|(.., status, code)| (*status, *code));
        if let Some((status, code)) = refused {
            return no(status, code);
        }
        let last = path.rsplit('/').next().unwrap();
        let user: u64 = last.parse().unwrap();
        if path.contains("/bans/") {
            return match request.method.as_str() {
                "GET" => match world.bans.get(&user) {
                    Some(reason) => answer(200, json!({"user": {"id": last}, "reason": reason})),
                    None => no(404, 10_026),
                },
                "PUT" => {
                    // A second one changes nothing.
                    world.bans.entry(user).or_insert(reason);
                    answer(204, Value::Null)
                }
                _ => match world.bans.remove(&user) {
                    Some(_) => answer(204, Value::Null),
                    None => no(404, 10_026),
                },
            };
        }
        if path.contains("/members/") {
            let Some(timeout) = world.members.get_mut(&user) else {
                return no(404, 10_007);
            };
            if request.method == Method::PATCH {
                let body: Value = request.body_json().unwrap();
                let until = body["communication_disabled_until"].as_str();
                *timeout = until.map(|until| until.parse().unwrap());
            }
            let roles = match user {
                ME => json!([ROLE]),
                MODERATOR => json!(["30"]),
                _ => json!([]),
            };
            let member = json!({"user": {"id": last}, "roles": roles, "joined_at": "2020-01-01T00:00:00Z",
                "communication_disabled_until": timeout.map(|until| until.to_rfc3339())});
            return answer(200, member);
        }
        let mine = bits::BAN_MEMBERS | bits::KICK_MEMBERS | bits::MODERATE_MEMBERS;
        let role = |id: &str, position: i64, permissions: u64| {
            json!({"id": id, "position": position, "permissions": permissions.to_string(),
                   "managed": false})
        };
        answer(
            200,
            json!({"id": "1", "owner_id": "2",
                   "roles": [role("1", 0, 0), role("30", 5, mine), role(ROLE, 7, mine)]}),
        )
    }
}

struct Case {
    sanctions: Arc<Sanctions>,
    fake: Fake,
    /// The bot's own.
    clock: ManualClock,
    _server: MockServer,
}

fn guild() -> GuildId {
    GuildId::new(1).unwrap()
}

fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

fn order(kind: Kind, target: u64, length: Option<TimeDelta>, cause: &str) -> Order {
    Order {
        guild: guild(),
        by: Some(user(MODERATOR)),
        target: user(target),
        kind,
        reason: "spam".to_owned(),
        stings: 0,
        length,
        delete_seconds: 0,
        cause: cause.to_owned(),
    }
}

impl Case {
    async fn new() -> Self {
        let foundation = foundation::for_tests().await;
        // Both begin with the real time, which the answers of other servers have.
        let now = SystemClock.now();
        let (clock, theirs) = (ManualClock::new(now), ManualClock::new(now));
        let mut world = World::default();
        for member in [ME, MODERATOR, 7] {
            world.members.insert(member, None);
        }
        let fake = Fake {
            world: Arc::new(Mutex::new(world)),
            clock: theirs,
        };
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(fake.clone())
            .mount(&server)
            .await;
        let address = server.uri().parse().unwrap();
        let discord = Discord::new(&address, &address, &"token".into(), clock.shared()).unwrap();
        let protection = Antinuke::new(&foundation).protection();
        let sanctions = Sanctions::new(
            &discord,
            foundation.storage.clone(),
            clock.shared(),
            protection,
        );
        let state = ClusterState::new(Cluster::alone(1), clock.shared());
        let _ = state.guilds.begin(ShardId(0), UserId::new(ME), &[guild()]);
        assert!(sanctions.cluster.set(Arc::new(state)).is_ok());
        Self {
            sanctions: Arc::new(sanctions),
            fake,
            clock,
            _server: server,
        }
    }

    fn world<T>(&self, read: impl FnOnce(&mut World) -> T) -> T {
        read(&mut self.fake.world.lock().unwrap())
    }

    /// For everybody.
    fn time_passes(&self, time: Duration) {
        self.clock.advance(time);
        self.fake.clock.advance(time);
    }

    fn refuse(&self, method: Method, end: &str, status: u16, code: u64) {
        let refused = (method, end.to_owned(), status, code);
        self.world(|world| world.refused.push(refused));
    }

    async fn perform(&self, order: &Order) -> Outcome {
        let done = self.sanctions.perform(order, Language::English).await;
        done.unwrap()
    }

    async fn done(&self, order: &Order) -> Done {
        match self.perform(order).await {
            Outcome::Done(done) => done,
            Outcome::Refused(why) => panic!("refused: {why}"),
        }
    }

    async fn end(&self) {
        self.sanctions.end_due().await.unwrap();
    }

    async fn case(&self, number: i64) -> CaseRow {
        let case = self.sanctions.storage.cases().case(guild(), number).await;
        case.unwrap().unwrap()
    }

    fn is_banned(&self, user: u64) -> bool {
        self.world(|world| world.bans.contains_key(&user))
    }

    /// Calls that change something and end so.
    fn calls(&self, end: &str) -> usize {
        self.world(|world| {
            world
                .calls
                .iter()
                .filter(|call| call.ends_with(end))
                .count()
        })
    }

    /// A case whose process is gone.
    async fn left_behind(&self, kind: Kind, target: u64, ends_at: Option<DateTime<Utc>>) -> i64 {
        let case = NewCase {
            guild: guild(),
            cause: format!("interaction:{kind:?}:{target}"),
            kind: kind.as_str().to_owned(),
            source: "command".to_owned(),
            target: user(target),
            moderator: Some(user(MODERATOR)),
            reason: "spam".to_owned(),
            stings: 0,
            stings_until: None,
            ends_at,
            line: kind.line().map(str::to_owned),
            unsure_for: Some(Duration::ZERO),
            at: self.clock.now(),
        };
        let opened = self.sanctions.storage.cases().open(&case).await;
        opened.unwrap().number
    }
}

const MINUTE: TimeDelta = TimeDelta::minutes(1);

#[tokio::test]
async fn a_ban_that_discord_refuses_leaves_the_one_that_ends_as_it_is() {
    let it = Case::new().await;
    it.done(&order(Kind::TempBan, 7, Some(MINUTE), "a")).await;
    it.refuse(Method::PUT, "/bans/7", 403, 50_013);
    let refused = it.perform(&order(Kind::Ban, 7, None, "b")).await;
    assert!(matches!(refused, Outcome::Refused(_)), "{refused:?}");
    assert_eq!(it.case(1).await.ending, Some(CaseEnding::Active));
    assert!(it.case(2).await.void_reason.is_some());
    it.time_passes(Duration::from_secs(120));
    it.end().await;
    assert!(!it.is_banned(7));
    assert_eq!(it.case(1).await.ending, Some(CaseEnding::Done));
    it.end().await;
    assert_eq!(it.calls("DELETE /guilds/1/bans/7"), 1, "it ends once");
}

#[tokio::test]
async fn a_ban_over_one_that_stands_ends_although_discord_keeps_the_old_mark() {
    let it = Case::new().await;
    it.done(&order(Kind::TempBan, 7, Some(MINUTE * 60), "a"))
        .await;
    it.done(&order(Kind::TempBan, 7, Some(MINUTE), "b")).await;
    let reason = it.world(|world| world.bans[&7].clone());
    assert!(reason.unwrap().starts_with("[#1]"));
    it.time_passes(Duration::from_secs(120));
    it.end().await;
    assert!(!it.is_banned(7));
    assert_eq!(it.case(1).await.ending, Some(CaseEnding::Superseded));
    assert_eq!(it.case(2).await.ending, Some(CaseEnding::Done));
}

#[tokio::test]
async fn the_ban_of_somebody_else_does_not_become_one_that_ends() {
    let it = Case::new().await;
    // The marks of another person's case, and of one that is not there, are nobody's.
    it.done(&order(Kind::Ban, 8, None, "a")).await;
    for (place, reason) in [Some("spam"), None, Some("[#1] x"), Some("[#77] x")]
        .into_iter()
        .enumerate()
    {
        it.world(|world| world.bans.insert(7, reason.map(str::to_owned)));
        let cause = format!("b{place}");
        let refused = it
            .perform(&order(Kind::TempBan, 7, Some(MINUTE), &cause))
            .await;
        assert!(matches!(refused, Outcome::Refused(_)), "{reason:?}");
    }
    let all = it.sanctions.storage.cases().cases(guild(), None, 9).await;
    assert_eq!(all.unwrap().len(), 1, "no case is opened");
}

#[tokio::test]
async fn the_end_of_an_old_ban_does_not_lift_a_newer_one() {
    let it = Case::new().await;
    it.done(&order(Kind::TempBan, 7, Some(MINUTE), "a")).await;
    it.done(&order(Kind::TempBan, 8, Some(MINUTE), "b")).await;
    it.done(&order(Kind::Ban, 7, None, "c")).await;
    // Somebody else bans this one anew, and nobody tells.
    it.world(|world| world.bans.insert(8, Some("worse".to_owned())));
    it.time_passes(Duration::from_secs(120));
    it.end().await;
    assert!(it.is_banned(7) && it.is_banned(8));
    assert_eq!(it.case(2).await.ending, Some(CaseEnding::Superseded));
    assert_eq!(it.calls("DELETE /guilds/1/bans/7"), 0);
}

#[tokio::test]
async fn what_cannot_be_ended_keeps_nobody_else_from_ending() {
    let it = Case::new().await;
    it.done(&order(Kind::TempBan, 7, Some(MINUTE), "a")).await;
    it.done(&order(Kind::TempBan, 8, Some(MINUTE), "b")).await;
    it.done(&order(Kind::TempBan, 9, Some(MINUTE), "c")).await;
    it.refuse(Method::DELETE, "/bans/7", 403, 50_013);
    it.refuse(Method::GET, "/bans/8", 403, 50_001);
    it.time_passes(Duration::from_secs(120));
    it.end().await;
    assert!(it.is_banned(7) && it.is_banned(8) && !it.is_banned(9));
    let put_off = it.case(1).await;
    assert_eq!(
        (put_off.ending, put_off.tries),
        (Some(CaseEnding::Active), 1)
    );
    let left = it.case(2).await.ending;
    assert_eq!(left, Some(CaseEnding::Active), "the bot may be taken back");
    it.end().await;
    assert_eq!(it.calls("DELETE /guilds/1/bans/7"), 1, "it has its pause");
}

#[tokio::test]
async fn a_clock_that_is_put_forward_ends_nothing() {
    let it = Case::new().await;
    it.done(&order(Kind::TempBan, 7, Some(MINUTE * 60), "a"))
        .await;
    it.clock.advance(Duration::from_secs(86_400));
    it.end().await;
    assert!(it.is_banned(7));
    assert_eq!(it.case(1).await.ending, Some(CaseEnding::Active));
}

#[tokio::test]
async fn a_longer_timeout_stays_as_it_is() {
    let it = Case::new().await;
    let theirs = it.clock.now() + TimeDelta::days(7);
    it.world(|world| world.members.insert(7, Some(theirs)));
    let done = it.done(&order(Kind::Timeout, 7, Some(MINUTE), "a")).await;
    assert!(done.stays.is_some());
    assert_eq!(it.calls("/members/7"), 0);
    assert_eq!(it.case(1).await.ends_at, None);
    // A shorter one is replaced.
    let longer = order(Kind::Timeout, 7, Some(TimeDelta::days(8)), "b");
    assert_eq!(it.done(&longer).await.stays, None);
    assert_eq!(it.calls("/members/7"), 1);
}

#[tokio::test]
async fn who_leaves_and_comes_back_is_in_timeout_until_the_same_end() {
    let it = Case::new().await;
    let done = it
        .done(&order(Kind::Timeout, 7, Some(MINUTE * 60), "a"))
        .await;
    it.time_passes(Duration::from_secs(600));
    it.world(|world| world.members.insert(7, None));
    let case = it.case(1).await;
    it.sanctions.hold_again(&case).await;
    let until = it.world(|world| world.members[&7]).unwrap();
    assert!((until - done.ends_at.unwrap()).abs() < TimeDelta::seconds(1));
    // Somebody takes it back: it is theirs to say.
    let store = it.sanctions.storage.cases();
    let now = it.clock.now();
    store
        .supersede(guild(), user(7), TIMEOUTS, now)
        .await
        .unwrap();
    it.world(|world| world.members.insert(7, None));
    it.sanctions.hold_again(&case).await;
    assert_eq!(it.world(|world| world.members[&7]), None);
    it.time_passes(Duration::from_secs(7200));
    it.end().await;
    assert_eq!(
        it.calls("/members/7"),
        2,
        "one to set it, one to set it again"
    );
}

#[tokio::test]
async fn what_a_process_left_behind_is_found_out_and_not_done_twice() {
    let it = Case::new().await;
    it.done(&order(Kind::TempBan, 7, Some(MINUTE), "a")).await;
    // One that Discord took, over the first; and one that it never got.
    let ends_at = Some(it.clock.now() + MINUTE * 60);
    let taken = it.left_behind(Kind::TempBan, 7, ends_at).await;
    let lost = it.left_behind(Kind::Ban, 8, None).await;
    let calls = it.calls("");
    it.sanctions.find_out().await.unwrap();
    assert_eq!(it.calls(""), calls, "it only looks");
    assert!(!it.case(taken).await.is_unsure);
    assert_eq!(it.case(1).await.ending, Some(CaseEnding::Superseded));
    assert!(it.case(lost).await.void_reason.is_some());
    let store = it.sanctions.storage.cases();
    let running = store.running(guild(), user(7), BANS, it.clock.now()).await;
    assert_eq!(running.unwrap().map(|case| case.number), Some(taken));
}

#[tokio::test]
async fn an_order_that_comes_twice_is_carried_out_once() {
    let it = Case::new().await;
    let kick = Order {
        stings: 2,
        ..order(Kind::Kick, 7, None, "a")
    };
    let done = it.done(&kick).await;
    assert_eq!((done.repeated, done.stings), (false, 2));
    assert!(!it.case(1).await.is_unsure);
    assert!(it.done(&kick).await.repeated);
    assert_eq!(it.calls("DELETE /guilds/1/members/7"), 1);
}
