//! What is known while a file is read: where it lies, for whom it is read, and everything that was
//! found to be wrong with it.

use std::io;
use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::problem::Problem;
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
}

pub(super) fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}
