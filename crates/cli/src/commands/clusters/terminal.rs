//! What the commands write: answers to stdout, everything else to stderr.

use std::io::{self, IsTerminal};

use crate::commands::output;
use terminal_size::{Height, Width, terminal_size};

/// Of a file or a pipe: nothing is left out.
pub const ENDLESS: (usize, usize) = (usize::MAX, usize::MAX);

/// Columns and lines of the terminal on stdout.
pub fn screen() -> (usize, usize) {
    if !io::stdout().is_terminal() {
        return ENDLESS;
    }
    match terminal_size() {
        Some((Width(width), Height(height))) => (width.into(), height.into()),
        None => (80, 24),
    }
}

/// Whether there is still a reader; one such as `head` that has seen enough is a normal end.
pub fn print(text: &str) -> bool {
    output::write(&mut io::stdout(), text).unwrap_or(false)
}

/// Progress and outcome of a command.
#[allow(clippy::print_stderr, reason = "this is the command's answer")]
pub fn say(line: &str) {
    eprintln!("{line}");
}
