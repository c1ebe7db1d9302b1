//! Which commands a person may use where.

use serde_json::Value;
use splashtail_sandbox_world::world::permissions::{
    self as perm, ADMINISTRATOR, USE_APPLICATION_COMMANDS,
};
use splashtail_sandbox_world::world::{Application, Command, Id, World};

/// A command with its application.
pub(super) struct Usable<'w> {
    pub(super) app: &'w Application,
    pub(super) command: &'w Command,
}

/// Commands that a user may use: guild commands hide global ones of the same name and type. Those for
/// adults are in age-restricted channels, to which a guild that is so as a whole makes none
/// (discord-api-docs#7914), and in direct messages.
pub(super) fn usable<'w>(
    world: &'w World,
    guild: Option<Id>,
    channel: Option<Id>,
    user: Id,
) -> Vec<Usable<'w>> {
    let mut found: Vec<Usable<'w>> = Vec::new();
    let direct = channel.and_then(|c| world.channels.get(&c));
    for app in world.apps.values() {
        // In direct messages only the bot on the other side is asked.
        let there = match guild {
            Some(guild) => {
                let guild = world.guilds.get(&guild);
                guild.is_some_and(|g| g.members.contains_key(&app.bot))
            }
            None => direct.is_some_and(|c| c.recipients.contains(&app.bot)),
        };
        if !there {
            continue;
        }
        let own = guild
            .and_then(|g| app.guild_commands.get(&g))
            .into_iter()
            .flat_map(|c| c.values());
        let own: Vec<&Command> = own.collect();
        let global = app.global_commands.values().filter(|command| {
            let hidden = own
                .iter()
                .any(|o| o.name == command.name && o.kind == command.kind);
            !hidden && is_for_guilds(command) && in_context(command, guild)
        });
        let all: Vec<&Command> = own.iter().copied().chain(global).collect();
        let of_age = channel.is_none_or(|c| guild.is_none() || world.is_age_restricted(c));
        found.extend(
            all.into_iter()
                .filter(|c| of_age || !c.nsfw)
                .filter(|c| may_use(world, app, c, guild, channel, user))
                .map(|command| Usable { app, command }),
        );
    }
    found.sort_by(|a, b| (&a.command.name, a.command.id).cmp(&(&b.command.name, b.command.id)));
    found
}

/// Whether a global command comes with an application that guilds installed ("Installation Contexts", 0),
/// which it does unless it says otherwise. Nobody here has installed one for themselves (1).
fn is_for_guilds(command: &Command) -> bool {
    let types = command.integration_types.as_ref();
    match types.and_then(Value::as_array) {
        Some(types) => types.iter().any(|kind| *kind == 0),
        None => true,
    }
}

/// Whether a global command is offered in guilds, or to whoever writes to its bot ("Interaction Contexts",
/// 0 and 1); `dm_permission` is what was there before.
fn in_context(command: &Command, guild: Option<Id>) -> bool {
    let here = if guild.is_some() { 0 } else { 1 };
    match command.contexts.as_ref().and_then(Value::as_array) {
        Some(contexts) => contexts.iter().any(|context| *context == here),
        None => guild.is_some() || command.dm_permission,
    }
}

/// Discord's order: administrators always; then the guild's rules for the command; then the
/// permissions the command asks for by default.
fn may_use(
    world: &World,
    app: &Application,
    command: &Command,
    guild: Option<Id>,
    channel: Option<Id>,
    user: Id,
) -> bool {
    let Some(guild_id) = guild else { return true };
    let Some(guild) = world.guilds.get(&guild_id) else {
        return false;
    };
    let Some(member) = guild.members.get(&user) else {
        return false;
    };
    let bits = match channel {
        Some(channel) => world.permissions_in(channel, user),
        None => perm::in_guild(guild, user, world.now()),
    };
    if bits & ADMINISTRATOR != 0 {
        return true;
    }
    if bits & USE_APPLICATION_COMMANDS == 0 {
        return false;
    }
    let rules = guild
        .command_permissions
        .get(&(app.id, command.id))
        .or_else(|| guild.command_permissions.get(&(app.id, app.id)));
    if let Some(rules) = rules {
        let rule = |kind: u8, id: Id| {
            rules
                .iter()
                .find(|r| r.kind == kind && r.id == id)
                .map(|r| r.allowed)
        };
        let all_channels = Id(guild_id.0 - 1);
        let here = channel
            .and_then(|c| rule(3, c))
            .or_else(|| rule(3, all_channels));
        if here == Some(false) {
            return false;
        }
        let roles: Vec<bool> = member.roles.iter().filter_map(|r| rule(1, *r)).collect();
        let by_role = if roles.is_empty() {
            None
        } else {
            Some(roles.contains(&true))
        };
        if let Some(allowed) = rule(2, user).or(by_role).or_else(|| rule(1, guild_id)) {
            return allowed;
        }
    }
    match command.default_member_permissions {
        None => true,
        Some(0) => false,
        Some(needed) => bits & needed == needed,
    }
}

/// Whether there is such a slash command at all, for whomever.
pub(super) fn exists(world: &World, guild: Option<Id>, name: &str) -> bool {
    let here = |app: &Application| {
        guild.is_none_or(|g| {
            world
                .guilds
                .get(&g)
                .is_some_and(|g| g.members.contains_key(&app.bot))
        })
    };
    let named = |command: &Command| command.kind == 1 && command.name == name;
    world.apps.values().filter(|a| here(a)).any(|app| {
        let own = guild.and_then(|g| app.guild_commands.get(&g));
        app.global_commands.values().any(named) || own.is_some_and(|c| c.values().any(named))
    })
}
