//! Injected misbehaviour: rules that match requests, sessions or events and say what goes wrong.
//!
//! A rule with a probability draws from the seed, its own number and its hit count, so the same
//! script meets the same faults.

mod action;
mod check;
mod effect;
mod rule;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

pub use action::{ACTIONS, Action, Described, Kind, command_line};
pub use check::{MAX_LATE_MS, MAX_WAIT, RuleError, later};
pub use rule::{Facts, Match, Rule};

use rule::HELLO;

/// A rule in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveRule {
    pub id: u64,
    #[serde(flatten)]
    pub rule: Rule,
    /// Times it matched.
    pub matched: u64,
    /// Times it struck: that it hit, and had an effect beside the other rules.
    pub struck: u64,
}

impl ActiveRule {
    /// Whether it has struck as often as it is to. An outage lasts until its rule is removed.
    fn is_spent(&self) -> bool {
        let lasts = matches!(self.rule.action, Action::Outage { .. });
        !lasts && self.struck_out()
    }

    fn struck_out(&self) -> bool {
        self.rule.times.is_some_and(|t| self.struck >= u64::from(t))
    }

    /// Counts a match and draws whether it hits; `false` once it is spent.
    fn hits(&mut self, seed: u64) -> bool {
        if self.struck_out() {
            return false;
        }
        self.matched += 1;
        draw(seed, self.id, self.matched) < self.rule.probability
    }
}

/// Rules that can be in force at a time, and that are remembered: spent ones make room for new ones.
pub const MAX_RULES: usize = 1000;

/// [`MAX_RULES`] are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_RULES} rules are in force; delete some first")]
pub struct TooMany;

/// All rules in force, in the order they were given.
#[derive(Debug)]
pub struct Faults {
    seed: AtomicU64,
    rules: Mutex<(u64, Vec<ActiveRule>)>,
}

impl Faults {
    pub fn new(seed: u64) -> Self {
        Self {
            seed: seed.into(),
            rules: Mutex::default(),
        }
    }

    fn rules(&self) -> MutexGuard<'_, (u64, Vec<ActiveRule>)> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Installs a rule, in place of the oldest that is spent when there are many; returns its id.
    ///
    /// # Errors
    /// There are as many in force as there can be.
    pub fn add(&self, rule: Rule) -> Result<u64, TooMany> {
        let mut rules = self.rules();
        if rules.1.len() >= MAX_RULES {
            let spent = rules.1.iter().position(ActiveRule::is_spent);
            rules.1.remove(spent.ok_or(TooMany)?);
        }
        rules.0 += 1;
        let id = rules.0;
        rules.1.push(ActiveRule {
            id,
            rule,
            matched: 0,
            struck: 0,
        });
        Ok(id)
    }

    /// Removes a rule; `None` when there is no such rule.
    pub fn remove(&self, id: u64) -> Option<ActiveRule> {
        let mut rules = self.rules();
        let at = rules.1.iter().position(|r| r.id == id)?;
        Some(rules.1.remove(at))
    }

    /// Removes every rule, as when a world is loaded with this seed.
    pub fn restart(&self, seed: u64) {
        self.seed.store(seed, Ordering::Relaxed);
        self.clear();
    }

    /// Removes every rule and starts numbering at 1 again.
    pub fn clear(&self) {
        *self.rules() = (0, Vec::new());
    }

    /// Whether a rule that strikes at once does strike what it matches.
    pub fn hit(&self, id: u64) -> bool {
        let seed = self.seed.load(Ordering::Relaxed);
        let mut rules = self.rules();
        let Some(rule) = rules.1.iter_mut().find(|r| r.id == id) else {
            return false;
        };
        let hit = rule.hits(seed);
        rule.struck += u64::from(hit);
        hit
    }

    /// Whether no rule is in force.
    pub fn is_empty(&self) -> bool {
        self.rules().1.is_empty()
    }

    pub fn list(&self) -> Vec<ActiveRule> {
        self.rules().1.clone()
    }

    /// Every action that strikes this request, in order.
    pub fn on_request(&self, facts: &Facts<'_>) -> Vec<Action> {
        self.strike(facts, |rule| rule.action.kind() == Kind::Request)
    }

    /// Every action that strikes this dispatch, in order.
    pub fn on_event(&self, facts: &Facts<'_>) -> Vec<Action> {
        self.strike(facts, |rule| match rule.action {
            Action::GwMemberAgain {} => facts.event == "GUILD_MEMBER_UPDATE",
            _ => rule.action.kind() == Kind::Event,
        })
    }

    /// What happens to an audit entry that is being written: how many milliseconds late it
    /// appears, `None` when it never does.
    pub fn on_audit_entry(&self, guild: &str) -> Option<u64> {
        let facts = Facts {
            guild: Some(guild),
            event: "GUILD_AUDIT_LOG_ENTRY_CREATE",
            ..Facts::default()
        };
        let struck = self.strike(&facts, |rule| rule.action.kind() == Kind::Audit);
        struck.iter().try_fold(0_u64, |late, action| match action {
            Action::AuditDelay { ms } => Some(later(late, *ms)),
            _ => None,
        })
    }

    /// The status that refuses a handshake now, if one does.
    pub fn on_handshake(&self) -> Option<u16> {
        let struck = self.strike(&Facts::default(), |rule| {
            rule.action.kind() == Kind::Handshake
        });
        struck.iter().find_map(|action| match action {
            Action::GwRefuse { status } => Some(*status),
            _ => None,
        })
    }

    /// Every action that strikes a connection as it opens: rules of the gateway kind that match
    /// the event `HELLO`.
    pub fn on_connect(&self) -> Vec<Action> {
        let facts = Facts {
            event: HELLO,
            ..Facts::default()
        };
        self.strike(&facts, |rule| {
            rule.action.kind() == Kind::Session && !rule.strikes_at_once()
        })
    }

    fn strike(&self, facts: &Facts<'_>, wanted: impl Fn(&Rule) -> bool) -> Vec<Action> {
        let mut rules = self.rules();
        if rules.1.is_empty() {
            return Vec::new();
        }
        let seed = self.seed.load(Ordering::Relaxed);
        let applies = |rule: &Rule| wanted(rule) && rule.matches.applies(facts);
        let applying = rules.1.iter_mut().filter(|rule| applies(&rule.rule));
        let hits: Vec<&mut ActiveRule> = applying
            .filter_map(|rule| rule.hits(seed).then_some(rule))
            .collect();
        let actions: Vec<&Action> = hits.iter().map(|rule| &rule.rule.action).collect();
        let effective = effect::effective(&actions);
        let effective = hits.into_iter().zip(effective);
        let struck = effective.filter(|(_, has_effect)| *has_effect);
        struck
            .map(|(rule, _)| {
                rule.struck += 1;
                rule.rule.action.clone()
            })
            .collect()
    }
}

/// Uniform in `0..1` (splitmix64).
pub(crate) fn draw(seed: u64, rule: u64, hit: u64) -> f64 {
    let mut z = seed ^ rule.rotate_left(32) ^ hit.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: serde_json::Value) -> Rule {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn rules_in_force_are_bounded() {
        let faults = Faults::new(1);
        let hang = rule(serde_json::json!({"action": {"type": "hang"}}));
        for n in 1..=MAX_RULES as u64 {
            assert_eq!(faults.add(hang.clone()), Ok(n));
        }
        assert_eq!(faults.add(hang.clone()), Err(TooMany));
        faults.remove(1);
        assert!(faults.add(hang).is_ok());
    }

    #[test]
    fn spent_rules_make_room_and_outages_last() {
        let faults = Faults::new(1);
        let once =
            |action: serde_json::Value| rule(serde_json::json!({"action": action, "times": 1}));
        let outage = once(serde_json::json!({"type": "outage", "guild": "1"}));
        let outage = faults.add(outage).unwrap();
        assert!(faults.hit(outage), "it goes on until it is removed");
        let late = once(serde_json::json!({"type": "latency", "ms": 1}));
        for _ in 1..MAX_RULES {
            faults.add(late.clone()).unwrap();
        }
        assert_eq!(faults.add(late.clone()), Err(TooMany));
        assert_eq!(faults.on_request(&Facts::default()).len(), MAX_RULES - 1);
        for _ in 0..MAX_RULES {
            faults.add(late.clone()).unwrap();
            faults.on_request(&Facts::default());
        }
        let left = faults.list();
        assert_eq!((left.len(), left[0].id), (MAX_RULES, outage));
    }

    #[test]
    fn a_rule_without_an_effect_beside_another_is_not_spent() {
        let faults = Faults::new(1);
        let once =
            |action: serde_json::Value| rule(serde_json::json!({"action": action, "times": 1}));
        let hang = faults.add(once(serde_json::json!({"type": "hang"})));
        let down = serde_json::json!({"type": "status", "status": 503});
        let down = faults.add(once(down));
        let late = faults.add(once(serde_json::json!({"type": "latency", "ms": 1})));
        for expected in [vec![down], vec![hang, late], vec![]] {
            let before = faults.list();
            let struck = faults.on_request(&Facts::default());
            assert_eq!(struck.len(), expected.len());
            let grown = faults.list().into_iter().zip(before);
            let grown = grown.filter(|(now, before)| now.struck > before.struck);
            assert_eq!(grown.map(|(r, _)| Ok(r.id)).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn audit_entries_are_a_day_late_at_most() {
        let faults = Faults::new(1);
        for _ in 0..2 {
            let late = serde_json::json!({"action": {"type": "audit_delay", "ms": MAX_LATE_MS}});
            faults.add(rule(late)).unwrap();
        }
        assert_eq!(faults.on_audit_entry("1"), Some(MAX_LATE_MS));
    }

    #[test]
    fn a_rule_strikes_as_often_as_it_says() {
        let faults = Faults::new(1);
        faults
            .add(rule(serde_json::json!({
            "match": {"method": "post", "route": "/channels/{channel_id}/messages"},
            "action": {"type": "status", "status": 503, "html": true}, "times": 2})))
            .unwrap();
        let facts = Facts {
            method: "POST",
            route: "/channels/{channel_id}/messages",
            ..Facts::default()
        };
        assert!(
            faults
                .on_request(&Facts {
                    method: "GET",
                    ..facts
                })
                .is_empty()
        );
        assert_eq!(faults.on_request(&facts).len(), 1);
        assert_eq!(faults.on_request(&facts).len(), 1);
        assert!(faults.on_request(&facts).is_empty(), "spent");
    }

    #[test]
    fn probability_is_reproducible() {
        let run = || {
            let faults = Faults::new(7);
            faults
                .add(rule(
                    serde_json::json!({"action": {"type": "gw_lose"}, "probability": 0.5}),
                ))
                .unwrap();
            (0..1000)
                .map(|_| {
                    faults
                        .on_event(&Facts {
                            event: "MESSAGE_CREATE",
                            ..Facts::default()
                        })
                        .len()
                })
                .collect::<Vec<_>>()
        };
        let struck: usize = run().iter().sum();
        assert!((400..600).contains(&struck), "{struck}");
        assert_eq!(run(), run());
    }
}
