//! The backups of a server that ended well, whatever was tried besides.

use chrono::{DateTime, Utc};
use splashtail_core::ids::GuildId;
use splashtail_storage::{Owner, Storage, StorageError, TaskQuery, TaskRow, TaskState};

use super::job::CreateBackup;

/// Rows of one query, and queries: far more than a server's backups that are kept.
const PAGE: u32 = 100;
const MOST_PAGES: usize = 50;

/// The newest `most` that left a file and are `wanted`, newest first.
///
/// # Errors
/// The database is away.
pub async fn newest(
    storage: &Storage,
    server: GuildId,
    now: DateTime<Utc>,
    most: usize,
    wanted: impl Fn(&TaskRow) -> bool,
) -> Result<Vec<TaskRow>, StorageError> {
    let mut query = TaskQuery {
        name: Some(CreateBackup::NAME),
        ..TaskQuery::newest(Owner::Server(server), PAGE)
    };
    let mut found = Vec::new();
    for _ in 0..MOST_PAGES {
        let rows = storage.tasks().list(&query, now).await?;
        query.after = rows.last().map(TaskRow::cursor);
        let is_last = rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        let fit = |row: &TaskRow| {
            row.state == TaskState::Completed && row.output.is_some() && wanted(row)
        };
        found.extend(rows.into_iter().filter(fit));
        if found.len() >= most || is_last {
            break;
        }
    }
    found.truncate(most);
    Ok(found)
}
