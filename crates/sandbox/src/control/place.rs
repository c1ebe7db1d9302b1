//! The world itself: loading, showing, and adding applications, users and guilds.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::types::{App, LoadWorld, NewApp, NewGuild, NewUser};
use super::{Answer, Body, Control, Ctl, Failure, Parameters, id};
use crate::world::permissions::{self as perm, ADMINISTRATOR, DEFAULT_EVERYONE};
use crate::world::{Application, Channel, Guild, Id, Member, Role, SessionStarts, User, World};

#[derive(Debug, Deserialize)]
pub(super) struct Detail {
    /// Only names, members' ids and roles, and of a large world only the beginning.
    #[serde(default)]
    summary: bool,
}

pub(super) async fn show(
    State(control): Ctl,
    Parameters(detail): Parameters<Detail>,
) -> Json<Value> {
    control.edge.sandbox.with_world(|world| {
        Json(if detail.summary {
            summary(world)
        } else {
            world.dump()
        })
    })
}

fn summary(world: &World) -> Value {
    let mut users: Vec<&User> = world.users.values().collect();
    users.sort_by_key(|u| u.id);
    let guilds = world.guilds.values().take(500).map(|g| {
        let mut roles: Vec<&Role> = g.roles.values().collect();
        roles.sort_by_key(|r| -r.position);
        json!({
            "id": g.id,
            "name": g.name,
            "owner_id": g.owner_id,
            "members": g.members.keys().take(1000).collect::<Vec<_>>(),
            "roles": roles.iter().map(|r| json!({"id": r.id, "name": r.name})).collect::<Vec<_>>(),
        })
    });
    json!({
        "world": world.name,
        "seed": world.seed,
        "users": users.iter().take(1000).map(|u| u.json()).collect::<Vec<_>>(),
        "guilds": guilds.collect::<Vec<_>>(),
    })
}

/// `GET /ctl/overview`: where the sandbox stands. Who follows the journal from `journal` on misses
/// nothing that happens after this answer.
pub(super) async fn overview(State(control): Ctl) -> Json<Value> {
    let sandbox = &control.edge.sandbox;
    let journal = sandbox.journal.last();
    let (now_ms, rate) = (sandbox.clock.now_ms(), sandbox.clock.rate());
    sandbox.with_world(|world| {
        Json(json!({
            "world": world.name,
            "seed": world.seed,
            "cdn": world.addresses.rest,
            "journal": journal,
            "now_ms": now_ms,
            "rate": rate,
        }))
    })
}

/// A bounded list with a search.
#[derive(Debug, Deserialize)]
pub(super) struct Search {
    /// Part of a name in any case, or an id.
    #[serde(default)]
    query: String,
    #[serde(default = "fifty")]
    limit: usize,
    /// Leaves bots out.
    #[serde(default)]
    people: bool,
}

fn fifty() -> usize {
    50
}

impl Search {
    fn limit(&self) -> usize {
        self.limit.min(200)
    }

    fn wanted(&self) -> Wanted {
        let text = self.query.trim().to_lowercase();
        Wanted {
            id: text.parse().ok(),
            text,
        }
    }
}

/// A query, read once for a whole list.
struct Wanted {
    text: String,
    id: Option<Id>,
}

impl Wanted {
    fn is<'n>(&self, id: Id, names: impl IntoIterator<Item = &'n str>) -> bool {
        let holds = |name: &str| name.to_lowercase().contains(&self.text);
        self.text.is_empty() || self.id == Some(id) || names.into_iter().any(holds)
    }
}

/// `GET /ctl/guilds`: guilds by id, and how many match.
pub(super) async fn guilds(
    State(control): Ctl,
    Parameters(search): Parameters<Search>,
) -> Json<Value> {
    let wanted = search.wanted();
    control.edge.sandbox.with_world(|world| {
        let found: Vec<&Guild> = world
            .guilds
            .values()
            .filter(|g| wanted.is(g.id, [g.name.as_str()]))
            .collect();
        let line = |g: &&Guild| {
            json!({
                "id": g.id, "name": g.name, "icon": g.icon, "owner_id": g.owner_id,
                "members": g.members.len(),
            })
        };
        let guilds: Vec<Value> = found.iter().take(search.limit()).map(line).collect();
        Json(json!({"total": found.len(), "guilds": guilds}))
    })
}

/// `GET /ctl/guilds/{guild}/members`: the owner, then by highest role and id; and how many match.
pub(super) async fn members(
    State(control): Ctl,
    Path(guild): Path<String>,
    Parameters(search): Parameters<Search>,
) -> Answer {
    let guild = id(&guild)?;
    control.edge.sandbox.with_world(|world| {
        let place = world.guilds.get(&guild);
        let place = place.ok_or_else(|| Failure::missing("guild", &guild.to_string()))?;
        let wanted = search.wanted();
        let fits = |m: &&Member| {
            world.users.get(&m.user).is_some_and(|user| {
                let names = [&m.nick, &user.global_name].into_iter().flatten();
                let names = names.map(String::as_str).chain([user.username.as_str()]);
                !(search.people && user.bot) && wanted.is(m.user, names)
            })
        };
        // Only the wanted few are sorted: a guild may have 50,000 members.
        let rank = |m: &&Member| {
            let top = perm::top_role(place, m.user).map(perm::rank);
            (m.user != place.owner_id, std::cmp::Reverse(top), m.user)
        };
        let mut found: Vec<&Member> = place.members.values().filter(fits).collect();
        let (total, limit) = (found.len(), search.limit());
        if limit < total {
            found.select_nth_unstable_by_key(limit, rank);
            found.truncate(limit);
        }
        found.sort_by_key(rank);
        let members: Vec<Value> = found.iter().map(|m| world.member_json(m)).collect();
        Ok(Json(json!({"total": total, "members": members})))
    })
}

#[derive(Debug, Deserialize)]
pub(super) struct Outside {
    /// Leaves the members of this guild out.
    #[serde(default)]
    outside: Option<String>,
}

/// `GET /ctl/users`: everyone there is by id, in whatever guild or none; and how many match.
pub(super) async fn users(
    State(control): Ctl,
    Parameters(search): Parameters<Search>,
    Parameters(Outside { outside }): Parameters<Outside>,
) -> Answer {
    let wanted = search.wanted();
    let outside = outside.as_deref().map(id).transpose()?;
    control.edge.sandbox.with_world(|world| {
        let guild = outside.and_then(|guild| world.guilds.get(&guild));
        let fits = |user: &&User| {
            let names = user.global_name.as_deref();
            let names = names.into_iter().chain([user.username.as_str()]);
            let inside = guild.is_some_and(|g| g.members.contains_key(&user.id));
            let left_out = inside || (search.people && user.bot);
            !left_out && wanted.is(user.id, names)
        };
        let mut found: Vec<&User> = world.users.values().filter(fits).collect();
        let (total, limit) = (found.len(), search.limit());
        if limit < total {
            found.select_nth_unstable_by_key(limit, |user| user.id);
            found.truncate(limit);
        }
        found.sort_unstable_by_key(|user| user.id);
        let users: Vec<Value> = found.iter().map(|user| user.json()).collect();
        Ok(Json(json!({"total": total, "users": users})))
    })
}

async fn loaded(control: &Control, name: &str, seed: u64) -> Answer {
    control.edge.drills.clear().await;
    control
        .edge
        .load(name, seed)
        .map_err(|error| Failure::bad(error.to_string()))?;
    Ok(Json(json!({"world": name, "seed": seed})))
}

/// `POST /ctl/world`: replaces everything by a built-in world.
pub(super) async fn load(State(control): Ctl, Body(body): Body<LoadWorld>) -> Answer {
    let seed = body.seed.unwrap_or(1);
    loaded(&control, body.world.as_deref().unwrap_or("small"), seed).await
}

/// `POST /ctl/reset`: the present world from its beginning.
pub(super) async fn reset(State(control): Ctl) -> Answer {
    let (name, seed) = control
        .edge
        .sandbox
        .with_world(|w| (w.name.clone(), w.seed));
    loaded(&control, &name, seed).await
}

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

/// Privileged intents of large and small applications, all switched on.
const ALL_INTENTS: u64 = (1 << 12) | (1 << 13) | (1 << 14) | (1 << 15) | (1 << 18) | (1 << 19);

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
    control.edge.sandbox.with_world(|world| {
        if let Some(unknown) = guilds.iter().find(|g| !world.guilds.contains_key(g)) {
            return Err(Failure::missing("guild", &unknown.to_string()));
        }
        let app = Application {
            redirect_uris: body.redirect_uris.clone(),
            flags: body.flags.unwrap_or(ALL_INTENTS),
            ..new_app(world, body.name.as_deref().unwrap_or("Another bot"))
        };
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

/// An application with secrets of its own, not yet part of the world.
pub(crate) fn new_app(world: &mut World, name: &str) -> Application {
    let id = world.next_id();
    let owner = world.users.values().filter(|u| !u.bot).map(|u| u.id).min();
    Application {
        id,
        bot: id,
        name: name.to_owned(),
        description: String::new(),
        icon: None,
        owner: owner.unwrap_or(id),
        token: format!(
            "{}.{}",
            token_head(id),
            world.secret(&format!("bot {id}"), 30)
        ),
        client_secret: world.secret(&format!("client {id}"), 32),
        redirect_uris: Vec::new(),
        flags: ALL_INTENTS,
        shards: 1,
        max_concurrency: 1,
        sessions: SessionStarts::default(),
        global_commands: Default::default(),
        guild_commands: Default::default(),
        emojis: Default::default(),
        command_creates: Default::default(),
    }
}

/// Tokens begin with the bot's id, as libraries expect that read it from there.
fn token_head(bot: Id) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(bot.to_string()) + ".sandbox"
}

pub(super) async fn create_user(State(control): Ctl, Body(body): Body<NewUser>) -> Answer {
    let wanted = body.id.as_deref().map(id).transpose()?;
    let length = body.username.as_ref().map(|name| name.chars().count());
    if length.is_some_and(|length| !(1..=32).contains(&length)) {
        return Err(Failure::bad("`username` has 1 to 32 characters"));
    }
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
    if body.name.trim().is_empty() {
        return Err(Failure::bad("`name` is needed"));
    }
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
        world.guilds.insert(guild_id, guild);
        world.add_member(guild_id, owner);
        for member in members.iter().filter(|m| **m != owner) {
            world.add_member(guild_id, *member);
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
