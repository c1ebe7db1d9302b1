//! What is counted on the way of events.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};

use super::event::GapCause;
use super::kind::{Class, EventKind};

pub(super) struct Meters {
    /// By kind: looking a counter up by its name costs more than an event.
    events: Vec<Counter>,
    queue_security: Histogram,
    queue_rest: Histogram,
    full: Counter,
    unreadable: Counter,
}

impl Meters {
    pub(super) fn new() -> Self {
        let kinds = EventKind::all();
        Self {
            events: kinds
                .map(|kind| counter!("bot_events_total", "kind" => kind.label()))
                .collect(),
            queue_security: histogram!("bot_event_queue_seconds", "class" => "security"),
            queue_rest: histogram!("bot_event_queue_seconds", "class" => "rest"),
            full: counter!("bot_mailbox_full_total"),
            unreadable: counter!("bot_events_unreadable_total"),
        }
    }

    /// Put into a mailbox.
    pub(super) fn event(&self, kind: EventKind) {
        if let Some(counter) = self.events.get(kind as usize) {
            counter.increment(1);
        }
    }

    /// From the frame's arrival until its server's turn.
    pub(super) fn waited(&self, class: Class, time: Duration) {
        match class {
            Class::Security => self.queue_security.record(time),
            Class::Rest => self.queue_rest.record(time),
        }
    }

    pub(super) fn left_out(&self, kind: EventKind) {
        counter!("bot_events_left_out_total", "kind" => kind.label()).increment(1);
    }

    pub(super) fn full(&self) {
        self.full.increment(1);
    }

    pub(super) fn unreadable(&self) {
        self.unreadable.increment(1);
    }

    pub(super) fn failed(&self, module: &'static str) {
        counter!("bot_listener_failures_total", "module" => module).increment(1);
    }

    pub(super) fn late(&self, module: &'static str) {
        counter!("bot_listener_timeouts_total", "module" => module).increment(1);
    }

    pub(super) fn gap(&self, cause: GapCause) {
        counter!("bot_event_gaps_total", "cause" => cause.as_str()).increment(1);
    }
}
