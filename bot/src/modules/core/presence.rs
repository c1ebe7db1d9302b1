//! What the bot is shown to be doing.

use std::time::Duration;

use poise::serenity_prelude as serenity;
use serenity::ActivityData;
use splashtail_core::random;

use crate::modules::Surroundings;

/// Shown when the configuration names none.
const OWN_TEXTS: [&str; 3] = ["your server", "the audit log", "%help"];
/// The first change comes after one interval.
const INTERVAL: Duration = Duration::from_secs(300);

/// Shows a random one of the configured texts on every shard, again and again. Never ends.
pub async fn keep(Surroundings { state, clock }: Surroundings, mut texts: Vec<String>) {
    if texts.is_empty() {
        texts = OWN_TEXTS.map(str::to_owned).into();
    }
    loop {
        clock.sleep(INTERVAL).await;
        let Some(connection) = state.connection() else {
            continue;
        };
        let Ok(dice) = random::bytes::<2>() else {
            continue;
        };
        let activity = activity(&texts, dice);
        connection.shards.set_activity(&activity).await;
    }
}

fn activity(texts: &[String], [text, kind]: [u8; 2]) -> Option<ActivityData> {
    let text = texts.get(usize::from(text) % texts.len().max(1))?;
    Some(match kind % 3 {
        0 => ActivityData::watching(text),
        1 => ActivityData::playing(text),
        _ => ActivityData::listening(text),
    })
}

#[cfg(test)]
mod tests {
    use poise::serenity_prelude::ActivityType;

    use super::*;

    #[test]
    fn every_text_and_kind_is_possible() {
        let texts = ["raids".to_owned(), "backups".to_owned()];
        let seen: Vec<_> = [[0, 0], [1, 1], [2, 2]]
            .into_iter()
            .map(|dice| activity(&texts, dice).map(|activity| (activity.name, activity.kind)))
            .collect();
        assert_eq!(
            seen,
            [
                Some(("raids".to_owned(), ActivityType::Watching)),
                Some(("backups".to_owned(), ActivityType::Playing)),
                Some(("raids".to_owned(), ActivityType::Listening)),
            ]
        );
        assert!(activity(&[], [0, 0]).is_none());
    }
}
