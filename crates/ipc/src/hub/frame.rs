//! What a document on the wire of the hub means.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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

impl LogReply {
    pub(crate) fn empty(id: u64) -> Self {
        Self {
            id,
            entries: Vec::new(),
            more: false,
            error: None,
        }
    }
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
    use crate::hub::chunks::JsonChunks;

    fn decode(pieces: &[&[u8]]) -> Vec<String> {
        let mut chunks = JsonChunks::new(1 << 20);
        let mut values = Vec::new();
        for piece in pieces {
            chunks.push(piece).unwrap();
            values.extend(std::iter::from_fn(|| chunks.next_value()));
        }
        values
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
