use std::collections::HashMap;

use splashtail_storage::Progress;
use tokio::sync::Mutex;

use crate::error::JobError;
use crate::held::Held;

/// Bytes of outputs that a task may record in all.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// A step's output is a note to a later run, not a place for data.
const MAX_OUTPUT_BYTES: usize = 1024 * 1024;

/// What earlier runs recorded, read page by page as the run asks for it. A run repeats the steps
/// in about the order of their recording, so that little more than a page is in memory at a time.
#[derive(Debug)]
pub(crate) struct Journal(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Read and not yet asked for.
    loaded: HashMap<String, String>,
    after: i64,
    complete: bool,
    bytes: u64,
}

impl Journal {
    pub fn new(progress: &Progress) -> Self {
        Self(Mutex::new(State {
            loaded: HashMap::new(),
            after: 0,
            complete: progress.steps == 0,
            bytes: progress.bytes,
        }))
    }

    /// The recorded output of a step, once.
    pub async fn take(&self, held: &Held, step: &str) -> Result<Option<String>, JobError> {
        let mut state = self.0.lock().await;
        loop {
            if let Some(output) = state.loaded.remove(step) {
                return Ok(Some(output));
            }
            if state.complete {
                return Ok(None);
            }
            let after = state.after;
            let queue = held.storage.queue();
            let page = held.read(|| queue.steps(held.lease.task, after)).await?;
            match page.last() {
                None => state.complete = true,
                Some(last) => state.after = last.seq,
            }
            let outputs = page.into_iter().map(|step| (step.step, step.output));
            state.loaded.extend(outputs);
        }
    }

    /// Whether there is room for an output, which is then taken.
    pub async fn reserve(&self, step: &str, output: &str) -> Result<(), JobError> {
        if output.len() > MAX_OUTPUT_BYTES {
            let message = format!("The step {step:?} has an output of {} bytes", output.len());
            return Err(JobError::permanent("step_output_too_large", message));
        }
        let mut state = self.0.lock().await;
        let bytes = state.bytes + output.len() as u64;
        if bytes > MAX_BYTES {
            let message = format!("The task has recorded more than {MAX_BYTES} bytes");
            return Err(JobError::permanent("journal_too_large", message));
        }
        state.bytes = bytes;
        Ok(())
    }
}
