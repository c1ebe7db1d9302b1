//! What became of a drill.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ActKind, DrillKind, DrillSettings};

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
    /// Requests to join that wait for somebody's verdict.
    RequestsMade,
    /// An approved request counts from the verdict on.
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
    ChannelsRenamed,
    ChannelsHidden,
    OverwritesChanged,
    ThreadsCreated,
    RolesEdited,
    RolesReordered,
    /// Roles with Administrator, whether or not anybody got them.
    AdminRolesCreated,
    AdministratorsMade,
    MembersStripped,
    ServerEdits,
    EmojisDeleted,
    StickersDeleted,
    InvitesDeleted,
    AutomodRulesDeleted,
    IntegrationsDeleted,
    BotsDisarmed,
    BotsKicked,
}

/// What others did against the attackers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defence {
    AttackersBanned,
    /// Kicked, pruned, or removed with their integration.
    AttackersKicked,
    AttackersTimedOut,
    /// Roles taken from attackers, and roles of theirs deleted or robbed of permissions.
    RolesTaken,
    InvitesPaused,
    RequestsRejected,
    MessagesDeleted,
    WebhooksDeleted,
    /// Channels that attackers had made.
    ChannelsRemoved,
    /// Channels made under the name of a deleted one.
    ChannelsRestored,
    RolesRestored,
    MembersUnbanned,
    /// Things set back or made again that attackers had changed or deleted: names, overwrites,
    /// permissions, roles of members, emojis, rules, bots.
    ChangesReverted,
}

/// The attackers as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attackers {
    pub total: u32,
    pub in_guild: u32,
    /// In the guild, not timed out, and still administrator or moderator where that is what they came as.
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

/// What became of the acts of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActReport {
    pub act: ActKind,
    pub attempted: u64,
    pub succeeded: u64,
    /// What they brought, in units of `damage`.
    pub achieved: u64,
    pub damage: Option<Damage>,
    /// How much of it is mended.
    pub undone: u64,
    /// Since the first act of the drill.
    pub first_success_ms: Option<i64>,
    /// The first deed of defence after that.
    pub first_defence_ms: Option<i64>,
}

/// What became of one act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeedReport {
    /// Since the first act.
    pub at_ms: i64,
    pub act: ActKind,
    pub user_id: Option<String>,
    /// Why it had no effect, as in `refused` of the report; absent when it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    pub damage: Option<Damage>,
    /// In units of `damage`.
    pub achieved: u64,
    /// How much of it is mended.
    pub undone: u64,
    /// The first deed of defence after it.
    pub first_defence_ms: Option<i64>,
}

/// What the defence did to people who had nothing to do with the attack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Innocents {
    /// Newcomers among the raiders who are none.
    pub arrived: u32,
    /// Of these, whom the server did not let in: refused at the door, or by a verdict on their request.
    pub turned_away: u32,
    /// Of these, whom a fault kept out: no deed of the defence.
    #[serde(default)]
    pub struck: u32,
    pub banned: u64,
    /// Pruned ones too.
    pub kicked: u64,
    pub timed_out: u64,
    pub roles_taken: u64,
    /// Messages of the harmless newcomers.
    pub messages_deleted: u64,
    /// People to whom any of it happened.
    pub touched: u64,
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
    /// Acts that had their effect, whether or not the attackers were told. One act may do damage
    /// in several units.
    pub succeeded: u64,
    /// Of these, acts whose answer a fault kept back.
    #[serde(default)]
    pub unheard: u64,
    /// What the acts did, also those whose answer a fault kept back, and those of several requests
    /// that got half way.
    pub achieved: BTreeMap<Damage, u64>,
    /// Acts without effect by JSON error code, or by HTTP status where there is none (`429`); as
    /// `no answer` those of several requests that ended with one whose answer was kept back.
    pub refused: BTreeMap<String, u64>,
    /// What everyone else did against them: from the audit log, and for what the log does not show
    /// (who was banned in bulk or pruned, deleted messages, paused invites) from the guild and the
    /// requests of others.
    pub defended: BTreeMap<Defence, u64>,
    /// Damage that is mended: from the world as it is now.
    pub undone: BTreeMap<Damage, u64>,
    /// `achieved` less `undone`, and less the requests that were let in: those are members now.
    pub remains: BTreeMap<Damage, u64>,
    /// By kind of act, those that were tried.
    #[serde(default)]
    pub acts: Vec<ActReport>,
    /// The first 500 acts one by one; left out of lists of reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deeds: Vec<DeedReport>,
    #[serde(default)]
    pub innocents: Innocents,
    pub times: DrillTimes,
    /// Length of a step of the timeline: a second, or more in a long drill.
    pub timeline_step_ms: i64,
    /// In the order of time.
    pub timeline: Vec<Beat>,
}
