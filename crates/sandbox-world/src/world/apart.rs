//! A guild by itself: what is large is written from a copy, while the world goes on.

use super::{Guild, Id, World, intent};

impl World {
    /// How many objects GUILD_CREATE has to name of an available guild: about how long it takes to
    /// write, and by far less to copy.
    pub fn bulk(&self, guild: Id, intents: u64) -> usize {
        let Some(guild) = self.guilds.get(&guild).filter(|g| !g.unavailable) else {
            return 0;
        };
        let channels = guild.channels.iter().filter_map(|c| self.channels.get(c));
        let overwrites: usize = channels.map(|c| 1 + c.overwrites.len()).sum();
        let members = match intents & intent::GUILD_PRESENCES {
            0 => 0,
            _ => guild.members.len(),
        };
        overwrites + guild.voice.len() + members
    }

    /// A world of this guild alone, with all that GUILD_CREATE tells of it.
    pub fn apart(&mut self, guild: Id) -> Option<Self> {
        let place = self.guilds.get_mut(&guild)?;
        let mut copy = place.without_people();
        copy.members = place.members.clone();
        let mut part = Self::empty(&self.name, self.seed, &self.addresses, &self.clock);
        part.conduct = self.conduct.clone();
        for id in copy.channels.iter().chain(&copy.threads) {
            let channel = self.channels.get(id).cloned();
            part.channels.extend(channel.map(|c| (*id, c)));
        }
        for id in copy.members.keys().chain(&makers(&copy)) {
            let user = self.users.get(id).cloned();
            part.users.extend(user.map(|u| (*id, u)));
            let presence = self.presences.get(id).cloned();
            part.presences.extend(presence.map(|p| (*id, p)));
        }
        part.guilds.insert(guild, copy);
        Some(part)
    }
}

/// Who made what the guild has, members or not.
fn makers(guild: &Guild) -> Vec<Id> {
    let emojis = guild.emojis.values().map(|e| e.creator);
    let stickers = guild.stickers.values().map(|s| s.creator);
    let sounds = guild.sounds.values().map(|s| s.creator);
    let events = guild.scheduled_events.values().map(|e| e.creator);
    emojis.chain(stickers).chain(sounds).chain(events).collect()
}
