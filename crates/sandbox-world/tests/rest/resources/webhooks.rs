//! Webhooks.

use http::Method;
use serde_json::{Value, json};

use super::{accepts, x};
use crate::harness::{Case, code};

// Webhooks: names 1–80 without "clyde" and "discord"; `wait=false` is 204; deleted is 404.
#[test]
fn webhooks_have_bounds() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/webhooks", case.channel("general"));
    accepts(
        &case,
        &Method::POST,
        &path,
        &[
            (json!({"name": ""}), 400),
            (json!({"name": x(81)}), 400),
            (json!({"name": "My Clyde"}), 400),
            (json!({"name": "DISCORD"}), 400),
            (json!({"name": x(80)}), 200),
        ],
    );
    let hook = case.bot(Method::POST, &path, json!({"name": "h"})).json();
    let own = format!(
        "/webhooks/{}/{}",
        hook["id"].as_str().unwrap(),
        hook["token"].as_str().unwrap()
    );
    let post = |query: &str| {
        case.http(
            &[],
            Method::POST,
            &format!("{own}{query}"),
            &json!({"content": "x"}),
        )
    };
    assert_eq!(
        (
            post("").status,
            post("?wait=false").status,
            post("?wait=true").status
        ),
        (204, 204, 200)
    );
    assert_eq!(case.bot(Method::DELETE, &own, Value::Null).status, 204);
    assert_eq!((post("").status, code(&post(""))), (404, 10015));
    case.finish();
}
