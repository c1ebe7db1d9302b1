//! What the attackers do, and when: a pure sequence, given what their earlier acts brought.

use std::collections::BTreeMap;

use splashtail_sandbox_world::draw::Draw;
use splashtail_sandbox_world::world::Id;

use super::BULK_BAN;
use super::cast::{Hook, Stage};
use super::pace::moments;
use super::raid::Schedule;
use super::spoils::Spoils;
use super::types::{ActKind, DrillKind, DrillSettings};

/// One thing an attacker does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Join,
    /// Joins a guild that approves its members by hand.
    AskToJoin,
    Leave,
    Post {
        channel: Id,
        text: String,
    },
    DirectMessage {
        user: Id,
    },
    CreateChannel {
        name: String,
    },
    DeleteChannel {
        id: Id,
        name: String,
    },
    RenameChannel(Id),
    HideChannel {
        channel: Id,
        bot: Id,
    },
    EditOverwrite(Id),
    CreateThread(Id),
    DeleteRole {
        id: Id,
        name: String,
    },
    EditRole(Id),
    ReorderRoles,
    GrantAdministrator(Id),
    StripRoles(Id),
    Ban(Id),
    Kick(Id),
    BulkBan(Vec<Id>),
    Prune,
    EditServer {
        name: String,
    },
    DeleteEmoji {
        id: Id,
        name: String,
    },
    DeleteSticker {
        id: Id,
        name: String,
    },
    DeleteInvite {
        code: String,
        channel: Id,
    },
    DeleteAutomodRule {
        id: Id,
        name: String,
    },
    DeleteIntegration {
        id: Id,
        bot: Id,
    },
    DisarmBot {
        role: Id,
    },
    KickBot(Id),
    CreateWebhook {
        channel: Id,
    },
    WebhookPost(Hook),
}

impl Act {
    pub fn kind(&self) -> ActKind {
        match self {
            Self::Join => ActKind::Join,
            Self::AskToJoin => ActKind::AskToJoin,
            Self::Leave => ActKind::Leave,
            Self::Post { .. } => ActKind::Post,
            Self::DirectMessage { .. } => ActKind::DirectMessage,
            Self::CreateChannel { .. } => ActKind::CreateChannel,
            Self::DeleteChannel { .. } => ActKind::DeleteChannel,
            Self::RenameChannel(_) => ActKind::RenameChannel,
            Self::HideChannel { .. } => ActKind::HideChannel,
            Self::EditOverwrite(_) => ActKind::EditOverwrite,
            Self::CreateThread(_) => ActKind::CreateThread,
            Self::DeleteRole { .. } => ActKind::DeleteRole,
            Self::EditRole(_) => ActKind::EditRole,
            Self::ReorderRoles => ActKind::ReorderRoles,
            Self::GrantAdministrator(_) => ActKind::GrantAdministrator,
            Self::StripRoles(_) => ActKind::StripRoles,
            Self::Ban(_) => ActKind::Ban,
            Self::Kick(_) => ActKind::Kick,
            Self::BulkBan(_) => ActKind::BulkBan,
            Self::Prune => ActKind::Prune,
            Self::EditServer { .. } => ActKind::EditServer,
            Self::DeleteEmoji { .. } => ActKind::DeleteEmoji,
            Self::DeleteSticker { .. } => ActKind::DeleteSticker,
            Self::DeleteInvite { .. } => ActKind::DeleteInvite,
            Self::DeleteAutomodRule { .. } => ActKind::DeleteAutomodRule,
            Self::DeleteIntegration { .. } => ActKind::DeleteIntegration,
            Self::DisarmBot { .. } => ActKind::DisarmBot,
            Self::KickBot(_) => ActKind::KickBot,
            Self::CreateWebhook { .. } => ActKind::CreateWebhook,
            Self::WebhookPost(_) => ActKind::WebhookPost,
        }
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// An index into [`Stage::attackers`].
    Attacker(usize),
    /// A harmless newcomer, an index into [`Stage::guests`].
    Guest(usize),
}

impl Who {
    pub fn user(self, stage: &Stage) -> Option<Id> {
        match self {
            Self::Attacker(n) => stage.attackers.get(n).copied(),
            Self::Guest(n) => stage.guests.get(n).copied(),
        }
    }
}

/// An act with its actor.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub who: Who,
    pub act: Act,
}

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

/// The sequence, and how far it is.
#[derive(Debug)]
pub(super) enum Script {
    Raid(Schedule),
    Cycle(Cycle),
}

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
    pruned: bool,
    junk: u64,
}

impl Script {
    /// Draws what is left to chance from `seed`, for this drill alone.
    pub fn new(kind: DrillKind, settings: &DrillSettings, seed: u64, number: u64) -> Self {
        let mut draw = Draw::new(seed, &format!("drill {number}"));
        if kind == DrillKind::Raid {
            return Self::Raid(Schedule::new(settings, &mut draw));
        }
        let usual = match kind {
            DrillKind::Nuke => &NUKE[..],
            DrillKind::TokenLeak => &TOKEN_LEAK[..],
            DrillKind::Raid | DrillKind::Spam => &[ActKind::Post],
        };
        Self::Cycle(Cycle {
            kind,
            moves: if settings.acts.is_empty() {
                usual.to_vec()
            } else {
                settings.acts.clone()
            },
            moments: moments(settings.pace, settings.size, settings.rate, &mut draw),
            next: 0,
            actors: settings.actors.max(1) as usize,
            resting: BTreeMap::new(),
            busy: BTreeMap::new(),
            late_ms: 0,
            pruned: false,
            junk: 0,
        })
    }

    /// Acts of the attackers in all.
    pub fn planned(&self) -> u64 {
        match self {
            Self::Raid(raid) => raid.planned(),
            Self::Cycle(cycle) => cycle.moments.len() as u64,
        }
    }

    /// Whether every attacker has had its entry.
    pub fn all_entered(&self) -> bool {
        match self {
            Self::Raid(raid) => raid.all_entered(),
            Self::Cycle(_) => true,
        }
    }

    /// When the next act is due, in milliseconds since the first.
    pub fn due(&self) -> Option<i64> {
        match self {
            Self::Raid(raid) => raid.due(),
            Self::Cycle(cycle) => cycle.due(),
        }
    }

    /// The act that is due; `None` when it falls away. `gone`: all attackers are out of the
    /// guild, so only their webhooks still speak.
    pub fn step(
        &mut self,
        stage: &mut Stage,
        spoils: &Spoils,
        gone: bool,
        inside: impl Fn(Id) -> bool,
    ) -> Option<Step> {
        match self {
            Self::Raid(raid) => raid.step(stage, spoils, inside),
            Self::Cycle(cycle) => cycle.step(stage, gone),
        }
    }

    /// Spares an actor that was told to wait, while others are free.
    pub fn rest(&mut self, who: Who, at: i64, wait_ms: i64) {
        if let (Self::Cycle(cycle), Who::Attacker(actor)) = (self, who) {
            cycle.resting.insert(actor, at.saturating_add(wait_ms));
        }
    }

    /// An actor waits so long for an answer: others go on, and with nobody left everything after
    /// is later.
    pub fn await_answer(&mut self, who: Who, at: i64, took_ms: i64) {
        let until = at.saturating_add(took_ms);
        match (self, who) {
            (Self::Raid(raid), _) => raid.await_answer(who, until),
            (Self::Cycle(cycle), Who::Attacker(actor)) => {
                cycle.busy.insert(actor, until);
                cycle.make_up();
            }
            (Self::Cycle(_), Who::Guest(_)) => {}
        }
    }
}

impl Cycle {
    fn step(&mut self, stage: &mut Stage, gone: bool) -> Option<Step> {
        let now = self.due()?;
        let n = self.next as u64;
        self.next += 1;
        let who = Who::Attacker(self.actor(n as usize, now));
        let act = match self.kind {
            DrillKind::Raid | DrillKind::Spam => spam(stage, n, self.actors as u64),
            DrillKind::Nuke | DrillKind::TokenLeak => self.destroy(stage, n, gone),
        };
        act.map(|act| Step { who, act })
    }

    fn due(&self) -> Option<i64> {
        let planned = self.moments.get(self.next)?;
        Some(planned.saturating_add(self.late_ms))
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
    fn destroy(&mut self, stage: &mut Stage, n: u64, gone: bool) -> Option<Act> {
        if gone {
            return webhook_post(stage, n);
        }
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
                self.junk += 1;
                let name = format!("nuked-{}", self.junk);
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
            ActKind::Prune => (!std::mem::replace(&mut self.pruned, true)).then_some(Act::Prune),
            ActKind::CreateWebhook => {
                // One for each channel of their own, which nobody else deletes but a defender.
                let channel = *stage.junk.get(stage.hooks.len())?;
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
                self.junk += 1;
                let name = format!("nuked {}", self.junk);
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

pub(super) fn pick<T>(items: &[T], n: u64) -> Option<&T> {
    items.get((n % (items.len() as u64).max(1)) as usize)
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

    use super::super::settings::settle;
    use super::super::types::NewDrill;
    use super::*;

    fn nuke(size: u32, edit: impl FnOnce(&mut NewDrill)) -> Script {
        let mut order = NewDrill::new(DrillKind::Nuke, "1");
        (order.size, order.rate) = (Some(size), Some(5.0));
        edit(&mut order);
        let settings = settle(&order, Stamp(1_767_225_600_000)).unwrap();
        Script::new(DrillKind::Nuke, &settings, 1, 1)
    }

    fn step(script: &mut Script, stage: &mut Stage, gone: bool) -> Option<Step> {
        script.step(stage, &Spoils::default(), gone, |_| true)
    }

    #[test]
    fn a_nuke_never_runs_out_of_acts() {
        let mut stage = Stage::default();
        let mut script = nuke(40, |_| {});
        for _ in 0..40 {
            let step = step(&mut script, &mut stage, false).unwrap();
            assert!(matches!(step.act, Act::CreateChannel { .. }), "{step:?}");
        }
        assert_eq!(script.due(), None);
    }

    #[test]
    fn only_webhooks_speak_once_all_attackers_are_gone() {
        let mut stage = Stage::default();
        stage.members.push_back(Id(5));
        let mut script = nuke(2, |_| {});
        assert!(step(&mut script, &mut stage, true).is_none());
        let (id, channel) = (Id(7), Id(8));
        stage.hooks.push(Hook {
            id,
            channel,
            token: "t".into(),
        });
        let step = step(&mut script, &mut stage, true).unwrap();
        assert!(matches!(step.act, Act::WebhookPost(hook) if hook.id == Id(7)));
    }

    #[test]
    fn whoever_is_told_to_wait_lets_others_go_first() {
        let mut stage = Stage::default();
        let mut script = nuke(6, |o| o.actors = Some(3));
        let mut actors = Vec::new();
        for n in 0..6 {
            let now = script.due().unwrap();
            let step = step(&mut script, &mut stage, false).unwrap();
            if n == 0 {
                script.rest(step.who, now, 700);
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
            let mut script = nuke(5, |o| o.actors = Some(actors));
            let mut seen = Vec::new();
            while let Some(now) = script.due() {
                let step = step(&mut script, &mut stage, false).unwrap();
                let Who::Attacker(actor) = step.who else {
                    panic!()
                };
                seen.push((now, actor));
                if seen.len() <= 2 {
                    script.await_answer(step.who, now, took);
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
