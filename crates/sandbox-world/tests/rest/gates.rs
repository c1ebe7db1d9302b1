//! What newcomers may not do yet: verification levels and membership screening.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{BYPASSES_VERIFICATION, Id, Member, User};

use crate::harness::{Case, GUILD, code};

/// An account made an hour before noon of 2026-03-01, when every case begins.
const OLD: Id = Id(((1_772_362_800_000 - 1_420_070_400_000) << 22) | 1);
/// One made a minute before.
const YOUNG: Id = Id(((1_772_366_340_000 - 1_420_070_400_000) << 22) | 1);

/// A case with both in the guild, who have just joined.
fn crowd(level: u8) -> Case {
    let case = Case::unlimited();
    case.sandbox.with_world(|w| {
        w.guilds.get_mut(&GUILD).unwrap().verification_level = level;
        for id in [OLD, YOUNG] {
            w.users.insert(id, User::new(id, "newcomer"));
            assert!(w.add_member(GUILD, id));
        }
    });
    case
}

fn edit(case: &Case, user: Id, edit: impl FnOnce(&mut Member)) {
    case.sandbox
        .with_world(|w| w.edit_member(GUILD, user, edit));
}

fn say(case: &Case, user: Id) -> Response {
    let path = format!("/channels/{}/messages", case.channel("general"));
    case.user(user, Method::POST, &path, json!({"content": "hello"}))
}

// MEDIUM: "registered on Discord for longer than 5 minutes"; HIGH: "a member of the server for
// longer than 10 minutes"; VERY_HIGH: "a verified phone number". Code 50009.
#[test]
fn verification_levels_hold_newcomers_back() {
    for (level, old, young) in [(1, 200, 200), (2, 200, 403), (3, 403, 403), (4, 403, 403)] {
        let case = crowd(level);
        let said = [say(&case, OLD), say(&case, YOUNG)];
        assert_eq!(said.each_ref().map(|a| a.status), [old, young], "{level}");
        for answer in said.iter().filter(|a| a.status == 403) {
            assert_eq!(code(answer), 50009);
        }
        case.finish();
    }
}

#[test]
fn time_roles_and_moderators_lift_the_verification_level() {
    let case = crowd(3);
    let general = case.channel("general");
    let thread = format!("/channels/{general}/threads");
    let start = json!({"name": "mine", "type": 11});
    let opened = case.user(OLD, Method::POST, &thread, start);
    assert_eq!(code(&opened), 50009);
    let said = say(&case, small::MEMBER);
    assert_eq!(said.status, 200, "a member of long standing");
    let said = said.json();
    let at = said["id"].as_str().unwrap();
    let react = format!("/channels/{general}/messages/{at}/reactions/%F0%9F%91%8D/@me");
    assert_eq!(
        code(&case.user(OLD, Method::PUT, &react, Value::Null)),
        50009
    );
    let member = format!("/guilds/{GUILD}/members/{YOUNG}");
    let exempt = json!({"flags": BYPASSES_VERIFICATION});
    assert_eq!(case.bot(Method::PATCH, &member, exempt).status, 200);
    assert_eq!(say(&case, YOUNG).status, 200);
    case.advance_ms(600_000);
    assert_eq!(say(&case, OLD).status, 200, "ten minutes later");
    assert_eq!(case.user(OLD, Method::PUT, &react, Value::Null).status, 204);
    let guild = format!("/guilds/{GUILD}");
    case.bot(Method::PATCH, &guild, json!({"verification_level": 4}));
    assert_eq!(code(&say(&case, OLD)), 50009, "no telephone");
    let role = case.role("Regular");
    edit(&case, OLD, |m| m.roles = [role].into());
    assert_eq!(say(&case, OLD).status, 200, "a role");
    case.finish();
}

// "They will initially be restricted from doing any actions in the guild, and `pending` will be
// true"; once through, GUILD_MEMBER_UPDATE says false.
#[test]
fn screened_members_only_look() {
    let case = crowd(0);
    edit(&case, OLD, |m| m.pending = true);
    assert_eq!(code(&say(&case, OLD)), 50013);
    let page = format!("/channels/{}/messages", case.channel("general"));
    assert_eq!(case.user(OLD, Method::GET, &page, Value::Null).status, 200);
    case.events();
    let role = case.role("Regular");
    let given = format!("/guilds/{GUILD}/members/{OLD}/roles/{role}");
    assert_eq!(case.bot(Method::PUT, &given, Value::Null).status, 204);
    let (kind, member) = &case.events()[0];
    assert_eq!(
        (*kind, &member["pending"]),
        ("GUILD_MEMBER_UPDATE", &json!(false))
    );
    assert_eq!(
        say(&case, OLD).status,
        200,
        "a role stands for the screening"
    );
    case.finish();
}
