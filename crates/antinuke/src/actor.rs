//! One actor of one guild.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use splashtail_guild::Id;

use crate::effect::Rung;
use crate::moment::Moment;
use crate::window::Windows;

const WORDS: usize = 4;
const FAVOURS: usize = 16;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Idle,
    /// Half a limit: member and plan are made ready.
    Suspect {
        until: Moment,
    },
    /// A step is under way.
    Acting {
        since: Moment,
    },
    /// Acts up to here, and a little beyond, were on their way already.
    Contained {
        since: Moment,
    },
    Watch {
        until: Moment,
    },
    Unreachable {
        until: Moment,
        /// They stand above the bot; otherwise it lacks the permissions.
        #[serde(default)]
        above: bool,
    },
}

/// Something that ties somebody to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Favour {
    pub whom: Id,
    pub at: Moment,
    pub points: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Actor {
    pub windows: Windows,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Id>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tried: BTreeSet<Rung>,
    #[serde(default)]
    pub round: u16,
    /// Their roles were asked for.
    #[serde(default)]
    pub asked: bool,
    /// And the answer came.
    #[serde(default)]
    pub fetched: bool,
    /// Of reasons given and names used, folded.
    #[serde(default)]
    pub words: [u32; WORDS],
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub favours: Vec<Favour>,
}

impl Actor {
    pub fn note_word(&mut self, word: &str) {
        let folded = fold_text(word);
        if !word.trim().is_empty() && !self.words.contains(&folded) {
            self.words.rotate_right(1);
            self.words[0] = folded;
        }
    }

    pub fn note_favour(&mut self, whom: Id, at: Moment, points: u32) {
        if self.favours.len() == FAVOURS {
            self.favours.remove(0);
        }
        self.favours.push(Favour { whom, at, points });
    }

    pub fn is_contained(&self) -> bool {
        matches!(self.state, State::Contained { .. } | State::Watch { .. })
    }

    pub fn is_held(&self) -> bool {
        matches!(
            self.state,
            State::Acting { .. } | State::Contained { .. } | State::Unreachable { .. }
        )
    }
}

/// FNV-1a: only equality matters.
pub fn fold_text(text: &str) -> u32 {
    let bytes = text.trim().bytes();
    bytes.fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// An id in sixteen bits: only equality matters.
pub fn fold_id(id: Id) -> u16 {
    let mixed = id.get().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 48) as u16
}
