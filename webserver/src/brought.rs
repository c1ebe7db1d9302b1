//! Backups that somebody brings: received into a file without a name, and verified before anything is kept.

use std::fs::File;
use std::io::{self, BufReader, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use splashtail_api_types::Code;
use splashtail_core::clock::Clock;
use splashtail_iblfile::{Archive, Error, FileType, Limits};

use crate::error::ApiError;

/// Longest wait for the next bytes.
const STALL: Duration = Duration::from_secs(30);
/// Bytes in a second, on the whole, that a file comes with at least: whoever sends less holds a place that others
/// need. A slow line of a home has more.
const LEAST: u64 = 128 * 1024;
/// How fast it is shows after so long.
const GRACE: Duration = Duration::from_secs(30);
/// Written at a time.
const PIECE: usize = 1 << 20;
/// Sections that are read to their end; a backup has one for each channel.
const MOST_SECTIONS: usize = 100_000;

/// A backup of a server that is whole, as far as that shows without its password.
#[derive(Debug)]
pub struct Brought {
    /// At its beginning.
    pub file: File,
    pub size: u64,
    pub sha256: String,
    pub encrypted: bool,
}

impl Brought {
    /// Receives a body of at most `most` bytes into `directory`, and verifies it.
    ///
    /// # Errors
    /// The body breaks off, stalls, comes too slowly, is too large, or is no backup; the disk failed.
    pub async fn receive(
        body: Body,
        directory: &Path,
        most: usize,
        clock: &dyn Clock,
    ) -> Result<Self, ApiError> {
        let directory = directory.to_owned();
        let mut file = in_background(move || {
            std::fs::create_dir_all(&directory)?;
            tempfile::tempfile_in(directory)
        })
        .await?;
        let (mut digest, mut size, mut piece) = (Sha256::new(), 0_usize, Vec::new());
        let mut stream = body.into_data_stream();
        // For whoever sends it; what the disk takes is ours.
        let mut waited = Duration::ZERO;
        loop {
            let asked = clock.monotonic();
            let next = tokio::select! {
                biased;
                next = stream.next() => next,
                () = clock.sleep(STALL) => {
                    return Err(broken("nothing more of the file came for 30 s"));
                }
            };
            waited += clock.monotonic().saturating_sub(asked);
            let Some(bytes) = next else { break };
            let bytes: Bytes = bytes.map_err(|_| broken("the file broke off"))?;
            size = size.saturating_add(bytes.len());
            if size > most {
                return Err(ApiError::BodyTooLarge(most));
            }
            if is_too_slow(size as u64, waited) {
                return Err(broken(
                    "the file came too slowly: it takes 128 KiB in a second",
                ));
            }
            digest.update(&bytes);
            piece.extend_from_slice(&bytes);
            if piece.len() >= PIECE {
                (file, piece) = written(file, piece).await?;
            }
        }
        if size == 0 {
            let message = "send the file itself as the body";
            return Err(ApiError::invalid(Code::BodyRequired, message));
        }
        (file, _) = written(file, piece).await?;
        let limit = u64::try_from(most).unwrap_or(u64::MAX);
        let (file, verdict) = in_background(move || {
            let (mut file, verdict) = verify(file, limit);
            file.rewind()?;
            Ok((file, verdict))
        })
        .await?;
        let encrypted = verdict.map_err(|error| match error {
            Error::Io(error) => ApiError::File(error),
            error => ApiError::invalid(Code::InvalidBackup, error.to_string()),
        })?;
        Ok(Self {
            file,
            size: size as u64,
            sha256: hex::encode(digest.finalize()),
            encrypted,
        })
    }
}

fn is_too_slow(size: u64, waited: Duration) -> bool {
    waited > GRACE && size < LEAST.saturating_mul(waited.as_secs())
}

/// Whether it is encrypted, if it is a backup of a server: all of it is read that can be without a
/// password, which no one is asked for here.
fn verify(mut file: File, limit: u64) -> (File, Result<bool, Error>) {
    let verdict = judge(&mut file, limit);
    (file, verdict)
}

fn judge(file: &mut File, limit: u64) -> Result<bool, Error> {
    let limits = Limits::with_total(limit);
    let mut archive = match Archive::open(BufReader::new(file), None, limits) {
        Err(Error::PasswordRequired) => return Ok(true),
        opened => opened?,
    };
    let meta = archive.meta();
    if meta.file_type != FileType::SERVER_BACKUP.name {
        return Err(Error::UnknownType {
            file_type: meta.file_type.clone(),
            version: meta.version.clone(),
        });
    }
    match archive.inspect(MOST_SECTIONS) {
        Ok(_) => Ok(false),
        // Its description is open, and its sections are not.
        Err(Error::PasswordRequired) => Ok(true),
        Err(error) => Err(error),
    }
}

async fn written(mut file: File, mut piece: Vec<u8>) -> Result<(File, Vec<u8>), ApiError> {
    in_background(move || {
        file.write_all(&piece)?;
        piece.clear();
        Ok((file, piece))
    })
    .await
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
        .map_err(ApiError::File)
}

fn broken(why: &str) -> ApiError {
    ApiError::invalid(Code::IncompleteBody, why)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use chrono::DateTime;
    use splashtail_core::clock::ManualClock;
    use splashtail_iblfile::{DerivedKey, Encryption, Meta, Writer};
    use tempfile::TempDir;

    use super::*;

    fn backup(kind: FileType, encryption: &Encryption) -> Vec<u8> {
        let mut writer = Writer::new(Cursor::new(Vec::new()), Limits::default()).unwrap();
        writer.add("core/guild", b"what a server is").unwrap();
        let meta = Meta::new(kind, DateTime::UNIX_EPOCH);
        writer.finish(&meta, encryption).unwrap().into_inner()
    }

    async fn receive(bytes: Vec<u8>, most: usize) -> Result<Brought, (u16, String)> {
        let directory = TempDir::new().unwrap();
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let received = Brought::receive(Body::from(bytes), directory.path(), most, &clock).await;
        received.map_err(|error| (error.status().as_u16(), error.to_string()))
    }

    /// In pieces of this size, one in each ten seconds.
    async fn receive_slowly(bytes: Vec<u8>, piece: usize) -> Result<Brought, (u16, String)> {
        let directory = TempDir::new().unwrap();
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let time = clock.clone();
        let pieces: Vec<Bytes> = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
        let stream = futures_util::stream::iter(pieces).map(move |piece| {
            time.advance(Duration::from_secs(10));
            Ok::<Bytes, io::Error>(piece)
        });
        let body = Body::from_stream(stream);
        let received = Brought::receive(body, directory.path(), 64 << 20, &clock).await;
        received.map_err(|error| (error.status().as_u16(), error.to_string()))
    }

    /// One who sent a byte now and then held a place for a quarter of an hour.
    #[tokio::test]
    async fn a_file_that_trickles_in_is_given_up() {
        let plain = backup(FileType::SERVER_BACKUP, &Encryption::None);
        let (status, why) = receive_slowly(plain.clone(), 100).await.unwrap_err();
        assert_eq!(status, 400);
        assert!(why.contains("too slowly"), "{why}");
        // A short one may come as it likes.
        let whole = plain.len();
        assert!(receive_slowly(plain, whole).await.is_ok());
        assert!(is_too_slow(LEAST * 40, Duration::from_secs(41)));
        assert!(!is_too_slow(LEAST * 41, Duration::from_secs(41)));
        assert!(!is_too_slow(0, GRACE));
    }

    #[tokio::test]
    async fn only_a_whole_backup_of_a_server_is_taken() {
        let plain = backup(FileType::SERVER_BACKUP, &Encryption::None);
        let brought = receive(plain.clone(), 1 << 20).await.unwrap();
        assert_eq!(
            (brought.size, brought.encrypted),
            (plain.len() as u64, false)
        );
        assert_eq!(brought.sha256, hex::encode(Sha256::digest(&plain)));
        let key = DerivedKey::derive("correct horse", [7; 8]);
        let sealed = backup(FileType::SERVER_BACKUP, &Encryption::Aes256(key));
        assert!(receive(sealed.clone(), 1 << 20).await.unwrap().encrypted);
        let status = async |bytes, most| receive(bytes, most).await.unwrap_err().0;
        for (mut bytes, at) in [(plain.clone(), 600), (sealed, 90)] {
            bytes[at] ^= 1;
            assert_eq!(status(bytes, 1 << 20).await, 400, "a flipped bit");
        }
        let half = plain[..plain.len() / 2].to_vec();
        assert_eq!(status(half, 1 << 20).await, 400);
        assert_eq!(status(b"no backup at all".to_vec(), 1 << 20).await, 400);
        let other = backup(FileType::DATABASE_SEED, &Encryption::None);
        assert_eq!(status(other, 1 << 20).await, 400, "a file of another kind");
        assert_eq!(status(Vec::new(), 1 << 20).await, 400);
        assert_eq!(status(plain.clone(), plain.len() - 1).await, 413);
    }
}
