//! What a feature of the bot declares about itself.

use std::pin::Pin;
use std::sync::Arc;

use splashtail_core::clock::SharedClock;
use splashtail_permissions::ExtendedData;

use crate::app::{Command, Data};
use crate::cluster::ClusterState;
use crate::configuration::Guard;
use crate::events::Listener;
use crate::operation::Operation;
use crate::presses::Presses;
use crate::registry::Need;
use crate::services::Service;
use crate::settings::Setting;

/// A feature: one folder, which declares here all that others have to know. The object owns the
/// feature's service and shares it with what it declares.
///
/// Everything is asked for once, at start.
pub trait Module: Send + Sync {
    fn about(&self) -> About;

    /// What users can run, and what it asks of them.
    fn commands(&self) -> Vec<ModuleCommand> {
        Vec::new()
    }

    /// What stands for something of every module: `all` are what they say of themselves.
    fn commands_over(&self, _all: &[About]) -> Vec<ModuleCommand> {
        Vec::new()
    }

    /// What guilds can set. Each brings the commands `/<setting> view|create|update|delete` along.
    fn settings(&self) -> Vec<Setting> {
        Vec::new()
    }

    /// What follows the events of guilds in which the module is on. It holds what it needs itself:
    /// it is given the event and the guild's state, and nothing else.
    fn listener(&self) -> Option<Arc<dyn Listener>> {
        None
    }

    /// What is only done here when more than one person agrees to it, where a guild wants it so.
    fn guarded(&self) -> Vec<Arc<dyn Operation>> {
        Vec::new()
    }

    /// Whom changes that weaken protection are put before. One module has that.
    fn guard(&self) -> Option<Arc<dyn Guard>> {
        None
    }

    /// Its buttons, menus and forms.
    fn presses(&self) -> Vec<Presses> {
        Vec::new()
    }

    /// What runs as long as the process does.
    fn tasks(&self) -> Vec<Task> {
        Vec::new()
    }

    /// What is done once when the process stops, after the last event was heard. It has a second.
    fn closing(&self) -> Option<Running> {
        None
    }

    /// What the bot needs for this feature, and why.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    /// What commands reach by [`Services::get`](crate::services::Services::get).
    fn service(&self) -> Option<Service> {
        None
    }

    /// Takes what there is only once everything has been put together. Called once, before the first
    /// event, task and press.
    fn begin(&self, _whole: &Whole<'_>) {}
}

/// What all modules are parts of.
pub struct Whole<'a> {
    pub app: &'a Data,
    /// What all modules declare by [`Module::guarded`].
    pub operations: &'a [Arc<dyn Operation>],
}

/// What a module is, in words and switches.
#[derive(Debug, Clone)]
pub struct About {
    /// Also the namespace of its permissions. Never changes: rows name it.
    pub id: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    /// A page of Markdown for the people of a guild; may be empty.
    pub docs: &'static str,
    /// Whether a guild may switch it off. Where not, no row does.
    pub toggleable: bool,
    pub commands_toggleable: bool,
    pub is_default_enabled: bool,
    /// Left out of public listings.
    pub web_hidden: bool,
    /// Its commands are for the operators of the installation.
    pub is_root: bool,
    /// Never registered with Discord.
    pub virtual_module: bool,
}

impl About {
    /// An ordinary module: on by default, and guilds may switch it and its commands off.
    pub const fn new(id: &'static str, name: &'static str, description: &'static str) -> Self {
        Self {
            id,
            name,
            description,
            docs: "",
            toggleable: true,
            commands_toggleable: true,
            is_default_enabled: true,
            web_hidden: false,
            is_root: false,
            virtual_module: false,
        }
    }
}

pub struct ModuleCommand {
    pub command: Command,
    pub extended_data: ExtendedData,
}

/// Work beside events and commands: begun once per process, after the first shard was ready, and
/// begun again when it ends or breaks.
pub struct Task {
    pub name: &'static str,
    pub run: Box<dyn Fn(Surroundings) -> Running + Send + Sync>,
}

pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a task finds around itself. It is dropped where it waits when the process stops.
#[derive(Clone)]
pub struct Surroundings {
    pub state: Arc<ClusterState>,
    pub clock: SharedClock,
}

impl Task {
    pub fn new<F, W>(name: &'static str, run: F) -> Self
    where
        F: Fn(Surroundings) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        Self {
            name,
            run: Box::new(move |surroundings| Box::pin(run(surroundings))),
        }
    }
}
