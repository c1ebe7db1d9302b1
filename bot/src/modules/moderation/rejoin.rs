//! Who leaves and comes back is still in timeout: Discord does not promise to keep it.

use std::time::Duration;

use chrono::DateTime;
use serde_json::json;
use splashtail_core::telemetry::Chain;
use splashtail_storage::CaseRow;
use tracing::{info, warn};

use super::sanction::{TIMEOUTS, mark};
use super::sanctions::Sanctions;

const PATIENT: Duration = Duration::from_secs(30);
/// Where Discord fails it is tried again after so long.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(15),
    Duration::from_secs(60),
];

impl Sanctions {
    /// Sets a timeout that stands again, until the end that it had.
    pub(super) async fn hold_again(&self, case: &CaseRow) {
        let _alone = self.alone(case.guild, case.target).lock().await;
        for pause in PAUSES.map(Some).into_iter().chain([None]) {
            // Somebody may have taken it back, or set another one.
            let now = self.discord.now();
            let store = self.storage.cases();
            let running = store.running(case.guild, case.target, TIMEOUTS, now).await;
            match running {
                Ok(Some(running)) if running.number == case.number => {}
                Ok(_) => return,
                Err(error) => {
                    warn!(guild.id = %case.guild, case.number = case.number, error = %Chain(&error), "it is not known whether a timeout still stands");
                    return;
                }
            }
            let path = format!("/guilds/{}/members/{}", case.guild, case.target);
            let until = case.ends_at.as_ref().map(DateTime::to_rfc3339);
            let patch = self.discord.patch(path).idempotent(true);
            let patch = patch.json(&json!({"communication_disabled_until": until}));
            let reason = format!("{} {}", mark(case.number), case.reason);
            let held = patch.reason(&reason).longest_wait(PATIENT).send_empty();
            let error = match held.await {
                Ok(()) => {
                    info!(guild.id = %case.guild, case.number = case.number, "somebody who came back is in timeout again");
                    return;
                }
                // They are away again.
                Err(error) if error.is_not_found() => return,
                Err(error) => error,
            };
            warn!(guild.id = %case.guild, case.number = case.number, error = %Chain(&error), "somebody who came back is not in timeout");
            match pause {
                Some(pause) => self.clock.sleep(pause).await,
                None => return,
            }
        }
    }
}
