//! Searching the messages of a guild.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Table;
use super::messages;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::read_id;
use crate::world::permissions as perm;
use crate::world::{Id, Message, World, value};

/// Furthest result that can be asked for.
const MAX_OFFSET: u64 = 9975;
const AUTHORS: [&str; 3] = ["user", "bot", "webhook"];
const THINGS: [&str; 9] = [
    "image", "sound", "video", "file", "sticker", "embed", "link", "poll", "snapshot",
];
const EMBEDS: [&str; 5] = ["image", "video", "gif", "sound", "article"];

pub(super) fn routes(table: &mut Table) {
    table.get("/guilds/{guild_id}/messages/search", "guild_search", search);
}

/// What a message must be like. Empty lists ask for nothing.
struct Search {
    words: Vec<String>,
    /// Words that may stand between two that are searched.
    slop: usize,
    after: Id,
    before: Option<Id>,
    channels: Vec<Id>,
    authors: Vec<Id>,
    author_types: Signed,
    mentions: Vec<Id>,
    roles: Vec<Id>,
    everyone: Option<bool>,
    pinned: Option<bool>,
    replied_users: Vec<Id>,
    replied_messages: Vec<Id>,
    has: Signed,
    embed_types: Vec<String>,
    providers: Vec<String>,
    hosts: Vec<String>,
    filenames: Vec<String>,
    extensions: Vec<String>,
    with_nsfw: bool,
}

/// Kinds that are wanted, and such as are not: those given with a minus.
#[derive(Default)]
struct Signed {
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

impl Signed {
    fn read(cx: &Cx<'_>, key: &str, known: &[&str]) -> Result<Self, ApiError> {
        let mut signed = Self::default();
        for (n, text) in cx.query_list(key).into_iter().enumerate() {
            let (list, kind) = match text.strip_prefix('-') {
                Some(kind) => (&mut signed.unwanted, kind),
                None => (&mut signed.wanted, text),
            };
            choice(key, n, kind, known)?;
            list.push(kind.to_owned());
        }
        Ok(signed)
    }

    fn allows(&self, is: impl Fn(&str) -> bool) -> bool {
        let wanted = self.wanted.is_empty() || self.wanted.iter().any(|kind| is(kind));
        wanted && !self.unwanted.iter().any(|kind| is(kind))
    }
}

fn choice(key: &str, n: usize, kind: &str, known: &[&str]) -> Result<(), ApiError> {
    if known.contains(&kind) {
        return Ok(());
    }
    let message = format!("Value must be one of ('{}').", known.join("', '"));
    Err(ApiError::field(
        &format!("{key}.{n}"),
        "BASE_TYPE_CHOICES",
        message,
    ))
}

fn too_long(key: &str, most: usize) -> ApiError {
    let message = format!("Must be {most} or fewer in length.");
    ApiError::field(key, "BASE_TYPE_MAX_LENGTH", message)
}

fn ids(cx: &Cx<'_>, key: &str, most: usize) -> Result<Vec<Id>, ApiError> {
    let given = cx.query_list(key);
    if given.len() > most {
        return Err(too_long(key, most));
    }
    let read = |(n, text): (usize, &str)| {
        text.parse().map_err(|_| {
            let message = format!("Value \"{text}\" is not snowflake.");
            ApiError::field(&format!("{key}.{n}"), "NUMBER_TYPE_COERCE", message)
        })
    };
    given.into_iter().enumerate().map(read).collect()
}

fn texts(cx: &Cx<'_>, key: &str, longest: usize) -> Result<Vec<String>, ApiError> {
    let given = cx.query_list(key);
    if given.len() > 100 {
        return Err(too_long(key, 100));
    }
    if given.iter().any(|text| text.chars().count() > longest) {
        return Err(too_long(key, longest));
    }
    Ok(given.into_iter().map(str::to_owned).collect())
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|w| !w.is_empty());
    words.map(str::to_lowercase).collect()
}

impl Search {
    fn read(cx: &Cx<'_>) -> Result<Self, ApiError> {
        let content = cx.query("content").unwrap_or_default();
        if content.chars().count() > 1024 {
            return Err(too_long("content", 1024));
        }
        let either = |key| cx.query(key).map(|_| cx.query_flag(key, false));
        let embed_types = texts(cx, "embed_type", 256)?;
        for (n, kind) in embed_types.iter().enumerate() {
            choice("embed_type", n, kind, &EMBEDS)?;
        }
        for (key, known) in [
            ("sort_by", ["timestamp", "relevance"]),
            ("sort_order", ["asc", "desc"]),
        ] {
            if let Some(mode) = cx.query(key) {
                choice(key, 0, mode, &known)?;
            }
        }
        Ok(Self {
            words: words(content),
            slop: cx.query_number("slop", 2, 0, 100)? as usize,
            after: cx.query_id("min_id")?.unwrap_or_default(),
            before: cx.query_id("max_id")?,
            channels: ids(cx, "channel_id", 500)?,
            authors: ids(cx, "author_id", 100)?,
            author_types: Signed::read(cx, "author_type", &AUTHORS)?,
            mentions: ids(cx, "mentions", 100)?,
            roles: ids(cx, "mentions_role_id", 100)?,
            everyone: either("mention_everyone"),
            pinned: either("pinned"),
            replied_users: ids(cx, "replied_to_user_id", 100)?,
            replied_messages: ids(cx, "replied_to_message_id", 100)?,
            has: Signed::read(cx, "has", &THINGS)?,
            embed_types,
            providers: texts(cx, "embed_provider", 256)?,
            hosts: texts(cx, "link_hostname", 256)?,
            filenames: texts(cx, "attachment_filename", 1024)?,
            extensions: texts(cx, "attachment_extension", 256)?,
            with_nsfw: cx.query_flag("include_nsfw", false),
        })
    }

    fn finds(&self, world: &World, message: &Message) -> bool {
        let id = message.id;
        let in_time = id > self.after && self.before.is_none_or(|before| id < before);
        in_time
            && message.ephemeral_for.is_none()
            && holds(&self.authors, |id| *id == message.author)
            && self
                .author_types
                .allows(|kind| kind == author_type(world, message))
            && holds(&self.mentions, |id| message.mentions.contains(id))
            && holds(&self.roles, |id| message.mention_roles.contains(id))
            && self
                .everyone
                .is_none_or(|on| message.mention_everyone == on)
            && self.pinned.is_none_or(|on| message.pinned.is_some() == on)
            && self.replies(world, message)
            && self.has.allows(|thing| has(message, thing))
            && self.carries(message)
            && self.says(&message.content)
    }

    fn replies(&self, world: &World, message: &Message) -> bool {
        if self.replied_users.is_empty() && self.replied_messages.is_empty() {
            return true;
        }
        let reference = message.reference.as_ref().filter(|_| message.kind == 19);
        let Some(target) = reference.and_then(|r| read_id(&r["message_id"])) else {
            return false;
        };
        let author = world.message(message.channel, target).map(|m| m.author);
        holds(&self.replied_messages, |id| *id == target)
            && holds(&self.replied_users, |id| Some(*id) == author)
    }

    /// Links, files and embeds.
    fn carries(&self, message: &Message) -> bool {
        let file = |is: &dyn Fn(&str) -> bool| {
            let mut names = message.attachments.iter().map(|a| a.filename.as_str());
            names.any(is)
        };
        let ends = |name: &str, wanted: &str| {
            let extension = name.rsplit_once('.').map(|(_, e)| e);
            extension.is_some_and(|e| e.eq_ignore_ascii_case(wanted))
        };
        let embed = |is: &dyn Fn(&Value) -> bool| message.embeds.iter().any(is);
        holds(&self.hosts, |host| {
            links(&message.content).any(|url| url.host_str() == Some(host))
        }) && holds(&self.filenames, |wanted| file(&|name| name == wanted))
            && holds(&self.extensions, |wanted| file(&|name| ends(name, wanted)))
            && holds(&self.providers, |name| {
                embed(&|e| e["provider"]["name"] == **name)
            })
            && holds(&self.embed_types, |kind| embed(&|e| is_embed(e, kind)))
    }

    /// All words in their order, with at most so many others between two of them.
    fn says(&self, text: &str) -> bool {
        let Some((first, rest)) = self.words.split_first() else {
            return true;
        };
        let said = words(text);
        let places = |word: &String| {
            let all = said.iter().enumerate().filter(move |(_, w)| *w == word);
            all.map(|(at, _)| at).collect::<Vec<usize>>()
        };
        let mut ends = places(first);
        for word in rest {
            let near = |at: &usize| ends.iter().any(|end| end < at && at - end <= self.slop + 1);
            ends = places(word).into_iter().filter(near).collect();
        }
        !ends.is_empty()
    }
}

/// Whether any of the list does; an empty list asks for nothing.
fn holds<T>(list: &[T], does: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(does)
}

fn author_type(world: &World, message: &Message) -> &'static str {
    if message.webhook.is_some() && message.interaction.is_none() {
        return "webhook";
    }
    let bot = world.users.get(&message.author).is_some_and(|u| u.bot);
    if bot { "bot" } else { "user" }
}

fn links(text: &str) -> impl Iterator<Item = url::Url> {
    let words = text.split_whitespace();
    let words = words.filter(|w| w.starts_with("http://") || w.starts_with("https://"));
    words.filter_map(|w| url::Url::parse(w).ok())
}

fn is_embed(embed: &Value, kind: &str) -> bool {
    let own = embed["type"].as_str().unwrap_or_default();
    match kind {
        "gif" => own == "gifv",
        "image" | "video" => own == kind || embed[kind].is_object(),
        "article" => matches!(own, "article" | "link"),
        _ => own == kind,
    }
}

fn has(message: &Message, thing: &str) -> bool {
    let file = |family: &str| {
        let kinds = message.attachments.iter();
        let mut kinds = kinds.filter_map(|a| a.content_type.as_deref());
        kinds.any(|kind| kind.starts_with(family))
    };
    let shows = |kind: &str| message.embeds.iter().any(|e| is_embed(e, kind));
    match thing {
        "image" => file("image/") || shows("image"),
        "video" => file("video/") || shows("video"),
        "sound" => file("audio/"),
        "file" => !message.attachments.is_empty(),
        "sticker" => !message.stickers.is_empty(),
        "embed" => !message.embeds.is_empty(),
        "link" => links(&message.content).next().is_some(),
        "poll" => message.poll.is_some(),
        _ => message.snapshot.is_some(),
    }
}

fn search(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let me = cx.me();
    // Who may not read what is said may not search it either.
    Cx::refuse_if(messages::lacks_content(cx), error::MISSING_ACCESS)?;
    cx.require(guild.id, perm::READ_MESSAGE_HISTORY)?;
    let limit = cx.query_number("limit", 25, 1, 25)? as usize;
    let offset = cx.query_number("offset", 0, 0, MAX_OFFSET)? as usize;
    let wanted = Search::read(cx)?;
    let readable = perm::VIEW_CHANNEL | perm::READ_MESSAGE_HISTORY;
    let places = guild.channels.iter().chain(&guild.threads);
    let places = places.filter_map(|c| cx.world.channels.get(c)).filter(|c| {
        holds(&wanted.channels, |id| *id == c.id)
            && (wanted.with_nsfw || !c.nsfw)
            && cx.world.permissions_in(c.id, me) & readable == readable
    });
    let all = places.filter_map(|c| cx.world.messages.get(&c.id));
    let mut found: Vec<&Message> = all
        .flat_map(|messages| messages.values())
        .filter(|m| wanted.finds(cx.world, m))
        .collect();
    found.sort_unstable_by_key(|m| std::cmp::Reverse(m.id));
    if cx.query("sort_order") == Some("asc") && cx.query("sort_by") != Some("relevance") {
        found.reverse();
    }
    let total = found.len();
    let page: Vec<&Message> = found.into_iter().skip(offset).take(limit).collect();
    let threads: BTreeSet<Id> = page.iter().map(|m| m.channel).collect();
    let threads = threads.iter().filter_map(|c| cx.world.channels.get(c));
    let threads: Vec<_> = threads
        .filter_map(|c| Some((c, c.thread.as_ref()?)))
        .collect();
    let own = threads
        .iter()
        .filter_map(|(c, t)| Some(t.members.get(&me)?.json(c.id)));
    let mut json = json!({
        "doing_deep_historical_index": false,
        "total_results": total,
        "threads": threads.iter().map(|(c, _)| cx.world.thread_json_for(c, me)).collect::<Vec<_>>(),
        "members": own.collect::<Vec<_>>(),
    });
    let shown = page.into_iter().map(|m| {
        let mut view = cx.world.message_view(m, me);
        view.forget_reactions();
        let mut message = value(&view);
        message["hit"] = true.into();
        json!([message])
    });
    json["messages"] = shown.collect();
    Reply::ok(json)
}
