//! Which guild a request is about, of every route.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::{guild_in, routes};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::NewInteraction;

use crate::harness::{Case, GUILD};

/// What is no guild's, or has it in the body alone.
const NOWHERE: &[&str] = &[
    "/applications/@me",
    "/applications/{application_id}",
    "/applications/{application_id}/commands",
    "/applications/{application_id}/commands/{command_id}",
    "/applications/{application_id}/emojis",
    "/applications/{application_id}/emojis/{emoji_id}",
    "/gateway",
    "/gateway/bot",
    "/oauth2/@me",
    "/oauth2/applications/@me",
    "/soundboard-default-sounds",
    "/stage-instances",
    "/sticker-packs",
    "/sticker-packs/{pack_id}",
    "/users/@me",
    "/users/@me/channels",
    "/users/@me/connections",
    "/users/@me/guilds",
    "/users/{user_id}",
    "/voice/regions",
];

#[test]
fn a_path_leads_into_a_guild_by_whatever_it_names() {
    let case = Case::unlimited();
    let channel = case.channel("general");
    let made = |path: &str, body: Value| {
        let answer = case.user(small::OWNER, Method::POST, path, body);
        assert!(answer.is_success(), "{path}: {}", answer.json());
        answer.json()
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let webhook = made(
        &format!("/channels/{channel}/webhooks"),
        json!({"name": "hook"}),
    );
    let invite = made(&format!("/channels/{channel}/invites"), json!({}));
    let template = made(
        &format!("/guilds/{GUILD}/templates"),
        json!({"name": "like this"}),
    );
    let (application, interaction, interaction_token, sticker) = case.sandbox.with_world(|world| {
        let app = *world.apps.first_key_value().unwrap().0;
        let new = |guild, channel| NewInteraction {
            app,
            kind: 2,
            guild,
            channel,
            user: small::OWNER,
            data: json!({}),
            message: None,
        };
        let interaction = world.start_interaction(new(Some(GUILD), channel));
        let token = world.interactions[&interaction].token.clone();
        let sticker = *world.guilds[&GUILD].stickers.first_key_value().unwrap().0;
        (app, interaction, token, sticker)
    });
    let mut values = BTreeMap::from([
        ("guild_id", GUILD.to_string()),
        ("channel_id", channel.to_string()),
        ("application_id", application.to_string()),
        ("webhook_id", text(&webhook["id"])),
        ("webhook_token", text(&webhook["token"])),
        ("interaction_id", interaction.to_string()),
        ("interaction_token", interaction_token.clone()),
        ("sticker_id", sticker.to_string()),
    ]);
    let in_guild = |path: &str| case.sandbox.with_world(|world| guild_in(world, path));
    for round in ["webhook", "interaction"] {
        for route in routes() {
            let code = match route.template.starts_with("/invites") {
                true => text(&invite["code"]),
                false => text(&template["code"]),
            };
            let step = |step: &str| match step.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                Some("code") => code.clone(),
                Some(name) => values.get(name).cloned().unwrap_or_else(|| "1".to_owned()),
                None => step.to_owned(),
            };
            let path: Vec<String> = route.template.split('/').map(step).collect();
            let expected = (!NOWHERE.contains(&route.template)).then_some(GUILD);
            let path = path.join("/");
            assert_eq!(in_guild(&path), expected, "{round} {}", route.template);
        }
        // Applications answer interactions as webhooks do, under their own id.
        values.insert("webhook_token", interaction_token.clone());
    }
    let named: Vec<&str> = routes().iter().map(|r| r.template).collect();
    assert!(NOWHERE.iter().all(|template| named.contains(template)));
    for path in [
        "/webhooks/1",
        "/invites/elsewhere",
        "/guilds/templates/none",
        "/channels/1",
        "",
    ] {
        assert_eq!(in_guild(path), None, "{path}");
    }
    // Clicks have no route.
    assert_eq!(
        in_guild(&format!("/guilds/{GUILD}/members/@me")),
        Some(GUILD)
    );
    case.finish();
}

#[test]
fn a_vanity_address_leads_into_its_guild() {
    let case = Case::unlimited();
    case.sandbox.with_world(|world| {
        let place = world.guilds.get_mut(&GUILD).unwrap();
        place.vanity_url_code = Some("harbour".to_owned());
        assert_eq!(guild_in(world, "/invites/harbour"), Some(GUILD));
    });
    case.finish();
}
