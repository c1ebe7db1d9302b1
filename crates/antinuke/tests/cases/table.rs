//! The table of watched acts and that of limits, row by row.

use serde_json::{Value, json};
use splashtail_antinuke::{Column, LimitType as T, NEVER, Span, Spans, UNIT, default_points};
use splashtail_guild::Id;

use crate::world::*;

/// Twentieths of `tenths` of a point.
const fn p(tenths: u32) -> u32 {
    tenths * UNIT / 10
}

fn changed(key: &str, old: Value, new: Value) -> Value {
    json!({"changes": [{"key": key, "old_value": old, "new_value": new}]})
}

fn optioned(options: Value) -> Value {
    json!({"options": options})
}

/// What one act by an administrator puts into his windows: types with their counts, and points.
fn counted(action: u16, target: Id, more: &Value) -> (Vec<(T, u32)>, u32) {
    let mut world = World::new();
    world.add_role(Id::new(2700), 1, 0);
    world.act_with(ADMIN, action, target, more.clone());
    let saved = world.engine.save();
    let Some(actor) = saved.actors.get(&ADMIN) else {
        return (Vec::new(), 0);
    };
    let windows = &actor.windows;
    let count = |kind| windows.count(kind, Span::Minute, world.now) / UNIT;
    let mut kinds: Vec<(T, u32)> = windows.kinds().map(|kind| (kind, count(kind))).collect();
    kinds.sort_unstable();
    (kinds, windows.points(Span::Minute, world.now))
}

#[test]
fn every_watched_act_counts_as_the_table_says() {
    let (none, plain) = (json!({}), Id::new(2700));
    let roles = |key, role: Id| json!({"changes": [{"key": key, "new_value": [{"id": role}]}]});
    let one = |kind| vec![(kind, 1)];
    let rows = [
        (1, GUILD, none.clone(), one(T::GuildUpdate), p(20)),
        (
            1,
            GUILD,
            changed("name", json!("a"), json!("b")),
            one(T::GuildUpdate),
            p(50),
        ),
        (
            1,
            GUILD,
            changed("icon_hash", json!("a"), json!("b")),
            one(T::GuildUpdate),
            p(50),
        ),
        (
            1,
            GUILD,
            changed("verification_level", json!(3), json!(0)),
            one(T::GuildUpdate),
            p(80),
        ),
        (
            1,
            GUILD,
            changed("verification_level", json!(0), json!(3)),
            one(T::GuildUpdate),
            p(20),
        ),
        (
            1,
            GUILD,
            changed("explicit_content_filter", json!(2), json!(0)),
            one(T::GuildUpdate),
            p(80),
        ),
        (
            1,
            GUILD,
            changed("mfa_level", json!(1), json!(0)),
            one(T::GuildUpdate),
            p(80),
        ),
        (
            1,
            GUILD,
            changed("rules_channel_id", json!("3000"), json!(null)),
            one(T::GuildUpdate),
            p(80),
        ),
        (
            1,
            GUILD,
            changed("features", json!(["COMMUNITY"]), json!([])),
            one(T::GuildUpdate),
            p(80),
        ),
        (
            1,
            GUILD,
            changed("vanity_url_code", json!("a"), json!("b")),
            vec![(T::GuildUpdate, 1), (T::VanityUpdate, 1)],
            p(100),
        ),
        (10, Id::new(3900), none.clone(), one(T::ChannelAdd), p(10)),
        (11, channel(0), none.clone(), one(T::ChannelUpdate), p(5)),
        (
            11,
            channel(0),
            changed("rate_limit_per_user", json!(0), json!(3600)),
            one(T::ChannelUpdate),
            p(5),
        ),
        (
            11,
            channel(0),
            changed("rate_limit_per_user", json!(0), json!(3601)),
            one(T::ChannelUpdate),
            p(20),
        ),
        (12, channel(0), none.clone(), one(T::ChannelRemove), p(80)),
        (
            13,
            channel(0),
            optioned(json!({"id": "7", "type": "0"})),
            one(T::OverwriteChange),
            p(10),
        ),
        (
            14,
            channel(0),
            json!({"options": {"id": "7", "type": "0"}, "changes": [{"key": "allow", "old_value": "0", "new_value": "16"}]}),
            one(T::OverwriteChange),
            p(80),
        ),
        (
            15,
            channel(0),
            json!({"options": {"id": "7", "type": "0"}, "changes": [{"key": "allow", "old_value": "16"}]}),
            one(T::OverwriteChange),
            p(10),
        ),
        (
            13,
            channel(0),
            json!({"options": {"id": ME, "type": "1"}, "changes": [{"key": "deny", "new_value": "1024"}]}),
            vec![(T::OverwriteChange, 1), (T::SightDenied, 1)],
            p(20),
        ),
        (
            14,
            channel(0),
            json!({"options": {"id": MY_ROLE, "type": "0"}, "changes": [{"key": "allow", "old_value": "1024", "new_value": "0"}]}),
            vec![(T::OverwriteChange, 1), (T::SightDenied, 1)],
            p(20),
        ),
        (20, user(1), none.clone(), one(T::Kick), p(30)),
        (20, MOD, none.clone(), one(T::Kick), p(80)),
        (
            20,
            user(1),
            optioned(json!({"integration_type": "twitch"})),
            vec![],
            0,
        ),
        (
            21,
            GUILD,
            optioned(json!({"members_removed": "7", "delete_member_days": "7"})),
            vec![(T::PruneMembers, 7)],
            p(70),
        ),
        (22, user(1), none.clone(), one(T::Ban), p(30)),
        (22, MOD, none.clone(), one(T::Ban), p(80)),
        (23, user(1), none.clone(), one(T::Unban), p(20)),
        (
            24,
            user(1),
            changed(
                "communication_disabled_until",
                json!(null),
                json!("2027-09-05T00:00:00+00:00"),
            ),
            one(T::Timeout),
            p(10),
        ),
        (
            24,
            user(1),
            changed(
                "communication_disabled_until",
                json!("2027-09-05T00:00:00+00:00"),
                json!(null),
            ),
            vec![],
            0,
        ),
        (
            24,
            user(1),
            changed("nick", json!("a"), json!("b")),
            one(T::NicknameUpdate),
            p(2),
        ),
        (
            24,
            ADMIN,
            changed("nick", json!("a"), json!("b")),
            vec![],
            0,
        ),
        (
            24,
            user(1),
            changed("mute", json!(false), json!(true)),
            one(T::VoiceMute),
            p(2),
        ),
        (
            24,
            user(1),
            changed("deaf", json!(false), json!(true)),
            one(T::VoiceMute),
            p(2),
        ),
        (
            24,
            user(1),
            changed("bypasses_verification", json!(false), json!(true)),
            one(T::VerificationBypass),
            p(30),
        ),
        (
            25,
            user(1),
            roles("$add", plain),
            vec![(T::RoleGivenToMember, 1), (T::MemberRolesUpdated, 1)],
            1,
        ),
        (
            25,
            user(1),
            roles("$add", MOD_ROLE),
            vec![(T::MemberRolesUpdated, 1), (T::DangerousRoleGiven, 1)],
            p(100),
        ),
        (
            25,
            user(1),
            roles("$remove", plain),
            vec![(T::RoleRemovedFromMember, 1), (T::MemberRolesUpdated, 1)],
            p(5),
        ),
        (
            25,
            user(1),
            roles("$remove", MOD_ROLE),
            vec![(T::RoleRemovedFromMember, 1), (T::MemberRolesUpdated, 1)],
            p(30),
        ),
        (
            25,
            user(1),
            json!({"options": {"integration_type": "twitch"}, "changes": [{"key": "$add", "new_value": [{"id": plain}]}]}),
            vec![],
            0,
        ),
        (
            26,
            GUILD,
            optioned(json!({"count": "3", "channel_id": "3000"})),
            vec![(T::VoiceMove, 3)],
            p(6),
        ),
        (
            27,
            GUILD,
            optioned(json!({"count": "3"})),
            vec![(T::VoiceDisconnect, 3)],
            p(6),
        ),
        (28, user(1), none.clone(), one(T::BotAdd), p(80)),
        (30, Id::new(2701), none.clone(), one(T::RoleAdd), p(10)),
        (
            30,
            Id::new(2701),
            changed("permissions", json!(null), json!("8")),
            one(T::RoleAdd),
            p(80),
        ),
        (
            31,
            plain,
            changed("name", json!("a"), json!("b")),
            one(T::RoleUpdate),
            p(10),
        ),
        (
            31,
            plain,
            changed("permissions", json!("0"), json!("16")),
            vec![(T::RoleUpdate, 1), (T::DangerousPermissionGrant, 1)],
            p(100),
        ),
        (
            31,
            plain,
            changed("permissions", json!("16"), json!("0")),
            one(T::RoleUpdate),
            p(10),
        ),
        (32, plain, none.clone(), one(T::RoleRemove), p(80)),
        (40, GUILD, none.clone(), one(T::InviteCreate), p(2)),
        (
            40,
            GUILD,
            changed("role_ids", json!(null), json!([MOD_ROLE])),
            one(T::InviteCreate),
            p(100),
        ),
        (41, GUILD, none.clone(), one(T::InviteUpdate), p(2)),
        (
            41,
            GUILD,
            changed("role_ids", json!([]), json!([MOD_ROLE])),
            one(T::InviteUpdate),
            p(100),
        ),
        (42, GUILD, none.clone(), one(T::InviteRemove), p(10)),
        (
            50,
            Id::new(4000),
            none.clone(),
            one(T::WebhookCreate),
            p(40),
        ),
        (
            51,
            Id::new(4000),
            none.clone(),
            one(T::WebhookUpdate),
            p(20),
        ),
        (
            52,
            Id::new(4000),
            none.clone(),
            one(T::WebhookRemove),
            p(20),
        ),
        (
            72,
            user(1),
            optioned(json!({"count": "3", "channel_id": "3000"})),
            vec![(T::MessageRemove, 3)],
            p(3),
        ),
        (
            73,
            channel(0),
            optioned(json!({"count": "40"})),
            vec![(T::BulkDelete, 40)],
            p(20),
        ),
        (74, user(1), none.clone(), one(T::PinChange), p(1)),
        (75, user(1), none.clone(), one(T::PinChange), p(1)),
        (
            80,
            Id::new(4001),
            none.clone(),
            one(T::IntegrationAdd),
            p(50),
        ),
        (
            81,
            Id::new(4001),
            none.clone(),
            one(T::IntegrationUpdate),
            p(30),
        ),
        (
            82,
            Id::new(4001),
            none.clone(),
            one(T::IntegrationRemove),
            p(50),
        ),
        (100, Id::new(4002), none.clone(), one(T::EventAdd), p(3)),
        (101, Id::new(4002), none.clone(), one(T::EventUpdate), p(5)),
        (102, Id::new(4002), none.clone(), one(T::EventRemove), p(20)),
        (200, Id::new(4002), none.clone(), one(T::EventAdd), p(3)),
        (201, Id::new(4002), none.clone(), one(T::EventUpdate), p(5)),
        (202, Id::new(4002), none.clone(), one(T::EventRemove), p(20)),
        (110, Id::new(4003), none.clone(), one(T::ThreadAdd), p(2)),
        (111, Id::new(4003), none.clone(), one(T::ThreadUpdate), p(3)),
        (
            112,
            Id::new(4003),
            none.clone(),
            one(T::ThreadRemove),
            p(30),
        ),
        (
            121,
            Id::new(4004),
            optioned(json!({"application_id": "1"})),
            one(T::CommandPermissionUpdate),
            p(10),
        ),
        (
            121,
            Id::new(4004),
            optioned(json!({"application_id": ME})),
            one(T::CommandPermissionUpdate),
            p(50),
        ),
        (140, Id::new(4005), none.clone(), one(T::AutomodAdd), p(30)),
        (
            141,
            Id::new(4005),
            none.clone(),
            one(T::AutomodUpdate),
            p(30),
        ),
        (
            142,
            Id::new(4005),
            none.clone(),
            one(T::AutomodRemove),
            p(40),
        ),
    ];
    for (action, target, more, kinds, points) in rows {
        let mut kinds = kinds;
        kinds.sort_unstable();
        assert_eq!(
            counted(action, target, &more),
            (kinds, points),
            "{action} {more}"
        );
    }
    let families = [
        (&[60, 90, 130][..], T::ExpressionAdd, p(3)),
        (&[61, 91, 131], T::ExpressionUpdate, p(3)),
        (&[62, 92, 132], T::ExpressionRemove, p(10)),
        (&[83, 84, 85], T::StageChange, p(3)),
        (&[163, 164, 165, 166, 167], T::OnboardingChange, p(20)),
        (&[190, 191, 210, 211], T::GuildUpdate, p(20)),
    ];
    for (actions, kind, points) in families {
        for action in actions {
            let found = counted(*action, Id::new(4006), &none);
            assert_eq!(found, (one(kind), points), "{action}");
        }
    }
}

#[test]
fn everything_else_is_context() {
    let context = [
        143, 144, 145, 146, 150, 151, 171, 172, 180, 192, 193, 194, 212, 213, 2, 16, 33, 999,
        65_535,
    ];
    for action in context {
        assert_eq!(
            counted(action, user(1), &json!({})),
            (vec![], 0),
            "{action}"
        );
    }
}

#[test]
fn default_limits_are_those_of_the_table() {
    const N: u32 = NEVER;
    let same = |row: [u32; 3]| [row; 3];
    let structure = [[8, 40, 120], [20, 150, 500], [20, 150, 500]];
    let removal = [[4, 12, 25], [5, 20, 50], [5, 20, 50]];
    let people = [[10, 60, 200], [10, 60, 200], [15, 100, 400]];
    let add = [[5, 20, 40], [10, 60, 150], [10, 60, 150]];
    let remove = [[2, 3, 5], [3, 6, 12], [3, 5, 10]];
    let out = [[6, 20, 60], [8, 30, 100], [10, 60, 200]];
    let rows = [
        (&[T::ChannelRemove, T::RoleRemove][..], remove, false),
        (&[T::ChannelAdd, T::RoleAdd], add, false),
        (
            &[T::ChannelUpdate, T::RoleUpdate, T::OverwriteChange],
            structure,
            false,
        ),
        (
            &[T::WebhookCreate],
            [[3, 8, 15], [4, 12, 25], [4, 12, 25]],
            false,
        ),
        (
            &[
                T::InviteRemove,
                T::WebhookRemove,
                T::ExpressionRemove,
                T::EventRemove,
                T::ThreadRemove,
                T::AutomodAdd,
                T::AutomodUpdate,
                T::AutomodRemove,
                T::IntegrationAdd,
                T::IntegrationUpdate,
                T::IntegrationRemove,
            ],
            removal,
            false,
        ),
        (&[T::Ban, T::Kick], out, true),
        (
            &[
                T::Unban,
                T::Timeout,
                T::VoiceMove,
                T::VoiceDisconnect,
                T::VoiceMute,
                T::NicknameUpdate,
            ],
            people,
            true,
        ),
        (
            &[T::RoleGivenToMember],
            [[20, 150, 400], [40, 300, 1000], [300, 3000, N]],
            true,
        ),
        (
            &[T::RoleRemovedFromMember],
            [[10, 40, 100], [15, 60, 200], [60, 600, N]],
            true,
        ),
        (
            &[T::MessageRemove],
            [[40, 300, 2000], [40, 300, 2000], [120, 900, 6000]],
            true,
        ),
        (
            &[T::BulkDelete],
            [[300, 1000, 5000], [300, 1000, 5000], [900, 3000, 15_000]],
            true,
        ),
        (&[T::BotAdd], [[1, 1, 2], [1, 2, 3], [0, 0, 0]], false),
        (
            &[T::GuildUpdate],
            [[3, 10, 20], [4, 15, 30], [4, 15, 30]],
            false,
        ),
        (&[T::EveryonePing], same([2, 4, 8]), false),
        (&[T::ThreadAdd], same([5, 30, 100]), false),
        (&[T::SightDenied], same([1, 1, 1]), false),
    ];
    for kind in T::ALL {
        let row = rows.iter().find(|(kinds, ..)| kinds.contains(kind));
        let (limits, grows) = row.map_or((same([N; 3]), false), |(_, limits, grows)| {
            (*limits, *grows)
        });
        let columns = [Column::Moderator, Column::Administrator, Column::Bot];
        for (column, limits) in columns.into_iter().zip(limits) {
            assert_eq!(
                kind.default_spans(column),
                Spans(limits),
                "{kind:?} {column:?}"
            );
        }
        assert_eq!(kind.grows_with_members(), grows, "{kind:?}");
    }
    assert_eq!(default_points(Column::Moderator), Spans([20, 40, 300]));
    assert_eq!(default_points(Column::Administrator), Spans([30, 60, 400]));
    assert_eq!(default_points(Column::Bot), Spans([30, 60, 500]));
}
