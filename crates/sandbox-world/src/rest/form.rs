//! Reading bodies: every wrong field is reported, in one answer, under its own path.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::error::{ApiError, FieldError};
use crate::world::{Id, Stamp};

/// Code and message for what should be a list.
const NO_LIST: (&str, &str) = (
    "LIST_TYPE_CONVERT",
    "Only iterables may be used in a ListType",
);

/// Code and message for a role, and for a channel, that the guild does not have.
pub const NO_ROLE: (&str, &str) = ("ROLE_INVALID", "Role is invalid.");
pub const NO_CHANNEL: (&str, &str) = ("CHANNEL_INVALID", "Channel is invalid.");

/// Languages Discord speaks.
pub const LOCALES: [&str; 34] = [
    "ar", "bg", "cs", "da", "de", "el", "en-GB", "en-US", "es-419", "es-ES", "fi", "fr", "he",
    "hi", "hr", "hu", "id", "it", "ja", "ko", "lt", "nl", "no", "pl", "pt-BR", "ro", "ru", "sv-SE",
    "th", "tr", "uk", "vi", "zh-CN", "zh-TW",
];

/// A body, or a part of one, being read.
#[derive(Debug)]
pub struct Form<'v> {
    json: &'v Value,
    path: String,
    pub errors: Vec<FieldError>,
}

impl<'v> Form<'v> {
    pub fn new(json: &'v Value) -> Self {
        Self::at(json, "")
    }

    /// A part that is reported under `path`.
    pub fn at(json: &'v Value, path: &str) -> Self {
        Self {
            json,
            path: path.to_owned(),
            errors: Vec::new(),
        }
    }

    /// Where a field of this part is, seen from the whole body.
    pub fn path_to(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Notes a problem with a field.
    pub fn error(&mut self, key: &str, code: &'static str, message: impl Into<String>) {
        let path = self.path_to(key);
        self.errors.push(FieldError::new(&path, code, message));
    }

    /// Takes over the problems of a part.
    pub fn absorb(&mut self, part: Form<'_>) {
        self.errors.extend(part.errors);
    }

    /// All problems, or none.
    pub fn done(self) -> Result<(), ApiError> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(ApiError::form(self.errors))
        }
    }

    /// Whether the field is there, even as null.
    pub fn has(&self, key: &str) -> bool {
        self.json.get(key).is_some()
    }

    /// The field, unless absent or null.
    pub fn raw(&self, key: &str) -> Option<&'v Value> {
        self.json.get(key).filter(|v| !v.is_null())
    }

    /// Notes that a required field is missing.
    pub fn require(&mut self, key: &str) {
        if self.raw(key).is_none() {
            self.error(key, "BASE_TYPE_REQUIRED", "This field is required");
        }
    }

    /// Text whose length in characters lies in `lengths`.
    pub fn text(&mut self, key: &str, lengths: RangeInclusive<usize>) -> Option<String> {
        let value = self.raw(key)?;
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(n) => n.to_string(),
            _ => {
                self.error(
                    key,
                    "STRING_TYPE_CONVERT",
                    "Could not interpret the value as string.",
                );
                return None;
            }
        };
        let length = text.chars().count();
        let (low, high) = (*lengths.start(), *lengths.end());
        if length == 0 && low > 0 {
            self.error(key, "BASE_TYPE_REQUIRED", "This field is required");
        } else if length < low || length > high {
            self.wrong_length(key, length, low, high);
        } else {
            return Some(text);
        }
        None
    }

    /// An address, of one of these schemes.
    pub fn link(&mut self, key: &str, schemes: &[&str]) -> Option<String> {
        let text = self.text(key, 0..=2048).filter(|t| !t.is_empty())?;
        let Some((scheme, rest)) = text.split_once("://") else {
            self.error(key, "URL_TYPE_INVALID_URL", "Not a well formed URL.");
            return None;
        };
        if !schemes.contains(&scheme) {
            let known = schemes.join("', '");
            let message =
                format!("Scheme \"{scheme}\" is not supported. Scheme must be one of ('{known}').");
            self.error(key, "URL_TYPE_INVALID_SCHEME", message);
            return None;
        }
        let sound = if scheme == "attachment" {
            !rest.is_empty()
        } else {
            url::Url::parse(&text).is_ok_and(|u| u.has_host())
        };
        if !sound {
            self.error(key, "URL_TYPE_INVALID_URL", "Not a well formed URL.");
            return None;
        }
        Some(text)
    }

    fn wrong_length(&mut self, key: &str, length: usize, low: usize, high: usize) {
        if low > 0 {
            self.error(
                key,
                "BASE_TYPE_BAD_LENGTH",
                format!("Must be between {low} and {high} in length."),
            );
        } else if length > high {
            self.error(
                key,
                "BASE_TYPE_MAX_LENGTH",
                format!("Must be {high} or fewer in length."),
            );
        }
    }

    /// Text that null resets: `Some(None)` is null or empty.
    pub fn nullable_text(&mut self, key: &str, max: usize) -> Option<Option<String>> {
        if !self.has(key) {
            return None;
        }
        if self.raw(key).is_none() {
            return Some(None);
        }
        self.text(key, 0..=max)
            .map(|t| Some(t).filter(|t| !t.is_empty()))
    }

    /// A whole number, also as text.
    pub fn int(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.raw(key)?;
        let number = match value {
            Value::Number(n) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64)),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            self.error(
                key,
                "NUMBER_TYPE_COERCE",
                format!("Value \"{shown}\" is not int."),
            );
            return None;
        };
        if number < *range.start() {
            let message = format!(
                "int value should be greater than or equal to {}.",
                range.start()
            );
            self.error(key, "NUMBER_TYPE_MIN", message);
        } else if number > *range.end() {
            let message = format!("int value should be less than or equal to {}.", range.end());
            self.error(key, "NUMBER_TYPE_MAX", message);
        } else {
            return Some(number);
        }
        None
    }

    /// One of a few numbers.
    pub fn choice(&mut self, key: &str, choices: &[i64]) -> Option<i64> {
        let number = self.int(key, i64::MIN..=i64::MAX)?;
        if choices.contains(&number) {
            return Some(number);
        }
        let list: Vec<String> = choices.iter().map(i64::to_string).collect();
        self.error(
            key,
            "BASE_TYPE_CHOICES",
            format!("Value must be one of {{{}}}.", list.join(", ")),
        );
        None
    }

    pub fn flag(&mut self, key: &str) -> Option<bool> {
        match self.raw(key)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(s) if s.eq_ignore_ascii_case("true") || s == "1" => Some(true),
            Value::String(s) if s.eq_ignore_ascii_case("false") || s == "0" => Some(false),
            Value::Number(n) if n.as_i64() == Some(1) => Some(true),
            Value::Number(n) if n.as_i64() == Some(0) => Some(false),
            _ => {
                self.error(key, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.");
                None
            }
        }
    }

    pub fn id(&mut self, key: &str) -> Option<Id> {
        let value = self.raw(key)?;
        let id = read_id(value);
        if id.is_none() {
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            self.error(
                key,
                "NUMBER_TYPE_COERCE",
                format!("Value \"{shown}\" is not snowflake."),
            );
        }
        id
    }

    /// An id that null resets.
    pub fn nullable_id(&mut self, key: &str) -> Option<Option<Id>> {
        if !self.has(key) {
            return None;
        }
        if self.raw(key).is_none() {
            Some(None)
        } else {
            self.id(key).map(Some)
        }
    }

    /// A list of ids without repetition, in order.
    pub fn ids(&mut self, key: &str, max: usize) -> Option<Vec<Id>> {
        let list = self.list(key, max)?;
        let mut ids = Vec::with_capacity(list.len());
        for (n, value) in list.iter().enumerate() {
            match read_id(value) {
                Some(id) if !ids.contains(&id) => ids.push(id),
                Some(_) => {}
                None => self.error(
                    &format!("{key}.{n}"),
                    "NUMBER_TYPE_COERCE",
                    format!("Value {value} is not snowflake."),
                ),
            }
        }
        Some(ids)
    }

    /// As [`ids`](Self::ids), of things that must be there.
    pub fn ids_of(
        &mut self,
        key: &str,
        max: usize,
        (code, message): (&'static str, &str),
        exists: impl Fn(Id) -> bool,
    ) -> Option<Vec<Id>> {
        let ids = self.ids(key, max)?;
        for (n, id) in ids.iter().enumerate() {
            if !exists(*id) {
                self.error(&format!("{key}.{n}"), code, message);
            }
        }
        Some(ids)
    }

    /// A permission set, as text or number; unknown bits stay.
    pub fn permissions(&mut self, key: &str) -> Option<u64> {
        let bits = match self.raw(key)? {
            Value::String(text) => text.parse().ok(),
            Value::Number(n) => n.as_u64(),
            _ => None,
        };
        if bits.is_none() {
            self.error(key, "NUMBER_TYPE_COERCE", "Value is not int.");
        }
        bits
    }

    /// A point in time that null resets.
    pub fn nullable_time(&mut self, key: &str) -> Option<Option<Stamp>> {
        if !self.has(key) {
            return None;
        }
        let Some(value) = self.raw(key) else {
            return Some(None);
        };
        let time = value.as_str().and_then(Stamp::parse);
        if time.is_none() {
            self.error(
                key,
                "DATETIME_TYPE_PARSE",
                "Could not parse the value. Should be ISO8601.",
            );
        }
        time.map(Some)
    }

    pub fn list(&mut self, key: &str, max: usize) -> Option<&'v [Value]> {
        match self.raw(key)? {
            Value::Array(list) if list.len() <= max => Some(list),
            Value::Array(_) => {
                self.error(
                    key,
                    "BASE_TYPE_MAX_LENGTH",
                    format!("Must be {max} or fewer in length."),
                );
                None
            }
            _ => {
                self.error(key, NO_LIST.0, NO_LIST.1);
                None
            }
        }
    }
}

/// A body that must be a list.
pub fn listed(body: &Value) -> Result<&[Value], ApiError> {
    let list = body.as_array().map(Vec::as_slice);
    list.ok_or_else(|| ApiError::field("", NO_LIST.0, NO_LIST.1))
}

/// An id as text or number.
pub fn read_id(value: &Value) -> Option<Id> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(n) => n.as_u64().map(Id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_problem_is_reported_at_once() {
        let body =
            json!({"name": "", "topic": "x".repeat(1025), "position": "abc", "nsfw": 3, "type": 9});
        let mut form = Form::new(&body);
        assert_eq!(form.text("name", 1..=100), None);
        assert_eq!(form.nullable_text("topic", 1024), None);
        assert_eq!(form.int("position", 0..=10), None);
        assert_eq!(form.flag("nsfw"), None);
        assert_eq!(form.choice("type", &[0, 2]), None);
        form.require("guild_id");
        let errors = form.done().unwrap_err().json()["errors"].clone();
        let code = |key: &str| errors[key]["_errors"][0]["code"].clone();
        assert_eq!(code("name"), "BASE_TYPE_REQUIRED");
        assert_eq!(code("topic"), "BASE_TYPE_MAX_LENGTH");
        assert_eq!(code("position"), "NUMBER_TYPE_COERCE");
        assert_eq!(code("type"), "BASE_TYPE_CHOICES");
        assert_eq!(code("guild_id"), "BASE_TYPE_REQUIRED");
    }

    #[test]
    fn numbers_and_permissions_may_be_text() {
        let body = json!({"position": "4", "permissions": 8, "allow": "9007199254740993", "id": 5, "parent_id": null});
        let mut form = Form::new(&body);
        assert_eq!(form.int("position", 0..=10), Some(4));
        assert_eq!(form.permissions("permissions"), Some(8));
        assert_eq!(form.permissions("allow"), Some(9_007_199_254_740_993));
        assert_eq!(form.id("id"), Some(Id(5)));
        assert_eq!(form.nullable_id("parent_id"), Some(None));
        assert_eq!(form.nullable_id("other"), None);
        assert!(form.done().is_ok());
    }
}
