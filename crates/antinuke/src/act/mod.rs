//! Acts: what is counted of an entry, and what is put right.

mod power;
mod table;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_guild::{Id, Kind};

use crate::bits;
use crate::entry::{Entry, action as a};
use crate::limit::{LimitType as T, UNIT};
use crate::moment::Moment;

pub use table::read;

/// A count of one type, in twentieths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub kind: T,
    pub count: u32,
}

/// What is a hit whatever the counts say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instant {
    /// Somebody gave themselves, or a role of theirs, a dangerous permission.
    OwnRightsRaised,
    /// A dangerous permission to everybody, or to a large role.
    PowerToMany,
    /// The bot's rights, roles, rank or membership.
    Tamper,
    Prune,
    Vanity,
    CatchAllAutomod,
    PowerByOnboarding,
    PowerByInvite,
    /// Somebody who was contained got roles, or their ban was lifted.
    FreedContained,
    SelfToken,
    /// The harm is mended; nobody is punished for it.
    BotWithPower,
}

impl Instant {
    /// Whether the actor is contained for it.
    pub const fn is_punished(self) -> bool {
        !matches!(self, Self::BotWithPower)
    }
}

/// What is put right at once, whoever did it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Take these bits back from a role.
    RoleBits {
        role: Id,
        gained: u64,
    },
    /// Take a role from a member.
    TakeRole {
        user: Id,
        role: Id,
    },
    /// A bot's own role holds nothing until somebody says so.
    HoldBot {
        bot: Id,
    },
    DeleteInvite {
        code: String,
    },
    RestoreOnboarding {
        prompts: Option<Value>,
    },
    DisableRule {
        rule: Id,
    },
}

/// One act, as it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    pub id: Id,
    pub action: u16,
    pub target: Option<Id>,
    pub channel: Option<Id>,
    /// The first is what it is called by.
    pub counts: Vec<Count>,
    /// Twentieths.
    pub points: u32,
    pub destructive: bool,
    /// Permissions in the server without which nobody does this; zero where those of a channel
    /// suffice.
    pub needs: u64,
    pub instants: Vec<Instant>,
    pub repairs: Vec<Repair>,
}

impl Act {
    pub fn at(&self) -> Moment {
        Moment::of(self.id)
    }

    pub fn kind(&self) -> Option<T> {
        self.counts.first().map(|count| count.kind)
    }

    fn new(entry: &Entry<'_>) -> Self {
        Self {
            id: entry.id,
            action: entry.action,
            target: entry.target,
            channel: Id::read(entry.option("channel_id")),
            counts: Vec::new(),
            points: 0,
            destructive: false,
            needs: 0,
            instants: Vec::new(),
            repairs: Vec::new(),
        }
    }

    fn count(&mut self, kind: T, count: u64) {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        self.counts.push(Count {
            kind,
            count: count.saturating_mul(UNIT),
        });
        self.destructive |= kind.is_destructive();
    }

    /// In twentieths of a point.
    fn weigh(&mut self, points: u32) {
        self.points = self.points.max(points);
    }

    fn one(&mut self, kind: T, points: u32) {
        self.count(kind, 1);
        self.weigh(points);
    }
}

/// The bits without which an act of this type cannot go on.
pub fn stopped_by(kind: T) -> u64 {
    match kind {
        T::ChannelAdd | T::ChannelUpdate | T::ChannelRemove | T::StageChange => {
            bits::MANAGE_CHANNELS
        }
        T::OverwriteChange
        | T::SightDenied
        | T::RoleAdd
        | T::RoleUpdate
        | T::RoleRemove
        | T::RoleGivenToMember
        | T::RoleRemovedFromMember
        | T::DangerousRoleGiven
        | T::DangerousPermissionGrant => bits::MANAGE_ROLES,
        T::Kick | T::PruneMembers => bits::KICK_MEMBERS,
        T::Ban | T::Unban => bits::BAN_MEMBERS,
        T::Timeout => bits::MODERATE_MEMBERS,
        T::WebhookCreate | T::WebhookUpdate | T::WebhookRemove => bits::MANAGE_WEBHOOKS,
        T::MessageRemove | T::BulkDelete => bits::MANAGE_MESSAGES,
        T::ExpressionAdd | T::ExpressionUpdate | T::ExpressionRemove => {
            bits::MANAGE_GUILD_EXPRESSIONS
        }
        T::EventAdd | T::EventUpdate | T::EventRemove => bits::MANAGE_EVENTS,
        T::ThreadAdd | T::ThreadUpdate | T::ThreadRemove => bits::MANAGE_THREADS,
        _ => bits::MANAGE_GUILD,
    }
}

/// The kind of object that an action deletes, where its event carries the object's id.
pub fn deleted_kind(action: u16) -> Option<Kind> {
    match action {
        a::CHANNEL_DELETE => Some(Kind::Channel),
        a::ROLE_DELETE => Some(Kind::Role),
        a::AUTOMOD_RULE_DELETE => Some(Kind::AutomodRule),
        a::SCHEDULED_EVENT_DELETE => Some(Kind::ScheduledEvent),
        a::SOUND_DELETE => Some(Kind::Sound),
        62 => Some(Kind::Emoji),
        92 => Some(Kind::Sticker),
        _ => None,
    }
}
