//! What the owner does after an attack: ends the panic and has everything put back, by the buttons.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::backups::{self, OWNER};
use crate::platform::Platform;

/// Far longer than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(180);
/// Within the rate limit of reading messages.
const POLL: Duration = Duration::from_millis(400);
const BACK: &str = "Put back";
const YES: &str = "Yes, put it back";
/// Before anything is put back.
const CALM: &str = "End panic";

/// What Discord tells the owner, as soon as its limits allow it.
pub(super) async fn asked(platform: &Platform, path: &str) -> Result<Value> {
    loop {
        let answer = platform
            .control
            .rest(OWNER, "GET", path, Value::Null)
            .await?;
        match answer.status {
            200 => return Ok(answer.body),
            429 => {
                let wait = answer.body["retry_after"].as_f64().unwrap_or(1.0);
                tokio::time::sleep(Duration::from_secs_f64(wait)).await;
            }
            status => bail!("GET {path}: {status} {}", answer.body),
        }
    }
}

/// Puts back what every incident of a server did, one after the other, and says what its alerts, in this
/// channel, say then.
pub(super) async fn put_back(platform: &Platform, guild: &str, alerts: &str) -> Result<String> {
    let path = format!("/channels/{alerts}/messages?limit=50");
    let mut pressed: BTreeSet<(String, &str)> = BTreeSet::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let messages = asked(platform, &path).await?;
        let messages = messages.as_array().context("no list of messages")?;
        let mut shown = Vec::new();
        for message in messages {
            let text = message["embeds"][0]["description"].as_str();
            let text = text.unwrap_or_default();
            if text.contains("**Not put back**") {
                bail!("{text}");
            }
            shown.push(text.replace('\n', " "));
        }
        match next(messages, &pressed) {
            Next::Press(message, label) => {
                backups::press(platform, guild, OWNER, message, label).await?;
                pressed.insert((id_of(message), label));
            }
            Next::Wait => {}
            Next::Over => return Ok(shown.join(" | ")),
        }
        if tokio::time::Instant::now() > deadline {
            bail!("it never ends: {}", shown.join(" | "));
        }
        tokio::time::sleep(POLL).await;
    }
}

enum Next<'a> {
    Press(&'a Value, &'static str),
    Wait,
    /// Everything that could be put back was.
    Over,
}

fn next<'a>(messages: &'a [Value], pressed: &BTreeSet<(String, &str)>) -> Next<'a> {
    let was = |message: &Value, label| pressed.contains(&(id_of(message), label));
    let can = |message: &Value, label: &'static str| {
        let buttons = message["components"].to_string();
        buttons.contains(&format!("\"{label}\"")) && !was(message, label)
    };
    let is_done = |message: &Value| {
        let text = message["embeds"][0]["description"].as_str();
        let text = text.unwrap_or_default();
        text.contains("**Put back: ") || text.contains("nothing to put back")
    };
    let under_way = messages.iter().find(|m| was(m, BACK) && !is_done(m));
    if let Some(message) = under_way {
        return match can(message, YES) {
            true => Next::Press(message, YES),
            false => Next::Wait,
        };
    }
    for label in [CALM, BACK] {
        if let Some(message) = messages.iter().find(|message| can(message, label)) {
            return Next::Press(message, label);
        }
    }
    match messages.iter().any(|message| was(message, BACK)) {
        true => Next::Over,
        false => Next::Wait,
    }
}

fn id_of(message: &Value) -> String {
    message["id"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alert(id: &str, text: &str, labels: &[&str]) -> Value {
        let buttons = labels
            .iter()
            .map(|label| json!({"type": 2, "label": label}));
        json!({"id": id, "embeds": [{"description": text}],
            "components": [{"type": 1, "components": buttons.collect::<Vec<_>>()}]})
    }

    fn told(messages: &[Value], pressed: &[(&str, &'static str)]) -> String {
        let pressed = pressed.iter().map(|(id, label)| ((*id).to_owned(), *label));
        match next(messages, &pressed.collect()) {
            Next::Press(message, label) => format!("{label} {}", id_of(message)),
            Next::Wait => "wait".to_owned(),
            Next::Over => "over".to_owned(),
        }
    }

    #[test]
    fn one_is_put_back_after_the_other_when_the_panic_is_over() {
        let both = [alert("1", "", &[BACK]), alert("2", "", &[BACK, CALM])];
        assert_eq!(told(&both, &[]), "End panic 2");
        assert_eq!(told(&both, &[("2", CALM)]), "Put back 1");
        let first = [("2", CALM), ("1", BACK)];
        assert_eq!(told(&both, &first), "wait");
        let shown = [alert("1", "Put back?", &[YES]), both[1].clone()];
        assert_eq!(told(&shown, &first), "Yes, put it back 1");
        let done = "**Put back: all 3 changes were made.**";
        let done = [alert("1", done, &[BACK]), both[1].clone()];
        assert_eq!(told(&done, &first), "Put back 2");
        let nothing = alert("2", "**There was nothing to put back.**", &[BACK]);
        let all = [done[0].clone(), nothing];
        assert_eq!(told(&all, &[first[0], first[1], ("2", BACK)]), "over");
        assert_eq!(told(&[], &[]), "wait");
    }
}
