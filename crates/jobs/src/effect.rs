//! Effects on a world that cannot be rolled back: intend, act, confirm.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use splashtail_core::random;
use splashtail_storage::{Intended, Item, NewItem, Outcome, Settled};

use crate::context::JobContext;
use crate::error::JobError;
use crate::metrics;

/// What an effect is about to change, for the ledger.
#[derive(Debug, Clone)]
pub struct Intent {
    what: String,
    before: Value,
    dated: Option<DateTime<Utc>>,
}

impl Intent {
    /// `what`: for people and for whoever undoes it, such as `role.create Moderator`.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            before: Value::Null,
            dated: None,
        }
    }

    /// The state that is replaced.
    #[must_use]
    pub fn before(self, before: impl Into<Value>) -> Self {
        Self {
            before: before.into(),
            ..self
        }
    }

    /// What time it is where the effect takes place. Clocks of ours that are wrong when it is intended
    /// may be right when it is looked for, or the other way round; that one is the same.
    #[must_use]
    pub fn dated(self, at: DateTime<Utc>) -> Self {
        Self {
            dated: Some(at),
            ..self
        }
    }
}

/// Digits that tell nonces apart; what follows is a date.
const RANDOM: usize = 16;

/// Marks one effect of one task: 16 hexadecimal digits, and the date of its intent if that was dated, for
/// the audit log's reason, or for the object itself, by which a later run recognises what an earlier one
/// did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce {
    text: String,
    intended_at: DateTime<Utc>,
}

impl Nonce {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// When the intent was recorded, on the clock of the runner that asks: nothing that the effect
    /// made is older.
    pub fn intended_at(&self) -> DateTime<Utc> {
        self.intended_at
    }

    /// See [`Intent::dated`].
    pub fn dated_at(&self) -> Option<DateTime<Utc>> {
        let millis = i64::from_str_radix(self.text.get(RANDOM..)?, 16).ok()?;
        DateTime::from_timestamp_millis(millis)
    }
}

/// One that a ledger has.
impl From<&Item> for Nonce {
    fn from(item: &Item) -> Self {
        Self {
            text: item.nonce.clone(),
            intended_at: item.intended_at,
        }
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JobContext {
    /// Changes the world once.
    ///
    /// The intent is recorded, then `act` is called. When it is not known whether an act took place
    /// (a crash, a call that was cut off, [`JobError::Ambiguous`]), `lookup` searches for the nonce:
    /// what it finds is adopted, else the act is repeated with the same nonce, by a later run. An
    /// effect that is confirmed is not repeated: its value comes from the ledger. A permanent
    /// refusal is recorded, too, and given again to later runs.
    ///
    /// Names are those of steps: unique in the job, and of the same meaning in all versions. A run
    /// may use one once, even when the effect fails: what is to be repeated is for a later run.
    ///
    /// # Errors
    /// Those of `act` and `lookup`, or [`JobError::Cancelled`] and [`JobError::LostLease`].
    pub async fn effect<T, A, Acting, L, Looking>(
        &self,
        name: &str,
        intent: Intent,
        act: A,
        lookup: L,
    ) -> Result<T, JobError>
    where
        T: Serialize + DeserializeOwned,
        A: FnOnce(Nonce) -> Acting,
        Acting: Future<Output = Result<T, JobError>>,
        L: Fn(Nonce) -> Looking,
        Looking: Future<Output = Result<Option<T>, JobError>>,
    {
        let name = self.begin_effect(name)?;
        let nonce = match self.shared().journal.item(self.held(), &name).await? {
            Some(item) if item.outcome != Outcome::Intended => {
                metrics::effect(self.held().name, "replayed");
                return settled(item);
            }
            Some(item) => {
                let nonce = Nonce::from(&item);
                if let Some(found) = self.in_flight(lookup(nonce.clone())).await? {
                    return self.confirm(name, Outcome::Adopted, found).await;
                }
                // Nobody else may be at it when it is repeated.
                self.fence_check().await?;
                nonce
            }
            None => self.intend(&name, &intent).await?,
        };
        match self.in_flight(act(nonce.clone())).await {
            Ok(done) => self.confirm(name, Outcome::Done, done).await,
            Err(ambiguous @ JobError::Ambiguous { .. }) => {
                match self.in_flight(lookup(nonce)).await? {
                    Some(found) => self.confirm(name, Outcome::Adopted, found).await,
                    // It may still be under way: the next run looks again before it repeats.
                    None => Err(ambiguous),
                }
            }
            Err(refused @ JobError::Permanent { .. }) => {
                let note = refused.to_string();
                let settled = Settled {
                    outcome: Outcome::Failed,
                    after: None,
                    code: Some(refused.code()),
                    note: Some(&note),
                };
                self.settle(name, &settled).await?;
                Err(refused)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes an effect that is left out, and why.
    ///
    /// # Errors
    /// [`JobError::Cancelled`] or [`JobError::LostLease`].
    pub async fn skip(
        &self,
        name: &str,
        intent: Intent,
        code: &str,
        note: &str,
    ) -> Result<(), JobError> {
        let name = self.begin_effect(name)?;
        match self.shared().journal.item(self.held(), &name).await? {
            Some(item) if item.outcome != Outcome::Intended => return Ok(()),
            // An earlier run was stopped in between.
            Some(_) => {}
            None => {
                self.intend(&name, &intent).await?;
            }
        }
        let settled = Settled {
            outcome: Outcome::Skipped,
            after: None,
            code: Some(code),
            note: Some(note),
        };
        self.settle(name, &settled).await
    }

    /// Its name is used up from here on, whatever becomes of it: the ledger was read for this run,
    /// and only a later one looks up what may have happened.
    fn begin_effect(&self, name: &str) -> Result<String, JobError> {
        let name = self.begin_named(name)?;
        self.mark_used(name.clone());
        Ok(name)
    }

    async fn intend(&self, name: &str, intent: &Intent) -> Result<Nonce, JobError> {
        let nonce = stamped(random_nonce()?, intent.dated);
        let before = intent.before.to_string();
        self.shared().journal.reserve(name, &before).await?;
        let item = NewItem {
            name,
            nonce: &nonce,
            what: &intent.what,
            before: &before,
        };
        let (held, ledger) = (self.held(), self.held().storage.ledger());
        let counts = held.write_for(|| ledger.intend(held.lease, &item));
        let Intended { nonce, ago } = counts.await?;
        held.progress();
        Ok(Nonce {
            text: nonce,
            intended_at: held.clock.now() - ago,
        })
    }

    async fn confirm<T: Serialize>(
        &self,
        name: String,
        outcome: Outcome,
        value: T,
    ) -> Result<T, JobError> {
        let after = serde_json::to_string(&value).map_err(|error| {
            JobError::permanent("internal", "An effect's outcome cannot be stored").caused_by(error)
        })?;
        self.shared().journal.reserve(&name, &after).await?;
        let settled = Settled {
            outcome,
            after: Some(&after),
            code: None,
            note: None,
        };
        self.settle(name, &settled).await?;
        Ok(value)
    }

    async fn settle(&self, name: String, settled: &Settled<'_>) -> Result<(), JobError> {
        let (held, ledger) = (self.held(), self.held().storage.ledger());
        held.write(|| ledger.settle(held.lease, &name, settled))
            .await?;
        held.progress();
        metrics::effect(held.name, settled.outcome.as_str());
        Ok(())
    }
}

fn random_nonce() -> Result<String, JobError> {
    let bytes = random::bytes::<8>()
        .map_err(|error| JobError::fault("The system has no random numbers").caused_by(error))?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

fn stamped(random: String, dated: Option<DateTime<Utc>>) -> String {
    match dated.map(|at| at.timestamp_millis()) {
        Some(millis) if millis >= 0 => format!("{random}{millis:x}"),
        _ => random,
    }
}

/// What an earlier run made of it.
fn settled<T: DeserializeOwned>(item: Item) -> Result<T, JobError> {
    if let Some(after) = &item.after {
        return serde_json::from_str(after).map_err(|error| {
            JobError::permanent("journal_unreadable", "A recorded effect cannot be read")
                .caused_by(error)
        });
    }
    let code = item.code.unwrap_or_else(|| "failed".to_owned());
    let note = item.note.unwrap_or_else(|| "It was not done".to_owned());
    Err(JobError::permanent(code, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_keeps_the_date_of_its_intent() {
        let at = DateTime::from_timestamp_millis(1_764_590_400_123).unwrap();
        let nonce = |dated| Nonce {
            text: stamped(random_nonce().unwrap(), dated),
            intended_at: DateTime::UNIX_EPOCH,
        };
        assert_eq!(nonce(Some(at)).dated_at(), Some(at));
        assert_eq!(nonce(None).dated_at(), None);
        assert_ne!(nonce(Some(at)).as_str(), nonce(Some(at)).as_str());
    }
}
