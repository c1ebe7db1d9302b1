//! How a request is shown.

use chrono::{DateTime, Utc};
use poise::serenity_prelude as serenity;
use serde_json::{Value, json};
use serenity::{ButtonStyle, CreateActionRow, CreateButton, CreateEmbed};
use splashtail_core::ids::UserId;
use splashtail_storage::{Answer, GuardedRequest, RequestState};
use uuid::Uuid;

use super::circle::Circle;
use super::rules::{self, Standing, Word};
use crate::colours;
use crate::markdown::cut;

/// First part of the custom ids of our buttons: `gd:<word>:<request>`.
pub const PREFIX: &str = "gd";
/// Lines of what it would do.
const LINES: usize = 15;
/// Characters of one.
const LINE: usize = 300;
/// People who are called to a request.
const CALLED: usize = 20;

/// A request as people see it.
pub struct Shown {
    title: String,
    text: String,
    is_open: bool,
    id: Uuid,
}

impl Shown {
    pub fn new(
        request: &GuardedRequest,
        answers: &[Answer],
        circle: &Circle,
        name: &str,
        now: DateTime<Utc>,
    ) -> Self {
        let mut lines: Vec<String> = Vec::new();
        let told = request.summary.iter().take(LINES);
        lines.extend(told.map(|line| format!("- {}", cut(line, LINE))));
        let more = request.summary.len().saturating_sub(LINES);
        if more > 0 {
            lines.push(format!("- and {more} more"));
        }
        let (by, at) = (request.asked_by, request.asked_at.timestamp());
        lines.push(format!("\nAsked for by <@{by}> <t:{at}:R>."));
        lines.extend(heard(answers));
        let is_open = request.state == RequestState::Open;
        if is_open {
            lines.push(waits(request, answers, circle, now));
        }
        if let Some(outcome) = &request.outcome {
            lines.push(format!("\n**{outcome}**"));
        }
        lines.push(format!("\n`{}`", short(&request.digest)));
        Self {
            title: format!("{}: {name}", title(request.state)),
            text: lines.join("\n"),
            is_open,
            id: request.id,
        }
    }

    /// Called to when it is new.
    pub fn calling(&self, circle: &Circle, asker: UserId) -> Value {
        let people = circle.all().filter(|user| *user != asker).take(CALLED);
        let people: Vec<String> = people.map(|user| user.to_string()).collect();
        let names: Vec<String> = people.iter().map(|user| format!("<@{user}>")).collect();
        let mut body = self.body();
        body["content"] = names.join(" ").into();
        body["allowed_mentions"] = json!({"parse": [], "users": people});
        body
    }

    /// Of a message, to be posted or put in place of the one before.
    pub fn body(&self) -> Value {
        let embed = json!({"title": self.title, "description": self.text,
                           "color": colours::BLUE.0});
        let buttons = match self.is_open {
            true => json!([{"type": 1, "components": [
                self.button(Word::Agree, 3), self.button(Word::Refuse, 4),
                self.button(Word::Withdraw, 2)]}]),
            false => json!([]),
        };
        json!({"embeds": [embed], "components": buttons, "allowed_mentions": {"parse": []}})
    }

    fn button(&self, word: Word, style: u8) -> Value {
        json!({"type": 2, "style": style, "label": label(word),
               "custom_id": custom_id(word, self.id)})
    }

    /// For a list of them.
    pub fn embed(&self) -> CreateEmbed {
        CreateEmbed::new()
            .title(&self.title)
            .description(&self.text)
            .colour(colours::BLUE)
    }

    /// Numbered as the embeds are.
    pub fn row(&self, number: usize) -> CreateActionRow {
        let button = |word: Word, style| {
            CreateButton::new(custom_id(word, self.id))
                .label(format!("{} {number}", label(word)))
                .style(style)
        };
        CreateActionRow::Buttons(vec![
            button(Word::Agree, ButtonStyle::Success),
            button(Word::Refuse, ButtonStyle::Danger),
            button(Word::Withdraw, ButtonStyle::Secondary),
        ])
    }
}

pub fn custom_id(word: Word, request: Uuid) -> String {
    format!("{PREFIX}:{}:{}", word.as_str(), request.simple())
}

const fn label(word: Word) -> &'static str {
    match word {
        Word::Agree => "Agree",
        Word::Refuse => "Refuse",
        Word::Withdraw => "Withdraw",
    }
}

const fn title(state: RequestState) -> &'static str {
    match state {
        RequestState::Open => "A second person has to agree",
        RequestState::Running => "Agreed",
        RequestState::Done => "Agreed and done",
        RequestState::Failed => "Agreed, but not done",
        RequestState::Refused => "Refused",
        RequestState::Withdrawn => "Withdrawn",
        RequestState::Expired => "Nobody else agreed in time",
    }
}

fn heard(answers: &[Answer]) -> Vec<String> {
    const SHOWN: usize = 10;
    let newest = answers.len().saturating_sub(SHOWN);
    let line = |answer: &Answer| {
        let (user, at) = (answer.user, answer.at.timestamp());
        let said = match Word::read(&answer.answer) {
            Some(Word::Agree) => "agreed",
            Some(Word::Refuse) => "refused",
            Some(Word::Withdraw) => "took it back",
            None => "answered",
        };
        format!("<@{user}> {said} <t:{at}:R>.")
    };
    answers[newest..].iter().map(line).collect()
}

/// What it waits for.
fn waits(
    request: &GuardedRequest,
    answers: &[Answer],
    circle: &Circle,
    now: DateTime<Utc>,
) -> String {
    let until = request.expires_at.timestamp();
    let minutes = rules::TOGETHER.num_minutes();
    match rules::judge(answers, circle, now) {
        Standing::Waits {
            agreed,
            alone_from: Some(from),
        } if circle.is_owner(request.asked_by) => {
            let from = from.timestamp();
            let two = match agreed.is_empty() {
                true => "Two trusted people",
                false => "One more trusted person",
            };
            format!(
                "{two} within {minutes} minutes is enough, or the owner alone who agrees again \
                 after <t:{from}:f>. Open until <t:{until}:f>."
            )
        }
        Standing::Waits { agreed, .. } => match agreed.is_empty() {
            true => format!(
                "Two people whom the owner trusts have to agree within {minutes} minutes. Open \
                 until <t:{until}:t>."
            ),
            false => format!("One more trusted person has to agree. Open until <t:{until}:t>."),
        },
        Standing::Agreed(_) => "Agreed.".to_owned(),
    }
}

fn short(digest: &str) -> &str {
    cut(digest, 12)
}

/// For somebody who is told in private.
pub fn announcement(request: &GuardedRequest, circle: &Circle, name: &str, place: &str) -> Value {
    let server = crate::markdown::neutralise(&circle.name);
    let lines = request.summary.iter().take(LINES);
    let lines: Vec<String> = lines.map(|line| format!("- {}", cut(line, LINE))).collect();
    let text = format!(
        "<@{}> asks for it in **{server}**:\n{}\nAnswer {place}.",
        request.asked_by,
        lines.join("\n")
    );
    json!({"embeds": [{"title": format!("A second person has to agree: {name}"),
                       "description": text, "color": colours::BLUE.0}],
           "allowed_mentions": {"parse": []}})
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use splashtail_core::ids::GuildId;

    use super::*;

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    fn request(state: RequestState) -> GuardedRequest {
        GuardedRequest {
            id: Uuid::nil(),
            guild: GuildId::new(1).unwrap(),
            operation: "restore".to_owned(),
            arguments: Value::Null,
            summary: vec!["3 channels to delete".to_owned()],
            digest: "0123456789abcdef".to_owned(),
            asked_by: user(2),
            asked_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH + TimeDelta::minutes(15),
            state,
            run_until: None,
            outcome: None,
            ended_at: None,
            message: None,
        }
    }

    #[test]
    fn an_open_request_says_what_it_waits_for_and_has_buttons() {
        let circle = Circle {
            owner: Some(user(1)),
            named: [user(2)].into(),
            ..Circle::default()
        };
        let answers = [Answer {
            user: user(2),
            answer: "agree".to_owned(),
            at: DateTime::UNIX_EPOCH,
        }];
        let now = DateTime::UNIX_EPOCH;
        let open = request(RequestState::Open);
        let shown = Shown::new(&open, &answers, &circle, "Restore a backup", now);
        let body = shown.calling(&circle, open.asked_by);
        insta::assert_snapshot!(body["embeds"][0]["description"].as_str().unwrap(), @r"
        - 3 channels to delete

        Asked for by <@2> <t:0:R>.
        <@2> agreed <t:0:R>.
        One more trusted person has to agree. Open until <t:900:t>.

        `0123456789ab`
        ");
        assert_eq!(body["content"], "<@1>");
        assert_eq!(
            body["components"][0]["components"][0]["custom_id"],
            "gd:agree:00000000000000000000000000000000"
        );
        let done = Shown::new(&request(RequestState::Done), &[], &circle, "x", now);
        assert_eq!(done.body()["components"], json!([]));
    }
}
