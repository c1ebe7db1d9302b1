//! What it takes: two people of the trusted set within 15 minutes, or the owner alone after 24 hours.
//!
//! Data in, data out.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use splashtail_core::ids::UserId;
use splashtail_storage::{Answer, GuardedRequest, RequestState};

use super::circle::Circle;

/// Two agree together when there is no more time between them.
pub const TOGETHER: TimeDelta = TimeDelta::minutes(15);
/// From when on the owner's word alone is enough, said again.
pub const ALONE: TimeDelta = TimeDelta::hours(24);
/// How long they can say it.
const ALONE_OPEN: TimeDelta = TimeDelta::hours(24);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Agree,
    Refuse,
    Withdraw,
}

impl Word {
    pub const ALL: [Self; 3] = [Self::Agree, Self::Refuse, Self::Withdraw];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Refuse => "refuse",
            Self::Withdraw => "withdraw",
        }
    }

    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }
}

/// Whether somebody's word counts at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Counts,
    /// Only the owner and the people they trust decide.
    NotTrusted,
    /// Only whoever asked, and the owner, can take it back.
    NotTheirs,
}

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Waits {
        /// Whose agreement counts now, and since when.
        agreed: Vec<(UserId, DateTime<Utc>)>,
        /// When the owner alone will be enough, where they have agreed.
        alone_from: Option<DateTime<Utc>>,
    },
    Agreed(Agreement),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    Two(UserId, UserId),
    OwnerAlone(UserId),
}

/// How long a request waits: the owner's until they alone are enough, and as long again.
pub fn expires_at(asker: UserId, asked_at: DateTime<Utc>, circle: &Circle) -> DateTime<Utc> {
    match circle.is_owner(asker) {
        true => asked_at + ALONE + ALONE_OPEN,
        false => asked_at + TOGETHER,
    }
}

pub fn hears(word: Word, user: UserId, asker: UserId, circle: &Circle) -> Heard {
    let may = match word {
        Word::Agree | Word::Refuse => circle.has(user),
        Word::Withdraw => user == asker || circle.is_owner(user),
    };
    match (may, word) {
        (true, _) => Heard::Counts,
        (false, Word::Withdraw) => Heard::NotTheirs,
        (false, _) => Heard::NotTrusted,
    }
}

/// How a request ended by a word that is final: whoever asked, or the owner, takes it back, or the
/// owner refuses. No agreement before or after it counts.
pub fn ended(answers: &[Answer], asker: UserId, circle: &Circle) -> Option<RequestState> {
    answers.iter().find_map(|answer| {
        let is_owner = circle.is_owner(answer.user);
        match Word::read(&answer.answer)? {
            Word::Withdraw if is_owner || answer.user == asker => Some(RequestState::Withdrawn),
            Word::Refuse if is_owner => Some(RequestState::Refused),
            _ => None,
        }
    })
}

/// What the answers so far come to. `answers` are all of them, the oldest first. Whoever is not in the
/// trusted set any more does not count.
pub fn judge(answers: &[Answer], circle: &Circle, now: DateTime<Utc>) -> Standing {
    let mut agreed: BTreeMap<UserId, DateTime<Utc>> = BTreeMap::new();
    let mut owner_since: Option<DateTime<Utc>> = None;
    for answer in answers {
        match Word::read(&answer.answer) {
            Some(Word::Agree) if circle.has(answer.user) => {
                agreed.insert(answer.user, answer.at);
                if circle.is_owner(answer.user) {
                    owner_since.get_or_insert(answer.at);
                }
            }
            Some(Word::Refuse) => {
                agreed.remove(&answer.user);
                if circle.is_owner(answer.user) {
                    owner_since = None;
                }
            }
            _ => {}
        }
    }
    if let Some((owner, since)) = circle.owner.zip(owner_since)
        && agreed
            .get(&owner)
            .is_some_and(|last| *last - since >= ALONE)
    {
        return Standing::Agreed(Agreement::OwnerAlone(owner));
    }
    agreed.retain(|_, at| now - *at <= TOGETHER);
    let mut by_time: Vec<_> = agreed.into_iter().collect();
    by_time.sort_by_key(|(_, at)| *at);
    match by_time.as_slice() {
        [(first, _), .., (last, _)] => Standing::Agreed(Agreement::Two(*first, *last)),
        _ => Standing::Waits {
            agreed: by_time,
            alone_from: owner_since.map(|since| since + ALONE),
        },
    }
}

/// Whether its time is over.
pub fn is_over(request: &GuardedRequest, now: DateTime<Utc>) -> bool {
    request.expires_at <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    fn minute(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    /// Owner 1; 2 and 3 are named.
    fn circle() -> Circle {
        Circle {
            owner: Some(user(1)),
            named: [user(2), user(3)].into(),
            ..Circle::default()
        }
    }

    fn answers(given: &[(u64, Word, i64)]) -> Vec<Answer> {
        let answer = |(by, word, at): &(u64, Word, i64)| Answer {
            user: user(*by),
            answer: word.as_str().to_owned(),
            at: minute(*at),
        };
        given.iter().map(answer).collect()
    }

    fn agreed(given: &[(u64, Word, i64)], now: i64) -> Option<Agreement> {
        match judge(&answers(given), &circle(), minute(now)) {
            Standing::Agreed(agreement) => Some(agreement),
            Standing::Waits { .. } => None,
        }
    }

    use Word::{Agree, Refuse};

    #[test]
    fn two_of_the_trusted_set_within_15_minutes() {
        let two = Some(Agreement::Two(user(2), user(3)));
        assert_eq!(agreed(&[(2, Agree, 0), (3, Agree, 15)], 15), two);
        assert_eq!(
            agreed(&[(2, Agree, 0), (3, Agree, 16)], 16),
            None,
            "too far apart"
        );
        assert!(agreed(&[(2, Agree, 0), (3, Agree, 16), (2, Agree, 17)], 17).is_some());
        assert_eq!(
            agreed(&[(2, Agree, 0), (2, Agree, 1)], 1),
            None,
            "one person twice"
        );
        assert_eq!(
            agreed(&[(2, Agree, 0), (9, Agree, 1)], 1),
            None,
            "a stranger"
        );
        assert!(agreed(&[(1, Agree, 0), (2, Agree, 1)], 1).is_some());
    }

    #[test]
    fn a_refusal_takes_an_agreement_back() {
        let taken = [(2, Agree, 0), (2, Refuse, 1), (3, Agree, 2)];
        assert_eq!(agreed(&taken, 2), None);
    }

    #[test]
    fn the_owner_alone_says_it_again_after_a_day() {
        const DAY: i64 = 24 * 60;
        let alone = Some(Agreement::OwnerAlone(user(1)));
        assert_eq!(agreed(&[(1, Agree, 0), (1, Agree, DAY)], DAY), alone);
        assert_eq!(agreed(&[(1, Agree, 0), (1, Agree, DAY - 1)], DAY - 1), None);
        assert_eq!(
            agreed(&[(1, Agree, 0)], DAY + 1),
            None,
            "silence is no word"
        );
        let begun_anew = [
            (1, Agree, 0),
            (1, Refuse, 5),
            (1, Agree, 6),
            (1, Agree, DAY),
        ];
        assert_eq!(agreed(&begun_anew, DAY), None);
        assert_eq!(
            agreed(&[(2, Agree, 0), (2, Agree, DAY)], DAY),
            None,
            "only the owner"
        );
        let Standing::Waits { alone_from, .. } =
            judge(&answers(&[(1, Agree, 3)]), &circle(), minute(4))
        else {
            panic!("agreed");
        };
        assert_eq!(alone_from, Some(minute(3 + DAY)));
    }

    #[test]
    fn who_is_trusted_no_more_does_not_count() {
        let given = answers(&[(2, Agree, 0), (3, Agree, 1)]);
        let mut smaller = circle();
        smaller.named.remove(&user(2));
        let waits = judge(&given, &smaller, minute(1));
        assert!(matches!(waits, Standing::Waits { agreed, .. } if agreed.len() == 1));
    }

    #[test]
    fn who_may_say_what() {
        let circle = circle();
        let asker = user(9);
        let hears = |word, by| hears(word, user(by), asker, &circle);
        assert_eq!(
            hears(Agree, 9),
            Heard::NotTrusted,
            "asking is no right to agree"
        );
        assert_eq!(hears(Agree, 2), Heard::Counts);
        assert_eq!(hears(Refuse, 4), Heard::NotTrusted);
        assert_eq!(hears(Word::Withdraw, 9), Heard::Counts);
        assert_eq!(hears(Word::Withdraw, 1), Heard::Counts);
        assert_eq!(hears(Word::Withdraw, 2), Heard::NotTheirs);
    }

    #[test]
    fn a_request_waits_15_minutes_and_the_owners_two_days() {
        let circle = circle();
        assert_eq!(expires_at(user(9), minute(0), &circle), minute(15));
        assert_eq!(expires_at(user(1), minute(0), &circle), minute(48 * 60));
    }
}
