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
    /// A whole name, or an id: only what fits it best is answered, and all that fits as well.
    #[serde(default)]
    called: Option<String>,
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

/// By what something fits, the best first; a name by its place among the names of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Id,
    Written(usize),
    InAnyCase(usize),
}

/// A name that was said in full, or an id.
struct Called {
    text: String,
    lower: String,
}

impl Called {
    fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            lower: text.to_lowercase(),
        }
    }

    /// How well something fits, the best first. `None`: not at all.
    fn rank<'n>(&self, id: Id, mut names: impl Iterator<Item = &'n str> + Clone) -> Option<Fit> {
        if id.to_string() == self.text {
            return Some(Fit::Id);
        }
        let written = names.clone().position(|name| name == self.text);
        let mut in_any_case = || names.position(|name| name.to_lowercase() == self.lower);
        written
            .map(Fit::Written)
            .or_else(|| in_any_case().map(Fit::InAnyCase))
    }

    /// Those that fit best, in their order.
    fn best<T>(&self, all: impl Iterator<Item = (Option<Fit>, T)>) -> Vec<T> {
        let fits = all.filter_map(|(rank, item)| Some((rank?, item)));
        let mut found: Vec<(Fit, T)> = fits.collect();
        let best = found.iter().map(|(rank, _)| *rank).min();
        found.retain(|(rank, _)| Some(*rank) == best);
        found.into_iter().map(|(_, item)| item).collect()
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
        let all = world.guilds.values();
        let found: Vec<&Guild> = if let Some(called) = search.called.as_deref().map(Called::new) {
            let rank = |g: &Guild| called.rank(g.id, std::iter::once(g.name.as_str()));
            called.best(all.map(|g| (rank(g), g)))
        } else {
            let fits = all.filter(|g| wanted.is(g.id, [g.name.as_str()]));
            let mut found: Vec<&Guild> = fits.collect();
            found.sort_by_cached_key(|g| (!wanted.is_just(g.id, [g.name.as_str()]), g.id));
            found
        };
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

/// What a user is called everywhere, the name that nobody else has first.
fn names(user: &User) -> impl Iterator<Item = &str> + Clone {
    let names = [user.username.as_str()].into_iter();
    names.chain(user.global_name.as_deref())
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
        let is_asked_for = |user: &&User| {
            let inside = guild.is_some_and(|g| g.members.contains_key(&user.id));
            !(inside || (search.people && user.bot))
        };
        let all = world.users.values().filter(is_asked_for);
        if let Some(called) = search.called.as_deref().map(Called::new) {
            let mut found = called.best(all.map(|user| (called.rank(user.id, names(user)), user)));
            found.sort_unstable_by_key(|user| user.id);
            let users = found.iter().take(search.limit()).map(|user| user.json());
            let users: Vec<Value> = users.collect();
            return Ok(Json(json!({"total": found.len(), "users": users})));
        }
        let found = all.filter(|user| wanted.is(user.id, names(user)));
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
