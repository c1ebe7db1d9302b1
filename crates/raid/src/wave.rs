//! A crowd that came, and what became of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use splashtail_guild::Id;

use crate::arrival::Exempt;
use crate::cohort::{Reason, Standing};
use crate::detector::{Grade, Verdict};
use crate::moment::Moment;
use crate::policy::Mode;
use crate::stream::StreamKind;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// Names it for ever; the newest is the greatest.
    pub id: Id,
    pub kind: StreamKind,
    pub mode: Mode,
    pub phase: Phase,
    /// The highest that it was.
    pub grade: Grade,
    pub verdict: Verdict,
    /// The first of the cohort came.
    pub began: Moment,
    /// A raid was seen.
    pub declared: Option<Moment>,
    /// The latest of the cohort came.
    pub last: Moment,
    /// Until when newcomers are kept out, as Discord has taken it.
    pub paused_until: Option<Moment>,
    /// The same as it was asked for, until Discord answers.
    #[serde(default)]
    pub pausing: Option<Moment>,
    /// What newcomers are asked for because of it, as Discord has taken it.
    pub level: Option<u8>,
    /// Somebody set another one meanwhile, which stays.
    #[serde(default)]
    pub is_level_theirs: bool,
    /// Once so many accounts were new that it said enough by itself.
    #[serde(default)]
    pub is_fresh: bool,
    /// Somebody, or the policy, said that raiders are banned.
    pub approved: bool,
    /// Who said so; without one it was the policy.
    #[serde(default)]
    pub approved_by: Option<Id>,
    /// Who let everybody in.
    #[serde(default)]
    pub dismissed_by: Option<Id>,
    pub people: BTreeMap<u64, Person>,
    /// More came than are remembered.
    pub is_cut: bool,
    /// The jobs that banned, for whoever takes them back.
    #[serde(default)]
    pub jobs: Vec<String>,
    /// Orders so far: no two of a wave have one number.
    #[serde(default)]
    pub orders: u32,
    /// The one that is under way.
    #[serde(default)]
    pub order: Option<Order>,
    /// Steps that the bot may not take, and why.
    #[serde(default)]
    pub refused: BTreeMap<Step, String>,
    /// Why bans came to an end before all were banned.
    #[serde(default)]
    pub stopped: Option<String>,
}

/// People who are banned together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub number: u32,
    pub users: Vec<Id>,
    /// Who said so; without one it was the policy.
    pub by: Option<Id>,
    /// The job, as far as it is known.
    pub job: Option<String>,
    /// It was not given when bans were switched off or made to need a word: it is not given after all.
    #[serde(default)]
    pub is_withdrawn: bool,
}

/// What can be refused beside what is about one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Pause,
    Unpause,
    Level,
    LevelBack,
    Release,
    Lift,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Open,
    /// Nobody came for a while; whoever comes now still belongs to it.
    Over,
    /// People said that it is nothing, or took back what was done.
    Dismissed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    pub at: Moment,
    pub standing: Standing,
    pub reasons: Vec<Reason>,
    pub fate: Fate,
    #[serde(default)]
    pub exempt: Exempt,
    /// Their coming was told late.
    #[serde(default)]
    pub is_late: bool,
    /// They went, or were removed.
    #[serde(default)]
    pub is_gone: bool,
    /// They came back while it went on.
    #[serde(default)]
    pub is_back: bool,
    /// Discord has taken a hold that was not ended since, whatever else became of them.
    #[serde(default)]
    pub is_held: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Nothing was done.
    #[default]
    Free,
    /// They are about to be held.
    Holding,
    Held,
    /// A ban is under way.
    Banning,
    Banned,
    /// Their request is about to be refused.
    Refusing,
    /// Their request was refused.
    Refused,
    /// They may stay; that they can act again is under way.
    Releasing,
    LetIn,
    /// Discord, or their place in the server, does not let the bot act on them.
    Spared,
}

impl Wave {
    /// How many stand so, of those who may be touched.
    pub fn count(&self, standing: Standing) -> usize {
        let of = self.people.values();
        of.filter(|person| person.standing == standing && person.exempt == Exempt::No)
            .count()
    }

    pub fn with_fate(&self, fate: Fate) -> usize {
        self.people
            .values()
            .filter(|person| person.fate == fate)
            .count()
    }

    /// Something was done that may have to be taken back.
    pub(crate) fn is_to_be_kept(&self) -> bool {
        let is_done = |person: &Person| !matches!(person.fate, Fate::Free | Fate::Spared);
        let is_paused = self.paused_until.is_some() || self.pausing.is_some();
        let has_banned = self.order.is_some() || !self.jobs.is_empty();
        self.mode.acts() && (is_paused || has_banned || self.people.values().any(is_done))
    }

    /// Whom the order that is under way is to ban by now: nobody whom somebody has let in since, and nobody at
    /// all when all were let in or it is withdrawn.
    pub fn wanted(&self) -> Vec<Id> {
        let order = self.order.as_ref().filter(|order| !order.is_withdrawn);
        let Some(order) = order.filter(|_| self.phase != Phase::Dismissed) else {
            return Vec::new();
        };
        let is_in = |user: &Id| {
            let person = self.people.get(&user.get());
            person.is_some_and(|of| matches!(of.fate, Fate::Releasing | Fate::LetIn))
        };
        let users = order.users.iter().copied();
        users.filter(|user| !is_in(user)).collect()
    }

    /// Raiders about whom nothing is decided, oldest first.
    pub fn waiting(&self) -> Vec<Id> {
        let mut waiting: Vec<(Moment, u64)> = self
            .people
            .iter()
            .filter(|(_, person)| person.is_waiting())
            .map(|(user, person)| (person.at, *user))
            .collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, user)| Id::new(user)).collect()
    }
}

impl Person {
    pub(crate) fn is_waiting(&self) -> bool {
        self.standing == Standing::Raider
            && self.exempt == Exempt::No
            && matches!(self.fate, Fate::Free | Fate::Holding | Fate::Held)
    }

    /// Whether they are to be kept from doing anything.
    pub(crate) fn is_to_be_held(&self) -> bool {
        self.standing >= Standing::Suspect
            && self.exempt == Exempt::No
            && self.fate == Fate::Free
            && !self.is_gone
    }
}
