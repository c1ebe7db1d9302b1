//! An owner's way from the invitation over `/setup` to the first attack that is stopped, by what a
//! person can see and press, and back to how the server was, with a restart of the bot in the middle.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};
use splashtail_e2e::backups::{self, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform, signal};
use splashtail_e2e::portrait::{differences, portrait};
use splashtail_sandbox::control::types::{Consent, Interact, InteractKind, NewGuild};
use splashtail_sandbox_world::seed::small;

const PATIENCE: Duration = Duration::from_secs(60);
/// A spare member.
const SPARE: &str = "1100000000000000014";
/// Within the rate limit of reading messages.
const POLL: Duration = Duration::from_millis(500);
/// View channels, write, embed links.
const LITTLE: u64 = 1 << 10 | 1 << 11 | 1 << 14;

async fn in_time<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("never came: {what}"))
}

/// A server whose owner reads and presses.
struct Server<'a> {
    platform: &'a Platform,
    guild: String,
    /// Where commands are typed, also the channel for system messages.
    lobby: String,
}

impl Server<'_> {
    async fn owner(&self, method: &str, path: &str, body: Value) -> Value {
        let path = format!("/guilds/{}{path}", self.guild);
        let control = &self.platform.control;
        let answer = control.rest(OWNER, method, &path, body).await.unwrap();
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer.body
    }

    async fn channel(&self, name: &str, overwrites: Value) -> String {
        let body = json!({"name": name, "type": 0, "permission_overwrites": overwrites});
        let made = self.owner("POST", "/channels", body).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// What `user` sees after something they did, as text.
    async fn does(&self, user: &str, interact: Interact) -> String {
        let seen = self.platform.control.interact(user, &interact).await;
        let seen = seen.unwrap();
        assert_eq!(seen.error, None, "{seen:#?}");
        serde_json::to_string(&seen.messages).unwrap()
    }

    fn interact(&self, kind: InteractKind) -> Interact {
        Interact {
            kind,
            guild_id: Some(self.guild.clone()),
            channel_id: self.lobby.clone(),
            name: None,
            custom_id: None,
            message_id: None,
            target_id: None,
            options: Map::new(),
            focused: None,
            values: Value::Null,
            wait_ms: 60_000,
        }
    }

    async fn says(&self, user: &str, command: &str, options: Value) -> String {
        let interact = Interact {
            name: Some(command.to_owned()),
            options: serde_json::from_value(options).unwrap(),
            ..self.interact(InteractKind::Slash)
        };
        self.does(user, interact).await
    }

    /// Presses what leads to another page, and looks at where the setup stands then.
    async fn goes_on(&self, id: &str, what: &str) -> String {
        self.presses(id).await;
        let stands = async || self.says(OWNER, "setup", json!({})).await;
        self.until(what, stands).await
    }

    /// What a button shows in the end: the bot answers first that it works on it.
    async fn shown(&self, id: &str, what: &str) -> String {
        self.until(what, async || self.presses(id).await).await
    }

    async fn presses(&self, id: &str) -> String {
        let interact = Interact {
            custom_id: Some(id.to_owned()),
            ..self.interact(InteractKind::Button)
        };
        self.does(OWNER, interact).await
    }

    async fn chooses(&self, id: &str, value: &str) -> String {
        let interact = Interact {
            custom_id: Some(id.to_owned()),
            values: json!([value]),
            ..self.interact(InteractKind::Select)
        };
        self.does(OWNER, interact).await
    }

    /// Does it again until the answer says what is wanted: what changed in Discord reaches the bot
    /// a moment later, and a bot that was killed is away for a while.
    async fn until(&self, what: &str, again: impl AsyncFn() -> String) -> String {
        let mut said = String::new();
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                said = again().await;
                if said.contains(what) {
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        });
        let waited = waited.await;
        assert!(waited.is_ok(), "never came: {what}\n{said}");
        said
    }

    /// Deletes, renames and bans for as long as it works.
    async fn attacked_by(&self, attacker: &str, prey: &[String]) {
        let guild = &self.guild;
        let control = &self.platform.control;
        let mut acts = vec![
            ("PUT", format!("/guilds/{guild}/bans/{SPARE}"), json!({})),
            (
                "PATCH",
                format!("/channels/{}", prey[0]),
                json!({"name": "raided"}),
            ),
            (
                "POST",
                format!("/guilds/{guild}/roles"),
                json!({"name": "raiders"}),
            ),
        ];
        let lost = prey[1..].iter();
        acts.extend(lost.map(|id| ("DELETE", format!("/channels/{id}"), Value::Null)));
        for (method, path, body) in acts {
            let done = control.rest(attacker, method, &path, body).await.unwrap();
            if done.status == 403 {
                return;
            }
            assert!(done.status < 300, "{method} {path}: {done:?}");
        }
        // What was too much may have been the last of it.
        let roles = format!("/guilds/{guild}/roles");
        let spam = json!({"name": "raiders", "permissions": "0"});
        in_time("no attacker that acts", async {
            loop {
                let done = control.rest(attacker, "POST", &roles, spam.clone()).await;
                if done.unwrap().status == 403 {
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
    }

    /// The message in a channel that says or offers this.
    async fn alert(&self, channel: &str, words: &str) -> Value {
        in_time(words, async {
            loop {
                let messages = self.messages(channel).await;
                let says = |message: &Value| {
                    let shown = format!("{}{}", message["embeds"], message["components"]);
                    shown.contains(words)
                };
                if let Some(found) = messages.into_iter().find(says) {
                    return found;
                }
                tokio::time::sleep(POLL).await;
            }
        })
        .await
    }

    async fn presses_on(&self, message: &Value, label: &str) {
        let pressed = backups::press(self.platform, &self.guild, OWNER, message, label);
        assert_eq!(pressed.await.unwrap().error, None, "{label}");
    }

    async fn messages(&self, channel: &str) -> Vec<Value> {
        let path = format!("/channels/{channel}/messages?limit=50");
        let control = &self.platform.control;
        let answer = control.rest(OWNER, "GET", &path, Value::Null).await;
        answer.unwrap().body.as_array().unwrap().clone()
    }

    /// Messages in a channel with these words in title or text.
    async fn told(&self, channel: &str, words: &str) -> usize {
        let messages = self.messages(channel).await;
        let texts = messages.iter().map(|message| message["embeds"].to_string());
        texts.filter(|text| text.contains(words)).count()
    }
}

async fn server(platform: &Platform) -> Server<'_> {
    let order = NewGuild {
        name: "Lighthouse".to_owned(),
        owner_id: OWNER.to_owned(),
        members: vec![PLAIN_MEMBER.to_owned(), SPARE.to_owned()],
        ..NewGuild::default()
    };
    let made = platform.control.create_guild(&order).await.unwrap();
    let server = Server {
        platform,
        guild: made["guild"]["id"].as_str().unwrap().to_owned(),
        lobby: made["channel_id"].as_str().unwrap().to_owned(),
    };
    let lobby = json!({"system_channel_id": server.lobby});
    server.owner("PATCH", "", lobby).await;
    server
}

async fn invite(server: &Server<'_>) {
    let rest = &server.platform.ready.sandbox.as_ref().unwrap().rest;
    let mut address = rest.join("/oauth2/authorize").unwrap();
    address
        .query_pairs_mut()
        .append_pair("client_id", &small::APPLICATION.to_string())
        .append_pair("scope", "bot applications.commands")
        .append_pair("permissions", &LITTLE.to_string())
        .append_pair("guild_id", &server.guild);
    let consent = Consent {
        authorize_url: address.into(),
        allow: true,
        guild_id: None,
    };
    let control = &server.platform.control;
    control.consent(OWNER, &consent).await.unwrap();
}

/// The bot's managed role.
async fn own_role(server: &Server<'_>) -> String {
    let roles = server.owner("GET", "/roles", Value::Null).await;
    let roles = roles.as_array().unwrap().iter();
    let mut managed = roles.filter(|role| role["managed"] == true);
    let own = managed.next().unwrap();
    own["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_goes_from_the_invitation_over_the_first_incident_to_full_return() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let server = server(&platform).await;
    let everyone = &server.guild;
    let hidden = json!([{"id": everyone, "type": 0, "deny": "1024", "allow": "0"}]);
    let vault = server.channel("vault", hidden).await;
    let staff = server.channel("staff", json!([])).await;
    let mut prey = Vec::new();
    for n in 0..8 {
        prey.push(server.channel(&format!("harbour-{n}"), json!([])).await);
    }
    let boss = json!({"name": "boss", "permissions": "8"});
    let boss = server.owner("POST", "/roles", boss).await;
    let boss = boss["id"].as_str().unwrap().to_owned();
    invite(&server).await;

    // Greeted once, in the channel for it.
    in_time("the greeting", async {
        while server.told(&server.lobby, "Thank you").await == 0 {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;

    // Not everybody's.
    let refused = server.says(PLAIN_MEMBER, "setup", json!({})).await;
    assert!(refused.contains("You cannot run this command"), "{refused}");

    // The role that came with the invitation stands at the bottom and may little.
    let role = own_role(&server).await;
    let first = server.says(OWNER, "setup", json!({})).await;
    assert!(first.contains("What I may do (1 of 6)"), "{first}");
    assert!(
        first.contains("**View Audit Log**: To see in the audit log"),
        "{first}"
    );
    assert!(first.contains("Administrator instead"), "{first}");
    let able: u64 = LITTLE | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 16;
    let able = able | 1 | 1 << 15 | 1 << 20 | 1 << 28 | 1 << 29 | 1 << 34 | 1 << 38 | 1 << 40;
    let able = json!({"permissions": able.to_string()});
    server.owner("PATCH", &format!("/roles/{role}"), able).await;
    let all = "every permission that my modules";
    let done = server.shown("setup:look:permissions", all).await;
    assert!(!done.contains("Administrator instead"), "{done}");

    // What is hidden is named, and the owner leaves it so.
    let hidden = "1 of 11 channels are hidden";
    let sight = server.goes_on("setup:next:permissions", hidden).await;
    assert!(
        sight.contains(&vault) && !sight.contains("___hidden___"),
        "{sight}"
    );
    let boss_above = format!("<@&{boss}>");
    server.goes_on("setup:next:sight", &boss_above).await;
    let order = json!([{"id": boss, "position": 1}, {"id": role, "position": 2}]);
    server.owner("PATCH", "/roles", order).await;
    server
        .shown("setup:look:position", "No role above mine")
        .await;

    // The bot is killed, and the message goes on where it was.
    for pid in platform.ready.pids.bot.values() {
        signal(*pid, Signal::SIGKILL).unwrap();
    }
    let again = async || {
        let interact = Interact {
            custom_id: Some("setup:next:position".to_owned()),
            wait_ms: 5000,
            ..server.interact(InteractKind::Button)
        };
        let _ = platform.control.interact(OWNER, &interact).await;
        let interact = Interact {
            name: Some("setup".to_owned()),
            wait_ms: 5000,
            ..server.interact(InteractKind::Slash)
        };
        let seen = platform.control.interact(OWNER, &interact).await.unwrap();
        serde_json::to_string(&seen.messages).unwrap()
    };
    server.until("Nobody is told of attacks yet", again).await;
    let resumed = server.says(OWNER, "setup", json!({})).await;
    assert!(resumed.contains("Where alerts go (4 of 6)"), "{resumed}");

    let choose = async || server.chooses("setup:alerts", &vault).await;
    server.until("cannot see that channel", choose).await;
    // With a channel made for them that step is done; it can be gone back to.
    let limits = "How much is normal (5 of 6)";
    server.goes_on("setup:make", limits).await;
    let back = async || server.chooses("setup:go", "alerts").await;
    server.until("Alerts go to", back).await;
    let choose = async || server.chooses("setup:alerts", &staff).await;
    let there = format!("Alerts go to <#{staff}>");
    server.until(&there, choose).await;
    server.goes_on("setup:next:alerts", limits).await;
    server.goes_on("setup:next:limits", "**dry run**").await;
    server
        .goes_on("setup:mode:on", "Protection is **on**")
        .await;
    let end = server
        .goes_on("setup:next:mode", "Everything is set up")
        .await;
    assert!(end.contains("What I can see"), "passed, not done: {end}");

    // Who may only look cannot press.
    let health = server.says(OWNER, "health", json!({})).await;
    assert!(health.contains("1 of 12 channels are hidden"), "{health}");
    assert!(!health.contains("I lack"), "{health}");

    // The first incident, by somebody to whom the owner gave a role.
    let attacker = PLAIN_MEMBER;
    let given = format!("/members/{attacker}/roles/{boss}");
    server.owner("PUT", &given, Value::Null).await;
    let before = portrait(&platform, &server.guild).await;
    server.attacked_by(attacker, &prey).await;
    let alert = server.alert(&staff, "Stopped").await;
    assert!(alert.to_string().contains(attacker), "{alert}");
    let incidents = async || server.says(OWNER, "incidents list", json!({})).await;
    server.until(", stopped", incidents).await;
    let attacked = portrait(&platform, &server.guild).await;
    assert_ne!(
        differences(&before, &attacked, &[attacker]),
        Vec::<String>::new()
    );

    // And the full return.
    server.presses_on(&alert, "Put back").await;
    let done = server.alert(&staff, "**Put back: ").await;
    let after = portrait(&platform, &server.guild).await;
    let wrong = differences(&before, &after, &[attacker]);
    assert_eq!(wrong, Vec::<String>::new(), "{done}");
    let health = server.says(OWNER, "health", json!({})).await;
    assert!(health.contains("1 of 12 channels are hidden"), "{health}");
    assert!(!health.contains("nobody hears of attacks"), "{health}");
    assert_eq!(
        server.told(&server.lobby, "Thank you").await,
        1,
        "greeted once"
    );
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_written_to_in_its_own_language() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let server = server(&platform).await;
    server
        .owner("PATCH", "", json!({"preferred_locale": "de"}))
        .await;
    invite(&server).await;
    in_time("the greeting", async {
        while server.told(&server.lobby, "Danke").await == 0 {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    let status = async || server.says(OWNER, "stats", json!({})).await;
    server.until("Statistik des Bots", status).await;
    // What one person reads alone is in theirs.
    let alone = server.says(OWNER, "setup", json!({})).await;
    assert!(alone.contains("Setting up"), "{alone}");
    let english = json!({"what": 0, "language": 0});
    server.says(OWNER, "server_language create", english).await;
    server.until("Bot statistics", status).await;

    // Figures are those of all clusters: four servers of the world and this one.
    in_time("the figures of both clusters", async {
        loop {
            let said = server.says(OWNER, "stats", json!({})).await;
            let messages: Value = serde_json::from_str(&said).unwrap();
            let fields = messages[0]["embeds"][0]["fields"].as_array().cloned();
            let value = |name: &str| {
                let fields = fields.iter().flatten();
                let mut named = fields.filter(|field| field["name"] == name);
                named.next().map(|field| field["value"].clone())
            };
            if value("Servers") == Some("5".into()) && value("Clusters") == Some("2".into()) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await;

    // Discord knows the commands in German.
    let rest = &platform.ready.sandbox.as_ref().unwrap().rest;
    let path = format!(
        "/api/v10/applications/{}/commands?with_localizations=true",
        small::APPLICATION
    );
    let commands: Vec<Value> = reqwest::Client::new()
        .get(rest.join(&path).unwrap())
        .header("Authorization", format!("Bot {}", small::bot_token()))
        .header("User-Agent", "DiscordBot (https://example.invalid, 1)")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let health = commands.iter().find(|command| command["name"] == "health");
    assert_eq!(health.unwrap()["name_localizations"]["de"], "zustand");
    assert!(platform.stop().await.unwrap().is_empty());
}
