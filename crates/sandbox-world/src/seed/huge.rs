//! `huge`: one guild at every cap at once, so that a bot is told of it in more than 64 MiB.

use super::people::{Kind, People};
use super::small::{self, OWNER};
use crate::world::permissions as perm;
use crate::world::{Channel, Guild, Id, Member, Overwrite, Stamp, World};

/// The guild of `huge`: the first one of `small`.
pub const HUGE_GUILD: Id = small::GUILDS[0];
/// Bytes that its GUILD_CREATE has at least, presences or not.
pub const HUGE_BYTES: usize = 64 << 20;

/// Listeners of each stage, which is as many as one takes.
const AUDIENCE: usize = 10_000;
const STAGES: usize = 2;
const CHANNELS: usize = 500;
const CATEGORIES: usize = 10;
const ROLES: i64 = 230;
const OVERWRITES: usize = 1000;
/// Bits that make long numbers and hide nothing.
const ALLOW: u64 = (1 << 52) | (1 << 51) | (1 << 40);
const DENY: u64 = (1 << 50) | (1 << 49) | (1 << 41);

pub(super) fn huge(world: &mut World) {
    small::people(world, 1);
    let mut guild = Guild::new(HUGE_GUILD, "Metropolis", OWNER);
    let mut people = People::new(world, "residents").as_of(Stamp(1_759_276_800_000));
    let mut residents = Vec::with_capacity(AUDIENCE * STAGES);
    for _ in 0..AUDIENCE * STAGES {
        let user = people.join_world(world, Kind::Ordinary);
        let member = Member::new(user, Stamp(1_759_276_900_000));
        guild.members.insert(user, member);
        residents.push(user);
    }
    let mut site = small::open(world, guild, 0);
    small::staff(&mut site);
    let mut holders: Vec<(Id, bool)> = (0..ROLES)
        .map(|n| {
            let name = format!("District {n} {}", "🏙".repeat(80));
            let role = site.role(&name, perm::DEFAULT_EVERYONE, 6 + n, 0x33_66_99);
            (role, false)
        })
        .collect();
    let people = residents.iter().map(|user| (*user, true));
    holders.extend(people.take(OVERWRITES - holders.len()));
    let fill = |channel: &mut Channel| {
        let overwrites = holders.iter().map(|(id, member)| {
            let overwrite = Overwrite {
                id: *id,
                member: *member,
                allow: ALLOW,
                deny: DENY,
            };
            (*id, overwrite)
        });
        channel.overwrites = overwrites.collect();
        channel.topic = Some("🏙".repeat(1024));
    };
    let categories: Vec<Id> = (0..CATEGORIES)
        .map(|n| site.channel(4, &format!("Quarter {n}"), None, fill))
        .collect();
    for n in 0..CHANNELS - CATEGORIES - STAGES {
        let parent = categories[n % CATEGORIES];
        site.channel(0, &format!("street-{n}"), Some(parent), fill);
    }
    for (n, audience) in residents.chunks(AUDIENCE).enumerate() {
        let stage = site.channel(13, &format!("Square {n}"), None, |channel| {
            fill(channel);
            channel.user_limit = AUDIENCE as u32;
        });
        site.listen(stage, audience);
    }
}
