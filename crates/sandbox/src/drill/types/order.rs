//! What a drill is to be.

use serde::{Deserialize, Serialize};

use super::ActKind;

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
    /// The attackers are moderators instead of administrators (nuke).
    #[serde(default)]
    pub moderators: bool,
    /// The leaked token is that of the guild's own bot (token leak).
    #[serde(default)]
    pub own_token: bool,
    /// Kinds of act, in turn (nuke, token leak); empty: the usual ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<ActKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// What the raiders' accounts are like (raid).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style: Option<RaidStyle>,
    /// What raiders do (raid).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manner: Option<RaidManner>,
    /// Harmless people who join at the same time (raid).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<u32>,
    /// Discord notices the attack after so much of it: joins of a raid, direct messages of a nuke or a
    /// token leak. Without it, as the world's conduct says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noticed_after: Option<u32>,
    /// Every account posts but once (spam).
    #[serde(default)]
    pub once: bool,
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
            moderators: false,
            own_token: false,
            acts: Vec::new(),
            pace: None,
            style: None,
            manner: None,
            wave: None,
            noticed_after: None,
            once: false,
        }
    }
}

/// How acts follow each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// At even intervals.
    #[default]
    Steady,
    /// With pauses of any length, drawn from the seed; `rate` is their mean.
    Uneven,
    /// Uneven, and one act in five minutes unless `rate` says otherwise: low and slow.
    Slow,
}

/// What a raid's accounts are like. All have names, and as many pictures, as such people have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RaidStyle {
    /// Throwaways of the last three days.
    #[default]
    Fresh,
    /// Taken over: as old, named and pictured as anyone's.
    Aged,
    /// Bought in one lot: made within an hour long ago, alike in name, without pictures.
    Batch,
}

/// What raiders do once they are in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RaidManner {
    /// Each posts a second later.
    #[default]
    Post,
    /// Each leaves a second later, silently.
    JoinLeave,
    /// Each posts, and comes back three times when it is kicked.
    Rejoin,
    /// The server approves members by hand: each asks to join, and posts if it is let in within
    /// half a minute.
    Request,
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
    #[serde(default)]
    pub moderators: bool,
    pub own_token: bool,
    /// Of a nuke or token leak; empty: the usual ones.
    #[serde(default)]
    pub acts: Vec<ActKind>,
    #[serde(default)]
    pub pace: Pace,
    /// Of a raid.
    #[serde(default)]
    pub style: Option<RaidStyle>,
    #[serde(default)]
    pub manner: Option<RaidManner>,
    #[serde(default)]
    pub wave: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noticed_after: Option<u32>,
}
