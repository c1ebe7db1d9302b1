use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest as _, Sha256};

use crate::archive::EncryptionKind;
use crate::block::{HEADER_LEN, Header};
use crate::crypto::{self, DerivedKey, Encryption};
use crate::gcm::{PIECE, Pass};
use crate::members::{padding, ustar_header};
use crate::{Error, Limits, Meta, Result};

/// Writes a rev7 full-file container.
///
/// Sections go straight to the target, in the order they are added. [`Writer::finish`] adds `meta`
/// and the end marker, encrypts, and writes the block header last, so an unfinished file is never
/// mistaken for a complete one. Little more than the section that is added is in memory, whatever
/// the size of the whole.
pub struct Writer<T> {
    target: T,
    limits: Limits,
    names: HashSet<String>,
    /// Archive bytes written so far, the block header not counted.
    written: u64,
    /// The section that was begun, and its length so far.
    open: Option<(String, u64)>,
}

impl<T> fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl<T: Read + Write + Seek> Writer<T> {
    /// Starts a container at the beginning of an empty target.
    pub fn new(mut target: T, limits: Limits) -> Result<Self> {
        target.seek(SeekFrom::Start(0))?;
        target.write_all(&[0; HEADER_LEN])?;
        Ok(Self {
            target,
            limits,
            names: HashSet::new(),
            written: 0,
            open: None,
        })
    }

    /// Bytes the finished file has at least; what a hard total is counted against.
    pub fn size(&self) -> u64 {
        HEADER_LEN as u64 + self.written
    }

    /// Whether a section of that name was added.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Adds a section. Names are unique; `meta` and `sec/…` belong to the container.
    pub fn add(&mut self, name: &str, data: &[u8]) -> Result<()> {
        self.check_name(name)?;
        self.abandon()?;
        self.member(name, data)
    }

    /// Adds a section of unknown length from a reader; returns its length.
    pub fn add_reader(&mut self, name: &str, mut data: impl Read) -> Result<u64> {
        self.begin(name)?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            match data.read(&mut buffer) {
                Ok(0) => return self.end(),
                Ok(read) => self.append(&buffer[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.abandon()?;
                    return Err(error.into());
                }
            }
        }
    }

    /// Begins a section whose length is not known yet. What is appended until [`Writer::end`] is
    /// its content; a section that was not ended is not in the file.
    pub fn begin(&mut self, name: &str) -> Result<()> {
        self.check_name(name)?;
        self.abandon()?;
        let header = ustar_header(name, 0)?;
        self.target.write_all(&header)?;
        self.open = Some((name.to_owned(), 0));
        Ok(())
    }

    /// # Errors
    /// It becomes too large: the section is given up then.
    pub fn append(&mut self, data: &[u8]) -> Result<()> {
        let Some((name, size)) = &mut self.open else {
            return Err(Error::BadSectionName(String::new()));
        };
        *size += data.len() as u64;
        let (name, size) = (name.clone(), *size);
        if let Err(error) = self.check_size(&name, size) {
            self.abandon()?;
            return Err(error);
        }
        Ok(self.target.write_all(data)?)
    }

    /// Ends the section; its length.
    pub fn end(&mut self) -> Result<u64> {
        let Some((name, size)) = self.open.take() else {
            return Err(Error::BadSectionName(String::new()));
        };
        self.target.write_all(&vec![0; padding(size)])?;
        let end = self.target.stream_position()?;
        let start = HEADER_LEN as u64 + self.written;
        self.target.seek(SeekFrom::Start(start))?;
        self.target.write_all(&ustar_header(&name, size)?)?;
        self.target.seek(SeekFrom::Start(end))?;
        self.written = end - HEADER_LEN as u64;
        self.names.insert(name);
        Ok(size)
    }

    /// Goes back to before a section that was not ended.
    fn abandon(&mut self) -> Result<()> {
        if self.open.take().is_some() {
            let start = HEADER_LEN as u64 + self.written;
            self.target.seek(SeekFrom::Start(start))?;
        }
        Ok(())
    }

    /// Completes the file and gives the target back, positioned at its end.
    pub fn finish(mut self, meta: &Meta, encryption: &Encryption) -> Result<T> {
        self.abandon()?;
        self.member("meta", &meta.to_bytes())?;
        self.target.write_all(&[0; 1024])?;
        self.written += 1024;
        let (kind, digest) = match encryption {
            Encryption::None => (EncryptionKind::None, self.digest()?),
            Encryption::Aes256(key) => (EncryptionKind::Aes256, self.encrypt(&[], key)?),
            Encryption::Pem(sealed) => {
                let digest = self.encrypt(sealed.head(), sealed.key())?;
                (EncryptionKind::Pem, digest)
            }
        };
        let end = self.target.stream_position()?;
        self.target.seek(SeekFrom::Start(0))?;
        self.target.write_all(&Header { digest, kind }.to_bytes())?;
        self.target.seek(SeekFrom::Start(end))?;
        self.target.flush()?;
        Ok(self.target)
    }

    fn digest(&mut self) -> Result<[u8; 32]> {
        self.target.seek(SeekFrom::Start(HEADER_LEN as u64))?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.target.read(&mut buffer)? {
                0 => break,
                read => digest.update(&buffer[..read]),
            }
        }
        Ok(digest.finalize().into())
    }

    /// Encrypts the archive where it is. It moves on by what is `before` it, salt and nonce meanwhile, which
    /// is less than a piece, so each piece is read before the one in front of it is written.
    fn encrypt(&mut self, before: &[u8], key: &DerivedKey) -> Result<[u8; 32]> {
        let nonce = crypto::nonce();
        let mut pass = Pass::new(key.key(), &nonce);
        let base = HEADER_LEN as u64;
        let mut head = before.to_vec();
        head.extend_from_slice(&key.salt());
        head.extend_from_slice(&nonce);
        let (mut digest, mut waiting) = (Sha256::new(), head.clone());
        let (mut read_at, mut write_at) = (0, 0);
        let mut left = self.written;
        loop {
            let take = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let mut piece = vec![0; take];
            self.target.seek(SeekFrom::Start(base + read_at))?;
            self.target.read_exact(&mut piece)?;
            pass.encrypt(&mut piece)?;
            read_at += take as u64;
            left -= take as u64;
            self.target.seek(SeekFrom::Start(base + write_at))?;
            self.target.write_all(&waiting)?;
            digest.update(&waiting);
            write_at += waiting.len() as u64;
            if take == 0 {
                break;
            }
            waiting = piece;
        }
        let tag = pass.tag();
        self.target.write_all(&tag)?;
        digest.update(tag);
        Ok(digest.finalize().into())
    }

    fn member(&mut self, name: &str, data: &[u8]) -> Result<()> {
        let size = data.len() as u64;
        self.check_size(name, size)?;
        let fill = padding(size);
        self.target.write_all(&ustar_header(name, size)?)?;
        self.target.write_all(data)?;
        self.target.write_all(&vec![0; fill])?;
        self.written += 512 + size + fill as u64;
        self.names.insert(name.to_owned());
        Ok(())
    }

    fn check_name(&self, name: &str) -> Result<()> {
        if name == "meta" || name.starts_with("sec/") || self.names.contains(name) {
            return Err(Error::BadSectionName(name.to_owned()));
        }
        Ok(())
    }

    fn check_size(&self, name: &str, size: u64) -> Result<()> {
        let Limits {
            max_total,
            max_member,
            max_members,
        } = self.limits;
        if size > max_member {
            return Err(Error::TooLarge {
                what: format!("section `{name}`"),
                limit: max_member,
            });
        }
        if self.names.len() >= max_members {
            return Err(Error::TooLarge {
                what: "the number of sections".into(),
                limit: max_members as u64,
            });
        }
        if self.written.saturating_add(size) > max_total {
            return Err(Error::TooLarge {
                what: "the file".into(),
                limit: max_total,
            });
        }
        Ok(())
    }
}
