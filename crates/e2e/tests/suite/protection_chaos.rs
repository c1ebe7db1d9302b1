//! Protection while something else breaks: its process, its database, Discord's answers.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use splashtail_e2e::attack::{Rogue, eventually, incidents, say, state, switch_on};
use splashtail_e2e::backups::{GUILD, OWNER};
use splashtail_e2e::outage::Outage;
use splashtail_e2e::platform::{Engines, Platform, is_alive, signal};
use splashtail_sandbox_world::faults::{Action, Match, Rule};
use tempfile::TempDir;

/// So long is the database away.
const OUTAGE: Duration = Duration::from_secs(30);
const MEMBER: &str = "/guilds/{guild_id}/members/{user_id}";

async fn platform() -> Platform {
    started(TempDir::new().unwrap(), Engines::Embedded).await
}

/// With protection on.
async fn started(dir: TempDir, engines: Engines) -> Platform {
    let platform = Platform::start(dir, engines, &[]).await.unwrap();
    switch_on(&platform, GUILD).await.unwrap();
    platform
}

fn rule(method: &str, route: &str, action: Action) -> Rule {
    Rule {
        matches: Match {
            method: Some(method.to_owned()),
            route: Some(route.to_owned()),
            ..Match::default()
        },
        action,
        times: None,
        probability: 1.0,
    }
}

/// Three channels in an hour are normal, a fourth is not, however slow the machine is.
async fn three_an_hour(platform: &Platform) {
    let limit = json!({"limit_type": "channel_remove", "of": 1, "minute": 3, "hour": 3, "day": 3});
    let said = say(platform, GUILD, OWNER, "limits set", limit).await;
    assert!(said.unwrap().contains("3 / 3 / 3"));
}

/// Kills the cluster that has the server, and waits until another process has its shards.
async fn kill_the_cluster(platform: &Platform) {
    let sessions = || async {
        let sessions = platform.control.sessions().await.unwrap();
        let ours = sessions
            .into_iter()
            .filter(|s| s.connected && s.shard[0] < 2);
        ours.map(|session| session.session_id)
            .collect::<BTreeSet<_>>()
    };
    let lost = sessions().await;
    let killed = platform.ready.pids.bot[&0];
    signal(killed, Signal::SIGKILL).unwrap();
    let back = || async {
        let now = sessions().await;
        (now.len() == 2 && now.is_disjoint(&lost)).then_some(())
    };
    eventually("the cluster is back", back).await.unwrap();
    assert!(!is_alive(killed));
}

/// The one incident on disk with this attacker, once it is contained.
async fn on_disk(platform: &Platform, attacker: &str) -> Value {
    let written = || async {
        let all = incidents(platform, GUILD).await.unwrap();
        let of = |incident: &&Value| {
            let suspects = incident["suspects"].as_array().unwrap();
            suspects.iter().any(|suspect| suspect["id"] == attacker)
        };
        let his: Vec<&Value> = all.iter().filter(of).collect();
        assert!(his.len() <= 1, "one attack, one incident: {his:#?}");
        let incident = his.first()?;
        (incident["state"] == "contained").then(|| (*incident).clone())
    };
    eventually("the incident is on disk", written)
        .await
        .unwrap()
}

/// Channels that an incident says were deleted.
fn deleted(incident: &Value) -> usize {
    let acts = incident["acts"].as_array().unwrap().iter();
    acts.filter(|act| act["kind"] == "channel_remove").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_killed_in_the_middle_of_an_attack_remembers_its_beginning() {
    let platform = platform().await;
    three_an_hour(&platform).await;
    let mut rogue = Rogue::enter(&platform, GUILD).await.unwrap();
    for _ in 0..2 {
        assert_eq!(rogue.delete_channel().await.unwrap(), 200);
    }
    let counted = || async {
        let state = state(&platform, GUILD).await.unwrap();
        let ring = state["actors"][&rogue.id]["windows"]["ring"]
            .as_array()?
            .len();
        (ring >= 2).then_some(())
    };
    eventually("both are counted on disk", counted)
        .await
        .unwrap();

    kill_the_cluster(&platform).await;
    // The third and the fourth: alone they would be normal.
    assert_eq!(rogue.delete_channel().await.unwrap(), 200);
    assert!(!rogue.is_stopped().await.unwrap());
    assert_eq!(rogue.delete_channel().await.unwrap(), 200);
    rogue.stopped().await.unwrap();
    assert_eq!(rogue.delete_channel().await.unwrap(), 403);

    let incident = on_disk(&platform, &rogue.id).await;
    assert_eq!(deleted(&incident), 4, "{incident:#}");
    assert_eq!(
        rogue.punishments().await.unwrap(),
        [("PATCH".to_owned(), 200)]
    );
    rogue.leave().await.unwrap();
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_while_no_cluster_was_there_is_found_in_the_log() {
    let platform = platform().await;
    three_an_hour(&platform).await;
    let mut rogue = Rogue::enter(&platform, GUILD).await.unwrap();
    assert_eq!(rogue.delete_channel().await.unwrap(), 200);
    let counted = || async {
        let state = state(&platform, GUILD).await.unwrap();
        state["actors"].get(&rogue.id).map(drop)
    };
    eventually("the first is counted on disk", counted)
        .await
        .unwrap();
    let killed = platform.ready.pids.bot[&0];
    signal(killed, Signal::SIGKILL).unwrap();
    // Nobody sees these.
    for _ in 0..3 {
        assert_eq!(rogue.delete_channel().await.unwrap(), 200);
    }
    rogue.stopped().await.unwrap();
    let incident = on_disk(&platform, &rogue.id).await;
    assert_eq!(deleted(&incident), 4, "{incident:#}");
    assert_eq!(
        rogue.punishments().await.unwrap(),
        [("PATCH".to_owned(), 200)]
    );
    rogue.leave().await.unwrap();
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_killed_between_call_and_answer_punishes_once() {
    let platform = platform().await;
    // It takes effect, and nobody hears of it.
    let silent = rule("PATCH", MEMBER, Action::Hang {});
    let silent = platform.control.add_fault(&silent).await.unwrap();
    let mut rogue = Rogue::enter(&platform, GUILD).await.unwrap();
    rogue.delete_all().await.unwrap();
    kill_the_cluster(&platform).await;
    platform.control.remove_fault(silent.id).await.unwrap();
    let incident = on_disk(&platform, &rogue.id).await;
    assert_eq!(incident["mode"], "on");
    let punished = rogue.punishments().await.unwrap();
    assert_eq!(punished.len(), 1, "{punished:?}\n{incident:#}");
    rogue.leave().await.unwrap();
    assert!(platform.stop().await.unwrap().is_empty());
}

/// Nothing can be written, as with a disk that does not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_nothing_delays_no_answer() {
    an_outage_delays_no_answer(platform().await).await;
}

/// Every connection ends, and no new one is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs DATABASE_URL and REDIS_URL"]
async fn a_database_that_is_away_delays_no_answer() {
    let dir = TempDir::new().unwrap();
    let engines = Engines::production(dir.path()).await.unwrap();
    an_outage_delays_no_answer(started(dir, engines).await).await;
}

async fn an_outage_delays_no_answer(platform: Platform) {
    let outage = Outage::begin(&platform).await.unwrap();
    let free = tokio::time::Instant::now() + OUTAGE;
    attack_in_an_outage(&platform).await;
    tokio::time::sleep_until(free).await;
    outage.end().await.unwrap();
    after_the_outage(platform).await;
}

/// The same decision as ever, while nothing can be read or written.
async fn attack_in_an_outage(platform: &Platform) {
    let mut rogue = Rogue::enter(platform, GUILD).await.unwrap();
    rogue.delete_all().await.unwrap();
    assert_eq!(
        rogue.punishments().await.unwrap(),
        [("PATCH".to_owned(), 200)]
    );
    rogue.leave().await.unwrap();
}

async fn after_the_outage(platform: Platform) {
    let written = || async {
        let all = incidents(&platform, GUILD).await.unwrap();
        all.into_iter()
            .find(|incident| incident["state"] == "contained")
    };
    let incident = eventually("the incident is on disk", written)
        .await
        .unwrap();
    assert_eq!(
        incident["calls"].as_array().unwrap().len(),
        1,
        "{incident:#}"
    );
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_discords_is_not_sat_out() {
    let platform = platform().await;
    let limited = Action::Status {
        status: 429,
        scope: Some("user".to_owned()),
        retry_after: Some(8.0),
        header_retry_after: None,
        html: false,
        body: None,
    };
    let limited = rule("PATCH", MEMBER, limited);
    platform.control.add_fault(&limited).await.unwrap();
    let mut rogue = Rogue::enter(&platform, GUILD).await.unwrap();
    rogue.delete_all().await.unwrap();
    let punished = rogue.punishments().await.unwrap();
    assert_eq!(
        punished.last(),
        Some(&("DELETE".to_owned(), 204)),
        "{punished:?}"
    );
    on_disk(&platform, &rogue.id).await;
    rogue.leave().await.unwrap();
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_discord_is_asked_again_and_then_in_another_way() {
    let platform = platform().await;
    let down = |times| Rule {
        times,
        ..rule(
            "PATCH",
            MEMBER,
            Action::Status {
                status: 503,
                scope: None,
                retry_after: None,
                header_retry_after: None,
                html: true,
                body: None,
            },
        )
    };
    // Once: the same is asked again.
    platform.control.add_fault(&down(Some(1))).await.unwrap();
    let mut rogue = Rogue::enter(&platform, GUILD).await.unwrap();
    rogue.delete_all().await.unwrap();
    let expected = [("PATCH".to_owned(), 503), ("PATCH".to_owned(), 200)];
    assert_eq!(rogue.punishments().await.unwrap(), expected);
    on_disk(&platform, &rogue.id).await;
    rogue.leave().await.unwrap();

    // All the time: it is another way.
    platform.control.add_fault(&down(None)).await.unwrap();
    let mut rogue = Rogue::enter(&platform, GUILD).await.unwrap();
    rogue.delete_all().await.unwrap();
    let punished = rogue.punishments().await.unwrap();
    assert_eq!(
        punished.last(),
        Some(&("DELETE".to_owned(), 204)),
        "{punished:?}"
    );
    on_disk(&platform, &rogue.id).await;
    rogue.leave().await.unwrap();
    assert!(platform.stop().await.unwrap().is_empty());
}
