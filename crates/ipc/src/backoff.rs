//! Growing pauses between attempts to reach something.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(5);

/// 0.1 s, 0.2 s, 0.4 s … 5 s, each up to a quarter longer so that many clients do not return in
/// step.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    pub(crate) fn next_delay(&mut self) -> Duration {
        let delay = self.next.mul_f64(rand::random_range(1.0..1.25));
        self.next = (self.next * 2).min(LAST);
        delay
    }

    pub(crate) async fn pause(&mut self) {
        let delay = self.next_delay();
        tokio::time::sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_limit() {
        let mut backoff = Backoff::new();
        let delays: Vec<_> = (0..10).map(|_| backoff.next_delay()).collect();
        assert!(delays[0] >= FIRST && delays[0] < FIRST * 2);
        assert!(delays[9] >= LAST && delays[9] < LAST * 2);
    }
}
