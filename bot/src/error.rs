//! Why a command did not do what it was asked, and what the user is told about it.

use poise::serenity_prelude as serenity;
use splashtail_ipc::clients::ClientError;
use splashtail_permissions::PermissionResult;
use splashtail_storage::StorageError;

use crate::configuration::Refusal;
use crate::markdown::{cut, neutralise};
use crate::reply::Failed;
use crate::services::NoService;

#[derive(Debug, thiserror::Error)]
pub enum BotError {
    /// The gate said no.
    #[error("denied: {}", .0.code())]
    Denied(PermissionResult),
    /// The user gave something that cannot be used; the text tells what, and may quote it.
    #[error("unusable input")]
    Input(String),
    /// Others have to agree first; the text tells whom it waits for.
    #[error("others have to agree")]
    Guarded(String),
    #[error("the command only works in a server")]
    NoGuild,
    #[error("the jobserver did not take the job")]
    Jobserver(#[from] ClientError),
    #[error("the database failed")]
    Storage(#[from] StorageError),
    #[error("the bot's code is not sound")]
    Service(#[from] NoService),
    #[error("Discord refused or failed")]
    Discord(#[source] Failed),
}

impl From<serenity::Error> for BotError {
    fn from(error: serenity::Error) -> Self {
        Self::Discord(error.into())
    }
}

impl From<Failed> for BotError {
    fn from(error: Failed) -> Self {
        Self::Discord(error)
    }
}

impl From<Refusal> for BotError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(result) => Self::Denied(result),
            Refusal::Storage(error) => Self::Storage(error),
            // What was entered is quoted.
            Refusal::Wrong(wrong) => {
                let lines = wrong
                    .iter()
                    .map(|error| neutralise(&sentence(&error.to_string())));
                let lines = lines.collect::<Vec<_>>().join("\n");
                Self::Input(cut(&lines, 2000).to_owned())
            }
            // Our own words, with mentions in them.
            Refusal::Guarded(text) => Self::Guarded(text),
            other @ (Refusal::NoSetting(_) | Refusal::Busy) => {
                Self::Input(neutralise(&sentence(&other.to_string())))
            }
        }
    }
}

impl BotError {
    /// Whether the fault is on our side and belongs into the log.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Denied(_) | Self::Input(_) | Self::Guarded(_) | Self::NoGuild => false,
            Self::Jobserver(error) => !error
                .status()
                .is_some_and(|status| status.is_client_error() && status != 401),
            Self::Storage(_) | Self::Service(_) | Self::Discord(_) => true,
        }
    }

    /// What the user reads. It names no cause inside the platform: no SQL, no address, no token.
    pub fn user_text(&self) -> String {
        match self {
            Self::Denied(result) => result.to_string(),
            Self::Input(text) | Self::Guarded(text) => text.clone(),
            Self::NoGuild => "This command only works in a server.".to_owned(),
            Self::Jobserver(error) if error.is_unreachable() => {
                "The service that runs backups is not available right now. Please try again in a \
                 minute."
                    .to_owned()
            }
            Self::Jobserver(ClientError::Status { status, body, .. })
                if matches!(status.as_u16(), 400 | 409 | 413 | 422 | 429) =>
            {
                sentence(&body.message)
            }
            Self::Jobserver(_) => {
                "The service that runs backups could not take the job. Please try again later."
                    .to_owned()
            }
            Self::Storage(_) => {
                "The database did not answer. Please try again in a minute.".to_owned()
            }
            Self::Service(_) => "This is a mistake in the bot. It was written down.".to_owned(),
            Self::Discord(error) => discord_text(error),
        }
    }
}

/// Discord's own complaint about our request is safe to show and often the user's to fix.
fn discord_text(error: &Failed) -> String {
    match error.not_allowed() {
        Some(why) => format!("Discord did not allow it: {}.", why.trim_end_matches('.')),
        None => "Discord did not answer as expected. Please try again.".to_owned(),
    }
}

/// The message as a sentence: first letter large, a full stop at the end.
fn sentence(message: &str) -> String {
    let mut letters = message.trim().chars();
    let Some(first) = letters.next() else {
        return "The job was refused.".to_owned();
    };
    let mut text: String = first.to_uppercase().chain(letters).collect();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use splashtail_api_types::ErrorBody;

    use super::*;

    fn refused(status: u16, message: &str) -> BotError {
        BotError::Jobserver(ClientError::Status {
            status: status.try_into().unwrap(),
            body: ErrorBody::new("code", message),
            retry_after: None,
        })
    }

    #[test]
    fn refusals_of_the_jobserver_are_shown_and_its_faults_are_not() {
        for status in [400, 409, 422] {
            let error = refused(status, "a backup of this server is already running");
            assert_eq!(
                error.user_text(),
                "A backup of this server is already running."
            );
            assert!(!error.is_ours());
        }
        for status in [401, 500, 503] {
            let error = refused(status, "postgres://user:secret@db refused");
            assert!(!error.user_text().contains("postgres"), "{status}");
            assert!(error.is_ours(), "{status}");
        }
    }
}
