//! What the operator reads when something is wrong.

use insta::assert_snapshot;

use super::*;

#[test]
fn the_layout_is_that_of_the_specification() {
    let place =
        Place::with("meta: {port: {staging: ':8081', prod: 8081}}\nobject_storage: {type: s3}\n");
    assert_snapshot!(place.error(), @r#"
    config.yaml: 2 problems
      meta.port.staging        ":8081" is not a port number (1-65535)
      object_storage.type      "s3" is not one of: s3-like, local
    Copy config.yaml.sample to config.yaml and fill in the missing values, or run: splashtail config check
    "#);
}

#[test]
fn all_problems_are_reported_at_once() {
    let place = Place::with(
        "discord_auth: {token: t, client_id: 12, can_use_bot: [1, \"849331145862283275\"]}\n\
         sites: {api: 'localhost:3000', frontend: 'ftp://u:p@x.y'}\n\
         meta:\n  port: {staging: ':8081', prod: 8081}\n  admin_port: 70000\n  redis_url: localhost\n  \
         bind_addr: everywhere\n  maintenance: sure\n  proxy: http://127.0.0.1:3219/api\n  \
         presence: playing\n  jobserver_secrets: {api: short, cli: short}\n  data_key: abc\n\
         object_storage: {type: s3}\n\
         plans: {free: {guild_asset_reencode_quality: 101, total_max_messages: -1}}\n",
    );
    assert_snapshot!(place.error());
}

#[test]
fn one_problem_is_not_several() {
    let place = Place::with("meta: {port: 0}\n");
    assert!(
        place.error().starts_with("config.yaml: 1 problem\n"),
        "{}",
        place.error()
    );
}

#[test]
fn a_syntax_error_shows_the_place() {
    let place = Place::with("meta:\n  port: 8081\n  admin_port: : 8082\n");
    assert_snapshot!(place.error());
    let place = Place::with("meta:\n  port: 1\nmeta:\n  port: 2\n");
    assert_snapshot!(place.error());
    let place = Place::with("- a\n- b\n");
    assert_snapshot!(place.error());
}

#[test]
fn the_offending_line_hides_what_may_be_a_secret() {
    for line in [
        "  token: \"hunter2: x",
        "  api: : hunter2",
        "  postgres_url: : postgres://u:hunter2@h/d",
        "  proxy: : http://u:hunter2@h",
        "  unheard_of: : hunter2",
        "  port: 80, token: \"hunter2",
        "\thunter2hunter2hunter2",
    ] {
        let place = Place::with(&format!("meta:\n{line}\n"));
        let error = place.error();
        assert!(error.contains("not valid YAML"), "{line}: {error}");
        assert!(!error.contains("hunter2"), "{line}: {error}");
    }
}

#[test]
fn files_that_are_no_text_are_named() {
    let place = Place::new();
    fs::write(place.path().join("config.yaml"), b"meta:\n  \xff: 1\n").unwrap();
    assert_snapshot!(place.error(), @"config.yaml is not UTF-8 text (first bad byte on line 2)");
    let place = Place::new();
    fs::create_dir(place.path().join("config.yaml")).unwrap();
    assert_snapshot!(place.error(), @"config.yaml cannot be read");
}

#[test]
fn unknown_keys_are_hints_not_errors() {
    let place = Place::with(
        "met: {port: 1}\nmeta: {prt: 1, 5: x, port: {stagin: 1, staging: 8081, prod: 8081}}\n\
         token: x\nzzzzzzzz: 1\njapi: {key: x}\nsites: {instatus: 'https://x'}\n\
         plans: {fre: {}, free: {jpeg_quality: 3}}\n",
    );
    assert_snapshot!(place.warnings());
}

#[test]
fn an_old_file_with_unused_groups_loads() {
    let place = Place::with(
        "channels: {}\nroles: {}\njapi: {key: k}\nnotifications: {vapid_public_key: a, vapid_private_key: b}\n\
         discord_auth: {allowed_redirects: [a], mewld_redirect: b}\nsites: {cdn: c}\n\
         plans: {free: {jpeg_reencode_quality: 3, max_server_backup_tasks: 1}}\n\
         meta: {web_redis_channel: ar_web, cdn_path: /x, vulgar_list: [a], urgent_mentions: m, debug_task_logger: true}\n",
    );
    let warnings = place.warnings();
    assert_eq!(warnings.lines().count(), 14, "{warnings}");
    assert!(
        warnings
            .lines()
            .all(|line| line.ends_with("is no longer used")),
        "{warnings}"
    );
}

#[test]
fn a_group_has_to_be_a_map() {
    let place = Place::with("meta: 3\nsites:\n");
    assert_snapshot!(place.error());
}

#[test]
fn storage_keys_have_to_fit_together() {
    for (storage, problem) in [
        (
            "{type: local}",
            "object_storage.path      missing (required, directory)",
        ),
        (
            "{path: x}",
            "object_storage.type      missing (required, one of: s3-like, local)",
        ),
        (
            "{type: s3-like}",
            "object_storage.endpoint    missing (required, URL)",
        ),
        (
            "{type: s3-like, path: b, endpoint: 'http://h', access_key: a, secret_key: s, secure: true}",
            "object_storage.secure    contradicts the http of object_storage.endpoint",
        ),
        (
            "{type: s3-like, path: b, endpoint: 'ftp://h', access_key: a, secret_key: s}",
            "object_storage.endpoint  \"ftp://h\" is not an http:// or https:// URL",
        ),
    ] {
        let error = Place::with(&format!("object_storage: {storage}\n")).error();
        assert!(error.contains(problem), "{storage}: {error}");
    }
    let place = Place::with("object_storage: {type: local, path: backups}\n");
    let ObjectStorage::Local { path } = place.loaded().config.object_storage else {
        panic!()
    };
    assert_eq!(path, place.path().join("backups"));
    let place = Place::with(
        "object_storage: {type: s3-like, path: b, endpoint: 's3.example.com', access_key: a, secret_key: s}\n",
    );
    let ObjectStorage::S3Like {
        endpoint, secure, ..
    } = place.loaded().config.object_storage
    else {
        panic!()
    };
    assert_eq!(
        (endpoint.as_str(), secure),
        ("https://s3.example.com/", true)
    );
}

#[test]
fn ports_that_meet_are_problems() {
    for (meta, problem) in [
        (
            "{port: 9000, admin_port: 9000}",
            "meta.admin_port          9000 is also the port of meta.port",
        ),
        (
            "{jobserver_port: 5031}",
            "the port range 5000-5031 contains 5031, the port of meta.jobserver_port",
        ),
        (
            "{clusterer_port: 4401}",
            "4401 is also the port of the Discord sandbox",
        ),
        (
            "{bot_iserver_base_port: 4390}",
            "contains 4400, the port of the Discord sandbox",
        ),
        (
            "{bot_iserver_base_port: 65505}",
            "leaves no room for 32 clusters",
        ),
    ] {
        let error = Place::with(&format!("meta: {meta}\n")).error();
        assert!(error.contains(problem), "{meta}: {error}");
    }
    // With an account there is no sandbox.
    Place::with(
        "discord_auth: {token: t, client_id: 849331145862283275, client_secret: s}\n\
         meta: {clusterer_port: 4401}\n",
    )
    .loaded();
}

/// A listener that nobody opens takes no port: 3200-3231 holds the gateway proxy's.
#[test]
fn a_daemon_that_is_off_takes_no_port() {
    let range = "meta: {bot_iserver_base_port: {staging: 3200, prod: 3300}}\n";
    assert_eq!(Place::with(range).warnings(), "");
    let error = Place::with(&format!("{range}proxy: {{enabled: true}}\n")).error();
    assert!(
        error.contains("contains 3220, the port of simple_gateway_proxy.port"),
        "{error}"
    );
    let listener = "meta: {admin_port: 3220}\n";
    assert_eq!(Place::with(listener).warnings(), "");
    let error = Place::with(&format!("{listener}proxy: {{enabled: true}}\n")).error();
    assert!(error.contains("3220 is also the port of"), "{error}");
}

#[test]
fn ports_that_meet_across_environments_are_warnings() {
    let place = Place::with("meta: {bot_iserver_base_port: {staging: 5000, prod: 5010}}\n");
    assert!(
        place.warnings().contains("both cannot run on this machine"),
        "{}",
        place.warnings()
    );
    let place = Place::with("meta: {jobserver_port: {staging: 2939, prod: 5001}}\n");
    assert!(
        place.warnings().contains("contains 5001"),
        "{}",
        place.warnings()
    );
    let place = Place::with("meta: {jobserver_port: 5510}\n");
    assert!(
        place.warnings().contains("of prod contains 5510"),
        "{}",
        place.warnings()
    );
    // One base for both says that there is one environment.
    assert_eq!(
        Place::with("meta: {bot_iserver_base_port: 6000}\n").warnings(),
        ""
    );
}

#[test]
fn commands_without_an_account_point_to_up() {
    let place = Place::with("meta: {port: 8081}\n");
    let loaded = place.loaded();
    let error = loaded
        .config
        .require_token("jobs", loaded.path.as_deref())
        .unwrap_err();
    assert_snapshot!(place.plain(&error.to_string()), @"
    `splashtail jobs` needs a bot account: config.yaml has no discord_auth.token.
    Fill it in, or run `splashtail up`, which starts the Discord sandbox when there is no token
    ");
}

#[test]
fn values_that_do_not_go_together_are_problems() {
    for (yaml, problem) in [
        (
            "meta: {bot_redis_url: 'redis://localhost'}",
            "meta.bot_redis_url       is another kind of bus than meta.redis_url",
        ),
        ("jobs: {capacity: 0}", "0 would run no job"),
        (
            "plans: {free: {min_per_channel: 200}}",
            "100 is below min_per_channel (200)",
        ),
        (
            "plans: {free: {total_max_messages: 60}}",
            "100 is above total_max_messages (60)",
        ),
    ] {
        let error = Place::with(yaml).error();
        assert!(error.contains(problem), "{yaml}: {error}");
    }
}
