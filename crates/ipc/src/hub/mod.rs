//! The unix-socket hub: the bus of an installation without Redis.
//!
//! It speaks newline-delimited JSON and takes mewld's unframed chunks too. A bare value is a
//! message on the main channel and goes to every connection; other channels travel as
//! `{"channel":…,"message":…}` to the connections that asked for them with `{"subscribe":[…]}`.
//! The sender gets everything back, its subscribe request included, which tells it that the
//! subscription is in force. `{"append_log":…}` and `{"read_log":…}` reach the action log.
//!
//! Nothing is kept for absent receivers, and there is no authentication beyond the socket's mode.
//! Whoever sends faster than its readers read is not listened to for a while; whoever reads too
//! slowly is dropped.

mod action_log;
pub(crate) mod chunks;
pub(crate) mod frame;
pub mod location;
mod peers;

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use splashtail_core::telemetry::Chain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use self::action_log::ActionLogFile;
use self::chunks::JsonChunks;
use self::frame::{Frame, encode_log_error, encode_log_pages, encode_message, encode_subscribe};
use self::peers::{Outbox, PeerId, Peers};
use crate::bus::MAX_MESSAGE;

/// A peer that takes no byte for this long is dead to the hub.
const WRITE_DEADLINE: Duration = Duration::from_secs(3);
/// A document that is not complete this long after it began does not end.
const DOCUMENT_DEADLINE: Duration = Duration::from_secs(10);
/// Pause after a failed accept, as when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error("another hub already serves {}", .0.display())]
    AlreadyServed(PathBuf),
    #[error("cannot serve the bus on {}", path.display())]
    Bind {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A bound hub. Connections are accepted once [`Hub::serve`] runs.
#[derive(Debug)]
pub struct Hub {
    listener: UnixListener,
    socket: PathBuf,
    shared: Arc<Shared>,
    /// Held for as long as the hub lives; the kernel releases it however the process ends.
    _lock: File,
}

#[derive(Debug)]
struct Shared {
    main_channel: String,
    peers: Peers,
    action_log: ActionLogFile,
}

impl Hub {
    /// Takes the socket over from a dead hub, never from a live one. Mode 0600. The list
    /// `<channel>/actlogs` is kept in the file `actlogs`.
    ///
    /// # Errors
    /// [`HubError::AlreadyServed`]: a live hub answers there.
    pub fn bind(path: &Path, main_channel: &str, actlogs: &Path) -> Result<Self, HubError> {
        let failed = |source| HubError::Bind {
            path: path.to_owned(),
            source,
        };
        for file in [path, actlogs] {
            if let Some(directory) = file.parent() {
                fs::create_dir_all(directory).map_err(failed)?;
            }
        }
        let socket = location::socket_path(path).map_err(failed)?;
        let lock = location::beside(&socket, ".lock");
        let lock = File::options()
            .create(true)
            .append(true)
            .open(lock)
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(HubError::AlreadyServed(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // A hub that is not ours takes no lock: see whether someone answers.
        if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
            return Err(HubError::AlreadyServed(path.to_owned()));
        }
        // Made under another name so that nobody reaches it before its mode is set. The rename
        // replaces a stale socket.
        let fresh = location::scratch(&socket);
        let _ = fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh).map_err(failed)?;
        fs::set_permissions(&fresh, Permissions::from_mode(0o600)).map_err(failed)?;
        fs::rename(&fresh, &socket).map_err(failed)?;
        let shared = Shared {
            main_channel: main_channel.to_owned(),
            peers: Peers::default(),
            action_log: ActionLogFile::new(actlogs),
        };
        Ok(Self {
            listener,
            socket,
            shared: Arc::new(shared),
            _lock: lock,
        })
    }

    /// Serves until the token is cancelled, then closes every connection and removes the socket.
    pub async fn serve(self, shutdown: CancellationToken) {
        info!(path = %self.socket.display(), "serving the message bus");
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let shared = Arc::clone(&self.shared);
                    let shutdown = shutdown.child_token();
                    connections.spawn(async move { converse(stream, shared, shutdown).await });
                }
                Err(error) => {
                    warn!(%error, "cannot accept a bus connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.close();
        connections.wait().await;
        if let Err(error) = fs::remove_file(&self.socket) {
            debug!(%error, "the bus socket was already gone");
        }
    }
}

async fn converse(stream: UnixStream, shared: Arc<Shared>, closing: CancellationToken) {
    let (reader, writer) = stream.into_split();
    let (id, outbox) = shared.peers.join(closing.clone());
    tokio::select! {
        () = closing.cancelled() => {}
        () = read(reader, id, &shared) => {}
        () = write(writer, outbox, &shared.peers) => {}
    }
    shared.peers.leave(id);
}

async fn read(mut reader: OwnedReadHalf, id: PeerId, shared: &Arc<Shared>) {
    let mut chunks = JsonChunks::new(MAX_MESSAGE);
    let mut buffer = vec![0; 64 * 1024];
    let mut begun: Option<(u64, Instant)> = None;
    loop {
        let patience = begun.map_or(DOCUMENT_DEADLINE, |(_, at)| {
            DOCUMENT_DEADLINE.saturating_sub(at.elapsed())
        });
        let count = match timeout(patience, reader.read(&mut buffer)).await {
            Ok(Ok(0)) => break,
            Ok(Ok(count)) => count,
            Ok(Err(error)) => {
                debug!(%error, "lost a bus connection");
                return;
            }
            Err(_) => 0,
        };
        if chunks.push(&buffer[..count]).is_err() {
            warn!(
                limit = MAX_MESSAGE,
                "closed a bus connection: its message is too large"
            );
            return;
        }
        while let Some(text) = chunks.next_value() {
            handle(&text, id, shared).await;
            shared.peers.room(id).await;
        }
        begun = chunks.begun().map(|number| match begun {
            Some((same, at)) if same == number => (same, at),
            _ => (number, Instant::now()),
        });
        if begun.is_some_and(|(_, at)| at.elapsed() >= DOCUMENT_DEADLINE) {
            begun = None;
            match chunks.give_up() {
                Some(text) => handle(&text, id, shared).await,
                None => warn!("gave a bus message up that did not end"),
            }
        }
    }
    if let Some(text) = chunks.last_value() {
        handle(&text, id, shared).await;
    }
}

async fn handle(text: &str, id: PeerId, shared: &Arc<Shared>) {
    match Frame::parse(text, &shared.main_channel) {
        Frame::Message { channel, payload } => {
            let line = encode_message(&shared.main_channel, &channel, &payload);
            if channel == shared.main_channel {
                shared.peers.broadcast(id, line);
            } else {
                shared.peers.publish(&channel, id, line);
            }
        }
        Frame::Subscribe(channels) => {
            let echo = encode_subscribe(&channels);
            shared.peers.subscribe(id, channels, echo);
        }
        Frame::AppendLog(request) => {
            let known = is_log_key(&request.key);
            let log = Arc::clone(shared);
            let reply = if known {
                let written = tokio::task::spawn_blocking(move || {
                    log.action_log.append(request.entry.get(), request.cap)
                });
                (request.id, log_outcome(written.await).map(|()| Vec::new()))
            } else {
                (
                    request.id,
                    Err(format!("the hub keeps no list {:?}", request.key)),
                )
            };
            answer_log(id, shared, reply);
        }
        Frame::ReadLog(request) => {
            let log = Arc::clone(shared);
            let reply = if is_log_key(&request.key) {
                let read = tokio::task::spawn_blocking(move || log.action_log.read());
                log_outcome(read.await)
            } else {
                Ok(Vec::new())
            };
            answer_log(id, shared, (request.id, reply));
        }
        Frame::Log(_) => debug!("ignored a log reply from a client"),
    }
}

fn log_outcome<T>(outcome: Result<io::Result<T>, tokio::task::JoinError>) -> Result<T, String> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            warn!(error = %Chain(&error), "cannot use the action log file");
            Err("the action log file cannot be used".to_owned())
        }
        Err(_) => Err("the action log is closing".to_owned()),
    }
}

fn answer_log(id: PeerId, shared: &Shared, (request, answer): (u64, Result<Vec<String>, String>)) {
    match answer {
        Ok(entries) => {
            for page in encode_log_pages(request, &entries) {
                shared.peers.send(id, page);
            }
        }
        Err(error) => shared.peers.send(id, encode_log_error(request, &error)),
    }
}

async fn write(mut writer: OwnedWriteHalf, mut outbox: Outbox, peers: &Peers) {
    while let Some(line) = outbox.next().await {
        match timeout(WRITE_DEADLINE, writer.write_all(line.text().as_bytes())).await {
            Ok(Ok(())) => peers.sent(outbox.reader(), &line),
            Ok(Err(_)) => return,
            Err(_) => {
                warn!("closed a bus connection that reads nothing");
                return;
            }
        }
    }
}

/// One installation has one action log, whatever its channel is called.
fn is_log_key(key: &str) -> bool {
    key.ends_with("/actlogs")
}
