//! The order of channels, bucket by bucket.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::roles::woven;
use super::super::{Draft, Operation, Subject, bits};
use crate::compare::{Bucket, bucket};
use crate::pairing::rank;
use crate::{Id, Kind};

/// A class of channels and the wanted category they stand in.
type Place = (u8, Option<Subject>);

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
            if key != before || reordered(present) {
                disturbed.insert(key);
            }
            let at = present["position"].as_i64().unwrap_or(0);
            buckets.entry(key).or_default().push((named(id), at));
        }
        // New ones come after everything.
        for (id, channel) in wanted.iter().filter(|(id, _)| created.contains(id)) {
            let key = place(
                channel,
                Id::read(&channel["parent_id"]).map(Subject::Wanted),
            );
            disturbed.insert(key);
            let members = buckets.entry(key).or_default();
            members.push((Subject::Wanted(*id), i64::MAX));
        }
        let mut order: Vec<_> = wanted.iter().collect();
        order.sort_by_key(|(id, channel)| rank(Kind::Channel, *id, channel));
        let order: Vec<Subject> = order.iter().map(|(id, _)| Subject::Wanted(*id)).collect();
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
            for (slot, subject) in slots(members).into_iter().zip(desired) {
                positions.push((subject, slot));
            }
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
