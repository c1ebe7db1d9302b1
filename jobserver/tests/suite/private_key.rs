//! Backups that only the holder of a private key opens.

use std::io::Cursor;

use crate::support::discord::{BIG, BIG_COUNT, GUILD};
use crate::support::server::{World, world};
use crate::support::{Backup, down_from, setup};
use serde_json::{Value, json};
use splashtail_core::ids::TaskId;
use splashtail_iblfile::{Archive, DerivedKey, EncryptionKind, Error, Limits};
use splashtail_ipc::clients::ScheduleOrder;
use splashtail_storage::TaskState;

const PUBLIC: &str = include_str!("support/keys/public.pem");
const PRIVATE: &str = include_str!("support/keys/private.pem");

fn order() -> Value {
    json!({"BackupMessages": true, "MaxMessages": 100, "PerChannel": 100, "Channels": [BIG.to_string()],
           "PublicKey": PUBLIC})
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_holder_opens_it() {
    let setup = setup();
    let mut server = setup.start().await;
    let created = server.create(order()).await;
    assert!(created.task_info.encrypted);
    // Whoever goes on with it has the key until it ends.
    server.kill();
    server = setup.start().await;
    let file = server.file(created.task_id).await;
    let open = |password| Archive::open(Cursor::new(file.clone()), password, Limits::default());
    assert_eq!(
        open(Some(PRIVATE)).unwrap().encryption(),
        EncryptionKind::Pem
    );
    assert!(matches!(open(None), Err(Error::PasswordRequired)));
    assert!(matches!(open(Some(PUBLIC)), Err(Error::WrongPassword)));
    let mut backup = Backup::open(file.clone(), Some(PRIVATE));
    let messages = backup.messages();
    assert_eq!(messages[&BIG], down_from(BIG_COUNT, 100));
    // And nobody has afterwards: what the row says of the key opens nothing.
    let row = server.row(created.task_id).await;
    assert!(row.fields["SealedKey"].is_string());
    let stored = format!("{:?}", row.fields);
    assert!(!stored.contains(&PRIVATE[100..200]));
    let guess = DerivedKey::derive("", *b"saltsalt");
    let keyed = Archive::open_keyed(Cursor::new(file), &guess, Limits::default());
    assert!(keyed.is_err());

    let again = server.create(order()).await;
    let other = server.row(again.task_id).await;
    assert_ne!(other.fields["SealedKey"], row.fields["SealedKey"]);
    let both = json!({"PublicKey": PUBLIC, "Encrypt": "correct horse"});
    for wrong in [
        both,
        json!({"PublicKey": PRIVATE}),
        json!({"PublicKey": "no"}),
    ] {
        let refused = server.try_create(wrong).await.unwrap_err().to_string();
        assert!(refused.contains("PublicKey"), "{refused}");
    }
    server.ended(again.task_id).await;
}

/// A schedule keeps no password, and needs none for this.
#[tokio::test(flavor = "multi_thread")]
async fn schedules_may_make_them() {
    let setup = setup();
    let server = setup.start().await;
    let order = |options: Value| ScheduleOrder {
        schedule_id: TaskId::random().get(),
        name: "guild_create_backup".to_owned(),
        data: json!({"ServerID": GUILD.to_string(), "Options": options}),
        cron: "0 4 * * *".to_owned(),
        jitter_ms: 0,
        keep_count: None,
        keep_days: None,
        actor: None,
    };
    let client = server.client();
    let refused = client
        .put_schedule(&order(json!({"Encrypt": "s3cret"})))
        .await;
    assert!(refused.unwrap_err().to_string().contains("no password"));
    client
        .put_schedule(&order(json!({"PublicKey": PUBLIC})))
        .await
        .unwrap();
}

/// The private key stands where a password does.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_restored_with_the_private_key() {
    let world: World = world().await;
    let server = world.setup.start().await;
    let backup = server.backup(&world, json!({"PublicKey": PUBLIC})).await;
    let source = format!("task://{backup}");
    let options = json!({"BackupSource": source, "DryRun": true});
    let (row, why) = server.failed_restore(&world, options.clone()).await;
    assert_eq!(row.state, TaskState::Failed);
    assert!(why.contains("password_required"), "{why}");
    let mut options = options;
    options["Decrypt"] = PRIVATE.into();
    let plan = server.restore(&world, options).await;
    assert_eq!(plan["effects"], json!([]), "{plan:#}");
}
