use uuid::Uuid;

use super::*;
use crate::error::StorageError;
use crate::token::{NewToken, PURGED_AT_ONCE, TokenHash, TokenKind};

contract!(
    tokens_are_found_by_hash_until_they_end,
    expired_tokens_are_purged_in_bounded_pieces,
    an_owner_has_so_many_tokens_of_a_kind,
    a_token_is_used_extended_and_ended_by_its_owner,
    a_token_goes_with_the_one_that_made_it,
);

fn token(text: &str, owner: Owner, expires_at: Option<DateTime<Utc>>) -> NewToken {
    NewToken {
        id: Uuid::new_v4(),
        hash: TokenHash::of(text),
        owner,
        kind: TokenKind::Operator,
        name: format!("token {text}"),
        perm_limits: vec!["limits.view".to_owned()],
        maker: None,
        created_at: t(0),
        expires_at,
    }
}

async fn tokens_are_found_by_hash_until_they_end(storage: Storage) {
    let (server, someone) = (Owner::Server(guild(1)), Owner::User(user(1)));
    let tokens = storage.tokens();
    let row = tokens.issue(&token("one", server, None)).await.unwrap();
    assert_eq!((row.owner, row.created_at), (server, stored(0)));
    let brief = tokens
        .issue(&token("two", someone, Some(t(100))))
        .await
        .unwrap();
    let again = tokens.issue(&token("one", someone, None)).await;
    assert!(matches!(again, Err(StorageError::Conflict(_))), "{again:?}");

    let found = async |text: &str, now| tokens.lookup(&TokenHash::of(text), t(now)).await.unwrap();
    assert_eq!(found("one", 0).await, Some(row.clone()));
    assert_eq!(found("two", 99).await, Some(brief.clone()));
    assert_eq!(found("two", 100).await, None, "expired");
    assert_eq!(found("three", 0).await, None);
    assert_eq!(tokens.list(server).await.unwrap(), vec![row.clone()]);
    assert_eq!(tokens.list(someone).await.unwrap(), [brief]);

    let lasting = DateTime::from_timestamp(4_000_000_000, 0);
    let lasting = token("four", someone, lasting);
    let lasting = tokens.issue(&lasting).await.unwrap();
    assert_eq!(tokens.purge().await.unwrap(), 1);
    assert_eq!(tokens.list(someone).await.unwrap(), [lasting]);
    assert!(tokens.revoke(row.id).await.unwrap());
    assert!(!tokens.revoke(row.id).await.unwrap());
    assert_eq!(found("one", 0).await, None);
}

async fn expired_tokens_are_purged_in_bounded_pieces(storage: Storage) {
    let (owner, tokens) = (Owner::User(user(1)), storage.tokens());
    for n in 0..PURGED_AT_ONCE + 2 {
        let expired = token(&n.to_string(), owner, Some(t(i64::from(n))));
        tokens.issue(&expired).await.unwrap();
    }
    assert_eq!(tokens.purge().await.unwrap(), u64::from(PURGED_AT_ONCE));
    let left = tokens.list(owner).await.unwrap();
    let newest = Some(stored(i64::from(PURGED_AT_ONCE) + 1));
    assert_eq!(left.len(), 2);
    assert!(
        left.iter().any(|token| token.expires_at == newest),
        "{left:?}"
    );
    assert_eq!(tokens.purge().await.unwrap(), 2);
    assert_eq!(tokens.purge().await.unwrap(), 0);
}

async fn an_owner_has_so_many_tokens_of_a_kind(storage: Storage) {
    let (one, other) = (Owner::User(user(1)), Owner::User(user(2)));
    let tokens = storage.tokens();
    let of = |text: &str, owner, kind, at: i64, expires_at| NewToken {
        kind,
        created_at: t(at),
        ..token(text, owner, expires_at)
    };
    let api = TokenKind::Api;
    for (text, owner, kind, at, end, fits) in [
        ("a", one, api, 0, Some(t(50)), true),
        ("b", one, api, 1, None, true),
        ("c", one, api, 2, None, false),
        ("d", one, TokenKind::Login, 3, None, true),
        ("e", other, api, 4, None, true),
        // The first has ended.
        ("f", one, api, 60, None, true),
        ("g", one, api, 61, None, false),
    ] {
        let new = of(text, owner, kind, at, end);
        let issued = tokens.issue_within(&new, 2).await.unwrap();
        assert_eq!(issued.is_some(), fits, "{text}");
    }
    for (text, at) in [("h", 5), ("i", 6)] {
        let new = of(text, one, TokenKind::Login, at, None);
        tokens.issue(&new).await.unwrap();
    }
    let gone = tokens.keep_newest(one, TokenKind::Login, 2).await.unwrap();
    assert_eq!(gone, 1);
    let found = async |text| tokens.lookup(&TokenHash::of(text), t(7)).await.unwrap();
    assert_eq!(found("d").await, None, "the oldest goes");
    assert!(found("h").await.is_some() && found("i").await.is_some());
    assert!(found("b").await.is_some() && found("e").await.is_some());
}

async fn a_token_is_used_extended_and_ended_by_its_owner(storage: Storage) {
    let (one, other) = (Owner::User(user(1)), Owner::User(user(2)));
    let tokens = storage.tokens();
    let row = tokens
        .issue(&token("one", one, Some(t(100))))
        .await
        .unwrap();
    let found = async |now| {
        let found = tokens.lookup(&TokenHash::of("one"), t(now)).await.unwrap();
        found.map(|row| (row.last_used_at, row.expires_at))
    };
    assert_eq!(row.perm_limits, ["limits.view"]);
    tokens.touch(row.id, t(5), None).await.unwrap();
    assert_eq!(found(6).await, Some((Some(stored(5)), Some(stored(100)))));
    tokens.touch(row.id, t(7), Some(t(200))).await.unwrap();
    assert_eq!(found(150).await, Some((Some(stored(7)), Some(stored(200)))));
    assert!(!tokens.extend(other, row.id, t(0), t(300)).await.unwrap());
    assert!(!tokens.extend(one, row.id, t(200), t(300)).await.unwrap());
    assert!(tokens.extend(one, row.id, t(199), t(300)).await.unwrap());
    assert_eq!(found(250).await, Some((Some(stored(7)), Some(stored(300)))));
    assert!(!tokens.revoke_of(other, row.id).await.unwrap());
    assert!(tokens.revoke_of(one, row.id).await.unwrap());
    assert_eq!(found(6).await, None);
}

async fn a_token_goes_with_the_one_that_made_it(storage: Storage) {
    let (owner, tokens) = (Owner::User(user(1)), storage.tokens());
    let made = async |text: &str, maker: Option<Uuid>| {
        let new = NewToken {
            maker,
            ..token(text, owner, Some(t(100)))
        };
        let row = tokens.issue_within(&new, 9).await.unwrap().unwrap();
        assert_eq!(row.maker, maker);
        row.id
    };
    let one = made("one", None).await;
    let two = made("two", Some(one)).await;
    let three = made("three", Some(two)).await;
    made("other", None).await;
    assert!(!tokens.extend(owner, three, t(0), t(101)).await.unwrap());
    assert!(tokens.extend(owner, two, t(0), t(90)).await.unwrap());
    assert!(tokens.revoke_of(owner, one).await.unwrap());
    let left = tokens.list(owner).await.unwrap();
    let left: Vec<_> = left.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(left, ["token other"]);
}
