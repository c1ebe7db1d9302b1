//! Membership: joining, leaving, roles, nicknames and timeouts.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::users::UserView;
use super::{Guild, Id, Message, Stamp, World, intent, value};

/// System channel flag: no notices of new members.
const NO_JOIN_NOTICES: u32 = 1;
/// Member flag: has been here before.
pub const DID_REJOIN: u32 = 1;
/// Member flag: exempt from the guild's verification level.
pub const BYPASSES_VERIFICATION: u32 = 1 << 2;
/// Member flag: AutoMod objects to the profile, so the member may only look.
pub const QUARANTINED: u32 = 1 << 7;

/// A user in a guild.
#[derive(Debug, Clone)]
pub struct Member {
    pub user: Id,
    pub nick: Option<String>,
    pub avatar: Option<String>,
    pub banner: Option<String>,
    pub bio: Option<String>,
    pub roles: BTreeSet<Id>,
    pub joined_at: Stamp,
    pub premium_since: Option<Stamp>,
    pub deaf: bool,
    pub mute: bool,
    pub pending: bool,
    pub flags: u32,
    /// When a timeout ends; may lie in the past.
    pub timeout_until: Option<Stamp>,
    /// Last sign of life, for pruning.
    pub last_active: Stamp,
}

impl Member {
    pub fn new(user: Id, joined_at: Stamp) -> Self {
        Self {
            user,
            nick: None,
            avatar: None,
            banner: None,
            bio: None,
            roles: BTreeSet::new(),
            joined_at,
            premium_since: None,
            deaf: false,
            mute: false,
            pending: false,
            flags: 0,
            timeout_until: None,
            last_active: joined_at,
        }
    }

    /// Whether a timeout is in force.
    pub fn timed_out(&self, now: Stamp) -> bool {
        self.timeout_until.is_some_and(|until| until > now)
    }

    /// Whether something keeps the member from doing more than look.
    pub fn restrained(&self, now: Stamp) -> bool {
        self.timed_out(now) || self.pending || self.flags & QUARANTINED != 0
    }

    /// Without `user`, as inside messages.
    pub fn bare_json(&self) -> Value {
        value(&self.view(None))
    }

    fn view<'w>(&'w self, user: Option<UserView<'w>>) -> MemberView<'w> {
        MemberView {
            avatar: self.avatar.as_deref(),
            banner: self.banner.as_deref(),
            communication_disabled_until: self.timeout_until,
            flags: self.flags,
            joined_at: self.joined_at,
            nick: self.nick.as_deref(),
            pending: self.pending,
            premium_since: self.premium_since,
            roles: &self.roles,
            mute: self.mute,
            deaf: self.deaf,
            user,
        }
    }
}

/// The member object.
#[derive(Debug, Serialize)]
pub(crate) struct MemberView<'w> {
    avatar: Option<&'w str>,
    banner: Option<&'w str>,
    communication_disabled_until: Option<Stamp>,
    flags: u32,
    joined_at: Stamp,
    nick: Option<&'w str>,
    pending: bool,
    premium_since: Option<Stamp>,
    roles: &'w BTreeSet<Id>,
    mute: bool,
    deaf: bool,
    /// Left out inside messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserView<'w>>,
}

impl World {
    /// The complete member object.
    pub fn member_json(&self, member: &Member) -> Value {
        value(&self.member_view(member))
    }

    /// As [`member_json`](Self::member_json), ready to be written.
    pub(crate) fn member_view<'w>(&'w self, member: &'w Member) -> MemberView<'w> {
        member.view(Some(self.user_view(member.user)))
    }

    /// Whether the guild's verification level keeps a member from speaking. It does not concern
    /// bots, the owner, and whoever has a role.
    pub fn below_verification(&self, guild: &Guild, user: Id) -> bool {
        const MINUTE_MS: i64 = 60_000;
        let Some(member) = guild.members.get(&user) else {
            return false;
        };
        if user == guild.owner_id
            || guild.bots.contains(&user)
            || !member.roles.is_empty()
            || member.flags & BYPASSES_VERIFICATION != 0
        {
            return false;
        }
        let now = self.now();
        let young = user.created().plus(5 * MINUTE_MS) > now;
        match guild.verification_level {
            // Every account has confirmed its address, and none has a telephone.
            0 | 1 => false,
            2 => young,
            3 => young || member.joined_at.plus(10 * MINUTE_MS) > now,
            _ => true,
        }
    }

    /// Adds a member, or returns `false` when it already is one.
    pub fn add_member(&mut self, guild_id: Id, user: Id) -> bool {
        self.add_member_as(guild_id, user, |_| {})
    }

    /// As [`add_member`](Self::add_member), with properties it has from the start.
    pub fn add_member_as(
        &mut self,
        guild_id: Id,
        user: Id,
        shape: impl FnOnce(&mut Member),
    ) -> bool {
        let now = self.now();
        let is_bot = self.users.get(&user).is_some_and(|u| u.bot);
        let Some(guild) = self.guilds.get_mut(&guild_id) else {
            return false;
        };
        if guild.members.contains_key(&user) {
            return false;
        }
        let mut member = Member::new(user, now);
        member.pending = !is_bot && guild.features.contains("MEMBER_VERIFICATION_GATE_ENABLED");
        if guild.departed.contains(&user) {
            member.flags |= DID_REJOIN;
        }
        shape(&mut member);
        guild.members.insert(user, member.clone());
        // Others hear about the new member; a bot that joins gets GUILD_CREATE instead.
        let mut payload = self.member_json(&member);
        payload["guild_id"] = json!(guild_id);
        self.emit(
            guild_id,
            "GUILD_MEMBER_ADD",
            intent::GUILD_MEMBERS,
            0,
            payload,
        );
        if is_bot {
            if let Some(guild) = self.guilds.get_mut(&guild_id) {
                guild.bots.push(user);
                guild.bots.sort_unstable();
            }
            self.announce_guild_to(guild_id, user);
        }
        self.greet(guild_id, user);
        true
    }

    /// The notice of a new member in the system channel, unless the guild has turned it off.
    fn greet(&mut self, guild: Id, user: Id) {
        let Some(state) = self.guilds.get(&guild) else {
            return;
        };
        let Some(channel) = state.system_channel_id else {
            return;
        };
        if state.system_channel_flags & NO_JOIN_NOTICES != 0 {
            return;
        }
        let id = self.next_id();
        let mut notice = Message::new(id, channel, user, "");
        notice.kind = 7;
        self.add_message(notice);
    }

    /// Removes a member, with a bot also its webhooks, integration and managed role: the one way out.
    /// `false` when it was none.
    pub fn remove_member(&mut self, guild_id: Id, user: Id) -> bool {
        let Some(guild) = self.guilds.get_mut(&guild_id) else {
            return false;
        };
        if guild.members.remove(&user).is_none() {
            return false;
        }
        guild.departed.insert(user);
        guild.voice.remove(&user);
        let was_bot = guild.bots.contains(&user);
        guild.bots.retain(|b| *b != user);
        let threads: Vec<Id> = guild.threads.iter().copied().collect();
        for thread in threads {
            if let Some(state) = self
                .channels
                .get_mut(&thread)
                .and_then(|c| c.thread.as_mut())
            {
                state.members.remove(&user);
            }
        }
        if was_bot {
            self.emit_to(
                user,
                Some(guild_id),
                "GUILD_DELETE",
                intent::GUILDS,
                json!({"id": guild_id}),
            );
        }
        let payload = json!({"guild_id": guild_id, "user": self.user_json(user)});
        self.emit(
            guild_id,
            "GUILD_MEMBER_REMOVE",
            intent::GUILD_MEMBERS,
            0,
            payload,
        );
        if was_bot {
            self.drop_bot_traces(guild_id, user);
        }
        true
    }

    fn drop_bot_traces(&mut self, guild_id: Id, bot: Id) {
        if let Some(app) = self.app_of_bot(bot).map(|app| app.id) {
            let webhooks = self.webhooks.values();
            let own = webhooks.filter(|w| w.guild == guild_id && w.app == Some(app));
            for webhook in own.map(|w| w.id).collect::<Vec<_>>() {
                self.remove_webhook(webhook);
            }
        }
        let Some(guild) = self.guilds.get_mut(&guild_id) else {
            return;
        };
        let managed = guild
            .roles
            .values()
            .filter(|r| r.bot == Some(bot))
            .map(|r| r.id);
        let managed: Vec<Id> = managed.collect();
        let own = guild.integrations.values().filter(|i| i.bot == bot);
        for integration in own.map(|i| i.id).collect::<Vec<_>>() {
            self.delete_integration(guild_id, integration);
        }
        for role in managed {
            self.delete_role(guild_id, role);
        }
    }

    /// Removes an integration and announces it; nothing when it is gone already.
    pub(crate) fn delete_integration(&mut self, guild_id: Id, id: Id) {
        let guild = self.guilds.get_mut(&guild_id);
        let Some(gone) = guild.and_then(|g| g.integrations.remove(&id)) else {
            return;
        };
        let payload = json!({"id": id, "guild_id": guild_id, "application_id": gone.app});
        self.emit(
            guild_id,
            "INTEGRATION_DELETE",
            intent::GUILD_INTEGRATIONS,
            0,
            payload,
        );
        self.integrations_updated(guild_id);
    }

    /// Announces that a guild's integrations changed, not how.
    pub(crate) fn integrations_updated(&mut self, guild: Id) {
        self.emit(
            guild,
            "GUILD_INTEGRATIONS_UPDATE",
            intent::GUILD_INTEGRATIONS,
            0,
            json!({"guild_id": guild}),
        );
    }

    /// Changes a member and announces the result.
    pub fn edit_member(&mut self, guild_id: Id, user: Id, edit: impl FnOnce(&mut Member)) {
        let place = self.guilds.get(&guild_id);
        let Some(before) = place.and_then(|g| g.members.get(&user)) else {
            return;
        };
        let mut member = before.clone();
        edit(&mut member);
        let bot = place.is_some_and(|g| g.bots.contains(&user));
        if bot && member.roles != before.roles {
            self.note_all_sight(guild_id);
        }
        if let Some(place) = self.guilds.get_mut(&guild_id) {
            place.members.insert(user, member.clone());
        }
        let mut payload = self.member_json(&member);
        payload["guild_id"] = json!(guild_id);
        self.emit_member_update(guild_id, user, payload);
    }

    /// Members that pruning would remove: inactive for `days`, and with no roles or only such
    /// as `roles` names.
    pub fn prunable(&self, guild: &Guild, days: i64, roles: &BTreeSet<Id>) -> Vec<Id> {
        let limit = self.now().plus(-days * 86_400_000);
        let idle = guild.members.values().filter(|m| {
            m.last_active < limit
                && m.user != guild.owner_id
                && m.roles.iter().all(|r| roles.contains(r))
                && !guild.bots.contains(&m.user)
        });
        idle.map(|m| m.user).collect()
    }

    /// Notes that a member did something.
    pub(crate) fn touch_member(&mut self, guild: Id, user: Id) {
        let now = self.now();
        if let Some(member) = self
            .guilds
            .get_mut(&guild)
            .and_then(|g| g.members.get_mut(&user))
        {
            member.last_active = now;
        }
    }
}
