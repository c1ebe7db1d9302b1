//! What neither an event nor an entry tells of, and is looked at from time to time: server templates
//! and the welcome screen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_guild::Id;

use crate::actor::{fold_id, fold_text};
use crate::moment::{HOUR, MINUTE, Moment};

const EVERY: u64 = 6 * HOUR;
/// Servers of a cluster that began together drift apart by so much each time.
const JITTER: u64 = 30 * MINUTE;
/// A process that just began has better to do.
const SETTLES: u64 = 10 * MINUTE;
/// Templates remembered; Discord allows a server one.
const MAX_TEMPLATES: usize = 4;
/// A template of fewer channels or roles has little to lose.
const SMALL: u32 = 4;

/// Something to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    /// `GET /guilds/{id}/templates`.
    Templates,
    /// `GET /guilds/{id}/welcome-screen`; null when there is none.
    WelcomeScreen,
}

/// What was seen last, and when to look again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Looks {
    next: Option<Moment>,
    templates: Option<BTreeMap<String, Template>>,
    /// Folded: only equality matters.
    welcome: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Template {
    updated: String,
    channels: u32,
    roles: u32,
}

impl Looks {
    pub fn wakes(&self) -> Option<Moment> {
        self.next
    }

    /// Whether it is time, and when it is the next time. Who never looked, or was away for longer
    /// than it is between two looks, begins at a time of its own, so that not all servers ask at once.
    pub fn is_due(&mut self, guild: Id, now: Moment) -> bool {
        let spread = u64::from(fold_id(guild));
        match self.next {
            Some(next) if now < next => false,
            // That long away, too, is whoever began before the time was known: the pulse jumped.
            next if next.is_none_or(|next| now.since(next) > EVERY) => {
                let share = (EVERY - SETTLES) * spread / u64::from(u16::MAX);
                self.next = Some(now.plus(SETTLES + share));
                false
            }
            _ => {
                // Another share each time.
                let spread = u64::from(fold_id(Id::new(guild.get() ^ now.0)));
                let drift = JITTER * spread / u64::from(u16::MAX);
                self.next = Some(now.plus(EVERY - JITTER / 2 + drift));
                true
            }
        }
    }

    /// Whether anything was seen that a later look is compared with.
    pub fn is_empty(&self) -> bool {
        self.templates.is_none() && self.welcome.is_none()
    }

    /// Takes in what was seen. `true`: people should hear of it.
    pub fn see(&mut self, look: Look, raw: &Value) -> bool {
        match look {
            Look::Templates => self.see_templates(raw),
            Look::WelcomeScreen => {
                let seen = fold_text(&raw.to_string());
                let known = self.welcome.replace(seen);
                known.is_some_and(|known| known != seen)
            }
        }
    }

    fn see_templates(&mut self, raw: &Value) -> bool {
        let Some(list) = raw.as_array() else {
            return false;
        };
        let seen = list.iter().filter_map(Template::read).take(MAX_TEMPLATES);
        let seen: BTreeMap<String, Template> = seen.collect();
        let known = self.templates.replace(seen);
        let seen = self.templates.iter().flatten();
        let seen: BTreeMap<&str, &Template> = seen.map(|(code, t)| (code.as_str(), t)).collect();
        known.into_iter().flatten().any(|(code, was)| {
            seen.get(code.as_str())
                .is_none_or(|is| is.updated != was.updated && is.lost_much_of(&was))
        })
    }
}

impl Template {
    fn read(raw: &Value) -> Option<(String, Self)> {
        let code = raw["code"].as_str()?.to_owned();
        let guild = &raw["serialized_source_guild"];
        let count = |list: &str| {
            let list = guild[list].as_array().map_or(0, Vec::len);
            u32::try_from(list).unwrap_or(u32::MAX)
        };
        let template = Self {
            updated: raw["updated_at"].as_str().unwrap_or_default().to_owned(),
            channels: count("channels"),
            roles: count("roles"),
        };
        Some((code, template))
    }

    /// More than half of the channels or of the roles.
    fn lost_much_of(&self, was: &Self) -> bool {
        let lost = |is: u32, was: u32| was >= SMALL && is < was / 2;
        lost(self.channels, was.channels) || lost(self.roles, was.roles)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const START: Moment = Moment(400_000_000_000);

    /// When each of these servers looks within so long, when everybody begins together.
    fn looks_of(guilds: u64, within: u64) -> Vec<Vec<u64>> {
        let times = (1..=guilds).map(|guild| {
            let guild = Id::new(guild << 22);
            let mut looks = Looks::default();
            assert!(!looks.is_due(guild, START), "not at once");
            let mut times = Vec::new();
            while let Some(next) = looks.wakes().filter(|next| next.since(START) <= within) {
                assert!(!looks.is_due(guild, next.minus(1)));
                assert!(looks.is_due(guild, next));
                times.push(next.since(START));
            }
            times
        });
        times.collect()
    }

    #[test]
    fn every_server_is_looked_at_every_six_hours_at_its_own_time() {
        let times = looks_of(2500, 48 * HOUR);
        for times in &times {
            assert!(times[0] >= SETTLES && times[0] <= EVERY, "{times:?}");
            for pair in times.windows(2) {
                let apart = pair[1] - pair[0];
                assert!(
                    apart.abs_diff(EVERY) <= JITTER / 2,
                    "{apart} ms between two looks"
                );
            }
        }
        // 2,500 servers over six hours are seven a minute: at no time do many ask together.
        let mut minutes = BTreeMap::<u64, u32>::new();
        for at in times.iter().flatten() {
            *minutes.entry(at / MINUTE).or_default() += 1;
        }
        let most = minutes.values().max().unwrap();
        assert!(*most <= 30, "{most} in a minute");
    }

    #[test]
    fn servers_that_began_before_the_time_was_known_are_spread_over_all_six_hours() {
        let (mut hours, mut minutes) = ([0_u32; 6], BTreeMap::<u64, u32>::new());
        for guild in 1..=2500_u64 {
            let guild = Id::new(guild << 22);
            let mut looks = Looks::default();
            // No id was seen yet: the pulse counts from nothing, and then it jumps.
            assert!(!looks.is_due(guild, Moment(40)));
            assert!(!looks.is_due(guild, START));
            let next = looks.wakes().unwrap().since(START);
            assert!((SETTLES..=EVERY).contains(&next), "{next}");
            *minutes.entry(next / MINUTE).or_default() += 1;
            hours[usize::try_from((next - 1) / HOUR).unwrap()] += 1;
        }
        assert!(hours.iter().all(|looks| *looks > 200), "{hours:?}");
        let most = minutes.values().max().unwrap();
        assert!(*most <= 30, "{most} in a minute");
    }

    #[test]
    fn whoever_was_away_for_long_does_not_ask_at_once() {
        let guild = Id::new(7 << 22);
        let mut looks = Looks::default();
        looks.is_due(guild, START);
        let back = START.plus(100 * HOUR);
        assert!(!looks.is_due(guild, back));
        let next = looks.wakes().unwrap().since(back);
        assert!((SETTLES..=EVERY).contains(&next));
        // A short absence is made up for.
        let late = looks.wakes().unwrap().plus(EVERY);
        assert!(looks.is_due(guild, late));
    }

    fn templates(updated: &str, channels: usize, roles: usize) -> Value {
        json!([{"code": "abc", "updated_at": updated, "serialized_source_guild":
            {"channels": vec![json!({}); channels], "roles": vec![json!({}); roles]}}])
    }

    #[test]
    fn a_template_that_lost_much_or_is_gone_is_told() {
        let told = |then: &Value, now: &Value| {
            let mut looks = Looks::default();
            assert!(
                !looks.see(Look::Templates, then),
                "the first look tells nothing"
            );
            let told = looks.see(Look::Templates, now);
            assert!(!looks.see(Look::Templates, now), "once");
            told
        };
        let whole = templates("a", 20, 10);
        for (now, expected) in [
            (whole.clone(), false),
            (templates("b", 20, 10), false),
            (templates("b", 10, 5), false),
            (templates("b", 9, 10), true),
            (templates("b", 20, 4), true),
            (templates("b", 0, 1), true),
            (json!([]), true),
            // No answer of this kind says nothing.
            (json!({"message": "no"}), false),
        ] {
            assert_eq!(told(&whole, &now), expected, "{now}");
        }
        assert!(!told(&templates("a", 3, 1), &templates("b", 0, 1)), "small");
        assert!(!told(&json!([]), &whole), "new");
    }

    #[test]
    fn a_welcome_screen_that_is_another_is_told() {
        let mut looks = Looks::default();
        let one = json!({"description": "Hello", "welcome_channels": []});
        let other = json!({"description": "Free gifts", "welcome_channels": []});
        let told = [&one, &one, &other, &other, &Value::Null]
            .map(|raw| looks.see(Look::WelcomeScreen, raw));
        assert_eq!(told, [false, false, true, false, true]);
    }

    #[test]
    fn what_was_seen_survives_a_restart() {
        let mut looks = Looks::default();
        looks.is_due(Id::new(7), START);
        looks.see(Look::Templates, &templates("a", 20, 10));
        looks.see(Look::WelcomeScreen, &json!({}));
        let text = serde_json::to_string(&looks).unwrap();
        assert_eq!(serde_json::from_str::<Looks>(&text).unwrap(), looks);
    }
}
