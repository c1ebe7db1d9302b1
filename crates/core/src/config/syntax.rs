//! From text to a document, and where it is no YAML the place to look at.

use std::path::Path;

use serde_yaml::{Mapping, Value};

use super::problem::ConfigError;
use super::schema;

pub(super) fn parse(path: &Path, text: &str) -> Result<Mapping, ConfigError> {
    let failed = |error: &serde_yaml::Error| {
        let reason = reason(&error.to_string());
        let (line, column) = repeated_key(&reason, text)
            .or_else(|| error.location().map(|at| (at.line(), at.column())))
            .unwrap_or((1, 1));
        let snippet = snippet(text, line);
        ConfigError::Syntax {
            path: path.to_owned(),
            line,
            column,
            reason,
            snippet,
        }
    };
    let mut value: Value = serde_yaml::from_str(text).map_err(|error| failed(&error))?;
    value.apply_merge().map_err(|error| failed(&error))?;
    match value {
        Value::Mapping(mapping) => Ok(mapping),
        Value::Null => Ok(Mapping::new()),
        _ => Err(ConfigError::Syntax {
            path: path.to_owned(),
            line: 1,
            column: 1,
            reason: "the file is not a map of keys".to_owned(),
            snippet: snippet(text, 1),
        }),
    }
}

/// Where a key stands for the last time, when the parser only says that it stands there twice.
fn repeated_key(reason: &str, text: &str) -> Option<(usize, usize)> {
    let (_, key) = reason.split_once("duplicate entry with key \"")?;
    let key = format!("{}:", key.strip_suffix('"')?);
    let (index, line) = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.trim_start().starts_with(&key))
        .last()?;
    Some((index + 1, line.len() - line.trim_start().len() + 1))
}

/// The parser's message without the position, and without the value that one of its messages
/// quotes.
fn reason(message: &str) -> String {
    let reason = message.split(" at line ").next().unwrap_or_default();
    match reason.split_once("invalid type: ") {
        Some((place, _)) => format!("{place}no such number fits; put it in quotes"),
        None => reason.to_owned(),
    }
}

/// The line at which parsing failed, without what may be a secret: the value stays only behind a
/// key that is known to hold none.
fn snippet(text: &str, line: usize) -> String {
    const HIDDEN: &str = "<hidden>";
    let line = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let Some((key, value)) = line.split_once(':') else {
        // A wrapped secret has no spaces; sentences, list marks and stray words do.
        let harmless = line.split_whitespace().all(|word| word.len() < 12);
        return if harmless {
            line.to_owned()
        } else {
            HIDDEN.to_owned()
        };
    };
    let name = key
        .trim()
        .trim_start_matches("- ")
        .trim_matches(['"', '\'']);
    let mut named = schema::keys().filter(|(path, _)| path.rsplit('.').next() == Some(name));
    // `api` is a site, and also a client that has a secret. A comma may begin another key, and
    // before an `@` there is a password.
    let open = name != "api"
        && !value.contains([',', '@'])
        && named.next().is_some_and(|(_, key)| !key.field.is_secret())
        && named.all(|(_, key)| !key.field.is_secret());
    if open || value.trim().is_empty() {
        line.to_owned()
    } else {
        format!("{key}: {HIDDEN}")
    }
}
