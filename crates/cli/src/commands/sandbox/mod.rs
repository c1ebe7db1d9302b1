//! `sandbox`: the simulated Discord alone, and `sandbox ctl`: acting in a running one.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value};
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::telemetry;
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{
    Act, ClockChange, Consent, Interact, InteractKind, LoadWorld, NewApp, NewGuild, NewUser,
};
use splashtail_sandbox::faults::Rule;
use splashtail_sandbox::openapi::complaints;
use splashtail_sandbox::server::{ServeArgs, run as serve};
use url::Url;

use super::drill::{self, DrillArgs};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SandboxArgs {
    #[command(subcommand)]
    command: Option<SandboxCommand>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one value per process")]
enum SandboxCommand {
    /// Act in a running sandbox: speak, moderate, run commands, move its clock
    Ctl(CtlArgs),
    /// Attack a server of a running sandbox and report what came of it
    Drill(DrillArgs),
}

/// Where a running sandbox is steered.
#[derive(Debug, Args)]
pub(super) struct ControlAddress {
    /// Origin of the sandbox's control API.
    #[arg(
        long,
        env = "SPLASHTAIL_SANDBOX_CONTROL",
        default_value = "http://127.0.0.1:4402"
    )]
    control: Url,
}

impl ControlAddress {
    pub(super) fn client(&self) -> Result<ControlClient> {
        Ok(ControlClient::new(&self.control)?)
    }
}

#[derive(Debug, Args)]
struct CtlArgs {
    #[command(flatten)]
    address: ControlAddress,
    #[command(subcommand)]
    command: CtlCommand,
}

#[derive(Debug, Subcommand)]
enum CtlCommand {
    /// Do something as a user: say, ban, create_channel, join, … or any `request`
    As(AsArgs),
    /// Run a command, press a button, choose in a menu or fill in a modal as a user
    Interact(InteractArgs),
    /// Answer a consent page as a user; prints where the browser goes next
    Consent {
        /// Id or name.
        user: String,
        authorize_url: String,
        #[arg(long)]
        deny: bool,
    },
    /// Show the clock, or move it
    Clock {
        #[arg(long)]
        advance_ms: Option<u64>,
        /// RFC 3339.
        #[arg(long)]
        set: Option<String>,
        /// 0 stops the clock.
        #[arg(long)]
        rate: Option<f64>,
    },
    /// Wait until nothing is queued
    Settle {
        #[arg(long, default_value_t = 2000)]
        timeout_ms: u64,
    },
    /// Gateway sessions
    Sessions,
    /// Everything that happened, a JSON line each
    Journal {
        #[arg(long, default_value_t = 0)]
        since: u64,
    },
    /// Rate limits in use
    Limits,
    /// Exchanges that Discord's API description forbids; fails when there are any
    Violations,
    /// Rules of misbehaviour
    #[command(subcommand)]
    Faults(FaultCommand),
    /// Show the world, or replace it by a built-in one
    World {
        #[arg(long)]
        load: Option<String>,
        #[arg(long, requires = "load")]
        seed: Option<u64>,
    },
    /// Start the present world anew
    Reset,
    /// Applications with their secrets
    Apps,
    /// Create an application with a bot
    CreateApp {
        #[arg(long)]
        name: Option<String>,
        #[arg(long = "redirect-uri")]
        redirect_uris: Vec<String>,
        /// Guild its bot joins at once; may be repeated.
        #[arg(long = "guild")]
        guilds: Vec<String>,
    },
    /// Create a user
    CreateUser {
        username: String,
        #[arg(long)]
        id: Option<String>,
    },
    /// Create a guild
    CreateGuild {
        name: String,
        /// Id or name of its owner.
        owner: String,
        /// Application whose bot joins; may be repeated.
        #[arg(long = "app")]
        apps: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct AsArgs {
    /// Id or name.
    user: String,
    /// `say`, `ban`, `kick`, `create_role`, `delete_channel`, `join`, `request`, …
    act: String,
    #[arg(long)]
    guild: Option<String>,
    #[arg(long)]
    channel: Option<String>,
    #[arg(long)]
    message: Option<String>,
    #[arg(long)]
    target: Option<String>,
    /// For the audit log.
    #[arg(long)]
    reason: Option<String>,
    /// JSON body as in the REST API. `{n}` in strings becomes the number of the repetition.
    #[arg(long, value_parser = json)]
    body: Option<Value>,
    /// Short for a body with this content.
    #[arg(long, conflicts_with = "body")]
    content: Option<String>,
    #[arg(long)]
    times: Option<u32>,
    /// Sandbox time over which repetitions are spread.
    #[arg(long)]
    spread_ms: Option<u64>,
    /// Users that act instead, separated by commas; unknown ones are created.
    #[arg(long, value_delimiter = ',')]
    actors: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Slash,
    Autocomplete,
    Button,
    Select,
    Modal,
    ContextMenu,
}

#[derive(Debug, Args)]
struct InteractArgs {
    /// Id or name.
    user: String,
    kind: Kind,
    /// Command (`"backups create"`) or custom id.
    what: String,
    #[arg(long)]
    guild: Option<String>,
    #[arg(long)]
    channel: String,
    #[arg(long)]
    message: Option<String>,
    /// User or message of a context menu.
    #[arg(long)]
    target: Option<String>,
    #[arg(long, default_value_t = 5000)]
    wait_ms: u64,
    /// Options or fields as `name:value`; plain values for a select menu.
    values: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum FaultCommand {
    /// Rules in force
    List,
    /// Install a rule: `{"match": {…}, "action": {"type": "gw_drop"}, "times": 1}`
    Add { rule: String },
    /// Remove a rule
    Remove { id: u64 },
    /// Remove all rules
    Clear,
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

/// Runs a sandbox in this process, or sends one call to a running one.
///
/// # Errors
/// The sandbox cannot serve, cannot be reached, or refuses the call.
pub async fn run(args: SandboxArgs) -> Result<ExitCode> {
    match args.command {
        Some(SandboxCommand::Ctl(args)) => ctl(args).await,
        Some(SandboxCommand::Drill(args)) => drill::run(args).await,
        None => {
            telemetry::init("sandbox");
            let lifecycle = Lifecycle::install().context("signals cannot be handled")?;
            serve(args.serve, lifecycle).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[allow(clippy::print_stdout, reason = "this is the command's answer")]
fn print(value: &impl Serialize) -> Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(ExitCode::SUCCESS)
}

async fn ctl(args: CtlArgs) -> Result<ExitCode> {
    let client = args.address.client()?;
    match args.command {
        CtlCommand::As(args) => act(&client, args).await,
        CtlCommand::Interact(args) => interact(&client, args).await,
        CtlCommand::Consent {
            user,
            authorize_url,
            deny,
        } => {
            let user = user_id(&client, &user).await?;
            let consent = Consent {
                authorize_url,
                allow: !deny,
                guild_id: None,
            };
            print(&client.consent(&user, &consent).await?)
        }
        CtlCommand::Clock {
            advance_ms: None,
            set: None,
            rate: None,
        } => print(&client.now().await?),
        CtlCommand::Clock {
            advance_ms,
            set,
            rate,
        } => print(
            &client
                .clock(&ClockChange {
                    set,
                    advance_ms,
                    rate,
                })
                .await?,
        ),
        CtlCommand::Settle { timeout_ms } => print(&client.settle(timeout_ms).await?),
        CtlCommand::Sessions => print(&client.sessions().await?),
        CtlCommand::Journal { since } => journal(&client, since).await,
        CtlCommand::Limits => print(&client.limits().await?),
        CtlCommand::Violations => {
            let found = client.violations().await?;
            print(&found)?;
            Ok(if complaints(&found).is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        CtlCommand::Faults(command) => faults(&client, command).await,
        CtlCommand::World { load: None, .. } => print(&client.world().await?),
        CtlCommand::World { load, seed } => {
            print(&client.load_world(&LoadWorld { world: load, seed }).await?)
        }
        CtlCommand::Reset => print(&client.reset().await?),
        CtlCommand::Apps => print(&client.apps().await?),
        CtlCommand::CreateApp {
            name,
            redirect_uris,
            guilds,
        } => {
            let app = NewApp {
                name,
                redirect_uris,
                guilds,
                ..NewApp::default()
            };
            print(&client.create_app(&app).await?)
        }
        CtlCommand::CreateUser { username, id } => {
            let user = NewUser {
                id,
                username: Some(username),
                ..NewUser::default()
            };
            print(&client.create_user(&user).await?)
        }
        CtlCommand::CreateGuild { name, owner, apps } => {
            let owner_id = user_id(&client, &owner).await?;
            print(
                &client
                    .create_guild(&NewGuild {
                        name,
                        owner_id,
                        apps,
                        ..NewGuild::default()
                    })
                    .await?,
            )
        }
    }
}

/// An id as it is, or the id behind a username.
async fn user_id(client: &ControlClient, name: &str) -> Result<String> {
    if name.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(name.to_owned());
    }
    let world = client.summary().await?;
    let users = world["users"].as_array().into_iter().flatten();
    let found = users.into_iter().find(|u| {
        [&u["username"], &u["global_name"]]
            .iter()
            .any(|n| n.as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)))
    });
    match found.and_then(|u| u["id"].as_str()) {
        Some(id) => Ok(id.to_owned()),
        None => bail!("there is no user `{name}` in the sandbox"),
    }
}

async fn act(client: &ControlClient, args: AsArgs) -> Result<ExitCode> {
    let user = user_id(client, &args.user).await?;
    let body = match (args.body, args.content) {
        (Some(body), _) => body,
        (None, Some(content)) => serde_json::json!({"content": content}),
        (None, None) => Value::Null,
    };
    let act = Act {
        guild_id: args.guild,
        channel_id: args.channel,
        message_id: args.message,
        target_id: args.target,
        reason: args.reason,
        body,
        times: args.times,
        spread_ms: args.spread_ms,
        actors: args.actors,
    };
    let results = client.act(&user, &args.act, &act).await?;
    print(&results)?;
    let failed = results.results.iter().any(|r| r.status >= 400);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn interact(client: &ControlClient, args: InteractArgs) -> Result<ExitCode> {
    let user = user_id(client, &args.user).await?;
    let kind = match args.kind {
        Kind::Slash => InteractKind::Slash,
        Kind::Autocomplete => InteractKind::Autocomplete,
        Kind::Button => InteractKind::Button,
        Kind::Select => InteractKind::Select,
        Kind::Modal => InteractKind::Modal,
        Kind::ContextMenu => InteractKind::ContextMenu,
    };
    let by_name = matches!(
        args.kind,
        Kind::Slash | Kind::Autocomplete | Kind::ContextMenu
    );
    let (options, values) = match args.kind {
        Kind::Select => (Map::new(), Value::from(args.values)),
        Kind::Modal => (Map::new(), Value::Object(named(&args.values)?)),
        _ => (named(&args.values)?, Value::Null),
    };
    let seen = client
        .interact(
            &user,
            &Interact {
                kind,
                guild_id: args.guild,
                channel_id: args.channel,
                name: by_name.then(|| args.what.clone()),
                custom_id: (!by_name).then_some(args.what),
                message_id: args.message,
                target_id: args.target,
                options,
                focused: None,
                values,
                wait_ms: args.wait_ms,
            },
        )
        .await?;
    print(&seen)?;
    Ok(if seen.error.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// `name:value` pairs; the sandbox converts values to the types of the options.
fn named(pairs: &[String]) -> Result<Map<String, Value>> {
    pairs
        .iter()
        .map(|pair| {
            let (name, value) = pair
                .split_once(':')
                .with_context(|| format!("`{pair}` is not `name:value`"))?;
            Ok((name.to_owned(), Value::from(value)))
        })
        .collect()
}

#[allow(clippy::print_stdout, reason = "this is the command's answer")]
async fn journal(client: &ControlClient, since: u64) -> Result<ExitCode> {
    for entry in client.journal(since).await? {
        println!("{}", serde_json::to_string(&entry)?);
    }
    Ok(ExitCode::SUCCESS)
}

async fn faults(client: &ControlClient, command: FaultCommand) -> Result<ExitCode> {
    match command {
        FaultCommand::List => print(&client.faults().await?),
        FaultCommand::Add { rule } => {
            let rule: Rule = serde_json::from_str(&rule).context("the rule is not valid")?;
            print(&client.add_fault(&rule).await?)
        }
        FaultCommand::Remove { id } => print(&client.remove_fault(id).await?),
        FaultCommand::Clear => print(&client.clear_faults().await?),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: SandboxArgs,
    }

    #[test]
    fn serving_and_steering_are_told_apart() {
        let serve = Command::try_parse_from(["sandbox", "--rest-port", "0"]).unwrap();
        assert!(serve.args.command.is_none());
        assert_eq!(serve.args.serve.rest_port, 0);
        let words = "sandbox ctl interact admin slash --guild 1 --channel 2 backups messages:true";
        let ctl = Command::try_parse_from(words.split(' ')).unwrap();
        let Some(SandboxCommand::Ctl(ctl)) = ctl.args.command else {
            panic!()
        };
        let CtlCommand::Interact(interact) = ctl.command else {
            panic!()
        };
        assert_eq!(interact.what, "backups");
        assert_eq!(named(&interact.values).unwrap()["messages"], "true");
    }

    #[test]
    fn values_may_contain_colons() {
        let pairs = named(&["url:http://x".to_owned()]).unwrap();
        assert_eq!(pairs["url"], "http://x");
        assert!(named(&["plain".to_owned()]).is_err());
    }
}
