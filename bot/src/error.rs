//! Why a command did not do what it was asked, and what the user is told about it.

use poise::serenity_prelude as serenity;
use splashtail_ipc::clients::ClientError;
use splashtail_permissions::PermissionResult;
use splashtail_storage::StorageError;

use crate::catalogue::{self, Language};
use crate::configuration::Refusal;
use crate::denial::denial;
use crate::markdown::{neutralise, shorten};
use crate::reply::Failed;
use crate::services::NoService;
use crate::settings::{Wrong, words};
use crate::text;

#[derive(Debug, thiserror::Error)]
pub enum BotError {
    /// The gate said no.
    #[error("denied: {}", .0.code())]
    Denied(PermissionResult),
    /// The user gave something that cannot be used; the text tells what, and may quote it.
    #[error("unusable input")]
    Input(String),
    /// Everything that is wrong with what was to be set.
    #[error("unusable settings")]
    Settings(Vec<Wrong>),
    #[error("no setting `{0}`")]
    NoSetting(String),
    #[error("others change the settings")]
    SettingsBusy,
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
            Refusal::Wrong(wrong) => Self::Settings(wrong),
            // Our own words, with mentions in them.
            Refusal::Guarded(text) => Self::Guarded(text),
            Refusal::NoSetting(setting) => Self::NoSetting(setting),
            Refusal::Busy => Self::SettingsBusy,
        }
    }
}

impl BotError {
    /// Whether the fault is on our side and belongs into the log.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Denied(_)
            | Self::Input(_)
            | Self::Settings(_)
            | Self::NoSetting(_)
            | Self::SettingsBusy
            | Self::Guarded(_)
            | Self::NoGuild => false,
            Self::Jobserver(error) => !error
                .status()
                .is_some_and(|status| status.is_client_error() && status != 401),
            Self::Storage(_) | Self::Service(_) | Self::Discord(_) => true,
        }
    }

    /// What the user reads. It names no cause inside the platform: no SQL, no address, no token.
    pub fn user_text(&self, language: Language) -> String {
        match self {
            Self::Denied(result) => denial(language, result),
            Self::Input(text) | Self::Guarded(text) => text.clone(),
            Self::NoGuild => text!(language, "error-no-guild"),
            // What was entered is quoted.
            Self::Settings(wrong) => {
                let lines = wrong.iter().map(|error| {
                    let said = words::say(language, error);
                    neutralise(&sentence(&said))
                });
                let lines = lines.collect::<Vec<_>>().join("\n");
                shorten(&lines, 2000).into_owned()
            }
            Self::NoSetting(setting) => {
                let setting = neutralise(setting);
                text!(language, "wrong-no-setting", setting = setting)
            }
            Self::SettingsBusy => text!(language, "wrong-busy"),
            Self::Jobserver(error) if error.is_unreachable() => {
                text!(language, "error-jobserver-away")
            }
            Self::Jobserver(ClientError::Status { status, body, .. })
                if matches!(status.as_u16(), 400 | 409 | 413 | 422 | 429) =>
            {
                match body.message.trim() {
                    "" => text!(language, "error-job-refused"),
                    message => sentence(&catalogue::refusal(language, &body.code, message)),
                }
            }
            Self::Jobserver(_) => text!(language, "error-jobserver-failed"),
            Self::Storage(_) => text!(language, "error-database"),
            Self::Service(_) => text!(language, "error-service"),
            Self::Discord(error) => discord_text(language, error),
        }
    }
}

/// Discord's own complaint about our request is safe to show and often the user's to fix.
fn discord_text(language: Language, error: &Failed) -> String {
    match error.not_allowed() {
        Some(why) => {
            let reason = why.trim_end_matches('.');
            text!(language, "error-discord-refused", reason = reason)
        }
        None => text!(language, "error-discord-failed"),
    }
}

/// The message as a sentence: first letter large, a full stop at the end.
fn sentence(message: &str) -> String {
    let mut letters = message.trim().chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let mut text: String = first.chain(letters).collect();
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
                error.user_text(Language::English),
                "A backup of this server is already running."
            );
            assert!(!error.is_ours());
        }
        for status in [401, 500, 503] {
            let error = refused(status, "postgres://user:secret@db refused");
            assert!(
                !error.user_text(Language::English).contains("postgres"),
                "{status}"
            );
            assert!(error.is_ours(), "{status}");
        }
    }
}
