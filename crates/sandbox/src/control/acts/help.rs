//! The acts in words: for the command line and for the documentation.

use super::table::{ACTS, ActSpec, Argument, Sent, Target, Way};

impl Target {
    fn word(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Role => "ROLE",
            Self::RoleOrUser => "ROLE|USER",
            Self::Application => "APPLICATION",
        }
    }
}

impl Argument {
    fn option(self) -> String {
        match self {
            Self::Guild => "--guild".to_owned(),
            Self::Channel => "--channel".to_owned(),
            Self::Message => "--message".to_owned(),
            Self::Target(target) => format!("--target {}", target.word()),
            Self::Role => "--role ROLE".to_owned(),
            Self::Emoji => r#"BODY {"emoji": "👍"}"#.to_owned(),
        }
    }

    fn field(self) -> String {
        match self {
            Self::Guild => "`guild_id`".to_owned(),
            Self::Channel => "`channel_id`".to_owned(),
            Self::Message => "`message_id`".to_owned(),
            Self::Target(target) => {
                let word = target.word().to_lowercase().replace('|', " or ");
                format!("`target_id` ({word})")
            }
            Self::Role => "`body.role_id`".to_owned(),
            Self::Emoji => "`body.emoji`".to_owned(),
        }
    }
}

fn listed(act: &ActSpec, word: impl Fn(Argument) -> String) -> Vec<String> {
    let arguments = act.arguments().into_iter();
    let words = arguments.map(|(argument, needed)| match needed {
        true => word(argument),
        false => format!("[{}]", word(argument)),
    });
    words.collect()
}

/// The acts by section, with the options that each needs on the command line.
pub fn command_line() -> String {
    let mut text = "Acts, with what they need (BODY: --body, as in the REST API):\n".to_owned();
    let mut section = "";
    for act in ACTS {
        let title = if act.section == section {
            ""
        } else {
            act.section
        };
        section = act.section;
        let mut needs = listed(act, Argument::option);
        match act.body {
            Sent::Body(example) if example.starts_with(r#"{"content""#) => {
                needs.push("--content|BODY".to_owned());
            }
            Sent::Body(example) => needs.push(format!("BODY {example}")),
            Sent::Optional(example) => needs.push(format!("[BODY {example}]")),
            Sent::Nothing | Sent::Target(_) => {}
        }
        let line = format!("  {title:<10} {:<16} {}", act.name, needs.join(" "));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text + "\nPrints status and body of each answer; exits 1 when one of them is an error."
}

/// The acts as a table in Markdown.
pub fn markdown() -> String {
    let mut text = "| Act | Request | Needs |\n|---|---|---|\n".to_owned();
    for act in ACTS {
        let request = match &act.way {
            Way::Request(method, path) => format!("`{method} {path}`"),
            Way::Click(..) => "none: a click in a client".to_owned(),
            Way::Any => "the one in the body".to_owned(),
        };
        let mut needs = listed(act, Argument::field);
        match act.body {
            Sent::Body(example) => needs.push(format!("`body` `{example}`")),
            Sent::Optional(example) => needs.push(format!("[`body` `{example}`]")),
            Sent::Nothing | Sent::Target(_) => {}
        }
        let needs = needs.join(", ");
        text.push_str(&format!("| `{}` | {request} | {needs} |\n", act.name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- acts: from crates/sandbox/src/control/acts/table.rs -->\n";
    const END: &str = "<!-- end of acts -->";

    /// `SPLASHTAIL_BLESS=1` writes it anew.
    #[test]
    fn the_documentation_lists_the_acts() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sandbox.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once(BEGIN).unwrap();
        let (listed, after) = rest.split_once(END).unwrap();
        if std::env::var_os("SPLASHTAIL_BLESS").is_some() {
            let fresh = [before, BEGIN, &markdown(), END, after].concat();
            std::fs::write(path, fresh).unwrap();
            return;
        }
        assert_eq!(
            listed,
            markdown(),
            "the list of acts is not that of the table"
        );
    }

    #[test]
    fn help_names_every_act_with_its_needs() {
        let help = command_line();
        for line in [
            "  messages   say              --channel --content|BODY\n",
            "             create_thread    --channel [--message] BODY {\"name\": \"…\"}\n",
            "             give_role        --guild --target USER --role ROLE\n",
            "             add_bot          --guild --target APPLICATION [BODY {\"permissions\": \"8\"}]\n",
            "             transfer_owner   --guild --target USER\n",
        ] {
            assert!(help.contains(line), "{line}{help}");
        }
        for act in ACTS {
            assert!(help.contains(act.name), "{}", act.name);
        }
    }
}
