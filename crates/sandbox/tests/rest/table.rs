//! The route table against the API description.

use std::collections::BTreeSet;

use serde_json::Value;
use splashtail_sandbox::rest::routes;

#[test]
fn every_route_is_an_operation_of_the_description() {
    let description: Value = serde_json::from_str(include_str!("../../data/openapi.json")).unwrap();
    for route in routes() {
        let method = route.method.as_str().to_lowercase();
        let operation = &description["paths"][route.template][&method]["operationId"];
        assert_eq!(operation, route.operation, "{method} {}", route.template);
    }
}

#[test]
fn operations_are_unique() {
    let ids: BTreeSet<&str> = routes().iter().map(|r| r.operation).collect();
    assert_eq!(ids.len(), routes().len());
}
