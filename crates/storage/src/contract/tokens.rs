use uuid::Uuid;

use super::*;
use crate::error::StorageError;
use crate::token::{NewToken, TokenHash};

contract!(tokens_are_found_by_hash_until_they_end);

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

    assert_eq!(tokens.purge(t(99)).await.unwrap(), 0);
    assert_eq!(tokens.purge(t(100)).await.unwrap(), 1);
    assert!(tokens.revoke(row.id).await.unwrap());
    assert!(!tokens.revoke(row.id).await.unwrap());
    assert_eq!(found("one", 0).await, None);
}
