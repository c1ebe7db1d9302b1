//! From an operation to the call that brings its state about.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use splashtail_core::ids::GuildId;
use splashtail_discord::ensure::{
    Acting, EnsureError, Ensured, Outcome, OverwriteOf, Part, Single,
};
use splashtail_discord::snowflake::{bit_set, id};
use splashtail_guild::{Id, Kind, Operation, Structure, Subject};

use super::files::Loaded;

/// Longest that an invite lasts, in seconds, unless it lasts for ever.
const LONGEST_INVITE: i64 = 604_800;

/// What a call is made with.
pub struct Perform<'a> {
    pub acting: &'a Acting,
    pub guild: GuildId,
    pub live: &'a Structure,
    pub files: &'a Loaded,
    /// When the effect was intended: what is said again is the same.
    pub at: DateTime<Utc>,
    /// The bot.
    pub own: u64,
    /// Codes of invites that this job has made.
    pub codes: &'a BTreeSet<String>,
}

impl Perform<'_> {
    /// Makes one call, or none. The operation is resolved: its subject and all ids are live ones.
    pub async fn perform(&self, operation: &Operation) -> Result<Ensured, EnsureError> {
        let Self { acting, guild, .. } = *self;
        match operation {
            Operation::Create { kind, body, .. } => {
                let mut want = self.files.body(*kind, body);
                if let (Kind::Sticker, Some(file)) = (*kind, self.files.upload(&mut want)) {
                    return acting.ensure_sticker(guild, &want, &file).await;
                }
                if *kind == Kind::Invite {
                    return self.invite(&want).await;
                }
                self.put(*kind, &want, None).await
            }
            Operation::Edit {
                kind,
                subject,
                body,
            } => {
                let want = self.files.body(*kind, body);
                let now = self.present(*kind, id_of(*subject)?);
                self.put(*kind, &want, Some(&now)).await
            }
            Operation::Delete { kind, subject } => {
                let id = id_of(*subject)?.get();
                match (part(*kind), kind) {
                    (Some(part), _) => acting.ensure_no_part(guild, part, id).await,
                    (None, Kind::Role) => acting.ensure_no_role(guild, id).await,
                    (None, Kind::Webhook) => acting.ensure_no_webhook(id).await,
                    (None, Kind::Channel | Kind::Thread) => acting.ensure_no_channel(id).await,
                    (None, _) => Err(EnsureError::Incomplete("object")),
                }
            }
            Operation::PutOverwrite { channel, overwrite } => {
                let whom = whom(overwrite).ok_or(EnsureError::Incomplete("overwrite"))?;
                let (allow, deny) = (bit_set(&overwrite["allow"]), bit_set(&overwrite["deny"]));
                let channel = self.present(Kind::Channel, id_of(*channel)?);
                acting.ensure_overwrite(&channel, whom, allow, deny).await
            }
            Operation::DeleteOverwrite { channel, whom } => {
                let channel = self.present(Kind::Channel, id_of(*channel)?);
                // One is named by its id alone, whoever it is for.
                let whom = OverwriteOf::Role(whom.get());
                acting.ensure_no_overwrite(&channel, whom).await
            }
            Operation::Reorder { kind, positions } => {
                let place = |(subject, at): &(Subject, i64)| Ok((id_of(*subject)?.get(), *at));
                let positions = positions.iter().map(place);
                let positions = positions.collect::<Result<Vec<_>, EnsureError>>()?;
                match kind {
                    Kind::Role => acting.ensure_role_order(guild, &positions).await,
                    _ => acting.ensure_channel_order(guild, &positions).await,
                }
            }
        }
    }

    async fn put(
        &self,
        kind: Kind,
        want: &Value,
        now: Option<&Value>,
    ) -> Result<Ensured, EnsureError> {
        let Self { acting, guild, .. } = *self;
        let single = match kind {
            Kind::Widget => Some(Single::Widget),
            Kind::WelcomeScreen => Some(Single::WelcomeScreen),
            Kind::Onboarding => Some(Single::Onboarding),
            _ => None,
        };
        if let Some(single) = single {
            let now = now.unwrap_or(&Value::Null);
            return acting.ensure_single(guild, single, want, now).await;
        }
        match (kind, part(kind)) {
            (_, Some(part)) => acting.ensure_part(guild, part, want, now).await,
            (Kind::Role, None) => acting.ensure_role(guild, want, now).await,
            (Kind::Webhook, None) => acting.ensure_hook(guild, want, now).await,
            (Kind::Guild, None) => {
                acting
                    .ensure_guild(guild, want, now.unwrap_or(&Value::Null))
                    .await
            }
            (_, None) => acting.ensure_channel(guild, want, now).await,
        }
    }

    /// With what is left of its time.
    async fn invite(&self, want: &Value) -> Result<Ensured, EnsureError> {
        let channel = id(&want["channel_id"]).ok_or(EnsureError::Incomplete("invite's channel"))?;
        let end = want["expires_at"].as_str();
        let end = end.and_then(|end| DateTime::parse_from_rfc3339(end).ok());
        let seconds = end.map(|end| (end.to_utc() - self.at).num_seconds());
        if seconds.is_some_and(|left| left <= 0) {
            // It would have ended by now.
            return Ok(Ensured {
                outcome: Outcome::Unchanged,
                object: Value::Null,
            });
        }
        let seconds = seconds.map_or(0, |left| left.min(LONGEST_INVITE));
        let body = json!({"max_age": seconds, "max_uses": want["max_uses"].as_u64().unwrap_or(0),
                          "temporary": want["temporary"] == true, "unique": true});
        let known: Vec<&str> = self.codes.iter().map(String::as_str).collect();
        let ensured = self.acting.ensure_invite(channel, self.own, &known, &body);
        ensured.await
    }

    /// An object as it was when the plan was made. What this job made itself was not there: of that
    /// only the id is told, so that everything asked for is sent.
    fn present(&self, kind: Kind, id: Id) -> Value {
        let hidden = (kind == Kind::Channel).then(|| self.live.get(Kind::Hidden, id));
        match hidden.flatten().or_else(|| self.live.get(kind, id)) {
            Some(object) => object.clone(),
            None => json!({"id": id.to_string(), "sound_id": id.to_string()}),
        }
    }
}

fn part(kind: Kind) -> Option<Part> {
    match kind {
        Kind::Emoji => Some(Part::Emoji),
        Kind::Sticker => Some(Part::Sticker),
        Kind::Sound => Some(Part::Sound),
        Kind::AutomodRule => Some(Part::AutomodRule),
        Kind::ScheduledEvent => Some(Part::ScheduledEvent),
        _ => None,
    }
}

fn id_of(subject: Subject) -> Result<Id, EnsureError> {
    match subject {
        Subject::Live(id) => Ok(id),
        Subject::Wanted(_) => Err(EnsureError::Incomplete("object")),
    }
}

fn whom(overwrite: &Value) -> Option<OverwriteOf> {
    let id = Id::of(overwrite)?.get();
    let member = overwrite["type"] == 1 || overwrite["type"] == "1";
    Some(match member {
        true => OverwriteOf::Member(id),
        false => OverwriteOf::Role(id),
    })
}
