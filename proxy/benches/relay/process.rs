//! The proxy as a process of its own.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use splashtail_core::port_block::PortBlock;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::TOKEN;

const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(5);

pub struct Proxy {
    child: Child,
    pub gateway: SocketAddr,
    pub rest: SocketAddr,
    directory: TempDir,
    _ports: PortBlock,
}

impl Proxy {
    /// Starts one before a Discord, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start(discord: SocketAddr, per_second: u64) -> Result<Self> {
        let directory = TempDir::new()?;
        let ports =
            PortBlock::claim(IpAddr::V4(Ipv4Addr::LOCALHOST)).context("no ports are free")?;
        let (first, second) = (ports.base(), ports.base() + 1);
        let data = directory.path().join("data");
        let config = format!(
            "data_dir: \"{}\"\ndiscord_auth: {{token: \"{TOKEN}\"}}\n\
             discord: {{api_base: \"http://{discord}\"}}\nsimple_gateway_proxy: {{port: {first}}}\n\
             proxy: {{enabled: true, rest_port: {second}, global_limit: {per_second}}}\n",
            data.display()
        );
        let path = directory.path().join("config.yaml");
        fs::write(&path, config)?;
        let child = Command::new(env!("CARGO_BIN_EXE_splashtail-proxy"))
            .args(["--env", "staging", "--config"])
            .arg(&path)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.path().join("log"))?)
            .kill_on_drop(true)
            .spawn()?;
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let proxy = Self {
            child,
            gateway: at(first),
            rest: at(second),
            directory,
            _ports: ports,
        };
        proxy.ready().await?;
        Ok(proxy)
    }

    async fn ready(&self) -> Result<()> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("http://{}/readyz", self.gateway);
        let waiting = async {
            loop {
                let answer = http.get(&url).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            bail!("the proxy does not become ready:\n{log}");
        }
        Ok(())
    }

    /// MiB of memory that it holds now, and held at most.
    ///
    /// # Errors
    /// It has ended.
    pub fn memory(&self) -> Result<(f64, f64)> {
        let pid = self.child.id().context("the proxy has ended")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let of = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
            Some(kilobytes / 1024.0)
        };
        let both = of("VmRSS:").zip(of("VmHWM:"));
        both.context("the system does not say how much memory a process has")
    }
}
