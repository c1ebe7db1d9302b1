//! What an engine knows, as it is written down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use splashtail_guild::Id;

use super::holds::Timeout;
use super::owed::Owed;
use super::{Engine, MOST_PAST, MOST_PEOPLE, SAME};
use crate::baseline::Baseline;
use crate::moment::Moment;
use crate::ring::Record;
use crate::shares::Shares;
use crate::stream::{Stream, StreamKind};
use crate::wave::{Fate, Phase, Wave};

/// Who came is written down only while a wave goes on.
const MOST_RECORDS: usize = 1024;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    streams: BTreeMap<StreamKind, SavedStream>,
    wave: Option<Wave>,
    #[serde(default)]
    past: Vec<Wave>,
    #[serde(default)]
    raiders: BTreeMap<u64, Moment>,
    #[serde(default)]
    acquitted: BTreeMap<u64, Moment>,
    #[serde(default)]
    owed: Owed,
    #[serde(default)]
    timeouts: BTreeMap<u64, Timeout>,
    #[serde(default)]
    requests: BTreeMap<u64, Id>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedStream {
    baseline: Baseline,
    shares: Shares,
    #[serde(default)]
    records: Vec<Record>,
}

impl Engine {
    pub fn save(&self) -> Saved {
        let goes_on = |kind| self.wave.as_ref().is_some_and(|wave| wave.kind == kind);
        let streams = self.streams.iter().map(|(kind, stream)| {
            let all = stream.ring.all().copied();
            let records: Vec<Record> = match goes_on(*kind) {
                true => all.collect(),
                false => Vec::new(),
            };
            let from = records.len().saturating_sub(MOST_RECORDS);
            let saved = SavedStream {
                baseline: stream.baseline.clone(),
                shares: stream.shares.clone(),
                records: records[from..].to_vec(),
            };
            (*kind, saved)
        });
        Saved {
            streams: streams.collect(),
            wave: self.wave.clone(),
            past: self.past.clone(),
            raiders: self.raiders.clone(),
            acquitted: self.acquitted.clone(),
            owed: self.owed.clone(),
            timeouts: self.timeouts.clone(),
            requests: match goes_on(StreamKind::Requests) {
                true => self.requests.clone(),
                false => BTreeMap::new(),
            },
        }
    }

    /// Goes on where another process was, beside what happened since this one began. What was about to be
    /// done and was not answered is done again, as every call may be made twice.
    pub fn restore(&mut self, saved: Saved) {
        let (mut last, mut streams) = (0, Vec::new());
        for (kind, saved) in saved.streams {
            if !saved.baseline.is_sound() || !saved.shares.is_sound() {
                continue;
            }
            let mut stream = Stream::new(saved.baseline);
            stream.shares = saved.shares;
            for record in saved.records {
                last = last.max(record.cluster);
                stream.ring.add(record);
            }
            streams.push((kind, stream));
        }
        self.clusters.begin_after(last);
        for (kind, mut stream) in streams {
            let since = self.streams.remove(&kind);
            for record in since.iter().flat_map(|stream| stream.ring.all()) {
                let cluster = match record.cluster {
                    0 => 0,
                    number => number.saturating_add(last),
                };
                stream.add(Record { cluster, ..*record });
            }
            self.streams.insert(kind, stream);
        }
        for (known, saved) in [
            (&mut self.raiders, saved.raiders),
            (&mut self.acquitted, saved.acquitted),
        ] {
            for (user, at) in saved {
                let latest = known.entry(user).or_insert(at);
                *latest = at.max(*latest);
            }
        }
        self.requests.extend(saved.requests);
        self.owed.join(saved.owed);
        for (user, of) in saved.timeouts {
            self.timeouts.entry(user).or_insert(of);
        }
        let before = saved.wave.filter(|wave| wave.people.len() <= MOST_PEOPLE);
        self.past.extend(saved.past);
        self.past.truncate(MOST_PAST);
        self.wave = match (before.map(resumed), self.wave.take()) {
            (Some(before), Some(since)) if goes_on(&before, &since) => Some(joined(before, since)),
            (Some(before), Some(since)) => {
                self.put_away(before);
                Some(since)
            }
            (before, since) => since.or(before),
        };
        if let Some(wave) = &mut self.wave {
            // Of a wave that began before it was known who was let in.
            wave.people.retain(|user, person| {
                person.fate != Fate::Free || !self.acquitted.contains_key(user)
            });
        }
    }
}

/// What was under way when the process ended is not, apart from the order, which is given again.
fn resumed(mut wave: Wave) -> Wave {
    let order = wave.order.as_ref().map(|order| order.users.clone());
    let order = order.unwrap_or_default();
    for (user, person) in &mut wave.people {
        person.fate = match person.fate {
            Fate::Banning if !order.contains(&Id::new(*user)) => Fate::Free,
            Fate::Holding | Fate::Refusing => Fate::Free,
            fate => fate,
        };
    }
    wave
}

/// Whether a wave that began before what was written down was read belongs to the one of before.
fn goes_on(before: &Wave, since: &Wave) -> bool {
    before.kind == since.kind
        && before.phase != Phase::Dismissed
        && since.phase != Phase::Dismissed
        && (before.mode.acts() || !since.mode.acts())
        && since.began.since(before.last) < SAME
}

fn joined(mut before: Wave, since: Wave) -> Wave {
    for (user, person) in since.people {
        if before.people.len() < MOST_PEOPLE {
            before.people.entry(user).or_insert(person);
        }
    }
    if since.grade > before.grade {
        (before.grade, before.verdict) = (since.grade, since.verdict);
    }
    before.is_fresh |= since.is_fresh;
    before.last = before.last.max(since.last);
    before.phase = before.phase.min(since.phase);
    before
}
