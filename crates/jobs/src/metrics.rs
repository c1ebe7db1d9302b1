//! What an engine counts. Labels are task names and outcomes, never ids.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

pub(crate) fn started(name: &'static str, waited: Duration) {
    counter!("splashtail_jobs_started_total", "name" => name).increment(1);
    histogram!("splashtail_jobs_start_seconds", "name" => name).record(waited.as_secs_f64());
    gauge!("splashtail_jobs_running").increment(1.0);
}

/// `outcome`: completed, failed, cancelled, parked, handed_over or lost.
pub(crate) fn ended(name: &'static str, outcome: &'static str, took: Duration) {
    counter!("splashtail_jobs_ended_total", "name" => name, "outcome" => outcome).increment(1);
    histogram!("splashtail_jobs_run_seconds", "name" => name).record(took.as_secs_f64());
    gauge!("splashtail_jobs_running").decrement(1.0);
}

pub(crate) fn step(name: &'static str, replayed: bool) {
    let replayed = if replayed { "true" } else { "false" };
    counter!("splashtail_jobs_steps_total", "name" => name, "replayed" => replayed).increment(1);
}

/// `outcome`: done, adopted, failed, skipped or replayed.
pub(crate) fn effect(name: &'static str, outcome: &'static str) {
    counter!("splashtail_jobs_effects_total", "name" => name, "outcome" => outcome).increment(1);
}

pub(crate) fn lease_lost(name: &'static str) {
    counter!("splashtail_jobs_leases_lost_total", "name" => name).increment(1);
}
