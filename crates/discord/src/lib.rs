//! REST client policy towards Discord: where requests go, how they are paced, which failures are
//! tried again, and what a member may do.
//!
//! Bodies are raw JSON. Discord adds fields all the time, and typed models drop what they do not
//! know; backups and permission diffs must not. The crate holds no gateway code, no cache of
//! Discord objects and no global state: a [`Discord`] is a handle that clones cheaply, and clones
//! share one set of rate limits.

mod address;
mod cdn;
mod client;
pub mod ensure;
mod error;
mod form;
mod oauth;
pub mod ratelimit;
mod request;
mod retry;
mod route;
mod skew;
pub mod snowflake;

pub use splashtail_guild::permissions;

pub use address::{PublicOnly, is_public};
pub use cdn::{Download, DownloadError, GuildFile};
pub use client::{Discord, UserAgent, Witness};
pub use error::{ApiError, DiscordError, RateLimitScope, Unanswered};
pub use form::Upload;
pub use oauth::{Application, Grant, RenewError, RevokeError};
pub use ratelimit::{Lane, Load};
pub use request::{Request, proxied};
pub use route::Route;
pub use skew::Skew;
