//! What a crash, a pause, a shutdown or an error of a runner does to a task.

mod crashes;
mod leases;
mod stopping;
mod waiting;
