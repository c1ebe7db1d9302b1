//! How long another bot waits for small answers while a large payload is made: one request after
//! the other, from a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use splashtail_sandbox::control::types::{ClockChange, NewApp};
use splashtail_sandbox_world::seed::{big::BIG_GUILD, many::MANY_GUILDS};

use crate::events::Client;
use crate::process::Sandbox;
use crate::rest::{Call, connect, send_as};
use crate::table::Row;

/// How often the payload is made.
const ROUNDS: usize = 5;
/// Requests that make a percentile worth telling.
const ENOUGH: usize = 300;

/// Asks until it is told to stop.
struct Other {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Duration>>>,
}

impl Other {
    fn start(port: u16, token: String) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let seen = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let call = Call::get("/users/@me".to_owned());
                let mut connection = connect(port).await?;
                let mut waits = Vec::new();
                while !seen.load(Ordering::Acquire) {
                    let begun = Instant::now();
                    send_as(&mut connection, &token, "/api/v10", &call, 0).await?;
                    waits.push(begun.elapsed());
                }
                Ok(waits)
            })
        });
        Self { stop, thread }
    }

    fn end(self) -> Result<Vec<Duration>> {
        self.stop.store(true, Ordering::Release);
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("the other bot failed"))?
    }
}

async fn other_bot(sandbox: &Sandbox) -> Result<String> {
    let app = NewApp {
        guilds: vec![BIG_GUILD.to_string()],
        ..NewApp::default()
    };
    Ok(sandbox.control.create_app(&app).await?.token)
}

async fn pass(sandbox: &Sandbox, ms: u64) -> Result<()> {
    let change = ClockChange {
        advance_ms: Some(ms),
        ..ClockChange::default()
    };
    sandbox.control.clock(&change).await?;
    Ok(())
}

fn row(what: &str, mut waits: Vec<Duration>) -> Result<Row> {
    ensure!(waits.len() >= ENOUGH, "only {} requests", waits.len());
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    let ms = |wait: Duration| format!("{:.1} ms", wait.as_secs_f64() * 1000.0);
    let longest = *waits.last().context("no request")?;
    let row = Row {
        what: format!("another bot's request during {what}"),
        rate: format!("p50 {}, p99 {}", ms(at(0.5)), ms(at(0.99))),
        per_core: format!("longest {}", ms(longest)),
        bytes: String::new(),
        peer: format!("{} requests", waits.len()),
        budget: "p99 20 ms",
    };
    eprintln!("{}: {}, {}", row.what, row.rate, row.per_core);
    Ok(row)
}

pub async fn measure(rows: &mut Vec<Row>) -> Result<()> {
    let sandbox = Sandbox::start("many").await?;
    let token = other_bot(&sandbox).await?;
    let mut waits = Vec::new();
    for _ in 0..ROUNDS {
        let other = Other::start(sandbox.rest, token.clone());
        let mut client = Client::identified(sandbox.gateway, "", 0).await?;
        for _ in 0..MANY_GUILDS {
            client.skip_to("GUILD_CREATE").await?;
        }
        waits.extend(other.end()?);
        pass(&sandbox, 5_000).await?;
    }
    rows.push(row("an identify with 2,500 guilds", waits)?);
    drop(sandbox);

    let sandbox = Sandbox::start("big").await?;
    let token = other_bot(&sandbox).await?;
    let mut waits = Vec::new();
    let guild = BIG_GUILD.to_string();
    for _ in 0..ROUNDS {
        // The client's first sight of the guild is part of it.
        let other = Other::start(sandbox.rest, token.clone());
        let mut client = Client::identified(sandbox.gateway, "", 1).await?;
        client.ask_for_everyone(&guild).await?;
        loop {
            let chunk = client.until("GUILD_MEMBERS_CHUNK").await?;
            let (index, count) = (&chunk["d"]["chunk_index"], &chunk["d"]["chunk_count"]);
            if index.as_u64().map(|n| n + 1) == count.as_u64() {
                break;
            }
        }
        waits.extend(other.end()?);
        pass(&sandbox, 31_000).await?;
    }
    rows.push(row("a request for 50,000 members", waits)?);
    Ok(())
}
