//! The caps, each reached by filling the world up.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Id, Message, User};

use crate::errors::{Bot, STRANGER, check, prepared};
use crate::harness::{Case, GUILD, code};

// the caps, each reached by filling the world up.
#[test]
fn caps() {
    let case = prepared();
    let general = case.channel("general");
    let (message, emoji) = case.sandbox.with_world(|w| {
        let message = *w.messages[&general].keys().next().unwrap();
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        let (still, moving) = {
            let pick = |moves| {
                guild
                    .emojis
                    .values()
                    .find(|e| e.animated == moves)
                    .cloned()
                    .unwrap()
            };
            (pick(false), pick(true))
        };
        for n in 0..150u64 {
            for (sort, emoji) in [&still, &moving].into_iter().enumerate() {
                let mut copy = emoji.clone();
                copy.id = Id(1000 + n * 2 + sort as u64);
                guild.emojis.insert(copy.id, copy);
            }
        }
        let sticker = guild.stickers.values().next().cloned().unwrap();
        for n in 0..60u64 {
            let mut copy = sticker.clone();
            copy.id = Id(2000 + n);
            guild.stickers.insert(copy.id, copy);
        }
        let mut pins = Vec::new();
        for n in 0..250u64 {
            let mut pin = Message::new(Id(3000 + n), general, small::OWNER, "x");
            pin.pinned = Some(splashtail_sandbox_world::world::Stamp(1));
            pins.push(pin);
        }
        let channel = w.channels[&general].clone();
        let overwrite = splashtail_sandbox_world::world::Overwrite {
            id: Id(0),
            member: true,
            allow: 0,
            deny: 0,
        };
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        for n in guild.channels.len() as u64..500 {
            let mut copy = channel.clone();
            copy.id = Id(4000 + n);
            copy.parent_id = None;
            guild.channels.insert(copy.id);
            w.channels.insert(copy.id, copy);
        }
        let place = w.channels.get_mut(&general).unwrap();
        for n in place.overwrites.len() as u64..1000 {
            let id = Id(9000 + n);
            place.overwrites.insert(
                id,
                splashtail_sandbox_world::world::Overwrite { id, ..overwrite },
            );
        }
        let all = w.messages.get_mut(&general).unwrap();
        for pin in pins {
            all.insert(pin.id, pin);
        }
        (message, still.id)
    });
    for n in 0..15 {
        let hook = case.bot(
            Method::POST,
            &format!("/channels/{general}/webhooks"),
            json!({"name": format!("w{n}")}),
        );
        assert_eq!(hook.status, 200);
    }
    let reaction = |sign: char| {
        let sign: String = sign
            .to_string()
            .bytes()
            .map(|b| format!("%{b:02X}"))
            .collect();
        format!("/channels/{general}/messages/{message}/reactions/{sign}/@me")
    };
    for n in 0..20 {
        let sign = char::from_u32(0x1F600 + n).unwrap();
        assert_eq!(
            case.bot(Method::PUT, &reaction(sign), Value::Null).status,
            204
        );
    }
    let invites = format!("/channels/{general}/invites");
    let first = case.bot(Method::POST, &invites, json!({"max_age": 0}));
    case.sandbox.with_world(|w| {
        let invite = w.invites[first.json()["code"].as_str().unwrap()].clone();
        for n in 1..1000 {
            let code = format!("copy{n}");
            w.invites.insert(
                code.clone(),
                splashtail_sandbox_world::world::Invite {
                    code,
                    ..invite.clone()
                },
            );
        }
    });
    let media = case.channel("media");
    case.sandbox.with_world(|w| {
        let hook = w.webhooks.values().next().unwrap().clone();
        for n in 15..1000 {
            let id = Id(20_000 + n);
            let channel = Id(4000);
            let copy = splashtail_sandbox_world::world::Webhook {
                id,
                channel,
                ..hook.clone()
            };
            w.webhooks.insert(id, copy);
        }
    });
    let png = "data:image/png;base64,iVBORw0KGgo=";
    let gif = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
    let emojis = format!("/guilds/{GUILD}/emojis");
    let last = char::from_u32(0x1F6F0).unwrap();
    check(
        &case,
        vec![
            (
                Bot,
                Method::PUT,
                format!("/channels/{general}/messages/pins/{message}"),
                Value::Null,
                400,
                30003,
                "Maximum number of pins reached for the channel (250)",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{general}/webhooks"),
                json!({"name": "w"}),
                400,
                30007,
                "Maximum number of webhooks reached (15)",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{media}/webhooks"),
                json!({"name": "w"}),
                400,
                30058,
                "Maximum number of webhooks per guild reached (1000)",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{}/followers", case.channel("announcements")),
                json!({"webhook_channel_id": general}),
                400,
                30007,
                "Maximum number of webhooks reached (15)",
            ),
            (
                Bot,
                Method::POST,
                emojis.clone(),
                json!({"name": "more", "image": png}),
                400,
                30008,
                "Maximum number of emojis reached",
            ),
            (
                Bot,
                Method::POST,
                emojis,
                json!({"name": "more", "image": gif}),
                400,
                30018,
                "Maximum number of animated emojis reached",
            ),
            (
                Bot,
                Method::PUT,
                reaction(last),
                Value::Null,
                400,
                30010,
                "Maximum number of reactions reached (20)",
            ),
            (
                Bot,
                Method::POST,
                format!("/guilds/{GUILD}/channels"),
                json!({"name": "x"}),
                400,
                30013,
                "Maximum number of guild channels reached (500)",
            ),
            (
                Bot,
                Method::POST,
                invites,
                json!({"max_age": 60}),
                400,
                30016,
                "Maximum number of invites reached (1000)",
            ),
            (
                Bot,
                Method::PUT,
                format!("/channels/{general}/permissions/{}", small::SPARE),
                json!({"type": 1, "allow": "0", "deny": "0"}),
                400,
                30060,
                "Maximum number of permission overwrites reached (1000)",
            ),
        ],
    );
    let sticker = case.upload(
        Method::POST,
        &format!("/guilds/{GUILD}/stickers"),
        &json!({"name": "more", "tags": "x"}),
        &[("a.png", b"\x89PNG")],
    );
    assert_eq!((sticker.status, code(&sticker)), (400, 30039));
    assert!(
        case.sandbox
            .with_world(|w| w.guilds[&GUILD].emojis.contains_key(&emoji))
    );
    case.finish();
}

// 30035 and 30040, whose numbers Discord does not tell: they are settings.
#[test]
fn strangers_can_be_banned_and_members_pruned_only_so_often() {
    let case = Case::new();
    let rate = |limit, hours: i64| {
        splashtail_sandbox_world::rest::limits::Rate::fixed(limit, hours * 3_600_000)
    };
    case.sandbox
        .limits
        .set_rules(splashtail_sandbox_world::rest::limits::Rules {
            hidden: splashtail_sandbox_world::rest::limits::Hidden {
                stranger_bans: rate(2, 24),
                prunes: rate(1, 24),
                ..Default::default()
            },
            ..Default::default()
        });
    let strangers: Vec<Id> = (0..5).map(|n| Id(STRANGER.0 + n)).collect();
    case.sandbox.with_world(|w| {
        for id in &strangers {
            w.users.insert(*id, User::new(*id, "stranger"));
        }
    });
    let ban = |user: Id| {
        case.bot(
            Method::PUT,
            &format!("/guilds/{GUILD}/bans/{user}"),
            json!({}),
        )
    };
    assert_eq!(
        (ban(strangers[0]).status, ban(strangers[1]).status),
        (204, 204)
    );
    let over = ban(strangers[2]);
    assert_eq!((over.status, code(&over)), (400, 30035));
    assert_eq!(
        over.json()["message"],
        "Maximum number of bans for non-guild members have been exceeded"
    );
    assert_eq!(
        ban(strangers[0]).status,
        204,
        "who is banned already does not count"
    );
    assert_eq!(ban(small::SPARE).status, 204, "nor does a member");
    let bulk = case.bot(
        Method::POST,
        &format!("/guilds/{GUILD}/bulk-ban"),
        json!({"user_ids": [strangers[3], small::MEMBER]}),
    );
    assert_eq!(
        bulk.json(),
        json!({"banned_users": [small::MEMBER], "failed_users": [strangers[3]]})
    );
    let prune = || case.bot(Method::POST, &format!("/guilds/{GUILD}/prune"), json!({}));
    assert_eq!(prune().status, 200);
    let over = prune();
    assert_eq!((over.status, code(&over)), (400, 30040));
    assert_eq!(
        over.json()["message"],
        "Maximum number of prune requests has been reached. Try again later"
    );
    case.advance_ms(24 * 3_600_000);
    assert_eq!((ban(strangers[2]).status, prune().status), (204, 200));
    case.finish();
}
