//! Templates of guilds: a frozen picture of roles and channels under a code.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Channel, Guild, Id, Stamp, World};

/// A template.
#[derive(Debug, Clone)]
pub struct Template {
    pub code: String,
    pub guild: Id,
    pub name: String,
    pub description: Option<String>,
    pub creator: Id,
    pub created_at: Stamp,
    pub updated_at: Stamp,
    /// `serialized_source_guild` as it was when last synchronised.
    pub snapshot: Value,
}

impl World {
    /// The template object; dirty when the guild has changed since it was synchronised.
    pub fn template_json(&self, template: &Template) -> Value {
        let dirty = self.template_snapshot(template.guild) != template.snapshot;
        json!({
            "code": template.code,
            "name": template.name,
            "description": template.description,
            "usage_count": 0,
            "creator_id": template.creator,
            "creator": self.user_json(template.creator),
            "created_at": template.created_at,
            "updated_at": template.updated_at,
            "source_guild_id": template.guild,
            "serialized_source_guild": template.snapshot,
            "is_dirty": dirty.then_some(true),
        })
    }

    /// A guild as a template keeps it: everything is numbered anew, from 0 for @everyone.
    pub fn template_snapshot(&self, guild: Id) -> Value {
        let Some(guild) = self.guilds.get(&guild) else {
            return Value::Null;
        };
        let mut roles: Vec<_> = guild.roles.values().filter(|r| !r.managed).collect();
        roles.sort_by_key(|r| (r.position, r.id));
        let role_numbers: HashMap<Id, usize> =
            roles.iter().enumerate().map(|(n, r)| (r.id, n)).collect();
        let mut channels: Vec<&Channel> = guild
            .channels
            .iter()
            .filter_map(|c| self.channels.get(c))
            .collect();
        // Categories first, so that their numbers are known.
        channels.sort_by_key(|c| (c.kind != 4, c.position, c.id));
        let numbers: HashMap<Id, usize> = channels
            .iter()
            .enumerate()
            .map(|(n, c)| (c.id, n + 1))
            .collect();
        let numbered = |id: Option<Id>| id.and_then(|c| numbers.get(&c)).map(ToString::to_string);
        let roles = roles.iter().map(|r| {
            let (primary, secondary, tertiary) = r.colors;
            json!({
                "id": role_numbers.get(&r.id), "name": r.name,
                "permissions": r.permissions.to_string(), "color": primary,
                "colors": {"primary_color": primary, "secondary_color": secondary,
                    "tertiary_color": tertiary},
                "hoist": r.hoist, "mentionable": r.mentionable, "icon": null,
                "unicode_emoji": r.unicode_emoji,
            })
        });
        json!({
            "name": guild.name,
            "description": guild.description,
            "region": "deprecated",
            "verification_level": guild.verification_level,
            "default_message_notifications": guild.default_message_notifications,
            "explicit_content_filter": guild.explicit_content_filter,
            "preferred_locale": guild.preferred_locale,
            "afk_channel_id": numbered(guild.afk_channel_id),
            "afk_timeout": guild.afk_timeout,
            "system_channel_id": numbered(guild.system_channel_id),
            "system_channel_flags": guild.system_channel_flags,
            "roles": roles.collect::<Vec<_>>(),
            "channels": channels.iter()
                .map(|c| template_channel(guild, c, &numbers, &role_numbers)).collect::<Vec<_>>(),
        })
    }
}

/// Kinds that templates know; others become plain text channels or stages' plain voice.
fn template_kind(kind: u8) -> u8 {
    match kind {
        5 => 0,
        13 => 2,
        16 => 15,
        other => other,
    }
}

fn template_channel(
    guild: &Guild,
    channel: &Channel,
    numbers: &HashMap<Id, usize>,
    roles: &HashMap<Id, usize>,
) -> Value {
    // Members are left out: a template knows nobody.
    let overwrites = channel
        .overwrites
        .values()
        .filter(|o| !o.member)
        .filter_map(|o| {
            let number = if o.id == guild.id {
                Some(&0)
            } else {
                roles.get(&o.id)
            };
            Some(json!({
                "id": number?.to_string(), "type": 0, "allow": o.allow.to_string(),
                "deny": o.deny.to_string(),
            }))
        });
    let tags = channel.available_tags.iter().enumerate().map(|(n, t)| {
        json!({"id": n, "name": t.name, "emoji_id": null, "emoji_name": t.emoji_name,
            "moderated": t.moderated})
    });
    json!({
        "id": numbers.get(&channel.id),
        "type": template_kind(channel.kind),
        "name": channel.name,
        "position": channel.position,
        "topic": channel.topic,
        "bitrate": channel.bitrate,
        "user_limit": channel.user_limit,
        "nsfw": channel.nsfw,
        "rate_limit_per_user": channel.rate_limit_per_user,
        "parent_id": channel.parent_id.and_then(|p| numbers.get(&p)).map(ToString::to_string),
        "default_auto_archive_duration": channel.default_auto_archive_duration,
        "permission_overwrites": overwrites.collect::<Vec<_>>(),
        "available_tags": channel.is_forum().then(|| tags.collect::<Vec<_>>()),
        "template": "",
        "default_reaction_emoji": null,
        "default_thread_rate_limit_per_user": channel.default_thread_rate_limit_per_user,
        "default_sort_order": channel.default_sort_order,
        "default_forum_layout": channel.is_forum().then_some(channel.default_forum_layout),
        "default_tag_setting": null,
        "theme_color": null,
    })
}
