//! Whether the one who asks may, and what the rules can ask about it.

use splashtail_guild::permissions::Rank;
use splashtail_permissions::walk::root_of;
use splashtail_permissions::{CheckOptions, PermissionResult};

use super::{Asked, Read, Refusal};
use crate::framework::gate::{Gate, PermissionRows, Question, Standing};
use crate::settings::{Actor, Commands, Toggles};

/// Commands as the actor could run them on the rows that were read.
pub(super) struct Trial<'a> {
    gate: &'a Gate,
    asked: &'a Asked,
    rows: &'a PermissionRows,
    standing: Result<Standing, PermissionResult>,
}

impl<'a> Trial<'a> {
    pub fn new(gate: &'a Gate, asked: &'a Asked, read: &'a Read) -> Self {
        Self {
            gate,
            asked,
            rows: &read.permissions,
            standing: Ok(asked.standing.clone()),
        }
    }

    /// # Errors
    /// [`Refusal::Denied`]
    pub fn require(&self, command: &str) -> Result<(), Refusal> {
        let result = self.may_run(command, &CheckOptions::default());
        match result.is_ok() {
            true => Ok(()),
            false => Err(Refusal::Denied(result)),
        }
    }

    pub fn actor(&self) -> Actor {
        let Asked {
            guild,
            user,
            standing,
            ..
        } = self.asked;
        let mut kittycat = self.gate.kittycat(*guild, *user, standing, self.rows);
        if let Some(custom) = &self.asked.custom {
            kittycat = splashtail_permissions::command::narrow(custom, &kittycat);
        }
        let ranks = standing.positions.iter();
        Actor {
            user: Some(*user),
            // A token is no owner.
            is_owner: standing.is_owner && self.asked.custom.is_none(),
            roles: standing.roles.clone(),
            kittycat,
            index: self.rows.strongest(&standing.roles),
            ranks: ranks
                .map(|(role, position)| (*role, Rank::new(*position, role.get(), guild.get())))
                .collect(),
        }
    }
}

impl Commands for Trial<'_> {
    fn may_run(&self, command: &str, options: &CheckOptions) -> PermissionResult {
        self.person_may_run(
            command,
            &CheckOptions {
                custom_resolved_kittycat_perms: self.asked.custom.clone(),
                ..options.clone()
            },
        )
    }

    fn person_may_run(&self, command: &str, options: &CheckOptions) -> PermissionResult {
        let question = Question {
            guild: self.asked.guild,
            user: self.asked.user,
            command,
            options,
        };
        self.gate.judge(&question, &self.standing, self.rows)
    }

    fn command(&self, name: &str) -> Option<String> {
        self.gate.registry().command(name)
    }

    fn toggles(&self, module: &str) -> Option<Toggles> {
        let module = &self.gate.registry().module(module)?.canonical;
        Some(Toggles {
            module: module.toggleable,
            commands: module.commands_toggleable,
        })
    }

    fn of_module(&self, module: &str) -> Vec<String> {
        let module = self.gate.registry().module(module);
        let roots = module.into_iter().flat_map(|m| &m.extended_data);
        let commands = roots.flat_map(|(root, data)| {
            data.keys().map(move |path| match path.as_str() {
                "" => root.clone(),
                path => format!("{root} {path}"),
            })
        });
        commands.collect()
    }

    fn module_of(&self, command: &str) -> Option<String> {
        let facts = self.gate.registry().facts(root_of(command))?;
        Some(facts.id.to_owned())
    }
}
