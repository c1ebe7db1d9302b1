//! What a shard has received lately, for clients to read at their own pace and to come back to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::event::Event;

/// Events are counted from the start of the process.
pub type Position = u64;

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub bytes: u64,
    pub age: Duration,
}

#[derive(Debug)]
pub struct Log {
    limits: Limits,
    events: VecDeque<(Arc<Event>, u64)>,
    first: Position,
    /// Of all events that ever were in it.
    written: u64,
    /// Of those that have left it.
    dropped: u64,
}

/// The events from there on are not kept any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the events are not kept any more")]
pub struct Lost;

impl Log {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            events: VecDeque::new(),
            first: 0,
            written: 0,
            dropped: 0,
        }
    }

    /// An empty log whose next event is at a position.
    pub fn begin_at(&mut self, position: Position) {
        *self = Self::new(self.limits);
        self.first = position;
    }

    /// Where the next event will be.
    pub fn head(&self) -> Position {
        self.first + self.events.len() as u64
    }

    pub fn first(&self) -> Position {
        self.first
    }

    /// Bytes kept.
    pub fn bytes(&self) -> u64 {
        self.written - self.dropped
    }

    pub fn append(&mut self, event: Event) -> Position {
        let position = self.head();
        let now = event.at;
        let before = self.written;
        self.written += event.len() as u64;
        self.events.push_back((Arc::new(event), before));
        self.trim(now);
        position
    }

    /// Drops what is too old, and what is too much; one event is never too much.
    pub fn trim(&mut self, now: Duration) {
        while let Some((oldest, _)) = self.events.front() {
            let kept = self.written - self.dropped;
            let much = kept > self.limits.bytes && self.events.len() > 1;
            let old = now.saturating_sub(oldest.at) > self.limits.age;
            if !much && !old {
                return;
            }
            self.dropped += oldest.len() as u64;
            self.events.pop_front();
            self.first += 1;
        }
    }

    /// The events from a position on.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn read(
        &self,
        from: Position,
    ) -> Result<impl Iterator<Item = (Position, &Arc<Event>)>, Lost> {
        let skip = from.checked_sub(self.first).ok_or(Lost)?;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let events = self.events.range(skip.min(self.events.len())..);
        Ok((from..).zip(events.map(|(event, _)| event)))
    }

    /// Bytes that whoever is at a position has yet to read.
    pub fn behind(&self, from: Position) -> u64 {
        let at = from
            .checked_sub(self.first)
            .and_then(|skip| usize::try_from(skip).ok());
        match at {
            None => self.written - self.dropped,
            Some(at) => self
                .events
                .get(at)
                .map_or(0, |(_, before)| self.written - before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: u64) -> Event {
        Event::made("X", "{}", None, Box::new([]), Duration::from_secs(at))
    }

    fn log(bytes: u64) -> Log {
        Log::new(Limits {
            bytes,
            age: Duration::from_secs(10),
        })
    }

    fn positions(log: &Log, from: Position) -> Result<Vec<Position>, Lost> {
        Ok(log.read(from)?.map(|(position, _)| position).collect())
    }

    #[test]
    fn readers_go_on_where_they_were_until_it_is_gone() {
        let size = event(0).len() as u64;
        let mut log = log(size * 3);
        for _ in 0..3 {
            log.append(event(0));
        }
        assert_eq!(positions(&log, 1), Ok(vec![1, 2]));
        assert_eq!(positions(&log, 3), Ok(vec![]));
        assert_eq!(log.behind(1), size * 2);
        log.append(event(0));
        assert_eq!(positions(&log, 0), Err(Lost));
        assert_eq!(positions(&log, 1), Ok(vec![1, 2, 3]));
        assert_eq!(log.bytes(), size * 3);
    }

    #[test]
    fn old_events_leave() {
        let mut log = log(u64::MAX);
        log.append(event(0));
        log.append(event(1));
        log.append(event(12));
        assert_eq!((log.first(), log.head()), (2, 3));
        log.trim(Duration::from_secs(100));
        assert_eq!((log.first(), log.head()), (3, 3));
        assert_eq!(
            (log.bytes(), log.behind(3), log.append(event(101))),
            (0, 0, 3)
        );
    }
}
