//! Attackers whom faults strike: what counts is what they did, not what they were told.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::control::client::{ControlClient, ControlError};
use splashtail_sandbox::control::types::{
    Act, ActKind, Consent, Damage, DrillEnd, DrillKind, NewDrill,
};
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
    assert_eq!((report.succeeded, report.unheard), (1, 1));
    assert_eq!(report.refused, [].into());
    let owner = small::OWNER.to_string();
    let channels = ctl.rest(&owner, "GET", &path, Value::Null).await.unwrap();
    let channels = channels.body;
    let mut made = channels.as_array().unwrap().iter();
    assert!(made.any(|c| c["name"] == "nuked-1"));
}

#[tokio::test]
async fn an_act_that_gets_half_way_counts_and_only_the_rest_is_tried_again() {
    let (b, ctl) = frozen().await;
    let route = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}";
    let down = json!({"match": {"route": route}, "action": {"type": "status", "status": 503},
        "times": 1});
    fault(&ctl, down).await;
    // There are three accomplices: the first one comes last.
    let grant = nuke(ActKind::GrantAdministrator, 4);
    let id = start(&ctl, &grant).await;
    let half = acts(&ctl, id, 1).await;
    assert_eq!(half.refused, [("503".into(), 1)].into());
    assert_eq!(half.achieved, [(Damage::AdminRolesCreated, 1)].into());
    assert_eq!(half.remains, half.achieved);
    b.clock.advance(Duration::from_secs(1));
    let report = end(&ctl, id).await;
    assert_eq!((report.attempted, report.succeeded), (4, 3));
    let achieved = [
        (Damage::AdminRolesCreated, 3),
        (Damage::AdministratorsMade, 3),
    ];
    assert_eq!(report.achieved, achieved.into());
    assert_eq!(report.remains, report.achieved);
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
    let route = "/invites/*";
    let slow = json!({"match": {"route": route}, "action": {"type": "latency", "ms": 4000}});
    fault(&ctl, slow).await;
    let id = start(&ctl, &order(DrillKind::Raid, 2, 10.0)).await;
    b.clock.advance(Duration::from_millis(3999));
    ctl.settle(5000).await.unwrap();
    let seen = ctl.drill(id, 0).await.unwrap();
    assert_eq!((seen.end, seen.attackers.in_guild), (None, 0));
    b.clock.advance(Duration::from_millis(1));
    acts(&ctl, id, 1).await;
    // Each posts a second after it is in.
    b.clock.advance(Duration::from_millis(999));
    ctl.settle(5000).await.unwrap();
    acts(&ctl, id, 2).await;
    b.clock.advance(Duration::from_millis(1));
    acts(&ctl, id, 3).await;
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
    for route in [join.as_str(), "/invites/*"] {
        let down = json!({"match": {"route": route}, "times": 1,
            "action": {"type": "status", "status": 503}});
        fault(&ctl, down).await;
    }
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
    // It is a bad moment, and so the raider comes back.
    assert_eq!(report.achieved[&Damage::MembersJoined], 2);
    assert_eq!((report.attempted, report.planned), (5, 5));

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
    let mute = json!({"match": {"route": "/invites/*"}, "action": {"type": "truncate"}});
    fault(&ctl, mute).await;
    let id = start(&ctl, &order(DrillKind::Raid, 3, 10.0)).await;
    b.clock.advance(Duration::from_millis(200));
    let seen = acts(&ctl, id, 3).await;
    assert_eq!((seen.end, seen.attackers.in_guild), (None, 3));
    b.clock.advance(Duration::from_secs(60));
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::Completed));
    assert_eq!((report.unheard, report.refused), (3, [].into()));
    let achieved = [(Damage::MembersJoined, 3), (Damage::MessagesPosted, 3)];
    assert_eq!(report.achieved, achieved.into());
    assert_eq!((report.attempted, report.succeeded), (6, 6));
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
    let mute = json!({"match": {"route": "/invites/*"}, "action": {"type": "reset"}});
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
    assert!(report.unheard > 0, "{report:?}");
    assert!(report.achieved[&Damage::ChannelsDeleted] > 0, "{report:?}");
    assert_eq!(report.defended, [].into());
    assert_eq!(report.undone, [].into());
}

#[tokio::test]
async fn what_faults_do_to_guests_is_no_deed_of_the_defence() {
    let (b, ctl) = frozen().await;
    let route = "/invites/*";
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

#[tokio::test]
async fn guests_whom_the_server_refuses_are_turned_away_told_or_not() {
    let (b, ctl) = frozen().await;
    let mute = json!({"match": {"route": "/invites/*"}, "action": {"type": "reset"}});
    fault(&ctl, mute).await;
    let closed = json!({"invites_disabled_until": "2026-01-01T12:00:00Z"});
    as_owner(&ctl, "PUT", guild("/incident-actions"), closed).await;
    let wave = NewDrill {
        wave: Some(4),
        ..order(DrillKind::Raid, 2, 10.0)
    };
    let report = play(&b, &ctl, &wave).await;
    let innocents = report.innocents;
    assert_eq!(
        (innocents.arrived, innocents.turned_away, innocents.struck),
        (4, 4, 0)
    );
    assert_eq!((report.succeeded, report.unheard), (0, 0));
    assert!(!report.refused.contains_key("no answer"), "{report:?}");
}

#[tokio::test]
async fn what_is_on_its_way_when_the_last_attacker_goes_still_counts() {
    let (b, ctl) = frozen().await;
    let slow = json!({"match": {"method": "POST", "route": guild("/channels")},
        "action": {"type": "latency", "ms": 2000}});
    fault(&ctl, slow).await;
    let id = start(&ctl, &nuke(ActKind::CreateChannel, 1)).await;
    ctl.settle(5000).await.unwrap();
    let rogue = ctl.drill(id, 0).await.unwrap().attackers.ids[0].clone();
    as_owner(&ctl, "PUT", guild(&format!("/bans/{rogue}")), json!({})).await;
    ctl.settle(5000).await.unwrap();
    acts(&ctl, id, 0).await;
    b.clock.advance(Duration::from_secs(2));
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::AttackersGone));
    assert_eq!((report.attempted, report.succeeded), (1, 0), "{report:?}");
}

/// Everyone there is.
async fn users(ctl: &ControlClient) -> Vec<String> {
    let summary = ctl.summary().await.unwrap();
    let users = summary["users"].as_array().unwrap().iter();
    users
        .map(|user| user["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_guest_on_a_slow_line_holds_nothing_up() {
    let (b, ctl) = frozen().await;
    let before = users(&ctl).await;
    let wave = NewDrill {
        wave: Some(3),
        ..order(DrillKind::Raid, 4, 10.0)
    };
    let id = start(&ctl, &wave).await;
    let raiders = acts(&ctl, id, 1).await.attackers.ids;
    let strange = |user: &&String| !before.contains(user) && !raiders.contains(user);
    for guest in users(&ctl).await.iter().filter(strange) {
        let slow =
            json!({"match": {"token": guest}, "action": {"type": "latency", "ms": 3_600_000}});
        fault(&ctl, slow).await;
    }
    assert_eq!(ctl.faults().await.unwrap().len(), 3);
    b.clock.advance(Duration::from_millis(300));
    acts(&ctl, id, 4).await;
    b.clock.advance(Duration::from_secs(60));
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::Completed));
    assert_eq!(report.innocents.arrived, 0);
    assert_eq!(report.times.ended_ms, Some(60_300));
}

#[tokio::test]
async fn raiders_who_are_gone_do_not_wait_for_a_guest_on_a_slow_line() {
    let (b, ctl) = frozen().await;
    let before = users(&ctl).await;
    let wave = NewDrill {
        wave: Some(3),
        ..order(DrillKind::Raid, 2, 10.0)
    };
    let id = start(&ctl, &wave).await;
    let raiders = acts(&ctl, id, 1).await.attackers.ids;
    let strange = |user: &&String| !before.contains(user) && !raiders.contains(user);
    for guest in users(&ctl).await.iter().filter(strange) {
        let slow =
            json!({"match": {"token": guest}, "action": {"type": "latency", "ms": 3_600_000}});
        fault(&ctl, slow).await;
    }
    b.clock.advance(Duration::from_millis(100));
    acts(&ctl, id, 2).await;
    for raider in &raiders {
        as_owner(&ctl, "PUT", guild(&format!("/bans/{raider}")), json!({})).await;
    }
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::AttackersGone));
}

#[tokio::test]
async fn attackers_wait_as_long_as_the_header_says() {
    let (b, ctl) = frozen().await;
    let slow_down = json!({"match": {"route": "/invites/*"}, "times": 1, "action":
        {"type": "status", "status": 429, "retry_after": 1, "header_retry_after": 30}});
    fault(&ctl, slow_down).await;
    let id = start(&ctl, &order(DrillKind::Raid, 1, 10.0)).await;
    acts(&ctl, id, 1).await;
    b.clock.advance(Duration::from_millis(29_999));
    ctl.settle(5000).await.unwrap();
    let seen = ctl.drill(id, 0).await.unwrap();
    assert_eq!((seen.attempted, seen.succeeded), (1, 0), "it waits");
    b.clock.advance(Duration::from_millis(1));
    let seen = acts(&ctl, id, 2).await;
    assert_eq!(seen.achieved, [(Damage::MembersJoined, 1)].into());
}

#[tokio::test]
async fn raiders_who_were_let_in_post_when_the_outage_is_over() {
    let (b, ctl) = frozen().await;
    let posts = "/channels/{channel_id}/messages";
    // Both match the first message, and the first rule alone strikes it.
    for action in [
        json!({"type": "status", "status": 503}),
        json!({"type": "status", "status": 429, "retry_after": 2.5}),
    ] {
        let on = json!({"method": "POST", "route": posts});
        fault(&ctl, json!({"match": on, "action": action, "times": 1})).await;
    }
    let id = start(&ctl, &raid(1, 0)).await;
    let seen = acts(&ctl, id, 1).await;
    decide(&ctl, &seen.attackers.ids[0], "APPROVED").await;
    b.clock.advance(Duration::from_secs(60));
    let report = end(&ctl, id).await;
    assert_eq!(report.achieved[&Damage::MessagesPosted], 1, "{report:?}");
    let refused = [("429".to_owned(), 1), ("503".to_owned(), 1)];
    assert_eq!(report.refused, refused.into());
    assert_eq!((report.planned, report.attempted), (4, 4));
}

#[tokio::test]
async fn faults_strike_interactions_and_consents_of_people() {
    let (b, ctl) = frozen().await;
    let owner = small::OWNER.to_string();
    for route in ["/interactions", "/oauth2/authorize"] {
        let down = json!({"match": {"route": route, "token": owner}, "times": 1,
            "action": {"type": "status", "status": 503}});
        fault(&ctl, down).await;
    }
    let wish = json!({"kind": "slash", "guild_id": small::GUILDS[0], "name": "none",
        "channel_id": b.channel().await, "wait_ms": 0});
    let wish = serde_json::from_value(wish).unwrap();
    let seen = ctl.interact(&owner, &wish).await.unwrap();
    let error = seen.error.unwrap();
    assert_eq!(
        error,
        "The request was answered with 503 Service Unavailable"
    );
    // What is not struck gets as far as ever.
    assert!(
        ctl.interact(&owner, &wish).await.is_err(),
        "no such command"
    );
    let consent = Consent {
        authorize_url: format!("{}oauth2/authorize?client_id=1", b.running.rest),
        allow: true,
        guild_id: None,
    };
    let refused = ctl.consent(&owner, &consent).await.unwrap_err();
    assert!(matches!(refused, ControlError::Refused { status: 503, .. }));
    let refused = ctl.consent(&owner, &consent).await.unwrap_err();
    assert!(matches!(refused, ControlError::Refused { status: 400, .. }));
}
