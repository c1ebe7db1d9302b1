//! What clients say, and the answers that are the same for everybody.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use splashtail_core::ids::GuildId;

use crate::gateway::cache::json::Snowflake;
use crate::gateway::intents;

/// Largest frame of a client (gateway documentation, "Sending Events").
pub const LARGEST: usize = 4096;

pub const ACK: &str = r#"{"t":null,"s":null,"op":11,"d":null}"#;
pub const INVALID_SESSION: &str = r#"{"t":null,"s":null,"op":9,"d":false}"#;
pub const RECONNECT: &str = r#"{"t":null,"s":null,"op":7,"d":null}"#;
/// Libraries look into the trace.
pub const RESUMED_BODY: &str = r#"{"_trace":["[\"proxy\"]"]}"#;

pub fn hello(heartbeat_ms: u64) -> String {
    format!(
        r#"{{"t":null,"s":null,"op":10,"d":{{"heartbeat_interval":{heartbeat_ms},"_trace":["[\"proxy\"]"]}}}}"#
    )
}

/// How a connection is closed. Libraries resume after most of them and give up after 4003 (serenity),
/// 4004 and 4010 to 4014.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The client is to come back and resume.
    Again,
    UnknownOpcode,
    Undecodable,
    NotIdentified,
    WrongToken,
    AlreadyIdentified,
    InvalidSeq,
    TooMany,
    InvalidShard,
    InvalidVersion,
    InvalidIntents,
    Etf,
    /// What Discord said to the proxy.
    Upstream(u16),
}

impl Close {
    pub fn code(self) -> u16 {
        match self {
            Self::Again => 4000,
            Self::UnknownOpcode => 4001,
            Self::Undecodable | Self::Etf => 4002,
            Self::NotIdentified => 4003,
            Self::WrongToken => 4004,
            Self::AlreadyIdentified => 4005,
            Self::InvalidSeq => 4007,
            Self::TooMany => 4008,
            Self::InvalidShard => 4010,
            Self::InvalidVersion => 4012,
            Self::InvalidIntents => 4013,
            Self::Upstream(code) => code,
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Self::Again => "connect again and resume",
            Self::UnknownOpcode => "unknown opcode",
            Self::Undecodable => "the payload cannot be decoded",
            Self::NotIdentified => "not identified",
            Self::WrongToken => "the token is not this bot's",
            Self::AlreadyIdentified => "already identified",
            Self::InvalidSeq => "this number was never sent",
            Self::TooMany => "too many payloads",
            Self::InvalidShard => "invalid shard",
            Self::InvalidVersion => "this API version is not spoken here",
            Self::InvalidIntents => "invalid intents",
            Self::Etf => "etf is not supported, use encoding=json",
            Self::Upstream(_) => "Discord refuses the bot",
        }
    }
}

/// The address's query.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query {
    version: Option<String>,
    encoding: Option<String>,
    pub compress: Option<String>,
}

impl Query {
    pub fn read(query: &str) -> Self {
        let mut read = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "v" => read.version = Some(value.into_owned()),
                "encoding" => read.encoding = Some(value.into_owned()),
                "compress" => read.compress = Some(value.into_owned()),
                _ => {}
            }
        }
        read
    }

    /// # Errors
    /// How the connection is to be closed, once it is a websocket: an HTTP error makes libraries try
    /// again blindly.
    pub fn check(&self) -> Result<(), Close> {
        match self.version.as_deref() {
            None | Some("9" | "10") => {}
            Some(_) => return Err(Close::InvalidVersion),
        }
        match self.encoding.as_deref() {
            None | Some("json") => Ok(()),
            Some("etf") => Err(Close::Etf),
            Some(_) => Err(Close::Undecodable),
        }
    }
}

#[derive(Debug)]
pub enum Request {
    Heartbeat,
    Identify(Identify),
    Resume(Resume),
    Command(Command),
}

#[derive(Debug)]
pub struct Identify {
    pub token: String,
    pub intents: u64,
    pub shard: Option<(u16, u16)>,
    /// Payloads are compressed one by one.
    pub compress: bool,
    /// As it was written.
    pub presence: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
pub struct Resume {
    pub token: String,
    pub session_id: String,
    pub seq: u64,
}

/// What goes on to Discord.
#[derive(Debug)]
pub struct Command {
    pub op: u8,
    pub frame: Bytes,
    /// Servers that it is about.
    pub guilds: Vec<GuildId>,
}

/// # Errors
/// How the connection is to be closed. The checks come in Discord's order.
pub fn read(frame: &[u8], identified: bool) -> Result<Request, Close> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        op: u64,
        #[serde(borrow, default)]
        d: Option<&'a RawValue>,
    }
    if frame.len() > LARGEST {
        return Err(Close::Undecodable);
    }
    let envelope: Envelope<'_> = serde_json::from_slice(frame).map_err(|_| Close::Undecodable)?;
    let d = envelope.d.map_or("null", RawValue::get);
    match envelope.op {
        1 => match serde_json::from_str::<Value>(d) {
            Ok(Value::Null | Value::Number(_)) => Ok(Request::Heartbeat),
            _ => Err(Close::Undecodable),
        },
        2 => identify(d).map(Request::Identify),
        6 => serde_json::from_str(d)
            .map(Request::Resume)
            .map_err(|_| Close::Undecodable),
        3 | 4 | 8 | 31 | 43 if !identified => Err(Close::NotIdentified),
        op @ (3 | 4 | 8 | 31 | 43) => command(op as u8, d).map(Request::Command),
        _ => Err(Close::UnknownOpcode),
    }
}

fn identify(d: &str) -> Result<Identify, Close> {
    #[derive(Deserialize)]
    struct Body<'a> {
        token: String,
        #[serde(borrow)]
        properties: Option<&'a RawValue>,
        intents: Option<Value>,
        shard: Option<Value>,
        compress: Option<bool>,
        presence: Option<Box<RawValue>>,
    }
    let body: Body<'_> = serde_json::from_str(d).map_err(|_| Close::Undecodable)?;
    let has_properties = body
        .properties
        .is_some_and(|properties| properties.get().starts_with('{'));
    if !has_properties {
        return Err(Close::Undecodable);
    }
    let shard = match body.shard {
        None | Some(Value::Null) => None,
        Some(shard) => {
            let shard: (u16, u16) =
                serde_json::from_value(shard).map_err(|_| Close::InvalidShard)?;
            if shard.0 >= shard.1 {
                return Err(Close::InvalidShard);
            }
            Some(shard)
        }
    };
    let intents = body.intents.as_ref().and_then(Value::as_u64);
    let intents = intents.filter(|intents| intents & !intents::ALL == 0);
    Ok(Identify {
        token: body.token,
        intents: intents.ok_or(Close::InvalidIntents)?,
        shard,
        compress: body.compress.unwrap_or(false),
        presence: body.presence.filter(|presence| presence.get() != "null"),
    })
}

fn command(op: u8, d: &str) -> Result<Command, Close> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        guild_id: Option<Ids>,
        #[serde(default)]
        guild_ids: Option<Vec<Snowflake>>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Ids {
        One(Snowflake),
        /// discordgo writes an array.
        Many(Vec<Snowflake>),
    }
    let body: Body = serde_json::from_str(d).map_err(|_| Close::Undecodable)?;
    let ids = match (body.guild_id, body.guild_ids) {
        (Some(Ids::One(id)), _) => vec![id],
        (Some(Ids::Many(ids)), _) | (None, Some(ids)) => ids,
        (None, None) => Vec::new(),
    };
    let guilds: Vec<_> = ids
        .into_iter()
        .filter_map(|id| GuildId::new(id.0))
        .collect();
    if op != 3 && guilds.is_empty() {
        return Err(Close::Undecodable);
    }
    Ok(Command {
        op,
        frame: format!(r#"{{"op":{op},"d":{d}}}"#).into(),
        guilds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identify(extra: &str) -> Result<Identify, Close> {
        let frame = format!(r#"{{"op":2,"d":{{"token":"t","properties":{{}}{extra}}}}}"#);
        match read(frame.as_bytes(), false)? {
            Request::Identify(identify) => Ok(identify),
            other => panic!("{other:?}"),
        }
    }

    fn close(frame: &str) -> u16 {
        read(frame.as_bytes(), false).unwrap_err().code()
    }

    #[test]
    fn fixed_frames_are_what_libraries_know() {
        assert_eq!(
            hello(41_250),
            r#"{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250,"_trace":["[\"proxy\"]"]}}"#
        );
    }

    #[test]
    fn identify_is_checked() {
        let read = identify(
            r#","intents":513,"shard":[1,4],"compress":true,"presence":{"since":{}},"x":1"#,
        )
        .unwrap();
        assert_eq!(
            (read.intents, read.shard, read.compress),
            (513, Some((1, 4)), true)
        );
        assert_eq!(read.presence.unwrap().get(), r#"{"since":{}}"#);
        assert_eq!(identify(r#","intents":1"#).unwrap().shard, None);
        for (extra, code) in [
            ("", 4013),
            (r#","intents":"1""#, 4013),
            (r#","intents":131072"#, 4013),
            (r#","intents":1,"shard":[1,1]"#, 4010),
            (r#","intents":1,"shard":[0,0]"#, 4010),
            (r#","intents":1,"shard":[0]"#, 4010),
            (r#","intents":1,"shard":"x""#, 4010),
            (r#","intents":1,"compress":7"#, 4002),
        ] {
            assert_eq!(identify(extra).unwrap_err().code(), code, "{extra}");
        }
    }

    #[test]
    fn bad_frames_have_their_codes() {
        let long = format!(r#"{{"op":1,"d":null,"x":"{}"}}"#, "x".repeat(LARGEST));
        for (frame, code) in [
            ("", 4002),
            ("[]", 4002),
            ("{}", 4002),
            (r#"{"op":1,"d":"x"}"#, 4002),
            (r#"{"op":2,"d":{"token":"t"}}"#, 4002),
            (r#"{"op":2,"d":{"token":1,"properties":{}}}"#, 4002),
            (r#"{"op":6,"d":{"token":"t"}}"#, 4002),
            (r#"{"op":3,"d":{}}"#, 4003),
            (r#"{"op":8,"d":{}}"#, 4003),
            (r#"{"op":0,"d":{}}"#, 4001),
            (r#"{"op":11}"#, 4001),
            (r#"{"op":99}"#, 4001),
            (&*long, 4002),
        ] {
            assert_eq!(close(frame), code, "{frame}");
        }
        for heartbeat in [r#"{"op":1,"d":null}"#, r#"{"op":1,"d":7}"#, r#"{"op":1}"#] {
            assert!(matches!(
                read(heartbeat.as_bytes(), false),
                Ok(Request::Heartbeat)
            ));
        }
    }

    #[test]
    fn servers_of_commands_come_in_three_forms() {
        for id in ["\"5\"", "5", "[\"5\"]"] {
            let frame = format!(r#"{{"op":8,"d":{{"guild_id":{id},"query":"","limit":0}}}}"#);
            let Ok(Request::Command(command)) = read(frame.as_bytes(), true) else {
                panic!("{frame}");
            };
            assert_eq!(command.guilds, [GuildId::new(5).unwrap()]);
        }
        let sounds = read(br#"{"op":31,"d":{"guild_ids":["5","6"]}}"#, true);
        assert!(matches!(sounds, Ok(Request::Command(command)) if command.guilds.len() == 2));
        assert_eq!(
            read(br#"{"op":4,"d":{}}"#, true).unwrap_err(),
            Close::Undecodable
        );
    }

    #[test]
    fn addresses_say_version_and_encoding() {
        let code = |query: &str| Query::read(query).check().map_err(Close::code);
        for query in ["", "v=10", "v=9&encoding=json", "compress=x"] {
            assert_eq!(code(query), Ok(()), "{query}");
        }
        assert_eq!(code("v=8"), Err(4012));
        assert_eq!(code("v=10&encoding=etf"), Err(4002));
    }
}
