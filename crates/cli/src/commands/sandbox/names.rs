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

/// The id of what bears `name`, in any case, under one of `keys`.
fn find(all: &[&Value], keys: &[&str], name: &str) -> Option<String> {
    let bears = |item: &&&Value| {
        keys.iter().any(|key| {
            item[*key]
                .as_str()
                .is_some_and(|n| n.eq_ignore_ascii_case(name))
        })
    };
    Some(all.iter().find(bears)?["id"].as_str()?.to_owned())
}

fn items<'v>(value: &'v Value, keys: &[&str]) -> Vec<&'v Value> {
    keys.iter()
        .filter_map(|key| value[*key].as_array())
        .flatten()
        .collect()
}

fn unknown(what: &str, name: &str, all: &[&Value], key: &str) -> anyhow::Error {
    let mut names: Vec<&str> = all.iter().filter_map(|item| item[key].as_str()).collect();
    let more = if names.len() > LISTED { ", …" } else { "" };
    names.truncate(LISTED);
    match names[..] {
        [] => anyhow::anyhow!("there is no {what} `{name}`, and no other"),
        _ => anyhow::anyhow!(
            "there is no {what} `{name}`; there are {}{more}",
            names.join(", ")
        ),
    }
}

/// A user by id, username or display name.
pub(crate) async fn user(client: &ControlClient, name: &str) -> Result<String> {
    if is_id(name) {
        return Ok(name.to_owned());
    }
    let world = client.summary().await?;
    let users = items(&world, &["users"]);
    let name = name.strip_prefix('@').unwrap_or(name);
    find(&users, &["username", "global_name"], name)
        .ok_or_else(|| unknown("user", name, &users, "username"))
}

/// A guild by id or name.
pub(crate) async fn guild(client: &ControlClient, name: &str) -> Result<String> {
    if is_id(name) {
        return Ok(name.to_owned());
    }
    let search = |query| address("/ctl/guilds", &[("query", query), ("limit", Some("200"))]);
    let found = get(client, &search(Some(name))).await?;
    if let Some(id) = find(&items(&found, &["guilds"]), &["name"], name) {
        return Ok(id);
    }
    let all = get(client, &search(None)).await?;
    Err(unknown("server", name, &items(&all, &["guilds"]), "name"))
}

/// Who owns a guild, by the guild's id.
pub(crate) async fn owner(client: &ControlClient, guild: &str) -> Result<String> {
    let world = client.summary().await?;
    let guilds = items(&world, &["guilds"]);
    let mut owners = guilds.iter().filter(|g| g["id"] == guild);
    let owner = owners.find_map(|g| g["owner_id"].as_str());
    owner
        .map(str::to_owned)
        .ok_or_else(|| unknown("server", guild, &guilds, "name"))
}

/// A channel or thread that `user` sees in `guild`, by id or name.
pub(crate) async fn channel(
    client: &ControlClient,
    user: &str,
    guild: Option<&str>,
    name: &str,
) -> Result<String> {
    let name = name.strip_prefix('#').unwrap_or(name);
    seen(
        client,
        (user, guild),
        ("channel", &["channels", "threads"]),
        name,
    )
    .await
}

/// A role of `guild`, by id or name.
pub(crate) async fn role(
    client: &ControlClient,
    user: &str,
    guild: Option<&str>,
    name: &str,
) -> Result<String> {
    seen(client, (user, guild), ("role", &["roles"]), name).await
}

/// Something that the user sees of a guild, in one of these lists.
async fn seen(
    client: &ControlClient,
    (user, guild): (&str, Option<&str>),
    (what, lists): (&str, &[&str]),
    name: &str,
) -> Result<String> {
    if is_id(name) {
        return Ok(name.to_owned());
    }
    let Some(guild) = guild else {
        bail!("`{name}` is the name of a {what}: say of which server with --guild");
    };
    let path = format!("/ctl/as/{user}/guild");
    let view = get(client, &address(&path, &[("guild_id", Some(guild))])).await?;
    let all = items(&view, lists);
    find(&all, &["name"], name).ok_or_else(|| unknown(what, name, &all, "name"))
}

/// An application by id or name.
pub(crate) async fn application(client: &ControlClient, name: &str) -> Result<String> {
    if is_id(name) {
        return Ok(name.to_owned());
    }
    let all = get(client, "/ctl/apps").await?;
    let all: Vec<&Value> = all.as_array().into_iter().flatten().collect();
    find(&all, &["name"], name).ok_or_else(|| unknown("application", name, &all, "name"))
}
