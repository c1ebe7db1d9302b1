//! What a server sets about protection, by the same ways as everything else.

use super::*;

const POLICY: &str = "protection_policy";
const TRUST: &str = "protection_trust";
const LIMITS: &str = "protection_limits";
const MAINTENANCE: &str = "protection_maintenance";

async fn set(
    c: &Configuration,
    asked: &Asked,
    setting: &str,
    given: Value,
) -> Result<Changed, Refusal> {
    c.set(asked, setting, &fields(given)).await
}

async fn mode(c: &Configuration) -> Value {
    let view = c.view(&moderator(), POLICY, 0, 9).await.unwrap();
    assert_eq!(view.count, 1);
    view.rows[0]["mode"].clone()
}

#[tokio::test]
async fn only_the_owner_changes_protection_and_by_no_way_anybody_else() {
    let c = &configuration().await;
    assert_eq!(
        mode(c).await,
        "dry_run",
        "it is there before anybody touched it"
    );
    let on = json!({"mode": "on"});
    let administrator = moderator();
    let token = Asked {
        custom: Some(vec![Permission::parse("global.*")]),
        ..owner()
    };
    for asked in [&administrator, &token] {
        let refused = told(set(c, asked, POLICY, on.clone()).await);
        assert!(refused.contains("Only the owner"), "{refused}");
    }
    let nothing = asked(300, false, 0, &[10]);
    let denied = told(set(c, &nothing, POLICY, on.clone()).await);
    assert_eq!(denied, "missing_any_perms");

    let made = set(c, &owner(), POLICY, on).await.unwrap();
    assert!(made.made);
    assert_eq!(mode(c).await, "on");
    let undone = told(c.roll_back(&administrator, made.version).await);
    assert!(undone.contains("Only the owner"), "{undone}");
    let file = "form: 1\nguild: '1'\nsettings: {protection_policy: [{policy: server, mode: off}]}";
    let imported = told(c.import(&administrator, file, false, None).await);
    assert!(imported.contains("Only the owner"), "{imported}");
    // What changes nothing is refused to nobody.
    let same = c.export(&administrator).await.unwrap();
    assert!(
        same.contains("mode: 'on'") || same.contains("mode: on"),
        "{same}"
    );
    assert!(
        !c.import(&administrator, &same, true, None)
            .await
            .unwrap()
            .made
    );

    let past = c.history(&administrator, None, 9).await.unwrap();
    let edit = &past[0].edits[0];
    assert_eq!(
        (edit.setting.as_str(), edit.before.as_ref()),
        (POLICY, None)
    );
    assert_eq!(edit.after.as_ref().unwrap()["mode"], "on");
    c.roll_back(&owner(), made.version).await.unwrap();
    assert_eq!(mode(c).await, "dry_run");
}

/// A row from before there were columns for a stolen token and for backups.
#[tokio::test]
async fn an_undo_brings_back_what_an_old_row_does_not_say() {
    let c = &configuration().await;
    let owner = owner();
    let old = [splashtail_storage::Edit {
        setting: POLICY.to_owned(),
        entry: "server".to_owned(),
        before: None,
        after: Some(
            json!({"policy": "server", "mode": "dry_run", "answer": "kick",
                           "alert_channel": null, "quarantine_role": null}),
        ),
    }];
    c.storage
        .guilds()
        .ensure(owner.guild, c.now())
        .await
        .unwrap();
    let change = splashtail_storage::NewChange {
        guild: owner.guild,
        decided_on: 0,
        by: owner.user,
        way: "discord",
        at: c.now(),
        undoes: None,
        edits: &old,
    };
    c.storage.settings().write(&change).await.unwrap();
    let view = async || {
        let view = c.view(&owner, POLICY, 0, 1).await.unwrap();
        view.rows[0].clone()
    };
    assert_eq!(view().await["own_token"], "tell");

    // What changes nothing is nothing to take back.
    let same = set(c, &owner, POLICY, json!({"own_token": "tell"})).await;
    let same = same.unwrap().version;
    let refused = told(c.roll_back(&owner, same).await);
    assert!(refused.contains("nothing to undo"), "{refused}");
    let past = c.history(&owner, None, 1).await.unwrap();
    assert_eq!(past[0].version, same, "nothing was written");

    let given = json!({"mode": "off", "backup_hours": 6});
    let made = set(c, &owner, POLICY, given).await.unwrap();
    c.roll_back(&owner, made.version).await.unwrap();
    let now = view().await;
    assert_eq!(
        (&now["mode"], &now["answer"]),
        (&json!("dry_run"), &json!("kick"))
    );
    assert_eq!(now["backup_hours"], Value::Null);
    let again = told(c.roll_back(&owner, made.version).await);
    assert!(again.contains("changed again since"), "{again}");

    // Where a file goes it says the same.
    let file = c.export(&owner).await.unwrap();
    let left = json!({"own_token": "leave"});
    set(c, &owner, POLICY, left).await.unwrap();
    c.import(&owner, &file, true, None).await.unwrap();
    assert_eq!(view().await["own_token"], "tell");
}

#[tokio::test]
async fn alerts_go_to_a_channel_of_this_server() {
    let c = &configuration().await;
    let elsewhere = told(set(c, &owner(), POLICY, json!({"alert_channel": "51"})).await);
    assert!(elsewhere.contains("do not see it"), "{elsewhere}");
    let nobody = told(set(c, &owner(), POLICY, json!({"quarantine_role": "99"})).await);
    assert!(nobody.contains("quarantine_role"), "{nobody}");
    let here = json!({"alert_channel": "<#50>", "quarantine_role": "10", "policy": "server"});
    let set_to = set(c, &owner(), POLICY, here)
        .await
        .unwrap()
        .fields
        .unwrap();
    assert_eq!(
        (&set_to["alert_channel"], &set_to["mode"]),
        (&json!("50"), &json!("dry_run"))
    );
    let key = fields(json!({}));
    c.change(&owner(), POLICY, Operation::Delete, &key)
        .await
        .unwrap();
    let view = c.view(&owner(), POLICY, 0, 9).await.unwrap();
    assert_eq!(view.rows[0]["alert_channel"], Value::Null);
    let other = told(set(c, &owner(), POLICY, json!({"policy": "another"})).await);
    assert!(other.contains("allowed"), "{other}");
}

#[tokio::test]
async fn trust_is_for_people_and_roles_of_this_server() {
    let c = &configuration().await;
    for who in [
        "role/1",
        "role/99",
        "global",
        "channel/50",
        "custom/a/b/1",
        "everybody",
    ] {
        let refused = told(set(c, &owner(), TRUST, json!({"who": who})).await);
        assert!(refused.contains("who"), "{who}: {refused}");
    }
    for who in ["user/300", "<@&20>"] {
        set(c, &owner(), TRUST, json!({"who": who})).await.unwrap();
    }
    let again = set(c, &owner(), TRUST, json!({"who": "user/300"})).await;
    assert!(!again.unwrap().made);
    let stranger = told(
        set(
            c,
            &asked(5, false, 0, &[]),
            TRUST,
            json!({"who": "user/300"}),
        )
        .await,
    );
    assert_eq!(stranger, "missing_any_perms");
    let gone = fields(json!({"who": "user/300"}));
    let refused = c
        .change(&moderator(), TRUST, Operation::Delete, &gone)
        .await;
    assert!(told(refused).contains("Only the owner"));
    let gone = c
        .change(&owner(), TRUST, Operation::Delete, &gone)
        .await
        .unwrap();
    // Back from a file, as it was.
    c.roll_back(&owner(), gone.version).await.unwrap();
    let file = c.export(&owner()).await.unwrap();
    assert!(!c.import(&owner(), &file, true, None).await.unwrap().made);
    assert_eq!(c.view(&owner(), TRUST, 0, 9).await.unwrap().count, 2);
}

#[tokio::test]
async fn limits_and_maintenance_have_bounds() {
    let c = &configuration().await;
    for (limit, minute, hour) in [
        ("ban", json!(1), json!(2)),
        ("ban/guest", json!(1), json!(2)),
        ("ban/bot", json!(5), json!(2)),
        ("ban/bot", json!(0), json!(2)),
        ("ban/bot", json!(1), json!(1_000_000)),
    ] {
        let given = json!({"limit": limit, "minute": minute, "hour": hour});
        let refused = told(set(c, &owner(), LIMITS, given.clone()).await);
        assert!(!refused.is_empty(), "{given}");
    }
    let limit = json!({"limit": "ban/bot", "minute": 1, "hour": 2, "day": null});
    set(c, &owner(), LIMITS, limit).await.unwrap();

    let (now, hour) = (c.now(), chrono::TimeDelta::hours(1));
    let pause = |kinds: Value, until: chrono::DateTime<chrono::Utc>| json!({"actor": "300", "kinds": kinds, "until": until.to_rfc3339()});
    for (given, word) in [
        (pause(json!(["ban"]), now + hour * 3), "at most"),
        (pause(json!(["ban"]), now - hour), "at most"),
        (pause(json!([]), now + hour), "at least one"),
        (pause(json!(["sleep"]), now + hour), "allowed"),
    ] {
        let refused = told(set(c, &owner(), MAINTENANCE, given).await);
        assert!(refused.contains(word), "{refused}");
    }
    let fine = pause(json!("ban, kick"), now + hour);
    let fine = set(c, &owner(), MAINTENANCE, fine).await.unwrap().fields;
    assert_eq!(fine.unwrap()["kinds"], json!(["ban", "kick"]));
}
