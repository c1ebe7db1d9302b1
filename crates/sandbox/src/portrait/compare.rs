//! What is not the same in two portraits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// One field of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// As `role Manager`.
    pub object: String,
    /// As `permission_overwrites.0.allow`; empty for the object as a whole.
    pub field: String,
    /// `None` where there was nothing.
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl Difference {
    /// Of which kind the object is: `role`, `channel`, `message`. A private thread is a thread.
    pub fn kind(&self) -> &str {
        let object = self.object.strip_prefix("private ");
        let object = object.unwrap_or(&self.object);
        object.split(' ').next().unwrap_or_default()
    }

    /// Whether it is about this field, or a part of it.
    pub fn is_of(&self, field: &str) -> bool {
        let rest = self.field.strip_prefix(field);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |value: &Option<Value>| value.as_ref().map_or("nothing".into(), Value::to_string);
        let (before, after) = (shown(&self.before), shown(&self.after));
        write!(f, "{} {}: {before} -> {after}", self.object, self.field)
    }
}

pub(super) fn differences(
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
) -> Vec<Difference> {
    let labels: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut all = Vec::new();
    for label in labels {
        fields(label, "", before.get(label), after.get(label), &mut all);
    }
    all
}

/// A field that is absent is not the same as one that is null: only Discord says when they mean the
/// same.
fn fields(
    object: &str,
    field: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    all: &mut Vec<Difference>,
) {
    let inner = |name: &str| match field {
        "" => name.to_owned(),
        field => format!("{field}.{name}"),
    };
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                fields(object, &inner(name), one.get(name), other.get(name), all);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for at in 0..one.len().max(other.len()) {
                let name = inner(&at.to_string());
                fields(object, &name, one.get(at), other.get(at), all);
            }
        }
        (before, after) => all.push(Difference {
            object: object.to_owned(),
            field: field.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_is_compared_and_what_is_missing_is_named() {
        let one = BTreeMap::from([
            (
                "role a".to_owned(),
                json!({"x": 1, "list": [{"y": 1}, {"y": 2}]}),
            ),
            ("role b".to_owned(), json!({})),
        ]);
        let other = BTreeMap::from([(
            "role a".to_owned(),
            json!({"x": 1, "list": [{"y": 1}, {"y": 3}], "z": null}),
        )]);
        let found = differences(&one, &other);
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "role a list.1.y: 2 -> 3",
                "role a z: nothing -> null",
                "role b : {} -> nothing"
            ]
        );
        assert!(found[0].is_of("list") && !found[0].is_of("li"));
        assert_eq!(differences(&one, &one), []);
    }
}
