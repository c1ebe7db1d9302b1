//! One look for all who ask the same at the same time, and never one that was begun before they asked.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

type Round<T, E> = Arc<OnceCell<Result<T, Arc<E>>>>;

/// While one look is under way, whoever comes waits for the next one together. So of one question there is
/// one look at a time, however many ask, and everybody sees what was there when they asked. It holds no
/// more than there are requests.
pub struct Together<K, T, E> {
    lines: Mutex<HashMap<K, Arc<Line<T, E>>>>,
}

/// Those with one question.
struct Line<T, E> {
    /// Held by whoever looks.
    turn: tokio::sync::Mutex<()>,
    /// What newcomers wait for, if it has not begun.
    next: Mutex<Option<Round<T, E>>>,
}

/// Somebody in a line; the last one takes it away.
struct Waiting<'a, K: Eq + Hash, T, E> {
    together: &'a Together<K, T, E>,
    key: K,
    line: Arc<Line<T, E>>,
}

impl<K, T, E> Default for Together<K, T, E> {
    fn default() -> Self {
        Self {
            lines: Mutex::default(),
        }
    }
}

impl<K, T, E> Together<K, T, E>
where
    K: Clone + Eq + Hash,
    T: Clone,
{
    /// # Errors
    /// What the look failed with that this one waited for.
    pub async fn get(&self, key: K, look: impl Future<Output = Result<T, E>>) -> Result<T, Arc<E>> {
        let waiting = self.join(key);
        let round = waiting.line.round();
        let looked = round.get_or_init(|| async {
            let _turn = waiting.line.turn.lock().await;
            // Whoever comes from now on would see what was there before they asked.
            waiting.line.begin(&round);
            look.await.map_err(Arc::new)
        });
        looked.await.clone()
    }

    fn join(&self, key: K) -> Waiting<'_, K, T, E> {
        let line = Arc::clone(locked(&self.lines).entry(key.clone()).or_insert_with(|| {
            Arc::new(Line {
                turn: tokio::sync::Mutex::default(),
                next: Mutex::default(),
            })
        }));
        Waiting {
            together: self,
            key,
            line,
        }
    }
}

impl<T, E> Line<T, E> {
    fn round(&self) -> Round<T, E> {
        let mut next = locked(&self.next);
        Arc::clone(next.get_or_insert_with(Arc::default))
    }

    fn begin(&self, round: &Round<T, E>) {
        let mut next = locked(&self.next);
        if next.as_ref().is_some_and(|next| Arc::ptr_eq(next, round)) {
            *next = None;
        }
    }
}

impl<K: Eq + Hash, T, E> Drop for Waiting<'_, K, T, E> {
    fn drop(&mut self) {
        let mut lines = locked(&self.together.lines);
        // The map's and this one: nobody else is there, and nobody comes meanwhile.
        if Arc::strong_count(&self.line) == 2 {
            lines.remove(&self.key);
        }
    }
}

impl<K, T, E> std::fmt::Debug for Together<K, T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Together").finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt as _;
    use tokio::sync::Notify;
    use tokio::task::JoinSet;

    use super::*;

    type Looks = Together<u8, u32, ()>;

    #[tokio::test]
    async fn whoever_comes_during_a_look_waits_for_one_more() {
        let (looks, begun) = (Arc::new(Looks::default()), Arc::new(AtomicU32::new(0)));
        let (started, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let first = tokio::spawn({
            let (looks, begun) = (Arc::clone(&looks), Arc::clone(&begun));
            let (started, end) = (Arc::clone(&started), Arc::clone(&end));
            async move {
                let look = async {
                    let number = begun.fetch_add(1, Ordering::SeqCst);
                    started.notify_one();
                    end.notified().await;
                    Ok(number)
                };
                looks.get(1, look).await
            }
        });
        started.notified().await;
        let mut others = JoinSet::new();
        for _ in 0..20 {
            let (looks, begun) = (Arc::clone(&looks), Arc::clone(&begun));
            others.spawn(async move {
                let look = async { Ok(begun.fetch_add(1, Ordering::SeqCst)) };
                looks.get(1, look).await
            });
        }
        // Another question waits for nobody.
        assert_eq!(looks.get(2, async { Ok(7) }).await, Ok(7));
        let waiting = || {
            let lines = locked(&looks.lines);
            Arc::strong_count(&lines[&1])
        };
        // The map, who looks, and all others.
        while waiting() < 22 {
            tokio::task::yield_now().await;
        }
        end.notify_one();
        assert_eq!(first.await.unwrap(), Ok(0));
        let others = others.join_all().await;
        assert_eq!(
            others,
            vec![Ok(1); 20],
            "one look for all of them, after the first"
        );
        assert!(locked(&looks.lines).is_empty(), "nothing is kept");
    }

    #[tokio::test]
    async fn a_look_that_nobody_finishes_is_taken_over() {
        let looks = Looks::default();
        let hangs = looks.get(1, std::future::pending());
        let mut hangs = Box::pin(hangs);
        assert!(hangs.as_mut().now_or_never().is_none());
        let next = looks.get(1, async { Ok(5) });
        let mut next = Box::pin(next);
        assert!(next.as_mut().now_or_never().is_none(), "one at a time");
        drop(hangs);
        assert_eq!(next.await, Ok(5));
        assert!(locked(&looks.lines).is_empty());
    }

    #[tokio::test]
    async fn failures_are_shared_and_not_remembered() {
        let looks = Looks::default();
        assert_eq!(looks.get(1, async { Err(()) }).await, Err(Arc::new(())));
        assert_eq!(looks.get(1, async { Ok(3) }).await, Ok(3));
    }
}
