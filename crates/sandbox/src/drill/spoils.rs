//! What attackers took, piece by piece, and what of it is still so.

use std::collections::{BTreeMap, BTreeSet};

use splashtail_sandbox_world::world::{Guild, Id, Role, Verdict, World};

use super::traces::Trace;
use super::types::Damage;

/// A message of the attackers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post {
    pub channel: Id,
    pub id: Id,
    pub damage: Damage,
}

/// A role that the attackers deleted, as it was before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LostRole {
    pub name: String,
    pub permissions: u64,
    /// Who held it then, attackers left out.
    pub holders: BTreeSet<Id>,
}

impl LostRole {
    /// Whether the new role does for whoever is still there what this one did.
    fn lives_on_in(&self, role: &Role, guild: &Guild) -> bool {
        let has_it = |user: &Id| {
            let member = guild.members.get(user);
            member.is_none_or(|member| member.roles.contains(&role.id))
        };
        self.name == role.name
            && self.permissions == role.permissions
            && self.holders.iter().all(has_it)
    }
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
    pub roles_deleted: BTreeMap<Id, LostRole>,
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
    /// as the world is now for everything else.
    pub fn undone(&self, world: &World, guild: Id, since: Id) -> BTreeMap<Damage, u64> {
        let mut undone = self.gone.clone();
        let Some(guild) = world.guilds.get(&guild) else {
            return undone;
        };
        let count = |found: usize| found as u64;
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
            (
                Damage::ChannelsDeleted,
                count(self.channels_restored(world, guild, since).len()),
            ),
            (
                Damage::ChannelsCreated,
                absent(&self.channels_created, &|c| guild.channels.contains(c)),
            ),
            (
                Damage::RolesDeleted,
                count(self.roles_restored(guild, since).len()),
            ),
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
        for (n, trace) in self.traces.iter().enumerate() {
            let mended = self.is_mended(n, world, guild, since);
            *undone.entry(trace.damage()).or_default() += u64::from(mended);
        }
        undone.retain(|_, count| *count > 0);
        undone
    }
}

impl Spoils {
    /// Of the deleted channels those for which there is another of their name, made since `since`
    /// and not by the attackers.
    pub fn channels_restored(&self, world: &World, guild: &Guild, since: Id) -> BTreeSet<Id> {
        let channels = guild.channels.iter().filter(|c| **c > since);
        let foreign = channels.filter(|c| !self.channels_created.contains(c));
        let names = foreign.filter_map(|c| world.channels.get(c).map(|c| c.name.as_str()));
        made_up(&self.channels_deleted, names, |lost, name| lost == name)
    }

    /// Of the deleted roles those for which there is another with their name and permissions, held
    /// by whoever held them and is still there. What the attackers made for themselves is none.
    pub fn roles_restored(&self, guild: &Guild, since: Id) -> BTreeSet<Id> {
        let crowns = self.traces.iter().filter_map(|trace| match trace {
            Trace::Crown(role) => Some(*role),
            _ => None,
        });
        let crowns: BTreeSet<Id> = crowns.collect();
        let roles = guild.roles.values().filter(|r| r.id > since);
        let foreign = roles.filter(|r| !crowns.contains(&r.id));
        made_up(&self.roles_deleted, foreign, |lost, role| {
            lost.lives_on_in(role, guild)
        })
    }

    /// Whether the `n`th of the traces is mended.
    pub fn is_mended(&self, n: usize, world: &World, guild: &Guild, since: Id) -> bool {
        let Some(trace) = self.traces.get(n) else {
            return false;
        };
        let before = self.traces[..n].iter().filter(|other| other.is_like(trace));
        trace.is_mended(world, guild, since, before.count())
    }

    /// What a role was called and allowed before the attackers edited it.
    pub fn role_before(&self, role: &Role) -> (String, u64) {
        let edits = self.traces.iter().filter_map(|trace| match trace {
            Trace::RoleEdited {
                role,
                name,
                permissions,
            } => Some((*role, name, *permissions)),
            _ => None,
        });
        let mut own = edits.filter(|(edited, ..)| *edited == role.id);
        own.next().map_or_else(
            || (role.name.clone(), role.permissions),
            |(_, name, permissions)| (name.clone(), permissions),
        )
    }

    /// A role that is about to be deleted; nobody asks what became of `attackers`.
    pub fn lost_role(&self, guild: &Guild, role: &Role, attackers: &BTreeSet<Id>) -> LostRole {
        let (name, permissions) = self.role_before(role);
        let holders = guild
            .members
            .values()
            .filter(|m| m.roles.contains(&role.id));
        let holders = holders.map(|member| member.user);
        LostRole {
            name,
            permissions,
            holders: holders.filter(|user| !attackers.contains(user)).collect(),
        }
    }

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

/// Which of the lost are there again: each new thing makes up for one loss.
fn made_up<L, N>(
    lost: &BTreeMap<Id, L>,
    new: impl Iterator<Item = N>,
    is_for: impl Fn(&L, &N) -> bool,
) -> BTreeSet<Id> {
    let mut new: Vec<N> = new.collect();
    let made_up = lost.iter().filter(|(_, lost)| {
        let place = new.iter().position(|new| is_for(lost, new));
        place.map(|place| new.remove(place)).is_some()
    });
    made_up.map(|(id, _)| *id).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use splashtail_sandbox_world::clock::SandboxClock;
    use splashtail_sandbox_world::seed;
    use splashtail_sandbox_world::world::{Addresses, Emoji};

    use super::*;

    const GUILD: Id = seed::small::GUILDS[0];
    const MEMBER: Id = seed::small::MEMBER;

    fn small() -> World {
        let clock = SandboxClock::frozen("2026-01-01T00:00:00Z".parse().unwrap());
        let addresses = Addresses {
            rest: String::new(),
            gateway: String::new(),
        };
        seed::build("small", 1, &addresses, &Arc::new(clock)).unwrap()
    }

    fn role(world: &mut World, name: &str, permissions: u64) -> Id {
        let id = world.next_id();
        world.add_role(GUILD, Role::new(id, name, permissions, 1));
        id
    }

    fn give(world: &mut World, user: Id, role: Id) {
        world.edit_member(GUILD, user, |member| {
            member.roles.insert(role);
        });
    }

    impl Spoils {
        /// Lets the attackers delete a role.
        fn delete_role(&mut self, world: &mut World, role: Id) {
            let guild = &world.guilds[&GUILD];
            let lost = self.lost_role(guild, &guild.roles[&role], &BTreeSet::new());
            self.roles_deleted.insert(role, lost);
            world.delete_role(GUILD, role);
        }

        fn undone_of(&self, world: &World, since: Id, damage: Damage) -> u64 {
            let undone = self.undone(world, GUILD, since);
            undone.get(&damage).copied().unwrap_or(0)
        }
    }

    #[test]
    fn each_new_name_makes_up_for_one_loss() {
        let lost = [(1, "general"), (2, "general"), (3, "rules")];
        let lost: BTreeMap<Id, &str> = lost.map(|(id, name)| (Id(id), name)).into();
        let new = ["general", "rules", "rules", "new"];
        assert_eq!(
            made_up(&lost, new.into_iter(), |lost, new| lost == new),
            [Id(1), Id(3)].into()
        );
    }

    #[test]
    fn a_role_is_restored_with_its_permissions_and_its_holders() {
        let mut world = small();
        let old = role(&mut world, "Helpers", 8);
        give(&mut world, MEMBER, old);
        let since = world.next_id();
        let mut spoils = Spoils::default();
        spoils.delete_role(&mut world, old);
        let undone =
            |spoils: &Spoils, world: &World| spoils.undone_of(world, since, Damage::RolesDeleted);
        role(&mut world, "Helpers", 0);
        assert_eq!(undone(&spoils, &world), 0, "it may do nothing");
        let new = role(&mut world, "Helpers", 8);
        assert_eq!(undone(&spoils, &world), 0, "nobody has it");
        give(&mut world, MEMBER, new);
        assert_eq!(undone(&spoils, &world), 1);
        world.remove_member(GUILD, MEMBER);
        assert_eq!(undone(&spoils, &world), 1, "who is gone needs none");
    }

    #[test]
    fn the_role_that_attackers_crown_themselves_with_restores_none() {
        let mut world = small();
        let old = role(&mut world, "member", 8);
        let since = world.next_id();
        let mut spoils = Spoils::default();
        spoils.delete_role(&mut world, old);
        let crown = role(&mut world, "member", 8);
        spoils.traces.push(Trace::Crown(crown));
        assert_eq!(spoils.undone_of(&world, since, Damage::RolesDeleted), 0);
        role(&mut world, "member", 8);
        assert_eq!(spoils.undone_of(&world, since, Damage::RolesDeleted), 1);
    }

    #[test]
    fn an_edited_role_is_restored_as_it_was_before_the_edit() {
        let mut world = small();
        let old = role(&mut world, "Helpers", 8);
        let since = world.next_id();
        let mut spoils = Spoils::default();
        spoils.traces.push(Trace::RoleEdited {
            role: old,
            name: "Helpers".into(),
            permissions: 8,
        });
        world.edit_role(GUILD, old, |role| {
            (role.name, role.permissions) = ("owned".into(), 0);
        });
        spoils.delete_role(&mut world, old);
        role(&mut world, "owned", 0);
        assert_eq!(spoils.undone_of(&world, since, Damage::RolesDeleted), 0);
        role(&mut world, "Helpers", 8);
        assert_eq!(spoils.undone_of(&world, since, Damage::RolesDeleted), 1);
    }

    #[test]
    fn who_was_stripped_of_a_role_that_went_later_lacks_it_still() {
        let mut world = small();
        let old = role(&mut world, "Helpers", 8);
        let since = world.next_id();
        let mut spoils = Spoils::default();
        spoils.traces.push(Trace::Stripped {
            user: MEMBER,
            roles: [(old, "Helpers".to_owned())].into(),
        });
        spoils.delete_role(&mut world, old);
        let stripped = |world: &World, spoils: &Spoils| {
            spoils.undone_of(world, since, Damage::MembersStripped)
        };
        assert_eq!(stripped(&world, &spoils), 0);
        let new = role(&mut world, "Helpers", 8);
        assert_eq!(stripped(&world, &spoils), 0);
        give(&mut world, MEMBER, new);
        assert_eq!(stripped(&world, &spoils), 1);
    }

    #[test]
    fn a_twin_that_was_spared_makes_up_for_no_emoji() {
        let mut world = small();
        let add = |world: &mut World| {
            let id = world.next_id();
            let emoji = Emoji {
                id,
                name: "same".into(),
                roles: BTreeSet::new(),
                animated: false,
                creator: seed::small::OWNER,
            };
            let guild = world.guilds.get_mut(&GUILD).unwrap();
            guild.emojis.insert(id, emoji);
        };
        // One of three is spared.
        add(&mut world);
        let since = world.next_id();
        let mut spoils = Spoils::default();
        spoils
            .traces
            .extend([Trace::Emoji("same".into()), Trace::Emoji("same".into())]);
        let undone = |world: &World| spoils.undone_of(world, since, Damage::EmojisDeleted);
        assert_eq!(undone(&world), 0);
        add(&mut world);
        assert_eq!(undone(&world), 1, "one new one is not both");
        add(&mut world);
        assert_eq!(undone(&world), 2);
    }
}
