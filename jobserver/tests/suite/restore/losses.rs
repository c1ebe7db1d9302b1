//! What Discord refuses, or makes wait for long, costs nothing else.

use serde_json::{Value, json};
use splashtail_core::ids::TaskId;
use splashtail_sandbox_world::faults::{Action, Match, Rule};

use crate::restore::{channel_named, saved, state};
use crate::support::Jobserver;
use crate::support::server::{GUILD, OWNER, World, world};

const SPARE: &str = "1100000000000000014";

/// Who lost a role keeps what is new, unless told otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn surplus_goes_despite_losses_only_when_told() {
    let world = world().await;
    let server = world.setup.start().await;
    let roles = format!("/guilds/{GUILD}/roles");
    let old = world
        .rest(OWNER, "POST", &roles, json!({"name": "old"}))
        .await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let path = format!("{roles}/{}", old["id"].as_str().unwrap());
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    world
        .rest(OWNER, "POST", &roles, json!({"name": "new"}))
        .await;
    for (ignores, stays) in [(false, true), (true, false)] {
        let refused = Rule {
            matches: Match {
                method: Some("POST".to_owned()),
                route: Some("/guilds/{guild_id}/roles".to_owned()),
                ..Match::default()
            },
            action: Action::Status {
                status: 400,
                scope: None,
                retry_after: None,
                header_retry_after: None,
                html: false,
                body: Some(json!({"code": 30005, "message": "Maximum number of roles reached"})),
            },
            times: Some(1),
            probability: 1.0,
        };
        world.control.add_fault(&refused).await.unwrap();
        let options = json!({"BackupSource": source, "IgnoreRestoreErrors": ignores});
        let report = server.restore(&world, options).await;
        let is_there = world.roles().await.iter().any(|role| role["name"] == "new");
        assert_eq!(is_there, stays, "{report:#}");
    }
}

/// Whoever may restore gives nobody more than they have, whatever the backup says.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_gives_nobody_what_its_caller_lacks() {
    const KICK_MEMBERS: u64 = 1 << 1;
    let world = world().await;
    let server = world.setup.start().await;
    let roles = format!("/guilds/{GUILD}/roles");
    let strong = json!({"name": "strong", "permissions": (1u64 << 3 | KICK_MEMBERS).to_string()});
    let role = world.rest(OWNER, "POST", &roles, strong).await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let path = format!("{roles}/{}", role["id"].as_str().unwrap());
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let options = json!({"BackupSource": source});
    let id = server.order_restore_by(KICK_MEMBERS, &world, options).await;
    let report = server.document(id).await;
    let again = world.roles().await;
    let again = again.iter().find(|role| role["name"] == "strong").unwrap();
    assert_eq!(again["permissions"], KICK_MEMBERS.to_string(), "{report:#}");
    let left = report["not_restored"].as_array().unwrap();
    let told = |item: &&Value| item["code"] == "caller_lacks_permissions";
    assert!(
        left.iter()
            .any(|item| told(&item) && item["name"] == "strong")
    );
    let file = json!({"ServerID": GUILD, "CallerPermissions": "2", "Options":
        {"BackupSource": "https://cdn.discordapp.com/attachments/1/2/a.iblfile"}});
    let body = json!({"args": {"name": "guild_restore_backup", "data": file}});
    let (status, answer) = server.call("create_task", body.to_string()).await;
    assert_eq!((status, &answer["code"]), (400, &json!("file_not_allowed")));
}

/// A restore by the owner that waits two hours for a role.
async fn parked(world: &World, server: &Jobserver, source: &str) -> TaskId {
    let limited = Rule {
        matches: Match {
            method: Some("POST".to_owned()),
            route: Some("/guilds/{guild_id}/roles".to_owned()),
            ..Match::default()
        },
        action: Action::Status {
            status: 429,
            scope: Some("user".to_owned()),
            retry_after: Some(7200.0),
            header_retry_after: None,
            html: false,
            body: None,
        },
        times: Some(1),
        probability: 1.0,
    };
    world.control.add_fault(&limited).await.unwrap();
    let id = server
        .order_restore(world, json!({"BackupSource": source}))
        .await;
    let says = |line: &splashtail_storage::TaskLogEntry| line.msg.contains("wait for a limit");
    while !server.log(id).await.iter().any(says) {
        assert!(!server.has_ended(id).await, "{:#?}", server.log(id).await);
        tokio::task::yield_now().await;
    }
    id
}

/// Whoever gave the server away meanwhile is a member, and makes no role by a restore that they could not
/// reach.
#[tokio::test(flavor = "multi_thread")]
async fn a_former_owner_makes_no_role() {
    let world = world().await;
    let server = world.setup.start().await;
    let guild = format!("/guilds/{GUILD}");
    let roles = format!("{guild}/roles");
    let keeper = json!({"name": "keeper", "permissions": "0"});
    let keeper = world.rest(OWNER, "POST", &roles, keeper).await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let path = format!("{roles}/{}", keeper["id"].as_str().unwrap());
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let id = parked(&world, &server, &source).await;
    let heir = json!({"owner_id": SPARE});
    world.rest(OWNER, "PATCH", &guild, heir).await;
    let path = format!("{guild}/members/{OWNER}");
    world
        .rest(SPARE, "PATCH", &path, json!({"roles": []}))
        .await;
    server.kill();
    world.setup.wake().await;
    let server = world.setup.start().await;
    let report = server.document(id).await;
    let there = world.rest(SPARE, "GET", &roles, Value::Null).await;
    let mut there = there.as_array().unwrap().iter();
    assert!(there.all(|role| role["name"] != "keeper"), "{report:#}");
    let mut left = report["not_restored"].as_array().unwrap().iter();
    let named = left.any(|item| item["code"] == "caller_hierarchy" && item["name"] == "keeper");
    assert!(named, "{report:#}");
}

/// Cases 5 and 20 of the restore matrix: a limit of hours holds up what stands under it and nothing
/// else, and the job says so and waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_limit_holds_up_only_what_it_concerns() {
    let world = world().await;
    let mut server = world.setup.start().await;
    let guild = format!("/guilds/{GUILD}");
    let roles = format!("{guild}/roles");
    let role = world
        .rest(OWNER, "POST", &roles, json!({"name": "keeper"}))
        .await;
    let apart = json!({"name": "apart", "type": 0});
    let apart = world
        .rest(OWNER, "POST", &format!("{guild}/channels"), apart)
        .await;
    let before = state(&world).await;
    let (backup, source) = saved(&world, &server, json!({})).await;
    for path in [
        format!("{roles}/{}", role["id"].as_str().unwrap()),
        format!("/channels/{}", apart["id"].as_str().unwrap()),
    ] {
        world.rest(OWNER, "DELETE", &path, Value::Null).await;
    }
    let id = parked(&world, &server, &source).await;
    assert!(
        channel_named(&world, "apart").await.is_some(),
        "it does not depend on the role"
    );
    let named = |roles: Vec<Value>| roles.iter().any(|role| role["name"] == "keeper");
    assert!(!named(world.roles().await));
    assert!(!server.has_ended(id).await, "a limit never ends a job");

    server.kill();
    world.setup.wake().await;
    server = world.setup.start().await;
    let report = server.document(id).await;
    assert_eq!(state(&world).await, before, "{report:#}");
    assert_eq!(server.rest_of(&world, backup).await, [""; 0]);
}

/// Case 8 of the restore matrix: Discord does not take an overwrite for somebody who is gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_overwrite_for_nobody_costs_no_channel() {
    let world = world().await;
    let server = world.setup.start().await;
    let channels = format!("/guilds/{GUILD}/channels");
    let member = json!({"id": "1100000000000000013", "type": 1, "allow": "1024", "deny": "0"});
    let everyone = json!({"id": GUILD, "type": 0, "allow": "0", "deny": "2048"});
    let body = json!({"name": "crew", "permission_overwrites": [everyone, member]});
    let crew = world.rest(OWNER, "POST", &channels, body).await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let path = format!("/channels/{}", crew["id"].as_str().unwrap());
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let refusing = |method: &str, route: &str, code: u64| Rule {
        matches: Match {
            method: Some(method.to_owned()),
            route: Some(route.to_owned()),
            ..Match::default()
        },
        action: Action::Status {
            status: 400,
            scope: None,
            retry_after: None,
            header_retry_after: None,
            html: false,
            body: Some(json!({"code": code, "message": "Unknown role or user."})),
        },
        times: Some(1),
        probability: 1.0,
    };
    let create = refusing("POST", "/guilds/{guild_id}/channels", 50_035);
    world.control.add_fault(&create).await.unwrap();
    let put = "/channels/{channel_id}/permissions/{overwrite_id}";
    world
        .control
        .add_fault(&refusing("PUT", put, 10_013))
        .await
        .unwrap();
    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;
    let crew = channel_named(&world, "crew").await;
    let crew = crew.unwrap_or_else(|| panic!("{report:#}"));
    let overwrites = crew["permission_overwrites"].as_array().unwrap();
    assert_eq!(overwrites.len(), 1, "{report:#}");
    assert_eq!(overwrites[0]["deny"], "2048");
    let lines = report["lines"].to_string();
    assert!(lines.contains("1100000000000000013"), "{lines}");
}
