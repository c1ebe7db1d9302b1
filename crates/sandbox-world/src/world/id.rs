//! Scalars of the wire: snowflakes, timestamps and permission sets, each serialising as Discord
//! writes it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, TimeZone, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// First millisecond of Discord's epoch.
pub const EPOCH_MS: i64 = 1_420_070_400_000;

/// A snowflake. Serialises as a decimal string; reads strings and integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id(pub u64);

impl Id {
    /// When the id was made, as far as the id itself says.
    pub fn created(self) -> Stamp {
        Stamp((self.0 >> 22) as i64 + EPOCH_MS)
    }

    /// The first id of a moment.
    pub fn at(moment: Stamp) -> Self {
        Self(u64::try_from(moment.0 - EPOCH_MS).unwrap_or(0) << 22)
    }

    /// The shard of `count` that serves this guild.
    pub fn shard(self, count: u32) -> u32 {
        ((self.0 >> 22) % u64::from(count.max(1))) as u32
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Id {
    type Err = std::num::ParseIntError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Self)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Every object has several of these: no formatter is set up for each of them.
        let mut text = [0; 20];
        let mut start = text.len();
        let mut rest = self.0;
        while rest > 0 || start == text.len() {
            start -= 1;
            text[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        serializer.serialize_str(std::str::from_utf8(&text[start..]).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Number(u64),
            Text(String),
        }
        match Wire::deserialize(deserializer)? {
            Wire::Number(n) => Ok(Self(n)),
            Wire::Text(s) => s.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// Milliseconds since the Unix epoch. Serialises as `2015-04-26T06:26:56.936000+00:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp(pub i64);

impl Stamp {
    /// Reads any RFC 3339 time.
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|t| Self(t.timestamp_millis()))
    }

    /// This moment and `ms` more.
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl Stamp {
    /// The wire's text. Times without a year of four digits count as the epoch.
    fn text(self) -> [u8; 32] {
        let time = Utc.timestamp_millis_opt(self.0).single();
        let time = time.filter(|t| (0..=9999).contains(&t.year()));
        let time = time.unwrap_or_default();
        let (date, clock) = (time.date_naive(), time.time());
        let mut text = *b"0000-00-00T00:00:00.000000+00:00";
        // Every message carries some of these: no formatter is set up for each of them.
        let mut put = |end: usize, width: usize, mut number: u32| {
            for digit in text[end - width..end].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        put(4, 4, date.year().unsigned_abs());
        put(7, 2, date.month());
        put(10, 2, date.day());
        put(13, 2, clock.hour());
        put(16, 2, clock.minute());
        put(19, 2, clock.second());
        put(23, 3, time.timestamp_subsec_millis());
        text
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// Makes ids that grow, whatever the clock does.
#[derive(Debug, Clone)]
pub struct Snowflakes {
    last_ms: i64,
    count: u64,
    worker: u64,
}

impl Default for Snowflakes {
    fn default() -> Self {
        Self {
            last_ms: EPOCH_MS,
            count: 0,
            worker: 1,
        }
    }
}

impl Snowflakes {
    /// Makes every later id greater than `id`.
    pub fn skip_past(&mut self, id: Id) {
        if id.created().0 >= self.last_ms {
            self.last_ms = id.created().0 + 1;
            self.count = 0;
        }
    }

    /// The next id at `now`; later than every earlier one even when the clock went back.
    pub fn next(&mut self, now: Stamp) -> Id {
        if now.0 > self.last_ms {
            self.last_ms = now.0;
            self.count = 0;
        } else {
            self.count += 1;
            if self.count > 0xfff {
                self.last_ms += 1;
                self.count = 0;
            }
        }
        Id((((self.last_ms - EPOCH_MS) as u64) << 22) | (self.worker << 17) | self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_when_the_clock_goes_back() {
        let mut ids = Snowflakes::default();
        let mut last = Id(0);
        for n in 0..10_000 {
            let id = ids.next(Stamp(1_700_000_000_000 - n / 100));
            assert!(id > last);
            last = id;
        }
    }

    #[test]
    fn scalars_look_as_on_the_wire() {
        assert_eq!(
            Stamp(1_430_030_816_936).to_string(),
            "2015-04-26T06:46:56.936000+00:00"
        );
        assert_eq!(
            Stamp(1_772_323_199_007).to_string(),
            "2026-02-28T23:59:59.007000+00:00"
        );
        assert_eq!(serde_json::to_string(&Id(0)).unwrap(), "\"0\"");
        assert_eq!(
            serde_json::to_string(&Id(u64::MAX)).unwrap(),
            "\"18446744073709551615\""
        );
        assert_eq!(
            serde_json::to_string(&Id(175928847299117063)).unwrap(),
            "\"175928847299117063\""
        );
        assert_eq!(Id(175928847299117063).created(), Stamp(1462015105796));
        assert_eq!(
            serde_json::from_str::<Id>("5").unwrap(),
            serde_json::from_str("\"5\"").unwrap()
        );
    }
}
