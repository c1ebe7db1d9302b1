use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use splashtail_antinuke::{Mode, Policy};
use splashtail_core::ids::{GuildId, ShardId, UserId};
use splashtail_discord::permissions::bits;
use splashtail_guild::Id;
use url::Url;

use super::finding::{Finding, Platform, Severity};
use super::look::{Alerts, Look, Viewer, Wanted};
use super::page::{Around, Page};
use super::report::report;
use super::step::{Progress, Step};
use crate::catalogue::Language;
use crate::events::{Body, Event, EventKind};
use crate::guilds::{GuildView, Guilds};
use crate::modules::antinuke::NoIdentity;

const ME: u64 = 5;
const LOG: u64 = bits::VIEW_AUDIT_LOG;
const WANTED: &[Wanted] = &[
    Wanted {
        module: "antinuke",
        bits: LOG,
        why: "To see in the audit log who did what",
    },
    Wanted {
        module: "antinuke",
        bits: bits::MANAGE_ROLES,
        why: "To take the roles of somebody who attacks",
    },
    Wanted {
        module: "server_backups",
        bits: bits::MANAGE_ROLES,
        why: "To restore roles",
    },
];
const FINE: Platform = Platform {
    jobserver: true,
    database: true,
    shards_down: 0,
    shards: 2,
};

fn guild() -> GuildId {
    GuildId::new(10).unwrap()
}

/// A server in which the bot's role, at 5, has these permissions.
fn server(permissions: u64, change: impl FnOnce(&mut Value)) -> GuildView {
    let everyone = bits::VIEW_CHANNEL | bits::SEND_MESSAGES | bits::EMBED_LINKS;
    let mut whole = json!({"id": "10", "name": "Harbour", "owner_id": "1", "member_count": 3,
        "features": ["PRUNE_REQUIRES_ADMIN"], "mfa_level": 1,
        "channels": [
            {"id": "100", "type": 4, "name": "staff", "position": 0, "permission_overwrites": []},
            {"id": "101", "type": 0, "name": "alerts", "position": 1, "parent_id": "100",
                "permission_overwrites": []},
            {"id": "102", "type": 0, "name": "talk", "position": 2, "permission_overwrites": []}],
        "members": [{"user": {"id": "5"}, "roles": ["50"]}],
        "roles": [
            {"id": "10", "name": "@everyone", "permissions": everyone.to_string(), "position": 0},
            {"id": "50", "name": "AntiRaid", "permissions": permissions.to_string(), "position": 5},
            {"id": "60", "name": "harmless", "permissions": "0", "position": 9},
            {"id": "61", "name": "below", "permissions": "8", "position": 4}]});
    change(&mut whole);
    let guilds = Guilds::default();
    guilds.begin(ShardId(0), UserId::new(ME), &[guild()]);
    let followed = guilds.follow(&Event {
        kind: EventKind::GuildCreate,
        guild: guild(),
        shard: ShardId(0),
        seq: Some(1),
        received: Duration::from_secs(1),
        body: Body::Raw(Bytes::from(whole.to_string())),
    });
    followed.read.unwrap();
    guilds.get(guild()).unwrap()
}

fn viewer() -> Viewer {
    Viewer {
        user: UserId::new(ME).unwrap(),
        timed_out: false,
        broken: None,
    }
}

fn look_with(view: &GuildView, policy: &Policy, viewer: Viewer) -> Look {
    let facts = view.facts();
    view.structure(|structure| Look::new(guild(), &facts, structure, WANTED, policy, viewer))
}

fn look(view: &GuildView, policy: &Policy) -> Look {
    look_with(view, policy, viewer())
}

fn policy(mode: Mode, channel: Option<u64>) -> Policy {
    Policy {
        mode,
        alert_channel: channel.map(Id::new),
        ..Policy::default()
    }
}

fn hide(whole: &mut Value, place: usize) {
    let channel = &mut whole["channels"][place];
    channel["name"] = "___hidden___".into();
    channel["flags"] = json!(1_u64 << 17);
    channel["permission_overwrites"] =
        json!([{"id": "10", "type": 0, "deny": bits::VIEW_CHANNEL.to_string(), "allow": "0"}]);
}

#[test]
fn a_sound_server_has_nothing_to_find() {
    let view = server(LOG | bits::MANAGE_ROLES, |_| {});
    let look = look(&view, &policy(Mode::On, Some(101)));
    assert_eq!(look.alerts, Alerts::Fine(Id::new(101)));
    assert_eq!(Finding::all(&look, FINE), []);
    let passed = ["limits".to_owned()];
    assert_eq!(Step::first_open(&look, &passed), None);
}

#[test]
fn everything_wrong_is_found_worst_first() {
    let view = server(0, |whole| {
        hide(whole, 2);
        whole["roles"][2]["permissions"] = "8".into();
        whole["features"] = json!([]);
        whole["mfa_level"] = 0.into();
    });
    let broken = Viewer {
        timed_out: true,
        broken: Some(NoIdentity::NoSecret),
        ..viewer()
    };
    let look = look_with(&view, &policy(Mode::DryRun, Some(999)), broken);
    let ill = Platform {
        jobserver: false,
        database: false,
        shards_down: 1,
        shards: 2,
    };
    let found = Finding::all(&look, ill);
    assert_eq!(
        found,
        [
            Finding::Broken(NoIdentity::NoSecret),
            Finding::TimedOut,
            Finding::NoAuditLog,
            Finding::DatabaseAway,
            Finding::AlertsGone(Id::new(999)),
            Finding::DryRun,
            Finding::Lacking,
            Finding::RoleTooLow,
            Finding::Hidden,
            Finding::JobserverAway,
            Finding::ShardsDown(1, 2),
            Finding::AnybodyPrunes,
            Finding::NoSecondFactor,
        ]
    );
    assert!(found.is_sorted_by_key(Finding::severity));
    let off = self::look(&view, &policy(Mode::Off, None));
    assert_eq!(Finding::all(&off, FINE)[0], Finding::Off);
}

#[test]
fn permissions_are_told_with_the_reason_of_every_module() {
    let view = server(LOG, |_| {});
    let look = look(&view, &policy(Mode::On, Some(101)));
    let modules: Vec<_> = look.lacking[&bits::MANAGE_ROLES]
        .iter()
        .map(|wanted| wanted.module)
        .collect();
    assert_eq!(modules, ["antinuke", "server_backups"]);
    assert!(!look.lacking.contains_key(&LOG));
    let text = super::words::lacking(Language::English, &look);
    assert_eq!(
        text,
        "- **Manage Roles**: To take the roles of somebody who attacks; To restore roles"
    );
    let german = super::words::lacking(Language::German, &look);
    assert!(
        german.starts_with("- **Rollen verwalten**: Um Angreifern"),
        "{german}"
    );
}

#[test]
fn administrator_lacks_nothing_and_sees_nothing_amiss() {
    let view = server(bits::ADMINISTRATOR, |_| {});
    let look = look(&view, &policy(Mode::On, Some(101)));
    assert!(look.is_administrator() && look.lacking.is_empty());
    assert_eq!(Finding::all(&look, FINE), []);
}

#[test]
fn hidden_channels_are_told_by_category_and_never_by_their_false_name() {
    let view = server(LOG | bits::MANAGE_ROLES, |whole| {
        hide(whole, 0);
        hide(whole, 1);
    });
    let look = look(&view, &policy(Mode::On, Some(101)));
    assert_eq!((look.hidden_count(), look.channels), (1, 3));
    assert_eq!(look.alerts, Alerts::Gone(Id::new(101)));
    let text = super::words::hidden(Language::English, &look);
    assert_eq!(text, "- In <#100>: <#101>");
}

#[test]
fn only_roles_above_that_can_do_harm_count() {
    let harmful = |position: i64| {
        let view = server(LOG, |whole| {
            whole["roles"][2]["permissions"] = bits::BAN_MEMBERS.to_string().into();
            whole["roles"][2]["position"] = position.into();
        });
        look(&view, &policy(Mode::On, None)).above
    };
    assert_eq!(harmful(9), [Id::new(60)]);
    // At the same height the older role stands above.
    assert_eq!(harmful(5), []);
    assert_eq!(harmful(1), []);
}

#[test]
fn a_channel_in_which_the_bot_may_not_write_takes_no_alerts() {
    let view = server(LOG, |whole| {
        whole["channels"][1]["permission_overwrites"] = json!([
            {"id": "10", "type": 0, "deny": bits::SEND_MESSAGES.to_string(), "allow": "0"}]);
    });
    let look = look(&view, &policy(Mode::On, Some(101)));
    let Alerts::Mute(channel, lacking) = look.alerts else {
        panic!("{:?}", look.alerts);
    };
    assert_eq!(channel, Id::new(101));
    assert_ne!(lacking & bits::SEND_MESSAGES, 0);
    let bad = Finding::all(&look, FINE);
    assert_eq!(bad[0].severity(), Severity::Bad);
}

#[test]
fn steps_go_on_where_the_owner_left_off() {
    let view = server(LOG, |whole| hide(whole, 2));
    let look = look(&view, &Policy::default());
    let mut passed = Vec::new();
    let mut seen = Vec::new();
    while let Some(step) = Step::first_open(&look, &passed) {
        seen.push(step);
        passed.push(step.id().to_owned());
    }
    // The role's place is fine already.
    assert_eq!(
        seen,
        [
            Step::Permissions,
            Step::Sight,
            Step::Alerts,
            Step::Limits,
            Step::Mode
        ]
    );
    assert_eq!(Step::Sight.progress(&look, &passed), Progress::Passed);
    assert_eq!(Step::Position.progress(&look, &[]), Progress::Done);
    for step in Step::ALL {
        assert_eq!(Step::parse(step.id()), Some(step));
    }
}

/// Discord's own bounds on messages.
fn within_bounds(page: &Page) {
    let embed = serde_json::to_value(&page.embed).unwrap();
    let length = |value: &Value| value.as_str().unwrap().chars().count();
    assert!((1..=256).contains(&length(&embed["title"])));
    assert!(
        (1..=4096).contains(&length(&embed["description"])),
        "{embed}"
    );
    let rows = serde_json::to_value(&page.components).unwrap();
    let rows = rows.as_array().unwrap();
    assert!((1..=5).contains(&rows.len()));
    for row in rows {
        let parts = row["components"].as_array().unwrap();
        assert!((1..=5).contains(&parts.len()));
        for part in parts {
            if let Some(label) = part["label"].as_str() {
                assert!((1..=80).contains(&label.chars().count()), "{label}");
            }
            for option in part["options"].as_array().into_iter().flatten() {
                assert!((1..=100).contains(&length(&option["label"])));
            }
        }
    }
}

#[test]
fn every_page_fits_into_a_message() {
    let sound = server(LOG | bits::MANAGE_ROLES, |_| {});
    let ill = server(0, |whole| {
        let channels = whole["channels"].as_array_mut().unwrap();
        for id in 1000..1400 {
            channels.push(json!({"id": id.to_string(), "type": 0, "parent_id": "100"}));
        }
        for place in 0..channels.len() {
            hide(whole, place);
        }
        let roles = whole["roles"].as_array_mut().unwrap();
        for id in 2000..2200 {
            let role = json!({"id": id.to_string(), "permissions": "8", "position": id});
            roles.push(role);
        }
    });
    let invite: Url = "https://discord.com/oauth2/authorize".parse().unwrap();
    for language in Language::ALL {
        for (view, mode, channel) in [
            (&sound, Mode::On, Some(101)),
            (&ill, Mode::Off, Some(999)),
            (&ill, Mode::DryRun, None),
        ] {
            let look = look(view, &policy(mode, channel));
            let around = Around {
                language,
                look: &look,
                passed: &["sight".to_owned()],
                invite: &invite,
                invite_all: &invite,
            };
            for step in Step::ALL.map(Some).into_iter().chain([None]) {
                within_bounds(&Page::of(around, step));
            }
            let findings = Finding::all(&look, FINE);
            for may_act in [false, true] {
                within_bounds(&report(language, &look, &findings, &invite, may_act));
            }
        }
    }
}

#[test]
fn who_may_only_look_is_offered_nothing_to_change() {
    let view = server(LOG, |_| {});
    let look = look(&view, &policy(Mode::DryRun, None));
    let findings = Finding::all(&look, FINE);
    let invite: Url = "https://discord.com/oauth2/authorize".parse().unwrap();
    let ids = |may_act| {
        let page = report(Language::English, &look, &findings, &invite, may_act);
        let rows = serde_json::to_string(&page.components).unwrap();
        ["health:on", "health:alerts"].map(|id| rows.contains(id))
    };
    assert_eq!(ids(true), [true, true]);
    assert_eq!(ids(false), [false, false]);
}
