//! The jobserver: runs long work durably, on the request of signed callers.
//!
//! It trusts no caller, keeps no state of its own (tasks are in the database, bytes in the object
//! storage) and may be killed at any instant: another one, or the next start, goes on at the first
//! step that was not recorded.

pub mod api;
pub mod backup;
mod brought;
mod carry_out;
mod compare;
mod due;
mod fields;
mod gitlogs;
mod guarded;
mod lines;
pub mod local;
mod look;
mod mass_ban;
mod metrics;
mod named;
pub mod objects;
mod packed;
mod parts;
pub mod prune;
mod rejoin;
mod request;
pub mod restore;
mod revert;
mod sweep;
mod templates;
mod urgency;
mod webhooks;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use splashtail_antinuke::TagKey;
use splashtail_core::clock::{SharedClock, SystemClock};
use splashtail_core::config::{Config, Plan};
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::listen;
use splashtail_discord::{Application, Discord};
use splashtail_ipc::cache::{self, Cache};
use splashtail_ipc::http::{NotReady, Readiness, serve};
use splashtail_ipc::signing::{ReplayCache, SignatureGate, Verifier, tag};
use splashtail_jobs::{DataKey, Engine, EngineBuilder};
use splashtail_storage::Storage;
use tracing::info;

use api::{App, Ready};
use backup::CreateBackup;
use brought::BroughtBackup;
use gitlogs::Gitlogs;
use guarded::GuardedServers;
use mass_ban::MassBan;
use objects::Objects;
use prune::MessagePrune;
use rejoin::{Grants, RejoinMembers};
use restore::RestoreBackup;
use revert::RevertIncident;
use sweep::{Look, Sweep};
use urgency::Urgency;
use webhooks::Webhooks;

/// Steps under way have three seconds to end, then their jobs are handed back.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs until the lifecycle's shutdown.
///
/// # Errors
/// A busy port, or configuration that cannot work.
pub async fn run(config: Config, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let listener = listen::listener(0, config.jobserver_address(), "meta.jobserver_port")?;
    serve_on(listener, config, lifecycle, SystemClock::shared()).await
}

/// [`run`] on a given listener and clock.
///
/// # Errors
/// Configuration that cannot work.
pub async fn serve_on(
    listener: TcpListener,
    config: Config,
    lifecycle: &Lifecycle,
    clock: SharedClock,
) -> anyhow::Result<()> {
    let token = config
        .discord_auth
        .token
        .as_ref()
        .context("discord_auth.token is missing")?;
    let discord = Discord::new(
        config.discord_api(),
        &config.discord.cdn_base,
        token,
        clock.clone(),
    )
    .context("discord_auth.token cannot be used")?
    .behind(config.meta.proxy.as_ref(), "jobserver");
    let data_key = data_key(config.meta.data_key.as_ref())?;
    let objects = Objects::open(&config.object_storage)?;
    // Files in here have no name; what a killed process leaves is gone with it.
    let temporary = config.data_dir.join("tmp");
    prepare_directory(&temporary)?;
    let unreported = config.data_dir.join("jobserver");
    prepare_directory(&unreported)?;

    let shutdown = lifecycle.shutdown();
    let cache =
        cache::connect(&config.bus(), clock.clone()).context("meta.redis_url cannot be used")?;
    let replays = ReplayCache::new(Arc::clone(&cache));
    let secrets = config.meta.jobserver_secrets.clone();
    let verifier = Verifier::new(
        secrets,
        tag::JOBSERVER,
        config.meta.plain_client_secret,
        clock.clone(),
    )
    .with_replay_cache(replays);
    let gate = SignatureGate::new(verifier, &api::CLIENTS, api::BODY_LIMIT);
    let app = App::new(clock.clone(), shutdown.clone());
    let address = listener.local_addr()?;
    let readiness = readiness(&app, cache, &objects);
    lifecycle
        .tasks()
        .spawn(readiness.clone().watch(shutdown.clone()));
    let router = api::router(app.clone(), gate, readiness.clone());
    let server = serve(listener, router, shutdown.clone());
    // The predecessor of a reload answers until this process can.
    let turn = lifecycle.turn();
    let server = lifecycle.tasks().spawn(async move {
        turn.await;
        server.await
    });

    let storage = match Storage::open_migrated(&config.database(), &shutdown).await {
        Ok(storage) => storage,
        Err(splashtail_storage::StorageError::Stopped) => return stop(lifecycle, server).await,
        Err(error) => return Err(error).context("the database cannot be used"),
    };
    let look = Look {
        objects: objects.clone(),
        storage: storage.clone(),
        clock: clock.clone(),
    };
    let sweep = Sweep::new(look, lifecycle.tasks().clone(), shutdown.clone());
    let secret = config.client_secret("bot");
    let workshop = Workshop {
        discord,
        objects: objects.clone(),
        storage: storage.clone(),
        clock: clock.clone(),
        key: data_key.clone(),
        application: application(&config),
        plan: config.plans.free.clone(),
        temporary: temporary.clone(),
        marks: secret.and_then(|secret| TagKey::derived(secret.expose_secret().as_bytes())),
        operator: false,
    };
    let grants = workshop.grants();
    let revoking = grants.clone().revoke_all(shutdown.clone());
    lifecycle.tasks().spawn(revoking);
    let webhooks = Webhooks::new(
        &config,
        storage.clone(),
        clock.clone(),
        data_key.clone(),
        &workshop.discord,
    )?;
    lifecycle.tasks().spawn(webhooks.run(shutdown.clone()));
    let gitlogs = Gitlogs::new(storage.clone(), clock.clone(), &workshop.discord);
    lifecycle.tasks().spawn(gitlogs.run(shutdown.clone()));
    let engine = workshop
        .register(Engine::builder(storage.clone(), clock, data_key))
        .sweep(sweep)
        .guard(GuardedServers(storage.clone()))
        .keep(keep(config.jobs.keep_days))
        .unreported(unreported)
        .capacity(u32::try_from(config.jobs.capacity).unwrap_or(u32::MAX))
        .build();
    let (runner, stopped) = (engine.clone(), shutdown.clone());
    lifecycle
        .tasks()
        .spawn(async move { runner.run(stopped).await });
    // Set once: this function runs once per `App`.
    let _ = app.ready.set(Ready {
        engine,
        storage,
        objects,
        grants,
        temporary,
    });
    // What it needs, the bucket above all, is tried before it takes its predecessor's place.
    if readiness.is_complete(&shutdown).await {
        lifecycle.notify_ready();
        info!(%address, "the jobserver is ready");
    }
    shutdown.cancelled().await;
    stop(lifecycle, server).await
}

/// What all kinds of jobs work with.
struct Workshop {
    discord: Discord,
    objects: Objects,
    storage: Storage,
    clock: SharedClock,
    /// Seals what people consented to.
    key: DataKey,
    application: Option<Application>,
    plan: Plan,
    /// Where files are put together.
    temporary: PathBuf,
    /// By which the bot knows what jobs do.
    marks: Option<TagKey>,
    /// Orders come from whoever has the bot's token.
    operator: bool,
}

impl Workshop {
    fn grants(&self) -> Grants {
        Grants {
            storage: self.storage.clone(),
            discord: self.discord.in_lane(RejoinMembers::URGENCY.lane),
            key: self.key.clone(),
            application: self.application.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Every kind of job that there is.
    fn register(self, engine: EngineBuilder) -> EngineBuilder {
        let grants = self.grants();
        let Self {
            discord,
            objects,
            storage,
            clock,
            key: _,
            application: _,
            plan,
            temporary,
            marks,
            operator,
        } = self;
        let lane = |urgency: Urgency| discord.in_lane(urgency.lane);
        let backup = CreateBackup::new(
            lane(CreateBackup::URGENCY),
            objects.clone(),
            storage.clone(),
            plan,
            clock.clone(),
            temporary,
        );
        engine
            .register(backup.clone())
            .register(BroughtBackup {
                objects: objects.clone(),
            })
            .register(MessagePrune {
                discord: lane(MessagePrune::URGENCY),
                objects: objects.clone(),
                clock: clock.clone(),
                marks: marks.clone(),
            })
            .register(MassBan {
                discord: lane(MassBan::URGENCY),
                objects: objects.clone(),
                storage: storage.clone(),
                clock: clock.clone(),
                marks: marks.clone(),
            })
            .register(RejoinMembers {
                grants,
                objects: objects.clone(),
                marks: marks.clone(),
            })
            .register(RevertIncident {
                discord: lane(RevertIncident::URGENCY),
                objects: objects.clone(),
                storage: storage.clone(),
                clock: clock.clone(),
                backup: backup.clone(),
                marks: marks.clone(),
            })
            .register(RestoreBackup {
                discord: lane(RestoreBackup::URGENCY),
                objects,
                storage,
                clock,
                backup,
                marks,
                operator,
            })
    }
}

/// Without one of these no call can be answered or no job go on.
fn readiness(app: &App, cache: Arc<dyn Cache>, objects: &Objects) -> Readiness {
    let (ready, objects) = (Arc::clone(&app.ready), objects.clone());
    // Of the real time also where the jobs' is a test's: what is asked lives by it.
    Readiness::new(SystemClock::shared())
        .require("database", move || {
            let ready = Arc::clone(&ready);
            async move {
                let ready = ready.get();
                let ready = ready.ok_or(NotReady::new("the jobserver is starting"))?;
                let answer = ready.storage.ping().await;
                answer.map_err(|error| NotReady::because("the database does not answer", error))
            }
        })
        .require("cache", move || {
            let cache = Arc::clone(&cache);
            async move { Ok(cache.check().await?) }
        })
        .require("object_storage", move || {
            let objects = objects.clone();
            async move { objects.check().await }
        })
}

async fn stop(
    lifecycle: &Lifecycle,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
) -> anyhow::Result<()> {
    lifecycle.drain(DRAIN).await;
    if server.is_finished() {
        server
            .await
            .context("the server ended early")?
            .context("the server failed")?;
    }
    Ok(())
}

fn keep(days: u64) -> Option<Duration> {
    // So many that no calendar has them is for ever, too.
    (1..=100_000)
        .contains(&days)
        .then(|| Duration::from_secs(days * 24 * 60 * 60))
}

/// What people's consents are renewed with.
fn application(config: &Config) -> Option<Application> {
    let auth = &config.discord_auth;
    let secret = auth.client_secret.clone()?;
    Some(Application::new(auth.client_id?, secret))
}

fn data_key(key: Option<&SecretString>) -> anyhow::Result<DataKey> {
    let key = key.context(
        "meta.data_key is missing: set it to 32 random bytes in base64 (`openssl rand -base64 32`)",
    )?;
    Ok(DataKey::parse(key)?)
}

fn prepare_directory(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path)
        .with_context(|| format!("data_dir: cannot create {}", path.display()))
}
