//! The built-in worlds.

use std::sync::Arc;

use chrono::{TimeZone, Utc};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::seed::{big, build, huge, names, odd, small};
use splashtail_sandbox_world::world::{Addresses, COMPONENTS_V2, Id, World};

use crate::harness::Case;

fn world(name: &str, year: i32) -> World {
    let clock = Arc::new(SandboxClock::frozen(
        Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap(),
    ));
    let addresses = Addresses {
        rest: "http://127.0.0.1:1".into(),
        gateway: "ws://127.0.0.1:2".into(),
    };
    build(name, 7, &addresses, &clock).unwrap()
}

fn ids(world: &World) -> Vec<Id> {
    let mut ids: Vec<Id> = world.channels.keys().copied().collect();
    ids.extend(world.messages.values().flat_map(|m| m.keys()));
    ids.extend(
        world
            .guilds
            .values()
            .flat_map(|g| g.roles.keys().chain(g.emojis.keys())),
    );
    ids.sort_unstable();
    ids
}

#[test]
fn ids_of_small_do_not_depend_on_the_clock() {
    let (early, late) = (world("small", 2025), world("small", 2031));
    assert_eq!(ids(&early), ids(&late));
    assert_eq!(
        early.guilds.keys().copied().collect::<Vec<_>>(),
        small::GUILDS
    );
    let long = early.messages.values().filter(|m| m.len() == 1230).count();
    assert_eq!(long, 1, "one channel with 1,230 messages");
    assert_eq!(
        small::bot_token(),
        "MTEwMDAwMDAwMDAwMDAwMDAwMQ.sandbox.small"
    );
    for guild in early.guilds.values() {
        for user in [
            small::OWNER,
            small::ADMIN,
            small::MANAGER,
            small::MEMBER,
            small::SPARE,
        ] {
            assert!(guild.members.contains_key(&user));
        }
        assert_eq!(guild.bots, [small::APPLICATION]);
    }
    let kinds: Vec<String> = early
        .messages
        .values()
        .flat_map(|m| m.values())
        .flat_map(|m| &m.attachments)
        .filter_map(|a| a.content_type.clone())
        .collect();
    for kind in [
        "image/png",
        "image/jpeg",
        "image/gif",
        "text/plain; charset=utf-8",
        "application/octet-stream",
    ] {
        assert!(kinds.iter().any(|k| k == kind), "{kind}");
    }
}

#[test]
fn later_ids_are_greater_than_every_seeded_one_whatever_the_clock_says() {
    let mut early = world("small", 2020);
    let last = early
        .messages
        .values()
        .flat_map(|m| m.keys())
        .max()
        .copied()
        .unwrap();
    assert!(early.next_id() > last);
}

#[test]
fn big_is_at_every_limit_and_varied() {
    let big = world("big", 2026);
    let guild = &big.guilds[&big::BIG_GUILD];
    assert_eq!((guild.channels.len(), guild.roles.len()), (500, 250));
    assert!(guild.members.len() >= 50_000);
    let mut positions: Vec<i64> = guild.roles.values().map(|r| r.position).collect();
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), 250, "every role has a place of its own");
    let kinds = |kind: u8| {
        guild
            .channels
            .iter()
            .filter(|c| big.channels[c].kind == kind)
            .count()
    };
    assert!(
        [0, 2, 4, 5, 13, 15, 16]
            .into_iter()
            .all(|kind| kinds(kind) > 0)
    );
    let overwrites = guild
        .channels
        .iter()
        .flat_map(|c| big.channels[c].overwrites.values());
    let departed = overwrites.filter(|o| o.member && !guild.members.contains_key(&o.id));
    assert!(departed.count() > 50, "overwrites of people who left");
    let threads = guild
        .threads
        .iter()
        .filter_map(|t| big.channels[t].thread.as_ref());
    assert_eq!(threads.filter(|t| t.archived).count(), 250);
    let messages = || big.messages.values().flat_map(|m| m.values());
    assert!(messages().count() >= 20_000);
    assert!(messages().filter(|m| !m.attachments.is_empty()).count() > 300);
    assert!(messages().any(|m| m.poll.is_some()) && messages().any(|m| m.snapshot.is_some()));
    assert!(messages().any(|m| m.flags & COMPONENTS_V2 != 0));
    assert!(guild.automod.len() >= 6 && guild.scheduled_events.len() >= 3);
    assert!(guild.stickers.len() >= 40 && guild.sounds.len() >= 24 && big.webhooks.len() >= 40);
    assert!(
        guild.roles.values().any(|r| r.linked) && guild.roles.values().any(|r| r.icon.is_some())
    );
    let booster = guild.roles.values().find(|r| r.booster).unwrap();
    let boosts = guild.members.values().filter(|m| m.premium_since.is_some());
    let held = guild
        .members
        .values()
        .filter(|m| m.roles.contains(&booster.id));
    assert_eq!(boosts.count(), held.count());
    assert!(guild.roles.values().any(|r| r.subscription.is_some()));
    let idle = big.prunable(guild, 30, &Default::default()).len();
    assert!((2_000..15_000).contains(&idle), "{idle}");
    // What it is like does not depend on when it is looked at.
    assert_eq!(ids(&big), ids(&world("big", 2031)));
}

#[test]
fn odd_holds_what_bug_reports_name() {
    let odd = world("odd", 2026);
    let guild = &odd.guilds[&odd::ODD_GUILD];
    let roles = |name: &str| guild.roles.values().filter(|r| r.name == name).count();
    assert_eq!((roles("twin"), roles(" ")), (2, 1));
    assert_eq!(guild.name.chars().count(), 100);
    let named = |name: &str| {
        guild
            .channels
            .iter()
            .filter(|c| odd.channels[c].name == name)
            .count()
    };
    assert_eq!(named("twin"), 3);
    assert_eq!(guild.voice.len(), odd::AUDIENCE);
    let files = odd
        .messages
        .values()
        .flat_map(|m| m.values())
        .flat_map(|m| &m.attachments);
    assert_eq!(
        files.filter(|f| f.filename == "image.png").count(),
        odd::FILES
    );
    assert!(!guild.features.contains("COMMUNITY"));
    assert!(guild.channels.iter().any(|c| odd.channels[c].kind == 5));
    assert_eq!(guild.emojis.values().filter(|e| !e.animated).count(), 50);
}

/// What anyone can read of the large worlds is as Discord describes it.
#[test]
fn answers_about_big_and_odd_fit_the_description() {
    for name in ["big", "odd"] {
        let case = Case::of(name);
        let guild = big::BIG_GUILD;
        let mut paths = vec![
            format!("/guilds/{guild}"),
            format!("/guilds/{guild}/channels"),
            format!("/guilds/{guild}/roles"),
            format!("/guilds/{guild}/members?limit=1000"),
            format!("/guilds/{guild}/emojis"),
            format!("/guilds/{guild}/stickers"),
            format!("/guilds/{guild}/soundboard-sounds"),
            format!("/guilds/{guild}/scheduled-events"),
            format!("/guilds/{guild}/auto-moderation/rules"),
            format!("/guilds/{guild}/onboarding"),
            format!("/guilds/{guild}/invites"),
            format!("/guilds/{guild}/webhooks"),
            format!("/guilds/{guild}/threads/active"),
        ];
        let rooms: Vec<(Id, u8)> = case.sandbox.with_world(|world| {
            let rooms = world.guilds[&guild].channels.iter();
            rooms.map(|c| (*c, world.channels[c].kind)).collect()
        });
        let texts = rooms.iter().filter(|(_, kind)| *kind == 0).take(20);
        paths.extend(texts.map(|(id, _)| format!("/channels/{id}/messages?limit=100")));
        let forums = rooms.iter().filter(|(_, kind)| *kind == 15).take(3);
        paths.extend(forums.map(|(id, _)| format!("/channels/{id}/threads/archived/public")));
        for path in paths {
            let answer = case.user(
                small::OWNER,
                http::Method::GET,
                &path,
                serde_json::Value::Null,
            );
            assert_eq!(answer.status, 200, "{name} {path}: {}", answer.json());
        }
        case.finish();
    }
}

#[test]
fn unknown_worlds_are_named() {
    let clock = Arc::new(SandboxClock::frozen(
        Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap(),
    ));
    let addresses = Addresses {
        rest: String::new(),
        gateway: String::new(),
    };
    let error = build("tiny", 0, &addresses, &clock).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no built-in world `tiny`; there are: small, big, odd, many, huge, blank, empty"
    );
}

#[test]
fn documentation_and_page_list_the_worlds() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let read = |path: &str| std::fs::read_to_string(format!("{root}{path}")).unwrap();
    let documentation = read("docs/sandbox.md");
    let (_, section) = documentation.split_once("\n## Worlds\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(documented, names());
    let page = read("website/sandbox/WorldDialog.svelte");
    let (_, list) = page.split_once("const WORLDS = [").unwrap();
    let list = list.split(']').next().unwrap();
    let offered: Vec<&str> = list
        .split(", ")
        .map(|name| name.trim_matches('\''))
        .collect();
    assert_eq!(offered, names());
}

#[test]
fn no_two_messages_share_an_id() {
    for name in ["small", "big", "many", "odd"] {
        let world = world(name, 2026);
        let mut all: Vec<Id> = world
            .messages
            .values()
            .flat_map(|m| m.keys())
            .copied()
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "{name}");
    }
}

// A bot that asks for shards gets a number with which every one of them may identify.
#[test]
fn recommended_shards_hold_every_guild() {
    let mut world = world("many", 2026);
    assert_eq!(world.shards_needed(small::APPLICATION), 1);
    let mut another = world.guilds.values().next_back().unwrap().clone();
    another.id = Id(another.id.0 + (1 << 22));
    world.guilds.insert(another.id, another);
    assert_eq!(world.shards_needed(small::APPLICATION), 2);
}

#[test]
fn a_bot_is_told_of_the_huge_guild_in_more_than_64_mib() {
    let world = world("huge", 2026);
    let guild = &world.guilds[&huge::HUGE_GUILD];
    assert_eq!(guild.channels.len(), 500);
    assert!(guild.roles.len() <= 250, "{}", guild.roles.len());
    let bot = guild.bots[0];
    // GUILDS and GUILD_VOICE_STATES, and nobody but those in voice.
    let text = world.guild_create_text(guild.id, bot, (1 << 0) | (1 << 7), 50);
    let text = text.unwrap();
    assert!(text.len() >= huge::HUGE_BYTES, "{}", text.len());
    assert!(text.len() < 100 << 20, "{}", text.len());
    assert!(!text.contains("___hidden___"), "the bot sees every channel");
}

/// What GUILD_CREATE says is the same from a copy of the guild alone.
#[test]
fn a_guild_apart_is_told_of_like_in_its_world() {
    for (name, intents) in [("small", 0), ("small", 1 << 8), ("big", 0), ("odd", 1 << 8)] {
        let mut world = world(name, 2026);
        let guilds: Vec<Id> = world.guilds.keys().copied().collect();
        let bot = small::APPLICATION;
        for guild in guilds {
            let apart = world.apart(guild).unwrap();
            let told = |world: &World| world.guild_create_text(guild, bot, intents, 250).unwrap();
            assert!(told(&apart) == told(&world), "{name} {guild}");
        }
    }
    assert!(world("huge", 2026).bulk(huge::HUGE_GUILD, 0) > 500_000);
}
