//! The mark that tells our own entries from those of somebody who has our token.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use splashtail_guild::Id;

use crate::moment::{MINUTE, Moment};

/// Characters of the mark, after its `#`.
const LENGTH: usize = 8;
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// The key under which marks are made. One for all processes of a bot.
#[derive(Clone)]
pub struct TagKey([u8; 32]);

impl std::fmt::Debug for TagKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TagKey")
    }
}

impl TagKey {
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// A key that only processes with this secret have; `None` without a secret, because everybody
    /// could make such marks.
    pub fn derived(secret: &[u8]) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        mac.update(b"marks of the anti-nuke engine");
        Some(Self(mac.finalize().into_bytes().into()))
    }

    /// The mark of a button: it holds for this verb and incident, as long as the key does.
    pub fn button(&self, guild: Id, incident: Id, verb: &str) -> String {
        let verb = verb.bytes().fold(0_u16, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u16::from(byte))
        });
        let mark = self.tag(guild, verb, Some(incident), Moment::default());
        mark.trim_start_matches('#').to_owned()
    }

    /// The mark of a call: it holds for this guild, action and target, in this minute.
    pub fn tag(&self, guild: Id, action: u16, target: Option<Id>, at: Moment) -> String {
        let minute = at.0 / MINUTE;
        // A key of any length is taken.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(&guild.get().to_be_bytes());
        mac.update(&action.to_be_bytes());
        mac.update(&target.map_or(0, Id::get).to_be_bytes());
        mac.update(&minute.to_be_bytes());
        let sum = mac.finalize().into_bytes();
        let letters = sum.iter().take(LENGTH);
        let letters = letters.map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        std::iter::once('#').chain(letters).collect()
    }

    /// Whether a reason ends in the mark of such an act, at most a minute off.
    pub fn holds(
        &self,
        reason: &str,
        guild: Id,
        action: u16,
        target: Option<Id>,
        at: Moment,
    ) -> bool {
        let Some(place) = reason.rfind('#') else {
            return false;
        };
        let given = &reason[place..];
        [at.minus(MINUTE), at, at.plus(MINUTE)]
            .into_iter()
            .any(|at| self.tag(guild, action, target, at) == given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_derived_from_nothing() {
        assert!(TagKey::derived(b"").is_none());
        assert!(TagKey::derived(b"a secret").is_some());
    }

    #[test]
    fn a_mark_holds_for_one_act_and_a_short_time() {
        let key = TagKey::new([7; 32]);
        let (guild, target, at) = (Id::new(1), Some(Id::new(2)), Moment(MINUTE * 1000));
        let reason = format!("AntiRaid: contained {}", key.tag(guild, 25, target, at));
        assert!(key.holds(&reason, guild, 25, target, at.plus(MINUTE)));
        assert!(!key.holds(&reason, guild, 25, target, at.plus(3 * MINUTE)));
        assert!(!key.holds(&reason, guild, 22, target, at));
        assert!(!key.holds(&reason, guild, 25, None, at));
        assert!(!key.holds("no mark", guild, 25, target, at));
        assert!(!TagKey::new([8; 32]).holds(&reason, guild, 25, target, at));
    }
}
