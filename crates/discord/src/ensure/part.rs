use serde_json::Value;
use splashtail_core::ids::GuildId;

use super::create::{Creation, Likeness, stored_name};
use super::{Acting, EnsureError, Ensured};
use crate::form::Upload;
use crate::snowflake::id;

/// Parts of a server that have a list of their own, a name, and neither order nor hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// An emoji; made from `image`, a data URL.
    Emoji,
    /// A sticker; a new one takes a file, see [`Acting::ensure_sticker`].
    Sticker,
    /// A sound of the soundboard, known by its `sound_id`; made from `sound`, a data URL.
    Sound,
    /// An AutoMod rule.
    AutomodRule,
    /// A scheduled event.
    ScheduledEvent,
}

impl Part {
    fn list(self) -> &'static str {
        match self {
            Self::Emoji => "emojis",
            Self::Sticker => "stickers",
            Self::Sound => "soundboard-sounds",
            Self::AutomodRule => "auto-moderation/rules",
            Self::ScheduledEvent => "scheduled-events",
        }
    }

    /// Type of the audit log entry of a new one.
    fn created(self) -> u64 {
        match self {
            Self::Emoji => 60,
            Self::Sticker => 90,
            Self::Sound => 130,
            Self::AutomodRule => 140,
            Self::ScheduledEvent => 100,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Emoji => "emoji",
            Self::Sticker => "sticker",
            Self::Sound => "sound",
            Self::AutomodRule => "AutoMod rule",
            Self::ScheduledEvent => "event",
        }
    }

    /// The id of one, which sounds keep under another name.
    fn id(self, object: &Value) -> Option<u64> {
        match self {
            Self::Sound => id(&object["sound_id"]),
            _ => id(&object["id"]),
        }
    }
}

impl Acting {
    /// A part with these fields. `now`: the part as it is; without one it is made.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_part(
        &self,
        guild: GuildId,
        part: Part,
        want: &Value,
        now: Option<&Value>,
    ) -> Result<Ensured, EnsureError> {
        let list = format!("/guilds/{guild}/{}", part.list());
        if let Some(now) = now {
            let id = part.id(now).ok_or(EnsureError::Incomplete(part.what()))?;
            return self.change(format!("{list}/{id}"), want, now).await;
        }
        self.make_part(guild, part, want, None).await
    }

    /// A sticker with these texts, made from a file. One that is there is
    /// [`Acting::ensure_part`]'s matter.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_sticker(
        &self,
        guild: GuildId,
        want: &Value,
        file: &Upload,
    ) -> Result<Ensured, EnsureError> {
        self.make_part(guild, Part::Sticker, want, Some(file)).await
    }

    async fn make_part(
        &self,
        guild: GuildId,
        part: Part,
        want: &Value,
        file: Option<&Upload>,
    ) -> Result<Ensured, EnsureError> {
        let list = format!("/guilds/{guild}/{}", part.list());
        let like = |object: &Value| {
            if stored_name(&object["name"]) == stored_name(&want["name"]) {
                Likeness::Alike
            } else {
                Likeness::Perhaps
            }
        };
        self.create(Creation {
            what: part.what(),
            guild,
            post: list.clone(),
            body: want,
            file,
            list,
            action: part.created(),
            like: &like,
            unlisted: false,
        })
        .await
    }

    /// No such part. One that is gone already is [`super::Outcome::Unchanged`].
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_no_part(
        &self,
        guild: GuildId,
        part: Part,
        id: u64,
    ) -> Result<Ensured, EnsureError> {
        self.remove(format!("/guilds/{guild}/{}/{id}", part.list()))
            .await
    }
}
