//! What was done to people, and what was made that no structure shows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_guild::Id;

use super::Pinned;
use crate::entry::{Entry, action as a};
use crate::incident::Incident;
use crate::moment::Moment;

/// What an incident's suspects did, with what it takes to take it back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deeds {
    /// Banned, and when last.
    pub banned: BTreeMap<Id, Moment>,
    /// Whose ban was lifted.
    pub freed: BTreeSet<Id>,
    pub roles: BTreeMap<Id, RoleDeeds>,
    /// The end that was, and the one that was set.
    pub timeouts: BTreeMap<Id, (Value, Value)>,
    /// The name that was, and the one that was given.
    pub nicknames: BTreeMap<Id, (Value, Value)>,
    /// Made, to be deleted.
    pub webhooks: BTreeSet<Id>,
    pub invites: BTreeSet<String>,
    pub threads: BTreeSet<Id>,
    /// What only people can put back.
    pub by_hand: Vec<(ByHand, Option<Id>, String)>,
}

/// Roles of one member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleDeeds {
    pub given: BTreeSet<Id>,
    /// Taken, or gone with the role.
    pub taken: BTreeSet<Id>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByHand {
    Kick,
    Prune,
    BotAdded,
    Vanity,
    WebhookDeleted,
    WebhookChanged,
    InviteDeleted,
    Integration,
    CommandPermissions,
    Onboarding,
    ThreadDeleted,
    Messages,
}

/// Reads them from the acts, oldest first. Nothing is given to suspects.
pub fn deeds(incident: &Incident, pinned: Option<&Pinned>) -> Deeds {
    let mut deeds = Deeds::default();
    let mut acts: Vec<_> = incident.acts.iter().collect();
    acts.sort_by_key(|act| act.at);
    for act in acts {
        if let Some(entry) = act.entry.as_ref().and_then(Entry::read) {
            deeds.read(&entry, pinned);
        }
    }
    let is_suspect = |user: &Id| incident.suspect(*user).is_some();
    for (user, roles) in &mut deeds.roles {
        if is_suspect(user) {
            roles.taken.clear();
        }
    }
    deeds
        .roles
        .retain(|_, roles| *roles != RoleDeeds::default());
    deeds.nicknames.retain(|user, _| !is_suspect(user));
    deeds.timeouts.retain(|user, _| !is_suspect(user));
    deeds.banned.retain(|user, _| !is_suspect(user));
    deeds
}

impl Deeds {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn read(&mut self, entry: &Entry<'_>, pinned: Option<&Pinned>) {
        let Some(target) = entry.target else {
            if entry.action == a::INVITE_CREATE
                && let Some(code) = entry.change("code").and_then(|c| c.new.as_str())
            {
                self.invites.insert(code.to_owned());
            }
            return self.read_untargeted(entry);
        };
        match entry.action {
            a::MEMBER_BAN_ADD => {
                // Whoever was freed and banned again was banned before.
                if !self.freed.remove(&target) {
                    self.banned.insert(target, entry.at());
                }
            }
            a::MEMBER_BAN_REMOVE => {
                if self.banned.remove(&target).is_none() {
                    self.freed.insert(target);
                }
            }
            a::MEMBER_UPDATE => self.member(target, entry),
            a::MEMBER_ROLE_UPDATE => {
                let roles = self.roles.entry(target).or_default();
                for role in entry.roles("$add") {
                    if !roles.taken.remove(&role) {
                        roles.given.insert(role);
                    }
                }
                for role in entry.roles("$remove") {
                    if !roles.given.remove(&role) {
                        roles.taken.insert(role);
                    }
                }
            }
            a::ROLE_DELETE => {
                let holders = pinned.and_then(|pinned| pinned.holders.get(&target));
                for user in holders.into_iter().flatten() {
                    self.roles.entry(*user).or_default().taken.insert(target);
                }
            }
            a::WEBHOOK_CREATE => {
                self.webhooks.insert(target);
            }
            a::WEBHOOK_DELETE if self.webhooks.remove(&target) => {}
            a::INVITE_CREATE => {
                let code = entry.change("code").and_then(|c| c.new.as_str());
                self.invites.extend(code.map(str::to_owned));
            }
            110 => {
                self.threads.insert(target);
            }
            a::THREAD_DELETE if self.threads.remove(&target) => {}
            a::MEMBER_KICK => self.note(ByHand::Kick, entry),
            a::BOT_ADD => self.note(ByHand::BotAdded, entry),
            a::WEBHOOK_UPDATE => self.note(ByHand::WebhookChanged, entry),
            a::WEBHOOK_DELETE => self.note(ByHand::WebhookDeleted, entry),
            a::THREAD_DELETE => self.note(ByHand::ThreadDeleted, entry),
            _ => self.read_untargeted(entry),
        }
    }

    fn read_untargeted(&mut self, entry: &Entry<'_>) {
        match entry.action {
            a::GUILD_UPDATE if entry.change("vanity_url_code").is_some() => {
                self.note(ByHand::Vanity, entry);
            }
            a::MEMBER_PRUNE => self.note(ByHand::Prune, entry),
            a::INVITE_DELETE => {
                let code = entry.change("code").and_then(|c| c.old.as_str());
                if !code.is_some_and(|code| self.invites.remove(code)) {
                    self.note(ByHand::InviteDeleted, entry);
                }
            }
            80..=82 => self.note(ByHand::Integration, entry),
            a::COMMAND_PERMISSION_UPDATE => self.note(ByHand::CommandPermissions, entry),
            a::ONBOARDING_PROMPT_CREATE..=a::ONBOARDING_UPDATE => {
                self.note(ByHand::Onboarding, entry);
            }
            a::MESSAGE_DELETE | a::MESSAGE_BULK_DELETE => self.note(ByHand::Messages, entry),
            _ => {}
        }
    }

    fn member(&mut self, user: Id, entry: &Entry<'_>) {
        for (key, changes) in [
            ("communication_disabled_until", &mut self.timeouts),
            ("nick", &mut self.nicknames),
        ] {
            let Some(change) = entry.change(key) else {
                continue;
            };
            let first = changes.remove(&user).map(|(old, _)| old);
            let old = first.unwrap_or_else(|| change.old.clone());
            changes.insert(user, (old, change.new.clone()));
        }
    }

    fn note(&mut self, what: ByHand, entry: &Entry<'_>) {
        let name = entry
            .changes()
            .find(|c| matches!(c.key, "name" | "code" | "vanity_url_code"));
        let name = name.and_then(|c| c.old.as_str()).unwrap_or_default();
        let item = (what, entry.target, name.to_owned());
        if !self.by_hand.contains(&item) {
            self.by_hand.push(item);
        }
    }
}
