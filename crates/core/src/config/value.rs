//! Single values: from YAML to a type, in the words of a message when that fails, and back.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde_yaml::Value;
use url::Url;

use super::reading::{Reading, is_absent};
use super::secret;
use super::types::without_slash;
use crate::ids::InvalidId;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UrlForm {
    Any,
    /// Scheme, host and port, nothing behind.
    Origin,
    /// The original wrote `localhost:2939`: a missing scheme is added, with a warning.
    SchemeOptional,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretForm {
    Opaque,
    Postgres,
    Redis,
    /// Base64 of 32 bytes.
    Key,
}

/// Shortest secret of a jobserver client, in characters.
const CLIENT_SECRET_LENGTH: usize = 32;
/// The clients that every installation has.
const REQUIRED_CLIENTS: [&str; 2] = ["api", "bot"];

pub(super) fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => {
            Err(format!("{} is not a string; put it in quotes", show(value)))
        }
        _ => Err(format!("{} is not a string", show(value))),
    }
}

pub(super) fn url(
    value: &Value,
    form: UrlForm,
    path: &str,
    to: &mut Reading<'_>,
) -> Result<Url, String> {
    const HTTP: [&str; 2] = ["http", "https"];
    let given = text(value)?;
    let not_a_url = || format!("{} is not an http:// or https:// URL", show_url(given));
    let bare = !given.contains("://");
    let parsed = if bare && form == UrlForm::SchemeOptional {
        Url::parse(&format!("http://{given}"))
    } else {
        Url::parse(given)
    };
    let url = parsed.map_err(|_| not_a_url())?;
    if !HTTP.contains(&url.scheme()) || !url.has_host() {
        return Err(not_a_url());
    }
    if form == UrlForm::Origin && (url.path() != "/" || url.query().is_some()) {
        return Err(format!(
            "{} has a path; give scheme, host and port only",
            show_url(given)
        ));
    }
    if bare {
        to.warn(format!(
            "{path} has no scheme, {} is used",
            show_url(url.as_str())
        ));
    }
    Ok(url)
}

pub(super) fn port(value: &Value) -> Result<u16, String> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|port| *port != 0)
        .ok_or_else(|| format!("{} is not a port number (1-65535)", show(value)))
}

pub(super) fn address(value: &Value) -> Result<IpAddr, String> {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("{} is not an IP address such as 127.0.0.1", show(value)))
}

pub(super) fn flag(value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("{} is not true or false", show(value)))
}

pub(super) fn count(value: &Value) -> Result<u64, String> {
    value
        .as_u64()
        .ok_or_else(|| format!("{} is not a whole number from 0", show(value)))
}

pub(super) fn snowflake<T: FromStr<Err = InvalidId>>(value: &Value) -> Result<T, String> {
    let digits = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) if number.is_u64() => number.to_string(),
        _ => String::new(),
    };
    Some(digits)
        .filter(|digits| (17..=20).contains(&digits.len()))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("{} is not a snowflake (17-20 digits)", show(value)))
}

pub(super) fn secret_value(
    value: &Value,
    form: SecretForm,
    to: &Reading<'_>,
) -> Result<Option<SecretString>, String> {
    let Some(secret) = secret::read(value, to)? else {
        return Ok(None);
    };
    let valid = match form {
        SecretForm::Opaque => Ok(()),
        SecretForm::Postgres => secret::check_postgres(&secret),
        SecretForm::Redis => secret::check_redis(&secret),
        SecretForm::Key => secret::check_key(&secret),
    };
    valid.map(|()| Some(secret.into()))
}

pub(super) fn client_secrets(
    value: &Value,
    path: &str,
    to: &mut Reading<'_>,
) -> Option<BTreeMap<String, SecretString>> {
    let Some(entries) = value.as_mapping() else {
        to.problem(path, "is not a map of client name to secret".to_owned());
        return None;
    };
    let mut secrets = BTreeMap::new();
    for (name, value) in entries {
        let Some(name) = name.as_str() else {
            to.problem(path, "has a client name that is not a string".to_owned());
            continue;
        };
        let path = format!("{path}.{name}");
        match secret::read(value, to) {
            Err(message) => to.problem(&path, message),
            Ok(None) => {}
            Ok(Some(secret)) => {
                if secret.chars().count() < CLIENT_SECRET_LENGTH {
                    let message = format!("is shorter than {CLIENT_SECRET_LENGTH} characters");
                    to.problem(&path, message);
                }
                if let Some((other, _)) = secrets
                    .iter()
                    .find(|(_, other): &(_, &SecretString)| other.expose_secret() == secret)
                {
                    to.problem(&path, format!("is the same as that of `{other}`"));
                }
                secrets.insert(name.to_owned(), SecretString::from(secret));
            }
        }
    }
    // No client at all means that the installation generates its own secrets.
    let incomplete = !secrets.is_empty();
    for client in REQUIRED_CLIENTS.into_iter().filter(|_| incomplete) {
        let named = entries
            .iter()
            .any(|(name, value)| name.as_str() == Some(client) && !is_absent(value));
        if !named {
            let message = "missing (required besides the others, secret string)".to_owned();
            to.problem(&format!("{path}.{client}"), message);
        }
    }
    Some(secrets)
}

pub(super) fn sequence<T>(items: &[T], text: impl Fn(&T) -> String) -> Value {
    Value::Sequence(items.iter().map(|item| Value::from(text(item))).collect())
}

pub(super) fn url_text(url: &Url) -> Value {
    let text = if url.path() == "/" && url.query().is_none() && url.fragment().is_none() {
        without_slash(url)
    } else {
        url.as_str()
    };
    Value::from(text)
}

pub(super) fn secret_text(secret: &SecretString) -> Value {
    Value::from(secret::escape(secret.expose_secret()))
}

/// A value that is not a secret, for a message.
pub(super) fn show(value: &Value) -> String {
    const LONGEST: usize = 60;
    match value {
        Value::Null => "an empty value".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.contains("://") => show_url(text),
        Value::String(text) if text.chars().count() > LONGEST => {
            format!(
                "{:?}",
                text.chars().take(LONGEST).chain(['…']).collect::<String>()
            )
        }
        Value::String(text) => format!("{text:?}"),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a map".to_owned(),
        Value::Tagged(_) => "a tagged value".to_owned(),
    }
}

/// A URL without the user and password that it may carry.
fn show_url(text: &str) -> String {
    let masked = match (text.split_once("://"), text.rfind('@')) {
        (Some((scheme, rest)), Some(_)) => {
            let behind = rest.rsplit_once('@').map_or(rest, |(_, behind)| behind);
            format!("{scheme}://***@{behind}")
        }
        (None, Some(at)) => format!("***{}", &text[at..]),
        (_, None) => text.to_owned(),
    };
    format!("{masked:?}")
}
