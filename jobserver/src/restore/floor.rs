//! The least time that a plan takes, by what Discord's limits permit: nobody can be faster, and people
//! want to know before they approve it.
//!
//! Limits are told by headers only once something is done, so these are the ones that are known from
//! reports; where one is not known, nothing is assumed but the global one.

use std::collections::BTreeMap;
use std::time::Duration;

use splashtail_guild::{Effect, Kind, Operation};

use super::plan::RestorePlan;
use crate::carry_out::kind_of;

/// Requests of one bot in a second.
const GLOBAL: u64 = 50;
/// So many calls in so many seconds.
type Limit = (u64, u64);
/// One call of another bot's is as good as one of ours: a whole window is assumed to be there.
const CHANNELS: Limit = (50, 10);
const ROLES: Limit = (250, 172_800);
const EMOJIS: Limit = (50, 3600);
const THREADS: Limit = (50, 300);
/// All webhooks of a channel together; one of them posts five in two seconds.
const POSTS: Limit = (30, 60);

/// Seconds of `calls` against a window that is full now: `(r, a)` are calls left and seconds until it
/// starts anew.
fn window(calls: u64, (limit, seconds): Limit, (left, reset): Limit) -> u64 {
    match calls.checked_sub(left) {
        None | Some(0) => 0,
        Some(more) => reset + seconds * (more.div_ceil(limit) - 1),
    }
}

/// As [`window`], with all of it left.
fn fresh(calls: u64, limit: Limit) -> u64 {
    window(calls, limit, limit)
}

fn global(calls: u64) -> u64 {
    calls.div_ceil(GLOBAL).saturating_sub(1)
}

/// Seconds of posting messages to one channel by one webhook.
fn posting(messages: u64) -> u64 {
    let five_in_two = messages.saturating_sub(5) * 2 / 5;
    let (limit, seconds) = POSTS;
    five_in_two.max(seconds * messages.div_ceil(limit).saturating_sub(1))
}

/// Phases follow each other; what is in one of them stands in lines of its own.
fn phase(calls: u64, limited: &[(u64, Limit)]) -> u64 {
    let longest = limited.iter().map(|(calls, limit)| fresh(*calls, *limit));
    longest.max().unwrap_or(0).max(global(calls))
}

/// The floor of a plan. `messages`: how many are posted to each channel or thread.
pub fn floor(plan: &RestorePlan, messages: &[u64]) -> Duration {
    let mut creates: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut calls: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut deletes = 0;
    for Effect { operation, .. } in &plan.effects {
        let kind = kind_of(operation);
        match operation {
            Operation::Create { .. } => *creates.entry(kind).or_default() += 1,
            Operation::Delete { .. } => {
                deletes += 1;
                continue;
            }
            _ => {}
        }
        *calls.entry(kind).or_default() += 1;
    }
    let of = |kind: Kind| creates.get(&kind).copied().unwrap_or(0);
    let all: u64 = calls.values().sum();
    let count = |kind: Kind| calls.get(&kind).copied().unwrap_or(0);
    let threads = plan.threads.make.len() as u64;
    let seconds = phase(count(Kind::Role), &[(of(Kind::Role), ROLES)])
        + phase(count(Kind::Channel), &[(of(Kind::Channel), CHANNELS)])
        + phase(
            all - count(Kind::Role) - count(Kind::Channel),
            &[(of(Kind::Emoji), EMOJIS)],
        )
        + global(deletes)
        + fresh(threads, THREADS).max(messages.iter().copied().map(posting).sum())
        + global(2 * plan.people.members.len() as u64);
    Duration::from_secs(seconds)
}

/// For people: `about 1 min 34 s`, `about 2 h 5 min`.
pub fn shown(floor: Duration) -> String {
    let all = floor.as_secs();
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    match (hours, minutes) {
        (0, 0) => format!("about {seconds} s"),
        (0, _) => format!("about {minutes} min {seconds} s"),
        _ => format!("about {hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the restore matrix, section 3.
    #[test]
    fn a_whole_server_takes_a_minute_and_a_half() {
        assert_eq!(global(248), 4);
        assert_eq!(fresh(500, CHANNELS), 90);
        assert_eq!(fresh(248, ROLES), 0);
        let seconds = phase(248, &[(248, ROLES)]) + phase(500, &[(500, CHANNELS)]);
        assert_eq!(shown(Duration::from_secs(seconds)), "about 1 min 34 s");
    }

    #[test]
    fn what_is_left_of_a_window_counts() {
        assert_eq!(window(3, (250, 172_800), (3, 101_995)), 0);
        assert_eq!(window(4, (250, 172_800), (3, 101_995)), 101_995);
        assert_eq!(window(254, (250, 172_800), (3, 101_995)), 101_995 + 172_800);
        assert_eq!(fresh(60, EMOJIS), 3600);
        assert_eq!(shown(Duration::from_secs(3661)), "about 1 h 1 min");
        assert_eq!(shown(Duration::ZERO), "about 0 s");
    }

    #[test]
    fn a_long_channel_is_posted_at_the_webhooks_pace() {
        assert_eq!(posting(200), 360);
        assert_eq!(posting(5), 0);
        assert_eq!(posting(20), 6);
    }
}
