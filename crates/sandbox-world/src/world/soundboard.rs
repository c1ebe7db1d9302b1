//! Soundboard sounds.

use serde_json::{Value, json};

use super::{AssetKind, Id, World, intent};

/// A sound of a guild; its recording is an asset.
#[derive(Debug, Clone)]
pub struct Sound {
    pub id: Id,
    pub name: String,
    /// From 0 to 1.
    pub volume: f64,
    pub emoji_id: Option<Id>,
    pub emoji_name: Option<String>,
    pub creator: Id,
}

impl World {
    /// The soundboard sound object.
    pub fn sound_json(&self, guild: Id, sound: &Sound) -> Value {
        json!({
            "name": sound.name,
            "sound_id": sound.id,
            "volume": sound.volume,
            "emoji_id": sound.emoji_id,
            "emoji_name": sound.emoji_name,
            "guild_id": guild,
            "available": true,
            "user": self.user_json(sound.creator),
        })
    }

    /// Stores a sound and announces it under this name.
    pub fn put_sound(&mut self, guild: Id, kind: &'static str, sound: Sound) {
        let payload = self.sound_json(guild, &sound);
        if let Some(state) = self.guilds.get_mut(&guild) {
            state.sounds.insert(sound.id, sound);
        }
        self.emit(guild, kind, intent::GUILD_EXPRESSIONS, 0, payload);
    }

    /// Removes a sound with its recording and announces it.
    pub fn delete_sound(&mut self, guild: Id, id: Id) {
        let state = self.guilds.get_mut(&guild);
        if state.and_then(|g| g.sounds.remove(&id)).is_none() {
            return;
        }
        self.assets.forget(AssetKind::Sound, id);
        let payload = json!({"sound_id": id, "guild_id": guild});
        let kind = "GUILD_SOUNDBOARD_SOUND_DELETE";
        self.emit(guild, kind, intent::GUILD_EXPRESSIONS, 0, payload);
    }
}
