//! Which names are alike.

use std::collections::VecDeque;

use crate::name::Name;

/// Names that a new one is compared with, each the first of its cluster.
const MOST: usize = 64;

#[derive(Debug, Clone, Default)]
pub(super) struct Clusters {
    /// The cluster that was met last is at the end.
    known: VecDeque<(u32, Name)>,
    last: u32,
}

impl Clusters {
    /// The number of the cluster; zero for a name without letters.
    pub fn of(&mut self, name: &Name) -> u32 {
        if name.key.is_empty() {
            return 0;
        }
        let found = self
            .known
            .iter()
            .rposition(|(_, first)| name.is_like(first));
        let cluster = match found.and_then(|at| self.known.remove(at)) {
            Some(cluster) => cluster,
            None => {
                self.last = self.last.wrapping_add(1).max(1);
                (self.last, name.clone())
            }
        };
        let number = cluster.0;
        if self.known.len() >= MOST {
            self.known.pop_front();
        }
        self.known.push_back(cluster);
        number
    }

    /// Moves all numbers behind those that are taken, so that what is remembered keeps its own.
    pub fn begin_after(&mut self, taken: u32) {
        for (number, _) in &mut self.known {
            *number = number.saturating_add(taken);
        }
        self.last = self.last.saturating_add(taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_alike_have_one_number_and_only_so_many_are_known() {
        let mut clusters = Clusters::default();
        let mut of = |name: &str| clusters.of(&Name::of(name));
        let first = of("midnightwolf");
        assert_eq!(of("midnightwolves9"), first);
        assert_ne!(of("harbourlight"), first);
        assert_eq!(of("10027"), 0);
        for n in 0..200_u32 {
            let letters = ["qwert", "asdfg", "zxcvb", "poiuy", "lkjhg"];
            let name = format!(
                "{}{}{}",
                letters[n as usize % 5],
                n,
                letters[n as usize / 5 % 5]
            );
            of(&name);
        }
        assert!(clusters.known.len() <= MOST);
    }
}
