//! Addresses of the CDN.

use std::collections::HashMap;

use http::StatusCode;
use splashtail_sandbox_world::world::{AssetKind, Id, World};

use super::Found;
use super::picture::Format;

/// A path of the CDN, taken apart.
#[derive(Debug)]
pub(super) enum Address {
    Attachment {
        channel: Id,
        id: Id,
        filename: String,
        signature: (String, String, String),
    },
    DefaultAvatar(u8),
    Media(Media),
}

/// A picture or sticker.
#[derive(Debug)]
pub(super) struct Media {
    kind: AssetKind,
    owner: Id,
    /// Guild of a member's own avatar.
    guild: Option<Id>,
    /// Empty for emojis, stickers and sounds.
    hash: String,
    /// `None` for Lottie and sounds.
    pub(super) format: Option<Format>,
    pub(super) size: Option<u32>,
}

impl Address {
    /// `None` when the path is not the CDN's; an error status when it is, but cannot be served.
    pub(super) fn parse(path: &str, query: &str) -> Option<Result<Self, StatusCode>> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let parameters: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let media = |kind, owner: &str, guild: Option<&str>, file: &str, hashed: bool| {
            Media::parse(kind, owner, guild, file, hashed, parameters.get("size")).map(Self::Media)
        };
        use AssetKind::*;
        Some(match segments[..] {
            ["attachments", channel, id, filename] => {
                let get = |key: &str| parameters.get(key).cloned().unwrap_or_default();
                match (channel.parse(), id.parse()) {
                    (Ok(channel), Ok(id)) => Ok(Self::Attachment {
                        channel,
                        id,
                        filename: percent_encoding::percent_decode_str(filename)
                            .decode_utf8_lossy()
                            .into_owned(),
                        signature: (get("ex"), get("is"), get("hm")),
                    }),
                    _ => Err(StatusCode::NOT_FOUND),
                }
            }
            ["embed", "avatars", file] => match file.strip_suffix(".png").map(str::parse) {
                Some(Ok(n @ 0..=5)) => Ok(Self::DefaultAvatar(n)),
                _ => Err(StatusCode::NOT_FOUND),
            },
            ["avatars", owner, file] => media(Avatar, owner, None, file, true),
            ["banners", owner, file] => media(Banner, owner, None, file, true),
            ["icons" | "app-icons", owner, file] => media(Icon, owner, None, file, true),
            ["splashes", owner, file] => media(Splash, owner, None, file, true),
            ["discovery-splashes", owner, file] => media(DiscoverySplash, owner, None, file, true),
            ["role-icons", owner, file] => media(RoleIcon, owner, None, file, true),
            ["guild-events", owner, file] => media(EventCover, owner, None, file, true),
            ["guilds", guild, "users", user, "avatars", file] => {
                media(GuildAvatar, user, Some(guild), file, true)
            }
            ["guilds", guild, "users", user, "banners", file] => {
                media(Banner, user, Some(guild), file, true)
            }
            ["emojis", file] => media(Emoji, "0", None, file, false),
            ["soundboard-sounds", id] => match id.parse() {
                Ok(id) => Ok(Self::Media(Media::recording(id))),
                Err(_) => Err(StatusCode::NOT_FOUND),
            },
            ["stickers", file] => media(Sticker, "0", None, file, false),
            _ => return None,
        })
    }
}

impl Media {
    fn parse(
        kind: AssetKind,
        owner: &str,
        guild: Option<&str>,
        file: &str,
        hashed: bool,
        size: Option<&String>,
    ) -> Result<Self, StatusCode> {
        let missing = StatusCode::NOT_FOUND;
        let (stem, extension) = file.rsplit_once('.').ok_or(missing)?;
        let format = match extension {
            "json" if kind == AssetKind::Sticker => None,
            other => Some(Format::from_extension(other).ok_or(StatusCode::UNSUPPORTED_MEDIA_TYPE)?),
        };
        let size = match size {
            None => None,
            Some(text) => match text.parse::<u32>() {
                Ok(n) if n.is_power_of_two() && (16..=4096).contains(&n) => Some(n),
                _ => return Err(StatusCode::BAD_REQUEST),
            },
        };
        let (owner, hash) = if hashed {
            if format == Some(Format::Gif) && !stem.starts_with("a_") {
                return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            (owner.parse().map_err(|_| missing)?, stem.to_owned())
        } else {
            (stem.parse().map_err(|_| missing)?, String::new())
        };
        let guild = guild.map(|g| g.parse()).transpose().map_err(|_| missing)?;
        Ok(Self {
            kind,
            owner,
            guild,
            hash,
            format,
            size,
        })
    }

    /// A sound, which comes as it was uploaded.
    fn recording(id: Id) -> Self {
        Self {
            kind: AssetKind::Sound,
            owner: id,
            guild: None,
            hash: String::new(),
            format: None,
            size: None,
        }
    }

    /// Seed of the drawn picture.
    pub(super) fn name(&self) -> String {
        format!("{:?} {} {}", self.kind, self.owner, self.hash)
    }

    /// The upload; or, for what a seeded world only names, the fact that it is named.
    pub(super) fn find(&self, world: &World) -> Option<Found> {
        if let Some(stored) = world.assets.get(self.kind, self.owner, &self.hash) {
            return Some(Found::Stored(stored.clone()));
        }
        let named = |hash: &Option<String>| hash.as_deref() == Some(self.hash.as_str());
        let (user, guild) = (world.users.get(&self.owner), world.guilds.get(&self.owner));
        let is_named = match self.kind {
            AssetKind::Avatar => user.is_some_and(|u| named(&u.avatar)),
            AssetKind::Icon => {
                guild.is_some_and(|g| named(&g.icon))
                    || world.apps.get(&self.owner).is_some_and(|a| named(&a.icon))
            }
            AssetKind::Splash => guild.is_some_and(|g| named(&g.splash)),
            AssetKind::DiscoverySplash => guild.is_some_and(|g| named(&g.discovery_splash)),
            AssetKind::Banner | AssetKind::GuildAvatar => {
                let member = self
                    .guild
                    .and_then(|g| world.guilds.get(&g)?.members.get(&self.owner));
                match (member, self.kind) {
                    (Some(m), AssetKind::GuildAvatar) => named(&m.avatar),
                    (Some(m), _) => named(&m.banner),
                    (None, AssetKind::Banner) => {
                        user.is_some_and(|u| named(&u.banner))
                            || guild.is_some_and(|g| named(&g.banner))
                    }
                    (None, _) => false,
                }
            }
            AssetKind::RoleIcon => {
                let mut roles = world
                    .guilds
                    .values()
                    .filter_map(|g| g.roles.get(&self.owner));
                roles.any(|r| named(&r.icon))
            }
            AssetKind::Emoji => {
                let guilds = world.guilds.values().map(|g| &g.emojis);
                let mut all = guilds.chain(world.apps.values().map(|a| &a.emojis));
                all.any(|emojis| emojis.contains_key(&self.owner))
            }
            AssetKind::Sticker => world
                .guilds
                .values()
                .any(|g| g.stickers.contains_key(&self.owner)),
            AssetKind::Attachment | AssetKind::EventCover | AssetKind::Sound => false,
        };
        is_named.then_some(Found::Named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str, query: &str) -> StatusCode {
        Address::parse(path, query).unwrap().unwrap_err()
    }

    #[test]
    fn sizes_are_powers_of_two_and_only_animated_hashes_have_gifs() {
        assert_eq!(
            refused("/icons/1/abc.png", "size=100"),
            StatusCode::BAD_REQUEST
        );
        assert_eq!(
            refused("/icons/1/abc.png", "size=8"),
            StatusCode::BAD_REQUEST
        );
        assert!(
            Address::parse("/icons/1/abc.png", "size=4096")
                .unwrap()
                .is_ok()
        );
        assert_eq!(
            refused("/icons/1/abc.gif", ""),
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
        assert!(Address::parse("/icons/1/a_abc.gif", "").unwrap().is_ok());
        assert_eq!(
            refused("/icons/1/abc.bmp", ""),
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
        assert_eq!(refused("/icons/x/abc.png", ""), StatusCode::NOT_FOUND);
        assert_eq!(refused("/embed/avatars/6.png", ""), StatusCode::NOT_FOUND);
        assert!(Address::parse("/api/v10/gateway", "").is_none());
    }
}
