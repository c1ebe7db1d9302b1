//! What was said in channels that were deleted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use splashtail_sandbox::control::types::{Act, Upload};
use splashtail_sandbox::portrait::Sight;
use splashtail_sandbox_world::faults::{Action, Match, Rule};

use crate::restore::excuses::{shown, unexcused};
use crate::restore::{channel_named, saved};
use crate::support::Jobserver;
use crate::support::server::{GUILD, OWNER, World, world};

/// Oldest first: who wrote what, without the line that says when.
async fn written(world: &World, channel: &Value) -> Vec<(String, String)> {
    let path = format!(
        "/channels/{}/messages?limit=100",
        channel["id"].as_str().unwrap()
    );
    let list = world.rest(OWNER, "GET", &path, Value::Null).await;
    let mut list = list.as_array().unwrap().clone();
    list.reverse();
    let line = |message: &Value| {
        let text = message["content"].as_str().unwrap().to_owned();
        let text = match text.strip_prefix("-# ") {
            Some(rest) => rest
                .split_once('\n')
                .map_or("", |(_, text)| text)
                .to_owned(),
            None => text,
        };
        (
            message["author"]["username"].as_str().unwrap().to_owned(),
            text,
        )
    };
    list.iter().map(line).collect()
}

/// A deleted channel gets its messages back, in their order and once each, although the jobserver
/// is killed among them.
#[tokio::test(flavor = "multi_thread")]
async fn messages_come_back_in_order_and_once() {
    let world = world().await;
    let mut server = world.setup.start().await;
    let channels = format!("/guilds/{GUILD}/channels");
    let body = json!({"name": "stories", "type": 0});
    let channel = world.rest(OWNER, "POST", &channels, body).await;
    let id = channel["id"].as_str().unwrap();
    let path = format!("/channels/{id}/messages");
    for n in 0..12 {
        // Equal neighbours are told apart by their place alone (case 26 of the restore matrix).
        let body = json!({"content": format!("line {}", n / 2)});
        world.rest(OWNER, "POST", &path, body).await;
    }
    let options = json!({"BackupMessages": true, "Channels": [id], "PerChannel": 50});
    let (_, source) = saved(&world, &server, options).await;
    let before = written(&world, &channel).await;
    let texts = |written: Vec<(String, String)>| -> Vec<String> {
        written.into_iter().map(|(_, text)| text).collect()
    };
    world
        .rest(OWNER, "DELETE", &format!("/channels/{id}"), Value::Null)
        .await;
    let restore = server
        .order_restore(&world, json!({"BackupSource": source}))
        .await;
    let begun = world.effects().await;
    // The channel, its webhook, three messages.
    while world.effects().await < begun + 5 {
        assert!(!server.has_ended(restore).await);
        tokio::task::yield_now().await;
    }
    server.kill();
    server = world.setup.start().await;
    let report = server.document(restore).await;
    let again = channel_named(&world, "stories").await.unwrap();
    assert_ne!(again["id"], channel["id"]);
    assert_eq!(
        texts(written(&world, &again).await),
        texts(before),
        "{report:#}"
    );
    assert_eq!(report["messages"], 12);
    assert_eq!(report["ids"]["message"].as_object().unwrap().len(), 12);
    let hooks = format!("/channels/{}/webhooks", again["id"].as_str().unwrap());
    let hooks = world.rest(OWNER, "GET", &hooks, Value::Null).await;
    assert_eq!(hooks, json!([]), "the webhook is gone");
}

/// Channels with some messages each, in the order of their ids, and a backup of them; then they are
/// deleted.
async fn lost_channels(world: &World, server: &Jobserver, names: &[&str]) -> String {
    let channels = format!("/guilds/{GUILD}/channels");
    let mut ids = Vec::new();
    for name in names {
        let body = json!({"name": name, "type": 0});
        let channel = world.rest(OWNER, "POST", &channels, body).await;
        let id = channel["id"].as_str().unwrap().to_owned();
        for n in 0..4 {
            let body = json!({"content": format!("{name} {n}")});
            let path = format!("/channels/{id}/messages");
            world.rest(OWNER, "POST", &path, body).await;
        }
        ids.push(id);
    }
    let options = json!({"BackupMessages": true, "Channels": ids, "PerChannel": 50});
    let (_, source) = saved(world, server, options).await;
    for id in ids {
        let path = format!("/channels/{id}");
        world.rest(OWNER, "DELETE", &path, Value::Null).await;
    }
    source
}

fn left_messages(report: &Value) -> Vec<&Value> {
    let left = report["not_restored"].as_array().unwrap();
    left.iter()
        .filter(|item| item["kind"] == "messages")
        .collect()
}

/// The webhook of the first channel is gone when the second one's turn comes; a jobserver that is
/// killed then must not take the first channel for lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_finished_channel_stays_finished() {
    let world = world().await;
    let mut server = world.setup.start().await;
    let source = lost_channels(&world, &server, &["first", "second"]).await;
    let options = json!({"BackupSource": source});
    let restore = server.order_restore(&world, options).await;
    loop {
        assert!(!server.has_ended(restore).await);
        if let Some(second) = channel_named(&world, "second").await
            && !written(&world, &second).await.is_empty()
        {
            break;
        }
    }
    server.kill();
    server = world.setup.start().await;
    let report = server.document(restore).await;
    assert_eq!(left_messages(&report), [&Value::Null; 0], "{report:#}");
    assert_eq!(report["messages"], 8);
    assert_eq!(report["ids"]["message"].as_object().unwrap().len(), 8);
    for name in ["first", "second"] {
        let channel = channel_named(&world, name).await.unwrap();
        assert_eq!(written(&world, &channel).await.len(), 4);
    }
}

/// A channel that the bot may not look into is named, and the others get their messages.
#[tokio::test(flavor = "multi_thread")]
async fn one_closed_channel_costs_its_own_messages() {
    let world = world().await;
    let server = world.setup.start().await;
    let source = lost_channels(&world, &server, &["first", "second"]).await;
    let closed = Rule {
        matches: Match {
            method: Some("GET".to_owned()),
            route: Some("/channels/{channel_id}/webhooks".to_owned()),
            ..Match::default()
        },
        action: Action::Status {
            status: 403,
            scope: None,
            retry_after: None,
            header_retry_after: None,
            html: false,
            body: Some(json!({"code": 50001, "message": "Missing Access"})),
        },
        times: Some(1),
        probability: 1.0,
    };
    world.control.add_fault(&closed).await.unwrap();
    let options = json!({"BackupSource": source});
    let report = server.restore(&world, options).await;
    let left = left_messages(&report);
    assert_eq!(left.len(), 1, "{report:#}");
    assert_eq!(left[0]["code"], "missing_access");
    assert_eq!(report["messages"], 4);
    let second = channel_named(&world, "second").await.unwrap();
    assert_eq!(written(&world, &second).await.len(), 4);
}

/// A poll that was open is posted as one; when the job goes on after its end, its post is still the same
/// one. In words it would take two, of which the second seems to be lacking.
#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_ended_meanwhile_is_not_posted_again() {
    let world = world().await;
    let mut server = world.setup.start().await;
    let channels = format!("/guilds/{GUILD}/channels");
    let body = json!({"name": "polls", "type": 0});
    let channel = world.rest(OWNER, "POST", &channels, body).await;
    let id = channel["id"].as_str().unwrap();
    let path = format!("/channels/{id}/messages");
    let poll = json!({"content": "word ".repeat(390), "poll": {"question": {"text": "Tea or coffee?"},
        "answers": [{"poll_media": {"text": "tea"}}, {"poll_media": {"text": "coffee"}}],
        "duration": 2}});
    world.rest(OWNER, "POST", &path, poll).await;
    for n in 0..6 {
        let body = json!({"content": format!("line {n}")});
        world.rest(OWNER, "POST", &path, body).await;
    }
    let options = json!({"BackupMessages": true, "Channels": [id], "PerChannel": 50});
    let (_, source) = saved(&world, &server, options).await;
    world
        .rest(OWNER, "DELETE", &format!("/channels/{id}"), Value::Null)
        .await;
    let restore = server
        .order_restore(&world, json!({"BackupSource": source}))
        .await;
    let begun = world.effects().await;
    // The channel, its webhook, two messages.
    while world.effects().await < begun + 4 {
        assert!(!server.has_ended(restore).await);
        tokio::task::yield_now().await;
    }
    server.kill();
    world.setup.clock.turn_on(4 * 3600);
    server = world.setup.start().await;
    let report = server.document(restore).await;
    assert_eq!(left_messages(&report), [&Value::Null; 0], "{report:#}");
    let again = channel_named(&world, "polls").await.unwrap();
    assert_eq!(written(&world, &again).await.len(), 7, "{report:#}");
}

/// What a forward shows is in no other channel, and no webhook can forward: it is quoted, with its files.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_forwards_come_back() {
    let world = world().await;
    let server = world.setup.start().await;
    let channels = format!("/guilds/{GUILD}/channels");
    let mut ids = Vec::new();
    for name in ["origin", "quotes"] {
        let body = json!({"name": name, "type": 0});
        let channel = world.rest(OWNER, "POST", &channels, body).await;
        ids.push(channel["id"].as_str().unwrap().to_owned());
    }
    let chart = [&b"\x89PNG and a chart"[..], &[7; 3000]].concat();
    let act = Act {
        channel_id: Some(ids[0].clone()),
        body: json!({"content": "the chart"}),
        files: vec![Upload {
            filename: "chart.png".to_owned(),
            content_base64: STANDARD.encode(&chart),
        }],
        ..Act::default()
    };
    let sent = world.control.act(OWNER, "say", &act).await.unwrap();
    let reference =
        json!({"type": 1, "channel_id": ids[0], "message_id": sent.results[0].body["id"]});
    let path = format!("/channels/{}/messages", ids[1]);
    let forward = json!({"message_reference": reference});
    world.rest(OWNER, "POST", &path, forward).await;

    let sight = Sight {
        messages: 10,
        ..Sight::default()
    };
    let before = world.portrait(GUILD, &sight).await;
    let options = json!({"BackupMessages": true, "BackupAttachments": true, "Channels": [ids[1]],
        "PerChannel": 50});
    let (_, source) = saved(&world, &server, options).await;
    // With the first message its file goes: the backup alone has it.
    for id in [&ids[1], &ids[0]] {
        let path = format!("/channels/{id}");
        world.rest(OWNER, "DELETE", &path, Value::Null).await;
    }
    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;
    let channel = channel_named(&world, "quotes").await.unwrap();
    let path = format!("/channels/{}/messages", channel["id"].as_str().unwrap());
    let now = world.rest(OWNER, "GET", &path, Value::Null).await;
    let file = &now[0]["attachments"][0];
    assert_eq!(file["filename"], "chart.png", "{now:#}");
    let bytes = reqwest::get(file["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(bytes.bytes().await.unwrap(), chart);
    let text = now[0]["content"].as_str().unwrap();
    assert!(text.contains("> the chart"), "{text}");
    let differences = before.differences(&world.portrait(GUILD, &sight).await);
    let mut left = unexcused(&differences);
    // Elsewhere people go on writing, and threads come to rest.
    left.retain(|difference| difference.object.ends_with("channel quotes"));
    assert!(left.is_empty(), "{}\n{report:#}", shown(&left));
}
