//! Ids and bit sets out of JSON.

use serde_json::Value;
pub use splashtail_core::ids::{created_at as made_at, first_id_at};
use splashtail_guild::Id;
pub use splashtail_guild::bit_set;

/// An id: a decimal string as Discord answers it, or a number as older exports hold it. `None` for
/// everything that is none: zero, signs, fractions, more than 64 bits, other types.
pub fn id(value: &Value) -> Option<u64> {
    Id::read(value).map(Id::get)
}

/// An id as one of the types of `splashtail_core::ids`.
pub fn typed<T: TryFrom<u64>>(value: &Value) -> Option<T> {
    id(value)?.try_into().ok()
}

/// A list of ids. What is no id is left out.
pub fn ids(value: &Value) -> impl Iterator<Item = u64> + '_ {
    array(value).iter().filter_map(id)
}

/// The items of a list; none of anything else.
pub fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use splashtail_core::ids::RoleId;

    /// The example of Discord's documentation.
    #[test]
    fn ids_tell_when_they_were_made() {
        let at = made_at(175_928_847_299_117_063);
        assert_eq!(at.to_rfc3339(), "2016-04-30T11:18:25.796+00:00");
        assert_eq!(first_id_at(at), 175_928_847_299_117_063 >> 22 << 22);
        assert_eq!(first_id_at(chrono::DateTime::UNIX_EPOCH), 0);
    }

    #[test]
    fn only_ids_are_ids() {
        let most = u64::MAX;
        for (value, expected) in [
            (
                json!("1100000000000000001"),
                Some(1_100_000_000_000_000_001),
            ),
            (
                json!(1_100_000_000_000_000_001_u64),
                Some(1_100_000_000_000_000_001),
            ),
            (json!(most.to_string()), Some(most)),
            (json!(most), Some(most)),
            (json!("18446744073709551616"), None),
            (json!("0"), None),
            (json!(0), None),
            (json!("+1"), None),
            (json!("-1"), None),
            (json!(-1), None),
            (json!(1.5), None),
            (json!(" 1"), None),
            (json!("1e3"), None),
            (json!(""), None),
            (json!(null), None),
            (json!(["1"]), None),
        ] {
            assert_eq!(id(&value), expected, "{value}");
        }
        assert_eq!(typed::<RoleId>(&json!("7")), RoleId::new(7));
        assert_eq!(ids(&json!(["1", 2, null, "x"])).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(ids(&json!(null)).count(), 0);
    }

    proptest! {
        #[test]
        fn strings_and_numbers_read_alike(number: u64) {
            let (text, number) = (json!(number.to_string()), json!(number));
            prop_assert_eq!(id(&text), id(&number));
            prop_assert_eq!(bit_set(&text), bit_set(&number));
        }
    }
}
