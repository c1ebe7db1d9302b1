//! Which clusters of this fleet run on this machine, whether somebody wrote them down or not. The
//! kernel's table of processes (proc(5)) is the only witness that a crash cannot leave behind the
//! times.

use std::fs;

use splashtail_ipc::args::ClusterArgs;

use crate::fleet::ProcessId;
use crate::process::{identify, is_zombie, stat_field};
use crate::settings::{Program, STATE_VARIABLE};

/// A process with the arguments of a cluster.
#[derive(Debug, Clone)]
pub struct Found {
    pub id: ProcessId,
    pub args: ClusterArgs,
    /// It listens to the channel of today.
    pub same_channel: bool,
}

/// Every live process that a clusterer with our state file started. Those of programs that pass the
/// variable on, but are not leaders of their group, are children of a cluster.
pub fn find(program: &Program) -> Vec<Found> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| look_at(pid, program)).collect()
}

fn look_at(pid: i32, program: &Program) -> Option<Found> {
    let args = arguments(&words(pid, "cmdline")?)?;
    let environment = words(pid, "environ")?;
    let variable = |name: &str| {
        let mut variables = environment.iter().filter_map(|line| line.split_once('='));
        variables.find_map(|(key, value)| (key == name).then_some(value))
    };
    let wanted = |name: &str| {
        let mut given = program.env.iter();
        given.find_map(|(key, value)| {
            (key == name).then(|| secrecy::ExposeSecret::expose_secret(value))
        })
    };
    let same = |name: &str| variable(name) == wanted(name);
    let channel = args
        .channel
        .as_deref()
        .or_else(|| variable("MEWLD_CHANNEL"));
    let same_channel = channel == Some(program.channel.as_str());
    let ours = match variable(STATE_VARIABLE) {
        Some(_) => same(STATE_VARIABLE),
        // Of a clusterer that did not set it yet.
        None => args.dir == program.dir.display().to_string() && same_channel && same("REDIS_URL"),
    };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let leads = stat_field(&stat, 5).and_then(|group| group.parse().ok()) == Some(pid);
    if !ours || !leads || is_zombie(pid) {
        return None;
    }
    let id = identify(pid).ok()?;
    Some(Found {
        id,
        args,
        same_channel,
    })
}

/// The words of a file of proc(5), which NUL bytes end.
fn words(pid: i32, file: &str) -> Option<Vec<String>> {
    let text = fs::read(format!("/proc/{pid}/{file}")).ok()?;
    let words = text
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty());
    let word = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    Some(words.map(word).collect())
}

/// A cluster's own arguments come last; what comes before depends on interpreters.
fn arguments(command_line: &[String]) -> Option<ClusterArgs> {
    [9, 6].into_iter().find_map(|count| {
        let start = command_line
            .len()
            .checked_sub(count)
            .filter(|start| *start > 0)?;
        ClusterArgs::parse(&command_line[start..]).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_arguments_are_at_the_end_of_any_command_line() {
        let nine = [
            "[0]",
            "2",
            "0",
            "Flare",
            "/bot",
            "2",
            "http://api",
            "ch",
            "staging",
        ];
        let six = ["[1]", "2", "1", "Waffle", "0", "/bot"];
        for program in [&["bot"][..], &["python3", "-u", "bot.py"]] {
            let found = arguments(&line(&[program, &nine].concat())).unwrap();
            assert_eq!(
                (found.cluster_id.get(), found.channel.as_deref()),
                (0, Some("ch"))
            );
            let found = arguments(&line(&[program, &six].concat())).unwrap();
            assert_eq!((found.cluster_id.get(), found.dir.as_str()), (1, "/bot"));
        }
        assert!(arguments(&line(&nine)).is_none(), "no program");
        assert!(arguments(&line(&["bash", "-c", "sleep 1"])).is_none());
    }
}
