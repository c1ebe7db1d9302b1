//! Behind the decisions: time, and what is written down.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use splashtail_antinuke::{Incident, Input};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{IncidentRow, StorageError};
use tracing::warn;

use super::server::Server;
use super::service::Protection;

const TICK: Duration = Duration::from_millis(100);
const WRITE: Duration = Duration::from_millis(500);
/// Incidents are deleted when nothing happened to them for so long.
const KEPT: chrono::Duration = chrono::Duration::days(90);
const PURGE: Duration = Duration::from_hours(6);

impl Protection {
    /// Gives engines their turn when they want it. Never ends.
    pub(super) async fn tick(self: Arc<Self>) {
        loop {
            self.clock.sleep(TICK).await;
            let now = self.now();
            for server in self.all() {
                if server.is_due(now) {
                    self.tell(&server, Input::Tick);
                }
            }
        }
    }

    /// Writes down what changed. While the database is away the latest of everything is kept.
    pub(super) async fn write(self: Arc<Self>) {
        let mut purged = self.clock.monotonic();
        loop {
            self.clock.sleep(WRITE).await;
            if let Err(error) = self.write_all().await {
                warn!(error = %Chain(&error), "protection is not written down, trying again");
                self.clock.sleep(WRITE * 8).await;
            }
            let now = self.clock.monotonic();
            if now.saturating_sub(purged) > PURGE {
                purged = now;
                let before = self.clock.now() - KEPT;
                if let Err(error) = self.storage.protections().purge_incidents(before).await {
                    warn!(error = %Chain(&error), "old incidents stay for now");
                }
            }
        }
    }

    pub(super) fn record(&self, server: &Server, incident: Incident) {
        let key = (server.guild, incident.id);
        let mut unwritten = self
            .unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        unwritten.insert(key, incident);
    }

    /// Before its engine is forgotten.
    pub(super) fn write_soon(self: &Arc<Self>, server: &Arc<Server>) {
        let (protection, server) = (Arc::clone(self), Arc::clone(server));
        tokio::spawn(async move {
            if let Err(error) = protection.write_state(&server).await {
                warn!(error = %Chain(&error), "the state of a server that is gone is lost");
            }
        });
    }

    async fn write_all(&self) -> Result<(), StorageError> {
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
            self.storage.protections().put_incident(&row).await?;
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

    async fn write_state(&self, server: &Server) -> Result<(), StorageError> {
        let Some(saved) = server.changed() else {
            return Ok(());
        };
        // A server in which nothing was counted needs no row.
        if saved.actors.is_empty() && saved.incidents.is_empty() && saved.panic.is_none() {
            return Ok(());
        }
        let text = serde_json::to_string(&saved).unwrap_or_default();
        let store = self.storage.protections();
        let written = store.set_state(server.guild, &text, self.clock.now()).await;
        if written.is_err() {
            server.is_unsaved();
        }
        written
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
