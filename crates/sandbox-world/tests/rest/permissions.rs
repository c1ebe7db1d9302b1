//! Permission arithmetic as truth tables.

use std::collections::BTreeMap;

use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::permissions::*;
use splashtail_sandbox_world::world::{
    Channel, Guild, Id, Member, Overwrite, Role, Stamp, ThreadState,
};

const G: Id = Id(100);
const OWNER: Id = Id(1);
const USER: Id = Id(2);
const A: Id = Id(110);
const B: Id = Id(111);
const NOW: Stamp = Stamp(1_700_000_000_000);

fn guild(everyone: u64, a: u64, b: u64) -> Guild {
    let mut guild = Guild::new(G, "g", OWNER);
    guild.roles.get_mut(&G).unwrap().permissions = everyone;
    guild.roles.insert(A, Role::new(A, "a", a, 1));
    guild.roles.insert(B, Role::new(B, "b", b, 2));
    let mut member = Member::new(USER, NOW);
    member.roles = [A, B].into();
    guild.members.insert(USER, member);
    guild
}

fn channel(kind: u8, overwrites: &[(Id, bool, u64, u64)]) -> Channel {
    let mut channel = Channel::new(Id(200), kind, Some(G), "c");
    for (id, member, allow, deny) in overwrites {
        channel.overwrites.insert(
            *id,
            Overwrite {
                id: *id,
                member: *member,
                allow: *allow,
                deny: *deny,
            },
        );
    }
    channel
}

#[test]
fn base_permissions_are_the_union_of_roles() {
    let g = guild(VIEW_CHANNEL, SEND_MESSAGES, KICK_MEMBERS);
    assert_eq!(
        in_guild(&g, USER, NOW),
        VIEW_CHANNEL | SEND_MESSAGES | KICK_MEMBERS
    );
    assert_eq!(in_guild(&g, OWNER, NOW), ALL);
    assert_eq!(in_guild(&g, Id(9), NOW), 0);
    assert_eq!(in_guild(&guild(0, ADMINISTRATOR, 0), USER, NOW), ALL);
}

#[test]
fn overwrites_apply_everyone_then_roles_together_then_the_member() {
    let base = VIEW_CHANNEL | SEND_MESSAGES;
    let of = |overwrites: &[(Id, bool, u64, u64)]| {
        in_channel(&guild(base, 0, 0), &channel(0, overwrites), None, USER, NOW)
    };
    assert_eq!(of(&[]), base);
    assert_eq!(of(&[(G, false, 0, SEND_MESSAGES)]), VIEW_CHANNEL);
    // One role's allow beats another role's deny, whichever comes first.
    assert_eq!(
        of(&[(A, false, SEND_MESSAGES, 0), (B, false, 0, SEND_MESSAGES)]),
        base
    );
    assert_eq!(
        of(&[(A, false, 0, SEND_MESSAGES), (B, false, SEND_MESSAGES, 0)]),
        base
    );
    assert_eq!(
        of(&[(A, false, SEND_MESSAGES, 0), (USER, true, 0, SEND_MESSAGES)]),
        VIEW_CHANNEL
    );
    // A bit in both allow and deny: allow wins.
    assert_eq!(of(&[(A, false, SEND_MESSAGES, SEND_MESSAGES)]), base);
    // A role the member does not have changes nothing.
    assert_eq!(of(&[(Id(112), false, 0, base)]), base);
}

#[test]
fn missing_permissions_take_others_along() {
    let all = ALL & !ADMINISTRATOR;
    let of = |kind, deny| {
        in_channel(
            &guild(all, 0, 0),
            &channel(kind, &[(G, false, 0, deny)]),
            None,
            USER,
            NOW,
        )
    };
    assert_eq!(of(0, VIEW_CHANNEL), 0, "no view, nothing");
    let quiet = of(0, SEND_MESSAGES);
    assert_eq!(
        quiet & (MENTION_EVERYONE | SEND_TTS_MESSAGES | ATTACH_FILES | EMBED_LINKS),
        0
    );
    assert_ne!(quiet & ADD_REACTIONS, 0);
    assert_eq!(
        of(2, CONNECT) & (MANAGE_CHANNELS | MANAGE_ROLES),
        0,
        "no management of a closed voice channel"
    );
    assert_ne!(of(0, CONNECT) & MANAGE_CHANNELS, 0);
    // Administrators see through every overwrite.
    let admin = in_channel(
        &guild(ADMINISTRATOR, 0, 0),
        &channel(0, &[(G, false, 0, VIEW_CHANNEL)]),
        None,
        USER,
        NOW,
    );
    assert_eq!(admin, ALL);
}

#[test]
fn timeouts_leave_only_looking() {
    let mut g = guild(ALL & !ADMINISTRATOR, 0, 0);
    g.members.get_mut(&USER).unwrap().timeout_until = Some(NOW.plus(1));
    assert_eq!(
        in_channel(&g, &channel(0, &[]), None, USER, NOW),
        VIEW_CHANNEL | READ_MESSAGE_HISTORY
    );
    assert_ne!(
        in_channel(&g, &channel(0, &[]), None, USER, NOW.plus(1)) & SEND_MESSAGES,
        0,
        "over"
    );
    let mut admin = guild(ADMINISTRATOR, 0, 0);
    admin.members.get_mut(&USER).unwrap().timeout_until = Some(NOW.plus(1));
    assert_eq!(in_guild(&admin, USER, NOW), ALL);
}

#[test]
fn threads_inherit_and_have_their_own_sending_bit() {
    let g = guild(VIEW_CHANNEL | SEND_MESSAGES, 0, 0);
    let parent = channel(0, &[]);
    let mut thread = Channel::new(Id(201), 11, Some(G), "t");
    assert_eq!(
        in_channel(&g, &thread, Some(&parent), USER, NOW) & SEND_MESSAGES,
        0
    );
    let g = guild(VIEW_CHANNEL | SEND_MESSAGES_IN_THREADS, 0, 0);
    assert_ne!(
        in_channel(&g, &thread, Some(&parent), USER, NOW) & SEND_MESSAGES,
        0
    );
    thread.kind = 12;
    thread.thread = Some(ThreadState {
        owner: OWNER,
        archived: false,
        archived_at: NOW,
        auto_archive: 60,
        locked: false,
        invitable: true,
        created_at: NOW,
        message_count: 0,
        total_sent: 0,
        applied_tags: Vec::new(),
        members: BTreeMap::new(),
    });
    assert_eq!(
        in_channel(&g, &thread, Some(&parent), USER, NOW),
        0,
        "private threads are for their members"
    );
}

#[test]
fn of_two_roles_at_one_position_the_older_is_higher() {
    let mut g = guild(0, 0, 0);
    g.roles.get_mut(&B).unwrap().position = 1;
    assert_eq!(top_role(&g, USER).unwrap().id, A);
    assert!(!outranks(&g, USER, OWNER), "nobody acts on the owner");
    assert!(outranks(&g, OWNER, USER));
    assert!(!outranks(&g, USER, USER));
}

#[test]
fn shards_of_the_small_world() {
    for (n, guild) in small::GUILDS.into_iter().enumerate() {
        assert_eq!(guild.shard(4) as usize, n);
    }
}
