//! Which channels a backup holds, short enough for a line of the log: so that backups can be compared
//! without their files.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde_json::Value;
use splashtail_core::ids::ChannelId;
use splashtail_discord::snowflake::typed;

/// Bytes of a channel: a digest of its id, and one of its kind and name.
const WIDTH: usize = 4;

/// Digests of channels. Two of 16 bits agree by chance once in 65,000 pairs: of hundreds of channels a
/// share can be told, a single one cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held(Vec<(u16, u16)>);

impl Held {
    /// Of the channels of a server those that are not `lost`.
    pub fn of(channels: &[Value], lost: &BTreeSet<ChannelId>) -> Self {
        let held = channels.iter().filter_map(|channel| {
            let id: ChannelId = typed(&channel["id"])?;
            let name = format!("{} {}", channel["type"], channel["name"]);
            let digests = || (digest(&id.to_string()), digest(&name));
            (!lost.contains(&id)).then(digests)
        });
        Self(held.collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn encode(&self) -> String {
        let bytes = self.0.iter().flat_map(|(id, name)| {
            let ([a, b], [c, d]) = (id.to_be_bytes(), name.to_be_bytes());
            [a, b, c, d]
        });
        BASE64.encode(bytes.collect::<Vec<u8>>())
    }

    /// `None`: it was cut, or is something else.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text).ok()?;
        let (channels, []) = bytes.as_chunks::<WIDTH>() else {
            return None;
        };
        let channel = |[a, b, c, d]: &[u8; WIDTH]| {
            (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
        };
        Some(Self(channels.iter().map(channel).collect()))
    }

    /// How many of these are still there in `later`: under their id, or made again under their name.
    pub fn left_in(&self, later: &Self) -> usize {
        let ids: BTreeSet<u16> = later.0.iter().map(|(id, _)| *id).collect();
        let names: BTreeSet<u16> = later.0.iter().map(|(_, name)| *name).collect();
        let is_left = |(id, name): &&(u16, u16)| ids.contains(id) || names.contains(name);
        self.0.iter().filter(is_left).count()
    }
}

/// FNV-1a, folded: it has to be the same for ever.
fn digest(text: &str) -> u16 {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let [a, b, c, d] = hash.to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn channels(ids: std::ops::Range<u64>, name: &str) -> Vec<Value> {
        let channel = |n: u64| {
            let id = 1_100_000_000_000_000_000 + (n << 22);
            json!({"id": id.to_string(), "type": 0, "name": format!("{name}-{n}")})
        };
        ids.map(channel).collect()
    }

    #[test]
    fn channels_are_found_again_by_id_or_name() {
        let none = BTreeSet::new();
        let before = Held::of(&channels(0..50, "room"), &none);
        let renamed = Held::of(&channels(0..50, "owned"), &none);
        assert_eq!(before.left_in(&renamed), 50);
        let mut again = channels(100..150, "room");
        for (n, channel) in again.iter_mut().enumerate() {
            channel["name"] = format!("room-{n}").into();
        }
        assert_eq!(before.left_in(&Held::of(&again, &none)), 50);
        let mut spam = channels(1000..1200, "nuked");
        spam.extend(channels(0..10, "room"));
        let left = before.left_in(&Held::of(&spam, &none));
        assert!((10..=12).contains(&left), "{left}");
    }

    #[test]
    fn a_line_of_the_log_tells_them_or_nothing() {
        let lost = BTreeSet::from([typed(&channels(3..4, "")[0]["id"]).unwrap()]);
        let held = Held::of(&channels(0..500, "room"), &lost);
        assert_eq!(held.len(), 499);
        let text = held.encode();
        assert!(text.len() < 2700, "{}", text.len());
        assert_eq!(Held::decode(&text), Some(held));
        assert_eq!(Held::decode(&format!("{}\u{2026}", &text[..100])), None);
        assert_eq!(Held::decode(&text[..5]), None);
    }
}
