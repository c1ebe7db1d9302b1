//! The steps of setting the bot up.

use splashtail_antinuke::Mode;

use super::look::{Alerts, Look};

/// In their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Permissions,
    Sight,
    Position,
    Alerts,
    Limits,
    Mode,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    Done,
    /// The owner knows and went on.
    Passed,
    Open,
}

impl Progress {
    /// For programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Passed => "passed",
            Self::Open => "open",
        }
    }
}

impl Step {
    pub const ALL: [Self; 6] = [
        Self::Permissions,
        Self::Sight,
        Self::Position,
        Self::Alerts,
        Self::Limits,
        Self::Mode,
    ];

    /// Stored, and part of custom ids.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Permissions => "permissions",
            Self::Sight => "sight",
            Self::Position => "position",
            Self::Alerts => "alerts",
            Self::Limits => "limits",
            Self::Mode => "mode",
        }
    }

    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.id() == id)
    }

    /// From 1.
    pub const fn number(self) -> usize {
        self as usize + 1
    }

    /// The step after it, whatever its state.
    pub fn next(self) -> Option<Self> {
        Self::ALL.get(self as usize + 1).copied()
    }

    /// The server itself tells; only where it cannot does what was passed count.
    pub fn progress(self, look: &Look, passed: &[String]) -> Progress {
        let passed = passed.iter().any(|step| step == self.id());
        let done = match self {
            Self::Permissions => look.lacking.is_empty(),
            Self::Sight => look.hidden.is_empty(),
            Self::Position => look.above.is_empty(),
            Self::Alerts => matches!(look.alerts, Alerts::Fine(_)),
            Self::Limits => passed,
            Self::Mode => look.mode == Mode::On,
        };
        match (done, passed) {
            (true, _) => Progress::Done,
            (false, true) => Progress::Passed,
            (false, false) => Progress::Open,
        }
    }

    /// Where to go on; `None` when everything is done or passed.
    pub fn first_open(look: &Look, passed: &[String]) -> Option<Self> {
        let mut steps = Self::ALL.into_iter();
        steps.find(|step| step.progress(look, passed) == Progress::Open)
    }
}
