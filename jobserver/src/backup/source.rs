//! Discord, as one attempt of a backup reads it.

use std::time::Duration;

use serde_json::Value;
use splashtail_core::clock::Clock;
use splashtail_discord::{Discord, DiscordError, Download, DownloadError};
use tokio_util::sync::CancellationToken;

use super::error::BackupError;

/// Longest rate limit that is sat out. Behind a longer one the job is parked, so that others may
/// use its place.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often an answer that makes no sense is asked for, before the job is parked.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// Reads from Discord until the job has to stop.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub discord: &'a Discord,
    pub clock: &'a dyn Clock,
    pub cancelled: &'a CancellationToken,
}

impl Source<'_> {
    /// Asks until there is an answer that `read` understands: what is cut off or of another shape
    /// on the way says nothing about what was asked for. `doing` is for people.
    pub async fn ask<T>(
        &self,
        doing: &str,
        path: &str,
        query: &[(&str, String)],
        read: impl Fn(Value) -> Option<T>,
    ) -> Result<T, BackupError> {
        let mut attempt = 1;
        loop {
            let mut request = self.discord.get(path);
            for (name, value) in query {
                request = request.query(*name, value);
            }
            let request = request
                .longest_wait(LONGEST_WAIT)
                .cancelled_by(self.cancelled);
            let unusable = match request.send().await {
                Ok(answer) => match read(answer) {
                    Some(read) => return Ok(read),
                    None => BackupError::Answer {
                        doing: doing.to_owned(),
                    },
                },
                Err(error @ DiscordError::Malformed { .. }) => BackupError::discord(doing)(error),
                Err(error) => return Err(BackupError::discord(doing)(error)),
            };
            if attempt == ATTEMPTS {
                return Err(unusable);
            }
            tracing::warn!(attempt, error = unusable.describe(), "asking Discord again");
            self.pause(PAUSE * attempt).await?;
            attempt += 1;
        }
    }

    /// An array of objects.
    pub async fn list(
        &self,
        doing: &str,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Vec<Value>, BackupError> {
        self.ask(doing, path, query, |answer| match answer {
            Value::Array(items) => Some(items),
            _ => None,
        })
        .await
    }

    /// A single object.
    pub async fn object(
        &self,
        doing: &str,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Value, BackupError> {
        self.ask(doing, path, query, |answer| {
            answer.is_object().then_some(answer)
        })
        .await
    }

    pub async fn download(&self, url: &str, limit: u64) -> Result<Download, DownloadError> {
        self.discord.download(url, limit, self.cancelled).await
    }

    async fn pause(&self, wait: Duration) -> Result<(), BackupError> {
        tokio::select! {
            () = self.clock.sleep(wait) => Ok(()),
            () = self.cancelled.cancelled() => Err(BackupError::Cancelled),
        }
    }
}
