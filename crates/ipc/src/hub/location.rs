//! Where the socket file really is.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// `sun_path` of unix(7) holds 108 bytes including the final zero.
const LONGEST: usize = 107;
/// What [`scratch`] appends.
const SCRATCH_SUFFIX: &str = ".new";

/// The path itself, or when it is too long for the kernel a name derived from it in the runtime
/// directory. Server and clients on one machine and account compute the same.
///
/// # Errors
/// The runtime directory cannot be made or belongs to someone else.
pub fn socket_path(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    if path.as_os_str().len() + SCRATCH_SUFFIX.len() <= LONGEST {
        return Ok(path);
    }
    let digest = hex::encode(Sha256::digest(path.as_os_str().as_bytes()));
    Ok(runtime_dir()?.join(format!("splashtail-{}.sock", &digest[..16])))
}

fn runtime_dir() -> io::Result<PathBuf> {
    if let Some(directory) = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
        && directory.is_dir()
        && directory.as_os_str().len() < 60
    {
        return Ok(directory);
    }
    let uid = nix::unistd::geteuid().as_raw();
    let directory = PathBuf::from(format!("/tmp/splashtail-{uid}"));
    match DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Anyone may create names in /tmp: trust the directory only when it is ours alone.
    let metadata = fs::symlink_metadata(&directory)?;
    if !metadata.is_dir() || metadata.uid() != uid || metadata.mode() & 0o077 != 0 {
        let message = format!(
            "{} is not a private directory of this account",
            directory.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(directory)
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

pub(super) fn scratch(socket: &Path) -> PathBuf {
    beside(socket, SCRATCH_SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_moves_to_a_short_one() {
        let short = Path::new("/tmp/data/bus.sock");
        assert_eq!(socket_path(short).unwrap(), short);
        let long = PathBuf::from(format!("/tmp/{}/bus.sock", "d".repeat(120)));
        let moved = socket_path(&long).unwrap();
        assert!(moved.as_os_str().len() <= LONGEST);
        assert_eq!(socket_path(&long).unwrap(), moved);
        let other = PathBuf::from(format!("/tmp/{}/bus.sock", "e".repeat(120)));
        assert_ne!(socket_path(&other).unwrap(), moved);
    }
}
