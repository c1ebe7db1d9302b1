//! Signals, seen from outside: this test starts itself again as a process of its own.

#![allow(
    clippy::unwrap_used,
    reason = "a test says by panicking what went wrong"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use splashtail_core::lifecycle::Lifecycle;

const CHILD: &str = "SPLASHTAIL_TEST_SIGNAL_CHILD";

/// Not a test of its own: the process that the tests below send signals to.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let lifecycle = Lifecycle::install().unwrap();
        let mut reload = lifecycle.reload();
        let shutdown = lifecycle.shutdown();
        println!("installed");
        loop {
            tokio::select! {
                Ok(()) = reload.changed() => println!("reload {}", *reload.borrow()),
                () = shutdown.cancelled() => break,
            }
        }
        println!("stopping");
        if std::env::var(CHILD).is_ok_and(|how| how == "hangs") {
            std::future::pending::<()>().await;
        }
        let task = lifecycle.shutdown();
        lifecycle
            .tasks()
            .spawn(async move { task.cancelled().await });
        println!("drained {}", lifecycle.drain(Duration::from_secs(5)).await);
    });
}

struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(how: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(CHILD, how)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        process.wait_for("installed");
        process
    }

    /// The test harness may print in front of the child's own words.
    fn wait_for(&mut self, words: &str) {
        let found = self
            .lines
            .by_ref()
            .any(|line| line.unwrap().ends_with(words));
        assert!(found, "the process ended before it said {words:?}");
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    fn exit_code(mut self) -> Option<i32> {
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), None);
        status.code()
    }
}

#[test]
fn terminate_stops_and_drains() {
    let mut process = Process::start("ends");
    process.signal(Signal::SIGTERM);
    process.wait_for("stopping");
    process.wait_for("drained true");
    assert_eq!(process.exit_code(), Some(0));
}

#[test]
fn a_second_interrupt_does_not_wait() {
    let mut process = Process::start("hangs");
    process.signal(Signal::SIGINT);
    process.wait_for("stopping");
    process.signal(Signal::SIGINT);
    assert_eq!(process.exit_code(), Some(130));
}

#[test]
fn a_second_terminate_is_not_a_second_interrupt() {
    let mut process = Process::start("hangs");
    process.signal(Signal::SIGTERM);
    process.wait_for("stopping");
    process.signal(Signal::SIGTERM);
    process.signal(Signal::SIGINT);
    assert_eq!(process.exit_code(), Some(130));
}

#[test]
fn hangups_are_counted() {
    let mut process = Process::start("ends");
    process.signal(Signal::SIGHUP);
    process.wait_for("reload 1");
    process.signal(Signal::SIGHUP);
    process.wait_for("reload 2");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(), Some(0));
}
