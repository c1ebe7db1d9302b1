//! Who asked Discord for members: chunks go to that client alone, with the nonce that it chose.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::gateway::cache::json::{Fields, raw};
use crate::gateway::event::{Event, SessionId};

/// An answer that is not complete by then never will be.
const PATIENCE: Duration = Duration::from_secs(120);
const MOST: usize = 4096;

/// One client's request.
#[derive(Debug)]
pub struct Asked {
    pub session: SessionId,
    /// The client's own nonce, as it wrote it; none when it gave none.
    pub nonce: Option<Box<RawValue>>,
    pub at: Duration,
}

#[derive(Debug, Default)]
pub struct Requests {
    made: u64,
    waiting: HashMap<String, Asked>,
}

impl Requests {
    /// The request with a nonce of ours, to be sent; `None` when too many wait or it is none.
    pub fn ask(&mut self, frame: &[u8], session: SessionId, now: Duration) -> Option<String> {
        self.waiting
            .retain(|_, asked| now.saturating_sub(asked.at) < PATIENCE);
        if self.waiting.len() >= MOST {
            return None;
        }
        let envelope = Fields::read(std::str::from_utf8(frame).ok()?).ok()?;
        let mut body = Fields::read(envelope.get("d")?.get()).ok()?;
        let nonce = body.get("nonce").map(ToOwned::to_owned);
        let nonce = nonce.filter(|nonce| !matches!(nonce.get(), "\"\"" | "null"));
        self.made += 1;
        let ours = format!("proxy-{}", self.made);
        let value = raw(format!("\"{ours}\""))?;
        body.set("nonce", &value);
        // discordgo writes an array, Discord takes one id.
        let guild = body.get("guild_id").map(|id| id.get().trim());
        let guild = guild.and_then(|id| {
            let one = id.strip_prefix('[')?.strip_suffix(']')?;
            raw(one.split(',').next()?.trim())
        });
        if let Some(guild) = &guild {
            body.set("guild_id", guild);
        }
        let text = format!(r#"{{"op":8,"d":{}}}"#, body.write());
        self.waiting.insert(
            ours,
            Asked {
                session,
                nonce,
                at: now,
            },
        );
        Some(text)
    }

    /// GUILD_MEMBERS_CHUNK.
    pub fn answered(&mut self, event: Event, now: Duration) -> Event {
        #[derive(Deserialize)]
        struct Chunk {
            nonce: String,
            chunk_index: u64,
            chunk_count: u64,
        }
        let Ok(chunk) = serde_json::from_str::<Chunk>(event.body()) else {
            return event;
        };
        let Some(asked) = self.waiting.get(&chunk.nonce) else {
            return event;
        };
        let made = asked
            .told(event.body())
            .map(|body| ("GUILD_MEMBERS_CHUNK", body, asked.session));
        if chunk.chunk_index + 1 >= chunk.chunk_count {
            self.waiting.remove(&chunk.nonce);
        }
        to_one(event, made, now)
    }

    /// RATE_LIMITED.
    pub fn limited(&mut self, event: Event, now: Duration) -> Event {
        #[derive(Deserialize)]
        struct Limited {
            meta: Meta,
        }
        #[derive(Deserialize)]
        struct Meta {
            nonce: String,
        }
        let Ok(limited) = serde_json::from_str::<Limited>(event.body()) else {
            return event;
        };
        let Some(asked) = self.waiting.remove(&limited.meta.nonce) else {
            return event;
        };
        let body = || {
            let mut fields = Fields::read(event.body()).ok()?;
            let meta = raw(asked.told(fields.get("meta")?.get())?)?;
            fields.set("meta", &meta);
            Some(fields.write())
        };
        let made = body().map(|body| ("RATE_LIMITED", body, asked.session));
        to_one(event, made, now)
    }
}

impl Asked {
    /// The same with the client's nonce, or with none.
    fn told(&self, body: &str) -> Option<String> {
        let mut fields = Fields::read(body).ok()?;
        match &self.nonce {
            Some(nonce) => fields.set("nonce", nonce),
            None => fields = fields.without(&["nonce"]),
        }
        Some(fields.write())
    }
}

fn to_one(event: Event, made: Option<(&str, String, SessionId)>, now: Duration) -> Event {
    match made {
        Some((name, body, session)) => {
            Event::made(name, &body, event.guild, Box::new([session]), now)
        }
        None => event,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::gateway::event::tests::event;

    const NOW: Duration = Duration::ZERO;

    fn chunk(nonce: &str, index: u64, count: u64) -> Event {
        event(&format!(
            r#"{{"t":"GUILD_MEMBERS_CHUNK","s":1,"op":0,"d":{{"guild_id":"5","members":[],"chunk_index":{index},"chunk_count":{count},"nonce":"{nonce}"}}}}"#
        ))
    }

    #[test]
    fn chunks_go_to_who_asked_with_its_own_nonce() {
        let mut requests = Requests::default();
        for (given, told) in [
            (r#","nonce":"mine""#, Value::from("mine")),
            ("", Value::Null),
            (r#","nonce":"""#, Value::Null),
        ] {
            let frame = format!(r#"{{"op":8,"d":{{"guild_id":["5"],"query":""{given}}}}}"#);
            let sent = requests.ask(frame.as_bytes(), 7, NOW).unwrap();
            let sent: Value = serde_json::from_str(&sent).unwrap();
            assert_eq!(sent["d"]["guild_id"], "5");
            let nonce = sent["d"]["nonce"].as_str().unwrap();
            for index in 0..2 {
                let answer = requests.answered(chunk(nonce, index, 2), NOW);
                assert_eq!(answer.to.as_deref(), Some(&[7][..]));
                let body: Value = serde_json::from_str(answer.body()).unwrap();
                assert_eq!(body["nonce"], told);
            }
            assert_eq!(requests.answered(chunk(nonce, 1, 2), NOW).to, None);
        }
        assert!(requests.waiting.is_empty());
    }

    #[test]
    fn a_limit_is_told_to_who_met_it() {
        let mut requests = Requests::default();
        let frame = br#"{"op":8,"d":{"guild_id":"5","nonce":"a"}}"#;
        let sent: Value = serde_json::from_str(&requests.ask(frame, 3, NOW).unwrap()).unwrap();
        let text = format!(
            r#"{{"t":"RATE_LIMITED","s":1,"op":0,"d":{{"opcode":8,"retry_after":2.5,"meta":{{"guild_id":"5","nonce":{}}}}}}}"#,
            sent["d"]["nonce"]
        );
        let told = requests.limited(event(&text), NOW);
        assert_eq!(told.to.as_deref(), Some(&[3][..]));
        assert!(told.body().contains(r#""nonce":"a""#), "{}", told.body());
    }

    #[test]
    fn requests_without_an_answer_are_forgotten() {
        let mut requests = Requests::default();
        let frame = br#"{"op":8,"d":{"guild_id":"5"}}"#;
        requests.ask(frame, 1, NOW).unwrap();
        requests.ask(frame, 1, PATIENCE).unwrap();
        assert_eq!(requests.waiting.len(), 1);
    }
}
