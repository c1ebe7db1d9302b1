//! What ends up in a backup.

use std::io::Read as _;

use crate::support::discord::{
    ACTIVE_POST, BIG, BIG_COUNT, FILES, FORUM, GONE, GUILD, HUGE, LOCKED, OLD_POST, OLDER_POST,
    PNG, PRIVATE_THREAD, TEXT, VOICE, error, image, message, text,
};
use crate::support::{Backup, down_from, files_below, setup, setup_with};
use serde_json::{Value, json};
use splashtail_iblfile::{Archive, Error, Limits};
use splashtail_storage::{Level, TaskState};

fn everything() -> Value {
    json!({"BackupMessages": true, "BackupAttachments": true, "RolloverLeftovers": true,
           "BackupGuildAssets": ["icon", "banner", "splash"], "Encrypt": "correct horse"})
}

fn generous(config: &mut splashtail_core::config::Config) {
    config.plans.free.total_max_messages = 5000;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_server_comes_out() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    let created = server.create(everything()).await;
    assert!(created.task_info.encrypted);
    let file = server.file(created.task_id).await;
    let row = server.row(created.task_id).await;
    let filename = row.output.unwrap().filename;
    assert!(filename.starts_with("antiraid-backup-2") && filename.ends_with(".iblfile"));

    let mut backup = Backup::open(file, Some("correct horse"));
    let messages = backup.messages();
    assert_eq!(
        messages[&BIG],
        down_from(BIG_COUNT, BIG_COUNT),
        "each once, newest first"
    );
    assert_eq!(messages[&FILES], [2, 1]);
    assert_eq!(messages[&ACTIVE_POST].len(), 4);
    assert_eq!(messages[&OLD_POST].len(), 2);
    assert_eq!(
        messages[&OLDER_POST].len(),
        1,
        "an archived thread like the other"
    );
    assert_eq!(messages[&PRIVATE_THREAD].len(), 3);
    assert_eq!(messages[&VOICE].len(), 2);
    assert!(!messages.contains_key(&FORUM) && !messages.contains_key(&LOCKED));

    assert_eq!(
        backup.0.read(&format!("attachments/{PNG}")).unwrap(),
        image(),
        "byte exact"
    );
    let mut plain = Vec::new();
    let packed = backup.0.read(&format!("attachments/{TEXT}")).unwrap();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_end(&mut plain)
        .unwrap();
    assert_eq!(plain, text());
    let entries = backup.msgpack(&format!("messages/{FILES}"));
    let metadata = &entries[1]["attachment_metadata"];
    assert_eq!(metadata[0]["storage_format"], "uncompressed");
    assert_eq!(metadata[1]["storage_format"], "gzip");
    assert_eq!(metadata[2]["id"], HUGE.to_string());
    assert!(
        metadata[2]["errors"][0]
            .as_str()
            .unwrap()
            .contains("9000000 bytes")
    );
    assert_eq!(metadata[3]["id"], GONE.to_string());
    assert!(metadata[3]["errors"][0].as_str().unwrap().contains("404"));

    let guild = backup.msgpack("core/guild");
    assert_eq!(guild["id"], GUILD.to_string());
    assert_eq!(guild["channels"].as_array().unwrap().len(), 5);
    let rest = backup.json("ext/guild");
    assert_eq!(rest["premium_progress_bar_enabled"], true);
    assert_eq!(rest["channels"]["0"]["icon_emoji"]["name"], "🛡");
    let rest = backup.json(&format!("ext/messages/{BIG}"));
    assert_eq!(rest.as_object().unwrap().len() as u64, BIG_COUNT);
    assert_eq!(backup.json("ext/threads").as_array().unwrap().len(), 4);
    assert_eq!(backup.msgpack("backup_opts")["Encrypt"], "SET");

    // One broken image does not fail the backup, and one that does not exist is no error.
    let names = backup.names();
    assert_eq!(
        &backup.0.read("assets/guildIcon").unwrap()[..2],
        [0xff, 0xd8]
    );
    assert!(
        !names
            .iter()
            .any(|name| name.contains("Splash") || name.contains("Banner"))
    );
    assert_eq!(names.last().map(String::as_str), Some("meta"));

    // Nothing but the file is left, and the password was never written anywhere.
    assert_eq!(
        server.stored(),
        [format!("tasks/{}/{filename}", created.task_id)]
    );
    for path in files_below(setup.data()) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !bytes.windows(13).any(|window| window == b"correct horse"),
            "{path:?}"
        );
    }
    let log = server.log(created.task_id).await;
    assert!(!format!("{log:?}").contains("correct horse"));
    let general = log
        .iter()
        .rfind(|entry| entry.extra.get("channel") == Some(&json!("general")));
    assert_eq!(general.unwrap().extra["messages"], BIG_COUNT);
    assert!(
        log.iter()
            .any(|entry| entry.msg.contains("not saved") && entry.level == Level::Warn)
    );
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_is_the_limit() {
    let setup = setup();
    let server = setup.start().await;
    let options = json!({"BackupMessages": true, "RolloverLeftovers": true,
                         "Channels": [BIG.to_string()]});
    let file = server.file(server.create(options).await.task_id).await;
    let mut backup = Backup::open(file, None);
    let messages = backup.messages();
    assert_eq!(
        messages[&BIG],
        down_from(BIG_COUNT, 497),
        "what the private thread leaves"
    );
    assert_eq!(messages[&PRIVATE_THREAD].len(), 3);
    assert_eq!(messages.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_messages_only_the_structure_is_read() {
    let setup = setup();
    let server = setup.start().await;
    let created = server.create(json!({"MaxMessages": 100})).await;
    let mut backup = Backup::open(server.file(created.task_id).await, None);
    let names = backup.names();
    let (files, rest): (Vec<_>, Vec<_>) = names.into_iter().partition(|n| n.starts_with("files/"));
    assert_eq!(
        rest.join(" "),
        "backup_opts dbg/bot dbg/basePerms core/guild ext/guild ext/automod_rules \
         ext/scheduled_events ext/sounds ext/widget ext/welcome_screen ext/onboarding \
         ext/webhooks ext/invites ext/templates ext/members ext/files ext/threads ext/coverage meta"
    );
    let index = backup.json("ext/files");
    let kept: Vec<String> = index
        .as_array()
        .unwrap()
        .iter()
        .map(|file| format!("files/{}", file["digest"].as_str().unwrap()))
        .collect();
    assert_eq!(files, kept, "the server's own pictures");
    assert_eq!(backup.msgpack("backup_opts")["Encrypt"], "");
    assert!(
        setup
            .discord
            .requests()
            .iter()
            .all(|request| !request.contains("/messages"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_channels_are_passed_over_on_request() {
    let setup = setup();
    let server = setup.start().await;
    setup.discord.intercept(|request| {
        let failing = format!("/channels/{BIG}/messages");
        (request.contains(&failing) && request.contains("before="))
            .then(|| error(403, 50001, "Missing Access"))
    });
    let mut options = json!({"BackupMessages": true, "PerChannel": 200, "RolloverLeftovers": true});
    let created = server.create(options.clone()).await;
    let row = server.ended(created.task_id).await;
    assert_eq!(row.state, TaskState::Failed);
    let last = server.log(created.task_id).await.pop().unwrap();
    assert_eq!(last.extra["code"], "missing_access");
    assert!(last.msg.contains("Missing Access"), "{}", last.msg);
    assert_eq!(
        server.stored(),
        Vec::<String>::new(),
        "nothing is left of a failed backup"
    );

    options["IgnoreMessageBackupErrors"] = json!(true);
    let created = server.create(options).await;
    let mut backup = Backup::open(server.file(created.task_id).await, None);
    let messages = backup.messages();
    assert_eq!(
        messages[&BIG],
        down_from(BIG_COUNT, 100),
        "what was read before is kept"
    );
    assert_eq!(messages[&FILES].len(), 2);
    let log = server.log(created.task_id).await;
    assert!(
        log.iter()
            .any(|entry| entry.msg.contains("could not be read to the end"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn special_allocations_are_checked_against_the_server() {
    let setup = setup();
    let server = setup.start().await;
    for (channel, reason) in [
        (FORUM, "hold no messages"),
        (LOCKED, "may not read"),
        (9, "no such channel"),
    ] {
        let options =
            json!({"BackupMessages": true, "SpecialAllocations": {channel.to_string(): 10}});
        let created = server.create(options).await;
        assert_eq!(server.ended(created.task_id).await.state, TaskState::Failed);
        let last = server.log(created.task_id).await.pop().unwrap();
        assert_eq!(last.extra["code"], "invalid_allocation");
        assert!(last.msg.contains(reason), "{}", last.msg);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_the_bot_fails_clearly() {
    let setup = setup();
    let server = setup.start().await;
    setup.discord.intercept(|request| {
        request
            .contains("/guilds/")
            .then(|| error(404, 10004, "Unknown Guild"))
    });
    let created = server.create(json!({"BackupMessages": true})).await;
    assert_eq!(server.ended(created.task_id).await.state, TaskState::Failed);
    let last = server.log(created.task_id).await.pop().unwrap();
    assert_eq!(last.extra["code"], "not_found");
    assert!(last.msg.contains("Unknown Guild"), "{}", last.msg);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_too_large_fails_and_leaves_nothing() {
    let setup = setup_with(|config| config.plans.free.max_body_size = 20_000);
    let server = setup.start().await;
    let created = server.create(json!({"BackupMessages": true})).await;
    assert_eq!(server.ended(created.task_id).await.state, TaskState::Failed);
    let last = server.log(created.task_id).await.pop().unwrap();
    assert_eq!(last.extra["code"], "too_large", "{}", last.msg);
    assert_eq!(server.stored(), Vec::<String>::new());
}

/// Each attachment counts, so the file stays below the limit whatever a channel holds.
#[tokio::test(flavor = "multi_thread")]
async fn attachments_stop_at_the_threshold() {
    let setup = setup_with(|config| config.plans.free.file_size_warning_threshold = 10_000);
    setup.discord.change(|world| {
        let url = world.messages[&FILES][0]["attachments"][0]["url"]
            .as_str()
            .unwrap()
            .to_owned();
        let base = url.split("/attachments").next().unwrap().to_owned();
        let mut many = message(FILES, 3);
        many["attachments"] = (0..8_u64)
            .map(|n| {
                let path = format!("/attachments/1/{}/x.bin", 900 + n);
                world
                    .files
                    .insert(path.clone(), (vec![7; 4000], "image/webp"));
                json!({"id": (900 + n).to_string(), "filename": "x.bin", "size": 4000,
                       "content_type": "image/webp", "url": format!("{base}{path}")})
            })
            .collect();
        world.messages.get_mut(&FILES).unwrap().push(many);
    });
    let server = setup.start().await;
    let options = json!({"BackupMessages": true, "BackupAttachments": true,
                         "Channels": [FILES.to_string()]});
    let created = server.create(options).await;
    let mut backup = Backup::open(server.file(created.task_id).await, None);
    let entries = backup.msgpack(&format!("messages/{FILES}"));
    let saved = entries[0]["attachment_metadata"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|metadata| metadata["storage_format"] == "uncompressed")
        .count();
    assert_eq!(saved, 3, "the third reaches the threshold");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_not_damage() {
    let setup = setup();
    let server = setup.start().await;
    let created = server.create(json!({"Encrypt": "right"})).await;
    let file = server.file(created.task_id).await;
    let open = |file: &[u8], password| {
        Archive::open(
            std::io::Cursor::new(file.to_vec()),
            password,
            Limits::default(),
        )
        .err()
    };
    assert!(matches!(
        open(&file, Some("wrong")),
        Some(Error::WrongPassword)
    ));
    assert!(matches!(open(&file, None), Some(Error::PasswordRequired)));
    assert!(open(&file, Some("right")).is_none());
    let fields = server.row(created.task_id).await.fields.to_string();
    assert!(
        !fields.contains("right") && !fields.contains("Encrypt"),
        "{fields}"
    );
}
