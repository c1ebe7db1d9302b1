//! A backup that goes on from the one before it.

use crate::support::discord::{BIG, BIG_COUNT, FILES, OLD_POST, OLDER_POST, PNG, image, message};
use crate::support::{Backup, Jobserver, Setup, down_from, setup_with};
use serde_json::{Value, json};
use splashtail_core::ids::TaskId;

const LONG: u64 = 20_000;

fn generous(config: &mut splashtail_core::config::Config) {
    config.plans.free.total_max_messages = 900_000;
}

fn options(more: &Value) -> Value {
    let mut options = json!({"BackupMessages": true, "PerChannel": 25_000, "MaxMessages": 900_000,
                             "Incremental": "auto"});
    for (name, value) in more.as_object().unwrap() {
        options[name] = value.clone();
    }
    options
}

/// One backup, and what was asked of Discord about messages for it.
async fn made(setup: &Setup, server: &Jobserver, more: Value) -> (TaskId, Vec<String>) {
    let before = setup.discord.requests().len();
    let id = server.create(options(&more)).await.task_id;
    server.completed(id).await;
    let mut asked = setup.discord.requests().split_off(before);
    asked.retain(|request| request.contains("/messages"));
    (id, asked)
}

async fn opened(server: &Jobserver, id: TaskId, password: Option<&str>) -> Backup {
    Backup::open(server.file(id).await, password)
}

fn of(requests: &[String], channel: u64) -> usize {
    let path = format!("/channels/{channel}/");
    requests
        .iter()
        .filter(|request| request.contains(&path))
        .count()
}

async fn said(server: &Jobserver, id: TaskId, message: &str) -> Option<String> {
    let log = server.log(id).await;
    let entry = log.into_iter().find(|entry| entry.msg == message)?;
    let because = entry.extra.get("because").and_then(Value::as_str);
    Some(because.unwrap_or_default().to_owned())
}

const FULL: &str = "Everything is read from Discord";

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_new_is_read() {
    let setup = setup_with(generous);
    setup.discord.change(|world| {
        let long = (1..=LONG).map(|n| message(BIG, n)).collect();
        world.messages.insert(BIG, long);
        world.messages.get_mut(&BIG).unwrap()[99]["pinned"] = true.into();
        let posts = &mut world.archived.values_mut().next().unwrap()[0];
        posts["last_message_id"] = message(OLD_POST, 2)["id"].clone();
    });
    let server = setup.start().await;
    let attachments = json!({"BackupAttachments": true});
    let (first, asked) = made(&setup, &server, attachments.clone()).await;
    assert!(of(&asked, BIG) > 200, "{}", of(&asked, BIG));
    let why = said(&server, first, FULL).await;
    assert_eq!(why.unwrap(), "there is no earlier backup with messages");

    // 30 more; a pin moved, one was edited and one deleted where it is read again.
    setup.discord.change(|world| {
        let long = world.messages.get_mut(&BIG).unwrap();
        long[99]["pinned"] = false.into();
        long[199]["pinned"] = true.into();
        long[199]["content"] = "message 200000".into();
        let edited = long.len() - 5;
        long[edited]["content"] = "message 500000".into();
        long.remove(edited - 1);
        long.extend((LONG + 1..=LONG + 30).map(|n| message(BIG, n)));
        world.files.clear();
    });
    let (second, asked) = made(&setup, &server, attachments).await;
    assert!(said(&server, second, FULL).await.is_none());
    assert_eq!(of(&asked, BIG), 3, "two pages and the pins: {asked:?}");
    assert_eq!(of(&asked, OLD_POST), 1, "what was deleted is seen");
    assert_eq!(of(&asked, FILES), 1);

    let mut backup = opened(&server, second, None).await;
    let mut expected = down_from(LONG + 30, LONG + 30);
    expected.retain(|n| *n != LONG - 5);
    let place = |n: u64| expected.iter().position(|one| *one == n).unwrap();
    let (edited, pinned) = (place(LONG - 4), place(200));
    expected[edited] = 500_000;
    expected[pinned] = 200_000;
    let messages = backup.messages();
    assert_eq!(messages[&BIG], expected);
    assert_eq!(messages[&OLD_POST], [2, 1]);
    let section = backup.msgpack(&format!("messages/{BIG}"));
    let pins: Vec<&str> = section
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["message"]["pinned"] == true)
        .map(|entry| entry["message"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(pins, ["message 200000"]);
    let rests = backup.json(&format!("ext/messages/{BIG}"));
    assert_eq!(
        rests[message(BIG, 7)["id"].as_str().unwrap()]["position"],
        7
    );
    let reading = backup.json("ext/reading");
    assert_eq!(reading["former"], first.to_string());

    // A copy of a copy.
    let (third, asked) = made(&setup, &server, json!({})).await;
    assert_eq!(of(&asked, BIG), 2, "a page and the pins: {asked:?}");
    assert_eq!(
        opened(&server, third, None).await.messages()[&BIG],
        expected
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_are_copied_with_their_messages() {
    let setup = setup_with(generous);
    setup.discord.change(|world| {
        let files = world.messages.get_mut(&FILES).unwrap();
        files.extend((3..=150).map(|n| message(FILES, n)));
    });
    let server = setup.start().await;
    let wanted = json!({"BackupAttachments": true});
    made(&setup, &server, wanted.clone()).await;
    // Whatever is asked for now is not to be had.
    setup.discord.change(|world| world.files.clear());
    let (second, asked) = made(&setup, &server, wanted).await;
    assert_eq!(of(&asked, FILES), 1);
    let mut backup = opened(&server, second, None).await;
    assert_eq!(
        backup.0.read(&format!("attachments/{PNG}")).unwrap(),
        image()
    );
    let section = backup.msgpack(&format!("messages/{FILES}"));
    let metadata = &section.as_array().unwrap().last().unwrap()["attachment_metadata"];
    assert_eq!(metadata[0]["storage_format"], "uncompressed");
    assert_eq!(metadata[1]["storage_format"], "gzip");
    assert!(
        metadata[2]["errors"][0]
            .as_str()
            .unwrap()
            .contains("9000000")
    );

    let (plain, _) = made(&setup, &server, json!({})).await;
    let names = opened(&server, plain, None).await.names();
    assert!(names.iter().all(|name| !name.starts_with("attachments/")));
    let why = said(
        &server,
        made(&setup, &server, json!({"BackupAttachments": true}))
            .await
            .0,
        FULL,
    );
    assert!(
        why.await.is_none(),
        "one with attachments is found behind one without"
    );
}

/// An edit of a pinned message may bring another file and take one away.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_an_edited_pin_are_loaded() {
    let setup = setup_with(generous);
    setup.discord.change(|world| {
        let files = world.messages.get_mut(&FILES).unwrap();
        files[0]["pinned"] = true.into();
        files.extend((3..=150).map(|n| message(FILES, n)));
    });
    let server = setup.start().await;
    let wanted = json!({"BackupAttachments": true});
    made(&setup, &server, wanted.clone()).await;
    let new = PNG + 100;
    setup.discord.change(|world| {
        let message = &mut world.messages.get_mut(&FILES).unwrap()[0];
        let mut file = message["attachments"][0].clone();
        let (old, path) = (PNG.to_string(), file["url"].as_str().unwrap().to_owned());
        let path = path.split_once("/attachments").unwrap().1;
        let path = path.split('?').next().unwrap();
        let bytes = world.files[&format!("/attachments{path}")].clone();
        let moved = format!("/attachments{path}").replace(&old, &new.to_string());
        file["url"] = file["url"]
            .as_str()
            .unwrap()
            .replace(&old, &new.to_string())
            .into();
        file["id"] = new.to_string().into();
        message["attachments"] = json!([file]);
        world.files.clear();
        world.files.insert(moved, bytes);
    });
    let (second, _) = made(&setup, &server, wanted).await;
    let mut backup = opened(&server, second, None).await;
    let name = |id: u64| format!("attachments/{id}");
    assert_eq!(backup.0.read(&name(new)).unwrap(), image());
    assert!(!backup.names().contains(&name(PNG)), "no message names it");
}

/// Discord answers with an empty page where the history may not be read.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_page_without_the_right_is_no_beginning() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    let mut guild = Value::Null;
    setup.discord.change(|world| guild = world.guild.clone());
    guild["roles"][0]["permissions"] = (1_u64 << 10).to_string().into();
    let taken = std::sync::atomic::AtomicBool::new(false);
    setup.discord.intercept(move |target| {
        use axum::response::IntoResponse as _;
        use std::sync::atomic::Ordering::SeqCst;
        if target.contains(&format!("/channels/{BIG}/messages")) && target.contains("before=") {
            taken.store(true, SeqCst);
            return Some(axum::Json(json!([])).into_response());
        }
        let asked = target.contains("/guilds/") && target.contains("with_counts");
        (asked && taken.load(SeqCst)).then(|| axum::Json(guild.clone()).into_response())
    });
    let (first, _) = made(&setup, &server, json!({})).await;
    let mut backup = opened(&server, first, None).await;
    assert_eq!(backup.messages()[&BIG].len(), 100);
    let reading = backup.json("ext/reading");
    let whole = reading["whole"].as_array().unwrap();
    assert!(!whole.contains(&json!(BIG.to_string())), "{whole:?}");
    let left_out = backup.json("ext/coverage")["left_out"].clone();
    let big = BIG.to_string();
    let is_big = |left: &&Value| left["id"] == big.as_str() && left["why"] == "permission";
    let left_out = left_out.as_array().unwrap();
    assert!(left_out.iter().any(|left| is_big(&left)), "{left_out:?}");
}

/// The job holds keys, never passwords; it opens what is under the same one.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_the_earlier_backup() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    let (_, asked) = made(&setup, &server, json!({"Encrypt": "one"})).await;
    assert!(of(&asked, BIG) >= 13);
    let (same, asked) = made(&setup, &server, json!({"Encrypt": "one"})).await;
    assert_eq!(of(&asked, BIG), 1, "{:?}", server.log(same).await);
    let mut backup = opened(&server, same, Some("one")).await;
    assert_eq!(backup.messages()[&BIG], down_from(BIG_COUNT, BIG_COUNT));
    let (other, asked) = made(&setup, &server, json!({"Encrypt": "two"})).await;
    assert!(of(&asked, BIG) >= 13);
    let why = said(&server, other, FULL).await;
    assert_eq!(why.unwrap(), "the earlier backup has another password");
    let (none, asked) = made(&setup, &server, json!({})).await;
    assert!(of(&asked, BIG) >= 13);
    let why = said(&server, none, FULL).await.unwrap();
    assert!(why.contains("has a password"), "{why}");
    let (_, asked) = made(&setup, &server, json!({"Encrypt": "three"})).await;
    assert_eq!(
        of(&asked, BIG),
        1,
        "one without a password serves every other"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_missing_file_costs_nothing_but_time() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    for damage in ["cut", "gone"] {
        let (first, _) = made(&setup, &server, json!({"Incremental": "off"})).await;
        let filename = server.completed(first).await.output.unwrap().filename;
        let path = server.objects.join(format!("tasks/{first}/{filename}"));
        match damage {
            "cut" => {
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            }
            _ => std::fs::remove_file(&path).unwrap(),
        }
        let (second, asked) = made(&setup, &server, json!({})).await;
        assert!(of(&asked, BIG) >= 13, "{damage}");
        assert!(said(&server, second, FULL).await.is_some(), "{damage}");
        let messages = opened(&server, second, None).await.messages();
        assert_eq!(messages[&BIG], down_from(BIG_COUNT, BIG_COUNT));
    }
}

/// Killed at the first page, when the earlier backup is known and nothing of it is copied; then that
/// one is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle() {
    for delete in [false, true] {
        let setup = setup_with(generous);
        let server = setup.start().await;
        let (first, _) = made(&setup, &server, json!({})).await;
        let before = setup.discord.requests().len();
        let id = server.create(options(&json!({}))).await.task_id;
        let path = format!("/channels/{BIG}/messages?");
        let mut made = before;
        while !setup.discord.requests()[before..]
            .iter()
            .any(|one| one.contains(&path))
        {
            made += 1;
            setup.discord.requested(made).await;
        }
        server.kill();
        if delete {
            let objects = setup.data().join(format!("objects/tasks/{first}"));
            std::fs::remove_dir_all(objects).unwrap();
        }
        let server = setup.start().await;
        server.completed(id).await;
        let messages = opened(&server, id, None).await.messages();
        assert_eq!(messages[&BIG], down_from(BIG_COUNT, BIG_COUNT), "{delete}");
        let mut asked = setup.discord.requests().split_off(before);
        asked.retain(|request| request.contains("/messages"));
        if !delete {
            assert!(of(&asked, BIG) <= 3, "{asked:?}");
        }
    }
}

/// A post does not count the message that it began with.
#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_first_message_was_deleted_is_read_anew() {
    let setup = setup_with(generous);
    setup.discord.change(|world| {
        for post in world.archived.values_mut().next().unwrap() {
            let id: u64 = post["id"].as_str().unwrap().parse().unwrap();
            let said = world.messages[&id].len();
            post["message_count"] = said.into();
            post["total_message_sent"] = said.into();
            post["last_message_id"] = message(id, said as u64)["id"].clone();
            let mut starter = message(id, 0);
            starter["id"] = id.to_string().into();
            world.messages.get_mut(&id).unwrap().insert(0, starter);
        }
    });
    let server = setup.start().await;
    made(&setup, &server, json!({})).await;
    setup.discord.change(|world| {
        world.messages.get_mut(&OLDER_POST).unwrap().remove(0);
    });
    let (second, asked) = made(&setup, &server, json!({})).await;
    assert_eq!(
        of(&asked, OLD_POST),
        1,
        "only for its first message: {asked:?}"
    );
    let messages = opened(&server, second, None).await.messages();
    assert_eq!(messages[&OLDER_POST], [1]);
    assert_eq!(messages[&OLD_POST].len(), 3);
}

/// An emoji has its picture for good, and in an archived thread nothing is said.
#[tokio::test(flavor = "multi_thread")]
async fn pictures_and_resting_threads_are_read_once() {
    let setup = setup_with(generous);
    let emoji =
        |id: u64| json!({"id": id.to_string(), "name": format!("e{id}"), "animated": false});
    setup.discord.change(|world| {
        for post in world.archived.values_mut().next().unwrap() {
            let id = post["id"].as_str().unwrap().parse().unwrap();
            let said = world.messages[&id].len();
            post["message_count"] = said.into();
            post["total_message_sent"] = said.into();
            post["last_message_id"] = message(id, said as u64)["id"].clone();
        }
        world.guild["emojis"] = json!([emoji(71), emoji(72)]);
        for id in [71, 72] {
            let picture = ([image(), vec![id]].concat(), "image/png");
            world.files.insert(format!("/emojis/{id}.png"), picture);
        }
    });
    let server = setup.start().await;
    let asked = |path: &str| {
        let requests = setup.discord.requests();
        requests.iter().filter(|one| one.contains(path)).count()
    };
    let (first, _) = made(&setup, &server, json!({})).await;
    let before = [asked("/emojis/"), asked("/icons/")];
    assert_eq!(before[0], 2);

    // One post was opened, spoken in and archived again; one emoji and the icon are new.
    setup.discord.change(|world| {
        let posts = world.archived.values_mut().next().unwrap();
        posts[0]["thread_metadata"]["archive_timestamp"] = "2024-02-10T00:00:00+00:00".into();
        posts[0]["message_count"] = 3.into();
        world
            .messages
            .get_mut(&OLD_POST)
            .unwrap()
            .push(message(OLD_POST, 3));
        world.guild["emojis"] = json!([emoji(71), emoji(72), emoji(73)]);
        let picture = ([image(), vec![73]].concat(), "image/png");
        world.files.insert("/emojis/73.png".to_owned(), picture);
        world.guild["icon"] = "abd".into();
        let icon =
            world.files[&format!("/icons/{}/abc.png", crate::support::discord::GUILD)].clone();
        world.files.insert(
            format!("/icons/{}/abd.png", crate::support::discord::GUILD),
            icon,
        );
    });
    let (second, said) = made(&setup, &server, json!({})).await;
    assert_eq!(asked("/emojis/") - before[0], 1, "the new one");
    assert_eq!(
        asked("/icons/") - before[1],
        1,
        "a new hash is a new picture"
    );
    assert_eq!(of(&said, OLD_POST), 1);
    assert_eq!(of(&said, OLDER_POST), 0, "{said:?}");

    let (mut old, mut new) = (
        opened(&server, first, None).await,
        opened(&server, second, None).await,
    );
    let messages = new.messages();
    assert_eq!(messages[&OLD_POST], [3, 2, 1]);
    assert_eq!(messages[&OLDER_POST], [1]);
    for kept in old.json("ext/files").as_array().unwrap() {
        let Some(digest) = kept["digest"].as_str() else {
            continue;
        };
        let section = format!("files/{digest}");
        assert_eq!(new.0.read(&section).unwrap(), old.0.read(&section).unwrap());
    }
    assert_eq!(new.json("ext/files").as_array().unwrap().len(), 5);
}

/// Without messages there are pictures all the same.
#[tokio::test(flavor = "multi_thread")]
async fn backups_without_messages_share_their_pictures() {
    let setup = setup_with(generous);
    let server = setup.start().await;
    let wanted = json!({"BackupMessages": false});
    made(&setup, &server, wanted.clone()).await;
    let icons = || {
        let requests = setup.discord.requests();
        requests
            .iter()
            .filter(|one| one.contains("/icons/"))
            .count()
    };
    let before = icons();
    let (second, _) = made(&setup, &server, wanted).await;
    assert_eq!(icons(), before, "it is copied");
    let index = opened(&server, second, None).await.json("ext/files");
    let icon = index
        .as_array()
        .unwrap()
        .iter()
        .find(|kept| kept["field"] == "icon");
    assert!(icon.unwrap()["digest"].is_string(), "{index:#}");
}
