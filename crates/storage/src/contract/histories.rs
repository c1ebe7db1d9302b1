use super::*;
use crate::history::HistoryRow;

contract!(
    changes_follow_a_base_and_go_with_it,
    pins_are_replaced_and_end,
);

async fn changes_follow_a_base_and_go_with_it(storage: Storage) {
    let store = storage.histories();
    assert_eq!(store.history(guild(1)).await.unwrap(), None);
    store.set_changes(guild(1), b"lost", t(1)).await.unwrap();
    assert_eq!(store.history(guild(1)).await.unwrap(), None);
    let row = |base: &[u8], changes: &[u8], at: i64| HistoryRow {
        base: base.to_vec(),
        changes: changes.to_vec(),
        watched_until: DateTime::from_timestamp_millis(t(at).timestamp_millis()).unwrap(),
    };
    store
        .set_history(guild(1), &[0, 255], b"", t(2))
        .await
        .unwrap();
    store.set_changes(guild(1), &[7; 3], t(3)).await.unwrap();
    let known = store.history(guild(1)).await.unwrap();
    assert_eq!(known, Some(row(&[0, 255], &[7; 3], 3)));
    store
        .set_history(guild(1), b"new", b"n", t(4))
        .await
        .unwrap();
    assert_eq!(
        store.history(guild(1)).await.unwrap(),
        Some(row(b"new", b"n", 4))
    );
    let both = [guild(1), guild(2)];
    for at in [9, 8] {
        store.watched(&both, t(at)).await.unwrap();
        let known = store.history(guild(1)).await.unwrap();
        assert_eq!(known, Some(row(b"new", b"n", 9)));
    }
    // Ids of the next centuries are among them, too.
    let far = guild(u64::MAX);
    store.set_history(far, b"far", b"", t(1)).await.unwrap();
    store.watched(&[guild(1), far], t(10)).await.unwrap();
    let known = store.history(far).await.unwrap();
    assert_eq!(known, Some(row(b"far", b"", 10)));
    let known = store.history(guild(1)).await.unwrap();
    assert_eq!(known, Some(row(b"new", b"n", 10)));
    store.watched(&[], t(11)).await.unwrap();
    assert_eq!(store.history(guild(2)).await.unwrap(), None);
}

async fn pins_are_replaced_and_end(storage: Storage) {
    let store = storage.histories();
    assert_eq!(store.pinned(guild(1), 5).await.unwrap(), None);
    store.pin(guild(1), 5, b"one", t(1)).await.unwrap();
    store.pin(guild(1), 5, b"two", t(2)).await.unwrap();
    let later = DateTime::from_timestamp(4_000_000_000, 0).unwrap();
    store.pin(guild(2), 5, b"other", later).await.unwrap();
    assert_eq!(
        store.pinned(guild(1), 5).await.unwrap().as_deref(),
        Some(&b"two"[..])
    );
    assert_eq!(store.purge_pins(Duration::from_secs(60)).await.unwrap(), 1);
    assert_eq!(store.pinned(guild(1), 5).await.unwrap(), None);
    assert!(store.pinned(guild(2), 5).await.unwrap().is_some());
}
