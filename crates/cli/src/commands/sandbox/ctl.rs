//! `sandbox ctl`: every call of the control API as a command.

mod create;
mod world;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;
use splashtail_sandbox::control::client::{ControlClient, ControlError};
use splashtail_sandbox::control::types::{ClockChange, Consent};
use splashtail_sandbox_world::faults::{self, Rule};
use splashtail_sandbox_world::openapi::complaints;

use self::create::CreateCommand;
use self::world::{ConductArgs, HappenArgs, WorldArgs};
use super::act::{self, AsArgs, InteractArgs};
use super::address::ControlAddress;
use super::answer::{Outcome, json};
use super::names::{self, address, get};
use super::see::{self, SeeArgs};

#[derive(Debug, Args)]
#[command(after_help = "\
Users, servers, channels, roles and applications go by id or name: `small`, the usual world, has \
olivia (owner), adam (administrator), and the server Harbour with #general.

  ctl overview                                             is it there, and what does it hold?
  ctl as olivia say --guild Harbour --channel general --content hello
  ctl see adam messages general --guild Harbour --limit 5
  ctl journal --follow

Answers are JSON on stdout. Exit codes: 0 done, 1 refused, or the answer is an error, 2 wrong usage.")]
pub(super) struct CtlArgs {
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
    /// Look at a server, channel, forum, audit log or the commands as a user, without a trace
    See(SeeArgs),
    /// Answer a consent page as a user; prints where the browser goes next
    Consent {
        /// Id or name.
        user: String,
        /// The whole address; without it the user is only preselected on the page.
        authorize_url: Option<String>,
        #[arg(long)]
        deny: bool,
        /// Id or name of the server to add a bot to; default: as the address says.
        #[arg(long)]
        guild: Option<String>,
    },
    /// World, journal and clock at a glance
    Overview,
    /// Servers and how many there are
    Guilds(SearchArgs),
    /// Everyone there is, in whatever server or none
    Users(SearchArgs),
    /// Members of a server: the owner, then by highest role
    Members {
        /// Id or name of the server.
        guild: String,
        #[command(flatten)]
        search: SearchArgs,
        /// Leave bots out.
        #[arg(long)]
        people: bool,
    },
    /// Show the clock, or move it
    Clock {
        /// Move forward; timers that fall due fire.
        #[arg(long)]
        advance_ms: Option<u64>,
        /// RFC 3339, such as 2026-02-01T00:00:00Z.
        #[arg(long)]
        set: Option<String>,
        /// Seconds per real second; 0 stops the clock.
        #[arg(long)]
        rate: Option<f64>,
    },
    /// Wait until no request, event, frame or interaction is pending; fails with what is
    Settle {
        /// Real time.
        #[arg(long, default_value_t = 2000)]
        timeout_ms: u64,
    },
    /// Gateway sessions
    Sessions,
    /// Everything that happened, a JSON line each
    Journal {
        /// Only entries after this number.
        #[arg(long, default_value_t = 0)]
        since: u64,
        /// At most so many at once.
        #[arg(long)]
        limit: Option<u32>,
        /// Go on printing what happens, until Ctrl-C.
        #[arg(long)]
        follow: bool,
    },
    /// Rate limits: every bucket with its limit, their rules, and those in use
    Limits {
        /// Replace the rules; those left out get their default: `{"enabled": false}`,
        /// `{"buckets": {"create_message": {"limit": 1, "per_ms": 60000}}}`. With `"sliding": true` uses
        /// come back one by one.
        #[arg(long, value_parser = json, value_name = "JSON")]
        set: Option<Value>,
    },
    /// Exchanges that Discord's API description forbids; fails when there are any
    Violations,
    /// Rules of misbehaviour
    #[command(subcommand)]
    Faults(FaultCommand),
    /// Drills and their reports; `splashtail sandbox drill` starts one and waits
    #[command(subcommand)]
    Drills(DrillCommand),
    /// Show the world, or replace it by a built-in one
    World(WorldArgs),
    /// Show how the world behaves, or set it
    Conduct(ConductArgs),
    /// Let something happen to a server that nobody does
    Happen(HappenArgs),
    /// Start the present world anew: sessions end, journal, limits, faults and tokens are forgotten
    Reset,
    /// Applications with their secrets
    Apps,
    #[command(flatten)]
    Create(CreateCommand),
    /// Any call by method and path: `call GET /ctl/overview`
    Call {
        method: Method,
        path: String,
        #[arg(value_parser = json)]
        body: Option<Value>,
    },
}

#[derive(Debug, Args)]
struct SearchArgs {
    /// Part of a name, or an id.
    #[arg(default_value = "")]
    query: String,
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

const FAULT_EXAMPLES: &str = "\
Examples:
  '{\"action\": {\"type\": \"gw_drop\"}}'                              cut every gateway connection
  '{\"match\": {\"shard\": 2}, \"action\": {\"type\": \"gw_close\", \"code\": 4000}}'
  '{\"match\": {\"event\": \"HELLO\"}, \"action\": {\"type\": \"gw_reconnect\"}, \"times\": 1}'
  '{\"match\": {\"event\": \"MESSAGE_CREATE\"}, \"action\": {\"type\": \"gw_delay\", \"ms\": 5000}}'
  '{\"match\": {\"method\": \"POST\", \"route\": \"/channels/*\"}, \"probability\": 0.2,
    \"action\": {\"type\": \"status\", \"status\": 429, \"scope\": \"shared\", \"retry_after\": 2}}'
  '{\"action\": {\"type\": \"outage\", \"guild\": \"1100000000001179648\"}}'";

fn add_help() -> String {
    format!("{FAULT_EXAMPLES}\n\n{}", faults::command_line())
}

#[derive(Debug, Subcommand)]
enum FaultCommand {
    /// Rules in force, with how often they matched and struck
    List,
    /// Install a rule
    #[command(after_help = add_help())]
    Add {
        /// `{"match": {…}, "action": {"type": …}, "times": …, "probability": …}`
        rule: String,
    },
    /// Remove a rule
    Remove { id: u64 },
    /// Remove all rules
    Clear,
}

#[derive(Debug, Subcommand)]
enum DrillCommand {
    /// The last fifty, newest first
    List,
    /// How one stands
    Show {
        id: u64,
        /// Wait for its end, at most so long in real time.
        #[arg(long, default_value_t = 0)]
        wait_ms: u64,
    },
    /// Stop one
    Stop { id: u64 },
}

/// Sends one call to a running sandbox and prints its answer.
pub(super) async fn run(args: CtlArgs) -> Result<ExitCode> {
    let client = args.address.client()?;
    let outcome = match args.command {
        CtlCommand::Journal {
            since,
            limit,
            follow: true,
        } => follow(&client, since, limit).await,
        command => answer(&client, command).await,
    };
    let outcome = match outcome {
        Err(error) if is_absent(&error) => {
            bail!(
                "{error:#}; start one with `splashtail sandbox`, or say where it is with --control"
            )
        }
        outcome => outcome?,
    };
    outcome.print()?;
    Ok(if outcome.well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn is_absent(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ControlError::Connect { .. }))
}

async fn answer(client: &ControlClient, command: CtlCommand) -> Result<Outcome> {
    let seen = match command {
        CtlCommand::As(args) => return act::act(client, args).await,
        CtlCommand::Interact(args) => return act::interact(client, args).await,
        CtlCommand::See(args) => return see::see(client, args).await,
        CtlCommand::Journal { since, limit, .. } => return journal(client, since, limit, 0).await,
        CtlCommand::Violations => {
            let found = client.violations().await?;
            return Outcome::of(&found, complaints(&found).is_empty());
        }
        CtlCommand::Consent {
            user,
            authorize_url,
            deny,
            guild,
        } => {
            let user = names::user(client, &user).await?;
            let guild_id = match &guild {
                Some(name) => Some(names::guild(client, name).await?),
                None => None,
            };
            let consent = Consent {
                authorize_url: authorize_url.unwrap_or_default(),
                allow: !deny,
                guild_id,
            };
            return Outcome::of(&client.consent(&user, &consent).await?, true);
        }
        CtlCommand::Overview => get(client, "/ctl/overview").await?,
        CtlCommand::Users(search) => get(client, &search.address("/ctl/users", false)).await?,
        CtlCommand::Guilds(search) => get(client, &search.address("/ctl/guilds", false)).await?,
        CtlCommand::Members {
            guild,
            search,
            people,
        } => {
            let guild = names::guild(client, &guild).await?;
            let path = format!("/ctl/guilds/{guild}/members");
            get(client, &search.address(&path, people)).await?
        }
        CtlCommand::Clock {
            advance_ms: None,
            set: None,
            rate: None,
        } => get(client, "/ctl/clock").await?,
        CtlCommand::Clock {
            advance_ms,
            set,
            rate,
        } => {
            let change = ClockChange {
                set,
                advance_ms,
                rate,
            };
            return Outcome::of(&client.clock(&change).await?, true);
        }
        CtlCommand::Settle { timeout_ms } => return settle(client, timeout_ms).await,
        CtlCommand::Sessions => get(client, "/ctl/sessions").await?,
        CtlCommand::Limits { set: None } => client.limits().await?,
        CtlCommand::Limits { set: Some(rules) } => {
            client.call(Method::POST, "/ctl/limits", &rules).await?
        }
        CtlCommand::Faults(command) => return faults(client, command).await,
        CtlCommand::Drills(command) => return drills(client, command).await,
        CtlCommand::World(args) => return world::world(client, args).await,
        CtlCommand::Conduct(args) => return world::conduct(client, args).await,
        CtlCommand::Happen(args) => return world::happen(client, args).await,
        CtlCommand::Reset => client.reset().await?,
        CtlCommand::Call { method, path, body } => {
            client
                .call(method, &path, &body.unwrap_or_default())
                .await?
        }
        CtlCommand::Create(command) => return create::create(client, command).await,
        CtlCommand::Apps => get(client, "/ctl/apps").await?,
    };
    Outcome::of(&seen, true)
}

impl SearchArgs {
    fn address(&self, path: &str, people: bool) -> String {
        let parameters = [
            ("query", Some(self.query.as_str())),
            ("limit", Some(&*self.limit.to_string())),
            ("people", people.then_some("true")),
        ];
        address(path, &parameters)
    }
}

/// What is still pending is an answer too, not only a reason to fail.
async fn settle(client: &ControlClient, timeout_ms: u64) -> Result<Outcome> {
    match client.settle(timeout_ms).await {
        Err(ControlError::Refused {
            status: 504, body, ..
        }) => Outcome::of(&body["context"], false),
        settled => Outcome::of(&settled?, true),
    }
}

fn since_address(since: u64, limit: Option<u32>, wait_ms: u64) -> String {
    let limit = limit.map(|n| n.to_string());
    let parameters = [
        ("since", Some(&*since.to_string())),
        ("limit", limit.as_deref()),
        ("wait_ms", Some(&*wait_ms.to_string())),
    ];
    address("/ctl/journal", &parameters)
}

async fn journal(
    client: &ControlClient,
    since: u64,
    limit: Option<u32>,
    wait_ms: u64,
) -> Result<Outcome> {
    let entries = get(client, &since_address(since, limit, wait_ms)).await?;
    let entries = entries.as_array().into_iter().flatten();
    Ok(Outcome {
        lines: entries.map(ToString::to_string).collect(),
        well: true,
    })
}

/// Real time one look waits for something to happen.
const LOOK_MS: u64 = 30_000;

/// Prints what happens until the sandbox goes away or Ctrl-C.
async fn follow(client: &ControlClient, mut since: u64, limit: Option<u32>) -> Result<Outcome> {
    loop {
        let look = journal(client, since, limit, LOOK_MS).await?;
        look.print()?;
        if let Some(last) = look.lines.last() {
            let last: Value = serde_json::from_str(last)?;
            since = last["seq"].as_u64().context("an entry has no number")?;
        } else if get(client, "/ctl/overview").await?["journal"].as_u64() < Some(since) {
            // Another world: its journal starts anew.
            since = 0;
        }
    }
}

async fn faults(client: &ControlClient, command: FaultCommand) -> Result<Outcome> {
    match command {
        FaultCommand::List => Outcome::of(&client.faults().await?, true),
        FaultCommand::Add { rule } => {
            let rule: Rule = serde_json::from_str(&rule).context("the rule is not valid")?;
            Outcome::of(&client.add_fault(&rule).await?, true)
        }
        FaultCommand::Remove { id } => Outcome::of(&client.remove_fault(id).await?, true),
        FaultCommand::Clear => Outcome::of(&client.clear_faults().await?, true),
    }
}

async fn drills(client: &ControlClient, command: DrillCommand) -> Result<Outcome> {
    match command {
        DrillCommand::List => Outcome::of(&client.drills().await?, true),
        DrillCommand::Show { id, wait_ms } => Outcome::of(&client.drill(id, wait_ms).await?, true),
        DrillCommand::Stop { id } => Outcome::of(&client.stop_drill(id).await?, true),
    }
}

#[cfg(test)]
mod tests;
