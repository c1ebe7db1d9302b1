//! Becoming the newest version of this program, under the same process number and on the same
//! listener. No signal is lost on the way: while nobody would handle them they stay pending, also
//! across execve(2).

use std::convert::Infallible;
use std::env;
use std::ffi::{CString, OsString};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use anyhow::Context;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, execve};
use splashtail_core::lifecycle::Lifecycle;
use tokio::runtime::Runtime;
use tracing::info;

/// Variables of sd_listen_fds(3); the last one, an extension, says where the first listener lies.
const LISTEN_VARIABLES: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDS_FIRST_FD"];
/// For a signal that was taken just before they were held.
const LAST_SIGNALS: Duration = Duration::from_millis(20);

fn signals() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
        .into_iter()
        .collect()
}

/// From now on signals wait, in this thread, those it starts and their children (sigprocmask(2)): so
/// clusters are started by the thread that takes signals.
pub fn hold_signals() -> nix::Result<()> {
    signals().thread_block()
}

/// This thread takes what waited and what comes.
pub fn take_signals() -> nix::Result<()> {
    signals().thread_unblock()
}

/// The clusters run on and are adopted. A request to stop is passed on.
///
/// # Errors
/// The program cannot be run.
pub fn replace(
    runtime: Runtime,
    lifecycle: &Lifecycle,
    listener: &TcpListener,
) -> anyhow::Result<Infallible> {
    hold_signals().context("cannot hold signals")?;
    runtime.block_on(async { tokio::time::sleep(LAST_SIGNALS).await });
    drop(runtime);
    if lifecycle.shutdown().is_cancelled() {
        kill(Pid::this(), Signal::SIGTERM).context("cannot pass the signal on")?;
    }

    let own = env::current_exe().context("cannot tell where this program is")?;
    // The kernel marks the path of a program whose file was replaced.
    let shown = own.as_os_str().as_bytes();
    let program = CString::new(shown.strip_suffix(b" (deleted)").unwrap_or(shown))?;
    let arguments = env::args_os().map(|word| CString::new(word.into_vec()));
    let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
    let environment = environment(listener)?;
    fcntl(listener, FcntlArg::F_SETFD(FdFlag::empty())).context("cannot hand the listener over")?;
    info!(program = ?program, "replacing this process");
    Ok(execve(&program, &arguments, &environment)?)
}

fn environment(listener: &TcpListener) -> anyhow::Result<Vec<CString>> {
    let listens = [
        ("LISTEN_FDS", "1".to_owned()),
        ("LISTEN_FDS_FIRST_FD", listener.as_raw_fd().to_string()),
    ];
    let listens = listens.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let kept = env::vars_os().filter(|(name, _)| !LISTEN_VARIABLES.iter().any(|own| name == own));
    let line = |(name, value): (OsString, OsString)| {
        let mut line = name.into_vec();
        line.push(b'=');
        line.extend(value.into_vec());
        Ok(CString::new(line)?)
    };
    kept.chain(listens).map(line).collect()
}
