//! The modules can be read downwards.

use super::*;

/// Modules in the order in which `mod.rs` lists them.
fn layers(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .filter(|name| *name != "tests")
        .collect()
}

/// What a module imports from its siblings.
fn imports(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("super::") {
        let rest = &code[at + "super::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap(),
            None => rest,
        };
        for name in names.split(',') {
            let name = name.trim_start();
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
            found.push(name[..end.unwrap_or(name.len())].to_owned());
            if !rest.starts_with('{') {
                break;
            }
        }
    }
    found
}

#[test]
fn each_module_imports_only_those_above_it() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    let list = read("mod.rs");
    let layers = layers(&list);
    assert!(layers.len() > 10, "{layers:?}");
    for (at, name) in layers.iter().enumerate() {
        for import in imports(&read(&format!("{name}.rs"))) {
            assert!(
                layers[..at].contains(&import.as_str()),
                "{name} imports {import}, which is not above it"
            );
        }
    }
}
