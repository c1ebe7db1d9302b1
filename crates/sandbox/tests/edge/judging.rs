//! What proxies and clients are judged by: digests of everything said, a gateway of its own for
//! resuming, refused handshakes, limits that say one thing and mean another, and things nobody knows.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{Act, Consent};
use splashtail_sandbox::server::{Edge, Listeners};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::faults::Rule;
use splashtail_sandbox_world::journal::{Record, digest};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::Conduct;
use splashtail_sandbox_world::{Options, Sandbox};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::{Bench, Client, bench, settings};

async fn fault(b: &Bench, rule: Value) {
    let rule: Rule = serde_json::from_value(rule).unwrap();
    b.running.client().unwrap().add_fault(&rule).await.unwrap();
}

async fn happen(b: &Bench, guild: &str, what: Value) -> Value {
    let url = b
        .running
        .control
        .join(&format!("/ctl/guilds/{guild}/happen"));
    let answer = b.http.post(url.unwrap()).json(&what).send().await.unwrap();
    assert!(answer.status().is_success());
    answer.json().await.unwrap()
}

async fn conduct(b: &Bench, conduct: &Conduct) {
    let url = b.running.control.join("/ctl/world").unwrap();
    let answer = b.http.patch(url).json(conduct).send().await.unwrap();
    assert!(answer.status().is_success());
}

#[tokio::test]
async fn every_frame_has_the_digest_of_what_it_said() {
    let b = bench().await;
    let wanted = Conduct {
        digests: true,
        ..Conduct::prompt()
    };
    conduct(&b, &wanted).await;
    let mut client = b.session(1 | 1 << 9 | 1 << 15).await;
    let channel = b.channel().await;
    b.say(&channel, "höre, ✓").await;
    let said = client.until("MESSAGE_CREATE").await;
    let journal = b.running.client().unwrap().journal(0).await.unwrap();
    let found = journal.iter().find_map(|entry| match &entry.record {
        Record::Frame {
            t: Some(t), digest, ..
        } if t == "MESSAGE_CREATE" => digest.clone(),
        _ => None,
    });
    assert_eq!(found.unwrap(), digest(said.to_string().as_bytes()));
    let identified = journal.iter().any(|entry| {
        matches!(
            &entry.record,
            Record::Frame {
                op: 2,
                digest: Some(_),
                ..
            }
        )
    });
    let posted = journal.iter().any(|entry| {
        matches!(&entry.record, Record::Request { method, digest: Some(_), .. } if method == "POST")
    });
    assert!(identified && posted);
}

#[tokio::test]
async fn a_handshake_can_be_refused() {
    let b = bench().await;
    fault(
        &b,
        json!({"times": 1, "action": {"type": "gw_refuse", "status": 503}}),
    )
    .await;
    let refused = tokio_tungstenite::connect_async(b.gateway() + "/?v=10").await;
    let tokio_tungstenite::tungstenite::Error::Http(answer) = refused.unwrap_err() else {
        panic!("no answer over HTTP");
    };
    assert_eq!(answer.status(), 503);
    b.session(0).await;
}

#[tokio::test]
async fn sessions_are_resumed_at_the_address_that_ready_names() {
    let bind = || TcpListener::bind(("127.0.0.1", 0));
    let resume = bind().await.unwrap();
    let second = format!("ws://{}", resume.local_addr().unwrap());
    let listeners = Listeners {
        rest: bind().await.unwrap(),
        gateway: bind().await.unwrap(),
        control: bind().await.unwrap(),
        resume: Some(resume),
        tls: None,
    };
    let addresses = listeners.addresses().unwrap();
    let first = addresses.gateway.clone();
    let options = Options {
        world: "small".to_owned(),
        seed: 1,
        addresses,
        clock: Arc::new(SandboxClock::frozen(
            "2026-01-01T00:00:00Z".parse().unwrap(),
        )),
        conduct: Conduct::prompt(),
    };
    let edge = Edge::new(Sandbox::new(&options).unwrap(), settings(), false).unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(edge.serve(listeners, Default::default(), shutdown));
    let mut client = Client::connect(&format!("{first}?v=10")).await;
    client.hello().await;
    client.identify(json!({"intents": 0})).await;
    let ready = client.until("READY").await;
    assert_eq!(ready["resume_gateway_url"], second);
    let (id, seq) = (client.session_id.clone(), client.seq);
    drop(client);
    let mut wrong = Client::connect(&format!("{first}?v=10")).await;
    wrong.hello().await;
    wrong.resume(&id, seq).await;
    assert_eq!(wrong.until_op(9).await, false);
    let mut right = Client::connect(&format!("{second}?v=10")).await;
    right.hello().await;
    right.identify(json!({"intents": 0})).await;
    assert_eq!(right.until_op(9).await, false, "nobody identifies there");
    right.resume(&id, seq).await;
    right.until("RESUMED").await;
}

#[tokio::test]
async fn buckets_can_lie_and_headers_contradict_bodies() {
    let b = bench().await;
    fault(
        &b,
        json!({"times": 2, "action": {"type": "bucket", "name": "abcd"}}),
    )
    .await;
    let bucket = |answer: &reqwest::Response| {
        answer.headers()["x-ratelimit-bucket"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let guild = small::GUILDS[0];
    let one = b
        .bot("GET", &format!("/guilds/{guild}"))
        .send()
        .await
        .unwrap();
    let two = b
        .bot("GET", &format!("/guilds/{guild}/roles"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (bucket(&one).as_str(), bucket(&two).as_str()),
        ("abcd", "abcd")
    );
    fault(&b, json!({"times": 2, "action": {"type": "bucket"}})).await;
    let one = b
        .bot("GET", &format!("/guilds/{guild}"))
        .send()
        .await
        .unwrap();
    let two = b
        .bot("GET", &format!("/guilds/{guild}"))
        .send()
        .await
        .unwrap();
    assert_ne!(bucket(&one), bucket(&two));
    fault(
        &b,
        json!({"times": 1, "action": {"type": "status", "status": 429, "retry_after": 1.0, "header_retry_after": 9}}),
    )
    .await;
    let answer = b.bot("GET", "/gateway").send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "9");
    assert_eq!(answer.json::<Value>().await.unwrap()["retry_after"], 1.0);
}

#[tokio::test]
async fn a_refusal_can_lie_about_its_bucket_too() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    fault(
        &b,
        json!({"times": 1, "action": {"type": "bucket", "name": "abcd"}}),
    )
    .await;
    for (status, is_shown) in [(503, false), (429, true)] {
        let refuse = json!({"times": 1, "action": {"type": "status", "status": status}});
        fault(&b, refuse).await;
        let answer = b.bot("GET", "/gateway").send().await.unwrap();
        assert_eq!(answer.status(), status);
        let shown = answer.headers().get("x-ratelimit-bucket");
        assert_eq!(shown.is_some_and(|name| name == "abcd"), is_shown);
        let rules = ctl.faults().await.unwrap();
        assert_eq!(rules[0].struck, u64::from(is_shown), "{status}");
    }
}

#[tokio::test]
async fn refusals_by_faults_lead_to_a_block_as_any_do() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let limits = json!({"invalid": {"limit": 3, "per_ms": 600_000}});
    let set: Result<Value, _> = ctl.call(http::Method::POST, "/ctl/limits", &limits).await;
    set.unwrap();
    for action in [
        json!({"type": "status", "status": 401}),
        json!({"type": "status", "status": 503}),
        json!({"type": "status", "status": 429, "scope": "shared"}),
        json!({"type": "status", "status": 403, "html": true}),
        json!({"type": "status", "status": 429}),
    ] {
        fault(&b, json!({"times": 1, "action": action})).await;
        let answer = b.bot("GET", "/gateway").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), action["status"], "{action}");
    }
    let answer = b.bot("GET", "/gateway").send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert!(
        !answer.headers().contains_key("via"),
        "the address is blocked"
    );
}

#[tokio::test]
async fn faults_strike_people_who_act_too() {
    let b = bench().await;
    let channel = b.channel().await;
    let ctl = b.running.client().unwrap();
    let act = Act {
        channel_id: Some(channel),
        body: json!({"content": "hello"}),
        ..Act::default()
    };
    let owner = small::OWNER.to_string();
    let rule =
        json!({"match": {"token": owner}, "times": 1, "action": {"type": "status", "status": 500}});
    fault(&b, rule).await;
    let struck = ctl.act(&owner, "say", &act).await.unwrap();
    assert_eq!(struck.results[0].status, 500);
    fault(&b, json!({"times": 1, "action": {"type": "reset"}})).await;
    let lost = ctl.act(&owner, "say", &act).await.unwrap();
    assert_eq!(
        (lost.results[0].status, &lost.results[0].body),
        (0, &Value::Null)
    );
    let fine = ctl.act(&owner, "say", &act).await.unwrap();
    assert_eq!(fine.results[0].status, 200);
}

#[tokio::test]
async fn a_member_who_is_there_may_be_added_again() {
    // discord-api-docs#8337
    let b = bench().await;
    let mut client = b.session(1 << 1).await;
    fault(&b, json!({"action": {"type": "gw_member_again"}})).await;
    let guild = small::GUILDS[0].to_string();
    let act = Act {
        guild_id: Some(guild),
        target_id: Some(small::MEMBER.to_string()),
        body: json!({"nick": "again"}),
        ..Act::default()
    };
    let ctl = b.running.client().unwrap();
    ctl.act(&small::OWNER.to_string(), "edit_member", &act)
        .await
        .unwrap();
    assert_eq!(client.until("GUILD_MEMBER_ADD").await["nick"], "again");
    assert_eq!(client.until("GUILD_MEMBER_UPDATE").await["nick"], "again");
}

#[tokio::test]
async fn kicking_a_bot_waits_for_its_webhooks() {
    // discord-api-docs#5846
    let b = bench().await;
    let slow = Conduct {
        kick_ms_per_webhook: 40,
        ..Conduct::prompt()
    };
    conduct(&b, &slow).await;
    let channel = b.channel().await;
    let made = b.bot("POST", &format!("/channels/{channel}/webhooks"));
    let made = made.json(&json!({"name": "hook"})).send().await.unwrap();
    assert_eq!(made.status(), 200);
    let act = Act {
        guild_id: Some(small::GUILDS[0].to_string()),
        target_id: Some(small::APPLICATION.to_string()),
        ..Act::default()
    };
    let ctl = b.running.client().unwrap();
    let owner = small::OWNER.to_string();
    let kick = ctl.act(&owner, "kick", &act);
    tokio::pin!(kick);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut kick).await;
    assert!(early.is_err(), "the clock stands still");
    b.clock.advance(Duration::from_millis(40));
    assert_eq!(kick.await.unwrap().results[0].status, 204);
}

#[tokio::test]
async fn opcodes_31_and_43_are_answered() {
    let b = bench().await;
    let mut client = b.session(1).await;
    let guild = small::GUILDS[0].to_string();
    client
        .send(json!({"op": 31, "d": {"guild_ids": [guild]}}))
        .await;
    let sounds = client.until("SOUNDBOARD_SOUNDS").await;
    assert_eq!(
        (&sounds["guild_id"], sounds["soundboard_sounds"].is_array()),
        (&json!(guild), true)
    );
    client
        .send(json!({"op": 43, "d": {"guild_id": guild, "fields": ["status"]}}))
        .await;
    let info = client.until("CHANNEL_INFO").await;
    assert_eq!(info["channels"][0]["status"], Value::Null);
}

#[tokio::test]
async fn discord_notices_raids_and_forgets_them() {
    let b = bench().await;
    let mut client = b.session(1).await;
    let guild = small::GUILDS[0].to_string();
    happen(&b, &guild, json!({"what": "raid_detected"})).await;
    let told = client.until("GUILD_UPDATE").await;
    assert!(told["incidents_data"]["raid_detected_at"].is_string());
    happen(&b, &guild, json!({"what": "all_clear"})).await;
    assert_eq!(
        client.until("GUILD_UPDATE").await["incidents_data"],
        Value::Null
    );
}

#[tokio::test]
async fn things_of_unknown_kinds_come_on_demand() {
    let b = bench().await;
    let mut client = b.session(crate::client::ALL_INTENTS).await;
    let guild = small::GUILDS[0].to_string();
    let channel = b.channel().await;
    for (kind, event) in [
        ("channel", "CHANNEL_CREATE"),
        ("message", "MESSAGE_CREATE"),
        ("component", "MESSAGE_CREATE"),
        ("sticker", "GUILD_STICKERS_UPDATE"),
        ("audit_entry", "GUILD_AUDIT_LOG_ENTRY_CREATE"),
        ("permission", "GUILD_ROLE_CREATE"),
        ("feature", "GUILD_UPDATE"),
        ("event", "A_THING_OF_TOMORROW"),
    ] {
        let what = json!({"what": "unknown", "kind": kind, "channel_id": channel});
        assert!(happen(&b, &guild, what).await["id"].is_string(), "{kind}");
        client.until(event).await;
    }
}

#[tokio::test]
async fn who_deauthorises_kills_every_token_and_redirects_name_the_issuer() {
    // RFC 9207
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let user = small::ADMIN.to_string();
    let app = small::APPLICATION.to_string();
    let redirect = crate::oauth::REDIRECT;
    let url = format!(
        "{}?response_type=code&client_id={app}&scope=identify&redirect_uri={}",
        b.url("/oauth2/authorize"),
        urlencoded(redirect)
    );
    let consent = Consent {
        authorize_url: url,
        allow: true,
        guild_id: None,
    };
    let location = ctl.consent(&user, &consent).await.unwrap().location;
    let location = url::Url::parse(&location).unwrap();
    let of = |key: &str| {
        location
            .query_pairs()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.into_owned())
    };
    assert_eq!(
        of("iss").unwrap(),
        b.running.rest.as_str().trim_end_matches('/')
    );
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &of("code").unwrap()),
        ("redirect_uri", redirect),
        ("client_id", &app),
        ("client_secret", small::CLIENT_SECRET),
    ];
    let issued = b
        .http
        .post(b.url("/api/oauth2/token"))
        .form(&form)
        .send()
        .await
        .unwrap();
    let token = issued.json::<Value>().await.unwrap()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let me = || async {
        let request = b.http.get(b.url("/api/v10/users/@me")).bearer_auth(&token);
        let request = request.header("user-agent", "DiscordBot (https://example.test, 1)");
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(me().await, 200);
    let act = Act {
        target_id: Some(app),
        ..Act::default()
    };
    ctl.act(&user, "deauthorise", &act).await.unwrap();
    assert_eq!(me().await, 401);
}

fn urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn a_control_client_reads_how_the_world_behaves() {
    let b = bench().await;
    let ctl = ControlClient::new(&b.running.control).unwrap();
    conduct(&b, &Conduct::default()).await;
    let summary = ctl.summary().await.unwrap();
    assert_eq!(
        summary["conduct"],
        serde_json::to_value(Conduct::default()).unwrap()
    );
    let url = b.running.control.join("/ctl/world").unwrap();
    let bad = json!({"audit": {"delay_ms": [5, 1]}});
    assert_eq!(
        b.http.patch(url).json(&bad).send().await.unwrap().status(),
        400
    );
}

#[tokio::test]
async fn a_hundred_thousand_missed_frames_are_replayed_in_order() {
    const MISSED: u64 = 100_000;
    let b = bench().await;
    let client = b.session(1).await;
    let (id, seq) = (client.session_id.clone(), client.seq);
    drop(client);
    let sandbox = &b.running.edge.sandbox;
    for part in 0..100 {
        sandbox.with_world(|world| {
            for n in 0..MISSED / 100 {
                let d = json!({"n": part * (MISSED / 100) + n});
                world.emit_to(small::APPLICATION, None, "A_THING", 0, d);
            }
        });
    }
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client.resume(&id, seq).await;
    for n in 0..MISSED {
        let payload = client.next().await.unwrap();
        assert_eq!(
            (&payload["s"], &payload["d"]["n"]),
            (&json!(seq + 1 + n), &json!(n))
        );
    }
    client.until("RESUMED").await;
}
