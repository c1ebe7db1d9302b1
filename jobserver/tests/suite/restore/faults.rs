//! Discord misbehaves while a server is put back: the restore comes out right all the same, or waits and
//! says for what.

use serde_json::{Value, json};
use splashtail_core::ids::TaskId;
use splashtail_sandbox::portrait::Sight;
use splashtail_sandbox_world::faults::{Action, Match, Rule};
use splashtail_storage::TaskState;

use crate::restore::excuses::{all_parts, shown, unexcused};
use crate::restore::{havoc, saved};
use crate::support::Jobserver;
use crate::support::server::{GUILD, OWNER, World, unlimited};

const SEED: u64 = 11;

fn status(status: u16, scope: Option<&str>, retry_after: Option<f64>, html: bool) -> Action {
    Action::Status {
        status,
        scope: scope.map(str::to_owned),
        retry_after,
        header_retry_after: None,
        html,
        body: None,
    }
}

/// Strikes so many requests of the bot, with this chance each.
fn rule(method: Option<&str>, action: Action, times: u32, probability: f64) -> Rule {
    Rule {
        matches: Match {
            method: method.map(str::to_owned),
            token: Some("1100000000000000001".to_owned()),
            ..Match::default()
        },
        action,
        times: Some(times),
        probability,
    }
}

/// Waits for the end; whenever the job is parked it has to say why, and goes on at once.
async fn patient(world: &World, server: &Jobserver, id: TaskId) -> Vec<String> {
    let mut reasons = Vec::new();
    loop {
        let row = server.row(id).await;
        match row.state {
            TaskState::Completed => return reasons,
            TaskState::Failed => panic!("{:#?}", server.log(id).await),
            TaskState::Running if row.lease_owner.is_none() => {
                let last = server.log(id).await.pop().unwrap();
                reasons.push(format!("{} {}", last.msg, json!(last.extra)));
                world.setup.wake().await;
            }
            _ => {}
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A restore under these rules.
async fn through(what: &str, rules: &[Rule]) -> Vec<String> {
    let world = unlimited("small").await;
    world.trust_bot().await;
    havoc::furnish(&world).await;
    let channels = format!("/guilds/{GUILD}/channels");
    let body = json!({"name": "stories", "type": 0});
    let channel = world.rest(OWNER, "POST", &channels, body).await;
    let id = channel["id"].as_str().unwrap();
    for n in 0..5 {
        let path = format!("/channels/{id}/messages");
        let body = json!({"content": format!("line {}", n / 2)});
        world.rest(OWNER, "POST", &path, body).await;
    }
    let server = world.setup.start().await;
    let mut sight = Sight {
        messages: 20,
        people: true,
        ..Sight::default()
    };
    let before = world.portrait(GUILD, &sight).await;
    let options = json!({"BackupMessages": true, "PerChannel": 50, "MaxMessages": 5000,
        "BackupBans": true});
    let (_, source) = saved(&world, &server, options).await;
    havoc::wreak(&world, SEED, 1).await;
    let path = format!("/channels/{id}");
    // It may be gone already.
    let deleted = world.control.rest(OWNER, "DELETE", &path, Value::Null);
    deleted.await.unwrap();
    for rule in rules {
        world.control.add_fault(rule).await.unwrap();
    }
    let options = json!({"BackupSource": source, "Parts": all_parts()});
    let id = server.order_restore(&world, options).await;
    let reasons = patient(&world, &server, id).await;
    world.control.clear_faults().await.unwrap();
    sight.messages = 100;
    let after = world.portrait(GUILD, &sight).await;
    let differences = before.differences(&after);
    let left = unexcused(&differences);
    let report = server.document(id).await;
    assert!(
        left.is_empty(),
        "{what}:\n{}\n{:#}\n{reasons:#?}",
        shown(&left),
        report["lines"]
    );
    reasons
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_minutes_is_waited_for_by_name() {
    // Each attempt asks five times before the job is parked.
    let rules = [rule(Some("POST"), status(503, None, None, false), 25, 1.0)];
    let reasons = through("503", &rules).await;
    assert!(!reasons.is_empty(), "it was parked");
    for reason in reasons {
        assert!(reason.contains("503"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_every_scope_are_obeyed() {
    for scope in ["user", "shared", "global"] {
        let action = status(429, Some(scope), Some(0.3), false);
        through(scope, &[rule(None, action, 40, 0.3)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_is_looked_up() {
    let rules = [
        rule(None, Action::Reset {}, 25, 0.15),
        rule(None, Action::Truncate {}, 25, 0.15),
    ];
    through("broken off", &rules).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_is_given_up_and_looked_up() {
    through("hangs", &[rule(Some("POST"), Action::Hang {}, 1, 1.0)]).await;
}

/// What stands before the API answers in HTML, at times as if all were well.
#[tokio::test(flavor = "multi_thread")]
async fn pages_are_no_answers() {
    for (code, times) in [(502, 12), (200, 4)] {
        let action = status(code, None, None, true);
        through(&format!("page {code}"), &[rule(None, action, times, 0.2)]).await;
    }
}
