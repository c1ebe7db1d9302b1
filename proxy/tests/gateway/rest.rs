//! Both halves of the proxy together.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;

use crate::bench::{bench, bench_with};
use crate::client::Client;

async fn get(http: &reqwest::Client, url: String) -> Value {
    let call = http.get(url);
    let call = call.header("authorization", format!("Bot {}", small::bot_token()));
    let answer = call
        .header("user-agent", "DiscordBot (https://example.test, 1)")
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_program_with_one_address_finds_everything_there() {
    let b = bench().await;
    let (http, api) = (reqwest::Client::new(), format!("http://{}/api/v10", b.rest));
    let found = get(&http, format!("{api}/gateway/bot")).await;
    assert_eq!(found["url"], b.gateway());
    let me = get(&http, format!("{api}/users/@me")).await;
    assert_eq!(me["id"], small::APPLICATION.to_string());
    // Some look for the gateway where the API is.
    let mut client = Client::connect(&format!("ws://{}/?v=10&encoding=json", b.rest)).await;
    client.hello().await;
    client.identify(Some([0, 4]), 1).await;
    client.until("READY").await;
    let rest = b.get("/api/status").await["data"]["rest"].clone();
    assert_eq!(rest["tokens"], 1, "{rest}");
    assert_eq!(rest["per_second"], 50);
    assert_eq!(rest["refused_in_ten_minutes"], 0);
    assert_eq!(b.identifies(), 4, "clients cost none");
}

/// Discord's limit over all routes is never met, however much is asked at once.
#[tokio::test]
async fn no_429_reaches_whoever_asks_for_too_much() {
    let b = bench_with(|config| config.proxy.global_limit = 40).await;
    let clock = b.clock.clone();
    // The simulated Discord's seconds pass faster than ours: what it allows it allows in time.
    let passing = tokio::spawn(async move {
        let mut before = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = Instant::now();
            clock.advance((now - before) * 2);
            before = now;
        }
    });
    let http = reqwest::Client::new();
    let calls = (0..120).map(|number| {
        let guild = small::GUILDS[number % small::GUILDS.len()];
        get(
            &http,
            format!("http://{}/api/v10/guilds/{guild}/roles", b.rest),
        )
    });
    for roles in futures_util::future::join_all(calls).await {
        assert!(roles.is_array(), "{roles}");
    }
    passing.abort();
    let rest = b.get("/api/status").await["data"]["rest"].clone();
    assert_eq!(rest["waiting"], json!(0), "{rest}");
    assert_eq!(rest["refused_in_ten_minutes"], 0, "{rest}");
}
