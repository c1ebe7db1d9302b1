use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION, USER_AGENT};
use splashtail_core::clock::SharedClock;
use tokio_util::sync::CancellationToken;
use url::{Origin, Url};

use crate::address::PublicOnly;
use crate::client::{Discord, UserAgent};
use crate::retry;

/// Hosts of Discord's CDN; reached by https only.
const CDN_HOSTS: [&str; 3] = [
    "cdn.discordapp.com",
    "media.discordapp.net",
    "images-ext-1.discordapp.net",
];
const ATTEMPTS: u32 = 3;
const REDIRECTS: u32 = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two parts of the body.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(120);

/// A file that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The bytes as sent.
    pub bytes: Bytes,
    /// `Content-Type` of the answer.
    pub content_type: Option<String>,
}

/// Why a file was not downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// Not an address of Discord's CDN.
    #[error("`{0}` is not an address of Discord's CDN")]
    NotAllowed(String),
    /// The server refused: gone, expired, forbidden.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// Larger than asked for, by declaration or by what was read.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The cap given.
        limit: u64,
    },
    /// More redirects than a CDN has reason for.
    #[error("too many redirects")]
    Redirects,
    /// The connection failed in each attempt.
    #[error("the file could not be read")]
    Network(#[source] reqwest::Error),
    /// The caller's cancellation token fired.
    #[error("the download was cancelled")]
    Cancelled,
}

impl DownloadError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Network(_) => true,
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            _ => false,
        }
    }
}

/// Fetches files from the configured CDN and from Discord's own hosts, and from nowhere else.
pub(crate) struct Downloader {
    /// For Discord's hosts: public addresses only.
    guarded: reqwest::Client,
    /// For the configured origin, which may well be this machine.
    trusted: reqwest::Client,
    trusted_origin: Origin,
    clock: SharedClock,
}

impl Downloader {
    pub(crate) fn new(cdn_base: &Url, clock: SharedClock) -> Result<Self, reqwest::Error> {
        let client = || {
            reqwest::Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(READ_TIMEOUT)
                .timeout(TOTAL_TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
        };
        Ok(Self {
            guarded: client().dns_resolver(Arc::new(PublicOnly)).build()?,
            trusted: client().build()?,
            trusted_origin: cdn_base.origin(),
            clock,
        })
    }

    /// Every hop is checked, redirects included.
    fn client_for(&self, url: &Url) -> Result<&reqwest::Client, DownloadError> {
        if url.origin() == self.trusted_origin {
            return Ok(&self.trusted);
        }
        let known = url.host_str().is_some_and(|host| CDN_HOSTS.contains(&host));
        if known && url.scheme() == "https" && url.port_or_known_default() == Some(443) {
            return Ok(&self.guarded);
        }
        let shown = url.host_str().unwrap_or("no host").to_owned();
        Err(DownloadError::NotAllowed(shown))
    }

    async fn fetch(&self, url: &Url, limit: u64) -> Result<Download, DownloadError> {
        let mut attempt = 1;
        loop {
            match self.follow(url.clone(), limit).await {
                Err(error) if error.is_transient() && attempt < ATTEMPTS => attempt += 1,
                done => return done,
            }
            self.clock.sleep(retry::pause(attempt)).await;
        }
    }

    async fn follow(&self, mut url: Url, limit: u64) -> Result<Download, DownloadError> {
        for _ in 0..=REDIRECTS {
            let client = self.client_for(&url)?;
            let response = client
                .get(url.clone())
                .header(USER_AGENT, UserAgent::VALUE)
                .send()
                .await
                .map_err(|error| DownloadError::Network(error.without_url()))?;
            if response.status().is_redirection() {
                let target = response
                    .headers()
                    .get(LOCATION)
                    .and_then(|to| to.to_str().ok());
                let status = response.status();
                url = target
                    .and_then(|to| url.join(to).ok())
                    .ok_or(DownloadError::Status(status))?;
                continue;
            }
            if response.status() != StatusCode::OK {
                return Err(DownloadError::Status(response.status()));
            }
            return read(response, limit).await;
        }
        Err(DownloadError::Redirects)
    }
}

/// Counts what arrives; the declared length only allows to stop early.
async fn read(response: reqwest::Response, limit: u64) -> Result<Download, DownloadError> {
    let too_large = || DownloadError::TooLarge { limit };
    if response
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(too_large());
    }
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut bytes = BytesMut::new();
    let mut stream = response.bytes_stream();
    while let Some(part) = stream.next().await {
        let part = part.map_err(|error| DownloadError::Network(error.without_url()))?;
        if (bytes.len() + part.len()) as u64 > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Download {
        bytes: bytes.freeze(),
        content_type,
    })
}

/// A picture or a sound of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuildFile<'a> {
    /// One of the server's own: `icons`, `banners`, `splashes` or `discovery-splashes`.
    Image {
        /// Directory on the CDN.
        directory: &'a str,
        /// The server.
        guild: u64,
        /// As its settings name it.
        hash: &'a str,
    },
    /// A role's icon.
    RoleIcon {
        /// The role.
        role: u64,
        /// As the role names it.
        hash: &'a str,
    },
    /// An event's cover.
    EventImage {
        /// The event.
        event: u64,
        /// As the event names it.
        hash: &'a str,
    },
    /// An emoji.
    Emoji {
        /// The emoji.
        id: u64,
        /// Whether it moves.
        animated: bool,
    },
    /// A sticker.
    Sticker {
        /// The sticker.
        id: u64,
        /// `format_type`: PNG, APNG, Lottie, GIF.
        format: u64,
    },
    /// A webhook's picture.
    Avatar {
        /// The webhook.
        webhook: u64,
        /// As the webhook names it.
        hash: &'a str,
    },
    /// A sound of the soundboard.
    Sound {
        /// The sound.
        id: u64,
    },
}

impl Discord {
    /// Where a file is, at its full size (Discord docs, "CDN Endpoints").
    pub fn file_address(&self, file: GuildFile<'_>) -> String {
        let base = self.cdn_base().as_str().trim_end_matches('/');
        let image = |directory: &str, owner: u64, hash: &str| {
            let kind = if hash.starts_with("a_") { "gif" } else { "png" };
            format!("{base}/{directory}/{owner}/{hash}.{kind}?size=4096")
        };
        match file {
            GuildFile::Image {
                directory,
                guild,
                hash,
            } => image(directory, guild, hash),
            GuildFile::Avatar { webhook, hash } => image("avatars", webhook, hash),
            GuildFile::RoleIcon { role, hash } => image("role-icons", role, hash),
            GuildFile::EventImage { event, hash } => image("guild-events", event, hash),
            GuildFile::Emoji { id, animated: true } => format!("{base}/emojis/{id}.gif"),
            GuildFile::Emoji { id, .. } => format!("{base}/emojis/{id}.png"),
            GuildFile::Sticker { id, format: 3 } => format!("{base}/stickers/{id}.json"),
            GuildFile::Sticker { id, format: 4 } => {
                // GIFs are at the other host only.
                let discords = self.cdn_base().host_str() == Some(CDN_HOSTS[0]);
                let other = format!("https://{}", CDN_HOSTS[1]);
                let base = if discords { &other } else { base };
                format!("{base}/stickers/{id}.gif")
            }
            GuildFile::Sticker { id, .. } => format!("{base}/stickers/{id}.png"),
            GuildFile::Sound { id } => format!("{base}/soundboard-sounds/{id}"),
        }
    }

    /// Downloads a file of at most `limit` bytes from the CDN. Only the configured CDN and
    /// Discord's own hosts are contacted; network failures and 5xx are tried three times.
    pub async fn download(
        &self,
        url: &str,
        limit: u64,
        cancelled: &CancellationToken,
    ) -> Result<Download, DownloadError> {
        let parsed = Url::parse(url).map_err(|_| DownloadError::NotAllowed(url.to_owned()))?;
        cancelled
            .run_until_cancelled(Box::pin(self.downloader().fetch(&parsed, limit)))
            .await
            .unwrap_or(Err(DownloadError::Cancelled))
    }

    /// Address of a guild image: `kind` is `icons`, `banners`, `splashes` or
    /// `discovery-splashes`.
    pub fn guild_image(&self, kind: &str, guild: &str, hash: &str) -> String {
        format!(
            "{}/{kind}/{guild}/{hash}.png",
            self.cdn_base().as_str().trim_end_matches('/')
        )
    }
}
