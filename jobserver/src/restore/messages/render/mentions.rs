//! Whom and what a text names, by ids that are there now.

use splashtail_guild::{Kind, Mapping};

/// Mentions of channels, roles and emojis with their present ids.
pub(super) fn led(text: &str, mapping: &Mapping) -> String {
    let mut led = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        led.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find('>');
        let mention = end.and_then(|end| renamed(&rest[1..end], mapping).map(|new| (end, new)));
        match mention {
            Some((end, new)) => {
                led.push_str(&format!("<{new}>"));
                rest = &rest[end + 1..];
            }
            None => {
                led.push('<');
                rest = &rest[1..];
            }
        }
    }
    led.push_str(rest);
    led
}

/// What stands between the brackets, with another id.
fn renamed(inner: &str, mapping: &Mapping) -> Option<String> {
    let (head, id, kind) = if let Some(id) = inner.strip_prefix("@&") {
        ("@&", id, Kind::Role)
    } else if let Some(id) = inner.strip_prefix('#') {
        ("#", id, Kind::Channel)
    } else {
        let colon = inner.rfind(':').filter(|_| inner.starts_with([':', 'a']))?;
        let (head, id) = inner.split_at(colon + 1);
        (head, id, Kind::Emoji)
    };
    let id = id.parse().ok()?;
    let thread = || mapping.live(Kind::Thread, id).filter(|_| head == "#");
    let new = mapping.live(kind, id).or_else(thread)?;
    Some(format!("{head}{new}"))
}
