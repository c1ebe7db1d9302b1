//! The steps that save pictures and sounds.

use serde_json::{Value, json};
use splashtail_api_types::job_lines::Line;
use splashtail_guild::{Parts, Structure};
use splashtail_jobs::{JobError, Level};

use tokio::sync::OnceCell;

use super::Run;
use super::former::Shelf;
use crate::backup::error::BackupError;
use crate::backup::files::{self, Addressed, Earlier, Kept};
use crate::backup::former::{self, Found};
use crate::backup::lists::Lists;
use crate::backup::snapshot::Snapshot;
use crate::parts::LISTED;

/// Names in one line of the log.
const SHOWN: usize = 20;

impl Run<'_> {
    /// Saves what can be had, some files per step; from the earlier backup what it has.
    pub(super) async fn files(
        &self,
        snapshot: &Snapshot,
        lists: &Lists,
        from: (&Shelf, &Found),
    ) -> Result<Vec<Kept>, JobError> {
        let all = self.addressed(snapshot, lists).await?;
        let mut room = files::room(self.fields.constraints.max_body_size);
        let mut kept: Vec<Kept> = Vec::with_capacity(all.len());
        let earlier = OnceCell::new();
        for (number, batch) in all.chunks(files::BATCH).enumerate() {
            let save = || async {
                let earlier = earlier.get_or_try_init(|| self.earlier(from)).await?;
                let wanted = (batch, earlier.as_ref());
                Ok(files::save(self.source(), self.work, wanted, room).await?)
            };
            let saved: Vec<Kept> = self.cx.step(&format!("files/{number}"), save).await?;
            room = room.saturating_sub(saved.iter().map(|file| file.bytes).sum());
            kept.extend(saved);
        }
        self.cx
            .step("files/saved", || self.tell(&all, &kept))
            .await?;
        Ok(kept)
    }

    async fn earlier(
        &self,
        (shelf, found): (&Shelf, &Found),
    ) -> Result<Option<Earlier>, BackupError> {
        let Some(task) = found.task else {
            return Ok(None);
        };
        let Ok(opened) = self.opened(shelf, task).await? else {
            return Ok(None);
        };
        let read = tokio::task::spawn_blocking(move || Earlier::of(opened)).await;
        match read.map_err(BackupError::background)? {
            Ok(earlier) => Ok(Some(earlier)),
            Err(error) => former::useless(error).map(|_| None),
        }
    }

    async fn addressed(
        &self,
        snapshot: &Snapshot,
        lists: &Lists,
    ) -> Result<Vec<Addressed>, JobError> {
        let guild: Value = self.work.get_json(&snapshot.guild).await?;
        let structure = Structure::from_rest(&guild, Parts::default());
        let mut structure = structure.ok_or(BackupError::Incomplete("settings of the server"))?;
        for listed in LISTED {
            let saved = lists.saved.iter();
            let found = saved.clone().find(|(section, _)| section == listed.section);
            if let Some((_, object)) = found {
                structure.learn(listed.kind, self.work.get_json(object).await?);
            }
        }
        Ok(files::of(&self.job.discord, &structure, |_| true))
    }

    async fn tell(&self, all: &[Addressed], kept: &[Kept]) -> Result<(), JobError> {
        let lost: Vec<_> = kept.iter().filter(|file| file.digest.is_none()).collect();
        let bytes: u64 = kept.iter().map(|file| file.bytes).sum();
        if kept.len() > lost.len() {
            let extra = json!({"files": kept.len() - lost.len(), "bytes": bytes});
            self.say(Level::Info, Line::SavedFiles, extra).await;
        }
        if !lost.is_empty() {
            let name = |file: &Kept| {
                let known = all.iter().find(|a| (a.kind, a.id) == (file.kind, file.id));
                let name = known.map(|a| a.name.clone()).unwrap_or_default();
                format!("{name} ({})", file.why.as_deref().unwrap_or_default())
            };
            let names: Vec<String> = lost.iter().take(SHOWN).map(|file| name(file)).collect();
            let extra = json!({"count": lost.len(), "items": names.join(", ")});
            self.say(Level::Warn, Line::LostFiles, extra).await;
        }
        Ok(())
    }
}
