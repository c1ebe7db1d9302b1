//! Memory of a sandbox with 2,500 full guilds, all sent to one client.

use anyhow::Result;
use splashtail_sandbox_world::seed::many::MANY_GUILDS;

use crate::events::Client;
use crate::process::{Sandbox, Watch};
use crate::table::Row;

pub async fn measure(rows: &mut Vec<Row>) -> Result<()> {
    let sandbox = Sandbox::start("many").await?;
    let count = MANY_GUILDS as usize;
    let before = sandbox.process.resident()?;
    let watch = Watch::start(&sandbox.process)?;
    let mut client = Client::identified(sandbox.gateway, "", 0).await?;
    let mut bytes = 0;
    for _ in 0..count {
        bytes += client.skip_to("GUILD_CREATE").await?;
    }
    let rate = watch.rate(&sandbox.process, count)?;
    let after = sandbox.process.resident()?;
    let row = Row {
        what: format!("{count} guilds sent to one client"),
        rate: format!("{:.0}/s", rate.wall),
        per_core: format!("{:.0}/s", rate.core),
        bytes: (bytes / count).to_string(),
        peer: format!(
            "resident {} MB, {} MB before the client",
            after / 1_000_000,
            before / 1_000_000
        ),
        budget: "400 MB",
    };
    row.announce();
    rows.push(row);
    Ok(())
}
