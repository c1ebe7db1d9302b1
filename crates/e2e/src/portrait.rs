//! What a server looks like to its owner, for tests that damage one and have it put back by the platform.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::Value;
use splashtail_sandbox::control::types::ActResult;
use splashtail_sandbox::portrait::{Difference, Portrait, Reader, Sight};

use crate::backups::OWNER;
use crate::platform::Platform;

/// What the owner is answered, as soon as Discord's limits let them ask.
async fn ask(platform: &Platform, path: &str) -> ActResult {
    loop {
        let control = &platform.control;
        let answer = control.rest(OWNER, "GET", path, Value::Null).await.unwrap();
        if answer.status != 429 {
            return answer;
        }
        let wait = answer.body["retry_after"].as_f64().unwrap();
        tokio::time::sleep(Duration::from_secs_f64(wait)).await;
    }
}

/// What Discord tells the owner: everything, on limits of their own.
///
/// # Panics
/// There is nothing.
pub async fn read(platform: &Platform, path: &str) -> Value {
    let answer = ask(platform, path).await;
    assert_eq!(answer.status, 200, "GET {path}: {answer:?}");
    answer.body
}

impl Reader for Platform {
    async fn get(&self, path: &str) -> Value {
        match ask(self, path).await {
            answer if answer.status == 200 => answer.body,
            _ => Value::Null,
        }
    }

    async fn file(&self, path: &str) -> Vec<u8> {
        let cdn = &self.ready.sandbox.as_ref().unwrap().rest;
        let answer = reqwest::get(cdn.join(path).unwrap()).await.unwrap();
        match answer.status().is_success() {
            true => answer.bytes().await.unwrap().to_vec(),
            false => Vec::new(),
        }
    }
}

/// A server with its people, without what is said in it.
///
/// # Panics
/// The platform runs without a sandbox.
pub async fn portrait(platform: &Platform, guild: &str) -> Portrait {
    let sight = Sight {
        people: true,
        ..Sight::default()
    };
    Portrait::read(platform, guild, &sight).await
}

/// Kinds of what no put-back makes again: what goes down with its channel, and people, who can only come back by
/// themselves.
const LOST: [&str; 4] = ["thread", "webhook", "invite", "member"];
/// Fields that nobody sets, of any kind; the order of roles and channels is their `rank`.
const SET_BY_NOBODY: [&str; 3] = ["position", "last_message_id", "last_pin_timestamp"];

fn matters(difference: &Difference) -> bool {
    let is_lost = difference.field.is_empty() && LOST.contains(&difference.kind());
    !is_lost && !SET_BY_NOBODY.iter().any(|field| difference.is_of(field))
}

/// What is different and could be put back, but for what is named by one of these words.
#[must_use]
pub fn differences(one: &Portrait, other: &Portrait, but_for: &[&str]) -> Vec<String> {
    let found = one.differences(other).into_iter().filter(matters);
    let told = found.map(|difference| difference.to_string());
    told.filter(|text| !but_for.iter().any(|name| names(text, name)))
        .collect()
}

/// Whether a text names something, as a whole: `channel-12` is not `channel-1`.
fn names(text: &str, name: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let mut found = text.match_indices(name).filter(|_| !name.is_empty());
    found.any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + name.len()..]);
        !before.ends_with(goes_on) && !behind.starts_with(goes_on)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole() {
        let text = r#"channel channel-12 name: "channel-12" -> "Role 1""#;
        for name in ["channel-12", "channel channel-12", "Role 1", "Role"] {
            assert!(names(text, name), "{name}");
        }
        for name in ["channel-1", "annel-12", "Role 12", ""] {
            assert!(!names(text, name), "{name}");
        }
    }
}
