//! Invites, which have codes that Discord chooses.

use serde_json::{Value, json};
use splashtail_discord::ensure::{EnsureError, Ensured, Outcome};

use crate::fake::Fake;

const BOT: u64 = 7;
const INVITES: &str = "/api/v10/channels/6/invites";

fn there(code: &str, max_age: u64) -> Value {
    json!({"code": code, "max_age": max_age, "max_uses": 5, "temporary": false,
           "inviter": {"id": BOT.to_string()}, "created_at": "2026-11-01T12:00:01+00:00"})
}

/// One that is for ever.
async fn ensured(
    fake: &Fake,
    resumed: bool,
    known: Vec<&'static str>,
) -> Result<Ensured, EnsureError> {
    let acting = fake.acting().resumed(resumed);
    let ensuring = async move {
        let want = json!({"max_age": 0, "max_uses": 5, "temporary": false, "unique": true});
        acting.ensure_invite(6, BOT, &known, &want).await
    };
    fake.run(ensuring).await
}

/// Two like ones are wanted: the other one's is not taken for this one's, nor one of another length.
#[tokio::test]
async fn an_invite_of_another_effect_is_not_adopted() {
    for (last, known, code, outcome) in [
        (there("mine", 0), vec!["other"], "mine", Outcome::Adopted),
        (
            there("week", 604_800),
            vec!["other"],
            "new",
            Outcome::Created,
        ),
        (there("other", 0), vec!["other"], "new", Outcome::Created),
    ] {
        let fake = Fake::new().await;
        let list = json!([there("other", 0), last]);
        fake.answers("GET", INVITES, 200, list).await;
        fake.answers("POST", INVITES, 200, there("new", 0)).await;
        let ensured = ensured(&fake, true, known).await.unwrap();
        assert_eq!(
            (ensured.outcome, &ensured.object["code"]),
            (outcome, &json!(code))
        );
    }
}

/// Discord may still be working on what it did not answer, and its list may be behind.
#[tokio::test]
async fn an_invite_that_shows_late_is_not_made_twice() {
    let fake = Fake::new().await;
    let nothing = json!([]);
    fake.answers_times("GET", INVITES, 200, nothing.clone(), 4)
        .await;
    fake.answers("GET", INVITES, 200, json!([there("late", 0)]))
        .await;
    fake.answers("POST", INVITES, 200, there("second", 0)).await;
    let again = ensured(&fake, true, vec![]).await.unwrap();
    assert_eq!(
        (again.outcome, &again.object["code"]),
        (Outcome::Adopted, &json!("late"))
    );
    assert_eq!(fake.posts().await, 0);

    let fake = Fake::new().await;
    fake.answers("POST", INVITES, 504, json!({})).await;
    fake.answers_times("GET", INVITES, 200, nothing, 2).await;
    fake.answers("GET", INVITES, 200, json!([there("late", 0)]))
        .await;
    let unanswered = ensured(&fake, false, vec![]).await.unwrap();
    assert_eq!(unanswered.outcome, Outcome::Adopted);
    assert_eq!(fake.posts().await, 1);
}
