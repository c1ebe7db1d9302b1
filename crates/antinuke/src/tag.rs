//! The mark that tells our own entries from those of somebody who has our token.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use splashtail_guild::Id;

use crate::entry::action as a;
use crate::moment::{HOUR, MINUTE, Moment};

/// Characters of the mark, after its `#`.
const LENGTH: usize = 8;
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Longer names of effects are nobody's.
const LONGEST_EFFECT: usize = 32;

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
        letters(&mac.finalize().into_bytes())
    }

    /// The mark of a durable job's effect, for this hour. It holds for entries about `target` alone;
    /// without one for what the effect makes, of which no id is known beforehand. `effect` is what
    /// stands in brackets behind the mark.
    pub fn effect(&self, guild: Id, effect: &str, target: Option<Id>, at: Moment) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(b"effect of a job");
        mac.update(&guild.get().to_be_bytes());
        mac.update(&target.map_or(0, Id::get).to_be_bytes());
        mac.update(&(at.0 / HOUR).to_be_bytes());
        mac.update(effect.as_bytes());
        letters(&mac.finalize().into_bytes())
    }

    /// The effect that a reason ends in, `… #MARKMARK [effect]`, when its mark holds for such an
    /// entry, at most an hour off.
    pub fn effect_in<'a>(
        &self,
        reason: &'a str,
        guild: Id,
        (action, target): (u16, Option<Id>),
        at: Moment,
    ) -> Option<Marked<'a>> {
        let inner = reason.trim_end().strip_suffix(']')?;
        let (before, effect) = inner.rsplit_once(" [")?;
        let given = &before[before.rfind('#')?..];
        if effect.len() > LONGEST_EFFECT {
            return None;
        }
        let holds = |target| {
            [at.minus(HOUR), at, at.plus(HOUR)]
                .into_iter()
                .any(|at| self.effect(guild, effect, target, at) == given)
        };
        if target.is_some() && holds(target) {
            return Some(Marked::Known);
        }
        (makes(action) && holds(None)).then_some(Marked::Made(effect))
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

/// What an effect's mark holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked<'a> {
    /// An object that the job named when it signed.
    Known,
    /// Whatever this effect made: one object, no other.
    Made(&'a str),
}

/// Whether entries of this type are about something new, whose id nobody knew before.
fn makes(action: u16) -> bool {
    matches!(
        action,
        a::CHANNEL_CREATE
            | a::ROLE_CREATE
            | a::INVITE_CREATE
            | a::WEBHOOK_CREATE
            | a::AUTOMOD_RULE_CREATE
            | 60
            | 83
            | 90
            | 100
            | 110
            | 130
    )
}

fn letters(sum: &[u8]) -> String {
    let letters = sum.iter().take(LENGTH);
    let letters = letters.map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    std::iter::once('#').chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effects_mark_holds_for_its_object_and_some_hours() {
        let key = TagKey::new([7; 32]);
        let (guild, at, target) = (Id::new(1), Moment(HOUR * 1000), Some(Id::new(5)));
        let name = "0123456789abcdef01234567";
        let mark = key.effect(guild, name, target, at);
        let reason = format!("Restore #2 {mark} [{name}]");
        let read = |reason, guild, target, at| key.effect_in(reason, guild, (11, target), at);
        assert_eq!(
            read(&reason, guild, target, at.plus(HOUR)),
            Some(Marked::Known)
        );
        assert_eq!(read(&reason, guild, target, at.plus(2 * HOUR)), None);
        assert_eq!(read(&reason, guild, Some(Id::new(6)), at), None);
        assert_eq!(read(&reason, guild, None, at), None);
        assert_eq!(read(&reason, Id::new(2), target, at), None);
        let renamed = reason.replace("[0", "[1");
        assert_eq!(read(&renamed, guild, target, at), None);
        for nothing in [&*format!("Restore [{name}]"), "#[", "#é [", " []", ""] {
            assert_eq!(read(nothing, guild, target, at), None, "{nothing}");
        }
        let other = TagKey::new([8; 32]);
        assert_eq!(other.effect_in(&reason, guild, (11, target), at), None);
    }

    #[test]
    fn the_mark_of_something_new_allows_no_other_kind_of_act() {
        let key = TagKey::new([7; 32]);
        let (guild, at, target) = (Id::new(1), Moment(HOUR * 1000), Some(Id::new(5)));
        let reason = format!("Restore {} [abc]", key.effect(guild, "abc", None, at));
        let read = |action| key.effect_in(&reason, guild, (action, target), at);
        assert_eq!(read(10), Some(Marked::Made("abc")));
        for action in [11, 12, 20, 22, 25, 31, 32] {
            assert_eq!(read(action), None, "{action}");
        }
    }

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
