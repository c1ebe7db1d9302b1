//! Attackers whom faults strike: what counts is what they did, not what they were told.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{Act, ActKind, Damage, DrillEnd, DrillKind, NewDrill};
use splashtail_sandbox_world::seed::small;

use crate::asking::{decide, raid};
use crate::drills::{acts, as_owner, end, frozen, guild, order, play, start};

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
async fn a_slow_request_of_an_attacker_arrives_late_like_anybodys() {
    let (b, ctl) = frozen().await;
    let slow = json!({"match": {"method": "POST", "route": guild("/channels")},
        "action": {"type": "latency", "ms": 2000}});
    fault(&ctl, slow).await;
    let id = start(&ctl, &nuke(ActKind::CreateChannel, 3)).await;
    b.clock.advance(Duration::from_millis(1999));
    ctl.settle(5000).await.unwrap();
    let seen = acts(&ctl, id, 0).await;
    assert_eq!(seen.achieved, [].into());
    b.clock.advance(Duration::from_millis(1));
    acts(&ctl, id, 1).await;
    b.clock.advance(Duration::from_secs(4));
    let report = end(&ctl, id).await;
    assert_eq!(report.achieved, [(Damage::ChannelsCreated, 3)].into());
    assert_eq!(report.times.first_success_ms, Some(2000));
    assert_eq!(report.times.last_act_ms, Some(6000));
}

#[tokio::test]
async fn whoever_is_banned_while_its_request_travels_gets_nothing() {
    let (b, ctl) = frozen().await;
    let slow = json!({"match": {"method": "POST", "route": guild("/channels")},
        "action": {"type": "latency", "ms": 2000}});
    fault(&ctl, slow).await;
    let watched = NewDrill {
        actors: Some(2),
        ..nuke(ActKind::CreateChannel, 2)
    };
    let id = start(&ctl, &watched).await;
    b.clock.advance(Duration::from_millis(200));
    ctl.settle(5000).await.unwrap();
    let rogue = ctl.drill(id, 0).await.unwrap().attackers.ids[0].clone();
    as_owner(&ctl, "PUT", guild(&format!("/bans/{rogue}")), json!({})).await;
    b.clock.advance(Duration::from_secs(3));
    let report = end(&ctl, id).await;
    assert_eq!((report.attempted, report.succeeded), (2, 1), "{report:?}");
    assert_eq!(report.achieved, [(Damage::ChannelsCreated, 1)].into());
}

#[tokio::test]
async fn raiders_on_a_slow_line_post_once_they_are_in() {
    let (b, ctl) = frozen().await;
    let route = guild("/members/@me");
    let slow = json!({"match": {"route": route}, "action": {"type": "latency", "ms": 4000}});
    fault(&ctl, slow).await;
    let id = start(&ctl, &order(DrillKind::Raid, 2, 10.0)).await;
    b.clock.advance(Duration::from_millis(3999));
    ctl.settle(5000).await.unwrap();
    let seen = ctl.drill(id, 0).await.unwrap();
    assert_eq!((seen.end, seen.attackers.in_guild), (None, 0));
    b.clock.advance(Duration::from_millis(1));
    acts(&ctl, id, 2).await;
    b.clock.advance(Duration::from_secs(10));
    let report = end(&ctl, id).await;
    let achieved = [(Damage::MembersJoined, 2), (Damage::MessagesPosted, 2)];
    assert_eq!(report.achieved, achieved.into());
    assert_eq!(report.times.first_success_ms, Some(4000));
}

#[tokio::test]
async fn whoever_never_hears_gives_up_after_a_while() {
    let (b, ctl) = frozen().await;
    let mute = json!({"match": {"method": "POST", "route": guild("/channels")},
        "action": {"type": "hang"}, "times": 1});
    fault(&ctl, mute).await;
    let id = start(&ctl, &nuke(ActKind::CreateChannel, 2)).await;
    acts(&ctl, id, 1).await;
    b.clock.advance(Duration::from_millis(14_999));
    ctl.settle(5000).await.unwrap();
    acts(&ctl, id, 1).await;
    b.clock.advance(Duration::from_millis(1));
    let report = end(&ctl, id).await;
    assert_eq!(report.times.last_act_ms, Some(15_000));
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

#[tokio::test]
async fn raiders_who_were_never_told_are_in_all_the_same() {
    let (b, ctl) = frozen().await;
    let mute = json!({"match": {"route": guild("/members/@me")}, "action": {"type": "truncate"}});
    fault(&ctl, mute).await;
    let id = start(&ctl, &order(DrillKind::Raid, 3, 10.0)).await;
    b.clock.advance(Duration::from_millis(200));
    let seen = acts(&ctl, id, 3).await;
    assert_eq!((seen.end, seen.attackers.in_guild), (None, 3));
    b.clock.advance(Duration::from_secs(60));
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::Completed));
    assert_eq!(report.refused, [("no answer".into(), 3)].into());
    let achieved = [(Damage::MembersJoined, 3), (Damage::MessagesPosted, 3)];
    assert_eq!(report.achieved, achieved.into());
    assert_eq!((report.attempted, report.succeeded), (6, 3));
    // Whoever bans them ends it.
    let id = start(&ctl, &order(DrillKind::Raid, 1, 10.0)).await;
    let seen = acts(&ctl, id, 1).await;
    let ban = guild(&format!("/bans/{}", seen.attackers.ids[0]));
    as_owner(&ctl, "PUT", ban, json!({})).await;
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::AttackersGone));
    assert_eq!(report.undone, [(Damage::MembersJoined, 1)].into());
}

#[tokio::test]
async fn requests_whose_answer_is_lost_wait_for_a_verdict() {
    let (b, ctl) = frozen().await;
    let mute = json!({"match": {"route": guild("/members/@me")}, "action": {"type": "reset"}});
    fault(&ctl, mute).await;
    let id = start(&ctl, &raid(2, 0)).await;
    b.clock.advance(Duration::from_millis(100));
    let seen = acts(&ctl, id, 2).await;
    assert_eq!(seen.end, None);
    decide(&ctl, &seen.attackers.ids[0], "APPROVED").await;
    b.clock.advance(Duration::from_secs(60));
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::Completed));
    let achieved = [
        (Damage::RequestsMade, 2),
        (Damage::MembersJoined, 1),
        (Damage::MessagesPosted, 1),
    ];
    assert_eq!(report.achieved, achieved.into());
}

#[tokio::test]
async fn messages_that_attackers_took_down_are_no_defence() {
    let (b, ctl) = frozen().await;
    let mute = json!({"match": {"method": "DELETE", "route": "/channels/{channel_id}"},
        "action": {"type": "truncate"}});
    fault(&ctl, mute).await;
    let nuke = NewDrill {
        acts: vec![ActKind::Post, ActKind::DeleteChannel],
        ..order(DrillKind::Nuke, 24, 5.0)
    };
    let report = play(&b, &ctl, &nuke).await;
    assert!(report.refused["no answer"] > 0, "{report:?}");
    assert!(report.achieved[&Damage::ChannelsDeleted] > 0, "{report:?}");
    assert_eq!(report.defended, [].into());
    assert_eq!(report.undone, [].into());
}

#[tokio::test]
async fn what_faults_do_to_guests_is_no_deed_of_the_defence() {
    let (b, ctl) = frozen().await;
    let route = guild("/members/@me");
    let down = json!({"match": {"route": route}, "action": {"type": "status", "status": 503}});
    fault(&ctl, down).await;
    let wave = NewDrill {
        wave: Some(4),
        ..order(DrillKind::Raid, 2, 10.0)
    };
    let innocents = play(&b, &ctl, &wave).await.innocents;
    assert_eq!((innocents.arrived, innocents.struck), (4, 4));
    assert_eq!((innocents.turned_away, innocents.touched), (0, 0));
}
