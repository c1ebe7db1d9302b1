//! Long texts in parts.

/// As much of a text as these characters hold, and the rest of it.
pub(super) fn parted(text: &str, most: usize) -> (String, String) {
    if most == 0 {
        return (String::new(), text.to_owned());
    }
    let first = split(text, most).into_iter().next().unwrap_or_default();
    let rest = text[first.len()..].trim_start().to_owned();
    (first, rest)
}

/// Parts of at most so many characters, cut at the end of a line or of a word where there is one.
pub(super) fn split(text: &str, most: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let Some((cut, _)) = rest.char_indices().nth(most) else {
            parts.push(rest.to_owned());
            return parts;
        };
        let head = &rest[..cut];
        let end_of = |sign: char| head.rfind(sign).filter(|at| *at > cut / 2);
        let at = end_of('\n')
            .or_else(|| end_of(' '))
            .map_or(cut, |at| at + 1);
        parts.push(rest[..at].trim_end().to_owned());
        rest = &rest[at..];
    }
}
