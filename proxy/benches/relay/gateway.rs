//! Events.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::discord::Discord;
use crate::process::Proxy;
use crate::{TOKEN, micros, millis, per_mille, ratio, relay};

const GUILDS: usize = 2_000;
const BYTES: usize = 30_000;
const PACED: usize = 10_000;
const STORM: usize = 200_000;
const TALK: u64 = 1 | 1 << 9 | 1 << 15;

/// A client that reads as fast as it can and parses nothing.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(at: SocketAddr) -> Result<Self> {
        let (socket, _) = connect_async(format!("ws://{at}/?v=10&encoding=json")).await?;
        let mut client = Self(socket);
        client.next().await?;
        Ok(client)
    }

    async fn identify(&mut self) -> Result<()> {
        let identify = json!({"op": 2, "d": {
            "token": TOKEN, "properties": {}, "intents": TALK, "shard": [0, 1],
        }});
        self.0.send(Message::text(identify.to_string())).await?;
        Ok(())
    }

    async fn next(&mut self) -> Result<String> {
        loop {
            match self.0.next().await.context("the connection ended")?? {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(frame) => bail!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next event of a name.
    async fn until(&mut self, name: &str) -> Result<String> {
        let wanted = format!(r#""t":"{name}""#);
        loop {
            let text = self.next().await?;
            if text.get(..80).unwrap_or(&text).contains(&wanted) {
                return Ok(text);
            }
        }
    }

    /// READY and the last server, from the identify on.
    async fn log_in(&mut self) -> Result<(Duration, Duration)> {
        let begun = Instant::now();
        self.identify().await?;
        self.until("READY").await?;
        let ready = begun.elapsed();
        for _ in 0..GUILDS {
            self.until("GUILD_CREATE").await?;
        }
        Ok((ready, begun.elapsed()))
    }
}

/// What comes between two marks, with the time that each was on its way; sorted.
async fn paced(discord: &Discord, client: &mut Client) -> Result<Vec<Duration>> {
    let begun = Instant::now();
    let telling = async {
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        for _ in 0..PACED {
            tick.tick().await;
            discord.tell(&event(&begun.elapsed().as_nanos().to_string()));
        }
    };
    let hearing = async {
        let mut times = Vec::with_capacity(PACED);
        for _ in 0..PACED {
            let text = client.until("MESSAGE_CREATE").await?;
            let sent = content(&text)?;
            times.push(begun.elapsed().saturating_sub(Duration::from_nanos(sent)));
        }
        anyhow::Ok(times)
    };
    let ((), times) = tokio::join!(telling, hearing);
    let mut times = times?;
    times.sort_unstable();
    Ok(times)
}

/// Events in a second, none lost.
async fn storm(discord: &Discord, client: &mut Client) -> Result<f64> {
    let begun = Instant::now();
    let telling = async {
        for number in 0..STORM {
            discord.tell(&event(&number.to_string()));
            if number % 500 == 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    let hearing = async {
        for number in 0..STORM {
            let text = client.until("MESSAGE_CREATE").await?;
            let heard = content(&text)?;
            ensure!(heard == number as u64, "{heard} came instead of {number}");
        }
        anyhow::Ok(())
    };
    let ((), heard) = tokio::join!(telling, hearing);
    heard?;
    Ok(STORM as f64 / begun.elapsed().as_secs_f64())
}

fn event(content: &str) -> String {
    format!(
        r#"{{"id":"1","channel_id":"2","guild_id":"{}","author":{{"id":"3","username":"somebody"}},"type":0,"content":"{content}","timestamp":"2026-11-01T00:00:00Z","embeds":[],"attachments":[],"mentions":[],"pinned":false,"tts":false}}"#,
        1_u64 << 40
    )
}

fn content(text: &str) -> Result<u64> {
    let (_, rest) = text.split_once(r#""content":""#).context("no content")?;
    let (number, _) = rest.split_once('"').context("no end")?;
    Ok(number.parse()?)
}

pub async fn figures() -> Result<()> {
    let discord = Discord::start(GUILDS, BYTES).await?;
    let bare = relay(discord.gateway).await?;
    let proxy = Proxy::start(discord.rest, 0).await?;
    let identifies = discord.identifies();

    let (before_ready, before_all) = Client::connect(bare).await?.log_in().await?;
    let mut client = Client::connect(proxy.gateway).await?;
    let (ready, all) = client.log_in().await?;
    let four = (0..4).map(|_| async {
        let mut client = Client::connect(proxy.gateway).await?;
        client.log_in().await
    });
    let begun = Instant::now();
    try_join_all(four).await?;
    let four = begun.elapsed();
    let (settled, most) = proxy.memory()?;
    println!(
        "\n| {GUILDS} servers of {} KB | bare relay | proxy | bound |\n|---|---|---|---|",
        BYTES / 1000
    );
    println!(
        "| READY | {} | {} | 10 ms |",
        millis(before_ready),
        millis(ready)
    );
    println!(
        "| the last server | {} | {} | 150 ms |",
        millis(before_all),
        millis(all)
    );
    println!("| four clients at once | | {} | 300 ms |", millis(four));
    println!("| memory, then at most | | {settled:.0} MiB, {most:.0} MiB | 90, 130 MiB |");

    let mut direct = Client::connect(bare).await?;
    direct.log_in().await?;
    let without = paced(&discord, &mut direct).await?;
    drop(direct);
    let mut client = Client::connect(proxy.gateway).await?;
    client.log_in().await?;
    let with = paced(&discord, &mut client).await?;
    println!("\n| 1,000 events in a second | bare relay | proxy | added |\n|---|---|---|---|");
    for (name, thousandths) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let (before, after) = (
            per_mille(&without, thousandths),
            per_mille(&with, thousandths),
        );
        let added = micros(after.saturating_sub(before));
        println!(
            "| {name} | {} | {} | {added} |",
            micros(before),
            micros(after)
        );
    }

    let mut direct = Client::connect(bare).await?;
    direct.log_in().await?;
    let without = storm(&discord, &mut direct).await?;
    drop(direct);
    let with = storm(&discord, &mut client).await?;
    println!("\n| All at once, none lost | bare relay | proxy | ratio |\n|---|---|---|---|");
    println!(
        "| events in a second | {without:.0} | {with:.0} | {} |",
        ratio(with, without)
    );

    let behind = stopped_reader(&discord, &proxy).await?;
    println!("\n| A client that stops reading, {STORM} events | memory more at most |\n|---|---|");
    println!("| beside another that reads | {behind:.0} MiB |");
    // The bare logins are ours, the proxy's one is before them.
    ensure!(
        discord.identifies() == identifies + 3,
        "clients cost an identify"
    );
    Ok(())
}

/// One client reads nothing, another everything.
async fn stopped_reader(discord: &Discord, proxy: &Proxy) -> Result<f64> {
    let mut stopped = Client::connect(proxy.gateway).await?;
    stopped.identify().await?;
    stopped.until("READY").await?;
    let mut reader = Client::connect(proxy.gateway).await?;
    reader.log_in().await?;
    let (before, _) = proxy.memory()?;
    storm(discord, &mut reader).await?;
    let (after, _) = proxy.memory()?;
    drop(stopped);
    Ok((after - before).max(0.0))
}
