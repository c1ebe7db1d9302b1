//! Fleets seen from outside: Discord's sessions, the processes, the bus.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use splashtail_e2e::fleet::{BotProgram, Fleet, Layout};
use splashtail_e2e::platform::{is_alive, signal};

const LIMIT: Duration = Duration::from_secs(90);

fn redis() -> String {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL is set by `make test`");
    format!("{}/0", url.trim_end_matches('/'))
}

fn protocol(shards: u16, per_cluster: u16) -> Layout {
    Layout {
        bot: BotProgram::Protocol,
        shards,
        per_cluster,
        max_concurrency: 16,
    }
}

/// Start, pings, rolling restart, reshard and stop of a bot in another language that knows only
/// mewld's protocol.
async fn lives_through_everything(redis_url: Option<&str>) {
    let fleet = Fleet::start(protocol(8, 2), redis_url).await.unwrap();
    let list = fleet.until_up(LIMIT).await.unwrap();
    assert_eq!(list.shard_count, 8);
    let sessions = fleet.sessions().await.unwrap();
    assert_eq!(sessions.len(), 8, "{}", fleet.logs());

    // What an operator's script sees on the bus.
    let statuses = fleet.command("statuses", None).await.unwrap();
    let second = &statuses["1"];
    assert_eq!(
        (
            &second["active"],
            &second["status"],
            &second["name"],
            &second["shard_list"]
        ),
        (&json!(true), &json!(""), &json!("Waffle"), &json!([2, 3])),
        "{statuses}"
    );
    assert_eq!(
        fleet.command("num_processes", None).await.unwrap(),
        json!({"clusters": 4, "shards": 8})
    );
    assert_eq!(
        fleet.command("start", Some(1)).await.unwrap(),
        json!({"error": "already_running"})
    );
    assert!(fleet.command("nonsense", None).await.unwrap()["error"].is_string());

    // A rolling restart replaces every process, one at a time.
    let before = fleet.pids().await.unwrap();
    let watch = WorstOutage::watch(&fleet);
    assert_eq!(fleet.command("rollingrestart", None).await.unwrap(), "ok");
    fleet
        .until("rolling restart began", LIMIT, |list| {
            list.roll_restarting.then_some(())
        })
        .await
        .unwrap();
    fleet
        .until("rolling restart ended", LIMIT, |list| {
            (!list.roll_restarting).then_some(())
        })
        .await
        .unwrap();
    fleet.until_up(LIMIT).await.unwrap();
    assert!(watch.clusters_down() <= 1, "one cluster at a time");
    let after = fleet.pids().await.unwrap();
    assert_eq!(after.len(), 4);
    assert!(
        before.iter().all(|(id, pid)| after[id] != *pid),
        "{before:?} {after:?}"
    );
    let renewed = fleet.sessions().await.unwrap();
    assert!(
        sessions
            .iter()
            .all(|(shard, session)| renewed[shard] != *session)
    );

    // Discord recommends more shards: every cluster must learn the new total.
    fleet.recommend_shards(12);
    let watch = WorstOutage::watch(&fleet);
    assert_eq!(fleet.command("reshard", None).await.unwrap(), "ok");
    fleet
        .until("resharded", LIMIT, |list| {
            (list.shard_count == 12 && list.fully_up).then_some(())
        })
        .await
        .unwrap();
    fleet.until_up(LIMIT).await.unwrap();
    assert!(watch.clusters_down() <= 1, "one cluster at a time");
    assert_eq!(
        fleet
            .sessions()
            .await
            .unwrap()
            .into_keys()
            .collect::<Vec<_>>(),
        (0..12).collect::<Vec<_>>()
    );
    assert_eq!(fleet.events("reshard_success").await.unwrap().len(), 1);

    // Stopped means stopped, until it is started again.
    let pid = fleet.pids().await.unwrap()[&1];
    assert_eq!(fleet.command("stop", Some(1)).await.unwrap(), "ok");
    fleet
        .until("cluster 1 stopped", LIMIT, |list| {
            (!list.instances[1].active).then_some(())
        })
        .await
        .unwrap();
    assert!(!is_alive(pid));
    assert_eq!(
        fleet.command("stop", Some(1)).await.unwrap(),
        json!({"error": "not_running"})
    );
    assert_eq!(fleet.command("start", Some(1)).await.unwrap(), "ok");
    fleet.until_up(LIMIT).await.unwrap();

    assert!(fleet.events("ping_failure").await.unwrap().is_empty());
    assert!(fleet.events("cluster_crashed").await.unwrap().is_empty());
    let (survivors, violations) = fleet.stop().await.unwrap();
    assert!(survivors.is_empty(), "{survivors:?}");
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs REDIS_URL; `make test` provides it"]
async fn a_foreign_bot_lives_through_everything_on_redis() {
    lives_through_everything(Some(&redis())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_bot_lives_through_everything_on_the_hub() {
    lives_through_everything(None).await;
}

/// Our bot takes the arguments that mewld passes, finds its channel in the environment and
/// answers mewld's pings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs REDIS_URL; `make test` provides it"]
async fn our_bot_runs_as_mewld_starts_it() {
    let layout = Layout {
        bot: BotProgram::OursUnderMewld,
        shards: 2,
        per_cluster: 1,
        max_concurrency: 16,
    };
    let fleet = Fleet::start(layout, Some(&redis())).await.unwrap();
    fleet.until_up(LIMIT).await.unwrap();
    assert_eq!(fleet.sessions().await.unwrap().len(), 2);

    // mewld's own ping, as its documentation prints it.
    let mut replies = fleet
        .bus
        .subscribe(std::slice::from_ref(&fleet.channel))
        .await
        .unwrap();
    let ping = r#"{"id":1,"nonce":"QwErTyUiOp","diag":true}"#;
    fleet.bus.publish(&fleet.channel, ping).await.unwrap();
    let reply = async {
        loop {
            let message = replies.next_message().await.unwrap();
            let message: Value = serde_json::from_str(&message.payload).unwrap_or_default();
            let output = message["output"].as_str().unwrap_or_default();
            let output: Value = serde_json::from_str(output).unwrap_or_default();
            if message["action"] == "diag" && output["Nonce"] == "QwErTyUiOp" {
                assert_eq!(message["scope"], "launcher");
                return output;
            }
        }
    };
    let output = tokio::time::timeout(LIMIT, reply).await.unwrap();
    assert_eq!(output["cluster_id"], 1);
    let shard = &output["Data"][0];
    assert_eq!(
        (&shard["shard_id"], &shard["up"]),
        (&json!(1), &json!(true))
    );
    let (survivors, violations) = fleet.stop().await.unwrap();
    assert!(survivors.is_empty(), "{survivors:?}");
    assert!(violations.is_empty(), "{violations:#?}");
}

/// What an operator's command prints, and whether it succeeded.
async fn operator(fleet: &Fleet, host: usize, arguments: &[&str]) -> (bool, String) {
    let output = fleet.operator(host, arguments).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

async fn expect(fleet: &Fleet, host: usize, arguments: &[&str], words: &str) -> String {
    let (done, text) = operator(fleet, host, arguments).await;
    assert!(
        done && text.contains(words),
        "{arguments:?} at host {host}: {text}\n{}",
        fleet.logs()
    );
    text
}

/// State of each cluster and whether the host that was asked runs it.
async fn seen_from(fleet: &Fleet, host: usize) -> Vec<(String, bool)> {
    let text = expect(fleet, host, &["status", "--json"], "{").await;
    let status: Value = serde_json::from_str(&text).unwrap();
    let clusters = status["clusters"].as_array().unwrap().iter();
    clusters
        .map(|cluster| {
            let state = cluster["state"].as_str().unwrap().to_owned();
            (state, cluster["host"].is_null())
        })
        .collect()
}

/// `splashtail clusters` shows and commands the whole fleet from either of its two hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_commands_two_hosts_from_either() {
    let hosts = ["0-3", "4-7"];
    let fleet = Fleet::start_with(protocol(8, 2), &hosts, None, "");
    let mut fleet = fleet.await.unwrap();
    fleet.until_up(LIMIT).await.unwrap();
    // Word of that still has to reach the other one.
    let all_up = async {
        while seen_from(&fleet, 1)
            .await
            .iter()
            .any(|(state, _)| state != "running")
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LIMIT, all_up).await.unwrap();
    for (host, here) in [
        (0, [true, true, false, false]),
        (1, [false, false, true, true]),
    ] {
        let expected = here.map(|here| ("running".to_owned(), here));
        assert_eq!(seen_from(&fleet, host).await, expected);
        let table = expect(&fleet, host, &["status"], "4 of 4 clusters, 8 of 8 shards").await;
        assert!(table.contains("HOST") && table.contains("here"), "{table}");
    }

    expect(
        &fleet,
        0,
        &["stop", "3"],
        "cluster 3 (Cluster-3) is stopped",
    )
    .await;
    assert_eq!(seen_from(&fleet, 1).await[3], ("stopped".to_owned(), true));
    expect(&fleet, 0, &["start", "3"], "cluster 3 (Cluster-3) runs").await;
    let before = fleet.pids().await.unwrap();
    expect(&fleet, 1, &["restart", "0"], "cluster 0 (Flare) runs again").await;
    let pids = fleet.pids().await.unwrap();
    let changed: Vec<u64> = pids
        .iter()
        .filter(|(id, pid)| before[id] != **pid)
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(changed, [0]);

    fleet.until_up(LIMIT).await.unwrap();
    let watch = WorstOutage::watch(&fleet);
    let rolling = &["rolling-restart"];
    expect(&fleet, 1, rolling, "done: 4 clusters restarted").await;
    assert!(watch.clusters_down() <= 1, "one cluster at a time");
    let rolled = fleet.pids().await.unwrap();
    assert!(pids.iter().all(|(id, pid)| rolled[id] != *pid));
    fleet.until_up(LIMIT).await.unwrap();
    // Nothing has changed, so nothing is restarted, and that is said.
    let reshard = "8 shards in 4 clusters, 0 clusters restarted";
    expect(&fleet, 1, &["reshard"], reshard).await;

    // Without the clusterer of its host a cluster is missing, though it runs.
    fleet.kill_clusterer(1).await.unwrap();
    let missing = async {
        while seen_from(&fleet, 0).await[3].0 != "missing" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LIMIT, missing).await.unwrap();
    for refused in [&["stop", "3"][..], &["rolling-restart"]] {
        let (done, text) = operator(&fleet, 0, refused).await;
        assert!(!done, "{refused:?}: {text}");
    }
    assert!(is_alive(rolled[&3]));
    fleet.restart_clusterer(1).unwrap();
    fleet.until_up(LIMIT).await.unwrap();
    assert_eq!(fleet.pids().await.unwrap(), rolled, "all were adopted");

    let (survivors, violations) = fleet.stop().await.unwrap();
    assert!(survivors.is_empty(), "{survivors:?}");
    assert!(violations.is_empty(), "{violations:#?}");
}

/// The supervisor, and with it the hub, is killed while there is no clusterer: nobody is left to
/// stop the clusters, so they end themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_that_have_nobody_left_end() {
    let layout = Layout {
        bot: BotProgram::Ours,
        shards: 2,
        per_cluster: 1,
        max_concurrency: 16,
    };
    // Pings come every second.
    let patience = "CLUSTERER_ORPHAN_TIMEOUT=8\n";
    let fleet = Fleet::start_with(layout, &[], None, patience);
    let mut fleet = fleet.await.unwrap();
    fleet.until_up(LIMIT).await.unwrap();
    let pids = fleet.pids().await.unwrap();
    fleet.kill_clusterer(0).await.unwrap();
    fleet.end_hub();
    let ended = async {
        while pids.values().any(|pid| is_alive(*pid)) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(300), ended).await;
    assert!(ended.is_ok(), "{}", fleet.logs());
    let logs = fleet.logs();
    let reason = "neither the bus nor a clusterer has been there for too long";
    assert_eq!(logs.matches(reason).count(), 2, "{logs}");
}

/// One fleet of 16 clusters and 64 shards through a restart, a hang, a killed and an upgraded
/// clusterer. Durations are printed, for docs/benchmarks.md.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_clusters() {
    let started = Instant::now();
    let mut fleet = Fleet::start(protocol(64, 4), None).await.unwrap();
    let up = fully_up(&fleet, started, LIMIT).await;
    fleet.until_up(LIMIT).await.unwrap();
    let identifies = fleet.identifies().await.unwrap();
    assert_eq!(identifies.len(), 64);
    let attempts = fleet.identify_attempts().await.unwrap();
    assert_eq!(attempts, 64, "nobody identified too early");
    report_cold_start(&identifies, 15_000, up);

    restart_touches_no_other_session(&fleet).await;
    hung_cluster_is_replaced(&fleet).await;
    clusterer_may_die_under_load(&mut fleet).await;

    let (survivors, violations) = fleet.stop().await.unwrap();
    assert!(survivors.is_empty(), "{survivors:?}");
    assert!(violations.is_empty(), "{violations:#?}");
}

/// Cold start of our bot where Discord lets sixteen shards in at a time, with four clusters that
/// share every key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cold_start_sixteen_at_a_time() {
    let layout = Layout {
        bot: BotProgram::Ours,
        shards: 64,
        per_cluster: 16,
        max_concurrency: 16,
    };
    let started = Instant::now();
    let fleet = Fleet::start(layout, None).await.unwrap();
    let up = fully_up(&fleet, started, Duration::from_secs(180)).await;
    fleet.until_up(LIMIT).await.unwrap();
    let identifies = fleet.identifies().await.unwrap();
    assert_eq!(identifies.len(), 64);
    let attempts = fleet.identify_attempts().await.unwrap();
    assert_eq!(attempts, 64, "nobody identified too early");
    report_cold_start(&identifies, 15_000, up);
    let (survivors, violations) = fleet.stop().await.unwrap();
    assert!(survivors.is_empty(), "{survivors:?}");
    assert!(violations.is_empty(), "{violations:#?}");
}

/// Somebody switched the privileged intents off in the developer portal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_discord_refuses_says_why_and_waits_for_its_operator() {
    let layout = Layout {
        bot: BotProgram::Ours,
        shards: 2,
        per_cluster: 1,
        max_concurrency: 16,
    };
    let fleet = Fleet::start(layout, None).await.unwrap();
    fleet.until_up(LIMIT).await.unwrap();
    let flags = fleet.application_flags(0);
    let pid = fleet.pids().await.unwrap()[&0];
    signal(pid, Signal::SIGKILL).unwrap();
    let held = |list: &splashtail_api_types::clusters::InstanceList| list.hold.clone();
    let hold = fleet.until("held", LIMIT, held).await.unwrap();
    assert_eq!((hold.code.as_str(), hold.close_code), ("intents", 4014));
    let attempts = fleet.identify_attempts().await.unwrap();
    assert_eq!(attempts, 3, "one identify found out");
    expect(&fleet, 0, &["status"], "Discord refuses the intents").await;
    expect(&fleet, 0, &["status"], "clusters start all").await;
    let (done, said) = operator(&fleet, 0, &["restart", "1"]).await;
    assert!(!done && said.contains("Discord refuses the bot"), "{said}");
    assert_eq!(fleet.sessions().await.unwrap().len(), 1, "what ran runs on");

    fleet.application_flags(flags);
    expect(&fleet, 0, &["start", "0"], "runs").await;
    let list = fleet.until_up(LIMIT).await.unwrap();
    assert_eq!(list.hold, None);
    assert_eq!(fleet.identify_attempts().await.unwrap(), attempts + 1);
    let (survivors, violations) = fleet.stop().await.unwrap();
    assert!(survivors.is_empty(), "{survivors:?}");
    assert!(violations.is_empty(), "{violations:#?}");
}

/// Cold start of our bot where Discord lets one shard identify per 5 s: more than five minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes more than five minutes; belongs to `make bench`"]
async fn cold_start_one_at_a_time() {
    let layout = Layout {
        bot: BotProgram::Ours,
        shards: 64,
        per_cluster: 4,
        max_concurrency: 1,
    };
    let started = Instant::now();
    let fleet = Fleet::start(layout, None).await.unwrap();
    let up = fully_up(&fleet, started, Duration::from_secs(500)).await;
    fleet.until_up(LIMIT).await.unwrap();
    let identifies = fleet.identifies().await.unwrap();
    assert_eq!(identifies.len(), 64);
    let attempts = fleet.identify_attempts().await.unwrap();
    assert_eq!(attempts, 64, "nobody identified too early");
    report_cold_start(&identifies, 315_000, up);
    let (survivors, violations) = fleet.stop().await.unwrap();
    assert!(survivors.is_empty(), "{survivors:?}");
    assert!(violations.is_empty(), "{violations:#?}");
}

async fn fully_up(fleet: &Fleet, started: Instant, limit: Duration) -> Duration {
    let up = fleet.until("fully up", limit, |list| list.fully_up.then_some(()));
    up.await.unwrap();
    started.elapsed()
}

/// `floor_ms` is what Discord's pace alone takes from the first to the last identify.
#[allow(clippy::print_stdout, reason = "a measurement")]
fn report_cold_start(identifies: &[i64], floor_ms: i64, up: Duration) {
    let took = identifies.last().unwrap() - identifies[0];
    assert!(
        took >= floor_ms - 200,
        "faster than Discord allows: {took} ms"
    );
    println!(
        "{}",
        json!({"figure": "cold start", "shards": identifies.len(), "floor_ms": floor_ms,
            "first_to_last_identify_ms": took, "ratio": took as f64 / floor_ms as f64,
            "start_to_fully_up_ms": up.as_millis()})
    );
}

async fn restart_touches_no_other_session(fleet: &Fleet) {
    let before = fleet.sessions().await.unwrap();
    assert_eq!(before.len(), 64);
    let pids = fleet.pids().await.unwrap();
    assert_eq!(fleet.command("restart", Some(5)).await.unwrap(), "ok");
    // The command is accepted before it is carried out.
    let replaced = async {
        while fleet.pids().await.unwrap()[&5] == pids[&5] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, replaced).await.unwrap();
    fleet.until_up(LIMIT).await.unwrap();
    let after = fleet.sessions().await.unwrap();
    let changed: Vec<u32> = before
        .iter()
        .filter(|(shard, session)| after.get(shard) != Some(session))
        .map(|(shard, _)| *shard)
        .collect();
    assert_eq!(changed, [20, 21, 22, 23]);
    let renewed = fleet.pids().await.unwrap();
    let changed: Vec<u64> = pids
        .iter()
        .filter(|(id, pid)| renewed[id] != **pid)
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(changed, [5]);
}

#[allow(clippy::print_stdout, reason = "a measurement")]
async fn hung_cluster_is_replaced(fleet: &Fleet) {
    let pids = fleet.pids().await.unwrap();
    let before = fleet.sessions().await.unwrap();
    let hung = Instant::now();
    signal(pids[&9], Signal::SIGSTOP).unwrap();
    let marked = async {
        while fleet.events("ping_failure").await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        hung.elapsed()
    };
    let marked = tokio::time::timeout(LIMIT, marked).await.unwrap();
    let replaced = async {
        while fleet.pids().await.unwrap()[&9] == pids[&9] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        hung.elapsed()
    };
    let replaced = tokio::time::timeout(LIMIT, replaced).await.unwrap();
    fleet.until_up(LIMIT).await.unwrap();
    println!(
        "{}",
        json!({"figure": "hung cluster", "marked_ms": marked.as_millis(),
            "replaced_ms": replaced.as_millis(), "up_ms": hung.elapsed().as_millis()})
    );
    assert!(!is_alive(pids[&9]));
    let failures = fleet.events("ping_failure").await.unwrap();
    assert!(
        failures.iter().all(|entry| entry["id"] == 9),
        "{failures:?}"
    );
    let after = fleet.sessions().await.unwrap();
    let untouched = |(shard, session): (&u32, &String)| {
        (36..40).contains(shard) || after.get(shard) == Some(session)
    };
    assert!(before.iter().all(untouched));
}

/// SIGKILL, then an upgrade, while others flood the bus.
#[allow(clippy::print_stdout, reason = "a measurement")]
async fn clusterer_may_die_under_load(fleet: &mut Fleet) {
    let pids = fleet.pids().await.unwrap();
    let sessions = fleet.sessions().await.unwrap();
    let failures = fleet.events("ping_failure").await.unwrap().len();
    let load = Load::start(fleet);

    let mut figures = BTreeMap::new();
    for (count, how) in [(500, "killed"), (1000, "upgraded")] {
        load.reaches(count).await;
        let pid = fleet.clusterer_pid().unwrap();
        let at = Instant::now();
        if how == "killed" {
            fleet.kill_and_restart_clusterer().await.unwrap();
        } else {
            fleet.upgrade_clusterer().await.unwrap();
        }
        // What answers at once may still be the old one.
        fleet.insist("num_processes").await.unwrap();
        figures.insert(how, at.elapsed().as_millis());
        if how == "upgraded" {
            assert_eq!(fleet.clusterer_pid().unwrap(), pid, "the same process");
            let replaced = format!("/proc/{pid}/exe");
            let replaced = async {
                while std::fs::read_link(&replaced)
                    .is_ok_and(|exe| exe.to_string_lossy().ends_with("(deleted)"))
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(LIMIT, replaced).await.unwrap();
        }
        fleet.until_up(LIMIT).await.unwrap();
    }
    load.reaches(1500).await;
    fleet.until_up(LIMIT).await.unwrap();
    let messages = load.stop().await;
    println!(
        "{}",
        json!({"figure": "commands work again", "ms": figures, "messages_of_load": messages})
    );
    assert_eq!(
        fleet.pids().await.unwrap(),
        pids,
        "no cluster was restarted"
    );
    assert!(pids.values().all(|pid| is_alive(*pid)));
    assert_eq!(fleet.sessions().await.unwrap(), sessions);
    assert_eq!(fleet.events("ping_failure").await.unwrap().len(), failures);
}

/// Messages of strangers on the bus, a few hundred a second.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    fn start(fleet: &Fleet) -> Self {
        let (bus, channel) = (fleet.bus.clone(), fleet.channel.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicUsize::new(0));
        let (stopped, count) = (stop.clone(), sent.clone());
        let task = tokio::spawn(async move {
            let messages = [
                json!({"scope": "launcher", "action": "statuses", "command_id": "load"}),
                json!({"scope": "launcher", "action": "launch_next", "args": {"id": "three"}}),
                json!({"scope": "launcher", "action": "diag", "output": "{\"Nonce\":\"forged\",\"Data\":[]}"}),
                json!({"scope": "bot", "action": "note", "output": "x".repeat(2000)}),
                json!({"id": 3, "nonce": "aStranger1", "diag": true}),
            ];
            let mut pace = tokio::time::interval(Duration::from_millis(3));
            while !stopped.load(Ordering::Relaxed) {
                pace.tick().await;
                let message = &messages[count.load(Ordering::Relaxed) % messages.len()];
                if bus.publish(&channel, &message.to_string()).await.is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { stop, sent, task }
    }

    /// Waits until so many messages were sent in all.
    async fn reaches(&self, count: usize) {
        let reached = async {
            while self.sent.load(Ordering::Relaxed) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, reached).await.unwrap();
    }

    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.sent.load(Ordering::Relaxed)
    }
}

/// The most clusters that were without all of their sessions at one moment.
struct WorstOutage {
    worst: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl WorstOutage {
    fn watch(fleet: &Fleet) -> Self {
        let worst = Arc::new(AtomicUsize::new(0));
        let (client, seen) = (fleet.client().unwrap(), worst.clone());
        let task = tokio::spawn(async move {
            loop {
                if let Ok(list) = client.instance_list().await {
                    let down = |instance: &&splashtail_api_types::clusters::Instance| {
                        !instance.active || !instance.launched_fully
                    };
                    // Clusters that are new in this reshard were never up.
                    let known = list
                        .instances
                        .iter()
                        .filter(|i| i.started_at.timestamp() > 0);
                    seen.fetch_max(known.filter(down).count(), Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        Self { worst, task }
    }

    fn clusters_down(self) -> usize {
        self.task.abort();
        self.worst.load(Ordering::Relaxed)
    }
}
