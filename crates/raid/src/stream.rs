//! One way in which people come to a server, with what is usual of it.

use serde::{Deserialize, Serialize};

use crate::baseline::Baseline;
use crate::detector::{Grade, Known, Verdict, judge};
use crate::moment::{HOUR, Moment};
use crate::ring::{Record, Ring};
use crate::shares::Shares;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    Joins,
    /// They ask to be let in.
    Requests,
}

impl StreamKind {
    pub(crate) const ALL: [Self; 2] = [Self::Joins, Self::Requests];
}

#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub baseline: Baseline,
    pub ring: Ring,
    pub shares: Shares,
}

impl Stream {
    pub fn new(baseline: Baseline) -> Self {
        Self {
            baseline,
            ring: Ring::default(),
            shares: Shares::default(),
        }
    }

    /// `false`: they came before.
    pub fn add(&mut self, record: Record) -> bool {
        let is_new = self.ring.add(record);
        if is_new {
            self.advance(record.at);
            self.baseline.count(record.at);
        }
        is_new
    }

    /// Somebody who came before comes as one of those who come now. Of what is usual they are one, as before.
    pub fn again(&mut self, record: Record) {
        self.ring.remove(record.user);
        self.ring.add(record);
    }

    /// Learns from the hours that are over, unless they are no example.
    pub fn advance(&mut self, now: Moment) {
        let begin = self.baseline.begin();
        if now.hour() <= begin.hour() {
            return;
        }
        if !self.baseline.is_tainted() {
            let of_hour = self.ring.between(begin, Moment(begin.0 + HOUR - 1));
            self.shares.learn(of_hour, true);
        }
        self.baseline.advance(now);
    }

    pub fn judge(&mut self, known: Known, now: Moment) -> Verdict {
        let verdict = judge(&self.ring, &self.baseline, &self.shares, known, now);
        let is_announced = known.expected.is_some_and(|of| of.is_on(now));
        if verdict.grade >= Grade::Wave || is_announced {
            self.baseline.taint(now);
        }
        verdict
    }
}
