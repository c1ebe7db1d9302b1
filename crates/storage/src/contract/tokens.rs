use uuid::Uuid;

use super::*;
use crate::error::StorageError;
use crate::token::{NewToken, PURGED_AT_ONCE, TokenHash};

contract!(
    tokens_are_found_by_hash_until_they_end,
    expired_tokens_are_purged_in_bounded_pieces,
);

fn token(text: &str, owner: Owner, expires_at: Option<DateTime<Utc>>) -> NewToken {
    NewToken {
        id: Uuid::new_v4(),
        hash: TokenHash::of(text),
        owner,
        name: format!("token {text}"),
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
