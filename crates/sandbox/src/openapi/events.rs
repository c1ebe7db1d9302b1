//! Gateway events hold the same objects as REST answers: judges those parts.
//!
//! Events add fields, which the description allows, and leave some out: members inside messages
//! lack `user` and channels inside GUILD_CREATE lack `guild_id`. Those parts are not judged.

use serde_json::Value;

use super::Violation;
use super::description::{Description, Side};

/// Where an event holds a described object: pointer, component, and whether it is a list.
type Part = (&'static str, &'static str, bool);

fn parts(event: &str) -> &'static [Part] {
    match event {
        "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" => &[("/role", "GuildRoleResponse", false)],
        "GUILD_MEMBER_ADD" | "GUILD_MEMBER_UPDATE" => &[("", "GuildMemberResponse", false)],
        "GUILD_MEMBER_REMOVE" | "GUILD_BAN_ADD" | "GUILD_BAN_REMOVE" => {
            &[("/user", "UserResponse", false)]
        }
        "GUILD_AUDIT_LOG_ENTRY_CREATE" => &[("", "AuditLogEntryResponse", false)],
        "MESSAGE_CREATE" | "MESSAGE_UPDATE" => &[("", "MessageResponse", false)],
        "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "CHANNEL_DELETE" => {
            &[("", "GuildChannelResponse", false)]
        }
        "THREAD_CREATE" | "THREAD_UPDATE" => &[("", "ThreadResponse", false)],
        "GUILD_MEMBERS_CHUNK" => &[("/members", "GuildMemberResponse", true)],
        "GUILD_EMOJIS_UPDATE" => &[("/emojis", "EmojiResponse", true)],
        "GUILD_STICKERS_UPDATE" => &[("/stickers", "GuildStickerResponse", true)],
        "GUILD_CREATE" => &[
            ("/roles", "GuildRoleResponse", true),
            ("/members", "GuildMemberResponse", true),
            ("/emojis", "EmojiResponse", true),
            ("/stickers", "GuildStickerResponse", true),
        ],
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
    for (pointer, component, is_list) in parts(event) {
        let Some(part) = data.pointer(pointer) else {
            found.push(violation(
                event,
                (*pointer).to_owned(),
                "it is missing".to_owned(),
            ));
            continue;
        };
        let schema = Description::component(component);
        let mut check = |place: String, part: &Value| {
            for (inner, message) in description.problems(Side::Response, component, &schema, part) {
                found.push(violation(event, format!("{place}{inner}"), message));
            }
        };
        match part.as_array() {
            Some(items) if *is_list => items
                .iter()
                .enumerate()
                .for_each(|(n, item)| check(format!("{pointer}/{n}"), item)),
            _ => check((*pointer).to_owned(), part),
        }
    }
    found
}

fn violation(event: &str, pointer: String, message: String) -> Violation {
    Violation {
        operation: event.to_owned(),
        side: "event".to_owned(),
        status: 0,
        pointer,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_does_not_fit_is_named() {
        let description = Description::load().unwrap();
        let bad = judge(
            &description,
            "GUILD_BAN_ADD",
            r#"{"guild_id":"1","user":{"id":1}}"#,
        );
        assert!(bad.iter().any(|v| v.pointer == "/user/id"), "{bad:?}");
        assert!(judge(&description, "TYPING_START", "{}").is_empty());
    }
}
