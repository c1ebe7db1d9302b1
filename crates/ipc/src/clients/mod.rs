//! Typed clients of the daemons that take signed calls.

mod clusterer;
mod iserver;
mod jobserver;
mod transport;

pub use clusterer::ClustererClient;
pub use iserver::{IserverClient, IserverState};
pub use jobserver::JobserverClient;
pub use transport::ClientError;
