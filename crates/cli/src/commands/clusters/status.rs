//! `clusters status`: once, or again and again until Ctrl-C.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use splashtail_core::clock::{Clock, SystemClock};

use super::connection::Connection;
use super::fleet::Fleet;
use super::table::{cut, lines, span};
use super::terminal::{print, screen};
use crate::commands::source::ConfigSource;

const PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Print JSON; with --watch one object a line.
    #[arg(long)]
    json: bool,
    /// Look again every second until Ctrl-C.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    source: ConfigSource,
}

/// # Errors
/// The clusterer cannot be reached; with `--watch` only the configuration can be wrong.
pub async fn run(args: StatusArgs) -> Result<ExitCode> {
    let connection = Connection::open(&args.source)?;
    if args.watch {
        return watch(&connection, args.json).await;
    }
    let fleet = connection
        .fleet()
        .await
        .map_err(|error| connection.explain(&error))?;
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&fleet)?)
    } else {
        let (width, _) = screen();
        text(&lines(&fleet, SystemClock.now(), width))
    };
    print(&text);
    Ok(ExitCode::SUCCESS)
}

async fn watch(connection: &Connection, json: bool) -> Result<ExitCode> {
    let mut view = View::default();
    let mut drawn = 0;
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        let outcome = tokio::select! {
            outcome = connection.fleet() => outcome,
            _ = &mut stop => break,
        };
        let now = SystemClock.now();
        match outcome {
            Ok(fleet) => view.see(fleet, now),
            Err(error) => view.miss(connection.trouble(&error)),
        }
        let text = if json {
            view.json()?
        } else {
            let (screen, is_terminal) = (screen(), io::stdout().is_terminal());
            let lines = view.lines(now, screen);
            let text = frame(&lines, if is_terminal { Some(drawn) } else { None });
            drawn = lines.len();
            text
        };
        if !print(&text) {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = &mut stop => break,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known, and since when it is not news any more.
#[derive(Debug, Default)]
struct View {
    last: Option<(Fleet, DateTime<Utc>)>,
    trouble: Option<String>,
}

impl View {
    fn see(&mut self, fleet: Fleet, now: DateTime<Utc>) {
        self.last = Some((fleet, now));
        self.trouble = None;
    }

    fn miss(&mut self, trouble: String) {
        self.trouble = Some(trouble);
    }

    /// One line; while the clusterer is away an object with `error`.
    fn json(&self) -> Result<String> {
        let line = match (&self.trouble, &self.last) {
            (Some(trouble), _) => serde_json::json!({ "error": trouble }).to_string(),
            (None, Some((fleet, _))) => serde_json::to_string(fleet)?,
            (None, None) => return Ok(String::new()),
        };
        Ok(format!("{line}\n"))
    }

    fn lines(&self, now: DateTime<Utc>, (width, height): (usize, usize)) -> Vec<String> {
        let mut all = Vec::new();
        if let Some((fleet, at)) = &self.last {
            // Times stand still with the rest when nothing new is known.
            all = lines(fleet, *at, width);
            if self.trouble.is_some() {
                all.push(cut(
                    &format!("Seen {} ago.", span((now - *at).num_seconds())),
                    width,
                ));
            }
        }
        if let Some(trouble) = &self.trouble {
            all.push(cut(trouble, width));
        }
        // The last line of the screen stays free for the cursor.
        let room = height.saturating_sub(1).max(1);
        if all.len() > room {
            // What is at the end sums up the rest.
            let tail = if self.trouble.is_some() { 5 } else { 3 };
            let tail = tail.min(room.saturating_sub(1));
            let hidden = all.len() - room + 1;
            let end = all.split_off(all.len() - tail);
            all.truncate(room - tail - 1);
            all.push(cut(&format!("… {hidden} more lines"), width));
            all.extend(end);
        }
        all
    }
}

/// The lines in the place of those drawn before; without a terminal below them.
fn frame(lines: &[String], drawn: Option<usize>) -> String {
    let mut text = String::new();
    match drawn {
        // To the start of the first old line, then clear to the end of the screen.
        Some(drawn @ 1..) => text.push_str(&format!("\x1b[{drawn}F\x1b[J")),
        Some(0) => {}
        None => text.push('\n'),
    }
    text + &self::text(lines)
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fleet::samples::{fleet, start};
    use super::super::terminal::ENDLESS;
    use super::*;

    #[test]
    fn an_absent_clusterer_leaves_the_last_picture_and_comes_back() {
        let mut view = View::default();
        view.miss("clusterer unreachable at http://x, retrying".to_owned());
        assert_eq!(
            view.lines(start(), ENDLESS),
            ["clusterer unreachable at http://x, retrying"]
        );
        view.see(fleet(&["Flare"]), start());
        let fresh = view.lines(start(), ENDLESS);
        assert!(fresh[1].contains("Flare") && fresh.len() == 5, "{fresh:?}");

        view.miss("clusterer unreachable at http://x, retrying".to_owned());
        let later = start() + chrono::Duration::seconds(61);
        let stale = view.lines(later, ENDLESS);
        assert_eq!(stale[..5], fresh[..]);
        assert_eq!(
            stale[5..],
            [
                "Seen 1m 1s ago.",
                "clusterer unreachable at http://x, retrying"
            ]
        );
        assert!(view.json().unwrap().starts_with("{\"error\":"));

        view.see(fleet(&["Flare"]), start());
        assert_eq!(view.lines(later, ENDLESS), fresh);
        assert!(view.json().unwrap().starts_with("{\"fully_up\":true"));
    }

    #[test]
    fn a_low_screen_keeps_the_summary() {
        let names: Vec<_> = (0..64).map(|id| format!("c{id}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut view = View::default();
        view.see(fleet(&names), start());
        let lines = view.lines(start(), (80, 10));
        assert_eq!(lines.len(), 9);
        assert_eq!(lines[5], "… 60 more lines");
        assert!(
            lines[7].starts_with("Fully up: 64 of 64 clusters"),
            "{lines:?}"
        );
        for height in 0..5 {
            assert!(
                view.lines(start(), (10, height)).len() <= height.max(2),
                "{height}"
            );
        }
    }

    #[test]
    fn a_frame_replaces_the_one_before_on_a_terminal_only() {
        let lines = ["a".to_owned(), "b".to_owned()];
        assert_eq!(frame(&lines, Some(0)), "a\nb\n");
        assert_eq!(frame(&lines, Some(7)), "\u{1b}[7F\u{1b}[Ja\nb\n");
        assert_eq!(frame(&lines, None), "\na\nb\n");
    }
}
