//! Walking a document along the table of keys.

use serde_yaml::{Mapping, Value};

use super::component::Component;
use super::draft::Draft;
use super::problem::Problem;
use super::reading::{Reading, is_absent};
use super::schema::{self, Key};
use crate::environment::Environment;

/// Reads every key that the document has into `draft`, complaining about those that `component`
/// reads.
pub(super) fn read(
    document: &Mapping,
    component: Component,
    draft: &mut Draft,
    to: &mut Reading<'_>,
) {
    for (path, key) in schema::keys() {
        let Some(value) = lookup(document, &path) else {
            continue;
        };
        if component.checks(key) {
            read_key(&path, key, value, draft, to);
        } else {
            without_checks(to, |to| read_key(&path, key, value, draft, to));
        }
    }
}

/// What another component will complain about is no reason for this one not to start.
fn without_checks<'a>(to: &mut Reading<'a>, read: impl FnOnce(&mut Reading<'a>)) {
    let (problems, warnings) = (to.problems.len(), to.warnings.len());
    read(to);
    to.problems.truncate(problems);
    to.warnings.truncate(warnings);
}

fn read_key(path: &str, key: &Key, value: &Value, draft: &mut Draft, to: &mut Reading<'_>) {
    match pair(key, value) {
        Some(pair) => read_pair(path, key, pair, draft, to),
        None => read_value(path, path, key, value, draft, to),
    }
}

fn read_pair(path: &str, key: &Key, pair: &Mapping, draft: &mut Draft, to: &mut Reading<'_>) {
    let here = to.environment;
    let own_path = format!("{path}.{here}");
    match pair.get(here.as_str()) {
        Some(value) => read_value(path, &own_path, key, value, draft, to),
        None => {
            let mut message = format!("missing (required, {})", key.field.noun());
            if !key.example.is_empty() {
                message.push_str(". Example: ");
                message.push_str(key.example);
            }
            to.problem(&own_path, message);
        }
    }
    let there = here.other();
    let other_path = format!("{path}.{there}");
    let Some(value) = pair.get(there.as_str()) else {
        return to.warn(format!(
            "{other_path} is missing; {there} could not start with it"
        ));
    };
    let (problems, warnings) = (to.problems.len(), to.warnings.len());
    to.checks_other_half = true;
    read_value(path, &other_path, key, value, &mut draft.clone(), to);
    to.checks_other_half = false;
    to.warnings.truncate(warnings);
    for Problem { key, message } in to.problems.split_off(problems) {
        to.warn(format!("{key} {message}; {there} could not start with it"));
    }
}

fn read_value(
    path: &str,
    at: &str,
    key: &Key,
    value: &Value,
    draft: &mut Draft,
    to: &mut Reading<'_>,
) {
    // An empty value is an absent one: the default stays.
    if !is_absent(value) {
        draft.set.insert(path.to_owned());
        key.field.read(at, value, draft, to);
    }
}

pub(super) fn lookup<'a>(document: &'a Mapping, path: &str) -> Option<&'a Value> {
    let (group, name) = match path.rsplit_once('.') {
        Some((group, name)) => (Some(group), name),
        None => (None, path),
    };
    let mut mapping = document;
    for segment in group.iter().flat_map(|group| group.split('.')) {
        mapping = mapping.get(segment)?.as_mapping()?;
    }
    mapping.get(name)
}

/// The value as a differs pair, when the key allows one. A map of clients is a pair when nothing
/// but the two words is in it.
pub(super) fn pair<'a>(key: &Key, value: &'a Value) -> Option<&'a Mapping> {
    let mapping = value.as_mapping().filter(|_| key.pair)?;
    let is_pair = !mapping.is_empty()
        && mapping.iter().all(|(half, value)| {
            let known = half
                .as_str()
                .is_some_and(|half| half.parse::<Environment>().is_ok());
            known && (!key.field.is_map() || value.is_mapping() || is_absent(value))
        });
    (is_pair || !key.field.is_map()).then_some(mapping)
}
