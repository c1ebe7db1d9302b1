//! How many files and connections this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

/// More than any daemon of ours holds: some kernels allow a thousand millions, and tables grow with that.
const MOST: u64 = 65_536;

/// Raises the limit as far as this process may, to [`MOST`] at the highest; how many it has now. For a
/// process that starts no others: children inherit it, and some of them count through all.
pub fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let has = limit.current.unwrap_or(MOST);
    let wanted = limit.maximum.unwrap_or(MOST).min(MOST).max(has);
    let raised = Rlimit {
        current: Some(wanted),
        ..limit
    };
    let has = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(error) => {
            debug!(%error, "the limit of open files stays");
            has
        }
    };
    usize::try_from(has.min(MOST)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_raised_stays_so() {
        let first = raise();
        assert!(first > 0);
        assert_eq!(raise(), first);
        let limit = getrlimit(Resource::Nofile);
        assert!(limit.current.is_none_or(|now| now >= first as u64));
    }
}
