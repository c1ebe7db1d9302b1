//! What GitHub sends, from the hook that somebody makes to what is noted of it.

use crate::support::cluster::{cluster, start_with};
use crate::support::{GUILD, OTHER_GUILD, TestServer, USER, error, user};
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use reqwest::Response;
use serde_json::{Value, json};
use sha2::Sha256;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

const CHANNEL: &str = "1100000000001179700";
const FOREIGN: &str = "1100000000001179701";

async fn start() -> (MockServer, TestServer) {
    let iserver = cluster().await;
    let test = start_with(&iserver, |config| {
        config.discord_auth.token = Some("token".to_owned().into());
    })
    .await;
    for (channel, guild) in [(CHANNEL, GUILD), (FOREIGN, OTHER_GUILD)] {
        let known = json!({"id": channel, "type": 0, "guild_id": guild.to_string()});
        Mock::given(path(format!("/api/v10/channels/{channel}")))
            .respond_with(ResponseTemplate::new(200).set_body_json(known))
            .mount(&test.discord)
            .await;
    }
    (iserver, test)
}

async fn ask(test: &TestServer, token: &str, method: Method, at: &str, body: Value) -> Response {
    let request = test.client.request(method, test.url(at));
    let request = request.header("authorization", format!("User {token}"));
    let request = match body {
        Value::Null => request,
        body => request.json(&body),
    };
    request.send().await.unwrap()
}

async fn done(answer: Response, status: u16) -> Value {
    let answered = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_default();
    assert_eq!(answered, status, "{body}");
    body
}

/// As GitHub sends it.
async fn sent(test: &TestServer, url: &str, secret: &str, event: &str, body: &Value) -> Response {
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let request = test.client.post(url).body(body);
    let request = request
        .header("content-type", "application/json")
        .header("x-github-event", event)
        .header("x-hub-signature-256", signature);
    request.send().await.unwrap()
}

#[tokio::test]
async fn an_event_is_noted_where_its_hook_says() {
    let (_iserver, test) = start().await;
    let token = test.token(user(USER)).await;
    let hooks = format!("/guilds/{GUILD}/gitlogs");
    let own = async |method, at: &str, body| ask(&test, &token, method, at, body).await;
    let made = own(Method::POST, &hooks, json!({"comment": "ours"})).await;
    let made = done(made, 201).await;
    let (secret, url) = (
        made["secret"].as_str().unwrap(),
        made["hook"]["url"].as_str().unwrap(),
    );
    let id = made["hook"]["id"].as_str().unwrap();
    let push = json!({"ref": "refs/heads/main", "commits": [],
        "repository": {"full_name": "Owner/Name"}});

    let ping = sent(&test, url, secret, "ping", &json!({})).await;
    done(ping, 200).await;
    done(sent(&test, url, secret, "push", &push).await, 206).await;
    let repos = format!("{hooks}/{id}/repos");
    for channel in [FOREIGN, "1", "x"] {
        let foreign = json!({"name": "Owner/Name", "channel_id": channel});
        let foreign = own(Method::POST, &repos, foreign).await;
        assert_eq!(error(foreign).await, (400, "invalid_body".to_owned()));
    }
    let repo = json!({"name": "Owner/Name", "channel_id": CHANNEL});
    let repo = done(own(Method::POST, &repos, repo).await, 201).await;
    assert_eq!(repo["name"], "owner/name");

    let noted = done(sent(&test, url, secret, "push", &push).await, 202).await;
    let again = done(sent(&test, url, secret, "push", &push).await, 202).await;
    assert_eq!(noted["log"], again["log"], "it is told once");
    let log = noted["log"].as_str().unwrap();
    let shown = done(own(Method::GET, log, Value::Null).await, 200).await;
    assert_eq!(shown["state"], "waiting");
    assert_eq!(shown["channel_id"], CHANNEL);
    done(sent(&test, url, secret, "member", &push).await, 206).await;

    // A rule keeps it silent, and says so.
    let rules = format!("{hooks}/{id}/rules");
    let rule = json!({"events": ["issues.*"], "act": "block", "repo": repo["id"]});
    done(own(Method::POST, &rules, rule).await, 201).await;
    for wrong in [
        json!({"events": [], "act": "block"}),
        json!({"events": ["Push!"], "act": "block"}),
        json!({"events": ["push"], "act": "redirect"}),
        json!({"events": ["push"], "act": "redirect", "channel_id": FOREIGN}),
    ] {
        let refused = own(Method::POST, &rules, wrong).await;
        assert_eq!(error(refused).await.0, 400);
    }
    let issue = json!({"action": "opened", "issue": {"number": 1, "title": "t"},
        "repository": {"full_name": "owner/name"}});
    done(sent(&test, url, secret, "issues", &issue).await, 202).await;
    let list = format!("{hooks}/{id}/deliveries");
    let listed = done(own(Method::GET, &list, Value::Null).await, 200).await;
    let states = listed["deliveries"].as_array().unwrap().iter();
    let states: Vec<_> = states.map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["passed", "waiting"]);

    let whole = done(own(Method::GET, url, Value::Null).await, 200).await;
    assert_eq!(whole["repos"][0], repo);
    assert!(!whole.to_string().contains(secret));
    let gone = own(Method::DELETE, &format!("{hooks}/{id}"), Value::Null).await;
    assert_eq!(gone.status(), 204);
    let gone = sent(&test, url, secret, "push", &push).await;
    assert_eq!(error(gone).await.0, 404);
    test.stop().await;
}

/// The hook's address alone opens nothing: neither its page nor its channel.
#[tokio::test]
async fn who_knows_the_address_of_a_hook_knows_nothing_yet() {
    let (_iserver, test) = start().await;
    let token = test.token(user(USER)).await;
    let hooks = format!("/guilds/{GUILD}/gitlogs");
    let new = json!({"comment": "ours"});
    let made = done(ask(&test, &token, Method::POST, &hooks, new).await, 201).await;
    let url = made["hook"]["url"].as_str().unwrap();
    let push = json!({"repository": {"full_name": "owner/name"}});
    for secret in ["", "made up", url] {
        let forged = sent(&test, url, secret, "push", &push).await;
        assert_eq!(error(forged).await, (401, "unauthorized".to_owned()));
    }
    let unsigned = test.client.post(url).json(&push).send().await.unwrap();
    assert_eq!(error(unsigned).await.0, 401);
    let other = url.replace(
        made["hook"]["id"].as_str().unwrap(),
        &uuid::Uuid::nil().to_string(),
    );
    let nobodys = sent(&test, &other, "", "push", &push).await;
    assert_eq!(error(nobodys).await.0, 404);

    assert_eq!(test.get(url).await.status(), 401);
    let stranger = test.token(user(OTHER_GUILD)).await;
    let foreign = ask(&test, &stranger, Method::GET, url, Value::Null).await;
    assert_eq!(error(foreign).await.0, 403);
    test.stop().await;
}
