//! A small drill by every attacker, so that `scripts/bench drills`, whose figures need hours, still works and still finds what it
//! looks for.

use splashtail_e2e::attack::Ground;
use splashtail_e2e::drills::{Attack, Outcome, Who, run_beside};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::ActKind;
use tempfile::TempDir;

fn attack(who: Who, acts: &[ActKind], rate: f64, size: u32) -> Attack {
    Attack {
        who,
        acts: acts.to_vec(),
        rate,
        size,
        protected: true,
        judged: true,
    }
}

fn all_held(platform: &Platform, outcomes: &[Outcome]) {
    for outcome in outcomes {
        let verdict = outcome.verdict.as_ref().unwrap();
        let (attack, report) = (&outcome.attack, &outcome.report);
        let logs = || platform.logs();
        assert!(
            verdict.holds(),
            "{attack:?}: {verdict}\n{report:?}\n{}",
            logs()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drills_by_every_attacker_hold() {
    let dir = TempDir::new().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let ground = Ground::level(&platform).await.unwrap();
    let mut attacks: Vec<Attack> = Vec::new();
    for who in Who::ALL {
        if who != Who::LowAndSlow {
            attacks.push(attack(who, &[], 10.0, 40));
        }
    }
    // What a verdict is worth: nobody protects this one.
    attacks.push(Attack {
        protected: false,
        ..attack(Who::One, &[ActKind::DeleteChannel], 10.0, 10)
    });
    let mut outcomes = run_beside(&platform, &ground, attacks).await.unwrap();
    let bare = outcomes.pop().unwrap();
    let bare = bare.verdict.unwrap().to_string();
    assert!(bare.ends_with("goes on (channels deleted)"), "{bare}");
    all_held(&platform, &outcomes);
    // The clock is everybody's, so this one is alone.
    let slow = vec![attack(Who::LowAndSlow, &[], 0.02, 45)];
    let outcomes = run_beside(&platform, &ground, slow).await.unwrap();
    all_held(&platform, &outcomes);
    assert!(platform.stop().await.unwrap().is_empty());
}
