//! The page that says how much of Discord there is, against what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use splashtail_sandbox_world::rest::limits::Rules;
use splashtail_sandbox_world::rest::{LEFT_OUT, routes};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Names, states and notes of one section.
fn section(title: &str) -> BTreeMap<String, (String, String)> {
    let page = std::fs::read_to_string(here("../../docs/sandbox-parity.md")).unwrap();
    let (_, rest) = page.split_once(&format!("\n## {title}\n")).unwrap();
    let text = rest.split("\n## ").next().unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" |").map(str::trim).collect();
        let [name, .., state, note] = &cells[..] else {
            panic!("an odd row: {line}");
        };
        let name = name.trim_matches(['|', '`', ' ']).to_owned();
        let row = ((*state).to_owned(), (*note).to_owned());
        assert!(
            rows.insert(name.clone(), row).is_none(),
            "{name} stands there twice"
        );
    }
    rows
}

fn has_a_note_when_it_needs_one(rows: &BTreeMap<String, (String, String)>) {
    for (name, (state, note)) in rows {
        assert!(
            state != "partly" || !note.is_empty(),
            "what is missing of {name}?"
        );
    }
}

#[test]
fn operations_are_told_as_they_are() {
    let description: Value = serde_json::from_str(include_str!("../../data/openapi.json")).unwrap();
    let paths = description["paths"].as_object().unwrap().values();
    let methods = paths.flat_map(|methods| methods.as_object().unwrap().values());
    let all: BTreeSet<&str> = methods.filter_map(|o| o["operationId"].as_str()).collect();
    let told = section("Operations");
    has_a_note_when_it_needs_one(&told);
    let names: BTreeSet<&str> = told.keys().map(String::as_str).collect();
    assert_eq!(names, all, "each operation has its row");
    let there: BTreeSet<&str> = routes().iter().map(|r| r.operation).collect();
    let reasons: BTreeMap<&str, &str> = LEFT_OUT
        .iter()
        .flat_map(|(why, ids)| ids.iter().map(|id| (*id, *why)))
        .collect();
    for (name, (state, note)) in &told {
        match state.as_str() {
            "done" | "partly" => assert!(there.contains(name.as_str()), "{name} has no route"),
            "absent" => assert_eq!(reasons.get(name.as_str()), Some(&note.as_str()), "{name}"),
            other => panic!("{name} is `{other}`"),
        }
    }
}

fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|e| e == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn events_are_told_as_the_code_names_them() {
    let mut code = String::new();
    for folder in ["src/world", "src/rest", "../sandbox/src/gateway"] {
        sources(&here(folder), &mut code);
    }
    let told = section("Events");
    has_a_note_when_it_needs_one(&told);
    assert!(told.len() > 80);
    for (name, (state, _)) in &told {
        let named = code.contains(&format!("\"{name}\""));
        match state.as_str() {
            "done" | "partly" => assert!(named, "nothing sends {name}"),
            "absent" => assert!(!named, "{name} is not absent"),
            other => panic!("{name} is `{other}`"),
        }
    }
}

#[test]
fn every_limit_that_can_be_set_is_told() {
    let rules = serde_json::to_value(Rules::default()).unwrap();
    let mut settable = BTreeSet::new();
    for (name, value) in rules.as_object().unwrap() {
        match (name.as_str(), value) {
            ("hidden" | "caps", Value::Object(inner)) => {
                settable.extend(inner.keys().map(|key| format!("{name}.{key}")));
            }
            _ => {
                settable.insert(name.clone());
            }
        }
    }
    let told = section("Limits");
    let named = told.iter().filter(|(_, (state, _))| state == "settable");
    let named: BTreeSet<String> = named.map(|(name, _)| name.clone()).collect();
    assert_eq!(named, settable);
}
