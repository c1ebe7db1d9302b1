//! What waits to be heard, by server. Plain data: who may go next, and who has to be left out.

use std::collections::{HashMap, VecDeque};

use splashtail_core::ids::GuildId;

use super::event::Event;
use super::kind::Class;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Security events of one server, and of all servers of a lane.
    pub(super) security: usize,
    pub(super) security_in_all: usize,
    /// The same for the rest.
    pub(super) rest: usize,
    pub(super) rest_in_all: usize,
}

pub(super) const BOUNDS: Bounds = Bounds {
    security: 4096,
    security_in_all: 32_768,
    rest: 256,
    rest_in_all: 8192,
};

/// What became of an event.
#[derive(Debug)]
pub(super) enum Offered {
    Taken,
    /// Taken in place of this one.
    Instead(Box<Event>),
    LeftOut,
    /// Nothing of its class can be taken now, and it may not be left out: come again.
    Full(Box<Event>),
}

/// The mailboxes of the servers that share a worker.
#[derive(Debug)]
pub(super) struct Lane {
    bounds: Bounds,
    boxes: HashMap<GuildId, Mailbox>,
    security: Side,
    rest: Side,
}

/// One class in all mailboxes.
#[derive(Debug, Default)]
struct Side {
    waiting: usize,
    /// Servers whose queue has its turn to come, each once.
    turns: VecDeque<GuildId>,
}

#[derive(Debug, Default)]
struct Mailbox {
    under_way: bool,
    security: Queue,
    rest: Queue,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    /// It is among the turns.
    in_turns: bool,
}

impl Queue {
    fn await_turn(&mut self, guild: GuildId, side: &mut Side) {
        if !self.events.is_empty() && !std::mem::replace(&mut self.in_turns, true) {
            side.turns.push_back(guild);
        }
    }
}

impl Mailbox {
    fn is_idle(&self) -> bool {
        !self.under_way
            && !self.security.in_turns
            && !self.rest.in_turns
            && self.security.events.is_empty()
            && self.rest.events.is_empty()
    }
}

impl Lane {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            boxes: HashMap::new(),
            security: Side::default(),
            rest: Side::default(),
        }
    }

    pub(super) fn offer(&mut self, event: Event) -> Offered {
        let guild = event.guild;
        let class = event.kind.class();
        let mailbox = self.boxes.entry(guild).or_default();
        let (side, queue, own, all) = match class {
            Class::Security => (
                &mut self.security,
                &mut mailbox.security,
                self.bounds.security,
                self.bounds.security_in_all,
            ),
            Class::Rest => (
                &mut self.rest,
                &mut mailbox.rest,
                self.bounds.rest,
                self.bounds.rest_in_all,
            ),
        };
        let mut instead = None;
        if queue.events.len() >= own || side.waiting >= all {
            // What is newer says more. Only a server's own flood costs it anything.
            let oldest = match class {
                Class::Security => {
                    if mailbox.is_idle() {
                        self.boxes.remove(&guild);
                    }
                    return Offered::Full(Box::new(event));
                }
                Class::Rest => queue.events.pop_front(),
            };
            let Some(oldest) = oldest else {
                if mailbox.is_idle() {
                    self.boxes.remove(&guild);
                }
                return Offered::LeftOut;
            };
            side.waiting -= 1;
            instead = Some(Box::new(oldest));
        }
        queue.events.push_back(event);
        side.waiting += 1;
        if !mailbox.under_way {
            queue.await_turn(guild, side);
        }
        instead.map_or(Offered::Taken, Offered::Instead)
    }

    /// The next event, security before the rest and one server after another. Nothing else of its
    /// server is given until [`Lane::done`].
    pub(super) fn next(&mut self) -> Option<Event> {
        loop {
            let (side, guild, security) = match self.security.turns.pop_front() {
                Some(guild) => (&mut self.security, guild, true),
                None => match self.rest.turns.pop_front() {
                    Some(guild) => (&mut self.rest, guild, false),
                    None => return None,
                },
            };
            let Some(mailbox) = self.boxes.get_mut(&guild) else {
                continue;
            };
            let queue = match security {
                true => &mut mailbox.security,
                false => &mut mailbox.rest,
            };
            queue.in_turns = false;
            // It comes back when the event under way has been heard.
            if mailbox.under_way {
                continue;
            }
            if let Some(event) = queue.events.pop_front() {
                side.waiting -= 1;
                mailbox.under_way = true;
                return Some(event);
            }
            if mailbox.is_idle() {
                self.boxes.remove(&guild);
            }
        }
    }

    /// The server's event has been heard.
    pub(super) fn done(&mut self, guild: GuildId) {
        let Some(mailbox) = self.boxes.get_mut(&guild) else {
            return;
        };
        mailbox.under_way = false;
        mailbox.security.await_turn(guild, &mut self.security);
        mailbox.rest.await_turn(guild, &mut self.rest);
        if mailbox.is_idle() {
            self.boxes.remove(&guild);
        }
    }

    /// Events that wait: security, rest.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.security.waiting, self.rest.waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use splashtail_core::ids::ShardId;

    use super::super::event::Body;
    use super::super::kind::EventKind;
    use super::*;

    const FEW: Bounds = Bounds {
        security: 3,
        security_in_all: 4,
        rest: 3,
        rest_in_all: 4,
    };

    fn event(guild: u64, kind: EventKind, seq: u64) -> Event {
        Event {
            kind,
            guild: GuildId::new(guild).unwrap(),
            shard: ShardId(0),
            seq: Some(seq),
            received: Duration::ZERO,
            body: Body::Raw(Bytes::new()),
        }
    }

    fn security(guild: u64, seq: u64) -> Event {
        event(guild, EventKind::GuildBanAdd, seq)
    }

    fn rest(guild: u64, seq: u64) -> Event {
        event(guild, EventKind::MessageCreate, seq)
    }

    fn seq(event: Event) -> u64 {
        event.seq.unwrap()
    }

    fn drain(lane: &mut Lane) -> Vec<u64> {
        let mut heard = Vec::new();
        while let Some(event) = lane.next() {
            lane.done(event.guild);
            heard.push(seq(event));
        }
        assert!(lane.boxes.is_empty(), "a mailbox without anything is none");
        assert_eq!(lane.waiting(), (0, 0));
        heard
    }

    #[test]
    fn security_goes_first_in_every_server_and_each_class_in_order() {
        let mut lane = Lane::new(FEW);
        for event in [
            rest(1, 1),
            rest(2, 2),
            security(2, 3),
            rest(1, 4),
            security(2, 5),
            security(1, 6),
        ] {
            assert!(matches!(lane.offer(event), Offered::Taken));
        }
        assert_eq!(drain(&mut lane), [3, 6, 5, 1, 2, 4]);
    }

    #[test]
    fn a_server_has_one_event_at_a_time_and_does_not_hold_others() {
        let mut lane = Lane::new(FEW);
        for event in [security(1, 1), security(1, 2), rest(2, 3)] {
            lane.offer(event);
        }
        assert_eq!(lane.next().map(seq), Some(1));
        lane.offer(security(1, 4));
        assert_eq!(lane.next().map(seq), Some(3));
        assert_eq!(lane.next().map(seq), None);
        lane.done(GuildId::new(1).unwrap());
        lane.offer(rest(1, 5));
        assert_eq!(lane.next().map(seq), Some(2));
        lane.done(GuildId::new(1).unwrap());
        lane.done(GuildId::new(2).unwrap());
        assert_eq!(drain(&mut lane), [4, 5]);
    }

    #[test]
    fn of_the_rest_a_servers_oldest_is_left_out_and_of_security_nothing() {
        let mut lane = Lane::new(FEW);
        for seq in 1..=3 {
            lane.offer(rest(1, seq));
            lane.offer(security(1, 10 + seq));
        }
        assert!(
            matches!(lane.offer(rest(1, 4)), Offered::Instead(oldest) if oldest.seq == Some(1))
        );
        assert!(
            matches!(lane.offer(security(1, 14)), Offered::Full(event) if event.seq == Some(14))
        );
        // In all: the other server has one place, whatever the first one does.
        assert!(matches!(lane.offer(rest(2, 5)), Offered::Taken));
        assert!(matches!(lane.offer(rest(3, 6)), Offered::LeftOut));
        assert!(matches!(lane.offer(security(2, 15)), Offered::Taken));
        assert!(matches!(lane.offer(security(3, 16)), Offered::Full(_)));
        assert_eq!(drain(&mut lane), [11, 15, 12, 13, 2, 5, 3, 4]);
    }

    proptest::proptest! {
        /// Whatever comes and ends in whatever order: per server and class the order is that of
        /// arrival, and every security event that was taken is heard.
        #[test]
        fn order_and_completeness(steps in proptest::collection::vec((0_u8..4, 1_u64..4), 0..200)) {
            let mut lane = Lane::new(FEW);
            let (mut heard, mut taken, mut under_way) = (Vec::new(), Vec::new(), Vec::new());
            for (n, (what, guild)) in steps.into_iter().enumerate() {
                let n = n as u64;
                match what {
                    0 => if matches!(lane.offer(security(guild, n)), Offered::Taken) {
                        taken.push((guild, n));
                    },
                    1 => { lane.offer(rest(guild, n)); }
                    2 => if let Some(event) = lane.next() {
                        proptest::prop_assert!(!under_way.contains(&event.guild));
                        under_way.push(event.guild);
                        heard.push(event);
                    },
                    _ => if let Some(guild) = under_way.pop() { lane.done(guild) },
                }
            }
            under_way.into_iter().for_each(|guild| lane.done(guild));
            while let Some(event) = lane.next() {
                lane.done(event.guild);
                heard.push(event);
            }
            for guild in 1..4 {
                for class in [Class::Security, Class::Rest] {
                    let of: Vec<_> = heard.iter()
                        .filter(|event| event.guild.get() == guild && event.kind.class() == class)
                        .filter_map(|event| event.seq)
                        .collect();
                    proptest::prop_assert!(of.is_sorted(), "{:?}", of);
                    if class == Class::Security {
                        let taken: Vec<_> = taken.iter().filter(|(of, _)| *of == guild).map(|(_, n)| *n).collect();
                        proptest::prop_assert_eq!(of, taken);
                    }
                }
            }
            proptest::prop_assert!(lane.boxes.is_empty());
        }
    }
}
