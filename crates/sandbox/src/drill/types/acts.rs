//! Kinds of act.

use serde::{Deserialize, Serialize};

/// Something that attackers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActKind {
    Join,
    /// Asks to be let in, where members are approved by hand.
    AskToJoin,
    Leave,
    Post,
    DirectMessage,
    CreateChannel,
    DeleteChannel,
    RenameChannel,
    /// Takes the sight of a channel from the guild's bot.
    HideChannel,
    /// Opens a channel to everyone with every right.
    EditOverwrite,
    CreateThread,
    DeleteRole,
    EditRole,
    ReorderRoles,
    /// Makes a role with Administrator and gives it to an account that came along quietly.
    GrantAdministrator,
    /// Takes all roles from a member.
    StripRoles,
    Ban,
    Kick,
    BulkBan,
    Prune,
    EditServer,
    DeleteEmoji,
    DeleteSticker,
    DeleteInvite,
    DeleteAutomodRule,
    /// Removes a bot, the guild's own last.
    DeleteIntegration,
    /// Robs the role of the guild's bot of its permissions.
    DisarmBot,
    KickBot,
    CreateWebhook,
    /// Posts through the address of a webhook, which needs no account.
    WebhookPost,
}

impl ActKind {
    /// Those a nuke can be made of.
    pub const DESTRUCTIVE: [Self; 27] = [
        Self::GrantAdministrator,
        Self::HideChannel,
        Self::DisarmBot,
        Self::KickBot,
        Self::CreateChannel,
        Self::DeleteChannel,
        Self::Ban,
        Self::EditServer,
        Self::CreateWebhook,
        Self::WebhookPost,
        Self::RenameChannel,
        Self::EditOverwrite,
        Self::StripRoles,
        Self::EditRole,
        Self::ReorderRoles,
        Self::DeleteInvite,
        Self::DeleteAutomodRule,
        Self::Kick,
        Self::DeleteEmoji,
        Self::DeleteSticker,
        Self::CreateThread,
        Self::DeleteIntegration,
        Self::DeleteRole,
        Self::BulkBan,
        Self::Post,
        Self::DirectMessage,
        Self::Prune,
    ];
}
