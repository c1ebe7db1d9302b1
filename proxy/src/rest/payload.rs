//! The body of a call: kept, so that it can be sent again, or flowing through.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hyper::body::Body as _;
use splashtail_core::clock::SharedClock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Local;

/// Bodies that are kept; longer ones flow through.
const KEPT: u64 = 8 << 20;
/// Longer ones are files, which nobody sends twice for nothing.
const LOOKED_AT: usize = 64 << 10;
/// For a caller to send a body that is kept.
const UPLOAD: Duration = Duration::from_secs(30);
/// Discord has a second more for so much of a body, …
const PER_SECOND: u64 = 256 << 10;
/// … or so long for one whose length nobody knows.
const UNKNOWN: Duration = Duration::from_secs(120);

pub enum Payload {
    Kept {
        bytes: Bytes,
        /// What it takes of the memory for all bodies.
        _place: Option<OwnedSemaphorePermit>,
    },
    Flowing {
        /// `None` when it was sent.
        body: Option<Body>,
        length: Option<u64>,
    },
}

impl Payload {
    /// Keeps what is short enough, before it stands in line: a caller who sends slowly holds no place.
    /// `places` are KiB of memory.
    ///
    /// # Errors
    /// The body breaks off, or does not come.
    pub async fn read(
        body: Body,
        places: &Arc<Semaphore>,
        clock: &SharedClock,
    ) -> Result<Self, Local> {
        if body.is_end_stream() {
            return Ok(Self::Kept {
                bytes: Bytes::new(),
                _place: None,
            });
        }
        let length = body.size_hint().exact();
        let place = length.filter(|length| *length <= KEPT).and_then(|length| {
            let kilobytes = u32::try_from(length / 1024 + 1).ok()?;
            Arc::clone(places).try_acquire_many_owned(kilobytes).ok()
        });
        let (Some(known), Some(place)) = (length, place) else {
            let body = Some(body);
            return Ok(Self::Flowing { body, length });
        };
        let limit = usize::try_from(known).unwrap_or(usize::MAX);
        tokio::select! {
            bytes = to_bytes(body, limit) => match bytes {
                Ok(bytes) => Ok(Self::Kept { bytes, _place: Some(place) }),
                Err(_) => Err(Local::Body),
            },
            () = clock.sleep(UPLOAD) => Err(Local::Body),
        }
    }

    /// The body, where it is short enough to be told from others each time it comes.
    pub fn looked_at(&self) -> Option<&[u8]> {
        match self {
            Self::Kept { bytes, .. } if bytes.len() <= LOOKED_AT => Some(bytes),
            Self::Kept { .. } | Self::Flowing { .. } => None,
        }
    }

    /// Whether the length that the caller told is all there is to know of it.
    pub fn keeps_length(&self) -> bool {
        matches!(
            self,
            Self::Flowing {
                length: Some(_),
                ..
            }
        )
    }

    /// It can be sent, perhaps again.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Kept { .. } => true,
            Self::Flowing { body, .. } => body.is_some(),
        }
    }

    /// What is sent, `None` for nothing, and for how long Discord is given more time.
    ///
    /// # Errors
    /// It was sent, and is not there any more.
    pub fn send(&mut self) -> Result<(Option<reqwest::Body>, Duration), Local> {
        let seconds = |length: u64| Duration::from_secs(length / PER_SECOND);
        match self {
            Self::Kept { bytes, .. } if bytes.is_empty() => Ok((None, Duration::ZERO)),
            Self::Kept { bytes, .. } => {
                let more = seconds(bytes.len() as u64);
                Ok((Some(bytes.clone().into()), more))
            }
            Self::Flowing { body, length } => {
                let body = body.take().ok_or(Local::Body)?;
                let more = length.map_or(UNKNOWN, seconds);
                Ok((
                    Some(reqwest::Body::wrap_stream(body.into_data_stream())),
                    more,
                ))
            }
        }
    }
}
