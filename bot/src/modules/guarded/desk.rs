//! Where requests are made, answered and carried out.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{ChannelId, GuildId, MessageId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, DiscordError, Lane, Request, Upload, snowflake};
use splashtail_storage::{
    Answer, Ending, GuardedRequest, Move, NewRequest, RequestState, Storage, StorageError,
};
use tracing::{info, warn};
use uuid::Uuid;

use super::circle::{Circle, People};
use super::detached::detached;
use super::rules::{self, Heard, Standing, Word};
use super::setting::Wanted;
use super::text::{self, Shown};
use crate::catalogue::Language;
use crate::operation::{Operation, Performed};
use crate::text;

/// Whoever took a request is done with it by then, or somebody else goes on.
const TURN: TimeDelta = TimeDelta::seconds(60);
/// For one message.
const LONGEST: Duration = Duration::from_secs(30);
/// People who are told in private.
const TOLD: usize = 20;

pub struct Desk {
    pub(super) storage: Storage,
    pub(super) clock: SharedClock,
    pub(super) discord: Discord,
    people: Arc<dyn People>,
    operations: OnceLock<Vec<Arc<dyn Operation>>>,
}

/// What somebody wants done.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    pub guild: GuildId,
    /// [`Operation::id`].
    pub operation: &'static str,
    /// What it takes, without secrets.
    pub arguments: Value,
    /// What it would do, line by line.
    pub summary: Vec<String>,
    /// Of what it would do.
    pub digest: String,
    pub by: UserId,
    /// Where it is shown when there is no channel for alerts.
    pub here: Option<ChannelId>,
}

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// For the one who asked.
    #[error("{0}")]
    Refused(String),
    #[error("the database failed")]
    Storage(#[from] StorageError),
}

fn unknown(language: Language) -> String {
    text!(language, "protection-unknown-server")
}

impl Desk {
    pub fn new(
        storage: Storage,
        clock: SharedClock,
        discord: &Discord,
        people: Arc<dyn People>,
    ) -> Self {
        Self {
            storage,
            clock,
            discord: discord.in_lane(Lane::Interactive),
            people,
            operations: OnceLock::new(),
        }
    }

    /// To be called once, with what all modules declare.
    pub fn operate(&self, operations: Vec<Arc<dyn Operation>>) {
        // Whoever calls again changes nothing.
        let _ = self.operations.set(operations);
    }

    pub fn circle(&self, guild: GuildId) -> Option<Circle> {
        self.people.circle(guild)
    }

    /// What the guild wants, from the database itself.
    ///
    /// # Errors
    /// The database failed.
    pub async fn wanted(&self, guild: GuildId) -> Result<Wanted, StorageError> {
        Wanted::stored(&self.storage, guild).await
    }

    /// Asks the trusted set. Answers what the one who asked is told.
    ///
    /// Once begun it goes on, also when the caller does not wait for it: nothing is asked without the
    /// trusted set being told.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask(self: &Arc<Self>, ask: Ask) -> Result<String, AskError> {
        let desk = Arc::clone(self);
        detached(async move { desk.take(ask).await }).await
    }

    async fn take(self: Arc<Self>, ask: Ask) -> Result<String, AskError> {
        let circle = self.circle(ask.guild);
        let circle = circle.ok_or_else(|| AskError::Refused(unknown(Language::default())))?;
        let language = circle.language;
        let store = self.storage.guarded();
        let open = store.list(ask.guild, true, u32::MAX >> 1).await?;
        let now = self.now();
        let mut same = open.iter().filter(|request| !rules::is_over(request, now));
        let same = same.find(|r| r.operation == ask.operation && r.digest == ask.digest);
        if let Some(same) = same {
            return Ok(asked_already(language, same));
        }
        let request = NewRequest {
            id: Uuid::new_v4(),
            guild: ask.guild,
            operation: ask.operation.to_owned(),
            arguments: ask.arguments,
            summary: ask.summary,
            digest: ask.digest,
            asked_by: ask.by,
            asked_at: now,
            expires_at: rules::expires_at(ask.by, now, &circle),
        };
        if !store.ask(&request).await? {
            return Err(AskError::Refused(text!(language, "guarded-too-many")));
        }
        info!(guild.id = %ask.guild, request.id = %request.id, operation = ask.operation,
            "asked others to agree");
        metrics::counter!("bot_guarded_requests_total", "operation" => ask.operation).increment(1);
        if circle.has(ask.by) {
            let agree = answer(ask.by, Word::Agree, now);
            // One alone is never enough.
            store.answer(request.id, &agree, &|_| Move::Stay).await?;
        }
        let Some(stored) = store.get(request.id).await? else {
            return Err(AskError::Refused(unknown(language)));
        };
        let place = self.post(&stored, &circle, ask.here).await;
        self.announce(stored, circle.clone(), place);
        Ok(asked(&request, &circle, place))
    }

    /// Takes somebody's word on a request, and carries it out when that is enough. Answers what they
    /// are told. As [`Desk::ask`] it goes on when the caller does not wait.
    ///
    /// # Errors
    /// The database failed.
    pub async fn hear(
        self: &Arc<Self>,
        request: (GuildId, Uuid),
        user: UserId,
        word: Word,
        language: Language,
    ) -> Result<String, StorageError> {
        let desk = Arc::clone(self);
        detached(async move { desk.weigh(request, user, word, language).await }).await
    }

    async fn weigh(
        self: Arc<Self>,
        (guild, id): (GuildId, Uuid),
        user: UserId,
        word: Word,
        language: Language,
    ) -> Result<String, StorageError> {
        let over = || text!(language, "guarded-over");
        let (store, now) = (self.storage.guarded(), self.now());
        let request = store.get(id).await?.filter(|found| found.guild == guild);
        let Some(request) = request else {
            return Ok(text!(language, "guarded-gone"));
        };
        let Some(circle) = self.circle(guild) else {
            return Ok(unknown(language));
        };
        if request.state != RequestState::Open {
            return Ok(over());
        }
        if rules::is_over(&request, now) {
            self.expire(&request).await?;
            return Ok(text!(language, "guarded-too-late"));
        }
        match rules::hears(word, user, request.asked_by, &circle) {
            Heard::Counts => {}
            Heard::NotTrusted => return Ok(text!(language, "guarded-not-trusted")),
            Heard::NotTheirs => return Ok(text!(language, "guarded-not-theirs")),
        }
        let judge = |answers: &[Answer]| {
            if let Some(state) = rules::ended(answers, request.asked_by, &circle) {
                return Move::End(self.ending(state, None));
            }
            match rules::judge(answers, &circle, now) {
                Standing::Agreed(_) => Move::Take(now + TURN),
                Standing::Waits { .. } => Move::Stay,
            }
        };
        let given = answer(user, word, now);
        Ok(match store.answer(id, &given, &judge).await? {
            // By somebody else, at the same time.
            None => over(),
            Some(Move::End(end)) => {
                self.dropped(&request, end.state).await?;
                text!(language, "guarded-nothing-done")
            }
            Some(Move::Take(_)) => {
                info!(guild.id = %guild, request.id = %id, "agreed");
                self.perform(&request).await?
            }
            Some(Move::Stay) => {
                self.refresh(&request, &circle).await;
                match word {
                    Word::Agree => text!(language, "guarded-noted-agree"),
                    _ => text!(language, "guarded-noted-refuse"),
                }
            }
        })
    }

    /// Carries out what was agreed to and was taken by us. Answers what came of it.
    ///
    /// # Errors
    /// The database failed; it is tried again after [`TURN`].
    pub(super) async fn perform(&self, request: &GuardedRequest) -> Result<String, StorageError> {
        let circle = self.circle(request.guild).unwrap_or_default();
        let language = circle.language;
        let Some(operation) = self.operation(&request.operation) else {
            // Of another version of this program, which will.
            return Ok(text!(language, "guarded-soon"));
        };
        let (state, text) = match operation.perform(request, language).await {
            Performed::Done(text) => (RequestState::Done, text),
            Performed::Failed(text) => (RequestState::Failed, text),
            Performed::Later => {
                return Ok(text!(language, "guarded-later"));
            }
        };
        metrics::counter!("bot_guarded_ends_total", "state" => state.as_str()).increment(1);
        let end = self.ending(state, Some(text.clone()));
        let store = self.storage.guarded();
        store.end(request.id, RequestState::Running, &end).await?;
        self.show_again(request.id).await?;
        Ok(text)
    }

    /// Ends a request whose time is over, as its answers say.
    pub(super) async fn expire(&self, request: &GuardedRequest) -> Result<(), StorageError> {
        let store = self.storage.guarded();
        let answers = store.answers(request.id).await?;
        let circle = self.circle(request.guild).unwrap_or_default();
        let state = rules::ended(&answers, request.asked_by, &circle);
        let end = self.ending(state.unwrap_or(RequestState::Expired), None);
        if store.end(request.id, RequestState::Open, &end).await? {
            self.dropped(request, end.state).await?;
        }
        Ok(())
    }

    /// It has ended and will never be done.
    async fn dropped(
        &self,
        request: &GuardedRequest,
        state: RequestState,
    ) -> Result<(), StorageError> {
        metrics::counter!("bot_guarded_ends_total", "state" => state.as_str()).increment(1);
        if let Some(operation) = self.operation(&request.operation) {
            operation.dropped(request).await;
        }
        self.show_again(request.id).await
    }

    /// A request as it is shown, beside others in the same message.
    pub(super) async fn shown(
        &self,
        request: &GuardedRequest,
        circle: &Circle,
        beside: usize,
    ) -> Result<Shown, StorageError> {
        let answers = self.storage.guarded().answers(request.id).await?;
        let name = self.name(request, circle.language);
        Ok(Shown::new(
            request,
            &answers,
            circle,
            &name,
            self.now(),
            beside,
        ))
    }

    async fn show_again(&self, id: Uuid) -> Result<(), StorageError> {
        if let Some(request) = self.storage.guarded().get(id).await? {
            let circle = self.circle(request.guild).unwrap_or_default();
            self.refresh(&request, &circle).await;
        }
        Ok(())
    }

    /// Brings the request's message up to date.
    async fn refresh(&self, request: &GuardedRequest, circle: &Circle) {
        let Some((channel, message)) = request.message else {
            return;
        };
        let shown = match self.shown(request, circle, 0).await {
            Ok(shown) => shown,
            Err(error) => {
                warn!(request.id = %request.id, error = %Chain(&error), "a request cannot be read");
                return;
            }
        };
        let path = format!("/channels/{channel}/messages/{message}");
        let edit = self.discord.patch(path).idempotent(true);
        let edited = edit.longest_wait(LONGEST).json(&shown.body()).send_empty();
        match edited.await {
            Err(error) if !error.is_not_found() => {
                warn!(request.id = %request.id, error = %Chain(&error), "a request is not shown");
            }
            _ => {}
        }
    }

    /// Posts a new request where the staff reads, else where it was asked for.
    async fn post(
        &self,
        request: &GuardedRequest,
        circle: &Circle,
        here: Option<ChannelId>,
    ) -> Option<ChannelId> {
        let shown = self.shown(request, circle, 0).await.ok()?;
        let body = shown.calling(circle, request.asked_by);
        let file = shown.file();
        for channel in circle.alert_channel.into_iter().chain(here) {
            match self.post_in(channel, request.id, &body, &file).await {
                Ok(message) => {
                    if let Some(message) = message {
                        self.remember(request.id, (channel, message)).await;
                    }
                    return Some(channel);
                }
                Err(error) => {
                    warn!(request.id = %request.id, channel.id = %channel, error = %Chain(&error), "a request was not posted");
                }
            }
        }
        None
    }

    async fn remember(&self, request: Uuid, at: (ChannelId, MessageId)) {
        if let Err(error) = self.storage.guarded().set_message(request, at).await {
            warn!(request.id = %request, error = %Chain(&error), "where a request is shown is not known");
        }
    }

    async fn post_in(
        &self,
        channel: ChannelId,
        request: Uuid,
        body: &Value,
        file: &Option<Upload>,
    ) -> Result<Option<MessageId>, DiscordError> {
        const REMEMBERED: Duration = Duration::from_secs(60);
        let mut body = body.clone();
        // Discord takes 25 characters.
        body["nonce"] = request.simple().to_string()[..25].into();
        body["enforce_nonce"] = true.into();
        let post = self.discord.post(format!("/channels/{channel}/messages"));
        let post = post.idempotent_within(REMEMBERED).longest_wait(LONGEST);
        let message = with_file(post, &body, file).send().await?;
        Ok(snowflake::typed(&message["id"]))
    }

    /// Tells the trusted set in private, beside everything else.
    fn announce(
        self: &Arc<Self>,
        request: GuardedRequest,
        circle: Circle,
        place: Option<ChannelId>,
    ) {
        let desk = Arc::clone(self);
        tokio::spawn(async move {
            let name = desk.name(&request, circle.language);
            let (body, file) = text::announcement(&request, &circle, &name, place);
            let others = circle.all().filter(|user| *user != request.asked_by);
            for user in others.take(TOLD) {
                if let Err(error) = desk.write_to(user, &body, &file).await {
                    // They may take no messages, or be a bot.
                    info!(user.id = %user, error = %Chain(&error), "somebody was not told in private");
                }
            }
        });
    }

    async fn write_to(
        &self,
        user: UserId,
        body: &Value,
        file: &Option<Upload>,
    ) -> Result<(), DiscordError> {
        let open = self.discord.post("/users/@me/channels").idempotent(true);
        let open = open
            .longest_wait(LONGEST)
            .json(&json!({"recipient_id": user}));
        let channel = open.send().await?;
        let Some(channel) = snowflake::id(&channel["id"]) else {
            return Ok(());
        };
        let post = self.discord.post(format!("/channels/{channel}/messages"));
        with_file(post.longest_wait(LONGEST), body, file)
            .send_empty()
            .await
    }

    fn operation(&self, id: &str) -> Option<&Arc<dyn Operation>> {
        let mut all = self.operations.get()?.iter();
        all.find(|operation| operation.id() == id)
    }

    fn name(&self, request: &GuardedRequest, language: Language) -> String {
        match self.operation(&request.operation) {
            Some(operation) => operation.name(language),
            None => request.operation.clone(),
        }
    }

    fn ending(&self, state: RequestState, outcome: Option<String>) -> Ending {
        Ending {
            state,
            outcome,
            at: self.now(),
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Until when whoever takes a request has to be done.
    pub(super) fn turn(&self) -> DateTime<Utc> {
        self.now() + TURN
    }
}

fn with_file(post: Request, body: &Value, file: &Option<Upload>) -> Request {
    match file {
        Some(file) => post.form(body, std::slice::from_ref(file)),
        None => post.json(body),
    }
}

fn answer(user: UserId, word: Word, at: DateTime<Utc>) -> Answer {
    Answer {
        user,
        answer: word.as_str().to_owned(),
        at,
    }
}

fn asked(request: &NewRequest, circle: &Circle, place: Option<ChannelId>) -> String {
    let language = circle.language;
    let place = whereto(language, place);
    let until = format!("<t:{}:f>", request.expires_at.timestamp());
    match (
        circle.is_owner(request.asked_by),
        circle.has(request.asked_by),
    ) {
        (true, _) => text!(language, "guarded-ask-owner", place = place, until = until),
        (false, true) => text!(language, "guarded-ask-one", place = place, until = until),
        (false, false) => text!(language, "guarded-ask-two", place = place, until = until),
    }
}

fn asked_already(language: Language, request: &GuardedRequest) -> String {
    let place = whereto(language, request.message.map(|(channel, _)| channel));
    text!(language, "guarded-asked-already", place = place)
}

fn whereto(language: Language, place: Option<ChannelId>) -> String {
    match place {
        Some(channel) => text!(language, "guarded-where", channel = format!("<#{channel}>")),
        None => text!(language, "guarded-where-command"),
    }
}
