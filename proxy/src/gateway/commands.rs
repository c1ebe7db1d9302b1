//! What clients send to Discord: one fair queue per shard within Discord's limit.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use tokio::sync::Notify;

use super::event::SessionId;

/// Frames that wait; more are dropped.
const MOST: usize = 256;
/// Discord takes 120 in a minute; some are left for heartbeats.
const PER_MINUTE: usize = 115;
/// Presences in a minute (gateway documentation, "Update Presence").
const PRESENCES: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct Commands {
    queue: Mutex<Queue>,
    pub changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// Round robin over sessions.
    lines: VecDeque<(SessionId, VecDeque<Bytes>)>,
    waiting: usize,
    /// The latest alone counts.
    presence: Option<Bytes>,
    /// What Discord has been told, to be told again to a new session.
    told: Option<Bytes>,
    sent: VecDeque<Duration>,
    presences: VecDeque<Duration>,
}

impl Queue {
    /// Whoever has most waiting loses one for a session that has fewer.
    fn make_room(&mut self, session: SessionId) -> bool {
        let own = self.lines.iter().find(|(other, _)| *other == session);
        let own = own.map_or(0, |(_, line)| line.len());
        let longest = self.lines.iter_mut().max_by_key(|(_, line)| line.len());
        let Some((_, longest)) = longest.filter(|(_, line)| line.len() > own + 1) else {
            return false;
        };
        longest.pop_back();
        self.waiting -= 1;
        counter!("splashtail_proxy_commands_dropped_total", "why" => "too many wait").increment(1);
        true
    }
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    Send(Bytes),
    /// Nothing before this time.
    Wait(Duration),
    Idle,
}

impl Commands {
    /// `false`: it is dropped, too many wait. Where one session has them waiting, the last one of that
    /// is dropped instead.
    pub fn push(&self, session: SessionId, frame: Bytes) -> bool {
        let mut queue = self.queue();
        if queue.waiting >= MOST && !queue.make_room(session) {
            return false;
        }
        queue.waiting += 1;
        match queue.lines.iter_mut().find(|(other, _)| *other == session) {
            Some((_, line)) => line.push_back(frame),
            None => queue.lines.push_back((session, VecDeque::from([frame]))),
        }
        drop(queue);
        self.changed.notify_one();
        true
    }

    /// Shows a presence, unless it is shown already.
    pub fn show(&self, presence: Bytes) {
        let mut queue = self.queue();
        let shown = queue.presence.as_ref().or(queue.told.as_ref());
        if shown != Some(&presence) {
            queue.presence = Some(presence);
            drop(queue);
            self.changed.notify_one();
        }
    }

    /// What is shown, or about to be.
    pub fn shown(&self) -> Option<Bytes> {
        let queue = self.queue();
        queue.presence.clone().or_else(|| queue.told.clone())
    }

    /// A new session at Discord knows of no presence.
    pub fn begin(&self) {
        let mut queue = self.queue();
        if queue.presence.is_none() {
            queue.presence = queue.told.take();
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// A new connection: Discord counts anew.
    pub fn connected(&self) {
        self.queue().sent.clear();
    }

    pub fn next(&self, now: Duration) -> Turn {
        let mut queue = self.queue();
        let since = now.checked_sub(MINUTE);
        for times in [0, 1] {
            let times = match times {
                0 => &mut queue.sent,
                _ => &mut queue.presences,
            };
            while times
                .front()
                .is_some_and(|at| since.is_some_and(|since| *at <= since))
            {
                times.pop_front();
            }
        }
        if queue.waiting == 0 && queue.presence.is_none() {
            return Turn::Idle;
        }
        if queue.sent.len() >= PER_MINUTE {
            return Turn::Wait(queue.sent[0] + MINUTE);
        }
        if queue.presence.is_some() && queue.presences.len() < PRESENCES {
            queue.sent.push_back(now);
            queue.presences.push_back(now);
            queue.told = queue.presence.take();
            return queue.told.clone().map_or(Turn::Idle, Turn::Send);
        }
        if let Some((session, mut line)) = queue.lines.pop_front() {
            let frame = line.pop_front();
            if !line.is_empty() {
                queue.lines.push_back((session, line));
            }
            queue.waiting -= 1;
            queue.sent.push_back(now);
            return frame.map_or(Turn::Idle, Turn::Send);
        }
        Turn::Wait(queue.presences[0] + MINUTE)
    }

    pub fn waiting(&self) -> usize {
        self.queue().waiting
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn send(text: &'static str) -> Turn {
        Turn::Send(Bytes::from_static(text.as_bytes()))
    }

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn clients_take_turns() {
        let commands = Commands::default();
        for (session, text) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1")] {
            assert!(commands.push(session, bytes(text)));
        }
        let order: Vec<_> = (0..5).map(|_| commands.next(NOW)).collect();
        assert_eq!(
            order,
            [send("a1"), send("b1"), send("a2"), send("a3"), Turn::Idle]
        );
    }

    #[test]
    fn discords_limit_holds_and_the_queue_is_bounded() {
        let commands = Commands::default();
        let taken = (0..300).filter(|_| commands.push(1, bytes("x"))).count();
        assert_eq!(taken, MOST);
        for _ in 0..PER_MINUTE {
            assert_eq!(commands.next(NOW), send("x"));
        }
        assert_eq!(commands.next(NOW), Turn::Wait(NOW + MINUTE));
        assert_eq!(commands.next(NOW + MINUTE), send("x"));
    }

    /// One frame of a client can be about some hundred servers, and kept everybody else out.
    #[test]
    fn who_fills_the_queue_makes_way() {
        let commands = Commands::default();
        while commands.push(1, bytes("a")) {}
        for _ in 0..MOST / 2 {
            assert!(commands.push(2, bytes("b")));
        }
        assert_eq!(commands.waiting(), MOST);
        assert!(!commands.push(1, bytes("a")) && !commands.push(2, bytes("b")));
        let order: Vec<_> = (0..4).map(|_| commands.next(NOW)).collect();
        assert_eq!(order, [send("a"), send("b"), send("a"), send("b")]);
    }

    #[test]
    fn the_latest_presence_counts_and_outlives_a_session() {
        let commands = Commands::default();
        for text in ["p1", "p2"] {
            commands.show(bytes(text));
        }
        assert_eq!(commands.next(NOW), send("p2"));
        commands.show(bytes("p2"));
        assert_eq!(commands.next(NOW), Turn::Idle);
        commands.begin();
        assert_eq!(commands.next(NOW), send("p2"));
        for text in ["p3", "p4", "p5"] {
            commands.show(bytes(text));
            assert_eq!(commands.next(NOW), send(text));
        }
        commands.show(bytes("p6"));
        assert_eq!(commands.next(NOW), Turn::Wait(NOW + MINUTE));
        commands.push(1, bytes("x"));
        assert_eq!(commands.next(NOW), send("x"));
    }
}
