//! Banning many, and taking that back: what differs between them.

use serde_json::Value;
use splashtail_core::ids::TaskId;

use crate::catalogue::Language;
use crate::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Ban,
    Lift,
}

impl Deed {
    /// Of an order, or of a task's fields.
    pub(super) fn of(order: &Value) -> Self {
        match order["Options"]["Undo"].is_null() {
            true => Self::Ban,
            false => Self::Lift,
        }
    }

    /// As the audit log numbers it (Discord documentation, "Audit Log Events").
    pub(super) const fn action(self) -> u16 {
        match self {
            Self::Ban => 22,
            Self::Lift => 23,
        }
    }

    pub(super) const fn command(self) -> &'static str {
        match self {
            Self::Ban => "massban",
            Self::Lift => "massunban",
        }
    }

    pub(super) const fn words(self, language: Language) -> Words {
        Words {
            deed: self,
            language,
        }
    }
}

/// How people are told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) deed: Deed,
    pub(super) language: Language,
}

impl Words {
    pub(super) fn title(self) -> String {
        match self.deed {
            Deed::Ban => text!(self.language, "massban-title"),
            Deed::Lift => text!(self.language, "massunban-title"),
        }
    }

    pub(super) fn count(self, count: usize) -> String {
        match self.deed {
            Deed::Ban => text!(self.language, "massban-count", count = count),
            Deed::Lift => text!(self.language, "massunban-count", count = count),
        }
    }

    pub(super) fn nobody(self) -> String {
        match self.deed {
            Deed::Ban => text!(self.language, "massban-nobody"),
            Deed::Lift => text!(self.language, "massunban-nobody"),
        }
    }

    pub(super) fn ask(self) -> String {
        match self.deed {
            Deed::Ban => text!(self.language, "massban-ask"),
            Deed::Lift => text!(self.language, "massunban-ask"),
        }
    }

    pub(super) fn yes(self, count: usize) -> String {
        match self.deed {
            Deed::Ban => text!(self.language, "massban-yes", count = count),
            Deed::Lift => text!(self.language, "massunban-yes", count = count),
        }
    }

    pub(super) fn no(self) -> String {
        match self.deed {
            Deed::Ban => text!(self.language, "massban-no"),
            Deed::Lift => text!(self.language, "massunban-no"),
        }
    }

    pub(super) fn nothing(self) -> String {
        match self.deed {
            Deed::Ban => text!(self.language, "massban-nothing"),
            Deed::Lift => text!(self.language, "massunban-nothing"),
        }
    }

    pub(super) fn begun(self, task: TaskId) -> String {
        let task = task.to_string();
        match self.deed {
            Deed::Ban => text!(self.language, "massban-begun", task = task),
            Deed::Lift => text!(self.language, "massunban-begun"),
        }
    }

    pub(super) fn refused(self, why: &str) -> String {
        match self.deed {
            Deed::Ban => text!(self.language, "massban-refused", why = why),
            Deed::Lift => text!(self.language, "massunban-refused", why = why),
        }
    }

    /// `done`: when the job said it last.
    pub(super) fn stopped(self, done: u64, of: usize, task: TaskId) -> String {
        let task = task.to_string();
        match self.deed {
            Deed::Ban => text!(
                self.language,
                "massban-stopped",
                done = done,
                of = of,
                task = task
            ),
            Deed::Lift => text!(self.language, "massunban-stopped", done = done, of = of),
        }
    }

    /// To those who read alerts.
    pub(super) fn told(self, who: &str, count: usize, task: TaskId) -> String {
        let task = task.to_string();
        match self.deed {
            Deed::Ban => text!(
                self.language,
                "massban-told",
                who = who,
                count = count,
                task = task
            ),
            Deed::Lift => text!(self.language, "massunban-told", who = who, count = count),
        }
    }
}
