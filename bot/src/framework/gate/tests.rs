use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use chrono::DateTime;
use serde_json::{Value, json};
use splashtail_core::clock::ManualClock;
use splashtail_core::environment::Environment;
use splashtail_core::ids::RoleId;
use splashtail_permissions::NativePermissions;
use splashtail_storage::StorageError;

use super::*;
use crate::inputs::{Hear, Source};
use crate::modules::{all, assemble::assemble, foundation};

/// Rows as given, or a database that is away.
#[derive(Default)]
struct Given {
    rows: Mutex<Vec<(&'static str, &'static str, Value)>>,
    loads: AtomicUsize,
    away: bool,
}

struct Rows(Arc<Given>);

#[async_trait]
impl Source<PermissionRows> for Rows {
    async fn load(&self, _: GuildId) -> Result<(i64, PermissionRows), StorageError> {
        let version = self.0.loads.fetch_add(1, Ordering::SeqCst) + 1;
        if self.0.away {
            return Err(StorageError::Stopped);
        }
        let rows = self.0.rows.lock().unwrap();
        let rows = rows
            .iter()
            .map(|(setting, entry, fields)| (*setting, *entry, fields));
        Ok((i64::try_from(version).unwrap(), PermissionRows::read(rows)?))
    }
}

struct World {
    gate: Gate,
    kept: Arc<Kept<PermissionRows>>,
    given: Arc<Given>,
}

async fn world(given: Given) -> World {
    let given = Arc::new(given);
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let kept = Kept::new(Rows(Arc::clone(&given)), clock.shared());
    let foundation = foundation::for_tests().await;
    let registry = Arc::new(assemble(&all(&foundation)).unwrap().registry);
    let config = Config::embedded(Path::new("/nowhere"), Environment::Staging);
    World {
        gate: Gate::new(registry, Arc::clone(&kept), &config),
        kept,
        given,
    }
}

fn given(rows: &[(&'static str, &'static str, Value)]) -> Given {
    Given {
        rows: Mutex::new(rows.to_vec()),
        ..Given::default()
    }
}

fn guild() -> GuildId {
    GuildId::new(1_100_000_000_001_179_648).unwrap()
}

fn standing(is_owner: bool, native: u64) -> Result<Standing, PermissionResult> {
    Ok(Standing {
        is_owner,
        native: NativePermissions(native),
        roles: vec![
            RoleId::new(guild().get()).unwrap(),
            RoleId::new(12).unwrap(),
        ],
        positions: Vec::new(),
    })
}

impl World {
    async fn ask(
        &self,
        command: &str,
        standing: Result<Standing, PermissionResult>,
    ) -> &'static str {
        let question = Question {
            guild: guild(),
            user: UserId::new(7).unwrap(),
            command,
            options: &CheckOptions::default(),
        };
        self.gate.decide(&question, &standing).await.code()
    }

    fn loads(&self) -> usize {
        self.given.loads.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn administrators_pass_and_members_do_not() {
    let world = world(Given::default()).await;
    let create = "backups create";
    assert_eq!(world.ask(create, standing(false, 8)).await, "ok");
    assert_eq!(
        world.ask(create, standing(true, 0)).await,
        "ok_with_message"
    );
    assert_eq!(
        world.ask(create, standing(false, 32)).await,
        "missing_any_perms"
    );
    assert_eq!(
        world.ask("nothing", standing(true, 8)).await,
        "module_not_found"
    );
}

#[tokio::test]
async fn a_warm_gate_asks_no_database() {
    let world = world(Given::default()).await;
    for native in [8, 0, 8] {
        world.ask("backups create", standing(false, native)).await;
        world.ask("help", standing(false, native)).await;
    }
    assert_eq!(world.loads(), 1);
    let set = (
        "guild_members",
        "7",
        json!({"user_id": "7", "perm_overrides": ["server_backups.*"]}),
    );
    world.given.rows.lock().unwrap().push(set);
    assert_eq!(
        world.ask("backups create", standing(false, 0)).await,
        "missing_any_perms"
    );
    world.kept.changed(guild(), 2);
    assert_eq!(world.ask("backups create", standing(false, 0)).await, "ok");
    assert_eq!(world.loads(), 2);
}

/// `scripts/bench events` reads the line that it prints.
#[tokio::test]
#[allow(clippy::print_stdout, reason = "a figure")]
async fn ten_thousand_questions_of_a_warm_gate_ask_the_database_once() {
    let rows: Vec<_> = (1..40)
        .map(|n: u64| {
            let name: &'static str = n.to_string().leak();
            let perms = ["server_backups.create", "core.*"];
            let role = json!({"role_id": name, "perms": perms, "index": n});
            ("guild_roles", name, role)
        })
        .collect();
    let world = world(given(&rows)).await;
    let mut took = Vec::new();
    for _ in 0..10_000 {
        let begun = Instant::now();
        assert_eq!(world.ask("backups create", standing(false, 0)).await, "ok");
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    println!(
        "| the gate's verdict on a command, rows of 39 roles known, p50 / p99 | {:?} / {:?} |",
        took[5_000], took[9_900]
    );
    assert_eq!(world.loads(), 1);
}

#[tokio::test]
async fn every_failure_denies_owners_too() {
    let away = world(Given {
        away: true,
        ..Given::default()
    })
    .await;
    assert_eq!(away.ask("help", standing(true, 8)).await, "generic_error");
    let unknown = Err(PermissionResult::DiscordError {
        error: "x".to_owned(),
    });
    let fine = world(Given::default()).await;
    assert_eq!(fine.ask("help", unknown).await, "discord_error");
    // Checks that cannot be read are no reason to fall back to weaker ones.
    let unreadable = json!({"command": "backups", "disabled": null, "perms": {"checks": "all"}});
    let corrupt = world(given(&[("command_configuration", "backups", unreadable)])).await;
    assert_eq!(
        corrupt.ask("backups create", standing(true, 8)).await,
        "generic_error"
    );
}

#[tokio::test]
async fn rows_of_roles_members_commands_and_modules_count() {
    let role = json!({"role_id": "12", "perms": ["server_backups.create"], "index": 1});
    let other = json!({"role_id": "13", "perms": ["server_backups.list"], "index": 2});
    let world = world(given(&[
        ("guild_roles", "12", role),
        ("guild_roles", "13", other),
        (
            "command_configuration",
            "ping",
            json!({"command": "ping", "disabled": true, "perms": null}),
        ),
        (
            "module_configuration",
            "core",
            json!({"module": "core", "disabled": true, "default_perms": null}),
        ),
        (
            "module_configuration",
            "settings",
            json!({"module": "settings", "disabled": true, "default_perms": null}),
        ),
    ]))
    .await;
    assert_eq!(world.ask("backups create", standing(false, 0)).await, "ok");
    // Restricting an alias restricts nothing else than the command.
    assert_eq!(world.ask("backup create", standing(false, 0)).await, "ok");
    assert_eq!(
        world.ask("backups list", standing(false, 0)).await,
        "missing_any_perms"
    );
    assert_eq!(
        world.ask("ping", standing(true, 0)).await,
        "command_disabled"
    );
    assert_eq!(
        world.ask("help", standing(false, 0)).await,
        "ok",
        "core cannot be off"
    );
    assert!(world.gate.is_enabled(guild(), "core") && world.gate.is_enabled(guild(), "settings"));
    assert!(!world.gate.is_enabled(guild(), "nothing"));
}

#[tokio::test]
async fn whether_a_module_is_on_is_known_without_waiting() {
    let off = json!({"module": "server_backups", "disabled": true, "default_perms": null});
    let world = world(given(&[("module_configuration", "server_backups", off)])).await;
    assert!(
        world.gate.is_enabled(guild(), "server_backups"),
        "by default"
    );
    while world.gate.is_enabled(guild(), "server_backups") {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.loads(), 1);
}

#[tokio::test]
async fn a_module_that_is_off_altogether_is_off_whatever_a_guild_has_set() {
    let on = json!({"module": "server_backups", "disabled": false, "default_perms": null});
    let world = world(given(&[("module_configuration", "server_backups", on)])).await;
    let (gate, backups) = (&world.gate, "server_backups");
    assert_eq!(gate.switch("nothing", false), Err(NoToggle::NoModule));
    for fixed in ["core", "settings", "antinuke"] {
        assert_eq!(gate.switch(fixed, false), Err(NoToggle::Fixed), "{fixed}");
    }
    gate.switch(backups, false).unwrap();
    let denied = world.ask("backups list", standing(true, 8)).await;
    assert_eq!(denied, "module_disabled");
    assert!(!gate.is_enabled(guild(), backups));
    gate.switch(backups, true).unwrap();
    let allowed = world.ask("backups list", standing(true, 8)).await;
    assert_eq!(allowed, "ok_with_message");
    assert!(gate.is_enabled(guild(), backups));
}

/// A verdict for a token once stood for the user's own, and the other way round.
#[tokio::test]
async fn a_token_and_its_user_have_verdicts_of_their_own() {
    let member = json!({"user_id": "7", "perm_overrides": ["server_backups.*"]});
    let world = world(given(&[("guild_members", "7", member)])).await;
    let of = async |custom: Option<&str>| {
        let options = CheckOptions {
            custom_resolved_kittycat_perms: custom.map(|text| vec![Permission::parse(text)]),
            ..CheckOptions::default()
        };
        let question = Question {
            guild: guild(),
            user: UserId::new(7).unwrap(),
            command: "backups create",
            options: &options,
        };
        let standing = standing(false, 0);
        world.gate.decide(&question, &standing).await.is_ok()
    };
    for _ in 0..2 {
        assert!(!of(Some("server_backups.list")).await);
        assert!(of(None).await);
        assert!(of(Some("server_backups.create")).await);
    }
}

/// The names that people read stand in a crate that knows nothing of Discord's arithmetic.
#[test]
fn permissions_that_can_be_asked_for_are_those_that_discord_has() {
    use splashtail_guild::permissions::bits::NAMED;
    let all = NAMED.iter().fold(0, |all, (_, bit)| all | bit);
    assert_eq!(NativePermissions(u64::MAX).known(), NativePermissions(all));
}
