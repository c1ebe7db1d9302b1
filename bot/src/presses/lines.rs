//! Presses of one person on one message, one after the other.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use splashtail_core::ids::{MessageId, UserId};
use tokio::sync::OwnedMutexGuard;

/// Presses that stand in one line at most, so that nobody takes all the room there is.
const LENGTH: usize = 8;

/// Who pressed, and under which message.
type Place = (UserId, Option<MessageId>);

/// One for each [`Place`] at which somebody stands.
#[derive(Default)]
pub(super) struct Lines(Mutex<HashMap<Place, Line>>);

#[derive(Default)]
struct Line {
    /// Gives turns in the order in which they were asked for.
    head: Arc<tokio::sync::Mutex<()>>,
    length: usize,
}

/// A place in a line, until it is dropped.
pub(super) struct Turn {
    lines: Arc<Lines>,
    place: Place,
    head: Pin<Box<MaybeDone<BoxFuture<'static, OwnedMutexGuard<()>>>>>,
}

impl Lines {
    /// Stands behind all who stand there. `None`: the line is too long.
    pub(super) fn stand(self: &Arc<Self>, place: Place) -> Option<Turn> {
        let mut lines = self.lock();
        let line = lines.entry(place).or_default();
        if line.length == LENGTH {
            return None;
        }
        line.length += 1;
        let head = Arc::clone(&line.head).lock_owned().boxed();
        let mut head = Box::pin(maybe_done(head));
        // Who asks first stands first.
        let _ = head.as_mut().now_or_never();
        drop(lines);
        Some(Turn {
            lines: Arc::clone(self),
            place,
            head,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Waits until all who stood there before are gone.
    pub(super) async fn come(&mut self) {
        self.head.as_mut().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get_mut(&self.place) {
            line.length -= 1;
            if line.length == 0 {
                lines.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(user: u64, message: u64) -> Place {
        (UserId::new(user).unwrap(), MessageId::new(message))
    }

    fn has_come(turn: &mut Turn) -> bool {
        turn.come().now_or_never().is_some()
    }

    #[test]
    fn turns_come_in_order_and_nobody_waits_for_others() {
        let lines = Arc::new(Lines::default());
        let stand = |user, message| lines.stand(place(user, message)).unwrap();
        let [mut first, mut second, mut third] = [(); 3].map(|()| stand(1, 2));
        let (mut elsewhere, mut somebody) = (stand(1, 3), stand(4, 2));
        assert!(has_come(&mut elsewhere) && has_come(&mut somebody));
        // Asked in another order than they came.
        assert!(!has_come(&mut third) && !has_come(&mut second) && has_come(&mut first));
        // Whoever leaves the line lets nobody pass.
        drop(second);
        assert!(!has_come(&mut third));
        drop(first);
        assert!(has_come(&mut third));
        drop((third, elsewhere, somebody));
        assert!(lines.lock().is_empty());
    }

    #[test]
    fn a_line_has_an_end() {
        let lines = Arc::new(Lines::default());
        let mut turns: Vec<_> = (0..LENGTH).map(|_| lines.stand(place(1, 2))).collect();
        assert!(turns.iter().all(Option::is_some) && lines.stand(place(1, 2)).is_none());
        turns.pop();
        assert!(lines.stand(place(1, 2)).is_some());
    }
}
