//! Drills: what attackers achieve alone, what a defender stops, and how the report tells it.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::control::client::{ControlClient, ControlError};
use splashtail_sandbox::control::types::{
    Act, ActKind, Damage, Defence, DrillEnd, DrillKind, DrillReport, DrillState, LoadWorld,
    NewDrill, Side,
};
use splashtail_sandbox_world::seed::small;

use crate::client::{ALL_INTENTS, Bench, Client, bench, eventually};

/// Longer than any drill here takes.
const PATIENCE_MS: u64 = 60_000;

pub fn order(kind: DrillKind, size: u32, rate: f64) -> NewDrill {
    NewDrill {
        size: Some(size),
        rate: Some(rate),
        watch_ms: Some(0),
        ..NewDrill::new(kind, small::GUILDS[0].to_string())
    }
}

/// A sandbox whose time stands still, so that every act and answer has its moment.
pub async fn frozen() -> (Bench, ControlClient) {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    (b, ctl)
}

pub async fn start(ctl: &ControlClient, order: &NewDrill) -> u64 {
    ctl.start_drill(order).await.unwrap().id
}

/// Waits until so many acts are done at the present time.
pub async fn acts(ctl: &ControlClient, id: u64, attempted: u64) -> DrillReport {
    eventually(|| async { ctl.drill(id, 0).await.unwrap().attempted >= attempted }).await;
    let report = ctl.drill(id, 0).await.unwrap();
    assert_eq!(report.attempted, attempted, "{report:?}");
    report
}

pub async fn end(ctl: &ControlClient, id: u64) -> DrillReport {
    let report = ctl.drill(id, PATIENCE_MS).await.unwrap();
    assert_eq!(report.state, DrillState::Finished, "{report:?}");
    report
}

/// Lets time pass in small steps until it is over.
pub async fn play(b: &Bench, ctl: &ControlClient, order: &NewDrill) -> DrillReport {
    let id = start(ctl, order).await;
    loop {
        let report = ctl.drill(id, 0).await.unwrap();
        if report.state == DrillState::Finished {
            return report;
        }
        b.clock.advance(Duration::from_millis(20));
    }
}

fn refusals(report: &DrillReport) -> u64 {
    report.refused.values().sum()
}

fn code<T: std::fmt::Debug>(result: Result<T, ControlError>) -> (u16, String) {
    match result.unwrap_err() {
        ControlError::Refused { status, code, .. } => (status, code),
        other => panic!("{other}"),
    }
}

pub async fn as_owner(ctl: &ControlClient, method: &str, path: String, body: Value) {
    let owner = small::OWNER.to_string();
    let answer = ctl.rest(&owner, method, &path, body).await.unwrap();
    assert!(answer.status < 300, "{answer:?}");
}

pub fn guild(path: &str) -> String {
    format!("/guilds/{}{path}", small::GUILDS[0])
}

#[tokio::test]
async fn without_a_defender_a_raid_gets_all_it_wants() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let aged = NewDrill {
        account_age_days: Some(3),
        ..order(DrillKind::Raid, 20, 10.0)
    };
    let report = play(&b, &ctl, &aged).await;
    assert_eq!(report.end, Some(DrillEnd::Completed));
    assert_eq!(
        (report.planned, report.attempted, report.succeeded),
        (40, 40, 40)
    );
    let expected = [(Damage::MembersJoined, 20), (Damage::MessagesPosted, 20)].into();
    assert_eq!((&report.achieved, &report.remains), (&expected, &expected));
    assert!(report.refused.is_empty() && report.defended.is_empty() && report.undone.is_empty());
    assert_eq!(
        (report.attackers.in_guild, report.attackers.active),
        (20, 20)
    );
    // An id says when its account was made: three days before the drill, to some milliseconds.
    let made = (report.attackers.ids[0].parse::<u64>().unwrap() >> 22) as i64 + 1_420_070_400_000;
    let began = report
        .started_at
        .parse::<chrono::DateTime<chrono::Utc>>()
        .unwrap();
    let age = began.timestamp_millis() - made;
    assert!((259_200_000..259_201_000).contains(&age), "{age}");
    assert_eq!(ctl.violations().await.unwrap(), []);
}

#[tokio::test]
async fn spammers_are_plain_members_and_fresh_accounts_fill_up() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let spam = NewDrill {
        actors: Some(4),
        ..order(DrillKind::Spam, 24, 4.0)
    };
    let report = play(&b, &ctl, &spam).await;
    assert_eq!(
        (report.attempted, report.succeeded),
        (24, 24),
        "{:?}",
        report.refused
    );
    assert_eq!(report.achieved, [(Damage::MessagesPosted, 24)].into());
    let known = [small::MEMBER.to_string(), small::SPARE.to_string()];
    assert_eq!(report.attackers.ids[..2], known);
    assert_eq!(report.attackers.total, 4);
    assert_eq!(ctl.violations().await.unwrap(), []);
}

#[tokio::test]
async fn a_rogue_below_the_bot_takes_what_the_hierarchy_gives() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let report = play(&b, &ctl, &order(DrillKind::Nuke, 40, 5.0)).await;
    assert_eq!(report.attempted, 40);
    assert_eq!(report.succeeded + refusals(&report), 40);
    // The bot's role is above the rogue's; rules and updates channel of a community stay.
    assert_eq!(
        report.refused,
        [("50013".into(), 1), ("50074".into(), 2)].into()
    );
    // Administrator, Manager, Regular and Muted; four people besides the owner.
    assert_eq!(report.achieved[&Damage::RolesDeleted], 4);
    let people = report.achieved[&Damage::MembersBanned] + report.achieved[&Damage::MembersKicked];
    assert_eq!(people, 4);
    assert!(report.achieved[&Damage::WebhookMessages] > 0);
    assert_eq!(report.remains, report.achieved);
    let world = ctl.world().await.unwrap();
    assert!(!world.to_string().contains("\"name\":\"archive\""));
    assert_eq!(ctl.violations().await.unwrap(), []);
}

/// Roles that moved before the first act, and nothing else.
async fn until_the_first_channel(session: &mut Client) -> Vec<Value> {
    let mut moved = Vec::new();
    loop {
        let told = session.next().await.unwrap();
        match told["t"].as_str().unwrap_or_default() {
            "CHANNEL_CREATE" => return moved,
            "GUILD_ROLE_UPDATE" => moved.push(told["d"]["role"].clone()),
            other => panic!("{other}: a real attack has no such forerunner"),
        }
    }
}

#[tokio::test]
async fn nobody_hears_of_a_bot_that_has_been_there_for_long() {
    let (b, ctl) = frozen().await;
    let mut session = b.session(ALL_INTENTS).await;
    let leak = NewDrill {
        acts: vec![ActKind::CreateChannel],
        ..order(DrillKind::TokenLeak, 1, 5.0)
    };
    let report = end(&ctl, start(&ctl, &leak).await).await;
    let moved = until_the_first_channel(&mut session).await;
    let bot = &report.attackers.ids[0];
    let own = moved
        .iter()
        .find(|role| role["tags"]["bot_id"] == bot.as_str());
    assert_eq!(own.unwrap()["managed"], true);
    let made = (bot.parse::<u64>().unwrap() >> 22) as i64 + 1_420_070_400_000;
    assert!(b.clock.now().timestamp_millis() - made >= 60 * 86_400_000);
    let log = b.bot("GET", &guild("/audit-logs?action_type=28"));
    let log: Value = log.send().await.unwrap().json().await.unwrap();
    let about = |entry: &Value| entry["target_id"] == bot.as_str();
    assert!(
        !log["audit_log_entries"]
            .as_array()
            .unwrap()
            .iter()
            .any(about)
    );
}

#[tokio::test]
async fn nobody_hears_of_rogues_who_have_been_there_for_long() {
    let (b, ctl) = frozen().await;
    let mut session = b.session(ALL_INTENTS).await;
    let nuke = NewDrill {
        actors: Some(3),
        account_age_days: Some(400),
        ..order(DrillKind::Nuke, 3, 5.0)
    };
    let report = play(&b, &ctl, &nuke).await;
    let moved = until_the_first_channel(&mut session).await;
    // Roles that only move leave no entry, and the rogues' own is one of them.
    let helpers = moved.iter().find(|role| role["name"] == "Helpers").unwrap();
    let made = |id: &Value| (id.as_str().unwrap().parse::<u64>().unwrap() >> 22) as i64;
    let now = b.clock.now().timestamp_millis() - 1_420_070_400_000;
    assert!(now - made(&helpers["id"]) >= 30 * 86_400_000);
    let mut joined = Vec::new();
    for rogue in &report.attackers.ids {
        let path = guild(&format!("/members/{rogue}"));
        let member = b.bot("GET", &path).send().await.unwrap();
        let member: Value = member.json().await.unwrap();
        assert_eq!(member["roles"], json!([helpers["id"]]));
        let at: chrono::DateTime<chrono::Utc> =
            member["joined_at"].as_str().unwrap().parse().unwrap();
        assert!(made(&json!(rogue)) + 1_420_070_400_000 <= at.timestamp_millis());
        joined.push(at);
    }
    joined.sort();
    let apart = joined.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(
        apart.min().unwrap() > chrono::TimeDelta::minutes(10),
        "{joined:?}: they did not come together"
    );
    assert!(b.clock.now() - joined[2] > chrono::TimeDelta::days(1));
}

#[tokio::test]
async fn a_rogue_above_the_bot_bans_it_first() {
    let (b, ctl) = frozen().await;
    let above = NewDrill {
        above_bot: true,
        ..order(DrillKind::Nuke, 3, 5.0)
    };
    let id = start(&ctl, &above).await;
    acts(&ctl, id, 1).await;
    b.clock.advance(Duration::from_millis(400));
    let report = end(&ctl, id).await;
    assert_eq!(report.achieved[&Damage::MembersBanned], 1);
    let bans = ctl
        .rest(
            &small::OWNER.to_string(),
            "GET",
            &guild("/bans"),
            Value::Null,
        )
        .await;
    assert_eq!(
        bans.unwrap().body[0]["user"]["id"],
        small::APPLICATION.to_string()
    );
}

#[tokio::test]
async fn a_leaked_token_does_damage_within_its_limits() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let id = start(&ctl, &order(DrillKind::TokenLeak, 300, 200.0)).await;
    acts(&ctl, id, 1).await;
    // All of it at one moment: the global limit of 50 a second holds for the token. Direct
    // messages take two requests, webhooks speak without it.
    b.clock.advance(Duration::from_secs(2));
    let report = end(&ctl, id).await;
    let by_token = report.succeeded - report.achieved[&Damage::WebhookMessages];
    assert!((40..=51).contains(&by_token), "{report:?}");
    assert!(report.refused["429"] > 100, "{report:?}");
    // The bulk ban spares the owner and the bot above.
    assert_eq!(report.achieved[&Damage::MembersBanned], 4);
    assert_eq!(report.attackers.total, 1);
    assert_eq!(ctl.violations().await.unwrap(), []);
}

#[tokio::test]
async fn a_bot_that_is_kicked_is_kicked_once() {
    let (b, ctl) = frozen().await;
    let id = start(&ctl, &order(DrillKind::TokenLeak, 9, 1.0)).await;
    let seen = acts(&ctl, id, 1).await;
    let bot = guild(&format!("/members/{}", seen.attackers.ids[0]));
    as_owner(&ctl, "DELETE", bot, Value::Null).await;
    // The entries of kick and integration come late, and apart.
    b.clock.advance(Duration::from_secs(1));
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::AttackersGone));
    assert_eq!(report.defended[&Defence::AttackersKicked], 1, "{report:?}");
}

#[tokio::test]
async fn the_bots_own_token_can_leak() {
    let (b, ctl) = frozen().await;
    let own = NewDrill {
        own_token: true,
        ..order(DrillKind::TokenLeak, 1, 10.0)
    };
    let report = end(&ctl, start(&ctl, &own).await).await;
    assert_eq!(report.attackers.ids, [small::APPLICATION.to_string()]);
    assert_eq!(report.achieved, [(Damage::DirectMessages, 1)].into());
    drop(b);
}

#[tokio::test]
async fn the_report_says_when_the_defender_struck() {
    let (b, ctl) = frozen().await;
    let mut session = b.session(ALL_INTENTS).await;
    let id = start(&ctl, &order(DrillKind::Nuke, 30, 5.0)).await;
    session.until("CHANNEL_CREATE").await;
    b.clock.advance(Duration::from_millis(200));
    let entry = loop {
        let entry = session.until("GUILD_AUDIT_LOG_ENTRY_CREATE").await;
        if entry["action_type"] == 12 {
            break entry;
        }
    };
    acts(&ctl, id, 2).await;
    b.clock.advance(Duration::from_millis(100));
    let ban = guild(&format!("/bans/{}", entry["user_id"].as_str().unwrap()));
    assert_eq!(
        b.bot("PUT", &ban)
            .json(&json!({}))
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    // Nobody needs to move the clock: the drill sees that its attacker is out.
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::AttackersGone));
    assert_eq!((report.planned, report.attempted), (30, 2));
    assert_eq!(report.defended, [(Defence::AttackersBanned, 1)].into());
    let times = report.times;
    assert_eq!(
        (times.first_success_ms, times.last_success_ms),
        (Some(0), Some(200))
    );
    assert_eq!(
        (times.first_defence_ms, times.ended_ms),
        (Some(300), Some(300))
    );
    assert_eq!((report.attackers.in_guild, report.attackers.active), (0, 0));
    let deeds: Vec<_> = report
        .deeds
        .iter()
        .map(|d| (d.at_ms, d.act, d.refused.is_none(), d.first_defence_ms))
        .collect();
    assert_eq!(
        deeds,
        [
            (0, ActKind::CreateChannel, true, Some(300)),
            (200, ActKind::DeleteChannel, true, Some(300)),
        ]
    );
    let beats: Vec<_> = report
        .timeline
        .iter()
        .map(|b| (b.side, b.what.as_str()))
        .collect();
    assert_eq!(
        beats,
        [
            (Side::Attack, "channels_created"),
            (Side::Attack, "channels_deleted"),
            (Side::Defence, "attackers_banned"),
        ]
    );
}

#[tokio::test]
async fn webhooks_speak_on_after_their_maker_is_gone() {
    let (b, ctl) = frozen().await;
    let id = start(&ctl, &order(DrillKind::Nuke, 8, 5.0)).await;
    b.clock.advance(Duration::from_millis(800));
    let report = acts(&ctl, id, 5).await;
    assert_eq!(report.achieved[&Damage::WebhooksCreated], 1);
    let rogue = report.attackers.ids[0].clone();
    as_owner(&ctl, "PUT", guild(&format!("/bans/{rogue}")), json!({})).await;
    b.clock.advance(Duration::from_millis(200));
    let report = acts(&ctl, id, 6).await;
    assert_eq!(
        (
            report.achieved[&Damage::WebhookMessages],
            report.attackers.in_guild
        ),
        (1, 0)
    );
    assert_eq!(report.state, DrillState::Attacking);
    // Its channel takes webhook and message along.
    let channels = b.bot("GET", &guild("/channels")).send().await.unwrap();
    let channels: Vec<Value> = channels.json().await.unwrap();
    let junk = channels.iter().find(|c| c["name"] == "nuked-1").unwrap();
    as_owner(
        &ctl,
        "DELETE",
        format!("/channels/{}", junk["id"].as_str().unwrap()),
        Value::Null,
    )
    .await;
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::AttackersGone));
    let undone = [
        (Damage::WebhookMessages, 1),
        (Damage::ChannelsCreated, 1),
        (Damage::WebhooksCreated, 1),
    ];
    assert_eq!(report.undone, undone.into());
    let deeds = report.deeds.iter().filter(|d| d.undone > 0);
    let deeds: Vec<ActKind> = deeds.map(|d| d.act).collect();
    assert_eq!(
        deeds,
        [
            ActKind::CreateChannel,
            ActKind::CreateWebhook,
            ActKind::WebhookPost
        ]
    );
    assert_eq!(report.defended[&Defence::MessagesDeleted], 1);
}

#[tokio::test]
async fn what_the_audit_log_hides_is_seen_all_the_same() {
    let (b, ctl) = frozen().await;
    let mut session = b.session(ALL_INTENTS).await;
    let spam = NewDrill {
        actors: Some(1),
        ..order(DrillKind::Spam, 5, 1.0)
    };
    let id = start(&ctl, &spam).await;
    let message = session.until("MESSAGE_CREATE").await;
    acts(&ctl, id, 1).await;
    b.clock.advance(Duration::from_millis(400));
    let (channel, author) = (&message["channel_id"], &message["author"]["id"]);
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let path = format!(
        "/channels/{}/messages/{}",
        text(channel),
        text(&message["id"])
    );
    assert_eq!(b.bot("DELETE", &path).send().await.unwrap().status(), 204);
    b.clock.advance(Duration::from_millis(100));
    let until = json!({"communication_disabled_until": "2026-01-02T00:00:00Z"});
    let path = guild(&format!("/members/{}", text(author)));
    assert_eq!(
        b.bot("PATCH", &path)
            .json(&until)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    b.clock.advance(Duration::from_secs(4));
    let report = end(&ctl, id).await;
    let defended = [
        (Defence::AttackersTimedOut, 1),
        (Defence::MessagesDeleted, 1),
    ];
    assert_eq!(report.defended, defended.into());
    assert_eq!(report.times.first_defence_ms, Some(400));
    assert_eq!(report.times.last_defence_ms, Some(500));
    assert_eq!(report.undone, [(Damage::MessagesPosted, 1)].into());
    assert!(report.remains.is_empty());
    assert_eq!(report.refused, [("50013".into(), 4)].into());
    assert_eq!((report.attackers.in_guild, report.attackers.active), (1, 0));
}

#[tokio::test]
async fn restored_channels_and_lifted_bans_are_mended_damage() {
    let (b, ctl) = frozen().await;
    let id = start(&ctl, &order(DrillKind::Nuke, 9, 5.0)).await;
    b.clock.advance(Duration::from_millis(1200));
    let report = acts(&ctl, id, 7).await;
    assert_eq!(report.achieved[&Damage::MembersKicked], 1);
    let log = ctl
        .rest(
            &small::OWNER.to_string(),
            "GET",
            &guild("/audit-logs"),
            Value::Null,
        )
        .await;
    let log = log.unwrap().body;
    let entries = log["audit_log_entries"].as_array().unwrap();
    let lost = entries.iter().find(|e| e["action_type"] == 12).unwrap();
    let name = lost["changes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["key"] == "name")
        .unwrap();
    let again = json!({"name": name["old_value"], "type": 4});
    as_owner(&ctl, "POST", guild("/channels"), again).await;
    let rogue = &report.attackers.ids[0];
    let member = guild(&format!("/members/{rogue}"));
    as_owner(&ctl, "PATCH", member, json!({"roles": []})).await;
    let report = ctl.stop_drill(id).await.unwrap();
    assert_eq!(report.end, Some(DrillEnd::Stopped));
    let defended = [(Defence::ChannelsRestored, 1), (Defence::RolesTaken, 1)];
    assert_eq!(report.defended, defended.into());
    assert_eq!(report.undone, [(Damage::ChannelsDeleted, 1)].into());
    assert!(!report.remains.contains_key(&Damage::ChannelsDeleted));
    assert_eq!((report.attackers.in_guild, report.attackers.active), (1, 0));
}

#[tokio::test]
async fn paused_invites_keep_raiders_out() {
    let (b, ctl) = frozen().await;
    let id = start(&ctl, &order(DrillKind::Raid, 6, 2.0)).await;
    b.clock.advance(Duration::from_millis(600));
    acts(&ctl, id, 2).await;
    let pause = json!({"invites_disabled_until": "2026-01-01T12:00:00Z"});
    as_owner(&ctl, "PUT", guild("/incident-actions"), pause).await;
    b.clock.advance(Duration::from_secs(3));
    let report = end(&ctl, id).await;
    assert_eq!(
        report.achieved,
        [(Damage::MembersJoined, 2), (Damage::MessagesPosted, 2)].into()
    );
    assert_eq!(report.refused, [("40012".into(), 4)].into());
    assert_eq!(report.defended, [(Defence::InvitesPaused, 1)].into());
    assert_eq!(report.times.first_defence_ms, Some(600));
    // Those who did not get in have nothing to post.
    assert_eq!((report.planned, report.attempted), (12, 8));
}

#[tokio::test]
async fn the_same_world_and_clock_give_the_same_report() {
    async fn play() -> (DrillReport, Value) {
        let (b, ctl) = frozen().await;
        b.clock.set("2026-02-01T00:00:00Z".parse().unwrap());
        ctl.reset().await.unwrap();
        let id = start(&ctl, &order(DrillKind::Nuke, 25, 5.0)).await;
        for done in 1..25 {
            acts(&ctl, id, done).await;
            b.clock.advance(Duration::from_millis(200));
        }
        let report = end(&ctl, id).await;
        let owner = small::OWNER.to_string();
        let log = guild("/audit-logs?limit=100");
        let log = ctl.rest(&owner, "GET", &log, Value::Null).await.unwrap();
        (report, log.body)
    }
    let (first, second) = (play().await, play().await);
    assert!(first == second, "{:?}\n{:?}", first.0, second.0);
    assert_eq!(first.0.times.last_act_ms, Some(4800));
}

#[tokio::test]
async fn bad_orders_and_unknown_drills_are_refused() {
    let (_b, ctl) = frozen().await;
    let mut elsewhere = order(DrillKind::Raid, 5, 1.0);
    elsewhere.guild_id = "5".to_owned();
    assert_eq!(
        code(ctl.start_drill(&elsewhere).await),
        (404, "not_found".into())
    );
    elsewhere.guild_id = "harbour".to_owned();
    assert_eq!(code(ctl.start_drill(&elsewhere).await).0, 400);
    for (size, rate) in [(0, 1.0), (100_001, 1.0), (5, 0.0), (5, 1001.0)] {
        let bad = order(DrillKind::Nuke, size, rate);
        assert_eq!(
            code(ctl.start_drill(&bad).await),
            (400, "bad_request".into())
        );
    }
    let post = |body: Value| {
        let ctl = ctl.clone();
        async move {
            ctl.call::<Value>(http::Method::POST, "/ctl/drills", &body)
                .await
        }
    };
    let guild_id = small::GUILDS[0].to_string();
    assert_eq!(
        code(post(json!({"kind": "siege", "guild_id": guild_id})).await).0,
        422
    );
    assert_eq!(
        code(post(json!({"kind": "raid", "guild_id": guild_id, "x": 1})).await).0,
        422
    );
    assert_eq!(code(ctl.drill(1, 0).await), (404, "not_found".into()));
    assert_eq!(code(ctl.stop_drill(1).await), (404, "not_found".into()));
    let unknown = ctl
        .call::<Value>(http::Method::GET, "/ctl/drills/x", &Value::Null)
        .await;
    assert_eq!(code(unknown).0, 404);
    assert_eq!(ctl.drills().await.unwrap(), []);
}

#[tokio::test]
async fn one_drill_a_guild_runs_until_it_is_stopped() {
    let (_b, ctl) = frozen().await;
    let id = start(&ctl, &order(DrillKind::Spam, 50, 1.0)).await;
    let second = order(DrillKind::Raid, 5, 1.0);
    assert_eq!(
        code(ctl.start_drill(&second).await),
        (409, "drill_running".into())
    );
    let other = NewDrill {
        guild_id: small::GUILDS[1].to_string(),
        ..second.clone()
    };
    let other = start(&ctl, &other).await;
    acts(&ctl, id, 1).await;
    let stopped = ctl.stop_drill(id).await.unwrap();
    assert_eq!(
        (stopped.end, stopped.attempted),
        (Some(DrillEnd::Stopped), 1)
    );
    assert_eq!(ctl.stop_drill(id).await.unwrap(), stopped);
    let third = start(&ctl, &second).await;
    let raiders = ctl.drill(third, 0).await.unwrap().attackers.ids;
    let seen: Vec<u64> = ctl.drills().await.unwrap().iter().map(|d| d.id).collect();
    assert_eq!(seen, [third, other, id]);
    // A new world knows nothing of the old one's drills, and they leave it alone.
    ctl.load_world(&LoadWorld::default()).await.unwrap();
    assert_eq!(ctl.drills().await.unwrap(), []);
    let world = ctl.world().await.unwrap().to_string();
    assert!(raiders.len() == 5 && raiders.iter().all(|id| !world.contains(id)));
}

#[tokio::test]
async fn only_the_last_fifty_reports_are_kept() {
    let (_b, ctl) = frozen().await;
    for expected in 1..=52 {
        let id = start(&ctl, &order(DrillKind::Raid, 1, 1.0)).await;
        assert_eq!(id, expected);
        ctl.stop_drill(id).await.unwrap();
    }
    let kept = ctl.drills().await.unwrap();
    assert_eq!((kept.len(), kept[0].id, kept[49].id), (50, 52, 3));
}

#[tokio::test]
async fn the_watch_goes_on_after_the_last_act() {
    let (b, ctl) = frozen().await;
    let patient = NewDrill {
        watch_ms: Some(3000),
        ..order(DrillKind::Raid, 1, 1.0)
    };
    let id = start(&ctl, &patient).await;
    b.clock.advance(Duration::from_secs(1));
    eventually(|| async { ctl.drill(id, 0).await.unwrap().state == DrillState::Watching }).await;
    b.clock.advance(Duration::from_secs(2));
    let raider = ctl.drill(id, 0).await.unwrap().attackers.ids[0].clone();
    let ban = Act {
        guild_id: Some(small::GUILDS[0].to_string()),
        target_id: Some(raider),
        body: json!({"delete_message_seconds": 60}),
        ..Act::default()
    };
    ctl.act(&small::ADMIN.to_string(), "ban", &ban)
        .await
        .unwrap();
    let report = end(&ctl, id).await;
    assert_eq!(report.end, Some(DrillEnd::AttackersGone));
    let defended = [(Defence::AttackersBanned, 1), (Defence::MessagesDeleted, 1)];
    assert_eq!(report.defended, defended.into());
    assert_eq!(report.times.first_defence_ms, Some(3000));
    assert!(report.remains.is_empty(), "{report:?}");
}
