//! Drives a client that was written by strangers, from outside: a small program around an
//! unmodified library, a strict sandbox, and the line protocol between the program and the test.
//!
//! The program learns `SANDBOX_REST` and `SANDBOX_TOKEN` from its environment. It prints one JSON
//! object per line: `{"event": "ready" | "guild" | "message" | "audit_entry" | "resumed" |
//! "answered", …}` for what the library reported. It reads commands, one per line, as `{"n": 1,
//! "do": "ban", …}`, and prints `{"event": "done", "n": 1, "result": …}` or `{"event": "failed",
//! "n": 1, "error": "…"}`. `{"do": "stop"}` makes it log out and exit with 0.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use splashtail_core::clock::{Clock, SystemClock};
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::gateway::Settings;
use splashtail_sandbox::server::{self, Running};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::journal::{Entry, Record};
use splashtail_sandbox_world::seed::small;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::proxied::Proxied;
use crate::tapped::{self, Tapped};
use crate::transcript::Witness;

/// Longer than any step takes, back-off of the slowest library included.
const PATIENCE: Duration = Duration::from_secs(120);
const STDERR_LINES: usize = 40;
const JOURNAL_ENTRIES: usize = 40;

/// The libraries that are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    DiscordPy,
    DiscordJs,
    Twilight,
    Serenity,
}

impl Library {
    fn command(self) -> Result<Command> {
        let clients = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients");
        let installed = |path: &str| {
            let path = clients.join(path);
            ensure!(path.exists(), "install the clients first: make clients");
            Ok(path)
        };
        Ok(match self {
            Self::DiscordPy => {
                let packages = installed("discord_py/packages/discord")?;
                let mut command = Command::new("python3");
                command
                    .arg(clients.join("discord_py/client.py"))
                    .env("PYTHONPATH", packages.parent().unwrap_or(&packages))
                    .env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
            Self::DiscordJs => {
                installed("discord_js/node_modules/discord.js")?;
                let mut command = Command::new("node");
                command.arg(clients.join("discord_js/client.mjs"));
                command
            }
            Self::Twilight => Command::new(example("twilight_client")?),
            Self::Serenity => Command::new(example("serenity_client")?),
        })
    }
}

/// Cargo builds examples into `<target>/<profile>/examples`, tests into `deps` beside it.
fn example(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let profile = own.ancestors().nth(2).context("no target directory")?;
    let path = profile.join("examples").join(name);
    ensure!(
        path.exists(),
        "build it first: cargo build -p splashtail-e2e --examples"
    );
    Ok(path)
}

fn settings() -> Settings {
    Settings {
        reconnect_grace: Duration::from_secs(1),
        ..Settings::default()
    }
}

type Lines = tokio::io::Lines<BufReader<ChildStdout>>;
type Tail = Arc<Mutex<VecDeque<String>>>;

/// Starts the program of a library, and keeps the end of its log.
fn launch(library: Library, rest: &Url) -> Result<(Child, ChildStdin, Lines, Tail)> {
    let mut child = library
        .command()?
        .env("SANDBOX_REST", rest.as_str().trim_end_matches('/'))
        .env("SANDBOX_TOKEN", small::bot_token())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{library:?} cannot be started"))?;
    let stdin = child.stdin.take().context("no stdin")?;
    let stdout = child.stdout.take().context("no stdout")?;
    let mut lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
    let stderr = Arc::new(Mutex::new(VecDeque::new()));
    let tail = stderr.clone();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            if tail.len() == STDERR_LINES {
                tail.pop_front();
            }
            tail.push_back(line);
        }
    });
    Ok((child, stdin, BufReader::new(stdout).lines(), stderr))
}

/// What stands between a program and the sandbox, for as long as it does.
#[allow(dead_code, reason = "it is held and never looked at")]
enum Between {
    Nothing,
    Tap(Tapped),
    Proxy(Proxied),
}

/// A library at work on a sandbox of its own.
pub struct Stranger {
    _witness: Witness,
    child: Child,
    stdin: ChildStdin,
    stdout: Lines,
    stderr: Tail,
    seen: Vec<Value>,
    asked: u64,
    sandbox: Running,
    /// Where the program finds Discord.
    rest: Url,
    _between: Between,
    pub control: ControlClient,
}

impl Stranger {
    /// Starts a strict sandbox with the `small` world, and the library's program.
    ///
    /// # Errors
    /// The program is not installed.
    pub async fn start(library: Library) -> Result<Self> {
        let clock = Arc::new(SandboxClock::new(SystemClock.now()));
        let sandbox = server::start("small", 1, clock, settings(), true).await?;
        let rest = sandbox.rest.clone();
        Self::on(library, sandbox, rest, Between::Nothing)
    }

    /// The same with the bot's tap between the program and the gateway.
    ///
    /// # Errors
    /// The program is not installed, or the tap does not start.
    pub async fn behind_the_tap(library: Library) -> Result<Self> {
        let (sandbox, tap) = tapped::start(settings()).await?;
        let rest = sandbox.rest.clone();
        Self::on(library, sandbox, rest, Between::Tap(tap))
    }

    /// The same with the proxy between the program and all of Discord.
    ///
    /// # Errors
    /// The program is not installed, or the proxy does not start.
    pub async fn behind_the_proxy(library: Library) -> Result<Self> {
        let clock = Arc::new(SandboxClock::new(SystemClock.now()));
        let sandbox = server::start("small", 1, clock, settings(), true).await?;
        let proxy = Proxied::start(&sandbox).await?;
        let rest = proxy.rest.clone();
        Self::on(library, sandbox, rest, Between::Proxy(proxy))
    }

    fn on(library: Library, sandbox: Running, rest: Url, between: Between) -> Result<Self> {
        let (child, stdin, stdout, stderr) = launch(library, &rest)?;
        let control = sandbox.client()?;
        Ok(Self {
            _witness: Witness::near(&sandbox.edge),
            child,
            stdin,
            stdout,
            stderr,
            seen: Vec::new(),
            asked: 0,
            sandbox,
            rest,
            _between: between,
            control,
        })
    }

    /// Starts the program once more, after its end, and forgets what it reported.
    ///
    /// # Errors
    /// It does not end in order.
    pub async fn restart(&mut self, library: Library) -> Result<()> {
        self.end().await?;
        (self.child, self.stdin, self.stdout, self.stderr) = launch(library, &self.rest)?;
        self.seen.clear();
        Ok(())
    }

    /// Everything reported so far, oldest first.
    #[must_use]
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    /// Reads on until what was reported since the start satisfies `found`.
    ///
    /// # Errors
    /// It does not in time, or the program ends; with the tails of its log and of
    /// the sandbox's journal.
    pub async fn when<T>(
        &mut self,
        what: &str,
        found: impl Fn(&[Value]) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(&self.seen) {
                return Ok(found);
            }
            let problem = match timeout_at(deadline, self.stdout.next_line()).await {
                Ok(Ok(Some(line))) => match serde_json::from_str(&line) {
                    Ok(event) => {
                        self.seen.push(event);
                        continue;
                    }
                    Err(_) => format!("the client printed `{line}`"),
                },
                Ok(Ok(None)) => "the client ended".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it did not come".to_owned(),
            };
            return Err(self.failure(&format!("{what}: {problem}")));
        }
    }

    /// The first reported event of this name that satisfies `matches`.
    ///
    /// # Errors
    /// As [`Self::when`].
    pub async fn event(&mut self, name: &str, matches: impl Fn(&Value) -> bool) -> Result<Value> {
        self.when(name, |seen| {
            let mut events = seen.iter().filter(|e| e["event"] == name);
            events.find(|e| matches(e)).cloned()
        })
        .await
    }

    /// Lets the library do something; its result.
    ///
    /// # Errors
    /// The library reports a failure, or nothing.
    pub async fn ask(&mut self, act: &str, fields: Value) -> Result<Value> {
        let n = self.send(act, fields).await?;
        let reply = self
            .when(act, |seen| seen.iter().find(|e| e["n"] == n).cloned())
            .await?;
        if reply["event"] != "done" {
            return Err(self.failure(&format!("{act}: {}", reply["error"])));
        }
        Ok(reply["result"].clone())
    }

    async fn send(&mut self, act: &str, mut fields: Value) -> Result<u64> {
        self.asked += 1;
        fields["n"] = self.asked.into();
        fields["do"] = act.into();
        let line = format!("{fields}\n");
        if let Err(error) = self.stdin.write_all(line.as_bytes()).await {
            return Err(self.failure(&format!("{act}: {error}")));
        }
        Ok(self.asked)
    }

    /// The sandbox's journal since the start.
    ///
    /// # Errors
    /// The sandbox does not answer.
    pub async fn journal(&self) -> Result<Vec<Entry>> {
        Ok(self.control.journal(0).await?)
    }

    /// `GET` as a user of the sandbox, who must be allowed to.
    ///
    /// # Errors
    /// Another status than 200.
    pub async fn look(&self, user: &str, path: &str) -> Result<Value> {
        let answer = self.control.rest(user, "GET", path, Value::Null).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
        Ok(answer.body)
    }

    /// The JSON error code of a `GET` as a user; 0 when it succeeds.
    ///
    /// # Errors
    /// The sandbox does not answer.
    pub async fn refusal(&self, user: &str, path: &str) -> Result<i64> {
        let answer = self.control.rest(user, "GET", path, Value::Null).await?;
        Ok(answer.body["code"].as_i64().unwrap_or(0))
    }

    /// Lets the program log out, waits for its end, and returns what the checker found.
    ///
    /// # Errors
    /// It does not end, or not with 0.
    pub async fn stop(mut self) -> Result<Vec<splashtail_sandbox_world::openapi::Violation>> {
        self.end().await?;
        let violations = self.control.violations().await?;
        self.sandbox.stop().await;
        Ok(violations)
    }

    /// Has the program log out, and waits for its end.
    async fn end(&mut self) -> Result<()> {
        self.send("stop", json!({})).await?;
        let deadline = Instant::now() + PATIENCE;
        match timeout_at(deadline, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            outcome => bail!(self.failure(&format!("stop: {outcome:?}"))),
        }
    }

    /// Keeps the program from running, launchers included, until [`Self::go_on`]: what happens
    /// meanwhile happens without it.
    ///
    /// # Errors
    /// It has ended.
    pub fn hold(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// # Errors
    /// It has ended.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.id().context("the program has ended")?;
        Ok(killpg(Pid::from_raw(i32::try_from(pid)?), signal)?)
    }

    /// An error that shows what the client said last and what the sandbox saw last.
    #[must_use]
    pub fn failure(&self, what: &str) -> anyhow::Error {
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let stderr: Vec<&str> = stderr.iter().map(String::as_str).collect();
        let journal = &self.sandbox.edge.sandbox.journal;
        let since = journal.last().saturating_sub(JOURNAL_ENTRIES as u64);
        let entries = journal.since(since, JOURNAL_ENTRIES);
        let entries: Vec<String> = entries.iter().map(|e| json!(e).to_string()).collect();
        let events: Vec<String> = self
            .seen
            .iter()
            .rev()
            .take(10)
            .map(Value::to_string)
            .collect();
        anyhow!(
            "{what}\n--- newest events\n{}\n--- client\n{}\n--- sandbox\n{}",
            events.join("\n"),
            stderr.join("\n"),
            entries.join("\n")
        )
    }
}

/// How many gateway frames of the journal satisfy `wanted(direction, op, event name)`.
#[must_use]
pub fn frames(journal: &[Entry], wanted: impl Fn(&str, u8, &str) -> bool) -> usize {
    let frames = journal.iter().filter(|entry| match &entry.record {
        Record::Frame {
            direction, op, t, ..
        } => wanted(direction, *op, t.as_deref().unwrap_or_default()),
        _ => false,
    });
    frames.count()
}

/// How many dispatches were caught up on: sent between the loss of a connection and `RESUMED`.
#[must_use]
pub fn replayed(journal: &[Entry]) -> usize {
    let mut lost = HashSet::new();
    let mut count = 0;
    for entry in journal {
        match &entry.record {
            Record::Closed { session, .. } => {
                lost.insert(session);
            }
            Record::Frame {
                session,
                t: Some(t),
                ..
            } if t == "RESUMED" => {
                lost.remove(session);
            }
            Record::Frame { session, op: 0, .. } if lost.contains(session) => count += 1,
            _ => {}
        }
    }
    count
}
