//! One server's engine, and what is known beside it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use splashtail_core::ids::{ChannelId, GuildId, MessageId};
use splashtail_guild::Id;
use splashtail_raid::{Effect, Engine, Moment};

use crate::guilds::GuildView;

pub(super) struct Server {
    pub guild: GuildId,
    view: Mutex<GuildView>,
    engine: Mutex<Engine>,
    state: Mutex<State>,
    /// Held by whoever changes what the server asks of newcomers.
    pub acting: tokio::sync::Mutex<()>,
    /// Held by whoever writes it down, so that nothing older is written last.
    pub writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
pub(super) struct State {
    /// What was written down about it was not read yet, so nothing is written either.
    pub cold: bool,
    /// It is read again at this time.
    pub read_at: Duration,
    /// Something was learnt, or happened, since it was written down.
    pub unsaved: bool,
    /// The wave changed.
    pub urgent: bool,
    pub saved_at: Duration,
    /// The message that shows a wave.
    pub alert: Option<(Id, ChannelId, MessageId)>,
    pub shown_at: Duration,
    /// Attempts to show it that failed.
    pub failures: u32,
}

impl Server {
    pub fn new(view: &GuildView, now: Moment) -> Self {
        Self {
            guild: view.id(),
            view: Mutex::new(view.unchanged()),
            engine: Mutex::new(Engine::new(now)),
            state: Mutex::new(State {
                cold: true,
                ..State::default()
            }),
            acting: tokio::sync::Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    pub fn see(&self, view: &GuildView) {
        let mut known = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        *known = view.unchanged();
    }

    pub fn view(&self) -> GuildView {
        let known = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        known.unchanged()
    }

    /// Has the engine do something. Effects are carried out by whoever asks.
    pub fn ask(&self, ask: impl FnOnce(&mut Engine) -> Vec<Effect>) -> Vec<Effect> {
        ask(&mut self.engine())
    }

    pub fn read<T>(&self, read: impl FnOnce(&Engine) -> T) -> T {
        read(&self.engine())
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// It was written down whole, so nothing is lost with it.
    pub const fn is_kept(&self) -> bool {
        !self.cold && !self.unsaved && !self.urgent
    }
}
