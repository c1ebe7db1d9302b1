//! Attacks on a server of the sandbox, and what protection makes of them.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use splashtail_sandbox::control::types::{
    Act, ActKind, DrillKind, NewDrill, NewGuild, NewUser, Upload,
};
use splashtail_sandbox_world::journal::{Entry, Record};
use splashtail_sandbox_world::world::{Id, Stamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::backups::{self, OWNER};
use crate::platform::{Database, Platform};

/// The bot's user.
pub const BOT: &str = "1100000000000000001";
/// Far longer than a busy machine needs: what has not come by then never does.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(50);
/// Of an attacker who is in no hurry.
const BETWEEN_ACTS: Duration = Duration::from_millis(150);
/// Channels that an attacker finds.
const PREY: usize = 24;
const INCIDENTS: &str =
    "SELECT document FROM protection_incidents WHERE guild_id = $1 ORDER BY incident_id";
const STATE: &str = "SELECT state FROM protection_states WHERE guild_id = $1";

/// Waits until there is something to see.
///
/// # Errors
/// It never comes.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    look: impl Fn() -> F,
) -> Result<T> {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.map_err(|_| anyhow::anyhow!("never came: {what}"))
}

/// What the bot answers to somebody's command.
///
/// # Errors
/// The control API refuses.
pub async fn say(
    platform: &Platform,
    guild: &str,
    user: &str,
    name: &str,
    options: Value,
) -> Result<String> {
    let answer = backups::command(platform, guild, user, name, options).await?;
    Ok(serde_json::to_string(&answer.messages)?)
}

/// Protection as its owner switches it on.
///
/// # Errors
/// The bot refuses.
pub async fn switch_on(platform: &Platform, guild: &str) -> Result<()> {
    // Choices are numbered.
    let said = say(
        platform,
        guild,
        OWNER,
        "protection mode",
        json!({"mode": 2}),
    )
    .await?;
    ensure!(said.contains("Protection is on"), "{said}");
    Ok(())
}

/// An account with Administrator, just below the bot, that nobody knew.
pub struct Rogue<'a> {
    platform: &'a Platform,
    guild: String,
    pub id: String,
    drill: u64,
    prey: Vec<String>,
}

impl<'a> Rogue<'a> {
    /// Comes in, and writes one message. There are channels for it to delete.
    ///
    /// # Errors
    /// The control API refuses.
    pub async fn enter(platform: &'a Platform, guild: &str) -> Result<Self> {
        let order = NewDrill {
            size: Some(1),
            // Until it is stopped.
            watch_ms: Some(600_000),
            acts: vec![ActKind::Post],
            ..NewDrill::new(DrillKind::Nuke, guild)
        };
        let drill = platform.control.start_drill(&order).await?.id;
        let report = platform.control.drill(drill, 100).await?;
        let id = report.attackers.ids.first().context("nobody attacks")?;
        let mut prey = Vec::with_capacity(PREY);
        for n in 0..PREY {
            let path = format!("/guilds/{guild}/channels");
            let body = json!({"name": format!("prey-{n}"), "type": 0});
            let made = owner(platform, "POST", &path, &body).await?;
            prey.push(
                made["id"]
                    .as_str()
                    .context("a channel has an id")?
                    .to_owned(),
            );
        }
        Ok(Self {
            platform,
            guild: guild.to_owned(),
            id: id.clone(),
            drill,
            prey,
        })
    }

    /// Deletes a channel of the server; the status of the answer.
    ///
    /// # Errors
    /// There is none left, or the control API refuses.
    pub async fn delete_channel(&mut self) -> Result<u16> {
        let prey = self.prey.pop().context("no channel is left")?;
        let path = format!("/channels/{prey}");
        let control = &self.platform.control;
        let answer = control.rest(&self.id, "DELETE", &path, Value::Null).await?;
        Ok(answer.status)
    }

    /// Deletes one channel after the other until it cannot any more.
    ///
    /// # Errors
    /// It is never stopped, or the control API refuses.
    pub async fn delete_all(&mut self) -> Result<()> {
        while self.delete_channel().await? == 200 {
            tokio::time::sleep(BETWEEN_ACTS).await;
        }
        self.stopped().await
    }

    /// Whether it has no role any more, or is out.
    ///
    /// # Errors
    /// The control API refuses.
    pub async fn is_stopped(&self) -> Result<bool> {
        let path = format!("/guilds/{}/members/{}", self.guild, self.id);
        let control = &self.platform.control;
        let member = control.rest(OWNER, "GET", &path, Value::Null).await?;
        Ok(member.status == 404 || member.body["roles"] == json!([]))
    }

    /// Waits until it is stopped.
    ///
    /// # Errors
    /// It never is.
    pub async fn stopped(&self) -> Result<()> {
        let look = || async { self.is_stopped().await.ok()?.then_some(()) };
        let waited = eventually("the attacker is stopped", look).await;
        waited.with_context(|| self.platform.logs())
    }

    /// Ends the scene.
    ///
    /// # Errors
    /// The control API refuses.
    pub async fn leave(self) -> Result<()> {
        self.platform.control.stop_drill(self.drill).await?;
        Ok(())
    }

    /// Requests of the bot against this account, by their method and what they were answered.
    ///
    /// # Errors
    /// The control API refuses.
    pub async fn punishments(&self) -> Result<Vec<(String, u16)>> {
        punishments(self.platform, &self.id).await
    }
}

/// Requests of the bot against somebody, by their method and what they were answered.
///
/// # Errors
/// The control API refuses.
pub async fn punishments(platform: &Platform, user: &str) -> Result<Vec<(String, u16)>> {
    let journal = platform.control.journal(0).await?;
    let found = journal.iter().filter_map(|entry| against(entry, user));
    Ok(found.collect())
}

fn against(entry: &Entry, user: &str) -> Option<(String, u16)> {
    let Record::Request {
        caller,
        method,
        path,
        status,
        ..
    } = &entry.record
    else {
        return None;
    };
    // What a fault answers is nobody's in the journal.
    let acts = matches!(&*caller.kind, "bot" | "none") && method != "GET";
    let route = path.contains("/members/") || path.contains("/bans/");
    (acts && route && path.ends_with(user)).then(|| (method.clone(), *status))
}

/// Servers that are there to be attacked.
pub struct Ground<'a> {
    platform: &'a Platform,
    people: Vec<String>,
}

const PEOPLE: usize = 40;
/// Whoever came within a day is a newcomer, whose ban counts little.
const SETTLED_DAYS: u32 = 30;
/// Of most members nobody tells the bot more than their id, and an account made within a day cannot
/// belong to anybody but a newcomer.
const ACCOUNT_DAYS: u32 = 2 * SETTLED_DAYS;
const DAY_MS: i64 = 86_400_000;
const CHANNELS: usize = 24;
const ROLES: usize = 12;
const INVITES: usize = 8;
const EMOJIS: usize = 8;
const RULES: usize = 4;
/// As many as a server has without boosts.
const STICKERS: usize = 5;
/// One transparent pixel, a PNG in base64.
pub const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

impl<'a> Ground<'a> {
    /// Makes the people who live on all of them.
    ///
    /// # Errors
    /// The control API refuses.
    pub async fn level(platform: &'a Platform) -> Result<Self> {
        let now = Stamp(platform.control.now().await?.now_ms);
        let made = Id::at(now.plus(-DAY_MS * i64::from(ACCOUNT_DAYS))).0;
        let mut people = Vec::with_capacity(PEOPLE);
        for n in 0..PEOPLE {
            let user = NewUser {
                id: Some((made + n as u64).to_string()),
                username: Some(format!("resident{n}")),
                ..NewUser::default()
            };
            let user = platform.control.create_user(&user).await?;
            people.push(user["id"].as_str().context("a user has an id")?.to_owned());
        }
        Ok(Self { platform, people })
    }

    /// Users who live on all of them.
    #[must_use]
    pub fn people(&self) -> &[String] {
        &self.people
    }

    /// Another server with something of everything, which the bot knows.
    ///
    /// # Errors
    /// The control API refuses, or the bot never knows it.
    pub async fn server(&self) -> Result<String> {
        let mut members = self.people.clone();
        members.push(OWNER.to_owned());
        let guild = NewGuild {
            name: "Proving ground".to_owned(),
            owner_id: OWNER.to_owned(),
            members,
            joined_days_ago: SETTLED_DAYS,
            apps: vec![BOT.to_owned()],
            ..NewGuild::default()
        };
        let guild = self.platform.control.create_guild(&guild).await?;
        let guild = guild["guild"]["id"]
            .as_str()
            .context("a server has an id")?
            .to_owned();
        let path = |rest: &str| format!("/guilds/{guild}/{rest}");
        let mut first = None;
        for n in 0..CHANNELS {
            let body = json!({"name": format!("channel-{n}"), "type": 0});
            let made = owner(self.platform, "POST", &path("channels"), &body).await?;
            first.get_or_insert(made["id"].clone());
        }
        let mut roles = Vec::with_capacity(ROLES);
        for n in 0..ROLES {
            let body = json!({"name": format!("Role {n}"), "permissions": "0"});
            let made = owner(self.platform, "POST", &path("roles"), &body).await?;
            roles.push(made["id"].clone());
        }
        for (user, role) in self.people.iter().zip(&roles) {
            let role = role.as_str().unwrap_or_default();
            let path = path(&format!("members/{user}/roles/{role}"));
            owner(self.platform, "PUT", &path, &Value::Null).await?;
        }
        let first = first.unwrap_or_default();
        let invites = format!("/channels/{}/invites", first.as_str().unwrap_or_default());
        for _ in 0..INVITES {
            owner(
                self.platform,
                "POST",
                &invites,
                &json!({"unique": true, "max_age": 0}),
            )
            .await?;
        }
        let picture = format!("data:image/png;base64,{PIXEL}");
        for n in 0..EMOJIS {
            let body = json!({"name": format!("emoji_{n}"), "image": picture});
            owner(self.platform, "POST", &path("emojis"), &body).await?;
        }
        for n in 0..STICKERS {
            let path = path("stickers");
            let fields = json!({"name": format!("Sticker {n}"), "tags": "wave", "description": ""});
            let act = Act {
                body: json!({"method": "POST", "path": path, "body": fields}),
                files: vec![Upload {
                    filename: "sticker.png".to_owned(),
                    content_base64: PIXEL.to_owned(),
                }],
                ..Act::default()
            };
            loop {
                let made = self.platform.control.act(OWNER, "request", &act).await?;
                let made = made.results.first().context("no answer")?;
                if made.status != 429 {
                    ensure!(made.status < 300, "{made:?}");
                    break;
                }
                wait_for(&made.body).await;
            }
        }
        for n in 0..RULES {
            let body = json!({"name": format!("Rule {n}"), "event_type": 1, "trigger_type": 1,
                "trigger_metadata": {"keyword_filter": [format!("word{n}")]},
                "actions": [{"type": 1}], "enabled": true});
            owner(self.platform, "POST", &path("auto-moderation/rules"), &body).await?;
        }
        let known = || async {
            let said = say(self.platform, &guild, OWNER, "protection status", json!({}));
            said.await.ok()?.contains("dry run").then_some(())
        };
        eventually("the bot knows the server", known).await?;
        Ok(guild)
    }
}

/// As long as Discord says.
async fn wait_for(refused: &Value) {
    let wait = refused["retry_after"].as_f64().unwrap_or(1.0);
    tokio::time::sleep(Duration::from_secs_f64(wait)).await;
}

/// As the owner, as often as Discord lets him.
async fn owner(platform: &Platform, method: &str, path: &str, body: &Value) -> Result<Value> {
    loop {
        let control = &platform.control;
        let answer = control.rest(OWNER, method, path, body.clone()).await?;
        match answer.status {
            429 => wait_for(&answer.body).await,
            200..300 => return Ok(answer.body),
            _ => bail!("{method} {path}: {answer:?}"),
        }
    }
}

/// The incidents of a server as they are on disk.
///
/// # Errors
/// The database cannot be read.
pub async fn incidents(platform: &Platform, guild: &str) -> Result<Vec<Value>> {
    let rows = texts(platform, guild, INCIDENTS).await?;
    let rows = rows.iter().map(|text| serde_json::from_str(text));
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What protection has written down of a server's actors.
///
/// # Errors
/// The database cannot be read.
pub async fn state(platform: &Platform, guild: &str) -> Result<Value> {
    let rows = texts(platform, guild, STATE).await?;
    let row = rows.first().map(|text| serde_json::from_str(text));
    Ok(row.transpose()?.unwrap_or_default())
}

async fn texts(platform: &Platform, guild: &str, sql: &'static str) -> Result<Vec<String>> {
    let guild: i64 = guild.parse()?;
    let rows: Vec<Option<String>> = match platform.database() {
        Database::Sqlite(path) => {
            let options = SqliteConnectOptions::new()
                .filename(path)
                .busy_timeout(PATIENCE);
            let mut connection = SqliteConnection::connect_with(&options).await?;
            let rows = sqlx::query_scalar(sql).bind(guild);
            rows.fetch_all(&mut connection).await?
        }
        Database::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await?;
            let rows = sqlx::query_scalar(sql).bind(guild);
            rows.fetch_all(&mut connection).await?
        }
    };
    Ok(rows.into_iter().flatten().collect())
}
