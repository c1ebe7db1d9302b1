use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest as _, Sha256};

use crate::archive::EncryptionKind;
use crate::block::{self, HEADER_LEN, Header};
use crate::crypto::Encryption;
use crate::members::{padding, ustar_header};
use crate::{Error, Limits, Meta, Result};

/// Writes a rev7 full-file container.
///
/// Sections go straight to the target, in the order they are added. [`Writer::finish`] adds `meta`
/// and the end marker, encrypts, and writes the block header last, so an unfinished file is never
/// mistaken for a complete one. Encryption is one-shot: it holds the whole archive in memory,
/// which [`Limits::max_total`] bounds.
pub struct Writer<T> {
    target: T,
    limits: Limits,
    names: HashSet<String>,
    /// Archive bytes written so far, the block header not counted.
    written: u64,
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
        self.member(name, data)
    }

    /// Adds a section of unknown length from a reader; returns its length.
    pub fn add_reader(&mut self, name: &str, mut data: impl Read) -> Result<u64> {
        self.check_name(name)?;
        let start = HEADER_LEN as u64 + self.written;
        self.target.write_all(&ustar_header(name, 0)?)?;
        let mut capped = (&mut data).take(self.limits.max_member.saturating_add(1));
        let size = io::copy(&mut capped, &mut self.target)?;
        if let Err(error) = self.check_size(name, size) {
            self.target.seek(SeekFrom::Start(start))?;
            return Err(error);
        }
        self.target.write_all(&vec![0; padding(size)])?;
        let end = self.target.stream_position()?;
        self.target.seek(SeekFrom::Start(start))?;
        self.target.write_all(&ustar_header(name, size)?)?;
        self.target.seek(SeekFrom::Start(end))?;
        self.written = end - HEADER_LEN as u64;
        self.names.insert(name.to_owned());
        Ok(size)
    }

    /// Completes the file and gives the target back, positioned at its end.
    pub fn finish(mut self, meta: &Meta, encryption: &Encryption) -> Result<T> {
        self.member("meta", &meta.to_bytes())?;
        self.target.write_all(&[0; 1024])?;
        self.written += 1024;
        let (kind, digest) = match encryption {
            Encryption::None => (EncryptionKind::None, self.digest()?),
            Encryption::Aes256(_) => self.encrypt(encryption)?,
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

    fn encrypt(&mut self, encryption: &Encryption) -> Result<(EncryptionKind, [u8; 32])> {
        let mut data = vec![0; usize::try_from(self.written).unwrap_or(usize::MAX)];
        self.target.seek(SeekFrom::Start(HEADER_LEN as u64))?;
        self.target.read_exact(&mut data)?;
        let (kind, head, tag) = block::seal_in_place(&mut data, encryption)?;
        self.target.seek(SeekFrom::Start(HEADER_LEN as u64))?;
        let mut digest = Sha256::new();
        for part in [&head, &data, &tag] {
            digest.update(part);
            self.target.write_all(part)?;
        }
        Ok((kind, digest.finalize().into()))
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
