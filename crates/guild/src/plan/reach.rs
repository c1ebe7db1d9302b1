//! How far the rank of whoever has a plan made reaches.

use crate::pairing::Mapping;
use crate::permissions::Rank;
use crate::{Id, Kind, Structure};

/// Below somebody's highest role, as it is and as it was. Their role of now stands in the wanted state
/// where it stood then; so does any other of theirs that kept its id, while what is only alike in name
/// counts for nothing: everybody who may make roles can name one like a higher one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach(Option<Tops>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tops {
    now: Rank,
    /// `None`: the wanted state is another server's, whose ranks say nothing here.
    then: Option<Rank>,
}

impl Reach {
    /// `roles`: those that they have in the live state; `None` for somebody whose rank stands in the way
    /// of nothing, as an owner's.
    pub fn of(
        roles: Option<&[Id]>,
        live: &Structure,
        wanted: &Structure,
        mapping: &Mapping,
    ) -> Self {
        let Some(roles) = roles else {
            return Self(None);
        };
        let lowest = |of: &Structure| Rank::new(0, of.id().get(), of.id().get());
        let ranked = |of: &Structure, role: Id| Some((of.rank_of(role)?, role));
        let top = roles.iter().filter_map(|role| ranked(live, *role)).max();
        let then = roles.iter().filter_map(|role| {
            let was = mapping.wanted(Kind::Role, *role)?;
            let same = was == *role || top.is_some_and(|(_, top)| top == *role);
            wanted.rank_of(was).filter(|_| same)
        });
        let then = then.max().unwrap_or_else(|| lowest(wanted));
        Self(Some(Tops {
            now: top.map_or_else(|| lowest(live), |(rank, _)| rank),
            then: (live.id() == wanted.id()).then_some(then),
        }))
    }

    /// Whether a live role stands below. One of which nobody knows where it stands does not.
    pub fn covers(&self, role: Id, live: &Structure) -> bool {
        self.0
            .is_none_or(|tops| live.rank_of(role).is_some_and(|rank| rank < tops.now))
    }

    /// Whether a wanted role stood below.
    pub fn covered(&self, role: Id, wanted: &Structure) -> bool {
        let then = self.0.and_then(|tops| tops.then);
        then.is_none_or(|top| wanted.rank_of(role).is_some_and(|rank| rank < top))
    }

    /// Lets go of pairs in which a role that is covered stands for one that was not, and is not that one.
    pub(super) fn part(&self, live: &Structure, wanted: &Structure, mapping: &mut Mapping) {
        let apart = |(kind, was, now): &(Kind, Id, Id)| {
            *kind == Kind::Role
                && was != now
                && live
                    .get(Kind::Role, *now)
                    .is_some_and(|role| role["managed"] != true)
                && self.covers(*now, live)
                && !self.covered(*was, wanted)
        };
        let apart: Vec<_> = mapping.pairs().filter(apart).collect();
        for (kind, was, _) in apart {
            mapping.remove(kind, was);
        }
    }
}
