//! A clusterer with its clusters on a simulated Discord, without the rest of the platform: for
//! what has to be seen from outside the fleet.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use splashtail_api_types::clusters::InstanceList;
use splashtail_core::clock::{Clock, SystemClock};
use splashtail_core::config::BusTarget;
use splashtail_core::ids::ClusterId;
use splashtail_core::port_block::PortBlock;
use splashtail_ipc::bus::{self, Bus, Subscription};
use splashtail_ipc::clients::ClustererClient;
use splashtail_ipc::hub::Hub;
use splashtail_ipc::launcher::LauncherCmd;
use splashtail_ipc::signing::Signer;
use splashtail_sandbox::control::types::SessionInfo;
use splashtail_sandbox::gateway::Settings;
use splashtail_sandbox::server::Running;
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::journal::{Entry, Record};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::platform::{binary, is_alive, signal};
use crate::transcript::Witness;

const SECRET: &str = "a-secret-of-the-api-with-enough-characters";
/// Bot of the sandbox's `small` world (decisions, "Sandbox" 33).
const APPLICATION: u64 = 1_100_000_000_000_000_001;

/// Longer than anything takes that is only late because the machine is busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// What the clusters run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BotProgram {
    /// `splashtail-bot` with the host's arguments.
    Ours,
    /// `splashtail-bot` with mewld's six arguments.
    OursUnderMewld,
    /// `protocol_bot/bot.py`, which knows only mewld's protocol.
    Protocol,
}

/// How a fleet is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub bot: BotProgram,
    pub shards: u16,
    pub per_cluster: u16,
    /// What the simulated Discord allows.
    pub max_concurrency: u32,
}

/// Everything ends when it is dropped.
pub struct Fleet {
    _witness: Witness,
    pub sandbox: Running,
    pub bus: Arc<dyn Bus>,
    pub channel: String,
    layout: Layout,
    /// One, or those that share the shards.
    hosts: Vec<Host>,
    /// The IServers count up from the first of these, the hosts down from the last.
    _ports: PortBlock,
    hub: CancellationToken,
}

/// A clusterer with a directory of its own.
struct Host {
    clusterer: Child,
    program: PathBuf,
    port: u16,
    dir: TempDir,
}

/// What all hosts have in common.
struct Common<'a> {
    layout: Layout,
    channel: &'a str,
    token: &'a str,
    rest: &'a str,
    iservers: u16,
    /// Of the clusters, one `NAME=value` a line.
    variables: String,
}

impl Fleet {
    /// Starts the clusterer and returns at once; `redis_url` of `None` means the unix-socket hub.
    ///
    /// # Errors
    /// Something cannot be started.
    pub async fn start(layout: Layout, redis_url: Option<&str>) -> Result<Self> {
        Self::start_with(layout, &[], redis_url, "").await
    }

    /// On several hosts, each with its `shard_range`, or on one when there is none. `variables` are
    /// further ones for the clusters, one `NAME=value` a line.
    ///
    /// # Errors
    /// Something cannot be started.
    pub async fn start_with(
        layout: Layout,
        ranges: &[&str],
        redis_url: Option<&str>,
        variables: &str,
    ) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Arc::new(SandboxClock::new(SystemClock.now()));
        let sandbox =
            splashtail_sandbox::server::start("small", 1, clock, Settings::default(), true).await?;
        let token = sandbox.edge.sandbox.with_world(|world| {
            let app = world
                .apps
                .values_mut()
                .find(|app| app.id.0 == APPLICATION)?;
            app.shards = u32::from(layout.shards);
            app.max_concurrency = layout.max_concurrency;
            Some(app.token.clone())
        });
        let token = token.context("the world has no bot")?;

        let channel = format!("ar_clusters/{}", uuid::Uuid::new_v4().simple());
        let gateway = sandbox.gateway.as_str().trim_end_matches('/');
        let ports = PortBlock::claim(Ipv4Addr::LOCALHOST.into()).context("no free ports")?;
        let common = Common {
            layout,
            channel: &channel,
            token: &token,
            rest: sandbox.rest.as_str().trim_end_matches('/'),
            iservers: ports.base(),
            variables: format!("GATEWAY_URL={gateway}\n{variables}"),
        };
        let mut dirs = Vec::new();
        for _ in 0..ranges.len().max(1) {
            let dir = TempDir::new()?;
            fs::create_dir_all(dir.path().join("data/bot"))?;
            dirs.push(dir);
        }
        let hub = CancellationToken::new();
        let (target, address) = match redis_url {
            Some(url) => (BusTarget::Redis(url.into()), url.to_owned()),
            None => {
                let data = dirs[0].path().join("data");
                let socket = data.join("bus.sock");
                let log = data.join("clusterer/actlogs.jsonl");
                tokio::spawn(Hub::bind(&socket, &channel, &log)?.serve(hub.clone()));
                let address = format!("unix:{}", socket.display());
                (BusTarget::Hub(socket), address)
            }
        };
        let mut hosts = Vec::new();
        let last = ports.base() + PortBlock::PORTS - 1;
        for ((index, dir), port) in dirs.into_iter().enumerate().zip((0..=last).rev()) {
            let range = ranges.get(index).copied();
            hosts.push(Host::start(dir, port, &common, &address, range).await?);
        }
        Ok(Self {
            _witness: Witness::near(&sandbox.edge),
            bus: bus::connect(&target, &channel)?,
            sandbox,
            channel,
            layout,
            hosts,
            _ports: ports,
            hub,
        })
    }

    /// `splashtail clusters` as an operator runs it on one of the hosts.
    #[must_use]
    pub fn operator(&self, host: usize, arguments: &[&str]) -> Command {
        let dir = self.hosts[host].dir.path();
        let mut command = Command::new(binary("splashtail"));
        command
            .arg("clusters")
            .args(arguments)
            .arg("--config")
            .arg(dir.join("config.yaml"))
            .arg("--data-dir")
            .arg(dir.join("data"))
            .kill_on_drop(true);
        command
    }

    /// # Errors
    /// The client cannot be built.
    pub fn client(&self) -> Result<ClustererClient> {
        let signer = Signer::new("api", SECRET.into(), "", SystemClock::shared());
        let address = format!("http://127.0.0.1:{}", self.hosts[0].port).parse()?;
        Ok(ClustererClient::new(address, &signer)?)
    }

    #[must_use]
    pub fn cluster_count(&self) -> usize {
        usize::from(self.layout.shards.div_ceil(self.layout.per_cluster))
    }

    /// Process number of the first host's clusterer.
    ///
    /// # Errors
    /// It has ended.
    pub fn clusterer_pid(&self) -> Result<u32> {
        self.hosts[0].pid()
    }

    /// # Errors
    /// With the logs, when it does not happen in time.
    pub async fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        check: impl Fn(&InstanceList) -> Option<T>,
    ) -> Result<T> {
        let client = self.client()?;
        let mut last = None;
        let reached = async {
            loop {
                if let Ok(list) = client.instance_list().await {
                    if let Some(found) = check(&list) {
                        return found;
                    }
                    last = Some(list);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(limit, reached).await {
            Ok(found) => Ok(found),
            Err(_) => bail!("not in time: {what}\n{last:?}\n{}", self.logs()),
        }
    }

    /// All clusters launched, and all shards answered a ping since.
    ///
    /// # Errors
    /// With the logs, when it does not happen in time.
    pub async fn until_up(&self, limit: Duration) -> Result<InstanceList> {
        self.until("the fleet is up and healthy", limit, |list| {
            let healthy = |instance: &splashtail_api_types::clusters::Instance| {
                let health = instance.cluster_health.as_deref().unwrap_or_default();
                instance.active
                    && instance.launched_fully
                    && health.len() == instance.shards.len()
                    && health.iter().all(|shard| shard.up)
            };
            (list.fully_up && list.instances.iter().all(healthy)).then(|| list.clone())
        })
        .await
    }

    /// Entries of one event in the action log, oldest first.
    ///
    /// # Errors
    /// The clusterer does not answer.
    pub async fn events(&self, event: &str) -> Result<Vec<Value>> {
        let log = self.client()?.action_logs().await?;
        Ok(log
            .into_iter()
            .filter(|entry| entry["event"] == event)
            .collect())
    }

    /// Connected sessions of Discord, by shard.
    ///
    /// # Errors
    /// The control API does not answer.
    pub async fn sessions(&self) -> Result<BTreeMap<u32, String>> {
        let sessions: Vec<SessionInfo> = self.sandbox.client()?.sessions().await?;
        let connected = sessions.into_iter().filter(|session| session.connected);
        Ok(connected
            .map(|session| (session.shard[0], session.session_id))
            .collect())
    }

    /// Moments of the accepted identifies (unix milliseconds), in order.
    ///
    /// # Errors
    /// The control API does not answer.
    pub async fn identifies(&self) -> Result<Vec<i64>> {
        let journal: Vec<Entry> = self.sandbox.client()?.journal(0).await?;
        let ready = |entry: &Entry| {
            matches!(&entry.record, Record::Frame { direction, t: Some(t), .. }
                if direction == "out" && t == "READY")
        };
        Ok(journal
            .iter()
            .filter(|entry| ready(entry))
            .map(|entry| entry.at_ms)
            .collect())
    }

    /// How often anyone tried to identify, refused attempts included.
    ///
    /// # Errors
    /// The control API does not answer.
    pub async fn identify_attempts(&self) -> Result<usize> {
        let journal: Vec<Entry> = self.sandbox.client()?.journal(0).await?;
        let identify = |entry: &&Entry| matches!(&entry.record, Record::Frame { direction, op: 2, .. } if direction == "in");
        Ok(journal.iter().filter(identify).count())
    }

    /// Process numbers by cluster, from what was logged when they started.
    ///
    /// # Errors
    /// The clusterer does not answer.
    pub async fn pids(&self) -> Result<BTreeMap<u64, u32>> {
        let mut pids = BTreeMap::new();
        for entry in self.events("cluster_started").await? {
            if let (Some(id), Some(pid)) = (entry["id"].as_u64(), entry["pid"].as_u64()) {
                pids.insert(id, u32::try_from(pid)?);
            }
        }
        Ok(pids)
    }

    /// One command on the bus, as a bot or an operator's script sends it; its reply.
    ///
    /// # Errors
    /// No reply came in time.
    pub async fn command(&self, action: &str, cluster: Option<u16>) -> Result<Value> {
        let mut replies = self
            .bus
            .subscribe(std::slice::from_ref(&self.channel))
            .await?;
        let id = self.send(action, cluster).await?;
        reply(&mut replies, |command_id| command_id == id).await
    }

    /// Asks again and again, as nobody may be there to hear it; the first reply to any of it.
    ///
    /// # Errors
    /// No reply came in time.
    pub async fn insist(&self, action: &str) -> Result<Value> {
        let channels = std::slice::from_ref(&self.channel);
        let mut replies = self.bus.subscribe(channels).await?;
        let asked = RefCell::new(BTreeSet::new());
        let asks = async {
            loop {
                if let Ok(id) = self.send(action, None).await {
                    asked.borrow_mut().insert(id);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            reply = reply(&mut replies, |id| asked.borrow().contains(id)) => reply,
            () = asks => unreachable!("it asks for ever"),
        }
    }

    /// Publishes a command; its id.
    async fn send(&self, action: &str, cluster: Option<u16>) -> Result<String> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let command = LauncherCmd::command(action, cluster.map(ClusterId), &id);
        self.bus.publish(&self.channel, &command.to_json()).await?;
        Ok(id)
    }

    /// Changes what Discord recommends.
    pub fn recommend_shards(&self, shards: u16) {
        self.sandbox.edge.sandbox.with_world(|world| {
            for app in world.apps.values_mut() {
                app.shards = u32::from(shards);
            }
        });
    }

    /// Sets the flags of the bot's application, which allow privileged intents; returns those of
    /// before.
    pub fn application_flags(&self, flags: u64) -> u64 {
        self.sandbox.edge.sandbox.with_world(|world| {
            let mut apps = world.apps.values_mut();
            let app = apps.find(|app| app.id.0 == APPLICATION);
            app.map_or(0, |app| std::mem::replace(&mut app.flags, flags))
        })
    }

    /// SIGKILL, and a new one on the same data.
    ///
    /// # Errors
    /// It cannot be killed or started.
    pub async fn kill_and_restart_clusterer(&mut self) -> Result<()> {
        self.kill_clusterer(0).await?;
        self.restart_clusterer(0)
    }

    /// SIGKILL to the clusterer of one host; its clusters run on.
    ///
    /// # Errors
    /// It cannot be killed.
    pub async fn kill_clusterer(&mut self, host: usize) -> Result<()> {
        let host = &mut self.hosts[host];
        signal(host.pid()?, Signal::SIGKILL)?;
        host.clusterer.wait().await?;
        Ok(())
    }

    /// A new clusterer on the data of one that was killed.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn restart_clusterer(&mut self, host: usize) -> Result<()> {
        let host = &mut self.hosts[host];
        host.clusterer = spawn_clusterer(&host.program, host.dir.path())?;
        Ok(())
    }

    /// The hub goes, as it does with the supervisor.
    pub fn end_hub(&self) {
        self.hub.cancel();
    }

    /// Puts another file in the program's place and asks the clusterer to become it.
    ///
    /// # Errors
    /// The file cannot be replaced.
    pub async fn upgrade_clusterer(&self) -> Result<()> {
        let program = &self.hosts[0].program;
        let new = program.with_extension("new");
        copy_program(program, &new).await?;
        fs::rename(&new, program)?;
        signal(self.clusterer_pid()?, Signal::SIGHUP)
    }

    /// SIGTERM to every clusterer. Returns the clusters that outlived it, which should be none, and
    /// what Discord's API description forbids and yet was said.
    ///
    /// # Errors
    /// One does not end in order.
    pub async fn stop(mut self) -> Result<(BTreeSet<u32>, Vec<String>)> {
        let pids = self.pids().await?;
        for host in &self.hosts {
            signal(host.pid()?, Signal::SIGTERM)?;
        }
        for index in 0..self.hosts.len() {
            let ended = self.hosts[index].clusterer.wait();
            let ended = tokio::time::timeout(PATIENCE, ended);
            let status = ended.await.context("a clusterer does not stop")??;
            if !status.success() {
                bail!("a clusterer ended with {status}:\n{}", self.logs());
            }
        }
        let violations = self.sandbox.edge.violations().await;
        Ok((
            pids.into_values().filter(|pid| is_alive(*pid)).collect(),
            violations.iter().map(ToString::to_string).collect(),
        ))
    }

    /// The end of each clusterer's log and of each cluster's.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut paths = Vec::new();
        for host in &self.hosts {
            paths.push(host.dir.path().join("clusterer.log"));
            if let Ok(entries) = fs::read_dir(host.dir.path().join("data/logs")) {
                paths.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
            }
        }
        let tail = |path: &PathBuf| {
            let log = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(30)..].join("\n");
            format!("--- {}\n{tail}\n", path.display())
        };
        paths.iter().map(tail).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.hub.cancel();
        // Clusters outlive their clusterer on purpose; a failed test must not leave them behind.
        for pid in self.hosts.iter().flat_map(Host::saved_pids) {
            let _ = signal(pid, Signal::SIGKILL);
        }
    }
}

impl Host {
    async fn start(
        dir: TempDir,
        port: u16,
        common: &Common<'_>,
        bus: &str,
        range: Option<&str>,
    ) -> Result<Self> {
        let data = dir.path().join("data");
        let Common {
            layout,
            channel,
            token,
            rest,
            iservers,
            variables,
        } = common;
        fs::write(
            dir.path().join("config.yaml"),
            format!(
                "discord_auth:\n  token: \"{token}\"\n  client_id: \"{APPLICATION}\"\n\
                 discord:\n  api_base: \"{rest}\"\n  cdn_base: \"{rest}\"\n\
                 meta:\n  redis_url: \"{bus}\"\n  clusterer_port: {port}\n  \
                 bot_iserver_base_port: {iservers}\n  jobserver_secrets:\n    \
                 api: \"{SECRET}\"\n    bot: \"b{SECRET}\"\n    cli: \"c{SECRET}\"\n",
            ),
        )?;
        fs::write(dir.path().join("bot.env"), variables)?;
        let mut file = cluster_file(*layout, channel, &data);
        if let Some(range) = range {
            file.push_str(&format!(
                "shard_range: \"{range}\"\nfixed_shard_count: {}\n",
                layout.shards
            ));
        }
        fs::write(dir.path().join("mewld-staging.yaml"), file)?;
        if layout.bot != BotProgram::Protocol {
            migrate(dir.path()).await?;
        }
        // A copy, so that it can be replaced like an upgrade does.
        let program = dir.path().join("splashtail-clusterer");
        copy_program(&binary("splashtail-clusterer"), &program)
            .await
            .context("build the workspace's binaries first")?;
        Ok(Self {
            clusterer: spawn_clusterer(&program, dir.path())?,
            program,
            port,
            dir,
        })
    }

    fn pid(&self) -> Result<u32> {
        self.clusterer.id().context("the clusterer has ended")
    }

    /// Process numbers that the clusterer wrote down for its successor.
    fn saved_pids(&self) -> Vec<u32> {
        let state = fs::read(self.dir.path().join("data/clusterer/state.json"));
        let state: Value = serde_json::from_slice(&state.unwrap_or_default()).unwrap_or_default();
        let clusters = state["clusters"].as_array().into_iter().flatten();
        clusters
            .filter_map(|cluster| u32::try_from(cluster["process"]["pid"].as_u64()?).ok())
            .collect()
    }
}

/// The output of the first reply to a command whose id is `wanted`.
async fn reply(replies: &mut Subscription, wanted: impl Fn(&str) -> bool) -> Result<Value> {
    let found = async {
        while let Some(message) = replies.next_message().await {
            let message: Value = serde_json::from_str(&message.payload).unwrap_or_default();
            if message["scope"] == "bot" && message["command_id"].as_str().is_some_and(&wanted) {
                return Some(message["output"].clone());
            }
        }
        None
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .context("no reply")?
        .context("the bus ended")
}

/// Seconds until a ping counts as unanswered. Far more than the 3 s of a platform, because on a busy
/// machine a healthy cluster may not get its turn for as long; measurements ask for those.
fn ping_timeout() -> String {
    std::env::var("FLEET_PING_TIMEOUT").unwrap_or_else(|_| "15".to_owned())
}

fn cluster_file(layout: Layout, channel: &str, data: &Path) -> String {
    let mut file = format!(
        "names: [Flare, Waffle, Aqua]\nper_cluster: {}\nredis_channel: {channel}\n\
         cluster_start_next_delay: 0\nminimum_safe_sessions_remaining: 3\n\
         experimental_features: [reshard]\nenv: [bot.env]\nping_timeout: {}\n\
         override_dir: {}\n",
        layout.per_cluster,
        ping_timeout(),
        data.join("bot").display(),
    );
    match layout.bot {
        BotProgram::Ours => {}
        BotProgram::OursUnderMewld => {
            file.push_str("argv: mewld\n");
            file.push_str(&format!("module: {}\n", binary("splashtail-bot").display()));
        }
        BotProgram::Protocol => {
            let bot = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol_bot/bot.py");
            file.push_str("argv: mewld\n");
            file.push_str(&format!(
                "interp: {}\nmodule: {}\n",
                python(),
                bot.display()
            ));
        }
    }
    file
}

/// Past the launchers of version managers, which take longer to start than the bot.
fn python() -> &'static str {
    if Path::new("/usr/bin/python3").exists() {
        "/usr/bin/python3"
    } else {
        "python3"
    }
}

/// Copies in a process of its own. A copy of ours would hold the file open for writing, and a child
/// that another test forks at that moment inherits it: until that child's own exec, running the
/// copy fails with ETXTBSY (execve(2)).
async fn copy_program(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg(from).arg(to).status().await?;
    if !status.success() {
        bail!("cannot copy {}: {status}", from.display());
    }
    Ok(())
}

fn spawn_clusterer(program: &Path, dir: &Path) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(dir.join("clusterer.log"))?;
    let bin = binary("splashtail-bot");
    Command::new(program)
        .arg("--config")
        .arg(dir.join("config.yaml"))
        .args(["--env", "staging"])
        .env(
            "SPLASHTAIL_BIN_DIR",
            bin.parent().context("the bot lies nowhere")?,
        )
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))
}

async fn migrate(dir: &Path) -> Result<()> {
    let output = Command::new(binary("splashtail"))
        .args(["migrate", "--config"])
        .arg(dir.join("config.yaml"))
        .current_dir(dir)
        .output()
        .await?;
    if !output.status.success() {
        bail!("migrate: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
