//! What becomes of published messages in the channels that follow.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{CROSSPOSTED, IS_CROSSPOST, Id, SOURCE_DELETED};

use crate::harness::Case;

/// A published message with a file, its channel and id, and the channel that follows.
fn published(case: &Case) -> (Id, String, Id) {
    let (news, media) = (case.channel("announcements"), case.channel("media"));
    let followers = format!("/channels/{news}/followers");
    let target = json!({"webhook_channel_id": media});
    let followed = case.user(small::OWNER, Method::POST, &followers, target);
    assert_eq!(followed.status, 200, "{}", followed.json());
    case.sandbox.with_world(|w| {
        let bits = w.guilds[&crate::harness::GUILD].roles.values();
        let bot = bits.clone().find(|r| r.bot.is_some()).unwrap().id;
        let place = w.channels.get_mut(&news).unwrap();
        let allow = splashtail_sandbox_world::world::Overwrite {
            id: bot,
            member: false,
            allow: u64::MAX >> 12,
            deny: 0,
        };
        place.overwrites.insert(bot, allow);
    });
    let messages = format!("/channels/{news}/messages");
    let said = json!({"content": "Open!", "embeds": [{"title": "Hours"}]});
    let said = case.upload(Method::POST, &messages, &said, &[("map.txt", b"north")]);
    assert_eq!(said.status, 200, "{}", said.json());
    let id = said.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{messages}/{id}/crosspost");
    assert_eq!(case.bot(Method::POST, &path, Value::Null).status, 200);
    (news, id, media)
}

fn newest(case: &Case, channel: Id) -> Value {
    case.get(&format!("/channels/{channel}/messages?limit=1"))
        .json()[0]
        .clone()
}

// An edit of a CROSSPOSTED message reaches the channels that follow, as MESSAGE_UPDATE there.
#[test]
fn edits_reach_followers() {
    let case = Case::unlimited();
    let (news, id, media) = published(&case);
    let copy = newest(&case, media);
    assert_eq!(copy["attachments"][0]["filename"], "map.txt");
    case.events();
    let edit = json!({"content": "Closed.", "embeds": [], "attachments": []});
    let path = format!("/channels/{news}/messages/{id}");
    assert_eq!(case.bot(Method::PATCH, &path, edit).status, 200);
    let changed: Vec<Value> = case
        .events()
        .into_iter()
        .filter(|(kind, _)| *kind == "MESSAGE_UPDATE")
        .map(|(_, message)| message["channel_id"].clone())
        .collect();
    assert_eq!(changed, [json!(news), json!(media)]);
    let edited = newest(&case, media);
    assert_eq!(
        (&edited["id"], &edited["content"], &edited["embeds"]),
        (&copy["id"], &json!("Closed."), &json!([]))
    );
    assert_eq!(
        (&edited["attachments"], &edited["flags"]),
        (&json!([]), &json!(IS_CROSSPOST))
    );
    assert!(edited["edited_timestamp"].is_string());
    // What has not been published stays where it is.
    let path = format!("/channels/{news}/messages");
    let other = case
        .bot(Method::POST, &path, json!({"content": "a draft"}))
        .json();
    assert_eq!(other["flags"].as_u64().unwrap() & CROSSPOSTED, 0);
    let other = format!("{path}/{}", other["id"].as_str().unwrap());
    case.bot(Method::PATCH, &other, json!({"content": "a second draft"}));
    assert_eq!(newest(&case, media)["content"], "Closed.");
    case.finish();
}

// SOURCE_MESSAGE_DELETED (1 << 3): the copy stays and says so.
#[test]
fn deletions_leave_a_notice_with_followers() {
    let case = Case::unlimited();
    let (news, id, media) = published(&case);
    let copy = newest(&case, media);
    let path = format!("/channels/{news}/messages/{id}");
    assert_eq!(case.bot(Method::DELETE, &path, Value::Null).status, 204);
    let left = newest(&case, media);
    assert_eq!(
        (&left["id"], &left["content"], &left["flags"]),
        (
            &copy["id"],
            &json!("[Original Message Deleted]"),
            &json!(IS_CROSSPOST | SOURCE_DELETED)
        )
    );
    assert_eq!(
        (&left["embeds"], &left["attachments"]),
        (&json!([]), &json!([]))
    );
    case.finish();
}
