//! What an entry of a job's log says: by its code, and of a plan or of what a backup holds by the numbers that it
//! carries, of which every language makes its own sentence.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use splashtail_api_types::job_lines::KEY;

use super::figures::span;
use crate::catalogue::{self, Language};
use crate::text;

/// Extra value of the entry that sums up what a backup holds.
pub(super) const COVERAGE: &str = "coverage";
const PLAN: &str = "plan_hash";

/// An entry, with its values, for people. `text` is what the job says in English.
pub(in crate::modules) fn said(
    language: Language,
    text: &str,
    extra: &Map<String, Value>,
) -> String {
    let by_numbers = match extra.get(KEY) {
        Some(_) => None,
        None => plan(language, extra).or_else(|| coverage(language, extra)),
    };
    by_numbers.unwrap_or_else(|| catalogue::line(language, text, extra))
}

/// How much of which sort a plan does.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    made: u64,
    changed: u64,
    deleted: u64,
    of_members: u64,
    banned: u64,
    freed: u64,
}

impl Sums {
    fn of(counts: &Map<String, Value>) -> Self {
        let mut sums = Self::default();
        let each = counts.iter().flat_map(|(kind, verbs)| {
            let verbs = verbs.as_object().into_iter().flatten();
            verbs.map(move |(verb, count)| (kind.as_str(), verb.as_str(), count))
        });
        for (kind, verb, count) in each {
            let sum = match (kind, verb) {
                ("ban", "create") => &mut sums.banned,
                ("ban", "delete") => &mut sums.freed,
                ("member", _) => &mut sums.of_members,
                (_, "create") => &mut sums.made,
                (_, "delete") => &mut sums.deleted,
                _ => &mut sums.changed,
            };
            *sum += count.as_u64().unwrap_or(0);
        }
        sums
    }
}

/// One line on what a plan does; `None` for an entry that tells none.
fn plan(language: Language, extra: &Map<String, Value>) -> Option<String> {
    extra.get(PLAN)?.as_str()?;
    let sums = Sums::of(extra.get("counts")?.as_object()?);
    let mut parts = Vec::new();
    let mut add = |count: u64, part: &dyn Fn(u64) -> String| {
        if count > 0 {
            parts.push(part(count));
        }
    };
    add(sums.made, &|n| text!(language, "plan-head-make", count = n));
    add(sums.changed, &|n| {
        text!(language, "plan-head-change", count = n)
    });
    add(sums.deleted, &|n| {
        text!(language, "plan-head-delete", count = n)
    });
    add(sums.of_members, &|n| {
        text!(language, "plan-head-members", count = n)
    });
    add(sums.banned, &|n| {
        text!(language, "plan-head-ban", count = n)
    });
    add(sums.freed, &|n| {
        text!(language, "plan-head-free", count = n)
    });
    if parts.is_empty() {
        parts.push(text!(language, "plan-head-nothing"));
    }
    let number = |key: &str| extra.get(key).and_then(Value::as_u64).unwrap_or(0);
    let left = number("left");
    if left > 0 {
        parts.push(text!(language, "plan-head-left", count = left));
    }
    let line = parts.join(", ");
    match span(language, number("atLeastSeconds")) {
        Some(time) => Some(text!(language, "plan-head-time", line = line, time = time)),
        None => Some(line),
    }
}

/// What a backup holds, in one line: "42 of 47 channels; 5 are hidden from the bot".
pub(super) fn coverage(language: Language, extra: &Map<String, Value>) -> Option<String> {
    let told = extra.get(COVERAGE)?;
    let number = |key: &str| told[key].as_u64();
    let (visible, hidden) = (number("visible")?, number("hiddenCount")?);
    let mut parts = Vec::new();
    if hidden == 0 {
        parts.push(text!(language, "coverage-seen", count = visible));
    } else {
        let all = visible + hidden;
        parts.push(text!(
            language,
            "coverage-part",
            visible = visible,
            count = all
        ));
        parts.push(text!(language, "coverage-hidden", count = hidden));
    }
    let listed: Vec<&Value> = told["leftOut"].as_array().into_iter().flatten().collect();
    // More than one listing of a channel may be refused.
    let channels = |why: &[&str]| -> usize {
        let of = listed.iter().filter(|left| {
            let reason = left["why"].as_str();
            reason.is_some_and(|reason| why.contains(&reason))
        });
        let ids: BTreeSet<Option<&str>> = of.map(|left| left["id"].as_str()).collect();
        ids.len()
    };
    let mut add = |count: u64, part: &dyn Fn(u64) -> String| {
        if count > 0 {
            parts.push(part(count));
        }
    };
    add(channels(&["permission"]) as u64, &|n| {
        text!(language, "coverage-permission", count = n)
    });
    add(channels(&["unknown_kind"]) as u64, &|n| {
        text!(language, "coverage-unknown-kind", count = n)
    });
    add(channels(&["refused"]) as u64, &|n| {
        text!(language, "coverage-refused", count = n)
    });
    add(channels(&["too_many", "same_instant"]) as u64, &|n| {
        text!(language, "coverage-threads", count = n)
    });
    add(channels(&["private_threads"]) as u64, &|n| {
        text!(language, "coverage-private", count = n)
    });
    // The entry names the first of them.
    let more = number("leftOutCount").unwrap_or(0);
    add(more.saturating_sub(listed.len() as u64), &|n| {
        text!(language, "coverage-more", count = n)
    });
    add(number("attachmentsLost").unwrap_or(0), &|n| {
        text!(language, "coverage-attachments", count = n)
    });
    add(number("filesLost").unwrap_or(0), &|n| {
        text!(language, "coverage-files", count = n)
    });
    Some(parts.join("; "))
}

/// A kind of object, as plans count it.
pub(in crate::modules) fn kind(language: Language, name: &str) -> String {
    match name {
        "guild" => text!(language, "kind-guild"),
        "role" => text!(language, "kind-role"),
        "channel" => text!(language, "kind-channel"),
        "thread" => text!(language, "kind-thread"),
        "emoji" => text!(language, "kind-emoji"),
        "sticker" => text!(language, "kind-sticker"),
        "sound" => text!(language, "kind-sound"),
        "automod_rule" => text!(language, "kind-automod-rule"),
        "scheduled_event" => text!(language, "kind-scheduled-event"),
        "widget" => text!(language, "kind-widget"),
        "welcome_screen" => text!(language, "kind-welcome-screen"),
        "onboarding" => text!(language, "kind-onboarding"),
        "webhook" => text!(language, "kind-webhook"),
        "invite" => text!(language, "kind-invite"),
        "member" => text!(language, "kind-member"),
        "ban" => text!(language, "kind-ban"),
        other => other.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_guild::Kind;

    use super::*;

    fn told(language: Language, extra: &Value) -> String {
        said(language, "as the job says it", extra.as_object().unwrap())
    }

    #[test]
    fn a_plan_is_said_in_the_readers_language() {
        let extra = json!({"plan_hash": "ab", "left": 1, "atLeastSeconds": 90, "counts": {
            "channel": {"create": 3, "sort": 1}, "role": {"edit": 2, "delete": 4},
            "member": {"roles": 5}, "ban": {"delete": 6, "create": 7}}});
        assert_eq!(
            told(Language::English, &extra),
            "3 to make, 3 to change, 4 to delete, 5 for members, 7 to ban, 6 bans to lift, \
             1 left as it is; it takes 2 min at least"
        );
        let german = told(Language::German, &extra);
        assert!(
            german.starts_with("3 anzulegen, 3 zu ändern, 4 zu löschen"),
            "{german}"
        );
        let nothing = json!({"plan_hash": "ab", "counts": {}});
        assert_eq!(told(Language::English, &nothing), "Nothing has to be done");
        // It says so itself.
        let coded = json!({"plan_hash": "ab", "counts": {}, "line": "nothing_to_put_back"});
        assert_eq!(told(Language::English, &coded), "as the job says it");
        assert_ne!(told(Language::German, &coded), "as the job says it");
    }

    #[test]
    fn what_a_backup_holds_is_said_in_the_readers_language() {
        let left = json!([{"id": "1", "why": "refused"}, {"id": "1", "why": "refused"},
            {"id": "2", "why": "permission"}]);
        let extra = json!({"coverage": {"headline": "as the job says it", "visible": 42,
            "hiddenCount": 5, "leftOut": left, "leftOutCount": 4, "attachmentsLost": 1}});
        assert_eq!(
            told(Language::English, &extra),
            "42 of 47 channels; 5 are hidden from the bot; 1 cannot be read; 1 was left out after \
             an error; 1 more has gaps; 1 attachment was not saved"
        );
        let german = told(Language::German, &extra);
        assert!(german.starts_with("42 von 47 Kanälen; 5 sind"), "{german}");
        let whole = json!({"coverage": {"visible": 3, "hiddenCount": 0}});
        let whole = told(Language::English, &whole);
        assert_eq!(whole, "All 3 channels that the bot can see");
        // Of another version.
        let unknown = json!({"coverage": {"headline": "x"}});
        assert_eq!(told(Language::German, &unknown), "as the job says it");
    }

    #[test]
    fn every_kind_has_words() {
        let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Hidden);
        for name in kinds.map(|kind| json!(kind)) {
            let name = name.as_str().unwrap();
            assert_ne!(kind(Language::German, name), name, "{name}");
        }
    }
}
