//! Overwrites for people who are not there any more: a channel must not be lost over them. It is made
//! without those for members, which follow one by one, so that only the refused ones are missing.

use serde_json::Value;
use splashtail_guild::{Effect, Id, Kind, Operation, Subject};
use splashtail_jobs::JobError;

use super::{Made, Run, stops_everything};

/// Discord's codes of a body or a person that it does not take.
const MAY_NAME_NOBODY: [&str; 3] = ["discord_50035", "discord_10007", "discord_10013"];
const OVERWRITES: &str = "permission_overwrites";

impl Run<'_> {
    /// Tries again what was refused, without overwrites for members; `None` where that changes
    /// nothing.
    pub(super) async fn without_members(
        &mut self,
        effect: &Effect,
        operation: &Operation,
        name: &str,
        code: &str,
    ) -> Result<Option<Made>, JobError> {
        let Some((plain, members)) = plain(operation).filter(|_| MAY_NAME_NOBODY.contains(&code))
        else {
            return Ok(None);
        };
        let step = |rest: &str| Effect {
            step: format!("{}/{rest}", effect.step),
            ..effect.clone()
        };
        let made = match self.make(&step("plain"), &plain, Kind::Channel, name).await {
            Ok(made) => made,
            Err(JobError::Permanent { code, .. }) if !stops_everything(&code) => return Ok(None),
            Err(error) => return Err(error),
        };
        let channel = match (&plain, made.id) {
            (Operation::Create { .. }, Some(id)) => Subject::Live(id),
            (Operation::Edit { subject, .. }, _) => *subject,
            _ => return Ok(Some(made)),
        };
        for overwrite in members {
            let whom = Id::of(&overwrite).map(|id| id.to_string());
            let whom = whom.unwrap_or_default();
            let mut one = step(&format!("member/{whom}"));
            one.operation = Operation::PutOverwrite { channel, overwrite };
            one.inverse = Vec::new();
            let put = one.operation.clone();
            match self.make(&one, &put, Kind::Channel, name).await {
                Ok(_) => {}
                Err(JobError::Permanent { code, message, .. }) if !stops_everything(&code) => {
                    let why = format!("the overwrite for member {whom} was dropped: {message}");
                    self.refused(&one, Kind::Channel, name.to_owned(), code, why)
                        .await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(made))
    }
}

/// A channel's operation without overwrites for members, and these.
fn plain(operation: &Operation) -> Option<(Operation, Vec<Value>)> {
    let mut plain = operation.clone();
    let (Operation::Create { kind, body, .. } | Operation::Edit { kind, body, .. }) = &mut plain
    else {
        return None;
    };
    let list = body
        .get_mut(OVERWRITES)
        .filter(|_| *kind == Kind::Channel)?;
    let list = list.as_array_mut()?;
    let is_member = |overwrite: &Value| overwrite["type"] == 1 || overwrite["type"] == "1";
    let (members, roles): (Vec<Value>, Vec<Value>) = list.drain(..).partition(is_member);
    *list = roles;
    (!members.is_empty()).then_some((plain, members))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_for_members_is_set_apart() {
        let create = |overwrites: Value| Operation::Create {
            kind: Kind::Channel,
            subject: Subject::Wanted(Id::new(5)),
            body: json!({"name": "c", OVERWRITES: overwrites})
                .as_object()
                .unwrap()
                .clone(),
        };
        let role = json!({"id": "1", "type": 0, "allow": "0", "deny": "1024"});
        let member = json!({"id": "9", "type": 1, "allow": "1024", "deny": "0"});
        let (rest, members) = plain(&create(json!([role, member]))).unwrap();
        assert_eq!(rest, create(json!([role])));
        assert_eq!(members, [member]);
        assert_eq!(plain(&create(json!([role]))), None);
    }
}
