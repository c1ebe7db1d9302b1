//! `small`: four guilds of five people and one bot, with a bit of everything.

use std::collections::{BTreeSet, HashSet};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::json;

use super::files;
use super::site::{MINUTE, Site, TALK_MS, at};
use crate::world::permissions as perm;
use crate::world::{
    Application, AssetKind, Emoji, Guild, Id, Integration, Member, Overwrite, SessionStarts, Stamp,
    Sticker, Tag, User, World,
};

/// Guild `i` belongs to shard `i` of 4. The first has everything, the others a few messages.
pub const GUILDS: [Id; 4] = [
    Id(1_100_000_000_001_179_648),
    Id(1_100_000_000_005_373_952),
    Id(1_100_000_000_009_568_256),
    Id(1_100_000_000_013_762_560),
];
/// The application, and its bot's user.
pub const APPLICATION: Id = Id(1_100_000_000_000_000_001);
pub const OWNER: Id = Id(1_100_000_000_000_000_010);
/// Holds Administrator.
pub const ADMIN: Id = Id(1_100_000_000_000_000_011);
/// Holds Manage Server.
pub const MANAGER: Id = Id(1_100_000_000_000_000_012);
pub const MEMBER: Id = Id(1_100_000_000_000_000_013);
pub const SPARE: Id = Id(1_100_000_000_000_000_014);
pub const CLIENT_SECRET: &str = "sandbox-client-secret-small";
/// Messages in the long channel of the first guild.
pub const LONG_CHANNEL_MESSAGES: u64 = 1230;

/// What the bot's role may do: everything its features use, but not Administrator.
const BOT_PERMISSIONS: u64 = perm::VIEW_CHANNEL
    | perm::SEND_MESSAGES
    | perm::SEND_MESSAGES_IN_THREADS
    | perm::READ_MESSAGE_HISTORY
    | perm::EMBED_LINKS
    | perm::ATTACH_FILES
    | perm::ADD_REACTIONS
    | perm::CONNECT
    | perm::CREATE_INSTANT_INVITE
    | perm::CREATE_PUBLIC_THREADS
    | perm::CREATE_PRIVATE_THREADS
    | perm::CREATE_GUILD_EXPRESSIONS
    | perm::KICK_MEMBERS
    | perm::BAN_MEMBERS
    | perm::MODERATE_MEMBERS
    | perm::MANAGE_CHANNELS
    | perm::MANAGE_GUILD
    | perm::MANAGE_GUILD_EXPRESSIONS
    | perm::MANAGE_MESSAGES
    | perm::MANAGE_NICKNAMES
    | perm::MANAGE_ROLES
    | perm::MANAGE_THREADS
    | perm::MANAGE_WEBHOOKS
    | perm::MUTE_MEMBERS
    | perm::DEAFEN_MEMBERS
    | perm::MOVE_MEMBERS
    | perm::PIN_MESSAGES
    | perm::VIEW_AUDIT_LOG
    | perm::USE_APPLICATION_COMMANDS;

pub(super) const HUMANS: [(Id, &str, &str); 5] = [
    (OWNER, "olivia", "Olivia"),
    (ADMIN, "adam", "Adam"),
    (MANAGER, "marta", "Marta"),
    (MEMBER, "pavel", "Pavel"),
    (SPARE, "sam", "Sam"),
];

/// The bot's token.
pub fn bot_token() -> String {
    format!(
        "{}.sandbox.small",
        STANDARD_NO_PAD.encode(APPLICATION.to_string())
    )
}

/// Fills an empty world.
pub(super) fn build(world: &mut World) {
    people(world, 4);
    for (index, id) in GUILDS.into_iter().enumerate() {
        guild(world, id, index as u64);
    }
}

/// The people, and the application with its recommended number of shards.
pub(super) fn people(world: &mut World, shards: u32) {
    for (n, (id, username, shown)) in HUMANS.into_iter().enumerate() {
        let mut user = User::new(id, username);
        user.global_name = Some(shown.to_owned());
        user.email = Some(format!("{username}@example.com"));
        user.mfa_enabled = n < 3;
        user.avatar = Some(
            world
                .assets
                .keep(AssetKind::Avatar, id, files::png(n as u32, 64, 64)),
        );
        world.users.insert(id, user);
    }
    let icon = world
        .assets
        .keep(AssetKind::Avatar, APPLICATION, files::png(90, 64, 64));
    let mut bot = User::bot(APPLICATION, "Splashtail");
    bot.avatar = Some(icon);
    world.users.insert(APPLICATION, bot);
    world.add_app(Application {
        id: APPLICATION,
        bot: APPLICATION,
        name: "Splashtail".to_owned(),
        description: "Keeps servers safe.".to_owned(),
        icon: None,
        owner: OWNER,
        token: bot_token(),
        client_secret: CLIENT_SECRET.to_owned(),
        redirect_uris: Vec::new(),
        // Presence, members and message content, as a small application is granted them.
        flags: (1 << 13) | (1 << 15) | (1 << 19),
        shards,
        max_concurrency: 16,
        sessions: SessionStarts::default(),
        global_commands: Default::default(),
        guild_commands: Default::default(),
        emojis: Default::default(),
        command_creates: Default::default(),
    });
    // The same token with its padding kept.
    let padded = format!("{}.sandbox.small", STANDARD.encode(APPLICATION.to_string()));
    world.bot_tokens.insert(padded, APPLICATION);
}

fn guild(world: &mut World, id: Id, index: u64) {
    const NAMES: [&str; 4] = ["Harbour", "Lighthouse", "Shipyard", "Tidepool"];
    let mut guild = Guild::new(id, NAMES[index as usize], OWNER);
    guild.description = Some("A built-in server of the sandbox.".to_owned());
    guild.features = ["BANNER", "COMMUNITY", "INVITE_SPLASH", "NEWS"]
        .map(str::to_owned)
        .into();
    guild.premium_tier = 2;
    guild.premium_subscription_count = 7;
    guild.verification_level = 1;
    guild.explicit_content_filter = 2;
    let seed = 100 + index as u32 * 10;
    guild.icon = Some(
        world
            .assets
            .keep(AssetKind::Icon, id, files::png(seed, 96, 96)),
    );
    guild.banner = Some(
        world
            .assets
            .keep(AssetKind::Banner, id, files::jpeg(seed + 1, 240, 135)),
    );
    guild.splash = Some(
        world
            .assets
            .keep(AssetKind::Splash, id, files::png(seed + 2, 160, 90)),
    );
    let mut site = open(world, guild, index);
    let roles = staff(&mut site);
    channels(&mut site, roles);
}

/// Puts a guild with the five people and the bot into the world.
pub(super) fn open(world: &mut World, mut guild: Guild, index: u64) -> Site<'_> {
    let id = guild.id;
    let joined = id.created();
    let now = world.now();
    for ((user, _, _), hours) in HUMANS.into_iter().zip([0, 1, 2, 5, 20]) {
        let mut member = Member::new(user, joined.plus(MINUTE));
        member.last_active = now.plus(-hours * 60 * MINUTE).max(member.joined_at);
        guild.members.insert(user, member);
    }
    guild.members.insert(
        APPLICATION,
        Member::new(APPLICATION, joined.plus(2 * MINUTE)),
    );
    guild.bots.push(APPLICATION);
    world.guilds.insert(id, guild);

    Site {
        world,
        guild: id,
        index,
        next: 0,
        position: 0,
        sentences: index * 10_000,
        used: HashSet::new(),
    }
}

/// The roles every guild has: Administrator, Manager, Muted and the bot's own.
pub(super) fn staff(site: &mut Site<'_>) -> [Id; 4] {
    let admin = site.role("Administrator", perm::ADMINISTRATOR, 4, 0xe7_4c3c);
    let manager = site.role(
        "Manager",
        perm::DEFAULT_EVERYONE | perm::MANAGE_GUILD,
        3,
        0x34_98db,
    );
    let regular = site.role("Regular", perm::DEFAULT_EVERYONE, 2, 0);
    let muted = site.role("Muted", 0, 1, 0);
    let bot = site.role("Splashtail", BOT_PERMISSIONS, 5, 0);
    for (user, role) in [
        (ADMIN, admin),
        (MANAGER, manager),
        (MANAGER, regular),
        (APPLICATION, bot),
    ] {
        if let Some(member) = site.guild().members.get_mut(&user) {
            member.roles.insert(role);
        }
    }
    if let Some(role) = site.guild().roles.get_mut(&bot) {
        role.managed = true;
        role.bot = Some(APPLICATION);
    }
    if let Some(role) = site.guild().roles.get_mut(&regular) {
        role.mentionable = true;
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
    [admin, manager, muted, bot]
}

fn overwrite(id: Id, allow: u64, deny: u64) -> (Id, Overwrite) {
    (
        id,
        Overwrite {
            id,
            member: false,
            allow,
            deny,
        },
    )
}

fn channels(site: &mut Site<'_>, [admin, manager, muted, bot]: [Id; 4]) {
    let everyone = site.guild;
    let talk = site.channel(4, "Talk", None, |c| {
        c.overwrites.extend([overwrite(
            muted,
            0,
            perm::SEND_MESSAGES | perm::ADD_REACTIONS,
        )]);
    });
    let general = site.channel(0, "general", Some(talk), |c| {
        c.topic = Some("Anything goes".to_owned());
    });
    let info = site.channel(4, "Information", None, |_| {});
    let rules = site.channel(0, "rules", Some(info), |c| {
        c.overwrites.extend([
            overwrite(everyone, 0, perm::SEND_MESSAGES),
            overwrite(bot, perm::SEND_MESSAGES, 0),
        ]);
    });
    let news = site.channel(5, "announcements", Some(info), |c| {
        c.overwrites.extend([
            overwrite(everyone, 0, perm::SEND_MESSAGES),
            overwrite(manager, perm::SEND_MESSAGES, 0),
        ]);
    });
    let staff_overwrites = [
        overwrite(everyone, 0, perm::VIEW_CHANNEL),
        overwrite(manager, perm::VIEW_CHANNEL, 0),
        overwrite(bot, perm::VIEW_CHANNEL | perm::CONNECT, 0),
    ];
    let staff_room = site.channel(4, "Staff", None, |c| c.overwrites.extend(staff_overwrites));
    let staff = site.channel(0, "staff", Some(staff_room), |_| {});
    // Hidden even from the bot.
    let vault = site.channel(0, "vault", Some(staff_room), |c| {
        c.overwrites.remove(&bot);
        c.overwrites.remove(&manager);
        c.overwrites
            .extend([overwrite(admin, perm::VIEW_CHANNEL, 0)]);
        c.overwrites.insert(
            OWNER,
            Overwrite {
                id: OWNER,
                member: true,
                allow: perm::VIEW_CHANNEL,
                deny: 0,
            },
        );
    });
    site.channel(2, "Lounge", Some(talk), |c| c.user_limit = 10);
    let guild = site.guild();
    guild.system_channel_id = Some(general);
    guild.rules_channel_id = Some(rules);
    guild.public_updates_channel_id = Some(staff);
    let start = TALK_MS + site.index as i64 * 1000;
    site.post(
        rules,
        at(start, 0),
        OWNER,
        Some("Be kind. No spam. Ask before you ping."),
        |m| m.pinned = Some(Stamp(start)),
    );
    site.post(
        news,
        at(start + MINUTE, 0),
        MANAGER,
        Some("The server is open."),
        |_| {},
    );
    site.talk(general, start + 2 * MINUTE, 12, 17 * MINUTE);
    site.talk(staff, start + 3 * MINUTE, 4, 31 * MINUTE);
    site.post(
        vault,
        at(start + 4 * MINUTE, 0),
        OWNER,
        Some("Only the owner and administrators read this."),
        |_| {},
    );
    if site.index == 0 {
        rich(site, talk, general);
    }
}

/// What only the first guild has.
fn rich(site: &mut Site<'_>, talk: Id, general: Id) {
    let start = TALK_MS + 86_400_000;
    let long = site.channel(0, "archive", Some(talk), |c| {
        c.topic = Some("A long history".to_owned());
    });
    site.talk(long, start, LONG_CHANNEL_MESSAGES, 20 * MINUTE);
    expressions(site);

    let media = site.channel(0, "media", Some(talk), |c| c.rate_limit_per_user = 5);
    let post = |site: &mut Site<'_>, n: i64, text: &str| {
        site.post(media, at(start + n * MINUTE, 1), MEMBER, Some(text), |_| {})
    };
    let (a, b, c, d) = (
        post(site, 1, "Pictures"),
        post(site, 2, "Documents"),
        post(site, 3, "A clip and a blob"),
        post(site, 4, ""),
    );
    site.attach(
        media,
        a,
        "alpha.png",
        files::png(1, 120, 80),
        Some((120, 80)),
    );
    site.attach(
        media,
        a,
        "photo.jpg",
        files::jpeg(2, 160, 120),
        Some((160, 120)),
    );
    site.attach(media, a, "wave.gif", files::gif(3, 48), Some((48, 48)));
    site.attach(
        media,
        b,
        "notes.txt",
        files::text(4, 120, "text/plain; charset=utf-8"),
        None,
    );
    site.attach(
        media,
        b,
        "page.html",
        files::text(5, 40, "text/html; charset=utf-8"),
        None,
    );
    site.attach(media, b, "table.csv", files::text(6, 60, "text/csv"), None);
    site.attach(
        media,
        c,
        "clip.mp4",
        files::noise(7, 70_000, "video/mp4"),
        None,
    );
    site.attach(
        media,
        c,
        "blob.bin",
        files::noise(8, 150_001, "application/octet-stream"),
        None,
    );
    site.attach(
        media,
        d,
        "only-a-file.zip",
        files::noise(9, 9_999, "application/zip"),
        None,
    );
    let last = at(
        start + 20 * MINUTE * (LONG_CHANNEL_MESSAGES as i64 - 1),
        site.index,
    );
    site.attach(
        long,
        last,
        "newest.png",
        files::png(10, 64, 64),
        Some((64, 64)),
    );

    threads(site, general, start);
    forum(site, talk, start);
    let stage = site.channel(13, "Stage", Some(talk), |_| {});
    site.post(
        stage,
        at(start, 3),
        OWNER,
        Some("Text in a stage channel."),
        |_| {},
    );
}

fn expressions(site: &mut Site<'_>) {
    for (n, (name, animated)) in [("anchor", false), ("wave", true), ("lamp", false)]
        .into_iter()
        .enumerate()
    {
        let id = site.id();
        let file = if animated {
            files::gif(20 + n as u32, 32)
        } else {
            files::png(20 + n as u32, 64, 64)
        };
        site.world.assets.keep_by_id(AssetKind::Emoji, id, file);
        let emoji = Emoji {
            id,
            name: name.to_owned(),
            roles: BTreeSet::new(),
            animated,
            creator: OWNER,
        };
        site.guild().emojis.insert(id, emoji);
    }
    let id = site.id();
    site.world
        .assets
        .keep_by_id(AssetKind::Sticker, id, files::png(30, 80, 80));
    let sticker = Sticker {
        id,
        name: "Ahoy".to_owned(),
        description: Some("A friendly wave".to_owned()),
        tags: "wave".to_owned(),
        format: 1,
        creator: OWNER,
    };
    site.guild().stickers.insert(id, sticker);
}

fn threads(site: &mut Site<'_>, general: Id, start: i64) {
    let active = site.thread(
        11,
        "Trip planning",
        general,
        MEMBER,
        start + 5 * MINUTE,
        false,
    );
    site.talk(active, start + 6 * MINUTE, 9, 11 * MINUTE);
    let upload = at(start + 200 * MINUTE, 2);
    site.post(active, upload, MANAGER, Some("The map"), |_| {});
    site.attach(
        active,
        upload,
        "map.png",
        files::png(40, 90, 90),
        Some((90, 90)),
    );
    let archived = site.thread(11, "Old plans", general, ADMIN, start + 7 * MINUTE, true);
    site.talk(archived, start + 8 * MINUTE, 7, 13 * MINUTE);
    let private = site.thread(
        12,
        "Surprise party",
        general,
        MANAGER,
        start + 9 * MINUTE,
        true,
    );
    site.talk(private, start + 10 * MINUTE, 3, 15 * MINUTE);
}

fn forum(site: &mut Site<'_>, talk: Id, start: i64) {
    let tags: Vec<Tag> = ["question", "answered"]
        .map(|name| Tag {
            id: site.id(),
            name: name.to_owned(),
            moderated: false,
            emoji_id: None,
            emoji_name: Some("❓".to_owned()),
        })
        .into();
    let question = tags[0].id;
    let forum = site.channel(15, "help", Some(talk), |c| {
        c.topic = Some("One question per post".to_owned());
        c.available_tags = tags;
        c.default_reaction_emoji = json!({"emoji_id": null, "emoji_name": "👍"});
        c.default_auto_archive_duration = Some(4320);
    });
    let posts = [
        ("How do I join voice?", false),
        ("Where are the rules?", false),
        ("Is there a mobile app?", true),
    ];
    for (n, (title, archived)) in posts.into_iter().enumerate() {
        let begin = start + (30 + n as i64) * MINUTE;
        let post = site.thread(11, title, forum, MEMBER, begin, archived);
        if let Some(state) = site
            .world
            .channels
            .get_mut(&post)
            .and_then(|c| c.thread.as_mut())
        {
            state.applied_tags = vec![question];
        }
        // The first message of a post has the post's id.
        site.post(post, post, MEMBER, Some(title), |_| {});
        site.talk(post, begin + MINUTE, 3 + n as u64, 9 * MINUTE);
    }
    let last = site
        .world
        .guilds
        .get(&site.guild)
        .and_then(|g| g.threads.last().copied());
    if let Some(channel) = site.world.channels.get_mut(&forum) {
        channel.last_message_id = last;
    }
}
