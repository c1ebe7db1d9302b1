//! Text of others inside our own messages, and what fits into them.

use std::borrow::Cow;

/// Makes the text harmless in a Discord message: no formatting, no links behind words, no
/// mentions, no line breaks.
pub fn neutralise(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '<' | '#' | '[' | ']' | '(' | ')' => {
                safe.push('\\');
                safe.push(letter);
            }
            // A backslash does not stop `@everyone`; an invisible joiner does.
            '@' => safe.push_str("@\u{2060}"),
            letter if letter.is_control() || letter == '\u{2028}' || letter == '\u{2029}' => {
                safe.push(' ');
            }
            letter => safe.push(letter),
        }
    }
    safe
}

/// Longest text of an embed's description and of a message (Discord documentation, "Embed Limits",
/// "Create Message").
pub const DESCRIPTION: usize = 4096;
pub const MESSAGE: usize = 2000;
/// Of a field of an embed.
pub const FIELD: usize = 1024;
/// Of the title of an embed, and of the name of a field.
pub const TITLE: usize = 256;
/// Of a button.
pub const LABEL: usize = 80;
/// Of all texts of a message's embeds together.
pub const EMBEDS: usize = 6000;

/// As Discord's clients count, and more than Discord does.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The text, or as much of it as fits, with `…` for the rest. It is measured as Discord's clients do, in
/// UTF-16, so it fits however Discord counts.
pub fn shorten(text: &str, limit: usize) -> Cow<'_, str> {
    if length(text) <= limit {
        return text.into();
    }
    // One place is for the mark.
    let mut room = limit.saturating_sub(1);
    let end = text.char_indices().find(|(_, letter)| {
        let fits = letter.len_utf16() <= room;
        room = room.saturating_sub(letter.len_utf16());
        !fits
    });
    let kept = end.map_or(text, |(end, _)| &text[..end]);
    // What joins nothing, or escapes the mark, goes too.
    let joins = |letter: char| matches!(letter, '\u{200d}' | '\\') || letter.is_whitespace();
    format!("{}…", kept.trim_end_matches(joins)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_links_and_mentions_are_taken_out() {
        for (text, safe) in [
            ("plain text, 1.5 %", "plain text, 1.5 %"),
            (
                "**bold** _it_ ~~no~~ `code` ||spoiler||",
                r"\*\*bold\*\* \_it\_ \~\~no\~\~ \`code\` \|\|spoiler\|\|",
            ),
            ("[here](http://a)", r"\[here\]\(http://a\)"),
            (
                "<@1> <#2> <t:3:R>",
                "\\<@\u{2060}1\\> \\<\\#2\\> \\<t:3:R\\>",
            ),
            ("@everyone", "@\u{2060}everyone"),
            ("two\nlines\u{2028}", "two lines "),
            (r"\*", r"\\\*"),
        ] {
            assert_eq!(neutralise(text), safe);
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_with_a_mark() {
        for (text, limit, cut) in [
            ("äöü", 3, "äöü"),
            ("äöüß", 3, "äö…"),
            ("two words", 5, "two…"),
            (r"a\*b", 3, "a…"),
            ("👩\u{200d}🚀👩\u{200d}🚀", 6, "👩\u{200d}🚀…"),
            ("👩\u{200d}🚀👩\u{200d}🚀", 4, "👩…"),
            ("שלום עולם", 5, "שלום…"),
            ("", 0, ""),
            ("a", 0, "…"),
        ] {
            assert_eq!(shorten(text, limit), cut, "{text} in {limit}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_longer_than_it_may_be(text in ".*", limit in 1_usize..50) {
            let cut = shorten(&text, limit);
            proptest::prop_assert!(cut.encode_utf16().count() <= limit);
            proptest::prop_assert!(cut == text || cut.ends_with('…'));
        }
    }
}
