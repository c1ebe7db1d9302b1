//! Bodies of `/ctl/drills`, shared by the server, its client, the command line and the page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the attackers are up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillKind {
    /// Fresh accounts join, and each posts once.
    Raid,
    /// Ordinary members flood the channels.
    Spam,
    /// Rogue administrators tear the server down.
    Nuke,
    /// The same with the token of a bot.
    TokenLeak,
}

impl DrillKind {
    /// As on the wire and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raid => "raid",
            Self::Spam => "spam",
            Self::Nuke => "nuke",
            Self::TokenLeak => "token-leak",
        }
    }
}

/// `POST /ctl/drills`. Everything but kind and guild has a default, which depends on the kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDrill {
    pub kind: DrillKind,
    pub guild_id: String,
    /// Acts; in a raid accounts, each of which joins and posts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// Acts (in a raid: accounts) per second of sandbox time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Attackers that take turns, in spam and nuke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actors: Option<u32>,
    /// Sandbox time to wait for the defence after the last act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_ms: Option<u64>,
    /// Age of accounts made for the drill, as their ids tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_age_days: Option<u32>,
    /// The attackers' role stands above every bot's instead of just below (nuke, token leak).
    #[serde(default)]
    pub above_bot: bool,
    /// The leaked token is that of the guild's own bot (token leak).
    #[serde(default)]
    pub own_token: bool,
}

impl NewDrill {
    /// A drill with all defaults.
    pub fn new(kind: DrillKind, guild_id: impl Into<String>) -> Self {
        Self {
            kind,
            guild_id: guild_id.into(),
            size: None,
            rate: None,
            actors: None,
            watch_ms: None,
            account_age_days: None,
            above_bot: false,
            own_token: false,
        }
    }
}

/// Answer to [`NewDrill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillStarted {
    pub id: u64,
}

/// How far a drill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillState {
    Attacking,
    /// The last act is done; the defence has `watch_ms` to answer.
    Watching,
    Finished,
}

/// Why a drill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillEnd {
    /// Every act was attempted and the time to watch is over.
    Completed,
    /// All attackers were out of the guild and none of their webhooks was left.
    AttackersGone,
    /// Someone stopped it.
    Stopped,
    /// The guild is no more.
    GuildGone,
}

/// Damage that attackers do, in units: members, messages, channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    MembersJoined,
    MessagesPosted,
    DirectMessages,
    WebhookMessages,
    ChannelsDeleted,
    ChannelsCreated,
    RolesDeleted,
    MembersBanned,
    MembersKicked,
    MembersPruned,
    WebhooksCreated,
}

/// What others did against the attackers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defence {
    AttackersBanned,
    AttackersKicked,
    AttackersTimedOut,
    /// Roles taken from attackers, and roles of theirs deleted or robbed of permissions.
    RolesTaken,
    InvitesPaused,
    MessagesDeleted,
    WebhooksDeleted,
    /// Channels that attackers had made.
    ChannelsRemoved,
    /// Channels made under the name of a deleted one.
    ChannelsRestored,
    RolesRestored,
    MembersUnbanned,
}

/// The settings a drill runs with, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillSettings {
    pub size: u32,
    pub rate: f64,
    pub actors: u32,
    pub watch_ms: u64,
    /// Absent when no account is made for the drill.
    pub account_age_days: Option<u32>,
    pub above_bot: bool,
    pub own_token: bool,
}

/// The attackers as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attackers {
    pub total: u32,
    pub in_guild: u32,
    /// In the guild, not timed out, and still administrator where that is what they came with.
    pub active: u32,
    /// The first hundred.
    pub ids: Vec<String>,
}

/// Moments in milliseconds of sandbox time since the first act; absent when it never happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillTimes {
    pub first_success_ms: Option<i64>,
    /// "Contained after".
    pub last_success_ms: Option<i64>,
    pub first_refusal_ms: Option<i64>,
    pub first_defence_ms: Option<i64>,
    pub last_defence_ms: Option<i64>,
    pub last_act_ms: Option<i64>,
    /// How long the drill took, watching included.
    pub ended_ms: Option<i64>,
}

/// Whose deed a [`Beat`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Attack,
    /// An act of the attackers that was refused; `what` is the code.
    Refused,
    Defence,
}

/// Equal deeds within one step of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Beginning of the step, milliseconds since the first act.
    pub at_ms: i64,
    pub side: Side,
    /// A [`Damage`], an error code or a [`Defence`].
    pub what: String,
    pub count: u64,
}

/// What became of a drill, or how it stands while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillReport {
    pub id: u64,
    pub kind: DrillKind,
    pub guild_id: String,
    pub guild_name: String,
    pub state: DrillState,
    pub end: Option<DrillEnd>,
    pub settings: DrillSettings,
    /// Sandbox time of the first act, RFC 3339.
    pub started_at: String,
    pub ended_at: Option<String>,
    pub attackers: Attackers,
    /// Acts the attackers meant to do.
    pub planned: u64,
    /// Acts they tried; the rest fell away because the attackers were gone.
    pub attempted: u64,
    /// Acts that were answered with success. One act may do damage in several units.
    pub succeeded: u64,
    /// From the answers the attackers got.
    pub achieved: BTreeMap<Damage, u64>,
    /// Refused acts by JSON error code, or by HTTP status where there is none (`429`).
    pub refused: BTreeMap<String, u64>,
    /// What everyone else did against them: from the audit log, and from the requests of others
    /// for what the log does not show (deleted messages, paused invites).
    pub defended: BTreeMap<Defence, u64>,
    /// Damage that is mended: from the world as it is now.
    pub undone: BTreeMap<Damage, u64>,
    /// `achieved` less `undone`.
    pub remains: BTreeMap<Damage, u64>,
    pub times: DrillTimes,
    /// Length of a step of the timeline: a second, or more in a long drill.
    pub timeline_step_ms: i64,
    /// In the order of time.
    pub timeline: Vec<Beat>,
}
