//! Identify, READY and the servers, for every split and every encoding.

use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;

use crate::bench::{TALK, bench};

fn guild(index: usize) -> String {
    small::GUILDS[index].to_string()
}

#[tokio::test]
async fn a_client_learns_of_its_shard_alone_in_any_split() {
    let b = bench().await;
    assert_eq!(b.identifies(), 4);
    let mut one = b.session(Some([1, 4]), TALK, 1).await;
    assert_eq!(
        one.heard[0]["d"]["guilds"],
        json!([{"unavailable": true, "id": guild(1)}])
    );
    assert_eq!(one.heard[0]["d"]["shard"], json!([1, 4]));
    assert_eq!(one.heard[0]["d"]["user"]["id"], "1100000000000000001");
    let url = one.heard[0]["d"]["resume_gateway_url"].as_str().unwrap();
    assert_eq!(url, b.url("").replace("http", "ws"));
    let created = &one.heard[1]["d"];
    assert_eq!(created["id"], guild(1));
    // As Discord itself would tell of it.
    let mut all = b.session(None, TALK, 4).await;
    assert_eq!(all.heard[0]["d"]["guilds"].as_array().unwrap().len(), 4);
    assert_eq!(all.heard[0]["d"].get("shard"), None);
    let many = b.session(Some([5, 8]), TALK, 0).await;
    let expected: Vec<Value> = small::GUILDS
        .iter()
        .filter(|id| (id.to_string().parse::<u64>().unwrap() >> 22) % 8 == 5)
        .map(|id| json!({"unavailable": true, "id": id.to_string()}))
        .collect();
    assert_eq!(many.heard[0]["d"]["guilds"], json!(expected));

    let channel = b.channel(1).await;
    b.say(&channel, "hello").await;
    assert_eq!(one.until("MESSAGE_CREATE").await["content"], "hello");
    assert_eq!(all.until("MESSAGE_CREATE").await["content"], "hello");
    assert_eq!(b.identifies(), 4, "clients cost Discord nothing");
}

#[tokio::test]
async fn every_encoding_carries_the_same() {
    let b = bench().await;
    let mut told = Vec::new();
    for query in [
        "/?v=10&encoding=json",
        "//?v=10&encoding=json&compress=zlib-stream",
        "/?encoding=json&v=9&compress=zstd-stream",
        "/any/path?compress=unknown",
    ] {
        let mut client = b.client(query).await;
        client.hello().await;
        client.send(json!({"op": 1, "d": null})).await;
        assert_eq!(
            client.next().await.unwrap(),
            json!({"t": null, "s": null, "op": 11, "d": null})
        );
        client.identify(Some([0, 4]), TALK).await;
        client.until("READY").await;
        told.push(client.until("GUILD_CREATE").await);
        client.send(json!({"op": 1, "d": 2})).await;
        client.op(11).await;
    }
    assert!(told.iter().all(|one| *one == told[0]));
}

#[tokio::test]
async fn payloads_are_compressed_alone_for_who_asks() {
    let b = bench().await;
    let mut client = b.client("/?v=10").await;
    client.hello().await;
    let token = small::bot_token();
    let body = json!({"token": token, "properties": {}, "intents": TALK, "compress": true});
    client.send(json!({"op": 2, "d": body})).await;
    client.until("READY").await;
    client.until("GUILD_CREATE").await;
}

#[tokio::test]
async fn the_servers_are_as_discord_tells_of_them_also_after_changes() {
    let b = bench().await;
    let path = format!("/guilds/{}", guild(0));
    let role = b
        .call(
            "POST",
            &format!("{path}/roles"),
            &json!({"name": "new", "permissions": "0"}),
        )
        .await;
    let channel = json!({"name": "fresh", "type": 0, "topic": "t"});
    let channel = b.call("POST", &format!("{path}/channels"), &channel).await;
    let id = channel["id"].as_str().unwrap();
    b.call(
        "PATCH",
        &format!("/channels/{id}"),
        &json!({"name": "renamed"}),
    )
    .await;
    b.call("PATCH", &path, &json!({"name": "Another name"}))
        .await;

    b.clock.advance(std::time::Duration::from_secs(6));
    let direct = {
        let url = b.sandbox.gateway.as_str();
        let mut client = crate::client::Client::connect(&format!("{url}?v=10")).await;
        client.hello().await;
        client.identify(Some([0, 4]), b.config.proxy.intents).await;
        client.until("GUILD_CREATE").await
    };
    let told = |through: Value| {
        let mut sorted = through;
        // Their order says nothing.
        for list in ["roles", "channels", "threads", "members", "emojis"] {
            if let Some(list) = sorted[list].as_array_mut() {
                list.sort_by_key(ToString::to_string);
            }
        }
        sorted
    };
    let direct = told(direct);
    crate::bench::eventually(async || {
        let client = b.session(Some([0, 4]), b.config.proxy.intents, 1).await;
        told(client.heard[1]["d"].clone()) == direct
    })
    .await;
    assert!(
        direct["roles"]
            .to_string()
            .contains(role["id"].as_str().unwrap())
    );
    let state = b
        .get(&format!(
            "/antiraid/api/state?col=roles&guild_id={}&id={}",
            guild(0),
            role["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(
        (&state["ok"], &state["data"]["name"]),
        (&json!(true), &json!("new"))
    );
}

#[tokio::test]
async fn http_routes_say_where_the_gateway_is() {
    let b = bench().await;
    for path in [
        "/gateway/bot",
        "/api/gateway",
        "/api/v10/gateway/bot",
        "/antiraid/api/v9/gateway/bot",
    ] {
        let answer = b.get(path).await;
        assert_eq!(answer["url"], b.url("").replace("http", "ws"), "{path}");
        assert_eq!(answer["shards"], 4);
        assert_eq!(answer["session_start_limit"]["max_concurrency"], 16);
    }
    let status = b.get("/api/status").await;
    let shards = &status["data"]["managers"][0]["shard_groups"][0]["shards"];
    assert_eq!(shards.as_array().unwrap().len(), 4);
    assert_eq!(shards[0][1], 2);
}
