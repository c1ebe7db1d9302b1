//! The fields of an order in one form, so that what is looked at is what is carried out.

use serde_json::{Map, Value};
use splashtail_ipc::http::ErrorResponse;

use super::bad;

const OPTIONS: &str = "Options";

/// `Options` under its own name and only if there are any; the rest as it is.
///
/// # Errors
/// A field or option is there twice, in two spellings.
pub(super) fn canonical(data: Map<String, Value>) -> Result<Map<String, Value>, ErrorResponse> {
    once(&data)?;
    let mut canonical = Map::new();
    for (name, value) in data {
        if !name.eq_ignore_ascii_case(OPTIONS) {
            canonical.insert(name, value);
            continue;
        }
        if let Some(options) = value.as_object() {
            once(options)?;
        }
        if !value.is_null() {
            canonical.insert(OPTIONS.to_owned(), value);
        }
    }
    Ok(canonical)
}

/// A canonical order that only says what it would do.
///
/// # Errors
/// Its options are no object.
pub(super) fn dry(mut data: Map<String, Value>) -> Result<Map<String, Value>, ErrorResponse> {
    let options = data.entry(OPTIONS).or_insert_with(|| Map::new().into());
    let options = options
        .as_object_mut()
        .ok_or_else(|| bad("invalid_option", "Options must be an object"))?;
    options.retain(|name, _| !name.eq_ignore_ascii_case("DryRun"));
    options.insert("DryRun".to_owned(), true.into());
    Ok(data)
}

/// Names match whatever their case, so two spellings of one name contradict each other.
fn once(fields: &Map<String, Value>) -> Result<(), ErrorResponse> {
    let mut seen = std::collections::BTreeSet::new();
    match fields
        .keys()
        .find(|name| !seen.insert(name.to_ascii_lowercase()))
    {
        None => Ok(()),
        Some(name) => Err(bad(
            "doubled_field",
            format!("{name:?} is given twice, in two spellings: leave one"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn planned(data: Value) -> Result<Value, u16> {
        let Value::Object(data) = data else {
            panic!("an object")
        };
        let planned = canonical(data).and_then(dry);
        planned.map(Value::Object).map_err(|_| 400)
    }

    #[test]
    fn a_plan_stays_dry_in_whatever_spelling() {
        let dry = json!({"ServerID": "5", "Options": {"A": 1, "DryRun": true}});
        for options in ["Options", "options", "OPTIONS"] {
            for dry_run in ["DryRun", "dryrun"] {
                let data = json!({"ServerID": "5", options: {"A": 1, dry_run: false}});
                assert_eq!(planned(data), Ok(dry.clone()));
            }
        }
        for none in [
            json!({"ServerID": "5"}),
            json!({"ServerID": "5", "options": null}),
        ] {
            assert_eq!(
                planned(none),
                Ok(json!({"ServerID": "5", "Options": {"DryRun": true}}))
            );
        }
        for contradictory in [
            json!({"ServerID": "5", "options": {}, "Options": {"DryRun": false}}),
            json!({"ServerID": "5", "Options": {"dryrun": true, "DryRun": false}}),
            json!({"ServerID": "5", "serverid": "6"}),
            json!({"ServerID": "5", "Options": [true]}),
        ] {
            assert_eq!(planned(contradictory), Err(400));
        }
    }
}
