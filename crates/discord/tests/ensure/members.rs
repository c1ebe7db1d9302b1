//! Members, their roles and bans.

use std::collections::HashSet;

use serde_json::{Value, json};
use splashtail_core::ids::UserId;
use splashtail_discord::DiscordError;
use splashtail_discord::ensure::Outcome;
use wiremock::matchers::{body_json, method, path};
use wiremock::{Mock, ResponseTemplate};

use crate::fake::{Fake, G, guild, user};

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
async fn who_consented_is_let_in_once() {
    let fake = Fake::new().await;
    let place = format!("{G}/members/7");
    Mock::given(method("PUT"))
        .and(path(&place))
        .and(body_json(json!({"access_token": "allowed"})))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"user": {"id": "7"}})))
        .up_to_n_times(1)
        .mount(&fake.server)
        .await;
    Mock::given(method("PUT"))
        .and(path(&place))
        .respond_with(ResponseTemplate::new(204))
        .mount(&fake.server)
        .await;
    let (acting, token) = (fake.acting(), "allowed".to_owned().into());
    for outcome in [Outcome::Created, Outcome::Unchanged] {
        let joined = acting.ensure_joined(guild(), user(7), &token).await;
        assert_eq!(joined.unwrap().outcome, outcome);
    }
}
