//! Plans for servers with everything in them: what is reached is what was wanted, except what the report names.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};
use splashtail_guild::permissions::bits;
use splashtail_guild::{Facts, Id, Kind, Mode, Plan, Structure, Surplus, compare, plan, rehearse};

/// The only rule of its trigger that a server can have.
const MENTIONS: u64 = 700;

/// A server; numbers choose among what there is.
#[derive(Debug, Clone)]
struct Draft {
    roles: u64,
    channels: u64,
    /// What it is called, a role, whether its bytes are known.
    emojis: Vec<(u8, u8, bool)>,
    stickers: Vec<(u8, bool)>,
    /// What it is called, a role, a channel.
    rules: Vec<(u8, u8, u8)>,
    mentions: bool,
    events: Vec<(u8, u8)>,
    /// What it is called, a channel, whether an application made it.
    webhooks: Vec<(u8, u8, bool)>,
    /// A channel, whether for ever, whether it gives a role.
    invites: Vec<(u8, bool, bool)>,
    /// Answers to a question: a role, a channel.
    answers: Vec<(u8, u8)>,
    welcome: Vec<u8>,
    enabled: bool,
}

fn draft() -> impl Strategy<Value = Draft> {
    let named = || 0_u8..3;
    let any = any::<u8>;
    let expressions = (
        prop::collection::vec((named(), any(), prop::bool::weighted(0.8)), 0..4),
        prop::collection::vec((named(), prop::bool::weighted(0.8)), 0..3),
    );
    let others = (
        prop::collection::vec((named(), any(), any()), 0..3),
        prop::bool::ANY,
        prop::collection::vec((named(), any()), 0..3),
        prop::collection::vec((named(), any(), prop::bool::weighted(0.2)), 0..4),
        prop::collection::vec((any(), prop::bool::ANY, prop::bool::weighted(0.2)), 0..3),
    );
    let newcomers = (
        prop::collection::vec((any(), any()), 0..3),
        prop::collection::vec(any(), 0..3),
        prop::bool::ANY,
    );
    let sizes = (1_u64..4, 1_u64..5);
    (sizes, expressions, others, newcomers).prop_map(|(sizes, expressions, others, newcomers)| {
        let (emojis, stickers) = expressions;
        let (rules, mentions, events, webhooks, invites) = others;
        let (answers, welcome, enabled) = newcomers;
        Draft {
            roles: sizes.0,
            channels: sizes.1,
            emojis,
            stickers,
            rules,
            mentions,
            events,
            webhooks,
            invites,
            answers,
            welcome,
            enabled,
        }
    })
}

fn server(draft: &Draft, first: u64) -> Value {
    let mut roles = vec![json!({"id": "1", "name": "@everyone", "position": 0,
        "permissions": "1024", "managed": false})];
    roles.extend((0..draft.roles).map(|n| {
        json!({"id": (first + n).to_string(), "name": format!("role {n}"), "position": n + 1,
            "permissions": "0", "color": 0, "hoist": false, "mentionable": false,
            "managed": false})
    }));
    let channels: Vec<Value> = (0..draft.channels)
        .map(|n| {
            json!({"id": (first + 100 + n).to_string(), "type": 0, "name": format!("c{n}"),
                "position": n, "flags": 0, "parent_id": null, "permission_overwrites": []})
        })
        .collect();
    json!({"id": "1", "name": "Harbour", "features": ["COMMUNITY"], "verification_level": 1,
        "explicit_content_filter": 2, "roles": roles, "channels": channels})
}

/// Ids start at `first`, so that two states share some, or none. Nothing has a twin.
fn build(draft: &Draft, first: u64) -> Structure {
    let mut built = Structure::from_guild(&server(draft, first)).unwrap();
    let id = |base: u64, n: usize| (first + base + n as u64).to_string();
    let role = |n: u8| (first + u64::from(n) % draft.roles).to_string();
    let channel = |n: u8| (first + 100 + u64::from(n) % draft.channels).to_string();

    let emoji = |(n, (name, whom, _)): (usize, &(u8, u8, bool))| {
        let roles = if whom % 2 == 0 {
            vec![]
        } else {
            vec![role(*whom)]
        };
        json!({"id": id(200, n), "name": format!("e{n}_{name}"), "roles": roles,
            "animated": false, "managed": false})
    };
    built.learn(
        Kind::Emoji,
        draft.emojis.iter().enumerate().map(emoji).collect(),
    );
    let sticker = |(n, (name, _)): (usize, &(u8, bool))| {
        json!({"id": id(300, n), "name": format!("s{n}"), "tags": "anchor",
            "description": format!("{name}"), "format_type": 1})
    };
    built.learn(
        Kind::Sticker,
        draft.stickers.iter().enumerate().map(sticker).collect(),
    );
    let rule = |(n, (name, whom, at)): (usize, &(u8, u8, u8))| {
        json!({"id": id(400, n), "name": format!("r{n}_{name}"), "event_type": 1, "trigger_type": 1,
            "trigger_metadata": {"keyword_filter": [format!("w{name}")]}, "enabled": name % 2 == 0,
            "actions": [{"type": 2, "metadata": {"channel_id": channel(*at)}}],
            "exempt_roles": [role(*whom)], "exempt_channels": [channel(*whom)]})
    };
    let mut rules: Vec<Value> = draft.rules.iter().enumerate().map(rule).collect();
    if draft.mentions {
        rules.push(
            json!({"id": MENTIONS.to_string(), "name": "mentions", "event_type": 1,
            "trigger_type": 5, "trigger_metadata": {"mention_total_limit": draft.roles},
            "enabled": true, "actions": [{"type": 1, "metadata": {}}],
            "exempt_roles": [], "exempt_channels": []}),
        );
    }
    built.learn(Kind::AutomodRule, rules);
    let event = |(n, (name, day)): (usize, &(u8, u8))| {
        json!({"id": id(500, n), "name": format!("v{n}_{name}"), "description": "", "privacy_level": 2,
            "scheduled_start_time": format!("2027-01-{:02}T12:00:00+00:00", day % 28 + 1),
            "scheduled_end_time": "2027-02-01T12:00:00+00:00", "entity_type": 3,
            "entity_metadata": {"location": format!("quay {name}")}, "channel_id": null, "status": 1})
    };
    built.learn(
        Kind::ScheduledEvent,
        draft.events.iter().enumerate().map(event).collect(),
    );
    let webhook = |(n, (name, at, app)): (usize, &(u8, u8, bool))| {
        json!({"id": id(600, n), "type": 1, "name": format!("h{n}_{name}"), "channel_id": channel(*at),
            "application_id": app.then_some("5"), "avatar": null})
    };
    built.learn(
        Kind::Webhook,
        draft.webhooks.iter().enumerate().map(webhook).collect(),
    );
    let invite = |(n, (at, endless, gives)): (usize, &(u8, bool, bool))| {
        let roles = if *gives {
            vec![json!({"id": role(*at)})]
        } else {
            vec![]
        };
        json!({"id": id(800, n), "code": format!("code{n}"), "channel_id": channel(*at),
            "max_uses": 5, "uses": 1, "temporary": false, "roles": roles,
            "expires_at": (!endless).then_some("2027-01-01T00:00:00+00:00")})
    };
    built.learn(
        Kind::Invite,
        draft.invites.iter().enumerate().map(invite).collect(),
    );
    let option = |(n, (whom, at)): (usize, &(u8, u8))| {
        json!({"id": id(900, n), "title": format!("o{n}"), "description": "",
            "role_ids": [role(*whom)], "channel_ids": [channel(*at)],
            "emoji": {"id": null, "name": "⚓", "animated": false}})
    };
    let options: Vec<Value> = draft.answers.iter().enumerate().map(option).collect();
    let prompts = if options.is_empty() {
        json!([])
    } else {
        json!([{"id": id(950, 0), "title": "Where from?", "type": 0, "single_select": true,
            "required": false, "in_onboarding": true, "options": options}])
    };
    let defaults: Vec<String> = draft.answers.iter().map(|(_, at)| channel(*at)).collect();
    built.learn(
        Kind::Onboarding,
        vec![
            json!({"id": "1", "guild_id": "1", "enabled": draft.enabled, "mode": 0,
            "default_channel_ids": defaults, "prompts": prompts}),
        ],
    );
    let shown = |at: &u8| {
        json!({"channel_id": channel(*at), "description": format!("{at}"), "emoji_id": null,
            "emoji_name": "⚓"})
    };
    let shown: Vec<Value> = draft.welcome.iter().map(shown).collect();
    built.learn(
        Kind::WelcomeScreen,
        vec![
            json!({"id": "1", "enabled": draft.enabled, "description": "Ahoy",
            "welcome_channels": shown}),
        ],
    );
    for (n, (_, _, known)) in draft.emojis.iter().enumerate() {
        if *known {
            let of = Id::new(first + 200 + n as u64);
            built.learn_file(Kind::Emoji, of, "image", &format!("d{n}"));
        }
    }
    for (n, (_, known)) in draft.stickers.iter().enumerate() {
        if *known {
            let of = Id::new(first + 300 + n as u64);
            built.learn_file(Kind::Sticker, of, "file", &format!("d{n}"));
        }
    }
    built
}

fn delete() -> Mode {
    Mode::all(Surplus::Delete)
}

fn all_powerful() -> Facts {
    Facts {
        permissions: bits::ADMINISTRATOR,
        top_role: None,
        owner: true,
    }
}

/// Whether the report says so, of the whole object or of that field.
fn named(plan: &Plan, kind: Kind, id: Id, field: Option<&str>) -> bool {
    plan.unable.iter().any(|unable| {
        let whole = unable.fields.is_empty();
        let about = field.is_some_and(|field| unable.fields.contains(&field));
        unable.kind == kind && unable.id == id && (whole || about)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_reached_is_what_was_wanted_but_for_what_is_named(
        a in draft(), b in draft(), shift in 0_u64..3,
    ) {
        let (live, wanted) = (build(&a, 1_000), build(&b, 1_000 + shift * 2));
        let plan = plan(&live, &wanted, all_powerful(), &delete());
        let reached = rehearse(&live, &plan);
        let left = compare(&reached, &wanted);
        for (kind, id) in left.missing.iter().chain(&left.surplus) {
            prop_assert!(named(&plan, *kind, *id, None), "{kind:?} {id}: {left:#?}\n{plan:#?}");
        }
        for one in &left.changed {
            for field in &one.fields {
                let told = named(&plan, one.kind, one.wanted, Some(field.field));
                prop_assert!(told, "{one:?}\n{plan:#?}");
            }
        }
        prop_assert!(left.reordered.is_empty() && left.not_visible.is_empty(), "{left:#?}");
        prop_assert!(left.not_known.is_empty() || left.not_known == compare(&live, &wanted).not_known);

        let mut steps: Vec<_> = plan.effects.iter().map(|effect| &effect.step).collect();
        let count = steps.len();
        steps.sort_unstable();
        steps.dedup();
        prop_assert_eq!(steps.len(), count, "no step has the name of another");
    }

    #[test]
    fn nothing_is_done_where_nothing_differs(a in draft()) {
        let live = build(&a, 1_000);
        let plan = plan(&live, &live, all_powerful(), &delete());
        prop_assert!(plan.effects.is_empty(), "{:?}", plan.effects);
        prop_assert!(plan.unable.is_empty(), "{:?}", plan.unable);
    }
}
