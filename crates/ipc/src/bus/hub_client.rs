//! The bus over the unix-socket hub.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::oneshot;

use super::subscription::{self, Source};
use super::{Bus, BusError, BusMessage, Subscription, check};
use crate::backoff::Backoff;
use crate::hub::chunks::JsonChunks;
use crate::hub::frame::{
    Frame, LogReply, encode_append, encode_message, encode_read, encode_subscribe,
};
use crate::hub::location;

const WRITE_DEADLINE: Duration = Duration::from_secs(3);
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// How long a publisher waits for a hub that is being restarted.
const REACH_DEADLINE: Duration = Duration::from_secs(5);
/// Log replies of one answer may sum up to more than one message.
const MAX_REPLY: usize = 8 * super::MAX_MESSAGE;

/// One connection for publishing and log requests, one per subscription.
#[derive(Debug)]
pub(super) struct HubBus {
    path: PathBuf,
    main_channel: String,
    link: tokio::sync::Mutex<Option<Link>>,
}

impl HubBus {
    pub(super) fn new(path: &Path, main_channel: &str) -> Self {
        Self {
            path: path.to_owned(),
            main_channel: main_channel.to_owned(),
            link: tokio::sync::Mutex::new(None),
        }
    }

    /// Writes one line, on a new connection when the old one is gone.
    async fn send(&self, line: &str, reply: Option<(u64, LogWaiter)>) -> Result<(), BusError> {
        let mut slot = self.link.lock().await;
        if let Some(link) = slot.as_mut().filter(|link| link.alive()) {
            if let Some((id, waiter)) = &reply {
                link.expect(*id, waiter.clone());
            }
            if link.write(line).await.is_ok() {
                return Ok(());
            }
        }
        *slot = None;
        let reached = tokio::time::timeout(REACH_DEADLINE, self.reach()).await;
        let mut link = reached.map_err(|_| BusError::Closed)?;
        if let Some((id, waiter)) = reply {
            link.expect(id, waiter);
        }
        link.write(line).await?;
        *slot = Some(link);
        Ok(())
    }

    async fn reach(&self) -> Link {
        let mut backoff = Backoff::new();
        loop {
            match connect(&self.path).await {
                Ok(stream) => return Link::new(stream, &self.main_channel),
                Err(_) => backoff.pause().await,
            }
        }
    }

    async fn ask(&self, id: u64, line: &str) -> Result<Vec<String>, BusError> {
        let (done, answer) = oneshot::channel();
        let waiter = LogWaiter(Arc::new(Mutex::new(Some((Vec::new(), done)))));
        self.send(line, Some((id, waiter))).await?;
        tokio::time::timeout(ANSWER_DEADLINE, answer)
            .await
            .map_err(|_| BusError::Timeout)?
            .map_err(|_| BusError::Closed)?
            .map_err(BusError::Refused)
    }
}

#[async_trait]
impl Bus for HubBus {
    async fn publish(&self, channel: &str, message: &str) -> Result<(), BusError> {
        check(message)?;
        self.send(&encode_message(&self.main_channel, channel, message), None)
            .await
    }

    async fn subscribe(&self, channels: &[String]) -> Result<Subscription, BusError> {
        let source = HubSource {
            path: self.path.clone(),
            main_channel: self.main_channel.clone(),
        };
        Ok(subscription::start(source, channels).await)
    }

    async fn append_log(&self, key: &str, entry: &str, cap: usize) -> Result<(), BusError> {
        check(entry)?;
        let id = rand::random();
        self.ask(id, &encode_append(id, key, entry, cap)).await?;
        Ok(())
    }

    async fn read_log(&self, key: &str) -> Result<Vec<String>, BusError> {
        let id = rand::random();
        self.ask(id, &encode_read(id, key)).await
    }

    async fn check(&self) -> Result<(), BusError> {
        // At once when nobody is there, where a publisher would wait for one.
        connect(&self.path).await?;
        self.read_log("").await.map(drop)
    }
}

async fn connect(path: &Path) -> io::Result<UnixStream> {
    let path = location::socket_path(path)?;
    UnixStream::connect(path).await
}

type LogAnswer = Result<Vec<String>, String>;

/// Collects the pages of one log reply.
#[derive(Debug, Clone)]
struct LogWaiter(Arc<Mutex<Option<Pages>>>);

/// The entries so far, and who waits for all of them.
type Pages = (Vec<String>, oneshot::Sender<LogAnswer>);

impl LogWaiter {
    /// Whether the answer is complete.
    fn add(&self, reply: LogReply) -> bool {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((mut entries, done)) = slot.take() else {
            return true;
        };
        if let Some(error) = reply.error {
            // The asker may have given up.
            let _ = done.send(Err(error));
            return true;
        }
        entries.extend(
            reply
                .entries
                .into_iter()
                .map(|entry| entry.get().to_owned()),
        );
        if reply.more {
            *slot = Some((entries, done));
            return false;
        }
        let _ = done.send(Ok(entries));
        true
    }
}

/// The publishing connection. The hub echoes and broadcasts to it as to everyone, so a task reads
/// it empty.
#[derive(Debug)]
struct Link {
    writer: OwnedWriteHalf,
    shared: Arc<LinkShared>,
    reader: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct LinkShared {
    alive: AtomicBool,
    waiting: Mutex<HashMap<u64, LogWaiter>>,
}

impl Link {
    fn new(stream: UnixStream, main_channel: &str) -> Self {
        let (mut reader, writer) = stream.into_split();
        let shared = Arc::new(LinkShared {
            alive: AtomicBool::new(true),
            waiting: Mutex::default(),
        });
        let task = Arc::clone(&shared);
        let main_channel = main_channel.to_owned();
        let reader = tokio::spawn(async move {
            let mut chunks = JsonChunks::new(MAX_REPLY);
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                if chunks.push(&buffer[..count]).is_err() {
                    break;
                }
                while let Some(text) = chunks.next_value() {
                    match Frame::parse(&text, &main_channel) {
                        Frame::Log(reply) => task.answer(reply),
                        // A hub that is not ours echoes the question and keeps no log.
                        Frame::ReadLog(asked) => task.answer(LogReply::empty(asked.id)),
                        _ => {}
                    }
                }
            }
            task.alive.store(false, Ordering::Release);
            // Dropping the waiters tells their askers that no answer will come.
            task.waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
        });
        Self {
            writer,
            shared,
            reader,
        }
    }

    fn alive(&self) -> bool {
        self.shared.alive.load(Ordering::Acquire)
    }

    fn expect(&self, id: u64, waiter: LogWaiter) {
        self.shared
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, waiter);
    }

    async fn write(&mut self, line: &str) -> Result<(), BusError> {
        tokio::time::timeout(WRITE_DEADLINE, self.writer.write_all(line.as_bytes()))
            .await
            .map_err(|_| BusError::Timeout)??;
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl LinkShared {
    fn answer(&self, reply: LogReply) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let id = reply.id;
        if waiting.get(&id).is_some_and(|waiter| waiter.add(reply)) {
            waiting.remove(&id);
        }
    }
}

struct HubSource {
    path: PathBuf,
    main_channel: String,
}

#[async_trait]
impl Source for HubSource {
    fn address(&self) -> String {
        self.path.display().to_string()
    }

    async fn open(&self, channels: &[String]) -> Result<BoxStream<'static, BusMessage>, BusError> {
        let mut stream = connect(&self.path).await?;
        let line = encode_subscribe(channels);
        let write = stream.write_all(line.as_bytes());
        tokio::time::timeout(WRITE_DEADLINE, write)
            .await
            .map_err(|_| BusError::Timeout)??;
        let mut reader = FrameReader {
            stream,
            chunks: JsonChunks::new(2 * super::MAX_MESSAGE),
            main_channel: self.main_channel.clone(),
            channels: channels.to_vec(),
            buffer: vec![0; 16 * 1024],
        };
        // The hub echoes the request once it is in force.
        let mut early = Vec::new();
        let echoed = async {
            loop {
                match reader.next_frame().await {
                    Some(Frame::Subscribe(echo)) if echo == reader.channels => return Ok(()),
                    Some(frame) => early.extend(reader.wanted(frame)),
                    None => return Err(BusError::Closed),
                }
            }
        };
        tokio::time::timeout(ANSWER_DEADLINE, echoed)
            .await
            .map_err(|_| BusError::Timeout)??;
        let later = stream::unfold(reader, |mut reader| async move {
            loop {
                let frame = reader.next_frame().await?;
                if let Some(message) = reader.wanted(frame) {
                    return Some((message, reader));
                }
            }
        });
        Ok(stream::iter(early).chain(later).boxed())
    }
}

struct FrameReader {
    stream: UnixStream,
    chunks: JsonChunks,
    main_channel: String,
    channels: Vec<String>,
    buffer: Vec<u8>,
}

impl FrameReader {
    async fn next_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(text) = self.chunks.next_value() {
                return Some(Frame::parse(&text, &self.main_channel));
            }
            match self.stream.read(&mut self.buffer).await {
                Ok(count @ 1..) => self.chunks.push(&self.buffer[..count]).ok()?,
                Ok(_) | Err(_) => return None,
            }
        }
    }

    fn wanted(&self, frame: Frame) -> Option<BusMessage> {
        match frame {
            Frame::Message { channel, payload } if self.channels.contains(&channel) => {
                Some(BusMessage { channel, payload })
            }
            _ => None,
        }
    }
}
