//! The command an operator types. Parses first: help never needs a configuration.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use splashtail::commands::{
    backup, bot, clusters, config, doctor, explain, localjobs, migrate, proxy, sandbox, token, up,
};

/// Runs AntiRaid: the bot, its clusterer, the jobserver, the API with the dashboard, and a
/// simulated Discord to try it all on.
#[derive(Debug, Parser)]
#[command(name = "splashtail", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one value per process")]
enum Command {
    /// Start everything on this machine; without a bot token on a simulated Discord
    Up(up::UpArgs),
    /// Start the webserver and, unless told otherwise, the clusterer, which runs the bot
    Webserver(up::WebserverArgs),
    /// Start the jobserver
    Jobs(up::DaemonArgs),
    /// Run backups, restores and other jobs from here, without any server of ours
    Localjobs(localjobs::LocalJobsArgs),
    /// Start one bot cluster without a clusterer
    Bot(bot::BotArgs),
    /// See and command the bot's clusters
    Clusters(clusters::ClustersArgs),
    /// See how the gateway proxy does
    Proxy(proxy::ProxyArgs),
    /// Write the sample configuration, or check the present one
    Config(config::ConfigArgs),
    /// Bring the database up to date
    Migrate(migrate::MigrateArgs),
    /// Look for what is wrong with this installation
    Doctor(doctor::DoctorArgs),
    /// Say what an error code of the web API means, and what to do
    Explain(explain::ExplainArgs),
    /// API tokens
    Token(token::TokenArgs),
    /// Look into backup files, check, convert and rehearse them
    Backup(backup::BackupArgs),
    /// Start the simulated Discord alone, or act in a running one
    Sandbox(sandbox::SandboxArgs),
}

// One thread: the supervisor spawns daemons that end with the thread that spawned them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Fails only when a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match Cli::parse().command {
        Command::Up(args) => Box::pin(up::up(args)).await,
        Command::Webserver(args) => up::webserver(args).await,
        Command::Jobs(args) => up::jobs(args).await,
        Command::Localjobs(args) => localjobs::run(args),
        Command::Bot(args) => bot::run(args),
        Command::Clusters(args) => clusters::run(args).await,
        Command::Proxy(args) => proxy::run(args).await,
        Command::Config(args) => config::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Doctor(args) => Box::pin(doctor::run(args)).await,
        Command::Explain(args) => explain::run(&args),
        Command::Token(args) => token::run(args).await,
        Command::Backup(args) => backup::run(args).await,
        Command::Sandbox(args) => sandbox::run(args).await,
    };
    outcome.unwrap_or_else(|error| {
        report(&error);
        ExitCode::FAILURE
    })
}

/// The chain of causes on one line, unless a cause is already laid out over several.
#[allow(clippy::print_stderr, reason = "this is the command's answer")]
fn report(error: &anyhow::Error) {
    eprintln!("{error:#}");
}
