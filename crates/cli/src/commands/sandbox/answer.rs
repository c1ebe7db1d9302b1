//! What a command of `ctl` prints.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use crate::commands::output;

/// An argument that is JSON.
///
/// # Errors
/// It is not.
pub fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

/// What a command prints, and whether it went well.
#[derive(Debug)]
pub struct Outcome {
    pub lines: Vec<String>,
    pub well: bool,
}

impl Outcome {
    /// # Errors
    /// The value has no JSON form.
    pub fn of(value: &impl Serialize, well: bool) -> Result<Self> {
        let lines = vec![serde_json::to_string_pretty(value)?];
        Ok(Self { lines, well })
    }

    /// # Errors
    /// Stdout cannot be written.
    pub fn print(&self) -> Result<()> {
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        Ok(output::print(&text)?)
    }
}
