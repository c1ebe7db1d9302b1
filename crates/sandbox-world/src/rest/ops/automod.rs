//! AutoMod: its rules, and what they do to messages.

use regex::RegexBuilder;
use serde_json::{Value, json};

use super::Table;
use super::{compose, guilds};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::{Form, NO_CHANNEL, NO_ROLE};
use crate::world::permissions as perm;
use crate::world::{
    AUTOMOD_ALERT, Audit, AutomodRule, Change, Channel, Guild, Id, Message, QUARANTINED, action,
    intent,
};

const KEYWORD: u8 = 1;
const KEYWORD_PRESET: u8 = 4;
const MENTION_SPAM: u8 = 5;
const MEMBER_PROFILE: u8 = 6;

/// Stand-ins for the word sets of profanity, sexual content and slurs, which Discord keeps to
/// itself.
const PRESETS: [&[&str]; 3] = [
    &["damn", "crap"],
    &["porn", "nudes"],
    &["moron", "imbecile"],
];

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
    if trigger == KEYWORD { 6 } else { 1 }
}

fn read(form: &mut Form<'_>, rule: &mut AutomodRule, fresh: bool, guild: &Guild) {
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
    let role = |id| guild.roles.contains_key(&id);
    if let Some(ids) = form.ids_of("exempt_roles", 20, NO_ROLE, role) {
        rule.exempt_roles = ids;
    }
    let channel = |id| guild.channels.contains(&id);
    if let Some(ids) = form.ids_of("exempt_channels", 50, NO_CHANNEL, channel) {
        rule.exempt_channels = ids;
    }
    if fresh || form.has("trigger_metadata") {
        rule.trigger_metadata = metadata(form, rule.trigger_type);
    }
    if form.has("actions") {
        rule.actions = actions(form, rule.trigger_type, guild);
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

fn presets(part: &mut Form<'_>) -> Vec<i64> {
    let list = part.list("presets", 3).unwrap_or_default();
    let mut presets = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        match value.as_i64() {
            Some(preset @ 1..=3) => presets.push(preset),
            _ => part.error(
                &format!("presets.{n}"),
                "BASE_TYPE_CHOICES",
                "Value must be one of {1, 2, 3}.",
            ),
        }
    }
    presets
}

fn metadata(form: &mut Form<'_>, trigger: u8) -> Value {
    let given = form
        .raw("trigger_metadata")
        .cloned()
        .unwrap_or_else(|| json!({}));
    let mut part = Form::at(&given, &form.path_to("trigger_metadata"));
    let allowed_words = if trigger == KEYWORD_PRESET { 1000 } else { 100 };
    let metadata = match trigger {
        KEYWORD | MEMBER_PROFILE => {
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
        KEYWORD_PRESET => {
            let presets = presets(&mut part);
            let allowed = words(&mut part, "allow_list", allowed_words, 60);
            json!({"presets": presets, "allow_list": allowed})
        }
        MENTION_SPAM => {
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

fn actions(form: &mut Form<'_>, trigger: u8, guild: &Guild) -> Vec<Value> {
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
                let channel = inner.id("channel_id");
                if channel.is_some_and(|c| !guild.channels.contains(&c)) {
                    inner.error("channel_id", NO_CHANNEL.0, NO_CHANNEL.1);
                }
                json!({"channel_id": channel})
            }
            3 => {
                inner.require("duration_seconds");
                if !matches!(trigger, KEYWORD | MENTION_SPAM) {
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

/// Setting up timeouts needs the permission to give them.
fn may_time_out(cx: &Cx<'_>, guild: Id, rule: &AutomodRule) -> Result<(), ApiError> {
    if rule.actions.iter().any(|a| a["type"] == 3) {
        cx.require(guild, perm::MODERATE_MEMBERS)?;
    }
    Ok(())
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

/// Lists of the trigger, and the keys that say what was added to and taken from each (audit log
/// resource, "Change Exceptions").
const TRIGGER_LISTS: [(&str, &str, &str); 3] = [
    (
        "keyword_filter",
        "$add_keyword_filter",
        "$remove_keyword_filter",
    ),
    (
        "regex_patterns",
        "$add_regex_patterns",
        "$remove_regex_patterns",
    ),
    ("allow_list", "$add_allow_list", "$remove_allow_list"),
];

/// What an update added to the trigger's lists and took from them.
fn list_changes(before: &AutomodRule, after: &AutomodRule) -> Vec<Change> {
    let list = |rule: &AutomodRule, key: &str| {
        let list = rule.trigger_metadata[key].as_array();
        list.cloned().unwrap_or_default()
    };
    let mut changes = Vec::new();
    for (key, add, remove) in TRIGGER_LISTS {
        let (old, new) = (list(before, key), list(after, key));
        for (name, from, without) in [(add, &new, &old), (remove, &old, &new)] {
            let only: Vec<Value> = from
                .iter()
                .filter(|v| !without.contains(v))
                .cloned()
                .collect();
            if !only.is_empty() {
                changes.push(Change::new(name, None, Some(only.into())));
            }
        }
    }
    changes
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
    read(&mut form, &mut rule, true, cx.guild()?);
    form.done()?;
    may_time_out(cx, guild, &rule)?;
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
    let changes = Change::made(audited(&rule));
    announce(cx, "AUTO_MODERATION_RULE_CREATE", guild, &rule);
    cx.world.audit(
        guild,
        Audit::of(action::AUTOMOD_RULE_CREATE, me)
            .target(id)
            .changes(changes)
            .reason(reason.as_deref()),
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
    read(&mut form, &mut rule, false, cx.guild()?);
    form.done()?;
    may_time_out(cx, guild, &rule)?;
    let mut changed = guilds::changes(audited(&before), audited(&rule));
    changed.extend(list_changes(&before, &rule));
    let json = rule.json(guild);
    announce(cx, "AUTO_MODERATION_RULE_UPDATE", guild, &rule);
    if !changed.is_empty() {
        cx.world.audit(
            guild,
            Audit::of(action::AUTOMOD_RULE_UPDATE, me)
                .target(rule.id)
                .changes(changed)
                .reason(reason.as_deref()),
        );
    }
    if let Some(state) = cx.world.guilds.get_mut(&guild) {
        state.automod.insert(rule.id, rule);
    }
    Reply::ok(json)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, rule) = found(cx)?;
    // A community has its rule against mentions for good, and it can only be turned off
    // (discord-api-docs#6174, where deleting it answers 404).
    let kept = rule.trigger_type == MENTION_SPAM && cx.guild()?.features.contains("COMMUNITY");
    if kept {
        return Err(ApiError::not_found());
    }
    let reason = cx.reason()?;
    let me = cx.me();
    if let Some(state) = cx.world.guilds.get_mut(&guild) {
        state.automod.remove(&rule.id);
    }
    announce(cx, "AUTO_MODERATION_RULE_DELETE", guild, &rule);
    let changes = Change::gone(audited(&rule));
    cx.world.audit(
        guild,
        Audit::of(action::AUTOMOD_RULE_DELETE, me)
            .target(rule.id)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::nothing()
}

/// What a rule found in a text: the keyword and the part that matched.
fn hit(rule: &AutomodRule, text: &str) -> Option<(String, String)> {
    match rule.trigger_type {
        KEYWORD | MEMBER_PROFILE => words_hit(rule, text, &words_of(rule, "keyword_filter")),
        KEYWORD_PRESET => words_hit(rule, text, &preset_words(rule)),
        MENTION_SPAM => {
            let limit = rule.trigger_metadata["mention_total_limit"]
                .as_u64()
                .unwrap_or(u64::MAX);
            let mut ids = compose::mentioned(text);
            ids.sort_unstable();
            ids.dedup();
            (ids.len() as u64 > limit).then(Default::default)
        }
        _ => None,
    }
}

/// A list of words in the trigger of a rule.
fn words_of<'r>(rule: &'r AutomodRule, key: &str) -> Vec<&'r str> {
    let list = rule.trigger_metadata[key].as_array().into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}

/// The words of a rule's presets.
fn preset_words(rule: &AutomodRule) -> Vec<&'static str> {
    let presets = rule.trigger_metadata["presets"].as_array();
    let chosen = presets.into_iter().flatten().filter_map(Value::as_u64);
    let words = chosen.filter_map(|n| PRESETS.get((n as usize).checked_sub(1)?));
    words.flat_map(|set| set.iter().copied()).collect()
}

fn words_hit(rule: &AutomodRule, text: &str, keywords: &[&str]) -> Option<(String, String)> {
    let lower = text.to_lowercase();
    let allowed: Vec<String> = words_of(rule, "allow_list")
        .iter()
        .filter_map(|word| keyword_match(&lower, &word.to_lowercase()))
        .collect();
    let allows = |found: &str| allowed.iter().any(|word| word.contains(found));
    for keyword in keywords {
        let found = keyword_match(&lower, &keyword.to_lowercase());
        if let Some(found) = found.filter(|f| !allows(f)) {
            return Some(((*keyword).to_owned(), found));
        }
    }
    words_of(rule, "regex_patterns")
        .into_iter()
        .find_map(|pattern| {
            let regex = RegexBuilder::new(pattern)
                .case_insensitive(true)
                .size_limit(1 << 20)
                .build()
                .ok()?;
            let found = regex.find(text)?.as_str();
            (!allows(&found.to_lowercase())).then(|| (pattern.to_owned(), found.to_owned()))
        })
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

/// What a member did that rules look at.
struct Deed<'m> {
    guild: Id,
    author: Id,
    /// `None` for a changed profile.
    channel: Option<Id>,
    text: &'m str,
}

/// Rules for this kind of event that the deed runs into. Managers and administrators run into
/// none.
fn struck(cx: &Cx<'_>, event: u8, deed: &Deed<'_>) -> Vec<(AutomodRule, (String, String))> {
    let Some(state) = cx.world.guilds.get(&deed.guild) else {
        return Vec::new();
    };
    let bits = cx.world.permissions_of(deed.guild, deed.author);
    let member = state.members.get(&deed.author);
    if state.automod.is_empty() || bits & (perm::ADMINISTRATOR | perm::MANAGE_GUILD) != 0 {
        return Vec::new();
    }
    let parent = deed
        .channel
        .and_then(|c| cx.world.channels.get(&c))
        .and_then(|c| c.parent_id);
    let places = [deed.channel, parent];
    state
        .automod
        .values()
        .filter(|r| r.enabled && r.event_type == event)
        .filter(|r| {
            let free = |role| member.is_some_and(|m| m.roles.contains(role));
            !r.exempt_roles.iter().any(free)
                && !r.exempt_channels.iter().any(|c| places.contains(&Some(*c)))
        })
        .filter_map(|r| Some((r.clone(), hit(r, deed.text)?)))
        .collect()
}

/// Runs a message past the rules: a blocking one refuses it.
pub(super) fn judge(cx: &mut Cx<'_>, guild: Id, message: &Message) -> Result<(), ApiError> {
    let deed = Deed {
        guild,
        author: message.author,
        channel: Some(message.channel),
        text: &message.content,
    };
    let mut blocked = false;
    for (rule, found) in struck(cx, 1, &deed) {
        for act in &rule.actions {
            blocked |= act["type"] == 1;
            carry_out(cx, &deed, &rule, act, &found);
        }
    }
    Cx::refuse_if(blocked, error::BLOCKED_BY_AUTOMOD)
}

/// Runs the first message of a post past the rules, before the post is there: they see its forum.
pub(super) fn judge_post(cx: &mut Cx<'_>, forum: &Channel, text: &str) -> Result<(), ApiError> {
    let Some(guild) = forum.guild_id.filter(|_| !guilds::is_bot(cx)) else {
        return Ok(());
    };
    judge(cx, guild, &Message::new(Id(0), forum.id, cx.me(), text))
}

/// Runs the name of a thread to be past the rules.
pub(super) fn judge_title(cx: &mut Cx<'_>, parent: &Channel, name: &str) -> Result<(), ApiError> {
    judge_post(cx, parent, name).map_err(|_| error::TITLE_BLOCKED.into())
}

/// Runs the name a member shows past the rules, after the member changed it. A name that no rule
/// objects to any more ends the quarantine.
pub(super) fn judge_profile(cx: &mut Cx<'_>, guild: Id, user: Id) {
    let member = cx
        .world
        .guilds
        .get(&guild)
        .and_then(|g| g.members.get(&user));
    let (Some(member), Some(account)) = (member, cx.world.users.get(&user)) else {
        return;
    };
    let held = member.flags & QUARANTINED != 0;
    let names = [
        member.nick.as_deref(),
        account.global_name.as_deref(),
        Some(account.username.as_str()),
    ];
    let text = names
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_default()
        .to_owned();
    let deed = Deed {
        guild,
        author: user,
        channel: None,
        text: &text,
    };
    let struck = struck(cx, 2, &deed);
    if held && struck.is_empty() {
        cx.world
            .edit_member(guild, user, |m| m.flags &= !QUARANTINED);
    }
    for (rule, found) in struck.into_iter().filter(|_| !held) {
        for act in &rule.actions {
            carry_out(cx, &deed, &rule, act, &found);
        }
    }
}

/// Posts what was written to the channel that collects alerts; returns the notice.
fn alert(
    cx: &mut Cx<'_>,
    deed: &Deed<'_>,
    rule: &AutomodRule,
    act: &Value,
    keyword: &str,
) -> Option<Id> {
    let target = act["metadata"]["channel_id"].as_str()?.parse::<Id>().ok()?;
    cx.world.channels.get(&target)?;
    let id = cx.world.next_id();
    let mut notice = Message::new(id, target, deed.author, "");
    notice.kind = AUTOMOD_ALERT;
    let mut fields = vec![json!({"name": "rule_name", "value": rule.name, "inline": false})];
    if let Some(channel) = deed.channel {
        fields.push(json!({"name": "channel_id", "value": channel, "inline": false}));
    }
    fields.push(json!({"name": "keyword", "value": keyword, "inline": false}));
    notice.embeds = vec![json!({
        "type": "auto_moderation_message", "description": deed.text, "fields": fields,
    })];
    cx.world.add_message(notice);
    Some(id)
}

fn carry_out(
    cx: &mut Cx<'_>,
    deed: &Deed<'_>,
    rule: &AutomodRule,
    act: &Value,
    (keyword, content): &(String, String),
) {
    let (guild, author, now) = (deed.guild, deed.author, cx.now());
    let mut payload = json!({
        "guild_id": guild,
        "action": act,
        "rule_id": rule.id,
        "rule_trigger_type": rule.trigger_type,
        "user_id": author,
        "content": deed.text,
        "matched_keyword": keyword,
        "matched_content": content,
    });
    let mut about = options(rule);
    if let Some(channel) = deed.channel {
        payload["channel_id"] = json!(channel);
        about.push(("channel_id", channel.to_string()));
    }
    let entry = match act["type"].as_i64().unwrap_or(0) {
        2 => {
            if let Some(notice) = alert(cx, deed, rule, act, keyword) {
                payload["alert_system_message_id"] = json!(notice);
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
        4 => {
            cx.world
                .edit_member(guild, author, |m| m.flags |= QUARANTINED);
            action::AUTOMOD_QUARANTINE
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
    let by = rule.creator;
    cx.world
        .audit(guild, Audit::of(entry, by).target(author).options(about));
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
