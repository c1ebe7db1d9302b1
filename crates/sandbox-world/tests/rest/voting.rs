//! Polls with votes, and threads that a post opens again.

use http::Method;
use serde_json::json;
use splashtail_sandbox_world::rest::people;
use splashtail_sandbox_world::seed::small::{self, APPLICATION};
use splashtail_sandbox_world::world::{Id, intent};

use crate::harness::{Case, code};

fn id(text: &serde_json::Value) -> Id {
    text.as_str().unwrap().parse().unwrap()
}

#[test]
fn votes_are_counted_announced_and_changed() {
    // Poll resource and "Message Poll Vote Add".
    let case = Case::unlimited();
    let general = case.channel("general");
    let poll = json!({"question": {"text": "Tea?"}, "duration": 24,
        "answers": [{"poll_media": {"text": "yes"}}, {"poll_media": {"text": "no"}}]});
    let sent = case.bot(
        Method::POST,
        &format!("/channels/{general}/messages"),
        json!({"poll": poll}),
    );
    assert_eq!(sent.status, 200, "{}", sent.json());
    let message = id(&sent.json()["id"]);
    case.events();
    let vote = |user: Id, answers: &[u64]| {
        let voted = case
            .sandbox
            .with_world(|w| people::vote(w, user, general, message, answers));
        voted.map_or_else(|e| e.code, |()| 0)
    };
    assert_eq!(vote(small::MEMBER, &[1]), 0);
    assert_eq!(vote(small::SPARE, &[1]), 0);
    assert_eq!(vote(small::SPARE, &[2]), 0);
    assert_eq!(vote(small::SPARE, &[1, 2]), 10_120, "one answer only");
    let told = case.events_for(APPLICATION, intent::GUILD_MESSAGE_POLLS);
    let told: Vec<_> = told
        .iter()
        .map(|(kind, d)| (*kind, d["answer_id"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("MESSAGE_POLL_VOTE_ADD", 1),
            ("MESSAGE_POLL_VOTE_ADD", 1),
            ("MESSAGE_POLL_VOTE_REMOVE", 1),
            ("MESSAGE_POLL_VOTE_ADD", 2),
        ]
    );
    let path = format!("/channels/{general}/polls/{message}");
    let voters = case.get(&format!("{path}/answers/1")).json();
    assert_eq!(voters["users"][0]["id"], json!(small::MEMBER));
    assert_eq!(voters["users"].as_array().unwrap().len(), 1);
    let ended = case
        .bot(
            Method::POST,
            &format!("{path}/expire"),
            serde_json::Value::Null,
        )
        .json();
    assert_eq!(ended["poll"]["results"]["answer_counts"][1]["count"], 1);
    assert_eq!(vote(small::OWNER, &[1]), 520_001);
    case.finish();
}

#[test]
fn a_post_opens_an_archived_thread_and_says_so() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let body = json!({"name": "talk", "type": 11});
    let made = case.bot(Method::POST, &format!("/channels/{general}/threads"), body);
    let thread = id(&made.json()["id"]);
    let path = format!("/channels/{thread}");
    let closed = case.bot(Method::PATCH, &path, json!({"archived": true}));
    assert_eq!(code(&closed), -1);
    case.events();
    let post = case.bot(
        Method::POST,
        &format!("{path}/messages"),
        json!({"content": "again"}),
    );
    assert_eq!(post.status, 200);
    let told = case.events_for(APPLICATION, intent::GUILDS | intent::GUILD_MESSAGES);
    let kinds: Vec<_> = told.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["THREAD_UPDATE", "MESSAGE_CREATE"]);
    assert_eq!(told[0].1["thread_metadata"]["archived"], false);
    case.finish();
}
