//! Roles: created from the top down, edited, sorted in one call.

use serde_json::{Value, json};

use super::{Draft, MAX_ROLES, Operation, Subject, Why, bits, body};
use crate::compare::Bucket;
use crate::pairing::rank;
use crate::read::bit_set;
use crate::{Id, Kind};

impl Draft<'_> {
    pub(super) fn roles(&mut self) {
        let rule = self.mode.rule(Kind::Role);
        let created = if rule.create {
            self.create_roles()
        } else {
            Vec::new()
        };
        if rule.edit {
            self.edit_roles();
        }
        if rule.edit || !created.is_empty() {
            self.sort_roles(&created);
        }
    }

    /// Why a live role may not be edited, moved and deleted.
    pub(super) fn rank_forbids(&self, role: Id) -> Option<Why> {
        if !self.facts.stands_above(role, self.live) {
            return Some(Why::Hierarchy);
        }
        (!self.reach.covers(role, self.live)).then_some(Why::Outranked)
    }

    fn may_move(&self, role: Id) -> bool {
        self.rank_forbids(role).is_none()
    }

    /// Wanted roles, the highest first.
    fn ranked(&self) -> Vec<(Id, &Value)> {
        let mut all: Vec<_> = self.wanted.all(Kind::Role).collect();
        all.sort_by_key(|(id, role)| rank(Kind::Role, *id, role));
        all
    }

    /// From the top down: Discord puts each new role at the bottom, and of two at one position the
    /// older one is higher.
    fn create_roles(&mut self) -> Vec<Id> {
        let missing = |id: Id| self.comparison.missing.contains(&(Kind::Role, id));
        let wanted: Vec<(Id, Value)> = self
            .ranked()
            .into_iter()
            .filter(|(id, _)| missing(*id))
            .map(|(id, role)| (id, role.clone()))
            .collect();
        let mut room = MAX_ROLES.saturating_sub(self.live.all(Kind::Role).count());
        let mut created = Vec::new();
        for (id, role) in wanted {
            if role["managed"] == true {
                self.unable(Kind::Role, id, Vec::new(), Why::Managed);
                continue;
            }
            // Made again, it would be within their reach, with all that settings give it.
            if !self.reach.covered(id, self.wanted) {
                self.unable(Kind::Role, id, Vec::new(), Why::Outranked);
                continue;
            }
            if room == 0 && self.make_room(Kind::Role, &|_| true) {
                room += 1;
            }
            if room == 0 {
                self.unable(Kind::Role, id, Vec::new(), Why::Full);
                continue;
            }
            let set = bit_set(&role["permissions"]);
            let set = self.mask((Kind::Role, id), "permissions", 0, set);
            let mut body = body::create(Kind::Role, &role);
            // Left out, it would be a copy of @everyone's.
            body.insert("permissions".to_owned(), set.to_string().into());
            self.report_lost((Kind::Role, id), &role, &body);
            self.fit_files((Kind::Role, id), &role, &mut body);
            self.fit_role(id, &mut body);
            let operation = Operation::Create {
                kind: Kind::Role,
                subject: Subject::Wanted(id),
                body,
            };
            let step = format!("role/{id}/create");
            if self.act(step, bits::MANAGE_ROLES, (Kind::Role, id), operation, None) {
                room -= 1;
                created.push(id);
            }
        }
        created
    }

    fn edit_roles(&mut self) {
        let changed: Vec<_> = self
            .comparison
            .changed
            .iter()
            .filter(|d| d.kind == Kind::Role)
            .cloned()
            .collect();
        for difference in changed {
            let (live, wanted) = (difference.live, difference.wanted);
            let (Some(present), Some(role)) = (
                self.live.get(Kind::Role, live).cloned(),
                self.wanted.get(Kind::Role, wanted).cloned(),
            ) else {
                continue;
            };
            let names: Vec<_> = difference.fields.iter().map(|f| f.field).collect();
            if self.mode.protects(Kind::Role, live) {
                self.unable(Kind::Role, wanted, names, Why::Protected);
                continue;
            }
            // Managed roles are not given or deleted by hand, but edited like others.
            let everyone = live == self.live.id();
            if let Some(why) = self.rank_forbids(live).filter(|_| !everyone) {
                self.unable(Kind::Role, wanted, names, why);
                continue;
            }
            let mut body = body::take(&role, &names);
            if names.contains(&"permissions") {
                let (old, new) = (
                    bit_set(&present["permissions"]),
                    bit_set(&role["permissions"]),
                );
                let set = self.mask((Kind::Role, wanted), "permissions", old, new);
                body.insert("permissions".to_owned(), set.to_string().into());
                if set == old {
                    body.shift_remove("permissions");
                }
            }
            self.fit_files((Kind::Role, wanted), &role, &mut body);
            self.fit_role(wanted, &mut body);
            if body.is_empty() {
                continue;
            }
            let sent: Vec<_> = names
                .iter()
                .filter(|n| body.contains_key(**n) || **n == "colors")
                .copied()
                .collect();
            let inverse = Operation::Edit {
                kind: Kind::Role,
                subject: Subject::Live(live),
                body: body::back(Kind::Role, &present, &sent),
            };
            let operation = Operation::Edit {
                kind: Kind::Role,
                subject: Subject::Live(live),
                body,
            };
            let step = format!("role/{live}/edit");
            self.act(
                step,
                bits::MANAGE_ROLES,
                (Kind::Role, wanted),
                operation,
                [inverse],
            );
        }
    }

    /// Takes out what the server's features do not allow.
    fn fit_role(&mut self, id: Id, body: &mut serde_json::Map<String, Value>) {
        let icon = body
            .get("unicode_emoji")
            .is_some_and(|v| v.as_str().is_some_and(|s| !s.is_empty()));
        if icon && !self.live.has_feature("ROLE_ICONS") {
            body.shift_remove("unicode_emoji");
            self.unable(
                Kind::Role,
                id,
                vec!["unicode_emoji"],
                Why::NeedsFeature("ROLE_ICONS"),
            );
        }
        let shaded = body
            .get("colors")
            .is_some_and(|c| !c["secondary_color"].is_null());
        if shaded && !self.live.has_feature("ENHANCED_ROLE_COLORS") {
            let primary = body["colors"]["primary_color"].clone();
            body.insert(
                "colors".to_owned(),
                json!({"primary_color": primary, "secondary_color": null, "tertiary_color": null}),
            );
            self.unable(
                Kind::Role,
                id,
                vec!["colors"],
                Why::NeedsFeature("ENHANCED_ROLE_COLORS"),
            );
        }
    }

    /// One call that gives every role that may be moved its place. Roles that are not wanted keep
    /// the neighbour above which they stand.
    fn sort_roles(&mut self, created: &[Id]) {
        if created.is_empty() && !self.comparison.reordered.contains(&Bucket::Roles) {
            return;
        }
        let everyone = self.live.id();
        let mut live: Vec<(Id, &Value)> = self
            .live
            .all(Kind::Role)
            // Surplus that made room is gone by then.
            .filter(|(id, _)| *id != everyone && !self.gone.contains(&(Kind::Role, *id)))
            .collect();
        // From the bottom up.
        live.sort_by_key(|(id, role)| std::cmp::Reverse(rank(Kind::Role, *id, role)));
        let subject = |live: Id| match self.plan.mapping.wanted(Kind::Role, live) {
            Some(wanted) => Subject::Wanted(wanted),
            None => Subject::Live(live),
        };
        let movable: Vec<Subject> = live
            .iter()
            .filter(|(id, _)| self.may_move(*id))
            .map(|(id, _)| subject(*id))
            .collect();
        // New ones stand at the bottom, the youngest lowest.
        let fresh = created.iter().rev().map(|id| Subject::Wanted(*id));
        let present: Vec<Subject> = fresh.chain(movable.iter().copied()).collect();
        let ranked: Vec<Subject> = self
            .ranked()
            .into_iter()
            .rev()
            .map(|(id, _)| Subject::Wanted(id))
            .filter(|s| present.contains(s))
            .collect();
        let desired = woven(&present, &ranked);
        self.report_fixed_roles();
        if desired == present {
            return;
        }
        self.renumber_roles(&present);
        let places = |order: &[Subject]| {
            let numbered = (1_i64..).zip(order.iter().copied());
            numbered
                .map(|(at, subject)| (subject, at))
                .collect::<Vec<_>>()
        };
        let before = movable
            .iter()
            .filter_map(|s| s.resolved(Kind::Role, &self.plan.mapping))
            .filter_map(|id| {
                Some((
                    Subject::Live(id),
                    self.live.get(Kind::Role, id)?["position"].as_i64()?,
                ))
            });
        let inverse = Operation::Reorder {
            kind: Kind::Role,
            positions: before.collect(),
        };
        let operation = Operation::Reorder {
            kind: Kind::Role,
            positions: places(&desired),
        };
        self.act(
            "role/reorder".to_owned(),
            bits::MANAGE_ROLES,
            (Kind::Role, everyone),
            operation,
            [inverse],
        );
    }
}

impl Draft<'_> {
    /// New roles share a position with others, so there can be more roles below the lowest one that
    /// stays where it is than positions, and a place at its own position is refused, or passes it. Any
    /// call that sorts numbers all roles anew, that one too: one that moves nothing makes room.
    fn renumber_roles(&mut self, present: &[Subject]) {
        let position = |id: Id| self.live.get(Kind::Role, id)?["position"].as_i64();
        let everyone = self.live.id();
        let stay = self.live.all(Kind::Role).map(|(id, _)| id);
        let stay = stay.filter(|id| *id != everyone && !self.may_move(*id));
        let lowest_fixed = stay.filter_map(position).min().unwrap_or(i64::MAX);
        let places = i64::try_from(present.len()).unwrap_or(i64::MAX);
        let Some(lowest) = present.first().filter(|_| places >= lowest_fixed) else {
            return;
        };
        // A new one is at 1.
        let at = lowest.resolved(Kind::Role, &self.plan.mapping);
        let at = at.and_then(position).unwrap_or(1);
        let operation = Operation::Reorder {
            kind: Kind::Role,
            positions: vec![(*lowest, at)],
        };
        let everyone = (Kind::Role, self.live.id());
        let step = "role/renumber".to_owned();
        self.act(step, bits::MANAGE_ROLES, everyone, operation, None);
    }

    /// Where roles stand that may not be moved is not the plan's to decide: they are named when they
    /// should stand elsewhere, below one that may be moved or among themselves.
    fn report_fixed_roles(&mut self) {
        let everyone = self.live.id();
        let ranked: Vec<(Id, Id)> = self
            .ranked()
            .into_iter()
            .filter_map(|(id, _)| Some((id, self.plan.mapping.live(Kind::Role, id)?)))
            .filter(|(_, live)| *live != everyone)
            .collect();
        let at = |live: Id| {
            self.live
                .get(Kind::Role, live)
                .map(|r| rank(Kind::Role, live, r))
        };
        let mut astray = Vec::new();
        let mut movable_above = false;
        let mut last = None;
        for (wanted, live) in ranked {
            let Some(why) = self.rank_forbids(live) else {
                movable_above = true;
                continue;
            };
            if movable_above || last > at(live) {
                astray.push((wanted, why));
            }
            last = last.max(at(live));
        }
        for (id, why) in astray {
            self.unable(Kind::Role, id, vec!["position"], why);
        }
    }
}

/// `present` with those of `ranked` in their order; the others stay above the neighbour they follow.
pub(super) fn woven(present: &[Subject], ranked: &[Subject]) -> Vec<Subject> {
    let mut followers: Vec<(Option<Subject>, Subject)> = Vec::new();
    let mut last = None;
    for subject in present {
        if ranked.contains(subject) {
            last = Some(*subject);
        } else {
            followers.push((last, *subject));
        }
    }
    let mut order = Vec::with_capacity(present.len());
    let after = |anchor: Option<Subject>, order: &mut Vec<Subject>| {
        let own = followers.iter().filter(|(at, _)| *at == anchor);
        order.extend(own.map(|(_, subject)| *subject));
    };
    after(None, &mut order);
    for subject in ranked {
        order.push(*subject);
        after(Some(*subject), &mut order);
    }
    order
}
