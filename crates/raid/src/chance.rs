//! How unlikely it is that so many come by chance. All results are decimal logarithms, zero at most.

/// Terms of a sum; beyond them nothing is left that counts.
const TERMS: u32 = 50_000;
/// A term that adds less than this part ends the sum.
const NEGLIGIBLE: f64 = 1e-12;
/// Of what cannot happen.
const NEVER: f64 = -300.0;

/// `log10 P(X >= n)` of a negative binomial distribution with this mean and variance (greater than the
/// mean). Where `n` is not more than usual it is zero.
pub fn crowd(n: f64, mean: f64, variance: f64) -> f64 {
    if n <= mean || n <= 0.0 {
        return 0.0;
    }
    if mean <= 0.0 {
        return NEVER;
    }
    let size = mean * mean / (variance - mean);
    let miss = 1.0 - mean / variance;
    let first = ln_gamma(n + size) - ln_gamma(size) - ln_gamma(n + 1.0)
        + size * (mean / variance).ln()
        + n * miss.ln();
    sum(first, |k| (n + k + size) / (n + k + 1.0) * miss)
}

/// `log10 P(X >= k)` of `n` tries that succeed with probability `q`. Where `k` is not more than usual it
/// is zero.
pub fn share(n: f64, k: f64, q: f64) -> f64 {
    if k <= n * q || k <= 0.0 {
        return 0.0;
    }
    if k > n || q <= 0.0 {
        return NEVER;
    }
    let first = ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
        + k * q.ln()
        + (n - k) * (1.0 - q).ln();
    let odds = q / (1.0 - q);
    sum(first, |j| ((n - k - j).max(0.0)) / (k + j + 1.0) * odds)
}

/// The sum of terms of which the first is given by its logarithm and each next by its ratio.
fn sum(first: f64, ratio: impl Fn(f64) -> f64) -> f64 {
    let (mut term, mut total) = (1.0, 1.0);
    for k in 0..TERMS {
        term *= ratio(f64::from(k));
        total += term;
        if term < total * NEGLIGIBLE {
            break;
        }
    }
    let log = (first + f64::ln(total)) / std::f64::consts::LN_10;
    log.clamp(NEVER, 0.0)
}

/// Lanczos' approximation (g = 7, nine terms), good to 13 digits for arguments above zero.
fn ln_gamma(x: f64) -> f64 {
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const REST: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    // Γ(x) = Γ(x + 1) / x, since the sum is good from a half on.
    if x < 0.5 {
        return ln_gamma(x + 1.0) - x.ln();
    }
    let x = x - 1.0;
    let terms = REST.iter().zip(1_u8..);
    let sum = terms.fold(FIRST, |sum, (part, n)| sum + part / (x + f64::from(n)));
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-6, "{found} is not {wanted}");
    }

    #[test]
    fn factorials() {
        close(ln_gamma(1.0), 0.0);
        close(ln_gamma(5.0), 24_f64.ln());
        close(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln());
        close(ln_gamma(101.0), 363.739_375_555_563_5);
    }

    #[test]
    fn coins() {
        // 10 of 10, and 9 or 10 of 10.
        close(share(10.0, 10.0, 0.5), (1.0 / 1024_f64).log10());
        close(share(10.0, 9.0, 0.5), (11.0 / 1024_f64).log10());
        close(share(10.0, 5.0, 0.5), 0.0);
        close(share(10.0, 11.0, 0.5), NEVER);
    }

    #[test]
    fn a_geometric_crowd() {
        // Size 1: P(X >= n) = (1 - p)^n, where the mean is (1 - p) / p.
        let p: f64 = 0.5;
        let mean = (1.0 - p) / p;
        close(crowd(6.0, mean, mean / p), 6.0 * 0.5_f64.log10());
        close(crowd(1.0, mean, mean / p), 0.0);
    }

    proptest! {
        #[test]
        fn more_is_never_likelier(n in 1.0..500_f64, mean in 1e-5..200_f64, q in 0.001..0.9_f64) {
            let variance = 2.0 * mean + 0.09 * mean * mean;
            let (one, more) = (crowd(n.floor(), mean, variance), crowd(n.floor() + 1.0, mean, variance));
            prop_assert!(more <= one + 1e-9 && one <= 0.0, "{one} {more}");
            let k = (n / 2.0).floor();
            let (one, more) = (share(n.floor(), k, q), share(n.floor(), k + 1.0, q));
            prop_assert!(more <= one + 1e-9 && more.is_finite(), "{one} {more}");
        }
    }
}
