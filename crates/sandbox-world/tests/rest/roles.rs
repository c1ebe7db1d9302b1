//! Roles and the hierarchy.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{Id, Subscription};

use crate::harness::{Case, GUILD, code};

#[test]
fn roles_are_made_at_the_bottom_changed_and_deleted() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/roles");
    case.events();
    let made = case.bot(Method::POST, &path, json!({"name": "Crew", "permissions": perm::KICK_MEMBERS.to_string(), "color": 0x123456, "hoist": true}));
    assert_eq!(made.status, 200, "{}", made.json());
    let role = made.json();
    assert_eq!(
        (
            &role["position"],
            &role["color"],
            &role["colors"]["primary_color"]
        ),
        (&json!(1), &json!(0x123456), &json!(0x123456))
    );
    let id = role["id"].as_str().unwrap().to_owned();
    let events: Vec<_> = case.events().into_iter().map(|e| e.0).collect();
    assert_eq!(
        events,
        ["GUILD_ROLE_CREATE", "GUILD_AUDIT_LOG_ENTRY_CREATE"]
    );
    let renamed = case.bot(
        Method::PATCH,
        &format!("{path}/{id}"),
        json!({"name": "Sailors"}),
    );
    assert_eq!(renamed.json()["name"], "Sailors");
    let entry = case.audit().pop().unwrap();
    assert_eq!(
        entry["changes"],
        json!([{"key": "name", "old_value": "Crew", "new_value": "Sailors"}])
    );
    // Moving alone leaves no entry.
    let before = case.audit().len();
    let moved = case.bot(Method::PATCH, &path, json!([{"id": id, "position": 3}]));
    assert_eq!(moved.status, 200, "{}", moved.json());
    assert_eq!(case.audit().len(), before);
    case.bot(
        Method::PUT,
        &format!("/guilds/{GUILD}/members/{}/roles/{id}", small::MEMBER),
        Value::Null,
    );
    case.events();
    assert_eq!(
        case.bot(Method::DELETE, &format!("{path}/{id}"), Value::Null)
            .status,
        204
    );
    let events = case.events();
    assert_eq!(
        events[0],
        (
            "GUILD_ROLE_DELETE",
            json!({"guild_id": GUILD, "role_id": id})
        )
    );
    assert_eq!(events[1].0, "GUILD_MEMBER_UPDATE");
    assert_eq!(case.audit().pop().unwrap()["action_type"], 32);
    case.finish();
}

#[test]
fn nobody_reaches_above_themselves() {
    let case = Case::unlimited();
    let (admin, bot) = (case.role("Administrator"), case.role("Splashtail"));
    let path = format!("/guilds/{GUILD}/roles");
    let as_admin = |method, path: String, body| case.user(small::ADMIN, method, &path, body);
    // Own top role, managed role, @everyone.
    assert_eq!(
        code(&as_admin(
            Method::PATCH,
            format!("{path}/{admin}"),
            json!({"name": "x"})
        )),
        50013
    );
    assert_eq!(
        code(&as_admin(
            Method::DELETE,
            format!("{path}/{bot}"),
            Value::Null
        )),
        50013
    );
    let by_owner = case.user(
        small::OWNER,
        Method::DELETE,
        &format!("{path}/{bot}"),
        Value::Null,
    );
    assert_eq!((by_owner.status, code(&by_owner)), (400, 50028));
    assert_eq!(
        code(&case.user(
            small::OWNER,
            Method::DELETE,
            &format!("{path}/{GUILD}"),
            Value::Null
        )),
        50028
    );
    // Only permissions one has.
    let regular = case.role("Regular");
    let grant = |bits: u64| {
        code(&case.bot(
            Method::PATCH,
            &format!("{path}/{regular}"),
            json!({"permissions": bits.to_string()}),
        ))
    };
    assert_eq!(grant(perm::ADMINISTRATOR), 50013);
    assert_eq!(
        code(&case.user(small::MEMBER, Method::POST, &path, json!({}))),
        50013
    );
    assert_eq!(code(&case.get(&format!("{path}/1"))), 10011);
    assert_eq!(
        code(&case.bot(
            Method::PUT,
            &format!("/guilds/{GUILD}/members/{}/roles/{bot}", small::MEMBER),
            Value::Null
        )),
        50013
    );
    let by_owner = case.user(
        small::OWNER,
        Method::PUT,
        &format!("/guilds/{GUILD}/members/{}/roles/{bot}", small::MEMBER),
        Value::Null,
    );
    assert_eq!(code(&by_owner), 50028);
    case.finish();
}

#[test]
fn a_whole_order_can_be_given_at_once() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/roles");
    let made: Vec<String> = (0..6)
        .map(|n| {
            case.bot(Method::POST, &path, json!({"name": n.to_string()}))
                .json()["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    // All were made at position 1; the first reordering numbers all roles anew (discord.js#3175).
    let first = json!([{"id": made[0], "position": 1}]);
    assert_eq!(case.bot(Method::PATCH, &path, first).status, 200);
    for order in [[3, 0, 5, 1, 4, 2], [0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]] {
        let wanted: Vec<Value> = order
            .iter()
            .enumerate()
            .map(|(at, n)| json!({"id": made[*n], "position": at + 1}))
            .collect();
        let mut whole = vec![json!({"id": GUILD, "position": 0})];
        whole.extend(wanted);
        let roles = case.bot(Method::PATCH, &path, json!(whole)).json();
        let mut got: Vec<(i64, usize)> = roles
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|r| {
                Some((
                    r["position"].as_i64()?,
                    made.iter().position(|m| r["id"] == json!(m))?,
                ))
            })
            .collect();
        got.sort_unstable();
        assert_eq!(got.iter().map(|g| g.1).collect::<Vec<_>>(), order);
        assert_eq!(got[0].0, 1);
    }
    case.finish();
}

#[test]
fn unknown_permission_bits_are_kept() {
    let case = Case::unlimited();
    let odd = (1u64 << 60) | perm::VIEW_CHANNEL;
    let made = case.user(
        small::OWNER,
        Method::POST,
        &format!("/guilds/{GUILD}/roles"),
        json!({"permissions": odd.to_string()}),
    );
    assert_eq!(made.json()["permissions"], odd.to_string());
    case.finish();
}

#[test]
fn a_guild_has_at_most_250_roles() {
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/roles");
    let have = case.get(&path).json().as_array().unwrap().len();
    for _ in have..250 {
        assert_eq!(case.bot(Method::POST, &path, json!({})).status, 200);
    }
    let over = case.bot(Method::POST, &path, json!({}));
    assert_eq!((over.status, code(&over)), (400, 30005));
    case.finish();
}

// Role object, "Role Tags Structure": booleans are null when they are so, and absent otherwise.
#[test]
fn tags_say_what_a_role_is_bound_to() {
    let case = Case::unlimited();
    let (regular, muted) = (case.role("Regular"), case.role("Muted"));
    case.sandbox.with_world(|w| {
        let roles = &mut w.guilds.get_mut(&GUILD).unwrap().roles;
        roles.get_mut(&regular).unwrap().booster = true;
        roles.get_mut(&muted).unwrap().subscription = Some(Subscription {
            integration: Id(7),
            listing: Id(8),
            purchasable: true,
        });
    });
    let tags = |role: Id| {
        let path = format!("/guilds/{GUILD}/roles/{role}");
        case.get(&path).json()["tags"].clone()
    };
    assert_eq!(tags(regular), json!({"premium_subscriber": null}));
    let sold = json!({"integration_id": "7", "subscription_listing_id": "8",
        "available_for_purchase": null});
    assert_eq!(tags(muted), sold);
    assert_eq!(tags(GUILD), Value::Null);
    case.finish();
}

// A linked role comes by a connection, whichever way it would be given (50028); it can be taken.
#[test]
fn nobody_gives_a_linked_role_by_hand() {
    let case = Case::unlimited();
    let regular = case.role("Regular");
    let member = format!("/guilds/{GUILD}/members/{}", small::SPARE);
    case.sandbox.with_world(|w| {
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        guild.roles.get_mut(&regular).unwrap().linked = true;
    });
    let one = format!("{member}/roles/{regular}");
    let given = case.bot(Method::PUT, &one, Value::Null);
    assert_eq!((given.status, code(&given)), (400, 50028));
    let listed = case.bot(Method::PATCH, &member, json!({"roles": [regular]}));
    assert_eq!(code(&listed), 50028);
    case.sandbox.with_world(|w| {
        w.edit_member(GUILD, small::SPARE, |m| {
            m.roles.insert(regular);
        });
    });
    assert_eq!(case.bot(Method::DELETE, &one, Value::Null).status, 204);
    case.finish();
}
