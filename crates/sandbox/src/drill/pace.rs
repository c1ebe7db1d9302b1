//! When acts are due.

use splashtail_sandbox_world::draw::Draw;

use super::types::Pace;

/// Moments of `count` acts, in milliseconds since the first, with `rate` acts per second.
pub(super) fn moments(pace: Pace, count: u32, rate: f64, draw: &mut Draw) -> Vec<i64> {
    let mean = 1000.0 / rate;
    let mut at = 0.0;
    (0..count)
        .map(|n| match pace {
            Pace::Steady => (f64::from(n) * mean) as i64,
            Pace::Uneven | Pace::Slow => {
                let due = at as i64;
                at += draw.gap(mean);
                due
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uneven_acts_have_the_same_mean_and_the_same_seed_the_same_pauses() {
        let drawn = |pace| moments(pace, 5000, 2.0, &mut Draw::new(3, "pace"));
        assert_eq!(drawn(Pace::Steady)[..3], [0, 500, 1000]);
        let uneven = drawn(Pace::Uneven);
        assert_eq!(uneven, drawn(Pace::Slow));
        assert!(uneven.is_sorted());
        let mean = uneven[4999] as f64 / 4999.0;
        assert!((470.0..530.0).contains(&mean), "{mean}");
    }
}
