//! Guilds and the small things they own: roles, emojis, stickers, bans, invites, webhooks,
//! integrations, AutoMod rules and voice states.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::audit::AuditLog;
use super::members::Member;
use super::permissions as perm;
use super::{Id, JoinRequest, Removals, ScheduledEvent, Sound, StageInstance, Stamp, World};

/// A server.
#[derive(Debug, Clone)]
pub struct Guild {
    pub id: Id,
    pub name: String,
    pub icon: Option<String>,
    pub splash: Option<String>,
    pub discovery_splash: Option<String>,
    pub banner: Option<String>,
    pub description: Option<String>,
    pub owner_id: Id,
    pub features: BTreeSet<String>,
    pub afk_channel_id: Option<Id>,
    pub afk_timeout: u32,
    pub system_channel_id: Option<Id>,
    pub system_channel_flags: u32,
    pub rules_channel_id: Option<Id>,
    pub public_updates_channel_id: Option<Id>,
    pub safety_alerts_channel_id: Option<Id>,
    pub widget_channel_id: Option<Id>,
    pub widget_enabled: bool,
    pub verification_level: u8,
    pub default_message_notifications: u8,
    pub explicit_content_filter: u8,
    pub mfa_level: u8,
    pub nsfw_level: u8,
    pub premium_tier: u8,
    pub premium_subscription_count: u32,
    pub premium_progress_bar_enabled: bool,
    pub preferred_locale: String,
    pub vanity_url_code: Option<String>,
    /// People who came by the vanity code.
    pub vanity_uses: u64,
    pub incidents: Option<Incidents>,
    pub roles: BTreeMap<Id, Role>,
    pub members: BTreeMap<Id, Member>,
    /// Everyone who has ever left.
    pub departed: BTreeSet<Id>,
    /// Members that are bots, ascending.
    pub bots: Vec<Id>,
    pub channels: BTreeSet<Id>,
    /// Active and archived threads.
    pub threads: BTreeSet<Id>,
    pub emojis: BTreeMap<Id, Emoji>,
    pub stickers: BTreeMap<Id, Sticker>,
    pub bans: BTreeMap<Id, Ban>,
    pub integrations: BTreeMap<Id, Integration>,
    pub automod: BTreeMap<Id, AutomodRule>,
    pub voice: BTreeMap<Id, VoiceState>,
    pub scheduled_events: BTreeMap<Id, ScheduledEvent>,
    pub sounds: BTreeMap<Id, Sound>,
    /// What goes on on stages, by channel.
    pub stages: BTreeMap<Id, StageInstance>,
    /// Requests to join, decided ones too.
    pub join_requests: BTreeMap<Id, JoinRequest>,
    pub audit: AuditLog,
    pub removals: Removals,
    /// Description and channels of the welcome screen.
    pub welcome_screen: Value,
    /// As set; null before.
    pub onboarding: Value,
    /// An outage: clients are told the guild is unavailable.
    pub unavailable: bool,
    /// Commands per application that this guild has restricted: (application, command) → rules.
    pub command_permissions: BTreeMap<(Id, Id), Vec<super::CommandPermission>>,
}

/// What grows with a guild's people and days.
#[derive(Default)]
struct People {
    members: BTreeMap<Id, Member>,
    departed: BTreeSet<Id>,
    bans: BTreeMap<Id, Ban>,
    audit: AuditLog,
    removals: Removals,
}

impl Guild {
    /// Swaps what grows with people and days.
    fn swap_people(&mut self, people: &mut People) {
        std::mem::swap(&mut self.members, &mut people.members);
        std::mem::swap(&mut self.departed, &mut people.departed);
        std::mem::swap(&mut self.bans, &mut people.bans);
        std::mem::swap(&mut self.audit, &mut people.audit);
        std::mem::swap(&mut self.removals, &mut people.removals);
    }

    /// A copy to edit, without members, bans and audit log: there may be 50,000 of each.
    pub fn without_people(&mut self) -> Self {
        let mut people = People::default();
        self.swap_people(&mut people);
        let copy = self.clone();
        self.swap_people(&mut people);
        copy
    }

    /// Takes over everything from an edited copy but the people.
    pub fn become_edited(&mut self, mut edited: Self) {
        let mut people = People::default();
        self.swap_people(&mut people);
        edited.swap_people(&mut people);
        *self = edited;
    }

    /// Whether nobody gets in by an invite for now.
    pub fn invites_paused(&self, now: Stamp) -> bool {
        let until = self
            .incidents
            .as_ref()
            .and_then(|i| i.invites_disabled_until);
        until.is_some_and(|until| until > now) || self.features.contains("INVITES_DISABLED")
    }

    /// A guild with @everyone and its owner.
    pub fn new(id: Id, name: &str, owner_id: Id) -> Self {
        let everyone = Role::new(id, "@everyone", perm::DEFAULT_EVERYONE, 0);
        let mut guild = Self {
            id,
            name: name.to_owned(),
            icon: None,
            splash: None,
            discovery_splash: None,
            banner: None,
            description: None,
            owner_id,
            features: BTreeSet::new(),
            afk_channel_id: None,
            afk_timeout: 300,
            system_channel_id: None,
            system_channel_flags: 0,
            rules_channel_id: None,
            public_updates_channel_id: None,
            safety_alerts_channel_id: None,
            widget_channel_id: None,
            widget_enabled: false,
            verification_level: 0,
            default_message_notifications: 1,
            explicit_content_filter: 0,
            mfa_level: 0,
            nsfw_level: 0,
            premium_tier: 0,
            premium_subscription_count: 0,
            premium_progress_bar_enabled: false,
            preferred_locale: "en-US".to_owned(),
            vanity_url_code: None,
            vanity_uses: 0,
            incidents: None,
            roles: [(id, everyone)].into(),
            members: Default::default(),
            departed: BTreeSet::new(),
            bots: Vec::new(),
            channels: BTreeSet::new(),
            threads: BTreeSet::new(),
            emojis: Default::default(),
            stickers: Default::default(),
            bans: Default::default(),
            integrations: Default::default(),
            automod: Default::default(),
            voice: Default::default(),
            scheduled_events: Default::default(),
            sounds: Default::default(),
            stages: Default::default(),
            join_requests: Default::default(),
            audit: Default::default(),
            removals: Removals::default(),
            welcome_screen: Value::Null,
            onboarding: Value::Null,
            unavailable: false,
            command_permissions: Default::default(),
        };
        guild
            .members
            .insert(owner_id, Member::new(owner_id, id.created()));
        guild
    }
}

/// Safety measures with an end.
#[derive(Debug, Clone, Default)]
pub struct Incidents {
    pub invites_disabled_until: Option<Stamp>,
    pub dms_disabled_until: Option<Stamp>,
    /// When Discord noticed a raid, and spam in direct messages.
    pub raid_detected_at: Option<Stamp>,
    pub dm_spam_detected_at: Option<Stamp>,
}

impl Incidents {
    /// Whether there is anything to tell of.
    pub fn any(&self) -> bool {
        let all = [
            self.invites_disabled_until,
            self.dms_disabled_until,
            self.raid_detected_at,
            self.dm_spam_detected_at,
        ];
        all.iter().any(Option::is_some)
    }

    pub fn json(&self) -> Value {
        json!({
            "invites_disabled_until": self.invites_disabled_until,
            "dms_disabled_until": self.dms_disabled_until,
            "dm_spam_detected_at": self.dm_spam_detected_at,
            "raid_detected_at": self.raid_detected_at,
        })
    }
}

/// A role. The one with the guild's id is @everyone.
#[derive(Debug, Clone)]
pub struct Role {
    pub id: Id,
    pub name: String,
    pub permissions: u64,
    pub position: i64,
    /// Primary, secondary and tertiary colour.
    pub colors: (u32, Option<u32>, Option<u32>),
    pub hoist: bool,
    pub mentionable: bool,
    pub managed: bool,
    /// The bot a managed role belongs to.
    pub bot: Option<Id>,
    /// Given by connections of members to other services, never by hand.
    pub linked: bool,
    /// Held by whoever boosts the guild.
    pub booster: bool,
    pub subscription: Option<Subscription>,
    pub icon: Option<String>,
    pub unicode_emoji: Option<String>,
    pub flags: u32,
}

impl Role {
    pub fn new(id: Id, name: &str, permissions: u64, position: i64) -> Self {
        Self {
            id,
            name: name.to_owned(),
            permissions,
            position,
            colors: (0, None, None),
            hoist: false,
            mentionable: false,
            managed: false,
            bot: None,
            linked: false,
            booster: false,
            subscription: None,
            icon: None,
            unicode_emoji: None,
            flags: 0,
        }
    }

    pub fn json(&self) -> Value {
        let (primary, secondary, tertiary) = self.colors;
        let mut role = json!({
            "id": self.id,
            "name": self.name,
            "description": null,
            "permissions": self.permissions.to_string(),
            "position": self.position,
            "color": primary,
            "colors": {"primary_color": primary, "secondary_color": secondary, "tertiary_color": tertiary},
            "hoist": self.hoist,
            "managed": self.managed,
            "mentionable": self.mentionable,
            "icon": self.icon,
            "unicode_emoji": self.unicode_emoji,
            "flags": self.flags,
        });
        let tags = self.tags();
        if !tags.is_empty() {
            role["tags"] = tags.into();
        }
        role
    }

    /// What the role is bound to; null means that it is so ("Role Tags Structure").
    fn tags(&self) -> Map<String, Value> {
        let mut tags = Map::new();
        let mut tag = |key: &str, value: Value| tags.insert(key.to_owned(), value);
        if let Some(bot) = self.bot {
            tag("bot_id", json!(bot));
        }
        if let Some(sold) = &self.subscription {
            tag("integration_id", json!(sold.integration));
            tag("subscription_listing_id", json!(sold.listing));
            if sold.purchasable {
                tag("available_for_purchase", Value::Null);
            }
        }
        if self.booster {
            tag("premium_subscriber", Value::Null);
        }
        if self.linked {
            tag("guild_connections", Value::Null);
        }
        tags
    }
}

/// What is sold with a role.
#[derive(Debug, Clone, Copy)]
pub struct Subscription {
    pub integration: Id,
    pub listing: Id,
    pub purchasable: bool,
}

/// A custom emoji.
#[derive(Debug, Clone)]
pub struct Emoji {
    pub id: Id,
    pub name: String,
    pub roles: BTreeSet<Id>,
    pub animated: bool,
    pub creator: Id,
}

/// A custom sticker.
#[derive(Debug, Clone)]
pub struct Sticker {
    pub id: Id,
    pub name: String,
    pub description: Option<String>,
    pub tags: String,
    /// 1 PNG, 2 APNG, 3 Lottie, 4 GIF.
    pub format: u8,
    pub creator: Id,
}

/// A ban.
#[derive(Debug, Clone)]
pub struct Ban {
    pub user: Id,
    pub reason: Option<String>,
}

/// A bot added to a guild.
#[derive(Debug, Clone)]
pub struct Integration {
    pub id: Id,
    pub app: Id,
    pub bot: Id,
    pub added_by: Id,
    pub scopes: Vec<String>,
}

/// An AutoMod rule.
#[derive(Debug, Clone)]
pub struct AutomodRule {
    pub id: Id,
    pub name: String,
    pub creator: Id,
    pub event_type: u8,
    pub trigger_type: u8,
    pub trigger_metadata: Value,
    pub actions: Vec<Value>,
    pub enabled: bool,
    pub exempt_roles: Vec<Id>,
    pub exempt_channels: Vec<Id>,
}

impl AutomodRule {
    pub fn json(&self, guild: Id) -> Value {
        json!({
            "id": self.id,
            "guild_id": guild,
            "creator_id": self.creator,
            "name": self.name,
            "event_type": self.event_type,
            "trigger_type": self.trigger_type,
            "trigger_metadata": self.trigger_metadata,
            "actions": self.actions,
            "enabled": self.enabled,
            "exempt_roles": self.exempt_roles,
            "exempt_channels": self.exempt_channels,
        })
    }
}

/// Someone in a voice channel.
#[derive(Debug, Clone)]
pub struct VoiceState {
    pub user: Id,
    pub channel: Id,
    pub session: String,
    pub self_mute: bool,
    pub self_deaf: bool,
    pub suppress: bool,
    pub request_to_speak: Option<Stamp>,
}

/// An invite to a guild.
#[derive(Debug, Clone)]
pub struct Invite {
    pub code: String,
    pub guild: Id,
    pub channel: Id,
    pub inviter: Id,
    pub max_age: u64,
    pub max_uses: u64,
    pub uses: u64,
    pub temporary: bool,
    /// Given to whoever comes by it.
    pub roles: BTreeSet<Id>,
    pub created_at: Stamp,
}

impl Invite {
    /// When it stops working; `None` when it never does.
    pub fn expires_at(&self) -> Option<Stamp> {
        (self.max_age > 0).then(|| self.created_at.plus(self.max_age as i64 * 1000))
    }

    /// Whether it can still be used.
    pub fn alive(&self, now: Stamp) -> bool {
        self.expires_at().is_none_or(|end| end > now)
            && (self.max_uses == 0 || self.uses < self.max_uses)
    }
}

/// A webhook: an incoming one, or one that brings what another channel publishes.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub id: Id,
    pub guild: Id,
    pub channel: Id,
    pub name: String,
    pub avatar: Option<String>,
    pub token: String,
    pub creator: Id,
    /// Set when a bot made it.
    pub app: Option<Id>,
    /// The announcement channel it follows; it has no token then.
    pub source: Option<Id>,
}

impl World {
    /// The guild object of REST answers, without counts.
    pub fn guild_json(&self, guild: &Guild) -> Value {
        let roles: Vec<Value> = guild.roles.values().map(Role::json).collect();
        let mut json = json!({
            "id": guild.id,
            "name": guild.name,
            "icon": guild.icon,
            "description": guild.description,
            "home_header": null,
            "splash": guild.splash,
            "discovery_splash": guild.discovery_splash,
            "features": guild.features,
            "banner": guild.banner,
            "owner_id": guild.owner_id,
            "application_id": null,
            "region": "deprecated",
            "afk_channel_id": guild.afk_channel_id,
            "afk_timeout": guild.afk_timeout,
            "system_channel_id": guild.system_channel_id,
            "system_channel_flags": guild.system_channel_flags,
            "widget_enabled": guild.widget_enabled,
            "widget_channel_id": guild.widget_channel_id,
            "verification_level": guild.verification_level,
            "roles": null,
            "default_message_notifications": guild.default_message_notifications,
            "mfa_level": guild.mfa_level,
            "explicit_content_filter": guild.explicit_content_filter,
            "max_presences": null,
            "max_members": 500_000,
            "max_stage_video_channel_users": 50,
            "max_video_channel_users": 25,
            "vanity_url_code": guild.vanity_url_code,
            "premium_tier": guild.premium_tier,
            "premium_subscription_count": guild.premium_subscription_count,
            "preferred_locale": guild.preferred_locale,
            "rules_channel_id": guild.rules_channel_id,
            "safety_alerts_channel_id": guild.safety_alerts_channel_id,
            "public_updates_channel_id": guild.public_updates_channel_id,
            "premium_progress_bar_enabled": guild.premium_progress_bar_enabled,
            "premium_progress_bar_enabled_user_updated_at": null,
            "nsfw": matches!(guild.nsfw_level, 1 | 3),
            "nsfw_level": guild.nsfw_level,
            "emojis": null,
            "stickers": null,
            "incidents_data": guild.incidents.as_ref().map(Incidents::json),
        });
        // Moved into their places: `json!` would copy them.
        json["roles"] = roles.into();
        json["emojis"] = self.emojis_json(guild).into();
        json["stickers"] = self.stickers_json(guild).into();
        json
    }

    pub fn emojis_json(&self, guild: &Guild) -> Vec<Value> {
        guild.emojis.values().map(|e| self.emoji_json(e)).collect()
    }

    pub fn emoji_json(&self, emoji: &Emoji) -> Value {
        json!({
            "id": emoji.id,
            "name": emoji.name,
            "user": self.user_json(emoji.creator),
            "roles": emoji.roles,
            "require_colons": true,
            "managed": false,
            "animated": emoji.animated,
            "available": true,
        })
    }

    pub fn stickers_json(&self, guild: &Guild) -> Vec<Value> {
        guild
            .stickers
            .values()
            .map(|s| self.sticker_json(guild.id, s))
            .collect()
    }

    pub fn sticker_json(&self, guild: Id, sticker: &Sticker) -> Value {
        json!({
            "id": sticker.id,
            "name": sticker.name,
            "tags": sticker.tags,
            "type": 2,
            "format_type": sticker.format,
            "description": sticker.description,
            "available": true,
            "guild_id": guild,
            "user": self.user_json(sticker.creator),
        })
    }

    pub fn voice_json(&self, guild: &Guild, state: &VoiceState) -> Value {
        let member = guild.members.get(&state.user);
        json!({
            "channel_id": state.channel,
            "user_id": state.user,
            "session_id": state.session,
            "member": member.map(|m| self.member_json(m)),
            "deaf": member.is_some_and(|m| m.deaf),
            "mute": member.is_some_and(|m| m.mute),
            "self_deaf": state.self_deaf,
            "self_mute": state.self_mute,
            "self_stream": false,
            "self_video": false,
            "suppress": state.suppress,
            "request_to_speak_timestamp": state.request_to_speak,
        })
    }

    pub fn webhook_json(&self, webhook: &Webhook, with_token: bool) -> Value {
        let mut json = json!({
            "application_id": webhook.app,
            "avatar": webhook.avatar,
            "channel_id": webhook.channel,
            "guild_id": webhook.guild,
            "id": webhook.id,
            "name": webhook.name,
            "type": if webhook.source.is_some() { 2 } else { 1 },
        });
        if with_token {
            json["user"] = self.user_json(webhook.creator);
        }
        if let Some(source) = webhook.source.and_then(|c| self.channels.get(&c)) {
            json["source_channel"] = json!({"id": source.id, "name": source.name});
            if let Some(guild) = source.guild_id.and_then(|g| self.guilds.get(&g)) {
                json["source_guild"] =
                    json!({"id": guild.id, "icon": guild.icon, "name": guild.name});
            }
        }
        if with_token && webhook.source.is_none() {
            json["token"] = webhook.token.as_str().into();
            json["url"] = format!(
                "{}/api/webhooks/{}/{}",
                self.addresses.rest, webhook.id, webhook.token
            )
            .into();
        }
        json
    }

    pub fn invite_json(&self, invite: &Invite, with_metadata: bool) -> Value {
        let guild = self.guilds.get(&invite.guild);
        let channel = self.channels.get(&invite.channel);
        let mut json = json!({
            "type": 0,
            "code": invite.code,
            "inviter": self.user_json(invite.inviter),
            "max_age": invite.max_age,
            "created_at": invite.created_at,
            "expires_at": invite.expires_at(),
            "flags": 0,
            "guild_id": invite.guild,
            "guild": guild.map(|g| json!({
                "id": g.id, "name": g.name, "splash": g.splash, "banner": g.banner,
                "description": g.description, "icon": g.icon, "features": g.features,
                "verification_level": g.verification_level, "vanity_url_code": g.vanity_url_code,
                "nsfw_level": g.nsfw_level, "nsfw": matches!(g.nsfw_level, 1 | 3),
                "premium_subscription_count": g.premium_subscription_count,
                "premium_tier": g.premium_tier,
            })),
            "channel": channel.map(|c| json!({"id": c.id, "type": c.kind, "name": c.name})),
        });
        let roles = guild.into_iter().flat_map(|g| &g.roles);
        let roles = roles.filter(|(id, _)| invite.roles.contains(id));
        let roles: Vec<Value> = roles.map(|(_, r)| invited_role(r)).collect();
        if !roles.is_empty() {
            json["roles"] = roles.into();
        }
        if with_metadata {
            json["uses"] = invite.uses.into();
            json["max_uses"] = invite.max_uses.into();
            json["temporary"] = invite.temporary.into();
        } else if let Some(map) = json.as_object_mut() {
            map.remove("max_age");
            map.remove("created_at");
        }
        json
    }

    pub fn integration_json(&self, integration: &Integration) -> Value {
        let app = self.apps.get(&integration.app);
        let name = app.map_or("", |a| a.name.as_str());
        json!({
            "type": "discord",
            "name": name,
            "account": {"id": integration.app, "name": name},
            "enabled": true,
            "id": integration.id,
            "application": {
                "id": integration.app,
                "name": name,
                "icon": app.and_then(|a| a.icon.as_deref()),
                "description": app.map_or("", |a| a.description.as_str()),
                "type": null,
                "bot": self.user_json(integration.bot),
            },
            "scopes": integration.scopes,
            "user": self.user_json(integration.added_by),
        })
    }
}

/// A role as an invite shows it.
fn invited_role(role: &Role) -> Value {
    let (primary, secondary, tertiary) = role.colors;
    json!({
        "id": role.id, "name": role.name, "position": role.position, "color": primary,
        "colors": {"primary_color": primary, "secondary_color": secondary,
            "tertiary_color": tertiary},
        "icon": role.icon, "unicode_emoji": role.unicode_emoji,
        "permissions": role.permissions.to_string(),
    })
}
