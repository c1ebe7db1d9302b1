//! Channels that the bot does not see.

use serde_json::json;
use splashtail_discord::ensure::{Doubt, EnsureError, Outcome, OverwriteOf};

use crate::fake::{Fake, G, entry, guild, made, mark};

#[tokio::test]
async fn hidden_channels_are_left_alone() {
    let fake = Fake::new().await;
    let hidden = json!({"id": "6", "type": 0, "name": "___hidden___", "flags": 1 << 17,
        "permission_overwrites": [{"id": "100", "type": 0, "allow": "0", "deny": "1024"}]});
    let acting = fake.acting();
    for refused in [
        acting
            .ensure_channel(guild(), &json!({"name": "a"}), Some(&hidden))
            .await,
        acting
            .ensure_overwrite(&hidden, OverwriteOf::Role(100), 0, 1024)
            .await,
        acting
            .ensure_no_overwrite(&hidden, OverwriteOf::Role(100))
            .await,
    ] {
        assert!(
            matches!(refused, Err(EnsureError::Hidden(6))),
            "{refused:?}"
        );
    }
    assert!(fake.calls().await.is_empty());
}

#[tokio::test]
async fn channels_that_hide_themselves_are_found_in_the_audit_log() {
    let fake = Fake::new().await;
    let channels = format!("{G}/channels");
    fake.answers("GET", &channels, 200, json!([])).await;
    let ours = made(1, 1);
    let log = json!({"audit_log_entries": [entry("1", &ours, &mark())]});
    fake.answers("GET", &format!("{G}/audit-logs"), 200, log)
        .await;
    let want = json!({"name": "staff", "type": 0, "permission_overwrites": [
        {"id": "100", "type": 0, "allow": "0", "deny": "1024"}]});
    let acting = fake.acting().resumed(true);
    let ensured = acting.ensure_channel(guild(), &want, None).await.unwrap();
    assert_eq!(ensured.outcome, Outcome::Adopted);
    assert_eq!(ensured.object, json!({"id": ours}));
}

/// Neither a list that need not show it nor a silent audit log says that it was not made.
#[tokio::test]
async fn channels_that_hide_themselves_are_not_made_twice() {
    for readable in [true, false] {
        let fake = Fake::new().await;
        fake.answers("GET", &format!("{G}/channels"), 200, json!([]))
            .await;
        if readable {
            let log = json!({"audit_log_entries": [entry("1", &made(1, 1), "by hand")]});
            fake.answers("GET", &format!("{G}/audit-logs"), 200, log)
                .await;
        } else {
            fake.hides_the_audit_log().await;
        }
        let acting = fake.acting().resumed(true);
        let made = async move {
            let want = json!({"name": "staff", "type": 0, "permission_overwrites": [
                {"id": "100", "type": 0, "allow": "0", "deny": "1024"}]});
            acting.ensure_channel(guild(), &want, None).await
        };
        let error = fake.run(made).await.unwrap_err();
        let EnsureError::Unresolved { doubt, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(doubt == Doubt::Silent, readable, "{error}");
        assert!(error.is_ambiguous());
        assert_eq!(fake.posts().await, 0);
    }
}
