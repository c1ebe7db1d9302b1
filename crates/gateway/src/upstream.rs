//! Connecting to Discord's gateway.

use std::io;
use std::sync::Arc;

use rustls::pki_types::{InvalidDnsNameError, ServerName};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

/// Anything bytes go through, with TLS or without.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

pub type Upstream = WebSocketStream<Box<dyn Wire>>;

/// Discord's guilds have no size limit that we would know of.
pub fn unlimited() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None)
}

/// The gateway's address with what the shard asks for, in an encoding that [`Unpack`](crate::Unpack) reads.
pub fn address(gateway: &Url, query: Option<&str>, compressed: bool) -> Url {
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

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the gateway's address has no host or no port")]
    Address,
    #[error("cannot reach the gateway")]
    Io(#[from] io::Error),
    #[error("the certificates of this machine cannot be read")]
    Certificates(#[source] rustls::Error),
    #[error("the gateway's host is no name that a certificate could have")]
    Name(#[from] InvalidDnsNameError),
    #[error("the gateway does not speak websocket")]
    Handshake(#[from] Box<WsError>),
}

impl ConnectError {
    /// The gateway answered, and does not take what the request asks for. One that does not take
    /// whoever asks, or not so often, says nothing about the request.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Handshake(error) => match error.as_ref() {
                WsError::Http(answer) => matches!(
                    answer.status(),
                    StatusCode::BAD_REQUEST
                        | StatusCode::NOT_ACCEPTABLE
                        | StatusCode::UNSUPPORTED_MEDIA_TYPE
                        | StatusCode::UNPROCESSABLE_ENTITY
                ),
                _ => false,
            },
            _ => false,
        }
    }
}

/// Connects. `address` is [`address`]'s.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect(address: &Url) -> Result<Upstream, ConnectError> {
    let host = address.host_str().ok_or(ConnectError::Address)?;
    let port = address
        .port_or_known_default()
        .ok_or(ConnectError::Address)?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Wire> = match address.scheme() {
        "ws" => Box::new(stream),
        _ => {
            let config = rustls::ClientConfig::builder()
                .with_platform_verifier()
                .map_err(ConnectError::Certificates)?
                .with_no_client_auth();
            let name = ServerName::try_from(host.to_owned())?;
            let connector = TlsConnector::from(Arc::new(config));
            Box::new(connector.connect(name, stream).await?)
        }
    };
    let (socket, _) = client_async_with_config(address.as_str(), stream, Some(unlimited()))
        .await
        .map_err(Box::new)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_to_the_request_itself_is_a_refusal_of_it() {
        let answered = |status: StatusCode| {
            let mut answer = tokio_tungstenite::tungstenite::http::Response::new(None);
            *answer.status_mut() = status;
            ConnectError::from(Box::new(WsError::Http(Box::new(answer)))).is_refusal()
        };
        assert!(answered(StatusCode::BAD_REQUEST));
        for status in [401, 403, 404, 429, 500, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(!answered(status), "{status}");
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
