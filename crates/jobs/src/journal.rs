use std::collections::HashMap;

use splashtail_storage::{Item, Progress, RecordedStep};
use tokio::sync::Mutex;

use crate::error::JobError;
use crate::held::Held;

/// Bytes that a task may record in all, outputs and ledger together.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// A step's output is a note to a later run, not a place for data.
const MAX_OUTPUT_BYTES: usize = 1024 * 1024;
/// Items that are read at a time.
const ITEMS_PER_PAGE: u32 = 100;

/// What earlier runs recorded, read page by page as the run asks for it. A run repeats its steps
/// and effects in about the order of their recording, so that little more than a page of each is
/// in memory at a time.
#[derive(Debug)]
pub(crate) struct Journal {
    steps: Mutex<Pages<RecordedStep>>,
    items: Mutex<Pages<Item>>,
    bytes: Mutex<u64>,
}

/// Records in their order.
#[derive(Debug)]
struct Pages<T> {
    /// Read and not yet asked for.
    loaded: HashMap<String, T>,
    after: i64,
    complete: bool,
}

impl<T: Recorded> Pages<T> {
    fn new(recorded: u64) -> Self {
        Self {
            loaded: HashMap::new(),
            after: 0,
            complete: recorded == 0,
        }
    }

    async fn take<F>(&mut self, name: &str, read: impl Fn(i64) -> F) -> Result<Option<T>, JobError>
    where
        F: Future<Output = Result<Vec<T>, JobError>>,
    {
        loop {
            if let Some(record) = self.loaded.remove(name) {
                return Ok(Some(record));
            }
            if self.complete {
                return Ok(None);
            }
            let page = read(self.after).await?;
            match page.last() {
                None => self.complete = true,
                Some(last) => self.after = last.seq(),
            }
            for record in page {
                self.loaded.insert(record.name().to_owned(), record);
            }
        }
    }
}

trait Recorded {
    fn seq(&self) -> i64;
    fn name(&self) -> &str;
}

impl Recorded for RecordedStep {
    fn seq(&self) -> i64 {
        self.seq
    }

    fn name(&self) -> &str {
        &self.step
    }
}

impl Recorded for Item {
    fn seq(&self) -> i64 {
        self.seq
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Journal {
    pub fn new(progress: &Progress) -> Self {
        Self {
            steps: Mutex::new(Pages::new(progress.steps)),
            items: Mutex::new(Pages::new(progress.items)),
            bytes: Mutex::new(progress.bytes),
        }
    }

    /// The recorded output of a step, once.
    pub async fn step(&self, held: &Held, step: &str) -> Result<Option<String>, JobError> {
        let read = async |after| {
            let queue = held.storage.queue();
            held.read(|| queue.steps(held.lease.task, after)).await
        };
        let found = self.steps.lock().await.take(step, read).await?;
        Ok(found.map(|step| step.output))
    }

    /// What the ledger has about an effect, once; when it was intended is of this runner's clock.
    pub async fn item(&self, held: &Held, name: &str) -> Result<Option<Item>, JobError> {
        let read = async |after| {
            let ledger = held.storage.ledger();
            let read = held.read(|| ledger.items(held.lease.task, after, ITEMS_PER_PAGE));
            let mut items = read.await?;
            let now = held.clock.now();
            for item in &mut items {
                item.intended_at = now - item.intended_ago;
            }
            Ok(items)
        };
        self.items.lock().await.take(name, read).await
    }

    /// Whether there is room for a record, which is then taken.
    pub async fn reserve(&self, name: &str, record: &str) -> Result<(), JobError> {
        if record.len() > MAX_OUTPUT_BYTES {
            let message = format!("{name:?} has an output of {} bytes", record.len());
            return Err(JobError::permanent("step_output_too_large", message));
        }
        let mut taken = self.bytes.lock().await;
        let bytes = *taken + record.len() as u64;
        if bytes > MAX_BYTES {
            let message = format!("The task has recorded more than {MAX_BYTES} bytes");
            return Err(JobError::permanent("journal_too_large", message));
        }
        *taken = bytes;
        Ok(())
    }
}
