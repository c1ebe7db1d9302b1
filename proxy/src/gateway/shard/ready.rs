//! READY as Discord sent it, and as clients get it.

use bytes::Bytes;
use serde_json::value::RawValue;
use splashtail_core::ids::GuildId;

use super::Facts;
use crate::gateway::cache::json::{Fields, raw};

/// The body of the last READY; `user` follows USER_UPDATE.
#[derive(Debug, Clone)]
pub struct Ready {
    body: Bytes,
}

/// What of a client's READY is its own.
#[derive(Debug)]
pub struct Own<'a> {
    pub session_id: &'a str,
    /// Where the client comes to resume.
    pub address: &'a str,
    /// As it identified.
    pub shard: Option<(u16, u16)>,
    pub guilds: &'a [GuildId],
}

impl Ready {
    /// # Errors
    /// It is no READY.
    pub fn read(body: Bytes) -> serde_json::Result<(Self, Facts)> {
        let text = std::str::from_utf8(&body).map_err(serde::de::Error::custom)?;
        let facts = Facts::read(text)?;
        Ok((Self { body }, facts))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    /// Takes over the fields of USER_UPDATE.
    pub fn set_user(&mut self, user: &str) {
        let written = || -> Option<String> {
            let mut fields = Fields::read(self.text()).ok()?;
            let mut known = Fields::read(fields.get("user")?.get()).ok()?;
            for (name, value) in Fields::read(user).ok()?.0 {
                match known.0.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, place)) => *place = value,
                    None => known.0.push((name, value)),
                }
            }
            let user = raw(known.write())?;
            fields.set("user", &user);
            Some(fields.write())
        };
        if let Some(text) = written() {
            self.body = text.into();
        }
    }

    /// The body of a client's READY: every field that is not its own stays as Discord sent it.
    pub fn of(&self, own: &Own<'_>) -> String {
        let string = |text: &str| serde_json::value::to_raw_value(text).ok();
        let guilds: Vec<_> = own
            .guilds
            .iter()
            .map(|guild| format!(r#"{{"unavailable":true,"id":"{guild}"}}"#))
            .collect();
        let guilds = raw(format!("[{}]", guilds.join(",")));
        let shard = own
            .shard
            .and_then(|(id, count)| raw(format!("[{id},{count}]")));
        let version = raw("10");
        let values: [(&'static str, Option<Box<RawValue>>); 5] = [
            ("v", version),
            ("guilds", guilds),
            ("session_id", string(own.session_id)),
            ("resume_gateway_url", string(own.address)),
            ("shard", shard),
        ];
        let Ok(fields) = Fields::read(self.text()) else {
            return self.text().to_owned();
        };
        let mut fields = fields;
        if own.shard.is_none() {
            fields = fields.without(&["shard"]);
        }
        for (name, value) in &values {
            if let Some(value) = value {
                fields.set(name, value);
            }
        }
        fields.write()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"v":10,"user":{"id":"9","username":"a","odd":1},"guilds":[{"id":"1"}],"session_id":"up","resume_gateway_url":"wss://x","shard":[0,1],"application":{"id":"9","flags":5},"later":[1.0]}"#;

    fn ready() -> Ready {
        Ready::read(Bytes::from_static(BODY.as_bytes())).unwrap().0
    }

    #[test]
    fn a_client_gets_its_own_and_the_rest_as_it_was() {
        let own = Own {
            session_id: "mine",
            address: "ws://here",
            shard: Some((1, 4)),
            guilds: &[GuildId::new(7).unwrap()],
        };
        assert_eq!(
            ready().of(&own),
            r#"{"v":10,"user":{"id":"9","username":"a","odd":1},"guilds":[{"unavailable":true,"id":"7"}],"session_id":"mine","resume_gateway_url":"ws://here","shard":[1,4],"application":{"id":"9","flags":5},"later":[1.0]}"#
        );
        let without = ready().of(&Own { shard: None, ..own });
        assert!(!without.contains("shard"), "{without}");
    }

    #[test]
    fn the_user_follows_its_updates() {
        let mut ready = ready();
        ready.set_user(r#"{"id":"9","username":"b"}"#);
        assert!(
            ready
                .text()
                .contains(r#""user":{"id":"9","username":"b","odd":1}"#)
        );
    }

    #[test]
    fn the_session_is_read() {
        let facts = Facts::read(BODY).unwrap();
        assert_eq!((facts.own, facts.session_id.as_str()), (9, "up"));
        assert_eq!(facts.guilds, [GuildId::new(1).unwrap()]);
        assert_eq!(facts.address.unwrap().as_str(), "wss://x/");
    }
}
