//! Who may put which bits into a channel's overwrites (channel resource, "Edit Channel Permissions"),
//! and who may move channels (guild resource, "Modify Guild Channel Positions").

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small::{self, APPLICATION};
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{Id, Overwrite, action};

use crate::harness::{Case, GUILD, code};

fn role_overwrite(case: &Case, channel: Id, role: Id, allow: u64, deny: u64) -> (u16, i64) {
    let path = format!("/channels/{channel}/permissions/{role}");
    let body = json!({"type": 0, "allow": allow.to_string(), "deny": deny.to_string()});
    let answer = case.bot(Method::PUT, &path, body);
    (answer.status, code(&answer))
}

/// A channel of its own, without a parent.
fn room(case: &Case, name: &str, body: Value) -> Id {
    let mut body = body;
    body["name"] = name.into();
    let made = case.user(
        small::OWNER,
        Method::POST,
        &format!("/guilds/{GUILD}/channels"),
        body,
    );
    assert_eq!(made.status, 201, "{}", made.json());
    made.json()["id"].as_str().unwrap().parse().unwrap()
}

fn put(case: &Case, channel: Id, overwrite: Overwrite) {
    case.sandbox.with_world(|w| {
        w.edit_channel(channel, |c| {
            c.overwrites.insert(overwrite.id, overwrite);
        });
    });
}

#[test]
fn what_counts_is_what_the_bot_holds_in_the_guild_so_it_can_undo_its_own_denial() {
    let case = Case::unlimited();
    let open = room(&case, "open", json!({}));
    let send = perm::SEND_MESSAGES;
    assert_eq!(role_overwrite(&case, open, GUILD, 0, send).0, 204);
    // Also where the denial strikes the bot itself, whose role allows nothing here.
    let bot_role = case.role("Splashtail");
    assert_eq!(role_overwrite(&case, open, bot_role, 0, send).0, 204);
    assert_eq!(role_overwrite(&case, open, bot_role, 0, 0).0, 204);
    assert_eq!(role_overwrite(&case, open, GUILD, 0, 0).0, 204);
    // Mention Everyone the bot does not hold anywhere.
    let unheld = role_overwrite(&case, open, GUILD, perm::PRIORITY_SPEAKER, 0);
    assert_eq!(unheld, (403, 50013));
    case.finish();
}

#[test]
fn with_a_parent_it_is_what_the_bot_holds_there() {
    let case = Case::unlimited();
    let hall = room(&case, "Hall", json!({"type": 4}));
    let inside = room(&case, "inside", json!({"parent_id": hall}));
    let bits = perm::KICK_MEMBERS | perm::ADD_REACTIONS;
    assert_eq!(role_overwrite(&case, inside, GUILD, 0, bits).0, 204);
    assert_eq!(role_overwrite(&case, inside, GUILD, 0, 0).0, 204);
    let own = Overwrite {
        id: APPLICATION,
        member: true,
        allow: 0,
        deny: perm::ADD_REACTIONS,
    };
    put(&case, hall, own);
    assert_eq!(
        role_overwrite(&case, inside, GUILD, 0, perm::ADD_REACTIONS),
        (403, 50013)
    );
    case.finish();
}

#[test]
fn an_overwrite_that_gives_manage_roles_lifts_the_rule_but_never_gives_itself() {
    let case = Case::unlimited();
    let open = room(&case, "open", json!({}));
    let lifting = Overwrite {
        id: APPLICATION,
        member: true,
        allow: perm::MANAGE_ROLES,
        deny: 0,
    };
    put(&case, open, lifting);
    let strange = perm::PRIORITY_SPEAKER;
    assert_eq!(role_overwrite(&case, open, GUILD, strange, 0).0, 204);
    assert_eq!(
        role_overwrite(&case, open, GUILD, strange | perm::MANAGE_ROLES, 0),
        (403, 50013),
        "only administrators set Manage Roles in channels"
    );
    case.finish();
}

#[test]
fn a_role_body_with_a_bit_the_bot_lacks_is_refused_even_unchanged() {
    // discord.js#5634
    let case = Case::unlimited();
    let path = format!("/guilds/{GUILD}/roles");
    let made = case.user(
        small::OWNER,
        Method::POST,
        &path,
        json!({"name": "loud", "permissions": perm::PRIORITY_SPEAKER.to_string()}),
    );
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let one = format!("{path}/{id}");
    let same = json!({"permissions": perm::PRIORITY_SPEAKER.to_string()});
    let answer = case.bot(Method::PATCH, &one, same);
    assert_eq!((answer.status, code(&answer)), (403, 50013));
    let renamed = case.bot(Method::PATCH, &one, json!({"name": "louder"}));
    assert_eq!(
        renamed.status, 200,
        "without the field there is nothing to hold"
    );
    let masked = case.bot(Method::PATCH, &one, json!({"permissions": "0"}));
    assert_eq!(masked.status, 200);
    case.finish();
}

#[test]
fn a_body_brings_at_most_a_hundred_overwrites() {
    // OpenAPI, `permission_overwrites`.
    let case = Case::nonsense();
    let open = room(&case, "open", json!({}));
    let list: Vec<Value> = (0..101)
        .map(|n| json!({"id": (1_300_000_000_000_000_000_u64 + n).to_string(), "type": 1}))
        .collect();
    let path = format!("/channels/{open}");
    let over = case.bot(Method::PATCH, &path, json!({"permission_overwrites": list}));
    assert_eq!((over.status, code(&over)), (400, 50035));
    let fits = json!({"permission_overwrites": list[..100]});
    assert_eq!(case.bot(Method::PATCH, &path, fits).status, 200);
    case.finish();
}

#[test]
fn a_channel_goes_only_where_the_bot_sees_and_manages() {
    let case = Case::unlimited();
    let (hall, cellar) = (
        room(&case, "Hall", json!({"type": 4})),
        room(&case, "Cellar", json!({"type": 4})),
    );
    let open = room(&case, "open", json!({}));
    let into = |parent: Id, position: i64| {
        let body = json!({"parent_id": parent, "position": position});
        case.bot(Method::PATCH, &format!("/channels/{open}"), body)
    };
    let before = case.sandbox.with_world(|w| w.channels[&open].position);
    let moved = into(hall, 77).json();
    assert_eq!(moved["parent_id"], json!(hall));
    assert_eq!(
        moved["position"], before,
        "a position beside another parent is ignored (discord-api-docs#5872)"
    );
    let own = |allow, deny| Overwrite {
        id: APPLICATION,
        member: true,
        allow,
        deny,
    };
    put(&case, cellar, own(0, perm::MANAGE_CHANNELS));
    let answer = into(cellar, 1);
    assert_eq!((answer.status, code(&answer)), (403, 50013));
    put(&case, cellar, own(0, perm::VIEW_CHANNEL));
    let answer = into(cellar, 1);
    assert_eq!((answer.status, code(&answer)), (403, 50001));
    case.finish();
}

#[test]
fn reordering_changes_one_parent_and_locks_with_manage_roles_and_entries() {
    // discord-api-docs#8485
    let case = Case::unlimited();
    let hall = room(&case, "Hall", json!({"type": 4}));
    let (one, two) = (room(&case, "one", json!({})), room(&case, "two", json!({})));
    let path = format!("/guilds/{GUILD}/channels");
    let both = json!([{"id": one, "parent_id": hall}, {"id": two, "parent_id": hall}]);
    let answer = case.bot(Method::PATCH, &path, both);
    assert_eq!((answer.status, code(&answer)), (400, 40009));
    let quiet = Overwrite {
        id: GUILD,
        member: false,
        allow: 0,
        deny: perm::SEND_MESSAGES,
    };
    put(&case, hall, quiet);
    let locked = json!([{"id": one, "parent_id": hall, "lock_permissions": true}]);
    assert_eq!(case.bot(Method::PATCH, &path, locked).status, 204);
    let last = case.audit().pop().unwrap();
    assert_eq!(last["action_type"], action::OVERWRITE_CREATE);
    assert_eq!(last["target_id"], json!(one));
    let barred = Overwrite {
        id: APPLICATION,
        member: true,
        allow: 0,
        deny: perm::MANAGE_ROLES,
    };
    put(&case, two, barred);
    let locked = json!([{"id": two, "parent_id": hall, "lock_permissions": true}]);
    let answer = case.bot(Method::PATCH, &path, locked);
    assert_eq!((answer.status, code(&answer)), (403, 50013));
    // "Your app can rely on their real values to reorder channels": hidden ones too.
    let vault = case.channel("vault");
    let answer = case.bot(Method::PATCH, &path, json!([{"id": vault, "position": 3}]));
    assert_eq!(answer.status, 204);
    case.finish();
}

#[test]
fn pruning_asks_for_an_administrator_where_the_owner_says_so() {
    // discord-api-docs#8540
    let case = Case::unlimited();
    let guild = format!("/guilds/{GUILD}");
    let features = |case: &Case| {
        let list = case.get(&guild).json()["features"].clone();
        let mut list: Vec<Value> = list.as_array().unwrap().clone();
        list.push("PRUNE_REQUIRES_ADMIN".into());
        json!({"features": list})
    };
    let wanted = features(&case);
    let answer = case.user(small::ADMIN, Method::PATCH, &guild, wanted.clone());
    assert_eq!(
        (answer.status, code(&answer)),
        (403, 50013),
        "only the owner"
    );
    assert_eq!(
        case.user(small::OWNER, Method::PATCH, &guild, wanted)
            .status,
        200
    );
    let count = case.get(&format!("{guild}/prune"));
    assert_eq!((count.status, code(&count)), (403, 50013));
    let prune = case.bot(Method::POST, &format!("{guild}/prune"), json!({}));
    assert_eq!((prune.status, code(&prune)), (403, 50013));
    let admin = case.user(
        small::ADMIN,
        Method::GET,
        &format!("{guild}/prune"),
        Value::Null,
    );
    assert_eq!(admin.status, 200);
    case.finish();
}

// "Requires the MANAGE_CHANNELS permission": where the channel goes, a category or the guild itself.
#[test]
fn channels_are_made_and_freed_by_those_who_manage_where_they_go() {
    let case = Case::unlimited();
    let cellar = room(&case, "Cellar", json!({"type": 4}));
    let inside = room(&case, "inside", json!({"parent_id": cellar}));
    let own = |allow, deny| Overwrite {
        id: APPLICATION,
        member: true,
        allow,
        deny,
    };
    put(&case, inside, own(perm::MANAGE_CHANNELS, 0));
    put(&case, cellar, own(0, perm::MANAGE_CHANNELS));
    let channels = format!("/guilds/{GUILD}/channels");
    let made = case.bot(
        Method::POST,
        &channels,
        json!({"name": "x", "parent_id": cellar}),
    );
    assert_eq!((made.status, code(&made)), (403, 50013));
    case.sandbox.with_world(|w| {
        let roles = w.guilds.get_mut(&GUILD).unwrap().roles.values_mut();
        roles.for_each(|r| r.permissions &= !perm::MANAGE_CHANNELS);
    });
    let path = format!("/channels/{inside}");
    let edit = |body: serde_json::Value| case.bot(Method::PATCH, &path, body);
    assert_eq!(edit(json!({"nsfw": true})).status, 200, "it may here");
    let freed = edit(json!({"parent_id": null}));
    assert_eq!((freed.status, code(&freed)), (403, 50013));
    case.finish();
}
