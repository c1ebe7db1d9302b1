//! What part of those who usually come has what in common.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::family::Family;
use crate::ring::Record;

/// Arrivals that what is assumed counts for.
const ASSUMED: f64 = 200.0;
/// From here on old arrivals count half.
const MOST: f64 = 8000.0;
/// Shapes of names whose part is known by itself; the rarest is forgotten for a new one.
const MOST_SHAPES: usize = 256;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shares {
    total: f32,
    /// Of those who were watched after they came, which members of long ago were not.
    watched: f32,
    counts: HashMap<Family, f32>,
    shapes: HashMap<u32, f32>,
}

impl Shares {
    /// `watched`: it is known what they did when they came.
    pub fn learn<'a>(&mut self, records: impl Iterator<Item = &'a Record>, watched: bool) {
        for record in records {
            self.total += 1.0;
            if watched {
                self.watched += 1.0;
            }
            for family in Family::TRAITS {
                if family.trait_of().is_some_and(|bit| record.traits.has(bit)) {
                    *self.counts.entry(family).or_default() += 1.0;
                }
            }
            if self.shapes.len() >= MOST_SHAPES && !self.shapes.contains_key(&record.shape) {
                let rarest = self
                    .shapes
                    .iter()
                    .min_by(|a, b| a.1.total_cmp(b.1).then(a.0.cmp(b.0)));
                if let Some(rarest) = rarest.map(|(shape, _)| *shape) {
                    self.shapes.remove(&rarest);
                }
            }
            *self.shapes.entry(record.shape).or_default() += 1.0;
        }
        if f64::from(self.total) > MOST {
            self.total /= 2.0;
            self.watched /= 2.0;
            self.counts
                .values_mut()
                .chain(self.shapes.values_mut())
                .for_each(|n| *n /= 2.0);
        }
    }

    /// The usual part of a family. `shape`: which, of those by the shape of a name.
    pub fn of(&self, family: Family, shape: u32) -> f64 {
        let seen = match family {
            Family::Shape | Family::CommonShape => self.shapes.get(&shape),
            family => self.counts.get(&family),
        };
        // Of pictures, clusters and texts each is its own; nothing is learnt about them.
        if family.trait_of().is_none() && !matches!(family, Family::Shape | Family::CommonShape) {
            return family.assumed();
        }
        let seen = seen.copied().map_or(0.0, f64::from);
        let total = match family {
            Family::Spoke | Family::FastScreen => self.watched,
            _ => self.total,
        };
        (family.assumed() * ASSUMED + seen) / (ASSUMED + f64::from(total))
    }

    pub(crate) fn is_sound(&self) -> bool {
        let all = self.counts.values().chain(self.shapes.values());
        self.shapes.len() <= MOST_SHAPES
            && self.total.is_finite()
            && self.watched.is_finite()
            && all.into_iter().all(|n| n.is_finite() && *n >= 0.0)
    }
}
