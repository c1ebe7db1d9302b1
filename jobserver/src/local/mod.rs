//! `splashtail localjobs`: runs jobs in this process, without any daemon and without any server of
//! ours. A directory holds their database and objects, so that whatever is interrupted goes on later;
//! the operator's bot token is all that comes from outside.

pub mod compare;
mod kinds;
mod run;
mod show;
mod site;

use std::path::PathBuf;
use std::process::ExitCode;

use splashtail_core::ids::{GuildId, TaskId};
use url::Url;

/// `splashtail localjobs`.
#[derive(Debug, clap::Args)]
pub struct LocalArgs {
    #[command(subcommand)]
    command: LocalCommand,
    #[command(flatten)]
    place: Place,
}

/// Where the jobs are kept, and how to talk about them.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// Directory of the jobs' database and files.
    #[arg(long, value_name = "DIR", default_value = "localjobs", global = true)]
    data_dir: PathBuf,
    /// Print JSON objects, one a line.
    #[arg(long, global = true)]
    json: bool,
}

/// The bot that does it.
#[derive(Debug, Clone, clap::Args)]
pub struct Account {
    /// File with the bot's token; else the variable SPLASHTAIL_BOT_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Where Discord's API is.
    #[arg(long, value_name = "URL", default_value = "https://discord.com")]
    api: Url,
    /// Where Discord's files are.
    #[arg(long, value_name = "URL", default_value = "https://cdn.discordapp.com")]
    cdn: Url,
}

#[derive(Debug, clap::Subcommand)]
enum LocalCommand {
    /// Say which kinds of jobs there are and what they take
    Kinds,
    /// Run a job to its end; Ctrl-C stops it, and `resume` goes on
    Run(RunArgs),
    /// Go on with a job that was interrupted; without an id, the newest one
    Resume {
        id: Option<TaskId>,
        /// Where to put the file that it leaves.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        account: Account,
    },
    /// List the jobs of the directory, newest first
    List,
    /// End a job that was interrupted, for good
    Cancel { id: TaskId },
    /// Say which new id is which old one's, after a restore
    Ids {
        id: TaskId,
        /// Only of this kind: role, channel, thread, message, emoji and so on.
        #[arg(long)]
        kind: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Kind of job; `localjobs kinds` lists them.
    kind: String,
    /// The server's id.
    #[arg(long, value_name = "ID")]
    server: GuildId,
    /// An option of the job.
    #[arg(short = 'F', long = "field", value_name = "NAME=VALUE")]
    fields: Vec<String>,
    /// YAML or JSON file with options; `-F` wins over it.
    #[arg(long, value_name = "FILE")]
    preset: Option<PathBuf>,
    /// The backup to restore: a file, the id of a job of this directory, or an address at Discord.
    #[arg(long, value_name = "FILE|ID|URL")]
    source: Option<String>,
    /// File with the password of the backup; else the variable SPLASHTAIL_BACKUP_PASSWORD.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Where to put the file that the job leaves; default: here, under its own name.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Really change the server.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    account: Account,
}

/// What was typed cannot be carried out, and nothing was begun.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
struct Refused(anyhow::Error);

const FAILED: u8 = 1;
const REFUSED: u8 = 2;
const INTERRUPTED: u8 = 130;

/// Exit codes: 0 the job was completed, 1 it failed, 2 the input is not usable and nothing was begun,
/// 130 it was interrupted and can be resumed.
pub async fn run(args: LocalArgs) -> ExitCode {
    let LocalArgs { command, place } = args;
    let done = match command {
        LocalCommand::Kinds => kinds(&place),
        LocalCommand::List => run::list(&place).await,
        LocalCommand::Cancel { id } => run::cancel(&place, id).await,
        LocalCommand::Ids { id, kind } => run::ids(&place, id, kind.as_deref()).await,
        LocalCommand::Run(args) => run::begin(&place, args).await,
        LocalCommand::Resume {
            id,
            output,
            account,
        } => run::resume(&place, id, output, &account).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            let refused = error.is::<Refused>();
            let mut show = show::Show::new(place.json);
            let message = format!("{error:#}");
            show.event(
                "error",
                serde_json::json!({"message": message, "refused": refused}),
            );
            show.say(&format!("error: {message}"));
            ExitCode::from(if refused { REFUSED } else { FAILED })
        }
    }
}

fn kinds(place: &Place) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    for kind in &kinds::KINDS {
        if place.json {
            writeln!(out, "{}", kind.describe())?;
        } else {
            writeln!(out, "{}", kind.usage())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn refused(error: impl Into<anyhow::Error>) -> anyhow::Error {
    Refused(error.into()).into()
}
