//! Building one guild of a built-in world.

use std::collections::HashSet;

use serde_json::json;

use super::small::{APPLICATION, HUMANS};
use super::words;
use crate::world::{
    AssetKind, Attachment, Channel, Guild, Id, Message, Reaction, Role, Stamp, Stored,
    ThreadMember, ThreadState, VoiceState, World,
};

/// Builder of one guild: ids count up from the guild's own block.
pub(super) struct Site<'w> {
    pub(super) world: &'w mut World,
    pub(super) guild: Id,
    pub(super) index: u64,
    pub(super) next: u64,
    pub(super) position: i64,
    pub(super) sentences: u64,
    /// Ids of this guild's messages.
    pub(super) used: HashSet<Id>,
}

/// September 2023, in snowflakes; guild `i` starts a block of 10,000 ms later than the one before.
const BLOCK: u64 = 1_150_000_000_000_000_000 >> 22;
/// When talk starts.
pub(super) const TALK_MS: i64 = 1_696_150_000_000;
pub(super) const MINUTE: i64 = 60_000;
/// Messages that one guild may get in a millisecond before it would meet the next one's ids.
const IDS_A_MILLISECOND: u64 = 64;

pub(super) fn at(ms: i64, n: u64) -> Id {
    Id((((ms - crate::world::EPOCH_MS) as u64) << 22) | n)
}

impl Site<'_> {
    pub(super) fn id(&mut self) -> Id {
        self.next += 1;
        Id((BLOCK + self.index * 10_000 + self.next) << 22)
    }

    pub(super) fn guild(&mut self) -> &mut Guild {
        let id = self.guild;
        // The guild is inserted before anything else of it is built.
        #[allow(clippy::expect_used)]
        self.world
            .guilds
            .get_mut(&id)
            .expect("the guild under construction exists")
    }

    pub(super) fn role(&mut self, name: &str, permissions: u64, position: i64, color: u32) -> Id {
        let id = self.id();
        let mut role = Role::new(id, name, permissions, position);
        role.colors.0 = color;
        role.hoist = color != 0;
        self.guild().roles.insert(id, role);
        id
    }

    pub(super) fn channel(
        &mut self,
        kind: u8,
        name: &str,
        parent: Option<Id>,
        edit: impl FnOnce(&mut Channel),
    ) -> Id {
        let id = self.id();
        let mut channel = Channel::new(id, kind, Some(self.guild), name);
        channel.parent_id = parent;
        channel.position = self.position;
        self.position += 1;
        if let Some(parent) = parent.and_then(|p| self.world.channels.get(&p)) {
            channel.overwrites = parent.overwrites.clone();
        }
        edit(&mut channel);
        self.guild().channels.insert(id);
        self.world.channels.insert(id, channel);
        id
    }

    /// Puts people into a stage, where they are silent.
    pub(super) fn listen(&mut self, stage: Id, audience: &[Id]) {
        for user in audience {
            let session = self.world.secret(&format!("voice {user}"), 32);
            let state = VoiceState {
                user: *user,
                channel: stage,
                session: session.to_lowercase(),
                self_mute: true,
                self_deaf: false,
                suppress: true,
                request_to_speak: None,
            };
            self.guild().voice.insert(*user, state);
        }
    }

    pub(super) fn thread(
        &mut self,
        kind: u8,
        name: &str,
        parent: Id,
        owner: Id,
        start_ms: i64,
        archived: bool,
    ) -> Id {
        let n = 100 + self.index;
        let id = at(start_ms, n);
        let mut thread = Channel::new(id, kind, Some(self.guild), name);
        thread.parent_id = Some(parent);
        let started = Stamp(start_ms);
        let members = [owner, APPLICATION].map(|user| {
            (
                user,
                ThreadMember {
                    user,
                    joined: started,
                },
            )
        });
        let now = self.world.now();
        thread.thread = Some(ThreadState {
            owner,
            archived,
            // An active thread counts as used when the world begins, whatever the ids say.
            archived_at: if archived {
                started.plus(90 * MINUTE)
            } else {
                now
            },
            auto_archive: 10_080,
            locked: archived && kind == 12,
            invitable: true,
            created_at: started,
            message_count: 0,
            total_sent: 0,
            applied_tags: Vec::new(),
            members: members.into_iter().collect(),
        });
        self.guild().threads.insert(id);
        self.world.channels.insert(id, thread);
        id
    }

    /// The id for a message, close to the wished one: no two messages share one, neither in this
    /// guild nor in another. The first message of a thread keeps the thread's.
    fn unused(&mut self, channel: Id, wished: Id) -> Id {
        if wished == channel {
            return wished;
        }
        let millisecond = wished.0 >> 22 << 22;
        let mut id = Id(millisecond + self.index * IDS_A_MILLISECOND);
        while !self.used.insert(id) {
            id.0 += 1;
        }
        id
    }

    pub(super) fn post(
        &mut self,
        channel: Id,
        id: Id,
        author: Id,
        content: Option<&str>,
        edit: impl FnOnce(&mut Message),
    ) -> Id {
        let id = self.unused(channel, id);
        self.sentences += 1;
        let text = content.map_or_else(|| words::sentence(self.sentences), str::to_owned);
        let mut message = Message::new(id, channel, author, &text);
        edit(&mut message);
        if let Some(place) = self.world.channels.get_mut(&channel) {
            place.last_message_id = place.last_message_id.max(Some(id));
            if let Some(pin) = message.pinned {
                place.last_pin = Some(pin);
            }
            if let Some(thread) = &mut place.thread {
                message.position = Some(thread.message_count);
                if id != channel {
                    thread.message_count += 1;
                    thread.total_sent += 1;
                }
            }
        }
        self.world
            .messages
            .entry(channel)
            .or_default()
            .insert(id, message);
        id
    }

    /// Small talk: `count` messages, one every twenty minutes.
    pub(super) fn talk(&mut self, channel: Id, start_ms: i64, count: u64, step: i64) {
        for n in 0..count {
            let author = HUMANS[(n * 7 + n / 5) as usize % HUMANS.len()].0;
            let id = at(start_ms + n as i64 * step, self.index);
            self.post(channel, id, author, None, |m| {
                if n % 40 == 17 {
                    m.embeds = vec![json!({
                        "type": "rich", "title": format!("Note {n}"), "description": "An embed with *markdown*.",
                        "color": 0x1f8b4c, "fields": [{"name": "Number", "value": n.to_string(), "inline": true}],
                    })];
                }
                if n % 50 == 23 {
                    let users = HUMANS.iter().take((n % 4 + 1) as usize).map(|h| h.0).collect();
                    m.reactions.push(Reaction { emoji_id: None, emoji_name: "👍".into(), animated: false, users });
                }
                if n % 90 == 31 {
                    m.edited = Some(m.id.created().plus(MINUTE));
                }
                if n % 400 == 60 {
                    m.pinned = Some(m.id.created().plus(MINUTE));
                }
            });
        }
    }

    pub(super) fn attach(
        &mut self,
        channel: Id,
        message: Id,
        name: &str,
        stored: Stored,
        size: Option<(u32, u32)>,
    ) {
        let count = self
            .world
            .message(channel, message)
            .map_or(0, |m| m.attachments.len() as u64);
        let attachment = Attachment {
            id: Id(message.0 + 1000 + count),
            filename: name.to_owned(),
            description: None,
            content_type: Some(stored.content_type.clone()),
            size: stored.bytes.len() as u64,
            width: size.map(|s| s.0),
            height: size.map(|s| s.1),
            ephemeral: false,
            spoiler: false,
        };
        self.world
            .assets
            .keep_by_id(AssetKind::Attachment, attachment.id, stored);
        if let Some(message) = self.world.message_mut(channel, message) {
            message.attachments.push(attachment);
        }
    }
}
