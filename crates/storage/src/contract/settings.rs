use std::collections::BTreeSet;

use splashtail_core::ids::GuildId;

use super::*;
use crate::error::StorageError;
use crate::setting::{ChangedEntry, Edit, NewChange, REMEMBERED_CHANGES, Written};

contract!(
    a_change_happens_on_the_version_it_was_decided_on,
    one_of_two_changes_at_once_is_late,
    a_change_is_made_whole_and_remembered,
    rows_know_who_made_them,
    old_changes_are_forgotten,
    changed_guilds_are_found_by_the_databases_clock,
    a_setting_needs_its_guild,
);

fn edit(entry: &str, before: Option<Value>, after: Option<Value>) -> Edit {
    Edit {
        setting: "colours".to_owned(),
        entry: entry.to_owned(),
        before,
        after,
    }
}

fn change(decided_on: i64, edits: &[Edit]) -> NewChange<'_> {
    NewChange {
        guild: guild(1),
        decided_on,
        by: user(7),
        way: "discord",
        at: t(decided_on),
        undoes: None,
        edits,
    }
}

async fn ready(storage: &Storage) {
    storage.guilds().ensure(guild(1), t(0)).await.unwrap();
    storage.guilds().ensure(guild(2), t(0)).await.unwrap();
}

async fn a_change_happens_on_the_version_it_was_decided_on(storage: Storage) {
    ready(&storage).await;
    let settings = storage.settings();
    let red = [edit("wall", None, Some(json!({"colour": "red"})))];
    let stale = settings.write(&change(3, &red)).await.unwrap();
    assert_eq!(stale, Written::Stale, "nothing is of version 3 yet");
    assert_eq!(settings.read(guild(1), None).await.unwrap().version, 0);
    let first = settings.write(&change(0, &red)).await.unwrap();
    assert_eq!(first, Written::At(1));
    let late = settings.write(&change(0, &red)).await.unwrap();
    assert_eq!(late, Written::Stale);
    let second = settings.write(&change(1, &red)).await.unwrap();
    assert_eq!(second, Written::At(2));
    let read = settings.read(guild(1), None).await.unwrap();
    assert_eq!((read.version, read.rows.len()), (2, 1));
    assert_eq!(
        settings.read(guild(2), None).await.unwrap(),
        crate::setting::Snapshot::default(),
        "another guild's are its own"
    );
}

async fn one_of_two_changes_at_once_is_late(storage: Storage) {
    ready(&storage).await;
    let settings = storage.settings();
    for version in 0..5 {
        let edits = |entry: &str| [edit(entry, None, Some(json!({"at": version})))];
        let (red, blue) = (edits("red"), edits("blue"));
        let (red, blue) = (change(version, &red), change(version, &blue));
        let (red, blue) = tokio::join!(settings.write(&red), settings.write(&blue));
        let outcomes = [red.unwrap(), blue.unwrap()];
        assert!(outcomes.contains(&Written::Stale), "{outcomes:?}");
        assert!(outcomes.contains(&Written::At(version + 1)), "{outcomes:?}");
    }
}

async fn a_change_is_made_whole_and_remembered(storage: Storage) {
    ready(&storage).await;
    let settings = storage.settings();
    let wall = json!({"z": 1, "a": "ünï 'quoted'", "big": 18_446_744_073_709_551_615_u64});
    let made = [
        edit("wall", None, Some(wall.clone())),
        edit("door", None, Some(json!({}))),
    ];
    settings.write(&change(0, &made)).await.unwrap();
    let unmade = [
        edit("wall", Some(wall.clone()), Some(json!({"z": 2}))),
        edit("door", Some(json!({})), None),
    ];
    let unmade = NewChange {
        undoes: Some(1),
        way: "rollback",
        by: user(8),
        ..change(1, &unmade)
    };
    settings.write(&unmade).await.unwrap();

    let read = settings.read(guild(1), Some("colours")).await.unwrap();
    assert_eq!(read.rows.len(), 1);
    assert_eq!(
        (read.rows[0].entry.as_str(), &read.rows[0].fields),
        ("wall", &json!({"z": 2}))
    );
    let other = settings.read(guild(1), Some("sounds")).await.unwrap();
    assert_eq!((other.version, other.rows), (2, vec![]));

    let history = settings.history(guild(1), None, 10).await.unwrap();
    let seen = |entry: &ChangedEntry| (entry.version, entry.edit.entry.clone());
    assert_eq!(
        history.iter().map(seen).collect::<Vec<_>>(),
        [
            (2, "door".to_owned()),
            (2, "wall".to_owned()),
            (1, "door".to_owned()),
            (1, "wall".to_owned())
        ]
    );
    let newest = &history[1];
    assert_eq!(newest.edit.before, Some(wall));
    assert_eq!((newest.by, newest.at), (user(8), stored(1)));
    assert_eq!((newest.way.as_str(), newest.undoes), ("rollback", Some(1)));
    let one = settings.history(guild(1), None, 1).await.unwrap();
    assert_eq!(one.len(), 2, "a version is shown whole");
    let older = settings.history(guild(1), Some(2), 10).await.unwrap();
    assert_eq!(older, history[2..]);
    assert_eq!(settings.change(guild(1), 1).await.unwrap(), older);
    assert_eq!(settings.change(guild(2), 1).await.unwrap(), []);
}

async fn rows_know_who_made_them(storage: Storage) {
    ready(&storage).await;
    let settings = storage.settings();
    let made = [edit("wall", None, Some(json!({})))];
    settings.write(&change(0, &made)).await.unwrap();
    let later = NewChange {
        by: user(9),
        at: t(50),
        ..change(1, &made)
    };
    settings.write(&later).await.unwrap();
    let row = &settings.read(guild(1), None).await.unwrap().rows[0];
    assert_eq!((row.created_by, row.created_at), (Some(user(7)), stored(0)));
    assert_eq!(
        (row.updated_by, row.updated_at),
        (Some(user(9)), stored(50))
    );
}

async fn old_changes_are_forgotten(storage: Storage) {
    ready(&storage).await;
    let settings = storage.settings();
    let made = [edit("wall", None, Some(json!({})))];
    settings.write(&change(0, &made)).await.unwrap();
    settings.write(&change(1, &made)).await.unwrap();
    storage
        .number(format!(
            "UPDATE guild_versions SET version = {REMEMBERED_CHANGES} RETURNING version"
        ))
        .await;
    settings
        .write(&change(REMEMBERED_CHANGES, &made))
        .await
        .unwrap();
    let history = settings.history(guild(1), None, 10).await.unwrap();
    let versions: BTreeSet<i64> = history.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, [2, REMEMBERED_CHANGES + 1].into());
}

async fn changed_guilds_are_found_by_the_databases_clock(storage: Storage) {
    ready(&storage).await;
    let settings = storage.settings();
    let made = [edit("wall", None, Some(json!({})))];
    settings.write(&change(0, &made)).await.unwrap();
    // The caller's time lies years back.
    let hour = std::time::Duration::from_secs(3600);
    let changed = settings.changed_within(hour, 10).await.unwrap();
    assert_eq!(changed, [(guild(1), 1)]);
    let second = NewChange {
        guild: guild(2),
        ..change(0, &made)
    };
    settings.write(&second).await.unwrap();
    assert_eq!(settings.changed_within(hour, 10).await.unwrap().len(), 2);
    assert_eq!(settings.changed_within(hour, 1).await.unwrap().len(), 1);
}

async fn a_setting_needs_its_guild(storage: Storage) {
    let made = [edit("wall", None, Some(json!({})))];
    let nowhere = NewChange {
        guild: GuildId::new(5).unwrap(),
        ..change(0, &made)
    };
    let refused = storage.settings().write(&nowhere).await;
    assert!(
        matches!(refused, Err(StorageError::Conflict(_))),
        "{refused:?}"
    );
}
