//! Damage of every kind, drawn from a seed.

mod others;
mod structure;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use splashtail_sandbox::portrait::Reader as _;
use splashtail_sandbox_world::draw::Draw;

use crate::support::server::{BOT, GUILD, OWNER, World};

/// Nobody who is in the server.
const STRANGERS: [&str; 3] = [
    "1100000000000000901",
    "1100000000000000902",
    "1100000000000000903",
];
/// A picture of one colour.
fn picture(color: u8) -> String {
    let picture = image::RgbaImage::from_pixel(64, 64, image::Rgba([color, 10, 200, 255]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    format!(
        "data:image/png;base64,{}",
        STANDARD.encode(bytes.into_inner())
    )
}

/// What is done, in turn.
const ACTS: [Act; 32] = [
    Act::DeleteChannel,
    Act::RenameChannel,
    Act::MoveChannel,
    Act::OpenChannel,
    Act::ForgetOverwrite,
    Act::DeleteRole,
    Act::EditRole,
    Act::SwapRoles,
    Act::StripMember,
    Act::Rename,
    Act::DeleteChannel,
    Act::CreateChannel,
    Act::CreateRole,
    Act::Unban,
    Act::Ban,
    Act::DeleteEmoji,
    Act::RenameEmoji,
    Act::FakeEmoji,
    Act::DeleteSticker,
    Act::DeleteSound,
    Act::DeleteRule,
    Act::DisableRule,
    Act::DeleteEvent,
    Act::EditEvent,
    Act::DeleteWebhook,
    Act::CreateWebhook,
    Act::DeleteInvite,
    Act::EditServer,
    Act::EditNewcomers,
    Act::DeleteThread,
    Act::RenameThread,
    Act::SwapChannels,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    DeleteChannel,
    RenameChannel,
    MoveChannel,
    OpenChannel,
    ForgetOverwrite,
    CreateChannel,
    SwapChannels,
    DeleteRole,
    EditRole,
    SwapRoles,
    CreateRole,
    StripMember,
    Rename,
    Unban,
    Ban,
    DeleteEmoji,
    RenameEmoji,
    FakeEmoji,
    DeleteSticker,
    DeleteSound,
    DeleteRule,
    DisableRule,
    DeleteEvent,
    EditEvent,
    DeleteWebhook,
    CreateWebhook,
    DeleteInvite,
    EditServer,
    EditNewcomers,
    DeleteThread,
    RenameThread,
}

struct Havoc<'w> {
    world: &'w World,
    draw: Draw,
    /// Channels that the bot sees: of others it knows nothing, and restores nothing.
    seen: Vec<Value>,
    /// Top role of the bot: what stands above it is not restored.
    top: i64,
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

fn guild(rest: &str) -> String {
    format!("/guilds/{GUILD}{rest}")
}

/// Things of the kinds that a world lacks, so that all can be damaged.
pub async fn furnish(world: &World) {
    let channels = world.seen_channels().await;
    let text = channels.iter().filter(|c| c["type"] == 0);
    let text: Vec<&str> = text.map(id).take(3).collect();
    let post = async |path: String, body: Value| world.rest(OWNER, "POST", &path, body).await;
    for (n, place) in text.iter().enumerate() {
        let hook = json!({"name": format!("hook {n}"), "avatar": picture(1)});
        post(format!("/channels/{place}/webhooks"), hook).await;
        let invite = json!({"max_age": 0, "max_uses": 5 + n});
        post(format!("/channels/{place}/invites"), invite).await;
    }
    for name in ["words", "more words"] {
        let rules = world.get(&guild("/auto-moderation/rules")).await;
        let keywords = rules.as_array().into_iter().flatten();
        if keywords.filter(|rule| rule["trigger_type"] == 1).count() >= 6 {
            break;
        }
        let rule = json!({"name": name, "event_type": 1, "trigger_type": 1, "enabled": true,
            "trigger_metadata": {"keyword_filter": [name]},
            "actions": [{"type": 2, "metadata": {"channel_id": text[0]}}],
            "exempt_channels": [text[1]]});
        post(guild("/auto-moderation/rules"), rule).await;
    }
    for name in ["fair", "market"] {
        let event = json!({"name": name, "privacy_level": 2, "entity_type": 3,
            "scheduled_start_time": "2030-05-01T10:00:00Z", "scheduled_end_time": "2030-05-01T12:00:00Z",
            "entity_metadata": {"location": "harbour"}});
        post(guild("/scheduled-events"), event).await;
    }
    for (stranger, reason) in STRANGERS.iter().zip(["spam", "raid", "spam"]).take(2) {
        let path = guild(&format!("/bans/{stranger}"));
        world
            .control
            .create_user(&stranger_of(stranger))
            .await
            .unwrap();
        let answer = world
            .control
            .act(OWNER, "ban", &ban(stranger, reason))
            .await;
        assert!(answer.unwrap().results[0].status < 300, "{path}");
    }
    world
        .control
        .create_user(&stranger_of(STRANGERS[2]))
        .await
        .unwrap();
}

fn stranger_of(id: &str) -> splashtail_sandbox::control::types::NewUser {
    splashtail_sandbox::control::types::NewUser {
        id: Some(id.to_owned()),
        ..Default::default()
    }
}

fn ban(user: &str, reason: &str) -> splashtail_sandbox::control::types::Act {
    splashtail_sandbox::control::types::Act {
        guild_id: Some(GUILD.to_owned()),
        target_id: Some(user.to_owned()),
        reason: Some(reason.to_owned()),
        ..Default::default()
    }
}

/// So many acts of each kind. What was done is told.
pub async fn wreak(world: &World, seed: u64, rounds: usize) -> Vec<String> {
    let roles = world.roles().await;
    let own = roles.iter().find(|role| role["tags"]["bot_id"] == BOT);
    let mut havoc = Havoc {
        world,
        draw: Draw::new(seed, "havoc"),
        seen: Vec::new(),
        top: own.and_then(|role| role["position"].as_i64()).unwrap(),
    };
    let mut told = Vec::new();
    for round in 0..rounds {
        for act in ACTS {
            havoc.seen = world.seen_channels().await;
            if let Some(about) = havoc.one(act, round).await {
                told.push(format!("{act:?} {about}"));
            }
        }
    }
    told
}

impl Havoc<'_> {
    fn any(&mut self, of: Vec<Value>) -> Option<Value> {
        self.draw.pick(&of).cloned()
    }

    async fn list(&self, rest: &str) -> Vec<Value> {
        let answer = self.world.get(&guild(rest)).await;
        let items = answer.get("items").unwrap_or(&answer);
        items.as_array().cloned().unwrap_or_default()
    }

    async fn rest(&self, method: &str, path: &str, body: Value) {
        self.world.rest(OWNER, method, path, body).await;
    }

    fn channel(&mut self, is: impl Fn(&Value) -> bool) -> Option<Value> {
        let found = self.seen.iter().filter(|channel| is(channel));
        let found = found.cloned().collect();
        self.any(found)
    }

    /// Below the bot's own, and not given by Discord.
    async fn role(&mut self) -> Option<Value> {
        let top = self.top;
        let mut roles = self.list("/roles").await;
        roles.retain(|role| {
            let position = role["position"].as_i64().unwrap();
            role["managed"] == false
                && role["tags"].is_null()
                && position < top
                && role["id"] != GUILD
        });
        self.any(roles)
    }

    async fn delete(&mut self, list: &str, key: &str) -> Option<String> {
        let all = self.list(list).await;
        let object = self.any(all)?;
        let path = guild(&format!("{list}/{}", object[key].as_str().unwrap()));
        self.rest("DELETE", &path, Value::Null).await;
        Some(object["name"].to_string())
    }

    async fn thread(&mut self) -> Option<Value> {
        let active = self.world.get(&guild("/threads/active")).await;
        let mut threads = active["threads"].as_array().cloned().unwrap_or_default();
        let seen = &self.seen;
        threads.retain(|t| seen.iter().any(|c| c["id"] == t["parent_id"]));
        self.any(threads)
    }

    async fn one(&mut self, act: Act, round: usize) -> Option<String> {
        match act {
            Act::DeleteChannel
            | Act::RenameChannel
            | Act::MoveChannel
            | Act::OpenChannel
            | Act::ForgetOverwrite
            | Act::CreateChannel
            | Act::SwapChannels => self.upon_channels(act, round).await,
            Act::DeleteRole | Act::EditRole | Act::SwapRoles | Act::CreateRole => {
                self.upon_roles(act, round).await
            }
            Act::StripMember | Act::Rename | Act::Unban | Act::Ban => self.upon_people(act).await,
            _ => self.upon_others(act, round).await,
        }
    }
}
