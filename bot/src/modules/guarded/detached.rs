//! Work that ends whoever waits for it.

use tracing::{Instrument as _, Span};

/// What goes on when nobody waits for it any more, as when a caller hangs up.
pub(super) async fn detached<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    match tokio::spawn(work.instrument(Span::current())).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process ends.
            Err(_) => std::future::pending().await,
        },
    }
}
