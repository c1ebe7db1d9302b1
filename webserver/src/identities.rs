//! Whom tokens stand for, remembered for moments: who asks often is looked up once.
//!
//! What ends a token is said on the bus, and heard by every process that remembers it. Without the bus
//! nothing is remembered, and what was lost on it counts for [`FRESH`] at most.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use splashtail_core::environment::Environment;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::bus::Bus;
use splashtail_ipc::identities::{Forget, channel};
use splashtail_storage::{Owner, TokenHash, TokenRow};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// So long a token is not looked up again.
const FRESH: Duration = Duration::from_secs(5);
/// Tokens that are remembered.
const MOST: u64 = 10_000;
/// Words that wait to be said. When there are more, all is forgotten at once.
const WORDS: usize = 256;

#[derive(Debug, Clone)]
pub struct Known {
    pub row: TokenRow,
    pub banned: bool,
    /// When it was looked up, on the clock that does not jump.
    pub at: Duration,
}

#[derive(Debug)]
pub struct Identities {
    known: Cache<TokenHash, Known>,
    /// Whether the bus is heard.
    hears: AtomicBool,
    /// Rises whenever something is forgotten: what was looked up before may be about that.
    age: AtomicU64,
    /// Held by what remembers and what forgets, so that they come one after the other.
    changes: std::sync::Mutex<()>,
    words: mpsc::Sender<Forget>,
    to_say: Mutex<mpsc::Receiver<Forget>>,
}

impl Default for Identities {
    fn default() -> Self {
        let (words, to_say) = mpsc::channel(WORDS);
        Self {
            known: Cache::new(MOST),
            hears: AtomicBool::new(false),
            age: AtomicU64::new(0),
            changes: std::sync::Mutex::default(),
            words,
            to_say: Mutex::new(to_say),
        }
    }
}

impl Identities {
    pub fn known(&self, hash: &TokenHash, now: Duration) -> Option<Known> {
        let known = self.known.get(hash);
        known.filter(|known| {
            self.hears.load(Ordering::SeqCst) && now.saturating_sub(known.at) < FRESH
        })
    }

    /// To be asked for before a token is looked up.
    pub fn age(&self) -> u64 {
        self.age.load(Ordering::SeqCst)
    }

    /// Nothing that was looked up before something was forgotten.
    pub fn remember(&self, hash: &TokenHash, known: Known, age: u64) {
        let _alone = self.alone();
        if self.hears.load(Ordering::SeqCst) && self.age() == age {
            self.known.insert(hash.clone(), known);
        }
    }

    /// A token of this owner has changed or ended: nobody remembers it from now on.
    pub fn forget(&self, owner: Owner) {
        let word = Forget::Owner(owner.to_string());
        self.drop_known(&word);
        if self.words.try_send(word).is_err() {
            // Nobody hears of it, so nobody may rely on it: others look up again within moments.
            warn!("too much is forgotten at once");
        }
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_known(&self, word: &Forget) {
        let _alone = self.alone();
        self.age.fetch_add(1, Ordering::SeqCst);
        match word {
            Forget::Everything => self.known.invalidate_all(),
            Forget::Owner(owner) => {
                for (hash, known) in &self.known {
                    if known.row.owner.to_string() == *owner {
                        self.known.invalidate(&*hash);
                    }
                }
            }
        }
    }

    /// Says what is forgotten here and hears what is elsewhere, until the shutdown.
    pub async fn run(&self, bus: &dyn Bus, environment: Environment, shutdown: CancellationToken) {
        let mut to_say = self.to_say.lock().await;
        let saying = async {
            while let Some(word) = to_say.recv().await {
                if let Err(error) = word.send(bus, environment).await {
                    warn!(error = %Chain(&error), "the end of a token was not said");
                }
            }
        };
        let both = async { tokio::join!(saying, self.hear(bus, environment)) };
        let _ = shutdown.run_until_cancelled(both).await;
    }

    async fn hear(&self, bus: &dyn Bus, environment: Environment) {
        let mut heard = match bus.subscribe(&[channel(environment)]).await {
            Ok(heard) => heard,
            Err(error) => {
                warn!(error = %Chain(&error), "the bus is not heard: tokens are looked up each time");
                return;
            }
        };
        let mut connected = heard.connected();
        let mut stands = *connected.borrow_and_update();
        loop {
            // What was said meanwhile is lost.
            self.drop_known(&Forget::Everything);
            self.hears.store(stands, Ordering::SeqCst);
            stands = loop {
                tokio::select! {
                    biased;
                    Ok(()) = connected.changed() => break *connected.borrow_and_update(),
                    message = heard.next_message() => match message {
                        Some(message) => self.drop_known(&Forget::read(&message.payload)),
                        None => {
                            self.hears.store(false, Ordering::SeqCst);
                            return;
                        }
                    },
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use splashtail_core::config::BusTarget;
    use splashtail_core::ids::UserId;
    use splashtail_ipc::bus;
    use splashtail_ipc::hub::Hub;
    use splashtail_storage::TokenKind;
    use tempfile::TempDir;
    use uuid::Uuid;

    use super::*;

    const ENVIRONMENT: Environment = Environment::Staging;

    fn owner(id: u64) -> Owner {
        Owner::User(UserId::new(id).unwrap())
    }

    fn known(id: u64, at: u64) -> Known {
        let row = TokenRow {
            id: Uuid::nil(),
            owner: owner(id),
            kind: TokenKind::Login,
            name: String::new(),
            perm_limits: Vec::new(),
            maker: None,
            last_used_at: None,
            created_at: DateTime::UNIX_EPOCH,
            expires_at: None,
        };
        Known {
            row,
            banned: false,
            at: Duration::from_secs(at),
        }
    }

    fn hearing() -> Identities {
        let identities = Identities::default();
        identities.hears.store(true, Ordering::SeqCst);
        identities
    }

    fn holds(identities: &Identities, token: &str, now: u64) -> bool {
        let known = identities.known(&TokenHash::of(token), Duration::from_secs(now));
        known.is_some()
    }

    #[test]
    fn a_token_is_remembered_for_moments() {
        let identities = hearing();
        identities.remember(&TokenHash::of("a"), known(1, 10), 0);
        assert!(holds(&identities, "a", 14));
        assert!(!holds(&identities, "a", 15), "it is looked up again");
        assert!(!holds(&identities, "b", 14));
    }

    #[test]
    fn who_does_not_hear_the_bus_remembers_nothing() {
        let identities = Identities::default();
        identities.remember(&TokenHash::of("a"), known(1, 10), 0);
        assert!(!holds(&identities, "a", 10));
        let identities = hearing();
        identities.remember(&TokenHash::of("a"), known(1, 10), 0);
        identities.hears.store(false, Ordering::SeqCst);
        assert!(!holds(&identities, "a", 10));
    }

    #[test]
    fn what_is_forgotten_is_one_owners() {
        let identities = hearing();
        for (token, id) in [("a", 1), ("b", 1), ("c", 2)] {
            identities.remember(&TokenHash::of(token), known(id, 10), 0);
        }
        identities.forget(owner(1));
        let held = ["a", "b", "c"].map(|token| holds(&identities, token, 10));
        assert_eq!(held, [false, false, true]);
    }

    /// The look-up saw the token, and it was revoked before that could be remembered.
    #[test]
    fn what_was_looked_up_before_is_not_remembered_after() {
        let identities = hearing();
        let age = identities.age();
        identities.forget(owner(1));
        identities.remember(&TokenHash::of("a"), known(1, 10), age);
        assert!(!holds(&identities, "a", 10));
    }

    #[tokio::test]
    async fn every_process_forgets_what_one_does() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("bus.sock");
        let stop = CancellationToken::new();
        let hub = Hub::bind(&path, "main", &dir.path().join("log")).unwrap();
        tokio::spawn(hub.serve(stop.clone()));
        let processes = [(); 2].map(|()| std::sync::Arc::new(Identities::default()));
        for process in &processes {
            let bus = bus::connect(&BusTarget::Hub(path.clone()), "main").unwrap();
            let (process, stop) = (std::sync::Arc::clone(process), stop.clone());
            tokio::spawn(async move { process.run(&*bus, ENVIRONMENT, stop).await });
        }
        let until = async |done: &dyn Fn() -> bool| {
            let done = async {
                while !done() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), done)
                .await
                .unwrap();
        };
        until(&|| {
            processes
                .iter()
                .all(|process| process.hears.load(Ordering::SeqCst))
        })
        .await;
        for process in &processes {
            process.remember(&TokenHash::of("a"), known(1, 10), process.age());
        }
        assert!(holds(&processes[1], "a", 10));
        processes[0].forget(owner(1));
        assert!(!holds(&processes[0], "a", 10));
        until(&|| !holds(&processes[1], "a", 10)).await;
        stop.cancel();
    }
}
