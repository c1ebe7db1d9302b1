//! Messages, attachments and reactions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{AssetKind, Id, Stamp, World, value};

/// A message.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: Id,
    pub channel: Id,
    /// User, or the webhook's id.
    pub author: Id,
    /// What a webhook calls itself in this message.
    pub author_name: Option<String>,
    pub author_avatar: Option<String>,
    /// 0 default, 1 notice of somebody who was added to a thread, 6 pin notice, 7 join, 18 thread created, 19 reply, 20 slash command, 21 thread
    /// starter, 23 context menu, …
    pub kind: u8,
    pub content: String,
    pub embeds: Vec<Value>,
    pub components: Vec<Value>,
    pub attachments: Vec<Attachment>,
    pub stickers: Vec<Id>,
    pub mentions: Vec<Id>,
    pub mention_roles: Vec<Id>,
    pub mention_everyone: bool,
    pub tts: bool,
    pub flags: u64,
    pub pinned: Option<Stamp>,
    pub edited: Option<Stamp>,
    pub nonce: Value,
    /// When it came, in steady time.
    pub came_ms: i64,
    pub webhook: Option<Id>,
    pub app: Option<Id>,
    /// `message_reference` as answered.
    pub reference: Option<Value>,
    /// What a forward shows: the message as it was.
    pub snapshot: Option<Box<Message>>,
    pub reactions: Vec<Reaction>,
    pub poll: Option<Value>,
    /// Who chose which answer of the poll.
    pub votes: BTreeMap<u64, BTreeSet<Id>>,
    /// Thread started from this message; it has the same id.
    pub thread: Option<Id>,
    /// The interaction this message responds to.
    pub interaction: Option<Id>,
    /// Rendered `interaction_metadata` and the older `interaction`.
    pub interaction_metadata: Option<(Value, Option<Value>)>,
    /// Seen by the invoker and the bot alone.
    pub ephemeral_for: Option<Id>,
    /// Position in a thread.
    pub position: Option<u64>,
}

/// A file of a message; its bytes are an asset.
#[derive(Debug, Clone)]
pub struct Attachment {
    pub id: Id,
    pub filename: String,
    pub description: Option<String>,
    pub content_type: Option<String>,
    pub size: u64,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub ephemeral: bool,
    pub spoiler: bool,
}

/// Attachment flag: it is shown on request. The prefix `SPOILER_` of a name sets it, and a name
/// without it says nothing.
pub const SPOILER_FILE: u32 = 1 << 3;

/// A reaction and who gave it, in order.
#[derive(Debug, Clone)]
pub struct Reaction {
    pub emoji_id: Option<Id>,
    pub emoji_name: String,
    pub animated: bool,
    pub users: Vec<Id>,
}

impl Reaction {
    pub fn emoji_json(&self) -> Value {
        let mut emoji = json!({"id": self.emoji_id, "name": self.emoji_name});
        if self.animated {
            emoji["animated"] = true.into();
        }
        emoji
    }
}

/// It has been published to the channels that follow its channel.
pub const CROSSPOSTED: u64 = 1;
/// It came from a channel that this one follows.
pub const IS_CROSSPOST: u64 = 1 << 1;
/// Its embeds are hidden.
pub const SUPPRESS_EMBEDS: u64 = 1 << 2;
/// What it was published from is gone.
pub const SOURCE_DELETED: u64 = 1 << 3;
/// A message that vanishes with the client that saw it.
pub const EPHEMERAL: u64 = 1 << 6;
/// A deferred response that is not there yet.
pub const LOADING: u64 = 1 << 7;
/// It is a forward, whose message stands in `message_snapshots`.
pub const HAS_SNAPSHOT: u64 = 1 << 14;
/// Components version 2.
pub const COMPONENTS_V2: u64 = 1 << 15;
/// A thread was started from it.
pub const HAS_THREAD: u64 = 1 << 5;

/// Kinds of messages that nobody may delete: notices of people, calls, names and pictures of groups and
/// threads, and the first message of a thread (Discord docs, "Message Types", column "Deletable").
const UNDELETABLE: [u8; 6] = [1, 2, 3, 4, 5, 21];
/// AUTO_MODERATION_ACTION.
pub const AUTOMOD_ALERT: u8 = 24;

impl Message {
    /// Whether its author, too, needs Manage Messages to delete it: an alert of AutoMod bears the name
    /// of whom it is about.
    pub fn is_moderators(&self) -> bool {
        self.kind == AUTOMOD_ALERT
    }

    pub fn is_deletable(&self) -> bool {
        !UNDELETABLE.contains(&self.kind)
    }

    pub fn new(id: Id, channel: Id, author: Id, content: &str) -> Self {
        Self {
            id,
            channel,
            author,
            author_name: None,
            author_avatar: None,
            kind: 0,
            content: content.to_owned(),
            embeds: Vec::new(),
            components: Vec::new(),
            attachments: Vec::new(),
            stickers: Vec::new(),
            mentions: Vec::new(),
            mention_roles: Vec::new(),
            mention_everyone: false,
            tts: false,
            flags: 0,
            pinned: None,
            edited: None,
            nonce: Value::Null,
            came_ms: 0,
            webhook: None,
            app: None,
            reference: None,
            snapshot: None,
            reactions: Vec::new(),
            poll: None,
            votes: BTreeMap::new(),
            thread: None,
            interaction: None,
            interaction_metadata: None,
            ephemeral_for: None,
            position: None,
        }
    }

    /// Whether there is anything to show.
    pub fn is_empty(&self) -> bool {
        self.content.trim().is_empty()
            && self.embeds.is_empty()
            && self.components.is_empty()
            && self.attachments.is_empty()
            && self.stickers.is_empty()
            && self.poll.is_none()
            && self.snapshot.is_none()
    }
}

impl World {
    /// A message of a channel.
    pub fn message(&self, channel: Id, id: Id) -> Option<&Message> {
        self.messages.get(&channel)?.get(&id)
    }

    pub(crate) fn message_mut(&mut self, channel: Id, id: Id) -> Option<&mut Message> {
        self.messages.get_mut(&channel)?.get_mut(&id)
    }

    /// The message as `viewer` gets it over REST.
    pub fn message_json(&self, message: &Message, viewer: Id) -> Value {
        value(&self.message_view(message, viewer))
    }

    /// The part of a message that a forward carries.
    pub(super) fn snapshot_json(&self, message: &Message) -> Value {
        const CARRIED: [&str; 11] = [
            "type",
            "content",
            "mentions",
            "mention_roles",
            "attachments",
            "embeds",
            "timestamp",
            "edited_timestamp",
            "flags",
            "components",
            "sticker_items",
        ];
        let mut json = value(&self.bare_view(message));
        if let Some(map) = json.as_object_mut() {
            map.retain(|key, _| CARRIED.contains(&key.as_str()));
        }
        json
    }

    /// Attachments with ids and files of their own, for another message.
    pub(crate) fn copy_attachments(&mut self, attachments: &[Attachment]) -> Vec<Attachment> {
        let mut copies = Vec::with_capacity(attachments.len());
        for attachment in attachments {
            let id = self.next_id();
            let file = self.assets.get(AssetKind::Attachment, attachment.id, "");
            if let Some(file) = file.cloned() {
                self.assets.keep_by_id(AssetKind::Attachment, id, file);
            }
            copies.push(Attachment {
                id,
                ..attachment.clone()
            });
        }
        copies
    }

    /// The copies of a published message in channels that follow its channel.
    pub(crate) fn published_copies(&self, channel: Id, id: Id) -> Vec<(Id, Id)> {
        let targets: BTreeSet<Id> = self
            .webhooks
            .values()
            .filter(|w| w.source == Some(channel))
            .map(|w| w.channel)
            .collect();
        let source = id.to_string();
        let is_copy = |m: &&Message| {
            let reference = m.reference.as_ref().map(|r| &r["message_id"]);
            m.flags & IS_CROSSPOST != 0 && reference.is_some_and(|r| *r == *source)
        };
        let of = |target: &Id| {
            // A copy is younger than what it shows.
            let younger = self.messages.get(target).into_iter();
            let younger = younger.flat_map(|all| all.range(id..)).map(|(_, m)| m);
            younger
                .filter(is_copy)
                .map(|m| (m.channel, m.id))
                .collect::<Vec<_>>()
        };
        targets.iter().flat_map(of).collect()
    }

    /// The payload of MESSAGE_CREATE and MESSAGE_UPDATE.
    pub(crate) fn message_event(&self, message: &Message) -> Value {
        let mut json = self.message_json(message, Id(0));
        let place = self.channels.get(&message.channel);
        json["channel_type"] = place.map_or(0, |c| c.kind).into();
        if message.ephemeral_for.is_some() {
            return json;
        }
        let Some(guild) = place
            .and_then(|c| c.guild_id)
            .and_then(|g| self.guilds.get(&g))
        else {
            return json;
        };
        json["guild_id"] = json!(guild.id);
        if (message.webhook.is_none() || message.interaction.is_some())
            && let Some(member) = guild.members.get(&message.author)
        {
            json["member"] = member.bare_json();
        }
        let mentioned: BTreeSet<Id> = message.mentions.iter().copied().collect();
        if let Some(list) = json["mentions"].as_array_mut() {
            for (user, id) in list.iter_mut().zip(&message.mentions) {
                if let Some(member) = mentioned.get(id).and_then(|id| guild.members.get(id)) {
                    user["member"] = member.bare_json();
                }
            }
        }
        json
    }
}
