//! Rate limits: per route, per resource, global, hidden, and the ban for invalid requests.
//!
//! Limits belong to the token, so several processes of one bot share them. Time is the sandbox's steady
//! one; only what clients and the control API read is dated.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::caps::Caps;
use super::error::{ApiError, Retry};
use super::routes;
use super::window::Window;
use crate::clock::SandboxClock;

pub use super::window::Rate;

/// What a limit counts separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Major {
    None,
    Channel,
    Guild,
    /// Webhook id and token.
    Webhook,
}

/// A limit as the route table names it.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    pub name: &'static str,
    pub limit: u32,
    pub per_ms: i64,
    pub major: Major,
}

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Off: nothing is ever refused, and answers carry no limit headers.
    pub enabled: bool,
    /// Whether control acts, which stand for people in clients, are limited too.
    pub users: bool,
    /// Requests per second and bot.
    pub global: Rate,
    /// Answers of 401, 403 and 429 before an address is blocked.
    pub invalid: Rate,
    /// Limits that no header tells of.
    pub hidden: Hidden,
    /// Replacements of route limits, by bucket name.
    pub buckets: BTreeMap<String, Rate>,
    pub caps: Caps,
}

/// Limits beside the buckets: of a resource, whoever uses it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hidden {
    /// Changes of a channel's name, and apart from them of its topic (discord-api-docs#2190).
    pub channel_edits: Rate,
    /// Bans of people who are not in the guild: 30035, for the whole guild (#5002 met 2,000).
    pub stranger_bans: Rate,
    /// Prunes of a guild: 30040.
    pub prunes: Rate,
    /// Posts of all webhooks of a channel together: `shared` (#367, #4043).
    pub webhook_posts: Rate,
    /// Changes of a guild's emojis: `shared` (#2250).
    pub emojis: Rate,
    /// Threads started in a guild: `shared`, and the answer names a longer wait than there is
    /// (#7816).
    pub threads: Rate,
    /// Reading the list of bans of a guild that has many: `shared` (#3803).
    pub ban_list: Rate,
    /// Looking up single bans: 30037.
    pub ban_fetches: Rate,
    /// Edits of messages older than an hour, per channel: 30046.
    pub old_edits: Rate,
    /// New direct channels of an account: 40003 (DiscordPHP#467 met 25 to 40; within what time is
    /// unknown).
    pub direct_channels: Rate,
}

const HOUR_MS: i64 = 3_600_000;

impl Default for Hidden {
    fn default() -> Self {
        Self {
            channel_edits: Rate::fixed(2, HOUR_MS / 6),
            stranger_bans: Rate::fixed(1000, 24 * HOUR_MS),
            prunes: Rate::fixed(50, 24 * HOUR_MS),
            webhook_posts: Rate::fixed(30, 60_000),
            emojis: Rate::fixed(50, HOUR_MS),
            threads: Rate::fixed(50, HOUR_MS / 12),
            ban_list: Rate::fixed(1, 60_000),
            ban_fetches: Rate::fixed(1000, HOUR_MS),
            old_edits: Rate::fixed(30, HOUR_MS),
            direct_channels: Rate::fixed(25, HOUR_MS / 6),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            enabled: true,
            users: true,
            global: Rate::fixed(50, 1000),
            invalid: Rate::fixed(10_000, 600_000),
            hidden: Hidden::default(),
            buckets: BTreeMap::new(),
            caps: Caps::default(),
        }
    }
}

/// The longest window a rule may have: a year.
const MAX_PER_MS: i64 = 365 * 86_400_000;

impl Rules {
    /// The limit of a bucket: its replacement, or what its route has.
    fn rate_of(&self, bucket: &Bucket) -> Rate {
        let replaced = self.buckets.get(bucket.name).copied();
        replaced.unwrap_or(Rate::fixed(bucket.limit, bucket.per_ms))
    }

    /// Whether every window has a length and every bucket exists.
    ///
    /// # Errors
    /// What is wrong, for whoever set the rules.
    pub fn check(&self) -> Result<(), String> {
        let known: BTreeSet<&str> = routes::buckets().map(|(b, _)| b.name).collect();
        if let Some(unknown) = self
            .buckets
            .keys()
            .find(|name| !known.contains(name.as_str()))
        {
            return Err(format!(
                "there is no bucket `{unknown}`; their names are operation ids"
            ));
        }
        let named = [
            ("global", &self.global),
            ("invalid", &self.invalid),
            ("hidden.channel_edits", &self.hidden.channel_edits),
            ("hidden.stranger_bans", &self.hidden.stranger_bans),
            ("hidden.prunes", &self.hidden.prunes),
            ("hidden.webhook_posts", &self.hidden.webhook_posts),
            ("hidden.emojis", &self.hidden.emojis),
            ("hidden.threads", &self.hidden.threads),
            ("hidden.ban_list", &self.hidden.ban_list),
            ("hidden.ban_fetches", &self.hidden.ban_fetches),
            ("hidden.old_edits", &self.hidden.old_edits),
            ("hidden.direct_channels", &self.hidden.direct_channels),
        ];
        let buckets = self
            .buckets
            .iter()
            .map(|(name, rate)| (name.as_str(), rate));
        for (name, rate) in named.into_iter().chain(buckets) {
            if !(1..=MAX_PER_MS).contains(&rate.per_ms) {
                return Err(format!(
                    "`per_ms` of `{name}` lies between 1 and {MAX_PER_MS}"
                ));
            }
            if rate.sliding && rate.limit == 0 {
                return Err(format!(
                    "`{name}` cannot slide with a `limit` of 0: nothing would ever come back"
                ));
            }
        }
        Ok(())
    }
}

/// Windows of one sort beyond which those that are over are forgotten.
const MANY: usize = 50_000;

/// Forgets windows that are over when there are many.
fn tidy<K: Eq + std::hash::Hash>(windows: &mut HashMap<K, Window>, now: i64) {
    if windows.len() > MANY {
        windows.retain(|_, window| window.is_live(now));
    }
}

/// Whose use is counted, of what, where.
type Key = (String, &'static str, String);

#[derive(Debug, Default)]
struct State {
    rules: Rules,
    windows: HashMap<Key, Window>,
    global: HashMap<String, Window>,
    invalid: HashMap<IpAddr, Window>,
}

/// Headers of an answer on a limited route.
#[derive(Debug, Clone, PartialEq)]
pub struct Stand {
    pub limit: u32,
    pub remaining: u32,
    /// When all uses are back, in steady time: clients know the window by it.
    pub resets_at_ms: i64,
    pub reset_after_ms: i64,
    pub bucket: String,
}

impl Stand {
    /// A limit that is used up for so long from now on.
    pub fn spent(bucket: &Bucket, wait_ms: i64, now: i64) -> Self {
        Self {
            limit: bucket.limit,
            remaining: 0,
            resets_at_ms: now.saturating_add(wait_ms),
            reset_after_ms: wait_ms,
            bucket: hash(bucket.name),
        }
    }

    /// As an answer says it. `set_back_ms`: how far steady time is ahead of the clock.
    pub fn headers(&self, set_back_ms: i64) -> [(&'static str, String); 5] {
        let seconds = |ms: i64| format!("{:.3}", ms as f64 / 1000.0);
        [
            ("X-RateLimit-Limit", self.limit.to_string()),
            ("X-RateLimit-Remaining", self.remaining.to_string()),
            (
                "X-RateLimit-Reset",
                seconds(self.resets_at_ms.saturating_sub(set_back_ms)),
            ),
            ("X-RateLimit-Reset-After", seconds(self.reset_after_ms)),
            ("X-RateLimit-Bucket", self.bucket.clone()),
        ]
    }
}

/// A window as `/ctl/limits` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WindowInfo {
    pub caller: String,
    pub bucket: String,
    pub major: String,
    pub used: u32,
    pub resets_at_ms: i64,
}

/// A bucket as `/ctl/limits` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BucketInfo {
    #[serde(flatten)]
    pub rate: Rate,
    /// What answers call it.
    pub hash: String,
    /// Operations that take from it.
    pub operations: Vec<&'static str>,
}

/// All counters.
#[derive(Debug, Default)]
pub struct Limits {
    state: Mutex<State>,
}

/// The public name of a bucket: opaque, equal for routes that share a limit.
pub fn hash(name: &str) -> String {
    hex::encode(&Sha256::digest(name)[..16])
}

impl Limits {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn rules(&self) -> Rules {
        self.state().rules.clone()
    }

    /// How much of everything there may be.
    pub fn caps(&self) -> Caps {
        self.state().rules.caps
    }

    /// The limits that no header tells of.
    pub fn beside(&self) -> Hidden {
        self.state().rules.hidden
    }

    pub fn set_rules(&self, rules: Rules) {
        self.state().rules = rules;
    }

    /// Every bucket by its name, as it counts now.
    pub fn buckets(&self) -> BTreeMap<&'static str, BucketInfo> {
        let rules = self.rules();
        let mut all: BTreeMap<&'static str, BucketInfo> = BTreeMap::new();
        for (bucket, operation) in routes::buckets() {
            let info = all.entry(bucket.name).or_insert_with(|| BucketInfo {
                rate: rules.rate_of(&bucket),
                hash: hash(bucket.name),
                operations: Vec::new(),
            });
            info.operations.push(operation);
        }
        all
    }

    /// Forgets every count, not the rules.
    pub fn reset(&self) {
        let mut state = self.state();
        let rules = std::mem::take(&mut state.rules);
        *state = State {
            rules,
            ..State::default()
        };
    }

    /// Windows in use, in a stable order.
    pub fn windows(&self, clock: &SandboxClock) -> Vec<WindowInfo> {
        let (now, set_back) = (clock.steady_ms(), clock.set_back_ms());
        let state = self.state();
        let live = state.windows.iter().filter(|(_, w)| w.is_live(now));
        let mut all: Vec<WindowInfo> = live
            .map(|((caller, bucket, major), w)| WindowInfo {
                caller: caller.clone(),
                bucket: (*bucket).to_owned(),
                major: major.clone(),
                used: w.used(now),
                resets_at_ms: w.resets_at(now) - set_back,
            })
            .collect();
        all.sort_by(|a, b| (&a.caller, &a.bucket, &a.major).cmp(&(&b.caller, &b.bucket, &b.major)));
        all
    }

    /// Counts a request against the global limit.
    pub fn global(&self, caller: &str, now: i64) -> Result<(), ApiError> {
        let mut state = self.state();
        if !state.rules.enabled {
            return Ok(());
        }
        let rate = state.rules.global;
        tidy(&mut state.global, now);
        let window = state.global.entry(caller.to_owned()).or_default();
        window
            .take(rate, now)
            .map_err(|wait| limited(wait, "global"))
    }

    /// Counts a request against its bucket.
    pub fn take(
        &self,
        caller: &str,
        bucket: &Bucket,
        major: &str,
        now: i64,
    ) -> (Option<Stand>, Result<(), ApiError>) {
        let mut state = self.state();
        if !state.rules.enabled {
            return (None, Ok(()));
        }
        tidy(&mut state.windows, now);
        let rate = state.rules.rate_of(bucket);
        // Webhook id and token are one major parameter: all who know the address share its limit.
        let addressed = bucket.major == Major::Webhook && !major.ends_with('/');
        let caller = if addressed { "" } else { caller };
        let key = (caller.to_owned(), bucket.name, major.to_owned());
        let window = state.windows.entry(key).or_default();
        let taken = window.take(rate, now);
        let resets_at_ms = window.resets_at(now);
        let stand = Stand {
            limit: rate.limit,
            remaining: rate.limit.saturating_sub(window.used(now)),
            resets_at_ms,
            reset_after_ms: resets_at_ms - now,
            bucket: hash(bucket.name),
        };
        (Some(stand), taken.map_err(|wait| limited(wait, "user")))
    }

    /// Counts against a limit that has no headers.
    pub fn hidden(
        &self,
        name: &'static str,
        major: &str,
        rate: Rate,
        now: i64,
    ) -> Result<(), ApiError> {
        let mut state = self.state();
        if !state.rules.enabled {
            return Ok(());
        }
        tidy(&mut state.windows, now);
        let window = state
            .windows
            .entry((String::new(), name, major.to_owned()))
            .or_default();
        window.take(rate, now).map_err(|wait| limited(wait, "user"))
    }

    /// Counts against a limit of the resource itself, whoever uses it.
    pub fn shared(
        &self,
        name: &'static str,
        major: &str,
        rate: Rate,
        now: i64,
    ) -> Result<(), ApiError> {
        let taken = self.hidden(name, major, rate, now);
        taken.map_err(|e| limited(e.retry.map_or(1, |r| r.after_ms), "shared"))
    }

    /// Whether an address is blocked for too many invalid requests.
    pub fn blocked(&self, address: IpAddr, now: i64) -> bool {
        let state = self.state();
        let limit = state.rules.invalid.limit;
        state.rules.enabled
            && state
                .invalid
                .get(&address)
                .is_some_and(|w| w.is_live(now) && w.used(now) >= limit)
    }

    /// Notes an answer of 401, 403 or 429 (but not of a shared limit).
    pub fn note_invalid(&self, address: IpAddr, now: i64) {
        let mut state = self.state();
        let rate = state.rules.invalid;
        tidy(&mut state.invalid, now);
        // Over the limit the window simply stays full until it ends.
        let _ = state.invalid.entry(address).or_default().take(rate, now);
    }
}

fn limited(wait_ms: i64, scope: &'static str) -> ApiError {
    let message = if scope == "shared" {
        "The resource is being rate limited."
    } else {
        "You are being rate limited."
    };
    let retry = Retry {
        after_ms: wait_ms,
        global: scope == "global",
        scope,
    };
    ApiError {
        retry: Some(retry),
        ..ApiError::new(429, 0, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: Bucket = Bucket {
        name: "create_message",
        limit: 2,
        per_ms: 5000,
        major: Major::Channel,
    };

    #[test]
    fn a_window_starts_at_its_first_use_and_majors_count_apart() {
        let limits = Limits::default();
        let (stand, taken) = limits.take("bot", &B, "1", 1000);
        assert!(taken.is_ok());
        let stand = stand.unwrap();
        assert_eq!(
            (stand.limit, stand.remaining, stand.reset_after_ms),
            (2, 1, 5000)
        );
        assert!(limits.take("bot", &B, "1", 2000).1.is_ok());
        let error = limits.take("bot", &B, "1", 3000).1.unwrap_err();
        assert_eq!(
            error.json(),
            serde_json::json!(
            {"message": "You are being rate limited.", "retry_after": 3.0, "global": false})
        );
        assert!(limits.take("bot", &B, "2", 3000).1.is_ok());
        assert!(limits.take("bot", &B, "1", 6000).1.is_ok());
    }

    // Rate limits, "Top-level resources": `webhook_id + webhook_token`, whoever sends.
    #[test]
    fn everybody_who_knows_a_webhook_shares_its_limit() {
        let limits = Limits::default();
        let hook = Bucket {
            name: "execute_webhook",
            major: Major::Webhook,
            ..B
        };
        assert!(limits.take("127.0.0.1", &hook, "1/token", 0).1.is_ok());
        assert!(limits.take("bot 2", &hook, "1/token", 0).1.is_ok());
        assert!(limits.take("127.0.0.2", &hook, "1/token", 0).1.is_err());
        // Without the token it is managed, by each on their own.
        for caller in ["bot 1", "bot 2"] {
            assert!(limits.take(caller, &hook, "1/", 0).1.is_ok());
            assert!(limits.take(caller, &hook, "1/", 0).1.is_ok());
            assert!(limits.take(caller, &hook, "1/", 0).1.is_err());
        }
    }

    #[test]
    fn what_is_back_is_forgotten_when_there_is_much_of_it() {
        let limits = Limits::default();
        let rate = Rate::fixed(1, 1000);
        for n in 0..=MANY {
            let name = n.to_string();
            assert!(limits.global(&name, 0).is_ok());
            assert!(limits.hidden("some", &name, rate, 0).is_ok());
            let address = std::net::Ipv4Addr::from_bits(n as u32);
            limits.note_invalid(address.into(), 0);
        }
        let later = 600_000;
        assert!(limits.global("a", later).is_ok());
        assert!(limits.hidden("some", "a", rate, later).is_ok());
        limits.note_invalid([127, 0, 0, 1].into(), later);
        let state = limits.state();
        let left = [state.global.len(), state.windows.len(), state.invalid.len()];
        assert_eq!(left, [1, 1, 1]);
    }

    #[test]
    fn the_global_limit_is_per_caller() {
        let limits = Limits::default();
        for _ in 0..50 {
            assert!(limits.global("a", 0).is_ok());
        }
        assert!(limits.global("a", 999).unwrap_err().retry.unwrap().global);
        assert!(limits.global("b", 999).is_ok());
        assert!(limits.global("a", 1000).is_ok());
    }
}
