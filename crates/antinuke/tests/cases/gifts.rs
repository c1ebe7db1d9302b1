//! Power that is given: to oneself, to all, by onboarding, invites and bots. And AutoMod as a weapon.

use serde_json::json;
use splashtail_antinuke::{IncidentState, Instant, Notice, Rule, Rung, SECOND, bits};
use splashtail_guild::Id;

use crate::world::*;

#[test]
fn case_11_onboarding_of_five_hundred_is_silence() {
    let mut world = World::new();
    world.add_role(Id::new(2400), 1, 0);
    for n in 0..500 {
        let new = user(300 + n);
        world.add_newcomer(new);
        let more = json!({"changes": [{"key": "$add", "new_value": [{"id": Id::new(2400)}]}]});
        world.act_with(new, 25, new, more);
        world.wait(20);
    }
    world.no_incident();
}

#[test]
fn case_12_onboarding_that_gives_power_is_restored() {
    let mut world = World::new();
    let old = json!([{"id": "1", "options": [{"role_ids": [Id::new(2400)]}]}]);
    let new = json!([{"id": "1", "options": [{"role_ids": [ADMIN_ROLE]}]}]);
    let more = json!({"changes": [{"key": "prompts", "old_value": old, "new_value": new}]});
    world.act_with(MOD, 167, GUILD, more);
    let call = world.calls_of(Rung::RestoreOnboarding)[0];
    assert_eq!(call.body.as_ref().unwrap()["prompts"], old);
    assert!(world.is_contained(MOD));
    // Whoever got it through onboarding keeps everything else.
    let joined = user(1);
    world.add_member(joined, &[ADMIN_ROLE]);
    let more = json!({"changes": [{"key": "$add", "new_value": [{"id": ADMIN_ROLE}]}],
        "options": {"integration_type": "onboarding"}});
    world.act_with(joined, 25, joined, more);
    assert_eq!(world.calls_of(Rung::TakeRole).len(), 1);
    assert!(!world.is_contained(joined));
}

#[test]
fn case_13_an_invite_that_gives_power_is_deleted() {
    let mut world = World::new();
    let more = json!({"target_id": null, "changes": [
        {"key": "code", "new_value": "aBc-12"}, {"key": "role_ids", "new_value": [ADMIN_ROLE]}]});
    world.act_with(MOD, 40, GUILD, more);
    assert_eq!(
        world.calls_of(Rung::DeleteInvite)[0].path,
        "/invites/aBc-12"
    );
    assert!(world.is_contained(MOD));
}

#[test]
fn a_code_that_is_none_never_becomes_a_path() {
    let mut world = World::new();
    let more = json!({"target_id": null, "changes": [
        {"key": "code", "new_value": "../guilds/1"}, {"key": "role_ids", "new_value": [ADMIN_ROLE]}]});
    world.act_with(MOD, 40, GUILD, more);
    assert!(world.calls_of(Rung::DeleteInvite).is_empty());
}

#[test]
fn case_14_power_for_everybody_is_taken_back() {
    let mut world = World::new();
    let (old, new) = (bits::VIEW_CHANNEL, bits::VIEW_CHANNEL | bits::BAN_MEMBERS);
    let more = json!({"changes": [
        {"key": "permissions", "old_value": old.to_string(), "new_value": new.to_string()}]});
    world.act_with(MOD, 32 - 1, GUILD, more);
    let back = world.calls_of(Rung::DisarmRole)[0];
    assert_eq!(back.key.subject, GUILD);
    assert_eq!(permissions_of(back), old, "before its event comes");
    assert!(world.is_contained(MOD));
}

#[test]
fn case_15_whoever_arms_themselves_loses_it() {
    let mut world = World::new();
    let more = json!({"changes": [{"key": "$add", "new_value": [{"id": ADMIN_ROLE}]}]});
    world.act_with(MOD, 25, MOD, more);
    let taken = world.calls_of(Rung::TakeRole);
    assert!(
        taken[0]
            .path
            .ends_with(&format!("{MOD}/roles/{ADMIN_ROLE}"))
    );
    assert!(world.is_contained(MOD));
    let what = Instant::OwnRightsRaised;
    assert!(world.incident().rules.contains(&Rule::Instant { what }));
}

#[test]
fn case_16_a_new_bot_with_power_is_held_and_its_inviter_kept() {
    for role_first in [true, false] {
        let mut world = World::new();
        let bot = user(9);
        let role = json!({"guild_id": GUILD, "role": {"id": Id::new(2100), "position": 2,
            "managed": true, "tags": {"bot_id": bot}, "permissions": "8"}});
        if role_first {
            world.feed("GUILD_ROLE_CREATE", role.clone());
        }
        world.act(ADMIN, 28, bot);
        if !role_first {
            world.feed("GUILD_ROLE_CREATE", role);
        }
        let held = world.calls_of(Rung::HoldBot);
        assert_eq!(held.len(), 1);
        assert_eq!(permissions_of(held[0]), 0);
        assert!(world.told(Notice::BotHeld));
        assert!(!world.is_contained(ADMIN));
        world.nobody_punished();
    }
}

#[test]
fn case_30_a_rule_that_hits_all_is_switched_off_and_its_timeouts_lifted() {
    let mut world = World::new();
    let rule = Id::new(8000);
    let hit =
        |n| json!({"guild_id": GUILD, "user_id": user(n), "action": {"type": 3}, "rule_id": rule});
    world.feed("AUTO_MODERATION_ACTION_EXECUTION", hit(1));
    let more =
        json!({"changes": [{"key": "trigger_metadata", "new_value": {"regex_patterns": [".*"]}}]});
    world.act_with(MOD, 140, rule, more);
    world.feed("AUTO_MODERATION_ACTION_EXECUTION", hit(2));
    let off = world.calls_of(Rung::DisableRule)[0];
    assert_eq!(off.body.as_ref().unwrap()["enabled"], false);
    let lifted: Vec<Id> = world
        .calls_of(Rung::LiftTimeout)
        .iter()
        .map(|c| c.key.subject)
        .collect();
    assert_eq!(lifted, [user(1), user(2)]);
    assert!(world.is_contained(MOD));
}

const HOOK: Id = Id::new(8100);

/// A webhook posts five times within half a second.
fn burst(world: &mut World, more: impl Fn(u64) -> serde_json::Value) {
    for n in 0..5 {
        let id = world.id();
        let mut post = json!({"id": id, "guild_id": GUILD, "channel_id": channel(n),
            "webhook_id": HOOK, "author": {"id": HOOK}, "content": format!("line {n}"),
            "mention_everyone": false, "mention_roles": [], "mentions": []});
        for (key, value) in more(n).as_object().unwrap() {
            post[key] = value.clone();
        }
        world.feed("MESSAGE_CREATE", post);
        world.wait(100);
    }
}

#[test]
fn case_31_a_webhook_used_for_spam_goes_and_its_creator_is_not_charged() {
    let one = |n| n == 2;
    let signs: [&dyn Fn(u64) -> serde_json::Value; 5] = [
        &|_| json!({"content": "free nitro"}),
        &|_| json!({"content": "", "embeds": [{"title": "free nitro"}]}),
        &|n| json!({"mention_everyone": one(n)}),
        &|n| json!({"mention_roles": if one(n) { vec![MOD_ROLE] } else { vec![] }}),
        &|n| json!({"content": format!("{n}: https://Discord.gg/abc")}),
    ];
    for sign in signs {
        let mut world = World::new();
        world.act(MOD, 50, HOOK);
        burst(&mut world, sign);
        assert_eq!(world.calls.len(), 1);
        assert_eq!(world.calls[0].path, format!("/webhooks/{HOOK}"));
        assert!(world.incident().suspects.is_empty());
        assert_eq!(world.incident().state, IncidentState::Contained);
        assert!(!world.is_contained(MOD));
    }
}

#[test]
fn a_bridge_is_fast_and_no_spam() {
    let mut world = World::new();
    for _ in 0..10 {
        burst(&mut world, |_| json!({}));
    }
    // Without the intent for contents every post looks alike.
    burst(&mut world, |_| json!({"content": "", "embeds": []}));
    world.no_incident();
}

#[test]
fn our_own_webhooks_are_no_spam() {
    let mut world = World::new();
    burst(
        &mut world,
        |_| json!({"application_id": ME, "content": "restored", "mention_everyone": true}),
    );
    world.no_incident();
}

#[test]
fn posts_without_a_ping_make_a_ping_no_worse() {
    let mut world = World::new();
    for (n, ping) in [false, false, false, true, false, true, false, true]
        .into_iter()
        .enumerate()
    {
        world.no_incident();
        let id = world.id();
        let post = json!({"id": id, "guild_id": GUILD, "channel_id": channel(0),
            "webhook_id": HOOK, "author": {"id": HOOK}, "content": n.to_string(),
            "mention_everyone": ping});
        world.feed("MESSAGE_CREATE", post);
        world.wait(5 * SECOND);
    }
    assert_eq!(world.calls.len(), 1, "the third ping is one too many");
}

#[test]
fn answers_to_interactions_and_followed_channels_are_no_spam() {
    let mut world = World::new();
    let app = Id::new(8100);
    for n in 0..20 {
        let id = world.id();
        let (application, flags) = if n % 2 == 0 {
            (json!(app), 0)
        } else {
            (json!(null), 2)
        };
        let hook = if n % 2 == 0 { app } else { Id::new(8101) };
        let post = json!({"id": id, "guild_id": GUILD, "channel_id": channel(0), "webhook_id": hook,
            "application_id": application, "flags": flags, "author": {"id": hook}});
        world.feed("MESSAGE_CREATE", post);
        world.wait(50);
    }
    world.no_incident();
}

#[test]
fn case_33_a_role_with_a_bit_we_lack_is_edited_and_the_bit_named() {
    let mut world = World::new();
    let strange = 1 << 50;
    let role = Id::new(2500);
    world.add_role(
        role,
        4,
        bits::MANAGE_CHANNELS | strange | bits::VIEW_CHANNEL,
    );
    for n in 0..4 {
        world.delete_channel(HIGH, n);
    }
    let panic = world.calls_of(Rung::PanicRole);
    let call = panic.iter().find(|c| c.key.subject == role).unwrap();
    assert_eq!(permissions_of(call), bits::VIEW_CHANNEL);
    let named = world.incident().by_hand.iter().find(|(id, _)| *id == role);
    assert_eq!(named, Some(&(role, strange)));
}

#[test]
fn a_member_who_pings_everybody_is_stopped() {
    let mut world = World::new();
    for _ in 0..3 {
        let id = world.id();
        let post = json!({"id": id, "guild_id": GUILD, "channel_id": channel(0),
            "author": {"id": MOD}, "mention_everyone": true});
        world.feed("MESSAGE_CREATE", post);
        world.wait(SECOND);
    }
    assert!(world.is_contained(MOD));
}
