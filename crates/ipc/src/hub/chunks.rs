//! Cutting a byte stream into JSON documents.

use serde_json::value::RawValue;

/// Objects and lists within each other. Readers of JSON refuse more than 128, and a message
/// travels inside one of the hub's own objects.
pub(crate) const MAX_DEPTH: usize = 127;

/// Cuts a byte stream into JSON documents, whether newlines separate them or nothing does.
///
/// A newline always ends a document: what stands on a line stands alone, or fails alone. Without
/// newlines a document ends where its last bracket closes; one that never ends takes what comes
/// after it along, until the caller finds that it takes too long ([`JsonChunks::give_up`]).
///
/// Each byte is scanned once for where a document ends, and parsed once when it is complete.
#[derive(Debug)]
pub(crate) struct JsonChunks {
    buffer: Vec<u8>,
    limit: usize,
    /// Where the current document begins.
    start: usize,
    /// The next byte to scan.
    position: usize,
    nesting: usize,
    string: StringState,
    /// Documents that have ended.
    ended: u64,
}

/// A document is longer than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StringState {
    Outside,
    Inside,
    AfterBackslash,
}

impl JsonChunks {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            limit,
            start: 0,
            position: 0,
            nesting: 0,
            string: StringState::Outside,
            ended: 0,
        }
    }

    /// Call [`JsonChunks::next_value`] until it returns `None` before pushing again.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.buffer.drain(..self.start);
        self.position -= self.start;
        self.start = 0;
        if self.buffer.len() > self.limit {
            return Err(TooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next complete document. What is no JSON is skipped.
    pub(crate) fn next_value(&mut self) -> Option<String> {
        loop {
            let end = self.find_end()?;
            if let Some(text) = self.cut(end) {
                return Some(text);
            }
        }
    }

    /// At the end of the stream: a final number or word without anything after it.
    pub(crate) fn last_value(&mut self) -> Option<String> {
        self.cut(self.buffer.len())
    }

    /// The number of the document that has begun and not ended.
    pub(crate) fn begun(&self) -> Option<u64> {
        (self.start < self.buffer.len()).then_some(self.ended)
    }

    /// The document that has begun does not end: whatever comes next is the beginning of another.
    /// A number or word that nothing followed is complete after all.
    pub(crate) fn give_up(&mut self) -> Option<String> {
        self.last_value()
    }

    /// Scans on until the current document is complete.
    fn find_end(&mut self) -> Option<usize> {
        while let Some(&byte) = self.buffer.get(self.position) {
            let fresh = self.position == self.start;
            match (self.string, byte) {
                // Whitespace between documents belongs to none.
                (_, b'\n') if fresh => self.start += 1,
                // Nor in a string, where JSON forbids it.
                (_, b'\n') => return Some(self.position),
                (StringState::Inside, b'\\') => self.string = StringState::AfterBackslash,
                (StringState::AfterBackslash, _) => self.string = StringState::Inside,
                (StringState::Inside, b'"') => {
                    self.string = StringState::Outside;
                    if self.nesting == 0 {
                        return Some(self.position + 1);
                    }
                }
                (StringState::Inside, _) => {}
                (StringState::Outside, _) if fresh && byte.is_ascii_whitespace() => {
                    self.start += 1;
                }
                (StringState::Outside, b'{' | b'[' | b'"') => {
                    if self.nesting == 0 && !fresh {
                        // A bare word ends where the next document begins.
                        return Some(self.position);
                    }
                    if byte == b'"' {
                        self.string = StringState::Inside;
                    } else {
                        self.nesting += 1;
                    }
                }
                (StringState::Outside, b'}' | b']') if self.nesting > 0 => {
                    self.nesting -= 1;
                    if self.nesting == 0 {
                        return Some(self.position + 1);
                    }
                }
                (StringState::Outside, _) if self.nesting == 0 && byte.is_ascii_whitespace() => {
                    return Some(self.position);
                }
                (StringState::Outside, _) => {}
            }
            self.position += 1;
        }
        None
    }

    /// Takes the document that ends before `end`; `None` when it is not JSON or too deep.
    fn cut(&mut self, end: usize) -> Option<String> {
        let text = self.buffer.get(self.start..end)?;
        let value = serde_json::from_slice::<&RawValue>(text).ok();
        let value = value
            .map(RawValue::get)
            .filter(|text| depth(text) <= MAX_DEPTH)
            .map(str::to_owned);
        self.start = end;
        self.position = end;
        self.nesting = 0;
        self.string = StringState::Outside;
        self.ended += 1;
        value
    }
}

/// How deep objects and lists of a JSON document stand within each other.
pub(crate) fn depth(json: &str) -> usize {
    let (mut deepest, mut now, mut string) = (0_usize, 0_usize, StringState::Outside);
    for byte in json.bytes() {
        string = match (string, byte) {
            (StringState::Inside, b'\\') => StringState::AfterBackslash,
            (StringState::Inside, b'"') => StringState::Outside,
            (StringState::Outside, b'"') | (StringState::AfterBackslash, _) => StringState::Inside,
            (string, _) => string,
        };
        match (string, byte) {
            (StringState::Outside, b'{' | b'[') => now += 1,
            (StringState::Outside, b'}' | b']') => now = now.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(now);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<String> {
        let mut chunks = JsonChunks::new(1 << 20);
        let mut values = Vec::new();
        for piece in pieces {
            chunks.push(piece).unwrap();
            values.extend(std::iter::from_fn(|| chunks.next_value()));
        }
        values.extend(chunks.last_value());
        values
    }

    #[test]
    fn newlines_are_optional_and_chunks_may_split_anywhere() {
        let expected = ["{\"a\":1}", "{\"b\":[2]}", "12"];
        assert_eq!(decode(&[b"{\"a\":1}\n{\"b\":[2]}\n12\n"]), expected);
        assert_eq!(decode(&[b"{\"a\":1}{\"b\":[2]}12"]), expected);
        assert_eq!(
            decode(&[b"{\"a\"", b":1}{\"b\":[", b"2]}1", b"2"]),
            expected
        );
        assert_eq!(
            decode(&[b"\n \r\n{\"a\":\"}]\\\"{\"}\r\n1 2"]),
            ["{\"a\":\"}]\\\"{\"}", "1", "2"]
        );
    }

    #[test]
    fn garbage_costs_a_line_not_the_connection() {
        assert_eq!(decode(&[b"hello\n{\"a\":1}\n"]), ["{\"a\":1}"]);
        assert_eq!(decode(&[b"\xff\xfe}", b"{\"a\":1}"]), ["{\"a\":1}"]);
        // Brackets and quotes that never close must not swallow what follows, however many.
        let many = format!("{}\n", "[".repeat(20_000));
        let much = format!("{{\"a\":\"{}\n", "x".repeat(900_000));
        for garbage in [
            "{hello\n",
            "[1,,\n",
            "\"open\n",
            "\"open\\\n",
            "{\"a\":\n]\n",
            "}}}\n",
            "{]",
            &many,
            &much,
        ] {
            let values = decode(&[garbage.as_bytes(), b"{\"a\":1}\n{\"b\":2}\n"]);
            let start: String = garbage.chars().take(20).collect();
            assert_eq!(values, ["{\"a\":1}", "{\"b\":2}"], "{start:?}");
        }
    }

    /// Also when they do close: no reader could take the document.
    #[test]
    fn documents_are_only_so_deep() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let deep = nested(MAX_DEPTH);
        let line = format!("{}\n{deep}\n7\n", nested(20_000));
        assert_eq!(decode(&[line.as_bytes()]), [&deep, "7"]);
        assert!(serde_json::from_str::<serde_json::Value>(&deep).is_ok());
        assert_eq!(depth("[\"[[[\\\"[\",{\"a\":[]}]"), 3);
    }

    #[test]
    fn a_document_that_never_ends_is_given_up() {
        let mut chunks = JsonChunks::new(1 << 20);
        chunks.push(b"{\"a\":[").unwrap();
        assert_eq!(chunks.next_value(), None);
        assert_eq!(chunks.begun(), Some(0));
        assert_eq!(chunks.give_up(), None);
        assert_eq!(chunks.begun(), None);
        chunks.push(b"{\"b\":2}12").unwrap();
        assert_eq!(chunks.next_value().unwrap(), "{\"b\":2}");
        assert_eq!(chunks.next_value(), None);
        assert_eq!(chunks.give_up().unwrap(), "12", "nothing followed");
    }

    #[test]
    fn a_long_document_in_small_pieces_takes_linear_time() {
        let mut chunks = JsonChunks::new(1 << 20);
        let document = format!("[{}0]\n", "\"x\",".repeat(100_000));
        let mut values = Vec::new();
        for piece in document.as_bytes().chunks(7) {
            chunks.push(piece).unwrap();
            values.extend(chunks.next_value());
        }
        assert_eq!(values, [document.trim_end()]);
    }

    #[test]
    fn an_endless_document_is_refused() {
        let mut chunks = JsonChunks::new(16);
        chunks.push(b"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
        assert_eq!(chunks.next_value(), None);
        assert_eq!(chunks.push(b"a"), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for value in decode(&[&bytes]) {
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&value).is_ok());
            }
        }

        #[test]
        fn a_line_does_not_depend_on_the_lines_before_it(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0_usize..200,
        ) {
            let mut bytes = bytes;
            let cut = cut.min(bytes.len());
            bytes.extend_from_slice(b"\n{\"b\":2}\n");
            let values = decode(&[&bytes[..cut], &bytes[cut..]]);
            prop_assert_eq!(values.last().map(String::as_str), Some("{\"b\":2}"));
        }
    }
}
