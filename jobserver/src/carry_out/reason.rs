use splashtail_antinuke::{Leaves, Moment, TagKey};
use splashtail_core::clock::Clock;
use splashtail_core::ids::GuildId;
use splashtail_guild::{Id, Kind, Operation, Subject};

/// Characters of the text: mark and nonce have to fit behind it.
const TEXT_CHARACTERS: usize = 400;

/// What people read in the audit log, signed: by its mark the bot knows its own jobs from somebody
/// who has its token.
#[derive(Clone, Copy)]
pub struct Reason<'a> {
    pub text: &'a str,
    pub guild: GuildId,
    /// `None` where bot and jobserver share no secret: there the bot judges nothing.
    pub marks: Option<&'a TagKey>,
    pub clock: &'a dyn Clock,
}

impl Reason<'_> {
    /// For one effect, about to be made, which leaves such entries in the audit log.
    pub(super) fn of(&self, effect: &str, leaves: impl Into<Leaves>) -> String {
        let text: String = self.text.chars().take(TEXT_CHARACTERS).collect();
        let Some(marks) = self.marks else {
            return text;
        };
        let now = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or_default();
        let guild = Id::new(self.guild.get());
        let mark = marks.effect(guild, effect, leaves, Moment::from_unix_ms(now));
        format!("{text} {mark}")
    }
}

/// What the audit log will have of a resolved operation.
pub(super) fn leaves(operation: &Operation, guild: GuildId) -> Leaves {
    let subject = match operation {
        Operation::Create {
            kind: Kind::Onboarding,
            ..
        }
        | Operation::Edit {
            kind: Kind::Onboarding,
            ..
        } => return Leaves::Onboarding,
        Operation::Create { .. } => return Leaves::New,
        Operation::Reorder { .. } => return Leaves::About(Id::new(guild.get())),
        Operation::Edit { subject, .. } | Operation::Delete { subject, .. } => subject,
        Operation::PutOverwrite { channel, .. } | Operation::DeleteOverwrite { channel, .. } => {
            channel
        }
    };
    match subject {
        Subject::Live(id) => Leaves::About(*id),
        Subject::Wanted(_) => Leaves::New,
    }
}

#[cfg(test)]
mod tests {
    use splashtail_antinuke::Marked;
    use splashtail_core::clock::ManualClock;

    use super::*;

    #[test]
    fn the_bot_knows_what_a_job_of_its_own_did() {
        let key = TagKey::derived(b"shared").unwrap();
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let clock = ManualClock::new(now).shared();
        let text = "A restore ".repeat(100);
        let reason = Reason {
            text: &text,
            guild: GuildId::new(10).unwrap(),
            marks: Some(&key),
            clock: clock.as_ref(),
        };
        let at = Moment::from_unix_ms(now.timestamp_millis().try_into().unwrap());
        let nonce = "0123456789abcdef01234567";
        let read = |target: Option<u64>, action, about| {
            let written = format!("{} [{nonce}]", reason.of(nonce, target.map(Id::new)));
            assert!(written.chars().count() <= 512, "{written}");
            let about = (action, Some(Id::new(about)));
            let found = key.effect_in(&written, Id::new(10), about, at);
            found.map(|found| found == Marked::Made(nonce))
        };
        assert_eq!(read(Some(5), 31, 5), Some(false));
        assert_eq!(read(Some(5), 31, 6), None);
        assert_eq!(read(None, 30, 7), Some(true));
        let unsigned = Reason {
            text: "Restore",
            marks: None,
            ..reason
        };
        assert_eq!(unsigned.of(nonce, None), "Restore");
    }

    #[test]
    fn an_operation_is_signed_for_what_it_leaves() {
        let guild = GuildId::new(10).unwrap();
        let (id, whom) = (Subject::Live(Id::new(5)), Id::new(6));
        let edit = |kind, subject| Operation::Edit {
            kind,
            subject,
            body: serde_json::Map::new(),
        };
        let create = |kind| Operation::Create {
            kind,
            subject: Subject::Wanted(Id::new(5)),
            body: serde_json::Map::new(),
        };
        let kind = Kind::Channel;
        let (about, guild_itself) = (Leaves::About(Id::new(5)), Leaves::About(Id::new(10)));
        let onboarding = edit(Kind::Onboarding, Subject::Live(Id::new(10)));
        for (operation, expected) in [
            (create(kind), Leaves::New),
            (create(Kind::Invite), Leaves::New),
            (edit(kind, id), about),
            (
                edit(Kind::WelcomeScreen, Subject::Live(Id::new(10))),
                guild_itself,
            ),
            (onboarding, Leaves::Onboarding),
            (Operation::Delete { kind, subject: id }, about),
            (Operation::DeleteOverwrite { channel: id, whom }, about),
            (
                Operation::Reorder {
                    kind,
                    positions: Vec::new(),
                },
                guild_itself,
            ),
        ] {
            assert_eq!(leaves(&operation, guild), expected, "{operation:?}");
        }
    }
}
