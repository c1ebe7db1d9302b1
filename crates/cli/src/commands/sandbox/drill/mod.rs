//! `sandbox drill`: attacks a server of a running sandbox and reports what came of it.

mod table;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{
    ActKind, DrillEnd, DrillKind, DrillReport, DrillState, NewDrill, Pace, RaidManner, RaidStyle,
};

use super::address::ControlAddress;
use super::names;
use crate::commands::output;

/// Exit code when more acts succeeded than `--fail-over` allows.
const NOT_CONTAINED: u8 = 4;
/// What a shell reports for a process that SIGINT ended.
const INTERRUPTED: u8 = 130;
/// Real time between two looks at a running drill.
const LOOK_MS: u64 = 250;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Fresh accounts join, and each posts once
    Raid,
    /// A rogue administrator deletes, bans and kicks
    Nuke,
    /// Ordinary members flood the channels
    Spam,
    /// Someone uses the token of a bot with Administrator
    TokenLeak,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PaceArg {
    /// At even intervals
    Steady,
    /// With pauses of any length, the same with the same seed
    Uneven,
    /// Uneven, over hours of sandbox time: let the clock run faster
    Slow,
}

impl From<PaceArg> for Pace {
    fn from(pace: PaceArg) -> Self {
        match pace {
            PaceArg::Steady => Self::Steady,
            PaceArg::Uneven => Self::Uneven,
            PaceArg::Slow => Self::Slow,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StyleArg {
    /// Throwaways of the last three days
    Fresh,
    /// Taken over: as old, named and pictured as anyone's
    Aged,
    /// Bought in one lot
    Batch,
}

impl From<StyleArg> for RaidStyle {
    fn from(style: StyleArg) -> Self {
        match style {
            StyleArg::Fresh => Self::Fresh,
            StyleArg::Aged => Self::Aged,
            StyleArg::Batch => Self::Batch,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MannerArg {
    /// Each posts a second later
    Post,
    /// Each leaves a second later
    JoinLeave,
    /// Each posts, and comes back when it is kicked
    Rejoin,
    /// The server approves members by hand: each asks to join, and posts if it is let in
    Request,
}

impl From<MannerArg> for RaidManner {
    fn from(manner: MannerArg) -> Self {
        match manner {
            MannerArg::Post => Self::Post,
            MannerArg::JoinLeave => Self::JoinLeave,
            MannerArg::Rejoin => Self::Rejoin,
            MannerArg::Request => Self::Request,
        }
    }
}

/// One kind of act, or all.
#[derive(Debug, Clone)]
struct Acts(Vec<ActKind>);

fn acts(text: &str) -> Result<Acts, String> {
    if text == "all" {
        return Ok(Acts(ActKind::DESTRUCTIVE.to_vec()));
    }
    serde_json::from_value(text.into())
        .map(|act| Acts(vec![act]))
        .map_err(|_| "there is no such act".to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 the drill ran, 1 it could not, 4 more acts succeeded than --fail-over allows, \
130 stopped by Ctrl-C (the report is printed all the same). An act that had its effect succeeded, also \
when a fault kept the answer back.")]
pub struct DrillArgs {
    kind: Kind,
    /// Id or name of the server; default: the first.
    #[arg(long)]
    guild: Option<String>,
    /// Acts, up to 100000; in a raid accounts, each of which joins and posts.
    /// Default 50 (raid), 100 (spam), 60.
    #[arg(long)]
    size: Option<u32>,
    /// Acts (in a raid: accounts) per second, 0.001 to 1000. Default 5; token-leak 10; with
    /// `--pace slow` one in five minutes.
    #[arg(long)]
    rate: Option<f64>,
    /// Attackers that take turns: members (spam, default 5) or administrators (nuke, default 1).
    #[arg(long)]
    actors: Option<u32>,
    /// Seconds to wait for the defence after the last act.
    /// Default 5; with `--pace slow` 600.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    watch: Option<f64>,
    /// Age of the attackers' new accounts. Default 30 (spam), 400 (nuke); of a raid its style.
    #[arg(long, value_name = "DAYS")]
    account_age_days: Option<u32>,
    /// The attackers' role stands above the bot's instead of just below (nuke, token-leak).
    #[arg(long)]
    above_bot: bool,
    /// The attackers are moderators instead of administrators (nuke).
    #[arg(long)]
    moderators: bool,
    /// The leaked token is that of the server's own bot (token-leak).
    #[arg(long)]
    own_token: bool,
    /// Kinds of act, in turn, separated by commas, or `all` (nuke, token-leak): grant-administrator,
    /// hide-channel, disarm-bot, kick-bot, create-channel, delete-channel, ban, edit-server,
    /// create-webhook, webhook-post, rename-channel, edit-overwrite, strip-roles, edit-role,
    /// reorder-roles, delete-invite, delete-automod-rule, kick, delete-emoji, delete-sticker,
    /// create-thread, delete-integration, delete-role, bulk-ban, post, direct-message, prune.
    #[arg(long, value_delimiter = ',', value_parser = acts)]
    acts: Vec<Acts>,
    /// How acts follow each other.
    #[arg(long)]
    pace: Option<PaceArg>,
    /// What the raiders' accounts are like. Default: fresh.
    #[arg(long)]
    style: Option<StyleArg>,
    /// What raiders do once they are in. Default: post.
    #[arg(long)]
    manner: Option<MannerArg>,
    /// Harmless people who join at the same time (raid).
    #[arg(long, value_name = "PEOPLE")]
    wave: Option<u32>,
    /// Discord notices the attack after so many joins (raid) or direct messages (nuke, token-leak).
    /// Default: as the world says, by default never.
    #[arg(long, value_name = "COUNT")]
    noticed_after: Option<u32>,
    /// Every account posts but once (spam).
    #[arg(long)]
    once: bool,
    /// Print the report as one JSON document.
    #[arg(long)]
    json: bool,
    /// Exit with 4 when more acts than this succeeded.
    #[arg(long, value_name = "ACTS")]
    fail_over: Option<u64>,
    #[command(flatten)]
    address: ControlAddress,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("it lies between 0 and 600".to_owned())
    }
}

/// Runs one drill to its end.
///
/// # Errors
/// The sandbox cannot be reached or refuses the drill.
pub async fn run(args: DrillArgs) -> Result<ExitCode> {
    let client = args.address.client()?;
    let kind = match args.kind {
        Kind::Raid => DrillKind::Raid,
        Kind::Nuke => DrillKind::Nuke,
        Kind::Spam => DrillKind::Spam,
        Kind::TokenLeak => DrillKind::TokenLeak,
    };
    let order = NewDrill {
        kind,
        guild_id: guild_id(&client, args.guild.as_deref()).await?,
        size: args.size,
        rate: args.rate,
        actors: args.actors,
        watch_ms: args.watch.map(|seconds| (seconds * 1000.0) as u64),
        account_age_days: args.account_age_days,
        above_bot: args.above_bot,
        moderators: args.moderators,
        own_token: args.own_token,
        acts: args.acts.into_iter().flat_map(|acts| acts.0).collect(),
        pace: args.pace.map(Into::into),
        style: args.style.map(Into::into),
        manner: args.manner.map(Into::into),
        wave: args.wave,
        noticed_after: args.noticed_after,
        once: args.once,
    };
    let report = follow(&client, &order).await?;
    output::print(&if args.json {
        format!("{}\n", serde_json::to_string_pretty(&report)?)
    } else {
        table::table(&report)
    })?;
    Ok(ExitCode::from(code(&report, args.fail_over)))
}

/// What the shell is told.
fn code(report: &DrillReport, fail_over: Option<u64>) -> u8 {
    match report.end {
        _ if fail_over.is_some_and(|limit| report.succeeded > limit) => NOT_CONTAINED,
        Some(DrillEnd::Stopped) => INTERRUPTED,
        _ => 0,
    }
}

/// The server named, or the first.
async fn guild_id(client: &ControlClient, name: Option<&str>) -> Result<String> {
    if let Some(name) = name {
        return names::guild(client, name).await;
    }
    match names::first_guild(client).await? {
        Some(id) => Ok(id),
        None => bail!("the sandbox has no server; load a world with one"),
    }
}

/// Starts a drill and waits for its end, or for Ctrl-C, which stops it.
async fn follow(client: &ControlClient, order: &NewDrill) -> Result<DrillReport> {
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    let id = client.start_drill(order).await?.id;
    let mut line = Progress::new();
    let report = loop {
        let look = tokio::select! {
            biased;
            pressed = &mut interrupt => {
                pressed.context("cannot handle signals")?;
                break client.stop_drill(id).await?;
            }
            look = client.drill(id, LOOK_MS) => look?,
        };
        if look.state == DrillState::Finished {
            break look;
        }
        line.show(&look);
    };
    line.clear();
    Ok(report)
}

/// One line on a terminal that is written over and over.
struct Progress {
    terminal: bool,
}

impl Progress {
    fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
        }
    }

    fn show(&mut self, report: &DrillReport) {
        self.write(&table::progress(report));
    }

    fn clear(&mut self) {
        self.write("");
    }

    /// A terminal that is gone is no reason to end a drill.
    fn write(&mut self, text: &str) {
        if self.terminal {
            let mut out = io::stderr();
            let _ = write!(out, "\r\x1b[K{text}").and_then(|()| out.flush());
        }
    }
}
