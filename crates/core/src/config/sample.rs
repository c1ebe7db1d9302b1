//! `config.yaml.sample`, printed from the table of keys and the embedded defaults.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_yaml::Value;

use super::draft::Draft;
use super::problem::SampleNote;
use super::schema::{self, Group, Key, Need};
use super::types::Config;
use crate::environment::Environment;

const FILE_NAME: &str = "config.yaml.sample";

const HEADER: &str = "\
# Settings of splashtail. Copy this file to config.yaml (chmod 600) and fill in what you need: as
# it stands it means the embedded database, bus and object storage, and the Discord sandbox.
#
# Made by `splashtail config sample`; `splashtail config check` judges your copy.
# Where `staging` and `prod` are given, one plain value for both will do as well.
# A secret may also be ${NAME} (an environment variable) or file:PATH.
";

/// The text of the sample file.
pub fn sample() -> String {
    let mut text = HEADER.to_owned();
    for group in schema::groups() {
        text.push('\n');
        write_group(&mut text, group);
    }
    text
}

/// Writes the sample beside the place of a config file, unless it is there already, byte for byte.
pub fn write_beside(config: &Path) -> SampleNote {
    let path = config.with_file_name(FILE_NAME);
    let sample = sample();
    if fs::read(&path).is_ok_and(|present| present == sample.as_bytes()) {
        return SampleNote::UpToDate(path);
    }
    match fs::write(&path, sample) {
        Ok(()) => SampleNote::Written(path),
        Err(_) => SampleNote::NotWritten,
    }
}

fn write_group(text: &mut String, group: &Group) {
    let mut indent = 0;
    comment(text, indent, group.comment);
    for part in group.path.split('.').filter(|part| !part.is_empty()) {
        line(text, indent, &format!("{part}:"));
        indent += 2;
    }
    for key in &group.keys {
        write_key(text, indent, key);
    }
}

fn write_key(text: &mut String, indent: usize, key: &Key) {
    comment(text, indent, key.comment);
    let defaults = Environment::ALL.map(|environment| (environment, default(key, environment)));
    if !key.example.is_empty() && defaults.iter().all(|(_, value)| is_empty(value)) {
        comment(text, indent, &format!("Example: {}", key.example));
    }
    let need = if key.need == Need::Account {
        "required"
    } else {
        "optional"
    };
    let secret = if key.field.is_secret() {
        ", secret"
    } else {
        ""
    };
    let mark = format!("  # {need}{secret}");
    if key.pair {
        line(text, indent, &format!("{}:{mark}", key.name));
        for (environment, value) in &defaults {
            write_value(text, indent + 2, environment.as_str(), value, "");
        }
    } else {
        write_value(text, indent, key.name, &defaults[0].1, &mark);
    }
}

/// What the loader uses when the key is absent, as far as that does not follow other keys.
fn default(key: &Key, environment: Environment) -> Value {
    if key.field.is_map() {
        let clients = ["api", "bot", "cli"].map(|client| (Value::from(client), Value::from("")));
        return Value::Mapping(clients.into_iter().collect());
    }
    if key.need == Need::Derived {
        return Value::from("");
    }
    let mut draft = Draft::of_defaults(Config::embedded(Path::new("data"), environment));
    key.field
        .write(&mut draft)
        .unwrap_or_else(|| Value::from(""))
}

fn is_empty(value: &Value) -> bool {
    value.as_str() == Some("")
}

fn write_value(text: &mut String, indent: usize, name: &str, value: &Value, mark: &str) {
    match value {
        Value::Sequence(items) if !items.is_empty() => {
            line(text, indent, &format!("{name}:{mark}"));
            for item in items {
                line(text, indent + 2, &format!("- {}", scalar(item)));
            }
        }
        Value::Mapping(entries) => {
            line(text, indent, &format!("{name}:{mark}"));
            for (name, value) in entries {
                let name = name.as_str().unwrap_or_default();
                write_value(text, indent + 2, name, value, "");
            }
        }
        _ => line(text, indent, &format!("{name}: {}{mark}", scalar(value))),
    }
}

/// Strings are quoted, ids above all: a bare snowflake would be read as a number.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => "[]".to_owned(),
    }
}

fn comment(text: &mut String, indent: usize, comment: &str) {
    for part in comment.lines() {
        line(text, indent, &format!("# {part}"));
    }
}

fn line(text: &mut String, indent: usize, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:indent$}{line}", "");
}
