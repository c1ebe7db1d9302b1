//! What everybody did and was told, for the message of a failed test: taken from the sandbox's
//! journal when a test panics, and bounded.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use http::Method;
use serde_json::Value;
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::server::Edge;
use splashtail_sandbox_world::journal::{Entry, Record};
use url::Url;

/// Lines of each actor, the last ones.
const LINES: usize = 30;
/// Actors, those that did most first.
const ACTORS: usize = 12;
/// People for whom the test acted, who come before them.
const PEOPLE: usize = 8;
/// The part of what Discord's description forbids, which comes before everybody.
const VIOLATIONS: &str = "violations";
/// Longest line.
const WIDTH: usize = 200;
/// Entries of the journal that are looked at, the last ones.
const ENTRIES: u64 = 20_000;
/// Channels of which is shown what the person who acted there sees.
const CHANNELS: usize = 4;
const MESSAGES: usize = 8;
/// A sandbox that does not answer must not hold the failing test up.
const PATIENCE: Duration = Duration::from_secs(15);

/// Prints the transcript when it is dropped by a panic.
pub struct Witness(Source);

enum Source {
    /// Another process.
    Far(Url),
    /// In this one, whose runtime may be standing still.
    Near(Arc<Edge>),
}

impl Witness {
    #[must_use]
    pub fn of(control: &Url) -> Self {
        Self(Source::Far(control.clone()))
    }

    #[must_use]
    pub fn near(edge: &Arc<Edge>) -> Self {
        Self(Source::Near(edge.clone()))
    }

    fn tell(&self) -> Result<String> {
        match &self.0 {
            Source::Near(edge) => {
                let journal = &edge.sandbox.journal;
                let since = journal.last().saturating_sub(ENTRIES);
                let entries = journal.since(since, usize::MAX);
                let summary = edge.sandbox.with_world(|world| world.dump());
                Ok(transcript(&entries, &names(&summary)))
            }
            Source::Far(control) => {
                let control = control.clone();
                let asking = std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()?;
                    let asked = runtime
                        .block_on(async { tokio::time::timeout(PATIENCE, ask(&control)).await });
                    asked.context("the sandbox does not answer")?
                });
                let asked = asking.join();
                asked.map_err(|_| anyhow!("the sandbox could not be asked"))?
            }
        }
    }
}

impl Drop for Witness {
    #[expect(clippy::print_stderr, reason = "it belongs to the message of the test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            match self.tell() {
                Ok(text) => eprintln!("{text}"),
                Err(error) => eprintln!("there is no transcript: {error:#}"),
            }
        }
    }
}

async fn ask(control: &Url) -> Result<String> {
    let client = ControlClient::new(control)?;
    let overview: Value = client
        .call(Method::GET, "/ctl/overview", &Value::Null)
        .await?;
    let last = overview["journal"].as_u64().unwrap_or_default();
    let entries = client.journal(last.saturating_sub(ENTRIES)).await?;
    let names = names(&client.summary().await?);
    let mut text = transcript(&entries, &names);
    for (user, channel) in places(&entries) {
        let path = format!("/ctl/as/{user}/messages?channel_id={channel}&limit={MESSAGES}");
        let seen = client.call(Method::GET, &path, &Value::Null).await;
        let who = named(&names, &user);
        let _ = writeln!(text, "--- what {who} sees in {}", named(&names, &channel));
        match seen {
            Ok(messages) => text.push_str(&shown(&messages)),
            Err(error) => {
                let _ = writeln!(text, "{error}");
            }
        }
    }
    Ok(text)
}

/// Of users, applications, guilds and channels, as far as the world tells.
fn names(summary: &Value) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut note = |thing: &Value| {
        let id = thing["id"].as_str();
        let name = thing["username"].as_str().or(thing["name"].as_str());
        if let (Some(id), Some(name)) = (id, name) {
            names.insert(id.to_owned(), name.to_owned());
        }
    };
    for list in ["applications", "users", "guilds"] {
        summary[list]
            .as_array()
            .into_iter()
            .flatten()
            .for_each(&mut note);
    }
    for guild in summary["guilds"].as_array().into_iter().flatten() {
        for channel in guild["channels"].as_array().into_iter().flatten() {
            note(channel);
        }
    }
    names
}

fn named(names: &BTreeMap<String, String>, id: &str) -> String {
    names
        .get(id)
        .map_or_else(|| id.to_owned(), |name| format!("{name} ({id})"))
}

/// The last places where people acted, newest first.
fn places(entries: &[Entry]) -> Vec<(String, String)> {
    let mut places = Vec::new();
    for entry in entries.iter().rev() {
        let Record::Control { detail, .. } = &entry.record else {
            continue;
        };
        let channel = detail["channel_id"]
            .as_str()
            .or_else(|| detail["act"]["channel_id"].as_str());
        if let (Some(user), Some(channel)) = (detail["user"].as_str(), channel) {
            let place = (user.to_owned(), channel.to_owned());
            if !places.contains(&place) {
                places.push(place);
            }
        }
        if places.len() == CHANNELS {
            break;
        }
    }
    places
}

/// Messages oldest first, with what embeds and components say.
fn shown(messages: &Value) -> String {
    let mut text = String::new();
    let mut list: Vec<&Value> = messages.as_array().into_iter().flatten().collect();
    list.sort_by(|a, b| a["timestamp"].as_str().cmp(&b["timestamp"].as_str()));
    for message in list {
        let author = message["author"]["username"].as_str().unwrap_or_default();
        let mut said = message["content"].as_str().unwrap_or_default().to_owned();
        for part in ["embeds", "components"] {
            if message[part]
                .as_array()
                .is_some_and(|list| !list.is_empty())
            {
                let _ = write!(said, " {part} {}", message[part]);
            }
        }
        let _ = writeln!(text, "{}", cut(&format!("{author}: {said}")));
    }
    text
}

/// A deed or a word, when it came first, and how often it came one after the other.
struct Line {
    stamp: String,
    what: String,
    times: usize,
}

/// What one actor did and was told.
#[derive(Default)]
struct Part {
    count: usize,
    lines: VecDeque<Line>,
}

impl Part {
    fn add(&mut self, stamp: String, what: String) {
        self.count += 1;
        if let Some(last) = self.lines.back_mut().filter(|last| last.what == what) {
            last.times += 1;
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(Line {
            stamp,
            what,
            times: 1,
        });
    }
}

/// Violations, the people for whom the test acted, and everybody else, those who did most first.
pub fn transcript(entries: &[Entry], names: &BTreeMap<String, String>) -> String {
    let begin = entries.first().map_or(0, |entry| entry.at_ms);
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    let mut people = BTreeSet::new();
    for entry in entries {
        if let Record::Control { detail, .. } = &entry.record
            && let Some(user) = detail["user"].as_str()
        {
            let who = named(names, user);
            people.extend([format!("person {who}"), format!("user {who}")]);
        }
        let stamp = format!(
            "{:>7} {:>9.3}",
            entry.seq,
            (entry.at_ms - begin) as f64 / 1000.0
        );
        let (actor, what) = told(&entry.record, names);
        parts.entry(actor).or_default().add(stamp, what);
    }
    let (mut first, mut others): (Vec<_>, Vec<_>) = parts
        .into_iter()
        .partition(|(actor, _)| actor == VIOLATIONS || people.contains(actor));
    first.sort_by_key(|(actor, part)| (actor != VIOLATIONS, Reverse(part.count)));
    others.extend(first.split_off(first.len().min(PEOPLE)));
    others.sort_by_key(|(_, part)| Reverse(part.count));
    let left = others.len().saturating_sub(ACTORS);
    let mut text = String::from("=== what everybody did and was told (number, seconds)\n");
    for (actor, part) in first.iter().chain(others.iter().take(ACTORS)) {
        let _ = writeln!(text, "--- {actor}: the last of {}", part.count);
        for line in &part.lines {
            let told = cut(&format!("{}  {}", line.stamp, line.what));
            let times = match line.times {
                1 => String::new(),
                times => format!(" ×{times}"),
            };
            let _ = writeln!(text, "{told}{times}");
        }
    }
    if left > 0 {
        let _ = writeln!(text, "--- and {left} others");
    }
    text
}

fn told(record: &Record, names: &BTreeMap<String, String>) -> (String, String) {
    match record {
        Record::Request {
            caller,
            method,
            path,
            status,
            code,
            reason,
            ..
        } => {
            let id = caller.id.as_deref().unwrap_or_default();
            let mut what = format!("{method} {path} → {status}");
            if let Some(code) = code {
                let _ = write!(what, " [{code}]");
            }
            if let Some(reason) = reason {
                let _ = write!(what, " ({reason})");
            }
            (format!("{} {}", caller.kind, named(names, id)), what)
        }
        Record::Frame {
            session,
            shard,
            direction,
            op,
            t,
            ..
        } => {
            let sign = if direction == "in" { "says" } else { "hears" };
            let name = t.as_deref().unwrap_or_default();
            let what = format!("{sign} op {op} {name}");
            (gateway(session, *shard), what.trim_end().to_owned())
        }
        Record::Closed {
            session,
            shard,
            code,
            by,
        } => {
            let code = code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
            (gateway(session, *shard), format!("closed by {by}: {code}"))
        }
        Record::Control { act, detail } => {
            let who = match detail["user"].as_str() {
                Some(user) => format!("person {}", named(names, user)),
                None => "control".to_owned(),
            };
            (who, format!("{act} {detail}"))
        }
        Record::Violation(violation) => (VIOLATIONS.to_owned(), violation.to_string()),
    }
}

fn gateway(session: &str, shard: u32) -> String {
    let start: String = session.chars().take(6).collect();
    format!("shard {shard}, session {start}")
}

fn cut(line: &str) -> String {
    let line = line.replace('\n', "⏎");
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_sandbox_world::journal::Caller;

    use super::*;

    fn request(seq: u64, user: &str, status: u16) -> Entry {
        let record = Record::Request {
            caller: Caller {
                kind: "user".into(),
                id: Some(user.to_owned()),
            },
            method: "PUT".to_owned(),
            path: "/guilds/1/bans/2".to_owned(),
            route: None,
            status,
            bucket: None,
            code: (status >= 400).then_some(50013),
            reason: Some("spam".to_owned()),
            digest: None,
        };
        Entry {
            seq,
            at_ms: seq as i64 * 500,
            record,
        }
    }

    #[test]
    fn everybody_has_a_part_and_repetitions_are_counted() {
        let entries = [
            request(1, "7", 204),
            request(2, "7", 403),
            request(3, "7", 403),
            request(4, "8", 204),
        ];
        let names = [("7".to_owned(), "adam".to_owned())].into();
        assert_eq!(
            transcript(&entries, &names),
            "=== what everybody did and was told (number, seconds)\n\
             --- user adam (7): the last of 3\n\
             \u{20}     1     0.000  PUT /guilds/1/bans/2 → 204 (spam)\n\
             \u{20}     2     0.500  PUT /guilds/1/bans/2 → 403 [50013] (spam) ×2\n\
             --- user 8: the last of 1\n\
             \u{20}     4     1.500  PUT /guilds/1/bans/2 → 204 (spam)\n"
        );
    }

    #[test]
    fn it_is_bounded() {
        let mut entries = Vec::new();
        for actor in 0..100 {
            for n in 0..100 {
                let mut entry = request(n, &actor.to_string(), 204);
                if let Record::Request { path, .. } = &mut entry.record {
                    *path = format!("/{n}/{}", "x".repeat(1000));
                }
                entries.push(entry);
            }
        }
        let text = transcript(&entries, &BTreeMap::new());
        assert_eq!(text.lines().count(), 1 + ACTORS * (LINES + 1) + 1);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH + 1));
        assert!(text.ends_with("--- and 88 others\n"));
    }

    #[test]
    fn violations_and_the_people_of_the_test_are_never_cut() {
        let mut entries = Vec::new();
        for actor in 100..200 {
            entries.extend([1, 2, 3].map(|n| request(n, &actor.to_string(), 204)));
        }
        let record = |record| Entry {
            seq: 9,
            at_ms: 0,
            record,
        };
        entries.push(record(Record::Control {
            act: "say".to_owned(),
            detail: json!({"user": "7", "channel_id": "6"}),
        }));
        entries.push(request(10, "7", 403));
        let violation = json!({"operation": "PUT /guilds/{guild_id}/bans/{user_id}", "side": "request",
            "pointer": "/", "message": "no number", "status": 200});
        entries.push(record(Record::Violation(
            serde_json::from_value(violation).unwrap(),
        )));
        let names = [("7".to_owned(), "adam".to_owned())].into();
        let text = transcript(&entries, &names);
        let parts: Vec<&str> = text.lines().filter(|l| l.starts_with("---")).collect();
        let first = [
            "--- violations: the last of 1",
            "--- person adam (7): the last of 1",
            "--- user adam (7): the last of 1",
        ];
        assert_eq!(parts[..3], first);
        assert_eq!(parts.len(), 3 + ACTORS + 1);
        assert_eq!(parts[3 + ACTORS], "--- and 88 others");
    }

    #[test]
    fn where_people_acted_last_comes_first() {
        let act = |seq, detail| Entry {
            seq,
            at_ms: 0,
            record: Record::Control {
                act: "say".to_owned(),
                detail,
            },
        };
        let entries = [
            act(1, json!({"user": "1", "act": {"channel_id": "5"}})),
            act(2, json!({"user": "1", "channel_id": "6"})),
            act(3, json!({"user": "1", "act": {"channel_id": "5"}})),
            act(4, json!({"changed": true})),
        ];
        let place = |channel: &str| ("1".to_owned(), channel.to_owned());
        assert_eq!(places(&entries), [place("5"), place("6")]);
    }

    #[test]
    fn messages_are_told_in_order_with_what_they_show() {
        let messages = json!([
            {"id": "2", "timestamp": "b", "author": {"username": "bot"}, "content": "",
             "embeds": [{"title": "Done"}], "components": []},
            {"id": "1", "timestamp": "a", "author": {"username": "adam"}, "content": "hi\nyou"}]);
        assert_eq!(
            shown(&messages),
            "adam: hi⏎you\nbot:  embeds [{\"title\":\"Done\"}]\n"
        );
    }
}
