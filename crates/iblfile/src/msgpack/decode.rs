use std::sync::Arc;

use chrono::DateTime;
use rmp::Marker;

use super::Value;
use crate::{Error, Result};

/// Extension type of a reference into the string dictionary.
const INTERNED: i8 = -128;
/// Extension type of a timestamp.
const TIME: i8 = -1;
const MAX_DEPTH: usize = 128;
/// Strings shorter than this are never interned.
const MIN_INTERNED: usize = 3;
const MAX_INTERNED: usize = 65_535;

/// Decodes one section: exactly one value, with nothing after it.
///
/// Never panics; nesting is limited, and so is what string references may expand to.
pub fn decode(bytes: &[u8]) -> Result<Value> {
    let budget = bytes.len().saturating_mul(64).max(16 << 20);
    let mut decoder = Decoder {
        rest: bytes,
        dictionary: Vec::new(),
        budget,
    };
    let value = decoder.value(MAX_DEPTH)?;
    if !decoder.rest.is_empty() {
        return Err(Error::corrupt("a section has data after its value"));
    }
    Ok(value)
}

struct Decoder<'a> {
    rest: &'a [u8],
    dictionary: Vec<Arc<str>>,
    /// Bytes that references may still expand to.
    budget: usize,
}

impl<'a> Decoder<'a> {
    fn value(&mut self, depth: usize) -> Result<Value> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| bad("is nested too deeply"))?;
        Ok(match Marker::from_u8(self.byte()?) {
            Marker::FixPos(number) => Value::UInt(number.into()),
            Marker::FixNeg(number) => Value::Int(number.into()),
            Marker::Null => Value::Nil,
            Marker::True => Value::Bool(true),
            Marker::False => Value::Bool(false),
            Marker::U8 => Value::UInt(self.byte()?.into()),
            Marker::U16 => Value::UInt(u16::from_be_bytes(self.array()?).into()),
            Marker::U32 => Value::UInt(u32::from_be_bytes(self.array()?).into()),
            Marker::U64 => Value::UInt(u64::from_be_bytes(self.array()?)),
            Marker::I8 => i64::from(i8::from_be_bytes(self.array()?)).into(),
            Marker::I16 => i64::from(i16::from_be_bytes(self.array()?)).into(),
            Marker::I32 => i64::from(i32::from_be_bytes(self.array()?)).into(),
            Marker::I64 => i64::from_be_bytes(self.array()?).into(),
            Marker::F32 => Value::F32(f32::from_be_bytes(self.array()?)),
            Marker::F64 => Value::F64(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(len) => self.text(len.into())?,
            Marker::Str8 => self.text8()?,
            Marker::Str16 => self.text16()?,
            Marker::Str32 => self.text32()?,
            Marker::Bin8 => {
                let len = self.len8()?;
                Value::Bin(self.take(len)?.to_vec())
            }
            Marker::Bin16 => {
                let len = self.len16()?;
                Value::Bin(self.take(len)?.to_vec())
            }
            Marker::Bin32 => {
                let len = self.len32()?;
                Value::Bin(self.take(len)?.to_vec())
            }
            Marker::FixArray(len) => self.items(len.into(), depth)?,
            Marker::Array16 => {
                let len = self.len16()?;
                self.items(len, depth)?
            }
            Marker::Array32 => {
                let len = self.len32()?;
                self.items(len, depth)?
            }
            Marker::FixMap(len) => self.entries(len.into(), depth)?,
            Marker::Map16 => {
                let len = self.len16()?;
                self.entries(len, depth)?
            }
            Marker::Map32 => {
                let len = self.len32()?;
                self.entries(len, depth)?
            }
            Marker::FixExt1 => self.ext(1)?,
            Marker::FixExt2 => self.ext(2)?,
            Marker::FixExt4 => self.ext(4)?,
            Marker::FixExt8 => self.ext(8)?,
            Marker::FixExt16 => self.ext(16)?,
            Marker::Ext8 => {
                let len = self.len8()?;
                self.ext(len)?
            }
            Marker::Ext16 => {
                let len = self.len16()?;
                self.ext(len)?
            }
            Marker::Ext32 => {
                let len = self.len32()?;
                self.ext(len)?
            }
            Marker::Reserved => return Err(bad("uses a reserved code")),
        })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| bad("ends inside a value"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("took exactly N bytes"))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn len8(&mut self) -> Result<usize> {
        Ok(self.byte()?.into())
    }

    fn len16(&mut self) -> Result<usize> {
        Ok(u16::from_be_bytes(self.array()?).into())
    }

    fn len32(&mut self) -> Result<usize> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| bad("is too long"))
    }

    fn text8(&mut self) -> Result<Value> {
        let len = self.len8()?;
        self.text(len)
    }

    fn text16(&mut self) -> Result<Value> {
        let len = self.len16()?;
        self.text(len)
    }

    fn text32(&mut self) -> Result<Value> {
        let len = self.len32()?;
        self.text(len)
    }

    fn text(&mut self, len: usize) -> Result<Value> {
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| bad("holds bad UTF-8"))?;
        let text: Arc<str> = text.into();
        if len >= MIN_INTERNED && self.dictionary.len() < MAX_INTERNED {
            self.dictionary.push(text.clone());
        }
        Ok(Value::Str(text))
    }

    fn items(&mut self, len: usize, depth: usize) -> Result<Value> {
        // Every element takes a byte at least: a longer declaration is a lie.
        if len > self.rest.len() {
            return Err(bad("declares more elements than it has"));
        }
        let mut items = Vec::with_capacity(len.min(4096));
        for _ in 0..len {
            items.push(self.value(depth)?);
        }
        Ok(Value::Array(items))
    }

    fn entries(&mut self, len: usize, depth: usize) -> Result<Value> {
        if len > self.rest.len() / 2 {
            return Err(bad("declares more entries than it has"));
        }
        let mut entries = Vec::with_capacity(len.min(4096));
        for _ in 0..len {
            entries.push((self.value(depth)?, self.value(depth)?));
        }
        Ok(Value::Map(entries))
    }

    fn ext(&mut self, len: usize) -> Result<Value> {
        let kind = i8::from_be_bytes(self.array()?);
        let data = self.take(len)?;
        match kind {
            INTERNED => self.reference(data),
            TIME => time(data),
            _ => Ok(Value::Ext(kind, data.to_vec())),
        }
    }

    fn reference(&mut self, data: &[u8]) -> Result<Value> {
        let index = match *data {
            [a] => u32::from(a),
            [a, b] => u16::from_be_bytes([a, b]).into(),
            [a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
            _ => return Err(bad("has a malformed string reference")),
        };
        let text = usize::try_from(index)
            .ok()
            .and_then(|index| self.dictionary.get(index))
            .ok_or_else(|| bad("refers to a string it has not defined"))?;
        self.budget = self.budget.checked_sub(text.len()).ok_or(Error::TooLarge {
            what: "the text a section expands to".into(),
            limit: 16 << 20,
        })?;
        Ok(Value::Str(text.clone()))
    }
}

fn time(data: &[u8]) -> Result<Value> {
    let (seconds, nanoseconds) = match data.len() {
        4 => (
            i64::from(u32::from_be_bytes(data.try_into().expect("4 bytes"))),
            0,
        ),
        8 => {
            let packed = u64::from_be_bytes(data.try_into().expect("8 bytes"));
            let nanoseconds = u32::try_from(packed >> 34).expect("30 bits");
            (
                i64::try_from(packed & ((1 << 34) - 1)).expect("34 bits"),
                nanoseconds,
            )
        }
        12 => (
            i64::from_be_bytes(data[4..].try_into().expect("8 bytes")),
            u32::from_be_bytes(data[..4].try_into().expect("4 bytes")),
        ),
        _ => return Err(bad("has a malformed time")),
    };
    if nanoseconds > 999_999_999 {
        return Err(bad("has a malformed time"));
    }
    DateTime::from_timestamp(seconds, nanoseconds)
        .map(Value::Time)
        .ok_or_else(|| bad("has a time out of range"))
}

fn bad(why: &str) -> Error {
    Error::Corrupt(format!("a msgpack section {why}"))
}
