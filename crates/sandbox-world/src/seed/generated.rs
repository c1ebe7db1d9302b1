//! Worlds that are large rather than varied.

use super::small::{self, OWNER};
use crate::world::permissions as perm;
use crate::world::{Channel, Guild, Id, Member, User, World};

/// The guild of `big`: the first one of `small`.
pub const BIG_GUILD: Id = small::GUILDS[0];
/// Guilds of `many`, all for one shard.
pub const MANY_GUILDS: u64 = 2500;

const BIG_MEMBERS: u64 = 50_000;
const BIG_CHANNELS: usize = 500;
const BIG_ROLES: usize = 250;
/// First of the ids of generated people.
const FIRST_PERSON: u64 = 1_120_000_000_000_000_000;

/// One guild at every limit: 500 channels, 250 roles, 50,000 members.
pub(super) fn big(world: &mut World) {
    small::people(world, 4);
    let mut guild = Guild::new(BIG_GUILD, "Ocean", OWNER);
    guild.features = ["COMMUNITY", "NEWS"].map(str::to_owned).into();
    let now = world.now();
    for n in 0..BIG_MEMBERS {
        // A second of joining apart, so that ids and dates agree.
        let id = Id(FIRST_PERSON + ((n * 1000) << 22));
        world
            .users
            .insert(id, User::new(id, &format!("sailor{n:05}")));
        let mut member = Member::new(id, id.created().plus(60_000));
        member.last_active = now;
        guild.members.insert(id, member);
    }
    let mut site = small::open(world, guild, 0);
    small::staff(&mut site);
    let mut roles = Vec::new();
    while site.guild().roles.len() < BIG_ROLES {
        let n = site.guild().roles.len() as i64;
        roles.push(site.role(&format!("Deck {n}"), perm::DEFAULT_EVERYONE, 0, 0));
    }
    // The generated roles go below the staff's.
    let count = roles.len() as i64;
    for role in site
        .guild()
        .roles
        .values_mut()
        .filter(|r| r.id != BIG_GUILD)
    {
        match roles.iter().position(|r| *r == role.id) {
            Some(place) => role.position = place as i64 + 1,
            None => role.position += count,
        }
    }
    for (n, member) in site.guild().members.values_mut().enumerate() {
        if n % 4 == 0 {
            member.roles.insert(roles[n / 4 % roles.len()]);
        }
    }
    let mut parent = None;
    let mut n = 0;
    while site.guild().channels.len() < BIG_CHANNELS {
        // A category, then forty-nine channels in it.
        if n % 50 == 0 {
            parent = Some(site.channel(4, &format!("Quay {}", n / 50), None, |_| {}));
        } else {
            site.channel(0, &format!("berth-{n}"), parent, |_| {});
        }
        n += 1;
    }
    let first = site.guild().channels.iter().nth(1).copied();
    site.guild().rules_channel_id = first;
    site.guild().public_updates_channel_id = first;
}

/// 2,500 guilds of about 30 KB each on one shard.
pub(super) fn many(world: &mut World) {
    small::people(world, 1);
    for index in 0..MANY_GUILDS {
        let id = Id(BIG_GUILD.0 + (index << 22));
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
