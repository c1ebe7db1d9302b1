//! What happens in servers, for those who follow them.
//!
//! One look at the database per moment serves everybody ([`Feed`]); whoever follows a server that it
//! finds something about reads the events behind their own place. So nothing is queued for anyone, and
//! nobody misses what was told while they were slow or away.

mod feed;
mod rights;
mod stream;

pub use self::feed::Feed;
pub use self::rights::rights;
pub use self::stream::{Following, follow};
