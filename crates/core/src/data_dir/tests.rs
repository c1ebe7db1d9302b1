use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;

use super::*;
use crate::environment::Environment;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_directory_and_its_secrets_are_private() {
    let parent = tempfile::tempdir().unwrap();
    let data = DataDir::open(&parent.path().join("a/data")).unwrap();
    data.secrets().unwrap();
    let config = Config::embedded(data.root(), Environment::Staging);
    let effective = data.write_effective_config(&config).unwrap();
    assert_eq!(mode(data.root()), 0o700);
    assert_eq!(mode(&data.secrets_file()), 0o600);
    assert_eq!(mode(&effective), 0o600);
    assert!(data.root().is_absolute());
}

#[test]
fn a_second_splashtail_is_told_who_holds_the_directory() {
    let parent = tempfile::tempdir().unwrap();
    let data = DataDir::open(parent.path()).unwrap();
    let error = DataDir::open(parent.path()).unwrap_err().to_string();
    assert!(
        error.contains("already in use by another splashtail"),
        "{error}"
    );
    assert!(
        error.contains(&format!("pid {}", std::process::id())),
        "{error}"
    );
    assert!(DataDir::open_part(parent.path(), "jobs").is_err());
    drop(data);
    DataDir::open(parent.path()).unwrap();
}

#[test]
fn parts_run_side_by_side_but_each_once() {
    let parent = tempfile::tempdir().unwrap();
    let _web = DataDir::open_part(parent.path(), "webserver").unwrap();
    let _jobs = DataDir::open_part(parent.path(), "jobs").unwrap();
    let error = DataDir::open_part(parent.path(), "jobs")
        .unwrap_err()
        .to_string();
    assert!(error.contains("(jobs, pid "), "{error}");
    assert!(DataDir::open(parent.path()).is_err());
}

#[test]
fn secrets_are_generated_once_and_differ_from_each_other() {
    let parent = tempfile::tempdir().unwrap();
    let data = DataDir::open(parent.path()).unwrap();
    let mut first = Config::embedded(data.root(), Environment::Staging);
    data.apply(&mut first).unwrap();
    let mut second = Config::embedded(data.root(), Environment::Staging);
    data.apply(&mut second).unwrap();
    let values = |config: &Config| -> Vec<String> {
        let meta = &config.meta;
        let mut values: Vec<_> = meta.jobserver_secrets.values().collect();
        values.extend(
            [&meta.data_key, &meta.link_key, &meta.dp_secret]
                .into_iter()
                .flatten(),
        );
        values
            .into_iter()
            .map(|secret| secret.expose_secret().to_owned())
            .collect()
    };
    assert_eq!(values(&first), values(&second));
    let distinct: std::collections::BTreeSet<_> = values(&first).into_iter().collect();
    assert_eq!(distinct.len(), 6);
    assert!(distinct.iter().all(|secret| secret.len() >= 43));
    assert_eq!(
        first.meta.jobserver_secrets.keys().collect::<Vec<_>>(),
        ["api", "bot", "cli"]
    );
}

#[test]
fn configured_secrets_stay() {
    let parent = tempfile::tempdir().unwrap();
    let data = DataDir::open(parent.path()).unwrap();
    let mut config = Config::embedded(data.root(), Environment::Staging);
    config.meta.dp_secret = Some("mine".into());
    config
        .meta
        .jobserver_secrets
        .insert("bot".into(), "also mine".into());
    data.apply(&mut config).unwrap();
    assert_eq!(config.meta.dp_secret.unwrap().expose_secret(), "mine");
    assert_eq!(
        config.meta.jobserver_secrets["bot"].expose_secret(),
        "also mine"
    );
    assert!(config.meta.jobserver_secrets.contains_key("api"));
}

#[test]
fn a_secret_that_is_missing_from_an_older_file_is_added() {
    let parent = tempfile::tempdir().unwrap();
    let data = DataDir::open(parent.path()).unwrap();
    fs::write(data.secrets_file(), "jobserver_secrets: {api: kept}\n").unwrap();
    let secrets = data.secrets().unwrap();
    assert_eq!(secrets.jobserver_secrets["api"].expose_secret(), "kept");
    let again = data.secrets().unwrap();
    assert_eq!(
        secrets.data_key.unwrap().expose_secret(),
        again.data_key.unwrap().expose_secret()
    );
}

#[test]
fn a_damaged_file_is_an_error_that_quotes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let data = DataDir::open(parent.path()).unwrap();
    fs::write(data.secrets_file(), "jobserver_secrets: hunter2hunter2\n").unwrap();
    let error = data.secrets().unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
}
