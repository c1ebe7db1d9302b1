//! Acting as the people of the sandbox.

pub mod types;
