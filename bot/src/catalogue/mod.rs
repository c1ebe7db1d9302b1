//! What the bot says, in each of its languages.
//!
//! The texts are Fluent files, `locales/<language>/<area>.ftl`; code names them by their key with
//! [`text!`](crate::text). What everybody reads is said in the language of the server, what one
//! person reads in theirs.

mod bundles;
mod commands;
mod language;
mod lines;
#[cfg(test)]
mod prose;
#[cfg(test)]
mod tests;

pub use bundles::{Argument, say};
pub use commands::{
    description, localise, module, module_description, need, option, permission, setting,
};
pub use language::Language;
pub use lines::{line, refusal};

/// The text of a key, with its placeholders filled: `text!(language, "core-pong-title")`,
/// `text!(language, "help-page", number = 1, of = 3)`. Ids go in as text: a number loses digits.
#[macro_export]
macro_rules! text {
    ($language:expr, $key:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::catalogue::say(
            $language,
            $key,
            [$((stringify!($name), $crate::catalogue::Argument::from($value))),*],
        )
    };
}
