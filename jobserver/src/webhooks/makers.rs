//! Whether those for whom addresses are told may still have that: what goes there is for
//! administrators, and nobody stays one for ever.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::permissions::{Ruling, Subject, bits};
use splashtail_discord::{Discord, DiscordError, Lane};
use splashtail_storage::Webhook;
use tracing::debug;

/// So long what was seen counts.
const SEEN_FOR: Duration = Duration::from_secs(5 * 60);
/// Of so many people it is remembered.
const REMEMBERED: usize = 10_000;
/// For both questions. Without an answer things are as they were.
const PATIENCE: Duration = Duration::from_secs(10);

/// What Discord's own codes say (documentation, "JSON Error Codes"). An answer without one is nobody's word.
const UNKNOWN_GUILD: u64 = 10_004;
const UNKNOWN_MEMBER: u64 = 10_007;
const UNKNOWN_USER: u64 = 10_013;
const MISSING_ACCESS: u64 = 50_001;

const NO_SERVER: &str = "the bot is no longer in this server";
const LEFT: &str = "who answers for it is no longer in this server";
const NO_RIGHT: &str = "who answers for it is no administrator of this server any more";

#[derive(Clone)]
pub struct Makers {
    discord: Discord,
    clock: SharedClock,
    seen: Arc<Mutex<HashMap<(GuildId, UserId), Duration>>>,
}

impl Makers {
    pub fn new(discord: &Discord, clock: SharedClock) -> Self {
        Self {
            discord: discord.in_lane(Lane::Interactive),
            clock,
            seen: Arc::default(),
        }
    }

    /// Why a webhook has nobody left to answer for it. What Discord does not tell now is no reason.
    pub async fn lost(&self, webhook: &Webhook) -> Option<&'static str> {
        let who = (webhook.guild, webhook.vouched_by);
        let now = self.clock.monotonic();
        let is_fresh = |at: &Duration| now.saturating_sub(*at) < SEEN_FOR;
        if self.seen().get(&who).is_some_and(is_fresh) {
            return None;
        }
        let asked = tokio::time::timeout(PATIENCE, self.ask(who.0, who.1));
        match asked.await {
            Ok(Ok(None)) => {
                let mut seen = self.seen();
                if seen.len() >= REMEMBERED {
                    seen.retain(|_, at| is_fresh(at));
                }
                if seen.len() < REMEMBERED {
                    seen.insert(who, now);
                }
                None
            }
            Ok(Ok(Some(why))) => Some(why),
            Ok(Err(error)) => {
                debug!(guild.id = %who.0, error = %Chain(&error), "rights were not looked at");
                None
            }
            Err(_) => None,
        }
    }

    async fn ask(
        &self,
        guild: GuildId,
        user: UserId,
    ) -> Result<Option<&'static str>, DiscordError> {
        let path = format!("/guilds/{guild}");
        let member = format!("{path}/members/{user}");
        let server = match self.get(path).await {
            Err(error) if says(&error, &[UNKNOWN_GUILD, MISSING_ACCESS]) => {
                return Ok(Some(NO_SERVER));
            }
            server => server?,
        };
        let member = match self.get(member).await {
            Err(error) if says(&error, &[UNKNOWN_MEMBER, UNKNOWN_USER]) => return Ok(Some(LEFT)),
            member => member?,
        };
        let subject = Subject::new(&server, &member, self.clock.now());
        let ruling = subject.map(|subject| subject.allows(None, bits::ADMINISTRATOR));
        Ok(match ruling {
            Some(Ruling::Denied(_)) => Some(NO_RIGHT),
            Some(Ruling::Allowed | Ruling::Unknown(_)) | None => None,
        })
    }

    async fn get(&self, path: String) -> Result<Value, DiscordError> {
        self.discord.get(path).longest_wait(PATIENCE).send().await
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<(GuildId, UserId), Duration>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether Discord refused with one of these codes.
fn says(error: &DiscordError, codes: &[u64]) -> bool {
    let DiscordError::Api(error) = error else {
        return false;
    };
    let is_refusal = matches!(error.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN);
    is_refusal && codes.contains(&error.code)
}
