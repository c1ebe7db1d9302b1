//! The JSON that leaves the platform: what the web API, the jobserver, the clusterer and the
//! IServers answer, as types with OpenAPI schemas.
//!
//! Only shapes live here: no storage types, no HTTP, no behaviour beyond constructors. Ids are
//! decimal strings, durations integer nanoseconds, times RFC 3339.

pub mod approvals;
pub mod auth;
pub mod backups;
pub mod clusters;
pub mod configurations;
pub mod consents;
mod error;
pub mod events;
pub mod gitlogs;
pub mod guilds;
pub mod health;
pub mod incidents;
pub mod job_kinds;
pub mod job_lines;
pub mod modules;
pub mod overview;
pub mod problems;
pub mod proxy;
pub mod sessions;
pub mod setting_names;
pub mod settings;
pub mod tasks;
pub mod users;
pub mod webhooks;

pub use error::ErrorBody;
pub use problems::Code;
