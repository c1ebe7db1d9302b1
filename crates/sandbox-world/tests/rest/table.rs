//! The route table against the API description.

use std::collections::BTreeSet;

use serde_json::Value;
use splashtail_sandbox_world::rest::{LEFT_OUT, routes};

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

#[test]
fn what_is_not_there_is_listed_as_left_out() {
    let description: Value = serde_json::from_str(include_str!("../../data/openapi.json")).unwrap();
    let operations = description["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
        .filter_map(|operation| operation["operationId"].as_str());
    let all: BTreeSet<&str> = operations.collect();
    let there: BTreeSet<&str> = routes().iter().map(|r| r.operation).collect();
    let left_out: Vec<&str> = LEFT_OUT.iter().flat_map(|(_, ids)| *ids).copied().collect();
    let listed: BTreeSet<&str> = left_out.iter().copied().collect();
    assert_eq!(left_out.len(), listed.len(), "listed once");
    let missing: BTreeSet<&str> = all.difference(&there).copied().collect();
    assert_eq!(missing, listed);
}
