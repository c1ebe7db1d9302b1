//! A shard on disk: its session at Discord, the servers as of the session's number, and at an orderly
//! end also the events that clients may come back for.
//!
//! One file: a line of JSON, the servers, the events, and the SHA-256 of all that.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use splashtail_core::ids::GuildId;
use splashtail_gateway::Head;
use url::Url;

use super::{Ready, Session, Shard, Status};
use crate::gateway::cache::{Kept, Packed};
use crate::gateway::event::{Event, SessionId};
use crate::gateway::log::Position;

const VERSION: u32 = 2;
/// Discord has forgotten an older session.
const OLDEST: chrono::Duration = chrono::Duration::minutes(10);
const DIGEST: usize = 32;

/// Whom a session at Discord belongs to: one of another bot, split or interest is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The public part of the token.
    pub bot: String,
    pub shard: u16,
    pub shards: u16,
    pub intents: u64,
}

/// Which snapshot of a shard this is, so that what was written beside it can name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Of everything that was written together.
    pub generation: String,
    /// Discord's number of the last event in it.
    pub seq: u64,
    /// Where the log ends.
    pub head: Position,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    version: u32,
    owner: Owner,
    generation: String,
    at: DateTime<Utc>,
    session: String,
    seq: u64,
    address: Option<Url>,
    own: u64,
    ready: String,
    epoch: u64,
    guilds: usize,
    /// Where in the log the first event is.
    first: Position,
    events: Vec<EventHeader>,
}

#[derive(Debug, Serialize, Deserialize)]
struct EventHeader {
    length: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Box<[SessionId]>>,
}

#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error("the file cannot be read or written")]
    Io(#[from] io::Error),
    #[error("the file is damaged")]
    Damaged,
    #[error("the file's first line cannot be read")]
    Header(#[from] serde_json::Error),
    #[error("it is of another bot, number of shards or set of intents")]
    OfAnother,
    #[error("it is too old")]
    TooOld,
}

/// What is written, taken from a shard at one moment.
#[derive(Debug)]
pub struct Snapshot {
    header: Header,
    guilds: Vec<(GuildId, Kept)>,
    events: Vec<Bytes>,
}

impl Snapshot {
    /// `None` while there is no session. `with_log`: also the events, which only makes sense when
    /// nothing can follow them. `generation` is of what is written together.
    pub fn take(
        shard: &Shard,
        owner: Owner,
        generation: &str,
        at: DateTime<Utc>,
        with_log: bool,
    ) -> Option<Self> {
        let mut inner = shard.inner();
        let session = inner.session.clone()?;
        let ready = inner.ready.as_ref()?.text().to_owned();
        let (mut headers, mut events) = (Vec::new(), Vec::new());
        let first = match with_log {
            true => inner.log.first(),
            false => inner.log.head(),
        };
        for (_, event) in inner.log.read(first).into_iter().flatten() {
            let text = event.kept();
            headers.push(EventHeader {
                length: text.len(),
                to: event.to.clone(),
            });
            events.push(text);
        }
        let guilds = inner.guilds.keep();
        Some(Self {
            header: Header {
                version: VERSION,
                owner,
                generation: generation.to_owned(),
                at,
                session: session.id,
                seq: session.seq,
                address: session.address,
                own: inner.guilds.own(),
                ready,
                epoch: inner.epoch,
                guilds: guilds.len(),
                first,
                events: headers,
            },
            guilds,
            events,
        })
    }

    pub fn mark(&self) -> Mark {
        Mark {
            generation: self.header.generation.clone(),
            seq: self.header.seq,
            head: self.header.first + self.header.events.len() as u64,
        }
    }

    /// Blocks.
    ///
    /// # Errors
    /// The file cannot be written; the one before stays.
    pub fn write(&self, path: &Path) -> Result<(), KeepError> {
        let mut bytes = serde_json::to_vec(&self.header)?;
        bytes.push(b'\n');
        for (id, kept) in &self.guilds {
            bytes.extend(id.get().to_le_bytes());
            match kept {
                Kept::Announced => bytes.push(0),
                Kept::Away => bytes.push(1),
                Kept::There(packed) => {
                    bytes.push(2);
                    for length in [packed.length, packed.bytes.len()] {
                        bytes.extend((length as u64).to_le_bytes());
                    }
                    bytes.extend(&packed.bytes);
                }
            }
        }
        for event in &self.events {
            bytes.extend(event);
        }
        bytes.extend(Sha256::digest(&bytes));
        write_whole(path, &bytes)?;
        Ok(())
    }

    /// Blocks.
    ///
    /// # Errors
    /// There is none that could be used.
    pub fn read(path: &Path, owner: &Owner, now: DateTime<Utc>) -> Result<Self, KeepError> {
        let bytes = Bytes::from(fs::read(path)?);
        let end = bytes.len().checked_sub(DIGEST).ok_or(KeepError::Damaged)?;
        if Sha256::digest(&bytes[..end])[..] != bytes[end..] {
            return Err(KeepError::Damaged);
        }
        let line = bytes.iter().position(|byte| *byte == b'\n');
        let line = line.ok_or(KeepError::Damaged)?;
        let header: Header = serde_json::from_slice(&bytes[..line])?;
        if header.version != VERSION || header.owner != *owner {
            return Err(KeepError::OfAnother);
        }
        // A clock that was set back makes nothing younger.
        if (now - header.at).abs() > OLDEST {
            return Err(KeepError::TooOld);
        }
        let mut rest = Rest(bytes.slice(line + 1..end));
        let mut guilds = Vec::new();
        for _ in 0..header.guilds {
            guilds.push(rest.guild().ok_or(KeepError::Damaged)?);
        }
        let events = header.events.iter().map(|event| rest.take(event.length));
        let events = events.collect::<Option<_>>().ok_or(KeepError::Damaged)?;
        Ok(Self {
            header,
            guilds,
            events,
        })
    }

    /// Puts everything back; the next thing to do is to resume.
    ///
    /// # Errors
    /// What was kept cannot be understood; the shard is as it was.
    pub fn restore(self, shard: &Shard, now: Duration) -> Result<(), KeepError> {
        let header = self.header;
        let (ready, facts) = Ready::read(header.ready.into())?;
        let mut inner = shard.inner();
        inner.log.begin_at(header.first);
        for (text, kept) in self.events.into_iter().zip(header.events) {
            let Some(head) = Head::scan(&text) else {
                return Err(KeepError::Damaged);
            };
            let Some(place) = head.place(&text) else {
                return Err(KeepError::Damaged);
            };
            let mut event = Event::new(text.clone(), &head, &place, header.own, now);
            event.to = kept.to;
            inner.log.append(event);
        }
        inner.guilds.restore(facts.own, self.guilds);
        inner.session = Some(Session {
            id: header.session,
            seq: header.seq,
            address: header.address,
        });
        inner.ready = Some(ready);
        inner.epoch = header.epoch;
        inner.settled = false;
        drop(inner);
        shard.set_status(Status::Away(now));
        Ok(())
    }
}

struct Rest(Bytes);

impl Rest {
    fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    fn number(&mut self) -> Option<u64> {
        let bytes = self.take(8)?;
        Some(u64::from_le_bytes(bytes[..].try_into().ok()?))
    }

    fn guild(&mut self) -> Option<(GuildId, Kept)> {
        let id = GuildId::new(self.number()?)?;
        let kept = match self.take(1)?[0] {
            0 => Kept::Announced,
            1 => Kept::Away,
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                let packed = usize::try_from(self.number()?).ok()?;
                // Its own memory: the file's would stay as long as one server.
                let bytes = Bytes::copy_from_slice(&self.take(packed)?);
                Kept::There(Packed { bytes, length })
            }
            _ => return None,
        };
        Some((id, kept))
    }
}

/// Blocks. Only the owner may read the file: a session at Discord is in it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::log::Limits;

    const READY: &str = r#"{"t":"READY","s":1,"op":0,"d":{"v":10,"user":{"id":"9"},"guilds":[{"id":"5"},{"id":"6"}],"session_id":"up","resume_gateway_url":"ws://east.example"}}"#;
    const CREATE: &str = r#"{"t":"GUILD_CREATE","s":2,"op":0,"d":{"id":"5","roles":[],"odd":1.0}}"#;
    const SAID: &str = r#"{"t":"MESSAGE_CREATE","s":3,"op":0,"d":{"guild_id":"5","content":"hi"}}"#;

    fn shard() -> Shard {
        let limits = Limits {
            bytes: 1 << 20,
            age: Duration::from_secs(60),
        };
        Shard::new(0, limits, Duration::ZERO).unwrap()
    }

    fn filled() -> Shard {
        let shard = shard();
        for text in [READY, CREATE, SAID] {
            let frame = Bytes::from_static(text.as_bytes());
            let head = Head::scan(&frame).unwrap();
            shard.take(frame.clone(), &head, Duration::ZERO);
        }
        let made = Event::made("RESUMED", "{}", None, Box::new([7]), Duration::ZERO);
        shard.inner().tell(made);
        shard
    }

    fn owner() -> Owner {
        Owner {
            bot: "b".to_owned(),
            shard: 0,
            shards: 1,
            intents: 1,
        }
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::Duration::minutes(minutes)
    }

    fn told(shard: &Shard) -> (Vec<String>, Option<Session>) {
        let inner = shard.inner();
        let events = inner.log.read(inner.log.first()).unwrap();
        let events = events
            .map(|(at, event)| format!("{at} {} {:?}", event.body(), event.to))
            .collect();
        (events, inner.session.clone())
    }

    #[test]
    fn a_shard_comes_back_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shard-0.state");
        let before = filled();
        Snapshot::take(&before, owner(), "a", at(0), true)
            .unwrap()
            .write(&path)
            .unwrap();
        let after = shard();
        Snapshot::read(&path, &owner(), at(9))
            .unwrap()
            .restore(&after, Duration::ZERO)
            .unwrap();
        assert_eq!(told(&after), told(&before));
        let guild = GuildId::new(5).unwrap();
        assert_eq!(
            after.inner().guilds.get(guild),
            before.inner().guilds.get(guild)
        );
        assert_eq!(after.inner().session.as_ref().unwrap().seq, 3);
        // Until Discord has answered nobody begins: what it sends again was told before.
        assert!(after.inner().greeting().is_none());
        let resumed = Bytes::from_static(br#"{"t":"RESUMED","s":4,"op":0,"d":{}}"#);
        let head = Head::scan(&resumed).unwrap();
        after.take(resumed.clone(), &head, Duration::ZERO);
        assert!(after.inner().greeting().is_some());
        // While it runs only the session and the servers are kept.
        Snapshot::take(&before, owner(), "a", at(0), false)
            .unwrap()
            .write(&path)
            .unwrap();
        let after = shard();
        Snapshot::read(&path, &owner(), at(0))
            .unwrap()
            .restore(&after, Duration::ZERO)
            .unwrap();
        assert!(told(&after).0.is_empty());
        assert_eq!(after.inner().log.head(), before.inner().log.head());
    }

    #[test]
    fn what_is_damaged_old_or_of_another_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shard-0.state");
        let read = |owner: &Owner, minutes| Snapshot::read(&path, owner, at(minutes)).map(drop);
        assert!(matches!(read(&owner(), 0), Err(KeepError::Io(_))));
        Snapshot::take(&filled(), owner(), "a", at(0), true)
            .unwrap()
            .write(&path)
            .unwrap();
        assert!(matches!(read(&owner(), 11), Err(KeepError::TooOld)));
        let other = Owner {
            shards: 2,
            ..owner()
        };
        assert!(matches!(read(&other, 0), Err(KeepError::OfAnother)));
        let whole = fs::read(&path).unwrap();
        for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(
                matches!(read(&owner(), 0), Err(KeepError::Damaged)),
                "{cut}"
            );
        }
    }
}
