//! What cannot be as it was after a guild was mended, whoever mends it: each with the rule of Discord's
//! that forbids it (`§` is a section of the table of what a bot can set).

use serde_json::Value;

use super::Difference;

/// A difference that has to be, and the rule that says so.
#[derive(Debug, Clone, Copy)]
struct Excuse {
    /// Kind of object; empty: every kind.
    kind: &'static str,
    /// A field with all its parts; empty: the object as a whole.
    field: &'static str,
    why: Why,
    #[allow(dead_code, reason = "for whoever reads the table")]
    rule: &'static str,
}

/// What the difference has to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Any,
    /// It was not there before.
    New,
    /// It is not there any more.
    Gone,
    /// Discord shows more behind what was there before.
    Longer,
    /// It was a larger number.
    Less,
    /// It is about a thread that everybody can see.
    Public,
}

const fn any(kind: &'static str, field: &'static str, rule: &'static str) -> Excuse {
    excuse(kind, field, Why::Any, rule)
}

const fn excuse(kind: &'static str, field: &'static str, why: Why, rule: &'static str) -> Excuse {
    Excuse {
        kind,
        field,
        why,
        rule,
    }
}

const EXCUSES: &[Excuse] = &[
    any(
        "role",
        "position",
        "§1 roles: a reorder renumbers all; the order itself is compared",
    ),
    any(
        "channel",
        "position",
        "§1 channels: gaps and ties are legal; the order itself is compared",
    ),
    any(
        "category",
        "position",
        "§1 channels: gaps and ties are legal; the order itself is compared",
    ),
    excuse(
        "channel",
        "bitrate",
        Why::Less,
        "§1 channels: what the server's boosts allow",
    ),
    any("channel", "last_message_id", "§1 channels: set by nobody"),
    any(
        "channel",
        "last_pin_timestamp",
        "§1 channels: set by nobody",
    ),
    any("", "user", "§2 never: authors"),
    any("", "creator", "§2 never: authors"),
    any("", "creator_id", "§2 never: authors"),
    any("invite", "inviter", "§2 never: authors"),
    any("invite", "code", "§2 never: invite codes"),
    any("invite", "created_at", "§2 never: dates"),
    any("invite", "expires_at", "§2 never: dates"),
    any("invite", "uses", "§1 invites: what is left of them is sent"),
    any(
        "invite",
        "max_uses",
        "§1 invites: what is left of them is sent",
    ),
    any("webhook", "token", "§2 never: webhook addresses"),
    any("webhook", "url", "§2 never: webhook addresses"),
    any("webhook", "application_id", "§2 never: authors"),
    excuse(
        "member",
        "",
        Why::Gone,
        "§1 members: who left does not come back",
    ),
    excuse("member", "", Why::New, "§1 members: who joined stays"),
    excuse("ban", "", Why::New, "§1 bans: those that are new stay"),
    any(
        "ban",
        "reason",
        "§1 bans: one reason for a bulk, signed; a ban that is in force stays as it is",
    ),
    excuse(
        "thread",
        "",
        Why::New,
        "§1 threads: those that are new stay",
    ),
    any(
        "thread",
        "owner_id",
        "§1 threads: the creator is whoever makes it again",
    ),
    any("thread", "member_count", "§1 threads: set by nobody"),
    any("thread", "message_count", "§1 threads: set by nobody"),
    any("thread", "total_message_sent", "§1 threads: set by nobody"),
    any("thread", "last_message_id", "§1 threads: set by nobody"),
    any("thread", "last_pin_timestamp", "§1 threads: set by nobody"),
    any(
        "thread",
        "thread_metadata.archive_timestamp",
        "§2 never: dates",
    ),
    any(
        "thread",
        "thread_metadata.create_timestamp",
        "§2 never: dates",
    ),
    excuse(
        "thread",
        "member",
        Why::Public,
        "§1 threads: following is everybody's own matter",
    ),
    excuse(
        "thread",
        "members",
        Why::Public,
        "§1 threads: following is everybody's own matter",
    ),
    excuse(
        "message",
        "",
        Why::New,
        "§2: channels that are there keep their messages",
    ),
    excuse(
        "message",
        "content",
        Why::Longer,
        "§1 messages: what a webhook cannot post is told in words",
    ),
    any(
        "message",
        "author",
        "§1 messages: a webhook takes no name of Discord's own",
    ),
    any(
        "message",
        "flags",
        "§1 messages: of the flags those of a webhook",
    ),
    any("message", "reply", "§1 messages: a webhook cannot reply"),
    any("message", "forward", "§1 messages: forwards cannot be made"),
    any(
        "message",
        "stickers",
        "§1 messages: stickers are told in words",
    ),
    any(
        "message",
        "reactions",
        "§1 messages: reactions are told in words",
    ),
    excuse(
        "welcome",
        "",
        Why::Any,
        "§1 welcome screen: what was set once is never unset",
    ),
];

impl Excuse {
    fn covers(&self, difference: &Difference) -> bool {
        let kind = self.kind.is_empty() || difference.kind() == self.kind;
        let field = match self.field {
            "" => difference.field.is_empty(),
            field => difference.is_of(field),
        };
        kind && field && self.why.fits(difference)
    }
}

impl Why {
    fn fits(self, difference: &Difference) -> bool {
        let text = |value: &Option<Value>| -> String {
            let text = value.as_ref().and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        match self {
            Self::Any => true,
            Self::New => difference.before.is_none(),
            Self::Gone => difference.after.is_none(),
            Self::Longer => text(&difference.after).starts_with(&text(&difference.before)),
            Self::Less => {
                let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_i64);
                number(&difference.after) < number(&difference.before)
            }
            Self::Public => !difference.object.starts_with("private "),
        }
    }
}

/// What no rule forbids, and should be as it was.
pub fn unexcused(differences: &[Difference]) -> Vec<&Difference> {
    let left: Vec<&str> = differences
        .iter()
        .filter(|difference| difference.kind() == "member" && difference.after.is_none())
        .filter_map(|difference| difference.object.split(' ').nth(1))
        .collect();
    // Who is not in the server is in none of its threads.
    let departed = |difference: &Difference| {
        let user = difference.before.as_ref().and_then(Value::as_str);
        difference.kind() == "thread"
            && difference.is_of("members")
            && user.is_some_and(|user| left.contains(&user))
    };
    let excused = |difference: &&Difference| {
        !departed(difference) && !EXCUSES.iter().any(|excuse| excuse.covers(difference))
    };
    differences.iter().filter(excused).collect()
}

/// One to a line.
pub fn shown(differences: &[&Difference]) -> String {
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_excuse_names_its_rule() {
        assert!(EXCUSES.iter().all(|excuse| excuse.rule.starts_with('§')));
    }
}
