//! Where servers stand with setting the bot up, and what is wrong in them.

use std::sync::Arc;
use std::time::Duration;

use splashtail_api_types::health::GuildHealth;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::Config;
use splashtail_core::ids::GuildId;
use splashtail_discord::permissions::bits;
use splashtail_ipc::clients::JobserverClient;
use splashtail_storage::Storage;
use url::Url;

use super::finding::{Finding, Platform};
use super::look::{Look, TO_WRITE};
use super::page::{Around, Page};
use super::press::unknown;
use super::report::report;
use super::shown::shown;
use super::step::Step;
use crate::app::App;
use crate::catalogue::Language;
use crate::cluster::ShardView as _;
use crate::error::BotError;
use crate::modules::Foundation;

/// Longest wait for a sign of life of another daemon.
const LIFE: Duration = Duration::from_millis(1500);

pub struct Setup {
    pub(super) config: Arc<Config>,
    clock: SharedClock,
    storage: Storage,
    jobserver: JobserverClient,
}

impl Setup {
    pub fn new(foundation: &Foundation) -> Self {
        let Foundation {
            config,
            clock,
            storage,
            jobserver,
            ..
        } = foundation.clone();
        Self {
            config,
            clock,
            storage,
            jobserver,
        }
    }

    /// The step where the owner goes on.
    ///
    /// # Errors
    /// The server is not known, or the database did not answer.
    pub async fn resume(
        &self,
        app: &App,
        guild: GuildId,
        language: Language,
    ) -> Result<Page, BotError> {
        let look = Look::at(app, guild)?.ok_or_else(|| unknown(language))?;
        let passed = self.storage.setups().passed(guild).await?;
        let step = Step::first_open(&look, &passed);
        Ok(self.show(app, language, &look, &passed, step))
    }

    /// A step, or the end.
    ///
    /// # Errors
    /// The server is not known, or the database did not answer.
    pub async fn page(
        &self,
        app: &App,
        guild: GuildId,
        language: Language,
        step: Option<Step>,
    ) -> Result<Page, BotError> {
        let look = Look::at(app, guild)?.ok_or_else(|| unknown(language))?;
        let passed = self.storage.setups().passed(guild).await?;
        Ok(self.show(app, language, &look, &passed, step))
    }

    fn show(
        &self,
        app: &App,
        language: Language,
        look: &Look,
        passed: &[String],
        step: Option<Step>,
    ) -> Page {
        let around = Around {
            language,
            look,
            passed,
            invite: &self.invite(app, look, look.wanted),
            invite_all: &self.invite(app, look, bits::ADMINISTRATOR),
        };
        Page::of(around, step)
    }

    /// Where the owner gives the bot these permissions beside those it has.
    fn invite(&self, app: &App, look: &Look, wanted: u64) -> Url {
        let mut address = self.config.discord.authorize_url.clone();
        let own = app.state.guilds.own_user().map(|id| id.to_string());
        let client = self.config.discord_auth.client_id.map(|id| id.to_string());
        let permissions = look.own | wanted | TO_WRITE;
        address
            .query_pairs_mut()
            .append_pair("client_id", &client.or(own).unwrap_or_default())
            .append_pair("scope", "bot applications.commands")
            .append_pair("permissions", &permissions.to_string())
            .append_pair("guild_id", &look.guild.to_string())
            .append_pair("disable_guild_select", "true");
        address
    }

    /// What is wrong, worst first.
    ///
    /// # Errors
    /// The server is not known.
    pub async fn report(
        &self,
        app: &App,
        guild: GuildId,
        language: Language,
        may_act: bool,
    ) -> Result<Page, BotError> {
        let platform = self.platform(app).await;
        let look = Look::at(app, guild)?.ok_or_else(|| unknown(language))?;
        let findings = Finding::all(&look, platform);
        let invite = self.invite(app, &look, look.wanted);
        Ok(report(language, &look, &findings, &invite, may_act))
    }

    /// The same, and how far setting up is, for pages and programs. `None` while the server is not
    /// known.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn health(&self, app: &App, guild: GuildId) -> Result<Option<GuildHealth>, BotError> {
        let platform = self.platform(app).await;
        let Some(look) = Look::at(app, guild)? else {
            return Ok(None);
        };
        let passed = self.storage.setups().passed(guild).await?;
        let findings = Finding::all(&look, platform);
        let invite = self.invite(app, &look, look.wanted);
        Ok(Some(shown(&look, &findings, &passed, &invite)))
    }

    async fn platform(&self, app: &App) -> Platform {
        let (jobserver, database, shards) = tokio::join!(
            tokio::time::timeout(LIFE, self.jobserver.ready()),
            tokio::time::timeout(LIFE, self.storage.ping()),
            app.state.health(),
        );
        Platform {
            jobserver: matches!(jobserver, Ok(Ok(()))),
            database: matches!(database, Ok(Ok(()))),
            shards_down: shards.iter().filter(|shard| !shard.up).count(),
            shards: shards.len(),
        }
    }

    /// Notes that the owner went past a step.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn pass(&self, guild: GuildId, step: Step) -> Result<(), BotError> {
        let now = self.clock.now();
        Ok(self.storage.setups().pass(guild, step.id(), now).await?)
    }

    /// # Errors
    /// The database did not answer.
    pub async fn forget(&self, guild: GuildId) -> Result<(), BotError> {
        Ok(self.storage.setups().forget(guild).await?)
    }
}
