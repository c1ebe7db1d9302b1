use serde_json::{Value, json};
use splashtail_core::ids::ShardId;
use splashtail_guild::Kind;

use super::*;
use crate::events::{Body, Event, EventKind, Gap, GapCause, Listener as _};
use crate::guilds::Guilds;
use crate::modules::antinuke::listener::Ear;
use crate::modules::antinuke::tests::World;

const GUILD: u64 = 10;
const ATTACKER: u64 = 7;

fn id(n: u64) -> String {
    // Ids tell when an object was made: as the world's clock has it.
    ((375_969_600_000 + n) << 22).to_string()
}

/// A bot's process: what it knows of the server comes by events.
struct Process {
    guilds: Guilds,
    protection: Arc<Protection>,
}

impl Process {
    async fn start(world: &World, roles: Value) -> Self {
        let guilds = Guilds::default();
        let guild = GuildId::new(GUILD).unwrap();
        guilds.begin(ShardId(0), None, &[guild]);
        let process = Self {
            guilds,
            protection: world.start(),
        };
        let channels = json!([{"id": "20", "name": "general", "type": 0, "flags": 0,
            "permission_overwrites": [{"id": "30", "type": 0, "allow": "0", "deny": "64"}]}]);
        let member = json!({"user": {"id": "9"}, "roles": ["30"]});
        let whole = json!({"id": "10", "name": "Harbour", "owner_id": "1", "member_count": 3,
            "features": [], "channels": channels, "members": [member], "roles": roles});
        process.hear(EventKind::GuildCreate, whole).await;
        process
    }

    async fn hear(&self, kind: EventKind, body: Value) {
        self.heard(kind, Body::Raw(body.to_string().into())).await;
    }

    async fn gap(&self, cause: GapCause, lasted: Duration) {
        let gap = Gap { cause, lasted };
        self.heard(EventKind::Gap, Body::Gap(gap)).await;
    }

    async fn heard(&self, kind: EventKind, body: Body) {
        let event = Event {
            kind,
            guild: GuildId::new(GUILD).unwrap(),
            shard: ShardId(0),
            seq: Some(1),
            received: Duration::from_secs(1),
            body,
        };
        let view = self.guilds.follow(&event).view;
        let ear = Ear(Arc::clone(&self.protection));
        ear.on_event(&event, &view).await.unwrap();
    }

    async fn entry(&self, n: u64, action: u16, target: &str) {
        let entry = json!({"id": id(n), "guild_id": "10", "action_type": action,
            "user_id": ATTACKER.to_string(), "target_id": target, "changes": []});
        self.hear(EventKind::GuildAuditLogEntryCreate, entry).await;
    }

    async fn write(&self) {
        self.protection.write_all().await.unwrap();
        self.protection.remember_all().await.unwrap();
    }
}

fn role(id: &str, name: &str) -> Value {
    json!({"id": id, "name": name, "permissions": "0", "position": 1})
}

fn roles(some: &[&str]) -> Value {
    let mut roles = vec![role("10", "@everyone")];
    roles.extend(some.iter().map(|id| role(id, "lost")));
    roles.into()
}

async fn pinned(world: &World) -> Pinned {
    let guild = GuildId::new(GUILD).unwrap();
    let rows = world.storage.protections().incidents(guild, None, 9).await;
    let row = rows.unwrap().pop().unwrap();
    let packed = world.storage.histories().pinned(guild, row.incident).await;
    unpack(packed.unwrap().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_server_is_pinned_as_it_was_before_the_first_act() {
    let world = World::new().await;
    let some = ["30", "31", "32", "33", "34", "35", "36"];
    let process = Process::start(&world, roles(&some)).await;
    for (n, lost) in some.into_iter().enumerate() {
        let data = json!({"guild_id": "10", "role_id": lost});
        process.hear(EventKind::GuildRoleDelete, data).await;
        process.entry(n as u64, 32, lost).await;
    }
    process.write().await;
    let pinned = pinned(&world).await;
    assert_eq!(pinned.structure.all(Kind::Role).count(), some.len() + 1);
    let general = pinned.structure.get(Kind::Channel, Id::new(20)).unwrap();
    assert_eq!(general["permission_overwrites"][0]["deny"], "64");
    assert_eq!(pinned.holders[&Id::new(30)], [Id::new(9)]);
}

async fn lose(process: &Process, n: u64, lost: &str) {
    let data = json!({"guild_id": "10", "role_id": lost});
    process.hear(EventKind::GuildRoleDelete, data).await;
    process.entry(n, 32, lost).await;
}

async fn written(world: &World) -> (DateTime<Utc>, History) {
    let guild = GuildId::new(GUILD).unwrap();
    let row = world.storage.histories().history(guild).await;
    let row = row.unwrap().unwrap();
    (row.watched_until, unpack(row.changes).await.unwrap())
}

#[tokio::test]
async fn how_long_a_server_was_watched_is_written_down() {
    let world = World::new().await;
    let first = Process::start(&world, roles(&["30", "31", "32"])).await;
    lose(&first, 0, "30").await;
    first.write().await;
    let (until, _) = written(&world).await;
    world.clock.advance(Duration::from_hours(1));
    first.protection.tell_watched().await.unwrap();
    let (later, _) = written(&world).await;
    assert_eq!(later - until, chrono::Duration::hours(1));
    // Nobody looks for ten hours, and one more is lost.
    drop(first);
    world.clock.advance(Duration::from_hours(10));
    let second = Process::start(&world, roles(&["32"])).await;
    second.protection.tell_watched().await.unwrap();
    assert_eq!(written(&world).await.0, later, "it was not looked at");
    lose(&second, 36_000_000 + 3_600_000, "32").await;
    second.write().await;
    let (until, history) = written(&world).await;
    assert_eq!(until - later, chrono::Duration::hours(10));
    let gaps: Vec<_> = history.gaps().collect();
    let [(from, to)] = gaps[..] else {
        panic!("{gaps:?}");
    };
    assert_eq!(Moment(from), moment(later));
    assert_eq!(to - from, 36_000_000);
}

#[tokio::test]
async fn what_a_new_session_missed_is_a_gap() {
    let world = World::new().await;
    let process = Process::start(&world, roles(&["30", "31"])).await;
    lose(&process, 0, "30").await;
    let (from, gap) = (process.protection.dated(), Duration::from_secs(60));
    world.clock.advance(Duration::from_mins(1));
    process.gap(GapCause::NewSession, gap).await;
    process.write().await;
    process.protection.tell_watched().await.unwrap();
    assert_eq!(moment(written(&world).await.0), from, "not known yet");
    let whole = json!({"id": "10", "name": "Harbour", "owner_id": "1", "member_count": 3,
        "features": [], "channels": [], "members": [], "roles": roles(&[])});
    process.hear(EventKind::GuildCreate, whole).await;
    process.write().await;
    let (_, history) = written(&world).await;
    assert_eq!(history.gaps().next(), Some((from.0, from.0 + 60_000)));
}

#[tokio::test]
async fn what_was_lost_before_a_restart_is_remembered_after_it() {
    let world = World::new().await;
    let all = ["30", "31", "32", "33", "34", "35", "36"];
    let first = Process::start(&world, roles(&all)).await;
    lose(&first, 0, "30").await;
    first.write().await;
    drop(first);
    // One more is lost while nobody looks.
    let second = Process::start(&world, roles(&all[2..])).await;
    for (n, lost) in all.into_iter().enumerate().skip(2) {
        lose(&second, n as u64, lost).await;
    }
    second.write().await;
    let pinned = pinned(&world).await;
    assert_eq!(pinned.structure.all(Kind::Role).count(), all.len() + 1);
}
