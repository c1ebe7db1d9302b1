//! The server as it is now, as far as the bot sees it, and what the bot may do there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::GuildId;
use splashtail_discord::ensure::Viewer;
use splashtail_discord::permissions::{Hierarchy, Subject};
use splashtail_discord::snowflake::{id, ids};
use splashtail_guild::{Facts, Id, Kind, Parts, Structure, pair};

use super::caller::Rights;
use super::people::Everybody;
use crate::backup::coverage::KnownChannel;
use crate::backup::error::{BackupError, Verdict};
use crate::backup::files::{self, Addressed};
use crate::backup::members::{self, People};
use crate::backup::source::Source;
use crate::backup::threads::{MOST_PAGES, learn_members};
use crate::look::{self, Look};
use crate::parts::{LISTED, Part};
use crate::templates;

/// Members or bans that Discord lists at a time.
const PEOPLE: usize = 1000;

/// One look at the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    pub structure: Structure,
    pub facts: Facts,
    /// The bot.
    #[serde(default)]
    pub viewer: Viewer,
    /// Threads of channels whose threads the backup has, too.
    #[serde(default)]
    pub threads: Vec<Value>,
    /// Members and bans, when they are restored.
    #[serde(default)]
    pub everybody: Everybody,
    /// What whoever ordered it may.
    #[serde(default)]
    pub rights: Rights,
    /// Where settings are restored and the bot may read them.
    #[serde(default)]
    pub templates: Option<Vec<Value>>,
    /// Permissions of the bot that depend on roles that Discord did not list: not known.
    pub uncertain: bool,
    /// The bot may not do anything until its timeout ends.
    pub timed_out: bool,
}

impl Live {
    /// The bot, as far as its permissions in single channels depend on it; `None` when it is not known.
    pub fn subject(&self) -> Option<Subject> {
        let Viewer { user, roles, all } = &self.viewer;
        (*user != 0).then(|| Subject {
            user: *user,
            guild: self.structure.id().get(),
            roles: roles.clone(),
            unknown_role: None,
            base: self.facts.permissions,
            all: *all,
            timed_out: self.timed_out,
        })
    }
}

/// What a backup has: the structure, and its threads.
pub type Backup<'a> = (&'a Structure, &'a [Value]);

/// Reads the server. `backup`: what it will be compared with, by the bytes of pictures and sounds and by
/// its threads. Lists that only some restores need are read when they are chosen, and left out
/// when the bot may not.
pub async fn read(
    source: Source<'_>,
    server: GuildId,
    known: &[KnownChannel],
    backup: Option<Backup<'_>>,
    wants: impl Fn(Part) -> bool,
) -> Result<Live, BackupError> {
    let look = Look::at(source, server, known).await?;
    let mut structure = look.structure(Parts::default())?;
    for listed in LISTED.iter().filter(|listed| wants(listed.part)) {
        // Not known is not the same as empty.
        if let Ok(list) = listed.read(source, &look.guild, server).await? {
            structure.learn(listed.kind, list);
        }
    }
    let kinds: Vec<Kind> = Part::ALL
        .into_iter()
        .filter(|part| wants(*part))
        .flat_map(|part| part.kinds().iter().copied())
        .collect();
    if let Some((wanted, _)) = backup {
        learn_files(source, &mut structure, wanted, &kinds).await?;
    }
    let mut everybody = Everybody::default();
    if wants(Part::Members) {
        everybody.members = people(source, server, People::Members).await?;
    }
    if wants(Part::Bans) {
        everybody.bans = people(source, server, People::Banned).await?;
    }
    let mut templates = None;
    if backup.is_some() && wants(Part::Settings) {
        templates = templates::read(source, server).await?.ok();
    }
    let threads = match backup.filter(|(_, saved)| wants(Part::Threads) && !saved.is_empty()) {
        Some(backup) => threads(source, server, &structure, backup).await?,
        None => Vec::new(),
    };
    let subject = look.subject(source.clock.now())?;
    let hierarchy = Hierarchy::new(&look.guild).ok_or_else(look::incomplete)?;
    let top_role = ids(&look.member["roles"])
        .filter_map(|role| Some((hierarchy.rank_of_role(role).ok()?, role)))
        .max()
        .map(|(_, role)| Id::new(role));
    Ok(Live {
        structure,
        facts: Facts {
            permissions: subject.base,
            top_role,
            owner: id(&look.guild["owner_id"]) == Some(look.me),
        },
        viewer: Viewer {
            user: subject.user,
            roles: subject.roles,
            all: subject.all,
        },
        threads,
        everybody,
        rights: Rights::default(),
        templates,
        uncertain: subject.unknown_role.is_some(),
        timed_out: subject.timed_out,
    })
}

/// All of a list; `None` when the bot may not read it.
async fn people(
    source: Source<'_>,
    server: GuildId,
    list: People,
) -> Result<Option<Vec<Value>>, BackupError> {
    let (mut all, mut after) = (Vec::new(), 0);
    let path = format!("/guilds/{server}/{}", list.name());
    let doing = format!("reading the {}", list.name());
    for _ in 0..members::MOST_PAGES {
        let query = [("limit", PEOPLE.to_string()), ("after", after.to_string())];
        let page = match source.list(&doing, &path, &query).await {
            Err(error) if error.verdict() == Verdict::Refused => return Ok(None),
            page => page?,
        };
        let last = page.iter().filter_map(|one| id(&one["user"]["id"])).max();
        all.extend(page.iter().map(|one| members::kept(list, one)));
        match last {
            Some(last) if page.len() >= PEOPLE && last > after => after = last,
            _ => break,
        }
    }
    Ok(Some(all))
}

/// Lists the threads of channels that are there, as far as the bot may: the active ones at once,
/// the archived ones of each channel for itself.
async fn threads(
    source: Source<'_>,
    server: GuildId,
    live: &Structure,
    (wanted, saved): Backup<'_>,
) -> Result<Vec<Value>, BackupError> {
    let mapping = pair(live, wanted);
    let parents: BTreeSet<Id> = saved
        .iter()
        .filter_map(|thread| mapping.live(Kind::Channel, Id::read(&thread["parent_id"])?))
        .filter(|parent| !live.is_hidden(*parent))
        .collect();
    if parents.is_empty() {
        return Ok(Vec::new());
    }
    let list = |answer: Value| {
        let threads = answer["threads"].as_array()?.clone();
        Some((threads, answer["has_more"] == true))
    };
    let path = format!("/guilds/{server}/threads/active");
    let (active, _) = source
        .ask("listing the active threads", &path, &[], list)
        .await?;
    let of =
        |thread: &Value| Id::read(&thread["parent_id"]).is_some_and(|id| parents.contains(&id));
    let mut found: Vec<Value> = active.into_iter().filter(of).collect();
    for parent in &parents {
        let mut archives = vec!["public"];
        // Other kinds have none.
        if live
            .get(Kind::Channel, *parent)
            .is_some_and(|c| c["type"] == 0)
        {
            archives.push("private");
        }
        for archive in archives {
            let path = format!("/channels/{parent}/threads/archived/{archive}");
            let doing = "listing archived threads";
            let mut before: Option<String> = None;
            for _ in 0..MOST_PAGES {
                let mut query = vec![("limit", "100".to_owned())];
                query.extend(before.take().map(|before| ("before", before)));
                let (page, more) = match source.ask(doing, &path, &query, list).await {
                    // What cannot be seen is not found again.
                    Err(error) if error.verdict() == Verdict::Refused => break,
                    page => page?,
                };
                let last = page
                    .last()
                    .map(|t| &t["thread_metadata"]["archive_timestamp"]);
                before = last.and_then(|at| at.as_str()).map(str::to_owned);
                found.extend(page);
                if !more || before.is_none() {
                    break;
                }
            }
        }
    }
    for thread in &mut found {
        // It is the bot's own, and changes by itself.
        if let Some(thread) = thread.as_object_mut() {
            thread.shift_remove("member");
        }
    }
    // Of those only that the backup tells the members of.
    let told = saved.iter().filter(|thread| thread["members"].is_array());
    let told: Vec<&Value> = told.collect();
    let known = |thread: &&mut Value| {
        let same = |saved: &&Value| saved["id"] == thread["id"] || saved["name"] == thread["name"];
        told.iter().any(same)
    };
    learn_members(source, found.iter_mut().filter(known)).await?;
    Ok(found)
}

/// Says which bytes the server's pictures and sounds are. One that the backup has under the same
/// name, or hash, is the same; the others are read.
async fn learn_files(
    source: Source<'_>,
    live: &mut Structure,
    wanted: &Structure,
    kinds: &[Kind],
) -> Result<(), BackupError> {
    let all = files::of(source.discord, live, |kind| kinds.contains(&kind));
    let mut open = Vec::new();
    for file in all {
        match twin(live, wanted, &file) {
            Twin::Known(digest) => live.learn_file(file.kind, file.id, file.field, &digest),
            // As good as its bytes.
            Twin::Named => {}
            Twin::None => open.push(file),
        }
    }
    files::download(source, &open, |at, bytes| {
        if let Ok(bytes) = bytes {
            let file = &open[at];
            let digest = files::digest(&bytes);
            live.learn_file(file.kind, file.id, file.field, &digest);
        }
        std::future::ready(Ok(()))
    })
    .await
}

/// What the backup has of a file of the server's.
enum Twin {
    /// The same one, with its bytes.
    Known(String),
    /// The same one, without its bytes.
    Named,
    None,
}

fn twin(live: &Structure, wanted: &Structure, file: &Addressed) -> Twin {
    let (kind, field) = (file.kind, file.field);
    let object = live.get(kind, file.id);
    let hash = object.and_then(|object| object[field].as_str());
    let same = match hash {
        // The same picture has the same hash, whoever has it.
        Some(hash) => wanted.all(kind).find(|(_, other)| other[field] == hash),
        None => wanted.get(kind, file.id).map(|object| (file.id, object)),
    };
    match same {
        None => Twin::None,
        Some((id, _)) => match wanted.file(kind, id, field) {
            Some(digest) => Twin::Known(digest.to_owned()),
            None => Twin::Named,
        },
    }
}
