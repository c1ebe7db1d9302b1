//! Sheet §4 and §5: who is told what, and what may be asked over the gateway.

use std::time::Duration;

use serde_json::json;
use splashtail_sandbox::control::types::Act;
use splashtail_sandbox_world::seed::small;

use crate::client::{ALL_INTENTS, bench};

#[tokio::test]
async fn events_go_to_the_shard_of_their_guild() {
    let b = bench().await;
    let mut shards = Vec::new();
    for shard in 0..4 {
        let mut client = b.client("?v=10").await;
        client.hello().await;
        client.identify(json!({"shard": [shard, 4]})).await;
        client.until("GUILD_CREATE").await;
        shards.push(client);
    }
    let channel = b.channel().await;
    b.say(&channel, "for shard 0").await;
    assert_eq!(
        shards[0].until("MESSAGE_CREATE").await["content"],
        "for shard 0"
    );
    // The others heard nothing: a heartbeat is the next thing they get.
    for client in &mut shards[1..] {
        client.send(json!({"op": 1, "d": null})).await;
        assert_eq!(client.next().await.unwrap()["op"], 11);
    }
}

#[tokio::test]
async fn without_the_intent_there_is_no_event_and_without_message_content_no_content() {
    let b = bench().await;
    let channel = b.channel().await;
    let mut blind = b.session(1 | 1 << 9).await;
    b.clock.advance(Duration::from_secs(5));
    let mut deaf = b.session(1).await;
    b.say(&channel, "secret").await;
    let message = blind.until("MESSAGE_CREATE").await;
    assert_eq!(message["content"], "");
    assert_eq!(message["guild_id"], small::GUILDS[0].to_string());
    assert!(message["member"].get("user").is_none());
    let mention = format!("hello <@{}>", small::APPLICATION);
    b.say(&channel, &mention).await;
    assert_eq!(
        blind.until("MESSAGE_CREATE").await["content"],
        mention,
        "it is mentioned"
    );
    deaf.send(json!({"op": 1, "d": null})).await;
    assert_eq!(deaf.next().await.unwrap()["op"], 11);
}

#[tokio::test]
async fn hidden_channels_are_silent() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let guild = small::GUILDS[0].to_string();
    let open = b.channel().await;
    let act = Act {
        guild_id: Some(guild.clone()),
        body: json!({"name": "hidden", "type": 0, "permission_overwrites":
            [{"id": guild, "type": 0, "deny": "1024", "allow": "0"}]}),
        ..Act::default()
    };
    let made = ctl
        .act(&small::OWNER.to_string(), "create_channel", &act)
        .await
        .unwrap();
    assert_eq!(made.results[0].status, 201, "{:?}", made.results[0].body);
    let hidden = made.results[0].body["id"].as_str().unwrap().to_owned();
    let mut client = b.session(ALL_INTENTS).await;
    b.say(&hidden, "psst").await;
    b.say(&open, "aloud").await;
    assert_eq!(client.until("MESSAGE_CREATE").await["content"], "aloud");
}

#[tokio::test]
async fn members_come_in_chunks() {
    let b = bench().await;
    let guild = small::GUILDS[0].to_string();
    let mut client = b.session(ALL_INTENTS).await;
    let ask = |d: serde_json::Value| json!({"op": 8, "d": d});
    client
        .send(ask(
            json!({"guild_id": guild, "query": "", "limit": 0, "nonce": "n"}),
        ))
        .await;
    let chunk = client.until("GUILD_MEMBERS_CHUNK").await;
    assert_eq!(chunk["members"].as_array().unwrap().len(), 6);
    assert_eq!(
        (&chunk["chunk_index"], &chunk["chunk_count"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(chunk["nonce"], "n");
    assert!(chunk.get("presences").is_none());
    client
        .send(ask(
            json!({"guild_id": guild, "user_ids": [small::ADMIN.to_string(), "1"],
            "presences": true, "nonce": "x".repeat(33)}),
        ))
        .await;
    let chunk = client.until("GUILD_MEMBERS_CHUNK").await;
    assert_eq!(chunk["members"][0]["user"]["id"], small::ADMIN.to_string());
    assert_eq!(chunk["not_found"], json!(["1"]));
    assert!(chunk["presences"].is_array());
    assert!(chunk.get("nonce").is_none(), "too long a nonce is dropped");
    client
        .send(ask(json!({"guild_id": guild, "query": "AD", "limit": 5})))
        .await;
    let chunk = client.until("GUILD_MEMBERS_CHUNK").await;
    assert_eq!(chunk["members"].as_array().unwrap().len(), 1);
    // Everyone, once per 30 s.
    client
        .send(ask(
            json!({"guild_id": guild, "query": "", "limit": 0, "nonce": "again"}),
        ))
        .await;
    let limited = client.until("RATE_LIMITED").await;
    assert_eq!(limited["opcode"], 8);
    assert_eq!(
        limited["meta"],
        json!({"guild_id": guild, "nonce": "again"})
    );
    let wait = limited["retry_after"].as_f64().unwrap();
    assert!(wait > 0.0 && wait <= 30.0, "{wait}");
    b.clock.advance(Duration::from_secs(30));
    client
        .send(ask(json!({"guild_id": guild, "query": "", "limit": 0})))
        .await;
    client.until("GUILD_MEMBERS_CHUNK").await;
}

#[tokio::test]
async fn presence_and_voice_are_announced() {
    let b = bench().await;
    let guild = small::GUILDS[0].to_string();
    let mut client = b.session(ALL_INTENTS).await;
    client
        .send(
            json!({"op": 3, "d": {"since": null, "status": "dnd", "afk": false,
            "activities": [{"name": "tests", "type": 0}]}}),
        )
        .await;
    let presence = client.until("PRESENCE_UPDATE").await;
    assert_eq!(presence["status"], "dnd");
    let path = format!("/guilds/{guild}/channels");
    let channels: Vec<serde_json::Value> = b
        .bot("GET", &path)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    if let Some(voice) = channels.iter().find(|c| c["type"] == 2) {
        client
            .send(
                json!({"op": 4, "d": {"guild_id": guild, "channel_id": voice["id"],
                "self_mute": true, "self_deaf": false}}),
            )
            .await;
        let state = client.until("VOICE_STATE_UPDATE").await;
        assert_eq!(state["channel_id"], voice["id"]);
        assert_eq!(state["self_mute"], true);
        client
            .send(json!({"op": 4, "d": {"guild_id": guild, "channel_id": null,
                "self_mute": true, "self_deaf": false}}))
            .await;
        assert!(client.until("VOICE_STATE_UPDATE").await["channel_id"].is_null());
    }
    client
        .send(json!({"op": 3, "d": {"status": "asleep"}}))
        .await;
    assert_eq!(client.closed().await, Some(4002));
}

#[tokio::test]
async fn joining_and_leaving_guilds_comes_as_guild_events() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let app = ctl.create_app(&Default::default()).await.unwrap();
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client.identify(json!({"token": app.token})).await;
    assert_eq!(client.until("READY").await["guilds"], json!([]));
    let guild = small::GUILDS[2].to_string();
    let act = Act {
        guild_id: Some(guild.clone()),
        target_id: Some(app.id.clone()),
        ..Act::default()
    };
    let owner = small::OWNER.to_string();
    assert_eq!(
        ctl.act(&owner, "add_bot", &act).await.unwrap().results[0].status,
        204
    );
    let created = client.until("GUILD_CREATE").await;
    assert_eq!(created["id"], guild);
    let managed = created["roles"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["managed"] == true && r["tags"]["bot_id"] == app.bot_id);
    assert!(managed.is_some());
    let act = Act {
        target_id: Some(app.bot_id.clone()),
        ..act
    };
    assert_eq!(
        ctl.act(&owner, "kick", &act).await.unwrap().results[0].status,
        204
    );
    let deleted = client.until("GUILD_DELETE").await;
    assert_eq!(deleted, json!({"id": guild}));
}

// Documentation, close codes: after 4009 a client has to start a new session.
#[tokio::test]
async fn a_session_that_timed_out_cannot_be_resumed() {
    let b = bench().await;
    for (code, resumable) in [(4000, true), (4009, false)] {
        let mut client = b.session(1).await;
        let rule = json!({"action": {"type": "gw_close", "code": code}, "times": 1});
        b.running
            .client()
            .unwrap()
            .add_fault(&serde_json::from_value(rule).unwrap())
            .await
            .unwrap();
        assert_eq!(client.closed().await, Some(code));
        let mut next = b.client("?v=10").await;
        next.hello().await;
        next.resume_as(&client).await;
        let answer = next.next().await.unwrap();
        let op = if resumable { 0 } else { 9 };
        assert_eq!(answer["op"], op, "{code}: {answer}");
        b.clock.advance(Duration::from_secs(5));
    }
}
