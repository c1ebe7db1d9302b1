//! How an event looks: one embed, of plain text with GitHub's own links.

use serde_json::{Map, Value, json};

/// Discord's limits, with room for a mark.
const TITLE: usize = 250;
const DESCRIPTION: usize = 2000;
const NAME: usize = 200;
/// Commits of a push that are named, and characters of each.
const COMMITS: usize = 10;
const SUMMARY: usize = 120;

const GREEN: u32 = 0x2da44e;
const RED: u32 = 0xcf222e;
const PURPLE: u32 = 0x8250df;
const GREY: u32 = 0x6e7781;
const BLUE: u32 = 0x0969da;

/// An embed; `None`: such events are not told.
pub fn render(event: &str, payload: &Value) -> Option<Value> {
    let it = Payload(payload);
    let said = it.say(event)?;
    let mut embed = Map::new();
    let repo = it.text("/repository/full_name");
    let title = match repo.is_empty() {
        true => said.title,
        false => format!("[{repo}] {}", said.title),
    };
    embed.insert("title".to_owned(), cut(&title, TITLE).into());
    embed.insert("color".to_owned(), said.color.into());
    if let Some(link) = link(said.link) {
        embed.insert("url".to_owned(), link.into());
    }
    let description = cut(&said.description, DESCRIPTION);
    if !description.is_empty() {
        embed.insert("description".to_owned(), description.into());
    }
    let sender = it.text("/sender/login");
    if !sender.is_empty() {
        let mut author = json!({"name": cut(sender, NAME)});
        for (field, at) in [
            ("url", "/sender/html_url"),
            ("icon_url", "/sender/avatar_url"),
        ] {
            if let Some(link) = link(it.text(at)) {
                author[field] = link.into();
            }
        }
        embed.insert("author".to_owned(), author);
    }
    Some(Value::Object(embed))
}

struct Said<'a> {
    title: String,
    description: String,
    link: &'a str,
    color: u32,
}

struct Payload<'a>(&'a Value);

impl<'a> Payload<'a> {
    fn text(&self, at: &str) -> &'a str {
        let text = self.0.pointer(at).and_then(Value::as_str);
        text.unwrap_or_default()
    }

    fn number(&self, at: &str) -> String {
        let number = self.0.pointer(at).and_then(Value::as_u64);
        number.map(|number| number.to_string()).unwrap_or_default()
    }

    fn flag(&self, at: &str) -> bool {
        self.0.pointer(at).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Such as `opened`, for people.
    fn action(&self) -> String {
        self.text("/action").replace('_', " ")
    }

    fn say(&self, event: &str) -> Option<Said<'a>> {
        Some(match event {
            "push" => self.push(),
            "issues" => self.numbered("Issue", "/issue"),
            "pull_request" => self.numbered("Pull request", "/pull_request"),
            "discussion" => self.numbered("Discussion", "/discussion"),
            "issue_comment" => self.comment("issue", "/issue"),
            "discussion_comment" => self.comment("discussion", "/discussion"),
            "pull_request_review_comment" => self.comment("pull request", "/pull_request"),
            "pull_request_review" => self.review(),
            "commit_comment" => Said {
                title: format!("Comment on {}", short(self.text("/comment/commit_id"))),
                description: plain(self.text("/comment/body")),
                link: self.text("/comment/html_url"),
                color: GREY,
            },
            "create" | "delete" => self.reference(event),
            "release" => Said {
                title: format!(
                    "Release {} {}",
                    self.text("/release/tag_name"),
                    self.action()
                ),
                description: plain(self.text("/release/body")),
                link: self.text("/release/html_url"),
                color: BLUE,
            },
            "fork" => self.plain_word(
                format!("Forked to {}", self.text("/forkee/full_name")),
                "/forkee/html_url",
            ),
            "star" => self.plain_word(
                match self.text("/action") {
                    "deleted" => "Lost a star".to_owned(),
                    _ => "Got a star".to_owned(),
                },
                "/repository/html_url",
            ),
            "watch" => self.plain_word("Is watched".to_owned(), "/repository/html_url"),
            "public" => self.plain_word("Is public now".to_owned(), "/repository/html_url"),
            "repository" => self.plain_word(
                format!("Repository {}", self.action()),
                "/repository/html_url",
            ),
            "team" => self.plain_word(
                format!("Team {} {}", self.text("/team/name"), self.action()),
                "/team/html_url",
            ),
            "branch_protection_rule" => self.plain_word(
                format!(
                    "Protection of {} {}",
                    self.text("/rule/name"),
                    self.action()
                ),
                "/repository/html_url",
            ),
            "page_build" => self.plain_word(
                format!("Page build: {}", self.text("/build/status")),
                "/repository/html_url",
            ),
            "dependabot_alert" => Said {
                title: format!("Dependabot alert {}", self.action()),
                description: plain(self.text("/alert/security_advisory/summary")),
                link: self.text("/alert/html_url"),
                color: RED,
            },
            "check_run" => self.outcome("Check", "/check_run/name", "/check_run"),
            "check_suite" => self.outcome("Checks of", "/check_suite/head_branch", "/check_suite"),
            "workflow_run" => self.outcome("Workflow", "/workflow_run/name", "/workflow_run"),
            "workflow_job" => self.outcome("Job", "/workflow_job/name", "/workflow_job"),
            "status" => Said {
                title: format!("{}: {}", self.text("/context"), self.text("/state")),
                description: plain(self.text("/description")),
                link: self.text("/target_url"),
                color: color(self.text("/state")),
            },
            "deployment" => self.plain_word(
                format!("Deployment to {}", self.text("/deployment/environment")),
                "/repository/html_url",
            ),
            "deployment_status" => Said {
                title: format!(
                    "Deployment to {}: {}",
                    self.text("/deployment/environment"),
                    self.text("/deployment_status/state")
                ),
                description: plain(self.text("/deployment_status/description")),
                link: self.text("/deployment_status/target_url"),
                color: color(self.text("/deployment_status/state")),
            },
            _ => return None,
        })
    }

    fn plain_word(&self, title: String, link: &str) -> Said<'a> {
        Said {
            title,
            description: String::new(),
            link: self.text(link),
            color: GREY,
        }
    }

    fn push(&self) -> Said<'a> {
        let name = self.text("/ref");
        let branch = name.strip_prefix("refs/heads/").unwrap_or(name);
        let commits = self.0["commits"].as_array();
        let commits = commits.map(Vec::as_slice).unwrap_or_default();
        let lines = commits.iter().take(COMMITS).map(|commit| {
            let of = Payload(commit);
            let summary = of.text("/message").lines().next().unwrap_or_default();
            let line = format!(
                "{} {}",
                short(of.text("/id")),
                plain(&cut(summary, SUMMARY))
            );
            match of.text("/author/username") {
                "" => line,
                author => format!("{line} – {}", plain(author)),
            }
        });
        let mut lines: Vec<_> = lines.collect();
        if commits.len() > COMMITS {
            lines.push(format!("… and {} more", commits.len() - COMMITS));
        }
        let what = match commits.len() {
            0 => "Nothing new".to_owned(),
            1 => "1 commit".to_owned(),
            many => format!("{many} commits"),
        };
        let forced = self.flag("/forced");
        let how = if forced { "forced to" } else { "to" };
        Said {
            title: format!("{what} {how} {branch}"),
            description: lines.join("\n"),
            link: self.text("/compare"),
            color: if forced { RED } else { BLUE },
        }
    }

    fn numbered(&self, what: &str, at: &str) -> Said<'a> {
        let of = |field: &str| format!("{at}/{field}");
        let number = self.number(&of("number"));
        let action = match self.text("/action") {
            "closed" if self.flag(&of("merged")) => "merged".to_owned(),
            _ => self.action(),
        };
        let color = match action.as_str() {
            "opened" | "reopened" | "ready for review" => GREEN,
            "merged" => PURPLE,
            "closed" => RED,
            _ => GREY,
        };
        let title = self.text(&of("title"));
        let opened = self.text("/action") == "opened";
        let body = if opened { self.text(&of("body")) } else { "" };
        Said {
            title: format!("{what} #{number} {action}: {title}"),
            description: plain(body),
            link: self.text(&of("html_url")),
            color,
        }
    }

    fn comment(&self, what: &str, at: &str) -> Said<'a> {
        let number = self.number(&format!("{at}/number"));
        let title = self.text(&format!("{at}/title"));
        let done = match self.text("/action") {
            "created" => "Comment on".to_owned(),
            _ => format!("Comment {} on", self.action()),
        };
        Said {
            title: format!("{done} {what} #{number}: {title}"),
            description: plain(self.text("/comment/body")),
            link: self.text("/comment/html_url"),
            color: GREY,
        }
    }

    fn review(&self) -> Said<'a> {
        let state = self.text("/review/state").replace('_', " ");
        let number = self.number("/pull_request/number");
        Said {
            title: format!(
                "Pull request #{number}: {state}: {}",
                self.text("/pull_request/title")
            ),
            description: plain(self.text("/review/body")),
            link: self.text("/review/html_url"),
            color: match self.text("/review/state") {
                "approved" => GREEN,
                "changes_requested" => RED,
                _ => GREY,
            },
        }
    }

    fn reference(&self, event: &str) -> Said<'a> {
        let (kind, name) = (self.text("/ref_type"), self.text("/ref"));
        let is_new = event == "create";
        let done = if is_new { "New" } else { "Deleted" };
        Said {
            title: format!("{done} {kind} {name}"),
            description: String::new(),
            link: self.text("/repository/html_url"),
            color: if is_new { GREEN } else { RED },
        }
    }

    fn outcome(&self, what: &str, name: &str, at: &str) -> Said<'a> {
        let of = |field: &str| self.text(&format!("{at}/{field}"));
        let state = match of("conclusion") {
            "" => of("status"),
            conclusion => conclusion,
        };
        Said {
            title: format!("{what} {}: {}", self.text(name), state.replace('_', " ")),
            description: String::new(),
            link: of("html_url"),
            color: color(state),
        }
    }
}

fn color(state: &str) -> u32 {
    match state {
        "success" | "approved" => GREEN,
        "failure" | "error" | "timed_out" | "startup_failure" => RED,
        _ => GREY,
    }
}

fn short(commit: &str) -> String {
    commit.chars().take(7).collect()
}

/// What somebody wrote, as it stands: no formatting, and no link under another text.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.trim().chars().take(DESCRIPTION) {
        if matches!(
            letter,
            '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '[' | ']' | '(' | ')' | '<' | '#'
        ) {
            plain.push('\\');
        }
        if !letter.is_control() || letter == '\n' {
            plain.push(letter);
        }
    }
    plain
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        // Half an escape would take the mark's meaning.
        Some((end, _)) => format!("{}…", text[..end].trim_end_matches('\\')),
    }
}

/// An address that Discord takes.
fn link(text: &str) -> Option<&str> {
    let is_link = text.starts_with("https://") && text.len() <= 1000;
    (is_link && !text.contains(char::is_whitespace)).then_some(text)
}

#[cfg(test)]
mod tests {
    use splashtail_api_types::gitlogs::EVENTS;

    use super::*;

    #[test]
    fn every_event_that_is_named_is_told_and_no_other() {
        for event in EVENTS {
            let embed = render(event, &json!({"action": "created"})).unwrap();
            let title = embed["title"].as_str().unwrap();
            assert!(!title.trim().is_empty(), "{event}");
        }
        for other in ["", "ping", "member", "pushes"] {
            assert_eq!(render(other, &json!({})), None, "{other}");
        }
    }

    #[test]
    fn a_push_names_its_commits() {
        let commit = |n: usize| {
            json!({"id": format!("{n:07}abc"), "message": format!("Do *{n}*\n\nmore"),
                "author": {"username": "ann"}})
        };
        let commits: Vec<_> = (0..12).map(commit).collect();
        let payload = json!({"ref": "refs/heads/main", "commits": commits, "forced": true,
            "compare": "https://github.com/a/b/compare", "repository": {"full_name": "a/b"},
            "sender": {"login": "ann", "html_url": "https://github.com/ann", "avatar_url": "ftp://x"}});
        let embed = render("push", &payload).unwrap();
        assert_eq!(embed["title"], "[a/b] 12 commits forced to main");
        assert_eq!(embed["url"], "https://github.com/a/b/compare");
        assert_eq!(
            embed["author"],
            json!({"name": "ann", "url": "https://github.com/ann"})
        );
        let description = embed["description"].as_str().unwrap();
        assert!(
            description.starts_with("0000000 Do \\*0\\* – ann\n"),
            "{description}"
        );
        assert!(description.ends_with("… and 2 more"), "{description}");
    }

    #[test]
    fn what_people_write_is_no_markup_and_fits() {
        let body = format!("[here](https://evil.test) <@1> {}", "*".repeat(5000));
        let payload = json!({"action": "opened", "issue": {"number": 7, "title": "x".repeat(400),
            "body": body, "html_url": "javascript:alert(1)"}, "repository": {"full_name": "a/b"}});
        let embed = render("issues", &payload).unwrap();
        let title = embed["title"].as_str().unwrap();
        assert!(title.starts_with("[a/b] Issue #7 opened: xxx"), "{title}");
        let description = embed["description"].as_str().unwrap();
        assert!(description.starts_with("\\[here\\]\\(https://evil.test\\) \\<@1\\>"));
        let length = |text: &str| text.chars().count();
        assert!(length(title) <= 256 && length(description) <= 4096);
        assert_eq!(embed.get("url"), None);
        assert_eq!(embed["color"], GREEN);
    }

    #[test]
    fn a_merge_is_no_refusal() {
        let payload = json!({"action": "closed", "pull_request": {"number": 3, "merged": true,
            "title": "t", "body": "b"}});
        let embed = render("pull_request", &payload).unwrap();
        assert_eq!(embed["title"], "Pull request #3 merged: t");
        assert_eq!(embed.get("description"), None);
    }
}
