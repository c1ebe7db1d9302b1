//! What people order through us. It stands in the log in our name and counts for nobody there, so it
//! counts for whoever orders it, before it is done.

use serde_json::{Value, json};
use splashtail_guild::{Id, Structure};

use super::Engine;
use crate::act::{self, Act};
use crate::effect::Effect;
use crate::entry::Entry;
use crate::incident::Rule;
use crate::moment::Moment;
use crate::policy::Mode;

/// Many acts of one type.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub by: Id,
    /// As the audit log numbers it.
    pub action: u16,
    pub targets: &'a [Id],
}

impl Engine {
    /// Counts an order for whoever gives it, as if they did it by hand. Where it would be too much,
    /// and something is done about that here, it is refused as a whole and nothing is counted: the
    /// rules say why, and are empty when somebody gives orders who is held.
    pub fn order(
        &mut self,
        order: Order<'_>,
        structure: &Structure,
        now: Moment,
    ) -> (Result<(), Vec<Rule>>, Vec<Effect>) {
        let mut out = Vec::new();
        if self.policy.mode == Mode::Off {
            return (Ok(()), out);
        }
        let acts = self.ordered(order, structure, now);
        if self.policy.mode == Mode::On && !self.is_spared(order.by, structure) {
            if self.actor(order.by).is_held() {
                return (Err(Vec::new()), out);
            }
            let rules = self.would_break(order.by, &acts, structure, now);
            if !rules.is_empty() {
                return (Err(rules), out);
            }
        }
        for (act, raw) in acts {
            self.count(order.by, act, Some(&raw), structure, now, &mut out);
        }
        // Together with somebody it may have been too much all the same.
        let stopped = self.policy.mode == Mode::On && self.actor(order.by).is_held();
        (if stopped { Err(Vec::new()) } else { Ok(()) }, out)
    }

    /// Each act as its entry would tell it.
    fn ordered(&self, order: Order<'_>, structure: &Structure, now: Moment) -> Vec<(Act, Value)> {
        let first = now.id().get();
        let entries = (first..).zip(order.targets).map(|(id, target)| {
            json!({"id": Id::new(id), "action_type": order.action, "user_id": order.by,
                   "target_id": target})
        });
        let acts = entries.filter_map(|raw| {
            let entry = Entry::read(&raw)?;
            let act = act::read(&entry, Some(order.by), self.sight(structure))?;
            Some((act, raw))
        });
        acts.collect()
    }

    /// The rules that all of it would break. The windows are as before afterwards.
    fn would_break(
        &mut self,
        by: Id,
        acts: &[(Act, Value)],
        structure: &Structure,
        now: Moment,
    ) -> Vec<Rule> {
        let before = self.actor(by).windows.clone();
        let mut last = None;
        for (act, raw) in acts {
            if self.is_maintained(by, act) {
                continue;
            }
            let (_, marks) = self.marks_of(by, act, Some(raw), structure);
            for mark in marks {
                self.actor(by).windows.add(mark);
            }
            last = Some(act);
        }
        let mut rules = match last {
            Some(act) => self.rules_of(by, act, structure, now),
            None => Vec::new(),
        };
        self.actor(by).windows = before;
        rules.retain(|rule| !self.policy.is_only_told(rule));
        rules
    }
}
