use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_core::ids::GuildId;
use splashtail_guild::is_hidden;

use super::create::{Creation, Likeness};
use super::{Acting, EnsureError, Ensured, Outcome, gone_is_fine};
use crate::permissions::bits;
use crate::snowflake::{array, bit_set, id};

const CHANNEL_CREATE: u64 = 10;

/// Whose overwrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverwriteOf {
    /// A role's; @everyone has the id of the guild.
    Role(u64),
    /// A member's.
    Member(u64),
}

/// Whom Discord lists channels for. One that is not told is sure to see only what nobody is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// The user.
    pub user: u64,
    /// Roles held.
    pub roles: Vec<u64>,
    /// Owner or administrator: sees everything.
    pub all: bool,
}

impl Viewer {
    /// Whether the list may lack a channel with these overwrites.
    fn may_miss(&self, channel: &Value) -> bool {
        let overwrites = array(&channel["permission_overwrites"]).iter();
        let (mut denied, mut allowed) = (false, false);
        for overwrite in overwrites {
            let (target, whose) = (id(&overwrite["id"]), &overwrite["type"]);
            let is_member = *whose == 1 || *whose == "1";
            let own = is_member && target == Some(self.user);
            let role = !is_member && target.is_some_and(|role| self.roles.contains(&role));
            let denies = bit_set(&overwrite["deny"]) & bits::VIEW_CHANNEL != 0;
            if own && denies {
                return !self.all;
            }
            denied |= denies;
            allowed |= (own || role) && bit_set(&overwrite["allow"]) & bits::VIEW_CHANNEL != 0;
        }
        denied && !allowed && !self.all
    }
}

impl OverwriteOf {
    fn id(self) -> u64 {
        match self {
            Self::Role(id) | Self::Member(id) => id,
        }
    }
}

impl Acting {
    /// A channel with these fields. `now`: the channel as it is; without one it is made.
    ///
    /// # Errors
    /// [`EnsureError::Hidden`]: nobody knows what it is like.
    pub async fn ensure_channel(
        &self,
        guild: GuildId,
        want: &Value,
        now: Option<&Value>,
    ) -> Result<Ensured, EnsureError> {
        if let Some(now) = now {
            let channel = visible(now)?;
            return self.change(format!("/channels/{channel}"), want, now).await;
        }
        let channels = format!("/guilds/{guild}/channels");
        let like = |channel: &Value| {
            let alike = plain_name(&channel["name"]) == plain_name(&want["name"])
                && channel["type"].as_u64() == want["type"].as_u64().or(Some(0))
                && id(&channel["parent_id"]) == id(&want["parent_id"]);
            if alike {
                Likeness::Alike
            } else {
                Likeness::Perhaps
            }
        };
        self.create(Creation {
            what: "channel",
            guild,
            post: channels.clone(),
            body: want,
            file: None,
            list: channels,
            action: CHANNEL_CREATE,
            like: &like,
            unlisted: self.viewer.may_miss(want),
        })
        .await
    }

    /// One overwrite of a channel with exactly these bits.
    ///
    /// # Errors
    /// [`EnsureError::Hidden`]: its overwrites are not known.
    pub async fn ensure_overwrite(
        &self,
        channel: &Value,
        of: OverwriteOf,
        allow: u64,
        deny: u64,
    ) -> Result<Ensured, EnsureError> {
        let id = visible(channel)?;
        let now = overwrite(channel, of.id());
        let (now_allow, now_deny) = now.map_or((0, 0), |now| {
            (bit_set(&now["allow"]), bit_set(&now["deny"]))
        });
        if (now_allow, now_deny) == (allow, deny) {
            let object = now.cloned().unwrap_or_default();
            return Ok(Ensured::new(Outcome::Unchanged, object));
        }
        let kind = u8::from(matches!(of, OverwriteOf::Member(_)));
        let (allow, deny) = (allow.to_string(), deny.to_string());
        let body = json!({"type": kind, "allow": allow, "deny": deny});
        let target = of.id();
        let path = format!("/channels/{id}/permissions/{target}");
        let request = self.request(Method::PUT, path).json(&body);
        request.send_empty().await?;
        let outcome = match now {
            Some(_) => Outcome::Updated,
            None => Outcome::Created,
        };
        let object = json!({"id": target.to_string(), "type": kind, "allow": allow, "deny": deny});
        Ok(Ensured::new(outcome, object))
    }

    /// No overwrite of a channel for this role or member.
    ///
    /// # Errors
    /// [`EnsureError::Hidden`]: its overwrites are not known.
    pub async fn ensure_no_overwrite(
        &self,
        channel: &Value,
        of: OverwriteOf,
    ) -> Result<Ensured, EnsureError> {
        let (id, target) = (visible(channel)?, of.id());
        if overwrite(channel, target).is_none() {
            return Ok(Ensured::new(Outcome::Unchanged, Value::Null));
        }
        let path = format!("/channels/{id}/permissions/{target}");
        gone_is_fine(self.request(Method::DELETE, path).send().await)
    }
}

fn visible(channel: &Value) -> Result<u64, EnsureError> {
    let id = id(&channel["id"]).ok_or(EnsureError::Incomplete("channel"))?;
    if is_hidden(channel) {
        return Err(EnsureError::Hidden(id));
    }
    Ok(id)
}

fn overwrite(channel: &Value, target: u64) -> Option<&Value> {
    array(&channel["permission_overwrites"])
        .iter()
        .find(|overwrite| id(&overwrite["id"]) == Some(target))
}

/// What is left of a name when everything is gone that Discord may change: text channels are stored
/// in small letters, with single dashes for blanks and without most signs.
fn plain_name(name: &Value) -> String {
    let name = name.as_str().unwrap_or_default().to_lowercase();
    let parts = name.split(|c: char| c == '-' || c.is_whitespace());
    let parts = parts.map(|part| part.replace(|c: char| c.is_ascii_punctuation() && c != '_', ""));
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever lacks sight of a channel does not find it in the list.
    #[test]
    fn it_is_known_which_channels_are_listed() {
        let bot = Viewer {
            user: 9,
            roles: vec![5],
            all: false,
        };
        let everything = Viewer {
            all: true,
            ..bot.clone()
        };
        let view = bits::VIEW_CHANNEL.to_string();
        let allow =
            |id: &str, kind: u8| json!({"id": id, "type": kind, "allow": view, "deny": "0"});
        let deny = |id: &str, kind: u8| json!({"id": id, "type": kind, "allow": "0", "deny": view});
        for (overwrites, missed) in [
            (json!([]), false),
            (json!([allow("5", 0)]), false),
            (json!([deny("1", 0)]), true),
            (json!([deny("1", 0), allow("5", 0)]), false),
            (json!([deny("1", 0), allow("5", 1)]), true),
            (json!([deny("1", 0), allow("6", 0)]), true),
            (json!([allow("9", 1), deny("1", 0)]), false),
            (json!([allow("5", 0), deny("9", 1)]), true),
            (json!([deny("5", 0), allow("9", 1)]), false),
        ] {
            let channel = json!({"permission_overwrites": overwrites});
            assert_eq!(bot.may_miss(&channel), missed, "{channel}");
            assert!(!everything.may_miss(&channel), "{channel}");
        }
    }

    #[test]
    fn names_are_compared_as_discord_stores_them() {
        for (sent, stored) in [
            ("Mod  Chat", "mod-chat"),
            (" mod chat ", "mod-chat"),
            ("mod--chat-", "mod-chat"),
            ("Mod\u{2009}\tChat", "mod-chat"),
            ("Joey's Cool Channel!", "joeys-cool-channel"),
            ("a & b", "a-b"),
            ("Über_uns 🎉", "über_uns-🎉"),
        ] {
            assert_eq!(
                plain_name(&json!(sent)),
                plain_name(&json!(stored)),
                "{sent}"
            );
        }
        assert_ne!(plain_name(&json!("mod")), plain_name(&json!("mod-chat")));
    }
}
