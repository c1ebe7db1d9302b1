//! Application commands.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox::seed::small;

use crate::harness::{Case, GUILD, code};

#[tokio::test]
async fn commands_are_upserted_and_replaced_in_bulk() {
    let case = Case::unlimited();
    for path in [
        format!("/applications/{}/commands", small::APPLICATION),
        format!(
            "/applications/{}/guilds/{GUILD}/commands",
            small::APPLICATION
        ),
    ] {
        let ping = json!({"name": "ping", "description": "Ping"});
        let made = case.bot(Method::POST, &path, ping.clone());
        assert_eq!(made.status, 201, "{}", made.json());
        let again = case.bot(
            Method::POST,
            &path,
            json!({"name": "ping", "description": "Pong"}),
        );
        assert_eq!(
            (again.status, &again.json()["id"]),
            (200, &made.json()["id"])
        );
        assert_ne!(again.json()["version"], made.json()["version"]);
        let backups = json!({"name": "backups", "description": "b", "default_member_permissions": "32", "options": [
            {"type": 1, "name": "create", "description": "c", "options": [
                {"type": 5, "name": "messages", "description": "m"},
                {"type": 3, "name": "mode", "description": "m", "choices": [{"name": "full", "value": "full"}]},
                {"type": 4, "name": "n", "description": "m", "min_value": 1, "autocomplete": true}]}]});
        let all = case.bot(
            Method::PUT,
            &path,
            json!([ping, backups, {"name": "Report", "type": 2}]),
        );
        assert_eq!(all.status, 200, "{}", all.json());
        assert_eq!(all.json()[0]["id"], made.json()["id"], "the id stays");
        assert_eq!(case.get(&path).json().as_array().unwrap().len(), 3);
        let id = all.json()[1]["id"].as_str().unwrap().to_owned();
        assert_eq!(
            case.get(&format!("{path}/{id}")).json()["default_member_permissions"],
            "32"
        );
        assert_eq!(
            case.bot(
                Method::PATCH,
                &format!("{path}/{id}"),
                json!({"description": "new"})
            )
            .status,
            200
        );
        assert_eq!(
            case.bot(Method::DELETE, &format!("{path}/{id}"), Value::Null)
                .status,
            204
        );
        assert_eq!(code(&case.get(&format!("{path}/{id}"))), 10063);
    }
    case.finish().await;
}

#[tokio::test]
async fn bad_commands_are_refused_with_their_path() {
    let case = Case::unlimited();
    let path = format!("/applications/{}/commands", small::APPLICATION);
    let field = |body: Value| case.bot(Method::POST, &path, body).json()["errors"].clone();
    assert_eq!(
        field(json!({"name": "Ping", "description": "x"}))["name"]["_errors"][0]["code"],
        "APPLICATION_COMMAND_INVALID_NAME"
    );
    assert_eq!(
        field(json!({"name": "a b", "description": "x"}))["name"]["_errors"][0]["code"],
        "APPLICATION_COMMAND_INVALID_NAME"
    );
    assert_eq!(
        field(json!({"name": "ok"}))["description"]["_errors"][0]["code"],
        "BASE_TYPE_REQUIRED"
    );
    let order = json!({"name": "ok", "description": "x", "options": [
        {"type": 3, "name": "a", "description": "x"}, {"type": 3, "name": "b", "description": "x", "required": true}]});
    assert_eq!(
        field(order)["options"]["1"]["required"]["_errors"][0]["code"],
        "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"
    );
    let over: Vec<Value> = (0..101)
        .map(|n| json!({"name": format!("c{n}"), "description": "x"}))
        .collect();
    assert_eq!(code(&case.bot(Method::PUT, &path, json!(over))), 30032);
    assert_eq!(
        code(&case.bot(Method::GET, "/applications/5/commands", Value::Null)),
        10002
    );
}

#[tokio::test]
async fn two_hundred_creates_a_day() {
    let case = Case::unlimited();
    let path = format!("/applications/{}/commands", small::APPLICATION);
    let batch = |from: u32| -> Value {
        (from..from + 100)
            .map(|n| json!({"name": format!("c{n}"), "description": "x"}))
            .collect()
    };
    assert_eq!(case.bot(Method::PUT, &path, batch(0)).status, 200);
    assert_eq!(case.bot(Method::PUT, &path, batch(100)).status, 200);
    assert_eq!(code(&case.bot(Method::PUT, &path, batch(200))), 30034);
    case.advance_ms(86_400_000);
    assert_eq!(case.bot(Method::PUT, &path, batch(200)).status, 200);
}
