//! `splashtail-sandbox`: a Discord of one's own, on loopback.

use std::process::ExitCode;

use clap::Parser;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::telemetry::{self, Chain};
use splashtail_sandbox::server::{ServeArgs, run};

/// The sandbox makes and drops JSON all day, thousands of small pieces per request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A simulator of Discord for demonstrations, tests and drills.
#[derive(Debug, Parser)]
#[command(name = "splashtail-sandbox", version)]
struct Args {
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    let args = Args::parse();
    telemetry::init("sandbox");
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %Chain(error.as_ref()), "the sandbox cannot run");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let lifecycle = Lifecycle::install()?;
        run(args.serve, lifecycle.clone()).await?;
        Ok(())
    })
}
