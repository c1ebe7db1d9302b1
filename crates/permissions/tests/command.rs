//! `check_command` over given facts.

use splashtail_permissions::kittycat::MemberStanding;
use splashtail_permissions::{
    CheckOptions, CommandConfiguration, CommandExtendedData, CommandRequest, ExtendedData,
    MemberFacts, ModuleConfiguration, ModuleFacts, NativePermissions, Permission, PermissionCheck,
    PermissionChecks, PermissionResult, check_command, kittycat,
};

struct Scene {
    command: &'static str,
    is_loaded: bool,
    is_root: bool,
    is_default_enabled: bool,
    is_toggleable: bool,
    are_commands_toggleable: bool,
    is_root_user: bool,
    command_rows: Vec<CommandConfiguration>,
    module_row: Option<ModuleConfiguration>,
    member: Result<MemberFacts, PermissionResult>,
    options: CheckOptions,
    extended_data: ExtendedData,
}

impl Default for Scene {
    fn default() -> Self {
        let mut disabled = CommandExtendedData::none();
        disabled.is_default_enabled = false;
        Self {
            command: "backups create",
            is_loaded: true,
            is_root: false,
            is_default_enabled: true,
            is_toggleable: true,
            are_commands_toggleable: true,
            is_root_user: false,
            command_rows: Vec::new(),
            module_row: None,
            member: Ok(MemberFacts::default()),
            options: CheckOptions::default(),
            extended_data: [
                (
                    String::new(),
                    CommandExtendedData::kittycat_simple("server_backups", "*"),
                ),
                (
                    "create".to_owned(),
                    CommandExtendedData::kittycat_or_admin("server_backups", "create"),
                ),
                ("hidden".to_owned(), disabled),
            ]
            .into(),
        }
    }
}

impl Scene {
    fn result(&self) -> PermissionResult {
        check_command(&CommandRequest {
            command: self.command,
            module: Some(ModuleFacts {
                id: "server_backups",
                is_loaded: self.is_loaded,
                is_root: self.is_root,
                is_default_enabled: self.is_default_enabled,
                is_toggleable: self.is_toggleable,
                are_commands_toggleable: self.are_commands_toggleable,
                extended_data: &self.extended_data,
            }),
            is_root_user: self.is_root_user,
            command_rows: &self.command_rows,
            module_row: self.module_row.as_ref(),
            member: self.member.as_ref(),
            options: &self.options,
        })
    }

    fn code(&self) -> &'static str {
        self.result().code()
    }
}

fn member(kittycat: &[&str], native: u64) -> Result<MemberFacts, PermissionResult> {
    Ok(MemberFacts {
        is_owner: false,
        native: NativePermissions(native),
        kittycat: kittycat
            .iter()
            .map(|text| Permission::parse(text))
            .collect(),
    })
}

fn owner() -> Result<MemberFacts, PermissionResult> {
    Ok(MemberFacts {
        is_owner: true,
        ..MemberFacts::default()
    })
}

fn row(
    command: &str,
    perms: Option<PermissionChecks>,
    disabled: Option<bool>,
) -> CommandConfiguration {
    CommandConfiguration {
        command: command.to_owned(),
        perms,
        disabled,
    }
}

fn module_row(
    disabled: Option<bool>,
    default_perms: Option<PermissionChecks>,
) -> ModuleConfiguration {
    ModuleConfiguration {
        module: "server_backups".to_owned(),
        disabled,
        default_perms,
    }
}

#[test]
fn plain_members_administrators_and_holders() {
    for (facts, expected) in [
        (member(&[], 0), "missing_any_perms"),
        (member(&[], 8), "ok"),
        (member(&["server_backups.create"], 0), "ok"),
        (member(&["server_backups.*"], 0), "ok"),
        (member(&["server_backups.list"], 0), "missing_any_perms"),
        (
            member(&["server_backups.*", "~server_backups.create"], 0),
            "missing_any_perms",
        ),
        (owner(), "ok_with_message"),
    ] {
        assert_eq!(
            Scene {
                member: facts,
                ..Scene::default()
            }
            .code(),
            expected
        );
    }
}

#[test]
fn unknown_and_unloaded_modules() {
    let scene = Scene {
        member: owner(),
        ..Scene::default()
    };
    let request = CommandRequest {
        command: "nothing",
        module: None,
        is_root_user: true,
        command_rows: &[],
        module_row: None,
        member: scene.member.as_ref(),
        options: &scene.options,
    };
    assert_eq!(check_command(&request), PermissionResult::ModuleNotFound {});
    let scene = Scene {
        is_loaded: false,
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(
        scene.result(),
        PermissionResult::UnknownModule {
            module: "server_backups".into()
        }
    );
}

#[test]
fn root_commands_are_for_root_users_only() {
    let scene = Scene {
        is_root: true,
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(scene.result(), PermissionResult::SudoNotGranted {});
    let scene = Scene {
        is_root: true,
        is_root_user: true,
        ..Scene::default()
    };
    assert_eq!(
        scene.result(),
        PermissionResult::OkWithMessage {
            message: "root_cmd".into()
        }
    );
}

#[test]
fn disabled_commands_and_modules_bind_owners_too() {
    let disabled = || vec![row("backups", None, Some(true))];
    let scene = Scene {
        command_rows: disabled(),
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(
        scene.result(),
        PermissionResult::CommandDisabled {
            command: "backups create".into()
        }
    );

    let scene = Scene {
        module_row: Some(module_row(Some(true), None)),
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(
        scene.result(),
        PermissionResult::ModuleDisabled {
            module: "server_backups".into()
        }
    );

    let scene = Scene {
        is_default_enabled: false,
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(scene.code(), "module_disabled");
    let scene = Scene {
        is_default_enabled: false,
        module_row: Some(module_row(Some(false), None)),
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(scene.code(), "ok_with_message");

    let scene = Scene {
        command: "backups hidden",
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(scene.code(), "command_disabled");
    let scene = Scene {
        command: "backups hidden",
        command_rows: vec![row("backups hidden", None, Some(false))],
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(scene.code(), "ok_with_message");

    let ignoring = CheckOptions {
        ignore_command_disabled: true,
        ..CheckOptions::default()
    };
    let scene = Scene {
        command_rows: disabled(),
        options: ignoring,
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(scene.code(), "ok_with_message");
    let ignoring = CheckOptions {
        ignore_module_disabled: true,
        ..CheckOptions::default()
    };
    let scene = Scene {
        is_default_enabled: false,
        options: ignoring,
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(scene.code(), "ok_with_message");
}

#[test]
fn settings_commands_cannot_be_locked_away() {
    let scene = Scene {
        is_toggleable: false,
        are_commands_toggleable: false,
        command_rows: vec![row("backups", None, Some(true))],
        module_row: Some(module_row(Some(true), None)),
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(scene.code(), "ok_with_message");
}

/// Each flag counts by itself: a row of a module that cannot be switched off did just that while
/// its commands could be.
#[test]
fn what_cannot_be_switched_is_as_declared_whatever_a_row_says() {
    for (toggleable, commands_toggleable, module_row_says, command_row_says, expected) in [
        (false, true, Some(true), None, "ok_with_message"),
        (false, true, None, Some(true), "command_disabled"),
        (true, false, None, Some(true), "ok_with_message"),
        (true, false, Some(true), None, "module_disabled"),
    ] {
        let rows = Scene {
            is_toggleable: toggleable,
            are_commands_toggleable: commands_toggleable,
            command_rows: vec![row("backups", None, command_row_says)],
            module_row: Some(module_row(module_row_says, None)),
            member: owner(),
            ..Scene::default()
        };
        assert_eq!(rows.code(), expected, "{toggleable} {commands_toggleable}");
        // The rows of a question asked on trial count no more than those of the guild.
        let trial = Scene {
            options: CheckOptions {
                custom_command_configuration: Some(row("backups", None, command_row_says)),
                custom_module_configuration: Some(module_row(module_row_says, None)),
                ..CheckOptions::default()
            },
            command_rows: Vec::new(),
            module_row: None,
            ..rows
        };
        assert_eq!(trial.code(), expected, "{toggleable} {commands_toggleable}");
    }
    // Nor can a row switch on what is off by declaration.
    let off = Scene {
        is_toggleable: false,
        is_default_enabled: false,
        module_row: Some(module_row(Some(false), None)),
        member: owner(),
        ..Scene::default()
    };
    assert_eq!(off.code(), "module_disabled");
}

#[test]
fn a_member_that_discord_did_not_name_is_denied() {
    let error = PermissionResult::DiscordError {
        error: "timed out".into(),
    };
    assert_eq!(
        Scene {
            member: Err(error.clone()),
            ..Scene::default()
        }
        .result(),
        error
    );
}

#[test]
fn the_guild_overrides_the_module_which_overrides_the_code() {
    let anyone = PermissionChecks::none;
    let nobody = || PermissionChecks::kittycat_simple("nobody", "nothing");
    for (command_rows, module_perms, expected) in [
        (vec![], Some(anyone()), "ok"),
        (
            vec![row("backups", Some(nobody()), None)],
            Some(anyone()),
            "missing_any_perms",
        ),
        (
            vec![row("backups", Some(anyone()), None)],
            Some(nobody()),
            "ok",
        ),
        (
            vec![
                row("backups", Some(nobody()), None),
                row("backups create", Some(anyone()), None),
            ],
            None,
            "ok",
        ),
        (
            vec![
                row("backups create", None, Some(false)),
                row("backups", Some(anyone()), None),
            ],
            Some(nobody()),
            "ok",
        ),
    ] {
        let scene = Scene {
            command_rows,
            module_row: Some(module_row(None, module_perms)),
            ..Scene::default()
        };
        assert_eq!(scene.code(), expected);
    }
}

#[test]
fn what_if_rows_replace_stored_ones() {
    let options = CheckOptions {
        custom_command_configuration: Some(row(
            "backups create",
            Some(PermissionChecks::none()),
            None,
        )),
        custom_module_configuration: Some(module_row(Some(false), None)),
        ..CheckOptions::default()
    };
    let scene = Scene {
        command_rows: vec![row("backups create", None, Some(true))],
        module_row: Some(module_row(Some(true), None)),
        options,
        ..Scene::default()
    };
    assert_eq!(scene.code(), "ok");
}

#[test]
fn a_token_never_reaches_further_than_its_user() {
    let ask = |held: &[&str], custom: &[&str], skip| {
        let options = CheckOptions {
            custom_resolved_kittycat_perms: Some(
                custom.iter().map(|text| Permission::parse(text)).collect(),
            ),
            skip_custom_resolved_fit_checks: skip,
            ..CheckOptions::default()
        };
        Scene {
            member: member(held, 0),
            options,
            ..Scene::default()
        }
        .result()
        .is_ok()
    };
    assert!(ask(
        &["server_backups.*"],
        &["server_backups.create"],
        false
    ));
    assert!(!ask(&["server_backups.*"], &["server_backups.list"], false));
    assert!(!ask(
        &["server_backups.list"],
        &["server_backups.create"],
        false
    ));
    assert!(ask(
        &["server_backups.list"],
        &["server_backups.create"],
        true
    ));
    // The wildcard is held, one permission of it is not.
    assert!(!ask(
        &["server_backups.*", "~server_backups.create"],
        &["server_backups.*"],
        false
    ));
    assert!(!ask(
        &["global.*"],
        &["server_backups.*", "~server_backups.create"],
        false
    ));
}

#[test]
fn facts_of_a_member_come_from_the_kittycat_rows() {
    let rows = kittycat::MemberPermissions {
        positions: vec![kittycat::Position {
            id: "900".into(),
            index: 4,
            perms: vec![Permission::parse("server_backups.create")],
        }],
        overrides: Vec::new(),
    };
    let facts = MemberFacts {
        kittycat: rows.resolved(MemberStanding::default()),
        ..MemberFacts::default()
    };
    assert_eq!(
        Scene {
            member: Ok(facts),
            ..Scene::default()
        }
        .code(),
        "ok"
    );
}

/// A token that was limited to little could do everything, once its owner was the server's owner or
/// an administrator.
#[test]
fn nothing_but_its_own_limits_widens_a_token() {
    let ask = |member: Result<MemberFacts, PermissionResult>, custom: &[&str], command| {
        let options = CheckOptions {
            custom_resolved_kittycat_perms: Some(
                custom.iter().map(|text| Permission::parse(text)).collect(),
            ),
            ..CheckOptions::default()
        };
        Scene {
            member,
            options,
            command,
            ..Scene::default()
        }
        .result()
        .is_ok()
    };
    let administrator = || member(&[], 8);
    for who in [owner, administrator] {
        assert!(ask(who(), &["server_backups.create"], "backups create"));
        assert!(ask(who(), &["server_backups.*"], "backups create"));
        assert!(ask(who(), &["global.*"], "backups create"));
        assert!(!ask(who(), &["server_backups.list"], "backups create"));
        assert!(!ask(who(), &[], "backups create"));
        let taken = ["server_backups.*", "~server_backups.create"];
        assert!(!ask(who(), &taken, "backups create"));
    }
    assert!(
        !ask(member(&[], 0), &["global.*"], "backups create"),
        "no more than the person"
    );
}

#[test]
fn a_check_of_discords_permissions_alone_takes_an_unlimited_token() {
    let native = |bits| PermissionCheck {
        native_perms: vec![NativePermissions(bits)],
        ..PermissionCheck::default()
    };
    let both = PermissionCheck {
        kittycat_perms: vec!["a.b".to_owned()],
        inner_and: true,
        ..native(2)
    };
    let own = ["own.it".to_owned()];
    for (check, limits, passes) in [
        (native(2), "a.b", false),
        (native(2), "global.*", true),
        (both.clone(), "a.b", true),
        (both, "a.c", false),
        (PermissionCheck::default(), "a.c", false),
        (PermissionCheck::default(), "own.it", true),
    ] {
        let checks = PermissionChecks::Simple {
            checks: vec![check.clone()],
            checks_needed: 1,
        };
        let limits = [Permission::parse(limits)];
        assert_eq!(
            checks.within(&limits, &own).is_ok(),
            passes,
            "{check:?} {limits:?}"
        );
    }
    let template = PermissionChecks::Template {
        template: "t".to_owned(),
    };
    let everything = [Permission::parse("global.*")];
    assert!(template.within(&everything, &own).is_err());
}

#[test]
fn a_limited_token_runs_what_anybody_may_only_by_name() {
    let ask = |limits: &[&str], command: &'static str| {
        let limits = limits.iter().map(|text| Permission::parse(text));
        let scene = Scene {
            command,
            options: CheckOptions {
                custom_resolved_kittycat_perms: Some(limits.collect()),
                ..CheckOptions::default()
            },
            extended_data: [
                (String::new(), CommandExtendedData::none()),
                ("pending".to_owned(), CommandExtendedData::none()),
            ]
            .into(),
            ..Scene::default()
        };
        scene.result().is_ok()
    };
    for command in ["guard pending", "guard"] {
        assert!(!ask(&["nothing.at_all"], command), "{command}");
        for limits in ["server_backups.*", "guard.*", "global.*"] {
            assert!(ask(&[limits], command), "{command} {limits}");
        }
    }
    assert!(ask(&["server_backups.pending"], "guard pending"));
    assert!(!ask(&["server_backups.pending"], "guard"));
}

#[test]
fn who_is_not_there_learns_nothing_of_what_is_switched_off() {
    let nobody = PermissionResult::DiscordError {
        error: "Unknown Member".to_owned(),
    };
    let off = |member| Scene {
        command_rows: vec![row("backups", None, Some(true))],
        module_row: Some(module_row(Some(true), None)),
        member,
        ..Scene::default()
    };
    assert_eq!(off(Err(nobody)).code(), "discord_error");
    assert_eq!(off(owner()).code(), "command_disabled");
}
