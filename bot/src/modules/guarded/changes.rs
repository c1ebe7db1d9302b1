//! Changes of settings that weaken protection.

use std::sync::Arc;

use async_trait::async_trait;
use splashtail_core::telemetry::Chain;
use splashtail_storage::GuardedRequest;
use tracing::{error, warn};

use super::desk::{Ask, AskError, Desk};
use super::operation::{Operation, Performed};
use super::setting::Wanted;
use crate::configuration::{
    AgreedChanges, Applied, Guard, Proposal, ProposeError, Proposed, digest, record, recorded,
};
use crate::settings::GuildRows;

const ID: &str = "settings";

#[async_trait]
impl Guard for Arc<Desk> {
    fn is_on(&self, rows: &GuildRows) -> bool {
        Wanted::by(rows).is_on
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
            Err(AskError::Refused(text)) => Err(ProposeError::Refused(text.to_owned())),
            Err(AskError::Storage(error)) => Err(error.into()),
        }
    }
}

/// Makes a change that was agreed to, as it was shown.
pub struct ChangeSettings(pub AgreedChanges);

#[async_trait]
impl Operation for ChangeSettings {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self) -> &'static str {
        "Weaken protection"
    }

    async fn perform(&self, request: &GuardedRequest) -> Performed {
        let edits = recorded(&request.arguments);
        let Some(edits) = edits.filter(|edits| digest(edits) == request.digest) else {
            error!(request.id = %request.id, "what was agreed to cannot be read");
            return Performed::Failed("What was agreed to cannot be read.".to_owned());
        };
        let applied = self.0.apply(request.guild, request.asked_by, &edits).await;
        match applied {
            Ok(Applied::At(version)) => Performed::Done(format!(
                "The settings are changed. `/perms undo {version}` takes it back."
            )),
            Ok(Applied::Already) => Performed::Done("The settings are changed.".to_owned()),
            Ok(Applied::Changed) => Performed::Failed(
                "Not done: the settings are not any more what they were when it was shown. Ask \
                 again."
                    .to_owned(),
            ),
            Ok(Applied::Busy) => Performed::Later,
            Err(error) => {
                warn!(request.id = %request.id, error = %Chain(&error), "a change was not made yet");
                Performed::Later
            }
        }
    }
}
