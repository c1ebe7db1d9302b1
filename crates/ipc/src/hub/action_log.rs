//! The action log of an installation without Redis: one JSON document per line.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The file is rewritten once it is this much longer than the cap, not on every line.
const SLACK: usize = 256;

#[derive(Debug)]
pub(super) struct ActionLogFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Lines in the file, once counted.
    lines: Option<usize>,
    cap: Option<usize>,
}

impl ActionLogFile {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            state: Mutex::default(),
        }
    }

    /// Blocks on the file system.
    pub(super) fn append(&self, entry: &str, cap: usize) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = match state.lines {
            Some(lines) => lines,
            None => self.entries()?.len(),
        };
        let mut file = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.path)?;
        // A crash may have left half a line; the newline in front keeps it apart from this one.
        file.write_all(format!("{}\n", super::frame::one_line(entry)).as_bytes())?;
        state.cap = Some(cap);
        state.lines = Some(lines + 1);
        if lines + 1 > cap.saturating_add(SLACK) {
            let kept = newest(self.entries()?, cap);
            let fresh = super::location::beside(&self.path, ".new");
            let mut file = File::options()
                .create(true)
                .write(true)
                .truncate(true)
                .mode(0o600)
                .open(&fresh)?;
            for entry in &kept {
                writeln!(file, "{entry}")?;
            }
            file.sync_all()?;
            fs::rename(&fresh, &self.path)?;
            state.lines = Some(kept.len());
        }
        Ok(())
    }

    /// Oldest first. Blocks on the file system.
    pub(super) fn read(&self) -> io::Result<Vec<String>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.entries()?;
        Ok(newest(entries, state.cap.unwrap_or(usize::MAX)))
    }

    fn entries(&self) -> io::Result<Vec<String>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line?;
            // A line cut short by a crash is no entry.
            if serde_json::from_str::<serde::de::IgnoredAny>(&line).is_ok() {
                entries.push(line);
            }
        }
        Ok(entries)
    }
}

fn newest(mut entries: Vec<String>, cap: usize) -> Vec<String> {
    entries.drain(..entries.len().saturating_sub(cap));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_go_first_and_half_lines_are_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("actlogs.jsonl");
        let log = ActionLogFile::new(&path);
        assert_eq!(log.read().unwrap(), Vec::<String>::new());
        for n in 0..400 {
            log.append(&format!("{{\"n\":{n}}}"), 10).unwrap();
        }
        let entries = log.read().unwrap();
        assert_eq!(entries.len(), 10);
        assert_eq!(entries[9], "{\"n\":399}");
        assert!(fs::read_to_string(&path).unwrap().lines().count() <= 10 + SLACK);

        fs::write(&path, "{\"n\":1}\n{\"n\":").unwrap();
        let log = ActionLogFile::new(&path);
        log.append("{\n\"n\":2}", 10).unwrap();
        assert_eq!(log.read().unwrap().first().unwrap(), "{\"n\":1}");
    }
}
