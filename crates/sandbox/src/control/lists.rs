//! Guilds, members and users in bounded lists.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{Guild, Id, Member, User};

use super::{Answer, Ctl, Failure, Parameters, id};

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

    /// Whether it is just what was asked for: those come first, as others hold their names.
    fn is_just<'n>(&self, id: Id, names: impl IntoIterator<Item = &'n str>) -> bool {
        let bears = |name: &str| name.to_lowercase() == self.text;
        self.id == Some(id) || names.into_iter().any(bears)
    }
}

/// `GET /ctl/guilds`: guilds by id behind those called just so, and how many match.
pub(super) async fn guilds(
    State(control): Ctl,
    Parameters(search): Parameters<Search>,
) -> Json<Value> {
    let wanted = search.wanted();
    control.edge.sandbox.with_world(|world| {
        let mut found: Vec<&Guild> = world
            .guilds
            .values()
            .filter(|g| wanted.is(g.id, [g.name.as_str()]))
            .collect();
        found.sort_by_cached_key(|g| (!wanted.is_just(g.id, [g.name.as_str()]), g.id));
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
            let top = perm::top_role(place, m.user).map(|role| perm::rank(guild, role));
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

/// What a user is called everywhere.
fn names(user: &User) -> impl Iterator<Item = &str> {
    let names = user.global_name.as_deref();
    names.into_iter().chain([user.username.as_str()])
}

#[derive(Debug, Deserialize)]
pub(super) struct Outside {
    /// Leaves the members of this guild out.
    #[serde(default)]
    outside: Option<String>,
}

/// `GET /ctl/users`: everyone there is, by id behind whoever is called just so, in whatever guild or none; and how many match.
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
            let inside = guild.is_some_and(|g| g.members.contains_key(&user.id));
            let left_out = inside || (search.people && user.bot);
            !left_out && wanted.is(user.id, names(user))
        };
        let found = world.users.values().filter(fits);
        let ranked = found.map(|user| (!wanted.is_just(user.id, names(user)), user.id, user));
        let mut found: Vec<(bool, Id, &User)> = ranked.collect();
        let (total, limit) = (found.len(), search.limit());
        let rank = |(others, id, _): &(bool, Id, &User)| (*others, *id);
        if limit < total {
            found.select_nth_unstable_by_key(limit, rank);
            found.truncate(limit);
        }
        found.sort_unstable_by_key(rank);
        let users: Vec<Value> = found.iter().map(|(.., user)| user.json()).collect();
        Ok(Json(json!({"total": total, "users": users})))
    })
}
