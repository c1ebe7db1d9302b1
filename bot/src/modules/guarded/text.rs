//! How a request is shown.

use chrono::{DateTime, Utc};
use poise::serenity_prelude as serenity;
use serde_json::{Value, json};
use serenity::{ButtonStyle, CreateActionRow, CreateAttachment, CreateButton, CreateEmbed};
use splashtail_core::ids::{ChannelId, UserId};
use splashtail_discord::Upload;
use splashtail_storage::{Answer, GuardedRequest, RequestState};
use uuid::Uuid;

use super::circle::Circle;
use super::rules::{self, Standing, Word};
use crate::catalogue::Language;
use crate::colours;
use crate::fit::fit;
use crate::markdown::{length, neutralise, shorten};
use crate::text;

/// First part of the custom ids of our buttons: `gd:<word>:<request>`.
pub const PREFIX: &str = "gd";
/// Characters of one line of what it would do.
const LINE: usize = 300;
/// Characters of a description (Discord documentation, "Embed Limits": 4096), with some to spare.
const DESCRIPTION: usize = 4000;
/// Characters of all embeds of a message (the same: 6000), with some to spare for titles.
const ALL_EMBEDS: usize = 5400;
/// What was answered is shown in full up to here, and outcomes.
const OUTCOME: usize = 500;
/// Longest name of a server that is shown whole.
const NAME: usize = 100;
/// People who are called to a request.
const CALLED: usize = 20;

/// A request as people see it.
pub struct Shown {
    language: Language,
    title: String,
    text: String,
    is_open: bool,
    id: Uuid,
    /// The whole list, where not all of it is in the text.
    whole: Option<String>,
}

impl Shown {
    /// `beside` others in the same message.
    pub fn new(
        request: &GuardedRequest,
        answers: &[Answer],
        circle: &Circle,
        name: &str,
        now: DateTime<Utc>,
        beside: usize,
    ) -> Self {
        let language = circle.language;
        let (by, at) = (request.asked_by, request.asked_at.timestamp());
        let (who, when) = (format!("<@{by}>"), format!("<t:{at}:R>"));
        let asked = text!(language, "guarded-asked-by", who = who, when = when);
        let mut lines = vec![format!("\n{asked}")];
        lines.extend(heard(language, answers, if beside == 0 { 10 } else { 3 }));
        let is_open = request.state == RequestState::Open;
        if is_open {
            lines.push(waits(request, answers, circle, now));
        }
        if let Some(outcome) = &request.outcome {
            lines.push(format!("\n**{}**", shorten(outcome, OUTCOME)));
        }
        lines.push(format!("\n`{}`", short(&request.digest)));
        let rest = lines.join("\n");
        let budget = DESCRIPTION.min(ALL_EMBEDS / (beside + 1));
        let told = told(
            language,
            &request.summary,
            budget.saturating_sub(length(&rest)),
        );
        Self {
            language,
            title: title(language, request.state, name),
            text: format!("{}{rest}", told.text),
            is_open,
            id: request.id,
            whole: told.whole,
        }
    }

    /// The whole list as a file, where not all of it is in the text.
    pub fn file(&self) -> Option<Upload> {
        self.whole.as_deref().map(whole_file)
    }

    /// The same for an answer to a command, numbered as the embeds are.
    pub fn attachment(&self, number: usize) -> Option<CreateAttachment> {
        let whole = self.whole.as_deref()?;
        let name = format!("request-{number}.txt");
        Some(CreateAttachment::bytes(whole.to_owned().into_bytes(), name))
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
        let mut body = json!({"embeds": [embed], "components": buttons});
        fit(&mut body);
        body
    }

    fn button(&self, word: Word, style: u8) -> Value {
        json!({"type": 2, "style": style, "label": label(self.language, word),
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
                .label(text!(
                    self.language,
                    "guarded-numbered",
                    label = label(self.language, word),
                    number = number
                ))
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

fn label(language: Language, word: Word) -> String {
    match word {
        Word::Agree => text!(language, "guarded-agree"),
        Word::Refuse => text!(language, "guarded-refuse"),
        Word::Withdraw => text!(language, "guarded-withdraw"),
    }
}

fn title(language: Language, state: RequestState, name: &str) -> String {
    match state {
        RequestState::Open => text!(language, "guarded-open", name = name),
        RequestState::Running => text!(language, "guarded-running", name = name),
        RequestState::Done => text!(language, "guarded-done", name = name),
        RequestState::Failed => text!(language, "guarded-failed", name = name),
        RequestState::Refused => text!(language, "guarded-refused", name = name),
        RequestState::Withdrawn => text!(language, "guarded-withdrawn", name = name),
        RequestState::Expired => text!(language, "guarded-expired", name = name),
    }
}

struct Told {
    text: String,
    whole: Option<String>,
}

/// What a request would do, as far as there is room for it.
fn told(language: Language, summary: &[String], room: usize) -> Told {
    /// For the line that says that there is more.
    const MORE: usize = 60;
    let line = |text: &String| format!("- {}\n", shorten(text, LINE));
    let is_cut = |text: &String| length(text) > LINE;
    let all: String = summary.iter().map(line).collect();
    if length(&all) <= room && !summary.iter().any(is_cut) {
        return Told {
            text: all,
            whole: None,
        };
    }
    let (mut text, mut shown, mut left) = (String::new(), 0, room.saturating_sub(MORE));
    for next in summary.iter().map(line) {
        let Some(rest) = left.checked_sub(length(&next)) else {
            break;
        };
        left = rest;
        text.push_str(&next);
        shown += 1;
    }
    let more = summary.len() - shown;
    if more > 0 {
        text.push_str(&text!(language, "guarded-more", more = more));
        text.push('\n');
    }
    Told {
        text,
        whole: Some(summary.iter().map(|line| format!("{line}\n")).collect()),
    }
}

fn whole_file(whole: &str) -> Upload {
    Upload {
        filename: "request.txt".to_owned(),
        bytes: whole.to_owned().into(),
    }
}

fn heard(language: Language, answers: &[Answer], most: usize) -> Vec<String> {
    let newest = answers.len().saturating_sub(most);
    let line = |answer: &Answer| {
        let (user, at) = (answer.user, answer.at.timestamp());
        let (who, when) = (format!("<@{user}>"), format!("<t:{at}:R>"));
        match Word::read(&answer.answer) {
            Some(Word::Agree) => text!(language, "guarded-agreed-by", who = who, when = when),
            Some(Word::Refuse) => text!(language, "guarded-refused-by", who = who, when = when),
            Some(Word::Withdraw) => {
                text!(language, "guarded-withdrawn-by", who = who, when = when)
            }
            None => text!(language, "guarded-answered-by", who = who, when = when),
        }
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
    let language = circle.language;
    let until = request.expires_at.timestamp();
    let minutes = rules::TOGETHER.num_minutes();
    let (today, dated) = (format!("<t:{until}:t>"), format!("<t:{until}:f>"));
    match rules::judge(answers, circle, now) {
        Standing::Waits {
            agreed,
            alone_from: Some(from),
        } if circle.is_owner(request.asked_by) => {
            let from = format!("<t:{}:f>", from.timestamp());
            match agreed.is_empty() {
                true => text!(
                    language,
                    "guarded-two-or-alone",
                    minutes = minutes,
                    from = from,
                    until = dated
                ),
                false => text!(
                    language,
                    "guarded-one-or-alone",
                    minutes = minutes,
                    from = from,
                    until = dated
                ),
            }
        }
        Standing::Waits { agreed, .. } => match agreed.is_empty() {
            true => text!(language, "guarded-two", minutes = minutes, until = today),
            false => text!(language, "guarded-one", until = today),
        },
        Standing::Agreed(_) => text!(language, "guarded-agreed"),
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// For somebody who is told in private, and the whole list where not all of it is in the text.
pub fn announcement(
    request: &GuardedRequest,
    circle: &Circle,
    name: &str,
    place: Option<ChannelId>,
) -> (Value, Option<Upload>) {
    let language = circle.language;
    let server = neutralise(&shorten(&circle.name, NAME));
    let who = format!("<@{}>", request.asked_by);
    let head = text!(language, "guarded-told-head", who = who, server = server);
    let foot = match place {
        Some(channel) => {
            text!(
                language,
                "guarded-told-there",
                channel = format!("<#{channel}>")
            )
        }
        None => text!(language, "guarded-told-command"),
    };
    let room = DESCRIPTION.saturating_sub(length(&head) + length(&foot));
    let told = told(language, &request.summary, room.saturating_sub(1));
    let text = format!("{head}\n{}{foot}", told.text);
    let mut body = json!({"embeds": [{"title": title(language, RequestState::Open, name),
                       "description": text, "color": colours::BLUE.0}],
           "allowed_mentions": {"parse": []}});
    fit(&mut body);
    (body, told.whole.as_deref().map(whole_file))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use splashtail_core::ids::GuildId;

    use super::*;
    use crate::fit::{assert_fits, names};

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
        let shown = Shown::new(&open, &answers, &circle, "Restore a backup", now, 0);
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
        let done = Shown::new(&request(RequestState::Done), &[], &circle, "x", now, 0);
        assert_eq!(done.body()["components"], json!([]));
        assert_eq!(shown.file(), None);
    }

    #[test]
    fn whatever_a_server_is_called_nobody_is_called_by_it() {
        for name in names() {
            for language in Language::ALL {
                let circle = Circle {
                    name: name.clone(),
                    language,
                    ..Circle::default()
                };
                let request = request(RequestState::Open);
                let (body, _) = announcement(&request, &circle, "x", None);
                assert_fits(&body);
                let now = DateTime::UNIX_EPOCH;
                assert_fits(&Shown::new(&request, &[], &circle, "x", now, 0).body());
            }
        }
    }

    #[test]
    fn approvers_get_all_of_a_long_list_within_discords_limits() {
        let circle = Circle::default();
        let summary: Vec<String> = (0..200)
            .map(|line| format!("{line} {}", "a long line ".repeat(20)))
            .collect();
        let long = GuardedRequest {
            summary: summary.clone(),
            outcome: Some("o".repeat(3000)),
            ..request(RequestState::Open)
        };
        let answers: Vec<Answer> = (1..30)
            .map(|by| Answer {
                user: user(1_100_000_000_000_000_000 + by),
                answer: "agree".to_owned(),
                at: DateTime::UNIX_EPOCH,
            })
            .collect();
        let size = |shown: &Shown| length(&shown.text) + length(&shown.title);
        let now = DateTime::UNIX_EPOCH;
        let shown = Shown::new(&long, &answers, &circle, "Weaken protection", now, 0);
        assert!(length(&shown.text) <= 4096);
        assert!(shown.text.starts_with("- 0 a long line"), "the worst first");
        let file = String::from_utf8(shown.file().unwrap().bytes.to_vec()).unwrap();
        assert_eq!(file.lines().collect::<Vec<_>>(), summary);
        let five = Shown::new(&long, &answers, &circle, "Weaken protection", now, 4);
        assert!(5 * size(&five) <= 6000, "{}", size(&five));
        let (body, file) = announcement(&long, &circle, "Weaken protection", None);
        let text = body["embeds"][0]["description"].as_str().unwrap();
        assert!(
            length(text) <= 4096 && text.contains("see the file"),
            "{text}"
        );
        let file = String::from_utf8(file.unwrap().bytes.to_vec()).unwrap();
        assert_eq!(file.lines().count(), 200);
    }
}
