//! From what somebody entered to what a column holds.

use serde_json::Value;
use splashtail_permissions::{Modifier, Permission};

use super::declaration::{Column, Format, Kind};
use super::forms;
use super::wrong::{Check, Shape, Wrong};

/// Allowed values that a refusal names.
const SHOWN: usize = 25;

impl Column {
    /// The value to store. Texts are taken for other kinds where they can be read as such, so that
    /// forms and slash commands need no types of their own; a text is a list of its parts between
    /// commas.
    ///
    /// # Errors
    /// What is wrong with it, naming this column.
    pub fn read(&self, given: &Value) -> Result<Value, Wrong> {
        if given.is_null() {
            return match self.nullable {
                true => Ok(Value::Null),
                false => Err(Wrong::Empty {
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
            other => return Err(self.type_error(Shape::List, other)),
        };
        if items.len() > most {
            let given = items.len();
            return Err(self.fails(Check::Items { given, most }));
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

    fn read_one(&self, given: &Value) -> Result<Value, Wrong> {
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
                let number = number.ok_or_else(|| self.type_error(Shape::WholeNumber, given))?;
                self.within(number, min, max)
            }
            Kind::Float { min, max } => {
                let number = match given {
                    Value::String(text) => text.trim().parse().ok(),
                    other => other.as_f64(),
                };
                let number = number.filter(|number: &f64| number.is_finite());
                let number = number.ok_or_else(|| self.type_error(Shape::Number, given))?;
                match (min..=max).contains(&number) {
                    true => Ok(Value::from(number)),
                    false => Err(self.out_of_range(number, min, max)),
                }
            }
            Kind::Bitflag(flags) => self.read_flags(given, flags),
            Kind::Timestamp => {
                let moment = match given {
                    Value::String(text) => forms::moment(text),
                    other => other.as_i64().and_then(forms::moment_of),
                };
                let moment = moment.ok_or_else(|| self.type_error(Shape::Moment, given))?;
                Ok(Value::String(moment))
            }
            Kind::Interval { min_s, max_s } => {
                let seconds = match given {
                    Value::String(text) => forms::interval(text),
                    other => other.as_i64(),
                };
                let seconds = seconds.ok_or_else(|| self.type_error(Shape::Length, given))?;
                self.within(seconds, min_s, max_s)
            }
            Kind::Boolean => match given {
                Value::Bool(_) => Ok(given.clone()),
                Value::String(text) if text == "true" => Ok(Value::Bool(true)),
                Value::String(text) if text == "false" => Ok(Value::Bool(false)),
                other => Err(self.type_error(Shape::Boolean, other)),
            },
            Kind::Json { max_bytes } => {
                let read = match given {
                    Value::String(text) if text.len() <= max_bytes => serde_json::from_str(text)
                        .map_err(|_| self.type_error(Shape::Json, given))?,
                    other => other.clone(),
                };
                if read.to_string().len() > max_bytes {
                    return Err(self.fails(Check::Bytes { most: max_bytes }));
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
    ) -> Result<Value, Wrong> {
        let text = match given {
            Value::String(text) => text.clone(),
            // Ids that a caller sent as numbers.
            Value::Number(number) if number.is_u64() => number.to_string(),
            other => return Err(self.type_error(Shape::Text, other)),
        };
        let given = text.chars().count();
        if !(min..=max).contains(&given) {
            return Err(self.fails(Check::Characters { given, min, max }));
        }
        if text.chars().any(|c| c == '\0') {
            return Err(self.fails(Check::Nul));
        }
        if !allowed.is_empty() && !allowed.contains(&text.as_str()) {
            let mut range = allowed[..allowed.len().min(SHOWN)].join(", ");
            if allowed.len() > SHOWN {
                range.push_str(", …");
            }
            return Err(self.fails(Check::Allowed(range)));
        }
        let wrong = |expected| self.fails(Check::Form(expected));
        match format {
            Format::Plain | Format::Textarea => Ok(Value::String(text)),
            Format::Permission => match Permission::from_input(&text) {
                Ok(permission) => Ok(Value::String(permission.to_string())),
                Err(error) => Err(self.fails(Check::Permission(error))),
            },
            Format::User => forms::user(&text).ok_or_else(|| wrong(Shape::User)),
            Format::Role => forms::role(&text).ok_or_else(|| wrong(Shape::Role)),
            Format::Channel => forms::channel(&text).ok_or_else(|| wrong(Shape::Channel)),
            Format::Emoji => forms::emoji(&text).ok_or_else(|| wrong(Shape::Emoji)),
            Format::Modifier => {
                let modifier = text.trim().parse::<Modifier>();
                let modifier = modifier.map_err(|_| wrong(Shape::Modifier))?;
                Ok(Value::String(modifier.to_string()))
            }
        }
    }

    /// The sum of bits as it is, or their names in a list or between commas.
    fn read_flags(&self, given: &Value, flags: &[(&'static str, u64)]) -> Result<Value, Wrong> {
        let all = flags.iter().fold(0, |all, (_, bit)| all | bit);
        let names: Vec<&str> = match given {
            Value::Number(_) => {
                let sum = given.as_u64().filter(|sum| sum & !all == 0);
                return sum.map(Value::from).ok_or_else(|| self.unknown_flag(flags));
            }
            Value::String(text) => text.split(',').map(str::trim).collect(),
            Value::Array(items) => {
                let names = items.iter().map(Value::as_str).collect::<Option<_>>();
                names.ok_or_else(|| self.type_error(Shape::Names, given))?
            }
            other => return Err(self.type_error(Shape::Names, other)),
        };
        let mut sum = 0;
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            let known = flags.iter().find(|(known, _)| *known == name);
            let (_, bit) = known.ok_or_else(|| self.unknown_flag(flags))?;
            sum |= bit;
        }
        Ok(Value::from(sum))
    }

    fn unknown_flag(&self, flags: &[(&'static str, u64)]) -> Wrong {
        let names: Vec<_> = flags.iter().map(|(name, _)| *name).collect();
        self.fails(Check::Flags(names.join(", ")))
    }

    /// A stored value as people read it.
    pub fn words(&self, value: &Value) -> String {
        match (value, self.kind) {
            (Value::Array(items), _) => {
                let items = items.iter().map(|item| self.words(item));
                items.collect::<Vec<_>>().join(", ")
            }
            (value, Kind::Bitflag(flags)) => {
                let sum = value.as_u64().unwrap_or_default();
                let set = flags.iter().filter(|(_, bit)| sum & bit != 0);
                match set.map(|(name, _)| *name).collect::<Vec<_>>() {
                    none if none.is_empty() => "none".to_owned(),
                    names => names.join(", "),
                }
            }
            (Value::String(text), _) => text.clone(),
            (other, _) => other.to_string(),
        }
    }

    fn within(&self, number: i64, min: i64, max: i64) -> Result<Value, Wrong> {
        match (min..=max).contains(&number) {
            true => Ok(Value::from(number)),
            false => Err(self.out_of_range(number, min, max)),
        }
    }

    fn out_of_range<T: std::fmt::Display>(&self, number: T, min: T, max: T) -> Wrong {
        let (given, min, max) = (number.to_string(), min.to_string(), max.to_string());
        self.fails(Check::Range { given, min, max })
    }

    fn type_error(&self, expected: Shape, got: &Value) -> Wrong {
        let got = match got {
            Value::Null => Shape::Nothing,
            Value::Bool(_) => Shape::Boolean,
            Value::Number(_) => Shape::Number,
            Value::String(_) => Shape::Text,
            Value::Array(_) => Shape::List,
            Value::Object(_) => Shape::Object,
        };
        Wrong::Type {
            column: self.id.to_owned(),
            expected,
            got,
        }
    }

    fn fails(&self, check: Check) -> Wrong {
        Wrong::Check {
            column: self.id.to_owned(),
            check,
        }
    }
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
        let half = Kind::Float { min: 0.0, max: 0.5 };
        let days = Kind::Bitflag(&[("sat", 1), ("mon", 2), ("sun", 4)]);
        let at = Kind::Timestamp;
        let evening = Some(json!("2026-11-30T18:00:00Z"));
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
            (half, json!(0.5), Some(json!(0.5))),
            (half, json!(" 0.25 "), Some(json!(0.25))),
            (half, json!(0), Some(json!(0.0))),
            (half, json!(0.51), None),
            (half, json!("NaN"), None),
            (half, json!("inf"), None),
            (half, json!("half"), None),
            (days, json!(5), Some(json!(5))),
            (days, json!("sat, sun"), Some(json!(5))),
            (days, json!(["mon"]), Some(json!(2))),
            (days, json!(""), Some(json!(0))),
            (days, json!([]), Some(json!(0))),
            (days, json!(8), None),
            (days, json!(-1), None),
            (days, json!(1.5), None),
            (days, json!("sat,yesterday"), None),
            (days, json!([1]), None),
            (days, json!(true), None),
            (at, json!("2026-11-30T19:00:00.9+01:00"), evening.clone()),
            (at, json!("2026-11-30 18:00"), evening.clone()),
            (at, json!("2026-11-30 18:00:00"), evening.clone()),
            (at, json!("<t:1796061600:R>"), evening.clone()),
            (at, json!("<t:1796061600>"), evening.clone()),
            (at, json!(1_796_061_600), evening),
            (at, json!("2026-11-30"), Some(json!("2026-11-30T00:00:00Z"))),
            (at, json!("2026-13-30"), None),
            (at, json!("tomorrow"), None),
            (at, json!(i64::MAX), None),
            (at, json!(-1), None),
            (at, json!("<t:soon>"), None),
            (at, json!(false), None),
            (Kind::of(Format::Emoji), json!("🔨"), Some(json!("🔨"))),
            (
                Kind::of(Format::Emoji),
                json!("👩\u{200d}🚒"),
                Some(json!("👩\u{200d}🚒")),
            ),
            (Kind::of(Format::Emoji), json!("🇩🇪"), Some(json!("🇩🇪"))),
            (
                Kind::of(Format::Emoji),
                json!("1\u{fe0f}\u{20e3}"),
                Some(json!("1\u{fe0f}\u{20e3}")),
            ),
            (
                Kind::of(Format::Emoji),
                json!("<a:wave_1:12>"),
                Some(json!("<a:wave_1:12>")),
            ),
            (Kind::of(Format::Emoji), json!("<:wave:0>"), None),
            (Kind::of(Format::Emoji), json!("<:w:12>"), None),
            (Kind::of(Format::Emoji), json!("<:wave:12"), None),
            (Kind::of(Format::Emoji), json!("1"), None),
            (Kind::of(Format::Emoji), json!("hammer"), None),
            (Kind::of(Format::Emoji), json!("🔨🔨"), None),
            (
                Kind::of(Format::Modifier),
                json!("user/7"),
                Some(json!("user/7")),
            ),
            (
                Kind::of(Format::Modifier),
                json!("<@&7>"),
                Some(json!("role/7")),
            ),
            (
                Kind::of(Format::Modifier),
                json!("custom/a/b/4"),
                Some(json!("custom/a/b/4")),
            ),
            (Kind::of(Format::Modifier), json!("custom/a/4"), None),
            (Kind::of(Format::Modifier), json!("user/all"), None),
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

    #[test]
    fn flags_are_shown_by_name() {
        let days = column(Kind::Bitflag(&[("sat", 1), ("mon", 2), ("sun", 4)]));
        assert_eq!(days.words(&json!(5)), "sat, sun");
        assert_eq!(days.words(&json!(0)), "none");
        let list = column(Kind::text(1, 9));
        assert_eq!(list.words(&json!(["a", "b"])), "a, b");
        assert_eq!(column(Kind::Boolean).words(&json!(true)), "true");
    }
}
