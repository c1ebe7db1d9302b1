//! How long a database may take. A store's call waits at most [`ACQUIRE`] for a connection and at
//! most [`ANSWER`] for each of its statements; what takes longer is an error that says so.

use std::time::Duration;

/// Name resolution, TCP, TLS and login together. Databases answer from the same network; five
/// seconds cover a lost packet and its repetitions.
pub const CONNECT: Duration = Duration::from_secs(5);

/// Until a connection is free, or a new one is made: a queue that is longer does not get shorter
/// by waiting in it.
pub const ACQUIRE: Duration = Duration::from_secs(5);

/// After this the server itself ends a statement, and a lock that nobody lets go of ends with it.
/// Every statement of this crate works through an index and takes milliseconds.
pub const STATEMENT: Duration = Duration::from_secs(10);

/// After this the client gives up: later than [`STATEMENT`], so that a server that is there says
/// what was wrong, and only one that has fallen silent is called so.
pub const ANSWER: Duration = Duration::from_secs(12);

/// How long a process of this machine waits for another one's write to the embedded database.
/// Shorter than [`ANSWER`], so that SQLite's own error arrives.
pub const BUSY: Duration = Duration::from_secs(5);

/// A connection that is not in order again by then is closed instead of being used again.
pub const RELEASE: Duration = Duration::from_secs(5);

/// A transaction whose owner is gone holds its locks on the server no longer than this.
pub const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(20);

/// A migration may rewrite large tables, and waits for those who migrate at the same time.
pub const MIGRATION: Duration = Duration::from_secs(30 * 60);
