//! The steps that save pictures and sounds.

use serde_json::{Value, json};
use splashtail_guild::{Parts, Structure};
use splashtail_jobs::{JobError, Level};

use super::Run;
use crate::backup::error::BackupError;
use crate::backup::files::{self, Addressed, Kept};
use crate::backup::lists::Lists;
use crate::backup::snapshot::Snapshot;
use crate::parts::LISTED;

/// Names in one line of the log.
const SHOWN: usize = 20;

impl Run<'_> {
    /// Saves what can be had, some files per step.
    pub(super) async fn files(
        &self,
        snapshot: &Snapshot,
        lists: &Lists,
    ) -> Result<Vec<Kept>, JobError> {
        let all = self.addressed(snapshot, lists).await?;
        let mut room = files::room(self.fields.constraints.max_body_size);
        let mut kept: Vec<Kept> = Vec::with_capacity(all.len());
        for (number, batch) in all.chunks(files::BATCH).enumerate() {
            let save = || async { Ok(files::save(self.source(), self.work, batch, room).await?) };
            let saved: Vec<Kept> = self.cx.step(&format!("files/{number}"), save).await?;
            room = room.saturating_sub(saved.iter().map(|file| file.bytes).sum());
            kept.extend(saved);
        }
        self.cx
            .step("files/saved", || self.tell(&all, &kept))
            .await?;
        Ok(kept)
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
            let message = "Saved pictures and sounds of the server";
            self.log(Level::Info, message, extra).await;
        }
        if !lost.is_empty() {
            let name = |file: &Kept| {
                let known = all.iter().find(|a| (a.kind, a.id) == (file.kind, file.id));
                let name = known.map(|a| a.name.clone()).unwrap_or_default();
                format!("{name} ({})", file.why.as_deref().unwrap_or_default())
            };
            let names: Vec<String> = lost.iter().take(SHOWN).map(|file| name(file)).collect();
            let extra = json!({"count": lost.len(), "items": names.join(", ")});
            let message = "Pictures or sounds of the server were not saved";
            self.log(Level::Warn, message, extra).await;
        }
        Ok(())
    }
}
