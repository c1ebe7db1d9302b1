//! What may know of what: a look at the sources' own paths.

use std::fs;
use std::path::{Path, PathBuf};

/// From below; whatever stands together may know each other. What is not named here is above all of it.
const LAYERS: [&[&str]; 8] = [
    &["catalogue", "markdown", "fit", "colours", "denial"],
    &["settings"],
    &["inputs"],
    &["events", "guilds"],
    &["server_language", "registry", "services"],
    &["arguments", "ready", "gateway", "cluster"],
    &["framework::gate"],
    &["configuration"],
];

/// The part of a file that is no test and no comment.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    let lines = text[..end].lines();
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.push(path.to_owned());
        return;
    }
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_test = name == "tests" || name == "prose";
        if !is_test {
            files(&path, found);
        }
    }
}

/// What a layer's code names of this crate, `a` and `a::b` of `crate::a::b`.
fn named(text: &str) -> Vec<String> {
    let word = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        rest[..end.unwrap_or(rest.len())].to_owned()
    };
    let mut named = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let first = word(rest);
        let second = rest[first.len()..].strip_prefix("::").map(word);
        match (first.as_str(), second) {
            // The macro of the catalogue.
            ("text", _) => {}
            ("framework", Some(second)) => named.push(format!("framework::{second}")),
            _ => named.push(first),
        }
    }
    named
}

#[test]
fn nothing_knows_of_what_is_above_it() {
    let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut upwards = Vec::new();
    let mut below: Vec<&str> = Vec::new();
    for layer in LAYERS {
        below.extend(layer);
        for module in layer {
            let place = sources.join(module.replace("::", "/"));
            let mut found = Vec::new();
            let file = place.with_extension("rs");
            let whole = if place.is_dir() { &place } else { &file };
            files(whole, &mut found);
            assert!(!found.is_empty(), "{module}");
            for path in found {
                let text = code(&path);
                let above = named(&text).into_iter();
                let above = above.filter(|name| !below.contains(&name.as_str()));
                upwards.extend(above.map(|name| format!("{} knows {name}", path.display())));
            }
        }
    }
    assert!(upwards.is_empty(), "{upwards:#?}");
}
