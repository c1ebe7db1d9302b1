//! What a bot may know of a channel: all of it, or only that it is there.
//!
//! Discord's change log, "Channel Obfuscation for Users and Bots", in force since 16 November 2026:
//! the gateway still names every channel, but those without sight as a husk; REST leaves them out.
//! Interactions are built by another path and stay clear.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::permissions as perm;
use super::{Channel, Guild, Id, Overwrite, World, intent};

/// The name of every channel that may not be seen.
pub const HIDDEN_NAME: &str = "___hidden___";
/// Channel flag: what is told about it is not true, except id, type, position, parent and guild.
pub const OBFUSCATED: u32 = 1 << 17;

/// Who saw what when a change began, so that what it gained and lost can be told at its end.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    /// By bot and channel.
    before: BTreeMap<(Id, Id), Glimpse>,
}

/// Whether a bot saw a channel when the change began, and as what it was last told of it.
#[derive(Debug, Clone, Copy)]
struct Glimpse {
    seen: bool,
    told: bool,
}

impl Glimpse {
    fn of(seen: bool) -> Self {
        Self { seen, told: seen }
    }
}

impl Channel {
    /// What those learn of it who may not see it.
    fn husk(&self, guild: Id) -> Self {
        let mut husk = Self::new(self.id, self.kind, self.guild_id, HIDDEN_NAME);
        husk.position = self.position;
        husk.parent_id = self.parent_id;
        husk.flags = OBFUSCATED;
        let nobody = Overwrite {
            id: guild,
            member: false,
            allow: 0,
            deny: perm::VIEW_CHANNEL,
        };
        husk.overwrites.insert(guild, nobody);
        husk
    }
}

impl World {
    /// Whether `user` may see a channel: by permission, by being connected to it, or, of a
    /// category, by seeing one of its channels.
    pub fn sees(&self, channel: Id, user: Id) -> bool {
        if self.permissions_in(channel, user) & perm::VIEW_CHANNEL != 0 {
            return true;
        }
        let Some(place) = self.channels.get(&channel) else {
            return false;
        };
        let Some(guild) = place.guild_id.and_then(|g| self.guilds.get(&g)) else {
            return false;
        };
        if !guild.members.contains_key(&user) {
            return false;
        }
        if guild.voice.get(&user).is_some_and(|v| v.channel == channel) {
            return true;
        }
        place.kind == 4
            && guild.channels.iter().any(|child| {
                let inside = self.channels.get(child);
                inside.is_some_and(|c| c.parent_id == Some(channel) && c.kind != 4)
                    && self.sees(*child, user)
            })
    }

    /// The channels of a guild that `user` may see.
    pub fn seen_by(&self, guild: &Guild, user: Id) -> BTreeSet<Id> {
        if perm::in_guild(guild, user, self.now()) & perm::ADMINISTRATOR != 0 {
            return guild.channels.clone();
        }
        // Categories last: they go by what is in them, which is looked at once.
        let mut seen = BTreeSet::new();
        let mut parents = BTreeSet::new();
        for id in &guild.channels {
            let Some(channel) = self.channels.get(id).filter(|c| c.kind != 4) else {
                continue;
            };
            if self.sees(*id, user) {
                seen.insert(*id);
                parents.extend(channel.parent_id);
            }
        }
        let categories = guild.channels.iter().filter(|id| {
            self.channels.get(id).is_some_and(|c| c.kind == 4)
                && (parents.contains(id)
                    || self.permissions_in(**id, user) & perm::VIEW_CHANNEL != 0)
        });
        seen.extend(categories.copied().collect::<Vec<_>>());
        seen
    }

    /// A channel as the gateway shows it to someone who sees it or not.
    pub(crate) fn channel_as_seen(&self, channel: &Channel, seen: bool) -> Value {
        match channel.guild_id {
            Some(guild) if !seen && self.conduct.channel_obfuscation => {
                self.channel_json(&channel.husk(guild))
            }
            _ => self.channel_json(channel),
        }
    }

    /// Tells every bot of the guild about a channel, clearly or not.
    pub(crate) fn announce_channel(&mut self, id: Id, kind: &'static str) {
        let Some(channel) = self.channels.get(&id) else {
            return;
        };
        let Some(guild) = channel.guild_id.and_then(|g| self.guilds.get(&g)) else {
            return;
        };
        let (guild, bots) = (guild.id, guild.bots.clone());
        let (clear, hidden) = (
            self.channel_as_seen(channel, true),
            self.channel_as_seen(channel, false),
        );
        let (seers, others): (Vec<Id>, Vec<Id>) =
            bots.into_iter().partition(|bot| self.sees(id, *bot));
        for (bots, seen) in [(&seers, true), (&others, false)] {
            for bot in bots {
                if let Some(before) = self.sights.before.get_mut(&(*bot, id)) {
                    before.told = seen;
                }
            }
        }
        if self.conduct.channel_obfuscation {
            self.emit_to_all(guild, kind, intent::GUILDS, others, hidden);
        }
        self.emit_to_all(guild, kind, intent::GUILDS, seers, clear);
    }

    /// Remembers who sees these channels, before something changes that.
    pub(crate) fn note_sight(&mut self, guild: Id, channels: impl IntoIterator<Item = Id>) {
        if self.building.is_some() {
            return;
        }
        let Some(bots) = self.guilds.get(&guild).map(|g| g.bots.clone()) else {
            return;
        };
        let channels: Vec<Id> = channels.into_iter().collect();
        for bot in bots {
            for channel in &channels {
                let key = (bot, *channel);
                if !self.sights.before.contains_key(&key) && self.channels.contains_key(channel) {
                    let seen = self.sees(*channel, bot);
                    self.sights.before.insert(key, Glimpse::of(seen));
                }
            }
        }
    }

    /// Remembers who sees what in a guild, before roles, their holders or the owner change.
    pub(crate) fn note_all_sight(&mut self, guild: Id) {
        if self.building.is_some() {
            return;
        }
        let Some(place) = self.guilds.get(&guild) else {
            return;
        };
        for bot in place.bots.clone() {
            let Some(place) = self.guilds.get(&guild) else {
                return;
            };
            let seen = self.seen_by(place, bot);
            for channel in &place.channels {
                let glimpse = Glimpse::of(seen.contains(channel));
                let before = &mut self.sights.before;
                before.entry((bot, *channel)).or_insert(glimpse);
            }
        }
    }

    /// Tells bots which channels they see now and did not, and the other way round; those that
    /// came into sight bring their active threads.
    pub(crate) fn settle_sight(&mut self) {
        let before = std::mem::take(&mut self.sights.before);
        let mut gained: BTreeMap<(Id, Id), Vec<Id>> = BTreeMap::new();
        for ((bot, channel), was) in before {
            let Some(guild) = self.guild_of(channel) else {
                continue;
            };
            let there = self
                .guilds
                .get(&guild)
                .is_some_and(|g| g.bots.contains(&bot));
            let is = self.sees(channel, bot);
            if !there {
                continue;
            }
            if is && !was.seen {
                gained.entry((guild, bot)).or_default().push(channel);
            }
            if is == was.told || !self.conduct.channel_obfuscation {
                continue;
            }
            let payload = self.channel_as_seen(&self.channels[&channel], is);
            self.emit_to(bot, Some(guild), "CHANNEL_UPDATE", intent::GUILDS, payload);
        }
        for ((guild, bot), channels) in gained {
            self.sync_threads(guild, bot, &channels);
        }
    }

    /// THREAD_LIST_SYNC: all active threads of channels that a bot sees from now on (threads, "When
    /// gaining access to a channel").
    fn sync_threads(&mut self, guild: Id, bot: Id, channels: &[Id]) {
        let Some(place) = self.guilds.get(&guild) else {
            return;
        };
        let holds = |id: &&Id| {
            let channel = self.channels.get(id);
            channel.is_some_and(|c| matches!(c.kind, 0 | 5 | 15 | 16))
        };
        let parents: Vec<Id> = channels.iter().filter(holds).copied().collect();
        if parents.is_empty() {
            return;
        }
        let active = place.threads.iter().filter_map(|id| self.channels.get(id));
        let active: Vec<&Channel> = active
            .filter(|c| c.parent_id.is_some_and(|p| parents.contains(&p)))
            .filter(|c| c.thread.as_ref().is_some_and(|t| !t.archived))
            .filter(|c| self.permissions_in(c.id, bot) & perm::VIEW_CHANNEL != 0)
            .collect();
        let threads: Vec<Value> = active.iter().map(|c| self.channel_json(c)).collect();
        let followed = active.iter().filter_map(|c| {
            let member = c.thread.as_ref()?.members.get(&bot)?;
            Some(member.json(c.id))
        });
        let members: Vec<Value> = followed.collect();
        let payload = json!({
            "guild_id": guild, "channel_ids": parents, "threads": threads, "members": members,
        });
        self.emit_to(
            bot,
            Some(guild),
            "THREAD_LIST_SYNC",
            intent::GUILDS,
            payload,
        );
    }
}
