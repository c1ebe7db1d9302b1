//! What the modules declared, as everybody else reads it: the gate, help, the IServer.
//!
//! Built once at start by [`crate::modules::assemble`]; nothing here knows a command's code.

use std::collections::BTreeMap;
use std::sync::Arc;

use poise::serenity_prelude::GatewayIntents;
use serde_json::{Value, json};
use splashtail_api_types::modules::CanonicalModule;
use splashtail_permissions::{ExtendedData, ModuleFacts, NativePermissions};

use crate::events::{Listener, Subscription};
use crate::guilds::FOLLOWED;
use crate::settings::Setting;

#[derive(Default)]
pub struct Registry {
    modules: Vec<Registered>,
    /// Root command or alias to the place in `modules` and the root command's own name.
    owners: BTreeMap<String, (usize, String)>,
}

/// One module.
pub struct Registered {
    pub id: &'static str,
    /// Its commands are for the operators of the installation.
    pub is_root: bool,
    /// By root command.
    pub extended_data: BTreeMap<String, ExtendedData>,
    pub settings: Vec<Arc<Setting>>,
    pub needs: Vec<Need>,
    pub listener: Option<Arc<dyn Listener>>,
    /// Markdown.
    pub docs: &'static str,
    pub canonical: CanonicalModule,
}

/// Something the bot needs, and what for: a sentence that a guild's owner reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    pub what: Needed,
    pub why: &'static str,
}

impl Need {
    /// `{"permission":"1024","name":"View Channels","why":…}` or
    /// `{"intents":"2","name":"Guild Members","why":…}`.
    pub fn describe(&self) -> Value {
        let why = self.why;
        match self.what {
            Needed::Permission(permission) => {
                json!({ "permission": permission, "name": permission.to_string(), "why": why })
            }
            Needed::Intents(intents) => {
                let bits = intents.bits().to_string();
                json!({ "intents": bits, "name": names(intents), "why": why })
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// In the guild.
    Permission(NativePermissions),
    /// Of the application: without it these events do not reach the bot.
    Intents(GatewayIntents),
}

impl Needed {
    /// As the catalogue names it.
    pub fn key(self) -> String {
        match self {
            Self::Permission(permission) => permission.0.trailing_zeros().to_string(),
            Self::Intents(_) => "intents".to_owned(),
        }
    }
}

impl Registry {
    pub(crate) fn new(modules: Vec<Registered>, owners: BTreeMap<String, (usize, String)>) -> Self {
        Self { modules, owners }
    }

    /// The facts about the module of a root command or alias; `None` when nobody owns it.
    pub fn facts(&self, root: &str) -> Option<ModuleFacts<'_>> {
        let (place, name) = self.owners.get(root)?;
        let module = &self.modules[*place];
        Some(ModuleFacts {
            id: module.id,
            is_loaded: true,
            is_root: module.is_root,
            is_default_enabled: module.canonical.is_default_enabled,
            is_toggleable: module.canonical.toggleable,
            are_commands_toggleable: module.canonical.commands_toggleable,
            extended_data: module.extended_data.get(name)?,
        })
    }

    /// The qualified name with the root command's own name instead of an alias, if the code knows
    /// such a command.
    pub fn command(&self, qualified_name: &str) -> Option<String> {
        let (root, below) = qualified_name
            .split_once(' ')
            .unwrap_or((qualified_name, ""));
        let (place, name) = self.owners.get(root)?;
        let data = self.modules[*place].extended_data.get(name)?;
        match below {
            "" => Some(name.clone()),
            below => data.contains_key(below).then(|| format!("{name} {below}")),
        }
    }

    /// In registration order.
    pub fn all(&self) -> impl Iterator<Item = &Registered> {
        self.modules.iter()
    }

    /// The same as others are told of them.
    pub fn modules(&self) -> impl Iterator<Item = &CanonicalModule> {
        self.modules.iter().map(|module| &module.canonical)
    }

    /// What the gateway is asked for: what servers are followed by, what modules hear, and what they
    /// say that they need besides.
    pub fn intents(&self) -> GatewayIntents {
        let heard = self.modules.iter().filter_map(|m| m.listener.as_ref());
        let heard = heard.map(|listener| listener.kinds().intents());
        let needed = self.modules.iter().flat_map(|module| &module.needs);
        let needed = needed.filter_map(|need| match need.what {
            Needed::Intents(intents) => Some(intents),
            Needed::Permission(_) => None,
        });
        let all = heard.chain(needed);
        all.fold(FOLLOWED.intents(), |all, some| all | some)
    }

    /// For the router.
    pub fn listeners(&self) -> Vec<Subscription> {
        let listening = self.modules.iter().filter_map(|module| {
            Some(Subscription {
                module: module.id,
                listener: Arc::clone(module.listener.as_ref()?),
            })
        });
        listening.collect()
    }

    pub fn module(&self, id: &str) -> Option<&Registered> {
        self.modules.iter().find(|module| module.id == id)
    }

    /// A setting and the module that has it.
    pub fn setting(&self, id: &str) -> Option<(&'static str, &Arc<Setting>)> {
        self.settings().find(|(_, setting)| setting.id == id)
    }

    pub fn settings(&self) -> impl Iterator<Item = (&'static str, &Arc<Setting>)> {
        self.modules
            .iter()
            .flat_map(|module| module.settings.iter().map(|setting| (module.id, setting)))
    }
}

pub(crate) fn names(intents: GatewayIntents) -> String {
    let names = intents.iter_names().map(|(name, _)| words(name));
    names.collect::<Vec<_>>().join(" + ")
}

/// `MESSAGE_CONTENT` as people write it.
fn words(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_lowercase())
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::{all, assemble::assemble, foundation};

    /// `splashtail doctor` and the invite go by this file: programs of the workspace do not link each
    /// other.
    const NEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/cli/needs.json");

    #[tokio::test]
    async fn what_an_owner_is_asked_for_is_what_modules_declare() {
        let foundation = foundation::for_tests().await;
        let registry = assemble(&all(&foundation)).unwrap().registry;
        let needs = registry.all().flat_map(|module| {
            module.needs.iter().filter_map(|need| match need.what {
                Needed::Permission(NativePermissions(bits)) => Some(json!({
                    "module": module.id,
                    "permission": bits.to_string(),
                    "name": NativePermissions(bits).to_string(),
                    "why": need.why,
                })),
                Needed::Intents(_) => None,
            })
        });
        let declared = json!({
            "intents": registry.intents().bits().to_string(),
            "permissions": needs.collect::<Vec<_>>(),
        });
        let text = format!("{}\n", serde_json::to_string_pretty(&declared).unwrap());
        if std::env::var_os("UPDATE_NEEDS").is_some() {
            std::fs::write(NEEDS, &text).unwrap();
        }
        let written = std::fs::read_to_string(NEEDS).unwrap();
        assert_eq!(written, text, "UPDATE_NEEDS=1 writes it anew");
    }
}
