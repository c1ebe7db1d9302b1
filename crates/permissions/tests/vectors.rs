//! Answers of the permission language's own test suites, in all the languages it was written in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use serde_json::Value;
use splashtail_permissions::Permission;
use splashtail_permissions::kittycat::{
    PatchError, Position, check_patch_changes, has_perm, resolve,
};

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/kittycat.json")).unwrap()
}

/// Cases of a group that hold today: some are of versions that were replaced or never came.
fn cases(group: &str) -> Vec<Value> {
    let vectors = vectors();
    let is_current = |source: &Value| {
        let source = &vectors["source"][source.as_str().unwrap()];
        source["status"] == "current"
    };
    let all = vectors[group].as_array().unwrap().iter();
    let current = all.filter(|case| case["source"].as_array().unwrap().iter().any(is_current));
    current.cloned().collect()
}

fn permissions(list: &Value) -> Vec<Permission> {
    let list = list.as_array().unwrap().iter();
    list.map(|text| Permission::parse(text.as_str().unwrap()))
        .collect()
}

fn one(text: &Value) -> Permission {
    Permission::parse(text.as_str().unwrap())
}

#[test]
fn holding() {
    let cases = cases("has_perm");
    assert_eq!(cases.len(), 18);
    for case in cases {
        let held = has_perm(&permissions(&case["perms"]), &one(&case["perm"]));
        assert_eq!(held, case["expected"].as_bool().unwrap(), "{case}");
    }
}

#[test]
fn resolving() {
    let cases = cases("resolve");
    assert_eq!(cases.len(), 12);
    for case in cases {
        let positions = case["positions"].as_array().unwrap().iter();
        let positions: Vec<Position> = positions
            .map(|position| Position {
                id: position["id"].as_str().unwrap().to_owned(),
                index: position["index"].as_i64().unwrap().try_into().unwrap(),
                perms: permissions(&position["perms"]),
            })
            .collect();
        let resolved = resolve(&positions, &permissions(&case["overrides"]));
        // Order changes no answer.
        let sorted = |list: Vec<Permission>| -> BTreeSet<String> {
            list.iter().map(ToString::to_string).collect()
        };
        let expected = permissions(&case["expected"]);
        assert_eq!(resolved.len(), expected.len(), "{case}");
        assert_eq!(sorted(resolved), sorted(expected), "{case}");
    }
}

#[test]
fn managing() {
    let cases = cases("check_patch_changes");
    assert_eq!(cases.len(), 10);
    for case in cases {
        let of = |list: &str| permissions(&case[list]);
        let checked = check_patch_changes(&of("manager"), &of("current"), &of("new"));
        let details = case["detail"].as_array().unwrap();
        let is_detail = |error: &PatchError| {
            details.iter().any(|detail| match error {
                PatchError::NoPermission { permission } => {
                    detail["kind"] == "NoPermission" && one(&detail["permission"]) == *permission
                }
                PatchError::LacksNegatorForWildcard { wildcard, negator } => {
                    detail["kind"] == "LacksNegatorForWildcard"
                        && one(&detail["wildcard"]) == *wildcard
                        && one(&detail["negator"]) == *negator
                }
                PatchError::ClearNotAllowed { .. } => false,
            })
        };
        match (case["expected"].as_str().unwrap(), &checked) {
            ("ok", Ok(())) => {}
            ("error", Err(error)) if is_detail(error) => {}
            _ => panic!("{checked:?}: {case}"),
        }
    }
}

#[test]
fn reading_and_printing() {
    let parsed = |text: &Value| {
        let permission = one(text);
        serde_json::to_value(&permission).unwrap()
    };
    let cases = cases("parse");
    assert_eq!(cases.len(), 7);
    for case in cases {
        assert_eq!(parsed(&case["text"]), case["expected"], "{case}");
        assert_eq!(
            one(&case["text"]).to_string(),
            case["printed"].as_str().unwrap()
        );
    }
    // Where the ports disagree, the one in Go is right.
    let disputed = vectors();
    let disputed = disputed["parse_ports_disagree"].as_array().unwrap();
    assert_eq!(disputed.len(), 13);
    for case in disputed {
        assert_eq!(parsed(&case["text"]), case["answers"]["go"], "{case}");
    }
}

#[test]
fn comparing() {
    let cases = cases("equality");
    assert_eq!(cases.len(), 3);
    for case in cases {
        let equal = one(&case["left"]) == one(&case["right"]);
        assert_eq!(equal, case["equal"].as_bool().unwrap(), "{case}");
    }
}
