//! All modules together, checked once at start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use splashtail_api_types::modules::{
    CanonicalArgument, CanonicalCommand, CanonicalCommandData, CanonicalModule,
    CommandExtendedData as CanonicalExtendedData,
};
use splashtail_permissions::{CommandExtendedData, ExtendedData};

use super::extended;
use super::module::{About, Module, ModuleCommand, Running, Task};
use crate::app::Command;
use crate::catalogue;
use crate::configuration::Guard;
use crate::framework::setting_commands;
use crate::operation::Operation;
use crate::presses::Declared;
use crate::registry::{Registered, Registry};
use crate::services::Services;
use crate::settings::{Setting, SettingMistake};

/// A mistake in the declaration of a module. It ends the start: the tests meet it first.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
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
    #[error("presses of `{0}` are declared twice")]
    PressesTwice(&'static str),
    #[error("two settings are called `{0}`")]
    SettingTwice(&'static str),
    #[error("`{0}` is the second to guard changes")]
    GuardTwice(&'static str),
    #[error("a setting is declared wrongly")]
    Setting(#[from] SettingMistake),
}

/// Everything that the modules declared, sorted by who needs it.
pub struct Assembled {
    pub registry: Registry,
    /// For the framework.
    pub commands: Vec<Command>,
    pub tasks: Vec<Task>,
    /// For the desk that answers them.
    pub presses: Declared,
    /// For the desk where requests are agreed to.
    pub guarded: Vec<Arc<dyn Operation>>,
    /// For the configuration; none where no module is one.
    pub guard: Option<Arc<dyn Guard>>,
    /// For the end of the process.
    pub closing: Vec<Running>,
    pub services: Services,
}

/// Checks what the modules declare and takes it apart.
///
/// # Errors
/// See [`DeclarationError`].
pub fn assemble(modules: &[Box<dyn Module>]) -> Result<Assembled, DeclarationError> {
    let mut registered: Vec<Registered> = Vec::new();
    let mut owners = BTreeMap::new();
    let mut commands = Vec::new();
    let mut pressed = Declared::new();
    let mut guard: Option<Arc<dyn Guard>> = None;
    let all: Vec<About> = modules.iter().map(|module| module.about()).collect();
    for module in modules {
        let about = module.about();
        if registered.iter().any(|known| known.id == about.id) {
            return Err(DeclarationError::ModuleTwice(about.id));
        }
        let settings: Vec<Arc<Setting>> = module.settings().into_iter().map(Arc::new).collect();
        for setting in &settings {
            setting.check()?;
            let taken = |known: &Registered| known.settings.iter().any(|s| s.id == setting.id);
            if registered.iter().any(taken) {
                return Err(DeclarationError::SettingTwice(setting.id));
            }
        }
        for presses in module.presses() {
            let prefix = presses.prefix;
            if pressed.insert(prefix, (about.id, presses)).is_some() {
                return Err(DeclarationError::PressesTwice(prefix));
            }
        }
        if let Some(other) = module.guard()
            && guard.replace(other).is_some()
        {
            return Err(DeclarationError::GuardTwice(about.id));
        }
        let mut declared = module.commands();
        declared.extend(settings.iter().map(|setting| {
            let (command, extended_data) = setting_commands::of(about.id, setting);
            ModuleCommand {
                command,
                extended_data,
            }
        }));
        declared.push(default_checks(about.id));
        declared.extend(module.commands_over(&all));
        let mut entry = Registered {
            id: about.id,
            is_root: about.is_root,
            extended_data: BTreeMap::new(),
            canonical: describe_module(&about, &settings),
            settings,
            needs: module.needs(),
            listener: module.listener(),
            docs: about.docs,
        };
        for mut declared in declared {
            let command = &mut declared.command;
            command.category = Some(about.id.into());
            qualify(command, "");
            catalogue::localise(command);
            check_paths(command, &declared.extended_data)?;
            check_virtual(command, &declared.extended_data, about.virtual_module)?;
            for name in std::iter::once(&command.name).chain(command.aliases.iter()) {
                let owner = (registered.len(), command.name.clone().into_owned());
                if owners.insert(name.clone().into_owned(), owner).is_some() {
                    return Err(DeclarationError::CommandTwice(name.clone().into_owned()));
                }
            }
            entry.canonical.commands.push(CanonicalCommand {
                command: describe(command, ""),
                extended_data: describe_data(&declared.extended_data),
            });
            let root = declared.extended_data.get("");
            let is_virtual = root.is_some_and(|root| root.virtual_command);
            let name = command.name.clone().into_owned();
            entry.extended_data.insert(name, declared.extended_data);
            if !is_virtual {
                commands.push(declared.command);
            }
        }
        registered.push(entry);
    }
    Ok(Assembled {
        registry: Registry::new(registered, owners),
        commands,
        tasks: modules.iter().flat_map(|module| module.tasks()).collect(),
        presses: pressed,
        guarded: modules.iter().flat_map(|m| m.guarded()).collect(),
        guard,
        closing: modules.iter().filter_map(|m| m.closing()).collect(),
        services: modules.iter().filter_map(|m| m.service()).collect(),
    })
}

/// Stands for the module's own checks: who may run it may change them.
fn default_checks(module: &'static str) -> ModuleCommand {
    let data = CommandExtendedData {
        virtual_command: true,
        web_hidden: true,
        ..CommandExtendedData::none()
    };
    ModuleCommand {
        command: Command {
            name: acl_of_module(module).into(),
            description: Some("Stands for the module's default checks".into()),
            ..Command::default()
        },
        extended_data: extended([("", data)]),
    }
}

/// Stands for changing what each module asks for.
pub(super) fn change_of_checks(all: &[About]) -> ModuleCommand {
    let data = || CommandExtendedData {
        virtual_command: true,
        web_hidden: true,
        ..CommandExtendedData::kittycat_or_admin("modules", "modperms")
    };
    let ids: Vec<_> = all.iter().map(|about| about.id).collect();
    let described = std::iter::once("").chain(ids.iter().copied());
    ModuleCommand {
        extended_data: described.map(|path| (path.to_owned(), data())).collect(),
        command: Command {
            name: ACL_OF_MODPERMS.into(),
            description: Some("Stands for changing the checks of a module".into()),
            subcommands: ids
                .into_iter()
                .map(|id| Command {
                    name: id.into(),
                    description: Some("Stands for changing the checks of this module".into()),
                    ..Command::default()
                })
                .collect(),
            ..Command::default()
        },
    }
}

const ACL_OF_MODPERMS: &str = "acl__modules_modperms";

/// The virtual command for changing the checks of a module.
pub fn acl_of_modperms(module: &str) -> String {
    format!("{ACL_OF_MODPERMS} {module}")
}

/// The virtual command that [`assemble`] adds to each module.
pub fn acl_of_module(module: &str) -> String {
    format!("acl__{module}_defaultperms_check")
}

/// The framework does the same later; commands that are made in code need it earlier.
fn qualify(command: &mut Command, above: &str) {
    let name = join(above, &command.name);
    for subcommand in &mut command.subcommands {
        qualify(subcommand, &name);
    }
    command.qualified_name = name.into();
}

fn describe_module(about: &About, settings: &[Arc<Setting>]) -> CanonicalModule {
    CanonicalModule {
        id: about.id.to_owned(),
        name: about.name.to_owned(),
        description: about.description.to_owned(),
        toggleable: about.toggleable,
        commands_toggleable: about.commands_toggleable,
        web_hidden: about.web_hidden,
        virtual_module: about.virtual_module,
        is_default_enabled: about.is_default_enabled,
        commands: Vec::new(),
        // Names and numbers always serialise.
        config_options: settings
            .iter()
            .map(|setting| serde_json::to_value(setting.describe()).unwrap_or_default())
            .collect(),
    }
}

/// Every subcommand is described, and nothing else is; the root may be left out.
fn check_paths(command: &Command, data: &ExtendedData) -> Result<(), DeclarationError> {
    let mut real = BTreeSet::new();
    collect_paths(&command.subcommands, "", &mut real);
    let name = || command.name.clone().into_owned();
    if let Some(path) = data
        .keys()
        .find(|path| !path.is_empty() && !real.contains(*path))
    {
        return Err(DeclarationError::NoSuchPath {
            command: name(),
            path: path.clone(),
        });
    }
    match real.into_iter().find(|path| !data.contains_key(path)) {
        Some(path) => Err(DeclarationError::Undescribed {
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
) -> Result<(), DeclarationError> {
    let root_is_virtual = data.get("").is_some_and(|data| data.virtual_command);
    if virtual_module && !root_is_virtual {
        return Err(DeclarationError::NotVirtual(
            command.name.clone().into_owned(),
        ));
    }
    let real = data.iter().find(|(_, data)| !data.virtual_command);
    match real {
        Some((path, _)) if root_is_virtual => {
            Err(DeclarationError::NotVirtual(join(&command.name, path)))
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
    use super::*;
    use crate::modules::foundation;

    fn command(name: &'static str, subcommands: &[&'static str]) -> Command {
        Command {
            name: name.into(),
            subcommands: subcommands.iter().map(|name| command(name, &[])).collect(),
            ..Command::default()
        }
    }

    /// Declares what it is made of.
    struct Given {
        about: About,
        commands: Vec<(&'static str, &'static [&'static str], ExtendedData)>,
    }

    impl Module for Given {
        fn about(&self) -> About {
            self.about.clone()
        }

        fn commands(&self) -> Vec<ModuleCommand> {
            let commands = self.commands.iter();
            commands
                .map(|(name, subcommands, extended_data)| ModuleCommand {
                    command: command(name, subcommands),
                    extended_data: extended_data.clone(),
                })
                .collect()
        }
    }

    /// What they show is no secret, or they look at who asks themselves.
    const OPEN_TO_ALL: [&str; 5] = ["help", "ping", "simplehelp", "stats", "guarded pending"];

    type Given1 = (&'static str, &'static [&'static str], ExtendedData);

    fn module(id: &'static str, commands: Vec<Given1>) -> Given {
        Given {
            about: About::new(id, id, id),
            commands,
        }
    }

    fn none() -> CommandExtendedData {
        CommandExtendedData::none()
    }

    fn assemble_all(modules: Vec<Given>) -> Result<Assembled, DeclarationError> {
        let modules: Vec<Box<dyn Module>> = modules
            .into_iter()
            .map(|module| Box::new(module) as _)
            .collect();
        assemble(&modules)
    }

    fn refuse(modules: Vec<Given>) -> DeclarationError {
        match assemble_all(modules) {
            Ok(_) => panic!("accepted"),
            Err(error) => error,
        }
    }

    #[tokio::test]
    async fn the_bots_own_modules_are_sound() {
        let foundation = foundation::for_tests().await;
        let Assembled {
            registry, commands, ..
        } = assemble(&crate::modules::all(&foundation)).unwrap();
        let ids: Vec<_> = registry
            .modules()
            .map(|module| module.id.as_str())
            .collect();
        assert_eq!(
            ids,
            [
                "core",
                "setup",
                "antinuke",
                "raid",
                "lockdown",
                "guarded",
                "moderation",
                "server_backups",
                "settings",
                "root"
            ]
        );
        let mut names: Vec<_> = commands
            .iter()
            .map(|command| command.name.as_ref())
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "backups",
                "ban",
                "case",
                "command_configuration",
                "commands",
                "guarded",
                "guarded_operations",
                "guild_members",
                "guild_roles",
                "health",
                "help",
                "incidents",
                "kick",
                "limitactions",
                "limits",
                "lockdown",
                "lockdown_roles",
                "massban",
                "massunban",
                "members",
                "module_configuration",
                "modules",
                "perms",
                "ping",
                "protection",
                "protection_limits",
                "protection_maintenance",
                "protection_policy",
                "protection_trust",
                "prune_user",
                "punishments",
                "raid",
                "raid_policy",
                "register",
                "server_language",
                "settings",
                "setup",
                "simplehelp",
                "stats",
                "tempban",
                "timeout",
                "unban"
            ]
        );
        assert_eq!(registry.facts("backup").unwrap().id, "server_backups");
        assert_eq!(
            registry.command("backup create").as_deref(),
            Some("backups create")
        );
        assert_eq!(registry.command("backups steal"), None);
        assert!(registry.facts("register").unwrap().is_root);
        let help = registry.facts("help").unwrap();
        assert!(!help.is_toggleable && help.are_commands_toggleable);
        let settings = registry.facts("modules").unwrap();
        assert!(
            !settings.is_toggleable && !settings.are_commands_toggleable,
            "a guild could lock itself out"
        );
        assert!(registry.facts("nothing").is_none());
    }

    /// Whoever adds to these says why nobody is harmed, whatever asks: a member, or a token of theirs.
    #[tokio::test]
    async fn what_anybody_may_run() {
        let foundation = foundation::for_tests().await;
        let assembled = assemble(&crate::modules::all(&foundation)).unwrap();
        let mut open = Vec::new();
        for module in assembled.registry.all().filter(|module| !module.is_root) {
            for (root, data) in &module.extended_data {
                let anybody = data.iter().filter(|(_, data)| {
                    data.default_perms.run(Default::default(), &[]).is_ok() && !data.virtual_command
                });
                open.extend(anybody.map(|(path, _)| join(root, path)));
            }
        }
        assert_eq!(open, OPEN_TO_ALL);
    }

    #[tokio::test]
    async fn the_gateway_is_asked_for_what_modules_declare_and_no_more() {
        use poise::serenity_prelude::GatewayIntents as Intents;

        let foundation = foundation::for_tests().await;
        let assembled = assemble(&crate::modules::all(&foundation)).unwrap();
        let intents = assembled.registry.intents();
        for needed in [
            Intents::GUILDS,
            Intents::GUILD_MEMBERS,
            Intents::GUILD_MODERATION,
            Intents::GUILD_EMOJIS_AND_STICKERS,
            Intents::GUILD_SCHEDULED_EVENTS,
            Intents::AUTO_MODERATION_CONFIGURATION,
            Intents::AUTO_MODERATION_EXECUTION,
            Intents::GUILD_MESSAGES,
            Intents::MESSAGE_CONTENT,
        ] {
            assert!(intents.contains(needed), "{needed:?}");
        }
        for absent in [
            Intents::GUILD_PRESENCES,
            Intents::GUILD_MESSAGE_TYPING,
            Intents::DIRECT_MESSAGES,
            Intents::DIRECT_MESSAGE_TYPING,
        ] {
            assert!(!intents.intersects(absent), "{absent:?}");
        }
        let nothing = assemble_all(vec![module("a", vec![])]).unwrap();
        let nothing = nothing.registry.intents();
        assert!(!nothing.contains(Intents::GUILD_MESSAGES) && nothing.contains(Intents::GUILDS));
    }

    #[test]
    fn mistakes_in_declarations() {
        let described = || extended([("", none()), ("add", none())]);
        assert_eq!(
            refuse(vec![module("a", vec![]), module("a", vec![])]),
            DeclarationError::ModuleTwice("a")
        );
        assert_eq!(
            refuse(vec![
                module("a", vec![("x", &[], extended([]))]),
                module("b", vec![("x", &[], extended([]))]),
            ]),
            DeclarationError::CommandTwice("x".into())
        );
        assert_eq!(
            refuse(vec![module("a", vec![("x", &[], described())])]),
            DeclarationError::NoSuchPath {
                command: "x".into(),
                path: "add".into()
            }
        );
        assert_eq!(
            refuse(vec![module(
                "a",
                vec![("x", &["add", "view"], described())]
            )]),
            DeclarationError::Undescribed {
                command: "x".into(),
                path: "view".into()
            }
        );
        let mut virtual_module = module("a", vec![("x", &["add"], described())]);
        virtual_module.about.virtual_module = true;
        assert_eq!(
            refuse(vec![virtual_module]),
            DeclarationError::NotVirtual("x".into())
        );
        let mut half = described();
        half.get_mut("").unwrap().virtual_command = true;
        assert_eq!(
            refuse(vec![module("a", vec![("x", &["add"], half)])]),
            DeclarationError::NotVirtual("x add".into())
        );
    }

    #[test]
    fn virtual_commands_are_described_and_not_registered() {
        let data = CommandExtendedData {
            virtual_command: true,
            ..none()
        };
        let given = module("a", vec![("acl", &[], extended([("", data)]))]);
        let Assembled {
            registry, commands, ..
        } = assemble_all(vec![given]).unwrap();
        assert!(commands.is_empty());
        assert!(registry.facts("acl").is_some());
        assert!(registry.facts("acl__a_defaultperms_check").is_some());
        assert_eq!(registry.modules().next().unwrap().commands.len(), 2);
    }
}
