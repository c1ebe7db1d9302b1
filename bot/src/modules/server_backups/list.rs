//! `/backups list`.

use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::CreateEmbed;
use splashtail_core::config::without_slash;
use splashtail_storage::{Owner, TaskCursor, TaskQuery, TaskRow};

use super::{Backups, CREATE_TASK};
use crate::app::Context;
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::markdown::{neutralise, shorten};
use crate::modules::jobs::{download_link, icon, words};
use crate::pages::{self, Pages, Reader};
use crate::reply;
use crate::text;

/// With the header it makes the 10 embeds that fit into one message.
const PER_PAGE: usize = 9;

/// List the backups of this server, newest first.
#[poise::command(prefix_command, slash_command, guild_only, user_cooldown = 5)]
pub async fn list(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    pages::show::<BackupList>(cx, "").await
}

pub(super) struct BackupList;

#[async_trait]
impl Pages for BackupList {
    const PREFIX: &'static str = "bklist";

    fn command(_: &str) -> Option<String> {
        pages::command("backups list")
    }

    async fn page(reader: &Reader, number: usize) -> Result<CreateReply, BotError> {
        let backups = reader.app.services.get::<Backups>()?;
        let guild = reader.guild()?;
        let now = backups.clock.now();
        let mut after: Option<TaskCursor> = None;
        let mut at = 0;
        let (rows, more) = loop {
            // One more than a page holds tells whether another page follows.
            let query = TaskQuery {
                owner: Owner::Server(guild),
                name: Some(CREATE_TASK),
                after,
                limit: PER_PAGE as u32 + 1,
            };
            let mut rows = backups.storage.tasks().list(&query, now).await?;
            let more = rows.len() > PER_PAGE;
            rows.truncate(PER_PAGE);
            match rows.last().filter(|_| more && at < number) {
                Some(last) => after = Some(last.cursor()),
                None => break (rows, more),
            }
            at += 1;
        };
        let api = without_slash(&backups.config.sites.api);
        let buttons = reader.turning.buttons(Self::PREFIX, at, more);
        let language = reader.turning.language;
        Ok(render(language, &rows, at, api).components(buttons))
    }
}

fn render(language: Language, rows: &[TaskRow], page: usize, api: &str) -> CreateReply {
    let text = match (rows.is_empty(), page) {
        (true, 0) => text!(language, "backups-none"),
        (true, _) => text!(language, "backups-no-more"),
        (false, page) => text!(language, "backups-page", page = page + 1),
    };
    let header = CreateEmbed::new()
        .title(text!(language, "backups-title"))
        .description(text)
        .colour(colours::BLUE);
    let mut reply = CreateReply::default().embed(header);
    for row in rows {
        reply = reply.embed(embed(language, row, api));
    }
    reply
}

fn embed(language: Language, row: &TaskRow, api: &str) -> CreateEmbed {
    let created = row.created_at.timestamp();
    let (at, since) = (format!("<t:{created}:f>"), format!("<t:{created}:R>"));
    let (icon, state) = (icon(row.state), words(language, row.state));
    let mut text = match row.encrypted {
        true => text!(
            language,
            "backups-line-encrypted",
            icon = icon,
            state = state,
            at = at,
            since = since
        ),
        false => text!(
            language,
            "backups-line",
            icon = icon,
            state = state,
            at = at,
            since = since
        ),
    };
    if let Some(output) = &row.output {
        let filename = neutralise(&shorten(&output.filename, 100));
        let label = text!(language, "task-download-file", file = filename);
        text.push_str(&format!(
            "\n:link: [{label}]({})",
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
    use serde_json::Value;
    use splashtail_core::ids::{GuildId, TaskId};
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
        let page = shown(&render(Language::English, &[], 0, "https://a"));
        assert!(
            page["embeds"][0]["description"]
                .as_str()
                .unwrap()
                .contains("/backups create")
        );
    }

    #[test]
    fn entries_link_to_what_can_be_downloaded() {
        let page = shown(&render(
            Language::English,
            &[row(TaskState::Completed), row(TaskState::Running)],
            0,
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
