//! What commands can reach.

use std::sync::Arc;

use splashtail_core::clock::SharedClock;
use splashtail_core::config::Config;
use splashtail_core::ids::UserId;
use tokio_util::sync::CancellationToken;

use crate::catalogue::ServerLanguages;
use crate::cluster::ClusterState;
use crate::configuration::Configuration;
use crate::error::BotError;
use crate::framework::gate::Gate;
use crate::registry::Registry;
use crate::services::Services;

pub struct App {
    pub config: Arc<Config>,
    pub clock: SharedClock,
    pub state: Arc<ClusterState>,
    pub registry: Arc<Registry>,
    pub gate: Arc<Gate>,
    pub configuration: Configuration,
    pub services: Services,
    pub languages: ServerLanguages,
    pub shutdown: CancellationToken,
}

impl App {
    pub fn is_root_user(&self, user: UserId) -> bool {
        self.gate.is_root_user(user)
    }
}

pub type Data = Arc<App>;
pub type Context<'a> = poise::Context<'a, Data, BotError>;
pub type Command = poise::Command<Data, BotError>;
pub type FrameworkError<'a> = poise::FrameworkError<'a, Data, BotError>;
