//! A world of the sandbox below a jobserver, and what is done to it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::clock::{Clock as _, SystemClock};
use splashtail_core::ids::{ApplicationId, TaskId};
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{DrillKind, DrillState, NewDrill};
use splashtail_sandbox::gateway::Settings;
use splashtail_sandbox::portrait::{Portrait, Reader, Sight};
use splashtail_sandbox::server::{Running, start};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::journal::Record;
use splashtail_sandbox_world::rest::{Actor, Request};
use splashtail_sandbox_world::seed::small;
use splashtail_storage::{TaskRow, TaskState};
use url::Url;

use super::gate::Gate;
use super::{Jobserver, Setup, setup_with};

pub const GUILD: &str = "1100000000001179648";
pub const OWNER: &str = "1100000000000000010";
/// How much faster time goes there.
const RATE: f64 = 20.0;
pub const BOT: &str = "1100000000000000001";

/// A simulated Discord, and a jobserver's data that knows its address.
pub struct World {
    pub sandbox: Running,
    pub control: ControlClient,
    pub setup: Setup,
    /// Between the two, where somebody wanted one.
    pub gate: Option<Gate>,
}

pub async fn world() -> World {
    let sandbox = sandbox("small", RATE, true).await;
    let base = sandbox.rest.clone();
    World::of(sandbox, base, None, None)
}

/// A world in which limits are no matter, with a gate before it.
pub async fn gated(name: &str) -> World {
    gated_over(name, None).await
}

/// The same, over a PostgreSQL database.
pub async fn gated_over(name: &str, postgres: Option<Url>) -> World {
    let sandbox = sandbox(name, 1.0, false).await;
    let gate = Gate::before(&sandbox.rest);
    let base = gate.url.clone();
    let world = World::of(sandbox, base, Some(gate), postgres);
    world.without_limits().await;
    world
}

/// A world in which limits are no matter.
pub async fn unlimited(name: &str) -> World {
    let sandbox = sandbox(name, 1.0, false).await;
    let base = sandbox.rest.clone();
    let world = World::of(sandbox, base, None, None);
    world.without_limits().await;
    world
}

/// A world with Discord's limits, in real time.
pub async fn limited(name: &str) -> World {
    let sandbox = sandbox(name, 1.0, false).await;
    let base = sandbox.rest.clone();
    World::of(sandbox, base, None, None)
}

/// `strict`: every exchange is held against Discord's description, which takes longer.
async fn sandbox(name: &str, rate: f64, strict: bool) -> Running {
    // Ids tell when an object was made: the simulated Discord and the jobserver live in one time.
    let clock = Arc::new(SandboxClock::new(SystemClock.now()));
    clock.set_rate(rate);
    let sandbox = start(name, 1, clock, Settings::default(), strict).await;
    sandbox.unwrap()
}

impl World {
    /// `base`: where the jobserver finds Discord.
    fn of(sandbox: Running, base: Url, gate: Option<Gate>, postgres: Option<Url>) -> Self {
        let control = sandbox.client().unwrap();
        let rest = sandbox.rest.clone();
        let setup = setup_with(move |config| {
            config.discord_auth.token = Some(small::bot_token().into());
            config.discord_auth.client_id = ApplicationId::new(small::APPLICATION.0);
            config.discord_auth.client_secret = Some(small::CLIENT_SECRET.to_owned().into());
            config.discord.api_base = base.clone();
            config.discord.cdn_base = rest.clone();
            config.plans.free.total_max_messages = 4_000_000;
            if let Some(url) = &postgres {
                config.meta.postgres_url = Some(url.to_string().into());
            }
        });
        Self {
            sandbox,
            control,
            setup,
            gate,
        }
    }

    async fn without_limits(&self) {
        let off = json!({"enabled": false});
        let set = self.control.call(http::Method::POST, "/ctl/limits", &off);
        let _: Value = set.await.unwrap();
    }

    /// What a server looks like, without channels that the bot does not see.
    pub async fn portrait(&self, guild: &str, sight: &Sight) -> Portrait {
        Portrait::read(self, guild, sight).await
    }

    /// Channels that the bot does not see, by id.
    pub async fn unseen(&self) -> BTreeSet<String> {
        let seen = self.seen_channels().await;
        let all = self.channels().await;
        let unseen = all
            .iter()
            .filter(|c| seen.iter().all(|s| s["id"] != c["id"]));
        unseen
            .map(|c| c["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Gives the bot every permission.
    pub async fn trust_bot(&self) {
        let roles = self.roles().await;
        let own = roles.iter().find(|role| role["tags"]["bot_id"] == BOT);
        let path = format!(
            "/guilds/{GUILD}/roles/{}",
            own.unwrap()["id"].as_str().unwrap()
        );
        let all = json!({"permissions": "8"});
        self.rest(OWNER, "PATCH", &path, all).await;
    }

    /// What the bot sent, as far as Discord took it: method, route and the object it was about.
    pub fn taken_of_bot(&self) -> Vec<(String, String)> {
        let journal = self.sandbox.edge.sandbox.journal.since(0, usize::MAX);
        let request = |record: Record| match record {
            Record::Request {
                caller,
                method,
                route: Some(route),
                status,
                ..
            } if caller.kind != "user" && status < 300 => Some((method, route.into_owned())),
            _ => None,
        };
        let entries = journal.into_iter();
        entries.filter_map(|entry| request(entry.record)).collect()
    }

    /// As somebody, by the same REST API.
    pub async fn rest(&self, user: &str, method: &str, path: &str, body: Value) -> Value {
        loop {
            let result = self.control.rest(user, method, path, body.clone()).await;
            let result = result.unwrap();
            if result.status == 429 {
                let wait = result.body["retry_after"].as_f64().unwrap();
                tokio::time::sleep(Duration::from_secs_f64(wait / RATE)).await;
                continue;
            }
            assert!(result.status < 300, "{method} {path}: {result:?}");
            return result.body;
        }
    }

    pub async fn channels(&self) -> Vec<Value> {
        let path = format!("/guilds/{GUILD}/channels");
        let list = self.rest(OWNER, "GET", &path, Value::Null).await;
        list.as_array().unwrap().clone()
    }

    /// The channels that the bot sees.
    pub async fn seen_channels(&self) -> Vec<Value> {
        let path = format!("api/v10/guilds/{GUILD}/channels");
        let url = self.sandbox.rest.join(&path).unwrap();
        let request = reqwest::Client::new()
            .get(url)
            .header("authorization", format!("Bot {}", small::bot_token()))
            .header("user-agent", "DiscordBot (https://example.invalid, 1)");
        request.send().await.unwrap().json().await.unwrap()
    }

    pub async fn roles(&self) -> Vec<Value> {
        let path = format!("/guilds/{GUILD}/roles");
        let list = self.rest(OWNER, "GET", &path, Value::Null).await;
        list.as_array().unwrap().clone()
    }

    /// All channels as a bot's cluster would list them.
    pub async fn known_channels(&self) -> Value {
        let known =
            |c: &Value| json!({"id": c["id"], "type": c["type"], "parent_id": c["parent_id"]});
        self.channels().await.iter().map(known).collect()
    }

    pub async fn nuke(&self) {
        let order = NewDrill {
            size: Some(60),
            rate: Some(200.0),
            watch_ms: Some(0),
            ..NewDrill::new(DrillKind::Nuke, GUILD)
        };
        let id = self.control.start_drill(&order).await.unwrap().id;
        while self.control.drill(id, 1000).await.unwrap().state != DrillState::Finished {}
    }

    /// Calls of the bot that changed something.
    pub async fn effects(&self) -> usize {
        let journal = self.control.journal(0).await.unwrap();
        let is = |record: &Record| match record {
            Record::Request {
                caller,
                method,
                status,
                ..
            } => caller.kind == "bot" && method != "GET" && *status < 300,
            _ => false,
        };
        journal.iter().filter(|entry| is(&entry.record)).count()
    }

    pub async fn text_channel(&self) -> Value {
        let channels = self.channels().await;
        let text = channels.into_iter().find(|channel| channel["type"] == 0);
        text.unwrap()
    }

    /// Leaves the bot these permissions, through its own role and @everyone.
    pub async fn limit_bot(&self, permissions: u64) {
        for role in self.roles().await {
            let own = role["tags"]["bot_id"] == BOT;
            if own || role["id"] == GUILD {
                let path = format!("/guilds/{GUILD}/roles/{}", role["id"].as_str().unwrap());
                let body = json!({"permissions": permissions.to_string()});
                self.rest(OWNER, "PATCH", &path, body).await;
            }
        }
    }
}

/// By the owner, who sees everything, without a way over the network.
impl Reader for World {
    async fn get(&self, path: &str) -> Value {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut request = Request::act(http::Method::GET, path, &Value::Null);
        request.query = query.to_owned();
        let actor = Actor::User(OWNER.parse().unwrap());
        let answer = self.sandbox.edge.sandbox.dispatch(actor, request);
        if answer.is_success() {
            answer.json()
        } else {
            Value::Null
        }
    }

    async fn file(&self, path: &str) -> Vec<u8> {
        let url = self.sandbox.rest.join(path).unwrap();
        let answer = reqwest::get(url).await.unwrap();
        match answer.status().is_success() {
            true => answer.bytes().await.unwrap().to_vec(),
            false => Vec::new(),
        }
    }
}

impl Jobserver {
    pub async fn backup(&self, world: &World, options: Value) -> TaskId {
        let data = json!({"ServerID": GUILD, "Options": options,
                          "KnownChannels": world.known_channels().await});
        let client = self.client();
        let created = client
            .create_task("guild_create_backup", data, true, None)
            .await;
        let id = created.unwrap().task_id;
        self.completed(id).await;
        id
    }

    pub async fn order_restore(&self, world: &World, options: Value) -> TaskId {
        self.order_restore_by(u64::MAX, world, options).await
    }

    /// As the owner, who could give no more than these permissions.
    pub async fn order_restore_by(&self, caller: u64, world: &World, options: Value) -> TaskId {
        let data = json!({"ServerID": GUILD, "Options": options,
                          "CallerPermissions": caller.to_string(), "CallerID": OWNER,
                          "KnownChannels": world.known_channels().await});
        let client = self.client();
        let created = client
            .create_task("guild_restore_backup", data, true, None)
            .await;
        created.unwrap().task_id
    }

    pub async fn has_ended(&self, id: TaskId) -> bool {
        let state = self.row(id).await.state;
        matches!(state, TaskState::Completed | TaskState::Failed)
    }

    /// Its output.
    pub async fn restore(&self, world: &World, options: Value) -> Value {
        let id = self.order_restore(world, options).await;
        self.document(id).await
    }

    pub async fn failed_restore(&self, world: &World, options: Value) -> (TaskRow, String) {
        let id = self.order_restore(world, options).await;
        let row = self.ended(id).await;
        let last = self.log(id).await.pop().unwrap();
        (row, format!("{} {}", last.msg, json!(last.extra)))
    }

    pub async fn document(&self, id: TaskId) -> Value {
        serde_json::from_slice(&self.file(id).await).unwrap()
    }

    /// What a restore would still do.
    pub async fn rest_of(&self, world: &World, backup: TaskId) -> Vec<String> {
        let options = json!({"BackupSource": format!("task://{backup}"), "DryRun": true});
        let plan = self.restore(world, options).await;
        let effects = plan["effects"].as_array().unwrap();
        let step = |effect: &Value| effect["step"].as_str().unwrap().to_owned();
        effects.iter().map(step).collect()
    }
}
