//! Runs that ended in order and could not say so, because the database was silent: their attempts
//! were no crashes. The leases are left in a file, and whoever keeps house on the same directory
//! later reports them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::Lease;

use crate::deadline::within;
use crate::engine::Engine;
use crate::held::Held;

const SUFFIX: &str = "leases";
/// What more processes than ever ran on one directory leave, and more than one can hold.
const MOST_FILES: usize = 100;
const MOST_BYTES: u64 = 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Left {
    task: TaskId,
    fence: i64,
}

/// Where an engine leaves its own.
#[derive(Debug)]
pub(crate) struct Unreported {
    directory: PathBuf,
    file: PathBuf,
}

impl Unreported {
    pub fn new(directory: PathBuf, runner: &str) -> Self {
        let file = directory.join(format!("{runner}.{SUFFIX}"));
        Self { directory, file }
    }

    /// Writes down which of the runs the database does not know to be over; none: no file.
    pub fn leave(&self, runs: &[Arc<Held>]) {
        let left: Vec<Left> = runs
            .iter()
            .filter(|run| !run.is_let_go())
            .map(|run| Left {
                task: run.lease.task,
                fence: run.lease.fence,
            })
            .collect();
        let done = if left.is_empty() {
            remove(&self.file)
        } else {
            write(&self.file, &left)
        };
        if let Err(error) = done {
            tracing::warn!(runs = left.len(), error = %Chain(&error),
                "runs that ended in order will count as crashes");
        }
    }

    /// Reports what others left. What cannot be reported now is left for the next time.
    pub async fn report(&self, engine: &Engine) -> io::Result<()> {
        for path in files(&self.directory)? {
            let left = match read(&path) {
                Ok(left) => left,
                // Somebody else has reported it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    tracing::warn!(file = %path.display(), error = %Chain(&error),
                        "leases of earlier runs cannot be read and are forgotten");
                    Vec::new()
                }
            };
            for (told, Left { task, fence }) in left.iter().enumerate() {
                let (task, fence) = (*task, *fence);
                let lease = Lease { task, fence };
                let lost = engine.inner.storage.queue().lost(lease);
                if let Err(error) = within(engine.inner.timing.deadline, lost).await {
                    tracing::warn!(job.id = %task, error = %Chain(&error),
                        "a run that ended in order was not reported, trying again later");
                    // What was told is not told again.
                    return match left.get(told..) {
                        Some(untold) if told > 0 => write(&path, untold),
                        _ => Ok(()),
                    };
                }
            }
            remove(&path)?;
        }
        Ok(())
    }
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
            files.push(path);
            if files.len() == MOST_FILES {
                break;
            }
        }
    }
    Ok(files)
}

fn read(path: &Path) -> io::Result<Vec<Left>> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > MOST_BYTES {
        return Err(io::Error::other(format!("it has {bytes} bytes")));
    }
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Whole or not at all: a reader may be there already.
fn write(path: &Path, left: &[Left]) -> io::Result<()> {
    let text = serde_json::to_vec(left)?;
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text)?;
    std::fs::rename(draft, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
