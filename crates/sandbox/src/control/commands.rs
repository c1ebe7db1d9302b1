//! From what a person picks and types to the `data` of a command interaction.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use splashtail_core::text::nearest;
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{
    AssetKind, Attachment, Id, InteractionError, Stored, World, clean_filename,
};

use super::usable::{exists, usable};

/// The data of a slash command or its autocompletion, and the application it goes to.
pub(super) struct Built {
    pub(super) app: Id,
    pub(super) data: Value,
}

/// What the person filled in.
pub(super) struct Filled<'a> {
    /// Command and subcommands, separated by spaces.
    pub(super) path: &'a str,
    pub(super) options: &'a Map<String, Value>,
    /// Of an autocompletion: the option being typed.
    pub(super) focused: Option<&'a str>,
}

/// Names the nearest, or all that are there.
fn no_command(path: &str, there: &[&str]) -> InteractionError {
    let last = path.split_whitespace().next_back().unwrap_or_default();
    let hint = match (nearest(last, there.iter().copied()), there) {
        (_, []) => {
            "; there is none: bots register theirs when they start, and a world that is loaded \
                    begins without"
                .to_owned()
        }
        (Some(near), _) => format!("; did you mean `{near}`?"),
        (None, there) => format!("; there are {}", there.join(", ")),
    };
    InteractionError::NoCommand(path.to_owned(), hint)
}

fn branches(options: &[Value]) -> Vec<&str> {
    let branches = options.iter().filter(|o| is_branch(o));
    branches.filter_map(|o| o["name"].as_str()).collect()
}

pub(super) fn slash(
    world: &mut World,
    (guild, channel, user): (Option<Id>, Id, Id),
    filled: &Filled<'_>,
) -> Result<Built, InteractionError> {
    let mut path = filled.path.trim_start_matches('/').split_whitespace();
    let name = path.next().unwrap_or_default();
    let missing = |there: &[&str]| no_command(filled.path, there);
    let (app, command) = {
        let all = usable(world, guild, Some(channel), user);
        let slash = all.iter().filter(|u| u.command.kind == 1);
        let mut slash = slash.map(|u| (u.command.name.as_str(), u));
        let names: Vec<&str> = slash.clone().map(|(name, _)| name).collect();
        match slash.find(|(there, _)| *there == name).map(|(_, u)| u) {
            Some(found) => (found.app.id, found.command.clone()),
            None if exists(world, guild, name) => return Err(InteractionError::NotAllowed),
            None => return Err(missing(&names)),
        }
    };
    // Walk down the subcommands.
    let mut levels: Vec<(String, u64)> = Vec::new();
    let mut options = command.options.clone();
    for step in path {
        let found = options.iter().find(|o| o["name"] == step && is_branch(o));
        let found = found.cloned();
        let found = found.ok_or_else(|| missing(&branches(&options)))?;
        levels.push((step.to_owned(), found["type"].as_u64().unwrap_or(1)));
        options = found["options"].as_array().cloned().unwrap_or_default();
    }
    if options.iter().any(is_branch) {
        // A subcommand has to be chosen.
        return Err(missing(&branches(&options)));
    }
    let mut resolved = Resolved::default();
    let bot = world.apps.get(&app).map_or(Id(0), |a| a.bot);
    let asking = Asking { guild, user, bot };
    let mut values = fill(world, &options, filled, asking, &mut resolved)?;
    for (name, kind) in levels.iter().rev() {
        values = vec![json!({"name": name, "type": kind, "options": values})];
    }
    let mut data = json!({"id": command.id, "name": command.name, "type": 1, "options": values});
    if let Some(resolved) = resolved.json() {
        data["resolved"] = resolved;
    }
    if let Some(guild) = command.guild {
        data["guild_id"] = json!(guild);
    }
    Ok(Built { app, data })
}

/// A user or message command on `target`.
pub(super) fn context_menu(
    world: &mut World,
    (guild, channel, user): (Option<Id>, Id, Id),
    name: &str,
    target: Id,
) -> Result<Built, InteractionError> {
    let (app, command) = {
        let all = usable(world, guild, Some(channel), user);
        let mut menus = all.iter().filter(|u| u.command.kind != 1);
        let names: Vec<&str> = menus.clone().map(|u| u.command.name.as_str()).collect();
        let found = menus.find(|u| u.command.name == name);
        let found = found.ok_or_else(|| no_command(name, &names))?;
        (found.app.id, found.command.clone())
    };
    let mut resolved = Resolved::default();
    let bad = |what: &str| InteractionError::BadOption("target".to_owned(), what.to_owned());
    if command.kind == 2 {
        if !resolved.user(world, guild, target) {
            return Err(bad("there is no such user"));
        }
    } else {
        let message = world
            .message(channel, target)
            .ok_or_else(|| bad("there is no such message"))?;
        let json = world.message_json(message, user);
        resolved.insert("messages", target, json);
    }
    let mut data = json!({
        "id": command.id, "name": command.name, "type": command.kind, "target_id": target,
        "resolved": resolved.json(),
    });
    if let Some(guild) = command.guild {
        data["guild_id"] = json!(guild);
    }
    Ok(Built { app, data })
}

fn is_branch(option: &Value) -> bool {
    matches!(option["type"].as_u64(), Some(1 | 2))
}

/// Who fills in a command of whose application, and in which guild.
#[derive(Debug, Clone, Copy)]
struct Asking {
    guild: Option<Id>,
    user: Id,
    bot: Id,
}

/// Values in the order of the command's own options, as clients send them.
fn fill(
    world: &mut World,
    options: &[Value],
    filled: &Filled<'_>,
    asking: Asking,
    resolved: &mut Resolved,
) -> Result<Vec<Value>, InteractionError> {
    let known = |name: &str| options.iter().any(|o| o["name"] == name);
    if let Some(unknown) = filled.options.keys().find(|k| !known(k)) {
        return Err(InteractionError::BadOption(
            unknown.clone(),
            "there is no such option".into(),
        ));
    }
    let mut values = Vec::new();
    for option in options {
        let name = option["name"].as_str().unwrap_or_default();
        let focused = filled.focused == Some(name);
        let Some(value) = filled.options.get(name).filter(|v| !v.is_null()) else {
            if option["required"] == true && filled.focused.is_none() {
                return Err(InteractionError::BadOption(
                    name.into(),
                    "it is required".into(),
                ));
            }
            continue;
        };
        let kind = option["type"].as_u64().unwrap_or(3);
        let value = if focused && matches!(kind, 3 | 4 | 10) {
            // What is being typed is sent as it stands.
            value.clone()
        } else {
            convert(world, option, kind, value, asking, resolved)
                .map_err(|why| InteractionError::BadOption(name.to_owned(), why))?
        };
        let mut entry = json!({"name": name, "type": kind, "value": value});
        if focused {
            entry["focused"] = true.into();
        }
        values.push(entry);
    }
    Ok(values)
}

fn convert(
    world: &mut World,
    option: &Value,
    kind: u64,
    value: &Value,
    Asking { guild, user, bot }: Asking,
    resolved: &mut Resolved,
) -> Result<Value, String> {
    let id = || -> Result<Id, String> {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        text.parse().map_err(|_| format!("`{text}` is not an id"))
    };
    let choices: &[Value] = option["choices"].as_array().map_or(&[], Vec::as_slice);
    let value = picked(choices, value);
    let converted = match kind {
        3 => {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let length = text.chars().count() as u64;
            let (min, max) = (option["min_length"].as_u64(), option["max_length"].as_u64());
            if min.is_some_and(|m| length < m) || length > max.unwrap_or(6000) {
                return Err("its length is out of bounds".to_owned());
            }
            json!(text)
        }
        4 | 10 => {
            let number = match value {
                Value::String(text) => text.parse::<f64>().ok(),
                other => other.as_f64(),
            };
            let number = number.ok_or_else(|| match choices {
                [] => "it is not a number".to_owned(),
                choices => none_of(choices),
            })?;
            if kind == 4 && number.fract() != 0.0 {
                return Err("it is not a whole number".to_owned());
            }
            let (min, max) = (option["min_value"].as_f64(), option["max_value"].as_f64());
            if min.is_some_and(|m| number < m) || max.is_some_and(|m| number > m) {
                return Err("it is out of bounds".to_owned());
            }
            if kind == 4 {
                json!(number as i64)
            } else {
                json!(number)
            }
        }
        5 => match value {
            Value::Bool(flag) => json!(flag),
            Value::String(text) if text == "true" => json!(true),
            Value::String(text) if text == "false" => json!(false),
            _ => return Err("it is neither true nor false".to_owned()),
        },
        6 | 8 | 9 => {
            let id = id()?;
            let found = (kind != 8 && resolved.user(world, guild, id))
                || (kind != 6 && resolved.role(world, guild, id));
            if !found {
                return Err(format!("{id} is not to be found here"));
            }
            json!(id)
        }
        7 => {
            let id = id()?;
            let channel = world.channels.get(&id).filter(|c| c.guild_id == guild);
            let channel = channel.ok_or_else(|| format!("there is no channel {id} here"))?;
            let types = option["channel_types"].as_array();
            if types.is_some_and(|t| !t.is_empty() && !t.iter().any(|t| *t == channel.kind)) {
                return Err("the channel is of another type".to_owned());
            }
            resolved.channel(world, id, user, bot);
            json!(id)
        }
        11 => json!(resolved.attachment(world, value)?),
        _ => return Err(format!("options of type {kind} are not known")),
    };
    if !choices.is_empty() && !choices.iter().any(|c| same(&c["value"], &converted)) {
        return Err(none_of(choices));
    }
    Ok(converted)
}

/// What a choice stands for when it is given by its name, as it stands on the screen. A value comes
/// before a name that reads the same, a name before one that differs in case.
fn picked<'v>(choices: &'v [Value], given: &'v Value) -> &'v Value {
    let Some(text) = given.as_str() else {
        return given;
    };
    let value = |choice: &&Value| match &choice["value"] {
        Value::String(value) => value == text,
        value => value.as_f64().is_some_and(|v| text.parse() == Ok(v)),
    };
    let name = |choice: &&Value| choice["name"] == text;
    let loosely = |choice: &&Value| {
        let name = choice["name"].as_str().unwrap_or_default();
        name.to_lowercase() == text.to_lowercase()
    };
    let found = choices
        .iter()
        .find(value)
        .or_else(|| choices.iter().find(name))
        .or_else(|| choices.iter().find(loosely));
    found.map_or(given, |choice| &choice["value"])
}

/// Discord has at most 25 choices.
fn none_of(choices: &[Value]) -> String {
    let names = choices.iter().filter_map(|c| c["name"].as_str());
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    format!("it is none of the choices: {}", names.join(", "))
}

/// Numbers are the same whether written as integers or not.
fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}

/// The `resolved` part of interaction data.
#[derive(Default)]
pub(super) struct Resolved(Map<String, Value>);

impl Resolved {
    pub(super) fn json(self) -> Option<Value> {
        (!self.0.is_empty()).then_some(Value::Object(self.0))
    }

    fn insert(&mut self, kind: &str, id: Id, value: Value) {
        let place = self.0.entry(kind.to_owned()).or_insert_with(|| json!({}));
        place[id.to_string()] = value;
    }

    /// `false` when there is no such user.
    pub(super) fn user(&mut self, world: &World, guild: Option<Id>, id: Id) -> bool {
        let Some(user) = world.users.get(&id) else {
            return false;
        };
        self.insert("users", id, user.json());
        if let Some(guild) = guild.and_then(|g| world.guilds.get(&g))
            && let Some(member) = guild.members.get(&id)
        {
            let mut json = member.bare_json();
            if let Some(map) = json.as_object_mut() {
                map.shift_remove("deaf");
                map.shift_remove("mute");
            }
            json["permissions"] = perm::in_guild(guild, id, world.now()).to_string().into();
            self.insert("members", id, json);
        }
        true
    }

    /// `false` when the guild has no such role.
    pub(super) fn role(&mut self, world: &World, guild: Option<Id>, id: Id) -> bool {
        let role = guild
            .and_then(|g| world.guilds.get(&g)?.roles.get(&id))
            .map(|r| r.json());
        let found = role.is_some();
        if let Some(role) = role {
            self.insert("roles", id, role);
        }
        found
    }

    /// As it is told to the application of `bot` when `user` names it.
    pub(super) fn channel(&mut self, world: &World, id: Id, user: Id, bot: Id) {
        if let Some(json) = world.resolved_channel_json(id, user, bot) {
            self.insert("channels", id, json);
        }
    }

    /// Uploads `{"filename", "content_base64"}`, or plain text as `file.txt`.
    fn attachment(&mut self, world: &mut World, value: &Value) -> Result<Id, String> {
        let (name, bytes) = match value {
            Value::String(text) => ("file.txt", text.clone().into_bytes()),
            other => {
                let name = other["filename"].as_str().ok_or("`filename` is needed")?;
                let content = other["content_base64"]
                    .as_str()
                    .ok_or("`content_base64` is needed")?;
                let bytes = STANDARD
                    .decode(content)
                    .map_err(|_| "`content_base64` is not base64")?;
                (name, bytes)
            }
        };
        let id = world.next_id();
        let content_type = match name.rsplit('.').next() {
            Some("png") => "image/png",
            Some("jpg" | "jpeg") => "image/jpeg",
            Some("json") => "application/json",
            Some("txt") => "text/plain",
            _ => "application/octet-stream",
        };
        let attachment = Attachment {
            id,
            filename: clean_filename(name),
            description: None,
            content_type: Some(content_type.to_owned()),
            size: bytes.len() as u64,
            width: None,
            height: None,
            ephemeral: true,
            spoiler: name.starts_with("SPOILER_"),
        };
        let stored = Stored {
            bytes: Bytes::from(bytes),
            content_type: content_type.to_owned(),
        };
        world.assets.keep_by_id(AssetKind::Attachment, id, stored);
        // Uploads of options belong to no channel; their links carry the attachment's own id.
        let json = world.attachment_json(id, &attachment);
        self.insert("attachments", id, json);
        Ok(id)
    }
}
