use http::Method;
use serde_json::Value;
use splashtail_core::ids::GuildId;
use tracing::warn;

use super::audit::LOOKS;
use super::{Acting, EnsureError, Ensured, Outcome};
use crate::snowflake::{array, id};

/// Times that a creation is tried when look-ups say each time that it did not happen.
const TRIES: u32 = 3;

/// Something to be made once.
pub(super) struct Creation<'a> {
    /// For messages.
    pub(super) what: &'static str,
    pub(super) guild: GuildId,
    /// Where to post `body`.
    pub(super) post: String,
    pub(super) body: &'a Value,
    /// Where such objects are listed.
    pub(super) list: String,
    /// Type of the audit log entry.
    pub(super) action: u64,
    /// Whether an object could be the one.
    pub(super) like: &'a (dyn Fn(&Value) -> bool + Sync),
    /// The list may not show it, so that only the audit log tells.
    pub(super) unlisted: bool,
}

impl Acting {
    pub(super) async fn create(&self, creation: Creation<'_>) -> Result<Ensured, EnsureError> {
        if self.resumed
            && let Some(object) = self.look_up(&creation).await?
        {
            return Ok(Ensured::new(Outcome::Adopted, object));
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let made = self
                .request(Method::POST, creation.post.clone())
                .json(creation.body)
                .send()
                .await;
            let error = match made {
                Ok(object) => return Ok(Ensured::new(Outcome::Created, object)),
                Err(error) if error.is_ambiguous() => error,
                Err(error) => return Err(error.into()),
            };
            warn!(
                discord.object = creation.what,
                error = %error,
                "no answer to a creation, looking up what became of it"
            );
            match self.look_up(&creation).await {
                Ok(Some(object)) => return Ok(Ensured::new(Outcome::Adopted, object)),
                Ok(None) if tries < TRIES => {}
                Err(unresolved @ EnsureError::Unresolved { .. }) => return Err(unresolved),
                Ok(None) => return Err(error.into()),
                Err(failed) => {
                    // Whatever kept us from looking: it is not known whether it happened.
                    warn!(discord.object = creation.what, error = %failed, "the look-up failed");
                    return Err(error.into());
                }
            }
        }
    }

    /// What an earlier try made, if it made anything.
    async fn look_up(&self, creation: &Creation<'_>) -> Result<Option<Value>, EnsureError> {
        let mut candidates = Vec::new();
        for pause in LOOKS {
            self.wait(pause).await?;
            let list = self.request(Method::GET, creation.list.clone());
            let list = list.send().await?;
            let earliest = self.earliest_id();
            candidates = array(&list)
                .iter()
                .filter(|object| id(&object["id"]).is_some_and(|id| id >= earliest))
                .filter(|object| (creation.like)(object))
                .cloned()
                .collect();
            if candidates.is_empty() && !creation.unlisted {
                return Ok(None);
            }
            let Some(makers) = self.makers(creation.guild, creation.action).await? else {
                break;
            };
            if let Some(ours) = makers.ours {
                let known = |object: &&Value| id(&object["id"]) == Some(ours);
                let object = array(&list).iter().find(known).cloned();
                let bare = || serde_json::json!({"id": ours.to_string()});
                return Ok(Some(object.unwrap_or_else(bare)));
            }
            candidates
                .retain(|object| id(&object["id"]).is_some_and(|id| !makers.others.contains(&id)));
            if candidates.is_empty() && !creation.unlisted {
                return Ok(None);
            }
        }
        match candidates.len() {
            0 | 1 => Ok(candidates.pop()),
            candidates => Err(EnsureError::Unresolved {
                what: creation.what,
                candidates,
            }),
        }
    }
}
