//! The program's side of the line protocol of `splashtail_e2e::strangers`.

use std::io::{BufRead, Write};
use std::str::FromStr;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use splashtail_core::clock::{Clock, SystemClock};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What the autocompleted option of `/greet` offers.
pub const WORDS: [&str; 3] = ["anchor", "ahoy", "buoy"];

/// Where the sandbox serves REST, and the bot's token.
pub fn environment() -> Result<(String, String)> {
    let variable = |name| std::env::var(name).context(name);
    Ok((variable("SANDBOX_REST")?, variable("SANDBOX_TOKEN")?))
}

/// Prints an event.
pub fn report(event: &Value) {
    // Without a reader the program is about to end anyway.
    let _ = writeln!(std::io::stdout().lock(), "{event}");
}

/// Prints how a command ended.
pub fn finish(n: u64, outcome: Result<Value>) {
    report(&match outcome {
        Ok(result) => json!({"event": "done", "n": n, "result": result}),
        Err(error) => json!({"event": "failed", "n": n, "error": format!("{error:?}")}),
    });
}

/// Unix time so many seconds from now.
pub fn unix_time_in(seconds: i64) -> i64 {
    SystemClock.now().timestamp() + seconds
}

/// One line of stdin.
#[derive(Debug)]
pub struct Command {
    pub n: u64,
    pub act: String,
    fields: Value,
}

impl Command {
    pub fn text(&self, key: &str) -> Result<&str> {
        self.fields[key]
            .as_str()
            .with_context(|| format!("no text `{key}`"))
    }

    pub fn number(&self, key: &str) -> Result<i64> {
        self.fields[key]
            .as_i64()
            .with_context(|| format!("no number `{key}`"))
    }

    /// An id, or bits in decimal.
    pub fn parsed<T: FromStr>(&self, key: &str) -> Result<T> {
        parse(self.text(key)?)
    }

    pub fn ids<T: FromStr>(&self, key: &str) -> Result<Vec<T>> {
        let list = self.fields[key].as_array();
        let list = list.with_context(|| format!("no list `{key}`"))?;
        list.iter()
            .map(|id| parse(id.as_str().unwrap_or_default()))
            .collect()
    }
}

fn parse<T: FromStr>(text: &str) -> Result<T> {
    let value = text.parse().ok();
    value.with_context(|| format!("`{text}` cannot be read"))
}

/// The commands on stdin; they end when it does.
pub fn commands() -> UnboundedReceiver<Command> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let fields: Value = serde_json::from_str(&line).unwrap_or_default();
            let command = Command {
                n: fields["n"].as_u64().unwrap_or_default(),
                act: fields["do"].as_str().unwrap_or_default().to_owned(),
                fields,
            };
            if sender.send(command).is_err() {
                break;
            }
        }
    });
    receiver
}
