//! Texts that mean more than their letters.

use std::fmt::Display;
use std::num::NonZeroU64;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde_json::Value;
use splashtail_core::ids::{ChannelId, RoleId, UserId};
use unicode_properties::UnicodeEmoji as _;

/// The longest sequence of one emoji: families and flags of regions stay below.
const MAX_EMOJI: usize = 16;
/// Lengths of an emoji's name (Discord documentation, "Emoji").
const EMOJI_NAME: std::ops::RangeInclusive<usize> = 2..=32;
const JOINER: char = '\u{200d}';
const KEYCAP: char = '\u{20e3}';
const VARIATION: char = '\u{fe0f}';

pub(super) fn user(text: &str) -> Option<Value> {
    id::<UserId>(text, &["<@!", "<@"])
}

pub(super) fn role(text: &str) -> Option<Value> {
    id::<RoleId>(text, &["<@&"])
}

pub(super) fn channel(text: &str) -> Option<Value> {
    id::<ChannelId>(text, &["<#"])
}

/// An id, bare or as a mention.
fn id<T: FromStr + Display>(text: &str, openings: &[&str]) -> Option<Value> {
    let text = text.trim();
    let bare = openings
        .iter()
        .find_map(|opening| text.strip_prefix(opening)?.strip_suffix('>'))
        .unwrap_or(text);
    bare.parse::<T>()
        .ok()
        .map(|id| Value::String(id.to_string()))
}

/// `90`, `90s`, `5m`, `2h30m`, `7d`, `1w`: whole seconds.
pub fn interval(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let mut sum: i64 = 0;
    let mut digits = String::new();
    for letter in text.chars().filter(|letter| !letter.is_whitespace()) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let unit = match letter.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let number: i64 = digits.parse().ok()?;
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        digits.clear();
    }
    (digits.is_empty() && !text.is_empty()).then_some(sum)
}

/// As it is stored: RFC 3339, in UTC.
pub fn moment(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix("<t:").and_then(|t| t.strip_suffix('>')) {
        let seconds = inner.split(':').next()?;
        return moment_of(seconds.parse().ok()?);
    }
    if let Ok(seconds) = text.parse() {
        return moment_of(seconds);
    }
    let with_offset = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    let without = || {
        let forms = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"].iter();
        let mut read = forms.filter_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
        let day = || {
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .ok()?
                .and_hms_opt(0, 0, 0)
        };
        read.next().or_else(day).map(|at| at.and_utc())
    };
    stored(with_offset.ok().or_else(without)?)
}

/// The same of seconds since 1970.
pub(super) fn moment_of(seconds: i64) -> Option<String> {
    stored(DateTime::from_timestamp(seconds, 0)?)
}

fn stored(at: DateTime<Utc>) -> Option<String> {
    let written = (1970..=9999).contains(&at.year());
    written.then(|| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

pub(super) fn emoji(text: &str) -> Option<Value> {
    let text = text.trim();
    let known = match text.strip_prefix('<') {
        Some(rest) => is_of_a_server(rest),
        None => is_one_emoji(text),
    };
    known.then(|| Value::from(text))
}

/// `:name:id>` or `a:name:id>`.
fn is_of_a_server(rest: &str) -> bool {
    let rest = rest.strip_prefix('a').unwrap_or(rest);
    let parts = rest.strip_prefix(':').and_then(|r| r.strip_suffix('>'));
    let Some((name, id)) = parts.and_then(|parts| parts.split_once(':')) else {
        return false;
    };
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    EMOJI_NAME.contains(&name.len()) && letters && id.parse::<NonZeroU64>().is_ok()
}

/// One emoji of Unicode, whatever it is put together from (UTS #51).
fn is_one_emoji(text: &str) -> bool {
    let letters: Vec<char> = text.chars().take(MAX_EMOJI + 1).collect();
    if letters.is_empty() || letters.len() > MAX_EMOJI {
        return false;
    }
    if letters.last() == Some(&KEYCAP) {
        let base = letters[0];
        return matches!(base, '0'..='9' | '#' | '*') && letters.len() <= 3;
    }
    let is_flag = |letter: &char| ('\u{1f1e6}'..='\u{1f1ff}').contains(letter);
    if letters.iter().all(is_flag) {
        return letters.len() == 2;
    }
    let mut open = true;
    letters.iter().all(|letter| match *letter {
        JOINER => !std::mem::replace(&mut open, true),
        VARIATION | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}' => !open,
        other => !other.is_ascii() && other.is_emoji_char() && std::mem::replace(&mut open, false),
    }) && !open
}
