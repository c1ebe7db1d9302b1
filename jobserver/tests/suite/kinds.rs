//! What a server has beside roles and channels comes back: pictures and sounds, threads and posts,
//! what newcomers see.

use crate::support::Jobserver;
use crate::support::server::{GUILD, OWNER, World, world};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use splashtail_core::ids::TaskId;

const MEMBER: &str = "1100000000000000013";
const SPARE: &str = "1100000000000000014";

fn guild(rest: &str) -> String {
    format!("/guilds/{GUILD}{rest}")
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// A picture of one colour.
fn png(color: u8) -> String {
    let picture = image::RgbImage::from_pixel(16, 16, image::Rgb([color, 10, 200]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    format!(
        "data:image/png;base64,{}",
        STANDARD.encode(bytes.into_inner())
    )
}

async fn list(world: &World, path: &str) -> Vec<Value> {
    let answer = world.rest(OWNER, "GET", path, Value::Null).await;
    let items = if answer["items"].is_array() {
        &answer["items"]
    } else {
        &answer
    };
    items.as_array().unwrap().clone()
}

async fn named(world: &World, path: &str, name: &str) -> Value {
    let found = list(world, path).await;
    let found = found.into_iter().find(|object| object["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {path}"))
}

/// A file of the CDN.
async fn bytes(world: &World, path: &str) -> Vec<u8> {
    let url = world.sandbox.rest.join(path).unwrap();
    let answer = reqwest::Client::new().get(url).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.bytes().await.unwrap().to_vec()
}

async fn saved(world: &World, server: &Jobserver, options: Value) -> (TaskId, String) {
    let backup = server.backup(world, options).await;
    (backup, format!("task://{backup}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_and_sounds_come_back_with_their_bytes() {
    let world = world().await;
    let server = world.setup.start().await;
    let ogg = STANDARD.encode(b"OggS and a sound");
    let sound = json!({"name": "horn", "sound": format!("data:audio/ogg;base64,{ogg}"),
                       "volume": 0.5});
    world
        .rest(OWNER, "POST", &guild("/soundboard-sounds"), sound)
        .await;
    world
        .rest(OWNER, "PATCH", &guild(""), json!({"icon": png(1)}))
        .await;
    let icon = icon_of(&world).await;
    let before = |emoji: &Value| bytes_of_emoji(emoji);
    let anchor = named(&world, &guild("/emojis"), "anchor").await;
    let wave = named(&world, &guild("/emojis"), "wave").await;
    let pictures = [
        bytes(&world, &before(&anchor)).await,
        bytes(&world, &before(&wave)).await,
    ];
    let (backup, source) = saved(&world, &server, json!({})).await;
    assert_eq!(server.rest_of(&world, backup).await, [""; 0]);

    // What was there goes, and a picture of the attacker's takes a name.
    for (path, name) in [
        ("/emojis", "anchor"),
        ("/emojis", "wave"),
        ("/stickers", "Ahoy"),
    ] {
        let object = named(&world, &guild(path), name).await;
        let path = guild(&format!("{path}/{}", id(&object)));
        world.rest(OWNER, "DELETE", &path, Value::Null).await;
    }
    let horn = named(&world, &guild("/soundboard-sounds"), "horn").await;
    let path = guild(&format!(
        "/soundboard-sounds/{}",
        horn["sound_id"].as_str().unwrap()
    ));
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let fake = json!({"name": "anchor", "image": png(2)});
    let fake = world.rest(OWNER, "POST", &guild("/emojis"), fake).await;
    world
        .rest(OWNER, "PATCH", &guild(""), json!({"icon": png(3)}))
        .await;

    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;
    let anchor = named(&world, &guild("/emojis"), "anchor").await;
    assert_ne!(
        anchor["id"], fake["id"],
        "the attacker's is deleted: {report:#}"
    );
    let wave = named(&world, &guild("/emojis"), "wave").await;
    assert_eq!(bytes(&world, &before(&anchor)).await, pictures[0]);
    assert_eq!(bytes(&world, &before(&wave)).await, pictures[1]);
    assert_eq!(wave["animated"], true);
    let sticker = named(&world, &guild("/stickers"), "Ahoy").await;
    assert_eq!(sticker["tags"], "wave");
    let horn = named(&world, &guild("/soundboard-sounds"), "horn").await;
    assert_eq!(horn["volume"], 0.5);
    let sound = format!("/soundboard-sounds/{}", horn["sound_id"].as_str().unwrap());
    assert_eq!(bytes(&world, &sound).await, b"OggS and a sound");
    assert_eq!(icon_of(&world).await, icon);
    assert_eq!(server.rest_of(&world, backup).await, [""; 0], "{report:#}");
    assert!(report["ids"]["emoji"].as_object().unwrap().len() >= 3);
}

/// The server's icon, at its full size.
async fn icon_of(world: &World) -> Vec<u8> {
    let now = world.rest(OWNER, "GET", &guild(""), Value::Null).await;
    let hash = now["icon"].as_str().unwrap();
    bytes(world, &format!("/icons/{GUILD}/{hash}.png?size=4096")).await
}

fn bytes_of_emoji(emoji: &Value) -> String {
    let kind = if emoji["animated"] == true {
        "gif"
    } else {
        "png"
    };
    format!("/emojis/{}.{kind}", id(emoji))
}

/// Threads of a channel, active and archived, by name.
async fn threads(world: &World, channel: &Value) -> Vec<Value> {
    let active = world
        .rest(OWNER, "GET", &guild("/threads/active"), Value::Null)
        .await;
    let mut threads = active["threads"].as_array().unwrap().clone();
    threads.retain(|thread| thread["parent_id"] == channel["id"]);
    for archive in ["public", "private"] {
        let path = format!("/channels/{}/threads/archived/{archive}", id(channel));
        if archive == "private" && channel["type"] != 0 {
            continue;
        }
        let archived = world.rest(OWNER, "GET", &path, Value::Null).await;
        threads.extend(archived["threads"].as_array().unwrap().clone());
    }
    threads.sort_by_key(|thread| thread["name"].as_str().unwrap().to_owned());
    threads
}

async fn channel(world: &World, name: &str) -> Value {
    named(world, &guild("/channels"), name).await
}

async fn texts(world: &World, place: &Value) -> Vec<String> {
    let path = format!("/channels/{}/messages?limit=100", id(place));
    let mut list = list(world, &path).await;
    list.reverse();
    list.retain(|message| matches!(message["type"].as_u64(), Some(0 | 19)));
    let text = |message: &Value| {
        let text = message["content"].as_str().unwrap();
        // Restored ones have a line with their time above.
        match text.strip_prefix("-# <t:") {
            Some(rest) => rest
                .split_once('\n')
                .map_or("", |(_, text)| text)
                .to_owned(),
            None => text.to_owned(),
        }
    };
    list.iter().map(text).collect()
}

/// A thread as people see it.
fn look(thread: &Value) -> Value {
    let metadata = &thread["thread_metadata"];
    json!({"name": thread["name"], "type": thread["type"], "archived": metadata["archived"],
           "locked": metadata["locked"], "tags": thread["applied_tags"].as_array().map(Vec::len)})
}

/// Cases 17 and 19 of the restore matrix.
#[tokio::test(flavor = "multi_thread")]
async fn threads_and_posts_come_back_with_what_was_said() {
    let world = world().await;
    let server = world.setup.start().await;
    // Posts need a tag, and one of them is closed.
    let help = channel(&world, "help").await;
    let path = format!("/channels/{}", id(&help));
    world
        .rest(OWNER, "PATCH", &path, json!({"flags": 1 << 4}))
        .await;
    let posts = threads(&world, &help).await;
    let path = format!("/channels/{}", id(&posts[0]));
    let closed = json!({"archived": false});
    world.rest(OWNER, "PATCH", &path, closed).await;
    let closed = json!({"locked": true, "archived": true});
    world.rest(OWNER, "PATCH", &path, closed).await;
    let general = channel(&world, "general").await;
    let before_posts = threads(&world, &help).await;
    let before_threads = threads(&world, &general).await;
    let mut said = Vec::new();
    for thread in before_posts.iter().chain(&before_threads) {
        said.push(texts(&world, thread).await);
    }
    let options = json!({"BackupMessages": true, "BackupAttachments": true, "PerChannel": 60,
                         "RolloverLeftovers": true});
    let (backup, source) = saved(&world, &server, options).await;

    world
        .rest(
            OWNER,
            "DELETE",
            &format!("/channels/{}", id(&help)),
            Value::Null,
        )
        .await;
    for thread in &before_threads {
        let path = format!("/channels/{}", id(thread));
        world.rest(OWNER, "DELETE", &path, Value::Null).await;
    }
    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;
    let help = channel(&world, "help").await;
    let after_posts = threads(&world, &help).await;
    let looks = |threads: &[Value]| threads.iter().map(look).collect::<Vec<_>>();
    assert_eq!(looks(&after_posts), looks(&before_posts), "{report:#}");
    let tags = help["available_tags"].as_array().unwrap();
    for post in &after_posts {
        assert_eq!(post["applied_tags"], json!([tags[0]["id"]]), "{report:#}");
    }
    let after_threads = threads(&world, &general).await;
    assert_eq!(looks(&after_threads), looks(&before_threads), "{report:#}");
    let places = after_posts.iter().chain(&after_threads);
    for (place, said) in places.zip(&said) {
        let now = texts(&world, place).await;
        // What does not fit a backup's plan is not in it; the rest is, in its order.
        assert!(
            !now.is_empty() && said.ends_with(&now),
            "{}: {now:#?} {said:#?}",
            place["name"]
        );
    }
    assert_eq!(report["threads"], before_posts.len() + before_threads.len());
    assert_eq!(server.rest_of(&world, backup).await, [""; 0]);
    let dry = json!({"BackupSource": source, "DryRun": true});
    let plan = server.restore(&world, dry).await;
    assert_eq!(plan["threads"]["make"], json!([]), "{plan:#}");
    assert_eq!(plan["threads"]["change"], json!([]), "{plan:#}");
}

/// A living channel that lost a thread gets it, and one that was renamed its name.
#[tokio::test(flavor = "multi_thread")]
async fn pins_come_back_and_a_renamed_thread_gets_its_name() {
    let world = world().await;
    let server = world.setup.start().await;
    let channels = guild("/channels");
    let notes = json!({"name": "notes", "type": 0});
    let notes = world.rest(OWNER, "POST", &channels, notes).await;
    let mut sent = Vec::new();
    for text in ["first", "second", "third"] {
        let path = format!("/channels/{}/messages", id(&notes));
        let message = json!({"content": text});
        sent.push(world.rest(OWNER, "POST", &path, message).await);
    }
    for message in [&sent[2], &sent[0]] {
        let path = format!("/channels/{}/messages/pins/{}", id(&notes), id(message));
        world.rest(OWNER, "PUT", &path, Value::Null).await;
    }
    let path = format!("/channels/{}/messages/{}/threads", id(&notes), id(&sent[1]));
    let thread = json!({"name": "about the second"});
    let thread = world.rest(OWNER, "POST", &path, thread).await;
    assert_eq!(thread["id"], sent[1]["id"]);
    let general = channel(&world, "general").await;
    let trip = threads(&world, &general).await;
    let trip = trip.iter().find(|t| t["name"] == "Trip planning").unwrap();
    let options = json!({"BackupMessages": true, "PerChannel": 50});
    let (_, source) = saved(&world, &server, options).await;

    let path = format!("/channels/{}", id(trip));
    world
        .rest(OWNER, "PATCH", &path, json!({"name": "hacked"}))
        .await;
    let path = format!("/channels/{}", id(&notes));
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;
    let trip = world
        .rest(
            OWNER,
            "GET",
            &format!("/channels/{}", id(trip)),
            Value::Null,
        )
        .await;
    assert_eq!(trip["name"], "Trip planning", "{report:#}");
    let notes = channel(&world, "notes").await;
    let path = format!("/channels/{}/messages/pins", id(&notes));
    let pins = list(&world, &path).await;
    let pinned: Vec<&str> = pins
        .iter()
        .map(|pin| {
            pin["message"]["content"]
                .as_str()
                .unwrap()
                .split('\n')
                .next_back()
                .unwrap()
        })
        .collect();
    assert_eq!(pinned, ["third", "first"], "{report:#}");
    let path = format!("/channels/{}/messages?limit=100", id(&notes));
    let all = list(&world, &path).await;
    assert!(all.iter().all(|message| message["type"] != 6), "{all:#?}");
    // The thread starts at the message that was posted again.
    let made = threads(&world, &notes).await;
    let start = all
        .iter()
        .find(|m| m["content"].as_str().unwrap().ends_with("second"));
    assert_eq!(made[0]["id"], start.unwrap()["id"]);
    assert_eq!(made[0]["name"], "about the second");
}

/// Who was in a private thread is in it again, whether it is still there or was deleted; what was said in
/// it stands before the notices that adding them leaves, which nobody can delete.
#[tokio::test(flavor = "multi_thread")]
async fn private_threads_get_their_members_again() {
    let world = world().await;
    let server = world.setup.start().await;
    let general = channel(&world, "general").await;
    let path = format!("/channels/{}/threads", id(&general));
    let mut made = Vec::new();
    for name in ["inner circle", "outer circle"] {
        let thread = json!({"name": name, "type": 12});
        let thread = world.rest(OWNER, "POST", &path, thread).await;
        let members = format!("/channels/{}/thread-members", id(&thread));
        for user in [MEMBER, SPARE] {
            let path = format!("{members}/{user}");
            world.rest(OWNER, "PUT", &path, Value::Null).await;
        }
        let said = format!("/channels/{}/messages", id(&thread));
        let text = json!({"content": "between us"});
        world.rest(OWNER, "POST", &said, text).await;
        made.push(thread);
    }
    let options = json!({"BackupMessages": true, "PerChannel": 60, "RolloverLeftovers": true});
    let (_, source) = saved(&world, &server, options).await;
    let members = format!("/channels/{}/thread-members", id(&made[0]));
    world
        .rest(OWNER, "DELETE", &format!("{members}/{SPARE}"), Value::Null)
        .await;
    let rest = json!({"archived": true});
    let path = format!("/channels/{}", id(&made[0]));
    world.rest(OWNER, "PATCH", &path, rest).await;
    let path = format!("/channels/{}", id(&made[1]));
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;

    let now = threads(&world, &general).await;
    for name in ["inner circle", "outer circle"] {
        let thread = now.iter().find(|thread| thread["name"] == name).unwrap();
        let members = format!("/channels/{}/thread-members", id(thread));
        let members = list(&world, &members).await;
        for user in [OWNER, MEMBER, SPARE] {
            let there = members.iter().any(|member| member["user_id"] == user);
            assert!(there, "{name}: {user} {members:#?} {report:#}");
        }
    }
    let inner = now.iter().find(|thread| thread["name"] == "inner circle");
    assert_eq!(inner.unwrap()["thread_metadata"]["archived"], true);
    let outer = now.iter().find(|thread| thread["name"] == "outer circle");
    let path = format!("/channels/{}/messages?limit=100", id(outer.unwrap()));
    let said = list(&world, &path).await;
    let kinds: Vec<&Value> = said.iter().rev().map(|message| &message["type"]).collect();
    assert_eq!(kinds[0], 0, "{kinds:?}");
    assert!(kinds[1..].iter().all(|kind| **kind == 1), "{kinds:?}");
    let dry = json!({"BackupSource": source, "DryRun": true});
    let plan = server.restore(&world, dry).await;
    assert_eq!(plan["threads"]["change"], json!([]), "{plan:#}");
}

/// Webhooks and invites get new addresses, which the report says.
#[tokio::test(flavor = "multi_thread")]
async fn webhooks_and_invites_are_made_anew() {
    let world = world().await;
    let server = world.setup.start().await;
    let notes = json!({"name": "notes", "type": 0});
    let notes = world.rest(OWNER, "POST", &guild("/channels"), notes).await;
    let path = format!("/channels/{}", id(&notes));
    let hook = json!({"name": "news", "avatar": png(4)});
    world
        .rest(OWNER, "POST", &format!("{path}/webhooks"), hook)
        .await;
    let invite = json!({"max_age": 0, "max_uses": 7});
    world
        .rest(OWNER, "POST", &format!("{path}/invites"), invite)
        .await;
    world
        .rest(
            OWNER,
            "PATCH",
            &guild("/widget"),
            json!({"enabled": true, "channel_id": id(&notes)}),
        )
        .await;
    let (backup, source) = saved(&world, &server, json!({})).await;
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;
    let notes = channel(&world, "notes").await;
    let hooks = list(&world, &format!("/channels/{}/webhooks", id(&notes))).await;
    assert_eq!(hooks.len(), 1, "{report:#}");
    assert_eq!(hooks[0]["name"], "news");
    assert!(hooks[0]["avatar"].is_string());
    let invites = list(&world, &format!("/channels/{}/invites", id(&notes))).await;
    assert_eq!(
        (invites.len(), &invites[0]["max_uses"]),
        (1, &json!(7)),
        "{report:#}"
    );
    let widget = world
        .rest(OWNER, "GET", &guild("/widget"), Value::Null)
        .await;
    assert_eq!(
        (&widget["enabled"], &widget["channel_id"]),
        (&json!(true), &notes["id"])
    );
    let told = report["not_restored"].as_array().unwrap();
    let codes: Vec<&Value> = told.iter().map(|item| &item["code"]).collect();
    assert!(codes.contains(&&json!("new_address")), "{told:#?}");
    assert!(codes.contains(&&json!("new_code")), "{told:#?}");
    let text = report.to_string();
    assert!(
        !text.contains(hooks[0]["token"].as_str().unwrap_or("no token")),
        "{text}"
    );
    assert_eq!(server.rest_of(&world, backup).await, [""; 0]);
}

/// Its link cannot be had again, so it is named before and after.
#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_is_gone_is_named() {
    let world = world().await;
    world.trust_bot().await;
    let server = world.setup.start().await;
    let template = json!({"name": "Harbour", "description": "as it is"});
    let templates = guild("/templates");
    let template = world.rest(OWNER, "POST", &templates, template).await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let options = json!({"BackupSource": source, "DryRun": true});
    let named = |plan: Value| {
        let left = plan["not_restored"].as_array().unwrap();
        let of = left.iter().find(|item| item["kind"] == "template");
        of.map(|item| item["id"].clone())
    };
    assert_eq!(named(server.restore(&world, options.clone()).await), None);
    let code = template["code"].as_str().unwrap();
    let path = format!("{templates}/{code}");
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let plan = server.restore(&world, options).await;
    assert_eq!(named(plan), Some(json!(code)));
}
