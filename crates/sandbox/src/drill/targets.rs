//! What there is to attack beside channels, roles and members: listed once, used up in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{Guild, Id, Role, World};

/// Rarer targets of a nuke.
#[derive(Debug, Default)]
pub(super) struct Targets {
    pub renames: VecDeque<Id>,
    /// Channels to be hidden from the guild's bot.
    pub hides: VecDeque<Id>,
    /// Channels to be opened to everyone.
    pub overwrites: VecDeque<Id>,
    pub role_edits: VecDeque<Id>,
    /// Members with roles, those with most power first.
    pub strips: VecDeque<Id>,
    pub emojis: VecDeque<(Id, String)>,
    pub stickers: VecDeque<(Id, String)>,
    /// Codes, and the channels they lead to.
    pub invites: VecDeque<(String, Id)>,
    pub automod: VecDeque<(Id, String)>,
    /// Integrations with their bots, the guild's own last.
    pub integrations: VecDeque<(Id, Id)>,
    /// The bot that keeps the guild, with its managed roles.
    pub bot: Option<Id>,
    pub bot_roles: VecDeque<Id>,
    /// Accounts that came along quietly, to be made administrators.
    pub accomplices: VecDeque<Id>,
    /// Roles made for those of them who could not be given theirs yet.
    pub crowns: BTreeMap<Id, Id>,
    /// Nobody has pruned yet.
    pub prune: bool,
}

impl Targets {
    /// Everything in the guild that is not the attackers' own.
    pub fn of(world: &World, guild: &Guild, bot: Option<Id>, attackers: &BTreeSet<Id>) -> Self {
        let mut channels: Vec<_> = guild
            .channels
            .iter()
            .filter_map(|c| world.channels.get(c))
            .collect();
        channels.sort_by_key(|c| (c.position, c.id));
        let rooms = || channels.iter().filter(|c| c.kind != 4).map(|c| c.id);
        let own = attackers.iter().filter_map(|a| guild.members.get(a));
        let own: BTreeSet<Id> = own.flat_map(|m| &m.roles).copied().collect();
        let mut roles: Vec<_> = guild
            .roles
            .values()
            .filter(|r| r.id != guild.id && !r.managed && !own.contains(&r.id))
            .collect();
        let rank = |role: &Role| perm::rank(guild.id, role);
        roles.sort_by_key(|r| std::cmp::Reverse(rank(r)));
        let loose = |user: &Id| {
            let own = guild.members.get(user).into_iter().flat_map(|m| &m.roles);
            let mut own = own.filter_map(|r| guild.roles.get(r));
            own.any(|r| !r.managed)
        };
        let mut strips: Vec<Id> = guild
            .members
            .keys()
            .copied()
            .filter(|m| *m != guild.owner_id && !attackers.contains(m) && loose(m))
            .collect();
        strips.sort_by_key(|m| std::cmp::Reverse(perm::top_role(guild, *m).map(rank)));
        let mut integrations: Vec<(Id, Id)> = guild
            .integrations
            .values()
            .filter(|i| !attackers.contains(&i.bot))
            .map(|i| (i.id, i.bot))
            .collect();
        integrations.sort_by_key(|(id, own)| (Some(*own) == bot, *id));
        let managed = guild
            .roles
            .values()
            .filter(|r| bot.is_some() && r.bot == bot);
        let invites = world.invites.values().filter(|i| i.guild == guild.id);
        Self {
            // From below: what is deleted first stands above.
            renames: rooms().rev().collect(),
            hides: rooms().collect(),
            overwrites: rooms().rev().collect(),
            role_edits: roles.iter().map(|r| r.id).collect(),
            strips: strips.into(),
            emojis: guild
                .emojis
                .values()
                .map(|e| (e.id, e.name.clone()))
                .collect(),
            stickers: guild
                .stickers
                .values()
                .map(|s| (s.id, s.name.clone()))
                .collect(),
            invites: invites.map(|i| (i.code.clone(), i.channel)).collect(),
            automod: guild
                .automod
                .values()
                .map(|r| (r.id, r.name.clone()))
                .collect(),
            integrations: integrations.into(),
            bot: bot.filter(|b| !attackers.contains(b)),
            bot_roles: managed.map(|r| r.id).collect(),
            accomplices: VecDeque::new(),
            crowns: BTreeMap::new(),
            prune: true,
        }
    }
}

/// One after the other, from the beginning again after the last.
pub(super) fn pick<T>(items: &[T], n: u64) -> Option<&T> {
    items.get((n % (items.len() as u64).max(1)) as usize)
}
