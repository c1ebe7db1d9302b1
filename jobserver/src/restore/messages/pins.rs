//! What was pinned, the oldest first, without the notices that pinning leaves.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;
use splashtail_antinuke::Leaves;
use splashtail_discord::snowflake::id;
use splashtail_guild::Id;
use splashtail_jobs::JobError;

use super::{Messages, Posted, left, refused};
use crate::backup::error::{BackupError, Verdict};
use crate::carry_out;

/// "Somebody pinned a message".
const NOTICE: u64 = 6;
const PAGE: usize = 100;
/// More than that is not looked through for notices.
const MOST_PAGES: usize = 50;

impl Messages<'_> {
    pub(super) async fn pin(
        &self,
        place: u64,
        (wanted, name): (Id, &str),
        pinned: &[u64],
        last: u64,
        posted: &mut Posted,
    ) -> Result<(), JobError> {
        let nothing = BTreeSet::new();
        for (at, message) in pinned.iter().copied().enumerate() {
            let step = format!("message/{wanted}/pin/{message}");
            let pin = |acting: splashtail_discord::ensure::Acting| async move {
                let pinned = acting.ensure_pinned(place, message).await;
                pinned.map_err(carry_out::job_error)
            };
            let made = self.effect(
                &step,
                ("message.pin", Leaves::Pin),
                Value::Null,
                &nothing,
                pin,
            );
            if let Err((code, why)) = refused(made.await)? {
                let rest = pinned.len() - at;
                let why = format!("{rest} pinned messages are not pinned again: {why}");
                let id = wanted.to_string();
                posted.left.push(left(name, &id, &code, why));
                break;
            }
        }
        if pinned.is_empty() {
            return Ok(());
        }
        let step = format!("message/{wanted}/notices");
        let count = pinned.len();
        self.cx.step(&step, || self.clear(place, last, count)).await
    }

    /// Deletes the notices of our pins: they stand behind the last message that was posted, among
    /// what people wrote meanwhile.
    async fn clear(&self, place: u64, last: u64, count: usize) -> Result<(), JobError> {
        let (mut after, mut found) = (last, 0);
        for _ in 0..MOST_PAGES {
            let path = format!("/channels/{place}/messages");
            let query = [("after", after.to_string()), ("limit", PAGE.to_string())];
            let doing = "looking for notices of pins";
            let page = match self.source.list(doing, &path, &query).await {
                // They are an ornament that is lacking nobody.
                Err(error) if error.verdict() == Verdict::Refused => return Ok(()),
                page => page?,
            };
            found += self.clear_page(&path, &page).await?;
            let newest = page.iter().filter_map(|message| id(&message["id"])).max();
            match newest {
                Some(newest) if page.len() >= PAGE && found < count => after = newest,
                _ => break,
            }
        }
        Ok(())
    }

    /// How many of a page were notices of ours.
    async fn clear_page(&self, path: &str, page: &[Value]) -> Result<usize, JobError> {
        let own = self.live.viewer.user;
        let ours = page.iter().filter(|message| {
            message["type"].as_u64() == Some(NOTICE) && id(&message["author"]["id"]) == Some(own)
        });
        let mut found = 0;
        for notice in ours.filter_map(|message| id(&message["id"])) {
            let gone = self
                .discord
                .request(Method::DELETE, format!("{path}/{notice}"))
                .repeated(true)
                .cancelled_by(self.cx.cancelled())
                .send_empty()
                .await;
            match gone.map_err(BackupError::discord("deleting a notice")) {
                Err(error) if error.verdict() != Verdict::Refused => {
                    return Err(error.into());
                }
                _ => found += 1,
            }
        }
        Ok(found)
    }
}
