//! Buttons under a request.

use std::sync::Arc;

use uuid::Uuid;

use super::desk::Desk;
use super::rules::Word;
use super::text::PREFIX;
use crate::presses::{Presses, Reaction};

pub(super) fn presses(desk: &Arc<Desk>) -> Presses {
    let desk = Arc::clone(desk);
    Presses::new(PREFIX, move |_, press| {
        let wish = press.parts().and_then(|[word, id]| {
            let id = Uuid::parse_str(id).ok()?;
            Some((press.guild().ok()?, Word::read(word)?, id))
        });
        let Some((guild, word, id)) = wish else {
            return Reaction::stale(press);
        };
        let (desk, user, language) = (Arc::clone(&desk), press.user, press.language);
        let done =
            Reaction::say(async move { Ok(desk.hear((guild, id), user, word, language).await?) });
        match word {
            Word::Agree => done,
            Word::Refuse | Word::Withdraw => done.at_once(),
        }
    })
    .with_emergencies(|press| {
        let word = press.parts().and_then(|[word, _]| Word::read(word));
        matches!(word, Some(Word::Refuse | Word::Withdraw))
    })
}
