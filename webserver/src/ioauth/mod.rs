//! Immediate OAuth: a browser that opens a protected link proves on the spot who it is, without a
//! session.
//!
//! The link without proof leads to `/ioauth/login`, from there to Discord's consent page and back
//! with a code, and finally to the link again with a one-time proof. Between the steps the server
//! keeps what it needs under unguessable handles; the browser carries only the handles and a nonce
//! cookie. Discord's tokens are used for two requests and forgotten, but for those of a sign-in, which
//! leads to a page instead of a link and ends in a session.

mod destination;
mod discord;
mod proof;

pub use destination::{Destination, login_link};
pub use discord::{DiscordError, DiscordGuild, DiscordLogin, DiscordUser, Grant};
pub use proof::{
    ATTEMPT_LIFETIME, Attempts, LastLogin, Proof, Proofs, RETURN_COOKIE, nonce_cookie,
};
