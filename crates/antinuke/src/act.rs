//! What an entry means: the table of watched acts.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_guild::{Id, Kind};

use crate::automod;
use crate::bits::{self, POWER};
use crate::entry::{Entry, action as a};
use crate::limit::{LimitType as T, UNIT};
use crate::members::{Sight, role_bits};
use crate::moment::Moment;

/// Holders from which on a role is large.
const LARGE_ROLE: usize = 20;
/// Pruned members that are no accident.
const PRUNED: u64 = 10;
/// Slow mode beyond which a channel is silenced, in seconds.
const SILENCING: u64 = 3600;

/// A count of one type, in twentieths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub kind: T,
    pub count: u32,
}

/// What is a hit whatever the counts say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instant {
    /// Somebody gave themselves, or a role of theirs, a dangerous permission.
    OwnRightsRaised,
    /// A dangerous permission to everybody, or to a large role.
    PowerToMany,
    /// The bot's rights, roles, rank or membership.
    Tamper,
    Prune,
    Vanity,
    CatchAllAutomod,
    PowerByOnboarding,
    PowerByInvite,
    /// Somebody who was contained got roles, or their ban was lifted.
    FreedContained,
    SelfToken,
    /// The harm is mended; nobody is punished for it.
    BotWithPower,
}

impl Instant {
    /// Whether the actor is contained for it.
    pub const fn is_punished(self) -> bool {
        !matches!(self, Self::BotWithPower)
    }
}

/// What is put right at once, whoever did it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Take these bits back from a role.
    RoleBits {
        role: Id,
        gained: u64,
    },
    /// Take a role from a member.
    TakeRole {
        user: Id,
        role: Id,
    },
    /// A bot's own role holds nothing until somebody says so.
    HoldBot {
        bot: Id,
    },
    DeleteInvite {
        code: String,
    },
    RestoreOnboarding {
        prompts: Option<Value>,
    },
    DisableRule {
        rule: Id,
    },
}

/// One act, as it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    pub id: Id,
    pub action: u16,
    pub target: Option<Id>,
    pub channel: Option<Id>,
    /// The first is what it is called by.
    pub counts: Vec<Count>,
    /// Twentieths.
    pub points: u32,
    pub destructive: bool,
    /// Permissions in the server without which nobody does this; zero where those of a channel
    /// suffice.
    pub needs: u64,
    pub instants: Vec<Instant>,
    pub repairs: Vec<Repair>,
}

impl Act {
    pub fn at(&self) -> Moment {
        Moment::of(self.id)
    }

    pub fn kind(&self) -> Option<T> {
        self.counts.first().map(|count| count.kind)
    }

    fn new(entry: &Entry<'_>) -> Self {
        Self {
            id: entry.id,
            action: entry.action,
            target: entry.target,
            channel: Id::read(entry.option("channel_id")),
            counts: Vec::new(),
            points: 0,
            destructive: false,
            needs: 0,
            instants: Vec::new(),
            repairs: Vec::new(),
        }
    }

    fn count(&mut self, kind: T, count: u64) {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        self.counts.push(Count {
            kind,
            count: count.saturating_mul(UNIT),
        });
        self.destructive |= kind.is_destructive();
    }

    /// In twentieths of a point.
    fn weigh(&mut self, points: u32) {
        self.points = self.points.max(points);
    }

    fn one(&mut self, kind: T, points: u32) {
        self.count(kind, 1);
        self.weigh(points);
    }
}

/// Points, written as the table has them.
const fn p(tenths_of_a_point: u32) -> u32 {
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

fn overwrite(act: &mut Act, entry: &Entry<'_>, sight: Sight<'_>) {
    let gained = |key| {
        let change = entry.change(key);
        change.map_or((0, 0), |c| {
            let (old, new) = (bits::read(c.old), bits::read(c.new));
            (new & !old, old & !new)
        })
    };
    let (allowed, no_longer_allowed) = gained("allow");
    let (denied, _) = gained("deny");
    let powerful = allowed & POWER != 0 && entry.action != a::OVERWRITE_DELETE;
    act.one(T::OverwriteChange, if powerful { p(80) } else { p(10) });
    let whom = Id::read(entry.option("id"));
    let mine = whom.is_some_and(|whom| {
        let roles = sight.roles(sight.me).unwrap_or_default();
        whom == sight.me || roles.contains(&whom)
    });
    let created = entry.action != a::OVERWRITE_DELETE && denied & bits::VIEW_CHANNEL != 0;
    if mine && (created || no_longer_allowed & bits::VIEW_CHANNEL != 0) {
        act.one(T::SightDenied, p(20));
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

fn member_roles(
    act: &mut Act,
    entry: &Entry<'_>,
    actor: Option<Id>,
    sight: Sight<'_>,
) -> Option<()> {
    let (added, removed) = (entry.roles("$add"), entry.roles("$remove"));
    let has_power = |role: &&Id| role_bits(sight.structure, **role) & POWER != 0;
    let dangerous: Vec<Id> = added.iter().filter(has_power).copied().collect();
    let target = entry.target?;
    let own = actor == Some(target);
    let manages = actor
        .and_then(|actor| sight.recent_permissions(actor, entry.at()))
        .is_some_and(|had| had & bits::MANAGE_ROLES != 0);
    let nobodys = entry.by_integration() || (own && !manages);
    if nobodys {
        if dangerous.is_empty() {
            return None;
        }
        // Onboarding or a linked role gave it: nobody is to blame, but it does not stay.
        act.repairs = take(target, &dangerous);
        return Some(());
    }
    act.needs = bits::MANAGE_ROLES;
    if !dangerous.is_empty() {
        act.one(T::DangerousRoleGiven, p(100));
        if own {
            act.instants.push(Instant::OwnRightsRaised);
            act.repairs = take(target, &dangerous);
        }
    }
    let harmless = added.len() - dangerous.len();
    if harmless > 0 {
        act.count(T::RoleGivenToMember, harmless as u64);
        act.weigh(harmless as u32);
    }
    if !removed.is_empty() {
        let staff = removed.iter().any(|role| has_power(&role));
        act.count(T::RoleRemovedFromMember, removed.len() as u64);
        act.weigh(match staff {
            true => p(30),
            false => p(5).saturating_mul(removed.len() as u32),
        });
        let mine = target == sight.me && actor != Some(sight.me);
        if mine {
            act.instants.push(Instant::Tamper);
        }
    }
    act.count(T::MemberRolesUpdated, 1);
    Some(())
}

fn take(user: Id, roles: &[Id]) -> Vec<Repair> {
    let one = |role: &Id| Repair::TakeRole { user, role: *role };
    roles.iter().map(one).collect()
}

fn role_update(act: &mut Act, entry: &Entry<'_>, actor: Option<Id>, sight: Sight<'_>) {
    act.needs = bits::MANAGE_ROLES;
    act.one(T::RoleUpdate, p(10));
    let (Some(change), Some(role)) = (entry.change("permissions"), entry.target) else {
        return;
    };
    let (old, new) = (bits::read(change.old), bits::read(change.new));
    let (gained, lost) = (new & !old & POWER, old & !new);
    let my_roles = sight.roles(sight.me).unwrap_or_default();
    if lost & POWER != 0 && my_roles.contains(&role) {
        act.instants.push(Instant::Tamper);
    }
    if gained == 0 {
        return;
    }
    act.one(T::DangerousPermissionGrant, p(100));
    let large = LARGE_ROLE.min((sight.member_count() / 20).max(2) as usize);
    let many = role == sight.structure.id() || sight.members.holders(role) > large;
    let own = actor.and_then(|actor| sight.members.get(actor));
    if many {
        act.instants.push(Instant::PowerToMany);
        act.repairs.push(Repair::RoleBits { role, gained });
    } else if own.is_some_and(|m| m.roles.contains(&role)) {
        act.instants.push(Instant::OwnRightsRaised);
        act.repairs.push(Repair::RoleBits { role, gained });
    }
}

fn invite(act: &mut Act, entry: &Entry<'_>, sight: Sight<'_>) {
    let create = entry.action == a::INVITE_CREATE;
    act.one(
        if create {
            T::InviteCreate
        } else {
            T::InviteUpdate
        },
        p(2),
    );
    let roles = entry.change("role_ids").map(|c| c.new.as_array());
    let roles = roles.flatten().into_iter().flatten().filter_map(Id::read);
    let mut given = roles.map(|role| role_bits(sight.structure, role));
    if given.any(|given| given & POWER != 0) {
        act.weigh(p(100));
        act.instants.push(Instant::PowerByInvite);
        let code = entry
            .change("code")
            .map(|c| (c.new.as_str(), c.old.as_str()));
        let code = code.and_then(|(new, old)| new.or(old));
        // A code is part of a path: letters, digits and dashes are all it ever has.
        let code = code.filter(|c| c.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
        act.repairs.extend(code.map(|code| Repair::DeleteInvite {
            code: code.to_owned(),
        }));
    }
}

fn onboarding(act: &mut Act, entry: &Entry<'_>, sight: Sight<'_>) {
    act.needs = bits::MANAGE_GUILD;
    act.one(T::OnboardingChange, p(20));
    let powerful = |id: Id| role_bits(sight.structure, id) & POWER != 0;
    let roles_in = |value: &Value| {
        let mut found = Vec::new();
        role_ids(value, 0, &mut found);
        found.into_iter().any(powerful)
    };
    let gives = entry.changes().any(|c| roles_in(c.new) && !roles_in(c.old));
    if gives {
        act.instants.push(Instant::PowerByOnboarding);
        let prompts = entry.change("prompts").map(|c| c.old.clone());
        let prompts = prompts.filter(Value::is_array);
        act.repairs.push(Repair::RestoreOnboarding { prompts });
    }
}

/// Ids below `role_ids`, wherever a prompt or an option keeps them.
fn role_ids(value: &Value, depth: u8, found: &mut Vec<Id>) {
    if depth > 6 || found.len() > 500 {
        return;
    }
    match value {
        Value::Array(list) => {
            found.extend(list.iter().filter_map(Id::read));
            list.iter()
                .for_each(|item| role_ids(item, depth + 1, found));
        }
        Value::Object(map) => map.iter().for_each(|(key, item)| {
            if matches!(key.as_str(), "options" | "role_ids" | "prompts") {
                role_ids(item, depth + 1, found);
            }
        }),
        _ => {}
    }
}

/// The bits without which an act of this type cannot go on.
pub fn stopped_by(kind: T) -> u64 {
    match kind {
        T::ChannelAdd | T::ChannelUpdate | T::ChannelRemove | T::StageChange => {
            bits::MANAGE_CHANNELS
        }
        T::OverwriteChange
        | T::SightDenied
        | T::RoleAdd
        | T::RoleUpdate
        | T::RoleRemove
        | T::RoleGivenToMember
        | T::RoleRemovedFromMember
        | T::DangerousRoleGiven
        | T::DangerousPermissionGrant => bits::MANAGE_ROLES,
        T::Kick | T::PruneMembers => bits::KICK_MEMBERS,
        T::Ban | T::Unban => bits::BAN_MEMBERS,
        T::Timeout => bits::MODERATE_MEMBERS,
        T::WebhookCreate | T::WebhookUpdate | T::WebhookRemove => bits::MANAGE_WEBHOOKS,
        T::MessageRemove | T::BulkDelete => bits::MANAGE_MESSAGES,
        T::ExpressionAdd | T::ExpressionUpdate | T::ExpressionRemove => {
            bits::MANAGE_GUILD_EXPRESSIONS
        }
        T::EventAdd | T::EventUpdate | T::EventRemove => bits::MANAGE_EVENTS,
        T::ThreadAdd | T::ThreadUpdate | T::ThreadRemove => bits::MANAGE_THREADS,
        _ => bits::MANAGE_GUILD,
    }
}

/// The kind of object that an action deletes, where its event carries the object's id.
pub fn deleted_kind(action: u16) -> Option<Kind> {
    match action {
        a::CHANNEL_DELETE => Some(Kind::Channel),
        a::ROLE_DELETE => Some(Kind::Role),
        a::AUTOMOD_RULE_DELETE => Some(Kind::AutomodRule),
        a::SCHEDULED_EVENT_DELETE => Some(Kind::ScheduledEvent),
        a::SOUND_DELETE => Some(Kind::Sound),
        62 => Some(Kind::Emoji),
        92 => Some(Kind::Sticker),
        _ => None,
    }
}
