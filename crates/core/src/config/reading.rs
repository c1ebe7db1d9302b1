//! Walking the document along the table of keys, collecting everything that is wrong with it.

use std::io;
use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};

use super::draft::Draft;
use super::load::Component;
use super::problem::Problem;
use super::schema::{self, Key};
use super::unknown;
use crate::environment::Environment;

/// Where the world outside the document is looked up; tests bring their own.
pub(super) trait Sources {
    fn variable(&self, name: &str) -> Option<String>;
    fn read(&self, path: &Path) -> io::Result<String>;
}

pub(super) struct Reading<'a> {
    pub(super) sources: &'a dyn Sources,
    /// Directory of the config file: relative paths start here.
    pub(super) base: PathBuf,
    pub(super) environment: Environment,
    pub(super) component: Component,
    /// The value at hand belongs to the environment that does not run.
    pub(super) checks_other_half: bool,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Reading<'_> {
    pub(super) fn problem(&mut self, key: &str, message: String) {
        self.problems.push(Problem {
            key: key.to_owned(),
            message,
        });
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    pub(super) fn has_problem(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| problem.key == key)
    }

    /// Reads every key that the document has into `draft`, and hints at keys nobody knows.
    pub(super) fn document(&mut self, document: &Mapping, draft: &mut Draft) {
        for (path, key) in schema::keys() {
            let Some(value) = lookup(document, &path) else {
                continue;
            };
            if self.component.checks(key) {
                self.key(&path, key, value, draft);
            } else {
                self.without_checks(|reading| reading.key(&path, key, value, draft));
            }
        }
        unknown::report(document, self);
    }

    /// What another component will complain about is no reason for this one not to start.
    fn without_checks(&mut self, read: impl FnOnce(&mut Self)) {
        let (problems, warnings) = (self.problems.len(), self.warnings.len());
        read(self);
        self.problems.truncate(problems);
        self.warnings.truncate(warnings);
    }

    fn key(&mut self, path: &str, key: &Key, value: &Value, draft: &mut Draft) {
        match pair(key, value) {
            Some(pair) => self.pair(path, key, pair, draft),
            None => self.value(path, path, key, value, draft),
        }
    }

    fn pair(&mut self, path: &str, key: &Key, pair: &Mapping, draft: &mut Draft) {
        let here = self.environment;
        let own_path = format!("{path}.{here}");
        match pair.get(here.as_str()) {
            Some(value) => self.value(path, &own_path, key, value, draft),
            None => {
                let mut message = format!("missing (required, {})", key.field.noun());
                if !key.example.is_empty() {
                    message.push_str(". Example: ");
                    message.push_str(key.example);
                }
                self.problem(&own_path, message);
            }
        }
        let there = here.other();
        let other_path = format!("{path}.{there}");
        let Some(value) = pair.get(there.as_str()) else {
            return self.warn(format!(
                "{other_path} is missing; {there} could not start with it"
            ));
        };
        let (problems, warnings) = (self.problems.len(), self.warnings.len());
        self.checks_other_half = true;
        self.value(path, &other_path, key, value, &mut draft.clone());
        self.checks_other_half = false;
        self.warnings.truncate(warnings);
        for Problem { key, message } in self.problems.split_off(problems) {
            self.warn(format!("{key} {message}; {there} could not start with it"));
        }
    }

    fn value(&mut self, path: &str, at: &str, key: &Key, value: &Value, draft: &mut Draft) {
        // An empty value is an absent one: the default stays.
        if !is_absent(value) {
            draft.set.insert(path.to_owned());
            key.field.read(at, value, draft, self);
        }
    }
}

pub(super) fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
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
