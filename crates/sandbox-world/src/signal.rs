//! Something that changes again and again, and who waits for it: without a runtime, so that the
//! world needs none.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

#[derive(Debug, Default)]
struct Inner {
    changes: u64,
    next: u64,
    waiting: HashMap<u64, Waker>,
}

/// A count of changes that can be waited for.
#[derive(Debug, Default)]
pub struct Signal(Mutex<Inner>);

impl Signal {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everyone who waits.
    pub fn raise(&self) {
        let waiting = {
            let mut inner = self.inner();
            inner.changes = inner.changes.wrapping_add(1);
            std::mem::take(&mut inner.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }

    /// A look at the signal that counts changes from now on.
    pub fn watch(&self) -> Watch<'_> {
        let mut inner = self.inner();
        inner.next += 1;
        Watch {
            signal: self,
            place: inner.next,
            seen: inner.changes,
        }
    }
}

/// Someone who watches a [`Signal`].
#[derive(Debug)]
pub struct Watch<'a> {
    signal: &'a Signal,
    place: u64,
    seen: u64,
}

impl Watch<'_> {
    /// Forgets the changes so far.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.signal.inner().changes;
    }

    /// Returns at the first change that was not seen yet, at once when there has been one. Loses
    /// nothing when it is dropped.
    pub async fn changed(&mut self) {
        poll_fn(|cx| {
            let mut inner = self.signal.inner();
            if inner.changes != self.seen {
                self.seen = inner.changes;
                return Poll::Ready(());
            }
            inner.waiting.insert(self.place, cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.signal.inner().waiting.remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_change_wakes_whoever_waits_and_none_is_lost() {
        let signal = Signal::default();
        let woken = Arc::<Count>::default();
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        let mut watch = signal.watch();
        signal.raise();
        assert!(
            pin!(watch.changed()).poll(&mut cx).is_ready(),
            "before the wait"
        );
        {
            let mut wait = pin!(watch.changed());
            assert!(wait.as_mut().poll(&mut cx).is_pending());
            signal.raise();
            assert_eq!(woken.0.load(Ordering::Relaxed), 1);
            assert!(wait.as_mut().poll(&mut cx).is_ready());
        }
        signal.raise();
        watch.mark_unchanged();
        assert!(pin!(watch.changed()).poll(&mut cx).is_pending());
        drop(watch);
        assert!(signal.inner().waiting.is_empty(), "nothing stays behind");
    }
}
