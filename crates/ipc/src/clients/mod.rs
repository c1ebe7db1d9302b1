//! Typed clients of the daemons that take signed calls.

mod clusterer;
mod error;
mod iserver;
mod jobserver;
mod schedule;
mod transport;

pub use clusterer::ClustererClient;
pub use error::{Callee, ClientError};
pub use iserver::{IserverClient, IserverState};
pub use jobserver::{GivenConsent, JobserverClient, JoinConsent};
pub use schedule::ScheduleOrder;
