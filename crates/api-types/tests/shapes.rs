//! The JSON of every type, byte for byte, and back.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use splashtail_api_types::ErrorBody;
use splashtail_api_types::auth::{AuthContext, AuthTest};
use splashtail_api_types::clusters::{ClusterHealth, InstanceList, UNSET_TIME};
use splashtail_api_types::modules::CanonicalModule;
use splashtail_api_types::tasks::{
    JobsSummary, StatusEntry, Task, TaskCreateResponse, TaskFor, TaskList, TaskState,
};
use splashtail_core::ids::{GuildId, UserId};

/// Reads `wire`, writes it again and expects the same; returns the value.
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(wire: &Value) -> T {
    let value: T = serde_json::from_value(wire.clone()).unwrap();
    assert_eq!(serde_json::to_value(&value).unwrap(), *wire);
    let again: T = serde_json::from_str(&serde_json::to_string(&value).unwrap()).unwrap();
    assert_eq!(again, value);
    value
}

#[test]
fn instance_list_is_mewlds() {
    let wire = json!({
        "LastClusterStartedAt": "2024-01-21T17:37:01Z",
        "Map": [{"ID": 0, "Name": "Flare", "Shards": [0, 1]}],
        "Instances": [{
            "StartedAt": "2024-01-21T17:37:01Z", "SessionID": "secret", "ClusterID": 0, "Shards": [0, 1],
            "Active": true,
            "ClusterHealth": [{"shard_id": 0, "up": true, "latency": 41.0, "guilds": 12, "users": 3400}],
            "CurrentlyKilling": false, "LockClusterTime": null, "LaunchedFully": true,
            "LastChecked": "0001-01-01T00:00:00Z"
        }],
        "ShardCount": 2,
        "GetGatewayBot": {
            "url": "wss://gateway", "shards": 2,
            "session_start_limit": {"total": 1000, "remaining": 998, "reset_after": 0, "max_concurrency": 1}
        },
        "Dir": "/srv/bot", "RollRestarting": false, "FullyUp": true
    });
    let list: InstanceList = round_trip(&wire);
    assert_eq!(list.instances[0].last_checked, UNSET_TIME);
}

#[test]
fn public_instance_list_names_no_directory_and_no_session() {
    let wire = json!({
        "LastClusterStartedAt": "0001-01-01T00:00:00Z", "Map": [],
        "Instances": [{
            "StartedAt": "0001-01-01T00:00:00Z", "SessionID": "secret", "ClusterID": 0, "Shards": [],
            "Active": false, "ClusterHealth": null, "CurrentlyKilling": false,
            "LockClusterTime": "2024-01-21T17:37:01Z", "LaunchedFully": false,
            "LastChecked": "0001-01-01T00:00:00Z",
            "Process": {"State": "backoff", "Pid": 98765, "Host": "b.internal:1293", "Restarts": 3, "Unresponsive": false}
        }],
        "ShardCount": 0,
        "GetGatewayBot": {
            "url": "", "shards": 0,
            "session_start_limit": {"total": 0, "remaining": 0, "reset_after": 0, "max_concurrency": 0}
        },
        "Dir": "/srv/bot", "RollRestarting": false, "FullyUp": false
    });
    let public = round_trip::<InstanceList>(&wire).public();
    let text = serde_json::to_string(&public).unwrap();
    for hidden in ["secret", "/srv", "98765", "internal"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
    assert!(
        text.contains(r#""SessionID":"""#) && text.contains(r#""Dir":"""#),
        "{text}"
    );
}

#[test]
fn cluster_health() {
    round_trip::<ClusterHealth>(&json!({"locked": false, "health": [
        {"shard_id": 3, "up": false, "latency": 0.0, "guilds": 0, "users": 0}
    ]}));
}

fn task_info() -> Value {
    json!({
        "name": "guild_create_backup",
        "task_for": {"id": "1100000000001179648", "target_type": "Server"},
        "task_fields": {"ServerID": "1100000000001179648", "Options": {"PerChannel": 100}},
        "expiry": 0, "valid": true, "resumable": true, "encrypted": true
    })
}

#[test]
fn task() {
    let wire = json!({
        "task_id": "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11", "task_name": "guild_create_backup",
        "expiry": null, "state": "completed", "created_at": "2024-01-21T17:37:01.250Z",
        "output": {"filename": "antiraid-backup.iblfile", "segregated": false},
        "task_info": task_info(),
        "statuses": [
            {"level": "info", "ts": 1705858621.25, "msg": "Backing up channel", "channelId": "9"},
            {"level": "error", "ts": 1705858622.0, "msg": "x", "botDisplayIgnore": ["raw"], "error": "e", "raw": {"a": 1}}
        ],
        "task_for": {"id": "1100000000001179648", "target_type": "Server"},
        "progress": null, "deadline": null
    });
    let task: Task = round_trip(&wire);
    assert!(task.state.is_terminal());
    assert_eq!(task.statuses[0].extra["channelId"], "9");
    round_trip::<TaskCreateResponse>(&json!({
        "task_id": "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11", "task_info": task_info()
    }));
}

#[test]
fn rows_written_before_resumable_and_encrypted_existed_are_read() {
    let mut wire = task_info();
    wire.as_object_mut()
        .unwrap()
        .retain(|key, _| key != "resumable" && key != "encrypted");
    let info: splashtail_api_types::tasks::TaskInfo = serde_json::from_value(wire).unwrap();
    assert!(!info.resumable && !info.encrypted);
}

#[test]
fn task_list_and_summary() {
    round_trip::<TaskList>(&json!({"tasks": [{
        "task_id": "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11", "task_name": "guild_create_backup",
        "expiry": 3_600_000_000_000_i64, "state": "pending", "created_at": "2024-01-21T17:37:01Z"
    }]}));
    let summary: JobsSummary =
        round_trip(&json!({"pending": 1, "running": 2, "completed": 3, "failed": 4}));
    assert_eq!(summary.total(), 10);
    for state in [
        TaskState::Pending,
        TaskState::Running,
        TaskState::Completed,
        TaskState::Failed,
    ] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
}

#[test]
fn owners() {
    assert_eq!(
        serde_json::to_value(TaskFor::server(GuildId::new(5).unwrap())).unwrap(),
        json!({"id": "5", "target_type": "Server"})
    );
    assert_eq!(
        serde_json::to_value(TaskFor::user(UserId::new(7).unwrap())).unwrap(),
        json!({"id": "7", "target_type": "User"})
    );
}

#[test]
fn status_entries_need_level_time_and_message() {
    for wire in [
        json!({"ts": 1.0, "msg": "x"}),
        json!({"level": "info", "msg": "x"}),
        json!({"level": "info", "ts": 1.0}),
        json!({"level": "loud", "ts": 1.0, "msg": "x"}),
    ] {
        assert!(
            serde_json::from_value::<StatusEntry>(wire.clone()).is_err(),
            "{wire}"
        );
    }
}

#[test]
fn modules() {
    let wire = json!({
        "id": "server_backups", "name": "Server Backups", "description": "Keep a copy.",
        "toggleable": true, "commands_toggleable": true, "web_hidden": false,
        "virtual_module": false, "is_default_enabled": true,
        "commands": [{
            "command": {
                "name": "backups", "qualified_name": "backups", "description": "Manage backups",
                "nsfw": false,
                "subcommands": [{
                    "name": "create", "qualified_name": "backups create", "description": null,
                    "nsfw": false, "subcommands": [], "subcommand_required": false,
                    "arguments": [{"name": "messages", "description": "Keep messages", "required": false, "choices": []}]
                }],
                "subcommand_required": true, "arguments": []
            },
            "extended_data": {
                "": {"default_perms": {"checks": [], "checks_needed": 0}, "is_default_enabled": true,
                     "web_hidden": false, "virtual_command": false},
                "create": {"default_perms": {"checks": [{"kittycat_perms": ["backups.create"],
                    "native_perms": ["8"], "outer_and": false, "inner_and": false}], "checks_needed": 1},
                    "is_default_enabled": true, "web_hidden": false, "virtual_command": false}
            }
        }],
        "config_options": []
    });
    round_trip::<CanonicalModule>(&wire);
}

#[test]
fn errors_and_callers() {
    round_trip::<ErrorBody>(&json!({"code": "not_found", "message": "there is no such task"}));
    let error = ErrorBody::new("bad_request", "invalid").with_context("limit", "too large");
    assert_eq!(
        serde_json::to_value(error).unwrap(),
        json!({"code": "bad_request", "message": "invalid", "context": {"limit": "too large"}})
    );
    round_trip::<AuthContext>(&json!({
        "target_type": "User", "id": "7", "authorized": true, "banned": false,
        "data": {"session_id": "a", "perm_limits": ["backups.create"]}
    }));
}

#[test]
fn a_token_is_not_shown() {
    let test: AuthTest =
        serde_json::from_value(json!({"auth_type": "User", "target_id": "7", "token": "hunter2"}))
            .unwrap();
    let shown = format!("{test:?}");
    assert!(shown.contains("7") && !shown.contains("hunter2"), "{shown}");
}
