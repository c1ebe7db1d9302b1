//! What Discord itself notices of an attack, and says in `incidents_data`: once in a
//! drill, after as much of it as the world's conduct says.

use std::collections::BTreeMap;

use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::world::Id;

use super::types::Damage;

#[derive(Debug, Default)]
pub(super) struct Notices {
    raid: bool,
    spam: bool,
}

impl Notices {
    pub fn look(&mut self, sandbox: &Sandbox, guild: Id, achieved: &BTreeMap<Damage, u64>) {
        let count = |damage| achieved.get(&damage).copied().unwrap_or(0);
        let (joins, messages) = (count(Damage::MembersJoined), count(Damage::DirectMessages));
        if (joins == 0 || self.raid) && (messages == 0 || self.spam) {
            return;
        }
        sandbox.with_world(|world| {
            let reached = |after: u32, count: u64| after > 0 && count >= u64::from(after);
            if !self.raid && reached(world.conduct.raid_noticed_after, joins) {
                self.raid = true;
                world.detect(guild, true, false);
            }
            if !self.spam && reached(world.conduct.dm_spam_noticed_after, messages) {
                self.spam = true;
                world.detect(guild, false, true);
            }
        });
    }
}
