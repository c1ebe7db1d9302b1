//! From an operation to the call that brings its state about.

use serde_json::{Value, json};
use splashtail_core::ids::GuildId;
use splashtail_discord::ensure::{Acting, EnsureError, Ensured, OverwriteOf, Part};
use splashtail_discord::snowflake::bit_set;
use splashtail_guild::{Id, Kind, Operation, Structure, Subject};

/// Makes one call, or none. The operation is resolved: its subject and all ids are live ones.
pub async fn perform(
    acting: &Acting,
    guild: GuildId,
    live: &Structure,
    operation: &Operation,
) -> Result<Ensured, EnsureError> {
    match operation {
        Operation::Create { kind, body, .. } => {
            let want = Value::Object(body.clone());
            put(acting, guild, *kind, &want, None).await
        }
        Operation::Edit {
            kind,
            subject,
            body,
        } => {
            let want = Value::Object(body.clone());
            let now = present(live, *kind, id_of(*subject)?);
            put(acting, guild, *kind, &want, Some(&now)).await
        }
        Operation::Delete { kind, subject } => {
            let id = id_of(*subject)?.get();
            match (part(*kind), kind) {
                (Some(part), _) => acting.ensure_no_part(guild, part, id).await,
                (None, Kind::Role) => acting.ensure_no_role(guild, id).await,
                (None, _) => acting.ensure_no_channel(id).await,
            }
        }
        Operation::PutOverwrite { channel, overwrite } => {
            let whom = whom(overwrite).ok_or(EnsureError::Incomplete("overwrite"))?;
            let (allow, deny) = (bit_set(&overwrite["allow"]), bit_set(&overwrite["deny"]));
            let channel = present(live, Kind::Channel, id_of(*channel)?);
            acting.ensure_overwrite(&channel, whom, allow, deny).await
        }
        Operation::DeleteOverwrite { channel, whom } => {
            let channel = present(live, Kind::Channel, id_of(*channel)?);
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
    acting: &Acting,
    guild: GuildId,
    kind: Kind,
    want: &Value,
    now: Option<&Value>,
) -> Result<Ensured, EnsureError> {
    match (kind, part(kind)) {
        (_, Some(part)) => acting.ensure_part(guild, part, want, now).await,
        (Kind::Role, None) => acting.ensure_role(guild, want, now).await,
        (Kind::Guild, None) => {
            acting
                .ensure_guild(guild, want, now.unwrap_or(&Value::Null))
                .await
        }
        (_, None) => acting.ensure_channel(guild, want, now).await,
    }
}

fn part(kind: Kind) -> Option<Part> {
    match kind {
        Kind::Emoji => Some(Part::Emoji),
        Kind::Sticker => Some(Part::Sticker),
        Kind::Sound => Some(Part::Sound),
        Kind::AutomodRule => Some(Part::AutomodRule),
        Kind::ScheduledEvent => Some(Part::ScheduledEvent),
        Kind::Guild | Kind::Role | Kind::Channel | Kind::Hidden | Kind::Thread => None,
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

/// An object as it was when the plan was made. What this job made itself was not there: of that
/// only the id is told, so that everything asked for is sent.
fn present(live: &Structure, kind: Kind, id: Id) -> Value {
    let hidden = (kind == Kind::Channel).then(|| live.get(Kind::Hidden, id));
    match hidden.flatten().or_else(|| live.get(kind, id)) {
        Some(object) => object.clone(),
        None => json!({"id": id.to_string(), "sound_id": id.to_string()}),
    }
}
