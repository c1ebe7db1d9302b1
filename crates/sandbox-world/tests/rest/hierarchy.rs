//! Who may act on whom: roles strictly below one's own, permissions one has, and nobody on the
//! owner.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{Id, Role, User};

use crate::harness::{Case, GUILD, code};

const LOW: Id = Id(1_200_000_000_000_000_001);
const EQUAL: Id = Id(1_200_000_000_000_000_002);
const HIGH: Id = Id(1_200_000_000_000_000_003);
const MODERATOR: Id = Id(1_200_000_000_000_000_004);

const POWERS: u64 = perm::DEFAULT_EVERYONE
    | perm::KICK_MEMBERS
    | perm::BAN_MEMBERS
    | perm::MANAGE_NICKNAMES
    | perm::MANAGE_ROLES
    | perm::MODERATE_MEMBERS;

struct Court {
    case: Case,
    low: Id,
    middle: Id,
    high: Id,
}

/// A moderator with the middle one of three roles, and a member with each.
fn court() -> Court {
    let case = Case::unlimited();
    let [low, middle, high] = [21, 22, 23].map(Id);
    case.sandbox.with_world(|w| {
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        for (id, bits, position) in [(low, 0, 11), (middle, POWERS, 12), (high, 0, 13)] {
            guild
                .roles
                .insert(id, Role::new(id, &format!("role {id}"), bits, position));
        }
        for (user, role) in [
            (LOW, low),
            (EQUAL, middle),
            (HIGH, high),
            (MODERATOR, middle),
        ] {
            w.users
                .insert(user, User::new(user, &format!("user {user}")));
            assert!(w.add_member(GUILD, user));
            w.guilds
                .get_mut(&GUILD)
                .unwrap()
                .members
                .get_mut(&user)
                .unwrap()
                .roles
                .insert(role);
        }
    });
    Court {
        case,
        low,
        middle,
        high,
    }
}

impl Court {
    fn moderator(&self, method: Method, path: &str, body: Value) -> Response {
        self.case
            .user(MODERATOR, method, &format!("/guilds/{GUILD}{path}"), body)
    }
}

#[test]
fn kicks_bans_names_and_timeouts_reach_only_below() {
    let court = court();
    for target in [EQUAL, HIGH, small::OWNER, small::ADMIN] {
        let member = format!("/members/{target}");
        let until = "2026-03-02T12:00:00Z";
        let acts = [
            (Method::DELETE, member.clone(), Value::Null),
            (Method::PUT, format!("/bans/{target}"), json!({})),
            (Method::PATCH, member.clone(), json!({"nick": "n"})),
            (
                Method::PATCH,
                member,
                json!({"communication_disabled_until": until}),
            ),
        ];
        for (method, path, body) in acts {
            // The administrator's role lies below: only the timeout is impossible.
            let below =
                target == small::ADMIN && body.get("communication_disabled_until").is_none();
            if below {
                continue;
            }
            let answer = court.moderator(method, &path, body.clone());
            assert_eq!(
                (answer.status, code(&answer)),
                (403, 50013),
                "{path} {body}"
            );
        }
    }
    let low = format!("/members/{LOW}");
    assert_eq!(
        court
            .moderator(Method::PATCH, &low, json!({"nick": "n"}))
            .status,
        200
    );
    assert_eq!(
        court
            .moderator(
                Method::PATCH,
                &low,
                json!({"communication_disabled_until": "2026-03-02T12:00:00Z"})
            )
            .status,
        200
    );
    assert_eq!(
        court.moderator(Method::DELETE, &low, Value::Null).status,
        204
    );
    assert_eq!(
        court
            .moderator(Method::PUT, &format!("/bans/{LOW}"), json!({}))
            .status,
        204,
        "and strangers"
    );
    court.case.finish();
}

#[test]
fn roles_are_given_edited_deleted_and_sorted_only_below() {
    let court = court();
    let member = format!("/members/{LOW}");
    for (role, allowed) in [
        (court.low, true),
        (court.middle, false),
        (court.high, false),
    ] {
        let status = |answer: Response, fine: u16| {
            let expected = if allowed { fine } else { 403 };
            assert_eq!(answer.status, expected, "role {role}: {}", answer.json());
            assert!(allowed || code(&answer) == 50013);
        };
        status(
            court.moderator(Method::PUT, &format!("{member}/roles/{role}"), Value::Null),
            204,
        );
        status(
            court.moderator(
                Method::PATCH,
                &format!("/roles/{role}"),
                json!({"name": "n"}),
            ),
            200,
        );
        status(
            court.moderator(
                Method::PATCH,
                "/roles",
                json!([{"id": role, "position": 1}]),
            ),
            200,
        );
        status(
            court.moderator(Method::DELETE, &format!("/roles/{role}"), Value::Null),
            204,
        );
    }
    // Nor can anything be lifted to one's own height.
    let made = court
        .moderator(Method::POST, "/roles", json!({"permissions": "0"}))
        .json();
    let top = court
        .case
        .get(&format!("/guilds/{GUILD}/roles/{}", court.middle))
        .json()["position"]
        .clone();
    let lifted = court.moderator(
        Method::PATCH,
        "/roles",
        json!([{"id": made["id"], "position": top}]),
    );
    assert_eq!(code(&lifted), 50013);
    court.case.finish();
}

#[test]
fn only_permissions_one_has_can_be_granted() {
    let court = court();
    let held = json!({"permissions": perm::KICK_MEMBERS.to_string()});
    let missing = json!({"permissions": perm::MANAGE_GUILD.to_string()});
    assert_eq!(
        court.moderator(Method::POST, "/roles", held.clone()).status,
        200
    );
    assert_eq!(
        code(&court.moderator(Method::POST, "/roles", missing.clone())),
        50013
    );
    let low = format!("/roles/{}", court.low);
    assert_eq!(court.moderator(Method::PATCH, &low, held).status, 200);
    assert_eq!(code(&court.moderator(Method::PATCH, &low, missing)), 50013);
    // Without permissions a new role has those of @everyone, whoever makes it.
    let plain = court.moderator(Method::POST, "/roles", json!({})).json();
    assert_eq!(plain["permissions"], perm::DEFAULT_EVERYONE.to_string());
    court.case.finish();
}

// Overwrites: MANAGE_ROLES, only bits one holds there, the MANAGE_ROLES bit for administrators.
#[test]
fn overwrites_take_only_bits_one_holds_there() {
    let court = court();
    let general = court.case.channel("general");
    let path = format!("/channels/{general}/permissions/{}", court.low);
    let set = |user: Id, allow: u64, deny: u64| {
        let body = json!({"type": 0, "allow": allow.to_string(), "deny": deny.to_string()});
        court.case.user(user, Method::PUT, &path, body)
    };
    assert_eq!(
        code(&set(small::MEMBER, 0, perm::SEND_MESSAGES)),
        50013,
        "without MANAGE_ROLES"
    );
    assert_eq!(set(MODERATOR, 0, perm::SEND_MESSAGES).status, 204);
    assert_eq!(code(&set(MODERATOR, perm::MANAGE_MESSAGES, 0)), 50013);
    assert_eq!(code(&set(MODERATOR, perm::MANAGE_ROLES, 0)), 50013);
    assert_eq!(set(small::ADMIN, perm::MANAGE_ROLES, 0).status, 204);
    court.case.finish();
}

// Managed roles cannot be given or deleted by hand, and go with their bot.
#[test]
fn managed_roles_belong_to_their_bots() {
    let case = Case::unlimited();
    let managed = case.role("Splashtail");
    let owner = |method: Method, path: &str| {
        case.user(
            small::OWNER,
            method,
            &format!("/guilds/{GUILD}{path}"),
            Value::Null,
        )
    };
    for path in [
        format!("/members/{}/roles/{managed}", small::SPARE),
        format!("/roles/{managed}"),
    ] {
        let method = if path.starts_with("/roles") {
            Method::DELETE
        } else {
            Method::PUT
        };
        let answer = owner(method, &path);
        assert_eq!((answer.status, code(&answer)), (400, 50028), "{path}");
    }
    assert_eq!(
        owner(Method::DELETE, &format!("/members/{}", small::APPLICATION)).status,
        204
    );
    assert!(
        case.sandbox
            .with_world(|w| !w.guilds[&GUILD].roles.contains_key(&managed))
    );
    case.finish();
}

// Since 2026-02: PIN_MESSAGES (51) pins, MANAGE_MESSAGES does not; BYPASS_SLOWMODE (52).
#[test]
fn pins_and_slow_mode_have_bits_of_their_own() {
    let case = Case::new();
    let media = case.channel("media");
    let message = case
        .get(&format!("/channels/{media}/messages?limit=1"))
        .json()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let with = |bits: u64| {
        case.sandbox.with_world(|w| {
            let everyone = w
                .guilds
                .get_mut(&GUILD)
                .unwrap()
                .roles
                .get_mut(&GUILD)
                .unwrap();
            everyone.permissions =
                perm::DEFAULT_EVERYONE & !perm::PIN_MESSAGES & !perm::BYPASS_SLOWMODE | bits;
        });
    };
    let pin = || {
        case.user(
            small::SPARE,
            Method::PUT,
            &format!("/channels/{media}/messages/pins/{message}"),
            Value::Null,
        )
    };
    with(perm::MANAGE_MESSAGES);
    assert_eq!(code(&pin()), 50013);
    with(perm::PIN_MESSAGES);
    assert_eq!(pin().status, 204);
    let say = || {
        case.user(
            small::SPARE,
            Method::POST,
            &format!("/channels/{media}/messages"),
            json!({"content": "x"}),
        )
    };
    assert_eq!((say().status, say().status), (200, 429));
    with(perm::BYPASS_SLOWMODE);
    assert_eq!((say().status, say().status), (200, 200));
    case.finish();
}

// CREATE_GUILD_EXPRESSIONS (43) makes, and manages what one made; the rest needs MANAGE.
#[test]
fn making_and_managing_expressions_are_two_permissions() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/emojis");
    let with = |bits: u64| {
        case.sandbox.with_world(|w| {
            let both = perm::CREATE_GUILD_EXPRESSIONS | perm::MANAGE_GUILD_EXPRESSIONS;
            let everyone = w
                .guilds
                .get_mut(&GUILD)
                .unwrap()
                .roles
                .get_mut(&GUILD)
                .unwrap();
            everyone.permissions = perm::DEFAULT_EVERYONE & !both | bits;
        });
    };
    let body = json!({"name": "mine", "image": "data:image/png;base64,iVBORw0KGgo="});
    let make = || case.user(small::SPARE, Method::POST, &path, body.clone());
    let theirs = case.get(&path).json()[0]["id"].as_str().unwrap().to_owned();
    let rename = |id: &str| {
        case.user(
            small::SPARE,
            Method::PATCH,
            &format!("{path}/{id}"),
            json!({"name": "renamed"}),
        )
    };
    with(0);
    assert_eq!(code(&make()), 50013);
    with(perm::CREATE_GUILD_EXPRESSIONS);
    let made = make();
    assert_eq!(made.status, 201, "{}", made.json());
    assert_eq!(rename(made.json()["id"].as_str().unwrap()).status, 200);
    assert_eq!(code(&rename(&theirs)), 50013);
    with(perm::MANAGE_GUILD_EXPRESSIONS);
    assert_eq!(code(&make()), 50013, "managing does not make");
    assert_eq!(rename(&theirs).status, 200);
    case.finish();
}

// Timed out: nothing but looking, until it is over; administrators and the owner never are.
#[test]
fn a_timeout_silences_until_it_ends() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let path = format!("/guilds/{GUILD}/members/{}", small::MEMBER);
    assert_eq!(
        case.bot(
            Method::PATCH,
            &path,
            json!({"communication_disabled_until": "2026-03-01T12:01:00Z"})
        )
        .status,
        200
    );
    let member =
        |method: Method, path: String, body: Value| case.user(small::MEMBER, method, &path, body);
    let messages = format!("/channels/{general}/messages");
    let first = case.get(&format!("{messages}?limit=1")).json()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (method, path, body) in [
        (Method::POST, messages.clone(), json!({"content": "x"})),
        (
            Method::POST,
            format!("/channels/{general}/typing"),
            Value::Null,
        ),
        (
            Method::PUT,
            format!("{messages}/{first}/reactions/%F0%9F%91%8D/@me"),
            Value::Null,
        ),
        (
            Method::POST,
            format!("/channels/{general}/threads"),
            json!({"name": "t", "type": 11}),
        ),
        (
            Method::POST,
            format!("/channels/{general}/invites"),
            json!({}),
        ),
        (
            Method::PATCH,
            format!("/guilds/{GUILD}/members/@me"),
            json!({"nick": "n"}),
        ),
    ] {
        assert_eq!(code(&member(method, path.clone(), body)), 50013, "{path}");
    }
    let read = member(Method::GET, messages.clone(), Value::Null);
    assert_eq!(
        (read.status, read.json().as_array().unwrap().len()),
        (200, 12)
    );
    case.advance_ms(61_000);
    assert_eq!(
        member(Method::POST, messages, json!({"content": "x"})).status,
        200
    );
    case.finish();
}

// Server-wide 2FA: the permissions with a star in the documentation need the bot owner's second
// factor, the others do not.
#[test]
fn starred_permissions_need_the_owners_second_factor() {
    let case = Case::unlimited();
    let general = case.channel("general");
    let message = |n: usize| {
        let path = format!("/channels/{general}/messages?limit=5");
        let id = case.get(&path).json()[n]["id"].clone();
        id.as_str().unwrap().to_owned()
    };
    let (one, two) = (message(0), message(1));
    let emoji = case
        .sandbox
        .with_world(|w| *w.guilds[&GUILD].emojis.keys().next().unwrap());
    let thread = case.channel("Trip planning");
    let (regular, muted) = (case.role("Regular"), case.role("Muted"));
    case.sandbox.with_world(|w| {
        w.guilds.get_mut(&GUILD).unwrap().mfa_level = 1;
        w.users.get_mut(&small::OWNER).unwrap().mfa_enabled = false;
    });
    let guild = |rest: &str| format!("/guilds/{GUILD}{rest}");
    let member = guild(&format!("/members/{}", small::MEMBER));
    let starred = [
        (
            Method::DELETE,
            guild(&format!("/members/{}", small::SPARE)),
            Value::Null,
        ),
        (
            Method::PUT,
            guild(&format!("/bans/{}", small::SPARE)),
            json!({}),
        ),
        (Method::POST, guild("/channels"), json!({"name": "x"})),
        (Method::PATCH, guild(""), json!({"name": "xx"})),
        (Method::POST, guild("/prune"), json!({})),
        (Method::PUT, guild("/incident-actions"), json!({})),
        (Method::GET, guild("/auto-moderation/rules"), Value::Null),
        (
            Method::DELETE,
            format!("/channels/{general}/messages/{one}"),
            Value::Null,
        ),
        (Method::POST, guild("/roles"), json!({})),
        (Method::PATCH, member.clone(), json!({"roles": [regular]})),
        (Method::PUT, format!("{member}/roles/{muted}"), Value::Null),
        (
            Method::POST,
            format!("/channels/{general}/webhooks"),
            json!({"name": "w"}),
        ),
        (
            Method::PATCH,
            guild(&format!("/emojis/{emoji}")),
            json!({"name": "ee"}),
        ),
        (
            Method::PATCH,
            format!("/channels/{thread}"),
            json!({"locked": true}),
        ),
    ];
    for (method, path, body) in &starred {
        let answer = case.bot(method.clone(), path, body.clone());
        let got = answer.json();
        assert_eq!(
            (answer.status, &got["code"], &got["message"]),
            (
                403,
                &json!(60003),
                &json!("Two factor is required for this operation")
            ),
            "{method} {path}"
        );
    }
    let until = "2026-03-01T13:00:00Z";
    let picture = "data:image/png;base64,iVBORw0KGgo=";
    for (method, path, body) in [
        (
            Method::PATCH,
            member.clone(),
            json!({"communication_disabled_until": until}),
        ),
        (Method::PATCH, member, json!({"nick": "n"})),
        (
            Method::POST,
            guild("/emojis"),
            json!({"name": "made", "image": picture}),
        ),
        (
            Method::PUT,
            format!("/channels/{general}/messages/pins/{two}"),
            Value::Null,
        ),
        (
            Method::POST,
            format!("/channels/{general}/messages"),
            json!({"content": "x"}),
        ),
        (Method::GET, guild("/audit-logs"), Value::Null),
    ] {
        let answer = case.bot(method.clone(), &path, body);
        assert!(answer.is_success(), "{method} {path}: {}", answer.json());
    }
    case.sandbox.with_world(|w| {
        w.users.get_mut(&small::OWNER).unwrap().mfa_enabled = true;
    });
    for (method, path, body) in starred.into_iter().skip(2) {
        let answer = case.bot(method.clone(), &path, body);
        assert!(answer.is_success(), "{method} {path}: {}", answer.json());
    }
    case.finish();
}

// @everyone is the lowest role (twilight#762), and others can stand at its position
// (discord.js#1158).
#[test]
fn a_role_at_the_position_of_everyone_is_above_it() {
    let court = court();
    court.case.sandbox.with_world(|w| {
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        guild.roles.get_mut(&court.middle).unwrap().position = 0;
        guild.members.get_mut(&LOW).unwrap().roles.clear();
    });
    let nick = |user: Id| {
        let path = format!("/members/{user}");
        court.moderator(Method::PATCH, &path, json!({"nick": "n"}))
    };
    assert_eq!(nick(LOW).status, 200, "whoever has no role stands below");
    assert_eq!(code(&nick(EQUAL)), 50013);
}
