//! Sheet §10: pictures in any format and size, attachments behind signed links.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;

use crate::client::bench;

#[tokio::test]
async fn attachments_come_back_byte_for_byte_and_only_by_signed_links() {
    let b = bench().await;
    let channel = b.channel().await;
    let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let mut body = b"--cut\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n\
        {\"content\":\"with a file\"}\r\n--cut\r\nContent-Disposition: form-data; \
        name=\"files[0]\"; filename=\"data file.bin\"\r\n\r\n"
        .to_vec();
    body.extend(&bytes);
    body.extend(b"\r\n--cut--\r\n");
    let answer = b
        .bot("POST", &format!("/channels/{channel}/messages"))
        .header("content-type", "multipart/form-data; boundary=cut")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let message: Value = answer.json().await.unwrap();
    let url = message["attachments"][0]["url"].as_str().unwrap();
    assert!(url.starts_with(b.running.rest.as_str()), "{url}");
    let get = |url: String| async { b.http.get(url).send().await.unwrap() };
    let file = get(url.to_owned()).await;
    assert_eq!(file.status(), 200);
    assert_eq!(file.bytes().await.unwrap(), bytes);
    let proxy = message["attachments"][0]["proxy_url"].as_str().unwrap();
    assert_eq!(get(proxy.to_owned()).await.bytes().await.unwrap(), bytes);
    let (bare, query) = url.split_once('?').unwrap();
    assert_eq!(get(bare.to_owned()).await.status(), 404, "unsigned");
    let forged = format!("{bare}?{}", query.replace("hm=", "hm=0"));
    assert_eq!(get(forged).await.status(), 404, "forged");
    b.clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(get(url.to_owned()).await.status(), 404, "expired");
    // A fresh look at the message gives a fresh link.
    let path = format!(
        "/channels/{channel}/messages/{}",
        message["id"].as_str().unwrap()
    );
    let again: Value = b
        .bot("GET", &path)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let fresh = again["attachments"][0]["url"].as_str().unwrap();
    assert_eq!(get(fresh.to_owned()).await.status(), 200);
}

#[tokio::test]
async fn pictures_come_in_every_format_and_size() {
    let b = bench().await;
    let path = format!("/guilds/{}", small::GUILDS[0]);
    let guild: Value = b
        .bot("GET", &path)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let icon = guild["icon"].as_str().unwrap();
    for (extension, kind) in [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("webp", "image/webp"),
    ] {
        let url = b.url(&format!(
            "/icons/{}/{icon}.{extension}?size=32",
            small::GUILDS[0]
        ));
        let answer = b.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{extension}");
        assert_eq!(answer.headers()["content-type"], kind);
        let picture = image::load_from_memory(&answer.bytes().await.unwrap()).unwrap();
        assert!(picture.width() <= 32 && picture.height() <= 32);
    }
    let status = |path: String| {
        let asked = b.http.get(b.url(&path)).send();
        async move { asked.await.unwrap().status() }
    };
    let guild = small::GUILDS[0];
    assert_eq!(
        status(format!("/icons/{guild}/{icon}.png?size=33")).await,
        400
    );
    assert_eq!(
        status(format!("/icons/{guild}/0123456789abcdef.png")).await,
        404
    );
    assert_eq!(status("/embed/avatars/3.png".to_owned()).await, 200);
    assert_eq!(status("/embed/avatars/9.png".to_owned()).await, 404);
    assert_eq!(status("/nothing/here".to_owned()).await, 404);
}

const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const GIF: &str = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

/// What is uploaded as a data URI is answered as a hash, and found under it in the place of its
/// kind; an animated one is told by `a_` and has a GIF.
#[tokio::test]
async fn every_kind_of_picture_is_found_under_its_hash() {
    let b = bench().await;
    let guild = small::GUILDS[0];
    let bot = small::APPLICATION;
    // Without it a server keeps its old icon (documentation, "Modify Guild").
    b.running.edge.sandbox.with_world(|world| {
        let guild = world.guilds.get_mut(&guild).unwrap();
        guild.features.insert("ANIMATED_ICON".into());
    });
    let rows = [
        (
            format!("/guilds/{guild}"),
            "icon",
            format!("/icons/{guild}/"),
        ),
        (
            "/users/@me".to_owned(),
            "avatar",
            format!("/avatars/{bot}/"),
        ),
        (
            format!("/guilds/{guild}/members/@me"),
            "avatar",
            format!("/guilds/{guild}/users/{bot}/avatars/"),
        ),
    ];
    let status = |path: String| {
        let asked = b.http.get(b.url(&path)).send();
        async move { asked.await.unwrap().status().as_u16() }
    };
    for (path, field, place) in rows {
        for (upload, animated) in [(PNG, false), (GIF, true)] {
            let mut body = serde_json::json!({field: upload});
            if path == "/users/@me" {
                // The API description wants it.
                body["username"] = "renamed".into();
            }
            let answer = b.bot("PATCH", &path).json(&body).send().await.unwrap();
            let answer: Value = answer.json().await.unwrap();
            let hash = answer[field]
                .as_str()
                .unwrap_or_else(|| panic!("{path}: {answer}"));
            assert_eq!(hash.starts_with("a_"), animated, "{path}: {hash}");
            for (extension, expected) in [("png", 200), ("webp", 200), ("jpg", 200)] {
                let at = format!("{place}{hash}.{extension}?size=16");
                assert_eq!(status(at.clone()).await, expected, "{at}");
            }
            let gif = if animated { 200 } else { 415 };
            assert_eq!(
                status(format!("{place}{hash}.gif")).await,
                gif,
                "{place}{hash}"
            );
            assert_eq!(status(format!("{place}{hash}.png?size=15")).await, 400);
            assert_eq!(status(format!("{place}{hash}")).await, 404, "no extension");
        }
    }
    let path = format!("/guilds/{guild}/emojis");
    let body = serde_json::json!({"name": "dot", "image": PNG});
    let emoji: Value = b
        .bot("POST", &path)
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let id = emoji["id"].as_str().unwrap();
    assert_eq!(status(format!("/emojis/{id}.webp?size=16")).await, 200);
    assert_eq!(status("/emojis/5.webp".to_owned()).await, 404);
    for n in 0..6 {
        assert_eq!(status(format!("/embed/avatars/{n}.png")).await, 200);
    }
}

/// `/soundboard-sounds/{id}` and `/guild-events/{id}/{hash}.png`.
#[tokio::test]
async fn sounds_and_covers_are_found() {
    let b = bench().await;
    let post = async |list: &str, body: Value| {
        let path = format!("/guilds/{}/{list}", small::GUILDS[0]);
        let sent = b.bot("POST", &path).json(&body).send();
        sent.await.unwrap().json::<Value>().await.unwrap()
    };
    let get = async |path: String| b.http.get(b.url(&path)).send().await.unwrap();
    let horn = json!({"name": "Horn", "sound": "data:audio/ogg;base64,T2dnUyB0b290"});
    let horn = post("soundboard-sounds", horn).await;
    let id = horn["sound_id"].as_str().unwrap();
    let answer = get(format!("/soundboard-sounds/{id}")).await;
    assert_eq!(answer.headers()["content-type"], "audio/ogg");
    assert_eq!(answer.bytes().await.unwrap(), "OggS toot");
    assert_eq!(get("/soundboard-sounds/1".to_owned()).await.status(), 404);
    let party = json!({
        "name": "Party", "privacy_level": 2, "entity_type": 3, "image": PNG,
        "scheduled_start_time": "2099-01-01T00:00:00Z", "scheduled_end_time": "2099-01-02T00:00:00Z",
        "entity_metadata": {"location": "The pier"},
    });
    let party = post("scheduled-events", party).await;
    let (id, hash) = (party["id"].as_str(), party["image"].as_str());
    let cover = format!("/guild-events/{}/{}.png", id.unwrap(), hash.unwrap());
    assert_eq!(get(cover).await.status(), 200);
}
