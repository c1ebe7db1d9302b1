//! Ids and bit sets out of JSON.

use serde_json::Value;

use crate::id::{Id, decimal};

pub(crate) fn id(value: &Value) -> Option<u64> {
    Id::read(value).map(Id::get)
}

/// A list of ids. What is no id is left out.
pub(crate) fn ids(value: &Value) -> impl Iterator<Item = u64> + '_ {
    array(value).iter().filter_map(id)
}

/// The items of a list; none of anything else.
pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A bit set as Discord answers it (decimal string) or as it also accepts it (number). What is
/// neither grants nothing.
pub fn bit_set(value: &Value) -> u64 {
    let text = value.as_str().and_then(decimal);
    text.or_else(|| value.as_u64()).unwrap_or(0)
}
