//! Who is in which voice channel, and what others hear of it.

use serde_json::{Value, json};

use super::{Id, VoiceState, World, intent};

impl World {
    /// Puts a member into a voice channel and announces it.
    pub fn enter_voice(&mut self, guild: Id, state: VoiceState) {
        let Some(place) = self.guilds.get_mut(&guild) else {
            return;
        };
        place.voice.insert(state.user, state.clone());
        self.announce_voice(guild, &state, false);
    }

    /// Takes a member out of voice and announces it; nothing when it was in none.
    pub fn leave_voice(&mut self, guild: Id, user: Id) {
        let left = self
            .guilds
            .get_mut(&guild)
            .and_then(|g| g.voice.remove(&user));
        if let Some(state) = left {
            self.announce_voice(guild, &state, true);
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
