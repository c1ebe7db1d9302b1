//! One shared answer for everybody who asks at about the same time.

use std::time::Duration;

use tokio::sync::Mutex;

/// A value that is computed at most once per period. While it is being computed others wait for it
/// instead of computing it too.
#[derive(Debug)]
pub struct Fresh<T> {
    period: Duration,
    latest: Mutex<Option<(Duration, T)>>,
}

impl<T: Clone> Fresh<T> {
    pub fn new(period: Duration) -> Self {
        Self {
            period,
            latest: Mutex::new(None),
        }
    }

    /// `now` is a monotonic time.
    ///
    /// # Errors
    /// What `compute` failed with. Failures are not kept; a value may say "absent" instead.
    pub async fn get<E>(
        &self,
        now: Duration,
        compute: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut latest = self.latest.lock().await;
        if let Some((at, value)) = &*latest
            && now.saturating_sub(*at) < self.period
        {
            return Ok(value.clone());
        }
        let value = compute().await?;
        *latest = Some((now, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_is_kept_for_the_period_and_a_failure_is_not() {
        let fresh = Fresh::new(Duration::from_secs(1));
        let at = Duration::from_millis;
        assert_eq!(fresh.get(at(0), async || Err("down")).await, Err("down"));
        assert_eq!(fresh.get(at(0), async || Ok::<_, &str>(1)).await, Ok(1));
        assert_eq!(fresh.get(at(999), async || Ok::<_, &str>(2)).await, Ok(1));
        assert_eq!(fresh.get(at(1000), async || Ok::<_, &str>(3)).await, Ok(3));
    }
}
