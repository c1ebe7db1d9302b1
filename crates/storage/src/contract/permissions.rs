use splashtail_core::ids::RoleId;

use super::*;
use crate::error::StorageError;
use crate::permission::{CommandConfigurationRow, GuildRoleRow, ModuleConfigurationRow};

contract!(
    configurations_belong_to_a_guild,
    a_changed_role_marks_those_who_have_it,
    overrides_outlive_the_cache,
);

fn role(id: u64) -> RoleId {
    RoleId::new(id).unwrap()
}

fn role_row(id: u64, index: i32) -> GuildRoleRow {
    let perms = vec!["backups.create".to_owned(), "~backups.*".to_owned()];
    GuildRoleRow {
        role: role(id),
        perms,
        index,
        display_name: None,
    }
}

async fn configurations_belong_to_a_guild(storage: Storage) {
    let permissions = storage.permissions();
    let command = |command: &str, disabled| CommandConfigurationRow {
        command: command.to_owned(),
        perms: Some(json!({"checks": [], "checks_needed": 0})),
        disabled,
    };
    let module = ModuleConfigurationRow {
        module: "server_backups".to_owned(),
        disabled: None,
        default_perms: None,
    };
    let orphan = permissions
        .set_command(guild(1), &command("x", None), user(9), t(0))
        .await;
    assert!(
        matches!(orphan, Err(StorageError::Conflict(_))),
        "{orphan:?}"
    );
    for id in [1, 2] {
        storage.guilds().ensure(guild(id), t(0)).await.unwrap();
    }
    for row in [
        command("backups create", Some(true)),
        command("backups", None),
    ] {
        permissions
            .set_command(guild(1), &row, user(9), t(1))
            .await
            .unwrap();
    }
    permissions
        .set_command(guild(1), &command("backups", Some(false)), user(9), t(2))
        .await
        .unwrap();
    permissions.set_module(guild(1), &module).await.unwrap();
    let rows = permissions.commands(guild(1)).await.unwrap();
    assert_eq!(
        rows,
        [
            command("backups", Some(false)),
            command("backups create", Some(true))
        ]
    );
    assert_eq!(
        permissions.modules(guild(1)).await.unwrap(),
        vec![module.clone()]
    );
    let changed = ModuleConfigurationRow {
        disabled: Some(true),
        default_perms: Some(json!({"checks": []})),
        ..module
    };
    permissions.set_module(guild(1), &changed).await.unwrap();
    assert_eq!(permissions.modules(guild(1)).await.unwrap(), [changed]);
    assert_eq!(permissions.commands(guild(2)).await.unwrap(), []);
    assert_eq!(permissions.modules(guild(2)).await.unwrap(), []);
}

async fn a_changed_role_marks_those_who_have_it(storage: Storage) {
    let permissions = storage.permissions();
    storage.guilds().ensure(guild(100), t(0)).await.unwrap();
    for (id, roles) in [
        (1, vec![role(12), role(34)]),
        (2, vec![role(123)]),
        (3, vec![]),
    ] {
        let resolved = ["backups.create".to_owned()];
        permissions
            .cache_member(guild(100), user(id), &roles, &resolved, t(0))
            .await
            .unwrap();
    }
    let marked = async || {
        let mut marked = Vec::new();
        for id in [1, 2, 3] {
            let member = permissions
                .member(guild(100), user(id))
                .await
                .unwrap()
                .unwrap();
            marked.push(member.needs_perm_rederive);
        }
        marked
    };
    assert_eq!(marked().await, [false, false, false]);
    permissions
        .set_role(guild(100), &role_row(12, 2), user(9), t(1))
        .await
        .unwrap();
    assert_eq!(marked().await, [true, false, false], "12 is not 123");
    permissions
        .set_role(guild(100), &role_row(100, 1), user(9), t(1))
        .await
        .unwrap();
    assert_eq!(
        marked().await,
        [true, true, true],
        "the everyone role is everybody's"
    );
    let rows = permissions.roles(guild(100)).await.unwrap();
    assert_eq!(
        rows,
        [role_row(100, 1), role_row(12, 2)],
        "the highest first"
    );

    let taken = permissions
        .set_role(guild(100), &role_row(55, 1), user(9), t(2))
        .await;
    assert!(matches!(taken, Err(StorageError::Conflict(_))), "{taken:?}");
    let roles = [role(34)];
    permissions
        .cache_member(guild(100), user(1), &roles, &[], t(3))
        .await
        .unwrap();
    let member = permissions
        .member(guild(100), user(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (member.roles, member.needs_perm_rederive),
        (vec![role(34)], false)
    );
    assert!(permissions.delete_role(guild(100), role(12)).await.unwrap());
    assert!(!permissions.delete_role(guild(100), role(12)).await.unwrap());
    assert_eq!(
        marked().await,
        [false, true, true],
        "who lost the role before is not touched"
    );
}

async fn overrides_outlive_the_cache(storage: Storage) {
    let permissions = storage.permissions();
    storage.guilds().ensure(guild(1), t(0)).await.unwrap();
    assert_eq!(permissions.member(guild(1), user(1)).await.unwrap(), None);
    let overrides = ["global.*".to_owned()];
    permissions
        .set_overrides(guild(1), user(1), &overrides, t(0))
        .await
        .unwrap();
    let member = permissions
        .member(guild(1), user(1))
        .await
        .unwrap()
        .unwrap();
    assert!(member.needs_perm_rederive && !member.public);
    permissions
        .cache_member(guild(1), user(1), &[role(7)], &overrides, t(1))
        .await
        .unwrap();
    let member = permissions
        .member(guild(1), user(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (member.perm_overrides, member.resolved_perms_cache),
        (overrides.to_vec(), overrides.to_vec())
    );
    assert!(!member.needs_perm_rederive);
}
