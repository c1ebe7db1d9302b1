//! A bot joins a guild: its managed role, its integration, and what the audit log says.

use serde_json::json;

use super::{Audit, Id, Integration, Role, World, action, intent};

impl World {
    /// Lets an application's bot into a guild on behalf of `by`. With permissions it gets a
    /// managed role of its own. A bot that is there already only renews its integration.
    ///
    /// `false` when the guild or the application does not exist, or the bot is banned.
    pub fn add_bot(&mut self, guild_id: Id, app_id: Id, by: Id, permissions: u64) -> bool {
        let Some(app) = self.apps.get(&app_id) else {
            return false;
        };
        let (bot, name) = (app.bot, app.name.clone());
        let Some(guild) = self.guilds.get(&guild_id) else {
            return false;
        };
        if guild.bans.contains_key(&bot) {
            return false;
        }
        if !guild.members.contains_key(&bot) {
            self.add_member(guild_id, bot);
            self.audit(guild_id, Audit::of(action::BOT_ADD, by).target(bot));
            if permissions != 0 {
                self.give_managed_role(guild_id, bot, &name, permissions);
            }
        }
        self.renew_integration(guild_id, app_id, bot, by);
        true
    }

    fn give_managed_role(&mut self, guild_id: Id, bot: Id, name: &str, permissions: u64) {
        let id = self.next_id();
        let mut role = Role::new(id, name, permissions, 1);
        role.managed = true;
        role.bot = Some(bot);
        self.add_role(guild_id, role);
        self.edit_member(guild_id, bot, |member| {
            member.roles.insert(id);
        });
    }

    fn renew_integration(&mut self, guild_id: Id, app: Id, bot: Id, by: Id) {
        let known = self
            .guilds
            .get(&guild_id)
            .and_then(|g| g.integrations.get(&app))
            .is_some();
        if known {
            return;
        }
        let scopes = vec!["bot".to_owned(), "applications.commands".to_owned()];
        let integration = Integration {
            id: app,
            app,
            bot,
            added_by: by,
            scopes,
        };
        let mut payload = self.integration_json(&integration);
        payload["guild_id"] = json!(guild_id);
        if let Some(guild) = self.guilds.get_mut(&guild_id) {
            guild.integrations.insert(app, integration);
        }
        self.emit(
            guild_id,
            "INTEGRATION_CREATE",
            intent::GUILD_INTEGRATIONS,
            0,
            payload,
        );
        self.integrations_updated(guild_id);
        let created = action::INTEGRATION_CREATE;
        self.audit(guild_id, Audit::of(created, by).target(app));
    }
}
