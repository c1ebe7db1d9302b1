use http::Method;
use serde_json::Value;
use splashtail_core::ids::GuildId;
use tracing::warn;

use super::audit::{LOOKS, Makers};
use super::{Acting, Doubt, EnsureError, Ensured, Outcome};
use crate::form::Upload;
use crate::request::Request;
use crate::snowflake::{array, id};

/// Whether an object can be what a creation made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It is what was asked for.
    Alike,
    /// It differs, but Discord changes what it is sent, and people what they find.
    Perhaps,
    /// Nothing that we make is such an object.
    Never,
}

/// Something to be made once.
pub(super) struct Creation<'a> {
    /// For messages.
    pub(super) what: &'static str,
    pub(super) guild: GuildId,
    /// Where to post `body`.
    pub(super) post: String,
    pub(super) body: &'a Value,
    /// Sent with the body's texts as a form.
    pub(super) file: Option<&'a Upload>,
    /// Where such objects are listed.
    pub(super) list: String,
    /// Type of the audit log entry.
    pub(super) action: u64,
    pub(super) like: &'a (dyn Fn(&Value) -> Likeness + Sync),
    /// The list may not show it, so that only the audit log tells.
    pub(super) unlisted: bool,
}

impl Acting {
    /// Makes it, or finds that it was made.
    pub(super) async fn create(&self, creation: Creation<'_>) -> Result<Ensured, EnsureError> {
        let post = self.post_of(&creation);
        self.post_once(creation.what, post, || self.look_up(&creation))
            .await
    }

    /// Posts at most once: Discord may still be working on what it did not answer, so a repetition
    /// is the next call's, which looks first. `look_up`: what an earlier try made, looked for with the
    /// pauses of [`LOOKS`].
    pub(super) async fn post_once<Looking>(
        &self,
        what: &'static str,
        post: Request,
        look_up: impl Fn() -> Looking,
    ) -> Result<Ensured, EnsureError>
    where
        Looking: Future<Output = Result<Option<Value>, EnsureError>>,
    {
        if self.resumed
            && let Some(object) = look_up().await?
        {
            return Ok(Ensured::new(Outcome::Adopted, object));
        }
        let error = match post.send().await {
            Ok(object) => return Ok(Ensured::new(Outcome::Created, object)),
            Err(error) if error.is_ambiguous() => error,
            Err(error) => return Err(error.into()),
        };
        warn!(
            discord.object = what,
            error = %error,
            "no answer to a creation, looking up what became of it"
        );
        match look_up().await {
            Ok(Some(object)) => Ok(Ensured::new(Outcome::Adopted, object)),
            Ok(None) => Err(error.into()),
            Err(failed) => {
                // It was sent just now, so a later look may tell, however old the intent is.
                warn!(discord.object = what, error = %failed, "the look-up does not tell");
                Err(error.into())
            }
        }
    }

    fn post_of(&self, creation: &Creation<'_>) -> Request {
        let post = self.request(Method::POST, creation.post.clone());
        let Some(file) = creation.file else {
            return post.json(creation.body);
        };
        let fields = creation.body.as_object().into_iter().flatten();
        let fields: Vec<(&str, &str)> = fields
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect();
        post.fields(&fields, file)
    }

    /// What an earlier try made. `None`: it made nothing, because all that was made since the
    /// intent is somebody's, and stays so for as long as Discord may still be working on it.
    async fn look_up(&self, creation: &Creation<'_>) -> Result<Option<Value>, EnsureError> {
        let mut unclaimed = Vec::new();
        let mut makers = Some(Makers::default());
        for pause in LOOKS {
            self.wait(pause).await?;
            let list = self.request(Method::GET, creation.list.clone());
            let list = listed(list.send().await?);
            unclaimed = self.unclaimed(&list, creation);
            if !unclaimed.is_empty() || creation.unlisted {
                // Who may not read it now will not be allowed to in a few seconds.
                if makers.is_some() {
                    makers = self.makers(creation.guild, creation.action).await?;
                }
            }
            let Some(makers) = &makers else {
                if let Some(object) = only_alike(&unclaimed, creation) {
                    return Ok(Some(object));
                }
                continue;
            };
            if let Some(ours) = makers.ours {
                let known = |object: &&Value| id(&object["id"]) == Some(ours);
                let object = array(&list).iter().find(known).cloned();
                let bare = || serde_json::json!({"id": ours.to_string()});
                return Ok(Some(object.unwrap_or_else(bare)));
            }
            unclaimed
                .retain(|object| id(&object["id"]).is_some_and(|id| !makers.others.contains(&id)));
        }
        if let Some(object) = only_alike(&unclaimed, creation) {
            return Ok(Some(object));
        }
        if unclaimed.is_empty() && !creation.unlisted {
            return Ok(None);
        }
        let doubt = match makers {
            Some(_) => Doubt::Silent,
            None => Doubt::Unaudited,
        };
        Err(self.unresolved(creation.what, unclaimed.len(), doubt))
    }

    /// What was made since the intent, could be ours and belongs to no other effect of the caller.
    fn unclaimed(&self, list: &Value, creation: &Creation<'_>) -> Vec<Value> {
        let earliest = self.earliest_id();
        let open = |id: u64| id >= earliest && !self.owned.contains(&id);
        array(list)
            .iter()
            .filter(|object| id(&object["id"]).is_some_and(open))
            .filter(|object| (creation.like)(object) != Likeness::Never)
            .cloned()
            .collect()
    }
}

/// The bare list; Discord wraps those of threads and of sounds, whose ids it names otherwise.
fn listed(mut list: Value) -> Value {
    for wrapped in ["items", "threads"] {
        if let Some(items) = list.get_mut(wrapped) {
            list = items.take();
        }
    }
    for object in list.as_array_mut().into_iter().flatten() {
        if object["id"].is_null() && !object["sound_id"].is_null() {
            object["id"] = object["sound_id"].clone();
        }
    }
    list
}

/// The one that is what was asked for, if there is exactly one.
fn only_alike(unclaimed: &[Value], creation: &Creation<'_>) -> Option<Value> {
    let mut alike = unclaimed
        .iter()
        .filter(|object| (creation.like)(object) == Likeness::Alike);
    let object = alike.next()?;
    alike.next().is_none().then(|| object.clone())
}

/// A name as Discord stores it: trimmed, with single spaces.
pub(super) fn stored_name(name: &Value) -> String {
    let words: Vec<&str> = name
        .as_str()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    words.join(" ")
}
