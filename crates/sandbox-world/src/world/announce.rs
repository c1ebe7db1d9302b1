//! Changes that have one shape wherever they come from, and what is said about them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::permissions as perm;
use super::{
    Attachment, CROSSPOSTED, Channel, Id, Message, Role, SOURCE_DELETED, Stamp, World, intent,
};

impl World {
    /// Tells a bot that it is in a guild now.
    pub(crate) fn announce_guild_to(&mut self, guild: Id, bot: Id) {
        // Sessions build GUILD_CREATE for their own intents: the payload only names the guild.
        self.emit_to(bot, Some(guild), "GUILD_CREATE", 0, json!({"id": guild}));
    }

    /// Announces the present state of a guild.
    pub fn guild_updated(&mut self, guild: Id) {
        let Some(state) = self.guilds.get(&guild) else {
            return;
        };
        let payload = self.guild_json(state);
        self.emit(guild, "GUILD_UPDATE", intent::GUILDS, 0, payload);
    }

    /// Discord notices a raid, or spam in direct messages, or that neither is there any more.
    pub fn detect(&mut self, guild: Id, raid: bool, spam: bool) {
        let now = self.now();
        let Some(state) = self.guilds.get_mut(&guild) else {
            return;
        };
        let mut incidents = state.incidents.take().unwrap_or_default();
        if raid || !spam {
            incidents.raid_detected_at = raid.then_some(now);
        }
        if spam || !raid {
            incidents.dm_spam_detected_at = spam.then_some(now);
        }
        state.incidents = incidents.any().then_some(incidents);
        self.guild_updated(guild);
    }

    /// Starts or ends an outage.
    pub fn set_outage(&mut self, guild: Id, down: bool) {
        let Some(state) = self.guilds.get_mut(&guild) else {
            return;
        };
        if std::mem::replace(&mut state.unavailable, down) == down {
            return;
        }
        if down {
            self.emit(
                guild,
                "GUILD_DELETE",
                intent::GUILDS,
                0,
                json!({"id": guild, "unavailable": true}),
            );
        } else {
            for bot in self.guilds[&guild].bots.clone() {
                self.announce_guild_to(guild, bot);
            }
        }
    }

    /// Adds a channel and announces it.
    pub fn add_channel(&mut self, channel: Channel) {
        let id = channel.id;
        let thread = channel.is_thread();
        if let Some(guild) = channel.guild_id.filter(|_| !thread) {
            self.note_sight(guild, channel.parent_id);
        }
        let Some(guild) = channel.guild_id.and_then(|g| self.guilds.get_mut(&g)) else {
            self.channels.insert(id, channel);
            return;
        };
        let set = if thread {
            &mut guild.threads
        } else {
            &mut guild.channels
        };
        set.insert(id);
        self.channels.insert(id, channel);
        if !thread {
            self.announce_channel(id, "CHANNEL_CREATE");
            return;
        }
        let mut payload = self.channel_json(&self.channels[&id]);
        payload["newly_created"] = true.into();
        self.emit_in(id, "THREAD_CREATE", intent::GUILDS, payload);
    }

    /// Changes a channel and announces it: to those who see it afterwards as it is.
    pub fn edit_channel(&mut self, id: Id, edit: impl FnOnce(&mut Channel)) {
        let Some(before) = self.channels.get(&id) else {
            return;
        };
        let mut channel = before.clone();
        edit(&mut channel);
        let parents = [before.parent_id, channel.parent_id];
        let (guild, thread) = (channel.guild_id, channel.is_thread());
        if let Some(guild) = guild.filter(|_| !thread) {
            let touched = parents.into_iter().flatten().chain([id]);
            self.note_sight(guild, touched);
        }
        self.channels.insert(id, channel);
        if guild.is_some() && !thread {
            self.announce_channel(id, "CHANNEL_UPDATE");
            return;
        }
        let kind = if thread {
            "THREAD_UPDATE"
        } else {
            "CHANNEL_UPDATE"
        };
        let payload = self.channel_json(&self.channels[&id]);
        self.emit_in(id, kind, intent::GUILDS, payload);
    }

    /// Removes a channel with everything in it. Children of a category stay, orphaned.
    pub fn delete_channel(&mut self, id: Id) {
        let Some(channel) = self.channels.get(&id).cloned() else {
            return;
        };
        let guild_id = channel.guild_id;
        if channel.is_thread() {
            let brief = json!({"id": id, "guild_id": guild_id, "parent_id": channel.parent_id, "type": channel.kind});
            self.emit_in(id, "THREAD_DELETE", intent::GUILDS, brief);
        } else {
            if let Some(guild) = guild_id {
                self.note_sight(guild, channel.parent_id);
            }
            self.announce_channel(id, "CHANNEL_DELETE");
        }
        if let Some(guild_id) = guild_id {
            let children: Vec<Id> = self.guilds.get(&guild_id).map_or_else(Vec::new, |g| {
                let all = g.channels.iter().chain(&g.threads).copied();
                all.filter(|c| {
                    self.channels
                        .get(c)
                        .is_some_and(|c| c.parent_id == Some(id))
                })
                .collect()
            });
            for child in children {
                if channel.kind == 4 {
                    self.edit_channel(child, |c| c.parent_id = None);
                } else {
                    self.forget_channel(child);
                }
            }
            self.drop_channel_references(guild_id, id);
        }
        self.forget_channel(id);
    }

    fn drop_channel_references(&mut self, guild_id: Id, id: Id) {
        let Some(guild) = self.guilds.get_mut(&guild_id) else {
            return;
        };
        let slots = [
            &mut guild.afk_channel_id,
            &mut guild.system_channel_id,
            &mut guild.widget_channel_id,
            &mut guild.safety_alerts_channel_id,
        ];
        let mut changed = false;
        for slot in slots {
            if *slot == Some(id) {
                *slot = None;
                changed = true;
            }
        }
        guild.voice.retain(|_, v| v.channel != id);
        let events = guild.scheduled_events.values();
        let here = events.filter(|e| e.channel() == Some(id)).map(|e| e.id);
        let called_off: Vec<Id> = here.collect();
        self.invites.retain(|_, i| i.channel != id);
        self.webhooks.retain(|_, w| w.channel != id);
        for event in called_off {
            self.delete_scheduled_event(guild_id, event);
        }
        if changed {
            self.guild_updated(guild_id);
        }
    }

    fn forget_channel(&mut self, id: Id) {
        if let Some(channel) = self.channels.remove(&id)
            && let Some(guild) = channel.guild_id.and_then(|g| self.guilds.get_mut(&g))
        {
            guild.channels.remove(&id);
            guild.threads.remove(&id);
        }
        self.messages.remove(&id);
    }

    /// Adds a role and announces it.
    pub fn add_role(&mut self, guild: Id, role: Role) {
        let payload = json!({"guild_id": guild, "role": role.json()});
        if let Some(state) = self.guilds.get_mut(&guild) {
            state.roles.insert(role.id, role);
        }
        self.emit(guild, "GUILD_ROLE_CREATE", intent::GUILDS, 0, payload);
    }

    /// Changes a role and announces it, with what its holders see by it and what no longer.
    pub fn edit_role(&mut self, guild: Id, role: Id, edit: impl FnOnce(&mut Role)) {
        let place = self.guilds.get(&guild).and_then(|g| g.roles.get(&role));
        let Some(before) = place else {
            return;
        };
        let mut after = before.clone();
        edit(&mut after);
        if after.permissions != before.permissions {
            self.note_all_sight(guild);
        }
        if let Some(place) = self.guilds.get_mut(&guild) {
            place.roles.insert(role, after);
        }
        self.role_updated(guild, role);
    }

    /// Announces a changed role.
    pub fn role_updated(&mut self, guild: Id, role: Id) {
        let Some(state) = self.guilds.get(&guild).and_then(|g| g.roles.get(&role)) else {
            return;
        };
        let payload = json!({"guild_id": guild, "role": state.json()});
        self.emit(guild, "GUILD_ROLE_UPDATE", intent::GUILDS, 0, payload);
    }

    /// Removes a role; its members and overwrites lose it without a word in the audit log.
    pub fn delete_role(&mut self, guild_id: Id, role: Id) {
        self.note_all_sight(guild_id);
        let Some(guild) = self.guilds.get_mut(&guild_id) else {
            return;
        };
        if guild.roles.remove(&role).is_none() {
            return;
        }
        let channels: Vec<Id> = guild.channels.iter().copied().collect();
        let holders: Vec<Id> = guild
            .members
            .values()
            .filter(|m| m.roles.contains(&role))
            .map(|m| m.user)
            .collect();
        self.emit(
            guild_id,
            "GUILD_ROLE_DELETE",
            intent::GUILDS,
            0,
            json!({"guild_id": guild_id, "role_id": role}),
        );
        for user in holders {
            self.edit_member(guild_id, user, |m| {
                m.roles.remove(&role);
            });
        }
        for channel in channels {
            let names = self.channels.get(&channel);
            if !names.is_some_and(|c| c.overwrites.contains_key(&role)) {
                continue;
            }
            if self.conduct.stale_overwrites {
                self.announce_channel(channel, "CHANNEL_UPDATE");
                if let Some(channel) = self.channels.get_mut(&channel) {
                    channel.overwrites.remove(&role);
                }
            } else {
                self.edit_channel(channel, |c| {
                    c.overwrites.remove(&role);
                });
            }
        }
    }

    /// Stores a message and announces it.
    pub fn add_message(&mut self, mut message: Message) -> Id {
        let id = message.id;
        message.came_ms = self.steady_ms();
        let now = self.now();
        let guild = self.guild_of(message.channel);
        let mut opened = false;
        if let Some(channel) = self.channels.get_mut(&message.channel) {
            if message.ephemeral_for.is_none() {
                channel.last_message_id = Some(id);
            }
            if let Some(thread) = &mut channel.thread {
                message.position = Some(thread.message_count);
                if is_counted(&message) {
                    thread.message_count += 1;
                    thread.total_sent += 1;
                }
                if thread.archived {
                    thread.archived = false;
                    thread.archived_at = now;
                    opened = true;
                }
            }
        }
        if opened {
            let payload = self.channel_json(&self.channels[&message.channel]);
            self.emit_in(message.channel, "THREAD_UPDATE", intent::GUILDS, payload);
        }
        if let Some(guild) = guild {
            self.touch_member(guild, message.author);
        }
        let payload = self.message_create_payload(&message);
        let (channel, author, hidden) = (
            message.channel,
            message.author,
            message.ephemeral_for.is_some(),
        );
        self.messages
            .entry(channel)
            .or_default()
            .insert(id, message);
        self.announce_message("MESSAGE_CREATE", channel, author, hidden, payload);
        id
    }

    fn message_create_payload(&self, message: &Message) -> Value {
        let mut payload = self.message_event(message);
        if !message.nonce.is_null() {
            payload["nonce"] = message.nonce.clone();
        }
        payload
    }

    fn announce_message(
        &mut self,
        kind: &'static str,
        channel: Id,
        author: Id,
        hidden: bool,
        payload: Value,
    ) {
        if hidden {
            // Ephemeral messages reach the bot alone, as if by direct message.
            self.emit_to(author, None, kind, intent::DIRECT_MESSAGES, payload);
        } else {
            self.emit_message(kind, channel, author, payload);
        }
    }

    /// Announces a changed message.
    pub fn message_updated(&mut self, channel: Id, id: Id) {
        let Some(message) = self.message(channel, id) else {
            return;
        };
        let (author, hidden) = (message.author, message.ephemeral_for.is_some());
        let payload = self.message_event(message);
        self.announce_message("MESSAGE_UPDATE", channel, author, hidden, payload);
    }

    /// Removes messages: one is announced alone, several together.
    pub fn delete_messages(&mut self, channel: Id, ids: &[Id]) -> Vec<Id> {
        self.remove_messages(channel, ids, false)
    }

    /// Removes messages; even a single one is announced as a bulk.
    pub fn delete_messages_in_bulk(&mut self, channel: Id, ids: &[Id]) -> Vec<Id> {
        self.remove_messages(channel, ids, true)
    }

    fn remove_messages(&mut self, channel: Id, ids: &[Id], bulk: bool) -> Vec<Id> {
        let published = |id: &&Id| {
            self.message(channel, **id)
                .is_some_and(|m| m.flags & CROSSPOSTED != 0)
        };
        let published: Vec<Id> = ids.iter().filter(published).copied().collect();
        let mut gone = Vec::new();
        let mut counted = 0;
        let mut hidden = None;
        for id in ids {
            let Some(message) = self.messages.get_mut(&channel).and_then(|m| m.remove(id)) else {
                continue;
            };
            self.forget_files(&message.attachments);
            counted += u64::from(is_counted(&message));
            if message.ephemeral_for.is_some() {
                hidden = Some(message.author);
            }
            gone.push(*id);
        }
        if let Some(thread) = self
            .channels
            .get_mut(&channel)
            .and_then(|c| c.thread.as_mut())
        {
            thread.message_count = thread.message_count.saturating_sub(counted);
        }
        let guild = self.guild_of(channel);
        let intents = if guild.is_some() {
            intent::GUILD_MESSAGES
        } else {
            intent::DIRECT_MESSAGES
        };
        let mut payload = match gone.as_slice() {
            [] => return gone,
            [one] if !bulk => json!({"id": one, "channel_id": channel}),
            many => json!({"ids": many, "channel_id": channel}),
        };
        let kind = if gone.len() == 1 && !bulk {
            "MESSAGE_DELETE"
        } else {
            "MESSAGE_DELETE_BULK"
        };
        if let Some(bot) = hidden {
            self.emit_to(bot, None, kind, intent::DIRECT_MESSAGES, payload);
            return gone;
        }
        if let Some(guild) = guild {
            payload["guild_id"] = json!(guild);
        }
        self.emit_in(channel, kind, intents, payload);
        for id in published {
            self.orphan_copies(channel, id);
        }
        gone
    }

    /// Where a deleted message was published, only a notice stays.
    fn orphan_copies(&mut self, channel: Id, id: Id) {
        for (target, copy) in self.published_copies(channel, id) {
            if let Some(message) = self.message_mut(target, copy) {
                message.flags |= SOURCE_DELETED;
                message.content = "[Original Message Deleted]".to_owned();
                message.embeds.clear();
                let files = std::mem::take(&mut message.attachments);
                self.forget_files(&files);
            }
            self.message_updated(target, copy);
        }
    }

    pub(crate) fn forget_files(&mut self, files: &[Attachment]) {
        for file in files {
            self.assets.forget(super::AssetKind::Attachment, file.id);
        }
    }

    /// Announces that a guild's emojis or stickers changed.
    pub fn expressions_updated(&mut self, guild: Id, stickers: bool) {
        let Some(state) = self.guilds.get(&guild) else {
            return;
        };
        let (kind, payload) = if stickers {
            (
                "GUILD_STICKERS_UPDATE",
                json!({"guild_id": guild, "stickers": self.stickers_json(state)}),
            )
        } else {
            (
                "GUILD_EMOJIS_UPDATE",
                json!({"guild_id": guild, "emojis": self.emojis_json(state)}),
            )
        };
        self.emit(guild, kind, intent::GUILD_EXPRESSIONS, 0, payload);
    }

    /// Announces that a channel's webhooks changed.
    pub fn webhooks_updated(&mut self, guild: Id, channel: Id) {
        let payload = json!({"guild_id": guild, "channel_id": channel});
        self.emit(guild, "WEBHOOKS_UPDATE", intent::GUILD_WEBHOOKS, 0, payload);
    }

    /// Removes a webhook and announces it; nothing when it is gone already.
    pub(crate) fn remove_webhook(&mut self, id: Id) {
        if let Some(gone) = self.webhooks.remove(&id) {
            self.webhooks_updated(gone.guild, gone.channel);
        }
    }

    /// Announces a ban or its end.
    pub fn ban_changed(&mut self, guild: Id, user: Id, banned: bool) {
        let payload = json!({"guild_id": guild, "user": self.user_json(user)});
        let kind = if banned {
            "GUILD_BAN_ADD"
        } else {
            "GUILD_BAN_REMOVE"
        };
        let needs = perm::BAN_MEMBERS | perm::VIEW_AUDIT_LOG;
        self.emit(guild, kind, intent::GUILD_MODERATION, needs, payload);
    }

    /// The automatic archiving that is due, done lazily whenever threads are looked at.
    pub fn archive_idle_threads(&mut self, guild: Id) {
        let now = self.now();
        let Some(state) = self.guilds.get(&guild) else {
            return;
        };
        let due: Vec<(Id, Stamp)> = state
            .threads
            .iter()
            .filter_map(|id| self.archive_due(*id, now))
            .collect();
        for (id, at) in due {
            let at = self.free_archive_time(id, at);
            self.edit_channel(id, |c| {
                if let Some(thread) = &mut c.thread {
                    thread.archived = true;
                    thread.archived_at = at;
                }
            });
        }
    }

    /// The first time from `at` on at which no other thread of the same channel was archived: lists
    /// of archived threads go on by time, so of two with one time the second could not be reached.
    pub(crate) fn free_archive_time(&self, thread: Id, at: Stamp) -> Stamp {
        let Some(channel) = self.channels.get(&thread) else {
            return at;
        };
        let guild = channel.guild_id.and_then(|g| self.guilds.get(&g));
        let siblings = guild.into_iter().flat_map(|g| &g.threads);
        let taken: BTreeSet<Stamp> = siblings
            .filter(|id| **id != thread)
            .filter_map(|id| self.channels.get(id))
            .filter(|c| c.parent_id == channel.parent_id)
            .filter_map(|c| c.thread.as_ref())
            .filter(|t| t.archived)
            .map(|t| t.archived_at)
            .collect();
        let mut free = at;
        while taken.contains(&free) {
            free = free.plus(1);
        }
        free
    }

    fn archive_due(&self, id: Id, now: Stamp) -> Option<(Id, Stamp)> {
        let channel = self.channels.get(&id)?;
        let thread = channel.thread.as_ref().filter(|t| !t.archived)?;
        let last = channel
            .last_message_id
            .map_or(thread.created_at, Id::created)
            .max(thread.archived_at);
        let end = last.plus(i64::from(thread.auto_archive) * 60_000);
        (end <= now).then_some((id, end))
    }
}

/// Whether a thread counts the message: not what it began with, nor the notice of that (documentation,
/// "Channel Object").
fn is_counted(message: &Message) -> bool {
    !matches!(message.kind, 21 | 18) && message.id != message.channel
}
