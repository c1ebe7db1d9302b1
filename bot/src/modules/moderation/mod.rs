//! What moderators do to people. So far: many bans at once, shown before they are done and taken back
//! as a whole. The jobserver carries them out (`mass_ban`).

mod commands;
mod deed;
mod mass_bans;
mod operation;
mod people;
mod plan;
mod presses;

use std::sync::Arc;

use splashtail_permissions::{CommandExtendedData, NativePermissions};
use tokio::sync::Mutex;

use self::deed::Deed;
use self::mass_bans::MassBans;
use self::operation::Agreed;
use super::antinuke::Protection;
use super::guarded::People;
use super::jobs::Jobs;
use super::{About, Foundation, Module, ModuleCommand, Need, Needed, Service, extended};
use crate::operation::Operation;
use crate::presses::Presses;

/// The module's id, and the namespace of its permissions.
pub const ID: &str = "moderation";

pub struct Moderation {
    bans: Arc<MassBans>,
}

impl Moderation {
    pub fn new(foundation: &Foundation, protection: Arc<Protection>, jobs: Arc<Jobs>) -> Self {
        let Foundation {
            clock,
            storage,
            jobserver,
            discord,
            ..
        } = foundation.clone();
        Self {
            bans: Arc::new(MassBans {
                jobs,
                jobserver,
                storage,
                clock,
                discord,
                people: Arc::clone(&protection) as Arc<dyn People>,
                protection,
                weighed: Mutex::default(),
            }),
        }
    }
}

impl Module for Moderation {
    fn about(&self) -> About {
        About {
            docs: include_str!("docs.md"),
            ..About::new(
                ID,
                "Moderation",
                "Bans many people at once, and takes that back",
            )
        }
    }

    fn commands(&self) -> Vec<ModuleCommand> {
        // Whoever may ban one by one need not be able to ban a thousand with one command.
        let by = || CommandExtendedData::kittycat_or_admin(ID, "massban");
        vec![
            ModuleCommand {
                command: commands::massban(),
                extended_data: extended([("", by())]),
            },
            ModuleCommand {
                command: commands::massunban(),
                extended_data: extended([("", by())]),
            },
        ]
    }

    fn needs(&self) -> Vec<Need> {
        let permission = |bit: u64, why| Need {
            what: Needed::Permission(NativePermissions(1 << bit)),
            why,
        };
        vec![
            permission(2, "To ban people"),
            permission(5, "To ban 200 people with one call; without it, one by one"),
        ]
    }

    fn presses(&self) -> Vec<Presses> {
        vec![presses::presses(&self.bans)]
    }

    fn guarded(&self) -> Vec<Arc<dyn Operation>> {
        let agreed = |deed| -> Arc<dyn Operation> {
            let bans = Arc::clone(&self.bans);
            Arc::new(Agreed { bans, deed })
        };
        [Deed::Ban, Deed::Lift].map(agreed).into()
    }

    fn service(&self) -> Option<Service> {
        Some(Service::of(&self.bans))
    }
}
