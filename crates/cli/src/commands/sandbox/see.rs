//! `ctl see`: what a user sees, without leaving a trace.

use anyhow::Result;
use clap::{Args, Subcommand};
use splashtail_sandbox::control::client::ControlClient;

use super::answer::Outcome;
use super::names::{self, address, get};

#[derive(Debug, Args)]
pub(super) struct SeeArgs {
    /// Id or name.
    user: String,
    #[command(subcommand)]
    what: Sight,
}

#[derive(Debug, Subcommand)]
enum Sight {
    /// A server with its channels, threads, roles and voices
    Guild {
        /// Id or name.
        guild: String,
    },
    /// The newest messages of a channel, oldest first, ephemeral ones included
    Messages(ListArgs),
    /// Threads of a channel, or posts of a forum, newest first
    Threads(ListArgs),
    /// The audit log, newest first
    Audit {
        /// Id or name of the server.
        guild: String,
        #[arg(long)]
        limit: Option<u32>,
        /// Only entries older than this id.
        #[arg(long)]
        before: Option<String>,
    },
    /// Who is banned from a server
    Bans {
        /// Id or name of the server.
        guild: String,
    },
    /// The user's direct messages, the latest first
    Dms,
    /// Commands the user may use
    Commands {
        /// Id or name of the server.
        guild: String,
        /// Channel to use them in, by id or name.
        #[arg(long)]
        channel: Option<String>,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Id, or with --guild name.
    channel: String,
    /// Id or name of the server.
    #[arg(long)]
    guild: Option<String>,
    #[arg(long)]
    limit: Option<u32>,
    /// Only what is older than this id.
    #[arg(long)]
    before: Option<String>,
}

pub(super) async fn see(client: &ControlClient, args: SeeArgs) -> Result<Outcome> {
    let user = names::user(client, &args.user).await?;
    let user = user.as_str();
    let path = |view| format!("/ctl/as/{user}/{view}");
    let address = match args.what {
        Sight::Guild { guild } => {
            let guild = names::guild(client, &guild).await?;
            address(&path("guild"), &[("guild_id", Some(&guild))])
        }
        Sight::Messages(list) => list.address(client, user, &path("messages")).await?,
        Sight::Threads(list) => list.address(client, user, &path("threads")).await?,
        Sight::Audit {
            guild,
            limit,
            before,
        } => {
            let guild = names::guild(client, &guild).await?;
            let limit = limit.map(|n| n.to_string());
            let parameters = [
                ("guild_id", Some(guild.as_str())),
                ("limit", limit.as_deref()),
                ("before", before.as_deref()),
            ];
            address(&path("audit"), &parameters)
        }
        Sight::Bans { guild } => {
            let guild = names::guild(client, &guild).await?;
            address(&path("bans"), &[("guild_id", Some(&guild))])
        }
        Sight::Dms => path("dms"),
        Sight::Commands { guild, channel } => {
            let guild = names::guild(client, &guild).await?;
            let channel = match &channel {
                Some(name) => Some(names::channel(client, user, Some(&guild), name).await?),
                None => None,
            };
            let parameters = [
                ("guild_id", Some(guild.as_str())),
                ("channel_id", channel.as_deref()),
            ];
            address(&path("commands"), &parameters)
        }
    };
    Outcome::of(&get(client, &address).await?, true)
}

impl ListArgs {
    async fn address(&self, client: &ControlClient, user: &str, path: &str) -> Result<String> {
        let guild = match &self.guild {
            Some(name) => Some(names::guild(client, name).await?),
            None => None,
        };
        let channel = names::channel(client, user, guild.as_deref(), &self.channel).await?;
        let limit = self.limit.map(|n| n.to_string());
        let parameters = [
            ("channel_id", Some(channel.as_str())),
            ("limit", limit.as_deref()),
            ("before", self.before.as_deref()),
        ];
        Ok(address(path, &parameters))
    }
}
