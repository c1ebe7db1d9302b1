//! Events of servers on their way through the running bot.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::attack::{Rogue, eventually, say, switch_on};
use splashtail_e2e::backups::{ADMINISTRATOR, GUILD, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::{Act, SessionInfo};
use splashtail_sandbox_world::faults::{Action, Match, Rule};
use tempfile::TempDir;

const BOT: &str = "1100000000000000001";
/// What a member may say at once in one channel.
const FLOOD: usize = 5;
const LIMIT: Duration = Duration::from_secs(120);
/// The shard of the server.
const SHARD: u32 = 0;
/// Channels that somebody deletes while the bot hears nothing: far more than is normal.
const UNHEARD: usize = 10;

/// Sum of a counter's series whose labels contain `label`, on the cluster that has the server.
async fn counted(platform: &Platform, name: &str, label: &str) -> u64 {
    let url = platform.ready.iserver[&0].join("/metrics").unwrap();
    let page = reqwest::get(url).await.unwrap().text().await.unwrap();
    let series = page.lines().filter(|line| {
        let named = line
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']));
        named && line.contains(label)
    });
    let values = series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    values.sum()
}

async fn channel(platform: &Platform) -> String {
    let sandbox = platform.ready.sandbox.as_ref().unwrap();
    let mut url = sandbox
        .control
        .join(&format!("/ctl/as/{OWNER}/guild"))
        .unwrap();
    url.query_pairs_mut().append_pair("guild_id", GUILD);
    let guild: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let channels = guild["channels"].as_array().unwrap();
    let text = channels
        .iter()
        .find(|channel| channel["type"] == 0)
        .unwrap();
    text["id"].as_str().unwrap().to_owned()
}

/// A role is created while every answer to a command hangs: the bot hears of it before any of the
/// commands has ended.
#[tokio::test]
async fn a_flood_of_commands_delays_no_security_event() {
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();
    let answers_hang = Rule {
        matches: Match {
            method: Some("POST".to_owned()),
            route: Some("/channels/{channel_id}/messages".to_owned()),
            token: Some(BOT.to_owned()),
            ..Match::default()
        },
        action: Action::Hang {},
        times: None,
        probability: 1.0,
    };
    let general = channel(&platform).await;
    let heard = || counted(&platform, "bot_event_queue_seconds_count", "security");
    let before = heard().await;
    let flood = Act {
        channel_id: Some(general),
        body: json!({"content": "%help"}),
        times: Some(u32::try_from(FLOOD).unwrap()),
        ..Act::default()
    };
    platform.control.add_fault(&answers_hang).await.unwrap();
    let said = platform.control.act(OWNER, "say", &flood).await.unwrap();
    let heard_by_discord = said.results.iter().filter(|said| said.status == 200);
    assert_eq!(heard_by_discord.count(), FLOOD);
    let role = Act {
        guild_id: Some(GUILD.to_owned()),
        body: json!({"name": "Lamplighter"}),
        ..Act::default()
    };
    let made = platform
        .control
        .act(ADMINISTRATOR, "create_role", &role)
        .await
        .unwrap();
    assert_eq!(made.results[0].status, 200);

    let deadline = tokio::time::Instant::now() + LIMIT;
    while heard().await <= before {
        assert!(
            tokio::time::Instant::now() < deadline,
            "not in time\n{}",
            platform.logs()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        counted(&platform, "bot_events_total", "GUILD_ROLE_CREATE").await,
        1
    );
    let ended = counted(&platform, "bot_commands_total", "outcome").await;
    assert_eq!(ended, 0, "of commands whose answers hang");
}

/// The bot's world while its connection fails.
struct Scene {
    platform: Platform,
    /// A plain member's.
    role: String,
}

impl Scene {
    async fn begin() -> Self {
        let dir = TempDir::new().unwrap();
        let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
        switch_on(&platform, GUILD).await.unwrap();
        let mut scene = Self {
            platform,
            role: String::new(),
        };
        let body = json!({"name": "Lookout", "permissions": "0"});
        let made = scene.owner("POST", "/roles", body).await;
        scene.role = made["id"].as_str().unwrap().to_owned();
        let held = format!("/members/{PLAIN_MEMBER}/roles/{}", scene.role);
        scene.owner("PUT", &held, Value::Null).await;
        scene.decides(false).await;
        scene
    }

    async fn owner(&self, method: &str, path: &str, body: Value) -> Value {
        let path = format!("/guilds/{GUILD}{path}");
        let answer = self.platform.control.rest(OWNER, method, &path, body).await;
        let answer = answer.unwrap();
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer.body
    }

    /// The role may manage the server from now on, or may nothing.
    async fn may(&self, may: bool) {
        let permissions = if may { "32" } else { "0" };
        let body = json!({"permissions": permissions});
        self.owner("PATCH", &format!("/roles/{}", self.role), body)
            .await;
    }

    /// Waits until the gate lets whoever holds the role run such a command, or does not.
    async fn decides(&self, may: bool) {
        let look = || async {
            let said = say(&self.platform, GUILD, PLAIN_MEMBER, "health", json!({}));
            let refused = said.await.ok()?.contains("You cannot run this command");
            (refused != may).then_some(())
        };
        let what = format!("the role may: {may}");
        let decided = eventually(&what, look).await;
        decided.unwrap_or_else(|error| panic!("{error}\n{}", self.platform.logs()));
    }

    async fn fault(&self, event: Option<&str>, action: Action) -> u64 {
        let of_events = matches!(action, Action::GwLose {});
        let of_sessions =
            of_events || matches!(action, Action::GwDrop {} | Action::GwInvalid { .. });
        let rule = Rule {
            matches: Match {
                event: event.map(str::to_owned),
                shard: of_sessions.then_some(SHARD),
                ..Match::default()
            },
            action,
            times: None,
            probability: 1.0,
        };
        self.platform.control.add_fault(&rule).await.unwrap().id
    }

    async fn lift(&self, fault: u64) {
        self.platform.control.remove_fault(fault).await.unwrap();
    }

    async fn session(&self) -> Option<SessionInfo> {
        let sessions = self.platform.control.sessions().await.unwrap();
        let mut sessions = sessions.into_iter();
        sessions.find(|session| session.connected && session.shard[0] == SHARD)
    }

    /// Ends the session and waits for another one.
    async fn another_session(&self) {
        let before = self.session().await.unwrap().session_id;
        self.fault(None, Action::GwInvalid { resumable: false })
            .await;
        let look = || async {
            let now = self.session().await?;
            (now.session_id != before && now.seq > 0).then_some(())
        };
        eventually("another session", look).await.unwrap();
    }

    /// Somebody whom nobody knew tears the server down.
    async fn stops_a_nuke(&self) {
        let mut rogue = Rogue::enter(&self.platform, GUILD).await.unwrap();
        rogue.delete_all().await.unwrap();
        rogue.leave().await.unwrap();
    }

    /// Somebody does so, and the role's permissions change, while no event reaches the bot, which has
    /// the server for out; at last it is back.
    async fn attack_unheard(&self, lost: u64, may: bool) {
        let mut rogue = Rogue::enter(&self.platform, GUILD).await.unwrap();
        for _ in 0..UNHEARD {
            assert_eq!(rogue.delete_channel().await.unwrap(), 200);
        }
        self.may(may).await;
        assert!(!rogue.is_stopped().await.unwrap());
        let outage = self.goes_out().await;
        self.lift(lost).await;
        self.lift(outage).await;
        rogue.stopped().await.unwrap();
        rogue.leave().await.unwrap();
        self.decides(may).await;
        self.stops_a_nuke().await;
    }

    async fn goes_out(&self) -> u64 {
        let guild = GUILD.to_owned();
        self.fault(None, Action::Outage { guild }).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resumed_session_and_a_new_one_know_what_happened_meanwhile() {
    let scene = Scene::begin().await;
    let before = scene.session().await.unwrap();
    let refused = scene.fault(None, Action::GwRefuse { status: 503 }).await;
    scene.fault(None, Action::GwDrop {}).await;
    scene.may(true).await;
    scene.lift(refused).await;
    let look = || async {
        let now = scene.session().await?;
        (now.session_id == before.session_id && now.resumes > before.resumes).then_some(())
    };
    eventually("the session goes on", look).await.unwrap();
    scene.decides(true).await;
    scene.stops_a_nuke().await;

    // What is lost on its way is told by a new session.
    let lost = scene
        .fault(Some("GUILD_ROLE_UPDATE"), Action::GwLose {})
        .await;
    scene.may(false).await;
    scene.another_session().await;
    scene.lift(lost).await;
    scene.decides(false).await;
    scene.stops_a_nuke().await;
    assert!(scene.platform.stop().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_in_an_outage_is_read_when_the_server_is_back() {
    let scene = Scene::begin().await;
    let outage = scene.goes_out().await;
    let told = || async {
        let told = counted(
            &scene.platform,
            "bot_events_total",
            "GUILD_DELETE unavailable",
        );
        (told.await > 0).then_some(())
    };
    eventually("the outage is told", told).await.unwrap();
    let lost = scene.fault(None, Action::GwLose {}).await;
    scene.lift(outage).await;
    scene.attack_unheard(lost, true).await;

    // Of a server that goes out while a session begins Discord says nothing at all.
    let lost = scene.fault(None, Action::GwLose {}).await;
    scene.another_session().await;
    scene.attack_unheard(lost, false).await;
    assert!(scene.platform.stop().await.unwrap().is_empty());
}
