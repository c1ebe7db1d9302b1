//! The bot in voice channels. Discord knows one voice state per server, whichever program of the bot is in
//! it; here it is the program that asked last.

use bytes::Bytes;
use serde::Deserialize;
use splashtail_core::ids::GuildId;

use super::cache::Known;
use super::cache::json::{Fields, Snowflake, elements};
use super::event::SessionId;
use super::shard::{Inner, Shard};

impl Shard {
    /// A client joins, moves or leaves; what is sent to Discord for it. `false`: too many wait.
    pub(super) fn speak(&self, guild: GuildId, session: SessionId, frame: Bytes) -> bool {
        let is_there = {
            let mut inner = self.inner();
            let is_there = inner.speaker(guild) != Some(session) && inner.is_in(guild, &frame);
            inner.speaks(guild, session);
            is_there
        };
        // Discord says nothing to one that joins where it is already: the program before this one was
        // there, and only it was told of the voice server.
        (!is_there || self.commands.push(session, leave(guild)))
            && self.commands.push(session, frame)
    }
}

impl Inner {
    /// Whether the bot is in the channel that a client wants to join.
    fn is_in(&mut self, guild: GuildId, frame: &[u8]) -> bool {
        let Some(wanted) = wanted(frame) else {
            return false;
        };
        let own = self.guilds.own();
        let Some(Known::There(body)) = self.guilds.get(guild) else {
            return false;
        };
        channel_of(&body, own) == Some(wanted)
    }
}

/// What a program that does not come back is followed by.
pub(super) fn leave(guild: GuildId) -> Bytes {
    format!(
        r#"{{"op":4,"d":{{"guild_id":"{guild}","channel_id":null,"self_mute":false,"self_deaf":false}}}}"#
    )
    .into()
}

fn wanted(frame: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Frame {
        d: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        channel_id: Option<Snowflake>,
    }
    let frame: Frame = serde_json::from_slice(frame).ok()?;
    Some(frame.d.channel_id?.0)
}

/// The channel that a server's GUILD_CREATE has a user in.
fn channel_of(body: &[u8], user: u64) -> Option<u64> {
    #[derive(Deserialize)]
    struct State {
        user_id: Snowflake,
        channel_id: Option<Snowflake>,
    }
    let fields = Fields::read(std::str::from_utf8(body).ok()?).ok()?;
    let states = elements(fields.get("voice_states")?).ok()?;
    let mut states = states
        .into_iter()
        .filter_map(|state| serde_json::from_str::<State>(state.get()).ok());
    let own = states.find(|state| state.user_id.0 == user)?;
    Some(own.channel_id?.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use splashtail_gateway::Head;

    use super::*;
    use crate::gateway::commands::Turn;
    use crate::gateway::log::Limits;

    const READY: &str = r#"{"t":"READY","s":1,"op":0,"d":{"v":10,"user":{"id":"9"},"guilds":[{"id":"5"}],"session_id":"up"}}"#;
    const CREATE: &str =
        r#"{"t":"GUILD_CREATE","s":2,"op":0,"d":{"id":"5","members":[],"voice_states":[]}}"#;
    const JOINED: &str = r#"{"t":"VOICE_STATE_UPDATE","s":3,"op":0,"d":{"guild_id":"5","user_id":"9","channel_id":"7","session_id":"v"}}"#;

    fn join(channel: &str) -> Bytes {
        format!(r#"{{"op":4,"d":{{"guild_id":"5","channel_id":{channel},"self_mute":false,"self_deaf":false}}}}"#).into()
    }

    fn shard(frames: &[&'static str]) -> Shard {
        let limits = Limits {
            bytes: 1 << 20,
            age: Duration::from_secs(60),
        };
        let shard = Shard::new(0, limits, Duration::ZERO).unwrap();
        for text in frames {
            let frame = Bytes::from_static(text.as_bytes());
            let head = Head::scan(&frame).unwrap();
            shard.take(frame.clone(), &head, Duration::ZERO);
        }
        shard
    }

    fn sent(shard: &Shard) -> Vec<Bytes> {
        let mut sent = Vec::new();
        while let Turn::Send(frame) = shard.commands.next(Duration::ZERO) {
            sent.push(frame);
        }
        sent
    }

    #[test]
    fn a_program_that_joins_where_the_bot_is_leaves_first() {
        let guild = GuildId::new(5).unwrap();
        let shard = shard(&[READY, CREATE, JOINED]);
        assert!(shard.speak(guild, 1, join("\"7\"")));
        assert_eq!(sent(&shard), [leave(guild), join("\"7\"")]);
        // It is its own now: to say it again changes only whether it is muted.
        assert!(shard.speak(guild, 1, join("\"7\"")));
        assert_eq!(sent(&shard), [join("\"7\"")]);
        for other in ["\"8\"", "null", "7"] {
            let first = if other == "7" {
                vec![leave(guild)]
            } else {
                vec![]
            };
            assert!(shard.speak(guild, 2, join(other)));
            let expected = [first, vec![join(other)]].concat();
            assert_eq!(sent(&shard), expected, "{other}");
            // Somebody else's in between.
            shard.inner().speaks(guild, 3);
        }
    }

    #[test]
    fn a_bot_that_is_nowhere_has_nothing_to_leave() {
        let guild = GuildId::new(5).unwrap();
        for frames in [&[READY][..], &[READY, CREATE][..]] {
            let shard = shard(frames);
            assert!(shard.speak(guild, 1, join("\"7\"")));
            assert_eq!(sent(&shard), [join("\"7\"")]);
            assert_eq!(shard.inner().leave(1), [guild]);
            assert!(shard.inner().leave(1).is_empty());
        }
    }
}
