//! Raids where members are approved by hand, and attackers whom faults strike.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{
    Act, ActKind, Damage, Defence, DrillEnd, DrillKind, NewDrill, RaidManner,
};
use splashtail_sandbox_world::seed::small;

use crate::client::eventually;
use crate::drills::{acts, as_owner, end, frozen, guild, order, play, start};

/// Requests that wait for a verdict, by who asked.
async fn waiting(ctl: &ControlClient) -> Vec<(String, String)> {
    let owner = small::OWNER.to_string();
    let path = guild("/requests");
    let answer = ctl.rest(&owner, "GET", &path, Value::Null).await;
    let answer = answer.unwrap().body;
    let all = answer["guild_join_requests"].as_array().unwrap().iter();
    let open = all.filter(|r| r["application_status"] == "SUBMITTED");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    open.map(|r| (text(&r["user_id"]), text(&r["id"])))
        .collect()
}

async fn decide(ctl: &ControlClient, user: &str, verdict: &str) {
    let open = waiting(ctl).await;
    let (_, request) = open.iter().find(|(asked, _)| asked == user).unwrap();
    let path = guild(&format!("/requests/{request}"));
    as_owner(ctl, "PATCH", path, json!({"action": verdict})).await;
}

fn raid(size: u32, wave: u32) -> NewDrill {
    NewDrill {
        manner: Some(RaidManner::Request),
        wave: Some(wave),
        ..order(DrillKind::Raid, size, 10.0)
    }
}

#[tokio::test]
async fn requests_that_nobody_answers_are_all_that_raiders_get() {
    let (b, ctl) = frozen().await;
    let report = play(&b, &ctl, &raid(5, 0)).await;
    assert_eq!(report.end, Some(DrillEnd::Completed));
    let requests = [(Damage::RequestsMade, 5)].into();
    assert_eq!((&report.achieved, &report.remains), (&requests, &requests));
    assert_eq!((report.planned, report.attempted), (10, 5));
    assert_eq!(report.attackers.in_guild, 0);
    assert_eq!(ctl.violations().await.unwrap(), []);
}

#[tokio::test]
async fn verdicts_let_raiders_in_or_end_it() {
    let (b, ctl) = frozen().await;
    let id = start(&ctl, &raid(3, 1)).await;
    b.clock.advance(Duration::from_millis(200));
    let seen = acts(&ctl, id, 3).await;
    eventually(|| async { ctl.drill(id, 0).await.unwrap().innocents.arrived == 1 }).await;
    let raiders = seen.attackers.ids;
    let open = waiting(&ctl).await;
    let guest = open.iter().find(|(user, _)| !raiders.contains(user));
    let guest = guest.unwrap().0.clone();
    decide(&ctl, &raiders[0], "REJECTED").await;
    decide(&ctl, &raiders[1], "APPROVED").await;
    decide(&ctl, &guest, "REJECTED").await;
    b.clock.advance(Duration::from_secs(60));
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::Completed));
    let achieved = [
        (Damage::RequestsMade, 3),
        (Damage::MembersJoined, 1),
        (Damage::MessagesPosted, 1),
    ];
    assert_eq!(report.achieved, achieved.into());
    assert_eq!(report.defended, [(Defence::RequestsRejected, 1)].into());
    assert_eq!(report.undone, [(Damage::RequestsMade, 1)].into());
    let asked = report.acts.iter().find(|a| a.act == ActKind::AskToJoin);
    let asked = asked.unwrap();
    assert_eq!((asked.attempted, asked.succeeded, asked.undone), (3, 3, 1));
    assert_eq!(asked.first_defence_ms, Some(200));
    let innocents = report.innocents;
    assert_eq!(
        (innocents.arrived, innocents.turned_away, innocents.touched),
        (1, 1, 1)
    );
    assert_eq!(ctl.violations().await.unwrap(), []);
}

#[tokio::test]
async fn a_wave_that_is_refused_ends_the_raid_by_request() {
    let (b, ctl) = frozen().await;
    let id = start(&ctl, &raid(2, 0)).await;
    b.clock.advance(Duration::from_millis(100));
    let seen = acts(&ctl, id, 2).await;
    for raider in &seen.attackers.ids {
        decide(&ctl, raider, "REJECTED").await;
    }
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::AttackersGone));
    assert_eq!(report.remains, [].into());
}

async fn fault(ctl: &ControlClient, rule: Value) {
    let rule = serde_json::from_value(rule).unwrap();
    ctl.add_fault(&rule).await.unwrap();
}

fn nuke(act: ActKind, size: u32) -> NewDrill {
    NewDrill {
        acts: vec![act],
        ..order(DrillKind::Nuke, size, 5.0)
    }
}

#[tokio::test]
async fn faults_strike_attackers_like_everyone() {
    let (b, ctl) = frozen().await;
    let route = "/guilds/{guild_id}/bans/{user_id}";
    let down = json!({"match": {"route": route}, "action": {"type": "status", "status": 503},
        "times": 1});
    fault(&ctl, down).await;
    let report = play(&b, &ctl, &nuke(ActKind::Ban, 2)).await;
    assert_eq!(report.refused, [("503".into(), 1)].into());
    assert_eq!(report.achieved, [(Damage::MembersBanned, 1)].into());

    // The answer is lost, not the effect.
    let path = guild("/channels");
    let mute = json!({"match": {"method": "POST", "route": path}, "action": {"type": "hang"},
        "times": 1});
    fault(&ctl, mute).await;
    let report = play(&b, &ctl, &nuke(ActKind::CreateChannel, 1)).await;
    assert_eq!(report.refused, [("no answer".into(), 1)].into());
    let owner = small::OWNER.to_string();
    let channels = ctl.rest(&owner, "GET", &path, Value::Null).await.unwrap();
    let channels = channels.body;
    let mut made = channels.as_array().unwrap().iter();
    assert!(made.any(|c| c["name"] == "nuked-1"));
}

#[tokio::test]
async fn whoever_waits_for_an_answer_attacks_slower() {
    let (b, ctl) = frozen().await;
    let slow = json!({"match": {"method": "POST", "route": guild("/channels")},
        "action": {"type": "latency", "ms": 2000}});
    fault(&ctl, slow).await;
    let id = start(&ctl, &nuke(ActKind::CreateChannel, 3)).await;
    acts(&ctl, id, 1).await;
    b.clock.advance(Duration::from_millis(1999));
    ctl.settle(5000).await.unwrap();
    acts(&ctl, id, 1).await;
    b.clock.advance(Duration::from_millis(1));
    acts(&ctl, id, 2).await;
    b.clock.advance(Duration::from_secs(2));
    let report = end(&ctl, id).await;
    assert_eq!(report.times.last_act_ms, Some(4000));
}

#[tokio::test]
async fn faults_strike_what_people_click() {
    let (b, ctl) = frozen().await;
    let join = format!("/guilds/{}/members/@me", small::GUILDS[0]);
    let down = json!({"match": {"route": join}, "action": {"type": "status", "status": 503},
        "times": 2});
    fault(&ctl, down).await;
    let newcomer = Act {
        guild_id: Some(small::GUILDS[0].to_string()),
        actors: Some(vec!["1400000000000000001".to_owned()]),
        ..Act::default()
    };
    let owner = small::OWNER.to_string();
    let joined = ctl.act(&owner, "join", &newcomer).await.unwrap();
    assert_eq!(joined.results[0].status, 503);
    let report = play(&b, &ctl, &order(DrillKind::Raid, 2, 10.0)).await;
    assert_eq!(report.refused, [("503".into(), 1)].into());
    assert_eq!(report.achieved[&Damage::MembersJoined], 1);

    // By the guild that the path leads into; the answer is lost, not the effect.
    let mute = json!({"match": {"guild": small::GUILDS[0].to_string()},
        "action": {"type": "hang"}, "times": 1});
    fault(&ctl, mute).await;
    let joined = ctl.act(&owner, "join", &newcomer).await.unwrap();
    assert_eq!(joined.results[0].status, 0);
    let again = ctl.act(&owner, "join", &newcomer).await.unwrap();
    assert_eq!(again.results[0].status, 204, "is in already");
}
