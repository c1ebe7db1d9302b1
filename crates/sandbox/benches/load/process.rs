//! Processes under measurement: started on the first core, their processor time and memory read
//! from `/proc`.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use command_fds::{CommandFdExt, FdMapping};
use splashtail_sandbox::control::client::ControlClient;
use url::Url;

use crate::table::Rate;

const SANDBOX: &str = env!("CARGO_BIN_EXE_splashtail-sandbox");

/// A process on the first core; killed when dropped.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Starts `program` with `listeners` from descriptor 3 on.
    pub fn start(program: &str, args: &[&str], listeners: Vec<OwnedFd>) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", "0", program]).args(args);
        command.env("LISTEN_FDS", listeners.len().to_string());
        command.env("RUST_LOG", "warn").stdin(Stdio::null());
        let mappings = (3..)
            .zip(listeners)
            .map(|(child_fd, parent_fd)| FdMapping {
                parent_fd,
                child_fd,
            })
            .collect();
        command.fd_mappings(mappings)?;
        let child = command.spawn().context("taskset (util-linux) is needed")?;
        Ok(Self(child))
    }

    /// Processor time so far, in user and kernel, finished threads included.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // The name in parentheses may contain anything; fields count from behind it.
        let (_, fields) = stat.rsplit_once(") ").context("an odd stat file")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        ensure!(fields.len() > 13, "an odd stat file");
        let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        // USER_HZ is 100 on every Linux that Rust runs on.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory now, in bytes.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let kib = line.and_then(|l| l.split_whitespace().next());
        Ok(kib.context("no VmRSS")?.parse::<u64>()? * 1024)
    }
}

/// Keeps this process off the core it measures.
pub fn pin_self() -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    ensure!(cores > 1, "the driver needs a core of its own");
    let pid = std::process::id().to_string();
    let done = Command::new("taskset")
        .args(["-p", "-c", "1", &pid])
        .stdout(Stdio::null())
        .status()
        .context("taskset (util-linux) is needed")?;
    ensure!(done.success(), "the driver cannot be pinned");
    Ok(())
}

/// A listener of the process to start, and its port.
pub fn listener() -> Result<(OwnedFd, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    Ok((listener.into(), port))
}

/// A running sandbox without rate limits.
pub struct Sandbox {
    pub process: Process,
    pub rest: u16,
    pub gateway: u16,
    pub control: ControlClient,
}

impl Sandbox {
    pub async fn start(world: &str) -> Result<Self> {
        let (rest, gateway, control) = (listener()?, listener()?, listener()?);
        let process = Process::start(
            SANDBOX,
            &["--world", world, "--heartbeat-ms", "600000"],
            vec![rest.0, gateway.0, control.0],
        )?;
        let url: Url = format!("http://127.0.0.1:{}", control.1).parse()?;
        let client = ControlClient::new(&url)?;
        // The listener accepts already; the answer comes when the world is built.
        ensure!(client.ready().await, "the sandbox does not start");
        let rules = serde_json::json!({"enabled": false});
        let _: serde_json::Value = client
            .call(http::Method::POST, "/ctl/limits", &rules)
            .await?;
        Ok(Self {
            process,
            rest: rest.1,
            gateway: gateway.1,
            control: client,
        })
    }
}

/// Reads the clock and a process's processor time, before and after.
pub struct Watch {
    since: Instant,
    cpu: Duration,
}

impl Watch {
    pub fn start(process: &Process) -> Result<Self> {
        Ok(Self {
            since: Instant::now(),
            cpu: process.cpu()?,
        })
    }

    /// The rate of `count` things done since.
    pub fn rate(&self, process: &Process, count: usize) -> Result<Rate> {
        let wall = self.since.elapsed();
        let core = process.cpu()?.saturating_sub(self.cpu);
        Ok(Rate {
            wall: count as f64 / wall.as_secs_f64(),
            core: count as f64 / core.max(Duration::from_millis(10)).as_secs_f64(),
        })
    }
}
