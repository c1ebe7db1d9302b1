//! The audit log: who did what, and what it deliberately leaves out.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::permissions as perm;
use super::{Id, Stamp, World, intent};

/// Days an entry is kept.
const KEPT_MS: i64 = 45 * 86_400_000;
/// How long repeated deletions, moves and disconnects are counted into one entry.
const MERGE_MS: i64 = 5 * 60_000;

/// Action types.
pub mod action {
    pub const GUILD_UPDATE: u16 = 1;
    pub const CHANNEL_CREATE: u16 = 10;
    pub const CHANNEL_UPDATE: u16 = 11;
    pub const CHANNEL_DELETE: u16 = 12;
    pub const OVERWRITE_CREATE: u16 = 13;
    pub const OVERWRITE_UPDATE: u16 = 14;
    pub const OVERWRITE_DELETE: u16 = 15;
    pub const MEMBER_KICK: u16 = 20;
    pub const MEMBER_PRUNE: u16 = 21;
    pub const BAN_ADD: u16 = 22;
    pub const BAN_REMOVE: u16 = 23;
    pub const MEMBER_UPDATE: u16 = 24;
    pub const MEMBER_ROLE_UPDATE: u16 = 25;
    pub const MEMBER_MOVE: u16 = 26;
    pub const MEMBER_DISCONNECT: u16 = 27;
    pub const BOT_ADD: u16 = 28;
    pub const ROLE_CREATE: u16 = 30;
    pub const ROLE_UPDATE: u16 = 31;
    pub const ROLE_DELETE: u16 = 32;
    pub const INVITE_CREATE: u16 = 40;
    pub const INVITE_DELETE: u16 = 42;
    pub const WEBHOOK_CREATE: u16 = 50;
    pub const WEBHOOK_UPDATE: u16 = 51;
    pub const WEBHOOK_DELETE: u16 = 52;
    pub const EMOJI_CREATE: u16 = 60;
    pub const EMOJI_UPDATE: u16 = 61;
    pub const EMOJI_DELETE: u16 = 62;
    pub const MESSAGE_DELETE: u16 = 72;
    pub const MESSAGE_BULK_DELETE: u16 = 73;
    pub const MESSAGE_PIN: u16 = 74;
    pub const MESSAGE_UNPIN: u16 = 75;
    pub const INTEGRATION_CREATE: u16 = 80;
    pub const INTEGRATION_DELETE: u16 = 82;
    pub const STAGE_CREATE: u16 = 83;
    pub const STAGE_UPDATE: u16 = 84;
    pub const STAGE_DELETE: u16 = 85;
    pub const STICKER_CREATE: u16 = 90;
    pub const STICKER_UPDATE: u16 = 91;
    pub const STICKER_DELETE: u16 = 92;
    pub const SCHEDULED_EVENT_CREATE: u16 = 100;
    pub const SCHEDULED_EVENT_UPDATE: u16 = 101;
    pub const SCHEDULED_EVENT_DELETE: u16 = 102;
    pub const THREAD_CREATE: u16 = 110;
    pub const THREAD_UPDATE: u16 = 111;
    pub const THREAD_DELETE: u16 = 112;
    pub const COMMAND_PERMISSION_UPDATE: u16 = 121;
    pub const SOUND_CREATE: u16 = 130;
    pub const SOUND_UPDATE: u16 = 131;
    pub const SOUND_DELETE: u16 = 132;
    pub const AUTOMOD_RULE_CREATE: u16 = 140;
    pub const AUTOMOD_RULE_UPDATE: u16 = 141;
    pub const AUTOMOD_RULE_DELETE: u16 = 142;
    pub const AUTOMOD_BLOCK: u16 = 143;
    pub const AUTOMOD_FLAG: u16 = 144;
    pub const AUTOMOD_TIMEOUT: u16 = 145;
    pub const AUTOMOD_QUARANTINE: u16 = 146;
    pub const ONBOARDING_CREATE: u16 = 166;
    pub const ONBOARDING_UPDATE: u16 = 167;
    pub const VOICE_STATUS_UPDATE: u16 = 192;
    pub const VOICE_STATUS_DELETE: u16 = 193;
    pub const EVENT_EXCEPTION_CREATE: u16 = 200;
    pub const EVENT_EXCEPTION_UPDATE: u16 = 201;
    pub const EVENT_EXCEPTION_DELETE: u16 = 202;
}

/// One changed property.
#[derive(Debug, Clone)]
pub struct Change {
    pub key: &'static str,
    pub old: Option<Value>,
    pub new: Option<Value>,
}

impl Change {
    pub fn new(key: &'static str, old: Option<Value>, new: Option<Value>) -> Self {
        Self {
            key,
            old: old.filter(|v| !v.is_null()),
            new: new.filter(|v| !v.is_null()),
        }
    }

    /// Of something new.
    pub fn made(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Vec<Self> {
        let fields = fields.into_iter();
        fields.map(|(k, v)| Self::new(k, None, Some(v))).collect()
    }

    /// Of something that is no more.
    pub fn gone(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Vec<Self> {
        let fields = fields.into_iter();
        fields.map(|(k, v)| Self::new(k, Some(v), None)).collect()
    }

    fn json(&self) -> Value {
        let mut json = json!({"key": self.key});
        if let Some(old) = &self.old {
            json["old_value"] = old.clone();
        }
        if let Some(new) = &self.new {
            json["new_value"] = new.clone();
        }
        json
    }
}

/// An entry.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    pub id: Id,
    pub action: u16,
    pub user: Option<Id>,
    pub target: Option<Id>,
    pub changes: Vec<Change>,
    /// Every value is a string, numbers too.
    pub options: Vec<(&'static str, String)>,
    pub reason: Option<String>,
    /// In steady time, as the next one.
    pub written_ms: i64,
    /// From when on the log shows it, some time after the act; `None` when a fault loses it.
    pub shown_from_ms: Option<i64>,
}

impl AuditEntry {
    pub fn json(&self) -> Value {
        let mut json = json!({
            "id": self.id,
            "action_type": self.action,
            "user_id": self.user,
            "target_id": self.target,
        });
        if !self.changes.is_empty() {
            json["changes"] = self.changes.iter().map(Change::json).collect();
        }
        if !self.options.is_empty() {
            let options: Map<String, Value> = self
                .options
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.as_str().into()))
                .collect();
            json["options"] = options.into();
        }
        if let Some(reason) = &self.reason {
            json["reason"] = reason.as_str().into();
        }
        json
    }
}

/// Entries of one guild, oldest first.
#[derive(Debug, Clone, Default)]
pub struct AuditLog {
    entries: VecDeque<AuditEntry>,
}

impl AuditLog {
    /// Entries, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &AuditEntry> {
        self.entries.iter()
    }

    fn forget_before(&mut self, limit: Stamp) {
        while self.entries.front().is_some_and(|e| e.id.created() < limit) {
            self.entries.pop_front();
        }
    }
}

/// An entry to be written.
#[derive(Debug, Clone)]
pub struct Audit {
    action: u16,
    user: Option<Id>,
    target: Option<Id>,
    changes: Vec<Change>,
    options: Vec<(&'static str, String)>,
    reason: Option<String>,
}

impl Audit {
    /// An entry of a kind of [`action`]. Nobody stands in it when a token acted, a webhook's own.
    pub fn of(action: u16, user: impl Into<Option<Id>>) -> Self {
        Self {
            action,
            user: user.into(),
            target: None,
            changes: Vec::new(),
            options: Vec::new(),
            reason: None,
        }
    }

    #[must_use]
    pub fn target(mut self, target: impl Into<Option<Id>>) -> Self {
        self.target = target.into();
        self
    }

    /// Those that tell nothing are left out.
    #[must_use]
    pub fn changes(mut self, mut changes: Vec<Change>) -> Self {
        changes.retain(|c| c.old.is_some() || c.new.is_some());
        self.changes = changes;
        self
    }

    #[must_use]
    pub fn options(mut self, options: Vec<(&'static str, String)>) -> Self {
        self.options = options;
        self
    }

    #[must_use]
    pub fn reason(mut self, reason: Option<&str>) -> Self {
        self.reason = reason.map(str::to_owned);
        self
    }
}

impl World {
    /// Writes an entry and announces it.
    pub fn audit(&mut self, guild: Id, audit: Audit) {
        let id = self.next_id();
        let written_ms = self.steady_ms();
        let limit = self.now().plus(-KEPT_MS);
        let (delay_ms, ahead) = self.audit_delay();
        let late_ms = self.faults.on_audit_entry(&guild.to_string());
        let late_ms = late_ms.map(|ms| ms.saturating_add(delay_ms));
        let entry = AuditEntry {
            id,
            action: audit.action,
            user: audit.user,
            target: audit.target,
            changes: audit.changes,
            options: audit.options,
            reason: audit.reason,
            written_ms,
            shown_from_ms: late_ms
                .map(|ms| written_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))),
        };
        let mut payload = entry.json();
        let Some(state) = self.guilds.get_mut(&guild) else {
            return;
        };
        state.audit.forget_before(limit);
        state.audit.entries.push_back(entry);
        payload["guild_id"] = json!(guild);
        let Some(late_ms) = late_ms else {
            return;
        };
        let before = self.outbox.len();
        self.emit(
            guild,
            "GUILD_AUDIT_LOG_ENTRY_CREATE",
            intent::GUILD_MODERATION,
            perm::VIEW_AUDIT_LOG,
            payload,
        );
        if self.outbox.len() > before {
            self.delay_last_event("GUILD_AUDIT_LOG_ENTRY_CREATE", late_ms);
            if ahead {
                self.outbox[..=before].rotate_right(1);
            }
        }
    }

    /// Milliseconds until the next entry appears, and whether it comes ahead of what it explains.
    fn audit_delay(&mut self) -> (u64, bool) {
        if self.building.is_some() {
            return (0, false);
        }
        self.audit_written += 1;
        match self.conduct.audit.of(self.seed, self.audit_written) {
            Some(ms) => (ms, false),
            None => (0, true),
        }
    }

    /// Writes an entry of a kind that is counted, in `channel`: a recent one by the same user
    /// about the same target and channel only grows, and nothing is announced again.
    pub fn audit_counted(&mut self, guild: Id, mut audit: Audit, channel: Option<Id>) {
        let now = self.steady_ms();
        let channel = channel.map(|c| c.to_string());
        if let Some(state) = self.guilds.get_mut(&guild) {
            let same = state.audit.entries.iter_mut().rev().take(50).find(|e| {
                e.action == audit.action
                    && e.user == audit.user
                    && e.target == audit.target
                    && e.written_ms + MERGE_MS > now
                    && e.options
                        .iter()
                        .find(|(k, _)| *k == "channel_id")
                        .map(|(_, v)| v)
                        == channel.as_ref()
            });
            if let Some(count) =
                same.and_then(|e| e.options.iter_mut().find(|(k, _)| *k == "count"))
            {
                count.1 = (count.1.parse::<u64>().unwrap_or(0) + 1).to_string();
                return;
            }
        }
        if let Some(channel) = channel {
            audit.options.push(("channel_id", channel));
        }
        audit.options.push(("count", "1".to_owned()));
        self.audit(guild, audit);
    }
}
