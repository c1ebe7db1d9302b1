//! What attackers do, one thing at a time, and who does it.

use splashtail_sandbox_world::world::Id;

use super::cast::{Hook, Stage};
use super::types::ActKind;

/// One thing an attacker does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Join,
    /// Joins a guild that approves its members by hand.
    AskToJoin,
    Leave,
    Post {
        channel: Id,
        text: String,
    },
    DirectMessage {
        user: Id,
    },
    CreateChannel {
        name: String,
    },
    DeleteChannel {
        id: Id,
        name: String,
    },
    RenameChannel(Id),
    HideChannel {
        channel: Id,
        bot: Id,
    },
    EditOverwrite(Id),
    CreateThread(Id),
    DeleteRole {
        id: Id,
        name: String,
    },
    EditRole(Id),
    ReorderRoles,
    GrantAdministrator(Id),
    StripRoles(Id),
    Ban(Id),
    Kick(Id),
    BulkBan(Vec<Id>),
    Prune,
    EditServer {
        name: String,
    },
    DeleteEmoji {
        id: Id,
        name: String,
    },
    DeleteSticker {
        id: Id,
        name: String,
    },
    DeleteInvite {
        code: String,
        channel: Id,
    },
    DeleteAutomodRule {
        id: Id,
        name: String,
    },
    DeleteIntegration {
        id: Id,
        bot: Id,
    },
    DisarmBot {
        role: Id,
    },
    KickBot(Id),
    CreateWebhook {
        channel: Id,
    },
    WebhookPost(Hook),
}

impl Act {
    pub fn kind(&self) -> ActKind {
        match self {
            Self::Join => ActKind::Join,
            Self::AskToJoin => ActKind::AskToJoin,
            Self::Leave => ActKind::Leave,
            Self::Post { .. } => ActKind::Post,
            Self::DirectMessage { .. } => ActKind::DirectMessage,
            Self::CreateChannel { .. } => ActKind::CreateChannel,
            Self::DeleteChannel { .. } => ActKind::DeleteChannel,
            Self::RenameChannel(_) => ActKind::RenameChannel,
            Self::HideChannel { .. } => ActKind::HideChannel,
            Self::EditOverwrite(_) => ActKind::EditOverwrite,
            Self::CreateThread(_) => ActKind::CreateThread,
            Self::DeleteRole { .. } => ActKind::DeleteRole,
            Self::EditRole(_) => ActKind::EditRole,
            Self::ReorderRoles => ActKind::ReorderRoles,
            Self::GrantAdministrator(_) => ActKind::GrantAdministrator,
            Self::StripRoles(_) => ActKind::StripRoles,
            Self::Ban(_) => ActKind::Ban,
            Self::Kick(_) => ActKind::Kick,
            Self::BulkBan(_) => ActKind::BulkBan,
            Self::Prune => ActKind::Prune,
            Self::EditServer { .. } => ActKind::EditServer,
            Self::DeleteEmoji { .. } => ActKind::DeleteEmoji,
            Self::DeleteSticker { .. } => ActKind::DeleteSticker,
            Self::DeleteInvite { .. } => ActKind::DeleteInvite,
            Self::DeleteAutomodRule { .. } => ActKind::DeleteAutomodRule,
            Self::DeleteIntegration { .. } => ActKind::DeleteIntegration,
            Self::DisarmBot { .. } => ActKind::DisarmBot,
            Self::KickBot(_) => ActKind::KickBot,
            Self::CreateWebhook { .. } => ActKind::CreateWebhook,
            Self::WebhookPost(_) => ActKind::WebhookPost,
        }
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// An index into [`Stage::attackers`].
    Attacker(usize),
    /// A harmless newcomer, an index into [`Stage::guests`].
    Guest(usize),
}

impl Who {
    pub fn user(self, stage: &Stage) -> Option<Id> {
        match self {
            Self::Attacker(n) => stage.attackers.get(n).copied(),
            Self::Guest(n) => stage.guests.get(n).copied(),
        }
    }
}

/// An act with its actor.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub who: Who,
    pub act: Act,
}
