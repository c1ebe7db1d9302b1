//! Which package knows which: ARCHITECTURE.md says what the manifests say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What packages depend on, by the names of their folders.
type Arrows = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Of the block below `## Directions`: `one, another → these, those`, or `→ nothing`.
fn stated(page: &str) -> Arrows {
    let (_, page) = page.split_once("\n## Directions\n").unwrap();
    let (_, block) = page.split_once("\n```\n").unwrap();
    let (block, _) = block.split_once("\n```\n").unwrap();
    let names = |list: &str| -> BTreeSet<String> {
        let names = list.split(',').map(|name| name.trim().to_owned());
        names.filter(|name| name != "nothing").collect()
    };
    let mut arrows = Arrows::new();
    for line in block.lines() {
        let (packages, known) = line.split_once('→').unwrap();
        for package in names(packages) {
            let twice = arrows.insert(package, names(known));
            assert_eq!(twice, None, "{line}");
        }
    }
    arrows
}

/// Our packages among those that a manifest needs for what is built.
fn needed(manifest: &str) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
            let table = section.contains("dependencies.splashtail");
            assert!(!table, "one line for each: {section}");
        }
        let builds = section.ends_with("dependencies]") && !section.contains("dev-dependencies");
        if let Some(name) = line.strip_prefix("splashtail-").filter(|_| builds) {
            let end = name.find(['.', ' ', '=']).unwrap_or(name.len());
            needed.insert(name[..end].to_owned());
        }
    }
    needed
}

/// The workspace's members, by the names of their folders.
fn packages() -> BTreeMap<String, PathBuf> {
    let folders = [root(), root().join("crates")];
    let inside = folders.iter().flat_map(|folder| folder.read_dir().unwrap());
    let manifests = inside.map(|entry| entry.unwrap().path().join("Cargo.toml"));
    let there = manifests.filter(|manifest| manifest.is_file());
    let named = there.map(|manifest| {
        let folder = manifest.parent().and_then(Path::file_name).unwrap();
        (folder.to_str().unwrap().to_owned(), manifest)
    });
    named.collect()
}

#[test]
fn packages_know_those_that_the_page_says() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let real: Arrows = packages()
        .into_iter()
        .map(|(name, manifest)| (name, needed(&std::fs::read_to_string(manifest).unwrap())))
        .collect();
    assert!(real.len() > 10, "{real:?}");
    assert_eq!(stated(&page), real);
}

#[test]
fn a_manifest_needs_what_is_built() {
    let manifest = "[package]\nname = \"splashtail-x\"\n[features]\nsplashtail-y = []\n\
                    [dependencies]\nserde = \"1\"\nsplashtail-core.workspace = true\n\
                    splashtail-ipc = { workspace = true }\n[dev-dependencies]\n\
                    splashtail-guild.workspace = true\n[target.'cfg(unix)'.dependencies]\n\
                    splashtail-jobs.workspace = true\n";
    let needed = needed(manifest);
    let expected = ["core", "ipc", "jobs"].map(str::to_owned);
    assert_eq!(needed, BTreeSet::from(expected));
}
