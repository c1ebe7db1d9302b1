//! What the bot knows about its servers, kept current by their events.

mod facts;
mod follow;
mod guild;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use splashtail_core::ids::{GuildId, ShardId, UserId};

pub use facts::{Facts, Role};
pub(crate) use follow::{FOLLOWED, Followed};
pub(crate) use guild::Guild;
pub use view::GuildView;

/// Every server of this cluster's shards.
#[derive(Debug, Default)]
pub struct Guilds {
    own_user: OnceLock<UserId>,
    all: Mutex<HashMap<GuildId, Arc<Guild>>>,
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

    fn all(&self) -> MutexGuard<'_, HashMap<GuildId, Arc<Guild>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
