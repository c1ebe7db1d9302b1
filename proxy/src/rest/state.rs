//! What outlives the process: which route belongs to which bucket, and how often we were refused lately.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use splashtail_core::telemetry::Chain;
use splashtail_discord::ratelimit::Learned;
use tracing::{debug, warn};

use super::Rest;
use super::identity::{Kind, Name};
use crate::gateway::shard::write_whole;

const VERSION: u32 = 1;
const FILE: &str = "rest.json";
/// Bots whose buckets are kept, our own among them.
const MOST_BOTS: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// Minutes since 1970.
    minute: i64,
    /// Refusals by minute, the latest first.
    refusals: Vec<u64>,
    bots: Vec<Bot>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Bot {
    /// A digest, by which nobody finds the token.
    name: Name,
    routes: Vec<Learned>,
}

impl Rest {
    fn file(&self) -> Option<PathBuf> {
        Some(self.settings.state_dir.as_ref()?.join(FILE))
    }

    /// Blocks. A disk that is full costs what was learned and nothing else.
    pub fn save(&self) {
        let Some(path) = self.file() else { return };
        let mut bots: Vec<_> = self
            .identities
            .list()
            .into_iter()
            .filter(|identity| identity.kind == Kind::Bot)
            .map(|identity| Bot {
                name: identity.name,
                routes: identity.limits.learned(),
            })
            .filter(|bot| !bot.routes.is_empty())
            .collect();
        bots.sort_by_key(|bot| std::cmp::Reverse(bot.routes.len()));
        bots.truncate(MOST_BOTS);
        let kept = Kept {
            version: VERSION,
            minute: self.clock.now().timestamp() / 60,
            refusals: self.guard().minutes(self.clock.monotonic()),
            bots,
        };
        let write = || -> std::io::Result<()> {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            write_whole(&path, &serde_json::to_vec(&kept)?)
        };
        if let Err(error) = write() {
            warn!(error = %Chain(&error), "what is known of Discord's limits cannot be kept on disk");
        }
    }

    /// Takes up what an earlier process left; what cannot be read is learned anew.
    pub(super) fn restore(&self) {
        let Some(path) = self.file() else { return };
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    warn!(error = %Chain(&error), "what was known of Discord's limits cannot be read");
                }
                return;
            }
        };
        let kept: Kept = match serde_json::from_slice(&bytes) {
            Ok(kept) => kept,
            Err(error) => {
                return warn!(error = %Chain(&error), "what was known of Discord's limits is damaged");
            }
        };
        if kept.version != VERSION {
            return debug!("what was known of Discord's limits is in another form");
        }
        // A clock that was set back makes no refusal younger, and none is forgotten for it.
        let ago = (self.clock.now().timestamp() / 60 - kept.minute).max(0);
        let ago = u64::try_from(ago).unwrap_or(u64::MAX);
        let now = self.clock.monotonic();
        self.guard().remember(&kept.refusals, ago, now);
        for bot in kept.bots.into_iter().take(MOST_BOTS) {
            let identity = self
                .identities
                .of_name(bot.name, Kind::Bot, self.settings.per_second);
            identity.limits.remember(bot.routes);
        }
    }
}
