//! What a dispatch of the gateway is, and how much it matters.

/// What happens to an event when there are more than can be worked off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Tells who did what to a server, or what it consists of. Never left out, never behind others:
    /// a full mailbox makes the shard's reader wait instead.
    Security,
    /// Left out first, and counted.
    Rest,
}

macro_rules! kinds {
    ($($class:ident { $($kind:ident = $name:literal),+ $(,)? })+) => {
        /// The dispatches that anything here may care about, by their names on the wire, and a few
        /// kinds that no single dispatch is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum EventKind {
            $($(#[doc = $name] $kind,)+)+
            /// The bot was removed, or the server deleted: GUILD_DELETE without an outage.
            GuildGone,
            /// An outage: GUILD_DELETE with `unavailable`.
            GuildUnavailable,
            /// Events of this server were, or may have been, missed; see [`Gap`](super::Gap).
            Gap,
            /// Any other dispatch.
            Other,
        }

        impl EventKind {
            /// GUILD_DELETE is not named here: only its body tells which of two kinds it is.
            #[allow(non_upper_case_globals, reason = "named like the kinds")]
            pub fn of_name(name: &[u8]) -> Self {
                $($(const $kind: &[u8] = $name.as_bytes();)+)+
                match name {
                    $($($kind => Self::$kind,)+)+
                    _ => Self::Other,
                }
            }

            /// The name on the wire, the same for both kinds that a GUILD_DELETE can be.
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Self::$kind => $name,)+)+
                    Self::GuildGone | Self::GuildUnavailable => "GUILD_DELETE",
                    Self::Gap => "gap",
                    Self::Other => "other",
                }
            }

            pub const fn class(self) -> Class {
                match self {
                    $($(Self::$kind)|+ => Class::$class,)+
                    Self::GuildGone | Self::GuildUnavailable | Self::Gap => Class::Security,
                    Self::Other => Class::Rest,
                }
            }

            const NAMED: &'static [Self] = &[$($(Self::$kind),+),+];
        }
    };
}

kinds! {
    Security {
        GuildAuditLogEntryCreate = "GUILD_AUDIT_LOG_ENTRY_CREATE",
        GuildBanAdd = "GUILD_BAN_ADD",
        GuildBanRemove = "GUILD_BAN_REMOVE",
        GuildMemberAdd = "GUILD_MEMBER_ADD",
        GuildMemberUpdate = "GUILD_MEMBER_UPDATE",
        GuildMemberRemove = "GUILD_MEMBER_REMOVE",
        GuildJoinRequestCreate = "GUILD_JOIN_REQUEST_CREATE",
        GuildJoinRequestUpdate = "GUILD_JOIN_REQUEST_UPDATE",
        GuildJoinRequestDelete = "GUILD_JOIN_REQUEST_DELETE",
        GuildCreate = "GUILD_CREATE",
        GuildUpdate = "GUILD_UPDATE",
        GuildRoleCreate = "GUILD_ROLE_CREATE",
        GuildRoleUpdate = "GUILD_ROLE_UPDATE",
        GuildRoleDelete = "GUILD_ROLE_DELETE",
        ChannelCreate = "CHANNEL_CREATE",
        ChannelUpdate = "CHANNEL_UPDATE",
        ChannelDelete = "CHANNEL_DELETE",
        ThreadCreate = "THREAD_CREATE",
        ThreadUpdate = "THREAD_UPDATE",
        ThreadDelete = "THREAD_DELETE",
        ThreadListSync = "THREAD_LIST_SYNC",
        WebhooksUpdate = "WEBHOOKS_UPDATE",
        GuildIntegrationsUpdate = "GUILD_INTEGRATIONS_UPDATE",
        IntegrationCreate = "INTEGRATION_CREATE",
        IntegrationUpdate = "INTEGRATION_UPDATE",
        IntegrationDelete = "INTEGRATION_DELETE",
        InviteCreate = "INVITE_CREATE",
        InviteDelete = "INVITE_DELETE",
        GuildEmojisUpdate = "GUILD_EMOJIS_UPDATE",
        GuildStickersUpdate = "GUILD_STICKERS_UPDATE",
        GuildSoundboardSoundCreate = "GUILD_SOUNDBOARD_SOUND_CREATE",
        GuildSoundboardSoundUpdate = "GUILD_SOUNDBOARD_SOUND_UPDATE",
        GuildSoundboardSoundDelete = "GUILD_SOUNDBOARD_SOUND_DELETE",
        GuildSoundboardSoundsUpdate = "GUILD_SOUNDBOARD_SOUNDS_UPDATE",
        SoundboardSounds = "SOUNDBOARD_SOUNDS",
        AutoModerationRuleCreate = "AUTO_MODERATION_RULE_CREATE",
        AutoModerationRuleUpdate = "AUTO_MODERATION_RULE_UPDATE",
        AutoModerationRuleDelete = "AUTO_MODERATION_RULE_DELETE",
        AutoModerationActionExecution = "AUTO_MODERATION_ACTION_EXECUTION",
        GuildScheduledEventCreate = "GUILD_SCHEDULED_EVENT_CREATE",
        GuildScheduledEventUpdate = "GUILD_SCHEDULED_EVENT_UPDATE",
        GuildScheduledEventDelete = "GUILD_SCHEDULED_EVENT_DELETE",
        StageInstanceCreate = "STAGE_INSTANCE_CREATE",
        StageInstanceUpdate = "STAGE_INSTANCE_UPDATE",
        StageInstanceDelete = "STAGE_INSTANCE_DELETE",
        ApplicationCommandPermissionsUpdate = "APPLICATION_COMMAND_PERMISSIONS_UPDATE",
        MessageDeleteBulk = "MESSAGE_DELETE_BULK",
        // A button may end a panic; serenity answers the commands.
        InteractionCreate = "INTERACTION_CREATE",
    }
    Rest {
        MessageCreate = "MESSAGE_CREATE",
        MessageUpdate = "MESSAGE_UPDATE",
        MessageDelete = "MESSAGE_DELETE",
        MessageReactionAdd = "MESSAGE_REACTION_ADD",
        MessageReactionRemove = "MESSAGE_REACTION_REMOVE",
        MessageReactionRemoveAll = "MESSAGE_REACTION_REMOVE_ALL",
        MessageReactionRemoveEmoji = "MESSAGE_REACTION_REMOVE_EMOJI",
        MessagePollVoteAdd = "MESSAGE_POLL_VOTE_ADD",
        MessagePollVoteRemove = "MESSAGE_POLL_VOTE_REMOVE",
        ChannelPinsUpdate = "CHANNEL_PINS_UPDATE",
        ThreadMemberUpdate = "THREAD_MEMBER_UPDATE",
        ThreadMembersUpdate = "THREAD_MEMBERS_UPDATE",
        GuildMembersChunk = "GUILD_MEMBERS_CHUNK",
        GuildScheduledEventUserAdd = "GUILD_SCHEDULED_EVENT_USER_ADD",
        GuildScheduledEventUserRemove = "GUILD_SCHEDULED_EVENT_USER_REMOVE",
        VoiceStateUpdate = "VOICE_STATE_UPDATE",
        VoiceServerUpdate = "VOICE_SERVER_UPDATE",
        VoiceChannelEffectSend = "VOICE_CHANNEL_EFFECT_SEND",
        VoiceChannelStatusUpdate = "VOICE_CHANNEL_STATUS_UPDATE",
        PresenceUpdate = "PRESENCE_UPDATE",
        TypingStart = "TYPING_START",
    }
}

impl EventKind {
    /// In the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        let others = [
            Self::GuildGone,
            Self::GuildUnavailable,
            Self::Gap,
            Self::Other,
        ];
        Self::NAMED.iter().copied().chain(others)
    }

    /// A label of metrics; one per kind.
    pub const fn label(self) -> &'static str {
        match self {
            Self::GuildGone => "GUILD_DELETE",
            Self::GuildUnavailable => "GUILD_DELETE unavailable",
            kind => kind.name(),
        }
    }
}

/// A set of kinds: the cheap filter of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventKinds(u128);

const _: () = assert!((EventKind::Other as u8) < 128, "a bit for each kind");

impl EventKinds {
    pub const NONE: Self = Self(0);

    pub const fn of(kinds: &[EventKind]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < kinds.len() {
            bits |= 1 << kinds[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    pub const fn contains(self, kind: EventKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_kinds_and_back() {
        for kind in EventKind::NAMED {
            assert_eq!(EventKind::of_name(kind.name().as_bytes()), *kind);
        }
        assert_eq!(EventKind::of_name(b"GUILD_DELETE"), EventKind::Other);
        assert_eq!(EventKind::of_name(b"guild_create"), EventKind::Other);
    }

    #[test]
    fn each_kind_has_its_number_and_its_label() {
        let labels: std::collections::BTreeSet<_> =
            EventKind::all().map(EventKind::label).collect();
        assert_eq!(labels.len(), EventKind::all().count());
        for (number, kind) in EventKind::all().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }

    /// What a server consists of is followed from events, so none of them may be left out.
    #[test]
    fn whatever_changes_a_structure_is_never_left_out() {
        for name in splashtail_guild::CONSUMED_EVENTS {
            let kind = EventKind::of_name(name.as_bytes());
            assert_ne!(kind, EventKind::Other, "{name}");
            assert_eq!(kind.class(), Class::Security, "{name}");
        }
    }

    #[test]
    fn a_set_holds_what_it_was_given() {
        let set = EventKinds::of(&[EventKind::GuildAuditLogEntryCreate, EventKind::Gap]);
        let held: Vec<_> = EventKind::all()
            .filter(|kind| set.contains(*kind))
            .collect();
        assert_eq!(held, [EventKind::GuildAuditLogEntryCreate, EventKind::Gap]);
    }
}
