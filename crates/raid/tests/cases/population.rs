//! People, drawn from a seed. What they look like is assumed, not measured: see docs/raids.md.

use splashtail_guild::Id;
use splashtail_raid::{Arrival, DAY, Exempt, HOUR, MINUTE, Moment, Name, SECOND, short};

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between zero and one.
    pub fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn chance(&mut self, of: f64) -> bool {
        self.part() < of
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// An exponential distribution.
    pub fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.part()).ln()
    }
}

/// Somebody who comes, and what they say and when, counted from their coming.
#[derive(Debug, Clone)]
pub struct Comer {
    pub arrival: Arrival,
    pub speaks: Option<(u64, u32)>,
    pub is_raider: bool,
}

const LETTERS: [&str; 16] = [
    "ar", "be", "co", "da", "el", "fi", "go", "ha", "in", "jo", "ka", "lu", "mo", "ni", "or", "pe",
];

fn word(dice: &mut Dice, letters: u64) -> String {
    let mut word = String::new();
    while (word.len() as u64) < letters {
        word.push_str(LETTERS[dice.below(16) as usize]);
    }
    word.truncate(letters as usize);
    word
}

fn digits(dice: &mut Dice, count: u64) -> String {
    (0..count)
        .map(|_| char::from(b'0' + dice.below(10) as u8))
        .collect()
}

/// A name of one of 400 shapes, the first ones far more often than the last.
fn usual_name(dice: &mut Dice) -> String {
    if dice.chance(0.06) {
        let length = 4 + dice.below(2);
        return format!("{}{}", word(dice, 5), digits(dice, length));
    }
    let shape = (400_f64.powf(dice.part()) as u64)
        .saturating_sub(1)
        .min(399);
    let (length, count, mark) = (shape % 4, shape / 4 % 10, shape / 40);
    let length = [3, 5, 8, 11][length as usize];
    let mark = ["", "_", ".", "__", "_.", "._", "x_", "_x", "-", "--"][mark as usize];
    format!("{}{mark}{}", word(dice, length), digits(dice, count))
}

fn account(dice: &mut Dice, at: Moment, age: f64) -> Id {
    let made = at.minus((age * DAY as f64) as u64);
    Id::new(made.id().get() | (dice.next() & 0x3f_ffff))
}

fn comer(dice: &mut Dice, at: Moment, age: f64, name: &str) -> Comer {
    Comer {
        arrival: Arrival {
            user: account(dice, at, age),
            at,
            name: Name::of(name),
            avatar: 0,
            is_invested: false,
            is_spammer: false,
            exempt: Exempt::No,
            is_pending: false,
            is_late: false,
        },
        speaks: None,
        is_raider: false,
    }
}

/// Somebody who would come on any day; of a crowd of fans more are new to Discord.
pub fn person(dice: &mut Dice, at: Moment, is_fan: bool) -> Comer {
    let newer = if is_fan { 2.2 } else { 1.0 };
    let u = dice.part();
    let age = match () {
        () if u < 0.02 * newer => dice.part(),
        () if u < 0.06 * newer => 1.0 + 6.0 * dice.part(),
        () if u < 0.12 * newer => 7.0 + 23.0 * dice.part(),
        () => 30.0 * (4.7 * dice.part().powf(0.6)).exp(),
    };
    let name = usual_name(dice);
    let mut comer = comer(dice, at, age, &name);
    let bare = if age < 30.0 { 0.45 } else { 0.16 };
    if !dice.chance(bare) {
        comer.arrival.avatar = short(&dice.next().to_le_bytes());
    }
    comer.arrival.is_invested = comer.arrival.avatar != 0 && dice.chance(0.3);
    if dice.chance(if is_fan { 0.08 } else { 0.18 }) {
        let text = short(&dice.next().to_le_bytes());
        comer.speaks = Some((dice.wait(3.0 * MINUTE as f64) as u64, text));
    }
    comer
}

/// Days of a server in which so many join, with friends who come along.
pub fn ordinary(dice: &mut Dice, from: Moment, days: u64, per_day: f64) -> Vec<Comer> {
    let mut comers = Vec::new();
    // One in five brings four fifths of one.
    let first = per_day / 24.0 / 1.16;
    for hour in 0..days * 24 {
        let of_day = (hour % 24) as f64;
        let weekend = if hour / 24 % 7 >= 5 { 1.25 } else { 1.0 };
        let rhythm = 1.0 + 0.8 * ((of_day - 19.0) / 24.0 * std::f64::consts::TAU).cos();
        let mut at = dice.wait(1.0 / (first * weekend * rhythm).max(1e-9));
        while at < 1.0 {
            let came = from.plus(hour * HOUR + (at * HOUR as f64) as u64);
            comers.push(person(dice, came, false));
            if dice.chance(0.2) {
                while dice.chance(0.45) {
                    let friend = came.plus(dice.below(90 * SECOND));
                    comers.push(person(dice, friend, false));
                }
            }
            at += dice.wait(1.0 / (first * weekend * rhythm).max(1e-9));
        }
    }
    comers
}

/// A crowd with a reason: many at first, then fewer and fewer.
pub fn fans(dice: &mut Dice, from: Moment, count: usize, tau: u64) -> Vec<Comer> {
    (0..count)
        .map(|_| {
            let at = from.plus(dice.wait(tau as f64) as u64);
            person(dice, at, true)
        })
        .collect()
}

/// Accounts that were made for it.
pub fn fresh(dice: &mut Dice, from: Moment, count: usize, gap: f64) -> Vec<Comer> {
    let text = short(&dice.next().to_le_bytes());
    let stems = [word(dice, 8), word(dice, 9), word(dice, 7)];
    let pictures: Vec<u32> = (0..12).map(|_| short(&dice.next().to_le_bytes())).collect();
    let regular = dice.chance(0.3);
    let mut at = from.0 as f64;
    (0..count)
        .map(|_| {
            at += match regular {
                true => gap * (0.9 + 0.2 * dice.part()),
                false => dice.wait(gap),
            };
            let age = match dice.chance(0.8) {
                true => dice.wait(1.5),
                false => 7.0 + dice.wait(20.0),
            };
            let name = match dice.chance(0.7) {
                true => format!("{}_{}", word(dice, 6), digits(dice, 4)),
                false => format!("{}{}", stems[dice.below(3) as usize], digits(dice, 2)),
            };
            let mut comer = comer(dice, Moment(at as u64), age, &name);
            if !dice.chance(0.6) {
                comer.arrival.avatar = pictures[dice.below(12) as usize];
            }
            if dice.chance(0.9) {
                comer.speaks = Some((dice.wait(40.0 * SECOND as f64) as u64, text));
            }
            comer.is_raider = true;
            comer
        })
        .collect()
}

/// Accounts of a few days long ago, bought.
pub fn aged(dice: &mut Dice, from: Moment, count: usize, gap: f64) -> Vec<Comer> {
    let text = short(&dice.next().to_le_bytes());
    let days: Vec<f64> = (0..3 + dice.below(8))
        .map(|_| 40.0 + 900.0 * dice.part())
        .collect();
    let mut at = from.0 as f64;
    (0..count)
        .map(|_| {
            at += dice.wait(gap);
            let age = days[dice.below(days.len() as u64) as usize] + dice.part();
            let name = match dice.chance(0.25) {
                true => format!("{}_{}", word(dice, 6), digits(dice, 4)),
                false => usual_name(dice),
            };
            let mut comer = comer(dice, Moment(at as u64), age, &name);
            if !dice.chance(0.25) {
                comer.arrival.avatar = short(&dice.next().to_le_bytes());
            }
            if dice.chance(0.5) {
                comer.speaks = Some((dice.wait(10.0 * MINUTE as f64) as u64, text));
            }
            comer.is_raider = true;
            comer
        })
        .collect()
}

/// Real people who were told to come and say something.
pub fn humans(dice: &mut Dice, from: Moment, count: usize, gap: f64) -> Vec<Comer> {
    let text = short(&dice.next().to_le_bytes());
    let mut at = from.0 as f64;
    (0..count)
        .map(|_| {
            at += dice.wait(gap);
            let mut comer = person(dice, Moment(at as u64), false);
            comer.speaks = dice
                .chance(0.85)
                .then(|| (dice.wait(90.0 * SECOND as f64) as u64, text));
            comer.is_raider = true;
            comer
        })
        .collect()
}
