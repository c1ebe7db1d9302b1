//! What is left to chance, drawn from a seed: the same every time.

/// A stream of numbers (splitmix64).
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// A stream of its own for each purpose.
    pub fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a.
        let hash = purpose.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3)
        });
        Self(seed.rotate_left(32) ^ hash)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in `0..1`.
    pub fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..end`; 0 when there is nothing to choose from.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// One of several.
    pub fn pick<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        of.get(self.below(of.len() as u64) as usize)
    }

    /// A waiting time with this mean, as between things that happen independently; at most six
    /// times as long.
    pub fn gap(&mut self, mean: f64) -> f64 {
        mean * (-(1.0 - self.fraction()).ln()).min(6.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_each_purpose_its_own() {
        let row = |seed, purpose| -> Vec<u64> {
            let mut draw = Draw::new(seed, purpose);
            (0..4).map(|_| draw.below(1000)).collect()
        };
        assert_eq!(row(7, "names"), row(7, "names"));
        assert_ne!(row(7, "names"), row(8, "names"));
        assert_ne!(row(7, "names"), row(7, "ages"));
    }

    #[test]
    fn gaps_have_their_mean() {
        let mut draw = Draw::new(1, "gaps");
        let mean = (0..20_000).map(|_| draw.gap(10.0)).sum::<f64>() / 20_000.0;
        assert!((9.6..10.4).contains(&mean), "{mean}");
    }
}
