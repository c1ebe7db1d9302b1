//! Takes events to their servers' mailboxes and has them heard: each server's one after another,
//! servers side by side.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, ShardId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use super::delivery::Delivery;
use super::event::{Body, Event, Gap, GapCause};
use super::kind::{EventKind, EventKinds};
use super::listener::{Enabled, Interactions, Subscription};
use super::mailbox::{BOUNDS, Bounds, Lane, Offered};
use super::meters::Meters;
use crate::guilds::{FOLLOWED, Guilds};

/// Workers per processor: one that computes for long keeps few servers from theirs.
const LANES_PER_PROCESSOR: usize = 2;
/// Events of a lane that are being waited for. Whoever stalls takes a place for the deadline at most.
const UNDER_WAY: usize = 1024;

/// The way from the tap to the modules.
pub struct Router {
    lanes: Vec<Arc<Worker>>,
    guilds: Arc<Guilds>,
    wanted: EventKinds,
    meters: Arc<Meters>,
    interactions: OnceLock<Arc<dyn Interactions>>,
}

struct Worker {
    lane: Mutex<Lane>,
    /// Something came.
    news: Notify,
    /// Something was taken out.
    room: Notify,
    /// It has been said that this lane is full.
    told_full: AtomicBool,
}

impl Router {
    /// Starts the workers. Once the token is cancelled they end as soon as all that came has been
    /// heard; the tracker waits for them.
    pub fn start(
        subscriptions: Vec<Subscription>,
        enabled: Arc<dyn Enabled>,
        guilds: Arc<Guilds>,
        clock: SharedClock,
        running: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Arc<Self> {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let lanes = processors * LANES_PER_PROCESSOR;
        Self::with(
            lanes,
            BOUNDS,
            subscriptions,
            enabled,
            guilds,
            clock,
            running,
            shutdown,
        )
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "what `start` has, and what tests choose"
    )]
    pub(super) fn with(
        lanes: usize,
        bounds: Bounds,
        subscriptions: Vec<Subscription>,
        enabled: Arc<dyn Enabled>,
        guilds: Arc<Guilds>,
        clock: SharedClock,
        running: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Arc<Self> {
        let meters = Arc::new(Meters::new());
        let delivery = Delivery::new(
            subscriptions,
            enabled,
            Arc::clone(&guilds),
            clock,
            Arc::clone(&meters),
        );
        let delivery = Arc::new(delivery);
        let wanted = delivery.kinds().and(FOLLOWED);
        let lanes: Vec<_> = (0..lanes.max(1))
            .map(|_| {
                Arc::new(Worker {
                    lane: Mutex::new(Lane::new(bounds)),
                    news: Notify::new(),
                    room: Notify::new(),
                    told_full: AtomicBool::new(false),
                })
            })
            .collect();
        for worker in &lanes {
            let work = Arc::clone(worker).work(Arc::clone(&delivery), shutdown.clone());
            running.spawn(work);
        }
        Arc::new(Self {
            lanes,
            guilds,
            wanted,
            meters,
            interactions: OnceLock::new(),
        })
    }

    /// Whether anybody hears of this kind. GUILD_DELETE is two.
    pub fn wants(&self, kind: EventKind) -> bool {
        self.wanted.contains(kind)
    }

    /// Puts an event into its server's mailbox. Waits for room only when it may not be left out.
    pub async fn offer(&self, event: Event) {
        if !self.wants(event.kind) {
            return;
        }
        self.meters.event(event.kind);
        let worker = &self.lanes[place(event.guild, self.lanes.len())];
        let (kind, mut event) = (event.kind, event);
        loop {
            let room = worker.room.notified();
            let offered = worker.lane().offer(event);
            match offered {
                Offered::Taken => break,
                Offered::Instead(oldest) => {
                    self.meters.left_out(oldest.kind);
                    break;
                }
                Offered::LeftOut => return self.meters.left_out(kind),
                Offered::Full(back) => {
                    self.meters.full();
                    if !worker.told_full.swap(true, Ordering::Relaxed) {
                        warn!(guild.id = %back.guild, "a server's events wait for room in its mailbox");
                    }
                    event = *back;
                    room.await;
                }
            }
        }
        worker.news.notify_one();
    }

    /// To be called once, before the first frame comes.
    pub fn answered_by(&self, interactions: Arc<dyn Interactions>) {
        // Whoever calls again changes nothing.
        let _ = self.interactions.set(interactions);
    }

    /// Hands an interaction to who answers it, of servers and of private messages alike.
    pub fn interaction(&self, body: Bytes) {
        if let Some(interactions) = self.interactions.get() {
            Arc::clone(interactions).hear(body);
        }
    }

    /// Events of a shard were, or may have been, missed.
    pub fn count_gap(&self, cause: GapCause) {
        self.meters.gap(cause);
    }

    /// Tells every server of a shard that events may have been missed.
    pub async fn gap(&self, shard: ShardId, gap: Gap, received: std::time::Duration) {
        self.count_gap(gap.cause);
        if !self.wants(EventKind::Gap) {
            return;
        }
        for guild in self.guilds.of_shard(shard) {
            self.offer(Event {
                kind: EventKind::Gap,
                guild: guild.id(),
                shard,
                seq: None,
                received,
                body: Body::Gap(gap),
            })
            .await;
        }
    }

    pub fn guilds(&self) -> &Guilds {
        &self.guilds
    }

    /// Events that wait, security and the rest.
    pub fn waiting(&self) -> (usize, usize) {
        let waiting = self.lanes.iter().map(|worker| worker.lane().waiting());
        waiting.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }
}

/// Ids of one second differ in their lowest bits alone, those of a shard agree in a few above.
fn place(guild: GuildId, lanes: usize) -> usize {
    let mixed = (guild.get() >> 22).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    usize::try_from(mixed).unwrap_or_default() % lanes
}

impl Worker {
    fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(self: Arc<Self>, delivery: Arc<Delivery>, shutdown: CancellationToken) {
        let mut under_way: FuturesUnordered<BoxFuture<'static, GuildId>> = FuturesUnordered::new();
        loop {
            // However much comes, those that wait are looked after.
            while let Some(Some(guild)) = under_way.next().now_or_never() {
                self.lane().done(guild);
            }
            let has_room = under_way.len() < UNDER_WAY;
            if let Some(event) = has_room.then(|| self.lane().next()).flatten() {
                self.made_room();
                let guild = event.guild;
                match self.take_up(event, &delivery).await {
                    None => self.lane().done(guild),
                    Some(heard) => under_way.push(heard),
                }
                tokio::task::coop::consume_budget().await;
                continue;
            }
            let ending = shutdown.is_cancelled();
            if ending && under_way.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                Some(guild) = under_way.next() => self.lane().done(guild),
                () = self.news.notified(), if has_room => {}
                () = shutdown.cancelled(), if !ending => {}
            }
        }
    }

    /// `None`: it has been heard. Most events concern nobody but the server's state, or are heard at
    /// once.
    async fn take_up(
        &self,
        event: Event,
        delivery: &Arc<Delivery>,
    ) -> Option<BoxFuture<'static, GuildId>> {
        let guild = event.guild;
        let begun = catch_unwind(AssertUnwindSafe(|| delivery.begin(event)));
        let mut heard = begun.unwrap_or_else(|_| {
            error!(guild.id = %guild, "a server's state broke on an event");
            None
        })?;
        match poll_fn(|cx| Poll::Ready(heard.as_mut().poll(cx))).await {
            Poll::Ready(()) => None,
            Poll::Pending => Some(heard.map(move |()| guild).boxed()),
        }
    }

    fn made_room(&self) {
        self.room.notify_waiters();
        if self.told_full.load(Ordering::Relaxed) {
            let (security, _) = self.lane().waiting();
            if security == 0 && self.told_full.swap(false, Ordering::Relaxed) {
                debug!("no server's events wait for room any more");
            }
        }
    }
}

#[cfg(test)]
impl Router {
    /// One that nobody listens to.
    pub(crate) fn deaf(clock: SharedClock) -> Arc<Self> {
        let shutdown = CancellationToken::new();
        let guilds = Arc::default();
        Self::with(
            1,
            BOUNDS,
            Vec::new(),
            Arc::new(|_, _| false),
            guilds,
            clock,
            &TaskTracker::new(),
            &shutdown,
        )
    }
}

#[cfg(test)]
mod tests;
