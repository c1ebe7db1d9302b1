//! Keeps the logs of daemons and clusters from filling the disk. They write to append-only files
//! that they never open again, so a log that has grown too long is copied away and cut to nothing:
//! what is appended next begins the file anew (open(2), O_APPEND). A line that is written between
//! the last look and the cut is lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use splashtail_core::clock::SharedClock;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A log is put away when it is longer than this.
const LONGEST: u64 = 64 * 1024 * 1024;
/// So many old parts of a log are kept: `<name>.log.1` is the newest.
const KEPT: u32 = 4;
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Watches every `*.log` of the directory until `stop`.
pub async fn keep_short(directory: PathBuf, clock: SharedClock, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep(LOOK_EVERY) => {}
        }
        let looked = directory.clone();
        // Copying takes a while.
        let work = tokio::task::spawn_blocking(move || put_away_long_ones(&looked, LONGEST));
        if let Err(error) = work.await {
            warn!(%error, "the logs could not be looked after");
        }
    }
}

fn put_away_long_ones(directory: &Path, longest: u64) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        if !is_log || path.metadata().is_ok_and(|file| file.len() <= longest) {
            continue;
        }
        match put_away(&path) {
            Ok(()) => info!(log = %path.display(), "the log was put away"),
            Err(error) => {
                // A full disk: what is old goes first, in the end what is new.
                let freed = old_parts(&path).filter(|old| fs::remove_file(old).is_ok());
                let freed = freed.count();
                warn!(log = %path.display(), %error, freed, "the log cannot be put away");
                if freed == 0
                    && let Err(error) = cut(&path)
                {
                    warn!(log = %path.display(), %error, "the log cannot be cut");
                }
            }
        }
    }
}

fn part(log: &Path, number: u32) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

fn old_parts(log: &Path) -> impl Iterator<Item = PathBuf> {
    (1..=KEPT).map(|number| part(log, number))
}

fn put_away(log: &Path) -> io::Result<()> {
    let fresh = part(log, 0);
    let copied = copy(log, &fresh);
    if copied.is_err() {
        let _ = fs::remove_file(&fresh);
        return copied;
    }
    for number in (0..KEPT).rev() {
        match fs::rename(part(log, number), part(log, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Copies until there is nothing new, then cuts at once.
fn copy(log: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(log)?;
    let mut to = File::create(to)?;
    while io::copy(&mut from, &mut to)? > 0 {}
    to.sync_all()?;
    // What came while the copy was written to the disk.
    while io::copy(&mut from, &mut to)? > 0 {}
    cut(log)?;
    from.seek(SeekFrom::Start(0)).map(drop)
}

fn cut(log: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(log)?.set_len(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_long_log_begins_anew_under_its_writer() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("webserver.log");
        let mut writer = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        for round in 0..7 {
            writeln!(writer, "round {round} of a long story").unwrap();
            put_away_long_ones(directory.path(), 20);
            assert_eq!(fs::read_to_string(&log).unwrap(), "");
            let newest = fs::read_to_string(part(&log, 1)).unwrap();
            assert_eq!(newest, format!("round {round} of a long story\n"));
        }
        writeln!(writer, "short").unwrap();
        put_away_long_ones(directory.path(), 20);
        assert_eq!(fs::read_to_string(&log).unwrap(), "short\n");
        let files = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(files, 1 + KEPT as usize, "the oldest parts are gone");
        let oldest = fs::read_to_string(part(&log, KEPT)).unwrap();
        assert_eq!(oldest, "round 3 of a long story\n");
    }

    #[test]
    fn where_nothing_can_be_copied_the_log_is_cut_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("bot-0.log");
        fs::write(&log, "a long story that nobody keeps").unwrap();
        // A directory in the way of the copy, as a full disk would be.
        fs::create_dir(part(&log, 0)).unwrap();
        fs::write(part(&log, 2), "old").unwrap();
        put_away_long_ones(directory.path(), 20);
        assert!(!part(&log, 2).exists(), "what is old goes first");
        assert!(log.metadata().unwrap().len() > 0);
        put_away_long_ones(directory.path(), 20);
        assert_eq!(log.metadata().unwrap().len(), 0);
    }
}
