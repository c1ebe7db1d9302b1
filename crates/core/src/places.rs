//! Shares of what only so many may do at a time, such as following something.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many in all, and so many of one caller. Clones share them.
#[derive(Debug)]
pub struct Places<Caller> {
    taken: Arc<Mutex<Taken<Caller>>>,
    total: usize,
    each: usize,
}

#[derive(Debug)]
struct Taken<Caller> {
    total: usize,
    of: HashMap<Caller, usize>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("too many streams are open at this time")]
    All,
    #[error("you have {0} streams open already: end one of them first")]
    Share(usize),
}

/// Held for as long as somebody has it.
#[derive(Debug)]
pub struct Place<Caller: Eq + Hash> {
    taken: Arc<Mutex<Taken<Caller>>>,
    caller: Caller,
}

impl<Caller> Clone for Places<Caller> {
    fn clone(&self) -> Self {
        Self {
            taken: Arc::clone(&self.taken),
            total: self.total,
            each: self.each,
        }
    }
}

impl<Caller: Clone + Eq + Hash> Places<Caller> {
    pub fn new(total: usize, each: usize) -> Self {
        let taken = Taken {
            total: 0,
            of: HashMap::new(),
        };
        Self {
            taken: Arc::new(Mutex::new(taken)),
            total,
            each,
        }
    }

    /// # Errors
    /// All are taken, or the caller's share is.
    pub fn take(&self, caller: Caller) -> Result<Place<Caller>, Full> {
        let mut taken = lock(&self.taken);
        let own = taken.of.get(&caller).copied().unwrap_or_default();
        if own >= self.each {
            return Err(Full::Share(self.each));
        }
        if taken.total >= self.total {
            return Err(Full::All);
        }
        taken.total += 1;
        taken.of.insert(caller.clone(), own + 1);
        Ok(Place {
            taken: Arc::clone(&self.taken),
            caller,
        })
    }
}

impl<Caller: Clone + Eq + Hash> Places<Caller> {
    /// Whose share is taken.
    pub fn full(&self) -> Vec<Caller> {
        let taken = lock(&self.taken);
        let full = taken.of.iter().filter(|(_, own)| **own >= self.each);
        full.map(|(caller, _)| caller.clone()).collect()
    }
}

impl<Caller: Eq + Hash> Drop for Place<Caller> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.total -= 1;
        let Some(own) = taken.of.get_mut(&self.caller) else {
            return;
        };
        *own -= 1;
        if *own == 0 {
            taken.of.remove(&self.caller);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_leaves_places_to_others() {
        let places = Places::new(3, 2);
        let first = places.take("a").unwrap();
        let second = places.clone().take("a").unwrap();
        assert_eq!(places.take("a").unwrap_err(), Full::Share(2));
        let _third = places.take("b").unwrap();
        assert_eq!(places.take("c").unwrap_err(), Full::All);
        drop(first);
        let _fourth = places.take("c").unwrap();
        drop(second);
        let _fifth = places.take("a").unwrap();
        let held = lock(&places.taken);
        assert_eq!((held.total, held.of.len()), (3, 3));
    }

    #[test]
    fn whoever_left_is_forgotten() {
        let places = Places::new(3, 2);
        drop(places.take(1).unwrap());
        assert!(lock(&places.taken).of.is_empty());
    }
}
