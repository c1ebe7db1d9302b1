//! `clusterer/state.json`: what the next clusterer needs to know to take the clusters over.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use splashtail_core::telemetry::Chain;
use tracing::{info, warn};

use crate::fleet::{SavedFleet, Spawn};
use crate::process::{self, Adopted, boot_id};
use crate::settings::Program;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StateFile {
    boot_id: String,
    channel: String,
    #[serde(flatten)]
    fleet: SavedFleet,
}

/// The file of one fleet.
#[derive(Debug, Clone)]
pub struct StateStore {
    path: PathBuf,
    channel: String,
}

impl StateStore {
    pub fn new(data_dir: &Path, channel: &str) -> Self {
        Self {
            path: data_dir.join("clusterer/state.json"),
            channel: channel.to_owned(),
        }
    }

    /// Writes the file so that a reader finds either the old or the new content. Blocks.
    ///
    /// # Errors
    /// The file system refused.
    pub fn write(&self, fleet: &SavedFleet) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let state = StateFile {
            boot_id: boot_id(),
            channel: self.channel.clone(),
            fleet: fleet.clone(),
        };
        let fresh = self.path.with_extension("json.new");
        let mut file = File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(&state)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)
    }

    /// Nothing is left to take over.
    pub fn remove(&self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(%error, "cannot remove the state file");
            }
            _ => {}
        }
    }

    /// The predecessor's fleet with those of its processes that live on; `None` when nothing of
    /// it is left.
    ///
    /// A predecessor that was killed right after it had started a process may not have written
    /// the number down: such a process is recognised by its arguments.
    pub fn load(&self, program: &Program) -> Option<(SavedFleet, Vec<(usize, Adopted)>)> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                warn!(error = %Chain(&error), "cannot read the state file, starting afresh");
                return None;
            }
        };
        let state: StateFile = match serde_json::from_slice(&text) {
            Ok(state) => state,
            Err(error) => {
                warn!(%error, "the state file is damaged, starting afresh");
                return None;
            }
        };
        if state.boot_id != boot_id() || state.channel != self.channel {
            info!("the state file is of another boot or channel, starting afresh");
            return None;
        }
        let mut fleet = state.fleet;
        let running = process::command_lines();
        let cluster_count = fleet.cluster_count();
        let mut adopted = Vec::new();
        for (index, cluster) in fleet.clusters.iter_mut().enumerate() {
            let unwritten = || {
                let spawn = Spawn {
                    cluster: cluster.id,
                    incarnation: cluster.incarnation,
                    name: cluster.name.clone(),
                    shards: cluster.shards.clone(),
                    shard_count: fleet.shard_count,
                    cluster_count,
                    identify_not_before: None,
                };
                process::find_started(&running, program, &spawn)
            };
            let candidate = cluster.process.clone().into_iter().chain(unwritten());
            let found = candidate
                .filter_map(|process| Some((Adopted::find(&process)?, process)))
                .next();
            cluster.process = None;
            if let Some((process, id)) = found {
                cluster.process = Some(id);
                adopted.push((index, process));
            }
        }
        if adopted.is_empty() {
            return None;
        }
        Some((fleet, adopted))
    }
}
