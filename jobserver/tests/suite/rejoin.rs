//! People are let back in who allowed it, and nobody else.

use std::time::Duration;

use crate::support::Jobserver;
use crate::support::server::{GUILD, OWNER, World, unlimited, world};
use secrecy::SecretString;
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_ipc::clients::JoinConsent;
use splashtail_sandbox::control::types::Consent;
use splashtail_sandbox_world::seed::small;
use splashtail_storage::TaskState;
use url::Url;

const KIND: &str = "guild_rejoin_members";
const REDIRECT: &str = "http://127.0.0.1:9/ioauth/login";
const MEMBER: &str = "1100000000000000013";
const SPARE: &str = "1100000000000000014";

/// As Discord gives them to whoever sends people to its consent page.
struct Given {
    access: SecretString,
    refresh: SecretString,
}

/// Somebody allows the application to let them into servers.
async fn given(world: &World, user: &str) -> Given {
    let mut page = world.sandbox.rest.join("/oauth2/authorize").unwrap();
    let app = small::APPLICATION.to_string();
    page.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &app)
        .append_pair("scope", "identify guilds.join")
        .append_pair("redirect_uri", REDIRECT);
    let consent = Consent {
        authorize_url: page.into(),
        allow: true,
        guild_id: None,
    };
    let location = world
        .control
        .consent(user, &consent)
        .await
        .unwrap()
        .location;
    let location = Url::parse(&location).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code");
    let code = code.unwrap().1.into_owned();
    let form = [
        ("client_id", app.as_str()),
        ("client_secret", small::CLIENT_SECRET),
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
    ];
    let tokens = world.sandbox.rest.join("/api/oauth2/token").unwrap();
    let answer = reqwest::Client::new().post(tokens).form(&form).send().await;
    let tokens: Value = answer.unwrap().json().await.unwrap();
    let token = |name: &str| tokens[name].as_str().unwrap().to_owned().into();
    Given {
        access: token("access_token"),
        refresh: token("refresh_token"),
    }
}

fn guild() -> GuildId {
    GUILD.parse().unwrap()
}

async fn keep(server: &Jobserver, user: &str, given: &Given, expires_in: Duration) {
    let consent = JoinConsent {
        server: guild(),
        user: user.parse().unwrap(),
        access_token: &given.access,
        refresh_token: &given.refresh,
        expires_in,
    };
    let client = server.client_of("api");
    client.put_join_consent(&consent).await.unwrap();
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

async fn kick(world: &World, user: &str) {
    let path = format!("/guilds/{GUILD}/members/{user}");
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
}

async fn is_member(world: &World, user: &str) -> bool {
    let path = format!("/guilds/{GUILD}/members/{user}");
    let found = world.control.rest(OWNER, "GET", &path, Value::Null).await;
    found.unwrap().status == 200
}

async fn order(server: &Jobserver, options: Value) -> TaskId {
    let data = json!({"ServerID": GUILD, "Options": options});
    let created = server.client().create_task(KIND, data, true, None).await;
    created.unwrap().task_id
}

fn users(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_allowed_it_comes_back() {
    let world = world().await;
    let server = world.setup.start().await;
    let secret = given(&world, MEMBER).await;
    keep(&server, MEMBER, &secret, WEEK).await;
    kick(&world, MEMBER).await;
    kick(&world, SPARE).await;

    let look = order(&server, json!({"DryRun": true})).await;
    let plan = server.document(look).await;
    assert_eq!(users(&plan["to_join"]), [MEMBER], "{plan:#}");
    assert!(!is_member(&world, MEMBER).await, "nobody so far");
    let other = json!({"PlanHash": "0".repeat(64)});
    let refused = order(&server, other).await;
    assert_eq!(server.ended(refused).await.state, TaskState::Failed);

    let options = json!({"Users": [MEMBER, SPARE]});
    let job = order(&server, options).await;
    let report = server.document(job).await;
    assert_eq!(users(&report["joined"]), [MEMBER], "{report:#}");
    assert_eq!(users(&report["not_consented"]), [SPARE]);
    assert!(is_member(&world, MEMBER).await);
    assert!(!is_member(&world, SPARE).await);

    // What Discord gave is written nowhere in clear.
    let told = format!("{:?} {report}", server.log(job).await);
    let ledger = server.storage.ledger().items(job, 0, 100).await.unwrap();
    let written = format!("{told} {ledger:?}");
    for token in [&secret.access, &secret.refresh] {
        let token = secrecy::ExposeSecret::expose_secret(token);
        assert!(!written.contains(token));
        for file in crate::support::files_below(world.setup.data()) {
            let bytes = std::fs::read(&file).unwrap();
            let is_in = bytes
                .windows(token.len())
                .any(|part| part == token.as_bytes());
            assert!(!is_in, "{}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_run_out_is_renewed_and_what_was_withdrawn_is_named() {
    let world = unlimited("small").await;
    let server = world.setup.start().await;
    // Its time is over, and only its refresh token is good.
    keep(
        &server,
        MEMBER,
        &given(&world, MEMBER).await,
        Duration::ZERO,
    )
    .await;
    // Withdrawn at Discord, where nobody tells us.
    let gone = given(&world, SPARE).await;
    keep(&server, SPARE, &gone, WEEK).await;
    let form = [
        ("client_id", small::APPLICATION.to_string()),
        ("client_secret", small::CLIENT_SECRET.to_owned()),
        (
            "token",
            secrecy::ExposeSecret::expose_secret(&gone.refresh).to_owned(),
        ),
    ];
    let revoke = world.sandbox.rest.join("/api/oauth2/token/revoke").unwrap();
    let revoked = reqwest::Client::new().post(revoke).form(&form).send().await;
    assert!(revoked.unwrap().status().is_success());
    for user in [MEMBER, SPARE] {
        kick(&world, user).await;
    }
    let report = server.document(order(&server, json!({})).await).await;
    assert_eq!(users(&report["joined"]), [MEMBER], "{report:#}");
    assert_eq!(report["not_joined"][0]["user"], SPARE);
    assert_eq!(report["not_joined"][0]["code"], "consent_ended");

    // The renewed one is good, too, and goes with the consent.
    let client = server.client_of("api");
    let spare: UserId = SPARE.parse().unwrap();
    let member: UserId = MEMBER.parse().unwrap();
    assert_eq!(client.join_consents_of(spare).await.unwrap(), []);
    assert_eq!(client.count_join_consents(guild()).await.unwrap(), 1);
    kick(&world, MEMBER).await;
    let report = server.document(order(&server, json!({})).await).await;
    assert_eq!(users(&report["joined"]), [MEMBER], "{report:#}");
    let given = client.join_consents_of(member).await.unwrap();
    assert_eq!(given[0].server_id, guild());
    client
        .remove_join_consent(member, Some(guild()))
        .await
        .unwrap();
    kick(&world, MEMBER).await;
    let report = server.document(order(&server, json!({})).await).await;
    assert_eq!(report["joined"], json!([]), "{report:#}");
    assert!(!is_member(&world, MEMBER).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_ends_at_discord_too() {
    let world = unlimited("small").await;
    let server = world.setup.start().await;
    let tokens = given(&world, MEMBER).await;
    keep(&server, MEMBER, &tokens, WEEK).await;
    let is_good = async || {
        let me = world.sandbox.rest.join("/api/v10/users/@me").unwrap();
        let token = secrecy::ExposeSecret::expose_secret(&tokens.access);
        let asked = reqwest::Client::new().get(me).bearer_auth(token);
        let asked = asked.header("user-agent", "DiscordBot (https://example.com, 1)");
        asked.send().await.unwrap().status().is_success()
    };
    assert!(is_good().await);
    let client = server.client_of("api");
    let member: UserId = MEMBER.parse().unwrap();
    client.remove_join_consent(member, None).await.unwrap();
    assert_eq!(client.join_consents_of(member).await.unwrap(), []);
    while is_good().await {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_banned_stays_out_and_without_the_permission_nothing_is_tried() {
    let world = unlimited("small").await;
    let server = world.setup.start().await;
    for user in [MEMBER, SPARE] {
        keep(&server, user, &given(&world, user).await, WEEK).await;
        kick(&world, user).await;
    }
    let ban = format!("/guilds/{GUILD}/bans/{SPARE}");
    world.rest(OWNER, "PUT", &ban, json!({})).await;
    let report = server.document(order(&server, json!({})).await).await;
    assert_eq!(users(&report["joined"]), [MEMBER], "{report:#}");
    assert_eq!(report["not_joined"][0]["user"], SPARE);
    assert_eq!(report["not_joined"][0]["code"], "discord_40007");
    // View Audit Log alone.
    world.limit_bot(1 << 7).await;
    let refused = order(&server, json!({})).await;
    assert_eq!(server.ended(refused).await.state, TaskState::Failed);
    let last = server.log(refused).await.pop().unwrap();
    assert!(last.msg.contains("Create Invite"), "{}", last.msg);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_one_goes_on_and_lets_nobody_in_twice() {
    let world = unlimited("small").await;
    let mut server = world.setup.start().await;
    for user in [MEMBER, SPARE] {
        keep(&server, user, &given(&world, user).await, WEEK).await;
        kick(&world, user).await;
    }
    let job = order(&server, json!({})).await;
    while !is_member(&world, MEMBER).await {
        tokio::task::yield_now().await;
    }
    server.kill();
    server = world.setup.start().await;
    let report = server.document(job).await;
    let mut back = users(&report["joined"]);
    back.extend(users(&report["members_already"]));
    back.sort();
    assert_eq!(back, [MEMBER, SPARE], "{report:#}");
    assert!(is_member(&world, SPARE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn consents_are_told_by_whoever_asks_for_them() {
    let world = unlimited("small").await;
    let server = world.setup.start().await;
    let args = json!({"args": {"server_id": GUILD, "user_id": MEMBER, "access_token": "a",
                               "refresh_token": "b", "expires_in": 600}});
    for client in ["bot", "cli"] {
        let (status, answer) = server
            .call_as(client, "put_join_consent", args.to_string())
            .await;
        assert_eq!((status, &answer["code"]), (403, &json!("not_yours")));
    }
    let wrong = json!({"args": {"server_id": GUILD, "user_id": MEMBER, "access_token": "a"}});
    let (status, _) = server
        .call_as("api", "put_join_consent", wrong.to_string())
        .await;
    assert_eq!(status, 400);
    let (status, _) = server
        .call_as("api", "put_join_consent", args.to_string())
        .await;
    assert_eq!(status, 204);
    let of = json!({"args": {"server_id": GUILD}});
    let (_, answer) = server.call_as("bot", "join_consents", of.to_string()).await;
    assert_eq!(answer["count"], 1);
}
