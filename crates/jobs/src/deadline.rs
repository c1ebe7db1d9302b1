//! No call to the database is waited for without end.

use std::time::Duration;

use splashtail_storage::StorageError;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the database did not answer within {0:?}")]
    Late(Duration),
}

impl CallError {
    /// Whether the same call may succeed later, unchanged.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Storage(error) => error.is_unavailable(),
            Self::Late(_) => true,
        }
    }
}

/// By real time: it bounds what a server does, not what a job waits for.
pub(crate) async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CallError::Late(deadline)),
    }
}
