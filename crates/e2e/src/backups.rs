//! A server backup as its owner experiences it: the command, the progress message, the download.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use serde_json::{Map, Value, json};
use splashtail_iblfile::{Archive, Limits, msgpack};
use splashtail_sandbox::control::types::{Consent, Interact, InteractKind, Interacted};
use url::Url;

use crate::platform::Platform;

/// Ids of the sandbox's `small` world (decisions, "Sandbox" 33).
pub const GUILD: &str = "1100000000001179648";
pub const OTHER_GUILDS: [&str; 3] = [
    "1100000000005373952",
    "1100000000009568256",
    "1100000000013762560",
];
pub const OWNER: &str = "1100000000000000010";
pub const ADMINISTRATOR: &str = "1100000000000000011";
pub const PLAIN_MEMBER: &str = "1100000000000000013";

const JOB_LIMIT: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(250);

/// A started job, as seen in the channel.
#[derive(Debug, Clone)]
pub struct StartedBackup {
    pub channel_id: String,
    pub message_id: String,
    pub job_id: String,
}

/// `/backups create` in the first text channel of a guild.
///
/// # Errors
/// The bot did not answer, or refused; the message then holds what it said.
pub async fn create(
    platform: &Platform,
    guild: &str,
    user: &str,
    options: Value,
) -> Result<StartedBackup> {
    start(platform, guild, user, "backups create", options).await
}

/// Any command that starts a task and shows it, in the first text channel of a guild.
///
/// # Errors
/// The bot did not answer, or refused; the message then holds what it said.
pub async fn start(
    platform: &Platform,
    guild: &str,
    user: &str,
    name: &str,
    options: Value,
) -> Result<StartedBackup> {
    let seen = command(platform, guild, user, name, options).await?;
    // The sandbox, like Discord, takes no answer after 3 s.
    seen.ack_ms.context("the bot did not answer")?;
    let message = seen
        .messages
        .last()
        .with_context(|| format!("no message: {seen:?}"))?;
    let text = serde_json::to_string(message)?;
    let job_id = job_id(&text).with_context(|| format!("no job id in {text}"))?;
    let field = |key: &str| {
        message[key]
            .as_str()
            .map(str::to_owned)
            .context("incomplete message")
    };
    Ok(StartedBackup {
        channel_id: field("channel_id")?,
        message_id: field("id")?,
        job_id,
    })
}

/// Any slash command of the bot.
///
/// # Errors
/// The control API refuses.
pub async fn command(
    platform: &Platform,
    guild: &str,
    user: &str,
    name: &str,
    options: Value,
) -> Result<Interacted> {
    let options: Map<String, Value> = serde_json::from_value(options)?;
    let interact = Interact {
        kind: InteractKind::Slash,
        guild_id: Some(guild.to_owned()),
        channel_id: first_text_channel(platform, guild).await?,
        name: Some(name.to_owned()),
        custom_id: None,
        message_id: None,
        target_id: None,
        options,
        focused: None,
        values: Value::Null,
        wait_ms: 60_000,
    };
    Ok(platform.control.interact(user, &interact).await?)
}

/// Presses the button of a message that is labelled so.
///
/// # Errors
/// There is no such button, or the control API refuses.
pub async fn press(
    platform: &Platform,
    guild: &str,
    user: &str,
    message: &Value,
    label: &str,
) -> Result<Interacted> {
    let button = parts(message).find(|part| part["label"] == label);
    let button = button.with_context(|| format!("no button {label}: {message}"))?;
    touch(platform, guild, user, message, (button, Value::Null)).await
}

/// Chooses in the menu of a message whose custom id begins so.
///
/// # Errors
/// There is no such menu, or the control API refuses.
pub async fn choose(
    platform: &Platform,
    guild: &str,
    user: &str,
    message: &Value,
    (menu, values): (&str, Value),
) -> Result<Interacted> {
    let begins = |part: &&Value| {
        let id = part["custom_id"].as_str();
        id.is_some_and(|id| id.starts_with(menu))
    };
    let found = parts(message).find(begins);
    let found = found.with_context(|| format!("no menu {menu}: {message}"))?;
    touch(platform, guild, user, message, (found, values)).await
}

fn parts(message: &Value) -> impl Iterator<Item = &Value> {
    let rows = message["components"].as_array().into_iter().flatten();
    let parts = rows.filter_map(|row| row["components"].as_array());
    parts.flatten()
}

async fn touch(
    platform: &Platform,
    guild: &str,
    user: &str,
    message: &Value,
    (part, values): (&Value, Value),
) -> Result<Interacted> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let kind = match values.is_null() {
        true => InteractKind::Button,
        false => InteractKind::Select,
    };
    let channel = text(&message["channel_id"]).context("no channel")?;
    let interact = Interact {
        custom_id: text(&part["custom_id"]),
        message_id: text(&message["id"]),
        values,
        ..blank(guild, channel, kind)
    };
    Ok(platform.control.interact(user, &interact).await?)
}

/// Fills in a form that was shown in the channel.
///
/// # Errors
/// There is no such form, or the control API refuses.
pub async fn fill(
    platform: &Platform,
    guild: &str,
    user: &str,
    (channel, modal): (&str, &Value),
    values: Value,
) -> Result<Interacted> {
    let interact = Interact {
        custom_id: modal["custom_id"].as_str().map(str::to_owned),
        values,
        ..blank(guild, channel.to_owned(), InteractKind::Modal)
    };
    Ok(platform.control.interact(user, &interact).await?)
}

fn blank(guild: &str, channel_id: String, kind: InteractKind) -> Interact {
    Interact {
        kind,
        guild_id: Some(guild.to_owned()),
        channel_id,
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

/// The message of a restore once it shows the plan.
///
/// # Errors
/// It does not come in time.
pub async fn planned(platform: &Platform, restore: &StartedBackup) -> Result<Value> {
    let path = format!(
        "/channels/{}/messages/{}",
        restore.channel_id, restore.message_id
    );
    let deadline = tokio::time::Instant::now() + JOB_LIMIT;
    loop {
        let message = discord(platform, &path).await?;
        if message["embeds"][0]["title"] == "Restore: the plan" {
            return Ok(message);
        }
        if tokio::time::Instant::now() > deadline {
            bail!("no plan in time: {message}\n{}", platform.logs());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Looks at the plan, presses *Restore* and types the server's name.
///
/// # Errors
/// The restore was not begun.
pub async fn confirm(
    platform: &Platform,
    guild: &str,
    user: &str,
    restore: &StartedBackup,
) -> Result<()> {
    let plan = planned(platform, restore).await?;
    let pressed = press(platform, guild, user, &plan, "Restore").await?;
    let modal = pressed.modal.context("no form")?;
    let name = discord(platform, &format!("/guilds/{guild}")).await?["name"].clone();
    let place = (restore.channel_id.as_str(), &modal);
    let wrong = fill(platform, guild, user, place, json!({"name": "another"})).await?;
    let text = serde_json::to_string(&wrong.messages)?;
    ensure!(text.contains("not the server's name"), "{text}");
    let pressed = press(platform, guild, user, &plan, "Restore").await?;
    let modal = pressed.modal.context("no form")?;
    let place = (restore.channel_id.as_str(), &modal);
    let begun = fill(platform, guild, user, place, json!({"name": name})).await?;
    let text = serde_json::to_string(&begun.messages)?;
    ensure!(text.contains("has begun"), "{text}");
    Ok(())
}

fn job_id(text: &str) -> Option<String> {
    text.match_indices('-').find_map(|(at, _)| {
        let candidate = text.get(at.checked_sub(8)?..at + 28)?;
        uuid::Uuid::parse_str(candidate)
            .ok()
            .map(|id| id.to_string())
    })
}

/// Reads Discord's REST API as the bot.
///
/// # Errors
/// Anything but a 200; a limit is waited for.
pub async fn discord(platform: &Platform, path: &str) -> Result<Value> {
    let rest = &platform.ready.sandbox.as_ref().context("no sandbox")?.rest;
    let deadline = tokio::time::Instant::now() + JOB_LIMIT;
    loop {
        let response = reqwest::Client::new()
            .get(rest.join(&format!("/api/v10{path}"))?)
            .header(
                "Authorization",
                format!("Bot {}", splashtail_sandbox_world::seed::small::bot_token()),
            )
            .header("User-Agent", "DiscordBot (https://example.invalid, 1)")
            .send()
            .await?;
        let status = response.status();
        // The bot's own calls and these share limits.
        if status == 429 && tokio::time::Instant::now() < deadline {
            let after = response.headers().get("Retry-After");
            let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
            tokio::time::sleep(Duration::from_secs_f64(after.unwrap_or(1.0))).await;
            continue;
        }
        ensure!(status == 200, "GET {path}: {status}");
        return Ok(response.json().await?);
    }
}

async fn first_text_channel(platform: &Platform, guild: &str) -> Result<String> {
    let channels = discord(platform, &format!("/guilds/{guild}/channels")).await?;
    let channels = channels.as_array().context("channels")?;
    let text = channels
        .iter()
        .find(|channel| channel["type"] == 0)
        .context("no text channel")?;
    Ok(text["id"].as_str().context("id")?.to_owned())
}

/// Follows the job's message until it shows how the job ended; returns the link of the Download
/// button.
///
/// # Errors
/// The job failed, or is not done in time.
pub async fn finished(platform: &Platform, backup: &StartedBackup) -> Result<Url> {
    let path = format!(
        "/channels/{}/messages/{}",
        backup.channel_id, backup.message_id
    );
    let deadline = tokio::time::Instant::now() + JOB_LIMIT;
    loop {
        let message = discord(platform, &path).await?;
        let description = message["embeds"][0]["description"]
            .as_str()
            .unwrap_or_default();
        if let Some(link) = link_button(&message["components"]) {
            return Ok(link.parse()?);
        }
        if description.contains("Task state: failed") {
            bail!("the job failed:\n{description}\n{}", platform.logs());
        }
        if tokio::time::Instant::now() > deadline {
            bail!(
                "the job is not done in time:\n{description}\n{}",
                platform.logs()
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

fn link_button(components: &Value) -> Option<String> {
    components
        .as_array()?
        .iter()
        .flat_map(|row| row["components"].as_array())
        .flatten()
        .find_map(|button| {
            (button["style"] == 5).then(|| button["url"].as_str().map(str::to_owned))?
        })
}

/// Opens the link in a browser without a session: consent page, redirects, file. Returns the file
/// name and the bytes.
///
/// # Errors
/// With the status and body of the step that refused.
pub async fn download(platform: &Platform, link: &Url, user: &str) -> Result<(String, Vec<u8>)> {
    let browser = reqwest::Client::builder()
        .redirect(Policy::none())
        .build()?;
    let authorize = platform
        .ready
        .sandbox
        .as_ref()
        .context("no sandbox")?
        .rest
        .clone();
    let mut jar: BTreeMap<String, String> = BTreeMap::new();
    let mut next = link.clone();
    for _ in 0..10 {
        if next.path().ends_with("/oauth2/authorize") && next.origin() == authorize.origin() {
            let consent = Consent {
                authorize_url: next.to_string(),
                allow: true,
                guild_id: None,
            };
            next = platform
                .control
                .consent(user, &consent)
                .await?
                .location
                .parse()?;
            continue;
        }
        let cookies: Vec<String> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let response = browser
            .get(next.clone())
            .header(COOKIE, cookies.join("; "))
            .send()
            .await
            .context("download")?;
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        if response.status().is_redirection() {
            let location = response
                .headers()
                .get(LOCATION)
                .context("no Location")?
                .to_str()?;
            next = next.join(location)?;
            continue;
        }
        let status = response.status();
        let disposition = response
            .headers()
            .get("content-disposition")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let name = disposition.split('"').nth(1).map_or_else(
            || {
                next.path()
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            },
            str::to_owned,
        );
        let body = response.bytes().await?;
        ensure!(
            status == 200,
            "{next}: {status}: {}",
            String::from_utf8_lossy(&body)
        );
        return Ok((name, body.to_vec()));
    }
    bail!("too many redirects, the last to {next}")
}

/// A downloaded backup.
#[derive(Debug)]
pub struct Backup {
    archive: Archive<Cursor<Vec<u8>>>,
}

impl Backup {
    /// # Errors
    /// Not a backup, or not with this password.
    pub fn open(bytes: Vec<u8>, password: Option<&str>) -> Result<Self> {
        let archive = Archive::open(Cursor::new(bytes), password, Limits::default())?;
        Ok(Self { archive })
    }

    #[must_use]
    pub fn sections(&self) -> Vec<String> {
        self.archive
            .sections()
            .into_iter()
            .map(|section| section.name)
            .collect()
    }

    /// # Errors
    /// There is no such section.
    pub fn bytes(&mut self, section: &str) -> Result<Vec<u8>> {
        Ok(self.archive.read(section)?)
    }

    /// A msgpack section as JSON.
    ///
    /// # Errors
    /// There is no such section, or it is broken.
    pub fn json(&mut self, section: &str) -> Result<Value> {
        let bytes = self.archive.read(section)?;
        Ok(msgpack::decode(&bytes)?.to_json())
    }

    /// Ids of the messages of every channel that was saved, newest first as stored.
    ///
    /// # Errors
    /// A section is broken.
    pub fn messages(&mut self) -> Result<Vec<(String, Vec<String>)>> {
        let mut channels = Vec::new();
        for section in self.sections() {
            let Some(channel) = section.strip_prefix("messages/") else {
                continue;
            };
            let entries = self.json(&section)?;
            let ids = entries
                .as_array()
                .with_context(|| format!("{section} is no array"))?
                .iter()
                .map(|entry| {
                    entry["message"]["id"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned()
                })
                .collect();
            channels.push((channel.to_owned(), ids));
        }
        Ok(channels)
    }
}

/// The options of the story.
#[must_use]
pub fn everything(password: &str) -> Value {
    json!({"messages": true, "attachments": true, "password": password})
}

/// Whether the answer is the bot's refusal for lack of permission.
#[must_use]
pub fn create_refused(seen: &Interacted) -> bool {
    seen.messages.iter().any(|message| {
        let text = serde_json::to_string(message).unwrap_or_default();
        job_id(&text).is_none() && text.contains("missing_any_perms")
    })
}

/// The bytes of an attachment as they were uploaded, whatever form they are stored in.
///
/// # Errors
/// It was not saved.
pub fn stored_attachment(file: &mut Backup, channel: &str, id: &str) -> Result<Vec<u8>> {
    let entries = file.json(&format!("messages/{channel}"))?;
    let metadata = entries
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|entry| entry["attachment_metadata"].as_array())
        .flatten()
        .find(|metadata| metadata["id"] == id)
        .with_context(|| format!("no metadata of attachment {id}"))?;
    let stored = file.bytes(&format!("attachments/{id}"))?;
    match metadata["storage_format"].as_str() {
        Some("uncompressed") => Ok(stored),
        Some("gzip") => {
            let mut plain = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&stored[..]), &mut plain)?;
            Ok(plain)
        }
        other => bail!("attachment {id} is stored as {other:?}: {metadata}"),
    }
}

/// Files below `dir` that hold the bytes, the downloaded backup itself excepted.
///
/// # Errors
/// A directory cannot be read.
pub fn files_containing(dir: &std::path::Path, needle: &[u8]) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_containing(&path, needle)?);
        } else if path.is_file() {
            let bytes = std::fs::read(&path)?;
            if bytes.windows(needle.len()).any(|window| window == needle) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Whether the answer shows a started job.
#[must_use]
pub fn create_started(seen: &Interacted) -> bool {
    seen.messages.iter().any(|message| {
        let text = serde_json::to_string(message).unwrap_or_default();
        text.contains("Task state") || job_id(&text).is_some()
    })
}

/// The signing secret of a client, from the platform's effective configuration.
///
/// # Errors
/// The file is not there or has no such client.
pub fn client_secret(platform: &Platform, client: &str) -> Result<String> {
    use secrecy::ExposeSecret;
    use splashtail_core::config::{Component, Config, LoadOptions};

    let loaded = Config::load(&LoadOptions {
        path: Some(platform.ready.data_dir.join("run/config.yaml")),
        component: Component::Jobserver,
        ..LoadOptions::default()
    })?;
    let secret = loaded
        .config
        .client_secret(client)
        .context("no such client")?;
    Ok(secret.expose_secret().to_owned())
}
