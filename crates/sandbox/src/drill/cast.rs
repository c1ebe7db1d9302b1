//! The scene before the first act: who attacks, with what rights, and what there is to attack.

use std::collections::{BTreeSet, VecDeque};

use splashtail_sandbox_world::seed::people::{Kind, People};
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{APPROVAL_BY_HAND, Guild, Id, Member, Role, World};

use super::board::DrillError;
use super::targets::Targets;
use super::types::{ActKind, Attackers, DrillKind, DrillSettings, RaidManner, RaidStyle};
use super::ways::{Way, ways_in};

/// Accounts that a report names.
const NAMED: usize = 100;
/// Age of accounts that were bought in one lot.
const BATCH_DAYS: u32 = 540;
/// Age of the role that rogues hold, or a bot whose token leaks.
const ROLE_AGE_MS: i64 = 30 * 86_400_000;
/// Each rogue joined so long before the one after, and the last one before there was the role.
const JOINED_APART_MS: i64 = 60 * 60 * 1000;
/// Accounts that rogues have ready to be made administrators.
const ACCOMPLICES: u32 = 3;

/// What moderators are given.
const MODERATOR: u64 = perm::KICK_MEMBERS
    | perm::BAN_MEMBERS
    | perm::MANAGE_CHANNELS
    | perm::MANAGE_ROLES
    | perm::MANAGE_WEBHOOKS
    | perm::MANAGE_MESSAGES
    | perm::MODERATE_MEMBERS;

/// A webhook of the attackers.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    pub id: Id,
    pub channel: Id,
    pub token: String,
}

/// Attackers and their targets. Targets are listed once, at the start, and used up in order.
#[derive(Debug, Default)]
pub(super) struct Stage {
    pub guild: Id,
    pub guild_name: String,
    /// Users that attack; of a leaked token, the bot.
    pub attackers: Vec<Id>,
    pub known: BTreeSet<Id>,
    /// The leaked token.
    pub token: Option<String>,
    /// Roles that give attackers their power.
    pub arms: BTreeSet<Id>,
    /// Who has none of these permissions has no power any more.
    pub power: u64,
    /// All attackers began with power.
    pub armed: bool,
    /// Later ids are of the drill's time.
    pub since: Id,
    /// Channels in which everyone may write; slow ones only if there are no others.
    pub open: Vec<Id>,
    pub channels: VecDeque<(Id, String)>,
    pub roles: VecDeque<(Id, String)>,
    /// Members to ban and kick, the owner left out.
    pub members: VecDeque<Id>,
    /// People to write to.
    pub people: VecDeque<Id>,
    /// Channels the attackers made, those left out that have a webhook or are about to.
    pub junk: VecDeque<Id>,
    pub hooks: Vec<Hook>,
    pub targets: Targets,
    /// Harmless people who arrive during a raid.
    pub guests: Vec<Id>,
    /// By which raiders come in, and by which the harmless.
    pub ways: (Way, Way),
    /// Features that the guild has for the time of the drill.
    pub lent: Vec<String>,
}

impl Stage {
    /// Brings the attackers into position.
    pub fn set(
        world: &mut World,
        guild_id: Id,
        number: u64,
        kind: DrillKind,
        settings: &DrillSettings,
    ) -> Result<Self, DrillError> {
        let missing = || DrillError::UnknownGuild(guild_id);
        let guild = world.guilds.get(&guild_id).ok_or_else(missing)?;
        let main_bot = guild
            .bots
            .iter()
            .copied()
            .find(|b| world.apps.contains_key(b));
        if settings.own_token && main_bot.is_none() {
            return Err(DrillError::Bad(
                "no bot is in this guild whose token could leak".into(),
            ));
        }
        let (members, people) = targets(guild);
        let (channels, roles) = (ordered_channels(world, guild), ordered_roles(guild));
        let mut stage = Self {
            power: match settings.moderators {
                true => MODERATOR,
                false => perm::ADMINISTRATOR,
            },
            guild: guild_id,
            guild_name: guild.name.clone(),
            open: open_channels(world, guild),
            channels,
            roles,
            members,
            people,
            ..Self::default()
        };
        let mut people = People::new(world, &format!("cast of drill {number}"));
        let aged = |kind| match settings.account_age_days {
            Some(days) => Kind::Aged { days },
            None => kind,
        };
        match kind {
            DrillKind::Raid => {
                let kind = aged(match settings.style.unwrap_or_default() {
                    RaidStyle::Fresh => Kind::Fresh,
                    RaidStyle::Aged => Kind::Ordinary,
                    RaidStyle::Batch => Kind::Batch { days: BATCH_DAYS },
                });
                stage.attackers = cast(&mut people, world, settings.size, kind);
                stage.guests = cast(&mut people, world, settings.wave, Kind::Ordinary);
                stage.ways = ways_in(world, guild_id, &stage.open);
                if settings.manner == Some(RaidManner::Request) {
                    stage.lent = approve_by_hand(world, guild_id);
                }
            }
            DrillKind::Spam => {
                stage.attackers = plain_members(world, guild_id, settings.actors as usize);
                let lacking = settings.actors - stage.attackers.len() as u32;
                let fresh = cast(&mut people, world, lacking, aged(Kind::Fresh));
                for user in &fresh {
                    world.add_member(guild_id, *user);
                }
                stage.attackers.extend(fresh);
            }
            DrillKind::Nuke => {
                stage.attackers = cast(&mut people, world, settings.actors, aged(Kind::Ordinary));
                stage.arm_rogues(world, settings.above_bot);
            }
            DrillKind::TokenLeak => match main_bot.filter(|_| settings.own_token) {
                Some(bot) => stage.leak(world, bot),
                None => stage.leak_another(world, number, settings.above_bot)?,
            },
        }
        stage.known = stage.attackers.iter().copied().collect();
        if let Some(guild) = world.guilds.get(&guild_id) {
            stage.targets = Targets::of(world, guild, main_bot, &stage.known);
        }
        if settings.acts.contains(&ActKind::GrantAdministrator) {
            let quiet = cast(&mut people, world, ACCOMPLICES, aged(Kind::Ordinary));
            for user in &quiet {
                world.add_member(guild_id, *user);
            }
            stage.known.extend(&quiet);
            stage.targets.accomplices = quiet.into();
        }
        let known = &stage.known;
        stage.members.retain(|m| !known.contains(m));
        stage.people.retain(|m| !known.contains(m));
        if let Some(guild) = world.guilds.get(&guild_id) {
            stage.armed = stage
                .attackers
                .iter()
                .all(|a| perm::in_guild(guild, *a, world.now()) & stage.power != 0);
        }
        // Announcements of the scene are history; nothing made later is older.
        stage.since = world.next_id();
        Ok(stage)
    }

    /// One role for all rogues. They and their role have been there for long, so nobody hears that they
    /// came: clients meet them as they meet every member they were not told of. The role moves, as
    /// others do for it, of which the audit log says nothing on Discord either.
    fn arm_rogues(&mut self, world: &mut World, above: bool) {
        let now = world.now();
        let made = now.plus(-ROLE_AGE_MS);
        let role = world.old_id(made);
        let position = place_role(world, self.guild, above);
        if let Some(guild) = world.guilds.get_mut(&self.guild) {
            let helpers = Role::new(role, "Helpers", self.power, position);
            guild.roles.insert(role, helpers);
            for (user, before) in self.attackers.iter().rev().zip(1..) {
                // Nobody joins before there is an account.
                let joined = made.plus(-JOINED_APART_MS * before).max(user.created());
                let mut member = Member::new(*user, joined);
                member.last_active = now;
                member.roles.insert(role);
                guild.members.insert(*user, member);
            }
        }
        world.role_updated(self.guild, role);
        for user in &self.attackers {
            if let Some(user) = world.users.get_mut(user) {
                user.mfa_enabled = true;
            }
        }
        self.arms.insert(role);
    }

    /// The token of a bot that is here already.
    fn leak(&mut self, world: &World, bot: Id) {
        self.attackers = vec![bot];
        self.token = world.app_of_bot(bot).map(|a| a.token.clone());
        self.arms = managed_roles(world, self.guild, bot);
    }

    /// The token of another bot with Administrator, which has been there for as long as rogues have.
    fn leak_another(
        &mut self,
        world: &mut World,
        number: u64,
        above: bool,
    ) -> Result<(), DrillError> {
        let since = world.now().plus(-ROLE_AGE_MS);
        let app = world.old_app(&format!("Leaky bot {number}"), since.plus(-ROLE_AGE_MS));
        let (id, bot) = (app.id, app.bot);
        world.add_app(app);
        let owner = world.guilds.get(&self.guild).map_or(id, |g| g.owner_id);
        world.settle_bot(self.guild, id, owner, perm::ADMINISTRATOR, since);
        self.leak(world, bot);
        let arms: Vec<Id> = self.arms.iter().copied().collect();
        for role in arms {
            let position = place_role(world, self.guild, above);
            let guild = world.guilds.get_mut(&self.guild);
            if let Some(role) = guild.and_then(|g| g.roles.get_mut(&role)) {
                role.position = position;
            }
            world.role_updated(self.guild, role);
        }
        Ok(())
    }

    /// Takes down what would spoil the next drill: how newcomers are let in.
    pub fn clear(&mut self, world: &mut World) {
        let lent = std::mem::take(&mut self.lent);
        if let Some(guild) = world.guilds.get_mut(&self.guild)
            && !lent.is_empty()
        {
            guild.features.retain(|feature| !lent.contains(feature));
            world.guild_updated(self.guild);
        }
    }

    /// Attackers in the guild.
    pub fn inside(&self, world: &World) -> Vec<Id> {
        let guild = world.guilds.get(&self.guild);
        let member = |id: &Id| guild.is_some_and(|g| g.members.contains_key(id));
        self.attackers.iter().copied().filter(member).collect()
    }

    /// How the attackers stand.
    pub fn attackers(&self, world: &World) -> Attackers {
        let guild = world.guilds.get(&self.guild);
        let now = world.now();
        let inside = |id: &&Id| guild.is_some_and(|g| g.members.contains_key(id));
        let active = |id: &&Id| {
            guild.is_some_and(|g| {
                let free = g.members.get(id).is_some_and(|m| !m.timed_out(now));
                let bits = perm::in_guild(g, **id, now);
                free && (!self.armed || bits & self.power != 0)
            })
        };
        Attackers {
            total: self.attackers.len() as u32,
            in_guild: self.attackers.iter().filter(inside).count() as u32,
            active: self.attackers.iter().filter(active).count() as u32,
            ids: self
                .attackers
                .iter()
                .take(NAMED)
                .map(Id::to_string)
                .collect(),
        }
    }
}

/// From now on newcomers wait for somebody's verdict; the features this took.
fn approve_by_hand(world: &mut World, guild_id: Id) -> Vec<String> {
    let Some(guild) = world.guilds.get_mut(&guild_id) else {
        return Vec::new();
    };
    let lacking = APPROVAL_BY_HAND
        .into_iter()
        .filter(|f| !guild.features.contains(*f));
    let lacking: Vec<String> = lacking.map(str::to_owned).collect();
    if !lacking.is_empty() {
        guild.features.extend(lacking.iter().cloned());
        world.guild_updated(guild_id);
    }
    lacking
}

/// New accounts of one kind.
fn cast(people: &mut People, world: &mut World, count: u32, kind: Kind) -> Vec<Id> {
    (0..count).map(|_| people.join_world(world, kind)).collect()
}

/// Members that may moderate nothing, in the order of their ids.
fn plain_members(world: &World, guild: Id, count: usize) -> Vec<Id> {
    let Some(guild) = world.guilds.get(&guild) else {
        return Vec::new();
    };
    let plain = guild.members.keys().copied().filter(|m| {
        !guild.bots.contains(m)
            && perm::in_guild(guild, *m, world.now()) & perm::NEED_SECOND_FACTOR == 0
    });
    plain.take(count).collect()
}

/// Members to remove, and people to write to.
fn targets(guild: &Guild) -> (VecDeque<Id>, VecDeque<Id>) {
    let all = guild.members.keys().copied();
    let members: VecDeque<Id> = all.filter(|m| *m != guild.owner_id).collect();
    let people = members.iter().filter(|m| !guild.bots.contains(m)).copied();
    let people = people.collect();
    (members, people)
}

/// Channels from the top of the list down; threads go with their channels.
fn ordered_channels(world: &World, guild: &Guild) -> VecDeque<(Id, String)> {
    let mut channels: Vec<_> = guild
        .channels
        .iter()
        .filter_map(|c| world.channels.get(c))
        .collect();
    channels.sort_by_key(|c| (c.position, c.id));
    channels
        .into_iter()
        .map(|c| (c.id, c.name.clone()))
        .collect()
}

/// Roles that can be deleted at all, from the lowest up.
fn ordered_roles(guild: &Guild) -> VecDeque<(Id, String)> {
    let deletable = guild
        .roles
        .values()
        .filter(|r| r.id != guild.id && !r.managed);
    let mut roles: Vec<&Role> = deletable.collect();
    roles.sort_by_key(|r| perm::rank(guild.id, r));
    roles.into_iter().map(|r| (r.id, r.name.clone())).collect()
}

fn open_channels(world: &World, guild: &Guild) -> Vec<Id> {
    let everyone = guild.roles.get(&guild.id).map_or(0, |r| r.permissions);
    let needed = perm::VIEW_CHANNEL | perm::SEND_MESSAGES;
    let texts = guild.channels.iter().filter_map(|c| world.channels.get(c));
    let mut texts: Vec<_> = texts.filter(|c| matches!(c.kind, 0 | 5)).collect();
    texts.sort_by_key(|c| (c.position, c.id));
    let open = texts.iter().filter(|c| {
        let own = c.overwrites.get(&guild.id);
        let bits = own.map_or(everyone, |o| (everyone & !o.deny) | o.allow);
        bits & needed == needed
    });
    let open: Vec<_> = open.collect();
    let quick: Vec<Id> = open
        .iter()
        .filter(|c| c.rate_limit_per_user == 0)
        .map(|c| c.id)
        .collect();
    match (quick.is_empty(), open.is_empty()) {
        (false, _) => quick,
        (true, false) => open.iter().map(|c| c.id).collect(),
        (true, true) => texts.iter().map(|c| c.id).collect(),
    }
}

fn managed_roles(world: &World, guild: Id, bot: Id) -> BTreeSet<Id> {
    let guild = world.guilds.get(&guild);
    let roles = guild.into_iter().flat_map(|g| g.roles.values());
    roles.filter(|r| r.bot == Some(bot)).map(|r| r.id).collect()
}

/// Makes room for a role just below the highest bot's, or above everything; its position.
fn place_role(world: &mut World, guild_id: Id, above: bool) -> i64 {
    let Some(guild) = world.guilds.get_mut(&guild_id) else {
        return 1;
    };
    let bots = guild.bots.iter().filter_map(|b| perm::top_role(guild, *b));
    let highest = bots.filter(|r| r.id != guild_id).map(|r| r.position).max();
    let Some(position) = highest.filter(|_| !above) else {
        let top = guild.roles.values().map(|r| r.position).max();
        return top.unwrap_or(0) + 1;
    };
    let higher = guild
        .roles
        .values_mut()
        .filter(|r| r.id != guild_id && r.position >= position);
    let moved: Vec<Id> = higher
        .map(|role| {
            role.position += 1;
            role.id
        })
        .collect();
    for role in moved {
        world.role_updated(guild_id, role);
    }
    position
}
