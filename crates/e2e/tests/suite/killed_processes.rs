//! SIGKILL at the worst moment: what must go on, goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use splashtail::supervisor::report::Ready;
use splashtail_e2e::backups::{self, ADMINISTRATOR, Backup, GUILD, StartedBackup};
use splashtail_e2e::platform::{Engines, Platform, is_alive, signal};
use splashtail_sandbox::control::types::SessionInfo;
use splashtail_sandbox_world::faults::{Action, Match, Rule};
use splashtail_sandbox_world::journal::{Entry, Record};
use tempfile::TempDir;

const MESSAGES: &str = "/channels/{channel_id}/messages";
const LIMIT: Duration = Duration::from_secs(120);

async fn platform() -> Platform {
    let plans = [("total_max_messages", 5000), ("default_per_channel", 5000)];
    Platform::start(TempDir::new().unwrap(), Engines::Embedded, &plans)
        .await
        .unwrap()
}

/// A backup that reads its pages slowly, caught after the first ones.
async fn backup_in_the_middle(platform: &Platform) -> StartedBackup {
    let slow_pages = Rule {
        matches: Match {
            method: Some("GET".to_owned()),
            route: Some(MESSAGES.to_owned()),
            ..Match::default()
        },
        action: Action::Latency { ms: 300 },
        times: None,
        probability: 1.0,
    };
    platform.control.add_fault(&slow_pages).await.unwrap();
    let options =
        json!({"messages": true, "attachments": true, "max_messages": 5000, "per_channel": 5000});
    let backup = backups::create(platform, GUILD, ADMINISTRATOR, options)
        .await
        .unwrap();
    let pages = eventually("some pages were read", || async {
        (pages_read(platform).await >= 4).then_some(())
    });
    pages.await;
    backup
}

async fn pages_read(platform: &Platform) -> usize {
    let journal = platform.control.journal(0).await.unwrap();
    let is_page = |entry: &&Entry| {
        matches!(&entry.record, Record::Request { method, route: Some(route), .. }
            if method == "GET" && route == MESSAGES)
    };
    journal.iter().filter(is_page).count()
}

async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, check: impl Fn() -> F) -> T {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "not in time: {what}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The file holds every message of the long channel and nothing twice.
async fn assert_complete(platform: &Platform, backup: &StartedBackup) {
    let link = backups::finished(platform, backup).await.unwrap();
    let (_, bytes) = backups::download(platform, &link, ADMINISTRATOR)
        .await
        .unwrap();
    let mut file = Backup::open(bytes, None).unwrap();
    let channels = file.messages().unwrap();
    assert_eq!(channels.iter().map(|(_, ids)| ids.len()).max(), Some(1230));
    let sections = file.sections();
    let distinct: BTreeSet<_> = sections.iter().collect();
    assert_eq!(distinct.len(), sections.len(), "a section stands twice");
    for (channel, ids) in channels {
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!(
            distinct.len(),
            ids.len(),
            "a message of {channel} stands twice"
        );
        let mut newest_first = ids.clone();
        newest_first.sort_by_key(|id| std::cmp::Reverse(id.parse::<u64>().unwrap()));
        assert_eq!(ids, newest_first, "{channel} is in order");
    }
}

#[tokio::test]
async fn the_jobserver_goes_on_where_it_was() {
    let platform = platform().await;
    let backup = backup_in_the_middle(&platform).await;
    let old = platform.ready.pids.daemon("jobserver").unwrap();
    signal(old, Signal::SIGKILL).unwrap();
    assert_complete(&platform, &backup).await;
    assert!(!is_alive(old));
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_bot_and_the_job_do_not_notice_the_webserver() {
    let platform = platform().await;
    let backup = backup_in_the_middle(&platform).await;
    let sessions = sessions(&platform, 0..4).await;
    signal(
        platform.ready.pids.daemon("webserver").unwrap(),
        Signal::SIGKILL,
    )
    .unwrap();
    assert_complete(&platform, &backup).await;
    for pid in platform.ready.pids.bot.values() {
        assert!(is_alive(*pid), "the bot goes on");
    }
    assert!(is_alive(platform.ready.pids.daemon("jobserver").unwrap()));
    assert_eq!(
        self::sessions(&platform, 0..4).await,
        sessions,
        "no session was touched"
    );
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_killed_cluster_comes_back_and_the_other_does_not_notice() {
    let platform = platform().await;
    let before = sessions(&platform, 2..4).await;
    assert_eq!(before.len(), 2, "{before:?}");
    let killed = platform.ready.pids.bot[&0];
    let lost = sessions(&platform, 0..2).await;
    signal(killed, Signal::SIGKILL).unwrap();

    // Cluster 0 identifies anew: both of its shards get a session that was not there before.
    eventually("cluster 0 is back", || async {
        let now = sessions(&platform, 0..2).await;
        (now.len() == 2 && now.is_disjoint(&lost)).then_some(())
    })
    .await;
    assert!(!is_alive(killed));
    assert!(
        is_alive(platform.ready.pids.bot[&1]),
        "cluster 1 was left alone"
    );
    assert_eq!(
        sessions(&platform, 2..4).await,
        before,
        "its sessions are the same"
    );

    // And it answers again.
    eventually("cluster 0 answers", || async {
        let seen = backups::command(&platform, GUILD, ADMINISTRATOR, "ping", json!({})).await;
        seen.ok().and_then(|seen| seen.ack_ms)
    })
    .await;
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_clusterer_that_crashed_does_not_spoil_the_end() {
    let platform = platform().await;
    let clusterer = platform.ready.clusterer.clone().unwrap();
    let old = platform.ready.pids.daemon("clusterer").unwrap();
    signal(old, Signal::SIGKILL).unwrap();
    // Another process answers: the clusters are children of the supervisor now, and adopted.
    let written = platform.ready.data_dir.join("run/platform.json");
    eventually("there is a new clusterer", || async {
        let said = std::fs::read(&written).ok()?;
        let ready: Ready = serde_json::from_slice(&said).ok()?;
        let new = ready.pids.daemon("clusterer")?;
        let address = clusterer.join("readyz").unwrap();
        let answer = reqwest::get(address).await.ok()?;
        (new != old && answer.status() == 200).then_some(())
    })
    .await;
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test]
async fn clusters_without_a_clusterer_take_their_leave() {
    let platform = platform().await;
    let sessions = sessions(&platform, 0..4).await;
    assert_eq!(sessions.len(), 4);
    signal(
        platform.ready.pids.daemon("clusterer").unwrap(),
        Signal::SIGKILL,
    )
    .unwrap();
    // At once: the supervisor pauses before it starts another one.
    assert!(platform.stop().await.unwrap().is_empty());
}

/// Connected sessions of some shards.
async fn sessions(platform: &Platform, shards: std::ops::Range<u32>) -> BTreeSet<String> {
    let sessions: Vec<SessionInfo> = platform.control.sessions().await.unwrap();
    sessions
        .into_iter()
        .filter(|session| session.connected && shards.contains(&session.shard[0]))
        .map(|session| session.session_id)
        .collect()
}
