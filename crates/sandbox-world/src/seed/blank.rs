//! `blank`: one server that its owner has just made, with nothing in it but the bot.

use super::site::Site;
use super::small::{self, APPLICATION, OWNER};
use crate::world::permissions as perm;
use crate::world::{Guild, Id, Integration, World};

/// The server.
pub const GUILD: Id = small::GUILDS[0];

pub(super) fn blank(world: &mut World) {
    small::people(world, 1);
    let guild = Guild::new(GUILD, "Blank", OWNER);
    let mut site = small::open(world, guild, 0);
    bot(&mut site);
    let text = site.channel(4, "Text Channels", None, |_| {});
    let general = site.channel(0, "general", Some(text), |_| {});
    site.guild().system_channel_id = Some(general);
}

/// As somebody adds it who wants it to restore a server.
fn bot(site: &mut Site<'_>) {
    let role = site.role("Splashtail", perm::ADMINISTRATOR, 1, 0);
    if let Some(role) = site.guild().roles.get_mut(&role) {
        role.managed = true;
        role.bot = Some(APPLICATION);
    }
    if let Some(member) = site.guild().members.get_mut(&APPLICATION) {
        member.roles.insert(role);
    }
    let integration = Integration {
        id: site.id(),
        app: APPLICATION,
        bot: APPLICATION,
        added_by: OWNER,
        scopes: vec!["applications.commands".to_owned(), "bot".to_owned()],
    };
    site.guild()
        .integrations
        .insert(integration.id, integration);
}
