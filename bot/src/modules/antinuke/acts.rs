//! Types of acts, in words.

use splashtail_antinuke::LimitType;

use crate::catalogue::Language;
use crate::text;

/// What was done, without who did it: `channel deleted`.
pub(super) fn name(language: Language, kind: LimitType) -> String {
    use LimitType as T;
    match kind {
        T::GuildUpdate => text!(language, "act-guild-update"),
        T::VanityUpdate => text!(language, "act-vanity-update"),
        T::ChannelAdd => text!(language, "act-channel-add"),
        T::ChannelUpdate => text!(language, "act-channel-update"),
        T::ChannelRemove => text!(language, "act-channel-remove"),
        T::OverwriteChange => text!(language, "act-overwrite-change"),
        T::SightDenied => text!(language, "act-sight-denied"),
        T::Kick => text!(language, "act-kick"),
        T::PruneMembers => text!(language, "act-prune-members"),
        T::Ban => text!(language, "act-ban"),
        T::Unban => text!(language, "act-unban"),
        T::Timeout => text!(language, "act-timeout"),
        T::NicknameUpdate => text!(language, "act-nickname-update"),
        T::VoiceMute => text!(language, "act-voice-mute"),
        T::VerificationBypass => text!(language, "act-verification-bypass"),
        T::RoleGivenToMember => text!(language, "act-role-given"),
        T::RoleRemovedFromMember => text!(language, "act-role-removed"),
        T::MemberRolesUpdated => text!(language, "act-member-roles"),
        T::DangerousRoleGiven => text!(language, "act-dangerous-role"),
        T::VoiceMove => text!(language, "act-voice-move"),
        T::VoiceDisconnect => text!(language, "act-voice-disconnect"),
        T::BotAdd => text!(language, "act-bot-add"),
        T::RoleAdd => text!(language, "act-role-add"),
        T::RoleUpdate => text!(language, "act-role-update"),
        T::RoleRemove => text!(language, "act-role-remove"),
        T::DangerousPermissionGrant => text!(language, "act-dangerous-grant"),
        T::InviteCreate => text!(language, "act-invite-create"),
        T::InviteUpdate => text!(language, "act-invite-update"),
        T::InviteRemove => text!(language, "act-invite-remove"),
        T::WebhookCreate => text!(language, "act-webhook-create"),
        T::WebhookUpdate => text!(language, "act-webhook-update"),
        T::WebhookRemove => text!(language, "act-webhook-remove"),
        T::ExpressionAdd => text!(language, "act-expression-add"),
        T::ExpressionUpdate => text!(language, "act-expression-update"),
        T::ExpressionRemove => text!(language, "act-expression-remove"),
        T::MessageRemove => text!(language, "act-message-remove"),
        T::BulkDelete => text!(language, "act-bulk-delete"),
        T::PinChange => text!(language, "act-pin-change"),
        T::IntegrationAdd => text!(language, "act-integration-add"),
        T::IntegrationUpdate => text!(language, "act-integration-update"),
        T::IntegrationRemove => text!(language, "act-integration-remove"),
        T::StageChange => text!(language, "act-stage-change"),
        T::EventAdd => text!(language, "act-event-add"),
        T::EventUpdate => text!(language, "act-event-update"),
        T::EventRemove => text!(language, "act-event-remove"),
        T::ThreadAdd => text!(language, "act-thread-add"),
        T::ThreadUpdate => text!(language, "act-thread-update"),
        T::ThreadRemove => text!(language, "act-thread-remove"),
        T::CommandPermissionUpdate => text!(language, "act-command-permission"),
        T::AutomodAdd => text!(language, "act-automod-add"),
        T::AutomodUpdate => text!(language, "act-automod-update"),
        T::AutomodRemove => text!(language, "act-automod-remove"),
        T::OnboardingChange => text!(language, "act-onboarding"),
        T::EveryonePing => text!(language, "act-everyone-ping"),
    }
}
