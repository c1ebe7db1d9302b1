//! The engines of all servers of this cluster, and the time they go by.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use splashtail_antinuke::{DAY, Incident, Input, Moment, Policy, Pulse, TagKey};
use splashtail_core::clock::SharedClock;
use splashtail_core::config::Config;
use splashtail_core::ids::GuildId;
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, Lane};
use splashtail_guild::{Id, Structure};
use splashtail_ipc::clients::JobserverClient;
use splashtail_storage::{Storage, StorageError};
use tokio::sync::{Notify, Semaphore};
use tracing::warn;

use super::alerts::Alerts;
use super::backup::Backups;
use super::own_calls::OwnCalls;
use super::policies::{StoredPolicies, Written};
use super::put_back::PutBacks;
use super::server::Server;
use crate::catalogue::Language;
use crate::guilds::GuildView;
use crate::inputs::{Hear, Kept};
use crate::server_language::ServerLanguages;

/// How long an event waits for what was written down about its server, once per process.
const LOADING: Duration = Duration::from_secs(2);

/// How long something to be told waits for the language it is told in.
const SAYING: Duration = Duration::from_secs(2);

/// No id of today is older; a pulse that saw none counts from nothing.
const TOLD: u64 = 5 * 365 * DAY;

/// Servers that are looked at the same time, for what no event tells of.
const LOOKS: usize = 2;

pub struct Protection {
    pub(super) clock: SharedClock,
    pub(super) storage: Storage,
    languages: ServerLanguages,
    policies: Arc<Kept<Written>>,
    pub(super) alerts: Alerts,
    pub(super) put_backs: PutBacks,
    pub(super) backups: Backups,
    /// Who the bot is, and what its marks are made with.
    identity: Result<(Id, TagKey), NoIdentity>,
    /// Through which everything is done to servers.
    pub(super) discord: Discord,
    own_calls: Arc<OwnCalls>,
    pulse: Mutex<Pulse>,
    servers: Mutex<HashMap<GuildId, Arc<Server>>>,
    /// The latest of each incident that is not written down yet.
    pub(super) unwritten: Mutex<BTreeMap<(GuildId, Id), Incident>>,
    /// Held by whoever writes.
    pub(super) writing: tokio::sync::Mutex<()>,
    /// Somebody changed the settings of a server.
    pub(super) news: Notify,
    /// Turns to look at what nothing tells of.
    pub(super) looks: Semaphore,
    /// There is something to write down at once.
    pub(super) urgent: Notify,
    /// How a server was is to be written down at once.
    pub(super) pinning: Notify,
}

/// Why this bot cannot judge anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentity {
    #[error("protection does not work: there is no bot token that says whose it is")]
    NoToken,
    #[error("protection does not work: `meta.jobserver_secrets` has no secret for `bot`")]
    NoSecret,
}

impl Protection {
    pub fn new(
        config: &Config,
        clock: SharedClock,
        storage: Storage,
        discord: &Discord,
        jobserver: JobserverClient,
        languages: ServerLanguages,
    ) -> Self {
        let identity = identify(config);
        if let Err(error) = &identity {
            warn!("{error}");
        }
        let own_calls = Arc::new(OwnCalls::new(Arc::clone(&clock)));
        discord.witnessed_by(Arc::clone(&own_calls) as _);
        Self {
            identity,
            own_calls,
            policies: Kept::new(StoredPolicies(storage.clone()), Arc::clone(&clock)),
            clock,
            storage,
            languages,
            alerts: Alerts::default(),
            put_backs: PutBacks::new(jobserver),
            backups: Backups::default(),
            discord: discord.in_lane(Lane::Containment),
            pulse: Mutex::default(),
            servers: Mutex::default(),
            unwritten: Mutex::default(),
            writing: <_>::default(),
            news: Notify::new(),
            looks: Semaphore::new(LOOKS),
            urgent: Notify::new(),
            pinning: Notify::new(),
        }
    }

    /// The language of what everybody in a server reads. A database that does not answer is not
    /// waited for.
    pub(super) async fn language(&self, server: &Server) -> Language {
        let set = self.languages.set_of(server.guild);
        match tokio::time::timeout(SAYING, set).await {
            Ok(Ok(Some(set))) => set,
            _ => server.read(|_, structure| self.language_known(server.guild, structure)),
        }
    }

    /// The same from memory.
    pub(super) fn language_known(&self, guild: GuildId, structure: &Structure) -> Language {
        let locale = structure.guild()["preferred_locale"].as_str();
        self.languages.of(guild, locale)
    }

    /// Why nothing can be judged, if so.
    pub fn broken(&self) -> Option<NoIdentity> {
        self.identity().err()
    }

    /// What holds in a server; `None` while it is not known.
    pub fn policy(&self, guild: GuildId) -> Option<Policy> {
        let server = self.server(guild)?;
        Some(server.read(|engine, _| Policy::clone(engine.policy())))
    }

    /// Whether it can judge anything.
    pub(super) fn identity(&self) -> Result<(), NoIdentity> {
        self.identity.as_ref().map(drop).map_err(|error| *error)
    }

    pub(super) fn tags(&self) -> Option<&TagKey> {
        self.identity.as_ref().ok().map(|(_, tags)| tags)
    }

    /// The present by Discord's clock.
    pub fn now(&self) -> Moment {
        self.lock_pulse().now(self.clock.monotonic())
    }

    /// The present, once an id of Discord's has told it.
    fn told(&self) -> Option<Moment> {
        Some(self.now()).filter(|now| now.0 > TOLD)
    }

    /// The present for what is only remembered: before Discord told its time, by our own clock.
    pub(super) fn dated(&self) -> Moment {
        if let Some(now) = self.told() {
            return now;
        }
        let ms = self.clock.now().timestamp_millis();
        Moment::from_unix_ms(u64::try_from(ms).unwrap_or_default())
    }

    pub(super) fn see(&self, id: Id) {
        self.lock_pulse().see(id, self.clock.monotonic());
    }

    pub(super) fn server(&self, guild: GuildId) -> Option<Arc<Server>> {
        self.lock_servers().get(&guild).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Server>> {
        self.lock_servers().values().cloned().collect()
    }

    pub(super) fn forget(&self, guild: GuildId) {
        self.lock_servers().remove(&guild);
    }

    /// The server's engine. A database that does not answer delays it once and no longer than
    /// [`LOADING`]; it then judges by the defaults until the database answers.
    pub(super) async fn load(self: &Arc<Self>, view: &GuildView) -> Option<Arc<Server>> {
        if let Some(known) = self.server(view.id()) {
            known.see(view);
            return Some(known);
        }
        let (me, tags) = self.identity.as_ref().ok()?;
        let server = Server::new(*me, view, tags.clone(), self.dated());
        self.refresh(&server).await;
        let mut servers = self.lock_servers();
        let server = servers.entry(view.id()).or_insert_with(|| Arc::new(server));
        server.see(view);
        let server = Arc::clone(server);
        tokio::spawn(Arc::clone(self).follow_again(Arc::clone(&server)));
        self.back_up_again(&server);
        Some(server)
    }

    /// Reads what is written down of a server; what is known stays when nothing is read.
    pub(super) async fn refresh(&self, server: &Server) {
        let guild = server.guild;
        let reading = async {
            let policy = self.policies.get(guild).await?;
            let state = match server.is_fresh() {
                true => self.storage.protections().state(guild).await?,
                false => None,
            };
            Ok::<_, StorageError>((policy, state))
        };
        match tokio::time::timeout(LOADING, reading).await {
            Ok(Ok((policy, state))) => {
                let before = server.alert_channel();
                server.learn(|| self.policies.as_read(guild).unwrap_or(policy), state);
                if before.is_some_and(|before| server.alert_channel() != Some(before)) {
                    self.tell_anew(server);
                }
                return;
            }
            Ok(Err(error)) => {
                warn!(guild.id = %guild, error = %Chain(&error), "what protection knew cannot be read");
            }
            Err(_) => {
                warn!(guild.id = %guild, "what protection knew cannot be read: the database is silent");
            }
        }
        server.is_unread(self.clock.monotonic());
    }

    /// Whether what is known of a server is to be read again, and may be.
    pub(super) fn is_unsure(&self, server: &Server, now: Duration) -> bool {
        let known = !server.is_cold() && self.policies.is_fresh(server.guild);
        !known && server.may_be_read(now)
    }

    /// Has the log read where something may have been missed.
    pub(super) fn catch_up(self: &Arc<Self>, server: &Arc<Server>) {
        if let Some(lost) = server.take_missed() {
            self.see(lost.id());
            self.tell(server, Input::Gap { lost });
        }
        self.go_back(server);
    }

    /// The same behind gaps, which wait until Discord's time is known: there is nothing to go back from
    /// before.
    pub(super) fn go_back(self: &Arc<Self>, server: &Arc<Server>) {
        if let Some(lost) = self.lost(server) {
            self.tell(server, Input::Gap { lost });
        }
    }

    /// Since when events of the server may be missing; once.
    pub(super) fn lost(&self, server: &Server) -> Option<Moment> {
        if !server.has_lost() {
            return None;
        }
        let now = self.told()?;
        let ago = server.take_lost(self.clock.monotonic())?;
        Some(now.minus(ago))
    }

    /// Tells the engine of a server and does what it wants done.
    pub(super) fn tell(self: &Arc<Self>, server: &Arc<Server>, input: Input<'_>) {
        // Where protection is off members are learnt, and people obeyed.
        if !server.judges() && !matches!(input, Input::Event { .. } | Input::Command(_)) {
            return;
        }
        let now = self.now();
        let effects = server.ask(|engine, structure| {
            if let Input::Entry { raw, .. } = input
                && let Some(own) = self.own_call(server, raw, now)
            {
                engine.decide(own, structure, now);
            }
            engine.decide(input, structure, now)
        });
        // Most events leave nothing behind that a restart would miss.
        let counted = matches!(
            input,
            Input::Entry { .. } | Input::Member { .. } | Input::Seen { .. } | Input::Command(_)
        );
        if counted || !effects.is_empty() {
            server.is_unsaved();
        }
        self.carry_out(server, effects);
    }

    /// The call of this process that an entry in the bot's name tells of.
    fn own_call(&self, server: &Server, entry: &Value, now: Moment) -> Option<Input<'static>> {
        let (me, _) = self.identity.as_ref().ok()?;
        Id::read(&entry["user_id"]).filter(|user| user == me)?;
        let action = u16::try_from(entry["action_type"].as_u64()?).ok()?;
        let age = Duration::from_millis(now.since(Moment::of(Id::of(entry)?)));
        let guild = Id::new(server.guild.get());
        let ago = self.own_calls.find(guild, entry, age)?;
        let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        Some(Input::OwnCall {
            action,
            target: Id::read(&entry["target_id"]),
            by: None,
            at: Some(now.minus(ago)),
        })
    }

    fn lock_pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_servers(&self) -> MutexGuard<'_, HashMap<GuildId, Arc<Server>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept hears of it before anybody looks whether it holds.
impl Hear for Protection {
    fn changed(&self, guild: GuildId, version: i64) {
        self.policies.changed(guild, version);
        self.read_soon(self.server(guild));
    }

    fn doubted(&self, guild: GuildId) {
        self.policies.doubted(guild);
        self.read_soon(self.server(guild));
    }

    fn all_changed(&self) {
        self.policies.all_changed();
        self.read_soon(self.all());
    }
}

impl Protection {
    fn read_soon(&self, servers: impl IntoIterator<Item = Arc<Server>>) {
        for server in servers {
            server.read_soon();
            self.news.notify_one();
        }
    }
}

/// Whoever has the token must not be able to make marks: they need another secret.
fn identify(config: &Config) -> Result<(Id, TagKey), NoIdentity> {
    let token = config.discord_auth.token.as_ref();
    let me = token.and_then(|token| own_id(token.expose_secret()));
    let me = me.ok_or(NoIdentity::NoToken)?;
    let secret = config.client_secret("bot");
    let tags = secret.and_then(|secret| TagKey::derived(secret.expose_secret().as_bytes()));
    Ok((me, tags.ok_or(NoIdentity::NoSecret)?))
}

/// A bot's token begins with its user's id, in Base64 (Discord's docs do not promise it; every
/// library relies on it).
fn own_id(token: &str) -> Option<Id> {
    let token = token.trim().strip_prefix("Bot ").unwrap_or(token.trim());
    let first = token.split('.').next()?.trim_end_matches('=');
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(first)
        .ok()?;
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_whose_it_is() {
        let me = Some(Id::new(1_100_000_000_000_000_001));
        let plain = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.sandbox.small";
        assert_eq!(own_id(plain), me);
        assert_eq!(own_id("Bot MTEwMDAwMDAwMDAwMDAwMDAwMQ==.x.y"), me);
        assert_eq!(own_id("nonsense"), None);
    }
}
