//! Two sets of sessions at Discord at once, while one takes the other's place: what both tell is told once.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longer than two sessions of one bot are apart.
const KEPT: Duration = Duration::from_secs(30);
/// Events remembered, whatever comes.
const MOST: usize = 500_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that clients hear from the start.
    Old,
    /// The one that is filled meanwhile.
    New,
}

/// What both sets have told lately.
#[derive(Debug, Default)]
pub struct Twins {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Clients hear both.
    open: bool,
    /// By digest, how often each side told it.
    told: HashMap<u64, Told>,
    order: VecDeque<(Duration, u64)>,
}

#[derive(Debug, Default)]
struct Told {
    times: [u32; 2],
    /// Places in the order.
    kept: usize,
}

/// A shard's place in this.
#[derive(Debug, Clone)]
pub struct Twin {
    pub twins: Arc<Twins>,
    pub side: Side,
}

impl Twins {
    /// From now on clients hear both sides.
    pub fn open(&self) {
        self.state().open = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Twin {
    /// Whether clients are to hear of an event: whoever of both tells it first tells it.
    pub fn tells(&self, name: &[u8], body: &[u8], now: Duration) -> bool {
        let mut hasher = DefaultHasher::new();
        (name, body).hash(&mut hasher);
        let digest = hasher.finish();
        let mut state = self.twins.state();
        if self.side == Side::New && !state.open {
            // The old side tells it, or has told it.
            return false;
        }
        state.forget(now);
        state.order.push_back((now, digest));
        let told = state.told.entry(digest).or_default();
        let (own, other) = match self.side {
            Side::Old => (0, 1),
            Side::New => (1, 0),
        };
        told.kept += 1;
        told.times[own] += 1;
        // Equal events may come again: the third of one side is the third of the other.
        told.times[own] > told.times[other]
    }
}

impl State {
    fn forget(&mut self, now: Duration) {
        while let Some((at, digest)) = self.order.front().copied()
            && (self.order.len() >= MOST || now.saturating_sub(at) > KEPT)
        {
            self.order.pop_front();
            if let Some(told) = self.told.get_mut(&digest) {
                told.kept -= 1;
                if told.kept == 0 {
                    self.told.remove(&digest);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair() -> (Arc<Twins>, Twin, Twin) {
        let twins = Arc::new(Twins::default());
        let of = |side| Twin {
            twins: Arc::clone(&twins),
            side,
        };
        let (old, new) = (of(Side::Old), of(Side::New));
        (twins, old, new)
    }

    proptest! {
        /// Both sides tell the same events in the same order, each at its own pace, and somewhere in
        /// between both are heard: everything is told once.
        #[test]
        fn nothing_is_told_twice_and_nothing_never(
            events in prop::collection::vec(0_u8..6, 1..60),
            steps in prop::collection::vec(any::<bool>(), 0..160),
            opens in 0_usize..160,
        ) {
            let (twins, old, new) = pair();
            let (mut of_old, mut of_new) = (events.iter(), events.iter());
            let mut told: Vec<u8> = Vec::new();
            let now = Duration::from_secs(1);
            for (step, is_new) in steps.into_iter().enumerate() {
                if step == opens {
                    twins.open();
                }
                let (twin, events) = match is_new {
                    true => (&new, &mut of_new),
                    false => (&old, &mut of_old),
                };
                if let Some(event) = events.next() && twin.tells(b"X", &[*event], now) {
                    told.push(*event);
                }
            }
            twins.open();
            for (twin, events) in [(&old, &mut of_old), (&new, &mut of_new)] {
                for event in events {
                    if twin.tells(b"X", &[*event], now) {
                        told.push(*event);
                    }
                }
            }
            let (mut told, mut events) = (told, events);
            told.sort_unstable();
            events.sort_unstable();
            prop_assert_eq!(told, events);
        }
    }
}
