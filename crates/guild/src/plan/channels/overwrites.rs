//! Overwrites of channels, with the bits that the bot has and its caller may give.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{Draft, Operation, Subject, Why, bits, body};
use crate::fields::{Follow, Shape};
use crate::pairing::within;
use crate::read::bit_set;
use crate::{Id, Kind};

impl Draft<'_> {
    /// Whether fitted overwrites say what is there already.
    pub(super) fn mean_the_same(&self, present: &Value, fitted: &[Value]) -> bool {
        let overwrites = |list: &Value, follow: Follow<'_>| {
            let channel = json!({"permission_overwrites": list});
            Shape::Overwrites.canonical(&channel, "permission_overwrites", follow)
        };
        let across = self.plan.mapping.follow(self.wanted);
        overwrites(&present["permission_overwrites"], &within(self.live))
            == overwrites(&fitted.into(), &across)
    }

    /// A long list of overwrites, changed entry by entry.
    pub(super) fn one_by_one(
        &self,
        id: Id,
        present: &Value,
        fitted: &[Value],
    ) -> Vec<(String, Operation, Vec<Operation>)> {
        let channel = Subject::Wanted(id);
        let live = self
            .plan
            .mapping
            .live(Kind::Channel, id)
            .map_or(channel, Subject::Live);
        let there = |overwrite: &Value| {
            let whom = Id::of(overwrite)?;
            if body::is_member(overwrite) {
                Some(whom)
            } else {
                self.plan.mapping.live(Kind::Role, whom)
            }
        };
        let list = present["permission_overwrites"].as_array();
        let old: Vec<&Value> = list.into_iter().flatten().collect();
        let mut changes = Vec::new();
        for overwrite in fitted {
            let whom = there(overwrite);
            let before = old.iter().find(|o| Id::of(o) == whom && whom.is_some());
            let same = before.is_some_and(|before| {
                ["allow", "deny"]
                    .iter()
                    .all(|key| bit_set(&before[*key]) == bit_set(&overwrite[*key]))
            });
            if same {
                continue;
            }
            let inverse = match (before, whom) {
                (Some(before), _) => vec![Operation::PutOverwrite {
                    channel: live,
                    overwrite: (*before).clone(),
                }],
                (None, Some(whom)) => vec![Operation::DeleteOverwrite {
                    channel: live,
                    whom,
                }],
                (None, None) => Vec::new(),
            };
            let name = overwrite["id"].as_str().unwrap_or_default();
            let operation = Operation::PutOverwrite {
                channel,
                overwrite: overwrite.clone(),
            };
            changes.push((format!("channel/{id}/overwrite/{name}"), operation, inverse));
        }
        let kept: BTreeSet<Id> = fitted.iter().filter_map(there).collect();
        for before in old {
            let Some(whom) = Id::of(before).filter(|whom| !kept.contains(whom)) else {
                continue;
            };
            let operation = Operation::DeleteOverwrite { channel, whom };
            let inverse = vec![Operation::PutOverwrite {
                channel: live,
                overwrite: before.clone(),
            }];
            changes.push((
                format!("channel/{id}/overwrite/{whom}/delete"),
                operation,
                inverse,
            ));
        }
        changes
    }

    pub(super) fn put_overwrites(&mut self, channel: Id, overwrites: &[Value]) {
        for overwrite in overwrites {
            let whom = overwrite["id"].as_str().unwrap_or_default();
            let step = format!("channel/{channel}/overwrite/{whom}");
            let operation = Operation::PutOverwrite {
                channel: Subject::Wanted(channel),
                overwrite: overwrite.clone(),
            };
            self.act(
                step,
                bits::MANAGE_ROLES,
                (Kind::Channel, channel),
                operation,
                None,
            );
        }
    }

    /// Bits that whoever ordered the plan may not give, and that some would gain because their whole
    /// overwrite, which denies them, is not wanted.
    pub(super) fn frees(&self, present: &Value, channel: &Value) -> u64 {
        let list = |channel: &Value| channel["permission_overwrites"].as_array().cloned();
        let wanted = list(channel).unwrap_or_default();
        let stays = |old: &Value| {
            let whom = Id::of(old).and_then(|whom| match body::is_member(old) {
                true => Some(whom),
                false => self.plan.mapping.wanted(Kind::Role, whom),
            });
            whom.is_some() && wanted.iter().any(|new| Id::of(new) == whom)
        };
        let old = list(present).unwrap_or_default();
        let gone = old.iter().filter(|old| !stays(old));
        self.withheld(gone.fold(0, |all, old| all | bit_set(&old["deny"])))
    }

    /// A channel's wanted overwrites, with bits that the bot lacks as they are now. Those for roles
    /// that are gone are left out.
    pub(super) fn fit_overwrites(
        &mut self,
        id: Id,
        present: Option<&Value>,
        channel: &Value,
    ) -> Vec<Value> {
        let list = channel["permission_overwrites"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut fitted = Vec::with_capacity(list.len());
        let (mut lacking, mut withheld) = (0, 0);
        for mut overwrite in list {
            let member = body::is_member(&overwrite);
            let whom = Id::of(&overwrite);
            if !member && whom.is_none_or(|role| self.wanted.get(Kind::Role, role).is_none()) {
                continue;
            }
            let there = whom.and_then(|whom| {
                if member {
                    Some(whom)
                } else {
                    self.plan.mapping.live(Kind::Role, whom)
                }
            });
            let old = present.and_then(|channel| {
                let all = channel["permission_overwrites"].as_array()?;
                all.iter().find(|o| Id::of(o) == there)
            });
            for key in ["allow", "deny"] {
                let wanted = bit_set(&overwrite[key]);
                let now = old.map_or(0, |o| bit_set(&o[key]));
                let mut cannot = self.missing(wanted ^ now);
                // Only administrators decide about that bit in channels.
                if self.facts.permissions & bits::ADMINISTRATOR == 0 && !self.facts.owner {
                    cannot |= (wanted ^ now) & bits::MANAGE_ROLES;
                }
                lacking |= cannot;
                // Who is allowed more, or denied less, gains.
                let gain = match key {
                    "allow" => wanted & !now,
                    _ => now & !wanted,
                };
                let kept = self.withheld(gain);
                withheld |= kept;
                cannot |= kept;
                overwrite[key] = (wanted & !cannot | now & cannot).to_string().into();
            }
            if bit_set(&overwrite["allow"]) | bit_set(&overwrite["deny"]) != 0 {
                fitted.push(overwrite);
            }
        }
        if lacking != 0 {
            self.unable(
                Kind::Channel,
                id,
                vec!["permission_overwrites"],
                Why::MissingPermissions(lacking),
            );
        }
        if withheld != 0 {
            let why = Why::Withheld(withheld);
            self.unable(Kind::Channel, id, vec!["permission_overwrites"], why);
        }
        fitted
    }
}
