//! Real processes: shell scripts that live, fail and hang as asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use splashtail_core::clock::SystemClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::supervisor::daemons::Deadlines;

/// Nothing in these tests takes this long.
const LIMIT: Duration = Duration::from_secs(60);
/// Runs until it is asked to stop.
const LIVES: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

pub(in crate::supervisor) fn spec(directory: &Path, script: &str) -> DaemonSpec {
    DaemonSpec {
        name: "daemon",
        program: "/bin/sh".into(),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: Vec::new(),
        listeners: Vec::new(),
        log: directory.join("daemon.log"),
        // Nobody looks.
        health: "http://127.0.0.1:9".parse().unwrap(),
        on_reload: OnReload::Succeed,
        deadlines: Deadlines {
            succeed: LIMIT,
            stop: LIMIT,
            look_every: LIMIT,
            answer: LIMIT,
            missed: 3,
            first_answer: Duration::ZERO,
        },
    }
}

struct Kept {
    pids: Pids,
    stop: CancellationToken,
    reload: watch::Sender<u64>,
    events: mpsc::UnboundedReceiver<Event>,
    task: JoinHandle<io::Result<bool>>,
}

impl Kept {
    fn start(spec: DaemonSpec) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (events_sender, events) = mpsc::unbounded_channel();
        let reload = watch::Sender::new(0);
        let (pids, stop) = (Pids::default(), CancellationToken::new());
        let keeper = Keeper {
            spec,
            pids: pids.clone(),
            stop: stop.clone(),
            reload: reload.subscribe(),
            events: events_sender,
            clock: SystemClock::shared(),
        };
        let task = tokio::spawn(keeper.run());
        Self {
            pids,
            stop,
            reload,
            events,
            task,
        }
    }

    async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(LIMIT, self.events.recv()).await;
        event.unwrap().unwrap()
    }

    async fn up(&mut self) -> u32 {
        match self.event().await {
            Event::Up(_) => self.pids.serving().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn until(&self, condition: impl Fn(&Pids) -> bool) {
        let reached = async {
            while !condition(&self.pids) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, reached).await.unwrap();
    }

    async fn stopped(self) -> bool {
        self.stop.cancel();
        self.task.await.unwrap().unwrap()
    }
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_program_that_is_missing_for_a_while_is_started_in_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("splashtail-daemon");
    let mut kept = Kept::start(DaemonSpec {
        program: program.clone(),
        args: Vec::new(),
        ..spec(directory.path(), "")
    });
    // Missing, then there but not executable: an upgrade that is under way.
    let Event::Down(loss) = kept.event().await else {
        panic!()
    };
    assert!(loss.reason.contains("splashtail-daemon"), "{loss:?}");
    assert_eq!(loss.quick, 1);
    let fresh = directory.path().join("fresh");
    fs::write(&fresh, format!("#!/bin/sh\n{LIVES}\n")).unwrap();
    fs::rename(&fresh, &program).unwrap();
    assert!(matches!(kept.event().await, Event::Down(loss) if loss.quick == 2));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    while !matches!(kept.event().await, Event::Up(_)) {}
    assert!(is_alive(kept.pids.serving().unwrap()));
    assert!(kept.stopped().await);
}

#[tokio::test]
async fn one_that_ends_by_itself_is_started_again_and_its_last_words_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut kept = Kept::start(spec(directory.path(), "echo no database; exit 3"));
    kept.event().await;
    let Event::Down(loss) = kept.event().await else {
        panic!()
    };
    assert_eq!(
        (loss.reason.as_str(), loss.log_tail.as_str()),
        ("exit code 3", "no database")
    );
    assert!(matches!(kept.event().await, Event::Up(_)));
    kept.stopped().await;
}

/// A successor waits for the file `go` before it says that it is ready.
fn waits(directory: &Path) -> String {
    let go = directory.join("go");
    format!(
        "if [ -n \"$SPLASHTAIL_READY_FD\" ]; then while [ ! -e '{}' ]; do sleep 0.02; done; \
         echo > /proc/self/fd/$SPLASHTAIL_READY_FD; fi; {LIVES}",
        go.display()
    )
}

#[tokio::test]
async fn the_old_process_serves_until_the_new_one_is_ready() {
    let directory = tempfile::tempdir().unwrap();
    let mut kept = Kept::start(spec(directory.path(), &waits(directory.path())));
    let old = kept.up().await;
    kept.reload.send_modify(|count| *count += 1);
    kept.until(|pids| pids.all().len() == 2).await;
    assert_eq!(kept.pids.serving(), Some(old));
    assert!(is_alive(old));
    fs::write(directory.path().join("go"), "").unwrap();
    let new = kept.up().await;
    assert!(new != old && is_alive(new) && !is_alive(old));
    assert_eq!(kept.pids.all(), [new]);
    assert!(kept.stopped().await);
    assert!(!is_alive(new));
}

#[tokio::test]
async fn a_successor_that_fails_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let script = format!("[ -z \"$SPLASHTAIL_READY_FD\" ] || {{ echo bad key; exit 1; }}; {LIVES}");
    let mut kept = Kept::start(spec(directory.path(), &script));
    let old = kept.up().await;
    for _ in 0..2 {
        kept.reload.send_modify(|count| *count += 1);
        let Event::Kept {
            reason, log_tail, ..
        } = kept.event().await
        else {
            panic!()
        };
        assert_eq!(
            (reason.as_str(), log_tail.as_str()),
            ("exit code 1", "bad key")
        );
        assert_eq!(kept.pids.all(), [old]);
    }
    assert!(kept.stopped().await);
}

/// Two of them would take something from each other: the old one is gone before the new one begins.
#[tokio::test]
async fn one_that_cannot_run_twice_ends_and_begins_again() {
    let directory = tempfile::tempdir().unwrap();
    let (held, twice) = (
        directory.path().join("held"),
        directory.path().join("twice"),
    );
    let script = format!(
        "mkdir '{held}' || touch '{twice}'; trap \"rmdir '{held}'; exit 0\" TERM; \
         while :; do sleep 0.05; done",
        held = held.display(),
        twice = twice.display(),
    );
    let mut kept = Kept::start(DaemonSpec {
        on_reload: OnReload::Restart,
        ..spec(directory.path(), &script)
    });
    let mut old = kept.up().await;
    for _ in 0..3 {
        kept.until(|_| held.exists()).await;
        kept.reload.send_modify(|count| *count += 1);
        // Without a word of anything being down.
        let new = kept.up().await;
        assert!(new != old && !is_alive(old));
        old = new;
    }
    kept.until(|_| held.exists()).await;
    assert!(kept.stopped().await);
    assert!(!twice.exists() && !held.exists());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_successor() {
    let directory = tempfile::tempdir().unwrap();
    let mut kept = Kept::start(spec(directory.path(), &waits(directory.path())));
    kept.up().await;
    kept.reload.send_modify(|count| *count += 1);
    kept.until(|pids| pids.all().len() == 2).await;
    let both = kept.pids.all();
    kept.stopped().await;
    assert!(both.iter().all(|pid| !is_alive(*pid)));
}

#[tokio::test]
async fn a_reload_does_not_wait_for_a_process_that_ignores_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut deaf = spec(
        directory.path(),
        &format!(
            "[ -z \"$SPLASHTAIL_READY_FD\" ] || {{ echo > /proc/self/fd/$SPLASHTAIL_READY_FD; {LIVES}; }}; \
         trap '' TERM; while :; do sleep 0.05; done"
        ),
    );
    deaf.deadlines.stop = Duration::from_millis(100);
    let mut kept = Kept::start(deaf);
    let old = kept.up().await;
    kept.reload.send_modify(|count| *count += 1);
    let new = kept.up().await;
    assert!(new != old && !is_alive(old));
    kept.stopped().await;
}

#[tokio::test]
async fn what_must_be_killed_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let mut deaf = spec(
        directory.path(),
        "trap '' TERM; echo deaf; while :; do sleep 0.05; done",
    );
    deaf.deadlines.stop = Duration::from_millis(100);
    let log = deaf.log.clone();
    let mut kept = Kept::start(deaf);
    kept.up().await;
    kept.until(|_| fs::read_to_string(&log).is_ok_and(|text| text == "deaf\n"))
        .await;
    assert!(!kept.stopped().await);
}

/// Answers the first `answers` requests; after that it takes connections and says nothing.
async fn health(answers: usize) -> url::Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            if number < answers {
                let read = stream.read(&mut [0; 2048]).await.unwrap();
                assert!(read > 0);
                let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
            open.push(stream);
        }
    });
    format!("http://{address}/readyz").parse().unwrap()
}

#[tokio::test]
async fn a_daemon_that_stops_answering_is_killed_and_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut silent = spec(directory.path(), LIVES);
    silent.health = health(2).await;
    silent.deadlines.look_every = Duration::from_millis(10);
    silent.deadlines.answer = Duration::from_millis(300);
    let mut kept = Kept::start(silent);
    let old = kept.up().await;
    let Event::Down(loss) = kept.event().await else {
        panic!()
    };
    assert_eq!(loss.reason, "no answer to 3 looks in a row");
    assert!(!is_alive(old));
    assert!(matches!(kept.event().await, Event::Up(_)));
    kept.stopped().await;
}
