use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Protocol of the bare tar written until March 2024.
pub const PROTOCOL_REV6: &str = "frostpaw-rev6";
/// Protocol of the checksummed container.
pub const PROTOCOL_REV7: &str = "frostpaw-rev7";

/// A kind of file, with the only version of it that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileType {
    /// `<namespace>.<name>`; the namespace ends at the first dot.
    pub name: &'static str,
    /// Version of the sections' layout.
    pub version: &'static str,
}

impl FileType {
    /// A backup of one server.
    pub const SERVER_BACKUP: Self = Self {
        name: "backup.server",
        version: "a1",
    };
    /// A database seed of the original.
    pub const DATABASE_SEED: Self = Self {
        name: "db.seed",
        version: "a2",
    };
    /// What the original's test tool writes.
    pub const TEST: Self = Self {
        name: "testcli.test",
        version: "1",
    };
}

/// Types that [`crate::Archive::open`] accepts.
pub const REGISTERED_TYPES: [FileType; 3] = [
    FileType::SERVER_BACKUP,
    FileType::DATABASE_SEED,
    FileType::TEST,
];

/// The `meta` member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// When the file was made; writers keep their own offset.
    #[serde(rename = "c", with = "timestamp")]
    pub created_at: DateTime<FixedOffset>,
    /// [`PROTOCOL_REV6`] or [`PROTOCOL_REV7`].
    #[serde(rename = "p")]
    pub protocol: String,
    /// Version of the type; absent when empty.
    #[serde(rename = "v", default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// `<namespace>.<name>`.
    #[serde(rename = "t")]
    pub file_type: String,
    /// Free-form additions.
    #[serde(
        rename = "m",
        default,
        deserialize_with = "null_as_empty",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub extra: BTreeMap<String, String>,
}

impl Meta {
    /// Metadata of a new rev7 file.
    pub fn new(file_type: FileType, created_at: DateTime<Utc>) -> Self {
        Self {
            created_at: created_at.fixed_offset(),
            protocol: PROTOCOL_REV7.to_owned(),
            version: file_type.version.to_owned(),
            file_type: file_type.name.to_owned(),
            extra: BTreeMap::new(),
        }
    }

    /// Namespace and name of the type: split at the first dot.
    pub fn namespace_and_name(&self) -> (&str, &str) {
        self.file_type
            .split_once('.')
            .unwrap_or((&self.file_type, ""))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::corrupt(format!("unreadable metadata: {error}")))
    }

    /// As the Go writer does: compact, with a newline at the end.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("string keys and values only");
        bytes.push(b'\n');
        bytes
    }

    /// The checks that the original omitted for rev7: protocol, type and version.
    pub(crate) fn check(&self, protocol: &str) -> Result<()> {
        if self.protocol != protocol {
            return Err(Error::UnsupportedProtocol(self.protocol.clone()));
        }
        let known = REGISTERED_TYPES
            .iter()
            .any(|known| known.name == self.file_type && known.version == self.version);
        if known {
            return Ok(());
        }
        Err(Error::UnknownType {
            file_type: self.file_type.clone(),
            version: self.version.clone(),
        })
    }
}

fn null_as_empty<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

mod timestamp {
    use super::{DateTime, FixedOffset, SecondsFormat};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(
        at: &DateTime<FixedOffset>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DateTime<FixedOffset>, D::Error> {
        let text = String::deserialize(deserializer)?;
        DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)
    }
}
