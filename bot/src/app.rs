//! What commands can reach.

use std::sync::Arc;

use poise::serenity_prelude::CreateCommand;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::Config;
use splashtail_core::ids::{GuildId, UserId};
use tokio_util::sync::CancellationToken;

use crate::catalogue::Language;
use crate::cluster::ClusterState;
use crate::configuration::Configuration;
use crate::error::BotError;
use crate::framework::gate::Gate;
use crate::registry::Registry;
use crate::server_language::ServerLanguages;
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
    /// All commands as Discord is told of them.
    pub described: Vec<CreateCommand>,
    pub shutdown: CancellationToken,
}

impl App {
    pub fn is_root_user(&self, user: UserId) -> bool {
        self.gate.is_root_user(user)
    }

    /// The language of what everybody in a server reads.
    pub fn language_of(&self, guild: GuildId) -> Language {
        match self.state.guilds.get(guild) {
            Some(view) => self.languages.of_view(&view),
            None => self.languages.of(guild, None),
        }
    }
}

pub type Data = Arc<App>;
pub type Context<'a> = poise::Context<'a, Data, BotError>;
pub type Command = poise::Command<Data, BotError>;
pub type FrameworkError<'a> = poise::FrameworkError<'a, Data, BotError>;

/// The language of what everybody in the channel reads.
pub fn language_here(cx: Context<'_>) -> Language {
    match cx.guild_id().and_then(|guild| GuildId::new(guild.get())) {
        Some(guild) => cx.data().language_of(guild),
        None => reader_language(cx),
    }
}

/// The language of what only the author of the command reads.
pub fn reader_language(cx: Context<'_>) -> Language {
    let own = cx.locale().and_then(Language::of);
    match cx {
        Context::Application(_) => own.unwrap_or_default(),
        // Nobody else can be told in a channel.
        Context::Prefix(_) => cx
            .guild_id()
            .map_or_else(Language::default, |_| language_here(cx)),
    }
}

/// The bot with these modules, on an embedded database, and without a connection to Discord.
#[cfg(test)]
pub async fn for_tests(
    foundation: &crate::modules::Foundation,
    modules: &[Box<dyn crate::modules::Module>],
) -> Data {
    use crate::arguments::Cluster;
    use crate::framework::gate::StoredRows;
    use crate::inputs::Kept;
    use crate::modules::assemble::assemble;
    use crate::registration::describe_commands;

    let foundation = foundation.clone();
    let assembled = assemble(modules).unwrap();
    let registry = Arc::new(assembled.registry);
    let (storage, clock) = (foundation.storage, foundation.clock);
    let rows = StoredRows {
        storage: storage.clone(),
        clock: Arc::clone(&clock),
    };
    let rows = Kept::new(rows, Arc::clone(&clock));
    let gate = Arc::new(Gate::new(Arc::clone(&registry), rows, &foundation.config));
    let state = Arc::new(ClusterState::new(Cluster::alone(1), Arc::clone(&clock)));
    let configuration = Configuration::new(
        Arc::clone(&gate),
        storage,
        foundation.changes,
        Arc::clone(&state) as _,
        Arc::clone(&clock),
    );
    Arc::new(App {
        config: foundation.config,
        clock,
        state,
        registry,
        gate,
        configuration,
        services: assembled.services,
        languages: foundation.languages,
        described: describe_commands(&assembled.commands, None),
        shutdown: CancellationToken::new(),
    })
}
