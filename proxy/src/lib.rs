//! The proxy between the platform and Discord. It holds the bot's gateway sessions, so that the bot
//! restarts without Discord noticing and several programs share one session.
//!
//! It understands no more of an event than routing, caching and replay need, and passes on what it
//! does not understand as it came. It needs no database and no bus.

pub mod gateway;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use splashtail_api_types::clusters::GatewayBot;
use splashtail_core::clock::{SharedClock, SystemClock};
use splashtail_core::config::{Config, without_slash};
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::telemetry::Chain;
use splashtail_core::{listen, meters};
use splashtail_discord::Discord;
use splashtail_ipc::http::serve;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use gateway::{Gateway, Settings};

/// Between two snapshots of the sessions.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// A session that is new is kept sooner: to lose it would cost an identify.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// For clients to take their leave, and for the rest of the end.
const LEAVE: Duration = Duration::from_millis(1500);
const DRAIN: Duration = Duration::from_secs(3);

/// Runs until the lifecycle's shutdown.
///
/// # Errors
/// A busy port, or a token that Discord refuses.
pub async fn run(config: Config, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let address = config.gateway_proxy_address();
    let listener = listen::listener(0, address, "simple_gateway_proxy.port")?;
    serve_on(listener, &config, lifecycle, SystemClock::shared()).await
}

/// [`run`] on a given listener and clock.
///
/// # Errors
/// A token that Discord refuses.
pub async fn serve_on(
    listener: TcpListener,
    config: &Config,
    lifecycle: &Lifecycle,
    clock: SharedClock,
) -> anyhow::Result<()> {
    meters::install();
    let settings = settings(config)?;
    let discord = Discord::new(
        config.discord_api(),
        &config.discord.cdn_base,
        &settings.token,
        Arc::clone(&clock),
    )
    .context("discord_auth.token cannot be used")?;
    let gateway = Gateway::new(settings, Arc::clone(&clock));
    let readiness = gateway::http::readiness(&gateway);
    let shutdown = lifecycle.shutdown();
    let tasks = lifecycle.tasks();
    tasks.spawn(readiness.clone().watch(shutdown.clone()));
    let router = gateway::http::router(&gateway, readiness);
    let server = tasks.spawn(serve(listener, router, shutdown.clone()));

    let bot = gateway_bot(&discord, &clock);
    let Some(bot) = shutdown.run_until_cancelled(bot).await.transpose()? else {
        server.await.context("the HTTP server panicked")??;
        return Ok(());
    };
    gateway.set_up(&bot)?;
    let upstream = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&gateway).run(upstream.clone()));
    lifecycle.notify_ready();
    info!(shards = gateway.shards().len(), "the gateway proxy serves");
    let saving = async {
        let (mut kept, mut at) = (gateway.epochs(), clock.monotonic());
        loop {
            clock.sleep(LOOK_EVERY).await;
            let epochs = gateway.epochs();
            if epochs != kept || clock.monotonic().saturating_sub(at) >= SAVE_EVERY {
                save(&gateway, false).await;
                (kept, at) = (epochs, clock.monotonic());
            }
        }
    };
    shutdown.run_until_cancelled(saving).await;

    // Clients first: what comes from Discord meanwhile waits for them in the log.
    gateway.drain.cancel();
    gateway.tasks.close();
    if tokio::time::timeout(LEAVE, gateway.tasks.wait())
        .await
        .is_err()
    {
        warn!("some clients did not leave in time");
    }
    upstream.cancel();
    running.await.context("the shards panicked")?;
    save(&gateway, true).await;
    server.await.context("the HTTP server panicked")??;
    lifecycle.drain(DRAIN).await;
    Ok(())
}

fn settings(config: &Config) -> anyhow::Result<Settings> {
    let token = config.discord_auth.token.clone();
    let small = |value: u64| u16::try_from(value).unwrap_or(u16::MAX);
    let proxy = &config.proxy;
    let address = without_slash(&config.simple_gateway_proxy.url);
    Ok(Settings {
        token: token.context("discord_auth.token is missing")?,
        intents: proxy.intents,
        shards: small(proxy.shards),
        client_shards: small(proxy.client_shards),
        address: address.replacen("http", "ws", 1),
        heartbeat_ms: 41_250,
        // discord.py takes an answer that comes at once for one that is 41 s late.
        ack_delay_ms: 10,
        resume_window: Duration::from_secs(proxy.resume_window),
        replay_bytes: proxy.replay_mb << 20,
        client_queue: proxy.client_queue_mb << 20,
        admin_secret: proxy.admin_secret.clone(),
        state_dir: Some(config.data_dir.join("proxy")),
    })
}

/// Asks until Discord answers; only a refused token ends it.
async fn gateway_bot(discord: &Discord, clock: &SharedClock) -> anyhow::Result<GatewayBot> {
    let mut pause = FIRST_PAUSE;
    loop {
        let problem = match discord.get("/gateway/bot").send().await {
            Ok(answer) => match serde_json::from_value(answer) {
                Ok(bot) => return Ok(bot),
                Err(error) => error.to_string(),
            },
            Err(error) if error.is_unauthorized() => {
                bail!("Discord refused the bot token (`discord_auth.token`)")
            }
            Err(error) => Chain(&error).to_string(),
        };
        warn!(error = problem, "Discord does not say where its gateway is");
        clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn save(gateway: &Arc<Gateway>, last: bool) {
    let gateway = Arc::clone(gateway);
    let saving = tokio::task::spawn_blocking(move || gateway.save(last));
    if let Err(error) = saving.await {
        warn!(%error, "the gateway sessions cannot be kept on disk");
    }
}
