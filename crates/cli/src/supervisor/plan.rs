//! Which daemons a command starts, with which configuration, listeners and environment.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use splashtail_core::config::{BusTarget, Config, DatabaseTarget, Loaded, ObjectStorage};
use splashtail_core::data_dir::DataDir;
use splashtail_core::environment::Environment;
use splashtail_core::ids::ClusterId;
use splashtail_core::port_block::PortBlock;
use splashtail_sandbox::seed::small;
use url::Url;

use super::ports::Ports;
use super::process::{DaemonSpec, OnReload};
use super::report::{Pids, Ready, SandboxAddresses};

pub const SANDBOX: &str = "sandbox";
pub const WEBSERVER: &str = "webserver";
pub const JOBSERVER: &str = "jobserver";
pub const CLUSTERER: &str = "clusterer";

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SANDBOX_REST_PORT: u16 = 4400;
const SANDBOX_GATEWAY_PORT: u16 = 4401;
const SANDBOX_CONTROL_PORT: u16 = 4402;

/// What the command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `up`: everything on this machine.
    Everything,
    /// `webserver`: webserver and clusterer, and so the bot.
    Webserver,
    /// `jobs`: the jobserver.
    Jobs,
}

impl Role {
    fn has_web(self) -> bool {
        self != Self::Jobs
    }

    fn has_jobs(self) -> bool {
        self != Self::Webserver
    }
}

#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    pub free_ports: bool,
    /// Start the sandbox although there is a token.
    pub sandbox: bool,
    pub site_dir: Option<PathBuf>,
    /// Built page of the sandbox.
    pub page_dir: Option<PathBuf>,
}

/// Addresses under which this machine reaches the daemons.
#[derive(Debug)]
pub struct Addresses {
    pub web: Url,
    admin: Url,
    jobserver: Url,
    pub clusterer: Url,
}

/// Everything that is decided before the first process starts. Holds the bound listeners and the
/// lock of the data directory.
#[derive(Debug)]
pub struct Plan {
    role: Role,
    pub config: Config,
    pub data_dir: DataDir,
    effective_config: PathBuf,
    bin_dir: PathBuf,
    site_dir: Option<PathBuf>,
    page_dir: Option<PathBuf>,
    pub addresses: Addresses,
    sandbox: Option<Sandbox>,
    web: Vec<TcpListener>,
    jobserver: Vec<TcpListener>,
    clusterer: Vec<TcpListener>,
    /// Keeps others off the ports of clusters that are not up.
    _iservers: Option<PortBlock>,
}

#[derive(Debug)]
struct Sandbox {
    addresses: SandboxAddresses,
    listeners: Vec<TcpListener>,
}

impl Plan {
    /// Binds the listeners and writes the effective configuration.
    ///
    /// # Errors
    /// A port is busy, the data directory is in use or cannot be written, or binaries are missing.
    pub fn make(
        role: Role,
        loaded: Loaded,
        data_dir: DataDir,
        options: &PlanOptions,
    ) -> Result<Self> {
        let Loaded {
            mut config, path, ..
        } = loaded;
        data_dir.apply(&mut config)?;
        let ports = Ports {
            free: options.free_ports,
        };

        let no_token = config.discord_auth.token.is_none();
        let sandbox = (role == Role::Everything && (no_token || options.sandbox))
            .then(|| Sandbox::bind(ports))
            .transpose()?;

        let meta = &mut config.meta;
        let (mut web, mut jobserver, mut clusterer) = (Vec::new(), Vec::new(), Vec::new());
        let mut iservers = None;
        if role.has_web() {
            web.push(bind(
                ports,
                "webserver",
                "meta.port",
                meta.bind_addr,
                &mut meta.port,
            )?);
            web.push(bind(
                ports,
                "webserver's admin address",
                "meta.admin_port",
                meta.admin_bind_addr,
                &mut meta.admin_port,
            )?);
            clusterer.push(bind(
                ports,
                "clusterer",
                "meta.clusterer_port",
                meta.clusterer_bind_addr,
                &mut meta.clusterer_port,
            )?);
            iservers = ports.iservers(meta.bot_bind_addr)?;
            if let Some(block) = &iservers {
                meta.bot_iserver_base_port = block.base();
            }
        }
        if role.has_jobs() {
            jobserver.push(bind(
                ports,
                "jobserver",
                "meta.jobserver_port",
                meta.jobserver_bind_addr,
                &mut meta.jobserver_port,
            )?);
        }
        let addresses = Addresses {
            web: local(meta.bind_addr, meta.port)?,
            admin: local(meta.admin_bind_addr, meta.admin_port)?,
            jobserver: local(meta.jobserver_bind_addr, meta.jobserver_port)?,
            clusterer: local(meta.clusterer_bind_addr, meta.clusterer_port)?,
        };
        if options.free_ports {
            meta.clusterer_url = addresses.clusterer.clone();
            if role == Role::Everything {
                meta.jobserver_urls = vec![addresses.jobserver.clone()];
            }
        }
        if sandbox.is_some() || options.free_ports {
            config.sites.api = addresses.web.clone();
            config.sites.frontend = addresses.web.clone();
        }
        if let Some(sandbox) = &sandbox {
            sandbox.take_over(&mut config)?;
        }

        let bin_dir = installed(role, sandbox.is_some())?;
        let effective_config = data_dir.write_effective_config(&config)?;
        copy_clusterer_file(path.as_deref(), &effective_config, config.environment)?;
        Ok(Self {
            role,
            config,
            data_dir,
            effective_config,
            bin_dir,
            site_dir: options.site_dir.clone(),
            page_dir: options.page_dir.clone(),
            addresses,
            sandbox,
            web,
            jobserver,
            clusterer,
            _iservers: iservers,
        })
    }

    pub fn has_clusters(&self) -> bool {
        self.role.has_web()
    }

    /// The hub's socket, when the bus is the hub and this command hosts it.
    pub fn hub(&self) -> Option<PathBuf> {
        match (self.role, self.config.bus()) {
            (Role::Everything | Role::Webserver, BusTarget::Hub(path)) => Some(path),
            _ => None,
        }
    }

    /// The bus channel of the clusters: what a bare value on the hub belongs to.
    ///
    /// # Errors
    /// The clusterer's file is not YAML.
    pub fn main_channel(&self) -> Result<String> {
        #[derive(serde::Deserialize)]
        struct ClustererFile {
            redis_channel: Option<String>,
        }
        let path = self
            .config
            .environment
            .cluster_file(Some(&self.effective_config));
        let configured = match std::fs::read_to_string(&path) {
            Ok(text) => {
                let file: ClustererFile = serde_yaml::from_str(&text)
                    .with_context(|| format!("{} is broken", path.display()))?;
                file.redis_channel.filter(|channel| !channel.is_empty())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
        };
        Ok(configured.unwrap_or_else(|| format!("ar_clusters/{}", self.config.environment)))
    }

    /// Environment and engines, for the headline of the table.
    pub fn describe(&self) -> String {
        let database = match self.config.database() {
            DatabaseTarget::Sqlite(_) => "SQLite",
            DatabaseTarget::Postgres(_) => "PostgreSQL",
        };
        let bus = match self.config.bus() {
            BusTarget::Hub(_) => "socket bus",
            BusTarget::Redis(_) => "Redis",
        };
        let objects = match self.config.object_storage {
            ObjectStorage::Local { .. } => "local objects",
            ObjectStorage::S3Like { .. } => "S3 objects",
        };
        let discord = if self.sandbox.is_some() {
            "simulated Discord"
        } else {
            "Discord"
        };
        format!(
            "{}: {discord}, {database}, {bus}, {objects}",
            self.config.environment
        )
    }

    /// Daemons by stage, each with the address that answers 200 when it is ready. A stage starts
    /// when the one before is ready.
    ///
    /// # Errors
    /// A listener cannot be duplicated.
    pub fn stages(&self) -> Result<Vec<Vec<(DaemonSpec, Url)>>> {
        let mut stages = Vec::new();
        if let Some(sandbox) = &self.sandbox {
            let ready = sandbox.addresses.control.join("readyz")?;
            let args = directory("--page-dir", self.page_dir.as_deref());
            stages.push(vec![(self.spec(SANDBOX, &sandbox.listeners, args)?, ready)]);
        }
        let mut daemons = Vec::new();
        if self.role.has_jobs() {
            let ready = self.addresses.jobserver.join("readyz")?;
            daemons.push((
                self.spec(JOBSERVER, &self.jobserver, self.environment_args())?,
                ready,
            ));
        }
        if self.role.has_web() {
            let ready = self.addresses.clusterer.join("readyz")?;
            daemons.push((
                self.spec(CLUSTERER, &self.clusterer, self.environment_args())?,
                ready,
            ));
            let mut args = self.environment_args();
            args.extend(directory("--site-dir", self.site_dir.as_deref()));
            let ready = self.addresses.admin.join("readyz")?;
            daemons.push((self.spec(WEBSERVER, &self.web, args)?, ready));
        }
        stages.push(daemons);
        Ok(stages)
    }

    fn environment_args(&self) -> Vec<String> {
        vec!["--env".to_owned(), self.config.environment.to_string()]
    }

    fn spec(
        &self,
        name: &'static str,
        listeners: &[TcpListener],
        args: Vec<String>,
    ) -> Result<DaemonSpec> {
        let listeners = listeners
            .iter()
            .map(TcpListener::try_clone)
            .collect::<Result<_, _>>()?;
        let mut env = vec![
            (
                "SPLASHTAIL_CONFIG",
                self.effective_config.display().to_string(),
            ),
            ("SPLASHTAIL_BIN_DIR", self.bin_dir.display().to_string()),
        ];
        if self.sandbox.is_some() {
            env.push(("SPLASHTAIL_SANDBOX", "1".to_owned()));
            if name == CLUSTERER {
                // The whole command set is there from the start; cluster 0 publishes it.
                env.push(("REGISTER_COMMANDS", "global".to_owned()));
            }
        }
        Ok(DaemonSpec {
            name,
            program: self.bin_dir.join(format!("splashtail-{name}")),
            args,
            env,
            listeners,
            log: self.data_dir.log(name),
            on_reload: match name {
                // It replaces itself and keeps its clusters.
                CLUSTERER => OnReload::Signal,
                SANDBOX => OnReload::Nothing,
                _ => OnReload::Restart,
            },
        })
    }

    /// Everything that is known before the processes run.
    pub fn report(&self) -> Ready {
        let web = self.role.has_web();
        let jobs = self.role.has_jobs();
        Ready {
            ready: true,
            data_dir: self.data_dir.root().to_owned(),
            dashboard: web.then(|| self.addresses.web.clone()),
            api: web.then(|| self.addresses.web.clone()),
            docs: web.then(|| self.addresses.web.join("docs").ok()).flatten(),
            jobserver: jobs.then(|| self.addresses.jobserver.clone()),
            clusterer: web.then(|| self.addresses.clusterer.clone()),
            iserver: BTreeMap::new(),
            sandbox: self
                .sandbox
                .as_ref()
                .map(|sandbox| sandbox.addresses.clone()),
            logs: self.data_dir.logs(),
            pids: Pids::default(),
        }
    }

    /// Internal address of a cluster; `None` when its port would lie above 65535.
    pub fn iserver(&self, cluster: u16) -> Option<Url> {
        let address = self.config.iserver_address(ClusterId(cluster))?;
        local(address.ip(), address.port()).ok()
    }
}

impl Sandbox {
    fn bind(ports: Ports) -> Result<Self> {
        let listeners = [
            ("sandbox's REST address", "--free-ports", SANDBOX_REST_PORT),
            ("sandbox's gateway", "--free-ports", SANDBOX_GATEWAY_PORT),
            ("sandbox's page", "--free-ports", SANDBOX_CONTROL_PORT),
        ]
        .into_iter()
        .map(|(what, key, port)| ports.bind(what, key, LOOPBACK, port))
        .collect::<Result<Vec<_>, _>>()?;
        let address = |index: usize| -> Result<SocketAddr> { Ok(listeners[index].local_addr()?) };
        let addresses = SandboxAddresses {
            rest: format!("http://{}", address(0)?).parse()?,
            gateway: format!("ws://{}", address(1)?).parse()?,
            control: format!("http://{}", address(2)?).parse()?,
        };
        Ok(Self {
            addresses,
            listeners,
        })
    }

    /// Points every Discord address and credential at the sandbox's `small` world.
    fn take_over(&self, config: &mut Config) -> Result<()> {
        let rest = &self.addresses.rest;
        config.discord.api_base = rest.clone();
        config.discord.cdn_base = rest.clone();
        config.discord.authorize_url = rest.join("oauth2/authorize")?;
        config.meta.proxy = None;
        config.discord_auth.token = Some(small::bot_token().into());
        config.discord_auth.client_id = Some(small::APPLICATION.to_string().parse()?);
        config.discord_auth.client_secret = Some(small::CLIENT_SECRET.into());
        config.discord_auth.root_users = vec![small::OWNER.to_string().parse()?];
        config.servers.main = Some(small::GUILDS[0].to_string().parse()?);
        Ok(())
    }
}

/// Binds and writes the port that was really taken back into the configuration.
fn bind(
    ports: Ports,
    what: &'static str,
    key: &'static str,
    address: IpAddr,
    port: &mut u16,
) -> Result<TcpListener> {
    let listener = ports.bind(what, key, address, *port)?;
    *port = listener.local_addr()?.port();
    Ok(listener)
}

/// How this machine reaches a listener.
/// An option that names a directory, when there is one.
fn directory(option: &str, path: Option<&Path>) -> Vec<String> {
    path.map_or_else(Vec::new, |path| {
        vec![option.to_owned(), path.display().to_string()]
    })
}

fn local(address: IpAddr, port: u16) -> Result<Url> {
    let address = if address.is_unspecified() {
        LOOPBACK
    } else {
        address
    };
    Ok(format!("http://{}", SocketAddr::new(address, port)).parse()?)
}

/// A binary of this installation: in `SPLASHTAIL_BIN_DIR`, else beside this one.
///
/// # Errors
/// It is not there; the message says how to build it.
pub fn sibling(name: &str) -> Result<PathBuf> {
    let dir = match std::env::var_os("SPLASHTAIL_BIN_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => {
            let own = std::env::current_exe().context("cannot tell where this program is")?;
            own.parent()
                .context("this program has no directory")?
                .to_owned()
        }
    };
    let program = dir.join(name);
    if !program.exists() {
        bail!(
            "{name} is not in {}: build it with `make all`, or set SPLASHTAIL_BIN_DIR",
            dir.display()
        );
    }
    Ok(program)
}

/// Checks that every binary the role starts is there, and says where.
fn installed(role: Role, sandbox: bool) -> Result<PathBuf> {
    let mut names = Vec::new();
    if role.has_jobs() {
        names.push("splashtail-jobserver");
    }
    if role.has_web() {
        names.extend([
            "splashtail-webserver",
            "splashtail-clusterer",
            "splashtail-bot",
        ]);
    }
    if sandbox {
        names.push("splashtail-sandbox");
    }
    let mut dir = PathBuf::new();
    for name in names {
        dir = sibling(name)?
            .parent()
            .context("the program has no directory")?
            .to_owned();
    }
    Ok(dir)
}

/// The clusterer looks for its own file beside the config it is given, which is the effective one.
fn copy_clusterer_file(
    config: Option<&Path>,
    effective_config: &Path,
    environment: Environment,
) -> Result<()> {
    let target = environment.cluster_file(Some(effective_config));
    let source = config.map(|config| environment.cluster_file(Some(config)));
    match source.filter(|source| source.exists()) {
        Some(source) => {
            std::fs::copy(&source, &target)
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
        None if target.exists() => std::fs::remove_file(&target)?,
        None => {}
    }
    Ok(())
}
