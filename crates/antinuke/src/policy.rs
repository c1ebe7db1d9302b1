//! What a server wants: mode, limits, whom it trusts, how hard the answer is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use splashtail_guild::Id;

use crate::incident::Rule;
use crate::limit::{Column, LimitType, Spans, default_points};
use crate::moment::Moment;

/// Below it a server has half of what grows with members, above the next twice.
const FEW_MEMBERS: u64 = 200;
const MANY_MEMBERS: u64 = 5000;
/// Trusted people may do so much more before anybody is alarmed.
const TRUSTED_FACTOR: u32 = 3;
/// The largest bound a server may set.
pub const MAX_BOUND: u32 = 100_000;
/// Names in a trusted set, and windows of maintenance.
pub const MAX_TRUSTED: usize = 100;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Off,
    /// Everything is judged and written down, nothing is done.
    #[default]
    DryRun,
    On,
}

/// The first answer to a hit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    #[default]
    TakeRoles,
    Kick,
    Ban,
}

impl Answer {
    /// Rung by rung: the next one when one is refused, or they go on.
    pub const fn ladder(self) -> &'static [Self] {
        match self {
            Self::TakeRoles => &[Self::TakeRoles, Self::Kick, Self::Ban],
            Self::Kick => &[Self::Kick, Self::Ban, Self::TakeRoles],
            Self::Ban => &[Self::Ban, Self::Kick, Self::TakeRoles],
        }
    }
}

/// What is done when somebody else acts with the bot's token, beside telling people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnToken {
    #[default]
    Tell,
    /// The bot leaves the server: nobody can do anything there in its name any more.
    Leave,
}

/// Acts of some types by somebody that are meant to be many for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    pub actor: Id,
    pub kinds: BTreeSet<LimitType>,
    pub until: Moment,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trusted {
    /// People and bots.
    pub users: BTreeSet<Id>,
    pub roles: BTreeSet<Id>,
}

/// A server's policy. The default is what every server starts with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    pub mode: Mode,
    /// In place of the defaults, per column.
    pub limits: BTreeMap<LimitType, BTreeMap<Column, Spans>>,
    pub points: BTreeMap<Column, Spans>,
    pub trusted: Trusted,
    pub answer: Answer,
    /// What is done rung by rung about too much of a type, in place of what the answer leads to. No
    /// rung at all: people are told, and nothing is done.
    pub actions: BTreeMap<LimitType, Vec<Answer>>,
    /// Given to whoever loses their roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine_role: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_channel: Option<Id>,
    /// The server is backed up when an incident begins, at most every so many hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_hours: Option<u32>,
    pub own_token: OwnToken,
    pub maintenance: Vec<Maintenance>,
}

/// How somebody's acts are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    pub column: Column,
    pub members: u64,
    pub trusted: bool,
    /// Somebody who was contained within the day has half.
    pub watched: bool,
    /// In halves: two colluders together have three.
    pub share: u32,
}

impl Policy {
    /// Twentieths that are normal of a type within a minute, an hour and a day.
    pub fn spans(&self, kind: LimitType, how: Measure) -> [u32; 3] {
        let own = self.limits.get(&kind).and_then(|row| row.get(&how.column));
        let spans = own.copied();
        let spans = spans.unwrap_or_else(|| kind.default_spans(how.column));
        let (mut up, mut down) = (how.share, 2);
        if own.is_none() && kind.grows_with_members() {
            match how.members {
                0..=FEW_MEMBERS => down *= 2,
                MANY_MEMBERS.. => up *= 2,
                _ => {}
            }
        }
        scale(spans, how, up, down)
    }

    /// Twentieths of points within a minute, ten minutes and a day.
    pub fn points(&self, how: Measure) -> [u32; 3] {
        let own = self.points.get(&how.column).copied();
        let spans = own.unwrap_or_else(|| default_points(how.column));
        scale(spans, how, how.share, 2)
    }

    /// Whether people are only told when there is too much of a type. It counts for nothing else.
    pub fn only_tells(&self, kind: LimitType) -> bool {
        self.actions.get(&kind).is_some_and(Vec::is_empty)
    }

    /// Whether a rule is one of which people are told, and nothing is done about it.
    pub fn is_only_told(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Limit { kind, .. } if self.only_tells(*kind))
    }

    /// What is done rung by rung when these rules were broken: the hardest of what each of them asks
    /// for. Points come from acts, so they ask for something only where no other rule does.
    pub fn ladder(&self, rules: &[Rule]) -> &[Answer] {
        let broken = rules.iter().filter(|rule| **rule != Rule::WentOn);
        let named = broken.filter(|rule| !matches!(rule, Rule::Points { .. }));
        let asked = named.map(|rule| self.actions_of(rule).unwrap_or(self.answer.ladder()));
        let hardest = asked.max_by_key(|ladder| (ladder.first().copied(), ladder.len()));
        hardest.unwrap_or(self.answer.ladder())
    }

    fn actions_of(&self, rule: &Rule) -> Option<&[Answer]> {
        match rule {
            Rule::Limit { kind, .. } => self.actions.get(kind).map(Vec::as_slice),
            _ => None,
        }
    }

    pub fn trusts(&self, user: Id, roles: &[Id]) -> bool {
        let trusted = &self.trusted;
        trusted.users.contains(&user) || roles.iter().any(|role| trusted.roles.contains(role))
    }

    pub(crate) fn is_maintained(&self, actor: Id, kind: LimitType, at: Moment) -> bool {
        let mut windows = self.maintenance.iter();
        windows.any(|w| w.actor == actor && at <= w.until && w.kinds.contains(&kind))
    }

    /// What is wrong with it, for whoever wrote it; empty when it can be used.
    pub fn problems(&self) -> Vec<PolicyProblem> {
        let mut problems = Vec::new();
        let named = self.limits.iter();
        let rows = named.flat_map(|(kind, row)| row.iter().map(|(c, s)| (kind.name(), *c, *s)));
        let points = self.points.iter().map(|(c, s)| ("points", *c, *s));
        for (what, column, Spans(bounds)) in rows.chain(points) {
            let given = bounds.iter().filter(|b| **b != crate::limit::NEVER);
            if given.clone().any(|bound| *bound == 0) {
                // Otherwise the next ordinary act of anybody is an attack.
                problems.push(PolicyProblem::TooLow { what, column });
            }
            if given.clone().any(|bound| *bound > MAX_BOUND) {
                let most = MAX_BOUND;
                problems.push(PolicyProblem::TooHigh { what, column, most });
            }
            if !given.is_sorted() {
                problems.push(PolicyProblem::Unordered { what, column });
            }
        }
        for (kind, ladder) in &self.actions {
            let again = |(at, rung): (usize, &Answer)| ladder[..at].contains(rung);
            if ladder.iter().enumerate().any(again) {
                problems.push(PolicyProblem::Twice { kind: *kind });
            }
        }
        let most = MAX_TRUSTED;
        if self.trusted.users.len() + self.trusted.roles.len() > most {
            problems.push(PolicyProblem::TooManyTrusted { most });
        }
        if self.maintenance.len() > most {
            problems.push(PolicyProblem::TooManyWindows { most });
        }
        problems
    }
}

/// Why a policy makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyProblem {
    /// A bound of a limit, by its name; `points` of those.
    TooLow {
        what: &'static str,
        column: Column,
    },
    TooHigh {
        what: &'static str,
        column: Column,
        most: u32,
    },
    /// A longer time has a lower limit.
    Unordered {
        what: &'static str,
        column: Column,
    },
    /// The same is done twice about one type.
    Twice {
        kind: LimitType,
    },
    TooManyTrusted {
        most: usize,
    },
    TooManyWindows {
        most: usize,
    },
}

fn scale(spans: Spans, how: Measure, mut up: u32, mut down: u32) -> [u32; 3] {
    if how.trusted {
        up *= TRUSTED_FACTOR;
    }
    if how.watched {
        down *= 2;
    }
    spans.scaled(up, down)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{NEVER, UNIT};

    const PLAIN: Measure = Measure {
        column: Column::Moderator,
        members: 1000,
        trusted: false,
        watched: false,
        share: 2,
    };

    #[test]
    fn limits_follow_members_trust_and_watch() {
        let policy = Policy::default();
        let minute = |kind, how| policy.spans(kind, how)[0] / UNIT;
        let ban = LimitType::Ban;
        assert_eq!(minute(ban, PLAIN), 6);
        assert_eq!(
            minute(
                ban,
                Measure {
                    members: 50,
                    ..PLAIN
                }
            ),
            3
        );
        assert_eq!(
            minute(
                ban,
                Measure {
                    members: 9000,
                    ..PLAIN
                }
            ),
            12
        );
        assert_eq!(
            minute(
                ban,
                Measure {
                    trusted: true,
                    ..PLAIN
                }
            ),
            18
        );
        assert_eq!(
            minute(
                ban,
                Measure {
                    watched: true,
                    ..PLAIN
                }
            ),
            3
        );
        assert_eq!(minute(ban, Measure { share: 3, ..PLAIN }), 9);
        let remove = LimitType::ChannelRemove;
        assert_eq!(
            minute(
                remove,
                Measure {
                    members: 50,
                    ..PLAIN
                }
            ),
            2
        );
        let bot = Measure {
            column: Column::Bot,
            ..PLAIN
        };
        assert_eq!(policy.spans(LimitType::RoleGivenToMember, bot)[2], NEVER);
        assert_eq!(policy.spans(LimitType::EventAdd, bot), [NEVER; 3]);
    }

    #[test]
    fn the_hardest_of_what_broken_rules_ask_for_is_done() {
        let broken = |kind| Rule::Limit {
            kind,
            span: crate::window::Span::Minute,
            count: 60,
            limit: 40,
            together: false,
        };
        let (ban, kick, invite) = (LimitType::Ban, LimitType::Kick, LimitType::InviteCreate);
        let mut policy = Policy::default();
        policy.actions.insert(ban, vec![Answer::Ban]);
        policy.actions.insert(kick, vec![Answer::TakeRoles]);
        policy.actions.insert(invite, Vec::new());
        let ladder = |kinds: &[LimitType]| {
            let rules: Vec<Rule> = kinds.iter().map(|kind| broken(*kind)).collect();
            policy.ladder(&rules).to_vec()
        };
        let default = Answer::TakeRoles.ladder();
        assert_eq!(ladder(&[]), default);
        assert_eq!(ladder(&[LimitType::RoleAdd]), default);
        assert_eq!(ladder(&[ban]), [Answer::Ban]);
        assert_eq!(ladder(&[kick]), [Answer::TakeRoles]);
        assert_eq!(ladder(&[kick, invite]), [Answer::TakeRoles]);
        assert_eq!(ladder(&[kick, LimitType::RoleAdd]), default);
        assert_eq!(ladder(&[kick, ban]), [Answer::Ban]);
        let points = Rule::Points {
            span: crate::window::Span::Minute,
            points: 60,
            limit: 40,
            together: false,
        };
        assert_eq!(policy.ladder(&[points]), default);
        assert_eq!(policy.ladder(&[points, broken(kick)]), [Answer::TakeRoles]);
        assert!(policy.is_only_told(&broken(invite)) && !policy.is_only_told(&broken(ban)));
        assert!(!policy.is_only_told(&Rule::WentOn));
        assert!(policy.problems().is_empty());
        policy.actions.insert(ban, vec![Answer::Ban, Answer::Ban]);
        let kind = LimitType::Ban;
        assert_eq!(policy.problems(), [PolicyProblem::Twice { kind }]);
    }

    #[test]
    fn absurd_limits_are_named() {
        let mut policy = Policy::default();
        assert!(policy.problems().is_empty());
        let row = [(Column::Bot, Spans([7, 3, 1_000_000]))];
        policy.limits.insert(LimitType::Ban, row.into());
        assert_eq!(policy.problems().len(), 2);
        let row = [(Column::Bot, Spans([0, 0, NEVER]))];
        policy.limits.insert(LimitType::Ban, row.into());
        let (what, column) = ("ban", Column::Bot);
        assert_eq!(policy.problems(), [PolicyProblem::TooLow { what, column }]);
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
        assert_eq!(
            serde_json::from_str::<Policy>("{}").unwrap(),
            Policy::default()
        );
    }
}
