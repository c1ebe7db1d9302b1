//! From `splashtail up` to a verified backup file, on both rows of every seam.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};
use splashtail_e2e::backups::{self, ADMINISTRATOR, Backup, GUILD, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform, binary};
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery staple";

/// Everything the sandbox has in readable channels and threads, newest first.
async fn messages_on_discord(platform: &Platform) -> BTreeMap<String, Vec<Value>> {
    let mut places: Vec<String> = Vec::new();
    let channels = backups::discord(platform, &format!("/guilds/{GUILD}/channels"))
        .await
        .unwrap();
    for channel in channels.as_array().unwrap() {
        let id = channel["id"].as_str().unwrap();
        let kind = channel["type"].as_u64().unwrap();
        if [0, 5, 2, 13].contains(&kind) {
            places.push(id.to_owned());
        }
        if [0, 5, 15].contains(&kind) {
            for list in ["public", "private"] {
                let path = format!("/channels/{id}/threads/archived/{list}");
                let Ok(archived) = backups::discord(platform, &path).await else {
                    continue;
                };
                for thread in archived["threads"].as_array().unwrap() {
                    places.push(thread["id"].as_str().unwrap().to_owned());
                }
            }
        }
    }
    let active = backups::discord(platform, &format!("/guilds/{GUILD}/threads/active"))
        .await
        .unwrap();
    for thread in active["threads"].as_array().unwrap() {
        places.push(thread["id"].as_str().unwrap().to_owned());
    }

    let mut found = BTreeMap::new();
    for place in places {
        let mut messages: Vec<Value> = Vec::new();
        loop {
            let before = messages
                .last()
                .map(|oldest| format!("&before={}", oldest["id"].as_str().unwrap()))
                .unwrap_or_default();
            let path = format!("/channels/{place}/messages?limit=100{before}");
            let Ok(page) = backups::discord(platform, &path).await else {
                break;
            };
            let page = page.as_array().unwrap().clone();
            let short = page.len() < 100;
            messages.extend(page);
            if short {
                break;
            }
        }
        if !messages.is_empty() {
            found.insert(place, messages);
        }
    }
    found
}

async fn story(engines: Engines, dir: TempDir) {
    let platform = Platform::start(
        dir,
        engines,
        &[("total_max_messages", 5000), ("default_per_channel", 5000)],
    )
    .await
    .unwrap();

    // A member without the permission is refused and nothing starts.
    let refused = backups::command(
        &platform,
        GUILD,
        PLAIN_MEMBER,
        "backups create",
        backups::everything(PASSWORD),
    )
    .await
    .unwrap();
    assert!(backups::create_refused(&refused), "{refused:?}");

    let mut options = backups::everything(PASSWORD);
    options["max_messages"] = 5000.into();
    options["per_channel"] = 5000.into();
    let backup = backups::create(&platform, GUILD, ADMINISTRATOR, options)
        .await
        .unwrap();
    let link = backups::finished(&platform, &backup).await.unwrap();
    assert!(link.path().contains(&backup.job_id), "{link}");

    let (name, bytes) = backups::download(&platform, &link, ADMINISTRATOR)
        .await
        .unwrap();
    assert!(
        name.starts_with("antiraid-backup-") && name.ends_with(".iblfile"),
        "{name}"
    );

    // Someone without Manage Server does not get the file.
    let stranger = backups::download(&platform, &link, PLAIN_MEMBER)
        .await
        .unwrap_err();
    assert!(format!("{stranger:#}").contains("403"), "{stranger:#}");

    // The operator's tools read it; nobody else does.
    let path = platform.dir().join(&name);
    std::fs::write(&path, &bytes).unwrap();
    let cli = |args: &[&str], password: Option<&str>| {
        let mut command = Command::new(binary("splashtail"));
        command
            .args(args)
            .arg(&path)
            .env_remove("SPLASHTAIL_BACKUP_PASSWORD");
        if let Some(password) = password {
            command.env("SPLASHTAIL_BACKUP_PASSWORD", password);
        }
        command.output().unwrap()
    };
    let inspect = cli(&["backup", "inspect", "--json"], Some(PASSWORD));
    assert!(inspect.status.success(), "{inspect:?}");
    let inspected: Value = serde_json::from_slice(&inspect.stdout).unwrap();
    assert_eq!(inspected["revision"], 7);
    assert_eq!(inspected["encryption"], "aes256");
    let verify = cli(&["backup", "verify"], Some(PASSWORD));
    assert!(verify.status.success(), "{verify:?}");
    let wrong = cli(&["backup", "verify"], Some("wrong"));
    assert_eq!(wrong.status.code(), Some(3), "{wrong:?}");
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("password"),
        "{wrong:?}"
    );
    let mut tampered = bytes.clone();
    *tampered.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &tampered).unwrap();
    assert_eq!(
        cli(&["backup", "verify"], Some(PASSWORD)).status.code(),
        Some(2)
    );

    // Every message of every readable channel, thread and forum post, once, newest first.
    let mut file = Backup::open(bytes, Some(PASSWORD)).unwrap();
    let on_discord = messages_on_discord(&platform).await;
    let saved: BTreeMap<String, Vec<String>> = file.messages().unwrap().into_iter().collect();
    let longest = saved.values().map(Vec::len).max();
    assert_eq!(longest, Some(1230), "the long channel is saved whole");
    let mut attachments = BTreeSet::new();
    let client = reqwest::Client::new();
    for (channel, messages) in &on_discord {
        let ids: Vec<_> = messages
            .iter()
            .map(|m| m["id"].as_str().unwrap().to_owned())
            .collect();
        let mut kept = saved.get(channel).cloned().unwrap_or_default();
        // The progress message is newer than the listing of its channel.
        let newer: BTreeSet<_> = ids
            .iter()
            .filter(|id| id.as_str() >= backup.message_id.as_str())
            .cloned()
            .collect();
        let ids: Vec<_> = ids.into_iter().filter(|id| !newer.contains(id)).collect();
        kept.retain(|id| !newer.contains(id));
        assert_eq!(kept, ids, "channel {channel}");
        for attachment in messages
            .iter()
            .flat_map(|m| m["attachments"].as_array().unwrap())
        {
            let url = attachment["url"].as_str().unwrap();
            let original = client.get(url).send().await.unwrap().bytes().await.unwrap();
            let id = attachment["id"].as_str().unwrap();
            let stored = backups::stored_attachment(&mut file, channel, id).unwrap();
            assert_eq!(
                Sha256::digest(&stored),
                Sha256::digest(&original),
                "attachment {id}"
            );
            attachments.insert(id.to_owned());
        }
    }
    assert!(
        attachments.len() >= 3,
        "the world has attachments: {attachments:?}"
    );
    let threads = saved
        .keys()
        .filter(|id| on_discord.contains_key(*id))
        .count();
    assert!(
        threads >= 4,
        "channels, threads and forum posts: {:?}",
        saved.keys()
    );
    let opts = file.json("backup_opts").unwrap();
    assert!(!serde_json::to_string(&opts).unwrap().contains(PASSWORD));
    let guild = file.json("core/guild").unwrap();
    assert_eq!(guild["id"], GUILD);

    // The password is nowhere the platform keeps things.
    let leaks = backups::files_containing(platform.dir(), PASSWORD.as_bytes()).unwrap();
    assert!(leaks.is_empty(), "the password is in {leaks:?}");

    // `/backups list` shows it.
    let list = backups::command(
        &platform,
        GUILD,
        ADMINISTRATOR,
        "backups list",
        serde_json::json!({}),
    )
    .await
    .unwrap();
    assert!(
        serde_json::to_string(&list.messages)
            .unwrap()
            .contains(&backup.job_id),
        "{list:?}"
    );

    let survivors = platform.stop().await.unwrap();
    assert!(survivors.is_empty(), "processes left behind: {survivors:?}");
}

#[tokio::test]
async fn on_sqlite_the_socket_hub_and_local_objects() {
    story(Engines::Embedded, TempDir::new().unwrap()).await;
}

#[tokio::test]
#[ignore = "needs DATABASE_URL and REDIS_URL; `make test` provides both"]
async fn on_postgresql_redis_and_an_s3_compatible_server() {
    let dir = TempDir::new().unwrap();
    let engines = Engines::production(dir.path()).await.unwrap();
    story(engines, dir).await;
}

/// With the plan's defaults: 500 messages in all, 100 a channel, the rest rolled over.
#[tokio::test]
async fn the_free_plan_saves_exactly_the_newest_500() {
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();
    let options = serde_json::json!({"messages": true});
    let backup = backups::create(&platform, GUILD, ADMINISTRATOR, options)
        .await
        .unwrap();
    let link = backups::finished(&platform, &backup).await.unwrap();
    let (_, bytes) = backups::download(&platform, &link, ADMINISTRATOR)
        .await
        .unwrap();
    let mut file = Backup::open(bytes, None).unwrap();
    let saved = file.messages().unwrap();
    let total: usize = saved.iter().map(|(_, ids)| ids.len()).sum();
    assert_eq!(
        total,
        500,
        "{:?}",
        saved
            .iter()
            .map(|(c, ids)| (c, ids.len()))
            .collect::<Vec<_>>()
    );

    let on_discord = messages_on_discord(&platform).await;
    for (channel, ids) in saved {
        let newest: Vec<_> = on_discord[&channel]
            .iter()
            .map(|m| m["id"].as_str().unwrap().to_owned())
            .filter(|id| id.as_str() < backup.message_id.as_str())
            .take(ids.len())
            .collect();
        let ids: Vec<_> = ids
            .into_iter()
            .filter(|id| id.as_str() < backup.message_id.as_str())
            .collect();
        assert_eq!(ids, newest[..ids.len()], "the newest ones of {channel}");
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "no duplicates in {channel}");
    }
    assert!(platform.stop().await.unwrap().is_empty());
}
