//! `big`: one guild as large communities are, at Discord's limits and with a bit of everything.

use std::collections::BTreeSet;

use serde_json::json;

use super::people::{Kind, People};
use super::site::{MINUTE, Site, TALK_MS, at};
use super::small::{self, APPLICATION, OWNER};
use super::{big_talk, files};
use crate::draw::Draw;
use crate::world::permissions as perm;
use crate::world::{
    AssetKind, AutomodRule, Emoji, EventStatus, Guild, Id, Invite, Member, Overwrite,
    ScheduledEvent, Sound, Stamp, Sticker, Subscription, Tag, Venue, Webhook, World,
};

/// The guild of `big`: the first one of `small`.
pub const BIG_GUILD: Id = small::GUILDS[0];

const MEMBERS: u64 = 50_000;
const CHANNELS: usize = 500;
const ROLES: usize = 250;
const ARCHIVED_POSTS: usize = 250;
/// The first of October 2025: how old accounts are then does not depend on the clock.
const AS_OF: Stamp = Stamp(1_759_276_800_000);
/// Ids of people who left before anyone can remember.
const DEPARTED: u64 = 900_000_000_000_000_000;

const AREAS: &[&str] = &[
    "Welcome", "General", "Games", "Music", "Art", "Support", "Regions", "Events", "Trading",
    "Staff",
];
const TOPICS: &[&str] = &[
    "chat",
    "news",
    "help",
    "memes",
    "screenshots",
    "looking-for-group",
    "bots",
    "ideas",
    "feedback",
    "guides",
    "off-topic",
    "clips",
    "polls",
    "marketplace",
    "introductions",
    "archive",
];
const RANKS: &[&str] = &[
    "Captain",
    "Navigator",
    "Bosun",
    "Deckhand",
    "Gunner",
    "Cook",
    "Lookout",
    "Surgeon",
    "Pilot",
    "Stoker",
];

/// One guild at every limit.
pub(super) fn big(world: &mut World) {
    small::people(world, 4);
    let mut guild = Guild::new(BIG_GUILD, "Ocean", OWNER);
    guild.features = [
        "ANIMATED_ICON",
        "BANNER",
        "COMMUNITY",
        "INVITE_SPLASH",
        "NEWS",
        "ROLE_ICONS",
        "WELCOME_SCREEN_ENABLED",
    ]
    .map(str::to_owned)
    .into();
    guild.premium_tier = 3;
    guild.premium_subscription_count = 41;
    guild.verification_level = 2;
    guild.explicit_content_filter = 2;
    let mut draw = Draw::new(world.seed, "big");
    join(world, &mut guild, &mut draw);
    let mut site = small::open(world, guild, 0);
    let [_, manager, muted, bot] = small::staff(&mut site);
    let roles = roles(&mut site, &mut draw);
    hand_out(&mut site, &roles, &mut draw);
    let rooms = channels(&mut site, &roles, [manager, muted, bot], &mut draw);
    expressions(&mut site, &roles, &mut draw);
    rules(&mut site, &roles, &rooms);
    webhooks(&mut site, &rooms);
    forums(&mut site, &rooms, &mut draw);
    big_talk::fill(&mut site, &rooms.texts, &mut draw);
}

/// 50,000 people who joined some time after their accounts were made.
fn join(world: &mut World, guild: &mut Guild, draw: &mut Draw) {
    let mut people = People::new(world, "members").as_of(AS_OF);
    let mut activity = Draw::new(world.seed, "activity");
    let opened = guild.id.created();
    let now = world.now();
    for _ in 0..MEMBERS {
        let id = people.join_world(world, Kind::Ordinary);
        let first = id.created().0.max(opened.0) + MINUTE;
        let joined = first + draw.below((AS_OF.0 - first).max(1) as u64) as i64;
        let mut member = Member::new(id, Stamp(joined));
        let idle = idle_ms(&mut activity);
        member.last_active = Stamp(now.0 - idle).max(member.joined_at);
        if draw.chance(0.08) {
            member.nick = Some(format!("⚓ {}", RANKS[draw.below(10) as usize]));
        }
        if draw.chance(0.01) {
            member.premium_since = Some(Stamp(joined));
        }
        member.pending = draw.chance(0.02);
        guild.members.insert(id, member);
    }
}

/// How long ago a member was last seen: as in large communities, a third within a day, a fifth not for
/// more than a month.
fn idle_ms(draw: &mut Draw) -> i64 {
    const DAY: u64 = 24 * 60 * MINUTE as u64;
    let (least, most) = match draw.below(100) {
        0..35 => (0, DAY),
        35..60 => (DAY, 7 * DAY),
        60..80 => (7 * DAY, 30 * DAY),
        _ => (30 * DAY, 400 * DAY),
    };
    (least + draw.below(most - least)) as i64
}

/// Which role boosters have, and which is sold.
const BOOSTERS: usize = 100;
const SUBSCRIBERS: usize = 110;

/// 250 roles with what they are; from the lowest up.
fn roles(site: &mut Site<'_>, draw: &mut Draw) -> Vec<Id> {
    const EXTRAS: [u64; 6] = [
        perm::MANAGE_MESSAGES,
        perm::KICK_MEMBERS | perm::MODERATE_MEMBERS,
        perm::MANAGE_THREADS | perm::PIN_MESSAGES,
        perm::MANAGE_EVENTS | perm::CREATE_EVENTS,
        perm::MENTION_EVERYONE,
        perm::MANAGE_NICKNAMES | perm::MOVE_MEMBERS | perm::MUTE_MEMBERS,
    ];
    let mut roles = Vec::new();
    while site.guild().roles.len() < ROLES {
        let n = roles.len();
        let name = format!("{} {}", RANKS[n % RANKS.len()], n / RANKS.len() + 1);
        let extra = if n % 12 == 11 {
            EXTRAS[n / 12 % EXTRAS.len()]
        } else {
            0
        };
        let base = if n % 3 == 0 {
            perm::DEFAULT_EVERYONE
        } else {
            0
        };
        let color = if n % 2 == 0 {
            draw.below(0xff_ffff) as u32
        } else {
            0
        };
        let id = site.role(&name, base | extra, 0, color);
        let icon = (n % 25 == 7).then(|| {
            let picture = files::png(500 + n as u32, 64, 64);
            site.world.assets.keep(AssetKind::RoleIcon, id, picture)
        });
        if let Some(role) = site.guild().roles.get_mut(&id) {
            role.icon = icon;
            role.unicode_emoji = (n % 25 == 8).then(|| "⚓".to_owned());
            role.mentionable = n % 5 == 0;
            role.hoist = n % 10 == 0;
            if n % 40 == 13 {
                role.colors.1 = Some(draw.below(0xff_ffff) as u32);
            }
            // Bound to a connection, or to a subscription: nobody gives them by hand.
            role.linked = n % 60 == 30;
            role.managed = matches!(n, BOOSTERS | SUBSCRIBERS);
            role.booster = n == BOOSTERS;
            role.subscription = (n == SUBSCRIBERS).then_some(Subscription {
                integration: Id(id.0 + 1),
                listing: Id(id.0 + 2),
                purchasable: true,
            });
        }
        roles.push(id);
    }
    // Below the staff's.
    let count = roles.len() as i64;
    for role in site
        .guild()
        .roles
        .values_mut()
        .filter(|r| r.id != BIG_GUILD)
    {
        match roles.iter().position(|r| *r == role.id) {
            Some(place) => role.position = place as i64 + 1,
            None => role.position += count,
        }
    }
    roles
}

/// Few have many roles, most have none or one of the lowest.
fn hand_out(site: &mut Site<'_>, roles: &[Id], draw: &mut Draw) {
    let boosters = roles.get(BOOSTERS).copied();
    for member in site.guild().members.values_mut() {
        let count = match draw.below(100) {
            0..60 => 0,
            60..85 => 1,
            85..95 => 2,
            95..99 => 4,
            _ => 9,
        };
        for _ in 0..count {
            // The lower a role, the more have it.
            let share = draw.fraction() * draw.fraction();
            member
                .roles
                .insert(roles[(share * roles.len() as f64) as usize]);
        }
        if let Some(role) = boosters {
            member.roles.remove(&role);
            member.roles.extend(member.premium_since.map(|_| role));
        }
    }
}

/// Channels that later parts are about.
pub(super) struct Rooms {
    pub texts: Vec<Id>,
    pub forums: Vec<Id>,
    pub voices: Vec<Id>,
    pub stages: Vec<Id>,
}

fn overwrite(id: Id, member: bool, allow: u64, deny: u64) -> (Id, Overwrite) {
    let overwrite = Overwrite {
        id,
        member,
        allow,
        deny,
    };
    (id, overwrite)
}

/// 500 channels of every type in areas of fifty, with overwrites for roles, for members and for
/// people who are no longer there.
fn channels(
    site: &mut Site<'_>,
    roles: &[Id],
    [manager, muted, bot]: [Id; 3],
    draw: &mut Draw,
) -> Rooms {
    let everyone = site.guild;
    let mut rooms = Rooms {
        texts: Vec::new(),
        forums: Vec::new(),
        voices: Vec::new(),
        stages: Vec::new(),
    };
    let members: Vec<Id> = site.guild().members.keys().copied().collect();
    let mut area = None;
    let mut n = 0_usize;
    while site.guild().channels.len() < CHANNELS {
        if n.is_multiple_of(50) {
            let name = AREAS[n / 50 % AREAS.len()];
            let staff = name == "Staff";
            area = Some(site.channel(4, name, None, |c| {
                c.overwrites
                    .extend([overwrite(muted, false, 0, perm::SEND_MESSAGES)]);
                if staff {
                    c.overwrites.extend([
                        overwrite(everyone, false, 0, perm::VIEW_CHANNEL),
                        overwrite(manager, false, perm::VIEW_CHANNEL, 0),
                        overwrite(bot, false, perm::VIEW_CHANNEL | perm::CONNECT, 0),
                    ]);
                }
            }));
            n += 1;
            continue;
        }
        let kind = match n % 50 {
            40..=43 => 2,
            44 => 13,
            45 => 15,
            46 => 16,
            47 | 48 => 5,
            _ => 0,
        };
        let name = match kind {
            2 => format!("Voice {}", n % 50),
            13 => "Stage".to_owned(),
            _ => format!("{}-{}", TOPICS[n % TOPICS.len()], n),
        };
        let mut extra = Vec::new();
        // A third have rules of their own, some of them many.
        if n.is_multiple_of(3) {
            for _ in 0..=draw.below(if n.is_multiple_of(9) { 12 } else { 3 }) {
                let role = roles[draw.below(roles.len() as u64) as usize];
                extra.push(overwrite(
                    role,
                    false,
                    perm::SEND_MESSAGES,
                    perm::ATTACH_FILES,
                ));
            }
            let member = members[draw.below(members.len() as u64) as usize];
            extra.push(overwrite(member, true, perm::VIEW_CHANNEL, 0));
            let gone = Id(DEPARTED + ((n as u64) << 22));
            extra.push(overwrite(
                gone,
                true,
                0,
                perm::VIEW_CHANNEL | perm::SEND_MESSAGES,
            ));
        }
        let id = site.channel(kind, &name, area, |c| {
            c.overwrites.extend(extra);
            c.topic = (kind != 2 && kind != 13)
                .then(|| format!("All about {}. Read the pins first.", name.replace('-', " ")));
            c.rate_limit_per_user = if n.is_multiple_of(11) { 10 } else { 0 };
            c.nsfw = n == 333;
            c.user_limit = if kind == 2 { (n % 20) as u32 } else { 0 };
            c.bitrate = if kind == 2 { 96_000 } else { c.bitrate };
        });
        match kind {
            0 | 5 => rooms.texts.push(id),
            2 => rooms.voices.push(id),
            13 => rooms.stages.push(id),
            _ => rooms.forums.push(id),
        }
        n += 1;
    }
    let (rules, updates) = (rooms.texts[0], rooms.texts[1]);
    let guild = site.guild();
    guild.rules_channel_id = Some(rules);
    guild.public_updates_channel_id = Some(updates);
    guild.afk_channel_id = rooms.voices.first().copied();
    rooms
}

fn expressions(site: &mut Site<'_>, roles: &[Id], draw: &mut Draw) {
    for n in 0..180_u32 {
        let id = site.id();
        let animated = n % 3 == 0;
        let file = if animated {
            files::gif(900 + n % 9, 24)
        } else {
            files::png(900 + n % 30, 32, 32)
        };
        site.world.assets.keep_by_id(AssetKind::Emoji, id, file);
        let only = if n % 30 == 5 {
            BTreeSet::from([roles[n as usize]])
        } else {
            BTreeSet::new()
        };
        let emoji = Emoji {
            id,
            name: format!("sea_{n}"),
            roles: only,
            animated,
            creator: OWNER,
        };
        site.guild().emojis.insert(id, emoji);
    }
    for n in 0..40_u32 {
        let id = site.id();
        site.world
            .assets
            .keep_by_id(AssetKind::Sticker, id, files::png(950 + n % 8, 64, 64));
        let sticker = Sticker {
            id,
            name: format!("Sticker {n}"),
            description: Some("From the deck".to_owned()),
            tags: "wave".to_owned(),
            format: 1,
            creator: OWNER,
        };
        site.guild().stickers.insert(id, sticker);
    }
    for n in 0..24_u32 {
        let id = site.id();
        site.world.assets.keep_by_id(
            AssetKind::Sound,
            id,
            files::noise(60 + u64::from(n), 4_000, "audio/mpeg"),
        );
        let sound = Sound {
            id,
            name: format!("Horn {n}"),
            volume: 0.5 + draw.fraction() / 2.0,
            emoji_id: None,
            emoji_name: Some("📯".to_owned()),
            creator: OWNER,
        };
        site.guild().sounds.insert(id, sound);
    }
}

/// AutoMod, events, onboarding, the welcome screen and invites.
fn rules(site: &mut Site<'_>, roles: &[Id], rooms: &Rooms) {
    let alert = rooms.texts[1];
    let keyword =
        |words: &str| json!({"keyword_filter": [words], "regex_patterns": [], "allow_list": []});
    let made = [
        (
            "Slurs",
            1,
            keyword("*moron*"),
            vec![json!({"type": 1, "metadata": {}})],
        ),
        (
            "Links",
            1,
            keyword("*discord.gift*"),
            vec![
                json!({"type": 1, "metadata": {"custom_message": "No links here."}}),
                json!({"type": 2, "metadata": {"channel_id": alert}}),
            ],
        ),
        (
            "Scams",
            1,
            keyword("free nitro"),
            vec![
                json!({"type": 1, "metadata": {}}),
                json!({"type": 3, "metadata": {"duration_seconds": 600}}),
            ],
        ),
        (
            "Spam",
            3,
            json!({}),
            vec![json!({"type": 1, "metadata": {}})],
        ),
        (
            "Presets",
            4,
            json!({"presets": [1, 2, 3], "allow_list": []}),
            vec![json!({"type": 1, "metadata": {}})],
        ),
        (
            "Mentions",
            5,
            json!({"mention_total_limit": 8, "mention_raid_protection_enabled": true}),
            vec![json!({"type": 1, "metadata": {}})],
        ),
    ];
    for (name, trigger_type, trigger_metadata, actions) in made {
        let rule = AutomodRule {
            id: site.id(),
            name: name.to_owned(),
            creator: OWNER,
            event_type: 1,
            trigger_type,
            trigger_metadata,
            actions,
            enabled: name != "Spam",
            exempt_roles: vec![roles[3]],
            exempt_channels: vec![alert],
        };
        site.guild().automod.insert(rule.id, rule);
    }
    let soon = site.world.now().0 + 86_400_000;
    for (n, venue) in [
        Venue::Stage(rooms.stages[0]),
        Venue::Voice(rooms.voices[0]),
        Venue::External("The old pier".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let starts = Stamp(soon + n as i64 * 3_600_000);
        let event = ScheduledEvent {
            id: site.id(),
            creator: OWNER,
            name: format!("Regatta {}", n + 1),
            description: Some("Bring a boat.".to_owned()),
            image: None,
            starts,
            ends: Some(starts.plus(7_200_000)),
            status: EventStatus::Scheduled,
            venue,
            recurrence: serde_json::Value::Null,
            users: BTreeSet::from([OWNER]),
            exceptions: Default::default(),
        };
        site.guild().scheduled_events.insert(event.id, event);
    }
    let shown: Vec<Id> = rooms.texts.iter().take(8).copied().collect();
    let option = |id: Id, title: &str, role: Id| {
        json!({"id": id, "title": title, "description": "", "emoji": {"id": null, "name": "⚓", "animated": false},
            "role_ids": [role], "channel_ids": []})
    };
    let (prompt, first, second) = (site.id(), site.id(), site.id());
    let created = site.world.now();
    let guild = site.guild();
    guild.onboarding = json!({
        "prompts": [{"id": prompt, "title": "What brings you here?", "single_select": false,
            "required": true, "in_onboarding": true, "type": 0,
            "options": [option(first, "The games", roles[0]), option(second, "The music", roles[1])]}],
        "default_channel_ids": shown, "enabled": true, "mode": 0,
    });
    guild.welcome_screen = json!({"description": "Welcome aboard.", "welcome_channels": [
        {"channel_id": shown[0], "description": "Read this first", "emoji_id": null, "emoji_name": "📜"},
    ]});
    guild.vanity_url_code = Some("ocean".to_owned());
    for (n, channel) in rooms.texts.iter().take(20).enumerate() {
        let code = format!("sea{n:04}");
        let invite = Invite {
            guild: BIG_GUILD,
            channel: *channel,
            inviter: OWNER,
            max_age: 0,
            max_uses: 0,
            uses: n as u64 * 7,
            temporary: false,
            created_at: created,
            roles: BTreeSet::new(),
            code: code.clone(),
        };
        site.world.invites.insert(code, invite);
    }
}

fn webhooks(site: &mut Site<'_>, rooms: &Rooms) {
    for (n, channel) in rooms.texts.iter().take(40).enumerate() {
        let id = site.id();
        let token = site.world.secret(&format!("webhook {id}"), 68);
        let webhook = Webhook {
            id,
            guild: BIG_GUILD,
            channel: *channel,
            name: format!("Lighthouse {n}"),
            avatar: None,
            token,
            creator: OWNER,
            app: (n % 4 == 0).then_some(APPLICATION),
            source: None,
        };
        site.world.webhooks.insert(id, webhook);
    }
}

/// Forums with tags and posts, 250 of them archived.
fn forums(site: &mut Site<'_>, rooms: &Rooms, draw: &mut Draw) {
    let authors: Vec<Id> = site.guild().members.keys().copied().take(2000).collect();
    let mut archived = 0;
    for (n, forum) in rooms.forums.iter().enumerate() {
        let tags: Vec<Tag> = ["question", "solved", "bug", "idea", "staff only"]
            .into_iter()
            .map(|name| Tag {
                id: site.id(),
                name: name.to_owned(),
                moderated: name == "staff only",
                emoji_id: None,
                emoji_name: (name == "solved").then(|| "✅".to_owned()),
            })
            .collect();
        let ids: Vec<Id> = tags.iter().map(|t| t.id).collect();
        if let Some(channel) = site.world.channels.get_mut(forum) {
            channel.available_tags = tags;
            channel.default_reaction_emoji = json!({"emoji_id": null, "emoji_name": "👍"});
        }
        for post in 0..16 {
            let old = archived < ARCHIVED_POSTS && post < 13;
            archived += usize::from(old);
            let start = TALK_MS + (n as i64 * 1000 + post) * 7 * MINUTE;
            let author = authors[draw.below(authors.len() as u64) as usize];
            let title = format!("Post {post} of forum {n}");
            let thread = site.thread(11, &title, *forum, author, start, old);
            if let Some(state) = site
                .world
                .channels
                .get_mut(&thread)
                .and_then(|c| c.thread.as_mut())
            {
                state.applied_tags = vec![ids[post as usize % 4]];
            }
            site.post(thread, thread, author, None, |_| {});
            for reply in 0..draw.below(4) as i64 {
                let author = authors[draw.below(authors.len() as u64) as usize];
                site.post(
                    thread,
                    at(start + (reply + 1) * MINUTE, 0),
                    author,
                    None,
                    |_| {},
                );
            }
        }
    }
}
