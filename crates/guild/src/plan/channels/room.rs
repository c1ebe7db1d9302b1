//! How many channels still fit.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{Draft, MAX_CHANNELS, MAX_CHILDREN};
use crate::{Id, Kind};

/// How many channels still fit.
pub(super) struct Room {
    server: usize,
    /// By wanted category.
    children: BTreeMap<Id, usize>,
}

impl Room {
    pub(super) fn new(draft: &Draft<'_>) -> Self {
        let hidden = draft.live.all(Kind::Hidden).map(|(_, c)| c);
        let clear = draft
            .live
            .all(Kind::Channel)
            .filter(|(id, _)| !draft.live.is_hidden(*id));
        let all: Vec<&Value> = hidden.chain(clear.map(|(_, c)| c)).collect();
        let mut children: BTreeMap<Id, usize> = BTreeMap::new();
        for channel in &all {
            let parent = Id::read(&channel["parent_id"]);
            let wanted = parent.and_then(|p| draft.plan.mapping.wanted(Kind::Channel, p));
            if let Some(wanted) = wanted {
                *children.entry(wanted).or_default() += 1;
            }
        }
        Self {
            server: MAX_CHANNELS.saturating_sub(all.len()),
            children,
        }
    }

    fn fits_below(&self, parent: Option<Id>) -> bool {
        parent.is_none_or(|p| self.children.get(&p).copied().unwrap_or(0) < MAX_CHILDREN)
    }

    fn enter(&mut self, parent: Option<Id>) {
        if let Some(parent) = parent {
            *self.children.entry(parent).or_default() += 1;
        }
    }

    pub(super) fn leave(&mut self, parent: Option<Id>) {
        if let Some(children) = parent.and_then(|p| self.children.get_mut(&p)) {
            *children = children.saturating_sub(1);
        }
    }
}

impl Draft<'_> {
    /// A place in the server, if `new`, and in the category; surplus makes room where it may go.
    pub(super) fn find_room(&mut self, room: &mut Room, parent: Option<Id>, new: bool) -> bool {
        while !room.fits_below(parent) {
            let live = parent.and_then(|p| self.plan.mapping.live(Kind::Channel, p));
            let there = |channel: &Value| live.is_some() && Id::read(&channel["parent_id"]) == live;
            if !self.make_room(Kind::Channel, &there) {
                return false;
            }
            room.leave(parent);
            room.server += 1;
        }
        if new && room.server == 0 {
            if !self.make_room(Kind::Channel, &|channel| channel["type"] != 4) {
                return false;
            }
            room.server += 1;
        }
        room.server -= usize::from(new);
        room.enter(parent);
        true
    }
}
