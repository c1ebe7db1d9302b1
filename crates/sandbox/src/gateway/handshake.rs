//! The websocket upgrade: any spelling of the root path, any order of parameters.

use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::compress::Encoding;
use crate::server::origin::{Names, is_foreign};
use crate::server::wire::Wire;

/// The parameters of the connection's address.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Query {
    version: Option<String>,
    encoding: Option<String>,
    compress: Option<String>,
}

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let mut found = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "v" => found.version = Some(value.into_owned()),
                "encoding" => found.encoding = Some(value.into_owned()),
                "compress" => found.compress = Some(value.into_owned()),
                _ => {}
            }
        }
        found
    }

    /// Versions 9 and 10, in JSON (the default encoding; the other one is not simulated).
    pub(super) fn version_is_supported(&self) -> bool {
        matches!(self.version.as_deref(), Some("9" | "10"))
            && matches!(self.encoding.as_deref(), None | Some("json"))
    }

    /// Unknown compressions are ignored, as nothing was ever announced.
    pub(super) fn encoding(&self) -> Encoding {
        match self.compress.as_deref() {
            Some("zlib-stream") => Encoding::ZlibStream,
            Some("zstd-stream") => Encoding::ZstdStream,
            _ => Encoding::Plain,
        }
    }
}

#[allow(
    clippy::result_large_err,
    reason = "the callback's type is the library's"
)]
pub(super) async fn accept(
    stream: Wire,
    names: &Names,
    refuse: Option<u16>,
) -> Result<(WebSocketStream<Wire>, Query), WsError> {
    let mut query = Query::default();
    let check = |request: &Request, response: Response| {
        let headers = request.headers();
        if is_foreign(headers) || !names.are_meant_by(headers) {
            let text = "pages of other sites open no session here";
            let mut refusal = ErrorResponse::new(Some(text.to_owned()));
            *refusal.status_mut() = http::StatusCode::FORBIDDEN;
            return Err(refusal);
        }
        if let Some(status) = refuse {
            let mut refusal = ErrorResponse::new(Some("upstream connect error".to_owned()));
            *refusal.status_mut() =
                http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::SERVICE_UNAVAILABLE);
            return Err(refusal);
        }
        if request.uri().path().bytes().any(|b| b != b'/') {
            let mut refusal = ErrorResponse::new(Some("not the gateway".to_owned()));
            *refusal.status_mut() = http::StatusCode::NOT_FOUND;
            return Err(refusal);
        }
        query = Query::parse(request.uri().query().unwrap_or_default());
        Ok(response)
    };
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = 8 * 1024;
    config.write_buffer_size = 64 * 1024;
    // Beyond the 4096 bytes of the protocol, so that a longer payload meets its close code.
    config.max_message_size = Some(1 << 20);
    config.max_frame_size = Some(1 << 20);
    let ws = accept_hdr_async_with_config(stream, check, Some(config)).await?;
    Ok((ws, query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_in_any_order() {
        let a = Query::parse("v=10&encoding=json&compress=zstd-stream");
        assert_eq!(a, Query::parse("&compress=zstd-stream&v=10&encoding=json"));
        assert!(a.version_is_supported());
        assert_eq!(a.encoding(), Encoding::ZstdStream);
        assert!(!Query::parse("").version_is_supported());
        assert!(!Query::parse("v=8").version_is_supported());
        assert!(Query::parse("v=9").version_is_supported());
    }
}
