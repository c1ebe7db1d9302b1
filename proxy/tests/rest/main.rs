//! The REST proxy between callers and a Discord that is told what to answer.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod fake;
mod pacing;
mod passage;
mod trouble;
