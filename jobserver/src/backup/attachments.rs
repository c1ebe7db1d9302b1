//! Attachments of one page of messages: which are saved, in which form, and why others are not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::AttachmentId;
use splashtail_discord::DownloadError;
use splashtail_discord::snowflake::id;
use splashtail_iblfile::msgpack;
use tokio::sync::Semaphore;

use super::error::{BackupError, Verdict};
use super::options::Constraints;
use super::snapshot::array;
use super::source::Source;
use super::work::Work;

/// Downloads at a time.
const PARALLEL: usize = 4;
/// So many failures of the CDN in a row, and the rest of the page is left for the next round.
const HOPELESS: u32 = 8;
/// Addresses that end within this time are asked for anew before a round.
const LONGEST_ROUND: TimeDelta = TimeDelta::minutes(30);

/// How the bytes are stored in `attachments/<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    Uncompressed,
    Gzip,
}

impl Stored {
    fn as_str(self) -> &'static str {
        match self {
            Self::Uncompressed => "uncompressed",
            Self::Gzip => "gzip",
        }
    }
}

/// What became of an attachment: saved, or the reason why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Saved { as_: Stored, bytes: u64 },
    Lost(String),
}

/// Room left in the backup. Attachments stop at the plan's threshold, and none may bring the
/// file near its hard limit.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    used: u64,
    threshold: u64,
    hard: u64,
    largest: u64,
}

impl Budget {
    pub fn new(limits: &Constraints, used: u64) -> Self {
        // A tenth is left for messages and headers.
        let hard = limits.max_body_size - limits.max_body_size / 10;
        let threshold = limits.file_size_warning_threshold;
        Self {
            used,
            threshold,
            hard,
            largest: limits.max_attachment_file_size,
        }
    }

    /// Reserves room for an attachment of a declared size. No more than that is read.
    pub fn admit(&mut self, size: u64) -> Result<(), String> {
        if size > self.largest {
            let largest = self.largest;
            return Err(format!(
                "it has {size} bytes, more than the limit of {largest}"
            ));
        }
        if self.used >= self.threshold || self.used.saturating_add(size) > self.hard {
            return Err("the backup has reached its size limit".into());
        }
        self.used += size;
        Ok(())
    }
}

/// The attachments of a message: its own, and those of a message that it forwards.
pub fn of(message: &Value) -> impl Iterator<Item = &Value> {
    let forwarded = array(&message["message_snapshots"]).iter();
    let forwarded = forwarded.map(|snapshot| &snapshot["message"]);
    std::iter::once(message)
        .chain(forwarded)
        .flat_map(|message| array(&message["attachments"]))
}

/// Whether the signature of one of these addresses has ended, or will before a long round does. The
/// CDN refuses them from then on, though the file is there.
pub fn are_stale(messages: &[Value], only: Option<&[AttachmentId]>, now: DateTime<Utc>) -> bool {
    let wanted = |attachment: &&Value| {
        let id = id(&attachment["id"]).and_then(AttachmentId::new);
        only.is_none_or(|only| id.is_some_and(|id| only.contains(&id)))
    };
    messages
        .iter()
        .flat_map(of)
        .filter(wanted)
        .filter_map(|attachment| expiry(attachment["url"].as_str()?))
        .any(|expiry| expiry <= now + LONGEST_ROUND)
}

/// Of an address of Discord's: `ex` is the second of its end, in hexadecimal digits.
fn expiry(url: &str) -> Option<DateTime<Utc>> {
    let (_, query) = url.split_once('?')?;
    let ex = query.split('&').find_map(|pair| pair.strip_prefix("ex="))?;
    DateTime::from_timestamp(i64::from_str_radix(ex, 16).ok()?, 0)
}

/// Takes over the addresses of the same messages, read anew.
pub fn renew(messages: &mut [Value], fresh: &[Value]) {
    let fresh: HashMap<_, _> = fresh
        .iter()
        .flat_map(of)
        .filter_map(|attachment| Some((id(&attachment["id"])?, attachment)))
        .collect();
    let renew_all = |message: &mut Value| {
        let attachments = message.get_mut("attachments").and_then(Value::as_array_mut);
        for attachment in attachments.into_iter().flatten() {
            let Some(fresh) = id(&attachment["id"]).and_then(|id| fresh.get(&id)) else {
                continue;
            };
            for field in ["url", "proxy_url"] {
                if fresh[field].is_string() {
                    attachment[field] = fresh[field].clone();
                }
            }
        }
    };
    for message in messages {
        renew_all(message);
        let forwarded = message.get_mut("message_snapshots");
        let forwarded = forwarded.and_then(Value::as_array_mut);
        let forwarded = forwarded.into_iter().flatten();
        forwarded
            .filter_map(|snapshot| snapshot.get_mut("message"))
            .for_each(renew_all);
    }
}

/// One attachment as the message describes it.
struct Wanted {
    id: AttachmentId,
    url: String,
    size: u64,
    gzip: bool,
}

impl Wanted {
    fn new(attachment: &Value) -> Result<Self, String> {
        let text = |name: &str| attachment[name].as_str().filter(|text| !text.is_empty());
        // The proxy refuses some files and alters others, so it is only the second choice.
        let url = text("url")
            .or_else(|| text("proxy_url"))
            .ok_or("it has no address")?;
        Ok(Self {
            id: id(&attachment["id"])
                .and_then(AttachmentId::new)
                .ok_or("it has no id")?,
            url: url.to_owned(),
            size: attachment["size"].as_u64().ok_or("its size is not known")?,
            gzip: is_compressible(text("content_type")),
        })
    }
}

/// By the essence of the MIME type: parameters do not matter, nor does case. Types that are text,
/// and those of unknown content, are worth compressing; media are compressed already.
fn is_compressible(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else {
        return true;
    };
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence.starts_with("text/")
        || matches!(
            essence.as_str(),
            "application/octet-stream" | "application/json" | "application/xml"
        )
}

/// What one round over the attachments of a page came to.
#[derive(Debug, Default)]
pub struct Round {
    pub outcomes: BTreeMap<AttachmentId, Outcome>,
    /// The CDN failed; they are to be had later.
    pub pending: Vec<AttachmentId>,
    /// How it failed.
    pub failure: Option<BackupError>,
}

/// Saves the attachments of these messages, or those of them that an earlier round left. One that
/// cannot be had is noted and left out; one that the CDN failed to give stays pending.
pub async fn save(
    source: Source<'_>,
    work: &Work,
    doing: &str,
    messages: &[Value],
    only: Option<&[AttachmentId]>,
    mut budget: Budget,
    downloads: &Semaphore,
) -> Result<Round, BackupError> {
    let mut round = Round::default();
    let mut seen = HashSet::new();
    let only: Option<HashSet<_>> = only.map(|only| only.iter().copied().collect());
    let mut wanted = Vec::new();
    for attachment in messages.iter().flat_map(of) {
        let Some(id) = id(&attachment["id"]).and_then(AttachmentId::new) else {
            continue;
        };
        if only.as_ref().is_some_and(|only| !only.contains(&id)) || !seen.insert(id) {
            continue;
        }
        let admitted =
            Wanted::new(attachment).and_then(|wanted| budget.admit(wanted.size).map(|()| wanted));
        match admitted {
            Ok(one) => wanted.push(one),
            Err(why) => {
                round.outcomes.insert(id, Outcome::Lost(why));
            }
        }
    }
    let failures = AtomicU32::new(0);
    let failures = &failures;
    let mut saved = stream::iter(wanted)
        .map(|wanted| async move {
            if failures.load(Ordering::Relaxed) >= HOPELESS {
                return Ok((wanted.id, None));
            }
            // Shared with other pages, and closed by nobody.
            let _permit = downloads.acquire().await.ok();
            let result = save_one(source, work, doing, &wanted).await;
            match result {
                Ok(outcome) => {
                    failures.store(0, Ordering::Relaxed);
                    Ok((wanted.id, Some(Ok(outcome))))
                }
                Err(error @ BackupError::Download { .. }) => {
                    failures.fetch_add(1, Ordering::Relaxed);
                    Ok((wanted.id, Some(Err(error))))
                }
                Err(error) => Err(error),
            }
        })
        .buffer_unordered(PARALLEL);
    while let Some(result) = saved.next().await {
        let (id, outcome) = result?;
        match outcome {
            Some(Ok(outcome)) => {
                round.outcomes.insert(id, outcome);
            }
            Some(Err(error)) => {
                round.pending.push(id);
                round.failure = Some(error);
            }
            None => round.pending.push(id),
        }
    }
    round.pending.sort_unstable();
    Ok(round)
}

async fn save_one(
    source: Source<'_>,
    work: &Work,
    doing: &str,
    wanted: &Wanted,
) -> Result<Outcome, BackupError> {
    let file = match source.download(&wanted.url, wanted.size).await {
        Ok(file) => file.bytes,
        Err(DownloadError::TooLarge { .. }) => {
            return Ok(Outcome::Lost("it is larger than its declared size".into()));
        }
        Err(error) => {
            let shown = error.to_string();
            let failed = BackupError::download(doing)(error);
            return match failed.verdict() {
                Verdict::Refused => Ok(Outcome::Lost(shown)),
                _ => Err(failed),
            };
        }
    };
    let (as_, data) = if wanted.gzip {
        compress(file).await?
    } else {
        (Stored::Uncompressed, file)
    };
    let bytes = data.len() as u64;
    work.put(&object(wanted.id), data).await?;
    Ok(Outcome::Saved { as_, bytes })
}

/// Name of the intermediate object, and of the section.
pub fn object(id: AttachmentId) -> String {
    format!("attachments/{id}")
}

/// Compressed when that makes it smaller.
async fn compress(data: Bytes) -> Result<(Stored, Bytes), BackupError> {
    let compressed = tokio::task::spawn_blocking(move || {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&data)?;
        let smaller = encoder.finish()?;
        std::io::Result::Ok(if smaller.len() < data.len() {
            (Stored::Gzip, Bytes::from(smaller))
        } else {
            (Stored::Uncompressed, data)
        })
    });
    compressed
        .await
        .map_err(BackupError::background)?
        .map_err(BackupError::File)
}

/// Why attachments are missing, each reason once.
pub fn losses(outcomes: &BTreeMap<AttachmentId, Outcome>) -> Vec<String> {
    let mut reasons: Vec<String> = outcomes
        .values()
        .filter_map(|outcome| match outcome {
            Outcome::Lost(why) => Some(why.clone()),
            Outcome::Saved { .. } => None,
        })
        .collect();
    reasons.sort();
    reasons.dedup();
    reasons
}

/// `attachment_metadata` of a message: nil without attachments. Those of a forwarded message
/// follow its own, so that every reader finds them.
pub fn metadata(message: &Value, outcomes: &BTreeMap<AttachmentId, Outcome>) -> msgpack::Value {
    use msgpack::Value as M;
    let entry = |attachment: &Value| {
        let text = |name: &str| M::from(attachment[name].as_str().unwrap_or_default());
        let id = id(&attachment["id"]).and_then(AttachmentId::new);
        let (format, errors) = match id.and_then(|id| outcomes.get(&id)) {
            Some(Outcome::Saved { as_, .. }) => (as_.as_str(), Vec::new()),
            Some(Outcome::Lost(why)) => ("", vec![M::from(why.as_str())]),
            None => ("", Vec::new()),
        };
        M::object([
            ("id", text("id")),
            ("url", text("url")),
            ("proxy_url", text("proxy_url")),
            ("name", text("filename")),
            ("content_type", text("content_type")),
            ("storage_format", format.into()),
            (
                "size",
                attachment["size"].as_u64().unwrap_or_default().into(),
            ),
            ("errors", errors.into()),
        ])
    };
    let entries: Vec<_> = of(message).map(entry).collect();
    if entries.is_empty() {
        return M::Nil;
    }
    M::Array(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LIMITS: Constraints = Constraints {
        total_max_messages: 500,
        max_attachment_file_size: 100,
        file_size_warning_threshold: 250,
        min_per_channel: 50,
        default_per_channel: 100,
        guild_asset_reencode_quality: 85,
        max_body_size: 1000,
    };

    /// The threshold was checked once per channel, so a channel could exceed it at will.
    #[test]
    fn every_attachment_counts_against_the_total() {
        let mut budget = Budget::new(&LIMITS, 0);
        assert!(budget.admit(101).unwrap_err().contains("101 bytes"));
        for _ in 0..3 {
            budget.admit(100).unwrap();
        }
        assert!(budget.admit(1).unwrap_err().contains("size limit"));
        let mut nearly = Budget::new(
            &Constraints {
                file_size_warning_threshold: 5000,
                ..LIMITS
            },
            850,
        );
        assert!(
            nearly.admit(60).is_err(),
            "the hard total holds whatever the threshold is"
        );
        nearly.admit(50).unwrap();
    }

    /// `text/plain; charset=utf-8` was not recognised.
    #[test]
    fn types_compare_by_essence() {
        for text in [
            "text/plain",
            "text/plain; charset=utf-8",
            "TEXT/HTML;charset=x",
            "application/json",
            "application/octet-stream",
        ] {
            assert!(is_compressible(Some(text)), "{text}");
        }
        for media in ["image/png", "video/mp4", "application/zip", "image/svg+xml"] {
            assert!(!is_compressible(Some(media)), "{media}");
        }
        assert!(is_compressible(None));
    }

    #[test]
    fn forwards_bring_their_attachments() {
        let message = json!({"attachments": [{"id": "5"}], "message_snapshots": [
            {"message": {"attachments": [{"id": "6", "filename": "f.png"}]}},
            {"message": {"content": "no attachments"}}]});
        let ids: Vec<_> = of(&message).map(|attachment| &attachment["id"]).collect();
        assert_eq!(ids, ["5", "6"]);
        let saved = Outcome::Saved {
            as_: Stored::Uncompressed,
            bytes: 3,
        };
        let outcomes = BTreeMap::from([(AttachmentId::new(6).unwrap(), saved)]);
        let shown = metadata(&message, &outcomes).to_json();
        assert_eq!(shown[1]["storage_format"], "uncompressed");
        assert_eq!(shown[1]["name"], "f.png");
    }

    #[test]
    fn addresses_are_renewed_when_their_signature_ends() {
        let url = |ex: &str| format!("https://cdn.example/attachments/1/5/a.png?is=1&ex={ex}&hm=2");
        let message = |ex: &str| {
            let of = |id: &str| json!([{"id": id, "url": url(ex), "filename": "a.png"}]);
            json!({"attachments": of("5"),
                   "message_snapshots": [{"message": {"attachments": of("6")}}]})
        };
        // 0x65000000 is 1694498816.
        let mut recorded = [message("65000000")];
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let stale = |messages: &[Value], second| are_stale(messages, None, at(second));
        assert!(!stale(&recorded, 1_694_498_816 - 3600));
        assert!(stale(&recorded, 1_694_498_816 - 60));
        assert!(stale(&recorded, 1_694_498_816 + 60));
        let other = [AttachmentId::new(7).unwrap()];
        assert!(!are_stale(&recorded, Some(&other), at(1_700_000_000)));
        assert!(!stale(
            &[json!({"attachments": [{"id": "5", "url": "x"}]})],
            0
        ));
        renew(&mut recorded, &[message("65ffffff")]);
        assert_eq!(recorded, [message("65ffffff")]);
        renew(&mut recorded, &[]);
        assert_eq!(recorded, [message("65ffffff")], "a message that is gone");
    }

    #[test]
    fn metadata_tells_what_was_saved_and_why_not() {
        let message = json!({"attachments": [
            {"id": "5", "url": "u", "filename": "a.txt", "size": 3, "content_type": "text/plain"},
            {"id": "6", "url": "v", "filename": "b.bin", "size": 9000}]});
        let outcomes = BTreeMap::from([
            (
                AttachmentId::new(5).unwrap(),
                Outcome::Saved {
                    as_: Stored::Gzip,
                    bytes: 2,
                },
            ),
            (
                AttachmentId::new(6).unwrap(),
                Outcome::Lost("too large".into()),
            ),
        ]);
        let shown = metadata(&message, &outcomes).to_json();
        assert_eq!(shown[0]["storage_format"], "gzip");
        assert_eq!(shown[0]["errors"], json!([]));
        assert_eq!(
            (&shown[1]["storage_format"], &shown[1]["errors"][0]),
            (&json!(""), &json!("too large"))
        );
        let keys: Vec<_> = shown[0].as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            keys,
            [
                "id",
                "url",
                "proxy_url",
                "name",
                "content_type",
                "storage_format",
                "size",
                "errors"
            ]
        );
        assert_eq!(
            metadata(&json!({"attachments": []}), &outcomes),
            msgpack::Value::Nil
        );
    }
}
