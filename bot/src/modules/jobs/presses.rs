//! The message under which somebody pressed.

use serde_json::json;
use splashtail_core::ids::GuildId;
use splashtail_core::telemetry::Chain;
use splashtail_permissions::PermissionResult;
use tracing::warn;

use super::{Board, Jobs};
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::framework::check::Checked;
use crate::presses::Press;
use crate::text;

impl Jobs {
    /// It, for a task.
    pub(in crate::modules) fn board_of(&self, press: &Press, guild: GuildId) -> Board {
        let shown = (self.api(), self.language_of(guild));
        match press.message {
            Some(message) => Board::at(&self.discord, press.channel, message, shown),
            None => Board::new_in(&self.discord, press.channel, shown),
        }
    }

    /// Whoever could run the command may have lost it since.
    pub(in crate::modules) async fn may(
        &self,
        press: &Press,
        guild: GuildId,
        command: &str,
    ) -> Result<(), String> {
        let permissions = self.permissions(press, guild, command);
        permissions.await.map(drop)
    }

    /// The same, and what they may do in the server as a whole.
    pub(in crate::modules) async fn permissions(
        &self,
        press: &Press,
        guild: GuildId,
        command: &str,
    ) -> Result<u64, String> {
        let Some(reach) = self.reach.get() else {
            return Err(text!(press.language, "jobs-away"));
        };
        let commands = [command.to_owned()];
        let checks = reach.checks.checks(guild, press.user, &commands, None);
        let Checked {
            mut results,
            permissions,
        } = checks.await;
        let result = results.pop();
        let result = result.unwrap_or(PermissionResult::ModuleNotFound {});
        match result.is_ok() {
            true => Ok(permissions.unwrap_or_default()),
            false => Err(BotError::Denied(result).user_text(press.language)),
        }
    }

    /// Puts a last word in its place.
    pub(in crate::modules) async fn show(
        &self,
        press: &Press,
        guild: GuildId,
        said: impl Fn(Language) -> (String, String),
    ) {
        let Some(message) = press.message else { return };
        let language = self.language_of(guild);
        let (title, text) = said(language);
        let embed = json!({"title": title, "description": text, "color": colours::BLUE.0});
        let body = json!({"content": "", "embeds": [embed], "components": [],
                          "allowed_mentions": {"parse": []}});
        let mut board = Board::at(
            &self.discord,
            press.channel,
            message,
            (self.api(), language),
        );
        if let Err(error) = board.show(&body).await {
            warn!(channel.id = %press.channel, error = %Chain(&error), "a message stays as it was");
        }
    }
}
