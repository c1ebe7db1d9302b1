//! Finds the few fields of a gateway frame that decide where it goes, without building anything.
//!
//! It trusts that a frame is JSON: of what is not, it says nothing or something, but never reads
//! beyond it. Whoever decodes the body later finds out.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;
use splashtail_core::ids::GuildId;

/// The envelope of a frame (gateway documentation, "Gateway Event Payload Structure").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head<'a> {
    pub op: Option<u64>,
    /// `s`
    pub seq: Option<u64>,
    /// `t`
    pub name: Option<Cow<'a, [u8]>>,
    /// Where in the frame the digits of `s` are.
    pub seq_at: Range<usize>,
    /// Where `d` begins.
    body: Option<usize>,
}

/// What of a dispatch's body decides where it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The body's own `id`.
    pub id: Option<GuildId>,
    pub guild_id: Option<GuildId>,
    /// `unavailable` is true.
    pub unavailable: bool,
    /// Where in the frame the body is.
    pub body: Range<usize>,
}

impl<'a> Head<'a> {
    /// `None` for what is no object. Stops at `d` when all the rest is known: Discord sends it last.
    pub fn scan(frame: &'a [u8]) -> Option<Self> {
        let mut head = Self::default();
        let mut seen = 0;
        let mut cursor = Cursor {
            bytes: frame,
            at: 0,
        };
        cursor.object(|cursor, key| {
            let begin = cursor.at;
            match key {
                b"d" => {
                    head.body = Some(begin);
                    if seen == 3 {
                        return None;
                    }
                    cursor.skip()?;
                }
                b"op" | b"s" => {
                    let number = cursor.number();
                    match key {
                        b"op" => head.op = number,
                        _ => {
                            head.seq = number;
                            head.seq_at = begin..cursor.at;
                        }
                    }
                    seen += 1;
                }
                b"t" => {
                    head.name = match cursor.peek()? {
                        b'"' => Some(cursor.text()?),
                        _ => {
                            cursor.skip()?;
                            None
                        }
                    };
                    seen += 1;
                }
                _ => cursor.skip()?,
            }
            Some(())
        });
        let is_frame = head.op.is_some() || head.body.is_some();
        is_frame.then_some(head)
    }

    /// Looks into the body; `None` when it is no object.
    pub fn place(&self, frame: &[u8]) -> Option<Place> {
        let mut place = Place::default();
        let begin = self.body?;
        let mut cursor = Cursor {
            bytes: frame,
            at: begin,
        };
        cursor.object(|cursor, key| {
            match key {
                b"id" => place.id = cursor.id()?,
                b"guild_id" => place.guild_id = cursor.id()?,
                b"unavailable" => {
                    let from = cursor.at;
                    cursor.skip()?;
                    place.unavailable = &cursor.bytes[from..cursor.at] == b"true";
                }
                _ => cursor.skip()?,
            }
            Some(())
        })?;
        place.body = begin..cursor.at;
        Some(place)
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Calls `each` with every key, the cursor at its value; `each` moves it behind. `None` when
    /// `each` says so or the object does not end.
    fn object(&mut self, mut each: impl FnMut(&mut Self, &[u8]) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let key = self.text()?;
            self.take(b':')?;
            self.peek()?;
            each(self, &key)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    fn text(&mut self) -> Option<Cow<'a, [u8]>> {
        self.peek()?;
        let begin = self.at;
        let escapes = self.string()?;
        let bytes: &'a [u8] = self.bytes;
        if escapes {
            let text: String = serde_json::from_slice(&bytes[begin..self.at]).ok()?;
            return Some(Cow::Owned(text.into_bytes()));
        }
        Some(Cow::Borrowed(&bytes[begin + 1..self.at - 1]))
    }

    /// Behind the string that begins here; whether it has escapes.
    fn string(&mut self) -> Option<bool> {
        self.take(b'"')?;
        let mut escapes = false;
        loop {
            self.at += memchr2(b'"', b'\\', self.bytes.get(self.at..)?)?;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Some(escapes);
            }
            escapes = true;
            self.at += 2;
        }
    }

    /// Behind the value that begins here.
    fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => {
                let mut depth = 0_usize;
                loop {
                    match self.bytes.get(self.at)? {
                        b'"' => {
                            self.string()?;
                            continue;
                        }
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        return Some(());
                    }
                }
            }
            _ => {
                let rest = &self.bytes[self.at..];
                let ends =
                    |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
                Some(())
            }
        }
    }

    /// A whole number, or nothing for any other value, which is passed over.
    fn number(&mut self) -> Option<u64> {
        let begin = self.at;
        self.skip()?;
        decimal(&self.bytes[begin..self.at])
    }

    /// An id as a string or a number; zero and anything else is none.
    #[allow(
        clippy::option_option,
        reason = "a value that is no id does not end the scan"
    )]
    fn id(&mut self) -> Option<Option<GuildId>> {
        let begin = self.at;
        self.skip()?;
        let value = &self.bytes[begin..self.at];
        let digits = value
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        Some(decimal(digits.unwrap_or(value)).and_then(GuildId::new))
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            "[\\\\\"{}\\[\\],:]{0,8}".prop_map(Value::from),
            any::<u64>().prop_map(|id| id.to_string().into()),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                object(inner).prop_map(Value::from),
            ]
        })
    }

    fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
        let key = prop_oneof![
            Just("id".to_owned()),
            Just("guild_id".to_owned()),
            Just("unavailable".to_owned()),
            ".{0,6}",
        ];
        prop::collection::vec((key, value), 0..6).prop_map(|fields| fields.into_iter().collect())
    }

    /// An envelope with its keys in any order, more than there are, and written in either way.
    fn frame() -> impl Strategy<Value = (Value, String)> {
        let keys = Just(vec!["t", "s", "op", "d", "x"]).prop_shuffle();
        let body = object(value()).prop_map(Value::from);
        (
            keys,
            body,
            value(),
            any::<Option<u32>>(),
            "[A-Z_]{1,12}|\\PC{1,4}",
            any::<bool>(),
        )
            .prop_map(|(keys, d, x, s, t, pretty)| {
                let whole = json!({"t": t, "s": s, "op": 0, "d": d, "x": x});
                let frame: Map<_, _> = keys
                    .iter()
                    .map(|key| ((*key).to_owned(), whole[*key].clone()))
                    .collect();
                let frame = Value::from(frame);
                let text = match pretty {
                    true => serde_json::to_string_pretty(&frame),
                    false => serde_json::to_string(&frame),
                };
                (frame, text.unwrap())
            })
    }

    fn id(value: &Value) -> Option<GuildId> {
        splashtail_guild::Id::read(value).and_then(|id| GuildId::new(id.get()))
    }

    proptest! {
        #[test]
        fn it_finds_what_a_parser_finds((frame, text) in frame()) {
            let head = Head::scan(text.as_bytes()).unwrap();
            prop_assert_eq!(head.op, frame["op"].as_u64());
            prop_assert_eq!(head.seq, frame["s"].as_u64());
            let digits: Value = serde_json::from_str(&text[head.seq_at.clone()]).unwrap();
            prop_assert_eq!(digits, frame["s"].clone());
            prop_assert_eq!(head.name.as_deref(), frame["t"].as_str().map(str::as_bytes));
            let place = head.place(text.as_bytes()).unwrap();
            let body: Value = serde_json::from_str(&text[place.body.clone()]).unwrap();
            prop_assert_eq!(&body, &frame["d"]);
            prop_assert_eq!(place.id, id(&body["id"]));
            prop_assert_eq!(place.guild_id, id(&body["guild_id"]));
            prop_assert_eq!(place.unavailable, body["unavailable"] == true);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), cut in any::<prop::sample::Index>(), (_, text) in frame()) {
            let cut = &text.as_bytes()[..cut.index(text.len())];
            for bytes in [&bytes[..], cut] {
                if let Some(head) = Head::scan(bytes) {
                    let _ = head.place(bytes);
                }
            }
        }
    }

    #[test]
    fn the_body_of_a_frame_that_nobody_wants_is_not_read() {
        let head = Head::scan(br#"{"t":"TYPING_START","s":7,"op":0,"d":{"not json"#).unwrap();
        assert_eq!((head.op, head.seq), (Some(0), Some(7)));
        assert_eq!(head.name.as_deref(), Some(&b"TYPING_START"[..]));
    }

    #[test]
    fn what_is_no_frame_is_none() {
        for text in ["", "null", "[]", "{", "\"", r#"{"a":1}"#, "{\"op"] {
            assert_eq!(Head::scan(text.as_bytes()), None, "{text}");
        }
        let head = Head::scan(br#"{"op":11}"#).unwrap();
        assert_eq!(head.place(br#"{"op":11}"#), None);
    }
}
