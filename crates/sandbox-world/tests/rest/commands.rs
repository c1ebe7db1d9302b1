//! Application commands.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;

use crate::harness::{Case, GUILD, code};

#[test]
fn commands_are_upserted_and_replaced_in_bulk() {
    let case = Case::unlimited();
    for path in [
        format!("/applications/{}/commands", small::APPLICATION),
        format!(
            "/applications/{}/guilds/{GUILD}/commands",
            small::APPLICATION
        ),
    ] {
        let ping = json!({"name": "ping", "description": "Ping"});
        let made = case.bot(Method::POST, &path, ping.clone());
        assert_eq!(made.status, 201, "{}", made.json());
        let again = case.bot(
            Method::POST,
            &path,
            json!({"name": "ping", "description": "Pong"}),
        );
        assert_eq!(
            (again.status, &again.json()["id"]),
            (200, &made.json()["id"])
        );
        assert_ne!(again.json()["version"], made.json()["version"]);
        let backups = json!({"name": "backups", "description": "b", "default_member_permissions": "32", "options": [
            {"type": 1, "name": "create", "description": "c", "options": [
                {"type": 5, "name": "messages", "description": "m"},
                {"type": 3, "name": "mode", "description": "m", "choices": [{"name": "full", "value": "full"}]},
                {"type": 4, "name": "n", "description": "m", "min_value": 1, "autocomplete": true}]}]});
        let all = case.bot(
            Method::PUT,
            &path,
            json!([ping, backups, {"name": "Report", "type": 2}]),
        );
        assert_eq!(all.status, 200, "{}", all.json());
        assert_eq!(all.json()[0]["id"], made.json()["id"], "the id stays");
        assert_eq!(case.get(&path).json().as_array().unwrap().len(), 3);
        let id = all.json()[1]["id"].as_str().unwrap().to_owned();
        assert_eq!(
            case.get(&format!("{path}/{id}")).json()["default_member_permissions"],
            "32"
        );
        assert_eq!(
            case.bot(
                Method::PATCH,
                &format!("{path}/{id}"),
                json!({"description": "new"})
            )
            .status,
            200
        );
        assert_eq!(
            case.bot(Method::DELETE, &format!("{path}/{id}"), Value::Null)
                .status,
            204
        );
        assert_eq!(code(&case.get(&format!("{path}/{id}"))), 10063);
    }
    case.finish();
}

#[test]
fn bad_commands_are_refused_with_their_path() {
    let case = Case::unlimited();
    let path = format!("/applications/{}/commands", small::APPLICATION);
    let field = |body: Value| case.bot(Method::POST, &path, body).json()["errors"].clone();
    assert_eq!(
        field(json!({"name": "Ping", "description": "x"}))["name"]["_errors"][0]["code"],
        "APPLICATION_COMMAND_INVALID_NAME"
    );
    assert_eq!(
        field(json!({"name": "a b", "description": "x"}))["name"]["_errors"][0]["code"],
        "APPLICATION_COMMAND_INVALID_NAME"
    );
    assert_eq!(
        field(json!({"name": "ok"}))["description"]["_errors"][0]["code"],
        "BASE_TYPE_REQUIRED"
    );
    let order = json!({"name": "ok", "description": "x", "options": [
        {"type": 3, "name": "a", "description": "x"}, {"type": 3, "name": "b", "description": "x", "required": true}]});
    assert_eq!(
        field(order)["options"]["1"]["required"]["_errors"][0]["code"],
        "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"
    );
    let over: Vec<Value> = (0..101)
        .map(|n| json!({"name": format!("c{n}"), "description": "x"}))
        .collect();
    assert_eq!(code(&case.bot(Method::PUT, &path, json!(over))), 30032);
    assert_eq!(
        code(&case.bot(Method::GET, "/applications/5/commands", Value::Null)),
        10002
    );
}

#[test]
fn two_hundred_creates_a_day() {
    let case = Case::unlimited();
    let path = format!("/applications/{}/commands", small::APPLICATION);
    let batch = |from: u32| -> Value {
        (from..from + 100)
            .map(|n| json!({"name": format!("c{n}"), "description": "x"}))
            .collect()
    };
    assert_eq!(case.bot(Method::PUT, &path, batch(0)).status, 200);
    assert_eq!(case.bot(Method::PUT, &path, batch(100)).status, 200);
    assert_eq!(code(&case.bot(Method::PUT, &path, batch(200))), 30034);
    case.advance_ms(86_400_000);
    assert_eq!(case.bot(Method::PUT, &path, batch(200)).status, 200);
}

/// Sheet §9: what still passes, and what is one too many.
#[test]
fn commands_have_limits() {
    let case = Case::unlimited();
    let path = format!("/applications/{}/commands", small::APPLICATION);
    let command = |extra: Value| {
        let mut body = json!({"name": "limits", "description": "d"});
        for (key, value) in extra.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    let options = |n: usize| -> Vec<Value> {
        (0..n)
            .map(|i| json!({"type": 3, "name": format!("o{i}"), "description": "d"}))
            .collect()
    };
    let choices = |n: usize| -> Value {
        let all: Vec<Value> = (0..n)
            .map(|i| json!({"name": format!("{i}"), "value": format!("{i}")}))
            .collect();
        json!([{"type": 3, "name": "o", "description": "d", "choices": all}])
    };
    let translated = |n: usize| {
        let choice =
            json!({"name": "c", "value": "c", "name_localizations": {"de": "ß".repeat(n)}});
        json!([{"type": 3, "name": "o", "description": "d", "choices": [choice]}])
    };
    let nested = |kind: u8, inner: Value| json!([{"type": kind, "name": "g", "description": "d", "options": inner}]);
    let sub = json!([{"type": 1, "name": "s", "description": "d"}]);
    // 25 options of 100 + 2..3 characters each come to less than 8000; with full choices to more.
    let heavy: Vec<Value> = (0..4)
        .map(|i| {
            let all: Vec<Value> = (0..25)
                .map(|c| json!({"name": format!("{c:0>50}"), "value": format!("{c:0>50}")}))
                .collect();
            json!({"type": 3, "name": format!("o{i}"), "description": "d", "choices": all})
        })
        .collect();
    // Each text counts in its longest language (discord-api-docs#5343): 130 + 2 × the longer text.
    let spoken = |count: usize, de: usize, fr: usize| -> Value {
        let option = |n: usize| {
            let names = json!({"de": "n".repeat(30)});
            let texts = json!({"de": "d".repeat(de), "fr": "f".repeat(fr)});
            json!({"type": 3, "name": format!("o{n}"), "description": "d",
                "name_localizations": names, "description_localizations": texts,
                "choices": [{"name": "c", "value": "v".repeat(100), "name_localizations": texts}]})
        };
        (0..count).map(option).collect()
    };
    let rows = [
        (
            "8,005 characters in the longest languages",
            command(json!({"name": "four", "options": spoken(25, 95, 90)})),
            false,
        ),
        (
            "7,955 characters in the longest languages, and more in all",
            command(json!({"name": "four", "options": spoken(25, 94, 94)})),
            true,
        ),
        (
            "8,000 characters with a translated description",
            command(
                json!({"name": "four", "description_localizations": {"de": "d".repeat(46)},
                "options": spoken(25, 94, 94)}),
            ),
            true,
        ),
        (
            "8,001 characters with a translated description",
            command(
                json!({"name": "four", "description_localizations": {"de": "d".repeat(47)},
                "options": spoken(25, 94, 94)}),
            ),
            false,
        ),
        (
            "a name of 32",
            command(json!({"name": "x".repeat(32)})),
            true,
        ),
        (
            "a name of 33",
            command(json!({"name": "x".repeat(33)})),
            false,
        ),
        (
            "letters of other scripts",
            command(json!({"name": "ping-пинг_ไทย"})),
            true,
        ),
        ("capitals", command(json!({"name": "Limits"})), false),
        ("a dot", command(json!({"name": "a.b"})), false),
        (
            "a description of 100",
            command(json!({"description": "x".repeat(100)})),
            true,
        ),
        (
            "a description of 101",
            command(json!({"description": "x".repeat(101)})),
            false,
        ),
        ("25 options", command(json!({"options": options(25)})), true),
        (
            "26 options",
            command(json!({"options": options(26)})),
            false,
        ),
        ("25 choices", command(json!({"options": choices(25)})), true),
        (
            "26 choices",
            command(json!({"options": choices(26)})),
            false,
        ),
        (
            "a translated choice of 100",
            command(json!({"options": translated(100)})),
            true,
        ),
        (
            "a translated choice of 101",
            command(json!({"options": translated(101)})),
            false,
        ),
        (
            "a translated name of 33",
            command(json!({"name_localizations": {"de": "x".repeat(33)}})),
            false,
        ),
        (
            "a subcommand in a group",
            command(json!({"options": nested(2, sub.clone())})),
            true,
        ),
        (
            "a subcommand in a subcommand",
            command(json!({"options": nested(1, sub)})),
            false,
        ),
        (
            "7,500 characters",
            command(json!({"options": heavy[..3]})),
            true,
        ),
        (
            "10,000 characters",
            command(json!({"options": heavy})),
            false,
        ),
        (
            "a menu command with a description",
            json!({"name": "Report user", "type": 2, "description": "no"}),
            false,
        ),
        (
            "a menu command without",
            json!({"name": "Report user", "type": 2}),
            true,
        ),
        ("no such type", command(json!({"type": 9})), false),
    ];
    for (name, body, fits) in rows {
        let given = case.bot(Method::POST, &path, body);
        assert_eq!(given.is_success(), fits, "{name}: {}", given.json());
        if !fits {
            assert_eq!((given.status, code(&given)), (400, 50035), "{name}");
        }
    }
    // Per scope and type.
    let many = |kind: u8, n: usize| -> Value {
        let command = |i| {
            let mut body = json!({"name": format!("c{i}"), "type": kind});
            if kind == 1 {
                body["description"] = "d".into();
            }
            body
        };
        (0..n).map(command).collect()
    };
    let guild = format!(
        "/applications/{}/guilds/{GUILD}/commands",
        small::APPLICATION
    );
    for (kind, most) in [(1, 100), (2, 15), (3, 15)] {
        assert_eq!(
            case.bot(Method::PUT, &guild, many(kind, most)).status,
            200,
            "{kind}"
        );
        let over = case.bot(Method::PUT, &guild, many(kind, most + 1));
        assert_eq!((over.status, code(&over)), (400, 30032), "{kind}");
    }
}
