//! Calls.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use splashtail_discord::proxied;

use crate::discord::Discord;
use crate::process::Proxy;
use crate::{TOKEN, micros, millis, per_mille, ratio, relay};

const ONE_BY_ONE: usize = 5_000;
const CALLERS: usize = 32;
const LOAD: Duration = Duration::from_secs(5);
const BANS: usize = 200;
const READS: usize = 500;
/// As many as there can be connections for, of both sides.
const JOBS: usize = 10_000;

fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

async fn get(http: &reqwest::Client, at: SocketAddr, path: &str) -> Result<Duration> {
    let begun = Instant::now();
    let call = http.get(format!("http://{at}/api/v10{path}"));
    let call = call.header("authorization", format!("Bot {TOKEN}"));
    let answer = call.send().await?;
    ensure!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.bytes().await?;
    Ok(begun.elapsed())
}

/// Times of calls that follow each other, sorted.
async fn one_by_one(at: SocketAddr) -> Result<Vec<Duration>> {
    let http = client()?;
    for _ in 0..200 {
        get(&http, at, "/guilds/1/roles").await?;
    }
    let mut times = Vec::with_capacity(ONE_BY_ONE);
    for _ in 0..ONE_BY_ONE {
        times.push(get(&http, at, "/guilds/1/roles").await?);
    }
    times.sort_unstable();
    Ok(times)
}

/// Calls in a second of many callers.
async fn together(at: SocketAddr) -> Result<f64> {
    let begun = Instant::now();
    let callers = (0..CALLERS).map(|caller| async move {
        let (http, path) = (client()?, format!("/guilds/{}/roles", caller + 1));
        let mut calls = 0_u64;
        while begun.elapsed() < LOAD {
            get(&http, at, &path).await?;
            calls += 1;
        }
        anyhow::Ok(calls)
    });
    let calls: u64 = try_join_all(callers.map(tokio::spawn))
        .await?
        .into_iter()
        .sum::<Result<u64>>()?;
    Ok(calls as f64 / begun.elapsed().as_secs_f64())
}

/// How long all of them take when they are asked for at once.
async fn at_once(at: SocketAddr, calls: usize, path: impl Fn(usize) -> String) -> Result<Duration> {
    let http = client()?;
    let begun = Instant::now();
    let calls = (0..calls).map(|number| {
        let (http, path) = (http.clone(), path(number));
        async move { get(&http, at, &path).await }
    });
    try_join_all(calls).await?;
    Ok(begun.elapsed())
}

pub async fn figures() -> Result<()> {
    let discord = Discord::start(1, 2_000).await?;
    let proxy = Proxy::start(discord.rest, 100_000).await?;
    let bare = relay(discord.rest).await?;

    let (without, with) = (one_by_one(bare).await?, one_by_one(proxy.rest).await?);
    println!("\n| Calls one by one | bare relay | proxy | added |\n|---|---|---|---|");
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

    let (without, with) = (together(bare).await?, together(proxy.rest).await?);
    let (_, most) = proxy.memory()?;
    println!(
        "\n| Calls of {CALLERS} callers | bare relay | proxy | ratio | memory at most |\n|---|---|---|---|---|"
    );
    let share = ratio(with, without);
    println!("| in a second | {without:.0} | {with:.0} | {share} | {most:.0} MiB |");

    paced(&discord).await
}

/// At Discord's pace, with the latency of a real one.
async fn paced(discord: &Discord) -> Result<()> {
    println!(
        "\n| At Discord's pace, answers after 100 ms | bound | measured | 429s |\n|---|---|---|---|"
    );
    let latency = Duration::from_millis(100);
    discord.answers_after(latency);

    let proxy = Proxy::start(discord.rest, 10_000).await?;
    discord.limits(Some((20, Duration::from_secs(1))));
    let before = discord.limited();
    let took = at_once(proxy.rest, BANS, |user| {
        format!("/guilds/1/bans/{}", user + 1)
    })
    .await?;
    let refused = discord.limited() - before;
    println!(
        "| {BANS} calls of one bucket, 20 in a second | 10.5 s | {} | {refused} |",
        millis(took)
    );
    drop(proxy);

    let proxy = Proxy::start(discord.rest, 0).await?;
    discord.limits(None);
    let before = discord.limited();
    let took = at_once(proxy.rest, READS, |id| format!("/channels/{}", id + 1)).await?;
    let refused = discord.limited() - before;
    println!(
        "| {READS} calls, 50 in a second | 11 s | {} | {refused} |",
        millis(took)
    );

    discord.answers_after(Duration::ZERO);
    let http = client()?;
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let most = descriptors.map_or(usize::MAX, |most| {
        usize::try_from(most / 4).unwrap_or(usize::MAX)
    });
    let waiting = JOBS.min(most);
    let jobs: Vec<_> = (0..waiting)
        .map(|id| {
            let call = http.get(format!("http://{}/api/v10/channels/{}", proxy.rest, id + 1));
            let call = call.header("authorization", format!("Bot {TOKEN}"));
            let call = call.header(proxied::PRIORITY, "bulk");
            tokio::spawn(call.header(proxied::PATIENCE, "600000").send())
        })
        .collect();
    until_waiting(&http, &proxy, waiting * 8 / 10).await?;
    let begun = Instant::now();
    let ban = http.put(format!("http://{}/api/v10/guilds/1/bans/2", proxy.rest));
    let ban = ban
        .header("authorization", format!("Bot {TOKEN}"))
        .send()
        .await?;
    ensure!(ban.status().is_success(), "the ban: {}", ban.status());
    let took = millis(begun.elapsed());
    let (now, _) = proxy.memory()?;
    println!("| a ban beside {waiting} jobs that wait ({now:.0} MiB) | 20 ms | {took} | 0 |");
    jobs.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

async fn until_waiting(http: &reqwest::Client, proxy: &Proxy, wanted: usize) -> Result<()> {
    let url = format!("http://{}/api/status", proxy.gateway);
    let waiting = async {
        loop {
            let status: serde_json::Value = http.get(&url).send().await?.json().await?;
            let now = status["data"]["rest"]["waiting"].as_u64();
            if now.is_some_and(|now| now >= wanted as u64) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    waited.context("the jobs do not stand in line")?
}
