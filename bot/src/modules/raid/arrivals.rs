//! Members, requests and messages, as Discord tells them, as the engine wants them.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use splashtail_antinuke::{POWER, Policy};
use splashtail_core::ids::{GuildId, RoleId};
use splashtail_guild::Id;
use splashtail_raid::{Arrival, Exempt, Moment, Name, short};

use crate::guilds::Facts;

/// Of an account (Discord documentation, "User Flags": a spammer).
const SPAMMER: u64 = 1 << 20;
/// Shorter texts are what anybody may say.
const SHORTEST: usize = 16;

#[derive(Debug, Deserialize)]
pub(super) struct Member {
    pub user: User,
    pub joined_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub roles: Vec<RoleId>,
    premium_since: Option<DateTime<Utc>>,
    #[serde(default)]
    pub pending: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub id: Id,
    #[serde(default)]
    username: String,
    avatar: Option<String>,
    #[serde(default)]
    public_flags: u64,
    #[serde(default)]
    bot: bool,
    banner: Option<String>,
    #[serde(default)]
    avatar_decoration_data: Value,
    #[serde(default)]
    collectibles: Value,
    #[serde(default)]
    primary_guild: Value,
}

/// GUILD_JOIN_REQUEST_CREATE.
#[derive(Debug, Deserialize)]
pub(super) struct Asking {
    pub request: Request,
}

#[derive(Debug, Deserialize)]
pub(super) struct Request {
    pub id: Id,
    pub created_at: Option<DateTime<Utc>>,
    pub user: Option<User>,
}

/// A message, as far as it tells who wrote and whether others wrote the same.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub id: Id,
    pub author: Author,
    #[serde(default)]
    content: String,
    #[serde(default)]
    attachments: Vec<Attachment>,
    #[serde(default)]
    message_snapshots: Vec<Snapshot>,
    pub webhook_id: Option<Id>,
    #[serde(default)]
    pub mention_everyone: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Author {
    pub id: Id,
    #[serde(default)]
    pub bot: bool,
}

#[derive(Debug, Deserialize)]
struct Attachment {
    /// What the picture looks like, roughly.
    placeholder: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Snapshot {
    message: Forwarded,
}

#[derive(Debug, Deserialize)]
struct Forwarded {
    #[serde(default)]
    content: String,
    #[serde(default)]
    attachments: Vec<Attachment>,
}

pub(super) fn moment(at: DateTime<Utc>) -> Moment {
    Moment(u64::try_from(at.timestamp_millis()).unwrap_or_default())
}

impl User {
    fn is_invested(&self) -> bool {
        let tag = self.primary_guild["identity_enabled"] == true;
        let bought = [&self.avatar_decoration_data, &self.collectibles];
        self.banner.is_some() || tag || bought.iter().any(|bought| bought.is_object())
    }

    pub fn arrives(&self, at: Moment, exempt: Exempt) -> Arrival {
        Arrival {
            user: self.id,
            at,
            name: Name::of(&self.username),
            avatar: self
                .avatar
                .as_deref()
                .map_or(0, |hash| short(hash.as_bytes())),
            is_invested: self.is_invested(),
            is_spammer: self.public_flags & SPAMMER != 0,
            exempt: match self.bot {
                true => Exempt::Bot,
                false => exempt,
            },
            is_pending: false,
            is_late: false,
        }
    }
}

impl Member {
    /// `trust`: whom the owner trusts, where that is known.
    pub fn arrives(
        &self,
        guild: GuildId,
        facts: &Facts,
        trust: Option<&Policy>,
        now: Moment,
    ) -> Arrival {
        let at = self.joined_at.map_or(now, moment);
        Arrival {
            is_pending: self.pending,
            ..self.user.arrives(at, self.exempt(guild, facts, trust))
        }
    }

    pub fn exempt(&self, guild: GuildId, facts: &Facts, trust: Option<&Policy>) -> Exempt {
        let roles: Vec<Id> = self.roles.iter().map(|role| Id::new(role.get())).collect();
        match () {
            () if facts
                .owner
                .is_some_and(|owner| owner.get() == self.user.id.get()) =>
            {
                Exempt::Owner
            }
            () if trust.is_some_and(|trust| trust.trusts(self.user.id, &roles)) => Exempt::Trusted,
            () if facts.permissions(guild, &self.roles) & POWER != 0 => Exempt::Staff,
            () if self.premium_since.is_some() => Exempt::Booster,
            () => Exempt::No,
        }
    }
}

impl Message {
    /// Nobody in particular wrote it.
    pub fn is_of_nobody(&self) -> bool {
        self.webhook_id.is_some() || self.author.bot
    }

    /// A short name of what it says; zero where it says too little.
    pub fn key(&self) -> u32 {
        let forwarded = self.message_snapshots.first();
        let forwarded = forwarded.map(|snapshot| &snapshot.message);
        let texts = [
            Some(self.content.as_str()),
            forwarded.map(|of| of.content.as_str()),
        ];
        for text in texts.into_iter().flatten() {
            let plain = plain(text);
            if plain.chars().count() >= SHORTEST {
                return short(plain.as_bytes());
            }
        }
        let pictures = forwarded.into_iter().flat_map(|of| &of.attachments);
        let mut pictures = self.attachments.iter().chain(pictures);
        let picture = pictures.find_map(|picture| picture.placeholder.as_deref());
        picture.map_or(0, |picture| short(picture.as_bytes()))
    }
}

/// Letters and digits alone, in lower case: what is left when names, spaces and marks are changed.
fn plain(text: &str) -> String {
    let words = text.split_whitespace();
    // A mention names somebody else each time.
    let words = words.filter(|word| !(word.starts_with("<@") && word.ends_with('>')));
    let letters = words.flat_map(|word| word.chars().filter(|c| c.is_alphanumeric()));
    letters.flat_map(char::to_lowercase).take(400).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(more: Value) -> Message {
        let mut message = json!({"id": "5", "author": {"id": "6"}, "content": ""});
        let fields = more.as_object().unwrap().clone();
        message.as_object_mut().unwrap().extend(fields);
        serde_json::from_value(message).unwrap()
    }

    #[test]
    fn what_says_the_same_has_one_name() {
        let key = |text: &str| message(json!({"content": text})).key();
        let one = key("<@123456789012345678> FREE nitro at example.com !!");
        assert_eq!(
            one,
            key("free   nitro at EXAMPLE.com <@923456789012345678>")
        );
        assert_ne!(one, key("free nitro at example.org"));
        assert_eq!(key("hi there"), 0, "anybody says that");
        let forward = json!({"message_snapshots": [{"message":
            {"content": "Free Nitro, at example.com!"}}]});
        assert_eq!(message(forward).key(), one);
        let picture =
            |hash: &str| message(json!({"attachments": [{"id": "1", "placeholder": hash}]})).key();
        assert_eq!(picture("aa"), picture("aa"));
        assert_ne!(picture("aa"), picture("bb"));
    }

    #[test]
    fn members_are_told_apart() {
        let facts = Facts {
            owner: splashtail_core::ids::UserId::new(2),
            ..Facts::default()
        };
        let guild = GuildId::new(1).unwrap();
        let arrives = |more: Value| {
            let mut member = json!({"user": {"id": "7", "username": "someone", "avatar": null},
                "joined_at": "2026-12-01T10:00:00.400000+00:00", "roles": []});
            member
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            let member: Member = serde_json::from_value(member).unwrap();
            member.arrives(guild, &facts, None, Moment(0))
        };
        let plain = arrives(json!({}));
        assert_eq!((plain.exempt, plain.avatar), (Exempt::No, 0));
        assert!(!plain.is_pending && arrives(json!({"pending": true})).is_pending);
        assert_eq!(plain.at.0 % 1000, 400);
        let booster = arrives(json!({"premium_since": "2026-01-01T00:00:00Z"}));
        assert_eq!(booster.exempt, Exempt::Booster);
        // An update that tells it says it, too.
        let update = json!({"user": {"id": "7"}, "premium_since": "2026-12-01T11:00:00Z"});
        let update: Member = serde_json::from_value(update).unwrap();
        assert_eq!(update.exempt(guild, &facts, None), Exempt::Booster);
        let owner = arrives(json!({"user": {"id": "2", "username": "o"}}));
        assert_eq!(owner.exempt, Exempt::Owner);
        let bot = arrives(json!({"user": {"id": "9", "username": "b", "bot": true,
            "banner": "x", "public_flags": 1 << 20}}));
        assert_eq!(bot.exempt, Exempt::Bot);
        assert!(bot.is_invested && bot.is_spammer);
    }
}
