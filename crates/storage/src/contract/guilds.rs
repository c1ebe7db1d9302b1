use super::*;
use crate::guild::UserState;

contract!(a_guild_is_made_once, users_keep_their_state);

async fn a_guild_is_made_once(storage: Storage) {
    assert!(!storage.guilds().exists(guild(1)).await.unwrap());
    let racing = (0..8).map(|_| {
        let storage = storage.clone();
        tokio::spawn(async move { storage.guilds().ensure(guild(1), t(0)).await.unwrap() })
    });
    let mut new = 0;
    for ensured in racing.collect::<Vec<_>>() {
        new += u32::from(ensured.await.unwrap());
    }
    assert_eq!(new, 1, "no race fails, one makes it");
    assert!(storage.guilds().exists(guild(1)).await.unwrap());
    assert!(!storage.guilds().exists(guild(2)).await.unwrap());
}

async fn users_keep_their_state(storage: Storage) {
    let users = storage.users();
    assert_eq!(users.get(user(1)).await.unwrap(), None);
    assert!(users.ensure(user(1), t(0)).await.unwrap());
    users
        .set_state(user(1), UserState::Banned, t(5))
        .await
        .unwrap();
    assert!(!users.ensure(user(1), t(6)).await.unwrap());
    let row = users.get(user(1)).await.unwrap().unwrap();
    assert_eq!((row.state, row.vote_banned), (UserState::Banned, false));
    assert_eq!((row.created_at, row.updated_at), (stored(0), stored(5)));
    users
        .set_state(user(2), UserState::Normal, t(7))
        .await
        .unwrap();
    assert_eq!(
        users.get(user(2)).await.unwrap().unwrap().state,
        UserState::Normal
    );
}
