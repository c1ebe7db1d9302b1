//! The proxy's figures, each beside those of a bare relay of bytes on the same machine in the same run: what
//! the load, the loopback and a second connection cost without it. The proxy is its own process, as an
//! operator starts it; Discord is a program that answers at once.

#![allow(clippy::print_stdout, reason = "figures are what it is for")]

mod discord;
mod gateway;
mod process;
mod rest;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// A token of the bot with the id 1100000000000000001.
pub const TOKEN: &str = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.bench.x";

fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // With fewer there are fewer who wait.
    let _ = setrlimit(Resource::Nofile, raised);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(figures())
}

async fn figures() -> Result<()> {
    rest::figures().await?;
    gateway::figures().await
}

/// Passes bytes on and does nothing else.
pub async fn relay(to: SocketAddr) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(to).await else {
                    return;
                };
                let _ = near.set_nodelay(true);
                let _ = far.set_nodelay(true);
                // However it ends, it has ended.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    Ok(address)
}

/// The value below which so many of a thousand are.
pub fn per_mille(sorted: &[Duration], thousandths: usize) -> Duration {
    let at = sorted.len() * thousandths / 1000;
    let at = at.min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

pub fn micros(time: Duration) -> String {
    format!("{} µs", time.as_micros())
}

pub fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

pub fn ratio(of: f64, to: f64) -> String {
    format!("{:.2}", of / to.max(f64::MIN_POSITIVE))
}
