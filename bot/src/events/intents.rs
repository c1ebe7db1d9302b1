//! What has to be asked of the gateway for events to come (Discord documentation, "List of Intents").

use poise::serenity_prelude::GatewayIntents;

use super::kind::{EventKind, EventKinds};

impl EventKind {
    /// One of these is enough; none, when the event comes anyway.
    pub const fn intents(self) -> GatewayIntents {
        match self {
            Self::GuildCreate
            | Self::GuildUpdate
            | Self::GuildGone
            | Self::GuildUnavailable
            | Self::GuildRoleCreate
            | Self::GuildRoleUpdate
            | Self::GuildRoleDelete
            | Self::ChannelCreate
            | Self::ChannelUpdate
            | Self::ChannelDelete
            | Self::ChannelPinsUpdate
            | Self::ThreadCreate
            | Self::ThreadUpdate
            | Self::ThreadDelete
            | Self::ThreadListSync
            | Self::ThreadMemberUpdate
            | Self::StageInstanceCreate
            | Self::StageInstanceUpdate
            | Self::StageInstanceDelete
            | Self::VoiceChannelStatusUpdate => GatewayIntents::GUILDS,
            Self::GuildMemberAdd
            | Self::GuildMemberUpdate
            | Self::GuildMemberRemove
            | Self::ThreadMembersUpdate => GatewayIntents::GUILD_MEMBERS,
            Self::GuildAuditLogEntryCreate
            | Self::GuildBanAdd
            | Self::GuildBanRemove
            | Self::GuildJoinRequestCreate
            | Self::GuildJoinRequestUpdate
            | Self::GuildJoinRequestDelete => GatewayIntents::GUILD_MODERATION,
            Self::GuildEmojisUpdate
            | Self::GuildStickersUpdate
            | Self::GuildSoundboardSoundCreate
            | Self::GuildSoundboardSoundUpdate
            | Self::GuildSoundboardSoundDelete
            | Self::GuildSoundboardSoundsUpdate => GatewayIntents::GUILD_EMOJIS_AND_STICKERS,
            Self::GuildIntegrationsUpdate
            | Self::IntegrationCreate
            | Self::IntegrationUpdate
            | Self::IntegrationDelete => GatewayIntents::GUILD_INTEGRATIONS,
            Self::WebhooksUpdate => GatewayIntents::GUILD_WEBHOOKS,
            Self::InviteCreate | Self::InviteDelete => GatewayIntents::GUILD_INVITES,
            Self::VoiceStateUpdate | Self::VoiceServerUpdate | Self::VoiceChannelEffectSend => {
                GatewayIntents::GUILD_VOICE_STATES
            }
            Self::PresenceUpdate => GatewayIntents::GUILD_PRESENCES,
            Self::MessageCreate
            | Self::MessageUpdate
            | Self::MessageDelete
            | Self::MessageDeleteBulk => GatewayIntents::GUILD_MESSAGES,
            Self::MessageReactionAdd
            | Self::MessageReactionRemove
            | Self::MessageReactionRemoveAll
            | Self::MessageReactionRemoveEmoji => GatewayIntents::GUILD_MESSAGE_REACTIONS,
            Self::MessagePollVoteAdd | Self::MessagePollVoteRemove => {
                GatewayIntents::GUILD_MESSAGE_POLLS
            }
            Self::TypingStart => GatewayIntents::GUILD_MESSAGE_TYPING,
            Self::GuildScheduledEventCreate
            | Self::GuildScheduledEventUpdate
            | Self::GuildScheduledEventDelete
            | Self::GuildScheduledEventUserAdd
            | Self::GuildScheduledEventUserRemove => GatewayIntents::GUILD_SCHEDULED_EVENTS,
            Self::AutoModerationRuleCreate
            | Self::AutoModerationRuleUpdate
            | Self::AutoModerationRuleDelete => GatewayIntents::AUTO_MODERATION_CONFIGURATION,
            Self::AutoModerationActionExecution => GatewayIntents::AUTO_MODERATION_EXECUTION,
            Self::SoundboardSounds
            | Self::ApplicationCommandPermissionsUpdate
            | Self::InteractionCreate
            | Self::GuildMembersChunk
            | Self::Gap
            | Self::Other => GatewayIntents::empty(),
        }
    }
}

impl EventKinds {
    pub fn intents(self) -> GatewayIntents {
        let held = EventKind::all().filter(|kind| self.contains(*kind));
        held.fold(GatewayIntents::empty(), |all, kind| all | kind.intents())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Discord documentation, "List of Intents", and the API change that brought join requests.
    #[test]
    fn what_moderators_see_comes_with_moderation() {
        for kind in [
            EventKind::GuildAuditLogEntryCreate,
            EventKind::GuildBanAdd,
            EventKind::GuildBanRemove,
            EventKind::GuildJoinRequestCreate,
            EventKind::GuildJoinRequestUpdate,
            EventKind::GuildJoinRequestDelete,
        ] {
            let intents = kind.intents();
            assert_eq!(intents, GatewayIntents::GUILD_MODERATION, "{kind:?}");
        }
        let member = EventKind::GuildMemberAdd.intents();
        assert_eq!(member, GatewayIntents::GUILD_MEMBERS);
    }
}
