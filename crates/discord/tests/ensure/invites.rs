//! Invites, which have codes that Discord chooses.

use serde_json::json;
use splashtail_discord::ensure::Outcome;

use crate::fake::Fake;

const BOT: u64 = 7;

/// Two like ones are wanted: the other one's is not taken for this one's, nor one of another length.
#[tokio::test]
async fn an_invite_of_another_effect_is_not_adopted() {
    let want = json!({"max_age": 0, "max_uses": 5, "temporary": false, "unique": true});
    let there = |code: &str, max_age: u64| {
        json!({"code": code, "max_age": max_age, "max_uses": 5, "temporary": false,
               "inviter": {"id": BOT.to_string()}, "created_at": "2026-11-01T12:00:01+00:00"})
    };
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
        let path = "/api/v10/channels/6/invites";
        let list = json!([there("other", 0), last]);
        fake.answers("GET", path, 200, list).await;
        fake.answers("POST", path, 200, there("new", 0)).await;
        let acting = fake.acting().resumed(true);
        let ensured = acting.ensure_invite(6, BOT, &known, &want).await.unwrap();
        assert_eq!(
            (ensured.outcome, &ensured.object["code"]),
            (outcome, &json!(code))
        );
    }
}
