//! Telling the staff what went wrong with scheduled backups.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, GuildId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::{DiscordError, Lane, snowflake};
use splashtail_storage::{Schedule, StorageError, Trouble};
use tracing::warn;
use uuid::Uuid;

use super::{Backups, CREATE_TASK};
use crate::catalogue::Language;
use crate::cluster::ClusterState;
use crate::colours;
use crate::fit::fit;
use crate::markdown::{neutralise, shorten};
use crate::text;

const LOOK: Duration = Duration::from_secs(30);
/// The same, once Discord says that direct channels are opened too fast.
const REST: Duration = Duration::from_secs(10 * 60);
/// A schedule that is due for so long and was not ordered is late: no jobserver runs.
const LATE: Duration = Duration::from_secs(30 * 60);
/// Schedules that are read at a time.
const BATCH: u32 = 100;
/// For one message.
const LONGEST: Duration = Duration::from_secs(30);
/// Characters of a reason.
const WHY: usize = 1000;

/// What became of one alert.
enum Told {
    /// Told, or there is nobody who could be.
    Done,
    NotYet,
    /// Nobody else can be written to for a while either.
    TooFast,
}

impl Told {
    fn of(done: Result<(), DiscordError>) -> Self {
        match done {
            Err(error) if error.is_too_fast() => Self::TooFast,
            Err(error) if error.is_transient() => Self::NotYet,
            _ => Self::Done,
        }
    }
}

impl Backups {
    /// Tells of what went wrong in the servers of this cluster. Never ends.
    pub(super) async fn tell(self: Arc<Self>, state: Arc<ClusterState>) {
        loop {
            self.clock.sleep(LOOK).await;
            match self.tell_all(&state).await {
                Ok(true) => {}
                Ok(false) => self.clock.sleep(REST).await,
                Err(error) => warn!(error = %Chain(&error), "schedules were not looked at"),
            }
        }
    }

    /// `false`: Discord takes no more for now.
    async fn tell_all(&self, state: &ClusterState) -> Result<bool, StorageError> {
        let store = self.storage.schedules();
        let ours = |schedule: &Schedule| {
            let guild = schedule.guild.filter(|_| schedule.name == CREATE_TASK)?;
            state.guilds.get(guild).map(|_| guild)
        };
        let mut after: Option<Uuid> = None;
        loop {
            let troubles = store.troubles(after, BATCH).await?;
            for trouble in &troubles {
                let Some(guild) = ours(&trouble.schedule) else {
                    continue;
                };
                let why = neutralise(&shorten(&trouble.text, WHY));
                let said = |language| match trouble.text == Trouble::FALLEN {
                    true => text!(language, "schedule-fallen"),
                    false => text!(language, "schedule-failed", why = why.as_str()),
                };
                match self.tell_one(guild, &trouble.schedule, said).await {
                    Told::Done => drop(store.tell(trouble).await?),
                    Told::NotYet => {}
                    Told::TooFast => return Ok(false),
                }
            }
            match troubles.last() {
                Some(last) if troubles.len() == BATCH as usize => after = Some(last.schedule.id),
                _ => break,
            }
        }
        let mut after: Option<Uuid> = None;
        loop {
            let late = store.late(LATE, after, BATCH).await?;
            for schedule in &late {
                let Some((guild, due)) = ours(schedule).zip(schedule.next_at) else {
                    continue;
                };
                let due = format!("<t:{}:f>", due.timestamp());
                let said = |language| text!(language, "schedule-late", due = due.as_str());
                match self.tell_one(guild, schedule, said).await {
                    Told::Done => drop(store.tell_late(schedule).await?),
                    Told::NotYet => {}
                    Told::TooFast => return Ok(false),
                }
            }
            match late.last() {
                Some(last) if late.len() == BATCH as usize => after = Some(last.id),
                _ => return Ok(true),
            }
        }
    }

    async fn tell_one(
        &self,
        guild: GuildId,
        schedule: &Schedule,
        said: impl Fn(Language) -> String,
    ) -> Told {
        let Some(circle) = self.people.circle(guild) else {
            return Told::NotYet;
        };
        let language = circle.language;
        let see = text!(language, "schedule-see", id = schedule.id.to_string());
        let text = format!("{}\n{see}", said(language));
        let embed = json!({"title": text!(language, "schedule-title"), "description": text,
                           "color": colours::RED.0});
        let mut body = json!({"embeds": [embed], "allowed_mentions": {"parse": []}});
        fit(&mut body);
        if let Some(channel) = circle.alert_channel {
            match self.post(channel, &body).await {
                Ok(()) => return Told::Done,
                Err(error) if error.is_transient() => return Told::NotYet,
                Err(error) => {
                    warn!(guild.id = %guild, error = %Chain(&error), "the alert channel does not take alerts");
                }
            }
        }
        let Some(owner) = circle.owner else {
            return Told::Done;
        };
        let open = self.discord.post("/users/@me/channels").idempotent(true);
        let open = open.lane(Lane::Interactive).longest_wait(LONGEST);
        let channel = match open.json(&json!({"recipient_id": owner})).send().await {
            Ok(channel) => snowflake::typed::<ChannelId>(&channel["id"]),
            Err(error) => return Told::of(Err(error)),
        };
        let Some(channel) = channel else {
            return Told::Done;
        };
        Told::of(self.post(channel, &body).await)
    }

    async fn post(&self, channel: ChannelId, body: &Value) -> Result<(), DiscordError> {
        let post = self.discord.post(format!("/channels/{channel}/messages"));
        let post = post.lane(Lane::Interactive).longest_wait(LONGEST);
        post.json(body).send_empty().await
    }
}
