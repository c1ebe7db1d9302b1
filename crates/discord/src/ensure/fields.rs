//! Which fields of an object differ from what is wanted.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::snowflake::{array, bit_set, id};

/// The fields of `want` that `now` has otherwise: the body of the smallest change. Fields that
/// `want` does not name are left alone. Images are sent as data and answered as hashes, so they
/// always differ.
pub(super) fn changes(want: &Value, now: &Value) -> Map<String, Value> {
    let wanted = want.as_object().into_iter().flatten();
    wanted
        .filter(|(name, value)| !same(name, value, &now[name.as_str()]))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn same(name: &str, want: &Value, now: &Value) -> bool {
    if want == now || is_default(want) && is_default(now) {
        return true;
    }
    match name {
        "permissions" | "allow" | "deny" => bit_set(want) == bit_set(now),
        "permission_overwrites" => overwrites(want) == overwrites(now),
        name if name.ends_with("_id") => id(want).is_some() && id(want) == id(now),
        _ => false,
    }
}

/// Discord answers absent, `null`, empty and zero alike where nothing is set.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Order says nothing, and an overwrite without bits is none.
fn overwrites(value: &Value) -> BTreeMap<u64, (u64, u64)> {
    array(value)
        .iter()
        .filter_map(|overwrite| {
            let bits = (bit_set(&overwrite["allow"]), bit_set(&overwrite["deny"]));
            Some((id(&overwrite["id"])?, bits))
        })
        .filter(|(_, bits)| *bits != (0, 0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_sent() {
        let now = json!({"id": "1", "name": "a", "permissions": "8", "hoist": false, "topic": null,
            "parent_id": "7", "permission_overwrites": [
                {"id": "1", "type": 0, "allow": "1", "deny": "0"},
                {"id": "2", "type": 1, "allow": "0", "deny": "0"}]});
        let want = json!({"name": "b", "permissions": 8, "hoist": null, "topic": "", "nsfw": false,
            "parent_id": 7, "permission_overwrites": [
                {"id": 1, "type": 0, "allow": 1, "deny": "0"}]});
        assert_eq!(Value::Object(changes(&want, &now)), json!({"name": "b"}));
        let want = json!({"permissions": "16", "parent_id": null, "permission_overwrites": []});
        assert_eq!(Value::Object(changes(&want, &now)), want);
    }
}
