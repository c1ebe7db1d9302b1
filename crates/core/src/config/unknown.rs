//! Keys that the table does not have, with the nearest one that it has.

use serde_yaml::{Mapping, Value};

use super::document::pair;
use super::reading::Reading;
use super::schema::{self, LEGACY};
use crate::text;

pub(super) fn report(document: &Mapping, to: &mut Reading<'_>) {
    let known: Vec<String> = schema::keys().map(|(path, _)| path).collect();
    level(document, "", &known, to);
}

fn level(mapping: &Mapping, prefix: &str, known: &[String], to: &mut Reading<'_>) {
    for (name, value) in mapping {
        let path = match name.as_str() {
            Some(name) if prefix.is_empty() => name.to_owned(),
            Some(name) => format!("{prefix}.{name}"),
            None => {
                to.warn(format!(
                    "a key of {} is not a string and is ignored",
                    place(prefix)
                ));
                continue;
            }
        };
        if LEGACY.contains(&path.as_str()) {
            to.warn(format!("{path} is no longer used"));
        } else if let Some((_, key)) = schema::keys().find(|(known, _)| *known == path) {
            if let Some(halves_of) = pair(key, value) {
                halves(halves_of, &path, to);
            }
        } else if known.iter().any(|known| is_below(known, &path)) {
            group(value, &path, known, to);
        } else {
            to.warn(match nearest(&path, known) {
                Some(nearest) => format!("unknown key {path}, did you mean {nearest}?"),
                None => format!("unknown key {path}"),
            });
        }
    }
}

fn group(value: &Value, path: &str, known: &[String], to: &mut Reading<'_>) {
    match value {
        Value::Mapping(mapping) => level(mapping, path, known, to),
        Value::Null => {}
        _ => to.problem(path, "is not a map of keys".to_owned()),
    }
}

fn halves(pair: &Mapping, path: &str, to: &mut Reading<'_>) {
    for name in pair.keys() {
        match name.as_str() {
            Some("staging" | "prod") => {}
            Some(name) => to.warn(format!(
                "unknown key {path}.{name}; the two environments are staging and prod"
            )),
            None => to.warn(format!("a key of {path} is not a string and is ignored")),
        }
    }
}

fn place(prefix: &str) -> &str {
    if prefix.is_empty() {
        "the top level"
    } else {
        prefix
    }
}

fn is_below(path: &str, group: &str) -> bool {
    path.strip_prefix(group)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// The most similar group or key of the same level; else a key of that very name in another group.
fn nearest(path: &str, known: &[String]) -> Option<String> {
    let (group, name) = path.rsplit_once('.').unwrap_or(("", path));
    let siblings = known.iter().filter_map(|known| {
        let rest = if group.is_empty() {
            known
        } else {
            known.strip_prefix(group)?.strip_prefix('.')?
        };
        rest.split('.').next()
    });
    match text::nearest(name, siblings) {
        Some(sibling) if group.is_empty() => Some(sibling.to_owned()),
        Some(sibling) => Some(format!("{group}.{sibling}")),
        None => known
            .iter()
            .find(|known| known.rsplit('.').next() == Some(name))
            .cloned(),
    }
}
