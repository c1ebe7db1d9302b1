//! What AutoMod finds in messages, and where it looks.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::seed::small;

use crate::harness::{Case, GUILD, code};

fn rule(case: &Case, trigger: u8, metadata: Value) {
    let body = json!({
        "name": "r", "event_type": 1, "trigger_type": trigger, "trigger_metadata": metadata,
        "enabled": true, "actions": [{"type": 1, "metadata": {}}],
    });
    let path = format!("/guilds/{GUILD}/auto-moderation/rules");
    let made = case.bot(Method::POST, &path, body);
    assert_eq!(made.status, 200, "{}", made.json());
}

fn say(case: &Case, text: &str) -> Response {
    let path = format!("/channels/{}/messages", case.channel("general"));
    case.user(small::MEMBER, Method::POST, &path, json!({"content": text}))
}

// KEYWORD_PRESET (4): PROFANITY 1, SEXUAL_CONTENT 2 and SLURS 3 each have words of their own;
// `allow_list` has "substrings which should not trigger the rule".
#[test]
fn presets_find_the_words_of_their_kind() {
    let case = Case::unlimited();
    rule(&case, 4, json!({"presets": [1, 3], "allow_list": ["crap"]}));
    for (text, blocked) in [
        ("Damn it", true),
        ("you moron", true),
        ("porn", false),
        ("what a load of crap", false),
        ("a damnation", false),
    ] {
        assert_eq!(code(&say(&case, text)) == 200_000, blocked, "{text}");
    }
    let executed = case
        .events()
        .into_iter()
        .find(|(kind, _)| *kind == "AUTO_MODERATION_ACTION_EXECUTION");
    let (_, executed) = executed.unwrap();
    assert_eq!(
        (&executed["rule_trigger_type"], &executed["matched_keyword"]),
        (&json!(4), &json!("damn"))
    );
    assert_eq!(executed["matched_content"], "damn");
    case.finish();
}

// `allow_list` belongs to KEYWORD rules as a whole, so to their patterns too.
#[test]
fn allowed_words_excuse_what_patterns_find() {
    let case = Case::unlimited();
    let metadata = json!({"regex_patterns": ["fr[e3]+"], "allow_list": ["freedom"]});
    rule(&case, 1, metadata);
    assert_eq!(code(&say(&case, "FREE gifts")), 200_000);
    assert_eq!(say(&case, "freedom for all").status, 200);
    case.finish();
}

// Code 200001 "Title was blocked by automatic moderation".
#[test]
fn titles_of_threads_are_read() {
    let case = Case::unlimited();
    rule(&case, 1, json!({"keyword_filter": ["spam"]}));
    let path = format!("/channels/{}/threads", case.channel("general"));
    let start = |name: &str| {
        let body = json!({"name": name, "type": 11});
        case.user(small::MEMBER, Method::POST, &path, body)
    };
    assert_eq!(code(&start("cheap spam")), 200_001);
    assert_eq!(start("cheap fish").status, 201);
    case.finish();
}

// MESSAGE_SEND (1): "when a member sends or edits a message in the guild", so also the first
// message of a post. An exempt forum exempts its posts.
#[test]
fn posts_in_forums_are_read_too() {
    let case = Case::unlimited();
    rule(&case, 1, json!({"keyword_filter": ["spam"]}));
    let help = case.channel("help");
    let tag = case
        .sandbox
        .with_world(|w| w.channels[&help].available_tags[0].id);
    let post = |text: &str| {
        let body = json!({"name": "A post", "applied_tags": [tag], "message": {"content": text}});
        let path = format!("/channels/{help}/threads");
        case.user(small::MEMBER, Method::POST, &path, body)
    };
    let threads = || case.sandbox.with_world(|w| w.guilds[&GUILD].threads.len());
    let before = threads();
    assert_eq!(code(&post("buy spam")), 200_000);
    assert_eq!(threads(), before, "a blocked post does not come into being");
    assert_eq!(post("a question").status, 201);
    case.sandbox.with_world(|w| {
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        let rules = guild.automod.values_mut();
        rules.for_each(|r| r.exempt_channels = vec![help]);
    });
    assert_eq!(post("buy spam").status, 201);
    case.finish();
}
