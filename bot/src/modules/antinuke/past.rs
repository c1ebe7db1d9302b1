//! How servers were before something happened to them: kept for as long as it may matter, also over
//! a restart, and pinned when an incident begins.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use splashtail_antinuke::undo::{MAX_HOLDERS, MAX_LOST_ROLES, Pinned};
use splashtail_antinuke::{Incident, MINUTE, Moment, SECOND};
use splashtail_core::ids::GuildId;
use splashtail_core::telemetry::Chain;
use splashtail_guild::{Delta, History, Id, Structure};
use splashtail_storage::StorageError;
use tracing::{error, warn};

use super::keep::BREATH;
use super::server::Server;
use super::service::Protection;

const WRITE: Duration = Duration::from_millis(500);
/// As long as acts are kept that an incident may begin with.
const KEPT: u64 = 35 * MINUTE;
/// An event may be told a little before the log says that it happened.
const MARGIN: u64 = 5 * SECOND;
/// zstd's quickest ordinary level; higher ones save little of JSON.
const LEVEL: i32 = 1;
/// A document, unpacked.
const MOST_BYTES: u64 = 64 << 20;
/// Pins of incidents end with them.
const PINS_KEPT: chrono::Duration = chrono::Duration::days(90);
const PURGE: Duration = Duration::from_hours(6);

/// What one server was like lately.
#[derive(Debug, Default)]
pub(super) struct Past {
    history: History,
    /// Holders of roles that were deleted.
    holders: VecDeque<(Moment, Id, Vec<Id>)>,
    /// Incidents that are to be pinned.
    due: BTreeMap<Id, Moment>,
    written: Written,
    /// The server after the last change, until it is written.
    now: Option<Structure>,
}

/// What the database has of a server's history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Written {
    /// Of an earlier process, if anything.
    #[default]
    Unread,
    /// What this history begins with.
    Base,
    /// An older beginning.
    Stale,
}

impl Past {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            history: History::new(now.0),
            ..Self::default()
        }
    }

    /// Something changed. `after`: the server with it.
    pub(super) fn note(&mut self, delta: &Delta, after: Structure, now: Moment) {
        self.history.note(now.0, delta.clone());
        let kept = now.minus(KEPT);
        // Not with every change: the base is written anew then.
        let oldest = self.history.oldest();
        let old = oldest.is_some_and(|oldest| oldest < now.minus(2 * KEPT).0);
        let forgot = self.history.forget(if old { kept.0 } else { 0 });
        if forgot && self.written == Written::Base {
            self.written = Written::Stale;
        }
        self.holders.retain(|(at, ..)| *at >= kept);
        self.now = Some(after);
    }

    /// A role goes, and with it what tells who held it.
    pub(super) fn note_holders(&mut self, role: Id, mut holders: Vec<Id>, now: Moment) {
        holders.truncate(MAX_HOLDERS);
        if self.holders.len() == MAX_LOST_ROLES {
            self.holders.pop_front();
        }
        self.holders.push_back((now, role, holders));
    }

    /// Whether all incidents are pinned that there were.
    pub(super) fn is_pinned(&self) -> bool {
        self.due.is_empty()
    }

    /// An incident begins, or reaches further.
    pub(super) fn pin(&mut self, incident: &Incident) {
        let first = incident.acts.iter().map(|act| act.at).min();
        let first = first.unwrap_or(incident.times.act);
        self.due.insert(incident.id, first.minus(MARGIN));
    }
}

/// What is to be written of a server.
pub(super) struct Writing {
    history: History,
    now: Structure,
    written: Written,
    due: BTreeMap<Id, Moment>,
    holders: VecDeque<(Moment, Id, Vec<Id>)>,
}

impl Past {
    /// What there is to write, once.
    pub(super) fn take(&mut self, now: impl FnOnce() -> Structure) -> Option<Writing> {
        if self.now.is_none() && self.due.is_empty() {
            return None;
        }
        Some(Writing {
            history: self.history.clone(),
            now: self.now.take().unwrap_or_else(now),
            written: self.written,
            due: std::mem::take(&mut self.due),
            holders: self.holders.clone(),
        })
    }

    /// It was written. `before`: as it was when that began; `after`: as it is written.
    fn wrote(&mut self, before: &History, after: History) {
        let more = self.history.behind(before);
        self.written = match more {
            // What was forgotten meanwhile is still in what is written.
            None => Written::Stale,
            Some(more) => {
                self.history = after;
                more.into_iter()
                    .for_each(|(at, delta)| self.history.note(at, delta));
                Written::Base
            }
        };
    }

    fn failed(&mut self, now: Structure, due: BTreeMap<Id, Moment>) {
        self.now.get_or_insert(now);
        for (incident, at) in due {
            self.due.entry(incident).or_insert(at);
        }
    }
}

impl Protection {
    /// Writes down how servers were. Never ends.
    pub(super) async fn remember(self: Arc<Self>) {
        let mut purged = self.clock.monotonic();
        loop {
            tokio::select! {
                () = self.clock.sleep(WRITE) => {}
                // Who held a role that is gone is known to nobody else.
                () = self.pinning.notified() => {}
            }
            if let Err(error) = self.remember_all().await {
                warn!(error = %Chain(&error), "the past of servers is not written down, trying again");
                self.clock.sleep(WRITE * 8).await;
            }
            self.clock.sleep(BREATH).await;
            let now = self.clock.monotonic();
            if now.saturating_sub(purged) > PURGE {
                purged = now;
                let before = self.clock.now() - PINS_KEPT;
                if let Err(error) = self.storage.histories().purge_pins(before).await {
                    warn!(error = %Chain(&error), "old pins stay for now");
                }
            }
        }
    }

    /// Everything that is not written yet.
    ///
    /// # Errors
    /// The database is away; it is tried again.
    pub(super) async fn remember_all(&self) -> Result<(), StorageError> {
        for server in self.all() {
            let Some(mut writing) = server.take_past() else {
                continue;
            };
            let due = writing.due.clone();
            if let Err(error) = self.write_past(&server, &mut writing).await {
                server.past(|past| past.failed(writing.now, due));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write_past(&self, server: &Server, writing: &mut Writing) -> Result<(), StorageError> {
        let (guild, at, store) = (server.guild, self.clock.now(), self.storage.histories());
        let before = writing.history.clone();
        if writing.written == Written::Unread
            && let Some(row) = store.history(guild).await?
            && let Some((earlier, past)) = read_earlier(guild, row).await
        {
            let (_, start) = writing.history.back(&writing.now, 0);
            writing.history.follow(earlier, &past, &start);
            writing.history.forget(self.now().minus(KEPT).0);
        }
        for (incident, first) in std::mem::take(&mut writing.due) {
            self.write_pin(guild, incident, first, writing).await?;
        }
        let changes = pack(&writing.history).await;
        let (_, base) = writing.history.back(&writing.now, 0);
        match (writing.written, changes) {
            (_, None) => return Ok(()),
            (Written::Base, Some(changes)) => store.set_changes(guild, &changes, at).await?,
            (_, Some(changes)) => {
                if let Some(base) = pack(&base).await {
                    store.set_history(guild, &base, &changes, at).await?;
                }
            }
        }
        let after = std::mem::take(&mut writing.history);
        server.past(|past| past.wrote(&before, after));
        Ok(())
    }

    /// One that is there already saw the server earlier, and stays; only holders are added.
    async fn write_pin(
        &self,
        guild: GuildId,
        incident: Id,
        first: Moment,
        writing: &Writing,
    ) -> Result<(), StorageError> {
        let (store, key) = (self.storage.histories(), incident.get().cast_signed());
        let known = match store.pinned(guild, key).await? {
            Some(packed) => unpack::<Pinned>(packed).await,
            None => None,
        };
        let before = known.clone();
        let mut pinned = known.unwrap_or_else(|| {
            let (at, structure) = writing.history.back(&writing.now, first.0);
            Pinned {
                at: Moment(at),
                structure,
                holders: BTreeMap::new(),
            }
        });
        for (at, role, holders) in &writing.holders {
            let known = pinned.holders.len() >= MAX_LOST_ROLES;
            if *at >= pinned.at && !known {
                pinned
                    .holders
                    .entry(*role)
                    .or_insert_with(|| holders.clone());
            }
        }
        if before.as_ref() == Some(&pinned) {
            return Ok(());
        }
        match pack(&pinned).await {
            Some(packed) => store.pin(guild, key, &packed, self.clock.now()).await,
            None => Ok(()),
        }
    }
}

async fn read_earlier(
    guild: GuildId,
    row: splashtail_storage::HistoryRow,
) -> Option<(History, Structure)> {
    let base: Structure = unpack(row.base).await?;
    let history: History = unpack(row.changes).await?;
    if base.id().get() != guild.get() {
        return None;
    }
    let past = history.forward(&base);
    Some((history, past))
}

/// JSON, compressed, beside the event path.
async fn pack<T: Serialize + Clone + Send + 'static>(value: &T) -> Option<Vec<u8>> {
    let value = value.clone();
    let pack = move || -> std::io::Result<Vec<u8>> {
        let mut packer = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
        serde_json::to_writer(&mut packer, &value)?;
        packer.finish()
    };
    match tokio::task::spawn_blocking(pack).await {
        Ok(Ok(packed)) => Some(packed),
        Ok(Err(problem)) => {
            error!(error = %Chain(&problem), "a server's past cannot be packed");
            None
        }
        Err(_) => None,
    }
}

async fn unpack<T: DeserializeOwned + Send + 'static>(packed: Vec<u8>) -> Option<T> {
    use std::io::Read as _;
    let unpack = move || -> std::io::Result<T> {
        let reader = zstd::stream::Decoder::new(&packed[..])?;
        Ok(serde_json::from_reader(reader.take(MOST_BYTES))?)
    };
    match tokio::task::spawn_blocking(unpack).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(problem)) => {
            error!(error = %Chain(&problem), "a server's past cannot be read back");
            None
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use splashtail_core::ids::ShardId;
    use splashtail_guild::Kind;

    use super::*;
    use crate::events::{Body, Event, EventKind, Listener as _};
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
            let event = Event {
                kind,
                guild: GuildId::new(GUILD).unwrap(),
                shard: ShardId(0),
                seq: Some(1),
                received: Duration::from_secs(1),
                body: Body::Raw(body.to_string().into()),
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

    #[tokio::test]
    async fn what_was_lost_before_a_restart_is_remembered_after_it() {
        let world = World::new().await;
        let all = ["30", "31", "32", "33", "34", "35", "36"];
        let first = Process::start(&world, roles(&all)).await;
        let lose = async |process: &Process, n: u64, lost: &str| {
            let data = json!({"guild_id": "10", "role_id": lost});
            process.hear(EventKind::GuildRoleDelete, data).await;
            process.entry(n, 32, lost).await;
        };
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
}
