//! What people hear and what is written down.

use splashtail_guild::Id;

use super::Engine;
use crate::effect::{Alert, Effect, Notice};
use crate::moment::{MINUTE, Moment};

impl Engine {
    /// Tells people, at most once in ten minutes about the same.
    pub(super) fn tell(&mut self, alert: Alert, now: Moment, out: &mut Vec<Effect>) {
        let key = (alert.notice, alert.about.unwrap_or(self.guild));
        let told = self.told.get(&key);
        if told.is_none_or(|at| now.since(*at) >= 10 * MINUTE) {
            self.told.insert(key, now);
            out.push(Effect::Alert(alert));
        }
    }

    /// Writes an incident down and shows it.
    pub(super) fn publish(&mut self, id: Id, owner: bool, now: Moment, out: &mut Vec<Effect>) {
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        incident.updated = now;
        out.push(Effect::Record(Box::new(incident.clone())));
        out.push(Effect::Alert(Alert {
            notice: Notice::Incident,
            incident: Some(id),
            about: incident.suspects.first().map(|suspect| suspect.id),
            owner,
        }));
    }
}
