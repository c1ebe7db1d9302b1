//! Processes that lost their parent below us. The supervisor is a child subreaper: when the
//! clusterer dies for good, its clusters become our children and end with us.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio::time::Instant;

/// How often it is looked whether orphans have ended. There are none as a rule.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Makes this process the parent of every orphan below it (prctl(2), PR_SET_CHILD_SUBREAPER).
///
/// # Errors
/// The kernel refuses, which Linux since 3.4 does not.
pub fn become_subreaper() -> nix::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// A process as `/proc/<pid>/stat` shows it (proc(5)), which needs no kernel option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    pid: u32,
    parent: u32,
    /// It has ended and only waits to be collected.
    ended: bool,
}

/// Collects the exit status of adopted children that ended, so that no zombie stays. `known` tells
/// the children that somebody else waits for, see [`strangers`].
pub fn reap(known: impl Fn() -> HashSet<u32>) {
    for child in strangers(known) {
        if let Ok(pid) = i32::try_from(child.pid) {
            let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// Asks what runs below this process besides `known` to end, and waits for that until `deadline`.
pub async fn end(known: impl Fn() -> HashSet<u32>, deadline: Instant) {
    let mut asked = HashSet::new();
    loop {
        reap(&known);
        let running = strangers(&known).into_iter().filter(|seen| !seen.ended);
        let orphans: Vec<_> = running.map(|seen| seen.pid).collect();
        if orphans.is_empty() || Instant::now() >= deadline {
            return;
        }
        for pid in orphans {
            if asked.insert(pid) {
                signal(pid, Signal::SIGTERM);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Sends SIGKILL to everything below this process; how many still ran.
pub fn kill_descendants() -> usize {
    let running = descendants(&processes().collect::<Vec<_>>(), std::process::id());
    for pid in &running {
        signal(*pid, Signal::SIGKILL);
    }
    running.len()
}

/// Direct children that are not `known`, which is asked after the look: a child that is started
/// meanwhile is not among those seen.
fn strangers(known: impl FnOnce() -> HashSet<u32>) -> Vec<Seen> {
    let own = std::process::id();
    let mut children: Vec<_> = processes().filter(|seen| seen.parent == own).collect();
    let known = known();
    children.retain(|seen| !known.contains(&seen.pid));
    children
}

/// Every living process below `ancestor`, parents before their children.
fn descendants(all: &[Seen], ancestor: u32) -> Vec<u32> {
    let mut found = vec![ancestor];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        // What has ended has no children: they were handed on.
        let children = all
            .iter()
            .filter(|seen| seen.parent == parent && !seen.ended);
        found.extend(children.map(|seen| seen.pid));
        next += 1;
    }
    found.split_off(1)
}

fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // ESRCH: it ended in this moment.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn processes() -> impl Iterator<Item = Seen> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    })
}

/// The command name is in parentheses and may itself contain parentheses and spaces.
fn parse(pid: u32, stat: &str) -> Option<Seen> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X" | "x");
    let parent = fields.next()?.parse().ok()?;
    Some(Seen { pid, parent, ended })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn state_and_parent_are_read_behind_a_hostile_command_name() {
        let seen = |stat| parse(12, stat).map(|seen| (seen.parent, seen.ended));
        assert_eq!(seen("12 (a) b (c)) S 34 12 12 0"), Some((34, false)));
        assert_eq!(seen("12 (Z) Z 1 12"), Some((1, true)));
        assert_eq!(seen("nonsense"), None);
    }

    #[test]
    fn what_has_ended_does_not_run_any_more() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id();
        let stat = || processes().find(|seen| seen.pid == pid);
        // A child that nobody waited for is a zombie, and stays one.
        while !stat().unwrap().ended {
            std::thread::yield_now();
        }
        let all: Vec<_> = processes().collect();
        assert!(!descendants(&all, std::process::id()).contains(&pid));
        child.wait().unwrap();
    }

    /// Its keeper waits for it, and an end that somebody else collected is an error there.
    #[test]
    fn a_child_that_comes_and_goes_during_the_look_is_left_to_its_keeper() {
        let mut started = None;
        let seen = strangers(|| {
            let child = started.insert(Command::new("true").spawn().unwrap());
            let pid = child.id();
            while !processes().any(|seen| seen.pid == pid && seen.ended) {
                std::thread::yield_now();
            }
            HashSet::new()
        });
        let mut child = started.unwrap();
        assert!(seen.iter().all(|seen| seen.pid != child.id()));
        child.wait().unwrap();
    }

    #[test]
    fn all_generations_are_found() {
        let seen = |pid, parent, ended| Seen { pid, parent, ended };
        let all = [
            seen(4, 3, false),
            seen(2, 1, false),
            seen(3, 2, false),
            seen(5, 2, true),
            seen(9, 8, false),
        ];
        assert_eq!(descendants(&all, 1), [2, 3, 4]);
    }
}
