//! The one object everything hangs on: the world behind its lock, the clock, and what observes
//! them.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::clock::SandboxClock;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::openapi::Checker;
use crate::rest::limits::Limits;
use crate::seed;
use crate::signal::Signal;
use crate::world::{Addresses, Conduct, EventSink, World};

/// How a sandbox starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of a built-in world.
    pub world: String,
    pub seed: u64,
    pub addresses: Addresses,
    pub clock: Arc<SandboxClock>,
    /// How every world behaves until it is told otherwise.
    pub conduct: Conduct,
}

/// A whole Discord.
///
/// The world's lock is never held across an await: every way in is a plain function, and events
/// leave through the sink before the lock is released, so their order is the order of history.
pub struct Sandbox {
    pub clock: Arc<SandboxClock>,
    pub journal: Arc<Journal>,
    pub faults: Arc<Faults>,
    pub limits: Limits,
    /// Set once at start-up when exchanges are to be held against the API description.
    pub checker: OnceLock<Checker>,
    conduct: Conduct,
    world: Mutex<World>,
    sink: OnceLock<Box<dyn EventSink>>,
    interactions: Signal,
}

impl Sandbox {
    /// Builds the world named in `options`.
    pub fn new(options: &Options) -> Result<Arc<Self>, seed::UnknownWorld> {
        let mut world = seed::build(
            &options.world,
            options.seed,
            &options.addresses,
            &options.clock,
        )?;
        world.conduct = options.conduct.clone();
        Ok(Arc::new(Self {
            conduct: options.conduct.clone(),
            clock: options.clock.clone(),
            journal: Arc::default(),
            faults: world.faults.clone(),
            limits: Limits::default(),
            checker: OnceLock::new(),
            world: Mutex::new(world),
            sink: OnceLock::new(),
            interactions: Signal::default(),
        }))
    }

    /// Replaces the world, with this conduct or that of the beginning, and forgets all limits.
    /// `forget` ends what the caller keeps of the old one, before anybody sees the new one.
    ///
    /// # Errors
    /// There is no such world; everything stays as it was.
    pub fn load(
        &self,
        name: &str,
        seed: u64,
        conduct: Option<Conduct>,
        forget: impl FnOnce(),
    ) -> Result<Conduct, seed::UnknownWorld> {
        let addresses = self.lock().addresses.clone();
        let mut fresh = seed::build(name, seed, &addresses, &self.clock)?;
        fresh.faults = self.faults.clone();
        fresh.conduct = conduct.unwrap_or_else(|| self.conduct.clone());
        let conduct = fresh.conduct.clone();
        let old = {
            let mut world = self.lock();
            let old = std::mem::replace(&mut *world, fresh);
            self.limits.reset();
            self.journal.set_digests(conduct.digests);
            forget();
            old
        };
        // It may be large, and the lock is free again.
        drop(old);
        self.interactions.raise();
        Ok(conduct)
    }

    /// Where events go from now on. Only the first call counts.
    pub fn set_sink(&self, sink: Box<dyn EventSink>) {
        if self.sink.set(sink).is_err() {
            tracing::warn!("the event sink was already set");
        }
    }

    /// Runs `act` on the world, then hands out the events it caused, all under one lock.
    pub fn with_world<R>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        let mut world = self.lock();
        let before = world.interaction_changes;
        let result = act(&mut world);
        let events = world.take_events();
        if !events.is_empty()
            && let Some(sink) = self.sink.get()
        {
            sink.deliver(&world, &events);
        }
        if world.interaction_changes != before {
            self.interactions.raise();
        }
        result
    }

    /// Tells whenever an interaction gets a callback, a response or a follow-up.
    pub fn interactions(&self) -> &Signal {
        &self.interactions
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
