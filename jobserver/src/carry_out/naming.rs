//! What an operation is called, in the ledger and by people who watch.

use serde_json::{Value, json};
use splashtail_api_types::job_lines::Line;
use splashtail_guild::{Kind, Mapping, Operation, Structure};

/// The kind of an operation's object; overwrites are their channel's.
pub fn kind_of(operation: &Operation) -> Kind {
    match operation {
        Operation::Create { kind, .. }
        | Operation::Edit { kind, .. }
        | Operation::Delete { kind, .. }
        | Operation::Reorder { kind, .. } => *kind,
        Operation::PutOverwrite { .. } | Operation::DeleteOverwrite { .. } => Kind::Channel,
    }
}

/// What an operation does, for the ledger: `role.create`.
pub(super) fn verb(operation: &Operation, kind: Kind) -> String {
    let verb = match operation {
        Operation::Create { .. } => "create",
        Operation::Edit { .. } => "edit",
        Operation::Delete { .. } => "delete",
        Operation::Reorder { .. } => "sort",
        Operation::PutOverwrite { .. } => "overwrite.set",
        Operation::DeleteOverwrite { .. } => "overwrite.delete",
    };
    let kind = json!(kind);
    format!("{}.{verb}", kind.as_str().unwrap_or_default())
}

/// What is going on, for people who watch.
pub(super) fn stage(operation: &Operation, kind: Kind) -> Line {
    if matches!(operation, Operation::Delete { .. }) {
        return Line::StageDeleting;
    }
    match kind {
        Kind::Role => Line::StageRoles,
        Kind::Channel | Kind::Hidden | Kind::Thread => Line::StageChannels,
        Kind::Guild => Line::StageServer,
        Kind::Emoji | Kind::Sticker | Kind::Sound => Line::StageExpressions,
        Kind::AutomodRule => Line::StageAutomod,
        Kind::ScheduledEvent => Line::StageEvents,
        Kind::Widget | Kind::WelcomeScreen | Kind::Onboarding => Line::StageNewcomers,
        Kind::Webhook | Kind::Invite => Line::StageWebhooks,
    }
}

/// The name of an operation's object, as far as it is known.
pub(super) fn name_of(operation: &Operation, live: &Structure, mapping: &Mapping) -> String {
    let (kind, subject, body) = match operation {
        Operation::Create {
            kind,
            subject,
            body,
        }
        | Operation::Edit {
            kind,
            subject,
            body,
        } => (*kind, *subject, Some(body)),
        Operation::Delete { kind, subject } => (*kind, *subject, None),
        Operation::PutOverwrite { channel, .. } | Operation::DeleteOverwrite { channel, .. } => {
            (Kind::Channel, *channel, None)
        }
        Operation::Reorder { .. } => return String::new(),
    };
    let new = body
        .and_then(|body| body.get("name"))
        .and_then(Value::as_str);
    let present = subject
        .resolved(kind, mapping)
        .and_then(|id| live.get(kind, id))
        .and_then(|object| object["name"].as_str());
    new.or(present).unwrap_or_default().to_owned()
}
