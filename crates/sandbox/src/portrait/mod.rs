//! A guild as people see it: every object by its name, every reference by the name of what it leads
//! to.
//!
//! For whoever damages a guild and has it mended: ids are new then, and everything else ought to be as it
//! was. It reads Discord's REST API alone and compares every field of it, so that it knows nothing of
//! what mends, and a field that nobody thought of is found, too.

mod compare;
mod excuses;
mod names;
mod said;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub use compare::Difference;
pub use excuses::{shown, unexcused};
use names::{Names, by_rank, close_ranks, number};

/// Members and bans that Discord lists at a time.
const PEOPLE: usize = 1000;
/// Threads and messages that Discord lists at a time.
const PAGE: usize = 100;
/// Threads that only their members see.
const PRIVATE: u64 = 12;

/// Where a guild is read, by somebody who sees everything in it.
#[allow(
    async_fn_in_trait,
    reason = "readers are tests, which wait in one place"
)]
pub trait Reader {
    /// What `GET` of a path below the API's version answers; null where it is refused.
    async fn get(&self, path: &str) -> Value;
    /// A file of the CDN; empty where there is none.
    async fn file(&self, path: &str) -> Vec<u8>;
}

/// The objects of a guild by what they are called: `role Manager`, `channel general`. Of several with
/// one name, the second is `role Manager #2`.
#[derive(Debug, Clone, PartialEq)]
pub struct Portrait {
    objects: BTreeMap<String, Value>,
    /// What is said in channels and threads, by what these are called.
    talk: BTreeMap<String, Talk>,
}

/// The latest messages of a place, the newest first.
#[derive(Debug, Clone, PartialEq)]
struct Talk {
    place: String,
    messages: Vec<(String, Value)>,
}

/// How a portrait is read.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// The latest messages of each channel and thread, a hundred at most.
    pub messages: usize,
    /// Members and bans.
    pub people: bool,
    /// Ids of channels and roles that are left out: whoever mends cannot see them, or has no part in them.
    pub besides: BTreeSet<String>,
}

impl Portrait {
    pub async fn read(reader: &impl Reader, guild: &str, sight: &Sight) -> Self {
        let mut sitting = Sitting {
            reader,
            guild,
            sight,
            talk: BTreeMap::new(),
            names: Names::default(),
            found: Vec::new(),
        };
        sitting.server().await;
        sitting.expressions().await;
        sitting.lists().await;
        let places = sitting.threads().await;
        if sight.people {
            sitting.people().await;
        }
        if sight.messages > 0 {
            sitting.messages(places).await;
        }
        let Sitting {
            names,
            found,
            mut talk,
            ..
        } = sitting;
        let objects = found
            .into_iter()
            .map(|(label, object)| (label, names.told(object)));
        for (_, message) in talk.values_mut().flat_map(|talk| &mut talk.messages) {
            *message = names.told(message.take());
        }
        Self {
            objects: objects.collect(),
            talk,
        }
    }

    /// The same without these objects, by what they are called. What stood behind them moves up.
    #[must_use]
    pub fn without(&self, is_left_out: impl Fn(&str) -> bool) -> Self {
        let mut rest = self.clone();
        rest.objects.retain(|label, _| !is_left_out(label));
        close_ranks(&mut rest.objects);
        rest
    }

    /// Every field that is not the same, and every object that only one of the two has. Messages of a
    /// place that was there all along are the same by their ids, those of one that was made again by
    /// their order, from the latest back.
    pub fn differences(&self, after: &Self) -> Vec<Difference> {
        let mut all = compare::differences(&self.objects, &after.objects);
        for (label, before) in &self.talk {
            // Of a place that is gone the loss is told already.
            let Some(now) = after.talk.get(label) else {
                continue;
            };
            let by_id = before.place == now.place;
            let told = |talk: &Talk| -> BTreeMap<String, Value> {
                let named = talk.messages.iter().enumerate().map(|(at, (id, message))| {
                    let which = if by_id { id.clone() } else { at.to_string() };
                    (format!("message {which} of {label}"), message.clone())
                });
                named.collect()
            };
            all.extend(compare::differences(&told(before), &told(now)));
        }
        all
    }

    /// What is told of an object by what it is called: `channel general`.
    pub fn object(&self, label: &str) -> Option<&Value> {
        self.objects.get(label)
    }

    /// How many objects of a kind there are.
    pub fn count(&self, kind: &str) -> usize {
        let is = |label: &&String| label.split(' ').next() == Some(kind);
        self.objects.keys().filter(is).count()
    }
}

struct Sitting<'r, R> {
    reader: &'r R,
    guild: &'r str,
    sight: &'r Sight,
    names: Names,
    found: Vec<(String, Value)>,
    talk: BTreeMap<String, Talk>,
}

/// A channel or thread in which messages stand.
struct Place {
    id: String,
    label: String,
}

impl<R: Reader> Sitting<'_, R> {
    async fn get(&self, rest: &str) -> Value {
        let guild = self.guild;
        self.reader.get(&format!("/guilds/{guild}{rest}")).await
    }

    async fn list(&self, rest: &str) -> Vec<Value> {
        let answer = self.get(rest).await;
        let items = answer.get("items").unwrap_or(&answer);
        items.as_array().cloned().unwrap_or_default()
    }

    /// Keeps an object under a name of its own.
    fn keep(&mut self, name: String, object: Value) -> String {
        let label = self.names.give(name, &object["id"]);
        self.found.push((label.clone(), object));
        label
    }

    /// The server itself, roles and channels.
    async fn server(&mut self) {
        let mut server = self.get("").await;
        let mut roles = taken(&mut server, "roles");
        taken(&mut server, "emojis");
        taken(&mut server, "stickers");
        // The role of everyone has the server's id.
        server["id"] = Value::Null;
        self.keep("server".to_owned(), server);
        roles.sort_by_key(|role| (-number(&role["position"]), number(&role["id"])));
        let besides = &self.sight.besides;
        let unseen = |object: &Value| {
            let id = object["id"].as_str();
            id.is_some_and(|id| besides.contains(id))
        };
        for role in roles.extract_if(.., |role| unseen(role)) {
            let name = format!("role {}", text(&role["name"]));
            self.names.give(name, &role["id"]);
        }
        for (rank, mut role) in roles.into_iter().enumerate() {
            role["rank"] = rank.into();
            self.keep(format!("role {}", text(&role["name"])), role);
        }
        let mut channels = self.list("/channels").await;
        let called = |channel: &Value| {
            let word = match channel["type"].as_u64() {
                Some(4) => "category",
                _ => "channel",
            };
            format!("{word} {}", text(&channel["name"]))
        };
        let besides: Vec<Value> = channels.extract_if(.., |c| unseen(c)).collect();
        by_rank(&mut channels);
        for channel in &besides {
            self.names.give(called(channel), &channel["id"]);
        }
        for channel in channels {
            let label = self.keep(called(&channel), channel.clone());
            for tag in channel["available_tags"].as_array().into_iter().flatten() {
                let name = format!("tag {} of {label}", text(&tag["name"]));
                self.names.give(name, &tag["id"]);
            }
        }
    }

    /// Pictures and sounds, with what their bytes are.
    async fn expressions(&mut self) {
        for (word, list, id) in [
            ("emoji", "/emojis", "id"),
            ("sticker", "/stickers", "id"),
            ("sound", "/soundboard-sounds", "sound_id"),
        ] {
            let mut all = self.list(list).await;
            all.sort_by_key(|object| number(&object[id]));
            for mut object in all {
                let key = text(&object[id]);
                let path = match (word, object["animated"] == true) {
                    ("emoji", true) => format!("/emojis/{key}.gif"),
                    ("emoji", false) => format!("/emojis/{key}.png"),
                    ("sticker", _) => format!("/stickers/{key}.png"),
                    _ => format!("/soundboard-sounds/{key}"),
                };
                let bytes = self.reader.file(&path).await;
                let digest = hex::encode(&Sha256::digest(bytes)[..4]);
                object["id"] = object[id].clone();
                let name = format!("{word} {} {digest}", text(&object["name"]));
                self.keep(name, object);
            }
        }
    }

    /// What Discord lists apart.
    async fn lists(&mut self) {
        for (word, list) in [
            ("rule", "/auto-moderation/rules"),
            ("event", "/scheduled-events"),
            ("webhook", "/webhooks"),
        ] {
            let mut all = self.list(list).await;
            all.sort_by_key(|object| number(&object["id"]));
            for object in all {
                self.keep(format!("{word} {}", text(&object["name"])), object);
            }
        }
        let mut invites = self.list("/invites").await;
        invites.sort_by_key(|invite| text(&invite["created_at"]));
        for invite in invites {
            let to = self.names.of(&text(&invite["channel"]["id"]));
            self.keep(format!("invite to {to}"), invite);
        }
        for (word, path) in [("widget", "/widget"), ("welcome", "/welcome-screen")] {
            let object = self.get(path).await;
            self.keep(word.to_owned(), object);
        }
        let onboarding = self.get("/onboarding").await;
        for prompt in onboarding["prompts"].as_array().into_iter().flatten() {
            let name = format!("prompt {}", text(&prompt["title"]));
            self.names.give(name, &prompt["id"]);
            for option in prompt["options"].as_array().into_iter().flatten() {
                let name = format!("option {}", text(&option["title"]));
                self.names.give(name, &option["id"]);
            }
        }
        self.keep("onboarding".to_owned(), onboarding);
    }

    /// Threads and posts; all places in which messages can stand are answered.
    async fn threads(&mut self) -> Vec<Place> {
        let active = self.get("/threads/active").await;
        let mut threads = active["threads"].as_array().cloned().unwrap_or_default();
        let mut places = Vec::new();
        let channels: Vec<(String, Value)> = self.found.clone();
        for (label, channel) in channels {
            if !label.starts_with("channel ") {
                continue;
            }
            let (id, kind) = (text(&channel["id"]), channel["type"].as_u64());
            if matches!(kind, Some(0 | 5 | 15 | 16)) {
                threads.extend(self.archived(&id, "public").await);
            }
            if kind == Some(0) {
                threads.extend(self.archived(&id, "private").await);
            }
            if matches!(kind, Some(0 | 2 | 5 | 13)) {
                places.push(Place { id, label });
            }
        }
        threads.sort_by_key(|thread| number(&thread["id"]));
        for thread in threads {
            let parent = self.names.of(&text(&thread["parent_id"]));
            let id = text(&thread["id"]);
            let word = if thread["type"] == PRIVATE {
                "private thread"
            } else {
                "thread"
            };
            let name = format!("{word} {} in {parent}", text(&thread["name"]));
            let members = format!("/channels/{id}/thread-members");
            let members = self.reader.get(&members).await;
            let members = members.as_array().into_iter().flatten();
            let mut members: Vec<Value> = members.map(|m| m["user_id"].clone()).collect();
            members.sort_by_key(number);
            let mut thread = thread;
            thread["members"] = members.into();
            let label = self.keep(name, thread);
            places.push(Place { id, label });
        }
        places
    }

    async fn archived(&self, channel: &str, archive: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        let path = format!("/channels/{channel}/threads/archived/{archive}?limit={PAGE}");
        let mut before = String::new();
        loop {
            let answer = self.reader.get(&format!("{path}{before}")).await;
            let page = answer["threads"].as_array().cloned().unwrap_or_default();
            let last = page.last().cloned().unwrap_or_default();
            all.extend(page);
            let at = text(&last["thread_metadata"]["archive_timestamp"]);
            if answer["has_more"] != true || at.is_empty() {
                return all;
            }
            before = format!("&before={}", at.replace('+', "%2B"));
        }
    }

    /// Which roles, nickname and timeout members have, and who is banned.
    async fn people(&mut self) {
        for (word, list) in [("member", "/members"), ("ban", "/bans")] {
            let mut after = "0".to_owned();
            loop {
                let path = format!("{list}?limit={PEOPLE}&after={after}");
                let page = self.list(&path).await;
                let count = page.len();
                for person in page {
                    after = text(&person["user"]["id"]);
                    let kept = match word {
                        "ban" => json!({"reason": person["reason"]}),
                        _ => json!({"nick": person["nick"], "roles": person["roles"],
                            "communication_disabled_until": person["communication_disabled_until"]}),
                    };
                    self.found.push((format!("{word} {after}"), kept));
                }
                if count < PEOPLE {
                    break;
                }
            }
        }
    }

    async fn messages(&mut self, places: Vec<Place>) {
        let most = self.sight.messages.min(PAGE);
        for Place { id, label } in places {
            let path = format!("/channels/{id}/messages?limit={most}");
            let answer = self.reader.get(&path).await;
            let list = answer.as_array().into_iter().flatten();
            let written = list.filter(|message| said::is_written(message));
            let messages = written.map(|m| (text(&m["id"]), said::heard(m)));
            let messages = messages.collect();
            self.talk.insert(
                label,
                Talk {
                    place: id,
                    messages,
                },
            );
        }
    }
}

fn taken(object: &mut Value, field: &str) -> Vec<Value> {
    match object[field].take() {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
