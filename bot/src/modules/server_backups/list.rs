//! `/backups list`.

use std::sync::Arc;

use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{CreateActionRow, CreateButton, CreateEmbed};
use splashtail_core::config::without_slash;
use splashtail_core::ids::GuildId;
use splashtail_storage::{Owner, TaskCursor, TaskQuery, TaskRow};

use super::status::{download_link, icon};
use super::{Backups, CREATE_TASK};
use crate::app::Context;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::markdown::{cut, neutralise};
use crate::pages::{self, Pages};
use crate::reply;

/// With the header it makes the 10 embeds that fit into one message.
const PER_PAGE: usize = 9;

/// List the backups of this server, newest first.
#[poise::command(prefix_command, slash_command, guild_only, user_cooldown = 5)]
pub async fn list(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    pages::show(
        cx,
        BackupList {
            backups: cx.data().services.get()?,
            guild,
            starts: vec![None],
        },
    )
    .await
}

struct BackupList {
    backups: Arc<Backups>,
    guild: GuildId,
    /// Where each page that was reached begins: behind this task.
    starts: Vec<Option<TaskCursor>>,
}

#[async_trait]
impl Pages for BackupList {
    const PREFIX: &'static str = "bklist";

    async fn page(&mut self, number: usize) -> Result<CreateReply, BotError> {
        let number = number.min(self.starts.len() - 1);
        let now = self.backups.clock.now();
        // One more than a page holds tells whether another page follows.
        let limit = PER_PAGE as u32 + 1;
        let query = TaskQuery {
            owner: Owner::Server(self.guild),
            name: Some(CREATE_TASK),
            after: self.starts[number],
            limit,
        };
        let mut rows = self.backups.storage.tasks().list(&query, now).await?;
        let more = rows.len() > PER_PAGE;
        rows.truncate(PER_PAGE);
        if let Some(last) = rows.last().filter(|_| more) {
            self.starts.truncate(number + 1);
            self.starts.push(Some(last.cursor()));
        }
        let api = without_slash(&self.backups.config.sites.api);
        Ok(render(&rows, number, more, api))
    }
}

fn render(rows: &[TaskRow], page: usize, more: bool, api: &str) -> CreateReply {
    let header = CreateEmbed::new()
        .title("Backups of this server")
        .colour(colours::BLUE);
    let header = match (rows.is_empty(), page) {
        (true, 0) => {
            header.description("There are none yet. `/backups create` makes the first one.")
        }
        (true, _) => header.description("There are no more."),
        (false, page) => header.description(format!("Newest first, page {}.", page + 1)),
    };
    let mut reply = CreateReply::default().embed(header);
    for row in rows {
        reply = reply.embed(embed(row, api));
    }
    reply.components(buttons(page, more))
}

/// None when there is only one page.
fn buttons(page: usize, more: bool) -> Vec<CreateActionRow> {
    if page == 0 && !more {
        return Vec::new();
    }
    let prefix = BackupList::PREFIX;
    let previous = match page.checked_sub(1) {
        Some(target) => CreateButton::new(format!("{prefix}:{target}")),
        None => CreateButton::new(format!("{prefix}:none")).disabled(true),
    };
    let next = CreateButton::new(format!("{prefix}:{}", page + 1)).disabled(!more);
    vec![CreateActionRow::Buttons(vec![
        previous.label("Previous"),
        next.label("Next"),
    ])]
}

fn embed(row: &TaskRow, api: &str) -> CreateEmbed {
    let created = row.created_at.timestamp();
    let mut text = format!(
        "{} {} | created <t:{created}:f> (<t:{created}:R>)",
        icon(row.state),
        row.state.as_str()
    );
    if row.encrypted {
        text.push_str(" | encrypted");
    }
    if let Some(output) = &row.output {
        let filename = neutralise(cut(&output.filename, 100));
        text.push_str(&format!(
            "\n:link: [Download {filename}]({})",
            download_link(api, row.id)
        ));
    }
    CreateEmbed::new()
        .title(row.id.to_string())
        .description(text)
        .colour(colours::DARK_GREEN)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{Value, json};
    use splashtail_core::ids::TaskId;
    use splashtail_storage::{TaskOutput, TaskState};

    use super::*;
    use crate::reply::shown;

    fn row(state: TaskState) -> TaskRow {
        let at = DateTime::from_timestamp_millis(1_700_000_000_600).unwrap();
        let output = TaskOutput {
            filename: "antiraid-backup.iblfile".to_owned(),
            segregated: false,
        };
        TaskRow {
            id: "0f8fad5b-d9cb-469f-a165-70867728950e"
                .parse::<TaskId>()
                .unwrap(),
            name: CREATE_TASK.to_owned(),
            owner: Owner::Server(GuildId::new(1).unwrap()),
            fields: Value::Null,
            encrypted: true,
            state,
            requested: true,
            output: (state == TaskState::Completed).then_some(output),
            expires_at: None,
            attempts: 1,
            lease_owner: None,
            lease_until: None,
            run_after: at,
            slot: None,
            created_at: at,
            last_updated: at,
            advance: None,
            deadline_at: None,
        }
    }

    #[test]
    fn an_empty_list_says_how_to_begin() {
        let page = shown(&render(&[], 0, false, "https://a"));
        assert_eq!(page["components"], json!([]));
        assert!(
            page["embeds"][0]["description"]
                .as_str()
                .unwrap()
                .contains("/backups create")
        );
    }

    #[test]
    fn one_page_needs_no_buttons() {
        let rows = vec![row(TaskState::Completed); PER_PAGE];
        let page = shown(&render(&rows, 0, false, "https://a"));
        assert_eq!(page["embeds"].as_array().unwrap().len(), 10);
        assert_eq!(page["components"], json!([]));
    }

    #[test]
    fn the_last_page_does_not_lead_further() {
        let page = shown(&render(&[row(TaskState::Failed)], 2, false, "https://a"));
        insta::assert_json_snapshot!(page["components"][0]["components"], @r#"
        [
          {
            "type": 2,
            "style": 1,
            "custom_id": "bklist:1",
            "label": "Previous",
            "disabled": false
          },
          {
            "type": 2,
            "style": 1,
            "custom_id": "bklist:3",
            "label": "Next",
            "disabled": true
          }
        ]
        "#);
    }

    #[test]
    fn entries_link_to_what_can_be_downloaded() {
        let page = shown(&render(
            &[row(TaskState::Completed), row(TaskState::Running)],
            0,
            false,
            "https://a",
        ));
        insta::assert_snapshot!(page["embeds"][1]["description"].as_str().unwrap(), @r"
        :white_check_mark: completed | created <t:1700000000:f> (<t:1700000000:R>) | encrypted
        :link: [Download antiraid-backup.iblfile](https://a/tasks/0f8fad5b-d9cb-469f-a165-70867728950e/ioauth/download-link)
        ");
        assert!(
            !page["embeds"][2]["description"]
                .as_str()
                .unwrap()
                .contains("Download")
        );
    }
}
