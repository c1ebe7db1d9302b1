//! Permission sets that several people change: what is taken back of one change, bit by bit.

use serde_json::{Value, json};

use crate::Id;
use crate::read::bit_set;
use crate::three_way::Verdict;

/// What a set allows and denies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bits {
    allow: u64,
    deny: u64,
}

impl Bits {
    fn of(overwrite: Option<&Value>) -> Self {
        overwrite.map_or(Self::default(), |o| Self {
            allow: bit_set(&o["allow"]),
            deny: bit_set(&o["deny"]),
        })
    }

    const fn differing(self, other: Self) -> u64 {
        self.allow ^ other.allow | self.deny ^ other.deny
    }

    /// This with some bits as the other has them.
    const fn with(self, bits: u64, other: Self) -> Self {
        Self {
            allow: self.allow & !bits | other.allow & bits,
            deny: self.deny & !bits | other.deny & bits,
        }
    }
}

/// The bits of a change that stand still.
const fn standing(before: Bits, after: Bits, now: Bits) -> u64 {
    before.differing(after) & !now.differing(after)
}

const fn verdict(standing: u64) -> Verdict {
    match standing {
        0 => Verdict::Done,
        _ => Verdict::PutBack,
    }
}

/// A role's permissions. `None` where one of them is no set.
pub fn merge_bits(before: &Value, after: &Value, now: &Value) -> Option<(Value, Verdict)> {
    let set = |value: &Value| {
        (value.is_string() || value.is_u64()).then(|| Bits {
            allow: bit_set(value),
            deny: 0,
        })
    };
    let (before, after, now) = (set(before)?, set(after)?, set(now)?);
    let standing = standing(before, after, now);
    let merged = now.with(standing, before).allow;
    Some((merged.to_string().into(), verdict(standing)))
}

/// A channel's overwrites, each for itself. `None` where one of them is no list.
pub fn merge_overwrites(before: &Value, after: &Value, now: &Value) -> Option<(Value, Verdict)> {
    let (before, after) = (before.as_array()?, after.as_array()?);
    let mut merged = now.as_array()?.clone();
    let find = |list: &[Value], whom: Id| list.iter().find(|o| Id::of(o) == Some(whom)).cloned();
    let mut whoms: Vec<Id> = before.iter().chain(after).filter_map(Id::of).collect();
    whoms.sort_unstable();
    whoms.dedup();
    let mut all = 0;
    for whom in whoms {
        let (old, left) = (find(before, whom), find(after, whom));
        let present = find(&merged, whom);
        let (was, made) = (Bits::of(old.as_ref()), Bits::of(left.as_ref()));
        let is = Bits::of(present.as_ref());
        let standing = standing(was, made, is);
        // One without a bit means something only where it is alone.
        let came = old.is_none() && left.is_some() && present == left;
        let went = old.is_some() && left.is_none() && present.is_none();
        if standing == 0 && !came && !went {
            continue;
        }
        all |= standing | 1;
        let bits = is.with(standing, was);
        merged.retain(|o| Id::of(o) != Some(whom));
        let like = present.or(old.clone()).or(left);
        if let Some(mut overwrite) = like.filter(|_| old.is_some() || bits != Bits::default()) {
            overwrite["allow"] = json!(bits.allow.to_string());
            overwrite["deny"] = json!(bits.deny.to_string());
            merged.push(overwrite);
        }
    }
    Some((merged.into(), verdict(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(allow: u64, deny: u64) -> Value {
        json!({"id": "7", "type": 0, "allow": allow.to_string(), "deny": deny.to_string()})
    }

    #[test]
    fn a_bit_that_somebody_gave_since_stays() {
        let (merged, verdict) = merge_bits(&json!("6"), &json!("1"), &json!("9")).unwrap();
        assert_eq!((merged, verdict), (json!("14"), Verdict::PutBack));
        let (merged, verdict) = merge_bits(&json!("6"), &json!("2"), &json!("6")).unwrap();
        assert_eq!((merged, verdict), (json!("6"), Verdict::Done));
    }

    #[test]
    fn each_overwrite_is_taken_back_for_itself() {
        let other = json!({"id": "8", "type": 1, "allow": "0", "deny": "64"});
        for (before, after, now, wanted) in [
            // Made, and still there.
            (vec![], vec![one(16, 0)], vec![one(16, 0)], vec![]),
            // Made, and somebody denied something beside it.
            (vec![], vec![one(16, 0)], vec![one(16, 4)], vec![one(0, 4)]),
            // Deleted.
            (vec![one(0, 1024)], vec![], vec![], vec![one(0, 1024)]),
            // Deleted, and somebody made the opposite since.
            (
                vec![one(0, 1024)],
                vec![],
                vec![one(1024, 0)],
                vec![one(1024, 0)],
            ),
            // Opened, and closed again by somebody.
            (
                vec![one(0, 1024)],
                vec![one(1024, 0)],
                vec![one(0, 1024)],
                vec![one(0, 1024)],
            ),
        ] {
            let with = |list: Vec<Value>| {
                json!(
                    std::iter::once(other.clone())
                        .chain(list)
                        .collect::<Vec<_>>()
                )
            };
            let (before, after) = (json!(before), json!(after));
            let (merged, _) = merge_overwrites(&before, &after, &with(now)).unwrap();
            assert_eq!(merged, with(wanted));
        }
    }
}
