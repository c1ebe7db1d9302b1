//! An application of a stranger: a gateway session of its own, answers over REST.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use splashtail_e2e::backups::GUILD;
use splashtail_e2e::platform::Platform;
use splashtail_sandbox::control::types::NewApp;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Interval, interval};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const GUESTS: [&str; 3] = ["Ada Lovelace", "Alan Turing", "Grace Hopper"];
const EPHEMERAL: u64 = 1 << 6;

/// Answers interactions until it is closed.
pub struct Guestbook {
    stop: CancellationToken,
    task: JoinHandle<Vec<String>>,
}

impl Guestbook {
    /// Adds the application to the first guild, with its commands, and connects it.
    pub async fn open(platform: &Platform) -> Self {
        let app = NewApp {
            name: Some("Guestbook".to_owned()),
            guilds: vec![GUILD.to_owned()],
            ..NewApp::default()
        };
        let app = platform.control.create_app(&app).await.unwrap();
        let sandbox = platform.ready.sandbox.as_ref().unwrap();
        let api = sandbox.rest.join("api/v10/").unwrap();
        let http = reqwest::Client::builder()
            .user_agent("DiscordBot (https://example.test, 1)")
            .build()
            .unwrap();
        let commands = json!([
            {"name": "greet", "description": "Greets someone", "options": [
                {"type": 3, "name": "whom", "description": "A guest", "required": true, "autocomplete": true},
                {"type": 4, "name": "times", "description": "How often", "min_value": 1, "max_value": 3}]},
            {"name": "feedback", "description": "Tell us what you think"},
        ]);
        let path = format!("applications/{}/guilds/{GUILD}/commands", app.id);
        let put = http
            .put(api.join(&path).unwrap())
            .header("authorization", format!("Bot {}", app.token))
            .json(&commands);
        assert_eq!(put.send().await.unwrap().status(), 200);

        let gateway = sandbox.gateway.join("?v=10&encoding=json").unwrap();
        let (mut socket, _) = connect_async(gateway.as_str()).await.unwrap();
        let hello = next(&mut socket).await.unwrap();
        let beat = Duration::from_millis(hello["d"]["heartbeat_interval"].as_u64().unwrap());
        send(&mut socket, json!({"op": 2, "d": {
            "token": app.token, "intents": 0, "properties": {"os": "linux", "browser": "guestbook", "device": "guestbook"}}}))
        .await;
        while next(&mut socket).await.unwrap()["t"] != "READY" {}

        let stop = CancellationToken::new();
        let session = Session {
            socket,
            http,
            api,
            heartbeat: interval(beat / 2),
        };
        let task = tokio::spawn(session.run(stop.clone()));
        Self { stop, task }
    }

    /// What it was asked, in order, without autocompletion.
    pub async fn close(self) -> Vec<String> {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

struct Session {
    socket: Socket,
    http: reqwest::Client,
    api: url::Url,
    heartbeat: Interval,
}

impl Session {
    async fn run(mut self, stop: CancellationToken) -> Vec<String> {
        let mut asked = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return asked,
                _ = self.heartbeat.tick() => send(&mut self.socket, json!({"op": 1, "d": null})).await,
                event = next(&mut self.socket) => {
                    let Some(event) = event else { return asked };
                    if event["t"] == "INTERACTION_CREATE" {
                        self.answer(&event["d"], &mut asked).await;
                    }
                }
            }
        }
    }

    async fn answer(&self, interaction: &Value, asked: &mut Vec<String>) {
        let text = |key: &str| interaction[key].as_str().unwrap().to_owned();
        let path = format!("interactions/{}/{}/callback", text("id"), text("token"));
        let (question, callback) = answer(interaction);
        asked.extend(question);
        let post = self.http.post(self.api.join(&path).unwrap());
        let status = post.json(&callback).send().await.unwrap().status();
        assert!(status.is_success(), "{status}: {callback}");
    }
}

/// What was asked, and the callback.
fn answer(interaction: &Value) -> (Option<String>, Value) {
    let data = &interaction["data"];
    let option = |name: &str| {
        let options = data["options"].as_array().into_iter().flatten();
        options.into_iter().find(|o| o["name"] == name).cloned()
    };
    match (interaction["type"].as_u64(), data["name"].as_str()) {
        (Some(4), _) => {
            let typed = option("whom").unwrap()["value"]
                .as_str()
                .unwrap()
                .to_lowercase();
            let guests = GUESTS.iter().filter(|g| g.to_lowercase().contains(&typed));
            let choices: Vec<Value> = guests.map(|g| json!({"name": g, "value": g})).collect();
            (None, json!({"type": 8, "data": {"choices": choices}}))
        }
        (Some(2), Some("greet")) => {
            let whom = option("whom").unwrap()["value"]
                .as_str()
                .unwrap()
                .to_owned();
            let times = option("times").unwrap()["value"].clone();
            let content = format!("Hello **{whom}**, {times} times");
            let data = json!({"content": content, "flags": EPHEMERAL});
            (
                Some(format!("greet {whom} {times}")),
                json!({"type": 4, "data": data}),
            )
        }
        (Some(2), _) => {
            let input = json!({"type": 4, "custom_id": "text", "style": 2, "required": true});
            let label = json!({"type": 18, "label": "What do you think?", "component": input});
            let form = json!({"custom_id": "form", "title": "Feedback", "components": [label]});
            (
                Some("feedback".to_owned()),
                json!({"type": 9, "data": form}),
            )
        }
        (Some(5), _) => {
            let text = data["components"][0]["component"]["value"]
                .as_str()
                .unwrap();
            let button = json!({"type": 2, "style": 1, "label": "Once more", "custom_id": "again"});
            let data = json!({"content": format!("Thank you: {text}"),
                "components": [{"type": 1, "components": [button]}]});
            (
                Some(format!("form {text}")),
                json!({"type": 4, "data": data}),
            )
        }
        _ => {
            let pressed = data["custom_id"].as_str().unwrap();
            let data = json!({"content": "Pressed.", "components": []});
            (
                Some(format!("button {pressed}")),
                json!({"type": 7, "data": data}),
            )
        }
    }
}

async fn send(socket: &mut Socket, payload: Value) {
    socket
        .send(Message::text(payload.to_string()))
        .await
        .unwrap();
}

/// The next payload; `None` at the end of the session.
async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => return serde_json::from_str(&text).ok(),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}
