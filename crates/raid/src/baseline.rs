//! How many usually come, by the hour of the week.

use serde::{Deserialize, Serialize};

use crate::moment::{DAY, HOUR, Moment};

/// Hours of a week.
const WEEK: usize = 168;
/// What happened so long ago counts half.
const HALF_LIFE_HOURS: f64 = 14.0 * 24.0;
/// Older joins are no history.
const HISTORY: u64 = 90 * DAY;
/// An hour's own rhythm is believed when so many came in it.
const DOUBT: f64 = 20.0;
/// How much quieter or livelier than others an hour may be.
const RHYTHM: (f64, f64) = (0.2, 4.0);
/// Joins per hour of the quietest server: one in three days and a bit.
const QUIETEST: f64 = 0.3 / 24.0;
/// Hours that are caught up with one by one; before them there is nothing to remember.
const LONGEST_SILENCE: u64 = HISTORY / HOUR;

/// What is usual in one server. About 1.4 KB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The hour that goes on, since the Unix epoch.
    hour: u64,
    /// Joins in it.
    count: u32,
    /// It saw a wave, or something that was expected, so it is no example.
    tainted: bool,
    /// Weighted sums over all past hours: of joins, and of hours.
    joins: f64,
    hours: f64,
    /// The same by the hour of the week: joins, and joins that would be expected without a rhythm.
    seen: Vec<f32>,
    flat: Vec<f32>,
}

impl Baseline {
    pub fn new(now: Moment) -> Self {
        Self {
            hour: now.hour(),
            count: 0,
            tainted: false,
            joins: 0.0,
            hours: 0.0,
            seen: vec![0.0; WEEK],
            flat: vec![0.0; WEEK],
        }
    }

    /// From when the members of today have joined, for a server without a history of its own.
    pub fn from_members(joined: impl IntoIterator<Item = Moment>, now: Moment) -> Self {
        let begin = now.minus(HISTORY);
        let mut joined: Vec<Moment> = joined.into_iter().collect();
        joined.retain(|at| *at >= begin && *at <= now);
        joined.sort_unstable();
        // A young server has no more history than it is old.
        let mut baseline = Self::new(joined.first().copied().unwrap_or(now));
        for at in joined {
            baseline.count(at);
        }
        baseline.advance(now);
        baseline
    }

    /// Whether it was written down whole.
    pub(crate) fn is_sound(&self) -> bool {
        let sums = [self.joins, self.hours];
        let parts = self.seen.iter().chain(&self.flat);
        self.seen.len() == WEEK
            && self.flat.len() == WEEK
            && sums.iter().all(|sum| sum.is_finite() && *sum >= 0.0)
            && parts
                .into_iter()
                .all(|part| part.is_finite() && *part >= 0.0)
    }

    /// Somebody came.
    pub fn count(&mut self, at: Moment) {
        self.advance(at);
        // Of an hour that is over nothing is counted any more.
        if at.hour() == self.hour {
            self.count = self.count.saturating_add(1);
        }
    }

    /// This hour is no example of what is usual.
    pub fn taint(&mut self, at: Moment) {
        self.advance(at);
        self.tainted = true;
    }

    pub(crate) const fn is_tainted(&self) -> bool {
        self.tainted
    }

    /// When the hour that goes on began.
    pub(crate) const fn begin(&self) -> Moment {
        Moment(self.hour * HOUR)
    }

    /// Time has passed.
    pub fn advance(&mut self, now: Moment) {
        if now.hour().saturating_sub(self.hour) > LONGEST_SILENCE {
            *self = Self::new(now.minus(HISTORY));
        }
        while self.hour < now.hour() {
            self.close();
        }
    }

    fn close(&mut self) {
        let keep = (-std::f64::consts::LN_2 / HALF_LIFE_HOURS).exp();
        let place = usize::try_from(self.hour).unwrap_or_default() % WEEK;
        self.joins *= keep;
        self.hours *= keep;
        // An hour of the week comes once a week.
        let weekly = keep.powi(168) as f32;
        if !self.tainted {
            let level = self.level();
            let clipped = f64::from(self.count).min((3.0 * level).max(level + 10.0));
            self.joins += clipped;
            self.hours += 1.0;
            self.seen[place] = self.seen[place] * weekly + clipped as f32;
            self.flat[place] = self.flat[place] * weekly + level as f32;
        }
        self.hour += 1;
        self.count = 0;
        self.tainted = false;
    }

    /// Joins per hour, all hours alike.
    pub fn level(&self) -> f64 {
        match self.hours > 0.0 {
            true => (self.joins / self.hours).max(QUIETEST),
            false => QUIETEST,
        }
    }

    /// Joins per hour at a moment.
    pub fn rate(&self, at: Moment) -> f64 {
        let place = usize::try_from(at.hour()).unwrap_or_default() % WEEK;
        let (seen, flat) = (f64::from(self.seen[place]), f64::from(self.flat[place]));
        let rhythm = ((seen + DOUBT) / (flat + DOUBT)).clamp(RHYTHM.0, RHYTHM.1);
        (self.level() * rhythm).max(QUIETEST)
    }

    /// Joins that are usual between two moments.
    pub fn expected(&self, from: Moment, to: Moment) -> f64 {
        let mut sum = 0.0;
        let mut at = from;
        while at < to {
            let end = Moment((at.hour() + 1) * HOUR).min(to);
            sum += self.rate(at) * end.since(at) as f64 / HOUR as f64;
            at = end;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_APART: u64 = 1000;
    /// A Monday.
    const START: Moment = Moment(1_795_996_800_000);

    #[test]
    fn a_level_is_learnt_and_a_rhythm_with_it() {
        let mut baseline = Baseline::new(START);
        for hour in 0..24 * 60_u64 {
            // Ten an hour in the evening, two at other times.
            let count = if hour % 24 == 19 { 10 } else { 2 };
            for n in 0..count {
                baseline.count(START.plus(hour * HOUR + n * SECOND_APART));
            }
        }
        let now = START.plus(60 * DAY);
        baseline.advance(now);
        assert!(
            (baseline.level() - 56.0 / 24.0).abs() < 0.2,
            "{}",
            baseline.level()
        );
        let (noon, evening) = (now.plus(12 * HOUR), now.plus(19 * HOUR));
        assert!(baseline.rate(evening) > 1.5 * baseline.rate(noon));
        let day = baseline.expected(now, now.plus(DAY));
        assert!((40.0..75.0).contains(&day), "{day}");
    }

    #[test]
    fn one_wild_hour_or_a_wave_teaches_little() {
        let mut calm = Baseline::new(START);
        calm.advance(START.plus(30 * DAY));
        let mut wild = calm.clone();
        for n in 0..5000 {
            wild.count(START.plus(30 * DAY + n * 100));
        }
        let mut raided = wild.clone();
        raided.taint(START.plus(30 * DAY + 1));
        for baseline in [&mut wild, &mut raided] {
            baseline.advance(START.plus(31 * DAY));
        }
        assert!(wild.level() < calm.level() + 0.05, "{}", wild.level());
        assert!(raided.level() <= calm.level());
    }

    #[test]
    fn a_server_that_was_silent_for_a_year_is_looked_at_in_no_time() {
        let mut baseline = Baseline::new(START);
        baseline.count(START);
        baseline.advance(START.plus(400 * DAY));
        assert_eq!(baseline.hour, START.plus(400 * DAY).hour());
        assert!(baseline.is_sound());
    }

    #[test]
    fn members_of_today_are_a_history() {
        let now = START.plus(100 * DAY);
        let joined = (0..90 * 24).map(|hour| now.minus(hour * HOUR));
        let baseline = Baseline::from_members(joined, now);
        assert!((baseline.level() - 1.0).abs() < 0.1, "{}", baseline.level());
        assert_eq!(Baseline::from_members([], now).level(), QUIETEST);
    }
}
