//! Who is not to be touched any more.

use splashtail_guild::Id;

use super::respond::spare;
use super::{Effect, Engine};
use crate::arrival::Exempt;
use crate::moment::Moment;
use crate::wave::Fate;

impl Engine {
    /// Somebody who came is by now one of those who are never touched: they boost, or were given a role of
    /// the staff. What is done to them ends. Whoever is `No` is no less exempt than before.
    pub fn exempted(&mut self, user: Id, exempt: Exempt, now: Moment) -> Vec<Effect> {
        if exempt == Exempt::No {
            return Vec::new();
        }
        for stream in self.streams.values_mut() {
            let record = stream.ring.get_mut(user.get());
            if let Some(record) = record.filter(|record| record.exempt == Exempt::No) {
                record.exempt = exempt;
            }
        }
        self.raiders.remove(&user.get());
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        let person = wave.people.get_mut(&user.get());
        let Some(person) = person.filter(|person| person.exempt == Exempt::No) else {
            return Vec::new();
        };
        person.exempt = exempt;
        let fate = person.fate;
        if person.is_held || matches!(fate, Fate::Holding | Fate::Held | Fate::Banning) {
            spare(user.get(), person, &mut self.owed, now);
        }
        if fate == Fate::Banning {
            for job in &wave.jobs {
                self.owed.lift(job, vec![user], None, now);
            }
        }
        let mut effects = self.settle(now);
        effects.extend([Effect::Show, Effect::Keep]);
        effects
    }
}
