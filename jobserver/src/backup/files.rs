//! Pictures and sounds of a server: its own, those of roles and events, emojis, stickers and sounds.
//! Their bytes are kept by digest, so what is there twice is kept once.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use splashtail_discord::{Discord, GuildFile};
use splashtail_guild::{Id, Kind, Structure, file_fields};
use splashtail_iblfile as iblfile;
use tokio::sync::Semaphore;

use super::assets;
use super::error::{BackupError, Verdict};
use super::former::Opened;
use super::source::Source;
use super::work::Work;

/// Kinds that have files.
pub const KINDS: [Kind; 7] = [
    Kind::Guild,
    Kind::Role,
    Kind::Emoji,
    Kind::Sticker,
    Kind::Sound,
    Kind::ScheduledEvent,
    Kind::Webhook,
];
/// The section that says which file is whose.
pub const INDEX: &str = "ext/files";
/// Files that one step saves.
pub const BATCH: usize = 50;
/// Downloads at a time.
const PARALLEL: usize = 4;
/// Bytes of downloads that are held at a time, counted by the most that each may have.
const IN_FLIGHT: usize = 32 << 20;
const FULL: &str = "the backup has no room for more files";
/// Twice what Discord takes for an emoji, a sticker or a sound (512 KiB).
const LARGEST_EXPRESSION: u64 = 1 << 20;
/// They take at most this part of a backup's size, so that messages have room.
const SHARE: u64 = 3;

/// A file, and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed {
    pub kind: Kind,
    pub id: Id,
    pub field: &'static str,
    pub name: String,
    /// What the object names it by; nothing where its own id does. Another picture has another.
    hash: Option<String>,
    address: String,
    most: u64,
}

/// What became of a file, as the backup says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub kind: Kind,
    pub id: Id,
    pub field: String,
    /// What the object named it by; nothing where its own id does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Of its bytes, which are section `files/<digest>`; `None`: they were not to be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(default)]
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Name of the section, and of the work file.
pub fn section(digest: &str) -> String {
    format!("files/{digest}")
}

pub fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that files may take of a backup of at most this size.
pub fn room(max_body_size: u64) -> u64 {
    max_body_size / SHARE
}

/// All files of these kinds, in an order that is always the same.
pub fn of(
    discord: &Discord,
    structure: &Structure,
    kinds: impl Fn(Kind) -> bool,
) -> Vec<Addressed> {
    let mut files = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| kinds(*kind)) {
        for (id, object) in structure.all(kind) {
            for field in file_fields(kind) {
                let Some((file, most)) = file(kind, id, field, object) else {
                    continue;
                };
                files.push(Addressed {
                    kind,
                    id,
                    field,
                    name: object["name"].as_str().unwrap_or_default().to_owned(),
                    hash: match kind {
                        Kind::Emoji | Kind::Sticker | Kind::Sound => None,
                        _ => object[field].as_str().map(str::to_owned),
                    },
                    address: discord.file_address(file),
                    most,
                });
            }
        }
    }
    files
}

fn file<'o>(kind: Kind, id: Id, field: &str, object: &'o Value) -> Option<(GuildFile<'o>, u64)> {
    let own = id.get();
    let hash = || object[field].as_str().filter(|hash| !hash.is_empty());
    Some(match kind {
        Kind::Emoji => {
            let animated = object["animated"] == true;
            (GuildFile::Emoji { id: own, animated }, LARGEST_EXPRESSION)
        }
        Kind::Sticker => {
            let format = object["format_type"].as_u64().unwrap_or(1);
            (GuildFile::Sticker { id: own, format }, LARGEST_EXPRESSION)
        }
        Kind::Sound => (GuildFile::Sound { id: own }, LARGEST_EXPRESSION),
        Kind::Role => {
            let icon = GuildFile::RoleIcon {
                role: own,
                hash: hash()?,
            };
            (icon, assets::LARGEST_FILE)
        }
        Kind::ScheduledEvent => {
            let image = GuildFile::EventImage {
                event: own,
                hash: hash()?,
            };
            (image, assets::LARGEST_FILE)
        }
        Kind::Webhook => {
            let avatar = GuildFile::Avatar {
                webhook: own,
                hash: hash()?,
            };
            (avatar, assets::LARGEST_FILE)
        }
        Kind::Guild => {
            let directory = match field {
                "icon" => "icons",
                "splash" => "splashes",
                "discovery_splash" => "discovery-splashes",
                "banner" => "banners",
                _ => return None,
            };
            let image = GuildFile::Image {
                directory,
                guild: own,
                hash: hash()?,
            };
            (image, assets::LARGEST_FILE)
        }
        _ => return None,
    })
}

/// Downloads files, some at a time, and gives each to `each` as it arrives: its place in the list, and
/// its bytes or the reason why there are none. What is being downloaded or is not yet taken is at
/// most [`IN_FLIGHT`] bytes.
///
/// # Errors
/// The CDN is away, or `each` fails.
pub async fn download<F>(
    source: Source<'_>,
    files: &[Addressed],
    mut each: impl FnMut(usize, Result<Bytes, String>) -> F,
) -> Result<(), BackupError>
where
    F: Future<Output = Result<(), BackupError>>,
{
    let room = Semaphore::new(IN_FLIGHT);
    let room = &room;
    let mut downloads = stream::iter(0..files.len())
        .map(|at| async move {
            let file = &files[at];
            let most = usize::try_from(file.most).unwrap_or(IN_FLIGHT);
            let most = u32::try_from(most.min(IN_FLIGHT)).unwrap_or(u32::MAX);
            // It is never closed.
            let held = room.acquire_many(most).await.ok();
            let doing = format!("reading a picture or sound ({})", file.name);
            let bytes = source.download(&file.address, file.most).await;
            let bytes = match bytes.map_err(BackupError::download(doing)) {
                Ok(file) => Ok(file.bytes),
                Err(error) if error.verdict() == Verdict::Refused => Err(error.describe()),
                Err(error) => return Err(error),
            };
            Ok((at, bytes, held))
        })
        .buffer_unordered(PARALLEL);
    while let Some(one) = downloads.next().await {
        let (at, bytes, held) = one?;
        each(at, bytes).await?;
        drop(held);
    }
    Ok(())
}

/// Pictures and sounds that an earlier backup has. Their bytes never change: another picture has another
/// id or hash.
pub struct Earlier {
    from: Arc<Opened>,
    index: Vec<Kept>,
}

impl Earlier {
    /// # Errors
    /// The section that tells of them is damaged.
    pub fn of(from: Arc<Opened>) -> iblfile::Result<Self> {
        let index = from.files()?;
        Ok(Self { from, index })
    }

    /// `None` where it has to be downloaded.
    async fn bytes(&self, file: &Addressed) -> Option<Bytes> {
        let is_same = |kept: &&Kept| {
            (kept.kind, kept.id, kept.field.as_str()) == (file.kind, file.id, file.field)
                && kept.hash == file.hash
        };
        let wanted = self.index.iter().find(is_same)?.digest.clone()?;
        let from = Arc::clone(&self.from);
        let read = tokio::task::spawn_blocking(move || {
            let bytes = from.file(&wanted).ok()?;
            (digest(&bytes) == wanted).then_some(bytes)
        });
        read.await.ok().flatten().map(Bytes::from)
    }
}

/// Saves files as work files, as far as `room` goes.
pub async fn save(
    source: Source<'_>,
    work: &Work,
    (files, earlier): (&[Addressed], Option<&Earlier>),
    mut room: u64,
) -> Result<Vec<Kept>, BackupError> {
    let mut kept = Vec::with_capacity(files.len());
    if room == 0 {
        let full = |file: &Addressed| file.kept(Err(FULL.to_owned()));
        return Ok(files.iter().map(full).collect());
    }
    let (mut places, mut new) = (Vec::new(), Vec::new());
    for (at, file) in files.iter().enumerate() {
        let copied = match earlier {
            Some(earlier) => earlier.bytes(file).await,
            None => None,
        };
        match copied.filter(|bytes| bytes.len() as u64 <= room) {
            Some(bytes) => {
                room -= bytes.len() as u64;
                let one = file.kept(Ok((digest(&bytes), bytes.len() as u64)));
                if let Some(digest) = &one.digest {
                    work.put(&section(digest), bytes).await?;
                }
                kept.push((at, one));
            }
            None => {
                places.push(at);
                new.push(file.clone());
            }
        }
    }
    let (files, places) = (&new, &places);
    download(source, files, |at, bytes| {
        let bytes = bytes.and_then(|bytes| match bytes.len() as u64 <= room {
            true => Ok(bytes),
            false => Err(FULL.to_owned()),
        });
        let known = bytes
            .as_ref()
            .map(|bytes| (digest(bytes), bytes.len() as u64));
        room -= known.as_ref().map_or(0, |(_, bytes)| *bytes);
        let one = files[at].kept(known.map_err(Clone::clone));
        let put = one.digest.as_deref().map(section).zip(bytes.ok());
        kept.push((places[at], one));
        async move {
            if let Some((section, bytes)) = put {
                work.put(&section, bytes).await?;
            }
            Ok(())
        }
    })
    .await?;
    kept.sort_by_key(|(at, _)| *at);
    Ok(kept.into_iter().map(|(_, one)| one).collect())
}

impl Addressed {
    /// What became of it: digest and size of its bytes, or why there are none.
    fn kept(&self, bytes: Result<(String, u64), String>) -> Kept {
        let (digest, bytes, why) = match bytes {
            Ok((digest, bytes)) => (Some(digest), bytes, None),
            Err(why) => (None, 0, Some(why)),
        };
        Kept {
            kind: self.kind,
            id: self.id,
            field: self.field.to_owned(),
            hash: self.hash.clone(),
            digest,
            bytes,
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_no_picture_has_no_file() {
        let role = json!({"id": "5", "icon": null});
        assert_eq!(file(Kind::Role, Id::new(5), "icon", &role), None);
        let event = json!({"id": "6", "image": ""});
        assert_eq!(
            file(Kind::ScheduledEvent, Id::new(6), "image", &event),
            None
        );
        let guild = json!({"id": "1", "icon": "a_b", "banner": null});
        let (icon, _) = file(Kind::Guild, Id::new(1), "icon", &guild).unwrap();
        assert_eq!(
            icon,
            GuildFile::Image {
                directory: "icons",
                guild: 1,
                hash: "a_b"
            }
        );
        assert_eq!(file(Kind::Guild, Id::new(1), "banner", &guild), None);
        let emoji = json!({"id": "7", "animated": true});
        let (emoji, most) = file(Kind::Emoji, Id::new(7), "image", &emoji).unwrap();
        assert_eq!(
            (emoji, most),
            (
                GuildFile::Emoji {
                    id: 7,
                    animated: true
                },
                1 << 20
            )
        );
    }
}
