//! Threads and forums.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;

use crate::harness::{Case, GUILD, code};

#[test]
fn active_and_archived_threads_are_listed_where_they_belong() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let names = |path: &str| {
        let list = case.get(path).json();
        let names: Vec<String> = list["threads"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["name"].as_str().unwrap().to_owned())
            .collect();
        names
    };
    let active = names(&format!("/guilds/{GUILD}/threads/active"));
    assert!(
        active.contains(&"Trip planning".to_owned())
            && active.contains(&"Where are the rules?".to_owned()),
        "{active:?}"
    );
    assert!(!active.contains(&"Old plans".to_owned()));
    assert_eq!(
        names(&format!("/channels/{general}/threads/archived/public")),
        ["Old plans"]
    );
    assert_eq!(
        names(&format!("/channels/{general}/threads/archived/private")),
        ["Surprise party"]
    );
    assert_eq!(
        names(&format!(
            "/channels/{}/threads/archived/public",
            case.channel("help")
        )),
        ["Is there a mobile app?"]
    );
    let private = case.user(
        small::MEMBER,
        Method::GET,
        &format!("/channels/{general}/threads/archived/private"),
        Value::Null,
    );
    assert_eq!(code(&private), 50013);
    // Idle threads are archived by the clock.
    case.advance_ms(8 * 86_400_000);
    assert_eq!(
        names(&format!("/guilds/{GUILD}/threads/active")),
        Vec::<String>::new()
    );
    case.finish();
}

#[test]
fn threads_from_nothing_from_a_message_and_in_a_forum() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let path = format!("/channels/{general}");
    let made = case.bot(
        Method::POST,
        &format!("{path}/threads"),
        json!({"name": "T", "type": 11, "auto_archive_duration": 60}),
    );
    assert_eq!(made.status, 201, "{}", made.json());
    let thread = made.json()["id"].as_str().unwrap().to_owned();
    let message = case
        .bot(
            Method::POST,
            &format!("{path}/messages"),
            json!({"content": "start"}),
        )
        .json();
    let id = message["id"].as_str().unwrap();
    let from = case.bot(
        Method::POST,
        &format!("{path}/messages/{id}/threads"),
        json!({"name": "F"}),
    );
    assert_eq!(
        (from.status, &from.json()["id"]),
        (201, &message["id"]),
        "it has the id of its message"
    );
    assert_eq!(
        case.get(&format!("{path}/messages/{id}")).json()["thread"]["name"],
        "F"
    );
    let twice = case.bot(
        Method::POST,
        &format!("{path}/messages/{id}/threads"),
        json!({"name": "F"}),
    );
    assert_eq!(code(&twice), 160004);
    let help = case.channel("help");
    let post = case.upload(
        Method::POST,
        &format!("/channels/{help}/threads"),
        &json!({"name": "Q", "message": {"content": "why?"}}),
        &[("q.txt", b"?")],
    );
    assert_eq!(post.status, 201, "{}", post.json());
    assert_eq!(post.json()["message"]["id"], post.json()["id"]);
    assert_eq!(
        post.json()["message"]["attachments"][0]["filename"],
        "q.txt"
    );
    let bare = case.bot(
        Method::POST,
        &format!("/channels/{help}/threads"),
        json!({"name": "Q"}),
    );
    assert_eq!(
        bare.json()["errors"]["message"]["_errors"][0]["code"],
        "BASE_TYPE_REQUIRED"
    );
    // Archiving, and what an archived thread still allows.
    let archived = case.bot(
        Method::PATCH,
        &format!("/channels/{thread}"),
        json!({"archived": true, "locked": true}),
    );
    assert_eq!(archived.json()["thread_metadata"]["locked"], true);
    assert_eq!(
        code(&case.bot(
            Method::PATCH,
            &format!("/channels/{thread}"),
            json!({"name": "x"})
        )),
        50083
    );
    let spoke = case.user(
        small::MEMBER,
        Method::POST,
        &format!("/channels/{thread}/messages"),
        json!({"content": "x"}),
    );
    assert_eq!(code(&spoke), 50083);
    assert_eq!(
        case.bot(
            Method::PATCH,
            &format!("/channels/{thread}"),
            json!({"archived": false, "locked": false})
        )
        .status,
        200
    );
    assert_eq!(
        case.bot(
            Method::PUT,
            &format!("/channels/{thread}/thread-members/{}", small::MEMBER),
            Value::Null
        )
        .status,
        204
    );
    assert_eq!(
        case.get(&format!("/channels/{thread}/thread-members"))
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // Adding somebody leaves a notice, which nobody may delete.
    let said = case.get(&format!("/channels/{thread}/messages")).json();
    assert_eq!(
        (&said[0]["type"], said.as_array().unwrap().len()),
        (&json!(1), 1)
    );
    assert_eq!(said[0]["mentions"][0]["id"], small::MEMBER.to_string());
    let notice = said[0]["id"].as_str().unwrap();
    let gone = case.bot(
        Method::DELETE,
        &format!("/channels/{thread}/messages/{notice}"),
        Value::Null,
    );
    assert_eq!(code(&gone), 50021);
    assert_eq!(
        case.bot(
            Method::DELETE,
            &format!("/channels/{thread}/thread-members/@me"),
            Value::Null
        )
        .status,
        204
    );
    assert_eq!(
        case.bot(Method::DELETE, &format!("/channels/{thread}"), Value::Null)
            .status,
        200
    );
    assert_eq!(case.audit().pop().unwrap()["action_type"], 112);
    case.finish();
}

// "`has_more`: whether there are potentially additional threads"; `before` is a time, and pages are
// ordered by when a thread was archived, newest first.
#[test]
fn archived_threads_come_in_pages() {
    let case = Case::unlimited();
    let media = case.channel("media");
    let path = format!("/channels/{media}/threads");
    for n in 0..5 {
        let body = json!({"name": format!("t{n}"), "type": 11});
        let made = case.bot(Method::POST, &path, body).json();
        case.advance_ms(1000);
        let thread = format!("/channels/{}", made["id"].as_str().unwrap());
        let archived = case.bot(Method::PATCH, &thread, json!({"archived": true}));
        assert_eq!(archived.status, 200);
    }
    let page = |query: &str| {
        let page = case.get(&format!("{path}/archived/public?limit=2{query}"));
        let page = page.json();
        let threads = page["threads"].as_array().unwrap().clone();
        let names: Vec<Value> = threads.iter().map(|t| t["name"].clone()).collect();
        let last = &threads.last().unwrap()["thread_metadata"]["archive_timestamp"];
        let last = last.as_str().unwrap().replace('+', "%2B");
        (names, page["has_more"].clone(), format!("&before={last}"))
    };
    let (first, more, next) = page("");
    assert_eq!((first, more), (vec![json!("t4"), json!("t3")], json!(true)));
    let (second, more, next) = page(&next);
    assert_eq!(
        (second, more),
        (vec![json!("t2"), json!("t1")], json!(true))
    );
    let (third, more, _) = page(&next);
    assert_eq!((third, more), (vec![json!("t0")], json!(false)));
    case.finish();
}

// Lists go on by time: of threads archived at one instant none is out of reach.
#[test]
fn threads_archived_at_once_have_times_of_their_own() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let made: Vec<String> = (0..5)
        .map(|n| {
            let body = json!({"name": format!("t{n}"), "type": 11, "auto_archive_duration": 60});
            let made = case.bot(Method::POST, &format!("/channels/{general}/threads"), body);
            made.json()["id"].as_str().unwrap().to_owned()
        })
        .collect();
    // Some by hand, the others by their age, all at a clock that stands still.
    for id in &made[..2] {
        let path = format!("/channels/{id}");
        assert_eq!(
            case.bot(Method::PATCH, &path, json!({"archived": true}))
                .status,
            200
        );
    }
    case.advance_ms(3_600_000);
    let list = format!("/channels/{general}/threads/archived/public");
    let mut seen = Vec::new();
    let mut before = String::new();
    loop {
        let page = case.get(&format!("{list}?limit=2{before}")).json();
        let threads = page["threads"].as_array().unwrap();
        seen.extend(threads.iter().map(|t| t["id"].as_str().unwrap().to_owned()));
        if page["has_more"] != true {
            break;
        }
        let last = &threads.last().unwrap()["thread_metadata"]["archive_timestamp"];
        before = format!("&before={}", last.as_str().unwrap().replace('+', "%2B"));
    }
    assert!(made.iter().all(|id| seen.contains(id)), "{made:?} {seen:?}");
}
