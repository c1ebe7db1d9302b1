//! JSON objects whose values stay, byte by byte, as they were written.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object's fields in their order.
#[derive(Debug, Default)]
pub struct Fields<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// # Errors
    /// It is no object.
    pub fn read(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| *value)
    }

    pub fn without(mut self, keys: &[&str]) -> Self {
        self.0.retain(|(name, _)| !keys.contains(&&**name));
        self
    }

    /// Replaces a field where it stands, or adds it at the end.
    pub fn set(&mut self, key: &'static str, value: &'a RawValue) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, place)) => *place = value,
            None => self.0.push((Cow::Borrowed(key), value)),
        }
    }

    pub fn write(&self) -> String {
        let length: usize = self
            .0
            .iter()
            .map(|(key, value)| key.len() + value.get().len() + 4)
            .sum();
        let mut text = Writer::new(length);
        for (key, value) in &self.0 {
            text.field(key, value.get());
        }
        text.finish()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(24);
                while let Some(Name(key)) = map.next_key()? {
                    fields.push((key, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Read)
    }
}

/// Borrowed unless it has escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Read)
    }
}

/// Writes an object without blanks, as Discord does.
pub struct Writer(String);

impl Writer {
    pub fn new(capacity: usize) -> Self {
        let mut text = String::with_capacity(capacity + 2);
        text.push('{');
        Self(text)
    }

    pub fn key(&mut self, key: &str) -> &mut String {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        if key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            self.0.push('"');
            self.0.push_str(key);
            self.0.push('"');
        } else {
            // A string can always be written.
            self.0
                .push_str(&serde_json::to_string(key).unwrap_or_default());
        }
        self.0.push(':');
        &mut self.0
    }

    pub fn field(&mut self, key: &str, value: &str) {
        self.key(key).push_str(value);
    }

    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// An id, written as a string or as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snowflake(pub u64);

impl<'de> Deserialize<'de> for Snowflake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = Snowflake;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Snowflake(number))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(Snowflake).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Read)
    }
}

/// An owned value; `None` for what is no JSON.
pub fn raw(text: impl Into<Box<str>>) -> Option<Box<RawValue>> {
    RawValue::from_string(text.into().into_string()).ok()
}

/// The elements of an array, as they were written.
///
/// # Errors
/// It is no array.
pub fn elements(list: &RawValue) -> serde_json::Result<Vec<&RawValue>> {
    serde_json::from_str(list.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_bytes_and_fields_their_order() {
        let text = r#"{"b":1.50,"a":{"x" : [ 1 ]},"n":12345678901234567890,"\u0061b":"\u00e4"}"#;
        let fields = Fields::read(text).unwrap();
        assert_eq!(
            fields.write(),
            r#"{"b":1.50,"a":{"x" : [ 1 ]},"n":12345678901234567890,"ab":"\u00e4"}"#
        );
        let one = raw("1").unwrap();
        let mut fields = Fields::read(text).unwrap().without(&["b", "ab"]);
        fields.set("a", &one);
        fields.set("z", &one);
        assert_eq!(fields.write(), r#"{"a":1,"n":12345678901234567890,"z":1}"#);
    }

    #[test]
    fn ids_come_in_both_forms() {
        for text in ["\"7\"", "7"] {
            assert_eq!(
                serde_json::from_str::<Snowflake>(text).unwrap(),
                Snowflake(7)
            );
        }
        assert!(serde_json::from_str::<Snowflake>("\"x\"").is_err());
    }
}
