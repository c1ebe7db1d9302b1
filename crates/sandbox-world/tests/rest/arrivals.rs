//! People and messages that arrive: join notices, members added with a token, followed channels,
//! forwards, and profiles that AutoMod objects to.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{AccessToken, Id, Overwrite, User};

use crate::harness::{Case, GUILD, code};

const NEWCOMER: Id = Id(1_200_000_000_000_000_001);

fn newcomer(case: &Case, scopes: &[&str]) {
    case.sandbox.with_world(|w| {
        w.users.insert(NEWCOMER, User::new(NEWCOMER, "newcomer"));
        let grant = AccessToken {
            app: small::APPLICATION,
            user: NEWCOMER,
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            expires_ms: w.steady_ms() + 604_800_000,
        };
        w.access_tokens.insert("theirs".to_owned(), grant);
    });
}

fn newest(case: &Case, channel: &str) -> Value {
    let path = format!("/channels/{}/messages?limit=1", case.channel(channel));
    case.get(&path).json()[0].clone()
}

// A message of type 7 in the system channel, unless system_channel_flags has SUPPRESS_JOIN_NOTIFICATIONS (1 << 0).
#[test]
fn members_are_announced_in_the_system_channel() {
    let case = Case::unlimited();
    newcomer(&case, &[]);
    let flags = |n: u32| {
        case.bot(
            Method::PATCH,
            &format!("/guilds/{GUILD}"),
            json!({"system_channel_flags": n}),
        )
    };
    let join = || {
        case.sandbox
            .with_world(|w| assert!(w.add_member(GUILD, NEWCOMER)));
    };
    let leave = || {
        case.sandbox
            .with_world(|w| assert!(w.remove_member(GUILD, NEWCOMER)));
    };
    let before = newest(&case, "general");
    assert_eq!(flags(1).status, 200);
    join();
    assert_eq!(newest(&case, "general"), before);
    leave();
    assert_eq!(flags(0b11_1110).status, 200);
    case.events();
    join();
    let kinds: Vec<_> = case.events().into_iter().map(|e| e.0).collect();
    assert_eq!(kinds, ["GUILD_MEMBER_ADD", "MESSAGE_CREATE"]);
    let notice = newest(&case, "general");
    assert_eq!(
        (&notice["type"], &notice["author"]["id"], &notice["content"]),
        (&json!(7), &json!(NEWCOMER), &json!(""))
    );
    leave();
    assert_eq!(
        case.bot(
            Method::PATCH,
            &format!("/guilds/{GUILD}"),
            json!({"system_channel_id": null})
        )
        .status,
        200
    );
    join();
    assert_eq!(
        newest(&case, "general")["id"],
        notice["id"],
        "no system channel, no notice"
    );
    case.finish();
}

// PUT members: 201 with the member, 204 for one who is there; each property needs its permission.
#[test]
fn a_token_with_the_scope_adds_its_owner() {
    let case = Case::unlimited();
    newcomer(&case, &["guilds.join"]);
    let path = format!("/guilds/{GUILD}/members/{NEWCOMER}");
    let muted = case.role("Muted");
    let put = |body: Value| case.bot(Method::PUT, &path, body);
    assert_eq!(code(&put(json!({}))), 50035);
    assert_eq!(
        code(&put(
            json!({"access_token": "theirs", "roles": [case.role("Splashtail")]})
        )),
        50013,
        "above the bot"
    );
    case.events();
    let added =
        put(json!({"access_token": "theirs", "nick": "Back", "roles": [muted], "mute": true}));
    assert_eq!(added.status, 201, "{}", added.json());
    let member = added.json();
    assert_eq!(
        (&member["nick"], &member["roles"], &member["mute"]),
        (&json!("Back"), &json!([muted]), &json!(true))
    );
    let (kind, told) = case.events().remove(0);
    assert_eq!(
        (kind, &told["nick"], &told["roles"]),
        ("GUILD_MEMBER_ADD", &json!("Back"), &json!([muted]))
    );
    let again = put(json!({"access_token": "theirs", "nick": "Other"}));
    assert_eq!((again.status, again.body.len()), (204, 0));
    assert_eq!(case.get(&path).json()["nick"], "Back");
    case.sandbox.with_world(|w| {
        w.remove_member(GUILD, NEWCOMER);
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        for role in guild
            .roles
            .values_mut()
            .filter(|r| r.managed || r.id == GUILD)
        {
            role.permissions &= !(perm::CREATE_INSTANT_INVITE | perm::MUTE_MEMBERS);
        }
    });
    assert_eq!(code(&put(json!({"access_token": "theirs"}))), 50013);
    case.finish();
}

// Membership screening: a member waits, unless a role is given with the token.
#[test]
fn screening_keeps_newcomers_pending() {
    let case = Case::unlimited();
    newcomer(&case, &["guilds.join"]);
    case.sandbox.with_world(|w| {
        w.guilds
            .get_mut(&GUILD)
            .unwrap()
            .features
            .insert("MEMBER_VERIFICATION_GATE_ENABLED".to_owned());
    });
    let path = format!("/guilds/{GUILD}/members/{NEWCOMER}");
    for (roles, pending) in [(json!([]), true), (json!([case.role("Muted")]), false)] {
        let added = case.bot(
            Method::PUT,
            &path,
            json!({"access_token": "theirs", "roles": roles}),
        );
        assert_eq!(
            (added.status, &added.json()["pending"]),
            (201, &json!(pending)),
            "{roles}"
        );
        case.sandbox
            .with_world(|w| w.remove_member(GUILD, NEWCOMER));
    }
    case.finish();
}

// POST followers: a type 2 webhook and a type 12 notice; published messages arrive with IS_CROSSPOST.
#[test]
fn followers_receive_what_is_published() {
    let case = Case::unlimited();
    let (news, media) = (case.channel("announcements"), case.channel("media"));
    let follow = |by: Id| {
        case.user(
            by,
            Method::POST,
            &format!("/channels/{news}/followers"),
            json!({"webhook_channel_id": media}),
        )
    };
    assert_eq!(
        code(&follow(small::MEMBER)),
        50013,
        "MANAGE_WEBHOOKS in the target"
    );
    case.events();
    let followed = follow(small::OWNER);
    assert_eq!(followed.status, 200, "{}", followed.json());
    assert_eq!(followed.json()["channel_id"], json!(news));
    let kinds: Vec<_> = case.events().into_iter().map(|e| e.0).collect();
    assert_eq!(
        kinds,
        [
            "WEBHOOKS_UPDATE",
            "GUILD_AUDIT_LOG_ENTRY_CREATE",
            "MESSAGE_CREATE"
        ]
    );
    let notice = newest(&case, "media");
    assert_eq!(
        (&notice["type"], &notice["content"]),
        (&json!(12), &json!("Harbour #announcements"))
    );
    assert_eq!(
        notice["message_reference"],
        json!({"type": 0, "channel_id": news, "guild_id": GUILD})
    );
    let hooks = case.get(&format!("/channels/{media}/webhooks")).json();
    let hook = &hooks[0];
    assert_eq!(
        (&hook["type"], &hook["id"], hook.get("token")),
        (&json!(2), &followed.json()["webhook_id"], None)
    );
    assert_eq!(
        (&hook["source_channel"]["id"], &hook["source_guild"]["id"]),
        (&json!(news), &json!(GUILD))
    );
    let said = case
        .user(
            small::OWNER,
            Method::POST,
            &format!("/channels/{news}/messages"),
            json!({"content": "Open!"}),
        )
        .json();
    let path = format!(
        "/channels/{news}/messages/{}/crosspost",
        said["id"].as_str().unwrap()
    );
    let published = case.user(small::OWNER, Method::POST, &path, Value::Null);
    assert_eq!(
        (published.status, &published.json()["flags"]),
        (200, &json!(1))
    );
    let copy = newest(&case, "media");
    assert_eq!(
        (&copy["content"], &copy["flags"], &copy["webhook_id"]),
        (&json!("Open!"), &json!(2), &hook["id"])
    );
    assert_eq!(
        copy["message_reference"],
        json!({"type": 0, "channel_id": news, "guild_id": GUILD, "message_id": said["id"]})
    );
    case.finish();
}

// Forwards: message_reference type 1, and a snapshot that stays as it was.
#[test]
fn forwards_carry_a_snapshot() {
    let case = Case::unlimited();
    let (general, media) = (case.channel("general"), case.channel("media"));
    let messages = format!("/channels/{general}/messages");
    let said = case
        .upload(
            Method::POST,
            &messages,
            &json!({"content": "first", "embeds": [{"title": "t"}]}),
            &[("a.txt", b"abc")],
        )
        .json();
    let id = said["id"].as_str().unwrap();
    let forward = |channel: Id, message: &str| {
        let reference = json!({"type": 1, "channel_id": channel, "message_id": message});
        case.bot(
            Method::POST,
            &format!("/channels/{media}/messages"),
            json!({"message_reference": reference}),
        )
    };
    let sent = forward(general, id);
    assert_eq!(sent.status, 200, "{}", sent.json());
    case.bot(
        Method::PATCH,
        &format!("{messages}/{id}"),
        json!({"content": "second"}),
    );
    case.bot(Method::DELETE, &format!("{messages}/{id}"), Value::Null);
    let sent = sent.json();
    let shown = case
        .get(&format!(
            "/channels/{media}/messages/{}",
            sent["id"].as_str().unwrap()
        ))
        .json();
    assert_eq!(
        (
            &shown["type"],
            &shown["content"],
            &shown["message_reference"]["type"]
        ),
        (&json!(0), &json!(""), &json!(1))
    );
    let snapshot = &shown["message_snapshots"][0]["message"];
    assert_eq!(
        (&snapshot["content"], &snapshot["timestamp"]),
        (&json!("first"), &said["timestamp"])
    );
    assert_eq!(
        (
            &snapshot["embeds"][0]["title"],
            &snapshot["attachments"][0]["filename"]
        ),
        (&json!("t"), &json!("a.txt"))
    );
    assert!(snapshot.get("author").is_none() && snapshot.get("id").is_none());
    assert_eq!(shown.get("referenced_message"), None);
    // One level deep.
    let again = forward(media, sent["id"].as_str().unwrap()).json();
    assert_eq!(again["message_snapshots"][0]["message"]["content"], "first");
    assert_eq!(code(&forward(general, "1")), 50035);
    let vault = case.channel("vault");
    let secret = case
        .sandbox
        .with_world(|w| *w.messages[&vault].keys().next().unwrap());
    assert_eq!(
        code(&forward(vault, &secret.to_string())),
        50035,
        "only what one can read"
    );
    case.finish();
}

// Error code 160009 (discord-api-docs#8424): the history of the place it comes from.
#[test]
fn what_is_forwarded_comes_from_a_history_that_one_may_read() {
    let case = Case::unlimited();
    let (general, media) = (case.channel("general"), case.channel("media"));
    let said = case.sandbox.with_world(|w| {
        let channel = w.channels.get_mut(&general).unwrap();
        let blind = Overwrite {
            id: small::APPLICATION,
            member: true,
            allow: 0,
            deny: perm::READ_MESSAGE_HISTORY,
        };
        channel.overwrites.insert(blind.id, blind);
        *w.messages[&general].keys().next_back().unwrap()
    });
    for message in [said.to_string(), "1".to_owned()] {
        let reference = json!({"type": 1, "channel_id": general, "message_id": message});
        let answer = case.bot(
            Method::POST,
            &format!("/channels/{media}/messages"),
            json!({"message_reference": reference}),
        );
        let told = answer.json()["message"].clone();
        assert_eq!((answer.status, code(&answer)), (403, 160009), "{told}");
    }
    case.finish();
}

// Error code 160010 (discord-api-docs#8424): "NSFW channel message reference not allowed".
#[test]
fn what_is_for_adults_is_forwarded_among_adults_alone() {
    let case = Case::unlimited();
    let (general, media) = (case.channel("general"), case.channel("media"));
    let said = case
        .sandbox
        .with_world(|w| *w.messages[&general].keys().next_back().unwrap());
    let thread = case.bot(
        Method::POST,
        &format!("/channels/{general}/threads"),
        json!({"name": "aside", "type": 11}),
    );
    let thread: Id = thread.json()["id"].as_str().unwrap().parse().unwrap();
    let path = format!("/channels/{thread}/messages");
    let aside = case
        .bot(Method::POST, &path, json!({"content": "x"}))
        .json()["id"]
        .clone();
    let forward = |from: Id, message: Value, to: Id| {
        let reference = json!({"type": 1, "channel_id": from, "message_id": message});
        let path = format!("/channels/{to}/messages");
        let answer = case.bot(Method::POST, &path, json!({"message_reference": reference}));
        (answer.status, code(&answer))
    };
    let restrict = |channel: Id, on: bool| {
        case.sandbox
            .with_world(|w| w.channels.get_mut(&channel).unwrap().nsfw = on);
    };
    let (done, refused) = ((200, -1), (403, 160010));
    for (from, to, expected) in [
        (false, false, done),
        (true, false, refused),
        (true, true, done),
        (false, true, done),
    ] {
        restrict(general, from);
        restrict(media, to);
        assert_eq!(
            forward(general, json!(said), media),
            expected,
            "{from} {to}"
        );
        assert_eq!(
            forward(thread, aside.clone(), media),
            expected,
            "{from} {to}"
        );
    }
    restrict(general, true);
    restrict(media, false);
    assert_eq!(forward(general, json!(said), general), done);
    assert_eq!(forward(general, json!(said), thread), done, "as its parent");
    // AGE_RESTRICTED (3): all channels of the server are.
    case.sandbox
        .with_world(|w| w.guilds.get_mut(&GUILD).unwrap().nsfw_level = 3);
    assert_eq!(forward(general, json!(said), media), done);
    case.finish();
}

// MEMBER_PROFILE (6) on MEMBER_UPDATE (2): BLOCK_MEMBER_INTERACTION (4) lets the member only look.
#[test]
fn a_profile_that_a_rule_objects_to_is_quarantined() {
    let case = Case::unlimited();
    let rules = format!("/guilds/{GUILD}/auto-moderation/rules");
    let rule = json!({
        "name": "names", "event_type": 2, "trigger_type": 6, "enabled": true,
        "trigger_metadata": {"keyword_filter": ["*evil*"], "allow_list": ["*medievil*"]},
        "actions": [{"type": 4, "metadata": {}}, {"type": 2, "metadata": {"channel_id": case.channel("staff")}}],
    });
    let made = case.bot(Method::POST, &rules, rule.clone());
    assert_eq!(made.status, 200, "{}", made.json());
    let second = case.bot(Method::POST, &rules, rule);
    assert_eq!(code(&second), 50035, "one of its kind");
    let rename = |user: Id, nick: &str| {
        let path = format!("/guilds/{GUILD}/members/@me");
        assert_eq!(
            case.user(user, Method::PATCH, &path, json!({"nick": nick}))
                .status,
            200
        );
    };
    let say = || {
        case.user(
            small::MEMBER,
            Method::POST,
            &format!("/channels/{}/messages", case.channel("general")),
            json!({"content": "x"}),
        )
    };
    rename(small::MEMBER, "medievil");
    assert_eq!(say().status, 200);
    case.events();
    rename(small::MEMBER, "DevilEvil");
    let executions: Vec<_> = case
        .events()
        .into_iter()
        .filter(|e| e.0 == "AUTO_MODERATION_ACTION_EXECUTION")
        .map(|e| e.1)
        .collect();
    assert_eq!(executions.len(), 2, "one for each action");
    assert_eq!(
        (
            &executions[0]["rule_trigger_type"],
            &executions[0]["matched_keyword"]
        ),
        (&json!(6), &json!("*evil*"))
    );
    assert_eq!(
        (executions[0].get("channel_id"), &executions[0]["user_id"]),
        (None, &json!(small::MEMBER))
    );
    let kinds: Vec<_> = case
        .audit()
        .iter()
        .map(|e| e["action_type"].as_u64().unwrap())
        .collect();
    assert!(kinds.ends_with(&[146, 144]), "{kinds:?}");
    let member = case
        .get(&format!("/guilds/{GUILD}/members/{}", small::MEMBER))
        .json();
    assert_eq!(member["flags"].as_u64().unwrap() & (1 << 7), 1 << 7);
    assert_eq!(code(&say()), 50013);
    case.sandbox.with_world(|w| {
        let name = w
            .guilds
            .get_mut(&GUILD)
            .unwrap()
            .members
            .get_mut(&small::MEMBER)
            .unwrap();
        name.nick = None;
    });
    let renamed = case.user(
        small::MEMBER,
        Method::PATCH,
        "/users/@me",
        json!({"username": "pavel2"}),
    );
    assert_eq!(renamed.status, 200);
    assert_eq!(say().status, 200, "a better name ends it");
    rename(small::MANAGER, "evil");
    assert_eq!(
        case.get(&format!("/guilds/{GUILD}/members/{}", small::MANAGER))
            .json()["flags"],
        0,
        "managers are exempt"
    );
    case.finish();
}

// Setting up a TIMEOUT needs MODERATE_MEMBERS besides MANAGE_GUILD; only KEYWORD and MENTION_SPAM take it.
#[test]
fn timeouts_by_rule_need_the_permission_to_give_them() {
    let case = Case::unlimited();
    let rules = format!("/guilds/{GUILD}/auto-moderation/rules");
    let rule = |trigger: u8, metadata: Value| {
        json!({
            "name": "r", "event_type": 1, "enabled": true, "trigger_type": trigger, "trigger_metadata": metadata,
            "actions": [{"type": 3, "metadata": {"duration_seconds": 60}}],
        })
    };
    let words = rule(1, json!({"keyword_filter": ["x"]}));
    assert_eq!(
        code(&case.user(small::MANAGER, Method::POST, &rules, words.clone())),
        50013
    );
    assert_eq!(case.bot(Method::POST, &rules, words).status, 200);
    assert_eq!(
        case.bot(
            Method::POST,
            &rules,
            rule(5, json!({"mention_total_limit": 2}))
        )
        .status,
        200
    );
    assert_eq!(
        code(&case.bot(Method::POST, &rules, rule(3, json!({})))),
        50035
    );
    // The mention rule counts different users and roles.
    let say = |text: &str| {
        case.user(
            small::MEMBER,
            Method::POST,
            &format!("/channels/{}/messages", case.channel("general")),
            json!({"content": text}),
        )
    };
    let (a, b, c) = (small::OWNER, small::ADMIN, small::MANAGER);
    assert_eq!(say(&format!("<@{a}> <@{a}> <@!{b}>")).status, 200);
    assert_eq!(
        say(&format!("<@{a}> <@{b}> <@{c}>")).status,
        200,
        "nothing blocks"
    );
    assert_eq!(code(&say("silenced")), 50013);
    case.finish();
}

#[test]
fn applications_have_emojis_of_their_own() {
    let case = Case::unlimited();
    let path = format!("/applications/{}/emojis", small::APPLICATION);
    let picture = "data:image/png;base64,iVBORw0KGgo=";
    let made = case.bot(
        Method::POST,
        &path,
        json!({"name": "mine", "image": picture}),
    );
    assert_eq!(
        (made.status, &made.json()["user"]["id"]),
        (201, &json!(small::APPLICATION))
    );
    let one = format!("{path}/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(case.get(&path).json(), json!({"items": [made.json()]}));
    assert_eq!(
        case.bot(Method::PATCH, &one, json!({"name": "renamed"}))
            .json()["name"],
        "renamed"
    );
    assert_eq!(case.get(&one).json()["name"], "renamed");
    assert_eq!(case.bot(Method::DELETE, &one, Value::Null).status, 204);
    assert_eq!(code(&case.get(&one)), 10014);
    assert!(case.audit().is_empty(), "guilds do not hear of them");
    case.finish();
}

// PUT onboarding: MANAGE_GUILD and MANAGE_ROLES; enabling needs 7 default channels, 5 of them open to write in.
#[test]
fn onboarding_welcome_screen_and_widget_can_be_restored() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/onboarding");
    let (general, role) = (case.channel("general"), case.role("Regular"));
    let prompts = json!([{"id": "1", "title": "What do you like?", "single_select": true, "type": 1,
        "options": [{"title": "Boats", "role_ids": [role], "channel_ids": [general], "emoji_name": "⛵"}]}]);
    let put = |body: Value| case.bot(Method::PUT, &path, body);
    let first = put(json!({"prompts": prompts, "default_channel_ids": [general]}));
    assert_eq!(first.status, 200, "{}", first.json());
    let option = &first.json()["prompts"][0]["options"][0];
    assert_eq!(
        (&option["role_ids"], &option["emoji"]["name"]),
        (&json!([role]), &json!("⛵"))
    );
    assert_eq!(case.get(&path).json(), first.json());
    assert_eq!(case.audit().pop().unwrap()["action_type"], 166);
    assert_eq!(code(&put(json!({"enabled": true}))), 350000);
    let open: Vec<Id> = (0..7)
        .map(|n| {
            let made = case.bot(
                Method::POST,
                &format!("/guilds/{GUILD}/channels"),
                json!({"name": format!("open-{n}")}),
            );
            made.json()["id"].as_str().unwrap().parse().unwrap()
        })
        .collect();
    let on = put(json!({"enabled": true, "default_channel_ids": open}));
    assert_eq!(
        (on.status, &on.json()["enabled"], &on.json()["prompts"]),
        (200, &json!(true), &first.json()["prompts"])
    );
    assert_eq!(case.audit().pop().unwrap()["action_type"], 167);
    assert_eq!(
        code(&case.user(small::MANAGER, Method::PUT, &path, json!({}))),
        50013
    );
    let screen = format!("/guilds/{GUILD}/welcome-screen");
    assert_eq!(code(&case.get(&screen)), 10069);
    let body = json!({"description": "Hi", "welcome_channels": [{"channel_id": general, "description": "Talk", "emoji_name": "👋"}]});
    let shown = case.bot(Method::PATCH, &screen, body);
    assert_eq!(
        (
            shown.status,
            &shown.json()["welcome_channels"][0]["channel_id"]
        ),
        (200, &json!(general))
    );
    assert_eq!(case.get(&screen).json(), shown.json());
    let widget = format!("/guilds/{GUILD}/widget");
    let set = case.bot(
        Method::PATCH,
        &widget,
        json!({"enabled": true, "channel_id": general}),
    );
    assert_eq!(
        (set.status, set.json()),
        (200, json!({"enabled": true, "channel_id": general}))
    );
    assert_eq!(case.get(&widget).json(), set.json());
    assert_eq!(
        case.get(&format!("/guilds/{GUILD}")).json()["widget_enabled"],
        true
    );
    case.finish();
}
