//! Listeners handed over by a parent process: this test starts itself again as the child.

#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking what went wrong"
)]

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use splashtail_core::listen::{ListenError, listener};

const CHILD: &str = "SPLASHTAIL_TEST_LISTEN_CHILD";

/// Not a test of its own: the process that inherits. The variable holds the inherited address.
#[test]
fn child() {
    let Ok(address) = std::env::var(CHILD) else {
        return;
    };
    let address: SocketAddr = address.parse().unwrap();
    // The parent still holds the port, so only an inherited listener can have it.
    let inherited = listener(0, address, "meta.port").unwrap();
    assert_eq!(inherited.local_addr().unwrap(), address);
    // Handed out once; what was not handed over is bound here.
    let again = listener(0, address, "meta.port");
    assert!(matches!(
        again,
        Err(ListenError::Busy {
            key: "meta.port",
            ..
        })
    ));
    let bound = listener(1, "127.0.0.1:0".parse().unwrap(), "meta.admin_port").unwrap();
    assert_ne!(bound.local_addr().unwrap(), address);
    // Children of the child must not take the listener for theirs.
    assert!(std::env::var_os("LISTEN_FDS").is_none());
}

fn inherit(listener: &TcpListener, pid: Option<&str>) -> bool {
    fcntl(listener, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["child", "--exact", "--nocapture"])
        .env(CHILD, listener.local_addr().unwrap().to_string())
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDS_FIRST_FD", listener.as_raw_fd().to_string());
    match pid {
        Some(pid) => command.env("LISTEN_PID", pid),
        None => command.env_remove("LISTEN_PID"),
    };
    command.output().unwrap().status.success()
}

#[test]
fn a_listener_comes_from_the_parent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(inherit(&listener, None));
}

#[test]
fn a_listener_for_another_process_is_not_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(!inherit(&listener, Some("1")));
}
