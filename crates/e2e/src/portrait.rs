//! What a server looks like, for tests that damage one and have it mended.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::backups::OWNER;
use crate::platform::Platform;

/// What Discord tells the owner: everything, on limits of their own.
///
/// # Panics
/// There is nothing.
pub async fn read(platform: &Platform, path: &str) -> Value {
    loop {
        let control = &platform.control;
        let answer = control.rest(OWNER, "GET", path, Value::Null).await.unwrap();
        if answer.status != 429 {
            assert_eq!(answer.status, 200, "GET {path}: {answer:?}");
            return answer.body;
        }
        let wait = answer.body["retry_after"].as_f64().unwrap();
        tokio::time::sleep(Duration::from_secs_f64(wait)).await;
    }
}

/// A server as people see it: objects by name, references by the name of what they lead to. Shares
/// no code with the platform.
///
/// # Panics
/// It cannot be read.
pub async fn portrait(platform: &Platform, guild: &str) -> BTreeMap<String, Value> {
    let channels = read(platform, &format!("/guilds/{guild}/channels")).await;
    let bans = read(platform, &format!("/guilds/{guild}/bans")).await;
    let members = read(platform, &format!("/guilds/{guild}/members?limit=1000")).await;
    let guild = read(platform, &format!("/guilds/{guild}")).await;
    let mut channels = channels.as_array().unwrap().clone();
    let mut roles = guild["roles"].as_array().unwrap().clone();
    let number = |id: &Value| id.as_str().unwrap().parse::<u64>().unwrap();
    roles.sort_by_key(|role| {
        (
            role["position"].as_i64(),
            std::cmp::Reverse(number(&role["id"])),
        )
    });
    channels.sort_by_key(|channel| (channel["position"].as_i64(), number(&channel["id"])));
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    for object in roles.iter().chain(&channels) {
        names.insert(object["id"].as_str().unwrap(), object["name"].to_string());
    }
    let named = |id: &Value| match id.as_str() {
        Some(id) => json!(names.get(id).cloned().unwrap_or_else(|| id.to_owned())),
        None => Value::Null,
    };
    let mut portrait = BTreeMap::new();
    let mut add = |key: String, value: Value| {
        let mut twin = 0;
        while portrait.contains_key(&format!("{key} {twin}")) {
            twin += 1;
        }
        portrait.insert(format!("{key} {twin}"), value);
    };
    let take = |object: &Value, fields: &[&str]| -> Value {
        let field = |name: &&str| ((*name).to_owned(), object[*name].clone());
        Value::Object(fields.iter().map(field).collect())
    };
    for (rank, role) in roles.iter().enumerate() {
        let mut value = take(
            role,
            &["permissions", "color", "colors", "hoist", "mentionable"],
        );
        value["rank"] = json!(rank);
        add(format!("role {}", role["name"]), value);
    }
    let mut places: BTreeMap<(String, bool), u32> = BTreeMap::new();
    for channel in &channels {
        let fields = [
            "topic",
            "nsfw",
            "rate_limit_per_user",
            "bitrate",
            "user_limit",
            "flags",
            "default_auto_archive_duration",
            "default_sort_order",
            "default_forum_layout",
        ];
        let mut value = take(channel, &fields);
        let mut overwrites: Vec<String> = channel["permission_overwrites"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| format!("{} {} {}", named(&o["id"]), o["allow"], o["deny"]))
            .collect();
        overwrites.sort();
        value["overwrites"] = json!(overwrites);
        let tags = channel["available_tags"].as_array().into_iter().flatten();
        value["tags"] = tags
            .map(|tag| take(tag, &["name", "moderated", "emoji_name"]))
            .collect();
        let parent = named(&channel["parent_id"]);
        // Below one parent channels with a voice follow those without.
        let voice = matches!(channel["type"].as_u64(), Some(2 | 13));
        let place = places.entry((parent.to_string(), voice)).or_default();
        value["place"] = json!(place);
        *place += 1;
        add(
            format!(
                "channel {} {} in {parent}",
                channel["type"], channel["name"]
            ),
            value,
        );
    }
    let settings = [
        "name",
        "description",
        "verification_level",
        "explicit_content_filter",
        "afk_timeout",
        "default_message_notifications",
        "preferred_locale",
        "system_channel_flags",
    ];
    let mut value = take(&guild, &settings);
    for reference in ["system_channel_id", "afk_channel_id", "rules_channel_id"] {
        value[reference] = named(&guild[reference]);
    }
    add("server".to_owned(), value);
    for member in members.as_array().unwrap() {
        let roles = member["roles"].as_array().unwrap().iter().map(&named);
        let mut roles: Vec<String> = roles.map(|role| role.to_string()).collect();
        roles.sort();
        // Whoever has nothing could come back by themselves.
        if !roles.is_empty() || !member["nick"].is_null() {
            let value = json!({"roles": roles, "nick": member["nick"]});
            add(format!("member {}", member["user"]["id"]), value);
        }
    }
    for ban in bans.as_array().unwrap() {
        add(format!("ban {}", ban["user"]["id"]), Value::Null);
    }
    portrait
}

/// What is different, but for what is named by one of these words.
#[must_use]
pub fn differences(
    one: &BTreeMap<String, Value>,
    other: &BTreeMap<String, Value>,
    but_for: &[&str],
) -> Vec<String> {
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differs = |key: &&String| {
        one.get(*key) != other.get(*key) && !but_for.iter().any(|name| key.contains(name))
    };
    let tell = |key| format!("{key}: {:?} / {:?}", one.get(key), other.get(key));
    keys.into_iter().filter(differs).map(tell).collect()
}
