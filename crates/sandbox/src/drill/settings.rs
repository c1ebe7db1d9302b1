//! Which options fit which kind, their defaults and bounds.

use splashtail_sandbox_world::world::{EPOCH_MS, Stamp};

use super::board::DrillError;
use super::types::{ActKind, DrillKind, DrillSettings, NewDrill, Pace};
use super::wire_name;

pub(super) const MAX_SIZE: u32 = 100_000;
const RATES: std::ops::RangeInclusive<f64> = 0.001..=1000.0;
/// Of a slow drill: one act in five minutes.
const SLOW_RATE: f64 = 1.0 / 300.0;
const MAX_WAVE: u32 = 10_000;
const MAX_ACTORS: u32 = 1000;
const MAX_WATCH_MS: u64 = 600_000;
const MAX_AGE_DAYS: u32 = 3650;
const WATCH_MS: u64 = 5000;

/// Size, rate, actors and account age unless told otherwise.
fn defaults(kind: DrillKind) -> (u32, f64, u32, Option<u32>) {
    match kind {
        DrillKind::Raid => (50, 5.0, 0, None),
        DrillKind::Spam => (100, 5.0, 5, Some(30)),
        DrillKind::Nuke => (60, 5.0, 1, Some(400)),
        DrillKind::TokenLeak => (60, 10.0, 1, None),
    }
}

fn bad(message: impl Into<String>) -> DrillError {
    DrillError::Bad(message.into())
}

fn bounded<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: T,
    low: T,
    high: T,
) -> Result<T, DrillError> {
    // Written so that a NaN fails.
    if value >= low && value <= high {
        Ok(value)
    } else {
        Err(bad(format!("`{name}` lies between {low} and {high}")))
    }
}

/// Fills defaults in.
///
/// # Errors
/// An option is out of bounds or means nothing in a drill of this kind.
pub(super) fn settle(order: &NewDrill, now: Stamp) -> Result<DrillSettings, DrillError> {
    use DrillKind::{Nuke, Raid, Spam, TokenLeak};
    let kind = order.kind;
    let fits = |name: &str, given: bool, kinds: &[DrillKind]| {
        if given && !kinds.contains(&kind) {
            return Err(bad(format!(
                "`{name}` means nothing in a {} drill",
                kind.name()
            )));
        }
        Ok(())
    };
    fits("actors", order.actors.is_some(), &[Spam, Nuke])?;
    fits(
        "account_age_days",
        order.account_age_days.is_some(),
        &[Raid, Spam, Nuke],
    )?;
    fits("above_bot", order.above_bot, &[Nuke, TokenLeak])?;
    fits("moderators", order.moderators, &[Nuke])?;
    fits("own_token", order.own_token, &[TokenLeak])?;
    fits("acts", !order.acts.is_empty(), &[Nuke, TokenLeak])?;
    fits("style", order.style.is_some(), &[Raid])?;
    fits("manner", order.manner.is_some(), &[Raid])?;
    fits("wave", order.wave.is_some(), &[Raid])?;
    fits(
        "noticed_after",
        order.noticed_after.is_some(),
        &[Raid, Nuke, TokenLeak],
    )?;
    fits("once", order.once, &[Spam])?;
    if let Some(after) = order.noticed_after {
        bounded("noticed_after", after, 1, MAX_SIZE)?;
    }
    let strange = |act: &&ActKind| !ActKind::DESTRUCTIVE.contains(act);
    if let Some(act) = order.acts.iter().find(strange) {
        return Err(bad(format!(
            "`{}` is no act of such a drill",
            wire_name(act)
        )));
    }
    if order.once && order.actors.is_some() {
        return Err(bad(
            "`once` takes as many accounts as acts, so `actors` cannot be",
        ));
    }
    if order.style.is_some() && order.account_age_days.is_some() {
        return Err(bad(
            "`style` says how old accounts are, so `account_age_days` cannot be",
        ));
    }
    if order.own_token && order.above_bot {
        return Err(bad(
            "`own_token` leaves the bot's role where it is, so `above_bot` cannot be",
        ));
    }
    let (size, rate, actors, age) = defaults(kind);
    let pace = order.pace.unwrap_or_default();
    let rate = if pace == Pace::Slow { SLOW_RATE } else { rate };
    let size = bounded("size", order.size.unwrap_or(size), 1, MAX_SIZE)?;
    let rate = bounded(
        "rate",
        order.rate.unwrap_or(rate),
        *RATES.start(),
        *RATES.end(),
    )?;
    let actors = match kind {
        Raid => size,
        TokenLeak => 1,
        Spam if order.once => bounded("size", size, 1, MAX_ACTORS)?,
        Spam | Nuke => match order.actors {
            Some(given) => {
                let given = bounded("actors", given, 1, MAX_ACTORS)?;
                if given > size {
                    return Err(bad(format!("{given} actors are more than {size} acts")));
                }
                given
            }
            None => actors.min(size),
        },
    };
    let age = order.account_age_days.or(age);
    let wave = bounded("wave", order.wave.unwrap_or(0), 0, MAX_WAVE)?;
    if let Some(days) = age {
        bounded("account_age_days", days, 0, MAX_AGE_DAYS)?;
        // Ids count from Discord's epoch; each account is a millisecond older than the last.
        if now.0 - i64::from(days) * 86_400_000 - i64::from(size) <= EPOCH_MS {
            return Err(bad("accounts cannot be older than Discord"));
        }
    }
    Ok(DrillSettings {
        size,
        rate,
        actors,
        watch_ms: bounded(
            "watch_ms",
            order.watch_ms.unwrap_or(if pace == Pace::Slow {
                MAX_WATCH_MS
            } else {
                WATCH_MS
            }),
            0,
            MAX_WATCH_MS,
        )?,
        account_age_days: age,
        above_bot: order.above_bot,
        moderators: order.moderators,
        own_token: order.own_token,
        acts: order.acts.clone(),
        pace,
        style: (kind == Raid && order.account_age_days.is_none())
            .then(|| order.style.unwrap_or_default()),
        manner: (kind == Raid).then(|| order.manner.unwrap_or_default()),
        wave,
        noticed_after: order.noticed_after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp(1_767_225_600_000);

    fn order(kind: DrillKind, edit: impl FnOnce(&mut NewDrill)) -> Result<DrillSettings, String> {
        let mut order = NewDrill::new(kind, "1");
        edit(&mut order);
        settle(&order, NOW).map_err(|e| e.to_string())
    }

    #[test]
    fn options_out_of_bounds_or_place_are_named() {
        use DrillKind::{Nuke, Raid, Spam, TokenLeak};
        let said = |kind, edit: fn(&mut NewDrill)| order(kind, edit).unwrap_err();
        assert_eq!(
            said(Raid, |o| o.size = Some(0)),
            "`size` lies between 1 and 100000"
        );
        assert_eq!(
            said(Raid, |o| o.rate = Some(1000.5)),
            "`rate` lies between 0.001 and 1000"
        );
        assert_eq!(
            said(Spam, |o| o.rate = Some(f64::NAN)),
            "`rate` lies between 0.001 and 1000"
        );
        assert_eq!(
            said(Raid, |o| o.actors = Some(2)),
            "`actors` means nothing in a raid drill"
        );
        assert!(said(Nuke, |o| o.watch_ms = Some(600_001)).starts_with("`watch_ms`"));
        assert!(said(Nuke, |o| o.own_token = true).starts_with("`own_token`"));
        assert!(said(Spam, |o| o.above_bot = true).starts_with("`above_bot`"));
        assert!(said(TokenLeak, |o| o.moderators = true).starts_with("`moderators`"));
        assert!(said(TokenLeak, |o| (o.own_token, o.above_bot) = (true, true)).contains("above"));
        assert!(said(TokenLeak, |o| o.account_age_days = Some(1)).starts_with("`account_age"));
        let many = |o: &mut NewDrill| (o.size, o.actors) = (Some(3), Some(4));
        assert_eq!(
            order(Spam, many).unwrap_err(),
            "4 actors are more than 3 acts"
        );
        // 2015-01-11: no account of a year's age can exist.
        let early = Stamp(EPOCH_MS + 10 * 86_400_000);
        assert!(settle(&NewDrill::new(Nuke, "1"), early).is_err());
    }

    #[test]
    fn small_drills_have_no_more_actors_than_acts() {
        let settings = order(DrillKind::Spam, |o| o.size = Some(2)).unwrap();
        assert_eq!(
            (settings.size, settings.actors, settings.watch_ms),
            (2, 2, 5000)
        );
    }
}
