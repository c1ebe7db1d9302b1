//! Which commands this process makes known to Discord by itself.

use std::time::Duration;

use poise::serenity_prelude as serenity;
use serenity::{CreateCommand, GuildId};
use splashtail_core::clock::Clock;
use splashtail_core::config::Config;
use splashtail_core::ids::ClusterId;
use tracing::{error, info, warn};

use crate::app::Command;
use crate::discord_http::describe;

/// Registered in the main server by `BOOTSTRAP_COMMANDS=true`; with these an operator can do the
/// rest.
const BOOTSTRAP: [&str; 3] = ["register", "ping", "help"];
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// What to register at the first Ready. Only cluster 0 does it.
#[derive(Debug, Default)]
pub struct Registration {
    bootstrap: Option<(GuildId, Vec<CreateCommand>)>,
    global: Option<Vec<CreateCommand>>,
}

impl Registration {
    /// `bootstrap` and `register` are the values of `BOOTSTRAP_COMMANDS` and `REGISTER_COMMANDS`.
    pub fn new(
        cluster: ClusterId,
        config: &Config,
        commands: &[Command],
        bootstrap: Option<&str>,
        register: Option<&str>,
    ) -> Self {
        if cluster != ClusterId(0) {
            return Self::default();
        }
        let bootstrap = bootstrap.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let guild = match (bootstrap, config.servers.main) {
            (false, _) => None,
            (true, None) => {
                warn!("BOOTSTRAP_COMMANDS does nothing without `servers.main`");
                None
            }
            (true, Some(guild)) => Some(GuildId::new(guild.get())),
        };
        let global = match register {
            Some(value) if value.eq_ignore_ascii_case("global") => true,
            None | Some("") => false,
            Some(value) => {
                warn!(
                    value,
                    "REGISTER_COMMANDS is ignored: the only value is `global`"
                );
                false
            }
        };
        Self {
            bootstrap: guild.map(|guild| (guild, describe_commands(commands, Some(&BOOTSTRAP)))),
            global: global.then(|| describe_commands(commands, None)),
        }
    }

    /// Registers, with a few attempts. Without success the bot runs with what Discord knows.
    pub async fn run(self, http: &serenity::Http, clock: &dyn Clock) {
        if let Some((guild, commands)) = self.bootstrap {
            let count = commands.len();
            let call = || http.create_guild_commands(guild, &commands);
            if attempt(clock, call).await {
                info!(count, guild.id = %guild, "registered commands in the main server");
            }
        }
        if let Some(commands) = self.global {
            let count = commands.len();
            if attempt(clock, || http.create_global_commands(&commands)).await {
                info!(count, "registered commands globally");
            }
        }
    }
}

async fn attempt<T, F>(clock: &dyn Clock, mut call: impl FnMut() -> F) -> bool
where
    F: Future<Output = Result<T, serenity::Error>>,
{
    for left in (0..ATTEMPTS).rev() {
        match call().await {
            Ok(_) => return true,
            Err(error) if left == 0 => {
                error!(error = describe(&error), "commands were not registered");
            }
            Err(error) => {
                warn!(
                    error = describe(&error),
                    "commands were not registered, trying again"
                );
                clock.sleep(PAUSE).await;
            }
        }
    }
    false
}

/// As Discord is told of them; `only`: those of these names.
pub fn describe_commands(commands: &[Command], only: Option<&[&str]>) -> Vec<CreateCommand> {
    let chosen = commands
        .iter()
        .filter(|command| only.is_none_or(|names| names.contains(&command.name.as_ref())));
    poise::builtins::create_application_commands(chosen)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use splashtail_core::environment::Environment;
    use splashtail_core::ids;

    use super::*;
    use crate::modules::assemble::assemble;
    use crate::modules::{all, foundation};

    fn config(main: Option<u64>) -> Config {
        let mut config = Config::embedded(Path::new("/nowhere"), Environment::Staging);
        config.servers.main = main.and_then(ids::GuildId::new);
        config
    }

    fn names(commands: &[CreateCommand]) -> Vec<String> {
        let names = commands.iter().map(|command| {
            serde_json::to_value(command).unwrap()["name"]
                .as_str()
                .unwrap()
                .to_owned()
        });
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    }

    #[tokio::test]
    async fn only_cluster_0_and_only_when_asked() {
        let foundation = foundation::for_tests().await;
        let commands = assemble(&all(&foundation)).unwrap().commands;
        let new = |cluster, bootstrap, register| {
            Registration::new(
                ClusterId(cluster),
                &config(Some(5)),
                &commands,
                bootstrap,
                register,
            )
        };
        let none = new(0, None, None);
        assert!(none.bootstrap.is_none() && none.global.is_none());
        let other = new(1, Some("true"), Some("global"));
        assert!(other.bootstrap.is_none() && other.global.is_none());
        let both = new(0, Some("true"), Some("global"));
        let (guild, bootstrap) = both.bootstrap.unwrap();
        assert_eq!(guild.get(), 5);
        assert_eq!(names(&bootstrap), ["help", "ping", "register"]);
        let mut all: Vec<_> = commands.iter().map(|command| &*command.name).collect();
        all.sort_unstable();
        assert_eq!(names(&both.global.unwrap()), all);
        assert!(new(0, Some("false"), Some("")).bootstrap.is_none());
        let homeless =
            Registration::new(ClusterId(0), &config(None), &commands, Some("true"), None);
        assert!(homeless.bootstrap.is_none());
    }

    #[tokio::test]
    async fn create_has_all_its_options() {
        let foundation = foundation::for_tests().await;
        let commands = assemble(&all(&foundation)).unwrap().commands;
        let described = describe_commands(&commands, Some(&["backups"]));
        let backups = serde_json::to_value(&described[0]).unwrap();
        let create = backups["options"]
            .as_array()
            .unwrap()
            .iter()
            .find(|option| option["name"] == "create")
            .unwrap();
        let options: Vec<_> = create["options"]
            .as_array()
            .unwrap()
            .iter()
            .map(|option| {
                assert!(option["description"].as_str().unwrap().chars().count() <= 100);
                option["name"].as_str().unwrap()
            })
            .collect();
        assert_eq!(
            options,
            [
                "messages",
                "attachments",
                "backup_guild_assets",
                "rollover_leftovers",
                "ignore_message_backup_errors",
                "max_messages",
                "per_channel",
                "special_allocations",
                "password",
                "members",
                "bans",
                "incremental"
            ]
        );
    }
}
