//! From which events of which shards a client's numbers come, so that they come out the same when it
//! asks for them again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use splashtail_core::ids::GuildId;

use crate::gateway::event::{Class, Event, Frame, Sight};
use crate::gateway::log::{Log, Lost, Position};

/// A new run begins after so many events, so that little is read again on a resume.
const RUN: u64 = 256;
/// Events looked at under one shard's lock.
const LOOKS: usize = 1024;

/// A client's events from `seq` on come from a shard's events from `from` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub seq: u64,
    pub source: usize,
    pub from: Position,
}

/// A client's way through the logs of its shards.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Feed {
    /// Where in each shard's log the client is.
    next: Vec<Position>,
    /// The last number given out.
    seq: u64,
    /// From the oldest that can be asked for again; the last one goes on.
    runs: VecDeque<Run>,
    /// Servers that the client was shown when these positions were reached: what they were shown to
    /// be is not told again.
    shown: HashMap<GuildId, (usize, Position)>,
    /// The run that is being given out again, and the number at which everything was given out.
    again: Option<(usize, u64)>,
    /// The client has everything up to here.
    has: u64,
    turn: usize,
}

/// An event with its number.
#[derive(Debug, Clone)]
pub struct Numbered {
    pub seq: u64,
    pub frame: Frame,
    pub event: Arc<Event>,
}

/// Access to the logs of a client's shards.
pub trait Logs {
    fn with<T>(&self, source: usize, look: impl FnOnce(&mut Log) -> T) -> T;
}

impl Feed {
    /// `next` says where in the logs of its shards the client begins.
    pub fn new(next: Vec<Position>) -> Self {
        Self {
            next,
            seq: 0,
            runs: VecDeque::new(),
            shown: HashMap::new(),
            again: None,
            has: 0,
            turn: 0,
        }
    }

    /// The highest number that was given out.
    pub fn sent(&self) -> u64 {
        self.again.map_or(self.seq, |(_, end)| end)
    }

    /// A number for something that is in no log.
    pub fn number(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// The client is shown a server as it is at a position of a shard's log.
    pub fn show(&mut self, guild: GuildId, source: usize, at: Position) {
        self.shown.insert(guild, (source, at));
    }

    /// More shards, from these positions on.
    pub fn extend(&mut self, next: impl IntoIterator<Item = Position>) {
        self.next.extend(next);
    }

    /// Whether no place of it lies beyond the logs of so many shards.
    pub fn fits(&self, logs: &impl Logs, sources: usize) -> bool {
        let within = |source: usize, at| logs.with(source, |log| at <= log.head());
        self.next.len() == sources
            && self
                .runs
                .iter()
                .all(|run| run.source < sources && within(run.source, run.from))
            && (self.next.iter().enumerate()).all(|(source, at)| within(source, *at))
    }

    /// Bytes that are still to be looked at.
    pub fn behind(&self, logs: &impl Logs) -> u64 {
        let sources = self.next.iter().enumerate();
        sources
            .map(|(source, next)| logs.with(source, |log| log.behind(*next)))
            .sum()
    }

    /// The next events, about so many bytes of them; none when there are none yet.
    ///
    /// # Errors
    /// [`Lost`]: the client is too far behind.
    pub fn pull(
        &mut self,
        logs: &impl Logs,
        sight: &Sight,
        bytes: usize,
    ) -> Result<Vec<Numbered>, Lost> {
        let mut pulled = Vec::new();
        let mut room = bytes;
        // What was given out before comes again in the same order.
        while let Some((run, end)) = self.again {
            let Some(source) = self.runs.get(run).map(|run| run.source) else {
                self.again = None;
                break;
            };
            let until = match self.runs.get(run + 1) {
                Some(next) => next.seq - 1,
                None => end,
            };
            let caught_up = self.take(logs, source, sight, until, &mut room, &mut pulled)?;
            if self.seq >= until {
                self.again = (until < end).then_some((run + 1, end));
            } else if room == 0 || caught_up {
                return Ok(pulled);
            }
        }
        for _ in 0..self.next.len() {
            if room == 0 {
                break;
            }
            let source = self.turn;
            self.turn = (self.turn + 1) % self.next.len();
            self.take(logs, source, sight, u64::MAX, &mut room, &mut pulled)?;
        }
        Ok(pulled)
    }

    /// `true` when there is nothing more.
    fn take(
        &mut self,
        logs: &impl Logs,
        source: usize,
        sight: &Sight,
        until: u64,
        room: &mut usize,
        pulled: &mut Vec<Numbered>,
    ) -> Result<bool, Lost> {
        let is_again = self.again.is_some();
        let Some(next) = self.next.get(source).copied() else {
            return Ok(true);
        };
        let mut position = next;
        let mut found = Vec::new();
        let shown = &self.shown;
        let (mut seq, has) = (self.seq, self.has);
        let caught_up = logs.with(source, |log| {
            for (at, event) in log.read(next)?.take(LOOKS) {
                if *room == 0 || seq >= until {
                    return Ok(false);
                }
                position = at + 1;
                let was_shown = matches!(event.class, Class::Shown | Class::GuildCreate)
                    && event
                        .guild
                        .and_then(|guild| shown.get(&guild))
                        .is_some_and(|(of, shown)| *of == source && at < *shown);
                if was_shown || !event.is_for(sight) {
                    continue;
                }
                seq += 1;
                if seq > has {
                    *room = room.saturating_sub(event.len());
                }
                found.push((at, Arc::clone(event)));
            }
            Ok(position == log.head())
        })?;
        for (at, event) in found {
            self.seq += 1;
            if !is_again {
                self.note(source, at);
            }
            if self.seq <= has {
                continue;
            }
            pulled.push(Numbered {
                seq: self.seq,
                // Rendered here: not under the shard's lock.
                frame: event.seen_by(sight),
                event,
            });
        }
        self.next[source] = position;
        if !is_again {
            self.forget(logs);
        }
        Ok(caught_up)
    }

    fn note(&mut self, source: usize, at: Position) {
        let goes_on = self
            .runs
            .back()
            .is_some_and(|run| run.source == source && self.seq - run.seq < RUN);
        if !goes_on {
            self.runs.push_back(Run {
                seq: self.seq,
                source,
                from: at,
            });
        }
    }

    /// Runs whose events are not kept any more.
    fn forget(&mut self, logs: &impl Logs) {
        while self.runs.len() > 1 {
            let run = self.runs[0];
            // The next one has to begin before this one can go: it may need all of it.
            let gone = logs.with(run.source, |log| run.from < log.first());
            if !gone {
                return;
            }
            self.runs.pop_front();
        }
        if self.runs.len() == 1 && !self.shown.is_empty() {
            // Everything that was shown at the start lies behind the oldest run.
            let oldest = self.runs[0];
            if self.next.len() == 1 {
                self.shown.retain(|_, (_, at)| *at > oldest.from);
            }
        }
    }

    /// Gives out again what comes after `seq`.
    ///
    /// # Errors
    /// [`Lost`]: it is not kept any more, or was never in a log.
    pub fn rewind(&mut self, logs: &impl Logs, seq: u64) -> Result<(), Lost> {
        let end = self.sent();
        if seq >= self.seq && self.again.is_none() {
            return Ok(());
        }
        let wanted = (seq + 1).min(end);
        let run = self.runs.iter().rposition(|run| run.seq <= wanted);
        let run = run.ok_or(Lost)?;
        for later in self.runs.range(run..) {
            if logs.with(later.source, |log| later.from < log.first()) {
                return Err(Lost);
            }
        }
        for (source, next) in self.next.iter_mut().enumerate() {
            let mut later = self.runs.range(run..);
            if let Some(first) = later.find(|run| run.source == source) {
                *next = first.from;
            }
        }
        self.seq = self.runs[run].seq - 1;
        self.again = Some((run, end));
        self.has = seq;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::gateway::event::tests::{event, numbered, sight};
    use crate::gateway::log::Limits;

    struct Fixed(Vec<RefCell<Log>>);

    impl Logs for Fixed {
        fn with<T>(&self, source: usize, look: impl FnOnce(&mut Log) -> T) -> T {
            look(&mut self.0[source].borrow_mut())
        }
    }

    fn logs(sources: usize) -> Fixed {
        let limits = Limits {
            bytes: 1 << 20,
            age: Duration::from_secs(60),
        };
        Fixed(
            (0..sources)
                .map(|_| RefCell::new(Log::new(limits)))
                .collect(),
        )
    }

    fn text(name: &str, guild: u64, n: usize) -> String {
        format!(r#"{{"t":"{name}","s":1,"op":0,"d":{{"guild_id":"{guild}","n":{n}}}}}"#)
    }

    fn texts(pulled: &[Numbered]) -> Vec<String> {
        pulled
            .iter()
            .map(|event| numbered(&event.frame, event.seq))
            .collect()
    }

    /// All there is, in pieces.
    fn drain(feed: &mut Feed, logs: &Fixed, sight: &Sight, piece: usize) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let pulled = feed.pull(logs, sight, piece).unwrap();
            let done = pulled.is_empty() && feed.behind(logs) == 0;
            all.extend(texts(&pulled));
            if done {
                return all;
            }
        }
    }

    proptest! {
        #[test]
        fn whoever_comes_back_gets_what_it_missed_as_it_was(
            steps in prop::collection::vec((0_usize..3, any::<bool>(), 0_u64..4, prop::option::of(1_usize..400)), 1..80),
            backs in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        ) {
            let logs = logs(3);
            let sight = sight(1);
            let mut feed = Feed::new(vec![0; 3]);
            let mut sent = Vec::new();
            for (n, (source, wanted, guild, pull)) in steps.into_iter().enumerate() {
                let name = if wanted { "CHANNEL_UPDATE" } else { "WEBHOOKS_UPDATE" };
                logs.0[source].borrow_mut().append(event(&text(name, guild + 1, n)));
                if let Some(piece) = pull {
                    sent.extend(texts(&feed.pull(&logs, &sight, piece).unwrap()));
                }
            }
            for back in backs {
                let seq = back.index(sent.len() + 1);
                feed.rewind(&logs, seq as u64).unwrap();
                let again = drain(&mut feed, &logs, &sight, 200);
                prop_assert!(again.len() >= sent.len() - seq);
                prop_assert_eq!(&again[..sent.len() - seq], &sent[seq..]);
                sent.truncate(seq);
                sent.extend(again);
            }
            let mut numbers: Vec<u64> = sent.iter().map(|text| {
                serde_json::from_str::<serde_json::Value>(text).unwrap()["s"].as_u64().unwrap()
            }).collect();
            let count = numbers.len() as u64;
            numbers.dedup();
            prop_assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_a_client_was_shown_is_not_told_again() {
        let logs = logs(1);
        let append = |name, n| logs.0[0].borrow_mut().append(event(&text(name, 5, n)));
        append("CHANNEL_UPDATE", 0);
        append("MESSAGE_CREATE", 1);
        let mut feed = Feed::new(vec![0]);
        let guild = GuildId::new(5).unwrap();
        feed.show(guild, 0, 2);
        append("CHANNEL_UPDATE", 2);
        let told = drain(&mut feed, &logs, &sight(1 | 1 << 9), 4096);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("MESSAGE_CREATE") && told[1].contains("\"n\":2"));
        assert_eq!(feed.rewind(&logs, 0), Ok(()));
        assert_eq!(drain(&mut feed, &logs, &sight(1 | 1 << 9), 4096), told);
    }

    /// A shard in which nothing happens must not have others' runs remembered for ever.
    #[test]
    fn nothing_is_remembered_longer_than_the_logs() {
        let logs = logs(2);
        let at =
            |seconds| Event::made("X", "{}", None, Box::new([1]), Duration::from_secs(seconds));
        let mut feed = Feed::new(vec![0; 2]);
        logs.0[0].borrow_mut().append(at(0));
        for second in 0..100_000 {
            logs.0[1].borrow_mut().append(at(second));
            logs.0[0].borrow_mut().trim(Duration::from_secs(second));
            feed.pull(&logs, &sight(0), 4096).unwrap();
        }
        assert_eq!(feed.sent(), 100_001);
        assert!(feed.runs.len() < 4, "{}", feed.runs.len());
    }

    #[test]
    fn what_is_not_kept_any_more_is_lost() {
        let logs = Fixed(vec![RefCell::new(Log::new(Limits {
            bytes: 10,
            age: Duration::from_secs(60),
        }))]);
        let mut feed = Feed::new(vec![0]);
        for n in 0..3 {
            logs.0[0].borrow_mut().append(event(&text("X", 5, n)));
        }
        assert!(feed.pull(&logs, &sight(0), 100).is_err());
        let mut feed = Feed::new(vec![2]);
        assert_eq!(feed.pull(&logs, &sight(0), 100).unwrap().len(), 1);
        logs.0[0].borrow_mut().append(event(&text("X", 5, 3)));
        assert_eq!(feed.rewind(&logs, 0), Err(Lost));
        assert_eq!(feed.rewind(&logs, 1), Ok(()));
    }
}
