use super::*;
use crate::consent::{ConsentStore, JoinGrant, NewConsent};

contract!(
    one_grant_serves_all_servers_until_the_last_is_taken_back,
    a_grant_is_renewed_by_one_at_a_time,
    a_right_to_renew_is_given_back_by_whoever_has_it,
    what_was_taken_back_is_revoked_until_that_is_done,
);

fn new(guild_id: u64, user_id: u64, sealed: &[u8], at: i64) -> NewConsent<'_> {
    NewConsent {
        guild: guild(guild_id),
        user: user(user_id),
        sealed,
        ends_at: t(at + 1000),
        given_at: t(at),
    }
}

async fn one_grant_serves_all_servers_until_the_last_is_taken_back(storage: Storage) {
    let store = storage.join_consents();
    assert_eq!(store.join_grant(guild(1), user(7)).await.unwrap(), None);
    assert_eq!(store.withdraw(user(7), None).await.unwrap(), 0);
    assert!(store.consent(&new(1, 7, b"first", 1)).await.unwrap());
    store.consent(&new(2, 7, b"second", 2)).await.unwrap();
    store.consent(&new(1, 8, b"other", 3)).await.unwrap();
    let is = |found: Option<JoinGrant>, sealed: &[u8], at: i64| {
        found.is_some_and(|found| found.sealed == sealed && found.ends_at == stored(at + 1000))
    };
    for server in [1, 2] {
        let found = store.join_grant(guild(server), user(7)).await.unwrap();
        assert!(is(found, b"second", 2), "server {server}");
    }
    assert_eq!(store.join_grant(guild(3), user(7)).await.unwrap(), None);
    assert_eq!(store.join_grant(guild(2), user(8)).await.unwrap(), None);
    let page = store.consents(guild(1), None, 1).await.unwrap();
    assert_eq!(page, [user(7)]);
    let page = store.consents(guild(1), Some(user(7)), 5).await.unwrap();
    assert_eq!(page, [user(8)]);
    assert_eq!(store.count_consents(guild(1)).await.unwrap(), 2);
    let of = store.consents_of(user(7)).await.unwrap();
    assert_eq!(of, [(guild(2), stored(2)), (guild(1), stored(1))]);

    assert_eq!(store.withdraw(user(7), Some(guild(3))).await.unwrap(), 0);
    assert_eq!(store.withdraw(user(7), Some(guild(1))).await.unwrap(), 1);
    assert_eq!(store.join_grant(guild(1), user(7)).await.unwrap(), None);
    let found = store.join_grant(guild(2), user(7)).await.unwrap();
    let before = version(store, 2).await;
    assert!(is(found, b"second", 2));
    assert_eq!(store.withdraw(user(7), None).await.unwrap(), 1);
    // Nothing of it is left, and who was about to renew or end it does not meet the next one.
    store.consent(&new(2, 7, b"again", 9)).await.unwrap();
    let found = store.join_grant(guild(2), user(7)).await.unwrap();
    assert!(is(found, b"again", 9));
    for passed in [before - 1, before] {
        let renewed = store.renew_grant(user(7), passed, b"late", t(1)).await;
        assert!(!renewed.unwrap());
        assert!(!store.end_grant(user(7), passed).await.unwrap());
    }
    assert_eq!(store.count_consents(guild(1)).await.unwrap(), 1);
}

async fn version(store: &dyn ConsentStore, server: u64) -> i64 {
    let grant = store.join_grant(guild(server), user(7)).await.unwrap();
    grant.unwrap().version
}

async fn a_grant_is_renewed_by_one_at_a_time(storage: Storage) {
    const LONG: Duration = Duration::from_secs(3600);
    let store = storage.join_consents();
    store.consent(&new(1, 7, b"first", 1)).await.unwrap();
    let first = version(store, 1).await;
    let held = async |version, time| {
        let held = store.hold_grant(user(7), version, time).await;
        held.unwrap().is_some()
    };
    assert!(!held(first + 1, LONG).await);
    assert!(held(first, LONG).await);
    assert!(!held(first, LONG).await);
    let renewed = store.renew_grant(user(7), first, b"second", t(5000)).await;
    assert!(renewed.unwrap());
    let late = store.renew_grant(user(7), first, b"late", t(6000)).await;
    assert!(!late.unwrap());
    let found = store.join_grant(guild(1), user(7)).await.unwrap().unwrap();
    assert_eq!((&*found.sealed, found.version), (&b"second"[..], first + 1));
    assert_eq!(found.ends_at, stored(5000));
    // Who held the old one does not hold the new one; and nobody holds for ever.
    let moment = Duration::ZERO;
    assert!(held(first + 1, moment).await);
    assert!(held(first + 1, LONG).await);
    // The person consents again meanwhile: that one counts.
    store.consent(&new(1, 7, b"third", 3)).await.unwrap();
    assert!(!store.end_grant(user(7), first + 1).await.unwrap());
    assert!(held(first + 2, LONG).await);
    assert!(store.end_grant(user(7), first + 2).await.unwrap());
    assert_eq!(store.count_consents(guild(1)).await.unwrap(), 0);
    assert_eq!(store.consents_of(user(7)).await.unwrap(), []);
}

async fn a_right_to_renew_is_given_back_by_whoever_has_it(storage: Storage) {
    const LONG: Duration = Duration::from_secs(3600);
    let store = storage.join_consents();
    store.consent(&new(1, 7, b"first", 1)).await.unwrap();
    let version = version(store, 1).await;
    let first = store
        .hold_grant(user(7), version, Duration::ZERO)
        .await
        .unwrap();
    // Its time is over, and somebody else has the right now.
    let second = store.hold_grant(user(7), version, LONG).await.unwrap();
    store.release_grant(user(7), first.unwrap()).await.unwrap();
    assert_eq!(
        store.hold_grant(user(7), version, LONG).await.unwrap(),
        None
    );
    store.release_grant(user(7), second.unwrap()).await.unwrap();
    let third = store.hold_grant(user(7), version, LONG).await.unwrap();
    assert!(third.is_some());
}

async fn what_was_taken_back_is_revoked_until_that_is_done(storage: Storage) {
    const LONG: Duration = Duration::from_secs(3600);
    let store = storage.join_consents();
    let take = async |time| store.take_revocation(time).await.unwrap();
    store.consent(&new(1, 7, b"first", 1)).await.unwrap();
    store.consent(&new(2, 7, b"second", 2)).await.unwrap();
    store.withdraw(user(7), Some(guild(1))).await.unwrap();
    assert_eq!(take(LONG).await, None, "another server has it still");
    store.withdraw(user(7), Some(guild(2))).await.unwrap();
    let first = take(Duration::ZERO).await.unwrap();
    assert_eq!(
        (first.user, &*first.sealed, first.attempt),
        (user(7), &b"second"[..], 1)
    );
    // Whoever had it was killed.
    let second = take(LONG).await.unwrap();
    assert_eq!(second.attempt, 2);
    assert_eq!(take(LONG).await, None);
    // Discord ends the whole authorization at this moment: what it gives now is worth nothing.
    assert!(!store.consent(&new(1, 7, b"third", 3)).await.unwrap());
    assert_eq!(store.join_grant(guild(1), user(7)).await.unwrap(), None);
    store.revoke_again(&second, LONG).await.unwrap();
    assert_eq!(take(LONG).await, None);
    // Nobody asks Discord now, and then nobody shall.
    assert!(store.consent(&new(1, 7, b"fourth", 4)).await.unwrap());
    store.revoke_again(&second, Duration::ZERO).await.unwrap();
    assert_eq!(take(LONG).await, None);
    // A renewal that comes too late concerns a person who allows it, until they take it back.
    store.revoke_lost(user(7), b"late").await.unwrap();
    assert_eq!(take(LONG).await, None);
    store.withdraw(user(7), None).await.unwrap();
    let old = take(LONG).await.unwrap();
    store.revoke_lost(user(7), b"late").await.unwrap();
    store.revoked(&old).await.unwrap();
    let late = take(LONG).await.unwrap();
    assert_eq!((&*late.sealed, late.attempt), (&b"late"[..], 1));
    store.revoked(&late).await.unwrap();
    assert!(store.consent(&new(1, 7, b"fifth", 5)).await.unwrap());
}
