//! What a mass ban, or taking it back, would do, as its look said.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::ids::{TaskId, UserId};
use splashtail_discord::{Upload, snowflake};
use splashtail_storage::TaskLogEntry;

use super::deed::{Deed, Words};
use crate::catalogue::Language;
use crate::colours;
use crate::markdown::{DESCRIPTION, length, neutralise, shorten};
use crate::modules::jobs::{self, log_button};
use crate::text;

/// Above it whoever confirms types the number.
pub(super) const TYPED_ABOVE: usize = 50;
/// How long a plan is good.
pub(super) const FRESH: Duration = Duration::from_secs(15 * 60);
/// People that the message names; the file names all.
const NAMED: usize = 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) hash: String,
    pub(super) count: usize,
    /// Why it cannot be done at all, as the jobserver says it.
    pub(super) refusals: Vec<String>,
    pub(super) people: Vec<Person>,
    spared: Vec<Spared>,
}

/// A plan as it is shown.
pub(super) struct Shown<'a> {
    pub(super) plan: &'a Plan,
    pub(super) words: Words,
    pub(super) look: TaskId,
    /// What was looked at.
    pub(super) order: &'a Value,
    /// What else whoever ordered it should know.
    pub(super) notes: &'a [String],
}

impl jobs::Plan for Shown<'_> {
    fn body(&self, text: &str, buttons: &[Value]) -> Value {
        let looked = (self.look, self.order);
        self.plan
            .body(self.words, looked, self.notes, text, buttons)
    }

    fn file(&self) -> Option<Upload> {
        self.plan.file()
    }

    fn lines(&self) -> Vec<String> {
        self.plan.lines(self.words, self.order)
    }

    fn hash(&self) -> &str {
        &self.plan.hash
    }
}

/// Somebody to whom it would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) id: UserId,
    /// Where they are in the server.
    name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Spared {
    code: String,
    people: Vec<String>,
}

impl Person {
    fn line(&self) -> String {
        let id = self.id;
        match &self.name {
            Some(name) => format!("<@{id}> {}", neutralise(name)),
            None => format!("<@{id}>"),
        }
    }
}

impl Plan {
    /// `None`: the job did not come so far.
    pub(super) fn read(log: &[TaskLogEntry]) -> Option<Self> {
        let planned = log
            .iter()
            .find(|entry| entry.extra.contains_key("plan_hash"))?;
        let extra = Value::Object(planned.extra.clone());
        let refusals = extra["refusals"].as_array().into_iter().flatten();
        let of_ban = &extra["counts"]["ban"];
        let count = of_ban["create"].as_u64().or(of_ban["delete"].as_u64());
        let mut plan = Self {
            hash: extra["plan_hash"].as_str()?.to_owned(),
            count: usize::try_from(count.unwrap_or(0)).unwrap_or(usize::MAX),
            refusals: refusals
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            people: Vec::new(),
            spared: Vec::new(),
        };
        // A job that was killed meanwhile says it again, from the beginning.
        for entry in log.iter().filter(|entry| entry.seq >= planned.seq) {
            plan.learn(entry);
        }
        Some(plan)
    }

    fn learn(&mut self, entry: &TaskLogEntry) {
        let list = |name: &str| entry.extra.get(name).and_then(Value::as_array);
        for one in list("planned").into_iter().flatten() {
            let Some(id) = snowflake::typed::<UserId>(&one[0]) else {
                continue;
            };
            if self.people.iter().all(|known| known.id != id) {
                let name = one[1].as_str().map(str::to_owned);
                self.people.push(Person { id, name });
            }
        }
        let Some(code) = entry.extra.get("spared").and_then(Value::as_str) else {
            return;
        };
        let place = self.spared.iter().position(|spared| spared.code == code);
        let place = place.unwrap_or_else(|| {
            self.spared.push(Spared {
                code: code.to_owned(),
                people: Vec::new(),
            });
            self.spared.len() - 1
        });
        let people = list("people").into_iter().flatten();
        for id in people.filter_map(Value::as_str) {
            let known = &mut self.spared[place].people;
            if known.iter().all(|other| other != id) {
                known.push(id.to_owned());
            }
        }
    }

    /// The order that does it and nothing else.
    pub(super) fn approved(&self, mut data: Value) -> Value {
        data["Options"]["DryRun"] = false.into();
        data["Options"]["PlanHash"] = self.hash.as_str().into();
        // Whoever was spared when it was shown is not banned later either.
        if self.people.len() == self.count {
            let people: Vec<UserId> = self.people.iter().map(|person| person.id).collect();
            data["Options"]["Users"] = json!(people);
        }
        data
    }

    /// The number, what goes with it, and who is spared and why.
    fn head(&self, words: Words, data: &Value) -> Vec<String> {
        let language = words.language;
        let mut lines = vec![words.count(self.count)];
        if words.deed == Deed::Ban {
            lines.extend(terms(language, &data["Options"]));
        }
        lines.extend(self.spared.iter().map(|spared| {
            let why = why(language, &spared.code);
            let named = spared.people.iter().map(|id| format!("<@{id}>"));
            let people = first(language, &named.collect::<Vec<_>>());
            text!(language, "massban-spared", why = why, people = people)
        }));
        lines
    }

    /// All of it, everybody in a line of their own.
    fn lines(&self, words: Words, data: &Value) -> Vec<String> {
        let people = self.people.iter().map(Person::line);
        self.head(words, data).into_iter().chain(people).collect()
    }

    /// Everybody, where the message does not name all.
    fn file(&self) -> Option<Upload> {
        let spared = self.spared.iter();
        let most = spared.map(|spared| spared.people.len()).max().unwrap_or(0);
        if self.people.len() <= NAMED && most <= NAMED {
            return None;
        }
        let mut whole = String::new();
        for person in &self.people {
            let name = person.name.as_deref().unwrap_or_default();
            whole.push_str(format!("{} {name}", person.id).trim_end());
            whole.push('\n');
        }
        for spared in &self.spared {
            whole.push_str(&format!("\n# {}\n", spared.code));
            for id in &spared.people {
                whole.push_str(&format!("# {id}\n"));
            }
        }
        Some(Upload {
            filename: "people.txt".to_owned(),
            bytes: whole.into(),
        })
    }

    /// The message that shows it.
    fn body(
        &self,
        words: Words,
        (look, data): (TaskId, &Value),
        notes: &[String],
        text: &str,
        buttons: &[Value],
    ) -> Value {
        let language = words.language;
        let mut lines = self.head(words, data);
        lines.extend(notes.iter().cloned());
        let named: Vec<String> = self.people.iter().map(Person::line).collect();
        if !named.is_empty() {
            lines.push(first(language, &named));
        }
        let lines: Vec<String> = lines.iter().map(|line| format!("- {line}")).collect();
        let foot = format!("\n\n{text}");
        let room = DESCRIPTION.saturating_sub(length(&foot));
        let description = format!("{}{foot}", shorten(&lines.join("\n"), room));
        let title = words.title();
        let embed = json!({"title": title, "description": description, "color": colours::RED.0});
        let mut all = buttons.to_vec();
        all.push(log_button(language, look));
        json!({"content": "", "embeds": [embed], "allowed_mentions": {"parse": []},
               "components": [{"type": 1, "components": all}]})
    }

    /// Why it is impossible.
    pub(super) fn impossible(&self, words: Words) -> Option<String> {
        let why: Vec<String> = self.refusals.iter().map(|why| neutralise(why)).collect();
        match (why.is_empty(), self.count) {
            (false, _) => Some(text!(
                words.language,
                "massban-impossible",
                why = why.join("; ")
            )),
            (true, 0) => Some(words.nobody()),
            (true, _) => None,
        }
    }
}

/// What goes with a ban: its reason, and messages that are deleted.
fn terms(language: Language, options: &Value) -> Vec<String> {
    const DAY: u64 = 24 * 60 * 60;
    let reason = options["Reason"].as_str().unwrap_or_default().trim();
    let reason = match reason.is_empty() {
        true => text!(language, "massban-no-reason"),
        false => text!(language, "massban-reason", reason = neutralise(reason)),
    };
    let days = options["DeleteSeconds"].as_u64().unwrap_or(0) / DAY;
    vec![reason, text!(language, "massban-deletes", days = days)]
}

/// The first ones, and how many more there are.
fn first(language: Language, people: &[String]) -> String {
    let more = people.len().saturating_sub(NAMED);
    let named = people[..people.len() - more].join(", ");
    match more {
        0 => named,
        more => text!(language, "massban-and-more", people = named, more = more),
    }
}

fn why(language: Language, code: &str) -> String {
    match code {
        "owner" => text!(language, "massban-why-owner"),
        "itself" => text!(language, "massban-why-itself"),
        "caller" => text!(language, "massban-why-caller"),
        "bot" => text!(language, "massban-why-bot"),
        "trusted" => text!(language, "massban-why-trusted"),
        "staff" => text!(language, "massban-why-staff"),
        "above_caller" => text!(language, "massban-why-above-caller"),
        "above_bot" => text!(language, "massban-why-above-bot"),
        _ => text!(language, "massban-why-unknown"),
    }
}

/// A button for one person: `mb:<verb>:<task>:<user>:<how many>`.
pub(super) fn button(
    (style, label): (u8, &str),
    verb: &str,
    task: TaskId,
    user: UserId,
    count: usize,
) -> Value {
    json!({"type": 2, "style": style, "label": label,
           "custom_id": format!("mb:{verb}:{task}:{user}:{count}")})
}

/// Ends it on the word of anybody who may order it: `mb:stop:<task>`.
pub(super) fn stop_button(language: Language, task: TaskId) -> Value {
    let label = text!(language, "massban-stop");
    json!({"type": 2, "style": 4, "label": label, "custom_id": format!("mb:stop:{task}")})
}

#[cfg(test)]
mod tests {
    use splashtail_storage::Level;

    use super::*;

    fn entry(seq: i64, msg: &str, extra: Value) -> TaskLogEntry {
        TaskLogEntry {
            seq,
            level: Level::Info,
            ts: chrono::DateTime::UNIX_EPOCH,
            msg: msg.to_owned(),
            extra: extra.as_object().unwrap().clone(),
        }
    }

    const WORDS: Words = Words {
        deed: Deed::Ban,
        language: Language::English,
    };

    fn id(user: u64) -> UserId {
        UserId::new(user).unwrap()
    }

    #[test]
    fn a_plan_names_everybody_in_the_message_or_the_file() {
        let people: Vec<Value> = (100..160)
            .map(|id: u64| json!([id.to_string(), (id == 100).then_some("mara_*")]))
            .collect();
        let planned = json!({"plan_hash": "ab", "counts": {"ban": {"create": 60}}});
        let log = [
            entry(1, "60 to ban", planned.clone()),
            entry(2, "To ban: 1 to 40", json!({"planned": people[..40]})),
            // It was killed before it had said all.
            entry(3, "60 to ban", planned),
            entry(4, "To ban: 1 to 40", json!({"planned": people[..40]})),
            entry(5, "To ban: 41 to 60", json!({"planned": people[40..]})),
        ];
        let plan = Plan::read(&log).unwrap();
        assert_eq!(plan.people.len(), 60);
        let order = json!({"Options": {"Users": ["1", "100"], "DryRun": true,
            "Reason": "a *raid*", "DeleteSeconds": 3 * 86_400}});
        let approved = plan.approved(order.clone());
        assert_eq!(approved["Options"]["Users"].as_array().unwrap().len(), 60);
        assert_eq!(approved["Options"]["DryRun"], false);
        let lines = plan.lines(WORDS, &order);
        assert_eq!(lines.len(), 63);
        assert_eq!(
            &lines[..4],
            [
                "**60 people** would be banned",
                "Reason: a \\*raid\\*",
                "Their messages of the last 3 days are deleted",
                "<@100> mara\\_\\*",
            ]
        );
        let file = plan.file().unwrap();
        let file = std::str::from_utf8(&file.bytes).unwrap();
        assert!(file.starts_with("100 mara_*\n101\n"), "{file}");
        assert_eq!(file.lines().count(), 60);
        let task = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap();
        let body = plan.body(WORDS, (task, &order), &[], "Sure?", &[]);
        let shown = body["embeds"][0]["description"].as_str().unwrap();
        assert!(shown.contains("<@119> and 40 more"), "{shown}");
        assert!(
            shown.contains("raid") && shown.contains("3 days"),
            "{shown}"
        );
        let few = Plan {
            people: vec![Person {
                id: id(5),
                name: None,
            }],
            ..Plan::default()
        };
        assert_eq!(few.file(), None);
    }

    #[test]
    fn a_plan_says_how_many_go_and_who_is_spared() {
        let staff: Vec<String> = (5..27).map(|id: u64| id.to_string()).collect();
        let log = [
            entry(1, "Started", json!({})),
            entry(
                2,
                "60 to ban, 23 spared",
                json!({"plan_hash": "ab", "counts": {"ban": {"create": 60}}, "refusals": []}),
            ),
            entry(
                3,
                "Spared: holds a dangerous permission",
                json!({"spared": "staff", "people": staff}),
            ),
            entry(4, "Spared", json!({"spared": "owner", "people": ["2"]})),
        ];
        let plan = Plan::read(&log).unwrap();
        assert_eq!(plan.count, 60);
        assert_eq!(plan.impossible(WORDS), None);
        let lines = plan.lines(WORDS, &json!({}));
        assert_eq!(lines[0], "**60 people** would be banned");
        assert_eq!(lines[1], "Without a reason");
        assert_eq!(lines[2], "No messages are deleted");
        assert!(lines[3].starts_with("spared, staff: take their roles first: <@5>, <@6>"));
        assert!(lines[3].ends_with("<@24> and 2 more"), "{}", lines[3]);
        assert_eq!(lines[4], "spared, the owner: <@2>");
        assert_eq!(Plan::read(&log[..1]), None);
        let nobody = Plan::default();
        assert!(nobody.impossible(WORDS).is_some());
        let task: TaskId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap();
        let user = UserId::new(1_100_000_000_000_000_010).unwrap();
        let button = button((4, "Ban"), "ask", task, user, 1000);
        let id = button["custom_id"].as_str().unwrap();
        assert!(id.len() <= 100, "Discord takes no more: {id}");
    }
}
