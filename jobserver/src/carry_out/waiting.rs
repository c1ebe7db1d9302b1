//! What has to wait for a limit that lasts longer than a run may.

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use splashtail_guild::{Effect, Id, Kind, Operation, Subject};
use splashtail_jobs::JobError;

use super::kind_of;

/// Effects that a later run makes, and all that depends on them. Everything else goes on meanwhile.
#[derive(Debug, Default)]
pub struct Waiting {
    /// They share the limit: asking for another one is pointless.
    classes: HashSet<(Kind, Discriminant<Operation>)>,
    /// What is yet to be made: whatever names it waits, too.
    ids: HashSet<String>,
    /// Something of the kind that has to go first waits: what comes behind it in the plan may find
    /// no room until then, and would be refused for good.
    crowded: HashSet<Kind>,
    /// Kinds of which something is yet to be made.
    making: HashSet<Kind>,
    effects: usize,
    wait: Option<Duration>,
    why: String,
}

impl Waiting {
    /// `why`: for people.
    pub fn add(&mut self, effect: &Effect, wait: Duration, why: String) {
        let class = (kind_of(&effect.operation), discriminant(&effect.operation));
        self.classes.insert(class);
        self.hold(effect);
        if self.wait.is_none_or(|shortest| wait < shortest) {
            self.wait = Some(wait);
            self.why = why;
        }
    }

    /// Whether an effect has to wait; if so, what it makes is waited for, too.
    pub fn holds(&mut self, effect: &Effect) -> bool {
        if self.wait.is_none() {
            return false;
        }
        let operation = &effect.operation;
        let class = (kind_of(operation), discriminant(operation));
        let last = matches!(
            operation,
            Operation::Delete { .. } | Operation::Reorder { .. }
        );
        let holds = last
            || self.classes.contains(&class)
            || self.needs_room(operation)
            || self.is_named_in(operation);
        if holds {
            if let Operation::Delete { kind, .. } = operation {
                self.crowded.insert(*kind);
            }
            self.hold(effect);
        }
        holds
    }

    /// The job's wait, if there is one.
    pub fn error(&self, done: usize, total: usize) -> Option<JobError> {
        let wait = self.wait?;
        let (effects, why) = (self.effects, &self.why);
        let message =
            format!("{done} of {total} are done; {effects} wait for a limit of Discord's ({why})");
        Some(JobError::transient("rate_limited", message).retry_after(wait))
    }

    /// Whether something of a kind is yet to be made.
    pub fn makes(&self, kind: Kind) -> bool {
        self.making.contains(&kind)
    }

    fn hold(&mut self, effect: &Effect) {
        self.effects += 1;
        if let Operation::Create { kind, subject, .. } = &effect.operation {
            self.making.insert(*kind);
            let (Subject::Wanted(id) | Subject::Live(id)) = subject;
            self.ids.insert(id.to_string());
        }
    }

    /// Whether it takes a place of a kind, in the server or in a category, that something waiting
    /// has yet to leave.
    fn needs_room(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Create { kind, .. } => self.crowded.contains(kind),
            Operation::Edit { kind, body, .. } => {
                self.crowded.contains(kind) && body.contains_key("parent_id")
            }
            _ => false,
        }
    }

    fn is_named_in(&self, operation: &Operation) -> bool {
        let subject = |subject: &Subject| {
            let (Subject::Wanted(id) | Subject::Live(id)) = subject;
            self.names(*id)
        };
        match operation {
            Operation::Create { body, .. } => body.values().any(|value| self.is_in(value)),
            Operation::Edit {
                subject: of, body, ..
            } => subject(of) || body.values().any(|value| self.is_in(value)),
            Operation::Delete { subject: of, .. } => subject(of),
            Operation::PutOverwrite { channel, overwrite } => {
                subject(channel) || self.is_in(overwrite)
            }
            Operation::DeleteOverwrite { channel, whom } => subject(channel) || self.names(*whom),
            Operation::Reorder { positions, .. } => positions.iter().any(|(of, _)| subject(of)),
        }
    }

    fn names(&self, id: Id) -> bool {
        self.ids.contains(&id.to_string())
    }

    fn is_in(&self, value: &serde_json::Value) -> bool {
        use serde_json::Value;
        match value {
            Value::String(text) => self.ids.contains(text),
            Value::Number(number) => self.ids.contains(&number.to_string()),
            Value::Array(items) => items.iter().any(|item| self.is_in(item)),
            Value::Object(fields) => fields.values().any(|field| self.is_in(field)),
            Value::Null | Value::Bool(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn create(kind: Kind, id: u64, body: Value) -> Effect {
        let Value::Object(body) = body else {
            unreachable!()
        };
        Effect {
            step: format!("{id}/create"),
            operation: Operation::Create {
                kind,
                subject: Subject::Wanted(Id::new(id)),
                body,
            },
            needs: 0,
            inverse: Vec::new(),
        }
    }

    /// Case 20 of the restore matrix: emojis wait for their hour, the rest goes on.
    #[test]
    fn only_what_depends_on_it_waits() {
        let mut waiting = Waiting::default();
        let emoji = create(Kind::Emoji, 7, json!({"name": "a"}));
        assert!(!waiting.holds(&emoji));
        waiting.add(&emoji, Duration::from_secs(3600), "emojis".to_owned());
        assert!(waiting.holds(&create(Kind::Emoji, 8, json!({"name": "b"}))));
        assert!(!waiting.holds(&create(Kind::Role, 9, json!({"name": "r"}))));
        let tags = json!({"available_tags": [{"name": "t", "emoji_id": "8"}]});
        let forum = create(Kind::Channel, 10, tags);
        assert!(waiting.holds(&forum), "its tag shows an emoji that waits");
        let child = create(Kind::Channel, 11, json!({"parent_id": "10"}));
        assert!(waiting.holds(&child), "what it stands in waits");
        let other = create(Kind::Channel, 12, json!({"parent_id": "13"}));
        assert!(!waiting.holds(&other));
        let deletion = Effect {
            operation: Operation::Delete {
                kind: Kind::Role,
                subject: Subject::Live(Id::new(50)),
            },
            ..other
        };
        assert!(waiting.holds(&deletion), "surplus goes last");
        let error = waiting.error(3, 9).unwrap();
        assert!(
            matches!(error, JobError::Transient { retry_after: Some(wait), .. }
            if wait == Duration::from_secs(3600))
        );
    }

    /// A full server: a channel goes before another one can be made.
    #[test]
    fn what_needs_room_waits_for_what_leaves() {
        let mut waiting = Waiting::default();
        let role = create(Kind::Role, 7, json!({"name": "a"}));
        waiting.add(&role, Duration::from_secs(172_800), "roles".to_owned());
        let channel = create(Kind::Channel, 10, json!({"name": "c"}));
        assert!(!waiting.holds(&channel), "there is room so far");
        let leaves = Effect {
            operation: Operation::Delete {
                kind: Kind::Channel,
                subject: Subject::Live(Id::new(50)),
            },
            ..channel
        };
        assert!(waiting.holds(&leaves));
        assert!(waiting.holds(&create(Kind::Channel, 11, json!({"name": "d"}))));
        let edit = |body: Value| Effect {
            operation: Operation::Edit {
                kind: Kind::Channel,
                subject: Subject::Wanted(Id::new(12)),
                body: body.as_object().unwrap().clone(),
            },
            ..leaves.clone()
        };
        assert!(waiting.holds(&edit(json!({"parent_id": "13"}))));
        assert!(!waiting.holds(&edit(json!({"topic": "t"}))));
        assert!(!waiting.holds(&create(Kind::Emoji, 14, json!({"name": "e"}))));
    }
}
