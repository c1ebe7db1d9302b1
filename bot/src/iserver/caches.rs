//! What is kept in memory, and those who know that it is out of date.

use axum::http::StatusCode;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_ipc::http::ErrorResponse;

use crate::app::App;
use crate::framework::gate::NoToggle;

pub trait Caches: Send + Sync {
    /// What a guild has set is read anew before it is decided on, and so are the roles of one or of
    /// all its members.
    fn invalidate(&self, guild: GuildId, user: Option<UserId>);

    /// A module was switched: in one guild, whose row says so by now, or here altogether, until the
    /// process ends. Off altogether holds against every row; on only ends that.
    ///
    /// # Errors
    /// 404 for a module that there is not, 409 for one that cannot be switched.
    fn toggle(
        &self,
        guild: Option<GuildId>,
        module: &str,
        enabled: bool,
    ) -> Result<(), ErrorResponse>;
}

impl Caches for App {
    fn invalidate(&self, guild: GuildId, user: Option<UserId>) {
        self.configuration.doubt(guild);
        self.state.guilds.forget_members(guild, user);
    }

    fn toggle(
        &self,
        guild: Option<GuildId>,
        module: &str,
        enabled: bool,
    ) -> Result<(), ErrorResponse> {
        let refused = |error: NoToggle| match error {
            NoToggle::NoModule => ErrorResponse::new(
                StatusCode::NOT_FOUND,
                "unknown_module",
                "there is no such module",
            ),
            NoToggle::Fixed => ErrorResponse::new(
                StatusCode::CONFLICT,
                "not_toggleable",
                "the module cannot be switched on or off",
            ),
        };
        match guild {
            Some(guild) => {
                self.gate.check_toggle(module).map_err(refused)?;
                self.invalidate(guild, None);
                Ok(())
            }
            None => self.gate.switch(module, enabled).map_err(refused),
        }
    }
}
