//! What a plan may touch.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::permissions::Subject as Member;
use crate::{Id, Kind};

/// What becomes of objects that are there and not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surplus {
    Keep,
    Delete,
}

/// What a plan may do with the objects of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Make what is missing.
    pub create: bool,
    /// Change what is otherwise, its place included.
    pub edit: bool,
    pub surplus: Surplus,
}

impl Rule {
    const NOTHING: Self = Self {
        create: false,
        edit: false,
        surplus: Surplus::Keep,
    };
}

/// What a plan may touch. Of a kind without a rule everything stays as it is; it still tells which
/// object is which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    rules: BTreeMap<Kind, Rule>,
    protected: BTreeSet<(Kind, Id)>,
    /// Whether overwrites of channels that are there may be changed. New channels get theirs in any
    /// case: without them they would be open to everybody.
    pub overwrites: bool,
    /// Permission bits that roles, or members by overwrites, may gain: those of whoever ordered the
    /// plan. ADMINISTRATOR stands for all.
    pub grants: u64,
    /// Live roles of whoever ordered the plan, which reaches below the highest of them. `None`: their
    /// rank stands in the way of nothing.
    pub orderer: Option<Vec<Id>>,
    /// Pictures and sounds whose bytes nobody has are not deleted: nothing could bring them back.
    pub keeps_unsaved: bool,
    /// What lies before is over: Discord takes no event of the past. Without it nothing is.
    pub now: Option<DateTime<Utc>>,
    /// The acting bot, so that what it may in single channels counts. Without it the bot may in each
    /// channel what it may in the server.
    pub actor: Option<Member>,
}

impl Mode {
    /// May do nothing at all.
    pub const fn nothing() -> Self {
        Self {
            rules: BTreeMap::new(),
            protected: BTreeSet::new(),
            overwrites: true,
            grants: u64::MAX,
            orderer: None,
            keeps_unsaved: false,
            now: None,
            actor: None,
        }
    }

    /// May do everything, but delete surplus only if told.
    pub fn all(surplus: Surplus) -> Self {
        let rule = Rule {
            create: true,
            edit: true,
            surplus,
        };
        let kinds = Kind::ALL.into_iter();
        kinds.fold(Self::nothing(), |mode, kind| mode.with(kind, rule))
    }

    #[must_use]
    pub fn with(mut self, kind: Kind, rule: Rule) -> Self {
        self.rules.insert(kind, rule);
        self
    }

    /// A live object that is neither changed nor deleted. Others may still be sorted around it.
    #[must_use]
    pub fn protect(mut self, kind: Kind, id: Id) -> Self {
        self.protected.insert((kind, id));
        self
    }

    pub(super) fn rule(&self, kind: Kind) -> Rule {
        self.rules.get(&kind).copied().unwrap_or(Rule::NOTHING)
    }

    pub(super) fn deletes(&self, kind: Kind) -> bool {
        self.rule(kind).surplus == Surplus::Delete
    }

    pub(super) fn protects(&self, kind: Kind, id: Id) -> bool {
        self.protected.contains(&(kind, id))
    }
}
