//! AutoMod: its rules, and what they do to messages.

use regex::RegexBuilder;
use serde_json::{Value, json};

use super::Table;
use super::compose;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{AutomodRule, Change, Guild, Id, Message, action, intent};

/// Longest timeout an action can give, in seconds.
const MAX_TIMEOUT_S: i64 = 28 * 86_400;

pub(super) fn routes(table: &mut Table) {
    const ALL: &str = "/guilds/{guild_id}/auto-moderation/rules";
    const ONE: &str = "/guilds/{guild_id}/auto-moderation/rules/{rule_id}";
    table.get(ALL, "list_auto_moderation_rules", list);
    table.post(ALL, "create_auto_moderation_rule", create);
    table.get(ONE, "get_auto_moderation_rule", get);
    table.patch(ONE, "update_auto_moderation_rule", update);
    table.delete(ONE, "delete_auto_moderation_rule", delete);
}

fn managed<'c>(cx: &'c Cx<'_>) -> Result<&'c Guild, ApiError> {
    let guild = cx.guild()?;
    cx.require(guild.id, perm::MANAGE_GUILD)?;
    Ok(guild)
}

fn found(cx: &Cx<'_>) -> Result<(Id, AutomodRule), ApiError> {
    let guild = managed(cx)?;
    let rule = guild.automod.get(&cx.id("rule_id")?);
    Ok((guild.id, rule.ok_or_else(ApiError::not_found)?.clone()))
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = managed(cx)?;
    Reply::ok(
        guild
            .automod
            .values()
            .map(|r| r.json(guild.id))
            .collect::<Vec<_>>(),
    )
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, rule) = found(cx)?;
    Reply::ok(rule.json(guild))
}

/// How many rules of a trigger a guild may have.
fn cap(trigger: u8) -> usize {
    if trigger == 1 { 6 } else { 1 }
}

fn read(form: &mut Form<'_>, rule: &mut AutomodRule, fresh: bool) {
    if fresh {
        for key in ["name", "event_type", "trigger_type", "actions"] {
            form.require(key);
        }
        rule.trigger_type = form.choice("trigger_type", &[1, 3, 4, 5, 6]).unwrap_or(1) as u8;
    }
    if let Some(name) = form.text("name", 1..=100) {
        rule.name = name;
    }
    if let Some(n) = form.choice("event_type", &[1, 2]) {
        rule.event_type = n as u8;
    }
    if let Some(on) = form.flag("enabled") {
        rule.enabled = on;
    }
    if let Some(ids) = form.ids("exempt_roles", 20) {
        rule.exempt_roles = ids;
    }
    if let Some(ids) = form.ids("exempt_channels", 50) {
        rule.exempt_channels = ids;
    }
    if fresh || form.has("trigger_metadata") {
        rule.trigger_metadata = metadata(form, rule.trigger_type);
    }
    if form.has("actions") {
        rule.actions = actions(form, rule.trigger_type);
    }
}

fn words(part: &mut Form<'_>, key: &str, most: usize, longest: usize) -> Vec<String> {
    let Some(list) = part.list(key, most) else {
        return Vec::new();
    };
    let mut words = Vec::with_capacity(list.len());
    for (n, word) in list.iter().enumerate() {
        match word.as_str() {
            Some(text) if (1..=longest).contains(&text.chars().count()) => {
                words.push(text.to_owned());
            }
            _ => part.error(
                &format!("{key}.{n}"),
                "BASE_TYPE_BAD_LENGTH",
                format!("Must be between 1 and {longest} in length."),
            ),
        }
    }
    words
}

fn metadata(form: &mut Form<'_>, trigger: u8) -> Value {
    let given = form
        .raw("trigger_metadata")
        .cloned()
        .unwrap_or_else(|| json!({}));
    let mut part = Form::at(&given, &form.path_to("trigger_metadata"));
    let allowed_words = if trigger == 4 { 1000 } else { 100 };
    let metadata = match trigger {
        1 | 6 => {
            let keywords = words(&mut part, "keyword_filter", 1000, 60);
            let patterns = words(&mut part, "regex_patterns", 10, 260);
            for (n, pattern) in patterns.iter().enumerate() {
                if RegexBuilder::new(pattern)
                    .size_limit(1 << 20)
                    .build()
                    .is_err()
                {
                    part.error(
                        &format!("regex_patterns.{n}"),
                        "AUTO_MODERATION_INVALID_REGEX",
                        "Invalid regex pattern",
                    );
                }
            }
            let allowed = words(&mut part, "allow_list", allowed_words, 60);
            json!({"keyword_filter": keywords, "regex_patterns": patterns, "allow_list": allowed})
        }
        4 => {
            let presets = part.list("presets", 3).unwrap_or_default().to_vec();
            let allowed = words(&mut part, "allow_list", allowed_words, 60);
            json!({"presets": presets, "allow_list": allowed})
        }
        5 => {
            let total = part.int("mention_total_limit", 0..=50).unwrap_or(20);
            let raid = part
                .flag("mention_raid_protection_enabled")
                .unwrap_or(false);
            json!({"mention_total_limit": total, "mention_raid_protection_enabled": raid})
        }
        _ => json!({}),
    };
    let errors = std::mem::take(&mut part.errors);
    form.errors.extend(errors);
    metadata
}

fn actions(form: &mut Form<'_>, trigger: u8) -> Vec<Value> {
    let list = form.list("actions", 5).unwrap_or_default();
    if list.is_empty() {
        form.error(
            "actions",
            "BASE_TYPE_BAD_LENGTH",
            "Must be between 1 and 5 in length.",
        );
    }
    let mut actions = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &format!("actions.{n}"));
        part.require("type");
        let kind = part.choice("type", &[1, 2, 3, 4]).unwrap_or(1);
        let given = value.get("metadata").cloned().unwrap_or_else(|| json!({}));
        let mut inner = Form::at(&given, &part.path_to("metadata"));
        let metadata = match kind {
            1 => match inner.text("custom_message", 0..=150) {
                Some(text) => json!({"custom_message": text}),
                None => json!({}),
            },
            2 => {
                inner.require("channel_id");
                json!({"channel_id": inner.id("channel_id")})
            }
            3 => {
                inner.require("duration_seconds");
                if !matches!(trigger, 1 | 5) {
                    inner.error(
                        "",
                        "AUTO_MODERATION_INVALID_ACTION_FOR_TRIGGER",
                        "Timeouts need a keyword or mention spam trigger.",
                    );
                }
                json!({"duration_seconds": inner.int("duration_seconds", 0..=MAX_TIMEOUT_S)})
            }
            _ => json!({}),
        };
        let mut errors = std::mem::take(&mut inner.errors);
        errors.append(&mut part.errors);
        form.errors.extend(errors);
        actions.push(json!({"type": kind, "metadata": metadata}));
    }
    actions
}

fn audited(rule: &AutomodRule) -> Vec<(&'static str, Value)> {
    vec![
        ("name", json!(rule.name)),
        ("event_type", json!(rule.event_type)),
        ("trigger_type", json!(rule.trigger_type)),
        ("trigger_metadata", rule.trigger_metadata.clone()),
        ("actions", json!(rule.actions)),
        ("enabled", json!(rule.enabled)),
        ("exempt_roles", json!(rule.exempt_roles)),
        ("exempt_channels", json!(rule.exempt_channels)),
    ]
}

fn options(rule: &AutomodRule) -> Vec<(&'static str, String)> {
    vec![
        ("auto_moderation_rule_name", rule.name.clone()),
        (
            "auto_moderation_rule_trigger_type",
            rule.trigger_type.to_string(),
        ),
    ]
}

fn announce(cx: &mut Cx<'_>, kind: &'static str, guild: Id, rule: &AutomodRule) {
    let payload = rule.json(guild);
    cx.world.emit(
        guild,
        kind,
        intent::AUTO_MODERATION_CONFIGURATION,
        perm::MANAGE_GUILD,
        payload,
    );
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = managed(cx)?.id;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let mut rule = AutomodRule {
        id: Id(0),
        name: String::new(),
        creator: me,
        event_type: 1,
        trigger_type: 1,
        trigger_metadata: json!({}),
        actions: Vec::new(),
        enabled: false,
        exempt_roles: Vec::new(),
        exempt_channels: Vec::new(),
    };
    read(&mut form, &mut rule, true);
    form.done()?;
    let same = cx.world.guilds.get(&guild).map_or(0, |g| {
        g.automod
            .values()
            .filter(|r| r.trigger_type == rule.trigger_type)
            .count()
    });
    if same >= cap(rule.trigger_type) {
        return Err(ApiError::field(
            "trigger_type",
            "AUTO_MODERATION_MAX_RULES_OF_TYPE_EXCEEDED",
            "Maximum number of rules of this type reached.",
        ));
    }
    rule.id = cx.world.next_id();
    let (json, id) = (rule.json(guild), rule.id);
    let changes = audited(&rule)
        .into_iter()
        .map(|(k, v)| Change::new(k, None, Some(v)))
        .collect();
    announce(cx, "AUTO_MODERATION_RULE_CREATE", guild, &rule);
    cx.world.audit(
        guild,
        me,
        action::AUTOMOD_RULE_CREATE,
        Some(id),
        changes,
        options(&rule),
        reason.as_deref(),
    );
    if let Some(state) = cx.world.guilds.get_mut(&guild) {
        state.automod.insert(id, rule);
    }
    Reply::ok(json)
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, before) = found(cx)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let mut rule = before.clone();
    read(&mut form, &mut rule, false);
    form.done()?;
    let changed = super::guilds::changes(audited(&before), audited(&rule));
    let json = rule.json(guild);
    announce(cx, "AUTO_MODERATION_RULE_UPDATE", guild, &rule);
    if !changed.is_empty() {
        cx.world.audit(
            guild,
            me,
            action::AUTOMOD_RULE_UPDATE,
            Some(rule.id),
            changed,
            options(&rule),
            reason.as_deref(),
        );
    }
    if let Some(state) = cx.world.guilds.get_mut(&guild) {
        state.automod.insert(rule.id, rule);
    }
    Reply::ok(json)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, rule) = found(cx)?;
    let reason = cx.reason()?;
    let me = cx.me();
    if let Some(state) = cx.world.guilds.get_mut(&guild) {
        state.automod.remove(&rule.id);
    }
    announce(cx, "AUTO_MODERATION_RULE_DELETE", guild, &rule);
    let changes = audited(&rule)
        .into_iter()
        .map(|(k, v)| Change::new(k, Some(v), None))
        .collect();
    cx.world.audit(
        guild,
        me,
        action::AUTOMOD_RULE_DELETE,
        Some(rule.id),
        changes,
        options(&rule),
        reason.as_deref(),
    );
    Reply::nothing()
}

/// What a rule found in a text: the keyword and the part that matched.
fn hit(rule: &AutomodRule, message: &Message) -> Option<(String, String)> {
    let list = |key: &str| {
        rule.trigger_metadata[key]
            .as_array()
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .filter_map(Value::as_str)
    };
    match rule.trigger_type {
        1 => {
            let text = message.content.to_lowercase();
            for keyword in list("keyword_filter") {
                if let Some(found) = keyword_match(&text, &keyword.to_lowercase())
                    && !list("allow_list").any(|a| {
                        keyword_match(&text, &a.to_lowercase()).is_some_and(|w| w.contains(&found))
                    })
                {
                    return Some((keyword.to_owned(), found));
                }
            }
            list("regex_patterns").find_map(|pattern| {
                let regex = RegexBuilder::new(pattern)
                    .case_insensitive(true)
                    .size_limit(1 << 20)
                    .build()
                    .ok()?;
                let found = regex.find(&message.content)?;
                Some((pattern.to_owned(), found.as_str().to_owned()))
            })
        }
        5 => {
            let limit = rule.trigger_metadata["mention_total_limit"]
                .as_u64()
                .unwrap_or(u64::MAX);
            let mut ids = compose::mentioned(&message.content);
            ids.sort_unstable();
            ids.dedup();
            (ids.len() as u64 > limit).then(|| (String::new(), String::new()))
        }
        _ => None,
    }
}

/// Whole words, unless the keyword has `*` at an end.
pub(super) fn keyword_match(text: &str, keyword: &str) -> Option<String> {
    let (open_left, open_right) = (keyword.starts_with('*'), keyword.ends_with('*'));
    let core = keyword.trim_matches('*');
    if core.is_empty() {
        return None;
    }
    text.match_indices(core).find_map(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = text[at + core.len()..].chars().next();
        let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        ((open_left || edge(before)) && (open_right || edge(after))).then(|| found.to_owned())
    })
}

/// Runs a message past the rules: a blocking one refuses it.
pub(super) fn judge(cx: &mut Cx<'_>, guild: Id, message: &Message) -> Result<(), ApiError> {
    let Some(state) = cx.world.guilds.get(&guild) else {
        return Ok(());
    };
    let bits = cx.world.permissions_of(guild, message.author);
    if state.automod.is_empty() || bits & (perm::ADMINISTRATOR | perm::MANAGE_GUILD) != 0 {
        return Ok(());
    }
    let roles = state
        .members
        .get(&message.author)
        .map(|m| m.roles.clone())
        .unwrap_or_default();
    let place = cx.world.channels.get(&message.channel);
    let parent = place.and_then(|c| c.parent_id);
    let struck: Vec<(AutomodRule, (String, String))> = state
        .automod
        .values()
        .filter(|r| r.enabled && r.event_type == 1)
        .filter(|r| !r.exempt_roles.iter().any(|role| roles.contains(role)))
        .filter(|r| {
            !r.exempt_channels
                .iter()
                .any(|c| *c == message.channel || Some(*c) == parent)
        })
        .filter_map(|r| Some((r.clone(), hit(r, message)?)))
        .collect();
    let mut blocked = false;
    for (rule, found) in struck {
        for act in &rule.actions {
            blocked |= act["type"] == 1;
            carry_out(cx, guild, message, &rule, act, &found);
        }
    }
    Cx::refuse_if(blocked, error::BLOCKED_BY_AUTOMOD)
}

fn carry_out(
    cx: &mut Cx<'_>,
    guild: Id,
    message: &Message,
    rule: &AutomodRule,
    act: &Value,
    (keyword, content): &(String, String),
) {
    let (author, channel, now) = (message.author, message.channel, cx.now());
    let kind = act["type"].as_i64().unwrap_or(0);
    let mut payload = json!({
        "guild_id": guild,
        "action": act,
        "rule_id": rule.id,
        "rule_trigger_type": rule.trigger_type,
        "user_id": author,
        "channel_id": channel,
        "content": message.content,
        "matched_keyword": keyword,
        "matched_content": content,
    });
    let mut about = options(rule);
    about.push(("channel_id", channel.to_string()));
    let entry = match kind {
        2 => {
            let target = act["metadata"]["channel_id"]
                .as_str()
                .and_then(|c| c.parse::<Id>().ok());
            if let Some(target) = target.filter(|t| cx.world.channels.contains_key(t)) {
                let alert = cx.world.next_id();
                let mut notice = Message::new(alert, target, author, "");
                notice.kind = 24;
                notice.embeds = vec![json!({
                    "type": "auto_moderation_message",
                    "description": message.content,
                    "fields": [
                        {"name": "rule_name", "value": rule.name, "inline": false},
                        {"name": "channel_id", "value": channel.to_string(), "inline": false},
                        {"name": "keyword", "value": keyword, "inline": false},
                    ],
                })];
                payload["alert_system_message_id"] = json!(alert);
                cx.world.add_message(notice);
            }
            action::AUTOMOD_FLAG
        }
        3 => {
            let seconds = act["metadata"]["duration_seconds"].as_i64().unwrap_or(60);
            cx.world.edit_member(guild, author, |m| {
                m.timeout_until = Some(now.plus(seconds * 1000));
            });
            action::AUTOMOD_TIMEOUT
        }
        _ => action::AUTOMOD_BLOCK,
    };
    cx.world.emit(
        guild,
        "AUTO_MODERATION_ACTION_EXECUTION",
        intent::AUTO_MODERATION_EXECUTION,
        perm::MANAGE_GUILD,
        payload,
    );
    cx.world.audit(
        guild,
        rule.creator,
        entry,
        Some(author),
        Vec::new(),
        about,
        None,
    );
}

#[cfg(test)]
mod tests {
    use super::keyword_match;

    #[test]
    fn keywords_are_whole_words_unless_starred() {
        assert!(keyword_match("a cat sat", "cat").is_some());
        assert!(keyword_match("concatenate", "cat").is_none());
        assert!(keyword_match("catalogue", "cat*").is_some());
        assert!(keyword_match("bobcat", "*cat").is_some());
        assert!(keyword_match("concatenate", "*cat*").is_some());
        assert!(keyword_match("cat.", "cat").is_some());
    }
}
