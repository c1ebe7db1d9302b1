use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use splashtail_core::clock::SharedClock;
use splashtail_core::telemetry::Chain;
use splashtail_discord::{PublicOnly, is_public};
use splashtail_jobs::DataKey;
use splashtail_storage::{DueMessage, Storage, StorageError, Tried, TriedEnd, Webhook};
use tracing::{info, warn};
use url::{Host, Url};

use super::makers::Makers;
use super::sign::signature;

/// From the first byte to the status of the answer, whose body is not read.
const PATIENCE: Duration = Duration::from_secs(15);
/// When a message is tried again: three days in all.
const AGAIN: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(14 * 3600),
    Duration::from_secs(20 * 3600),
    Duration::from_secs(24 * 3600),
];
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
const GONE: &str = "the address said that it is gone (410)";
const SILENT: &str = "nothing could be delivered for three days";
/// What that means.
const SILENCE: TimeDelta = TimeDelta::days(3);

/// Sends one message.
#[derive(Clone)]
pub struct Sender {
    outside: Client,
    /// To this machine, where Discord itself is simulated on it.
    inside: Option<Client>,
    key: DataKey,
    makers: Makers,
}

/// Why a message did not arrive.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the address leads into the platform's own network")]
    Inner,
    #[error("the address cannot be read")]
    Address,
    #[error("the secret cannot be read: make the webhook anew")]
    Secret,
    #[error("no answer came in time")]
    Slow,
    #[error("no connection was made")]
    Connection,
    #[error("it answered {status}")]
    Answer {
        status: StatusCode,
        wait: Option<Duration>,
    },
}

impl Sender {
    pub fn new(key: DataKey, inner: bool, makers: Makers) -> reqwest::Result<Self> {
        let client = || {
            Client::builder()
                .redirect(Policy::none())
                .timeout(PATIENCE)
                .no_proxy()
                .user_agent("AntiRaid-Webhooks/1")
        };
        Ok(Self {
            outside: client().dns_resolver(PublicOnly).build()?,
            inside: inner.then(|| client().build()).transpose()?,
            key,
            makers,
        })
    }

    /// Tries once and notes what came of it.
    pub async fn deliver(&self, storage: &Storage, clock: &SharedClock, due: DueMessage) {
        if let Err(error) = self.try_once(storage, clock, &due).await {
            // It is sent once more when its time here is over.
            warn!(webhook.id = %due.webhook.id, error = %Chain(&error), "the end of a message was not noted");
        }
    }

    async fn try_once(
        &self,
        storage: &Storage,
        clock: &SharedClock,
        due: &DueMessage,
    ) -> Result<(), StorageError> {
        let webhook = &due.webhook;
        let sent = if webhook.off.is_some() {
            // Switched off since the message was made.
            None
        } else if let Some(why) = self.makers.lost(webhook).await {
            switch_off(storage, webhook, why, None).await?;
            None
        } else {
            Some(self.send(due, clock.now()).await)
        };
        settle(storage, due, sent, clock.now()).await
    }

    async fn send(&self, due: &DueMessage, at: DateTime<Utc>) -> Result<StatusCode, Failure> {
        let webhook = &due.webhook;
        let url = Url::parse(&webhook.url).map_err(|_| Failure::Address)?;
        let client = self.client(&url)?;
        let sealed_as = Webhook::secret_name(webhook.id);
        let key = self.key.unwrap_named(&sealed_as, &webhook.secret);
        let key = key.map_err(|_| Failure::Secret)?;
        let id = format!("msg_{}", due.id);
        let signature = signature(key.as_ref(), &id, at, &due.body).ok_or(Failure::Secret)?;
        let request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at.timestamp())
            .header("webhook-signature", signature)
            .body(due.body.clone());
        let answer = request
            .send()
            .await
            .map_err(|error| match error.is_timeout() {
                true => Failure::Slow,
                false => Failure::Connection,
            })?;
        match answer.status() {
            status if status.is_success() => Ok(status),
            status => Err(Failure::Answer {
                status,
                wait: wait(&answer),
            }),
        }
    }

    /// Names lead to public addresses by the resolver; numbers are judged here.
    fn client(&self, url: &Url) -> Result<&Client, Failure> {
        let address = match url.host().ok_or(Failure::Address)? {
            Host::Domain(_) => return Ok(&self.outside),
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
        };
        if is_public(address) {
            return Ok(&self.outside);
        }
        let inside = self.inside.as_ref().filter(|_| address.is_loopback());
        inside.ok_or(Failure::Inner)
    }
}

/// What a server asks for that is overloaded.
fn wait(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.trim().parse().ok()?).min(LONGEST_WAIT))
}

/// What an attempt says of the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    /// The address takes nothing any more.
    Gone,
    /// The message was tried as long as any is.
    GivenUp,
}

/// What an attempt means for the message, and for the webhook: `None` of one that was not made.
fn judge(attempt: u32, sent: Option<&Result<StatusCode, Failure>>) -> (TriedEnd, Doubt) {
    let failure = match sent {
        Some(Ok(_)) => return (TriedEnd::Delivered, Doubt::None),
        None => return (TriedEnd::Failed, Doubt::None),
        Some(Err(failure)) => failure,
    };
    let asked = match failure {
        // What is wrong with the webhook itself is told with each message.
        Failure::Inner | Failure::Address | Failure::Secret => {
            return (TriedEnd::Failed, Doubt::None);
        }
        Failure::Answer { status, .. } if *status == StatusCode::GONE => {
            return (TriedEnd::Failed, Doubt::Gone);
        }
        Failure::Answer { wait, .. } => wait.unwrap_or_default(),
        Failure::Slow | Failure::Connection => Duration::ZERO,
    };
    let tries = usize::try_from(attempt).unwrap_or(usize::MAX);
    match AGAIN.get(tries.saturating_sub(1)) {
        Some(again) => (TriedEnd::Again(asked.max(*again)), Doubt::None),
        None => (TriedEnd::Failed, Doubt::GivenUp),
    }
}

async fn settle(
    storage: &Storage,
    due: &DueMessage,
    sent: Option<Result<StatusCode, Failure>>,
    at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let (end, doubt) = judge(due.attempt, sent.as_ref());
    let (status, outcome) = match &sent {
        None => (None, "the webhook is off".to_owned()),
        Some(Ok(status)) => (Some(*status), String::new()),
        Some(Err(failure @ Failure::Answer { status, .. })) => (Some(*status), failure.to_string()),
        Some(Err(failure)) => (None, failure.to_string()),
    };
    let tried = Tried {
        end,
        outcome,
        status: status.map(|status| status.as_u16()),
        at,
    };
    storage.webhooks().tried(due.id, &tried).await?;
    let (why, silent_since) = match doubt {
        Doubt::None => return Ok(()),
        Doubt::Gone => (GONE, None),
        Doubt::GivenUp => (SILENT, Some(at - SILENCE)),
    };
    switch_off(storage, &due.webhook, why, silent_since).await
}

async fn switch_off(
    storage: &Storage,
    webhook: &Webhook,
    why: &str,
    silent_since: Option<DateTime<Utc>>,
) -> Result<(), StorageError> {
    let webhooks = storage.webhooks();
    if webhooks.switch_off(webhook, why, silent_since).await? {
        info!(webhook.id = %webhook.id, guild.id = %webhook.guild, "a webhook was switched off: {why}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use splashtail_core::clock::SystemClock;
    use splashtail_discord::Discord;

    use super::*;

    fn answered(status: u16, wait: Option<u64>) -> Option<Result<StatusCode, Failure>> {
        let status = StatusCode::from_u16(status).unwrap();
        Some(match status.is_success() {
            true => Ok(status),
            false => Err(Failure::Answer {
                status,
                wait: wait.map(Duration::from_secs),
            }),
        })
    }

    #[test]
    fn a_message_is_tried_again_for_three_days() {
        let judged =
            |attempt, sent: Option<Result<StatusCode, Failure>>| judge(attempt, sent.as_ref());
        let again = |wait| (TriedEnd::Again(wait), Doubt::None);
        let failed = |doubt| (TriedEnd::Failed, doubt);
        let delivered = (TriedEnd::Delivered, Doubt::None);
        assert_eq!(judged(1, answered(204, None)), delivered);
        let five = again(Duration::from_secs(5));
        assert_eq!(judged(1, answered(500, None)), five);
        assert_eq!(judged(1, answered(302, None)), five);
        assert_eq!(judged(1, Some(Err(Failure::Slow))), five);
        let asked = again(Duration::from_secs(90));
        assert_eq!(judged(1, answered(503, Some(90))), asked);
        assert_eq!(judged(9, answered(500, None)), again(AGAIN[8]));
        assert_eq!(judged(10, answered(500, None)), failed(Doubt::GivenUp));
        assert_eq!(judged(1, answered(410, None)), failed(Doubt::Gone));
        for attempt in [1, 5, 10] {
            let inner = Some(Err(Failure::Inner));
            assert_eq!(judged(attempt, inner), failed(Doubt::None));
            assert_eq!(judged(attempt, None), failed(Doubt::None));
        }
        let days: Duration = AGAIN.iter().sum();
        assert!(days > Duration::from_secs(3 * 24 * 3600), "{days:?}");
    }

    #[test]
    fn nothing_is_sent_into_the_own_network() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = DataKey::parse(&splashtail_core::random::key().unwrap().into()).unwrap();
        let may = |sender: &Sender, url: &str| sender.client(&Url::parse(url).unwrap()).is_ok();
        let (api, clock) = ("http://127.0.0.1:9".parse().unwrap(), SystemClock::shared());
        let discord = Discord::new(&api, &api, &"token".to_owned().into(), clock.clone());
        let makers = Makers::new(&discord.unwrap(), clock);
        let production = Sender::new(key.clone(), false, makers.clone()).unwrap();
        let sandbox = Sender::new(key, true, makers).unwrap();
        for inner in [
            "https://10.0.0.1/",
            "https://169.254.169.254/",
            "https://[fd00::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://2130706433:8/x",
        ] {
            let is_loopback = inner.contains("2130706433");
            assert!(!may(&production, inner), "{inner}");
            assert_eq!(may(&sandbox, inner), is_loopback, "{inner}");
        }
        assert!(may(&production, "https://93.184.216.34/"));
        assert!(may(&production, "https://example.com/"));
    }
}
