use std::sync::Arc;

use serde_json::json;
use splashtail_sandbox::control::types::{Act, NewGuild, NewUser};
use splashtail_sandbox::gateway::Settings;
use splashtail_sandbox::server::{Running, start};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::seed::small::{GUILDS, MEMBER, OWNER};

use super::*;

async fn sandbox(world: &str) -> (Running, ControlClient) {
    let clock = Arc::new(SandboxClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let running = start(world, 1, clock, Settings::default(), true).await;
    let running = running.unwrap();
    let client = running.client().unwrap();
    (running, client)
}

async fn person(client: &ControlClient, username: &str, shown: &str) -> String {
    let wish = NewUser {
        username: Some(username.to_owned()),
        global_name: Some(shown.to_owned()),
        ..NewUser::default()
    };
    let made = client.create_user(&wish).await.unwrap();
    made["id"].as_str().unwrap().to_owned()
}

async fn server(client: &ControlClient, name: &str) -> String {
    let wish = NewGuild {
        name: name.to_owned(),
        owner_id: OWNER.to_string(),
        ..NewGuild::default()
    };
    let made = client.create_guild(&wish).await.unwrap();
    made["guild"]["id"].as_str().unwrap().to_owned()
}

fn refusal(found: Result<String>) -> String {
    found.unwrap_err().to_string()
}

#[tokio::test]
async fn the_last_of_a_large_world_is_found() {
    let (running, client) = sandbox("many").await;
    let last = GUILDS[0].0 + (2499 << 22);
    let found = guild(&client, "island 2499").await.unwrap();
    assert_eq!(found, last.to_string());
    assert_eq!(owner(&client, &found).await.unwrap(), OWNER.to_string());
    assert_eq!(
        first_guild(&client).await.unwrap(),
        Some(GUILDS[0].to_string())
    );
    let message = refusal(guild(&client, "land 249").await);
    assert!(
        message.contains("no server `land 249`; there are Island 249, Island 2490"),
        "{message}"
    );
    for n in 0..1001 {
        person(&client, &format!("guest{n}"), "Guest").await;
    }
    let latest = person(&client, "zora", "Zora of Zürich").await;
    assert_eq!(user(&client, "@zora").await.unwrap(), latest);
    assert_eq!(user(&client, "ZORA OF ZÜRICH").await.unwrap(), latest);
    let message = refusal(user(&client, "Guest").await);
    assert!(
        message.starts_with("1001 users are called `Guest`: guest0 (")
            && message.contains(", …; say which"),
        "{message}"
    );
    running.stop().await;
}

#[tokio::test]
async fn what_is_named_best_is_meant() {
    let (running, client) = sandbox("small").await;
    let quay = server(&client, "Quay").await;
    let loud = server(&client, "QUAY").await;
    let other = server(&client, "Quays").await;
    for (name, id) in [("Quay", &quay), ("QUAY", &loud), ("quays", &other)] {
        assert_eq!(guild(&client, name).await.unwrap(), *id, "{name}");
    }
    let message = refusal(guild(&client, "quay").await);
    assert!(
        message.contains(&format!("Quay ({quay}), QUAY ({loud})")),
        "{message}"
    );
    // A username is nobody else's.
    let ann = person(&client, "ann", "Bea").await;
    let bea = person(&client, "bea", "Ann").await;
    assert_eq!(user(&client, "ann").await.unwrap(), ann);
    assert_eq!(user(&client, "Ann").await.unwrap(), bea, "as it is written");
    assert_eq!(user(&client, "BEA").await.unwrap(), bea);
    // However many names somebody has.
    let wish = NewUser {
        username: Some("cleo".to_owned()),
        ..NewUser::default()
    };
    let plain = client.create_user(&wish).await.unwrap();
    let plain = plain["id"].as_str().unwrap().to_owned();
    let shown = person(&client, "dora", "Cleo").await;
    assert_eq!(user(&client, "Cleo").await.unwrap(), shown);
    assert_eq!(user(&client, "CLEO").await.unwrap(), plain, "a username");
    running.stop().await;
}

#[tokio::test]
async fn roles_of_one_name_are_no_user_of_that_name() {
    let (running, client) = sandbox("small").await;
    let (harbour, olivia) = (GUILDS[0].to_string(), OWNER.to_string());
    let named = async |name: &'static str, guild| role_or_user(&client, &olivia, guild, name).await;
    let twin = person(&client, "twin", "Twin").await;
    assert_eq!(named("twin", Some(&harbour)).await.unwrap(), twin);
    assert_eq!(named("twin", None).await.unwrap(), twin);
    for _ in 0..2 {
        let wish = Act {
            guild_id: Some(harbour.clone()),
            body: json!({"name": "twin"}),
            ..Act::default()
        };
        let made = client.act(&olivia, "create_role", &wish).await.unwrap();
        assert_eq!(made.results[0].status, 200);
    }
    let message = refusal(named("twin", Some(&harbour)).await);
    assert!(
        message.starts_with("2 roles are called `twin`"),
        "{message}"
    );
    for username in ["guest1", "guest2"] {
        person(&client, username, "Guest").await;
    }
    let message = refusal(named("Guest", Some(&harbour)).await);
    assert!(
        message.starts_with("2 users are called `Guest`"),
        "{message}"
    );
    let message = refusal(named("nobody", Some(&harbour)).await);
    assert!(
        message.starts_with("there is no role `nobody`"),
        "{message}"
    );
    let message = refusal(owner(&client, "77").await);
    assert!(
        message.starts_with("there is no server `77`; there are Harbour"),
        "{message}"
    );
    running.stop().await;
}

#[tokio::test]
async fn names_may_be_numbers_and_ids_may_be_nobodys() {
    let (running, client) = sandbox("small").await;
    let number = person(&client, "1984", "George").await;
    assert_eq!(user(&client, "1984").await.unwrap(), number);
    let member = MEMBER.to_string();
    let impostor = person(&client, &member, "Impostor").await;
    assert_eq!(user(&client, &member).await.unwrap(), member);
    assert_eq!(user(&client, "Impostor").await.unwrap(), impostor);
    assert_eq!(user(&client, "77").await.unwrap(), "77", "to be made yet");
    let harbour = GUILDS[0].to_string();
    let found = channel(&client, &member, Some(&harbour), "77").await;
    assert_eq!(found.unwrap(), "77", "the sandbox says that there is none");
    running.stop().await;
}

#[tokio::test]
async fn twins_are_told_apart_by_their_ids() {
    let (running, client) = sandbox("odd").await;
    let (odd, owner) = running.edge.sandbox.with_world(|world| {
        let guild = world.guilds.values().next().unwrap();
        (guild.id.to_string(), guild.owner_id.to_string())
    });
    let seen = async |name: &'static str| channel(&client, &owner, Some(&odd), name).await;
    let message = refusal(seen("twins").await);
    let (_, listed) = message
        .split_once("2 channels are called `twins`: twins (")
        .unwrap();
    let (first, _) = listed.split_once(')').unwrap();
    let found = channel(&client, &owner, Some(&odd), first).await;
    assert_eq!(found.unwrap(), first);
    assert!(seen("GENERAL").await.is_ok());
    let one = json!([{"id": "1", "name": " "}, {"id": "2", "name": "É"}]);
    let one: Vec<&Value> = one.as_array().unwrap().iter().collect();
    assert_eq!(one_of(SERVER, &one, "é").unwrap().as_deref(), Some("2"));
    assert_eq!(one_of(SERVER, &one, " ").unwrap().as_deref(), Some("1"));
    assert_eq!(one_of(SERVER, &one, "").unwrap(), None);
    running.stop().await;
}
