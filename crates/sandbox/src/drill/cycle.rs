//! Acts in turn, by actors in turn: spam, nukes and leaked tokens.

use std::collections::BTreeMap;

use splashtail_sandbox_world::draw::Draw;
use splashtail_sandbox_world::world::Id;

use super::BULK_BAN;
use super::act::{Act, Step, Who};
use super::cast::Stage;
use super::pace::moments;
use super::tally::Refusal;
use super::targets::pick;
use super::types::{ActKind, DrillKind, DrillSettings};

/// The usual cycle of someone who destroys.
const NUKE: [ActKind; 10] = [
    ActKind::CreateChannel,
    ActKind::DeleteChannel,
    ActKind::Ban,
    ActKind::DeleteRole,
    ActKind::CreateWebhook,
    ActKind::WebhookPost,
    ActKind::Kick,
    ActKind::DeleteChannel,
    ActKind::Ban,
    ActKind::WebhookPost,
];

const TOKEN_LEAK: [ActKind; 10] = [
    ActKind::DirectMessage,
    ActKind::CreateChannel,
    ActKind::Post,
    ActKind::CreateWebhook,
    ActKind::WebhookPost,
    ActKind::DeleteChannel,
    ActKind::BulkBan,
    ActKind::DirectMessage,
    ActKind::Prune,
    ActKind::WebhookPost,
];

/// Acts in turn, by actors in turn.
#[derive(Debug)]
pub(super) struct Cycle {
    kind: DrillKind,
    moves: Vec<ActKind>,
    moments: Vec<i64>,
    next: usize,
    actors: usize,
    /// Actors that were told to wait, and until when.
    resting: BTreeMap<usize, i64>,
    /// Actors that wait for an answer, and until when.
    busy: BTreeMap<usize, i64>,
    /// How much later than planned everything is because all of them waited.
    late_ms: i64,
    /// Names given so far.
    names: u64,
}

impl Cycle {
    pub fn new(kind: DrillKind, settings: &DrillSettings, draw: &mut Draw) -> Self {
        let usual = match kind {
            DrillKind::Nuke => &NUKE[..],
            DrillKind::TokenLeak => &TOKEN_LEAK[..],
            DrillKind::Raid | DrillKind::Spam => &[ActKind::Post],
        };
        Self {
            kind,
            moves: if settings.acts.is_empty() {
                usual.to_vec()
            } else {
                settings.acts.clone()
            },
            moments: moments(settings.pace, settings.size, settings.rate, draw),
            next: 0,
            actors: settings.actors.max(1) as usize,
            resting: BTreeMap::new(),
            busy: BTreeMap::new(),
            late_ms: 0,
            names: 0,
        }
    }

    pub fn planned(&self) -> u64 {
        self.moments.len() as u64
    }

    /// The act that is due; `gone`: only webhooks are left to speak.
    pub fn step(&mut self, stage: &mut Stage, gone: bool) -> Option<Step> {
        let now = self.due()?;
        let n = self.next as u64;
        self.next += 1;
        let who = Who::Attacker(self.actor(n as usize, now));
        let act = match self.kind {
            _ if gone => webhook_post(stage, n),
            DrillKind::Raid | DrillKind::Spam => spam(stage, n, self.actors as u64),
            DrillKind::Nuke | DrillKind::TokenLeak => self.destroy(stage, n),
        };
        act.map(|act| Step { who, act })
    }

    pub fn due(&self) -> Option<i64> {
        let planned = self.moments.get(self.next)?;
        Some(planned.saturating_add(self.late_ms))
    }

    /// Whoever was told to wait is spared while others are free.
    pub fn refused(&mut self, who: Who, at: i64, refusal: &Refusal) {
        if let (Who::Attacker(actor), Some(wait_ms)) = (who, refusal.wait_ms) {
            self.resting.insert(actor, at.saturating_add(wait_ms));
        }
    }

    pub fn await_answer(&mut self, who: Who, at: i64, took_ms: i64) {
        if let Who::Attacker(actor) = who {
            self.busy.insert(actor, at.saturating_add(took_ms));
            self.make_up();
        }
    }

    /// Moves what is left to where the first actor has its answer, when none is free before.
    fn make_up(&mut self) {
        let Some(due) = self.due() else { return };
        self.busy.retain(|_, until| *until > due);
        if self.busy.len() < self.actors {
            return;
        }
        if let Some(first) = self.busy.values().min().copied() {
            self.late_ms = self.late_ms.saturating_add(first - due);
            self.busy.retain(|_, until| *until > first);
        }
    }

    /// Whoever's turn it is, or the next one who need not wait.
    fn actor(&mut self, n: usize, now: i64) -> usize {
        self.resting.retain(|_, until| *until > now);
        self.busy.retain(|_, until| *until > now);
        let turns = (0..self.actors).map(|k| (n + k) % self.actors);
        let mut free = turns.filter(|actor| !self.busy.contains_key(actor));
        let first = free.next().unwrap_or(n % self.actors);
        let mut rested = std::iter::once(first).chain(free);
        rested
            .find(|actor| !self.resting.contains_key(actor))
            .unwrap_or(first)
    }

    /// The act of the cycle, or the next one for which something is left.
    fn destroy(&mut self, stage: &mut Stage, n: u64) -> Option<Act> {
        let length = self.moves.len() as u64;
        (0..length).find_map(|k| {
            let kind = self.moves[((n + k) % length) as usize];
            self.choose(stage, kind, n)
        })
    }

    fn choose(&mut self, stage: &mut Stage, kind: ActKind, n: u64) -> Option<Act> {
        let targets = &mut stage.targets;
        match kind {
            ActKind::CreateChannel => {
                self.names += 1;
                let name = format!("nuked-{}", self.names);
                Some(Act::CreateChannel { name })
            }
            ActKind::DeleteChannel => {
                let (id, name) = stage.channels.pop_front()?;
                Some(Act::DeleteChannel { id, name })
            }
            ActKind::DeleteRole => {
                let (id, name) = stage.roles.pop_front()?;
                Some(Act::DeleteRole { id, name })
            }
            ActKind::Ban => stage.members.pop_front().map(Act::Ban),
            ActKind::Kick => stage.members.pop_front().map(Act::Kick),
            ActKind::BulkBan => {
                let some = stage.members.len().min(BULK_BAN);
                let users: Vec<Id> = stage.members.drain(..some).collect();
                (!users.is_empty()).then_some(Act::BulkBan(users))
            }
            ActKind::Prune => std::mem::take(&mut targets.prune).then_some(Act::Prune),
            ActKind::CreateWebhook => {
                // One for each channel of their own, which nobody else deletes but a defender.
                let channel = stage.junk.pop_front()?;
                Some(Act::CreateWebhook { channel })
            }
            ActKind::WebhookPost => webhook_post(stage, n),
            ActKind::Post => {
                let channel = *pick(&stage.open, n)?;
                let text = format!("@everyone this server has moved: https://moved.example/{n}");
                Some(Act::Post { channel, text })
            }
            ActKind::DirectMessage => {
                let user = stage.people.pop_front()?;
                Some(Act::DirectMessage { user })
            }
            ActKind::RenameChannel => targets.renames.pop_front().map(Act::RenameChannel),
            ActKind::HideChannel => {
                let bot = targets.bot?;
                let channel = targets.hides.pop_front()?;
                Some(Act::HideChannel { channel, bot })
            }
            ActKind::EditOverwrite => targets.overwrites.pop_front().map(Act::EditOverwrite),
            ActKind::CreateThread => pick(&stage.open, n).copied().map(Act::CreateThread),
            ActKind::EditRole => targets.role_edits.pop_front().map(Act::EditRole),
            ActKind::ReorderRoles => Some(Act::ReorderRoles),
            ActKind::GrantAdministrator => {
                targets.accomplices.pop_front().map(Act::GrantAdministrator)
            }
            ActKind::StripRoles => targets.strips.pop_front().map(Act::StripRoles),
            ActKind::EditServer => {
                self.names += 1;
                let name = format!("nuked {}", self.names);
                Some(Act::EditServer { name })
            }
            ActKind::DeleteEmoji => {
                let (id, name) = targets.emojis.pop_front()?;
                Some(Act::DeleteEmoji { id, name })
            }
            ActKind::DeleteSticker => {
                let (id, name) = targets.stickers.pop_front()?;
                Some(Act::DeleteSticker { id, name })
            }
            ActKind::DeleteInvite => {
                let (code, channel) = targets.invites.pop_front()?;
                Some(Act::DeleteInvite { code, channel })
            }
            ActKind::DeleteAutomodRule => {
                let (id, name) = targets.automod.pop_front()?;
                Some(Act::DeleteAutomodRule { id, name })
            }
            ActKind::DeleteIntegration => {
                let (id, bot) = targets.integrations.pop_front()?;
                Some(Act::DeleteIntegration { id, bot })
            }
            ActKind::DisarmBot => {
                let role = targets.bot_roles.pop_front()?;
                Some(Act::DisarmBot { role })
            }
            ActKind::KickBot => targets.bot.take().map(Act::KickBot),
            ActKind::Join | ActKind::AskToJoin | ActKind::Leave => None,
        }
    }
}

fn webhook_post(stage: &Stage, n: u64) -> Option<Act> {
    pick(&stage.hooks, n).cloned().map(Act::WebhookPost)
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
    use splashtail_sandbox_world::world::Stamp;

    use super::super::cast::Hook;
    use super::super::settings::settle;
    use super::super::types::NewDrill;
    use super::*;

    fn nuke(size: u32, edit: impl FnOnce(&mut NewDrill)) -> Cycle {
        let mut order = NewDrill::new(DrillKind::Nuke, "1");
        (order.size, order.rate) = (Some(size), Some(5.0));
        edit(&mut order);
        let settings = settle(&order, Stamp(1_767_225_600_000)).unwrap();
        Cycle::new(DrillKind::Nuke, &settings, &mut Draw::new(1, "drill 1"))
    }

    #[test]
    fn a_nuke_never_runs_out_of_acts() {
        let mut stage = Stage::default();
        let mut cycle = nuke(40, |_| {});
        for _ in 0..40 {
            let step = cycle.step(&mut stage, false).unwrap();
            assert!(matches!(step.act, Act::CreateChannel { .. }), "{step:?}");
        }
        assert_eq!(cycle.due(), None);
    }

    #[test]
    fn only_webhooks_speak_once_all_attackers_are_gone() {
        let mut stage = Stage::default();
        stage.members.push_back(Id(5));
        let mut cycle = nuke(2, |_| {});
        assert!(cycle.step(&mut stage, true).is_none());
        let (id, channel) = (Id(7), Id(8));
        stage.hooks.push(Hook {
            id,
            channel,
            token: "t".into(),
        });
        let step = cycle.step(&mut stage, true).unwrap();
        assert!(matches!(step.act, Act::WebhookPost(hook) if hook.id == Id(7)));
    }

    #[test]
    fn a_channel_whose_webhook_is_being_made_is_taken() {
        let mut stage = Stage::default();
        stage.junk.extend([Id(8), Id(9)]);
        let mut cycle = nuke(3, |o| {
            (o.actors, o.acts) = (Some(3), vec![ActKind::CreateWebhook]);
        });
        let mut channels = Vec::new();
        while cycle.due().is_some() {
            // No answer is there yet, so that nobody has a webhook.
            if let Some(Step { act, .. }) = cycle.step(&mut stage, false) {
                let Act::CreateWebhook { channel } = act else {
                    panic!("{act:?}")
                };
                channels.push(channel);
            }
        }
        assert_eq!(channels, [Id(8), Id(9)]);
    }

    #[test]
    fn whoever_is_told_to_wait_lets_others_go_first() {
        let mut stage = Stage::default();
        let mut cycle = nuke(6, |o| o.actors = Some(3));
        let mut actors = Vec::new();
        for n in 0..6 {
            let now = cycle.due().unwrap();
            let step = cycle.step(&mut stage, false).unwrap();
            if n == 0 {
                let refusal = Refusal {
                    code: "429".into(),
                    wait_ms: Some(700),
                    passing: true,
                };
                cycle.refused(step.who, now, &refusal);
            }
            actors.push(step.who);
        }
        let turns = [0, 1, 2, 1, 1, 2].map(Who::Attacker);
        assert_eq!(actors, turns, "the first rests for three turns");
    }

    #[test]
    fn whoever_waits_for_an_answer_does_nothing_meanwhile() {
        let play = |actors, took| {
            let mut stage = Stage::default();
            let mut cycle = nuke(5, |o| o.actors = Some(actors));
            let mut seen = Vec::new();
            while let Some(now) = cycle.due() {
                let step = cycle.step(&mut stage, false).unwrap();
                let Who::Attacker(actor) = step.who else {
                    panic!()
                };
                seen.push((now, actor));
                if seen.len() <= 2 {
                    cycle.await_answer(step.who, now, took);
                }
            }
            seen
        };
        let alone = [(0, 0), (2000, 0), (4000, 0), (4200, 0), (4400, 0)];
        assert_eq!(play(1, 2000), alone);
        let both_wait = [(0, 0), (200, 1), (500, 0), (700, 1), (900, 0)];
        assert_eq!(play(2, 500), both_wait);
        let short = [(0, 0), (200, 1), (400, 0), (600, 1), (800, 0)];
        assert_eq!(play(2, 100), short);
    }
}
