//! Posts of webhooks: they leave no entry, and whoever has the URL posts.

use std::collections::VecDeque;

use serde_json::Value;
use splashtail_guild::{Id, Structure};

use super::Engine;
use super::retention::{MAX_WEBHOOKS, bounded};
use crate::actor::fold_text;
use crate::effect::{Effect, Method, Reason, Rung};
use crate::entry::action as a;
use crate::incident::{IncidentKind, Rule};
use crate::ladder::Case;
use crate::moment::{MINUTE, Moment, SECOND};

/// As many as Discord lets a webhook post, so a busy bridge does it too.
const BURST: usize = 5;
const BURST_IN: u64 = 2 * SECOND;
/// Mentions of everybody by one webhook within a minute.
const PINGS: usize = 3;
/// Users mentioned in one post.
const CROWD: usize = 5;
/// Posts of a burst that invite elsewhere.
const INVITES: usize = 3;
const CROSSPOSTED: u64 = 1 << 1;

/// What is kept of a post.
#[derive(Debug, Clone, Copy)]
struct Post {
    at: Moment,
    /// Mentions everybody, a role or a crowd.
    pings: bool,
    invites: bool,
    /// Folded; `None` where there is nothing to compare, or it may not be read.
    said: Option<u32>,
}

/// The last posts of one webhook.
#[derive(Debug, Default)]
pub(super) struct Posts {
    last: VecDeque<Post>,
    /// Mentions of everybody.
    pings: VecDeque<Moment>,
}

impl Post {
    fn read(data: &Value, at: Moment) -> Self {
        let many = |key: &str, most: usize| data[key].as_array().is_some_and(|m| m.len() >= most);
        let text = data["content"].as_str().unwrap_or_default().to_lowercase();
        let embeds = data["embeds"]
            .as_array()
            .filter(|embeds| !embeds.is_empty());
        let said = match embeds {
            Some(embeds) => Some(format!("{text}{}", Value::from(embeds.clone()))),
            None => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        };
        Self {
            at,
            pings: data["mention_everyone"] == true
                || many("mention_roles", 1)
                || many("mentions", CROWD),
            invites: ["discord.gg/", "discord.com/invite/"]
                .iter()
                .any(|link| text.contains(link)),
            said: said.as_deref().map(fold_text),
        }
    }
}

impl Posts {
    fn add(&mut self, post: Post, everybody: bool) {
        bounded(&mut self.last, BURST).push_back(post);
        if everybody {
            bounded(&mut self.pings, PINGS).push_back(post.at);
        }
    }

    pub(super) fn last(&self) -> Option<Moment> {
        self.last.back().map(|post| post.at)
    }

    fn has_pinged(&self, now: Moment) -> bool {
        let first = self.pings.front();
        self.pings.len() == PINGS && first.is_some_and(|at| now.since(*at) <= MINUTE)
    }

    /// A burst alone is what bridges and builds do, and a URL that is deleted is gone for good: one
    /// that pings, says the same again or invites elsewhere is an attack.
    fn is_spam(&self, now: Moment) -> bool {
        let first = self.last.front();
        let burst =
            self.last.len() == BURST && first.is_some_and(|first| now.since(first.at) <= BURST_IN);
        let said = first.and_then(|first| first.said);
        burst
            && (self.last.iter().any(|post| post.pings)
                || self.last.iter().filter(|post| post.invites).count() >= INVITES
                || said.is_some() && self.last.iter().all(|post| post.said == said))
    }
}

impl Engine {
    pub(super) fn on_webhook_post(
        &mut self,
        webhook: Id,
        data: &Value,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let application = Id::read(&data["application_id"]);
        let answer = application == Some(webhook);
        let ours = application == Some(self.me);
        let followed = data["flags"].as_u64().unwrap_or(0) & CROSSPOSTED != 0;
        if answer || ours || followed || self.policy.trusted.users.contains(&webhook) {
            return;
        }
        if self.webhooks.len() >= MAX_WEBHOOKS && !self.webhooks.contains_key(&webhook) {
            self.webhooks.pop_first();
        }
        let pings = data["mention_everyone"] == true;
        let posts = self.webhooks.entry(webhook).or_default();
        posts.add(Post::read(data, now), pings);
        if !posts.is_spam(now) && !posts.has_pinged(now) {
            return;
        }
        let seen = u32::try_from(posts.last.len()).unwrap_or(u32::MAX);
        let known = self.actors.get(&webhook).and_then(|a| a.incident);
        if known.is_some_and(|id| self.incidents.contains_key(&id)) {
            return;
        }
        let rules = [Rule::WebhookSpam {
            posts: seen,
            ping: pings,
        }];
        // Whoever made it answers for nothing: others may have its URL.
        let maker = self.maker_of(webhook);
        let kind = IncidentKind::Webhook;
        let incident = self.open_beside(webhook, maker, kind, &rules, structure, now);
        self.actor(webhook).incident = Some(incident);
        let tried = std::collections::BTreeSet::new();
        let case = Case {
            incident,
            user: self.guild,
            tried: &tried,
            round: 0,
            fetched: false,
            late: false,
            bans_full: false,
            reason: Reason::Spam,
        };
        let path = format!("/webhooks/{webhook}");
        let mut call = case.call(Rung::DeleteWebhook, webhook, Method::Delete, path);
        call.action = Some(a::WEBHOOK_DELETE);
        self.issue(incident, call, structure, now, out);
        self.publish(incident, false, now, out);
    }
}
