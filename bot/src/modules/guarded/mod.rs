//! What one person alone does not do: two people of the trusted set agree within 15 minutes, or the
//! owner alone after 24 hours.

mod changes;
mod circle;
mod commands;
mod desk;
mod detached;
mod keep;
mod presses;
mod rules;
mod setting;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

use splashtail_permissions::CommandExtendedData;

use self::changes::ChangeSettings;
use super::{About, Foundation, Module, ModuleCommand, Service, Task, Whole, extended};
use crate::configuration::Guard;
use crate::operation::Operation;
use crate::presses::Presses;
use crate::settings::Setting;

pub use self::circle::{Circle, People};
pub use self::desk::{Ask, AskError, Desk};
pub use self::rules::Word;
pub use self::setting::Wanted;
#[cfg(test)]
pub use self::setting::turn_on_for_tests;

/// The command that shows what waits. Anybody may run it; [`Circle::may_look`] says who sees something.
pub const PENDING: &str = "guarded pending";

/// The module's id, and the namespace of its permissions.
pub const ID: &str = "guarded";

pub struct Guarded {
    desk: Arc<Desk>,
    changes: Arc<ChangeSettings>,
}

impl Guarded {
    pub fn new(foundation: &Foundation, people: Arc<dyn People>) -> Self {
        let Foundation {
            clock,
            storage,
            discord,
            ..
        } = foundation.clone();
        Self {
            desk: Arc::new(Desk::new(storage, clock, &discord, people)),
            changes: Arc::default(),
        }
    }
}

impl Module for Guarded {
    fn about(&self) -> About {
        About {
            docs: include_str!("docs.md"),
            // Otherwise an administrator could switch off what guards against administrators.
            toggleable: false,
            commands_toggleable: false,
            ..About::new(
                ID,
                "Guarded operations",
                "Has a second trusted person agree to what could harm this server",
            )
        }
    }

    fn commands(&self) -> Vec<ModuleCommand> {
        let by = CommandExtendedData::kittycat_or_admin;
        vec![ModuleCommand {
            command: commands::guarded(),
            extended_data: extended([
                ("", by(ID, "*")),
                ("status", by(ID, "status")),
                // The trusted set answers there, whatever else they may do.
                ("pending", CommandExtendedData::none()),
                ("set", by(ID, "set")),
            ]),
        }]
    }

    fn settings(&self) -> Vec<Setting> {
        vec![setting::setting()]
    }

    fn presses(&self) -> Vec<Presses> {
        vec![presses::presses(&self.desk)]
    }

    fn tasks(&self) -> Vec<Task> {
        let desk = Arc::clone(&self.desk);
        vec![Task::new("guarded.keep", move |_| Arc::clone(&desk).keep())]
    }

    fn guarded(&self) -> Vec<Arc<dyn Operation>> {
        vec![Arc::clone(&self.changes) as _]
    }

    fn guard(&self) -> Option<Arc<dyn Guard>> {
        Some(Arc::new(Arc::clone(&self.desk)))
    }

    fn begin(&self, whole: &Whole<'_>) {
        self.desk.operate(whole.operations.to_vec());
        self.changes.reach(whole.app);
    }

    fn service(&self) -> Option<Service> {
        Some(Service::of(&self.desk))
    }
}
