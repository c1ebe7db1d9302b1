//! How many sockets this process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

/// What a process has at least.
const USUAL: u64 = 1024;
const MOST: u64 = 65_536;

/// As many as the system lets us have without asking anybody: every call that waits holds one.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let now = limit.current.unwrap_or(MOST);
    let wanted = limit.maximum.unwrap_or(MOST).min(MOST);
    if wanted <= now {
        return now.min(MOST);
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(error) => {
            debug!(%error, "the number of open files stays as it is");
            now.max(USUAL)
        }
    }
}
