//! The proxy between the platform and Discord. It holds the bot's gateway sessions, so that the bot
//! restarts without Discord noticing and several programs share one session; and calls to Discord's
//! REST API stand in line here, so that all programs together keep its limits.
//!
//! It understands no more of an event than routing, caching and replay need, and passes on what it
//! does not understand as it came. It needs no database and no bus.

mod descriptors;
pub mod gateway;
pub mod rest;

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
use splashtail_discord::{Discord, proxied};
use splashtail_ipc::http::{Capacity, Refusal, ServeOptions, serve, serve_with};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use gateway::{Gateway, Settings};
use rest::Rest;

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
    let listeners = Listeners {
        gateway: listen::listener(0, address, "simple_gateway_proxy.port")?,
        rest: listen::listener(1, config.rest_proxy_address(), "proxy.rest_port")?,
    };
    serve_on(listeners, &config, lifecycle, SystemClock::shared()).await
}

/// Where programs come to, in the order in which they are handed over.
#[derive(Debug)]
pub struct Listeners {
    pub gateway: TcpListener,
    pub rest: TcpListener,
}

/// [`run`] on given listeners and clock.
///
/// # Errors
/// A token that Discord refuses.
pub async fn serve_on(
    listeners: Listeners,
    config: &Config,
    lifecycle: &Lifecycle,
    clock: SharedClock,
) -> anyhow::Result<()> {
    meters::install();
    let settings = settings(config)?;
    // Not by way of ourselves.
    let discord = Discord::new(
        &config.discord.api_base,
        &config.discord.cdn_base,
        &settings.token,
        Arc::clone(&clock),
    )
    .context("discord_auth.token cannot be used")?;
    let tasks = lifecycle.tasks();
    let rest = Rest::new(rest_settings(config)?, Arc::clone(&clock), tasks.clone())?;
    let gateway = Gateway::new(settings, Arc::clone(&clock));
    // Nobody has set it before.
    let _ = gateway.rest.set(Arc::clone(&rest));
    let readiness = gateway::http::readiness(&gateway);
    let shutdown = lifecycle.shutdown();
    tasks.spawn(readiness.clone().watch(shutdown.clone()));
    let router = gateway::http::router(&gateway, readiness);
    let server = tasks.spawn(serve(listeners.gateway, router, shutdown.clone()));
    let calls = tasks.spawn(serve_with(
        listeners.rest,
        rest.router(&gateway),
        shutdown.clone(),
        crowded(descriptors::raise()),
    ));
    let (ends, end) = (gateway.ends.clone(), shutdown.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = ends.cancelled() => end.cancel(),
            () = end.cancelled() => {}
        }
    });
    let (stopping, stopped) = (rest.stopping.clone(), shutdown.clone());
    tasks.spawn(async move {
        stopped.cancelled().await;
        stopping.cancel();
    });

    let bot = gateway_bot(&discord, &clock);
    let Some(bot) = shutdown.run_until_cancelled(bot).await.transpose()? else {
        server.await.context("the HTTP server panicked")??;
        calls.await.context("the REST proxy panicked")??;
        return Ok(());
    };
    gateway.set_up(&bot)?;
    let upstream = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&gateway).run(upstream.clone()));
    lifecycle.notify_ready();
    info!(shards = gateway.shards().len(), "the proxy serves");
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
    let resharding = async {
        loop {
            let wanted = gateway.wished().await;
            let outcome = match gateway_bot(&discord, &clock).await {
                Ok(bot) => gateway.reshard(Some(wanted), &bot).await,
                Err(error) => {
                    warn!("no other number of shards: {error:#}");
                    continue;
                }
            };
            match outcome {
                Ok(shards) => info!(shards, "there is another number of shards"),
                Err(error) => warn!(error = %Chain(&error), "no other number of shards"),
            }
        }
    };
    let working = async { tokio::join!(saving, resharding) };
    shutdown.run_until_cancelled(working).await;

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
    calls.await.context("the REST proxy panicked")??;
    lifecycle.drain(DRAIN).await;
    Ok(())
}

/// Calls that wait have a connection each, and one more to Discord when their turn comes.
fn crowded(descriptors: u64) -> ServeOptions {
    let total = usize::try_from(descriptors / 3).unwrap_or(usize::MAX);
    ServeOptions {
        // HTTP clients give a connection up that was idle for 90 s. They should be the ones: a call that
        // meets one that ends has an outcome that nobody knows.
        header_timeout: Duration::from_secs(120),
        capacity: Capacity {
            total: total.clamp(256, 16_384),
            ..Capacity::default()
        },
        refusal: Refusal::ForDiscord {
            header: proxied::GENERATED,
        },
        ..ServeOptions::default()
    }
}

fn rest_settings(config: &Config) -> anyhow::Result<rest::Settings> {
    let token = config.discord_auth.token.clone();
    let per_second = match config.proxy.global_limit {
        0 => rest::USUAL_LIMIT,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    Ok(rest::Settings {
        api: config.discord.api_base.clone(),
        token: token.context("discord_auth.token is missing")?,
        per_second,
        secret: config.proxy.admin_secret.clone(),
        state_dir: Some(config.data_dir.join("proxy")),
    })
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
        voice_leave: proxy.voice_leave,
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
    let saving = tokio::task::spawn_blocking(move || {
        gateway.save(last);
        if let Some(rest) = gateway.rest.get() {
            rest.save();
        }
    });
    if let Err(error) = saving.await {
        warn!(%error, "the proxy's state cannot be kept on disk");
    }
}
