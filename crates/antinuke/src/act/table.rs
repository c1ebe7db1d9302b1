//! What an entry means: the table of watched acts.

use serde_json::Value;
use splashtail_guild::Id;

use super::power::{invite, member_roles, onboarding, overwrite, role_update};
use super::{Act, Instant, Repair};
use crate::automod;
use crate::bits::{self, POWER};
use crate::entry::{Entry, action as a};
use crate::limit::{LimitType as T, UNIT};
use crate::members::Sight;

/// Pruned members that are no accident.
const PRUNED: u64 = 10;
/// Slow mode beyond which a channel is silenced, in seconds.
const SILENCING: u64 = 3600;

/// Points, written as the table has them.
pub(super) const fn p(tenths_of_a_point: u32) -> u32 {
    tenths_of_a_point * UNIT / 10
}

/// Reads an entry by somebody. `None`: context, which counts for nobody.
pub fn read(entry: &Entry<'_>, actor: Option<Id>, sight: Sight<'_>) -> Option<Act> {
    let mut act = Act::new(entry);
    let count = entry.number("count").unwrap_or(1).max(1);
    let staff = || entry.target.is_some_and(|t| sight.is_staff(t, entry.at()));
    match entry.action {
        a::GUILD_UPDATE => guild_update(&mut act, entry),
        190 | 191 | 210 | 211 => {
            act.needs = bits::MANAGE_GUILD;
            act.one(T::GuildUpdate, p(20));
        }
        a::CHANNEL_CREATE => act.one(T::ChannelAdd, p(10)),
        a::CHANNEL_UPDATE => {
            let slow = entry.change("rate_limit_per_user");
            let silenced = slow.is_some_and(|c| c.new.as_u64() > Some(SILENCING));
            act.one(T::ChannelUpdate, if silenced { p(20) } else { p(5) });
        }
        a::CHANNEL_DELETE => act.one(T::ChannelRemove, p(80)),
        a::OVERWRITE_CREATE..=a::OVERWRITE_DELETE => overwrite(&mut act, entry, sight),
        a::MEMBER_KICK if entry.by_integration() => return None,
        a::MEMBER_KICK => {
            act.needs = bits::KICK_MEMBERS;
            act.one(T::Kick, if staff() { p(80) } else { p(30) });
        }
        a::MEMBER_PRUNE => {
            let removed = entry.number("members_removed").unwrap_or(1);
            act.needs = bits::KICK_MEMBERS;
            act.count(T::PruneMembers, removed);
            act.weigh(
                u32::try_from(removed)
                    .unwrap_or(u32::MAX)
                    .saturating_mul(UNIT),
            );
            if removed > PRUNED {
                act.instants.push(Instant::Prune);
            }
        }
        a::MEMBER_BAN_ADD => {
            act.needs = bits::BAN_MEMBERS;
            act.one(T::Ban, if staff() { p(80) } else { p(30) });
        }
        a::MEMBER_BAN_REMOVE => {
            act.needs = bits::BAN_MEMBERS;
            act.one(T::Unban, p(20));
        }
        a::MEMBER_UPDATE => member_update(&mut act, entry, actor),
        a::MEMBER_ROLE_UPDATE => member_roles(&mut act, entry, actor, sight)?,
        a::MEMBER_MOVE => {
            act.count(T::VoiceMove, count);
            act.weigh(p(2).saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)));
        }
        a::MEMBER_DISCONNECT => {
            act.count(T::VoiceDisconnect, count);
            act.weigh(p(2).saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)));
        }
        a::BOT_ADD => {
            act.needs = bits::MANAGE_GUILD;
            act.one(T::BotAdd, p(80));
            if let Some(bot) = entry.target.filter(|bot| *bot != sight.me) {
                act.instants.push(Instant::BotWithPower);
                act.repairs.push(Repair::HoldBot { bot });
            }
        }
        a::ROLE_CREATE => {
            act.needs = bits::MANAGE_ROLES;
            let granted = entry.change("permissions").map_or(0, |c| bits::read(c.new));
            act.one(T::RoleAdd, if granted & POWER != 0 { p(80) } else { p(10) });
        }
        a::ROLE_UPDATE => role_update(&mut act, entry, actor, sight),
        a::ROLE_DELETE => {
            act.needs = bits::MANAGE_ROLES;
            act.one(T::RoleRemove, p(80));
            let mine = sight.roles(sight.me).unwrap_or_default();
            if entry.target.is_some_and(|role| mine.contains(&role)) {
                act.instants.push(Instant::Tamper);
            }
        }
        a::INVITE_CREATE | a::INVITE_UPDATE => invite(&mut act, entry, sight),
        a::INVITE_DELETE => act.one(T::InviteRemove, p(10)),
        a::WEBHOOK_CREATE => act.one(T::WebhookCreate, p(40)),
        a::WEBHOOK_UPDATE => act.one(T::WebhookUpdate, p(20)),
        a::WEBHOOK_DELETE => act.one(T::WebhookRemove, p(20)),
        60 | 90 | 130 => act.one(T::ExpressionAdd, p(3)),
        61 | 91 | 131 => act.one(T::ExpressionUpdate, p(3)),
        62 | 92 | 132 => act.one(T::ExpressionRemove, p(10)),
        a::MESSAGE_DELETE => {
            act.count(T::MessageRemove, count);
            act.weigh(p(1).saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)));
        }
        a::MESSAGE_BULK_DELETE => {
            act.count(T::BulkDelete, count);
            // A twentieth of a point each.
            act.weigh(u32::try_from(count).unwrap_or(u32::MAX));
        }
        74 | 75 => act.one(T::PinChange, p(1)),
        80 => act.one(T::IntegrationAdd, p(50)),
        81 => act.one(T::IntegrationUpdate, p(30)),
        82 => act.one(T::IntegrationRemove, p(50)),
        83..=85 => act.one(T::StageChange, p(3)),
        100 | 200 => act.one(T::EventAdd, p(3)),
        101 | 201 => act.one(T::EventUpdate, p(5)),
        102 | 202 => act.one(T::EventRemove, p(20)),
        110 => act.one(T::ThreadAdd, p(2)),
        111 => act.one(T::ThreadUpdate, p(3)),
        112 => act.one(T::ThreadRemove, p(30)),
        a::COMMAND_PERMISSION_UPDATE => {
            let ours = Id::read(entry.option("application_id")) == Some(sight.me);
            let points = if ours { p(50) } else { p(10) };
            act.one(T::CommandPermissionUpdate, points);
        }
        a::AUTOMOD_RULE_CREATE | a::AUTOMOD_RULE_UPDATE => {
            act.needs = bits::MANAGE_GUILD;
            let create = entry.action == a::AUTOMOD_RULE_CREATE;
            act.one(
                if create {
                    T::AutomodAdd
                } else {
                    T::AutomodUpdate
                },
                p(30),
            );
            if automod::catches_all(entry.changes().map(|c| (c.key, c.new))) {
                act.instants.push(Instant::CatchAllAutomod);
                act.repairs
                    .extend(entry.target.map(|rule| Repair::DisableRule { rule }));
            }
        }
        a::AUTOMOD_RULE_DELETE => {
            act.needs = bits::MANAGE_GUILD;
            act.one(T::AutomodRemove, p(40));
        }
        a::ONBOARDING_PROMPT_CREATE..=a::ONBOARDING_UPDATE => onboarding(&mut act, entry, sight),
        _ => return None,
    }
    Some(act)
}

fn guild_update(act: &mut Act, entry: &Entry<'_>) {
    act.needs = bits::MANAGE_GUILD;
    act.one(T::GuildUpdate, p(20));
    for change in entry.changes() {
        let (old, new) = (change.old.as_u64(), change.new.as_u64());
        match change.key {
            "name" | "icon_hash" => act.weigh(p(50)),
            "verification_level" | "explicit_content_filter" | "mfa_level" if new < old => {
                act.weigh(p(80));
            }
            "features" => {
                let had = |value: &Value| {
                    let list = value.as_array().into_iter().flatten();
                    list.filter(|f| *f == "COMMUNITY").count()
                };
                if had(change.new) < had(change.old) {
                    act.weigh(p(80));
                }
            }
            "rules_channel_id" if change.new.is_null() && !change.old.is_null() => {
                act.weigh(p(80));
            }
            "vanity_url_code" => {
                act.one(T::VanityUpdate, p(100));
                act.instants.push(Instant::Vanity);
            }
            _ => {}
        }
    }
}

fn member_update(act: &mut Act, entry: &Entry<'_>, actor: Option<Id>) {
    let own = actor.is_some() && entry.target == actor;
    for change in entry.changes() {
        match change.key {
            "communication_disabled_until" if change.new.is_string() => {
                act.needs = bits::MODERATE_MEMBERS;
                act.one(T::Timeout, p(10));
            }
            "nick" if !own => act.one(T::NicknameUpdate, p(2)),
            "mute" | "deaf" => act.one(T::VoiceMute, p(2)),
            "bypasses_verification" => act.one(T::VerificationBypass, p(30)),
            _ => {}
        }
    }
}
