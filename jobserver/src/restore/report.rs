//! What was not restored, and why, item by item; and what became of everything else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use splashtail_discord::permissions::bits;
use splashtail_guild::{Effect, Kind, Mapping, Operation, Structure, Unable, Why};

use crate::carry_out::Left;

/// Items that the log names.
const NAMED: usize = 20;

/// Something that is not as in the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRestored {
    /// Kind of object: `role`, `channel`, `messages`.
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The fields concerned; empty: the whole object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Stable, for machines.
    pub code: String,
    /// For people.
    pub why: String,
}

impl NotRestored {
    /// `role Moderator (5): it stands above …`.
    pub fn line(&self) -> String {
        let mut line = self.kind.replace('_', " ");
        if !self.name.is_empty() {
            line.push_str(&format!(" {}", self.name));
        }
        if let Some(id) = &self.id {
            line.push_str(&format!(" ({id})"));
        }
        if !self.fields.is_empty() {
            line.push_str(&format!(", {}", self.fields.join(", ")));
        }
        format!("{line}: {}", self.why)
    }
}

impl From<&Unable> for NotRestored {
    fn from(unable: &Unable) -> Self {
        let (code, why) = reason(unable.why);
        Self {
            kind: word(unable.kind),
            id: Some(unable.id.to_string()),
            name: unable.name.clone(),
            fields: unable.fields.iter().map(|f| (*f).to_owned()).collect(),
            code: code.to_owned(),
            why,
        }
    }
}

impl From<&Left> for NotRestored {
    fn from(left: &Left) -> Self {
        Self {
            kind: word(left.kind),
            id: None,
            name: left.name.clone(),
            fields: vec![left.step.clone()],
            code: left.code.clone(),
            why: left.why.clone(),
        }
    }
}

/// A kind of objects in reports.
pub fn word(kind: Kind) -> String {
    json!(kind).as_str().unwrap_or_default().to_owned()
}

fn reason(why: Why) -> (&'static str, String) {
    let (code, why) = match why {
        Why::Protected => ("protected", "it is protected"),
        Why::MissingPermissions(set) => {
            let names = bits::names(set).join(", ");
            return ("missing_permissions", format!("the bot lacks {names}"));
        }
        Why::Withheld(set) => {
            let names = bits::names(set).join(", ");
            let why = format!("whoever ordered this lacks {names}, and may not give them");
            return ("caller_lacks_permissions", why);
        }
        Why::Hierarchy => (
            "hierarchy",
            "it stands above the bot's own role, or is that role",
        ),
        Why::Outranked => (
            "caller_hierarchy",
            "it does not stand below the highest role of whoever ordered this",
        ),
        Why::Managed => ("managed", "an application, boosts or a subscription own it"),
        Why::NotVisible => (
            "not_visible",
            "a channel is hidden from the bot, or was when the backup was made",
        ),
        Why::Full => ("full", "the server, or the category, holds no more"),
        Why::NeedsFeature(feature) => {
            return ("needs_feature", format!("the server lacks {feature}"));
        }
        Why::NeedsFile => ("needs_file", "its picture or sound is not in the backup"),
        Why::NeedsBoosts => (
            "needs_boosts",
            "it takes a higher boost tier; the nearest value that goes is taken",
        ),
        Why::Over => ("over", "the event is over"),
        Why::UsedUp => (
            "used_up",
            "it had led in as many people as it was to, so it is over",
        ),
        Why::PlainInvite => (
            "plain_invite",
            "the new invite only leads into the channel: it gives no roles, and leads to no \
             stream or application",
        ),
        Why::Impossible => ("impossible", "Discord lets nobody set it"),
    };
    (code, why.to_owned())
}

/// One line per reason with the first names, for the log.
pub fn lines(items: &[NotRestored]) -> Vec<(String, usize, String)> {
    let mut groups: BTreeMap<&str, Vec<&NotRestored>> = BTreeMap::new();
    for item in items {
        groups.entry(&item.why).or_default().push(item);
    }
    let line = |(why, group): (&str, Vec<&NotRestored>)| {
        let named = group.iter().take(NAMED).map(|item| {
            let name = if item.name.is_empty() {
                item.id.clone().unwrap_or_default()
            } else {
                item.name.clone()
            };
            match item.fields.as_slice() {
                [] => format!("{} {name}", item.kind),
                fields => format!("{} {name} ({})", item.kind, fields.join(", ")),
            }
        });
        let mut names = named.collect::<Vec<_>>().join(", ");
        if group.len() > NAMED {
            names.push_str(&format!(" and {} more", group.len() - NAMED));
        }
        (format!("Not restored: {why}"), group.len(), names)
    };
    groups.into_iter().map(line).collect()
}

/// What is there again under another address, so that somebody has to tell somebody.
pub fn renewed(effects: &[Effect], left: &[Left]) -> Vec<NotRestored> {
    let mut items = Vec::new();
    for effect in effects {
        let Operation::Create { kind, body, .. } = &effect.operation else {
            continue;
        };
        let (code, why) = match kind {
            Kind::Webhook => (
                "new_address",
                "it has a new address: whoever posts with it has to be given that one",
            ),
            Kind::Invite => (
                "new_code",
                "it has a new code: links with the old one lead nowhere",
            ),
            _ => continue,
        };
        if left.iter().any(|left| left.step == effect.step) {
            continue;
        }
        let name = body.get("name").and_then(Value::as_str);
        items.push(NotRestored {
            kind: word(*kind),
            id: None,
            name: name.unwrap_or_default().to_owned(),
            fields: Vec::new(),
            code: code.to_owned(),
            why: why.to_owned(),
        });
    }
    items
}

/// The vanity link that a server lost. Only people set one, and a code that is free is anybody's.
pub fn vanity(wanted: &Structure, live: &Structure) -> Option<NotRestored> {
    let code = |of: &Structure| of.guild()["vanity_url_code"].as_str().map(str::to_owned);
    // A copy in another server leaves it to the first one.
    let before = code(wanted).filter(|_| wanted.id() == live.id())?;
    (code(live).as_ref() != Some(&before)).then(|| NotRestored {
        kind: word(Kind::Guild),
        id: None,
        name: before,
        fields: vec!["vanity_url_code".to_owned()],
        code: "vanity_link".to_owned(),
        why: "no bot may set the vanity link: set it in the server's settings, unless another server \
              has taken the code meanwhile"
            .to_owned(),
    })
}

/// Old ids to new ones, by kind.
pub fn id_map(mapping: &Mapping) -> Value {
    let mut kinds: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let many = mapping
        .pairs()
        .filter(|(kind, ..)| *kind == Kind::Guild || !kind.is_single());
    for (kind, wanted, live) in many {
        let ids = kinds.entry(word(kind)).or_default();
        ids.insert(wanted.to_string(), live.json());
    }
    json!(kinds)
}

#[cfg(test)]
mod tests {
    use splashtail_guild::Id;

    use super::*;

    #[test]
    fn a_vanity_link_that_is_lost_is_named() {
        let server = |id: &str, code: Value| {
            let guild = json!({"id": id, "name": "G", "roles": [], "channels": [],
                               "vanity_url_code": code});
            Structure::from_guild(&guild).unwrap()
        };
        let wanted = server("1", json!("harbour"));
        for now in [Value::Null, json!("raided")] {
            let item = vanity(&wanted, &server("1", now)).unwrap();
            assert_eq!((&*item.name, &*item.code), ("harbour", "vanity_link"));
        }
        assert_eq!(vanity(&wanted, &server("1", json!("harbour"))), None);
        assert_eq!(vanity(&server("1", Value::Null), &wanted), None);
        assert_eq!(vanity(&wanted, &server("2", Value::Null)), None);
    }

    #[test]
    fn a_line_says_what_and_why() {
        let unable = Unable {
            kind: Kind::Role,
            id: Id::new(5),
            name: "Moderator".to_owned(),
            fields: vec!["permissions"],
            why: Why::MissingPermissions(1 << 2),
        };
        let item = NotRestored::from(&unable);
        assert_eq!(item.code, "missing_permissions");
        let line = item.line();
        assert!(
            line.starts_with("role Moderator (5), permissions: the bot lacks"),
            "{line}"
        );
        let many: Vec<_> = std::iter::repeat_n(item, NAMED + 2).collect();
        let lines = lines(&many);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].1, NAMED + 2);
        assert!(lines[0].2.ends_with("and 2 more"), "{lines:?}");
    }
}
