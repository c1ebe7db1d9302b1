//! What the attackers do, and when: a pure sequence, given what their earlier acts brought.

use splashtail_sandbox_world::world::Id;

use super::cast::{Hook, Stage};
use super::spoils::Spoils;
use super::types::{DrillKind, DrillSettings};
use super::{BULK_BAN, POST_AFTER_MS};

/// One thing an attacker does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Join,
    Post { channel: Id, text: String },
    DirectMessage { user: Id },
    CreateChannel { name: String },
    DeleteChannel { id: Id, name: String },
    DeleteRole { id: Id, name: String },
    Ban(Id),
    Kick(Id),
    BulkBan(Vec<Id>),
    Prune,
    CreateWebhook { channel: Id },
    WebhookPost(Hook),
}

/// An act with its actor, an index into [`Stage::attackers`].
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub actor: usize,
    pub act: Act,
}

/// Kinds of act in the cycle of someone who destroys.
#[derive(Debug, Clone, Copy)]
enum Move {
    CreateChannel,
    DeleteChannel,
    DeleteRole,
    Ban,
    Kick,
    BulkBan,
    Prune,
    CreateWebhook,
    WebhookPost,
    Post,
    DirectMessage,
}

const NUKE: [Move; 10] = [
    Move::CreateChannel,
    Move::DeleteChannel,
    Move::Ban,
    Move::DeleteRole,
    Move::CreateWebhook,
    Move::WebhookPost,
    Move::Kick,
    Move::DeleteChannel,
    Move::Ban,
    Move::WebhookPost,
];

const TOKEN_LEAK: [Move; 10] = [
    Move::DirectMessage,
    Move::CreateChannel,
    Move::Post,
    Move::CreateWebhook,
    Move::WebhookPost,
    Move::DeleteChannel,
    Move::BulkBan,
    Move::DirectMessage,
    Move::Prune,
    Move::WebhookPost,
];

/// The sequence, and how far it is.
#[derive(Debug)]
pub(super) struct Script {
    kind: DrillKind,
    rate: f64,
    /// Acts; of a raid, arrivals.
    size: u64,
    actors: u64,
    next: u64,
    /// Messages of raiders so far.
    posts: u64,
    pruned: bool,
    junk: u64,
}

impl Script {
    pub fn new(kind: DrillKind, settings: &DrillSettings) -> Self {
        Self {
            kind,
            rate: settings.rate,
            size: settings.size.into(),
            actors: settings.actors.max(1).into(),
            next: 0,
            posts: 0,
            pruned: false,
            junk: 0,
        }
    }

    /// Acts in all.
    pub fn planned(&self) -> u64 {
        match self.kind {
            DrillKind::Raid => self.size * 2,
            _ => self.size,
        }
    }

    /// Whether every attacker has had its entry.
    pub fn all_entered(&self) -> bool {
        self.kind != DrillKind::Raid || self.next == self.size
    }

    fn at(&self, n: u64) -> i64 {
        (n as f64 * 1000.0 / self.rate) as i64
    }

    /// When the next act is due, in milliseconds since the first.
    pub fn due(&self) -> Option<i64> {
        let act = (self.next < self.size).then(|| self.at(self.next));
        let post = self.next_post();
        act.into_iter().chain(post).min()
    }

    fn next_post(&self) -> Option<i64> {
        let more = self.kind == DrillKind::Raid && self.posts < self.next;
        more.then(|| self.at(self.posts) + POST_AFTER_MS)
    }

    /// The act that is due; `None` when it falls away. `gone`: all attackers are out of the
    /// guild, so only their webhooks still speak.
    pub fn step(&mut self, stage: &mut Stage, spoils: &Spoils, gone: bool) -> Option<Step> {
        if let Some(post) = self.next_post()
            && (self.next == self.size || post < self.at(self.next))
        {
            let n = self.posts;
            self.posts += 1;
            return raid_post(stage, spoils, n);
        }
        let n = self.next;
        self.next += 1;
        let actor = (n % self.actors) as usize;
        let act = match self.kind {
            DrillKind::Raid => Some(Act::Join),
            DrillKind::Spam => spam(stage, n, self.actors),
            DrillKind::Nuke => self.destroy(stage, &NUKE, n, gone),
            DrillKind::TokenLeak => self.destroy(stage, &TOKEN_LEAK, n, gone),
        };
        act.map(|act| Step { actor, act })
    }

    /// The act of the cycle, or the next one for which something is left.
    fn destroy(&mut self, stage: &mut Stage, cycle: &[Move], n: u64, gone: bool) -> Option<Act> {
        if gone {
            return webhook_post(stage, n);
        }
        let length = cycle.len() as u64;
        let moves = (0..length).map(|k| cycle[((n + k) % length) as usize]);
        moves
            .into_iter()
            .find_map(|kind| self.choose(stage, kind, n))
    }

    fn choose(&mut self, stage: &mut Stage, kind: Move, n: u64) -> Option<Act> {
        match kind {
            Move::CreateChannel => {
                self.junk += 1;
                let name = format!("nuked-{}", self.junk);
                Some(Act::CreateChannel { name })
            }
            Move::DeleteChannel => {
                let (id, name) = stage.channels.pop_front()?;
                Some(Act::DeleteChannel { id, name })
            }
            Move::DeleteRole => {
                let (id, name) = stage.roles.pop_front()?;
                Some(Act::DeleteRole { id, name })
            }
            Move::Ban => stage.members.pop_front().map(Act::Ban),
            Move::Kick => stage.members.pop_front().map(Act::Kick),
            Move::BulkBan => {
                let some = stage.members.len().min(BULK_BAN);
                let users: Vec<Id> = stage.members.drain(..some).collect();
                (!users.is_empty()).then_some(Act::BulkBan(users))
            }
            Move::Prune => (!std::mem::replace(&mut self.pruned, true)).then_some(Act::Prune),
            Move::CreateWebhook => {
                // One for each channel of their own, which nobody else deletes but a defender.
                let channel = *stage.junk.get(stage.hooks.len())?;
                Some(Act::CreateWebhook { channel })
            }
            Move::WebhookPost => webhook_post(stage, n),
            Move::Post => {
                let channel = *pick(&stage.open, n)?;
                let text = format!("@everyone this server has moved: https://moved.example/{n}");
                Some(Act::Post { channel, text })
            }
            Move::DirectMessage => {
                let user = stage.people.pop_front()?;
                Some(Act::DirectMessage { user })
            }
        }
    }
}

fn pick<T>(items: &[T], n: u64) -> Option<&T> {
    items.get((n % (items.len() as u64).max(1)) as usize)
}

fn webhook_post(stage: &Stage, n: u64) -> Option<Act> {
    pick(&stage.hooks, n).cloned().map(Act::WebhookPost)
}

/// Mentions everyone and a few members by name; a raider that did not get in stays silent.
fn raid_post(stage: &Stage, spoils: &Spoils, n: u64) -> Option<Step> {
    let actor = usize::try_from(n).ok()?;
    if !spoils.joined.contains(stage.attackers.get(actor)?) {
        return None;
    }
    let channel = *pick(&stage.open, n)?;
    let mut text = format!("@everyone join us at https://raid.example/{n}");
    for user in stage.people.iter().take(3) {
        text.push_str(&format!(" <@{user}>"));
    }
    Some(Step {
        actor,
        act: Act::Post { channel, text },
    })
}

/// Nearly the same text over and over, in one channel after the other.
fn spam(stage: &Stage, n: u64, actors: u64) -> Option<Act> {
    let channel = *pick(&stage.open, n / actors)?;
    let mut text = format!(
        "FREE GIFTS, claim yours: https://gifts.example/claim?ref={}",
        n % 7
    );
    if n % 3 == 2
        && let Some(user) = pick_member(stage, n)
    {
        text.push_str(&format!(" <@{user}>"));
    }
    Some(Act::Post { channel, text })
}

fn pick_member(stage: &Stage, n: u64) -> Option<Id> {
    let count = stage.people.len() as u64;
    stage.people.get((n % count.max(1)) as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(kind: DrillKind, size: u32, rate: f64) -> Script {
        Script::new(
            kind,
            &DrillSettings {
                size,
                rate,
                actors: if kind == DrillKind::Raid { size } else { 1 },
                watch_ms: 0,
                account_age_days: None,
                above_bot: false,
                own_token: false,
            },
        )
    }

    #[test]
    fn raiders_post_a_second_after_they_were_due_to_join() {
        let mut stage = Stage {
            attackers: vec![Id(1), Id(2)],
            open: vec![Id(9)],
            ..Stage::default()
        };
        let spoils = Spoils {
            joined: [Id(1), Id(2)].into(),
            ..Spoils::default()
        };
        let mut script = script(DrillKind::Raid, 2, 0.8);
        let mut seen = Vec::new();
        while let Some(due) = script.due() {
            let step = script.step(&mut stage, &spoils, false).unwrap();
            seen.push((due, step.actor, matches!(step.act, Act::Join)));
        }
        assert_eq!(
            seen,
            [
                (0, 0, true),
                (1000, 0, false),
                (1250, 1, true),
                (2250, 1, false)
            ]
        );
        assert_eq!(script.planned(), 4);
    }

    #[test]
    fn a_nuke_never_runs_out_of_acts() {
        let mut stage = Stage::default();
        let mut script = script(DrillKind::Nuke, 40, 5.0);
        for _ in 0..40 {
            let step = script.step(&mut stage, &Spoils::default(), false).unwrap();
            assert!(matches!(step.act, Act::CreateChannel { .. }), "{step:?}");
        }
        assert_eq!(script.due(), None);
    }

    #[test]
    fn only_webhooks_speak_once_all_attackers_are_gone() {
        let mut stage = Stage::default();
        stage.members.push_back(Id(5));
        let mut script = script(DrillKind::Nuke, 2, 5.0);
        assert!(script.step(&mut stage, &Spoils::default(), true).is_none());
        let (id, channel) = (Id(7), Id(8));
        stage.hooks.push(Hook {
            id,
            channel,
            token: "t".into(),
        });
        let step = script.step(&mut stage, &Spoils::default(), true).unwrap();
        assert!(matches!(step.act, Act::WebhookPost(hook) if hook.id == Id(7)));
    }
}
