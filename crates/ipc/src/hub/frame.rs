//! One JSON document at a time, and what it means.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Cuts a byte stream into JSON documents, whether newlines separate them or nothing does.
///
/// Each byte is scanned once for where a document ends; a document is parsed when it is complete,
/// and while it is incomplete only when it has doubled, so that a long document in small pieces
/// costs no more than linear time.
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
    /// Length of the incomplete document when it was last parsed.
    checked: usize,
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
            checked: 0,
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

    /// The next complete document. What cannot be JSON is skipped up to the next newline.
    pub(crate) fn next_value(&mut self) -> Option<String> {
        loop {
            let Some(end) = self.find_end() else {
                if !self.incomplete_is_hopeless() {
                    return None;
                }
                self.skip_line();
                continue;
            };
            if let Some(text) = self.cut(end) {
                return Some(text);
            }
        }
    }

    /// At the end of the stream: a final number or word without anything after it.
    pub(crate) fn last_value(&mut self) -> Option<String> {
        self.cut(self.buffer.len())
    }

    /// Scans on until the current document is complete.
    fn find_end(&mut self) -> Option<usize> {
        while let Some(&byte) = self.buffer.get(self.position) {
            let fresh = self.position == self.start;
            match (self.string, byte) {
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
            if byte == b'\n' && self.start < self.position && self.incomplete_is_hopeless() {
                self.skip_line();
            }
        }
        None
    }

    /// Whether what is there of the current document can no longer become JSON.
    fn incomplete_is_hopeless(&mut self) -> bool {
        let text = &self.buffer[self.start..self.position];
        if text.is_empty() || text.len() < self.checked.saturating_mul(2) {
            return false;
        }
        self.checked = text.len();
        serde_json::from_slice::<IgnoredAny>(text).is_err_and(|error| !error.is_eof())
    }

    /// Gives the current document up.
    fn skip_line(&mut self) {
        let rest = &self.buffer[self.start..];
        let newline = rest.iter().position(|byte| *byte == b'\n');
        self.begin(newline.map_or(self.buffer.len(), |newline| self.start + newline + 1));
    }

    /// Takes the document that ends before `end`; `None` when it is not JSON.
    fn cut(&mut self, end: usize) -> Option<String> {
        let text = self.buffer.get(self.start..end)?;
        let value = serde_json::from_slice::<&RawValue>(text).ok();
        let value = value.map(|value| value.get().to_owned());
        self.begin(end);
        value
    }

    fn begin(&mut self, start: usize) {
        self.start = start;
        self.position = start;
        self.nesting = 0;
        self.string = StringState::Outside;
        self.checked = 0;
    }
}

/// A document on the wire of the hub.
#[derive(Debug)]
pub(crate) enum Frame {
    Message { channel: String, payload: String },
    Subscribe(Vec<String>),
    AppendLog(AppendLog),
    ReadLog(ReadLog),
    Log(LogReply),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AppendLog {
    pub(crate) id: u64,
    pub(crate) key: String,
    pub(crate) entry: Box<RawValue>,
    pub(crate) cap: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReadLog {
    pub(crate) id: u64,
    pub(crate) key: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogReply {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) entries: Vec<Box<RawValue>>,
    #[serde(default)]
    pub(crate) more: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

impl Frame {
    /// Whatever is not exactly one of the hub's own objects is a message on the main channel.
    pub(crate) fn parse(text: &str, main_channel: &str) -> Self {
        Self::control(text).unwrap_or_else(|| Self::Message {
            channel: main_channel.to_owned(),
            payload: text.to_owned(),
        })
    }

    fn control(text: &str) -> Option<Self> {
        if !text.starts_with('{') {
            return None;
        }
        let members: Members<'_> = serde_json::from_str(text).ok()?;
        fn read<'a, T: Deserialize<'a>>(members: &Members<'a>, key: &str) -> Option<T> {
            serde_json::from_str(members.get(key)?.get()).ok()
        }
        match members.len() {
            1 => read(&members, "subscribe")
                .map(Self::Subscribe)
                .or_else(|| read(&members, "append_log").map(Self::AppendLog))
                .or_else(|| read(&members, "read_log").map(Self::ReadLog))
                .or_else(|| read(&members, "log").map(Self::Log)),
            2 => {
                let payload = members.get("message")?.get().to_owned();
                Some(Self::Message {
                    channel: read(&members, "channel")?,
                    payload,
                })
            }
            _ => None,
        }
    }
}

/// JSON text without newlines: between tokens they mean nothing, inside strings JSON forbids them.
pub(crate) fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) {
        Cow::Owned(json.replace(['\n', '\r'], " "))
    } else {
        Cow::Borrowed(json)
    }
}

/// Bare on the main channel unless it would be taken for one of the hub's own objects.
pub(crate) fn encode_message(main_channel: &str, channel: &str, payload: &str) -> String {
    let payload = one_line(payload);
    if channel == main_channel && Frame::control(payload.trim()).is_none() {
        return format!("{payload}\n");
    }
    format!("{{\"channel\":{},\"message\":{payload}}}\n", json(channel))
}

pub(crate) fn encode_subscribe(channels: &[String]) -> String {
    format!("{{\"subscribe\":{}}}\n", json(channels))
}

pub(crate) fn encode_append(id: u64, key: &str, entry: &str, cap: usize) -> String {
    let (key, entry) = (json(key), one_line(entry));
    format!("{{\"append_log\":{{\"id\":{id},\"key\":{key},\"entry\":{entry},\"cap\":{cap}}}}}\n")
}

pub(crate) fn encode_read(id: u64, key: &str) -> String {
    format!("{{\"read_log\":{{\"id\":{id},\"key\":{}}}}}\n", json(key))
}

/// Bytes of entries on one page of a log reply.
const PAGE: usize = 256 * 1024;

pub(crate) fn encode_log_pages(id: u64, entries: &[String]) -> Vec<String> {
    let mut pages = vec![Vec::new()];
    let mut size = 0;
    for entry in entries {
        if size + entry.len() > PAGE && size > 0 {
            pages.push(Vec::new());
            size = 0;
        }
        size += entry.len();
        if let Some(page) = pages.last_mut() {
            page.push(entry.as_str());
        }
    }
    let last = pages.len() - 1;
    let encode = |(index, page): (usize, Vec<&str>)| {
        let (entries, more) = (page.join(","), index < last);
        format!("{{\"log\":{{\"id\":{id},\"entries\":[{entries}],\"more\":{more}}}}}\n")
    };
    pages.into_iter().enumerate().map(encode).collect()
}

pub(crate) fn encode_log_error(id: u64, error: &str) -> String {
    format!("{{\"log\":{{\"id\":{id},\"error\":{}}}}}\n", json(error))
}

/// Strings and lists of strings always serialise.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
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
    }

    #[test]
    fn garbage_costs_a_line_not_the_connection() {
        assert_eq!(decode(&[b"hello\n{\"a\":1}\n"]), ["{\"a\":1}"]);
        assert_eq!(decode(&[b"\xff\xfe}", b"{\"a\":1}"]), ["{\"a\":1}"]);
        // Brackets and quotes that never close must not swallow what follows.
        for garbage in [
            "{hello\n",
            "[1,,\n",
            "\"open\n",
            "{\"a\":\n]\n",
            "}}}\n",
            "{]",
        ] {
            let values = decode(&[garbage.as_bytes(), b"{\"a\":1}", b"\n{\"b\":2}\n"]);
            assert_eq!(values.last().unwrap(), "{\"b\":2}", "{garbage:?}");
        }
    }

    #[test]
    fn a_document_may_span_lines_and_hold_brackets_in_strings() {
        let pretty = "{\n  \"a\": [\n    \"}]\\\"{\",\n    1\n  ]\n}";
        assert_eq!(decode(&[pretty.as_bytes(), b"\n1 2"]), [pretty, "1", "2"]);
    }

    #[test]
    fn a_long_document_in_small_pieces_takes_linear_time() {
        let mut chunks = JsonChunks::new(1 << 20);
        let document = format!("[{}0]\n", "\"x\",\n".repeat(100_000));
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

    #[test]
    fn a_main_message_that_looks_like_a_frame_is_framed() {
        for payload in [
            "{\"subscribe\":[\"x\"]}",
            "{\"channel\":\"x\",\"message\":1}",
        ] {
            let line = encode_message("main", "main", payload);
            let Frame::Message {
                channel,
                payload: read,
            } = Frame::parse(line.trim(), "main")
            else {
                panic!("{line} is no message");
            };
            assert_eq!((channel.as_str(), read.as_str()), ("main", payload));
        }
    }

    #[test]
    fn a_long_log_comes_in_pages() {
        let entries: Vec<_> = (0..4)
            .map(|_| format!("\"{}\"", "x".repeat(PAGE / 2)))
            .collect();
        let pages = encode_log_pages(7, &entries);
        assert_eq!(pages.len(), 4);
        let mut read = Vec::new();
        for (index, page) in pages.iter().enumerate() {
            let Frame::Log(reply) = Frame::parse(page.trim(), "main") else {
                panic!()
            };
            assert_eq!(reply.more, index < 3);
            read.extend(reply.entries.iter().map(|entry| entry.get().to_owned()));
        }
        assert_eq!(read, entries);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for value in decode(&[&bytes]) {
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&value).is_ok());
                Frame::parse(&value, "main");
            }
        }

        #[test]
        fn messages_survive_the_wire(channel in "[a-z/:0-9]{1,12}", text in any::<String>(), cut in 1_usize..40) {
            let payload = serde_json::json!({ "text": text }).to_string();
            let line = encode_message("main", &channel, &payload);
            let cut = cut.min(line.len());
            let values = decode(&[&line.as_bytes()[..cut], &line.as_bytes()[cut..]]);
            prop_assert_eq!(values.len(), 1);
            let Frame::Message { channel: read_channel, payload: read } = Frame::parse(&values[0], "main") else {
                return Err(TestCaseError::fail("no message"));
            };
            prop_assert_eq!(read_channel, channel);
            prop_assert_eq!(read, payload);
        }
    }
}
