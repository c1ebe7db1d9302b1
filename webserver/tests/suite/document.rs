//! The OpenAPI document and its copy that the website's client is generated from.

use std::collections::BTreeMap;

use serde_json::Value;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../website/openapi.json");
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn document() -> Value {
    serde_json::to_value(splashtail_webserver::document()).unwrap()
}

/// `UPDATE_OPENAPI=1` writes it; then run `npm run types` in `website`.
#[test]
fn the_websites_copy_is_up_to_date() {
    let text = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(SNAPSHOT, text).unwrap();
        return;
    }
    let snapshot = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
    assert!(
        snapshot == text,
        "website/openapi.json is out of date: run this test with UPDATE_OPENAPI=1, then \
         `npm run types` in website"
    );
}

#[test]
fn it_is_openapi_3_1_with_unique_operation_ids() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let other = ids.insert(id.clone(), path.clone());
            assert_eq!(other, None, "{id} is used twice");
        }
    }
    assert!(ids.len() >= 13, "{ids:?}");
}

#[test]
fn every_operation_describes_success_and_its_errors_have_the_common_shape() {
    for (path, item) in document()["paths"].as_object().unwrap() {
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.keys().any(|status| status < &"400".to_owned()),
                "{method} {path}"
            );
            for (status, response) in responses {
                if status.as_str() < "400" {
                    continue;
                }
                assert_eq!(
                    response["content"]["application/json"]["schema"]["$ref"],
                    "#/components/schemas/ErrorBody",
                    "{method} {path} {status}"
                );
            }
            assert!(
                !operation["summary"].as_str().unwrap_or_default().is_empty(),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn every_reference_has_a_schema() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(
            document["components"]["schemas"].get(name).is_some(),
            "{name}"
        );
    }
}
