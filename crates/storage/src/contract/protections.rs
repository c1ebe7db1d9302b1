use splashtail_core::ids::{ChannelId, MessageId};

use super::*;
use crate::protection::IncidentRow;

contract!(
    policies_change_once_per_version,
    incidents_are_replaced_and_listed_newest_first,
);

fn guild(id: u64) -> GuildId {
    GuildId::new(id).unwrap()
}

async fn policies_change_once_per_version(storage: Storage) {
    let store = storage.protections();
    assert_eq!(store.get(guild(1)).await.unwrap(), None);
    assert!(store.page(None, 10).await.unwrap().is_empty());
    let set = |policy, read| store.set_policy(guild(1), policy, read, t(1));
    assert_eq!(set(r#"{"mode":"on"}"#, 0).await.unwrap(), Some(1));
    assert_eq!(set(r#"{"mode":"off"}"#, 0).await.unwrap(), None);
    assert_eq!(set(r#"{"mode":"off"}"#, 1).await.unwrap(), Some(2));
    store
        .set_state(guild(1), r#"{"z":1,"a":2}"#, t(2))
        .await
        .unwrap();
    store.set_state(guild(7), "{}", t(2)).await.unwrap();
    store.set_state(guild(7), "{}", t(3)).await.unwrap();
    let row = store.get(guild(1)).await.unwrap().unwrap();
    assert_eq!(row.policy.as_deref(), Some(r#"{"mode":"off"}"#));
    assert_eq!(row.state.as_deref(), Some(r#"{"z":1,"a":2}"#));
    assert_eq!(row.version, 2);
    let first = store.page(None, 1).await.unwrap();
    assert_eq!(first, [row]);
    let second = store.page(Some(first[0].guild), 1).await.unwrap();
    assert_eq!(second[0].guild, guild(7));
    assert_eq!((second[0].version, second[0].policy.clone()), (0, None));
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
    assert_eq!(store.purge_incidents(t(50)).await.unwrap(), 2);
    assert_eq!(store.incidents(guild(1), None, 9).await.unwrap().len(), 1);
}
