//! One supervised daemon: spawned in its own process group with its listeners and an append-only
//! log, started again with backoff when it ends on its own, stopped with SIGTERM.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use splashtail_core::clock::SharedClock;
use splashtail_core::lifecycle::SUPERVISOR_VARIABLE;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The first inherited descriptor, as in systemd's socket activation (sd_listen_fds(3)).
const FIRST_LISTENER_FD: i32 = 3;
/// A daemon that ran this long had started properly: its next restart waits the shortest time.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// What a daemon does when the operator asks for a reload (SIGHUP).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReload {
    /// It ends gracefully and is started again, which also picks up a new binary. Its listeners stay
    /// open meanwhile, so nobody is refused.
    Restart,
    /// It gets the signal and looks after itself.
    Signal,
    /// Nothing: its state is in memory.
    Nothing,
}

/// What to start. Listeners are bound by the supervisor and survive the daemon, so a restart
/// never loses its port.
#[derive(Debug)]
pub struct DaemonSpec {
    pub name: &'static str,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(&'static str, String)>,
    pub listeners: Vec<TcpListener>,
    pub log: PathBuf,
    pub on_reload: OnReload,
}

/// A daemon ended without being told to.
#[derive(Debug)]
pub struct UnexpectedExit {
    pub name: &'static str,
    pub status: String,
    /// How many times in a row it ended before it had run for a minute.
    pub quick_exits: u32,
    /// What it wrote to its log in this run, at most the last 4 KiB.
    pub log_tail: String,
}

#[derive(Debug, Clone, Default)]
pub struct PidCell(Arc<Mutex<Option<u32>>>);

impl PidCell {
    pub fn get(&self) -> Option<u32> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, pid: Option<u32>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    }
}

/// Runs the daemon until `stop` is cancelled and it has ended. Each change of `reload` is a SIGHUP.
///
/// # Errors
/// The program cannot be started at all (missing, not executable).
pub async fn supervise(
    spec: DaemonSpec,
    pid: PidCell,
    stop: CancellationToken,
    mut reload: watch::Receiver<u64>,
    exits: mpsc::UnboundedSender<UnexpectedExit>,
    clock: SharedClock,
) -> io::Result<()> {
    let mut quick_exits = 0;
    let mut backoff = FIRST_BACKOFF;
    loop {
        let log_start = log_length(&spec.log);
        let mut child = spawn(&spec)?;
        pid.set(child.id());
        let started = clock.monotonic();
        let ended = loop {
            tokio::select! {
                status = child.wait() => break Some(status?),
                () = stop.cancelled() => break None,
                Ok(()) = reload.changed() => match spec.on_reload {
                    OnReload::Restart => break None,
                    OnReload::Signal => terminate(&child, Signal::SIGHUP),
                    OnReload::Nothing => {}
                },
            }
        };
        let Some(status) = ended else {
            terminate(&child, Signal::SIGTERM);
            let status = child.wait().await?;
            pid.set(None);
            info!(daemon = spec.name, %status, "stopped");
            if stop.is_cancelled() {
                return Ok(());
            }
            continue;
        };
        pid.set(None);
        if clock.monotonic().saturating_sub(started) >= HEALTHY_AFTER {
            quick_exits = 0;
            backoff = FIRST_BACKOFF;
        }
        quick_exits += 1;
        warn!(daemon = spec.name, status = %describe(status), restart_in_ms = backoff.as_millis() as u64,
            "ended unexpectedly, starting it again");
        let log_tail = read_tail(&spec.log, log_start).unwrap_or_default();
        // The receiver is gone only while the supervisor itself is ending.
        let _ = exits.send(UnexpectedExit {
            name: spec.name,
            status: describe(status),
            quick_exits,
            log_tail,
        });
        tokio::select! {
            () = clock.sleep(backoff) => {}
            () = stop.cancelled() => return Ok(()),
        }
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

fn spawn(spec: &DaemonSpec) -> io::Result<Child> {
    let log = open_log(&spec.log)?;
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.args)
        .envs(spec.env.iter().map(|(key, value)| (key, value)))
        .env(SUPERVISOR_VARIABLE, std::process::id().to_string())
        .env_remove("LISTEN_PID")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0);
    if spec.listeners.is_empty() {
        command.env_remove("LISTEN_FDS");
    } else {
        command.env("LISTEN_FDS", spec.listeners.len().to_string());
        let mut mappings = Vec::with_capacity(spec.listeners.len());
        for (child_fd, listener) in (FIRST_LISTENER_FD..).zip(&spec.listeners) {
            let parent_fd = OwnedFd::from(listener.try_clone()?);
            mappings.push(FdMapping {
                parent_fd,
                child_fd,
            });
        }
        command
            .fd_mappings(mappings)
            .map_err(|collision| io::Error::other(collision.to_string()))?;
    }
    command.spawn().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot start {}: {error}", spec.program.display()),
        )
    })
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn log_length(path: &Path) -> u64 {
    path.metadata().map(|metadata| metadata.len()).unwrap_or(0)
}

fn read_tail(path: &Path, from: u64) -> io::Result<String> {
    const TAIL: u64 = 4096;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL))))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(String::from_utf8_lossy(&tail).trim_end().to_owned())
}

/// The newest line of a log; `None` when there is none.
pub fn last_line(path: &Path) -> Option<String> {
    let tail = read_tail(path, 0).ok()?;
    Some(tail.lines().next_back()?.to_owned())
}

/// Signals the whole process group of a daemon that is still there.
pub fn terminate(child: &Child, signal: Signal) {
    if let Some(pid) = child.id() {
        signal_group(pid, signal);
    }
}

pub fn signal_group(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // ESRCH: it ended in this moment.
        let _ = killpg(Pid::from_raw(pid), signal);
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}
