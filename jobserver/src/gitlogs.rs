//! Tells in channels what happened in repositories: from rows alone, so any jobserver goes on with any of it.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::clock::SharedClock;
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, DiscordError, Lane};
use splashtail_storage::{DueDelivery, Storage, StorageError, Told};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::due::{Looks, see_to};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// What is told at a time, of as many hooks.
const AT_ONCE: usize = 16;
/// Longer than an attempt takes: whoever took something and was killed loses it then.
const HELD: Duration = Duration::from_secs(120);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// So long Discord knows a nonce again.
const NONCE: Duration = Duration::from_secs(60);
/// When something is tried again; what comes behind it waits.
const AGAIN: [Duration; 4] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
];

#[derive(Clone)]
pub struct Gitlogs {
    storage: Storage,
    clock: SharedClock,
    discord: Discord,
}

impl Gitlogs {
    pub fn new(storage: Storage, clock: SharedClock, discord: &Discord) -> Self {
        Self {
            storage,
            clock,
            discord: discord.in_lane(Lane::Bulk),
        }
    }

    /// Until the shutdown. What is on its way then is told again by the next process, under its nonce.
    pub async fn run(self, shutdown: CancellationToken) {
        let clock = self.clock.clone();
        see_to(self, clock, LOOK, shutdown).await;
    }

    async fn tell(&self, due: &DueDelivery) -> Result<(), DiscordError> {
        let embed: Value = serde_json::from_str(&due.body).unwrap_or_default();
        // Discord takes 25 characters.
        let nonce: String = due.id.simple().to_string().chars().take(25).collect();
        let body = json!({"embeds": [embed], "allowed_mentions": {"parse": []}, "nonce": nonce,
            "enforce_nonce": true});
        let post = self
            .discord
            .post(format!("/channels/{}/messages", due.channel));
        let post = post.json(&body).idempotent_within(NONCE);
        post.longest_wait(LONGEST_WAIT).send().await.map(drop)
    }
}

impl Looks for Gitlogs {
    const WHAT: &str = "messages about repositories";

    async fn look(&self, under_way: &mut JoinSet<()>) -> Result<(), StorageError> {
        while under_way.try_join_next().is_some() {}
        while under_way.len() < AT_ONCE {
            let Some(due) = self.storage.gitlogs().take_delivery(HELD).await? else {
                break;
            };
            let own = self.clone();
            under_way.spawn(async move {
                let told = judge(own.tell(&due).await, due.attempt);
                if let Err(error) = own.storage.gitlogs().told(due.id, &told).await {
                    // It is told once more when its time here is over.
                    warn!(delivery.id = %due.id, error = %Chain(&error), "the end of a message was not noted");
                }
            });
        }
        Ok(())
    }
}

fn judge(done: Result<(), DiscordError>, attempt: u32) -> Told {
    let error = match done {
        Ok(()) => return Told::Sent,
        Err(error) => error,
    };
    let why = Chain(&error).to_string();
    let passes = error.is_transient() || error.is_ambiguous();
    let tries = usize::try_from(attempt).unwrap_or(usize::MAX);
    match AGAIN.get(tries.saturating_sub(1)) {
        Some(wait) if passes => Told::Again(*wait, why),
        _ => Told::Failed(why),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use splashtail_core::clock::ManualClock;
    use splashtail_core::config::Config;
    use splashtail_core::environment::Environment;
    use splashtail_core::ids::{ChannelId, GuildId, UserId};
    use splashtail_storage::{GitHook, NewDelivery};
    use tempfile::TempDir;
    use uuid::Uuid;
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    async fn ended(gitlogs: &Gitlogs) {
        let mut under_way = JoinSet::new();
        loop {
            gitlogs.look(&mut under_way).await.unwrap();
            if under_way.is_empty() {
                return;
            }
            while under_way.join_next().await.is_some() {}
        }
    }

    #[tokio::test]
    async fn what_came_is_told_in_its_order() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = TempDir::new().unwrap();
        let config = Config::embedded(dir.path(), Environment::Staging);
        let stop = CancellationToken::new();
        let storage = Storage::open(&config.database(), &stop).await.unwrap();
        storage.migrate().await.unwrap();
        let clock = ManualClock::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let discord = MockServer::start().await;
        let api = discord.uri().parse().unwrap();
        let client = Discord::new(&api, &api, &"token".to_owned().into(), clock.shared());
        let gitlogs = Gitlogs::new(storage.clone(), clock.shared(), &client.unwrap());
        for (channel, status) in [(5, 200), (6, 404)] {
            let answer = ResponseTemplate::new(status)
                .set_body_json(json!({"id": "9", "code": 10_003, "message": "Unknown Channel"}));
            Mock::given(method("POST"))
                .and(path(format!("/api/v10/channels/{channel}/messages")))
                .respond_with(answer)
                .mount(&discord)
                .await;
        }
        let (store, hook) = (storage.gitlogs(), Uuid::from_u128(1));
        let made = GitHook {
            id: hook,
            guild: GuildId::new(1).unwrap(),
            comment: "c".to_owned(),
            secret: Vec::new(),
            created_by: UserId::new(1).unwrap(),
            created_at: DateTime::UNIX_EPOCH,
        };
        assert!(store.add_git_hook(&made).await.unwrap());
        for (number, channel) in [(1, 5), (2, 6), (3, 5)] {
            let new = NewDelivery {
                id: Uuid::from_u128(number),
                hook,
                digest: number.to_string(),
                event: "push".to_owned(),
                repo: "a/b".to_owned(),
                to: Ok(ChannelId::new(channel).unwrap()),
                body: json!({"title": number.to_string()}).to_string(),
                at: DateTime::UNIX_EPOCH,
            };
            store.note_delivery(&new).await.unwrap();
        }
        ended(&gitlogs).await;
        let listed = store.deliveries(hook, None, 9).await.unwrap();
        let states: Vec<_> = listed.iter().map(|row| row.state.as_str()).collect();
        assert_eq!(states, ["sent", "failed", "sent"]);
        let requests = discord.received_requests().await.unwrap();
        let bodies: Vec<Value> = requests
            .iter()
            .map(|request| serde_json::from_slice(&request.body).unwrap())
            .collect();
        let titles: Vec<_> = bodies
            .iter()
            .map(|body| body["embeds"][0]["title"].as_str().unwrap())
            .collect();
        assert_eq!(titles, ["1", "2", "3"]);
        assert_eq!(bodies[0]["allowed_mentions"], json!({"parse": []}));
        assert_eq!(bodies[0]["nonce"].as_str().unwrap().len(), 25);
    }

    #[test]
    fn what_passes_is_tried_again_and_no_longer() {
        let away = |attempt| {
            let error = DiscordError::Unavailable {
                route: "POST /channels/{id}/messages".to_owned(),
                status: http::StatusCode::BAD_GATEWAY,
                attempts: 3,
            };
            judge(Err(error), attempt)
        };
        assert_eq!(judge(Ok(()), 1), Told::Sent);
        for (attempt, wait) in (1..).zip(AGAIN) {
            assert!(matches!(away(attempt), Told::Again(again, _) if again == wait));
        }
        assert!(matches!(away(5), Told::Failed(_)));
    }
}
