//! Where an event is told, by the rules of its hook.

use splashtail_core::ids::ChannelId;
use splashtail_storage::{GitAct, GitRepo, GitRule};

/// Characters of a pattern.
const LONGEST_PATTERN: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    To(ChannelId),
    /// Why it is told nowhere.
    Nowhere(&'static str),
}

/// `rules` in their order, the first first. `event` is such as `issues`, `action` such as `opened`.
pub fn way(repo: &GitRepo, rules: &[GitRule], event: &str, action: Option<&str>) -> Way {
    let whole = action.map(|action| format!("{event}.{action}"));
    let is_about = |rule: &GitRule| {
        let mut events = rule.events.iter();
        events.any(|pattern| {
            matches(pattern, event)
                || whole
                    .as_deref()
                    .is_some_and(|whole| matches(pattern, whole))
        })
    };
    let mut redirected = None;
    for rule in rules {
        if rule.repo.is_some_and(|of| of != repo.id) {
            continue;
        }
        match (rule.act, is_about(rule)) {
            (GitAct::Block, true) => return Way::Nowhere("a rule blocks this event"),
            (GitAct::Only, false) if redirected.is_none() => {
                return Way::Nowhere("a rule lets only other events pass");
            }
            (GitAct::Redirect(channel), true) => {
                redirected = redirected.or(Some(channel));
            }
            _ => {}
        }
    }
    Way::To(redirected.unwrap_or(repo.channel))
}

pub fn is_pattern(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'.' | b'*' | b'?');
    (1..=LONGEST_PATTERN).contains(&text.len()) && text.bytes().all(known)
}

/// `*` is any number of characters, `?` one. It takes no longer than the lengths' product.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    // Where the last star is, and what it has taken.
    let mut star = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    from = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn channel(id: u64) -> ChannelId {
        ChannelId::new(id).unwrap()
    }

    fn repo() -> GitRepo {
        GitRepo {
            id: Uuid::from_u128(1),
            hook: Uuid::nil(),
            name: "a/b".to_owned(),
            channel: channel(1),
        }
    }

    fn rule(act: GitAct, events: &[&str]) -> GitRule {
        GitRule {
            id: Uuid::nil(),
            hook: Uuid::nil(),
            repo: None,
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            act,
            priority: 0,
        }
    }

    #[test]
    fn patterns_match_as_people_expect() {
        for (pattern, text, expected) in [
            ("push", "push", true),
            ("push", "pushed", false),
            ("*", "", true),
            ("*", "issues", true),
            ("issue*", "issue_comment", true),
            ("*_run", "workflow_run", true),
            ("*_run", "workflow_job", false),
            ("issues.?pened", "issues.opened", true),
            ("i*s.*d", "issues.opened", true),
            ("?", "", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(is_pattern("issues.*"));
        for wrong in ["", "a b", "A", "a/b"] {
            assert!(!is_pattern(wrong), "{wrong}");
        }
    }

    #[test]
    fn rules_are_asked_in_their_order() {
        let (repo, other) = (repo(), channel(2));
        let way_of = |rules: &[GitRule], event, action| way(&repo, rules, event, action);
        assert_eq!(way_of(&[], "push", None), Way::To(channel(1)));
        let block = rule(GitAct::Block, &["issues.opened"]);
        let blocked = way_of(std::slice::from_ref(&block), "issues", Some("opened"));
        assert!(matches!(blocked, Way::Nowhere(_)));
        let passes = way_of(&[block], "issues", Some("closed"));
        assert_eq!(passes, Way::To(channel(1)));

        let redirect = rule(GitAct::Redirect(other), &["push"]);
        let later = rule(GitAct::Redirect(channel(3)), &["*"]);
        let only = rule(GitAct::Only, &["release"]);
        let rules = [redirect, only, later];
        assert_eq!(way_of(&rules, "push", None), Way::To(other), "the first");
        assert!(matches!(way_of(&rules, "star", None), Way::Nowhere(_)));
        assert_eq!(way_of(&rules, "release", None), Way::To(channel(3)));

        let foreign = GitRule {
            repo: Some(Uuid::from_u128(9)),
            ..rule(GitAct::Block, &["*"])
        };
        assert_eq!(way_of(&[foreign], "push", None), Way::To(channel(1)));
    }
}
