//! What only communities have, what they must have, and what of a server takes a second request.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::Id;

use crate::harness::{Case, GUILD, code};

fn as_owner(case: &Case, body: Value) -> Response {
    let path = format!("/guilds/{GUILD}");
    case.user(small::OWNER, Method::PATCH, &path, body)
}

fn no_community(case: &Case) {
    case.sandbox.with_world(|w| {
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        guild.features.remove("COMMUNITY");
    });
}

// discord-api-docs#5962: a stage is made with at most 99 seats and takes more by an edit. `flags` are no
// parameter of making a channel in Discord's API description.
#[test]
fn seats_of_a_stage_and_flags_are_for_edits() {
    let case = Case::nonsense();
    let path = format!("/guilds/{GUILD}/channels");
    let make = |body: Value| case.bot(Method::POST, &path, body);
    let stage = |seats: u64| make(json!({"name": "s", "type": 13, "user_limit": seats}));
    assert_eq!(code(&stage(100)), 50035);
    let made = stage(99).json();
    let one = format!("/channels/{}", made["id"].as_str().unwrap());
    let more = case.bot(Method::PATCH, &one, json!({"user_limit": 5000}));
    assert_eq!(more.json()["user_limit"], 5000, "{}", more.json());
    let spoiler = 1 << 21;
    let made = make(json!({"name": "t", "flags": spoiler})).json();
    assert_eq!(made["flags"], 0);
    let one = format!("/channels/{}", made["id"].as_str().unwrap());
    let edited = case.bot(Method::PATCH, &one, json!({"flags": spoiler}));
    assert_eq!(edited.json()["flags"], spoiler);
    case.finish();
}

// Stage channels are for communities: 50024.
#[test]
fn without_a_community_there_is_no_stage() {
    let case = Case::unlimited();
    no_community(&case);
    let path = format!("/guilds/{GUILD}/channels");
    let made = case.bot(Method::POST, &path, json!({"name": "s", "type": 13}));
    assert_eq!((made.status, code(&made)), (400, 50024));
    case.finish();
}

// "COMMUNITY": rules and updates in text channels (50086), members verified, media of everyone scanned.
#[test]
fn a_community_has_what_it_must_have() {
    let case = Case::unlimited();
    for (key, least) in [("verification_level", 1), ("explicit_content_filter", 2)] {
        let below = as_owner(&case, json!({key: least - 1}));
        assert_eq!(code(&below), 50035, "{}", below.json());
        let leaf = &below.json()["errors"][key]["_errors"][0];
        assert_eq!(leaf["code"], "NUMBER_TYPE_MIN");
    }
    let stage = case.channel("Stage");
    assert_eq!(
        code(&as_owner(&case, json!({"rules_channel_id": stage}))),
        50086
    );
    // A server that is none may have less, and is none until it has all.
    no_community(&case);
    let bare = json!({"verification_level": 0, "explicit_content_filter": 0});
    assert_eq!(as_owner(&case, bare).status, 200);
    let on = as_owner(&case, json!({"features": ["COMMUNITY"]}));
    assert_eq!(code(&on), 50035);
    let all = json!({"features": ["COMMUNITY"], "verification_level": 1,
        "explicit_content_filter": 2});
    assert_eq!(as_owner(&case, all).status, 200);
    case.finish();
}

// "Community servers can have the `INVITES_DISABLED` guild feature" (discord-api-docs#6613), and not those
// that become one by the same request (#5380).
#[test]
fn only_a_community_stops_its_invites_for_good() {
    let case = Case::unlimited();
    no_community(&case);
    let both = json!({"features": ["COMMUNITY", "INVITES_DISABLED"]});
    assert_eq!(
        code(&as_owner(&case, json!({"features": ["INVITES_DISABLED"]}))),
        50001
    );
    assert_eq!(code(&as_owner(&case, both.clone())), 50001);
    assert_eq!(
        as_owner(&case, json!({"features": ["COMMUNITY"]})).status,
        200
    );
    assert_eq!(as_owner(&case, both).status, 200);
    // Whoever had it keeps it without the community.
    let kept = as_owner(&case, json!({"features": ["INVITES_DISABLED"]}));
    assert_eq!(kept.status, 200, "{}", kept.json());
    case.finish();
}

// discord-api-docs#6174: deleting it answers 404, and it can be turned off.
#[test]
fn a_community_keeps_its_rule_against_mentions() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/auto-moderation/rules");
    let rule = json!({"name": "r", "event_type": 1, "trigger_type": 5, "enabled": true,
        "trigger_metadata": {"mention_total_limit": 20}, "actions": [{"type": 1}]});
    let made = case.bot(Method::POST, &path, rule).json();
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let deleted = || case.bot(Method::DELETE, &one, Value::Null).status;
    assert_eq!(deleted(), 404);
    let off = case.bot(Method::PATCH, &one, json!({"enabled": false}));
    assert_eq!(off.json()["enabled"], false);
    no_community(&case);
    assert_eq!(deleted(), 204);
    case.finish();
}

// 350001: what is on must stay fit to be.
#[test]
fn onboarding_that_is_on_is_not_taken_below_what_it_needs() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/onboarding");
    let put = |body: Value| case.bot(Method::PUT, &path, body);
    let channels = format!("/guilds/{GUILD}/channels");
    let open: Vec<Id> = (0..7)
        .map(|n| {
            let body = json!({"name": format!("open-{n}")});
            let made = case.bot(Method::POST, &channels, body).json();
            made["id"].as_str().unwrap().parse().unwrap()
        })
        .collect();
    let on = put(json!({"enabled": true, "default_channel_ids": open}));
    assert_eq!(on.status, 200, "{}", on.json());
    let below = put(json!({"default_channel_ids": open[..3]}));
    assert_eq!((below.status, code(&below)), (400, 350_001));
    let off = put(json!({"enabled": false, "default_channel_ids": open[..3]}));
    assert_eq!(off.status, 200);
    case.finish();
}

// Sticker resource: 320 x 320 pixels, five seconds, and Lottie in verified or partnered servers alone.
#[test]
fn stickers_are_small_short_and_lottie_for_the_trusted() {
    let case = Case::nonsense();
    let path = format!("/guilds/{GUILD}/stickers");
    let upload = |bytes: &[u8]| {
        let body = json!({"name": "wave", "tags": "wave"});
        code(&case.upload(Method::POST, &path, &body, &[("s", bytes)]))
    };
    let mut slow = b"GIF89a\x01\x00\x01\x00\x00\x00\x00".to_vec();
    slow.extend(b"\x21\xf9\x04\x00\x58\x02\x00\x00\x3b");
    assert_eq!(upload(&slow), 170_007);
    let lottie = |w: u64, frames: u64| {
        json!({"v": "5", "w": w, "h": 320, "ip": 0, "op": frames, "fr": 60}).to_string()
    };
    assert_eq!(upload(lottie(320, 60).as_bytes()), 50046);
    case.sandbox.with_world(|w| {
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        guild.features.insert("VERIFIED".to_owned());
    });
    assert_eq!(upload(b"{}"), 170_001);
    assert_eq!(upload(lottie(321, 60).as_bytes()), 170_005);
    assert_eq!(upload(lottie(320, 1001).as_bytes()), 170_004);
    assert_eq!(upload(lottie(320, 301).as_bytes()), 170_007);
    assert_eq!(upload(lottie(320, 300).as_bytes()), -1, "it is one");
    case.finish();
}
