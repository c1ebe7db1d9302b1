//! Locks against a Discord that remembers overwrites, hides channels and can refuse.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use splashtail_core::clock::Clock as _;
use splashtail_core::clock::{ManualClock, SystemClock};
use splashtail_core::ids::{ChannelId, GuildId, ShardId, UserId};
use splashtail_discord::Discord;
use splashtail_discord::permissions::bits;
use splashtail_storage::{LockdownRow, LockdownState, NewLockdown};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::locks::SPEAKING;
use super::plan::Kind;
use super::service::Lockdowns;
use crate::arguments::Cluster;
use crate::cluster::ClusterState;
use crate::events::{Body, Event, EventKind};
use crate::modules::foundation;

const ME: u64 = 99;
const EVERYONE: u64 = 1;
/// With a denial of its own.
const TALK: u64 = 10;
const NEWS: u64 = 11;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Clear,
    /// It is listed without what it is like.
    Hidden,
    /// It is not listed, and there.
    Unlisted,
    Gone,
}

struct World {
    /// Allowed and denied bits by channel and subject.
    overwrites: BTreeMap<(u64, u64), (u64, u64)>,
    shown: BTreeMap<u64, Shown>,
    /// Channels in which nothing may be changed.
    refused: Vec<u64>,
    /// What somebody sets at the next change of somebody else.
    edit: Option<((u64, u64), (u64, u64))>,
    /// Each change takes some seconds of this clock.
    slow: Option<ManualClock>,
}

struct Fake(Arc<Mutex<World>>);

impl World {
    fn channel(&self, channel: u64) -> Value {
        let own = self.overwrites.iter().filter(|((at, _), _)| *at == channel);
        let own = own.map(|((_, of), (allow, deny))| {
            json!({"id": of.to_string(), "type": u8::from(*of == ME),
                   "allow": allow.to_string(), "deny": deny.to_string()})
        });
        match self.shown[&channel] {
            Shown::Hidden => json!({"id": channel.to_string(), "type": 0, "flags": 1 << 17,
                "name": "___hidden___", "permission_overwrites": []}),
            _ => json!({"id": channel.to_string(), "type": 0, "name": "talk",
                "permission_overwrites": own.collect::<Vec<_>>()}),
        }
    }
}

fn number(part: &str) -> u64 {
    part.parse().unwrap()
}

impl Respond for Fake {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut world = self.0.lock().unwrap();
        let path = request.url.path().trim_start_matches("/api/v10/");
        let parts: Vec<&str> = path.split('/').collect();
        let answer = |body: Value| ResponseTemplate::new(200).set_body_json(body);
        let no = |status: u16, code: u64| {
            ResponseTemplate::new(status).set_body_json(json!({"code": code, "message": "no"}))
        };
        match parts.as_slice() {
            ["guilds", _, "roles"] => {
                answer(json!([{"id": "1", "permissions": SPEAKING.to_string(), "position": 0}]))
            }
            ["guilds", _, "channels"] => {
                let listed = world.shown.iter();
                let listed = listed
                    .filter(|(_, shown)| matches!(shown, Shown::Clear | Shown::Hidden))
                    .map(|(channel, _)| world.channel(*channel));
                answer(listed.collect::<Vec<_>>().into())
            }
            ["channels", channel] => match world.shown[&number(channel)] {
                Shown::Clear => answer(world.channel(number(channel))),
                Shown::Hidden | Shown::Unlisted => no(403, 50_001),
                Shown::Gone => no(404, 10_003),
            },
            ["channels", channel, "permissions", of] => {
                let (channel, of) = (number(channel), number(of));
                if world.refused.contains(&channel) || world.shown[&channel] != Shown::Clear {
                    return no(403, 50_013);
                }
                if let Some((place, set)) = world.edit.take() {
                    world.overwrites.insert(place, set);
                }
                if let Some(clock) = &world.slow {
                    clock.advance(Duration::from_secs(3));
                }
                if request.method == Method::DELETE {
                    world.overwrites.remove(&(channel, of));
                } else {
                    let body: Value = request.body_json().unwrap();
                    let bits = |side: &str| number(body[side].as_str().unwrap());
                    let set = (bits("allow"), bits("deny"));
                    world.overwrites.insert((channel, of), set);
                }
                ResponseTemplate::new(204)
            }
            other => panic!("nobody asks that: {other:?}"),
        }
    }
}

struct Bench {
    lockdowns: Arc<Lockdowns>,
    world: Arc<Mutex<World>>,
    clock: ManualClock,
    _server: MockServer,
}

fn guild() -> GuildId {
    GuildId::new(EVERYONE).unwrap()
}

impl Bench {
    async fn new() -> Self {
        let foundation = foundation::for_tests().await;
        let clock = ManualClock::new(SystemClock.now());
        let world = World {
            overwrites: [((TALK, EVERYONE), (0, bits::ATTACH_FILES))].into(),
            shown: [(TALK, Shown::Clear), (NEWS, Shown::Clear)].into(),
            refused: Vec::new(),
            edit: None,
            slow: None,
        };
        let world = Arc::new(Mutex::new(world));
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(Fake(Arc::clone(&world)))
            .mount(&server)
            .await;
        let address = server.uri().parse().unwrap();
        let discord = Discord::new(&address, &address, &"token".into(), clock.shared()).unwrap();
        let lockdowns = Lockdowns::new(&discord, foundation.storage, clock.shared());
        let state = ClusterState::new(Cluster::alone(1), clock.shared());
        let me = UserId::new(ME);
        let _ = state.guilds.begin(ShardId(0), me, &[guild()]);
        let whole = json!({"id": "1", "name": "Harbour", "owner_id": "2", "member_count": 3,
            "channels": [], "members": [{"user": {"id": "99"}, "roles": ["50"]}],
            "roles": [{"id": "1", "name": "@everyone", "permissions": "0", "position": 0},
                {"id": "50", "name": "AntiRaid", "position": 5,
                 "permissions": bits::ADMINISTRATOR.to_string()}]});
        let followed = state.guilds.follow(&Event {
            kind: EventKind::GuildCreate,
            guild: guild(),
            shard: ShardId(0),
            seq: Some(1),
            received: Duration::from_secs(1),
            body: Body::Raw(Bytes::from(whole.to_string())),
        });
        followed.read.unwrap();
        assert!(lockdowns.cluster.set(Arc::new(state)).is_ok());
        Self {
            lockdowns: Arc::new(lockdowns),
            world,
            clock,
            _server: server,
        }
    }

    fn world<T>(&self, read: impl FnOnce(&mut World) -> T) -> T {
        read(&mut self.world.lock().unwrap())
    }

    async fn open_in(&self, guild: GuildId, kind: Kind) -> i64 {
        let new = NewLockdown {
            guild,
            kind: kind.as_str().to_owned(),
            channel: ChannelId::new(TALK),
            reason: "a raid".to_owned(),
            by: UserId::new(7).unwrap(),
            at: self.clock.now(),
        };
        let store = self.lockdowns.storage.lockdowns();
        store.open_lockdown(&new, 10).await.unwrap().unwrap()
    }

    /// One turn of the work on all that is due.
    async fn turn(&self) {
        for (guild, rows) in self.lockdowns.due().await.unwrap() {
            let busy = self.lockdowns.is_free(guild).unwrap();
            busy.work_on_all(rows).await;
        }
    }

    async fn locks(&self) -> Vec<LockdownRow> {
        let store = self.lockdowns.storage.lockdowns();
        store.lockdowns(guild()).await.unwrap()
    }

    async fn lift(&self, number: i64) {
        let store = self.lockdowns.storage.lockdowns();
        assert!(store.lift_lockdown(guild(), number).await.unwrap());
        self.lockdowns.begin(guild(), number);
    }

    fn overwrites(&self) -> BTreeMap<(u64, u64), (u64, u64)> {
        self.world(|world| world.overwrites.clone())
    }

    fn denied(&self, channel: u64) -> u64 {
        let own = self.overwrites().get(&(channel, EVERYONE)).copied();
        own.map_or(0, |(_, deny)| deny)
    }
}

#[tokio::test]
async fn a_lock_leaves_everything_as_it_was() {
    let bench = Bench::new().await;
    let before = bench.overwrites();
    let number = bench.open_in(guild(), Kind::Traditional).await;
    bench.turn().await;
    assert_eq!(bench.locks().await[0].state, LockdownState::Locked);
    for channel in [TALK, NEWS] {
        assert_eq!(bench.denied(channel) & SPEAKING, SPEAKING);
    }
    bench.lift(number).await;
    bench.turn().await;
    assert!(bench.locks().await.is_empty());
    assert_eq!(bench.overwrites(), before);
}

#[tokio::test]
async fn locks_that_cannot_be_worked_on_stop_no_other() {
    let bench = Bench::new().await;
    // More than are read at once, of servers that the bot has left.
    for gone in 1000..1120 {
        let gone = GuildId::new(gone).unwrap();
        bench.open_in(gone, Kind::Traditional).await;
    }
    // The one of a server that is there is worked on.
    bench.open_in(guild(), Kind::Channel).await;
    let due = bench.lockdowns.due().await.unwrap();
    assert_eq!(due.keys().copied().collect::<Vec<_>>(), [guild()]);
    bench.turn().await;
    assert_eq!(bench.locks().await[0].state, LockdownState::Locked);
}

#[tokio::test]
async fn what_cannot_be_seen_or_changed_stays_in_the_ledger_until_it_is_open() {
    for obstacle in [Some(Shown::Hidden), Some(Shown::Unlisted), None] {
        let bench = Bench::new().await;
        let before = bench.overwrites();
        let number = bench.open_in(guild(), Kind::Traditional).await;
        bench.turn().await;
        bench.world(|world| match obstacle {
            Some(shown) => {
                world.shown.insert(TALK, shown);
            }
            None => world.refused.push(TALK),
        });
        bench.lift(number).await;
        bench.turn().await;
        // The others are open already.
        assert_eq!(bench.denied(NEWS), 0);
        assert_eq!(bench.denied(TALK) & SPEAKING, SPEAKING);
        assert_eq!(
            bench.locks().await[0].state,
            LockdownState::Lifting,
            "{obstacle:?}"
        );
        assert!(
            bench.lockdowns.due().await.unwrap().is_empty(),
            "it has its pause"
        );
        bench.world(|world| {
            world.shown.insert(TALK, Shown::Clear);
            world.refused.clear();
        });
        bench.clock.advance(Duration::from_secs(60));
        bench.turn().await;
        assert!(bench.locks().await.is_empty(), "{obstacle:?}");
        assert_eq!(bench.overwrites(), before, "{obstacle:?}");
    }
}

#[tokio::test]
async fn a_channel_that_is_gone_keeps_no_lock() {
    let bench = Bench::new().await;
    let number = bench.open_in(guild(), Kind::Traditional).await;
    bench.turn().await;
    bench.world(|world| world.shown.insert(TALK, Shown::Gone));
    bench.lift(number).await;
    bench.turn().await;
    assert!(bench.locks().await.is_empty());
    assert_eq!(bench.denied(NEWS), 0);
}

#[tokio::test]
async fn a_lock_that_was_cut_off_is_put_up_to_its_end_and_forgets_nothing() {
    let bench = Bench::new().await;
    let before = bench.overwrites();
    let number = bench.open_in(guild(), Kind::Channel).await;
    bench.turn().await;
    // As if it had been killed after its last call: what was done is written down as planned.
    let store = bench.lockdowns.storage.lockdowns();
    for mut hold in store.holds(guild()).await.unwrap() {
        hold.state = splashtail_storage::HoldState::Planned;
        store.put_hold(&hold).await.unwrap();
    }
    let row = LockdownRow {
        state: LockdownState::Locking,
        ..bench.locks().await.remove(0)
    };
    bench.lockdowns.work_on(&row).await.unwrap();
    assert_eq!(bench.denied(TALK) & SPEAKING, SPEAKING);
    bench.lift(number).await;
    bench.turn().await;
    assert_eq!(bench.overwrites(), before);
}

#[tokio::test]
async fn a_lock_that_is_ended_while_it_is_put_up_goes_no_further() {
    let bench = Bench::new().await;
    let before = bench.overwrites();
    let number = bench.open_in(guild(), Kind::Traditional).await;
    let row = bench.locks().await.remove(0);
    bench.lift(number).await;
    let clock = bench.clock.clone();
    bench.world(|world| world.slow = Some(clock));
    bench.lockdowns.work_on(&row).await.unwrap();
    assert_eq!(bench.overwrites().len(), before.len() + 1, "one place");
    bench.turn().await;
    assert!(bench.locks().await.is_empty());
    assert_eq!(bench.overwrites(), before);
}

#[tokio::test]
async fn what_people_edit_while_a_lock_is_put_up_stays() {
    let bench = Bench::new().await;
    let number = bench.open_in(guild(), Kind::Traditional).await;
    let row = bench.locks().await.remove(0);
    // Somebody denies something in the last channel when the first place is locked.
    let clock = bench.clock.clone();
    bench.world(|world| {
        world.slow = Some(clock);
        world.edit = Some(((NEWS, EVERYONE), (0, bits::ATTACH_FILES)));
    });
    bench.lockdowns.work_on(&row).await.unwrap();
    let locked = SPEAKING | bits::ATTACH_FILES;
    assert_eq!(bench.denied(NEWS), locked);
    bench.lift(number).await;
    bench.turn().await;
    assert_eq!(bench.denied(NEWS), bits::ATTACH_FILES);
}
