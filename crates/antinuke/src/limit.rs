//! What is counted, and how much of it is normal.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Counts and points are kept in twentieths: the smallest weight of the table is one of them.
pub const UNIT: u32 = 20;

/// A count that is never reached.
pub const NEVER: u32 = u32::MAX;

macro_rules! kinds {
    ($($kind:ident = $name:literal),+ $(,)?) => {
        /// What a limit is about. Stored and configured by its name.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[repr(u8)]
        pub enum LimitType {
            $(#[serde(rename = $name)] $kind),+
        }

        impl LimitType {
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name),+
                }
            }
        }
    };
}

kinds! {
    GuildUpdate = "guild_update",
    VanityUpdate = "vanity_update",
    ChannelAdd = "channel_add",
    ChannelUpdate = "channel_update",
    ChannelRemove = "channel_remove",
    OverwriteChange = "overwrite_change",
    SightDenied = "sight_denied",
    Kick = "kick",
    PruneMembers = "prune_members",
    Ban = "ban",
    Unban = "unban",
    Timeout = "timeout",
    NicknameUpdate = "nickname_update",
    VoiceMute = "voice_mute",
    VerificationBypass = "verification_bypass",
    RoleGivenToMember = "role_given_to_member",
    RoleRemovedFromMember = "role_removed_from_member",
    MemberRolesUpdated = "member_roles_updated",
    DangerousRoleGiven = "dangerous_role_given",
    VoiceMove = "voice_move",
    VoiceDisconnect = "voice_disconnect",
    BotAdd = "bot_add",
    RoleAdd = "role_add",
    RoleUpdate = "role_update",
    RoleRemove = "role_remove",
    DangerousPermissionGrant = "dangerous_permission_grant",
    InviteCreate = "invite_create",
    InviteUpdate = "invite_update",
    InviteRemove = "invite_remove",
    WebhookCreate = "webhook_create",
    WebhookUpdate = "webhook_update",
    WebhookRemove = "webhook_remove",
    ExpressionAdd = "expression_add",
    ExpressionUpdate = "expression_update",
    ExpressionRemove = "expression_remove",
    MessageRemove = "message_remove",
    BulkDelete = "bulk_delete",
    PinChange = "pin_change",
    IntegrationAdd = "integration_add",
    IntegrationUpdate = "integration_update",
    IntegrationRemove = "integration_remove",
    StageChange = "stage_change",
    EventAdd = "event_add",
    EventUpdate = "event_update",
    EventRemove = "event_remove",
    ThreadAdd = "thread_add",
    ThreadUpdate = "thread_update",
    ThreadRemove = "thread_remove",
    CommandPermissionUpdate = "command_permission_update",
    AutomodAdd = "automod_add",
    AutomodUpdate = "automod_update",
    AutomodRemove = "automod_remove",
    OnboardingChange = "onboarding_change",
    EveryonePing = "everyone_ping",
}

/// No limit type has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLimitType;

impl fmt::Display for UnknownLimitType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no limit type has this name")
    }
}

impl std::error::Error for UnknownLimitType {}

impl FromStr for LimitType {
    type Err = UnknownLimitType;

    fn from_str(name: &str) -> Result<Self, UnknownLimitType> {
        let found = Self::ALL.iter().find(|kind| kind.name() == name);
        found.copied().ok_or(UnknownLimitType)
    }
}

/// Which limits hold for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    Moderator,
    Administrator,
    Bot,
}

impl Column {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moderator => "moderator",
            Self::Administrator => "administrator",
            Self::Bot => "bot",
        }
    }
}

/// The most that is normal within a minute, an hour and a day; of points within a minute, ten
/// minutes and a day. More is a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spans(pub [u32; 3]);

impl Spans {
    const NONE: Self = Self([NEVER; 3]);

    /// With every bound multiplied, in twentieths; an absent bound stays absent.
    pub(crate) fn scaled(self, numerator: u32, denominator: u32) -> [u32; 3] {
        self.0.map(|bound| match bound {
            NEVER => NEVER,
            bound => {
                let scaled = u64::from(bound) * u64::from(UNIT) * u64::from(numerator);
                u32::try_from(scaled / u64::from(denominator)).unwrap_or(NEVER - 1)
            }
        })
    }
}

/// One row of the default limits.
struct Row {
    kinds: &'static [LimitType],
    columns: [[u32; 3]; 3],
    /// Grows and shrinks with the number of members.
    by_members: bool,
}

use LimitType as T;

const ROWS: &[Row] = &[
    Row {
        kinds: &[T::ChannelRemove, T::RoleRemove],
        columns: [[2, 3, 5], [3, 6, 12], [3, 5, 10]],
        by_members: false,
    },
    Row {
        kinds: &[T::ChannelAdd, T::RoleAdd],
        columns: [[5, 20, 40], [10, 60, 150], [10, 60, 150]],
        by_members: false,
    },
    Row {
        kinds: &[T::ChannelUpdate, T::RoleUpdate, T::OverwriteChange],
        columns: [[8, 40, 120], [20, 150, 500], [20, 150, 500]],
        by_members: false,
    },
    Row {
        kinds: &[T::WebhookCreate],
        columns: [[3, 8, 15], [4, 12, 25], [4, 12, 25]],
        by_members: false,
    },
    Row {
        kinds: &[
            T::InviteRemove,
            T::WebhookRemove,
            T::ExpressionRemove,
            T::EventRemove,
            T::ThreadRemove,
            T::IntegrationAdd,
            T::IntegrationUpdate,
            T::IntegrationRemove,
            T::AutomodAdd,
            T::AutomodUpdate,
            T::AutomodRemove,
        ],
        columns: [[4, 12, 25], [5, 20, 50], [5, 20, 50]],
        by_members: false,
    },
    Row {
        kinds: &[T::Ban, T::Kick],
        columns: [[6, 20, 60], [8, 30, 100], [10, 60, 200]],
        by_members: true,
    },
    Row {
        kinds: &[
            T::Unban,
            T::Timeout,
            T::VoiceMove,
            T::VoiceDisconnect,
            T::VoiceMute,
            T::NicknameUpdate,
        ],
        columns: [[10, 60, 200], [10, 60, 200], [15, 100, 400]],
        by_members: true,
    },
    Row {
        kinds: &[T::RoleGivenToMember],
        columns: [[20, 150, 400], [40, 300, 1000], [300, 3000, NEVER]],
        by_members: true,
    },
    Row {
        kinds: &[T::RoleRemovedFromMember],
        columns: [[10, 40, 100], [15, 60, 200], [60, 600, NEVER]],
        by_members: true,
    },
    Row {
        kinds: &[T::MessageRemove],
        columns: [[40, 300, 2000], [40, 300, 2000], [120, 900, 6000]],
        by_members: true,
    },
    Row {
        kinds: &[T::BulkDelete],
        columns: [[300, 1000, 5000], [300, 1000, 5000], [900, 3000, 15_000]],
        by_members: true,
    },
    Row {
        kinds: &[T::BotAdd],
        columns: [[1, 1, 2], [1, 2, 3], [0, 0, 0]],
        by_members: false,
    },
    Row {
        kinds: &[T::GuildUpdate],
        columns: [[3, 10, 20], [4, 15, 30], [4, 15, 30]],
        by_members: false,
    },
    Row {
        kinds: &[T::EveryonePing],
        columns: [[2, 4, 8], [2, 4, 8], [2, 4, 8]],
        by_members: false,
    },
    Row {
        kinds: &[T::ThreadAdd],
        columns: [[5, 30, 100], [5, 30, 100], [5, 30, 100]],
        by_members: false,
    },
    // Hiding one channel from the bot may be a mistake; two are a plan.
    Row {
        kinds: &[T::SightDenied],
        columns: [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
        by_members: false,
    },
];

const POINTS: [[u32; 3]; 3] = [[20, 40, 300], [30, 60, 400], [30, 60, 500]];

impl LimitType {
    /// What is normal unless a server says otherwise; what has no limit of its own counts in points.
    pub fn default_spans(self, column: Column) -> Spans {
        let row = ROWS.iter().find(|row| row.kinds.contains(&self));
        row.map_or(Spans::NONE, |row| Spans(row.columns[column as usize]))
    }

    /// Whether what is normal depends on the number of members.
    pub fn grows_with_members(self) -> bool {
        let mut rows = ROWS.iter();
        rows.any(|row| row.by_members && row.kinds.contains(&self))
    }

    /// Whether it destroys: only such acts make colluders and lead to the next rung.
    pub fn is_destructive(self) -> bool {
        matches!(
            self,
            T::ChannelRemove
                | T::RoleRemove
                | T::Kick
                | T::PruneMembers
                | T::Ban
                | T::InviteRemove
                | T::WebhookRemove
                | T::ExpressionRemove
                | T::BulkDelete
                | T::IntegrationRemove
                | T::EventRemove
                | T::ThreadRemove
                | T::AutomodRemove
                | T::VanityUpdate
                | T::SightDenied
                | T::WebhookCreate
                | T::DangerousPermissionGrant
                | T::DangerousRoleGiven
        )
    }
}

/// The default points of a column.
pub fn default_points(column: Column) -> Spans {
    Spans(POINTS[column as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_one_name_and_at_most_one_row() {
        for kind in LimitType::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
            let rows = ROWS.iter().filter(|row| row.kinds.contains(kind));
            assert!(rows.count() <= 1, "{kind:?}");
        }
        assert_eq!("nothing".parse::<LimitType>(), Err(UnknownLimitType));
    }
}
