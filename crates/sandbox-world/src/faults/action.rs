//! What can go wrong: one table from which rules are read, judged and explained.

use serde::{Deserialize, Serialize};

/// When and where an action can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Request,
    /// Live sessions at once, or with the event `HELLO` each new connection.
    Session,
    Handshake,
    Event,
    Audit,
    Outage,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Request,
        Self::Session,
        Self::Handshake,
        Self::Event,
        Self::Audit,
        Self::Outage,
    ];

    /// What it strikes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Request => "requests",
            Self::Session => "sessions",
            Self::Handshake => "handshakes",
            Self::Event => "events",
            Self::Audit => "audit entries",
            Self::Outage => "guilds",
        }
    }

    /// The fields of `match` that such a rule looks at.
    pub fn looks_at(self) -> &'static [&'static str] {
        match self {
            Self::Request => &["method", "route", "guild", "token"],
            Self::Session => &["guild", "token", "shard"],
            Self::Event => &["guild", "token", "shard", "event"],
            Self::Audit => &["guild"],
            Self::Handshake | Self::Outage => &[],
        }
    }
}

/// An action in words.
#[derive(Debug, Clone, Copy)]
pub struct Described {
    variant: &'static str,
    pub kind: Kind,
    /// Fields without which it means nothing.
    pub needs: &'static [&'static str],
    /// Fields that can be left out.
    pub takes: &'static [&'static str],
}

impl Described {
    /// Its `type`.
    pub fn name(&self) -> String {
        let mut name = String::new();
        for letter in self.variant.chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
        }
        name
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Rows are a kind and a variant; behind `;` stand the fields that can be left out.
macro_rules! actions {
    ($(
        $(#[$doc:meta])*
        $kind:ident $variant:ident $({
            $( $(#[$need_doc:meta])* $need:ident: $need_type:ty, )*
            $( ; $( $(#[$take_doc:meta])* $take:ident: $take_type:ty, )* )?
        })?
    )*) => {
        /// What goes wrong.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
        pub enum Action {
            $(
                $(#[$doc])*
                // Never without braces: of what is, serde reads past every other field.
                $variant { $(
                    $( $(#[$need_doc])* $need: $need_type, )*
                    $( $(
                        $(#[$take_doc])*
                        #[serde(default, skip_serializing_if = "is_default")]
                        $take: $take_type,
                    )* )?
                )? },
            )*
        }

        /// Every action there is.
        pub const ACTIONS: &[Described] = &[
            $( Described {
                variant: stringify!($variant),
                kind: Kind::$kind,
                needs: &[$( $( stringify!($need), )* )?],
                takes: &[$( $( $( stringify!($take), )* )? )?],
            }, )*
        ];

        impl Action {
            pub(super) fn kind(&self) -> Kind {
                match self {
                    $( Self::$variant { .. } => Kind::$kind, )*
                }
            }
        }
    };
}

actions! {
    /// Answer with this status instead of running the request.
    Request Status {
        status: u16,
        ;
        /// Of a 429: `user`, `global` or `shared`.
        scope: Option<String>,
        /// Of a 429, seconds.
        retry_after: Option<f64>,
        /// Of a 429: what the header says when it is not what the body says.
        header_retry_after: Option<u64>,
        /// Answer an HTML page, as proxies in front of the API do.
        html: bool,
        body: Option<serde_json::Value>,
    }
    /// Answer late, in sandbox time.
    Request Latency { ms: u64, }
    /// Run the request and never answer.
    Request Hang
    /// Run the request, then reset the connection.
    Request Reset
    /// Run the request, then cut the body in the middle.
    Request Truncate
    /// Answers show this bucket while each route counts by its own: distinct buckets under one hash.
    /// Without a name, every answer shows another one.
    Request Bucket {
        ;
        name: Option<String>,
    }
    /// Refuse every REST request as for too many invalid ones.
    Request BlockIp
    /// Close the connection with a code; the session stays resumable where Discord's would.
    Session GwClose { code: u16, }
    /// Drop the TCP connection without a close frame.
    Session GwDrop
    /// Stop answering heartbeats.
    Session GwZombie
    /// Ask for a heartbeat at once (op 1).
    Session GwHeartbeat
    /// Ask to reconnect (op 7); a close follows.
    Session GwReconnect
    /// Op 9.
    Session GwInvalid { resumable: bool, }
    /// Refuse new websocket handshakes with this status.
    Handshake GwRefuse { status: u16, }
    /// Dispatch matching events twice.
    Event GwDup
    /// Dispatch matching events late, in sandbox time.
    Event GwDelay { ms: u64, }
    /// Never dispatch matching events.
    Event GwLose
    /// After a matching GUILD_MEMBER_UPDATE comes a GUILD_MEMBER_ADD for the member, who was there
    /// all along.
    Event GwMemberAgain
    /// Audit entries appear late, in sandbox time: in the log and as events. Such rules look at
    /// the guild only.
    Audit AuditDelay { ms: u64, }
    /// Audit entries never appear, neither in the log nor as events.
    Audit AuditLose
    /// The guild becomes unavailable; lifted by deleting the rule.
    Outage Outage { guild: String, }
}

/// The actions by what they strike, with their fields and what `match` can name, for a command line.
pub fn command_line() -> String {
    let mut text =
        "Actions by what they strike, with their fields, and [those that can be left out]:\n"
            .to_owned();
    for kind in Kind::ALL {
        let looks_at = match kind.looks_at() {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        };
        text.push_str(&format!("  {} (match: {looks_at})\n", kind.word()));
        for action in ACTIONS.iter().filter(|action| action.kind == kind) {
            let needs = action.needs.iter().map(|field| (*field).to_owned());
            let takes = action.takes.iter().map(|field| format!("[{field}]"));
            let fields: Vec<String> = needs.chain(takes).collect();
            let line = format!("    {:<16} {}", action.name(), fields.join(" "));
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text + "Sessions are struck once and at once; with the event HELLO alone, new connections before op 10."
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    /// Whether an action of this type can be read, with these fields.
    fn read(name: &str, fields: &[&str]) -> Result<Action, String> {
        let mut action = json!({"type": name});
        for field in fields {
            action[*field] = match *field {
                "status" => json!(503),
                "ms" => json!(5),
                "code" => json!(4000),
                "resumable" | "html" => json!(true),
                "retry_after" | "header_retry_after" => json!(1),
                _ => json!("1"),
            };
        }
        serde_json::from_value(action).map_err(|error| error.to_string())
    }

    #[test]
    fn the_table_is_what_can_be_read() {
        let error = serde_json::from_value::<Action>(json!({"type": "none"})).unwrap_err();
        let error = error.to_string();
        let (_, readable) = error.split_once("expected one of ").unwrap();
        let readable: Vec<&str> = readable.split(", ").collect();
        let named: Vec<String> = ACTIONS.iter().map(|a| format!("`{}`", a.name())).collect();
        assert_eq!(readable, named);
        for action in ACTIONS {
            let name = action.name();
            let needed = read(&name, action.needs).unwrap();
            assert_eq!(needed.kind(), action.kind, "{name}");
            let all = [action.needs, action.takes].concat();
            let all = serde_json::to_value(read(&name, &all).unwrap()).unwrap();
            let fields = 1 + action.needs.len() + action.takes.len();
            assert_eq!(all.as_object().map(|fields| fields.len()), Some(fields));
            for field in action.needs {
                let others: Vec<&str> = action
                    .needs
                    .iter()
                    .copied()
                    .filter(|f| f != field)
                    .collect();
                assert!(read(&name, &others).is_err(), "{name} without {field}");
            }
        }
    }

    #[test]
    fn a_field_that_an_action_does_not_have_is_refused() {
        let all = ACTIONS.iter().flat_map(|a| a.needs.iter().chain(a.takes));
        let all: BTreeSet<&str> = all.copied().chain(["retry_afer", "tpye"]).collect();
        for action in ACTIONS {
            let name = action.name();
            let own = [action.needs, action.takes].concat();
            for foreign in all.iter().filter(|field| !own.contains(field)) {
                let fields = [action.needs, &[*foreign]].concat();
                let error = read(&name, &fields).expect_err(&format!("{name} with {foreign}"));
                assert!(error.contains(foreign), "{name}: {error}");
            }
        }
    }

    #[test]
    fn help_and_documentation_name_every_action_and_its_fields() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sandbox.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (_, section) = page.split_once("\n## Faults\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let help = command_line();
        for action in ACTIONS {
            let name = action.name();
            assert!(help.contains(&format!("    {name}")), "{name}: {help}");
            assert!(
                section.contains(&format!("`{name}`")),
                "{name} is not documented"
            );
            for field in action.needs.iter().chain(action.takes) {
                assert!(help.contains(field), "{field} of {name}: {help}");
                assert!(
                    section.contains(&format!("`{field}`")),
                    "{field} of {name} is not documented"
                );
            }
        }
    }

    #[test]
    fn what_is_left_out_is_not_told_again() {
        let hang = serde_json::to_value(read("status", &["status"]).unwrap()).unwrap();
        assert_eq!(hang, json!({"type": "status", "status": 503}) as Value);
    }
}
