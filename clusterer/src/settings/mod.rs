//! Everything the operator decided about the clusters: the config, the cluster file beside it and
//! the environment, resolved.

use std::collections::HashMap;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use splashtail_core::cluster_file::{ProxyPerHost, load_env_files};
use splashtail_core::config::Config;
use splashtail_ipc::bus;
use tracing::warn;
use url::Url;

pub use splashtail_core::cluster_file::{ArgvStyle, ClusterFile, DotenvError, FileError};

use crate::fleet::Policy;
use crate::map::{Layout, MapError, Ports};
use crate::state_file::state_path;

/// The bot of this project, found beside our own executable.
pub const BOT_BINARY: &str = "splashtail-bot";
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
const STOP_GRACE: Duration = Duration::from_secs(10);
/// Another clusterer answers a newcomer at once; this is for the way there and back.
const LISTEN: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Dotenv(#[from] DotenvError),
    #[error(transparent)]
    Proxy(#[from] ProxyPerHost),
    #[error(
        "`discord_auth.token` is missing: the clusters cannot log in. `splashtail up` starts a sandbox instead"
    )]
    NoToken,
    #[error("PER_CLUSTER={0:?} is not a number from 1 to 65535")]
    PerCluster(String),
    #[error("the cluster file does not fit together")]
    Layout(#[source] MapError),
    #[error("no {} at {}: build it or set `module` in the cluster file", BOT_BINARY, .0.display())]
    NoBot(PathBuf),
    #[error("`use_current_directory` is off and there is no home directory")]
    NoHome,
    #[error("cannot tell where this program is")]
    Executable(#[source] std::io::Error),
}

/// What is run for a cluster.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    /// In front of the cluster's arguments: the script, when `path` is an interpreter.
    pub leading: Vec<String>,
    pub dir: PathBuf,
    pub argv: ArgvStyle,
    /// Besides the inherited environment.
    pub env: Vec<(String, SecretString)>,
    /// They ask the same API as we do, so they need not ask for the gateway again.
    pub knows_gateway: bool,
    /// Output goes to `<logs>/bot-<id>.log`.
    pub logs: PathBuf,
    pub api_url: String,
    pub channel: String,
    pub environment: splashtail_core::environment::Environment,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub channel: String,
    pub token: SecretString,
    /// Users that may send commands through the web server; empty means that it alone decides.
    pub allowed_users: Vec<String>,
    /// Origin of Discord's REST API.
    pub api_base: Url,
    pub policy: Policy,
    pub program: Program,
}

/// Where the inherited environment and our own program come from; tests give their own.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub variables: HashMap<String, String>,
    pub current_dir: PathBuf,
    /// Directory of the sibling binaries.
    pub bin_dir: PathBuf,
    /// `SPLASHTAIL_CONFIG` for the clusters.
    pub config_path: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    ///
    /// # Errors
    /// [`SettingsError::Executable`].
    pub fn of_process(config_path: Option<&Path>) -> Result<Self, SettingsError> {
        let bin_dir = match env::var_os("SPLASHTAIL_BIN_DIR").filter(|dir| !dir.is_empty()) {
            Some(directory) => directory.into(),
            None => {
                let own = env::current_exe().map_err(SettingsError::Executable)?;
                own.parent().unwrap_or(Path::new("/")).to_owned()
            }
        };
        Ok(Self {
            variables: env::vars_os()
                .filter_map(|(key, value)| {
                    Some((key.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            current_dir: env::current_dir().map_err(SettingsError::Executable)?,
            bin_dir,
            config_path: config_path
                .map(|path| std::path::absolute(path).unwrap_or(path.to_owned())),
        })
    }
}

impl Settings {
    /// # Errors
    /// See [`SettingsError`]; problems of the cluster file are reported all at once.
    pub fn resolve(
        config: &Config,
        file_path: &Path,
        surroundings: &Surroundings,
    ) -> Result<Self, SettingsError> {
        let file = ClusterFile::load(file_path)?;
        for key in &file.unknown {
            warn!("cluster file: {key}");
        }
        let base = file_path.parent().unwrap_or(Path::new(""));
        let dotenv = load_env_files(&file.env, base)?;
        let variable = |name: &str| {
            let inherited = surroundings.variables.get(name).map(String::as_str);
            let loaded = || {
                dotenv
                    .iter()
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.as_str())
            };
            inherited.or_else(loaded).filter(|value| !value.is_empty())
        };
        let token = match variable("MTOKEN") {
            Some(token) => token.into(),
            None => config
                .discord_auth
                .token
                .clone()
                .or_else(|| file.token.clone())
                .ok_or(SettingsError::NoToken)?,
        };
        let per_cluster = match variable("PER_CLUSTER") {
            Some(value) => match value.trim().parse() {
                Ok(per_cluster @ 1..) => per_cluster,
                _ => return Err(SettingsError::PerCluster(value.to_owned())),
            },
            None => file.per_cluster,
        };
        file.allows_proxy(config.proxy.enabled)?;
        let shards = file.shard_range.zip(file.fixed_shard_count);
        let layout = shards
            .map(|(range, total)| Layout::new(range, total, per_cluster))
            .transpose()
            .map_err(SettingsError::Layout)?;
        warn_of_other_redis(&file, config);
        let channel = file
            .channel
            .clone()
            .unwrap_or_else(|| bus::default_channel(config.environment));
        let dir = cluster_dir(&file, config, surroundings)?;
        let (path, leading) = program(&file, &dir, surroundings)?;
        let state_file = state_path(&config.data_dir);
        let state_file = std::path::absolute(&state_file).unwrap_or(state_file);
        let state_file = state_file.display().to_string();
        let mut env = vec![
            ("MEWLD_CHANNEL".to_owned(), channel.as_str().into()),
            (
                "REDIS_URL".to_owned(),
                bus::target_to_url(&config.bot_bus()),
            ),
            ("CLUSTERER_ORPHAN_TIMEOUT".to_owned(), ORPHAN_TIMEOUT.into()),
            (STATE_VARIABLE.to_owned(), state_file.as_str().into()),
        ];
        if let Some(path) = &surroundings.config_path {
            env.push((
                "SPLASHTAIL_CONFIG".to_owned(),
                path.display().to_string().into(),
            ));
        }
        if file.argv == ArgvStyle::Mewld {
            env.push(("MTOKEN".to_owned(), token.clone()));
        }
        for (key, value) in &dotenv {
            // What is set already wins, as dotenv loaders have it.
            if !surroundings.variables.contains_key(key) {
                env.push((key.clone(), value.as_str().into()));
            }
        }
        let meta = &config.meta;
        let mut used = vec![
            (meta.port, "meta.port"),
            (meta.admin_port, "meta.admin_port"),
            (meta.jobserver_port, "meta.jobserver_port"),
            (meta.clusterer_port, "meta.clusterer_port"),
        ];
        if config.proxy.enabled {
            let port = config.simple_gateway_proxy.port;
            used.push((port, "simple_gateway_proxy.port"));
        }
        Ok(Self {
            token,
            allowed_users: file.allowed_ids.clone(),
            api_base: file
                .proxy
                .clone()
                .unwrap_or_else(|| config.gateway_api().clone()),
            policy: Policy {
                names: file.names.clone(),
                per_cluster,
                fixed_shard_count: file.fixed_shard_count,
                layout,
                host: format!("{}:{}", host_name(), meta.clusterer_port),
                minimum_sessions: file.minimum_sessions,
                ping_interval: file.ping_interval,
                ping_timeout: file.ping_timeout,
                start_next_delay: file.start_next_delay,
                overlap_boot: file.argv == ArgvStyle::Host,
                stop_grace: STOP_GRACE,
                listen: LISTEN,
                shutdown_grace: SHUTDOWN_GRACE,
                launch_base: file.launch_timeout,
                reshard_enabled: file.reshard_enabled,
                reshard_all: file.reshard_all,
                ports: Ports {
                    base: meta.bot_iserver_base_port,
                    used,
                },
                dir: dir.display().to_string(),
            },
            program: Program {
                knows_gateway: file
                    .proxy
                    .as_ref()
                    .is_none_or(|proxy| proxy == config.gateway_api()),
                path,
                leading,
                dir,
                argv: file.argv,
                env,
                logs: config.data_dir.join("logs"),
                api_url: splashtail_core::config::without_slash(&config.sites.api).to_owned(),
                channel: channel.clone(),
                environment: config.environment,
            },
            channel,
        })
    }
}

/// Tells clusters of this fleet from all others on the machine: the path of its state file.
pub const STATE_VARIABLE: &str = "CLUSTERER_STATE";

/// Seconds after which our bot ends when nobody asks for its health any more.
const ORPHAN_TIMEOUT: &str = "120";

fn cluster_dir(
    file: &ClusterFile,
    config: &Config,
    surroundings: &Surroundings,
) -> Result<PathBuf, SettingsError> {
    if let Some(directory) = &file.override_dir {
        return Ok(directory.clone());
    }
    let Some(directory) = &file.dir else {
        return Ok(config.data_dir.join("bot"));
    };
    if file.use_current_directory {
        return Ok(surroundings.current_dir.join(directory));
    }
    let home = surroundings
        .variables
        .get("HOME")
        .filter(|home| !home.is_empty());
    Ok(Path::new(home.ok_or(SettingsError::NoHome)?).join(directory))
}

fn program(
    file: &ClusterFile,
    dir: &Path,
    surroundings: &Surroundings,
) -> Result<(PathBuf, Vec<String>), SettingsError> {
    match (&file.interp, &file.module) {
        (Some(interpreter), Some(module)) => Ok((
            interpreter.into(),
            vec![dir.join(module).display().to_string()],
        )),
        (None, Some(module)) if file.argv == ArgvStyle::Mewld => Ok((module.into(), Vec::new())),
        (None, Some(module)) => Ok((dir.join(module), Vec::new())),
        (_, None) => {
            let bot = surroundings.bin_dir.join(BOT_BINARY);
            if bot.is_file() {
                Ok((bot, Vec::new()))
            } else {
                Err(SettingsError::NoBot(bot))
            }
        }
    }
}

/// The cluster file may repeat the Redis address; the config decides.
fn warn_of_other_redis(file: &ClusterFile, config: &Config) {
    let Some(given) = &file.redis else { return };
    let given = bus::target_to_url(&bus::target_from_url(given.expose_secret()));
    let used = bus::target_to_url(&config.bus());
    if given.expose_secret() != used.expose_secret() {
        warn!(
            given = mask(given.expose_secret()),
            used = mask(used.expose_secret()),
            "the `redis` of the cluster file is not `meta.redis_url`; using the latter"
        );
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// The address without its password.
fn mask(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) if url.password().is_some() => {
            // Only URLs that cannot have a password refuse one.
            let _ = url.set_password(Some("***"));
            url.into()
        }
        _ => address.to_owned(),
    }
}

/// Whether a name is one of those that describe inherited listeners, which are ours and not the
/// clusters'.
pub(crate) fn is_private_variable(name: &OsStr) -> bool {
    [
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "LISTEN_FDS_FIRST_FD",
        "NOTIFY_SOCKET",
    ]
    .iter()
    .any(|private| name == *private)
}

#[cfg(test)]
mod tests;
