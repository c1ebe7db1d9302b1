//! What attackers took, piece by piece, and what of it is still so.

use std::collections::{BTreeMap, BTreeSet};

use splashtail_sandbox_world::world::{Id, Verdict, World};

use super::traces::Trace;
use super::types::Damage;

/// A message of the attackers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post {
    pub channel: Id,
    pub id: Id,
    pub damage: Damage,
}

/// From what the attackers' requests did, whether or not they were told.
#[derive(Debug, Default)]
pub(super) struct Spoils {
    pub joined: BTreeSet<Id>,
    /// Requests to join by who asked, attackers and guests; a verdict takes an attacker's out.
    pub asked: BTreeMap<Id, Id>,
    /// Requests of attackers in all.
    pub requests: BTreeSet<Id>,
    /// Attackers who got in, and whom the observer has not heard of.
    pub arrived: Vec<Id>,
    /// Messages not yet found missing; direct ones are beyond anyone's reach.
    pub posts: Vec<Post>,
    /// Messages found missing.
    pub gone: BTreeMap<Damage, u64>,
    /// Names of what was deleted, by id.
    pub channels_deleted: BTreeMap<Id, String>,
    pub channels_created: BTreeSet<Id>,
    pub roles_deleted: BTreeMap<Id, String>,
    pub banned: BTreeSet<Id>,
    pub kicked: BTreeSet<Id>,
    pub hooks: BTreeSet<Id>,
    /// Changes to what is still there.
    pub traces: Vec<Trace>,
    /// Harmless newcomers who got in.
    pub guests: BTreeSet<Id>,
    /// Their messages, by channel and id.
    pub greetings: Vec<(Id, Id)>,
}

impl Spoils {
    /// Looks which messages are gone, and says how many since the last time. Those that went
    /// down with a channel the attackers deleted themselves do not count.
    pub fn count_posts(&mut self, world: &World) -> u64 {
        let mut missing = 0;
        let (gone, own) = (&mut self.gone, &self.channels_deleted);
        self.posts.retain(|post| {
            if world.message(post.channel, post.id).is_some() {
                return true;
            }
            if !own.contains_key(&post.channel) {
                *gone.entry(post.damage).or_default() += 1;
                missing += 1;
            }
            false
        });
        missing
    }

    /// Damage that is mended, as of the last [`count_posts`](Self::count_posts) for messages and
    /// as the world is now for everything else. A channel or role counts as restored when
    /// another made since `since`, not by the attackers, bears its name.
    pub fn undone(&self, world: &World, guild: Id, since: Id) -> BTreeMap<Damage, u64> {
        let mut undone = self.gone.clone();
        let Some(guild) = world.guilds.get(&guild) else {
            return undone;
        };
        let count = |found: usize| found as u64;
        let channels = guild.channels.iter().filter(|c| **c > since);
        let foreign = channels.filter(|c| !self.channels_created.contains(c));
        let names = foreign.filter_map(|c| world.channels.get(c).map(|c| c.name.as_str()));
        let restored = restored(&self.channels_deleted, names);
        let roles = guild.roles.values().filter(|r| r.id > since);
        let roles = self::restored(&self.roles_deleted, roles.map(|r| r.name.as_str()));
        let absent = |set: &BTreeSet<Id>, there: &dyn Fn(&Id) -> bool| {
            count(set.iter().filter(|id| !there(id)).count())
        };
        let member = |id: &Id| guild.members.contains_key(id);
        let waits = |id: &Id| {
            let request = guild.join_requests.get(id);
            request.is_some_and(|r| r.status != Verdict::Rejected)
        };
        undone.extend([
            (Damage::RequestsMade, absent(&self.requests, &waits)),
            (Damage::MembersJoined, absent(&self.joined, &member)),
            (Damage::ChannelsDeleted, restored),
            (
                Damage::ChannelsCreated,
                absent(&self.channels_created, &|c| guild.channels.contains(c)),
            ),
            (Damage::RolesDeleted, roles),
            (
                Damage::MembersBanned,
                absent(&self.banned, &|u| guild.bans.contains_key(u)),
            ),
            (
                Damage::MembersKicked,
                count(self.kicked.iter().filter(|u| member(u)).count()),
            ),
            (
                Damage::WebhooksCreated,
                absent(&self.hooks, &|w| world.webhooks.contains_key(w)),
            ),
        ]);
        for trace in &self.traces {
            *undone.entry(trace.damage()).or_default() += u64::from(trace.is_mended(world, guild));
        }
        undone.retain(|_, count| *count > 0);
        undone
    }
}

impl Spoils {
    /// Damage that has become another: whoever was let in waits no more, and counts as a member.
    pub fn passed(&self, world: &World, guild: Id) -> BTreeMap<Damage, u64> {
        let requests = world.guilds.get(&guild).map(|guild| &guild.join_requests);
        let approved = self.requests.iter().filter(|id| {
            let request = requests.and_then(|all| all.get(id));
            request.is_some_and(|request| request.status == Verdict::Approved)
        });
        [(Damage::RequestsMade, approved.count() as u64)].into()
    }
}

/// How many of the lost names are there again; each new one makes up for one loss.
fn restored<'a>(lost: &BTreeMap<Id, String>, present: impl Iterator<Item = &'a str>) -> u64 {
    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    for name in lost.values() {
        *wanted.entry(name).or_default() += 1;
    }
    let mut found = 0;
    for name in present {
        if let Some(left) = wanted.get_mut(name).filter(|left| **left > 0) {
            *left -= 1;
            found += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_new_name_makes_up_for_one_loss() {
        let lost = [(1, "general"), (2, "general"), (3, "rules")];
        let lost = lost.map(|(id, name)| (Id(id), name.to_owned())).into();
        assert_eq!(
            restored(&lost, ["general", "rules", "rules", "new"].into_iter()),
            2
        );
    }
}
