//! Keeps one daemon running: starts it again with growing pauses whenever it is gone, replaces it
//! without a gap on a reload, kills it when it hangs, and stops it in the end.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use splashtail_core::clock::SharedClock;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::daemons::OnReload;
use super::liveness::Liveness;
use super::process::{DaemonSpec, Process, ReadySignal, describe};

/// A daemon that ran this long had started properly: its next restart waits the shortest time.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// A daemon came or went.
#[derive(Debug)]
pub enum Event {
    /// It runs, or another process took over.
    Up(&'static str),
    Down(Loss),
    /// A successor could not take over: the old process goes on.
    Kept {
        name: &'static str,
        reason: String,
        log_tail: String,
    },
}

/// A daemon is not there although it should be. It is started again after a pause.
#[derive(Debug)]
pub struct Loss {
    pub name: &'static str,
    pub reason: String,
    /// How many times in a row it was lost before it had run for a minute.
    pub quick: u32,
    /// What it wrote to its log in this run, at most the last 4 KiB.
    pub log_tail: String,
}

/// The process ids of one daemon.
#[derive(Debug, Clone, Default)]
pub struct Pids(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    serving: Option<u32>,
    successor: Option<u32>,
}

impl Pids {
    /// The process that serves.
    pub fn serving(&self) -> Option<u32> {
        self.lock().serving
    }

    /// Every process of the daemon, a successor that is not ready included.
    pub fn all(&self) -> Vec<u32> {
        let state = self.lock();
        state.serving.into_iter().chain(state.successor).collect()
    }

    /// Starts the process that serves. Whoever asks for the ids meanwhile waits for its: no child
    /// is ever one that nobody knows.
    fn start(&self, spec: &DaemonSpec) -> io::Result<Process> {
        let mut state = self.lock();
        let process = Process::start(spec)?;
        state.serving = Some(process.pid());
        Ok(process)
    }

    /// As [`Pids::start`], beside the one that serves.
    fn start_successor(&self, spec: &DaemonSpec) -> io::Result<(Process, ReadySignal)> {
        let mut state = self.lock();
        let (process, ready) = Process::start_successor(spec)?;
        state.successor = Some(process.pid());
        Ok((process, ready))
    }

    fn set(&self, serving: Option<u32>, successor: Option<u32>) {
        *self.lock() = State { serving, successor };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What keeps one daemon running.
#[derive(Debug)]
pub struct Keeper {
    pub spec: DaemonSpec,
    pub pids: Pids,
    pub stop: CancellationToken,
    /// Each change is a wish to reload.
    pub reload: watch::Receiver<u64>,
    pub events: mpsc::UnboundedSender<Event>,
    pub clock: SharedClock,
}

/// Why a process is not watched any more.
enum End {
    Asked,
    /// It is to begin again.
    Again,
    Lost(String),
}

impl Keeper {
    /// Until `stop` is cancelled and the daemon has ended; says whether it ended without being
    /// killed.
    ///
    /// # Errors
    /// The kernel does not tell how a child ended, which it always does.
    pub async fn run(mut self) -> io::Result<bool> {
        let (mut quick, mut backoff) = (0, FIRST_BACKOFF);
        loop {
            let begun = self.clock.monotonic();
            let (reason, log_tail) = match self.pids.start(&self.spec) {
                Ok(mut process) => {
                    self.tell(Event::Up(self.spec.name));
                    match self.watch(&mut process).await? {
                        End::Asked => {
                            let clean = process.stop(self.spec.deadlines.stop).await?;
                            self.pids.set(None, None);
                            info!(daemon = self.spec.name, clean, "stopped");
                            return Ok(clean);
                        }
                        End::Again => {
                            info!(daemon = self.spec.name, "ends to begin again");
                            let clean = process.stop(self.spec.deadlines.stop).await?;
                            if !clean {
                                warn!(
                                    daemon = self.spec.name,
                                    "was killed, it did not end in time"
                                );
                            }
                            self.pids.set(None, None);
                            if self.stop.is_cancelled() {
                                return Ok(clean);
                            }
                            (quick, backoff) = (0, FIRST_BACKOFF);
                            continue;
                        }
                        End::Lost(reason) => (reason, process.log_tail(&self.spec.log)),
                    }
                }
                Err(error) => (error.to_string(), String::new()),
            };
            self.pids.set(None, None);
            if self.clock.monotonic().saturating_sub(begun) >= HEALTHY_AFTER {
                (quick, backoff) = (0, FIRST_BACKOFF);
            }
            quick += 1;
            warn!(
                daemon = self.spec.name,
                reason,
                again_in_ms = backoff.as_millis() as u64,
                "gone, starting it again"
            );
            let name = self.spec.name;
            self.tell(Event::Down(Loss {
                name,
                reason,
                quick,
                log_tail,
            }));
            tokio::select! {
                () = self.clock.sleep(backoff) => {}
                () = self.stop.cancelled() => return Ok(true),
            }
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
    }

    /// The receiver is gone only while the supervisor itself is ending.
    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    async fn watch(&mut self, process: &mut Process) -> io::Result<End> {
        let mut liveness = Liveness::new(&self.spec, self.clock.clone());
        loop {
            tokio::select! {
                status = process.wait() => return Ok(End::Lost(describe(status?))),
                () = self.stop.cancelled() => return Ok(End::Asked),
                reason = liveness.hung() => {
                    error!(daemon = self.spec.name, reason, "hangs, killing it");
                    process.signal(Signal::SIGKILL);
                    process.wait().await?;
                    return Ok(End::Lost(reason));
                }
                Ok(()) = self.reload.changed() => match self.spec.on_reload {
                    OnReload::Succeed => {
                        if let Some(end) = self.succeed(process).await? {
                            return Ok(end);
                        }
                    }
                    OnReload::Signal => process.signal(Signal::SIGHUP),
                    OnReload::Restart => return Ok(End::Again),
                    OnReload::Nothing => {}
                },
            }
            liveness = Liveness::new(&self.spec, self.clock.clone());
        }
    }

    /// Starts a successor and lets it take over. When it cannot, `process` stays what it is.
    async fn succeed(&mut self, process: &mut Process) -> io::Result<Option<End>> {
        let name = self.spec.name;
        let deadlines = self.spec.deadlines;
        let (mut next, mut ready) = match self.pids.start_successor(&self.spec) {
            Ok(started) => started,
            Err(error) => {
                let reason = error.to_string();
                self.tell(Event::Kept {
                    name,
                    reason,
                    log_tail: String::new(),
                });
                return Ok(None);
            }
        };
        info!(daemon = name, pid = next.pid(), "waiting for the successor");
        let failure = tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                next.stop(deadlines.stop).await?;
                return Ok(Some(End::Asked));
            }
            is_ready = ready.wait() => match is_ready {
                true => None,
                false => Some(describe(next.wait().await?)),
            },
            status = process.wait() => {
                // The successor is all there is now: it takes connections once nobody reads its pipe.
                drop(ready);
                warn!(daemon = name, status = describe(status?), "ended before its successor was ready");
                None
            }
            () = self.clock.sleep(deadlines.succeed) => {
                Some(format!("not ready within {} s", deadlines.succeed.as_secs()))
            }
        };
        if let Some(reason) = failure {
            let log_tail = next.log_tail(&self.spec.log);
            next.stop(deadlines.stop).await?;
            self.pids.set(Some(process.pid()), None);
            self.tell(Event::Kept {
                name,
                reason,
                log_tail,
            });
            return Ok(None);
        }
        self.pids.set(Some(next.pid()), Some(process.pid()));
        let mut old = std::mem::replace(process, next);
        let clean = old.stop(deadlines.stop).await?;
        self.pids.set(Some(process.pid()), None);
        info!(
            daemon = name,
            pid = process.pid(),
            clean,
            "the successor took over"
        );
        self.tell(Event::Up(name));
        Ok(None)
    }
}

#[cfg(test)]
pub(super) mod tests;
