//! Time that passes, and what is written down meanwhile.

use std::sync::Arc;
use std::time::Duration;

use splashtail_core::ids::GuildId;
use splashtail_core::telemetry::Chain;
use splashtail_raid::{Grade, Phase, Wave};
use splashtail_storage::{StorageError, WaveRow};
use tracing::warn;

use super::server::Server;
use super::service::Watch;
use crate::modules::Surroundings;

const TICK: Duration = Duration::from_secs(1);
/// Servers in which nothing happens have their turn once in so many ticks.
const QUIET: u32 = 60;
/// Servers come one after another when a process begins: for so many ticks each is taken up at once, and
/// whoever comes later in the turn of those in which nothing happens.
const FIRST: u32 = 600;
const MOST_UNSETTLED: u32 = 5000;
/// Once in so many ticks servers in which nothing happens are left to the database.
const FORGOTTEN: u32 = 600;
const WRITE: Duration = Duration::from_secs(2);
/// The longest wait for the database before something is done.
const INTENT: Duration = Duration::from_secs(2);
/// What is only learnt is written down so often.
const HABITS: Duration = Duration::from_secs(60);

impl Watch {
    /// Never ends.
    pub(super) async fn tick(self: Arc<Self>, around: Surroundings) {
        // A second call brings the same.
        let _ = self.cluster.set(around.state);
        let mut turn: u32 = 0;
        let mut unsettled = None;
        loop {
            self.clock.sleep(TICK).await;
            turn = turn.wrapping_add(1);
            if turn.is_multiple_of(FORGOTTEN) {
                // A server that went while something was owed there may be back.
                unsettled = None;
            }
            if takes_up(turn) {
                self.go_on(&mut unsettled).await;
            }
            if turn.is_multiple_of(FORGOTTEN) {
                self.forget_calm();
            }
            for server in self.all() {
                let (goes_on, cold) = (
                    server.read(|engine| !engine.is_settled()),
                    server.state().cold,
                );
                if !goes_on && !cold && !turn.is_multiple_of(QUIET) {
                    continue;
                }
                if cold {
                    self.warm(&server).await;
                }
                self.follow_wishes(&server);
                let now = self.now();
                self.tell(&server, |engine| engine.tick(now));
            }
        }
    }

    /// Takes up servers in which something went on, or was to be taken back, when the last process ended:
    /// those that are there by now. `None`: they were not read yet.
    async fn go_on(self: &Arc<Self>, unsettled: &mut Option<Vec<GuildId>>) {
        let guilds = match unsettled.take() {
            Some(guilds) => guilds,
            None => match self.storage.raids().unsettled(MOST_UNSETTLED).await {
                Ok(guilds) => guilds,
                Err(error) => {
                    warn!(error = %Chain(&error), "raids of before are gone on with later");
                    return;
                }
            },
        };
        let mut left = Vec::new();
        for guild in guilds {
            match self.load_known(guild).await {
                Some(_) => {}
                None => left.push(guild),
            }
        }
        *unsettled = Some(left);
    }

    /// Never ends.
    pub(super) async fn write(self: Arc<Self>) {
        loop {
            self.clock.sleep(WRITE).await;
            let now = self.clock.monotonic();
            for server in self.all() {
                let due = {
                    let state = server.state();
                    state.urgent || (state.unsaved && now.saturating_sub(state.saved_at) >= HABITS)
                };
                if due {
                    self.write_one(&server).await;
                }
            }
        }
    }

    pub(super) async fn write_all(&self) {
        for server in self.all() {
            let due = {
                let state = server.state();
                state.urgent || state.unsaved
            };
            if due {
                self.write_one(&server).await;
            }
        }
    }

    /// Has it written down before something is done that has to be taken back; a silent database delays that
    /// and does not keep it from being done.
    pub(super) async fn write_first(&self, server: &Server) {
        let written = tokio::time::timeout(INTENT, self.write_one(server));
        if written.await.is_err() {
            server.state().urgent = true;
        }
    }

    /// Writes down what is known of a server. What fails is written later.
    pub(super) async fn write_one(&self, server: &Server) {
        let _alone = server.writing.lock().await;
        {
            let mut state = server.state();
            // What was not read is not overwritten.
            if state.cold {
                return;
            }
            state.urgent = false;
            state.unsaved = false;
            state.saved_at = self.clock.monotonic();
        }
        if let Err(error) = self.try_to_write(server).await {
            server.state().urgent = true;
            warn!(guild.id = %server.guild, error = %Chain(&error), "what is usual in a server is not written down");
        }
    }

    async fn try_to_write(&self, server: &Server) -> Result<(), StorageError> {
        let (saved, wave, is_settled) =
            server.read(|engine| (engine.save(), engine.wave().cloned(), engine.is_settled()));
        let latest = wave.as_ref().map(|wave| wave.id);
        let undone = server.read(|engine| {
            let past = engine.waves().filter(|known| Some(known.id) != latest);
            let undone = past.filter(|known| known.phase == Phase::Dismissed);
            undone.cloned().collect::<Vec<_>>()
        });
        let (store, at) = (self.storage.raids(), self.clock.now());
        for wave in &undone {
            store.put_wave(&row(server, wave, at)).await?;
        }
        if let Some(wave) = wave {
            store.put_wave(&row(server, &wave, at)).await?;
            let shown = server.state().alert;
            if let Some((_, channel, message)) = shown.filter(|(id, ..)| *id == wave.id) {
                let id = wave.id.get().cast_signed();
                store
                    .set_wave_alert(server.guild, id, (channel, message))
                    .await?;
            }
        }
        let habits = serde_json::to_string(&saved).unwrap_or_default();
        store
            .set_habits(server.guild, &habits, !is_settled, at)
            .await
    }
}

/// Whether servers are looked for in which something is left to be done.
const fn takes_up(turn: u32) -> bool {
    turn <= FIRST || turn.is_multiple_of(QUIET)
}

fn row(server: &Server, wave: &Wave, at: chrono::DateTime<chrono::Utc>) -> WaveRow {
    let grade = match wave.grade {
        Grade::Calm => "calm",
        Grade::Watch => "watch",
        Grade::Wave => "wave",
        Grade::Raid => "raid",
        Grade::Certain => "certain",
    };
    WaveRow {
        guild: server.guild,
        wave: wave.id.get().cast_signed(),
        grade: grade.to_owned(),
        document: serde_json::to_string(wave).unwrap_or_default(),
        alert: None,
        updated_at: at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_comes_late_is_taken_up_too() {
        assert!((1..=FIRST).all(takes_up), "servers come one after another");
        for hour in 1..24 {
            let from = FIRST + hour * 3600;
            let turns = (from..from + QUIET).filter(|turn| takes_up(*turn));
            assert_eq!(turns.count(), 1, "once a minute, however late it is");
        }
    }
}
