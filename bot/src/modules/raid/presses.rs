//! Buttons under the card of a wave.

use std::sync::Arc;

use splashtail_guild::Id;

use super::decide::Wish;
use super::service::Watch;
use super::text as card;
use crate::presses::{Presses, Reaction};
use crate::text;

/// `rd:<verb>:<wave>`
pub(super) const PREFIX: &str = "rd";
/// Why somebody is taken for a raider.
pub(super) const WHY: &str = "why";
/// Longest answer, in characters.
const LONGEST: usize = 1900;

pub(super) fn presses(watch: &Arc<Watch>) -> Presses {
    let watch = Arc::clone(watch);
    Presses::new(PREFIX, move |_, press| {
        let Some((guild, [verb, wave])) = press.guild().ok().zip(press.parts()) else {
            return Reaction::stale(press);
        };
        let Ok(wave) = wave.parse::<Id>() else {
            return Reaction::stale(press);
        };
        let (watch, press) = (Arc::clone(&watch), Arc::clone(press));
        let language = press.language;
        if verb == WHY {
            return Reaction::say(async move {
                if let Err(why) = watch.jobs.may(&press, guild, "raid status").await {
                    return Ok(why);
                }
                let server = watch.load_known(guild).await;
                let known = server.and_then(|server| {
                    server.read(|engine| engine.waves().find(|known| known.id == wave).cloned())
                });
                let Some(known) = known else {
                    return Ok(text!(language, "raid-not-latest"));
                };
                let said = card::people(language, &known, LONGEST);
                Ok(said.unwrap_or_else(|| text!(language, "raid-nobody")))
            })
            .at_once();
        }
        let Some(wish) = Wish::of(verb) else {
            return Reaction::stale(&press);
        };
        Reaction::say(async move {
            if let Err(why) = watch.jobs.may(&press, guild, wish.command()).await {
                return Ok(why);
            }
            watch
                .decide(guild, Some(wave), wish, (press.user, language))
                .await
        })
    })
    .with_emergencies(|_| true)
}
