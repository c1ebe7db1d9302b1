use super::*;

contract!(a_profile_is_replaced_forgotten_and_ends);

async fn a_profile_is_replaced_forgotten_and_ends(storage: Storage) {
    let profiles = storage.profiles();
    assert_eq!(profiles.profile(user(1)).await.unwrap(), None);
    profiles
        .set_profile(user(1), "{\"a\":1}", t(1))
        .await
        .unwrap();
    profiles
        .set_profile(user(1), "{\"a\":2}", t(2))
        .await
        .unwrap();
    let known = profiles.profile(user(1)).await.unwrap();
    assert_eq!(known, Some(("{\"a\":2}".to_owned(), stored(2))));
    assert!(profiles.forget_profile(user(1)).await.unwrap());
    assert!(!profiles.forget_profile(user(1)).await.unwrap());
    let later = DateTime::from_timestamp(4_000_000_000, 0).unwrap();
    for (id, at) in [(1, t(1)), (2, later)] {
        profiles.set_profile(user(id), "{}", at).await.unwrap();
    }
    let minute = Duration::from_secs(60);
    assert_eq!(profiles.purge_profiles(minute).await.unwrap(), 1);
    assert_eq!(profiles.profile(user(1)).await.unwrap(), None);
    assert!(profiles.profile(user(2)).await.unwrap().is_some());
}
