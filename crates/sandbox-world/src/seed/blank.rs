//! `blank`: one server with nothing in it but its people and the bot.

use super::site::Site;
use super::small::{self, APPLICATION, OWNER};
use crate::world::permissions as perm;
use crate::world::{Guild, Id, Integration, World};

/// The server: none of another world, so that nothing of theirs is taken for its own.
pub const GUILD: Id = Id(1_100_000_000_269_615_104);
/// Its objects are numbered apart from those of all other worlds.
const BLOCK: u64 = 99;

pub(super) fn blank(world: &mut World) {
    small::people(world, 1);
    let guild = Guild::new(GUILD, "Blank", OWNER);
    let mut site = small::open(world, guild, BLOCK);
    bot(&mut site);
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
