//! When audit entries come, and whom they name: late, in any order, without a user, or with the wrong
//! one. Sources stand with each test.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small::{self, APPLICATION};
use splashtail_sandbox_world::world::{AuditTiming, Conduct, Event, Id, User, action};
use std::sync::Arc;

use crate::harness::{Case, GUILD};

fn slow(delay_ms: (u64, u64), ahead: f64) -> Case {
    let case = Case::unlimited();
    case.sandbox.with_world(|w| {
        w.conduct.audit = AuditTiming { delay_ms, ahead };
    });
    case
}

fn make_role(case: &Case) {
    let path = format!("/guilds/{GUILD}/roles");
    assert_eq!(case.bot(Method::POST, &path, json!({})).status, 200);
}

fn late(events: &[Arc<Event>]) -> Vec<(&'static str, u64)> {
    events.iter().map(|e| (e.kind, e.late_ms)).collect()
}

fn shown(case: &Case) -> usize {
    let log = case.get(&format!("/guilds/{GUILD}/audit-logs"));
    log.json()["audit_log_entries"].as_array().unwrap().len()
}

#[test]
fn entries_come_after_the_event_and_the_answer() {
    let case = slow((50, 400), 0.0);
    let before = shown(&case);
    case.events();
    make_role(&case);
    let told = late(&case.raw_events());
    let [
        ("GUILD_ROLE_CREATE", 0),
        ("GUILD_AUDIT_LOG_ENTRY_CREATE", ms),
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert!((50..=400).contains(&ms), "{ms}");
    assert_eq!(shown(&case), before, "the log is as late as the event");
    case.advance_ms(ms);
    assert_eq!(shown(&case), before + 1);
    case.finish();
}

#[test]
fn delays_follow_from_the_seed() {
    let delays = || {
        let case = slow((0, 60_000), 0.0);
        case.events();
        (0..20).for_each(|_| make_role(&case));
        let told = late(&case.raw_events());
        case.finish();
        told
    };
    let once = delays();
    assert_eq!(once, delays());
    let distinct: std::collections::BTreeSet<u64> = once.iter().map(|(_, ms)| *ms).collect();
    assert!(distinct.len() > 15, "{distinct:?}");
}

#[test]
fn some_entries_come_ahead_of_what_they_explain() {
    let case = slow((0, 0), 1.0);
    case.events();
    make_role(&case);
    assert_eq!(
        late(&case.raw_events()),
        [
            ("GUILD_AUDIT_LOG_ENTRY_CREATE", 0),
            ("GUILD_ROLE_CREATE", 0)
        ]
    );
    case.finish();
}

#[test]
fn the_default_is_the_harder_one() {
    let conduct = Conduct::default();
    assert_eq!(conduct.audit.delay_ms, (50, 400));
    assert!(conduct.audit.ahead > 0.0 && conduct.channel_obfuscation);
    let bad = |audit: AuditTiming| {
        Conduct {
            audit,
            ..Conduct::default()
        }
        .check()
        .is_err()
    };
    let timing = |delay_ms, ahead| AuditTiming { delay_ms, ahead };
    assert!(bad(timing((2, 1), 0.0)) && bad(timing((0, 1 << 40), 0.0)) && bad(timing((0, 1), 2.0)));
}

#[test]
fn only_the_first_entry_of_a_bulk_ban_names_who_did_it() {
    // discord-api-docs#8188
    let case = Case::unlimited();
    let before = case.audit().len();
    let body = json!({"user_ids": [small::MEMBER, small::SPARE, small::MANAGER]});
    let path = format!("/guilds/{GUILD}/bulk-ban");
    assert_eq!(case.bot(Method::POST, &path, body).status, 200);
    let users: Vec<Value> = case.audit()[before..]
        .iter()
        .filter(|e| e["action_type"] == action::BAN_ADD)
        .map(|e| e["user_id"].clone())
        .collect();
    assert_eq!(users, [json!(APPLICATION), Value::Null, Value::Null]);
    case.finish();
}

#[test]
fn a_large_prune_has_an_entry_per_thousand_and_later_ones_name_who_was_pruned() {
    // discord-api-docs#6428
    let case = Case::unlimited();
    let old = 1_200_000_000_000_000_000_u64;
    case.sandbox.with_world(|w| {
        let long_ago = Id(old).created();
        for n in 0..2500 {
            let user = Id(old + n);
            w.users.insert(user, User::new(user, "idle"));
            assert!(w.add_member(GUILD, user));
        }
        for member in w.guilds.get_mut(&GUILD).unwrap().members.values_mut() {
            member.last_active = long_ago;
        }
    });
    let before = case.audit().len();
    let path = format!("/guilds/{GUILD}/prune");
    let pruned = case.bot(Method::POST, &path, json!({"days": 30})).json();
    let entries = case.audit()[before..].to_vec();
    let counts: Vec<u64> = entries
        .iter()
        .map(|e| {
            e["options"]["members_removed"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    assert_eq!(
        counts.iter().sum::<u64>(),
        pruned["pruned"].as_u64().unwrap()
    );
    assert_eq!(counts[..2], [1000, 1000]);
    assert_eq!(entries[0]["user_id"], json!(APPLICATION));
    for entry in &entries[1..] {
        let named: Id = entry["user_id"].as_str().unwrap().parse().unwrap();
        let gone = case
            .sandbox
            .with_world(|w| !w.guilds[&GUILD].members.contains_key(&named));
        assert!(gone, "{entry}");
    }
    case.finish();
}
