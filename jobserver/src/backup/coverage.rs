//! What of a server is not in its backup, and why. A bot learns nothing about channels that it may
//! not see, and Discord's lists simply leave them out: without this a backup of a part would look
//! like a backup of the whole.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_api_types::job_lines::Line;
use splashtail_core::ids::ChannelId;
use splashtail_discord::snowflake::id;
use splashtail_guild::is_hidden;

use super::held::Held;

/// Fields of the guild object that name a channel, whether the bot sees it or not.
const REFERENCES: [&str; 5] = [
    "system_channel_id",
    "rules_channel_id",
    "public_updates_channel_id",
    "safety_alerts_channel_id",
    "afk_channel_id",
];
/// Kinds that are listed by themselves.
const THREADS: std::ops::RangeInclusive<u64> = 10..=12;
/// Names in one line of the log.
const SHOWN: usize = 20;
/// Entries of a kind in the log's summary, which an entry has to have room for; the file has them
/// all.
const LISTED: usize = 10;

/// What helps against [`Why::Hidden`] and [`Why::Permission`].
pub const HOW_TO_GRANT: &str = "to include them, grant the bot's role View Channel and Read \
                                Message History there (channel settings, Permissions)";

/// What helps against [`Why::PrivateThreads`].
const HOW_TO_SEE_PRIVATE: &str = "to include private threads, grant the bot's role Manage Threads \
                                  there";

/// A channel as the caller knows it from the gateway, where hidden ones are listed too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownChannel {
    pub id: ChannelId,
    /// Discord's number of the kind.
    #[serde(rename = "type")]
    pub kind: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<ChannelId>,
}

/// A channel that exists and that the bot may not see. Its name is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    pub id: ChannelId,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<ChannelId>,
}

/// The channels that exist beside those that were listed: from what the caller knows, from what
/// the guild object refers to, and from entries without contents.
///
/// A channel that was deleted between the caller's look and ours counts as hidden, too.
pub fn hidden(guild: &Value, listed: &[Value], known: &[KnownChannel]) -> Vec<Hidden> {
    let channel_id = |value: &Value| ChannelId::new(id(value)?);
    let parent = |channel: &Value| channel_id(&channel["parent_id"]);
    let mut seen: BTreeSet<ChannelId> = listed
        .iter()
        .filter(|channel| !is_hidden(channel))
        .filter_map(|channel| channel_id(&channel["id"]))
        .collect();
    let obfuscated = listed.iter().filter(|channel| is_hidden(channel));
    let obfuscated = obfuscated.filter_map(|channel| {
        Some(Hidden {
            id: channel_id(&channel["id"])?,
            kind: channel["type"].as_u64(),
            parent_id: parent(channel),
        })
    });
    // Threads are not in the list of channels, so one that is missing there says nothing.
    let known = known.iter().filter(|known| !THREADS.contains(&known.kind));
    let known = known.map(|known| Hidden {
        id: known.id,
        kind: Some(known.kind),
        parent_id: known.parent_id,
    });
    let referred = REFERENCES.iter().filter_map(|field| {
        Some(Hidden {
            id: channel_id(&guild[*field])?,
            kind: None,
            parent_id: None,
        })
    });
    obfuscated
        .chain(known)
        .chain(referred)
        .filter(|channel| seen.insert(channel.id))
        .collect()
}

/// Why the messages of a channel, or some of its threads, are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The bot may not see the channel.
    Hidden,
    /// It lacks View Channel, Read Message History or, for voice, Connect.
    Permission,
    /// Discord has kinds of channels that we do not know yet.
    UnknownKind,
    /// Discord refused while it was read, and the caller wants to go on.
    Refused,
    /// More threads than a backup holds.
    TooMany,
    /// More threads were archived at one instant than Discord lists.
    SameInstant,
    /// The bot lacks Manage Threads: Discord names only those private threads that it has joined.
    PrivateThreads,
}

impl Why {
    /// The log's line about all channels of this reason.
    pub const fn line(self) -> Line {
        match self {
            Self::Hidden => Line::ChannelsHidden,
            Self::Permission => Line::ChannelsPermission,
            Self::UnknownKind => Line::ChannelsUnknownKind,
            Self::Refused => Line::ChannelsRefused,
            Self::TooMany => Line::ThreadsTooMany,
            Self::SameInstant => Line::ThreadsSameInstant,
            Self::PrivateThreads => Line::ThreadsPrivate,
        }
    }
}

/// One channel or thread that is missing, in whole or in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub id: ChannelId,
    /// Empty when it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<u64>,
    pub why: Why,
    /// Discord's words, where it gave any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl LeftOut {
    /// `#name (id)`.
    pub fn shown(&self) -> String {
        shown(&self.name, self.id)
    }
}

/// How a channel is named in logs and errors.
pub fn shown(name: &str, id: ChannelId) -> String {
    if name.is_empty() {
        id.to_string()
    } else {
        format!("#{name} ({id})")
    }
}

/// The kinds of channels, for people.
pub fn kind_name(kind: Option<u64>) -> String {
    let name = match kind {
        Some(0) => "text",
        Some(2) => "voice",
        Some(4) => "category",
        Some(5) => "announcement",
        Some(10..=12) => "thread",
        Some(13) => "stage",
        Some(14) => "directory",
        Some(15) => "forum",
        Some(16) => "media",
        Some(other) => return format!("kind {other}"),
        None => "kind unknown",
    };
    name.to_owned()
}

/// At most [`SHOWN`] of these, and how many more there are.
pub fn names(items: impl ExactSizeIterator<Item = String>) -> String {
    let count = items.len();
    let mut text = items.take(SHOWN).collect::<Vec<_>>().join(", ");
    if count > SHOWN {
        text.push_str(&format!(" and {} more", count - SHOWN));
    }
    text
}

/// The balance of a whole backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Channels that were listed, threads not counted.
    pub visible: usize,
    pub hidden: Vec<Hidden>,
    /// Whoever ordered the backup said which channels exist; else more may be hidden.
    pub told: bool,
    /// Whether messages were wanted at all; `left_out` tells of threads alone otherwise.
    pub messages: bool,
    pub left_out: Vec<LeftOut>,
    /// The channels that it holds.
    pub held: Held,
    pub attachments_lost: u32,
    /// Pictures and sounds of the server itself.
    pub files_lost: u32,
}

impl Coverage {
    /// Channels and threads of which the bot may read nothing, or not to the end.
    pub fn lost(&self) -> BTreeSet<ChannelId> {
        let lost = |left: &&LeftOut| matches!(left.why, Why::Permission | Why::Refused);
        self.left_out
            .iter()
            .filter(lost)
            .map(|left| left.id)
            .collect()
    }

    pub fn is_complete(&self) -> bool {
        self.hidden.is_empty()
            && self.left_out.is_empty()
            && self.attachments_lost == 0
            && self.files_lost == 0
    }

    /// One line for people: "42 of 47 channels; 5 are hidden from the bot".
    pub fn headline(&self) -> String {
        let (visible, hidden) = (self.visible, self.hidden.len());
        let mut line = if hidden == 0 {
            match visible {
                1 if self.told => "The only channel".to_owned(),
                1 => "1 channel, all that the bot can see".to_owned(),
                visible if self.told => format!("All {visible} channels"),
                visible => format!("{visible} channels, all that the bot can see"),
            }
        } else {
            let are = if hidden == 1 { "is" } else { "are" };
            let known = visible + hidden;
            format!("{visible} of {known} channels; {hidden} {are} hidden from the bot")
        };
        // More than one listing of a channel may be refused.
        let count = |why: &[Why]| {
            let of = self.left_out.iter().filter(|left| why.contains(&left.why));
            of.map(|left| left.id).collect::<BTreeSet<_>>().len()
        };
        let mut add = |count: usize, what: [&str; 2]| {
            if count > 0 {
                line.push_str(&format!("; {count} {}", what[usize::from(count > 1)]));
            }
        };
        add(
            count(&[Why::Permission]),
            ["cannot be read", "cannot be read"],
        );
        add(
            count(&[Why::UnknownKind]),
            ["is of an unknown kind", "are of unknown kinds"],
        );
        add(
            count(&[Why::Refused]),
            ["was left out after an error", "were left out after errors"],
        );
        add(
            count(&[Why::TooMany, Why::SameInstant]),
            [
                "has more threads than were saved",
                "have more threads than were saved",
            ],
        );
        add(
            count(&[Why::PrivateThreads]),
            [
                "may have private threads that the bot cannot see",
                "may have private threads that the bot cannot see",
            ],
        );
        let lost = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        add(
            lost(self.attachments_lost),
            ["attachment was not saved", "attachments were not saved"],
        );
        add(
            lost(self.files_lost),
            [
                "picture or sound was not saved",
                "pictures or sounds were not saved",
            ],
        );
        line
    }

    /// [`Coverage::headline`], and what to do about it.
    pub fn message(&self) -> String {
        let lacks = |why| self.left_out.iter().any(|left| left.why == why);
        let mut message = self.headline();
        if !self.hidden.is_empty() || lacks(Why::Permission) {
            message.push_str(&format!("; {HOW_TO_GRANT}"));
        }
        if lacks(Why::PrivateThreads) {
            message.push_str(&format!("; {HOW_TO_SEE_PRIVATE}"));
        }
        message
    }

    /// For the log: the first of each list.
    pub fn summary(&self) -> Value {
        // What may be missing must not hide what is.
        let (perhaps, missing): (Vec<_>, Vec<_>) = self
            .left_out
            .iter()
            .partition(|left| left.why == Why::PrivateThreads);
        let left_out: Vec<_> = missing
            .into_iter()
            .chain(perhaps)
            .take(LISTED)
            .map(|left| LeftOut {
                detail: None,
                ..left.clone()
            })
            .collect();
        let mut summary = json!({
            "headline": self.headline(),
            "channels": self.visible + self.hidden.len(),
            "visible": self.visible,
            "held": self.held.len(),
            "hidden": self.hidden.iter().take(LISTED).collect::<Vec<_>>(),
            "hiddenCount": self.hidden.len(),
            "leftOut": left_out,
            "leftOutCount": self.left_out.len(),
        });
        if self.attachments_lost > 0 {
            summary["attachmentsLost"] = self.attachments_lost.into();
        }
        if self.files_lost > 0 {
            summary["filesLost"] = self.files_lost.into();
        }
        summary
    }

    /// Section `ext/coverage` of the file.
    pub fn section(&self) -> Value {
        json!({
            "channels": self.visible + self.hidden.len(),
            "visible": self.visible,
            // Without the caller's list a hidden channel may be missing here.
            "exact": self.told,
            "hidden": self.hidden,
            "messages": self.messages,
            "left_out": self.left_out,
            "attachments_lost": self.attachments_lost,
            "files_lost": self.files_lost,
        })
    }
}

#[cfg(test)]
mod tests {
    use splashtail_storage::Level;

    use super::*;

    fn channel(id: u64) -> ChannelId {
        ChannelId::new(id).unwrap()
    }

    fn known(id: u64, kind: u64) -> KnownChannel {
        KnownChannel {
            id: channel(id),
            kind,
            parent_id: None,
        }
    }

    fn left(id: u64, why: Why) -> LeftOut {
        LeftOut {
            id: channel(id),
            name: "staff".into(),
            kind: Some(0),
            why,
            detail: None,
        }
    }

    #[test]
    fn hidden_is_what_exists_and_was_not_listed() {
        let guild = json!({"system_channel_id": "10", "rules_channel_id": "14",
                           "afk_channel_id": null, "public_updates_channel_id": "14"});
        let listed = [
            json!({"id": "10", "type": 0, "flags": 0}),
            json!({"id": "11", "type": 15, "flags": 1 << 17, "name": "___hidden___"}),
        ];
        let known = [known(10, 0), known(12, 2), known(11, 15), known(99, 11)];
        let hidden = hidden(&guild, &listed, &known);
        let found: Vec<_> = hidden.iter().map(|h| (h.id.get(), h.kind)).collect();
        assert_eq!(found, [(11, Some(15)), (12, Some(2)), (14, None)]);
    }

    #[test]
    fn the_headline_counts_what_is_missing() {
        let mut coverage = Coverage {
            visible: 42,
            told: true,
            ..Coverage::default()
        };
        assert_eq!(coverage.message(), "All 42 channels");
        assert!(coverage.is_complete());
        coverage.told = false;
        assert_eq!(coverage.message(), "42 channels, all that the bot can see");
        coverage.hidden = (1..=5)
            .map(|id| Hidden {
                id: channel(id),
                kind: None,
                parent_id: None,
            })
            .collect();
        assert_eq!(
            coverage.headline(),
            "42 of 47 channels; 5 are hidden from the bot"
        );
        coverage.left_out = vec![
            left(7, Why::Permission),
            left(8, Why::Refused),
            left(9, Why::Refused),
        ];
        coverage.attachments_lost = 1;
        assert_eq!(
            coverage.message(),
            "42 of 47 channels; 5 are hidden from the bot; 1 cannot be read; 2 were left out \
             after errors; 1 attachment was not saved; to include them, grant the bot's role View \
             Channel and Read Message History there (channel settings, Permissions)"
        );
        assert_eq!(coverage.section()["left_out"][0]["why"], "permission");
        assert_eq!(coverage.section()["hidden"][4], json!({"id": "5"}));
    }

    /// Most bots lack Manage Threads, so every backup of a text channel may lack private threads.
    #[test]
    fn private_threads_are_told_and_hide_nothing_else() {
        let mut coverage = Coverage {
            visible: 30,
            told: true,
            left_out: (1..=30).map(|n| left(n, Why::PrivateThreads)).collect(),
            ..Coverage::default()
        };
        coverage
            .left_out
            .extend([left(7, Why::Refused), left(7, Why::Refused)]);
        assert!(!coverage.is_complete());
        assert_eq!(
            coverage.message(),
            "All 30 channels; 1 was left out after an error; 30 may have private threads that the \
             bot cannot see; to include private threads, grant the bot's role Manage Threads there"
        );
        assert_eq!(coverage.summary()["leftOut"][0]["why"], "refused");
    }

    /// An entry that is too large loses its extra values, and with them what Discord shows.
    #[test]
    fn the_summary_fits_into_the_log() {
        let id = |n: u64| channel(1_100_000_000_000_000_000 + n);
        let coverage = Coverage {
            visible: 500,
            hidden: (0..500)
                .map(|n| Hidden {
                    id: id(n),
                    kind: Some(15),
                    parent_id: Some(id(n)),
                })
                .collect(),
            left_out: (0..500)
                .map(|n| LeftOut {
                    id: id(n),
                    name: "\u{1f6e1}".repeat(40),
                    detail: Some("x".repeat(500)),
                    ..left(1, Why::Refused)
                })
                .collect(),
            ..Coverage::default()
        };
        let channels: Vec<Value> = (0..500)
            .map(|n| json!({"id": id(n), "type": 0, "name": "a"}))
            .collect();
        let held = Held::of(&channels, &BTreeSet::new());
        let extra = json!({"coverage": coverage.summary(), "held": held.encode(),
                           "botDisplayIgnore": ["coverage", "held"]});
        let Value::Object(extra) = extra else {
            panic!();
        };
        let now = chrono::DateTime::UNIX_EPOCH;
        let entry =
            splashtail_storage::NewLogEntry::new(Level::Warn, now, coverage.message(), extra);
        assert!(entry.extra().contains_key("coverage"));
        let told = entry.extra()["held"].as_str().and_then(Held::decode);
        assert_eq!(told, Some(held));
    }

    #[test]
    fn long_lists_are_cut() {
        let text = names(
            (1..=25)
                .map(|n| n.to_string())
                .collect::<Vec<_>>()
                .into_iter(),
        );
        assert!(text.ends_with("20 and 5 more"), "{text}");
    }
}
