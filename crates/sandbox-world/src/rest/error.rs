//! Errors as Discord words them.

use serde_json::{Map, Value, json};

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub struct ApiError {
    pub status: u16,
    pub code: i64,
    pub message: String,
    /// Leaves by path; only of 50035.
    pub fields: Vec<FieldError>,
    pub retry: Option<Retry>,
}

/// One refused field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// `["embeds", "0", "title"]`.
    pub path: Vec<String>,
    pub code: &'static str,
    pub message: String,
}

/// The extra facts of a 429.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    pub after_ms: i64,
    pub global: bool,
    /// `user`, `global` or `shared`.
    pub scope: &'static str,
}

/// A known code with its status and message.
pub type Known = (u16, i64, &'static str);

pub const UNKNOWN_APPLICATION: Known = (404, 10002, "Unknown Application");
pub const UNKNOWN_CHANNEL: Known = (404, 10003, "Unknown Channel");
pub const UNKNOWN_GUILD: Known = (404, 10004, "Unknown Guild");
pub const UNKNOWN_INTEGRATION: Known = (404, 10005, "Unknown Integration");
pub const UNKNOWN_INVITE: Known = (404, 10006, "Unknown Invite");
pub const UNKNOWN_MEMBER: Known = (404, 10007, "Unknown Member");
pub const UNKNOWN_MESSAGE: Known = (404, 10008, "Unknown Message");
pub const UNKNOWN_OVERWRITE: Known = (404, 10009, "Unknown Overwrite");
pub const UNKNOWN_ROLE: Known = (404, 10011, "Unknown Role");
pub const UNKNOWN_USER: Known = (404, 10013, "Unknown User");
pub const UNKNOWN_EMOJI: Known = (404, 10014, "Unknown Emoji");
pub const UNKNOWN_WEBHOOK: Known = (404, 10015, "Unknown Webhook");
pub const UNKNOWN_BAN: Known = (404, 10026, "Unknown Ban");
pub const UNKNOWN_STICKER: Known = (404, 10060, "Unknown Sticker");
pub const UNKNOWN_INTERACTION: Known = (404, 10062, "Unknown interaction");
pub const UNKNOWN_COMMAND: Known = (404, 10063, "Unknown application command");
pub const UNKNOWN_VOICE_STATE: Known = (404, 10065, "Unknown Voice State");
pub const UNKNOWN_COMMAND_PERMISSIONS: Known =
    (404, 10066, "Unknown application command permissions");
pub const UNKNOWN_TEMPLATE: Known = (404, 10057, "Unknown guild template");
pub const UNKNOWN_STAGE: Known = (404, 10067, "Unknown Stage Instance");
pub const UNKNOWN_JOIN_REQUEST: Known = (404, 0, "404: Not Found");
pub const STAGE_OPEN: Known = (400, 150_006, "The Stage is already open");
pub const UNKNOWN_WELCOME_SCREEN: Known = (404, 10069, "Unknown Guild Welcome Screen");
pub const UNKNOWN_EVENT: Known = (404, 10070, "Unknown Guild Scheduled Event");
pub const UNKNOWN_POLL_ANSWER: Known = (404, 10_120, "Unknown Poll Answer");
pub const UNKNOWN_STICKER_PACK: Known = (404, 10061, "Unknown Sticker Pack");
pub const UNKNOWN_SOUND: Known = (404, 10097, "Unknown sound");
pub const NOT_FOR_BOTS: Known = (403, 20001, "Bots cannot use this endpoint");
pub const ONLY_BOTS: Known = (403, 20002, "Only bots can use this endpoint");
pub const MAX_USER_GUILDS: Known = (400, 30001, "Maximum number of guilds reached (100)");
pub const MAX_PINS: Known = (
    400,
    30003,
    "Maximum number of pins reached for the channel (250)",
);
pub const MAX_ROLES: Known = (400, 30005, "Maximum number of guild roles reached (250)");
pub const MAX_WEBHOOKS: Known = (400, 30007, "Maximum number of webhooks reached (15)");
pub const MAX_GUILD_WEBHOOKS: Known = (
    400,
    30058,
    "Maximum number of webhooks per guild reached (1000)",
);
pub const MAX_EMOJIS: Known = (400, 30008, "Maximum number of emojis reached");
pub const MAX_ANIMATED_EMOJIS: Known = (400, 30018, "Maximum number of animated emojis reached");
pub const MAX_REACTIONS: Known = (400, 30010, "Maximum number of reactions reached (20)");
pub const MAX_CHANNELS: Known = (400, 30013, "Maximum number of guild channels reached (500)");
pub const MAX_INVITES: Known = (400, 30016, "Maximum number of invites reached (1000)");
pub const HAS_TEMPLATE: Known = (400, 30031, "Guild already has a template");
pub const MAX_THREAD_MEMBERS: Known = (
    400,
    30033,
    "Maximum number of thread participants has been reached (1000)",
);
pub const MAX_COMMANDS: Known = (
    400,
    30032,
    "Maximum number of application commands reached (100).",
);
pub const MAX_COMMAND_CREATES: Known = (
    400,
    30034,
    "Max number of daily application command creates has been reached (200)",
);
pub const MAX_STRANGER_BANS: Known = (
    400,
    30035,
    "Maximum number of bans for non-guild members have been exceeded",
);
pub const MAX_BAN_FETCHES: Known = (
    429,
    30037,
    "Maximum number of bans fetches has been reached",
);
pub const MAX_OLD_EDITS: Known = (
    429,
    30046,
    "Maximum number of edits to messages older than 1 hour reached. Try again later",
);
pub const MAX_PINNED_THREADS: Known = (
    400,
    30047,
    "Maximum number of pinned threads in a forum channel has been reached",
);
pub const MAX_TAGS: Known = (
    400,
    30048,
    "Maximum number of tags in a forum channel has been reached",
);
pub const MAX_STICKERS: Known = (400, 30039, "Maximum number of stickers reached (5)");
pub const MAX_PRUNES: Known = (
    400,
    30040,
    "Maximum number of prune requests has been reached. Try again later",
);
pub const MAX_EVENTS: Known = (
    400,
    30038,
    "Maximum number of uncompleted guild scheduled events reached (100)",
);
pub const MAX_SOUNDS: Known = (400, 30045, "Maximum number of soundboard sounds reached");
pub const BITRATE_TOO_HIGH: Known = (400, 30052, "Bitrate is too high for channel of this type");
pub const MAX_OVERWRITES: Known = (
    400,
    30060,
    "Maximum number of permission overwrites reached (1000)",
);
pub const DMS_TOO_FAST: Known = (403, 40003, "You are opening direct messages too fast.");
pub const COMMUNITY_UNMET: Known = (
    403,
    40006,
    "This feature has been temporarily disabled server-side",
);
pub const BANNED: Known = (403, 40007, "The user is banned from this guild.");
pub const ONE_PARENT_CHANGE: Known = (
    400,
    40009,
    "Only one channel parent can be changed at a time",
);
pub const INVITES_PAUSED: Known = (403, 40012, "Invites are currently paused for this server.");
pub const NOT_IN_VOICE: Known = (400, 40032, "Target user is not connected to voice.");
pub const ALREADY_CROSSPOSTED: Known = (400, 40033, "This message has already been crossposted.");
pub const BAD_USER_AGENT: Known = (403, 40333, "internal network error");
pub const FORUM_CHANNEL: Known = (400, 40058, "Cannot send a message in a forum channel");
pub const TAG_NAMES: Known = (400, 40061, "Tag names must be unique");
pub const TAG_REQUIRED: Known = (
    400,
    40067,
    "A tag is required to create a forum post in this channel",
);
pub const ALREADY_ACKNOWLEDGED: Known = (400, 40060, "Interaction has already been acknowledged.");
pub const MISSING_ACCESS: Known = (403, 50001, "Missing Access");
pub const DM_ONLY_GUILD: Known = (403, 50003, "Cannot execute action on a DM channel");
pub const NOT_AUTHOR: Known = (403, 50005, "Cannot edit a message authored by another user");
pub const EMPTY_MESSAGE: Known = (400, 50006, "Cannot send an empty message");
pub const CANNOT_DM: Known = (403, 50007, "Cannot send messages to this user");
pub const NON_TEXT_CHANNEL: Known = (400, 50008, "Cannot send messages in a non-text channel");
pub const VERIFICATION_TOO_HIGH: Known = (
    403,
    50009,
    "Channel verification level is too high for you to gain access",
);
pub const MISSING_PERMISSIONS: Known = (403, 50013, "Missing Permissions");
pub const BAD_ACCESS_TOKEN: Known = (401, 50025, "Invalid OAuth2 access token");
pub const MISSING_SCOPE: Known = (403, 50026, "Missing required OAuth2 scope");
pub const BAD_WEBHOOK_TOKEN: Known = (401, 50027, "Invalid Webhook Token");
pub const INVALID_ROLE: Known = (400, 50028, "Invalid Role");
pub const BULK_COUNT: Known = (
    400,
    50016,
    "Provided too few or too many messages to delete. Must provide at least 2 and fewer than 100 messages to delete.",
);
pub const SYSTEM_MESSAGE: Known = (403, 50021, "Cannot execute action on a system message");
pub const CHANNEL_TYPE: Known = (400, 50024, "Cannot execute action on this channel type");
pub const TOO_OLD: Known = (
    400,
    50034,
    "You can only bulk delete messages that are under 14 days old.",
);
pub const BAD_FILE: Known = (400, 50046, "Invalid file asset");
pub const FILE_TOO_BIG: Known = (413, 40005, "Request entity too large");
pub const COMMUNITY_CHANNEL: Known = (
    400,
    50074,
    "Cannot delete a channel required for Community guilds",
);
pub const BAD_STICKER: Known = (400, 50081, "Invalid sticker sent");
pub const NEEDS_BOOSTS: Known = (
    400,
    50101,
    "This server needs more boosts to perform this action",
);
pub const ARCHIVED: Known = (400, 50083, "Thread is archived");
pub const COMMUNITY_TEXT: Known = (
    400,
    50086,
    "Community server channels must be text channels",
);
pub const MFA_REQUIRED: Known = (403, 60003, "Two factor is required for this operation");
pub const BOT_OWNER: Known = (400, 50132, "Ownership cannot be transferred to a bot user");
pub const BROKEN_JSON: Known = (400, 50109, "The request body contains invalid JSON.");
pub const REPLY_WITHOUT_HISTORY: Known = (
    400,
    160002,
    "You cannot reply to a message without permission to read message history",
);
pub const THREAD_EXISTS: Known = (
    400,
    160004,
    "A thread has already been created for this message",
);
pub const MAX_ACTIVE_THREADS: Known = (400, 160006, "Maximum number of active threads reached");
pub const MAX_ACTIVE_NEWS_THREADS: Known = (
    400,
    160007,
    "Maximum number of active announcement threads reached",
);
pub const BAD_LOTTIE: Known = (400, 170_001, "Invalid Lottie JSON");
pub const LOTTIE_FRAMES: Known = (
    400,
    170_004,
    "Sticker frame count exceeds maximum of 1000 frames",
);
pub const LOTTIE_SIZE: Known = (400, 170_005, "Lottie animation maximum dimensions exceeded");
pub const STICKER_TOO_LONG: Known = (
    400,
    170_007,
    "Sticker animation duration exceeds maximum of 5 seconds",
);
pub const SOUND_TOO_LONG: Known = (
    400,
    50124,
    "Soundboard sound duration exceeds the maximum of 5.2 seconds",
);
pub const EVENT_OVER: Known = (400, 180000, "Cannot update a finished event");
pub const TITLE_BLOCKED: Known = (400, 200001, "Title was blocked by automatic moderation");
pub const BLOCKED_BY_AUTOMOD: Known = (400, 200000, "Message was blocked by automatic moderation");
pub const FORUM_NEEDS_THREAD: Known = (
    400,
    220001,
    "Webhooks posted to forum channels must have a thread_name or thread_id",
);
pub const FORUM_ONE_THREAD: Known = (
    400,
    220002,
    "Webhooks posted to forum channels cannot have both a thread_name and thread_id",
);
pub const ONLY_FORUM_THREADS: Known = (
    400,
    220003,
    "Webhooks can only create threads in forum channels",
);
pub const ONBOARDING_UNMET: Known = (
    400,
    350000,
    "Cannot enable onboarding, requirements are not met",
);
pub const ONBOARDING_BELOW: Known = (
    400,
    350001,
    "Cannot update onboarding while below requirements",
);
pub const ONBOARDING_CHANNEL: Known = (
    400,
    350003,
    "Cannot hide a channel that newcomers are shown by onboarding",
);
pub const FORWARD_WITHOUT_HISTORY: Known = (
    403,
    160009,
    "Cannot reference a message without permission to read message history",
);
pub const AGE_RESTRICTED_FORWARD: Known =
    (403, 160010, "NSFW channel message reference not allowed");
pub const UNREADABLE_FORWARD: Known = (
    403,
    160014,
    "You cannot forward a message whose content you cannot read",
);
pub const POLL_EDIT: Known = (400, 520_003, "Cannot edit a poll message");
pub const NOT_A_POLL: Known = (400, 520_006, "Cannot expire a non-poll message");
pub const POLL_EXPIRED: Known = (400, 520_001, "Poll expired");
pub const BAN_FAILED: Known = (400, 500000, "Failed to ban users");

impl From<Known> for ApiError {
    fn from((status, code, message): Known) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
            fields: Vec::new(),
            retry: None,
        }
    }
}

impl ApiError {
    pub fn new(status: u16, code: i64, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            fields: Vec::new(),
            retry: None,
        }
    }

    /// 50035 with these leaves.
    pub fn form(fields: Vec<FieldError>) -> Self {
        Self {
            fields,
            ..Self::new(400, 50035, "Invalid Form Body")
        }
    }

    /// 50035 with one leaf; `path` is dotted.
    pub fn field(path: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::form(vec![FieldError::new(path, code, message)])
    }

    /// A known code whose message says something of its own.
    pub fn because((status, code, _): Known, message: impl Into<String>) -> Self {
        Self::new(status, code, message)
    }

    /// A 429 with a code and message of its own.
    pub fn known_limit(self, (status, code, message): Known) -> Self {
        Self {
            retry: self.retry,
            ..Self::new(status, code, message)
        }
    }

    /// The server does not answer for now.
    pub fn unavailable(status: u16) -> Self {
        let name = http::StatusCode::from_u16(status).ok();
        let name = name.and_then(|s| s.canonical_reason());
        let name = name.unwrap_or("Service Unavailable");
        Self::new(status, 0, format!("{status}: {name}"))
    }

    pub fn unauthorized() -> Self {
        Self::new(401, 0, "401: Unauthorized")
    }

    pub fn not_found() -> Self {
        Self::new(404, 0, "404: Not Found")
    }

    pub fn wrong_method() -> Self {
        Self::new(405, 0, "405: Method Not Allowed")
    }

    /// The body of the answer.
    pub fn json(&self) -> Value {
        if let Some(retry) = &self.retry {
            let seconds = retry.after_ms.max(1) as f64 / 1000.0;
            let mut json =
                json!({"message": self.message, "retry_after": seconds, "global": retry.global});
            if self.code != 0 {
                json["code"] = self.code.into();
            }
            return json;
        }
        let mut json = json!({"message": self.message, "code": self.code});
        if !self.fields.is_empty() {
            let mut tree = Value::Object(Map::new());
            for field in &self.fields {
                let mut node = &mut tree;
                for step in &field.path {
                    node = &mut node[step.as_str()];
                }
                let leaf = json!({"code": field.code, "message": field.message});
                match &mut node["_errors"] {
                    Value::Array(list) => list.push(leaf),
                    empty => *empty = json!([leaf]),
                }
            }
            json["errors"] = tree;
        }
        json
    }
}

impl FieldError {
    pub fn new(path: &str, code: &'static str, message: impl Into<String>) -> Self {
        let path = path
            .split('.')
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect();
        Self {
            path,
            code,
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_errors_nest_by_path_with_string_indices_and_codes() {
        let error = ApiError::form(vec![
            FieldError::new(
                "embeds.0.title",
                "BASE_TYPE_MAX_LENGTH",
                "Must be 256 or fewer in length.",
            ),
            FieldError::new(
                "content",
                "BASE_TYPE_MAX_LENGTH",
                "Must be 2000 or fewer in length.",
            ),
        ]);
        assert_eq!(
            error.json(),
            json!({
                "message": "Invalid Form Body",
                "code": 50035,
                "errors": {
                    "embeds": {"0": {"title": {"_errors": [
                        {"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 256 or fewer in length."}]}}},
                    "content": {"_errors": [
                        {"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}]},
                },
            })
        );
    }
}
