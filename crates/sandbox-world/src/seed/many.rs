//! `many`: the most guilds that one shard can have.

use super::small::{self, OWNER};
use crate::world::permissions as perm;
use crate::world::{Channel, Guild, Id, World};

/// Guilds of `many`, all for one shard.
pub const MANY_GUILDS: u64 = 2500;

/// 2,500 guilds of about 30 KB each on one shard.
pub(super) fn many(world: &mut World) {
    small::people(world, 1);
    for index in 0..MANY_GUILDS {
        let id = Id(small::GUILDS[0].0 + (index << 22));
        let guild = Guild::new(id, &format!("Island {index}"), OWNER);
        let mut site = small::open(world, guild, index);
        small::staff(&mut site);
        for n in 0..24 {
            site.role(&format!("Role {n}"), perm::DEFAULT_EVERYONE, 6 + n, 0);
        }
        let category = site.channel(4, "Talk", None, |_| {});
        let topic = |c: &mut Channel| c.topic = Some("What is said here stays here.".to_owned());
        for n in 0..64 {
            site.channel(0, &format!("channel-{n}"), Some(category), topic);
        }
    }
}
