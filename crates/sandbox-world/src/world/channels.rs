//! Channels, threads and direct messages: one type, because the API treats them as one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Id, Stamp, World};

/// A channel of any kind.
#[derive(Debug, Clone)]
pub struct Channel {
    pub id: Id,
    /// Wire type: 0 text, 1 direct, 2 voice, 4 category, 5 announcement, 10–12 threads, 13 stage,
    /// 15 forum, 16 media.
    pub kind: u8,
    /// `None` for direct messages.
    pub guild_id: Option<Id>,
    pub name: String,
    pub topic: Option<String>,
    pub position: i64,
    pub parent_id: Option<Id>,
    pub overwrites: BTreeMap<Id, Overwrite>,
    pub nsfw: bool,
    pub rate_limit_per_user: u32,
    pub bitrate: u32,
    pub user_limit: u32,
    pub rtc_region: Option<String>,
    pub video_quality_mode: Option<u8>,
    pub default_auto_archive_duration: Option<u32>,
    pub default_thread_rate_limit_per_user: u32,
    pub available_tags: Vec<Tag>,
    pub default_reaction_emoji: Value,
    pub default_sort_order: Option<u8>,
    pub default_forum_layout: u8,
    pub flags: u32,
    pub last_message_id: Option<Id>,
    pub last_pin: Option<Stamp>,
    /// What goes on in a voice channel, in words.
    pub voice_status: Option<String>,
    /// Of direct messages.
    pub recipients: Vec<Id>,
    /// Of threads.
    pub thread: Option<ThreadState>,
}

/// A permission overwrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overwrite {
    pub id: Id,
    /// For a member rather than a role.
    pub member: bool,
    pub allow: u64,
    pub deny: u64,
}

impl Overwrite {
    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "type": u8::from(self.member),
            "allow": self.allow.to_string(),
            "deny": self.deny.to_string(),
        })
    }
}

/// A tag of a forum.
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    pub id: Id,
    pub name: String,
    pub moderated: bool,
    pub emoji_id: Option<Id>,
    pub emoji_name: Option<String>,
}

impl Tag {
    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "moderated": self.moderated,
            "emoji_id": self.emoji_id,
            "emoji_name": self.emoji_name,
        })
    }
}

/// What only threads have.
#[derive(Debug, Clone)]
pub struct ThreadState {
    pub owner: Id,
    pub archived: bool,
    pub archived_at: Stamp,
    pub auto_archive: u32,
    pub locked: bool,
    pub invitable: bool,
    pub created_at: Stamp,
    pub message_count: u64,
    pub total_sent: u64,
    pub applied_tags: Vec<Id>,
    pub members: BTreeMap<Id, ThreadMember>,
}

/// Someone who follows a thread.
#[derive(Debug, Clone, Copy)]
pub struct ThreadMember {
    pub user: Id,
    pub joined: Stamp,
}

impl ThreadMember {
    pub fn json(&self, thread: Id) -> Value {
        json!({"id": thread, "user_id": self.user, "join_timestamp": self.joined, "flags": 1})
    }
}

impl Channel {
    pub fn new(id: Id, kind: u8, guild_id: Option<Id>, name: &str) -> Self {
        Self {
            id,
            kind,
            guild_id,
            name: name.to_owned(),
            topic: None,
            position: 0,
            parent_id: None,
            overwrites: BTreeMap::new(),
            nsfw: false,
            rate_limit_per_user: 0,
            bitrate: 64_000,
            user_limit: 0,
            rtc_region: None,
            video_quality_mode: None,
            default_auto_archive_duration: None,
            default_thread_rate_limit_per_user: 0,
            available_tags: Vec::new(),
            default_reaction_emoji: Value::Null,
            default_sort_order: None,
            default_forum_layout: 0,
            flags: 0,
            last_message_id: None,
            last_pin: None,
            voice_status: None,
            recipients: Vec::new(),
            thread: None,
        }
    }

    pub fn is_thread(&self) -> bool {
        matches!(self.kind, 10..=12)
    }

    /// Voice and stage channels.
    pub fn is_voice(&self) -> bool {
        matches!(self.kind, 2 | 13)
    }

    /// Forum and media channels: posts only.
    pub fn is_forum(&self) -> bool {
        matches!(self.kind, 15 | 16)
    }

    /// Whether messages can live in it.
    pub fn has_messages(&self) -> bool {
        matches!(self.kind, 0..=2 | 5 | 10..=13)
    }

    fn thread_json(&self, thread: &ThreadState) -> Value {
        let mut metadata = json!({
            "archived": thread.archived,
            "archive_timestamp": thread.archived_at,
            "auto_archive_duration": thread.auto_archive,
            "locked": thread.locked,
            "create_timestamp": thread.created_at,
        });
        if self.kind == 12 {
            metadata["invitable"] = thread.invitable.into();
        }
        let mut json = json!({
            "id": self.id,
            "type": self.kind,
            "last_message_id": self.last_message_id,
            "flags": self.flags,
            "guild_id": self.guild_id,
            "name": self.name,
            "parent_id": self.parent_id,
            "rate_limit_per_user": self.rate_limit_per_user,
            "bitrate": self.bitrate,
            "user_limit": self.user_limit,
            "rtc_region": null,
            "owner_id": thread.owner,
            "thread_metadata": metadata,
            "message_count": thread.message_count,
            "member_count": thread.members.len().min(50),
            "total_message_sent": thread.total_sent,
        });
        if !thread.applied_tags.is_empty() {
            json["applied_tags"] = json!(thread.applied_tags);
        }
        json
    }
}

impl World {
    /// The channel object; for a thread without `member`.
    pub fn channel_json(&self, channel: &Channel) -> Value {
        if let Some(thread) = &channel.thread {
            return channel.thread_json(thread);
        }
        if channel.guild_id.is_none() {
            let recipients: Vec<Value> = channel
                .recipients
                .iter()
                .map(|u| self.user_json(*u))
                .collect();
            return json!({
                "id": channel.id,
                "type": channel.kind,
                "last_message_id": channel.last_message_id,
                "flags": channel.flags,
                "recipients": recipients,
            });
        }
        let overwrites: Vec<Value> = channel.overwrites.values().map(Overwrite::json).collect();
        let mut json = json!({
            "id": channel.id,
            "type": channel.kind,
            "flags": channel.flags,
            "guild_id": channel.guild_id,
            "name": channel.name,
            "parent_id": channel.parent_id,
            "position": channel.position,
            "permission_overwrites": null,
        });
        json["permission_overwrites"] = overwrites.into();
        if channel.kind == 4 {
            return json;
        }
        json["nsfw"] = channel.nsfw.into();
        json["rate_limit_per_user"] = channel.rate_limit_per_user.into();
        json["last_message_id"] = json!(channel.last_message_id);
        if channel.is_voice() {
            json["bitrate"] = channel.bitrate.into();
            json["user_limit"] = channel.user_limit.into();
            json["rtc_region"] = json!(channel.rtc_region);
            if let Some(mode) = channel.video_quality_mode {
                json["video_quality_mode"] = mode.into();
            }
        } else {
            json["topic"] = json!(channel.topic);
            if let Some(duration) = channel.default_auto_archive_duration {
                json["default_auto_archive_duration"] = duration.into();
            }
            if channel.default_thread_rate_limit_per_user > 0 {
                json["default_thread_rate_limit_per_user"] =
                    channel.default_thread_rate_limit_per_user.into();
            }
        }
        if matches!(channel.kind, 0 | 5) {
            json["last_pin_timestamp"] = json!(channel.last_pin);
        }
        if channel.is_forum() {
            json["available_tags"] = channel.available_tags.iter().map(Tag::json).collect();
            json["default_reaction_emoji"] = channel.default_reaction_emoji.clone();
            json["default_sort_order"] = json!(channel.default_sort_order);
            json["default_forum_layout"] = channel.default_forum_layout.into();
        }
        json
    }

    /// A thread as `viewer` gets it in lists: with its own `member` when it follows.
    pub fn thread_json_for(&self, thread: &Channel, viewer: Id) -> Value {
        let mut json = self.channel_json(thread);
        if let Some(member) = thread.thread.as_ref().and_then(|t| t.members.get(&viewer)) {
            json["member"] = member.json(thread.id);
        }
        json
    }
}
