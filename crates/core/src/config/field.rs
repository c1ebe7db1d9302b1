//! The kinds of value a key can hold: how each is read from YAML, and how it is written back.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use serde_yaml::Value;
use url::Url;

use super::draft::{Draft, StorageKind};
use super::reading::Reading;
use super::value::{
    SecretForm, UrlForm, address, client_secrets, count, flag, port, secret_text, secret_value,
    sequence, show, snowflake, text, url, url_text,
};
use crate::environment::Environment;
use crate::ids::{ApplicationId, GuildId, UserId};

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
