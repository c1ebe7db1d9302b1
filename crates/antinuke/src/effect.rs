//! What the engine wants done. Plain values: somebody else carries them out and tells how it went.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_guild::Id;

use crate::incident::Incident;
use crate::looks::Look;
use crate::moment::Moment;

/// A step of containment or of what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// All roles in reach are taken from a member, in one edit.
    TakeRoles,
    /// An overwrite that gives a member power goes.
    DropOverwrite,
    Kick,
    Ban,
    /// A bot's own role is emptied.
    HoldBot,
    /// A role's dangerous permissions go, for all who hold it.
    DisarmRole,
    /// One role is taken from somebody who stands above the bot.
    TakeRole,
    DeleteWebhook,
    DeleteInvite,
    DisableRule,
    LiftTimeout,
    RestoreOnboarding,
    PanicRole,
    PauseInvites,
    /// Takes back what an earlier step did.
    Return,
    /// The bot leaves the server.
    Leave,
}

/// Names a call for ever: the same one is never made twice for an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallKey {
    pub incident: Id,
    /// Whom it is against; the guild's id where it is against nobody.
    pub actor: Id,
    pub rung: Rung,
    /// The object it changes.
    pub subject: Id,
    /// How many times the same step had to be taken before.
    pub round: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Patch,
    Put,
    Delete,
}

/// Why a call is made, for whoever writes it into the audit log in the server's language. Nothing is
/// ever read from such words: what the engine knows again, it knows by the mark behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Reason {
    /// It stops an attack, or what belongs to one.
    Stopped,
    /// It gives back what was taken.
    GaveBack,
    /// It deletes a webhook that was used for spam.
    Spam,
}

impl Reason {
    pub const ALL: [Self; 3] = [Self::Stopped, Self::GaveBack, Self::Spam];

    const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::GaveBack => "gave_back",
            Self::Spam => "spam",
        }
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.name().to_owned()
    }
}

/// Incidents that were written down earlier have sentences here.
impl From<String> for Reason {
    fn from(text: String) -> Self {
        match text.as_str() {
            "gave_back" | "AntiRaid: gave back what was taken" => Self::GaveBack,
            "spam" | "AntiRaid: a webhook was used for spam" => Self::Spam,
            _ => Self::Stopped,
        }
    }
}

/// One request in the lane of containment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub key: CallKey,
    pub method: Method,
    /// Below the API's version, e.g. `/guilds/1/members/2`.
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    pub reason: Reason,
    /// The audit log action that it leaves, for the mark; `None` where none is left or no reason is
    /// taken.
    pub action: Option<u16>,
    pub target: Option<Id>,
    /// What takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse: Option<Inverse>,
}

/// A call's way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inverse {
    /// Give these roles to a member, beside what they have by then.
    GiveRoles {
        user: Id,
        roles: Vec<Id>,
    },
    /// Set these bits of a role again, unless somebody changed them since.
    GiveBits {
        role: Id,
        taken: u64,
        left: u64,
    },
    PutOverwrite {
        channel: Id,
        overwrite: Value,
    },
    Unban {
        user: Id,
    },
    EnableRule {
        rule: Id,
    },
    EndPause,
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// Discord's status and code.
    Refused {
        status: u16,
        code: u64,
    },
    /// The bucket is empty for so long.
    Limited {
        ms: u64,
    },
    /// No usable answer, also on another try.
    Down,
}

/// Why the audit log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Poll {
    /// Entries since the id, all of them.
    Missed { after: Id },
    /// Deeds without entries: what does the log say of this action?
    Unexplained { action: u16, after: Id },
    /// A merged entry may have grown.
    Grown { action: u16, after: Id },
}

/// What people are told, apart from the incident itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// Something about the incident: show it as it is now.
    Incident,
    /// The owner does what would be an attack by anybody else.
    Owner,
    /// Somebody trusted went beyond what is normal.
    Trusted,
    /// Somebody went beyond a limit about which nothing is done here.
    OnlyTold,
    /// Deeds have no entries: nobody can be held responsible.
    Blind,
    /// The bot was timed out.
    TimedOut,
    /// The bot is out of the server.
    Expelled,
    /// A role with power was held by somebody without an entry, and taken back.
    UnexplainedPower,
    BotHeld,
    /// Somebody was given a role that the owner trusts, and not by the owner.
    TrustGiven,
    /// Somebody lost such a role, and not by the owner.
    TrustTaken,
    /// Such a role was deleted, and not by the owner. It is told about the role.
    TrustedRoleGone,
    /// Somebody trusted was removed or banned, and not by the owner.
    TrustedRemoved,
    /// The audit log was not read to its end: acts may be missing from what is told of an attack.
    Unread,
    /// A template of the server is gone, or holds much less than it did.
    Template,
    /// The welcome screen is another.
    WelcomeScreen,
    /// Discord takes no more bans of people outside the server.
    BansFull,
    /// The bot left the server, as the owner wants when somebody else has its token.
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    pub notice: Notice,
    pub incident: Option<Id>,
    pub about: Option<Id>,
    /// The owner hears of it in private, at once.
    pub owner: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Call(Box<Call>),
    /// Answered by [`Input::Member`](crate::Input::Member).
    FetchMember {
        user: Id,
    },
    /// Answered by [`Input::Seen`](crate::Input::Seen), or by nothing when it cannot be seen. Nobody
    /// waits for it.
    Look(Look),
    /// Answered by the entries, then [`Input::Polled`](crate::Input::Polled).
    PollAudit(Poll),
    Alert(Alert),
    /// The incident as it is now replaces what was written of it.
    Record(Box<Incident>),
}

/// When a call was sent and answered, by the pulse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    pub sent: Moment,
    pub answered: Moment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_as_it_was_written_now_and_earlier() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from(String::from(reason)), reason);
        }
        for (earlier, reason) in [
            ("AntiRaid: stopped an attack", Reason::Stopped),
            ("AntiRaid: gave back what was taken", Reason::GaveBack),
            ("AntiRaid: a webhook was used for spam", Reason::Spam),
        ] {
            assert_eq!(Reason::from(earlier.to_owned()), reason);
        }
    }
}
