//! Processes that lost their parent below us. The supervisor is a child subreaper: when the
//! clusterer dies for good, its clusters become our children and end with us.

use std::collections::HashSet;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// Makes this process the parent of every orphan below it (prctl(2), PR_SET_CHILD_SUBREAPER).
///
/// # Errors
/// The kernel refuses, which Linux since 3.4 does not.
pub fn become_subreaper() -> nix::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// Direct children that are not in `known`: orphans that were handed to us.
pub fn adopted(known: &HashSet<u32>) -> Vec<u32> {
    children_of(std::process::id())
        .into_iter()
        .filter(|pid| !known.contains(pid))
        .collect()
}

/// Collects the exit status of adopted children that ended, so that no zombie stays.
pub fn reap(known: &HashSet<u32>) {
    for pid in adopted(known) {
        if let Ok(pid) = i32::try_from(pid) {
            let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// Every process below this one, parents before their children.
pub fn descendants() -> Vec<u32> {
    let mut found = children_of(std::process::id());
    let mut next = 0;
    while next < found.len() {
        found.extend(children_of(found[next]));
        next += 1;
    }
    found
}

/// Sends SIGKILL to everything below this process.
pub fn kill_descendants() -> usize {
    let pids = descendants();
    for pid in &pids {
        if let Ok(pid) = i32::try_from(*pid) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    pids.len()
}

/// Children by the parent field of `/proc/<pid>/stat` (proc(5)), which needs no kernel option.
fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    parse_parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The command name is in parentheses and may itself contain parentheses and spaces.
fn parse_parent(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parent_is_read_behind_a_hostile_command_name() {
        assert_eq!(parse_parent("12 (a) b (c)) S 34 12 12 0"), Some(34));
        assert_eq!(parse_parent("12 (bot) S 1 12"), Some(1));
        assert_eq!(parse_parent("nonsense"), None);
    }
}
