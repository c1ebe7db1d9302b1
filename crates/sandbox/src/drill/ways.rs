//! By which way newcomers of a raid come in: by an invite, as people do, unless the server can be found
//! without one.

use std::cmp::Reverse;

use http::Method;
use serde_json::Value;
use splashtail_sandbox_world::rest::Request;
use splashtail_sandbox_world::world::{Door, Guild, Id, Invite, World};

use crate::server::struck::joining;

/// A way in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// The server is listed for everyone.
    #[default]
    Discovery,
    /// An invite, or the vanity code.
    Code(String),
}

impl Way {
    pub fn door(&self, guild: Id) -> Door<'_> {
        match self {
            Self::Discovery => Door::Guild(guild),
            Self::Code(code) => Door::Code(code),
        }
    }

    /// What a client sends.
    pub fn request(&self, guild: Id) -> Request {
        match self {
            Self::Discovery => joining(guild),
            Self::Code(code) => {
                Request::act(Method::POST, format!("/invites/{code}"), &Value::Null)
            }
        }
    }
}

/// The ways of raiders and of the harmless wave. Raiders share the invite that most people have come by
/// and that lets everyone in; the wave comes by the vanity code where there is one, else by the same
/// invite. A server that has none gets one of its owner's.
pub(super) fn ways_in(world: &mut World, guild_id: Id, open: &[Id]) -> (Way, Way) {
    let now = world.now();
    let Some(guild) = world.guilds.get(&guild_id) else {
        return Default::default();
    };
    if guild.features.contains("DISCOVERABLE") {
        return Default::default();
    }
    let vanity = guild.vanity_url_code.clone();
    let own = world.invites.values().filter(|i| i.guild == guild_id);
    let own = own.filter(|i| i.alive(now) && i.max_uses == 0 && i.max_age == 0);
    let known = own.min_by_key(|i| (Reverse(i.uses), i.created_at, i.code.clone()));
    let known = known.map(|i| i.code.clone()).or_else(|| vanity.clone());
    let raiders = match known {
        Some(code) => code,
        None => match invite(world, guild_id, open) {
            Some(code) => code,
            None => return Default::default(),
        },
    };
    let guests = vanity.unwrap_or_else(|| raiders.clone());
    (Way::Code(raiders), Way::Code(guests))
}

/// An invite of the owner's that never ends.
fn invite(world: &mut World, guild_id: Id, open: &[Id]) -> Option<String> {
    let guild: &Guild = world.guilds.get(&guild_id)?;
    let (inviter, any) = (guild.owner_id, guild.channels.first().copied());
    let channel = open.first().copied().or(any)?;
    let number = world.next_id();
    let code = world.secret(&format!("invite {number}"), 8);
    let created_at = world.now();
    world.add_invite(Invite {
        code: code.clone(),
        guild: guild_id,
        channel,
        inviter,
        max_age: 0,
        max_uses: 0,
        uses: 0,
        temporary: false,
        roles: Default::default(),
        created_at,
    });
    Some(code)
}
