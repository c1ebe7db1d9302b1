use std::fs;

use splashtail_core::environment::Environment;

use super::*;

struct World {
    directory: tempfile::TempDir,
    config: Config,
    surroundings: Surroundings,
}

fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::embedded(&directory.path().join("data"), Environment::Staging);
    config.discord_auth.token = Some("token".into());
    fs::write(directory.path().join(BOT_BINARY), "").unwrap();
    let surroundings = Surroundings {
        variables: HashMap::from([("HOME".to_owned(), "/home/op".to_owned())]),
        current_dir: "/srv".into(),
        bin_dir: directory.path().to_owned(),
        config_path: Some("/srv/config.yaml".into()),
    };
    World {
        directory,
        config,
        surroundings,
    }
}

impl World {
    fn resolve(&self, file: &str) -> Result<Settings, SettingsError> {
        let path = self.directory.path().join("mewld-staging.yaml");
        fs::write(&path, file).unwrap();
        Settings::resolve(&self.config, &path, &self.surroundings)
    }
}

fn value<'a>(settings: &'a Settings, name: &str) -> Option<&'a str> {
    let found = settings.program.env.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.expose_secret())
}

#[test]
fn without_a_file_the_sibling_bot_runs_in_the_data_directory() {
    let world = world();
    let path = world.directory.path().join("absent.yaml");
    let settings = Settings::resolve(&world.config, &path, &world.surroundings).unwrap();
    assert_eq!(settings.channel, "ar_clusters/staging");
    assert_eq!(
        settings.program.path,
        world.directory.path().join(BOT_BINARY)
    );
    assert_eq!(settings.program.dir, world.config.data_dir.join("bot"));
    assert_eq!(
        value(&settings, "MEWLD_CHANNEL"),
        Some("ar_clusters/staging")
    );
    assert_eq!(
        value(&settings, "SPLASHTAIL_CONFIG"),
        Some("/srv/config.yaml")
    );
    assert_eq!(value(&settings, "CLUSTERER_ORPHAN_TIMEOUT"), Some("120"));
    assert_eq!(value(&settings, "MTOKEN"), None);
    let bus = format!("unix:{}", world.config.data_dir.join("bus.sock").display());
    assert_eq!(value(&settings, "REDIS_URL"), Some(bus.as_str()));
    assert!(settings.policy.overlap_boot);
}

#[test]
fn the_proxys_port_is_taken_while_it_runs() {
    let mut world = world();
    for enabled in [false, true] {
        world.config.proxy.enabled = enabled;
        let used = world.resolve("").unwrap().policy.ports.used;
        let port = world.config.simple_gateway_proxy.port;
        assert_eq!(used.iter().any(|(used, _)| *used == port), enabled);
    }
}

#[test]
fn directories_and_programs_follow_the_file() {
    let world = world();
    let program = |file: &str| {
        let program = world.resolve(file).unwrap().program;
        (
            program.path.display().to_string(),
            program.leading,
            program.dir.display().to_string(),
        )
    };
    let none = Vec::<String>::new();
    assert_eq!(
        program("dir: botv2\nmodule: bot\nuse_current_directory: true\n"),
        ("/srv/botv2/bot".into(), none.clone(), "/srv/botv2".into())
    );
    assert_eq!(
        program("dir: b\nmodule: bot\n"),
        ("/home/op/b/bot".into(), none.clone(), "/home/op/b".into())
    );
    assert_eq!(
        program("dir: b\noverride_dir: /opt/x\nmodule: bot\n"),
        ("/opt/x/bot".into(), none.clone(), "/opt/x".into())
    );
    assert_eq!(
        program("override_dir: /opt/x\nmodule: build/index.js\ninterp: /usr/bin/node\n"),
        (
            "/usr/bin/node".into(),
            vec!["/opt/x/build/index.js".into()],
            "/opt/x".into()
        )
    );
    assert_eq!(
        program("override_dir: /opt/x\nmodule: mybot\nargv: mewld\n"),
        ("mybot".into(), none, "/opt/x".into())
    );
}

#[test]
fn the_environment_overrides_and_dotenv_files_fill_in() {
    let mut world = world();
    fs::write(
        world.directory.path().join("bot.env"),
        "PER_CLUSTER=4\nHOME=/no\nEXTRA=yes\nMTOKEN=other\n",
    )
    .unwrap();
    let settings = world.resolve("env: [bot.env]\nargv: mewld\n").unwrap();
    assert_eq!(settings.policy.per_cluster, 4);
    assert_eq!(settings.token.expose_secret(), "other");
    assert_eq!(value(&settings, "MTOKEN"), Some("other"));
    assert_eq!(value(&settings, "EXTRA"), Some("yes"));
    assert_eq!(value(&settings, "HOME"), None, "what is set already wins");
    world
        .surroundings
        .variables
        .insert("PER_CLUSTER".into(), "7".into());
    assert_eq!(
        world
            .resolve("env: [bot.env]\n")
            .unwrap()
            .policy
            .per_cluster,
        7
    );
    for bad in ["0", "x", "70000"] {
        world
            .surroundings
            .variables
            .insert("PER_CLUSTER".into(), bad.into());
        assert!(matches!(
            world.resolve(""),
            Err(SettingsError::PerCluster(_))
        ));
    }
    world.surroundings.variables.remove("PER_CLUSTER");
    assert!(matches!(
        world.resolve("env: [none.env]\n"),
        Err(SettingsError::Dotenv(_))
    ));
}

#[test]
fn what_cannot_work_is_refused_before_anything_starts() {
    let mut world = world();
    fs::remove_file(world.directory.path().join(BOT_BINARY)).unwrap();
    assert!(matches!(world.resolve(""), Err(SettingsError::NoBot(_))));
    world.config.proxy.enabled = true;
    assert!(matches!(
        world.resolve("module: bot\nfixed_shard_count: 4\nshard_range: \"0-1\"\n"),
        Err(SettingsError::Proxy(_))
    ));
    world.config.discord_auth.token = None;
    assert!(matches!(
        world.resolve("module: bot\n"),
        Err(SettingsError::NoToken)
    ));
}

#[test]
fn the_token_is_that_of_the_environment_the_config_or_the_file() {
    let mut world = world();
    let file = "module: bot\nargv: mewld\ntoken: of-the-file\n";
    let token = |world: &World| {
        let settings = world.resolve(file).unwrap();
        value(&settings, "MTOKEN").unwrap().to_owned()
    };
    assert_eq!(token(&world), "token");
    world.config.discord_auth.token = None;
    assert_eq!(token(&world), "of-the-file");
    let variable = ("MTOKEN".to_owned(), "of-the-environment".to_owned());
    world.surroundings.variables.extend([variable]);
    assert_eq!(token(&world), "of-the-environment");
}

#[test]
fn a_range_of_shards_is_checked_against_the_cluster_size_in_force() {
    let mut world = world();
    let file = "module: bot\nper_cluster: 2\nfixed_shard_count: 12\nshard_range: 4-7\n";
    let policy = world.resolve(file).unwrap().policy;
    assert_eq!(policy.layout.map(|layout| layout.first_cluster()), Some(2));
    let port = world.config.meta.clusterer_port;
    assert!(
        policy.host.ends_with(&format!(":{port}")),
        "{}",
        policy.host
    );
    let per_cluster = ("PER_CLUSTER".to_owned(), "3".to_owned());
    world.surroundings.variables.extend([per_cluster]);
    assert!(matches!(
        world.resolve(file),
        Err(SettingsError::Layout(MapError::RangeUnaligned { .. }))
    ));
}

#[test]
fn passwords_are_masked() {
    assert_eq!(
        mask("redis://user:secret@host:6379/0"),
        "redis://user:***@host:6379/0"
    );
    assert_eq!(mask("redis://host/0"), "redis://host/0");
}
