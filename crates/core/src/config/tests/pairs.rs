//! Values that differ between staging and prod.

use insta::assert_snapshot;

use super::*;
use crate::environment::Environment;

fn load(place: &Place, environment: Environment) -> Result<Loaded, ConfigError> {
    place.load(&LoadOptions {
        environment: Some(environment),
        ..LoadOptions::default()
    })
}

#[test]
fn a_pair_gives_each_environment_its_half_and_a_scalar_both() {
    let place = Place::with(
        "sites: {api: {staging: 'https://s.example.com', prod: 'https://p.example.com'}}\n\
         meta: {port: 9000}\n",
    );
    for (environment, site) in [
        (Environment::Staging, "https://s.example.com/"),
        (Environment::Prod, "https://p.example.com/"),
    ] {
        let config = load(&place, environment).unwrap().config;
        assert_eq!(config.sites.api.as_str(), site);
        // The website follows the API unless it has an address of its own.
        assert_eq!(config.sites.frontend.as_str(), site);
        assert_eq!(config.meta.port, 9000);
    }
}

#[test]
fn only_the_half_that_runs_is_mandatory() {
    let place = Place::with("meta: {port: {prod: 9000}}\n");
    assert_eq!(
        load(&place, Environment::Prod).unwrap().config.meta.port,
        9000
    );
    assert_snapshot!(load(&place, Environment::Prod).unwrap().warnings.join("\n"), @"meta.port.staging is missing; staging could not start with it");
    assert_snapshot!(place.plain(&load(&place, Environment::Staging).unwrap_err().to_string()), @"
    config.yaml: 1 problem
      meta.port.staging        missing (required, port number). Example: 8081
    Copy config.yaml.sample to config.yaml and fill in the missing values, or run: splashtail config check
    ");
}

#[test]
fn a_wrong_other_half_is_a_warning() {
    let place = Place::with("meta: {port: {staging: 9000, prod: ':1'}}\n");
    assert_snapshot!(place.warnings(), @r#"meta.port.prod ":1" is not a port number (1-65535); prod could not start with it"#);
}

#[test]
fn an_empty_half_means_the_default() {
    let place = Place::with("meta: {bot_iserver_base_port: {staging: '', prod: }}\n");
    for (environment, port) in [(Environment::Staging, 5000), (Environment::Prod, 5500)] {
        assert_eq!(
            load(&place, environment)
                .unwrap()
                .config
                .meta
                .bot_iserver_base_port,
            port
        );
    }
}

#[test]
fn a_pair_where_none_is_listed_is_a_problem() {
    let place = Place::with("servers: {main: {staging: 1, prod: 2}}\n");
    assert_snapshot!(place.error(), @"
    config.yaml: 1 problem
      servers.main             a map is not a snowflake (17-20 digits)
    Copy config.yaml.sample to config.yaml and fill in the missing values, or run: splashtail config check
    ");
}

#[test]
fn addresses_follow_ports() {
    let place = Place::with(
        "meta: {port: 9000, jobserver_port: 9001, jobserver_bind_addr: '::1', clusterer_port: 9002}\n",
    );
    let config = place.loaded().config;
    assert_eq!(config.sites.api.as_str(), "http://localhost:9000/");
    assert_eq!(config.meta.jobserver_urls[0].as_str(), "http://[::1]:9001/");
    assert_eq!(config.meta.clusterer_url.as_str(), "http://127.0.0.1:9002/");
    assert_eq!(
        without_slash(&config.meta.clusterer_url),
        "http://127.0.0.1:9002"
    );
}

#[test]
fn the_originals_default_job_server_address_works() {
    let place = Place::with("meta: {jobserver_url: 'localhost:2939'}\n");
    assert_eq!(
        place.loaded().config.meta.jobserver_urls[0].as_str(),
        "http://localhost:2939/"
    );
    assert_snapshot!(place.warnings(), @r#"meta.jobserver_url has no scheme, "http://localhost:2939/" is used"#);
}

#[test]
fn several_job_servers_are_a_list() {
    let place = Place::with("meta: {jobserver_url: ['http://a:2939', 'http://b:2939']}\n");
    let urls = place.loaded().config.meta.jobserver_urls;
    let urls: Vec<_> = urls.iter().map(url::Url::as_str).collect();
    assert_eq!(urls, ["http://a:2939/", "http://b:2939/"]);
    let place =
        Place::with("meta: {jobserver_url: {staging: ['http://a:1'], prod: 'http://b:2'}}\n");
    assert_eq!(
        place.loaded().config.meta.jobserver_urls[0].as_str(),
        "http://a:1/"
    );
    let empty = Place::with("meta: {jobserver_url: []}\n").load_as(Component::All);
    let error = empty.err().unwrap().to_string();
    assert!(error.contains("the list is empty"), "{error}");
}

#[test]
fn ids_may_be_numbers_or_strings() {
    let place = Place::with("servers: {main: 1064135068928454766}\n");
    let main = place.loaded().config.servers.main;
    place.write("config.yaml", "servers: {main: \"1064135068928454766\"}\n");
    assert_eq!(place.loaded().config.servers.main, main);
    for wrong in ["1064135068", "'abc'", "-1064135068928454766", "1.5"] {
        place.write("config.yaml", &format!("servers: {{main: {wrong}}}\n"));
        assert!(
            place.error().contains("is not a snowflake (17-20 digits)"),
            "{wrong}: {}",
            place.error()
        );
    }
}

#[test]
fn a_number_beyond_yaml_is_not_quoted_in_the_message() {
    let place = Place::with("meta:\n  dp_secret: 123456789012345678901234567890\n");
    assert_snapshot!(place.error(), @"
    config.yaml: not valid YAML at line 2, column 14: meta.dp_secret: no such number fits; put it in quotes
      2 |   dp_secret: <hidden>
        |              ^
    ");
}

#[test]
fn a_component_checks_only_what_it_reads() {
    // The jobserver reads neither the web server's port nor the client secret.
    let yaml = format!(
        "discord_auth: {{token: {TOKEN}}}\n\
         meta: {{port: 0, data_key: {KEY}, jobserver_secrets: {{api: {API_SECRET}, bot: {BOT_SECRET}}}}}\n"
    );
    let place = Place::with(&yaml);
    assert_eq!(
        place
            .load_as(Component::Jobserver)
            .unwrap()
            .config
            .meta
            .port,
        8081
    );
    let error = place.load_as(Component::Webserver).unwrap_err().to_string();
    for key in [
        "meta.port",
        "discord_auth.client_id",
        "discord_auth.client_secret",
        "meta.link_key",
        "meta.dp_secret",
    ] {
        assert!(error.contains(&format!("\n  {key} ")), "{key}: {error}");
    }
    assert!(!error.contains("postgres_url"));
}

#[test]
fn a_daemon_without_an_account_or_secrets_says_what_is_missing() {
    let place = Place::with("");
    let error = place.load_as(Component::Jobserver).unwrap_err().to_string();
    assert_snapshot!(place.plain(&error));
    place.load_as(Component::Cli).unwrap();
    place.load_as(Component::All).unwrap();
}
