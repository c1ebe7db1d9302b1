//! The configuration as a file again, for the processes that a supervisor starts.

use serde_yaml::{Mapping, Value};

use super::draft::Draft;
use super::schema;
use super::types::Config;

impl Config {
    /// Everything, secrets included, as a config file that loads to the same values. Keep it in a
    /// private file.
    pub fn to_yaml(&self) -> String {
        let mut draft = Draft::of_config(self);
        let mut document = Mapping::new();
        for (path, key) in schema::keys() {
            if let Some(value) = key.field.write(&mut draft) {
                insert(&mut document, &path, value);
            }
        }
        // Maps of strings, numbers and lists always serialise.
        serde_yaml::to_string(&document).unwrap_or_default()
    }
}

fn insert(document: &mut Mapping, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            document.insert(Value::from(path), value);
        }
        Some((group, rest)) => {
            let group = document
                .entry(Value::from(group))
                .or_insert_with(|| Value::from(Mapping::new()));
            if let Some(group) = group.as_mapping_mut() {
                insert(group, rest, value);
            }
        }
    }
}
