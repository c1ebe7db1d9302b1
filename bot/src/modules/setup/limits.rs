//! The first limits: how much of what is normal.

use splashtail_antinuke::{Column, LimitType, MAX_BOUND, NEVER, Policy, Spans};

/// How much is let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Half of what is normal.
    Strict,
    /// What is normal; it grows with the server.
    Normal,
    /// Twice what is normal.
    Lenient,
    /// Somebody set limits one by one.
    Own,
}

impl Measure {
    pub const CHOICES: [Self; 3] = [Self::Strict, Self::Normal, Self::Lenient];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Normal => "normal",
            Self::Lenient => "lenient",
            Self::Own => "own",
        }
    }

    pub fn parse(id: &str) -> Option<Self> {
        Self::CHOICES.into_iter().find(|measure| measure.id() == id)
    }

    /// By which measure a server goes.
    pub fn of(policy: &Policy) -> Self {
        let fits = |measure: &Self| {
            let mut with = policy.clone();
            measure.set(&mut with);
            with.points == policy.points && with.limits == policy.limits
        };
        // What was set one by one stays with each, so it fits only when nothing was.
        let one_by_one = policy
            .limits
            .iter()
            .flat_map(|(kind, row)| row.iter().map(|(column, spans)| (*kind, *column, *spans)));
        let mut own =
            one_by_one.filter(|(kind, column, spans)| !is_measured(*kind, *column, *spans));
        let chosen = Self::CHOICES.into_iter().find(fits);
        match own.next() {
            None => chosen.unwrap_or(Self::Own),
            Some(_) => Self::Own,
        }
    }

    /// Goes by this measure; limits that somebody set one by one stay.
    pub fn set(self, policy: &mut Policy) {
        for kind in LimitType::ALL {
            for column in [Column::Moderator, Column::Administrator, Column::Bot] {
                let row = policy.limits.entry(*kind).or_default();
                if row
                    .get(&column)
                    .is_some_and(|set| !is_measured(*kind, column, *set))
                {
                    continue;
                }
                match self.spans(*kind, column) {
                    Some(spans) => row.insert(column, spans),
                    None => row.remove(&column),
                };
            }
        }
        policy.limits.retain(|_, row| !row.is_empty());
    }

    /// In place of the defaults; `None` where they hold.
    fn spans(self, kind: LimitType, column: Column) -> Option<Spans> {
        let normal = kind.default_spans(column);
        let bounded = normal.0.iter().any(|bound| *bound != NEVER);
        // What must not happen at all, or only once, has no half.
        let divisible = normal.0.iter().all(|bound| *bound >= 2);
        let scaled = |up: u32, down: u32| {
            Spans(normal.0.map(|bound| match bound {
                NEVER => NEVER,
                bound => (bound * up / down).clamp(1, MAX_BOUND),
            }))
        };
        match self {
            Self::Strict if bounded && divisible => Some(scaled(1, 2)),
            Self::Lenient if bounded && divisible => Some(scaled(2, 1)),
            _ => None,
        }
    }
}

/// Whether this limit came from a measure, not from a person.
fn is_measured(kind: LimitType, column: Column, set: Spans) -> bool {
    let mut measures = Measure::CHOICES.into_iter();
    measures.any(|measure| measure.spans(kind, column) == Some(set))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(policy: &Policy, kind: LimitType) -> Option<u32> {
        let spans = policy.limits.get(&kind)?.get(&Column::Moderator)?;
        Some(spans.0[0])
    }

    #[test]
    fn a_measure_can_be_changed_and_taken_back() {
        let mut policy = Policy::default();
        assert_eq!(Measure::of(&policy), Measure::Normal);
        for measure in [Measure::Strict, Measure::Lenient, Measure::Strict] {
            measure.set(&mut policy);
            assert_eq!(Measure::of(&policy), measure);
            assert_eq!(policy.problems(), Vec::<String>::new());
        }
        assert_eq!(minute(&policy, LimitType::ChannelUpdate), Some(4));
        Measure::Lenient.set(&mut policy);
        assert_eq!(minute(&policy, LimitType::ChannelUpdate), Some(16));
        Measure::Normal.set(&mut policy);
        assert_eq!(policy, Policy::default());
    }

    #[test]
    fn what_somebody_set_stays() {
        let mut policy = Policy::default();
        let own = Spans([7, 70, 700]);
        let row = policy.limits.entry(LimitType::Ban).or_default();
        row.insert(Column::Moderator, own);
        for measure in Measure::CHOICES {
            measure.set(&mut policy);
            assert_eq!(policy.limits[&LimitType::Ban][&Column::Moderator], own);
            assert_eq!(Measure::of(&policy), Measure::Own);
        }
    }

    #[test]
    fn what_never_happens_stays_so() {
        let mut policy = Policy::default();
        Measure::Lenient.set(&mut policy);
        assert!(!policy.limits.contains_key(&LimitType::BotAdd));
        assert!(!policy.limits.contains_key(&LimitType::SightDenied));
    }
}
