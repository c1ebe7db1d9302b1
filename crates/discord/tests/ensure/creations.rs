//! Objects that are made, and what is found of them later.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use serde_json::json;
use splashtail_core::clock::Clock as _;
use splashtail_core::ids::{ApplicationId, ChannelId};
use splashtail_discord::ensure::{
    AUDIT_LAG, AUDIT_SETTLED, Acting, EnsureError, Nonce, Outcome, OverwriteOf,
};
use tokio_util::sync::CancellationToken;
use wiremock::matchers::{body_json, method, path};
use wiremock::{Mock, ResponseTemplate};

use crate::fake::{Fake, G, entry, guild, made, mark, user};

#[test]
fn nonces_name_one_effect() {
    let nonce = Nonce::of(&["a", "bc"]);
    assert_eq!(nonce, Nonce::of(&["a", "bc"]));
    assert_ne!(nonce, Nonce::of(&["ab", "c"]));
    assert!(nonce.as_str().len() <= 25);
}

#[tokio::test]
async fn what_is_so_already_costs_no_call() {
    let fake = Fake::new().await;
    let acting = fake.acting();
    let role = json!({"id": "5", "name": "Mod", "permissions": "8", "hoist": false, "icon": "x"});
    let want = json!({"name": "Mod", "permissions": "8", "hoist": false});
    let channel = json!({"id": "6", "type": 0, "name": "a", "permission_overwrites": [
        {"id": "5", "type": 0, "allow": "1024", "deny": "0"}]});
    let member = json!({"user": {"id": "7"}, "roles": ["5"],
        "communication_disabled_until": "2026-11-02T00:00:00+00:00"});
    let until = DateTime::parse_from_rfc3339("2026-11-02T00:00:00Z")
        .unwrap()
        .to_utc();
    let webhook = json!({"id": "8", "application_id": "3", "name": "w", "token": "t"});
    let application = ApplicationId::new(3).unwrap();
    let at = ChannelId::new(6).unwrap();
    let role_of = OverwriteOf::Role;
    for ensured in [
        acting.ensure_role(guild(), &want, Some(&role)).await,
        acting
            .ensure_channel(guild(), &json!({"name": "a"}), Some(&channel))
            .await,
        acting.ensure_overwrite(&channel, role_of(5), 1024, 0).await,
        acting.ensure_overwrite(&channel, role_of(9), 0, 0).await,
        acting
            .ensure_no_overwrite(&channel, OverwriteOf::Member(7))
            .await,
        acting
            .ensure_member_roles(guild(), &member, &[5], &[6])
            .await,
        acting.ensure_timeout(guild(), &member, Some(until)).await,
        acting.ensure_banned(guild(), user(7), 0, Some(true)).await,
        acting.ensure_unbanned(guild(), user(7), Some(false)).await,
        acting
            .ensure_webhook(guild(), at, application, &json!({"name": "w"}), &[webhook])
            .await,
    ] {
        assert_eq!(ensured.unwrap().outcome, Outcome::Unchanged);
    }
    assert!(fake.calls().await.is_empty());
}

#[tokio::test]
async fn only_the_difference_is_sent_with_the_nonce_in_the_reason() {
    let fake = Fake::new().await;
    Mock::given(method("PATCH"))
        .and(path(format!("{G}/roles/5")))
        .and(body_json(json!({"permissions": "0"})))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"id": "5", "new": 1})))
        .expect(1)
        .mount(&fake.server)
        .await;
    let now = json!({"id": "5", "name": "Mod", "permissions": "8"});
    let want = json!({"name": "Mod", "permissions": "0"});
    let acting = fake.acting().reason(&"x".repeat(600));
    let ensured = acting
        .ensure_role(guild(), &want, Some(&now))
        .await
        .unwrap();
    assert_eq!(ensured.outcome, Outcome::Updated);
    assert_eq!(ensured.object["new"], 1);
    let request = &fake.server.received_requests().await.unwrap()[0];
    let reason = request.headers["x-audit-log-reason"].to_str().unwrap();
    assert!(reason.ends_with(&mark()) && reason.len() == 512, "{reason}");
}

/// Discord may still be working on what it did not answer: only the next run, which looks for as
/// long as that can take, posts again.
#[tokio::test]
async fn a_creation_without_an_answer_is_left_to_the_next_run() {
    let fake = Fake::new().await;
    let roles = format!("{G}/roles");
    fake.answers_times("POST", &roles, 504, json!({}), 1).await;
    let made = json!({"id": made(5, 1), "name": "Mod"});
    fake.answers("POST", &roles, 200, made).await;
    // One of that name was there before, and a bot that came since brought its own.
    let others = json!([
        {"id": self::made(-3600, 1), "name": "Mod", "permissions": "0"},
        {"id": self::made(1, 1), "name": "Mod", "managed": true}]);
    fake.answers("GET", &roles, 200, others).await;
    let want = json!({"name": "Mod"});
    let error = fake.role(fake.acting(), want.clone()).await.unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
    assert_eq!(fake.posts().await, 1);
    let looked_from = fake.clock.now();
    let again = fake.role(fake.acting().resumed(true), want).await.unwrap();
    assert_eq!(again.outcome, Outcome::Created);
    assert_eq!(fake.posts().await, 2);
    let looked_for = (fake.clock.now() - looked_from).to_std().unwrap();
    assert!(looked_for >= AUDIT_LAG, "{looked_for:?}");
}

/// A clock that is ahead, by minutes or by a zone, dates the intent behind what was made after it.
#[tokio::test]
async fn a_creation_is_found_though_our_clock_is_ahead() {
    for (behind, date) in [
        (299, "Sun, 01 Nov 2026 11:55:01 GMT"),
        (8 * 3600, "Sun, 01 Nov 2026 04:00:00 GMT"),
    ] {
        let fake = Fake::new().await;
        fake.hides_the_audit_log().await;
        let roles = format!("{G}/roles");
        let ours = made(-behind, 1);
        let role = json!([{"id": ours, "name": "Mod"}]);
        let list = fake.template(200, role);
        let list = list.insert_header("date", date);
        Mock::given(method("GET"))
            .and(path(&roles))
            .respond_with(list)
            .mount(&fake.server)
            .await;
        let acting = fake.acting().resumed(true);
        let ensured = fake.role(acting, json!({"name": "Mod"})).await.unwrap();
        assert_eq!(ensured.outcome, Outcome::Adopted, "{date}");
        assert_eq!(ensured.object["id"], json!(ours));
        assert_eq!(fake.posts().await, 0);
    }
}

/// The clock was three hours ahead when the intent was written down, and is right by now.
#[tokio::test]
async fn a_creation_is_found_though_our_clock_was_turned_back() {
    let fake = Fake::new().await;
    fake.hides_the_audit_log().await;
    let ours = made(-60, 1);
    let role = json!([{"id": ours, "name": "Mod"}]);
    fake.answers("GET", &format!("{G}/roles"), 200, role).await;
    let since = fake.clock.now() + TimeDelta::hours(3);
    let acting = fake.discord.acting(Nonce::of(&["job", "step"]), since);
    let ensured = fake
        .role(acting.resumed(true), json!({"name": "Mod"}))
        .await;
    assert_eq!(ensured.unwrap().outcome, Outcome::Adopted);
    assert_eq!(fake.posts().await, 0);
}

/// The database's clock was three hours ahead when the intent was written down, and was set right after it:
/// by what it says the intent was one hour ago.
#[tokio::test]
async fn a_creation_is_found_though_the_intents_clock_was_set_since() {
    let hour = TimeDelta::hours(1);
    for (noted, outcome) in [(true, Outcome::Adopted), (false, Outcome::Created)] {
        let fake = Fake::new().await;
        fake.hides_the_audit_log().await;
        let ours = made(-4 * 3600, 1);
        let role = json!([{"id": ours, "name": "Mod"}]);
        fake.answers("GET", &format!("{G}/roles"), 200, role).await;
        let new = json!({"id": made(1, 1), "name": "Mod"});
        fake.answers("POST", &format!("{G}/roles"), 200, new).await;
        let now = fake.clock.now();
        let acting = fake.discord.acting(Nonce::of(&["job", "step"]), now - hour);
        let acting = acting.dated(noted.then_some(now - hour * 4));
        let ensured = fake.role(acting.resumed(true), json!({"name": "Mod"}));
        assert_eq!(ensured.await.unwrap().outcome, outcome);
    }
}

/// It appears in the list some seconds after the connection was given up.
#[tokio::test]
async fn what_discord_finishes_later_is_found() {
    let fake = Fake::new().await;
    let roles = format!("{G}/roles");
    fake.answers("POST", &roles, 504, json!({})).await;
    fake.answers_times("GET", &roles, 200, json!([]), 3).await;
    let ours = made(6, 1);
    fake.answers("GET", &roles, 200, json!([{"id": ours, "name": "Mod"}]))
        .await;
    let log = json!({"audit_log_entries": [entry("1", &ours, &mark())]});
    fake.answers("GET", &format!("{G}/audit-logs"), 200, log)
        .await;
    let ensured = fake
        .role(fake.acting(), json!({"name": "Mod"}))
        .await
        .unwrap();
    assert_eq!(ensured.outcome, Outcome::Adopted);
    assert_eq!(fake.posts().await, 1);
}

/// The audit log comes twenty seconds late, and a person made a role of the same name meanwhile.
#[tokio::test]
async fn a_creation_without_an_answer_is_found_by_its_nonce() {
    let fake = Fake::new().await;
    let roles = format!("{G}/roles");
    let (ours, twin) = (made(1, 1), made(1, 2));
    fake.answers("POST", &roles, 502, json!({})).await;
    let role = |id: &str| json!({"id": id, "name": "Mod", "permissions": "8", "managed": false});
    fake.answers("GET", &roles, 200, json!([role(&twin), role(&ours)]))
        .await;
    let log = format!("{G}/audit-logs");
    let late = json!({"audit_log_entries": [entry("1", &twin, "by hand")]});
    fake.answers_times("GET", &log, 200, late, 4).await;
    let all = json!({"audit_log_entries": [
        entry("1", &twin, "by hand"), entry("2", &ours, &format!("Put back {}", mark()))]});
    fake.answers("GET", &log, 200, all).await;
    let want = json!({"name": "Mod", "permissions": "8"});
    let ensured = fake.role(fake.acting(), want).await.unwrap();
    assert_eq!(ensured.outcome, Outcome::Adopted);
    assert_eq!(ensured.object["id"], json!(ours));
    assert_eq!(fake.posts().await, 1);
}

/// Neither a failed look-up nor the order to stop makes a failure of what may have happened.
#[tokio::test]
async fn what_cannot_be_looked_up_stays_ambiguous() {
    let roles = format!("{G}/roles");
    let fake = Fake::new().await;
    fake.answers("POST", &roles, 500, json!({})).await;
    fake.answers("GET", &roles, 503, json!({})).await;
    let error = fake
        .role(fake.acting(), json!({"name": "Mod"}))
        .await
        .unwrap_err();
    assert!(error.is_ambiguous(), "{error}");

    let fake = Fake::new().await;
    fake.answers("POST", &roles, 500, json!({})).await;
    fake.answers(
        "GET",
        &roles,
        200,
        json!([{"id": made(1, 1), "name": "Mod"}]),
    )
    .await;
    let log = format!("{G}/audit-logs");
    fake.answers("GET", &log, 200, json!({"audit_log_entries": []}))
        .await;
    let token = CancellationToken::new();
    let acting = fake.acting().cancelled_by(&token);
    let call = async move {
        acting
            .ensure_role(guild(), &json!({"name": "Mod"}), None)
            .await
    };
    let call = tokio::spawn(call);
    fake.clock.wait_for_sleepers(1).await;
    token.cancel();
    let error = call.await.unwrap().unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
}

#[tokio::test]
async fn resumed_creations_are_looked_up_first() {
    let fake = Fake::new().await;
    let roles = format!("{G}/roles");
    let ours = made(1, 1);
    fake.answers("GET", &roles, 200, json!([{"id": ours, "name": "Mod"}]))
        .await;
    fake.hides_the_audit_log().await;
    let acting = fake.acting().resumed(true);
    let want = json!({"name": " Mod "});
    let ensured = fake.role(acting.clone(), want.clone()).await.unwrap();
    assert_eq!(
        ensured.outcome,
        Outcome::Adopted,
        "the only one that can be it"
    );
    assert_eq!(ensured.object["id"], json!(ours));
    // The second of two roles that are alike: the first is another effect's.
    let second = made(9, 1);
    fake.answers("POST", &roles, 200, json!({"id": second}))
        .await;
    let acting = acting.owned([ours.parse::<u64>().unwrap()]);
    let ensured = fake.role(acting, want).await.unwrap();
    assert_eq!(ensured.outcome, Outcome::Created);
    assert_eq!(ensured.object["id"], json!(second));
}

/// Discord stores names otherwise than they are sent, and people rename what they find.
#[tokio::test]
async fn what_is_new_and_unlike_may_be_it_all_the_same() {
    let fake = Fake::new().await;
    let channels = format!("{G}/channels");
    let stored = json!([{"id": made(1, 1), "type": 0, "name": "mod-chat"}]);
    fake.answers_times("GET", &channels, 200, stored, 1).await;
    let renamed = json!([{"id": made(1, 1), "type": 0, "name": "staff"}]);
    fake.answers("GET", &channels, 200, renamed).await;
    fake.hides_the_audit_log().await;
    let acting = fake.acting().resumed(true);
    let channel = |acting: Acting| async move {
        let want = json!({"name": "Mod  Chat"});
        acting.ensure_channel(guild(), &want, None).await
    };
    let ensured = fake.run(channel(acting.clone())).await.unwrap();
    assert_eq!(ensured.outcome, Outcome::Adopted);
    let error = fake.run(channel(acting)).await.unwrap_err();
    assert!(
        matches!(error, EnsureError::Unresolved { candidates: 1, .. }),
        "{error}"
    );
    assert_eq!(fake.posts().await, 0);
}

/// What was sent just now is not a person's matter yet, however old the intent is.
#[tokio::test]
async fn a_creation_sent_late_is_ambiguous_at_first() {
    let fake = Fake::new().await;
    fake.clock.advance(Duration::from_secs(24 * 3600));
    let roles = format!("{G}/roles");
    fake.answers("POST", &roles, 504, json!({})).await;
    let two = json!([{"id": made(1, 1), "name": "Mod"}, {"id": made(1, 2), "name": "Mod"}]);
    fake.answers("GET", &roles, 200, two).await;
    fake.hides_the_audit_log().await;
    let want = json!({"name": "Mod"});
    let error = fake.role(fake.acting(), want.clone()).await.unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
    let error = fake.role(fake.acting().resumed(true), want).await;
    let error = error.unwrap_err();
    assert!(!error.is_ambiguous() && !error.is_transient(), "{error}");
    assert_eq!(fake.posts().await, 1);
}

/// What other people made is never taken, and of several that nobody claims none is.
#[tokio::test]
async fn strangers_are_not_adopted() {
    let fake = Fake::new().await;
    let roles = format!("{G}/roles");
    let twin = made(1, 2);
    fake.answers("GET", &roles, 200, json!([{"id": twin, "name": "Mod"}]))
        .await;
    let log = json!({"audit_log_entries": [entry("1", &twin, "by hand")]});
    fake.answers("GET", &format!("{G}/audit-logs"), 200, log)
        .await;
    fake.answers("POST", &roles, 200, json!({"id": made(9, 1)}))
        .await;
    let ensured = fake
        .role(fake.acting().resumed(true), json!({"name": "Mod"}))
        .await
        .unwrap();
    assert_eq!(ensured.outcome, Outcome::Created);

    let fake = Fake::new().await;
    let two = json!([{"id": made(1, 1), "name": "Mod"}, {"id": made(1, 2), "name": "Mod"}]);
    fake.answers("GET", &roles, 200, two).await;
    let log = format!("{G}/audit-logs");
    fake.answers("GET", &log, 200, json!({"audit_log_entries": []}))
        .await;
    let error = fake
        .role(fake.acting().resumed(true), json!({"name": "Mod"}))
        .await
        .unwrap_err();
    assert!(
        matches!(error, EnsureError::Unresolved { candidates: 2, .. }),
        "{error}"
    );
    assert!(error.is_ambiguous() && !error.is_transient());

    // Entries that did not come in all that time are not waited for any longer.
    let line = Duration::from_secs(60);
    fake.clock.advance(line + AUDIT_SETTLED);
    let acting = fake.acting().resumed(true).longest_wait(line);
    let error = fake.role(acting, json!({"name": "Mod"})).await.unwrap_err();
    assert!(matches!(
        error,
        EnsureError::Unresolved { settled: true, .. }
    ));
    assert!(!error.is_ambiguous() && !error.is_transient(), "{error}");
    assert_eq!(fake.posts().await, 0);
}
