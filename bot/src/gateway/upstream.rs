//! Where Discord's gateway is: the address that its API names, and for a session that goes on the one
//! that the session's READY named.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use rustls_platform_verifier::BuilderVerifierExt;
use splashtail_core::ids::ShardId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

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

    /// The address that a new session's READY names.
    pub(super) fn note(&self, shard: ShardId, address: Option<&str>) {
        let address = address.and_then(|address| address.parse::<Url>().ok());
        // A token that goes out encrypted goes nowhere else in the clear.
        if let Some(url) = address.filter(|url| url.scheme() == self.gateway.scheme()) {
            self.resume().insert(shard, url);
        }
    }

    fn resume(&self) -> MutexGuard<'_, BTreeMap<ShardId, Url>> {
        self.resume.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Discord's guilds have no size limit that we would know of.
pub(super) fn unlimited() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None)
}

/// The gateway's address with what the shard asks for, in the one encoding that the tap reads.
pub(super) fn address(gateway: &Url, query: Option<&str>, compressed: bool) -> Url {
    let mut address = gateway.clone();
    address.set_query(None);
    {
        let asked = query.unwrap_or_default().as_bytes();
        let asked = url::form_urlencoded::parse(asked);
        let kept = asked.filter(|(key, _)| key != "encoding" && key != "compress");
        let mut pairs = address.query_pairs_mut();
        pairs.extend_pairs(kept).append_pair("encoding", "json");
        if compressed {
            pairs.append_pair("compress", "zstd-stream");
        }
    }
    address
}

/// Connects. `address` is [`address`]'s.
pub(super) async fn connect(address: &Url) -> anyhow::Result<Upstream> {
    let host = address
        .host_str()
        .context("the gateway's address has no host")?;
    let port = address.port_or_known_default();
    let port = port.context("the gateway's address has no port")?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Wire> = match address.scheme() {
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
    let (socket, _) = client_async_with_config(address.as_str(), stream, Some(unlimited())).await?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: ShardId = ShardId(1);

    fn noted(address: Option<&str>) -> Option<String> {
        let addresses = Addresses::new("wss://gateway.example".parse().unwrap());
        addresses.note(SHARD, address);
        addresses.of_session(SHARD).map(String::from)
    }

    #[test]
    fn an_address_in_the_clear_and_none_are_not_used() {
        let east = Some("wss://east.example/".to_owned());
        assert_eq!(noted(Some("wss://east.example")), east);
        for useless in [Some("ws://east.example"), Some("east"), None] {
            assert_eq!(noted(useless), None, "{useless:?}");
        }
    }

    #[test]
    fn compression_is_asked_for_beside_what_the_shard_asks() {
        let gateway: Url = "wss://gateway.example/".parse().unwrap();
        let ask = |query, compressed| address(&gateway, query, compressed).to_string();
        assert_eq!(
            ask(Some("v=10"), true),
            "wss://gateway.example/?v=10&encoding=json&compress=zstd-stream"
        );
        assert_eq!(
            ask(Some("v=10"), false),
            "wss://gateway.example/?v=10&encoding=json"
        );
        assert_eq!(ask(None, false), "wss://gateway.example/?encoding=json");
        assert_eq!(
            ask(Some("encoding=json&v=9&compress=zlib-stream"), true),
            "wss://gateway.example/?v=9&encoding=json&compress=zstd-stream"
        );
    }
}
