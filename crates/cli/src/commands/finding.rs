//! What a check found, one line each: for a person as a table, for a program as JSON.

use std::fmt::Write as _;

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// Works, but worth knowing.
    Note,
    Failed,
}

/// Never holds a secret: findings are pasted into support channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub name: String,
    pub status: Status,
    pub detail: String,
}

impl Finding {
    pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Ok,
            detail: detail.into(),
        }
    }

    pub fn note(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Note,
            detail: detail.into(),
        }
    }

    pub fn failed(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Failed,
            detail: detail.into(),
        }
    }
}

pub fn any_failed(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.status == Status::Failed)
}

/// One line per finding, in columns.
pub fn table(findings: &[Finding]) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for Finding {
        name,
        status,
        detail,
    } in findings
    {
        let status = match status {
            Status::Ok => "ok",
            Status::Note => "note",
            Status::Failed => "failed",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {status:<6}  {name:<width$}  {detail}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let findings = [
            Finding::ok("database", "SQLite"),
            Finding::failed("bot token", "refused"),
            Finding::note("cache", "in process"),
        ];
        insta::assert_snapshot!(table(&findings), @r"
          ok      database   SQLite
          failed  bot token  refused
          note    cache      in process
        ");
        assert!(any_failed(&findings));
        assert!(!any_failed(&findings[..1]));
    }
}
