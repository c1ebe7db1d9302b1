//! The mark that tells our own entries from those of somebody who has our token.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use splashtail_guild::Id;

use crate::entry::action as a;
use crate::moment::{HOUR, MINUTE, Moment};

/// Characters of the mark, after its `#`.
const LENGTH: usize = 8;
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Characters of a job's nonce.
const NONCE: usize = 24;

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

    /// The mark of a durable job's effect, for this hour. It holds for entries of what the effect
    /// leaves alone. `effect` is what stands in brackets behind the mark.
    pub fn effect(&self, guild: Id, effect: &str, leaves: impl Into<Leaves>, at: Moment) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        let (sort, target) = match leaves.into() {
            Leaves::About(target) => (&b"effect of a job"[..], target.get()),
            Leaves::New => (&b"effect of a job"[..], 0),
            Leaves::Bans => (&b"bans of a job"[..], 0),
            Leaves::InviteGone => (&b"invite deleted by a job"[..], 0),
            Leaves::Pin => (&b"pin of a job"[..], 0),
            Leaves::MessageGone => (&b"message deleted by a job"[..], 0),
            Leaves::Onboarding => (&b"onboarding set by a job"[..], 0),
        };
        mac.update(sort);
        mac.update(&guild.get().to_be_bytes());
        mac.update(&target.to_be_bytes());
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
        let holds = |leaves: Leaves| {
            [at.minus(HOUR), at, at.plus(HOUR)]
                .into_iter()
                .any(|at| self.effect(guild, effect, leaves, at) == given)
        };
        if target.is_some_and(|target| holds(Leaves::About(target))) {
            return Some(Marked::Known);
        }
        let leaves = Leaves::without_target(action).filter(|leaves| holds(*leaves))?;
        Some(match leaves {
            Leaves::Bans | Leaves::Onboarding => Marked::Many(effect),
            _ => Marked::Made(effect),
        })
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

/// A reason without the marks of jobs at its end: what is kept of it is given again, under another
/// mark.
pub fn unmarked(reason: &str) -> &str {
    let mut rest = reason.trim_end();
    while let Some(before) = without_mark(rest) {
        rest = before.trim_end();
    }
    rest
}

fn without_mark(reason: &str) -> Option<&str> {
    let (before, nonce) = reason.strip_suffix(']')?.rsplit_once('[')?;
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if nonce.len() != NONCE || !nonce.bytes().all(hex) {
        return None;
    }
    let before = before.trim_end();
    // Without a secret there is only the nonce.
    let mark = before.rsplit_once('#').filter(|(_, mark)| {
        mark.len() == LENGTH && mark.bytes().all(|byte| ALPHABET.contains(&byte))
    });
    Some(mark.map_or(before, |(before, _)| before))
}

/// What an effect of a job may leave in the audit log: what its mark is signed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// Entries of any type about one object.
    About(Id),
    /// One new object, whose id nobody knows beforehand.
    New,
    /// Bans of a bulk: one entry per user, most of them without the name of who did it.
    Bans,
    /// The end of one invite, which has no id.
    InviteGone,
    /// One pinned message: the entry names its author.
    Pin,
    /// One deleted message: the entry names its author.
    MessageGone,
    /// Onboarding and its prompts, which have ids of their own.
    Onboarding,
}

impl From<Option<Id>> for Leaves {
    fn from(target: Option<Id>) -> Self {
        target.map_or(Self::New, Self::About)
    }
}

impl Leaves {
    /// What leaves entries of this type about objects that the job cannot name when it signs.
    const fn without_target(action: u16) -> Option<Self> {
        Some(match action {
            a::MEMBER_BAN_ADD => Self::Bans,
            a::INVITE_DELETE => Self::InviteGone,
            a::MESSAGE_PIN => Self::Pin,
            a::MESSAGE_DELETE => Self::MessageGone,
            a::ONBOARDING_PROMPT_CREATE..=a::ONBOARDING_UPDATE => Self::Onboarding,
            _ if makes(action) => Self::New,
            _ => return None,
        })
    }
}

/// What an effect's mark holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked<'a> {
    /// An object that the job named when it signed.
    Known,
    /// Whatever this effect made: one object, no other.
    Made(&'a str),
    /// One of many that this effect is about.
    Many(&'a str),
}

/// Whether entries of this type are about something new, whose id nobody knew before.
const fn makes(action: u16) -> bool {
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

    /// What each effect of a job leaves, as Discord writes it, is known; and nothing else is.
    #[test]
    fn the_mark_of_an_effect_holds_for_the_entries_that_it_leaves() {
        let key = TagKey::new([7; 32]);
        let (guild, at, some) = (Id::new(1), Moment(HOUR * 1000), Some(Id::new(5)));
        let (made, many) = (Some(Marked::Made("abc")), Some(Marked::Many("abc")));
        let groups = [
            (Leaves::Bans, many, &[(22, some)][..]),
            (Leaves::InviteGone, made, &[(42, None)]),
            (Leaves::Pin, made, &[(74, some)]),
            (Leaves::MessageGone, made, &[(72, some)]),
            (
                Leaves::Onboarding,
                many,
                &[
                    (163, some),
                    (164, some),
                    (165, some),
                    (166, None),
                    (167, None),
                    (167, Some(guild)),
                ],
            ),
            (Leaves::New, made, &[(10, some), (30, some), (40, None)]),
        ];
        for (leaves, marked, entries) in groups {
            let reason = format!("Restore {} [abc]", key.effect(guild, "abc", leaves, at));
            for about in entries {
                let found = key.effect_in(&reason, guild, *about, at);
                assert_eq!(found, marked, "{leaves:?} {about:?}");
            }
            let others = groups.iter().filter(|(other, ..)| *other != leaves);
            let others = others.flat_map(|(.., entries)| entries.iter().copied());
            let never = [1, 11, 12, 20, 21, 23, 25, 31, 32, 73].map(|action| (action, some));
            for about in others.chain(never) {
                let found = key.effect_in(&reason, guild, about, at);
                assert_eq!(found, None, "{leaves:?} {about:?}");
            }
        }
    }

    #[test]
    fn marks_are_taken_off_a_reason_and_nothing_else() {
        let nonce = "[0123456789abcdef01234567]";
        for (written, plain) in [
            (format!("spam #ABCDEFG2 {nonce}"), "spam"),
            (format!("spam #ABCDEFG2 {nonce} #ABCDEFG3 {nonce}"), "spam"),
            (format!("spam {nonce}"), "spam"),
            (format!("#ABCDEFG2 {nonce}"), ""),
            (nonce.to_owned(), ""),
            (format!("é #1 {nonce}"), "é #1"),
            ("spam #ABCDEFG2".to_owned(), "spam #ABCDEFG2"),
            ("spam [once]".to_owned(), "spam [once]"),
            (String::new(), ""),
        ] {
            assert_eq!(unmarked(&written), plain, "{written}");
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
