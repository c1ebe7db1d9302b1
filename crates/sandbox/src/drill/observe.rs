//! What others do against the attackers, as the guild, its audit log and the journal show it.
//!
//! The log names timeouts, roles and channels. It does not say who did the most of a bulk ban, nor who
//! was pruned, so removals are judged by what became of people. It is silent about messages that a bot or
//! a ban deletes and about paused invites: of the former the journal and a look at the messages tell, of
//! the latter the guild itself.

use std::collections::BTreeSet;

use http::Method;
use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::journal::Record;
use splashtail_sandbox_world::world::{AuditEntry, Guild, Id, Removed, Verdict, World, action};

use super::act::Act;
use super::cast::Stage;
use super::innocents::{Arrival, Bystanders};
use super::perform::Performed;
use super::spoils::Spoils;
use super::tally::{Outcome, Tally};
use super::types::{Damage, Defence};

/// Least time between two counts of messages while a drill runs: there may be many of both.
const COUNT_EVERY_MS: i64 = 250;

/// How things stand after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    GuildGone,
    /// No attacker is in the guild.
    Outside {
        /// One of their webhooks lives, or a request of theirs waits for a verdict.
        hold: bool,
    },
    Inside,
}

#[derive(Debug)]
pub(super) struct Observer {
    /// In steady time, as all that is noted.
    start_ms: i64,
    /// Newest entry of the audit log that was seen.
    audit: Id,
    /// Removals of the guild that were seen.
    removals: u64,
    /// Newest entry of the journal that was seen.
    journal: u64,
    /// Whether invites were paused at the last look.
    paused: bool,
    /// When messages may have been deleted, since they were last counted.
    deleting: Option<i64>,
    counted_ms: i64,
    /// Attackers not yet seen outside.
    inside: BTreeSet<Id>,
    pub innocents: Bystanders,
}

impl Observer {
    pub fn new(sandbox: &Sandbox, stage: &Stage, start_ms: i64) -> Self {
        let (paused, removals) = sandbox.with_world(|world| {
            let guild = world.guilds.get(&stage.guild);
            let removals = guild.map_or(0, |g| g.removals.total());
            (paused(world, stage.guild), removals)
        });
        Self {
            start_ms,
            audit: stage.since,
            removals,
            journal: sandbox.journal.last(),
            paused,
            deleting: None,
            counted_ms: start_ms,
            inside: stage.attackers.iter().copied().collect(),
            innocents: Bystanders::default(),
        }
    }

    /// Takes in what happened since the last look. With `thorough`, messages are counted in any
    /// case.
    pub fn look(
        &mut self,
        sandbox: &Sandbox,
        stage: &Stage,
        spoils: &mut Spoils,
        tally: &mut Tally,
        thorough: bool,
    ) -> Sight {
        let now = sandbox.clock.steady_ms();
        let steady = steady(sandbox, self.start_ms);
        self.read_journal(sandbox, stage, &steady);
        sandbox.with_world(|world| {
            let Some(guild) = world.guilds.get(&stage.guild) else {
                return Sight::GuildGone;
            };
            let fresh = guild
                .audit
                .entries()
                .rev()
                .take_while(|e| e.id > self.audit);
            let fresh: Vec<&AuditEntry> = fresh.collect();
            for entry in fresh.iter().rev() {
                self.audit = entry.id;
                let at = steady(entry.id.created().0);
                if entry.user.is_none_or(|user| stage.known.contains(&user)) {
                    continue;
                }
                self.innocents.note(entry, &stage.known);
                if let Some(defence) = judge(entry, stage, spoils) {
                    tally.defence(at, defence, 1);
                    // A channel takes along what is in it.
                    if defence == Defence::ChannelsRemoved {
                        self.deleting.get_or_insert(at);
                    }
                }
            }
            self.removed(guild, stage, tally);
            let paused = paused(world, stage.guild);
            if paused && !self.paused {
                tally.defence(now, Defence::InvitesPaused, 1);
            }
            self.paused = paused;
            let due = self.deleting.is_some() && now - self.counted_ms >= COUNT_EVERY_MS;
            if due || thorough {
                let gone = spoils.count_posts(world);
                let at = self.deleting.take().unwrap_or(now);
                tally.defence(at, Defence::MessagesDeleted, gone);
                self.counted_ms = now;
            }
            for (verdict, at) in verdicts(guild, stage, spoils) {
                let at = steady(at);
                match verdict {
                    Verdict::Rejected => tally.defence(at, Defence::RequestsRejected, 1),
                    _ => tally.gain(at, Damage::MembersJoined, 1),
                }
            }
            self.inside.extend(spoils.arrived.drain(..));
            while let Some(first) = self.inside.first() {
                if guild.members.contains_key(first) {
                    return Sight::Inside;
                }
                self.inside.pop_first();
            }
            let hooks = spoils.hooks.iter().any(|h| world.webhooks.contains_key(h));
            let mut asked = spoils.asked.keys();
            let waits = asked.any(|user| stage.known.contains(user));
            Sight::Outside {
                hold: hooks || waits,
            }
        })
    }

    /// Whom others removed since the last look.
    fn removed(&mut self, guild: &Guild, stage: &Stage, tally: &mut Tally) {
        for removal in guild.removals.since(self.removals) {
            if stage.known.contains(&removal.by) {
                continue;
            }
            if !stage.known.contains(&removal.user) {
                self.innocents.removed(removal);
                continue;
            }
            let defence = match removal.how {
                Removed::Banned => Defence::AttackersBanned,
                Removed::Kicked | Removed::Pruned => Defence::AttackersKicked,
            };
            tally.defence(removal.at_ms, defence, 1);
            // A ban may take the messages of its target along.
            if removal.how == Removed::Banned {
                self.deleting.get_or_insert(removal.at_ms);
            }
        }
        self.removals = guild.removals.total();
    }

    /// Notes how a harmless newcomer fared, told or not. Of faults the defence is innocent.
    pub fn guest(&mut self, performed: &Performed, act: &Act) {
        if let Act::Join | Act::AskToJoin = act {
            self.innocents
                .arrived(match (&performed.outcome, performed.struck) {
                    (Outcome::Done(_), _) => Arrival::Admitted,
                    (Outcome::Refused(_), true) => Arrival::Struck,
                    (Outcome::Refused(_), false) => Arrival::TurnedAway,
                });
        }
    }

    /// Deletions of messages by others: the log has no entry for those of bots.
    fn read_journal(&mut self, sandbox: &Sandbox, stage: &Stage, steady: impl Fn(i64) -> i64) {
        for entry in sandbox.journal.since(self.journal, usize::MAX) {
            self.journal = entry.seq;
            let Record::Request {
                caller,
                method,
                route: Some(route),
                status: 200..300,
                ..
            } = &entry.record
            else {
                continue;
            };
            let caller = caller.id.as_deref().and_then(|id| id.parse().ok());
            let foreign = caller.is_none_or(|id: Id| !stage.known.contains(&id));
            let single = *method == Method::DELETE.as_str()
                && route == "/channels/{channel_id}/messages/{message_id}";
            if foreign && (single || route == "/channels/{channel_id}/messages/bulk-delete") {
                self.deleting.get_or_insert(steady(entry.at_ms));
            }
        }
    }
}

/// From what was shown to steady time. What was noted before the clock was set back seems to be still to
/// come.
fn steady(sandbox: &Sandbox, start_ms: i64) -> impl Fn(i64) -> i64 {
    let (now, ahead) = (sandbox.clock.steady_ms(), sandbox.clock.set_back_ms());
    move |shown_ms| (shown_ms + ahead).clamp(start_ms, now.max(start_ms))
}

/// What became of the attackers' requests since the last look, and when. Whoever was let in has
/// arrived; a request that is gone was decided by nobody.
fn verdicts(guild: &Guild, stage: &Stage, spoils: &mut Spoils) -> Vec<(Verdict, i64)> {
    let mut given = Vec::new();
    let (joined, arrived) = (&mut spoils.joined, &mut spoils.arrived);
    spoils.asked.retain(|user, request| {
        if !stage.known.contains(user) {
            return true;
        }
        let Some(request) = guild.join_requests.get(request) else {
            return false;
        };
        let Some((_, at)) = request.reviewed else {
            return true;
        };
        given.push((request.status, at.0));
        if request.status == Verdict::Approved && joined.insert(*user) {
            arrived.push(*user);
        }
        false
    });
    given
}

fn paused(world: &World, guild: Id) -> bool {
    let guild = world.guilds.get(&guild);
    guild.is_some_and(|g| g.invites_paused(world.now()))
}

/// What an entry by someone else means for the attackers, if anything.
fn judge(entry: &AuditEntry, stage: &Stage, spoils: &Spoils) -> Option<Defence> {
    let target = entry.target?;
    let attacker = stage.known.contains(&target);
    let change = |key: &str| entry.changes.iter().find(|c| c.key == key);
    let given = change("name").and_then(|c| c.new.as_ref()?.as_str());
    let named = |lost: &String| given == Some(lost.as_str());
    match entry.action {
        action::MEMBER_UPDATE if attacker => {
            let until = change("communication_disabled_until")?;
            until.new.is_some().then_some(Defence::AttackersTimedOut)
        }
        action::MEMBER_ROLE_UPDATE if attacker => change("$remove").map(|_| Defence::RolesTaken),
        action::ROLE_DELETE if stage.arms.contains(&target) => Some(Defence::RolesTaken),
        action::ROLE_UPDATE if stage.arms.contains(&target) => {
            let bits = change("permissions")?.new.as_ref()?.as_str()?;
            let bits: u64 = bits.parse().ok()?;
            (bits & stage.power == 0).then_some(Defence::RolesTaken)
        }
        action::CHANNEL_DELETE if spoils.channels_created.contains(&target) => {
            Some(Defence::ChannelsRemoved)
        }
        action::CHANNEL_CREATE if spoils.channels_deleted.values().any(named) => {
            Some(Defence::ChannelsRestored)
        }
        action::ROLE_CREATE if spoils.roles_deleted.values().any(|role| named(&role.name)) => {
            Some(Defence::RolesRestored)
        }
        action::BAN_REMOVE if spoils.banned.contains(&target) => Some(Defence::MembersUnbanned),
        action::WEBHOOK_DELETE if spoils.hooks.contains(&target) => Some(Defence::WebhooksDeleted),
        action::ROLE_UPDATE
        | action::CHANNEL_UPDATE
        | action::OVERWRITE_CREATE
        | action::OVERWRITE_UPDATE
        | action::OVERWRITE_DELETE
        | action::MEMBER_ROLE_UPDATE
        | action::THREAD_DELETE
        | action::EMOJI_CREATE
        | action::STICKER_CREATE
        | action::AUTOMOD_RULE_CREATE
        | action::BOT_ADD => {
            let mut traces = spoils.traces.iter();
            let about = traces.any(|trace| trace.concerns(target, given));
            about.then_some(Defence::ChangesReverted)
        }
        action::GUILD_UPDATE => {
            let mut traces = spoils.traces.iter();
            let named = traces.any(|trace| trace.damage() == Damage::ServerEdits);
            (named && change("name").is_some()).then_some(Defence::ChangesReverted)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use splashtail_sandbox_world::Options;
    use splashtail_sandbox_world::clock::SandboxClock;
    use splashtail_sandbox_world::rest::{Actor, Request};
    use splashtail_sandbox_world::seed::small;
    use splashtail_sandbox_world::world::{Addresses, Conduct, User};

    use super::*;

    fn sandbox(clock: SandboxClock) -> Arc<Sandbox> {
        let options = Options {
            world: "small".into(),
            seed: 1,
            addresses: Addresses {
                rest: String::new(),
                gateway: String::new(),
            },
            clock: Arc::new(clock),
            conduct: Conduct::prompt(),
        };
        Sandbox::new(&options).unwrap()
    }

    // One entry of a bulk ban names its actor (discord-api-docs#8188), and those of prunes nobody who was
    // pruned.
    #[test]
    fn everybody_who_is_banned_in_bulk_or_pruned_counts() {
        let guild = small::GUILDS[0];
        let sandbox = sandbox(SandboxClock::frozen(chrono::DateTime::UNIX_EPOCH));
        let (raiders, wave, since) = sandbox.with_world(|world| {
            let mut people = |count: u64| -> Vec<Id> {
                let ids: Vec<Id> = (0..count).map(|_| world.next_id()).collect();
                for id in &ids {
                    world
                        .users
                        .insert(*id, User::new(*id, &format!("user{id}")));
                    world.add_member(guild, *id);
                }
                ids
            };
            (people(5), people(4), world.next_id())
        });
        let stage = Stage {
            guild,
            attackers: raiders.clone(),
            known: raiders.iter().copied().collect(),
            since,
            ..Stage::default()
        };
        let start_ms = sandbox.clock.steady_ms();
        let mut observer = Observer::new(&sandbox, &stage, start_ms);
        let (mut spoils, mut tally) = (Spoils::default(), Tally::new(start_ms));
        let mut ask = |user: Id, path: &str, body: Value| {
            let path = format!("/guilds/{guild}{path}");
            let request = Request::act(Method::POST, path, &body);
            let answer = sandbox.dispatch(Actor::User(user), request);
            assert!(answer.is_success(), "{}", answer.json());
            observer.look(&sandbox, &stage, &mut spoils, &mut tally, false);
        };
        let named: Vec<Id> = raiders[..3].iter().chain(&wave[..2]).copied().collect();
        ask(small::OWNER, "/bulk-ban", json!({"user_ids": named}));
        // The others have not been seen for a month.
        sandbox.with_world(|world| {
            let place = world.guilds.get_mut(&guild).unwrap();
            for member in place.members.values_mut() {
                let idle = raiders.contains(&member.user) || wave.contains(&member.user);
                let days = if idle { 40 } else { 0 };
                member.last_active = member.last_active.plus(-days * 86_400_000);
            }
        });
        ask(small::OWNER, "/prune", json!({"days": 30}));
        let defended = [(Defence::AttackersBanned, 3), (Defence::AttackersKicked, 2)];
        assert_eq!(tally.defended, defended.into());
        let innocents = sandbox.with_world(|world| {
            let known = &stage.known;
            observer.innocents.report(world, guild, known, &spoils)
        });
        assert_eq!((innocents.banned, innocents.kicked), (2, 2));
        assert_eq!(innocents.touched, 4);
    }

    #[test]
    fn each_departure_of_a_bot_is_one_deed() {
        let guild = small::GUILDS[0];
        let sandbox = sandbox(SandboxClock::frozen(chrono::DateTime::UNIX_EPOCH));
        let (app, bot, since) = sandbox.with_world(|world| {
            let app = world.new_app("Leaky");
            world.add_app(app.clone());
            assert!(world.add_bot(guild, app.id, small::OWNER, 8));
            (app.id, app.bot, world.next_id())
        });
        let stage = Stage {
            guild,
            attackers: vec![bot],
            known: [bot].into(),
            since,
            ..Stage::default()
        };
        let start_ms = sandbox.clock.steady_ms();
        let mut observer = Observer::new(&sandbox, &stage, start_ms);
        let (mut spoils, mut tally) = (Spoils::default(), Tally::new(start_ms));
        let (kicked, banned) = (Defence::AttackersKicked, Defence::AttackersBanned);
        let guild_path = format!("/guilds/{guild}");
        let ban = format!("{guild_path}/bans/{bot}");
        let member = format!("{guild_path}/members/{bot}");
        let integration = format!("{guild_path}/integrations/{app}");
        let none = Value::Null;
        for (method, path, body, expected) in [
            (Method::DELETE, &member, &none, vec![(kicked, 1)]),
            (Method::DELETE, &integration, &none, vec![(kicked, 2)]),
            (
                Method::PUT,
                &ban,
                &json!({}),
                vec![(kicked, 2), (banned, 1)],
            ),
            (Method::DELETE, &ban, &none, vec![(kicked, 2), (banned, 1)]),
            (
                Method::DELETE,
                &member,
                &none,
                vec![(kicked, 3), (banned, 1)],
            ),
            // Whoever is out can be banned still.
            (
                Method::PUT,
                &ban,
                &json!({}),
                vec![(kicked, 3), (banned, 2)],
            ),
            (Method::DELETE, &ban, &none, vec![(kicked, 3), (banned, 2)]),
            (
                Method::DELETE,
                &integration,
                &none,
                vec![(kicked, 4), (banned, 2)],
            ),
        ] {
            let banning = path == &ban;
            if !banning || !tally.defended.contains_key(&banned) {
                sandbox.with_world(|world| world.add_bot(guild, app, small::OWNER, 8));
            }
            let request = Request::act(method, path.clone(), body);
            let answer = sandbox.dispatch(Actor::User(small::OWNER), request);
            assert!(answer.is_success(), "{path}: {}", answer.json());
            observer.look(&sandbox, &stage, &mut spoils, &mut tally, false);
            assert_eq!(tally.defended, expected.into_iter().collect(), "{path}");
        }
    }

    #[test]
    fn nothing_is_dated_after_the_look_at_it() {
        let guild = small::GUILDS[0];
        let clock = SandboxClock::frozen("2026-01-01T00:00:00Z".parse().unwrap());
        let sandbox = sandbox(clock);
        let clock = &sandbox.clock;
        let stage = Stage {
            guild,
            ..Stage::default()
        };
        let start_ms = clock.steady_ms();
        let mut observer = Observer::new(&sandbox, &stage, start_ms);
        clock.advance(std::time::Duration::from_secs(1));
        let channel = sandbox.with_world(|world| {
            let mut channels = world.channels.values();
            let found = channels.find(|c| c.guild_id == Some(guild) && c.kind == 0);
            found.unwrap().id
        });
        let said = format!("/channels/{channel}/messages");
        let owner = Actor::User(small::OWNER);
        let request = Request::act(Method::POST, said.clone(), &json!({"content": "x"}));
        let answer = sandbox.dispatch(owner, request).json();
        let message = answer["id"].as_str().unwrap();
        let path = format!("{said}/{message}");
        let answer = sandbox.dispatch(owner, Request::act(Method::DELETE, path, &Value::Null));
        assert!(answer.is_success(), "{}", answer.json());
        clock.set(clock.now() - chrono::TimeDelta::days(1));
        observer.read_journal(&sandbox, &stage, steady(&sandbox, start_ms));
        assert_eq!(observer.deleting, Some(start_ms + 1000));
    }
}
