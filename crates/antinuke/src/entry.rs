//! An audit log entry, read from Discord's JSON: nothing in it is certain to be there.

use serde_json::Value;
use splashtail_guild::Id;

use crate::moment::Moment;

/// Action types (Discord docs, "Audit Log Events"; the rest from the change log and observation).
pub mod action {
    pub const GUILD_UPDATE: u16 = 1;
    pub const CHANNEL_CREATE: u16 = 10;
    pub const CHANNEL_UPDATE: u16 = 11;
    pub const CHANNEL_DELETE: u16 = 12;
    pub const OVERWRITE_CREATE: u16 = 13;
    pub const OVERWRITE_DELETE: u16 = 15;
    pub const MEMBER_KICK: u16 = 20;
    pub const MEMBER_PRUNE: u16 = 21;
    pub const MEMBER_BAN_ADD: u16 = 22;
    pub const MEMBER_BAN_REMOVE: u16 = 23;
    pub const MEMBER_UPDATE: u16 = 24;
    pub const MEMBER_ROLE_UPDATE: u16 = 25;
    pub const MEMBER_MOVE: u16 = 26;
    pub const MEMBER_DISCONNECT: u16 = 27;
    pub const BOT_ADD: u16 = 28;
    pub const ROLE_CREATE: u16 = 30;
    pub const ROLE_UPDATE: u16 = 31;
    pub const ROLE_DELETE: u16 = 32;
    pub const INVITE_CREATE: u16 = 40;
    pub const INVITE_UPDATE: u16 = 41;
    pub const INVITE_DELETE: u16 = 42;
    pub const WEBHOOK_CREATE: u16 = 50;
    pub const WEBHOOK_UPDATE: u16 = 51;
    pub const WEBHOOK_DELETE: u16 = 52;
    pub const MESSAGE_DELETE: u16 = 72;
    pub const MESSAGE_BULK_DELETE: u16 = 73;
    pub const MESSAGE_PIN: u16 = 74;
    pub const SCHEDULED_EVENT_DELETE: u16 = 102;
    pub const THREAD_DELETE: u16 = 112;
    pub const COMMAND_PERMISSION_UPDATE: u16 = 121;
    pub const SOUND_DELETE: u16 = 132;
    pub const AUTOMOD_RULE_CREATE: u16 = 140;
    pub const AUTOMOD_RULE_UPDATE: u16 = 141;
    pub const AUTOMOD_RULE_DELETE: u16 = 142;
    pub const AUTOMOD_BLOCK: u16 = 143;
    pub const AUTOMOD_TIMEOUT: u16 = 145;
    pub const AUTOMOD_QUARANTINE: u16 = 146;
    pub const ONBOARDING_PROMPT_CREATE: u16 = 163;
    pub const ONBOARDING_UPDATE: u16 = 167;
}

/// What can be read of an entry without which it is none.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub raw: &'a Value,
    pub id: Id,
    pub action: u16,
    pub user: Option<Id>,
    pub target: Option<Id>,
}

/// One changed property.
#[derive(Debug, Clone, Copy)]
pub struct Changed<'a> {
    pub key: &'a str,
    pub old: &'a Value,
    pub new: &'a Value,
}

impl<'a> Entry<'a> {
    /// `None` without id or type: a type of null is a race inside Discord (discord-api-docs#5055).
    pub fn read(raw: &'a Value) -> Option<Self> {
        Some(Self {
            raw,
            id: Id::of(raw)?,
            action: u16::try_from(raw["action_type"].as_u64()?).ok()?,
            user: Id::read(&raw["user_id"]),
            target: Id::read(&raw["target_id"]),
        })
    }

    pub fn at(&self) -> Moment {
        Moment::of(self.id)
    }

    pub fn changes(&self) -> impl Iterator<Item = Changed<'a>> + use<'a> {
        let changes = self.raw["changes"].as_array().into_iter().flatten();
        changes.filter_map(|change| {
            Some(Changed {
                key: change["key"].as_str()?,
                old: &change["old_value"],
                new: &change["new_value"],
            })
        })
    }

    pub fn change(&self, key: &str) -> Option<Changed<'a>> {
        self.changes().find(|change| change.key == key)
    }

    pub fn option(&self, key: &str) -> &'a Value {
        &self.raw["options"][key]
    }

    /// A number among the options: they are strings.
    pub fn number(&self, key: &str) -> Option<u64> {
        match self.option(key) {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    pub fn reason(&self) -> Option<&'a str> {
        self.raw["reason"].as_str()
    }

    /// Roles added to or removed from a member: only a new value carries them.
    pub fn roles(&self, key: &str) -> Vec<Id> {
        let list = self.change(key).map(|c| c.new.as_array());
        let roles = list.flatten().into_iter().flatten();
        roles.filter_map(Id::of).collect()
    }

    /// Done by an application's linked roles or by onboarding, in nobody's name.
    pub fn by_integration(&self) -> bool {
        self.option("integration_type").is_string()
    }
}
