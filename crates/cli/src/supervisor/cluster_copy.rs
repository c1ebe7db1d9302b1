//! The cluster file lies beside the config; the daemons read a copy beside the effective one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_yaml::Value;
use splashtail_core::cluster_file::{ClusterFile, load_env_files};
use splashtail_core::data_dir::write_private;
use splashtail_core::environment::Environment;
use splashtail_core::text;
use tracing::warn;

/// The text of the copy; `None` without a file. `proxy`: a gateway proxy is part of the plan.
///
/// # Errors
/// The file, or an `env` file that it names, cannot be used, or not with a proxy.
pub fn read(source: Option<&Path>, proxy: bool) -> Result<Option<String>> {
    let Some(source) = source.filter(|source| source.exists()) else {
        return Ok(None);
    };
    for key in check(source, proxy)? {
        warn!("{}: {key}", source.display());
    }
    copy_of(source).map(Some)
}

/// Replaces the copy in one step. Without a text there is none.
///
/// # Errors
/// It cannot be written, or removed.
pub fn write(copy: Option<&str>, target: &Path) -> Result<()> {
    let Some(copy) = copy else {
        return match fs::remove_file(target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", target.display()))
            }
            _ => Ok(()),
        };
    };
    // It may hold the address of Redis with a password.
    write_private(target, copy.as_bytes())
        .with_context(|| format!("cannot write {}", target.display()))
}

/// Everything that keeps a clusterer from starting with the file; keys that nobody reads are
/// returned.
///
/// # Errors
/// All problems of the file at once, or the first of its `env` files.
fn check(source: &Path, proxy: bool) -> Result<Vec<String>> {
    let file = ClusterFile::load(source)?;
    file.allows_proxy(proxy)
        .with_context(|| source.display().to_string())?;
    load_env_files(&file.env, directory(source))?;
    Ok(file.unknown.iter().map(ToString::to_string).collect())
}

fn directory(source: &Path) -> &Path {
    source.parent().unwrap_or(Path::new(""))
}

/// The file's text. Where it names `env` files they are named from the root: the copy lies
/// elsewhere.
fn copy_of(source: &Path) -> Result<String> {
    let read = text::read(source).with_context(|| format!("cannot read {}", source.display()))?;
    let mut document: Value = serde_yaml::from_str(&read)?;
    let Some(files) = document.get_mut("env").and_then(Value::as_sequence_mut) else {
        return Ok(read);
    };
    for file in files.iter_mut() {
        if let Some(path) = file.as_str() {
            let path = directory(source).join(path);
            let path = std::path::absolute(&path).unwrap_or(path);
            *file = Value::from(path.to_string_lossy().as_ref());
        }
    }
    Ok(serde_yaml::to_string(&document)?)
}

/// The cluster file that belongs to a config file.
pub fn beside(config: Option<&Path>, environment: Environment) -> Option<PathBuf> {
    let file = environment.cluster_file(Some(config?));
    file.exists().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("mewld-staging.yaml");
        fs::create_dir(directory.path().join("run")).unwrap();
        let target = directory.path().join("run/mewld-staging.yaml");
        (directory, source, target)
    }

    fn replace(source: Option<&Path>, target: &Path, proxy: bool) -> Result<()> {
        write(read(source, proxy)?.as_deref(), target)
    }

    #[test]
    fn the_copy_finds_the_files_that_the_original_names() {
        let (directory, source, target) = place();
        fs::write(directory.path().join("bot.env"), "A=1\n").unwrap();
        fs::write(&source, "names: [Flare]\nenv: [bot.env]\n").unwrap();
        replace(Some(&source), &target, false).unwrap();
        let copy = ClusterFile::load(&target).unwrap();
        assert_eq!(copy.names, ["Flare"]);
        let variables = load_env_files(&copy.env, target.parent().unwrap()).unwrap();
        assert_eq!(variables, [("A".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_file_that_cannot_be_used_leaves_the_copy_alone() {
        let (_directory, source, target) = place();
        fs::write(&source, "allowed_ids: [\"1100000000000000010\"]\n").unwrap();
        replace(Some(&source), &target, false).unwrap();
        for broken in ["env: [none.env]\n", "per_cluster: 0\n", "names: [\n"] {
            fs::write(&source, broken).unwrap();
            assert!(replace(Some(&source), &target, false).is_err(), "{broken}");
            let copy = ClusterFile::load(&target).unwrap();
            assert_eq!(copy.allowed_ids, ["1100000000000000010"], "{broken}");
        }
        fs::remove_file(&source).unwrap();
        replace(Some(&source), &target, false).unwrap();
        assert!(!target.exists());
        replace(None, &target, false).unwrap();
    }

    #[test]
    fn one_of_several_hosts_has_no_proxy_of_its_own() {
        let (_directory, source, target) = place();
        fs::write(&source, "fixed_shard_count: 4\nshard_range: \"0-1\"\n").unwrap();
        replace(Some(&source), &target, false).unwrap();
        fs::remove_file(&target).unwrap();
        let error = replace(Some(&source), &target, true).unwrap_err();
        assert!(format!("{error:#}").contains("shard_range"), "{error:#}");
        assert!(!target.exists());
    }
}
