//! Bad input against every route that writes: an answer in Discord's shape, never a 5xx, and what
//! is accepted is answered as the API description says.
//!
//! The bodies are not written down here: they are made from the description, one wrong property
//! at a time, nested ones included.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use http::{HeaderValue, Method};
use serde_json::{Map, Value, json};
use splashtail_sandbox_world::rest::{Actor, Request, Response, Route, routes};
use splashtail_sandbox_world::seed::small;

use crate::harness::{Case, GUILD, bot_header};

fn description() -> Value {
    serde_json::from_str(include_str!("../../data/openapi.json")).unwrap()
}

/// Values that fit hardly any field.
fn wrong_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(""),
        json!(" "),
        json!("x".repeat(7000)),
        json!("\u{0}\u{202e}💥"),
        json!("9".repeat(30)),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5),
        json!(1e300),
        json!(true),
        json!([]),
        json!([null]),
        json!([[]]),
        json!(["x"]),
        json!([{}]),
        json!({}),
        json!({"id": {"id": []}}),
        Value::Array(vec![json!("1"); 2000]),
    ]
}

struct Schemas<'d>(&'d Value);

impl<'d> Schemas<'d> {
    /// The alternatives a schema stands for.
    fn resolve(&self, schema: &'d Value) -> Vec<&'d Value> {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap();
            return self.resolve(&self.0["components"]["schemas"][name]);
        }
        for key in ["oneOf", "anyOf", "allOf"] {
            if let Some(list) = schema[key].as_array() {
                return list.iter().flat_map(|s| self.resolve(s)).collect();
            }
        }
        vec![schema]
    }

    fn properties(&self, schema: &'d Value) -> Vec<(&'d String, &'d Value)> {
        let mut found = Vec::new();
        for alternative in self.resolve(schema) {
            for (key, inner) in alternative["properties"].as_object().into_iter().flatten() {
                if !found.iter().any(|(k, _)| *k == key) {
                    found.push((key, inner));
                }
            }
        }
        found
    }

    /// Bodies that differ from `base` in one property.
    fn bodies(&self, schema: &'d Value, base: &Value, depth: u8) -> Vec<Value> {
        let mut bodies = Vec::new();
        for (key, inner) in self.properties(schema) {
            let with = |value: Value| {
                let mut body = base.clone();
                body[key.as_str()] = value;
                body
            };
            bodies.extend(wrong_values().into_iter().map(with));
            if depth == 0 {
                continue;
            }
            for alternative in self.resolve(inner) {
                let nested = &base[key.as_str()];
                if alternative.get("properties").is_some() {
                    let start = if nested.is_object() {
                        nested.clone()
                    } else {
                        json!({})
                    };
                    bodies.extend(
                        self.bodies(alternative, &start, depth - 1)
                            .into_iter()
                            .map(with),
                    );
                } else if let Some(items) = alternative.get("items") {
                    let start = nested.get(0).filter(|n| n.is_object()).cloned();
                    let start = start.unwrap_or_else(|| json!({}));
                    let list = self.bodies(items, &start, depth - 1).into_iter();
                    bodies.extend(list.map(|one| with(json!([one]))));
                }
            }
        }
        bodies
    }
}

/// A body that the route accepts, so that one wrong property is the only thing wrong.
fn good(operation: &str, case: &Case) -> Value {
    let picture = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    match operation {
        "create_message" | "execute_webhook" | "update_message" | "update_webhook_message" => {
            json!({"content": "x", "embeds": [{"title": "t", "fields": [{"name": "n", "value": "v"}]}]})
        }
        "create_guild_channel" | "create_webhook" => json!({"name": "made"}),
        "create_thread" | "create_thread_from_message" => json!({"name": "made", "type": 11}),
        "create_guild_emoji" | "create_application_emoji" => {
            json!({"name": "made", "image": picture})
        }
        "create_guild_scheduled_event" => json!({
            "name": "e", "privacy_level": 2, "entity_type": 3, "entity_metadata": {"location": "l"},
            "scheduled_start_time": "2030-01-01T00:00:00Z",
            "scheduled_end_time": "2030-01-02T00:00:00Z",
            "recurrence_rule": {"start": "2030-01-01T00:00:00Z", "frequency": 1},
        }),
        "create_guild_soundboard_sound" => {
            json!({"name": "made", "sound": "data:audio/ogg;base64,T2dnUw=="})
        }
        "create_auto_moderation_rule" => json!({
            "name": "r", "event_type": 1, "trigger_type": 1, "actions": [{"type": 1, "metadata": {}}],
            "trigger_metadata": {"keyword_filter": ["zzz"]},
        }),
        "create_application_command" | "create_guild_application_command" => {
            json!({"name": "made", "description": "d", "options": [{"type": 3, "name": "o", "description": "d"}]})
        }
        "set_channel_permission_overwrite" => json!({"type": 0, "allow": "0", "deny": "0"}),
        "bulk_ban_users_from_guild" => json!({"user_ids": ["1"]}),
        "create_dm" => json!({"recipient_id": small::MEMBER}),
        "put_guilds_onboarding" => {
            json!({"prompts": [{"id": "1", "title": "t", "options": [{"title": "o"}]}]})
        }
        "update_guild_welcome_screen" => {
            json!({"welcome_channels": [{"channel_id": case.channel("rules"), "description": "d"}]})
        }
        "follow_channel" => json!({"webhook_channel_id": case.channel("media")}),
        "add_guild_member" => json!({"access_token": "none"}),
        "create_interaction_response" => json!({"type": 4, "data": {"content": "x"}}),
        _ => json!({}),
    }
}

/// A path of the route with things that exist.
fn path(route: &Route, case: &Case, webhook: &Value) -> String {
    let (message, emoji, sticker, rule, invite) = case.sandbox.with_world(|w| {
        let guild = &w.guilds[&GUILD];
        (
            *w.messages[&case_channel(w, "general")]
                .keys()
                .next()
                .unwrap(),
            *guild.emojis.keys().next().unwrap(),
            *guild.stickers.keys().next().unwrap(),
            guild.automod.keys().next().copied().unwrap_or_default(),
            w.invites.keys().next().cloned().unwrap_or_default(),
        )
    });
    let (event, sound) = case.sandbox.with_world(|w| {
        let guild = &w.guilds[&GUILD];
        let event = guild.scheduled_events.keys().next().copied();
        let sound = guild.sounds.keys().next().copied();
        (event.unwrap_or_default(), sound.unwrap_or_default())
    });
    let channel = match route.operation {
        "crosspost_message" | "follow_channel" => "announcements",
        _ => "general",
    };
    let text = |id: &Value| id.as_str().unwrap_or("1").to_owned();
    let steps = route.template.split('/').map(|step| {
        match step.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            None => step.to_owned(),
            Some("guild_id") => GUILD.to_string(),
            Some("channel_id") => case.channel(channel).to_string(),
            Some("message_id") => message.to_string(),
            Some("user_id") => small::SPARE.to_string(),
            Some("role_id" | "overwrite_id") => case.role("Regular").to_string(),
            Some("webhook_id") => text(&webhook["id"]),
            Some("webhook_token") => text(&webhook["token"]),
            Some("emoji_id") => emoji.to_string(),
            Some("sticker_id") => sticker.to_string(),
            Some("rule_id") => rule.to_string(),
            Some("guild_scheduled_event_id") => event.to_string(),
            Some("sound_id") => sound.to_string(),
            Some("code") => invite.clone(),
            Some("emoji_name") => "%F0%9F%91%8D".to_owned(),
            Some("application_id") => small::APPLICATION.to_string(),
            Some(_) => "1".to_owned(),
        }
    });
    steps.collect::<Vec<_>>().join("/")
}

fn case_channel(
    world: &splashtail_sandbox_world::world::World,
    name: &str,
) -> splashtail_sandbox_world::world::Id {
    let channels = world.guilds[&GUILD].channels.iter();
    *channels
        .into_iter()
        .find(|c| world.channels[c].name == name)
        .unwrap()
}

/// Who may do it: applications act for themselves, everything else is the owner's.
fn actor(route: &Route) -> Actor {
    let of_bots = ["/applications", "/users", "/interactions", "/gateway"];
    let bot = of_bots.iter().any(|p| route.template.starts_with(p))
        || route.operation == "add_guild_member";
    if bot {
        Actor::Http
    } else {
        Actor::User(small::OWNER)
    }
}

fn request(route: &Route, path: &str, kind: &str, body: impl Into<Bytes>) -> Request {
    let mut request = Request::act(route.method.clone(), path, &Value::Null);
    request.body = body.into();
    for (name, value) in [
        ("content-type", kind),
        ("authorization", bot_header()),
        ("user-agent", "DiscordBot (https://example.invalid, 1)"),
    ] {
        if !value.is_empty() {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers.insert(name, value);
        }
    }
    request
}

/// What is wrong with an answer, whatever the request was.
fn complaint(answer: &Response) -> Option<String> {
    if answer.status >= 500 {
        return Some(format!("status {}", answer.status));
    }
    if answer.status < 400 {
        return None;
    }
    let body = answer.json();
    if !body["message"].is_string() || !(body["code"].is_i64() || answer.status == 429) {
        return Some(format!("no error: {body}"));
    }
    let leafless = body["code"] == 50035 && !well_formed(&body["errors"]);
    leafless.then(|| format!("bad tree: {body}"))
}

/// A tree whose leaves are lists of `{code, message}`, both strings.
fn well_formed(tree: &Value) -> bool {
    tree.as_object().is_some_and(|map| {
        !map.is_empty()
            && map.iter().all(|(key, inner)| match key.as_str() {
                "_errors" => inner.as_array().is_some_and(|list| {
                    !list.is_empty()
                        && list
                            .iter()
                            .all(|e| e["code"].is_string() && e["message"].is_string())
                }),
                _ => well_formed(inner),
            })
    })
}

/// Sends a request; a panic is a complaint like another.
fn send(case: &Case, route: &Route, request: Request) -> Option<String> {
    let sent = AssertUnwindSafe(|| case.sandbox.dispatch(actor(route), request));
    match catch_unwind(sent) {
        Ok(answer) => complaint(&answer),
        Err(_) => Some("panicked".to_owned()),
    }
}

/// Routes with a body. Deletions have none, and would take away what the others work on.
fn writing() -> impl Iterator<Item = &'static Route> {
    routes()
        .iter()
        .filter(|r| !matches!(r.method, Method::GET | Method::DELETE))
}

/// A world, and the routes with their paths and good bodies in it, taken before anything changes.
fn prepared() -> (Case, Vec<(&'static Route, String, Value)>) {
    let case = Case::nonsense();
    let hooks = format!("/channels/{}/webhooks", case.channel("general"));
    let hook = case
        .bot(Method::POST, &hooks, json!({"name": "hook"}))
        .json();
    let rules = format!("/guilds/{GUILD}/auto-moderation/rules");
    let rule = good("create_auto_moderation_rule", &case);
    assert_eq!(case.bot(Method::POST, &rules, rule).status, 200);
    for (list, operation) in [
        ("scheduled-events", "create_guild_scheduled_event"),
        ("soundboard-sounds", "create_guild_soundboard_sound"),
    ] {
        let path = format!("/guilds/{GUILD}/{list}");
        let made = case.user(small::OWNER, Method::POST, &path, good(operation, &case));
        assert!(made.is_success(), "{}", made.json());
    }
    let invites = format!("/channels/{}/invites", case.channel("general"));
    assert_eq!(case.bot(Method::POST, &invites, json!({})).status, 200);
    let plan = writing().map(|r| (r, path(r, &case, &hook), good(r.operation, &case)));
    let plan = plan.collect();
    (case, plan)
}

fn shortened(body: &str) -> String {
    body.chars().take(300).collect()
}

#[test]
fn one_wrong_property_is_refused_politely() {
    let description = description();
    let schemas = Schemas(&description);
    let mut wrong = Vec::new();
    let mut sent = 0;
    let (case, plan) = prepared();
    for (route, path, base) in plan {
        let method = route.method.as_str().to_lowercase();
        let operation = &description["paths"][route.template][method];
        let content = operation["requestBody"]["content"].as_object();
        let Some(schema) = content
            .and_then(|c| c.values().next())
            .map(|c| &c["schema"])
        else {
            continue;
        };
        let resolved = schemas.resolve(schema);
        let listed = resolved.iter().find_map(|s| s.get("items"));
        let bodies: Vec<Value> = match listed {
            Some(items) => {
                let one = schemas.bodies(
                    items,
                    &json!({"id": GUILD, "name": "n", "description": "d"}),
                    1,
                );
                one.into_iter().map(|b| json!([b])).collect()
            }
            None => schemas.bodies(schema, &base, 2),
        };
        let step = bodies.len().div_ceil(150).max(1);
        for body in bodies.into_iter().step_by(step) {
            sent += 1;
            let text = body.to_string();
            let request = request(route, &path, "application/json", text.clone());
            if let Some(complaint) = send(&case, route, request) {
                wrong.push(format!(
                    "{} {}: {complaint}",
                    route.operation,
                    shortened(&text)
                ));
            }
        }
    }
    wrong.extend(case.objections());
    assert!(sent > 3000, "only {sent} bodies");
    assert!(
        wrong.is_empty(),
        "{} of {sent}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn broken_bodies_are_refused_politely() {
    let deep = "[".repeat(200_000);
    let long = format!("{{\"name\": \"{}\"}}", "y".repeat(2 << 20));
    let objects = "{\"a\":".repeat(100_000);
    let bodies: [(&str, &[u8]); 17] = [
        ("application/json", b""),
        ("application/json", b"{"),
        ("application/json", b"{\"name\": nul}"),
        ("application/json", b"\xff\xfe{}"),
        ("application/json", b"\"\\ud800\""),
        ("application/json", b"{\"name\": 1e999}"),
        ("application/json", b"{} {}"),
        ("application/json", deep.as_bytes()),
        ("application/json", objects.as_bytes()),
        ("application/json", long.as_bytes()),
        ("application/json", b"[1, 2]"),
        ("application/x-www-form-urlencoded", b"%zz=%ff&&=&a[b]=c"),
        ("multipart/form-data", b"--b\r\n"),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data\r\n\r\n--b--",
        ),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n[]\r\n--b--\r\n",
        ),
        ("text/plain", b"{}"),
        ("", b"{}"),
    ];
    let mut wrong = Vec::new();
    let (case, plan) = prepared();
    for (route, path, _) in plan {
        for (kind, body) in bodies {
            let request = request(route, &path, kind, Bytes::copy_from_slice(body));
            if let Some(complaint) = send(&case, route, request) {
                let shown = shortened(&String::from_utf8_lossy(body));
                wrong.push(format!("{} {kind} {shown}: {complaint}", route.operation));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Ids in the path that are no ids, and queries that make no sense.
#[test]
fn broken_paths_and_queries_are_refused_politely() {
    let case = Case::nonsense();
    let mut wrong = Vec::new();
    for route in routes() {
        for id in [
            "0",
            "x",
            "-1",
            "99999999999999999999999",
            "%00",
            "%ff",
            "1%2F2",
            "@me",
        ] {
            let steps = route.template.split('/');
            let path: Vec<_> = steps
                .map(|s| if s.starts_with('{') { id } else { s })
                .collect();
            let mut request = request(route, &path.join("/"), "application/json", "{}");
            request.query =
                "?&limit=-5&limit=x&before=&after=%ff&around=1e9&days=999&include_roles=,,x&action_type=70000&query=&with_counts=maybe"
                    .to_owned();
            if let Some(complaint) = send(&case, route, request) {
                wrong.push(format!("{} {id}: {complaint}", route.operation));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The property names of a schema that the tables above rely on are really found.
#[test]
fn bodies_follow_the_description() {
    let description = description();
    let operation = &description["paths"]["/channels/{channel_id}/messages"]["post"];
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let properties: Map<String, Value> = Schemas(&description)
        .properties(schema)
        .into_iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    for key in [
        "content",
        "embeds",
        "allowed_mentions",
        "components",
        "poll",
    ] {
        assert!(properties.contains_key(key), "{key}");
    }
}
