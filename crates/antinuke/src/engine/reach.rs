//! Whoever stood above the bot, once they do no more.

use splashtail_guild::{Id, Structure};

use super::Engine;
use crate::actor::State;
use crate::bits::{BAN_MEMBERS, KICK_MEMBERS, MANAGE_ROLES};
use crate::effect::Effect;
use crate::moment::Moment;

impl Engine {
    /// Whether the bot's rank lets it act on somebody, as far as their roles are known.
    pub(super) fn stands_above(&self, user: Id, structure: &Structure) -> bool {
        let sight = self.sight(structure);
        let roles = sight.roles(user);
        roles.is_none_or(|roles| !sight.outranks(user, &roles))
    }

    /// Takes up again those whom nothing could be done about. To be called when a role or one of
    /// their members changed; `gained` are permissions that the bot did not have before.
    pub(super) fn reach_again(
        &mut self,
        gained: u64,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let armed = gained & (MANAGE_ROLES | KICK_MEMBERS | BAN_MEMBERS) != 0;
        let waiting = self.actors.iter().filter_map(|(user, actor)| {
            let State::Unreachable { above, .. } = actor.state else {
                return None;
            };
            let incident = actor.incident?;
            let goes_on = self
                .incidents
                .get(&incident)
                .is_some_and(|i| self.goes_on(i));
            let in_reach = (above || armed) && !self.stands_above(*user, structure);
            (goes_on && in_reach).then_some((*user, incident))
        });
        let waiting: Vec<(Id, Id)> = waiting.collect();
        for (user, incident) in waiting {
            let actor = self.actor(user);
            actor.state = State::Idle;
            // What was refused or out of the question may work now.
            actor.tried.clear();
            actor.round = actor.round.saturating_add(1);
            if let Some(open) = self.incidents.get_mut(&incident) {
                let suspects = open.suspects.iter_mut().filter(|s| s.id == user);
                suspects.for_each(|s| s.unreachable = false);
            }
            self.contain(incident, &[user], structure, now, out);
            self.publish(incident, true, now, out);
        }
    }
}
