//! Has the listeners hear an event.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use splashtail_core::clock::SharedClock;
use splashtail_core::telemetry::Chain;
use tracing::{debug, error, warn};

use super::event::{Body, Event};
use super::kind::{EventKind, EventKinds};
use super::listener::{Enabled, Listener, Subscription};
use super::meters::Meters;
use crate::guilds::{Followed, GuildView, Guilds};

/// For one listener and one event.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// A fault that comes with every event is told once in this time.
const SILENCE: Duration = Duration::from_mins(1);

pub(super) struct Delivery {
    ears: Vec<Ear>,
    enabled: Arc<dyn Enabled>,
    guilds: Arc<Guilds>,
    clock: SharedClock,
    meters: Arc<Meters>,
    unreadable: Silence,
}

struct Ear {
    module: &'static str,
    kinds: EventKinds,
    listener: Arc<dyn Listener>,
    late: Silence,
    failed: Silence,
}

impl Delivery {
    pub(super) fn new(
        subscriptions: Vec<Subscription>,
        enabled: Arc<dyn Enabled>,
        guilds: Arc<Guilds>,
        clock: SharedClock,
        meters: Arc<Meters>,
    ) -> Self {
        let ear = |Subscription { module, listener }| Ear {
            module,
            kinds: listener.kinds(),
            listener,
            late: Silence::default(),
            failed: Silence::default(),
        };
        Self {
            ears: subscriptions.into_iter().map(ear).collect(),
            enabled,
            guilds,
            clock,
            meters,
            unreadable: Silence::default(),
        }
    }

    /// What any listener wants to hear.
    pub(super) fn kinds(&self) -> EventKinds {
        let kinds = self.ears.iter().map(|ear| ear.kinds);
        kinds.fold(EventKinds::NONE, EventKinds::and)
    }

    /// Applies an event to its server's state; what is left to do is to let listeners hear of it.
    pub(super) fn begin(self: &Arc<Self>, event: Event) -> Option<BoxFuture<'static, ()>> {
        let now = self.clock.monotonic();
        self.meters
            .waited(event.kind.class(), now.saturating_sub(event.received));
        let Followed { view, outage, read } = self.guilds.follow(&event);
        if let Err(problem) = read {
            self.meters.unreadable();
            if self.unreadable.is_over(now) {
                warn!(guild.id = %event.guild, kind = event.kind.name(), error = %Chain(&problem), "an event does not have the shape that Discord describes");
            }
        }
        // When it is back it hears of the whole time.
        if event.kind == EventKind::Gap && !view.is_available() {
            return None;
        }
        let hears = |ear: &Ear, kind| {
            ear.kinds.contains(kind) && self.enabled.is_enabled(event.guild, ear.module)
        };
        let gap = outage.filter(|_| self.ears.iter().any(|ear| hears(ear, EventKind::Gap)));
        if gap.is_none() && !self.ears.iter().any(|ear| hears(ear, event.kind)) {
            return None;
        }
        let delivery = Arc::clone(self);
        Some(Box::pin(async move {
            if let Some(gap) = gap {
                let gap = Event {
                    kind: EventKind::Gap,
                    seq: None,
                    body: Body::Gap(gap),
                    ..event.clone()
                };
                // What changed is told by the event itself.
                delivery.hear(&gap, &view.unchanged()).await;
            }
            delivery.hear(&event, &view).await;
        }))
    }

    async fn hear(&self, event: &Event, view: &GuildView) {
        let ears = self.ears.iter().filter(|ear| {
            ear.kinds.contains(event.kind) && self.enabled.is_enabled(event.guild, ear.module)
        });
        join_all(ears.map(|ear| self.call(ear, event, view))).await;
    }

    async fn call(&self, ear: &Ear, event: &Event, view: &GuildView) {
        let mut call = AssertUnwindSafe(ear.listener.on_event(event, view)).catch_unwind();
        let at_once = std::future::poll_fn(|cx| std::task::Poll::Ready(call.poll_unpin(cx))).await;
        let outcome = match at_once {
            std::task::Poll::Ready(outcome) => Some(outcome),
            std::task::Poll::Pending => tokio::select! {
                biased;
                outcome = call => Some(outcome),
                () = self.clock.sleep(DEADLINE) => None,
            },
        };
        let (module, kind, guild) = (ear.module, event.kind.name(), event.guild);
        let now = self.clock.monotonic();
        match outcome {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(problem))) => {
                self.meters.failed(module);
                if ear.failed.is_over(now) {
                    error!(module, kind, guild.id = %guild, error = format!("{problem:#}"), "a module failed on an event");
                } else {
                    debug!(module, kind, guild.id = %guild, error = format!("{problem:#}"), "a module failed on an event again");
                }
            }
            Some(Err(_)) => {
                self.meters.failed(module);
                error!(module, kind, guild.id = %guild, "a module panicked on an event");
            }
            None => {
                self.meters.late(module);
                if ear.late.is_over(now) {
                    warn!(module, kind, guild.id = %guild, "a module took too long for an event and was given up");
                }
            }
        }
    }
}

/// Lets a fault be told once in a while.
#[derive(Debug, Default)]
struct Silence(AtomicU64);

impl Silence {
    /// Whether to tell; if so, the next silence begins.
    fn is_over(&self, now: Duration) -> bool {
        // Off by one, so that the first one is told at time zero, too.
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX - 1) + 1;
        let until = self.0.load(Ordering::Relaxed);
        let next = now.saturating_add(u64::try_from(SILENCE.as_millis()).unwrap_or(u64::MAX));
        now >= until
            && self
                .0
                .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
