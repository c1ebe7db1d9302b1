//! The limits and side effects of single resources.

mod automod;
mod bans;
mod channels;
mod emojis;
mod guilds;
mod invites;
mod members;
mod messages;
mod webhooks;

use http::Method;
use serde_json::Value;

use crate::harness::{Case, code};

/// What is accepted and what is not: request body and status.
fn accepts(case: &Case, method: &Method, path: &str, rows: &[(Value, u16)]) {
    for (body, status) in rows {
        let answer = case.bot(method.clone(), path, body.clone());
        let shown: String = body.to_string().chars().take(120).collect();
        assert_eq!(
            answer.status,
            *status,
            "{method} {path} {shown}: {}",
            answer.json()
        );
        if *status == 400 {
            assert_eq!(code(&answer), 50035, "{shown}: {}", answer.json());
        }
    }
}

fn x(n: usize) -> String {
    "x".repeat(n)
}
