//! Polls. Nobody can vote for others, so votes are told in words; what is still open can be voted on
//! again.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use splashtail_guild::{Id, Kind};

use super::Frame;

/// Hours that a poll can be open (Discord docs, "Poll Create Request Object").
const MOST_HOURS: i64 = 768;

/// The poll as it is created, when it is open.
pub(super) fn open(poll: &Value, frame: &Frame<'_>) -> Option<Value> {
    let question = poll["question"]["text"].as_str()?;
    if poll["results"]["is_finalized"] == true {
        return None;
    }
    let until = DateTime::parse_from_rfc3339(poll["expiry"].as_str()?).ok()?;
    let hours = hours(until.to_utc(), frame.now?)?;
    let answer = |answer: &Value| {
        let media = &answer["poll_media"];
        let mut shown = json!({});
        if let Some(text) = media["text"].as_str() {
            shown["text"] = text.into();
        }
        if let Some(emoji) = emoji(&media["emoji"], frame) {
            shown["emoji"] = emoji;
        }
        json!({"poll_media": shown})
    };
    let answers = poll["answers"].as_array()?.iter().map(answer);
    Some(json!({
        "question": {"text": question},
        "answers": answers.collect::<Vec<_>>(),
        "duration": hours,
        "allow_multiselect": poll["allow_multiselect"] == true,
        "layout_type": poll["layout_type"].as_u64().unwrap_or(1),
    }))
}

/// The rest of its time, rounded up; `None` when it is over.
fn hours(until: DateTime<Utc>, now: DateTime<Utc>) -> Option<i64> {
    let seconds = (until - now).num_seconds();
    (seconds > 0).then(|| ((seconds + 3599) / 3600).min(MOST_HOURS))
}

/// An emoji of the server as it is now; of one that is gone nothing is said.
fn emoji(emoji: &Value, frame: &Frame<'_>) -> Option<Value> {
    match Id::read(&emoji["id"]) {
        Some(id) => frame
            .mapping
            .live(Kind::Emoji, id)
            .map(|id| json!({"id": id.to_string()})),
        None => emoji["name"].as_str().map(|name| json!({"name": name})),
    }
}

/// The question with its answers and what was voted; nothing without a poll.
pub(super) fn told(poll: &Value) -> Vec<String> {
    let Some(question) = poll["question"]["text"].as_str() else {
        return Vec::new();
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut text = format!("Poll: {question}");
    let counts = list(&poll["results"]["answer_counts"]);
    for answer in list(&poll["answers"]) {
        let count = counts
            .iter()
            .find(|count| count["id"] == answer["answer_id"]);
        let votes = count.and_then(|count| count["count"].as_u64()).unwrap_or(0);
        let answer = answer["poll_media"]["text"].as_str().unwrap_or_default();
        text.push_str(&format!("\n- {answer}: {votes}"));
    }
    vec![text]
}

/// What was voted in a poll that is open again.
pub(super) fn votes(poll: &Value) -> Option<String> {
    let name = |count: &Value| {
        let answers = poll["answers"].as_array()?;
        let answer = answers.iter().find(|a| a["answer_id"] == count["id"])?;
        let text = answer["poll_media"]["text"].as_str().unwrap_or("?");
        let count = count["count"].as_u64().filter(|count| *count > 0)?;
        Some(format!("{text} {count}"))
    };
    let counts = poll["results"]["answer_counts"].as_array()?;
    let voted: Vec<String> = counts.iter().filter_map(name).collect();
    (!voted.is_empty()).then(|| format!("-# Votes so far: {}", voted.join(" · ")))
}

#[cfg(test)]
mod tests {
    use splashtail_guild::Mapping;

    use super::*;

    fn poll() -> Value {
        json!({"question": {"text": "Tea?"}, "expiry": "2024-01-20T13:30:00+00:00",
            "allow_multiselect": true, "layout_type": 1, "answers": [
                {"answer_id": 1, "poll_media": {"text": "yes", "emoji": {"id": "3", "name": "e"}}},
                {"answer_id": 2, "poll_media": {"text": "no", "emoji": {"id": "4", "name": "f"}}},
                {"answer_id": 3, "poll_media": {"text": "so", "emoji": {"name": "🫖"}}}],
            "results": {"is_finalized": false, "answer_counts": []}})
    }

    fn opened(poll: &Value, now: &str) -> Option<Value> {
        let mut mapping = Mapping::default();
        mapping.insert(Kind::Emoji, Id::new(3), Id::new(103));
        let frame = Frame {
            mapping: &mapping,
            cdn: "",
            lost: &[],
            files: &[],
            now: Some(now.parse().unwrap()),
        };
        open(poll, &frame)
    }

    #[test]
    fn what_is_open_can_be_voted_on_for_the_rest_of_its_time() {
        let again = opened(&poll(), "2024-01-20T12:00:00Z").unwrap();
        assert_eq!(
            again,
            json!({"question": {"text": "Tea?"}, "duration": 2, "allow_multiselect": true,
                "layout_type": 1, "answers": [
                    {"poll_media": {"text": "yes", "emoji": {"id": "103"}}},
                    {"poll_media": {"text": "no"}},
                    {"poll_media": {"text": "so", "emoji": {"name": "🫖"}}}]})
        );
        let long = opened(&poll(), "2023-01-20T12:00:00Z").unwrap();
        assert_eq!(long["duration"], MOST_HOURS);
    }

    #[test]
    fn what_is_over_is_told() {
        assert_eq!(opened(&poll(), "2024-01-20T13:30:00Z"), None);
        let mut over = poll();
        over["results"] = json!({"is_finalized": true, "answer_counts": [{"id": 2, "count": 7}]});
        assert_eq!(opened(&over, "2024-01-20T12:00:00Z"), None);
        assert_eq!(told(&over), ["Poll: Tea?\n- yes: 0\n- no: 7\n- so: 0"]);
        assert_eq!(told(&Value::Null), [""; 0]);
    }
}
