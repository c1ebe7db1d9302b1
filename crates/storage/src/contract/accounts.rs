use uuid::Uuid;

use super::*;
use crate::account::LoginTold;
use crate::guild::UserState;
use crate::owner::Owner;
use crate::token::{NewToken, TokenHash, TokenKind};

contract!(
    a_login_is_kept_until_the_next,
    a_grant_goes_with_the_last_session,
);

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
    let replace = async |tried: &[u8], grant| {
        let replaced = accounts.replace_grant(user(1), tried, grant).await;
        replaced.unwrap()
    };
    assert!(!replace(&[7], None).await, "not the one that was tried");
    assert!(replace(&[0, 1, 2], Some(&[3][..])).await);
    assert!(!replace(&[0, 1, 2], None).await, "there is a newer one");
    assert!(replace(&[3], None).await);
    let account = accounts.account(user(1)).await.unwrap().unwrap();
    assert_eq!(account.guilds.as_deref(), Some("[1]"));
    assert_eq!((account.guilds_at, account.grant), (Some(stored(9)), None));
    assert!(
        !replace(&[3], Some(&[4][..])).await,
        "what is forgotten stays so"
    );
}

async fn a_grant_goes_with_the_last_session(storage: Storage) {
    let accounts = storage.accounts();
    let told = LoginTold {
        profile: "{}".to_owned(),
        guilds: "[]".to_owned(),
        grant: Some(vec![1]),
    };
    let lasting = DateTime::from_timestamp(4_000_000_000, 0).unwrap();
    for (number, at, session) in [
        (1, t(0), Some(lasting)),
        (2, t(0), Some(t(10))),
        (3, t(0), None),
        // Their session is about to begin.
        (4, lasting, None),
    ] {
        accounts.log_in(user(number), &told, at).await.unwrap();
        if let Some(expires_at) = session {
            let token = NewToken {
                id: Uuid::new_v4(),
                hash: TokenHash::of(&number.to_string()),
                owner: Owner::User(user(number)),
                kind: TokenKind::Login,
                name: String::new(),
                perm_limits: Vec::new(),
                maker: None,
                created_at: t(0),
                expires_at: Some(expires_at),
            };
            storage.tokens().issue(&token).await.unwrap();
        }
    }
    assert_eq!(accounts.forget_grants().await.unwrap(), 2);
    assert_eq!(accounts.forget_grants().await.unwrap(), 0);
    for (number, kept) in [(1, true), (2, false), (3, false), (4, true)] {
        let account = accounts.account(user(number)).await.unwrap().unwrap();
        assert_eq!(account.grant.is_some(), kept, "{number}");
    }
}
