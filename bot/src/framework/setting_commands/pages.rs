use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serde_json::Value;
use serenity::CreateEmbed;

use super::answer::shown;
use crate::colours;
use crate::configuration::Refusal;
use crate::error::BotError;
use crate::markdown::{neutralise, shorten};
use crate::pages::{Pages, Reader};
use crate::settings::{Fields, Setting};
use crate::text;

/// Entries on a page: with titles and values they stay below the 6000 characters of a message.
const PER_PAGE: usize = 5;
const MAX_FIELD: usize = 900;

/// The entries of the setting that the pages are about.
pub struct Entries;

#[async_trait]
impl Pages for Entries {
    const PREFIX: &'static str = "setting";

    fn command(setting: &str) -> Option<String> {
        Some(format!("{setting} view"))
    }

    async fn page(reader: &Reader, number: usize) -> Result<CreateReply, BotError> {
        let app = &reader.app;
        let known = app.registry.setting(&reader.turning.about);
        let Some((_, setting)) = known else {
            return Err(Refusal::NoSetting(reader.turning.about.clone()).into());
        };
        let language = reader.turning.language;
        let (asked, id) = (reader.asked().await?, setting.id);
        let offset = number.saturating_mul(PER_PAGE);
        let view = app.configuration.view(&asked, id, offset, PER_PAGE).await?;
        let pages = view.count.div_ceil(PER_PAGE).max(1);
        let mut embed = CreateEmbed::new()
            .title(setting.name_in(language))
            .colour(colours::BLUE);
        if view.count == 0 {
            embed = embed.description(text!(language, "entries-none", setting = id));
        }
        for row in &view.rows {
            let values = shown(setting, row);
            embed = embed.field(title(setting, row), shorten(&values, MAX_FIELD), false);
        }
        let footer = text!(
            language,
            "entries-foot",
            page = reader.turning.of(number, pages),
            count = view.count
        );
        let embed = embed.footer(serenity::CreateEmbedFooter::new(footer));
        Ok(CreateReply::default()
            .embed(embed)
            .components(
                reader
                    .turning
                    .buttons(Self::PREFIX, number, number + 1 < pages),
            ))
    }
}

/// The template with the row's values in it.
fn title(setting: &Setting, row: &Fields) -> String {
    let mut title = setting.title_template.to_owned();
    for (column, value) in row {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        title = title.replace(&format!("{{{column}}}"), &value);
    }
    neutralise(&shorten(&title, 100))
}
