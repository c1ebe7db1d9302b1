//! Raids where members are approved by hand.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{
    ActKind, Damage, Defence, DrillEnd, DrillKind, NewDrill, RaidManner,
};
use splashtail_sandbox_world::seed::small;

use crate::client::eventually;
use crate::drills::{acts, as_owner, end, frozen, guild, order, play, start};

/// Requests that wait for a verdict, by who asked.
pub async fn waiting(ctl: &ControlClient) -> Vec<(String, String)> {
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

pub async fn decide(ctl: &ControlClient, user: &str, verdict: &str) {
    let open = waiting(ctl).await;
    let (_, request) = open.iter().find(|(asked, _)| asked == user).unwrap();
    let path = guild(&format!("/requests/{request}"));
    as_owner(ctl, "PATCH", path, json!({"action": verdict})).await;
}

pub fn raid(size: u32, wave: u32) -> NewDrill {
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
    // Whoever was let in waits no more.
    let remains = [
        (Damage::RequestsMade, 1),
        (Damage::MembersJoined, 1),
        (Damage::MessagesPosted, 1),
    ];
    assert_eq!(report.remains, remains.into());
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

#[tokio::test]
async fn whoever_is_refused_has_had_its_say() {
    let (b, ctl) = frozen().await;
    let id = start(&ctl, &raid(1, 0)).await;
    let seen = acts(&ctl, id, 1).await;
    decide(&ctl, &seen.attackers.ids[0], "APPROVED").await;
    let silence = guild(&format!("/members/{}", seen.attackers.ids[0]));
    let until = json!({"communication_disabled_until": "2026-01-02T00:00:00Z"});
    as_owner(&ctl, "PATCH", silence, until).await;
    b.clock.advance(Duration::from_secs(60));
    let report = end(&ctl, id).await;
    assert_eq!((report.planned, report.attempted), (2, 2), "{report:?}");
    assert_eq!(report.refused, [("50013".into(), 1)].into());
}

#[tokio::test]
async fn a_raid_by_request_leaves_the_door_as_it_was() {
    let (b, ctl) = frozen().await;
    let achieved = [(Damage::MembersJoined, 3), (Damage::MessagesPosted, 3)].into();
    let report = play(&b, &ctl, &raid(2, 0)).await;
    assert_eq!(report.remains, [(Damage::RequestsMade, 2)].into());
    let report = play(&b, &ctl, &order(DrillKind::Raid, 3, 10.0)).await;
    assert_eq!(report.achieved, achieved);
    // Stopped in the middle, too.
    let id = start(&ctl, &raid(2, 0)).await;
    ctl.stop_drill(id).await.unwrap();
    let report = play(&b, &ctl, &order(DrillKind::Raid, 3, 10.0)).await;
    assert_eq!(report.achieved, achieved);
}
