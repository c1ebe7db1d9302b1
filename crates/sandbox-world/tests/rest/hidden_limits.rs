//! Limits that no header tells of, and rules that only reports know. Sources stand with each test.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::limits::{Hidden, Rate, Rules};
use splashtail_sandbox_world::rest::{Response, caps::Caps};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{Ban, Id, Overwrite, Role, User};

use crate::harness::{Case, GUILD, code};

const WIDE: Rate = Rate::fixed(10_000, 1000);

fn header(answer: &Response, name: &str) -> String {
    let found = answer.headers.iter().find(|(n, _)| *n == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

fn rules(buckets: &[&str], hidden: Hidden, caps: Caps) -> Rules {
    let wide: BTreeMap<String, Rate> = buckets.iter().map(|b| ((*b).to_owned(), WIDE)).collect();
    Rules {
        global: WIDE,
        buckets: wide,
        hidden,
        caps,
        ..Rules::default()
    }
}

#[test]
fn webhooks_of_one_channel_share_thirty_posts_a_minute() {
    // discord-api-docs#367, #4043
    let case = Case::new();
    case.sandbox.limits.set_rules(rules(
        &["execute_webhook"],
        Hidden::default(),
        Caps::default(),
    ));
    let general = case.channel("general");
    let hooks: Vec<String> = (0..2)
        .map(|n| {
            let made = case.bot(
                Method::POST,
                &format!("/channels/{general}/webhooks"),
                json!({"name": format!("hook {n}")}),
            );
            let made = made.json();
            format!(
                "/webhooks/{}/{}",
                made["id"].as_str().unwrap(),
                made["token"].as_str().unwrap()
            )
        })
        .collect();
    let post = |n: usize| {
        case.http(
            &[],
            Method::POST,
            &hooks[n % 2],
            &json!({"content": "hello"}),
        )
    };
    for n in 0..30 {
        assert_eq!(post(n).status, 204, "{n}");
    }
    let over = post(30);
    assert_eq!(over.status, 429);
    assert_eq!(header(&over, "X-RateLimit-Scope"), "shared");
    assert_ne!(
        header(&over, "X-RateLimit-Remaining"),
        "0",
        "the header knows nothing of it"
    );
    case.advance_ms(60_000);
    assert_eq!(post(31).status, 204);
    case.finish();
}

#[test]
fn a_long_list_of_bans_is_read_once_a_minute_by_the_whole_guild() {
    // discord-api-docs#3803
    let case = Case::new();
    case.sandbox.with_world(|w| {
        let bans = &mut w.guilds.get_mut(&GUILD).unwrap().bans;
        for n in 0..1000 {
            let user = Id(1_250_000_000_000_000_000 + n);
            bans.insert(user, Ban { user, reason: None });
        }
    });
    let path = format!("/guilds/{GUILD}/bans?limit=1");
    assert_eq!(
        case.user(small::OWNER, Method::GET, &path, Value::Null)
            .status,
        200
    );
    let over = case.get(&path);
    assert_eq!(
        (over.status, header(&over, "X-RateLimit-Scope").as_str()),
        (429, "shared")
    );
    case.advance_ms(60_000);
    assert_eq!(case.get(&path).status, 200);
    case.finish();
}

#[test]
fn threads_are_started_at_a_shared_rate_that_names_too_long_a_wait() {
    // discord-api-docs#7816
    let case = Case::new();
    let threads = Rate::fixed(2, 300_000);
    let hidden = Hidden {
        threads,
        ..Hidden::default()
    };
    case.sandbox
        .limits
        .set_rules(rules(&[], hidden, Caps::default()));
    let general = case.channel("general");
    let start = |user: Id| {
        let body = json!({"name": "talk", "type": 11});
        case.user(
            user,
            Method::POST,
            &format!("/channels/{general}/threads"),
            body,
        )
    };
    assert_eq!(
        (start(small::OWNER).status, start(small::ADMIN).status),
        (201, 201)
    );
    case.advance_ms(200_000);
    let over = start(small::OWNER);
    assert_eq!(over.status, 429);
    assert_eq!(over.json()["retry_after"], 300.0, "although 100 s are left");
    case.advance_ms(100_000);
    assert_eq!(start(small::OWNER).status, 201);
    case.finish();
}

#[test]
fn old_messages_and_single_bans_have_limits_of_their_own() {
    // Error codes 30046 and 30037; how many is not told.
    let case = Case::new();
    let few = Rate::fixed(1, 3_600_000);
    let hidden = Hidden {
        old_edits: few,
        ban_fetches: few,
        ..Hidden::default()
    };
    case.sandbox
        .limits
        .set_rules(rules(&[], hidden, Caps::default()));
    let general = case.channel("general");
    let sent = case.bot(
        Method::POST,
        &format!("/channels/{general}/messages"),
        json!({"content": "a"}),
    );
    let path = format!(
        "/channels/{general}/messages/{}",
        sent.json()["id"].as_str().unwrap()
    );
    let edit = || case.bot(Method::PATCH, &path, json!({"content": "b"}));
    assert_eq!(
        (edit().status, edit().status),
        (200, 200),
        "young ones are free"
    );
    case.advance_ms(3_600_001);
    assert_eq!(edit().status, 200);
    let over = edit();
    assert_eq!((over.status, code(&over)), (429, 30046));
    let ban = format!("/guilds/{GUILD}/bans/{}", small::SPARE);
    assert_eq!(case.get(&ban).status, 404);
    let over = case.get(&ban);
    assert_eq!((over.status, code(&over)), (429, 30037));
    case.finish();
}

#[test]
fn caps_are_settings() {
    let case = Case::new();
    let caps = Caps {
        roles: 7,
        active_threads: 0,
        forum_tags: 1,
        thread_members: 1,
        ..Caps::default()
    };
    case.sandbox
        .limits
        .set_rules(rules(&[], Hidden::default(), caps));
    let roles = format!("/guilds/{GUILD}/roles");
    let have = case.get(&roles).json().as_array().unwrap().len();
    for _ in have..7 {
        assert_eq!(case.bot(Method::POST, &roles, json!({})).status, 200);
    }
    let over = case.bot(Method::POST, &roles, json!({}));
    assert_eq!((over.status, code(&over)), (400, 30005));
    let general = case.channel("general");
    let body = json!({"name": "talk", "type": 11});
    let over = case.bot(Method::POST, &format!("/channels/{general}/threads"), body);
    assert_eq!((over.status, code(&over)), (400, 160_006));
    let help = case.channel("help");
    let tags = json!({"available_tags": [{"name": "a"}, {"name": "b"}]});
    let over = case.bot(Method::PATCH, &format!("/channels/{help}"), tags);
    assert_eq!((over.status, code(&over)), (400, 30048));
    case.finish();
}

#[test]
fn tags_keep_their_ids_only_if_the_forum_has_them() {
    // Restoring a forum: ids in a body of creation mean nothing.
    let case = Case::unlimited();
    let body = json!({"name": "questions", "type": 15,
        "available_tags": [{"id": "1", "name": "open"}]});
    let made = case
        .bot(Method::POST, &format!("/guilds/{GUILD}/channels"), body)
        .json();
    let tag = made["available_tags"][0]["id"].clone();
    assert_ne!(tag, "1");
    let path = format!("/channels/{}", made["id"].as_str().unwrap());
    let body =
        json!({"available_tags": [{"id": tag, "name": "opened"}, {"id": "2", "name": "closed"}]});
    let tags = case.bot(Method::PATCH, &path, body).json()["available_tags"].clone();
    assert_eq!(tags[0]["id"], tag);
    assert_ne!(tags[1]["id"], "2");
    case.finish();
}

#[test]
fn community_without_its_channels_is_refused_for_good() {
    // discord-api-docs#6015
    let case = Case::unlimited();
    let guild = format!("/guilds/{GUILD}");
    let body = json!({"features": [], "rules_channel_id": null, "public_updates_channel_id": null});
    let off = case.user(small::OWNER, Method::PATCH, &guild, body);
    assert_eq!(off.status, 200, "{}", off.json());
    let on = case.user(
        small::OWNER,
        Method::PATCH,
        &guild,
        json!({"features": ["COMMUNITY"]}),
    );
    assert_eq!((on.status, code(&on)), (403, 40006));
    let rules = case.channel("rules");
    let body = json!({"features": ["COMMUNITY"], "rules_channel_id": rules, "public_updates_channel_id": rules});
    assert_eq!(
        case.user(small::OWNER, Method::PATCH, &guild, body).status,
        200
    );
    case.finish();
}

#[test]
fn what_newcomers_are_shown_cannot_be_hidden() {
    // discord-api-docs#7296: even while onboarding is off.
    let case = Case::unlimited();
    let general = case.channel("general");
    let body =
        json!({"enabled": false, "default_channel_ids": [general], "prompts": [], "mode": 0});
    let put = case.bot(Method::PUT, &format!("/guilds/{GUILD}/onboarding"), body);
    assert_eq!(put.status, 200, "{}", put.json());
    let path = format!("/channels/{general}/permissions/{GUILD}");
    let hide = json!({"type": 0, "deny": perm::VIEW_CHANNEL.to_string()});
    let hidden = case.bot(Method::PUT, &path, hide);
    assert_eq!((hidden.status, code(&hidden)), (400, 350_003));
    // By the overwrites of its category,
    let parent = case.sandbox.with_world(|w| {
        let parent = w.channels[&general].parent_id.unwrap();
        let hidden = Overwrite {
            id: GUILD,
            member: false,
            allow: 0,
            deny: perm::VIEW_CHANNEL,
        };
        w.edit_channel(parent, |c| {
            c.overwrites.insert(GUILD, hidden);
        });
        parent
    });
    let order = format!("/guilds/{GUILD}/channels");
    let lock = json!([{"id": general, "parent_id": parent, "lock_permissions": true}]);
    let locked = case.user(small::OWNER, Method::PATCH, &order, lock);
    assert_eq!((locked.status, code(&locked)), (400, 350_003));
    // or by the permissions of everyone, unless the channel lets everyone see it.
    let role = format!("/guilds/{GUILD}/roles/{GUILD}");
    let blind = || {
        let body = json!({"permissions": perm::SEND_MESSAGES.to_string()});
        case.user(small::OWNER, Method::PATCH, &role, body)
    };
    assert_eq!(code(&blind()), 350_003);
    let show = json!({"type": 0, "allow": perm::VIEW_CHANNEL.to_string()});
    assert_eq!(
        case.user(small::OWNER, Method::PUT, &path, show).status,
        204
    );
    assert_eq!(blind().status, 200);
    let gone = case.user(small::OWNER, Method::DELETE, &path, Value::Null);
    assert_eq!(code(&gone), 350_003, "then it is all that shows it");
    let mute = json!({"type": 0, "allow": perm::VIEW_CHANNEL.to_string(), "deny": perm::SEND_MESSAGES.to_string()});
    assert_eq!(
        case.user(small::OWNER, Method::PUT, &path, mute).status,
        204
    );
    case.finish();
}

#[test]
fn new_roles_stand_at_one_and_nothing_else_moves() {
    // Role object, `position`: of two at one position the lower id is higher.
    let case = Case::unlimited();
    let order = |case: &Case| {
        case.sandbox.with_world(|w| {
            let mut roles: Vec<&Role> = w.guilds[&GUILD].roles.values().collect();
            roles.sort_by_key(|r| perm::rank(GUILD, r));
            roles.iter().map(|r| r.name.clone()).collect::<Vec<_>>()
        })
    };
    let path = format!("/guilds/{GUILD}/roles");
    case.events();
    for name in ["first", "second"] {
        let made = case.bot(Method::POST, &path, json!({"name": name})).json();
        assert_eq!(made["position"], 1);
    }
    assert_eq!(order(&case)[..4], ["@everyone", "second", "first", "Muted"]);
    let told = case.events();
    assert!(told.iter().all(|(kind, _)| *kind != "GUILD_ROLE_UPDATE"));
    case.finish();
}

#[test]
fn a_sliding_bucket_gives_back_one_by_one_and_says_so() {
    // discord-api-docs#7680: Reset-After moves, Retry-After is the next single use.
    let case = Case::new();
    case.sandbox.limits.set_rules(Rules {
        buckets: [("create_message".to_owned(), Rate::sliding(5, 5000))].into(),
        ..Rules::default()
    });
    let path = format!("/channels/{}/messages", case.channel("general"));
    let say = || case.bot(Method::POST, &path, json!({"content": "x"}));
    let stand = |answer: &Response| {
        let left = header(answer, "X-RateLimit-Remaining");
        (left, header(answer, "X-RateLimit-Reset-After"))
    };
    let seen = |left: &str, reset: &str| (left.to_owned(), reset.to_owned());
    assert_eq!(stand(&say()), seen("4", "1.000"));
    assert_eq!(stand(&say()), seen("3", "2.000"));
    for _ in 0..3 {
        assert_eq!(say().status, 200);
    }
    case.advance_ms(500);
    let over = say();
    assert_eq!(
        (over.status, &over.json()["retry_after"]),
        (429, &json!(0.5))
    );
    assert_eq!(stand(&over), seen("0", "4.500"));
    case.advance_ms(500);
    assert_eq!(stand(&say()), seen("0", "5.000"), "one was back, not five");
    assert_eq!(say().status, 429);
    case.advance_ms(5000);
    assert_eq!(stand(&say()), seen("4", "1.000"));
    case.finish();
}

#[test]
fn hidden_limits_can_slide_too() {
    let case = Case::new();
    let hidden = Hidden {
        channel_edits: Rate::sliding(2, 600_000),
        ..Hidden::default()
    };
    case.sandbox
        .limits
        .set_rules(rules(&[], hidden, Caps::default()));
    let path = format!("/channels/{}", case.channel("general"));
    let rename = |n: u32| case.bot(Method::PATCH, &path, json!({"name": format!("name-{n}")}));
    assert_eq!((rename(0).status, rename(1).status), (200, 200));
    case.advance_ms(100_000);
    let over = rename(2);
    assert_eq!(
        (over.status, &over.json()["retry_after"]),
        (429, &json!(200.0))
    );
    case.advance_ms(200_000);
    assert_eq!((rename(2).status, rename(3).status), (200, 429));
    case.finish();
}

#[test]
fn a_window_without_uses_cannot_slide() {
    let hidden = Hidden {
        prunes: Rate::sliding(0, 1000),
        ..Hidden::default()
    };
    let refused = rules(&[], hidden, Caps::default()).check().unwrap_err();
    assert!(
        refused.starts_with("`hidden.prunes` cannot slide"),
        "{refused}"
    );
}

#[test]
fn threads_are_renamed_as_seldom_as_channels() {
    // discord-api-docs#2190
    let case = Case::new();
    let thread = case.channel("Trip planning");
    let rename = |name: &str| {
        let path = format!("/channels/{thread}");
        case.bot(Method::PATCH, &path, json!({"name": name}))
    };
    assert_eq!(rename("one").status, 200);
    assert_eq!(rename("two").status, 200);
    let over = rename("three");
    assert_eq!(over.status, 429);
    assert_ne!(header(&over, "X-RateLimit-Remaining"), "0");
    case.advance_ms(600_000);
    assert_eq!(rename("three").status, 200);
    case.finish();
}

#[test]
fn few_direct_channels_are_opened_in_a_short_time() {
    // Error code 40003; DiscordPHP#467 met it after 25 to 40.
    let case = Case::new();
    let strangers: Vec<Id> = (0..26).map(|n| Id(1_300_000_000_000_000_000 + n)).collect();
    case.sandbox.with_world(|world| {
        for id in &strangers {
            world.users.insert(*id, User::new(*id, &format!("u{id}")));
        }
    });
    let open = |user: Id| {
        let body = json!({"recipient_id": user});
        case.bot(Method::POST, "/users/@me/channels", body)
    };
    for stranger in &strangers[..25] {
        assert_eq!(open(*stranger).status, 200);
    }
    // Another second, so that nothing but this limit is in the way.
    case.advance_ms(1000);
    let over = open(strangers[25]);
    assert_eq!((over.status, code(&over)), (403, 40003));
    assert_eq!(
        header(&over, "Retry-After"),
        "",
        "it does not say for how long"
    );
    // What is open costs nothing, and other accounts open their own.
    assert_eq!(open(strangers[0]).status, 200);
    let body = json!({"recipient_id": small::MEMBER});
    let person = case.user(small::OWNER, Method::POST, "/users/@me/channels", body);
    assert_eq!(person.status, 200);
    case.advance_ms(600_000);
    assert_eq!(open(strangers[25]).status, 200);
    case.finish();
}
