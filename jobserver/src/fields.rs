//! Field names on the wire are Go-style (`ServerID`) and were always matched whatever their case.

use serde_json::{Map, Value};

/// The value under a name, in any case; `null` counts as absent. An exact match wins.
pub fn get<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .get(name)
        .or_else(|| {
            object
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        })
        .filter(|value| !value.is_null())
}

/// The known fields under their proper names, everything else left out.
pub fn canonical(object: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), get(object, name)?.clone())))
        .collect()
}
