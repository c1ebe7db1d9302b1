//! From the names people use to the ids the sandbox wants.

use anyhow::{Result, bail};
use serde_json::Value;
use splashtail_sandbox::control::client::ControlClient;
use url::form_urlencoded::Serializer;

/// Names listed in a refusal.
const LISTED: usize = 12;

/// `path` with those parameters that have a value.
pub(crate) fn address(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = Serializer::new(String::new());
    for (key, value) in parameters {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

pub(crate) async fn get(client: &ControlClient, path: &str) -> Result<Value> {
    Ok(client.call(http::Method::GET, path, &Value::Null).await?)
}

fn is_id(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit())
}

fn items<'v>(value: &'v Value, keys: &[&str]) -> Vec<&'v Value> {
    keys.iter()
        .filter_map(|key| value[*key].as_array())
        .flatten()
        .collect()
}

/// Nothing is called so, and what is instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unknown(String);

/// What all of a kind are called in a refusal, and under which key their name stands.
#[derive(Clone, Copy)]
struct Kind {
    what: &'static str,
    name: &'static str,
}

const USER: Kind = Kind {
    what: "user",
    name: "username",
};
const SERVER: Kind = Kind {
    what: "server",
    name: "name",
};

impl Kind {
    /// The id of the only one of those that are called so; `None` when there are none.
    fn only(self, name: &str, found: &[&Value], total: usize) -> Result<Option<String>> {
        match found {
            [] => Ok(None),
            [one] if total == 1 => Ok(one["id"].as_str().map(str::to_owned)),
            _ => {
                let line = |item: &&Value| {
                    let text = |key| item[key].as_str().unwrap_or_default();
                    format!("{} ({})", text(self.name), text("id"))
                };
                let listed = list(found.iter().map(line), total);
                let what = self.what;
                bail!("{total} {what}s are called `{name}`: {listed}; say which by its id")
            }
        }
    }

    fn unknown(self, name: &str, all: &[&Value], total: usize) -> anyhow::Error {
        let what = self.what;
        let names = all.iter().filter_map(|item| item[self.name].as_str());
        let why = match list(names.map(str::to_owned), total) {
            names if names.is_empty() => format!("there is no {what} `{name}`, and no other"),
            names => format!("there is no {what} `{name}`; there are {names}"),
        };
        Unknown(why).into()
    }
}

/// The first of `total`.
fn list(names: impl Iterator<Item = String>, total: usize) -> String {
    let names: Vec<String> = names.take(LISTED).collect();
    let more = if names.len() < total { ", …" } else { "" };
    names.join(", ") + more
}

/// Those of a list of the control API that answer a question, at most [`LISTED`], and how many there are.
async fn ask(
    client: &ControlClient,
    list: &str,
    question: (&str, Option<&str>),
) -> Result<(Vec<Value>, usize)> {
    let limit = LISTED.to_string();
    let path = address(
        &format!("/ctl/{list}"),
        &[question, ("limit", Some(&limit))],
    );
    let mut found = get(client, &path).await?;
    let total = found["total"].as_u64().unwrap_or_default();
    let items = match found[list].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    Ok((items, usize::try_from(total)?))
}

/// The id of the one in a list of the control API that is called so. A number that nobody has is an id
/// that may be made yet.
async fn called(client: &ControlClient, kind: Kind, list: &str, name: &str) -> Result<String> {
    let (found, total) = ask(client, list, ("called", Some(name))).await?;
    let found: Vec<&Value> = found.iter().collect();
    if let Some(id) = kind.only(name, &found, total)? {
        return Ok(id);
    }
    if is_id(name) {
        return Ok(name.to_owned());
    }
    refuse(client, kind, list, name).await
}

/// Says that none in a list of the control API is called so.
async fn refuse(client: &ControlClient, kind: Kind, list: &str, name: &str) -> Result<String> {
    let mut near = ask(client, list, ("query", Some(name))).await?;
    if near.0.is_empty() {
        near = ask(client, list, ("query", None)).await?;
    }
    let (near, total) = near;
    let near: Vec<&Value> = near.iter().collect();
    Err(kind.unknown(name, &near, total))
}

/// A user by id, username or display name.
pub(crate) async fn user(client: &ControlClient, name: &str) -> Result<String> {
    let name = name.strip_prefix('@').unwrap_or(name);
    called(client, USER, "users", name).await
}

/// A guild by id or name.
pub(crate) async fn guild(client: &ControlClient, name: &str) -> Result<String> {
    called(client, SERVER, "guilds", name).await
}

/// The guild with the lowest id, when there is one.
pub(crate) async fn first_guild(client: &ControlClient) -> Result<Option<String>> {
    let (guilds, _) = ask(client, "guilds", ("query", None)).await?;
    let first = guilds.first().and_then(|guild| guild["id"].as_str());
    Ok(first.map(str::to_owned))
}

/// Who owns a guild, by the guild's id.
pub(crate) async fn owner(client: &ControlClient, guild: &str) -> Result<String> {
    let (guilds, _) = ask(client, "guilds", ("called", Some(guild))).await?;
    let owner = guilds.iter().find(|g| g["id"] == guild);
    match owner.and_then(|g| g["owner_id"].as_str()) {
        Some(owner) => Ok(owner.to_owned()),
        None => refuse(client, SERVER, "guilds", guild).await,
    }
}

/// A channel or thread that `user` sees in `guild`, by id or name.
pub(crate) async fn channel(
    client: &ControlClient,
    user: &str,
    guild: Option<&str>,
    name: &str,
) -> Result<String> {
    let name = name.strip_prefix('#').unwrap_or(name);
    let kind = Kind {
        what: "channel",
        name: "name",
    };
    seen(client, (user, guild), kind, &["channels", "threads"], name).await
}

/// A role of `guild`, by id or name.
pub(crate) async fn role(
    client: &ControlClient,
    user: &str,
    guild: Option<&str>,
    name: &str,
) -> Result<String> {
    let kind = Kind {
        what: "role",
        name: "name",
    };
    seen(client, (user, guild), kind, &["roles"], name).await
}

/// A role of `guild`; or a user, when no role is called so.
pub(crate) async fn role_or_user(
    client: &ControlClient,
    actor: &str,
    guild: Option<&str>,
    name: &str,
) -> Result<String> {
    let no_role = match role(client, actor, guild, name).await {
        Err(error) if error.is::<Unknown>() => error,
        found => return found,
    };
    match user(client, name).await {
        Err(error) if error.is::<Unknown>() => Err(no_role),
        found => found,
    }
}

/// Something that the user sees of a guild, in the first of these lists that has it.
async fn seen(
    client: &ControlClient,
    (user, guild): (&str, Option<&str>),
    kind: Kind,
    lists: &[&str],
    name: &str,
) -> Result<String> {
    let Some(guild) = guild else {
        if is_id(name) {
            return Ok(name.to_owned());
        }
        let what = kind.what;
        let why = format!("`{name}` is the name of a {what}: say of which server with --guild");
        return Err(Unknown(why).into());
    };
    let path = format!("/ctl/as/{user}/guild");
    let view = get(client, &address(&path, &[("guild_id", Some(guild))])).await;
    // What has an id need not be seen by the user who tries something with it.
    let view = match view {
        Err(_) if is_id(name) => return Ok(name.to_owned()),
        view => view?,
    };
    for list in lists {
        let all = items(&view, &[list]);
        if let Some(id) = one_of(kind, &all, name)? {
            return Ok(id);
        }
    }
    if is_id(name) {
        return Ok(name.to_owned());
    }
    let all = items(&view, lists);
    Err(kind.unknown(name, &all, all.len()))
}

/// The only one of a list that has this id, else this name, else this name in any case.
fn one_of(kind: Kind, all: &[&Value], name: &str) -> Result<Option<String>> {
    let lower = name.to_lowercase();
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let ways: [&dyn Fn(&Value) -> bool; 3] = [
        &|item: &Value| text(item, "id") == name,
        &|item: &Value| text(item, kind.name) == name,
        &|item: &Value| text(item, kind.name).to_lowercase() == lower,
    ];
    for fits in ways {
        let found: Vec<&Value> = all.iter().copied().filter(|item| fits(item)).collect();
        if let Some(id) = kind.only(name, &found, found.len())? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// An application by id or name.
pub(crate) async fn application(client: &ControlClient, name: &str) -> Result<String> {
    let all = get(client, "/ctl/apps").await?;
    let all: Vec<&Value> = all.as_array().into_iter().flatten().collect();
    let kind = Kind {
        what: "application",
        name: "name",
    };
    match one_of(kind, &all, name)? {
        Some(id) => Ok(id),
        None if is_id(name) => Ok(name.to_owned()),
        None => Err(kind.unknown(name, &all, all.len())),
    }
}

#[cfg(test)]
mod tests;
