//! Objects as they were before they were deleted lately.

use std::sync::Arc;

use serde_json::Value;
use splashtail_guild::{Id, Kind, Structure};

use super::Engine;
use super::retention::{MAX_OBJECTS, bounded};
use crate::moment::Moment;

impl Engine {
    pub(super) fn deleted(
        &mut self,
        kind: Kind,
        action: u16,
        (id, before): (&Value, Option<&Value>),
        structure: &Structure,
        now: Moment,
    ) {
        let Some(id) = Id::read(id) else { return };
        if let Some(object) = before.or_else(|| structure.get(kind, id)) {
            let buried = (kind, id, Arc::new(object.clone()), now);
            bounded(&mut self.graveyard, MAX_OBJECTS).push_back(buried);
        }
        self.seen_deed(action, id, now);
    }

    /// An object as it is, or as it was before it was deleted lately.
    pub(super) fn object<'a>(
        &'a self,
        kind: Kind,
        id: Id,
        structure: &'a Structure,
    ) -> Option<&'a Value> {
        let buried = self.graveyard.iter().rev();
        let mut buried = buried.filter(|(k, i, _, _)| *k == kind && *i == id);
        structure
            .get(kind, id)
            .or_else(|| buried.next().map(|(_, _, object, _)| &**object))
    }

    pub(super) fn parent_of(&self, channel: Id, structure: &Structure) -> Option<Id> {
        let object = self.object(Kind::Channel, channel, structure)?;
        Id::read(&object["parent_id"])
    }
}
