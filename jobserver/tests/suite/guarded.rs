//! Servers that are changed only by what two people agreed to: who gets past that, and who does not.

use crate::support::discord::GUILD;
use crate::support::{Setup, setup};
use chrono::DateTime;
use serde_json::{Value, json};
use splashtail_api_types::setting_names::guarded::{ENABLED, ENTRY, SETTING};
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_storage::{Edit, NewChange, Storage, Written};
use tokio_util::sync::CancellationToken;

async fn guard(setup: &Setup) {
    let database = setup.config().database();
    let storage = Storage::open(&database, &CancellationToken::new())
        .await
        .unwrap();
    let at = DateTime::UNIX_EPOCH;
    let guild = GuildId::new(GUILD).unwrap();
    storage.guilds().ensure(guild, at).await.unwrap();
    let edit = Edit {
        setting: SETTING.into(),
        entry: ENTRY.into(),
        before: None,
        after: Some(json!({(ENABLED): true})),
    };
    let change = NewChange {
        guild,
        decided_on: 0,
        by: UserId::new(1).unwrap(),
        way: "test",
        at,
        undoes: None,
        edits: &[edit],
    };
    let written = storage.settings().write(&change).await.unwrap();
    assert_eq!(written, Written::At(1));
}

fn fields(kind: &str, dry: bool) -> Value {
    let server = GUILD.to_string();
    let source = "https://cdn.discordapp.com/attachments/1/2/a.iblfile";
    match kind {
        "guild_restore_backup" => {
            json!({"ServerID": server, "CallerPermissions": "8",
                   "options": {"BackupSource": source, "dryrun": dry}})
        }
        _ => json!({"ServerID": server, "CallerPermissions": "8", "options": {"dryrun": dry}}),
    }
}

fn order(kind: &str, dry: bool, execute: bool) -> String {
    json!({"args": {"name": kind, "data": fields(kind, dry), "execute": execute}}).to_string()
}

/// Kinds that change a server and need nothing that is there before.
const CHANGING: [&str; 2] = ["guild_restore_backup", "message_prune"];

#[tokio::test(flavor = "multi_thread")]
async fn no_kind_that_changes_a_server_is_ordered_on_one_word() {
    let setup = setup();
    let server = setup.start().await;
    guard(&setup).await;
    for kind in CHANGING {
        let (status, answer) = server
            .call_as("api", "create_task", order(kind, false, false))
            .await;
        assert_eq!(
            (status, &answer["code"]),
            (409, &json!("guarded")),
            "{kind}"
        );
        let (status, answer) = server
            .call_as("api", "create_task", order(kind, true, false))
            .await;
        assert_eq!(status, 200, "{kind}, only planned: {answer}");
        let (status, answer) = server
            .call_as("bot", "create_task", order(kind, false, false))
            .await;
        assert_eq!(status, 200, "{kind}, agreed to: {answer}");
    }
    let backup = order("guild_create_backup", false, false);
    let (status, answer) = server.call_as("api", "create_task", backup).await;
    assert_eq!(status, 200, "{answer}");
}

/// The bot keeps an order while it is asked for; nobody else starts it meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_agreement_is_started_by_those_who_ask_for_it() {
    let setup = setup();
    let server = setup.start().await;
    guard(&setup).await;
    for kind in CHANGING {
        let (_, created) = server.call("create_task", order(kind, false, false)).await;
        let id = &created["tcr"]["task_id"];
        let start = json!({"args": {"name": kind, "task_id": id}}).to_string();
        let (status, answer) = server.call_as("api", "execute_task", start.clone()).await;
        assert_eq!(
            (status, &answer["code"]),
            (409, &json!("guarded")),
            "{kind}"
        );
        let (status, answer) = server.call("execute_task", start).await;
        assert_eq!(status, 204, "{kind}: {answer}");
        let cancel = json!({"args": {"task_id": id}}).to_string();
        server.call("cancel_task", cancel).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_schedule_leads_around_it() {
    let setup = setup();
    let server = setup.start().await;
    guard(&setup).await;
    for kind in CHANGING {
        let args = json!({"schedule_id": TaskId::random(), "name": kind, "data": fields(kind, false),
                          "cron": "0 4 * * *", "jitter_ms": 0});
        let body = json!({"args": args}).to_string();
        let (status, answer) = server.call_as("api", "put_schedule", body).await;
        assert_eq!(
            (status, &answer["code"]),
            (409, &json!("guarded")),
            "{kind}"
        );
    }
}

/// The first spelling was made dry and the other one was carried out.
#[tokio::test(flavor = "multi_thread")]
async fn two_spellings_of_one_field_are_refused() {
    let setup = setup();
    let server = setup.start().await;
    let source = format!("task://{}", TaskId::random());
    let data = json!({"ServerID": GUILD.to_string(), "options": {},
                      "Options": {"BackupSource": source, "DryRun": false}});
    let args = json!({"name": "guild_restore_backup", "data": data});
    for call in ["plan_task", "create_task"] {
        let body = json!({"args": args}).to_string();
        let (status, answer) = server.call(call, body).await;
        let expected = (400, &json!("doubled_field"));
        assert_eq!((status, &answer["code"]), expected, "{call}");
    }
}
