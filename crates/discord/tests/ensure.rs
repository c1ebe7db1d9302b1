//! `ensure_*` against a fake Discord: what is called, and what is made of the answers.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::sync::Once;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use splashtail_core::clock::{Clock as _, ManualClock};
use splashtail_core::ids::{ApplicationId, ChannelId, GuildId, UserId};
use splashtail_discord::ensure::{
    AUDIT_LAG, AUDIT_SETTLED, Acting, Doubt, ENFORCED_FOR, EnsureError, Ensured, Nonce, Outcome,
    OverwriteOf,
};
use splashtail_discord::{Discord, DiscordError};
use tokio_util::sync::CancellationToken;
use url::Url;
use wiremock::matchers::{body_json, body_partial_json, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const G: &str = "/api/v10/guilds/100";

fn guild() -> GuildId {
    GuildId::new(100).unwrap()
}

fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

fn start() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-01T12:00:00Z")
        .unwrap()
        .to_utc()
}

/// An id made so many seconds after the intent.
fn made(after: i64, low: u64) -> String {
    let milliseconds = start().timestamp_millis() + after * 1000 - 1_420_070_400_000;
    ((u64::try_from(milliseconds).unwrap() << 22) + low).to_string()
}

struct Fake {
    server: MockServer,
    discord: Discord,
    clock: ManualClock,
}

impl Fake {
    async fn new() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let server = MockServer::start().await;
        let base = Url::parse(&server.uri()).unwrap();
        let clock = ManualClock::new(start());
        let token = "token".to_owned().into();
        let discord = Discord::new(&base, &base, &token, clock.shared()).unwrap();
        Self {
            server,
            discord,
            clock,
        }
    }

    fn acting(&self) -> Acting {
        let nonce = Nonce::of(&["job", "step"]);
        self.discord.acting(nonce, start()).reason("Put back")
    }

    async fn answers(&self, verb: &str, at: &str, status: u16, body: Value) {
        self.answers_times(verb, at, status, body, u64::MAX).await;
    }

    async fn answers_times(&self, verb: &str, at: &str, status: u16, body: Value, times: u64) {
        Mock::given(method(verb))
            .and(path(at))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .up_to_n_times(times)
            .mount(&self.server)
            .await;
    }

    /// Method and path of everything that was asked.
    async fn calls(&self) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap();
        let call = |request: &wiremock::Request| {
            let path = request.url.path().replace("/api/v10", "");
            format!("{} {path}", request.method)
        };
        requests.iter().map(call).collect()
    }

    async fn posts(&self) -> usize {
        let calls = self.calls().await;
        calls.iter().filter(|call| call.starts_with("POST")).count()
    }

    /// Nobody lets the bot read the audit log.
    async fn hides_the_audit_log(&self) {
        let refused = json!({"message": "Missing Permissions", "code": 50013});
        let log = format!("{G}/audit-logs");
        self.answers("GET", &log, 403, refused).await;
    }

    /// Runs it with time passing whenever it waits.
    async fn run<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> T {
        let call = tokio::spawn(call);
        while !call.is_finished() {
            tokio::select! {
                () = self.clock.wait_for_sleepers(1) => self.clock.advance(Duration::from_secs(1)),
                () = tokio::task::yield_now() => {}
            }
            tokio::task::yield_now().await;
        }
        call.await.unwrap()
    }

    async fn role(&self, acting: Acting, want: Value) -> Result<Ensured, EnsureError> {
        self.run(async move { acting.ensure_role(guild(), &want, None).await })
            .await
    }
}

fn mark() -> String {
    format!("[{}]", Nonce::of(&["job", "step"]).as_str())
}

fn entry(id: &str, target: &str, reason: &str) -> Value {
    json!({"id": id, "target_id": target, "action_type": 30, "user_id": "9", "reason": reason})
}

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

#[tokio::test]
async fn members_change_with_one_call() {
    let fake = Fake::new().await;
    let member = json!({"user": {"id": "7"}, "roles": ["1", "2", "3"]});
    let patched = json!({"user": {"id": "7"}, "roles": ["3"]});
    fake.answers("PATCH", &format!("{G}/members/7"), 200, patched)
        .await;
    Mock::given(path(format!("{G}/members/7/roles/2")))
        .respond_with(ResponseTemplate::new(204))
        .mount(&fake.server)
        .await;
    let gone = json!({"message": "Unknown Member", "code": 10007});
    fake.answers("DELETE", &format!("{G}/members/7"), 404, gone)
        .await;
    let acting = fake.acting();
    let one = acting
        .ensure_member_roles(guild(), &member, &[], &[2, 9])
        .await
        .unwrap();
    assert_eq!(one.object["roles"], json!(["1", "3"]));
    let two = acting
        .ensure_member_roles(guild(), &member, &[], &[1, 2])
        .await
        .unwrap();
    assert_eq!(two.object["roles"], json!(["3"]));
    let kicked = acting.ensure_kicked(guild(), user(7)).await.unwrap();
    assert_eq!(
        kicked.outcome,
        Outcome::Unchanged,
        "they left by themselves"
    );
    assert_eq!(
        fake.calls().await,
        [
            "DELETE /guilds/100/members/7/roles/2",
            "PATCH /guilds/100/members/7",
            "DELETE /guilds/100/members/7"
        ]
    );
}

#[tokio::test]
async fn bans_are_absolute() {
    let fake = Fake::new().await;
    Mock::given(method("PUT"))
        .and(path(format!("{G}/bans/7")))
        .and(body_json(json!({"delete_message_seconds": 60})))
        .respond_with(ResponseTemplate::new(204))
        .mount(&fake.server)
        .await;
    let unknown = json!({"message": "Unknown Ban", "code": 10026});
    fake.answers("DELETE", &format!("{G}/bans/7"), 404, unknown)
        .await;
    let acting = fake.acting();
    let banned = acting
        .ensure_banned(guild(), user(7), 60, None)
        .await
        .unwrap();
    assert_eq!(banned.outcome, Outcome::Created);
    let unbanned = acting
        .ensure_unbanned(guild(), user(7), None)
        .await
        .unwrap();
    assert_eq!(unbanned.outcome, Outcome::Unchanged);
}

#[tokio::test]
async fn bulk_bans_go_by_two_hundred_and_lose_nothing() {
    let fake = Fake::new().await;
    let bulk = format!("{G}/bulk-ban");
    let first: Vec<String> = (1..=198).map(|id: u64| id.to_string()).collect();
    let answer = json!({"banned_users": first, "failed_users": ["199", "200"]});
    fake.answers_times("POST", &bulk, 200, answer, 1).await;
    let refused = json!({"message": "Failed to ban users", "code": 500000});
    fake.answers_times("POST", &bulk, 400, refused, 1).await;
    let refused = json!({"message": "Missing Permissions", "code": 50013});
    fake.answers("POST", &bulk, 403, refused).await;
    let unknown = json!({"message": "Unknown Ban", "code": 10026});
    for id in 200..=400 {
        fake.answers("GET", &format!("{G}/bans/{id}"), 404, unknown.clone())
            .await;
    }
    fake.answers("GET", &format!("{G}/bans/199"), 200, json!({}))
        .await;
    let mut users: Vec<UserId> = (1..=450).map(user).collect();
    users.push(user(1));
    let known = HashSet::from([user(450)]);
    let done = fake
        .acting()
        .ensure_all_banned(guild(), &users, 0, &known)
        .await;
    assert_eq!(done.banned.len(), 198);
    assert_eq!(done.already, [user(450), user(199)]);
    assert_eq!(
        done.failed.len(),
        201,
        "one of the first call, all of the second"
    );
    assert_eq!(done.left.len(), 49);
    assert!(matches!(done.stopped, Some(DiscordError::Api(_))));
    let sizes: Vec<usize> = fake
        .server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .filter(|request| request.method == "POST")
        .map(|request| {
            request.body_json::<Value>().unwrap()["user_ids"]
                .as_array()
                .unwrap()
                .len()
        })
        .collect();
    assert_eq!(sizes, [200, 200, 49]);
}

#[tokio::test]
async fn messages_are_sent_once() {
    let fake = Fake::new().await;
    let nonce = Nonce::of(&["job", "step"]);
    let sent = json!({"nonce": nonce.as_str(), "enforce_nonce": true, "content": "Hello"});
    let messages = "/api/v10/channels/6/messages";
    Mock::given(method("POST"))
        .and(path(messages))
        .and(body_partial_json(sent))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"id": "1"})))
        .mount(&fake.server)
        .await;
    let channel = ChannelId::new(6).unwrap();
    let body = json!({"content": "Hello"});
    let acting = fake.acting().resumed(true);
    let first = acting
        .ensure_message(channel, user(9), &body)
        .await
        .unwrap();
    assert_eq!(
        first.outcome,
        Outcome::Created,
        "Discord still knows the nonce"
    );

    let own =
        |id: &str, author: &str| json!({"id": id, "author": {"id": author}, "content": "Hello"});
    let (theirs, ours) = (made(1, 1), made(1, 2));
    Mock::given(method("GET"))
        .and(path(messages))
        .and(query_param("limit", "100"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!([own(&ours, "9"), own(&theirs, "8")])),
        )
        .mount(&fake.server)
        .await;
    fake.clock.advance(Duration::from_secs(3600));
    let later = acting
        .ensure_message(channel, user(9), &body)
        .await
        .unwrap();
    assert_eq!(
        (later.outcome, &later.object["id"]),
        (Outcome::Adopted, &json!(ours))
    );
}

const MESSAGES: &str = "/api/v10/channels/6/messages";

fn message(id: &str) -> Value {
    json!({"id": id, "author": {"id": "9"}, "content": "Hello"})
}

async fn hello(acting: Acting) -> Result<Ensured, EnsureError> {
    let channel = ChannelId::new(6).unwrap();
    let body = json!({"content": "Hello"});
    acting.ensure_message(channel, user(9), &body).await
}

/// The line is longer than Discord remembers the nonce.
#[tokio::test]
async fn a_message_is_not_repeated_when_its_nonce_may_be_forgotten() {
    let fake = Fake::new().await;
    let slow = ResponseTemplate::new(502)
        .set_body_json(json!({}))
        .insert_header("x-ratelimit-bucket", "abc")
        .insert_header("x-ratelimit-limit", "1")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset-after", "300");
    Mock::given(method("POST"))
        .and(path(MESSAGES))
        .respond_with(slow)
        .mount(&fake.server)
        .await;
    fake.answers_times("GET", MESSAGES, 200, json!([]), 1).await;
    let ours = made(1, 1);
    fake.answers("GET", MESSAGES, 200, json!([message(&ours)]))
        .await;
    let error = fake.run(hello(fake.acting())).await.unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
    assert_eq!(fake.posts().await, 1);
    assert!(fake.clock.now() - start() < chrono::Duration::seconds(120));
    // The next run stands in the same line, and finds it before its turn comes.
    let found = fake.run(hello(fake.acting().resumed(true))).await.unwrap();
    assert_eq!(found.outcome, Outcome::Adopted);
    assert_eq!(found.object["id"], json!(ours));
    assert_eq!(fake.posts().await, 1);
}

/// While it is remembered a message is repeated, and another effect's that says the same is none.
#[tokio::test]
async fn a_message_is_repeated_while_its_nonce_is_remembered() {
    let fake = Fake::new().await;
    fake.answers_times("POST", MESSAGES, 502, json!({}), 1)
        .await;
    fake.answers("POST", MESSAGES, 200, json!({"id": "2"}))
        .await;
    let sent = fake.run(hello(fake.acting())).await.unwrap();
    assert_eq!(sent.outcome, Outcome::Created);
    assert_eq!(fake.posts().await, 2);
    let first = made(1, 1);
    fake.answers("GET", MESSAGES, 200, json!([message(&first)]))
        .await;
    fake.clock.advance(ENFORCED_FOR);
    let acting = fake.acting().resumed(true);
    let acting = acting.owned([first.parse::<u64>().unwrap()]);
    let second = fake.run(hello(acting)).await.unwrap();
    assert_eq!(second.outcome, Outcome::Created);
}

/// A look at the channel is worth nothing after a long wait in line: it is looked at again.
#[tokio::test]
async fn a_resumed_message_is_looked_up_just_before_it_is_sent() {
    let fake = Fake::new().await;
    let full = ResponseTemplate::new(200)
        .set_body_json(json!({"id": "1"}))
        .insert_header("x-ratelimit-bucket", "abc")
        .insert_header("x-ratelimit-limit", "1")
        .insert_header("x-ratelimit-remaining", "0")
        .insert_header("x-ratelimit-reset-after", "300");
    Mock::given(method("POST"))
        .and(path(MESSAGES))
        .respond_with(full)
        .mount(&fake.server)
        .await;
    fake.run(hello(fake.acting())).await.unwrap();
    fake.clock.advance(ENFORCED_FOR);
    fake.answers_times("GET", MESSAGES, 200, json!([]), 1).await;
    let ours = made(100, 1);
    fake.answers("GET", MESSAGES, 200, json!([message(&ours)]))
        .await;
    let found = fake.run(hello(fake.acting().resumed(true))).await.unwrap();
    assert_eq!(found.outcome, Outcome::Adopted);
    assert_eq!(fake.posts().await, 1, "only the one that filled the line");
}
