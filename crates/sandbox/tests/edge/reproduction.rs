//! Sheet §11: ids are deterministic from seed and clock. The same world, seed, clock and script
//! give the same journal, whatever happens in between.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{
    Act, ClockChange, DrillKind, Interact, LoadWorld, NewApp, NewDrill,
};
use splashtail_sandbox_world::journal::{Entry, Record};
use splashtail_sandbox_world::seed::small;

use crate::client::{Bench, Client, bench, eventually};

struct Script {
    b: Bench,
    ctl: ControlClient,
    guild: String,
    channel: String,
}

impl Script {
    async fn begin(seed: u64) -> Self {
        let b = bench().await;
        let ctl = b.running.client().unwrap();
        let at = ClockChange {
            set: Some("2026-02-01T00:00:00Z".into()),
            rate: Some(0.0),
            advance_ms: None,
        };
        ctl.clock(&at).await.unwrap();
        let world = LoadWorld {
            world: Some("small".into()),
            seed: Some(seed),
            ..LoadWorld::default()
        };
        ctl.load_world(&world).await.unwrap();
        let channel = b.channel().await;
        let guild = small::GUILDS[0].to_string();
        Self {
            b,
            ctl,
            guild,
            channel,
        }
    }

    async fn fault(&self, rule: Value) {
        let rule = serde_json::from_value(rule).unwrap();
        self.ctl.add_fault(&rule).await.unwrap();
    }

    async fn act(&self, name: &str, act: Act) {
        let owner = small::OWNER.to_string();
        self.ctl.act(&owner, name, &act).await.unwrap();
    }

    /// One session for each of four shards, and one of another application that comes to the
    /// first guild.
    async fn sessions(&self) -> Vec<Client> {
        let mut sessions = Vec::new();
        for shard in 0..4 {
            let fields = json!({"shard": [shard, 4]});
            sessions.push(self.session(fields).await);
        }
        let app = NewApp {
            guilds: vec![self.guild.clone()],
            ..NewApp::default()
        };
        let token = self.ctl.create_app(&app).await.unwrap().token;
        sessions.push(self.session(json!({"token": token})).await);
        sessions
    }

    async fn session(&self, fields: Value) -> Client {
        let mut client = self.b.client("?v=10").await;
        client.until_op(10).await;
        client.identify(fields).await;
        client.until("READY").await;
        client.until("GUILD_CREATE").await;
        client
    }

    /// Two HTTP clients taking turns, some of whose requests fail.
    async fn flaky_requests(&self) {
        self.fault(
            json!({"match": {"method": "GET", "route": "/gateway"}, "probability": 0.5,
            "action": {"type": "status", "status": 502, "html": true}}),
        )
        .await;
        let other = reqwest::Client::new();
        for n in 0..20 {
            let request = self.b.bot("GET", "/gateway").build().unwrap();
            let client = if n % 2 == 0 { &self.b.http } else { &other };
            client.execute(request).await.unwrap();
        }
    }

    /// Events that are doubled, lost and late for some of the sessions.
    async fn shaken_events(&self) {
        for action in [
            json!({"type": "gw_dup"}),
            json!({"type": "gw_lose"}),
            json!({"type": "gw_delay", "ms": 500}),
            json!({"type": "audit_delay", "ms": 500}),
        ] {
            self.fault(json!({"action": action, "probability": 0.4}))
                .await;
        }
        for n in 0..10 {
            let act = Act {
                guild_id: Some(self.guild.clone()),
                body: json!({"name": format!("r{n}")}),
                ..Act::default()
            };
            self.act("create_role", act).await;
        }
        let raid = Act {
            channel_id: Some(self.channel.clone()),
            body: json!({"content": "{n}"}),
            actors: Some(vec![small::ADMIN.to_string(), small::MEMBER.to_string()]),
            times: Some(4),
            ..Act::default()
        };
        self.act("say", raid).await;
        self.b.clock.advance(Duration::from_secs(1));
        self.ctl.settle(60_000).await.unwrap();
        self.ctl.clear_faults().await.unwrap();
    }

    /// Some connections are cut, one after the other, and resumed.
    async fn cuts_and_resumes(&self, sessions: &mut [Client]) {
        let app = small::APPLICATION.to_string();
        let mut cut = 0;
        for shard in 0..4 {
            self.fault(
                json!({"match": {"token": app, "shard": shard}, "probability": 0.5,
                "action": {"type": "gw_drop"}}),
            )
            .await;
            let rules = self.ctl.faults().await.unwrap();
            if rules[shard].struck == 0 {
                continue;
            }
            cut += 1;
            eventually(|| async { self.closed().await == cut }).await;
            let mut again = self.b.client("?v=10").await;
            again.until_op(10).await;
            again.resume_as(&sessions[shard]).await;
            again.until("RESUMED").await;
            sessions[shard] = again;
        }
        assert!((1..4).contains(&cut), "{cut} of four");
        self.ctl.clear_faults().await.unwrap();
    }

    async fn closed(&self) -> usize {
        let journal = self.ctl.journal(0).await.unwrap();
        let closed = |e: &&Entry| matches!(e.record, Record::Closed { .. });
        journal.iter().filter(closed).count()
    }

    async fn interaction(&self, session: &mut Client) {
        let path = format!("/applications/{}/commands", small::APPLICATION);
        let command = json!([{"name": "ask", "description": "Asks"}]);
        let put = self.b.bot("PUT", &path).json(&command).send().await;
        assert_eq!(put.unwrap().status(), 200);
        let wish: Interact = serde_json::from_value(json!({"kind": "slash", "name": "ask",
            "guild_id": self.guild, "channel_id": self.channel, "wait_ms": 60_000}))
        .unwrap();
        let member = small::MEMBER.to_string();
        let answer = async {
            let asked = session.until("INTERACTION_CREATE").await;
            let text = |key: &str| asked[key].as_str().unwrap().to_owned();
            let path = format!("/interactions/{}/{}/callback", text("id"), text("token"));
            let reply = json!({"type": 4, "data": {"content": "yes", "flags": 64}});
            let sent = self.b.bot("POST", &path).json(&reply).send().await;
            assert_eq!(sent.unwrap().status(), 204);
        };
        let (seen, ()) = tokio::join!(self.ctl.interact(&member, &wish), answer);
        assert_eq!(seen.unwrap().messages[0]["content"], "yes");
    }

    async fn drill(&self) {
        let order = NewDrill {
            size: Some(12),
            rate: Some(5.0),
            watch_ms: Some(0),
            ..NewDrill::new(DrillKind::Nuke, self.guild.clone())
        };
        let id = self.ctl.start_drill(&order).await.unwrap().id;
        for done in 1..=12 {
            let attempted = || async { self.ctl.drill(id, 0).await.unwrap().attempted };
            eventually(|| async { attempted().await >= done }).await;
            self.b.clock.advance(Duration::from_millis(200));
        }
        self.ctl.drill(id, 60_000).await.unwrap();
    }

    async fn play(seed: u64) -> Vec<Entry> {
        let script = Self::begin(seed).await;
        script
            .fault(json!({"match": {"event": "HELLO"}, "probability": 0.5,
                "action": {"type": "gw_heartbeat"}}))
            .await;
        let mut sessions = script.sessions().await;
        script.flaky_requests().await;
        script.shaken_events().await;
        script.cuts_and_resumes(&mut sessions).await;
        script.interaction(&mut sessions[0]).await;
        script.drill().await;
        // Heartbeats follow real time and stay out of the journal.
        sessions[0].send(json!({"op": 1, "d": null})).await;
        sessions[0].until_op(11).await;
        script.ctl.settle(60_000).await.unwrap();
        script.ctl.journal(0).await.unwrap()
    }
}

/// What the faults did, as far as the journal shows.
fn chance(journal: &[Entry]) -> Vec<String> {
    let told = |entry: &Entry| match &entry.record {
        Record::Request { path, status, .. } if path.contains("gateway") => {
            Some(status.to_string())
        }
        Record::Frame {
            t: Some(t), shard, ..
        } if t == "GUILD_ROLE_CREATE" => Some(format!("{shard}")),
        Record::Closed { shard, .. } => Some(format!("closed {shard}")),
        _ => None,
    };
    journal.iter().filter_map(told).collect()
}

#[tokio::test]
async fn the_same_script_gives_the_same_journal() {
    let (first, second) = (Script::play(1).await, Script::play(1).await);
    let differs = first.iter().zip(&second).find(|(a, b)| a != b);
    assert!(differs.is_none(), "{differs:#?}");
    assert_eq!(first.len(), second.len());
    let has = |wanted: fn(&Record) -> bool| first.iter().any(|e| wanted(&e.record));
    assert!(has(|r| matches!(r, Record::Request { status: 502, .. })));
    assert!(has(|r| matches!(r, Record::Closed { .. })));
    assert!(has(
        |r| matches!(r, Record::Frame { t: Some(t), .. } if t == "RESUMED")
    ));
    assert!(has(
        |r| matches!(r, Record::Frame { t: Some(t), .. } if t == "INTERACTION_CREATE")
    ));
    assert!(has(
        |r| matches!(r, Record::Frame { t: Some(t), .. } if t == "CHANNEL_DELETE")
    ));
    assert!(!has(|r| matches!(r, Record::Frame { op: 1 | 11, .. })));
    // Another seed has other luck.
    assert_ne!(chance(&first), chance(&Script::play(2).await));
}
