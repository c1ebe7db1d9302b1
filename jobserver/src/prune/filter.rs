//! Which messages an order means.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{MessageId, UserId};
use splashtail_discord::snowflake::{array, id};

/// Discord deletes several messages in one call only when they are younger than two weeks
/// (documentation of Bulk Delete Messages); some minutes less, because the call takes its time.
const BULK: TimeDelta = TimeDelta::minutes(2 * 7 * 24 * 60 - 5);
/// Types of messages that nobody can delete (documentation, "Message Types").
const UNDELETABLE: [u64; 6] = [1, 2, 3, 4, 5, 21];
/// How addresses and invitations begin.
const ADDRESSES: [&str; 2] = ["https://", "http://"];
const INVITATIONS: [&str; 3] = [
    "discord.gg/",
    "discord.com/invite/",
    "discordapp.com/invite/",
];

/// A trait of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trait {
    Attachments,
    Embeds,
    Links,
    Invites,
    /// Sent by an application.
    Bots,
    Webhooks,
}

/// All that is given has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Filter {
    /// Of one of these; empty: of anyone.
    pub users: BTreeSet<UserId>,
    /// Text within the message, whatever its case.
    pub contains: Option<String>,
    /// One of these traits; empty: any message.
    pub only: BTreeSet<Trait>,
    /// Pinned messages, too.
    pub pinned: bool,
}

impl Filter {
    pub fn matches(&self, message: &Value) -> bool {
        let kind = message["type"].as_u64().unwrap_or_default();
        if UNDELETABLE.contains(&kind) || (message["pinned"] == true && !self.pinned) {
            return false;
        }
        let author = id(&message["author"]["id"]).and_then(UserId::new);
        let by = self.users.is_empty() || author.is_some_and(|author| self.users.contains(&author));
        let content = texts(message);
        let says = self.contains.as_ref().is_none_or(|wanted| {
            let wanted = wanted.to_lowercase();
            content.iter().any(|text| text.contains(&wanted))
        });
        let has = |wanted: &Trait| match wanted {
            Trait::Attachments => {
                forms(message).any(|form| !array(&form["attachments"]).is_empty())
            }
            Trait::Embeds => forms(message).any(|form| !array(&form["embeds"]).is_empty()),
            Trait::Links => mentions(&content, &ADDRESSES),
            Trait::Invites => mentions(&content, &INVITATIONS),
            Trait::Bots => message["author"]["bot"] == true,
            Trait::Webhooks => id(&message["webhook_id"]).is_some(),
        };
        by && says && (self.only.is_empty() || self.only.iter().any(has))
    }
}

/// A message, and those that it forwards.
fn forms(message: &Value) -> impl Iterator<Item = &Value> {
    let forwarded = array(&message["message_snapshots"]).iter();
    std::iter::once(message).chain(forwarded.map(|snapshot| &snapshot["message"]))
}

fn texts(message: &Value) -> Vec<String> {
    let text = |form: &Value| form["content"].as_str().map(str::to_lowercase);
    forms(message).filter_map(text).collect()
}

fn mentions(texts: &[String], parts: &[&str]) -> bool {
    texts
        .iter()
        .any(|text| parts.iter().any(|part| text.contains(part)))
}

/// Whether a message can go together with others.
pub fn is_young(message: MessageId, now: DateTime<Utc>) -> bool {
    now - message.created_at() < BULK
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_discord::snowflake::first_id_at;

    use super::*;

    fn filter(given: Value) -> Filter {
        serde_json::from_value(given).unwrap()
    }

    #[test]
    fn everything_that_is_given_has_to_hold() {
        let message = json!({"id": "9", "type": 0, "author": {"id": "5"}, "content": "Buy NITRO",
                             "attachments": [{"id": "1"}]});
        for (given, expected) in [
            (json!({}), true),
            (json!({"Users": ["5"]}), true),
            (json!({"Users": ["6"]}), false),
            (json!({"Contains": "nitro"}), true),
            (json!({"Contains": "nitro", "Users": ["6"]}), false),
            (json!({"Only": ["links", "attachments"]}), true),
            (json!({"Only": ["links"]}), false),
        ] {
            assert_eq!(filter(given.clone()).matches(&message), expected, "{given}");
        }
    }

    #[test]
    fn pinned_messages_stay_unless_asked_for_and_some_always_do() {
        let pinned = json!({"id": "9", "type": 0, "pinned": true});
        assert!(!filter(json!({})).matches(&pinned));
        assert!(filter(json!({"Pinned": true})).matches(&pinned));
        assert!(!filter(json!({})).matches(&json!({"id": "9", "type": 21})));
        assert!(
            filter(json!({})).matches(&json!({"id": "9", "type": 7})),
            "a greeting"
        );
    }

    #[test]
    fn traits_are_seen_in_forwards_too() {
        let forward = json!({"id": "9", "type": 0, "content": "", "message_snapshots": [
            {"message": {"content": "see https://discord.gg/x", "attachments": []}}]});
        assert!(filter(json!({"Only": ["invites"]})).matches(&forward));
        assert!(filter(json!({"Only": ["links"], "Contains": "SEE"})).matches(&forward));
        assert!(!filter(json!({"Only": ["attachments"]})).matches(&forward));
        let hook = json!({"id": "9", "author": {"id": "7", "bot": true}, "webhook_id": "7"});
        assert!(filter(json!({"Only": ["webhooks"]})).matches(&hook));
        assert!(filter(json!({"Only": ["bots"]})).matches(&hook));
    }

    #[test]
    fn two_weeks_less_five_minutes_are_young() {
        let now = DateTime::from_timestamp(1_764_000_000, 0).unwrap();
        let aged = |age: TimeDelta| MessageId::new(first_id_at(now - age)).unwrap();
        assert!(is_young(aged(TimeDelta::days(13)), now));
        assert!(!is_young(
            aged(TimeDelta::days(14) - TimeDelta::minutes(4)),
            now
        ));
    }
}
