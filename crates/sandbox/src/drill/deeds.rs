//! What became of each act: whether it succeeded, what of it is undone, and when the first defence came.

use std::collections::BTreeMap;

use splashtail_sandbox_world::world::{Guild, Id, Verdict, World};

use super::act::{Act, Step};
use super::perform::Performed;
use super::spoils::Spoils;
use super::tally::{Outcome, Tally};
use super::types::{ActKind, Damage, DeedReport};

/// Acts that a report tells of one by one.
const MAX_DEEDS: usize = 500;

/// Something that an act took or brought.
#[derive(Debug)]
enum Piece {
    Member(Id),
    Request(Id),
    Post {
        channel: Id,
        id: Id,
    },
    ChannelMade(Id),
    ChannelDeleted(String),
    RoleDeleted(String),
    Banned(Id),
    Kicked(Id),
    Hook(Id),
    /// By its place in [`Spoils::traces`].
    Trace(usize),
}

#[derive(Debug)]
struct Done {
    at_ms: i64,
    kind: ActKind,
    user: Option<Id>,
    refused: Option<String>,
    damage: Option<(Damage, u64)>,
    pieces: Vec<Piece>,
}

/// The first acts of a drill.
#[derive(Debug, Default)]
pub(super) struct Deeds(Vec<Done>);

impl Deeds {
    /// Notes an act that has just been done. `traces`: how many there were before.
    pub fn note(
        &mut self,
        at_ms: i64,
        step: &Step,
        user: Option<Id>,
        performed: &Performed,
        (spoils, traces): (&Spoils, usize),
    ) {
        if self.0.len() >= MAX_DEEDS {
            return;
        }
        let (refused, damage) = match &performed.outcome {
            Outcome::Done(damage) => (None, *damage),
            Outcome::Refused(refusal) => (Some(refusal.code.clone()), None),
        };
        let pieces = match damage {
            Some(_) => pieces(&step.act, user, spoils, traces),
            None => Vec::new(),
        };
        self.0.push(Done {
            at_ms,
            kind: step.act.kind(),
            user,
            refused,
            damage,
            pieces,
        });
    }

    /// How they stand now.
    pub fn report(
        &self,
        world: &World,
        guild: Id,
        since: Id,
        spoils: &Spoils,
        tally: &Tally,
    ) -> Vec<DeedReport> {
        let guild = world.guilds.get(&guild);
        let mut again = Again::of(world, guild, since, spoils);
        let deeds = self.0.iter().map(|done| DeedReport {
            at_ms: done.at_ms,
            act: done.kind,
            user_id: done.user.map(|user| user.to_string()),
            refused: done.refused.clone(),
            damage: done.damage.map(|(damage, _)| damage),
            achieved: done.damage.map_or(0, |(_, count)| count),
            undone: done
                .pieces
                .iter()
                .filter(|piece| is_undone(piece, world, guild, spoils, &mut again))
                .count() as u64,
            first_defence_ms: tally.defence_after(done.at_ms),
        });
        deeds.collect()
    }
}

/// What a successful act brought: of what has no id in the act, the newest.
fn pieces(act: &Act, user: Option<Id>, spoils: &Spoils, traces: usize) -> Vec<Piece> {
    let newest = |piece: fn(Id) -> Piece, ids: &std::collections::BTreeSet<Id>| {
        ids.last().copied().map(piece).into_iter().collect()
    };
    match act {
        Act::Join | Act::AskToJoin => {
            let asked = user.and_then(|user| spoils.asked.get(&user));
            let request = asked.copied().map(Piece::Request);
            let member = user.map(Piece::Member);
            request.or(member).into_iter().collect()
        }
        Act::Post { .. } | Act::WebhookPost(_) => {
            let last = spoils.posts.last();
            let post = last.map(|post| Piece::Post {
                channel: post.channel,
                id: post.id,
            });
            post.into_iter().collect()
        }
        Act::CreateChannel { .. } => newest(Piece::ChannelMade, &spoils.channels_created),
        Act::CreateWebhook { .. } => newest(Piece::Hook, &spoils.hooks),
        Act::DeleteChannel { name, .. } => vec![Piece::ChannelDeleted(name.clone())],
        Act::DeleteRole { name, .. } => vec![Piece::RoleDeleted(name.clone())],
        Act::Ban(user) => vec![Piece::Banned(*user)],
        Act::BulkBan(users) => {
            let banned = users.iter().filter(|user| spoils.banned.contains(user));
            banned.copied().map(Piece::Banned).collect()
        }
        Act::Kick(user) => vec![Piece::Kicked(*user)],
        _ => (traces..spoils.traces.len()).map(Piece::Trace).collect(),
    }
}

/// Names that are there again: each makes up for one loss.
struct Again {
    channels: BTreeMap<String, u64>,
    roles: BTreeMap<String, u64>,
}

impl Again {
    fn of(world: &World, guild: Option<&Guild>, since: Id, spoils: &Spoils) -> Self {
        let count = |names: &mut dyn Iterator<Item = String>| {
            let mut all: BTreeMap<String, u64> = BTreeMap::new();
            for name in names {
                *all.entry(name).or_default() += 1;
            }
            all
        };
        let channels = guild.into_iter().flat_map(|g| &g.channels);
        let channels = channels.filter(|c| **c > since && !spoils.channels_created.contains(c));
        let mut channels = channels.filter_map(|c| Some(world.channels.get(c)?.name.clone()));
        let roles = guild.into_iter().flat_map(|g| g.roles.values());
        let mut roles = roles.filter(|r| r.id > since).map(|r| r.name.clone());
        Self {
            channels: count(&mut channels),
            roles: count(&mut roles),
        }
    }
}

fn is_undone(
    piece: &Piece,
    world: &World,
    guild: Option<&Guild>,
    spoils: &Spoils,
    again: &mut Again,
) -> bool {
    let take = |names: &mut BTreeMap<String, u64>, name: &str| {
        let left = names.get_mut(name).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    };
    let Some(guild) = guild else {
        return false;
    };
    match piece {
        Piece::Member(user) => !guild.members.contains_key(user),
        Piece::Request(id) => {
            let request = guild.join_requests.get(id);
            request.is_none_or(|r| r.status == Verdict::Rejected)
        }
        Piece::Post { channel, id } => {
            let own = spoils.channels_deleted.contains_key(channel);
            !own && world.message(*channel, *id).is_none()
        }
        Piece::ChannelMade(id) => !guild.channels.contains(id),
        Piece::ChannelDeleted(name) => take(&mut again.channels, name),
        Piece::RoleDeleted(name) => take(&mut again.roles, name),
        Piece::Banned(user) => !guild.bans.contains_key(user),
        Piece::Kicked(user) => guild.members.contains_key(user),
        Piece::Hook(id) => !world.webhooks.contains_key(id),
        Piece::Trace(n) => spoils
            .traces
            .get(*n)
            .is_some_and(|t| t.is_mended(world, guild)),
    }
}
