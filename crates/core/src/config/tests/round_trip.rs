//! Everything that can be set is read, and comes out of the sample and the effective config again.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use secrecy::ExposeSecret;

use super::*;
use crate::data_dir::DataDir;
use crate::environment::Environment;

#[test]
fn every_key_is_read() {
    let place = Place::with(&everything());
    let Loaded {
        config,
        warnings,
        path,
    } = place.load_as(Component::All).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(path, Some(place.path().join("config.yaml")));
    assert_snapshot!(place.plain(&config.to_yaml()));
    let meta = &config.meta;
    assert_eq!(
        config.discord_auth.client_secret.unwrap().expose_secret(),
        "file:odd secret"
    );
    assert_eq!(
        meta.redis_url.as_ref().unwrap().expose_secret(),
        "redis://:pw@localhost:6379/2"
    );
    assert_eq!(meta.jobserver_secrets["api"].expose_secret(), API_SECRET);
}

#[test]
fn the_effective_config_loads_to_the_same_values() {
    let place = Place::with(&everything());
    let config = place.load_as(Component::All).unwrap().config;
    let embedded = Config::embedded(&place.path().join("data"), Environment::Prod);
    for config in [config, embedded] {
        let data = DataDir::open(&place.path().join("d")).unwrap();
        let path = data.write_effective_config(&config).unwrap();
        let loaded = place
            .load(&LoadOptions {
                path: Some(path),
                ..LoadOptions::default()
            })
            .unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
        assert_same(&loaded.config, &config);
    }
}

#[test]
fn the_tracked_sample_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config.yaml.sample");
    let tracked = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        tracked == sample(),
        "run: cargo run -p splashtail -- config sample"
    );
}

#[test]
fn the_sample_means_the_embedded_defaults() {
    for environment in Environment::ALL {
        let place = Place::with(&sample());
        let options = LoadOptions {
            environment: Some(environment),
            ..LoadOptions::default()
        };
        let loaded = place.load(&options).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
        assert_same(
            &loaded.config,
            &Config::embedded(&place.path().join("data"), environment),
        );
    }
}

#[test]
fn the_sample_mentions_every_key_and_no_credential() {
    let sample = sample();
    for (path, key) in schema::keys() {
        let line = format!("{}:", key.name);
        assert!(
            sample
                .lines()
                .any(|text| text.trim_start().starts_with(&line)),
            "{path}"
        );
    }
    for line in sample.lines().filter(|line| line.contains(", secret")) {
        assert!(line.contains("\"\"") || line.contains(":  #"), "{line}");
    }
}

#[test]
fn a_written_sample_is_left_alone_until_it_differs() {
    let place = Place::new();
    let config = place.path().join("config.yaml");
    let sample_path = place.path().join("config.yaml.sample");
    assert_eq!(
        write_beside(&config),
        SampleNote::Written(sample_path.clone())
    );
    assert_eq!(
        write_beside(&config),
        SampleNote::UpToDate(sample_path.clone())
    );
    fs::write(&sample_path, "old").unwrap();
    assert_eq!(write_beside(&config), SampleNote::Written(sample_path));
    assert_eq!(
        write_beside(Path::new("/proc/none/config.yaml")),
        SampleNote::NotWritten
    );
}
