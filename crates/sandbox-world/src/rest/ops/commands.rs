//! Application commands, global and of guilds, and who may use them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Table;
use super::apps;
use crate::rest::cx::{Caller, Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::{Form, LOCALES, listed};
use crate::world::permissions as perm;
use crate::world::{Audit, Change, Command, CommandPermission, Id, action, intent};

/// Characters of names, descriptions and values of one command, each in its longest language.
const MAX_TOTAL: usize = 8000;
/// New commands a scope may get in a day.
const MAX_CREATES: u32 = 200;
const DAY_MS: i64 = 86_400_000;

pub(super) fn routes(table: &mut Table) {
    const GLOBAL: &str = "/applications/{application_id}/commands";
    const ONE: &str = "/applications/{application_id}/commands/{command_id}";
    const GUILD: &str = "/applications/{application_id}/guilds/{guild_id}/commands";
    const GUILD_ONE: &str =
        "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}";
    table.get(GLOBAL, "list_application_commands", list);
    table.post(GLOBAL, "create_application_command", create);
    table.put(GLOBAL, "bulk_set_application_commands", replace);
    table.get(ONE, "get_application_command", get);
    table.patch(ONE, "update_application_command", update);
    table.delete(ONE, "delete_application_command", delete);
    table.get(GUILD, "list_guild_application_commands", list);
    table.post(GUILD, "create_guild_application_command", create);
    table.put(GUILD, "bulk_set_guild_application_commands", replace);
    table.get(GUILD_ONE, "get_guild_application_command", get);
    table.patch(GUILD_ONE, "update_guild_application_command", update);
    table.delete(GUILD_ONE, "delete_guild_application_command", delete);
    table.get(
        "/applications/{application_id}/guilds/{guild_id}/commands/permissions",
        "list_guild_application_command_permissions",
        list_permissions,
    );
    const PERMISSIONS: &str =
        "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}/permissions";
    table.get(
        PERMISSIONS,
        "get_guild_application_command_permissions",
        get_permissions,
    );
    table
        .put(
            PERMISSIONS,
            "set_guild_application_command_permissions",
            set_permissions,
        )
        .auth(crate::rest::routes::Auth::Scope(
            "applications.commands.permissions.update",
        ));
}

/// The application and the scope in the path: a guild it is in, or everywhere.
fn scope(cx: &Cx<'_>) -> Result<(Id, Option<Id>), ApiError> {
    let app = apps::in_path(cx)?;
    if cx.param("guild_id").is_empty() {
        return Ok((app, None));
    }
    let guild = cx.id("guild_id")?;
    let state = cx.world.guilds.get(&guild).ok_or(error::UNKNOWN_GUILD)?;
    let installed = state.integrations.values().any(|i| i.app == app);
    Cx::refuse_if(!installed, error::MISSING_ACCESS)?;
    Ok((app, Some(guild)))
}

fn commands<'c>(cx: &'c Cx<'_>, app: Id, guild: Option<Id>) -> Option<&'c BTreeMap<Id, Command>> {
    let app = cx.world.apps.get(&app)?;
    match guild {
        Some(guild) => app.guild_commands.get(&guild),
        None => Some(&app.global_commands),
    }
}

fn commands_mut<'c>(
    cx: &'c mut Cx<'_>,
    app: Id,
    guild: Option<Id>,
) -> Option<&'c mut BTreeMap<Id, Command>> {
    let app = cx.world.apps.get_mut(&app)?;
    match guild {
        Some(guild) => Some(app.guild_commands.entry(guild).or_default()),
        None => Some(&mut app.global_commands),
    }
}

fn shown(app: Id, command: &Command, localized: bool) -> Value {
    let mut json = command.json(app);
    if !localized && let Some(map) = json.as_object_mut() {
        // Lists leave the translations out unless they are asked for.
        map.shift_remove("name_localizations");
        map.shift_remove("description_localizations");
    }
    json
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (app, guild) = scope(cx)?;
    let localized = cx.query_flag("with_localizations", false);
    let all = commands(cx, app, guild)
        .into_iter()
        .flat_map(BTreeMap::values);
    Reply::ok(all.map(|c| shown(app, c, localized)).collect::<Vec<_>>())
}

fn found(cx: &Cx<'_>) -> Result<(Id, Option<Id>, Command), ApiError> {
    let (app, guild) = scope(cx)?;
    let id = cx.id("command_id")?;
    let command = commands(cx, app, guild)
        .and_then(|c| c.get(&id))
        .ok_or(error::UNKNOWN_COMMAND)?;
    Ok((app, guild, command.clone()))
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (app, _, command) = found(cx)?;
    Reply::ok(command.json(app))
}

fn blank(id: Id, guild: Option<Id>) -> Command {
    Command {
        id,
        guild,
        version: id,
        kind: 1,
        name: String::new(),
        name_localizations: Value::Null,
        description: String::new(),
        description_localizations: Value::Null,
        options: Vec::new(),
        default_member_permissions: None,
        dm_permission: true,
        nsfw: false,
        contexts: None,
        integration_types: None,
    }
}

/// A name as chat input commands and options need it.
fn slash_name(name: &str) -> bool {
    let allowed = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '-' | '_' | '\'')
            // Combining marks of Devanagari and Thai.
            || matches!(c, '\u{900}'..='\u{97f}' | '\u{e00}'..='\u{e7f}')
    };
    name.chars().all(allowed) && name.to_lowercase() == name
}

fn read_name(form: &mut Form<'_>, kind: u8) -> Option<String> {
    let name = form.text("name", 1..=32)?;
    if kind == 1 && !slash_name(&name) {
        form.error(
            "name",
            "APPLICATION_COMMAND_INVALID_NAME",
            "Command name is invalid",
        );
        return None;
    }
    Some(name)
}

/// Reads a command into `command`; absent fields stay as they are.
fn read(form: &mut Form<'_>, command: &mut Command, fresh: bool) {
    if fresh {
        command.kind = form.choice("type", &[1, 2, 3]).unwrap_or(1) as u8;
        form.require("name");
    }
    if let Some(name) = read_name(form, command.kind) {
        command.name = name;
    }
    if command.kind == 1 {
        if fresh {
            form.require("description");
        }
        if let Some(text) = form.text("description", 1..=100) {
            command.description = text;
        }
    } else if form
        .raw("description")
        .and_then(Value::as_str)
        .is_some_and(|d| !d.is_empty())
    {
        form.error(
            "description",
            "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_INVALID",
            "Context menu commands cannot have description",
        );
    }
    for (key, slot) in [
        ("name_localizations", &mut command.name_localizations),
        (
            "description_localizations",
            &mut command.description_localizations,
        ),
    ] {
        if form.has(key) {
            let most = if key.starts_with("name") { 32 } else { 100 };
            *slot = localizations(form, key, most);
        }
    }
    if form.has("default_member_permissions") {
        command.default_member_permissions = form.permissions("default_member_permissions");
    }
    if let Some(on) = form.flag("dm_permission") {
        command.dm_permission = on;
    }
    if let Some(on) = form.flag("nsfw") {
        command.nsfw = on;
    }
    for (key, slot, possible) in [
        ("contexts", &mut command.contexts, &[0, 1, 2][..]),
        ("integration_types", &mut command.integration_types, &[0, 1]),
    ] {
        if form.has(key) {
            let given = form.raw(key).is_some();
            let chosen = choices_of(form, key, possible);
            *slot = given.then(|| chosen.into());
        }
    }
    if form.has("options") {
        command.options = options(form, 0);
    }
    let total = characters(&json!({
        "name": command.name,
        "name_localizations": command.name_localizations,
        "description": command.description,
        "description_localizations": command.description_localizations,
        "options": command.options,
    }));
    if total > MAX_TOTAL {
        form.error(
            "options",
            "APPLICATION_COMMAND_TOO_LARGE",
            "Command exceeds maximum size (8000)",
        );
    }
}

/// Characters of all names, descriptions and values in a command. Of a text in several languages
/// the longest counts, the default among them (discord-api-docs#5343).
fn characters(value: &Value) -> usize {
    let own: usize = ["name", "description", "value"]
        .iter()
        .map(|key| {
            let languages = value[format!("{key}_localizations")].as_object();
            let texts = languages.into_iter().flat_map(Map::values);
            let texts = texts.chain([&value[*key]]).filter_map(Value::as_str);
            texts.map(|text| text.chars().count()).max().unwrap_or(0)
        })
        .sum();
    let lists = ["options", "choices"]
        .iter()
        .filter_map(|k| value.get(k)?.as_array());
    own + lists.flatten().map(characters).sum::<usize>()
}

fn options(form: &mut Form<'_>, depth: u8) -> Vec<Value> {
    let Some(list) = form.list("options", 25) else {
        return Vec::new();
    };
    let path = form.path_to("options");
    let mut names = BTreeSet::new();
    let mut optional_seen = false;
    let mut out = Vec::with_capacity(list.len());
    let mut problems = Vec::new();
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &format!("{path}.{n}"));
        let kind = option(&mut part, depth, &mut out);
        if let Some(name) = value["name"].as_str()
            && !names.insert(name.to_owned())
        {
            part.error(
                "name",
                "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS",
                "Option name already exists in these options",
            );
        }
        if kind > 2 {
            let required = value["required"] == true;
            if required && optional_seen {
                part.error(
                    "required",
                    "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                    "Required options must be placed before non-required options",
                );
            }
            optional_seen |= !required;
        }
        problems.push(part);
    }
    for part in problems {
        form.absorb(part);
    }
    out
}

/// Checks one option, adds it to `out` and returns its type.
fn option(part: &mut Form<'_>, depth: u8, out: &mut Vec<Value>) -> i64 {
    part.require("type");
    part.require("name");
    part.require("description");
    let kinds: &[i64] = match depth {
        0 => &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        1 => &[1, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        _ => &[3, 4, 5, 6, 7, 8, 9, 10, 11],
    };
    let kind = part.choice("type", kinds).unwrap_or(0);
    let mut json = json!({
        "type": kind,
        "name": read_name(part, 1),
        "description": part.text("description", 1..=100),
    });
    for key in ["name_localizations", "description_localizations"] {
        if part.raw(key).is_some() {
            let most = if key.starts_with("name") { 32 } else { 100 };
            json[key] = localizations(part, key, most);
        }
    }
    if kind == 1 || kind == 2 {
        let given = part.has("options");
        let inner = options(part, if kind == 2 { 1 } else { 2 });
        if given {
            json["options"] = inner.into();
        }
    } else {
        value_rules(part, kind, &mut json);
    }
    out.push(json);
    kind
}

/// What only options with a value have.
fn value_rules(part: &mut Form<'_>, kind: i64, json: &mut Value) {
    for key in ["required", "autocomplete"] {
        if let Some(on) = part.flag(key) {
            json[key] = on.into();
        }
    }
    for (key, most) in [("min_length", 6000), ("max_length", 6000)] {
        if let Some(n) = part.int(key, 0..=most).filter(|_| kind == 3) {
            json[key] = n.into();
        }
    }
    for key in ["min_value", "max_value"] {
        match part.raw(key) {
            Some(Value::Number(n)) if matches!(kind, 4 | 10) => json[key] = n.clone().into(),
            Some(Value::Number(_)) | None => {}
            Some(_) => part.error(key, "NUMBER_TYPE_COERCE", "Value is not int."),
        }
    }
    if kind == 7 && part.raw("channel_types").is_some() {
        let kinds = [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 16];
        json["channel_types"] = choices_of(part, "channel_types", &kinds).into();
    }
    let Some(list) = part.list("choices", 25).filter(|l| !l.is_empty()) else {
        return;
    };
    let path = part.path_to("choices");
    let mut choices = Vec::with_capacity(list.len());
    for (n, choice) in list.iter().enumerate() {
        let mut inner = Form::at(choice, &format!("{path}.{n}"));
        choices.push(read_choice(&mut inner, kind));
        part.absorb(inner);
    }
    json["choices"] = choices.into();
    if json["autocomplete"] == true {
        part.error(
            "autocomplete",
            "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_INVALID",
            "Autocomplete cannot be used with choices",
        );
    }
}

fn read_choice(inner: &mut Form<'_>, kind: i64) -> Value {
    inner.require("name");
    inner.require("value");
    let mut json = json!({"name": inner.text("name", 1..=100)});
    if inner.raw("name_localizations").is_some() {
        json["name_localizations"] = localizations(inner, "name_localizations", 100);
    }
    json["value"] = match inner.raw("value") {
        Some(Value::Number(n)) if matches!(kind, 4 | 10) => n.clone().into(),
        Some(_) if kind == 3 => inner.text("value", 1..=100).into(),
        None => Value::Null,
        Some(_) => {
            inner.error("value", "NUMBER_TYPE_COERCE", "Value is not int.");
            Value::Null
        }
    };
    json
}

/// Texts by language, each as long as the text that it translates may be.
fn localizations(form: &mut Form<'_>, key: &str, most: usize) -> Value {
    let Some(given) = form.raw(key) else {
        return Value::Null;
    };
    let Some(map) = given.as_object() else {
        form.error(
            key,
            "DICT_TYPE_CONVERT",
            "Only dictionaries may be used in a DictType",
        );
        return Value::Null;
    };
    let mut part = Form::at(given, &form.path_to(key));
    let mut texts = Map::new();
    for language in map.keys() {
        if LOCALES.contains(&language.as_str()) {
            if let Some(text) = part.text(language, 1..=most) {
                texts.insert(language.clone(), text.into());
            }
        } else {
            part.error(
                language,
                "ENUM_TYPE_COERCE",
                format!("Value \"{language}\" is not a valid enum value."),
            );
        }
    }
    form.absorb(part);
    texts.into()
}

/// A list of numbers of which only some are possible.
fn choices_of(form: &mut Form<'_>, key: &str, possible: &[i64]) -> Vec<i64> {
    let list = form.list(key, possible.len()).unwrap_or_default();
    let mut chosen = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        match value.as_i64().filter(|v| possible.contains(v)) {
            Some(value) if chosen.contains(&value) => {}
            Some(value) => chosen.push(value),
            None => form.error(
                &format!("{key}.{n}"),
                "BASE_TYPE_CHOICES",
                "Value is not one of the choices.",
            ),
        }
    }
    chosen
}

/// Whether a scope has room for these commands.
fn check_counts<'a>(all: impl Iterator<Item = &'a Command>) -> Result<(), ApiError> {
    let mut counts = [0u32; 4];
    for command in all {
        counts[usize::from(command.kind.min(3))] += 1;
    }
    for (kind, most) in [(1, 100), (2, 15), (3, 15)] {
        if counts[kind] > most {
            return Err(ApiError::because(
                error::MAX_COMMANDS,
                format!("Maximum number of application commands reached ({most})."),
            ));
        }
    }
    Ok(())
}

/// Counts new commands of a day, which starts with the first of them.
fn count_creates(cx: &mut Cx<'_>, app: Id, guild: Option<Id>, new: u32) -> Result<(), ApiError> {
    let now = cx.steady_ms();
    let Some(app) = cx.world.apps.get_mut(&app) else {
        return Ok(());
    };
    let fresh = (now + DAY_MS, 0);
    let slot = app.command_creates.entry(guild).or_insert(fresh);
    if now >= slot.0 {
        *slot = fresh;
    }
    Cx::refuse_if(slot.1 + new > MAX_CREATES, error::MAX_COMMAND_CREATES)?;
    slot.1 += new;
    Ok(())
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (app, guild) = scope(cx)?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let mut command = blank(Id(0), guild);
    read(&mut form, &mut command, true);
    form.done()?;
    let all = commands(cx, app, guild);
    let same = all
        .and_then(|c| {
            c.values()
                .find(|c| c.name == command.name && c.kind == command.kind)
        })
        .map(|c| c.id);
    if same.is_none() {
        let others = all.into_iter().flat_map(BTreeMap::values);
        check_counts(others.chain([&command]))?;
        count_creates(cx, app, guild, 1)?;
    }
    command.version = cx.world.next_id();
    command.id = same.unwrap_or(command.version);
    let json = command.json(app);
    if let Some(all) = commands_mut(cx, app, guild) {
        all.insert(command.id, command);
    }
    if same.is_some() {
        Reply::ok(json)
    } else {
        Reply::created(json)
    }
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (app, guild, mut command) = found(cx)?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    read(&mut form, &mut command, false);
    form.done()?;
    command.version = cx.world.next_id();
    let json = command.json(app);
    if let Some(all) = commands_mut(cx, app, guild) {
        all.insert(command.id, command);
    }
    Reply::ok(json)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (app, guild, command) = found(cx)?;
    if let Some(all) = commands_mut(cx, app, guild) {
        all.remove(&command.id);
    }
    Reply::nothing()
}

fn replace(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (app, guild) = scope(cx)?;
    let body = cx.body()?;
    let list = listed(&body)?;
    let mut form = Form::new(&body);
    let mut wanted: Vec<Command> = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &n.to_string());
        let mut command = blank(Id(0), guild);
        read(&mut part, &mut command, true);
        if wanted
            .iter()
            .any(|c| c.name == command.name && c.kind == command.kind)
        {
            part.error(
                "name",
                "APPLICATION_COMMANDS_DUPLICATE_NAME",
                "Application command names must be unique",
            );
        }
        form.absorb(part);
        wanted.push(command);
    }
    form.done()?;
    check_counts(wanted.iter())?;
    let old: Vec<Command> = commands(cx, app, guild)
        .into_iter()
        .flat_map(BTreeMap::values)
        .cloned()
        .collect();
    let same = |c: &Command| old.iter().find(|o| o.name == c.name && o.kind == c.kind);
    let new = wanted.iter().filter(|c| same(c).is_none()).count() as u32;
    count_creates(cx, app, guild, new)?;
    let mut all = BTreeMap::new();
    let mut answer = Vec::with_capacity(wanted.len());
    for mut command in wanted {
        command.version = cx.world.next_id();
        command.id = same(&command).map_or(command.version, |o| o.id);
        if let Some(before) = same(&command) {
            // What did not change keeps its version.
            let mut unchanged = command.clone();
            unchanged.version = before.version;
            if unchanged.json(app) == before.json(app) {
                command = unchanged;
            }
        }
        answer.push(command.json(app));
        all.insert(command.id, command);
    }
    if let Some(slot) = commands_mut(cx, app, guild) {
        *slot = all;
    }
    Reply::ok(answer)
}

fn permission_json(app: Id, guild: Id, id: Id, list: &[CommandPermission]) -> Value {
    let list: Vec<Value> = list
        .iter()
        .map(|p| json!({"id": p.id, "type": p.kind, "permission": p.allowed}))
        .collect();
    json!({"id": id, "application_id": app, "guild_id": guild, "permissions": list})
}

fn list_permissions(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (app, _) = scope(cx)?;
    let guild = cx.guild()?;
    let all = guild
        .command_permissions
        .iter()
        .filter(|((a, _), _)| *a == app);
    Reply::ok(
        all.map(|((_, id), list)| permission_json(app, guild.id, *id, list))
            .collect::<Vec<_>>(),
    )
}

fn get_permissions(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (app, _) = scope(cx)?;
    let guild = cx.guild()?;
    let id = cx.id("command_id")?;
    let list = guild
        .command_permissions
        .get(&(app, id))
        .ok_or(error::UNKNOWN_COMMAND_PERMISSIONS)?;
    Reply::ok(permission_json(app, guild.id, id, list))
}

/// People and applications on their behalf restrict commands; bots cannot.
fn set_permissions(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    Cx::refuse_if(matches!(cx.caller, Caller::Bot { .. }), error::NOT_FOR_BOTS)?;
    let app = cx.id("application_id")?;
    Cx::refuse_if(
        !cx.world.apps.contains_key(&app),
        error::UNKNOWN_APPLICATION,
    )?;
    let guild = cx.guild()?.id;
    cx.require(guild, perm::MANAGE_GUILD | perm::MANAGE_ROLES)?;
    let id = cx.id("command_id")?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("permissions");
    let list = form.list("permissions", 100).unwrap_or_default();
    let mut rules = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &format!("permissions.{n}"));
        for key in ["id", "type", "permission"] {
            part.require(key);
        }
        rules.push(CommandPermission {
            id: part.id("id").unwrap_or_default(),
            kind: part.choice("type", &[1, 2, 3]).unwrap_or(1) as u8,
            allowed: part.flag("permission").unwrap_or(false),
        });
        form.absorb(part);
    }
    form.done()?;
    let json = permission_json(app, guild, id, &rules);
    if let Some(state) = cx.world.guilds.get_mut(&guild) {
        state.command_permissions.insert((app, id), rules);
    }
    let bot = cx.world.apps.get(&app).map(|a| a.bot);
    if let Some(bot) = bot {
        cx.world.emit_to(
            bot,
            Some(guild),
            "APPLICATION_COMMAND_PERMISSIONS_UPDATE",
            intent::GUILD_INTEGRATIONS,
            json.clone(),
        );
    }
    let changes: Vec<Change> = Vec::new();
    let options = vec![("application_id", app.to_string())];
    cx.world.audit(
        guild,
        Audit::of(action::COMMAND_PERMISSION_UPDATE, me)
            .target(id)
            .changes(changes)
            .options(options),
    );
    Reply::ok(json)
}
