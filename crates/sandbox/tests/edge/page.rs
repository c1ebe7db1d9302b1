//! The page's files and the calls it makes.

use serde_json::{Value, json};
use splashtail_sandbox::seed::small;

use crate::client::bench;

#[tokio::test]
async fn the_page_is_served_with_everything_it_loads() {
    let b = bench().await;
    let get = |path: &str| b.http.get(b.running.control.join(path).unwrap()).send();
    let page = get("/").await.unwrap();
    assert!(
        page.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert!(page.headers().contains_key("content-security-policy"));
    let html = page.text().await.unwrap();
    for asset in ["/page.js", "/page.css"] {
        assert!(html.contains(asset));
        assert_eq!(get(asset).await.unwrap().status(), 200);
    }
    assert_eq!(get("/readyz").await.unwrap().status(), 200);
    assert_eq!(get("/other").await.unwrap().status(), 404);
}

#[tokio::test]
async fn the_summary_has_what_the_page_chooses_from() {
    let b = bench().await;
    let get = |path: String| {
        let url = b.running.control.join(&path).unwrap();
        let http = b.http.clone();
        async move {
            http.get(url)
                .send()
                .await
                .unwrap()
                .json::<Value>()
                .await
                .unwrap()
        }
    };
    let world = get("/ctl/world?summary=true".into()).await;
    assert_eq!(world["guilds"].as_array().unwrap().len(), 4);
    assert!(
        world["guilds"][0]["members"]
            .as_array()
            .unwrap()
            .contains(&json!(small::OWNER))
    );
    let channel = b.channel().await;
    let message = b.say(&channel, "hello page").await;
    let owner = small::OWNER;
    let seen = get(format!(
        "/ctl/as/{owner}/messages?channel_id={channel}&limit=5"
    ))
    .await;
    assert_eq!(
        seen.as_array().unwrap().last().unwrap()["id"],
        message["id"]
    );
    let commands = get(format!(
        "/ctl/as/{owner}/commands?guild_id={}",
        small::GUILDS[0]
    ))
    .await;
    assert!(commands.is_array());
}

#[tokio::test]
async fn foreign_pages_cannot_steer_the_sandbox() {
    let b = bench().await;
    let url = b.running.control.join("/ctl/reset").unwrap();
    let answer = b
        .http
        .post(url)
        .header("origin", "http://evil.test")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);
}
