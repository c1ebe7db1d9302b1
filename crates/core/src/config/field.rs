//! The kinds of value a key can hold: how each is read from YAML, and how it is written back.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde_yaml::Value;
use url::Url;

use super::draft::{Draft, StorageKind};
use super::reading::Reading;
use super::secret;
use crate::environment::Environment;
use crate::ids::{ApplicationId, GuildId, InvalidId, UserId};

/// Where in the draft a value goes. The loader writes through it; the sample and the effective
/// config read through it.
pub(super) type Place<T> = fn(&mut Draft) -> &mut T;

#[derive(Clone, Copy)]
pub(super) enum Field {
    Environment(Place<Environment>),
    Directory(Place<PathBuf>),
    Text(Place<Option<String>>),
    Texts(Place<Vec<String>>),
    Url(Place<Url>, UrlForm),
    OptionalUrl(Place<Option<Url>>, UrlForm),
    /// One, or several in the order in which they are tried; never none.
    UrlOrUrls(Place<Vec<Url>>, UrlForm),
    Port(Place<u16>),
    Address(Place<IpAddr>),
    Addresses(Place<Vec<IpAddr>>),
    Flag(Place<bool>),
    OptionalFlag(Place<Option<bool>>),
    Count(Place<u64>),
    Percent(Place<u8>),
    Application(Place<Option<ApplicationId>>),
    Guild(Place<Option<GuildId>>),
    Users(Place<Vec<UserId>>),
    Secret(Place<Option<SecretString>>, SecretForm),
    ClientSecrets(Place<BTreeMap<String, SecretString>>),
    Storage(Place<Option<StorageKind>>),
}

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

impl Field {
    /// The type in the words of a message.
    pub(super) const fn noun(&self) -> &'static str {
        match self {
            Self::Environment(_) => "staging or prod",
            Self::Directory(_) => "directory",
            Self::Text(_) | Self::Storage(_) => "string",
            Self::Texts(_) => "list of strings",
            Self::Url(..) | Self::OptionalUrl(..) => "URL",
            Self::UrlOrUrls(..) => "URL or list of URLs",
            Self::Port(_) => "port number",
            Self::Address(_) => "IP address",
            Self::Addresses(_) => "list of IP addresses",
            Self::Flag(_) | Self::OptionalFlag(_) => "true or false",
            Self::Count(_) | Self::Percent(_) => "number",
            Self::Application(_) | Self::Guild(_) => "snowflake",
            Self::Users(_) => "list of snowflakes",
            Self::Secret(..) => "secret string",
            Self::ClientSecrets(_) => "map of client name to secret",
        }
    }

    pub(super) const fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(..) | Self::ClientSecrets(_))
    }

    /// Whether the value itself is a map, which must not be mistaken for a differs pair.
    pub(super) const fn is_map(&self) -> bool {
        matches!(self, Self::ClientSecrets(_))
    }

    /// Reads a value that is present into the draft. What is wrong with it is reported under
    /// `path` and leaves the draft as it was.
    pub(super) fn read(&self, path: &str, value: &Value, draft: &mut Draft, to: &mut Reading<'_>) {
        match self {
            Self::Environment(place) => {
                let read = text(value).and_then(|word| {
                    word.parse()
                        .map_err(|_| format!("{} is not one of: staging, prod", show(value)))
                });
                store(read, place(draft), path, to);
            }
            Self::Directory(place) => {
                store(
                    text(value).map(|path| to.base.join(path)),
                    place(draft),
                    path,
                    to,
                );
            }
            Self::Text(place) => {
                store(
                    text(value).map(|text| Some(text.to_owned())),
                    place(draft),
                    path,
                    to,
                );
            }
            Self::Texts(place) => {
                list(value, place(draft), path, to, |item, _, _| {
                    text(item).map(str::to_owned)
                });
            }
            Self::Url(place, form) => store(url(value, *form, path, to), place(draft), path, to),
            Self::OptionalUrl(place, form) => {
                store(
                    url(value, *form, path, to).map(Some),
                    place(draft),
                    path,
                    to,
                );
            }
            Self::UrlOrUrls(place, form) => match value.as_sequence() {
                None => {
                    let one = url(value, *form, path, to).map(|url| vec![url]);
                    store(one, place(draft), path, to);
                }
                Some(items) if items.is_empty() => to.problem(path, "the list is empty".to_owned()),
                Some(_) => list(value, place(draft), path, to, |item, path, to| {
                    url(item, *form, path, to)
                }),
            },
            Self::Port(place) => store(port(value), place(draft), path, to),
            Self::Address(place) => store(address(value), place(draft), path, to),
            Self::Addresses(place) => {
                list(value, place(draft), path, to, |item, _, _| address(item));
            }
            Self::Flag(place) => store(flag(value), place(draft), path, to),
            Self::OptionalFlag(place) => store(flag(value).map(Some), place(draft), path, to),
            Self::Count(place) => store(count(value), place(draft), path, to),
            Self::Percent(place) => {
                let read = count(value).and_then(|number| match u8::try_from(number) {
                    Ok(percent) if (1..=100).contains(&percent) => Ok(percent),
                    _ => Err(format!("{} is not a number from 1 to 100", show(value))),
                });
                store(read, place(draft), path, to);
            }
            Self::Application(place) => store(snowflake(value).map(Some), place(draft), path, to),
            Self::Guild(place) => store(snowflake(value).map(Some), place(draft), path, to),
            Self::Users(place) => list(value, place(draft), path, to, |item, _, _| snowflake(item)),
            Self::Secret(place, form) => {
                store(secret_value(value, *form, to), place(draft), path, to);
            }
            Self::ClientSecrets(place) => {
                if let Some(secrets) = client_secrets(value, path, to) {
                    *place(draft) = secrets;
                }
            }
            Self::Storage(place) => {
                let read = text(value).and_then(|word| {
                    StorageKind::from_word(word)
                        .map(Some)
                        .ok_or_else(|| format!("{} is not one of: s3-like, local", show(value)))
                });
                store(read, place(draft), path, to);
            }
        }
    }

    /// Copies the value from one draft to another.
    pub(super) fn copy(&self, from: &mut Draft, to: &mut Draft) {
        fn copy<T: Clone>(place: Place<T>, from: &mut Draft, to: &mut Draft) {
            place(to).clone_from(place(from));
        }
        match *self {
            Self::Environment(place) => copy(place, from, to),
            Self::Directory(place) => copy(place, from, to),
            Self::Text(place) => copy(place, from, to),
            Self::Texts(place) => copy(place, from, to),
            Self::Url(place, _) => copy(place, from, to),
            Self::OptionalUrl(place, _) => copy(place, from, to),
            Self::UrlOrUrls(place, _) => copy(place, from, to),
            Self::Port(place) => copy(place, from, to),
            Self::Address(place) => copy(place, from, to),
            Self::Addresses(place) => copy(place, from, to),
            Self::Flag(place) => copy(place, from, to),
            Self::OptionalFlag(place) => copy(place, from, to),
            Self::Count(place) => copy(place, from, to),
            Self::Percent(place) => copy(place, from, to),
            Self::Application(place) => copy(place, from, to),
            Self::Guild(place) => copy(place, from, to),
            Self::Users(place) => copy(place, from, to),
            Self::Secret(place, _) => copy(place, from, to),
            Self::ClientSecrets(place) => copy(place, from, to),
            Self::Storage(place) => copy(place, from, to),
        }
    }

    /// The draft's value as [`Field::read`] accepts it; `None` when it is absent. Secrets are in
    /// the clear.
    pub(super) fn write(&self, draft: &mut Draft) -> Option<Value> {
        Some(match self {
            Self::Environment(place) => Value::from(place(draft).as_str()),
            Self::Directory(place) => Value::from(place(draft).to_string_lossy().as_ref()),
            Self::Text(place) => Value::from(place(draft).as_deref()?),
            Self::Texts(place) => sequence(place(draft), |text| text.clone()),
            Self::Url(place, _) => url_text(place(draft)),
            Self::OptionalUrl(place, _) => url_text(place(draft).as_ref()?),
            Self::UrlOrUrls(place, _) => match place(draft).as_slice() {
                [only] => url_text(only),
                several => Value::Sequence(several.iter().map(url_text).collect()),
            },
            Self::Port(place) => Value::from(*place(draft)),
            Self::Address(place) => Value::from(place(draft).to_string()),
            Self::Addresses(place) => sequence(place(draft), IpAddr::to_string),
            Self::Flag(place) => Value::from(*place(draft)),
            Self::OptionalFlag(place) => Value::from((*place(draft))?),
            Self::Count(place) => Value::from(*place(draft)),
            Self::Percent(place) => Value::from(*place(draft)),
            Self::Application(place) => Value::from((*place(draft))?.to_string()),
            Self::Guild(place) => Value::from((*place(draft))?.to_string()),
            Self::Users(place) => sequence(place(draft), UserId::to_string),
            Self::Secret(place, _) => secret_text(place(draft).as_ref()?),
            Self::ClientSecrets(place) => {
                let secrets = place(draft);
                if secrets.is_empty() {
                    return None;
                }
                let entries = secrets
                    .iter()
                    .map(|(name, secret)| (Value::from(name.as_str()), secret_text(secret)));
                Value::Mapping(entries.collect())
            }
            Self::Storage(place) => Value::from((*place(draft))?.word()),
        })
    }
}

fn store<T>(read: Result<T, String>, place: &mut T, path: &str, to: &mut Reading<'_>) {
    match read {
        Ok(value) => *place = value,
        Err(message) => to.problem(path, message),
    }
}

fn list<T>(
    value: &Value,
    place: &mut Vec<T>,
    path: &str,
    to: &mut Reading<'_>,
    read: impl Fn(&Value, &str, &mut Reading<'_>) -> Result<T, String>,
) {
    let Some(items) = value.as_sequence() else {
        return to.problem(path, format!("{} is not a list", show(value)));
    };
    let mut values = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match read(item, &path, to) {
            Ok(value) => values.push(value),
            Err(message) => to.problem(&path, message),
        }
    }
    *place = values;
}

fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => {
            Err(format!("{} is not a string; put it in quotes", show(value)))
        }
        _ => Err(format!("{} is not a string", show(value))),
    }
}

fn url(value: &Value, form: UrlForm, path: &str, to: &mut Reading<'_>) -> Result<Url, String> {
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

fn port(value: &Value) -> Result<u16, String> {
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

fn address(value: &Value) -> Result<IpAddr, String> {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("{} is not an IP address such as 127.0.0.1", show(value)))
}

fn flag(value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("{} is not true or false", show(value)))
}

fn count(value: &Value) -> Result<u64, String> {
    value
        .as_u64()
        .ok_or_else(|| format!("{} is not a whole number from 0", show(value)))
}

fn snowflake<T: FromStr<Err = InvalidId>>(value: &Value) -> Result<T, String> {
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

fn secret_value(
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

fn client_secrets(
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
        let named = entries.iter().any(|(name, value)| {
            name.as_str() == Some(client) && !super::reading::is_absent(value)
        });
        if !named {
            let message = "missing (required besides the others, secret string)".to_owned();
            to.problem(&format!("{path}.{client}"), message);
        }
    }
    Some(secrets)
}

fn sequence<T>(items: &[T], text: impl Fn(&T) -> String) -> Value {
    Value::Sequence(items.iter().map(|item| Value::from(text(item))).collect())
}

fn url_text(url: &Url) -> Value {
    let text = if url.path() == "/" && url.query().is_none() && url.fragment().is_none() {
        super::without_slash(url)
    } else {
        url.as_str()
    };
    Value::from(text)
}

fn secret_text(secret: &SecretString) -> Value {
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
