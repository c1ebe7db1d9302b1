//! Pruning messages of a simulated server.

use crate::support::Jobserver;
use crate::support::server::{GUILD, OWNER, World, world};
use serde_json::{Value, json};
use splashtail_core::ids::TaskId;
use splashtail_storage::TaskState;

const SPAMMER: &str = "1100000000000000013";
const OTHER: &str = "1100000000000000014";

async fn order(server: &Jobserver, world: &World, options: Value) -> TaskId {
    order_by(server, world, json!({"CallerPermissions": "8"}), options).await
}

async fn order_by(server: &Jobserver, world: &World, caller: Value, options: Value) -> TaskId {
    let mut data = json!({"ServerID": GUILD, "Options": options,
                          "KnownChannels": world.known_channels().await});
    let told = data.as_object_mut().unwrap();
    told.extend(caller.as_object().unwrap().clone());
    let client = server.client();
    let created = client.create_task("message_prune", data, true, None).await;
    created.unwrap().task_id
}

/// The report: channel and messages.
async fn prune(server: &Jobserver, world: &World, options: Value) -> Value {
    let id = order(server, world, options).await;
    server.document(id).await
}

async fn post(world: &World, user: &str, channel: &str, text: &str) -> String {
    let path = format!("/channels/{channel}/messages");
    let posted = world
        .rest(user, "POST", &path, json!({"content": text}))
        .await;
    posted["id"].as_str().unwrap().to_owned()
}

async fn newest(world: &World, channel: &str, query: &str) -> Vec<Value> {
    let path = format!("/channels/{channel}/messages?limit=100{query}");
    let listed = world.rest(OWNER, "GET", &path, Value::Null).await;
    listed.as_array().unwrap().clone()
}

async fn channel(world: &World, name: &str) -> String {
    let channels = world.channels().await;
    let found = channels.iter().find(|channel| channel["name"] == name);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

fn ids(messages: &Value) -> Vec<&str> {
    let messages = messages.as_array().unwrap().iter();
    messages
        .map(|message| message["id"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn young_messages_of_one_user_go_together_and_the_rest_stays() {
    let world = world().await;
    let server = world.setup.start().await;
    let general = channel(&world, "general").await;
    let mut spam = Vec::new();
    let mut kept = Vec::new();
    for n in 0..5 {
        spam.push(post(&world, SPAMMER, &general, &format!("spam {n}")).await);
        kept.push(post(&world, OTHER, &general, &format!("talk {n}")).await);
    }
    let pinned = post(&world, SPAMMER, &general, "spam that is worth keeping").await;
    let pin = format!("/channels/{general}/messages/pins/{pinned}");
    world.rest(OWNER, "PUT", &pin, Value::Null).await;

    let options = json!({"UserID": SPAMMER, "PruneFrom": "1h", "DryRun": true});
    let plan = prune(&server, &world, options).await;
    spam.reverse();
    assert_eq!(ids(&plan[&general]), spam, "newest first");
    let before = world.effects().await;

    let options = json!({"UserID": SPAMMER, "PruneFrom": "1h", "Reason": "spam wave"});
    let id = order(&server, &world, options).await;
    let report = server.document(id).await;
    assert_eq!(ids(&report[&general]), spam);
    assert_eq!(report.as_object().unwrap().len(), 1, "{report}");
    assert_eq!(
        world.effects().await - before,
        1,
        "one call for all of them"
    );
    let left = newest(&world, &general, "").await;
    let left: Vec<_> = left
        .iter()
        .map(|message| message["id"].as_str().unwrap())
        .collect();
    assert!(spam.iter().all(|id| !left.contains(&id.as_str())));
    assert!(
        kept.iter()
            .chain([&pinned])
            .all(|id| left.contains(&id.as_str()))
    );
    let row = server.row(id).await;
    assert_eq!(row.output.unwrap().filename, "pruned-messages.txt");
    assert_eq!(row.advance.unwrap().what, "messages");
}

/// What is older than two weeks is refused in bulk; and a page without a match ended the channel.
#[tokio::test(flavor = "multi_thread")]
async fn old_messages_go_one_by_one_however_deep_they_are() {
    let world = world().await;
    let server = world.setup.start().await;
    let archive = channel(&world, "archive").await;
    let first = newest(&world, &archive, "").await;
    let last = first.last().unwrap()["id"].as_str().unwrap();
    let second = newest(&world, &archive, &format!("&before={last}")).await;
    let wanted = &second[40];
    let text = wanted["content"].as_str().unwrap();
    let options = json!({"Channels": [archive], "Contains": text, "PruneFrom": "520w",
                         "MaxMessages": 1, "RolloverLeftovers": true});
    let report = prune(&server, &world, options).await;
    let gone = ids(&report[&archive]);
    assert_eq!(gone.len(), 1, "{report}");
    let wanted = wanted["id"].as_str().unwrap();
    // Talk repeats itself; the newest one that says so goes.
    assert!(gone[0] >= wanted, "{gone:?} {wanted}");

    let options = json!({"Channels": [archive], "MaxMessages": 3, "PruneFrom": "520w"});
    let report = prune(&server, &world, options).await;
    let expected: Vec<_> = newest_ids(&first, &gone, 3);
    assert_eq!(ids(&report[&archive]), expected);
}

fn newest_ids(messages: &[Value], gone: &[&str], count: usize) -> Vec<String> {
    let ids = messages
        .iter()
        .map(|message| message["id"].as_str().unwrap());
    ids.filter(|id| !gone.contains(id))
        .take(count)
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_manage_messages_nothing_is_begun() {
    let world = world().await;
    let server = world.setup.start().await;
    // View Channel and Read Message History.
    world.limit_bot(1 << 10 | 1 << 16).await;
    let id = order(&server, &world, json!({})).await;
    let row = server.ended(id).await;
    assert_eq!(row.state, TaskState::Failed);
    let last = server.log(id).await.pop().unwrap();
    assert_eq!(last.extra["code"], "missing_permissions", "{last:?}");
    assert!(last.msg.contains("Manage Messages"), "{last:?}");
    assert_eq!(world.effects().await, 0);
}

/// The bot may delete everywhere; whoever orders it may not.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_where_the_caller_may_not_delete() {
    let world = world().await;
    let server = world.setup.start().await;
    let general = channel(&world, "general").await;
    let path = format!("/guilds/{GUILD}/channels");
    let closed = json!({"name": "closed", "type": 0});
    let closed = world.rest(OWNER, "POST", &path, closed).await["id"].clone();
    let closed = closed.as_str().unwrap();
    let path = format!("/guilds/{GUILD}/roles");
    let role = json!({"name": "Sweepers", "permissions": (1_u64 << 13).to_string()});
    let role = world.rest(OWNER, "POST", &path, role).await["id"].clone();
    let role = role.as_str().unwrap();
    let path = format!("/guilds/{GUILD}/members/{OTHER}/roles/{role}");
    world.rest(OWNER, "PUT", &path, Value::Null).await;
    let path = format!("/channels/{closed}/permissions/{role}");
    let deny = json!({"type": 0, "allow": "0", "deny": (1_u64 << 13).to_string()});
    world.rest(OWNER, "PUT", &path, deny).await;
    let open = post(&world, SPAMMER, &general, "spam").await;
    post(&world, SPAMMER, closed, "spam").await;

    let options = json!({"UserID": SPAMMER, "PruneFrom": "1h"});
    let caller = json!({"CallerID": OTHER, "CallerPermissions": (1_u64 << 13).to_string()});
    let id = order_by(&server, &world, caller, options.clone()).await;
    let report = server.document(id).await;
    assert_eq!(report.as_object().unwrap().len(), 1, "{report}");
    assert_eq!(ids(&report[&general]), [open]);
    assert_eq!(newest(&world, closed, "").await.len(), 1);

    let stranger = json!({"CallerID": "1100000000000999999", "CallerPermissions": "8192"});
    let id = order_by(&server, &world, stranger, options).await;
    assert_eq!(server.ended(id).await.state, TaskState::Failed);
    let last = server.log(id).await.pop().unwrap();
    assert_eq!(last.extra["code"], "missing_permissions", "{last:?}");
}

/// What one jobserver deleted, its successor reports; and it deletes nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_successor_goes_on_where_a_killed_one_was() {
    let world = world().await;
    let server = world.setup.start().await;
    let archive = channel(&world, "archive").await;
    let before = newest(&world, &archive, "").await;
    let options = json!({"Channels": [archive], "MaxMessages": 20, "PruneFrom": "520w"});
    let id = order(&server, &world, options).await;
    while world.effects().await < 4 {
        assert!(!server.has_ended(id).await, "it was too quick to be killed");
        tokio::task::yield_now().await;
    }
    server.kill();
    let server = world.setup.start().await;
    let report = server.document(id).await;
    assert_eq!(ids(&report[&archive]), newest_ids(&before, &[], 20));
    let left = newest(&world, &archive, "").await;
    assert_eq!(
        left[0]["id"], before[20]["id"],
        "no more and no less than twenty"
    );
}
