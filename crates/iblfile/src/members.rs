//! The tar layer: an index of members, and a window on the part of the file they live in.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

use crate::{Error, Limits, Result};

const BLOCK: u64 = 512;

/// One member: where its data lies, relative to the start of the archive.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// The members of an archive in stored order, found by name without a walk.
#[derive(Debug, Default)]
pub(crate) struct Members {
    list: Vec<Member>,
    places: HashMap<String, usize>,
}

impl Members {
    /// The last of several with one name wins and keeps its own place.
    fn new(all: Vec<Member>) -> Self {
        let last: HashMap<&str, usize> = all
            .iter()
            .enumerate()
            .map(|(at, member)| (member.name.as_str(), at))
            .collect();
        let list: Vec<Member> = all
            .iter()
            .enumerate()
            .filter(|(at, member)| last[member.name.as_str()] == *at)
            .map(|(_, member)| member.clone())
            .collect();
        let places = list
            .iter()
            .enumerate()
            .map(|(at, member)| (member.name.clone(), at))
            .collect();
        Self { list, places }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Member> {
        self.places.get(name).map(|at| &self.list[*at])
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Member> {
        self.list.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }
}

/// The part of a reader from `base` on, `len` bytes long.
pub(crate) struct Window<'a, R> {
    inner: &'a mut R,
    base: u64,
    len: u64,
    pos: u64,
}

impl<'a, R: Read + Seek> Window<'a, R> {
    pub(crate) fn new(inner: &'a mut R, base: u64, len: u64) -> io::Result<Self> {
        inner.seek(SeekFrom::Start(base))?;
        Ok(Self {
            inner,
            base,
            len,
            pos: 0,
        })
    }
}

impl<R: Read> Read for Window<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len.saturating_sub(self.pos);
        let take = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..take])?;
        self.pos += read as u64;
        Ok(read)
    }
}

impl<R: Seek> Seek for Window<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.pos.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        }
        .filter(|at| at.checked_add(self.base).is_some())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.inner.seek(SeekFrom::Start(self.base + target))?;
        self.pos = target;
        Ok(target)
    }
}

/// Lists the members. A missing end marker means that the file was cut off.
pub(crate) fn index<R: Read + Seek>(mut window: Window<'_, R>, limits: &Limits) -> Result<Members> {
    let total = window.len;
    let mut members = Vec::new();
    let mut end = 0;
    let mut archive = tar::Archive::new(&mut window);
    for entry in archive.entries_with_seek().map_err(Error::reading)? {
        let entry = entry.map_err(Error::reading)?;
        let kind = entry.header().entry_type();
        let (size, offset) = (entry.size(), entry.raw_file_position());
        end = size
            .checked_next_multiple_of(BLOCK)
            .and_then(|padded| padded.checked_add(offset))
            .filter(|end| *end <= total)
            .ok_or_else(|| Error::corrupt("a member reaches beyond the end of the file"))?;
        if kind.is_pax_global_extensions() {
            continue;
        }
        if !kind.is_file() {
            return Err(Error::corrupt(
                "the archive holds something other than plain members",
            ));
        }
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| Error::corrupt("a member name is not UTF-8"))?;
        if size > limits.max_member {
            return Err(Error::TooLarge {
                what: format!("section `{name}`"),
                limit: limits.max_member,
            });
        }
        if members.len() >= limits.max_members {
            return Err(Error::TooLarge {
                what: "the number of sections".into(),
                limit: limits.max_members as u64,
            });
        }
        members.push(Member { name, offset, size });
    }
    check_end(&mut window, end)?;
    Ok(Members::new(members))
}

/// A complete archive ends with two blocks of zeros.
fn check_end<R: Read + Seek>(window: &mut Window<'_, R>, end: u64) -> Result<()> {
    window.seek(SeekFrom::Start(end))?;
    let mut marker = [0xff; 2 * BLOCK as usize];
    window.read_exact(&mut marker).map_err(Error::reading)?;
    if marker.iter().any(|byte| *byte != 0) {
        return Err(Error::corrupt("the archive has no end marker"));
    }
    Ok(())
}

/// Reads one member whole. Its size was bounded when it was indexed.
pub(crate) fn read<R: Read + Seek>(source: &mut R, base: u64, member: &Member) -> Result<Vec<u8>> {
    source.seek(SeekFrom::Start(base + member.offset))?;
    let mut data = vec![0; usize::try_from(member.size).unwrap_or(usize::MAX)];
    source.read_exact(&mut data).map_err(Error::reading)?;
    Ok(data)
}

/// The 512 byte USTAR header that Go's writer makes for a plain member.
pub(crate) fn ustar_header(name: &str, size: u64) -> Result<[u8; BLOCK as usize]> {
    let bad_name = || Error::BadSectionName(name.to_owned());
    if name.is_empty() || name.starts_with('/') || name.ends_with('/') || name.contains('\0') {
        return Err(bad_name());
    }
    let mut header = tar::Header::new_ustar();
    header.set_path(name).map_err(|_| bad_name())?;
    if header.path_bytes().as_ref() != name.as_bytes() {
        return Err(bad_name()); // the tar writer would have normalised it
    }
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_entry_type(tar::EntryType::Regular);
    let device_numbers = [header.set_device_major(0), header.set_device_minor(0)];
    debug_assert!(
        device_numbers.iter().all(io::Result::is_ok),
        "USTAR has device numbers"
    );

    let mut bytes = *header.as_bytes();
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(bytes)
}

/// Zeros that fill a member's last block.
pub(crate) fn padding(size: u64) -> usize {
    usize::try_from((BLOCK - size % BLOCK) % BLOCK).expect("less than a block")
}
