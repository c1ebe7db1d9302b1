//! Making applications, users and servers.

use anyhow::Result;
use clap::Subcommand;
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{EditApp, NewApp, NewGuild, NewUser};

use super::super::answer::Outcome;
use super::super::names;

#[derive(Debug, Subcommand)]
pub(super) enum CreateCommand {
    /// Create an application with a bot; prints its token and secret
    CreateApp {
        #[arg(long)]
        name: Option<String>,
        #[arg(long = "redirect-uri")]
        redirect_uris: Vec<String>,
        /// Server its bot joins at once, by id or name; may be repeated.
        #[arg(long = "guild")]
        guilds: Vec<String>,
        /// Permissions of the bot there, as a number; default Administrator.
        #[arg(long)]
        permissions: Option<String>,
        /// Application flags; default: all privileged intents.
        #[arg(long)]
        flags: Option<u64>,
    },
    /// Set what the gateway grants an application; shows it
    EditApp {
        /// Id or name.
        app: String,
        /// Recommended shards.
        #[arg(long)]
        shards: Option<u32>,
        #[arg(long)]
        max_concurrency: Option<u32>,
        /// Session starts of a day.
        #[arg(long)]
        session_starts: Option<u32>,
        /// Of these, how many are left.
        #[arg(long)]
        session_starts_left: Option<u32>,
    },
    /// Create a user
    CreateUser {
        username: String,
        #[arg(long)]
        id: Option<String>,
        /// Display name.
        #[arg(long)]
        global_name: Option<String>,
        #[arg(long)]
        email: Option<String>,
        #[arg(long)]
        bot: bool,
    },
    /// Create a server with a channel
    CreateGuild {
        name: String,
        /// Id or name of its owner.
        owner: String,
        #[arg(long)]
        id: Option<String>,
        /// User to add, by id or name; may be repeated.
        #[arg(long = "member")]
        members: Vec<String>,
        /// So many days ago owner and members came.
        #[arg(long, default_value_t = 0)]
        joined_days_ago: u32,
        /// Application whose bot joins, by id or name; may be repeated.
        #[arg(long = "app")]
        apps: Vec<String>,
    },
}

pub(super) async fn create(client: &ControlClient, command: CreateCommand) -> Result<Outcome> {
    match command {
        CreateCommand::CreateApp {
            name,
            redirect_uris,
            guilds,
            permissions,
            flags,
        } => {
            let mut ids = Vec::new();
            for guild in &guilds {
                ids.push(names::guild(client, guild).await?);
            }
            let app = NewApp {
                name,
                redirect_uris,
                flags,
                guilds: ids,
                permissions,
            };
            Outcome::of(&client.create_app(&app).await?, true)
        }
        CreateCommand::EditApp {
            app,
            shards,
            max_concurrency,
            session_starts,
            session_starts_left,
        } => {
            let app = names::application(client, &app).await?;
            let edit = EditApp {
                shards,
                max_concurrency,
                session_starts,
                session_starts_left,
            };
            Outcome::of(&client.edit_app(&app, &edit).await?, true)
        }
        CreateCommand::CreateUser {
            username,
            id,
            global_name,
            email,
            bot,
        } => {
            let user = NewUser {
                id,
                username: Some(username),
                global_name,
                email,
                bot,
            };
            Outcome::of(&client.create_user(&user).await?, true)
        }
        CreateCommand::CreateGuild {
            name,
            owner,
            id,
            members,
            joined_days_ago,
            apps,
        } => {
            let mut guild = NewGuild {
                id,
                name,
                owner_id: names::user(client, &owner).await?,
                joined_days_ago,
                ..NewGuild::default()
            };
            for member in &members {
                guild.members.push(names::user(client, member).await?);
            }
            for app in &apps {
                guild.apps.push(names::application(client, app).await?);
            }
            Outcome::of(&client.create_guild(&guild).await?, true)
        }
    }
}
