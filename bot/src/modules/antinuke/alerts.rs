//! Telling people.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_antinuke::{Alert, Incident, IncidentState, Mode, Notice, Policy, owner};
use splashtail_core::ids::{ChannelId, GuildId, MessageId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::{DiscordError, Lane, snowflake};
use splashtail_guild::Id;
use splashtail_storage::StorageError;
use tracing::warn;

use super::server::Server;
use super::service::Protection;
use super::text;
use crate::catalogue::Language;
use crate::markdown::{neutralise, shorten};
use crate::text;

/// Several changes of one incident are one edit.
const TOGETHER: Duration = Duration::from_millis(300);
const MAX_WAITING: usize = 5000;
/// Of one server.
const MAX_OF_ONE: usize = 200;
const MAX_MESSAGES: usize = 5000;
const LONGEST: Duration = Duration::from_secs(60);
/// Servers that are told something at the same time; one server's alerts go one after another.
const AT_ONCE: usize = 32;
/// What Discord does not take is tried again, each time after twice as long: a notice so many times, which is for a
/// quarter of an hour, as whoever opened too many direct channels may open none for some minutes; an
/// incident until its last state is shown.
const ATTEMPTS: u32 = 9;
const PAUSE: Duration = Duration::from_secs(2);
/// Longest name of a server that is shown whole.
const NAME: usize = 100;
/// An alert does not wait longer for the database.
const LOOKING: Duration = Duration::from_secs(2);

/// A button's style (Discord documentation, "Button Styles").
const LINK: u8 = 5;

/// What is to be told, and where it was told before.
#[derive(Default)]
pub struct Alerts {
    queue: Mutex<Queue>,
    /// The oldest incident comes first.
    messages: Mutex<BTreeMap<(Id, GuildId), (ChannelId, MessageId)>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(GuildId, Telling)>,
    /// Servers that are told something now.
    busy: BTreeSet<GuildId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Telling {
    alert: Alert,
    attempts: u32,
    not_before: Duration,
    /// An owner who cannot be written to now holds up nobody else.
    owner_not_before: Duration,
    /// What was tried last did not come to the channel.
    channel_failed: bool,
    channel_told: bool,
    owner_told: bool,
}

impl Telling {
    /// Whether an incident's own message is meant. Everything else is said in a message of its own,
    /// also where it is about an incident: that message is nobody's but the incident's.
    fn is_incident(&self) -> bool {
        self.alert.notice == Notice::Incident
    }

    /// Whether it may be dropped where too many wait. With the last word to a server that server is
    /// forgotten.
    fn gives_way(&self) -> bool {
        !matches!(
            self.alert.notice,
            Notice::Incident | Notice::Expelled | Notice::Left
        )
    }
}

/// Why people do not know yet.
#[derive(Debug, thiserror::Error)]
enum NotTold {
    #[error("Discord does not take it")]
    Discord(#[from] DiscordError),
    #[error("what there is to tell cannot be read")]
    Unread(#[from] StorageError),
    #[error("what there is to tell cannot be read: the database is silent")]
    Silent,
    #[error("the owner cannot be written to yet")]
    OwnerLater,
}

impl NotTold {
    /// Whether another try may help.
    fn passes(&self) -> bool {
        match self {
            Self::Discord(error) => error.is_transient() || error.is_ambiguous(),
            Self::Unread(_) | Self::Silent | Self::OwnerLater => true,
        }
    }
}

/// A server's turn to be told, until it is dropped.
struct Turn<'a>(&'a Alerts, GuildId);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().busy.remove(&self.1);
    }
}

impl Alerts {
    pub(super) fn push(&self, guild: GuildId, alert: Alert) {
        let first = Telling {
            alert,
            attempts: 0,
            not_before: Duration::ZERO,
            owner_not_before: Duration::ZERO,
            channel_failed: false,
            channel_told: false,
            owner_told: false,
        };
        let mut queue = self.lock();
        match queue.find(guild, alert) {
            Some(waits) => {
                let owner = waits.alert.owner || alert.owner;
                let failed = waits.channel_failed;
                *waits = Telling {
                    attempts: waits.attempts,
                    not_before: if failed {
                        waits.not_before
                    } else {
                        Duration::ZERO
                    },
                    owner_not_before: waits.owner_not_before,
                    channel_failed: failed,
                    owner_told: waits.owner_told,
                    ..first
                };
                waits.alert.owner = owner;
            }
            None => queue.add(guild, first),
        }
    }

    /// What could not be told waits for another attempt, unless there is news of the same.
    fn again(&self, guild: GuildId, telling: Telling) {
        let mut queue = self.lock();
        match queue.find(guild, telling.alert) {
            Some(news) => {
                news.alert.owner |= telling.alert.owner;
                news.owner_told |= telling.owner_told;
                news.attempts = telling.attempts;
                news.owner_not_before = telling.owner_not_before;
                if telling.channel_failed {
                    (news.channel_failed, news.not_before) = (true, telling.not_before);
                }
            }
            None => queue.add(guild, telling),
        }
    }

    /// What can be told now, by server; each has its turn until it is told to be [`done`](Turn).
    fn take(&self, now: Duration) -> BTreeMap<GuildId, Vec<Telling>> {
        let mut queue = self.lock();
        let room = AT_ONCE.saturating_sub(queue.busy.len());
        let mut taken: BTreeMap<GuildId, Vec<Telling>> = BTreeMap::new();
        let waiting = std::mem::take(&mut queue.waiting);
        for (guild, telling) in waiting {
            let has_turn = taken.contains_key(&guild) || taken.len() < room;
            let later = telling.not_before > now || queue.busy.contains(&guild);
            match has_turn && !later {
                true => taken.entry(guild).or_default().push(telling),
                false => queue.waiting.push_back((guild, telling)),
            }
        }
        queue.busy.extend(taken.keys());
        taken
    }

    /// Incidents that wait to be told.
    #[cfg(test)]
    pub(super) fn waiting(&self, guild: GuildId) -> Vec<Id> {
        let queue = self.lock();
        let own = queue.waiting.iter().filter(|(known, _)| *known == guild);
        own.filter_map(|(_, telling)| telling.alert.incident)
            .collect()
    }

    /// The message that shows an incident.
    pub(super) fn message(&self, guild: GuildId, incident: Id) -> Option<(ChannelId, MessageId)> {
        let messages = self.messages.lock();
        let messages = messages.unwrap_or_else(PoisonError::into_inner);
        messages.get(&(incident, guild)).copied()
    }

    fn remember(&self, guild: GuildId, incident: Id, at: (ChannelId, MessageId)) {
        let messages = self.messages.lock();
        let mut messages = messages.unwrap_or_else(PoisonError::into_inner);
        messages.insert((incident, guild), at);
        if messages.len() > MAX_MESSAGES {
            messages.pop_first();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn find(&mut self, guild: GuildId, alert: Alert) -> Option<&mut Telling> {
        let same = |waits: &Alert| {
            let both = waits.notice == alert.notice && waits.incident == alert.incident;
            // An incident may come to be about somebody else.
            both && (alert.notice == Notice::Incident || waits.about == alert.about)
        };
        let found = self.waiting.iter_mut();
        let mut found = found.filter(|(known, waits)| *known == guild && same(&waits.alert));
        found.next().map(|(_, waits)| waits)
    }

    /// Where too many wait, a notice is dropped before an incident is.
    fn add(&mut self, guild: GuildId, telling: Telling) {
        let own = self.waiting.iter().filter(|(known, _)| *known == guild);
        let many_of_one = own.count() >= MAX_OF_ONE;
        if many_of_one || self.waiting.len() >= MAX_WAITING {
            metrics::counter!("bot_antinuke_alerts_dropped_total").increment(1);
            warn!(guild.id = %guild, "an alert is dropped: too many wait");
            let mut waiting = self.waiting.iter();
            let notice = waiting
                .position(|(known, waits)| waits.gives_way() && (*known == guild || !many_of_one));
            match notice.filter(|_| !telling.gives_way()) {
                Some(place) => self.waiting.remove(place),
                None => return,
            };
        }
        self.waiting.push_back((guild, telling));
    }
}

impl Protection {
    /// Tells people what there is to tell. Never ends.
    pub(super) async fn alert(self: Arc<Self>) {
        loop {
            self.clock.sleep(TOGETHER).await;
            for (guild, tellings) in self.alerts.take(self.clock.monotonic()) {
                let protection = Arc::clone(&self);
                tokio::spawn(async move {
                    let _turn = Turn(&protection.alerts, guild);
                    for telling in tellings {
                        protection.tell_or_retry(guild, telling).await;
                    }
                });
            }
        }
    }

    /// Alerts go elsewhere from now on: what is open and stands nowhere is posted there.
    pub(super) fn tell_anew(&self, server: &Server) {
        let open = server.read(|engine, _| {
            let open = engine
                .incidents()
                .filter(|i| i.state != IncidentState::Closed);
            open.map(|incident| incident.id).collect::<Vec<_>>()
        });
        for incident in open {
            let alert = Alert {
                notice: Notice::Incident,
                incident: Some(incident),
                about: None,
                owner: false,
            };
            self.alerts.push(server.guild, alert);
        }
    }

    async fn tell_or_retry(&self, guild: GuildId, mut telling: Telling) {
        let Some(server) = self.server(guild) else {
            return;
        };
        if let Err(error) = self.tell_people(&server, &mut telling).await {
            let again = telling.attempts < ATTEMPTS || telling.is_incident();
            if error.passes() && again {
                if matches!(error, NotTold::OwnerLater) {
                    telling.not_before = telling.owner_not_before;
                } else {
                    let pause = PAUSE * 2_u32.pow(telling.attempts.min(ATTEMPTS));
                    telling.attempts = telling.attempts.saturating_add(1);
                    telling.not_before = self.clock.monotonic() + pause;
                    if !telling.channel_failed {
                        telling.owner_not_before = telling.not_before;
                    }
                }
                self.alerts.again(guild, telling);
                return;
            }
            metrics::counter!("bot_antinuke_alerts_dropped_total").increment(1);
            warn!(guild.id = %guild, error = %Chain(&error), "an alert was not delivered");
        }
        if matches!(telling.alert.notice, Notice::Expelled | Notice::Left) {
            self.forget(guild);
        }
    }

    async fn tell_people(&self, server: &Server, telling: &mut Telling) -> Result<(), NotTold> {
        let alert = telling.alert;
        telling.channel_failed = true;
        let incident = match alert.incident.filter(|_| telling.is_incident()) {
            Some(id) => self.incident(server, id).await?,
            None => None,
        };
        let (policy, owner, name) = server.read(|engine, structure| {
            let name = structure.guild()["name"].as_str().unwrap_or_default();
            (
                Arc::clone(engine.policy()),
                owner(structure),
                name.to_owned(),
            )
        });
        let language = self.language(server).await;
        let shown = match (alert.notice, &incident) {
            (Notice::Incident, None) => return Ok(()),
            (Notice::Incident, Some(incident)) => {
                let pause = incident.times.acknowledged;
                let Some(tags) = self.tags() else {
                    return Ok(());
                };
                let put_back = self.put_backs.get(server.guild, incident.id);
                let mut shown = text::incident(language, incident, tags, pause, put_back.as_ref());
                if let Some(line) = self.backup_line(language, server.guild, incident.id) {
                    text::add_line(&mut shown, &line);
                }
                shown
            }
            (notice, _) => text::notice(language, notice, alert.about),
        };
        let channel = policy.alert_channel.and_then(|id| ChannelId::new(id.get()));
        let mut failed: Option<NotTold> = None;
        telling.channel_failed = false;
        if let Some(channel) = channel.filter(|_| !telling.channel_told) {
            match self.show(server, channel, incident.as_ref(), &shown).await {
                Ok(()) => telling.channel_told = true,
                Err(error) if error.is_transient() || error.is_ambiguous() => {
                    telling.channel_failed = true;
                    failed = Some(error.into());
                }
                Err(error) => {
                    warn!(guild.id = %server.guild, error = %Chain(&error), "the alert channel does not take alerts");
                }
            }
        }
        let wanted = is_for_owner(&policy, alert, incident.as_ref(), telling.channel_told);
        let waits = self.clock.monotonic() < telling.owner_not_before;
        if waits && wanted && owner.is_some() && !telling.owner_told {
            failed.get_or_insert(NotTold::OwnerLater);
        } else if let Some(owner) = owner.filter(|_| wanted && !telling.owner_told) {
            let at = incident
                .as_ref()
                .and_then(|incident| self.alerts.message(server.guild, incident.id));
            let shown = in_private(
                language,
                shown,
                &name,
                (server.guild, incident.is_some(), at),
            );
            match self.write_to(owner, shown).await {
                Ok(()) => telling.owner_told = true,
                // What another try may help against is tried again, whatever else went wrong.
                Err(error) => {
                    failed.get_or_insert(error.into());
                }
            }
        }
        if let Some(incident) = incident {
            let (now, told) = (self.now(), *telling);
            server.ask(|engine, _| {
                if told.channel_told || told.owner_told {
                    engine.note_alerted(incident.id, now);
                }
                if told.owner_told {
                    engine.note_owner_told(incident.id, now);
                }
            });
            server.is_unsaved();
        }
        failed.map_or(Ok(()), Err)
    }

    /// An incident, as far as it is known; of one that is long over what was written down.
    async fn incident(&self, server: &Server, id: Id) -> Result<Option<Incident>, NotTold> {
        let known = server.read(|engine, _| engine.incident(id).cloned());
        if known.is_some() {
            return Ok(known);
        }
        let store = self.storage.protections();
        let reading = store.incident(server.guild, id.get().cast_signed());
        let row = tokio::time::timeout(LOOKING, reading).await;
        let row = row.map_err(|_| NotTold::Silent)??;
        Ok(row.and_then(|row| serde_json::from_str(&row.document).ok()))
    }

    /// One message per incident, changed in place.
    async fn show(
        &self,
        server: &Server,
        channel: ChannelId,
        incident: Option<&Incident>,
        shown: &Value,
    ) -> Result<(), DiscordError> {
        let discord = &self.discord;
        let known = match incident {
            Some(incident) => self.shown(server.guild, incident).await,
            None => None,
        };
        if let Some((place, message)) = known {
            let path = format!("/channels/{place}/messages/{message}");
            let edit = discord.patch(path).idempotent(true).lane(Lane::Interactive);
            match edit.json(shown).longest_wait(LONGEST).send_empty().await {
                Err(error) if error.is_not_found() => {}
                Err(error) if error.is_forbidden() && place != channel => {}
                answer => return answer,
            }
        }
        let mut body = shown.clone();
        if let Some(incident) = incident {
            body["nonce"] = incident.id.to_string().into();
            body["enforce_nonce"] = true.into();
        }
        let post = discord
            .post(format!("/channels/{channel}/messages"))
            .lane(Lane::Interactive)
            .longest_wait(LONGEST)
            .json(&body);
        let message = post.send().await?;
        let id = snowflake::typed::<MessageId>(&message["id"]);
        if let Some((incident, id)) = incident.zip(id) {
            self.alerts
                .remember(server.guild, incident.id, (channel, id));
            // If the incident is not written down yet, this is written behind it.
            let store = self.storage.protections();
            let incident = incident.id.get().cast_signed();
            let set = store.set_alert(server.guild, incident, (channel, id));
            if let Ok(Err(error)) = tokio::time::timeout(LOOKING, set).await {
                warn!(error = %Chain(&error), "where an alert stands is not written down");
            }
        }
        if let Some(id) = id.filter(|_| is_of_before(shown, &message)) {
            let path = format!("/channels/{channel}/messages/{id}");
            let edit = discord.patch(path).idempotent(true).lane(Lane::Interactive);
            edit.json(shown).longest_wait(LONGEST).send_empty().await?;
        }
        Ok(())
    }

    /// The message that shows an incident already, perhaps by another process.
    async fn shown(&self, guild: GuildId, incident: &Incident) -> Option<(ChannelId, MessageId)> {
        if let Some(known) = self.alerts.message(guild, incident.id) {
            return Some(known);
        }
        incident.times.alerted?;
        let store = self.storage.protections();
        let reading = store.incident(guild, incident.id.get().cast_signed());
        let row = tokio::time::timeout(LOOKING, reading).await;
        let at = row.ok()?.ok()??.alert?;
        self.alerts.remember(guild, incident.id, at);
        Some(at)
    }

    async fn write_to(&self, user: Id, body: Value) -> Result<(), DiscordError> {
        let discord = &self.discord;
        let open = discord
            .post("/users/@me/channels")
            .lane(Lane::Interactive)
            .idempotent(true)
            .longest_wait(LONGEST)
            .json(&json!({"recipient_id": user}));
        let channel = open.send().await?;
        let Some(channel) = snowflake::id(&channel["id"]) else {
            return Ok(());
        };
        let post = discord
            .post(format!("/channels/{channel}/messages"))
            .lane(Lane::Interactive)
            .longest_wait(LONGEST)
            .json(&body);
        post.send_empty().await
    }
}

/// Whether a post made no message: Discord answers a nonce that it knows with the message that it made
/// of an earlier post, whose answer never came and which says what was so then.
fn is_of_before(shown: &Value, message: &Value) -> bool {
    let of = |body: &Value| {
        let embed = &body["embeds"][0];
        (embed["title"].clone(), embed["description"].clone())
    };
    message["embeds"][0].is_object() && of(shown) != of(message)
}

/// Whether the owner hears of it in private. Of an attack they do once, wherever else it is told:
/// whoever reads the alert channel may be the attacker.
fn is_for_owner(
    policy: &Policy,
    alert: Alert,
    incident: Option<&Incident>,
    channel_told: bool,
) -> bool {
    use IncidentState::{Contained, Failed, Unreachable};
    let acted = incident.is_some_and(|i| i.mode == Mode::On);
    let settled = incident.is_some_and(|i| matches!(i.state, Contained | Unreachable | Failed));
    // In dry run nobody is written to who did not ask for it.
    let real = policy.mode == Mode::On || alert.notice == Notice::Expelled || acted;
    let knows = incident.is_some_and(|i| i.times.owner_told.is_some());
    real && !knows && (alert.owner || !channel_told || acted && settled)
}

/// The same for the owner alone. Discord tells of a press in private without saying about which server,
/// and not to the process that knows it: there are no buttons, but the way to them.
fn in_private(
    language: Language,
    mut shown: Value,
    name: &str,
    (guild, is_incident, at): (GuildId, bool, Option<(ChannelId, MessageId)>),
) -> Value {
    let name = neutralise(&shorten(name, NAME));
    let mut content = text!(language, "notice-in-server", server = name);
    let mut rows = json!([]);
    match at.filter(|_| is_incident) {
        Some((channel, message)) => {
            let url = format!("https://discord.com/channels/{guild}/{channel}/{message}");
            let label = text!(language, "notice-to-the-buttons");
            let link = json!({"type": 2, "style": LINK, "label": label, "url": url});
            rows = json!([{"type": 1, "components": [link]}]);
        }
        None if is_incident => {
            content = format!("{content} {}", text!(language, "notice-no-buttons"));
        }
        None => {}
    }
    shown["content"] = content.into();
    shown["components"] = rows;
    shown
}

#[cfg(test)]
mod tests;
