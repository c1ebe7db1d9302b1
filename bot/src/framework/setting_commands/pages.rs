use std::sync::Arc;

use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serde_json::Value;
use serenity::CreateEmbed;

use super::answer::shown;
use crate::app::App;
use crate::colours;
use crate::configuration::Asked;
use crate::error::BotError;
use crate::markdown::{cut, neutralise};
use crate::pages::{Pages, buttons};
use crate::settings::{Fields, Setting};

/// Entries on a page: with titles and values they stay below the 6000 characters of a message.
const PER_PAGE: usize = 5;
const MAX_FIELD: usize = 1000;

/// The entries of a setting.
pub struct Entries<'a> {
    app: &'a App,
    asked: Asked,
    setting: Arc<Setting>,
}

impl<'a> Entries<'a> {
    pub fn new(app: &'a App, asked: Asked, setting: &Arc<Setting>) -> Self {
        Self {
            app,
            asked,
            setting: Arc::clone(setting),
        }
    }
}

#[async_trait]
impl Pages for Entries<'_> {
    const PREFIX: &'static str = "setting";

    async fn page(&mut self, number: usize) -> Result<CreateReply, BotError> {
        let (asked, id) = (&self.asked, self.setting.id);
        let offset = number.saturating_mul(PER_PAGE);
        let view = self
            .app
            .configuration
            .view(asked, id, offset, PER_PAGE)
            .await?;
        let pages = view.count.div_ceil(PER_PAGE).max(1);
        let mut embed = CreateEmbed::new()
            .title(self.setting.name)
            .colour(colours::BLUE);
        if view.count == 0 {
            embed = embed.description(format!(
                "Nothing is set yet. `/{id} create` adds the first entry."
            ));
        }
        for row in &view.rows {
            let values = shown(&self.setting, row);
            embed = embed.field(title(&self.setting, row), cut(&values, MAX_FIELD), false);
        }
        let footer = format!("Page {} of {pages}, entries: {}", number + 1, view.count);
        let embed = embed.footer(serenity::CreateEmbedFooter::new(footer));
        Ok(CreateReply::default()
            .embed(embed)
            .components(buttons(Self::PREFIX, number, pages)))
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
    neutralise(cut(&title, 200))
}
