//! The directory below which an installation keeps everything it owns on one machine.

mod secrets;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Deref;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

pub use secrets::{Secrets, SecretsError};

use crate::config::Config;

const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("cannot create the data directory {path}")]
    Create {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the data directory {path} is already in use by another splashtail{}. Stop that one, or choose another with --data-dir",
        holder.as_deref().map(|holder| format!(" ({holder})")).unwrap_or_default()
    )]
    InUse {
        path: PathBuf,
        holder: Option<String>,
    },
    #[error("cannot lock {path}")]
    Lock {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// Where things are inside a data directory. Knowing the paths creates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPaths {
    root: PathBuf,
}

impl DataPaths {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn database(&self) -> PathBuf {
        self.root.join("splashtail.db")
    }

    pub fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    pub fn clusterer(&self) -> PathBuf {
        self.root.join("clusterer")
    }

    pub fn clusterer_state(&self) -> PathBuf {
        self.clusterer().join("state.json")
    }

    pub fn action_logs(&self) -> PathBuf {
        self.clusterer().join("actlogs.jsonl")
    }

    /// Working directory of the clusters.
    pub fn bot(&self) -> PathBuf {
        self.root.join("bot")
    }

    pub fn proxy(&self) -> PathBuf {
        self.root.join("proxy")
    }

    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub fn log(&self, process: &str) -> PathBuf {
        self.logs().join(format!("{process}.log"))
    }

    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    pub fn effective_config(&self) -> PathBuf {
        self.run().join("config.yaml")
    }

    /// Where a running platform says how it is reached: the line of `up --json`.
    pub fn platform(&self) -> PathBuf {
        self.run().join("platform.json")
    }

    pub fn secrets_file(&self) -> PathBuf {
        self.root.join("secrets.yaml")
    }

    /// Whether a running splashtail holds the directory. Creates nothing.
    pub fn is_in_use(&self) -> bool {
        let Ok(file) = File::open(self.lock(None)) else {
            return false;
        };
        matches!(
            Flock::lock(file, FlockArg::LockExclusiveNonblock),
            Err((_, Errno::EWOULDBLOCK))
        )
    }

    fn lock(&self, role: Option<&str>) -> PathBuf {
        match role {
            None => self.root.join("lock"),
            Some(role) => self.root.join(format!("lock.{role}")),
        }
    }
}

/// A data directory that this process holds. The lock ends with the value or with the process,
/// however it ends.
#[derive(Debug)]
pub struct DataDir {
    paths: DataPaths,
    _locks: Vec<Flock<File>>,
}

impl Deref for DataDir {
    type Target = DataPaths;

    fn deref(&self) -> &DataPaths {
        &self.paths
    }
}

impl DataDir {
    /// Creates the directory (0700) and its entries and takes it for this process alone.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] while another splashtail holds it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let paths = create(path)?;
        let lock = lock(&paths, None, FlockArg::LockExclusiveNonblock)?;
        Ok(Self {
            paths,
            _locks: vec![lock],
        })
    }

    /// Takes the directory for one part of an installation whose parts run on their own, as
    /// `splashtail webserver` and `splashtail jobs` side by side do. Each role is held once, and
    /// not while [`DataDir::open`] holds the whole.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] while the role or the whole directory is held.
    pub fn open_part(path: &Path, role: &str) -> Result<Self, DataDirError> {
        let paths = create(path)?;
        let shared = lock(&paths, None, FlockArg::LockSharedNonblock)?;
        let own = lock(&paths, Some(role), FlockArg::LockExclusiveNonblock)?;
        Ok(Self {
            paths,
            _locks: vec![shared, own],
        })
    }

    /// Reads `secrets.yaml`; what is absent is generated and kept, so every later start finds the
    /// same values.
    ///
    /// # Errors
    /// The file cannot be read or written, or its content is not what this program wrote.
    pub fn secrets(&self) -> Result<Secrets, SecretsError> {
        Secrets::open(&self.secrets_file())
    }

    /// Fills in what the configuration leaves open: the secrets, and the directory itself.
    /// Values that are set stay.
    ///
    /// # Errors
    /// As [`DataDir::secrets`].
    pub fn apply(&self, config: &mut Config) -> Result<(), SecretsError> {
        self.paths.root.clone_into(&mut config.data_dir);
        self.secrets()?.apply(config);
        Ok(())
    }

    /// Writes the effective configuration with its secrets to `run/config.yaml` (0600), in one
    /// step, and returns the path for `SPLASHTAIL_CONFIG`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_effective_config(&self, config: &Config) -> Result<PathBuf, DataDirError> {
        let path = self.effective_config();
        write_private(&path, config.to_yaml().as_bytes()).map_err(|source| {
            DataDirError::Write {
                path: path.clone(),
                source,
            }
        })?;
        Ok(path)
    }
}

fn create(path: &Path) -> Result<DataPaths, DataDirError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| DataDirError::Create { path, source }
    };
    create_private_dir(path).map_err(failed(path))?;
    let paths = DataPaths::new(path.canonicalize().map_err(failed(path))?);
    for entry in [
        paths.objects(),
        paths.clusterer(),
        paths.bot(),
        paths.proxy(),
        paths.logs(),
        paths.run(),
    ] {
        create_private_dir(&entry).map_err(failed(&entry))?;
    }
    Ok(paths)
}

fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIR)
        .create(path)
}

fn lock(
    paths: &DataPaths,
    role: Option<&str>,
    kind: FlockArg,
) -> Result<Flock<File>, DataDirError> {
    let path = paths.lock(role);
    let failed = |source: io::Error| DataDirError::Lock {
        path: path.clone(),
        source,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE_FILE)
        .open(&path)
        .map_err(failed)?;
    match Flock::lock(file, kind) {
        Ok(mut lock) => {
            // Who holds it is only told to a person: failing to say so is no reason to stop.
            let _ = name_holder(&mut lock, role);
            Ok(lock)
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = Some(holder.trim().to_owned()).filter(|holder| !holder.is_empty());
            Err(DataDirError::InUse {
                path: paths.root.clone(),
                holder,
            })
        }
        Err((_, errno)) => Err(failed(errno.into())),
    }
}

fn name_holder(lock: &mut File, role: Option<&str>) -> io::Result<()> {
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    match role {
        None => writeln!(lock, "pid {}", std::process::id()),
        Some(role) => writeln!(lock, "{role}, pid {}", std::process::id()),
    }
}

/// Replaces a file that only its owner may read. A reader sees the old or the new content, never
/// a part, also after a power failure.
///
/// # Errors
/// The file cannot be written; what was there stays.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path);
    let result = write_synced(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// A new file that only its owner may read.
///
/// # Errors
/// There is something of this name, or it cannot be created.
pub fn create_new_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE_FILE)
        .open(path)
}

/// Like [`write_private`], but leaves a file that already exists alone and returns `false` then.
pub(crate) fn create_private(path: &Path, content: &[u8]) -> io::Result<bool> {
    let temporary = temporary_beside(path);
    let linked =
        write_synced(&temporary, content).and_then(|()| match fs::hard_link(&temporary, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        });
    let _ = fs::remove_file(&temporary);
    linked
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    // A leftover of a process that was killed may have another mode.
    let _ = fs::remove_file(path);
    let mut file = create_new_private(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
