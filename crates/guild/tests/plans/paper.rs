//! Any state to any other, drawn at random and carried out on paper.

use proptest::prelude::*;
use serde_json::{Value, json};
use splashtail_guild::{PutBack, Structure, Verdict, compare, plan, put_back, rehearse};

use crate::{all_powerful, channel, delete, guild, role, steps};

#[derive(Debug, Clone)]
struct Draft {
    roles: Vec<(u8, u8, u8)>,
    channels: Vec<(u8, u8, u8, u8, u8)>,
    name: u8,
}

fn draft() -> impl Strategy<Value = Draft> {
    let roles = prop::collection::vec((0_u8..4, 0_u8..6, any::<u8>()), 0..6);
    let channels =
        prop::collection::vec((0_u8..4, 0_u8..4, 0_u8..8, any::<u8>(), any::<u8>()), 0..10);
    (roles, channels, 0_u8..3).prop_map(|(roles, channels, name)| Draft {
        roles,
        channels,
        name,
    })
}

/// A state whose ids start at `first`, so that two states share some ids, or none.
fn build(draft: &Draft, first: u64) -> Structure {
    let roles: Vec<Value> = draft
        .roles
        .iter()
        .enumerate()
        .map(|(n, (name, position, bits))| {
            role(
                first + n as u64,
                &format!("role {name}"),
                i64::from(*position) + 1,
                u64::from(*bits),
            )
        })
        .collect();
    let mut channels: Vec<Value> = Vec::new();
    let mut categories: Vec<u64> = Vec::new();
    for (n, (kind, name, position, parent, extra)) in draft.channels.iter().enumerate() {
        let id = first + 100 + n as u64;
        // A channel's type is for good, but for text channels that begin to publish.
        let kind = match id % 4 {
            0 => 4,
            1 => 2,
            _ if *kind % 2 == 0 => 0,
            _ => 5,
        };
        let parent = (kind != 4 && !categories.is_empty() && parent % 3 != 0)
            .then(|| categories[usize::from(*parent) % categories.len()]);
        if kind == 4 {
            categories.push(id);
        }
        let mut made = channel(id, kind, &format!("c{name}"), i64::from(*position), parent);
        if kind != 4 {
            made["rate_limit_per_user"] = (extra % 3).into();
            made["nsfw"] = (extra % 2 == 0).into();
        }
        if extra % 4 == 0 && !roles.is_empty() {
            let whom = &roles[usize::from(*extra) % roles.len()]["id"];
            made["permission_overwrites"] =
                json!([{"id": whom, "type": 0, "allow": "0", "deny": extra.to_string()}]);
        }
        channels.push(made);
    }
    let mut built = guild(roles, channels);
    let name = format!("Harbour {}", draft.name);
    built.apply_event("GUILD_UPDATE", &json!({"id": "1", "name": name}));
    built
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    // The plan of A to B, applied to A, gives B.
    #[test]
    fn a_plan_leads_where_it_says(a in draft(), b in draft(), shift in 0_u64..3) {
        let (live, wanted) = (build(&a, 1_000), build(&b, 1_000 + shift * 2));
        let plan = plan(&live, &wanted, all_powerful(), &delete());
        prop_assert!(plan.unable.is_empty(), "{:?}", plan.unable);
        let reached = rehearse(&live, &plan);
        let left = compare(&reached, &wanted);
        prop_assert!(left.is_empty(), "{left:#?}\n{:#?}", plan.effects);
    }

    #[test]
    fn nothing_is_done_where_nothing_differs(a in draft()) {
        let live = build(&a, 1_000);
        prop_assert!(compare(&live, &live).is_empty());
        let plan = plan(&live, &live, all_powerful(), &delete());
        prop_assert!(plan.effects.is_empty(), "{:?}", plan.effects);
        prop_assert!(plan.unable.is_empty());
    }

    // What an attacker did is taken back, and nothing else.
    #[test]
    fn an_attack_is_taken_back(a in draft(), b in draft()) {
        let (before, after) = (build(&a, 1_000), build(&b, 1_000));
        let PutBack { wanted, verdicts } = put_back(&before, &after, &after);
        prop_assert!(verdicts.iter().all(|(_, _, _, v)| *v == Verdict::PutBack), "{verdicts:?}");
        let plan = plan(&after, &wanted, all_powerful(), &delete());
        let reached = rehearse(&after, &plan);
        let left = compare(&reached, &before);
        prop_assert!(left.is_empty(), "{left:#?}");
    }

    #[test]
    fn no_step_has_the_name_of_another(a in draft(), b in draft()) {
        let mut names = steps(&build(&a, 1_000), &build(&b, 1_002), all_powerful());
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), count);
    }
}
