//! Which permission opens which property, and what boosts a guild needs for it.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{DID_REJOIN, VoiceState};

use crate::harness::{Case, GUILD, code};

/// Gives the plain member exactly these bits beyond everyone's.
fn allow(case: &Case, bits: u64) {
    let muted = case.role("Muted");
    case.sandbox.with_world(|w| {
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        let role = guild.roles.get_mut(&muted).unwrap();
        (role.permissions, role.position) = (bits, 3);
        let member = guild.members.get_mut(&small::MEMBER).unwrap();
        member.roles = [muted].into();
        guild.members.get_mut(&small::SPARE).unwrap().roles.clear();
    });
}

// `flags`: MANAGE_GUILD, or MANAGE_ROLES, or MODERATE_MEMBERS with KICK_MEMBERS and BAN_MEMBERS;
// only BYPASSES_VERIFICATION (1 << 2) is editable.
#[test]
fn member_flags_have_three_keys_and_one_editable_bit() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/members/{}", small::SPARE);
    let judges = perm::MODERATE_MEMBERS | perm::KICK_MEMBERS | perm::BAN_MEMBERS;
    for (bits, status) in [
        (perm::MODERATE_MEMBERS, 403),
        (judges, 200),
        (perm::MANAGE_ROLES, 200),
        (perm::MANAGE_GUILD, 200),
    ] {
        allow(&case, bits);
        let body = json!({"flags": 0b1111_1111});
        let answer = case.user(small::MEMBER, Method::PATCH, &path, body);
        assert_eq!(answer.status, status, "{bits:#x} {}", answer.json());
        if status == 200 {
            assert_eq!(answer.json()["flags"], 1 << 2);
        }
    }
    case.finish();
}

// DID_REJOIN (1 << 0): "Member has left and rejoined the guild".
#[test]
fn who_comes_back_is_known() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/members/{}", small::SPARE);
    assert_eq!(case.get(&path).json()["flags"], 0);
    assert_eq!(case.bot(Method::DELETE, &path, Value::Null).status, 204);
    case.events();
    case.sandbox
        .with_world(|w| assert!(w.add_member(GUILD, small::SPARE)));
    let (kind, member) = &case.events()[0];
    assert_eq!(
        (*kind, &member["flags"]),
        ("GUILD_MEMBER_ADD", &json!(DID_REJOIN))
    );
    case.finish();
}

// "When moving members to channels, the API user must have permissions to both connect to the
// channel and have the MOVE_MEMBERS permission."
#[test]
fn moving_someone_needs_to_connect_there() {
    let case = Case::unlimited();
    let (lounge, stage) = (case.channel("Lounge"), case.channel("Stage"));
    case.sandbox.with_world(|w| {
        let seat = VoiceState {
            user: small::SPARE,
            channel: lounge,
            session: "s".to_owned(),
            self_mute: false,
            self_deaf: false,
            suppress: false,
            request_to_speak: None,
        };
        w.enter_voice(GUILD, seat);
    });
    allow(&case, perm::MOVE_MEMBERS);
    let path = format!("/guilds/{GUILD}/members/{}", small::SPARE);
    let move_them = || {
        let body = json!({"channel_id": stage});
        case.user(small::MEMBER, Method::PATCH, &path, body)
    };
    assert_eq!(move_them().status, 200);
    let overwrites = format!("/channels/{stage}/permissions/{GUILD}");
    let shut = json!({"type": 0, "deny": perm::CONNECT.to_string()});
    case.user(small::OWNER, Method::PUT, &overwrites, shut);
    assert_eq!(code(&move_them()), 50013);
    case.finish();
}

// PATCH members/@me takes `banner` and `bio` beside `nick` and `avatar`.
#[test]
fn ones_own_profile_can_be_dressed() {
    let case = Case::unlimited();
    let picture = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let path = format!("/guilds/{GUILD}/members/@me");
    let set = |body: Value| case.bot(Method::PATCH, &path, body).json();
    let dressed = set(json!({"bio": "Watches over you.", "banner": picture, "avatar": picture}));
    assert_eq!(dressed["bio"], "Watches over you.");
    let hash = &dressed["banner"];
    assert!(hash.is_string() && dressed["avatar"].is_string());
    let changed = set(json!({"bio": null, "avatar": null}));
    assert_eq!(
        (&changed["bio"], &changed["avatar"], &changed["banner"]),
        (&json!(""), &Value::Null, hash)
    );
    assert_eq!(
        code(&case.bot(Method::PATCH, &path, json!({"bio": "x".repeat(191)}))),
        50035
    );
    case.finish();
}

// "Attempting to add or remove the COMMUNITY guild feature requires the ADMINISTRATOR permission";
// INVITES_DISABLED asks for MANAGE_GUILD only.
#[test]
fn community_is_for_administrators() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}");
    let mut with_pause: Vec<Value> = case.get(&path).json()["features"]
        .as_array()
        .unwrap()
        .clone();
    with_pause.push(json!("INVITES_DISABLED"));
    let set =
        |by, features: &[Value]| case.user(by, Method::PATCH, &path, json!({"features": features}));
    assert_eq!(set(small::MANAGER, &with_pause).status, 200);
    let without: Vec<Value> = with_pause
        .iter()
        .filter(|f| **f != "COMMUNITY")
        .cloned()
        .collect();
    assert_eq!(code(&set(small::MANAGER, &without)), 50013);
    assert_eq!(set(small::ADMIN, &without).status, 200);
    assert_eq!(code(&set(small::MANAGER, &with_pause)), 50013);
    case.finish();
}

// "Requires the MANAGE_GUILD or VIEW_AUDIT_LOG permission. Invite Metadata is included with the
// MANAGE_GUILD permission."
#[test]
fn readers_of_the_audit_log_see_invites_without_their_uses() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/invites");
    let list = || case.user(small::MEMBER, Method::GET, &path, Value::Null);
    let invites = format!("/channels/{}/invites", case.channel("general"));
    let made = case.user(small::OWNER, Method::POST, &invites, json!({}));
    assert_eq!(made.status, 200, "{}", made.json());
    allow(&case, 0);
    assert_eq!(code(&list()), 50013);
    allow(&case, perm::VIEW_AUDIT_LOG);
    let seen = list().json();
    assert!(seen[0]["code"].is_string());
    assert_eq!((seen[0].get("uses"), seen[0].get("max_age")), (None, None));
    allow(&case, perm::MANAGE_GUILD);
    assert!(list().json()[0]["uses"].is_u64());
    case.finish();
}

// Deleting an integration "deletes any associated webhooks and kicks the associated bot"; it fires
// Guild Integrations Update and Integration Delete.
#[test]
fn an_integration_takes_its_webhooks_along() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let hooks = format!("/channels/{general}/webhooks");
    let ours = case.bot(Method::POST, &hooks, json!({"name": "ours"}));
    assert_eq!(ours.status, 200);
    let theirs = case.user(
        small::OWNER,
        Method::POST,
        &hooks,
        json!({"name": "theirs"}),
    );
    let integration = case.sandbox.with_world(|w| {
        let all = &w.guilds[&GUILD].integrations;
        *all.keys().next().unwrap()
    });
    let path = format!("/guilds/{GUILD}/integrations/{integration}");
    let gone = case.user(small::OWNER, Method::DELETE, &path, Value::Null);
    assert_eq!(gone.status, 204, "{}", gone.json());
    let left = case.user(small::OWNER, Method::GET, &hooks, Value::Null);
    let left: Vec<Value> = left.json().as_array().unwrap().clone();
    let left: Vec<&Value> = left.iter().map(|w| &w["id"]).collect();
    assert_eq!(left, [&theirs.json()["id"]]);
    case.finish();
}

// Emojis and stickers: "Includes user fields if the bot has the CREATE_GUILD_EXPRESSIONS or
// MANAGE_GUILD_EXPRESSIONS permission".
#[test]
fn makers_of_expressions_are_known_to_those_who_look_after_them() {
    let case = Case::unlimited();
    let both = perm::CREATE_GUILD_EXPRESSIONS | perm::MANAGE_GUILD_EXPRESSIONS;
    for bits in [
        perm::CREATE_GUILD_EXPRESSIONS,
        perm::MANAGE_GUILD_EXPRESSIONS,
        0,
    ] {
        allow(&case, bits);
        case.sandbox.with_world(|w| {
            let guild = w.guilds.get_mut(&GUILD).unwrap();
            guild.roles.get_mut(&GUILD).unwrap().permissions &= !both;
        });
        for list in ["emojis", "stickers"] {
            let path = format!("/guilds/{GUILD}/{list}");
            let all = case
                .user(small::MEMBER, Method::GET, &path, Value::Null)
                .json();
            let one = format!("{path}/{}", all[0]["id"].as_str().unwrap());
            let one = case
                .user(small::MEMBER, Method::GET, &one, Value::Null)
                .json();
            for seen in [&all[0], &one] {
                assert_eq!(seen["user"].is_object(), bits != 0, "{list} {bits:#x}");
            }
        }
    }
    case.finish();
}

// "normal servers can set bitrate up to 96000, … level 1 128000, … level 2 256000, … level 3 or
// VIP_REGIONS 384000. For stage channels, bitrate can be set up to 64000." Code 30052 "Bitrate is
// too high for channel of this type".
#[test]
fn bitrates_depend_on_boosts() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/channels");
    for (tier, vip, kind, most) in [
        (0, false, 2, 96_000),
        (1, false, 2, 128_000),
        (2, false, 2, 256_000),
        (3, false, 2, 384_000),
        (0, true, 2, 384_000),
        (3, false, 13, 64_000),
    ] {
        case.sandbox.with_world(|w| {
            let guild = w.guilds.get_mut(&GUILD).unwrap();
            guild.premium_tier = tier;
            guild.features.remove("VIP_REGIONS");
            guild.features.extend(vip.then(|| "VIP_REGIONS".to_owned()));
        });
        let make = |bitrate: u32| {
            let body = json!({"name": "v", "type": kind, "bitrate": bitrate});
            case.bot(Method::POST, &path, body)
        };
        assert_eq!(make(most).status, 201, "tier {tier}");
        let refused = if most == 384_000 { 50035 } else { 30052 };
        assert_eq!(code(&make(most + 1)), refused, "tier {tier}");
    }
    case.finish();
}

// Role icons "if the guild has the ROLE_ICONS feature", gradients with ENHANCED_ROLE_COLORS; code
// 50101 "This server needs more boosts to perform this action".
#[test]
fn role_icons_and_gradients_need_boosts() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/roles");
    let gradient = json!({"primary_color": 1, "secondary_color": 2, "tertiary_color": null});
    let bodies = [
        json!({"name": "a", "unicode_emoji": "🛡"}),
        json!({"name": "a", "colors": gradient}),
    ];
    let plain = case
        .bot(Method::POST, &path, json!({"name": "a", "color": 7}))
        .json();
    let plain = format!("{path}/{}", plain["id"].as_str().unwrap());
    for body in &bodies {
        assert_eq!(code(&case.bot(Method::POST, &path, body.clone())), 50101);
        assert_eq!(code(&case.bot(Method::PATCH, &plain, body.clone())), 50101);
    }
    case.sandbox.with_world(|w| {
        let features = &mut w.guilds.get_mut(&GUILD).unwrap().features;
        features.extend(["ROLE_ICONS", "ENHANCED_ROLE_COLORS"].map(str::to_owned));
    });
    for body in bodies {
        assert_eq!(case.bot(Method::POST, &path, body).status, 200);
    }
    case.finish();
}

// "Only conversion between text and announcement is supported and only in guilds with the NEWS
// feature"; REQUIRE_TAG (1 << 4) is a flag of forums only.
#[test]
fn channels_change_their_kind_where_news_is_allowed() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let path = format!("/channels/{general}");
    let turn = |kind: u8| case.bot(Method::PATCH, &path, json!({"type": kind}));
    assert_eq!(turn(5).json()["type"], 5);
    assert_eq!(turn(0).json()["type"], 0);
    case.sandbox.with_world(|w| {
        let features = &mut w.guilds.get_mut(&GUILD).unwrap().features;
        features.remove("NEWS");
    });
    assert_eq!(code(&turn(5)), 50035);
    let flags = |channel: &str, flags: u32| {
        let path = format!("/channels/{}", case.channel(channel));
        case.bot(Method::PATCH, &path, json!({"flags": flags}))
            .json()["flags"]
            .clone()
    };
    assert_eq!(flags("general", 1 << 4), 0);
    assert_eq!(flags("help", (1 << 4) | 1), 1 << 4);
    case.finish();
}
