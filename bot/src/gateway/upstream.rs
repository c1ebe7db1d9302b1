//! Where Discord's gateway is: the address that its API names, and for a session that goes on the one
//! that the session's READY named.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use flate2::read::ZlibDecoder;
use rustls_platform_verifier::BuilderVerifierExt;
use serde::Deserialize;
use splashtail_core::ids::ShardId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

/// A READY names a shard's guilds, a hundred bytes each. A larger one names no address to resume at.
const LARGEST_READY: u64 = 16 << 20;

/// Anything bytes go through, with TLS or without.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

pub(super) type Upstream = WebSocketStream<Box<dyn Wire>>;

/// The gateway's addresses.
pub(super) struct Addresses {
    gateway: Url,
    /// Of shards with a session.
    resume: Mutex<BTreeMap<ShardId, Url>>,
}

impl Addresses {
    pub(super) fn new(gateway: Url) -> Self {
        Self {
            gateway,
            resume: Mutex::default(),
        }
    }

    pub(super) fn gateway(&self) -> &Url {
        &self.gateway
    }

    pub(super) fn of_session(&self, shard: ShardId) -> Option<Url> {
        self.resume().get(&shard).cloned()
    }

    /// The shard's next session is another one, or its address leads nowhere.
    pub(super) fn forget(&self, shard: ShardId) {
        self.resume().remove(&shard);
    }

    /// Takes the address of a new session from its READY. Whether the message is one.
    pub(super) fn note(&self, shard: ShardId, message: &Message) -> bool {
        let Some(address) = ready(message) else {
            return false;
        };
        let address = address.and_then(|address| address.parse::<Url>().ok());
        // A token that goes out encrypted goes nowhere else in the clear.
        if let Some(url) = address.filter(|url| url.scheme() == self.gateway.scheme()) {
            self.resume().insert(shard, url);
        }
        true
    }

    fn resume(&self) -> MutexGuard<'_, BTreeMap<ShardId, Url>> {
        self.resume.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that a READY names, as text or compressed by itself (serenity asks for the latter).
#[allow(clippy::option_option, reason = "a READY may name no address")]
fn ready(message: &Message) -> Option<Option<String>> {
    #[derive(Deserialize)]
    struct Named {
        t: Option<String>,
    }
    #[derive(Deserialize)]
    struct Ready {
        d: Session,
    }
    #[derive(Deserialize)]
    struct Session {
        resume_gateway_url: Option<String>,
    }
    let mut unpacked = Vec::new();
    let json = match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => {
            let mut bytes = ZlibDecoder::new(&bytes[..]).take(LARGEST_READY);
            bytes.read_to_end(&mut unpacked).ok()?;
            &unpacked
        }
        _ => return None,
    };
    let named: Named = serde_json::from_slice(json).ok()?;
    if named.t.as_deref() != Some("READY") {
        return None;
    }
    let ready = serde_json::from_slice::<Ready>(json).ok();
    Some(ready.and_then(|ready| ready.d.resume_gateway_url))
}

/// Discord's guilds have no size limit that we would know of.
pub(super) fn unlimited() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None)
}

pub(super) async fn connect(gateway: &Url) -> anyhow::Result<Upstream> {
    let host = gateway
        .host_str()
        .context("the gateway's address has no host")?;
    let port = gateway.port_or_known_default();
    let port = port.context("the gateway's address has no port")?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Wire> = match gateway.scheme() {
        "ws" => Box::new(stream),
        _ => {
            let config = rustls::ClientConfig::builder()
                .with_platform_verifier()
                .context("the certificates of this machine cannot be read")?
                .with_no_client_auth();
            let name = rustls::pki_types::ServerName::try_from(host.to_owned())?;
            Box::new(
                TlsConnector::from(Arc::new(config))
                    .connect(name, stream)
                    .await?,
            )
        }
    };
    let (socket, _) = client_async_with_config(gateway.as_str(), stream, Some(unlimited())).await?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    const SHARD: ShardId = ShardId(1);

    fn ready(address: &str) -> String {
        format!(r#"{{"op":0,"s":1,"t":"READY","d":{{"v":10,"resume_gateway_url":"{address}"}}}}"#)
    }

    fn noted(message: &Message) -> (bool, Option<String>) {
        let addresses = Addresses::new("wss://gateway.example".parse().unwrap());
        let is_ready = addresses.note(SHARD, message);
        (is_ready, addresses.of_session(SHARD).map(String::from))
    }

    #[test]
    fn the_address_of_a_session_is_read_from_its_ready() {
        let text = ready("wss://east.example");
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        let east = Some("wss://east.example/".to_owned());
        assert_eq!(noted(&Message::binary(packed)), (true, east.clone()));
        assert_eq!(noted(&Message::text(text)), (true, east));
    }

    #[test]
    fn an_address_in_the_clear_and_none_are_not_used() {
        let clear = Message::text(ready("ws://east.example"));
        assert_eq!(noted(&clear), (true, None));
        assert_eq!(noted(&Message::text(ready("east"))), (true, None));
        let without = r#"{"op":0,"t":"READY","d":{}}"#;
        assert_eq!(noted(&Message::text(without)), (true, None));
        let other = r#"{"op":0,"t":"RESUMED","d":{"resume_gateway_url":"wss://east.example"}}"#;
        assert_eq!(noted(&Message::text(other)), (false, None));
        assert_eq!(noted(&Message::binary(vec![1, 2, 3])), (false, None));
    }
}
