//! People as large communities have them: names, ages of accounts and pictures, drawn from one
//! distribution for members and for whoever only pretends to be like them.

use std::collections::HashSet;

use super::files;
use crate::draw::Draw;
use crate::world::{AssetKind, EPOCH_MS, Id, Stamp, Stored, User, World};

/// Different pictures that people use.
const PICTURES: usize = 48;
const DAY_MS: i64 = 86_400_000;
/// Worker and process bits of these ids: no other id is made with them.
const WORKER: u64 = 0x1f << 17;

const FIRST: &[&str] = &[
    "mia", "noah", "lena", "kai", "zoe", "luca", "amir", "nina", "oskar", "yuki", "sofia", "mateo",
    "ines", "viktor", "hana", "pablo", "greta", "tomas", "leila", "finn", "aylin", "dario", "ruth",
    "emil", "jana", "marek", "selma", "bruno", "iris", "theo", "carla", "milo", "asha", "ivan",
    "nora", "felix", "anya", "hugo", "maya", "jonas", "elif", "rafael", "tara", "samir",
];
const WORDS: &[&str] = &[
    "fox", "storm", "pixel", "moon", "ghost", "tea", "wolf", "nova", "frost", "lemon", "raven",
    "cloud", "blade", "panda", "echo", "sugar", "orbit", "maple", "viper", "comet", "noodle",
    "shadow", "ember", "otter", "quartz", "biscuit", "drift", "koi", "static", "velvet", "mango",
    "glitch", "hollow", "sage", "tiger", "vortex",
];
const ADJECTIVES: &[&str] = &[
    "lazy", "tiny", "dark", "happy", "lost", "silent", "wild", "blue", "sleepy", "real", "mad",
    "cozy", "toxic", "lucky", "cold", "salty", "broken", "golden",
];
const SHOWN: &[&str] = &[
    "Mia 🌸",
    "ᴋᴀɪ",
    "Алексей",
    "さくら",
    "José Ángel",
    "نور",
    "Ömer",
    "지우",
    "Ⓩⓞⓔ",
    "fox 🦊",
    "Lê Minh",
    "Ηλίας",
    "☾ moon ☽",
    "Renée",
    "李雷",
    "Søren",
    "~ tea ~",
    "Władek",
];

/// Shares of accounts that are younger than so many days.
const AGES: [(f64, f64); 8] = [
    (0.0, 0.0),
    (0.02, 7.0),
    (0.06, 30.0),
    (0.16, 200.0),
    (0.36, 900.0),
    (0.62, 1800.0),
    (0.88, 2800.0),
    (1.0, 3900.0),
];

/// What accounts are like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// As the members of a community.
    Ordinary,
    /// Made for one evening, up to three days ago: most without a picture.
    Fresh,
    /// Made by one hand within an hour, so many days ago: alike in name, without pictures.
    Batch { days: u32 },
    /// So many days old, and otherwise ordinary.
    Aged { days: u32 },
}

/// Makes accounts, each with a name and an id that nobody has.
#[derive(Debug)]
pub struct People {
    draw: Draw,
    names: HashSet<String>,
    pictures: Vec<Stored>,
    /// What a batch calls itself.
    stem: String,
    made: u64,
    /// When the accounts are as old as they are said to be.
    now: Stamp,
}

impl People {
    /// For one purpose in a world, such as a drill.
    pub fn new(world: &World, purpose: &str) -> Self {
        let mut draw = Draw::new(world.seed, purpose);
        let stem = [word(&mut draw, WORDS), word(&mut draw, WORDS)].concat();
        Self {
            draw,
            names: world.users.values().map(|u| u.username.clone()).collect(),
            pictures: (0..PICTURES as u32)
                .map(|n| files::png(7000 + n, 24, 24))
                .collect(),
            stem,
            made: 0,
            now: world.now(),
        }
    }

    /// Accounts as they were at a moment: ids of built-in worlds do not depend on the clock.
    pub fn as_of(mut self, now: Stamp) -> Self {
        self.now = now;
        self
    }

    /// Puts a new account into the world.
    pub fn join_world(&mut self, world: &mut World, kind: Kind) -> Id {
        self.made += 1;
        let id = self.id(world, kind);
        let username = self.username(kind);
        let mut user = User::new(id, &username);
        let (shown, pictured) = match kind {
            Kind::Ordinary | Kind::Aged { .. } => (0.62, 0.78),
            Kind::Fresh => (0.45, 0.22),
            Kind::Batch { .. } => (0.05, 0.0),
        };
        if self.draw.chance(shown) {
            user.global_name = Some(self.shown());
        }
        if self.draw.chance(pictured)
            && let Some(picture) = self.draw.pick(&self.pictures)
        {
            user.avatar = Some(world.assets.keep(AssetKind::Avatar, id, picture.clone()));
        }
        world.users.insert(id, user);
        id
    }

    fn id(&mut self, world: &World, kind: Kind) -> Id {
        let age = match kind {
            Kind::Ordinary => (age_days(self.draw.fraction()) * DAY_MS as f64) as i64,
            Kind::Fresh => self.draw.below(3 * DAY_MS as u64) as i64,
            Kind::Batch { days } => i64::from(days) * DAY_MS + self.draw.below(3_600_000) as i64,
            Kind::Aged { days } => i64::from(days) * DAY_MS + self.made as i64,
        };
        let mut created = (self.now.0 - age).max(EPOCH_MS + self.made as i64);
        loop {
            let id = Id((((created - EPOCH_MS) as u64) << 22) | WORKER | (self.made & 0xfff));
            if !world.users.contains_key(&id) {
                return id;
            }
            created += 1;
        }
    }

    fn username(&mut self, kind: Kind) -> String {
        let base = match kind {
            Kind::Batch { .. } => format!("{}{:04}", self.stem, self.draw.below(10_000)),
            _ => self.ordinary_name(),
        };
        let mut name = base.clone();
        while !self.names.insert(name.clone()) {
            name = format!("{base}{}", self.draw.below(1_000_000));
        }
        name
    }

    fn ordinary_name(&mut self) -> String {
        let draw = &mut self.draw;
        match draw.below(10) {
            0..=2 => format!("{}{}", word(draw, FIRST), draw.below(1000)),
            3 | 4 => format!("{}_{}", word(draw, ADJECTIVES), word(draw, WORDS)),
            5 => format!("{}.{}", word(draw, FIRST), word(draw, WORDS)),
            6 => format!("x{}x{:02}", word(draw, WORDS), draw.below(100)),
            7 => format!("{}{}", word(draw, WORDS), 1985 + draw.below(28)),
            8 => format!("its{}", word(draw, FIRST)),
            _ => format!("{}{}_", word(draw, ADJECTIVES), word(draw, FIRST)),
        }
    }

    fn shown(&mut self) -> String {
        let draw = &mut self.draw;
        match draw.below(5) {
            0 => word(draw, SHOWN).to_owned(),
            1 => word(draw, WORDS).to_uppercase(),
            _ => {
                let name = word(draw, FIRST);
                let (first, rest) = name.split_at(1);
                first.to_uppercase() + rest
            }
        }
    }
}

fn word(draw: &mut Draw, of: &[&'static str]) -> &'static str {
    draw.pick(of).copied().unwrap_or_default()
}

/// The age that this share of accounts does not reach.
fn age_days(share: f64) -> f64 {
    let pair = AGES.windows(2).find(|w| share <= w[1].0);
    pair.map_or(AGES[AGES.len() - 1].1, |w| {
        let (from, to) = (w[0], w[1]);
        from.1 + (share - from.0) / (to.0 - from.0) * (to.1 - from.1)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::{TimeZone, Utc};

    use super::*;
    use crate::clock::SandboxClock;
    use crate::world::Addresses;

    fn world() -> World {
        let start = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
        let addresses = Addresses {
            rest: String::new(),
            gateway: String::new(),
        };
        World::empty(
            "empty",
            5,
            &addresses,
            &Arc::new(SandboxClock::frozen(start)),
        )
    }

    fn made(kind: Kind, count: u64) -> (World, Vec<Id>) {
        let mut world = world();
        let mut people = People::new(&world, "test");
        let ids = (0..count)
            .map(|_| people.join_world(&mut world, kind))
            .collect();
        (world, ids)
    }

    #[test]
    fn nobody_shares_a_name_or_an_id_and_all_is_reproducible() {
        let (world, ids) = made(Kind::Ordinary, 3000);
        assert_eq!(world.users.len(), 3000);
        let names: HashSet<_> = world.users.values().map(|u| &u.username).collect();
        assert_eq!(names.len(), 3000);
        let fits = |name: &str| (2..=32).contains(&name.len()) && name == name.to_lowercase();
        assert!(names.iter().all(|name| fits(name)));
        assert_eq!(ids, made(Kind::Ordinary, 3000).1);
    }

    #[test]
    fn kinds_differ_in_age_and_looks() {
        let day = DAY_MS;
        let ages = |(world, ids): &(World, Vec<Id>)| -> Vec<i64> {
            let mut ages: Vec<i64> = ids
                .iter()
                .map(|i| (world.now().0 - i.created().0) / day)
                .collect();
            ages.sort_unstable();
            ages
        };
        let pictured = |(world, _): &(World, Vec<Id>)| {
            world.users.values().filter(|u| u.avatar.is_some()).count()
        };
        let ordinary = made(Kind::Ordinary, 1000);
        assert!((1000..2000).contains(&ages(&ordinary)[500]));
        assert!((700..850).contains(&pictured(&ordinary)));
        let fresh = made(Kind::Fresh, 1000);
        assert!(*ages(&fresh).last().unwrap() < 3);
        assert!((150..300).contains(&pictured(&fresh)));
        let batch = made(Kind::Batch { days: 500 }, 1000);
        let (first, last) = (ages(&batch)[0], *ages(&batch).last().unwrap());
        assert!(last - first <= 1, "{first} {last}");
        assert_eq!(pictured(&batch), 0);
    }
}
