//! Dispatches that faults hold back: one queue for all sessions, so that what falls due at the
//! same time leaves in the order in which it happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Gateway, Session};
use crate::timer::sleep_until;

struct Held {
    session: Arc<Session>,
    name: &'static str,
    text: Arc<str>,
}

#[derive(Default)]
struct Queue {
    pushed: u64,
    /// By due time in milliseconds of steady time, then by order of arrival.
    held: BTreeMap<(i64, u64), Held>,
}

#[derive(Default)]
pub(super) struct Late {
    queue: Mutex<Queue>,
    earlier: Notify,
}

impl Late {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hold(
        &self,
        due_ms: i64,
        session: Arc<Session>,
        name: &'static str,
        text: Arc<str>,
    ) {
        let mut queue = self.queue();
        queue.pushed += 1;
        let key = (due_ms, queue.pushed);
        let held = Held {
            session,
            name,
            text,
        };
        queue.held.insert(key, held);
        self.earlier.notify_one();
    }

    pub(super) fn len(&self) -> usize {
        self.queue().held.len()
    }

    pub(super) fn clear(&self) {
        self.queue().held.clear();
    }
}

impl Gateway {
    /// Dispatches what falls due until `shutdown`.
    pub(super) async fn deliver_late(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            let next = self.late.queue().held.keys().next().copied();
            let due = async {
                match next {
                    Some((ms, _)) => sleep_until(&self.sandbox.clock, ms).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.late.earlier.notified() => {}
                () = shutdown.cancelled() => return,
            }
            let now_ms = self.sandbox.clock.steady_ms();
            // Under the lock, so that nobody finds the queue empty before the last one has left.
            let mut queue = self.late.queue();
            while let Some(first) = queue.held.first_entry()
                && first.key().0 <= now_ms
            {
                let held = first.remove();
                self.dispatch(&held.session, held.name, held.text);
            }
        }
    }
}
