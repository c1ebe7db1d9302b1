//! A bot joins a guild: its managed role, its integration, and what the audit log says.

use serde_json::json;

use super::{Audit, Id, Integration, Member, Role, Stamp, World, action, intent};

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

    /// Has an application's bot in a guild since long: nobody is told, and the audit log has forgotten.
    /// Nothing when the guild or the application does not exist.
    pub fn settle_bot(&mut self, guild_id: Id, app_id: Id, by: Id, permissions: u64, since: Stamp) {
        let id = self.old_id(since);
        let app = self.apps.get(&app_id);
        let Some((app, guild)) = app.zip(self.guilds.get_mut(&guild_id)) else {
            return;
        };
        let role = managed_role(id, app.bot, &app.name, permissions);
        guild.roles.insert(id, role);
        let mut member = Member::new(app.bot, since);
        member.roles.insert(id);
        guild.members.insert(app.bot, member);
        guild.bots.push(app.bot);
        guild.bots.sort_unstable();
        let integration = integration(app_id, app.bot, by);
        guild.integrations.insert(app_id, integration);
    }

    fn give_managed_role(&mut self, guild_id: Id, bot: Id, name: &str, permissions: u64) {
        let id = self.next_id();
        self.add_role(guild_id, managed_role(id, bot, name, permissions));
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
        let integration = integration(app, bot, by);
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

fn managed_role(id: Id, bot: Id, name: &str, permissions: u64) -> Role {
    let mut role = Role::new(id, name, permissions, 1);
    role.managed = true;
    role.bot = Some(bot);
    role
}

fn integration(app: Id, bot: Id, added_by: Id) -> Integration {
    Integration {
        id: app,
        app,
        bot,
        added_by,
        scopes: vec!["bot".to_owned(), "applications.commands".to_owned()],
    }
}
