//! "Search Guild Messages" of the documentation.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::Id;

use crate::harness::{Case, GUILD, code};

const SEARCH: &str = "/guilds/1100000000001179648/messages/search";

/// Contents of what a search finds, and how many there are in all.
fn find(case: &Case, query: &str) -> (Vec<String>, u64) {
    let answer = case.get(&format!("{SEARCH}?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.json());
    let answer = answer.json();
    let messages = answer["messages"].as_array().unwrap();
    let contents = messages.iter().map(|around| {
        assert_eq!(around.as_array().unwrap().len(), 1, "no context");
        around[0]["content"].as_str().unwrap().to_owned()
    });
    (
        contents.collect(),
        answer["total_results"].as_u64().unwrap(),
    )
}

fn say(case: &Case, by: Id, body: Value) -> String {
    case.advance_ms(1000);
    let path = format!("/channels/{}/messages", case.channel("general"));
    let said = case.user(by, Method::POST, &path, body);
    assert_eq!(said.status, 200, "{}", said.json());
    said.json()["id"].as_str().unwrap().to_owned()
}

/// A case in whose general channel things were said after noon, and the first of them.
fn talk() -> (Case, String) {
    let case = Case::unlimited();
    let first = say(&case, small::MEMBER, json!({"content": "quagga one"}));
    let reply = json!({"content": "quagga two", "message_reference": {"message_id": first}});
    say(&case, small::OWNER, reply);
    let link = json!({"content": "quagga three https://example.com/x", "embeds": [{"title": "t"}]});
    say(&case, small::OWNER, link);
    let pinged = format!("quagga <@{}> four", small::SPARE);
    say(&case, small::MEMBER, json!({"content": pinged}));
    let general = case.channel("general");
    let path = format!("/channels/{general}/messages");
    let file = [("log.TXT", b"text".as_slice())];
    case.upload(
        Method::POST,
        &path,
        &json!({"content": "quagga five"}),
        &file,
    );
    let pin = format!("{path}/pins/{first}");
    assert_eq!(case.bot(Method::PUT, &pin, Value::Null).status, 204);
    let react = format!("{path}/{first}/reactions/%F0%9F%91%8D/@me");
    assert_eq!(case.bot(Method::PUT, &react, Value::Null).status, 204);
    (case, first)
}

#[test]
fn every_filter_finds_its_own() {
    let (case, first) = talk();
    let (member, owner, spare) = (small::MEMBER, small::OWNER, small::SPARE);
    for (query, last_words) in [
        ("".to_owned(), "five four three two one"),
        ("&sort_order=asc".to_owned(), "one two three four five"),
        ("&limit=2&offset=1".to_owned(), "four three"),
        (format!("&author_id={member}"), "four one"),
        (
            format!("&author_id={member}&author_id={owner}"),
            "four three two one",
        ),
        ("&author_type=bot".to_owned(), "five"),
        ("&author_type=-bot".to_owned(), "four three two one"),
        (format!("&mentions={spare}"), "four"),
        ("&pinned=true".to_owned(), "one"),
        ("&pinned=false".to_owned(), "five four three two"),
        (format!("&replied_to_user_id={member}"), "two"),
        (format!("&replied_to_message_id={first}"), "two"),
        ("&has=file".to_owned(), "five"),
        ("&has=link".to_owned(), "three"),
        ("&has=embed".to_owned(), "three"),
        ("&has=-file&has=-embed".to_owned(), "four two one"),
        ("&link_hostname=example.com".to_owned(), "three"),
        ("&attachment_extension=txt".to_owned(), "five"),
        ("&attachment_filename=log.TXT".to_owned(), "five"),
        (format!("&max_id={first}"), ""),
        (format!("&min_id={first}"), "five four three two"),
        (format!("&channel_id={}", case.channel("media")), ""),
        ("&mention_everyone=true".to_owned(), ""),
    ] {
        let (found, _) = find(&case, &format!("content=QUAGGA{query}"));
        let numbers = ["one", "two", "three", "four", "five"];
        let said: Vec<&str> = found
            .iter()
            .map(|text| *numbers.iter().find(|n| text.contains(**n)).unwrap())
            .collect();
        assert_eq!(said.join(" "), last_words, "{query}");
    }
    assert_eq!(find(&case, "content=quagga&limit=2").1, 5);
    let hit = case
        .get(&format!("{SEARCH}?pinned=true&content=quagga"))
        .json();
    let hit = &hit["messages"][0][0];
    assert_eq!((hit.get("reactions"), &hit["id"]), (None, &json!(first)));
    case.finish();
}

// `slop`: "Max number of words to skip between matching tokens in the search content (max 100,
// default 2)".
#[test]
fn words_may_stand_apart() {
    let case = Case::unlimited();
    say(
        &case,
        small::MEMBER,
        json!({"content": "a zebra and two brown okapis"}),
    );
    for (query, found) in [
        ("content=zebra%20brown", 1),
        ("content=zebra%20okapis", 0),
        ("content=zebra%20okapis&slop=3", 1),
        ("content=zebra%20brown&slop=1", 0),
        ("content=brown%20zebra", 0),
        ("content=zebr", 0),
    ] {
        assert_eq!(find(&case, query).1, found, "{query}");
    }
    case.finish();
}

// Only what the caller can read; age-restricted channels with `include_nsfw`; and the
// MESSAGE_CONTENT intent on the application.
#[test]
fn only_what_can_be_read_is_found() {
    let (case, _) = talk();
    let vault = case.channel("vault");
    let hidden = format!("channel_id={vault}");
    assert_eq!(find(&case, &hidden).1, 0, "the bot cannot see it");
    let owners = case.user(
        small::OWNER,
        Method::GET,
        &format!("{SEARCH}?{hidden}"),
        Value::Null,
    );
    assert!(owners.json()["total_results"].as_u64().unwrap() > 0);
    let general = case.channel("general");
    case.sandbox
        .with_world(|w| w.channels.get_mut(&general).unwrap().nsfw = true);
    assert_eq!(find(&case, "content=quagga").1, 0);
    assert_eq!(find(&case, "content=quagga&include_nsfw=true").1, 5);
    for query in [
        "limit=26",
        "offset=9976",
        "slop=101",
        "has=nothing",
        "author_type=fox",
        "author_id=x",
        "sort_by=size",
    ] {
        assert_eq!(
            code(&case.get(&format!("{SEARCH}?{query}"))),
            50035,
            "{query}"
        );
    }
    let found = case.get(&format!("{SEARCH}?content=rules")).json();
    assert!(found["threads"].is_array() && found["members"].is_array());
    case.sandbox.with_world(|w| {
        let app = w.apps.get_mut(&small::APPLICATION).unwrap();
        app.flags &= !((1 << 18) | (1 << 19));
    });
    assert_eq!(code(&case.get(&format!("{SEARCH}?content=quagga"))), 50001);
    assert_eq!(code(&case.get("/guilds/1/messages/search")), 10004);
    assert_eq!(GUILD.to_string(), SEARCH.split('/').nth(2).unwrap());
    case.finish();
}
