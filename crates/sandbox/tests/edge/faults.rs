//! Sheet §11: what can be made to go wrong.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox_world::faults::{MAX_LATE_MS, Rule};
use splashtail_sandbox_world::seed::small;

use splashtail_sandbox::control::client::ControlError;
use splashtail_sandbox::gateway::Settings;

use crate::client::{ALL_INTENTS, Bench, bench, bench_with, eventually, settings};

async fn fault(b: &Bench, rule: Value) -> u64 {
    let rule: Rule = serde_json::from_value(rule).unwrap();
    b.running
        .client()
        .unwrap()
        .add_fault(&rule)
        .await
        .unwrap()
        .id
}

#[tokio::test]
async fn rest_can_fail_in_every_way() {
    let b = bench().await;
    let get = || async { b.bot("GET", "/gateway").send().await };
    fault(
        &b,
        json!({"match": {"route": "/gateway"}, "times": 1,
        "action": {"type": "status", "status": 429, "scope": "global", "retry_after": 1.5}}),
    )
    .await;
    let answer = get().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(answer.headers()["x-ratelimit-scope"], "global");
    assert_eq!(answer.headers()["x-ratelimit-global"], "true");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(
        body,
        json!({"message": "You are being rate limited.", "retry_after": 1.5, "global": true})
    );
    fault(
        &b,
        json!({"times": 1, "action": {"type": "status", "status": 429, "retry_after": 2.5}}),
    )
    .await;
    let answer = get().await.unwrap();
    let head = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        (head("via"), head("x-ratelimit-remaining")),
        ("1.1 google".into(), "0".into())
    );
    assert_eq!(
        (head("x-ratelimit-scope"), head("x-ratelimit-reset-after")),
        ("user".into(), "2.500".into())
    );
    assert!(!head("x-ratelimit-bucket").is_empty());
    fault(
        &b,
        json!({"times": 1, "action": {"type": "status", "status": 500}}),
    )
    .await;
    let answer = get().await.unwrap();
    assert_eq!(answer.status(), 500);
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"message": "500: Internal Server Error", "code": 0})
    );
    fault(
        &b,
        json!({"times": 1, "action": {"type": "status", "status": 502, "html": true}}),
    )
    .await;
    let answer = get().await.unwrap();
    assert!(
        answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    fault(&b, json!({"times": 1, "action": {"type": "reset"}})).await;
    assert!(get().await.is_err());
    fault(&b, json!({"times": 1, "action": {"type": "truncate"}})).await;
    assert!(get().await.unwrap().bytes().await.is_err());
    fault(&b, json!({"times": 1, "action": {"type": "hang"}})).await;
    let hung = tokio::time::timeout(Duration::from_millis(200), get()).await;
    assert!(hung.is_err());
    let block = fault(&b, json!({"action": {"type": "block_ip"}})).await;
    let answer = get().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let proxied = ["via", "retry-after", "x-ratelimit-scope"];
    assert!(
        proxied
            .iter()
            .all(|name| !answer.headers().contains_key(*name))
    );
    let told = answer.json::<Value>().await.unwrap();
    assert_eq!(told["code"], 0);
    assert!(told["message"].as_str().unwrap().contains("blocked"));
    b.running
        .client()
        .unwrap()
        .remove_fault(block)
        .await
        .unwrap();
    assert_eq!(get().await.unwrap().status(), 200);
}

// RFC 9110 §6.6.1: the moment at which the answer was made, to the second.
#[tokio::test]
async fn answers_are_dated_by_the_sandboxs_clock() {
    let b = bench().await;
    b.clock.set_rate(0.0);
    b.clock.set("2031-03-02T04:05:06.700Z".parse().unwrap());
    fault(
        &b,
        json!({"times": 1, "action": {"type": "status", "status": 503}}),
    )
    .await;
    for status in [503, 200] {
        let answer = b.bot("GET", "/gateway").send().await.unwrap();
        assert_eq!(answer.status(), status);
        let dates: Vec<_> = answer.headers().get_all("date").iter().collect();
        assert_eq!(dates, ["Sun, 02 Mar 2031 04:05:06 GMT"]);
    }
    let picture = format!("{}embed/avatars/0.png", b.running.rest);
    let answer = b.http.get(picture).send().await.unwrap();
    assert_eq!(answer.headers()["date"], "Sun, 02 Mar 2031 04:05:06 GMT");
}

#[tokio::test]
async fn latency_is_sandbox_time() {
    let b = bench().await;
    b.clock.set_rate(0.0);
    fault(
        &b,
        json!({"times": 1, "action": {"type": "latency", "ms": 60_000}}),
    )
    .await;
    let asked = tokio::spawn(b.bot("GET", "/gateway").send());
    eventually(|| async { b.running.client().unwrap().faults().await.unwrap()[0].struck == 1 })
        .await;
    assert!(!asked.is_finished());
    b.clock.advance(Duration::from_secs(60));
    assert_eq!(asked.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_late_429_says_how_the_limit_stands_when_it_comes() {
    let b = bench().await;
    let rule = |action: Value| json!({"times": 1, "action": action});
    fault(&b, rule(json!({"type": "latency", "ms": 60_000}))).await;
    fault(
        &b,
        rule(json!({"type": "status", "status": 429, "retry_after": 2.0})),
    )
    .await;
    let asked = tokio::spawn(b.bot("GET", "/gateway").send());
    eventually(|| async { b.running.client().unwrap().faults().await.unwrap()[0].struck == 1 })
        .await;
    b.clock.advance(Duration::from_secs(60));
    let answer = asked.await.unwrap().unwrap();
    assert_eq!(answer.status(), 429);
    let reset = answer.headers()["x-ratelimit-reset"].to_str().unwrap();
    let reset_ms = (reset.parse::<f64>().unwrap() * 1000.0).round() as i64;
    assert_eq!(reset_ms, b.clock.now_ms() + 2000);
}

#[tokio::test]
async fn a_request_that_was_cut_off_has_had_its_effect() {
    let b = bench().await;
    let channel = b.channel().await;
    let path = format!("/channels/{channel}/messages");
    fault(
        &b,
        json!({"match": {"method": "POST"}, "times": 1, "action": {"type": "reset"}}),
    )
    .await;
    assert!(
        b.bot("POST", &path)
            .json(&json!({"content": "lost answer"}))
            .send()
            .await
            .is_err()
    );
    let newest: Vec<Value> = b
        .bot("GET", &format!("{path}?limit=1"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(newest[0]["content"], "lost answer");
}

#[tokio::test]
async fn sessions_can_be_closed_dropped_and_sent_away() {
    let b = bench().await;
    let mut client = b.session(ALL_INTENTS).await;
    let (id, mut seq) = (client.session_id.clone(), client.seq);
    fault(&b, json!({"action": {"type": "gw_close", "code": 4000}})).await;
    assert_eq!(client.closed().await, Some(4000));
    for action in [json!({"type": "gw_drop"}), json!({"type": "gw_reconnect"})] {
        let mut client = b.client("?v=10").await;
        client.hello().await;
        client.resume(&id, seq).await;
        client.until("RESUMED").await;
        seq = client.seq;
        fault(&b, json!({"action": action})).await;
        if action["type"] == "gw_reconnect" {
            client.until_op(7).await;
            assert_eq!(
                client.closed().await,
                Some(4000),
                "those who stay are closed"
            );
        } else {
            assert_eq!(client.closed().await, None);
        }
    }
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client.resume(&id, seq).await;
    client.until("RESUMED").await;
    fault(
        &b,
        json!({"action": {"type": "gw_invalid", "resumable": true}}),
    )
    .await;
    assert_eq!(client.until_op(9).await, true);
    client.resume(&id, client.seq).await;
    client.until("RESUMED").await;
    fault(
        &b,
        json!({"action": {"type": "gw_invalid", "resumable": false}}),
    )
    .await;
    assert_eq!(client.until_op(9).await, false);
    client.resume(&id, client.seq).await;
    assert_eq!(client.until_op(9).await, false);
}

#[tokio::test]
async fn the_server_may_ask_for_a_heartbeat() {
    let b = bench().await;
    let mut client = b.session(ALL_INTENTS).await;
    fault(&b, json!({"action": {"type": "gw_heartbeat"}})).await;
    client.until_op(1).await;
    client.send(json!({"op": 1, "d": client.seq})).await;
    client.until_op(11).await;
}

#[tokio::test]
async fn a_reconnect_may_come_before_hello() {
    let b = bench().await;
    fault(
        &b,
        json!({"match": {"event": "HELLO"}, "times": 1, "action": {"type": "gw_reconnect"}}),
    )
    .await;
    let mut client = b.client("?v=10").await;
    assert_eq!(client.next().await.unwrap()["op"], 7);
    client.hello().await;
    assert_eq!(client.closed().await, Some(4000));
    b.client("?v=10").await.hello().await;
}

#[tokio::test]
async fn a_zombie_says_nothing_more() {
    let b = bench().await;
    let channel = b.channel().await;
    let mut client = b.session(ALL_INTENTS).await;
    fault(&b, json!({"action": {"type": "gw_zombie"}})).await;
    b.say(&channel, "into the void").await;
    client.send(json!({"op": 1, "d": null})).await;
    let silence = tokio::time::timeout(Duration::from_millis(200), client.next()).await;
    assert!(silence.is_err());
    let (id, seq) = (client.session_id.clone(), client.seq);
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client.resume(&id, seq).await;
    assert_eq!(
        client.until("MESSAGE_CREATE").await["content"],
        "into the void"
    );
}

/// Discord's gateway documentation: a client that gets no acknowledgement has a zombied connection
/// and has to end it by itself. Nobody does it for it.
#[tokio::test]
async fn a_zombie_is_the_clients_to_find_out() {
    let settings = Settings {
        heartbeat_interval: Duration::from_millis(20),
        ..settings()
    };
    let b = bench_with(settings).await;
    let mut client = b.client("?v=10").await;
    client.hello().await;
    fault(
        &b,
        json!({"match": {"event": "HELLO"}, "action": {"type": "gw_zombie"}}),
    )
    .await;
    let mut zombie = b.client("?v=10").await;
    zombie.hello().await;
    // The other connection shows that the server does hang up on those who say nothing.
    assert_eq!(client.closed().await, Some(4000));
    let silence = tokio::time::timeout(Duration::from_millis(300), zombie.next()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test]
async fn a_rule_for_sessions_keeps_to_its_number_and_chance() {
    let b = bench().await;
    let mut sessions = Vec::new();
    for shard in 0..4 {
        let mut client = b.client("?v=10").await;
        client.hello().await;
        client.identify(json!({"shard": [shard, 4]})).await;
        client.until("READY").await;
        sessions.push(client);
    }
    let ctl = b.running.client().unwrap();
    let connected = || async {
        let sessions = ctl.sessions().await.unwrap();
        sessions.iter().filter(|s| s.connected).count()
    };
    fault(&b, json!({"action": {"type": "gw_drop"}, "probability": 0})).await;
    fault(&b, json!({"action": {"type": "gw_drop"}, "times": 1})).await;
    let rules = ctl.faults().await.unwrap();
    assert_eq!((rules[0].matched, rules[0].struck), (4, 0));
    assert_eq!((rules[1].matched, rules[1].struck), (1, 1));
    assert_eq!(sessions[0].closed().await, None, "the first that matches");
    eventually(|| async { connected().await == 3 }).await;
    fault(
        &b,
        json!({"match": {"shard": 2}, "action": {"type": "gw_close", "code": 4009}}),
    )
    .await;
    assert_eq!(sessions[2].closed().await, Some(4009));
    eventually(|| async { connected().await == 2 }).await;
}

#[tokio::test]
async fn rules_without_a_meaning_are_refused() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    for (rule, status, says) in [
        (
            json!({"match": {"route": "/gateway"}, "action": {"type": "gw_drop"}}),
            400,
            "match.route",
        ),
        (
            json!({"match": {"event": "READY"}, "action": {"type": "gw_drop"}}),
            400,
            "HELLO",
        ),
        (
            json!({"match": {"shard": 1}, "action": {"type": "hang"}}),
            400,
            "match.shard",
        ),
        (
            json!({"action": {"type": "gw_close", "code": 1006}}),
            400,
            "1006",
        ),
        (
            json!({"action": {"type": "status", "status": 99}}),
            400,
            "status",
        ),
        (
            json!({"action": {"type": "outage", "guild": "5"}}),
            404,
            "guild 5",
        ),
        (
            json!({"action": {"type": "outage", "guild": "x"}}),
            400,
            "`x`",
        ),
        (
            json!({"action": {"type": "hang"}, "probability": 1.5}),
            400,
            "probability",
        ),
    ] {
        let rule: Rule = serde_json::from_value(rule).unwrap();
        match ctl.add_fault(&rule).await.unwrap_err() {
            ControlError::Refused {
                status: found,
                message,
                ..
            } => {
                assert_eq!(found, status, "{message}");
                assert!(message.contains(says), "{message}");
            }
            other => panic!("{other}"),
        }
    }
    assert!(ctl.faults().await.unwrap().is_empty());
}

#[tokio::test]
async fn events_can_be_doubled_lost_and_late() {
    let b = bench().await;
    let channel = b.channel().await;
    let mut client = b.session(ALL_INTENTS).await;
    let on =
        |action: Value| json!({"match": {"event": "MESSAGE_CREATE"}, "times": 1, "action": action});
    fault(&b, on(json!({"type": "gw_dup"}))).await;
    b.say(&channel, "twice").await;
    assert_eq!(client.until("MESSAGE_CREATE").await["content"], "twice");
    assert_eq!(client.until("MESSAGE_CREATE").await["content"], "twice");
    fault(&b, on(json!({"type": "gw_lose"}))).await;
    b.say(&channel, "lost").await;
    b.clock.set_rate(0.0);
    fault(&b, on(json!({"type": "gw_delay", "ms": 5000}))).await;
    b.say(&channel, "late").await;
    b.clock.advance(Duration::from_secs(1));
    b.say(&channel, "prompt").await;
    assert_eq!(client.until("MESSAGE_CREATE").await["content"], "prompt");
    let queued = b
        .running
        .client()
        .unwrap()
        .settle(0)
        .await
        .unwrap_err()
        .to_string();
    assert!(queued.contains("504"), "{queued}");
    b.clock.advance(Duration::from_secs(4));
    assert_eq!(client.until("MESSAGE_CREATE").await["content"], "late");
}

#[tokio::test]
async fn an_outage_takes_a_guild_away_and_brings_it_back() {
    let b = bench().await;
    let guild = small::GUILDS[3].to_string();
    let mut client = b.session(ALL_INTENTS).await;
    let id = fault(&b, json!({"action": {"type": "outage", "guild": guild}})).await;
    assert_eq!(
        client.until("GUILD_DELETE").await,
        json!({"id": guild, "unavailable": true})
    );
    b.running.client().unwrap().remove_fault(id).await.unwrap();
    assert_eq!(client.until("GUILD_CREATE").await["id"], guild);
}

#[tokio::test]
async fn a_reset_is_seen_as_one() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let b = bench().await;
    fault(&b, json!({"times": 1, "action": {"type": "reset"}})).await;
    let address = b.running.rest.socket_addrs(|| None).unwrap()[0];
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head =
        "GET /api/v10/gateway HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: example.test\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let error = stream.read_to_end(&mut answer).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(answer.is_empty());
}

/// Sheet §7: entries may come late or never, in the log as in events.
#[tokio::test]
async fn audit_entries_can_be_late_or_lost() {
    let b = bench().await;
    b.clock.set_rate(0.0);
    let guild = small::GUILDS[0].to_string();
    let mut client = b.session(ALL_INTENTS).await;
    let ctl = b.running.client().unwrap();
    let owner = small::OWNER.to_string();
    let rename = |name: &'static str| {
        let act = splashtail_sandbox::control::types::Act {
            guild_id: Some(guild.clone()),
            body: json!({"name": name}),
            ..Default::default()
        };
        let (ctl, owner) = (ctl.clone(), owner.clone());
        async move { ctl.act(&owner, "edit_guild", &act).await.unwrap() }
    };
    let logged = || async {
        let path = format!("/guilds/{guild}/audit-logs?action_type=1");
        let log: Value = b
            .bot("GET", &path)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let entries = log["audit_log_entries"].as_array().unwrap();
        let name = |e: &Value| e["changes"][0]["new_value"].as_str().unwrap().to_owned();
        entries.iter().map(name).collect::<Vec<_>>()
    };
    let seeded = logged().await.len();
    let on = |action: Value| json!({"match": {"guild": guild}, "times": 1, "action": action});
    fault(&b, on(json!({"type": "audit_lose"}))).await;
    rename("lost").await;
    fault(&b, on(json!({"type": "audit_delay", "ms": 5000}))).await;
    rename("late").await;
    b.clock.advance(Duration::from_secs(1));
    rename("prompt").await;
    let entry = client.until("GUILD_AUDIT_LOG_ENTRY_CREATE").await;
    assert_eq!(entry["changes"][0]["new_value"], "prompt");
    assert_eq!(logged().await[..logged().await.len() - seeded], ["prompt"]);
    b.clock.advance(Duration::from_secs(4));
    let entry = client.until("GUILD_AUDIT_LOG_ENTRY_CREATE").await;
    assert_eq!(entry["changes"][0]["new_value"], "late");
    assert_eq!(
        logged().await[..logged().await.len() - seeded],
        ["prompt", "late"]
    );
}

/// Delays add up, and end nothing; none is longer than a day.
#[tokio::test]
async fn a_delay_lasts_a_day_at_most() {
    let b = bench().await;
    let channel = b.channel().await;
    let mut client = b.session(ALL_INTENTS).await;
    for action in ["gw_delay", "gw_delay", "audit_delay", "audit_delay"] {
        fault(&b, json!({"action": {"type": action, "ms": MAX_LATE_MS}})).await;
    }
    let ctl = b.running.client().unwrap();
    let forever = json!({"action": {"type": "latency", "ms": u64::MAX}});
    let forever = serde_json::from_value(forever).unwrap();
    let refused = ctl.add_fault(&forever).await.unwrap_err().to_string();
    assert!(refused.contains("at most 86400000"), "{refused}");
    b.say(&channel, "never").await;
    let act = splashtail_sandbox::control::types::Act {
        guild_id: Some(small::GUILDS[0].to_string()),
        body: json!({"name": "Renamed"}),
        ..Default::default()
    };
    let owner = small::OWNER.to_string();
    let renamed = ctl.act(&owner, "edit_guild", &act).await.unwrap();
    assert_eq!(renamed.results[0].status, 200);
    ctl.clear_faults().await.unwrap();
    b.say(&channel, "now").await;
    assert_eq!(client.until("MESSAGE_CREATE").await["content"], "now");
}

#[tokio::test]
async fn latencies_add_up_to_a_day_at_most() {
    let b = bench().await;
    for _ in 0..3 {
        fault(
            &b,
            json!({"action": {"type": "latency", "ms": MAX_LATE_MS}}),
        )
        .await;
    }
    let guild = small::GUILDS[0];
    let request = b.bot("GET", &format!("/guilds/{guild}")).send();
    let act = splashtail_sandbox::control::types::Act {
        guild_id: Some(guild.to_string()),
        body: json!({"name": "Renamed"}),
        ..Default::default()
    };
    let ctl = b.running.client().unwrap();
    let owner = small::OWNER.to_string();
    let answers = async { tokio::join!(request, ctl.act(&owner, "edit_guild", &act)) };
    tokio::pin!(answers);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut answers).await;
    assert!(early.is_err(), "the clock stands still");
    b.clock.advance(Duration::from_millis(MAX_LATE_MS));
    let (read, renamed) = answers.await;
    assert_eq!(read.unwrap().status(), 200);
    assert_eq!(renamed.unwrap().results[0].status, 200);
}

#[tokio::test]
async fn rules_out_of_bounds_are_refused_with_a_message() {
    let b = bench().await;
    let url = b.running.control.join("/ctl/faults").unwrap();
    for (action, says) in [
        (
            json!({"type": "status", "status": 429, "header_retry_after": u64::MAX}),
            "`header_retry_after` lies between 0 and 86400 seconds, a day",
        ),
        (
            json!({"type": "status", "status": 429, "body": {"retry_after": 1e18}}),
            "`body.retry_after` lies between 0 and 86400 seconds, a day",
        ),
        (
            json!({"type": "bucket", "name": "a b"}),
            "`name` has 1 to 100 letters, digits, `-` or `_`",
        ),
    ] {
        let rule = json!({"action": action});
        let refused = b.http.post(url.clone()).json(&rule).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{says}");
        let body: Value = refused.json().await.unwrap();
        assert_eq!(
            (&body["code"], &body["message"]),
            (&json!("bad_request"), &json!(says))
        );
    }
    assert!(
        b.running
            .client()
            .unwrap()
            .faults()
            .await
            .unwrap()
            .is_empty()
    );
}

/// A rule that answers is heard, whatever a rule before it does to answers.
#[tokio::test]
async fn an_injected_answer_is_heard_by_people_as_over_the_network() {
    let b = bench().await;
    fault(&b, json!({"action": {"type": "hang"}})).await;
    fault(&b, json!({"action": {"type": "status", "status": 503}})).await;
    let read = b.bot("GET", "/gateway").send().await.unwrap();
    assert_eq!(read.status(), 503);
    let act = splashtail_sandbox::control::types::Act {
        guild_id: Some(small::GUILDS[0].to_string()),
        body: json!({"name": "Renamed"}),
        ..Default::default()
    };
    let ctl = b.running.client().unwrap();
    let owner = small::OWNER.to_string();
    let renamed = ctl.act(&owner, "edit_guild", &act).await.unwrap();
    assert_eq!(renamed.results[0].status, 503);
}

#[tokio::test]
async fn events_that_fall_due_together_keep_their_order() {
    let b = bench().await;
    let channel = b.channel().await;
    b.clock.set_rate(0.0);
    let mut client = b.session(ALL_INTENTS).await;
    let late =
        json!({"match": {"event": "MESSAGE_CREATE"}, "action": {"type": "gw_delay", "ms": 1000}});
    fault(&b, late).await;
    // Within the limit of five messages in five seconds.
    for n in 0..5 {
        b.say(&channel, &n.to_string()).await;
    }
    b.clock.advance(Duration::from_secs(1));
    for n in 0..5 {
        assert_eq!(
            client.until("MESSAGE_CREATE").await["content"],
            n.to_string()
        );
    }
}
