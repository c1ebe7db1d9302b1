//! Gateway events hold the same objects as REST answers: judges those parts.
//!
//! Events add fields, which the description allows, and leave out what stands elsewhere in them:
//! the guild's id in whatever GUILD_CREATE holds, the user in the member of a message. Such a
//! field is lent to the part before it is judged.

use serde_json::Value;

use super::Violation;
use super::description::{Description, Side};

/// A described object inside an event.
struct Part {
    /// Where; `*` stands for every item of a list.
    place: &'static str,
    /// Components of the description one of which it must fit.
    fits: &'static [&'static str],
    /// A field it leaves out, and where the event has it.
    lent: Option<(&'static str, &'static str)>,
    optional: bool,
}

const fn part(place: &'static str, fits: &'static [&'static str]) -> Part {
    Part {
        place,
        fits,
        lent: None,
        optional: false,
    }
}

const fn lent(mut part: Part, field: &'static str, from: &'static str) -> Part {
    part.lent = Some((field, from));
    part
}

const fn optional(mut part: Part) -> Part {
    part.optional = true;
    part
}

const USER: &[&str] = &["UserResponse"];
const MEMBER: &[&str] = &["GuildMemberResponse"];
const CHANNEL: &[&str] = &["GuildChannelResponse"];
const THREAD: &[&str] = &["ThreadResponse"];
const MESSAGE: &[&str] = &["MessageResponse"];
const REACTION_EMOJI: &[&str] = &["MessageReactionEmojiResponse"];
const SCHEDULED_EVENT: &[&str] = &[
    "ExternalScheduledEventResponse",
    "StageScheduledEventResponse",
    "VoiceScheduledEventResponse",
];
const SOUND: &[&str] = &["SoundboardSoundResponse"];
const RULE: &[&str] = &[
    "DefaultKeywordRuleResponse",
    "KeywordRuleResponse",
    "MLSpamRuleResponse",
    "MentionSpamRuleResponse",
    "UserProfileRuleResponse",
];

fn parts(event: &str) -> &'static [Part] {
    match event {
        "READY" => &const { [part("/user", USER)] },
        "GUILD_CREATE" => {
            &const {
                [
                    part("", &["GuildResponse"]),
                    part("/members/*", MEMBER),
                    lent(part("/channels/*", CHANNEL), "guild_id", "/id"),
                    lent(part("/threads/*", THREAD), "guild_id", "/id"),
                    lent(
                        part("/voice_states/*", &["VoiceStateResponse"]),
                        "guild_id",
                        "/id",
                    ),
                    part("/guild_scheduled_events/*", SCHEDULED_EVENT),
                    part("/soundboard_sounds/*", SOUND),
                ]
            }
        }
        "GUILD_UPDATE" => &const { [part("", &["GuildResponse"])] },
        "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" => {
            &const { [part("/role", &["GuildRoleResponse"])] }
        }
        "GUILD_MEMBER_ADD" | "GUILD_MEMBER_UPDATE" => &const { [part("", MEMBER)] },
        "GUILD_MEMBER_REMOVE" | "GUILD_BAN_ADD" | "GUILD_BAN_REMOVE" => {
            &const { [part("/user", USER)] }
        }
        "USER_UPDATE" => &const { [part("", USER)] },
        "GUILD_MEMBERS_CHUNK" => &const { [part("/members/*", MEMBER)] },
        "GUILD_AUDIT_LOG_ENTRY_CREATE" => &const { [part("", &["AuditLogEntryResponse"])] },
        "MESSAGE_CREATE" | "MESSAGE_UPDATE" => {
            &const {
                [
                    part("", MESSAGE),
                    lent(optional(part("/member", MEMBER)), "user", "/author"),
                ]
            }
        }
        "MESSAGE_REACTION_ADD" => {
            &const {
                [
                    part("/emoji", REACTION_EMOJI),
                    optional(part("/member", MEMBER)),
                ]
            }
        }
        "MESSAGE_REACTION_REMOVE" | "MESSAGE_REACTION_REMOVE_EMOJI" => {
            &const { [part("/emoji", REACTION_EMOJI)] }
        }
        "TYPING_START" => &const { [optional(part("/member", MEMBER))] },
        "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "CHANNEL_DELETE" => &const { [part("", CHANNEL)] },
        "THREAD_CREATE" | "THREAD_UPDATE" => &const { [part("", THREAD)] },
        "GUILD_EMOJIS_UPDATE" => &const { [part("/emojis/*", &["EmojiResponse"])] },
        "GUILD_STICKERS_UPDATE" => &const { [part("/stickers/*", &["GuildStickerResponse"])] },
        "GUILD_SCHEDULED_EVENT_CREATE"
        | "GUILD_SCHEDULED_EVENT_UPDATE"
        | "GUILD_SCHEDULED_EVENT_DELETE" => &const { [part("", SCHEDULED_EVENT)] },
        "GUILD_SOUNDBOARD_SOUND_CREATE" | "GUILD_SOUNDBOARD_SOUND_UPDATE" => {
            &const { [part("", SOUND)] }
        }
        "VOICE_STATE_UPDATE" => {
            &const {
                [
                    part("", &["VoiceStateResponse"]),
                    optional(part("/member", MEMBER)),
                ]
            }
        }
        "AUTO_MODERATION_RULE_CREATE"
        | "AUTO_MODERATION_RULE_UPDATE"
        | "AUTO_MODERATION_RULE_DELETE" => &const { [part("", RULE)] },
        "INTERACTION_CREATE" => {
            &const {
                [
                    optional(part("/user", USER)),
                    optional(part("/member", MEMBER)),
                    optional(part("/message", MESSAGE)),
                    optional(part("/data/resolved/users/*", USER)),
                    optional(part("/data/resolved/messages/*", MESSAGE)),
                    optional(part("/data/resolved/roles/*", &["GuildRoleResponse"])),
                    optional(part(
                        "/data/resolved/attachments/*",
                        &["AttachmentResponse"],
                    )),
                ]
            }
        }
        _ => &[],
    }
}

/// Whether any part of the event can be judged.
pub(super) fn is_described(event: &str) -> bool {
    !parts(event).is_empty()
}

/// Every problem of one event.
pub(super) fn judge(description: &Description, event: &str, data: &str) -> Vec<Violation> {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let mut found = Vec::new();
    for part in parts(event) {
        let places = places(&data, part.place);
        if places.is_empty() && !part.optional && !part.place.ends_with('*') {
            let missing = "it is missing".to_owned();
            found.push(violation(event, part.place.to_owned(), missing));
        }
        let schema = Description::components(part.fits);
        for (place, object) in places {
            let whole = complete(object, part, &data);
            let object = whole.as_ref().unwrap_or(object);
            let key = part.fits[0];
            for (inner, message) in description.problems(Side::Response, key, &schema, object) {
                found.push(violation(event, format!("{place}{inner}"), message));
            }
        }
    }
    found
}

/// The object with the field it leaves out; `None` when it leaves nothing out.
fn complete(object: &Value, part: &Part, data: &Value) -> Option<Value> {
    let (field, from) = part.lent?;
    let mut whole = object.clone();
    let fields = whole.as_object_mut()?;
    fields.insert(field.to_owned(), data.pointer(from)?.clone());
    Some(whole)
}

fn places<'a>(data: &'a Value, place: &str) -> Vec<(String, &'a Value)> {
    let Some(list) = place.strip_suffix("/*") else {
        return data
            .pointer(place)
            .map(|found| (place.to_owned(), found))
            .into_iter()
            .collect();
    };
    let named = |name: String, item| (format!("{list}/{name}"), item);
    match data.pointer(list) {
        Some(Value::Array(items)) => (0..)
            .zip(items)
            .map(|(n, item): (usize, _)| named(n.to_string(), item))
            .collect(),
        Some(Value::Object(items)) => items
            .iter()
            .map(|(key, item)| named(key.clone(), item))
            .collect(),
        _ => Vec::new(),
    }
}

fn violation(event: &str, pointer: String, message: String) -> Violation {
    Violation {
        operation: event.to_owned(),
        side: "event".to_owned(),
        status: 0,
        pointer,
        message,
        sender: None,
        excused: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(event: &str, data: &Value) -> Vec<String> {
        let description = Description::shared().unwrap();
        let found = judge(&description, event, &data.to_string());
        found.into_iter().map(|v| v.pointer).collect()
    }

    #[test]
    fn a_part_that_does_not_fit_is_named() {
        let bad = found(
            "GUILD_BAN_ADD",
            &json!({"guild_id": "1", "user": {"id": 1}}),
        );
        assert!(bad.contains(&"/user/id".to_owned()), "{bad:?}");
        assert_eq!(found("GUILD_BAN_ADD", &json!({})), ["/user"]);
        assert!(found("TYPING_START", &json!({})).is_empty());
    }

    #[test]
    fn what_stands_elsewhere_in_the_event_is_lent() {
        let channel = json!({"id": "2", "type": 0, "flags": 0, "name": "x", "position": 0});
        let bad = found(
            "GUILD_CREATE",
            &json!({"id": "1", "channels": [channel, {}]}),
        );
        assert!(!bad.contains(&"/channels/0".to_owned()), "{bad:?}");
        assert!(bad.contains(&"/channels/1".to_owned()), "{bad:?}");
    }
}
