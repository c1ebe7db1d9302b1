//! What handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use splashtail_api_types::overview::ReactionTimes;
use splashtail_api_types::tasks::JobsSummary;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::Config;
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_core::places::Places;
use splashtail_ipc::bus::{self, Bus, BusError};
use splashtail_ipc::cache::{self, Cache, CacheError};
use splashtail_ipc::clients::{ClientError, ClustererClient, IserverClient, JobserverClient};
use splashtail_ipc::signing::{Signer, tag};
use splashtail_jobs::InvalidDataKey;
use splashtail_storage::{Owner, Storage};
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::error::ApiError;
use crate::events::Feed;
use crate::fleet::Fleet;
use crate::fresh::Fresh;
use crate::gateway_proxy::GatewayProxy;
use crate::identities::Identities;
use crate::ioauth::{Attempts, DiscordLogin, Proofs};
use crate::layers::request_log::RequestMeters;
use crate::links::LinkSigner;
use crate::objects::{Objects, ObjectsError};
use crate::openapi;
use crate::operators::DeployProxy;
use crate::people::People;
use crate::rendered::Rendered;
use crate::routes;
use crate::site::Site;
use crate::together::Together;

/// The name under which this daemon signs its calls.
const CLIENT: &str = "api";
/// Logs that are followed at a time, and by one user or server.
const FOLLOWERS: usize = 1024;
const FOLLOWERS_EACH: usize = 16;
/// Servers that are followed at a time, and by one user.
const STREAMS: usize = 4096;
const STREAMS_EACH: usize = 16;
/// Backups that are received at a time, and by one server, or from one person.
const UPLOADS: usize = 8;
const UPLOADS_EACH: usize = 1;
const REACTIONS_PERIOD: Duration = Duration::from_secs(60);
const SUMMARY_PERIOD: Duration = Duration::from_secs(1);

pub type AppState = Arc<App>;
/// Pages of jobs: whose, of which kind, behind which one, how many.
pub type Listings = Together<(Owner, Option<String>, Option<TaskId>, u32), Rendered, ApiError>;

#[derive(Debug)]
pub struct App {
    pub config: Config,
    pub clock: SharedClock,
    pub storage: Storage,
    pub cache: Arc<dyn Cache>,
    pub attempts: Attempts,
    pub proofs: Proofs,
    pub accounts: Accounts,
    pub identities: Identities,
    pub people: People,
    pub bus: Arc<dyn Bus>,
    pub fleet: Fleet,
    pub proxy: DeployProxy,
    pub gateway_proxy: GatewayProxy,
    pub jobserver: JobserverClient,
    pub objects: Objects,
    pub links: LinkSigner,
    pub summary: Fresh<JobsSummary, ApiError>,
    pub listings: Listings,
    pub meters: RequestMeters,
    /// Places for those who follow a log.
    pub followers: Places<Owner>,
    /// What happens in servers, and places for those who follow that.
    pub feed: Feed,
    pub streams: Places<Owner>,
    /// Places for those who send a backup to a server.
    pub uploads: Places<GuildId>,
    /// The same by who sends it: nobody takes the places of others with servers of their own.
    pub uploaders: Places<UserId>,
    pub reactions: Fresh<ReactionTimes, ApiError>,
    /// Fires when the server stops.
    pub shutdown: CancellationToken,
    pub site: Site,
    /// The OpenAPI document as JSON.
    pub document: Bytes,
    discord: Option<DiscordLogin>,
}

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("`meta.jobserver_secrets` has no secret for the client `{CLIENT}`")]
    NoClientSecret,
    #[error("`meta.link_key` is not set: download links cannot be signed")]
    NoLinkKey,
    #[error("cannot connect to Redis (`meta.redis_url`)")]
    Cache(#[from] CacheError),
    #[error("the bus cannot be used (`meta.redis_url`)")]
    Bus(#[from] BusError),
    #[error("cannot make a client of another daemon")]
    Client(#[from] ClientError),
    #[error("cannot make a client of the gateway proxy")]
    GatewayProxy(#[source] reqwest::Error),
    #[error("cannot make a client of Discord")]
    Discord(#[source] reqwest::Error),
    #[error("`discord_auth.token` cannot be used")]
    Token(#[from] splashtail_discord::DiscordError),
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error(transparent)]
    DataKey(#[from] InvalidDataKey),
    #[error("the OpenAPI document cannot be written")]
    Document(#[from] serde_json::Error),
}

impl App {
    /// # Errors
    /// A key is missing or cannot be used.
    pub fn new(
        config: Config,
        storage: Storage,
        site: Site,
        proxy: DeployProxy,
        clock: SharedClock,
        shutdown: CancellationToken,
    ) -> Result<Self, AppError> {
        let secret = config
            .client_secret(CLIENT)
            .ok_or(AppError::NoClientSecret)?
            .clone();
        let signer = Signer::new(CLIENT, secret, tag::JOBSERVER, clock.clone());
        let meta = &config.meta;
        let clusterer = ClustererClient::new(meta.clusterer_url.clone(), &signer)?;
        let iservers = IserverClient::new(meta.bot_bind_addr, meta.bot_iserver_base_port, &signer)?;
        let link_key = meta.link_key.clone().ok_or(AppError::NoLinkKey)?;
        let cache = cache::connect(&config.bus(), clock.clone())?;
        Ok(Self {
            storage,
            attempts: Attempts(cache.clone()),
            proofs: Proofs(cache.clone()),
            accounts: Accounts::new(&config)?,
            identities: Identities::default(),
            people: People::new(&config, clock.clone())?,
            bus: bus::connect(&config.bus(), &bus::default_channel(config.environment))?,
            cache,
            fleet: Fleet::new(clusterer, iservers, clock.clone()),
            jobserver: JobserverClient::new(meta.jobserver_urls.clone(), &signer)?,
            objects: Objects::open(&config.object_storage)?,
            links: LinkSigner::new(link_key),
            summary: Fresh::new(SUMMARY_PERIOD, clock.clone()),
            listings: Listings::default(),
            meters: RequestMeters::default(),
            followers: Places::new(FOLLOWERS, FOLLOWERS_EACH),
            feed: Feed::default(),
            streams: Places::new(STREAMS, STREAMS_EACH),
            uploads: Places::new(UPLOADS, UPLOADS_EACH),
            uploaders: Places::new(UPLOADS, UPLOADS_EACH),
            reactions: Fresh::new(REACTIONS_PERIOD, clock.clone()),
            shutdown,
            site,
            proxy,
            document: openapi::render(routes::document(), &config)?,
            gateway_proxy: GatewayProxy::new(&config, clock.clone())
                .map_err(AppError::GatewayProxy)?,
            discord: DiscordLogin::new(&config).map_err(AppError::Discord)?,
            clock,
            config,
        })
    }

    /// # Errors
    /// No application is configured.
    pub fn discord(&self) -> Result<&DiscordLogin, ApiError> {
        self.discord.as_ref().ok_or(ApiError::NotConfigured(
            "`discord_auth.client_id` and `discord_auth.client_secret`",
        ))
    }
}
