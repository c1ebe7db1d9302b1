use chrono::DateTime;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::permissions::without;

const GUILD: u64 = 100;
const OWNER: u64 = 1;
const ALL_BUT_ADMIN: u64 = bits::ALL & !bits::ADMINISTRATOR;

fn role(id: u64, position: i64, permissions: u64) -> Value {
    json!({"id": id.to_string(), "position": position, "permissions": permissions.to_string()})
}

/// @everyone without rights and the roles given.
fn guild(roles: &[Value]) -> Value {
    let mut all = vec![role(GUILD, 0, 0)];
    all.extend_from_slice(roles);
    json!({"id": GUILD.to_string(), "owner_id": OWNER.to_string(), "roles": all})
}

fn member(user: u64, roles: &[u64]) -> Value {
    let roles: Vec<String> = roles.iter().map(u64::to_string).collect();
    json!({"user": {"id": user.to_string()}, "roles": roles})
}

fn judge(guild: &Value, actor: &Value, act: Act<'_>) -> Ruling {
    let subject = Subject::new(guild, actor, DateTime::UNIX_EPOCH).unwrap();
    let actor = Actor {
        member: actor,
        subject: &subject,
    };
    Hierarchy::new(guild).unwrap().can_act_on(actor, act)
}

fn denied(why: Denied) -> Ruling {
    Ruling::Denied(why)
}

#[test]
fn rank_decides_and_ties_go_to_the_lower_id() {
    let guild = guild(&[
        role(20, 5, ALL_BUT_ADMIN),
        role(30, 5, ALL_BUT_ADMIN),
        role(40, 4, 0),
    ]);
    let (lower_id, higher_id) = (member(7, &[20]), member(8, &[30, 40]));
    assert_eq!(
        judge(&guild, &lower_id, Act::Kick(&higher_id)),
        Ruling::Allowed
    );
    assert_eq!(
        judge(&guild, &higher_id, Act::Kick(&lower_id)),
        denied(Denied::Rank)
    );
    let same = member(9, &[20]);
    assert_eq!(
        judge(&guild, &lower_id, Act::Ban(&same)),
        denied(Denied::Rank)
    );
    assert_eq!(judge(&guild, &lower_id, Act::EditRole(30)), Ruling::Allowed);
    assert_eq!(
        judge(&guild, &higher_id, Act::EditRole(20)),
        denied(Denied::Rank)
    );
    assert_eq!(
        judge(&guild, &higher_id, Act::EditRole(30)),
        denied(Denied::Rank),
        "its own"
    );
}

#[test]
fn owners_stand_above_all() {
    let guild = guild(&[role(20, 5, bits::ADMINISTRATOR)]);
    let (owner, admin) = (member(OWNER, &[]), member(7, &[20]));
    assert_eq!(judge(&guild, &owner, Act::Ban(&admin)), Ruling::Allowed);
    assert_eq!(judge(&guild, &owner, Act::EditRole(20)), Ruling::Allowed);
    assert_eq!(
        judge(&guild, &admin, Act::Ban(&owner)),
        denied(Denied::Owner)
    );
    assert_eq!(
        judge(&guild, &admin, Act::BanStranger(OWNER)),
        denied(Denied::Owner)
    );
    assert_eq!(
        judge(&guild, &owner, Act::Kick(&owner)),
        denied(Denied::Owner)
    );
    assert_eq!(
        judge(&guild, &admin, Act::Kick(&admin)),
        denied(Denied::Oneself)
    );
    assert_eq!(judge(&guild, &admin, Act::BanStranger(77)), Ruling::Allowed);
}

#[test]
fn permissions_come_before_rank() {
    let guild = guild(&[
        role(20, 5, bits::KICK_MEMBERS),
        role(30, 3, bits::ADMINISTRATOR),
    ]);
    let (moderator, target) = (member(7, &[20]), member(8, &[]));
    assert_eq!(
        judge(&guild, &moderator, Act::Kick(&target)),
        Ruling::Allowed
    );
    let lacks = denied(Denied::Lacks(bits::BAN_MEMBERS));
    assert_eq!(judge(&guild, &moderator, Act::Ban(&target)), lacks);
    assert_eq!(lacks.to_string(), "it needs BAN_MEMBERS");
    let admin = member(9, &[30]);
    let guild = self::guild(&[role(20, 5, ALL_BUT_ADMIN), role(30, 3, bits::ADMINISTRATOR)]);
    let above = judge(&guild, &moderator, Act::Timeout(&admin));
    assert_eq!(above, denied(Denied::Administrator), "rank does not help");
    assert_eq!(
        judge(&guild, &moderator, Act::Timeout(&target)),
        Ruling::Allowed
    );
}

#[test]
fn some_roles_cannot_be_given() {
    let managed = json!({"id": "30", "position": 1, "permissions": "0", "managed": true});
    let guild = guild(&[role(20, 5, bits::MANAGE_ROLES), managed]);
    let (actor, target) = (member(7, &[20]), member(8, &[]));
    let assign = |role| judge(&guild, &actor, Act::Assign(&target, role));
    assert_eq!(assign(30), denied(Denied::Managed));
    assert_eq!(assign(GUILD), denied(Denied::Everyone));
    assert_eq!(assign(20), denied(Denied::Rank));
    assert_eq!(
        judge(&guild, &actor, Act::DeleteRole(30)),
        denied(Denied::Managed)
    );
    assert_eq!(
        judge(&guild, &actor, Act::EditRole(30)),
        Ruling::Allowed,
        "a bot's role is disarmed so"
    );
    assert_eq!(judge(&guild, &actor, Act::EditRole(GUILD)), Ruling::Allowed);
    assert_eq!(
        judge(&guild, &actor, Act::DeleteRole(GUILD)),
        denied(Denied::Everyone)
    );
}

#[test]
fn what_is_not_known_is_refused_as_unknown() {
    let guild = guild(&[role(20, 5, ALL_BUT_ADMIN)]);
    let actor = member(7, &[20]);
    let stranger = member(8, &[99]);
    let unknown = |what| Ruling::Unknown(what);
    assert_eq!(
        judge(&guild, &actor, Act::Kick(&stranger)),
        unknown(Missing::Role(99))
    );
    assert_eq!(
        judge(&guild, &actor, Act::EditRole(99)),
        unknown(Missing::Role(99))
    );
    let nobody = json!({});
    assert_eq!(
        judge(&guild, &actor, Act::Kick(&nobody)),
        unknown(Missing::Member)
    );
    let halved = json!({"user": {"id": "8"}});
    assert_eq!(
        judge(&guild, &actor, Act::Kick(&halved)),
        unknown(Missing::Member)
    );
    // The actor's own unknown role might grant what it seems to lack.
    let odd = member(7, &[99]);
    assert_eq!(
        judge(&guild, &odd, Act::Kick(&actor)),
        unknown(Missing::Role(99))
    );
    let hidden = json!({"id": "5", "type": 0, "name": "___hidden___", "flags": 1 << 17,
        "permission_overwrites": [{"id": "100", "type": 0, "deny": "1024", "allow": "0"}]});
    for act in [Act::ManageChannel(&hidden), Act::Overwrite(&hidden, 0)] {
        assert_eq!(judge(&guild, &actor, act), unknown(Missing::Hidden(5)));
        assert_eq!(
            judge(&guild, &member(OWNER, &[]), act),
            unknown(Missing::Hidden(5))
        );
        assert!(!judge(&guild, &actor, act).is_allowed());
    }
}

#[test]
fn hidden_channels_are_known_by_flag_or_by_look() {
    let overwrites = json!([{"id": "100", "type": 0, "deny": "1024", "allow": "0"}]);
    assert!(is_hidden(&json!({"id": "5", "flags": 1 << 17})));
    let dropped = json!({"id": "5", "name": "___hidden___", "permission_overwrites": overwrites});
    assert!(is_hidden(&dropped));
    let a_joke = json!({"id": "5", "name": "___hidden___", "permission_overwrites": []});
    assert!(!is_hidden(&a_joke));
    // Whoever may manage a channel can give it this look, and it has to be put back.
    let mut disguised = dropped.clone();
    disguised["flags"] = json!(0);
    assert!(!is_hidden(&disguised));
    let mut others = dropped.clone();
    others["guild_id"] = json!("7");
    assert!(!is_hidden(&others), "the overwrite of some role");
    others["guild_id"] = json!("100");
    assert!(is_hidden(&others));
    let mut members = dropped;
    members["permission_overwrites"][0]["type"] = json!(1);
    assert!(!is_hidden(&members));
}

#[test]
fn only_own_bits_go_into_overwrites() {
    let granted = bits::VIEW_CHANNEL | bits::MANAGE_ROLES | bits::SEND_MESSAGES;
    let guild = guild(&[role(20, 5, granted), role(30, 6, bits::ADMINISTRATOR)]);
    let channel = json!({"id": "5", "type": 0, "permission_overwrites": []});
    let actor = member(7, &[20]);
    let change = |bits| judge(&guild, &actor, Act::Overwrite(&channel, bits));
    assert_eq!(change(bits::SEND_MESSAGES), Ruling::Allowed);
    assert_eq!(
        change(bits::ATTACH_FILES),
        denied(Denied::Lacks(bits::ATTACH_FILES))
    );
    assert_eq!(
        change(bits::MANAGE_ROLES),
        denied(Denied::Lacks(bits::MANAGE_ROLES))
    );
    let admin = member(8, &[30]);
    let change = judge(&guild, &admin, Act::Overwrite(&channel, bits::MANAGE_ROLES));
    assert_eq!(change, Ruling::Allowed);
}

#[test]
fn bits_that_the_actor_lacks_are_not_sent() {
    let now = bits::KICK_MEMBERS | bits::SEND_MESSAGES | bits::MANAGE_GUILD;
    let own = bits::KICK_MEMBERS | bits::SEND_MESSAGES;
    let sent = without(now, bits::KICK_MEMBERS, own);
    assert_eq!(sent, (bits::SEND_MESSAGES, bits::MANAGE_GUILD));
}

fn ranks() -> impl Strategy<Value = Vec<(u64, i64, u64)>> {
    prop::collection::vec((101..120_u64, 0..4_i64, any::<u64>()), 1..10)
}

proptest! {
    /// Rank is a strict order: of two members one at most may act on the other, whatever the ties.
    #[test]
    fn nobody_acts_on_each_other(
        roles in ranks(),
        held in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        others in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut roles = roles;
        roles.sort_by_key(|(id, ..)| *id);
        roles.dedup_by_key(|(id, ..)| *id);
        let objects: Vec<Value> = roles
            .iter()
            .map(|(id, position, bits)| role(*id, *position, *bits))
            .collect();
        let guild = guild(&objects);
        let pick = |picks: &[prop::sample::Index]| -> Vec<u64> {
            picks.iter().map(|index| index.get(&roles).0).collect()
        };
        let (first, second) = (member(7, &pick(&held)), member(8, &pick(&others)));
        let there = judge(&guild, &first, Act::Kick(&second));
        let back = judge(&guild, &second, Act::Kick(&first));
        prop_assert!(!(there.is_allowed() && back.is_allowed()), "{there:?} {back:?}");
        let hierarchy = Hierarchy::new(&guild).unwrap();
        if there == denied(Denied::Rank) {
            prop_assert!(hierarchy.rank(&first).unwrap() <= hierarchy.rank(&second).unwrap());
        }
    }

    /// Nothing is implied that is not granted, hidden things imply nothing, and everything granted
    /// to an administrator stays.
    #[test]
    fn arithmetic_never_adds(
        everyone: u64,
        own: u64,
        deny: u64,
        allow: u64,
        kind in prop::sample::select(vec![0_u64, 2, 4, 5, 13, 15]),
    ) {
        let guild = json!({"id": GUILD.to_string(), "owner_id": "1",
            "roles": [role(GUILD, 0, everyone), role(20, 1, own)]});
        let subject = Subject::new(&guild, &member(7, &[20]), DateTime::UNIX_EPOCH).unwrap();
        let channel = json!({"id": "5", "type": kind, "permission_overwrites":
            [{"id": "20", "type": 0, "deny": deny.to_string(), "allow": allow.to_string()}]});
        let granted = subject.in_channel(&channel);
        if (everyone | own) & bits::ADMINISTRATOR != 0 {
            prop_assert_eq!(granted, bits::ALL);
        } else {
            let plain = (everyone | own) & !deny | allow;
            prop_assert_eq!(granted & !plain, 0);
            if plain & bits::VIEW_CHANNEL == 0 {
                prop_assert_eq!(granted, 0);
            }
            if plain & bits::SEND_MESSAGES == 0 {
                let talk = bits::EMBED_LINKS | bits::ATTACH_FILES | bits::MENTION_EVERYONE;
                prop_assert_eq!(granted & talk, 0);
            }
            prop_assert_eq!(
                subject.allows(Some(&channel), bits::VIEW_CHANNEL).is_allowed(),
                granted & bits::VIEW_CHANNEL != 0
            );
        }
    }
}
