//! Every server as Discord would tell of it now. One that nothing has touched for a while is packed.

mod change;
mod guild;
pub mod json;

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use splashtail_core::ids::GuildId;
use tracing::warn;
use zstd::bulk::{Compressor, Decompressor};

pub use change::{Change, Keep};
pub use guild::{View, seen};

use guild::Guild;

/// An unpacked server that nothing touches for so long is packed.
const COLD_AFTER: Duration = Duration::from_secs(300);
const LEVEL: i32 = 1;

/// A GUILD_CREATE body, compressed.
#[derive(Debug, Clone)]
pub struct Packed {
    pub bytes: Bytes,
    /// Of the text.
    pub length: usize,
}

enum Slot {
    /// READY named it and nothing more is known yet.
    Announced,
    /// In an outage.
    Away,
    Cold(Packed),
    Hot {
        guild: Box<Guild>,
        touched: Duration,
    },
}

/// What is known about a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It will be told of.
    Announced,
    Away,
    /// The body of its GUILD_CREATE.
    There(Bytes),
}

/// What of a server outlives the process.
#[derive(Debug, Clone)]
pub enum Kept {
    Announced,
    Away,
    There(Packed),
}

pub struct Guilds {
    slots: HashMap<GuildId, Slot>,
    keep: Keep,
    packer: Compressor<'static>,
    unpacker: Decompressor<'static>,
}

impl Guilds {
    /// # Errors
    /// There is no memory for the compressor.
    pub fn new(keep: Keep) -> io::Result<Self> {
        Ok(Self {
            slots: HashMap::new(),
            keep,
            packer: Compressor::new(LEVEL)?,
            unpacker: Decompressor::new()?,
        })
    }

    /// A new session: only these are there, and none is known yet.
    pub fn begin(&mut self, own: u64, guilds: impl IntoIterator<Item = GuildId>) {
        self.keep.own = own;
        self.slots.clear();
        let announced = guilds.into_iter().map(|guild| (guild, Slot::Announced));
        self.slots.extend(announced);
    }

    /// The bot's id.
    pub fn own(&self) -> u64 {
        self.keep.own
    }

    pub fn ids(&self) -> impl Iterator<Item = GuildId> {
        self.slots.keys().copied()
    }

    /// Servers of which nothing came yet.
    pub fn announced(&self) -> usize {
        let slots = self.slots.values();
        slots.filter(|slot| matches!(slot, Slot::Announced)).count()
    }

    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of the packed ones, and how many are unpacked.
    pub fn size(&self) -> (usize, usize) {
        self.slots
            .values()
            .fold((0, 0), |(bytes, hot), slot| match slot {
                Slot::Cold(packed) => (bytes + packed.bytes.len(), hot),
                Slot::Hot { .. } => (bytes, hot + 1),
                _ => (bytes, hot),
            })
    }

    /// GUILD_CREATE. Nothing is read of it before something changes.
    pub fn create(&mut self, id: GuildId, body: &str) {
        match self.pack(body) {
            Ok(packed) => drop(self.slots.insert(id, Slot::Cold(packed))),
            Err(error) => {
                warn!(guild.id = %id, %error, "a server cannot be kept");
                self.slots.insert(id, Slot::Announced);
            }
        }
    }

    /// GUILD_DELETE.
    pub fn delete(&mut self, id: GuildId, unavailable: bool) {
        match unavailable {
            true => self.slots.insert(id, Slot::Away),
            false => self.slots.remove(&id),
        };
    }

    /// What an event changes of a server that is there.
    pub fn change(&mut self, id: GuildId, change: Change, body: &str, now: Duration) {
        if matches!(change, Change::Presence) && !self.keep.presences {
            return;
        }
        if matches!(change, Change::Members) && !self.keep.members {
            return;
        }
        let keep = self.keep;
        let Some(guild) = self.hot(id, now) else {
            return;
        };
        if let Err(error) = change::apply(guild, change, body, keep) {
            warn!(guild.id = %id, ?change, %error, "an event that cannot be read");
        }
    }

    fn hot(&mut self, id: GuildId, now: Duration) -> Option<&mut Guild> {
        let slot = self.slots.get_mut(&id)?;
        if let Slot::Cold(packed) = slot {
            let text = unpack(&mut self.unpacker, packed);
            let read = text.and_then(|text| {
                let text = std::str::from_utf8(&text).map_err(io::Error::other)?;
                Guild::read(text).map_err(io::Error::other)
            });
            match read {
                Ok(guild) => {
                    *slot = Slot::Hot {
                        guild: Box::new(guild),
                        touched: now,
                    };
                }
                Err(error) => {
                    warn!(guild.id = %id, %error, "a server that cannot be read");
                    return None;
                }
            }
        }
        match slot {
            Slot::Hot { guild, touched } => {
                *touched = now;
                Some(guild)
            }
            _ => None,
        }
    }

    /// `None` when the bot is not in it.
    pub fn get(&mut self, id: GuildId) -> Option<Known> {
        Some(match self.slots.get(&id)? {
            Slot::Announced => Known::Announced,
            Slot::Away => Known::Away,
            Slot::Hot { guild, .. } => Known::There(guild.write().into()),
            Slot::Cold(packed) => match unpack(&mut self.unpacker, packed) {
                Ok(text) => Known::There(text.into()),
                Err(error) => {
                    warn!(guild.id = %id, %error, "a server that cannot be read");
                    Known::Announced
                }
            },
        })
    }

    /// Packs what nothing has touched for a while; at most `most` at a time.
    pub fn cool(&mut self, now: Duration, most: usize) {
        let cold = |slot: &Slot| matches!(slot, Slot::Hot { touched, .. } if now.saturating_sub(*touched) >= COLD_AFTER);
        let ids: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| cold(slot))
            .map(|(id, _)| *id)
            .take(most)
            .collect();
        for id in ids {
            if let Some(packed) = self.packed(id) {
                self.slots.insert(id, Slot::Cold(packed));
            }
        }
    }

    fn packed(&mut self, id: GuildId) -> Option<Packed> {
        match self.slots.get(&id)? {
            Slot::Cold(packed) => Some(packed.clone()),
            Slot::Hot { guild, .. } => {
                let text = guild.write();
                self.pack(&text).ok()
            }
            _ => None,
        }
    }

    fn pack(&mut self, body: &str) -> io::Result<Packed> {
        let bytes = self.packer.compress(body.as_bytes())?.into();
        Ok(Packed {
            bytes,
            length: body.len(),
        })
    }

    /// Everything, to be kept on disk.
    pub fn keep(&mut self) -> Vec<(GuildId, Kept)> {
        let ids: Vec<_> = self.slots.keys().copied().collect();
        ids.into_iter()
            .filter_map(|id| {
                let kept = match self.slots.get(&id)? {
                    Slot::Announced => Kept::Announced,
                    Slot::Away => Kept::Away,
                    _ => Kept::There(self.packed(id)?),
                };
                Some((id, kept))
            })
            .collect()
    }

    /// What was kept, in place of all there is.
    pub fn restore(&mut self, own: u64, kept: impl IntoIterator<Item = (GuildId, Kept)>) {
        self.keep.own = own;
        let slots = kept.into_iter().map(|(id, kept)| {
            let slot = match kept {
                Kept::Announced => Slot::Announced,
                Kept::Away => Slot::Away,
                Kept::There(packed) => Slot::Cold(packed),
            };
            (id, slot)
        });
        self.slots = slots.collect();
    }
}

fn unpack(unpacker: &mut Decompressor<'static>, packed: &Packed) -> io::Result<Vec<u8>> {
    unpacker.decompress(&packed.bytes, packed.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: GuildId = GuildId::new(5).unwrap();
    const BODY: &str = r#"{"id":"5","unknown":[1.0],"roles":[{"id":"5"}]}"#;

    fn guilds() -> Guilds {
        let mut guilds = Guilds::new(Keep {
            own: 0,
            members: false,
            presences: false,
        })
        .unwrap();
        guilds.begin(9, [ID]);
        guilds
    }

    fn there(guilds: &mut Guilds) -> String {
        match guilds.get(ID) {
            Some(Known::There(body)) => String::from_utf8(body.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_server_is_announced_then_there_then_away_then_gone() {
        let mut guilds = guilds();
        assert_eq!(guilds.get(ID), Some(Known::Announced));
        guilds.create(ID, BODY);
        assert_eq!(there(&mut guilds), BODY);
        guilds.delete(ID, true);
        assert_eq!(guilds.get(ID), Some(Known::Away));
        guilds.delete(ID, false);
        assert_eq!(guilds.get(ID), None);
    }

    #[test]
    fn packing_and_keeping_lose_nothing() {
        let mut guilds = guilds();
        guilds.create(ID, BODY);
        let gone = r#"{"guild_id":"5","role_id":"5"}"#;
        let change = Change::of(b"GUILD_ROLE_DELETE").unwrap();
        guilds.change(ID, change, gone, Duration::ZERO);
        let expected = r#"{"id":"5","unknown":[1.0],"roles":[]}"#;
        assert_eq!(there(&mut guilds), expected);
        assert_eq!(guilds.size().1, 1);
        guilds.cool(COLD_AFTER, 10);
        assert_eq!(guilds.size().1, 0);
        assert_eq!(there(&mut guilds), expected);
        let kept = guilds.keep();
        let mut other = self::guilds();
        other.restore(9, kept);
        assert_eq!(there(&mut other), expected);
    }
}
