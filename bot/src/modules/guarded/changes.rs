//! Changes of settings that weaken protection.

use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use splashtail_core::ids::GuildId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::GuardedRequest;
use tracing::{error, warn};

use super::desk::{Ask, AskError, Desk};
use super::setting::Wanted;
use crate::app::{App, Data};
use crate::catalogue::Language;
use crate::configuration::{
    Applied, Guard, Proposal, ProposeError, Proposed, digest, record, recorded,
};
use crate::framework::setting_commands::takes_back;
use crate::operation::{Operation, Performed};
use crate::settings::GuildRows;
use crate::text;

const ID: &str = "settings";

#[async_trait]
impl Guard for Arc<Desk> {
    fn is_on(&self, rows: &GuildRows) -> bool {
        Wanted::by(rows).is_on
    }

    fn language(&self, guild: GuildId) -> Language {
        self.circle(guild).unwrap_or_default().language
    }

    async fn propose(&self, proposal: Proposal) -> Result<Proposed, ProposeError> {
        let ask = Ask {
            guild: proposal.guild,
            operation: ID,
            arguments: record(&proposal.edits),
            summary: proposal.summary,
            digest: proposal.digest,
            by: proposal.by,
            here: None,
        };
        match self.ask(ask).await {
            Ok(text) => Ok(Proposed(text)),
            Err(AskError::Refused(text)) => Err(ProposeError::Refused(text)),
            Err(AskError::Storage(error)) => Err(error.into()),
        }
    }
}

/// Makes a change that was agreed to, as it was shown.
#[derive(Default)]
pub struct ChangeSettings {
    /// Its configuration has what the desk carries out, and the desk has this.
    app: OnceLock<Weak<App>>,
}

impl ChangeSettings {
    /// To be called once.
    pub fn reach(&self, app: &Data) {
        // Whoever calls again changes nothing.
        let _ = self.app.set(Arc::downgrade(app));
    }
}

#[async_trait]
impl Operation for ChangeSettings {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self, language: Language) -> String {
        text!(language, "guarded-name-settings")
    }

    async fn perform(&self, request: &GuardedRequest, language: Language) -> Performed {
        let edits = recorded(&request.arguments);
        let Some(edits) = edits.filter(|edits| digest(edits) == request.digest) else {
            error!(request.id = %request.id, "what was agreed to cannot be read");
            return Performed::Failed(text!(language, "guarded-unreadable"));
        };
        let Some(app) = self.app.get().and_then(Weak::upgrade) else {
            return Performed::Later;
        };
        let (guild, by) = (request.guild, request.asked_by);
        match app.configuration.apply_agreed(guild, by, &edits).await {
            Ok(Applied::At(version)) => {
                let done = text!(language, "guarded-settings-done");
                Performed::Done(format!("{done} {}", takes_back(language, version)))
            }
            Ok(Applied::Already) => Performed::Done(text!(language, "guarded-settings-done")),
            Ok(Applied::Changed) => Performed::Failed(text!(language, "guarded-settings-changed")),
            Ok(Applied::Busy) => Performed::Later,
            Err(error) => {
                warn!(request.id = %request.id, error = %Chain(&error), "a change was not made yet");
                Performed::Later
            }
        }
    }
}
