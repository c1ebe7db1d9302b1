//! What a sandbox on one core carries: `cargo bench -p splashtail-sandbox --bench load`.
//!
//! The sandbox is its own process on the first core, this driver sits on the second. A rate is
//! given twice: by the clock on the wall, and by the processor time the sandbox itself spent,
//! which does not depend on what else the machine does. Beside it stands a bare server that does
//! nothing but send the same number of bytes the same way.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the report")]

mod events;
mod memory;
mod peer;
mod process;
mod rest;
mod table;
mod waits;

use anyhow::Result;
use table::Row;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if let Some(kind) = args.iter().find_map(|a| a.strip_prefix("--peer=")) {
        return runtime.block_on(peer::serve(kind));
    }
    // `cargo test --benches` only wants to know that this starts.
    if args.iter().any(|a| a == "--test") {
        return Ok(());
    }
    process::pin_self()?;
    let wanted = |name: &str| {
        let mut names = args.iter().filter(|a| !a.starts_with('-')).peekable();
        names.peek().is_none() || names.any(|a| a == name)
    };
    let mut rows: Vec<Row> = Vec::new();
    runtime.block_on(async {
        if wanted("rest") {
            rest::measure(&mut rows).await?;
        }
        if wanted("events") {
            events::measure(&mut rows).await?;
        }
        if wanted("memory") {
            memory::measure(&mut rows).await?;
        }
        if wanted("waits") {
            waits::measure(&mut rows).await?;
        }
        Ok::<(), anyhow::Error>(())
    })?;
    table::print(&rows);
    Ok(())
}
