//! The same over Redis, and what happens when Redis goes away.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

use super::world::{World, reply};

/// A way to Redis that can be closed without touching anyone else's.
struct Detour {
    url: String,
    open: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Detour {
    async fn new() -> Self {
        let mut url: Url = std::env::var("REDIS_URL").unwrap().parse().unwrap();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(6379));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let detour = Self {
            url: url.into(),
            open: Arc::new(AtomicBool::new(true)),
            connections: Arc::default(),
        };
        let (open, connections) = (Arc::clone(&detour.open), Arc::clone(&detour.connections));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                if !open.load(Ordering::Acquire) {
                    continue;
                }
                let target = target.clone();
                let copy = tokio::spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
                connections.lock().unwrap().push(copy);
            }
        });
        detour
    }

    fn close(&self) {
        self.open.store(false, Ordering::Release);
        let mut connections = self.connections.lock().unwrap();
        connections.drain(..).for_each(|copy| copy.abort());
    }

    fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    async fn world(&self, shards: u16, name: &str) -> World {
        let channel = format!("test/{name}/{}", std::process::id());
        World::on(shards, "", &channel, |config| {
            config.meta.redis_url = Some(self.url.as_str().into());
        })
        .await
    }
}

#[tokio::test]
#[ignore = "needs REDIS_URL"] // `make test` provides one and runs this too
async fn launch_commands_log_and_restart_over_redis() {
    let detour = Detour::new().await;
    let world = detour.world(4, "commands").await;
    let running = world.start();
    running.until("fully up", |list| list.fully_up).await;
    assert_eq!(world.runs(0)[0]["env"]["REDIS_URL"], json!(detour.url));
    let channels = [world.channel.clone()];
    let mut replies = world.bus.subscribe(&channels).await.unwrap();
    world.send("num_processes", None, "c1").await;
    assert_eq!(
        reply(&mut replies, "c1").await,
        json!({"action": "", "command_id": "c1", "output": {"clusters": 2, "shards": 4}, "scope": "bot"})
    );
    world.send("restart", Some(1), "c2").await;
    assert_eq!(reply(&mut replies, "c2").await["output"], "ok");
    running
        .until("restarted", |list| {
            world.starts() == (1, 2) && list.instances[1].launched_fully
        })
        .await;
    // The list that mewld keeps, under mewld's key.
    let log = world
        .bus
        .read_log(&format!("{}/actlogs", world.channel))
        .await
        .unwrap();
    assert!(
        log.iter().any(|entry| entry.contains("cluster_stopped")),
        "{log:?}"
    );
    assert_eq!(running.client.action_logs().await.unwrap().len(), log.len());
    running.stop().await;
}

#[tokio::test]
#[ignore = "needs REDIS_URL"] // `make test` provides one and runs this too
async fn nothing_is_restarted_because_redis_was_away() {
    let detour = Detour::new().await;
    let mut world = detour.world(4, "outage").await;
    world.ping_timeout_s = 6;
    let running = world.start();
    running.until("fully up", |list| list.fully_up).await;
    detour.close();
    // More than two missed pings take.
    tokio::time::sleep(Duration::from_secs(20)).await;
    // Requests by HTTP do not need Redis.
    running
        .client
        .command("num_processes", None, None)
        .await
        .unwrap();
    detour.open();
    let channels = [world.channel.clone()];
    let mut replies = world.bus.subscribe(&channels).await.unwrap();
    // The clusterer may still be on its way back.
    let answered = async {
        for question in 0.. {
            let question = format!("q{question}");
            world.send("statuses", None, &question).await;
            let answer = reply(&mut replies, &question);
            if let Ok(answer) = tokio::time::timeout(Duration::from_secs(1), answer).await {
                return answer;
            }
        }
        unreachable!("it asks for ever");
    };
    let statuses = tokio::time::timeout(Duration::from_secs(90), answered)
        .await
        .unwrap();
    assert_eq!(statuses["output"]["0"]["active"], true);
    // Long enough for a false kill of a cluster that is still reconnecting.
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(world.starts(), (1, 1));
    let log = running.client.action_logs().await.unwrap();
    assert!(
        log.iter().all(|entry| entry["event"] != "ping_failure"),
        "{log:?}"
    );
    // Its watch is in force again.
    std::fs::write(world.bot_dir().join("hang-0"), "").unwrap();
    running.log_entry("ping_failure").await;
    std::fs::remove_file(world.bot_dir().join("hang-0")).unwrap();
    running.stop().await;
}
