//! Cluster processes: starting, signalling, watching, telling them apart.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use chrono::{DateTime, Utc};
use nix::errno::Errno;
use nix::sys::signal::{self, killpg};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, WaitOptions, pidfd_open, waitpid};
use secrecy::ExposeSecret;
use splashtail_core::ids::ClusterId;
use splashtail_ipc::args::ClusterArgs;
use splashtail_ipc::launcher::END_FILE_VARIABLE;
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};
use tracing::warn;

use crate::fleet::{Exit, ProcessId, Signal, Spawn};
use crate::settings::{ArgvStyle, Program, is_private_variable};

/// A process of ours, not yet awaited.
#[derive(Debug)]
pub struct Started {
    pub id: ProcessId,
    pub child: Child,
}

/// Starts a cluster in a process group of its own, so that a signal reaches what it starts too,
/// and a terminal's interrupt does not reach it. There is no parent-death signal: clusters outlive
/// the clusterer and are adopted by the next one.
///
/// # Errors
/// The program cannot be run or the log file not be opened.
pub fn start(program: &Program, spawn: &Spawn) -> io::Result<Started> {
    fs::create_dir_all(&program.dir)?;
    let log = open_log(&program.logs, spawn.cluster)?;
    let mut command = Command::new(&program.path);
    command
        .args(&program.leading)
        .args(arguments(program, spawn))
        .current_dir(&program.dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_private_variable(name)) {
        command.env_remove(name);
    }
    for (name, value) in &program.env {
        command.env(name, value.expose_secret());
    }
    command
        .env_remove("IDENTIFY_NOT_BEFORE")
        .env_remove("IDENTIFY_FLOORS");
    if let Some(latest) = spawn.floors.values().max() {
        let floor = |(key, at): (&u16, &DateTime<Utc>)| format!("{key}={}", at.timestamp_millis());
        let floors: Vec<_> = spawn.floors.iter().map(floor).collect();
        command
            .env("IDENTIFY_NOT_BEFORE", latest.timestamp_millis().to_string())
            .env("IDENTIFY_FLOORS", floors.join(","));
    }
    if spawn.gateway_url.is_empty() || !program.knows_gateway {
        command.env_remove("CLUSTER_GATEWAY");
    } else {
        command.env(
            "CLUSTER_GATEWAY",
            format!("{} {}", spawn.max_concurrency, spawn.gateway_url),
        );
    }
    let end_file = end_file(program, spawn.cluster);
    // What an earlier process left there would be taken for the word of one with the same number.
    match fs::remove_file(&end_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    command.env(END_FILE_VARIABLE, end_file);
    let child = command.spawn().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot run {}: {error}", program.path.display()),
        )
    })?;
    let pid = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .ok_or(io::ErrorKind::NotFound)?;
    // The child is not reaped before it is awaited, so its entry is there even if it ended.
    let id = identify(pid).unwrap_or(ProcessId {
        pid,
        start_ticks: 0,
        executable: String::new(),
    });
    Ok(Started { id, child })
}

/// Where a cluster says why it ended.
pub fn end_file(program: &Program, cluster: ClusterId) -> PathBuf {
    program.dir.join(format!("end-{cluster}.json"))
}

fn arguments(program: &Program, spawn: &Spawn) -> Vec<String> {
    let args = ClusterArgs {
        shards: spawn.shards.clone(),
        shard_count: spawn.shard_count,
        cluster_id: spawn.cluster,
        cluster_name: spawn.name.clone(),
        dir: program.dir.display().to_string(),
        cluster_count: Some(spawn.cluster_count),
        api_url: Some(program.api_url.clone()),
        channel: Some(program.channel.clone()),
        environment: Some(program.environment),
    };
    match program.argv {
        ArgvStyle::Host => args.to_argv(),
        ArgvStyle::Mewld => args.to_mewld_argv(),
    }
}

/// A file and not a pipe: it stays when the clusterer goes.
fn open_log(directory: &Path, cluster: ClusterId) -> io::Result<File> {
    fs::create_dir_all(directory)?;
    let path = directory.join(format!("bot-{cluster}.log"));
    File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// Signals the cluster's process group. A group that is gone is no error.
///
/// # Errors
/// The signal is not permitted.
pub fn send(process: &ProcessId, what: Signal) -> io::Result<()> {
    let signal = match what {
        Signal::Terminate => signal::SIGTERM,
        Signal::Kill => signal::SIGKILL,
    };
    match killpg(Pid::from_raw(process.pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits for the end of a process we started, and ends what it left behind in its group.
pub async fn wait(process: ProcessId, mut child: Child) -> Exit {
    let exit = child.wait().await.map(exit_of).unwrap_or_default();
    end_group(&process);
    exit
}

fn exit_of(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    Exit {
        code: status.code(),
        signal: status.signal(),
        refused: None,
    }
}

fn end_group(process: &ProcessId) {
    // Nobody is left to tell about a failure, and the group is usually empty.
    let _ = send(process, Signal::Kill);
}

/// Asks processes to end, and makes them after the grace. `ends` resolve when they have ended.
pub async fn stop_all(
    processes: &[ProcessId],
    ends: impl IntoIterator<Item = impl Future<Output = Exit>>,
    grace: Duration,
) {
    let signal = |what| {
        for process in processes {
            if let Err(error) = send(process, what) {
                warn!(%error, pid = process.pid, "cannot signal a cluster");
            }
        }
    };
    signal(Signal::Terminate);
    let ended = async {
        for end in ends {
            end.await;
        }
    };
    tokio::pin!(ended);
    if tokio::time::timeout(grace, &mut ended).await.is_err() {
        signal(Signal::Kill);
        if tokio::time::timeout(KILL_GRACE, ended).await.is_err() {
            warn!("a killed cluster has not ended: it hangs in the kernel");
        }
    }
}

/// A killed process ends at once unless the kernel cannot let it.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// A process that an earlier clusterer started.
#[derive(Debug)]
pub struct Adopted {
    process: ProcessId,
    pidfd: AsyncFd<OwnedFd>,
}

impl Adopted {
    /// `None` when the process is gone or the number belongs to another one by now.
    pub fn find(process: &ProcessId) -> Option<Self> {
        let pid = rustix::process::Pid::from_raw(process.pid)?;
        // The descriptor first: from then on the number cannot change its owner unnoticed.
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let now = identify(process.pid).ok()?;
        let same = now.start_ticks == process.start_ticks && now.executable == process.executable;
        if !same || is_zombie(process.pid) {
            return None;
        }
        #[allow(
            deprecated,
            reason = "sound for an owned descriptor; the successor is unsafe to call"
        )]
        let pidfd = AsyncFd::new(pidfd).ok()?;
        Some(Self {
            process: process.clone(),
            pidfd,
        })
    }

    /// Waits for its end. The exit status is known only if it is our own child, as after this
    /// program replaced itself.
    pub async fn wait(self) -> Exit {
        // The descriptor becomes readable when the process ends; an error means it is unusable,
        // and then the process cannot be watched any better.
        let _ = self
            .pidfd
            .readable()
            .await
            .map(|mut ready| ready.retain_ready());
        let reaped = rustix::process::Pid::from_raw(self.process.pid)
            .and_then(|pid| waitpid(Some(pid), WaitOptions::NOHANG).ok().flatten());
        end_group(&self.process);
        match reaped {
            Some((_, status)) => Exit {
                code: status.exit_status(),
                signal: status.terminating_signal(),
                refused: None,
            },
            None => Exit::default(),
        }
    }
}

/// Identity of a live process.
///
/// # Errors
/// There is no such process, or it belongs to someone else.
pub fn identify(pid: i32) -> io::Result<ProcessId> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let start_ticks = stat_field(&stat, 22)
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let executable = fs::read_link(format!("/proc/{pid}/exe"))?
        .display()
        .to_string();
    // An executable that was replaced since is still the one that was started.
    let executable = executable
        .strip_suffix(" (deleted)")
        .unwrap_or(&executable)
        .to_owned();
    Ok(ProcessId {
        pid,
        start_ticks,
        executable,
    })
}

pub(crate) fn is_zombie(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| matches!(stat_field(&stat, 3), Some("Z" | "X")))
}

/// Field `number` of proc(5) stat, counted from 1. The second one is a name in parentheses that
/// may contain anything.
pub(crate) fn stat_field(stat: &str, number: usize) -> Option<&str> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number.checked_sub(3)?)
}

/// Identifies this boot of the machine: process numbers mean nothing across boots.
pub fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// When a process announces its log's beginning.
pub fn mark_log(directory: &Path, cluster: ClusterId, at: DateTime<Utc>, text: &str) {
    if let Ok(mut log) = open_log(directory, cluster) {
        // The mark is a courtesy to the reader of the log.
        let _ = writeln!(log, "--- {} {text}", at.to_rfc3339());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_cannot_shift_the_fields() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 6 7";
        assert_eq!(stat_field(stat, 3), Some("S"));
        assert_eq!(stat_field(stat, 22), Some("12345"));
        assert_eq!(stat_field("", 22), None);
    }

    #[tokio::test]
    async fn the_word_of_an_earlier_process_is_gone_before_the_next_one_starts() {
        let directory = tempfile::tempdir().unwrap();
        let program = Program {
            path: "/bin/true".into(),
            leading: Vec::new(),
            dir: directory.path().to_owned(),
            argv: ArgvStyle::Host,
            env: Vec::new(),
            knows_gateway: false,
            logs: directory.path().join("logs"),
            api_url: "http://localhost".to_owned(),
            channel: "channel".to_owned(),
            environment: splashtail_core::environment::Environment::Staging,
        };
        let spawn = Spawn {
            cluster: ClusterId(0),
            incarnation: 1,
            name: "Flare".to_owned(),
            shards: Vec::new(),
            shard_count: 1,
            cluster_count: 1,
            floors: std::collections::BTreeMap::new(),
            gateway_url: String::new(),
            max_concurrency: 1,
        };
        let file = end_file(&program, spawn.cluster);
        for _ in 0..2 {
            let started = start(&program, &spawn).unwrap();
            assert!(!file.exists());
            wait(started.id, started.child).await;
            fs::write(&file, "{}").unwrap();
        }
    }

    #[tokio::test]
    async fn a_process_is_found_again_until_it_ends() {
        let mut child = Command::new("sleep")
            .arg("600")
            .process_group(0)
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        let process = identify(pid).unwrap();
        let adopted = Adopted::find(&process).unwrap();
        let other = ProcessId {
            start_ticks: process.start_ticks + 1,
            ..process.clone()
        };
        assert!(Adopted::find(&other).is_none());
        let other = ProcessId {
            executable: "/bin/other".to_owned(),
            ..process.clone()
        };
        assert!(Adopted::find(&other).is_none());
        send(&process, Signal::Terminate).unwrap();
        adopted.wait().await;
        let _ = child.wait().await;
        assert!(Adopted::find(&process).is_none());
        send(&process, Signal::Kill).unwrap();
    }
}
