//! Secret values: given in place, by `${NAME}` or by `file:PATH`. Nothing in here ever puts a
//! value, or a part of one, into a message.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_yaml::Value;
use url::Url;

use super::reading::Reading;
use crate::text;

const FILE: &str = "file:";
/// Marks a value that looks like a reference but is meant as it stands.
const LITERAL: &str = "literal:";
/// A secret file that is larger was surely not meant.
const LARGEST_FILE: usize = 64 * 1024;

/// The value behind the key; `None` when it is empty.
pub(super) fn read(value: &Value, from: &Reading<'_>) -> Result<Option<String>, String> {
    let given = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        Value::Number(_) | Value::Bool(_) => {
            return Err("is set but not a string; put it in quotes".to_owned());
        }
        _ => return Err("is set but not a string".to_owned()),
    };
    if from.checks_other_half {
        return Ok(literal(given));
    }
    let resolved = resolve(given, from)?;
    Ok(Some(resolved).filter(|secret| !secret.is_empty()))
}

/// A value of the environment that does not run: its references need not exist on this machine.
fn literal(given: &str) -> Option<String> {
    let is_reference = given.starts_with(FILE) || variable(given).is_some();
    Some(given.strip_prefix(LITERAL).unwrap_or(given).to_owned())
        .filter(|secret| !secret.is_empty() && !is_reference)
}

fn resolve(given: &str, from: &Reading<'_>) -> Result<String, String> {
    if let Some(literal) = given.strip_prefix(LITERAL) {
        return Ok(literal.to_owned());
    }
    if let Some(name) = variable(given) {
        return from
            .sources
            .variable(name)
            .ok_or_else(|| format!("refers to the environment variable {name}, which is not set"));
    }
    if let Some(path) = given.strip_prefix(FILE) {
        let path = from.base.join(path.strip_prefix("//").unwrap_or(path));
        let failed = |reason: String| format!("refers to the file {}: {reason}", path.display());
        let content = from
            .sources
            .read(&path)
            .map_err(|error| failed(reason(&error)))?;
        let content = text::without_mark(content);
        if content.len() > LARGEST_FILE {
            return Err(failed("it is larger than 64 KiB".to_owned()));
        }
        return Ok(content.trim_end_matches(['\r', '\n']).to_owned());
    }
    Ok(given.to_owned())
}

/// What went wrong with a file, without the number that Rust adds.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

/// `NAME` of a value that is `${NAME}` as a whole.
fn variable(given: &str) -> Option<&str> {
    let name = given.strip_prefix("${")?.strip_suffix('}')?;
    let well_formed = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name
            .bytes()
            .next()
            .is_some_and(|first| !first.is_ascii_digit());
    well_formed.then_some(name)
}

/// The text that [`read`] turns back into `secret`.
pub(super) fn escape(secret: &str) -> String {
    let ambiguous =
        secret.starts_with(FILE) || secret.starts_with(LITERAL) || variable(secret).is_some();
    if ambiguous {
        format!("{LITERAL}{secret}")
    } else {
        secret.to_owned()
    }
}

pub(super) fn check_postgres(url: &str) -> Result<(), String> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        Ok(())
    } else {
        Err("is set but does not start with postgres:// or postgresql://".to_owned())
    }
}

pub(super) fn check_redis(url: &str) -> Result<(), String> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    let complete = match scheme {
        "redis" | "rediss" => Url::parse(url).is_ok_and(|url| url.has_host()),
        "unix" | "redis+unix" => url.len() > scheme.len() + 1,
        _ => {
            return Err(
                "is set but does not start with redis://, rediss://, redis+unix:// or unix:"
                    .to_owned(),
            );
        }
    };
    if complete {
        Ok(())
    } else {
        Err("is set but names no host or socket".to_owned())
    }
}

pub(super) fn check_key(key: &str) -> Result<(), String> {
    match STANDARD.decode(key) {
        Ok(bytes) if bytes.len() == 32 => Ok(()),
        _ => Err("is set but is not base64 of 32 bytes (openssl rand -base64 32)".to_owned()),
    }
}
