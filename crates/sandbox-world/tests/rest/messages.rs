//! Messages, attachments, reactions and pins.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::intent;

use crate::harness::{Case, code};

#[test]
fn a_message_is_stored_announced_and_answered() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let path = format!("/channels/{general}/messages");
    case.events();
    let body = json!({
        "content": format!("hi <@{}> @everyone", small::MEMBER), "nonce": "abc", "enforce_nonce": true,
        "allowed_mentions": {"parse": ["users"]},
        "embeds": [{"title": "t", "fields": [{"name": "n", "value": "v"}], "color": 1, "footer": {"text": "f"}}],
        "components": [{"type": 1, "components": [
            {"type": 2, "style": 1, "label": "Go", "custom_id": "go"},
            {"type": 2, "style": 5, "label": "Site", "url": "https://example.com"}]},
            {"type": 1, "components": [{"type": 3, "custom_id": "pick", "options": [{"label": "a", "value": "a"}]}]}],
    });
    let sent = case.bot(Method::POST, &path, body.clone());
    assert_eq!(sent.status, 200, "{}", sent.json());
    let message = sent.json();
    assert_eq!(message["mentions"][0]["id"], json!(small::MEMBER));
    assert_eq!(
        message["mention_everyone"], false,
        "not among the allowed mentions"
    );
    assert_eq!(message["nonce"], "abc");
    let events = case.events();
    assert_eq!(events[0].0, "MESSAGE_CREATE");
    assert_eq!(events[0].1["nonce"], "abc");
    assert_eq!(events[0].1["channel_type"], 0);
    assert!(events[0].1["member"].get("user").is_none());
    assert!(events[0].1["mentions"][0]["member"].is_object());
    // The same nonce again is the same message.
    assert_eq!(
        case.bot(Method::POST, &path, body).json()["id"],
        message["id"]
    );
    let id = message["id"].as_str().unwrap();
    let edited = case.bot(
        Method::PATCH,
        &format!("{path}/{id}"),
        json!({"content": "new", "embeds": []}),
    );
    assert_eq!(edited.status, 200);
    assert_eq!(edited.json()["content"], "new");
    assert!(edited.json()["edited_timestamp"].is_string());
    assert_eq!(
        edited.json()["components"],
        message["components"],
        "what is not named stays"
    );
    let reply = case
        .bot(
            Method::POST,
            &path,
            json!({"content": "re", "message_reference": {"message_id": id}}),
        )
        .json();
    assert_eq!(
        (&reply["type"], &reply["referenced_message"]["id"]),
        (&json!(19), &message["id"])
    );
    assert_eq!(
        case.bot(Method::DELETE, &format!("{path}/{id}"), Value::Null)
            .status,
        204
    );
    assert_eq!(code(&case.get(&format!("{path}/{id}"))), 10008);
    case.finish();
}

#[test]
fn bodies_are_checked_with_the_path_of_every_problem() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let refuse = |body: Value| {
        let answer = case.bot(Method::POST, &path, body);
        assert_eq!(answer.status, 400, "{}", answer.json());
        answer.json()
    };
    let long = refuse(json!({"content": "x".repeat(2001), "embeds": [{"title": "y".repeat(257)}]}));
    assert_eq!(long["code"], 50035);
    assert_eq!(
        long["errors"]["content"]["_errors"][0],
        json!(
        {"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."})
    );
    assert_eq!(
        long["errors"]["embeds"]["0"]["title"]["_errors"][0]["code"],
        "BASE_TYPE_MAX_LENGTH"
    );
    assert_eq!(refuse(json!({"content": "  "}))["code"], 50006);
    let big =
        json!({"embeds": [{"description": "x".repeat(4000)}, {"description": "x".repeat(2001)}]});
    assert_eq!(
        refuse(big)["errors"]["embeds"]["_errors"][0]["code"],
        "MAX_EMBED_SIZE_EXCEEDED"
    );
    let twice = json!({"components": [{"type": 1, "components": [
        {"type": 2, "style": 1, "label": "a", "custom_id": "x"}, {"type": 2, "style": 1, "label": "b", "custom_id": "x"}]}]});
    assert_eq!(
        refuse(twice)["errors"]["components"]["0"]["components"]["1"]["custom_id"]["_errors"][0]["code"],
        "COMPONENT_CUSTOM_ID_DUPLICATED"
    );
    let v2 =
        json!({"content": "no", "flags": 1 << 15, "components": [{"type": 10, "content": "text"}]});
    assert_eq!(refuse(v2)["code"], 50035);
    assert_eq!(
        refuse(json!({"content": "x", "message_reference": {"message_id": "1"}}))["code"],
        50035
    );
    let v2 = json!({"flags": 1 << 15, "components": [{"type": 17, "components": [{"type": 10, "content": "text"}, {"type": 14}]}]});
    assert_eq!(case.bot(Method::POST, &path, v2).status, 200);
    case.finish();
}

/// Discord changes of 2026: a flag says what a spoiler is, and the prefix of a name sets it.
#[test]
fn files_are_spoilers_by_their_flag() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let payload = json!({"attachments": [{"id": "0", "is_spoiler": true}, {"id": "1", "is_spoiler": false},
        {"id": "2", "filename": "plain.txt"}]});
    let path = format!("/channels/{general}/messages");
    let files: [(&str, &[u8]); 4] = [
        ("end.txt", b"he dies"),
        ("SPOILER_end.txt", b"she too"),
        ("SPOILER_start.txt", b"renamed"),
        ("start.txt", b"they meet"),
    ];
    let sent = case.upload(Method::POST, &path, &payload, &files);
    let message = sent.json();
    let seen: Vec<_> = message["attachments"].as_array().unwrap().iter().collect();
    let flags = seen
        .iter()
        .map(|a| (a["filename"].as_str().unwrap(), a["flags"].as_u64()));
    assert_eq!(
        flags.collect::<Vec<_>>(),
        [
            ("end.txt", Some(8)),
            ("SPOILER_end.txt", Some(8)),
            ("plain.txt", None),
            ("start.txt", None)
        ]
    );
    let read = case.get(&format!("{path}/{}", message["id"].as_str().unwrap()));
    assert_eq!(read.json()["attachments"], message["attachments"]);
    case.finish();
}

/// Discord's change log, 24 June 2026: `description` and `is_spoiler` of existing attachments can be
/// edited; what an edit does not name stays.
#[test]
fn attachments_that_stay_can_be_edited() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let payload = json!({"attachments": [{"id": "0", "description": "a boat"}]});
    let files: [(&str, &[u8]); 2] = [("boat.txt", b"boat"), ("end.txt", b"he dies")];
    let sent = case.upload(Method::POST, &path, &payload, &files).json();
    let path = format!("{path}/{}", sent["id"].as_str().unwrap());
    let [boat, end] = [0, 1].map(|n| sent["attachments"][n]["id"].clone());
    let edit = |attachments: Value| {
        let edited = case.bot(Method::PATCH, &path, json!({"attachments": attachments}));
        assert_eq!(edited.status, 200, "{}", edited.json());
        let read = case.get(&path).json();
        let files = read["attachments"].as_array().unwrap().iter();
        let told = |a: &Value| {
            let text = |key: &str| a[key].as_str().map(str::to_owned);
            (
                text("filename").unwrap(),
                text("description"),
                a["flags"].as_u64(),
            )
        };
        files.map(told).collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    let changed = json!([{"id": boat}, {"id": end, "is_spoiler": true, "description": "x"}]);
    assert_eq!(
        edit(changed),
        [
            ("boat.txt".to_owned(), text("a boat"), None),
            ("end.txt".to_owned(), text("x"), Some(8))
        ]
    );
    let back = json!([{"id": boat, "description": null}, {"id": end, "is_spoiler": false}]);
    assert_eq!(
        edit(back),
        [
            ("boat.txt".to_owned(), None, None),
            ("end.txt".to_owned(), text("x"), None)
        ]
    );
    assert_eq!(edit(json!([{"id": end}])).len(), 1);
    case.finish();
}

#[test]
fn descriptions_of_files_are_bounded() {
    let case = Case::nonsense();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let payload = json!({"attachments": [{"id": "0", "description": "x".repeat(1025)}]});
    let files: [(&str, &[u8]); 1] = [("boat.txt", b"boat")];
    let sent = case.upload(Method::POST, &path, &payload, &files);
    assert_eq!(code(&sent), 50035);
    assert!(sent.json()["errors"]["attachments"]["0"]["description"].is_object());
    case.finish();
}

#[test]
fn attachments_come_back_byte_for_byte_through_a_signed_link() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let payload = json!({"content": "files", "attachments": [{"id": "0", "description": "d"}], "embeds": [{"image": {"url": "attachment://a_b.bin"}}]});
    let sent = case.upload(
        Method::POST,
        &format!("/channels/{general}/messages"),
        &payload,
        &[("a b.bin", &bytes), ("n.txt", b"text")],
    );
    assert_eq!(sent.status, 200, "{}", sent.json());
    let message = sent.json();
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["filename"], "a_b.bin");
    assert_eq!(attachment["size"], 70_000);
    assert_eq!(attachment["description"], "d");
    assert_eq!(
        message["attachments"][1]["content_type"],
        "text/plain; charset=utf-8"
    );
    let url = url::Url::parse(attachment["url"].as_str().unwrap()).unwrap();
    assert_eq!(message["embeds"][0]["image"]["url"], attachment["url"]);
    let query: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    let id = attachment["id"].as_str().unwrap().parse().unwrap();
    let fetch = |hm: &str| {
        case.sandbox.with_world(|w| {
            w.attachment_file(general, id, "a_b.bin", (&query["ex"], &query["is"], hm))
                .map(|f| f.bytes.to_vec())
        })
    };
    assert_eq!(fetch(&query["hm"]), Some(bytes));
    assert_eq!(fetch("forged"), None);
    case.advance_ms(25 * 3_600_000);
    assert_eq!(fetch(&query["hm"]), None, "expired");
    let kept = case.bot(
        Method::PATCH,
        &format!(
            "/channels/{general}/messages/{}",
            message["id"].as_str().unwrap()
        ),
        json!({"attachments": [], "content": "none"}),
    );
    assert_eq!(kept.json()["attachments"], json!([]));
    case.finish();
}

#[test]
fn bulk_deletion_takes_two_to_a_hundred_young_messages() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let path = format!("/channels/{general}/messages");
    let bulk = |ids: &[String]| {
        case.bot(
            Method::POST,
            &format!("{path}/bulk-delete"),
            json!({"messages": ids}),
        )
    };
    let ids: Vec<String> = (0..3)
        .map(|n| {
            case.bot(Method::POST, &path, json!({"content": n.to_string()}))
                .json()["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(code(&bulk(&ids[..1])), 50016);
    let many: Vec<String> = (0..101)
        .map(|n| (1_500_000_000_000_000_000u64 + n).to_string())
        .collect();
    assert_eq!(code(&bulk(&many)), 50016);
    let old = case.get(&format!("{path}?limit=100")).json();
    let old = old.as_array().unwrap().last().unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(code(&bulk(&[ids[0].clone(), old])), 50034);
    assert_eq!(
        case.get(&format!("{path}/{}", ids[0])).status,
        200,
        "nothing was deleted"
    );
    case.events();
    // An id that is unknown counts but is ignored.
    let mut with_unknown = ids.clone();
    with_unknown.push((ids[0].parse::<u64>().unwrap() + 1000).to_string());
    assert_eq!(bulk(&with_unknown).status, 204);
    let events = case.events();
    assert_eq!(events[0].0, "MESSAGE_DELETE_BULK");
    assert_eq!(events[0].1["ids"].as_array().unwrap().len(), 3);
    let entry = case.audit().pop().unwrap();
    assert_eq!(
        (&entry["action_type"], &entry["options"]),
        (&json!(73), &json!({"count": "3"}))
    );
    case.finish();
}

#[test]
fn deleting_leaves_the_blind_spots_of_the_audit_log() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let say = || {
        case.user(small::MEMBER, Method::POST, &path, json!({"content": "x"}))
            .json()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let before = case.audit().len();
    let id = say();
    assert_eq!(
        case.user(
            small::MEMBER,
            Method::DELETE,
            &format!("{path}/{id}"),
            Value::Null
        )
        .status,
        204
    );
    let id = say();
    assert_eq!(
        case.bot(Method::DELETE, &format!("{path}/{id}"), Value::Null)
            .status,
        204
    );
    assert_eq!(
        case.audit().len(),
        before,
        "own messages and deletions by bots leave none"
    );
    case.events();
    for _ in 0..3 {
        let id = say();
        assert_eq!(
            case.user(
                small::ADMIN,
                Method::DELETE,
                &format!("{path}/{id}"),
                Value::Null
            )
            .status,
            204
        );
    }
    let entry = case.audit().pop().unwrap();
    assert_eq!(
        case.audit().len(),
        before + 1,
        "repetitions are counted into one entry"
    );
    assert_eq!(
        (&entry["action_type"], &entry["options"]["count"]),
        (&json!(72), &json!("3"))
    );
    let announced = case
        .events()
        .iter()
        .filter(|e| e.0 == "GUILD_AUDIT_LOG_ENTRY_CREATE")
        .count();
    assert_eq!(announced, 1, "and announced once");
    case.finish();
}

#[test]
fn without_the_intent_messages_are_empty_except_own_and_mentioning() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let bot = small::APPLICATION;
    case.events();
    let content = |text: &str| {
        case.user(small::MEMBER, Method::POST, &path, json!({"content": text}));
        case.events_for(bot, intent::GUILD_MESSAGES)[0].1["content"].clone()
    };
    assert_eq!(content("secret"), "");
    assert_eq!(
        content(&format!("<@{bot}> hi")),
        json!(format!("<@{bot}> hi"))
    );
    case.bot(Method::POST, &path, json!({"content": "mine"}));
    assert_eq!(
        case.events_for(bot, intent::GUILD_MESSAGES)[0].1["content"],
        "mine"
    );
    case.user(
        small::MEMBER,
        Method::POST,
        &path,
        json!({"content": "seen"}),
    );
    assert_eq!(
        case.events_for(bot, intent::GUILD_MESSAGES | intent::MESSAGE_CONTENT)[0].1["content"],
        "seen"
    );
    case.user(
        small::MEMBER,
        Method::POST,
        &path,
        json!({"content": "unheard"}),
    );
    assert!(case.events_for(bot, intent::GUILDS).is_empty());
    case.finish();
}

#[test]
fn reactions_and_pins() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let path = format!("/channels/{general}/messages");
    let id = case
        .bot(Method::POST, &path, json!({"content": "x"}))
        .json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let react = format!("{path}/{id}/reactions/%F0%9F%91%8D");
    assert_eq!(
        case.bot(Method::PUT, &format!("{react}/@me"), Value::Null)
            .status,
        204
    );
    assert_eq!(
        case.user(
            small::MEMBER,
            Method::PUT,
            &format!("{react}/@me"),
            Value::Null
        )
        .status,
        204
    );
    let message = case.get(&format!("{path}/{id}")).json();
    assert_eq!(
        (
            &message["reactions"][0]["count"],
            &message["reactions"][0]["me"]
        ),
        (&json!(2), &json!(true))
    );
    assert_eq!(case.get(&react).json().as_array().unwrap().len(), 2);
    assert_eq!(
        code(&case.bot(
            Method::PUT,
            &format!("{path}/{id}/reactions/nonsense/@me"),
            Value::Null
        )),
        10014
    );
    assert_eq!(
        case.bot(
            Method::DELETE,
            &format!("{react}/{}", small::MEMBER),
            Value::Null
        )
        .status,
        204
    );
    assert_eq!(
        case.bot(
            Method::DELETE,
            &format!("{path}/{id}/reactions"),
            Value::Null
        )
        .status,
        204
    );
    // Pinning needs its own permission; managing messages is not enough.
    assert_eq!(
        case.bot(Method::PUT, &format!("{path}/pins/{id}"), Value::Null)
            .status,
        204
    );
    let pins = case.get(&format!("{path}/pins")).json();
    assert_eq!(pins["items"][0]["message"]["id"], json!(id));
    assert_eq!(case.audit().pop().unwrap()["action_type"], 74);
    assert_eq!(
        code(&case.user(
            small::MEMBER,
            Method::DELETE,
            &format!("{path}/pins/{id}"),
            Value::Null
        )),
        50013
    );
    assert_eq!(
        case.bot(Method::DELETE, &format!("{path}/pins/{id}"), Value::Null)
            .status,
        204
    );
    case.finish();
}

#[test]
fn direct_messages_reach_members_of_shared_guilds() {
    let case = Case::unlimited();
    let dm = case
        .bot(
            Method::POST,
            "/users/@me/channels",
            json!({"recipient_id": small::MEMBER}),
        )
        .json();
    assert_eq!(dm["recipients"][0]["id"], json!(small::MEMBER));
    case.events();
    let sent = case.bot(
        Method::POST,
        &format!("/channels/{}/messages", dm["id"].as_str().unwrap()),
        json!({"content": "hi"}),
    );
    assert_eq!(sent.status, 200);
    let events = case.events_for(small::APPLICATION, intent::DIRECT_MESSAGES);
    assert!(events[0].1.get("guild_id").is_none());
    case.sandbox
        .with_world(|w| w.users.get_mut(&small::MEMBER).unwrap().accepts_dms = false);
    let sent = case.bot(
        Method::POST,
        &format!("/channels/{}/messages", dm["id"].as_str().unwrap()),
        json!({"content": "hi"}),
    );
    assert_eq!((sent.status, code(&sent)), (403, 50007));
    case.finish();
}
