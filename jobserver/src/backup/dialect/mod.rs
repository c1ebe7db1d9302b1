//! From Discord's JSON to the dialect of backup sections, and what is left over.
//!
//! The original stored structs with a fixed list of fields. Everything it knows goes into the
//! section in its encoding; everything else stays JSON in a *remainder* of the same shape, which
//! goes into an `ext/…` section. Nothing is dropped and nothing is stored twice: a value is either
//! in the section or in the remainder.
//!
//! A remainder mirrors the object it was taken from. Array elements are keyed by their index:
//! `{"embeds": {"0": {"footer": {"height": 3}}}}`.

mod join;
mod schema;
mod split;

pub use join::join;
pub use schema::{CHANNEL, GUILD, MEMBER, MESSAGE};
pub use split::split;

use splashtail_iblfile::msgpack::Value;

/// How a field is encoded, and what stands for its absence.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text; absent is `""`.
    Str,
    /// Signed integer; absent is 0.
    Int,
    /// Integer that may be nil.
    OptInt,
    /// Permission bits: a decimal string in JSON, an integer in the section; absent is 0.
    Bits,
    /// Boolean; absent is false.
    Bool,
    /// Time; absent is Go's zero time, because nil crashes the original.
    Time,
    /// Time that may be nil.
    OptTime,
    /// Map; absent is nil.
    Object(&'static Schema),
    /// Map that is never nil.
    Struct(&'static Schema),
    /// Array; absent is nil.
    List(&'static Kind),
}

/// One field of the original's struct.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    /// Left out of the section when it has its absent value.
    pub omit_empty: bool,
}

/// Fields in declaration order.
#[derive(Debug)]
pub struct Schema(pub &'static [Field]);

/// The value that stands for an absent field.
pub fn absent(kind: Kind) -> Value {
    match kind {
        Kind::Str => Value::from(""),
        Kind::Int | Kind::Bits => Value::UInt(0),
        Kind::Bool => Value::Bool(false),
        Kind::Time => split::zero_time(),
        Kind::OptInt | Kind::OptTime | Kind::Object(_) | Kind::List(_) => Value::Nil,
        Kind::Struct(schema) => split(&serde_json::Value::Null, schema).0,
    }
}
