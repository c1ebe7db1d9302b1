//! MessagePack in the dialect of backup sections.
//!
//! The original writer replaces repeated strings by references (extension type -128) into a
//! dictionary built up in stream order, so a section must be decoded in order and whole; values
//! are therefore decoded into an ordered [`Value`] instead of typed structs. Writing uses plain
//! strings, which every reader accepts.

mod decode;
mod encode;
mod json;

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use decode::decode;
pub use encode::{array_header, encode, encode_into};

/// One MessagePack value; maps keep the order of their entries.
///
/// Non-negative integers are always [`Value::UInt`], so equal numbers compare equal whatever the
/// width they were stored with.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Absent pointer, array or map.
    Nil,
    /// Boolean.
    Bool(bool),
    /// Non-negative integer.
    UInt(u64),
    /// Negative integer.
    Int(i64),
    /// Single precision.
    F32(f32),
    /// Double precision.
    F64(f64),
    /// Text.
    Str(Arc<str>),
    /// Bytes.
    Bin(Vec<u8>),
    /// Sequence.
    Array(Vec<Value>),
    /// Ordered pairs.
    Map(Vec<(Value, Value)>),
    /// Extension type -1.
    Time(DateTime<Utc>),
    /// Any other extension.
    Ext(i8, Vec<u8>),
}

impl Value {
    /// The first entry of a map under a string key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Self::Map(entries) = self else {
            return None;
        };
        entries
            .iter()
            .find(|(name, _)| name.as_str() == Some(key))
            .map(|(_, value)| value)
    }

    /// Text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Non-negative integer, if it is one.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::UInt(number) => Some(*number),
            _ => None,
        }
    }

    /// Number as a float; integers count, because integral floats are stored as integers.
    #[allow(clippy::cast_precision_loss)]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::UInt(number) => Some(*number as f64),
            Self::Int(number) => Some(*number as f64),
            Self::F32(number) => Some(f64::from(*number)),
            Self::F64(number) => Some(*number),
            _ => None,
        }
    }

    /// Boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Entries, if it is a map.
    pub fn as_map(&self) -> Option<&[(Value, Value)]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// A map with string keys.
    pub fn object<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        Self::Map(
            entries
                .into_iter()
                .map(|(key, value)| (Self::from(key), value))
                .collect(),
        )
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::UInt(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        u64::try_from(number).map_or(Self::Int(number), Self::UInt)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::Array(items)
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(at: DateTime<Utc>) -> Self {
        Self::Time(at)
    }
}
