//! Who may do what, as the people of a server set it: by slash commands, by the signed settings
//! operation, and back.

use serde_json::{Value, json};
use splashtail_core::clock::SystemClock;
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_ipc::signing::Signer;
use tempfile::TempDir;

/// Of the sandbox's small world: has the roles Manager (Manage Server) and Regular.
const MANAGER: &str = "1100000000000000012";

/// What somebody saw after a command.
async fn say(platform: &Platform, user: &str, command: &str, options: Value) -> String {
    let seen = backups::command(platform, GUILD, user, command, options)
        .await
        .unwrap();
    assert!(
        seen.ack_ms.is_some(),
        "{command} stays unanswered\n{}",
        platform.logs()
    );
    // Markdown of others is quoted: without the signs of that.
    serde_json::to_string(&seen.messages)
        .unwrap()
        .replace(r"\\", "")
}

async fn expect(platform: &Platform, user: &str, command: &str, options: Value, words: &[&str]) {
    let text = say(platform, user, command, options.clone()).await;
    for word in words {
        assert!(
            text.contains(word),
            "/{command} {options}: no “{word}” in {text}"
        );
    }
}

async fn role(platform: &Platform, name: &str) -> String {
    let roles = backups::discord(platform, &format!("/guilds/{GUILD}/roles"))
        .await
        .unwrap();
    let roles = roles.as_array().unwrap();
    let role = roles.iter().find(|role| role["name"] == name);
    role.unwrap()["id"].as_str().unwrap().to_owned()
}

/// A question to the cluster of the server, as the webserver asks it.
async fn ask(platform: &Platform, question: Value) -> (u16, Value) {
    let secret = backups::client_secret(platform, "api").unwrap();
    let signer = Signer::new("api", secret.into(), "iserver:0", SystemClock::shared());
    let client = reqwest::Client::new();
    let url = platform.ready.iserver[&0].clone();
    let mut request = client.post(url).json(&question).build().unwrap();
    signer.sign(&mut request).unwrap();
    let answer = client.execute(request).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn operation(user: &str, setting: &str, op: &str, fields: Value) -> Value {
    json!({"SettingsOperation": {"guild_id": GUILD, "user_id": user, "module": "settings",
        "setting": setting, "op": op, "fields": fields}})
}

#[tokio::test]
async fn permissions_are_set_used_and_taken_back() {
    let dir = TempDir::new().unwrap();
    let platform = &Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let regular = role(platform, "Regular").await;
    let administrators = role(platform, "Administrator").await;

    anybody_may_look(platform).await;
    roles(platform, &regular, &administrators).await;
    switches(platform).await;
    by_the_settings_operation(platform, &regular).await;
}

/// `/commands check` tells people what they may do, when everybody may run it.
async fn anybody_may_look(platform: &Platform) {
    let open = json!({"command": "commands check", "checks": r#"{"checks":[]}"#});
    expect(
        platform,
        PLAIN_MEMBER,
        "commands modperms",
        open.clone(),
        &["missing_any_perms"],
    )
    .await;
    expect(platform, OWNER, "commands modperms", open, &["change 1"]).await;
    may(platform, PLAIN_MEMBER, "backups list", "missing_any_perms").await;
}

/// Whether somebody may run a command.
async fn may(platform: &Platform, user: &str, command: &str, code: &str) {
    let asked = json!({"command": command});
    expect(
        platform,
        user,
        "commands check",
        asked,
        &[&format!("`{code}`")],
    )
    .await;
}

async fn roles(platform: &Platform, regular: &str, administrators: &str) {
    let list = json!({"role": regular, "perms": "server_backups.list"});
    let denied = ["missing_any_perms"];
    expect(platform, MANAGER, "perms modrole", list.clone(), &denied).await;
    may(platform, MANAGER, "backups list", "missing_any_perms").await;
    // Discord's Administrator opens the command, but nobody gives what they do not have.
    let refused = ["configured role"];
    expect(
        platform,
        ADMINISTRATOR,
        "perms modrole",
        list.clone(),
        &refused,
    )
    .await;

    let done = ["change 2", "server_backups.list"];
    expect(platform, OWNER, "perms modrole", list, &done).await;
    expect(
        platform,
        MANAGER,
        "backups list",
        json!({}),
        &["Backups of this server"],
    )
    .await;

    // The administrators come before the others, who move.
    let strong =
        json!({"role_id": administrators, "perms": "server_backups.*, perms.*", "index": 1});
    expect(
        platform,
        OWNER,
        "guild_roles create",
        strong,
        &["change 3", "that moved: 1"],
    )
    .await;
    let too_much = json!({"role": regular, "perms": "global.*"});
    expect(
        platform,
        ADMINISTRATOR,
        "perms modrole",
        too_much,
        &["do not hold"],
    )
    .await;
    let own = json!({"role": administrators, "perms": "server_backups.*"});
    expect(
        platform,
        ADMINISTRATOR,
        "perms modrole",
        own,
        &["below your highest role"],
    )
    .await;
    let fine = json!({"role": regular, "perms": "server_backups.create,~server_backups.list"});
    expect(
        platform,
        ADMINISTRATOR,
        "perms modrole",
        fine,
        &["change 4"],
    )
    .await;
    may(platform, MANAGER, "backups list", "missing_any_perms").await;
    let nonsense = json!({"role": regular, "perms": "everything"});
    expect(platform, OWNER, "perms modrole", nonsense, &["needs a dot"]).await;

    let history = ["**4**", ADMINISTRATOR, "server_backups.create"];
    expect(platform, OWNER, "perms history", json!({}), &history).await;
    expect(
        platform,
        MANAGER,
        "perms undo",
        json!({"change": 4}),
        &denied,
    )
    .await;
    expect(
        platform,
        OWNER,
        "perms undo",
        json!({"change": 4}),
        &["change 5"],
    )
    .await;
    may(platform, MANAGER, "backups list", "ok").await;
    expect(
        platform,
        OWNER,
        "perms undo",
        json!({"change": 4}),
        &["changed again since"],
    )
    .await;
    expect(
        platform,
        OWNER,
        "perms list",
        json!({}),
        &["1. <@&", "2. <@&"],
    )
    .await;
    expect(
        platform,
        OWNER,
        "guild_roles view",
        json!({}),
        &["entries: 2"],
    )
    .await;
}

async fn switches(platform: &Platform) {
    let backups = json!({"module": "server_backups"});
    expect(
        platform,
        MANAGER,
        "modules disable",
        backups.clone(),
        &["missing_any_perms"],
    )
    .await;
    expect(
        platform,
        ADMINISTRATOR,
        "modules disable",
        backups.clone(),
        &["change 6"],
    )
    .await;
    may(platform, OWNER, "backups list", "module_disabled").await;
    expect(
        platform,
        OWNER,
        "modules list",
        json!({}),
        &["`server_backups`: off, set here"],
    )
    .await;
    expect(platform, OWNER, "modules enable", backups, &["change 7"]).await;
    may(platform, OWNER, "backups list", "ok_with_message").await;
    for module in ["core", "settings"] {
        let off = json!({"module": module});
        expect(
            platform,
            OWNER,
            "modules disable",
            off,
            &["cannot be switched"],
        )
        .await;
    }
    expect(
        platform,
        OWNER,
        "modules disable",
        json!({"module": "magic"}),
        &["cannot be used"],
    )
    .await;

    let ping = json!({"command": "ping"});
    expect(
        platform,
        OWNER,
        "commands disable",
        ping.clone(),
        &["change 8"],
    )
    .await;
    expect(platform, OWNER, "ping", json!({}), &["command_disabled"]).await;
    expect(
        platform,
        OWNER,
        "commands check",
        ping.clone(),
        &["command_disabled"],
    )
    .await;
    expect(platform, OWNER, "commands enable", ping, &["change 9"]).await;
    // An administrator who asks for what they do not have locks themselves out.
    let checks =
        json!({"command": "stats", "checks": r#"{"checks":[{"kittycat_perms":["a.b"]}]}"#});
    expect(
        platform,
        ADMINISTRATOR,
        "commands modperms",
        checks.clone(),
        &["lock yourself out"],
    )
    .await;
    expect(platform, OWNER, "commands modperms", checks, &["change 10"]).await;
    expect(
        platform,
        MANAGER,
        "stats",
        json!({}),
        &["missing_any_perms", "a.b"],
    )
    .await;
    let broken = json!({"command": "stats", "checks": "everybody"});
    expect(
        platform,
        OWNER,
        "commands modperms",
        broken,
        &["has to be JSON"],
    )
    .await;
}

async fn by_the_settings_operation(platform: &Platform, regular: &str) {
    let view = operation(OWNER, "guild_roles", "View", json!({}));
    let (status, seen) = ask(platform, view.clone()).await;
    assert_eq!((status, &seen["Ok"]["count"]), (200, &json!(2)), "{seen}");
    let stranger = operation(MANAGER, "guild_roles", "View", json!({}));
    let (_, denied) = ask(platform, stranger).await;
    assert_eq!(
        denied["PermissionError"]["res"]["var"], "MissingAnyPerms",
        "{denied}"
    );

    let wrong = json!({"user_id": "nobody", "perm_overrides": ["a. b"], "public": "maybe", "x": 1});
    let (status, wrong) = ask(platform, operation(OWNER, "guild_members", "Create", wrong)).await;
    let errors = wrong["Err"]["errors"].as_array().unwrap();
    assert_eq!((status, errors.len()), (200, 4), "{wrong}");
    assert_eq!(
        wrong["Err"]["error"]["SchemaCheckValidationError"]["column"],
        "user_id"
    );

    let member = json!({"user_id": MANAGER, "perm_overrides": ["~server_backups.list"]});
    let (_, made) = ask(
        platform,
        operation(OWNER, "guild_members", "Create", member.clone()),
    )
    .await;
    assert_eq!(made["Ok"]["fields"][0]["public"], false, "{made}");
    let (_, again) = ask(
        platform,
        operation(OWNER, "guild_members", "Create", member),
    )
    .await;
    assert_eq!(
        again["Err"]["error"]["RowExists"]["column_id"], "user_id",
        "{again}"
    );
    // The running bot heard of it.
    may(platform, MANAGER, "backups list", "missing_any_perms").await;
    let key = json!({"role_id": regular});
    let (_, gone) = ask(platform, operation(OWNER, "guild_roles", "Delete", key)).await;
    assert_eq!(gone["Ok"]["fields"], json!([]), "{gone}");

    let unknown = operation(OWNER, "guild_colours", "View", json!({}));
    assert_eq!(ask(platform, unknown).await.0, 404);
    let (_, modules) = ask(platform, json!("Modules")).await;
    let options = modules["settings"]["config_options"].as_array().unwrap();
    assert_eq!(
        (options.len(), &options[0]["id"]),
        (5, &json!("guild_roles"))
    );
    let options = modules["antinuke"]["config_options"].as_array().unwrap();
    let ids: Vec<_> = options.iter().map(|option| &option["id"]).collect();
    assert_eq!(
        ids,
        [
            "protection_policy",
            "protection_trust",
            "protection_limits",
            "limitactions",
            "protection_maintenance"
        ]
    );
}
