//! The numbers of a process for Prometheus: one recorder, the same buckets everywhere.

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::warn;

use crate::telemetry::Chain;

/// Upper bounds of what ends in `_seconds`, from a request to a long job. Without buckets each
/// series would be a summary, which costs more and cannot be added up over processes.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0, 1800.0, 7200.0,
];
/// Samples wait in memory until somebody looks at them. Nobody may scrape this process, so it
/// looks by itself.
const UPKEEP: Duration = Duration::from_secs(5);

/// The recorder of this process; the first call installs it and later ones return the same.
/// `None` when it could not be installed, as when another one was there first: then nothing is
/// measured, which is no reason to serve nobody.
///
/// A label's values are ours, never a client's: each new one is a series for ever.
pub fn install() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let handle = builder()
                .and_then(PrometheusBuilder::install_recorder)
                .map_err(|error| warn!(error = %Chain(&error), "nothing is measured"))
                .ok()?;
            let looked_at = handle.clone();
            let kept = thread::Builder::new()
                .name("meters".to_owned())
                .spawn(move || {
                    loop {
                        #[expect(
                            clippy::disallowed_methods,
                            reason = "a thread of its own, outside of any runtime"
                        )]
                        thread::sleep(UPKEEP);
                        looked_at.run_upkeep();
                    }
                });
            if let Err(error) = kept {
                warn!(%error, "samples are only cleared when somebody reads the metrics");
            }
            Some(handle)
        })
        .as_ref()
}

/// The page for Prometheus, in its text format; `None` when nothing is measured.
pub fn render() -> Option<String> {
    let handle = install()?;
    handle.run_upkeep();
    Some(handle.render())
}

fn builder() -> Result<PrometheusBuilder, metrics_exporter_prometheus::BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_in_buckets_and_there_is_one_recorder() {
        let first = install().unwrap();
        metrics::histogram!("test_wait_seconds").record(0.2);
        metrics::histogram!("test_wait_seconds").record(4000.0);
        let page = render().unwrap();
        for line in [
            "# TYPE test_wait_seconds histogram",
            "test_wait_seconds_bucket{le=\"0.1\"} 0",
            "test_wait_seconds_bucket{le=\"0.5\"} 1",
            "test_wait_seconds_bucket{le=\"7200\"} 2",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert!(std::ptr::eq(first, install().unwrap()));
    }

    /// The samples of a histogram wait in blocks of memory that only an upkeep gives back.
    #[test]
    fn samples_are_cleared_although_nobody_reads_the_metrics() {
        install().unwrap();
        // A thread gives itself its name, a moment after it was started.
        let begun = std::time::Instant::now();
        loop {
            let threads = std::fs::read_dir("/proc/self/task").unwrap();
            let names: Vec<_> = threads
                .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
                .collect();
            if names.iter().any(|name| name.trim() == "meters") {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{names:?}");
            thread::yield_now();
        }
    }
}
