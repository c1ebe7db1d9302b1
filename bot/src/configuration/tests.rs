use serde_json::json;
use splashtail_api_types::settings::SettingsError;
use splashtail_core::config::Config;
use splashtail_core::ids::{ChannelId, GuildId, RoleId, UserId};
use splashtail_permissions::{NativePermissions, Permission};

use super::*;
use crate::framework::gate::{COMMANDS, MEMBERS, MODULES, ROLES, StoredRows};
use crate::inputs::Kept;
use crate::modules::foundation::{self, Foundation};
use crate::modules::{all, assemble::assemble};

mod clusters;
mod protection;

/// Roles by id and position: everyone 0, members 10, moderators 20, heads 30.
const POSITIONS: [(u64, i64); 4] = [(1, 0), (10, 10), (20, 20), (30, 30)];

/// Roles of members: 200 is a moderator, 300 a member, of 404 nothing is known, others left.
struct Held;

#[async_trait::async_trait]
impl GuildKnowledge for Held {
    fn has_channel(&self, _: GuildId, channel: ChannelId) -> bool {
        channel.get() == 50
    }

    async fn roles(&self, _: GuildId, user: UserId) -> Result<Vec<RoleId>, PermissionResult> {
        let held: &[u64] = match user.get() {
            200 => &[20, 1],
            300 => &[10, 1],
            404 => return Err(crate::framework::gate::not_connected()),
            _ => &[1],
        };
        Ok(held.iter().copied().filter_map(RoleId::new).collect())
    }
}

pub(super) async fn configuration() -> Configuration {
    configuration_on(foundation::for_tests().await)
}

fn configuration_on(mut foundation: Foundation) -> Configuration {
    let mut config = Config::clone(&foundation.config);
    // Whose bot it is, without which protection cannot be set.
    config.discord_auth.token = Some("MTEwMDAwMDAwMDAwMDAwMDAwMQ.sandbox.small".into());
    let secrets = &mut config.meta.jobserver_secrets;
    secrets.insert("bot".to_owned(), "a secret of the two".into());
    foundation.config = Arc::new(config);
    let registry = Arc::new(assemble(&all(&foundation)).unwrap().registry);
    let rows = StoredRows {
        storage: foundation.storage.clone(),
        clock: Arc::clone(&foundation.clock),
    };
    let rows = Kept::new(rows, Arc::clone(&foundation.clock));
    foundation.changes.heard_by(Arc::clone(&rows) as _);
    let config: &Config = &foundation.config;
    let gate = Arc::new(Gate::new(registry, rows, config));
    Configuration::new(
        gate,
        foundation.storage.clone(),
        Arc::clone(&foundation.changes),
        Arc::new(Held),
        Arc::clone(&foundation.clock),
    )
}

fn asked(user: u64, is_owner: bool, native: u64, roles: &[u64]) -> Asked {
    let id = |id: u64| RoleId::new(id).unwrap();
    Asked {
        guild: GuildId::new(1).unwrap(),
        user: UserId::new(user).unwrap(),
        standing: Standing {
            is_owner,
            native: NativePermissions(native),
            roles: roles.iter().copied().chain([1]).map(id).collect(),
            positions: POSITIONS.map(|(role, at)| (id(role), at)).into(),
        },
        custom: None,
        way: Way::Discord,
        command: None,
    }
}

pub(super) fn owner() -> Asked {
    asked(100, true, 0, &[])
}

/// Administrator with the moderators' role.
pub(super) fn moderator() -> Asked {
    asked(200, false, 8, &[20])
}

pub(super) fn fields(value: Value) -> Fields {
    value.as_object().cloned().unwrap()
}

pub(super) fn told(refusal: Result<Changed, Refusal>) -> String {
    match refusal {
        Ok(changed) => panic!("allowed: {changed:?}"),
        Err(Refusal::Denied(denied)) => denied.code().to_owned(),
        Err(other) => other.to_string(),
    }
}

async fn role(
    configuration: &Configuration,
    asked: &Asked,
    role: &str,
    perms: &str,
    index: Option<i64>,
) -> Result<Changed, Refusal> {
    let given = fields(json!({"role_id": role, "perms": perms, "index": index}));
    configuration.set(asked, ROLES, &given).await
}

async fn order(configuration: &Configuration) -> Vec<(String, i64)> {
    let view = configuration.view(&owner(), ROLES, 0, 100).await.unwrap();
    let mut order: Vec<_> = view
        .rows
        .iter()
        .map(|row| {
            let role = row["role_id"].as_str().unwrap().to_owned();
            (role, row["index"].as_i64().unwrap())
        })
        .collect();
    order.sort_by_key(|(_, index)| *index);
    order
}

#[tokio::test]
async fn roles_move_out_of_the_way_as_far_as_they_have_to() {
    let configuration = configuration().await;
    let named = |pairs: &[(&str, i64)]| -> Vec<(String, i64)> {
        pairs
            .iter()
            .map(|(role, at)| ((*role).to_owned(), *at))
            .collect()
    };
    let (owner, c) = (owner(), &configuration);
    role(c, &owner, "10", "", None).await.unwrap();
    role(c, &owner, "20", "", None).await.unwrap();
    assert_eq!(order(c).await, named(&[("10", 1), ("20", 2)]));
    let moved = role(c, &owner, "30", "", Some(1)).await.unwrap();
    assert_eq!(moved.others, 2);
    assert_eq!(order(c).await, named(&[("30", 1), ("10", 2), ("20", 3)]));
    // To the same place, and to a free one.
    let same = role(c, &owner, "30", "", Some(1)).await.unwrap();
    assert_eq!(
        (same.version, same.others),
        (moved.version, 0),
        "no change, no history"
    );
    role(c, &owner, "30", "", Some(9)).await.unwrap();
    assert_eq!(order(c).await, named(&[("10", 2), ("20", 3), ("30", 9)]));
    // Back, with all that moved.
    let undone = c.roll_back(&owner, moved.version).await;
    assert!(told(undone).contains("changed again since"));
    let version = c.history(&owner, None, 1).await.unwrap()[0].version;
    c.roll_back(&owner, version).await.unwrap();
    c.roll_back(&owner, moved.version).await.unwrap();
    assert_eq!(order(c).await, named(&[("10", 1), ("20", 2)]));
    let past = c.history(&owner, None, 1).await.unwrap();
    assert_eq!(
        (past[0].undoes, past[0].edits.len()),
        (Some(moved.version), 3)
    );
    assert_eq!(past[0].way, "rollback");
}

#[tokio::test]
async fn what_has_to_move_along_moves_when_a_change_is_taken_back() {
    let (owner, c) = (owner(), &configuration().await);
    role(c, &owner, "10", "", Some(5)).await.unwrap();
    role(c, &owner, "20", "", Some(9)).await.unwrap();
    let key = fields(json!({"role_id": "10"}));
    let deleted = c.change(&owner, ROLES, Operation::Delete, &key).await;
    role(c, &owner, "20", "", Some(5)).await.unwrap();
    role(c, &owner, "30", "", Some(6)).await.unwrap();
    let undone = c.roll_back(&owner, deleted.unwrap().version).await.unwrap();
    let at = |role: &str, index| (role.to_owned(), index);
    assert_eq!(order(c).await, [at("10", 5), at("20", 6), at("30", 7)]);
    assert_eq!(undone.others, 2);
    // It is one change, which can be taken back in turn.
    c.roll_back(&owner, undone.version).await.unwrap();
    assert_eq!(order(c).await, [at("20", 5), at("30", 6)]);
}

/// What somebody may not view takes no place of what they may.
#[tokio::test]
async fn the_past_is_as_long_as_there_is_something_to_show() {
    let c = &configuration().await;
    let mut seen = Vec::new();
    for perms in ["a.b", "a.c", "a.d"] {
        let version = role(c, &owner(), "10", perms, None).await.unwrap().version;
        seen.push(version);
        for public in [true, false] {
            let given = fields(json!({"user_id": "100", "public": public}));
            c.set(&owner(), MEMBERS, &given).await.unwrap();
        }
    }
    seen.reverse();
    // A token that may view roles alone.
    let token = Asked {
        custom: Some(vec![Permission::parse("settings.guild_roles")]),
        ..owner()
    };
    let view = c.view(&token, MEMBERS, 0, 1).await;
    assert!(matches!(view, Err(Refusal::Denied(_))), "{view:?}");
    let versions = async |below, limit| -> Vec<i64> {
        let past = c.history(&token, below, limit).await.unwrap();
        past.iter().map(|change| change.version).collect()
    };
    assert_eq!(versions(None, 1).await, seen[..1]);
    assert_eq!(versions(None, 2).await, seen[..2]);
    assert_eq!(versions(Some(seen[1]), 2).await, seen[2..]);
    assert_eq!(versions(None, 10).await, seen);
    assert_eq!(versions(Some(seen[2]), 10).await, [0_i64; 0]);
    assert_eq!(c.history(&owner(), None, 4).await.unwrap().len(), 4);
}

/// However many there are, and whatever stands in the way of what.
#[tokio::test]
async fn a_whole_order_is_turned_round_and_back() {
    let c = &configuration().await;
    let mut owner = owner();
    let ids = 101..=140_u64;
    let known = ids.clone().map(|id| (RoleId::new(id).unwrap(), 5));
    owner.standing.positions.extend(known);
    let file = |index: &dyn Fn(u64) -> String| {
        let rows = ids.clone().map(|id| {
            let index = index(id);
            format!("  - {{role_id: '{id}', perms: [], index: {index}}}\n")
        });
        let rows: String = rows.collect();
        format!("form: 1\nguild: '1'\nsettings:\n  guild_roles:\n{rows}")
    };
    let places = |index: &dyn Fn(u64) -> u64| -> Vec<(String, i64)> {
        let mut places: Vec<_> = ids
            .clone()
            .map(|id| (id.to_string(), i64::try_from(index(id)).unwrap()))
            .collect();
        places.sort_by_key(|(_, index)| *index);
        places
    };
    let import = async |index: &dyn Fn(u64) -> String| {
        let done = c.import(&owner, &file(index), false, None).await;
        done.unwrap()
    };
    import(&|id| (id - 100).to_string()).await;
    assert_eq!(order(c).await, places(&|id| id - 100));
    let turned = import(&|id| (141 - id).to_string()).await;
    assert_eq!(order(c).await, places(&|id| 141 - id));
    // Who has a place keeps it where none is asked for.
    let same = import(&|_| "null".to_owned()).await;
    assert!(!same.made);
    c.roll_back(&owner, turned.version).await.unwrap();
    assert_eq!(order(c).await, places(&|id| id - 100));
}

#[tokio::test]
async fn nobody_gives_what_they_lack() {
    let configuration = &configuration().await;
    let give = async |asked: &Asked, at: &str, perms: &str, index| {
        told(role(configuration, asked, at, perms, index).await)
    };
    assert!(
        give(&moderator(), "10", "a.b", None)
            .await
            .contains("configured role")
    );
    role(configuration, &owner(), "20", "server_backups.*", Some(5))
        .await
        .unwrap();
    let denied = give(
        &asked(300, false, 32, &[10]),
        "10",
        "server_backups.list",
        None,
    )
    .await;
    assert_eq!(denied, "missing_any_perms");
    assert!(
        give(&moderator(), "10", "limits.add", None)
            .await
            .contains("do not hold")
    );
    assert!(
        give(&moderator(), "30", "server_backups.list", None)
            .await
            .contains("below")
    );
    assert!(
        give(&moderator(), "10", "server_backups.list", Some(4))
            .await
            .contains("ranks above")
    );
    assert!(
        give(&moderator(), "99", "server_backups.list", None)
            .await
            .contains("role_id")
    );
    assert!(
        give(&owner(), "10", "server_backups.list", Some(0))
            .await
            .contains("out of range")
    );
    role(
        configuration,
        &moderator(),
        "10",
        "server_backups.list",
        None,
    )
    .await
    .unwrap();
    // The owner's token is no owner, and holds what it was made for.
    let token = Asked {
        custom: Some(vec![Permission::parse("settings.guild_roles")]),
        ..owner()
    };
    assert!(
        give(&token, "10", "global.*", None)
            .await
            .contains("configured role")
    );
}

#[tokio::test]
async fn members_are_changed_by_who_holds_it_and_shown_by_themselves() {
    let configuration = &configuration().await;
    role(configuration, &owner(), "20", "server_backups.*", Some(5))
        .await
        .unwrap();
    let set =
        async |asked: &Asked, given: Value| configuration.set(asked, MEMBERS, &fields(given)).await;
    set(
        &moderator(),
        json!({"user_id": "300", "perm_overrides": "server_backups.list"}),
    )
    .await
    .unwrap();
    let refused = set(
        &moderator(),
        json!({"user_id": "300", "perm_overrides": "limits.add"}),
    )
    .await;
    assert!(told(refused).contains("do not hold"));
    let shown = set(&owner(), json!({"user_id": "300", "public": true})).await;
    assert!(told(shown).contains("Only the member"));
    let myself = set(&owner(), json!({"user_id": "100", "public": true}))
        .await
        .unwrap();
    assert_eq!(myself.fields.unwrap()["perm_overrides"], json!([]));
}

/// Nobody gets back what was taken from them with a clear, whichever way they ask for it.
#[tokio::test]
async fn a_cleared_member_stays_cleared_by_import_and_by_undo() {
    let c = &configuration().await;
    role(c, &owner(), "20", "global.*", Some(5)).await.unwrap();
    let free = c.export(&owner()).await.unwrap();
    let clear = fields(json!({"user_id": "200", "perm_overrides": "global.@clear"}));
    let cleared = c.set(&owner(), MEMBERS, &clear).await.unwrap();
    let emptied =
        "form: 1\nguild: '1'\nsettings: {guild_members: [{user_id: '200', perm_overrides: []}]}";
    let without = "form: 1\nguild: '1'\nsettings: {guild_members: []}";
    for (text, replace) in [(emptied, false), (without, true), (free.as_str(), true)] {
        let tried = c.import(&moderator(), text, replace, None).await;
        let view = c.view(&owner(), MEMBERS, 0, 9).await.unwrap();
        assert_eq!(
            view.rows[0]["perm_overrides"][0], "global.@clear",
            "{tried:?}"
        );
    }
    let undone = told(c.roll_back(&moderator(), cleared.version).await);
    assert!(undone.contains("do not hold"), "{undone}");
    // The owner can do it in all of these ways.
    c.import(&owner(), emptied, false, None).await.unwrap();
    let version = c.history(&owner(), None, 1).await.unwrap()[0].version;
    c.roll_back(&owner(), version).await.unwrap();
    c.roll_back(&owner(), cleared.version).await.unwrap();
}

#[tokio::test]
async fn of_whom_nothing_is_known_nothing_is_changed() {
    let c = &configuration().await;
    let given = fields(json!({"user_id": "404", "perm_overrides": "a.b"}));
    let refused = c.set(&owner(), MEMBERS, &given).await;
    assert_eq!(told(refused), "discord_error");
    let text =
        "form: 1\nguild: '1'\nsettings: {guild_members: [{user_id: '404', perm_overrides: [a.b]}]}";
    assert_eq!(
        told(c.import(&owner(), text, false, None).await),
        "discord_error"
    );
    assert_eq!(c.view(&owner(), MEMBERS, 0, 9).await.unwrap().count, 0);
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() {
    let configuration = &configuration().await;
    let given = fields(json!({"user_id": "x", "perm_overrides": {}, "public": 1, "colour": "red"}));
    let refused = configuration
        .change(&owner(), MEMBERS, Operation::Create, &given)
        .await;
    let Err(Refusal::Wrong(wrong)) = refused else {
        panic!("{refused:?}");
    };
    let wrong: Vec<SettingsError> = wrong.iter().map(SettingsError::from).collect();
    let columns: Vec<_> = wrong.iter().filter_map(SettingsError::column).collect();
    assert_eq!(columns, ["user_id", "perm_overrides", "public", "colour"]);
    let nothing = configuration
        .change(&owner(), MEMBERS, Operation::Update, &Fields::new())
        .await;
    assert!(told(nothing).contains("user_id"));
    let absent = fields(json!({"user_id": "5"}));
    for operation in [Operation::Update, Operation::Delete] {
        let refused = configuration
            .change(&owner(), MEMBERS, operation, &absent)
            .await;
        assert!(told(refused).contains("no entry"));
    }
    let viewed = configuration
        .change(&owner(), MEMBERS, Operation::View, &absent)
        .await;
    assert!(told(viewed).contains("no `view`"));
    let unknown = configuration
        .change(&owner(), "colours", Operation::Create, &absent)
        .await;
    assert!(told(unknown).contains("no setting"));
}

#[tokio::test]
async fn modules_and_commands_are_switched_by_who_may() {
    let configuration = &configuration().await;
    let set = async |asked: &Asked, setting: &str, given: Value| {
        configuration.set(asked, setting, &fields(given)).await
    };
    let off = json!({"module": "server_backups", "disabled": true});
    set(&moderator(), MODULES, off.clone()).await.unwrap();
    let member = asked(300, false, 0, &[]);
    assert_eq!(told(set(&member, MODULES, off).await), "missing_any_perms");
    let core = json!({"module": "core", "disabled": true});
    assert!(told(set(&owner(), MODULES, core).await).contains("cannot be switched"));
    let own = json!({"command": "guild_roles view", "disabled": true});
    assert!(told(set(&owner(), COMMANDS, own).await).contains("cannot be switched"));
    let alias = json!({"command": "backup create", "disabled": true});
    assert!(told(set(&owner(), COMMANDS, alias).await).contains("cannot be used"));

    // Without the right to enable, an open setting is no way around it.
    let open =
        json!({"command": "modules enable", "perms": {"checks": [{"kittycat_perms": ["a.b"]}]}});
    set(&owner(), COMMANDS, open).await.unwrap();
    let on = json!({"module": "server_backups", "disabled": false});
    assert!(told(set(&moderator(), MODULES, on.clone()).await).contains("a.b"));
    let default = json!({"module": "server_backups", "disabled": null});
    assert!(told(set(&moderator(), MODULES, default).await).contains("a.b"));
    set(&owner(), MODULES, on).await.unwrap();

    let checks = |perm: &str| json!({"command": "stats", "perms": {"checks": [{"kittycat_perms": [perm]}, {}]}});
    let refused = set(&moderator(), COMMANDS, checks("a.b")).await;
    assert!(told(refused).contains("lock yourself out"));
    let stored = set(&owner(), COMMANDS, checks("view")).await.unwrap();
    let stored = stored.fields.unwrap();
    assert_eq!(stored["perms"]["checks"].as_array().unwrap().len(), 1);
    assert_eq!(
        stored["perms"]["checks"][0]["kittycat_perms"][0],
        "global.view"
    );
    let refused = set(
        &moderator(),
        COMMANDS,
        json!({"command": "stats", "perms": null}),
    )
    .await;
    assert!(
        told(refused).contains("global.view"),
        "who cannot run it cannot open it"
    );
}

/// What a module's commands ask for is changed by who may run them all, and by who may change checks.
#[tokio::test]
async fn nobody_opens_a_module_or_a_command_further_than_it_is_open_to_them() {
    let configuration = &configuration().await;
    let set = async |asked: &Asked, setting: &str, given: Value| {
        configuration.set(asked, setting, &fields(given)).await
    };
    let token = |limits: &[&str]| Asked {
        custom: Some(limits.iter().map(|text| Permission::parse(text)).collect()),
        ..owner()
    };
    let open = |perm: &str| json!({"module": "server_backups", "default_perms": {"checks": [{"kittycat_perms": [perm]}]}});
    let change = ["module_configuration.*", "settings.*"];
    let lists = token(&[&change[..], &["server_backups.list"]].concat());
    let refused = told(set(&lists, MODULES, open("server_backups.list")).await);
    assert!(!refused.contains("lock"), "{refused}");
    let modperms = [&change[..], &["modules.modperms", "server_backups.list"]].concat();
    let acl = [&modperms[..], &["acl__server_backups_defaultperms_check.*"]].concat();
    for limits in [&modperms[..], &acl[..]] {
        told(set(&token(limits), MODULES, open("server_backups.list")).await);
        let emptied = json!({"module": "server_backups", "default_perms": {"checks": []}});
        told(set(&token(limits), MODULES, emptied).await);
    }
    let all = [&modperms[..], &["server_backups.*"]].concat();
    set(&token(&all), MODULES, open("server_backups.list"))
        .await
        .unwrap();
    set(
        &owner(),
        MODULES,
        json!({"module": "server_backups", "default_perms": null}),
    )
    .await
    .unwrap();

    // The same of a command and those below it.
    let row = json!({"command": "backups", "perms": {"checks": [{"kittycat_perms": ["server_backups.list"]}]}});
    let change = ["command_configuration.*", "commands.modperms", "settings.*"];
    let root = [&change[..], &["server_backups.list"]].concat();
    told(set(&token(&root), COMMANDS, row.clone()).await);
    let all = [&change[..], &["server_backups.*"]].concat();
    set(&token(&all), COMMANDS, row).await.unwrap();
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_made() {
    let configuration = &configuration().await;
    let changes = ["10", "20", "30"].map(|at| {
        let owner = owner();
        async move {
            role(configuration, &owner, at, "a.b", None)
                .await
                .unwrap()
                .version
        }
    });
    let mut versions = futures_util::future::join_all(changes).await;
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3]);
    let indexes: Vec<_> = order(configuration)
        .await
        .into_iter()
        .map(|(_, at)| at)
        .collect();
    assert_eq!(indexes, [1, 2, 3]);
}

#[tokio::test]
async fn a_configuration_survives_its_file() {
    let here = &configuration().await;
    role(here, &owner(), "10", "server_backups.list, ~limits.*", None)
        .await
        .unwrap();
    role(here, &owner(), "20", "global.*", Some(1))
        .await
        .unwrap();
    let checks = json!({"command": "stats", "perms": {"checks": [{"native_perms": ["8"]}]}});
    here.set(&owner(), COMMANDS, &fields(checks)).await.unwrap();
    let text = here.export(&owner()).await.unwrap();
    assert!(
        text.contains("guild_roles:") && text.contains("- ~limits.*"),
        "{text}"
    );
    let same = here.import(&owner(), &text, true, None).await.unwrap();
    assert_eq!((same.version, same.others), (3, 0), "nothing changes");

    let there = &configuration().await;
    role(there, &owner(), "30", "", None).await.unwrap();
    let kept = there.import(&owner(), &text, false, None).await.unwrap();
    assert_eq!(
        (kept.version, kept.others),
        (2, 4),
        "one change, and 30 moved"
    );
    let indexes =
        |order: Vec<(String, i64)>| order.into_iter().map(|(role, _)| role).collect::<Vec<_>>();
    assert_eq!(indexes(order(there).await), ["20", "10", "30"]);
    there.import(&owner(), &text, true, None).await.unwrap();
    assert_eq!(there.export(&owner()).await.unwrap(), text);
    // All at once, and back.
    there.roll_back(&owner(), 2).await.unwrap_err();
    there.roll_back(&owner(), 3).await.unwrap();
    there.roll_back(&owner(), 2).await.unwrap();
    assert_eq!(indexes(order(there).await), ["30"]);

    let refused = there.import(&moderator(), &text, false, None).await;
    assert!(told(refused).contains("configured role"));
    // A plan changes nothing, and holds for what it was made on.
    let plan = there.plan_import(&owner(), &text, true).await.unwrap();
    assert_eq!(plan.shown.len(), 4);
    assert_eq!(indexes(order(there).await), ["30"]);
    let moved = role(there, &owner(), "30", "a.b", None).await.unwrap();
    let old = there.import(&owner(), &text, true, Some(&plan)).await;
    assert!(told(old).contains("changed since"));
    there.roll_back(&owner(), moved.version).await.unwrap();
    let approved = there
        .import(&owner(), &text, true, Some(&plan))
        .await
        .unwrap();
    assert_eq!(approved.others, 4);
    there.roll_back(&owner(), approved.version).await.unwrap();
    assert_eq!(indexes(order(there).await), ["30"], "nothing by halves");
    for broken in [
        "",
        "form: 2\nguild: '1'\nsettings: {}",
        "form: 1",
        "[",
        "form: 1\nguild: '1'\nsettings: {x: [{}]}",
    ] {
        there
            .import(&owner(), broken, false, None)
            .await
            .unwrap_err();
    }
}
