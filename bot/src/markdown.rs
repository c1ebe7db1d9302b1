//! Text of others inside our own messages.

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

/// The first `limit` characters, with `...` behind them if there were more.
pub fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// At most `limit` characters, without any mark.
pub fn cut(text: &str, limit: usize) -> &str {
    text.char_indices()
        .nth(limit)
        .map_or(text, |(end, _)| &text[..end])
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
    fn lengths_are_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äöü...");
        assert_eq!(cut("äöüß", 2), "äö");
        assert_eq!(cut("ä", 2), "ä");
    }
}
