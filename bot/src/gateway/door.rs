//! Who may use the relay. Any process of the machine and any page in its browsers reach a port of the
//! loopback; only the shards of this process know the way in.

use splashtail_core::ids::ShardId;
use splashtail_core::random::{self, RandomError};
use subtle::ConstantTimeEq;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::http::header::ORIGIN;

/// 128 random bits of this process, in hexadecimal.
pub(super) struct Door(String);

/// What a shard asks for with its address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) shard: ShardId,
    pub(super) query: Option<String>,
}

impl Door {
    pub(super) fn new() -> Result<Self, RandomError> {
        let bits = u128::from_ne_bytes(random::bytes()?);
        Ok(Self(format!("{bits:032x}")))
    }

    pub(super) fn path(&self, shard: ShardId) -> String {
        format!("/{}/{shard}", self.0)
    }

    /// Only browsers send an origin. Whoever knocks wrongly is not told what was wrong.
    pub(super) fn admit(&self, request: &Request) -> Result<Asked, Box<ErrorResponse>> {
        let asked = || {
            let (secret, shard) = request.uri().path().strip_prefix('/')?.split_once('/')?;
            let known = bool::from(secret.as_bytes().ct_eq(self.0.as_bytes()));
            if !known || request.headers().contains_key(ORIGIN) {
                return None;
            }
            Some(Asked {
                shard: ShardId(shard.parse().ok()?),
                query: request.uri().query().map(str::to_owned),
            })
        };
        asked().ok_or_else(|| {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = StatusCode::FORBIDDEN;
            Box::new(refusal)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> Request {
        Request::builder().uri(path).body(()).unwrap()
    }

    #[test]
    fn only_the_way_in_without_an_origin_is_admitted() {
        let door = Door::new().unwrap();
        let path = door.path(ShardId(3));
        let asked = |query: Option<&str>| Asked {
            shard: ShardId(3),
            query: query.map(str::to_owned),
        };
        assert_eq!(door.admit(&request(&path)).unwrap(), asked(None));
        let with_query = request(&format!("{path}?v=10"));
        assert_eq!(door.admit(&with_query).unwrap(), asked(Some("v=10")));

        let other = Door::new().unwrap().path(ShardId(3));
        let cut = path.replacen(&path[1..2], "", 1);
        for wrong in ["/", "/3", "//3", &path[..33], &path[..34], &other, &cut] {
            let refusal = door.admit(&request(wrong)).unwrap_err();
            assert_eq!(refusal.status(), StatusCode::FORBIDDEN, "{wrong}");
        }
        let mut of_a_page = request(&path);
        of_a_page
            .headers_mut()
            .insert(ORIGIN, "https://example.com".parse().unwrap());
        assert!(door.admit(&of_a_page).is_err());
    }
}
