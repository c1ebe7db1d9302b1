//! One file per subcommand of `splashtail`.

pub mod backup;
pub mod bot;
pub mod clusters;
pub mod config;
pub mod doctor;
pub mod explain;
pub mod finding;
pub mod localjobs;
pub mod migrate;
pub mod output;
pub mod probe;
pub mod proxy;
pub mod sandbox;
pub mod source;
pub mod token;
pub mod up;
