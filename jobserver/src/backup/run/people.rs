//! The walk over members and bans.

use serde_json::json;
use splashtail_api_types::job_lines::Line;
use splashtail_jobs::{JobError, Level};

use super::Run;
use crate::backup::members::{self, People, PeoplePage};
use crate::backup::snapshot::Snapshot;

/// People of one kind, as far as they were listed.
pub struct PeopleList {
    pub section: &'static str,
    /// Work files with them.
    pub pages: Vec<String>,
    pub count: u64,
    pub bytes: u64,
}

impl Run<'_> {
    /// Members and bans. A list that the bot may not read is reported and left out.
    pub(super) async fn people(&self, snapshot: &Snapshot) -> Result<Vec<PeopleList>, JobError> {
        let mut lists = Vec::new();
        let options = &self.fields.options;
        let is_wanted = |people: &People| match people {
            People::Members => options.backup_members,
            People::Banned => options.backup_bans,
        };
        for people in People::ALL.into_iter().filter(is_wanted) {
            let mut list = PeopleList {
                section: people.section(),
                pages: Vec::new(),
                count: 0,
                bytes: 0,
            };
            let (mut after, mut refused) = (None, None);
            for number in 0..members::MOST_PAGES {
                let step = format!("{}/{number}", people.section());
                let (source, server) = (self.source(), self.fields.server_id);
                let read = || async {
                    Ok(members::page(source, self.work, server, people, number, after).await?)
                };
                let page: PeoplePage = self.cx.step(&step, read).await?;
                list.count += page.count;
                list.bytes += page.bytes;
                list.pages.extend(page.object);
                after = page.after;
                refused = refused.or(page.refused);
                let known = if people == People::Members {
                    snapshot.members
                } else {
                    0
                };
                let total = known.max(list.count + u64::from(after.is_some()));
                self.cx.advance(people.name(), list.count, total).await;
                if after.is_none() {
                    break;
                }
            }
            let told = || async {
                let what = people.name();
                match &refused {
                    Some(error) => {
                        let extra = json!({"what": what, "error": error});
                        self.say(Level::Warn, Line::PartLeftOut, extra).await;
                    }
                    None => {
                        let extra = json!({"what": what, "count": list.count});
                        self.say(Level::Info, Line::ReadPeople, extra).await;
                    }
                }
                Ok(())
            };
            self.cx
                .step(&format!("{}/told", people.section()), told)
                .await?;
            // Not to have read a list is not the same as an empty one.
            if refused.is_none() {
                lists.push(list);
            }
        }
        Ok(lists)
    }
}
