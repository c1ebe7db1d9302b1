//! Puts locks up and takes them away, place by place; what was done is written down before and after.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, RoleId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::permissions::bits;
use splashtail_discord::snowflake::{array, bit_set, id};
use splashtail_discord::{Discord, DiscordError, Lane};
use splashtail_guild::is_hidden;
use splashtail_storage::{HoldRow, HoldState, LockdownRow, LockdownState, Storage, StorageError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::locks::{Bits, Hold, OWN, give_back, lock, release, take};
use super::plan::{Kind, Place, places};
use super::settings;
use crate::cluster::ClusterState;
use crate::modules::Surroundings;

const LOOK: Duration = Duration::from_secs(5);
/// Locks that are read at once, and servers that are worked on at the same time.
const PAGE: u32 = 100;
const BESIDE: usize = 16;
const PATIENT: Duration = Duration::from_secs(60);
/// A lock that is not where it is to be is worked on again after so long, twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// So old may be what is known of a server when something there is changed.
const FRESH: Duration = Duration::from_secs(2);
/// After so many places, one after another, at which Discord fails, it is left alone for a while.
const MOST_FAILURES: u32 = 3;

pub(super) struct Lockdowns {
    pub discord: Discord,
    pub storage: Storage,
    pub clock: SharedClock,
    /// From the first turn of the task on.
    pub cluster: OnceLock<Arc<ClusterState>>,
    /// There is something to do at once.
    news: Notify,
    /// Locks that wait for another try.
    waits: Mutex<HashMap<(GuildId, i64), Wait>>,
    /// Servers that are worked on.
    busy: Mutex<HashSet<GuildId>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Wait {
    tries: u32,
    /// Monotonic.
    until: Duration,
}

/// A server is worked on as long as this is there.
pub(super) struct Busy {
    lockdowns: Arc<Lockdowns>,
    guild: GuildId,
}

/// Why a lock is not where it is to be yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotYet {
    #[error("Discord does not take it")]
    Discord(#[from] DiscordError),
    #[error("what a lock holds is not known")]
    Storage(#[from] StorageError),
    #[error("the bot does not know itself yet")]
    NoIdentity,
    #[error("{0} places are not where they are to be")]
    Left(usize),
}

/// A server as it was a moment ago.
struct Ground {
    /// The bot's own user, and what it may: nobody denies or allows more than that.
    me: u64,
    held: u64,
    channels: Vec<Value>,
    roles: Vec<Value>,
    /// When it was read: monotonic.
    at: Duration,
}

/// What can be seen of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    Seen(Bits),
    /// It is there, and nobody tells how.
    Hidden,
    Gone,
}

/// How far one got with the places of a lock.
#[derive(Default)]
struct Round {
    /// Channels of the places that are not where they are to be.
    left: Vec<u64>,
    /// Failures of Discord since something was possible.
    failures: u32,
}

/// Whose overwrite it is (Discord documentation, "Overwrite").
const OF_ROLE: u8 = 0;
const OF_MEMBER: u8 = 1;

impl Lockdowns {
    pub fn new(discord: &Discord, storage: Storage, clock: SharedClock) -> Self {
        Self {
            discord: discord.in_lane(Lane::Containment),
            storage,
            clock,
            cluster: OnceLock::new(),
            news: Notify::new(),
            waits: Mutex::default(),
            busy: Mutex::default(),
        }
    }

    /// A lock is to be put up or taken away now, whatever was in vain before.
    pub fn begin(&self, guild: GuildId, number: i64) {
        self.waits().remove(&(guild, number));
        self.news.notify_one();
    }

    /// Never ends. A server is one cluster's, so nobody else works on its locks; no server waits for
    /// another one.
    pub async fn run(self: Arc<Self>, around: Surroundings) {
        // A second call brings the same.
        let _ = self.cluster.set(around.state);
        let mut work = JoinSet::new();
        loop {
            tokio::select! {
                () = self.news.notified() => {}
                () = self.clock.sleep(LOOK) => {}
                Some(_) = work.join_next() => {}
            }
            let due = match self.due().await {
                Ok(due) => due,
                Err(error) => {
                    warn!(error = %Chain(&error), "locks are looked at later");
                    continue;
                }
            };
            for (guild, rows) in due {
                if work.len() >= BESIDE {
                    break;
                }
                if let Some(busy) = self.is_free(guild) {
                    work.spawn(async move { busy.work_on_all(rows).await });
                }
            }
        }
    }

    /// Locks of this cluster's servers that wait for nothing, by server. Those of other clusters, and of
    /// servers that the bot has left, are passed over, however many there are.
    pub async fn due(&self) -> Result<BTreeMap<GuildId, Vec<LockdownRow>>, StorageError> {
        let mut due: BTreeMap<GuildId, Vec<LockdownRow>> = BTreeMap::new();
        let mut behind = None;
        loop {
            let store = self.storage.lockdowns();
            let page = store.lockdowns_under_way(behind, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(due);
            };
            behind = Some((last.guild, last.number));
            let now = self.clock.monotonic();
            for row in page {
                let waits = self.waits().get(&(row.guild, row.number)).copied();
                let waits = waits.is_some_and(|wait| now < wait.until);
                if !waits && self.is_here(row.guild) {
                    due.entry(row.guild).or_default().push(row);
                }
            }
        }
    }

    fn is_here(&self, guild: GuildId) -> bool {
        let view = self
            .cluster
            .get()
            .and_then(|cluster| cluster.guilds.get(guild));
        view.is_some_and(|view| view.is_available())
    }

    fn waits(&self) -> std::sync::MutexGuard<'_, HashMap<(GuildId, i64), Wait>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_free(self: &Arc<Self>, guild: GuildId) -> Option<Busy> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.insert(guild).then(|| Busy {
            lockdowns: Arc::clone(self),
            guild,
        })
    }

    fn wait(&self, row: &LockdownRow) {
        let mut waits = self.waits();
        let wait = waits.entry((row.guild, row.number)).or_default();
        wait.until = self.clock.monotonic() + pause(wait.tries);
        wait.tries += 1;
    }

    pub async fn work_on(&self, row: &LockdownRow) -> Result<(), NotYet> {
        let cluster = self.cluster.get().ok_or(NotYet::NoIdentity)?;
        let view = cluster.guilds.get(row.guild);
        let Some(view) = view.filter(|view| view.is_available()) else {
            return Ok(());
        };
        let me = cluster.guilds.own_user().ok_or(NotYet::NoIdentity)?;
        let facts = view.facts();
        let held = facts.permissions(row.guild, &facts.own_roles);
        let mut ground = self.ground(row.guild, (me.get(), held)).await?;
        let left = match row.state {
            LockdownState::Locking => self.put_up(row, &mut ground).await?,
            LockdownState::Lifting => self.take_away(row, &mut ground).await?,
            LockdownState::Locked | LockdownState::Lifted => return Ok(()),
        };
        if left > 0 {
            return Err(NotYet::Left(left));
        }
        let settled = self
            .storage
            .lockdowns()
            .settle_lockdown(row, self.clock.now())
            .await?;
        info!(guild.id = %row.guild, lock.number = row.number, settled, state = row.state.settled().as_str(), "a lock is where it is to be");
        Ok(())
    }

    async fn ground(&self, guild: GuildId, (me, held): (u64, u64)) -> Result<Ground, DiscordError> {
        let (channels, roles) = self.lists(guild).await?;
        Ok(Ground {
            me,
            held: match held & bits::ADMINISTRATOR {
                0 => held,
                _ => bits::ALL,
            },
            channels,
            roles,
            at: self.clock.monotonic(),
        })
    }

    async fn lists(&self, guild: GuildId) -> Result<(Vec<Value>, Vec<Value>), DiscordError> {
        let list = |what: &str| {
            let list = self.discord.get(format!("/guilds/{guild}/{what}"));
            list.longest_wait(PATIENT).send()
        };
        let (channels, roles) = tokio::try_join!(list("channels"), list("roles"))?;
        Ok((array(&channels).to_vec(), array(&roles).to_vec()))
    }

    /// Channels that can be seen, and roles.
    pub async fn in_sight(&self, guild: GuildId) -> Result<(Vec<Value>, Vec<Value>), DiscordError> {
        let (mut channels, roles) = self.lists(guild).await?;
        channels.retain(|channel| !is_hidden(channel));
        Ok((channels, roles))
    }

    /// What people edit while a long lock is put up is neither overlooked nor taken back.
    async fn refresh(&self, guild: GuildId, ground: &mut Ground) -> Result<(), DiscordError> {
        if self.clock.monotonic().saturating_sub(ground.at) > FRESH {
            (ground.channels, ground.roles) = self.lists(guild).await?;
            ground.at = self.clock.monotonic();
        }
        Ok(())
    }

    /// A channel that is not listed may be gone, or only out of sight.
    async fn see(&self, ground: &Ground, place: Place) -> Result<Sight, DiscordError> {
        if place.channel == 0 {
            let role = object(&ground.roles, place.role);
            return Ok(role.map_or(Sight::Gone, |role| {
                Sight::Seen(Bits {
                    allow: bit_set(&role["permissions"]),
                    deny: 0,
                })
            }));
        }
        if let Some(channel) = object(&ground.channels, place.channel) {
            return Ok(sight(channel, place.role));
        }
        let channel = self.discord.get(format!("/channels/{}", place.channel));
        match channel.longest_wait(PATIENT).send().await {
            Ok(channel) => Ok(sight(&channel, place.role)),
            Err(error) if is_gone(&error) => Ok(Sight::Gone),
            Err(error) if error.is_forbidden() => Ok(Sight::Hidden),
            Err(error) => Err(error),
        }
    }

    /// How many places are to be tried again; those at which the bot may do nothing are not. It ends early
    /// when the lock is to be lifted.
    async fn put_up(&self, row: &LockdownRow, ground: &mut Ground) -> Result<usize, NotYet> {
        let Some(kind) = Kind::of(&row.kind) else {
            return Ok(0);
        };
        let critical = settings::stored(&self.storage, row.guild)
            .await?
            .roles(row.guild);
        let one = row.channel.map(|channel| channel.get());
        let seen = ground.channels.iter();
        let seen: Vec<Value> = seen
            .filter(|channel| !is_hidden(channel))
            .cloned()
            .collect();
        let wanted = places(kind, one, &critical, &seen);
        let known = self.own_holds(row).await?;
        // The bot's own voice comes first, so that it can go on.
        let channels: BTreeSet<u64> = wanted.iter().map(|place| place.channel).collect();
        let (me, held) = (ground.me, ground.held);
        let own = channels.into_iter().filter(|channel| *channel != 0);
        let own = own.map(|channel| Place {
            channel,
            role: me,
            wanted: OWN & held,
        });
        let theirs = wanted.into_iter().map(|place| Place {
            wanted: match place.channel {
                0 => place.wanted,
                _ => place.wanted & held,
            },
            ..place
        });
        let mut round = Round::default();
        let mut looked_at = self.clock.monotonic();
        for place in own.chain(theirs) {
            if self.clock.monotonic().saturating_sub(looked_at) > FRESH {
                looked_at = self.clock.monotonic();
                if !self.is_wanted(row).await? {
                    return Ok(0);
                }
            }
            let before = known.get(&(place.channel, place.role));
            let done = self.hold(row, ground, place, before).await;
            round.note(place, done.map(|()| true))?;
        }
        Ok(round.left.len())
    }

    /// Whether nobody has ended it meanwhile.
    async fn is_wanted(&self, row: &LockdownRow) -> Result<bool, StorageError> {
        let now = self.storage.lockdowns().lockdowns(row.guild).await?;
        Ok(now
            .iter()
            .any(|now| (now.number, now.state) == (row.number, row.state)))
    }

    /// Locks one place, unless that was done.
    async fn hold(
        &self,
        row: &LockdownRow,
        ground: &mut Ground,
        place: Place,
        before: Option<&HoldRow>,
    ) -> Result<(), NotYet> {
        if before.is_some_and(|before| before.state != HoldState::Planned) {
            return Ok(());
        }
        self.refresh(row.guild, ground).await?;
        let Sight::Seen(now) = self.see(ground, place).await? else {
            return Ok(());
        };
        let (then, hold) = match () {
            () if place.role == ground.me => allow(now, place.wanted),
            () if place.channel == 0 => {
                let (allow, hold) = take(now.allow, place.wanted);
                (Bits { allow, deny: 0 }, hold)
            }
            () => lock(now, place.wanted),
        };
        let mut kept = HoldRow {
            guild: row.guild,
            number: row.number,
            place: place.channel,
            subject: place.role,
            wanted: hold.wanted,
            took: hold.took,
            put: hold.put,
            state: HoldState::Planned,
        };
        let store = self.storage.lockdowns();
        let planned = store.plan_hold(&kept).await?;
        if planned.state != HoldState::Planned {
            return Ok(());
        }
        // After a crash it may have been done already; what it took is known from before.
        kept.wanted = planned.wanted;
        kept.took |= planned.took;
        kept.put |= planned.put;
        if kept != planned {
            store.put_hold(&kept).await?;
        }
        kept.state = match self.set(row, ground, place, now, then).await {
            Ok(()) => HoldState::Held,
            Err(error) if is_refusal(&error) => {
                warn!(guild.id = %row.guild, channel.id = place.channel, role.id = place.role, error = %Chain(&error), "a place is not locked");
                let left = left(place, ground.me, now, of(&kept));
                (kept.took, kept.put) = (left.took, left.put);
                match left.took | left.put {
                    0 => HoldState::Refused,
                    _ => HoldState::Held,
                }
            }
            Err(error) => return Err(error.into()),
        };
        store.put_hold(&kept).await?;
        Ok(())
    }

    /// How many places stay locked for now: hidden ones, and where the bot may do nothing.
    async fn take_away(&self, row: &LockdownRow, ground: &mut Ground) -> Result<usize, NotYet> {
        let all = self.storage.lockdowns().holds(row.guild).await?;
        let (own, mut others): (Vec<HoldRow>, Vec<HoldRow>) =
            all.into_iter().partition(|hold| hold.number == row.number);
        others.retain(|other| matches!(other.state, HoldState::Held | HoldState::Planned));
        // The bot's own voice goes last, and not where it is still needed.
        let (mine, theirs): (Vec<HoldRow>, Vec<HoldRow>) =
            own.into_iter().partition(|hold| hold.subject == ground.me);
        let mut round = Round::default();
        for hold in theirs.into_iter().chain(mine) {
            if !matches!(hold.state, HoldState::Held | HoldState::Planned) {
                continue;
            }
            let is_needed = hold.subject == ground.me && round.left.contains(&hold.place);
            let place = Place {
                channel: hold.place,
                role: hold.subject,
                wanted: hold.wanted,
            };
            if !is_needed {
                let freed = self.free(row, ground, place, hold, &mut others).await;
                round.note(place, freed)?;
            }
        }
        Ok(round.left.len())
    }

    /// `false`: it stays as it is for now.
    async fn free(
        &self,
        row: &LockdownRow,
        ground: &mut Ground,
        place: Place,
        mut hold: HoldRow,
        others: &mut [HoldRow],
    ) -> Result<bool, NotYet> {
        let store = self.storage.lockdowns();
        self.refresh(row.guild, ground).await?;
        let now = match self.see(ground, place).await? {
            Sight::Seen(now) => Some(now),
            Sight::Gone => None,
            Sight::Hidden => return Ok(false),
        };
        if let Some(now) = now {
            let mut here: Vec<&mut HoldRow> = others
                .iter_mut()
                .filter(|other| (other.place, other.subject) == (hold.place, hold.subject))
                .collect();
            let mut holds: Vec<Hold> = here.iter().map(|other| of(other)).collect();
            let then = match () {
                () if place.role == ground.me => disallow(now, of(&hold), &mut holds),
                () if place.channel == 0 => Bits {
                    allow: give_back(now.allow, of(&hold), &mut holds),
                    deny: 0,
                },
                () => release(now, of(&hold), &mut holds),
            };
            // What the others have to free from now on is known before anything is freed.
            for (other, handed) in here.iter_mut().zip(&holds) {
                if of(other) != *handed {
                    (other.took, other.put) = (handed.took, handed.put);
                    store.put_hold(other).await?;
                }
            }
            match self.set(row, ground, place, now, then).await {
                Ok(()) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) if is_refusal(&error) => {
                    warn!(guild.id = %row.guild, channel.id = place.channel, role.id = place.role, error = %Chain(&error), "a place stays locked for now");
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        hold.state = HoldState::Released;
        store.put_hold(&hold).await?;
        Ok(true)
    }

    /// Makes a place what it is to be; nothing is asked where it is so.
    async fn set(
        &self,
        row: &LockdownRow,
        ground: &Ground,
        place: Place,
        now: Bits,
        then: Bits,
    ) -> Result<(), DiscordError> {
        if now == then {
            return Ok(());
        }
        let reason = format!("[lock {}] {}", row.number, row.reason);
        let request = if place.channel == 0 {
            let path = format!("/guilds/{}/roles/{}", row.guild, place.role);
            let body = json!({"permissions": then.allow.to_string()});
            self.discord.patch(path).idempotent(true).json(&body)
        } else {
            let path = format!("/channels/{}/permissions/{}", place.channel, place.role);
            let kind = match place.role == ground.me {
                true => OF_MEMBER,
                false => OF_ROLE,
            };
            let body = json!({"type": kind, "allow": then.allow.to_string(),
                              "deny": then.deny.to_string()});
            match then == Bits::default() {
                true => self.discord.delete(path).repeated(true),
                false => self.discord.put(path).json(&body),
            }
        };
        request
            .reason(&reason)
            .longest_wait(PATIENT)
            .send_empty()
            .await
    }

    async fn own_holds(
        &self,
        row: &LockdownRow,
    ) -> Result<BTreeMap<(u64, u64), HoldRow>, StorageError> {
        let all = self.storage.lockdowns().holds(row.guild).await?;
        let own = all.into_iter().filter(|hold| hold.number == row.number);
        Ok(own.map(|hold| ((hold.place, hold.subject), hold)).collect())
    }
}

impl Busy {
    pub async fn work_on_all(self, rows: Vec<LockdownRow>) {
        for row in &rows {
            // Whatever becomes of it, it is not tried again at once.
            self.lockdowns.wait(row);
            match self.lockdowns.work_on(row).await {
                Ok(()) => {
                    self.lockdowns.waits().remove(&(row.guild, row.number));
                }
                Err(error) => {
                    warn!(guild.id = %row.guild, lock.number = row.number, error = %Chain(&error), "a lock is not where it is to be yet");
                }
            }
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let busy = self.lockdowns.busy.lock();
        busy.unwrap_or_else(PoisonError::into_inner)
            .remove(&self.guild);
    }
}

impl Round {
    /// Goes on with the next place, unless there is no use in it.
    fn note(&mut self, place: Place, done: Result<bool, NotYet>) -> Result<(), NotYet> {
        match done {
            Ok(is_done) => {
                self.failures = 0;
                if !is_done {
                    self.left.push(place.channel);
                }
            }
            Err(NotYet::Discord(error)) if self.failures + 1 < MOST_FAILURES => {
                warn!(channel.id = place.channel, role.id = place.role, error = %Chain(&error), "a place is passed over for now");
                self.failures += 1;
                self.left.push(place.channel);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn object(objects: &[Value], wanted: u64) -> Option<&Value> {
    let mut objects = objects.iter();
    objects.find(|object| id(&object["id"]) == Some(wanted))
}

/// What a channel says of a role, or of the bot.
fn sight(channel: &Value, of: u64) -> Sight {
    if is_hidden(channel) {
        return Sight::Hidden;
    }
    let own = object(array(&channel["permission_overwrites"]), of);
    Sight::Seen(own.map_or_else(Bits::default, |own| Bits {
        allow: bit_set(&own["allow"]),
        deny: bit_set(&own["deny"]),
    }))
}

/// Of an earlier attempt, as far as it can be seen where this one is refused.
const fn left(place: Place, me: u64, now: Bits, hold: Hold) -> Hold {
    if place.channel == 0 {
        return Hold {
            took: hold.took & !now.allow,
            ..hold
        };
    }
    let (on, off) = match place.role == me {
        true => (now.allow, now.deny),
        false => (now.deny, now.allow),
    };
    Hold {
        took: hold.took & on & !off,
        put: hold.put & on,
        ..hold
    }
}

/// Discord says no, and will until somebody changes something.
fn is_refusal(error: &DiscordError) -> bool {
    matches!(error, DiscordError::Api(_)) && !error.is_unauthorized()
}

fn is_gone(error: &DiscordError) -> bool {
    matches!(error, DiscordError::Api(error) if error.is_gone())
}

fn pause(tries: u32) -> Duration {
    (FIRST_PAUSE * 2_u32.pow(tries.min(16))).min(LONGEST_PAUSE)
}

fn of(row: &HoldRow) -> Hold {
    Hold {
        wanted: row.wanted,
        took: row.took,
        put: row.put,
    }
}

/// The bot may go on: what it was not allowed is, and is noted as put.
const fn allow(now: Bits, wanted: u64) -> (Bits, Hold) {
    let hold = Hold {
        wanted,
        took: now.deny & wanted,
        put: wanted & !now.allow,
    };
    let then = Bits {
        allow: now.allow | wanted,
        deny: now.deny & !wanted,
    };
    (then, hold)
}

/// The same backwards, by the same rules.
fn disallow(now: Bits, hold: Hold, others: &mut [Hold]) -> Bits {
    let turned = Bits {
        allow: now.deny,
        deny: now.allow,
    };
    let then = release(turned, hold, others);
    Bits {
        allow: then.deny,
        deny: then.allow,
    }
}

/// Everyone's role is that of the server.
pub(super) fn critical(guild: GuildId, roles: &[RoleId]) -> BTreeSet<u64> {
    match roles.is_empty() {
        true => BTreeSet::from([guild.get()]),
        false => roles.iter().map(|role| role.get()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bots_own_voice_is_given_and_taken_back_as_others_are() {
        let before = Bits {
            allow: 0,
            deny: bits::SEND_MESSAGES,
        };
        let (then, hold) = allow(before, OWN);
        assert_eq!((then.allow, then.deny), (OWN, 0));
        assert_eq!(disallow(then, hold, &mut []), before);
        let (twice, second) = allow(then, OWN);
        let mut others = [second];
        assert_eq!(disallow(twice, hold, &mut others), then);
        assert_eq!(disallow(then, others[0], &mut []), before);
    }

    #[test]
    fn an_overwrite_that_is_not_there_denies_nothing() {
        let channel = json!({"id": "10", "permission_overwrites": [
            {"id": "1", "type": 0, "allow": "0", "deny": "1024"}]});
        let denied = Bits {
            allow: 0,
            deny: 1024,
        };
        assert_eq!(sight(&channel, 1), Sight::Seen(denied));
        assert_eq!(sight(&channel, 2), Sight::Seen(Bits::default()));
        let hidden = json!({"id": "10", "flags": 1 << 17, "permission_overwrites": []});
        assert_eq!(
            sight(&hidden, 1),
            Sight::Hidden,
            "nobody tells what is there"
        );
    }

    #[test]
    fn a_refused_place_keeps_what_an_earlier_attempt_did_there() {
        let place = Place {
            channel: 10,
            role: 1,
            wanted: 0b111,
        };
        let before = Bits {
            allow: 0b001,
            deny: 0b010,
        };
        let (then, hold) = lock(before, place.wanted);
        assert_eq!(left(place, 9, then, hold), hold, "it was done");
        let nothing = left(place, 9, before, hold);
        assert_eq!((nothing.took, nothing.put), (0, 0), "it was not");
        let own = Place { role: 9, ..place };
        let (then, hold) = allow(before, own.wanted);
        assert_eq!(left(own, 9, then, hold), hold);
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        assert_eq!(pause(0), FIRST_PAUSE);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn without_roles_of_members_everyone_is_locked() {
        let guild = GuildId::new(1).unwrap();
        assert_eq!(critical(guild, &[]), BTreeSet::from([1]));
        let members = [RoleId::new(5).unwrap()];
        assert_eq!(critical(guild, &members), BTreeSet::from([5]));
    }
}
