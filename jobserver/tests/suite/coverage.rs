//! What a backup says about what it does not hold.

use crate::support::discord::{
    ACTIVE_POST, BIG, FILES, FORUM, GUILD, LOCKED, OLD_POST, VOICE, World, error, thread,
};
use crate::support::{Backup, Jobserver, setup};
use serde_json::{Value, json};
use splashtail_core::ids::TaskId;
use splashtail_storage::{Level, TaskLogEntry, TaskState};

async fn create(server: &Jobserver, options: Value, known: Value) -> TaskId {
    let data = json!({"ServerID": GUILD.to_string(), "Options": options, "KnownChannels": known});
    let created = server
        .client()
        .create_task("guild_create_backup", data, true, None)
        .await;
    created.unwrap().task_id
}

/// The entry that sums the backup up; it is the last before the end.
async fn summary(server: &Jobserver, id: TaskId) -> TaskLogEntry {
    let mut log = server.log(id).await;
    assert_eq!(log.pop().unwrap().msg, "Completed");
    log.pop().unwrap()
}

fn hide(world: &mut World, hidden: &[u64]) {
    world.channels.retain(|channel| {
        let id: u64 = channel["id"].as_str().unwrap().parse().unwrap();
        !hidden.contains(&id)
    });
}

/// As the bot's gateway cache knows them.
fn known(world: &World) -> Value {
    let channels = world.channels.iter();
    channels
        .map(|channel| json!({"id": channel["id"], "type": channel["type"]}))
        .collect::<Vec<_>>()
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_channels_are_counted_named_and_recorded() {
    let setup = setup();
    let server = setup.start().await;
    let mut all = Value::Null;
    setup.discord.change(|world| {
        all = known(world);
        hide(world, &[FORUM, VOICE]);
    });
    for messages in [true, false] {
        let id = create(&server, json!({"BackupMessages": messages}), all.clone()).await;
        let mut backup = Backup::open(server.file(id).await, None);
        let coverage = backup.json("ext/coverage");
        assert_eq!(
            (
                &coverage["channels"],
                &coverage["visible"],
                &coverage["exact"]
            ),
            (&json!(5), &json!(3), &json!(true))
        );
        assert_eq!(
            coverage["hidden"],
            json!([{"id": FORUM.to_string(), "type": 15}, {"id": VOICE.to_string(), "type": 2}])
        );
        let entry = summary(&server, id).await;
        assert_eq!(entry.level, Level::Warn);
        let expected = "3 of 5 channels; 2 are hidden from the bot";
        assert!(entry.msg.starts_with(expected), "{}", entry.msg);
        assert!(
            entry.msg.contains("grant the bot's role View Channel"),
            "{}",
            entry.msg
        );
        let headline = entry.extra["coverage"]["headline"].as_str().unwrap();
        assert!(headline.starts_with(expected), "{headline}");
        let log = server.log(id).await;
        let warned = log
            .iter()
            .find(|entry| entry.msg.contains("hidden from the bot"));
        let names = warned.unwrap().extra["channels"].as_str().unwrap();
        assert!(names.contains(&format!("{FORUM} (forum)")), "{names}");
    }
}

/// Without the caller's list there are still the channels that the server's settings name.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_the_settings_name_is_known_to_exist() {
    let setup = setup();
    let server = setup.start().await;
    setup.discord.change(|world| {
        hide(world, &[VOICE]);
        world.guild["rules_channel_id"] = json!(VOICE.to_string());
    });
    let id = create(&server, json!({}), Value::Null).await;
    let mut backup = Backup::open(server.file(id).await, None);
    let coverage = backup.json("ext/coverage");
    assert_eq!(coverage["hidden"], json!([{"id": VOICE.to_string()}]));
    assert_eq!(coverage["exact"], false);
}

/// "completed", and nothing in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_hidden_channels_alone_does_not_pass_for_one() {
    let setup = setup();
    let server = setup.start().await;
    let mut all = Value::Null;
    setup.discord.change(|world| {
        all = known(world);
        hide(world, &[BIG]);
    });
    let chosen = json!([BIG.to_string(), LOCKED.to_string()]);
    let options = json!({"BackupMessages": true, "Channels": chosen});
    let id = create(&server, options.clone(), all.clone()).await;
    assert_eq!(server.ended(id).await.state, TaskState::Failed);
    let last = server.log(id).await.pop().unwrap();
    assert_eq!(last.extra["code"], "nothing_readable");
    assert!(
        last.msg.contains(&format!("{BIG} is hidden from the bot")),
        "{}",
        last.msg
    );
    assert!(
        last.msg.contains(&format!("#staff ({LOCKED})")),
        "{}",
        last.msg
    );
    assert!(last.msg.contains("grant the bot's role"), "{}", last.msg);

    let mut options = options;
    options["IgnoreMessageBackupErrors"] = json!(true);
    let id = create(&server, options, all).await;
    server.completed(id).await;
    let entry = summary(&server, id).await;
    let expected = "4 of 5 channels; 1 is hidden from the bot; 1 cannot be read";
    assert!(entry.msg.starts_with(expected), "{}", entry.msg);
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_cannot_be_read_are_named() {
    let setup = setup();
    let server = setup.start().await;
    setup.discord.change(|world| {
        world.manage_threads();
        for (id, kind) in [(901, 77), (902, 78), (903, 77), (904, 4), (905, 15)] {
            world
                .channels
                .push(json!({"id": id.to_string(), "type": kind, "position": 9,
                "name": format!("odd-{id}"), "permission_overwrites": []}));
        }
        let everyone = json!([{"id": GUILD.to_string(), "type": 0, "allow": "0",
                               "deny": (1 << 16).to_string()}]);
        world.channels.last_mut().unwrap()["permission_overwrites"] = everyone;
    });
    let id = create(&server, json!({"BackupMessages": true}), Value::Null).await;
    let mut backup = Backup::open(server.file(id).await, None);
    let log = server.log(id).await;
    let unknown: Vec<_> = log
        .iter()
        .filter(|entry| {
            entry
                .msg
                .starts_with("The messages of channels of an unknown kind")
        })
        .map(|entry| (&entry.extra["kind"], &entry.extra["channels"]))
        .collect();
    assert_eq!(
        unknown,
        [
            (&json!(77), &json!("#odd-901 (901), #odd-903 (903)")),
            (&json!(78), &json!("#odd-902 (902)"))
        ],
        "one warning per kind"
    );
    let unreadable = log
        .iter()
        .find(|entry| entry.msg.contains("cannot be read"));
    assert_eq!(
        unreadable.unwrap().extra["channels"],
        format!("#odd-905 (905), #staff ({LOCKED})"),
        "a forum without sight is told, too"
    );
    let left_out = backup.json("ext/coverage")["left_out"].clone();
    let whys: Vec<_> = left_out
        .as_array()
        .unwrap()
        .iter()
        .map(|left| left["why"].as_str().unwrap())
        .collect();
    assert_eq!(whys.len(), 5, "{left_out}");
    let entry = summary(&server, id).await;
    let expected =
        "10 channels, all that the bot can see; 2 cannot be read; 3 are of unknown kinds";
    assert!(entry.msg.starts_with(expected), "{}", entry.msg);
}

/// Refusals that stay may be passed over; the result tells of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_channel_is_named_in_the_result() {
    let setup = setup();
    let server = setup.start().await;
    setup.discord.intercept(|request| {
        let failing = format!("/channels/{FILES}/messages");
        request
            .contains(&failing)
            .then(|| error(403, 50001, "Missing Access"))
    });
    let options = json!({"BackupMessages": true, "IgnoreMessageBackupErrors": true});
    let id = create(&server, options, Value::Null).await;
    let mut backup = Backup::open(server.file(id).await, None);
    let left_out = backup.json("ext/coverage")["left_out"].clone();
    let refused = left_out
        .as_array()
        .unwrap()
        .iter()
        .find(|left| left["why"] == "refused");
    let refused = refused.unwrap();
    assert_eq!(
        (&refused["id"], &refused["name"]),
        (&json!(FILES.to_string()), &json!("files"))
    );
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("Missing Access")
    );
    let entry = summary(&server, id).await;
    assert!(
        entry.msg.contains("1 was left out after an error"),
        "{}",
        entry.msg
    );
    let listed = &entry.extra["coverage"]["leftOut"];
    assert!(listed.to_string().contains("\"files\""), "{listed}");

    let id = create(&server, json!({"BackupMessages": true}), Value::Null).await;
    assert_eq!(server.ended(id).await.state, TaskState::Failed);
    let last = server.log(id).await.pop().unwrap();
    assert!(
        last.msg.contains(&format!("#files ({FILES})")),
        "{}",
        last.msg
    );
}

/// Threads and posts are structure: a backup without messages holds them, archived ones included.
#[tokio::test(flavor = "multi_thread")]
async fn threads_do_not_depend_on_messages() {
    let setup = setup();
    let server = setup.start().await;
    let id = create(&server, json!({}), Value::Null).await;
    let mut backup = Backup::open(server.file(id).await, None);
    let threads = backup.json("ext/threads");
    let ids: Vec<_> = threads
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["id"])
        .collect();
    assert!(ids.contains(&&json!(ACTIVE_POST.to_string())), "{ids:?}");
    assert!(ids.contains(&&json!(OLD_POST.to_string())), "{ids:?}");
}

/// Identity and reason of what is missing, as the file has it.
async fn left_out(server: &Jobserver, id: TaskId) -> Vec<(String, String)> {
    let coverage = Backup::open(server.file(id).await, None).json("ext/coverage");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let left_out = coverage["left_out"].as_array().unwrap().iter();
    left_out
        .map(|left| (text(&left["id"]), text(&left["why"])))
        .collect()
}

/// A refused listing was a line for developers, and the backup called complete.
#[tokio::test(flavor = "multi_thread")]
async fn refused_private_threads_are_told() {
    let setup = setup();
    let server = setup.start().await;
    setup.discord.change(World::manage_threads);
    setup.discord.intercept(|request| {
        let refused = format!("/channels/{BIG}/threads/archived/private");
        request
            .starts_with(&format!("/api/v10{refused}"))
            .then(|| error(403, 50013, "Missing Permissions"))
    });
    let id = create(&server, json!({}), Value::Null).await;
    let left_out = left_out(&server, id).await;
    assert!(
        left_out.contains(&(BIG.to_string(), "refused".into())),
        "{left_out:?}"
    );
    let entry = summary(&server, id).await;
    assert_eq!(entry.level, Level::Warn);
    assert!(
        entry.msg.contains("1 was left out after an error"),
        "{}",
        entry.msg
    );
}

/// Archived threads of text channels are as much a part of the structure as those of forums.
#[tokio::test(flavor = "multi_thread")]
async fn archived_threads_that_cannot_be_listed_are_told_without_messages() {
    let setup = setup();
    let server = setup.start().await;
    setup.discord.change(|world| {
        world.manage_threads();
        let big = world
            .channels
            .iter_mut()
            .find(|channel| channel["id"] == json!(BIG.to_string()));
        big.unwrap()["permission_overwrites"] = json!([{"id": GUILD.to_string(), "type": 0,
            "allow": "0", "deny": (1 << 16).to_string()}]);
    });
    let id = create(&server, json!({}), Value::Null).await;
    let expected = [BIG, LOCKED].map(|id| (id.to_string(), "permission".to_owned()));
    let mut left_out = left_out(&server, id).await;
    left_out.sort();
    assert_eq!(left_out, expected);
}

/// Discord does not even say whether there are any.
#[tokio::test(flavor = "multi_thread")]
async fn private_threads_that_the_bot_has_not_joined_are_told() {
    let setup = setup();
    let server = setup.start().await;
    for manages in [false, true] {
        if manages {
            setup.discord.change(World::manage_threads);
        }
        let id = create(&server, json!({}), Value::Null).await;
        let mut left_out = left_out(&server, id).await;
        left_out.retain(|(_, why)| why == "private_threads");
        let message = summary(&server, id).await.msg;
        if manages {
            assert_eq!(left_out, []);
            assert!(!message.contains("private threads"), "{message}");
        } else {
            let expected = [BIG, FILES].map(|id| (id.to_string(), "private_threads".to_owned()));
            assert_eq!(left_out, expected);
            assert!(
                message.contains("2 may have private threads that the bot cannot see"),
                "{message}"
            );
            let log = server.log(id).await;
            assert!(
                log.iter()
                    .any(|entry| entry.msg.contains("has not joined are not in the backup")),
                "{log:#?}"
            );
        }
    }
}

fn archive(count: u64, instant: impl Fn(u64) -> String) -> Vec<Value> {
    (0..count)
        .map(|n| thread(10_000 + n, FORUM, 11, Some(&instant(n))))
        .collect()
}

async fn listed(archive: Vec<Value>) -> (usize, TaskLogEntry, Vec<TaskLogEntry>) {
    let setup = setup();
    let server = setup.start().await;
    setup.discord.change(|world| {
        // Nothing else is missing.
        world.manage_threads();
        hide(world, &[LOCKED]);
        world.active.clear();
        world.archived_private.clear();
        world.archived.insert(FORUM, archive);
    });
    let id = create(&server, json!({}), Value::Null).await;
    let mut backup = Backup::open(server.file(id).await, None);
    let threads = backup.json("ext/threads").as_array().unwrap().len();
    (threads, summary(&server, id).await, server.log(id).await)
}

/// Paging by time strictly before the last one lost what shared its instant.
#[tokio::test(flavor = "multi_thread")]
async fn posts_archived_at_the_same_instant_are_all_listed_across_pages() {
    // 40 share each instant, so that every page ends among equals.
    let (threads, summary, _) = listed(archive(250, |n| {
        format!("2024-01-{:02}T00:00:00.123456+00:00", 28 - n / 40)
    }))
    .await;
    assert_eq!(threads, 250);
    assert_eq!(summary.level, Level::Info, "{}", summary.msg);
}

/// More at one instant than a page holds: nobody can list the rest, and that is said.
#[tokio::test(flavor = "multi_thread")]
async fn what_discord_cannot_list_is_said() {
    let mut posts = archive(250, |_| "2024-01-20T00:00:00.123456+00:00".to_owned());
    posts.push(thread(9, FORUM, 11, Some("2024-01-19T00:00:00+00:00")));
    let (threads, summary, log) = listed(posts).await;
    assert_eq!(threads, 101, "and what is older is not lost with them");
    assert!(
        summary.msg.contains("1 has more threads than were saved"),
        "{}",
        summary.msg
    );
    let warned = log
        .iter()
        .find(|entry| entry.msg.contains("same instant"))
        .unwrap();
    assert_eq!(warned.extra["channel"], format!("#forum ({FORUM})"));
}
