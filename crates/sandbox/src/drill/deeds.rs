//! What became of each act: whether it succeeded, what of it is undone, and when the first defence came.

use std::collections::BTreeSet;

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
    ChannelDeleted(Id),
    RoleDeleted(Id),
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
        let again = guild.map(|guild| Again {
            channels: spoils.channels_restored(world, guild, since),
            roles: spoils.roles_restored(guild, since),
        });
        let stand = guild.zip(again);
        let undone = |piece: &&Piece| {
            let stand = stand.as_ref();
            stand.is_some_and(|(guild, again)| {
                is_undone(piece, (world, *guild), since, spoils, again)
            })
        };
        let deeds = self.0.iter().map(|done| DeedReport {
            at_ms: done.at_ms,
            act: done.kind,
            user_id: done.user.map(|user| user.to_string()),
            refused: done.refused.clone(),
            damage: done.damage.map(|(damage, _)| damage),
            achieved: done.damage.map_or(0, |(_, count)| count),
            undone: done.pieces.iter().filter(undone).count() as u64,
            first_defence_ms: tally.defence_after(done.at_ms),
        });
        deeds.collect()
    }
}

/// What a successful act brought: of what has no id in the act, the newest.
fn pieces(act: &Act, user: Option<Id>, spoils: &Spoils, traces: usize) -> Vec<Piece> {
    let newest = |piece: fn(Id) -> Piece, ids: &BTreeSet<Id>| {
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
        Act::DeleteChannel { id, .. } => vec![Piece::ChannelDeleted(*id)],
        Act::DeleteRole { id, .. } => vec![Piece::RoleDeleted(*id)],
        Act::Ban(user) => vec![Piece::Banned(*user)],
        Act::BulkBan(users) => {
            let banned = users.iter().filter(|user| spoils.banned.contains(user));
            banned.copied().map(Piece::Banned).collect()
        }
        Act::Kick(user) => vec![Piece::Kicked(*user)],
        _ => (traces..spoils.traces.len()).map(Piece::Trace).collect(),
    }
}

/// What of the deleted is there again.
struct Again {
    channels: BTreeSet<Id>,
    roles: BTreeSet<Id>,
}

fn is_undone(
    piece: &Piece,
    (world, guild): (&World, &Guild),
    since: Id,
    spoils: &Spoils,
    again: &Again,
) -> bool {
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
        Piece::ChannelDeleted(id) => again.channels.contains(id),
        Piece::RoleDeleted(id) => again.roles.contains(id),
        Piece::Banned(user) => !guild.bans.contains_key(user),
        Piece::Kicked(user) => guild.members.contains_key(user),
        Piece::Hook(id) => !world.webhooks.contains_key(id),
        Piece::Trace(n) => spoils.is_mended(*n, world, guild, since),
    }
}
