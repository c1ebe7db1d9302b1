//! All modules together: checked once at start, then looked up by command and described to others.

use std::collections::{BTreeMap, BTreeSet};

use splashtail_api_types::modules::{
    CanonicalArgument, CanonicalCommand, CanonicalCommandData, CanonicalModule,
    CommandExtendedData as CanonicalExtendedData,
};
use splashtail_permissions::{ExtendedData, ModuleFacts};

use super::{EventListener, Module};
use crate::app::Command;

/// A mistake in the declaration of a module. It ends the start: the tests meet it first.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    #[error("two modules are called `{0}`")]
    ModuleTwice(&'static str),
    #[error("two commands answer to `{0}`")]
    CommandTwice(String),
    #[error("the extended data of `{command}` describes `{path}`, which is no subcommand")]
    NoSuchPath { command: String, path: String },
    #[error("the extended data of `{command}` lacks `{path}`")]
    Undescribed { command: String, path: String },
    #[error("`{0}` belongs to a virtual module or command and is not virtual")]
    NotVirtual(String),
}

#[derive(Debug)]
pub struct Registry {
    modules: Vec<Entry>,
    /// Root command or alias to the place in `modules` and the root command's own name.
    owners: BTreeMap<String, (usize, String)>,
}

#[derive(Debug)]
struct Entry {
    id: &'static str,
    is_root: bool,
    is_default_enabled: bool,
    extended_data: BTreeMap<String, ExtendedData>,
    canonical: CanonicalModule,
    on_event: Option<EventListener>,
}

impl Registry {
    /// Checks the modules and takes them apart: the commands go to the framework, what is said
    /// about them stays here.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn assemble(modules: Vec<Module>) -> Result<(Self, Vec<Command>), RegistryError> {
        let mut registry = Self {
            modules: Vec::new(),
            owners: BTreeMap::new(),
        };
        let mut all_commands = Vec::new();
        for module in modules {
            if registry.modules.iter().any(|known| known.id == module.id) {
                return Err(RegistryError::ModuleTwice(module.id));
            }
            let place = registry.modules.len();
            let mut canonical = CanonicalModule {
                id: module.id.to_owned(),
                name: module.name.to_owned(),
                description: module.description.to_owned(),
                toggleable: module.toggleable,
                commands_toggleable: module.commands_toggleable,
                web_hidden: module.web_hidden,
                virtual_module: module.virtual_module,
                is_default_enabled: module.is_default_enabled,
                commands: Vec::new(),
                config_options: Vec::new(),
            };
            let mut extended_data = BTreeMap::new();
            for mut declared in module.commands {
                declared.command.category = Some(module.id.into());
                let command = &declared.command;
                check_paths(command, &declared.extended_data)?;
                check_virtual(command, &declared.extended_data, module.virtual_module)?;
                for name in std::iter::once(&command.name).chain(command.aliases.iter()) {
                    let owner = (place, command.name.clone().into_owned());
                    if registry
                        .owners
                        .insert(name.clone().into_owned(), owner)
                        .is_some()
                    {
                        return Err(RegistryError::CommandTwice(name.clone().into_owned()));
                    }
                }
                canonical.commands.push(CanonicalCommand {
                    command: describe(command, ""),
                    extended_data: describe_data(&declared.extended_data),
                });
                let is_virtual = declared
                    .extended_data
                    .get("")
                    .is_some_and(|d| d.virtual_command);
                extended_data.insert(command.name.clone().into_owned(), declared.extended_data);
                if !is_virtual {
                    all_commands.push(declared.command);
                }
            }
            registry.modules.push(Entry {
                id: module.id,
                is_root: module.is_root,
                is_default_enabled: module.is_default_enabled,
                extended_data,
                canonical,
                on_event: module.on_event,
            });
        }
        Ok((registry, all_commands))
    }

    /// The facts about the module of a root command or alias; `None` when nobody owns it.
    pub fn facts(&self, root: &str) -> Option<ModuleFacts<'_>> {
        let (place, name) = self.owners.get(root)?;
        let entry = &self.modules[*place];
        Some(ModuleFacts {
            id: entry.id,
            is_loaded: true,
            is_root: entry.is_root,
            is_default_enabled: entry.is_default_enabled,
            is_toggleable: entry.canonical.toggleable,
            are_commands_toggleable: entry.canonical.commands_toggleable,
            extended_data: entry.extended_data.get(name)?,
        })
    }

    /// In registration order.
    pub fn modules(&self) -> impl Iterator<Item = &CanonicalModule> {
        self.modules.iter().map(|entry| &entry.canonical)
    }

    pub fn listeners(&self) -> impl Iterator<Item = (&'static str, EventListener)> {
        self.modules
            .iter()
            .filter_map(|entry| Some((entry.id, entry.on_event?)))
    }
}

/// Every subcommand is described, and nothing else is; the root may be left out.
fn check_paths(command: &Command, data: &ExtendedData) -> Result<(), RegistryError> {
    let mut real = BTreeSet::new();
    collect_paths(&command.subcommands, "", &mut real);
    let name = || command.name.clone().into_owned();
    if let Some(path) = data
        .keys()
        .find(|path| !path.is_empty() && !real.contains(*path))
    {
        return Err(RegistryError::NoSuchPath {
            command: name(),
            path: path.clone(),
        });
    }
    match real.into_iter().find(|path| !data.contains_key(path)) {
        Some(path) => Err(RegistryError::Undescribed {
            command: name(),
            path,
        }),
        None => Ok(()),
    }
}

fn collect_paths(commands: &[Command], above: &str, paths: &mut BTreeSet<String>) {
    for command in commands {
        let path = join(above, &command.name);
        collect_paths(&command.subcommands, &path, paths);
        paths.insert(path);
    }
}

fn check_virtual(
    command: &Command,
    data: &ExtendedData,
    virtual_module: bool,
) -> Result<(), RegistryError> {
    let root_is_virtual = data.get("").is_some_and(|data| data.virtual_command);
    if virtual_module && !root_is_virtual {
        return Err(RegistryError::NotVirtual(command.name.clone().into_owned()));
    }
    let real = data.iter().find(|(_, data)| !data.virtual_command);
    match real {
        Some((path, _)) if root_is_virtual => {
            Err(RegistryError::NotVirtual(join(&command.name, path)))
        }
        _ => Ok(()),
    }
}

fn describe(command: &Command, above: &str) -> CanonicalCommandData {
    let qualified_name = join(above, &command.name);
    CanonicalCommandData {
        name: command.name.clone().into_owned(),
        description: command.description.as_deref().map(str::to_owned),
        nsfw: command.nsfw_only,
        subcommands: command
            .subcommands
            .iter()
            .map(|subcommand| describe(subcommand, &qualified_name))
            .collect(),
        subcommand_required: command.subcommand_required,
        arguments: command
            .parameters
            .iter()
            .map(|parameter| CanonicalArgument {
                name: parameter.name.clone().into_owned(),
                description: parameter.description.as_deref().map(str::to_owned),
                required: parameter.required,
                choices: parameter
                    .choices
                    .iter()
                    .map(|choice| choice.name.to_string())
                    .collect(),
            })
            .collect(),
        qualified_name,
    }
}

fn describe_data(data: &ExtendedData) -> BTreeMap<String, CanonicalExtendedData> {
    data.iter()
        .map(|(path, data)| {
            let described = CanonicalExtendedData {
                // Lists of strings and booleans always serialise.
                default_perms: serde_json::to_value(&data.default_perms).unwrap_or_default(),
                is_default_enabled: data.is_default_enabled,
                web_hidden: data.web_hidden,
                virtual_command: data.virtual_command,
            };
            (path.clone(), described)
        })
        .collect()
}

fn join(above: &str, name: &str) -> String {
    match (above, name) {
        ("", name) => name.to_owned(),
        (above, "") => above.to_owned(),
        (above, name) => format!("{above} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use splashtail_permissions::CommandExtendedData;

    use super::*;
    use crate::modules::{ModuleCommand, all, extended};

    fn command(name: &'static str, subcommands: &[&'static str]) -> Command {
        Command {
            name: name.into(),
            subcommands: subcommands.iter().map(|name| command(name, &[])).collect(),
            ..Command::default()
        }
    }

    fn module(id: &'static str, commands: Vec<(Command, ExtendedData)>) -> Module {
        let commands = commands
            .into_iter()
            .map(|(command, extended_data)| ModuleCommand {
                command,
                extended_data,
            })
            .collect();
        Module {
            commands,
            ..Module::new(id, id, id)
        }
    }

    fn none() -> CommandExtendedData {
        CommandExtendedData::none()
    }

    fn refuse(modules: Vec<Module>) -> RegistryError {
        Registry::assemble(modules).unwrap_err()
    }

    #[test]
    fn the_bots_own_modules_are_sound() {
        let (registry, commands) = Registry::assemble(all()).unwrap();
        let ids: Vec<_> = registry
            .modules()
            .map(|module| module.id.as_str())
            .collect();
        assert_eq!(ids, ["core", "server_backups", "root"]);
        let mut names: Vec<_> = commands
            .iter()
            .map(|command| command.name.as_ref())
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["backups", "help", "ping", "register", "simplehelp", "stats"]
        );
        assert_eq!(registry.facts("backup").unwrap().id, "server_backups");
        assert!(registry.facts("register").unwrap().is_root);
        let help = registry.facts("help").unwrap();
        assert!(!help.is_toggleable && help.are_commands_toggleable);
        assert!(registry.facts("nothing").is_none());
    }

    #[test]
    fn mistakes_in_declarations() {
        let described = || extended([("", none()), ("add", none())]);
        assert_eq!(
            refuse(vec![module("a", vec![]), module("a", vec![])]),
            RegistryError::ModuleTwice("a")
        );
        assert_eq!(
            refuse(vec![
                module("a", vec![(command("x", &[]), extended([]))]),
                module("b", vec![(command("x", &[]), extended([]))]),
            ]),
            RegistryError::CommandTwice("x".into())
        );
        assert_eq!(
            refuse(vec![module("a", vec![(command("x", &[]), described())])]),
            RegistryError::NoSuchPath {
                command: "x".into(),
                path: "add".into()
            }
        );
        assert_eq!(
            refuse(vec![module(
                "a",
                vec![(command("x", &["add", "view"]), described())]
            )]),
            RegistryError::Undescribed {
                command: "x".into(),
                path: "view".into()
            }
        );
        let mut virtual_module = module("a", vec![(command("x", &["add"]), described())]);
        virtual_module.virtual_module = true;
        assert_eq!(
            refuse(vec![virtual_module]),
            RegistryError::NotVirtual("x".into())
        );
        let mut half = described();
        half.get_mut("").unwrap().virtual_command = true;
        assert_eq!(
            refuse(vec![module("a", vec![(command("x", &["add"]), half)])]),
            RegistryError::NotVirtual("x add".into())
        );
    }

    #[test]
    fn virtual_commands_are_described_and_not_registered() {
        let data = CommandExtendedData {
            virtual_command: true,
            ..none()
        };
        let (registry, commands) = Registry::assemble(vec![module(
            "a",
            vec![(command("acl", &[]), extended([("", data)]))],
        )])
        .unwrap();
        assert!(commands.is_empty());
        assert!(registry.facts("acl").is_some());
        assert_eq!(registry.modules().next().unwrap().commands.len(), 1);
    }
}
