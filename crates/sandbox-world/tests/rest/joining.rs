//! How people get in: invites and vanity addresses decide, and where members are approved by hand a
//! request waits for its verdict (discord-api-docs#8531).

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::people;
use splashtail_sandbox_world::seed::small::{self, APPLICATION};
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{Door, Id, User, intent};

use crate::harness::{Case, GUILD, code};

const STRANGER: Id = Id(1_250_000_000_000_000_000);

fn strangers(case: &Case, count: u64) -> Vec<Id> {
    let ids: Vec<Id> = (0..count).map(|n| Id(STRANGER.0 + n)).collect();
    case.sandbox.with_world(|w| {
        for id in &ids {
            w.users.insert(*id, User::new(*id, "stranger"));
        }
    });
    ids
}

/// Enters and answers the error's code, 0 for success.
fn enter(case: &Case, user: Id, door: Door<'_>) -> i64 {
    let joined = case
        .sandbox
        .with_world(|w| people::join(w, user, door, "please"));
    joined.map_or_else(|error| error.code, |_| 0)
}

fn invite(case: &Case, body: Value) -> Value {
    let general = case.channel("general");
    let path = format!("/channels/{general}/invites");
    let made = case.user(small::OWNER, Method::POST, &path, body);
    assert_eq!(made.status, 200, "{}", made.json());
    made.json()
}

fn uses(case: &Case, code: &str) -> Option<Value> {
    let path = format!("/guilds/{GUILD}/invites");
    let list = case
        .user(small::OWNER, Method::GET, &path, Value::Null)
        .json();
    let all = list.as_array().unwrap().iter();
    all.clone()
        .find(|i| i["code"] == code)
        .map(|i| i["uses"].clone())
}

#[test]
fn an_invite_counts_its_uses_and_goes_with_the_last() {
    let case = Case::unlimited();
    let made = invite(&case, json!({"max_uses": 2}));
    let code = made["code"].as_str().unwrap();
    let people = strangers(&case, 3);
    case.events();
    assert_eq!(enter(&case, people[0], Door::Code(code)), 0);
    assert_eq!(uses(&case, code), Some(json!(1)));
    assert_eq!(
        enter(&case, people[0], Door::Code(code)),
        0,
        "there already"
    );
    assert_eq!(uses(&case, code), Some(json!(1)), "and not counted");
    assert_eq!(enter(&case, people[1], Door::Code(code)), 0);
    assert_eq!(uses(&case, code), None);
    assert!(
        case.events()
            .iter()
            .any(|(kind, _)| *kind == "INVITE_DELETE")
    );
    assert_eq!(enter(&case, people[2], Door::Code(code)), 10006);
    case.finish();
}

#[test]
fn deleted_expired_and_paused_invites_let_nobody_in() {
    let case = Case::unlimited();
    let people = strangers(&case, 4);
    let short = invite(&case, json!({"max_age": 60}));
    let short = short["code"].as_str().unwrap();
    let gone = invite(&case, json!({"max_age": 0}));
    let gone = gone["code"].as_str().unwrap();
    let path = format!("/invites/{gone}");
    assert_eq!(
        case.user(small::OWNER, Method::DELETE, &path, Value::Null)
            .status,
        200
    );
    assert_eq!(enter(&case, people[0], Door::Code(gone)), 10006);
    let pause = json!({"invites_disabled_until": "2026-03-01T20:00:00+00:00"});
    let incidents = format!("/guilds/{GUILD}/incident-actions");
    assert_eq!(case.bot(Method::PUT, &incidents, pause).status, 200);
    assert_ne!(enter(&case, people[1], Door::Code(short)), 0);
    // Guild resource, "Modify Guild Incident Actions": what is left out is lifted.
    let other = json!({"dms_disabled_until": "2026-03-01T20:00:00+00:00"});
    let after = case.bot(Method::PUT, &incidents, other).json();
    assert_eq!(after["invites_disabled_until"], Value::Null);
    assert_eq!(enter(&case, people[1], Door::Code(short)), 0);
    case.advance_ms(61_000);
    assert_eq!(enter(&case, people[2], Door::Code(short)), 10006);
    case.finish();
}

#[test]
fn a_vanity_code_lets_people_in_and_an_invite_may_give_roles() {
    // discord-api-docs#8228
    let case = Case::unlimited();
    let people = strangers(&case, 2);
    case.sandbox.with_world(|w| {
        w.guilds.get_mut(&GUILD).unwrap().vanity_url_code = Some("harbour".into());
    });
    assert_eq!(enter(&case, people[0], Door::Code("harbour")), 0);
    let vanity = case.get(&format!("/guilds/{GUILD}/vanity-url")).json();
    assert_eq!(vanity, json!({"code": "harbour", "uses": 1}));
    // Whoever comes another way has not used it.
    let lost = strangers(&case, 3)[2];
    assert_eq!(enter(&case, lost, Door::Guild(GUILD)), 0);
    let vanity = case.get(&format!("/guilds/{GUILD}/vanity-url")).json();
    assert_eq!(vanity["uses"], 1);
    let regular = case.role("Regular");
    let made = invite(&case, json!({"role_ids": [regular]}));
    assert_eq!(made["roles"][0]["id"], json!(regular));
    assert_eq!(
        enter(&case, people[1], Door::Code(made["code"].as_str().unwrap())),
        0
    );
    let member = case
        .get(&format!("/guilds/{GUILD}/members/{}", people[1]))
        .json();
    assert_eq!(member["roles"], json!([regular]));
    case.finish();
}

fn by_hand(case: &Case) {
    case.sandbox.with_world(|w| {
        let features = &mut w.guilds.get_mut(&GUILD).unwrap().features;
        features.insert("MEMBER_VERIFICATION_GATE_ENABLED".into());
        features.insert("MEMBER_VERIFICATION_MANUAL_APPROVAL".into());
    });
}

#[test]
fn where_members_are_approved_by_hand_a_request_waits_for_one_verdict() {
    let case = Case::unlimited();
    by_hand(&case);
    let people = strangers(&case, 3);
    case.events();
    for user in &people {
        assert_eq!(enter(&case, *user, Door::Guild(GUILD)), 0);
        assert_eq!(enter(&case, *user, Door::Guild(GUILD)), 0, "asked once");
    }
    let told = case.events_for(APPLICATION, intent::GUILD_MODERATION);
    assert_eq!(
        told.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        ["GUILD_JOIN_REQUEST_CREATE"; 3]
    );
    let path = format!("/guilds/{GUILD}/requests");
    let list = case.get(&format!("{path}?status=SUBMITTED&limit=2")).json();
    assert_eq!(list["total"], 3);
    assert_eq!(
        list["guild_join_requests"][0]["user_id"],
        json!(people[2]),
        "newest first"
    );
    let of = |user: Id| {
        let all = case.get(&path).json();
        let all = all["guild_join_requests"].as_array().unwrap().clone();
        let one = all.iter().find(|r| r["user_id"] == json!(user));
        one.map(|r| r["id"].as_str().unwrap().to_owned()).unwrap()
    };
    let verdict = |user: Id, action: &str| {
        let body = json!({"action": action, "rejection_reason": "too new"});
        case.bot(Method::PATCH, &format!("{path}/{}", of(user)), body)
    };
    assert_eq!(
        verdict(people[0], "APPROVED").json()["application_status"],
        "APPROVED"
    );
    let refused = verdict(people[1], "REJECTED").json();
    assert_eq!(refused["rejection_reason"], "too new");
    let second = verdict(people[1], "APPROVED");
    assert_eq!(
        (second.status, &second.json()["application_status"]),
        (200, &json!("REJECTED"))
    );
    let members = case.sandbox.with_world(|w| {
        let members = &w.guilds[&GUILD].members;
        people
            .iter()
            .map(|p| members.contains_key(p))
            .collect::<Vec<_>>()
    });
    assert_eq!(members, [true, false, false]);
    case.sandbox
        .with_world(|w| people::withdraw(w, people[2], GUILD))
        .unwrap();
    let told = case.events_for(APPLICATION, intent::GUILD_MODERATION);
    assert!(
        told.iter()
            .any(|(kind, _)| *kind == "GUILD_JOIN_REQUEST_DELETE")
    );
    case.finish();
}

#[test]
fn requests_are_for_those_who_may_kick() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/requests");
    let answer = case.user(small::MEMBER, Method::GET, &path, Value::Null);
    assert_eq!((answer.status, code(&answer)), (403, 50013));
    let body = json!({"action": "APPROVED"});
    assert_eq!(
        case.bot(Method::PATCH, &format!("{path}/1"), body).status,
        404
    );
    case.finish();
}

#[test]
fn roles_by_onboarding_look_like_grants_to_oneself() {
    // discord-api-docs#6807
    let case = Case::unlimited();
    let regular = case.role("Regular");
    let roles = [regular].into();
    let taken = case
        .sandbox
        .with_world(|w| people::take_for_oneself(w, small::MEMBER, GUILD, &roles));
    taken.unwrap();
    let entry = case.audit().pop().unwrap();
    assert_eq!(entry["action_type"], 25);
    assert_eq!(
        (&entry["user_id"], &entry["target_id"]),
        (&json!(small::MEMBER), &json!(small::MEMBER))
    );
    assert_eq!(entry["changes"][0]["key"], "$add");
    let bits = case
        .sandbox
        .with_world(|w| w.permissions_of(GUILD, small::MEMBER));
    assert_eq!(bits & perm::MANAGE_ROLES, 0, "who may give no roles");
    case.finish();
}
