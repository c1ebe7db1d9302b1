//! `clusterer/state.json`: what the next clusterer needs to know to take the clusters over.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

use crate::fleet::{Policy, ProcessId, Remembered, SavedCluster, SavedFleet};
use crate::map::{Split, cluster_map};
use crate::process::{Adopted, boot_id};
use crate::running::{self, Found};
use crate::settings::Program;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StateFile {
    boot_id: String,
    channel: String,
    #[serde(flatten)]
    fleet: SavedFleet,
}

/// Where the file of a fleet is: what its clusters are known by.
pub fn state_path(data_dir: &Path) -> PathBuf {
    data_dir.join("clusterer/state.json")
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
            path: state_path(data_dir),
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

    /// No cluster is left to take over. What operators decided stays for the next start.
    pub fn leave(&self, last: Option<SavedFleet>) {
        let Some(mut last) = last.filter(|last| !last.remember().is_empty()) else {
            return self.remove();
        };
        for cluster in &mut last.clusters {
            cluster.process = None;
        }
        if let Err(error) = self.write(&last) {
            warn!(%error, "cannot write the state file: stopped clusters will start");
        }
    }

    fn remove(&self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(%error, "cannot remove the state file");
            }
            _ => {}
        }
    }

    /// What a predecessor left on this machine. A file that tells nothing is kept aside; running
    /// clusters are found without it.
    pub fn load(&self, program: &Program, policy: &Policy) -> Predecessor {
        let state = self.read();
        let mut found = running::find(program);
        let Some(state) = state else {
            return rebuild(&found, policy);
        };
        let remembered = state.fleet.remember();
        let same_boot = state.boot_id == boot_id();
        if !same_boot || state.channel != self.channel {
            info!("the state file is of another boot or channel, starting afresh");
            let written = state.fleet.clusters.iter();
            let written =
                written.filter_map(|cluster| cluster.process.clone().filter(|_| same_boot));
            let known: Vec<_> = found.iter().map(|found| found.id.pid).collect();
            let strays = written.filter(|process| !known.contains(&process.pid));
            let mut predecessor = rebuild(&found, policy);
            predecessor
                .strays
                .extend(strays.filter_map(|id| alive(&id)));
            predecessor.remembered = remembered;
            return predecessor;
        }
        let mut fleet = state.fleet;
        let mut predecessor = Predecessor {
            remembered,
            ..Predecessor::default()
        };
        for (index, cluster) in fleet.clusters.iter_mut().enumerate() {
            let written = cluster.process.take();
            // A predecessor that was killed right after it had started a process may not have
            // written the number down.
            let fits = |found: &Found| match &written {
                Some(id) if Adopted::find(id).is_some() => found.id.pid == id.pid,
                _ => found.same_channel && found.args.cluster_id == cluster.id,
            };
            let seen = found.iter().position(fits).map(|at| found.swap_remove(at));
            if let Some(seen) = &seen {
                cluster.runs = Some(split(seen));
            }
            let id = seen.map(|seen| seen.id).or(written);
            if let Some((id, process)) = id.as_ref().and_then(alive) {
                cluster.process = Some(id);
                predecessor.adopted.push((index, process));
            }
        }
        let strays = found.iter().filter_map(|found| alive(&found.id));
        predecessor.strays.extend(strays);
        predecessor.fleet = (!predecessor.adopted.is_empty()).then_some(fleet);
        predecessor
    }

    /// `None` also for a file that cannot be used, which is moved out of the way.
    fn read(&self) -> Option<StateFile> {
        let problem = match fs::read(&self.path) {
            Ok(text) => match serde_json::from_slice::<StateFile>(&text) {
                Ok(state) if state.fleet.is_sound() || state.fleet.clusters.is_empty() => {
                    return Some(state);
                }
                Ok(_) => "its clusters do not fit together".to_owned(),
                Err(error) => error.to_string(),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => error.to_string(),
        };
        let aside = self.path.with_extension("json.unusable");
        error!(
            error = problem, file = %self.path.display(), kept = %aside.display(),
            "cannot use the state file; the running clusters are looked for without it"
        );
        if let Err(error) = fs::rename(&self.path, &aside) {
            warn!(%error, "cannot keep the state file aside");
        }
        None
    }
}

/// What a clusterer finds when it starts.
#[derive(Debug, Default)]
pub struct Predecessor {
    /// To go on with; `None` when nothing of it is left.
    pub fleet: Option<SavedFleet>,
    /// Its live processes, by the index of their cluster.
    pub adopted: Vec<(usize, Adopted)>,
    /// Processes of ours that fit no cluster: they must end before anything starts.
    pub strays: Vec<(ProcessId, Adopted)>,
    /// For a fleet that starts afresh.
    pub remembered: Remembered,
}

fn alive(id: &ProcessId) -> Option<(ProcessId, Adopted)> {
    Some((id.clone(), Adopted::find(id)?))
}

fn split(found: &Found) -> Split {
    Split {
        shards: found.args.shards.clone(),
        shard_count: found.args.shard_count,
    }
}

/// A fleet from the arguments of its processes: those of the total that most of them have and that
/// the map of today has, too, go on.
fn rebuild(found: &[Found], policy: &Policy) -> Predecessor {
    let mut totals = BTreeMap::<u16, usize>::new();
    for found in found.iter().filter(|found| found.same_channel) {
        *totals.entry(found.args.shard_count).or_default() += 1;
    }
    let total = totals.iter().max_by_key(|(_, count)| **count);
    let total = total.map_or(0, |(total, _)| *total);
    let mut map = cluster_map(&policy.names, total, policy.per_cluster).unwrap_or_default();
    if let Some(layout) = policy.layout {
        map.retain(|entry| layout.has_cluster(entry.id));
    }
    let mut predecessor = Predecessor::default();
    let mut clusters = Vec::new();
    let mut left: Vec<_> = found.iter().collect();
    for (index, entry) in map.into_iter().enumerate() {
        let fits = |found: &&Found| {
            found.same_channel
                && found.args.cluster_id == entry.id
                && split(found).is(&entry.shards, total)
        };
        let own = left.iter().position(fits).map(|at| left.swap_remove(at));
        let own = own.and_then(|own| alive(&own.id));
        let process = own.as_ref().map(|(id, _)| id.clone());
        predecessor
            .adopted
            .extend(own.map(|(_, process)| (index, process)));
        clusters.push(SavedCluster::rebuilt(entry, process));
    }
    predecessor.strays = left.iter().filter_map(|found| alive(&found.id)).collect();
    if !predecessor.adopted.is_empty() {
        let ended = predecessor.strays.len();
        warn!(
            adopted = predecessor.adopted.len(),
            ended, "found clusters that nobody had written down"
        );
        predecessor.fleet = Some(SavedFleet::rebuilt(total, policy.layout, clusters));
    }
    predecessor
}
