use splashtail_core::ids::{ChannelId, MessageId};

use super::*;
use crate::raid::WaveRow;

contract!(
    the_latest_habits_of_a_server_are_kept,
    servers_that_are_unsettled_are_found_and_forgotten_ones_deleted,
    waves_are_replaced_and_listed_newest_first,
);

async fn the_latest_habits_of_a_server_are_kept(storage: Storage) {
    let store = storage.raids();
    assert_eq!(store.habits(guild(1)).await.unwrap(), None);
    store.set_habits(guild(1), "{}", false, t(1)).await.unwrap();
    let later = r#"{"z":1,"a":2}"#;
    store.set_habits(guild(1), later, true, t(2)).await.unwrap();
    let habits = store.habits(guild(1)).await.unwrap();
    assert_eq!(habits.as_deref(), Some(later));
    assert_eq!(store.habits(guild(2)).await.unwrap(), None, "another's");
}

async fn servers_that_are_unsettled_are_found_and_forgotten_ones_deleted(storage: Storage) {
    let store = storage.raids();
    for (number, is_unsettled) in [(1_u32, true), (2, false), (3, true), (4, true)] {
        let set = store.set_habits(
            guild(u64::from(number)),
            "{}",
            is_unsettled,
            t(i64::from(number)),
        );
        set.await.unwrap();
    }
    store.set_habits(guild(4), "{}", false, t(9)).await.unwrap();
    assert_eq!(store.unsettled(9).await.unwrap(), [guild(3), guild(1)]);
    assert_eq!(store.unsettled(1).await.unwrap(), [guild(3)]);
    let years = Duration::from_secs(100 * 365 * 24 * 3600);
    assert_eq!(store.purge_habits(years).await.unwrap(), 0);
    let minute = Duration::from_secs(60);
    assert_eq!(store.purge_habits(minute).await.unwrap(), 4);
    assert_eq!(store.habits(guild(1)).await.unwrap(), None);
}

async fn waves_are_replaced_and_listed_newest_first(storage: Storage) {
    let store = storage.raids();
    let row = |wave: i64, grade: &str, at| WaveRow {
        guild: guild(1),
        wave,
        grade: grade.to_owned(),
        document: r#"{"b":1,"a":2}"#.to_owned(),
        alert: None,
        updated_at: stored(at),
    };
    for wave in [5, 9, 7] {
        store.put_wave(&row(wave, "wave", wave)).await.unwrap();
    }
    let alert = (ChannelId::new(3).unwrap(), MessageId::new(4).unwrap());
    store.set_wave_alert(guild(1), 7, alert).await.unwrap();
    store.put_wave(&row(7, "raid", 100)).await.unwrap();
    let mut changed = row(7, "raid", 100);
    changed.alert = Some(alert);
    let found = store.wave(guild(1), 7).await.unwrap();
    assert_eq!(found, Some(changed.clone()));
    assert_eq!(store.wave(guild(2), 7).await.unwrap(), None, "another's");
    let newest = store.waves(guild(1), 2).await.unwrap();
    assert_eq!(newest, [row(9, "wave", 9), changed]);
    let years = Duration::from_secs(100 * 365 * 24 * 3600);
    assert_eq!(store.purge_waves(years).await.unwrap(), 0);
    let minute = Duration::from_secs(60);
    assert_eq!(store.purge_waves(minute).await.unwrap(), 3);
}
