//! Invites.

use http::Method;
use serde_json::{Value, json};

use super::accepts;
use crate::harness::{Case, code};

// Invites: age 0–604800 (a day), uses 0–100, and a body is needed.
#[test]
fn invites_have_bounds() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/invites", case.channel("general"));
    accepts(
        &case,
        &Method::POST,
        &path,
        &[
            (json!({"max_age": 0}), 200),
            (json!({"max_age": 604_800}), 200),
            (json!({"max_age": 604_801}), 400),
            (json!({"max_uses": 100}), 200),
            (json!({"max_uses": 101}), 400),
            (Value::Null, 400),
        ],
    );
    let plain = case.bot(Method::POST, &path, json!({})).json();
    assert_eq!(
        (&plain["max_age"], &plain["max_uses"]),
        (&json!(86_400), &json!(0))
    );
    let invite = format!("/invites/{}", plain["code"].as_str().unwrap());
    assert_eq!(case.get(&invite).status, 200);
    case.advance_ms(86_400_000);
    assert_eq!(code(&case.get(&invite)), 10006, "gone after a day");
    case.finish();
}
