//! Many people are banned at once, and that is taken back.

use std::time::Duration;

use crate::support::Jobserver;
use crate::support::server::{BOT, GUILD, OWNER, World, unlimited};
use serde_json::{Value, json};
use splashtail_core::clock::Clock as _;
use splashtail_core::ids::TaskId;
use splashtail_sandbox::control::types::NewUser;
use splashtail_storage::TaskState;

const ADMINISTRATOR: &str = "1100000000000000011";
const PLAIN: &str = "1100000000000000013";
const SPARE: &str = "1100000000000000014";

async fn strangers(world: &World, count: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    for n in 0..count {
        let user = NewUser {
            username: Some(format!("raider{n}")),
            ..NewUser::default()
        };
        let user = world.control.create_user(&user).await.unwrap();
        ids.push(user["id"].as_str().unwrap().to_owned());
    }
    ids
}

async fn order(server: &Jobserver, by: &str, options: Value) -> TaskId {
    let data = json!({"ServerID": GUILD, "CallerID": by, "Options": options});
    let client = server.client();
    let created = client.create_task("mass_ban", data, true, None).await;
    created.unwrap().task_id
}

async fn bans(world: &World) -> Vec<Value> {
    let path = format!("/guilds/{GUILD}/bans?limit=1000");
    let list = world.rest(OWNER, "GET", &path, Value::Null).await;
    list.as_array().unwrap().clone()
}

fn banned(list: &[Value], user: &str) -> bool {
    list.iter().any(|ban| ban["user"]["id"] == user)
}

fn bulk_calls(world: &World) -> usize {
    let taken = world.taken_of_bot();
    taken
        .iter()
        .filter(|(_, route)| route.ends_with("/bulk-ban"))
        .count()
}

async fn take_roles(world: &World, user: &str) {
    let path = format!("/guilds/{GUILD}/members/{user}");
    world
        .rest(OWNER, "PATCH", &path, json!({"roles": []}))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_named_go_the_spared_stay_and_it_can_be_taken_back() {
    let world = unlimited("small").await;
    world.trust_bot().await;
    take_roles(&world, PLAIN).await;
    take_roles(&world, SPARE).await;
    let server = world.setup.start().await;
    let mut named = strangers(&world, 210).await;
    let raider = named[0].clone();
    named.extend([PLAIN, SPARE, OWNER, ADMINISTRATOR, BOT].map(str::to_owned));
    let options = json!({"Users": named, "Reason": "a raid", "DryRun": true});
    let before = bans(&world).await.len();
    let look = order(&server, ADMINISTRATOR, options.clone()).await;
    let plan = server.document(look).await;
    assert_eq!(plan["to_ban"].as_array().unwrap().len(), 212, "{plan:#}");
    let spared = plan["spared"].as_array().unwrap().iter();
    let spared: Vec<(&str, &str)> = spared
        .map(|one| (one["user"].as_str().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        spared,
        [(BOT, "itself"), (OWNER, "owner"), (ADMINISTRATOR, "caller")]
    );
    assert_eq!(bans(&world).await.len(), before, "nobody so far");

    // What was not shown is not done.
    let mut other = options.clone();
    other["DryRun"] = false.into();
    other["PlanHash"] = "0".repeat(64).into();
    let refused = order(&server, ADMINISTRATOR, other.clone()).await;
    assert_eq!(server.ended(refused).await.state, TaskState::Failed);
    assert_eq!(bans(&world).await.len(), before);

    other["PlanHash"] = plan["plan_hash"].clone();
    let ban = order(&server, ADMINISTRATOR, other).await;
    let done = server.document(ban).await;
    assert_eq!(done["banned"].as_array().unwrap().len(), 212, "{done:#}");
    let list = bans(&world).await;
    assert_eq!(list.len(), before + 212);
    assert!(banned(&list, &raider) && banned(&list, PLAIN));
    assert!(!banned(&list, ADMINISTRATOR));
    assert_eq!(bulk_calls(&world), 2, "200 a call");

    // Somebody is freed, and somebody banned anew.
    let path = format!("/guilds/{GUILD}/bans/{raider}");
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    world.rest(OWNER, "PUT", &path, json!({})).await;
    let path = format!("/guilds/{GUILD}/bans/{SPARE}");
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let looked = json!({"Undo": ban, "DryRun": true});
    let look = order(&server, ADMINISTRATOR, looked).await;
    let plan = server.document(look).await;
    assert_eq!(plan["to_free"].as_array().unwrap().len(), 210, "{plan:#}");
    assert_eq!(bans(&world).await.len(), before + 211, "nobody so far");
    let undo = order(&server, ADMINISTRATOR, json!({"Undo": ban})).await;
    let undone = server.document(undo).await;
    assert_eq!(undone["lifted"], 210, "{undone:#}");
    assert_eq!(undone["banned_anew"], json!([raider]));
    let list = bans(&world).await;
    assert_eq!(list.len(), before + 1);
    assert!(banned(&list, &raider));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_that_is_stopped_says_what_it_did() {
    let world = unlimited("small").await;
    // One by one, so that it can be stopped between two.
    world.limit_bot(1 << 2 | 1 << 7 | 1 << 10).await;
    let server = world.setup.start().await;
    let named = strangers(&world, 200).await;
    let before = bans(&world).await.len();
    let ban = order(&server, OWNER, json!({"Users": named})).await;
    while bans(&world).await.len() < before + 5 {
        tokio::task::yield_now().await;
    }
    // Where its report goes there is no place for now.
    let place = server.objects.join("tasks").join(ban.to_string());
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, b"in the way").unwrap();
    server.client().cancel_task(ban).await.unwrap();
    assert_eq!(server.row(ban).await.state, TaskState::Failed);
    // What was on its way is over, too, when the next one may begin.
    let look = json!({"Undo": ban, "DryRun": true});
    let plan = loop {
        let data = json!({"ServerID": GUILD, "CallerID": OWNER, "Options": look});
        match server
            .client()
            .create_task("mass_ban", data, true, None)
            .await
        {
            Ok(created) => break server.document(created.task_id).await,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    assert!(server.row(ban).await.output.is_none());
    std::fs::remove_file(&place).unwrap();
    let output = loop {
        match server.row(ban).await.output {
            Some(output) => break output,
            None => server.clock.sleep(Duration::from_millis(400)).await,
        }
    };
    let report = place.join(output.filename);
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let list = bans(&world).await;
    let of = |field: &str| -> Vec<String> {
        serde_json::from_value(report[field].clone()).unwrap_or_default()
    };
    let (done, unknown) = (of("banned"), of("unknown"));
    assert!(done.len() >= 4 && done.len() < 200, "{report:#}");
    assert!(done.iter().all(|user| banned(&list, user)), "{report:#}");
    assert!(unknown.len() <= 1, "{report:#}");
    assert_eq!(done.len() + unknown.len() + of("not_tried").len(), 200);
    assert!(of("not_tried").iter().all(|user| !banned(&list, user)));
    let free = plan["to_free"].as_array().unwrap().len();
    assert_eq!(free, list.len() - before, "{plan:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_ban_goes_on_and_without_manage_server_it_goes_one_by_one() {
    let world = unlimited("small").await;
    // Ban Members, View Audit Log, and nothing that bans in bulk.
    world.limit_bot(1 << 2 | 1 << 7 | 1 << 10).await;
    let server = world.setup.start().await;
    let named = strangers(&world, 40).await;
    let before = bans(&world).await.len();
    let ban = order(&server, OWNER, json!({"Users": named})).await;
    while bans(&world).await.len() < before + 5 {
        tokio::task::yield_now().await;
    }
    server.kill();
    let server = world.setup.start().await;
    let done = server.document(ban).await;
    assert_eq!(bans(&world).await.len(), before + 40);
    let all = done["banned"].as_array().unwrap().len();
    assert_eq!(all, 40, "{done:#}");
    assert_eq!(bulk_calls(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_servers_ban_or_none_is_not_taken_back() {
    let world = unlimited("small").await;
    let server = world.setup.start().await;
    let undo = json!({"Undo": TaskId::random()});
    let data = json!({"ServerID": GUILD, "CallerID": OWNER, "Options": undo});
    let refused = server
        .client()
        .create_task("mass_ban", data, true, None)
        .await;
    assert!(refused.unwrap_err().to_string().contains("no mass ban"));
}
