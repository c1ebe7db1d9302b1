//! Secrets come from the file, the environment, other files and the data directory, and appear
//! nowhere else.

use secrecy::ExposeSecret;

use super::*;
use crate::data_dir::DataDir;

fn token(place: &Place) -> Option<String> {
    place
        .load_as(Component::Cli)
        .unwrap()
        .config
        .discord_auth
        .token
        .map(|token| token.expose_secret().to_owned())
}

#[test]
fn references_are_resolved() {
    let mut place = Place::with("discord_auth: {token: '${BOT_TOKEN}'}\n");
    place
        .variables
        .insert("BOT_TOKEN".to_owned(), TOKEN.to_owned());
    assert_eq!(token(&place).as_deref(), Some(TOKEN));
    place
        .variables
        .insert("BOT_TOKEN".to_owned(), String::new());
    assert_eq!(token(&place), None);
    place.write("secrets/token", &format!("{TOKEN}\n"));
    for reference in [
        "file:secrets/token".to_owned(),
        format!("file:{}/secrets/token", place.path().display()),
    ] {
        place.write(
            "config.yaml",
            &format!("discord_auth: {{token: '{reference}'}}\n"),
        );
        assert_eq!(token(&place).as_deref(), Some(TOKEN));
    }
    place.write("secrets/token", "\n");
    assert_eq!(token(&place), None);
    place.write(
        "config.yaml",
        "discord_auth: {token: 'literal:${BOT_TOKEN}'}\n",
    );
    assert_eq!(token(&place).as_deref(), Some("${BOT_TOKEN}"));
}

#[test]
fn a_reference_to_nothing_is_a_problem() {
    let place = Place::with(
        "discord_auth: {token: '${BOT_TOKEN}'}\nmeta: {dp_secret: 'file:none', link_key: 123456}\n",
    );
    insta::assert_snapshot!(place.error());
}

#[test]
fn the_other_environments_references_need_not_exist_here() {
    let place = Place::with("meta: {redis_url: {staging: '', prod: '${PROD_REDIS}'}}\n");
    assert_eq!(place.warnings(), "");
}

#[test]
fn the_data_directory_fills_in_what_is_open() {
    let place = Place::with(&format!(
        "discord_auth: {{token: {TOKEN}}}\nmeta: {{dp_secret: mine}}\n"
    ));
    let data = DataDir::open(&place.path().join("data")).unwrap();
    let generated = data.secrets().unwrap();
    let config = place.load_as(Component::Jobserver).unwrap().config;
    assert_eq!(
        config.meta.dp_secret.as_ref().unwrap().expose_secret(),
        "mine"
    );
    assert_eq!(
        config.client_secret("bot").unwrap().expose_secret(),
        generated.jobserver_secrets["bot"].expose_secret()
    );
}

#[test]
fn no_message_and_no_debug_output_holds_a_secret() {
    // Every secret is wrong in some way, and every one contains the same word.
    let place = Place::with(
        "discord_auth: {token: [hunter2], client_secret: {hunter2: hunter2}}\n\
         meta:\n  postgres_url: mysql://u:hunter2@h\n  redis_url: {staging: 'hunter2', prod: 'hunter2'}\n  \
         bot_redis_url: 'http://hunter2'\n  dp_secret: 'file:/none'\n  data_key: hunter2\n  \
         jobserver_secrets: {staging: {api: hunter2, bot: hunter2}, prod: {api: [hunter2], bot: 3}}\n  \
         proxy: 'ftp://u:hunter2@h'\n\
         object_storage: {type: s3-like, path: p, endpoint: 'ftp://u:hunter2@h', access_key: [hunter2], secret_key: [hunter2]}\n",
    );
    let error = place.load_as(Component::All).unwrap_err();
    let shown = format!("{error}\n{error:?}");
    assert!(!shown.contains("hunter2"), "{shown}");

    let place = Place::with(&everything());
    let loaded = place.loaded();
    let shown = format!("{loaded:?}");
    for secret in [TOKEN, API_SECRET, BOT_SECRET, KEY, ":pw@", "odd secret"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}
