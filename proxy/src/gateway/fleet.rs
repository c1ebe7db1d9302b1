//! The proxy's own shards, and how another number of them takes their place while clients notice nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use splashtail_api_types::clusters::GatewayBot;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Gateway;
use super::client::session::Sources;
use super::log::Limits;
use super::shard::run::{self, Upstream};
use super::shard::{Budget, Shard, Status};
use super::twins::{Side, Twin, Twins};

/// Both sets are heard for so long: what one of them has told the other tells within it.
const OVERLAP: Duration = Duration::from_secs(10);
/// Between two looks at how far the new sessions are.
const LOOK: Duration = Duration::from_millis(200);
/// For the servers of a session to come, …
const FILLING: Duration = Duration::from_secs(120);
/// … and for each shard to be let in: five seconds are between two of them.
const PER_SHARD: Duration = Duration::from_secs(6);
/// Starts that are left for whoever has to repair something.
const KEPT_STARTS: u64 = 5;
/// Discord lets a session have 2,500 servers; at this many another number of shards is looked for.
const CROWDED: usize = 2_000;

/// A set of sessions at Discord.
pub struct Fleet {
    pub shards: Arc<[Arc<Shard>]>,
    pub upstream: Arc<Upstream>,
    /// Of this set alone.
    stop: CancellationToken,
}

#[derive(Debug, thiserror::Error)]
pub enum ReshardError {
    #[error("Discord has not said yet where its gateway is")]
    NotReady,
    #[error("another number of shards is on its way already")]
    UnderWay,
    #[error("there are {0} shards already")]
    Same(u16),
    #[error("{shards} sessions would have to begin, and only {remaining} may today")]
    Starts { shards: u16, remaining: u64 },
    #[error("Discord refuses the new sessions with close code {0}")]
    Refused(u16),
    #[error("the new sessions were not filled in time")]
    Late,
    #[error("the new sessions cannot be set up")]
    Setup(#[source] anyhow::Error),
}

impl Fleet {
    /// Nothing connects yet.
    ///
    /// # Errors
    /// The gateway's address is none, or there is no memory.
    pub(super) fn new(
        gateway: &Gateway,
        count: u16,
        bot: &GatewayBot,
        budget: Arc<Budget>,
    ) -> anyhow::Result<Self> {
        let settings = &gateway.settings;
        let limits = Limits {
            bytes: settings.replay_bytes,
            age: settings.resume_window,
        };
        let now = gateway.clock.monotonic();
        let shards = (0..count)
            .map(|id| Shard::new(id, limits, now).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()
            .context("no memory for the shards")?;
        let upstream = Upstream {
            token: settings.token.clone(),
            intents: settings.intents,
            shards: count,
            gateway: bot.url.parse().context("the gateway's address is no URL")?,
            budget,
            retired: AtomicBool::new(false),
            clock: Arc::clone(&gateway.clock),
        };
        Ok(Self {
            shards: shards.into(),
            upstream: Arc::new(upstream),
            stop: gateway.upstreams.child_token(),
        })
    }

    /// Connects the shards until the set is stopped, or all are.
    pub(super) fn connect(&self, gateway: &Gateway) {
        for shard in self.shards.iter() {
            let upstream = Arc::clone(&self.upstream);
            let running = run::run(Arc::clone(shard), upstream, self.stop.clone());
            gateway.connecting.spawn(running);
        }
    }

    /// Ends its sessions at Discord, for good.
    fn retire(&self) {
        self.upstream.retired.store(true, Ordering::Release);
        self.stop.cancel();
        for shard in self.shards.iter() {
            let mut inner = shard.inner();
            inner.twin = None;
            let own = inner.guilds.own();
            // Nobody reads them any more.
            inner.guilds.begin(own, []);
        }
    }

    fn pair(&self, twins: &Arc<Twins>, side: Side) {
        for shard in self.shards.iter() {
            let twins = Arc::clone(twins);
            shard.inner().twin = Some(Twin { twins, side });
        }
    }

    fn part(&self) {
        for shard in self.shards.iter() {
            shard.inner().twin = None;
        }
    }

    fn refused(&self) -> Option<u16> {
        self.shards.iter().find_map(|shard| match shard.status() {
            Status::Refused(code) => Some(code),
            Status::Away(_) | Status::Connected(_) => None,
        })
    }

    fn is_filled(&self) -> bool {
        self.shards.iter().all(|shard| {
            matches!(shard.status(), Status::Connected(_)) && shard.inner().is_filled()
        })
    }
}

impl Gateway {
    /// Has as many shards as wanted, or as Discord recommends now, without clients noticing: new sessions
    /// are begun and filled beside the old ones, then clients hear both for a moment, each event once,
    /// and the old ones end.
    ///
    /// # Errors
    /// See [`ReshardError`]: everything is as before.
    pub async fn reshard(
        &self,
        wanted: Option<u16>,
        bot: &GatewayBot,
    ) -> Result<u16, ReshardError> {
        let old = self.fleet().ok_or(ReshardError::NotReady)?;
        let count = wanted
            .filter(|wanted| *wanted > 0)
            .unwrap_or(bot.shards.max(1));
        if usize::from(count) == old.shards.len() {
            return Err(ReshardError::Same(count));
        }
        let remaining = u64::from(bot.session_start_limit.remaining);
        if remaining < u64::from(count) + KEPT_STARTS {
            let shards = count;
            return Err(ReshardError::Starts { shards, remaining });
        }
        if self.resharding.swap(true, Ordering::AcqRel) {
            return Err(ReshardError::UnderWay);
        }
        let outcome = self.replace(&old, count, bot).await;
        self.resharding.store(false, Ordering::Release);
        outcome.map(|()| count)
    }

    async fn replace(
        &self,
        old: &Arc<Fleet>,
        count: u16,
        bot: &GatewayBot,
    ) -> Result<(), ReshardError> {
        let budget = Arc::clone(&old.upstream.budget);
        let new = Fleet::new(self, count, bot, budget).map_err(ReshardError::Setup)?;
        let new = Arc::new(new);
        let twins = Arc::new(Twins::default());
        old.pair(&twins, Side::Old);
        new.pair(&twins, Side::New);
        let presence = old.shards.first().and_then(|shard| shard.commands.shown());
        if let Some(presence) = presence {
            for shard in new.shards.iter() {
                shard.commands.show(presence.clone());
            }
        }
        info!(
            from = old.shards.len(),
            to = count,
            "another number of shards is on its way"
        );
        new.connect(self);
        if let Err(error) = self.filled(&new).await {
            new.retire();
            old.part();
            warn!(%error, "the number of shards stays as it is");
            return Err(error);
        }
        self.cut_over(&new, &twins);
        self.clock.sleep(OVERLAP).await;
        old.retire();
        new.part();
        info!(shards = count, "the new shards have taken over");
        Ok(())
    }

    async fn filled(&self, new: &Fleet) -> Result<(), ReshardError> {
        let shards = u32::try_from(new.shards.len()).unwrap_or(u32::MAX);
        let until = self.clock.monotonic() + FILLING + PER_SHARD.saturating_mul(shards);
        loop {
            if let Some(code) = new.refused() {
                return Err(ReshardError::Refused(code));
            }
            if new.is_filled() {
                return Ok(());
            }
            if self.clock.monotonic() >= until || self.upstreams.is_cancelled() {
                return Err(ReshardError::Late);
            }
            self.clock.sleep(LOOK).await;
        }
    }

    /// At one instant for all clients: nothing of the new logs is told before.
    fn cut_over(&self, new: &Arc<Fleet>, twins: &Twins) {
        let sessions = self.sessions();
        for session in sessions.by_key.values() {
            session.follow(&Sources::of(&new.shards, session.sight.shard));
        }
        if let Some(before) = self.set_fleet(Arc::clone(new)) {
            self.retired().push(before);
        }
        twins.open();
    }

    /// Logs of shards that are gone, as long as clients may ask for what is in them.
    pub(super) fn trim_retired(&self, now: Duration) {
        self.retired().retain(|fleet| {
            let logs = fleet.shards.iter().map(|shard| {
                let mut inner = shard.inner();
                inner.log.trim(now);
                inner.log.bytes()
            });
            logs.sum::<u64>() > 0
        });
    }

    /// Whether it is time to look for another number of shards.
    pub(super) fn is_crowded(&self) -> bool {
        let crowded = |shard: &Arc<Shard>| shard.inner().guilds.count() >= CROWDED;
        self.settings.shards == 0 && self.shards().iter().any(crowded)
    }
}
