use chrono::SecondsFormat;
use serde_json::{Map, Number, Value as Json};

use super::Value;

impl Value {
    /// The value as JSON, for people and for comparisons. Times become RFC 3339, bytes and
    /// unknown extensions arrays of numbers, floats without a fraction integers (which is how the
    /// original stores them).
    pub fn to_json(&self) -> Json {
        match self {
            Self::Nil => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::UInt(number) => (*number).into(),
            Self::Int(number) => (*number).into(),
            Self::F32(number) => float(f64::from(*number)),
            Self::F64(number) => float(*number),
            Self::Str(text) => Json::String(text.as_ref().to_owned()),
            Self::Bin(bytes) | Self::Ext(_, bytes) => {
                bytes.iter().copied().map(Json::from).collect()
            }
            Self::Array(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key_text(key), value.to_json()))
                    .collect::<Map<_, _>>(),
            ),
            Self::Time(at) => Json::String(at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }

    /// A JSON value as it is: numbers stay numbers, strings stay text.
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Nil,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => number
                .as_u64()
                .map(Self::UInt)
                .or_else(|| number.as_i64().map(Self::from))
                .unwrap_or_else(|| Self::F64(number.as_f64().unwrap_or_default())),
            Json::String(text) => Self::from(text.as_str()),
            Json::Array(items) => Self::Array(items.iter().map(Self::from_json).collect()),
            Json::Object(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, value)| (Self::from(key.as_str()), Self::from_json(value)))
                    .collect(),
            ),
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::float_cmp)]
fn float(number: f64) -> Json {
    let whole = number as i64;
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return whole.into();
    }
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

fn key_text(key: &Value) -> String {
    key.as_str()
        .map_or_else(|| key.to_json().to_string(), str::to_owned)
}
