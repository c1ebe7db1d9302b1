//! The table of keys: the one place that says what `config.yaml` may hold. The loader, the sample
//! file, the unknown-key hints and the effective config all come from it; default values are those
//! of [`Config::embedded`](super::types::Config::embedded).

use std::sync::LazyLock;

use super::field::Field;
use super::field::Field::{
    Address, Addresses, Application, ClientSecrets, Count, Directory, Environment, Flag, Guild,
    OptionalFlag, OptionalUrl, Percent, Port, Secret, Storage, Text, Texts, Url, UrlOrUrls, Users,
};
use super::value::{SecretForm, UrlForm};

pub(super) struct Group {
    /// Dotted path of the group; empty for keys at the top level.
    pub(super) path: &'static str,
    pub(super) comment: &'static str,
    pub(super) keys: Vec<Key>,
}

pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) field: Field,
    pub(super) need: Need,
    /// The value may differ between staging and prod.
    pub(super) pair: bool,
    /// Decided once, at the start of the supervisor: what was opened or bound with it stays.
    pub(super) fixed: bool,
    /// The daemons that check this key, as a set of the bits below.
    pub(super) readers: u8,
    pub(super) example: &'static str,
    pub(super) comment: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Absent means the default, or nothing.
    Optional,
    /// Absent means a value made from other keys; the sample prints it empty.
    Derived,
    /// Part of the bot's account at Discord. Absent everywhere means that there is no account
    /// yet, which only `splashtail up` can work with.
    Account,
    /// Absent means that the data directory has it; a daemon without either cannot start.
    Generated,
}

pub(super) const WEBSERVER: u8 = 1;
pub(super) const JOBSERVER: u8 = 2;
pub(super) const CLUSTERER: u8 = 4;
pub(super) const BOT: u8 = 8;
pub(super) const PROXY: u8 = 16;
const EVERYONE: u8 = WEBSERVER | JOBSERVER | CLUSTERER | BOT | PROXY;

/// Keys of earlier versions that nothing reads any more, with everything below them.
pub(super) const LEGACY: [&str; 15] = [
    "channels",
    "roles",
    "japi",
    "notifications",
    "sites.instatus",
    "meta.web_redis_channel",
    "meta.cdn_path",
    "meta.vulgar_list",
    "meta.urgent_mentions",
    "discord_auth.allowed_redirects",
    "discord_auth.mewld_redirect",
    "sites.cdn",
    "meta.debug_task_logger",
    "plans.free.jpeg_reencode_quality",
    "plans.free.max_server_backup_tasks",
];

pub(super) fn groups() -> &'static [Group] {
    static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(build);
    &GROUPS
}

impl Group {
    pub(super) fn path_of(&self, key: &Key) -> String {
        if self.path.is_empty() {
            key.name.to_owned()
        } else {
            format!("{}.{}", self.path, key.name)
        }
    }
}

/// Every key with its full path, in the order of the table.
pub(super) fn keys() -> impl Iterator<Item = (String, &'static Key)> {
    groups()
        .iter()
        .flat_map(|group| group.keys.iter().map(|key| (group.path_of(key), key)))
}

impl Key {
    fn new(name: &'static str, field: Field, comment: &'static str) -> Self {
        Self {
            name,
            field,
            need: Need::Optional,
            pair: false,
            fixed: false,
            readers: EVERYONE,
            example: "",
            comment,
        }
    }

    fn account(self, example: &'static str) -> Self {
        Self {
            need: Need::Account,
            example,
            ..self
        }
    }

    fn generated(self) -> Self {
        Self {
            need: Need::Generated,
            ..self
        }
    }

    fn derived(self) -> Self {
        Self {
            need: Need::Derived,
            ..self
        }
    }

    fn pair(self) -> Self {
        Self { pair: true, ..self }
    }

    fn fixed(self) -> Self {
        Self {
            fixed: true,
            ..self
        }
    }

    fn readers(self, readers: u8) -> Self {
        Self { readers, ..self }
    }

    fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }
}

fn build() -> Vec<Group> {
    vec![
        installation(),
        discord_auth(),
        discord(),
        sites(),
        servers(),
        meta(),
        simple_gateway_proxy(),
        proxy(),
        jobs(),
        object_storage(),
        free_plan(),
    ]
}

fn installation() -> Group {
    Group {
        path: "",
        comment: "",
        keys: vec![
            Key::new(
                "environment",
                Environment(|draft| &mut draft.config.environment),
                "`staging` or `prod`. Empty: the word in config/current-env beside this file, else\n\
                 staging. `--env` wins over both.",
            ).fixed()
            .derived(),
            Key::new(
                "data_dir",
                Directory(|draft| &mut draft.config.data_dir),
                "What this machine keeps. Empty: the directory `data` beside this file.",
            ).fixed()
            .derived(),
        ],
    }
}

fn discord_auth() -> Group {
    Group {
        path: "discord_auth",
        comment: "The bot's account: https://discord.com/developers/applications",
        keys: vec![
            Key::new(
                "token",
                Secret(|draft| &mut draft.config.discord_auth.token, SecretForm::Opaque),
                "Bot token. While it is empty, `splashtail up` runs on the built-in Discord sandbox.",
            )
            .account(""),
            Key::new(
                "client_id",
                Application(|draft| &mut draft.config.discord_auth.client_id),
                "Application id.",
            )
            .account("123456789012345678")
            .readers(WEBSERVER),
            Key::new(
                "client_secret",
                Secret(|draft| &mut draft.config.discord_auth.client_secret, SecretForm::Opaque),
                "OAuth2 client secret, for logins.",
            )
            .account("")
            .readers(WEBSERVER),
            Key::new(
                "can_use_bot",
                Users(|draft| &mut draft.config.discord_auth.can_use_bot),
                "User ids that may use the bot during `meta.maintenance`.",
            )
            .readers(BOT | WEBSERVER),
            Key::new(
                "root_users",
                Users(|draft| &mut draft.config.discord_auth.root_users),
                "User ids of the bot's owners: they may use the owner commands, `/register` above all.",
            )
            .readers(BOT | WEBSERVER),
        ],
    }
}

fn discord() -> Group {
    Group {
        path: "discord",
        comment: "Where Discord is. Only a test setup changes these.",
        keys: vec![
            Key::new(
                "api_base",
                Url(|draft| &mut draft.config.discord.api_base, UrlForm::Origin),
                "REST API, without /api.",
            ),
            Key::new(
                "cdn_base",
                Url(|draft| &mut draft.config.discord.cdn_base, UrlForm::Any),
                "Icons and attachments.",
            ),
            Key::new(
                "authorize_url",
                Url(
                    |draft| &mut draft.config.discord.authorize_url,
                    UrlForm::Any,
                ),
                "The page on which a user consents to a login.",
            )
            .readers(WEBSERVER),
        ],
    }
}

fn sites() -> Group {
    Group {
        path: "sites",
        comment: "Public addresses.",
        keys: vec![
            Key::new(
                "frontend",
                Url(|draft| &mut draft.config.sites.frontend, UrlForm::Any),
                "The website. Empty: the same as `api`.",
            )
            .derived()
            .pair()
            .example("https://example.com"),
            Key::new(
                "api",
                Url(|draft| &mut draft.config.sites.api, UrlForm::Any),
                "The web server as browsers reach it. Empty: http://localhost and `meta.port`.",
            )
            .derived()
            .pair()
            .example("https://api.example.com"),
        ],
    }
}

fn servers() -> Group {
    Group {
        path: "servers",
        comment: "",
        keys: vec![
            Key::new(
                "main",
                Guild(|draft| &mut draft.config.servers.main),
                "Server id: where BOOTSTRAP_COMMANDS=true publishes the first commands.",
            )
            .readers(WEBSERVER | BOT),
        ],
    }
}

fn meta() -> Group {
    let mut keys = meta_engines();
    keys.extend(meta_listeners());
    keys.extend(meta_secrets());
    keys.extend(meta_behaviour());
    Group {
        path: "meta",
        comment: "",
        keys,
    }
}

fn meta_engines() -> Vec<Key> {
    vec![
        Key::new(
            "postgres_url",
            Secret(
                |draft| &mut draft.config.meta.postgres_url,
                SecretForm::Postgres,
            ),
            "PostgreSQL. Empty: an SQLite file in the data directory.",
        )
        .fixed()
        .example("postgresql:///antiraid"),
        Key::new(
            "redis_url",
            Secret(|draft| &mut draft.config.meta.redis_url, SecretForm::Redis),
            "Redis. Empty: a unix socket in the data directory.",
        )
        .fixed()
        .pair()
        .example("redis://localhost:6379"),
        Key::new(
            "bot_redis_url",
            Secret(
                |draft| &mut draft.config.meta.bot_redis_url,
                SecretForm::Redis,
            ),
            "Redis as the bot reaches it. Empty: the same as `redis_url`.",
        )
        .fixed()
        .readers(BOT | CLUSTERER)
        .example("redis://localhost:6379/0"),
    ]
}

fn meta_listeners() -> Vec<Key> {
    vec![
        Key::new(
            "port",
            Port(|draft| &mut draft.config.meta.port),
            "Public web server.",
        )
        .fixed()
        .pair()
        .readers(WEBSERVER)
        .example("8081"),
        Key::new(
            "bind_addr",
            Address(|draft| &mut draft.config.meta.bind_addr),
            "The only listener that is open to other machines by default.",
        )
        .fixed()
        .readers(WEBSERVER),
        Key::new(
            "admin_port",
            Port(|draft| &mut draft.config.meta.admin_port),
            "Metrics and readiness of the web server.",
        )
        .fixed()
        .pair()
        .readers(WEBSERVER)
        .example("8082"),
        Key::new(
            "admin_bind_addr",
            Address(|draft| &mut draft.config.meta.admin_bind_addr),
            "",
        )
        .fixed()
        .readers(WEBSERVER),
        Key::new(
            "bot_iserver_base_port",
            Port(|draft| &mut draft.config.meta.bot_iserver_base_port),
            "Internal server of each bot cluster: this port plus the cluster id.",
        )
        .fixed()
        .pair()
        .readers(WEBSERVER | CLUSTERER | BOT)
        .example("5000"),
        Key::new(
            "bot_bind_addr",
            Address(|draft| &mut draft.config.meta.bot_bind_addr),
            "",
        )
        .fixed()
        .readers(WEBSERVER | CLUSTERER | BOT),
        Key::new(
            "jobserver_port",
            Port(|draft| &mut draft.config.meta.jobserver_port),
            "Job server.",
        )
        .fixed()
        .pair()
        .readers(JOBSERVER)
        .example("2939"),
        Key::new(
            "jobserver_bind_addr",
            Address(|draft| &mut draft.config.meta.jobserver_bind_addr),
            "",
        )
        .fixed()
        .readers(JOBSERVER),
        Key::new(
            "jobserver_url",
            UrlOrUrls(
                |draft| &mut draft.config.meta.jobserver_urls,
                UrlForm::SchemeOptional,
            ),
            "Job server as the others reach it, or a list of several that replace each other. Empty: its address and port above.",
        )
        .derived()
        .pair()
        .readers(WEBSERVER | BOT)
        .example("http://127.0.0.1:2939"),
        Key::new(
            "clusterer_port",
            Port(|draft| &mut draft.config.meta.clusterer_port),
            "Clusterer.",
        )
        .fixed()
        .pair()
        .readers(CLUSTERER)
        .example("1293"),
        Key::new(
            "clusterer_bind_addr",
            Address(|draft| &mut draft.config.meta.clusterer_bind_addr),
            "",
        )
        .fixed()
        .readers(CLUSTERER),
        Key::new(
            "clusterer_url",
            Url(
                |draft| &mut draft.config.meta.clusterer_url,
                UrlForm::SchemeOptional,
            ),
            "Clusterer as the others reach it. Empty: its address and port above.",
        )
        .derived()
        .pair()
        .readers(WEBSERVER)
        .example("http://127.0.0.1:1293"),
        Key::new(
            "trusted_proxies",
            Addresses(|draft| &mut draft.config.meta.trusted_proxies),
            "Reverse proxies whose X-Forwarded-For is believed.",
        )
        .readers(WEBSERVER),
        Key::new(
            "proxy",
            OptionalUrl(|draft| &mut draft.config.meta.proxy, UrlForm::Origin),
            "Discord REST proxy. Empty: the proxy of this installation where `splashtail` starts it\n\
             (proxy.enabled), else `discord.api_base` is called directly.",
        )
        .example("http://127.0.0.1:3219"),
    ]
}

fn meta_secrets() -> Vec<Key> {
    vec![
        Key::new(
            "jobserver_secrets",
            ClientSecrets(|draft| &mut draft.config.meta.jobserver_secrets),
            "One secret per client (api, bot, cli) of 32 or more random characters. Empty here and\n\
             below: generated once into secrets.yaml of the data directory. Machines that share a\n\
             database need the same values. With `bot`'s, bot and jobserver also mark what they do in\n\
             servers, which tells it from what somebody does who has the bot's token.",
        )
        .generated()
        .pair(),
        Key::new(
            "dp_secret",
            Secret(|draft| &mut draft.config.meta.dp_secret, SecretForm::Opaque),
            "Signature key of the front proxy that authenticates users of the operators' page.",
        )
        .generated()
        .readers(WEBSERVER),
        Key::new(
            "data_key",
            Secret(|draft| &mut draft.config.meta.data_key, SecretForm::Key),
            "Base64 of 32 bytes: wraps the keys of running encrypted backups, and what Discord lets us\n\
             ask for people who are logged in.",
        )
        .generated()
        .readers(JOBSERVER | WEBSERVER),
        Key::new(
            "link_key",
            Secret(|draft| &mut draft.config.meta.link_key, SecretForm::Opaque),
            "Signs download links of locally stored backups.",
        )
        .generated()
        .readers(WEBSERVER),
    ]
}

fn meta_behaviour() -> Vec<Key> {
    vec![
        Key::new(
            "plain_client_secret",
            Flag(|draft| &mut draft.config.meta.plain_client_secret),
            "Also accept unsigned calls with the old `client secret` header.",
        ),
        Key::new(
            "web_disable_ratelimits",
            Flag(|draft| &mut draft.config.meta.web_disable_ratelimits),
            "No request limits in the public API.",
        )
        .readers(WEBSERVER),
        Key::new(
            "maintenance",
            Flag(|draft| &mut draft.config.meta.maintenance),
            "Only `can_use_bot` and `root_users` may use the bot.",
        )
        .readers(WEBSERVER | BOT),
        Key::new(
            "support_server",
            Url(|draft| &mut draft.config.meta.support_server, UrlForm::Any),
            "Invite that refusals mention.",
        )
        .readers(WEBSERVER | BOT),
        Key::new(
            "presence",
            Texts(|draft| &mut draft.config.meta.presence),
            "Activities that the bot shows in turn. Empty: its own.",
        )
        .readers(BOT),
    ]
}

fn simple_gateway_proxy() -> Group {
    Group {
        path: "simple_gateway_proxy",
        comment: "Where the gateway proxy listens. Only this machine is to reach it.",
        keys: vec![
            Key::new(
                "port",
                Port(|draft| &mut draft.config.simple_gateway_proxy.port),
                "Gateway for the bot and other programs, and its HTTP routes, on the loopback.",
            )
            .fixed()
            .readers(PROXY),
            Key::new(
                "url",
                Url(
                    |draft| &mut draft.config.simple_gateway_proxy.url,
                    UrlForm::SchemeOptional,
                ),
                "The gateway proxy as the others reach it. Empty: this machine and its port.",
            )
            .derived()
            .readers(PROXY | WEBSERVER | CLUSTERER | BOT)
            .example("http://127.0.0.1:3220"),
        ],
    }
}

fn proxy() -> Group {
    Group {
        path: "proxy",
        comment: "The proxy keeps the bot's sessions at Discord while the bot restarts, and Discord's limits\n\
                  for all daemons together.",
        keys: vec![
            Key::new(
                "enabled",
                Flag(|draft| &mut draft.config.proxy.enabled),
                "Start the proxy: the bot's clusters connect to it, and every daemon calls Discord through\n\
                 it unless meta.proxy names another.",
            )
            .fixed()
            .readers(PROXY | WEBSERVER | CLUSTERER | BOT),
            Key::new(
                "rest_port",
                Port(|draft| &mut draft.config.proxy.rest_port),
                "Discord's REST API for the other daemons and other programs, on the loopback.",
            )
            .fixed()
            .readers(PROXY),
            Key::new(
                "global_limit",
                Count(|draft| &mut draft.config.proxy.global_limit),
                "Requests that one bot may send in a second. 0: 50, as every bot may. Discord agrees on\n\
                 more with the owners of large bots.",
            )
            .readers(PROXY),
            Key::new(
                "intents",
                Count(|draft| &mut draft.config.proxy.intents),
                "Gateway intents as a number. Those above the bot's own cost traffic and memory.",
            )
            .readers(PROXY),
            Key::new(
                "shards",
                Count(|draft| &mut draft.config.proxy.shards),
                "Shards at Discord. 0: as many as Discord recommends.",
            )
            .readers(PROXY),
            Key::new(
                "client_shards",
                Count(|draft| &mut draft.config.proxy.client_shards),
                "Shards that clients are told to use. 0: the same. Clients may use any number.",
            )
            .readers(PROXY),
            Key::new(
                "resume_window",
                Count(|draft| &mut draft.config.proxy.resume_window),
                "Seconds in which a client that went away finds its session again.",
            )
            .readers(PROXY),
            Key::new(
                "replay_mb",
                Count(|draft| &mut draft.config.proxy.replay_mb),
                "MiB of events kept per shard for them.",
            )
            .readers(PROXY),
            Key::new(
                "client_queue_mb",
                Count(|draft| &mut draft.config.proxy.client_queue_mb),
                "A client that is so many MiB behind is cut off, and resumes.",
            )
            .readers(PROXY),
            Key::new(
                "voice_leave",
                Flag(|draft| &mut draft.config.proxy.voice_leave),
                "A client that is gone for longer than resume_window leaves its voice channels.",
            )
            .readers(PROXY),
            Key::new(
                "admin_secret",
                Secret(
                    |draft| &mut draft.config.proxy.admin_secret,
                    SecretForm::Opaque,
                ),
                "Header X-Proxy-Secret: opens /admin, and calls to Discord that bring no token get the\n\
                 bot's. Empty: neither.",
            )
            .readers(PROXY),
        ],
    }
}

fn jobs() -> Group {
    let keys = vec![
        Key::new(
            "capacity",
            Count(|draft| &mut draft.config.jobs.capacity),
            "How much one job server runs at a time, at least 1: a restore counts 8, another job 1.\n\
             A part is kept for what is urgent, and restores get at most half.",
        ),
        Key::new(
            "keep_days",
            Count(|draft| &mut draft.config.jobs.keep_days),
            "Days after which a job, its log and its file are deleted. 0: never.",
        ),
    ];
    Group {
        path: "jobs",
        comment: "How the job server works.",
        keys: keys.into_iter().map(|key| key.readers(JOBSERVER)).collect(),
    }
}

fn object_storage() -> Group {
    let endpoint = "https://s3.eu-central-1.amazonaws.com";
    let keys = vec![
        Key::new(
            "type",
            Storage(|draft| &mut draft.storage.kind),
            "`s3-like` or `local`. Empty: the directory `objects` in the data directory.",
        ),
        Key::new(
            "path",
            Text(|draft| &mut draft.storage.path),
            "Bucket, or directory of `local`.",
        )
        .example("antiraid-backups"),
        Key::new(
            "endpoint",
            Text(|draft| &mut draft.storage.endpoint),
            "s3-like only, like all below.",
        )
        .example(endpoint),
        Key::new(
            "cdn_endpoint",
            Text(|draft| &mut draft.storage.cdn_endpoint),
            "Address in download links. Empty: `endpoint`.",
        )
        .example("https://backups.example.com"),
        Key::new(
            "access_key",
            Secret(|draft| &mut draft.storage.access_key, SecretForm::Opaque),
            "",
        ),
        Key::new(
            "secret_key",
            Secret(|draft| &mut draft.storage.secret_key, SecretForm::Opaque),
            "",
        ),
        Key::new(
            "region",
            Text(|draft| &mut draft.storage.region),
            "Region of the bucket. Empty: the one in an `endpoint` of AWS, else us-east-1.",
        )
        .example("eu-central-1"),
        Key::new(
            "secure",
            OptionalFlag(|draft| &mut draft.storage.secure),
            "https to an `endpoint` without scheme. Empty: true.",
        ),
        Key::new(
            "cdn_secure",
            OptionalFlag(|draft| &mut draft.storage.cdn_secure),
            "https to a `cdn_endpoint` without scheme. Empty: true.",
        ),
    ];
    Group {
        path: "object_storage",
        comment: "Where backup files are kept.",
        keys: keys
            .into_iter()
            .map(|key| key.readers(WEBSERVER | JOBSERVER))
            .collect(),
    }
}

fn free_plan() -> Group {
    let keys = vec![
        Key::new(
            "total_max_messages",
            Count(|draft| &mut draft.config.plans.free.total_max_messages),
            "Messages in one backup.",
        ),
        Key::new(
            "min_per_channel",
            Count(|draft| &mut draft.config.plans.free.min_per_channel),
            "Smallest number per channel that may be asked for.",
        ),
        Key::new(
            "default_per_channel",
            Count(|draft| &mut draft.config.plans.free.default_per_channel),
            "Number per channel when nothing is asked for.",
        ),
        Key::new(
            "max_attachment_file_size",
            Count(|draft| &mut draft.config.plans.free.max_attachment_file_size),
            "Bytes of one attachment.",
        ),
        Key::new(
            "file_size_warning_threshold",
            Count(|draft| &mut draft.config.plans.free.file_size_warning_threshold),
            "No more attachments are saved once a backup has this many bytes.",
        ),
        Key::new(
            "max_body_size",
            Count(|draft| &mut draft.config.plans.free.max_body_size),
            "Bytes of a backup file.",
        ),
        Key::new(
            "guild_asset_reencode_quality",
            Percent(|draft| &mut draft.config.plans.free.guild_asset_reencode_quality),
            "Quality (1-100) of icon, banner and splash, which are saved as JPEG.",
        ),
    ];
    Group {
        path: "plans.free",
        comment: "What one server may ask of the job server.",
        keys: keys
            .into_iter()
            .map(|key| key.readers(WEBSERVER | JOBSERVER | BOT))
            .collect(),
    }
}
