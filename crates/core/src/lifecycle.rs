//! Start and stop of a daemon: signals, background tasks, systemd.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::unistd::{Pid, getppid};
use sd_notify::NotifyState;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

/// What a shell reports for a process that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Process id of the supervisor that started this process directly.
pub const SUPERVISOR_VARIABLE: &str = "SPLASHTAIL_SUPERVISOR_PID";
/// Descriptor of a pipe on which a successor tells the supervisor that it is ready.
pub const READY_VARIABLE: &str = "SPLASHTAIL_READY_FD";

/// Clones share one shutdown token and one task tracker.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    shutdown: CancellationToken,
    tasks: TaskTracker,
    reload: watch::Receiver<u64>,
    /// Cancelled when this process may take connections.
    turn: CancellationToken,
    /// Where a successor says that it is ready.
    predecessor: Option<PathBuf>,
}

impl Lifecycle {
    /// Listens to signals from now on. SIGINT and SIGTERM start the shutdown; a SIGINT after that
    /// ends the process at once with status 130. SIGHUP asks for a reload.
    ///
    /// A daemon that the supervisor started (it names itself in [`SUPERVISOR_VARIABLE`]) also stops
    /// when the supervisor dies. Processes further down inherit the variable but have another
    /// parent: they are not bound to it.
    ///
    /// Needs a running tokio runtime.
    ///
    /// # Errors
    /// The runtime cannot register a signal handler.
    pub fn install() -> io::Result<Self> {
        faults_end_the_process()?;
        let signals = Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        };
        let (reload_sender, reload) = watch::channel(0);
        let shutdown = CancellationToken::new();
        tokio::spawn(signals.watch(shutdown.clone(), reload_sender));
        let supervisor = supervisor();
        if let Some(supervisor) = supervisor {
            bind_to(supervisor, &shutdown)?;
        }
        let lifecycle = match supervisor.and_then(|_| predecessor()) {
            Some(pipe) => Self::successor(shutdown, pipe),
            None => Self::manual(shutdown),
        };
        Ok(Self {
            reload,
            ..lifecycle
        })
    }

    /// A lifecycle without signal handlers, for tests and for code that runs inside another
    /// process.
    pub fn manual(shutdown: CancellationToken) -> Self {
        let (_, reload) = watch::channel(0);
        let turn = CancellationToken::new();
        turn.cancel();
        Self {
            shutdown,
            tasks: TaskTracker::new(),
            reload,
            turn,
            predecessor: None,
        }
    }

    /// [`manual`](Self::manual) for a process that replaces another one on the same listeners. The
    /// supervisor reads the pipe until it hears that this process is ready. When it stops reading,
    /// there is nobody left to wait for: what is asked now would have no answer at all.
    ///
    /// Needs a running tokio runtime.
    pub fn successor(shutdown: CancellationToken, pipe: PathBuf) -> Self {
        let turn = CancellationToken::new();
        match pipe::OpenOptions::new().open_sender(&pipe) {
            Ok(sender) => {
                let turn = turn.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = sender.ready(Interest::ERROR) => turn.cancel(),
                        () = turn.cancelled() => {}
                    }
                });
            }
            Err(error) => {
                debug!(%error, "the supervisor waits no more");
                turn.cancel();
            }
        }
        Self {
            turn,
            predecessor: Some(pipe),
            ..Self::manual(shutdown)
        }
    }

    /// Cancelled when the process is asked to stop.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Background tasks that [`Lifecycle::drain`] waits for.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Counts the SIGHUPs received; `changed()` resolves at the next one.
    pub fn reload(&self) -> watch::Receiver<u64> {
        self.reload.clone()
    }

    /// Resolves when this process may take connections from the listeners it was given: at once,
    /// unless another process of the same daemon still serves them and this one is not ready to take
    /// over. Resolves when that process ends before, and at the shutdown, too.
    pub fn turn(&self) -> impl Future<Output = ()> + Send + use<> {
        let (turn, shutdown) = (self.turn.clone(), self.shutdown.clone());
        async move {
            tokio::select! {
                () = turn.cancelled() => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// The daemon serves: it takes its [turn](Self::turn), and the supervisor and systemd
    /// (`Type=notify`) hear of it.
    pub fn notify_ready(&self) {
        self.turn.cancel();
        if let Some(pipe) = &self.predecessor {
            let told = OpenOptions::new().write(true).open(pipe);
            if let Err(error) = told.and_then(|mut pipe| pipe.write_all(b"\n"))
                && error.kind() != io::ErrorKind::BrokenPipe
            {
                warn!(%error, "the supervisor was not told that this process is ready");
            }
        }
        notify(&[NotifyState::Ready]);
    }

    /// One line about the state of this process for `systemctl status`.
    pub fn notify_status(&self, status: &str) {
        notify(&[NotifyState::Status(status)]);
    }

    /// Stops the background tasks: cancels the token and waits up to `grace` for tracked tasks.
    /// Returns whether all of them ended.
    pub async fn drain(&self, grace: Duration) -> bool {
        notify(&[NotifyState::Stopping]);
        self.shutdown.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(grace, self.tasks.wait()).await.is_ok();
        if !ended {
            warn!(
                tasks = self.tasks.len(),
                "tasks were still running when the grace time ended"
            );
        }
        ended
    }
}

/// The runtime of Rust catches SIGSEGV and SIGBUS to tell of stack overflows, and swallows the first
/// one that is sent instead of caused. A cluster that its operator ends so has to end.
#[allow(
    unsafe_code,
    reason = "the default action runs no code of ours, so nothing can be unsafe in it"
)]
fn faults_end_the_process() -> io::Result<()> {
    use nix::sys::signal::{SigHandler, Signal, signal};
    for fault in [Signal::SIGSEGV, Signal::SIGBUS] {
        unsafe { signal(fault, SigHandler::SigDfl) }?;
    }
    Ok(())
}

fn supervisor() -> Option<Pid> {
    let pid: i32 = std::env::var(SUPERVISOR_VARIABLE).ok()?.parse().ok()?;
    (Pid::from_raw(pid) == getppid()).then(|| Pid::from_raw(pid))
}

/// The pipe under a name that can be opened (proc(5)).
fn predecessor() -> Option<PathBuf> {
    let descriptor: u32 = std::env::var(READY_VARIABLE).ok()?.parse().ok()?;
    Some(format!("/proc/self/fd/{descriptor}").into())
}

/// Asks the kernel for SIGTERM when the supervisor ends (prctl(2), PR_SET_PDEATHSIG).
fn bind_to(supervisor: Pid, shutdown: &CancellationToken) -> io::Result<()> {
    set_pdeathsig(nix::sys::signal::Signal::SIGTERM)?;
    // It may have ended just before the call.
    if getppid() != supervisor {
        shutdown.cancel();
    }
    Ok(())
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        debug!(%error, "systemd was not notified");
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    async fn watch(mut self, shutdown: CancellationToken, reload: watch::Sender<u64>) {
        loop {
            tokio::select! {
                Some(()) = self.interrupt.recv() => {
                    if shutdown.is_cancelled() {
                        exit_interrupted();
                    }
                    info!("interrupted, stopping; interrupt again to stop at once");
                    shutdown.cancel();
                }
                Some(()) = self.terminate.recv() => {
                    info!("asked to terminate, stopping");
                    shutdown.cancel();
                }
                Some(()) = self.hangup.recv() => {
                    info!("asked to reload");
                    reload.send_modify(|count| *count += 1);
                }
                else => return,
            }
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the operator asked twice: destructors may hang"
)]
fn exit_interrupted() -> ! {
    std::process::exit(EXIT_INTERRUPTED)
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, Read};
    use std::os::fd::AsRawFd;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn successor(word: &PipeWriter) -> Lifecycle {
        let path = format!("/proc/self/fd/{}", word.as_raw_fd());
        Lifecycle::successor(CancellationToken::new(), path.into())
    }

    #[tokio::test]
    async fn a_successor_takes_its_turn_when_it_is_ready_and_says_so() {
        let (mut supervisor, word) = io::pipe().unwrap();
        let lifecycle = successor(&word);
        let mut turn = pin!(lifecycle.turn());
        for _ in 0..100 {
            tokio::task::yield_now().await;
            let polled = turn.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        }
        lifecycle.notify_ready();
        turn.await;
        let mut said = [0];
        supervisor.read_exact(&mut said).unwrap();
    }

    /// It used to wait until it was ready, and the address was mute as long as that took.
    #[tokio::test]
    async fn a_successor_takes_its_turn_when_nobody_waits_for_it() {
        let (supervisor, word) = io::pipe().unwrap();
        let lifecycle = successor(&word);
        drop(supervisor);
        lifecycle.turn().await;
        lifecycle.notify_ready();
    }
}
