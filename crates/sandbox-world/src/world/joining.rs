//! How people get in: invites and the vanity address decide, and where members are approved by hand
//! a request to join comes first.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::permissions as perm;
use super::{Guild, Id, Invite, Stamp, World, intent};

/// Where someone wants in.
#[derive(Debug, Clone, Copy)]
pub enum Door<'a> {
    /// An invite's code, or a vanity code.
    Code(&'a str),
    /// A guild, without saying how: discovery.
    Guild(Id),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Joined(Id),
    Present(Id),
    /// A request that waits for a verdict: guild and request.
    Requested(Id, Id),
}

/// Why nobody gets in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoEntry {
    UnknownGuild,
    UnknownInvite,
    Banned,
    Paused,
    /// The guild is in an outage.
    Down,
}

/// A request to join a guild that approves its members by hand (discord-api-docs#8531).
#[derive(Debug, Clone)]
pub struct JoinRequest {
    pub id: Id,
    pub user: Id,
    pub created_at: Stamp,
    /// Who decided, and when.
    pub reviewed: Option<(Id, Stamp)>,
    pub status: Verdict,
    pub rejection_reason: Option<String>,
    /// What the applicant wrote.
    pub answer: String,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Submitted,
    Approved,
    Rejected,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Submitted, Self::Approved, Self::Rejected];
        all.into_iter().find(|v| v.name() == name)
    }
}

/// Features of a guild that approves its members by hand.
pub const APPROVAL_BY_HAND: [&str; 2] = [
    "MEMBER_VERIFICATION_GATE_ENABLED",
    "MEMBER_VERIFICATION_MANUAL_APPROVAL",
];

impl Guild {
    /// Whether newcomers wait for somebody's verdict.
    pub fn approves_by_hand(&self) -> bool {
        APPROVAL_BY_HAND
            .iter()
            .all(|feature| self.features.contains(*feature))
    }
}

impl World {
    /// Where an invite that can still be used, or a vanity code, leads.
    pub fn guild_behind(&self, code: &str) -> Option<Id> {
        let now = self.now();
        let invite = self.invites.get(code).filter(|i| i.alive(now));
        invite.map(|invite| invite.guild).or_else(|| {
            let mut guilds = self.guilds.values();
            let vain = guilds.find(|g| g.vanity_url_code.as_deref() == Some(code));
            vain.map(|guild| guild.id)
        })
    }

    /// Lets a person in, or says why not. What the person `answers` goes into a request.
    pub fn enter(&mut self, user: Id, door: Door<'_>, answers: &str) -> Result<Entry, NoEntry> {
        let now = self.now();
        let (guild_id, code) = match door {
            Door::Guild(guild) => (guild, None),
            Door::Code(code) => {
                let guild = self.guild_behind(code).ok_or(NoEntry::UnknownInvite)?;
                (guild, Some(code))
            }
        };
        let guild = self.guilds.get(&guild_id).ok_or(NoEntry::UnknownGuild)?;
        if guild.unavailable {
            return Err(NoEntry::Down);
        }
        if guild.bans.contains_key(&user) {
            return Err(NoEntry::Banned);
        }
        if guild.members.contains_key(&user) {
            return Ok(Entry::Present(guild_id));
        }
        if guild.invites_paused(now) {
            return Err(NoEntry::Paused);
        }
        if guild.approves_by_hand() && !self.users.get(&user).is_some_and(|u| u.bot) {
            let request = self.ask_to_join(guild_id, user, answers);
            self.count_use(guild_id, code);
            return Ok(Entry::Requested(guild_id, request));
        }
        let invite = code.and_then(|c| self.invites.get(c));
        let invite = invite.filter(|i| i.alive(now));
        let roles = invite.map_or_else(BTreeSet::new, |i| i.roles.clone());
        self.add_member_as(guild_id, user, |m| m.roles = roles);
        self.count_use(guild_id, code);
        Ok(Entry::Joined(guild_id))
    }

    /// Moves `uses` of what was used; an invite that is used up goes, a vanity address never does.
    fn count_use(&mut self, guild: Id, code: Option<&str>) {
        let Some(code) = code else {
            return;
        };
        let now = self.now();
        let Some(invite) = self.invites.get_mut(code).filter(|i| i.alive(now)) else {
            if let Some(place) = self.guilds.get_mut(&guild) {
                let vain = place.vanity_url_code.as_deref() == Some(code);
                place.vanity_uses += u64::from(vain);
            }
            return;
        };
        invite.uses += 1;
        if invite.max_uses > 0 && invite.uses >= invite.max_uses {
            let spent = invite.clone();
            self.remove_invite(&spent);
        }
    }

    /// Stores a new invite and announces it; the invite object.
    pub fn add_invite(&mut self, invite: Invite) -> Value {
        let json = self.invite_json(&invite, true);
        let mut event = json.clone();
        event["channel_id"] = json!(invite.channel);
        let guild = invite.guild;
        self.invites.insert(invite.code.clone(), invite);
        self.emit(
            guild,
            "INVITE_CREATE",
            intent::GUILD_INVITES,
            perm::MANAGE_CHANNELS,
            event,
        );
        json
    }

    /// Takes an invite away and announces it.
    pub fn remove_invite(&mut self, invite: &Invite) {
        self.invites.remove(&invite.code);
        let payload =
            json!({"channel_id": invite.channel, "guild_id": invite.guild, "code": invite.code});
        self.emit(
            invite.guild,
            "INVITE_DELETE",
            intent::GUILD_INVITES,
            perm::MANAGE_CHANNELS,
            payload,
        );
    }

    /// The open request of a user, or a new one.
    fn ask_to_join(&mut self, guild: Id, user: Id, answer: &str) -> Id {
        let waiting = self.guilds.get(&guild).and_then(|g| {
            let mut all = g.join_requests.values();
            let open = all.find(|r| r.user == user && r.status == Verdict::Submitted);
            open.map(|r| r.id)
        });
        if let Some(id) = waiting {
            return id;
        }
        let request = JoinRequest {
            id: self.next_id(),
            user,
            created_at: self.now(),
            reviewed: None,
            status: Verdict::Submitted,
            rejection_reason: None,
            answer: answer.to_owned(),
        };
        let id = request.id;
        self.put_join_request(guild, "GUILD_JOIN_REQUEST_CREATE", request);
        id
    }

    /// Gives a verdict. A second one succeeds and changes nothing.
    pub fn decide_join_request(
        &mut self,
        guild: Id,
        id: Id,
        verdict: Verdict,
        by: Id,
        reason: Option<String>,
    ) {
        let now = self.now();
        let place = self.guilds.get(&guild);
        let Some(mut request) = place.and_then(|g| g.join_requests.get(&id)).cloned() else {
            return;
        };
        if request.status != Verdict::Submitted {
            return;
        }
        request.status = verdict;
        request.reviewed = Some((by, now));
        request.rejection_reason = reason.filter(|_| verdict == Verdict::Rejected);
        let user = request.user;
        self.put_join_request(guild, "GUILD_JOIN_REQUEST_UPDATE", request);
        let banned = self
            .guilds
            .get(&guild)
            .is_some_and(|g| g.bans.contains_key(&user));
        if verdict == Verdict::Approved && !banned {
            self.add_member_as(guild, user, |m| m.pending = false);
        }
    }

    /// Takes back a request that nobody has decided; `false` when there is none.
    pub fn withdraw_join_request(&mut self, guild: Id, user: Id) -> bool {
        let Some(place) = self.guilds.get_mut(&guild) else {
            return false;
        };
        let mut open = place.join_requests.values();
        let open = open.find(|r| r.user == user && r.status == Verdict::Submitted);
        let Some(id) = open.map(|r| r.id) else {
            return false;
        };
        place.join_requests.remove(&id);
        let payload = json!({"guild_id": guild, "user_id": user, "id": id});
        let kind = "GUILD_JOIN_REQUEST_DELETE";
        self.emit(
            guild,
            kind,
            intent::GUILD_MODERATION,
            perm::KICK_MEMBERS,
            payload,
        );
        true
    }

    fn put_join_request(&mut self, guild: Id, kind: &'static str, request: JoinRequest) {
        let json = self.join_request_json(guild, &request);
        let payload = json!({"guild_id": guild, "status": request.status.name(), "request": json});
        if let Some(place) = self.guilds.get_mut(&guild) {
            place.join_requests.insert(request.id, request);
        }
        self.emit(
            guild,
            kind,
            intent::GUILD_MODERATION,
            perm::KICK_MEMBERS,
            payload,
        );
    }

    /// The join request object.
    pub fn join_request_json(&self, guild: Id, request: &JoinRequest) -> Value {
        let (by, at) = request.reviewed.unzip();
        json!({
            "id": request.id,
            "created_at": request.created_at,
            "reviewed_at": at,
            "application_status": request.status.name(),
            "rejection_reason": request.rejection_reason,
            "guild_id": guild,
            "user_id": request.user,
            "user": self.user_json(request.user),
            "form_responses": [{
                "field_type": "PARAGRAPH", "label": "Why do you want to join?",
                "required": true, "response": request.answer,
            }],
            "actioned_by_user": by.map(|u| self.user_json(u)),
        })
    }

    /// Roles that a member gives itself without the permission to: by onboarding, or by a linked
    /// role. The audit log names the member as the actor (discord-api-docs#6807).
    pub fn grant_oneself(&mut self, guild: Id, user: Id, given: &BTreeSet<Id>) -> bool {
        let Some(place) = self.guilds.get(&guild) else {
            return false;
        };
        let Some(member) = place.members.get(&user) else {
            return false;
        };
        let new: Vec<Value> = given
            .difference(&member.roles)
            .filter_map(|r| place.roles.get(r))
            .map(|r| json!({"id": r.id, "name": r.name}))
            .collect();
        if new.is_empty() {
            return false;
        }
        self.edit_member(guild, user, |m| m.roles.extend(given));
        let change = super::Change::new("$add", None, Some(new.into()));
        let entry = super::Audit::of(super::action::MEMBER_ROLE_UPDATE, user)
            .target(user)
            .changes(vec![change]);
        self.audit(guild, entry);
        true
    }
}
