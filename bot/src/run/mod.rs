//! From a configuration to a running cluster, and back down.

mod background;
mod serve_iserver;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures_util::future::join_all;
use poise::serenity_prelude as serenity;
use secrecy::SecretString;
use serenity::Framework as _;
use splashtail_core::clock::{SharedClock, SystemClock};
use splashtail_core::config::{BusTarget, Config};
use splashtail_core::lifecycle::Lifecycle;
use splashtail_discord::Discord;
use splashtail_ipc::bus;
use splashtail_ipc::clients::JobserverClient;
use splashtail_ipc::http::{NotReady, Readiness};
use splashtail_ipc::launcher::GatewayRefusal;
use splashtail_ipc::signing::{Signer, tag};
use splashtail_storage::Storage;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::app::{App, Command, Data};
use crate::arguments::{Cluster, ShardPlan};
use crate::cluster::{ClusterState, Connection};
use crate::configuration::Configuration;
use crate::events::Router;
use crate::fleet_bus::FleetBus;
use crate::framework;
use crate::framework::gate::{Gate, StoredRows};
use crate::framework::tracked::Tracked;
use crate::gateway::{Ends, Floors, Pace, Parts, Relay, Shards, ShardsEnd};
use crate::inputs::{Changes, Kept};
use crate::modules::assemble::{Assembled, assemble};
use crate::modules::{Foundation, Whole};
use crate::orphan::{listens, orphan_timeout};
use crate::registration::{Registration, describe_commands};
use crate::server_language::ServerLanguages;
use crate::{discord_http, iserver, modules, presses};

/// Time that commands get to end after SIGTERM. The clusterer kills after 5 s.
const COMMAND_GRACE: Duration = Duration::from_millis(3000);
/// Time to close the gateway connections, and for modules to write down what they hold.
const CLOSE_GRACE: Duration = Duration::from_millis(1000);
const TASK_GRACE: Duration = Duration::from_millis(500);
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// What the process finds around itself besides config and arguments: values of environment
/// variables.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `REDIS_URL`: where the bus is; `unix:<path>` is the hub.
    pub bus_url: Option<String>,
    /// `CLUSTERER_ORPHAN_TIMEOUT`
    pub orphan_timeout: Option<String>,
    /// `IDENTIFY_NOT_BEFORE`: unix milliseconds.
    pub identify_not_before: Option<String>,
    /// `IDENTIFY_FLOORS`: the same by identify key, `key=ms,key=ms`.
    pub identify_floors: Option<String>,
    /// `CLUSTER_GATEWAY`: `max_concurrency` and the gateway's address, as the clusterer knows them.
    pub gateway: Option<String>,
    /// `CLUSTER_END_FILE`: where to say why Discord refused this cluster.
    pub end_file: Option<String>,
    /// `BOOTSTRAP_COMMANDS`
    pub bootstrap_commands: Option<String>,
    /// `REGISTER_COMMANDS`
    pub register_commands: Option<String>,
}

/// Discord refuses this bot as it is: connecting again is pointless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} (close {}): {}", .0.message(), .0.close_code(), .0.remedy())]
pub struct Refused(pub GatewayRefusal);

/// Runs the cluster until the shutdown.
///
/// # Errors
/// The configuration cannot work, the IServer's port stays busy, Discord refuses ([`Refused`]), the
/// connection ended for good, or no clusterer has been heard for too long.
pub async fn run(
    config: Config,
    plan: ShardPlan,
    surroundings: Surroundings,
    lifecycle: Lifecycle,
    clock: SharedClock,
) -> anyhow::Result<()> {
    let shutdown = lifecycle.shutdown();
    tokio::select! {
        biased;
        outcome = operate(config, plan, surroundings, &lifecycle, clock) => outcome?,
        // Whatever was being waited for while starting.
        () = started_or_stopped(&shutdown) => info!("stopped while starting"),
    }
    lifecycle.drain(TASK_GRACE).await;
    Ok(())
}

/// [`operate`] sees the shutdown itself once it runs and needs this long for an orderly end.
async fn started_or_stopped(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(COMMAND_GRACE + CLOSE_GRACE).await;
}

async fn operate(
    config: Config,
    plan: ShardPlan,
    surroundings: Surroundings,
    lifecycle: &Lifecycle,
    clock: SharedClock,
) -> anyhow::Result<()> {
    let shutdown = lifecycle.shutdown();
    let token = config.discord_auth.token.clone().context(
        "there is no bot token (`discord_auth.token`): set it, or run `splashtail up`, which \
         works without one",
    )?;
    let api = config.discord_api().clone();
    let http = discord_http::http(&api, &token);
    let gateway_http = discord_http::http(config.gateway_api(), &token);
    let discord = Discord::new(&api, &config.discord.cdn_base, &token, Arc::clone(&clock))
        .context("the client for Discord cannot be made")?
        .behind(config.meta.proxy.as_ref(), "bot");
    if discord_http::is_direct(&api) {
        info!("talking to Discord directly, without a proxy: meant for small installations");
    }
    let Some(cluster) = until(&shutdown, resolve(plan, &gateway_http, &clock))
        .await
        .transpose()?
    else {
        return Ok(());
    };
    info!(shards = ?cluster.shards, shard_count = cluster.shard_count, "starting cluster {}", cluster.label());

    let config = Arc::new(config);
    let state = Arc::new(ClusterState::new(cluster, Arc::clone(&clock)));
    let answers = iserver::Answers::default();
    let fleet = fleet_bus(&config, &state, &surroundings, &clock)?;
    let storage_slot = Arc::new(OnceLock::new());
    let readiness = readiness(fleet.as_ref(), Arc::clone(&storage_slot));
    lifecycle
        .tasks()
        .spawn(readiness.clone().watch(shutdown.clone()));
    serve_iserver::start(
        &config,
        &state,
        Arc::clone(&answers),
        readiness,
        lifecycle,
        &clock,
    )
    .await?;
    if let Some(fleet) = &fleet {
        let listening = Arc::clone(fleet).listen(shutdown.clone());
        lifecycle.tasks().spawn(listening);
    }

    let database = config.database();
    let opening = Storage::open_migrated(&database, &shutdown);
    let Some(storage) = until(&shutdown, opening).await.transpose()? else {
        return Ok(());
    };
    // Nobody else sets it.
    let _ = storage_slot.set(storage.clone());
    let bus = fleet.as_ref().map(|fleet| fleet.bus());
    let changes = Changes::new(bus, storage.clone(), Arc::clone(&clock));
    let languages = ServerLanguages::new(storage.clone(), &changes, Arc::clone(&clock));
    let foundation = Foundation {
        changes: Arc::clone(&changes),
        languages: languages.clone(),
        jobserver: jobserver_client(&config, &clock)?,
        config: Arc::clone(&config),
        clock: Arc::clone(&clock),
        storage: storage.clone(),
        discord: discord.clone(),
    };
    let modules = modules::all(&foundation);
    let Assembled {
        registry,
        commands,
        tasks,
        presses,
        guarded,
        guard,
        closing,
        services,
    } = assemble(&modules).context("the declaration of a module is wrong")?;
    let registry = Arc::new(registry);
    let rows = StoredRows {
        storage: storage.clone(),
        clock: Arc::clone(&clock),
    };
    let rows = Kept::new(rows, Arc::clone(&clock));
    changes.heard_by(Arc::clone(&rows) as _);
    let following = shutdown
        .clone()
        .run_until_cancelled_owned(Arc::clone(&changes).follow());
    lifecycle.tasks().spawn(following);
    let gate = Arc::new(Gate::new(Arc::clone(&registry), rows, &config));
    let configuration = Configuration::new(
        Arc::clone(&gate),
        storage.clone(),
        changes,
        Arc::clone(&state) as _,
        Arc::clone(&clock),
    );
    // Without one, weakening changes would be made on one person's word.
    let guard = guard.context("no module has changes agreed to")?;
    let configuration = configuration.guarded_by(guard);
    let registration = Registration::new(
        state.cluster.id,
        &config,
        &commands,
        surroundings.bootstrap_commands.as_deref(),
        surroundings.register_commands.as_deref(),
    );
    let app: Data = Arc::new(App {
        config,
        clock: Arc::clone(&clock),
        state: Arc::clone(&state),
        registry,
        gate,
        configuration,
        services,
        languages,
        described: describe_commands(&commands, None),
        shutdown: shutdown.clone(),
    });

    for module in &modules {
        module.begin(&Whole {
            app: &app,
            operations: &guarded,
        });
    }

    let answering = iserver::Answering {
        modules: serve_iserver::canonical_modules(&app.registry)?,
        checks: Arc::clone(&app) as _,
        settings: Arc::clone(&app) as _,
        incidents: Arc::clone(&app) as _,
        approvals: Arc::clone(&app) as _,
        guilds: Arc::clone(&app) as _,
        caches: Arc::clone(&app) as _,
    };
    // Nobody else sets it.
    let _ = answers.set(answering);

    let running = TaskTracker::new();
    let connecting = connect(
        &app,
        http,
        &gateway_http,
        discord,
        (commands, presses),
        running.clone(),
        &surroundings,
    );
    let Some(gateway) = until(&shutdown, connecting).await.transpose()? else {
        return Ok(());
    };
    let Gateway {
        shards,
        mut ends,
        refused,
        pace,
    } = gateway;
    background::start(&app, tasks, fleet.clone(), pace, registration, lifecycle);

    let orphaned = async {
        match (
            &fleet,
            orphan_timeout(surroundings.orphan_timeout.as_deref()),
        ) {
            (Some(fleet), Some(timeout)) => {
                let clusterer = app.config.clusterer_address();
                fleet.signs.orphaned(timeout, || listens(clusterer)).await
            }
            _ => std::future::pending().await,
        }
    };
    let starting = {
        let shards = shards.clone();
        async move { shards.start().await }
    };
    lifecycle
        .tasks()
        .spawn(shutdown.clone().run_until_cancelled_owned(starting));
    let outcome = tokio::select! {
        biased;
        refusal = refusal(refused) => {
            tell_clusterer(refusal, surroundings.end_file.as_deref());
            // A shard that Discord has closed spins when it is asked to close.
            shutdown.cancel();
            return Err(Refused(refusal).into());
        }
        () = shutdown.cancelled() => Ok(()),
        orphaned = orphaned => Err(orphaned.into()),
        ended = ends.first() => Err(match ended {
            Some(error) => anyhow!("the gateway ended the connection: {error}"),
            None => anyhow!("a shard ended"),
        }),
    };
    shutdown.cancel();
    running.close();
    if tokio::time::timeout(COMMAND_GRACE, running.wait())
        .await
        .is_err()
    {
        warn!(commands = running.len(), "commands were still running");
    }
    let (disconnected, closed) = tokio::join!(
        tokio::time::timeout(CLOSE_GRACE, shards.shut_down()),
        tokio::time::timeout(CLOSE_GRACE, join_all(closing)),
    );
    if disconnected.is_err() {
        warn!("the gateway connections were not closed in time");
    }
    if closed.is_err() {
        warn!("not everything was written down in time");
    }
    outcome
}

/// Resolves when Discord has refused.
async fn refusal(mut refused: Ends) -> GatewayRefusal {
    match refused
        .wait_for(Option::is_some)
        .await
        .map(|refused| *refused)
    {
        Ok(Some(refusal)) => refusal,
        // The relay went away with the shutdown.
        _ => std::future::pending().await,
    }
}

/// The exit status is not there for a clusterer that adopted this process.
fn tell_clusterer(refusal: GatewayRefusal, end_file: Option<&str>) {
    if let Some(path) = end_file.filter(|path| !path.is_empty())
        && let Err(error) = refusal.write(Path::new(path))
    {
        warn!(%error, "cannot write down why this cluster ends");
    }
}

/// `None` when the shutdown came first.
async fn until<T>(shutdown: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = shutdown.cancelled() => None,
        done = work => Some(done),
    }
}

async fn resolve(
    plan: ShardPlan,
    http: &serenity::Http,
    clock: &SharedClock,
) -> anyhow::Result<Cluster> {
    match plan {
        ShardPlan::Fixed(cluster) => Ok(cluster),
        ShardPlan::Auto => {
            let gateway = discord_http::gateway(http, clock.as_ref()).await?;
            let count = u16::try_from(gateway.shards)
                .context("Discord recommends more shards than there can be")?;
            Ok(Cluster::alone(count))
        }
    }
}

/// `None` without a clusterer.
fn fleet_bus(
    config: &Config,
    state: &Arc<ClusterState>,
    surroundings: &Surroundings,
    clock: &SharedClock,
) -> anyhow::Result<Option<Arc<FleetBus>>> {
    let Some(channel) = state.cluster.channel.clone() else {
        info!("no bus channel: running without a clusterer");
        return Ok(None);
    };
    let target: BusTarget = match surroundings.bus_url.as_deref() {
        None | Some("") => config.bot_bus(),
        Some(url) => bus::target_from_url(url),
    };
    let bus = bus::connect(&target, &channel)
        .context("the address of the bus is wrong (`REDIS_URL`, `meta.bot_redis_url`)")?;
    let fleet = FleetBus::new(bus, Arc::clone(state), channel, Arc::clone(clock));
    Ok(Some(fleet))
}

/// What the cluster needs besides its shards.
fn readiness(fleet: Option<&Arc<FleetBus>>, storage: Arc<OnceLock<Storage>>) -> Readiness {
    let readiness = Readiness::new(SystemClock::shared()).require("database", move || {
        let storage = storage.get().cloned();
        async move {
            let storage = storage.ok_or(NotReady::new("the database is not reached yet"))?;
            let answer = storage.ping().await;
            answer.map_err(|error| NotReady::because("the database does not answer", error))
        }
    });
    let Some(fleet) = fleet.cloned() else {
        return readiness;
    };
    readiness.require("bus", move || {
        let fleet = Arc::clone(&fleet);
        async move { Ok(fleet.check().await?) }
    })
}

fn jobserver_client(config: &Config, clock: &SharedClock) -> anyhow::Result<JobserverClient> {
    const CLIENT: &str = "bot";
    let secret: SecretString = config.client_secret(CLIENT).cloned().with_context(|| {
        format!("`meta.jobserver_secrets` has no `{CLIENT}`: the jobserver would refuse every job")
    })?;
    let signer = Signer::new(CLIENT, secret, tag::JOBSERVER, Arc::clone(clock));
    JobserverClient::new(config.meta.jobserver_urls.clone(), &signer)
        .context("cannot make calls to the jobserver")
}

/// The clusterer asks Discord for all clusters; a limit on that must not keep them from starting.
fn known_gateway(text: &str) -> Option<(u16, String)> {
    let (limit, address) = text.trim().split_once(' ')?;
    Some((limit.parse().ok()?, address.to_owned()))
}

/// What is known about servers comes from [`Guilds`](crate::guilds::Guilds): serenity keeps nothing but
/// the bot's own user, which poise asks for.
fn nothing_cached() -> serenity::cache::Settings {
    let mut settings = serenity::cache::Settings::default();
    settings.max_messages = 0;
    settings.cache_guilds = false;
    settings.cache_channels = false;
    settings.cache_users = false;
    settings
}

/// What [`connect`] builds.
struct Gateway {
    shards: Shards,
    ends: ShardsEnd,
    refused: Ends,
    pace: Arc<Pace>,
}

/// Builds the shards and points them, through the relay, at the gateway that the configured API
/// names.
async fn connect(
    app: &Data,
    http: serenity::Http,
    gateway_http: &serenity::Http,
    discord: Discord,
    (commands, presses): (Vec<Command>, presses::Declared),
    running: TaskTracker,
    surroundings: &Surroundings,
) -> anyhow::Result<Gateway> {
    let known = surroundings.gateway.as_deref().and_then(known_gateway);
    let (limit, address) = match known {
        Some(known) => known,
        None => {
            let gateway = discord_http::gateway(gateway_http, app.clock.as_ref()).await?;
            let limit = gateway.session_start_limit.max_concurrency;
            (u16::try_from(limit).unwrap_or(u16::MAX), gateway.url)
        }
    };
    let cluster = &app.state.cluster;
    let floors = Floors::read(
        surroundings.identify_floors.as_deref(),
        surroundings.identify_not_before.as_deref(),
    );
    let pace = Arc::new(Pace::new(
        &cluster.shards,
        limit,
        &floors,
        Arc::clone(&app.clock),
    ));
    // What is heard of when the process stops ends with the commands.
    let router = Router::start(
        app.registry.listeners(),
        Arc::clone(&app.gate) as _,
        Arc::clone(&app.state.guilds),
        Arc::clone(&app.clock),
        &running,
        &app.shutdown,
    );
    router.answered_by(presses::Desk::new(
        Arc::clone(app),
        presses,
        discord.clone(),
        running.clone(),
    ));
    let relay = Relay::start(
        &address,
        Arc::clone(&pace),
        router,
        Arc::clone(&app.clock),
        app.shutdown.clone(),
    )
    .await?;
    let framework = framework::build(Arc::clone(app), commands);
    let mut framework = Tracked::new(framework, Arc::clone(app), running);
    let intents = app.registry.intents();
    // The client's own manager stays without shards.
    let client = serenity::ClientBuilder::new_with_http(http, intents)
        .cache_settings(nothing_cached())
        .await
        .context("the Discord client cannot be built")?;
    framework.init(&client).await;
    let parts = Parts {
        framework: Arc::new(framework),
        intents,
        cache: Arc::clone(&client.cache),
        http: Arc::clone(&client.http),
    };
    let (shards, ends) = Shards::new(
        &cluster.shards,
        cluster.shard_count,
        &parts,
        &relay,
        Arc::clone(&pace),
        Arc::clone(&app.clock),
    );
    app.state.connect(Connection {
        clock: Arc::clone(&app.clock),
        guilds: Arc::clone(&app.state.guilds),
        http: parts.http,
        discord,
        shards: shards.clone(),
    });
    Ok(Gateway {
        shards,
        ends,
        refused: relay.refused(),
        pace,
    })
}
