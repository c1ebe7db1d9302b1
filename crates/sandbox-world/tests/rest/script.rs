//! The same script on the same world gives the same history.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;

use crate::harness::{Case, GUILD};

fn history() -> (Vec<String>, Vec<String>) {
    let case = Case::new();
    let path = format!("/channels/{}/messages", case.channel("general"));
    for n in 0..7 {
        case.bot(Method::POST, &path, json!({"content": format!("{n}")}));
        case.user(small::MEMBER, Method::POST, &path, json!({"content": "x"}));
        case.advance_ms(300);
    }
    case.bot(
        Method::POST,
        &format!("/guilds/{GUILD}/roles"),
        json!({"name": "r"}),
    );
    case.bot(
        Method::POST,
        &format!("/channels/{}/webhooks", case.channel("media")),
        json!({"name": "w"}),
    );
    case.user(
        small::ADMIN,
        Method::DELETE,
        &format!("/guilds/{GUILD}/members/{}", small::SPARE),
        Value::Null,
    );
    let journal = case.sandbox.journal.since(0, 1000);
    let journal = journal
        .iter()
        .map(|e| serde_json::to_string(e).unwrap())
        .collect();
    let events = case
        .events()
        .into_iter()
        .map(|(kind, payload)| format!("{kind} {payload}"))
        .collect();
    (journal, events)
}

#[test]
fn a_script_repeats_itself_to_the_letter() {
    let (journal, events) = history();
    assert!(journal.len() > 16 && events.len() > 12);
    assert!(
        journal.iter().any(|e| e.contains("\"status\":429")),
        "limits included"
    );
    assert_eq!(history(), (journal, events));
}
