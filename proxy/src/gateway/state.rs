//! What outlives the process: each shard in a file of its own, and the clients' sessions.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use splashtail_core::telemetry::Chain;
use tracing::{info, warn};

use super::Gateway;
use super::client::session::{KeptSession, Session};
use super::shard::{KeepError, Mark, Owner, Shard, Snapshot, write_whole};

#[derive(Debug, Serialize, Deserialize)]
struct Clients {
    /// The snapshots, in the order of the shards, that the sessions' places in the logs belong to.
    marks: Vec<Mark>,
    sessions: Vec<KeptSession>,
}

impl Gateway {
    fn owner(&self, shard: u16, shards: u16) -> Owner {
        let token = self.settings.token.expose_secret().trim();
        let token = token.trim_start_matches("Bot ");
        Owner {
            // It begins with the bot's id, which is no secret.
            bot: token.split('.').next().unwrap_or_default().to_owned(),
            shard,
            shards,
            intents: self.settings.intents,
        }
    }

    /// Blocks. `last`: nothing can happen any more, so that clients can go on, too. Their file is
    /// the last one to be written and the first one to go: whenever it is there, it names the
    /// shards' files that it fits.
    pub fn save(&self, last: bool) {
        let Some(directory) = &self.settings.state_dir else {
            return;
        };
        let shards = self.shards();
        let total = u16::try_from(shards.len()).unwrap_or(u16::MAX);
        let write = || -> Result<(), KeepError> {
            fs::create_dir_all(directory)?;
            forget(&clients_file(directory));
            let (generation, mut marks) = (super::key(), Vec::new());
            for shard in shards.iter() {
                let owner = self.owner(shard.id, total);
                let taken = Snapshot::take(shard, owner, &generation, self.clock.now(), last);
                match taken {
                    Some(snapshot) => {
                        snapshot.write(&shard_file(directory, shard.id))?;
                        marks.push(snapshot.mark());
                    }
                    None => forget(&shard_file(directory, shard.id)),
                }
            }
            if last && marks.len() == shards.len() {
                let sessions = self.list();
                let sessions = sessions.iter().filter_map(|session| session.keep());
                let clients = Clients {
                    marks,
                    sessions: sessions.collect(),
                };
                write_whole(&clients_file(directory), &serde_json::to_vec(&clients)?)?;
            }
            Ok(())
        };
        if let Err(error) = write() {
            warn!(error = %Chain(&error), "the gateway sessions cannot be kept on disk");
        }
    }

    /// Puts back what an earlier process left; what cannot be used is left out.
    pub(super) fn restore(&self, shards: &[Arc<Shard>]) {
        let Some(directory) = &self.settings.state_dir else {
            return;
        };
        let now = self.clock.monotonic();
        let total = u16::try_from(shards.len()).unwrap_or(u16::MAX);
        let mut marks = Vec::new();
        for shard in shards {
            let path = shard_file(directory, shard.id);
            let owner = self.owner(shard.id, total);
            let read = Snapshot::read(&path, &owner, self.clock.now());
            let restored = read.and_then(|snapshot| {
                let mark = snapshot.mark();
                snapshot.restore(shard, now).map(|()| mark)
            });
            match restored {
                Ok(mark) => {
                    info!(shard.id = shard.id, "found a session of an earlier process");
                    marks.push(mark);
                }
                Err(error) => {
                    if !is_absent(&error) {
                        warn!(shard.id = shard.id, error = %Chain(&error), "an earlier session cannot be used");
                    }
                }
            }
        }
        // They fit these files and no others.
        let path = clients_file(directory);
        let clients = fs::read(&path).ok();
        forget(&path);
        let clients: Option<Clients> =
            clients.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match clients {
            Some(clients) if clients.marks == marks => {
                self.restore_clients(clients, shards, total);
            }
            Some(_) => warn!("the clients' sessions are of another moment, they begin anew"),
            None => {}
        }
    }

    fn restore_clients(&self, clients: Clients, shards: &[Arc<Shard>], total: u16) {
        let now = self.clock.monotonic();
        let mut sessions = self.sessions();
        for kept in clients.sessions {
            let sources = super::Sources::of(shards, kept.shard);
            let own = sources.shards().first();
            let own = own.map_or(0, |shard| shard.inner().guilds.own());
            let sight = self.sight(kept.id, kept.shard, kept.intents, own);
            sessions.made = sessions.made.max(kept.id);
            let key = kept.key.clone();
            if !kept.fits(&sources) {
                warn!(
                    client = kept.id,
                    "a client's session lies beyond what was kept"
                );
                continue;
            }
            let session = Session::restore(kept, sight, sources, total, now);
            sessions.by_key.insert(key, Arc::new(session));
        }
        info!(
            clients = sessions.by_key.len(),
            "clients can go on with their sessions"
        );
    }
}

fn is_absent(error: &KeepError) -> bool {
    matches!(error, KeepError::Io(error) if error.kind() == std::io::ErrorKind::NotFound)
}

fn shard_file(directory: &Path, shard: u16) -> PathBuf {
    directory.join(format!("shard-{shard}.state"))
}

fn clients_file(directory: &Path) -> PathBuf {
    directory.join("clients.json")
}

fn forget(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        warn!(%error, "an old file stays");
    }
}

#[cfg(test)]
mod tests;
