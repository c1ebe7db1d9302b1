//! How servers were before something happened to them: kept for as long as it may matter, also over
//! a restart, and pinned when an incident begins.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
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
/// So often servers in which nothing changes are said to be watched.
const WATCH: Duration = Duration::from_mins(1);

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
    /// A gap was noted, and is not written.
    gap: bool,
    /// Since then nobody knows what happened, until the server is told anew.
    missed: Option<Moment>,
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

    /// The connection was away from `from` to `now`. `told`: Discord has sent what happened meanwhile;
    /// else the server is told anew after this.
    pub(super) fn note_gap(&mut self, from: Moment, now: Moment, told: bool) {
        if told {
            self.gap |= self.history.note_gap(from.0, now.0);
        } else {
            self.missed = Some(self.missed.map_or(from, |missed| missed.min(from)));
        }
    }

    /// The server was told anew, and what changed is noted.
    pub(super) fn note_whole(&mut self, now: Moment) {
        if let Some(from) = self.missed.take() {
            self.note_gap(from, now, true);
        }
    }

    /// Something changed of which nothing is kept. What is noted later follows what is written, after a gap.
    pub(super) fn begin_again(&mut self, now: Moment) {
        *self = Self {
            due: std::mem::take(&mut self.due),
            ..Self::new(now)
        };
    }

    /// Whether what is written is the server as it is.
    pub(super) fn is_written(&self) -> bool {
        let open = self.gap || self.now.is_some() || self.missed.is_some() || !self.is_pinned();
        self.written != Written::Unread && !open
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
    /// What happened up to then is in it.
    until: Moment,
}

impl Past {
    /// What there is to write, once. `until`: the present.
    pub(super) fn take(
        &mut self,
        until: Moment,
        now: impl FnOnce() -> Structure,
    ) -> Option<Writing> {
        if self.now.is_none() && self.due.is_empty() && !self.gap {
            return None;
        }
        self.gap = false;
        Some(Writing {
            history: self.history.clone(),
            until: self.missed.map_or(until, |missed| missed.min(until)),
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
                let is_new = |gap: &(u64, u64)| before.gaps().all(|known| known != *gap);
                let gaps: Vec<_> = self.history.gaps().filter(is_new).collect();
                self.history = after;
                more.into_iter()
                    .for_each(|(at, delta)| self.history.note(at, delta));
                for (from, to) in gaps {
                    self.history.note_gap(from, to);
                }
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
        let mut watched = self.clock.monotonic();
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
            if now.saturating_sub(watched) > WATCH {
                watched = now;
                if let Err(error) = self.tell_watched().await {
                    warn!(error = %Chain(&error), "that servers are watched is not written down");
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
            let Some(mut writing) = server.take_past(self.dated(), self.clock.monotonic()) else {
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

    /// Says of servers that are as they are written that they are so still.
    ///
    /// # Errors
    /// The database is away; the next time says it, too.
    pub(super) async fn tell_watched(&self) -> Result<(), StorageError> {
        let until = utc(self.dated());
        let mut servers = self.all();
        servers.retain(|server| server.is_watched());
        let guilds: Vec<GuildId> = servers.iter().map(|server| server.guild).collect();
        self.storage.histories().watched(&guilds, until).await
    }

    async fn write_past(&self, server: &Server, writing: &mut Writing) -> Result<(), StorageError> {
        let (guild, store) = (server.guild, self.storage.histories());
        let at = utc(writing.until);
        let before = writing.history.clone();
        if writing.written == Written::Unread
            && let Some(row) = store.history(guild).await?
            && let until = moment(row.watched_until)
            && let Some((earlier, past)) = read_earlier(guild, row).await
        {
            let (_, start) = writing.history.back(&writing.now, 0);
            writing.history.follow(earlier, &past, &start, until.0);
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

fn utc(at: Moment) -> DateTime<Utc> {
    let ms = i64::try_from(at.unix_ms()).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

fn moment(at: DateTime<Utc>) -> Moment {
    Moment::from_unix_ms(u64::try_from(at.timestamp_millis()).unwrap_or_default())
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
mod tests;
