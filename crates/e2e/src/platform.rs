//! The whole platform as an operator starts it: `splashtail up --json --free-ports`, real
//! processes, a data directory of its own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use splashtail::supervisor::report::Ready;
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox_world::openapi::complaints;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::browser::website;
use crate::object_server::{ACCESS_KEY, BUCKET, ObjectServer, SECRET_KEY};
use crate::transcript::Witness;

/// The one user who may open the clusters' dashboard.
pub const OPERATOR: &str = "1100000000000000010";

/// Cold start of every daemon, debug build, two busy cores.
const START_LIMIT: Duration = Duration::from_secs(240);
/// The promise of Ctrl-C is 10 s; what exceeds this is a hang.
const STOP_LIMIT: Duration = Duration::from_secs(90);

/// So long may a healthy bot wait for its turn on a busy machine without being taken for hung.
const PING_TIMEOUT_S: u32 = 30;

/// Which row of every seam the platform runs on.
#[derive(Debug)]
pub enum Engines {
    /// SQLite, unix-socket hub, local objects.
    Embedded,
    /// PostgreSQL, Redis, an S3-compatible server.
    Production {
        database_url: String,
        redis_url: String,
        objects: ObjectServer,
    },
}

impl Engines {
    /// The production row, on the engines that the test command started: a database of its own,
    /// and on Redis a channel of its own.
    ///
    /// # Errors
    /// `DATABASE_URL` or `REDIS_URL` is not set, or the database cannot be created.
    pub async fn production(scratch: &Path) -> Result<Self> {
        let admin = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
        let redis = std::env::var("REDIS_URL").context("REDIS_URL is not set")?;
        let name = format!("e2e_{}", uuid::Uuid::new_v4().simple());
        create_database(&admin, &name).await?;
        let mut database_url = url::Url::parse(&admin)?;
        database_url.set_path(&name);
        Ok(Self::Production {
            database_url: database_url.into(),
            redis_url: format!("{}/0", redis.trim_end_matches('/')),
            objects: ObjectServer::start(&scratch.join("bucket")).await?,
        })
    }

    fn config(&self, channel: &str, meta: &[(&str, &str)]) -> String {
        let meta: String = meta
            .iter()
            .map(|(key, value)| format!("  {key}: {value}\n"))
            .collect();
        match self {
            Self::Embedded if meta.is_empty() => "meta: {}\n".to_owned(),
            Self::Embedded => format!("meta:\n{meta}"),
            Self::Production {
                database_url,
                redis_url,
                objects,
            } => format!(
                "meta:\n{meta}  postgres_url: \"{database_url}\"\n  redis_url: \"{redis_url}\"\n\
                 object_storage:\n  type: s3-like\n  path: {BUCKET}\n  endpoint: \"{}\"\n  \
                 access_key: {ACCESS_KEY}\n  secret_key: {SECRET_KEY}\n  secure: false\n  \
                 cdn_secure: false\n# channel {channel}\n",
                objects.endpoint()
            ),
        }
    }
}

async fn create_database(admin: &str, name: &str) -> Result<()> {
    use sqlx::{Connection, Executor};
    let mut connection = sqlx::PgConnection::connect(admin)
        .await
        .context("PostgreSQL")?;
    connection
        .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await?;
    connection.close().await?;
    Ok(())
}

/// A running platform. Dropping it kills the supervisor, which takes everything along.
pub struct Platform {
    // Asks the sandbox, so it goes before the platform does.
    _witness: Witness,
    child: Child,
    pub ready: Ready,
    pub control: ControlClient,
    dir: TempDir,
    engines: Engines,
}

/// Where the platform keeps its rows.
#[derive(Debug)]
pub enum Database<'a> {
    Sqlite(PathBuf),
    Postgres(&'a str),
}

impl Platform {
    /// Starts everything and waits until it says that it is ready. `plans` is the body of
    /// `plans.free`, one `key: value` per line, or empty for the defaults.
    ///
    /// # Errors
    /// With the tail of every log when the platform does not come up.
    pub async fn start(dir: TempDir, engines: Engines, plans: &[(&str, u64)]) -> Result<Self> {
        let mut more = String::new();
        if !plans.is_empty() {
            more.push_str("plans:\n  free:\n");
            for (key, value) in plans {
                more.push_str(&format!("    {key}: {value}\n"));
            }
        }
        Self::start_with(dir, engines, &more).await
    }

    /// [`Platform::start`] with more groups of the configuration.
    ///
    /// # Errors
    /// With the tail of every log when the platform does not come up.
    pub async fn start_with(dir: TempDir, engines: Engines, more: &str) -> Result<Self> {
        Self::start_configured(dir, engines, &[], more).await
    }

    /// [`Platform::start_with`] with more keys of the group `meta`, too.
    ///
    /// # Errors
    /// With the tail of every log when the platform does not come up.
    pub async fn start_configured(
        dir: TempDir,
        engines: Engines,
        meta: &[(&str, &str)],
        more: &str,
    ) -> Result<Self> {
        let root = dir.path();
        let channel = format!("ar_clusters/{}", uuid::Uuid::new_v4().simple());
        let mut config = engines.config(&channel, meta);
        config.push_str(more);
        let config_path = root.join("config.yaml");
        std::fs::write(&config_path, config)?;
        // It may hold secrets.
        std::fs::set_permissions(&config_path, Permissions::from_mode(0o600))?;
        std::fs::write(
            root.join("mewld-staging.yaml"),
            format!(
                "names: [Flare, Waffle, Aqua]\nper_cluster: 2\nredis_channel: {channel}\n\
                 ping_timeout: {PING_TIMEOUT_S}\nminimum_safe_sessions_remaining: 3\n\
                 allowed_ids: [\"{OPERATOR}\"]\n"
            ),
        )?;

        let website = website();
        let page = Some(website.join("build-sandbox")).filter(|page| page.is_dir());
        let page = page.map(|page| format!("--page-dir={}", page.display()));
        let mut child = Command::new(binary("splashtail"))
            .args(["up", "--json", "--free-ports", "--config"])
            .arg(&config_path)
            .arg("--data-dir")
            .arg(root.join("data"))
            .arg("--site-dir")
            .arg(website.join("build"))
            .args(page)
            .env("SPLASHTAIL_SANDBOX_STRICT_OPENAPI", "true")
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(root.join("up.log"))?)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start splashtail; build the workspace's binaries first")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = match timeout(START_LIMIT, lines.next_line()).await {
            Ok(Ok(Some(line))) => line,
            outcome => {
                let logs = logs_of(root);
                drop(child);
                bail!("the platform did not become ready ({outcome:?}):\n{logs}");
            }
        };
        let ready: Ready =
            serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
        let control = &ready
            .sandbox
            .as_ref()
            .context("no sandbox was started")?
            .control;
        let witness = Witness::of(control);
        let control = ControlClient::new(control)?;
        Ok(Self {
            _witness: witness,
            child,
            ready,
            control,
            dir,
            engines,
        })
    }

    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    #[must_use]
    pub fn database(&self) -> Database<'_> {
        match &self.engines {
            Engines::Embedded => Database::Sqlite(self.dir().join("data/splashtail.db")),
            Engines::Production { database_url, .. } => Database::Postgres(database_url),
        }
    }

    /// A token of the user or server, as an operator makes one: `--user` or `--server`, and the id.
    ///
    /// # Errors
    /// The command refuses.
    pub fn token(&self, owner: &str, id: &str) -> Result<String> {
        let made = std::process::Command::new(binary("splashtail"))
            .args(["token", "create", owner, id, "--config"])
            .arg(self.dir().join("config.yaml"))
            .arg("--data-dir")
            .arg(self.dir().join("data"))
            .output()?;
        if !made.status.success() {
            bail!("{}", String::from_utf8_lossy(&made.stderr));
        }
        let said = String::from_utf8(made.stdout)?;
        let token = said.lines().last().context("no token was printed")?;
        Ok(token.trim().to_owned())
    }

    /// The tails of every log, for the message of a failed test.
    #[must_use]
    pub fn logs(&self) -> String {
        logs_of(self.dir.path())
    }

    /// As Ctrl-C does it. Returns the processes of the platform that outlived the supervisor.
    ///
    /// # Errors
    /// It does not end, or anything that was said to or by the sandbox violates Discord's API
    /// description.
    pub async fn stop(mut self) -> Result<Vec<u32>> {
        let complaints = complaints(&self.control.violations().await?);
        if !complaints.is_empty() {
            bail!(
                "Discord's API description is violated:\n{}",
                complaints.join("\n")
            );
        }
        let pids = &self.ready.pids;
        let mut all = vec![pids.splashtail];
        all.extend(pids.daemons.values().flatten());
        all.extend(pids.bot.values());
        signal(pids.splashtail, Signal::SIGINT)?;
        let status = timeout(STOP_LIMIT, self.child.wait())
            .await
            .context("it does not stop")??;
        if !status.success() {
            bail!("the supervisor ended with {status}:\n{}", self.logs());
        }
        Ok(all.into_iter().filter(|pid| is_alive(*pid)).collect())
    }
}

/// # Errors
/// There is no such process.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    kill(Pid::from_raw(i32::try_from(pid)?), signal).with_context(|| format!("pid {pid}"))
}

/// Whether the process exists and is not a zombie.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| {
            stat.rsplit_once(')')
                .map(|(_, rest)| rest.trim_start().to_owned())
        })
        .is_some_and(|rest| !rest.starts_with(['Z', 'X']))
}

/// The test binary lives in `<target>/<profile>/deps`, the daemons one directory above.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    if let Some(dir) = std::env::var_os("SPLASHTAIL_BIN_DIR") {
        return Path::new(&dir).join(name);
    }
    let own = std::env::current_exe().unwrap_or_default();
    let deps = own.parent().unwrap_or(Path::new("."));
    let dir = if deps.ends_with("deps") {
        deps.parent().unwrap_or(deps)
    } else {
        deps
    };
    dir.join(name)
}

fn logs_of(root: &Path) -> String {
    let mut paths = vec![root.join("up.log")];
    if let Ok(entries) = std::fs::read_dir(root.join("data/logs")) {
        paths.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    let mut text = String::new();
    for path in paths {
        let log = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(25)..].join("\n");
        text.push_str(&format!("--- {}\n{tail}\n", path.display()));
    }
    text
}
