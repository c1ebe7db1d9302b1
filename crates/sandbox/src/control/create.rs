//! Adding applications, users and guilds.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::json;
use splashtail_sandbox_world::world::permissions::{ADMINISTRATOR, DEFAULT_EVERYONE};
use splashtail_sandbox_world::world::{Application, Channel, Guild, Id, Member, Role, User};

use super::types::{App, EditApp, Granted, NewApp, NewGuild, NewUser};
use super::{Answer, Body, Ctl, Failure, id};

fn app_json(app: &Application) -> App {
    App {
        id: app.id.to_string(),
        bot_id: app.bot.to_string(),
        name: app.name.clone(),
        token: app.token.clone(),
        client_secret: app.client_secret.clone(),
        redirect_uris: app.redirect_uris.clone(),
    }
}

pub(super) async fn apps(State(control): Ctl) -> Json<Vec<App>> {
    control
        .edge
        .sandbox
        .with_world(|world| Json(world.apps.values().map(app_json).collect::<Vec<_>>()))
}

pub(super) async fn create_app(State(control): Ctl, Body(body): Body<NewApp>) -> Answer<App> {
    let guilds: Vec<Id> = body
        .guilds
        .iter()
        .map(|g| id(g))
        .collect::<Result<_, _>>()?;
    let permissions = match &body.permissions {
        None => ADMINISTRATOR,
        Some(text) => text
            .parse()
            .map_err(|_| Failure::bad("`permissions` is no number"))?,
    };
    let _turn = control.edge.turn().await;
    control.edge.sandbox.with_world(|world| {
        if let Some(unknown) = guilds.iter().find(|g| !world.guilds.contains_key(g)) {
            return Err(Failure::missing("guild", &unknown.to_string()));
        }
        let mut app = world.new_app(body.name.as_deref().unwrap_or("Another bot"));
        app.redirect_uris.clone_from(&body.redirect_uris);
        app.flags = body.flags.unwrap_or(app.flags);
        let app_id = app.id;
        let answer = app_json(&app);
        control.note("create_app", json!({"id": app.id, "name": app.name}));
        world.add_app(app);
        for guild in &guilds {
            let owner = world.guilds.get(guild).map_or(app_id, |g| g.owner_id);
            world.add_bot(*guild, app_id, owner, permissions);
        }
        Ok(Json(answer))
    })
}

const MAX_SHARDS: u32 = 1_024;
/// Since when somebody can have been a member.
const MAX_DAYS: u32 = 3_650;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub(super) async fn edit_app(
    State(control): Ctl,
    Path(app): Path<String>,
    Body(edit): Body<EditApp>,
) -> Answer<Granted> {
    let number = id(&app)?;
    for (name, value) in [
        ("shards", edit.shards),
        ("max_concurrency", edit.max_concurrency),
    ] {
        if value.is_some_and(|n| !(1..=MAX_SHARDS).contains(&n)) {
            return Err(Failure::bad(format!(
                "`{name}` lies between 1 and {MAX_SHARDS}"
            )));
        }
    }
    let detail = json!({"id": app, "edit": edit});
    let _turn = control.edge.turn().await;
    let granted = control.edge.sandbox.with_world(|world| {
        let now = world.steady_ms();
        let app = world.apps.get_mut(&number)?;
        app.shards = edit.shards.unwrap_or(app.shards);
        app.max_concurrency = edit.max_concurrency.unwrap_or(app.max_concurrency);
        let starts = &mut app.sessions;
        if let Some(total) = edit.session_starts {
            starts.total = total;
            starts.remaining = starts.remaining.min(total);
        }
        if let Some(left) = edit.session_starts_left {
            starts.remaining = left.min(starts.total);
            // From now on, even when nobody has identified in this period.
            starts.reset_at_ms = starts
                .reset_at_ms
                .filter(|at| *at > now)
                .or(Some(now + DAY_MS));
        }
        let fresh = starts.reset_at_ms.is_none_or(|at| at <= now);
        Some(Granted {
            shards: app.shards,
            max_concurrency: app.max_concurrency,
            session_starts: starts.total,
            session_starts_left: if fresh {
                starts.total
            } else {
                starts.remaining
            },
        })
    });
    let granted = granted.ok_or_else(|| Failure::missing("application", &app))?;
    control.note("edit_app", detail);
    Ok(Json(granted))
}

pub(super) async fn create_user(State(control): Ctl, Body(body): Body<NewUser>) -> Answer {
    let wanted = body.id.as_deref().map(id).transpose()?;
    let length = body.username.as_ref().map(|name| name.chars().count());
    if length.is_some_and(|length| !(1..=32).contains(&length)) {
        return Err(Failure::bad("`username` has 1 to 32 characters"));
    }
    let _turn = control.edge.turn().await;
    control.edge.sandbox.with_world(|world| {
        let user_id = wanted.unwrap_or_else(|| world.next_id());
        if world.users.contains_key(&user_id) {
            return Err(Failure::bad(format!("there is already a user {user_id}")));
        }
        let name = body
            .username
            .clone()
            .unwrap_or_else(|| format!("user{}", user_id.0 % 1_000_000));
        let mut user = if body.bot {
            User::bot(user_id, &name)
        } else {
            User::new(user_id, &name)
        };
        user.global_name.clone_from(&body.global_name);
        user.email.clone_from(&body.email);
        let answer = user.json();
        control.note("create_user", answer.clone());
        world.users.insert(user_id, user);
        Ok(Json(answer))
    })
}

pub(super) async fn create_guild(State(control): Ctl, Body(body): Body<NewGuild>) -> Answer {
    let wanted = body.id.as_deref().map(id).transpose()?;
    let owner = id(&body.owner_id)?;
    let members: Vec<Id> = body
        .members
        .iter()
        .map(|m| id(m))
        .collect::<Result<_, _>>()?;
    let apps: Vec<Id> = body.apps.iter().map(|a| id(a)).collect::<Result<_, _>>()?;
    if body.joined_days_ago > MAX_DAYS {
        return Err(Failure::bad(format!(
            "`joined_days_ago` is at most {MAX_DAYS}"
        )));
    }
    if body.name.trim().is_empty() {
        return Err(Failure::bad("`name` is needed"));
    }
    let _turn = control.edge.turn().await;
    control.edge.sandbox.with_world(|world| {
        for user in members.iter().chain([&owner]) {
            if !world.users.contains_key(user) {
                return Err(Failure::missing("user", &user.to_string()));
            }
        }
        if let Some(unknown) = apps.iter().find(|a| !world.apps.contains_key(a)) {
            return Err(Failure::missing("application", &unknown.to_string()));
        }
        let guild_id = wanted.unwrap_or_else(|| world.next_id());
        if world.guilds.contains_key(&guild_id) {
            return Err(Failure::bad(format!("there is already a guild {guild_id}")));
        }
        let mut guild = Guild::new(guild_id, &body.name, owner);
        guild.roles.insert(
            guild_id,
            Role::new(guild_id, "@everyone", DEFAULT_EVERYONE, 0),
        );
        let joined = world.now().plus(-DAY_MS * i64::from(body.joined_days_ago));
        let settle = |member: &mut Member| {
            member.joined_at = joined;
            member.last_active = joined;
        };
        // The owner is in from the start.
        guild.members.values_mut().for_each(settle);
        world.guilds.insert(guild_id, guild);
        for user in &members {
            world.add_member_as(guild_id, *user, settle);
        }
        let channel = world.next_id();
        world.add_channel(Channel::new(channel, 0, Some(guild_id), "general"));
        for app in apps {
            world.add_bot(guild_id, app, owner, ADMINISTRATOR);
        }
        let guild = world.guilds.get(&guild_id).map(|g| world.guild_json(g));
        control.note("create_guild", json!({"id": guild_id, "name": body.name}));
        Ok(Json(json!({"guild": guild, "channel_id": channel})))
    })
}
