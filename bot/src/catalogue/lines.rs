//! What jobs say in languages other than English, which is theirs.
//!
//! `line-<code>` is a sentence of a log, filled with the values of its entry, `refusal-<code>` why an order was
//! refused or a job failed.

use fluent_bundle::FluentArgs;
use serde_json::{Map, Value};
use splashtail_api_types::job_lines::KEY;

use super::Language;
use super::bundles::{Argument, find};

/// What an entry of a job's log says. `text` is what it says in English, and where this language has no words for it.
pub fn line(language: Language, text: &str, extra: &Map<String, Value>) -> String {
    let code = |key| extra.get(key).and_then(Value::as_str);
    let said = match (code(KEY), code("code")) {
        (Some(line), _) => own(language, &format!("line-{line}"), extra),
        (None, Some(code)) => own(language, &format!("refusal-{code}"), extra),
        (None, None) => None,
    };
    said.unwrap_or_else(|| text.to_owned())
}

/// Why the jobserver refused an order, as it says it in English or as this language has it by its code.
pub fn refusal(language: Language, code: &str, text: &str) -> String {
    let said = own(language, &format!("refusal-{code}"), &Map::new());
    said.unwrap_or_else(|| text.to_owned())
}

fn own(language: Language, key: &str, values: &Map<String, Value>) -> Option<String> {
    let is_key = key
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if language == Language::default() || !is_key {
        return None;
    }
    let mut arguments = FluentArgs::new();
    for (name, value) in values {
        let argument = match value {
            Value::String(text) => Argument::from(text.as_str()),
            Value::Number(number) => match number.as_i64() {
                Some(number) => Argument::from(number),
                None => continue,
            },
            _ => continue,
        };
        arguments.set(name.as_str(), argument);
    }
    find(language, key, &arguments)
}
