//! Who had which roles has them again, and who was banned is banned again.

use crate::support::Jobserver;
use crate::support::server::{GUILD, OWNER, World, world};
use serde_json::{Value, json};
use splashtail_core::clock::Clock as _;
use splashtail_core::ids::TaskId;
use splashtail_storage::{Edit, NewChange};

const ADMINISTRATOR: &str = "1100000000000000011";
const MEMBER: &str = "1100000000000000013";
const SPARE: &str = "1100000000000000014";

fn guild(rest: &str) -> String {
    format!("/guilds/{GUILD}{rest}")
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

async fn role_named(world: &World, name: &str) -> Value {
    let roles = world.roles().await;
    let found = roles.into_iter().find(|role| role["name"] == name);
    found.unwrap()
}

/// Case 28 of the restore matrix, and who had which role.
#[tokio::test(flavor = "multi_thread")]
async fn members_are_put_right_and_bans_when_chosen() {
    let world = world().await;
    let server = world.setup.start().await;
    let role = json!({"name": "Crew", "permissions": "0"});
    let role = world.rest(OWNER, "POST", &guild("/roles"), role).await;
    let member = guild(&format!("/members/{MEMBER}"));
    let crew = json!({"roles": [role["id"]], "nick": "Bosun"});
    world.rest(OWNER, "PATCH", &member, crew).await;
    let ban = guild(&format!("/bans/{SPARE}"));
    world.rest(OWNER, "PUT", &ban, Value::Null).await;
    let backup = server.backup(&world, json!({"BackupBans": true})).await;
    let source = format!("task://{backup}");

    // The role is deleted, the name taken, the ban lifted, somebody silenced.
    let path = guild(&format!("/roles/{}", id(&role)));
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    world
        .rest(OWNER, "PATCH", &member, json!({"nick": "hacked"}))
        .await;
    world.rest(OWNER, "DELETE", &ban, Value::Null).await;
    // What is new goes only when the members have what they had.
    let spam = json!({"name": "Spam", "permissions": "0"});
    world.rest(OWNER, "POST", &guild("/roles"), spam).await;
    // A changed name does not stand in the way of what was approved.
    let usual = json!({"BackupSource": source, "DryRun": true});
    let plan = server.restore(&world, usual).await;
    world
        .rest(OWNER, "PATCH", &member, json!({"nick": "hacked again"}))
        .await;
    let usual = json!({"BackupSource": source, "PlanHash": plan["plan_hash"]});
    let report = server.restore(&world, usual).await;
    let now = world.rest(OWNER, "GET", &member, Value::Null).await;
    let crew = role_named(&world, "Crew").await;
    assert_eq!(now["nick"], "hacked again", "names have to be chosen");
    assert_eq!(now["roles"], json!([crew["id"]]), "{report:#}");
    assert_eq!(
        (&report["members"], &report["bans"]),
        (&json!(1), &json!(0)),
        "bans have to be chosen"
    );
    let calls = world.taken_of_bot();
    let given = |(method, route): &(String, String)| {
        matches!(method.as_str(), "PATCH" | "PUT") && route.contains("/members/")
    };
    let deleted =
        |(method, route): &(String, String)| method == "DELETE" && route.contains("/roles/");
    let (given, deleted) = (
        calls.iter().rposition(given),
        calls.iter().position(deleted),
    );
    assert!(given.is_some() && given < deleted, "{calls:#?}");

    let options = json!({"BackupSource": source, "Parts": ["roles", "members", "bans"]});
    let reads = || {
        let single = |(method, route): &&(String, String)| {
            method == "GET" && route.ends_with("/members/{user_id}")
        };
        world.taken_of_bot().iter().filter(single).count()
    };
    let before = reads();
    let report = server.restore(&world, options.clone()).await;
    // The bot for two looks and the backup, and the one member once.
    assert_eq!(reads() - before, 4);
    let bans = world.rest(OWNER, "GET", &guild("/bans"), Value::Null).await;
    assert!(
        bans.as_array()
            .unwrap()
            .iter()
            .any(|ban| ban["user"]["id"] == SPARE),
        "{report:#}"
    );
    assert_eq!(
        (&report["members"], &report["bans"]),
        (&json!(1), &json!(1))
    );
    let now = world.rest(OWNER, "GET", &member, Value::Null).await;
    assert_eq!(now["nick"], "Bosun", "{report:#}");
    let mut again = options;
    again["DryRun"] = json!(true);
    let plan = server.restore(&world, again).await;
    let people = &plan["people"];
    assert_eq!(
        (&people["members"], &people["bans"]),
        (&json!([]), &json!([])),
        "{plan:#}"
    );
    assert_eq!(server.rest_of(&world, backup).await, [""; 0]);
}

/// Whoever orders it gives and takes nothing that stands at or above their own highest role.
#[tokio::test(flavor = "multi_thread")]
async fn a_moderator_gives_no_role_above_their_own() {
    let world = world().await;
    let server = world.setup.start().await;
    let mut made = Vec::new();
    for name in ["Least", "Own", "High"] {
        let role = json!({"name": name, "permissions": "0"});
        let role = world.rest(OWNER, "POST", &guild("/roles"), role).await;
        made.push(role["id"].clone());
    }
    let places = made.iter().zip(1..);
    let order: Value = places
        .map(|(id, position)| json!({"id": id, "position": position}))
        .collect();
    world.rest(OWNER, "PATCH", &guild("/roles"), order).await;
    let member = guild(&format!("/members/{MEMBER}"));
    let moderator = guild(&format!("/members/{SPARE}"));
    let all = json!({"roles": made});
    world.rest(OWNER, "PATCH", &member, all).await;
    let own = json!({"roles": [made[1]]});
    world.rest(OWNER, "PATCH", &moderator, own).await;
    let backup = server.backup(&world, json!({})).await;
    for gone in [&made[0], &made[2]] {
        let path = guild(&format!("/roles/{}", gone.as_str().unwrap()));
        world.rest(OWNER, "DELETE", &path, Value::Null).await;
    }

    let by = async |caller: Value| {
        let mut data = json!({"ServerID": GUILD, "KnownChannels": world.known_channels().await,
            "Options": {"BackupSource": format!("task://{backup}")}});
        data.as_object_mut()
            .unwrap()
            .extend(caller.as_object().unwrap().clone());
        let client = server.client();
        let created = client.create_task("guild_restore_backup", data, true, None);
        server.document(created.await.unwrap().task_id).await
    };
    let is_there = async |name: &str| {
        let roles = world.roles().await;
        roles.iter().any(|role| role["name"] == name)
    };
    let not_reached = |report: &Value| {
        let left = report["not_restored"].as_array().unwrap().iter();
        let why = left.filter(|item| item["code"] == "caller_hierarchy");
        why.map(|item| item["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // Who owned the server when the order was accepted, and who nobody says it was.
    let all = u64::MAX.to_string();
    let nobody = json!({"CallerPermissions": all});
    let report = by(nobody).await;
    assert_eq!(not_reached(&report), ["High", "Least"], "{report:#}");
    assert!(!is_there("Least").await);
    let former = json!({"CallerID": SPARE, "CallerPermissions": all});
    let report = by(former).await;
    assert_eq!(not_reached(&report), ["High"], "{report:#}");
    assert!(!is_there("High").await);
    let now = world.rest(OWNER, "GET", &member, Value::Null).await;
    let least = role_named(&world, "Least").await;
    assert!(
        now["roles"].as_array().unwrap().contains(&least["id"]),
        "{report:#}"
    );

    // What is alike in name and stands lower is another one.
    let fake = json!({"name": "High", "permissions": "0"});
    let fake = world.rest(OWNER, "POST", &guild("/roles"), fake).await;
    let moderator = json!({"CallerID": SPARE, "CallerPermissions": "8"});
    let report = by(moderator).await;
    assert_eq!(not_reached(&report), ["High"], "{report:#}");
    assert_eq!(
        report["ids"]["role"][made[2].as_str().unwrap()],
        Value::Null
    );
    let roles = world.roles().await;
    assert!(
        roles.iter().all(|role| role["id"] != fake["id"]),
        "it is new"
    );
    let owner = json!({"CallerID": OWNER, "CallerPermissions": all});
    let report = by(owner).await;
    assert!(is_there("High").await, "{report:#}");
    let now = world.rest(OWNER, "GET", &member, Value::Null).await;
    let high = role_named(&world, "High").await;
    assert!(
        now["roles"].as_array().unwrap().contains(&high["id"]),
        "{report:#}"
    );
}

/// The bot's settings give a role power.
async fn empower(server: &Jobserver, role: &str) {
    let (guild, at) = (GUILD.parse().unwrap(), server.clock.now());
    server.storage.guilds().ensure(guild, at).await.unwrap();
    let settings = server.storage.settings();
    let now = settings.read(guild, None).await.unwrap();
    let edit = Edit {
        setting: "guild_roles".to_owned(),
        entry: role.to_owned(),
        before: None,
        after: Some(json!({"role_id": role, "index": 1})),
    };
    let change = NewChange {
        guild,
        decided_on: now.version,
        by: OWNER.parse().unwrap(),
        way: "test",
        at,
        undoes: None,
        edits: &[edit],
    };
    settings.write(&change).await.unwrap();
}

/// The roles that they give power to.
async fn powerful(server: &Jobserver) -> Vec<String> {
    let settings = server.storage.settings();
    let now = settings.read(GUILD.parse().unwrap(), None).await.unwrap();
    now.rows.into_iter().map(|row| row.entry).collect()
}

/// A role that a member holds, in a backup, and the one that a restore made of it since.
async fn made_again(world: &World, server: &Jobserver) -> (TaskId, String, String) {
    let crew = json!({"name": "Crew", "permissions": "0"});
    let first = world.rest(OWNER, "POST", &guild("/roles"), crew).await;
    let member = guild(&format!("/members/{MEMBER}"));
    let roles = json!({"roles": [first["id"]]});
    world.rest(OWNER, "PATCH", &member, roles).await;
    let backup = server.backup(world, json!({})).await;
    delete_role(world, id(&first)).await;
    let source = json!({"BackupSource": format!("task://{backup}")});
    server.restore(world, source).await;
    let second = role_named(world, "Crew").await;
    assert_ne!(first["id"], second["id"]);
    (backup, id(&first).to_owned(), id(&second).to_owned())
}

async fn delete_role(world: &World, role: &str) {
    let path = guild(&format!("/roles/{role}"));
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
}

/// Settings go on with the role while it is made: by then it is power, which is the owner's to give.
#[tokio::test(flavor = "multi_thread")]
async fn what_settings_make_powerful_meanwhile_is_given_to_nobody() {
    let world = world().await;
    let server = world.setup.start().await;
    let (_, first, second) = made_again(&world, &server).await;
    let backup = server.backup(&world, json!({})).await;
    empower(&server, &first).await;
    delete_role(&world, &second).await;
    let data = json!({"ServerID": GUILD, "CallerID": ADMINISTRATOR, "CallerPermissions": "8",
        "KnownChannels": world.known_channels().await,
        "Options": {"BackupSource": format!("task://{backup}")}});
    let client = server.client();
    let created = client.create_task("guild_restore_backup", data, true, None);
    let report = server.document(created.await.unwrap().task_id).await;
    let third = role_named(&world, "Crew").await;
    assert_eq!(powerful(&server).await, [id(&third)]);
    let member = guild(&format!("/members/{MEMBER}"));
    let now = world.rest(OWNER, "GET", &member, Value::Null).await;
    assert_eq!(now["roles"], json!([]), "{report:#}");
    let mut left = report["not_restored"].as_array().unwrap().iter();
    assert!(
        left.any(|item| item["code"] == "settings_name_it"),
        "{report:#}"
    );
}

/// Though the plan deletes it: what is to go may yet stay.
#[tokio::test(flavor = "multi_thread")]
async fn settings_stay_with_a_role_that_is_there() {
    let world = world().await;
    let server = world.setup.start().await;
    let (backup, first, second) = made_again(&world, &server).await;
    empower(&server, &second).await;
    let path = guild(&format!("/roles/{second}"));
    let other = json!({"name": "Other"});
    world.rest(OWNER, "PATCH", &path, other).await;
    let source = json!({"BackupSource": format!("task://{backup}")});
    let report = server.restore(&world, source).await;
    let third = role_named(&world, "Crew").await;
    assert_eq!(report["ids"]["role"][&first], third["id"], "{report:#}");
    assert_ne!(third["id"], second);
    assert_eq!(powerful(&server).await, [second]);
}
