use super::*;
use crate::account::LoginTold;
use crate::guild::UserState;

contract!(a_login_is_kept_until_the_next);

async fn a_login_is_kept_until_the_next(storage: Storage) {
    let (accounts, users) = (storage.accounts(), storage.users());
    assert_eq!(accounts.account(user(1)).await.unwrap(), None);
    users
        .set_state(user(1), UserState::Banned, t(0))
        .await
        .unwrap();
    assert_eq!(accounts.account(user(1)).await.unwrap(), None, "no login");
    let told = LoginTold {
        profile: r#"{"username":"mila"}"#.to_owned(),
        guilds: "[]".to_owned(),
        grant: Some(vec![0, 1, 2]),
    };
    accounts.log_in(user(1), &told, t(5)).await.unwrap();
    let row = users.get(user(1)).await.unwrap().unwrap();
    assert_eq!(row.state, UserState::Banned, "a login lifts no ban");
    let account = accounts.account(user(1)).await.unwrap().unwrap();
    assert_eq!(account.profile, told.profile);
    assert_eq!(
        (account.guilds_at, account.grant),
        (Some(stored(5)), told.grant)
    );

    accounts.set_guilds(user(1), "[1]", t(9)).await.unwrap();
    accounts.set_grant(user(1), None).await.unwrap();
    let account = accounts.account(user(1)).await.unwrap().unwrap();
    assert_eq!(account.guilds.as_deref(), Some("[1]"));
    assert_eq!((account.guilds_at, account.grant), (Some(stored(9)), None));
    accounts.set_grant(user(2), Some(&[1])).await.unwrap();
    assert_eq!(accounts.account(user(2)).await.unwrap(), None);
}
