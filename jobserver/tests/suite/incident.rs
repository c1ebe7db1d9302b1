//! A backup when an attack begins: it is in nobody's way, and nobody but the bot orders one.

use crate::support::discord::{GUILD, error};
use crate::support::{Jobserver, setup};
use serde_json::{Value, json};

/// An order that begins at once; status and body of the answer.
async fn ordered(server: &Jobserver, client: &str, more: Value) -> (u16, Value) {
    let mut data = json!({"ServerID": GUILD.to_string(), "Options": {}});
    for (name, value) in more.as_object().unwrap() {
        data[name] = value.clone();
    }
    let body = json!({"args": {"name": "guild_create_backup", "data": data, "execute": true}});
    server
        .call_as(client, "create_task", body.to_string())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_an_incident_needs_no_slot() {
    let setup = setup();
    let server = setup.start().await;
    // Somebody's job has the slot for as long as Discord is away.
    setup.discord.intercept(|_| Some(error(503, 0, "away")));
    let (status, held) = ordered(&server, "bot", json!({})).await;
    assert_eq!(status, 200, "{held}");
    assert_eq!(ordered(&server, "bot", json!({})).await.0, 409);

    let incident = json!({"Incident": "1300000000000000001"});
    let (status, made) = ordered(&server, "bot", incident.clone()).await;
    assert_eq!(status, 200, "{made}");
    // Others say it in vain, in whatever spelling.
    for more in [incident.clone(), json!({"incident": "1300000000000000001"})] {
        assert_eq!(ordered(&server, "api", more).await.0, 409);
    }
    let (status, refused) = ordered(&server, "bot", json!({"Incident": "x"})).await;
    assert_eq!(
        (status, &refused["code"]),
        (400, &json!("invalid_incident"))
    );

    setup.discord.stop_intercepting();
    setup.wake().await;
    let id = made["tcr"]["task_id"].as_str().unwrap().parse().unwrap();
    let row = server.completed(id).await;
    assert_eq!(row.fields["Incident"], incident["Incident"]);
}
