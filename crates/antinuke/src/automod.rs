//! AutoMod rules that hit everybody.

use regex::RegexBuilder;
use serde_json::Value;

/// Lines that anybody might write. A rule that matches three of them is a weapon.
const NEUTRAL: [&str; 20] = [
    "hello",
    "good morning everyone",
    "how are you today?",
    "thanks, that helped a lot",
    "who is playing tonight",
    "I will be back in an hour",
    "see you tomorrow",
    "nice picture!",
    "what time is the event",
    "my internet is slow again",
    "can somebody help me with this",
    "ok",
    "lol",
    "congratulations on the new job",
    "the update came out yesterday",
    "does it work on a phone",
    "we won 3 to 1",
    "happy birthday",
    "is the server down for you too",
    "bonjour, \u{e7}a va ?",
];
const MATCHES: usize = 3;
/// Rules hold at most ten patterns and a thousand keywords.
const MOST: usize = 1000;

/// Whether a rule, or what an entry says of it, matches what everybody writes.
pub fn catches_all<'a>(properties: impl Iterator<Item = (&'a str, &'a Value)>) -> bool {
    let flat = properties.flat_map(|(key, value)| match (key, value) {
        ("trigger_metadata", Value::Object(map)) => map
            .iter()
            .map(|(key, value)| (key.as_str(), value))
            .collect(),
        _ => vec![(key, value)],
    });
    let mut hits = [false; NEUTRAL.len()];
    for (key, value) in flat {
        match key {
            "regex_patterns" | "$add_regex_patterns" => {
                for pattern in texts(value) {
                    let built = RegexBuilder::new(pattern).case_insensitive(true).build();
                    match built {
                        Ok(pattern) => note(&mut hits, |line| pattern.is_match(line)),
                        // Too large to be tried: it may match anything.
                        Err(regex::Error::CompiledTooBig(_)) => note(&mut hits, |_| true),
                        // Discord takes no pattern that is none.
                        Err(_) => {}
                    }
                }
            }
            "keyword_filter" | "$add_keyword_filter" => {
                for keyword in texts(value) {
                    note(&mut hits, |line| keyword_matches(keyword, line));
                }
            }
            _ => {}
        }
    }
    hits.iter().filter(|hit| **hit).count() >= MATCHES
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().into_iter().flatten().take(MOST);
    list.filter_map(Value::as_str)
}

fn note(hits: &mut [bool], matches: impl Fn(&str) -> bool) {
    for (hit, line) in hits.iter_mut().zip(NEUTRAL) {
        *hit = *hit || matches(line);
    }
}

/// Whole words, and parts of words towards an asterisk (Discord docs, "Keyword Matching
/// Strategies").
fn keyword_matches(keyword: &str, line: &str) -> bool {
    let keyword = keyword.trim().to_lowercase();
    let line = line.to_lowercase();
    let (open_left, open_right) = (keyword.starts_with('*'), keyword.ends_with('*'));
    let core = keyword.trim_matches('*');
    if core.is_empty() {
        return open_left;
    }
    line.match_indices(core).any(|(at, _)| {
        let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let left = open_left || !letter(line[..at].chars().next_back());
        let right = open_right || !letter(line[at + core.len()..].chars().next());
        left && right
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn caught(key: &str, value: Value) -> bool {
        catches_all([(key, &value)].into_iter())
    }

    #[test]
    fn weapons_are_told_from_filters() {
        assert!(caught("regex_patterns", json!([".*"])));
        assert!(caught("$add_regex_patterns", json!(["[a-z]"])));
        assert!(caught("keyword_filter", json!(["*e*"])));
        assert!(caught("keyword_filter", json!(["ok", "lol", "hello"])));
        assert!(caught(
            "trigger_metadata",
            json!({"regex_patterns": ["\\w"]})
        ));
        assert!(caught("regex_patterns", json!([".{0,999}\\w{0,999}"])));
        assert!(!caught(
            "regex_patterns",
            json!(["discord\\.gg/\\w+", "(("])
        ));
        assert!(!caught(
            "keyword_filter",
            json!(["free nitro", "steam*", "*porn*"])
        ));
        assert!(!caught("name", json!([".*"])));
    }
}
