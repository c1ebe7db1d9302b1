//! The one table of what a server consists of: which part of a restore an object belongs to, where
//! Discord lists it and which section of a backup holds it. Settings, roles, channels, emojis and
//! stickers come with the server itself.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use splashtail_core::ids::GuildId;
use splashtail_guild::Kind;

use crate::backup::error::{BackupError, Verdict};
use crate::backup::source::Source;

/// What of a server is restored, as far as it can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Settings,
    Roles,
    Channels,
    /// Of channels that are there; new ones get theirs in any case.
    Overwrites,
    Emojis,
    Stickers,
    Sounds,
    Automod,
    Events,
    /// Welcome screen and onboarding.
    Welcome,
    Webhooks,
    Invites,
    /// Threads and posts.
    Threads,
    Messages,
    /// Roles, nicknames and timeouts of members.
    Members,
    /// Only when chosen: a long list of them is one page a minute.
    Bans,
}

impl Part {
    pub const ALL: [Self; 16] = [
        Self::Settings,
        Self::Roles,
        Self::Channels,
        Self::Overwrites,
        Self::Emojis,
        Self::Stickers,
        Self::Sounds,
        Self::Automod,
        Self::Events,
        Self::Welcome,
        Self::Webhooks,
        Self::Invites,
        Self::Threads,
        Self::Messages,
        Self::Members,
        Self::Bans,
    ];

    /// Whether it is restored when nobody chose parts.
    pub fn is_usual(self) -> bool {
        self != Self::Bans
    }

    /// Kinds of objects that it consists of.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Settings => &[Kind::Guild, Kind::Widget],
            Self::Roles => &[Kind::Role],
            Self::Channels => &[Kind::Channel],
            Self::Emojis => &[Kind::Emoji],
            Self::Stickers => &[Kind::Sticker],
            Self::Sounds => &[Kind::Sound],
            Self::Automod => &[Kind::AutomodRule],
            Self::Events => &[Kind::ScheduledEvent],
            Self::Welcome => &[Kind::WelcomeScreen, Kind::Onboarding],
            Self::Webhooks => &[Kind::Webhook],
            Self::Invites => &[Kind::Invite],
            Self::Overwrites | Self::Threads | Self::Messages | Self::Members | Self::Bans => &[],
        }
    }
}

/// Something that Discord lists apart from the server.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    pub part: Part,
    pub kind: Kind,
    /// Of a backup.
    pub section: &'static str,
    /// Below the server's.
    pub route: &'static str,
    /// For people.
    pub what: &'static str,
}

pub const LISTED: [Listed; 8] = [
    Listed {
        part: Part::Automod,
        kind: Kind::AutomodRule,
        section: "ext/automod_rules",
        route: "auto-moderation/rules",
        what: "AutoMod rules",
    },
    Listed {
        part: Part::Events,
        kind: Kind::ScheduledEvent,
        section: "ext/scheduled_events",
        route: "scheduled-events",
        what: "scheduled events",
    },
    Listed {
        part: Part::Sounds,
        kind: Kind::Sound,
        section: "ext/sounds",
        route: "soundboard-sounds",
        what: "sounds",
    },
    Listed {
        part: Part::Settings,
        kind: Kind::Widget,
        section: "ext/widget",
        route: "widget",
        what: "widget",
    },
    Listed {
        part: Part::Welcome,
        kind: Kind::WelcomeScreen,
        section: "ext/welcome_screen",
        route: "welcome-screen",
        what: "welcome screen",
    },
    Listed {
        part: Part::Welcome,
        kind: Kind::Onboarding,
        section: "ext/onboarding",
        route: "onboarding",
        what: "onboarding",
    },
    Listed {
        part: Part::Webhooks,
        kind: Kind::Webhook,
        section: "ext/webhooks",
        route: "webhooks",
        what: "webhooks",
    },
    Listed {
        part: Part::Invites,
        kind: Kind::Invite,
        section: "ext/invites",
        route: "invites",
        what: "invites",
    },
];

impl Listed {
    pub fn path(&self, server: GuildId) -> String {
        format!("/guilds/{server}/{}", self.route)
    }

    pub fn doing(&self) -> String {
        format!("reading the {}", self.what)
    }

    /// Reads it; `None` when the bot may not, which is not the same as nothing.
    ///
    /// # Errors
    /// Discord is away.
    pub async fn read(
        &self,
        source: Source<'_>,
        guild: &Value,
        server: GuildId,
    ) -> Result<Result<Vec<Value>, String>, BackupError> {
        let (doing, path) = (self.doing(), self.path(server));
        let objects = |answer| self.objects(answer, guild);
        let read = source.ask(&doing, &path, &[], objects);
        match read.await {
            Ok(list) => Ok(Ok(list)),
            Err(error) if self.kind == Kind::WelcomeScreen && is_unset(&error) => {
                Ok(Ok(self.objects(json!({}), guild).unwrap_or_default()))
            }
            Err(error) if error.verdict() == Verdict::Refused => Ok(Err(error.describe())),
            Err(error) => Err(error),
        }
    }

    /// The objects of an answer, as structures and backups keep them; `None` when it is of another
    /// shape.
    pub fn objects(&self, answer: Value, guild: &Value) -> Option<Vec<Value>> {
        if self.kind.is_single() {
            let mut object = answer;
            object.as_object()?;
            object["id"] = guild["id"].clone();
            if self.kind == Kind::WelcomeScreen {
                let features = guild["features"].as_array().into_iter().flatten();
                let on = features.into_iter().any(|f| f == WELCOME_SCREEN);
                object["enabled"] = on.into();
            }
            return Some(vec![object]);
        }
        let mut items = match answer {
            Value::Array(items) => items,
            mut answer => match answer.get_mut("items").map(Value::take) {
                Some(Value::Array(items)) => items,
                _ => return None,
            },
        };
        match self.kind {
            Kind::Webhook => {
                items.retain(|webhook| webhook["name"] != OWN_WEBHOOK);
                for webhook in items.iter_mut().filter_map(Value::as_object_mut) {
                    // Whoever has them posts.
                    for secret in ["token", "url"] {
                        webhook.shift_remove(secret);
                    }
                }
            }
            Kind::Invite => {
                for invite in &mut items {
                    invite["channel_id"] = invite["channel"]["id"].clone();
                    invite["name"] = invite["code"].clone();
                    invite["id"] = number(&invite["code"]).into();
                }
            }
            _ => {}
        }
        Some(items)
    }
}

/// The webhook that posts what was said; it is gone when that is done.
pub const OWN_WEBHOOK: &str = "Message restore";
const WELCOME_SCREEN: &str = "WELCOME_SCREEN_ENABLED";
/// "Unknown Guild Welcome Screen".
const NO_WELCOME_SCREEN: u64 = 10_069;

fn is_unset(error: &BackupError) -> bool {
    matches!(error, BackupError::Discord { source, .. } if source.code() == Some(NO_WELCOME_SCREEN))
}

/// Invites have codes and no ids.
fn number(code: &Value) -> String {
    let digest = Sha256::digest(code.as_str().unwrap_or_default());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    (u64::from_be_bytes(bytes) | 1).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(kind: Kind) -> Listed {
        LISTED.into_iter().find(|l| l.kind == kind).unwrap()
    }

    #[test]
    fn every_part_has_its_kinds_and_every_list_its_part() {
        for listed in LISTED {
            assert!(listed.part.kinds().contains(&listed.kind), "{listed:?}");
        }
        let sections: std::collections::BTreeSet<_> = LISTED.iter().map(|l| l.section).collect();
        assert_eq!(sections.len(), LISTED.len());
    }

    #[test]
    fn tokens_of_webhooks_are_not_kept() {
        let answer = json!([{"id": "5", "name": "news", "token": "t0ken", "url": "https://x/t0ken"},
                            {"id": "6", "name": OWN_WEBHOOK}]);
        let kept = listed(Kind::Webhook)
            .objects(answer, &json!({"id": "1"}))
            .unwrap();
        assert_eq!(kept, [json!({"id": "5", "name": "news"})]);
    }

    #[test]
    fn what_a_server_has_one_of_goes_by_its_id() {
        let guild = json!({"id": "1", "features": ["COMMUNITY", WELCOME_SCREEN]});
        let kept = listed(Kind::WelcomeScreen).objects(json!({"description": "hi"}), &guild);
        assert_eq!(
            kept.unwrap(),
            [json!({"description": "hi", "id": "1", "enabled": true})]
        );
        assert_eq!(listed(Kind::Widget).objects(json!([]), &guild), None);
    }

    #[test]
    fn invites_go_by_their_code() {
        let answer = json!([{"code": "abc", "channel": {"id": "7"}}, {"code": "abd", "channel": {"id": "7"}}]);
        let kept = listed(Kind::Invite)
            .objects(answer, &json!({"id": "1"}))
            .unwrap();
        assert_eq!(
            (&kept[0]["channel_id"], &kept[0]["name"]),
            (&json!("7"), &json!("abc"))
        );
        assert_ne!(kept[0]["id"], kept[1]["id"]);
        assert!(kept[0]["id"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    }
}
