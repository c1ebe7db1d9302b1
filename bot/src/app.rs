//! What commands and listeners can reach.

use std::sync::Arc;

use splashtail_core::clock::SharedClock;
use splashtail_core::config::Config;
use splashtail_core::ids::UserId;
use splashtail_ipc::clients::JobserverClient;
use splashtail_storage::Storage;
use tokio_util::sync::CancellationToken;

use crate::cluster::ClusterState;
use crate::error::BotError;
use crate::framework::gate::KnownGuilds;
use crate::modules::registry::Registry;

pub struct App {
    pub config: Config,
    pub clock: SharedClock,
    pub state: Arc<ClusterState>,
    pub registry: Arc<Registry>,
    pub storage: Storage,
    pub jobserver: JobserverClient,
    pub known_guilds: KnownGuilds,
    pub shutdown: CancellationToken,
}

impl App {
    pub fn is_root_user(&self, user: UserId) -> bool {
        self.config.discord_auth.root_users.contains(&user)
    }
}

pub type Data = Arc<App>;
pub type Context<'a> = poise::Context<'a, Data, BotError>;
pub type Command = poise::Command<Data, BotError>;
pub type EventContext<'a> = poise::FrameworkContext<'a, Data, BotError>;
pub type FrameworkError<'a> = poise::FrameworkError<'a, Data, BotError>;
