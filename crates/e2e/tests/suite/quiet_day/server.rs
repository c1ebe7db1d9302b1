//! A server whose staff has much to do.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::attack::{BOT, PIXEL};
use splashtail_e2e::backups::OWNER;
use splashtail_e2e::platform::Platform;
use splashtail_e2e::portrait::read;
use splashtail_sandbox::control::types::{Act, ClockChange, NewApp};

use crate::quiet_day::errand::{E, Errand};

/// Events end so long after they are made.
const SOON: chrono::TimeDelta = chrono::TimeDelta::days(3);

/// The server as the owner made it, and what is left of it.
pub struct Server<'a> {
    pub platform: &'a Platform,
    pub guild: String,
    pub things: BTreeMap<&'static str, Vec<String>>,
    /// Who was given which role.
    pub held: Vec<(String, String)>,
    pub done: usize,
}

impl Server<'_> {
    pub async fn ask(&self, who: &str, method: &str, path: &str, body: Value) -> Value {
        loop {
            let control = &self.platform.control;
            let answer = control.rest(who, method, path, body.clone()).await.unwrap();
            if answer.status != 429 {
                assert!(answer.status < 300, "{method} {path} {body}: {answer:?}");
                return answer.body;
            }
            let wait = answer.body["retry_after"].as_f64().unwrap();
            self.later(Duration::from_secs_f64(wait)).await;
        }
    }

    pub async fn later(&self, by: Duration) {
        let change = ClockChange {
            advance_ms: Some(by.as_millis().try_into().unwrap()),
            ..ClockChange::default()
        };
        self.platform.control.clock(&change).await.unwrap();
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/guilds/{}/{rest}", self.guild)
    }

    /// Makes something below the server, and keeps its id.
    pub async fn make(
        &mut self,
        who: &str,
        (what, path): (&'static str, &str),
        body: Value,
    ) -> String {
        let made = self.ask(who, "POST", path, body).await;
        let id = made["id"].as_str().or(made["code"].as_str()).unwrap();
        self.things.entry(what).or_default().push(id.to_owned());
        id.to_owned()
    }

    /// The oldest of its kind, which is used up.
    fn take(&mut self, what: &str) -> String {
        self.things.get_mut(what).unwrap().remove(0)
    }

    /// One after the other of its kind.
    fn one(&self, what: &str) -> String {
        let all = &self.things[what];
        all[self.done % all.len()].clone()
    }

    async fn in_days(&self, days: i32) -> String {
        let now = self.platform.control.now().await.unwrap().now;
        let now: chrono::DateTime<chrono::Utc> = now.parse().unwrap();
        (now + SOON * days).to_rfc3339()
    }

    async fn event(&self) -> Value {
        let (begins, ends) = (self.in_days(1).await, self.in_days(2).await);
        json!({"name": "Regatta", "privacy_level": 2, "entity_type": 3,
            "scheduled_start_time": begins, "scheduled_end_time": ends,
            "entity_metadata": {"location": "Pier"}})
    }

    fn rule(&self) -> Value {
        json!({"name": format!("Manners {}", self.done), "event_type": 1, "trigger_type": 1,
            "trigger_metadata": {"keyword_filter": [format!("rude{}", self.done)]},
            "actions": [{"type": 1}], "enabled": true})
    }

    /// The owner says something.
    async fn said(&self, channel: &str) -> String {
        let path = format!("/channels/{channel}/messages");
        let text = json!({"content": format!("Ahoy {}", self.done)});
        let said = self.ask(OWNER, "POST", &path, text).await;
        said["id"].as_str().unwrap().to_owned()
    }

    /// What the owner made before, for others to change and delete.
    pub async fn furnish(&mut self, people: &[String]) {
        for (what, list) in [
            ("channels", "channels"),
            ("roles", "roles"),
            ("emojis", "emojis"),
            ("rules", "auto-moderation/rules"),
        ] {
            let all = read(self.platform, &self.path(list)).await;
            let all = all.as_array().unwrap().iter();
            let own = all.filter(|one| one["type"] != 4 && one["managed"] != true);
            let own = own.filter(|one| one["id"] != self.guild);
            let ids = own.map(|one| one["id"].as_str().unwrap().to_owned());
            self.things.insert(what, ids.collect());
        }
        self.things.insert("people", people.to_vec());
        // Channels are deleted from the first on.
        let channel = self.things["channels"].last().unwrap().clone();
        for n in 0..8 {
            let path = self.path("scheduled-events");
            let event = self.event().await;
            self.make(OWNER, ("events", &path), event).await;
            let path = format!("/channels/{channel}/threads");
            let thread = json!({"name": format!("Thread {n}"), "type": 11});
            self.make(OWNER, ("threads", &path), thread).await;
            let path = format!("/channels/{channel}/invites");
            let invite = json!({"unique": true, "max_age": 0});
            self.make(OWNER, ("invites", &path), invite).await;
        }
        let path = format!("/channels/{channel}/webhooks");
        self.make(OWNER, ("webhooks", &path), json!({"name": "News"}))
            .await;
        for list in [self.things["roles"].clone()] {
            for (person, role) in people.iter().zip(&list) {
                let path = self.path(&format!("members/{person}/roles/{role}"));
                self.ask(OWNER, "PUT", &path, Value::Null).await;
                self.held.push((person.clone(), role.clone()));
            }
        }
    }

    /// A role for somebody, just below the bot.
    pub async fn appoint(&self, who: &str, permissions: u64) {
        let roles = self.path("roles");
        let role = json!({"name": "Staff", "permissions": permissions.to_string()});
        let role = self.ask(OWNER, "POST", &roles, role).await;
        let id = role["id"].as_str().unwrap();
        let all = read(self.platform, &roles).await;
        let mut all = all.as_array().unwrap().clone();
        all.retain(|one| one["id"] != self.guild);
        // From below: everybody else's, this one, the bot's.
        let rank = |one: &Value| match one["id"] == id {
            true => 1,
            false if one["tags"]["bot_id"] == BOT => 2,
            false => 0,
        };
        all.sort_by_key(|one| (rank(one), one["position"].as_i64()));
        let order = all.iter().zip(1..);
        let order = order.map(|(one, position)| json!({"id": one["id"], "position": position}));
        self.ask(OWNER, "PATCH", &roles, order.collect()).await;
        let path = self.path(&format!("members/{who}/roles/{id}"));
        self.ask(OWNER, "PUT", &path, Value::Null).await;
    }

    pub async fn run(&mut self, who: &str, errand: Errand) {
        self.done += 1;
        match errand {
            E::MakeChannel
            | E::EditChannel
            | E::DeleteChannel
            | E::SetOverwrite
            | E::MakeThread
            | E::DeleteThread
            | E::MakeWebhook
            | E::RenameWebhook
            | E::MakeInvite
            | E::DeleteInvite => self.about_channels(who, errand).await,
            E::Ban
            | E::Unban
            | E::Kick
            | E::TimeOut
            | E::Rename
            | E::GiveRole
            | E::TakeRole
            | E::AddBot => self.about_people(who, errand).await,
            E::DeleteMessage | E::Purge | E::Pin | E::Ping => {
                self.about_messages(who, errand).await;
            }
            _ => self.about_server(who, errand).await,
        }
    }

    async fn about_channels(&mut self, who: &str, errand: Errand) {
        let n = self.done;
        let channel = format!("/channels/{}", self.one("channels"));
        match errand {
            E::MakeChannel => {
                let body = json!({"name": format!("evening-{n}"), "type": 0});
                self.make(who, ("made", &self.path("channels")), body).await;
            }
            E::EditChannel => {
                let topic = json!({"topic": format!("Tonight at {n}")});
                self.ask(who, "PATCH", &channel, topic).await;
            }
            E::DeleteChannel => {
                let path = format!("/channels/{}", self.take("channels"));
                self.ask(who, "DELETE", &path, Value::Null).await;
            }
            E::SetOverwrite => {
                let path = format!("{channel}/permissions/{}", self.guild);
                let deny = if n.is_multiple_of(2) { "2048" } else { "64" };
                let body = json!({"type": 0, "allow": "0", "deny": deny});
                self.ask(who, "PUT", &path, body).await;
            }
            E::MakeThread => {
                let path = format!("{channel}/threads");
                let body = json!({"name": format!("Talk {n}"), "type": 11});
                self.make(who, ("talks", &path), body).await;
            }
            E::DeleteThread => {
                let path = format!("/channels/{}", self.take("threads"));
                self.ask(who, "DELETE", &path, Value::Null).await;
            }
            E::MakeWebhook => {
                let path = format!("{channel}/webhooks");
                self.make(who, ("hooks", &path), json!({"name": "Weather"}))
                    .await;
            }
            E::RenameWebhook => {
                let path = format!("/webhooks/{}", self.one("webhooks"));
                let name = json!({"name": format!("News {n}")});
                self.ask(who, "PATCH", &path, name).await;
            }
            E::MakeInvite => {
                let path = format!("{channel}/invites");
                self.make(who, ("codes", &path), json!({"unique": true}))
                    .await;
            }
            _ => {
                let path = format!("/invites/{}", self.take("invites"));
                self.ask(who, "DELETE", &path, Value::Null).await;
            }
        }
    }

    async fn about_people(&mut self, who: &str, errand: Errand) {
        let person = self.one("people");
        let member = self.path(&format!("members/{person}"));
        match errand {
            E::Ban => {
                let person = self.take("people");
                let path = self.path(&format!("bans/{person}"));
                self.ask(who, "PUT", &path, json!({})).await;
                self.held.retain(|(one, _)| *one != person);
                self.things.entry("banned").or_default().push(person);
            }
            E::Unban => {
                let one = self.take("banned");
                let path = self.path(&format!("bans/{one}"));
                self.ask(who, "DELETE", &path, Value::Null).await;
            }
            E::Kick => {
                let person = self.take("people");
                let path = self.path(&format!("members/{person}"));
                self.ask(who, "DELETE", &path, Value::Null).await;
                self.held.retain(|(one, _)| *one != person);
            }
            E::TimeOut => {
                let until = match self.done.is_multiple_of(3) {
                    true => Value::Null,
                    false => self.in_days(1).await.into(),
                };
                let body = json!({"communication_disabled_until": until});
                self.ask(who, "PATCH", &member, body).await;
            }
            E::Rename => {
                let body = json!({"nick": format!("Sailor {}", self.done)});
                self.ask(who, "PATCH", &member, body).await;
            }
            E::GiveRole => {
                let role = self.one("roles");
                let path = format!("{member}/roles/{role}");
                self.ask(who, "PUT", &path, Value::Null).await;
                self.held.push((person, role));
            }
            E::TakeRole => {
                let (person, role) = self.held.remove(0);
                let path = self.path(&format!("members/{person}/roles/{role}"));
                self.ask(who, "DELETE", &path, Value::Null).await;
            }
            _ => {
                let app = NewApp {
                    name: Some("Dice".to_owned()),
                    ..NewApp::default()
                };
                let app = self.platform.control.create_app(&app).await.unwrap();
                let act = Act {
                    guild_id: Some(self.guild.clone()),
                    target_id: Some(app.id),
                    body: json!({"permissions": "2048"}),
                    ..Act::default()
                };
                let added = self.platform.control.act(who, "add_bot", &act).await;
                let added = added.unwrap().results;
                assert!(added.iter().all(|one| one.status < 300), "{added:?}");
            }
        }
    }

    async fn about_messages(&mut self, who: &str, errand: Errand) {
        let channel = self.one("channels");
        let messages = format!("/channels/{channel}/messages");
        match errand {
            E::DeleteMessage => {
                let path = format!("{messages}/{}", self.said(&channel).await);
                self.ask(who, "DELETE", &path, Value::Null).await;
            }
            E::Purge => {
                let two = [self.said(&channel).await, self.said(&channel).await];
                let path = format!("{messages}/bulk-delete");
                self.ask(who, "POST", &path, json!({"messages": two})).await;
            }
            E::Pin => {
                let path = format!("{messages}/pins/{}", self.said(&channel).await);
                self.ask(who, "PUT", &path, Value::Null).await;
            }
            _ => {
                let news = json!({"content": "@everyone there is news"});
                self.ask(who, "POST", &messages, news).await;
            }
        }
    }

    async fn about_server(&mut self, who: &str, errand: Errand) {
        let n = self.done;
        match errand {
            E::MakeRole => {
                let body = json!({"name": format!("Crew {n}"), "permissions": "0"});
                self.make(who, ("crews", &self.path("roles")), body).await;
            }
            E::EditRole => {
                let path = self.path(&format!("roles/{}", self.one("roles")));
                self.ask(who, "PATCH", &path, json!({"color": n})).await;
            }
            E::DeleteRole => {
                let role = self.take("roles");
                let path = self.path(&format!("roles/{role}"));
                self.ask(who, "DELETE", &path, Value::Null).await;
                self.held.retain(|(_, one)| *one != role);
            }
            E::MakeEmoji => {
                let picture = format!("data:image/png;base64,{PIXEL}");
                let body = json!({"name": format!("wave_{n}"), "image": picture});
                self.make(who, ("waves", &self.path("emojis")), body).await;
            }
            E::DeleteEmoji => {
                let one = self.take("emojis");
                let path = self.path(&format!("emojis/{one}"));
                self.ask(who, "DELETE", &path, Value::Null).await;
            }
            E::MakeEvent => {
                let event = self.event().await;
                let path = self.path("scheduled-events");
                self.make(who, ("parties", &path), event).await;
            }
            E::EditEvent => {
                let path = self.path(&format!("scheduled-events/{}", self.one("events")));
                let body = json!({"name": format!("Regatta {n}")});
                self.ask(who, "PATCH", &path, body).await;
            }
            E::CancelEvent => {
                let one = self.take("events");
                let path = self.path(&format!("scheduled-events/{one}"));
                self.ask(who, "DELETE", &path, Value::Null).await;
            }
            E::MakeRule => {
                let path = self.path("auto-moderation/rules");
                let rule = self.rule();
                self.make(who, ("manners", &path), rule).await;
            }
            E::EditRule => {
                let rules = self.path("auto-moderation/rules");
                let path = format!("{rules}/{}", self.one("rules"));
                let body = json!({"name": format!("Rule {n}")});
                self.ask(who, "PATCH", &path, body).await;
            }
            E::DeleteRule => {
                let rules = self.path("auto-moderation/rules");
                let path = format!("{rules}/{}", self.take("rules"));
                self.ask(who, "DELETE", &path, Value::Null).await;
            }
            E::EditServer => {
                let body = json!({"afk_timeout": if n.is_multiple_of(2) { 60 } else { 300 }});
                self.ask(who, "PATCH", &format!("/guilds/{}", self.guild), body)
                    .await;
            }
            _ => {
                let body = json!({"prompts": [], "enabled": false, "mode": 1,
                    "default_channel_ids": [self.one("channels")]});
                self.ask(who, "PUT", &self.path("onboarding"), body).await;
            }
        }
    }
}
