//! What a lock does to one overwrite, and what its end gives back. Data in, data out.
//!
//! Locks stand on each other in any order: each remembers which bits it has taken and which it has
//! denied. A lock that ends frees what no other one wants and what still is as it was left; what another
//! one wants becomes that one's to free.

use splashtail_discord::permissions::bits;

/// Allowed and denied bits of a role, or of the bot, in a channel. A role's own permissions are allowed
/// bits without denied ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bits {
    pub allow: u64,
    pub deny: u64,
}

/// What a lock holds of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hold {
    /// What is to be off.
    pub wanted: u64,
    /// Was allowed before.
    pub took: u64,
    /// Was not denied before.
    pub put: u64,
}

/// What nobody does in a locked channel.
pub(super) const SPEAKING: u64 =
    bits::SEND_MESSAGES | bits::SEND_MESSAGES_IN_THREADS | bits::SEND_TTS_MESSAGES | bits::CONNECT;
/// What the bot itself needs to go on there: whoever may not connect to a voice channel may not give
/// back anything there either.
pub(super) const OWN: u64 = bits::VIEW_CHANNEL | bits::SEND_MESSAGES | bits::CONNECT;

/// In a channel: what is wanted is denied, and nothing else changes.
pub(super) const fn lock(now: Bits, wanted: u64) -> (Bits, Hold) {
    let hold = Hold {
        wanted,
        took: now.allow & wanted,
        put: wanted & !now.deny,
    };
    let then = Bits {
        allow: now.allow & !wanted,
        deny: now.deny | wanted,
    };
    (then, hold)
}

/// Of a role's own permissions: what is wanted is taken; there is nothing to deny.
pub(super) const fn take(now: u64, wanted: u64) -> (u64, Hold) {
    let hold = Hold {
        wanted,
        took: now & wanted,
        put: 0,
    };
    (now & !wanted, hold)
}

/// A lock that ends in a channel. `others` are those that stand at the same place.
pub(super) fn release(now: Bits, hold: Hold, others: &mut [Hold]) -> Bits {
    let (took, put) = hand_over(hold, others);
    // Whoever freed or allowed a bit meanwhile wants it so.
    let left = put & now.deny & !now.allow;
    Bits {
        allow: now.allow | (took & left_as_was(hold, now)),
        deny: now.deny & !left,
    }
}

/// The same of a role's own permissions.
pub(super) fn give_back(now: u64, hold: Hold, others: &mut [Hold]) -> u64 {
    let (took, _) = hand_over(hold, others);
    now | took
}

/// Bits that are still denied as the lock left them: the others are somebody's who changed them.
const fn left_as_was(hold: Hold, now: Bits) -> u64 {
    hold.wanted & now.deny & !now.allow
}

/// What another lock wants, too, is from now on that one's to free.
fn hand_over(hold: Hold, others: &mut [Hold]) -> (u64, u64) {
    let (mut took, mut put) = (hold.took, hold.put);
    for other in others {
        other.took |= took & other.wanted;
        other.put |= put & other.wanted;
        took &= !other.wanted;
        put &= !other.wanted;
    }
    (took, put)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: u64 = 0b0111;
    const B: u64 = 0b1110;

    #[test]
    fn a_private_channel_keeps_its_denials_and_gets_back_what_it_allowed() {
        let before = Bits {
            allow: 0b0001,
            deny: 0b0010,
        };
        let (locked, hold) = lock(before, A);
        assert_eq!((locked.allow, locked.deny), (0, 0b0111));
        assert_eq!(release(locked, hold, &mut []), before);
    }

    #[test]
    fn what_somebody_edited_meanwhile_stays() {
        let before = Bits {
            allow: 0b0001,
            deny: 0,
        };
        let (locked, a) = lock(before, A);
        let (locked, b) = lock(locked, B);
        // A human lets them do one thing again, and denies another one.
        let edited = Bits {
            allow: locked.allow | 0b0100,
            deny: (locked.deny & !0b0100) | 0b1_0000,
        };
        let mut others = [b];
        let between = release(edited, a, &mut others);
        let after = release(between, others[0], &mut []);
        let expected = Bits {
            allow: 0b0101,
            deny: 0b1_0000,
        };
        assert_eq!(after, expected);
    }

    #[test]
    fn a_role_gets_back_what_was_taken_and_keeps_what_it_was_given() {
        let (now, a) = take(0b1011, 0b1111);
        let (now, b) = take(now, 0b0011);
        assert_eq!(now, 0);
        let mut others = [b];
        let now = give_back(now | 0b1_0000, a, &mut others);
        assert_eq!(now, 0b1_1000, "the other still wants the rest off");
        assert_eq!(give_back(now, others[0], &mut []), 0b1_1011);
    }

    proptest! {
        #[test]
        fn locks_that_end_in_any_order_leave_it_as_it_was(
            allow: u64, deny: u64, wanted in proptest::collection::vec(any::<u64>(), 1..5), order: u64,
        ) {
            // Discord keeps no bit both allowed and denied.
            let before = Bits { allow: allow & !deny, deny };
            let mut now = before;
            let mut holds = Vec::new();
            for wanted in wanted {
                let (then, hold) = lock(now, wanted);
                prop_assert_eq!(then.deny & wanted, wanted);
                now = then;
                holds.push(hold);
            }
            let mut order = order;
            while !holds.is_empty() {
                let at = usize::try_from(order % holds.len() as u64).unwrap();
                order /= 7;
                let hold = holds.remove(at);
                now = release(now, hold, &mut holds);
                for other in &holds {
                    prop_assert_eq!(now.deny & other.wanted, other.wanted, "another lock is open");
                }
            }
            prop_assert_eq!(now, before);
        }
    }
}
