use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A snowflake of any kind of object. Travels as a decimal string; zero is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Id(u64);

impl Id {
    pub const MIN: Self = Self(0);
    pub const MAX: Self = Self(u64::MAX);

    /// From a string or a number of JSON; `None` for anything else and for zero.
    pub fn read(value: &Value) -> Option<Self> {
        let id = match value {
            Value::String(text) => text.parse().ok()?,
            Value::Number(number) => number.as_u64()?,
            _ => return None,
        };
        (id != 0).then_some(Self(id))
    }

    /// The `id` of an object.
    pub fn of(object: &Value) -> Option<Self> {
        Self::read(&object["id"])
    }

    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub fn json(self) -> Value {
        self.to_string().into()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for Id {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}
