use std::collections::HashSet;
use std::fmt;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::block::{self, HEADER_LEN, Header, MAGIC};
use crate::crypto::{self, DerivedKey, Keyring, NONCE_LEN, SALT_LEN, TAG_LEN};
use crate::gcm::{Sealed, Unsealed};
use crate::members::{self, Member, Members, Window};
use crate::{Error, Limits, Meta, PROTOCOL_REV6, PROTOCOL_REV7, Result};

/// Generation of the container format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision {
    /// A bare tar with `sec/…` members.
    Rev6,
    /// Checksummed blocks.
    Rev7,
}

impl Revision {
    /// 6 or 7.
    pub fn number(self) -> u8 {
        match self {
            Self::Rev6 => 6,
            Self::Rev7 => 7,
        }
    }
}

/// How blocks and archive are nested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// One block around the whole archive.
    FullFile,
    /// An archive whose members are blocks.
    PerSection,
    /// An archive of plain members.
    Tar,
}

impl Container {
    /// The name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FullFile => "full_file",
            Self::PerSection => "per_section",
            Self::Tar => "tar",
        }
    }
}

/// Encryption found in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionKind {
    /// Not encrypted.
    None,
    /// AES-256-GCM under a password.
    Aes256,
    /// AES-256-GCM under a key that only the holder of a private key finds.
    Pem,
}

impl EncryptionKind {
    /// The identifier used in files.
    pub fn id(self) -> &'static str {
        match self {
            Self::None => "noencryption",
            Self::Aes256 => "aes256",
            Self::Pem => "pem",
        }
    }
}

/// A section and its size once decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionInfo {
    /// Key of the section; may contain `/`, is never a path.
    pub name: String,
    /// Bytes that [`Archive::read`] returns.
    pub size: u64,
}

/// Where the archive's bytes are.
enum Bytes<R> {
    /// In the source, from this offset on.
    Source(R, u64),
    /// Encrypted in the source: decrypted where it is read.
    Sealed(Box<Unsealed<R>>),
}

/// An opened container.
///
/// Opening verifies the checksum of a full-file container, the password, and that protocol, type
/// and version belong together. Sections are then read one at a time, any number of times.
pub struct Archive<R> {
    bytes: Bytes<R>,
    revision: Revision,
    container: Container,
    encryption: EncryptionKind,
    meta: Meta,
    members: Members,
    /// rev6 only: members that are encrypted, and the key.
    sealed: HashSet<String>,
    rev6_key: Option<[u8; 32]>,
    keys: Keyring,
}

impl<R> fmt::Debug for Archive<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("revision", &self.revision)
            .field("container", &self.container)
            .field("encryption", &self.encryption)
            .field("meta", &self.meta)
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

impl<R: Read + Seek> Archive<R> {
    /// Opens a container. The password is ignored when the file is not encrypted: whether it is
    /// one reads from the file. Of a file for the holder of a private key it is that key, as PEM of
    /// PKCS#8.
    pub fn open(source: R, password: Option<&str>, limits: Limits) -> Result<Self> {
        Self::open_with(source, Keyring::new(password), limits)
    }

    /// The same under the very key that the container was written with.
    pub fn open_keyed(source: R, key: &DerivedKey, limits: Limits) -> Result<Self> {
        Self::open_with(source, Keyring::of(key), limits)
    }

    fn open_with(mut source: R, keys: Keyring, limits: Limits) -> Result<Self> {
        let total = source.seek(SeekFrom::End(0))?;
        if total > limits.max_total.saturating_add(HEADER_LEN as u64) {
            return Err(Error::TooLarge {
                what: "the file".into(),
                limit: limits.max_total,
            });
        }
        source.seek(SeekFrom::Start(0))?;
        let mut start = [0; HEADER_LEN];
        let read = read_up_to(&mut source, &mut start)?;
        if start[..read].starts_with(&MAGIC) {
            let header = Header::parse(&start[..read])?;
            return Self::full_file(source, total, header, keys, &limits);
        }
        Self::bare(source, total, keys, &limits)
    }

    fn full_file(
        mut source: R,
        total: u64,
        header: Header,
        mut keys: Keyring,
        limits: &Limits,
    ) -> Result<Self> {
        let base = HEADER_LEN as u64;
        header.check(&digest(&mut source)?)?;
        let (mut bytes, len) = match header.kind {
            EncryptionKind::None => (Bytes::Source(source, base), total - base),
            EncryptionKind::Pem => {
                let head = crate::pem::read_head(&mut source, base)?;
                let (salt, sealed) = sealed(&mut source, base + head.len() as u64, total)?;
                let key = keys.unseal(&head, salt)?;
                if !sealed.opens(key.key(), &mut source)? {
                    return Err(Error::WrongPassword);
                }
                let len = sealed.len;
                let unsealed = Unsealed::new(source, &sealed, key.key());
                (Bytes::Sealed(Box::new(unsealed)), len)
            }
            EncryptionKind::Aes256 => {
                let (salt, sealed) = sealed(&mut source, base, total)?;
                let fits = |key: &[u8; 32]| Ok(sealed.opens(key, &mut source)?.then_some(()));
                let (key, ()) = keys.find(salt, fits)?;
                let len = sealed.len;
                (
                    Bytes::Sealed(Box::new(Unsealed::new(source, &sealed, &key))),
                    len,
                )
            }
        };
        let members = bytes.index(len, limits)?;
        let meta = Meta::parse(&bytes.read(find(&members, "meta")?)?)?;
        meta.check(PROTOCOL_REV7)?;
        Ok(Self {
            bytes,
            revision: Revision::Rev7,
            container: Container::FullFile,
            encryption: header.kind,
            meta,
            members,
            sealed: HashSet::new(),
            rev6_key: None,
            keys,
        })
    }

    /// A tar from the first byte on: rev6, rev7 per section, or a plain rev7 tar.
    fn bare(source: R, total: u64, mut keys: Keyring, limits: &Limits) -> Result<Self> {
        let mut bytes = Bytes::Source(source, 0);
        let members = bytes.index(total, limits)?;
        let raw_meta = bytes.read(find(&members, "meta")?)?;
        if raw_meta.starts_with(&MAGIC) {
            let header = Header::parse(&raw_meta)?;
            let meta = Meta::parse(&block::open_with(raw_meta, &mut keys)?)?;
            meta.check(PROTOCOL_REV7)?;
            return Ok(Self {
                bytes,
                revision: Revision::Rev7,
                container: Container::PerSection,
                encryption: header.kind,
                meta,
                members,
                sealed: HashSet::new(),
                rev6_key: None,
                keys,
            });
        }
        let meta = Meta::parse(&raw_meta)?;
        let revision = if meta.protocol == PROTOCOL_REV7 {
            Revision::Rev7
        } else {
            Revision::Rev6
        };
        meta.check(if revision == Revision::Rev7 {
            PROTOCOL_REV7
        } else {
            PROTOCOL_REV6
        })?;
        let mut archive = Self {
            bytes,
            revision,
            container: Container::Tar,
            encryption: EncryptionKind::None,
            meta,
            members,
            sealed: HashSet::new(),
            rev6_key: None,
            keys,
        };
        match revision {
            Revision::Rev6 => archive.unlock_rev6()?,
            Revision::Rev7 => archive.find_blocks()?,
        }
        Ok(archive)
    }

    /// A rev7 tar with readable metadata may still hold blocks.
    fn find_blocks(&mut self) -> Result<()> {
        for member in self.members.iter() {
            if let Some(header) = self.bytes.peek_block(member)? {
                self.container = Container::PerSection;
                self.encryption = header.kind;
                break;
            }
        }
        Ok(())
    }

    fn unlock_rev6(&mut self) -> Result<()> {
        let source_type = self.bytes.read(find(&self.members, "sec/sourceType")?)?;
        self.encryption = match source_type.as_slice() {
            b"noencryption" => return Ok(()),
            b"aes256" => EncryptionKind::Aes256,
            b"pem" => return Err(Error::UnsupportedEncryption("pem")),
            _ => return Err(Error::corrupt("unknown encryption method")),
        };
        let plain = |name: &str| name == "meta" || name.starts_with("sec/");
        // Written as `encKeyHashMethod`, looked up as `encKeyhashMethod` by the original.
        for name in ["sec/encKeyHashMethod", "sec/encKeyhashMethod"] {
            if let Ok(member) = find(&self.members, name)
                && self.bytes.read(member)?.trim_ascii() != b"0"
            {
                return Err(Error::corrupt("unknown key derivation method"));
            }
        }
        let listed: Option<HashSet<String>> = match find(&self.members, "sec/encSections") {
            Ok(member) => serde_json::from_slice(&self.bytes.read(member)?)
                .map_err(|error| Error::corrupt(format!("bad section table: {error}")))?,
            Err(_) => None,
        };
        self.sealed = listed.unwrap_or_else(|| {
            self.members
                .iter()
                .map(|m| m.name.clone())
                .filter(|name| !plain(name))
                .collect()
        });
        let keys: Vec<[u8; 32]> = self.keys.forms()?.map(crypto::rev6_key).collect();
        // One member that opens proves the password; any later failure is then damage.
        let mut proven = self.sealed.is_empty().then(|| keys[0]);
        for member in self.members.iter() {
            if proven.is_some() {
                break;
            }
            if self.sealed.contains(&member.name) {
                let mut data = self.bytes.read(member)?;
                for key in &keys {
                    if crypto::decrypt(key, &mut data)?.is_some() {
                        proven = Some(*key);
                        break;
                    }
                }
            }
        }
        self.rev6_key = Some(proven.ok_or(Error::WrongPassword)?);
        Ok(())
    }

    /// Generation of the format.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Nesting of blocks and archive.
    pub fn container(&self) -> Container {
        self.container
    }

    /// Encryption of the file.
    pub fn encryption(&self) -> EncryptionKind {
        self.encryption
    }

    /// The checked metadata.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// All members in stored order, `meta` and `sec/…` included.
    pub fn sections(&self) -> Vec<SectionInfo> {
        self.members
            .iter()
            .map(|member| SectionInfo {
                name: member.name.clone(),
                size: member.size.saturating_sub(self.overhead(&member.name)),
            })
            .collect()
    }

    fn overhead(&self, name: &str) -> u64 {
        let overhead = match (self.container, self.revision) {
            (Container::PerSection, _) => HEADER_LEN + block::payload_overhead(self.encryption),
            (Container::Tar, Revision::Rev6) if self.sealed.contains(name) => NONCE_LEN + TAG_LEN,
            _ => 0,
        };
        overhead as u64
    }

    /// Bytes that [`Archive::read`] returns of a section; `None` where there is none of that name.
    pub fn size(&self, name: &str) -> Option<u64> {
        let member = self.members.get(name)?;
        Some(member.size.saturating_sub(self.overhead(name)))
    }

    /// Whether there is a section of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.members.get(name).is_some()
    }

    /// One section, to be read bit by bit. Sections that are encrypted each by itself are
    /// decrypted in memory first, because a part of one proves nothing.
    pub fn section(&mut self, name: &str) -> Result<Box<dyn Read + '_>> {
        let own = self.container == Container::PerSection || self.sealed.contains(name);
        if own {
            return Ok(Box::new(Cursor::new(self.read(name)?)));
        }
        let member =
            find(&self.members, name).map_err(|_| Error::NoSuchSection(name.to_owned()))?;
        self.bytes.window(member)
    }

    /// Reads and decrypts one section.
    pub fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        let member =
            find(&self.members, name).map_err(|_| Error::NoSuchSection(name.to_owned()))?;
        let mut data = self.bytes.read(member)?;
        if self.container == Container::PerSection {
            if name == "meta" && !data.starts_with(&MAGIC) {
                return Ok(data);
            }
            return block::open_with(data, &mut self.keys);
        }
        if let Some(key) = self.rev6_key.filter(|_| self.sealed.contains(name)) {
            let len = crypto::decrypt(&key, &mut data)?
                .ok_or_else(|| Error::Corrupt(format!("section `{name}` was altered")))?
                .len();
            data.truncate(NONCE_LEN + len);
            data.drain(..NONCE_LEN);
        }
        Ok(data)
    }
}

impl<R: Read + Seek> Bytes<R> {
    fn index(&mut self, len: u64, limits: &Limits) -> Result<Members> {
        match self {
            Self::Source(source, base) => members::index(Window::new(source, *base, len)?, limits),
            Self::Sealed(sealed) => members::index(Window::new(&mut **sealed, 0, len)?, limits),
        }
    }

    fn read(&mut self, member: &Member) -> Result<Vec<u8>> {
        match self {
            Self::Source(source, base) => members::read(source, *base, member),
            Self::Sealed(sealed) => members::read(&mut **sealed, 0, member),
        }
    }

    fn window(&mut self, member: &Member) -> Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Source(source, base) => {
                Box::new(Window::new(source, *base + member.offset, member.size)?)
            }
            Self::Sealed(sealed) => {
                Box::new(Window::new(&mut **sealed, member.offset, member.size)?)
            }
        })
    }

    fn peek_block(&mut self, member: &Member) -> Result<Option<Header>> {
        if member.size < HEADER_LEN as u64 {
            return Ok(None);
        }
        let start = self.read(&Member {
            size: HEADER_LEN as u64,
            ..member.clone()
        })?;
        if start.starts_with(&MAGIC) {
            Header::parse(&start).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// Where the parts of an encrypted payload are.
fn sealed(
    source: &mut (impl Read + Seek),
    base: u64,
    total: u64,
) -> Result<([u8; SALT_LEN], Sealed)> {
    let head = base + (SALT_LEN + NONCE_LEN) as u64;
    let end = total.saturating_sub(TAG_LEN as u64);
    let Some(len) = end.checked_sub(head) else {
        return Err(Error::corrupt("an encrypted part is too short"));
    };
    let (mut salt, mut nonce, mut tag) = ([0; SALT_LEN], [0; NONCE_LEN], [0; TAG_LEN]);
    source.seek(SeekFrom::Start(base))?;
    source.read_exact(&mut salt).map_err(Error::reading)?;
    source.read_exact(&mut nonce).map_err(Error::reading)?;
    source.seek(SeekFrom::Start(end))?;
    source.read_exact(&mut tag).map_err(Error::reading)?;
    let sealed = Sealed {
        nonce,
        start: head,
        len,
        tag,
    };
    Ok((salt, sealed))
}

fn find<'a>(members: &'a Members, name: &str) -> Result<&'a Member> {
    members
        .get(name)
        .ok_or_else(|| Error::Corrupt(format!("the file has no `{name}`")))
}

fn read_up_to(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Io(error)),
        }
    }
    Ok(filled)
}

pub(crate) fn digest(source: &mut impl Read) -> Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match read_up_to(source, &mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            read => digest.update(&buffer[..read]),
        }
    }
}
