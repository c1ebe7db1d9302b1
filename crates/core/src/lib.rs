//! What every splashtail process shares: typed ids, time, the running environment, configuration,
//! the cluster file, the data directory, start and stop, logs, metrics, listeners, the patience with
//! those who connect, where commands get the password of a backup, and fair shares of what is scarce.
//!
//! There is no SQL, no HTTP and no Discord client in here, and no other crate of ours.

pub mod clock;
pub mod cluster_file;
pub mod config;
pub mod data_dir;
pub mod descriptors;
pub mod environment;
pub mod ids;
pub mod lifecycle;
pub mod listen;
pub mod meters;
pub mod password;
pub mod patience;
pub mod places;
pub mod port_block;
pub mod random;
pub mod telemetry;
pub mod text;
