//! What moderators do to people: one by one, as cases with a number (`sanctions`), and many at once,
//! shown before they are banned and taken back as a whole, which the jobserver carries out (`mass_ban`).

mod case_commands;
mod commands;
mod deed;
mod ends;
mod hierarchy;
mod mass_bans;
mod operation;
mod outside;
mod people;
mod plan;
mod presses;
mod rejoin;
mod sanction;
mod sanction_commands;
mod sanctions;
mod thresholds;
mod unsure;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use splashtail_permissions::{
    CommandExtendedData, NativePermissions, PermissionCheck, PermissionChecks,
};
use tokio::sync::Mutex;

use self::deed::Deed;
use self::mass_bans::MassBans;
use self::operation::Agreed;
use self::sanctions::Sanctions;
use super::antinuke::Protection;
use super::guarded::People;
use super::jobs::Jobs;
use super::{About, Foundation, Module, ModuleCommand, Need, Needed, Service, Task, extended};
use crate::app::Command;
use crate::events::Listener;
use crate::operation::Operation;
use crate::presses::Presses;
use crate::settings::Setting;

/// The module's id, and the namespace of its permissions.
pub const ID: &str = "moderation";

pub struct Moderation {
    bans: Arc<MassBans>,
    sanctions: Arc<Sanctions>,
    tools: Arc<Tools>,
}

/// What commands reach.
struct Tools {
    bans: Arc<MassBans>,
    sanctions: Arc<Sanctions>,
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
        let sanctions = Sanctions::new(
            &discord,
            storage.clone(),
            Arc::clone(&clock),
            Arc::clone(&protection),
        );
        let sanctions = Arc::new(sanctions);
        let bans = Arc::new(MassBans {
            jobs,
            jobserver,
            storage,
            clock,
            discord,
            people: Arc::clone(&protection) as Arc<dyn People>,
            protection,
            weighed: Mutex::default(),
        });
        let tools = Arc::new(Tools {
            bans: Arc::clone(&bans),
            sanctions: Arc::clone(&sanctions),
        });
        Self {
            bans,
            sanctions,
            tools,
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
                "Kicks, bans and timeouts as cases, bans of many at once, and takes them back",
            )
        }
    }

    fn commands(&self) -> Vec<ModuleCommand> {
        // Whoever may ban one by one need not be able to ban a thousand with one command.
        let by = || CommandExtendedData::kittycat_or_admin(ID, "massban");
        let one = |command: fn() -> Command, permission: &str, bit: u64| ModuleCommand {
            command: command(),
            extended_data: extended([("", or_native(permission, bit))]),
        };
        let case = |permission: &str| or_native(permission, 40);
        vec![
            one(sanction_commands::kick, "kick", 1),
            one(sanction_commands::ban, "ban", 2),
            one(sanction_commands::tempban, "tempban", 2),
            one(sanction_commands::unban, "unban", 2),
            one(sanction_commands::timeout, "timeout", 40),
            ModuleCommand {
                command: sanction_commands::prune_user(),
                extended_data: extended([("", prune_user())]),
            },
            ModuleCommand {
                command: case_commands::case(),
                extended_data: extended([
                    ("", case("case")),
                    ("view", case("case.view")),
                    ("list", case("case.view")),
                    ("note", case("case.note")),
                    (
                        "void",
                        CommandExtendedData::kittycat_or_admin(ID, "case.void"),
                    ),
                ]),
            },
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
            permission(1, "To kick people"),
            permission(40, "To keep people from writing for a while"),
            permission(5, "To ban 200 people with one call; without it, one by one"),
        ]
    }

    fn settings(&self) -> Vec<Setting> {
        vec![thresholds::setting()]
    }

    fn listener(&self) -> Option<Arc<dyn Listener>> {
        Some(Arc::new(outside::Ear(Arc::clone(&self.sanctions))))
    }

    fn tasks(&self) -> Vec<Task> {
        let sanctions = || Arc::clone(&self.sanctions);
        let (end, find_out, write) = (sanctions(), sanctions(), sanctions());
        vec![
            Task::new("moderation.end", move |around| Arc::clone(&end).end(around)),
            Task::new("moderation.find_out", move |around| {
                Arc::clone(&find_out).keep_finding_out(around)
            }),
            Task::new("moderation.write", move |_| Arc::clone(&write).write()),
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
        Some(Service::of(&self.tools))
    }
}

/// Whoever has the permission of the command, or that of Discord for the same.
fn or_native(permission: &str, bit: u64) -> CommandExtendedData {
    CommandExtendedData::checked_by(PermissionChecks::Simple {
        checks: vec![PermissionCheck {
            kittycat_perms: vec![format!("{ID}.{permission}")],
            native_perms: vec![NativePermissions(1 << bit)],
            ..PermissionCheck::default()
        }],
        checks_needed: 1,
    })
}

/// Whoever has its permission, or manages both messages and the server.
fn prune_user() -> CommandExtendedData {
    CommandExtendedData::checked_by(PermissionChecks::Simple {
        checks: vec![
            PermissionCheck {
                kittycat_perms: vec![format!("{ID}.prune_user")],
                ..PermissionCheck::default()
            },
            PermissionCheck {
                native_perms: vec![NativePermissions(1 << 13), NativePermissions(1 << 5)],
                inner_and: true,
                ..PermissionCheck::default()
            },
        ],
        checks_needed: 1,
    })
}
