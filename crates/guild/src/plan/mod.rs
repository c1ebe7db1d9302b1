//! The shortest ordered list of effects that leads from a live state to a wanted one, each with its
//! inverse and the permission it needs, and what cannot be done and why.

mod body;
mod channels;
mod gains;
mod mode;
mod newcomers;
mod occurrence;
mod others;
mod reach;
mod rehearse;
mod roles;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use mode::{Mode, Rule, Surplus};
pub use reach::Reach;
pub use rehearse::rehearse;

use crate::compare::{Comparison, compare_paired};
use crate::pairing::{Mapping, pair};
use crate::permissions::bits;
use crate::{Id, Kind, Structure};

/// Roles of a server, @everyone among them.
pub(crate) const MAX_ROLES: usize = 250;
/// Channels of a server, threads not counted.
pub(crate) const MAX_CHANNELS: usize = 500;
/// Channels of a category, hidden ones too.
pub(crate) const MAX_CHILDREN: usize = 50;
/// Overwrites that one body may carry; more are put one by one.
pub(crate) const MAX_OVERWRITES_IN_BODY: usize = 100;

/// What the acting bot is able to do in the live server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Base permissions in the server.
    pub permissions: u64,
    /// Its highest role; `None` when it has none but @everyone.
    pub top_role: Option<Id>,
    /// The owner stands above all roles.
    pub owner: bool,
}

impl Facts {
    /// Whether the bot's rank lets it edit, move and delete a role of the live server.
    pub fn stands_above(&self, role: Id, live: &Structure) -> bool {
        let top = self.top_role.and_then(|top| live.rank_of(top));
        self.owner || matches!((live.rank_of(role), top), (Some(role), Some(top)) if role < top)
    }
}

/// What is to be done, in order, and what is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub effects: Vec<Effect>,
    pub unable: Vec<Unable>,
    /// Pairs known beforehand; objects that effects create are added as they come.
    pub mapping: Mapping,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Names the effect within its plan, stable for equal inputs: `role/12/create`.
    pub step: String,
    pub operation: Operation,
    /// Permission bits that the call needs.
    pub needs: u64,
    /// What takes it back, in order; empty for a create, which is taken back by deleting what it
    /// made, and where bytes would be needed that nobody has. Ids are live ones throughout.
    pub inverse: Vec<Operation>,
}

/// Whom an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Something of the live server.
    Live(Id),
    /// The counterpart of something wanted, which may have yet to be made.
    Wanted(Id),
}

/// A call's meaning. Ids inside a body belong to the same state as its subject until
/// [`Operation::resolved`] replaces them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The subject is what the new object stands for: something wanted, or something that was live
    /// and is made again. Whoever carries it out tells the [`Mapping`] the new id.
    Create {
        kind: Kind,
        subject: Subject,
        body: Map<String, Value>,
    },
    Edit {
        kind: Kind,
        subject: Subject,
        body: Map<String, Value>,
    },
    Delete {
        kind: Kind,
        subject: Subject,
    },
    PutOverwrite {
        channel: Subject,
        overwrite: Value,
    },
    /// `whom` is a live role, or a user.
    DeleteOverwrite {
        channel: Subject,
        whom: Id,
    },
    /// New positions, all in one call.
    Reorder {
        kind: Kind,
        positions: Vec<(Subject, i64)>,
    },
}

/// Something that stays undone.
#[derive(Debug, Clone, PartialEq)]
pub struct Unable {
    pub kind: Kind,
    /// Of the wanted object, or of the live one that should go.
    pub id: Id,
    pub name: String,
    /// The fields concerned; empty for the whole object.
    pub fields: Vec<&'static str>,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is protected: somebody wants it to stay as it is.
    Protected,
    /// The bot lacks these permission bits.
    MissingPermissions(u64),
    /// Whoever ordered the plan lacks these permission bits, and may not give them.
    Withheld(u64),
    /// The role stands above the bot's own, or is its own.
    Hierarchy,
    /// The role does not stand below the highest one of whoever ordered the plan, or did not.
    Outranked,
    /// Roles of applications, boosters and subscriptions come and go with their owners.
    Managed,
    /// The channel is hidden from the bot.
    NotVisible,
    /// The server, or the category, holds no more.
    Full,
    /// The server lacks a feature: Community, announcements, role colours.
    NeedsFeature(&'static str),
    /// The picture's or sound's bytes are not part of the structure.
    NeedsFile,
    /// It takes a higher boost tier; the nearest value that goes is taken.
    NeedsBoosts,
    /// The event is over, and is not repeated.
    Over,
    /// The invite had led in as many as it was to: its like would lead in none.
    UsedUp,
    /// Invites are made anew without what the old one did beside leading in.
    PlainInvite,
    /// Discord does not let anybody.
    Impossible,
}

/// Plans the way from `live` to `wanted`. Equal inputs give equal plans.
pub fn plan(live: &Structure, wanted: &Structure, facts: Facts, mode: &Mode) -> Plan {
    let mut mapping = pair(live, wanted);
    let reach = Reach::of(mode.orderer.as_deref(), live, wanted, &mapping);
    reach.part(live, wanted, &mut mapping);
    let comparison = compare_paired(live, wanted, &mapping);
    let mut draft = Draft {
        live,
        wanted,
        facts,
        mode,
        reach,
        comparison,
        plan: Plan {
            effects: Vec::new(),
            unable: Vec::new(),
            mapping,
        },
        gone: BTreeSet::new(),
        filled: BTreeMap::new(),
    };
    draft.release_defaults();
    draft.roles();
    draft.channels();
    draft.settings();
    draft.surplus();
    draft.plan
}

/// A plan in the making.
struct Draft<'s> {
    live: &'s Structure,
    wanted: &'s Structure,
    facts: Facts,
    mode: &'s Mode,
    /// Of whoever ordered it.
    reach: Reach,
    comparison: Comparison,
    plan: Plan,
    /// Surplus that is planned to go already, to make room.
    gone: BTreeSet<(Kind, Id)>,
    /// Places that are planned to be taken; of emojis, by whether they move.
    filled: BTreeMap<(Kind, bool), usize>,
}

impl Draft<'_> {
    fn may(&self, needs: u64) -> bool {
        self.missing(needs) == 0
    }

    /// Which of these bits the bot lacks.
    fn missing(&self, needs: u64) -> u64 {
        if self.facts.owner || self.facts.permissions & bits::ADMINISTRATOR != 0 {
            0
        } else {
            needs & !self.facts.permissions
        }
    }

    /// Which bits of a gain whoever ordered the plan may not give.
    fn withheld(&self, gain: u64) -> u64 {
        if self.mode.grants & bits::ADMINISTRATOR != 0 {
            0
        } else {
            gain & !self.mode.grants
        }
    }

    /// Adds an effect, or says which permission it lacks.
    fn act(
        &mut self,
        step: String,
        needs: u64,
        (kind, id): (Kind, Id),
        operation: Operation,
        inverse: impl IntoIterator<Item = Operation>,
    ) -> bool {
        if !self.may(needs) {
            let why = Why::MissingPermissions(self.missing(needs));
            self.unable(kind, id, Vec::new(), why);
            return false;
        }
        self.plan.effects.push(Effect {
            step,
            operation,
            needs,
            inverse: inverse.into_iter().collect(),
        });
        true
    }

    fn unable(&mut self, kind: Kind, id: Id, fields: Vec<&'static str>, why: Why) {
        let object = self
            .wanted
            .get(kind, id)
            .or_else(|| self.live.get(kind, id));
        let name = object.and_then(|o| o["name"].as_str()).unwrap_or_default();
        self.plan.unable.push(Unable {
            kind,
            id,
            name: name.to_owned(),
            fields,
            why,
        });
    }

    /// Takes a permission set from `old` as near to `new` as the bot and whoever ordered the plan
    /// may, and says what is missing.
    fn mask(&mut self, (kind, id): (Kind, Id), field: &'static str, old: u64, new: u64) -> u64 {
        let lacking = self.missing(old ^ new);
        let withheld = self.withheld(new & !old);
        for (set, why) in [
            (lacking, Why::MissingPermissions(lacking)),
            (withheld, Why::Withheld(withheld)),
        ] {
            if set != 0 {
                self.unable(kind, id, vec![field], why);
            }
        }
        let stays = lacking | withheld;
        new & !stays | old & stays
    }
}
