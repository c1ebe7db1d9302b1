use std::collections::BTreeSet;
use std::time::Duration;

use axum::response::sse::Event;
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::Serialize;
use splashtail_api_types::events::{
    GuildEvent, GuildEventKind, StreamEnd, StreamEndReason, StreamReady,
};
use splashtail_core::ids::GuildId;
use splashtail_core::places::Place;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{EventKind, Owner, StorageError};
use tokio::sync::watch;
use tracing::{debug, warn};

use super::rights;
use crate::app::AppState;
use crate::auth::{self, Caller};

/// Events that are read at a time.
const PAGE: u32 = 100;
/// After so long it is asked once more what somebody may look at.
const ASKED_AGAIN: Duration = Duration::from_secs(60);
/// A server where something happens all the time is told of no longer than that beyond the end.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// A database that is away is asked again after that.
const AWAY: Duration = Duration::from_secs(2);

/// Who follows a server, and from where on.
pub struct Following {
    pub app: AppState,
    pub guild: GuildId,
    pub caller: Caller,
    /// What they may be told of.
    pub kinds: BTreeSet<GuildEventKind>,
    /// Held for as long as somebody listens.
    pub _place: Place<Owner>,
    pub news: watch::Receiver<i64>,
    /// What they know.
    pub after: i64,
    /// What they knew is forgotten.
    pub reset: bool,
    /// Until when they are told, and when it was asked what they may look at: monotonic times.
    pub until: Duration,
    pub asked_at: Duration,
}

/// What happens in a server behind `after`, each event once and in order; first of all where that
/// begins, last why it ends. `retry` is when a client should be back.
pub fn follow(following: Following, retry: Duration) -> impl Stream<Item = Event> + Send {
    let ready = StreamReady {
        version: following.after,
        kinds: following.kinds.iter().copied().collect(),
        reset: following.reset,
    };
    let first = event("ready", &ready)
        .id(following.after.to_string())
        .retry(retry);
    let told = stream::unfold(Some(following), |following| async {
        let mut following = following?;
        Some(match following.next().await {
            Ok(events) => (events, Some(following)),
            Err(why) => (vec![event("end", &StreamEnd { why })], None),
        })
    });
    stream::iter([first]).chain(told.flat_map(stream::iter))
}

impl Following {
    /// What is new, not empty; or why there is no more.
    async fn next(&mut self) -> Result<Vec<Event>, StreamEndReason> {
        loop {
            let now = self.app.clock.monotonic();
            if now >= self.until + LAST_WORDS {
                return Err(StreamEndReason::Time);
            }
            if now >= self.asked_at + ASKED_AGAIN {
                self.ask_again().await?;
                self.asked_at = now;
            }
            // Before the look: what comes meanwhile wakes at once.
            self.news.mark_unchanged();
            let mut rest = self.until.min(self.asked_at + ASKED_AGAIN);
            match self.look().await {
                Ok(events) if !events.is_empty() => return Ok(events),
                Ok(_) => {}
                Err(error) => {
                    debug!(guild.id = %self.guild, error = %Chain(&error), "events were not read");
                    rest = rest.min(now + AWAY);
                }
            }
            if now >= self.until {
                return Err(StreamEndReason::Time);
            }
            let waited = async {
                tokio::select! {
                    _ = self.news.changed() => {}
                    () = self.app.clock.sleep(rest.saturating_sub(now)) => {}
                }
            };
            let waited = self.app.shutdown.run_until_cancelled(waited).await;
            waited.ok_or(StreamEndReason::Restart)?;
        }
    }

    /// What they may be told of behind their place, which moves on.
    async fn look(&mut self) -> Result<Vec<Event>, StorageError> {
        loop {
            let events = self.app.storage.events();
            let page = events.behind(self.guild, self.after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(Vec::new());
            };
            self.after = last.number;
            let told: Vec<_> = page
                .into_iter()
                .map(shown)
                .filter(|shown| self.kinds.contains(&shown.kind))
                .map(|shown| event(shown.kind.as_str(), &shown).id(shown.version.to_string()))
                .collect();
            if !told.is_empty() {
                return Ok(told);
            }
        }
    }

    /// What somebody may see ends when their rights do, and their token.
    async fn ask_again(&self) -> Result<(), StreamEndReason> {
        match auth::is_alive(&self.app, &self.caller).await {
            Ok(true) => {}
            Ok(false) => return Err(StreamEndReason::Token),
            Err(error) => {
                warn!(error = %Chain(&error), "a token was not looked at again");
                return Err(StreamEndReason::Rights);
            }
        }
        match rights(&self.app, self.guild, &self.caller).await {
            Ok(kinds) if kinds == self.kinds => Ok(()),
            _ => Err(StreamEndReason::Rights),
        }
    }
}

fn event<T: Serialize>(name: &str, data: &T) -> Event {
    // Names and numbers always become JSON.
    let data = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).data(data)
}

fn shown(event: splashtail_storage::GuildEvent) -> GuildEvent {
    GuildEvent {
        version: event.number,
        kind: match event.kind {
            EventKind::Incident => GuildEventKind::Incident,
            EventKind::Job => GuildEventKind::Job,
            EventKind::Approval => GuildEventKind::Approval,
            EventKind::Settings => GuildEventKind::Settings,
            EventKind::Guild => GuildEventKind::Guild,
            EventKind::BackupLate => GuildEventKind::BackupLate,
        },
        id: event.subject,
        state: event.state,
        at: event.at,
    }
}
