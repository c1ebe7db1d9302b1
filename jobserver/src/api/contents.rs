//! What backups hold, for whoever asks now: `inspect_backup` and `compare_backups`.
//!
//! Nothing of it is kept: the file lies in one without a name, its password in the call alone.

use std::fs::File;
use std::io::BufReader;

use axum::Json;
use axum::response::IntoResponse as _;
use chrono::DateTime;
use http::StatusCode;
use serde_json::{Map, Value, json};
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_core::places::{Place, Places};
use splashtail_core::telemetry::Chain;
use splashtail_iblfile::{Archive, Error, Limits};
use splashtail_ipc::http::ErrorResponse;
use splashtail_storage::StorageError;
use tracing::error;

use super::{Answer, App, Ready, arguments, bad, optional_text, server_id, text, unavailable};
use crate::backup::error::BackupError;
use crate::backup::work::temporary;
use crate::compare::differences;
use crate::objects::ObjectError;
use crate::request::{LONGEST_PASSWORD, Password};
use crate::restore::error::RestoreError;
use crate::restore::file;
use crate::restore::options::BackupSource;
use crate::restore::past::{self, Found};
use crate::restore::source;

/// Bytes of a file that is looked into while somebody waits.
const LARGEST: u64 = 256 << 20;
/// Calls that are looked into at a time: in all, and of one server. A password costs a derivation each.
const AT_ONCE: usize = 2;
const AT_ONCE_EACH: usize = 1;
/// Sections, and differences, that an answer lists.
const MOST_SECTIONS: usize = 10_000;
const MOST_DIFFERENCES: usize = 2_000;

pub fn readers() -> Places<GuildId> {
    Places::new(AT_ONCE, AT_ONCE_EACH)
}

/// `inspect_backup {server_id, task_id, password?}`: the sections of what the task left.
pub async fn inspect(app: &App, body: &[u8]) -> Answer {
    let args = arguments(body)?;
    let (server, task) = (server_id(&args)?, named_task(&args, "task_id")?);
    let source = BackupSource::Task(task);
    let password = password(&args)?;
    let ready = app.ready()?;
    let place = place(app, server)?;
    let looked = async {
        let file = fetched(app, ready, server, &source).await?;
        in_background(place, move || {
            let password = password.as_ref().map(|password| password.0.as_str());
            let limits = Limits::with_total(LARGEST);
            let opened = Archive::open(BufReader::new(file), password, limits);
            let mut archive = opened.map_err(RestoreError::Container)?;
            let found = archive.inspect(MOST_SECTIONS);
            let found = found.map_err(RestoreError::Container)?;
            let more = archive.sections().len() - found.sections.len();
            Ok((found, more))
        })
        .await
    };
    let (found, more) = looked.await.map_err(refused)?;
    let mut answer = json!(found);
    answer["more"] = json!(more);
    Ok(Json(answer).into_response())
}

/// `compare_backups {server_id, before, after, password?}`: what differs from one task's backup, or the server
/// as it was at a time, to another.
pub async fn compare(app: &App, body: &[u8]) -> Answer {
    let args = arguments(body)?;
    let server = server_id(&args)?;
    let (before, after) = (named(&args, "before")?, named(&args, "after")?);
    let password = password(&args)?;
    let ready = app.ready()?;
    let place = place(app, server)?;
    let looked = async {
        let before = fetched(app, ready, server, &before).await?;
        let after = fetched(app, ready, server, &after).await?;
        in_background(place, move || {
            let password = password.as_ref().map(|password| password.0.as_str());
            let before = file::open(before, password, LARGEST)?;
            let after = file::open(after, password, LARGEST)?;
            Ok(differences(&before, &after))
        })
        .await
    };
    let mut found = looked.await.map_err(refused)?;
    let more = found.len().saturating_sub(MOST_DIFFERENCES);
    found.truncate(MOST_DIFFERENCES);
    Ok(Json(json!({"differences": found, "more": more})).into_response())
}

/// The file in one without a name.
async fn fetched(
    app: &App,
    ready: &Ready,
    server: GuildId,
    source: &BackupSource,
) -> Result<File, RestoreError> {
    let (storage, objects) = (&ready.storage, &ready.objects);
    let found = match source {
        BackupSource::AsOf(at) => {
            let at = *at;
            match past::find(storage, server, at, app.clock.now()).await? {
                Found::Backup(task) => Some(BackupSource::Task(task)),
                Found::History(structure) => {
                    let file = temporary(&ready.temporary).await?;
                    let write = move || past::write(&structure, at, file);
                    let written = tokio::task::spawn_blocking(write).await;
                    let written = written.map_err(BackupError::background)?;
                    return written.map_err(RestoreError::Container);
                }
            }
        }
        _ => None,
    };
    let source = found.as_ref().unwrap_or(source);
    let key = source::key(source, server, storage, &*app.clock, objects).await?;
    let key = key.ok_or(BackupError::Incomplete("sources"))?;
    if objects.size(&key).await? > LARGEST {
        return Err(RestoreError::Container(Error::TooLarge {
            what: "the file".to_owned(),
            limit: LARGEST,
        }));
    }
    let file = temporary(&ready.temporary).await?;
    Ok(objects.fetch(&key, file).await?)
}

/// Off the threads that answer; the place is held to the end, whoever waits for it.
async fn in_background<T: Send + 'static>(
    place: Place<GuildId>,
    look: impl FnOnce() -> Result<T, RestoreError> + Send + 'static,
) -> Result<T, RestoreError> {
    let looking = tokio::task::spawn_blocking(move || {
        let _place = place;
        look()
    });
    looking.await.map_err(BackupError::background)?
}

fn place(app: &App, server: GuildId) -> Result<Place<GuildId>, ErrorResponse> {
    let place = app.readers.take(server);
    place.map_err(|_| unavailable("other backups are being looked into"))
}

fn named_task(args: &Map<String, Value>, name: &str) -> Result<TaskId, ErrorResponse> {
    let id = text(args, name)?.parse();
    id.map_err(|_| {
        bad(
            "invalid_args",
            format!("args.{name} must be the id of a task"),
        )
    })
}

/// What a task left, or a time.
fn named(args: &Map<String, Value>, name: &str) -> Result<BackupSource, ErrorResponse> {
    let given = text(args, name)?;
    let at = DateTime::parse_from_rfc3339(given.trim()).map(|at| BackupSource::AsOf(at.to_utc()));
    match (given.parse(), at) {
        (Ok(task), _) => Ok(BackupSource::Task(task)),
        (_, Ok(at)) => Ok(at),
        _ => Err(bad(
            "invalid_args",
            format!("args.{name} must be the id of a task, or a time such as 2026-11-30T18:05:00Z"),
        )),
    }
}

fn password(args: &Map<String, Value>) -> Result<Option<Password>, ErrorResponse> {
    let password = optional_text(args, "password")?;
    if password
        .as_ref()
        .is_some_and(|password| password.len() > LONGEST_PASSWORD)
    {
        return Err(bad(
            "password_too_long",
            format!("a password has at most {LONGEST_PASSWORD} bytes"),
        ));
    }
    Ok(password.map(Password))
}

/// What the file is like is the caller's affair, all else is ours.
fn refused(error: RestoreError) -> ErrorResponse {
    let (status, code) = match &error {
        RestoreError::NoTask(_)
        | RestoreError::NoFile(_)
        | RestoreError::NoPast(_)
        | RestoreError::Unwatched { .. }
        | RestoreError::YetToCome(_)
        | RestoreError::Read(BackupError::Objects(ObjectError::Missing(_))) => {
            (StatusCode::NOT_FOUND, "not_found")
        }
        RestoreError::Container(Error::WrongPassword) => {
            (StatusCode::BAD_REQUEST, "wrong_password")
        }
        RestoreError::Container(Error::PasswordRequired) => {
            (StatusCode::BAD_REQUEST, "password_required")
        }
        RestoreError::Container(Error::TooLarge { .. }) => {
            (StatusCode::CONFLICT, "backup_too_large")
        }
        RestoreError::Container(
            Error::UnknownType { .. }
            | Error::UnsupportedProtocol(_)
            | Error::UnsupportedEncryption(_),
        )
        | RestoreError::OtherFile(_) => (StatusCode::CONFLICT, "not_a_backup"),
        RestoreError::Container(Error::Corrupt(_) | Error::NoSuchSection(_))
        | RestoreError::Section { .. } => (StatusCode::CONFLICT, "backup_damaged"),
        _ => {
            error!(error = %Chain(&error), "a backup was not looked into");
            return match &error {
                RestoreError::Storage(StorageError::Unavailable(_)) => {
                    unavailable("the database does not answer")
                }
                RestoreError::Read(BackupError::Objects(_) | BackupError::File(_))
                | RestoreError::Container(Error::Io(_)) => {
                    unavailable("the backup cannot be read at the moment")
                }
                _ => ErrorResponse::internal(),
            };
        }
    };
    ErrorResponse::new(status, code, error.to_string())
}
