//! Commands, buttons and forms as people have them.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox::control::client::ControlError;
use splashtail_sandbox::control::types::{Act, Interact, InteractKind};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Id, World};

use crate::client::{ALL_INTENTS, Bench, bench};

pub fn slash(channel: &str, name: &str, options: Value) -> Interact {
    serde_json::from_value(json!({"kind": "slash", "guild_id": small::GUILDS[0],
        "channel_id": channel, "name": name, "options": options, "wait_ms": 20_000}))
    .unwrap()
}

pub async fn register(b: &Bench, commands: Value) {
    let path = format!("/applications/{}/commands", small::APPLICATION);
    let answer = b.bot("PUT", &path).json(&commands).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    // Deadlines of interactions are the sandbox's time: a busy machine must not miss them.
    b.clock.set_rate(0.0);
}

pub async fn callback(b: &Bench, interaction: &Value, body: Value) -> u16 {
    let path = format!(
        "/interactions/{}/{}/callback",
        interaction["id"].as_str().unwrap(),
        interaction["token"].as_str().unwrap()
    );
    b.bot("POST", &path)
        .json(&body)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn a_slash_command_shows_what_the_bot_answers() {
    let b = bench().await;
    let channel = b.channel().await;
    register(
        &b,
        json!([{"name": "greet", "description": "Says hello", "options": [
        {"type": 1, "name": "person", "description": "A person", "options": [
            {"type": 6, "name": "who", "description": "Whom", "required": true},
            {"type": 4, "name": "times", "description": "How often", "min_value": 1},
            {"type": 5, "name": "loud", "description": "Loudly"}]}]}]),
    )
    .await;
    let mut client = b.session(ALL_INTENTS).await;
    let ctl = b.running.client().unwrap();
    let wish = slash(
        &channel,
        "greet person",
        json!({"times": "2", "who": small::MEMBER.to_string(), "loud": true}),
    );
    let asked = tokio::spawn({
        let ctl = ctl.clone();
        async move { ctl.interact(&small::ADMIN.to_string(), &wish).await }
    });
    let d = client.until("INTERACTION_CREATE").await;
    b.clock.advance(Duration::from_millis(1200));
    assert_eq!((&d["type"], &d["version"]), (&json!(2), &json!(1)));
    assert_eq!(d["guild_id"], small::GUILDS[0].to_string());
    assert_eq!(d["member"]["user"]["id"], small::ADMIN.to_string());
    let sub = &d["data"]["options"][0];
    assert_eq!((&sub["name"], &sub["type"]), (&json!("person"), &json!(1)));
    // In the order of the command, converted to the options' types.
    let member = small::MEMBER.to_string();
    assert_eq!(
        sub["options"],
        json!([
        {"name": "who", "type": 6, "value": member},
        {"name": "times", "type": 4, "value": 2},
        {"name": "loud", "type": 5, "value": true}])
    );
    let resolved = &d["data"]["resolved"];
    assert_eq!(resolved["users"][&member]["id"], member);
    let shown = &resolved["members"][&member];
    for absent in ["user", "deaf", "mute"] {
        assert!(shown.get(absent).is_none(), "{absent}");
    }
    let answer = json!({"type": 4, "data": {"content": "Hello!", "flags": 64, "components": [
        {"type": 1, "components": [{"type": 2, "style": 1, "label": "More", "custom_id": "more"}]}]}});
    assert_eq!(callback(&b, &d, answer.clone()).await, 204);
    let seen = asked.await.unwrap().unwrap();
    assert_eq!(seen.ack_ms, Some(1200));
    assert_eq!(seen.callback_type, Some(4));
    assert_eq!(seen.messages.len(), 1);
    assert_eq!(seen.messages[0]["content"], "Hello!");
    assert_eq!(callback(&b, &d, answer).await, 400, "already acknowledged");
    // Ephemeral: only who asked sees the button, and can press it.
    let press: Interact = serde_json::from_value(json!({"kind": "button", "custom_id": "more",
        "guild_id": small::GUILDS[0], "channel_id": channel, "wait_ms": 20_000}))
    .unwrap();
    let other = ctl
        .interact(&small::OWNER.to_string(), &press)
        .await
        .unwrap_err();
    assert!(
        matches!(other, ControlError::Refused { status: 404, .. }),
        "{other}"
    );
    let pressed = tokio::spawn({
        let (ctl, press) = (ctl.clone(), press.clone());
        async move { ctl.interact(&small::ADMIN.to_string(), &press).await }
    });
    let d = client.until("INTERACTION_CREATE").await;
    assert_eq!(d["type"], 3);
    assert_eq!(
        d["data"],
        json!({"custom_id": "more", "component_type": 2, "id": d["data"]["id"]})
    );
    let modal = json!({"type": 9, "data": {"custom_id": "form", "title": "Form", "components": [
        {"type": 1, "components": [{"type": 4, "custom_id": "why", "label": "Why", "style": 1}]}]}});
    assert_eq!(callback(&b, &d, modal).await, 204);
    let seen = pressed.await.unwrap().unwrap();
    assert_eq!(seen.modal.unwrap()["title"], "Form");
    let fill: Interact = serde_json::from_value(json!({"kind": "modal", "custom_id": "form",
        "guild_id": small::GUILDS[0], "channel_id": channel, "wait_ms": 20_000,
        "values": {"why": "because"}}))
    .unwrap();
    let filled = tokio::spawn({
        let ctl = ctl.clone();
        async move { ctl.interact(&small::ADMIN.to_string(), &fill).await }
    });
    let d = client.until("INTERACTION_CREATE").await;
    assert_eq!(d["type"], 5);
    // Ids that the application left out are generated (component reference, "id").
    assert_eq!(
        d["data"]["components"],
        json!([{"type": 1, "id": 1, "components": [
            {"type": 4, "id": 2, "custom_id": "why", "value": "because"}]}])
    );
    assert_eq!(
        callback(
            &b,
            &d,
            json!({"type": 7, "data": {"content": "Thanks", "components": []}})
        )
        .await,
        204
    );
    let seen = filled.await.unwrap().unwrap();
    assert_eq!(seen.messages[0]["content"], "Thanks");
}

#[tokio::test]
async fn a_deferred_answer_is_waited_for() {
    let b = bench().await;
    let channel = b.channel().await;
    register(
        &b,
        json!([{"name": "slow", "description": "Takes its time"}]),
    )
    .await;
    let mut client = b.session(ALL_INTENTS).await;
    let ctl = b.running.client().unwrap();
    let wish = slash(&channel, "slow", json!({}));
    let asked = tokio::spawn(async move { ctl.interact(&small::ADMIN.to_string(), &wish).await });
    let d = client.until("INTERACTION_CREATE").await;
    assert_eq!(callback(&b, &d, json!({"type": 5})).await, 204);
    let path = format!(
        "/webhooks/{}/{}/messages/@original",
        small::APPLICATION,
        d["token"].as_str().unwrap()
    );
    let edited = b
        .bot("PATCH", &path)
        .json(&json!({"content": "done"}))
        .send()
        .await
        .unwrap();
    assert_eq!(edited.status(), 200);
    let seen = asked.await.unwrap().unwrap();
    assert_eq!(seen.callback_type, Some(5));
    assert_eq!(seen.messages[0]["content"], "done");
}

#[tokio::test]
async fn an_interaction_nobody_answers_fails_by_the_sandboxs_clock() {
    let b = bench().await;
    let channel = b.channel().await;
    register(&b, json!([{"name": "mute", "description": "Says nothing"}])).await;
    let mut client = b.session(ALL_INTENTS).await;
    let ctl = b.running.client().unwrap();
    let wish = slash(&channel, "mute", json!({}));
    let asked = tokio::spawn({
        let ctl = ctl.clone();
        async move { ctl.interact(&small::ADMIN.to_string(), &wish).await }
    });
    let d = client.until("INTERACTION_CREATE").await;
    let stuck = ctl.settle(0).await.unwrap_err();
    let ControlError::Refused {
        status: 504, body, ..
    } = stuck
    else {
        panic!("{stuck}")
    };
    assert_eq!(body["context"]["interactions"], json!([d["id"]]));
    b.clock.advance(Duration::from_secs(3));
    let seen = asked.await.unwrap().unwrap();
    assert_eq!(
        seen.error.as_deref(),
        Some("The application did not respond")
    );
    assert_eq!(
        callback(&b, &d, json!({"type": 4, "data": {"content": "late"}})).await,
        404
    );
    assert!(ctl.settle(5000).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_client_would_not_send_is_not_sent() {
    let b = bench().await;
    let channel = b.channel().await;
    register(&b, json!([
        {"name": "count", "description": "Counts", "options": [
            {"type": 4, "name": "to", "description": "Limit", "required": true, "max_value": 10},
            {"type": 3, "name": "by", "description": "Step",
             "choices": [{"name": "one", "value": "1"}]}]},
        {"name": "secret", "description": "For administrators", "default_member_permissions": "0"}]))
    .await;
    let ctl = b.running.client().unwrap();
    let status = |user: splashtail_sandbox_world::world::Id, wish: Interact| {
        let ctl = ctl.clone();
        async move {
            match ctl.interact(&user.to_string(), &wish).await {
                Err(ControlError::Refused { status, code, .. }) => (status, code),
                other => panic!("{other:?}"),
            }
        }
    };
    let member = small::MEMBER;
    let count = |options: Value| slash(&channel, "count", options);
    assert_eq!(
        status(member, count(json!({}))).await,
        (400, "bad_option".into())
    );
    assert_eq!(status(member, count(json!({"to": 11}))).await.0, 400);
    assert_eq!(status(member, count(json!({"to": "many"}))).await.0, 400);
    assert_eq!(
        status(member, count(json!({"to": 1, "by": "2"}))).await.0,
        400
    );
    assert_eq!(
        status(member, count(json!({"to": 1, "from": 0}))).await.0,
        400
    );
    let pick = |ctl: splashtail_sandbox::control::client::ControlClient, by: &str| {
        let wish = count(json!({"to": 1, "by": by}));
        async move { ctl.interact(&member.to_string(), &wish).await }
    };
    let refused = pick(ctl.clone(), "two").await.unwrap_err().to_string();
    assert!(refused.contains("none of the choices: `one`"), "{refused}");
    assert_eq!(
        status(member, slash(&channel, "secret", json!({}))).await,
        (403, "not_allowed".into())
    );
    assert_eq!(
        status(member, slash(&channel, "none", json!({}))).await,
        (404, "no_command".into())
    );
    assert_eq!(
        status(member, slash("1", "count", json!({"to": 1}))).await,
        (404, "no_channel".into())
    );
}

#[tokio::test]
async fn autocompletion_marks_the_option_being_typed() {
    let b = bench().await;
    let channel = b.channel().await;
    register(&b, json!([{"name": "pick", "description": "Picks", "options": [
        {"type": 3, "name": "what", "description": "Thing", "autocomplete": true, "required": true}]}]))
    .await;
    let mut client = b.session(ALL_INTENTS).await;
    let ctl = b.running.client().unwrap();
    let wish = Interact {
        kind: InteractKind::Autocomplete,
        ..slash(&channel, "pick", json!({"what": "ap"}))
    };
    let asked = tokio::spawn(async move { ctl.interact(&small::ADMIN.to_string(), &wish).await });
    let d = client.until("INTERACTION_CREATE").await;
    assert_eq!(d["type"], 4);
    assert_eq!(
        d["data"]["options"][0],
        json!({"name": "what", "type": 3, "value": "ap", "focused": true})
    );
    let choices = json!([{"name": "apple", "value": "apple"}]);
    assert_eq!(
        callback(&b, &d, json!({"type": 8, "data": {"choices": choices}})).await,
        204
    );
    assert_eq!(asked.await.unwrap().unwrap().choices.unwrap(), choices);
}

#[tokio::test]
async fn only_what_is_being_typed_is_sent_as_it_stands() {
    let b = bench().await;
    let channel = b.channel().await;
    register(
        &b,
        json!([{"name": "pick", "description": "Picks", "options": [
        {"type": 4, "name": "mode", "description": "Which", "choices": [
            {"name": "On", "value": 1}, {"name": "Off", "value": 0}]},
        {"type": 10, "name": "share", "description": "How much"},
        {"type": 4, "name": "what", "description": "Thing", "autocomplete": true}]}]),
    )
    .await;
    let mut client = b.session(ALL_INTENTS).await;
    let ctl = b.running.client().unwrap();
    let wish = Interact {
        kind: InteractKind::Autocomplete,
        focused: Some("what".to_owned()),
        ..slash(
            &channel,
            "pick",
            json!({"mode": "On", "share": "0.5", "what": "4x"}),
        )
    };
    let asked = tokio::spawn(async move { ctl.interact(&small::ADMIN.to_string(), &wish).await });
    let d = client.until("INTERACTION_CREATE").await;
    let sent = json!([{"name": "mode", "type": 4, "value": 1},
        {"name": "share", "type": 10, "value": 0.5},
        {"name": "what", "type": 4, "value": "4x", "focused": true}]);
    assert_eq!(d["data"]["options"], sent);
    let none = json!({"type": 8, "data": {"choices": []}});
    assert_eq!(callback(&b, &d, none).await, 204);
    asked.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_choice_goes_by_the_name_on_the_screen() {
    let b = bench().await;
    let channel = b.channel().await;
    register(
        &b,
        json!([{"name": "mode", "description": "Sets it", "options": [
        {"type": 4, "name": "mode", "description": "Which", "choices": [
            {"name": "On", "value": 0}, {"name": "Off", "value": 1}, {"name": "0", "value": 2}]},
        {"type": 3, "name": "tone", "description": "How", "choices": [
            {"name": "kind", "value": "b"}, {"name": "b", "value": "a"}]}]}]),
    )
    .await;
    let mut client = b.session(ALL_INTENTS).await;
    for (given, sent) in [
        (json!({"mode": "On"}), json!(0)),
        (json!({"mode": "off"}), json!(1)),
        // What is a value is no name.
        (json!({"mode": "0"}), json!(0)),
        (json!({"mode": 1}), json!(1)),
        (json!({"tone": "kind"}), json!("b")),
        (json!({"tone": "b"}), json!("b")),
    ] {
        let ctl = b.running.client().unwrap();
        let wish = slash(&channel, "mode", given.clone());
        let asked =
            tokio::spawn(async move { ctl.interact(&small::ADMIN.to_string(), &wish).await });
        let d = client.until("INTERACTION_CREATE").await;
        assert_eq!(d["data"]["options"][0]["value"], sent, "{given}");
        assert_eq!(
            callback(&b, &d, json!({"type": 4, "data": {"content": "set"}})).await,
            204
        );
        asked.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn commands_are_offered_in_their_contexts() {
    let b = bench().await;
    let channel = b.channel().await;
    let slash = |name: &str, more: Value| {
        let mut command = json!({"name": name, "description": "x"});
        let more = more.as_object().unwrap().clone();
        command.as_object_mut().unwrap().extend(more);
        command
    };
    let commands = json!([
        slash("anywhere", json!({})),
        slash("server", json!({"contexts": [0]})),
        slash("direct", json!({"contexts": [1]})),
        slash("neither", json!({"contexts": [2]})),
        slash("own", json!({"integration_types": [1]})),
        slash("adult", json!({"nsfw": true})),
    ]);
    register(&b, commands).await;
    let ctl = b.running.client().unwrap();
    let open = Act {
        target_id: Some(small::APPLICATION.to_string()),
        ..Act::default()
    };
    let owner = small::OWNER.to_string();
    let opened = ctl.act(&owner, "open_dm", &open).await.unwrap();
    let dm = opened.results[0].body["id"].as_str().unwrap().to_owned();
    let offered = async |place: String| {
        let path = format!("/ctl/as/{owner}/commands?{place}");
        let found: Value = ctl.call(Method::GET, &path, &Value::Null).await.unwrap();
        let found = found.as_array().unwrap().iter();
        let names = found.map(|c| c["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let here = format!("guild_id={}&channel_id={channel}", small::GUILDS[0]);
    assert_eq!(offered(here.clone()).await, ["anywhere", "server"]);
    assert_eq!(
        offered(format!("channel_id={dm}")).await,
        ["adult", "anywhere", "direct"]
    );
    let restrict = |change: fn(&mut World, Id)| {
        let channel = channel.parse().unwrap();
        b.running.edge.sandbox.with_world(|w| change(w, channel));
    };
    // AGE_RESTRICTED (3) of the server makes none of its channels so.
    restrict(|w, _| w.guilds.get_mut(&small::GUILDS[0]).unwrap().nsfw_level = 3);
    assert_eq!(offered(here.clone()).await, ["anywhere", "server"]);
    restrict(|w, channel| w.channels.get_mut(&channel).unwrap().nsfw = true);
    assert_eq!(offered(here).await, ["adult", "anywhere", "server"]);
}
