//! Opcodes 31 and 43: a guild's sounds, and what goes on in its voice channels.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::close::Close;
use super::session::Session;
use super::{Gateway, Id};

/// Guilds that one request may name.
const MAX_GUILDS: usize = 100;

impl Gateway {
    /// Handles op 31: SOUNDBOARD_SOUNDS for each guild of the session.
    pub(super) fn request_sounds(
        self: &Arc<Self>,
        session: &Arc<Session>,
        d: &Value,
    ) -> Result<(), Close> {
        let guilds: Vec<Id> =
            serde_json::from_value(d["guild_ids"].clone()).map_err(|_| Close::Decode)?;
        self.sandbox.with_world(|world| {
            for guild in guilds.into_iter().take(MAX_GUILDS) {
                let place = world.guilds.get(&guild);
                let mine = place.filter(|g| g.bots.contains(&session.identity.bot));
                let Some(place) = mine.filter(|_| session.covers(guild)) else {
                    continue;
                };
                let sounds = place.sounds.values().map(|s| world.sound_json(guild, s));
                let sounds: Vec<Value> = sounds.collect();
                let told = json!({"guild_id": guild, "soundboard_sounds": sounds});
                self.publish(
                    session,
                    "SOUNDBOARD_SOUNDS",
                    told.to_string().into(),
                    Some(guild),
                );
            }
        });
        Ok(())
    }

    /// Handles op 43: CHANNEL_INFO with the wanted fields of the voice channels the bot sees.
    pub(super) fn request_channel_info(
        self: &Arc<Self>,
        session: &Arc<Session>,
        d: &Value,
    ) -> Result<(), Close> {
        let guild: Id = serde_json::from_value(d["guild_id"].clone()).map_err(|_| Close::Decode)?;
        let fields: Vec<String> =
            serde_json::from_value(d["fields"].clone()).map_err(|_| Close::Decode)?;
        self.sandbox.with_world(|world| {
            let bot = session.identity.bot;
            let place = world.guilds.get(&guild);
            let mine = place.filter(|g| g.bots.contains(&bot));
            let Some(place) = mine.filter(|_| session.covers(guild)) else {
                return;
            };
            let voice = place.channels.iter().filter_map(|c| world.channels.get(c));
            let voice = voice.filter(|c| c.is_voice() && world.sees(c.id, bot));
            let channels = voice.map(|channel| {
                let mut info = Map::new();
                info.insert("id".to_owned(), json!(channel.id));
                if fields.iter().any(|f| f == "status") {
                    info.insert("status".to_owned(), json!(channel.voice_status));
                }
                if fields.iter().any(|f| f == "voice_start_time") {
                    info.insert("voice_start_time".to_owned(), Value::Null);
                }
                Value::Object(info)
            });
            let channels: Vec<Value> = channels.collect();
            let told = json!({"guild_id": guild, "channels": channels});
            self.publish(
                session,
                "CHANNEL_INFO",
                told.to_string().into(),
                Some(guild),
            );
        });
        Ok(())
    }
}
