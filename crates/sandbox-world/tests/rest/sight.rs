//! What a bot learns of channels it may not see: Discord's change log, "Channel Obfuscation for Users
//! and Bots", and "Obfuscated Channels" of the channel resource.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small::{self, APPLICATION};
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{Id, VoiceState, intent};

use crate::harness::{Case, GUILD, code};

/// What the bot's session is told about channels, as (event, channel, clear).
fn told(case: &Case) -> Vec<(&'static str, Id, bool)> {
    let events = case.events_for(APPLICATION, intent::GUILDS);
    let about = events
        .into_iter()
        .filter(|(kind, _)| kind.starts_with("CHANNEL_"));
    about
        .map(|(kind, d)| {
            let id = d["id"].as_str().unwrap().parse().unwrap();
            (kind, id, d["flags"].as_u64().unwrap() & (1 << 17) == 0)
        })
        .collect()
}

fn owner(case: &Case, method: Method, path: &str, body: Value) -> Value {
    let answer = case.user(small::OWNER, method, path, body);
    assert!(answer.is_success(), "{path}: {}", answer.json());
    answer.json()
}

fn deny_bot(case: &Case, channel: Id) {
    let path = format!("/channels/{channel}/permissions/{APPLICATION}");
    let body = json!({"type": 1, "deny": perm::VIEW_CHANNEL.to_string()});
    owner(case, Method::PUT, &path, body);
}

#[test]
fn a_hidden_channel_is_a_husk_on_the_gateway_and_absent_from_rest() {
    let case = Case::unlimited();
    let vault = case.channel("vault");
    let husk = case.sandbox.with_world(|w| {
        let text = w.guild_create_text(GUILD, APPLICATION, intent::GUILDS, 50);
        let guild: Option<Value> = serde_json::from_str(&text.unwrap()).ok();
        let channels = guild.unwrap()["channels"].clone();
        let all = channels.as_array().unwrap();
        assert_eq!(
            all.len(),
            w.guilds[&GUILD].channels.len(),
            "every one comes"
        );
        all.iter().find(|c| c["id"] == json!(vault)).cloned()
    });
    let husk = husk.unwrap();
    assert_eq!(husk["name"], "___hidden___");
    assert_eq!(husk["flags"], 1 << 17);
    assert_eq!(husk["topic"], Value::Null);
    assert_eq!(
        husk["permission_overwrites"],
        json!([{"id": GUILD, "type": 0, "allow": "0", "deny": "1024"}])
    );
    case.sandbox.with_world(|w| {
        let real = &w.channels[&vault];
        assert_eq!(husk["position"], real.position);
        assert_eq!(husk["parent_id"], json!(real.parent_id));
        assert_eq!(husk["type"], real.kind);
    });
    let listed = case.get(&format!("/guilds/{GUILD}/channels")).json();
    let listed = listed.as_array().unwrap();
    assert!(listed.iter().all(|c| c["id"] != json!(vault)));
    let one = case.get(&format!("/channels/{vault}"));
    assert_eq!((one.status, code(&one)), (403, 50001));
    let seen = case.user(
        small::ADMIN,
        Method::GET,
        &format!("/guilds/{GUILD}/channels"),
        Value::Null,
    );
    let seen = seen.json();
    assert!(
        seen.as_array()
            .unwrap()
            .iter()
            .any(|c| c["id"] == json!(vault)),
        "Administrator sees all"
    );
}

#[test]
fn an_overwrite_takes_sight_and_gives_it_back() {
    let case = Case::unlimited();
    let general = case.channel("general");
    case.events();
    deny_bot(&case, general);
    assert_eq!(told(&case), [("CHANNEL_UPDATE", general, false)]);
    let path = format!("/channels/{general}/permissions/{APPLICATION}");
    owner(&case, Method::DELETE, &path, Value::Null);
    assert_eq!(told(&case), [("CHANNEL_UPDATE", general, true)]);
}

#[test]
fn a_hidden_channel_changes_and_goes_as_a_husk() {
    let case = Case::unlimited();
    let vault = case.channel("vault");
    case.events();
    owner(
        &case,
        Method::PATCH,
        &format!("/channels/{vault}"),
        json!({"topic": "the combination"}),
    );
    owner(
        &case,
        Method::DELETE,
        &format!("/channels/{vault}"),
        Value::Null,
    );
    assert_eq!(
        told(&case),
        [
            ("CHANNEL_UPDATE", vault, false),
            ("CHANNEL_DELETE", vault, false)
        ]
    );
}

#[test]
fn roles_and_their_permissions_decide_about_many_channels_at_once() {
    let case = Case::unlimited();
    let bot_role = case.role("Splashtail");
    let staff = [case.channel("Staff"), case.channel("staff")];
    case.events();
    // Only the bot's role opens the staff rooms to it; everyone sees the others.
    owner(
        &case,
        Method::PATCH,
        &format!("/guilds/{GUILD}/roles/{GUILD}"),
        json!({"permissions": (perm::DEFAULT_EVERYONE & !perm::VIEW_CHANNEL).to_string()}),
    );
    assert_eq!(
        told(&case),
        [],
        "the bot's own role still gives View Channel"
    );
    owner(
        &case,
        Method::PATCH,
        &format!("/guilds/{GUILD}/roles/{bot_role}"),
        json!({"permissions": "0"}),
    );
    let lost = told(&case);
    assert!(
        lost.iter()
            .all(|(kind, _, clear)| *kind == "CHANNEL_UPDATE" && !clear)
    );
    let lost: Vec<Id> = lost.into_iter().map(|(_, id, _)| id).collect();
    assert!(lost.contains(&case.channel("general")));
    assert!(
        staff.iter().all(|c| !lost.contains(c)),
        "overwrites of the role still open these"
    );
    owner(
        &case,
        Method::PATCH,
        &format!("/guilds/{GUILD}/roles/{bot_role}"),
        json!({"permissions": perm::ADMINISTRATOR.to_string()}),
    );
    let mut won: Vec<Id> = told(&case)
        .into_iter()
        .map(|(_, id, clear)| {
            assert!(clear);
            id
        })
        .collect();
    won.retain(|c| !lost.contains(c));
    assert_eq!(
        won,
        [case.channel("vault")],
        "Administrator sees what was hidden before, too"
    );
}

#[test]
fn gaining_sight_brings_the_active_threads() {
    // Threads, "When gaining access to a channel": THREAD_LIST_SYNC.
    let case = Case::unlimited();
    let general = case.channel("general");
    let body = json!({"name": "plans", "type": 11});
    let thread = owner(
        &case,
        Method::POST,
        &format!("/channels/{general}/threads"),
        body,
    );
    deny_bot(&case, general);
    case.events();
    let path = format!("/channels/{general}/permissions/{APPLICATION}");
    owner(&case, Method::DELETE, &path, Value::Null);
    let events = case.events_for(APPLICATION, intent::GUILDS);
    let sync = events.iter().find(|(kind, _)| *kind == "THREAD_LIST_SYNC");
    let (_, sync) = sync.unwrap();
    assert_eq!(sync["channel_ids"], json!([general]));
    let ids: Vec<&Value> = sync["threads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["id"])
        .collect();
    assert!(ids.contains(&&thread["id"]));
}

#[test]
fn a_category_is_seen_by_what_is_in_it() {
    let case = Case::unlimited();
    let talk = case.channel("Talk");
    deny_bot(&case, talk);
    let path = format!("/guilds/{GUILD}/channels");
    let listed = |case: &Case| {
        let all = case.get(&path).json();
        all.as_array()
            .unwrap()
            .iter()
            .any(|c| c["id"] == json!(talk))
    };
    assert!(listed(&case), "general is still seen");
    assert_eq!(case.get(&format!("/channels/{talk}")).status, 200);
    let children = case.sandbox.with_world(|w| {
        let all = w.guilds[&GUILD].channels.iter().copied();
        all.filter(|c| w.channels[c].parent_id == Some(talk))
            .collect::<Vec<_>>()
    });
    case.events();
    for child in &children {
        deny_bot(&case, *child);
    }
    assert!(told(&case).contains(&("CHANNEL_UPDATE", talk, false)));
    assert!(!listed(&case));
}

#[test]
fn whoever_is_connected_to_a_voice_channel_sees_it() {
    let case = Case::unlimited();
    let lounge = case.channel("Lounge");
    deny_bot(&case, lounge);
    case.events();
    let state = VoiceState {
        user: APPLICATION,
        channel: lounge,
        session: "s".into(),
        self_mute: false,
        self_deaf: false,
        suppress: false,
        request_to_speak: None,
    };
    case.sandbox.with_world(|w| w.enter_voice(GUILD, state));
    assert_eq!(told(&case), [("CHANNEL_UPDATE", lounge, true)]);
    case.sandbox
        .with_world(|w| w.leave_voice(GUILD, APPLICATION));
    assert_eq!(told(&case), [("CHANNEL_UPDATE", lounge, false)]);
}

#[test]
fn the_switch_brings_the_former_behaviour_back() {
    let case = Case::unlimited();
    let vault = case.channel("vault");
    case.sandbox
        .with_world(|w| w.conduct.channel_obfuscation = false);
    let listed = case.get(&format!("/guilds/{GUILD}/channels")).json();
    let named = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["id"] == json!(vault))
        .cloned();
    assert_eq!(named.unwrap()["name"], "vault");
}
