//! Bans, single and in bulk.

use http::Method;
use serde_json::json;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Id, User};

use super::accepts;
use crate::harness::{Case, GUILD, bot_header, code};

// Bans: delete_message_seconds 0–604800; at most 200 at once, with two permissions.
#[test]
fn bans_have_bounds() {
    let case = Case::unlimited();
    let ban = format!("/guilds/{GUILD}/bans/{}", small::SPARE);
    accepts(
        &case,
        &Method::PUT,
        &ban,
        &[
            (json!({"delete_message_seconds": 604_801}), 400),
            (json!({"delete_message_seconds": -1}), 400),
            (json!({"delete_message_seconds": 604_800}), 204),
            (json!({}), 204),
        ],
    );
    assert_eq!(
        case.audit()
            .iter()
            .filter(|e| e["action_type"] == 22)
            .count(),
        1,
        "a second ban changes nothing"
    );
    let reason = |text: &str| {
        let headers = [
            ("authorization", bot_header()),
            ("x-audit-log-reason", text),
        ];
        case.http(&headers, Method::PUT, &ban, &json!({}));
        case.get(&ban).json()["reason"].clone()
    };
    assert_eq!(reason("another"), json!(null), "the reason neither");
    let raiders: Vec<Id> = (0..201)
        .map(|n| Id(1_200_000_000_000_000_000 + n))
        .collect();
    case.sandbox.with_world(|w| {
        for id in &raiders {
            w.users.insert(*id, User::new(*id, "raider"));
        }
        let manager = w
            .guilds
            .get_mut(&GUILD)
            .unwrap()
            .roles
            .values_mut()
            .find(|r| r.name == "Manager")
            .unwrap();
        manager.permissions &= !(1 << 5);
        manager.permissions |= 1 << 2;
    });
    let bulk = format!("/guilds/{GUILD}/bulk-ban");
    assert_eq!(
        code(&case.user(
            small::MANAGER,
            Method::POST,
            &bulk,
            json!({"user_ids": [raiders[0]]})
        )),
        50013,
        "both permissions"
    );
    assert_eq!(
        code(&case.bot(Method::POST, &bulk, json!({"user_ids": raiders}))),
        50035
    );
    let most = case.bot(Method::POST, &bulk, json!({"user_ids": raiders[..200]}));
    assert_eq!(
        (
            most.status,
            most.json()["banned_users"].as_array().unwrap().len()
        ),
        (200, 200)
    );
    let list = |query: &str| case.get(&format!("/guilds/{GUILD}/bans{query}"));
    assert_eq!(list("").json().as_array().unwrap().len(), 201);
    assert_eq!(
        (list("?limit=1000").status, code(&list("?limit=1001"))),
        (200, 50035)
    );
    case.finish();
}
