use splashtail_core::ids::ChannelId;

use super::*;
use crate::lockdown::{HoldRow, HoldState, LockdownState, NewLockdown};

contract!(
    locks_are_numbered_and_bounded_and_lifted_once,
    no_lock_hides_those_behind_it,
    holds_are_kept_until_their_lock_is_lifted,
);

fn lock(kind: &str) -> NewLockdown {
    NewLockdown {
        guild: guild(1),
        kind: kind.to_owned(),
        channel: ChannelId::new(30),
        reason: "a raid".to_owned(),
        by: user(7),
        at: t(0),
    }
}

async fn locks_are_numbered_and_bounded_and_lifted_once(storage: Storage) {
    let store = storage.lockdowns();
    let open = async |kind| store.open_lockdown(&lock(kind), 2).await.unwrap();
    assert_eq!(open("channel").await, Some(1));
    assert_eq!(open("quick").await, Some(2));
    assert_eq!(open("quick").await, None, "no more than two");
    let under_way = store.lockdowns_under_way(None, 9).await.unwrap();
    assert_eq!(under_way.len(), 2);
    assert_eq!(under_way[0].channel, ChannelId::new(30));
    assert!(store.settle_lockdown(&under_way[0], t(1)).await.unwrap());
    assert!(!store.settle_lockdown(&under_way[0], t(1)).await.unwrap());
    assert_eq!(store.lockdowns_under_way(None, 9).await.unwrap().len(), 1);
    assert!(store.lift_lockdown(guild(1), 1).await.unwrap());
    assert!(!store.lift_lockdown(guild(1), 1).await.unwrap());
    let lifting = store.lockdowns(guild(1)).await.unwrap();
    let lifting = lifting.iter().find(|lock| lock.number == 1).unwrap();
    assert_eq!(lifting.state, LockdownState::Lifting);
    assert!(store.settle_lockdown(lifting, t(2)).await.unwrap());
    let standing = store.lockdowns(guild(1)).await.unwrap();
    assert_eq!(standing.len(), 1);
    assert_eq!(
        open("traditional").await,
        Some(3),
        "numbers do not come again"
    );
    let minute = Duration::from_secs(60);
    assert_eq!(store.purge_lockdowns(minute).await.unwrap(), 1);
    assert_eq!(store.lockdowns(guild(1)).await.unwrap().len(), 2);
}

async fn no_lock_hides_those_behind_it(storage: Storage) {
    let store = storage.lockdowns();
    for of in [3, 1, u64::MAX, 2] {
        let lock = NewLockdown {
            guild: guild(of),
            ..lock("quick")
        };
        store.open_lockdown(&lock, 9).await.unwrap();
        store.open_lockdown(&lock, 9).await.unwrap();
    }
    let (mut seen, mut behind) = (Vec::new(), None);
    loop {
        let page = store.lockdowns_under_way(behind, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        behind = Some((last.guild, last.number));
        seen.extend(page.iter().map(|lock| (lock.guild.get(), lock.number)));
    }
    let all = [u64::MAX, 1, 2, 3].into_iter();
    let all: Vec<_> = all.flat_map(|of| [(of, 1), (of, 2)]).collect();
    assert_eq!(seen, all);
    // What is being lifted, for however long, does not keep others from standing.
    assert_eq!(store.open_lockdown(&lock("quick"), 2).await.unwrap(), None);
    assert!(store.lift_lockdown(guild(1), 1).await.unwrap());
    let third = store.open_lockdown(&lock("quick"), 2).await.unwrap();
    assert_eq!(third, Some(3));
}

async fn holds_are_kept_until_their_lock_is_lifted(storage: Storage) {
    let store = storage.lockdowns();
    store.open_lockdown(&lock("channel"), 9).await.unwrap();
    let mut hold = HoldRow {
        guild: guild(1),
        number: 1,
        place: 30,
        subject: 1,
        wanted: u64::MAX,
        took: 1 << 63,
        put: 2048,
        state: HoldState::Planned,
    };
    assert_eq!(store.plan_hold(&hold).await.unwrap(), hold);
    // Another process has it, too, and sees the server as it is now.
    let late = HoldRow {
        took: 0,
        put: 0,
        ..hold.clone()
    };
    assert_eq!(
        store.plan_hold(&late).await.unwrap(),
        hold,
        "nothing is lost"
    );
    hold.state = HoldState::Held;
    store.put_hold(&hold).await.unwrap();
    assert_eq!(store.holds(guild(1)).await.unwrap(), [hold]);
    assert!(store.holds(guild(2)).await.unwrap().is_empty());
    store.lift_lockdown(guild(1), 1).await.unwrap();
    let lifting = store.lockdowns(guild(1)).await.unwrap().remove(0);
    assert_eq!(store.holds(guild(1)).await.unwrap().len(), 1);
    store.settle_lockdown(&lifting, t(1)).await.unwrap();
    assert!(store.holds(guild(1)).await.unwrap().is_empty());
}
