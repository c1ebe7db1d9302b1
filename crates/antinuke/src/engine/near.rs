//! Who is near what is not normal any more.

use splashtail_guild::{Id, Structure};

use super::{Engine, NOBODY};
use crate::actor::State;
use crate::limit::{LimitType, NEVER};
use crate::members::owner;
use crate::moment::Moment;
use crate::window::Span;

/// The limit of which somebody has used the largest part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearness {
    pub user: Id,
    /// `None`: all acts, by their points.
    pub kind: Option<LimitType>,
    pub span: Span,
    /// Twentieths, like the limit.
    pub count: u32,
    pub limit: u32,
    pub state: State,
}

impl Nearness {
    /// In hundredths; more than a hundred is beyond.
    pub fn used(&self) -> u32 {
        match self.limit {
            0 => 100 * (1 + self.count.min(1)),
            limit => {
                let used = u64::from(self.count) * 100 / u64::from(limit);
                u32::try_from(used).unwrap_or(u32::MAX)
            }
        }
    }
}

impl Engine {
    /// Whoever has used at least so many hundredths of a limit, the nearest first. The owner, whom
    /// nothing stops, and the bot are not among them.
    pub fn near_limits(&self, least: u32, structure: &Structure, now: Moment) -> Vec<Nearness> {
        let spared = [Some(NOBODY), Some(self.me), owner(structure)];
        let actors = self.actors.keys().copied();
        let judged = actors.filter(|user| !spared.contains(&Some(*user)));
        let nearest = judged.filter_map(|user| self.nearest(user, structure, now));
        let mut near: Vec<Nearness> = nearest.filter(|one| one.used() >= least).collect();
        near.sort_by_key(|one| (std::cmp::Reverse(one.used()), one.user));
        near
    }

    /// The limit that somebody is nearest to; `None` when nothing counts.
    fn nearest(&self, user: Id, structure: &Structure, now: Moment) -> Option<Nearness> {
        let actor = self.actors.get(&user)?;
        let how = self.measure(user, structure, now);
        let of = |kind, span, count, limit| Nearness {
            user,
            kind,
            span,
            count,
            limit,
            state: actor.state,
        };
        let windows = &actor.windows;
        let kinds = windows.kinds().flat_map(|kind| {
            let spans = [Span::Minute, Span::Hour, Span::Day].into_iter();
            let limits = spans.zip(self.policy.spans(kind, how));
            limits.map(move |(span, limit)| {
                of(Some(kind), span, windows.count(kind, span, now), limit)
            })
        });
        let spans = [Span::Minute, Span::TenMinutes, Span::Day].into_iter();
        let points = spans.zip(self.policy.points(how));
        let points = points.map(|(span, limit)| of(None, span, windows.points(span, now), limit));
        let counted = kinds.chain(points);
        let counted = counted.filter(|one| one.limit != NEVER && one.count > 0);
        counted.max_by_key(Nearness::used)
    }
}
