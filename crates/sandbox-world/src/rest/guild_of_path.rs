//! Which guild a request is about.

use percent_encoding::percent_decode_str;

use crate::world::{Id, World};

/// The guild that a path below `/api/v10` leads into, whether or not there is such a route. `None`
/// also when its id, code or token is of nothing that exists.
pub fn guild_in(world: &World, path: &str) -> Option<Id> {
    let steps = path.split('/').skip(1);
    let steps: Vec<_> = steps
        .map(|step| percent_decode_str(step).decode_utf8_lossy())
        .collect();
    let steps: Vec<&str> = steps.iter().map(AsRef::as_ref).collect();
    let id = |text: &str| text.parse::<Id>().ok();
    match steps[..] {
        ["guilds", "templates", code, ..] => Some(world.templates.get(code)?.guild),
        ["guilds", guild, ..]
        | ["users", _, "guilds", guild, ..]
        | ["applications", _, "guilds", guild, ..] => id(guild),
        ["channels" | "stage-instances", channel, ..] => world.guild_of(id(channel)?),
        ["invites", code, ..] => world.guild_behind(code),
        ["interactions", interaction, ..] => world.interactions.get(&id(interaction)?)?.guild,
        ["webhooks", webhook, ref rest @ ..] => {
            let token = rest.first().and_then(|t| world.interaction_tokens.get(*t));
            match token {
                Some(interaction) => world.interactions.get(interaction)?.guild,
                None => Some(world.webhooks.get(&id(webhook)?)?.guild),
            }
        }
        ["stickers", sticker, ..] => {
            let sticker = id(sticker)?;
            let mut guilds = world.guilds.values();
            Some(guilds.find(|g| g.stickers.contains_key(&sticker))?.id)
        }
        _ => None,
    }
}
