//! `odd`: the guild of edge cases that public bug reports name.

use super::files;
use super::people::{Kind, People};
use super::site::{MINUTE, Site, TALK_MS, at};
use super::small::{self, MEMBER, OWNER};
use crate::world::permissions as perm;
use crate::world::{AssetKind, Emoji, Guild, Id, Member, Overwrite, Stamp, World};

/// The guild of `odd`: the first one of `small`.
pub const ODD_GUILD: Id = small::GUILDS[0];
/// Listeners of the stage.
pub const AUDIENCE: usize = 10_000;
/// Files of one name in one channel.
pub const FILES: usize = 600;

/// One hundred code points: letters that join, turn the direction, or have no width.
fn long_name() -> String {
    let parts = [
        "👩‍👩‍👧‍👦",
        "ﷺ",
        "עִבְרִית",
        "e\u{301}\u{302}\u{303}",
        "\u{202e}gnp.exe",
        "मनीष",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    ];
    parts.concat().chars().cycle().take(100).collect()
}

/// A guild in which everything is a little wrong.
pub(super) fn odd(world: &mut World) {
    small::people(world, 1);
    let mut guild = Guild::new(ODD_GUILD, &long_name(), OWNER);
    // An announcement channel below, and no COMMUNITY.
    guild.features = ["NEWS"].map(str::to_owned).into();
    guild.premium_tier = 0;
    let mut people = People::new(world, "audience").as_of(Stamp(1_759_276_800_000));
    let mut audience = Vec::with_capacity(AUDIENCE);
    for _ in 0..AUDIENCE {
        let user = people.join_world(world, Kind::Ordinary);
        guild
            .members
            .insert(user, Member::new(user, Stamp(1_759_276_900_000)));
        audience.push(user);
    }
    let mut site = small::open(world, guild, 0);
    let [_, manager, _, bot] = small::staff(&mut site);
    roles(&mut site);
    channels(&mut site, manager, bot);
    stage(&mut site, &audience);
    emojis(&mut site);
    uploads(&mut site);
}

fn roles(site: &mut Site<'_>) {
    let names = ["twin", "twin", "Twin", " ", "@everyone", "@here"];
    for name in names {
        // All at one place: the lower id is the higher role.
        site.role(name, perm::DEFAULT_EVERYONE, 1, 0);
    }
    let long = site.role(&long_name(), 0, 1, 0xff_ffff);
    // Bits that nobody knows yet.
    if let Some(role) = site.guild().roles.get_mut(&long) {
        role.permissions = 1 << 62;
    }
}

fn channels(site: &mut Site<'_>, manager: Id, bot: Id) {
    let everyone = site.guild;
    let hide = |id: Id, allow, deny| {
        let overwrite = Overwrite {
            id,
            member: false,
            allow,
            deny,
        };
        (id, overwrite)
    };
    let first = site.channel(4, "twins", None, |_| {});
    let second = site.channel(4, "twins", None, |_| {});
    let general = site.channel(0, "general", Some(first), |_| {});
    for parent in [first, first, second] {
        site.channel(0, "twin", Some(parent), |c| c.position = 0);
    }
    site.channel(0, &long_name().to_lowercase(), Some(second), |_| {});
    site.channel(5, "announcements", None, |_| {});
    // Seen by nobody but the owner, or by everybody but the bot.
    site.channel(0, "hidden", None, |c| {
        c.overwrites.extend([hide(everyone, 0, perm::VIEW_CHANNEL)]);
    });
    let secret = site.channel(4, "secret", None, |c| {
        c.overwrites.extend([
            hide(everyone, 0, perm::VIEW_CHANNEL),
            hide(manager, perm::VIEW_CHANNEL, 0),
        ]);
    });
    // A child that is seen while its category is not.
    site.channel(0, "seen-in-secret", Some(secret), |c| {
        c.overwrites.clear();
        c.overwrites.extend([hide(bot, perm::VIEW_CHANNEL, 0)]);
    });
    // From days when the server was boosted.
    site.channel(2, "Loud", None, |c| c.bitrate = 384_000);
    // A category in a category cannot be made; a channel whose parent is gone can be left.
    site.channel(0, "orphan", None, |c| c.position = 0);
    site.guild().system_channel_id = None;
    site.talk(general, TALK_MS, 30, MINUTE);
    let words = [
        "",
        "\u{200b}",
        "@everyone",
        "<@&0>",
        "||||",
        "```",
        "\u{202e}olleh",
    ];
    for (n, text) in words.into_iter().enumerate() {
        let id = at(TALK_MS + (40 + n as i64) * MINUTE, 0);
        site.post(general, id, MEMBER, Some(text), |_| {});
    }
}

fn stage(site: &mut Site<'_>, audience: &[Id]) {
    let stage = site.channel(13, "Stage", None, |c| c.user_limit = 10_000);
    site.listen(stage, audience);
}

/// Every slot for emojis that do not move is taken, and two share a name.
fn emojis(site: &mut Site<'_>) {
    for n in 0..50_u32 {
        let id = site.id();
        site.world
            .assets
            .keep_by_id(AssetKind::Emoji, id, files::png(700 + n % 10, 32, 32));
        let name = if n < 2 {
            "same".to_owned()
        } else {
            format!("e{n}")
        };
        let emoji = Emoji {
            id,
            name,
            roles: Default::default(),
            animated: false,
            creator: OWNER,
        };
        site.guild().emojis.insert(id, emoji);
    }
}

fn uploads(site: &mut Site<'_>) {
    let channel = site.channel(0, "uploads", None, |_| {});
    for n in 0..FILES {
        let id = at(TALK_MS + (200 + n as i64) * MINUTE, 0);
        let id = site.post(channel, id, MEMBER, Some(""), |_| {});
        let content = files::text(n as u64, 8, "text/plain; charset=utf-8");
        site.attach(channel, id, "image.png", content, None);
    }
}
