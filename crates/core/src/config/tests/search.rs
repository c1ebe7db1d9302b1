//! Which file, which environment.

use insta::assert_snapshot;

use super::*;
use crate::environment::Environment;

const PROD: &str = "environment: prod\n";

#[test]
fn the_search_order_is_flag_variable_here_above() {
    let mut place = Place::new();
    let inside = place.path().join("inside");
    fs::create_dir(&inside).unwrap();
    let load = |place: &Place, path: Option<&str>| {
        let options = LoadOptions {
            path: path.map(PathBuf::from),
            ..LoadOptions::default()
        };
        let path = load_from(&options, &inside, place).unwrap().path.unwrap();
        path.strip_prefix(&inside).unwrap().to_owned()
    };
    place.write("config.yaml", "");
    assert_eq!(load(&place, None), Path::new("../config.yaml"));
    place.write("inside/config.yaml", "");
    assert_eq!(load(&place, None), Path::new("config.yaml"));
    place.write("inside/variable.yaml", "");
    place
        .variables
        .insert(CONFIG_VARIABLE.to_owned(), "variable.yaml".to_owned());
    assert_eq!(load(&place, None), Path::new("variable.yaml"));
    place.write("inside/flag.yaml", "");
    assert_eq!(load(&place, Some("flag.yaml")), Path::new("flag.yaml"));
    place
        .variables
        .insert(CONFIG_VARIABLE.to_owned(), String::new());
    assert_eq!(load(&place, None), Path::new("config.yaml"));
}

#[test]
fn a_missing_file_names_the_places_and_the_next_step() {
    let place = Place::new();
    assert_snapshot!(place.error());
    assert_eq!(
        fs::read_to_string(place.path().join("config.yaml.sample")).unwrap(),
        sample()
    );
    assert!(place.error().contains("A sample is in "));
}

#[test]
fn a_file_that_was_named_has_to_exist() {
    let mut place = Place::new();
    let options = LoadOptions {
        path: Some("none.yaml".into()),
        allow_missing: true,
        ..LoadOptions::default()
    };
    assert!(matches!(
        place.load(&options),
        Err(ConfigError::Missing { .. })
    ));
    place
        .variables
        .insert(CONFIG_VARIABLE.to_owned(), "none.yaml".to_owned());
    let options = LoadOptions {
        allow_missing: true,
        ..LoadOptions::default()
    };
    assert!(matches!(
        place.load(&options),
        Err(ConfigError::Missing { .. })
    ));
}

#[test]
fn without_a_file_the_defaults_are_embedded() {
    let place = Place::new();
    let options = LoadOptions {
        allow_missing: true,
        ..LoadOptions::default()
    };
    let loaded = place.load(&options).unwrap();
    assert_eq!(loaded.path, None);
    assert_eq!(loaded.config.data_dir, place.path().join("data"));
    assert!(
        matches!(loaded.config.database(), DatabaseTarget::Sqlite(path) if path.ends_with("data/splashtail.db"))
    );
    assert!(!place.path().join("config.yaml.sample").exists());
}

#[test]
fn the_environment_is_flag_key_word_default() {
    let place = Place::with("");
    let environment = |place: &Place, flag| {
        let options = LoadOptions {
            environment: flag,
            ..LoadOptions::default()
        };
        place.load(&options).unwrap().config.environment
    };
    assert_eq!(environment(&place, None), Environment::Staging);
    place.write("config/current-env", " prod \n");
    assert_eq!(environment(&place, None), Environment::Prod);
    assert_eq!(
        environment(&place, Some(Environment::Staging)),
        Environment::Staging
    );
    place.write("config/current-env", "staging");
    place.write("config.yaml", PROD);
    assert_eq!(environment(&place, None), Environment::Prod);
    assert_eq!(
        environment(&place, Some(Environment::Staging)),
        Environment::Staging
    );
}

#[test]
fn an_unknown_environment_never_means_production() {
    let place = Place::with("");
    place.write("config/current-env", "production\n");
    assert_snapshot!(place.error(), @r#"unknown environment "production" in config/current-env, allowed are: staging, prod"#);
    let place = Place::with("environment: dev\n");
    assert_snapshot!(place.error(), @r#"unknown environment "dev" in `environment` of config.yaml, allowed are: staging, prod"#);
    let place = Place::with("environment: 3\n");
    assert!(place.error().contains("staging, prod"));
}

#[test]
fn a_file_that_others_may_read_is_one_warning() {
    let place = Place::with("");
    assert_eq!(place.warnings(), "");
    let path = place.path().join("config.yaml");
    for (mode, warnings) in [(0o600, 0), (0o400, 0), (0o644, 1), (0o640, 1), (0o700, 1)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(place.loaded().warnings.len(), warnings, "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_snapshot!(place.warnings(), @"config.yaml has mode 0644, wider than 0600, and holds secrets: chmod 600 config.yaml");
}

#[test]
fn the_data_directory_is_beside_the_file_unless_told_otherwise() {
    let place = Place::with("");
    assert_eq!(place.loaded().config.data_dir, place.path().join("data"));
    place.write("config.yaml", "data_dir: ../state\n");
    assert_eq!(
        place.loaded().config.data_dir,
        place.path().join("../state")
    );
    let options = LoadOptions {
        data_dir: Some("mine".into()),
        ..LoadOptions::default()
    };
    let config = place.load(&options).unwrap().config;
    assert_eq!(config.data_dir, place.path().join("mine"));
    assert!(
        matches!(config.object_storage, ObjectStorage::Local { path } if path.ends_with("mine/objects"))
    );
}

#[test]
fn buses_follow_the_scheme() {
    let place =
        Place::with("meta: {redis_url: 'redis://h', bot_redis_url: 'unix:///run/x.sock'}\n");
    let config = place.load_as(Component::Cli).unwrap().config;
    assert!(matches!(config.bus(), BusTarget::Redis(_)));
    assert!(matches!(config.bot_bus(), BusTarget::Hub(path) if path == Path::new("/run/x.sock")));
    let config = Place::with("meta: {redis_url: 'redis+unix:///run/r.sock'}\n")
        .loaded()
        .config;
    assert!(matches!(config.bot_bus(), BusTarget::Redis(_)));
    let config = Place::with("").loaded().config;
    assert!(matches!(config.bus(), BusTarget::Hub(path) if path.ends_with("data/bus.sock")));
}

#[test]
fn files_as_some_editors_save_them_are_read() {
    let place = Place::with("\u{feff}# settings\nmeta: {port: 9000}\n");
    let loaded = place.loaded();
    assert_eq!((loaded.config.meta.port, loaded.warnings), (9000, vec![]));
    place.write("config/current-env", "\u{feff}prod\r\n");
    place.write("token", "\u{feff}hunter2\r\n");
    place.write(
        "config.yaml",
        "\u{feff}discord_auth: {token: 'file:token'}\r\n",
    );
    let config = place.load_as(Component::Cli).unwrap().config;
    assert_eq!(config.environment, Environment::Prod);
    let token = config.discord_auth.token.unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&token), "hunter2");
}
