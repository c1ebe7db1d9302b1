//! What a command starts: with which configuration, listeners and environment. Everything is decided
//! here before the first process runs, and again, as far as it may change, on a reload.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use splashtail_core::cluster_file::ClusterFile;
use splashtail_core::config::{
    BusTarget, Config, DatabaseTarget, LoadOptions, Loaded, ObjectStorage,
};
use splashtail_core::data_dir::DataDir;
use splashtail_core::ids::ClusterId;
use splashtail_core::port_block::PortBlock;
use splashtail_ipc::bus;
use splashtail_sandbox_world::seed::small;
use url::Url;

use super::cluster_copy;
use super::daemons::{
    CLUSTERER, DAEMONS, Daemon, JOBSERVER, PROXY, PlanOptions, PortOf, REST_PROXY, Role, SANDBOX,
    WEBSERVER, Wish, stages,
};
use super::ports::Ports;
use super::process::DaemonSpec;
use super::report::{Pids, Ready, SandboxAddresses};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Holds the bound listeners and the lock of the data directory.
pub struct Plan {
    role: Role,
    options: PlanOptions,
    /// How the configuration was found, and is found again.
    load: LoadOptions,
    /// The configuration as the operator wrote it.
    pub(super) written: Config,
    pub(super) path: Option<PathBuf>,
    /// The configuration in force.
    pub config: Config,
    pub data_dir: DataDir,
    bin_dir: PathBuf,
    bound: Vec<Bound>,
    /// Keeps others off the ports of clusters that are not up.
    iservers: Option<PortBlock>,
}

/// A daemon with its listeners.
struct Bound {
    row: &'static Daemon,
    listeners: Vec<TcpListener>,
    /// Where the listeners really are, and how this machine reaches them.
    addresses: Vec<(SocketAddr, Url)>,
}

impl Plan {
    /// Binds the listeners and writes the effective configuration.
    ///
    /// # Errors
    /// A port is busy, the data directory is in use or cannot be written, or binaries are missing.
    pub fn make(
        role: Role,
        load: LoadOptions,
        loaded: Loaded,
        data_dir: DataDir,
        options: PlanOptions,
    ) -> Result<Self> {
        let Loaded {
            mut config, path, ..
        } = loaded;
        data_dir.apply(&mut config)?;
        let written = config.clone();
        let no_token = config.discord_auth.token.is_none();
        let ports = Ports {
            free: options.free_ports,
        };
        let wish = Wish {
            role,
            sandbox: role == Role::Everything && (no_token || options.sandbox),
            proxy: config.proxy.enabled,
            environment: config.environment,
            options: &options,
        };
        let rows = stages(&wish).into_iter().flatten();
        let bound = rows
            .map(|row| Bound::bind(row, ports, &mut config))
            .collect::<Result<Vec<_>>>()?;
        let iservers = match bound.iter().any(|bound| bound.row.name == CLUSTERER) {
            true => ports.iservers(config.meta.bot_bind_addr)?,
            false => None,
        };
        let bin_dir = match &options.bin_dir {
            Some(directory) => directory.clone(),
            None => installed(bound.iter().map(|bound| bound.row))?,
        };
        let mut plan = Self {
            role,
            load,
            path,
            config,
            data_dir,
            bin_dir,
            bound,
            iservers,
            written,
            options,
        };
        plan.config = plan.effective(&plan.written)?;
        plan.write()?;
        Ok(plan)
    }

    /// Reads the configuration anew, as it was found at the start.
    pub(super) fn read_again(&self) -> Result<Loaded> {
        let mut loaded = Config::load(&self.load)?;
        let new = &loaded.config.data_dir;
        if new.canonicalize().ok().as_deref() != Some(self.data_dir.root()) {
            bail!("data_dir is {} now: start splashtail again", new.display());
        }
        self.data_dir.apply(&mut loaded.config)?;
        Ok(loaded)
    }

    /// What the daemons get for `written`: with the ports that are really bound, and on the sandbox
    /// when it is part of the platform.
    pub(super) fn effective(&self, written: &Config) -> Result<Config> {
        let mut config = written.clone();
        for bound in &self.bound {
            for (socket, (address, _)) in bound.row.sockets.iter().zip(&bound.addresses) {
                if let PortOf::Config(place) = socket.port {
                    *place(&mut config).1 = address.port();
                }
            }
        }
        if let Some(block) = &self.iservers {
            config.meta.bot_iserver_base_port = block.base();
        }
        if self.has_sandbox() {
            simulated_account(&mut config)?;
        }
        // Who wrote down another one wants that one.
        if config.meta.proxy.is_none() {
            config.meta.proxy = self.address(PROXY, REST_PROXY);
        }
        if self.has_sandbox() || self.options.free_ports {
            for bound in &self.bound {
                for (socket, (_, url)) in bound.row.sockets.iter().zip(&bound.addresses) {
                    (socket.announce)(&mut config, url);
                }
            }
        }
        Ok(config)
    }

    /// Puts the configuration in force and the cluster file where the daemons read them.
    pub(super) fn write(&self) -> Result<()> {
        let environment = self.config.environment;
        let source = self
            .path
            .as_deref()
            .map(|path| environment.cluster_file(Some(path)));
        // What is wrong with either is known before one of them is in force.
        let copy = cluster_copy::read(source.as_deref(), self.bound(PROXY).is_some())?;
        let effective = self.data_dir.write_effective_config(&self.config)?;
        let target = environment.cluster_file(Some(&effective));
        cluster_copy::write(copy.as_deref(), &target)
    }

    /// The clusterer's file as the daemons read it.
    pub(super) fn cluster_file(&self) -> PathBuf {
        let effective = self.data_dir.effective_config();
        self.config.environment.cluster_file(Some(&effective))
    }

    pub fn has_clusters(&self) -> bool {
        self.bound(CLUSTERER).is_some()
    }

    fn has_sandbox(&self) -> bool {
        self.bound(SANDBOX).is_some()
    }

    fn bound(&self, name: &str) -> Option<&Bound> {
        self.bound.iter().find(|bound| bound.row.name == name)
    }

    /// How this machine reaches one of a daemon's sockets; `None` when it is not part of the plan.
    pub fn address(&self, name: &str, socket: usize) -> Option<Url> {
        Some(self.bound(name)?.addresses.get(socket)?.1.clone())
    }

    /// The hub's socket, when the bus is the hub and this command hosts it.
    pub fn hub(&self) -> Option<PathBuf> {
        match (self.role, self.config.bus()) {
            (Role::Jobs, _) | (_, BusTarget::Redis(_)) => None,
            (_, BusTarget::Hub(path)) => Some(path),
        }
    }

    /// The bus channel of the clusters: what a bare value on the hub belongs to.
    ///
    /// # Errors
    /// The clusterer's file is broken.
    pub fn main_channel(&self) -> Result<String> {
        let file = ClusterFile::load(&self.cluster_file())?;
        let default = || bus::default_channel(self.config.environment);
        Ok(file.channel.unwrap_or_else(default))
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
        let discord = match self.has_sandbox() {
            true => "simulated Discord",
            false => "Discord",
        };
        format!(
            "{}: {discord}, {database}, {bus}, {objects}",
            self.config.environment
        )
    }

    /// What to start, by stage: a stage starts when all of the one before are ready.
    ///
    /// # Errors
    /// A listener cannot be duplicated.
    pub fn stages(&self) -> Result<Vec<Vec<DaemonSpec>>> {
        let wish = Wish {
            role: self.role,
            sandbox: self.has_sandbox(),
            proxy: self.bound(PROXY).is_some(),
            environment: self.config.environment,
            options: &self.options,
        };
        let spec = |row: &Daemon| {
            let bound = self.bound(row.name).context("a daemon without listeners")?;
            self.spec(bound, &wish)
        };
        let stage = |rows: Vec<&Daemon>| rows.into_iter().map(spec).collect();
        stages(&wish).into_iter().map(stage).collect()
    }

    fn spec(&self, bound: &Bound, wish: &Wish) -> Result<DaemonSpec> {
        let row = bound.row;
        let listeners = bound.listeners.iter().map(TcpListener::try_clone);
        let mut env = vec![
            (
                "SPLASHTAIL_CONFIG",
                self.data_dir.effective_config().display().to_string(),
            ),
            ("SPLASHTAIL_BIN_DIR", self.bin_dir.display().to_string()),
        ];
        if wish.sandbox {
            env.push(("SPLASHTAIL_SANDBOX", "1".to_owned()));
        }
        env.extend((row.environment)(wish));
        Ok(DaemonSpec {
            name: row.name,
            program: self.bin_dir.join(row.program()),
            args: (row.arguments)(wish),
            env,
            listeners: listeners.collect::<Result<_, _>>()?,
            log: self.data_dir.log(row.name),
            health: bound.addresses[row.health].1.clone(),
            on_reload: row.on_reload,
            deadlines: row.deadlines,
        })
    }

    /// Everything that is known before the processes run.
    pub fn report(&self) -> Ready {
        let web = self.address(WEBSERVER, 0);
        let sandbox = |socket| self.address(SANDBOX, socket);
        let gateway =
            sandbox(1).and_then(|url| url.as_str().replacen("http", "ws", 1).parse().ok());
        Ready {
            ready: true,
            data_dir: self.data_dir.root().to_owned(),
            dashboard: web.clone(),
            docs: web.as_ref().and_then(|web| web.join("docs").ok()),
            api: web,
            jobserver: self.address(JOBSERVER, 0),
            clusterer: self.address(CLUSTERER, 0),
            iserver: BTreeMap::new(),
            sandbox: sandbox(0)
                .zip(gateway)
                .zip(sandbox(2))
                .map(|((rest, gateway), control)| SandboxAddresses {
                    rest,
                    gateway,
                    control,
                }),
            logs: self.data_dir.logs(),
            pids: Pids {
                daemons: DAEMONS
                    .iter()
                    .map(|row| (row.name.to_owned(), None))
                    .collect(),
                ..Pids::default()
            },
        }
    }

    /// Internal address of a cluster; `None` when its port would lie above 65535.
    pub fn iserver(&self, cluster: u16) -> Option<Url> {
        reach(self.config.iserver_address(ClusterId(cluster))?).ok()
    }
}

impl Bound {
    /// Binds the listeners of a daemon. The ports that were really taken go back into `config`.
    fn bind(row: &'static Daemon, ports: Ports, config: &mut Config) -> Result<Self> {
        let mut bound = Self {
            row,
            listeners: Vec::new(),
            addresses: Vec::new(),
        };
        for socket in row.sockets {
            let (ip, port) = match socket.port {
                PortOf::Config(place) => {
                    let (ip, port) = place(config);
                    (ip, *port)
                }
                PortOf::Fixed(port) => (LOOPBACK, port),
            };
            let listener = ports.bind(socket.what, socket.key, ip, port)?;
            let address = listener.local_addr()?;
            bound.addresses.push((address, reach(address)?));
            bound.listeners.push(listener);
        }
        Ok(bound)
    }
}

/// The credentials of the sandbox's `small` world.
fn simulated_account(config: &mut Config) -> Result<()> {
    config.meta.proxy = None;
    config.discord_auth.token = Some(small::bot_token().into());
    config.discord_auth.client_id = Some(small::APPLICATION.to_string().parse()?);
    config.discord_auth.client_secret = Some(small::CLIENT_SECRET.into());
    config.discord_auth.root_users = vec![small::OWNER.to_string().parse()?];
    config.servers.main = Some(small::GUILDS[0].to_string().parse()?);
    Ok(())
}

/// How this machine reaches a listener.
fn reach(address: SocketAddr) -> Result<Url> {
    let ip = match address.ip() {
        ip if ip.is_unspecified() => LOOPBACK,
        ip => ip,
    };
    Ok(format!("http://{}", SocketAddr::new(ip, address.port())).parse()?)
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

/// Checks that every binary of the daemons is there, and says where.
fn installed(rows: impl Iterator<Item = &'static Daemon>) -> Result<PathBuf> {
    let mut dir = PathBuf::new();
    for row in rows {
        let own = row.program();
        for name in [own.as_str()].iter().chain(row.programs) {
            dir = sibling(name)?
                .parent()
                .context("the program has no directory")?
                .to_owned();
        }
    }
    Ok(dir)
}
