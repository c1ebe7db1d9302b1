use splashtail_core::ids::{ChannelId, MessageId};

use super::*;
use crate::protection::{IncidentRow, Reaction};

contract!(
    the_latest_state_of_a_server_is_kept,
    incidents_are_replaced_and_listed_newest_first,
    reactions_are_read_out_of_documents,
);

fn guild(id: u64) -> GuildId {
    GuildId::new(id).unwrap()
}

async fn the_latest_state_of_a_server_is_kept(storage: Storage) {
    let store = storage.protections();
    assert_eq!(store.state(guild(1)).await.unwrap(), None);
    let set = async |id, state, at| store.set_state(guild(id), state, t(at)).await.unwrap();
    set(1, "{}", 1).await;
    set(1, r#"{"z":1,"a":2}"#, 2).await;
    set(7, "{}", 3).await;
    let state = async |id| store.state(guild(id)).await.unwrap();
    assert_eq!(state(1).await.as_deref(), Some(r#"{"z":1,"a":2}"#));
    assert_eq!(state(7).await.as_deref(), Some("{}"));
    assert_eq!(state(2).await, None, "another guild's");
}

async fn incidents_are_replaced_and_listed_newest_first(storage: Storage) {
    let store = storage.protections();
    let row = |incident: i64, state: &str, at| IncidentRow {
        guild: guild(1),
        incident,
        kind: "actor".to_owned(),
        mode: "on".to_owned(),
        state: state.to_owned(),
        document: r#"{"b":1,"a":2}"#.to_owned(),
        alert: None,
        updated_at: stored(at),
    };
    for incident in [5, 9, 7] {
        store
            .put_incident(&row(incident, "open", incident))
            .await
            .unwrap();
    }
    let alert = (ChannelId::new(3).unwrap(), MessageId::new(4).unwrap());
    store.set_alert(guild(1), 7, alert).await.unwrap();
    store.put_incident(&row(7, "contained", 100)).await.unwrap();
    let mut changed = row(7, "contained", 100);
    changed.alert = Some(alert);
    assert_eq!(
        store.incident(guild(1), 7).await.unwrap(),
        Some(changed.clone())
    );
    assert_eq!(
        store.incident(guild(2), 7).await.unwrap(),
        None,
        "another guild's"
    );
    let all = store.incidents(guild(1), None, 2).await.unwrap();
    assert_eq!(all, [row(9, "open", 9), changed]);
    let rest = store.incidents(guild(1), Some(7), 2).await.unwrap();
    assert_eq!(rest, [row(5, "open", 5)]);
    // All of 2023 but one, which changes in a time to come.
    let mut later = row(7, "contained", 100);
    later.updated_at = DateTime::from_timestamp(4_000_000_000, 0).unwrap();
    later.document = "[1]".to_owned();
    store.put_incident(&later).await.unwrap();
    let years = Duration::from_secs(100 * 365 * 24 * 3600);
    assert_eq!(store.purge_incidents(years).await.unwrap(), 0);
    assert_eq!(
        store
            .purge_incidents(Duration::from_secs(60))
            .await
            .unwrap(),
        2
    );
    assert_eq!(store.incidents(guild(1), None, 9).await.unwrap().len(), 1);
}

async fn reactions_are_read_out_of_documents(storage: Storage) {
    let store = storage.protections();
    // Changes in a time to come, so that they are within any span.
    let later = |seconds: i64| DateTime::from_timestamp(4_000_000_000 + seconds, 0).unwrap();
    for (incident, mode, document, at) in [
        (
            1,
            "on",
            r#"{"times":{"received":10,"sent":14,"acknowledged":90}}"#,
            1,
        ),
        (2, "on", r#"{"times":{"received":20,"sent":null}}"#, 2),
        (3, "dry_run", r#"{"times":{"received":30,"sent":31}}"#, 3),
        (4, "on", "[1]", 4),
    ] {
        let row = IncidentRow {
            guild: guild(1),
            incident,
            kind: "actor".to_owned(),
            mode: mode.to_owned(),
            state: "contained".to_owned(),
            document: document.to_owned(),
            alert: None,
            updated_at: later(at),
        };
        store.put_incident(&row).await.unwrap();
    }
    let reaction = |received, sent, acknowledged| Reaction {
        received,
        sent,
        acknowledged,
    };
    let day = Duration::from_secs(24 * 3600);
    let found = store.reactions(day, 10).await.unwrap();
    let expected = [
        reaction(None, None, None),
        reaction(Some(20), None, None),
        reaction(Some(10), Some(14), Some(90)),
    ];
    assert_eq!(found, expected, "newest first, without dry runs");
    assert_eq!(store.reactions(day, 1).await.unwrap(), expected[..1]);
}
