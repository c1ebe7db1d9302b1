//! Who belongs together: several actors that share one attack.

use std::collections::BTreeSet;

use splashtail_guild::Id;

use crate::actor::Actor;
use crate::members::Member;
use crate::moment::{DAY, MINUTE, Moment, SECOND};
use crate::window::{DESTRUCTIVE, DISCOUNTED, Mark};

/// Points that join two actors.
pub const JOINED: u32 = 2;
/// How long a link holds.
pub const HOLDS: u64 = 10 * MINUTE;
const FEW: usize = 2;

/// Somebody who might belong to others.
#[derive(Clone, Copy)]
pub struct Party<'a> {
    pub id: Id,
    pub actor: &'a Actor,
    pub member: Option<&'a Member>,
}

impl Party<'_> {
    fn acts(&self, now: Moment) -> Vec<Mark> {
        let since = self.actor.windows.since(now.minus(HOLDS));
        since.filter(|m| m.flags & DISCOUNTED == 0).collect()
    }

    /// Whether they did enough to be linked at all: two destructive acts.
    pub fn is_active(&self, now: Moment) -> bool {
        let acts = self.acts(now);
        acts.iter().filter(|m| m.flags & DESTRUCTIVE != 0).count() >= FEW
    }
}

/// Points between two parties, both of which are active.
pub fn points(one: Party<'_>, other: Party<'_>, now: Moment) -> u32 {
    let mut points = 0;
    let favour = |a: Party<'_>, b: Party<'_>| {
        let since = a.actor.favours.iter().filter(|f| now.since(f.at) < DAY);
        since.filter(|f| f.whom == b.id).map(|f| f.points).max()
    };
    points += favour(one, other).max(favour(other, one)).unwrap_or(0);
    let (a, b) = (one.acts(now), other.acts(now));
    let targets = |acts: &[Mark], near: &[Mark]| {
        let close = acts.iter().filter(|m| {
            near.iter()
                .any(|n| n.target == m.target && n.at().apart(m.at()) <= MINUTE)
        });
        close.map(|m| m.target).collect::<BTreeSet<u16>>().len()
    };
    let shared = targets(&a, &b);
    let pairs = a.iter().filter(|m| b.iter().any(|n| n.target == m.target));
    if shared >= 3 || (shared > 0 && pairs.count() >= 3) {
        points += 1;
    }
    if same_type(&a, &b) {
        points += 1;
    }
    if let (Some(x), Some(y)) = (one.member, other.member)
        && armed_together(x, y, now)
    {
        points += 1;
    }
    if let (Some(x), Some(y)) = (one.member, other.member)
        && let (Some(x_joined), Some(y_joined)) = (x.joined, y.joined)
        && x_joined.apart(y_joined) <= 10 * MINUTE
        && let (Some(x_power), Some(y_power)) = (x.empowered, y.empowered)
        && now.since(x_power) < DAY
        && now.since(y_power) < DAY
    {
        points += 1;
    }
    let words = |actor: &Actor| actor.words.iter().copied().filter(|w| *w != 0).collect();
    let (x, y): (BTreeSet<u32>, BTreeSet<u32>) = (words(one.actor), words(other.actor));
    if x.intersection(&y).next().is_some() {
        points += 1;
    }
    points
}

/// Within a day the same role gave both of them power, and nobody stands for either.
fn armed_together(one: &Member, other: &Member, now: Moment) -> bool {
    let lately = |at: Option<Moment>| at.is_some_and(|at| now.since(at) < DAY);
    let alone = |member: &Member| lately(member.empowered) && !lately(member.vouched);
    one.armed_by.is_some() && one.armed_by == other.armed_by && alone(one) && alone(other)
}

/// Three acts of one type by each within half a minute.
fn same_type(a: &[Mark], b: &[Mark]) -> bool {
    let kinds: BTreeSet<u8> = a.iter().map(|m| m.kind).collect();
    kinds.into_iter().any(|kind| {
        let times = |acts: &[Mark]| -> Vec<Moment> {
            acts.iter()
                .filter(|m| m.kind == kind)
                .map(|m| m.at())
                .collect()
        };
        let (x, y) = (times(a), times(b));
        x.windows(3).any(|three| {
            let start = three[0];
            let near = |t: &&Moment| t.apart(start) <= 30 * SECOND;
            three[2].since(start) <= 30 * SECOND && y.iter().filter(near).count() >= 3
        })
    })
}
