//! What is taken from an act because it does little harm.

use serde_json::Value;
use splashtail_guild::{Id, Kind, Structure};

use super::Engine;
use crate::act::Act;
use crate::entry::action as a;
use crate::limit::{LimitType as T, NEVER, UNIT};
use crate::moment::{DAY, MINUTE, Moment, SECOND};

/// A channel in which nobody wrote for so long is hardly missed, where others are written in.
const SILENT: u64 = 30 * DAY;
/// Kinds of channel of which silence says something: text, announcements, forum, media. Voice is
/// used without a word, and a category never holds one.
const WRITTEN_IN: [u64; 4] = [0, 5, 15, 16];
/// At least so many written-in channels, and one in so many of all, make a server lively.
const LIVELY: usize = 3;
const LIVELY_SHARE: usize = 4;
/// Silent channels are tidied by hand: in a minute at most so many times the limit are spared.
const TIDIED: u32 = 2;

/// In twentieths of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Discount(u32);

pub(super) const FULL: Discount = Discount(20);
pub(super) const NOTHING: Discount = Discount(0);
const QUARTER: Discount = Discount(5);
const TENTH: Discount = Discount(2);

impl Discount {
    /// Rounded up: early, never late.
    pub(super) fn of(self, amount: u32) -> u16 {
        let part = (u64::from(amount) * u64::from(self.0)).div_ceil(20);
        u16::try_from(part).unwrap_or(u16::MAX)
    }
}

impl Engine {
    /// What was taken from an act because it does little harm.
    pub(super) fn discount(
        &self,
        actor: Id,
        act: &Act,
        raw: Option<&Value>,
        structure: &Structure,
    ) -> Discount {
        let Some(target) = act.target else {
            return FULL;
        };
        let own = self
            .made
            .get(&target)
            .is_some_and(|(maker, at)| *maker == actor && act.at().since(*at) < DAY);
        if own && act.instants.is_empty() && act.action != a::WEBHOOK_CREATE {
            let made = self
                .made
                .get(&target)
                .is_some_and(|(_, at)| *at == act.at());
            if !made {
                return NOTHING;
            }
        }
        match act.action {
            a::CHANNEL_DELETE => match self.is_tidying(actor, target, act.at(), structure) {
                true => QUARTER,
                false => FULL,
            },
            a::MEMBER_BAN_ADD | a::MEMBER_KICK | a::MEMBER_UPDATE => {
                let sight = self.sight(structure);
                let raid = act.at() <= self.raid_until && !sight.is_staff(target, act.at());
                match raid || sight.is_fresh(target, act.at()) {
                    true => TENTH,
                    false => FULL,
                }
            }
            a::OVERWRITE_CREATE..=a::OVERWRITE_DELETE => {
                let parent = self.parent_of(target, structure);
                let again = parent.is_some()
                    && act.kind() == Some(T::OverwriteChange)
                    && act.counts.len() == 1
                    && self.evidence.iter().rev().any(|e| {
                        e.actor == actor
                            && e.counted
                            && e.act.action == act.action
                            && e.act.at().apart(act.at()) <= 5 * SECOND
                            && e.act.points == act.points
                            && e.act.target.is_some_and(|other| {
                                other != target
                                    && self.parent_of(other, structure) == parent
                                    && is_same_overwrite(e.raw.as_deref(), raw)
                            })
                    });
                if again { NOTHING } else { FULL }
            }
            _ => FULL,
        }
    }

    /// Whether a channel's end is housekeeping. Silence is judged against the rest of the server:
    /// where nearly everything is quiet it says nothing about this channel. And whoever goes faster
    /// than people tidy is not tidying.
    fn is_tidying(&self, actor: Id, channel: Id, at: Moment, structure: &Structure) -> bool {
        let Some(object) = self.object(Kind::Channel, channel, structure) else {
            return false;
        };
        let silent = |id, object| {
            self.last_activity(id, object)
                .is_some_and(|last| at.since(last) > SILENT)
        };
        if !silent(channel, object) {
            return false;
        }
        let (mut all, mut lively) = (0, 0);
        for (id, object) in structure.all(Kind::Channel) {
            if is_written_in(object) {
                all += 1;
                lively += usize::from(!silent(id, object));
            }
        }
        if lively < LIVELY || lively * LIVELY_SHARE < all {
            return false;
        }
        let how = self.measure(actor, structure, at);
        let [limit, ..] = self.policy.spans(T::ChannelRemove, how);
        let lately = self.evidence.iter().filter(|e| {
            e.actor == actor && e.act.action == a::CHANNEL_DELETE && e.act.at().apart(at) <= MINUTE
        });
        let lately = u32::try_from(lately.count()).unwrap_or(u32::MAX);
        limit == NEVER || lately < (limit / UNIT).saturating_mul(TIDIED)
    }

    /// When somebody wrote in a channel last, or it was made; `None` where nobody writes.
    fn last_activity(&self, channel: Id, object: &Value) -> Option<Moment> {
        let last = Id::read(&object["last_message_id"]).unwrap_or(channel);
        let seen = self.activity.get(&channel).copied().unwrap_or_default();
        is_written_in(object).then(|| Moment::of(last).max(seen))
    }
}

fn is_written_in(channel: &Value) -> bool {
    let kind = channel["type"].as_u64();
    kind.is_some_and(|kind| WRITTEN_IN.contains(&kind))
}

/// Whether two entries say the same of the same role or member. Of what is unknown nothing is the
/// same.
fn is_same_overwrite(one: Option<&Value>, other: Option<&Value>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return false;
    };
    let whom = |raw: &Value| Id::read(&raw["options"]["id"]);
    whom(one).is_some() && whom(one) == whom(other) && one["changes"] == other["changes"]
}
