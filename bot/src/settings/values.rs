//! From what somebody entered to what a column holds.

use serde_json::Value;
use splashtail_core::ids::{ChannelId, RoleId, UserId};
use splashtail_permissions::Permission;

use super::SettingsError;
use super::declaration::{Column, Format, Kind};

impl Column {
    /// The value to store. Texts are taken for other kinds where they can be read as such, so that
    /// forms and slash commands need no types of their own; a text is a list of its parts between
    /// commas.
    ///
    /// # Errors
    /// What is wrong with it, naming this column.
    pub fn read(&self, given: &Value) -> Result<Value, SettingsError> {
        if given.is_null() {
            return match self.nullable {
                true => Ok(Value::Null),
                false => Err(SettingsError::SchemaNullValueValidationError {
                    column: self.id.to_owned(),
                }),
            };
        }
        let Some(most) = self.list else {
            return self.read_one(given);
        };
        let split;
        let items = match given {
            Value::Array(items) => items,
            Value::String(text) => {
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                split = parts.map(Value::from).collect::<Vec<_>>();
                &split
            }
            other => return Err(self.type_error("a list", other)),
        };
        if items.len() > most {
            let error = format!("{} items are too many", items.len());
            return Err(self.check_error("max_items", &error, &format!("at most {most} items")));
        }
        let mut read = Vec::new();
        for item in items {
            let item = self.read_one(item)?;
            if !read.contains(&item) {
                read.push(item);
            }
        }
        Ok(Value::Array(read))
    }

    fn read_one(&self, given: &Value) -> Result<Value, SettingsError> {
        match self.kind {
            Kind::Text {
                min,
                max,
                allowed,
                format,
            } => self.read_text(given, (min, max), allowed, format),
            Kind::Integer { min, max } => {
                let number = match given {
                    Value::String(text) => text.trim().parse().ok(),
                    other => other.as_i64(),
                };
                let number = number.ok_or_else(|| self.type_error("a whole number", given))?;
                self.within(number, min, max)
            }
            Kind::Interval { min_s, max_s } => {
                let seconds = match given {
                    Value::String(text) => read_interval(text),
                    other => other.as_i64(),
                };
                let seconds =
                    seconds.ok_or_else(|| self.type_error("a length of time such as 5m", given))?;
                self.within(seconds, min_s, max_s)
            }
            Kind::Boolean => match given {
                Value::Bool(_) => Ok(given.clone()),
                Value::String(text) if text == "true" => Ok(Value::Bool(true)),
                Value::String(text) if text == "false" => Ok(Value::Bool(false)),
                other => Err(self.type_error("true or false", other)),
            },
            Kind::Json { max_bytes } => {
                let read = match given {
                    Value::String(text) if text.len() <= max_bytes => {
                        serde_json::from_str(text).map_err(|_| self.type_error("JSON", given))?
                    }
                    other => other.clone(),
                };
                if read.to_string().len() > max_bytes {
                    let range = format!("at most {max_bytes} bytes");
                    return Err(self.check_error("max_bytes", "it is too long", &range));
                }
                Ok(read)
            }
        }
    }

    fn read_text(
        &self,
        given: &Value,
        (min, max): (usize, usize),
        allowed: &[&str],
        format: Format,
    ) -> Result<Value, SettingsError> {
        let text = match given {
            Value::String(text) => text.clone(),
            // Ids that a caller sent as numbers.
            Value::Number(number) if number.is_u64() => number.to_string(),
            other => return Err(self.type_error("a text", other)),
        };
        let length = text.chars().count();
        if !(min..=max).contains(&length) {
            let error = format!(
                "{length} characters are too {}",
                if length < min { "few" } else { "many" }
            );
            return Err(self.check_error("length", &error, &format!("{min} to {max} characters")));
        }
        if text.chars().any(|c| c == '\0') {
            return Err(self.check_error("text", "it holds a NUL", "text"));
        }
        if !allowed.is_empty() && !allowed.contains(&text.as_str()) {
            let error = "it is none of the allowed values";
            return Err(self.check_error("allowed_values", error, &allowed.join(", ")));
        }
        let wrong =
            |expected: &str| self.check_error("format", "it is not in the right form", expected);
        match format {
            Format::Plain | Format::Textarea => Ok(Value::String(text)),
            Format::Permission => match Permission::from_input(&text) {
                Ok(permission) => Ok(Value::String(permission.to_string())),
                Err(error) => {
                    Err(self.check_error("permission", &error.to_string(), "namespace.permission"))
                }
            },
            Format::User => id::<UserId>(&text, &["<@!", "<@"]).ok_or_else(|| wrong("a user's id")),
            Format::Role => id::<RoleId>(&text, &["<@&"]).ok_or_else(|| wrong("a role's id")),
            Format::Channel => {
                id::<ChannelId>(&text, &["<#"]).ok_or_else(|| wrong("a channel's id"))
            }
        }
    }

    fn within(&self, number: i64, min: i64, max: i64) -> Result<Value, SettingsError> {
        if (min..=max).contains(&number) {
            return Ok(Value::from(number));
        }
        let error = format!("{number} is out of range");
        Err(self.check_error("range", &error, &format!("{min} to {max}")))
    }

    fn type_error(&self, expected: &str, got: &Value) -> SettingsError {
        let got = match got {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        SettingsError::SchemaTypeValidationError {
            column: self.id.to_owned(),
            expected_type: expected.to_owned(),
            got_type: got.to_owned(),
        }
    }

    pub fn check_error(&self, check: &str, error: &str, range: &str) -> SettingsError {
        SettingsError::SchemaCheckValidationError {
            column: self.id.to_owned(),
            check: check.to_owned(),
            error: error.to_owned(),
            accepted_range: range.to_owned(),
        }
    }
}

/// An id, bare or as a mention.
fn id<T: std::str::FromStr + std::fmt::Display>(text: &str, openings: &[&str]) -> Option<Value> {
    let text = text.trim();
    let bare = openings
        .iter()
        .find_map(|opening| text.strip_prefix(opening)?.strip_suffix('>'))
        .unwrap_or(text);
    bare.parse::<T>()
        .ok()
        .map(|id| Value::String(id.to_string()))
}

/// `90`, `90s`, `5m`, `2h30m`, `7d`, `1w`: whole seconds.
fn read_interval(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let mut sum: i64 = 0;
    let mut digits = String::new();
    for letter in text.chars().filter(|letter| !letter.is_whitespace()) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let unit = match letter.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let number: i64 = digits.parse().ok()?;
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        digits.clear();
    }
    (digits.is_empty() && !text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn column(kind: Kind) -> Column {
        Column::new("c", "C", "A column", kind)
    }

    fn read(kind: Kind, given: Value) -> Option<Value> {
        column(kind).read(&given).ok()
    }

    #[test]
    fn values_of_each_kind() {
        let digit = Kind::Integer { min: 1, max: 9 };
        let hour = Kind::Interval {
            min_s: 1,
            max_s: 3600,
        };
        let colour = Kind::Text {
            min: 1,
            max: 9,
            allowed: &["red", "blue"],
            format: Format::Plain,
        };
        let json = Kind::Json { max_bytes: 9 };
        let role = Kind::of(Format::Role);
        for (kind, given, expected) in [
            (digit, json!(9), Some(json!(9))),
            (digit, json!(" 3 "), Some(json!(3))),
            (digit, json!(10), None),
            (digit, json!(1.5), None),
            (digit, json!("three"), None),
            (digit, json!(null), None),
            (digit, json!(u64::MAX), None),
            (hour, json!("1h"), Some(json!(3600))),
            (hour, json!("2m 5s"), Some(json!(125))),
            (hour, json!("90"), Some(json!(90))),
            (hour, json!("61m"), None),
            (hour, json!("5"), Some(json!(5))),
            (hour, json!("5m3"), None),
            (hour, json!("m"), None),
            (hour, json!("99999999999999999w"), None),
            (Kind::Boolean, json!("true"), Some(json!(true))),
            (Kind::Boolean, json!(false), Some(json!(false))),
            (Kind::Boolean, json!(1), None),
            (colour, json!("red"), Some(json!("red"))),
            (colour, json!("green"), None),
            (colour, json!(["red"]), None),
            (Kind::text(0, 2), json!("üß"), Some(json!("üß"))),
            (Kind::text(0, 2), json!("üßa"), None),
            (Kind::text(1, 2), json!(""), None),
            (Kind::text(1, 2), json!("\0"), None),
            (json, json!({"a": 1}), Some(json!({"a": 1}))),
            (json, json!("[1,2]"), Some(json!([1, 2]))),
            (json, json!("{"), None),
            (json, json!({"aaaa": 11}), None),
            (role, json!("<@&12>"), Some(json!("12"))),
            (role, json!(12), Some(json!("12"))),
            (role, json!("0"), None),
            (role, json!("<@12>"), None),
            (Kind::of(Format::User), json!("<@!7>"), Some(json!("7"))),
            (Kind::of(Format::Channel), json!("<#7>"), Some(json!("7"))),
            (
                Kind::of(Format::Permission),
                json!("view"),
                Some(json!("global.view")),
            ),
            (Kind::of(Format::Permission), json!("a. b"), None),
        ] {
            assert_eq!(read(kind, given.clone()), expected, "{kind:?} {given}");
        }
    }

    #[test]
    fn lists_are_split_bounded_and_hold_nothing_twice() {
        let list = Column {
            list: Some(2),
            ..column(Kind::of(Format::Permission))
        };
        let read = |given: Value| list.read(&given).ok();
        assert_eq!(read(json!(" a.b , ~c.d,")), Some(json!(["a.b", "~c.d"])));
        assert_eq!(read(json!(["a.b", "a.b"])), Some(json!(["a.b"])));
        assert_eq!(read(json!("")), Some(json!([])));
        assert_eq!(read(json!("a.b,c.d,e.f")), None);
        assert_eq!(read(json!({"a": 1})), None);
        assert_eq!(read(json!(null)), None);
        let maybe = Column {
            nullable: true,
            ..column(Kind::Boolean)
        };
        assert_eq!(maybe.read(&Value::Null), Ok(Value::Null));
    }
}
