use http::Method;
use serde_json::Value;
use splashtail_core::ids::GuildId;

use super::audit::LOOKS;
use super::create::{Creation, Likeness, stored_name};
use super::webhook::Poster;
use super::{Acting, EnsureError, Ensured, Outcome};
use crate::error::DiscordError;
use crate::form::Upload;
use crate::snowflake::{array, id};

const THREAD_CREATE: u64 = 110;
/// "A thread has already been created for this message."
const HAS_THREAD: u64 = 160_004;
/// What a thread keeps in an object of its own, beside its other fields.
const METADATA: [&str; 4] = ["archived", "locked", "auto_archive_duration", "invitable"];

impl Acting {
    /// A thread of its own below a text channel. It has to be active, and is for whoever archives
    /// it afterwards.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_thread(
        &self,
        guild: GuildId,
        channel: u64,
        want: &Value,
    ) -> Result<Ensured, EnsureError> {
        let like = |thread: &Value| {
            if id(&thread["parent_id"]) != Some(channel) {
                return Likeness::Never;
            }
            let alike = stored_name(&thread["name"]) == stored_name(&want["name"])
                && thread["type"] == want["type"];
            if alike {
                Likeness::Alike
            } else {
                Likeness::Perhaps
            }
        };
        self.create(Creation {
            what: "thread",
            guild,
            post: format!("/channels/{channel}/threads"),
            body: want,
            file: None,
            list: active(guild),
            action: THREAD_CREATE,
            like: &like,
            unlisted: false,
        })
        .await
    }

    /// The thread that starts at a message. It has the message's id, so there is one at most.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_message_thread(
        &self,
        channel: u64,
        message: u64,
        want: &Value,
    ) -> Result<Ensured, EnsureError> {
        let path = format!("/channels/{channel}/messages/{message}/threads");
        let post = self.request(Method::POST, path).json(want);
        match post.send().await {
            Ok(thread) => Ok(Ensured::new(Outcome::Created, thread)),
            Err(error) if error.code() == Some(HAS_THREAD) => {
                let thread = self.request(Method::GET, format!("/channels/{message}"));
                Ok(Ensured::new(Outcome::Adopted, thread.send().await?))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A post in a forum by a webhook that nobody else uses. Its first message is answered, which has
    /// the post's id. `owned` posts are earlier ones.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_webhook_post(
        &self,
        guild: GuildId,
        poster: &Poster,
        want: &Value,
        files: &[Upload],
    ) -> Result<Ensured, EnsureError> {
        if self.resumed {
            for pause in LOOKS {
                self.wait(pause).await?;
                if let Some(post) = self.posted_in(guild, poster).await? {
                    return Ok(Ensured::new(Outcome::Adopted, post));
                }
            }
        }
        let error = match self.post_by(poster, None, want, files).send().await {
            Ok(message) => return Ok(Ensured::new(Outcome::Created, message)),
            Err(error) if error.is_ambiguous() => error,
            Err(error) => return Err(error.into()),
        };
        match self.posted_in(guild, poster).await? {
            Some(post) => Ok(Ensured::new(Outcome::Adopted, post)),
            None => Err(error.into()),
        }
    }

    /// The webhook's post that no earlier effect made.
    async fn posted_in(
        &self,
        guild: GuildId,
        poster: &Poster,
    ) -> Result<Option<Value>, DiscordError> {
        let list = self.request(Method::GET, active(guild)).send().await?;
        let earliest = self.earliest_id();
        let ours = |thread: &&Value| {
            id(&thread["parent_id"]) == Some(poster.channel)
                && id(&thread["owner_id"]) == Some(poster.webhook)
                && id(&thread["id"]).is_some_and(|id| id >= earliest && !self.owned.contains(&id))
        };
        Ok(array(&list["threads"]).iter().find(ours).cloned())
    }

    /// A thread with these fields; what it is archived and locked by comes with the rest. `now`: as
    /// it is.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_thread_fields(
        &self,
        thread: u64,
        want: &Value,
        now: &Value,
    ) -> Result<Ensured, EnsureError> {
        let mut flat = now.clone();
        for field in METADATA {
            if let Some(value) = now["thread_metadata"].get(field) {
                flat[field] = value.clone();
            }
        }
        self.change(format!("/channels/{thread}"), want, &flat)
            .await
    }

    /// A member who follows a thread, and so sees a private one.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_thread_member(
        &self,
        thread: u64,
        user: u64,
    ) -> Result<Ensured, EnsureError> {
        let path = format!("/channels/{thread}/thread-members/{user}");
        self.request(Method::PUT, path).send_empty().await?;
        Ok(Ensured::new(Outcome::Updated, Value::Null))
    }

    /// A message that is pinned.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_pinned(&self, channel: u64, message: u64) -> Result<Ensured, EnsureError> {
        let path = format!("/channels/{channel}/messages/pins/{message}");
        self.request(Method::PUT, path).send_empty().await?;
        Ok(Ensured::new(Outcome::Updated, Value::Null))
    }
}

fn active(guild: GuildId) -> String {
    format!("/guilds/{guild}/threads/active")
}
