//! Puts locks up and takes them away, place by place; what was done is written down before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, RoleId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::permissions::bits;
use splashtail_discord::snowflake::{array, bit_set, id};
use splashtail_discord::{Discord, DiscordError, Lane};
use splashtail_storage::{HoldRow, HoldState, LockdownRow, LockdownState, Storage, StorageError};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::locks::{Bits, Hold, OWN, give_back, lock, release, take};
use super::plan::{Kind, Place, places};
use super::settings;
use crate::cluster::ClusterState;
use crate::modules::Surroundings;

const LOOK: Duration = Duration::from_secs(5);
const AT_ONCE: u32 = 100;
const PATIENT: Duration = Duration::from_secs(60);

pub(super) struct Lockdowns {
    pub discord: Discord,
    pub storage: Storage,
    pub clock: SharedClock,
    /// From the first turn of the task on.
    pub cluster: OnceLock<Arc<ClusterState>>,
    /// There is something to do at once.
    pub news: Notify,
}

/// Why a lock is not where it is to be yet.
#[derive(Debug, thiserror::Error)]
enum NotYet {
    #[error("Discord does not take it")]
    Discord(#[from] DiscordError),
    #[error("what a lock holds is not known")]
    Storage(#[from] StorageError),
    #[error("the bot does not know itself yet")]
    NoIdentity,
}

/// A server as it is now.
struct Ground {
    /// The bot's own user, and what it may: nobody denies or allows more than that.
    me: u64,
    held: u64,
    channels: Vec<Value>,
    roles: Vec<Value>,
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
        }
    }

    /// Never ends. A server is one cluster's, so nobody else works on its locks.
    pub async fn run(self: Arc<Self>, around: Surroundings) {
        // A second call brings the same.
        let _ = self.cluster.set(around.state);
        loop {
            tokio::select! {
                () = self.news.notified() => {}
                () = self.clock.sleep(LOOK) => {}
            }
            let due = match self.storage.lockdowns().lockdowns_under_way(AT_ONCE).await {
                Ok(due) => due,
                Err(error) => {
                    warn!(error = %Chain(&error), "locks are looked at later");
                    continue;
                }
            };
            for row in due {
                if let Err(error) = self.work_on(&row).await {
                    warn!(guild.id = %row.guild, lock.number = row.number, error = %Chain(&error), "a lock is not where it is to be yet");
                }
            }
        }
    }

    async fn work_on(&self, row: &LockdownRow) -> Result<(), NotYet> {
        let cluster = self.cluster.get().ok_or(NotYet::NoIdentity)?;
        let view = cluster.guilds.get(row.guild);
        let Some(view) = view.filter(|view| view.is_available()) else {
            return Ok(());
        };
        let me = cluster.guilds.own_user().ok_or(NotYet::NoIdentity)?;
        let facts = view.facts();
        let held = facts.permissions(row.guild, &facts.own_roles);
        let ground = self.ground(row.guild, (me.get(), held)).await?;
        match row.state {
            LockdownState::Locking => self.put_up(row, &ground).await?,
            LockdownState::Lifting => self.take_away(row, &ground).await?,
            LockdownState::Locked | LockdownState::Lifted => return Ok(()),
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
        let list = |what: &str| {
            let list = self.discord.get(format!("/guilds/{guild}/{what}"));
            list.longest_wait(PATIENT).send()
        };
        // A channel that is hidden from the bot is not listed, so it is left alone.
        let (channels, roles) = tokio::try_join!(list("channels"), list("roles"))?;
        Ok(Ground {
            me,
            held: match held & bits::ADMINISTRATOR {
                0 => held,
                _ => bits::ALL,
            },
            channels: array(&channels).to_vec(),
            roles: array(&roles).to_vec(),
        })
    }

    async fn put_up(&self, row: &LockdownRow, ground: &Ground) -> Result<(), NotYet> {
        let Some(kind) = Kind::of(&row.kind) else {
            return Ok(());
        };
        let critical = settings::stored(&self.storage, row.guild)
            .await?
            .roles(row.guild);
        let one = row.channel.map(|channel| channel.get());
        let wanted = places(kind, one, &critical, &ground.channels);
        let known = self.own_holds(row).await?;
        // The bot's own voice comes first, so that it can go on.
        let channels: BTreeSet<u64> = wanted.iter().map(|place| place.channel).collect();
        for channel in channels.into_iter().filter(|channel| *channel != 0) {
            let own = Place {
                channel,
                role: ground.me,
                wanted: OWN & ground.held,
            };
            self.hold(row, ground, own, known.get(&(channel, ground.me)))
                .await?;
        }
        for mut place in wanted {
            if place.channel != 0 {
                place.wanted &= ground.held;
            }
            let before = known.get(&(place.channel, place.role));
            self.hold(row, ground, place, before).await?;
        }
        Ok(())
    }

    /// Locks one place, unless that was done.
    async fn hold(
        &self,
        row: &LockdownRow,
        ground: &Ground,
        place: Place,
        before: Option<&HoldRow>,
    ) -> Result<(), NotYet> {
        if before.is_some_and(|before| before.state != HoldState::Planned) {
            return Ok(());
        }
        let Some(now) = ground.bits(place) else {
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
        // After a crash it may have been done already; what it took is known from before.
        let hold = match before {
            Some(before) => Hold {
                wanted: before.wanted,
                took: before.took | hold.took,
                put: before.put | hold.put,
            },
            None => hold,
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
        store.put_hold(&kept).await?;
        kept.state = match self.set(row, ground, place, now, then).await {
            Ok(()) => HoldState::Held,
            Err(error) if error.is_forbidden() || error.is_not_found() => {
                warn!(guild.id = %row.guild, channel.id = place.channel, role.id = place.role, error = %Chain(&error), "a place is not locked");
                (kept.took, kept.put) = (0, 0);
                HoldState::Refused
            }
            Err(error) => return Err(error.into()),
        };
        store.put_hold(&kept).await?;
        Ok(())
    }

    async fn take_away(&self, row: &LockdownRow, ground: &Ground) -> Result<(), NotYet> {
        let all = self.storage.lockdowns().holds(row.guild).await?;
        let (own, mut others): (Vec<HoldRow>, Vec<HoldRow>) =
            all.into_iter().partition(|hold| hold.number == row.number);
        others.retain(|other| matches!(other.state, HoldState::Held | HoldState::Planned));
        // The bot's own voice goes last.
        let (mine, theirs): (Vec<HoldRow>, Vec<HoldRow>) =
            own.into_iter().partition(|hold| hold.subject == ground.me);
        for hold in theirs.into_iter().chain(mine) {
            if matches!(hold.state, HoldState::Held | HoldState::Planned) {
                self.free(row, ground, hold, &mut others).await?;
            }
        }
        Ok(())
    }

    async fn free(
        &self,
        row: &LockdownRow,
        ground: &Ground,
        mut hold: HoldRow,
        others: &mut [HoldRow],
    ) -> Result<(), NotYet> {
        let store = self.storage.lockdowns();
        let place = Place {
            channel: hold.place,
            role: hold.subject,
            wanted: hold.wanted,
        };
        let mut here: Vec<&mut HoldRow> = others
            .iter_mut()
            .filter(|other| (other.place, other.subject) == (hold.place, hold.subject))
            .collect();
        let mut holds: Vec<Hold> = here.iter().map(|other| of(other)).collect();
        if let Some(now) = ground.bits(place) {
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
                Err(error) if error.is_forbidden() || error.is_not_found() => {
                    warn!(guild.id = %row.guild, channel.id = place.channel, role.id = place.role, error = %Chain(&error), "a place stays locked");
                }
                Err(error) => return Err(error.into()),
            }
        }
        hold.state = HoldState::Released;
        store.put_hold(&hold).await?;
        Ok(())
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

impl Ground {
    /// `None`: there is no such role or channel any more.
    fn bits(&self, place: Place) -> Option<Bits> {
        let with = |objects: &[Value], wanted: u64| {
            let mut objects = objects.iter();
            objects
                .find(|object| id(&object["id"]) == Some(wanted))
                .cloned()
        };
        if place.channel == 0 {
            let role = with(&self.roles, place.role)?;
            return Some(Bits {
                allow: bit_set(&role["permissions"]),
                deny: 0,
            });
        }
        let channel = with(&self.channels, place.channel)?;
        let overwrites = array(&channel["permission_overwrites"]);
        let own = with(overwrites, place.role);
        Some(own.map_or_else(Bits::default, |own| Bits {
            allow: bit_set(&own["allow"]),
            deny: bit_set(&own["deny"]),
        }))
    }
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
        let ground = Ground {
            me: 9,
            held: bits::ALL,
            channels: vec![json!({"id": "10", "permission_overwrites": [
                {"id": "1", "type": 0, "allow": "0", "deny": "1024"}]})],
            roles: vec![json!({"id": "1", "permissions": "2048"})],
        };
        let at = |channel, role| {
            ground.bits(Place {
                channel,
                role,
                wanted: 0,
            })
        };
        assert_eq!(at(10, 1).unwrap().deny, 1024);
        assert_eq!(at(10, 2), Some(Bits::default()));
        assert_eq!(at(0, 1).unwrap().allow, 2048);
        assert_eq!((at(11, 1), at(0, 3)), (None, None));
    }

    #[test]
    fn without_roles_of_members_everyone_is_locked() {
        let guild = GuildId::new(1).unwrap();
        assert_eq!(critical(guild, &[]), BTreeSet::from([1]));
        let members = [RoleId::new(5).unwrap()];
        assert_eq!(critical(guild, &members), BTreeSet::from([5]));
    }
}
