//! Behind the decisions: time, and what is written down.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use splashtail_antinuke::{Incident, Input};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{IncidentRow, StorageError};
use tracing::warn;

use super::server::Server;
use super::service::Protection;

const TICK: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_secs(1);
/// Servers that are read at the same time.
const READS: usize = 8;
const WRITE: Duration = Duration::from_millis(500);
/// Between two writes, however much there is to write.
pub(super) const BREATH: Duration = Duration::from_millis(20);
/// Of the second that a stopping process has, so much may pass before the last is written.
const CLOSING: Duration = Duration::from_millis(200);

impl Protection {
    /// Gives engines their turn when they want it. Never ends.
    pub(super) async fn tick(self: Arc<Self>) {
        loop {
            self.clock.sleep(TICK).await;
            let now = self.now();
            for server in self.all() {
                self.go_back(&server);
                if server.is_due(now) {
                    self.tell(&server, Input::Tick);
                }
            }
        }
    }

    /// Writes down what changed. While the database is away the latest of everything is kept.
    pub(super) async fn write(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.clock.sleep(WRITE) => {}
                // An incident: what was taken has to be known to whoever comes after a kill.
                () = self.urgent.notified() => {}
            }
            if let Err(error) = self.write_all().await {
                warn!(error = %Chain(&error), "protection is not written down, trying again");
                self.clock.sleep(WRITE * 8).await;
            }
            self.clock.sleep(BREATH).await;
        }
    }

    /// The last of everything, when the process stops.
    pub(super) async fn close(&self) {
        let written = async {
            // Whoever waits for a database that is silent holds up nothing now.
            let _alone = tokio::time::timeout(CLOSING, self.writing.lock()).await;
            self.write_each().await?;
            self.remember_all().await
        };
        if let Err(error) = written.await {
            warn!(error = %Chain(&error), "what protection knew last is not written down");
        }
    }

    /// Reads what could not be read, and what was or may have been changed. Never ends.
    pub(super) async fn know(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.clock.sleep(LOOK) => {}
                () = self.news.notified() => {}
            }
            self.know_all().await;
        }
    }

    pub(super) async fn know_all(self: &Arc<Self>) {
        let now = self.clock.monotonic();
        let all = self.all().into_iter();
        let unsure = all.filter(|server| self.is_unsure(server, now));
        let read = async |server: Arc<Server>| {
            self.refresh(&server).await;
            self.catch_up(&server);
        };
        stream::iter(unsure).for_each_concurrent(READS, read).await;
    }

    /// Has an incident written down: as its engine knows it now, since of two changes the second may
    /// come here first; `incident` when the engine has forgotten it.
    pub(super) fn record(&self, server: &Server, incident: Incident) {
        // It will be told again what was done, and then by its own policy.
        if server.is_cold() {
            return;
        }
        server.pin(incident, |latest| {
            let mut unwritten = self
                .unwritten
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            unwritten.insert((server.guild, latest.id), latest);
        });
        self.urgent.notify_one();
        self.pinning.notify_one();
    }

    /// Before its engine is forgotten.
    pub(super) fn write_soon(self: &Arc<Self>, server: &Arc<Server>) {
        let (protection, server) = (Arc::clone(self), Arc::clone(server));
        tokio::spawn(async move {
            let _alone = protection.writing.lock().await;
            if let Err(error) = protection.write_state(&server).await {
                warn!(error = %Chain(&error), "the state of a server that is gone is lost");
            }
        });
    }

    pub(super) async fn write_all(&self) -> Result<(), StorageError> {
        // Of two at work the slower would write what is older last.
        let _alone = self.writing.lock().await;
        self.write_each().await
    }

    async fn write_each(&self) -> Result<(), StorageError> {
        loop {
            let next = {
                let unwritten = self
                    .unwritten
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                unwritten
                    .first_key_value()
                    .map(|(key, incident)| (*key, incident.clone()))
            };
            let Some((key, incident)) = next else { break };
            let row = row(key.0, &incident, self.clock.now());
            let store = self.storage.protections();
            store.put_incident(&row).await?;
            // It may have been shown before there was a row to note that in.
            if let Some(at) = self.alerts.message(key.0, key.1) {
                store.set_alert(key.0, row.incident, at).await?;
            }
            let mut unwritten = self
                .unwritten
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // Unless it changed while it was written.
            if unwritten.get(&key) == Some(&incident) {
                unwritten.remove(&key);
            }
        }
        for server in self.all() {
            self.write_state(&server).await?;
        }
        Ok(())
    }

    pub(super) async fn write_state(&self, server: &Server) -> Result<(), StorageError> {
        let Some(saved) = server.changed() else {
            return Ok(());
        };
        let mut writing = Writing {
            server,
            done: false,
        };
        let text = serde_json::to_string(&saved).unwrap_or_default();
        let store = self.storage.protections();
        let written = store.set_state(server.guild, &text, self.clock.now()).await;
        writing.done = written.is_ok();
        written
    }
}

/// A write that may fail, or be dropped half-way when the process stops.
struct Writing<'a> {
    server: &'a Server,
    done: bool,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.server.is_unsaved();
        }
    }
}

fn row(
    guild: splashtail_core::ids::GuildId,
    incident: &Incident,
    at: chrono::DateTime<chrono::Utc>,
) -> IncidentRow {
    let word = |value: serde_json::Result<serde_json::Value>| {
        let value = value.unwrap_or_default();
        value.as_str().unwrap_or("unknown").to_owned()
    };
    IncidentRow {
        guild,
        incident: incident.id.get().cast_signed(),
        kind: word(serde_json::to_value(incident.kind)),
        mode: word(serde_json::to_value(incident.mode)),
        state: word(serde_json::to_value(incident.state)),
        document: serde_json::to_string(incident).unwrap_or_default(),
        alert: None,
        updated_at: at,
    }
}
