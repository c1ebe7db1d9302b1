//! What may know of what: a look at the sources' own paths.

use std::fs;
use std::path::{Path, PathBuf};

/// From below; whatever stands together may know each other. What is not named here is above all of it.
const LAYERS: [&[&str]; 22] = [
    &["catalogue", "markdown", "fit", "colours", "denial"],
    &["settings"],
    &["inputs"],
    &["events", "guilds"],
    &["server_language", "registry", "services", "operation"],
    &["arguments", "ready", "gateway", "cluster"],
    &["framework::gate"],
    &["configuration"],
    &["app", "error", "reply", "ids", "discord_http"],
    &["framework::check", "framework::maintenance"],
    &["presses"],
    &["pages"],
    &["framework::setting_commands"],
    &["modules::module", "modules::foundation"],
    &["modules::assemble"],
    // Features. One that knows another stands above it.
    &["modules::guarded"],
    &["modules::jobs"],
    &["modules::server_backups"],
    &["modules::antinuke"],
    &[
        "modules::core",
        "modules::moderation",
        "modules::root",
        "modules::settings",
        "modules::setup",
    ],
    &["registration", "orphan"],
    &["iserver", "fleet_bus"],
];

/// Parts that consist of parts which stand in layers of their own.
const DIVIDED: [&str; 2] = ["framework", "modules"];

/// A file without what is only there for tests, and without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    let mut code = Vec::new();
    let mut lines = text[..end].lines();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            // One item: to its end, or to its semicolon.
            let _ =
                lines.find(|line| *line == "}" || (line.ends_with(';') && !line.starts_with(' ')));
        } else if !line.trim_start().starts_with("//") {
            code.push(line);
        }
    }
    code.join("\n")
}

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.extend(
            path.extension()
                .filter(|is| *is == "rs")
                .map(|_| path.to_owned()),
        );
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

/// The name of a part in [`LAYERS`]: of what a path of this crate is in.
fn part(sources: &Path, path: &[String]) -> Option<String> {
    let [first, rest @ ..] = path else {
        return None;
    };
    let second = rest.first().filter(|_| DIVIDED.contains(&first.as_str()));
    // Whatever else a divided part has is in its own file.
    let second = second.filter(|second| {
        let place = sources.join(first).join(second);
        place.is_dir() || place.with_extension("rs").is_file()
    });
    Some(match second {
        Some(second) => format!("{first}::{second}"),
        None => first.clone(),
    })
}

/// Paths of this crate that a file's code names, by `crate::` and by `super::`.
fn named(text: &str, file: &[String]) -> Vec<Vec<String>> {
    let word = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        rest[..end.unwrap_or(rest.len())].to_owned()
    };
    let words = |rest: &str| {
        let first = word(rest);
        let second = rest[first.len()..].strip_prefix("::").map(word);
        let words = [Some(first), second].into_iter().flatten();
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>()
    };
    let mut named = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        assert!(!rest.starts_with('{'), "one line for each part: {file:?}");
        named.push(words(rest));
    }
    for (at, up) in text.match_indices("super::") {
        if text[..at].ends_with("::") {
            continue;
        }
        let mut rest = &text[at..];
        let mut above = file.len();
        while let Some(next) = rest.strip_prefix(up) {
            (rest, above) = (next, above - 1);
        }
        let mut path = file[..above].to_vec();
        path.extend(words(rest));
        named.push(path);
    }
    // The macro of the catalogue.
    named.retain(|path| path.first().is_some_and(|first| first != "text"));
    named
}

/// The path of a file in this crate.
fn module_of(sources: &Path, path: &Path) -> Vec<String> {
    let below = path.strip_prefix(sources).unwrap().with_extension("");
    let words = below.iter().map(|word| word.to_str().unwrap().to_owned());
    words.filter(|word| word != "mod").collect()
}

#[test]
fn nothing_knows_of_what_is_above_it() {
    let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut upwards = Vec::new();
    let mut below: Vec<&str> = Vec::new();
    for layer in LAYERS {
        below.extend(layer);
        if layer.contains(&"modules::module") {
            // Its own file passes on what these are; what knows all features is in there, too.
            below.push("modules");
        }
        for module in layer {
            let place = sources.join(module.replace("::", "/"));
            let mut found = Vec::new();
            let file = place.with_extension("rs");
            let whole = if place.is_dir() { &place } else { &file };
            files(whole, &mut found);
            assert!(!found.is_empty(), "{module}");
            for path in found {
                let file = module_of(sources, &path);
                let above = named(&code(&path), &file).into_iter();
                let above = above.filter_map(|path| part(sources, &path));
                let above = above.filter(|name| !below.contains(&name.as_str()));
                upwards.extend(above.map(|name| format!("{} knows {name}", path.display())));
            }
        }
    }
    assert!(upwards.is_empty(), "{upwards:#?}");
}
