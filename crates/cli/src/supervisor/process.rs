//! One process of a daemon: started in a process group of its own with the listeners of the
//! supervisor and an append-only log.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use splashtail_core::lifecycle::{READY_VARIABLE, SUPERVISOR_VARIABLE};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use url::Url;

use super::daemons::{Deadlines, OnReload};

/// The first inherited descriptor, as in systemd's socket activation (sd_listen_fds(3)).
const FIRST_LISTENER_FD: i32 = 3;
/// What systemd said to the supervisor is not for its children (sd_notify(3), sd_listen_fds(3)).
const OF_THE_SUPERVISOR: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
];

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
    /// Answers `/readyz` and `/livez`.
    pub health: Url,
    pub on_reload: OnReload,
    pub deadlines: Deadlines,
}

/// A process that runs.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: u32,
    /// Length of the log when it began.
    log_start: u64,
}

/// The word of a successor that it is ready.
#[derive(Debug)]
pub struct ReadySignal(pipe::Receiver);

impl ReadySignal {
    /// `false`: it never will be.
    pub async fn wait(&mut self) -> bool {
        matches!(self.0.read(&mut [0]).await, Ok(1))
    }
}

impl Process {
    /// # Errors
    /// The program is missing or busy, or there is no memory or descriptor for it.
    pub fn start(spec: &DaemonSpec) -> io::Result<Self> {
        Self::spawn(spec, None)
    }

    /// A process that takes no connections before it is ready, which it says.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_successor(spec: &DaemonSpec) -> io::Result<(Self, ReadySignal)> {
        let (reader, writer) = io::pipe()?;
        let ready = pipe::Receiver::from_owned_fd(reader.into())?;
        Ok((Self::spawn(spec, Some(writer.into()))?, ReadySignal(ready)))
    }

    fn spawn(spec: &DaemonSpec, ready: Option<OwnedFd>) -> io::Result<Self> {
        let log_start = log_length(&spec.log);
        let mut command = command(spec)?;
        let mut inherited = Vec::with_capacity(spec.listeners.len() + 1);
        for listener in &spec.listeners {
            inherited.push(OwnedFd::from(listener.try_clone()?));
        }
        if !spec.listeners.is_empty() {
            command.env("LISTEN_FDS", spec.listeners.len().to_string());
        }
        if let Some(ready) = ready {
            let number = FIRST_LISTENER_FD as usize + inherited.len();
            command.env(READY_VARIABLE, number.to_string());
            inherited.push(ready);
        }
        let mappings = (FIRST_LISTENER_FD..).zip(inherited);
        let mappings = mappings.map(|(child_fd, parent_fd)| FdMapping {
            parent_fd,
            child_fd,
        });
        command
            .fd_mappings(mappings.collect())
            .map_err(|collision| io::Error::other(collision.to_string()))?;
        let child = command.spawn().map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot start {}: {error}", spec.program.display()),
            )
        })?;
        let pid = child
            .id()
            .ok_or_else(|| io::Error::other("the process has no id"))?;
        Ok(Self {
            child,
            pid,
            log_start,
        })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Signals the whole process group.
    pub fn signal(&self, signal: Signal) {
        if let (Some(_), Ok(pid)) = (self.child.id(), i32::try_from(self.pid)) {
            // ESRCH: it ended in this moment.
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }

    /// Asks the process to end, kills it when it takes too long, and waits for its end. Says
    /// whether it ended by itself.
    pub async fn stop(&mut self, deadline: std::time::Duration) -> io::Result<bool> {
        self.signal(Signal::SIGTERM);
        if let Ok(status) = tokio::time::timeout(deadline, self.wait()).await {
            return status.map(|_| true);
        }
        self.signal(Signal::SIGKILL);
        self.wait().await.map(|_| false)
    }

    /// What it wrote to its log, at most the last 4 KiB.
    pub fn log_tail(&self, log: &Path) -> String {
        read_tail(log, self.log_start).unwrap_or_default()
    }
}

fn command(spec: &DaemonSpec) -> io::Result<Command> {
    let log = open_log(&spec.log)?;
    let mut command = Command::new(&spec.program);
    for name in OF_THE_SUPERVISOR {
        command.env_remove(name);
    }
    command
        .args(&spec.args)
        .envs(spec.env.iter().map(|(key, value)| (key, value)))
        .env(SUPERVISOR_VARIABLE, std::process::id().to_string())
        .env_remove(READY_VARIABLE)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0);
    Ok(command)
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
    // A log that is shorter than it was has been begun anew since.
    let from = if from > length { 0 } else { from };
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

/// How a process ended, in words.
pub fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => match Signal::try_from(signal) {
            Ok(signal) => signal.to_string(),
            Err(_) => format!("signal {signal}"),
        },
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::keeper::tests::spec;

    #[test]
    fn what_systemd_told_the_supervisor_stays_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let command = command(&spec(directory.path(), "true")).unwrap();
        let removed: Vec<_> = command
            .as_std()
            .get_envs()
            .filter_map(|(name, value)| value.is_none().then(|| name.to_str()).flatten())
            .collect();
        for name in OF_THE_SUPERVISOR.iter().chain([&READY_VARIABLE]) {
            assert!(removed.contains(name), "{name} reaches the daemon");
        }
    }

    #[test]
    fn a_log_that_was_begun_anew_has_a_tail() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("daemon.log");
        std::fs::write(&log, "of an earlier run\nof this run\n").unwrap();
        assert_eq!(read_tail(&log, 18).unwrap(), "of this run");
        std::fs::write(&log, "panicked\n").unwrap();
        assert_eq!(read_tail(&log, 18).unwrap(), "panicked");
    }

    #[test]
    fn ends_are_told_in_words() {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(describe(ExitStatus::from_raw(6)), "SIGABRT");
        assert_eq!(describe(ExitStatus::from_raw(1 << 8)), "exit code 1");
    }
}
