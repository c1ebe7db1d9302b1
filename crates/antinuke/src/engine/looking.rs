//! Looks at what nothing tells of.

use serde_json::Value;
use splashtail_guild::Structure;

use super::Engine;
use crate::bits::MANAGE_GUILD;
use crate::effect::{Alert, Effect, Notice};
use crate::looks::Look;
use crate::moment::Moment;

impl Engine {
    /// Asks for what is to be looked at, when it is time.
    pub(super) fn look(&mut self, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        if !self.looks.is_due(self.guild, now) {
            return;
        }
        // Whoever may not see it would only be refused.
        if self.sight(structure).my_permissions() & MANAGE_GUILD == 0 {
            return;
        }
        out.push(Effect::Look(Look::Templates));
        if structure.has_feature("WELCOME_SCREEN_ENABLED") {
            out.push(Effect::Look(Look::WelcomeScreen));
        }
    }

    pub(super) fn on_seen(&mut self, look: Look, raw: &Value, now: Moment, out: &mut Vec<Effect>) {
        if !self.looks.see(look, raw) {
            return;
        }
        let notice = match look {
            Look::Templates => Notice::Template,
            Look::WelcomeScreen => Notice::WelcomeScreen,
        };
        let alert = Alert {
            notice,
            incident: None,
            about: None,
            owner: false,
        };
        self.tell(alert, now, out);
    }
}
