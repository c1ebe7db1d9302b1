//! The configuration as the daemons see it: resolved for one environment, complete, typed.
//!
//! Defaults live here and nowhere else: the loader starts from [`Config::embedded`], and the
//! sample file prints it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::environment::Environment;
use crate::ids::{ApplicationId, GuildId, UserId};

pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[derive(Debug, Clone)]
pub struct Config {
    pub environment: Environment,
    /// Absolute after loading. Everything a process keeps on this machine is below it.
    pub data_dir: PathBuf,
    pub discord_auth: DiscordAuth,
    pub discord: DiscordAddresses,
    pub sites: Sites,
    pub servers: Servers,
    pub meta: Meta,
    pub simple_gateway_proxy: SimpleGatewayProxy,
    pub proxy: Proxy,
    pub jobs: Jobs,
    pub object_storage: ObjectStorage,
    pub plans: Plans,
}

#[derive(Debug, Clone, Default)]
pub struct DiscordAuth {
    /// `None` means there is no bot account: `splashtail up` starts the sandbox then.
    pub token: Option<SecretString>,
    pub client_id: Option<ApplicationId>,
    pub client_secret: Option<SecretString>,
    pub can_use_bot: Vec<UserId>,
    pub root_users: Vec<UserId>,
}

/// Where Discord is. The sandbox takes these three addresses over.
#[derive(Debug, Clone)]
pub struct DiscordAddresses {
    /// An origin such as `https://discord.com`, without `/api`.
    pub api_base: Url,
    pub cdn_base: Url,
    pub authorize_url: Url,
}

/// Public addresses. Use [`without_slash`] to append a path.
#[derive(Debug, Clone)]
pub struct Sites {
    pub frontend: Url,
    pub api: Url,
}

#[derive(Debug, Clone, Default)]
pub struct Servers {
    pub main: Option<GuildId>,
}

#[derive(Debug, Clone)]
pub struct Meta {
    pub postgres_url: Option<SecretString>,
    pub redis_url: Option<SecretString>,
    pub bot_redis_url: Option<SecretString>,
    pub port: u16,
    pub bind_addr: IpAddr,
    pub admin_port: u16,
    pub admin_bind_addr: IpAddr,
    /// The IServer of cluster `i` listens on this port plus `i`.
    pub bot_iserver_base_port: u16,
    pub bot_bind_addr: IpAddr,
    pub jobserver_port: u16,
    pub jobserver_bind_addr: IpAddr,
    /// Never empty.
    pub jobserver_urls: Vec<Url>,
    /// Client name (`api`, `bot`, `cli`) to its signing secret.
    pub jobserver_secrets: BTreeMap<String, SecretString>,
    pub clusterer_port: u16,
    pub clusterer_bind_addr: IpAddr,
    pub clusterer_url: Url,
    /// Replaces `discord.api_base`.
    pub proxy: Option<Url>,
    pub dp_secret: Option<SecretString>,
    /// Accept the original's plain `client secret` header besides signatures.
    pub plain_client_secret: bool,
    pub web_disable_ratelimits: bool,
    pub support_server: Url,
    pub maintenance: bool,
    pub presence: Vec<String>,
    pub trusted_proxies: Vec<IpAddr>,
    /// Base64 of the 32 byte key that wraps job secrets at rest.
    pub data_key: Option<SecretString>,
    /// Signs download links of locally stored objects.
    pub link_key: Option<SecretString>,
}

/// Where the gateway proxy is. The group has the original's name.
#[derive(Debug, Clone)]
pub struct SimpleGatewayProxy {
    /// On the loopback.
    pub port: u16,
    pub url: Url,
}

/// How the proxy works.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub enabled: bool,
    /// On the loopback: calls to Discord's REST API.
    pub rest_port: u16,
    /// Requests of one bot in a second, 0: what Discord gives every bot.
    pub global_limit: u64,
    /// What the proxy identifies with (gateway documentation, "Gateway Intents").
    pub intents: u64,
    /// 0: as many as Discord recommends.
    pub shards: u64,
    /// 0: the same as upstream.
    pub client_shards: u64,
    /// Seconds.
    pub resume_window: u64,
    pub replay_mb: u64,
    pub client_queue_mb: u64,
    /// A client that does not come back leaves its voice channels.
    pub voice_leave: bool,
    pub admin_secret: Option<SecretString>,
}

impl Proxy {
    /// All intents (bits 0–16, 20, 21, 24, 25) but presences, both kinds of typing and direct
    /// messages.
    pub const INTENTS: u64 = 0x1ffff & !((1 << 8) | (1 << 11) | (1 << 12) | (1 << 14))
        | (1 << 20)
        | (1 << 21)
        | (1 << 24)
        | (1 << 25);
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            enabled: false,
            rest_port: 3219,
            global_limit: 0,
            intents: Self::INTENTS,
            shards: 0,
            client_shards: 0,
            resume_window: 180,
            replay_mb: 64,
            client_queue_mb: 16,
            voice_leave: false,
            admin_secret: None,
        }
    }
}

/// How the jobserver works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// Weight of the jobs that one jobserver runs at a time.
    pub capacity: u64,
    /// 0: for ever.
    pub keep_days: u64,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            capacity: 64,
            keep_days: 90,
        }
    }
}

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum ObjectStorage {
    Local {
        path: PathBuf,
    },
    S3Like {
        bucket: String,
        endpoint: Url,
        cdn_endpoint: Option<Url>,
        access_key: SecretString,
        secret_key: SecretString,
        /// Part of every signature; servers that are not AWS mostly accept any.
        region: String,
        /// Whether the bucket is spoken to over https; always agrees with `endpoint`.
        secure: bool,
        cdn_secure: bool,
    },
}

#[derive(Debug, Clone, Default)]
pub struct Plans {
    pub free: Plan,
}

/// What one server may ask of the jobserver. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub total_max_messages: u64,
    pub min_per_channel: u64,
    pub default_per_channel: u64,
    pub max_attachment_file_size: u64,
    /// Attachments stop being saved once a backup is this large.
    pub file_size_warning_threshold: u64,
    /// No backup file is larger.
    pub max_body_size: u64,
    pub guild_asset_reencode_quality: u8,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            total_max_messages: 500,
            min_per_channel: 50,
            default_per_channel: 100,
            max_attachment_file_size: 8_000_000,
            file_size_warning_threshold: 50_000_000,
            max_body_size: 100_000_000,
            guild_asset_reencode_quality: 85,
        }
    }
}

/// Where rows are kept.
#[derive(Debug, Clone)]
pub enum DatabaseTarget {
    Sqlite(PathBuf),
    Postgres(SecretString),
}

/// Where messages between processes go.
#[derive(Debug, Clone)]
pub enum BusTarget {
    /// The unix-socket hub at this path.
    Hub(PathBuf),
    Redis(SecretString),
}

impl Config {
    /// The configuration of an installation without a config file: SQLite, the hub and local
    /// objects below `data_dir`, no Discord account, no secrets yet.
    pub fn embedded(data_dir: &Path, environment: Environment) -> Self {
        let meta = Meta::embedded(environment);
        let site = local_url(ANY, meta.port);
        Self {
            environment,
            data_dir: data_dir.to_owned(),
            discord_auth: DiscordAuth::default(),
            discord: DiscordAddresses {
                api_base: constant("https://discord.com"),
                cdn_base: constant("https://cdn.discordapp.com"),
                authorize_url: constant("https://discord.com/oauth2/authorize"),
            },
            sites: Sites {
                frontend: site.clone(),
                api: site,
            },
            servers: Servers::default(),
            meta,
            simple_gateway_proxy: SimpleGatewayProxy {
                port: 3220,
                url: local_url(LOOPBACK, 3220),
            },
            proxy: Proxy::default(),
            jobs: Jobs::default(),
            object_storage: ObjectStorage::Local {
                path: data_dir.join("objects"),
            },
            plans: Plans::default(),
        }
    }

    /// The origin of Discord's REST API as this installation reaches it: `meta.proxy`, else
    /// `discord.api_base`.
    pub fn discord_api(&self) -> &Url {
        self.meta.proxy.as_ref().unwrap_or(&self.discord.api_base)
    }

    /// The origin that says where the gateway is (`/api/gateway/bot`): the gateway proxy where it
    /// runs, else [`Config::discord_api`].
    pub fn gateway_api(&self) -> &Url {
        match self.proxy.enabled {
            true => &self.simple_gateway_proxy.url,
            false => self.discord_api(),
        }
    }

    pub fn gateway_proxy_address(&self) -> SocketAddr {
        SocketAddr::new(LOOPBACK, self.simple_gateway_proxy.port)
    }

    pub fn rest_proxy_address(&self) -> SocketAddr {
        SocketAddr::new(LOOPBACK, self.proxy.rest_port)
    }

    pub fn database(&self) -> DatabaseTarget {
        match &self.meta.postgres_url {
            Some(url) => DatabaseTarget::Postgres(url.clone()),
            None => DatabaseTarget::Sqlite(self.data_dir.join("splashtail.db")),
        }
    }

    pub fn bus(&self) -> BusTarget {
        self.bus_target(self.meta.redis_url.as_ref())
    }

    /// The bus as the bot reaches it: `meta.bot_redis_url`, else the same as [`Config::bus`].
    pub fn bot_bus(&self) -> BusTarget {
        self.bus_target(
            self.meta
                .bot_redis_url
                .as_ref()
                .or(self.meta.redis_url.as_ref()),
        )
    }

    fn bus_target(&self, url: Option<&SecretString>) -> BusTarget {
        let Some(url) = url else {
            return BusTarget::Hub(self.data_dir.join("bus.sock"));
        };
        match url.expose_secret().strip_prefix("unix:") {
            // `unix:///run/x.sock` and `unix:/run/x.sock` name the same socket.
            Some(path) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                BusTarget::Hub(self.data_dir.join(path))
            }
            None => BusTarget::Redis(url.clone()),
        }
    }

    pub fn web_address(&self) -> SocketAddr {
        SocketAddr::new(self.meta.bind_addr, self.meta.port)
    }

    pub fn admin_address(&self) -> SocketAddr {
        SocketAddr::new(self.meta.admin_bind_addr, self.meta.admin_port)
    }

    pub fn jobserver_address(&self) -> SocketAddr {
        SocketAddr::new(self.meta.jobserver_bind_addr, self.meta.jobserver_port)
    }

    pub fn clusterer_address(&self) -> SocketAddr {
        SocketAddr::new(self.meta.clusterer_bind_addr, self.meta.clusterer_port)
    }

    /// The IServer of one cluster; `None` when the port would lie above 65535.
    pub fn iserver_address(&self, cluster: crate::ids::ClusterId) -> Option<SocketAddr> {
        let port = self.meta.bot_iserver_base_port.checked_add(cluster.get())?;
        Some(SocketAddr::new(self.meta.bot_bind_addr, port))
    }

    /// The signing secret of a jobserver client.
    pub fn client_secret(&self, client: &str) -> Option<&SecretString> {
        self.meta.jobserver_secrets.get(client)
    }
}

impl Meta {
    fn embedded(environment: Environment) -> Self {
        Self {
            postgres_url: None,
            redis_url: None,
            bot_redis_url: None,
            port: 8081,
            bind_addr: ANY,
            admin_port: 8082,
            admin_bind_addr: LOOPBACK,
            bot_iserver_base_port: match environment {
                Environment::Staging => 5000,
                Environment::Prod => 5500,
            },
            bot_bind_addr: LOOPBACK,
            jobserver_port: 2939,
            jobserver_bind_addr: LOOPBACK,
            jobserver_urls: vec![local_url(LOOPBACK, 2939)],
            jobserver_secrets: BTreeMap::new(),
            clusterer_port: 1293,
            clusterer_bind_addr: LOOPBACK,
            clusterer_url: local_url(LOOPBACK, 1293),
            proxy: None,
            dp_secret: None,
            plain_client_secret: false,
            web_disable_ratelimits: false,
            support_server: constant("https://discord.gg/u78NFAXm"),
            maintenance: false,
            presence: Vec::new(),
            trusted_proxies: Vec::new(),
            data_key: None,
            link_key: None,
        }
    }
}

/// The address as text that a path can be appended to: an origin prints without its final slash.
pub fn without_slash(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// The address leads to this machine: no proxy that the environment names is on the way there.
pub fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => false,
    }
}

/// How a process on this machine reaches a listener. A listener on all addresses is the public
/// one and is called by the name that browsers trust for cookies.
pub(super) fn local_url(address: IpAddr, port: u16) -> Url {
    let host = match address {
        address if address.is_unspecified() => "localhost".to_owned(),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    constant(&format!("http://{host}:{port}"))
}

#[allow(
    clippy::expect_used,
    reason = "callers pass addresses known to be well-formed"
)]
fn constant(url: &str) -> Url {
    url.parse().expect("a well-formed URL")
}
