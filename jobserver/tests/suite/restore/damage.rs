//! What was destroyed comes back.

use serde_json::{Value, json};
use splashtail_antinuke::{Moment, TagKey};
use splashtail_guild::Id;

use crate::restore::{channel_named, saved, state};
use crate::support::secret;
use crate::support::server::{BOT, GUILD, OWNER, World, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_nuked_server_is_as_it_was() {
    let world = world().await;
    let server = world.setup.start().await;
    let before = state(&world).await;
    let seen = world.seen_channels().await;
    let is_seen = |channel: &Value| seen.iter().any(|seen| seen["id"] == channel["id"]);
    let all = world.channels().await;
    let hidden: Vec<&Value> = all.iter().filter(|channel| !is_seen(channel)).collect();
    let backup = server.backup(&world, json!({})).await;
    assert_eq!(
        server.rest_of(&world, backup).await,
        [""; 0],
        "nothing happened yet"
    );
    world.nuke().await;
    let after = state(&world).await;
    assert_ne!(after, before, "the attack did something");

    let source = format!("task://{backup}");
    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;
    assert_eq!(report["kind"], "restore_report");
    assert_eq!(state(&world).await, before, "{report:#}");
    let rest = server.rest_of(&world, backup).await;
    assert_eq!(rest, [""; 0], "{report:#}");
    let old = report["ids"]["channel"].as_object().unwrap();
    let channels = world.channels().await;
    let live: Vec<&Value> = channels.iter().map(|channel| &channel["id"]).collect();
    assert!(old.values().all(|id| live.contains(&id)), "{old:?}");
    assert_eq!(report["safety_backup"]["encrypted"], false);
    assert_eq!(unsigned(&world).await, [json!(null); 0]);
    // What the bot could not see it could not save: it is named.
    let told = report["not_restored"].as_array().unwrap();
    for channel in hidden {
        let named = told
            .iter()
            .any(|item| item["id"] == channel["id"] && item["code"] == "not_visible");
        assert!(named, "{channel} {told:#?}");
    }
}

/// Entries in the bot's name that its own protection would take for a thief's.
async fn unsigned(world: &World) -> Vec<Value> {
    let key = TagKey::derived(secret("bot").as_bytes()).unwrap();
    let path = format!("/guilds/{GUILD}/audit-logs?user_id={BOT}&limit=100");
    let mut unsigned = Vec::new();
    let (mut before, mut signed) = (String::new(), 0);
    loop {
        let page = format!("{path}{before}");
        let log = world.rest(OWNER, "GET", &page, Value::Null).await;
        let entries = log["audit_log_entries"].as_array().unwrap();
        for entry in entries {
            let id = Id::of(entry).unwrap();
            let action = u16::try_from(entry["action_type"].as_u64().unwrap()).unwrap();
            let reason = entry["reason"].as_str().unwrap_or_default();
            let about = (action, Id::read(&entry["target_id"]));
            let guild = GUILD.parse().unwrap();
            match key.effect_in(reason, guild, about, Moment::of(id)) {
                Some(_) => signed += 1,
                None => unsigned.push(entry.clone()),
            }
        }
        match entries.last() {
            Some(last) => before = format!("&before={}", last["id"].as_str().unwrap()),
            None => break,
        }
    }
    assert!(signed > 0, "the restore left no entry");
    unsigned
}

/// What Discord lists apart is saved and put back, with its references led to what is there now.
#[tokio::test(flavor = "multi_thread")]
async fn rules_and_events_come_back() {
    let world = world().await;
    let server = world.setup.start().await;
    let guild = format!("/guilds/{GUILD}");
    let alerts = json!({"name": "alerts", "type": 0});
    let alerts = world
        .rest(OWNER, "POST", &format!("{guild}/channels"), alerts)
        .await;
    let rules = format!("{guild}/auto-moderation/rules");
    let rule = json!({"name": "words", "event_type": 1, "trigger_type": 1, "enabled": true,
        "trigger_metadata": {"keyword_filter": ["bad"]},
        "actions": [{"type": 2, "metadata": {"channel_id": alerts["id"]}}]});
    let rule = world.rest(OWNER, "POST", &rules, rule).await;
    let events = format!("{guild}/scheduled-events");
    let event = json!({"name": "fair", "privacy_level": 2, "entity_type": 3,
        "scheduled_start_time": "2027-05-01T10:00:00Z", "scheduled_end_time": "2027-05-01T12:00:00Z",
        "entity_metadata": {"location": "harbour"}});
    let event = world.rest(OWNER, "POST", &events, event).await;
    let (backup, source) = saved(&world, &server, json!({})).await;
    for path in [
        format!("{rules}/{}", rule["id"].as_str().unwrap()),
        format!("{events}/{}", event["id"].as_str().unwrap()),
        format!("/channels/{}", alerts["id"].as_str().unwrap()),
    ] {
        world.rest(OWNER, "DELETE", &path, Value::Null).await;
    }
    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;
    let now = world.rest(OWNER, "GET", &rules, Value::Null).await;
    let found = now
        .as_array()
        .unwrap()
        .iter()
        .find(|now| now["name"] == "words");
    let found = found.unwrap_or_else(|| panic!("{report:#}"));
    let channel = channel_named(&world, "alerts").await.unwrap();
    assert_eq!(found["actions"][0]["metadata"]["channel_id"], channel["id"]);
    assert_eq!(found["enabled"], true);
    let now = world.rest(OWNER, "GET", &events, Value::Null).await;
    assert!(
        now.as_array()
            .unwrap()
            .iter()
            .any(|event| event["name"] == "fair"),
        "{report:#}"
    );
    assert_eq!(server.rest_of(&world, backup).await, [""; 0]);
}
