//! A dispatch of Discord's on its way to clients: one body for all, cut at the digits of its number.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use splashtail_core::ids::GuildId;
use splashtail_gateway::{Head, Place};

use super::cache::json::Snowflake;
use super::cache::{Change, View, seen};
use super::intents::{self, GUILD_MEMBERS, GUILD_PRESENCES, GUILD_VOICE_STATES, MESSAGE_CONTENT};

/// A client's session in this process.
pub type SessionId = u64;

/// What is special about some events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    GuildCreate,
    /// Whoever is shown its server afterwards need not hear of it.
    Shown,
    /// Has content that not everybody may read.
    Message,
    Other,
}

/// A text with a gap where a client's number goes.
#[derive(Debug, Clone)]
pub struct Frame {
    bytes: Bytes,
    digits: Range<usize>,
}

impl Frame {
    /// `{"t":name,"s":…,"op":0,"d":body}`, with Discord's order of keys.
    pub fn dispatch(name: &str, body: &str) -> Self {
        let mut text = String::with_capacity(name.len() + body.len() + 32);
        text.push_str("{\"t\":\"");
        text.push_str(name);
        text.push_str("\",\"s\":");
        let at = text.len();
        text.push_str(",\"op\":0,\"d\":");
        text.push_str(body);
        text.push('}');
        Self {
            bytes: text.into(),
            digits: at..at,
        }
    }

    /// Before and behind the number.
    pub fn parts(&self) -> (&[u8], &[u8]) {
        (
            &self.bytes[..self.digits.start],
            &self.bytes[self.digits.end..],
        )
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

#[derive(Debug)]
pub struct Event {
    frame: Frame,
    /// Where in the frame the body is.
    body: Range<usize>,
    pub class: Class,
    /// Any of these intents; 0: none is needed.
    pub needs: u64,
    pub guild: Option<GuildId>,
    /// Only for these sessions.
    pub to: Option<Box<[SessionId]>>,
    pub at: Duration,
    /// The same without content, for clients that may not read it; empty when it is the same.
    bare: OnceLock<Option<Frame>>,
}

/// The client's side of the question what it may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    pub session: SessionId,
    /// What the client asked for.
    pub intents: u64,
    /// What the proxy asked Discord for.
    pub upstream: u64,
    pub shard: (u16, u16),
    /// The bot's id.
    pub own: u64,
}

impl Sight {
    fn lacks(&self, intent: u64) -> bool {
        self.upstream & intent != 0 && self.intents & intent == 0
    }

    /// `None` when a GUILD_CREATE is to be passed on as it is.
    pub fn view(&self) -> Option<View> {
        let view = View {
            presences: !self.lacks(GUILD_PRESENCES),
            voice_states: !self.lacks(GUILD_VOICE_STATES),
        };
        (view != View::WHOLE).then_some(view)
    }

    pub fn covers(&self, guild: GuildId) -> bool {
        guild.shard(self.shard.1).get() == self.shard.0
    }

    /// The body of a server's GUILD_CREATE as this client may see it.
    pub fn of_guild(&self, body: &[u8]) -> Option<String> {
        let view = self.view()?;
        seen(std::str::from_utf8(body).ok()?, view, self.own).ok()
    }
}

impl Event {
    /// `frame` is a dispatch of Discord's whose head and place are these.
    pub fn new(frame: Bytes, head: &Head<'_>, place: &Place, own: u64, at: Duration) -> Self {
        let name = head.name.as_deref().unwrap_or_default();
        let body = place.body.clone();
        let guild = guild_of(name, place);
        // Of the bot itself everybody hears: who speaks has to, to be let into the channel.
        let is_own = || match name {
            b"GUILD_MEMBER_UPDATE" => user_of(&frame[body.clone()]) == Some(own),
            b"VOICE_STATE_UPDATE" => speaker_of(&frame[body.clone()]) == Some(own),
            _ => false,
        };
        let needs = match intents::needed(name, guild.is_some()) {
            GUILD_MEMBERS | GUILD_VOICE_STATES if is_own() => 0,
            needs => needs,
        };
        let class = match name {
            b"GUILD_CREATE" => Class::GuildCreate,
            b"GUILD_DELETE" => Class::Shown,
            b"MESSAGE_CREATE" | b"MESSAGE_UPDATE" => Class::Message,
            name if Change::of(name).is_some_and(Change::is_shown) => Class::Shown,
            _ => Class::Other,
        };
        // Without a number where it belongs the frame is written anew.
        let digits = head.seq_at.clone();
        let written_anew = digits.is_empty() || digits.end > body.start;
        let (frame, body) = match written_anew {
            false => (
                Frame {
                    bytes: frame,
                    digits,
                },
                body,
            ),
            true => {
                let name = String::from_utf8_lossy(name);
                let text = String::from_utf8_lossy(&frame[body]);
                let frame = Frame::dispatch(&name, &text);
                let end = frame.len() - 1;
                let body = end - text.len()..end;
                (frame, body)
            }
        };
        Self {
            frame,
            body,
            class,
            needs,
            guild,
            to: None,
            at,
            bare: OnceLock::new(),
        }
    }

    /// One that the proxy makes for some sessions.
    pub fn made(
        name: &str,
        body: &str,
        guild: Option<GuildId>,
        to: Box<[SessionId]>,
        at: Duration,
    ) -> Self {
        let frame = Frame::dispatch(name, body);
        let end = frame.len() - 1;
        Self {
            body: end - body.len()..end,
            frame,
            class: Class::Other,
            needs: 0,
            guild,
            to: Some(to),
            at,
            bare: OnceLock::new(),
        }
    }

    pub fn body(&self) -> &str {
        std::str::from_utf8(&self.frame.bytes[self.body.clone()]).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.frame.len()
    }

    /// A frame that can be read again.
    pub fn kept(&self) -> Bytes {
        match self.frame.digits.is_empty() {
            false => self.frame.bytes.clone(),
            true => {
                let (head, tail) = self.frame.parts();
                [head, b"0", tail].concat().into()
            }
        }
    }

    /// Whether a client is told of it.
    pub fn is_for(&self, sight: &Sight) -> bool {
        if let Some(to) = &self.to {
            return to.contains(&sight.session);
        }
        if self.needs != 0 && self.needs & sight.intents == 0 {
            return false;
        }
        match self.guild {
            Some(guild) => sight.covers(guild),
            None => sight.shard.0 == 0,
        }
    }

    /// As a client may see it.
    pub fn seen_by(&self, sight: &Sight) -> Frame {
        match self.class {
            Class::GuildCreate => match sight.of_guild(self.body().as_bytes()) {
                Some(body) => Frame::dispatch("GUILD_CREATE", &body),
                None => self.frame.clone(),
            },
            Class::Message if sight.lacks(MESSAGE_CONTENT) => {
                let bare = self.bare.get_or_init(|| self.without_content(sight.own));
                bare.as_ref().unwrap_or(&self.frame).clone()
            }
            _ => self.frame.clone(),
        }
    }

    /// Discord shows an application the content of its own messages, of direct ones and of those
    /// that mention it (gateway documentation, "Message Content Intent").
    fn without_content(&self, own: u64) -> Option<Frame> {
        self.guild?;
        let mut body: Value = serde_json::from_str(self.body()).ok()?;
        let id = own.to_string();
        let mentioned = body["mentions"]
            .as_array()
            .is_some_and(|users| users.iter().any(|user| user["id"] == id.as_str()));
        if mentioned || body["author"]["id"] == id.as_str() {
            return None;
        }
        let fields = body.as_object_mut()?;
        if let Some(content) = fields.get_mut("content") {
            *content = "".into();
        }
        for field in ["embeds", "attachments", "components"] {
            if let Some(list) = fields.get_mut(field) {
                *list = Value::Array(Vec::new());
            }
        }
        fields.shift_remove("poll");
        let (head, _) = self.frame.parts();
        let name = match head.starts_with(b"{\"t\":\"MESSAGE_UPDATE\"") {
            true => "MESSAGE_UPDATE",
            false => "MESSAGE_CREATE",
        };
        Some(Frame::dispatch(name, &body.to_string()))
    }
}

fn guild_of(name: &[u8], place: &Place) -> Option<GuildId> {
    match name {
        b"GUILD_CREATE" | b"GUILD_UPDATE" | b"GUILD_DELETE" => place.id,
        _ => place.guild_id,
    }
}

fn user_of(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Body {
        user: User,
    }
    #[derive(Deserialize)]
    struct User {
        id: Snowflake,
    }
    Some(serde_json::from_slice::<Body>(body).ok()?.user.id.0)
}

fn speaker_of(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Body {
        user_id: Snowflake,
    }
    Some(serde_json::from_slice::<Body>(body).ok()?.user_id.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn event(text: &str) -> Event {
        let frame = Bytes::copy_from_slice(text.as_bytes());
        let head = Head::scan(text.as_bytes()).unwrap();
        let place = head.place(text.as_bytes()).unwrap();
        Event::new(frame.clone(), &head, &place, 9, Duration::ZERO)
    }

    pub fn sight(intents: u64) -> Sight {
        Sight {
            session: 1,
            intents,
            upstream: intents::ALL,
            shard: (0, 1),
            own: 9,
        }
    }

    pub fn numbered(frame: &Frame, seq: u64) -> String {
        let (head, tail) = frame.parts();
        let seq = seq.to_string();
        String::from_utf8([head, seq.as_bytes(), tail].concat()).unwrap()
    }

    #[test]
    fn only_the_number_differs_from_what_discord_sent() {
        let event = event(r#"{"t":"NEW","s":4711,"op":0,"d":{"guild_id":"5","s":1,"x":1.0}}"#);
        assert_eq!(
            numbered(&event.seen_by(&sight(0)), 3),
            r#"{"t":"NEW","s":3,"op":0,"d":{"guild_id":"5","s":1,"x":1.0}}"#
        );
        assert_eq!(event.guild, GuildId::new(5));
    }

    #[test]
    fn a_number_behind_the_body_is_put_where_it_belongs() {
        let event = event(r#"{"op":0,"d":{"a":1},"t":"X","s":12}"#);
        let text = numbered(&event.seen_by(&sight(0)), 3);
        assert_eq!(text, r#"{"t":"X","s":3,"op":0,"d":{"a":1}}"#);
        assert_eq!(event.body(), r#"{"a":1}"#);
    }

    #[test]
    fn intents_and_shards_decide() {
        let joined = event(r#"{"t":"GUILD_MEMBER_ADD","s":1,"op":0,"d":{"guild_id":"4194304"}}"#);
        assert!(joined.is_for(&sight(2)));
        assert!(!joined.is_for(&sight(1)));
        // 4194304 >> 22 is 1.
        let of = |shard| Sight { shard, ..sight(2) };
        assert!(joined.is_for(&of((1, 3))) && !joined.is_for(&of((0, 3))));
        let direct = event(r#"{"t":"USER_UPDATE","s":1,"op":0,"d":{"id":"9"}}"#);
        assert!(direct.is_for(&of((0, 3))) && !direct.is_for(&of((1, 3))));
        let own =
            r#"{"t":"GUILD_MEMBER_UPDATE","s":1,"op":0,"d":{"guild_id":"1","user":{"id":"9"}}}"#;
        assert!(event(own).is_for(&sight(0)));
        assert!(!event(&own.replace("\"9\"", "\"8\"")).is_for(&sight(0)));
        let made = Event::made("X", "{}", None, Box::new([2]), Duration::ZERO);
        assert!(!made.is_for(&sight(3)));
    }

    #[test]
    fn content_is_for_those_who_may_read_it() {
        let text = r#"{"t":"MESSAGE_CREATE","s":1,"op":0,"d":{"guild_id":"1","content":"hi","embeds":[{}],"poll":{},"author":{"id":"8"},"mentions":[]}}"#;
        let message = event(text);
        let may = intents::ALL;
        let may_not = may & !MESSAGE_CONTENT;
        assert_eq!(numbered(&message.seen_by(&sight(may)), 1), text);
        assert_eq!(
            numbered(&message.seen_by(&sight(may_not)), 1),
            r#"{"t":"MESSAGE_CREATE","s":1,"op":0,"d":{"guild_id":"1","content":"","embeds":[],"author":{"id":"8"},"mentions":[]}}"#
        );
        for open in [
            text.replace("\"mentions\":[]", "\"mentions\":[{\"id\":\"9\"}]"),
            text.replace("{\"id\":\"8\"}", "{\"id\":\"9\"}"),
            text.replace("\"guild_id\":\"1\",", ""),
        ] {
            assert_eq!(numbered(&event(&open).seen_by(&sight(may_not)), 1), open);
        }
    }
}
