//! What a member may do, computed on raw JSON.
//!
//! Bit sets are plain `u64`, so bits that Discord adds later are kept. The order of the channel
//! rules is Discord's ("Permissions", "Permission Overwrites"): everyone's overwrite, then the
//! **union** of the member's role overwrites, then the member's own; where a bit is both denied
//! and allowed at one level, allowing wins.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::read::{array, bit_set, id, ids};
use crate::sight::is_hidden;

pub mod bits;
mod hierarchy;
mod rank;

pub use hierarchy::{Act, Actor, Denied, Hierarchy, Missing, Ruling};
pub use rank::Rank;

/// Channel types that have their own rules.
pub mod channel_type {
    /// Voice.
    pub const VOICE: u64 = 2;
    /// Stage.
    pub const STAGE: u64 = 13;
    /// Thread of an announcement channel.
    pub const ANNOUNCEMENT_THREAD: u64 = 10;
    /// Public thread.
    pub const PUBLIC_THREAD: u64 = 11;
    /// Private thread.
    pub const PRIVATE_THREAD: u64 = 12;
}

/// A member, as far as permissions depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The user.
    pub user: u64,
    /// The guild; also the id of the @everyone role.
    pub guild: u64,
    /// Roles held, @everyone not among them.
    pub roles: Vec<u64>,
    /// A role held that the guild object does not list: what it grants is not known.
    pub unknown_role: Option<u64>,
    /// Base permissions in the guild.
    pub base: u64,
    /// Owner or administrator: nothing below applies.
    pub all: bool,
    /// A timeout is running.
    pub timed_out: bool,
}

impl Subject {
    /// From a guild object with `roles` and `owner_id`, and a member object with `user`, `roles`
    /// and `communication_disabled_until`. `None` when an id is missing.
    pub fn new(guild: &Value, member: &Value, now: DateTime<Utc>) -> Option<Self> {
        let guild_id = id(&guild["id"])?;
        let user = id(&member["user"]["id"])?;
        let roles: Vec<u64> = ids(&member["roles"]).collect();
        let owner = id(&guild["owner_id"]) == Some(user);
        let listed = |held: &u64| {
            array(&guild["roles"])
                .iter()
                .any(|role| id(&role["id"]) == Some(*held))
        };
        let unknown_role = roles.iter().copied().find(|held| !listed(held));
        let each = array(&guild["roles"])
            .iter()
            .filter_map(|role| Some((id(&role["id"])?, bit_set(&role["permissions"]))));
        let base = base(owner, [granted(guild_id, &roles, each)]);
        let timed_out = member["communication_disabled_until"]
            .as_str()
            .and_then(|until| DateTime::parse_from_rfc3339(until).ok())
            .is_some_and(|until| until > now);
        let all = base == bits::ALL;
        Some(Self {
            user,
            guild: guild_id,
            roles,
            unknown_role,
            base,
            all,
            timed_out: timed_out && !all,
        })
    }

    /// Permissions in the guild as a whole.
    pub fn in_guild(&self) -> u64 {
        self.mask_timeout(self.base)
    }

    /// Permissions in a channel (not a thread), by the overwrites it shows. Whether to trust them
    /// is [`Subject::allows`]' question.
    pub fn in_channel(&self, channel: &Value) -> u64 {
        if self.all {
            return bits::ALL;
        }
        let mut granted = self.base;
        let overwrites = array(&channel["permission_overwrites"]);
        let mut apply = |selected: &dyn Fn(u64, bool) -> bool| {
            let (mut deny, mut allow) = (0, 0);
            for overwrite in overwrites {
                let Some(target) = id(&overwrite["id"]) else {
                    continue;
                };
                if selected(target, is_member_overwrite(overwrite)) {
                    deny |= bit_set(&overwrite["deny"]);
                    allow |= bit_set(&overwrite["allow"]);
                }
            }
            granted = granted & !deny | allow;
        };
        apply(&|target, member| !member && target == self.guild);
        apply(&|target, member| !member && target != self.guild && self.roles.contains(&target));
        apply(&|target, member| member && target == self.user);
        self.mask_timeout(implied(granted, channel["type"].as_u64()))
    }

    /// Permissions in a thread of `parent`. Whether a private thread can be seen at all also
    /// depends on membership: see [`Subject::sees_thread`].
    pub fn in_thread(&self, parent: &Value) -> u64 {
        if self.all {
            return bits::ALL;
        }
        let granted = self.in_channel(parent) & !bits::SEND_MESSAGES;
        if granted & bits::SEND_MESSAGES_IN_THREADS == 0 {
            return granted & !NEED_SEND;
        }
        granted | bits::SEND_MESSAGES
    }

    /// Whether all of `needed` are there, in a channel or in the guild as a whole. A channel that is
    /// hidden from the bot shows false overwrites, and a role that the guild does not list may
    /// grant or deny anything: then the answer is not "no" but unknown.
    pub fn allows(&self, channel: Option<&Value>, needed: u64) -> Ruling {
        if self.all {
            return Ruling::Allowed;
        }
        if let Some(role) = self.unknown_role {
            return Ruling::Unknown(Missing::Role(role));
        }
        let granted = match channel {
            None => self.in_guild(),
            Some(channel) if is_hidden(channel) => {
                return Ruling::Unknown(Missing::Hidden(id(&channel["id"]).unwrap_or_default()));
            }
            Some(channel) => self.in_channel(channel),
        };
        match needed & !granted {
            0 => Ruling::Allowed,
            lacking => Ruling::Denied(Denied::Lacks(lacking)),
        }
    }

    /// Whether a thread of `parent` can be seen: private ones by their members and by those who
    /// manage threads.
    pub fn sees_thread(&self, parent: &Value, thread: &Value, is_member: bool) -> bool {
        let granted = self.in_thread(parent);
        granted & bits::VIEW_CHANNEL != 0
            && (thread["type"] != channel_type::PRIVATE_THREAD
                || is_member
                || granted & bits::MANAGE_THREADS != 0)
    }

    fn mask_timeout(&self, granted: u64) -> u64 {
        if self.timed_out {
            granted & (bits::VIEW_CHANNEL | bits::READ_MESSAGE_HISTORY)
        } else {
            granted
        }
    }
}

/// What the roles of a guild, each with what it grants, give to somebody who holds these; everyone's,
/// whose id is the guild's, among them.
pub fn granted(guild: u64, held: &[u64], roles: impl IntoIterator<Item = (u64, u64)>) -> u64 {
    let held = roles
        .into_iter()
        .filter(|(role, _)| *role == guild || held.contains(role));
    held.fold(0, |all, (_, bits)| all | bits)
}

/// What a guild as a whole permits to somebody whose roles, everyone's among them, grant these bits:
/// owners and administrators have every bit.
pub fn base(owner: bool, granted: impl IntoIterator<Item = u64>) -> u64 {
    let granted = granted.into_iter().fold(0, |all, bits| all | bits);
    match owner || granted & bits::ADMINISTRATOR != 0 {
        true => bits::ALL,
        false => granted,
    }
}

/// Takes bits out of a set that is sent to Discord, which refuses a body with a bit that the actor
/// lacks even if it was there before: returns what to send, and which bits of `now` that costs beyond
/// `taken` and only a person can put back.
pub fn without(now: u64, taken: u64, own: u64) -> (u64, u64) {
    let left = now & !taken;
    (left & own, left & !own)
}

const NEED_SEND: u64 =
    bits::MENTION_EVERYONE | bits::SEND_TTS_MESSAGES | bits::ATTACH_FILES | bits::EMBED_LINKS;
const NEED_CONNECT: u64 = bits::MANAGE_CHANNELS
    | bits::MANAGE_ROLES
    | bits::MANAGE_WEBHOOKS
    | bits::MANAGE_MESSAGES
    | bits::MANAGE_THREADS
    | bits::MANAGE_EVENTS;

/// Rules that no overwrite states (Discord docs, "Implicit Permissions").
fn implied(granted: u64, channel_type: Option<u64>) -> u64 {
    if granted & bits::VIEW_CHANNEL == 0 {
        return 0;
    }
    let mut left = granted;
    if granted & bits::SEND_MESSAGES == 0 {
        left &= !NEED_SEND;
    }
    let voice = matches!(
        channel_type,
        Some(channel_type::VOICE | channel_type::STAGE)
    );
    if voice && granted & bits::CONNECT == 0 {
        left &= !NEED_CONNECT;
    }
    left
}

/// `type` 1, or the older `"member"`.
fn is_member_overwrite(overwrite: &Value) -> bool {
    overwrite["type"] == 1 || overwrite["type"] == "1" || overwrite["type"] == "member"
}

#[cfg(test)]
mod tests {
    use super::*;
    use bits::{
        ADD_REACTIONS, ADMINISTRATOR, ALL, ATTACH_FILES, CONNECT, MANAGE_CHANNELS, MANAGE_THREADS,
        MENTION_EVERYONE, READ_MESSAGE_HISTORY, SEND_MESSAGES, SEND_MESSAGES_IN_THREADS,
        VIEW_CHANNEL,
    };
    use serde_json::json;

    const GUILD: u64 = 100;
    const USER: u64 = 7;

    fn subject(everyone: u64, roles: &[(u64, u64)]) -> Subject {
        let mut all: Vec<Value> = roles
            .iter()
            .map(|(id, bits)| json!({"id": id.to_string(), "permissions": bits.to_string()}))
            .collect();
        all.push(json!({"id": GUILD.to_string(), "permissions": everyone.to_string()}));
        let guild = json!({"id": GUILD.to_string(), "owner_id": "1", "roles": all});
        let held: Vec<String> = roles.iter().map(|(id, _)| id.to_string()).collect();
        let member = json!({"user": {"id": USER.to_string()}, "roles": held});
        Subject::new(&guild, &member, DateTime::UNIX_EPOCH).unwrap()
    }

    fn channel(kind: u64, overwrites: &[(u64, u64, u64, u64)]) -> Value {
        let overwrites: Vec<Value> = overwrites
            .iter()
            .map(|(id, kind, deny, allow)| {
                json!({"id": id.to_string(), "type": kind,
                       "deny": deny.to_string(), "allow": allow.to_string()})
            })
            .collect();
        json!({"id": "5", "type": kind, "permission_overwrites": overwrites})
    }

    #[test]
    fn owners_and_administrators_may_everything() {
        let closed = channel(0, &[(GUILD, 0, ALL, 0), (USER, 1, ALL, 0)]);
        let admin = subject(0, &[(2, ADMINISTRATOR)]);
        assert_eq!(admin.in_channel(&closed), ALL);
        let guild = json!({"id": "100", "owner_id": "7", "roles": []});
        let member = json!({"user": {"id": "7"}, "roles": []});
        let owner = Subject::new(&guild, &member, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(owner.in_channel(&closed), ALL);
    }

    /// The original applied role overwrites one after another, so the order decided.
    #[test]
    fn role_overwrites_are_united_before_they_apply() {
        let member = subject(VIEW_CHANNEL, &[(2, 0), (3, 0)]);
        for order in [[2, 3], [3, 2]] {
            let [denying, allowing] = order;
            let both = channel(
                0,
                &[
                    (denying, 0, SEND_MESSAGES, 0),
                    (allowing, 0, 0, SEND_MESSAGES),
                ],
            );
            assert_eq!(member.in_channel(&both), VIEW_CHANNEL | SEND_MESSAGES);
        }
    }

    #[test]
    fn levels_apply_in_order_and_allow_wins_within_one() {
        let member = subject(VIEW_CHANNEL | SEND_MESSAGES, &[(2, 0)]);
        let levels = channel(
            0,
            &[
                (USER, 1, SEND_MESSAGES, 0),
                (2, 0, 0, SEND_MESSAGES),
                (GUILD, 0, SEND_MESSAGES, READ_MESSAGE_HISTORY),
            ],
        );
        assert_eq!(
            member.in_channel(&levels),
            VIEW_CHANNEL | READ_MESSAGE_HISTORY
        );
        let same = channel(0, &[(USER, 1, SEND_MESSAGES, SEND_MESSAGES)]);
        assert_eq!(member.in_channel(&same), VIEW_CHANNEL | SEND_MESSAGES);
    }

    /// Everyone's, two roles' and the member's overwrite, each silent, denying, allowing or both.
    #[test]
    fn the_truth_table_of_overwrites() {
        const BIT: u64 = ADD_REACTIONS;
        let speaks = |state: u64| (state & 1 != 0, state & 2 != 0);
        for row in 0..2 * 4_u64.pow(4) {
            let (granted, states) = (
                row % 2 == 1,
                [0, 1, 2, 3].map(|n| row / 2 / 4_u64.pow(n) % 4),
            );
            let overwrites: Vec<(u64, u64, u64, u64)> = [(GUILD, 0), (2, 0), (3, 0), (USER, 1)]
                .into_iter()
                .zip(states)
                .filter(|(_, state)| *state != 0)
                .map(|((id, kind), state)| {
                    let (denies, allows) = speaks(state);
                    (id, kind, u64::from(denies) * BIT, u64::from(allows) * BIT)
                })
                .collect();
            let base = VIEW_CHANNEL | (u64::from(granted) * BIT);
            let member = subject(base, &[(2, 0), (3, 0)]);
            let got = member.in_channel(&channel(0, &overwrites)) & BIT != 0;
            // The narrowest level that says anything decides, and says yes where it says both.
            let [everyone, one, other, own] = states;
            let levels = [own, one | other, everyone].map(speaks);
            let said = levels
                .into_iter()
                .find(|(denies, allows)| *denies || *allows);
            let expected = said.map_or(granted, |(_, allows)| allows);
            assert_eq!(got, expected, "{granted} {states:?}");
        }
    }

    #[test]
    fn the_truth_table_of_base_permissions() {
        for (owner, granted, expected) in [
            (false, vec![], 0),
            (false, vec![1, 4], 5),
            (false, vec![1, ADMINISTRATOR], ALL),
            (true, vec![], ALL),
            (true, vec![1], ALL),
        ] {
            assert_eq!(
                base(owner, granted.clone()),
                expected,
                "{owner} {granted:?}"
            );
        }
    }

    #[test]
    fn what_is_implied_follows() {
        let all = VIEW_CHANNEL
            | SEND_MESSAGES
            | MENTION_EVERYONE
            | ATTACH_FILES
            | CONNECT
            | MANAGE_CHANNELS;
        let member = subject(all, &[]);
        assert_eq!(
            member.in_channel(&channel(0, &[(GUILD, 0, VIEW_CHANNEL, 0)])),
            0
        );
        let silent = member.in_channel(&channel(0, &[(GUILD, 0, SEND_MESSAGES, 0)]));
        assert_eq!(silent & (MENTION_EVERYONE | ATTACH_FILES), 0);
        let voice = channel(2, &[(GUILD, 0, CONNECT, 0)]);
        assert_eq!(member.in_channel(&voice) & MANAGE_CHANNELS, 0);
        assert_ne!(
            member.in_channel(&channel(0, &[(GUILD, 0, CONNECT, 0)])) & MANAGE_CHANNELS,
            0
        );
    }

    #[test]
    fn threads_follow_their_parent() {
        let member = subject(VIEW_CHANNEL | SEND_MESSAGES | ATTACH_FILES, &[]);
        let parent = channel(0, &[]);
        assert_eq!(member.in_thread(&parent), VIEW_CHANNEL);
        let writer = subject(VIEW_CHANNEL | SEND_MESSAGES_IN_THREADS, &[]);
        assert_ne!(writer.in_thread(&parent) & SEND_MESSAGES, 0);

        let private = json!({"type": 12});
        assert!(!member.sees_thread(&parent, &private, false));
        assert!(member.sees_thread(&parent, &private, true));
        let manager = subject(VIEW_CHANNEL | MANAGE_THREADS, &[]);
        assert!(manager.sees_thread(&parent, &private, false));
        assert!(member.sees_thread(&parent, &json!({"type": 11}), false));
    }

    #[test]
    fn timeouts_leave_reading_only() {
        let guild = json!({"id": "100", "owner_id": "1", "roles": [
            {"id": "100", "permissions": ALL.wrapping_sub(ADMINISTRATOR).to_string()}]});
        let member = json!({"user": {"id": "7"}, "roles": [],
                            "communication_disabled_until": "2024-01-02T00:00:00+00:00"});
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        let during = Subject::new(&guild, &member, at("2024-01-01T00:00:00Z")).unwrap();
        assert_eq!(
            during.in_channel(&channel(0, &[])),
            VIEW_CHANNEL | READ_MESSAGE_HISTORY
        );
        let after = Subject::new(&guild, &member, at("2024-01-03T00:00:00Z")).unwrap();
        assert_ne!(after.in_channel(&channel(0, &[])) & SEND_MESSAGES, 0);
    }

    /// Bits 51 and 52 are unknown to older client libraries.
    #[test]
    fn unknown_bits_survive() {
        let member = subject(1 << 51 | 1 << 62 | VIEW_CHANNEL, &[]);
        assert_eq!(member.in_guild(), 1 << 51 | 1 << 62 | VIEW_CHANNEL);
        assert_eq!(bit_set(&json!(8)), 8);
        assert_eq!(bit_set(&json!("8")), 8);
    }
}
