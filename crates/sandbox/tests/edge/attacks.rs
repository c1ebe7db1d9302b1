//! What trained attackers do: every act of a nuke, raids of all manners, low and slow.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{
    ActKind, ActReport, Damage, Defence, DrillKind, DrillReport, NewApp, NewDrill, Pace,
    RaidManner, RaidStyle,
};
use splashtail_sandbox_world::seed::small;

use crate::client::bench;
use crate::drills::{acts, as_owner, end, frozen, guild, order, play, start};

fn by_kind(report: &DrillReport) -> BTreeMap<ActKind, &ActReport> {
    report.acts.iter().map(|act| (act.act, act)).collect()
}

/// An invite, an AutoMod rule and a second bot, which the world does not have.
async fn furnish(ctl: &ControlClient, general: &str) {
    as_owner(
        ctl,
        "POST",
        format!("/channels/{general}/invites"),
        json!({}),
    )
    .await;
    let rule = json!({"name": "no slurs", "event_type": 1, "trigger_type": 1,
        "trigger_metadata": {"keyword_filter": ["damn"]}, "actions": [{"type": 1}]});
    as_owner(ctl, "POST", guild("/auto-moderation/rules"), rule).await;
    let app = NewApp {
        guilds: vec![small::GUILDS[0].to_string()],
        ..NewApp::default()
    };
    ctl.create_app(&app).await.unwrap();
}

async fn general(ctl: &ControlClient) -> String {
    let owner = small::OWNER.to_string();
    let path = guild("/channels");
    let channels = ctl.rest(&owner, "GET", &path, Value::Null);
    let channels = channels.await.unwrap().body;
    let channels = channels.as_array().unwrap().iter();
    let mut found = channels.filter(|c| c["name"] == "general");
    found.next().unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_act_of_a_rogue_above_the_bot_succeeds() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    furnish(&ctl, &general(&ctl).await).await;
    // One of each, in an order in which none takes away what another needs.
    let every: Vec<ActKind> = ActKind::DESTRUCTIVE
        .into_iter()
        .filter(|act| ![ActKind::BulkBan, ActKind::Kick].contains(act))
        .collect();
    let nuke = NewDrill {
        acts: every.clone(),
        above_bot: true,
        ..order(DrillKind::Nuke, every.len() as u32, 2.0)
    };
    let report = play(&b, &ctl, &nuke).await;
    let kinds = by_kind(&report);
    for act in &every {
        let seen = kinds
            .get(act)
            .unwrap_or_else(|| panic!("{act:?} was not tried"));
        assert_eq!(
            (seen.succeeded, seen.undone),
            (1, 0),
            "{seen:?} {:?}",
            report.refused
        );
    }
    assert_eq!(report.attackers.total, 2, "the rogue and an accomplice");
    assert_eq!(report.attackers.active, 2);
    assert_eq!(ctl.violations().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_set_right_counts_as_undone_by_act() {
    let (b, ctl) = frozen().await;
    let general = general(&ctl).await;
    let nuke = NewDrill {
        acts: vec![
            ActKind::EditServer,
            ActKind::DeleteEmoji,
            ActKind::HideChannel,
            ActKind::StripRoles,
            ActKind::GrantAdministrator,
        ],
        ..order(DrillKind::Nuke, 6, 5.0)
    };
    let id = start(&ctl, &nuke).await;
    b.clock.advance(Duration::from_millis(850));
    let report = acts(&ctl, id, 5).await;
    assert_eq!(report.succeeded, 5, "{:?}", report.refused);
    assert_eq!(report.undone, BTreeMap::new());
    b.clock.advance(Duration::from_millis(50));
    as_owner(&ctl, "PATCH", guild(""), json!({"name": "Harbour"})).await;
    let accomplice = report.attackers.ids[1].clone();
    let member = guild(&format!("/members/{accomplice}"));
    as_owner(&ctl, "PATCH", member, json!({"roles": []})).await;
    let report = ctl.stop_drill(id).await.unwrap();
    let kinds = by_kind(&report);
    let undone: Vec<u64> = nuke.acts.iter().map(|act| kinds[act].undone).collect();
    assert_eq!(undone, [1, 0, 0, 0, 1]);
    assert_eq!(kinds[&ActKind::EditServer].first_defence_ms, Some(900));
    let defended = [(Defence::RolesTaken, 1), (Defence::ChangesReverted, 1)];
    assert_eq!(report.defended, defended.into());
    assert_eq!(report.undone[&Damage::AdministratorsMade], 1);
    assert_eq!(report.innocents.touched, 0);
    drop(general);
}

#[tokio::test]
async fn low_and_slow_takes_hours_of_the_sandbox() {
    let (b, ctl) = frozen().await;
    let slow = NewDrill {
        rate: None,
        pace: Some(Pace::Slow),
        actors: Some(3),
        ..order(DrillKind::Nuke, 12, 1.0)
    };
    let id = start(&ctl, &slow).await;
    acts(&ctl, id, 1).await;
    b.clock.advance(Duration::from_secs(6 * 3600));
    let report = end(&ctl, id).await;
    assert_eq!((report.attempted, report.attackers.total), (12, 3));
    assert_eq!(report.settings.rate, 1.0 / 300.0);
}

#[tokio::test]
async fn a_wave_is_no_attack_and_whoever_strikes_at_it_is_told() {
    let (b, ctl) = frozen().await;
    let raid = NewDrill {
        wave: Some(10),
        style: Some(RaidStyle::Batch),
        watch_ms: Some(1000),
        ..order(DrillKind::Raid, 10, 5.0)
    };
    let id = start(&ctl, &raid).await;
    // The wave says hello for a while longer.
    b.clock.advance(Duration::from_secs(60));
    let done = || async { ctl.drill(id, 0).await.unwrap().innocents.arrived == 10 };
    crate::client::eventually(done).await;
    acts(&ctl, id, 20).await;
    let seen = ctl.drill(id, 0).await.unwrap();
    assert_eq!(seen.achieved[&Damage::MembersJoined], 10);
    // A careless defender bans everyone who is new.
    let raiders: Vec<&str> = seen.attackers.ids.iter().map(String::as_str).collect();
    let path = format!(
        "/ctl/guilds/{}/members?limit=200&people=true",
        small::GUILDS[0]
    );
    let members = ctl.call::<Value>(http::Method::GET, &path, &Value::Null);
    let members = members.await.unwrap();
    let ids = members["members"].as_array().unwrap().iter();
    let ids = ids.filter_map(|m| m["user"]["id"].as_str());
    let staff = [
        small::OWNER,
        small::ADMIN,
        small::MANAGER,
        small::MEMBER,
        small::SPARE,
    ];
    let staff = staff.map(|id| id.to_string());
    let guest = ids.filter(|id| !staff.iter().any(|s| s == id) && !raiders.contains(id));
    let guest = guest.map(str::to_owned).next().unwrap();
    for user in [raiders[0], &guest] {
        as_owner(&ctl, "PUT", guild(&format!("/bans/{user}")), json!({})).await;
    }
    b.clock.advance(Duration::from_secs(2));
    let report = end(&ctl, id).await;
    assert_eq!((report.innocents.banned, report.innocents.touched), (1, 1));
    assert_eq!(report.defended, [(Defence::AttackersBanned, 1)].into());
    // One lot: alike in name, and all made within the hour.
    let made = |id: &&str| (id.parse::<u64>().unwrap() >> 22) as i64;
    let (first, last) = (
        raiders.iter().map(made).min(),
        raiders.iter().map(made).max(),
    );
    assert!(last.unwrap() - first.unwrap() <= 3_600_000);
    assert_eq!(ctl.violations().await.unwrap(), []);
}

#[tokio::test]
async fn raiders_leave_at_once_or_come_back() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let manner = |manner| NewDrill {
        manner: Some(manner),
        ..order(DrillKind::Raid, 4, 4.0)
    };
    let report = play(&b, &ctl, &manner(RaidManner::JoinLeave)).await;
    let kinds = by_kind(&report);
    assert_eq!(kinds[&ActKind::Leave].succeeded, 4);
    assert_eq!(
        (report.attackers.in_guild, kinds[&ActKind::Join].undone),
        (0, 4)
    );

    let (b, ctl) = frozen().await;
    let id = start(&ctl, &manner(RaidManner::Rejoin)).await;
    b.clock.advance(Duration::from_secs(3));
    let seen = acts(&ctl, id, 8).await;
    let raider = seen.attackers.ids[2].clone();
    let member = guild(&format!("/members/{raider}"));
    as_owner(&ctl, "DELETE", member, Value::Null).await;
    b.clock.advance(Duration::from_secs(40));
    let report = end(&ctl, id).await;
    assert_eq!(by_kind(&report)[&ActKind::Join].succeeded, 5);
    assert_eq!(report.achieved[&Damage::MembersJoined], 4);
    assert_eq!(report.attackers.in_guild, 4);
    assert_eq!(report.defended, [(Defence::AttackersKicked, 1)].into());
}

#[tokio::test]
async fn many_accounts_can_post_once_each() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let spam = NewDrill {
        once: true,
        ..order(DrillKind::Spam, 30, 10.0)
    };
    let report = play(&b, &ctl, &spam).await;
    assert_eq!((report.attackers.total, report.succeeded), (30, 30));
}

/// Discord changes of 2026: `raid_detected_at` and `dm_spam_detected_at` in `incidents_data`.
#[tokio::test]
async fn discord_notices_raids_and_spam_by_itself_after_a_while() {
    let (b, ctl) = frozen().await;
    let mut session = b.session(1).await;
    let conduct =
        json!({"raid_noticed_after": 2, "dm_spam_noticed_after": 1, "audit": {"delay_ms": [0, 0]}});
    let set = ctl.call::<Value>(http::Method::PATCH, "/ctl/world", &conduct);
    set.await.unwrap();
    play(&b, &ctl, &order(DrillKind::Raid, 1, 10.0)).await;
    play(&b, &ctl, &order(DrillKind::Raid, 3, 10.0)).await;
    let told = session.until("GUILD_UPDATE").await;
    let incidents = &told["incidents_data"];
    assert_eq!(incidents["dm_spam_detected_at"], Value::Null);
    assert!(incidents["raid_detected_at"].is_string(), "{incidents}");
    let leak = NewDrill {
        acts: vec![ActKind::DirectMessage],
        ..order(DrillKind::TokenLeak, 3, 10.0)
    };
    play(&b, &ctl, &leak).await;
    let told = session.until("GUILD_UPDATE").await;
    assert!(told["incidents_data"]["dm_spam_detected_at"].is_string());
    // Neither is said twice, and the first raid was too small.
    let name = as_owner(&ctl, "PATCH", guild(""), json!({"name": "Renamed"}));
    name.await;
    assert_eq!(session.until("GUILD_UPDATE").await["name"], "Renamed");
    assert_eq!(ctl.violations().await.unwrap(), []);
}

// Discord's invites count their uses, and neither a deleted nor a paused one lets anybody in: what tells
// a raid from discovery.
#[tokio::test]
async fn raiders_come_by_an_invite_and_none_without_it() {
    let (b, ctl) = frozen().await;
    let id = start(&ctl, &order(DrillKind::Raid, 4, 1.0)).await;
    acts(&ctl, id, 1).await;
    let owner = small::OWNER.to_string();
    let path = guild("/invites");
    let invites = ctl.rest(&owner, "GET", &path, Value::Null);
    let invites = invites.await.unwrap().body;
    assert_eq!(invites[0]["uses"], 1, "{invites}");
    let code = invites[0]["code"].as_str().unwrap();
    as_owner(&ctl, "DELETE", format!("/invites/{code}"), Value::Null).await;
    b.clock.advance(Duration::from_secs(10));
    let report = end(&ctl, id).await;
    assert_eq!(report.achieved[&Damage::MembersJoined], 1);
    assert_eq!(report.refused, [("10006".into(), 3)].into());
}

#[tokio::test]
async fn a_drill_says_when_discord_notices_it() {
    let (b, ctl) = frozen().await;
    let noticed = NewDrill {
        noticed_after: Some(2),
        ..order(DrillKind::Raid, 2, 10.0)
    };
    let id = start(&ctl, &noticed).await;
    acts(&ctl, id, 1).await;
    let owner = small::OWNER.to_string();
    let path = guild("");
    let seen = || async {
        let place = ctl.rest(&owner, "GET", &path, Value::Null).await.unwrap();
        place.body["incidents_data"]["raid_detected_at"].clone()
    };
    assert_eq!(seen().await, Value::Null);
    b.clock.advance(Duration::from_millis(100));
    acts(&ctl, id, 2).await;
    assert!(seen().await.is_string());
}
