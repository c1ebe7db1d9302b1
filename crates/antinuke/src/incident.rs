//! What happened, who did it, what was done about it: one record per attack.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_guild::{Id, Kind};

use crate::act::{Act, Instant};
use crate::effect::{Call, Outcome, Timing};
use crate::limit::{Column, LimitType};
use crate::moment::Moment;
use crate::policy::Mode;
use crate::window::Span;

/// Acts and calls that an incident lists; more are only counted.
pub const MAX_ACTS: usize = 400;
pub const MAX_CALLS: usize = 400;
pub const MAX_ACTORS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    Actor,
    Colluders,
    Unattributed,
    Tamper,
    SelfToken,
    Webhook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    Open,
    Containing,
    Contained,
    /// Somebody stands above the bot.
    Unreachable,
    Failed,
    DryRun,
    Returned,
    Closed,
}

/// Why it is an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "rule")]
pub enum Rule {
    /// Twentieths on both sides; `together` for colluders.
    Limit {
        kind: LimitType,
        span: Span,
        count: u32,
        limit: u32,
        together: bool,
    },
    Points {
        span: Span,
        points: u32,
        limit: u32,
        together: bool,
    },
    Instant {
        what: Instant,
    },
    WebhookSpam {
        posts: u32,
        ping: bool,
    },
    /// Went on after being contained.
    WentOn,
}

/// Somebody held responsible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    pub id: Id,
    pub bot: bool,
    pub column: Column,
    /// Points of the link that brought them in; zero for whoever came first.
    pub link: u32,
    pub contained: Option<Moment>,
    pub unreachable: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActRecord {
    pub actor: Option<Id>,
    pub kind: LimitType,
    pub target: Option<Id>,
    /// The entry as it came; an event without one has none.
    pub entry: Option<Value>,
    pub at: Moment,
    /// The object as it was before, where it was still known.
    pub before: Option<(Kind, Value)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub call: Call,
    pub timing: Timing,
    /// Absent while under way; in dry run always.
    pub outcome: Option<Outcome>,
    /// A later call took it back.
    pub returned: bool,
}

/// What no undo gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    Messages,
    Memberships,
    Vanity,
    Ids,
    WebhookUrls,
    InviteCodes,
    Subscribers,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// The deciding entry's own time.
    pub act: Moment,
    pub received: Moment,
    pub decided: Moment,
    pub sent: Option<Moment>,
    pub acknowledged: Option<Moment>,
    pub alerted: Option<Moment>,
    /// The owner was told in private.
    #[serde(default)]
    pub owner_told: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// That of the entry that decided.
    pub id: Id,
    pub guild: Id,
    pub kind: IncidentKind,
    pub mode: Mode,
    /// A person had it acted upon, whatever the mode of the server.
    #[serde(default)]
    pub asked_for: bool,
    pub state: IncidentState,
    pub suspects: Vec<Suspect>,
    pub rules: Vec<Rule>,
    pub acts: Vec<ActRecord>,
    pub acts_in_all: u32,
    pub calls: Vec<CallRecord>,
    pub panic: bool,
    pub losses: Vec<Loss>,
    /// Roles with bits that the bot lacks, so that only a person can give them back.
    pub by_hand: Vec<(Id, u64)>,
    pub times: Times,
    pub updated: Moment,
}

impl Incident {
    pub fn suspect(&self, id: Id) -> Option<&Suspect> {
        self.suspects.iter().find(|suspect| suspect.id == id)
    }

    /// Whether an act of somebody belongs to it. Of acts that it has no room for only those of its
    /// suspects do.
    pub(crate) fn holds(&self, actor: Option<Id>, act: &Act) -> bool {
        let listed = self.acts.iter().any(|known| {
            known.actor == actor
                && known.at == act.at()
                && known.target == act.target
                && Some(known.kind) == act.kind()
        });
        let full = self.acts.len() >= MAX_ACTS && act.at() >= self.times.act;
        listed || full && actor.is_some_and(|actor| self.suspect(actor).is_some())
    }

    pub(crate) fn lists(&self, act: &ActRecord) -> bool {
        self.acts.iter().any(|known| {
            known.actor == act.actor
                && known.at == act.at
                && known.target == act.target
                && known.kind == act.kind
        })
    }

    pub fn is_open(&self) -> bool {
        !matches!(self.state, IncidentState::Closed | IncidentState::Returned)
    }

    /// Nothing is under way any more once everybody is held or out of reach.
    pub(crate) fn settle(&mut self) {
        let done = |s: &Suspect| s.contained.is_some() || s.unreachable;
        if self.mode == Mode::On
            && self.state == IncidentState::Containing
            && self.suspects.iter().all(done)
        {
            self.state = IncidentState::Contained;
        }
    }

    pub(crate) fn note_rule(&mut self, rule: Rule) {
        let same = |known: &&mut Rule| match (**known, rule) {
            (
                Rule::Limit { kind, span, .. },
                Rule::Limit {
                    kind: k, span: s, ..
                },
            ) => kind == k && span == s,
            (Rule::Points { span, .. }, Rule::Points { span: s, .. }) => span == s,
            (known, rule) => known == rule,
        };
        match self.rules.iter_mut().find(same) {
            Some(known) => *known = rule,
            None => self.rules.push(rule),
        }
    }

    pub(crate) fn note_act(&mut self, act: ActRecord) {
        self.acts_in_all += 1;
        if self.acts.len() < MAX_ACTS {
            self.acts.push(act);
        }
        let loss = match self.acts.last().map(|act| act.kind) {
            Some(LimitType::ChannelRemove | LimitType::ThreadRemove | LimitType::BulkDelete) => {
                Some(Loss::Messages)
            }
            Some(LimitType::Kick | LimitType::Ban | LimitType::PruneMembers) => {
                Some(Loss::Memberships)
            }
            Some(LimitType::VanityUpdate) => Some(Loss::Vanity),
            Some(
                LimitType::RoleRemove | LimitType::AutomodRemove | LimitType::ExpressionRemove,
            ) => Some(Loss::Ids),
            Some(LimitType::WebhookRemove) => Some(Loss::WebhookUrls),
            Some(LimitType::InviteRemove) => Some(Loss::InviteCodes),
            Some(LimitType::EventRemove) => Some(Loss::Subscribers),
            _ => None,
        };
        if let Some(loss) = loss.filter(|loss| !self.losses.contains(loss)) {
            self.losses.push(loss);
        }
    }
}
