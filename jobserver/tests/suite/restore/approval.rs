//! What is restored is what was asked for, and nothing is touched before that is sure.

use serde_json::json;
use splashtail_storage::TaskState;

use crate::restore::{channel_named, saved, state};
use crate::support::server::{GUILD, OWNER, World, world};

/// Case 30 of the restore matrix.
#[tokio::test(flavor = "multi_thread")]
async fn an_approved_plan_is_run_and_no_other() {
    let world = world().await;
    let server = world.setup.start().await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let channel = world.text_channel().await;
    let path = format!("/channels/{}", channel["id"].as_str().unwrap());
    world
        .rest(OWNER, "PATCH", &path, json!({"rate_limit_per_user": 5}))
        .await;
    let dry = json!({"BackupSource": source, "DryRun": true});
    let plan = server.restore(&world, dry.clone()).await;
    assert_eq!(plan["effects"].as_array().unwrap().len(), 1, "{plan:#}");
    let hash = plan["plan_hash"].clone();
    assert_eq!(
        server.restore(&world, dry).await["plan_hash"],
        hash,
        "a plan is stable"
    );

    world
        .rest(OWNER, "PATCH", &path, json!({"rate_limit_per_user": 9}))
        .await;
    let options = json!({"BackupSource": source, "PlanHash": hash});
    let (row, why) = server.failed_restore(&world, options).await;
    assert_eq!(row.state, TaskState::Failed);
    assert!(
        why.contains("not as it was when the plan was approved"),
        "{why}"
    );
    assert_eq!(
        world.text_channel().await["rate_limit_per_user"],
        9,
        "nothing was touched"
    );

    world
        .rest(OWNER, "PATCH", &path, json!({"rate_limit_per_user": 5}))
        .await;
    let options = json!({"BackupSource": source, "PlanHash": hash});
    let report = server.restore(&world, options).await;
    assert_eq!(
        (&report["done"], &report["effects"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(world.text_channel().await["rate_limit_per_user"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_decide_what_may_change() {
    let world = world().await;
    let server = world.setup.start().await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let old = world.text_channel().await;
    let path = format!("/channels/{}", old["id"].as_str().unwrap());
    world
        .rest(OWNER, "PATCH", &path, json!({"topic": "attacked"}))
        .await;
    let channels = format!("/guilds/{GUILD}/channels");
    let new = json!({"name": "new-here", "type": 0});
    let new = world.rest(OWNER, "POST", &channels, new).await;
    let topic = async |world: &World| {
        let all = world.channels().await;
        let channel = all.into_iter().find(|channel| channel["id"] == old["id"]);
        channel.unwrap()["topic"].clone()
    };
    let with = |mode: &str| json!({"BackupSource": source, "ChannelRestoreMode": mode});

    let mut options = with("ignore_existing");
    options["ProtectedChannels"] = json!([new["id"]]);
    let report = server.restore(&world, options).await;
    assert_eq!(
        topic(&world).await,
        "attacked",
        "what is there stays as it is"
    );
    assert!(
        channel_named(&world, "new-here").await.is_some(),
        "it is protected"
    );
    let lines = report["lines"].to_string();
    assert!(
        lines.contains("new-here") && lines.contains("protected"),
        "{lines}"
    );

    server.restore(&world, with("diff")).await;
    assert_eq!(topic(&world).await, old["topic"]);
    assert!(
        channel_named(&world, "new-here").await.is_some(),
        "what is new stays"
    );

    server.restore(&world, with("full")).await;
    assert!(channel_named(&world, "new-here").await.is_none());
}

/// Without the permission nothing is touched, and the reason is named.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_beforehand() {
    let world = world().await;
    let server = world.setup.start().await;
    let (_, source) = saved(&world, &server, json!({})).await;
    world.nuke().await;
    let damaged = state(&world).await;
    world.limit_bot(1 << 10 | 1 << 16).await;
    let effects = world.effects().await;
    let (row, why) = server
        .failed_restore(&world, json!({"BackupSource": source}))
        .await;
    assert_eq!(row.state, TaskState::Failed);
    assert!(
        why.contains("the bot lacks") && why.contains("MANAGE_CHANNELS"),
        "{why}"
    );
    assert_eq!(state(&world).await, damaged);
    assert_eq!(world.effects().await, effects);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_backup_needs_its_password() {
    let world = world().await;
    let server = world.setup.start().await;
    let before = state(&world).await;
    let (_, source) = saved(&world, &server, json!({"Encrypt": "Cafe\u{301}"})).await;
    for (password, said) in [("", "a password is required"), ("wrong", "wrong password")] {
        let options = json!({"BackupSource": source, "Decrypt": password});
        let (_, why) = server.failed_restore(&world, options).await;
        assert!(why.contains(said), "{why}");
    }
    world.nuke().await;
    // The same letters, typed another way.
    let options = json!({"BackupSource": source, "Decrypt": "Caf\u{e9}"});
    let id = server.order_restore(&world, options).await;
    let report = server.document(id).await;
    assert_eq!(state(&world).await, before);
    assert_eq!(report["safety_backup"]["encrypted"], true);
    let log = server.log(id).await;
    let told = log.iter().find(|entry| entry.extra.contains_key("undo"));
    assert_eq!(told.unwrap().extra["undoTakesPassword"], true);
    let stored = server.stored().join(" ");
    assert!(!stored.contains("/work/"), "work files are gone: {stored}");
    // What the restore saved beforehand leads back.
    let undo = json!({"BackupSource": format!("task://{id}"), "Decrypt": "Caf\u{e9}"});
    server.restore(&world, undo).await;
    assert_ne!(state(&world).await, before, "the attacked state is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_backup_of_the_same_server_is_taken() {
    let world = world().await;
    let server = world.setup.start().await;
    let (backup, _) = saved(&world, &server, json!({})).await;
    let other = json!({"ServerID": "1100000000005373952",
                       "Options": {"BackupSource": format!("task://{backup}")}});
    let unknown = json!({"ServerID": GUILD, "Options":
        {"BackupSource": "task://0f8fad5b-d9cb-469f-a165-70867728950e"}});
    for data in [other, unknown] {
        let body = json!({"args": {"name": "guild_restore_backup", "data": data}});
        let (status, answer) = server.call("create_task", body.to_string()).await;
        assert_eq!(
            (status, &answer["code"]),
            (400, &json!("no_such_backup")),
            "{answer}"
        );
    }
    let options = json!({"BackupSource": "https://example.com/a.iblfile"});
    let (_, why) = server.failed_restore(&world, options).await;
    assert!(why.contains("not an address of Discord's CDN"), "{why}");
}
