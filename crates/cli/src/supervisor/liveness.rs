//! Whether a daemon that has started still answers. Any HTTP answer counts: whether it is *ready*
//! depends on others (a database) and is no reason to kill it.

use std::time::Duration;

use splashtail_core::clock::SharedClock;
use url::Url;

use super::daemons::Deadlines;
use super::process::DaemonSpec;

/// Looks at one process, from its start or from a reload on.
#[derive(Debug)]
pub struct Liveness {
    client: Option<reqwest::Client>,
    url: Url,
    deadlines: Deadlines,
    clock: SharedClock,
    begun: Duration,
    answered: bool,
    missed: u32,
}

impl Liveness {
    pub fn new(spec: &DaemonSpec, clock: SharedClock) -> Self {
        let mut url = spec.health.clone();
        url.set_path("/livez");
        Self {
            // A connection of its own for each look: one that is kept says nothing about the next.
            client: reqwest::Client::builder()
                .timeout(spec.deadlines.answer)
                .pool_max_idle_per_host(0)
                .no_proxy()
                .build()
                .ok(),
            url,
            deadlines: spec.deadlines,
            begun: clock.monotonic(),
            clock,
            answered: false,
            missed: 0,
        }
    }

    /// Resolves when the daemon must be taken for hung, with the reason. Dropping it loses at most
    /// the look under way.
    pub async fn hung(&mut self) -> String {
        let Some(client) = self.client.clone() else {
            return std::future::pending().await;
        };
        loop {
            self.clock.sleep(self.deadlines.look_every).await;
            if client.get(self.url.clone()).send().await.is_ok() {
                (self.answered, self.missed) = (true, 0);
                continue;
            }
            self.missed += 1;
            let waited = self.clock.monotonic().saturating_sub(self.begun);
            if self.missed >= self.deadlines.missed
                && (self.answered || waited >= self.deadlines.first_answer)
            {
                return format!("no answer to {} looks in a row", self.missed);
            }
        }
    }
}
