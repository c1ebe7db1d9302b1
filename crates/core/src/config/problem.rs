//! What can be wrong with a configuration, in the words and the layout that the operator sees.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// One thing to mend. Never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path of the key.
    pub key: String,
    pub message: String,
}

/// Displays as everything the operator needs, over several lines; print it as it is.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "no config file: tried {}\n{sample}Run `splashtail up` to start without one, or copy config.yaml.sample to config.yaml and fill it in",
        list(tried)
    )]
    Missing {
        tried: Vec<PathBuf>,
        sample: SampleNote,
    },
    #[error("{} cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not UTF-8 text (first bad byte on line {line})", path.display())]
    NotText { path: PathBuf, line: usize },
    #[error("{}", syntax(path, *line, *column, reason, snippet))]
    Syntax {
        path: PathBuf,
        line: usize,
        column: usize,
        reason: String,
        snippet: String,
    },
    #[error("unknown environment {word:?} in {origin}, allowed are: staging, prod")]
    Environment { word: String, origin: String },
    #[error("{}", invalid(path.as_deref(), problems))]
    Invalid {
        path: Option<PathBuf>,
        problems: Vec<Problem>,
    },
    #[error(
        "`splashtail {command}` needs a bot account: {} has no discord_auth.token.\nFill it in, or run `splashtail up`, which starts the Discord sandbox when there is no token",
        path.as_deref().map_or("the configuration".into(), Path::to_string_lossy)
    )]
    NoToken {
        command: String,
        path: Option<PathBuf>,
    },
}

/// What became of the sample file that a missing config calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SampleNote {
    Written(PathBuf),
    UpToDate(PathBuf),
    /// A read-only directory is no reason to fail differently.
    NotWritten,
}

impl fmt::Display for SampleNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(path) => writeln!(f, "A sample was written to {}", path.display()),
            Self::UpToDate(path) => writeln!(f, "A sample is in {}", path.display()),
            Self::NotWritten => {
                writeln!(f, "`splashtail config sample --stdout` prints a sample")
            }
        }
    }
}

const ADVICE: &str = "Copy config.yaml.sample to config.yaml and fill in the missing values, or run: splashtail config check";
/// Messages start in this column or further right.
const KEY_COLUMN: usize = 25;

fn invalid(path: Option<&Path>, problems: &[Problem]) -> String {
    let name = path.map_or("configuration".into(), |path| path.to_string_lossy());
    let plural = if problems.len() == 1 { "" } else { "s" };
    let width = problems
        .iter()
        .map(|problem| problem.key.len() + 2)
        .max()
        .unwrap_or(0)
        .max(KEY_COLUMN);
    let mut text = format!("{name}: {} problem{plural}\n", problems.len());
    for Problem { key, message } in problems {
        text.push_str(&format!("  {key:width$}{message}\n"));
    }
    text + ADVICE
}

fn syntax(path: &Path, line: usize, column: usize, reason: &str, snippet: &str) -> String {
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let caret = " ".repeat(column.saturating_sub(1));
    format!(
        "{}: not valid YAML at line {line}, column {column}: {reason}\n  {number} | {snippet}\n  {gutter} | {caret}^",
        path.display()
    )
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}
