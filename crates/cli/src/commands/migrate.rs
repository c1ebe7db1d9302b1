//! `migrate`: brings the database to the shape this version works with.

use std::process::ExitCode;

use anyhow::{Context, Result};
use splashtail_core::config::{Component, DatabaseTarget};
use splashtail_core::data_dir::DataDir;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::telemetry;
use splashtail_storage::Storage;

use super::output;
use super::probe::masked;
use super::source::ConfigSource;

#[derive(Debug, clap::Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    source: ConfigSource,
}

/// Running it again changes nothing. Waits for a database that cannot be reached yet, until
/// interrupted.
///
/// # Errors
/// The configuration is invalid, or the database refuses a migration.
pub async fn run(args: MigrateArgs) -> Result<ExitCode> {
    telemetry::init("splashtail");
    let loaded = args.source.load_or_embedded(Component::Cli)?;
    loaded.announce();
    let target = loaded.config.database();
    let (_data_dir, place) = match &target {
        // The embedded database belongs to who holds the directory.
        DatabaseTarget::Sqlite(path) => (
            Some(DataDir::open(&loaded.config.data_dir)?),
            path.display().to_string(),
        ),
        DatabaseTarget::Postgres(url) => (None, masked(url)),
    };
    let lifecycle = Lifecycle::install().context("cannot handle signals")?;
    let storage = Storage::open(&target, &lifecycle.shutdown()).await?;
    storage
        .migrate()
        .await
        .context("the database cannot be brought up to date")?;
    output::print(&format!("{place} is up to date\n"))?;
    Ok(ExitCode::SUCCESS)
}
