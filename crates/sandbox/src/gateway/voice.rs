//! Opcode 4: the bot's place in voice channels.

use serde_json::{Value, json};
use splashtail_sandbox_world::world::permissions::{CONNECT, VIEW_CHANNEL};
use splashtail_sandbox_world::world::{Id, VoiceState, World};

use super::Gateway;
use super::close::Close;
use super::session::Session;

impl Gateway {
    /// Handles op 4: joins, moves within or leaves voice as the bot. What is not allowed is
    /// ignored without a word.
    pub(super) fn update_voice_state(&self, session: &Session, d: &Value) -> Result<(), Close> {
        let guild: Id = serde_json::from_value(d["guild_id"].clone()).map_err(|_| Close::Decode)?;
        let channel: Option<Id> =
            serde_json::from_value(d["channel_id"].clone()).map_err(|_| Close::Decode)?;
        let bot = session.identity.bot;
        self.sandbox.with_world(|world| match channel {
            None => world.leave_voice(guild, bot),
            Some(channel) if may_connect(world, guild, channel, bot) => {
                let state = VoiceState {
                    user: bot,
                    channel,
                    session: session.identity.session_id.to_string(),
                    self_mute: d["self_mute"] == true,
                    self_deaf: d["self_deaf"] == true,
                    suppress: false,
                    request_to_speak: None,
                };
                world.enter_voice(guild, state);
                // There is no voice server here, which an absent endpoint says.
                let server = json!({"guild_id": guild, "token": "", "endpoint": null});
                world.emit_to(bot, Some(guild), "VOICE_SERVER_UPDATE", 0, server);
            }
            Some(_) => {}
        });
        Ok(())
    }
}

fn may_connect(world: &World, guild: Id, channel: Id, user: Id) -> bool {
    let wanted = VIEW_CHANNEL | CONNECT;
    world.guild_of(channel) == Some(guild)
        && world.channels.get(&channel).is_some_and(|c| c.is_voice())
        && world.permissions_in(channel, user) & wanted == wanted
}
