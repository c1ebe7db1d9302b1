//! Who is in which voice channel, and what others hear of it.

use serde_json::{Value, json};

use super::{Id, VoiceState, World, intent};

impl World {
    /// Puts a member into a voice channel and announces it.
    pub fn enter_voice(&mut self, guild: Id, state: VoiceState) {
        self.note_voice(guild, state.user, Some(state.channel));
        let Some(place) = self.guilds.get_mut(&guild) else {
            return;
        };
        place.voice.insert(state.user, state.clone());
        self.announce_voice(guild, &state, false);
    }

    /// Takes a member out of voice and announces it; nothing when it was in none.
    pub fn leave_voice(&mut self, guild: Id, user: Id) {
        self.note_voice(guild, user, None);
        let left = self
            .guilds
            .get_mut(&guild)
            .and_then(|g| g.voice.remove(&user));
        if let Some(state) = left {
            self.announce_voice(guild, &state, true);
        }
    }

    /// A bot sees the channel it is connected to: what it enters and leaves may change its sight.
    fn note_voice(&mut self, guild: Id, user: Id, enters: Option<Id>) {
        let Some(place) = self.guilds.get(&guild) else {
            return;
        };
        if place.bots.contains(&user) {
            let left = place.voice.get(&user).map(|v| v.channel);
            let touched: Vec<Id> = left.into_iter().chain(enters).collect();
            let parents = touched
                .iter()
                .filter_map(|c| self.channels.get(c)?.parent_id);
            let touched: Vec<Id> = parents.chain(touched.iter().copied()).collect();
            self.note_sight(guild, touched);
        }
    }

    fn announce_voice(&mut self, guild: Id, state: &VoiceState, left: bool) {
        let Some(place) = self.guilds.get(&guild) else {
            return;
        };
        let mut payload = self.voice_json(place, state);
        payload["guild_id"] = json!(guild);
        if left {
            payload["channel_id"] = Value::Null;
        }
        if let Some(member) = place.members.get(&state.user) {
            payload["member"] = self.member_json(member);
        }
        self.emit(
            guild,
            "VOICE_STATE_UPDATE",
            intent::GUILD_VOICE_STATES,
            0,
            payload,
        );
    }
}
