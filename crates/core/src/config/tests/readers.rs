//! A key that nothing reads is a promise that nobody keeps.

use super::*;

/// The sources of everything that runs, tests of this crate left out.
fn sources(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" && name != "target" && name != "benches" {
            sources(&path, text);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_key_is_read_by_somebody() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut text = String::new();
    for part in [
        "bot",
        "clusterer",
        "jobserver",
        "proxy",
        "webserver",
        "crates/cli",
        "crates/ipc",
        "crates/jobs",
    ] {
        sources(&root.join(part).join("src"), &mut text);
    }
    // What other methods of the config are made of.
    text.push_str(&fs::read_to_string(root.join("crates/core/src/config/types.rs")).unwrap());
    let unread: Vec<_> = schema::keys()
        .map(|(path, key)| (path, format!(".{}", key.name)))
        // These become one typed value.
        .filter(|(path, _)| !path.starts_with("object_storage."))
        .filter(|(_, field)| {
            let ends = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
            !text.match_indices(field.as_str()).any(|(at, found)| ends(&text[at + found.len()..]))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(unread.is_empty(), "nobody reads {unread:?}");
}
