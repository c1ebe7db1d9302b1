//! Bytes behind the CDN, and the signatures on attachment links.

use std::collections::HashMap;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{Attachment, Id, Stamp, World};

/// Seconds an attachment link stays valid.
const LINK_LIFETIME: i64 = 86_400;

/// What a piece of media is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AssetKind {
    Attachment,
    Avatar,
    Banner,
    DiscoverySplash,
    Emoji,
    EventCover,
    GuildAvatar,
    Icon,
    RoleIcon,
    Sound,
    Splash,
    Sticker,
}

/// Address of a piece of media: what it is for, whose it is, and its hash (empty for attachments,
/// emojis, stickers and sounds, which have ids of their own).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asset {
    pub kind: AssetKind,
    pub owner: Id,
    pub hash: String,
}

/// The bytes as uploaded.
#[derive(Debug, Clone)]
pub struct Stored {
    pub bytes: Bytes,
    pub content_type: String,
}

/// Every upload, kept until the world ends: links of deleted objects go dead through the objects.
#[derive(Debug)]
pub struct Assets {
    files: HashMap<Asset, Stored>,
    key: [u8; 32],
}

impl Assets {
    pub fn new(seed: u64) -> Self {
        let key = Sha256::digest(format!("links of world {seed}"));
        Self {
            files: HashMap::new(),
            key: key.into(),
        }
    }

    /// Keeps an upload under a hash made from its bytes; returns the hash, `a_…` when it moves.
    pub fn keep(&mut self, kind: AssetKind, owner: Id, stored: Stored) -> String {
        let digest = hex::encode(&Sha256::digest(&stored.bytes)[..16]);
        let moves = stored.content_type == "image/gif";
        let hash = if moves { format!("a_{digest}") } else { digest };
        self.files.insert(
            Asset {
                kind,
                owner,
                hash: hash.clone(),
            },
            stored,
        );
        hash
    }

    /// Keeps media that is addressed by its own id.
    pub fn keep_by_id(&mut self, kind: AssetKind, id: Id, stored: Stored) {
        self.files.insert(
            Asset {
                kind,
                owner: id,
                hash: String::new(),
            },
            stored,
        );
    }

    pub fn get(&self, kind: AssetKind, owner: Id, hash: &str) -> Option<&Stored> {
        self.files.get(&Asset {
            kind,
            owner,
            hash: hash.to_owned(),
        })
    }

    pub fn forget(&mut self, kind: AssetKind, id: Id) {
        self.files.remove(&Asset {
            kind,
            owner: id,
            hash: String::new(),
        });
    }

    fn signature(&self, path: &str, expires: i64, issued: i64) -> String {
        // Any key length is valid for HMAC, so this cannot fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else {
            return String::new();
        };
        mac.update(format!("{path}?ex={expires:x}&is={issued:x}").as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

/// Letters and digits derived from a seed; the same every time.
pub(crate) fn secret(seed: u64, purpose: &str, length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut out = String::with_capacity(length);
    let mut round = 0u64;
    while out.len() < length {
        let block = Sha256::digest(format!("{seed}/{purpose}/{round}"));
        for byte in block.iter().take(length - out.len()) {
            out.push(char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        }
        round += 1;
    }
    out
}

/// A file name as the CDN keeps it.
pub fn clean_filename(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let clean: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .take(200)
        .collect();
    if clean.is_empty() {
        "unknown".to_owned()
    } else {
        clean
    }
}

impl World {
    /// A signed link to an attachment.
    pub fn attachment_url(&self, channel: Id, attachment: &Attachment) -> String {
        let path = format!(
            "/attachments/{channel}/{}/{}",
            attachment.id, attachment.filename
        );
        // Links live a day and change hourly, so that the same answer repeats within the hour.
        let issued = self.now().0 / 1000 / 3600 * 3600;
        let expires = issued + LINK_LIFETIME;
        let signature = self.assets.signature(&path, expires, issued);
        format!(
            "{}{path}?ex={expires:x}&is={issued:x}&hm={signature}&",
            self.addresses.rest
        )
    }

    /// The bytes behind an attachment link; `None` when the link is forged or expired or the
    /// message is gone.
    pub fn attachment_file(
        &self,
        channel: Id,
        id: Id,
        filename: &str,
        (expires, issued, signature): (&str, &str, &str),
    ) -> Option<&Stored> {
        let expires = i64::from_str_radix(expires, 16).ok()?;
        let issued = i64::from_str_radix(issued, 16).ok()?;
        let path = format!("/attachments/{channel}/{id}/{filename}");
        let genuine = self.assets.signature(&path, expires, issued) == signature;
        if !genuine || Stamp(expires.checked_mul(1000)?) <= self.now() {
            return None;
        }
        self.assets.get(AssetKind::Attachment, id, "")
    }
}
