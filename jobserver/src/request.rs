//! What every order has: a server, options, perhaps a password, and the channels that its caller knows of;
//! and every reason why one is refused.

use serde_json::{Map, Value};
use splashtail_core::ids::{ChannelId, GuildId, TaskId, UserId};
use splashtail_discord::permissions::bits;
use splashtail_guild::Id;
use splashtail_jobs::PrepareError;

use crate::backup::coverage::KnownChannel;
use crate::fields;

/// Bytes. A private key in place of a password has some 1,700.
pub const LONGEST_PASSWORD: usize = 4096;
/// Digits of a plan's hash.
pub const PLAN_HASH: usize = 64;
/// Twice what a server can have; the row keeps them.
const MOST_KNOWN_CHANNELS: usize = 1000;

/// A password on its way to the key derivation; it is never stored or printed.
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    #[error("the fields must be an object")]
    NotAnObject,
    #[error("ServerID is missing or not a server id")]
    ServerId,
    #[error("Incident is missing or not the id of an incident")]
    Incident,
    #[error("Options.{name} is not valid: {why}")]
    Option { name: String, why: String },
    #[error("PerChannel is {given}, but must be at least {least}")]
    PerChannelTooSmall { given: u32, least: u32 },
    #[error("MaxMessages is {given}, but this plan allows {most}")]
    TooManyMessages { given: u32, most: u32 },
    #[error("PerChannel is {per_channel}, which is more than MaxMessages ({max_messages})")]
    PerChannelTooLarge { per_channel: u32, max_messages: u32 },
    #[error("attachments can only be saved together with messages")]
    AttachmentsWithoutMessages,
    #[error("the special allocation of channel {channel} is {given}, but must be 0 to {most}")]
    SpecialAllocation {
        channel: ChannelId,
        given: u32,
        most: u32,
    },
    #[error("Options.BackupSource is missing: `task://<id>` of a backup, or an https address")]
    NoSource,
    #[error("Options.BackupSource is neither `task://<id>` nor an https address")]
    Source,
    #[error("KnownChannels is not valid: {0}")]
    KnownChannels(String),
    #[error("CallerPermissions is not valid: it must be a set of permissions in decimal, as text")]
    CallerPermissions,
    #[error("CallerID is not valid: it must be the id of a user")]
    CallerId,
    #[error(
        "only the server's owner and administrators may restore a file: nobody knows who made it. \
         Give the id of a backup of this server instead"
    )]
    ForeignFile,
    #[error("the password is longer than {most} bytes")]
    PasswordTooLong { most: usize },
    /// Beyond any plan.
    #[error("MaxMessages is {given}, but must be at most {most}")]
    TooManyToDelete { given: u32, most: u32 },
    #[error(
        "nobody says who deletes: CallerID is missing, and CallerPermissions has no Administrator"
    )]
    NobodyDeletes,
    #[error("CallerID is missing: nobody says who bans")]
    NobodyBans,
    #[error("Options.Users names nobody")]
    NoUsers,
    #[error("Options.Users names {given} people, but may name {most} at most")]
    TooManyUsers { given: usize, most: usize },
    /// Why, as the reader of keys says it.
    #[error("{0}")]
    PublicKey(String),
    /// Which, as whoever looked for it says it.
    #[error("{0}")]
    NoBackup(String),
    /// The same of a time of which nothing is known.
    #[error("{0}")]
    NoPast(String),
    #[error("there is no incident {0} in this server")]
    NoIncident(Id),
    #[error("there is no mass ban {0} of this server")]
    NoBan(TaskId),
    #[error(
        "people cannot be brought back here: whoever runs the platform has to set \
         discord_auth.client_id and discord_auth.client_secret"
    )]
    NoApplication,
    #[error("nobody orders this: a file is sent to `/guilds/{{guild_id}}/backups`")]
    NotOrdered,
}

impl InvalidRequest {
    /// Stable code for callers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAnObject => "invalid_data",
            Self::ServerId => "invalid_server_id",
            Self::Incident => "invalid_incident",
            Self::Option { .. } => "invalid_option",
            Self::PerChannelTooSmall { .. } => "per_channel_too_small",
            Self::TooManyMessages { .. } | Self::TooManyToDelete { .. } => "too_many_messages",
            Self::NobodyDeletes | Self::NobodyBans => "caller_missing",
            Self::NoUsers => "no_users",
            Self::TooManyUsers { .. } => "too_many_users",
            Self::PerChannelTooLarge { .. } => "per_channel_too_large",
            Self::AttachmentsWithoutMessages => "attachments_without_messages",
            Self::SpecialAllocation { .. } => "invalid_special_allocation",
            Self::NoSource | Self::Source => "invalid_backup_source",
            Self::KnownChannels(_) => "invalid_known_channels",
            Self::CallerPermissions => "invalid_caller_permissions",
            Self::CallerId => "invalid_caller_id",
            Self::ForeignFile => "file_not_allowed",
            Self::PasswordTooLong { .. } => "password_too_long",
            Self::PublicKey(_) => "invalid_option",
            Self::NoBackup(_) => "no_such_backup",
            Self::NoPast(_) => "no_such_past",
            Self::NoIncident(_) => "no_such_incident",
            Self::NoBan(_) => "no_such_ban",
            Self::NoApplication => "no_application",
            Self::NotOrdered => "unknown_task",
        }
    }

    pub fn option(name: &str, why: impl Into<String>) -> Self {
        Self::Option {
            name: name.to_owned(),
            why: why.into(),
        }
    }
}

impl From<InvalidRequest> for PrepareError {
    fn from(error: InvalidRequest) -> Self {
        Self::invalid(error.code(), error.to_string())
    }
}

/// Who is behind an order, as the daemon that passes it on tells: nobody says it of themselves. What
/// is not told is nobody and nothing. Each kind goes by it in its own way: a backup shows what the bot
/// sees to whoever may order one, a restore gives nobody more than its caller has, and a prune deletes
/// only where its caller may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caller {
    /// In the server as a whole; its owner has every one.
    pub permissions: u64,
    pub user: Option<UserId>,
}

impl Caller {
    /// # Errors
    /// What is told is not readable.
    pub fn read(data: &Map<String, Value>) -> Result<Self, InvalidRequest> {
        let permissions = match fields::get(data, "CallerPermissions") {
            None => 0,
            Some(set) => set
                .as_str()
                .and_then(|set| set.parse::<u64>().ok())
                .ok_or(InvalidRequest::CallerPermissions)?,
        };
        let user = fields::get(data, "CallerID").map(|user| serde_json::from_value(user.clone()));
        let user = user.transpose().map_err(|_| InvalidRequest::CallerId)?;
        Ok(Self { permissions, user })
    }

    /// Whether no channel is closed to them.
    pub const fn is_administrator(self) -> bool {
        self.permissions & bits::ADMINISTRATOR != 0
    }
}

/// What every order has.
#[derive(Debug)]
pub struct Head {
    pub server_id: GuildId,
    pub caller: Caller,
    /// Under the names that were asked for.
    pub options: Map<String, Value>,
    pub password: Option<Password>,
    pub known_channels: Vec<KnownChannel>,
}

impl Head {
    /// Names match whatever their case, unknown ones are ignored. `password`: the option that
    /// has it, where one may.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(
        data: &Value,
        names: &[&'static str],
        password: Option<&'static str>,
    ) -> Result<Self, InvalidRequest> {
        let data = data.as_object().ok_or(InvalidRequest::NotAnObject)?;
        let options = match fields::get(data, "Options") {
            None => Map::new(),
            Some(Value::Object(given)) => fields::canonical(given, names),
            Some(_) => return Err(InvalidRequest::option("", "it must be an object")),
        };
        Self::with(data, options, password)
    }

    /// The same of an order whose options stand beside its server.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn flat(data: &Value, names: &[&'static str]) -> Result<Self, InvalidRequest> {
        let data = data.as_object().ok_or(InvalidRequest::NotAnObject)?;
        Self::with(data, fields::canonical(data, names), None)
    }

    fn with(
        data: &Map<String, Value>,
        mut options: Map<String, Value>,
        password: Option<&'static str>,
    ) -> Result<Self, InvalidRequest> {
        let server_id = fields::get(data, "ServerID")
            .and_then(|id| serde_json::from_value::<GuildId>(id.clone()).ok())
            .ok_or(InvalidRequest::ServerId)?;
        let password = password.and_then(|name| Some((name, options.shift_remove(name)?)));
        let password = match password {
            None => None,
            Some((_, Value::String(password))) if password.is_empty() => None,
            Some((_, Value::String(password))) if password.len() > LONGEST_PASSWORD => {
                return Err(InvalidRequest::PasswordTooLong {
                    most: LONGEST_PASSWORD,
                });
            }
            Some((_, Value::String(password))) => Some(Password(password)),
            Some((name, _)) => return Err(InvalidRequest::option(name, "it must be text")),
        };
        Ok(Self {
            server_id,
            caller: Caller::read(data)?,
            options,
            password,
            known_channels: known_channels(fields::get(data, "KnownChannels"))?,
        })
    }
}

/// An option that is true or false; false without it.
///
/// # Errors
/// It is something else.
pub fn flag(options: &Map<String, Value>, name: &str) -> Result<bool, InvalidRequest> {
    match options.get(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(InvalidRequest::option(name, "it must be true or false")),
    }
}

/// The hash of a plan that somebody looked at, or its first digits, at least `shortest`.
///
/// # Errors
/// It is none.
pub fn plan_hash(
    options: &Map<String, Value>,
    shortest: usize,
) -> Result<Option<String>, InvalidRequest> {
    const NAME: &str = "PlanHash";
    match options.get(NAME) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => {
            let text = text.trim().to_ascii_lowercase();
            let length = (shortest..=PLAN_HASH).contains(&text.len());
            let hash = length && text.bytes().all(|b| b.is_ascii_hexdigit());
            let mut why = format!("it is the hash that a plan has: {PLAN_HASH} hexadecimal digits");
            if shortest < PLAN_HASH {
                why.push_str(&format!(", or at least the first {shortest}"));
            }
            hash.then_some(Some(text))
                .ok_or_else(|| InvalidRequest::option(NAME, why))
        }
        Some(_) => Err(InvalidRequest::option(NAME, "it must be text")),
    }
}

/// Channels as the caller knows them from the gateway.
fn known_channels(given: Option<&Value>) -> Result<Vec<KnownChannel>, InvalidRequest> {
    let Some(given) = given else {
        return Ok(Vec::new());
    };
    let mut known: Vec<KnownChannel> = serde_json::from_value(given.clone())
        .map_err(|error| InvalidRequest::KnownChannels(error.to_string()))?;
    if known.len() > MOST_KNOWN_CHANNELS {
        let why = format!("there are more than {MOST_KNOWN_CHANNELS}");
        return Err(InvalidRequest::KnownChannels(why));
    }
    known.sort_by_key(|channel| channel.id);
    known.dedup_by_key(|channel| channel.id);
    Ok(known)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    /// Whoever refuses an order takes a reason from the list, or adds one to it.
    #[test]
    fn there_is_one_list_of_reasons() {
        let mut found = Vec::new();
        sources(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
            &mut found,
        );
        found.retain(|path| !path.ends_with("src/request.rs"));
        assert!(found.len() > 50, "{}", found.len());
        for path in found {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                !text.contains("PrepareError::invalid"),
                "{}",
                path.display()
            );
        }
    }
}
