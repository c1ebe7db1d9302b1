//! The order of channels, bucket by bucket.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::roles::woven;
use super::super::{Draft, Operation, Subject, Why, bits};
use crate::compare::{Bucket, bucket};
use crate::pairing::rank;
use crate::{Id, Kind};

/// A class of channels and the wanted category they stand in.
type Place = (u8, Option<Subject>);

/// A channel that the bot may not move.
struct Fixed {
    subject: Subject,
    at: i64,
    lacking: u64,
}

impl Fixed {
    /// Whether it stands otherwise to the others than is wanted. `ranks`: of what is wanted.
    fn is_misplaced(&self, ranks: &BTreeMap<Subject, usize>, others: &[(Subject, i64)]) -> bool {
        let rank = |subject| ranks.get(&subject).copied();
        let Some(own) = rank(self.subject) else {
            return false;
        };
        others.iter().any(|(other, at)| {
            rank(*other).is_some_and(|other| match own < other {
                true => self.at > *at,
                false => self.at < *at,
            })
        })
    }
}

impl Draft<'_> {
    /// One call for the order of all buckets in which something stands in the wrong place.
    pub(super) fn sort_channels(&mut self, wanted: &[(Id, Value)], created: &BTreeSet<Id>) {
        let mut buckets: BTreeMap<Place, Vec<(Subject, i64)>> = BTreeMap::new();
        let place = |kind: &Value, parent: Option<Subject>| match bucket(kind, None) {
            Bucket::Roles | Bucket::Categories => (0, None),
            Bucket::Channels { voice, .. } => (1 + u8::from(voice), parent),
        };
        let named = |id: Id| match self.plan.mapping.wanted(Kind::Channel, id) {
            Some(wanted) => Subject::Wanted(wanted),
            None => Subject::Live(id),
        };
        let mut disturbed = BTreeSet::new();
        // What the bot may not move keeps its place, and its class: Discord would refuse all the others
        // with it.
        let mut fixed: BTreeMap<Place, Vec<Fixed>> = BTreeMap::new();
        // Places to which something comes.
        let mut entered = BTreeSet::new();
        let reordered = |present: &Value| {
            let parent = Id::read(&present["parent_id"]);
            self.comparison.reordered.contains(&bucket(present, parent))
        };
        // What is there, where it will stand after the edits.
        let mut live: Vec<_> = self
            .live
            .all(Kind::Channel)
            // Surplus that made room is gone by then.
            .filter(|(id, _)| !self.gone.contains(&(Kind::Channel, *id)))
            .filter(|(id, _)| !self.live.is_hidden(*id))
            .collect();
        live.sort_by_key(|(id, channel)| rank(Kind::Channel, *id, channel));
        for (id, present) in live {
            let wanted = self
                .plan
                .mapping
                .wanted(Kind::Channel, id)
                .and_then(|w| Some((w, self.wanted.get(Kind::Channel, w)?)));
            let key = match wanted {
                Some((_, channel)) => place(
                    channel,
                    Id::read(&channel["parent_id"]).map(Subject::Wanted),
                ),
                None => place(present, Id::read(&present["parent_id"]).map(named)),
            };
            let before = place(present, Id::read(&present["parent_id"]).map(named));
            let lacking = match wanted {
                Some((_, channel)) if self.mode.overwrites => {
                    self.unmovable(present) | self.unmovable(&self.led(channel))
                }
                _ => self.unmovable(present),
            };
            if lacking != 0 {
                if reordered(present) {
                    disturbed.insert(before);
                }
                fixed.entry(before).or_default().push(Fixed {
                    subject: named(id),
                    at: present["position"].as_i64().unwrap_or(0),
                    lacking,
                });
                buckets.entry(before).or_default();
                continue;
            }
            if key != before {
                entered.insert(key);
            }
            if key != before || reordered(present) {
                disturbed.insert(key);
            }
            let at = present["position"].as_i64().unwrap_or(0);
            buckets.entry(key).or_default().push((named(id), at));
        }
        // New ones come after everything.
        for (id, channel) in wanted.iter().filter(|(id, _)| created.contains(id)) {
            let lacking = self.unmovable(&self.led(channel));
            let key = place(
                channel,
                Id::read(&channel["parent_id"]).map(Subject::Wanted),
            );
            disturbed.insert(key);
            if lacking != 0 {
                fixed.entry(key).or_default().push(Fixed {
                    subject: Subject::Wanted(*id),
                    at: i64::MAX,
                    lacking,
                });
                buckets.entry(key).or_default();
                continue;
            }
            entered.insert(key);
            let members = buckets.entry(key).or_default();
            members.push((Subject::Wanted(*id), i64::MAX));
        }
        let mut order: Vec<_> = wanted.iter().collect();
        order.sort_by_key(|(id, channel)| rank(Kind::Channel, *id, channel));
        let order: Vec<Subject> = order.iter().map(|(id, _)| Subject::Wanted(*id)).collect();
        let ranks = order.iter().enumerate().map(|(rank, s)| (*s, rank));
        let ranks: BTreeMap<Subject, usize> = ranks.collect();
        let (mut positions, mut before) = (Vec::new(), Vec::new());
        for key in disturbed {
            let Some(members) = buckets.get(&key) else {
                continue;
            };
            let present: Vec<Subject> = members.iter().map(|(subject, _)| *subject).collect();
            let ranked: Vec<Subject> = order
                .iter()
                .filter(|s| present.contains(s))
                .copied()
                .collect();
            let desired = woven(&present, &ranked);
            let places: Vec<(Subject, i64)> = desired.into_iter().zip(slots(members)).collect();
            for fixed in fixed.remove(&key).unwrap_or_default() {
                if let (true, Subject::Wanted(id)) =
                    (fixed.is_misplaced(&ranks, &places), fixed.subject)
                {
                    let why = Why::MissingPermissions(fixed.lacking);
                    self.unable(Kind::Channel, id, vec!["position"], why);
                }
            }
            if places == *members && !entered.contains(&key) {
                // It is only those that keep their place.
                continue;
            }
            positions.extend(places);
            let stood = members.iter().filter(|(_, at)| *at != i64::MAX);
            before.extend(stood.filter_map(|(subject, at)| {
                let id = subject.resolved(Kind::Channel, &self.plan.mapping)?;
                Some((Subject::Live(id), *at))
            }));
        }
        if positions.is_empty() {
            return;
        }
        let operation = Operation::Reorder {
            kind: Kind::Channel,
            positions,
        };
        let inverse = Operation::Reorder {
            kind: Kind::Channel,
            positions: before,
        };
        let guild = self.live.id();
        self.act(
            "channel/reorder".to_owned(),
            bits::MANAGE_CHANNELS,
            (Kind::Channel, guild),
            operation,
            Some(inverse),
        );
    }
}

impl Draft<'_> {
    /// Which of the permissions that moving a channel takes the bot lacks in it, although it may move
    /// channels in the server: a category is listed for whoever sees one of its channels, too.
    fn unmovable(&self, channel: &Value) -> u64 {
        let needs = bits::VIEW_CHANNEL | bits::MANAGE_CHANNELS;
        match &self.mode.actor {
            Some(actor) if actor.base & bits::MANAGE_CHANNELS != 0 => {
                needs & !actor.in_channel(channel)
            }
            // Without them in the server nothing is moved at all.
            _ => 0,
        }
    }

    /// Type and overwrites of a wanted channel, by the roles that stand for the wanted ones.
    fn led(&self, channel: &Value) -> Value {
        let list = channel["permission_overwrites"].as_array();
        let led = list.into_iter().flatten().filter_map(|overwrite| {
            let mut overwrite = overwrite.clone();
            // A member is the same everywhere.
            if overwrite["type"] != 1 && overwrite["type"] != "1" {
                let role = Id::of(&overwrite)?;
                let live = self.plan.mapping.live(Kind::Role, role)?;
                overwrite["id"] = live.json();
            }
            Some(overwrite)
        });
        json!({"type": channel["type"], "permission_overwrites": led.collect::<Vec<_>>()})
    }
}

/// Positions for a bucket: those its members have now, without ties, so that hidden neighbours keep
/// theirs.
fn slots(members: &[(Subject, i64)]) -> Vec<i64> {
    let mut at: Vec<i64> = members
        .iter()
        .map(|(_, at)| *at)
        .filter(|at| *at != i64::MAX)
        .collect();
    at.sort_unstable();
    let mut slots: Vec<i64> = Vec::with_capacity(members.len());
    for index in 0..members.len() {
        let least = slots.last().map_or(0, |last| last + 1);
        slots.push(at.get(index).copied().unwrap_or(least).max(least));
    }
    slots
}
