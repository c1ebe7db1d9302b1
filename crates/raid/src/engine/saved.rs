//! What an engine knows, as it is written down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::names::Clusters;
use super::{Engine, MOST_PEOPLE};
use crate::baseline::Baseline;
use crate::moment::Moment;
use crate::ring::Record;
use crate::shares::Shares;
use crate::stream::{Stream, StreamKind};
use crate::wave::{Fate, Wave};

/// Who came is written down only while a wave goes on.
const MOST_RECORDS: usize = 1024;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    streams: BTreeMap<StreamKind, SavedStream>,
    wave: Option<Wave>,
    #[serde(default)]
    raiders: BTreeMap<u64, Moment>,
    #[serde(default)]
    acquitted: BTreeMap<u64, Moment>,
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
            raiders: self.raiders.clone(),
            acquitted: self.acquitted.clone(),
        }
    }

    /// Goes on where another process was. What it was about to do and did not tell is done again, as
    /// every call may be made twice.
    pub fn restore(&mut self, saved: Saved) {
        let mut last = 0;
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
            self.streams.insert(kind, stream);
        }
        self.clusters = Clusters::default();
        self.clusters.begin_after(last);
        self.raiders = saved.raiders;
        self.acquitted = saved.acquitted;
        self.wave = saved.wave.filter(|wave| wave.people.len() <= MOST_PEOPLE);
        if let Some(wave) = &mut self.wave {
            let people = wave.people.values_mut();
            for person in people.filter(|person| person.fate == Fate::Banning) {
                person.fate = Fate::Free;
            }
        }
        self.is_banning = false;
    }
}
