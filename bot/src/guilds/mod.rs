//! What the bot knows about its servers, kept current by their events.

mod facts;
mod follow;
mod guild;
mod members;
mod membership;
mod stored;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use splashtail_core::clock::Clock;
use splashtail_core::ids::{GuildId, RoleId, ShardId, UserId};

use self::members::Members;

pub use facts::{Facts, Role};
pub(crate) use follow::{FOLLOWED, Followed};
pub(crate) use guild::Guild;
pub use members::Ticket;
pub use view::GuildView;

/// A structure that nobody needed for this long is packed.
const REST: Duration = Duration::from_mins(2);

/// Every server of this cluster's shards.
#[derive(Debug, Default)]
pub struct Guilds {
    own_user: OnceLock<UserId>,
    all: Mutex<HashMap<GuildId, Arc<Guild>>>,
    members: Members,
}

/// Servers and members of a shard, outages not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub guilds: u64,
    pub members: u64,
}

impl Guilds {
    /// `None` for a server of which no READY or GUILD_CREATE told, and for one the bot has left.
    pub fn get(&self, id: GuildId) -> Option<GuildView> {
        let guild = self.all().get(&id).cloned()?;
        Some(GuildView {
            guild,
            delta: Arc::default(),
        })
    }

    pub fn count(&self, shard: ShardId) -> Count {
        let mut count = Count::default();
        for guild in self.of_shard(shard) {
            if guild.is_available() {
                count.guilds += 1;
                count.members += guild.facts().member_count;
            }
        }
        count
    }

    /// Servers that are there, outages not counted.
    pub fn available(&self) -> usize {
        let all = self.all();
        all.values().filter(|guild| guild.is_available()).count()
    }

    pub(crate) fn of_shard(&self, shard: ShardId) -> Vec<Arc<Guild>> {
        let all = self.all();
        let of_shard = all.values().filter(|guild| guild.shard() == shard);
        of_shard.cloned().collect()
    }

    /// The bot's own user, from the first READY on.
    pub fn own_user(&self) -> Option<UserId> {
        self.own_user.get().copied()
    }

    /// A member's roles as they were asked for, or changed, in the last minutes; `Some(None)` of
    /// somebody who was not there a moment ago. `now` is monotonic.
    pub fn member_roles(
        &self,
        guild: GuildId,
        user: UserId,
        now: Duration,
    ) -> Option<Option<Vec<RoleId>>> {
        self.members.get((guild, user), now)
    }

    /// To be called before Discord is asked for a member's roles.
    pub fn ask_for_member(&self, guild: GuildId, user: UserId, now: Duration) -> Ticket {
        self.members.ask((guild, user), now)
    }

    /// Keeps what Discord answered, unless an event has overtaken it. `None`: they are not there.
    pub fn keep_member(&self, ticket: &Ticket, roles: Option<&[RoleId]>) {
        self.members.answer(ticket, roles);
    }

    /// A member's roles, or those of all members, are asked for anew.
    pub fn forget_members(&self, guild: GuildId, user: Option<UserId>) {
        self.members
            .forget(|of, member| of == guild && user.is_none_or(|user| user == member));
    }

    /// Gives back, again and again, the room of structures that nobody needs. Never ends.
    pub async fn keep_lean(&self, clock: &dyn Clock) {
        loop {
            clock.sleep(REST).await;
            let guilds: Vec<_> = self.all().values().cloned().collect();
            for guild in guilds {
                guild.rest();
                tokio::task::yield_now().await;
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<GuildId, Arc<Guild>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
